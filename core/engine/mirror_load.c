/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Relations when a root is opened: two halves become one, what a crash left between two commits is
 * caught up with, and holds whose owner is gone are dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"
#include "../util/error.h"

static void fill(struct mirror *m, const struct replication_row *row, const char *own_pool)
{
    memcpy(m->id, row->id, ID_SIZE);
    memcpy(m->source, row->source, ID_SIZE);
    memcpy(m->target, row->target, ID_SIZE);
    memcpy(m->generation, row->generation, ID_SIZE);
    memcpy(row->side == SIDE_SOURCE ? m->source_pool : m->target_pool, own_pool, ID_SIZE);
    memcpy(row->side == SIDE_SOURCE ? m->target_pool : m->source_pool, row->peer, ID_SIZE);
    m->type = (lsm_replication_type)row->type;
    m->state = (lsm_replication_state)row->state;
    m->epoch = row->epoch;
    m->rate_limit = row->rate_limit;
    m->interval_ms = row->interval_ms;
    m->on_error = (lsm_target_error_policy)row->on_error;
    m->synced_ms = row->synced_ms;
    m->synced_bytes = row->synced_bytes;
    m->synced_duration_ms = row->synced_duration_ms;
    snprintf(m->diverged, sizeof m->diverged, "%s", row->diverged ? row->diverged : "");
    snprintf(m->group, sizeof m->group, "%s", row->group ? row->group : "");
    mirror_error_set(m, row->error, row->message);
}

/* Two halves of one relation: the higher epoch speaks. */
static int load_half(void *argument, const struct replication_row *row)
{
    struct pool *pool = argument;
    struct mirror *m = mirror_find(pool->root, row->id);
    if (m) {
        if (row->epoch > m->epoch)
            fill(m, row, pool->id);
        return LSM_ERR_OK;
    }
    m = mirror_alloc(pool->root);
    if (!m)
        return LSM_ERR_NO_MEMORY;
    fill(m, row, pool->id);
    mirror_enter(m);
    return LSM_ERR_OK;
}

int mirrors_load(struct root *root)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < root->pool_count && code == LSM_ERR_OK; i++)
        code = catalog_replications(root->pools[i]->catalog, load_half, root->pools[i]);
    return code;
}

/* The source's hold is behind when a crash came between the two commits of a ship: the job's own
 * hold is then on the instant that the target has. In one pool it has one on the target's layer of
 * the same name, too: the source stands on what is looked for. */
static int catch_up(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    struct hold *own = pool ? pool_hold(pool, m->id, true) : NULL;
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    struct layer *layer = source ? source->top : NULL;
    if (!pool || pool->read_only || !m->generation[0] ||
        (own && strcmp(own->layer->generation, m->generation) == 0))
        return LSM_ERR_OK;
    while (layer && strcmp(layer->generation, m->generation) != 0)
        layer = layer->below;
    if (!layer)
        return LSM_ERR_OK;
    struct hold *fresh;
    int code = pool_hold_alloc(m->id, pool, &fresh);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        code = pool_hold_doom(pool, m->id);
        if (code == LSM_ERR_OK)
            code = catalog_hold_add(pool->catalog, m->id, pool->id, layer->row);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        free(fresh);
        return code;
    }
    pool_hold_enter(pool, fresh, layer);
    struct hold *gone = own ? pool_hold_take(pool, own) : NULL;
    if (gone)
        pool_layers_drop(pool, gone->layer);
    free(gone);
    return code;
}

struct half {
    struct mirror *m;
    bool found;
};

/* The target decides about generations and promotion, whatever the epochs: where the source went on
 * alone, and the target was promoted alone, they are split. */
static int hear(void *argument, const struct replication_row *row)
{
    struct half *half = argument;
    struct mirror *m = half->m;
    if (strcmp(row->id, m->id) != 0)
        return LSM_ERR_OK;
    half->found = true;
    if (row->side != SIDE_TARGET || strcmp(row->target, m->target) != 0)
        return LSM_ERR_OK;
    if (row->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC) {
        memcpy(m->generation, row->generation, ID_SIZE);
        m->synced_ms = row->synced_ms;
        m->synced_bytes = row->synced_bytes;
        m->synced_duration_ms = row->synced_duration_ms;
    }
    if (row->state == LSM_REPLICATION_STATE_SPLIT && m->state != LSM_REPLICATION_STATE_SPLIT) {
        memcpy(m->generation, row->generation, ID_SIZE);
        m->state = LSM_REPLICATION_STATE_SPLIT;
        m->epoch = (row->epoch > m->epoch ? row->epoch : m->epoch) + 1;
    }
    return LSM_ERR_OK;
}

/* A pool that is here, and has lost the volume, or says nothing of the relation. */
static int has_ended(struct mirror *m, enum replication_side side, bool *ended)
{
    struct pool *pool = mirror_pool(m, side);
    struct half half = {.m = m};
    int code = pool ? catalog_replications(pool->catalog, hear, &half) : LSM_ERR_OK;
    if (pool && (!half.found || !mirror_volume(m, side)))
        *ended = true;
    return code;
}

/* A relation whose target's half never came to be, which was broken while the other pool was away,
 * or whose end is gone, is none. */
static int check_void(struct mirror *m, bool *is_void)
{
    *is_void = false;
    int code = has_ended(m, SIDE_SOURCE, is_void);
    return code == LSM_ERR_OK ? has_ended(m, SIDE_TARGET, is_void) : code;
}

/* One that is of another name is no common one: the source's pool is an older copy of itself. */
static bool has_common_instant(const struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    const struct hold *hold = pool ? pool_hold(pool, m->id, true) : NULL;
    bool alike =
        m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC && m->state == LSM_REPLICATION_STATE_IN_SYNC;
    return !pool || pool->read_only || alike || m->state == LSM_REPLICATION_STATE_INITIALIZING ||
           (hold && strcmp(hold->layer->generation, m->generation) == 0);
}

/* Of a full copy again, in a pool that is here, and whose job is not. */
static bool lost_its_copy(const struct mirror *m)
{
    const struct volume *target = mirror_volume(m, SIDE_TARGET);
    return m->state == LSM_REPLICATION_STATE_INITIALIZING && !m->job[0] && target && target->ready;
}

/* A synchronous mirror in sync needs no hold: one that is there is behind by a commit. One that was
 * split while the source was away finds it without any. */
static int reconcile_hold(struct mirror *m, struct pool *pool)
{
    if (m->state == LSM_REPLICATION_STATE_IN_SYNC)
        return pool_hold_release(pool, m->id);
    if (m->state == LSM_REPLICATION_STATE_SPLIT && !pool_hold(pool, m->id, true))
        return sync_name_instant(m);
    return LSM_ERR_OK;
}

/* The holds of a whole group, before one is taken off its source or says in which state they are.
 */
static int reconcile_sync(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK && pool && !pool->read_only)
            code = reconcile_hold(each, pool);
    return code == LSM_ERR_OK ? sync_load(m) : code;
}

/* Whether a top of the last owner holds anything is in its map alone. */
static void look_at_top(struct volume *v)
{
    struct layer *top = v ? v->top : NULL;
    if (!top || !top->below || v->pool->read_only || layer_open(top, v->size) != LSM_ERR_OK)
        return;
    if (layer_flush(top) == LSM_ERR_OK)
        atomic_store(&top->touched, map_held(top->map) > 0);
    layer_close(top);
}

static int remove_void(struct root *root)
{
    for (struct mirror *m = root->mirrors, *next; m; m = next) {
        bool is_void;
        next = m->next;
        int code = check_void(m, &is_void);
        if (code != LSM_ERR_OK)
            return code;
        if (!is_void)
            continue;
        mirror_half_remove(m, SIDE_SOURCE);
        mirror_half_remove(m, SIDE_TARGET);
        mirror_leave(m);
        error_clear();
    }
    return LSM_ERR_OK;
}

/* It holds nothing, and its target may be written from now on: whoever says otherwise is behind. */
static int break_apart(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    if (m->state != LSM_REPLICATION_STATE_BROKEN) {
        m->epoch++;
        mirror_error_set(m, LSM_ERR_DAMAGED,
                         "the last common instant is gone from the source's pool");
        mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    }
    if (m->group[0]) /* the job goes on without it */
        m->job[0] = m->follow[0] = '\0';
    return pool && !pool->read_only ? pool_hold_release(pool, m->id) : LSM_ERR_OK;
}

int mirrors_reconcile(struct root *root)
{
    int code = remove_void(root);
    for (struct mirror *m = root->mirrors; m && code == LSM_ERR_OK; m = m->next) {
        look_at_top(mirror_volume(m, SIDE_SOURCE));
        look_at_top(mirror_volume(m, SIDE_TARGET));
        error_clear();
        if (m->state != LSM_REPLICATION_STATE_BROKEN)
            code = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC ? reconcile_sync(m) : catch_up(m);
        if (code != LSM_ERR_OK)
            return code;
        if (m->state == LSM_REPLICATION_STATE_BROKEN || !has_common_instant(m) ||
            lost_its_copy(m)) {
            code = break_apart(m);
            if (code != LSM_ERR_OK)
                return code;
        } else if (m->state == LSM_REPLICATION_STATE_RESYNCING && !m->job[0]) {
            /* Its job never came to be, or is away with its pool; a degraded one tries again. */
            bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
            m->epoch++;
            mirror_state_show(m,
                              sync ? LSM_REPLICATION_STATE_DEGRADED : LSM_REPLICATION_STATE_PAUSED);
        }
        split_settle_target(m);
        mirror_halves_save(m, SIDE_SOURCE);
        error_clear();
        if (!m->job[0] && mirror_pool(m, SIDE_SOURCE))
            ship_next(m); /* the job that it followed ended with the last owner */
    }
    for (uint32_t i = 0; i < root->pool_count; i++)
        sync_logs_sweep(root->pools[i]);
    mirrors_mark(root);
    return code;
}

/* Only its owner's pool can say that there is no such owner: while that is away, its hold stays. A
 * relation's is in its source's pool: that of an old source, which did not hear of the exchange, is
 * nobody's any more. */
static bool is_orphan(const struct pool *pool, const struct hold *hold)
{
    struct root *root = pool->root;
    const struct mirror *owner = mirror_find(root, hold->owner);
    if (owner)
        return mirror_pool(owner, SIDE_SOURCE) && mirror_pool(owner, SIDE_SOURCE) != pool;
    if (!pool_by_id(root, hold->pool))
        return false;
    for (const struct mirror *m = root->mirrors; m; m = m->next)
        if (strcmp(m->target, hold->owner) == 0 && m->state == LSM_REPLICATION_STATE_SPLIT)
            return false; /* the split point */
    return !job_of_part(root->runner, hold->owner);
}

int holds_sweep(struct pool *pool)
{
    int code = LSM_ERR_OK;
    struct hold *hold = pool->read_only ? NULL : pool->holds;
    while (hold && code == LSM_ERR_OK) {
        char owner[ID_SIZE];
        memcpy(owner, hold->owner, ID_SIZE);
        bool orphan = is_orphan(pool, hold);
        if (orphan)
            code = pool_hold_release(pool, owner);
        hold = orphan ? pool->holds : hold->next; /* all of that owner's are gone */
        if (code == LSM_ERR_OK)
            error_clear();
    }
    return code;
}
