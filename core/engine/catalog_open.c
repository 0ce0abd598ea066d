/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening a catalog: judged before anything is written to it, made in one transaction, or read
 * without a journal where nothing can be written. And its WAL, grown ahead and put in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_private.h"
#include "vfs.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/error.h"

#define APPLICATION_ID 0x52504c43 /* "RPLC" */
#define VERSION 3
#define WAL_GROWN_BYTES (1 << 20)
#define CHECKPOINT_PAGES 512
#define STRINGIFY(x) #x
#define TEXT_OF(x) STRINGIFY(x)

static const char schema[] =
#include "schema.sql.h"
    ;

/* What makes a catalog of each older version one of the next. */
static const char *const upgrades[VERSION] = {
    [1] = "ALTER TABLE job ADD COLUMN others TEXT",
    [2] = "ALTER TABLE replication ADD COLUMN group_id TEXT",
};

static int note_wal_pages(void *argument, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    atomic_store(&((struct catalog *)argument)->wal_pages, pages);
    return SQLITE_OK;
}

static int make(struct catalog *catalog, const struct pool_row *pool)
{
    autofree char *insert = NULL;
    if (asprintf(&insert,
                 "INSERT INTO pool (id, limit_bytes, created_ms) VALUES ('%s', %lld, %lld)",
                 pool->id, (long long)pool->limit_bytes, (long long)pool->created_ms) < 0)
        return error_no_memory();
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_execute(catalog, schema);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, job_store_schema);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, insert);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA user_version = " TEXT_OF(VERSION));
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA application_id = " TEXT_OF(APPLICATION_ID));
    return catalog_end(catalog, code);
}

/* One transaction: a crash leaves the old version or the new one. */
static int upgrade(struct catalog *catalog)
{
    int64_t version;
    int code = catalog_number(catalog, "PRAGMA user_version", &version);
    if (code != LSM_ERR_OK || version == VERSION)
        return code;
    code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (; version < VERSION && code == LSM_ERR_OK; version++)
        code = catalog_execute(catalog, upgrades[version]);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA user_version = " TEXT_OF(VERSION));
    return catalog_end(catalog, code);
}

static int check(struct catalog *catalog, const struct pool_row *fresh)
{
    int64_t application, version, tables;
    int code = catalog_number(catalog, "PRAGMA application_id", &application);
    if (code == LSM_ERR_OK)
        code = catalog_number(catalog, "PRAGMA user_version", &version);
    if (code == LSM_ERR_OK)
        code = catalog_number(catalog, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != LSM_ERR_OK)
        return code;
    if (application == 0 && version == 0 && tables == 0 && fresh && !catalog->read_only)
        return make(catalog, fresh);
    if (application != APPLICATION_ID)
        return error_set(LSM_ERR_DAMAGED, catalog->path,
                         "%s is a database, but not a pool's catalog", catalog->path);
    if (version > VERSION) {
        error_set(LSM_ERR_NO_SUPPORT, catalog->path,
                  "the catalog %s has version %lld, and this library knows versions up to %d",
                  catalog->path, (long long)version, VERSION);
        error_hint("open the pool with the newer replicant that made it");
        return LSM_ERR_NO_SUPPORT;
    }
    if (version < 1)
        return error_set(LSM_ERR_DAMAGED, catalog->path, "the catalog %s has the version %lld",
                         catalog->path, (long long)version);
    if (version < VERSION && catalog->read_only) {
        error_set(LSM_ERR_READ_ONLY, catalog->path,
                  "%s lies on a read-only file system and is of the older version %lld",
                  catalog->path, (long long)version);
        error_hint("mount the file system for writing once, open the pool, and close it");
        return LSM_ERR_READ_ONLY;
    }
    return LSM_ERR_OK;
}

/* One large transaction whose pages are then dropped: the WAL keeps its blocks. A full disk is no
 * reason to refuse the pool. */
static void grow_wal(struct catalog *catalog)
{
    if (catalog_begin(catalog) != LSM_ERR_OK) {
        error_clear();
        return;
    }
    int code = catalog_execute(catalog, "CREATE TABLE IF NOT EXISTS room (bytes BLOB)");
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog,
                               "INSERT INTO room VALUES (zeroblob(" TEXT_OF(WAL_GROWN_BYTES) "))");
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "DROP TABLE room");
    if (catalog_end(catalog, code) == LSM_ERR_OK)
        catalog_checkpoint(catalog);
    error_clear();
}

static bool wal_is_empty(const char *path)
{
    struct stat st;
    autofree char *wal = NULL;
    return asprintf(&wal, "%s-wal", path) >= 0 && (vfs->stat(wal, &st) < 0 || st.st_size == 0);
}

static int open_database(struct catalog *catalog, bool create)
{
    if (vfs_sqlite_register() != SQLITE_OK)
        return error_set(LSM_ERR_LIB_BUG, catalog->path, "SQLite has no file system to stand on");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(catalog->path, &catalog->db, flags | (create ? SQLITE_OPEN_CREATE : 0),
                        "replicant") != SQLITE_OK)
        return catalog->db ? catalog_failed(catalog, "open") : error_no_memory();
    sqlite3_extended_result_codes(catalog->db, 1);
    catalog->read_only = sqlite3_db_readonly(catalog->db, "main") == 1;
    return LSM_ERR_OK;
}

/* Without its WAL a catalog misses its last commits, and a WAL cannot be read in where nothing can
 * be written. */
static int open_read_only(struct catalog *catalog)
{
    if (!wal_is_empty(catalog->path)) {
        error_set(
            LSM_ERR_READ_ONLY, catalog->path,
            "%s lies on a read-only file system and has changes that were not yet put in order",
            catalog->path);
        error_hint("mount the file system for writing once, open the pool, and close it");
        return LSM_ERR_READ_ONLY;
    }
    sqlite3_close(catalog->db);
    catalog->db = NULL;
    autofree char *uri = NULL;
    if (asprintf(&uri, "file:%s?immutable=1", catalog->path) < 0)
        return error_no_memory();
    if (sqlite3_open_v2(uri, &catalog->db,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
                        "replicant") != SQLITE_OK)
        return catalog_failed(catalog, "open");
    return LSM_ERR_OK;
}

static int set_up(struct catalog *catalog, const struct pool_row *fresh)
{
    int code = open_database(catalog, fresh != NULL);
    if (code == LSM_ERR_OK && catalog->read_only) {
        code = open_read_only(catalog);
        return code == LSM_ERR_OK ? check(catalog, NULL) : code;
    }
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA locking_mode = EXCLUSIVE;"
                                        "PRAGMA temp_store = MEMORY;"
                                        "PRAGMA foreign_keys = ON;"
                                        "PRAGMA wal_autocheckpoint = 0");
    if (code == LSM_ERR_OK &&
        !fresh) /* before anything is written: what is refused stays as it is */
        code = check(catalog, NULL);
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA journal_mode = WAL");
    if (code == LSM_ERR_OK)
        code = catalog_execute(catalog, "PRAGMA synchronous = FULL");
    if (code == LSM_ERR_OK && fresh)
        code = check(catalog, fresh);
    if (code == LSM_ERR_OK)
        code = upgrade(catalog);
    if (code == LSM_ERR_OK) {
        sqlite3_wal_hook(catalog->db, note_wal_pages, catalog);
        grow_wal(catalog);
    }
    return code;
}

int catalog_open(const char *directory, const struct pool_row *fresh, struct catalog **catalog)
{
    struct catalog *c = calloc(1, sizeof *c);
    if (!c || asprintf(&c->path, "%s/pool.db", directory) < 0) {
        free(c);
        return error_no_memory();
    }
    pthread_mutex_init(&c->lock, NULL);
    int code = set_up(c, fresh);
    if (code == LSM_ERR_OK)
        *catalog = c;
    else
        catalog_close(c);
    return code;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(catalog->statements[i]);
    sqlite3_close(catalog->db);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog->path);
    free(catalog);
}

bool catalog_read_only(const struct catalog *catalog)
{
    return catalog->read_only;
}

bool catalog_checkpoint_due(const struct catalog *catalog)
{
    return atomic_load(&catalog->wal_pages) >= CHECKPOINT_PAGES;
}

int catalog_checkpoint(struct catalog *catalog)
{
    LOCKED(&catalog->lock);
    if (sqlite3_wal_checkpoint_v2(catalog->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
        SQLITE_OK)
        return catalog_failed(catalog, "put in order");
    atomic_store(&catalog->wal_pages, 0);
    return LSM_ERR_OK;
}

/* SQLite 3.40 says «NULL value» of tables WITHOUT ROWID whose key is not their first columns. It
 * lets no such value in, so there is none to be found. */
static bool is_believed(const char *found)
{
    return strncmp(found, "NULL value in ", strlen("NULL value in ")) != 0;
}

int catalog_check(struct catalog *catalog)
{
    sqlite3_stmt *s;
    LOCKED(&catalog->lock);
    if (sqlite3_prepare_v2(catalog->db, "PRAGMA integrity_check(1000000)", -1, &s, NULL) !=
        SQLITE_OK)
        return catalog_failed(catalog, "check");
    int result, code = LSM_ERR_OK;
    while (code == LSM_ERR_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(s, 0);
        if (found && strcmp(found, "ok") != 0 && is_believed(found))
            code = error_set(LSM_ERR_DAMAGED, catalog->path, "the catalog %s is damaged: %s",
                             catalog->path, found);
    }
    if (code == LSM_ERR_OK && result != SQLITE_DONE)
        code = catalog_failed(catalog, "check");
    sqlite3_finalize(s);
    return code;
}
