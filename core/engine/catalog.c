/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection in WAL mode, synchronous=FULL, exclusive, so there is no -shm file and a commit is
 * one sync of the WAL. The WAL is grown once, ahead of use, so that a commit's sync has no new
 * blocks to account for; checkpoints are made when somebody has the time (catalog_checkpoint).
 *
 * Statements are prepared once and kept. A pool is made in one transaction, at whose end its
 * application id stands in the header: a database without it is one whose making was interrupted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_private.h"
#include "vfs.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"
#include "../util/utf8.h"

static const char *const texts[STATEMENTS] = {
    [LAYER_ADD] = "INSERT INTO layer (guid, state, below, below_limit, is_full)"
                  " VALUES (?, ?, nullif(?, 0), ?, ?)",
    [LAYER_ADOPT] = "UPDATE layer SET state = 1, below = ?2, below_limit = ?3, is_full = ?4"
                    " WHERE row = ?1",
    [LAYER_FREEZE] = "UPDATE layer SET state = 2, generation = ?2 WHERE row = ?1",
    [LAYER_THAW] = "UPDATE layer SET state = 1, generation = NULL, is_full = ?2 WHERE row = ?1",
    [LAYER_STAND] = "UPDATE layer SET below = nullif(?2, 0), below_limit = ?3 WHERE row = ?1",
    [LAYER_RECYCLE] = "UPDATE layer SET state = 0, below = NULL, below_limit = 0, is_full = 0"
                      " WHERE row = ?",
    [LAYER_REMOVE] = "DELETE FROM layer WHERE row = ?",
    [VOLUME_ADD] = "INSERT INTO volume (id, name, size, provision, admin_state, top, parent,"
                   " is_ready, key, request, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [VOLUME_REMOVE] = "DELETE FROM volume WHERE id = ?",
    [VOLUME_NAME] = "UPDATE volume SET name = ?2 WHERE id = ?1",
    [VOLUME_SIZE] = "UPDATE volume SET size = ?2 WHERE id = ?1",
    [VOLUME_ADMIN] = "UPDATE volume SET admin_state = ?2 WHERE id = ?1",
    [VOLUME_TOP] = "UPDATE volume SET top = ?2 WHERE id = ?1",
    [VOLUME_PARENT] = "UPDATE volume SET parent = ?2 WHERE id = ?1",
    [VOLUME_READY] = "UPDATE volume SET is_ready = 1 WHERE id = ?1",
    [TAG_SET] = "INSERT OR REPLACE INTO tag (volume, key, value) VALUES (?, ?, ?)",
    [TAG_REMOVE] = "DELETE FROM tag WHERE volume = ? AND key = ?",
    [HOLD_ADD] = "INSERT INTO hold (owner, pool, layer) VALUES (?, ?, ?)",
    [HOLD_REMOVE] = "DELETE FROM hold WHERE owner = ?",
    [REPLICATION_PUT] =
        "INSERT OR REPLACE INTO replication (id, side, peer, source, target, type, state, epoch,"
        " generation, interval_ms, rate_limit, on_error, synced_ms, synced_bytes,"
        " synced_duration_ms, error, message, diverged, group_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [REPLICATION_REMOVE] = "DELETE FROM replication WHERE id = ? AND side = ?",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

/* --- errors ---------------------------------------------------------------------------------- */

int catalog_failed(struct catalog *catalog, const char *verb)
{
    int code = sqlite3_errcode(catalog->db), sys_errno = sqlite3_system_errno(catalog->db);
    const char *why = sqlite3_errmsg(catalog->db), *path = catalog->path;
    switch (code & 0xff) {
    case SQLITE_NOMEM: return error_no_memory();
    case SQLITE_FULL:
        error_set(LSM_ERR_NOT_ENOUGH_SPACE, path, "no space to %s the catalog %s", verb, path);
        error_hint("free some space on the pool's file system");
        break;
    case SQLITE_ERROR:      /* a table or a column that must be there is not */
    case SQLITE_CONSTRAINT: /* its rows do not fit together */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        error_set(LSM_ERR_DAMAGED, path, "the catalog %s is damaged: %s", path, why);
        error_hint("bring pool.db back from a backup; the layers' files were left as they are");
        break;
    case SQLITE_BUSY:
        error_set(LSM_ERR_BUSY, path, "the catalog %s is locked by another program", path);
        error_hint("close the database tool that has it open");
        error_retryable();
        break;
    case SQLITE_READONLY:
        error_set(LSM_ERR_READ_ONLY, path, "the catalog %s cannot be written", path);
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        error_set_errno(LSM_ERR_IO, sys_errno ? sys_errno : EIO, path, "cannot %s the catalog %s",
                        verb, path);
        break;
    default: error_set(LSM_ERR_LIB_BUG, path, "cannot %s the catalog %s: %s", verb, path, why);
    }
    return error_pending();
}

/* --- statements ------------------------------------------------------------------------------ */

static int prepared(struct catalog *catalog, enum statement which, sqlite3_stmt **statement)
{
    sqlite3_stmt **kept = &catalog->statements[which];
    if (!*kept && sqlite3_prepare_v3(catalog->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, kept,
                                     NULL) != SQLITE_OK)
        return catalog_failed(catalog, "read");
    *statement = *kept;
    return LSM_ERR_OK;
}

/* Runs a statement; `types` has a letter for each value: i an int64_t, t a text or NULL. */
static int catalog_run(struct catalog *catalog, enum statement which, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    int code = prepared(catalog, which, &statement);
    if (code != LSM_ERR_OK)
        return code;
    va_list values;
    va_start(values, types);
    for (int i = 0; types[i]; i++) {
        if (types[i] == 'i')
            sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        else
            sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1, SQLITE_STATIC);
    }
    va_end(values);
    if (sqlite3_step(statement) != SQLITE_DONE)
        code = catalog_failed(catalog, "write");
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

int catalog_execute(struct catalog *catalog, const char *sql)
{
    return sqlite3_exec(catalog->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? LSM_ERR_OK
               : catalog_failed(catalog, "open");
}

/* Every row of a query to a callback that reads it. */
static int each(struct catalog *catalog, const char *sql, int (*read_row)(sqlite3_stmt *, void *),
                void *argument)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return catalog_failed(catalog, "read");
    int code = LSM_ERR_OK, step;
    while (code == LSM_ERR_OK && (step = sqlite3_step(statement)) == SQLITE_ROW)
        code = read_row(statement, argument);
    if (code == LSM_ERR_OK && step != SQLITE_DONE)
        code = catalog_failed(catalog, "read");
    sqlite3_finalize(statement);
    return code;
}

static int read_number(sqlite3_stmt *row, void *number)
{
    *(int64_t *)number = sqlite3_column_int64(row, 0);
    return LSM_ERR_OK;
}

int catalog_number(struct catalog *catalog, const char *sql, int64_t *value)
{
    *value = 0;
    return each(catalog, sql, read_number, value);
}

/* --- transactions ---------------------------------------------------------------------------- */

/* A commit that failed may have left all of its frames in the WAL, and who opens the catalog after
 * a crash would take it for done. A transaction that changes nothing is written over them: only
 * then has it surely not happened, and its files may go. */
static int make_certain(struct catalog *catalog)
{
    int64_t version;
    char sql[64];
    int code = catalog_number(catalog, "PRAGMA user_version", &version);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, sql);
    catalog->in_doubt = code != LSM_ERR_OK;
    return code;
}

int catalog_begin(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    int code = catalog->in_doubt ? make_certain(catalog) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = catalog_run(catalog, BEGIN, "");
    if (code != LSM_ERR_OK)
        pthread_mutex_unlock(&catalog->lock);
    return code;
}

void catalog_rollback(struct catalog *catalog)
{
    struct _lsm_error *why = error_take(); /* of what made us roll back */
    if (!sqlite3_get_autocommit(catalog->db))
        catalog_run(catalog, ROLLBACK, "");
    error_restore(why);
    pthread_mutex_unlock(&catalog->lock);
}

int catalog_commit(struct catalog *catalog)
{
    int code = catalog_run(catalog, COMMIT, "");
    if (code == LSM_ERR_OK) {
        pthread_mutex_unlock(&catalog->lock);
        return code;
    }
    struct _lsm_error *why = error_take();
    if (!sqlite3_get_autocommit(catalog->db))
        catalog_run(catalog, ROLLBACK, "");
    make_certain(catalog);
    error_restore(why);
    pthread_mutex_unlock(&catalog->lock);
    return code;
}

bool catalog_in_doubt(const struct catalog *catalog)
{
    return atomic_load(&catalog->in_doubt);
}

int catalog_end(struct catalog *catalog, int code)
{
    if (code == LSM_ERR_OK)
        return catalog_commit(catalog);
    catalog_rollback(catalog);
    return code;
}

sqlite3 *catalog_database(struct catalog *catalog)
{
    return catalog->db;
}

/* --- loading --------------------------------------------------------------------------------- */

/* What each read_* gets: the caller's callback and argument. */
struct sink {
    int (*layer)(void *, const struct layer_row *);
    int (*volume)(void *, const struct volume_row *);
    int (*tag)(void *, const char *, const char *, const char *);
    int (*hold)(void *, const struct hold_row *);
    int (*replication)(void *, const struct replication_row *);
    void *argument;
    struct catalog *catalog;
};

static const char *text(sqlite3_stmt *row, int column)
{
    return (const char *)sqlite3_column_text(row, column);
}

static int bad_row(const struct sink *sink, const char *table)
{
    return error_set(LSM_ERR_DAMAGED, sink->catalog->path,
                     "the catalog %s has a row in its table «%s» that makes no sense",
                     sink->catalog->path, table);
}

/* An id from a row; false when it is none. */
static bool id_copy(char id[ID_SIZE], const char *from)
{
    if (!from || strlen(from) != ID_SIZE - 1 || strspn(from, "0123456789abcdef") != ID_SIZE - 1)
        return false;
    memcpy(id, from, ID_SIZE);
    return true;
}

static int read_layer(sqlite3_stmt *row, void *argument)
{
    struct sink *sink = argument;
    struct layer_row layer = {
        .row = sqlite3_column_int64(row, 0),
        .state = (enum layer_state)sqlite3_column_int(row, 2),
        .below = sqlite3_column_int64(row, 3),
        .below_limit = (uint64_t)sqlite3_column_int64(row, 4),
        .full = sqlite3_column_int(row, 5),
        .generation = text(row, 6),
    };
    if (!id_copy(layer.guid, text(row, 1)) || layer.state > LAYER_FROZEN ||
        layer.below_limit > INT64_MAX)
        return bad_row(sink, "layer");
    return sink->layer(sink->argument, &layer);
}

int catalog_layers(struct catalog *catalog, int (*row)(void *, const struct layer_row *),
                   void *argument)
{
    struct sink sink = {.layer = row, .argument = argument, .catalog = catalog};
    return each(catalog,
                "SELECT row, guid, state, below, below_limit, is_full, generation FROM layer"
                " ORDER BY row",
                read_layer, &sink);
}

static int read_volume(sqlite3_stmt *row, void *argument)
{
    struct sink *sink = argument;
    struct volume_row volume = {
        .name = text(row, 1),
        .size = (uint64_t)sqlite3_column_int64(row, 2),
        .provision = sqlite3_column_int(row, 3),
        .admin_state = sqlite3_column_int(row, 4),
        .top = sqlite3_column_int64(row, 5),
        .parent = text(row, 6),
        .ready = sqlite3_column_int(row, 7),
        .key = text(row, 8),
        .request = text(row, 9),
        .created_ms = (uint64_t)sqlite3_column_int64(row, 10),
    };
    if (!id_copy(volume.id, text(row, 0)) || !volume.name || !volume.name[0] ||
        utf8_check(volume.name, UTF8_NAME_MAX, NULL) != UTF8_FINE || volume.size == 0 ||
        volume.size > INT64_MAX || volume.size % 4096 || (volume.parent && !guid_is(volume.parent)))
        return bad_row(sink, "volume");
    return sink->volume(sink->argument, &volume);
}

int catalog_volumes(struct catalog *catalog, int (*row)(void *, const struct volume_row *),
                    void *argument)
{
    struct sink sink = {.volume = row, .argument = argument, .catalog = catalog};
    return each(catalog,
                "SELECT id, name, size, provision, admin_state, top, parent, is_ready, key,"
                " request, created_ms FROM volume ORDER BY created_ms, id",
                read_volume, &sink);
}

static int read_tag(sqlite3_stmt *row, void *argument)
{
    struct sink *sink = argument;
    const char *volume = text(row, 0), *key = text(row, 1), *value = text(row, 2);
    return volume && key && value ? sink->tag(sink->argument, volume, key, value)
                                  : bad_row(sink, "tag");
}

int catalog_tags(struct catalog *catalog,
                 int (*row)(void *, const char *, const char *, const char *), void *argument)
{
    struct sink sink = {.tag = row, .argument = argument, .catalog = catalog};
    return each(catalog, "SELECT volume, key, value FROM tag", read_tag, &sink);
}

static int read_hold(sqlite3_stmt *row, void *argument)
{
    struct sink *sink = argument;
    struct hold_row hold = {.layer = sqlite3_column_int64(row, 2)};
    if (!id_copy(hold.owner, text(row, 0)) || !id_copy(hold.pool, text(row, 1)))
        return bad_row(sink, "hold");
    return sink->hold(sink->argument, &hold);
}

int catalog_holds(struct catalog *catalog, int (*row)(void *, const struct hold_row *),
                  void *argument)
{
    struct sink sink = {.hold = row, .argument = argument, .catalog = catalog};
    return each(catalog, "SELECT owner, pool, layer FROM hold", read_hold, &sink);
}

static int read_replication(sqlite3_stmt *row, void *argument)
{
    struct sink *sink = argument;
    struct replication_row r = {
        .side = (enum replication_side)sqlite3_column_int(row, 1),
        .type = sqlite3_column_int(row, 5),
        .state = sqlite3_column_int(row, 6),
        .epoch = (uint64_t)sqlite3_column_int64(row, 7),
        .interval_ms = (uint32_t)sqlite3_column_int64(row, 9),
        .rate_limit = (uint64_t)sqlite3_column_int64(row, 10),
        .on_error = sqlite3_column_int(row, 11),
        .synced_ms = (uint64_t)sqlite3_column_int64(row, 12),
        .synced_bytes = (uint64_t)sqlite3_column_int64(row, 13),
        .synced_duration_ms = (uint64_t)sqlite3_column_int64(row, 14),
        .error = sqlite3_column_int(row, 15),
        .message = text(row, 16),
        .diverged = text(row, 17),
        .group = text(row, 18),
    };
    if (!id_copy(r.id, text(row, 0)) || !id_copy(r.peer, text(row, 2)) ||
        !id_copy(r.source, text(row, 3)) || !id_copy(r.target, text(row, 4)) ||
        r.side > SIDE_TARGET || r.state < 1 || r.state > 7 || (r.group && !guid_is(r.group)))
        return bad_row(sink, "replication");
    if (text(row, 8)[0] && !id_copy(r.generation, text(row, 8)))
        return bad_row(sink, "replication");
    return sink->replication(sink->argument, &r);
}

int catalog_replications(struct catalog *catalog,
                         int (*row)(void *, const struct replication_row *), void *argument)
{
    struct sink sink = {.replication = row, .argument = argument, .catalog = catalog};
    return each(catalog,
                "SELECT id, side, peer, source, target, type, state, epoch, generation,"
                " interval_ms, rate_limit, on_error, synced_ms, synced_bytes, synced_duration_ms,"
                " error, message, diverged, group_id FROM replication",
                read_replication, &sink);
}

static int read_pool(sqlite3_stmt *row, void *argument)
{
    struct pool_row *pool = argument;
    pool->limit_bytes = (uint64_t)sqlite3_column_int64(row, 1);
    pool->created_ms = (uint64_t)sqlite3_column_int64(row, 2);
    id_copy(pool->id, text(row, 0));
    return LSM_ERR_OK;
}

int catalog_pool_get(struct catalog *catalog, struct pool_row *row)
{
    *row = (struct pool_row){0};
    int code = each(catalog, "SELECT id, limit_bytes, created_ms FROM pool", read_pool, row);
    if (code == LSM_ERR_OK && !row->id[0])
        code = error_set(LSM_ERR_DAMAGED, catalog->path,
                         "the catalog %s does not say which pool"
                         " it is of",
                         catalog->path);
    return code;
}

/* --- writing --------------------------------------------------------------------------------- */

int catalog_layer_add(struct catalog *catalog, struct layer_row *row)
{
    int code = catalog_run(catalog, LAYER_ADD, "tiiii", row->guid, (int64_t)row->state, row->below,
                           (int64_t)row->below_limit, (int64_t)row->full);
    if (code == LSM_ERR_OK)
        row->row = sqlite3_last_insert_rowid(catalog->db);
    return code;
}

int catalog_layer_adopt(struct catalog *catalog, int64_t row, int64_t below, uint64_t below_limit,
                        bool full)
{
    return catalog_run(catalog, LAYER_ADOPT, "iiii", row, below, (int64_t)below_limit,
                       (int64_t)full);
}

int catalog_layer_freeze(struct catalog *catalog, int64_t row, const char *generation)
{
    return catalog_run(catalog, LAYER_FREEZE, "it", row, generation);
}

int catalog_layer_thaw(struct catalog *catalog, int64_t row, bool full)
{
    return catalog_run(catalog, LAYER_THAW, "ii", row, (int64_t)full);
}

int catalog_layer_stand(struct catalog *catalog, int64_t row, int64_t below, uint64_t below_limit)
{
    return catalog_run(catalog, LAYER_STAND, "iii", row, below, (int64_t)below_limit);
}

int catalog_layer_recycle(struct catalog *catalog, int64_t row)
{
    return catalog_run(catalog, LAYER_RECYCLE, "i", row);
}

int catalog_layer_remove(struct catalog *catalog, int64_t row)
{
    return catalog_run(catalog, LAYER_REMOVE, "i", row);
}

int catalog_volume_add(struct catalog *catalog, const struct volume_row *row)
{
    return catalog_run(catalog, VOLUME_ADD, "ttiiiititti", row->id, row->name, (int64_t)row->size,
                       (int64_t)row->provision, (int64_t)row->admin_state, row->top, row->parent,
                       (int64_t)row->ready, row->key, row->request, (int64_t)row->created_ms);
}

int catalog_volume_remove(struct catalog *catalog, const char *id)
{
    return catalog_run(catalog, VOLUME_REMOVE, "t", id);
}

int catalog_volume_name_set(struct catalog *catalog, const char *id, const char *name)
{
    return catalog_run(catalog, VOLUME_NAME, "tt", id, name);
}

int catalog_volume_size_set(struct catalog *catalog, const char *id, uint64_t size)
{
    return catalog_run(catalog, VOLUME_SIZE, "ti", id, (int64_t)size);
}

int catalog_volume_admin_state_set(struct catalog *catalog, const char *id, int state)
{
    return catalog_run(catalog, VOLUME_ADMIN, "ti", id, (int64_t)state);
}

int catalog_volume_top_set(struct catalog *catalog, const char *id, int64_t top)
{
    return catalog_run(catalog, VOLUME_TOP, "ti", id, top);
}

int catalog_volume_parent_set(struct catalog *catalog, const char *id, const char *parent)
{
    return catalog_run(catalog, VOLUME_PARENT, "tt", id, parent);
}

int catalog_volume_ready_set(struct catalog *catalog, const char *id)
{
    return catalog_run(catalog, VOLUME_READY, "t", id);
}

int catalog_tag_set(struct catalog *catalog, const char *volume, const char *key, const char *value)
{
    return value ? catalog_run(catalog, TAG_SET, "ttt", volume, key, value)
                 : catalog_run(catalog, TAG_REMOVE, "tt", volume, key);
}

int catalog_hold_add(struct catalog *catalog, const char *owner, const char *pool, int64_t layer)
{
    return catalog_run(catalog, HOLD_ADD, "tti", owner, pool, layer);
}

int catalog_hold_remove(struct catalog *catalog, const char *owner)
{
    return catalog_run(catalog, HOLD_REMOVE, "t", owner);
}

int catalog_replication_put(struct catalog *catalog, const struct replication_row *row)
{
    return catalog_run(catalog, REPLICATION_PUT, "titttiiitiiiiiiittt", row->id, (int64_t)row->side,
                       row->peer, row->source, row->target, (int64_t)row->type, (int64_t)row->state,
                       (int64_t)row->epoch, row->generation, (int64_t)row->interval_ms,
                       (int64_t)row->rate_limit, (int64_t)row->on_error, (int64_t)row->synced_ms,
                       (int64_t)row->synced_bytes, (int64_t)row->synced_duration_ms,
                       (int64_t)row->error, row->message, row->diverged, row->group);
}

int catalog_replication_remove(struct catalog *catalog, const char *id, enum replication_side side)
{
    return catalog_run(catalog, REPLICATION_REMOVE, "ti", id, (int64_t)side);
}
