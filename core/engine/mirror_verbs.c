/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs on a relation, and the table that says which of them fits which state. */
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

#define STATES (LSM_REPLICATION_STATE_BROKEN + 1)

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
int mirror_resync(struct mirror *m, char **job)
{
    lsm_replication_state before = m->state;
    bool sync = m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    char id[ID_SIZE];
    struct root *root = m->root;
    memcpy(id, m->id, ID_SIZE);
    if (!ships_are_pending(m))
        return sync ? sync_rejoin(m) : mirror_state_set(m, LSM_REPLICATION_STATE_IN_SYNC);
    int code = mirror_state_set(m, LSM_REPLICATION_STATE_RESYNCING);
    if (code == LSM_ERR_OK)
        code = ship_begin(m, LSM_JOB_KIND_RESYNC, job);
    if (code == LSM_ERR_JOB_STARTED)
        return code;
    struct _lsm_error *why = error_take();
    if ((m = mirror_find(root, id)) != NULL)
        mirror_state_force(m, before == LSM_REPLICATION_STATE_SPLIT ? LSM_REPLICATION_STATE_PAUSED
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
        return mirror_resync(m, job);
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

static int check_exchange(struct mirror *m)
{
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            code = check_no_sync(each, each->source);
        if (code == LSM_ERR_OK && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
            code = check_no_sync(each, each->target);
    }
    return code;
}

/* The target's writes since the split go aside, and it is brought up to date. The split point is
 * let go when its pool says that there is no split any more: a crash in between finds it held. */
static int rejoin_target(struct mirror *m, char **job, lsm_flag flags)
{
    struct root *root = m->root;
    char id[ID_SIZE];
    memcpy(id, m->id, ID_SIZE);
    int code = split_rewind(m, SIDE_TARGET, !(flags & LSM_REPLICATION_DISCARD));
    if (code != LSM_ERR_OK)
        return code;
    code = mirror_resync(m, job); /* it may let the lock go */
    struct _lsm_error *why = error_take();
    m = mirror_find(root, id);
    if (m && m->state != LSM_REPLICATION_STATE_SPLIT)
        for (EACH_MEMBER(each, m))
            split_point_release(each);
    error_restore(why);
    return code;
}

static int refuse_broken(const struct mirror *m)
{
    error_set(LSM_ERR_STATE, m->id, "the replication %s is BROKEN: %s", m->id,
              m->message ? m->message : "its common instant is gone");
    error_hint("resume it with FORCE: that copies everything again");
    return LSM_ERR_STATE;
}

int mirror_resume(struct mirror *m, lsm_flag flags)
{
    char *job = NULL;
    int code = check_verb(m, RESUME);
    if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_BROKEN)
        return flags & LSM_REPLICATION_FORCE ? mirror_anew(m, !(flags & LSM_REPLICATION_DISCARD))
                                             : refuse_broken(m);
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK && m->state == LSM_REPLICATION_STATE_SPLIT)
            code = check_no_sync(each, each->target);
    if (code != LSM_ERR_OK)
        return code;
    code = m->state == LSM_REPLICATION_STATE_SPLIT ? rejoin_target(m, &job, flags)
                                                   : mirror_resync(m, &job);
    free(job);
    return code == LSM_ERR_JOB_STARTED ? LSM_ERR_OK : code;
}

int mirror_interval_set(struct mirror *m, uint32_t ms)
{
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return error_set(LSM_ERR_NO_SUPPORT, m->id,
                         "the replication %s is synchronous and has no interval", m->id);
    uint32_t old = m->interval_ms;
    for (EACH_MEMBER(each, m))
        each->interval_ms = ms;
    int code = mirror_state_set(m, m->state);
    for (EACH_MEMBER(each, m)) {
        if (code != LSM_ERR_OK)
            each->interval_ms = old;
        each->due_ns = 0;
    }
    upkeep_wake(m->root->intervals);
    return code;
}

static int check_no_writers(const struct volume *v)
{
    if (!v || !v->writers)
        return LSM_ERR_OK;
    error_set(LSM_ERR_BUSY, v->id, "the volume «%s» has %u open writer(s)", v->name, v->writers);
    error_hint("close them; a forced promote goes on without the source");
    error_retryable();
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

static void exchange_later(struct mirror *m, bool yes)
{
    for (EACH_MEMBER(each, m))
        each->exchange = yes;
    mirrors_mark(m->root);
}

int mirror_promote(struct mirror *m, char **job, lsm_flag flags)
{
    bool force = flags & LSM_REPLICATION_FORCE;
    int code = check_verb(m, force ? FORCE : PROMOTE);
    if (code != LSM_ERR_OK)
        return code;
    if (force)
        return split_force(m);
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            code = check_both_here(each);
        if (code == LSM_ERR_OK)
            code = check_no_writers(mirror_volume(each, SIDE_SOURCE));
    }
    if (code == LSM_ERR_OK)
        code = check_exchange(m);
    if (code != LSM_ERR_OK)
        return code;
    if (m->job[0]) {
        code = ship_follow(m, job);
        exchange_later(m, code == LSM_ERR_JOB_STARTED);
        return code;
    }
    if (m->sync)
        return sync_exchange(m);
    if (!ships_are_pending(m))
        return split_exchange(m);
    exchange_later(m, true); /* from here on no new writer of the source is let in */
    mirrors_pin(m);
    code = ship_begin(m, LSM_JOB_KIND_SHIP, job);
    mirrors_unpin(m);
    exchange_later(m, code == LSM_ERR_JOB_STARTED);
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
    return mirror_resync(m, job);
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

/* The targets' halves, which decide, in one transaction. */
static int remove_targets_halves(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    if (!pool || pool->read_only)
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            code = catalog_replication_remove(pool->catalog, each->id, SIDE_TARGET);
        if (code == LSM_ERR_OK)
            code = pool_hold_doom(pool, each->target);
    }
    code = catalog_end(pool->catalog, code);
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            pool_hold_drop(pool, each->target);
    return code;
}

static void leave_broken(struct mirror *m)
{
    sync_detach_gated(m);
    sync_log_remove(m);
    if (mirror_half_remove(m, SIDE_SOURCE) != LSM_ERR_OK)
        error_clear(); /* a half alone is void at the next open */
    mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    mirror_leave(m);
}

int mirror_break(struct mirror *m)
{
    struct root *root = m->root;
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
    uint32_t count = 0;
    autofree struct mirror **members = calloc(mirror_member_count(m), sizeof(struct mirror *));
    if (!members)
        return error_no_memory();
    for (EACH_MEMBER(each, m))
        members[count++] = each;
    code = remove_targets_halves(m);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_all(m);
    for (uint32_t i = 0; i < count; i++)
        leave_broken(members[i]);
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
    code = catalog_replication_remove(catalog, m->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = volume_remove_rows(target);
    code = catalog_end(catalog, code);
    if (code != LSM_ERR_OK)
        return code;
    sync_detach_gated(m);
    sync_log_remove(m);
    volume_remove(target);
    split_point_release(m);
    struct root *root = m->root;
    leave_broken(m);
    mirrors_mark(root);
    return LSM_ERR_OK;
}
