/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data mover: the bytes of a stack into a layer. Holes and zeros are skipped, the rest goes from
 * file to file in large pieces with many requests in flight, past the page cache where the source is
 * not in it. The target is a layer that shows zeros wherever nothing was written yet.
 *
 * It knows no jobs: whoever runs it says when to stop, how fast to go, and what to do at a
 * checkpoint.
 */
#ifndef REPLICANT_ENGINE_MOVER_H
#define REPLICANT_ENGINE_MOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stack.h"

struct mover {
    const struct stack *source; /* frozen */
    struct layer *target;       /* open */
    uint64_t size;
    uint64_t cursor;            /* all before it is done */
    uint64_t copied, skipped;   /* up to the cursor */
    bool verify;                /* read back past the cache and compare, at the end */
    const atomic_int *stop;     /* not 0: come to an end at a checkpoint */
    const _Atomic uint64_t *rate_limit; /* bytes a second; 0: none */
    /* What the target holds up to `cursor` is durable when this is called. */
    int (*checkpoint)(void *argument, const struct mover *mover);
    void *argument;
};

/* LSM_ERR_OK: all is there and durable. LSM_ERR_CANCELLED: it was stopped, after a checkpoint.
 * Anything else: the error is set. */
int mover_run(struct mover *mover);

#endif
