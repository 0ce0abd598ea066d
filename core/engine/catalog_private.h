/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between catalog.c and catalog_open.c. */
#ifndef REPLICANT_ENGINE_CATALOG_PRIVATE_H
#define REPLICANT_ENGINE_CATALOG_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog.h"

enum statement {
    LAYER_ADD,
    LAYER_ADOPT,
    LAYER_FREEZE,
    LAYER_THAW,
    LAYER_STAND,
    LAYER_RECYCLE,
    LAYER_REMOVE,
    VOLUME_ADD,
    VOLUME_REMOVE,
    VOLUME_NAME,
    VOLUME_SIZE,
    VOLUME_ADMIN,
    VOLUME_TOP,
    VOLUME_PARENT,
    VOLUME_READY,
    TAG_SET,
    TAG_REMOVE,
    HOLD_ADD,
    HOLD_REMOVE,
    REPLICATION_PUT,
    REPLICATION_REMOVE,
    BEGIN,
    COMMIT,
    ROLLBACK,
    STATEMENTS
};

struct catalog {
    sqlite3 *db;
    char *path;
    pthread_mutex_t lock; /* held from begin to the transaction's end */
    sqlite3_stmt *statements[STATEMENTS];
    atomic_int wal_pages;
    bool read_only;
    atomic_bool in_doubt; /* a commit failed whose frames may still be read as one after a crash */
};

/* The error for what SQLite says of the catalog; `verb` is what could not be done. */
int catalog_failed(struct catalog *catalog, const char *verb);
int catalog_execute(struct catalog *catalog, const char *sql);
int catalog_number(struct catalog *catalog, const char *sql, int64_t *value);

#endif
