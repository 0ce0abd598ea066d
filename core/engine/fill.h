/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job that fills a base layer from a frozen stack: what COPY and FLATTEN have in common. The
 * job's row is in the catalog of the pool that is filled, and its cursor is kept with every
 * checkpoint.
 */
#ifndef REPLICANT_ENGINE_FILL_H
#define REPLICANT_ENGINE_FILL_H

#include "mover.h"
#include "volume.h"

struct fill {            /* the job's context */
    struct pool *pool;   /* that is filled */
    struct pool *source; /* that is read; NULL: it is not here */
    uint64_t start;      /* where, among all that the job fills, the layer at hand begins */
    uint64_t due_ns;     /* the rate limit is for all of them */
};

#define FILL(job) ((struct fill *)(job)->context)

struct job *fill_job_alloc(struct job_row *row, const struct job_body *body, struct pool *pool,
                           struct pool *source);

/* What the job's part in a member holds: what it is filled from, and what is filled until that is
 * somebody's. */
struct hold *fill_hold(struct job *job, uint32_t i, struct pool *pool, bool frozen); /* or NULL */
int fill_hold_alloc(const struct job_row *row, uint32_t i, const struct pool *owners,
                    struct hold **hold);

int fill_save(struct job *job, const struct job_row *row); /* a transaction of its own */
int fill_forget(struct job *job);
/* A first fill that will not be finished: the targets never were. Their rows go in the caller's
 * transaction, and then they from the picture. */
int fill_targets_remove_rows(struct pool *pool, const struct job_row *row);
void fill_targets_remove(struct pool *pool, const struct job_row *row);
/* Before the first of them, each time that the job begins to run. */
void fill_begin(struct job *job);
/* Moves all of `source` that the job has not moved yet; the target is open. The job's cursor is
 * behind `start`. */
int fill_move(struct job *job, const struct stack *source, struct layer *target, uint64_t size);
/* The same of a delta alone. */
struct delta {
    uint32_t depth;      /* the source's uppermost layers */
    struct map *regions; /* and these regions; NULL: none */
};
uint64_t fill_delta_bytes(const struct stack *source, const struct delta *delta, uint64_t size);
int fill_move_delta(struct job *job, const struct stack *source, const struct delta *delta,
                    struct layer *target, uint64_t size);

#endif
