/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names for what must never be named twice: 128 random bits as 32 lower-case hex digits. */
#ifndef REPLICANT_UTIL_GUID_H
#define REPLICANT_UTIL_GUID_H

#include <stdbool.h>

#define GUID_SIZE 33 /* 32 digits and the NUL */

/* Both return LSM_ERR_OK, or LSM_ERR_IO (the error is set) where the kernel gives no randomness. */
int guid_make(char guid[GUID_SIZE]);
int guid_make_volume(char guid[GUID_SIZE]); /* begins with 6, as a VPD 0x83 id of 16 bytes does */

bool guid_is(const char *text); /* 32 lower-case hex digits; NULL is none */

#endif
