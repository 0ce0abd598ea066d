/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which process this is, as a number that fork() raises in the child.
 *
 * Locks, threads and owned roots stay with the parent, so a handle remembers the number it was
 * made under, and whoever is handed it compares: a load, where getpid() would be a system call.
 */
#ifndef REPLICANT_UTIL_FORK_H
#define REPLICANT_UTIL_FORK_H

#include <stdint.h>

extern uint32_t fork_generation; /* read only */

#endif
