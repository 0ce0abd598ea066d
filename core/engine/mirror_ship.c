/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of a mirror. The first fills the target's base from a frozen instant of the source, as a
 * copy does. Each later one *ships*: the source is frozen, the layers above the last common instant
 * are the changes, exactly; they go into a new layer of the target, and one transaction there puts
 * it under the target's (empty) top. So the target is always one instant of the source. Resync and
 * failback are ships, too.
 *
 * Order: the source's freeze and the job's hold on the new instant; the job's row and the layer to
 * fill, in the target's pool; the data; the target's commit, with which the job is done; and last
 * the source's hold moves to the new instant (after a crash, mirrors_reconcile does that).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "freeze.h"
#include "mirror.h"
#include "sync.h"
#include "upkeep.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- what is there to ship ------------------------------------------------------------------- */

static struct layer *common_instant(const struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    struct hold *hold = pool ? pool_hold(pool, m->id, true) : NULL;
    return hold ? hold->layer : NULL;
}

bool ship_is_pending(struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    const struct layer *common = common_instant(m);
    if (source && common && sync_has_intent(m))
        return true;
    return source && common &&
           (source->top->below != common || atomic_load(&source->top->touched) ||
            source->top->below_limit < source->size);
}

/* What the layers above the common instant occupy: their maps are not always in memory. */
uint64_t ship_lag_bytes(struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    const struct layer *common = common_instant(m);
    uint64_t bytes = 0;
    if (!source || !common)
        return 0;
    for (struct layer *layer = source->top; layer && layer != common; layer = layer->below)
        bytes += layer->map ? map_held(layer->map) << CLUSTER_SHIFT : layer_allocated(layer);
    return bytes;
}

/* --- a job's row ----------------------------------------------------------------------------- */

/* The detail says which relation, and how large the source was at the instant. */
static struct mirror *mirror_of(const struct job *job)
{
    char id[ID_SIZE] = "";
    snprintf(id, sizeof id, "%s", job->row.detail ? job->row.detail : "");
    return mirror_find(FILL(job)->pool->root, id);
}

static uint64_t size_of(const struct job *job)
{
    return strtoull(job->row.detail + ID_SIZE - 1, NULL, 10);
}

int ship_row_fill(const struct mirror *m, lsm_job_kind kind, uint64_t size, struct job_row *row)
{
    *row = (struct job_row){.kind = kind,
                            .state = LSM_JOB_STATE_QUEUED,
                            .rate_limit = m->rate_limit,
                            .created_ms = clock_ms()};
    memcpy(row->source, m->source, ID_SIZE);
    memcpy(row->target, m->target, ID_SIZE);
    if (asprintf(&row->detail, "%s %llu", m->id, (unsigned long long)size) < 0) {
        row->detail = NULL;
        return error_no_memory();
    }
    return guid_make(row->id);
}

/* --- beginning a ship ------------------------------------------------------------------------ */

struct ship {
    struct mirror *m;
    struct volume *source, *target;
    struct freeze freeze;
    struct job_row row;
    struct job *record;
    struct layer *delta; /* of the target, to be filled */
    struct layer *top;   /* what will stand on it, when writes go to both */
    struct hold *instant_hold, *delta_hold;
    char *id;
};

static int check_ends(struct ship *ship)
{
    struct mirror *m = ship->m;
    ship->source = mirror_volume(m, SIDE_SOURCE);
    ship->target = mirror_volume(m, SIDE_TARGET);
    if (!ship->source || !ship->target) {
        error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here", m->id);
        error_hint("bring the pool back into the root and open it again");
        return LSM_ERR_NOT_FOUND_POOL;
    }
    int code = pool_check_writable(ship->target->pool);
    if (code == LSM_ERR_OK && m->job[0])
        code = error_set(LSM_ERR_BUSY, m->id, "the job %s ships already", m->job);
    if (code == LSM_ERR_OK && !ship_is_pending(m))
        code = error_set(LSM_ERR_NO_STATE_CHANGE, m->id,
                         "nothing was written since the last ship of the replication %s", m->id);
    if (code == LSM_ERR_OK && ship->target->size < ship->source->size)
        code = volume_resize(ship->target, ship->source->size);
    return code;
}

static int prepare(struct ship *ship, lsm_job_kind kind)
{
    struct mirror *m = ship->m;
    struct pool *to = ship->target->pool, *from = ship->source->pool;
    struct job_row copy = {0};
    int code = ship_row_fill(m, kind, ship->source->size, &ship->row);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(ship->row.id, to, &ship->instant_hold);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(ship->row.id, to, &ship->delta_hold);
    if (code == LSM_ERR_OK)
        code = (ship->id = strdup(ship->row.id)) ? LSM_ERR_OK : error_no_memory();
    if (code == LSM_ERR_OK)
        code = job_row_copy(&copy, &ship->row);
    if (code == LSM_ERR_OK && !(ship->record = fill_job_alloc(&copy, &ship_body, to, from))) {
        job_row_finish(&copy);
        code = LSM_ERR_NO_MEMORY;
    }
    if (code == LSM_ERR_OK)
        code = pool_spare_take(to, &ship->delta);
    if (code == LSM_ERR_OK && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = pool_spare_take(to, &ship->top);
    return code;
}

static void discard(struct ship *ship)
{
    struct _lsm_error *why = error_take();
    if (ship->delta)
        pool_spare_return(ship->target->pool, ship->delta);
    if (ship->top)
        pool_spare_return(ship->target->pool, ship->top);
    job_free(ship->record);
    free(ship->instant_hold);
    free(ship->delta_hold);
    free(ship->id);
    job_row_finish(&ship->row);
    error_restore(why);
}

static int commit_source(struct ship *ship)
{
    struct pool *pool = ship->source->pool;
    int code = freeze_prepare_still(&ship->freeze, ship->source);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        code = freeze_record(&ship->freeze);
        if (code == LSM_ERR_OK)
            code = catalog_hold_add(pool->catalog, ship->row.id, ship->target->pool->id,
                                    ship->freeze.instant->row);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo(&ship->freeze);
        return code;
    }
    pool_hold_enter(pool, ship->instant_hold, ship->freeze.instant);
    ship->instant_hold = NULL;
    return code;
}

static int commit_target(struct ship *ship)
{
    struct volume *target = ship->target;
    struct catalog *catalog = target->pool->catalog;
    const struct layer *top = target->top, *held = ship->top ? ship->top : ship->delta;
    const struct layer *below = ship->top ? top : top->below;
    uint64_t limit = ship->top ? target->size : top->below_limit;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_adopt(catalog, ship->delta->row, below->row, limit, false);
    if (code == LSM_ERR_OK && ship->top)
        code = catalog_layer_adopt(catalog, ship->top->row, ship->delta->row, target->size, false);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(catalog, ship->row.id, target->pool->id, held->row);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &ship->row);
    return catalog_end(catalog, code);
}

/* Where writes go to both, the delta lies on the target's top, and what they go to on the delta. */
static void show(struct ship *ship)
{
    struct volume *target = ship->target;
    struct layer *delta = ship->delta, *top = ship->top;
    delta->below = top ? target->top : target->top->below;
    delta->below->uses++;
    delta->below_limit = top ? target->size : target->top->below_limit;
    if (top) {
        top->below = delta;
        top->below_limit = target->size;
        delta->uses = 1;
    }
    pool_hold_enter(target->pool, ship->delta_hold, top ? top : delta);
    memcpy(ship->m->job, ship->row.id, ID_SIZE);
    if (top && sync_attach(ship->m, top) != LSM_ERR_OK)
        error_clear(); /* the job finds no write path, and fails */
    freeze_done(&ship->freeze);
    job_start(ship->m->root->runner, ship->record, false);
    job_row_finish(&ship->row);
}

int ship_begin(struct mirror *m, lsm_job_kind kind, char **job)
{
    struct ship ship = {.m = m};
    int code = check_ends(&ship);
    if (code != LSM_ERR_OK)
        return code;
    m->pins++;
    code = volume_flush_ahead(ship.source); /* the lock is let go in there */
    m->pins--;
    if (code == LSM_ERR_OK)
        code = check_ends(&ship);
    if (code == LSM_ERR_OK)
        code = prepare(&ship, kind);
    if (code == LSM_ERR_OK)
        code = commit_source(&ship);
    if (code == LSM_ERR_OK && (code = commit_target(&ship)) != LSM_ERR_OK) {
        struct _lsm_error *why = error_take();
        freeze_done(&ship.freeze);
        pool_hold_release(ship.source->pool, ship.row.id); /* else at the next open */
        error_clear();
        error_restore(why);
    }
    if (code != LSM_ERR_OK) {
        discard(&ship);
        return code;
    }
    show(&ship);
    *job = ship.id;
    return LSM_ERR_JOB_STARTED;
}

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
    return error_set_errno(LSM_ERR_IO, error, w->m->id,
                           "the target of the replication %s failed while it was filled", w->m->id);
}

static int open_work(struct work *w)
{
    struct fill *fill = FILL(w->job);
    struct hold *instant = fill->source ? pool_hold(fill->source, w->job->row.id, true) : NULL;
    struct hold *delta = pool_hold(fill->pool, w->job->row.id, false);
    w->m = mirror_of(w->job);
    w->initial = w->job->row.kind == LSM_JOB_KIND_MIRROR_INITIAL;
    w->sync = w->m && w->m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    w->target = volume_find(fill->pool->root, w->job->row.target);
    struct layer *common = w->m ? common_instant(w->m) : NULL;
    if (!w->m || !w->target || !instant || (!w->initial && (!delta || !common)))
        return error_set(LSM_ERR_DAMAGED, w->job->row.id,
                         "what the job %s ships is gone from the catalog", w->job->row.id);
    int code = check_write_path(w);
    if (code != LSM_ERR_OK)
        return code;
    w->instant = instant->layer;
    w->delta = w->initial ? w->target->top->below : w->sync ? delta->layer->below : delta->layer;
    w->source = stack_open(w->instant, size_of(w->job));
    if (!w->source)
        return error_pending();
    w->moved.depth = w->initial ? 0 : depth_above(w->source, common);
    if (!w->initial && w->sync && !(w->moved.regions = map_copy(w->m->sync->intent)))
        code = error_no_memory();
    if (code == LSM_ERR_OK)
        code = layer_open(w->delta, size_of(w->job));
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
    memset(m->job, 0, ID_SIZE);
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
        mirrors_mark(w->m->root);
        event_publish(w->m->root->hub, LSM_EVENT_VOLUME, w->target->id, -1, -1);
    }
    volume_stacks_discard(swaps, count);
    return code;
}

static int run(struct job *job)
{
    struct work w = {.job = job};
    pthread_mutex_t *lock = &FILL(job)->pool->root->lock;
    pthread_mutex_lock(lock);
    int code = open_work(&w);
    uint64_t size = code == LSM_ERR_OK ? size_of(job) : 0;
    pthread_mutex_unlock(lock);
    if (code != LSM_ERR_OK)
        return code;
    code = fill_move_delta(job, w.source, w.initial ? NULL : &w.moved, w.delta, size);
    pthread_mutex_lock(lock);
    if (code == LSM_ERR_OK)
        code = finish(&w);
    stack_close(w.source);
    layer_close(w.delta);
    map_destroy(w.moved.regions);
    if (code == LSM_ERR_OK && w.m->exchange) {
        w.m->exchange = false;
        if (split_exchange(w.m) != LSM_ERR_OK)
            error_clear(); /* shipped it is; the roles are as they were */
        mirrors_mark(w.m->root);
    }
    pthread_mutex_unlock(lock);
    return code;
}

/* --- stopping -------------------------------------------------------------------------------- */

/* A first fill that will not be finished: the target never was. */
static int remove_newborn(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    struct volume *target = volume_find(pool->root, row->target);
    if (m)
        sync_detach_gated(m);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = target ? volume_remove_rows(target) : LSM_ERR_OK;
    if (code == LSM_ERR_OK && m)
        code = catalog_replication_remove(pool->catalog, m->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(pool->catalog), row);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return code;
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
    if (m)
        sync_detach_gated(m);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = job_store_put(catalog_database(pool->catalog), row);
    if (code == LSM_ERR_OK)
        code = pool_hold_doom(pool, row->id);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return code;
    pool_hold_drop(pool, row->id);
    if (source && source != pool && pool_hold_release(source, row->id) != LSM_ERR_OK)
        error_clear(); /* the next open does it */
    if (!m)
        return code;
    bool failed = row->state == LSM_JOB_STATE_FAILED;
    memset(m->job, 0, ID_SIZE);
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
    struct mirror *m = mirror_of(job);
    return row->kind == LSM_JOB_KIND_MIRROR_INITIAL ? remove_newborn(job, row, m)
                                                    : remove_delta(job, row, m);
}

const struct job_body ship_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

int ship_load(struct pool *pool, struct job_row *row)
{
    bool ended = row->state >= LSM_JOB_STATE_DONE;
    char id[ID_SIZE] = "";
    snprintf(id, sizeof id, "%s", row->detail ? row->detail : "");
    struct mirror *m = mirror_find(pool->root, id);
    struct pool *source = m ? mirror_pool(m, SIDE_SOURCE) : NULL;
    if (m && !ended)
        memcpy(m->job, row->id, ID_SIZE);
    if (!ended && m && !source) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", m->source_pool) < 0)
            row->message = NULL;
    }
    struct job *job = fill_job_alloc(row, &ship_body, pool, source);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    job_start(pool->root->runner, job, !ended && ((m && !source) || pool->read_only));
    return LSM_ERR_OK;
}
