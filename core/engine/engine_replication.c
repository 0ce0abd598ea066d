/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs on replications as the backend has them: find, stop what is in the way, hand down. */
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "mirror.h"
#include "../util/cleanup.h"
#include "../util/error.h"

static bool replication_matches(const struct mirror *m, const char *key, const char *value)
{
    char number[16];
    if (!key)
        return true;
    if (strcmp(key, "id") == 0)
        return strcmp(value, m->id) == 0;
    if (strcmp(key, "source_volume_id") == 0)
        return strcmp(value, m->source) == 0;
    if (strcmp(key, "target_volume_id") == 0)
        return strcmp(value, m->target) == 0;
    if (strcmp(key, "volume_id") == 0)
        return strcmp(value, m->source) == 0 || strcmp(value, m->target) == 0;
    if (strcmp(key, "group_id") == 0)
        return m->group[0] && strcmp(value, m->group) == 0;
    snprintf(number, sizeof number, "%d", strcmp(key, "type") == 0 ? (int)m->type : (int)m->state);
    return (strcmp(key, "type") == 0 || strcmp(key, "state") == 0) && strcmp(value, number) == 0;
}

int engine_replication_list(void *b, const char *key, const char *value, struct record_list *list)
{
    struct root *root = ROOT(b);
    LOCKED(&root->lock);
    int code = LSM_ERR_OK;
    for (struct mirror *m = root->mirrors; m && code == LSM_ERR_OK; m = m->next) {
        if (!replication_matches(m, key, value))
            continue;
        lsm_replication *record = mirror_record(m);
        code = record ? record_list_append(list, &replication_type, record) : LSM_ERR_NO_MEMORY;
    }
    return code;
}

int engine_replication_get(void *b, const char *id, lsm_replication **replication)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    if (code != LSM_ERR_OK)
        return code;
    *replication = mirror_record(m);
    return *replication ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

/* The job that works for a relation in one of these states, or "". */
static void working_job(struct root *root, const char *id, bool initial, char job[ID_SIZE])
{
    LOCKED(&root->lock);
    const struct mirror *m = mirror_find(root, id);
    bool wanted = m && (m->state == LSM_REPLICATION_STATE_INITIALIZING) == initial;
    memcpy(job, wanted ? m->job : "", wanted ? ID_SIZE : 1);
}

int engine_replication_sync(void *b, const char *id, char **job)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_sync(m, job) : code;
}

/* A resync that is stopped leaves PAUSED; false: there was none. */
static bool cancel_resync(struct root *root, const char *id)
{
    char job[ID_SIZE];
    pthread_mutex_lock(&root->lock);
    const struct mirror *m = mirror_find(root, id);
    bool wanted = m && m->state == LSM_REPLICATION_STATE_RESYNCING && m->job[0];
    memcpy(job, wanted ? m->job : "", wanted ? ID_SIZE : 1);
    pthread_mutex_unlock(&root->lock);
    bool stopped = wanted && job_cancel(root->runner, job) == LSM_ERR_OK;
    error_clear();
    return stopped;
}

int engine_replication_pause(void *b, const char *id)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    char job[ID_SIZE];
    working_job(root, id, true, job);
    if (job[0])
        return job_pause(root->runner, job);
    if (cancel_resync(root, id))
        return LSM_ERR_OK;
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_pause(m) : code;
}

int engine_replication_resume(void *b, const char *id, lsm_flag flags)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    char job[ID_SIZE];
    working_job(root, id, true, job);
    if (job[0])
        return job_resume(root->runner, job);
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_resume(m, flags) : code;
}

int engine_replication_interval_set(void *b, const char *id, uint32_t ms)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_interval_set(m, ms) : code;
}

/* What a ship that is under way would have brought is not waited for. */
static void stop_ship(struct root *root, const char *id)
{
    char job[ID_SIZE];
    for (working_job(root, id, false, job); job[0]; working_job(root, id, false, job))
        if (job_cancel(root->runner, job) != LSM_ERR_OK)
            break; /* it ended by itself, or cannot be stopped: the verb says which */
    error_clear();
}

int engine_replication_promote(void *b, const char *id, char **job, lsm_flag flags)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    if (flags & LSM_REPLICATION_FORCE)
        stop_ship(root, id);
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_promote(m, job, flags) : code;
}

int engine_replication_reverse(void *b, const char *id, char **job, lsm_flag flags)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_reverse(m, job, flags) : code;
}

int engine_replication_break(void *b, const char *id)
{
    struct root *root = ROOT(b);
    struct mirror *m;
    stop_ship(root, id);
    LOCKED(&root->lock);
    int code = mirror_get(root, id, &m);
    return code == LSM_ERR_OK ? mirror_break(m) : code;
}
