/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what one is, which verb fits which state, and the workers that run them. Nothing here knows
 * what a job does; its owner gives a body of three functions.
 *
 * A job never holds a connection. It has a row (what is kept), its owner's context, and a control
 * part that its body reads while it runs: whether to stop, and how fast to go. So closing,
 * crashing, pausing and cancelling are one case for the body: it stops at a checkpoint.
 */
#ifndef REPLICANT_JOB_JOB_H
#define REPLICANT_JOB_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../record.h"
#include "event.h"
#include "../util/table.h"

struct job;
struct job_runner;

/* What is kept of a job, in memory and in a catalog (store.h). Texts are owned by the row. */
struct job_row {
    char id[ID_SIZE], source[ID_SIZE], target[ID_SIZE];
    lsm_job_kind kind;
    lsm_job_state state;
    uint64_t total, copied, skipped; /* bytes */
    uint64_t cursor;                 /* where to go on */
    uint64_t rate_limit;             /* bytes a second; 0: none */
    bool verify;
    uint64_t created_ms, started_ms, finished_ms;
    lsm_error_number error;
    char *message; /* why it failed, or what it waits for; NULL: none */
    char *key;     /* idempotency key; NULL: none */
    char *detail;  /* the owner's own; NULL: none */
    char *others;  /* of a group: source and target of each member behind the first, ids with a
                      space between; NULL: it has none */
};

struct job_ends {
    char source[ID_SIZE], target[ID_SIZE];
};
/* Of the `i`th member, of which the first are the row's own; false: there are not so many. */
bool job_row_member(const struct job_row *row, uint32_t i, struct job_ends *ends);
/* The id of the job's part in its `i`th member, by which that can hold what it needs: for the first
 * the job's own. False: there are not so many. */
bool job_row_part(const struct job_row *row, uint32_t i, char id[ID_SIZE]);
/* Sets `others` from all members, the first among them. */
int job_row_members_set(struct job_row *row, const struct job_ends *members, uint32_t count);

int job_row_copy(struct job_row *to, const struct job_row *from);
void job_row_finish(struct job_row *row);

enum job_stop { JOB_GO, JOB_STOP_PAUSE, JOB_STOP_CANCEL, JOB_STOP_QUIT };

struct job_body {
    /* On a worker. LSM_ERR_OK: it is done, and that is durable (job_row_as gave the row). Otherwise
     * the error is set; LSM_ERR_CANCELLED after job_stop_asked() said so. */
    int (*run)(struct job *job);
    /* Makes a stop durable. PAUSED and QUEUED: the row as it is now. CANCELLED, FAILED: that, and
     * everything that the job had made is gone. Nobody runs the job meanwhile. */
    int (*settle)(struct job *job, const struct job_row *row);
    int (*forget)(struct job *job); /* removes its row */
    void (*release)(void *context); /* the job is leaving memory */
};

/* What limits how many jobs run at once beside the processors: a pool. */
struct job_lane {
    unsigned running;
};
#define JOB_LANE_WIDTH 4

struct job {
    struct job_row row; /* guarded by the runner's lock */
    const struct job_body *body;
    void *context;
    struct job_lane *lane;
    struct job_runner *runner;
    bool parked;      /* QUEUED, and cannot run now: row.message says for what it waits */
    bool in_body;     /* a worker, or a verb, has it in its hands */
    unsigned waiters; /* verbs that wait for it: it is not freed under them */
    unsigned let_go;  /* how often it was */
    struct {
        unsigned times; /* that a stop into this state was to be made durable, */
        int code;       /* and how that went last */
    } settled[LSM_JOB_STATE_CANCELLED + 1];
    struct _lsm_error *settle_error; /* why it went wrong, for the verb that waits; or NULL */
    atomic_int stop;                 /* enum job_stop */
    _Atomic uint64_t rate_limit;     /* row.rate_limit, where the body reads it */
    uint64_t run_ns, run_done;       /* when this run began, and what was done then */
    uint64_t checkpoint_ns;
    struct job *prev, *next; /* in order of creation */
    UT_hash_handle hh;
};

struct job_runner *job_runner_create(struct event_hub *hub); /* NULL: the error is set */
/* Stops running jobs at a checkpoint and waits for them; they stay QUEUED. */
void job_runner_stop(struct job_runner *runner);
void job_runner_destroy(struct job_runner *runner); /* stopped, or NULL */

/* Takes in a job, new or from a row: QUEUED ones run as soon as a worker is free. The row is moved
 * from. On failure (LSM_ERR_NO_MEMORY) the caller keeps the row and the context. */
struct job *job_alloc(struct job_row *row, const struct job_body *body, void *context,
                      struct job_lane *lane);
void job_free(struct job *job); /* one that was not started */
void job_start(struct job_runner *runner, struct job *job, bool parked);
void job_unpark(struct job_runner *runner, const char *id); /* it may run now */

/* For bodies. */
enum job_stop job_stop_asked(const struct job *job);
void job_checkpointed(struct job *job, uint64_t cursor, uint64_t copied, uint64_t skipped);
void job_total_set(struct job *job, uint64_t bytes); /* known when it begins to run */
/* A part is done: its detail is now `detail` (taken over), and the cursor is at the start. */
void job_moved_on(struct job *job, char *detail);
/* The row as it is, or will be when the job is `state`; texts are borrowed from the job. */
struct job_row job_row_as(struct job *job, lsm_job_state state);

/* The verbs, by the state table in job.c. Each names the job in its error. */
int job_cancel(struct job_runner *runner, const char *id);
int job_pause(struct job_runner *runner, const char *id);
int job_resume(struct job_runner *runner, const char *id);
int job_rate_limit_set(struct job_runner *runner, const char *id, uint64_t bytes_per_s);
/* Its row, too. LSM_ERR_NO_STATE_CHANGE, and no error: it has not ended, or its end is not shown
 * yet, and it stays. */
int job_forget(struct job_runner *runner, const char *id);

int job_get(struct job_runner *runner, const char *id, lsm_job **job);
int job_wait(struct job_runner *runner, const char *id, uint32_t timeout_ms, lsm_job **job);
int job_list(struct job_runner *runner, const char *key, const char *value,
             struct record_list *jobs);
/* The target that the `i`th member of a job which is DONE has made: "" else, and behind the last;
 * ranges go into one that was there. */
int job_target(struct job_runner *runner, const char *id, uint32_t i, char target[ID_SIZE]);
/* The job that is not ended and makes `target`, or reads `source`; false: none. */
bool job_of_target(struct job_runner *runner, const char *target, char id[ID_SIZE]);
bool job_of_source(struct job_runner *runner, const char *source, char id[ID_SIZE]);
/* One of that kind in a lane that is not ended. */
bool job_of_kind(struct job_runner *runner, const struct job_lane *lane, lsm_job_kind kind,
                 char id[ID_SIZE]);
bool job_of_part(struct job_runner *runner, const char *part); /* whether there is one */

/* Forgets, in memory alone, the ended jobs of a lane that goes away. */
void job_runner_drop_lane(struct job_runner *runner, const struct job_lane *lane);

#endif
