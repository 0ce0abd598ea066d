/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mirrors' job that was cancelled, has failed, or is to rest: a first copy's targets never were,
 * others stay at their last generation, and a BROKEN relation is so again.
 */
#include <string.h>

#include "mirror_work.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/error.h"

/* What a full copy again is for: not EACH_MEMBER, since one that is BROKEN is none. */
static struct mirror *copied(const struct job *job, uint32_t i)
{
    struct mirror *m = ship_mirror_of(job, i);
    return m && strcmp(m->job, job->row.id) == 0 ? m : NULL;
}

/* BROKEN as before, for that reason or, where the copy failed, for this one. */
static struct mirror broken_again(const struct mirror *m, const struct job_row *row)
{
    struct mirror next = *m;
    next.state = LSM_REPLICATION_STATE_BROKEN;
    next.epoch++;
    if (row->state == LSM_JOB_STATE_FAILED) {
        next.error = (int)row->error;
        next.message = row->message;
    }
    return next;
}

static int record_broken(const struct job *job, const struct job_row *row)
{
    struct job_ends ends;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(row, i, &ends); i++) {
        const struct mirror *m = copied(job, i);
        struct mirror next = m ? broken_again(m, row) : (struct mirror){0};
        if (m)
            code = mirror_put(&next, SIDE_TARGET);
    }
    return code;
}

static void show_broken(const struct job *job, const struct job_row *row)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++) {
        struct mirror *m = copied(job, i);
        if (!m)
            continue;
        m->epoch++;
        if (row->state == LSM_JOB_STATE_FAILED)
            mirror_error_set(m, (int)row->error, row->message);
        memset(m->job, 0, ID_SIZE);
        mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
        mirror_tell_source(m);
    }
    mirrors_mark(FILL(job)->pool->root);
}

/* The target's catalog could not be told of a job that failed: it is as if it had died with it. The
 * source decides about degrading, and the next open finds the job and what it leaves. */
static int give_up(struct mirror *m, const struct job_row *row, int code)
{
    if (!m || row->state != LSM_JOB_STATE_FAILED)
        return code;
    struct _lsm_error *why = error_take();
    sync_detach_all(m);
    if (m->state != LSM_REPLICATION_STATE_INITIALIZING) {
        ship_next(m);
        ship_exchange_forget(m);
    }
    mirrors_error_set(m, row->error, row->message);
    if (m->state == LSM_REPLICATION_STATE_RESYNCING || m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_say(m, LSM_REPLICATION_STATE_DEGRADED);
    mirrors_mark(m->root);
    error_clear();
    error_restore(why);
    return code;
}

static int record_removal(struct pool *pool, const struct job_row *row, struct mirror *m)
{
    int code = fill_targets_remove_rows(pool, row);
    for (struct mirror *each = m ? mirror_member(m, NULL) : NULL; each && code == LSM_ERR_OK;
         each = mirror_member(m, each))
        code = catalog_replication_remove(pool->catalog, each->id, SIDE_TARGET);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(pool->catalog), row) : code;
}

static void forget_newborn(struct mirror *m, struct pool *source)
{
    if (source && catalog_begin(source->catalog) == LSM_ERR_OK)
        catalog_end(source->catalog,
                    catalog_replication_remove(source->catalog, m->id, SIDE_SOURCE));
    sync_log_remove(m);
    mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    mirror_leave(m);
}

/* A first fill that will not be finished: the targets never were. */
static int remove_newborn(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    struct job_ends ends;
    char owner[ID_SIZE];
    int code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(pool->catalog, record_removal(pool, row, m));
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_all(m);
    fill_targets_remove(pool, row);
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++) {
        struct mirror *each = m ? ship_mirror_of(job, i) : NULL;
        if (each)
            forget_newborn(each, source);
        if (source && job_row_part(row, i, owner))
            pool_hold_release(source, owner);
    }
    mirrors_mark(pool->root);
    error_clear();
    return code;
}

static int doom_deltas(struct pool *pool, const struct job_row *row)
{
    char owner[ID_SIZE];
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_part(row, i, owner); i++)
        code = pool_hold_doom(pool, owner);
    return code;
}

/* A ship that will not be finished leaves the targets at their last generation. */
static int remove_delta(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    char owner[ID_SIZE];
    bool keep, anew = ship_row_is_anew(row, &keep);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    code = job_store_put(catalog_database(pool->catalog), row);
    if (code == LSM_ERR_OK)
        code = doom_deltas(pool, row);
    if (code == LSM_ERR_OK && anew)
        code = record_broken(job, row);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_all(m);
    for (uint32_t i = 0; job_row_part(row, i, owner); i++) {
        pool_hold_drop(pool, owner);
        if (source && source != pool && pool_hold_release(source, owner) != LSM_ERR_OK)
            error_clear(); /* the next open does it */
    }
    if (m && anew)
        show_broken(job, row);
    error_clear();
    if (!m || anew)
        return code;
    bool failed = row->state == LSM_JOB_STATE_FAILED;
    ship_keep_newest(m, row);
    ship_next(m);
    ship_exchange_forget(m);
    if (failed)
        mirrors_error_set(m, row->error, row->message);
    if (failed && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_set(m, LSM_REPLICATION_STATE_DEGRADED);
    else if (m->state == LSM_REPLICATION_STATE_RESYNCING)
        mirror_state_set(m, failed ? LSM_REPLICATION_STATE_DEGRADED : LSM_REPLICATION_STATE_PAUSED);
    mirrors_mark(m->root);
    error_clear();
    return LSM_ERR_OK;
}

int ship_settle(struct job *job, const struct job_row *row)
{
    if (row->state == LSM_JOB_STATE_PAUSED || row->state == LSM_JOB_STATE_QUEUED)
        return fill_save(job, row);
    LOCKED(&FILL(job)->pool->root->lock);
    struct mirror *m = ship_served(job);
    return row->kind == LSM_JOB_KIND_MIRROR_INITIAL ? remove_newborn(job, row, m)
                                                    : remove_delta(job, row, m);
}
