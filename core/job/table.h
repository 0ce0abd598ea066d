/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files of job/: what the state table says, a job as a record, and the runner. */
#ifndef REPLICANT_JOB_TABLE_H
#define REPLICANT_JOB_TABLE_H

#include "job.h"

enum job_verb { JOB_CANCEL, JOB_PAUSE, JOB_RESUME, JOB_RATE, JOB_VERBS };

/* LSM_ERR_OK, or the code that the state table gives; the error then names job, verb and state. */
int job_verb_fits(enum job_verb verb, const struct job_row *row);
bool job_state_ended(lsm_job_state state);
bool job_matches(const struct job_row *row, const char *key, const char *value);
lsm_job *job_record(const struct job *job); /* NULL: no memory, the error is set */

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

/* With the runner's lock; worker.c says more. */
void job_take_out(struct job *job);
void job_let_go(struct job *job);
void job_wait_until_free(struct job *job);
struct job *job_find(struct job_runner *runner, const char *id);
int job_settle(struct job *job, lsm_job_state state);
void job_keep_error(struct job *job, int code);
int job_forget_ended(struct job *job);
void job_wake_worker(struct job_runner *runner);

#endif
