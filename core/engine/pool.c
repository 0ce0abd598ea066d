/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening a pool: its lock, its catalog, the picture of its rows, and a sweep of layer files that no
 * row names (what a crash leaves between making files and committing their rows).
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
        code = catalog_holds(pool->catalog, enter_hold, pool);
    return code;
}

static bool has_row(const struct pool *pool, const char *guid)
{
    for (const struct layer_entry *e = pool->layers; e; e = e->hh.next)
        if (strcmp(e->layer->guid, guid) == 0)
            return true;
    return false;
}

/* Only what is named as we name files is ours to remove. */
static void sweep_files(struct pool *pool)
{
    DIR *directory = opendir(pool->home.directory);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        char guid[ID_SIZE] = "";
        const char *suffix = strchr(entry->d_name, '.');
        if (!suffix || suffix - entry->d_name != ID_SIZE - 1 ||
            (strcmp(suffix, ".raw") != 0 && strcmp(suffix, ".map") != 0))
            continue;
        memcpy(guid, entry->d_name, ID_SIZE - 1);
        if (guid_is(guid) && !has_row(pool, guid))
            pool_files_drop(pool, guid);
    }
    if (directory)
        closedir(directory);
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
    sweep_files(pool);
}

int pool_open(struct root *root, const char *name, const struct pool_row *fresh, struct pool **pool)
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
    if (code == LSM_ERR_OK)
        *pool = p;
    else
        pool_close(p);
    return code;
}

static void free_layers(struct pool *pool)
{
    struct layer_entry *entry, *next;
    HASH_ITER(hh, pool->layers, entry, next) {
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
    if (answered && room < bytes && pool->dead.count > 0) { /* what was deleted may not be gone yet */
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

/* --- layers ---------------------------------------------------------------------------------- */

int pool_layer_enter(struct pool *pool, struct layer *layer)
{
    struct layer_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return error_no_memory();
    entry->row = layer->row;
    entry->layer = layer;
    HASH_ADD(hh, pool->layers, row, sizeof entry->row, entry);
    return LSM_ERR_OK;
}

struct layer *pool_layer(struct pool *pool, int64_t row)
{
    struct layer_entry *entry;
    HASH_FIND(hh, pool->layers, &row, sizeof row, entry);
    return entry ? entry->layer : NULL;
}

void pool_layer_forget(struct pool *pool, struct layer *layer)
{
    struct layer_entry *entry;
    HASH_FIND(hh, pool->layers, &layer->row, sizeof layer->row, entry);
    if (entry) {
        HASH_DEL(pool->layers, entry);
        free(entry);
    }
    pool_files_drop(pool, layer->guid);
    layer_free(layer);
}

int pool_base_make(struct pool *pool, uint64_t size, bool full, struct layer **base)
{
    char guid[GUID_SIZE];
    int code = guid_make(guid);
    if (code == LSM_ERR_OK)
        code = layer_files_create(&pool->home, guid, true, size);
    if (code != LSM_ERR_OK)
        return code;
    struct layer *layer = layer_alloc(&pool->home, guid);
    code = layer ? layer_files_sync(&pool->home) : error_no_memory();
    if (code == LSM_ERR_OK) {
        layer->full = full;
        *base = layer;
        return code;
    }
    layer_free(layer);
    pool_files_drop(pool, guid);
    return code;
}

int pool_spare_take(struct pool *pool, struct layer **spare)
{
    pool->wants_spares = true;
    if (pool->spare_count == 0) {
        int code = pool_spares_make(pool, 2); /* the source's new top, and a clone's */
        if (code != LSM_ERR_OK)
            return code;
    }
    *spare = pool->spares[--pool->spare_count];
    return LSM_ERR_OK;
}

void pool_spare_return(struct pool *pool, struct layer *spare)
{
    spare->below = NULL;
    spare->below_limit = 0;
    spare->full = spare->recycled = false;
    pool->spares[pool->spare_count++] = spare;
}

static int add_spare(struct pool *pool, struct layer *layer)
{
    struct layer_row row = {.state = LAYER_SPARE};
    memcpy(row.guid, layer->guid, ID_SIZE);
    int code = catalog_layer_add(pool->catalog, &row);
    layer->row = row.row;
    return code;
}

static void abandon_spares(struct pool *pool, struct layer **made, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pool_files_drop(pool, made[i]->guid);
        layer_free(made[i]);
    }
}

static int make_spare_files(struct pool *pool, struct layer **made, uint32_t count, uint32_t *done)
{
    for (*done = 0; *done < count; (*done)++) {
        char guid[GUID_SIZE];
        int code = guid_make(guid);
        if (code == LSM_ERR_OK)
            code = layer_files_create(&pool->home, guid, false, 0);
        if (code != LSM_ERR_OK)
            return code;
        if (!(made[*done] = layer_alloc(&pool->home, guid))) {
            layer_files_remove(&pool->home, guid);
            return error_no_memory();
        }
    }
    return layer_files_sync(&pool->home);
}

int pool_spares_make(struct pool *pool, uint32_t count)
{
    uint32_t room = sizeof pool->spares / sizeof *pool->spares - pool->spare_count, done = 0;
    struct layer *made[sizeof pool->spares / sizeof *pool->spares];
    count = count < room ? count : room;
    int code = make_spare_files(pool, made, count, &done);
    if (code == LSM_ERR_OK)
        code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
            code = add_spare(pool, made[i]);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        abandon_spares(pool, made, done);
        return code;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pool_layer_enter(pool, made[i]) != LSM_ERR_OK) {
            /* A row and files that this process does not see; the next one will. */
            for (uint32_t k = i; k < count; k++)
                layer_free(made[k]);
            return LSM_ERR_NO_MEMORY;
        }
        pool->spares[pool->spare_count++] = made[i];
    }
    return LSM_ERR_OK;
}

/* A top that was never written to is as good as a spare one. */
static bool is_as_new(const struct pool *pool, const struct layer *layer)
{
    return layer->below && !layer->frozen && !layer->full && !atomic_load(&layer->touched) &&
           pool->spare_count < sizeof pool->spares / sizeof *pool->spares;
}

int pool_layers_doom(struct pool *pool, struct layer *layer)
{
    int code = LSM_ERR_OK;
    for (; layer && layer->uses == 1 && code == LSM_ERR_OK; layer = layer->below) {
        layer->recycled = is_as_new(pool, layer);
        code = layer->recycled ? catalog_layer_recycle(pool->catalog, layer->row)
                               : catalog_layer_remove(pool->catalog, layer->row);
    }
    return code;
}

void pool_layers_drop(struct pool *pool, struct layer *layer)
{
    while (layer && --layer->uses == 0) {
        struct layer *below = layer->below;
        if (layer->recycled)
            pool_spare_return(pool, layer);
        else
            pool_layer_forget(pool, layer);
        layer = below;
    }
    upkeep_wake(pool->root->upkeep);
}

void pool_layer_release(struct pool *pool, struct layer *layer)
{
    if (layer->uses > 1) {
        layer->uses--;
        return;
    }
    if (catalog_begin(pool->catalog) == LSM_ERR_OK &&
        catalog_end(pool->catalog, pool_layers_doom(pool, layer)) == LSM_ERR_OK)
        pool_layers_drop(pool, layer);
    else
        layer->uses--; /* a row that nothing names: the next open removes it */
}

/* Without memory the name is not kept: what it stands for is done at the next open, or not at all. */
static void add_guid(struct guid_list *list, const char *guid)
{
    if (list->count == list->room) {
        uint32_t room = list->room ? 2 * list->room : 16;
        void *guids = realloc(list->guids, room * sizeof *list->guids);
        if (!guids)
            return;
        list->guids = guids;
        list->room = room;
    }
    memcpy(list->guids[list->count++], guid, ID_SIZE);
}

void pool_files_drop(struct pool *pool, const char *guid)
{
    add_guid(&pool->dead, guid);
    upkeep_wake(pool->root->upkeep);
}

void pool_files_remove(struct pool *pool)
{
    while (pool->dead.count > 0)
        layer_files_remove(&pool->home, pool->dead.guids[--pool->dead.count]);
}

void pool_reserve_later(struct pool *pool, const char *guid)
{
    add_guid(&pool->unreserved, guid);
    upkeep_wake(pool->root->upkeep);
}

/* --- holds ----------------------------------------------------------------------------------- */

int pool_hold_alloc(const char *owner, const struct pool *owners, struct hold **hold)
{
    *hold = calloc(1, sizeof **hold);
    if (!*hold)
        return error_no_memory();
    memcpy((*hold)->owner, owner, ID_SIZE);
    memcpy((*hold)->pool, owners->id, ID_SIZE);
    return LSM_ERR_OK;
}

void pool_hold_enter(struct pool *pool, struct hold *hold, struct layer *layer)
{
    hold->layer = layer;
    layer->uses++;
    hold->next = pool->holds;
    pool->holds = hold;
}

struct hold *pool_hold(struct pool *pool, const char *owner, bool frozen)
{
    for (struct hold *hold = pool->holds; hold; hold = hold->next)
        if (strcmp(hold->owner, owner) == 0 && hold->layer->frozen == frozen)
            return hold;
    return NULL;
}

struct hold *pool_hold_take(struct pool *pool, struct hold *hold)
{
    struct hold **link = &pool->holds;
    while (*link != hold)
        link = &(*link)->next;
    *link = hold->next;
    return hold;
}

static struct hold *next_of(struct hold *hold, const char *owner)
{
    while (hold && strcmp(hold->owner, owner) != 0)
        hold = hold->next;
    return hold;
}

int pool_hold_doom(struct pool *pool, const char *owner)
{
    int code = catalog_hold_remove(pool->catalog, owner);
    struct hold *hold = pool->holds;
    while (code == LSM_ERR_OK && (hold = next_of(hold, owner)) != NULL) {
        code = pool_layers_doom(pool, hold->layer);
        hold = hold->next;
    }
    return code;
}

void pool_hold_drop(struct pool *pool, const char *owner)
{
    struct hold *hold;
    while ((hold = next_of(pool->holds, owner)) != NULL) {
        pool_hold_take(pool, hold);
        pool_layers_drop(pool, hold->layer);
        free(hold);
    }
}

int pool_hold_release(struct pool *pool, const char *owner)
{
    if (!next_of(pool->holds, owner))
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_end(pool->catalog, pool_hold_doom(pool, owner));
    if (code == LSM_ERR_OK)
        pool_hold_drop(pool, owner);
    return code;
}
