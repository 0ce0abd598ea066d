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

/* How often a degraded mirror tries again, and one in sync sweeps its write-intent log. */
#define SYNC_ROUND_NS 2000000000ull

#define STATES (LSM_REPLICATION_STATE_BROKEN + 1)

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

static void mark(struct volume *v)
{
    const struct mirror *target = mirror_of_target(v->pool->root, v->id);
    memcpy(v->relation, target ? target->id : "", target ? ID_SIZE : 1);
    v->mirrors = 0;
    v->handing_over = false;
    v->keeps_instant = target != NULL;
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
                                  .diverged = m->diverged[0] ? m->diverged : NULL};
    memcpy(row.id, m->id, ID_SIZE);
    memcpy(row.peer, side == SIDE_SOURCE ? m->target_pool : m->source_pool, ID_SIZE);
    memcpy(row.source, m->source, ID_SIZE);
    memcpy(row.target, m->target, ID_SIZE);
    memcpy(row.generation, m->generation, ID_SIZE);
    return catalog_replication_put(mirror_pool(m, side)->catalog, &row);
}

int mirror_half_save(const struct mirror *m, enum replication_side side)
{
    struct pool *pool = mirror_pool(m, side);
    if (!pool || pool->read_only)
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    return code == LSM_ERR_OK ? catalog_end(pool->catalog, mirror_put(m, side)) : code;
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

int mirror_state_set(struct mirror *m, lsm_replication_state state)
{
    struct mirror next = *m;
    next.state = state;
    next.epoch++;
    int code = mirror_half_save(&next, SIDE_TARGET);
    if (code != LSM_ERR_OK)
        return code;
    m->epoch = next.epoch;
    mirror_state_show(m, state);
    mirrors_mark(m->root);
    mirror_tell_source(m);
    return LSM_ERR_OK;
}

void mirror_tell_target(const struct mirror *m)
{
    if (mirror_half_save(m, SIDE_TARGET) != LSM_ERR_OK)
        error_clear(); /* the same the other way round */
}

void mirror_tell_source(const struct mirror *m)
{
    if (mirror_half_save(m, SIDE_SOURCE) != LSM_ERR_OK)
        error_clear(); /* the higher epoch tells it at the next open */
}

void mirror_error_set(struct mirror *m, int code, const char *message)
{
    free(m->message);
    m->message = message ? strdup(message) : NULL;
    m->error = code;
}

/* --- the record ------------------------------------------------------------------------------ */

lsm_replication *mirror_record(struct mirror *m)
{
    lsm_replication *r = record_create(&replication_type);
    if (!r)
        return NULL;
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
        record_text(&r->generation, m->generation[0] ? m->generation : NULL) == LSM_ERR_OK &&
        record_text(&r->job_id, m->job[0] ? m->job : NULL) == LSM_ERR_OK &&
        record_text(&r->diverged_volume_id, m->diverged[0] ? m->diverged : NULL) == LSM_ERR_OK &&
        record_text(&r->error_message, m->message) == LSM_ERR_OK)
        return r;
    record_destroy(&replication_type, r);
    return NULL;
}

/* --- verbs ----------------------------------------------------------------------------------- */

enum verb { SYNC, PAUSE, RESUME, PROMOTE, FORCE, REVERSE, BREAK, VERBS };

static const char *const verbs[VERBS] = {
    "synced", "paused", "resumed", "promoted", "promoted by force", "reversed", "broken"};
static const char *const states[STATES] = {"?",         "INITIALIZING", "IN_SYNC", "DEGRADED",
                                           "RESYNCING", "PAUSED",       "SPLIT",   "BROKEN"};

/* 0: the verb's function decides. */
static const int fits[VERBS][STATES] = {
    /*            -  INITIALIZING IN_SYNC DEGRADED RESYNCING PAUSED SPLIT BROKEN */
    [SYNC] = {0, 0, 0, 0, 0, 1004, 1004, 1004},
    [PAUSE] = {0, 0, 0, 0, 0, 125, 1004, 1004},
    [RESUME] = {0, 0, 125, 125, 125, 0, 0, 0},
    [PROMOTE] = {0, 1004, 0, 1004, 1004, 1004, 1004, 1004},
    [FORCE] = {0, 1004, 0, 0, 0, 0, 125, 1004},
    [REVERSE] = {0, 1004, 1004, 1004, 1004, 1004, 0, 1004},
    [BREAK] = {0, 1004, 0, 0, 0, 0, 0, 0},
};

static int check_verb(const struct mirror *m, enum verb verb)
{
    int code = fits[verb][m->state];
    if (code == LSM_ERR_OK)
        return code;
    error_set(code, m->id, "the replication %s cannot be %s: it is %s", m->id, verbs[verb],
              states[m->state]);
    if (verb == REVERSE && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        error_hint("promote exchanges the roles of two that are in sync");
    if (verb == BREAK && m->state == LSM_REPLICATION_STATE_INITIALIZING)
        error_hint("cancel its job instead");
    return code;
}

static int give_job(const struct mirror *m, char **job)
{
    *job = strdup(m->job);
    return *job ? LSM_ERR_JOB_STARTED : error_no_memory();
}

/* From the last common instant to in sync: at once where nothing was written, else by a job. Where
 * that cannot begin the relation stays as it was. */
static int resync(struct mirror *m, char **job)
{
    lsm_replication_state before = m->state;
    bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    char id[ID_SIZE];
    struct root *root = m->root;
    memcpy(id, m->id, ID_SIZE);
    if (!ship_is_pending(m))
        return sync ? sync_rejoin(m) : mirror_state_set(m, LSM_REPLICATION_STATE_IN_SYNC);
    int code = mirror_state_set(m, LSM_REPLICATION_STATE_RESYNCING);
    if (code == LSM_ERR_OK)
        code = ship_begin(m, LSM_JOB_KIND_RESYNC, job);
    if (code == LSM_ERR_JOB_STARTED)
        return code;
    struct _lsm_error *why = error_take();
    if ((m = mirror_find(root, id)) != NULL)
        mirror_state_set(m, before == LSM_REPLICATION_STATE_SPLIT ? LSM_REPLICATION_STATE_PAUSED
                                                                  : before);
    error_clear();
    error_restore(why);
    return code;
}

int mirror_sync(struct mirror *m, char **job)
{
    int code = check_verb(m, SYNC);
    if (code != LSM_ERR_OK)
        return code;
    bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    if (m->job[0] && (sync || m->state == LSM_REPLICATION_STATE_INITIALIZING))
        return give_job(m, job);
    if (sync && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        return error_set(LSM_ERR_NO_STATE_CHANGE, m->id, "the replication %s is in sync already",
                         m->id);
    if (sync)
        return resync(m, job);
    if (m->job[0]) /* with an instant that is older than this call */
        return ship_follow(m, job);
    return ship_begin(m, LSM_JOB_KIND_SHIP, job);
}

int mirror_pause(struct mirror *m)
{
    int code = check_verb(m, PAUSE);
    if (code != LSM_ERR_OK)
        return code;
    if (m->sync && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        return sync_part(m, LSM_REPLICATION_STATE_PAUSED, 0, NULL);
    return mirror_state_set(m, LSM_REPLICATION_STATE_PAUSED);
}

/* What reaches a target goes past a write path of its own, so one that is to become a target may
 * not have a synchronous mirror; nor may a source have two. */
static int check_no_sync(const struct mirror *m, const char *volume)
{
    for (const struct mirror *other = m->root->mirrors; other; other = other->next) {
        if (other == m || other->type != LSM_VOLUME_REPLICATE_MIRROR_SYNC ||
            other->state == LSM_REPLICATION_STATE_BROKEN || strcmp(other->source, volume) != 0)
            continue;
        error_set(LSM_ERR_STATE, m->id,
                  "the volume %s has a synchronous mirror, the replication %s, and cannot change"
                  " its role",
                  volume, other->id);
        error_hint("break that replication first");
        return LSM_ERR_STATE;
    }
    return LSM_ERR_OK;
}

static int check_exchange(const struct mirror *m)
{
    int code = check_no_sync(m, m->source);
    if (code == LSM_ERR_OK && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = check_no_sync(m, m->target);
    return code;
}

/* The target's writes since the split go aside. Its top stands on the split point again, so that
 * needs no hold any more. */
static int rejoin_target(struct mirror *m, lsm_flag flags)
{
    int code = split_rewind(m, SIDE_TARGET, !(flags & LSM_REPLICATION_DISCARD));
    if (code != LSM_ERR_OK)
        return code;
    return pool_hold_release(mirror_pool(m, SIDE_TARGET), m->target);
}

int mirror_resume(struct mirror *m, lsm_flag flags)
{
    char *job = NULL;
    int code = check_verb(m, RESUME);
    if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_BROKEN) {
        error_set(LSM_ERR_STATE, m->id, "the replication %s is BROKEN: %s", m->id,
                  m->message ? m->message : "its common instant is gone");
        error_hint("break it and mirror anew");
        code = LSM_ERR_STATE;
    }
    if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_SPLIT)
        code = check_no_sync(m, m->target);
    if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_SPLIT)
        code = rejoin_target(m, flags);
    if (code != LSM_ERR_OK)
        return code;
    code = resync(m, &job);
    free(job);
    return code == LSM_ERR_JOB_STARTED ? LSM_ERR_OK : code;
}

int mirror_interval_set(struct mirror *m, uint32_t ms)
{
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return error_set(LSM_ERR_NO_SUPPORT, m->id,
                         "the replication %s is synchronous and has no interval", m->id);
    uint32_t old = m->interval_ms;
    m->interval_ms = ms;
    int code = mirror_state_set(m, m->state);
    if (code != LSM_ERR_OK)
        m->interval_ms = old;
    m->due_ns = 0;
    upkeep_wake(m->root->intervals);
    return code;
}

static int check_no_writers(const struct volume *v, const struct mirror *m)
{
    if (!v || !v->writers)
        return LSM_ERR_OK;
    error_set(LSM_ERR_BUSY, v->id, "the volume «%s» has %u open writer(s)", v->name, v->writers);
    error_hint("close them; a forced promote goes on without the source");
    error_retryable();
    (void)m;
    return LSM_ERR_BUSY;
}

static int check_both_here(const struct mirror *m)
{
    if (mirror_volume(m, SIDE_SOURCE) && mirror_volume(m, SIDE_TARGET))
        return LSM_ERR_OK;
    error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here", m->id);
    error_hint("bring it back, or promote by force");
    return LSM_ERR_NOT_FOUND_POOL;
}

int mirror_promote(struct mirror *m, char **job, lsm_flag flags)
{
    bool force = flags & LSM_REPLICATION_FORCE;
    int code = check_verb(m, force ? FORCE : PROMOTE);
    if (code != LSM_ERR_OK)
        return code;
    if (force)
        return split_force(m);
    code = check_both_here(m);
    if (code == LSM_ERR_OK)
        code = check_no_writers(mirror_volume(m, SIDE_SOURCE), m);
    if (code == LSM_ERR_OK)
        code = check_exchange(m);
    if (code != LSM_ERR_OK)
        return code;
    if (m->job[0]) {
        code = ship_follow(m, job);
        m->exchange = code == LSM_ERR_JOB_STARTED;
        mirrors_mark(m->root);
        return code;
    }
    if (m->sync)
        return sync_exchange(m);
    if (!ship_is_pending(m))
        return split_exchange(m);
    m->exchange = true; /* from here on no new writer of the source is let in */
    mirrors_mark(m->root);
    m->pins++;
    code = ship_begin(m, LSM_JOB_KIND_SHIP, job);
    m->pins--;
    m->exchange = code == LSM_ERR_JOB_STARTED;
    mirrors_mark(m->root);
    return code;
}

int mirror_reverse(struct mirror *m, char **job, lsm_flag flags)
{
    int code = check_verb(m, REVERSE);
    if (code == LSM_ERR_OK)
        code = check_exchange(m);
    if (code == LSM_ERR_OK)
        code = split_rewind(m, SIDE_SOURCE, !(flags & LSM_REPLICATION_DISCARD));
    if (code == LSM_ERR_OK)
        code = split_swap_roles(m);
    if (code != LSM_ERR_OK)
        return code;
    return resync(m, job);
}

/* Who has let the root's lock go over a relation takes it again soon: a sweep, a verb. */
static int wait_for_pins(struct mirror **m)
{
    struct root *root = (*m)->root;
    char id[ID_SIZE];
    int code = LSM_ERR_OK;
    memcpy(id, (*m)->id, ID_SIZE);
    while (code == LSM_ERR_OK && (*m)->pins) {
        pthread_cond_wait(&root->quiet, &root->lock);
        code = mirror_get(root, id, m);
    }
    return code;
}

int mirror_break(struct mirror *m)
{
    int code = wait_for_pins(&m);
    if (code == LSM_ERR_OK)
        code = check_verb(m, BREAK);
    if (code != LSM_ERR_OK)
        return code;
    if (m->job[0]) {
        error_set(LSM_ERR_BUSY, m->id, "the job %s is working for the replication %s", m->job,
                  m->id);
        error_hint("cancel the job first");
        error_retryable();
        return LSM_ERR_BUSY;
    }
    code = mirror_half_remove(m, SIDE_TARGET);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_gated(m);
    sync_log_remove(m);
    if (mirror_half_remove(m, SIDE_SOURCE) != LSM_ERR_OK)
        error_clear(); /* a half alone is void at the next open */
    mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    struct root *root = m->root;
    mirror_leave(m);
    mirrors_mark(root);
    return LSM_ERR_OK;
}

int mirrors_break(struct root *root, const char *source)
{
    for (const struct mirror *m = root->mirrors; m; m = m->next)
        if (strcmp(m->source, source) == 0 && m->job[0])
            return error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, source,
                             "the job %s reads the volume for the replication %s", m->job, m->id);
    for (struct mirror *m; (m = mirror_of_source(root, source)) != NULL;) {
        int code = mirror_break(m);
        if (code != LSM_ERR_OK)
            return code;
    }
    return LSM_ERR_OK;
}

int mirror_target_delete(struct mirror *m)
{
    char id[ID_SIZE];
    memcpy(id, m->target, ID_SIZE);
    int code = wait_for_pins(&m);
    if (code == LSM_ERR_OK && strcmp(m->target, id) != 0)
        code = error_set(LSM_ERR_BUSY, id, "the volume %s has just become a source", id);
    if (code != LSM_ERR_OK)
        return code;
    struct volume *target = mirror_volume(m, SIDE_TARGET);
    struct catalog *catalog = target->pool->catalog;
    code = volume_check_deletable(target);
    if (code == LSM_ERR_OK && m->job[0])
        code = error_set(LSM_ERR_IS_MASKED, target->id, "the job %s fills the volume «%s»", m->job,
                         target->name);
    if (code != LSM_ERR_OK)
        return code;
    if ((code = catalog_begin(catalog)) != LSM_ERR_OK)
        return code;
    code = catalog_hold_remove(catalog, m->target);
    if (code == LSM_ERR_OK)
        code = catalog_replication_remove(catalog, m->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = volume_remove_rows(target);
    code = catalog_end(catalog, code);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_gated(m);
    sync_log_remove(m);
    volume_remove(target);
    if (mirror_half_remove(m, SIDE_SOURCE) != LSM_ERR_OK)
        error_clear();
    mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    struct root *root = m->root;
    mirror_leave(m);
    mirrors_mark(root);
    return LSM_ERR_OK;
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
        bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
        m->due_ns = now + (sync ? SYNC_ROUND_NS : m->interval_ms * 1000000ull);
        if (sync && m->sync)
            sync_sweep(m);
        else if (sync)
            resync(m, &job);
        else
            ship_begin(m, LSM_JOB_KIND_SHIP, &job); /* what cannot be shipped now is at the next */
        free(job);
        error_clear();
        m = root->mirrors;
    }
    return root->mirrors != NULL;
}
