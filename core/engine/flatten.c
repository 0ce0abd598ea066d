/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making clones whole, so that nothing depends on their source any more. One job does it for all
 * clones that there are when it begins, one after the other.
 *
 * The layers that a clone shares with its source are copied into a new base, while both are used.
 * Then one transaction lets the lowest layer that is the clone's own stand on that base instead.
 * What the clone shows does not change at any moment. The base that is being filled is held by the
 * job's hold; which clones are left is the job's detail, the one at work first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fill.h"
#include "replicate.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

static const struct job_body flatten_body;

/* --- what a clone shares --------------------------------------------------------------------- */

static bool stands_on(const struct layer *top, const struct layer *layer)
{
    while (top && top != layer)
        top = top->below;
    return top != NULL;
}

/* The lowest layer of the clone that its source does not have; NULL: they share none. */
static struct layer *link_layer(const struct volume *clone, const struct volume *source)
{
    for (struct layer *layer = clone->top; layer && layer->below; layer = layer->below)
        if (stands_on(source->top, layer->below))
            return layer;
    return NULL;
}

static struct volume *next_clone(struct volume *source, struct volume *after)
{
    struct volume *v = after ? after->hh.next : source->pool->volumes;
    while (v && strcmp(v->parent, source->id) != 0)
        v = v->hh.next;
    return v;
}

/* --- beginning ------------------------------------------------------------------------------- */

static int check(struct volume *source)
{
    int code = pool_check_writable(source->pool);
    if (code != LSM_ERR_OK)
        return code;
    if (source->readers)
        return volume_check_jobs(source);
    code = volume_check_replaced(source);
    for (struct volume *v = next_clone(source, NULL); v && code == LSM_ERR_OK;
         v = next_clone(source, v))
        code = volume_check_replaced(v);
    if (code != LSM_ERR_OK)
        return code;
    return source->clones ? LSM_ERR_OK
                          : error_set(LSM_ERR_NO_STATE_CHANGE, source->id,
                                      "nothing depends on the volume «%s»", source->name);
}

static int fill_row(struct volume *source, struct job_row *row)
{
    size_t room = (size_t)source->clones * ID_SIZE + 1;
    *row = (struct job_row){.kind = LSM_JOB_KIND_FLATTEN,
                            .state = LSM_JOB_STATE_QUEUED,
                            .created_ms = clock_ms(),
                            .detail = calloc(1, room)};
    memcpy(row->source, source->id, ID_SIZE);
    if (!row->detail)
        return error_no_memory();
    size_t at = 0;
    for (struct volume *v = next_clone(source, NULL); v && at + ID_SIZE < room + 1;
         v = next_clone(source, v)) {
        const struct layer *link = link_layer(v, source);
        row->total += link ? link->below_limit : 0;
        at += (size_t)snprintf(row->detail + at, room - at, "%s%s", at ? " " : "", v->id);
    }
    return guid_make(row->id);
}

/* The source and each clone are read, and so stay, until the job is done with them. */
static void count_readers(struct pool *pool, const struct job_row *row, int change)
{
    struct volume *v = volume_find(pool->root, row->source);
    char id[ID_SIZE];
    if (v)
        v->readers += (uint32_t)change;
    for (const char *at = row->detail ? row->detail : ""; sscanf(at, "%32s", id) == 1;
         at += strspn(at, " ") + strlen(id))
        if ((v = volume_find(pool->root, id)) != NULL)
            v->readers += (uint32_t)change;
}

int flatten_begin(struct volume *source, char **job)
{
    struct pool *pool = source->pool;
    struct job_row row = {0}, copy = {0};
    struct job *record = NULL;
    int code = check(source);
    if (code == LSM_ERR_OK)
        code = fill_row(source, &row);
    autofree char *id = code == LSM_ERR_OK ? strdup(row.id) : NULL;
    if (code == LSM_ERR_OK)
        code = id ? job_row_copy(&copy, &row) : error_no_memory();
    if (code == LSM_ERR_OK && !(record = fill_job_alloc(&copy, &flatten_body, pool, pool)))
        code = LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK)
        code = fill_save(record, &row);
    if (code == LSM_ERR_OK) {
        count_readers(pool, &row, 1);
        job_start(pool->root->runner, record, false);
        *job = STEAL(id);
        code = LSM_ERR_JOB_STARTED;
    } else {
        job_free(record);
        job_row_finish(&copy);
    }
    job_row_finish(&row);
    return code;
}

/* --- the base that is being filled ----------------------------------------------------------- */

static int record_base(struct pool *pool, struct layer *base, const char *job)
{
    struct layer_row row = {.state = LAYER_WRITABLE};
    memcpy(row.guid, base->guid, ID_SIZE);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_add(pool->catalog, &row);
    base->row = row.row;
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(pool->catalog, job, pool->id, row.row);
    return catalog_end(pool->catalog, code);
}

/* The base of the clone at work: that of an earlier run, or a new one. */
static int base_of(struct job *job, uint64_t size, struct layer **base)
{
    struct pool *pool = FILL(job)->pool;
    struct hold *hold = pool_hold(pool, job->row.id, false);
    if (hold) {
        *base = hold->layer;
        return LSM_ERR_OK;
    }
    int code = pool_base_make(pool, size, false, base);
    if (code != LSM_ERR_OK)
        return code;
    struct layer_entry *entry = calloc(1, sizeof *entry);
    code = entry ? pool_hold_alloc(job->row.id, pool, &hold) : error_no_memory();
    if (code == LSM_ERR_OK)
        code = record_base(pool, *base, job->row.id);
    if (code != LSM_ERR_OK) {
        free(entry);
        free(hold);
        pool_files_drop(pool, (*base)->guid);
        layer_free(*base);
        return code;
    }
    *entry = (struct layer_entry){.row = (*base)->row, .layer = *base};
    HASH_ADD(hh, pool->layers, row, sizeof entry->row, entry);
    pool_hold_enter(pool, hold, *base);
    return code;
}

/* --- one clone ------------------------------------------------------------------------------- */

struct task {
    struct job *job;
    struct pool *pool;
    struct volume *source, *clone;
    struct layer *link, *base;
    struct stack *shared;
};

static int open_task(struct task *task)
{
    uint64_t size = task->link->below_limit;
    int code = base_of(task->job, size, &task->base);
    if (code != LSM_ERR_OK)
        return code;
    task->shared = stack_open(task->link->below, size);
    if (!task->shared)
        return error_pending();
    code = layer_open(task->base, size);
    if (code != LSM_ERR_OK)
        stack_close(task->shared);
    return code;
}

/* Another job's stack goes through the link, or a fold is at it: both end by themselves. */
static int wait_for_others(struct task *task)
{
    const struct timespec moment = {.tv_nsec = 20000000};
    pthread_mutex_t *lock = &task->pool->root->lock;
    while (task->link->users != volume_stacks_with(task->pool, task->link)) {
        if (job_stop_asked(task->job) != JOB_GO)
            return error_set(LSM_ERR_CANCELLED, NULL, "stopped on request");
        pthread_mutex_unlock(lock);
        nanosleep(&moment, NULL);
        pthread_mutex_lock(lock);
    }
    return LSM_ERR_OK;
}

static int record_link(struct task *task, const char *generation, const struct job_row *row)
{
    struct catalog *catalog = task->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_stand(catalog, task->link->row, task->base->row, task->link->below_limit);
    if (code == LSM_ERR_OK)
        code = catalog_layer_freeze(catalog, task->base->row, generation);
    if (code == LSM_ERR_OK)
        code = catalog_hold_remove(catalog, row->id);
    if (code == LSM_ERR_OK)
        code = catalog_volume_parent_set(catalog, task->clone->id, NULL);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), row);
    return catalog_end(catalog, code);
}

/* The clone depends on its source no more. */
static void show_free(struct task *task)
{
    struct volume *clone = task->clone;
    memset(clone->parent, 0, ID_SIZE);
    clone->readers--;
    clone->changed_ns = clock_monotonic_ns();
    task->source->clones--;
    task->source->changed_ns = clock_monotonic_ns();
    event_publish(task->pool->root->hub, LSM_EVENT_VOLUME, clone->id, -1, -1);
}

static void show_link(struct task *task, struct swap *swaps, uint32_t count)
{
    struct layer *shared = task->link->below;
    volume_gates_close(swaps, count);
    free(pool_hold_take(task->pool, pool_hold(task->pool, task->job->row.id, false)));
    layer_set_frozen(task->base);
    task->link->below = task->base; /* the hold's use of the base becomes the link's */
    shared->uses--;                 /* the source stands on it, too */
    volume_stacks_swap(swaps, count);
    show_free(task);
}

/* What is left when the clone at work is done: the ids behind the first. */
static const char *rest_of(const char *detail)
{
    const char *space = strchr(detail, ' ');
    return space ? space + 1 : "";
}

static int link_to_base(struct task *task)
{
    struct job *job = task->job;
    char generation[GUID_SIZE];
    struct swap *swaps = NULL;
    uint32_t count = 0;
    int code = wait_for_others(task);
    if (code == LSM_ERR_OK)
        code = guid_make(generation);
    if (code == LSM_ERR_OK)
        code = volume_stacks_prepare(task->pool, task->link, task->base, &swaps, &count);
    autofree char *rest = code == LSM_ERR_OK ? strdup(rest_of(job->row.detail)) : NULL;
    if (code == LSM_ERR_OK && !rest)
        code = error_no_memory();
    if (code == LSM_ERR_OK) {
        struct job_row row = job_row_as(job, rest[0] ? LSM_JOB_STATE_RUNNING : LSM_JOB_STATE_DONE);
        row.detail = rest;
        row.cursor = 0;
        code = record_link(task, generation, &row);
    }
    if (code == LSM_ERR_OK) {
        show_link(task, swaps, count);
        memcpy(task->base->generation, generation, ID_SIZE);
        job_moved_on(job, STEAL(rest));
    }
    volume_stacks_discard(swaps, count);
    return code;
}

/* A clone whose source was itself made whole shares nothing with it any more: only the tie goes. */
static int free_clone(struct task *task)
{
    struct job *job = task->job;
    struct catalog *catalog = task->pool->catalog;
    autofree char *rest = strdup(rest_of(job->row.detail));
    int code = rest ? catalog_begin(catalog) : error_no_memory();
    if (code != LSM_ERR_OK)
        return code;
    struct job_row row = job_row_as(job, rest[0] ? LSM_JOB_STATE_RUNNING : LSM_JOB_STATE_DONE);
    row.detail = rest;
    row.cursor = 0;
    code = catalog_volume_parent_set(catalog, task->clone->id, NULL);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &row);
    code = catalog_end(catalog, code);
    if (code == LSM_ERR_OK) {
        show_free(task);
        job_moved_on(job, STEAL(rest));
    }
    return code;
}

static int flatten_clone(struct task *task)
{
    pthread_mutex_t *lock = &task->pool->root->lock;
    task->link = link_layer(task->clone, task->source);
    if (!task->link)
        return free_clone(task);
    int code = open_task(task);
    if (code != LSM_ERR_OK)
        return code;
    pthread_mutex_unlock(lock);
    code = fill_move(task->job, task->shared, task->base, task->link->below_limit);
    pthread_mutex_lock(lock);
    stack_close(task->shared);
    if (code == LSM_ERR_OK)
        code = link_to_base(task);
    layer_close(task->base);
    return code;
}

/* --- the job --------------------------------------------------------------------------------- */

static int run(struct job *job)
{
    struct task task = {.job = job, .pool = FILL(job)->pool};
    char id[ID_SIZE];
    int code = LSM_ERR_OK;
    LOCKED(&task.pool->root->lock);
    task.source = volume_find(task.pool->root, job->row.source);
    fill_begin(job);
    while (code == LSM_ERR_OK && sscanf(job->row.detail, "%32s", id) == 1) {
        task.clone = volume_find(task.pool->root, id);
        code = task.source && task.clone
                   ? flatten_clone(&task)
                   : error_set(LSM_ERR_DAMAGED, job->row.id,
                               "what the job %s makes whole is gone from the catalog", job->row.id);
    }
    if (code == LSM_ERR_OK)
        task.source->readers--;
    return code;
}

static int settle(struct job *job, const struct job_row *row)
{
    struct pool *pool = FILL(job)->pool;
    LOCKED(&pool->root->lock);
    int code = fill_save(job, row);
    if (code != LSM_ERR_OK || row->state == LSM_JOB_STATE_PAUSED ||
        row->state == LSM_JOB_STATE_QUEUED)
        return code;
    count_readers(pool, row, -1);
    if (pool_hold_release(pool, row->id) != LSM_ERR_OK)
        error_clear(); /* the next open does it */
    return code;
}

static const struct job_body flatten_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

int flatten_load(struct pool *pool, struct job_row *row)
{
    if (row->state < LSM_JOB_STATE_DONE)
        count_readers(pool, row, 1);
    struct job *job = fill_job_alloc(row, &flatten_body, pool, pool);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    job_start(pool->root->runner, job, pool->read_only);
    return LSM_ERR_OK;
}
