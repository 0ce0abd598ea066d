/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The libStorageMgmt release whose calls replicant's match; replicant's own version is another. */
#ifndef REPLICANT_COMPAT_VERSION_H
#define REPLICANT_COMPAT_VERSION_H

#define LSM_MAJOR 1
#define LSM_MINOR 10
#define LSM_MICRO 3
#define LSM_VERSION ((LSM_MAJOR * 10000) + (LSM_MINOR * 100) + LSM_MICRO)

#endif
