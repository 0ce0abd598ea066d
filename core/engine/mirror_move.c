/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The body of a mirror's jobs: moving what mirror_birth.c or mirror_ship.c has set up, the commit
 * at the end of it, and what is left when it does not come to that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "mirror.h"
#include "sync.h"
#include "upkeep.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

/* --- running --------------------------------------------------------------------------------- */

struct work {
    struct job *job;
    struct mirror *m;
    struct volume *target;
    struct layer *instant; /* of the source */
    struct layer *delta;   /* of the target: its base, or a layer between its top and the rest */
    struct stack *source;
    struct delta moved;
    bool initial, sync;
};

static uint32_t depth_above(const struct stack *stack, const struct layer *common)
{
    uint32_t depth = 0;
    while (depth < stack->depth && stack->layers[depth] != common)
        depth++;
    return depth;
}

/* A mirror that lost its write path on the way has nothing to fill for. */
static int check_write_path(const struct work *w)
{
    if (!w->sync || (w->m->sync && !atomic_load(&w->m->sync->failed)))
        return LSM_ERR_OK;
    int error = w->m->sync ? atomic_load(&w->m->sync->failed) : 0;
    bool full = error == ENOSPC || (!error && w->m->error == LSM_ERR_NOT_ENOUGH_SPACE);
    return error_set_errno(full ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, w->m->id,
                           "the target of the replication %s failed while it was filled", w->m->id);
}

/* A ship whose end could not be made durable, and that another has since made up for: what it fills
 * does not stand any more where the target's top does. */
static bool is_overtaken(struct pool *pool, const struct job_row *row)
{
    const struct volume *target = volume_find(pool->root, row->target);
    const struct hold *delta = pool_hold(pool, row->id, false);
    return target && delta && row->kind != LSM_JOB_KIND_MIRROR_INITIAL &&
           delta->layer->below != target->top->below;
}

/* The relation that a job works for. One whose end could not be recorded is found again at the next
 * open, where its synchronous mirror may long be in sync, or have another job: it works for none.
 */
static struct mirror *served(const struct job *job)
{
    struct mirror *m = ship_mirror_of(job);
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    bool other =
        m && (sync ? strcmp(m->job, job->row.id) != 0 : is_overtaken(FILL(job)->pool, &job->row));
    return other ? NULL : m;
}

static int open_work(struct work *w)
{
    struct fill *fill = FILL(w->job);
    struct hold *instant = fill->source ? pool_hold(fill->source, w->job->row.id, true) : NULL;
    struct hold *delta = pool_hold(fill->pool, w->job->row.id, false);
    w->m = served(w->job);
    w->initial = w->job->row.kind == LSM_JOB_KIND_MIRROR_INITIAL;
    w->sync = w->m && w->m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    w->target = volume_find(fill->pool->root, w->job->row.target);
    struct layer *common = w->m ? ship_common_instant(w->m) : NULL;
    if (w->m && w->target && !instant && !delta && w->job->row.kind == LSM_JOB_KIND_SHIP) {
        int code = ship_begin_late(w->job, w->m); /* it followed another */
        return code == LSM_ERR_OK ? open_work(w) : code;
    }
    if (!w->m || !w->target || !instant || (!w->initial && (!delta || !common)))
        return error_set(LSM_ERR_DAMAGED, w->job->row.id,
                         "what the job %s ships is gone from the catalog", w->job->row.id);
    int code = check_write_path(w);
    if (code != LSM_ERR_OK)
        return code;
    w->instant = instant->layer;
    w->delta = w->initial ? w->target->top->below : w->sync ? delta->layer->below : delta->layer;
    w->source = stack_open(w->instant, ship_size_of(w->job));
    if (!w->source)
        return error_pending();
    w->moved.depth = w->initial ? 0 : depth_above(w->source, common);
    if (!w->initial && w->sync && !(w->moved.regions = map_copy(w->m->sync->intent)))
        code = error_no_memory();
    if (code == LSM_ERR_OK)
        code = layer_open(w->delta, ship_size_of(w->job));
    if (code != LSM_ERR_OK)
        stack_close(w->source);
    return code;
}

/* What writes went to while the delta was filled becomes the target's top; the old one is frozen at
 * the instant that both had before. */
static int record_new_top(struct work *w)
{
    struct catalog *catalog = w->target->pool->catalog;
    struct layer *old = w->target->top;
    /* Where the target was cloned meanwhile, its top is an empty one above the delta's footing. */
    int code = old == w->delta->below ? catalog_layer_freeze(catalog, old->row, w->m->generation)
                                      : LSM_ERR_OK;
    return code == LSM_ERR_OK
               ? catalog_volume_top_set(catalog, w->target->id, w->m->sync->hidden->layers[0]->row)
               : code;
}

/* What is durable now: the target shows the source's instant. */
static int commit_ship(struct work *w, struct mirror *next)
{
    struct catalog *catalog = w->target->pool->catalog;
    struct job_row row = job_row_as(w->job, LSM_JOB_STATE_DONE);
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_freeze(catalog, w->delta->row, next->generation);
    if (code == LSM_ERR_OK && w->initial)
        code = catalog_volume_ready_set(catalog, w->target->id);
    else if (code == LSM_ERR_OK && w->sync)
        code = record_new_top(w);
    else if (code == LSM_ERR_OK)
        code = catalog_layer_stand(catalog, w->target->top->row, w->delta->row, w->target->size);
    /* Of the job's holds only that on the delta is surely in this pool; the source's goes later. */
    if (code == LSM_ERR_OK && FILL(w->job)->source != w->target->pool)
        code = catalog_hold_remove(catalog, row.id);
    if (code == LSM_ERR_OK)
        code = mirror_put(next, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &row);
    return catalog_end(catalog, code);
}

static void show_delta(struct work *w, struct swap *swaps, uint32_t count)
{
    struct volume *target = w->target;
    struct layer *top = target->top, *old = top->below;
    volume_gates_close(swaps, count);
    if (!w->initial) {
        struct hold *hold = pool_hold(target->pool, w->job->row.id, false);
        free(pool_hold_take(target->pool, hold)); /* its use becomes the top's */
        top->below = w->delta;
        top->below_limit = target->size;
        old->uses--; /* the delta stands on it, and now the top does not */
    }
    layer_set_frozen(w->delta);
    memcpy(w->delta->generation, w->m->generation, ID_SIZE);
    volume_stacks_swap(swaps, count);
    target->ready = true;
}

/* The hidden stack becomes the target's own. The source stands still. */
static void show_new_top(struct work *w)
{
    struct volume *target = w->target;
    struct sync *sync = w->m->sync;
    struct layer *old = target->top;
    struct hold *hold = pool_hold(target->pool, w->job->row.id, false);
    gate_close(&target->gate);
    free(pool_hold_take(target->pool, hold)); /* its use becomes the volume's */
    if (old == w->delta->below) {
        layer_set_frozen(old);
        memcpy(old->generation, w->m->generation, ID_SIZE);
    }
    layer_set_frozen(w->delta);
    memcpy(w->delta->generation, w->instant->generation, ID_SIZE);
    target->top = sync->hidden->layers[0];
    stack_close(target->stack);
    target->stack = sync->hidden;
    sync->hidden = NULL;
    gate_open(&target->gate);
    pool_layer_release(target->pool, old); /* the delta stands on it, or nothing does */
}

/* The source's hold moves to the instant that both sides have now. */
static void move_hold(struct work *w)
{
    struct pool *pool = FILL(w->job)->source;
    struct hold *fresh = NULL;
    int code = w->sync ? LSM_ERR_OK : pool_hold_alloc(w->m->id, pool, &fresh);
    if (code == LSM_ERR_OK)
        code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        code = pool_hold_doom(pool, w->m->id);
        if (code == LSM_ERR_OK)
            code = pool_hold_doom(pool, w->job->row.id);
        if (code == LSM_ERR_OK && fresh) /* two that are written alike need none */
            code = catalog_hold_add(pool->catalog, w->m->id, pool->id, w->instant->row);
        if (code == LSM_ERR_OK)
            code = mirror_put(w->m, SIDE_SOURCE);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        free(fresh); /* the next open catches up */
        error_clear();
        return;
    }
    w->instant->uses++; /* for what comes below: it does not go */
    pool_hold_drop(pool, w->m->id);
    pool_hold_drop(pool, w->job->row.id);
    if (fresh)
        pool_hold_enter(pool, fresh, w->instant);
    w->instant->uses--;
}

/* The relation as it will be when the target has this instant. */
static struct mirror next_of(const struct work *w)
{
    struct mirror next = *w->m;
    uint64_t started = w->job->row.started_ms;
    bool paused = next.state == LSM_REPLICATION_STATE_PAUSED && !w->initial;
    next.state = paused ? LSM_REPLICATION_STATE_PAUSED : LSM_REPLICATION_STATE_IN_SYNC;
    next.epoch++;
    next.error = 0;
    next.message = NULL;
    next.synced_ms = clock_ms();
    next.synced_bytes = w->job->row.copied + w->job->row.skipped;
    next.synced_duration_ms = next.synced_ms > started ? next.synced_ms - started : 0;
    memcpy(next.generation, w->instant->generation, ID_SIZE);
    return next;
}

/* An interval makes a job each time: the last two are kept. */
static void keep_newest(struct mirror *m, const struct job_row *ended)
{
    if (ended->kind == LSM_JOB_KIND_MIRROR_INITIAL)
        return;
    if (m->ships[0][0] && job_forget(m->root->runner, m->ships[0]) != LSM_ERR_OK)
        error_clear(); /* it was forgotten already */
    memcpy(m->ships[0], m->ships[1], ID_SIZE);
    memcpy(m->ships[1], ended->id, ID_SIZE);
}

static void show_ship(struct work *w, struct mirror *next, struct swap *swaps, uint32_t count)
{
    struct mirror *m = w->m;
    lsm_replication_state state = next->state;
    if (w->sync && !w->initial)
        show_new_top(w); /* asks the relation's old generation */
    free(m->message);
    next->state = m->state;
    next->next = m->next;
    *m = *next;
    m->written_ns = 0;
    ship_next(m);
    if (!w->sync || w->initial)
        show_delta(w, swaps, count);
    if (w->sync)
        m->sync->filling = false;
    mirror_state_show(m, state);
}

static int finish(struct work *w)
{
    struct mirror next = next_of(w);
    struct volume *source = w->sync ? mirror_volume(w->m, SIDE_SOURCE) : NULL;
    struct swap *swaps = NULL;
    uint32_t count = 0;
    int code = LSM_ERR_OK;
    if (!w->initial && !w->sync)
        code = volume_stacks_prepare(w->target->pool, w->target->top, w->delta, &swaps, &count);
    if (source)
        gate_close(&source->gate);
    if (code == LSM_ERR_OK)
        code = check_write_path(w);
    if (code == LSM_ERR_OK && source && w->m->sync->hidden)
        code = layer_flush(w->m->sync->hidden->layers[0]);
    if (code == LSM_ERR_OK)
        code = commit_ship(w, &next);
    if (code == LSM_ERR_OK)
        show_ship(w, &next, swaps, count);
    if (source)
        gate_open(&source->gate);
    if (code == LSM_ERR_OK) {
        move_hold(w);
        keep_newest(w->m, &w->job->row);
        mirrors_mark(w->m->root);
        event_publish(w->m->root->hub, LSM_EVENT_VOLUME, w->target->id, -1, -1);
    }
    volume_stacks_discard(swaps, count);
    return code;
}

/* A planned promote waited for the last ship. */
static void exchange_at_last(struct mirror *m)
{
    if (!m->exchange || m->job[0])
        return;
    m->exchange = false;
    if (split_exchange(m) != LSM_ERR_OK)
        error_clear(); /* shipped it is; the roles are as they were */
    mirrors_mark(m->root);
}

/* One that followed, and the ship before it had brought all there was. */
static int finish_idle(struct work *w)
{
    struct job_row row = job_row_as(w->job, LSM_JOB_STATE_DONE);
    int code = fill_save(w->job, &row);
    if (code != LSM_ERR_OK)
        return code;
    error_clear();
    ship_next(w->m);
    keep_newest(w->m, &w->job->row);
    exchange_at_last(w->m);
    return LSM_ERR_OK;
}

static int run(struct job *job)
{
    struct work w = {.job = job};
    pthread_mutex_t *lock = &FILL(job)->pool->root->lock;
    pthread_mutex_lock(lock);
    int code = open_work(&w);
    if (code == LSM_ERR_NO_STATE_CHANGE)
        code = finish_idle(&w);
    uint64_t size = code == LSM_ERR_OK && w.source ? ship_size_of(job) : 0;
    pthread_mutex_unlock(lock);
    if (code != LSM_ERR_OK || !w.source)
        return code;
    code = fill_move_delta(job, w.source, w.initial ? NULL : &w.moved, w.delta, size);
    pthread_mutex_lock(lock);
    if (code == LSM_ERR_OK)
        code = finish(&w);
    stack_close(w.source);
    layer_close(w.delta);
    map_destroy(w.moved.regions);
    if (code == LSM_ERR_OK)
        exchange_at_last(w.m);
    pthread_mutex_unlock(lock);
    return code;
}

/* --- stopping -------------------------------------------------------------------------------- */

/* The target's catalog could not be told of a job that failed: it is as if it had died with it. The
 * source decides about degrading, and the next open finds the job and what it leaves. */
static int give_up(struct mirror *m, const struct job_row *row, int code)
{
    if (!m || row->state != LSM_JOB_STATE_FAILED)
        return code;
    struct _lsm_error *why = error_take();
    sync_detach_gated(m);
    if (m->state != LSM_REPLICATION_STATE_INITIALIZING) {
        ship_next(m);
        m->exchange = false;
    }
    mirror_error_set(m, row->error, row->message);
    if (m->state == LSM_REPLICATION_STATE_RESYNCING || m->state == LSM_REPLICATION_STATE_IN_SYNC) {
        m->epoch++;
        mirror_state_show(m, LSM_REPLICATION_STATE_DEGRADED);
        mirror_tell_source(m);
    }
    mirrors_mark(m->root);
    error_clear();
    error_restore(why);
    return code;
}

/* A first fill that will not be finished: the target never was. */
static int remove_newborn(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    struct volume *target = volume_find(pool->root, row->target);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    code = target ? volume_remove_rows(target) : LSM_ERR_OK;
    if (code == LSM_ERR_OK && m)
        code = catalog_replication_remove(pool->catalog, m->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(pool->catalog), row);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_gated(m);
    if (target)
        volume_remove(target);
    if (source && m && catalog_begin(source->catalog) == LSM_ERR_OK)
        catalog_end(source->catalog,
                    catalog_replication_remove(source->catalog, m->id, SIDE_SOURCE));
    if (source)
        pool_hold_release(source, row->id);
    if (m) {
        sync_log_remove(m);
        mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
        mirror_leave(m);
        mirrors_mark(pool->root);
    }
    error_clear();
    return code;
}

/* A ship that will not be finished leaves the target at its last generation. */
static int remove_delta(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    code = job_store_put(catalog_database(pool->catalog), row);
    if (code == LSM_ERR_OK)
        code = pool_hold_doom(pool, row->id);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_gated(m);
    pool_hold_drop(pool, row->id);
    if (source && source != pool && pool_hold_release(source, row->id) != LSM_ERR_OK)
        error_clear(); /* the next open does it */
    if (!m)
        return code;
    bool failed = row->state == LSM_JOB_STATE_FAILED;
    ship_next(m);
    m->exchange = false;
    if (failed)
        mirror_error_set(m, row->error, row->message);
    if (failed && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_set(m, LSM_REPLICATION_STATE_DEGRADED);
    else if (m->state == LSM_REPLICATION_STATE_RESYNCING)
        mirror_state_set(m, failed ? LSM_REPLICATION_STATE_DEGRADED : LSM_REPLICATION_STATE_PAUSED);
    mirrors_mark(m->root);
    error_clear();
    return LSM_ERR_OK;
}

static int settle(struct job *job, const struct job_row *row)
{
    if (row->state == LSM_JOB_STATE_PAUSED || row->state == LSM_JOB_STATE_QUEUED)
        return fill_save(job, row);
    LOCKED(&FILL(job)->pool->root->lock);
    struct mirror *m = served(job);
    return row->kind == LSM_JOB_KIND_MIRROR_INITIAL ? remove_newborn(job, row, m)
                                                    : remove_delta(job, row, m);
}

const struct job_body ship_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

static bool sync_works(const struct mirror *m)
{
    return m->state == LSM_REPLICATION_STATE_INITIALIZING ||
           m->state == LSM_REPLICATION_STATE_RESYNCING;
}

int ship_load(struct pool *pool, struct job_row *row)
{
    bool ended = row->state >= LSM_JOB_STATE_DONE;
    char id[ID_SIZE] = "";
    snprintf(id, sizeof id, "%s", row->detail ? row->detail : "");
    struct mirror *m = mirror_find(pool->root, id);
    struct pool *source = m ? mirror_pool(m, SIDE_SOURCE) : NULL;
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    if (m && ended)
        keep_newest(m, row);
    /* One that follows has not begun: it has nothing to fill yet, whichever row came first. */
    bool follows = m && !ended &&
                   (sync ? m->job[0] != '\0'
                         : row->kind == LSM_JOB_KIND_SHIP && !pool_hold(pool, row->id, false));
    bool overtaken = m && !ended && !sync && is_overtaken(pool, row);
    if (m && !ended && !sync && !overtaken)
        memcpy(follows ? m->follow : m->job, row->id, ID_SIZE);
    else if (sync && !ended && !follows && sync_works(m)) /* else it finds that, and ends */
        memcpy(m->job, row->id, ID_SIZE);
    follows = follows && !sync;
    if (!ended && m && !source) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", m->source_pool) < 0)
            row->message = NULL;
    }
    struct job *job = fill_job_alloc(row, &ship_body, pool, source);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    job_start(pool->root->runner, job, !ended && ((m && !source) || follows || pool->read_only));
    return LSM_ERR_OK;
}
