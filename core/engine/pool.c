/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening a pool: its lock, its catalog, the picture of its rows, and a sweep of layer files that
 * no row names (what a crash leaves between making files and committing their rows).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "upkeep.h"
#include "vfs.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- opening --------------------------------------------------------------------------------- */

static int join(char **path, const char *directory, const char *name)
{
    if (asprintf(path, "%s/%s", directory, name) >= 0)
        return LSM_ERR_OK;
    *path = NULL;
    return error_no_memory();
}

static int lock_pool(struct pool *pool)
{
    autofree char *path = NULL;
    if (join(&path, pool->path, "lock") != LSM_ERR_OK)
        return LSM_ERR_NO_MEMORY;
    int error = vfs_open(path, O_RDWR | O_CREAT, &pool->lock_fd);
    bool exclusive = !error;
    if (error == EROFS)
        error = vfs_open(path, O_RDONLY, &pool->lock_fd);
    if (!error)
        error = vfs_lock(pool->lock_fd, exclusive);
    if (error == EAGAIN) {
        error_set(LSM_ERR_BUSY, pool->path, "the pool %s is in use through another root",
                  pool->path);
        error_hint("close the other program, or take the pool out of one of the two roots");
        error_retryable();
        return LSM_ERR_BUSY;
    }
    return error ? error_set_errno(error == EACCES   ? LSM_ERR_PERMISSION_DENIED
                                   : error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE
                                                     : LSM_ERR_IO,
                                   error, path, "cannot lock the pool %s", pool->path)
                 : LSM_ERR_OK;
}

static int make_layers_directory(struct pool *pool)
{
    if (vfs->mkdir(pool->home.directory, 0700) == 0 || errno == EEXIST || errno == EROFS)
        return LSM_ERR_OK;
    return error_set_errno(errno == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, errno,
                           pool->home.directory, "cannot make the directory %s",
                           pool->home.directory);
}

static int enter_layer(void *argument, const struct layer_row *row)
{
    struct pool *pool = argument;
    struct layer *layer = layer_alloc(&pool->home, row->guid);
    if (!layer)
        return error_no_memory();
    layer->row = row->row;
    layer->below_row = row->below;
    layer->below_limit = row->below_limit;
    layer->frozen = row->state == LAYER_FROZEN;
    layer->full = row->full;
    snprintf(layer->generation, sizeof layer->generation, "%s",
             row->generation ? row->generation : "");
    /* A dead owner may have left writes in the page cache: only a flush makes them durable. */
    layer->dirty = layer->touched = row->state == LAYER_WRITABLE;
    if (pool_layer_enter(pool, layer) != LSM_ERR_OK) {
        layer_free(layer);
        return LSM_ERR_NO_MEMORY;
    }
    if (row->state == LAYER_SPARE && pool->spare_count < sizeof pool->spares / sizeof *pool->spares)
        pool->spares[pool->spare_count++] = layer;
    return LSM_ERR_OK;
}

/* A layer may have a smaller number than the one it stands on: it was a spare before. */
static int link_layers(struct pool *pool)
{
    for (struct layer_entry *e = pool->layers; e; e = e->hh.next) {
        struct layer *layer = e->layer;
        if (!layer->below_row)
            continue;
        layer->below = pool_layer(pool, layer->below_row);
        if (!layer->below)
            return error_set(LSM_ERR_DAMAGED, pool->path,
                             "the layer %s of the pool %s stands on one that has no row",
                             layer->guid, pool->path);
        layer->below->uses++;
    }
    return LSM_ERR_OK;
}

/* Each walk ends where one before it came by, so all of them together see each layer once. */
static int check_no_ring(struct pool *pool)
{
    uint32_t walk = 0;
    for (struct layer_entry *e = pool->layers; e; e = e->hh.next) {
        struct layer *layer = e->layer;
        for (walk++; layer && !layer->walk; layer = layer->below)
            layer->walk = walk;
        if (layer && layer->walk == walk)
            return error_set(LSM_ERR_DAMAGED, pool->path,
                             "the layer %s of the pool %s stands on itself", layer->guid,
                             pool->path);
    }
    return LSM_ERR_OK;
}

static int enter_hold(void *argument, const struct hold_row *row)
{
    struct pool *pool = argument;
    struct layer *layer = pool_layer(pool, row->layer);
    struct hold *hold = layer ? calloc(1, sizeof *hold) : NULL;
    if (!layer)
        return error_set(LSM_ERR_DAMAGED, pool->path,
                         "a hold in the pool %s names a layer that has no row", pool->path);
    if (!hold)
        return error_no_memory();
    memcpy(hold->owner, row->owner, ID_SIZE);
    memcpy(hold->pool, row->pool, ID_SIZE);
    pool_hold_enter(pool, hold, layer);
    return LSM_ERR_OK;
}

static bool is_spare(const struct pool *pool, const struct layer *layer)
{
    for (uint32_t i = 0; i < pool->spare_count; i++)
        if (pool->spares[i] == layer)
            return true;
    return false;
}

/* Layers that nothing names: a merge kept them while their volume was deleted, and then came the
 * end. Those above go first, so each is looked at until no more is found. */
static void remove_orphans(struct pool *pool)
{
    struct layer_entry *entry = pool->layers;
    while (entry) {
        struct layer *layer = entry->layer;
        entry = entry->hh.next;
        if (layer->uses > 0 || is_spare(pool, layer))
            continue;
        layer->uses = 1; /* ours, given back at once */
        pool_layer_release(pool, layer);
        entry = pool->layers; /* the list has changed */
    }
}

static int pass_relation(void *argument, const struct replication_row *row)
{
    (void)argument;
    (void)row;
    return LSM_ERR_OK;
}

static int pass_job(void *argument, struct job_row *row)
{
    (void)argument;
    (void)row;
    return LSM_ERR_OK;
}

/* What is taken into the picture when all pools are there is read through now: a pool that has a
 * row which makes no sense is to be known before anything relies on it. */
static int read_the_rest(struct pool *pool)
{
    int code = catalog_replications(pool->catalog, pass_relation, NULL);
    return code == LSM_ERR_OK ? job_store_each(catalog_database(pool->catalog), pass_job, NULL)
                              : code;
}

static int load(struct pool *pool)
{
    struct pool_row row;
    int code = catalog_pool_get(pool->catalog, &row);
    if (code != LSM_ERR_OK)
        return code;
    memcpy(pool->id, row.id, ID_SIZE);
    pool->limit = row.limit_bytes;
    code = catalog_layers(pool->catalog, enter_layer, pool);
    if (code == LSM_ERR_OK)
        code = link_layers(pool);
    if (code == LSM_ERR_OK)
        code = check_no_ring(pool);
    if (code == LSM_ERR_OK)
        code = catalog_holds(pool->catalog, enter_hold, pool);
    return code == LSM_ERR_OK ? read_the_rest(pool) : code;
}

static bool has_row(const struct pool *pool, const char *guid)
{
    for (const struct layer_entry *e = pool->layers; e; e = e->hh.next)
        if (strcmp(e->layer->guid, guid) == 0)
            return true;
    return false;
}

void pool_files_each(struct pool *pool,
                     void (*found)(struct pool *pool, const char *id, const char *suffix))
{
    DIR *directory = opendir(pool->home.directory);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        char id[ID_SIZE] = "";
        const char *suffix = strchr(entry->d_name, '.');
        if (!suffix || suffix - entry->d_name != ID_SIZE - 1)
            continue;
        memcpy(id, entry->d_name, ID_SIZE - 1);
        if (guid_is(id))
            found(pool, id, suffix);
    }
    if (directory)
        closedir(directory);
}

static void sweep_file(struct pool *pool, const char *guid, const char *suffix)
{
    bool of_layer = strcmp(suffix, ".raw") == 0 || strcmp(suffix, ".map") == 0;
    if (of_layer && !has_row(pool, guid))
        pool_files_drop(pool, guid);
}

static int set_up(struct pool *pool, const struct pool_row *fresh)
{
    struct stat st;
    if (vfs->stat(pool->path, &st) < 0)
        return error_set_errno(LSM_ERR_IO, errno, pool->path, "cannot open the pool %s",
                               pool->path);
    pool->dev = st.st_dev;
    pool->ino = st.st_ino;
    int code = lock_pool(pool);
    if (code == LSM_ERR_OK)
        code = make_layers_directory(pool);
    if (code == LSM_ERR_OK)
        code = catalog_open(pool->path, fresh, &pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    pool->read_only = pool->home.read_only = catalog_read_only(pool->catalog);
    return load(pool);
}

void pool_sweep(struct pool *pool)
{
    if (pool->read_only)
        return;
    remove_orphans(pool);
    pool_files_each(pool, sweep_file);
}

int pool_open(struct root *root, const char *name, const struct pool_row *fresh, char id[ID_SIZE],
              struct pool **pool)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return error_no_memory();
    p->root = root;
    p->lock_fd = -1;
    p->home.cache = root->cache;
    p->home.direct = root->direct;
    p->name = strdup(name);
    int code = p->name ? join(&p->path, root->path, name) : error_no_memory();
    if (code == LSM_ERR_OK)
        code = join(&p->home.directory, p->path, "layers");
    if (code == LSM_ERR_OK)
        code = set_up(p, fresh);
    memcpy(id, p->id, ID_SIZE);
    if (code == LSM_ERR_OK)
        *pool = p;
    else
        pool_close(p);
    return code;
}

static void free_layers(struct pool *pool)
{
    struct layer_entry *entry, *next;
    HASH_ITER(hh, pool->layers, entry, next)
    {
        HASH_DEL(pool->layers, entry);
        layer_free(entry->layer);
        free(entry);
    }
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    free_layers(pool);
    for (struct hold *hold = pool->holds, *after; hold; hold = after) {
        after = hold->next;
        free(hold);
    }
    catalog_close(pool->catalog);
    vfs_close(&pool->lock_fd);
    free(pool->dead.guids);
    free(pool->unreserved.guids);
    free(pool->home.directory);
    free(pool->path);
    free(pool->name);
    free(pool);
}

/* --- finding --------------------------------------------------------------------------------- */

struct pool *pool_by_id(struct root *root, const char *id)
{
    for (uint32_t i = 0; i < root->pool_count; i++)
        if (strcmp(root->pools[i]->id, id) == 0)
            return root->pools[i];
    return NULL;
}

struct pool *pool_by_name(struct root *root, const char *name)
{
    for (uint32_t i = 0; i < root->pool_count; i++)
        if (strcmp(root->pools[i]->name, name) == 0)
            return root->pools[i];
    return NULL;
}

int pool_check_writable(const struct pool *pool)
{
    if (!pool->read_only)
        return LSM_ERR_OK;
    error_set(LSM_ERR_READ_ONLY, pool->name, "the pool %s lies on a read-only file system",
              pool->path);
    error_hint("mount the file system for writing and open the root again");
    return LSM_ERR_READ_ONLY;
}

/* --- space ----------------------------------------------------------------------------------- */

static bool filesystem(const struct pool *pool, struct statvfs *fs)
{
    return vfs->statvfs(pool->path, fs) == 0;
}

uint64_t pool_total(const struct pool *pool)
{
    struct statvfs fs;
    if (!filesystem(pool, &fs))
        return pool->limit;
    uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    return pool->limit && pool->limit < size ? pool->limit : size;
}

/* What FULL volumes were promised and have not got yet. */
static uint64_t outstanding(struct pool *pool)
{
    uint64_t bytes = 0;
    for (struct volume *v = pool->volumes; v; v = v->hh.next) {
        uint64_t has = v->top->full ? layer_allocated(v->top) : 0;
        if (v->top->full && has < v->size)
            bytes += v->size - has;
    }
    return bytes;
}

static uint64_t occupied(struct pool *pool)
{
    uint64_t bytes = 0;
    for (struct layer_entry *e = pool->layers; e; e = e->hh.next)
        bytes += layer_allocated(e->layer);
    return bytes;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* False: the file system does not answer. */
static bool ask_free(struct pool *pool, uint64_t *room)
{
    struct statvfs fs;
    if (!filesystem(pool, &fs))
        return false;
    uint64_t promised = outstanding(pool);
    *room = minus((uint64_t)fs.f_bavail * fs.f_frsize, promised);
    uint64_t limit = pool->limit ? minus(pool->limit, occupied(pool) + promised) : *room;
    if (limit < *room)
        *room = limit;
    return true;
}

uint64_t pool_free(struct pool *pool)
{
    uint64_t room;
    return ask_free(pool, &room) ? room : 0;
}

int pool_check_space(struct pool *pool, uint64_t bytes, const char *what)
{
    uint64_t room;
    bool answered = ask_free(pool, &room);
    if (answered && room < bytes &&
        pool->dead.count > 0) { /* what was deleted may not be gone yet */
        pool_files_remove(pool);
        answered = ask_free(pool, &room);
    }
    if (!answered)
        return error_set_errno(LSM_ERR_IO, errno, pool->name,
                               "cannot ask for the free space of the pool %s", pool->path);
    if (room >= bytes)
        return LSM_ERR_OK;
    error_set(LSM_ERR_NOT_ENOUGH_SPACE, pool->name,
              "the pool «%s» has %llu bytes free, and %s needs %llu", pool->name,
              (unsigned long long)room, what, (unsigned long long)bytes);
    error_hint("delete volumes, use another pool, or a THIN volume");
    return LSM_ERR_NOT_ENOUGH_SPACE;
}

lsm_pool *pool_record(struct pool *pool)
{
    lsm_pool *record = record_create(&pool_type);
    if (!record)
        return NULL;
    record->total_space = pool_total(pool);
    record->free_space = pool_free(pool);
    record->status = LSM_POOL_STATUS_OK;
    record->element_type = LSM_POOL_ELEMENT_TYPE_POOL | LSM_POOL_ELEMENT_TYPE_VOLUME |
                           LSM_POOL_ELEMENT_TYPE_VOLUME_FULL | LSM_POOL_ELEMENT_TYPE_VOLUME_THIN;
    if (record_text(&record->id, pool->id) == LSM_ERR_OK &&
        record_text(&record->name, pool->name) == LSM_ERR_OK &&
        record_text(&record->system_id, pool->root->id) == LSM_ERR_OK &&
        record_text(&record->status_info, pool->read_only ? "read-only" : "") == LSM_ERR_OK)
        return record;
    record_destroy(&pool_type, record);
    return NULL;
}
