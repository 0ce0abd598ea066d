/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of jobs. Its statements are prepared for each use: a checkpoint comes once a second. */
#include <stdio.h>
#include <string.h>

#include "store.h"
#include "../util/error.h"
#include "../util/guid.h"

const char job_store_schema[] =
    "CREATE TABLE job ("
    " id TEXT PRIMARY KEY, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    " source TEXT NOT NULL, target TEXT NOT NULL,"
    " total INTEGER NOT NULL, copied INTEGER NOT NULL, skipped INTEGER NOT NULL,"
    " cursor INTEGER NOT NULL, rate_limit INTEGER NOT NULL, verify INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    " error INTEGER NOT NULL, message TEXT, key TEXT, detail TEXT, others TEXT) WITHOUT ROWID";

static int failed(sqlite3 *db)
{
    const char *path = sqlite3_db_filename(db, "main");
    if (sqlite3_errcode(db) == SQLITE_NOMEM)
        return error_no_memory();
    if ((sqlite3_errcode(db) & 0xff) == SQLITE_FULL)
        return error_set(LSM_ERR_NOT_ENOUGH_SPACE, path, "no space for a job's row in %s", path);
    return error_set_errno(LSM_ERR_IO, sqlite3_system_errno(db), path,
                           "cannot keep a job's row in %s: %s", path, sqlite3_errmsg(db));
}

static int step(sqlite3 *db, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement) == SQLITE_DONE ? LSM_ERR_OK : failed(db);
    sqlite3_finalize(statement);
    return code;
}

int job_store_put(sqlite3 *db, const struct job_row *row)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db,
                           "INSERT OR REPLACE INTO job (id, kind, state, source, target, total,"
                           " copied, skipped, cursor, rate_limit, verify, created_ms, started_ms,"
                           " finished_ms, error, message, key, detail, others)"
                           " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                           -1, &s, NULL) != SQLITE_OK)
        return failed(db);
    const char *texts[] = {row->id,  row->source, row->target, row->message,
                           row->key, row->detail, row->others};
    const int text_at[] = {1, 4, 5, 16, 17, 18, 19};
    for (int i = 0; i < 7; i++)
        sqlite3_bind_text(s, text_at[i], texts[i], -1, SQLITE_STATIC);
    const uint64_t numbers[] = {
        row->total,  row->copied,     row->skipped,    row->cursor,      row->rate_limit,
        row->verify, row->created_ms, row->started_ms, row->finished_ms, (uint64_t)row->error};
    sqlite3_bind_int(s, 2, row->kind);
    sqlite3_bind_int(s, 3, row->state);
    for (int i = 0; i < 10; i++)
        sqlite3_bind_int64(s, 6 + i, (sqlite3_int64)numbers[i]);
    return step(db, s);
}

int job_store_remove(sqlite3 *db, const char *id)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, "DELETE FROM job WHERE id = ?", -1, &s, NULL) != SQLITE_OK)
        return failed(db);
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    return step(db, s);
}

static bool read_id(char id[ID_SIZE], sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);
    if (!text || (*text && !guid_is(text)))
        return false;
    strcpy(id, text);
    return true;
}

/* Pairs of ids, with a space between two. */
static bool are_members(const char *others)
{
    size_t length = strlen(others) + 1;
    if (length % (2 * ID_SIZE) != 0)
        return false;
    for (size_t at = 0; at < length; at += ID_SIZE) {
        char id[ID_SIZE];
        snprintf(id, sizeof id, "%s", others + at);
        if (!guid_is(id) || (others[at + ID_SIZE - 1] != ' ' && at + ID_SIZE != length))
            return false;
    }
    return true;
}

static bool makes_sense(const struct job_row *row)
{
    return (!row->others || are_members(row->others)) && row->id[0] &&
           row->kind >= LSM_JOB_KIND_COPY && row->kind <= LSM_JOB_KIND_CHECK &&
           row->state >= LSM_JOB_STATE_QUEUED && row->state <= LSM_JOB_STATE_CANCELLED &&
           row->total <= INT64_MAX && row->copied <= INT64_MAX && row->skipped <= INT64_MAX &&
           row->cursor <= INT64_MAX;
}

static bool read_texts(struct job_row *row, sqlite3_stmt *s)
{
    char **texts[] = {&row->message, &row->key, &row->detail, &row->others};
    for (int i = 0; i < 4; i++) {
        const char *text = (const char *)sqlite3_column_text(s, 15 + i);
        if (text && !(*texts[i] = strdup(text)))
            return false;
    }
    return true;
}

static int read_row(sqlite3 *db, sqlite3_stmt *s, struct job_row *row)
{
    uint64_t *numbers[] = {&row->total,      &row->copied,     &row->skipped,
                           &row->cursor,     &row->rate_limit, NULL,
                           &row->created_ms, &row->started_ms, &row->finished_ms};
    row->kind = (lsm_job_kind)sqlite3_column_int(s, 1);
    row->state = (lsm_job_state)sqlite3_column_int(s, 2);
    for (int i = 0; i < 9; i++)
        if (numbers[i])
            *numbers[i] = (uint64_t)sqlite3_column_int64(s, 5 + i);
    row->verify = sqlite3_column_int(s, 10);
    row->error = (lsm_error_number)sqlite3_column_int(s, 14);
    if (!read_texts(row, s))
        return error_no_memory();
    if (!read_id(row->id, s, 0) || !read_id(row->source, s, 3) || !read_id(row->target, s, 4) ||
        !makes_sense(row)) {
        const char *path = sqlite3_db_filename(db, "main");
        return error_set(LSM_ERR_DAMAGED, path,
                         "the catalog %s has a row in its table «job» that makes no sense", path);
    }
    return LSM_ERR_OK;
}

int job_store_each(sqlite3 *db, int (*found)(void *argument, struct job_row *row), void *argument)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db,
                           "SELECT id, kind, state, source, target, total, copied, skipped,"
                           " cursor, rate_limit, verify, created_ms, started_ms, finished_ms,"
                           " error, message, key, detail, others FROM job"
                           " ORDER BY created_ms, id",
                           -1, &s, NULL) != SQLITE_OK)
        return failed(db);
    int code = LSM_ERR_OK, result;
    while (code == LSM_ERR_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        struct job_row row = {0};
        code = read_row(db, s, &row);
        if (code == LSM_ERR_OK)
            code = found(argument, &row);
        job_row_finish(&row);
    }
    if (code == LSM_ERR_OK && result != SQLITE_DONE)
        code = failed(db);
    sqlite3_finalize(s);
    return code;
}
