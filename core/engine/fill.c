/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

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

int fill_move_delta(struct job *job, const struct stack *source, const struct delta *delta,
                    struct layer *target, uint64_t size)
{
    if (delta)
        job_total_set(job, mover_delta_bytes(source, delta->depth, delta->regions, size));
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
                          .checkpoint = checkpoint,
                          .foreground = foreground,
                          .argument = job};
    return mover_run(&mover);
}
