/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A synchronous mirror's life beside its write path (sync.c): attached to its source, taken off it
 * when the target fails or a pause is asked for, and made equal again after a crash.
 *
 * Taken off, the source is frozen: that instant is the common one, but for the regions whose intent
 * bit is set, and both together are what a resync ships. `intent` keeps those bits meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "mirror.h"
#include "mover.h"
#include "sync.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

#define PIECE (1u << 20)

static char *log_path(const struct mirror *m)
{
    char *path;
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    if (!pool || asprintf(&path, "%s/%s.intent", pool->home.directory, m->id) < 0) {
        error_no_memory();
        return NULL;
    }
    return path;
}

int sync_log_make(const struct mirror *m)
{
    autofree char *path = log_path(m);
    return path ? sync_log_create(path, m->id, NULL) : LSM_ERR_NO_MEMORY;
}

void sync_log_remove(const struct mirror *m)
{
    autofree char *path = mirror_pool(m, SIDE_SOURCE) ? log_path(m) : NULL;
    if (path)
        vfs_unlink(path);
    error_clear();
}

static bool log_moves(const struct mirror *m)
{
    return strcmp(m->source_pool, m->target_pool) != 0;
}

/* That in the target's pool: the old source's after an exchange, the new one's if it failed. */
void sync_log_remove_idle(const struct mirror *m)
{
    struct mirror turned = *m;
    split_turn(&turned);
    if (log_moves(m))
        sync_log_remove(&turned);
}

static void sweep_log(struct pool *pool, const char *id, const char *suffix)
{
    autofree char *path = NULL;
    bool fresh = strcmp(suffix, ".intent.new") == 0;
    if (!fresh && strcmp(suffix, ".intent") != 0)
        return;
    const struct mirror *m = mirror_find(pool->root, id);
    bool used = m && !fresh && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC &&
                mirror_pool(m, SIDE_SOURCE) == pool;
    if (!used && asprintf(&path, "%s/%s%s", pool->home.directory, id, suffix) >= 0)
        vfs_unlink(path);
}

/* What a crash left between making a log and the commit that needs it, or after the one that does
 * not need it any more. */
void sync_logs_sweep(struct pool *pool)
{
    if (!pool->read_only)
        pool_files_each(pool, sweep_log);
}

bool sync_has_intent(const struct mirror *m)
{
    return m->intent && map_held(m->intent) > 0;
}

/* --- attaching ------------------------------------------------------------------------------- */

int sync_attach(struct mirror *m, struct layer *hidden_top)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE), *target = mirror_volume(m, SIDE_TARGET);
    autofree char *path = log_path(m);
    if (!path)
        return LSM_ERR_NO_MEMORY;
    int code = m->intent ? LSM_ERR_OK : sync_log_create(path, m->id, NULL);
    if (code == LSM_ERR_OK)
        code = volume_open_stack(target);
    if (code != LSM_ERR_OK)
        return code;
    struct sync *sync = sync_create(source, target, m->id, path, m->intent);
    if (!sync)
        code = LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK && hidden_top && !(sync->hidden = stack_open(hidden_top, source->size)))
        code = error_pending();
    if (code != LSM_ERR_OK) {
        if (sync)
            sync->intent = m->intent ? NULL : sync->intent;
        sync_destroy(sync);
        volume_close_stack(target);
        return code;
    }
    m->intent = NULL; /* the write path's now */
    sync->filling = hidden_top || m->state == LSM_REPLICATION_STATE_INITIALIZING;
    target->attached++;
    m->sync = source->sync = sync;
    return code;
}

/* Behind the source's closed gate, or where it has no handles. */
void sync_detach(struct mirror *m)
{
    struct sync *sync = m->sync;
    if (!sync)
        return;
    struct _lsm_error *why = error_take();
    struct volume *target = sync->target;
    sync->source->sync = NULL;
    m->sync = NULL;
    map_destroy(m->intent);
    m->intent = sync->intent;
    sync->intent = NULL;
    stack_close(sync->hidden);
    target->attached--;
    volume_close_stack(target);
    sync_destroy(sync);
    error_clear();
    error_restore(why);
}

void sync_detach_gated(struct mirror *m)
{
    struct volume *source = m->sync ? m->sync->source : NULL;
    if (!source)
        return;
    gate_close(&source->gate);
    sync_detach(m);
    gate_open(&source->gate);
}

/* --- taking off ------------------------------------------------------------------------------ */

static int record_parting(struct mirror *next, struct freeze *freeze)
{
    struct pool *pool = freeze->volume->pool;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = freeze_record(freeze);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(pool->catalog, next->id, pool->id, freeze->instant->row);
    if (code == LSM_ERR_OK)
        code = mirror_put(next, SIDE_SOURCE);
    return catalog_end(pool->catalog, code);
}

/* Where the target has all writes and they are flushed, the sides differ nowhere. */
static void forget_intent(struct mirror *m)
{
    struct sync *sync = m->sync;
    if (!sync || sync->filling)
        return;
    sync_flush(sync);
    if (!atomic_load(&sync->failed))
        sync_log_clear(sync);
}

/* The source is frozen, and from here on writes go to it alone. The source decides about this, so
 * its half is the commit point; the target hears of it when it can.
 *
 * One that is in sync but has no write path was just opened, and finds that it cannot have it:
 * nobody has written to it. So what it has is what both had last, but for what the intent log says,
 * and keeps that name: a target that was promoted meanwhile knows it by that. */
int sync_part(struct mirror *m, lsm_replication_state state, int error, const char *message)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct mirror next = *m;
    struct freeze freeze;
    struct hold *hold = NULL;
    m->pins++; /* so it does not go while the lock is let go */
    int code = volume_flush_ahead(source);
    if (code == LSM_ERR_OK && m->sync && volume_flush_ahead(m->sync->target) != LSM_ERR_OK)
        error_clear(); /* then the parting finds that the target failed */
    m->pins--;
    if (code == LSM_ERR_OK && m->epoch != next.epoch) /* somebody else was quicker */
        return state == LSM_REPLICATION_STATE_PAUSED ? mirror_pause(m) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(m->id, source->pool, &hold);
    /* The layer below an empty top may be another's instant. */
    if (!m->sync && source->provision != LSM_VOLUME_PROVISION_FULL)
        atomic_store(&source->top->touched, true);
    if (code == LSM_ERR_OK)
        code = freeze_prepare_still(&freeze, source);
    if (code != LSM_ERR_OK) {
        free(hold);
        return code;
    }
    if (!m->sync)
        memcpy(freeze.generation, m->generation, ID_SIZE);
    next = *m;
    next.state = state;
    next.epoch++;
    next.error = error;
    next.message = (char *)message;
    memcpy(next.generation, freeze.new_top ? freeze.generation : freeze.instant->generation,
           ID_SIZE);
    code = record_parting(&next, &freeze);
    if (code != LSM_ERR_OK) {
        freeze_undo(&freeze);
        free(hold);
        return code;
    }
    forget_intent(m);
    sync_detach(m);
    freeze_done(&freeze);
    pool_hold_enter(source->pool, hold, freeze.instant);
    m->epoch = next.epoch;
    memcpy(m->generation, next.generation, ID_SIZE);
    mirror_error_set(m, error, message);
    m->due_ns = clock_monotonic_ns() + 2000000000ull; /* when to try again */
    mirror_state_show(m, state);
    mirrors_mark(m->root);
    mirror_tell_target(m);
    return code;
}

/* A resync or a first fill that can go no further: the source stays as it is. */
static void stop_filling(struct mirror *m)
{
    int error = atomic_load(&m->sync->failed);
    sync_detach_gated(m);
    /* The job finds no write path, and ends. */
    mirror_error_set(m, error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, strerror(error));
}

static struct mirror *sync_of_source(struct root *root, const struct volume *source)
{
    struct mirror *m = root->mirrors;
    while (m && (m->type != LSM_VOLUME_REPLICATE_MIRROR_SYNC || strcmp(m->source, source->id) != 0))
        m = m->next;
    return m;
}

/* What the source had not flushed is gone, but the target has it: that is no mirror any more. */
static int source_reread(struct mirror *m)
{
    struct volume *source = m->sync->source;
    int none = 0;
    atomic_compare_exchange_strong(&m->sync->failed, &none,
                                   EIO); /* nothing goes there from now on */
    int code = LSM_ERR_OK;
    if (m->sync->filling)
        stop_filling(m);
    else
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED, LSM_ERR_IO,
                         "the source could not be flushed, and what it had was read anew");
    source->reread = code != LSM_ERR_OK;
    return code;
}

/* Several writers' threads come here at once: the first one acts, each hears of it if it wants to.
 */
int mirror_target_failed(struct root *root, struct volume *source)
{
    LOCKED(&root->lock);
    struct mirror *m = sync_of_source(root, source);
    if (!m)
        return LSM_ERR_OK; /* it ended meanwhile */
    if (m->sync && source->reread)
        return source_reread(m);
    bool tell = m->on_error == LSM_TARGET_ERROR_FAIL;
    char id[ID_SIZE], why[160];
    int error = m->sync ? atomic_load(&m->sync->failed) : 0, code = LSM_ERR_OK;
    memcpy(id, m->id, ID_SIZE);
    snprintf(why, sizeof why, "the target failed: %s", strerror(error));
    if (error && m->sync->filling)
        stop_filling(m);
    else if (error)
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED,
                         error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, why);
    if (code == LSM_ERR_OK && tell)
        code = error_set_errno(LSM_ERR_IO, error ? error : EIO, id,
                               "the write is on the source, but not on the target of the"
                               " replication %s",
                               id);
    return code;
}

/* --- after a crash --------------------------------------------------------------------------- */

/* The two sides as they are made equal. */
struct equal {
    const struct stack *source, *target;
    struct cluster_locks *locks; /* the target's */
    char *buf;                   /* a piece of each */
};

/* At most a piece, whole clusters: the target gets what the source has. */
static int equalize_range(const struct equal *e, uint64_t start, uint64_t end, bool compare)
{
    char *has = e->buf, *had = e->buf + PIECE;
    int error = stack_read(e->source, has, end - start, start, NULL);
    if (!error && compare)
        error = stack_read(e->target, had, end - start, start, NULL);
    for (uint64_t at = 0; !error && at < end - start; at += CLUSTER_SIZE)
        if (!compare || memcmp(has + at, had + at, CLUSTER_SIZE) != 0)
            error = stack_write(e->target, e->locks, has + at, CLUSTER_SIZE, start + at, NULL);
    return error;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Where a write may have reached one side alone. */
static int equalize_regions(const struct equal *e, const struct map *intent, uint64_t size)
{
    int error = 0;
    for (uint64_t at = 0; at < size && !error; at = min(at + PIECE, size)) {
        uint64_t region = at >> REGION_SHIFT;
        if (map_word(intent, region / 64) >> (region % 64) & 1)
            error = equalize_range(e, at, min(at + PIECE, size), true);
    }
    return error;
}

/* What the first `depth` layers of a stack hold. */
static int equalize_held(const struct equal *e, const struct stack *stack, uint32_t depth,
                         uint64_t size, bool compare)
{
    int error = 0;
    for (uint64_t at = 0, start, stop; at < size && !error; at = stop) {
        mover_next_delta(stack, depth, NULL, at, min(at + PIECE, size), &start, &stop);
        if (start < stop)
            error = equalize_range(e, start, stop, compare);
    }
    return error;
}

static uint32_t depth_above(const struct stack *stack, const struct layer *instant)
{
    uint32_t depth = 0;
    while (depth < stack->depth && stack->layers[depth] != instant)
        depth++;
    return depth;
}

/* While the target is filled its top must have, of what was written since the job's instant, what
 * the source has: the layers above that instant say it, whoever was there when it was written. */
static int equalize_filling(const struct mirror *m, const struct equal *e, uint64_t size)
{
    struct hold *instant = pool_hold(mirror_pool(m, SIDE_SOURCE), m->job, true);
    if (!instant)
        return 0; /* the job finds that, and ends */
    int error = equalize_held(e, e->source, depth_above(e->source, instant->layer), size, false);
    return error ? error : equalize_held(e, e->target, 1, size, true);
}

static int equalize(const struct mirror *m, const struct stack *source, const struct stack *target,
                    struct cluster_locks *locks)
{
    autofree char *buf = malloc(2 * PIECE);
    struct equal e = {source, target, locks, buf};
    uint64_t size = mirror_volume(m, SIDE_SOURCE)->size;
    int error = 0;
    if (!buf)
        return error_no_memory();
    if (m->state != LSM_REPLICATION_STATE_IN_SYNC)
        error = equalize_filling(m, &e, size);
    else if (m->intent)
        error = equalize_regions(&e, m->intent, size);
    return error ? layer_error(target->layers[0], error, "make equal", ERROR_NO_OFFSET)
                 : layer_flush(target->layers[0]);
}

static int equalize_open(const struct mirror *m, struct volume *source, struct volume *target,
                         struct layer *hidden_top)
{
    if (!hidden_top)
        return equalize(m, source->stack, target->stack, &target->locks);
    struct stack *hidden = stack_open(hidden_top, source->size);
    if (!hidden)
        return error_pending();
    int code = equalize(m, source->stack, hidden, &target->locks);
    stack_close(hidden);
    return code;
}

/* The target grows first; a crash in between took the call back, and what it has more is empty. */
static bool has_other_size(const struct mirror *m, const struct volume *source,
                           const struct volume *target)
{
    return target->size < source->size ||
           (target->size > source->size && m->state == LSM_REPLICATION_STATE_IN_SYNC);
}

/* The owner before us may have died between the two sides of a write, or have been without the
 * target. */
static int reattach(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE), *target = mirror_volume(m, SIDE_TARGET);
    if (!target)
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->target_pool, "the target's pool is not here");
    struct hold *hidden = m->state != LSM_REPLICATION_STATE_IN_SYNC
                              ? pool_hold(target->pool, m->job, false)
                              : NULL; /* none for a first copy */
    bool anew = hidden && m->state == LSM_REPLICATION_STATE_INITIALIZING;
    int code = !anew && has_other_size(m, source, target) ? volume_resize(target, source->size)
                                                          : LSM_ERR_OK;
    if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_RESYNCING && !hidden)
        code = error_set(LSM_ERR_DAMAGED, m->job, "what the job %s fills is gone", m->job);
    if (code == LSM_ERR_OK)
        code = volume_open_stack(source);
    if (code != LSM_ERR_OK)
        return code;
    code = volume_open_stack(target);
    if (code == LSM_ERR_OK) {
        code = equalize_open(m, source, target, hidden ? hidden->layer : NULL);
        volume_close_stack(target);
    }
    volume_close_stack(source);
    return code == LSM_ERR_OK ? sync_attach(m, hidden ? hidden->layer : NULL) : code;
}

/* Without a log that can be believed the sides may differ anywhere: *lost says why, the caller's.
 */
static int load_log(struct mirror *m, uint64_t size, struct _lsm_error **lost)
{
    autofree char *path = log_path(m);
    int code = path ? sync_log_load(path, m->id, size, &m->intent) : LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK && !m->intent && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        code = error_set(LSM_ERR_DAMAGED, path, "the write-intent log %s is gone", path);
    if (code != LSM_ERR_DAMAGED)
        return code;
    *lost = error_take();
    return sync_log_fill(path, m->id, size, &m->intent);
}

int sync_load(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct _lsm_error *lost = NULL;
    if (!source || source->pool->read_only)
        return LSM_ERR_OK;
    int code = load_log(m, source->size, &lost);
    bool in_sync = m->state == LSM_REPLICATION_STATE_IN_SYNC;
    if (code == LSM_ERR_OK && lost && in_sync)
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED, lost->code, lost->message);
    in_sync = in_sync && !lost;
    error_destroy(lost);
    if (code != LSM_ERR_OK)
        return code;
    bool filling = (m->state == LSM_REPLICATION_STATE_INITIALIZING ||
                    m->state == LSM_REPLICATION_STATE_RESYNCING) &&
                   m->job[0];
    if (!in_sync && !filling)
        return LSM_ERR_OK;
    if (reattach(m) == LSM_ERR_OK || filling)
        return LSM_ERR_OK; /* a job without its write path ends by itself */
    autofree char *why = strdup(error_pending_message());
    return sync_part(m, LSM_REPLICATION_STATE_DEGRADED, error_pending(), why);
}

/* --- joining and exchanging ------------------------------------------------------------------ */

/* What the new source's pool must know before it is the source: else a crash in between would leave
 * nobody who knows where the two may differ. In one pool it is the same file. */
int sync_log_hand_over(const struct mirror *m)
{
    struct mirror next = *m;
    split_turn(&next);
    if (!log_moves(m))
        return LSM_ERR_OK;
    autofree char *path = log_path(&next);
    return path ? sync_log_create(path, m->id, m->intent) : LSM_ERR_NO_MEMORY;
}

int sync_rejoin(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    if (!source || !mirror_volume(m, SIDE_TARGET))
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here",
                         m->id);
    if (!pool_hold(source->pool, m->id, true))
        return error_set(LSM_ERR_STATE, m->id,
                         "the last common instant of the replication %s is gone from its source",
                         m->id);
    gate_close(&source->gate);
    int code = ship_is_pending(m) ? error_set(LSM_ERR_BUSY, m->id, "a write came in between")
                                  : sync_attach(m, NULL);
    gate_open(&source->gate);
    if (code == LSM_ERR_OK) {
        mirror_error_set(m, LSM_ERR_OK, NULL);
        code = mirror_state_set(m, LSM_REPLICATION_STATE_IN_SYNC);
    }
    if (code != LSM_ERR_OK) {
        struct _lsm_error *why = error_take();
        sync_detach_gated(m);
        error_restore(why);
        return code;
    }
    if (pool_hold_release(source->pool, m->id) != LSM_ERR_OK)
        error_clear(); /* the next open does it */
    return code;
}

/* A forced promote names the target's instant as the source's: the two are the same, but for what
 * the intent log says. */
int sync_freeze_target(struct mirror *m)
{
    struct volume *target = mirror_volume(m, SIDE_TARGET);
    struct freeze freeze;
    int code = freeze_prepare_still(&freeze, target);
    if (code != LSM_ERR_OK)
        return code;
    memcpy(freeze.generation, m->generation, ID_SIZE);
    struct catalog *catalog = target->pool->catalog;
    code = catalog_begin(catalog);
    if (code == LSM_ERR_OK) {
        code = freeze_record(&freeze);
        if (code == LSM_ERR_OK)
            code = catalog_layer_freeze(catalog, freeze.instant->row, m->generation);
        code = catalog_end(catalog, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo(&freeze);
        return code;
    }
    memcpy(freeze.instant->generation, m->generation, ID_SIZE);
    freeze_done(&freeze);
    return code;
}

struct own_half {
    const struct mirror *m;
    bool in_sync;
};

static int look_at_own_half(void *argument, const struct replication_row *row)
{
    struct own_half *own = argument;
    if (row->side == SIDE_SOURCE && strcmp(row->id, own->m->id) == 0)
        own->in_sync = row->state == LSM_REPLICATION_STATE_IN_SYNC &&
                       strcmp(row->generation, own->m->generation) == 0;
    return LSM_ERR_OK;
}

/* The target was promoted by force while the source's pool was away. Where the source's half still
 * says IN_SYNC, nobody has written there since, or the two would have parted first: what it has is
 * what the target was split from, but for what the intent log says, and gets that instant's name.
 * One that was here, and failed, has another generation: what it took from then on is unknown. */
int sync_name_instant(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct own_half own = {.m = m};
    struct freeze freeze;
    struct hold *hold = NULL;
    int code = catalog_replications(source->pool->catalog, look_at_own_half, &own);
    if (code != LSM_ERR_OK || !own.in_sync)
        return code;
    atomic_store(&source->top->touched, true); /* the layer below may be another's instant */
    code = pool_hold_alloc(m->id, source->pool, &hold);
    if (code == LSM_ERR_OK)
        code = freeze_prepare_still(&freeze, source);
    if (code != LSM_ERR_OK) {
        free(hold);
        return code;
    }
    memcpy(freeze.generation, m->generation, ID_SIZE);
    code = record_parting(m, &freeze);
    if (code != LSM_ERR_OK) {
        freeze_undo(&freeze);
        free(hold);
        return code;
    }
    freeze_done(&freeze);
    pool_hold_enter(source->pool, hold, freeze.instant);
    return code;
}

static int record_exchange(struct mirror *next)
{
    struct pool *source = mirror_pool(next, SIDE_SOURCE), *target = mirror_pool(next, SIDE_TARGET);
    int code = catalog_begin(source->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_replication_remove(source->catalog, next->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = mirror_put(next, SIDE_SOURCE);
    if (code == LSM_ERR_OK && source == target)
        code = mirror_put(next, SIDE_TARGET);
    code = catalog_end(source->catalog, code);
    if (code != LSM_ERR_OK || source == target)
        return code;
    if (catalog_begin(target->catalog) == LSM_ERR_OK) { /* the first half's epoch says it anyway */
        int second = catalog_replication_remove(target->catalog, next->id, SIDE_SOURCE);
        if (second == LSM_ERR_OK)
            second = mirror_put(next, SIDE_TARGET);
        catalog_end(target->catalog, second);
    }
    error_clear();
    return code;
}

int sync_exchange(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct mirror next = *m;
    int code = layer_flush(source->top);
    if (code == LSM_ERR_OK)
        code = layer_flush(m->sync->target->top);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_gated(m);
    map_destroy(m->intent); /* nobody writes, and both are flushed: they are equal */
    m->intent = NULL;
    sync_log_remove(m);
    next = *m;
    split_turn(&next);
    next.epoch++;
    code = record_exchange(&next);
    if (code == LSM_ERR_OK) {
        split_turn(m);
        m->epoch = next.epoch;
        event_publish(m->root->hub, LSM_EVENT_REPLICATION_STATE, m->id, m->state, m->state);
    }
    mirrors_mark(m->root);
    struct _lsm_error *why = error_take();
    if (sync_attach(m, NULL) != LSM_ERR_OK)
        sync_part(m, LSM_REPLICATION_STATE_DEGRADED, error_pending(), error_pending_message());
    error_clear();
    error_restore(why);
    return code;
}

int sync_grow(struct mirror *m, uint64_t size)
{
    struct sync *sync = m->sync;
    if (!sync)
        return LSM_ERR_OK;
    if (sync->filling) {
        error_set(LSM_ERR_BUSY, m->id, "the target of the replication %s is being filled", m->id);
        error_hint("wait until it is in sync");
        error_retryable();
        return LSM_ERR_BUSY;
    }
    uint64_t regions = (size + REGION_SIZE - 1) >> REGION_SHIFT;
    gate_close(&sync->source->gate);
    bool grown = map_resize(sync->intent, regions) == 0 && map_resize(sync->recent, regions) == 0;
    gate_open(&sync->source->gate);
    return grown ? LSM_ERR_OK : error_no_memory();
}

/* --- sweeping -------------------------------------------------------------------------------- */

/* Clears the bits of regions that have cooled down. The lock is let go for the flushes, and then
 * the write path may be another, or none: every change of state raises the epoch. */
void sync_sweep(struct mirror *m)
{
    struct sync *sync = m->sync;
    uint64_t epoch = m->epoch;
    if (sync && sync->source->reread) {
        source_reread(m);
        error_clear();
        return;
    }
    if (!sync || sync->filling || map_held(sync->intent) == 0 || atomic_load(&sync->failed))
        return;
    sync_sweep_begin(sync);
    m->pins++;
    int code = volume_flush_ahead(sync->source);
    if (code == LSM_ERR_OK && m->epoch == epoch && m->sync)
        code = volume_flush_ahead(m->sync->target);
    m->pins--;
    if (code == LSM_ERR_OK && m->epoch == epoch && m->sync && !atomic_load(&m->sync->failed))
        sync_sweep_end(m->sync);
    error_clear();
}
