/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The relation: finding it, its rows, its record, the table of verbs and states, and the intervals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "mirror.h"
#include "upkeep.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- finding --------------------------------------------------------------------------------- */

struct mirror *mirror_find(struct root *root, const char *id)
{
    struct mirror *m = root->mirrors;
    while (m && strcmp(m->id, id) != 0)
        m = m->next;
    return m;
}

int mirror_get(struct root *root, const char *id, struct mirror **mirror)
{
    *mirror = mirror_find(root, id);
    return *mirror
               ? LSM_ERR_OK
               : error_set(LSM_ERR_NOT_FOUND_REPLICATION, id, "there is no replication «%s»", id);
}

struct mirror *mirror_of_target(struct root *root, const char *volume)
{
    for (struct mirror *m = root->mirrors; m; m = m->next)
        if (strcmp(m->target, volume) == 0 && m->state != LSM_REPLICATION_STATE_SPLIT &&
            m->state != LSM_REPLICATION_STATE_BROKEN)
            return m;
    return NULL;
}

struct mirror *mirror_of_source(struct root *root, const char *volume)
{
    for (struct mirror *m = root->mirrors; m; m = m->next)
        if (strcmp(m->source, volume) == 0 && m->state != LSM_REPLICATION_STATE_BROKEN)
            return m;
    return NULL;
}

struct mirror *mirror_of_end(struct root *root, const char *volume)
{
    for (struct mirror *m = root->mirrors; m; m = m->next)
        if (m->state != LSM_REPLICATION_STATE_BROKEN &&
            (strcmp(m->source, volume) == 0 || strcmp(m->target, volume) == 0))
            return m;
    return NULL;
}

struct pool *mirror_pool(const struct mirror *m, enum replication_side side)
{
    return pool_by_id(m->root, side == SIDE_SOURCE ? m->source_pool : m->target_pool);
}

struct volume *mirror_volume(const struct mirror *m, enum replication_side side)
{
    return volume_find(m->root, side == SIDE_SOURCE ? m->source : m->target);
}

static bool is_member(const struct mirror *m, const struct mirror *other)
{
    return other == m || (m->group[0] && strcmp(other->group, m->group) == 0 &&
                          m->state != LSM_REPLICATION_STATE_BROKEN &&
                          other->state != LSM_REPLICATION_STATE_BROKEN);
}

struct mirror *mirror_member(struct mirror *m, const struct mirror *after)
{
    struct mirror *next = after ? after->next : m->root->mirrors;
    while (next && !is_member(m, next))
        next = next->next;
    return next;
}

uint32_t mirror_member_count(struct mirror *m)
{
    uint32_t count = 0;
    for (EACH_MEMBER(each, m))
        count++;
    return count;
}

void mirrors_pin(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        each->pins++;
}

void mirrors_unpin(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        each->pins--;
}

static void mark(struct volume *v)
{
    const struct mirror *target = mirror_of_target(v->pool->root, v->id);
    memcpy(v->relation, target ? target->id : "", target ? ID_SIZE : 1);
    v->mirrors = 0;
    v->handing_over = false;
    v->keeps_instant = target != NULL;
    v->replaced = target && v->ready && target->state == LSM_REPLICATION_STATE_INITIALIZING;
    for (const struct mirror *m = v->pool->root->mirrors; m; m = m->next) {
        bool source = strcmp(m->source, v->id) == 0;
        if (source && m->state != LSM_REPLICATION_STATE_BROKEN)
            v->mirrors++;
        v->handing_over = v->handing_over || (source && m->exchange);
    }
}

void mirrors_mark(struct root *root)
{
    for (uint32_t i = 0; i < root->pool_count; i++)
        for (struct volume *v = root->pools[i]->volumes; v; v = v->hh.next)
            mark(v);
}

/* --- rows ------------------------------------------------------------------------------------ */

struct mirror *mirror_alloc(struct root *root)
{
    struct mirror *m = calloc(1, sizeof *m);
    if (!m)
        error_no_memory();
    else
        m->root = root;
    return m;
}

void mirror_enter(struct mirror *m)
{
    m->next = m->root->mirrors;
    m->root->mirrors = m;
}

static void destroy(struct mirror *m)
{
    sync_detach(m);
    map_destroy(m->intent);
    free(m->message);
    free(m);
}

void mirror_leave(struct mirror *m)
{
    struct mirror **link = &m->root->mirrors;
    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
    destroy(m);
}

void mirrors_free(struct root *root)
{
    for (struct mirror *m = root->mirrors, *next; m; m = next) {
        next = m->next;
        destroy(m);
    }
    root->mirrors = NULL;
}

int mirror_put(const struct mirror *m, enum replication_side side)
{
    struct replication_row row = {.side = side,
                                  .type = m->type,
                                  .state = m->state,
                                  .epoch = m->epoch,
                                  .interval_ms = m->interval_ms,
                                  .rate_limit = m->rate_limit,
                                  .on_error = m->on_error,
                                  .synced_ms = m->synced_ms,
                                  .synced_bytes = m->synced_bytes,
                                  .synced_duration_ms = m->synced_duration_ms,
                                  .error = m->error,
                                  .message = m->message,
                                  .diverged = m->diverged[0] ? m->diverged : NULL,
                                  .group = m->group[0] ? m->group : NULL};
    memcpy(row.id, m->id, ID_SIZE);
    memcpy(row.peer, side == SIDE_SOURCE ? m->target_pool : m->source_pool, ID_SIZE);
    memcpy(row.source, m->source, ID_SIZE);
    memcpy(row.target, m->target, ID_SIZE);
    memcpy(row.generation, m->generation, ID_SIZE);
    return catalog_replication_put(mirror_pool(m, side)->catalog, &row);
}

/* Of all members in one transaction: as they are, or as they will be in that state. */
static int save(struct mirror *m, enum replication_side side, const lsm_replication_state *state)
{
    struct pool *pool = mirror_pool(m, side);
    if (!pool || pool->read_only)
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m)) {
        struct mirror next = *each;
        next.state = state ? *state : each->state;
        next.epoch += state != NULL;
        if (code == LSM_ERR_OK)
            code = mirror_put(&next, side);
    }
    return catalog_end(pool->catalog, code);
}

int mirror_halves_save(struct mirror *m, enum replication_side side)
{
    return save(m, side, NULL);
}

int mirror_half_remove(const struct mirror *m, enum replication_side side)
{
    struct pool *pool = mirror_pool(m, side);
    if (!pool || pool->read_only)
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    const char *owner = side == SIDE_SOURCE ? m->id : m->target;
    code = catalog_replication_remove(pool->catalog, m->id, side);
    if (code == LSM_ERR_OK)
        code = pool_hold_doom(pool, owner);
    code = catalog_end(pool->catalog, code);
    if (code == LSM_ERR_OK)
        pool_hold_drop(pool, owner);
    return code;
}

void mirror_state_show(struct mirror *m, lsm_replication_state state)
{
    lsm_replication_state old = m->state;
    m->state = state;
    if (old != state)
        event_publish(m->root->hub, LSM_EVENT_REPLICATION_STATE, m->id, old, state);
}

void mirror_state_say(struct mirror *m, lsm_replication_state state)
{
    for (EACH_MEMBER(each, m)) {
        each->epoch++;
        mirror_state_show(each, state);
    }
    mirrors_mark(m->root);
    mirror_tell_source(m);
}

int mirror_state_set(struct mirror *m, lsm_replication_state state)
{
    int code = save(m, SIDE_TARGET, &state);
    if (code == LSM_ERR_OK)
        mirror_state_say(m, state);
    return code;
}

void mirror_state_force(struct mirror *m, lsm_replication_state state)
{
    if (mirror_state_set(m, state) == LSM_ERR_OK)
        return;
    error_clear();
    mirror_state_say(m, state);
}

void mirror_tell_target(struct mirror *m)
{
    if (mirror_halves_save(m, SIDE_TARGET) != LSM_ERR_OK)
        error_clear(); /* the same the other way round */
}

void mirror_tell_source(struct mirror *m)
{
    if (mirror_halves_save(m, SIDE_SOURCE) != LSM_ERR_OK)
        error_clear(); /* the higher epoch tells it at the next open */
}

void mirror_error_set(struct mirror *m, int code, const char *message)
{
    free(m->message);
    m->message = message ? strdup(message) : NULL;
    m->error = code;
}

void mirrors_error_set(struct mirror *m, int code, const char *message)
{
    for (EACH_MEMBER(each, m))
        mirror_error_set(each, code, message);
}

/* --- the record ------------------------------------------------------------------------------ */

lsm_replication *mirror_record(struct mirror *m)
{
    lsm_replication *r = record_create(&replication_type);
    if (!r)
        return NULL;
    bool kept = m->diverged[0] && volume_find(m->root, m->diverged);
    r->type = m->type;
    r->state = m->state;
    r->error_number = m->error;
    r->interval_ms = m->interval_ms;
    r->lag_bytes = ship_lag_bytes(m);
    r->lag_ms = m->written_ns ? (clock_monotonic_ns() - m->written_ns) / 1000000 : 0;
    r->last_sync_ms = m->synced_ms;
    r->last_sync_bytes = m->synced_bytes;
    r->last_sync_duration_ms = m->synced_duration_ms;
    if (record_text(&r->id, m->id) == LSM_ERR_OK &&
        record_text(&r->source_volume_id, m->source) == LSM_ERR_OK &&
        record_text(&r->target_volume_id, m->target) == LSM_ERR_OK &&
        record_text(&r->group_id, m->group[0] ? m->group : NULL) == LSM_ERR_OK &&
        record_text(&r->generation, m->generation[0] ? m->generation : NULL) == LSM_ERR_OK &&
        record_text(&r->job_id, m->job[0] ? m->job : NULL) == LSM_ERR_OK &&
        record_text(&r->diverged_volume_id, kept ? m->diverged : NULL) == LSM_ERR_OK &&
        record_text(&r->error_message, m->message) == LSM_ERR_OK)
        return r;
    record_destroy(&replication_type, r);
    return NULL;
}

/* --- intervals ------------------------------------------------------------------------------- */

static bool is_due(struct mirror *m, uint64_t now)
{
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return !m->job[0] && !m->pins && now >= m->due_ns &&
               (m->state == LSM_REPLICATION_STATE_DEGRADED || m->sync);
    if (!m->interval_ms || m->job[0] || m->pins ||
        (m->state != LSM_REPLICATION_STATE_IN_SYNC && m->state != LSM_REPLICATION_STATE_DEGRADED))
        return false;
    return !m->due_ns || now >= m->due_ns;
}

static void note_lag(struct mirror *m, uint64_t now)
{
    if (!ship_is_pending(m))
        m->written_ns = 0;
    else if (!m->written_ns)
        m->written_ns = now;
}

/* A ship that could not even begin. What another job or nothing to do is in the way of, is no
 * failure. */
static void note_failure(struct mirror *m, int code)
{
    if (code == LSM_ERR_JOB_STARTED || code == LSM_ERR_NO_STATE_CHANGE || code == LSM_ERR_BUSY)
        return;
    mirrors_error_set(m, code, error_pending_message());
    error_clear();
    if (m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_force(m, LSM_REPLICATION_STATE_DEGRADED); /* the source decides about this */
}

/* Beginning a ship lets the lock go, so the list is walked from its head again after each. An
 * interval that is late is not made up for. */
bool mirrors_round(void *argument)
{
    struct root *root = argument;
    LOCKED(&root->lock);
    uint64_t now = clock_monotonic_ns();
    for (struct mirror *m = root->mirrors; m && !atomic_load(&root->closing);) {
        char *job = NULL;
        note_lag(m, now);
        if (!is_due(m, now)) {
            m = m->next;
            continue;
        }
        bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC, sweeps = sync && m->sync;
        for (EACH_MEMBER(each, m))
            if (each == m || !sweeps) /* each has a log of its own */
                each->due_ns = now + (sync ? SYNC_ROUND_NS : each->interval_ms * 1000000ull);
        if (sweeps)
            sync_sweep(m);
        else if (sync)
            mirror_resync(m, &job);
        else
            note_failure(m, ship_begin(m, LSM_JOB_KIND_SHIP, &job)); /* again at the next */
        free(job);
        error_clear();
        m = root->mirrors;
    }
    return root->mirrors != NULL;
}
