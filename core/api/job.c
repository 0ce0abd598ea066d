/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: libStorageMgmt's three calls on top of ours, ours, and the record.
 *
 * A wait is cut into slices, so that closing the connection ends it soon. That is the only thing
 * that a wait adds to what the backend does.
 */
#include <stdlib.h>
#include "../util/clock.h"
#include "check.h"
#include "noun.h"

#define WAIT_SLICE_MS 250
#define FOR_EVER UINT32_MAX

/* --- as libStorageMgmt has it ------------------------------------------------------------------
 */

static lsm_job_status status_of(lsm_job_state state)
{
    switch (state) {
    case LSM_JOB_STATE_QUEUED:
    case LSM_JOB_STATE_RUNNING:
    case LSM_JOB_STATE_PAUSED: return LSM_JOB_INPROGRESS;
    case LSM_JOB_STATE_DONE: return LSM_JOB_COMPLETE;
    case LSM_JOB_STATE_FAILED:
    case LSM_JOB_STATE_CANCELLED:
    case LSM_JOB_STATE_UNKNOWN: break;
    }
    return LSM_JOB_ERROR;
}

/* The call succeeds, and its last error is the job's: kept here, as leaving keeps only failures. */
static void keep_reason(lsm_connect *conn, const lsm_job *job)
{
    bool cancelled = job->state == LSM_JOB_STATE_CANCELLED;
    lsm_error_number code = job->error_number;

    if (code == LSM_ERR_OK)
        code = cancelled ? LSM_ERR_CANCELLED : LSM_ERR_PLUGIN_BUG;
    error_set(code, job->id, "%s",
              job->error_message ? job->error_message
              : cancelled        ? "the job was cancelled"
                                 : "the job failed, and the backend gives no reason");
    error_keep(conn->serial);
}

/* The first of what the job made; *volume stays NULL where there is none. */
static int first_volume(lsm_connect *conn, const char *job_id, lsm_volume **volume)
{
    struct record_list made = {0};

    if (!conn->ops->job_volume_list)
        return LSM_ERR_OK;
    TRY(noun_list_settle(&volume_type, &made, conn->ops->job_volume_list(conn->b, job_id, &made)));
    if (made.count > 0) {
        *volume = made.items[0];
        made.items[0] = NULL; /* destroying NULL is fine */
        record_list_clear(&made, &volume_type);
    }
    return LSM_ERR_OK;
}

static int status_get(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                      uint8_t *percent, lsm_volume **volume)
{
    lsm_job *record = NULL;
    int rc = LSM_ERR_OK;

    TRY(CHECK_SUPPORT(conn, job_get, "lsm_job_status_get"));
    TRY(conn->ops->job_get(conn->b, job_id, &record));
    if (volume && record->state == LSM_JOB_STATE_DONE)
        rc = first_volume(conn, job_id, volume);
    if (rc == LSM_ERR_OK) {
        *status = status_of(record->state);
        *percent = record->percent;
        if (*status == LSM_JOB_ERROR)
            keep_reason(conn, record);
    }
    record_destroy(&job_type, record);
    return rc;
}

static int job_status(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                      uint8_t *percent, lsm_flag flags)
{
    TRY(CHECK_NUMBER_OUT(status));
    TRY(CHECK_NUMBER_OUT(percent));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("job_id", job_id));
    return status_get(conn, job_id, status, percent, NULL);
}

int lsm_job_status_get(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                       uint8_t *percent, lsm_flag flags)
{
    return CALL(conn, job_status(conn, job_id, status, percent, flags));
}

static int job_status_volume(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                             uint8_t *percent, lsm_volume **volume, lsm_flag flags)
{
    TRY(CHECK_OUT(volume));
    TRY(CHECK_NUMBER_OUT(status));
    TRY(CHECK_NUMBER_OUT(percent));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("job_id", job_id));
    return status_get(conn, job_id, status, percent, volume);
}

int lsm_job_status_volume_get(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                              uint8_t *percent, lsm_volume **volume, lsm_flag flags)
{
    return CALL(conn, job_status_volume(conn, job_id, status, percent, volume, flags));
}

static int job_free(lsm_connect *conn, char **job, lsm_flag flags)
{
    TRY(CHECK_GIVEN(job));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("*job", *job));
    TRY(CHECK_SUPPORT(conn, job_free, "lsm_job_free"));
    TRY(conn->ops->job_free(conn->b, *job));
    free(*job);
    *job = NULL;
    return LSM_ERR_OK;
}

int lsm_job_free(lsm_connect *conn, char **job, lsm_flag flags)
{
    return CALL(conn, job_free(conn, job, flags));
}

/* --- finding and waiting -----------------------------------------------------------------------
 */

static int job_list(lsm_connect *conn, const char *key, const char *value, lsm_job **jobs[],
                    uint32_t *count, lsm_flag flags)
{
    static const char *const keys[] = {"id", "state", "kind", "volume_id", "key", NULL};
    struct record_list found = {0};

    TRY(CHECK_OUT(jobs));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(check_search(keys, key, value));
    TRY(CHECK_SUPPORT(conn, job_list, "lsm_job_list"));
    int rc = conn->ops->job_list(conn->b, key, key ? value : NULL, &found);
    TRY(noun_list_settle(&job_type, &found, rc));
    *jobs = (lsm_job **)found.items;
    *count = found.count;
    return LSM_ERR_OK;
}

int lsm_job_list(lsm_connect *conn, const char *key, const char *value, lsm_job **jobs[],
                 uint32_t *count, lsm_flag flags)
{
    return CALL(conn, job_list(conn, key, value, jobs, count, flags));
}

static int job_get(lsm_connect *conn, const char *job_id, lsm_job **job, lsm_flag flags)
{
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("job_id", job_id));
    TRY(CHECK_SUPPORT(conn, job_get, "lsm_job_get"));
    return conn->ops->job_get(conn->b, job_id, job);
}

int lsm_job_get(lsm_connect *conn, const char *job_id, lsm_job **job, lsm_flag flags)
{
    return CALL(conn, job_get(conn, job_id, job, flags));
}

static uint32_t time_left(uint64_t begin_ns, uint32_t timeout_ms)
{
    if (timeout_ms == FOR_EVER)
        return FOR_EVER;
    uint64_t gone_ms = (clock_monotonic_ns() - begin_ns) / 1000000;
    return gone_ms < timeout_ms ? timeout_ms - (uint32_t)gone_ms : 0;
}

static int late(const char *job_id, uint32_t timeout_ms)
{
    error_set(LSM_ERR_TIMEOUT, job_id, "the job %s had not ended after %" PRIu32 " ms", job_id,
              timeout_ms);
    error_retryable();
    return LSM_ERR_TIMEOUT;
}

static int wait_in_slices(lsm_connect *conn, const char *job_id, uint32_t timeout_ms, lsm_job **job)
{
    const uint64_t begin = clock_monotonic_ns();
    for (;;) {
        uint32_t left = time_left(begin, timeout_ms);
        uint32_t slice = left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS;
        int rc = conn->ops->job_wait(conn->b, job_id, slice, job);
        if (rc != LSM_ERR_TIMEOUT)
            return rc;
        if (slice == left)
            return late(job_id, timeout_ms);
        if (conn_is_closing(conn))
            return error_set(LSM_ERR_INVALID_ARGUMENT, "connection",
                             "the connection was closed while the call waited for job %s", job_id);
    }
}

static int job_wait(lsm_connect *conn, const char *job_id, uint32_t timeout_ms, lsm_job **job,
                    lsm_flag flags)
{
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("job_id", job_id));
    TRY(CHECK_SUPPORT(conn, job_wait, "lsm_job_wait"));
    return wait_in_slices(conn, job_id, timeout_ms, job);
}

int lsm_job_wait(lsm_connect *conn, const char *job_id, uint32_t timeout_ms, lsm_job **job,
                 lsm_flag flags)
{
    return CALL(conn, job_wait(conn, job_id, timeout_ms, job, flags));
}

static int job_volume_list(lsm_connect *conn, const char *job_id, lsm_volume **volumes[],
                           uint32_t *count, lsm_flag flags)
{
    struct record_list made = {0};

    TRY(CHECK_OUT(volumes));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(check_job_id("job_id", job_id));
    TRY(CHECK_SUPPORT(conn, job_volume_list, "lsm_job_volume_list"));
    TRY(noun_list_settle(&volume_type, &made, conn->ops->job_volume_list(conn->b, job_id, &made)));
    *volumes = (lsm_volume **)made.items;
    *count = made.count;
    return LSM_ERR_OK;
}

int lsm_job_volume_list(lsm_connect *conn, const char *job_id, lsm_volume **volumes[],
                        uint32_t *count, lsm_flag flags)
{
    return CALL(conn, job_volume_list(conn, job_id, volumes, count, flags));
}

/* --- verbs -------------------------------------------------------------------------------------
 */

static int check_verb(const char *job_id, lsm_flag flags)
{
    TRY(check_flags(flags, 0));
    return check_job_id("job_id", job_id);
}

static int job_cancel(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    TRY(check_verb(job_id, flags));
    TRY(CHECK_SUPPORT(conn, job_cancel, "lsm_job_cancel"));
    return conn->ops->job_cancel(conn->b, job_id);
}

int lsm_job_cancel(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    return CALL(conn, job_cancel(conn, job_id, flags));
}

static int job_pause(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    TRY(check_verb(job_id, flags));
    TRY(CHECK_SUPPORT(conn, job_pause, "lsm_job_pause"));
    return conn->ops->job_pause(conn->b, job_id);
}

int lsm_job_pause(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    return CALL(conn, job_pause(conn, job_id, flags));
}

static int job_resume(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    TRY(check_verb(job_id, flags));
    TRY(CHECK_SUPPORT(conn, job_resume, "lsm_job_resume"));
    return conn->ops->job_resume(conn->b, job_id);
}

int lsm_job_resume(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    return CALL(conn, job_resume(conn, job_id, flags));
}

static int rate_limit_set(lsm_connect *conn, const char *job_id, uint64_t bytes_per_s,
                          lsm_flag flags)
{
    TRY(check_verb(job_id, flags));
    TRY(CHECK_SUPPORT(conn, job_rate_limit_set, "lsm_job_rate_limit_set"));
    return conn->ops->job_rate_limit_set(conn->b, job_id, bytes_per_s);
}

int lsm_job_rate_limit_set(lsm_connect *conn, const char *job_id, uint64_t bytes_per_s,
                           lsm_flag flags)
{
    return CALL(conn, rate_limit_set(conn, job_id, bytes_per_s, flags));
}

/* --- the record --------------------------------------------------------------------------------
 */

DEFINE_RECORD(job, &job_type)
DEFINE_GETTER(const char *, job, id, &job_type, NULL)
DEFINE_GETTER(const char *, job, key, &job_type, NULL)
DEFINE_GETTER(lsm_job_kind, job, kind, &job_type, LSM_JOB_KIND_UNKNOWN)
DEFINE_GETTER(lsm_job_state, job, state, &job_type, LSM_JOB_STATE_UNKNOWN)
DEFINE_GETTER(uint8_t, job, percent, &job_type, 0)
DEFINE_GETTER(uint64_t, job, bytes_total, &job_type, 0)
DEFINE_GETTER(uint64_t, job, bytes_copied, &job_type, 0)
DEFINE_GETTER(uint64_t, job, bytes_skipped, &job_type, 0)
DEFINE_GETTER(uint64_t, job, bytes_per_second, &job_type, 0)
DEFINE_GETTER(uint64_t, job, eta_ms, &job_type, 0)
DEFINE_GETTER(const char *, job, source_volume_id, &job_type, NULL)
DEFINE_GETTER(const char *, job, target_volume_id, &job_type, NULL)
DEFINE_GETTER(lsm_error_number, job, error_number, &job_type, LSM_ERR_OK)
DEFINE_GETTER(const char *, job, error_message, &job_type, NULL)
DEFINE_GETTER(uint64_t, job, created_ms, &job_type, 0)
DEFINE_GETTER(uint64_t, job, started_ms, &job_type, 0)
DEFINE_GETTER(uint64_t, job, finished_ms, &job_type, 0)

uint64_t lsm_job_bytes_done_get(lsm_job *job)
{
    return record_is(&job_type, job) ? job->bytes_copied + job->bytes_skipped : 0;
}
