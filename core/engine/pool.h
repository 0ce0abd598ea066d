/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root's pools as this process sees them: the picture in memory of what the catalogs say.
 *
 * One lock a root guards all of it. A verb takes the lock, checks, writes one transaction, and only
 * when that is committed changes the picture, in steps that cannot fail. The I/O of open volumes
 * does not take the lock; a volume's gate keeps the two apart. Order: the root's lock, a gate, a
 * catalog's transaction, a layer's flush; nobody waits for an earlier one while he has a later one.
 */
#ifndef REPLICANT_ENGINE_POOL_H
#define REPLICANT_ENGINE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "catalog.h"
#include "gate.h"
#include "layer.h"
#include "stack.h"
#include "../job/job.h"
#include "../util/table.h"

#define BLOCK_SIZE 512u

struct upkeep;

struct volume {
    struct pool *pool;
    char id[ID_SIZE];
    char *name;
    uint64_t size, created_ms; /* bytes */
    lsm_volume_provision_type provision;
    _Atomic uint32_t admin_state;
    struct layer *top;
    char parent[ID_SIZE]; /* "": depends on none */
    bool ready;           /* false: a job is filling it */
    char *key, *request;
    char **tags;            /* key, value, …, NULL; or NULL */
    uint32_t clones;        /* volumes whose parent it is */
    uint32_t readers;       /* jobs that read it */
    uint32_t mirrors;       /* relations whose source it is */
    char relation[ID_SIZE]; /* whose target it is, and so not to be written; "": none */
    bool handing_over;      /* a planned promote ships: no new writers */
    bool keeps_instant;     /* its frozen layers stay layers */
    bool replaced;          /* a full copy again will take the place of all it has */

    /* while handles are open, or somebody works on it without the lock */
    uint32_t handles, writers;
    struct sync *sync;   /* where writes go as well; changed behind the closed gate */
    bool reread;         /* closed with what could not be flushed: `sync` may have more than it */
    uint32_t attached;   /* of the handles, that of a synchronous mirror whose target it is */
    uint32_t background; /* of the handles, those of nobody who called */
    atomic_bool stop_background;
    uint64_t changed_ns; /* when it was last frozen, or lost a clone */
    struct stack *stack;
    struct gate gate;
    struct cluster_locks locks;
    _Atomic uint64_t io_size;
    UT_hash_handle hh;
};

struct layer_entry { /* a pool's layers by row */
    int64_t row;
    struct layer *layer;
    UT_hash_handle hh;
};

struct hold {
    char owner[ID_SIZE], pool[ID_SIZE];
    struct layer *layer;
    struct hold *next;
};

struct guid_list {
    char (*guids)[ID_SIZE];
    uint32_t count, room;
};

struct pool {
    struct root *root;
    char id[ID_SIZE];
    char *name, *path; /* <root>/<name> */
    uint64_t limit;    /* bytes; 0: the file system's size */
    bool read_only;
    int lock_fd;
    dev_t dev;
    ino_t ino;
    struct catalog *catalog;
    struct layer_home home;
    struct layer_entry *layers;
    struct volume *volumes; /* by id, in order of creation */
    struct hold *holds;
    struct job_lane lane;

    /* for the background (chores.c) */
    struct layer *spares[16];
    uint32_t spare_count;
    bool wants_spares;           /* a freeze was asked for: keep some ready */
    struct guid_list dead;       /* layers whose files are to go */
    struct guid_list unreserved; /* full tops whose blocks are yet to be taken */
};

/* A pool that is there and could not be opened: it keeps its place in the list, and whoever names
 * it is told why. To the rest of the root it is away. */
struct shut_pool {
    char *id; /* its name, where the catalog does not say it */
    char *name;
    struct _lsm_error *why;
    struct shut_pool *next;
};

struct root {
    char *path;
    char id[ID_SIZE];
    dev_t dev;
    ino_t ino;
    int lock_fd;
    unsigned references; /* connections and I/O handles; guarded by the table's lock */
    bool direct;         /* ?cache=none */
    bool read_only;
    atomic_bool closing;
    bool open; /* the picture is whole: the background may work */
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* a volume's background work has ended */
    struct pool **pools;
    uint32_t pool_count;
    struct shut_pool *shut;
    struct descriptors *cache;
    struct event_hub *hub;
    struct job_runner *runner;
    struct upkeep *upkeep;
    const struct root_guests *guests;
    struct mirror *mirrors;
    struct upkeep *intervals; /* of asynchronous mirrors */
    struct pool *tended;      /* where the background is at work */
    struct root *next;        /* in the table */
};

/* A catalog and what lies beside it, under <root>/<name>, and the picture of its layers and holds.
 * `fresh`: make it if it is not there. `id` becomes its id, also where what comes behind reading
 * that fails. */
int pool_open(struct root *root, const char *name, const struct pool_row *fresh, char id[ID_SIZE],
              struct pool **pool);
void pool_close(struct pool *pool); /* NULL is fine; its volumes are out of the picture */
/* When the volumes are in the picture, too: what a crash left of layers that nothing names. */
void pool_sweep(struct pool *pool);
/* Each file of the layers' directory that is named as we name files, <id>.<suffix>: only those are
 * ours to remove. */
void pool_files_each(struct pool *pool,
                     void (*found)(struct pool *pool, const char *id, const char *suffix));

struct pool *pool_by_id(struct root *root, const char *id);
/* The same for a caller: 203, or why the pool, or one that may be it, is shut. */
int pool_get(struct root *root, const char *id, struct pool **pool);
struct pool *pool_by_name(struct root *root, const char *name);
struct pool *pool_default(struct root *root);
int pool_check_writable(const struct pool *pool);

/* Bytes: the pool's size, and what a new FULL volume could have. */
uint64_t pool_total(const struct pool *pool);
uint64_t pool_free(struct pool *pool);
/* LSM_ERR_OK, or 350 for `bytes` more, `what` being what they are for. */
int pool_check_space(struct pool *pool, uint64_t bytes, const char *what);
lsm_pool *pool_record(struct pool *pool); /* NULL: the error is set */

/* --- pools that are shut (pool_shut.c) -------------------------------------------------------- */

/* `id` NULL: not known. The pending error becomes the reason. */
int pool_shut_add(struct root *root, const char *name, const char *id);
struct shut_pool *pool_shut_by_id(const struct root *root, const char *id); /* NULL: none */
lsm_pool *pool_shut_record(const struct root *root, const struct shut_pool *shut);
void pools_shut_free(struct root *root);

/* --- layers ---------------------------------------------------------------------------------- */

int pool_layer_enter(struct pool *pool, struct layer *layer); /* into the picture, by its row */
struct layer *pool_layer(struct pool *pool, int64_t row);     /* NULL: none */

/* The durable files of a base of `size` bytes, and a layer for it that is in no row yet. */
int pool_base_make(struct pool *pool, uint64_t size, bool full, struct layer **base);
/* A spare layer, its row and files durable; the caller adopts it or gives it back. */
int pool_spare_take(struct pool *pool, struct layer **spare);
void pool_spare_return(struct pool *pool, struct layer *spare);
/* Makes `count` spares, in one transaction. */
int pool_spares_make(struct pool *pool, uint32_t count);

/* Giving up one use of a layer: what nobody uses then goes, it and those below it. First the rows,
 * inside a transaction; then, when that is committed, the picture and the files. */
int pool_layers_doom(struct pool *pool, struct layer *layer);
void pool_layers_drop(struct pool *pool, struct layer *layer);
/* Gives one use back that is in no row: a transaction of its own, where something is to go. */
void pool_layer_release(struct pool *pool, struct layer *layer);
/* Out of the picture, and its files removed: its row is gone. */
void pool_layer_forget(struct pool *pool, struct layer *layer);
/* Files of a layer that is in no row: to be removed in the background. */
void pool_files_drop(struct pool *pool, const char *guid);
void pool_files_remove(struct pool *pool); /* now, for who cannot wait */
/* The blocks of a full layer are to be taken, in the background. */
void pool_reserve_later(struct pool *pool, const char *guid);

/* --- holds ----------------------------------------------------------------------------------- */

/* An owner may hold one frozen layer (that it reads) and one that is not (that it fills). */
int pool_hold_alloc(const char *owner, const struct pool *owners, struct hold **hold);
void pool_hold_enter(struct pool *pool, struct hold *hold, struct layer *layer); /* uses it */
struct hold *pool_hold(struct pool *pool, const char *owner, bool frozen);
struct hold *pool_hold_take(struct pool *pool, struct hold *hold); /* out of the picture alone */
/* All of an owner's, rows and picture: a transaction of its own; none: OK. */
int pool_hold_release(struct pool *pool, const char *owner);
/* The same in two steps, inside a transaction and after it. */
int pool_hold_doom(struct pool *pool, const char *owner);
void pool_hold_drop(struct pool *pool, const char *owner);

#endif
