/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/error.h"

struct job *fill_job_alloc(struct job_row *row, const struct job_body *body, struct pool *pool,
                           struct pool *source)
{
    struct fill *fill = malloc(sizeof *fill);
    if (!fill) {
        error_no_memory();
        return NULL;
    }
    *fill = (struct fill){.pool = pool, .source = source};
    struct job *job = job_alloc(row, body, fill, &pool->lane);
    if (!job)
        free(fill);
    return job;
}

struct hold *fill_hold(struct job *job, uint32_t i, struct pool *pool, bool frozen)
{
    char owner[ID_SIZE];
    return job_row_part(&job->row, i, owner) ? pool_hold(pool, owner, frozen) : NULL;
}

int fill_hold_alloc(const struct job_row *row, uint32_t i, const struct pool *owners,
                    struct hold **hold)
{
    char owner[ID_SIZE];
    job_row_part(row, i, owner);
    return pool_hold_alloc(owner, owners, hold);
}

int fill_save(struct job *job, const struct job_row *row)
{
    struct catalog *catalog = FILL(job)->pool->catalog;
    int code = catalog_begin(catalog);
    return code == LSM_ERR_OK ? catalog_end(catalog, job_store_put(catalog_database(catalog), row))
                              : code;
}

int fill_forget(struct job *job)
{
    struct catalog *catalog = FILL(job)->pool->catalog;
    int code = catalog_begin(catalog);
    return code == LSM_ERR_OK
               ? catalog_end(catalog, job_store_remove(catalog_database(catalog), job->row.id))
               : code;
}

int fill_targets_remove_rows(struct pool *pool, const struct job_row *row)
{
    struct job_ends ends;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(row, i, &ends); i++) {
        struct volume *target = volume_find(pool->root, ends.target);
        if (target)
            code = volume_remove_rows(target);
    }
    return code;
}

void fill_targets_remove(struct pool *pool, const struct job_row *row)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++) {
        struct volume *target = volume_find(pool->root, ends.target);
        if (target)
            volume_remove(target);
    }
}

void fill_begin(struct job *job)
{
    FILL(job)->start = FILL(job)->due_ns = 0;
}

static int checkpoint(void *argument, const struct mover *mover)
{
    struct job *job = argument;
    struct job_row row = job_row_as(job, LSM_JOB_STATE_RUNNING);
    row.cursor = FILL(job)->start + mover->cursor;
    row.copied = mover->copied;
    row.skipped = mover->skipped;
    int code = fill_save(job, &row);
    if (code == LSM_ERR_OK)
        job_checkpointed(job, row.cursor, row.copied, row.skipped);
    return code;
}

static uint64_t io_count(const struct pool *pool)
{
    uint64_t count = 0;
    for (struct volume *v = pool ? pool->volumes : NULL; v; v = v->hh.next)
        count += gate_count(&v->gate);
    return count;
}

static uint64_t foreground(void *argument)
{
    const struct fill *fill = FILL((struct job *)argument);
    LOCKED(&fill->pool->root->lock);
    return io_count(fill->pool) + (fill->source != fill->pool ? io_count(fill->source) : 0);
}

int fill_move(struct job *job, const struct stack *source, struct layer *target, uint64_t size)
{
    return fill_move_delta(job, source, NULL, target, size);
}

uint64_t fill_delta_bytes(const struct stack *source, const struct delta *delta, uint64_t size)
{
    return mover_delta_bytes(source, delta->depth, delta->regions, size);
}

int fill_move_delta(struct job *job, const struct stack *source, const struct delta *delta,
                    struct layer *target, uint64_t size)
{
    struct mover mover = {.source = source,
                          .target = target,
                          .size = size,
                          .delta = delta != NULL,
                          .delta_depth = delta ? delta->depth : 0,
                          .regions = delta ? delta->regions : NULL,
                          .cursor = job->row.cursor - FILL(job)->start,
                          .copied = job->row.copied,
                          .skipped = job->row.skipped,
                          .verify = job->row.verify,
                          .stop = &job->stop,
                          .rate_limit = &job->rate_limit,
                          .due_ns = FILL(job)->due_ns,
                          .checkpoint = checkpoint,
                          .foreground = foreground,
                          .argument = job};
    int code = mover_run(&mover);
    FILL(job)->due_ns = mover.due_ns;
    return code;
}
