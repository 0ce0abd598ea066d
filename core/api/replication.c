/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replications: finding them, the verbs, and the record. What a verb answers is the backend's. */
#include "check.h"
#include "noun.h"

/* --- finding -----------------------------------------------------------------------------------
 */

static int replication_list(lsm_connect *conn, const char *key, const char *value,
                            lsm_replication **replications[], uint32_t *count, lsm_flag flags)
{
    static const char *const keys[] = {
        "id",       "type", "state", "volume_id", "source_volume_id", "target_volume_id",
        "group_id", NULL};
    struct record_list found = {0};

    TRY(CHECK_OUT(replications));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(check_search(keys, key, value));
    TRY(CHECK_SUPPORT(conn, replication_list, "lsm_replication_list"));
    int rc = conn->ops->replication_list(conn->b, key, key ? value : NULL, &found);
    TRY(noun_list_settle(&replication_type, &found, rc));
    *replications = (lsm_replication **)found.items;
    *count = found.count;
    return LSM_ERR_OK;
}

int lsm_replication_list(lsm_connect *conn, const char *key, const char *value,
                         lsm_replication **replications[], uint32_t *count, lsm_flag flags)
{
    return CALL(conn, replication_list(conn, key, value, replications, count, flags));
}

static int replication_get(lsm_connect *conn, const char *id, lsm_replication **replication,
                           lsm_flag flags)
{
    TRY(CHECK_OUT(replication));
    TRY(check_flags(flags, 0));
    TRY(check_replication_id(id));
    TRY(CHECK_SUPPORT(conn, replication_get, "lsm_replication_get"));
    return conn->ops->replication_get(conn->b, id, replication);
}

int lsm_replication_get(lsm_connect *conn, const char *id, lsm_replication **replication,
                        lsm_flag flags)
{
    return CALL(conn, replication_get(conn, id, replication, flags));
}

/* --- verbs -------------------------------------------------------------------------------------
 */

static int check_verb(const char *id, lsm_flag flags, lsm_flag allowed)
{
    TRY(check_flags(flags, allowed));
    return check_replication_id(id);
}

static int replication_sync(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    TRY(CHECK_OUT(job));
    TRY(check_verb(id, flags, 0));
    TRY(CHECK_SUPPORT(conn, replication_sync, "lsm_replication_sync"));
    return conn->ops->replication_sync(conn->b, id, job);
}

int lsm_replication_sync(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    return CALL(conn, replication_sync(conn, id, job, flags));
}

static int replication_pause(lsm_connect *conn, const char *id, lsm_flag flags)
{
    TRY(check_verb(id, flags, 0));
    TRY(CHECK_SUPPORT(conn, replication_pause, "lsm_replication_pause"));
    return conn->ops->replication_pause(conn->b, id);
}

int lsm_replication_pause(lsm_connect *conn, const char *id, lsm_flag flags)
{
    return CALL(conn, replication_pause(conn, id, flags));
}

static int replication_resume(lsm_connect *conn, const char *id, lsm_flag flags)
{
    TRY(check_verb(id, flags, LSM_REPLICATION_FORCE | LSM_REPLICATION_DISCARD));
    TRY(CHECK_SUPPORT(conn, replication_resume, "lsm_replication_resume"));
    return conn->ops->replication_resume(conn->b, id, flags);
}

int lsm_replication_resume(lsm_connect *conn, const char *id, lsm_flag flags)
{
    return CALL(conn, replication_resume(conn, id, flags));
}

static int interval_set(lsm_connect *conn, const char *id, uint32_t ms, lsm_flag flags)
{
    TRY(check_verb(id, flags, 0));
    TRY(CHECK_SUPPORT(conn, replication_interval_set, "lsm_replication_interval_set"));
    return conn->ops->replication_interval_set(conn->b, id, ms);
}

int lsm_replication_interval_set(lsm_connect *conn, const char *id, uint32_t ms, lsm_flag flags)
{
    return CALL(conn, interval_set(conn, id, ms, flags));
}

static int replication_promote(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    TRY(CHECK_OUT(job));
    TRY(check_verb(id, flags, LSM_REPLICATION_FORCE));
    TRY(CHECK_SUPPORT(conn, replication_promote, "lsm_replication_promote"));
    return conn->ops->replication_promote(conn->b, id, job, flags);
}

int lsm_replication_promote(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    return CALL(conn, replication_promote(conn, id, job, flags));
}

static int replication_reverse(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    TRY(CHECK_OUT(job));
    TRY(check_verb(id, flags, LSM_REPLICATION_DISCARD));
    TRY(CHECK_SUPPORT(conn, replication_reverse, "lsm_replication_reverse"));
    return conn->ops->replication_reverse(conn->b, id, job, flags);
}

int lsm_replication_reverse(lsm_connect *conn, const char *id, char **job, lsm_flag flags)
{
    return CALL(conn, replication_reverse(conn, id, job, flags));
}

static int replication_break(lsm_connect *conn, const char *id, lsm_flag flags)
{
    TRY(check_verb(id, flags, 0));
    TRY(CHECK_SUPPORT(conn, replication_break, "lsm_replication_break"));
    return conn->ops->replication_break(conn->b, id);
}

int lsm_replication_break(lsm_connect *conn, const char *id, lsm_flag flags)
{
    return CALL(conn, replication_break(conn, id, flags));
}

/* --- the record --------------------------------------------------------------------------------
 */

DEFINE_RECORD(replication, &replication_type)
DEFINE_GETTER(const char *, replication, id, &replication_type, NULL)
DEFINE_GETTER(lsm_replication_type, replication, type, &replication_type,
              LSM_VOLUME_REPLICATE_UNKNOWN)
DEFINE_GETTER(lsm_replication_state, replication, state, &replication_type,
              LSM_REPLICATION_STATE_UNKNOWN)
DEFINE_GETTER(const char *, replication, source_volume_id, &replication_type, NULL)
DEFINE_GETTER(const char *, replication, target_volume_id, &replication_type, NULL)
DEFINE_GETTER(const char *, replication, group_id, &replication_type, NULL)
DEFINE_GETTER(const char *, replication, generation, &replication_type, NULL)
DEFINE_GETTER(uint64_t, replication, lag_bytes, &replication_type, 0)
DEFINE_GETTER(uint64_t, replication, lag_ms, &replication_type, 0)
DEFINE_GETTER(uint64_t, replication, last_sync_ms, &replication_type, 0)
DEFINE_GETTER(uint64_t, replication, last_sync_bytes, &replication_type, 0)
DEFINE_GETTER(uint64_t, replication, last_sync_duration_ms, &replication_type, 0)
DEFINE_GETTER(uint32_t, replication, interval_ms, &replication_type, 0)
DEFINE_GETTER(const char *, replication, job_id, &replication_type, NULL)
DEFINE_GETTER(const char *, replication, diverged_volume_id, &replication_type, NULL)
DEFINE_GETTER(lsm_error_number, replication, error_number, &replication_type, LSM_ERR_OK)
DEFINE_GETTER(const char *, replication, error_message, &replication_type, NULL)
