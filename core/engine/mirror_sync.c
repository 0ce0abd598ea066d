/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A synchronous mirror's life beside its write path (sync.c): attached to its source, and made
 * equal again after a crash. Taking it off is mirror_part.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "mirror.h"
#include "mover.h"
#include "sync.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

#define PIECE (1u << 20)

/* --- attaching ------------------------------------------------------------------------------- */

int sync_attach(struct mirror *m, struct layer *hidden_top)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE), *target = mirror_volume(m, SIDE_TARGET);
    autofree char *path = sync_log_path(m);
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

bool sync_is_on(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        if (each->sync)
            return true;
    return false;
}

static void each_gate(struct mirror *m, void (*turn)(struct gate *gate))
{
    for (EACH_MEMBER(each, m)) {
        struct volume *source = mirror_volume(each, SIDE_SOURCE);
        if (source)
            turn(&source->gate);
    }
}

void sync_stand_still(struct mirror *m)
{
    each_gate(m, gate_close);
}

void sync_go_on(struct mirror *m)
{
    each_gate(m, gate_open);
}

void sync_detach_all(struct mirror *m)
{
    if (!sync_is_on(m))
        return;
    sync_stand_still(m);
    for (EACH_MEMBER(each, m))
        sync_detach(each);
    sync_go_on(m);
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

/* While the target is filled its top must have, of what was written since the job's instant, what
 * the source has: the layers above that instant say it, whoever was there when it was written. */
static int equalize_filling(const struct mirror *m, const struct equal *e, uint64_t size)
{
    struct hold *instant = pool_hold(mirror_pool(m, SIDE_SOURCE), m->part, true);
    if (!instant)
        return 0; /* the job finds that, and ends */
    int error =
        equalize_held(e, e->source, stack_depth_above(e->source, instant->layer), size, false);
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
                              ? pool_hold(target->pool, m->part, false)
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

int sync_load(struct mirror *m)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct _lsm_error *lost = NULL;
    if (!source || source->pool->read_only)
        return LSM_ERR_OK;
    int code = sync_log_recover(m, source->size, &lost);
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

/* --- joining --------------------------------------------------------------------------------- */

static int check_rejoin(const struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    if (!source || !mirror_volume(m, SIDE_TARGET))
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here",
                         m->id);
    if (!pool_hold(source->pool, m->id, true))
        return error_set(LSM_ERR_STATE, m->id,
                         "the last common instant of the replication %s is gone from its source",
                         m->id);
    return LSM_ERR_OK;
}

/* All sources stand still: writes go to both of all members, or of none. */
static int attach_all(struct mirror *m)
{
    int code = ships_are_pending(m) ? error_set(LSM_ERR_BUSY, m->id, "a write came in between")
                                    : LSM_ERR_OK;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = sync_attach(each, NULL);
    for (EACH_MEMBER(each, m))
        if (code != LSM_ERR_OK)
            sync_detach(each);
    return code;
}

/* All that was to be brought is there: nothing. */
static void note_empty_sync(struct mirror *m)
{
    for (EACH_MEMBER(each, m)) {
        each->synced_ms = clock_ms();
        each->synced_bytes = each->synced_duration_ms = 0;
    }
}

int sync_rejoin(struct mirror *m)
{
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = check_rejoin(each);
    if (code != LSM_ERR_OK)
        return code;
    sync_stand_still(m);
    code = attach_all(m);
    sync_go_on(m);
    if (code == LSM_ERR_OK) {
        mirrors_error_set(m, LSM_ERR_OK, NULL);
        note_empty_sync(m);
        code = mirror_state_set(m, LSM_REPLICATION_STATE_IN_SYNC);
    }
    if (code != LSM_ERR_OK) {
        struct _lsm_error *why = error_take();
        sync_detach_all(m);
        error_restore(why);
        return code;
    }
    for (EACH_MEMBER(each, m))
        if (pool_hold_release(mirror_pool(each, SIDE_SOURCE), each->id) != LSM_ERR_OK)
            error_clear(); /* the next open does it */
    return code;
}

/* --- the split's instant --------------------------------------------------------------------- */

static int record_target(const struct mirror *m, struct freeze *freeze)
{
    struct catalog *catalog = freeze->volume->pool->catalog;
    memcpy(freeze->generation, m->generation, ID_SIZE);
    int code = freeze_record(freeze);
    return code == LSM_ERR_OK ? catalog_layer_freeze(catalog, freeze->instant->row, m->generation)
                              : code;
}

static int record_targets(struct mirror *m, struct freeze *freezes)
{
    struct catalog *catalog = freezes[0].volume->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = record_target(each, freezes++);
    return catalog_end(catalog, code);
}

static int freeze_targets(struct mirror *m, struct freeze *freezes, uint32_t count)
{
    int code = freeze_prepare_all(freezes, count, true, 0);
    if (code != LSM_ERR_OK)
        return code;
    code = record_targets(m, freezes);
    if (code != LSM_ERR_OK) {
        freeze_undo_all(freezes, count);
        return code;
    }
    uint32_t i = 0;
    for (EACH_MEMBER(each, m))
        memcpy(freezes[i++].instant->generation, each->generation, ID_SIZE);
    freeze_done_all(freezes, count);
    return code;
}

/* A forced promote names the targets' instant as the sources': they are the same, but for what the
 * intent logs say. */
int sync_freeze_targets(struct mirror *m)
{
    uint32_t count = 0;
    autofree struct freeze *freezes = calloc(mirror_member_count(m), sizeof *freezes);
    if (!freezes)
        return error_no_memory();
    for (EACH_MEMBER(each, m)) {
        struct volume *target = freezes[count++].volume = mirror_volume(each, SIDE_TARGET);
        if (!target)
            return error_set(LSM_ERR_NOT_FOUND_POOL, each->target_pool,
                             "the target's pool %s is not here", each->target_pool);
    }
    return freeze_targets(m, freezes, count);
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
    struct catalog *catalog = source->pool->catalog;
    code = catalog_begin(catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(catalog, sync_record_parting(m, &freeze));
    if (code != LSM_ERR_OK) {
        freeze_undo(&freeze);
        free(hold);
        return code;
    }
    freeze_done(&freeze);
    pool_hold_enter(source->pool, hold, freeze.instant);
    return code;
}

/* --- exchanging ------------------------------------------------------------------------------ */

static struct mirror turned(const struct mirror *m)
{
    struct mirror next = *m;
    split_turn(&next);
    next.epoch++;
    return next;
}

/* The half of a new source, and in one pool that of its target, too. */
static int record_turned(const struct mirror *next)
{
    struct pool *source = mirror_pool(next, SIDE_SOURCE);
    int code = catalog_replication_remove(source->catalog, next->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = mirror_put(next, SIDE_SOURCE);
    if (code == LSM_ERR_OK && source == mirror_pool(next, SIDE_TARGET))
        code = mirror_put(next, SIDE_TARGET);
    return code;
}

static int record_exchange(struct mirror *m)
{
    struct catalog *catalog = mirror_pool(m, SIDE_TARGET)->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m)) {
        struct mirror next = turned(each);
        if (code == LSM_ERR_OK)
            code = record_turned(&next);
    }
    return catalog_end(catalog, code);
}

/* In the old sources' pool; the first halves' epoch says it anyway. */
static void tell_exchange(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    if (pool == mirror_pool(m, SIDE_SOURCE) || catalog_begin(pool->catalog) != LSM_ERR_OK) {
        error_clear();
        return;
    }
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            code = catalog_replication_remove(pool->catalog, each->id, SIDE_SOURCE);
        if (code == LSM_ERR_OK)
            code = mirror_put(each, SIDE_TARGET);
    }
    catalog_end(pool->catalog, code);
    error_clear();
}

static int flush_both(const struct mirror *m)
{
    int code = layer_flush(m->sync->source->top);
    return code == LSM_ERR_OK ? layer_flush(m->sync->target->top) : code;
}

static void show_exchange(struct mirror *m)
{
    for (EACH_MEMBER(each, m)) {
        split_turn(each);
        each->epoch++;
    }
    tell_exchange(m);
    for (EACH_MEMBER(each, m))
        event_publish(m->root->hub, LSM_EVENT_REPLICATION_STATE, each->id, each->state,
                      each->state);
}

/* Nobody writes yet. */
static void attach_again(struct mirror *m)
{
    int code = attach_all(m);
    autofree char *why = code == LSM_ERR_OK ? NULL : strdup(error_pending_message());
    if (code != LSM_ERR_OK)
        sync_part(m, LSM_REPLICATION_STATE_DEGRADED, code, why);
    error_clear();
}

int sync_exchange(struct mirror *m)
{
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = flush_both(each);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_all(m);
    for (EACH_MEMBER(each, m)) {
        map_destroy(each->intent); /* nobody writes, and both are flushed: they are equal */
        each->intent = NULL;
        sync_log_remove(each);
    }
    code = record_exchange(m);
    if (code == LSM_ERR_OK)
        show_exchange(m);
    mirrors_mark(m->root);
    struct _lsm_error *why = error_take();
    attach_again(m);
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
        sync_source_reread(m);
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
