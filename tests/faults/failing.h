/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table for the engine's `vfs` that fails one call. Calls are counted while it is armed, those
 * alone that the fault can happen to; the n-th gets it. Of the same call on the same file (the WAL
 * being grown) the first few count, and then one in fifty (one in five: REPLICANT_TEST_LONG).
 *
 * Nothing is synced here: what these tests cut off is a process, never the power.
 */
#ifndef REPLICANT_TESTS_FAULTS_FAILING_H
#define REPLICANT_TESTS_FAULTS_FAILING_H

#include <stdbool.h>

enum fault {
    FAULT_EIO,    /* any call */
    FAULT_ENOSPC, /* calls that may need blocks */
    FAULT_SHORT,  /* reads and writes: half of it is done, and the call says so */
    FAULT_TORN,   /* writes: some sectors are written, and the call says EIO */
    FAULT_DEATH,  /* any call: the process is gone instead, with the exit code FAILING_DEATH */
    FAULT_MEMORY, /* allocations, in a program that has failing_memory.c */
    FAULTS
};

#define FAILING_DEATH 42

extern const char *const fault_names[FAULTS];

void failing_install(void); /* `vfs` is this table from now on; nothing fails yet */
void failing_uninstall(void);

/* The n-th call from now on; `lasting`: and every one after it, until it is disarmed. */
void failing_arm(enum fault fault, long n, bool lasting);
/* The n-th call of `member` ("fdatasync") on a file whose path ends with `suffix` ("" is any). */
void failing_arm_at(enum fault fault, const char *member, const char *suffix, long n, bool lasting);
/* From now on calls on files whose path has `part` in it count alone (NULL: all); disarming keeps
 * it. */
void failing_within(const char *part);
/* While it is armed, calls on files whose path has `part` in it all fail, uncounted (NULL: none).
 */
void failing_always(const char *part);
void failing_disarm(void);
void failing_exempt(bool exempt); /* the calls of this thread neither count nor fail; may nest */

bool failing_memory(const char *function, const void *from); /* whether this one does */
void failing_sqlite(void); /* SQLite's are among them; before it is used */

bool failing_reached(void);     /* since it was armed */
const char *failing_what(void); /* "pwrite of …/pool.db-wal" */
long failing_counted(void);     /* calls counted since it was armed */

#endif
