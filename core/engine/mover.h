/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data mover: the bytes of a stack into a layer. They go from file to file in large pieces with
 * many requests in flight, past the page cache where the source is not in it. Into a base, which
 * shows zeros wherever nothing was written yet, holes and zeros are skipped. Into a layer with a
 * map goes a *delta*: the clusters that the uppermost layers of the source hold, zeros as zeros.
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
    bool delta;                /* move a delta; else all of it */
    uint32_t delta_depth;      /* of the source's layers, those that are the delta */
    const struct map *regions; /* of REGION_SIZE, which belong to the delta, too; NULL: none */
    uint64_t cursor;           /* all before it is done */
    uint64_t copied, skipped;  /* up to the cursor */
    bool verify;               /* read back past the cache and compare, at the end */
    const atomic_int *stop;    /* not 0: come to an end at a checkpoint */
    const _Atomic uint64_t *rate_limit; /* bytes a second; 0: none */
    uint64_t due_ns; /* when that lets the next bytes go: 0 at first, then where a run left it */
    /* What the target holds up to `cursor` is durable when this is called. */
    int (*checkpoint)(void *argument, const struct mover *mover);
    uint64_t (*foreground)(void *argument); /* changes while somebody does I/O beside this */
    void *argument;
};

/* Bytes of a delta, for a job's total. */
uint64_t mover_delta_bytes(const struct stack *source, uint32_t depth, const struct map *regions,
                           uint64_t size);

/* The next run of the delta in [offset, end), at most a window long; *start == end: none. */
void mover_next_delta(const struct stack *source, uint32_t depth, const struct map *regions,
                      uint64_t offset, uint64_t end, uint64_t *start, uint64_t *stop);

/* LSM_ERR_OK: all is there and durable. LSM_ERR_CANCELLED: it was stopped, after a checkpoint.
 * Anything else: the error is set. */
int mover_run(struct mover *mover);

#endif
