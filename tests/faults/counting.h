/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table for the engine's `vfs` that counts system calls by whose they are: the deterministic form
 * of how long a verb takes. Nothing is synced here, but the syncs count.
 */
#ifndef REPLICANT_TESTS_FAULTS_COUNTING_H
#define REPLICANT_TESTS_FAULTS_COUNTING_H

#include <stdint.h>

enum who {
    WORKERS, /* the engine's threads that nobody else is: those of jobs */
    CHORES,  /* its background, between its rounds, too */
    CALLER,
    WRITER,
    WHOS
};

void counting_install(void);    /* `vfs` is this table from now on */
void counting_as(enum who who); /* the calls of this thread */
uint64_t counting_of(enum who who);

#endif
