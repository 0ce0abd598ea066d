/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The workers of one root. One lock guards every job's row and where it stands; it is never held
 * while a body's function runs. `in_body` says that somebody has the job in his hands: a worker
 * that runs it, or a verb that settles one that does not run. A verb on a running job asks, and
 * waits for the worker to let go: when it returns, what it asked for is so.
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

#define KEPT_JOBS 1000u
#define KEPT_MS (7ull * 24 * 3600 * 1000)
#define WORKERS_MAX 16

struct job_runner {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job's state, or that a worker let go of it */
    pthread_cond_t work;
    struct event_hub *hub;
    struct job *by_id, *first, *last;
    unsigned ended;
    bool stopping;
    unsigned idle, threads, threads_max;
    pthread_t workers[WORKERS_MAX];
};

struct job_runner *job_runner_create(struct event_hub *hub)
{
    struct job_runner *runner = calloc(1, sizeof *runner);
    if (!runner) {
        error_no_memory();
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_init(&runner->changed, &monotonic);
    pthread_cond_init(&runner->work, NULL);
    pthread_condattr_destroy(&monotonic);
    runner->hub = hub;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    runner->threads_max = processors < 1             ? 1
                          : processors > WORKERS_MAX ? WORKERS_MAX
                                                     : (unsigned)processors;
    return runner;
}

struct job *job_alloc(struct job_row *row, const struct job_body *body, void *context,
                      struct job_lane *lane)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        error_no_memory();
        return NULL;
    }
    job->row = *row;
    row->message = row->key = row->detail = NULL;
    job->body = body;
    job->context = context;
    job->lane = lane;
    atomic_init(&job->rate_limit, job->row.rate_limit);
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->body->release)
        job->body->release(job->context);
    job_row_finish(&job->row);
    error_destroy(job->settle_error);
    free(job);
}

/* --- under the lock -------------------------------------------------------------------------- */

static void set_state(struct job *job, lsm_job_state state)
{
    lsm_job_state old = job->row.state;
    if (old == state)
        return;
    job->row.state = state;
    if (job_state_ended(state))
        job->runner->ended++;
    pthread_cond_broadcast(&job->runner->changed);
    event_publish(job->runner->hub, LSM_EVENT_JOB_STATE, job->row.id, old, state);
}

static void take_out(struct job *job)
{
    struct job_runner *runner = job->runner;
    HASH_DEL(runner->by_id, job);
    *(job->prev ? &job->prev->next : &runner->first) = job->next;
    *(job->next ? &job->next->prev : &runner->last) = job->prev;
    if (job_state_ended(job->row.state))
        runner->ended--;
}

static struct job *next_to_run(struct job_runner *runner)
{
    for (struct job *job = runner->first; job; job = job->next)
        if (job->row.state == LSM_JOB_STATE_QUEUED && !job->parked && !job->in_body &&
            job->lane->running < JOB_LANE_WIDTH)
            return job;
    return NULL;
}

static void let_go(struct job *job)
{
    job->in_body = false;
    job->let_go++;
    atomic_store(&job->stop, JOB_GO);
    pthread_cond_broadcast(&job->runner->changed);
    pthread_cond_signal(&job->runner->work); /* the lane has room again */
}

/* Until whoever has it now lets go: by the time this returns another may have it. */
static void wait_until_free(struct job *job)
{
    unsigned before = job->let_go;
    job->waiters++;
    while (job->in_body && job->let_go == before)
        pthread_cond_wait(&job->runner->changed, &job->runner->lock);
    if (--job->waiters == 0)
        pthread_cond_broadcast(&job->runner->changed);
}

static struct job *find(struct job_runner *runner, const char *id)
{
    struct job *job;
    HASH_FIND_STR(runner->by_id, id, job);
    if (!job) {
        error_set(LSM_ERR_NOT_FOUND_JOB, id, "there is no job «%s»", id);
        error_hint("ended jobs are forgotten after a while, and by lsm_job_free");
    }
    return job;
}

/* --- ends and stops -------------------------------------------------------------------------- */

/* A pause or a cancel that could not be made durable did not take place: the job is what it was,
 * and one that ran goes on. */
static void unsettle(struct job *job, lsm_job_state state)
{
    if (state == LSM_JOB_STATE_CANCELLED) {
        free(job->row.message);
        job->row.message = NULL;
        job->row.error = LSM_ERR_OK;
        job->row.finished_ms = 0;
    }
    if (job->row.state == LSM_JOB_STATE_RUNNING)
        set_state(job, LSM_JOB_STATE_QUEUED);
}

/* Makes a stop durable, and only then shows it. Called with the job in hand, without the lock. */
static int settle(struct job *job, lsm_job_state state)
{
    struct job_row row = job_row_as(job, state);
    int code = job->body->settle(job, &row);
    pthread_mutex_lock(&job->runner->lock);
    job->settled[state].times++;
    job->settled[state].code = code;
    if (code != LSM_ERR_OK && state != LSM_JOB_STATE_FAILED && state != LSM_JOB_STATE_QUEUED) {
        unsettle(job, state);
        return code;
    }
    job->row.finished_ms = row.finished_ms;
    set_state(job, state);
    return code;
}

/* The thread's pending error becomes the job's. */
static void keep_error(struct job *job, int code)
{
    pthread_mutex_lock(&job->runner->lock);
    free(job->row.message);
    job->row.error = code;
    job->row.message =
        strdup(code == LSM_ERR_CANCELLED ? "cancelled on request" : error_pending_message());
    pthread_mutex_unlock(&job->runner->lock);
}

static void finish_run(struct job *job, int code)
{
    enum job_stop stop = job_stop_asked(job);
    bool stopped = code == LSM_ERR_CANCELLED && stop != JOB_GO;
    if (code == LSM_ERR_OK) {
        pthread_mutex_lock(&job->runner->lock);
        set_state(job, LSM_JOB_STATE_DONE);
    } else if (stop == JOB_STOP_CANCEL) {
        keep_error(job, LSM_ERR_CANCELLED);
        code = settle(job, LSM_JOB_STATE_CANCELLED);
    } else if (stopped) {
        code = settle(job, stop == JOB_STOP_PAUSE ? LSM_JOB_STATE_PAUSED : LSM_JOB_STATE_QUEUED);
    } else {
        keep_error(job, code);
        code = settle(job, LSM_JOB_STATE_FAILED);
    }
    error_destroy(job->settle_error);
    job->settle_error = code == LSM_ERR_OK ? NULL : error_take();
    error_clear();
}

/* Ended jobs beyond those that are kept, oldest first. */
static struct job *outdated(struct job_runner *runner)
{
    if (runner->ended <= KEPT_JOBS)
        return NULL;
    for (struct job *job = runner->first; job; job = job->next)
        if (job_state_ended(job->row.state) && !job->in_body && !job->waiters)
            return clock_ms() - job->row.finished_ms > KEPT_MS ? job : NULL;
    return NULL;
}

static void prune(struct job_runner *runner)
{
    struct job *job;
    while ((job = outdated(runner)) != NULL) {
        job->in_body = true;
        pthread_mutex_unlock(&runner->lock);
        int code = job->body->forget(job);
        error_clear();
        pthread_mutex_lock(&runner->lock);
        let_go(job);
        if (code != LSM_ERR_OK)
            return; /* another time */
        take_out(job);
        job_free(job);
    }
}

static void run(struct job *job)
{
    struct job_runner *runner = job->runner;
    job->in_body = true;
    job->lane->running++;
    if (!job->row.started_ms)
        job->row.started_ms = clock_ms();
    job->run_ns = job->checkpoint_ns = clock_monotonic_ns();
    job->run_done = job->row.copied + job->row.skipped;
    set_state(job, LSM_JOB_STATE_RUNNING);
    pthread_mutex_unlock(&runner->lock);
    finish_run(job, job->body->run(job)); /* comes back with the lock */
    job->lane->running--;
    let_go(job);
    prune(runner);
}

static void *work(void *argument)
{
    struct job_runner *runner = argument;
    pthread_mutex_lock(&runner->lock);
    while (!runner->stopping) {
        struct job *job = next_to_run(runner);
        if (job) {
            run(job);
            continue;
        }
        runner->idle++;
        pthread_cond_wait(&runner->work, &runner->lock);
        runner->idle--;
    }
    pthread_mutex_unlock(&runner->lock);
    return NULL;
}

/* A thread is made when there is work that no idle one will take. Without one (no memory, a limit)
 * the work waits for those that are there. */
static void wake_worker(struct job_runner *runner)
{
    if (runner->stopping)
        return;
    if (runner->idle == 0 && runner->threads < runner->threads_max &&
        pthread_create(&runner->workers[runner->threads], NULL, work, runner) == 0)
        runner->threads++;
    else
        pthread_cond_signal(&runner->work);
}

void job_start(struct job_runner *runner, struct job *job, bool parked)
{
    LOCKED(&runner->lock);
    job->runner = runner;
    job->parked = parked;
    HASH_ADD_STR(runner->by_id, row.id, job);
    job->prev = runner->last;
    *(runner->last ? &runner->last->next : &runner->first) = job;
    runner->last = job;
    if (job_state_ended(job->row.state))
        runner->ended++;
    if (job->row.state == LSM_JOB_STATE_QUEUED) {
        event_publish(runner->hub, LSM_EVENT_JOB_STATE, job->row.id, LSM_JOB_STATE_UNKNOWN,
                      LSM_JOB_STATE_QUEUED);
        wake_worker(runner);
    }
}

void job_unpark(struct job_runner *runner, const char *id)
{
    struct job *job;
    LOCKED(&runner->lock);
    HASH_FIND_STR(runner->by_id, id, job);
    if (!job)
        return;
    job->parked = false;
    wake_worker(runner);
}

void job_runner_stop(struct job_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    runner->stopping = true;
    for (struct job *job = runner->first; job; job = job->next) {
        int go = JOB_GO; /* a cancel or a pause that is under way stays one */
        if (job->in_body)
            atomic_compare_exchange_strong(&job->stop, &go, JOB_STOP_QUIT);
    }
    pthread_cond_broadcast(&runner->work);
    unsigned threads = runner->threads;
    pthread_mutex_unlock(&runner->lock);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(runner->workers[i], NULL);
    runner->threads = 0;
}

void job_runner_destroy(struct job_runner *runner)
{
    if (!runner)
        return;
    HASH_CLEAR(hh, runner->by_id);
    for (struct job *job = runner->first, *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
    pthread_cond_destroy(&runner->changed);
    pthread_cond_destroy(&runner->work);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
}

/* --- for bodies ------------------------------------------------------------------------------ */

enum job_stop job_stop_asked(const struct job *job)
{
    return (enum job_stop)atomic_load(&job->stop);
}

void job_checkpointed(struct job *job, uint64_t cursor, uint64_t copied, uint64_t skipped)
{
    LOCKED(&job->runner->lock);
    job->row.cursor = cursor;
    job->row.copied = copied;
    job->row.skipped = skipped;
    job->checkpoint_ns = clock_monotonic_ns();
    event_publish(job->runner->hub, LSM_EVENT_JOB_PROGRESS, job->row.id, -1, -1);
}

void job_total_set(struct job *job, uint64_t bytes)
{
    LOCKED(&job->runner->lock);
    job->row.total = bytes;
}

void job_moved_on(struct job *job, char *detail)
{
    LOCKED(&job->runner->lock);
    free(job->row.detail);
    job->row.detail = detail;
    job->row.cursor = 0;
}

struct job_row job_row_as(struct job *job, lsm_job_state state)
{
    LOCKED(&job->runner->lock);
    if (job_state_ended(state))
        job->row.finished_ms = clock_ms();
    struct job_row row = job->row;
    row.state = state;
    return row;
}

/* --- verbs ----------------------------------------------------------------------------------- */

/* A job that does not run is settled by the verb's own thread. */
static int settle_here(struct job *job, lsm_job_state state)
{
    struct job_runner *runner = job->runner;
    job->in_body = true;
    pthread_mutex_unlock(&runner->lock);
    if (state == LSM_JOB_STATE_CANCELLED)
        keep_error(job, LSM_ERR_CANCELLED);
    int code = settle(job, state);
    if (state == LSM_JOB_STATE_QUEUED && code == LSM_ERR_OK)
        wake_worker(runner);
    let_go(job);
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
    wait_until_free(job);
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
        struct job *job = find(runner, id); /* anew: it may be forgotten meanwhile */
        if (!job)
            return LSM_ERR_NOT_FOUND_JOB;
        if (job->in_body && job->row.state != LSM_JOB_STATE_RUNNING) {
            wait_until_free(job);
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
    struct job *job = find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    while (job->in_body && job->row.state != LSM_JOB_STATE_RUNNING)
        wait_until_free(job);
    int code = job_verb_fits(JOB_RESUME, &job->row);
    return code == LSM_ERR_OK ? settle_here(job, LSM_JOB_STATE_QUEUED) : code;
}

int job_rate_limit_set(struct job_runner *runner, const char *id, uint64_t bytes_per_s)
{
    LOCKED(&runner->lock);
    struct job *job = find(runner, id);
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
    struct job *job = find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    if (job->in_body || !job_state_ended(job->row.state))
        return LSM_ERR_OK; /* it goes on; only the caller's string is let go */
    job->in_body = true;
    pthread_mutex_unlock(&runner->lock);
    int code = job->body->forget(job);
    pthread_mutex_lock(&runner->lock);
    let_go(job);
    if (code == LSM_ERR_OK) {
        take_out(job);
        while (job->waiters)
            pthread_cond_wait(&runner->changed, &runner->lock);
        job_free(job);
    }
    return code;
}

void job_runner_drop_lane(struct job_runner *runner, const struct job_lane *lane)
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->first, *next; job; job = next) {
        next = job->next;
        if (job->lane != lane)
            continue;
        take_out(job);
        while (job->waiters || job->in_body)
            pthread_cond_wait(&runner->changed, &runner->lock);
        job_free(job);
    }
}

/* --- asking ---------------------------------------------------------------------------------- */

int job_get(struct job_runner *runner, const char *id, lsm_job **job)
{
    LOCKED(&runner->lock);
    struct job *found = find(runner, id);
    if (!found)
        return LSM_ERR_NOT_FOUND_JOB;
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

int job_wait(struct job_runner *runner, const char *id, uint32_t timeout_ms, lsm_job **job)
{
    struct timespec deadline = deadline_in(timeout_ms);
    bool late = timeout_ms == 0;
    LOCKED(&runner->lock);
    for (;;) {
        struct job *found = find(runner, id); /* anew: it may be forgotten meanwhile */
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
        if (timeout_ms == UINT32_MAX)
            pthread_cond_wait(&runner->changed, &runner->lock);
        else
            late = pthread_cond_timedwait(&runner->changed, &runner->lock, &deadline) == ETIMEDOUT;
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

int job_target(struct job_runner *runner, const char *id, char target[ID_SIZE])
{
    LOCKED(&runner->lock);
    struct job *job = find(runner, id);
    if (!job)
        return LSM_ERR_NOT_FOUND_JOB;
    bool done = job->row.state == LSM_JOB_STATE_DONE;
    memcpy(target, done ? job->row.target : "", done ? ID_SIZE : 1);
    return LSM_ERR_OK;
}

static bool job_of(struct job_runner *runner, const char *source, const char *target,
                   char id[ID_SIZE])
{
    LOCKED(&runner->lock);
    for (struct job *job = runner->last; job; job = job->prev) {
        if (job_state_ended(job->row.state) || (source && strcmp(job->row.source, source) != 0) ||
            (target && strcmp(job->row.target, target) != 0))
            continue;
        memcpy(id, job->row.id, ID_SIZE);
        return true;
    }
    return false;
}

bool job_of_target(struct job_runner *runner, const char *target, char id[ID_SIZE])
{
    return job_of(runner, NULL, target, id);
}

bool job_of_source(struct job_runner *runner, const char *source, char id[ID_SIZE])
{
    return job_of(runner, source, NULL, id);
}
