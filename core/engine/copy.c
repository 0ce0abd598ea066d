/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * COPY: the source is frozen and the frozen stack held; a job fills one base layer of the target
 * from it, while the source is written on. A group is the same with several, frozen at one instant:
 * its one job fills their bases one after the other, and its cursor counts through all of them.
 *
 * The commit point is the targets' volume rows and the job's row, in the targets' pool. Where the
 * sources are in another pool, their freeze and holds are committed before, and one whose job never
 * came to be is dropped at the next open. At the end «the volumes are ready» and «the job is done»
 * are one transaction, and the holds go after it.
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
struct member {
    struct volume_row volume;
    struct layer *base;
    struct layer_entry *entry;
    struct volume *target;
    struct hold *hold;
};

struct draft {
    struct pool *source, *pool;
    uint32_t count;
    struct member *members;
    struct job_ends *ends;
    struct freeze *freezes;
    struct job_row job;
    struct job *record;
    char *id; /* for the caller */
};

static int fill_job(const struct plan *plans, struct draft *draft)
{
    const struct _lsm_replicate_options *options = plans->options;
    struct job_row *job = &draft->job;
    *job = (struct job_row){.kind = LSM_JOB_KIND_COPY,
                            .state = LSM_JOB_STATE_QUEUED,
                            .rate_limit = options->rate_limit,
                            .verify = options->verify == LSM_VERIFY_READ_BACK,
                            .created_ms = clock_ms()};
    for (uint32_t i = 0; i < draft->count; i++)
        job->total += plans[i].source->size;
    job->detail = strdup(draft->source->id);
    job->key = options->key ? strdup(options->key) : NULL;
    if (!job->detail || (options->key && !job->key))
        return error_no_memory();
    int code = guid_make(job->id);
    return code == LSM_ERR_OK ? job_row_members_set(job, draft->ends, draft->count) : code;
}

static int prepare_member(const struct plan *plan, struct draft *draft, uint32_t i)
{
    struct member *member = &draft->members[i];
    int code = plan_volume_row(plan, LSM_VOLUME_PROVISION_FULL, &member->volume);
    if (code == LSM_ERR_OK)
        code = pool_base_make(plan->pool, plan->source->size, true, &member->base);
    if (code != LSM_ERR_OK)
        return code;
    draft->freezes[i].volume = plan->source;
    memcpy(draft->ends[i].source, plan->source->id, ID_SIZE);
    memcpy(draft->ends[i].target, member->volume.id, ID_SIZE);
    member->target = volume_alloc(plan->pool, &member->volume, member->base);
    member->entry = calloc(1, sizeof *member->entry);
    return member->target && member->entry ? LSM_ERR_OK : error_no_memory();
}

/* Everything that needs memory, so that nothing can fail once it is committed. */
static int prepare(const struct plan *plans, struct draft *draft)
{
    struct job_row row = {0};
    int code = LSM_ERR_OK;
    draft->members = calloc(draft->count, sizeof *draft->members);
    draft->ends = calloc(draft->count, sizeof *draft->ends);
    draft->freezes = calloc(draft->count, sizeof *draft->freezes);
    if (!draft->members || !draft->ends || !draft->freezes)
        return error_no_memory();
    for (uint32_t i = 0; i < draft->count && code == LSM_ERR_OK; i++)
        code = prepare_member(&plans[i], draft, i);
    if (code == LSM_ERR_OK)
        code = fill_job(plans, draft);
    for (uint32_t i = 0; i < draft->count && code == LSM_ERR_OK; i++)
        code = fill_hold_alloc(&draft->job, i, draft->pool, &draft->members[i].hold);
    if (code != LSM_ERR_OK)
        return code;
    draft->id = strdup(draft->job.id);
    if (draft->id && job_row_copy(&row, &draft->job) == LSM_ERR_OK)
        draft->record = fill_job_alloc(&row, &copy_body, draft->pool, draft->source);
    job_row_finish(&row);
    return draft->record ? LSM_ERR_OK : error_no_memory();
}

/* What is left of a draft that became a copy. */
static void finish_draft(struct draft *draft)
{
    free(draft->members);
    free(draft->ends);
    free(draft->freezes);
    job_row_finish(&draft->job);
}

static void discard(struct draft *draft)
{
    struct _lsm_error *why = error_take();
    job_free(draft->record);
    for (uint32_t i = 0; i < draft->count && draft->members; i++) {
        struct member *member = &draft->members[i];
        volume_free(member->target);
        if (member->base) {
            pool_files_drop(draft->pool, member->base->guid);
            layer_free(member->base);
        }
        free(member->entry);
        free(member->hold);
    }
    free(draft->id);
    finish_draft(draft);
    error_restore(why);
}

static int record_sources(const struct draft *draft)
{
    int code = freeze_record_all(draft->freezes, draft->count);
    for (uint32_t i = 0; i < draft->count && code == LSM_ERR_OK; i++)
        code = catalog_hold_add(draft->source->catalog, draft->members[i].hold->owner,
                                draft->pool->id, draft->freezes[i].instant->row);
    return code;
}

static int record_target(struct catalog *catalog, struct member *member)
{
    struct layer_row layer = {.state = LAYER_WRITABLE, .full = true};
    memcpy(layer.guid, member->base->guid, ID_SIZE);
    int code = catalog_layer_add(catalog, &layer);
    member->base->row = member->volume.top = layer.row;
    return code == LSM_ERR_OK ? catalog_volume_add(catalog, &member->volume) : code;
}

static int record_targets(struct draft *draft)
{
    struct catalog *catalog = draft->pool->catalog;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < draft->count && code == LSM_ERR_OK; i++)
        code = record_target(catalog, &draft->members[i]);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(catalog), &draft->job) : code;
}

static void enter_holds(struct draft *draft)
{
    for (uint32_t i = 0; i < draft->count; i++)
        pool_hold_enter(draft->source, STEAL(draft->members[i].hold), draft->freezes[i].instant);
}

/* What is held of the sources goes; where that fails the next open does it. */
static void release_holds(struct pool *source, const struct job_row *row)
{
    char owner[ID_SIZE];
    for (uint32_t i = 0; job_row_part(row, i, owner); i++)
        if (pool_hold_release(source, owner) != LSM_ERR_OK)
            error_clear();
}

/* In one pool all of it is one transaction; across two, the sources' part goes first. */
static int commit(struct draft *draft)
{
    struct catalog *source = draft->source->catalog, *target = draft->pool->catalog;
    int code = catalog_begin(source);
    if (code == LSM_ERR_OK) {
        code = record_sources(draft);
        if (code == LSM_ERR_OK && source == target)
            code = record_targets(draft);
        code = catalog_end(source, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo_all(draft->freezes, draft->count);
        return code;
    }
    freeze_done_all(draft->freezes, draft->count);
    enter_holds(draft);
    if (source == target)
        return LSM_ERR_OK;
    code = catalog_begin(target);
    if (code == LSM_ERR_OK)
        code = catalog_end(target, record_targets(draft));
    if (code != LSM_ERR_OK && !catalog_in_doubt(target)) {
        struct _lsm_error *why = error_take();
        release_holds(draft->source, &draft->job);
        error_restore(why);
    }
    return code;
}

static void show(struct pool *pool, struct member *member, struct volume *source)
{
    *member->entry = (struct layer_entry){.row = member->base->row, .layer = member->base};
    HASH_ADD(hh, pool->layers, row, sizeof member->entry->row, member->entry);
    volume_enter(member->target);
    source->readers++;
}

int copy_begin(const struct plan *plans, uint32_t count, char **job)
{
    struct draft draft = {.source = plans->source->pool, .pool = plans->pool, .count = count};
    int code = prepare(plans, &draft);
    if (code == LSM_ERR_OK) /* in one pool the new tops come beside the copies */
        code = freeze_prepare_all(draft.freezes, count, false,
                                  draft.source == draft.pool ? draft.job.total : 0);
    if (code == LSM_ERR_OK)
        code = commit(&draft);
    if (code != LSM_ERR_OK) {
        discard(&draft);
        return code;
    }
    for (uint32_t i = 0; i < count; i++)
        show(draft.pool, &draft.members[i], plans[i].source);
    job_start(draft.pool->root->runner, draft.record, false);
    finish_draft(&draft);
    *job = draft.id;
    return LSM_ERR_JOB_STARTED;
}

/* --- running --------------------------------------------------------------------------------- */

/* One member while it is copied. */
struct part {
    struct volume *target;
    struct stack *source;
};

static int open_part(struct job *job, uint32_t i, const struct job_ends *member, struct part *part)
{
    struct fill *copy = FILL(job);
    struct hold *hold = copy->source ? fill_hold(job, i, copy->source, true) : NULL;
    part->target = volume_find(copy->pool->root, member->target);
    if (!hold || !part->target)
        return error_set(LSM_ERR_DAMAGED, job->row.id,
                         "what the job %s copies is gone from the catalog", job->row.id);
    part->source = stack_open(hold->layer, part->target->size);
    if (!part->source)
        return error_pending();
    int code = layer_open(part->target->top, part->target->size);
    if (code != LSM_ERR_OK)
        stack_close(part->source);
    return code;
}

static void close_part(struct part *part)
{
    stack_close(part->source);
    layer_close(part->target->top);
}

/* The sources let go of what was held for the job. */
static void let_sources_go(struct job *job)
{
    struct fill *copy = FILL(job);
    struct job_ends member;
    for (uint32_t i = 0; job_row_member(&job->row, i, &member); i++) {
        struct volume *source = volume_find(copy->pool->root, member.source);
        if (source && source->readers) {
            source->readers--;
            source->changed_ns = clock_monotonic_ns();
        }
    }
    if (copy->source)
        release_holds(copy->source, &job->row);
}

static int record_ready(struct catalog *catalog, const struct job_row *row)
{
    struct job_ends member;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(row, i, &member); i++)
        code = catalog_volume_ready_set(catalog, member.target);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(catalog), row) : code;
}

static int finish(struct job *job)
{
    struct pool *pool = FILL(job)->pool;
    struct job_row row = job_row_as(job, LSM_JOB_STATE_DONE);
    struct job_ends member;
    int code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(pool->catalog, record_ready(pool->catalog, &row));
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; job_row_member(&row, i, &member); i++) {
        volume_find(pool->root, member.target)->ready = true;
        event_publish(pool->root->hub, LSM_EVENT_VOLUME, member.target, -1, -1);
    }
    let_sources_go(job);
    return code;
}

/* All of them before the first byte is copied: what does not fit fails at once. */
static int allocate(struct job *job)
{
    struct root *root = FILL(job)->pool->root;
    struct job_ends member;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(&job->row, i, &member); i++) {
        struct volume *target = volume_find(root, member.target);
        if (!target)
            continue; /* filling it says so */
        code = layer_open(target->top, target->size);
        if (code != LSM_ERR_OK)
            continue;
        pthread_mutex_unlock(&root->lock);
        code = layer_allocate(target->top, 0, target->size);
        pthread_mutex_lock(&root->lock);
        layer_close(target->top);
    }
    return code;
}

static int fill_part(struct job *job, uint32_t i, const struct job_ends *member)
{
    pthread_mutex_t *lock = &FILL(job)->pool->root->lock;
    struct part part = {0};
    int code = open_part(job, i, member, &part);
    if (code != LSM_ERR_OK)
        return code;
    pthread_mutex_unlock(lock);
    code = fill_move(job, part.source, part.target->top, part.target->size);
    pthread_mutex_lock(lock);
    close_part(&part);
    return code;
}

static int run(struct job *job)
{
    struct root *root = FILL(job)->pool->root;
    struct job_ends member;
    uint64_t end = 0;
    LOCKED(&root->lock);
    fill_begin(job);
    int code = allocate(job);
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(&job->row, i, &member); i++) {
        const struct volume *target = volume_find(root, member.target);
        FILL(job)->start = end;
        end += target ? target->size : 0;
        /* Past its end it is done; at its end it may still be to be read back. */
        if (!target || job->row.cursor <= end)
            code = fill_part(job, i, &member);
    }
    return code == LSM_ERR_OK ? finish(job) : code;
}

/* A copy that will never be finished leaves nothing but its job's row. */
static int record_removal(struct pool *pool, const struct job_row *row)
{
    int code = fill_targets_remove_rows(pool, row);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(pool->catalog), row) : code;
}

static int remove_targets(struct job *job, const struct job_row *row)
{
    struct pool *pool = FILL(job)->pool;
    int code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(pool->catalog, record_removal(pool, row));
    if (code != LSM_ERR_OK)
        return code;
    fill_targets_remove(pool, row);
    let_sources_go(job);
    return code;
}

static int settle(struct job *job, const struct job_row *row)
{
    struct fill *copy = FILL(job);
    if (row->state == LSM_JOB_STATE_PAUSED || row->state == LSM_JOB_STATE_QUEUED)
        return fill_save(job, row);
    LOCKED(&copy->pool->root->lock);
    return remove_targets(job, row);
}

static const struct job_body copy_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

/* --- after an open --------------------------------------------------------------------------- */

static void count_readers(struct root *root, const struct job_row *row)
{
    struct job_ends member;
    for (uint32_t i = 0; job_row_member(row, i, &member); i++) {
        struct volume *source = volume_find(root, member.source);
        if (source)
            source->readers++;
    }
}

int copy_load(struct pool *pool, struct job_row *row)
{
    struct pool *other = row->detail ? pool_by_id(pool->root, row->detail) : NULL;
    bool ended = row->state >= LSM_JOB_STATE_DONE, parked = !ended && !other;
    if (parked) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", row->detail) < 0)
            row->message = NULL;
    }
    struct job *job = fill_job_alloc(row, &copy_body, pool, other);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    if (!ended)
        count_readers(pool->root, &job->row);
    job_start(pool->root->runner, job, parked || pool->read_only);
    return LSM_ERR_OK;
}
