/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a root may show after a power cut, and whether it does.
 *
 * A volume is a chain of *versions*, one a write. Its sectors may each be of any version from the
 * newest back to the oldest that it may still be: the one that was flushed. Where it must be one
 * instant, all of it is of one of them. A *state* is all volumes and the relation; between a call's
 * beginning and its end there are two, and a root shows one of them, whole.
 */
#ifndef REPLICANT_TESTS_FAULTS_CRASH_JUDGE_H
#define REPLICANT_TESTS_FAULTS_CRASH_JUDGE_H

#include "world.h"

#define CRASH_VOLUMES 6
#define CRASH_STATES 4

struct version {
    uint64_t size;
    unsigned char *bytes;
    const struct version *before;
    struct version *made; /* the one that was made before it */
};

struct expect {
    char name[16]; /* one that ends with @ stands for all that begin so: what a rewind kept */
    const char *pool;
    const struct version *newest, *oldest;
    bool instant;
    bool apart; /* a kept one that does not stand on what it was kept of */
};

struct crash_state {
    struct expect volumes[CRASH_VOLUMES];
    uint32_t count;
    int relation;   /* the state that it comes to; 0: there is none */
    bool alike;     /* its two sides are equal then */
    bool dependent; /* some volume is a clone's parent */
    const char *source_pool;
    /* What is left, alone, when that pool is lost: either of these; a name of "": no volume. */
    struct expect left[2];
    uint32_t left_count; /* 0: it is not lost here */
};

struct version *version_after(const struct version *before, uint64_t size);
void versions_free(void); /* all that were made */

/* In `world.directory`, as a cut left it: it opens, what was under way comes to its end, one of the
 * states is shown, a mirror goes on, all of it can be used, and its files are those that are named.
 */
void crash_judge(const struct crash_state *states, uint32_t count);
/* The same without the source's pool, whose directory is not there. */
void crash_judge_left(const struct crash_state *states, uint32_t count);
/* What an owner does that only opens and closes. */
void crash_recover(void);

#endif
