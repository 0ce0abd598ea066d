/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job's row, and the table that says which verb fits which state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "table.h"
#include "../util/error.h"

#define STATES (LSM_JOB_STATE_CANCELLED + 1)

/* LSM_ERR_OK: the verb fits. 125 says that there is nothing to do, 1004 that it cannot be done. */
static const int fits[JOB_VERBS][STATES] = {
    /*                 -  QUEUED RUNNING PAUSED  DONE  FAILED CANCELLED */
    [JOB_CANCEL] = {0, 0, 0, 0, 125, 125, 125},
    [JOB_PAUSE] = {0, 0, 0, 125, 1004, 1004, 1004},
    [JOB_RESUME] = {0, 125, 125, 0, 1004, 1004, 1004},
    [JOB_RATE] = {0, 0, 0, 0, 1004, 1004, 1004},
};

static const char *const verbs[JOB_VERBS] = {"cancelled", "paused", "resumed",
                                             "given a rate limit"};
static const char *const states[STATES] = {"?",    "QUEUED", "RUNNING",  "PAUSED",
                                           "DONE", "FAILED", "CANCELLED"};

int job_verb_fits(enum job_verb verb, const struct job_row *row)
{
    int code = fits[verb][row->state];
    if (code == LSM_ERR_NO_STATE_CHANGE)
        error_set(code, row->id, "the job %s cannot be %s: it is %s already", row->id, verbs[verb],
                  states[row->state]);
    else if (code != LSM_ERR_OK)
        error_set(code, row->id, "the job %s cannot be %s: it is %s", row->id, verbs[verb],
                  states[row->state]);
    return code;
}

bool job_state_ended(lsm_job_state state)
{
    return state >= LSM_JOB_STATE_DONE;
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

int job_row_copy(struct job_row *to, const struct job_row *from)
{
    *to = *from;
    bool message = copy_text(&to->message, from->message);
    bool key = copy_text(&to->key, from->key);
    bool detail = copy_text(&to->detail, from->detail);
    if (message && key && detail)
        return LSM_ERR_OK;
    job_row_finish(to);
    return error_no_memory();
}

void job_row_finish(struct job_row *row)
{
    free(row->message);
    free(row->key);
    free(row->detail);
    row->message = row->key = row->detail = NULL;
}

/* 100 is kept for DONE. */
static uint8_t percent(const struct job_row *row)
{
    uint64_t done = row->copied + row->skipped;
    if (row->state == LSM_JOB_STATE_DONE)
        return 100;
    if (!row->total)
        return 0;
    uint64_t part = (uint64_t)((unsigned __int128)done * 100 / row->total);
    return part > 99 ? 99 : (uint8_t)part;
}

static void fill_speed(const struct job *job, lsm_job *record)
{
    const struct job_row *row = &job->row;
    uint64_t done = row->copied + row->skipped, left = row->total - done;
    record->eta_ms = UINT64_MAX;
    if (row->state != LSM_JOB_STATE_RUNNING || job->checkpoint_ns <= job->run_ns)
        return;
    uint64_t ns = job->checkpoint_ns - job->run_ns;
    record->bytes_per_second =
        (uint64_t)((unsigned __int128)(done - job->run_done) * 1000000000u / ns);
    if (record->bytes_per_second)
        record->eta_ms = (uint64_t)((unsigned __int128)left * 1000u / record->bytes_per_second);
}

lsm_job *job_record(const struct job *job)
{
    const struct job_row *row = &job->row;
    lsm_job *record = record_create(&job_type);
    if (!record)
        return NULL;
    record->kind = row->kind;
    record->state = row->state;
    record->percent = percent(row);
    record->error_number = row->error;
    record->bytes_total = row->total;
    record->bytes_copied = row->copied;
    record->bytes_skipped = row->skipped;
    record->created_ms = row->created_ms;
    record->started_ms = row->started_ms;
    record->finished_ms = row->finished_ms;
    fill_speed(job, record);
    if (record_text(&record->id, row->id) == LSM_ERR_OK &&
        record_text(&record->key, row->key) == LSM_ERR_OK &&
        record_text(&record->source_volume_id, row->source[0] ? row->source : NULL) == LSM_ERR_OK &&
        record_text(&record->target_volume_id, row->target[0] ? row->target : NULL) == LSM_ERR_OK &&
        record_text(&record->error_message, row->message) == LSM_ERR_OK)
        return record;
    record_destroy(&job_type, record);
    return NULL;
}

/* Numbers in searches are decimal, so «01» and «1 » match nothing. */
static bool is_number(const char *value, int number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    return strcmp(value, text) == 0;
}

bool job_matches(const struct job_row *row, const char *key, const char *value)
{
    if (!key)
        return true;
    if (strcmp(key, "id") == 0)
        return strcmp(value, row->id) == 0;
    if (strcmp(key, "state") == 0)
        return is_number(value, row->state);
    if (strcmp(key, "kind") == 0)
        return is_number(value, row->kind);
    if (strcmp(key, "volume_id") == 0)
        return strcmp(value, row->source) == 0 || strcmp(value, row->target) == 0;
    return strcmp(key, "key") == 0 && row->key && strcmp(value, row->key) == 0;
}
