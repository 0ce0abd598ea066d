/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * COPY: the source is frozen and the frozen stack held; a job fills one base layer of the target
 * from it, while the source is written on.
 *
 * The commit point is the target's volume row and the job's row, in the target's pool. Where the
 * source is in another pool, its freeze and hold are committed before, with the job's id in the
 * hold: one whose job never came to be is dropped at the next open. At the end «the volume is
 * ready» and «the job is done» are one transaction, and the hold goes after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "freeze.h"
#include "replicate.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

static const struct job_body copy_body;

/* --- beginning ------------------------------------------------------------------------------- */

/* What a copy consists of before it is committed: half of it is thrown away when something fails.
 */
struct draft {
    struct volume_row volume;
    struct job_row job;
    struct layer *base;
    struct layer_entry *entry;
    struct volume *target;
    struct hold *hold;
    struct job *record;
    char *id; /* for the caller */
};

static int fill_rows(const struct plan *plan, struct draft *draft)
{
    draft->volume = (struct volume_row){.name = plan->name,
                                        .size = plan->source->size,
                                        .created_ms = clock_ms(),
                                        .provision = LSM_VOLUME_PROVISION_FULL,
                                        .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                                        .key = plan->options->key,
                                        .request = plan->options->key ? plan->request : NULL};
    struct job_row *job = &draft->job;
    *job = (struct job_row){.kind = LSM_JOB_KIND_COPY,
                            .state = LSM_JOB_STATE_QUEUED,
                            .total = plan->source->size,
                            .rate_limit = plan->options->rate_limit,
                            .verify = plan->options->verify == LSM_VERIFY_READ_BACK,
                            .created_ms = draft->volume.created_ms};
    int code = guid_make_volume(draft->volume.id);
    if (code == LSM_ERR_OK)
        code = guid_make(job->id);
    memcpy(job->source, plan->source->id, ID_SIZE);
    memcpy(job->target, draft->volume.id, ID_SIZE);
    job->detail = strdup(plan->source->pool->id);
    job->key = plan->options->key ? strdup(plan->options->key) : NULL;
    if (!job->detail || (plan->options->key && !job->key))
        return error_no_memory();
    return code;
}

/* Everything that needs memory, so that nothing can fail once it is committed. */
static int prepare(const struct plan *plan, struct draft *draft)
{
    int code = fill_rows(plan, draft);
    if (code == LSM_ERR_OK)
        code = pool_base_make(plan->pool, plan->source->size, true, &draft->base);
    if (code != LSM_ERR_OK)
        return code;
    struct job_row row = {0};
    draft->target = volume_alloc(plan->pool, &draft->volume, draft->base);
    draft->entry = calloc(1, sizeof *draft->entry);
    draft->id = strdup(draft->job.id);
    if (draft->target && draft->entry && draft->id &&
        pool_hold_alloc(draft->job.id, plan->pool, &draft->hold) == LSM_ERR_OK &&
        job_row_copy(&row, &draft->job) == LSM_ERR_OK)
        draft->record = fill_job_alloc(&row, &copy_body, plan->pool, plan->source->pool);
    job_row_finish(&row);
    return draft->record ? LSM_ERR_OK : error_no_memory();
}

static void discard(struct pool *pool, struct draft *draft)
{
    struct _lsm_error *why = error_take();
    job_free(draft->record);
    volume_free(draft->target);
    if (draft->base) {
        pool_files_drop(pool, draft->base->guid);
        layer_free(draft->base);
    }
    free(draft->entry);
    free(draft->hold);
    free(draft->id);
    job_row_finish(&draft->job);
    error_restore(why);
}

static int record_hold(const struct plan *plan, const struct draft *draft,
                       const struct freeze *freeze)
{
    int code = freeze_record(freeze);
    return code == LSM_ERR_OK ? catalog_hold_add(plan->source->pool->catalog, draft->job.id,
                                                 plan->pool->id, freeze->instant->row)
                              : code;
}

static int record_target(const struct plan *plan, struct draft *draft)
{
    struct catalog *catalog = plan->pool->catalog;
    struct layer_row layer = {.state = LAYER_WRITABLE, .full = true};
    memcpy(layer.guid, draft->base->guid, ID_SIZE);
    int code = catalog_layer_add(catalog, &layer);
    draft->base->row = draft->volume.top = layer.row;
    if (code == LSM_ERR_OK)
        code = catalog_volume_add(catalog, &draft->volume);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(catalog), &draft->job) : code;
}

static void enter_hold(struct pool *source, struct draft *draft, struct layer *instant)
{
    pool_hold_enter(source, draft->hold, instant);
    draft->hold = NULL;
}

/* In one pool all of it is one transaction; across two, the source's part goes first. */
static int commit(const struct plan *plan, struct draft *draft, struct freeze *freeze)
{
    struct catalog *source = plan->source->pool->catalog, *target = plan->pool->catalog;
    int code = catalog_begin(source);
    if (code == LSM_ERR_OK) {
        code = record_hold(plan, draft, freeze);
        if (code == LSM_ERR_OK && source == target)
            code = record_target(plan, draft);
        code = catalog_end(source, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo(freeze);
        return code;
    }
    freeze_done(freeze);
    enter_hold(plan->source->pool, draft, freeze->instant);
    if (source == target)
        return LSM_ERR_OK;
    code = catalog_begin(target);
    if (code == LSM_ERR_OK)
        code = catalog_end(target, record_target(plan, draft));
    if (code != LSM_ERR_OK && !catalog_in_doubt(target)) {
        struct _lsm_error *why = error_take();
        pool_hold_release(plan->source->pool, draft->job.id); /* else at the next open */
        error_clear();
        error_restore(why);
    }
    return code;
}

int copy_begin(const struct plan *plan, char **job)
{
    struct draft draft = {0};
    struct freeze freeze;
    int code = prepare(plan, &draft);
    if (code == LSM_ERR_OK)
        code = freeze_prepare(&freeze, plan->source);
    if (code == LSM_ERR_OK)
        code = commit(plan, &draft, &freeze);
    if (code != LSM_ERR_OK) {
        discard(plan->pool, &draft);
        return code;
    }
    draft.entry->row = draft.base->row;
    draft.entry->layer = draft.base;
    HASH_ADD(hh, plan->pool->layers, row, sizeof draft.entry->row, draft.entry);
    volume_enter(draft.target);
    plan->source->readers++;
    job_start(plan->pool->root->runner, draft.record, false);
    job_row_finish(&draft.job);
    *job = draft.id;
    return LSM_ERR_JOB_STARTED;
}

/* --- running --------------------------------------------------------------------------------- */

static int open_both(struct job *job, struct stack **source, struct volume **target)
{
    struct fill *copy = FILL(job);
    struct hold *hold = copy->source ? pool_hold(copy->source, job->row.id, true) : NULL;
    *target = volume_find(copy->pool->root, job->row.target);
    if (!hold || !*target)
        return error_set(LSM_ERR_DAMAGED, job->row.id,
                         "what the job %s copies is gone from the catalog", job->row.id);
    *source = stack_open(hold->layer, job->row.total);
    if (!*source)
        return error_pending();
    int code = layer_open((*target)->top, job->row.total);
    if (code != LSM_ERR_OK)
        stack_close(*source);
    return code;
}

/* The source lets go of what was held for the job. Where that fails the next open does it. */
static void let_source_go(struct job *job)
{
    struct fill *copy = FILL(job);
    struct volume *source = volume_find(copy->pool->root, job->row.source);
    if (source && source->readers) {
        source->readers--;
        source->changed_ns = clock_monotonic_ns();
    }
    if (copy->source)
        pool_hold_release(copy->source, job->row.id);
    error_clear();
}

static int finish(struct job *job, struct volume *target)
{
    struct catalog *catalog = target->pool->catalog;
    struct job_row row = job_row_as(job, LSM_JOB_STATE_DONE);
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_volume_ready_set(catalog, target->id);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &row);
    code = catalog_end(catalog, code);
    if (code != LSM_ERR_OK)
        return code;
    target->ready = true;
    let_source_go(job);
    event_publish(target->pool->root->hub, LSM_EVENT_VOLUME, target->id, -1, -1);
    return code;
}

static int run(struct job *job)
{
    struct fill *copy = FILL(job);
    pthread_mutex_t *lock = &copy->pool->root->lock;
    struct stack *source;
    struct volume *target;
    pthread_mutex_lock(lock);
    int code = open_both(job, &source, &target);
    pthread_mutex_unlock(lock);
    if (code != LSM_ERR_OK)
        return code;
    code = layer_allocate(target->top, 0, job->row.total);
    if (code == LSM_ERR_OK)
        code = fill_move(job, source, target->top, job->row.total);
    pthread_mutex_lock(lock);
    if (code == LSM_ERR_OK)
        code = finish(job, target);
    stack_close(source);
    layer_close(target->top);
    pthread_mutex_unlock(lock);
    return code;
}

/* A copy that will never be finished leaves nothing but its job's row. */
static int remove_target(struct job *job, const struct job_row *row)
{
    struct fill *copy = FILL(job);
    struct catalog *catalog = copy->pool->catalog;
    struct volume *target = volume_find(copy->pool->root, row->target);
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = target ? volume_remove_rows(target) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), row);
    code = catalog_end(catalog, code);
    if (code != LSM_ERR_OK)
        return code;
    if (target)
        volume_remove(target);
    let_source_go(job);
    return code;
}

static int settle(struct job *job, const struct job_row *row)
{
    struct fill *copy = FILL(job);
    if (row->state == LSM_JOB_STATE_PAUSED || row->state == LSM_JOB_STATE_QUEUED)
        return fill_save(job, row);
    LOCKED(&copy->pool->root->lock);
    return remove_target(job, row);
}

static const struct job_body copy_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

/* --- after an open --------------------------------------------------------------------------- */

int copy_load(struct pool *pool, struct job_row *row)
{
    struct pool *other = row->detail ? pool_by_id(pool->root, row->detail) : NULL;
    bool ended = row->state >= LSM_JOB_STATE_DONE, parked = !ended && !other;
    if (parked) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", row->detail) < 0)
            row->message = NULL;
    }
    struct volume *source = ended ? NULL : volume_find(pool->root, row->source);
    struct job *job = fill_job_alloc(row, &copy_body, pool, other);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    if (source)
        source->readers++;
    job_start(pool->root->runner, job, parked || pool->read_only);
    return LSM_ERR_OK;
}
