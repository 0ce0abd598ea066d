/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The body of the mirrors' jobs: what mirror_birth.c or mirror_ship.c has set up is moved, member
 * by member.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_work.h"
#include "../util/cleanup.h"
#include "../util/error.h"

/* --- whom it works for ------------------------------------------------------------------------ */

/* A ship whose end could not be made durable, and that another has since made up for: what it fills
 * does not stand any more where the target's top does. */
static bool is_overtaken(struct pool *pool, const struct job_row *row, const struct mirror *m)
{
    char owner[ID_SIZE];
    struct job_ends ends;
    bool keep, filling = m->state == LSM_REPLICATION_STATE_INITIALIZING, overtaken = false;
    if (row->kind == LSM_JOB_KIND_MIRROR_INITIAL)
        return false;
    if (filling != ship_row_is_anew(row, &keep))
        return true;
    if (filling)
        return false;
    for (uint32_t i = 0; job_row_part(row, i, owner) && !overtaken; i++) {
        const struct hold *delta = pool_hold(pool, owner, false);
        job_row_member(row, i, &ends);
        const struct volume *target = volume_find(pool->root, ends.target);
        overtaken = target && delta && delta->layer->below != target->top->below;
    }
    return overtaken;
}

/* The first relation that the job is for and that is still there, and whole if one is. */
static struct mirror *first_of(const struct job *job)
{
    struct job_ends ends;
    struct mirror *m = NULL;
    for (uint32_t i = 0; job_row_member(&job->row, i, &ends); i++) {
        struct mirror *each = ship_mirror_of(job, i);
        if (each && each->state != LSM_REPLICATION_STATE_BROKEN)
            return each;
        m = m ? m : each;
    }
    return m;
}

/* The relation that a job works for, or any of its group: what is told to one is told to all. One
 * whose end could not be recorded is found again at the next open, where its synchronous mirror may
 * long be in sync, or have another job: it works for none. */
struct mirror *ship_served(const struct job *job)
{
    struct mirror *m = first_of(job);
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    bool keep, by_id = sync || ship_row_is_anew(&job->row, &keep);
    bool other = m && (by_id ? strcmp(m->job, job->row.id) != 0
                             : is_overtaken(FILL(job)->pool, &job->row, m));
    return other ? NULL : m;
}

/* --- what there is to move -------------------------------------------------------------------- */

static int check_write_path(const struct mirror *m)
{
    if (m->sync && !atomic_load(&m->sync->failed))
        return LSM_ERR_OK;
    int error = m->sync ? atomic_load(&m->sync->failed) : 0;
    bool full = error == ENOSPC || (!error && m->error == LSM_ERR_NOT_ENOUGH_SPACE);
    return error_set_errno(full ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, m->id,
                           "the target of the replication %s failed while it was filled", m->id);
}

/* A mirror that lost its write path on the way has nothing to fill for. */
int ship_check_write_paths(const struct ship_work *w)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; w->sync && i < w->count && code == LSM_ERR_OK; i++)
        code = check_write_path(w->parts[i].m);
    return code;
}

static bool moves_all(const struct ship_work *w)
{
    return w->initial || w->anew;
}

static int gone(const struct job *job)
{
    return error_set(LSM_ERR_DAMAGED, job->row.id, "what the job %s ships is gone from the catalog",
                     job->row.id);
}

/* A ship that has holds on nothing has not begun. */
static bool has_begun(struct job *job)
{
    struct fill *fill = FILL(job);
    char owner[ID_SIZE];
    bool held = job->row.kind != LSM_JOB_KIND_SHIP;
    for (uint32_t i = 0; !held && job_row_part(&job->row, i, owner); i++)
        held = (fill->source && pool_hold(fill->source, owner, true)) ||
               pool_hold(fill->pool, owner, false);
    return held;
}

static int find_part(struct ship_work *w, struct ship_part *part)
{
    struct fill *fill = FILL(w->job);
    struct hold *instant = fill->source ? fill_hold(w->job, part->place, fill->source, true) : NULL;
    struct hold *delta = fill_hold(w->job, part->place, fill->pool, false);
    part->target = mirror_volume(part->m, SIDE_TARGET);
    if (!part->target || !instant || (!w->initial && !delta) ||
        (!moves_all(w) && !ship_common_instant(part->m)))
        return gone(w->job);
    part->instant = instant->layer;
    part->hidden = w->anew || (w->sync && !w->initial) ? delta->layer : NULL;
    part->delta = w->initial     ? part->target->top->below
                  : part->hidden ? part->hidden->below
                                 : delta->layer;
    return LSM_ERR_OK;
}

/* A member that is gone since, or BROKEN, is left out; of a first fill none can be. */
static int gather(struct ship_work *w)
{
    struct job_ends ends;
    int code = w->m ? LSM_ERR_OK : gone(w->job);
    if (code != LSM_ERR_OK)
        return code;
    w->sync = w->m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    while (job_row_member(&w->job->row, w->places, &ends))
        w->places++;
    w->parts = calloc(w->places, sizeof *w->parts);
    if (!w->parts)
        return error_no_memory();
    for (uint32_t i = 0; i < w->places && code == LSM_ERR_OK; i++) {
        struct ship_part part = {.m = ship_mirror_of(w->job, i), .place = i};
        if (!part.m || (part.m != w->m && part.m->state == LSM_REPLICATION_STATE_BROKEN))
            continue;
        code = find_part(w, &part);
        w->parts[w->count++] = part;
    }
    return code == LSM_ERR_OK && moves_all(w) && w->count < w->places ? gone(w->job) : code;
}

static void close_part(struct ship_part *part)
{
    if (!part->source)
        return;
    stack_close(part->source);
    layer_close(part->delta);
    map_destroy(part->moved.regions);
    part->source = NULL;
}

static int open_part(struct ship_work *w, struct ship_part *part)
{
    uint64_t size = ship_part_size(w, part);
    struct stack *source = stack_open(part->instant, size);
    if (!source)
        return error_pending();
    int code = LSM_ERR_OK;
    part->moved.depth = moves_all(w) ? 0 : stack_depth_above(source, ship_common_instant(part->m));
    if (!moves_all(w) && w->sync && !(part->moved.regions = map_copy(part->m->sync->intent)))
        code = error_no_memory();
    if (code == LSM_ERR_OK)
        code = layer_open(part->delta, size);
    if (code == LSM_ERR_OK) {
        part->source = source;
        part->bytes = moves_all(w) ? size : fill_delta_bytes(source, &part->moved, size);
        return code;
    }
    stack_close(source);
    map_destroy(part->moved.regions);
    part->moved.regions = NULL;
    return code;
}

/* All members at once, so that it is known how much there is to move. */
static int open_work(struct ship_work *w)
{
    uint64_t bytes = 0;
    w->m = ship_served(w->job);
    w->initial = w->job->row.kind == LSM_JOB_KIND_MIRROR_INITIAL;
    w->anew = ship_row_is_anew(&w->job->row, &w->keep);
    int code = w->m && !has_begun(w->job) ? ship_begin_late(w->job, w->m) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = gather(w);
    if (code == LSM_ERR_OK)
        code = ship_check_write_paths(w);
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++) {
        struct ship_part *part = &w->parts[i];
        code = open_part(w, part);
        bytes += part->bytes;
    }
    if (code == LSM_ERR_OK)
        job_total_set(w->job, bytes);
    return code;
}

static void close_work(struct ship_work *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        close_part(&w->parts[i]);
        volume_stacks_discard(w->parts[i].swaps, w->parts[i].swap_count);
        aside_discard(&w->parts[i].aside);
        stack_close(w->parts[i].fresh);
    }
    free(w->parts);
}

/* --- running ---------------------------------------------------------------------------------- */

/* A planned promote waited for the last ship. */
static void exchange_at_last(struct mirror *m)
{
    if (!m->exchange || m->job[0])
        return;
    ship_exchange_forget(m);
    if (split_exchange(m) != LSM_ERR_OK)
        error_clear(); /* shipped it is; the roles are as they were */
    mirrors_mark(m->root);
}

/* One that followed, and the ship before it had brought all there was. */
static int finish_idle(struct job *job, struct mirror *m)
{
    struct job_row row = job_row_as(job, LSM_JOB_STATE_DONE);
    int code = fill_save(job, &row);
    if (code != LSM_ERR_OK)
        return code;
    error_clear();
    ship_next(m);
    ship_keep_newest(m, &job->row);
    exchange_at_last(m);
    return LSM_ERR_OK;
}

/* One after the other; the lock is let go meanwhile. */
static int move(struct ship_work *w)
{
    pthread_mutex_t *lock = &FILL(w->job)->pool->root->lock;
    uint64_t end = 0;
    int code = LSM_ERR_OK;
    pthread_mutex_unlock(lock);
    fill_begin(w->job);
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++) {
        struct ship_part *part = &w->parts[i];
        uint64_t size = ship_part_size(w, part);
        FILL(w->job)->start = end;
        end += size;
        if (w->anew && part->delta->full) /* which is promised */
            code = layer_allocate(part->delta, 0, size);
        /* Past its end it is done; at its end it may still be to be read back. */
        if (code == LSM_ERR_OK && w->job->row.cursor <= end)
            code = fill_move_delta(w->job, part->source, moves_all(w) ? NULL : &part->moved,
                                   part->delta, size);
    }
    pthread_mutex_lock(lock);
    return code;
}

static int run(struct job *job)
{
    struct ship_work w = {.job = job};
    LOCKED(&FILL(job)->pool->root->lock);
    int code = open_work(&w);
    bool idle = code == LSM_ERR_NO_STATE_CHANGE;
    if (idle)
        code = finish_idle(job, w.m);
    else if (code == LSM_ERR_OK)
        code = move(&w);
    if (code == LSM_ERR_OK && !idle)
        code = ship_commit(&w);
    close_work(&w);
    if (code == LSM_ERR_OK && !idle)
        exchange_at_last(w.m);
    return code;
}

const struct job_body ship_body = {
    .run = run,
    .settle = ship_settle,
    .forget = fill_forget,
    .release = free,
};

static bool sync_works(const struct mirror *m)
{
    return m->state == LSM_REPLICATION_STATE_INITIALIZING ||
           m->state == LSM_REPLICATION_STATE_RESYNCING;
}

static bool holds_delta(struct pool *pool, const struct job_row *row)
{
    char owner[ID_SIZE];
    bool held = false;
    for (uint32_t i = 0; !held && job_row_part(row, i, owner); i++)
        held = pool_hold(pool, owner, false) != NULL;
    return held;
}

static void set_job(struct mirror *m, const char *id, bool follows)
{
    for (EACH_MEMBER(each, m))
        memcpy(follows ? each->follow : each->job, id, ID_SIZE);
}

static void set_parts(struct job *job)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(&job->row, i, &ends); i++) {
        struct mirror *m = ship_mirror_of(job, i);
        if (m)
            job_row_part(&job->row, i, m->part);
    }
}

int ship_load(struct pool *pool, struct job_row *row)
{
    bool ended = row->state >= LSM_JOB_STATE_DONE;
    struct job *job = fill_job_alloc(row, &ship_body, pool, NULL);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    row = &job->row;
    struct mirror *m = first_of(job);
    struct pool *source = FILL(job)->source = m ? mirror_pool(m, SIDE_SOURCE) : NULL;
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    if (m && ended)
        ship_keep_newest(m, row);
    /* One that follows has not begun: it has nothing to fill yet, whichever row came first. */
    bool follows =
        m && !ended &&
        (sync ? m->job[0] != '\0' : row->kind == LSM_JOB_KIND_SHIP && !holds_delta(pool, row));
    bool overtaken = m && !ended && !sync && is_overtaken(pool, row, m);
    if (m && !ended && !sync && !overtaken)
        set_job(m, row->id, follows);
    else if (sync && !ended && !follows && sync_works(m)) { /* else it finds that, and ends */
        set_job(m, row->id, false);
        set_parts(job);
    }
    follows = follows && !sync;
    if (!ended && m && !source) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", m->source_pool) < 0)
            row->message = NULL;
    }
    job_start(pool->root->runner, job, !ended && ((m && !source) || follows || pool->read_only));
    return LSM_ERR_OK;
}
