/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small disk of the test's own, to fill or to make read-only, with the world on it. It is mounted
 * in a name space that ends with the test's process, so the machine does not see it. Where that may
 * not be done there is none, and the test has nothing to do.
 */
#ifndef REPLICANT_TESTS_CONTRACT_DISK_H
#define REPLICANT_TESTS_CONTRACT_DISK_H

#include "kit.h"

#define DISK_SIZE (32 * MIB)

extern bool disk_is_there;

void disk_make(void); /* and the world; without a disk, no world */
void disk_remove(void);
void disk_set_read_only(bool read_only); /* with the world closed */
void disk_fill(void);                    /* to the last block */
void disk_fill_but(uint64_t bytes);
void disk_free(void); /* what disk_fill() took */

#endif
