/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between job.c and worker.c: what the state table says, and a job as a record. */
#ifndef REPLICANT_JOB_TABLE_H
#define REPLICANT_JOB_TABLE_H

#include "job.h"

enum job_verb { JOB_CANCEL, JOB_PAUSE, JOB_RESUME, JOB_RATE, JOB_VERBS };

/* LSM_ERR_OK, or the code that the state table gives; the error then names job, verb and state. */
int job_verb_fits(enum job_verb verb, const struct job_row *row);
bool job_state_ended(lsm_job_state state);
bool job_matches(const struct job_row *row, const char *key, const char *value);
lsm_job *job_record(const struct job *job); /* NULL: no memory, the error is set */

#endif
