/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What callers do with jobs, and what they ask. A verb on a job that runs asks its worker and waits
 * until that lets go; one that does not run is settled by the verb's own thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "job.h"
#include "table.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

#define SEEK_MS 100

/* --- verbs ----------------------------------------------------------------------------------- */

/* A job that does not run is settled by the verb's own thread. */
static int settle_here(struct job *job, lsm_job_state state)
{
    struct job_runner *runner = job->runner;
    job->in_body = true;
    pthread_mutex_unlock(&runner->lock);
    if (state == LSM_JOB_STATE_CANCELLED)
        job_keep_error(job, LSM_ERR_CANCELLED);
    int code = job_settle(job, state);
    if (state == LSM_JOB_STATE_QUEUED && code == LSM_ERR_OK)
        job_wake_worker(runner);
    job_let_go(job);
    return code;
}

/* Asks the worker and waits until it let go; *settled says whether that was for the sake of
 * `state`. The job may have come to another end, or another verb may have been first. */
static int stop_and_wait(struct job *job, enum job_stop stop, lsm_job_state state, bool *settled)
{
    int go = JOB_GO;
    if (!atomic_compare_exchange_strong(&job->stop, &go, stop) && stop == JOB_STOP_CANCEL)
        atomic_store(&job->stop, stop); /* cancelling goes before pausing */
    unsigned before = job->settled[state].times;
    job_wait_until_free(job);
    *settled = job->settled[state].times != before;
    int code = job->settled[state].code;
    if (!*settled || code == LSM_ERR_OK)
        return LSM_ERR_OK;
    if (!job->settle_error)
        return error_set((lsm_error_number)code, job->row.id,
                         "the job %s goes on: its stop could not be made durable", job->row.id);
    error_restore(STEAL(job->settle_error));
    return code;
}

static int verb_stop(struct job_runner *runner, const char *id, enum job_stop stop,
                     enum job_verb verb, lsm_job_state state)
{
    LOCKED(&runner->lock);
    for (;;) {
        struct job *job = job_find(runner, id); /* anew: it may be forgotten meanwhile */
        if (!job)
            return LSM_ERR_NOT_FOUND_JOB;
        if (job->in_body && job->row.state != LSM_JOB_STATE_RUNNING) {
            job_wait_until_free(job);
            continue;
        }
        int code = job_verb_fits(verb, &job->row);
        if (code != LSM_ERR_OK)
            return code;
        if (!job->in_body)
            return settle_here(job, state);
        bool settled;
        code = stop_and_wait(job, stop, state, &settled);
        if (settled)
            return code;
    }
}

int job_cancel(struct job_runner *runner, const char *id)
{
    return verb_stop(runner, id, JOB_STOP_CANCEL, JOB_CANCEL, LSM_JOB_STATE_CANCELLED);
}

int job_pause(struct job_runner *runner, const char *id)
{
    return verb_stop(runner, id, JOB_STOP_PAUSE, JOB_PAUSE, LSM_JOB_STATE_PAUSED);
}

int job_resume(struct job_runner *runner, const char *id)
{
    LOCKED(&runner->lock);
    struct job *job = job_find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    while (job->in_body && job->row.state != LSM_JOB_STATE_RUNNING)
        job_wait_until_free(job);
    int code = job_verb_fits(JOB_RESUME, &job->row);
    return code == LSM_ERR_OK ? settle_here(job, LSM_JOB_STATE_QUEUED) : code;
}

int job_rate_limit_set(struct job_runner *runner, const char *id, uint64_t bytes_per_s)
{
    LOCKED(&runner->lock);
    struct job *job = job_find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    int code = job_verb_fits(JOB_RATE, &job->row);
    if (code != LSM_ERR_OK)
        return code;
    job->row.rate_limit = bytes_per_s; /* kept with the next checkpoint */
    atomic_store(&job->rate_limit, bytes_per_s);
    return LSM_ERR_OK;
}

int job_forget(struct job_runner *runner, const char *id)
{
    LOCKED(&runner->lock);
    struct job *job = job_find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    if (job->in_body || !job_state_ended(job->row.state))
        return LSM_ERR_NO_STATE_CHANGE;
    return job_forget_ended(job);
}

void job_runner_drop_lane(struct job_runner *runner, const struct job_lane *lane)
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->first, *next; job; job = next) {
        next = job->next;
        if (job->lane != lane)
            continue;
        job_take_out(job);
        while (job->waiters || job->in_body)
            pthread_cond_wait(&runner->changed, &runner->lock);
        job_free(job);
    }
}

/* --- asking ---------------------------------------------------------------------------------- */

/* Where there was no thread for the work when it came, who asks after it tries to make one. */
static void seek_worker(struct job_runner *runner)
{
    if (!runner->threads)
        job_wake_worker(runner);
}

int job_get(struct job_runner *runner, const char *id, lsm_job **job)
{
    LOCKED(&runner->lock);
    struct job *found = job_find(runner, id);
    if (!found)
        return LSM_ERR_NOT_FOUND_JOB;
    seek_worker(runner);
    *job = job_record(found);
    return *job ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

static struct timespec deadline_in(uint32_t timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* For a change; true: the deadline (NULL: none) has passed. */
static bool wait_for_change(struct job_runner *runner, const struct timespec *deadline)
{
    seek_worker(runner);
    struct timespec soon = deadline_in(SEEK_MS);
    bool seeks = !runner->threads && (!deadline || is_before(&soon, deadline));
    if (seeks)
        deadline = &soon;
    if (deadline)
        return pthread_cond_timedwait(&runner->changed, &runner->lock, deadline) == ETIMEDOUT &&
               !seeks;
    pthread_cond_wait(&runner->changed, &runner->lock);
    return false;
}

int job_wait(struct job_runner *runner, const char *id, uint32_t timeout_ms, lsm_job **job)
{
    struct timespec deadline = deadline_in(timeout_ms);
    bool late = timeout_ms == 0;
    LOCKED(&runner->lock);
    for (;;) {
        struct job *found = job_find(runner, id); /* anew: it may be forgotten meanwhile */
        if (!found)
            return LSM_ERR_NOT_FOUND_JOB;
        if (job_state_ended(found->row.state)) {
            *job = job_record(found);
            return *job ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
        }
        if (late) {
            error_set(LSM_ERR_TIMEOUT, id, "the job %s had not ended after %u ms", id, timeout_ms);
            error_retryable();
            return LSM_ERR_TIMEOUT;
        }
        late = wait_for_change(runner, timeout_ms == UINT32_MAX ? NULL : &deadline);
    }
}

int job_list(struct job_runner *runner, const char *key, const char *value,
             struct record_list *jobs)
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->first; job; job = job->next) {
        if (!job_matches(&job->row, key, value))
            continue;
        lsm_job *record = job_record(job);
        int code = record ? record_list_append(jobs, &job_type, record) : LSM_ERR_NO_MEMORY;
        if (code != LSM_ERR_OK)
            return code;
    }
    return LSM_ERR_OK;
}

int job_target(struct job_runner *runner, const char *id, uint32_t i, char target[ID_SIZE])
{
    struct job_ends ends;
    LOCKED(&runner->lock);
    struct job *job = job_find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    bool made = job->row.state == LSM_JOB_STATE_DONE && job->row.kind != LSM_JOB_KIND_RANGE &&
                job_row_member(&job->row, i, &ends);
    memcpy(target, made ? ends.target : "", made ? ID_SIZE : 1);
    return LSM_ERR_OK;
}

static bool has_member(const struct job_row *row, const char *source, const char *target)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++)
        if ((!source || strcmp(ends.source, source) == 0) &&
            (!target || strcmp(ends.target, target) == 0))
            return true;
    return false;
}

static bool job_of(struct job_runner *runner, const char *source, const char *target,
                   char id[ID_SIZE])
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->last; job; job = job->prev) {
        if (job_state_ended(job->row.state) || !has_member(&job->row, source, target))
            continue;
        memcpy(id, job->row.id, ID_SIZE);
        return true;
    }
    return false;
}

bool job_of_kind(struct job_runner *runner, const struct job_lane *lane, lsm_job_kind kind,
                 char id[ID_SIZE])
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->last; job; job = job->prev) {
        if (job->lane != lane || job->row.kind != kind || job_state_ended(job->row.state))
            continue;
        memcpy(id, job->row.id, ID_SIZE);
        return true;
    }
    return false;
}

bool job_of_part(struct job_runner *runner, const char *part)
{
    char id[ID_SIZE];
    bool found = false;
    LOCKED(&runner->lock);
    for (struct job *job = runner->last; job && !found; job = job->prev)
        for (uint32_t i = 0;
             !found && !job_state_ended(job->row.state) && job_row_part(&job->row, i, id); i++)
            found = strcmp(id, part) == 0;
    return found;
}

bool job_of_target(struct job_runner *runner, const char *target, char id[ID_SIZE])
{
    return job_of(runner, NULL, target, id);
}

bool job_of_source(struct job_runner *runner, const char *source, char id[ID_SIZE])
{
    return job_of(runner, source, NULL, id);
}
