/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool's catalog: rows in SQLite, and the transactions that are the only commit points there are.
 *
 * Everything that changes rows runs between catalog_begin and catalog_commit (or _rollback), which
 * also keep other threads out. Errors are set by the function that sees them. Nothing here knows
 * what the rows mean; pool.c keeps the picture of them in memory.
 */
#ifndef REPLICANT_ENGINE_CATALOG_H
#define REPLICANT_ENGINE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sqlite3.h>

#include "../record.h"

struct catalog;

enum layer_state { LAYER_SPARE, LAYER_WRITABLE, LAYER_FROZEN };

struct pool_row {
    char id[ID_SIZE];
    uint64_t limit_bytes, created_ms;
};

struct layer_row {
    int64_t row;
    char guid[ID_SIZE];
    enum layer_state state;
    int64_t below; /* 0: a base */
    uint64_t below_limit;
    bool full;
    const char *generation; /* of a frozen one; NULL: none */
};

struct volume_row {
    char id[ID_SIZE];
    const char *name;
    uint64_t size, created_ms;
    int provision, admin_state;
    int64_t top;
    const char *parent; /* NULL: none */
    bool ready;
    const char *key, *request; /* NULL: none */
};

struct hold_row {
    char owner[ID_SIZE], pool[ID_SIZE];
    int64_t layer;
};

enum replication_side { SIDE_SOURCE, SIDE_TARGET };

struct replication_row {
    char id[ID_SIZE], peer[ID_SIZE], source[ID_SIZE], target[ID_SIZE], generation[ID_SIZE];
    enum replication_side side;
    int type, state, on_error;
    uint64_t epoch, rate_limit, synced_ms, synced_bytes, synced_duration_ms;
    uint32_t interval_ms;
    int error;
    const char *message, *diverged, *group; /* NULL: none */
};

/* Opens <pool directory>/pool.db, or finishes making it (for `fresh`, whose id and limit it then
 * gets; NULL: it must be there). Read-only where the file system is. */
int catalog_open(const char *directory, const struct pool_row *fresh, struct catalog **catalog);
void catalog_close(struct catalog *catalog); /* NULL is fine */
bool catalog_read_only(const struct catalog *catalog);
int catalog_pool_get(struct catalog *catalog, struct pool_row *row);

/* All rows, one callback each; a code other than LSM_ERR_OK ends it and is returned. Texts are good
 * during the callback. */
int catalog_layers(struct catalog *, int (*row)(void *, const struct layer_row *), void *);
int catalog_volumes(struct catalog *, int (*row)(void *, const struct volume_row *), void *);
int catalog_tags(struct catalog *,
                 int (*row)(void *, const char *volume, const char *key, const char *value),
                 void *);
int catalog_holds(struct catalog *, int (*row)(void *, const struct hold_row *), void *);
int catalog_replications(struct catalog *, int (*row)(void *, const struct replication_row *),
                         void *);

int catalog_begin(struct catalog *catalog);
int catalog_commit(struct catalog *catalog); /* on failure nothing is kept, and it is ended */
/* A commit failed, and the disk does not even let us make sure that it did: until a transaction
 * succeeds, what its rows name must stay as it is. */
bool catalog_in_doubt(const struct catalog *catalog);
void catalog_rollback(struct catalog *catalog);
/* Commits when `code` is LSM_ERR_OK, else rolls back and passes `code` on. */
int catalog_end(struct catalog *catalog, int code);

/* For the job's own rows (job/store.c), inside a transaction or while loading. */
sqlite3 *catalog_database(struct catalog *catalog);

int catalog_layer_add(struct catalog *, struct layer_row *row); /* sets row->row */
int catalog_layer_adopt(struct catalog *, int64_t row, int64_t below, uint64_t below_limit,
                        bool full); /* a spare becomes writable */
int catalog_layer_freeze(struct catalog *, int64_t row, const char *generation);
int catalog_layer_thaw(struct catalog *, int64_t row, bool full); /* writable again */
int catalog_layer_stand(struct catalog *, int64_t row, int64_t below, uint64_t below_limit);
int catalog_layer_recycle(struct catalog *, int64_t row); /* a spare again */
int catalog_layer_remove(struct catalog *, int64_t row);

int catalog_volume_add(struct catalog *, const struct volume_row *row);
int catalog_volume_remove(struct catalog *, const char *id);
int catalog_volume_name_set(struct catalog *, const char *id, const char *name);
int catalog_volume_size_set(struct catalog *, const char *id, uint64_t size);
int catalog_volume_admin_state_set(struct catalog *, const char *id, int state);
int catalog_volume_top_set(struct catalog *, const char *id, int64_t top);
int catalog_volume_parent_set(struct catalog *, const char *id, const char *parent);
int catalog_volume_ready_set(struct catalog *, const char *id);
int catalog_tag_set(struct catalog *, const char *volume, const char *key, const char *value);

int catalog_hold_add(struct catalog *, const char *owner, const char *pool, int64_t layer);
int catalog_hold_remove(struct catalog *, const char *owner); /* all of this owner's */

int catalog_replication_put(struct catalog *, const struct replication_row *row);
int catalog_replication_remove(struct catalog *, const char *id, enum replication_side side);

/* Whether the WAL has grown enough for a checkpoint, and the checkpoint: off the path of a freeze.
 */
/* SQLite's own look at all of the database: 1002 naming what it finds first. */
int catalog_check(struct catalog *catalog);
bool catalog_checkpoint_due(const struct catalog *catalog);
int catalog_checkpoint(struct catalog *catalog);

#endif
