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

#define RETRY_S 1
#define KEPT_JOBS 1000u
#define KEPT_MS (7ull * 24 * 3600 * 1000)

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
    row->message = row->key = row->detail = row->others = NULL;
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

void job_take_out(struct job *job)
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

void job_let_go(struct job *job)
{
    job->in_body = false;
    job->let_go++;
    atomic_store(&job->stop, JOB_GO);
    pthread_cond_broadcast(&job->runner->changed);
    pthread_cond_signal(&job->runner->work); /* the lane has room again */
}

/* Until whoever has it now lets go: by the time this returns another may have it. */
void job_wait_until_free(struct job *job)
{
    unsigned before = job->let_go;
    job->waiters++;
    while (job->in_body && job->let_go == before)
        pthread_cond_wait(&job->runner->changed, &job->runner->lock);
    if (--job->waiters == 0)
        pthread_cond_broadcast(&job->runner->changed);
}

struct job *job_find(struct job_runner *runner, const char *id)
{
    struct job *job;
    HASH_FIND_STR(runner->by_id, id, job);
    if (!job) {
        error_set(LSM_ERR_NOT_FOUND_JOB, id, "there is no job «%s»", id);
        error_hint("ended jobs are forgotten after a while, and by lsm_job_free");
    }
    return job;
}

/* One that is nobody's. Who comes to wait for it meanwhile finds that it is gone. */
int job_forget_ended(struct job *job)
{
    struct job_runner *runner = job->runner;
    job->in_body = true;
    pthread_mutex_unlock(&runner->lock);
    int code = job->body->forget(job);
    pthread_mutex_lock(&runner->lock);
    job_let_go(job);
    if (code != LSM_ERR_OK)
        return code;
    job_take_out(job);
    while (job->waiters)
        pthread_cond_wait(&runner->changed, &runner->lock);
    job_free(job);
    return code;
}

/* --- ends and stops -------------------------------------------------------------------------- */

static void clear_message(struct job *job)
{
    free(job->row.message);
    job->row.message = NULL;
}

/* The disk that took neither the job's data nor its row may answer again. With the lock. */
static void rest(struct job *job)
{
    struct timespec deadline;
    int late = 0;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += RETRY_S;
    while (!late && !job->runner->stopping && job_stop_asked(job) == JOB_GO)
        late = pthread_cond_timedwait(&job->runner->changed, &job->runner->lock, &deadline);
}

/* What could not be made durable did not take place: the job is what its row says, and one that
 * ran goes on. One that was to be FAILED says meanwhile what is wrong. */
static void job_unsettle(struct job *job, lsm_job_state state)
{
    if (job_state_ended(state)) {
        if (state == LSM_JOB_STATE_CANCELLED)
            clear_message(job);
        job->row.error = LSM_ERR_OK;
        job->row.finished_ms = 0;
    }
    if (job->row.state == LSM_JOB_STATE_RUNNING)
        set_state(job, LSM_JOB_STATE_QUEUED);
}

/* Makes a stop durable, and only then shows it. Called with the job in hand, without the lock. */
int job_settle(struct job *job, lsm_job_state state)
{
    struct job_row row = job_row_as(job, state);
    int code = job->body->settle(job, &row);
    pthread_mutex_lock(&job->runner->lock);
    job->settled[state].times++;
    job->settled[state].code = code;
    if (code != LSM_ERR_OK && state != LSM_JOB_STATE_QUEUED) {
        job_unsettle(job, state);
        return code;
    }
    job->row.finished_ms = row.finished_ms;
    set_state(job, state);
    return code;
}

/* The thread's pending error becomes the job's. */
void job_keep_error(struct job *job, int code)
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
        job_keep_error(job, LSM_ERR_CANCELLED);
        code = job_settle(job, LSM_JOB_STATE_CANCELLED);
    } else if (stopped) {
        code =
            job_settle(job, stop == JOB_STOP_PAUSE ? LSM_JOB_STATE_PAUSED : LSM_JOB_STATE_QUEUED);
    } else {
        job_keep_error(job, code);
        code = job_settle(job, LSM_JOB_STATE_FAILED);
        if (code != LSM_ERR_OK && stop == JOB_STOP_PAUSE) { /* who asked for that is told */
            job->settled[LSM_JOB_STATE_PAUSED].times++;
            job->settled[LSM_JOB_STATE_PAUSED].code = code;
        } else if (code != LSM_ERR_OK) {
            rest(job);
        }
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
    while ((job = outdated(runner)) != NULL)
        if (job_forget_ended(job) != LSM_ERR_OK) {
            error_clear();
            return; /* another time */
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
    clear_message(job);
    set_state(job, LSM_JOB_STATE_RUNNING);
    pthread_mutex_unlock(&runner->lock);
    finish_run(job, job->body->run(job)); /* comes back with the lock */
    job->lane->running--;
    job_let_go(job);
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
 * the work waits for those that are there, or until somebody asks after it (verbs.c). */
void job_wake_worker(struct job_runner *runner)
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
        job_wake_worker(runner);
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
    job_wake_worker(runner);
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
    pthread_cond_broadcast(&runner->changed);
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
