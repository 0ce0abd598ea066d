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

/* Both ids of a member take the same room in `others`, each with what separates it from the next.
 */
#define MEMBER_LENGTH (2 * ID_SIZE)

bool job_row_member(const struct job_row *row, uint32_t i, struct job_ends *ends)
{
    memcpy(ends->source, row->source, ID_SIZE);
    memcpy(ends->target, row->target, ID_SIZE);
    if (i == 0)
        return true;
    size_t length = row->others ? strlen(row->others) + 1 : 0, at = (i - 1) * (size_t)MEMBER_LENGTH;
    if (at + MEMBER_LENGTH > length)
        return false;
    snprintf(ends->source, ID_SIZE, "%s", row->others + at);
    snprintf(ends->target, ID_SIZE, "%s", row->others + at + ID_SIZE);
    return true;
}

/* Ids are random, so those that follow one are as good as its own. */
bool job_row_part(const struct job_row *row, uint32_t i, char id[ID_SIZE])
{
    enum { TAIL = ID_SIZE - 1 - 8 };
    struct job_ends ends;
    memcpy(id, row->id, ID_SIZE);
    snprintf(id + TAIL, ID_SIZE - TAIL, "%08x", (uint32_t)strtoul(row->id + TAIL, NULL, 16) + i);
    return job_row_member(row, i, &ends);
}

int job_row_members_set(struct job_row *row, const struct job_ends *members, uint32_t count)
{
    memcpy(row->source, members[0].source, ID_SIZE);
    memcpy(row->target, members[0].target, ID_SIZE);
    if (count == 1)
        return LSM_ERR_OK;
    size_t room = (count - 1) * (size_t)MEMBER_LENGTH + 1, at = 0;
    row->others = malloc(room);
    if (!row->others)
        return error_no_memory();
    for (uint32_t i = 1; i < count; i++)
        at += (size_t)snprintf(row->others + at, room - at, i > 1 ? " %s %s" : "%s %s",
                               members[i].source, members[i].target);
    return LSM_ERR_OK;
}

static bool is_end(const struct job_row *row, const char *volume)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++)
        if (strcmp(volume, ends.source) == 0 || strcmp(volume, ends.target) == 0)
            return true;
    return false;
}

int job_row_copy(struct job_row *to, const struct job_row *from)
{
    *to = *from;
    bool message = copy_text(&to->message, from->message);
    bool key = copy_text(&to->key, from->key);
    bool detail = copy_text(&to->detail, from->detail);
    bool others = copy_text(&to->others, from->others);
    if (message && key && detail && others)
        return LSM_ERR_OK;
    job_row_finish(to);
    return error_no_memory();
}

void job_row_finish(struct job_row *row)
{
    free(row->message);
    free(row->key);
    free(row->detail);
    free(row->others);
    row->message = row->key = row->detail = row->others = NULL;
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
        return is_end(row, value);
    return strcmp(key, "key") == 0 && row->key && strcmp(value, row->key) == 0;
}
