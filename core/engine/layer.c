/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flushing is shared: a thread that asks while a flush runs waits for the next one, and so does
 * everybody who asks meanwhile. One flush is: forget that the layer is dirty, snapshot the map,
 * sync the data, store the snapshot, sync the map. A bit is thus durable only after its data.
 *
 * A sync that fails poisons the layer: Linux forgets which pages were dirty, so a later sync that
 * succeeds proves nothing. The poison goes with the last close, when memory is dropped and the next
 * open reads what the disk has.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "layer.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

struct layer *layer_alloc(const struct layer_home *home, const char *guid)
{
    struct layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return NULL;
    layer->home = home;
    snprintf(layer->guid, sizeof layer->guid, "%s", guid);
    layer->fd = -1;
    layer->frozen_bytes = UINT64_MAX;
    descriptor_init(&layer->data);
    descriptor_init(&layer->direct);
    pthread_mutex_init(&layer->flush.lock, NULL);
    pthread_cond_init(&layer->flush.done, NULL);
    return layer;
}

struct layer *layer_probe(const struct layer *layer, const struct layer_home *home)
{
    struct layer *probe = layer_alloc(home, layer->guid);
    if (!probe)
        return NULL;
    probe->frozen = layer->frozen;
    probe->below = layer->below ? probe : NULL; /* there is something, and so a map */
    return probe;
}

void layer_free(struct layer *layer)
{
    if (!layer)
        return;
    descriptor_drop(layer->home->cache, &layer->data);
    descriptor_drop(layer->home->cache, &layer->direct);
    map_destroy(layer->map);
    pthread_mutex_destroy(&layer->flush.lock);
    pthread_cond_destroy(&layer->flush.done);
    free(layer);
}

int layer_error(const struct layer *layer, int sys_errno, const char *verb, uint64_t offset)
{
    if (sys_errno == ENOMEM)
        return error_no_memory();
    autofree char *path = layer_path(layer->home, layer->guid, ".raw");
    bool space = sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
    int code = error_set_errno(space ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, sys_errno, path,
                               "cannot %s the layer %s", verb, path ? path : layer->guid);
    if (offset != ERROR_NO_OFFSET)
        error_offset(offset);
    if (space)
        error_hint("free some space on the pool's file system, or grow it");
    return code;
}

/* --- open and close ------------------------------------------------------------------------- */

static int pin(struct layer *layer, struct descriptor *d, int more_flags)
{
    if (descriptor_pin_open(d)) /* every read of a frozen layer: no path is put together for it */
        return 0;
    autofree char *path = layer_path(layer->home, layer->guid, ".raw");
    int flags = (layer->home->read_only ? O_RDONLY : O_RDWR) | more_flags;
    return path ? descriptor_pin(layer->home->cache, d, path, flags) : ENOMEM;
}

/* The data file's descriptor for one use: a writable layer's own, else a pinned one. */
static int use(struct layer *layer, int *fd)
{
    int error = layer->fd >= 0 ? 0 : pin(layer, &layer->data, 0);
    *fd = error ? -1 : layer->fd >= 0 ? layer->fd : layer->data.fd;
    return error;
}

static void leave(struct layer *layer)
{
    if (layer->fd < 0)
        descriptor_unpin(&layer->data);
}

static int damaged(struct layer *layer, const char *suffix, const char *why, uint64_t where)
{
    autofree char *path = layer_path(layer->home, layer->guid, suffix);
    int code = error_set(LSM_ERR_DAMAGED, path, "the layer file %s cannot be believed: %s",
                         path ? path : layer->guid, why);
    if (where != ERROR_NO_OFFSET)
        error_offset(where);
    error_hint("bring the file back from a backup, or delete the volumes that stand on it");
    return code;
}

static int open_map(struct layer *layer, int *fd)
{
    autofree char *path = layer_path(layer->home, layer->guid, ".map");
    int error = path ? vfs_open(path, layer->home->read_only ? O_RDONLY : O_RDWR, fd) : ENOMEM;
    if (error == ENOENT)
        return damaged(layer, ".map", "it is missing", ERROR_NO_OFFSET);
    return error ? layer_error(layer, error, "open the map of", ERROR_NO_OFFSET) : LSM_ERR_OK;
}

static int load_map(struct layer *layer, uint64_t size)
{
    int fd;
    int code = open_map(layer, &fd);
    if (code != LSM_ERR_OK)
        return code;
    /* A frozen layer is shared by volumes of different sizes: all of it is read. */
    struct map *map = map_create(layer->frozen ? 0 : size >> CLUSTER_SHIFT);
    const char *damage = NULL;
    uint64_t where = 0;
    int error = map ? map_file_load(fd, layer->guid, map, &damage, &where) : ENOMEM;
    vfs_close(&fd);
    if (!error) {
        layer->map = map;
        layer->touched = layer->dirty || map_held(map) > 0 || map_dirty(map);
        return LSM_ERR_OK;
    }
    map_destroy(map);
    return error < 0 ? damaged(layer, ".map", damage, where)
                     : layer_error(layer, error, "read the map of", ERROR_NO_OFFSET);
}

/* The file must reach as far as what the layer holds; a writable one is made as long as the volume,
 * so that zeroing never has to make it longer under writers. */
static int check_length(struct layer *layer, uint64_t size)
{
    int fd, error = use(layer, &fd);
    uint64_t length = 0;
    if (!error) {
        error = vfs_size(fd, &length);
        uint64_t must = layer->map ? map_bound(layer->map) << CLUSTER_SHIFT : size;
        if (!error && length < must) {
            leave(layer);
            return damaged(layer, ".raw", "it is shorter than what it holds", length);
        }
        if (!error && !layer->frozen && !layer->home->read_only && length != size)
            error = vfs_truncate(fd, size);
        leave(layer);
    }
    return error ? layer_error(layer, error, "open", ERROR_NO_OFFSET) : LSM_ERR_OK;
}

static void drop(struct layer *layer)
{
    if (layer->fd >= 0)
        descriptor_unpin(&layer->data);
    layer->fd = -1;
    descriptor_drop(layer->home->cache, &layer->data);
    descriptor_drop(layer->home->cache, &layer->direct);
    map_destroy(layer->map);
    layer->map = NULL;
    layer->into = NULL;
    layer->poisoned = 0;
}

int layer_open(struct layer *layer, uint64_t size)
{
    if (layer->users++ > 0)
        return LSM_ERR_OK;
    int error = pin(layer, &layer->data, 0);
    int code = LSM_ERR_OK;
    if (error == ENOENT)
        code = damaged(layer, ".raw", "it is missing", ERROR_NO_OFFSET);
    else if (error)
        code = layer_error(layer, error, "open", ERROR_NO_OFFSET);
    else if (layer->frozen)
        descriptor_unpin(&layer->data);
    else
        layer->fd = layer->data.fd;
    if (code == LSM_ERR_OK && layer->below)
        code = load_map(layer, size);
    if (code == LSM_ERR_OK)
        code = check_length(layer, size);
    if (code != LSM_ERR_OK) {
        layer->users--;
        drop(layer);
    }
    return code;
}

void layer_close(struct layer *layer)
{
    if (--layer->users == 0)
        drop(layer);
}

void layer_set_frozen(struct layer *layer)
{
    layer->frozen = true;
    if (layer->fd >= 0)
        descriptor_unpin(&layer->data);
    layer->fd = -1;
}

/* Where its descriptor cannot be had now, it is opened for each use until the next open. */
void layer_set_writable(struct layer *layer)
{
    if (layer->users && pin(layer, &layer->data, 0) == 0)
        layer->fd = layer->data.fd;
    layer->frozen = false;
    layer->touched = true;
    layer->frozen_bytes = UINT64_MAX;
}

/* --- I/O ------------------------------------------------------------------------------------- */

static int read_buffered(struct layer *layer, void *buf, uint64_t count, uint64_t offset)
{
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_read(fd, buf, count, offset);
    leave(layer);
    return error;
}

/* ?cache=none: what is aligned goes past the page cache. The rest goes through it, and the kernel
 * keeps the two in step. */
static bool goes_direct(const struct layer *layer, const void *buf, uint64_t count, uint64_t offset)
{
    return layer->home->direct && (((uintptr_t)buf | count | offset) & (CLUSTER_SIZE - 1)) == 0;
}

int layer_read(struct layer *layer, void *buf, uint64_t count, uint64_t offset)
{
    return goes_direct(layer, buf, count, offset) ? layer_read_direct(layer, buf, count, offset)
                                                  : read_buffered(layer, buf, count, offset);
}

static void set_dirty(struct layer *layer)
{
    if (atomic_load_explicit(&layer->dirty, memory_order_relaxed))
        return;
    atomic_store(&layer->touched, true);
    atomic_store(&layer->dirty, true);
}

static int write_buffered(struct layer *layer, const void *buf, uint64_t count, uint64_t offset)
{
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_write(fd, buf, count, offset);
    set_dirty(layer); /* of a write that failed a part may have arrived */
    leave(layer);
    return error;
}

int layer_write(struct layer *layer, const void *buf, uint64_t count, uint64_t offset)
{
    return goes_direct(layer, buf, count, offset) ? layer_write_direct(layer, buf, count, offset)
                                                  : write_buffered(layer, buf, count, offset);
}

static int write_zeros(int fd, uint64_t count, uint64_t offset)
{
    static const char zeros[65536];
    int error = 0;
    while (count && !error) {
        uint64_t n = count < sizeof zeros ? count : sizeof zeros;
        error = vfs_write(fd, zeros, n, offset);
        count -= n;
        offset += n;
    }
    return error;
}

int layer_zero(struct layer *layer, uint64_t count, uint64_t offset)
{
    int mode = (layer->full ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE) | FALLOC_FL_KEEP_SIZE;
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_allocate(fd, mode, offset, count);
    if (error == EOPNOTSUPP)
        error = write_zeros(fd, count, offset);
    set_dirty(layer);
    leave(layer);
    return error;
}

int layer_next_data(struct layer *layer, uint64_t offset, uint64_t end, uint64_t *data)
{
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_next_data(fd, offset, end, data);
    leave(layer);
    return error;
}

int layer_next_hole(struct layer *layer, uint64_t offset, uint64_t end, uint64_t *hole)
{
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_next_hole(fd, offset, end, hole);
    leave(layer);
    return error;
}

int layer_length(struct layer *layer, uint64_t *bytes)
{
    int fd, error = use(layer, &fd);
    if (error)
        return error;
    error = vfs_size(fd, bytes);
    leave(layer);
    return error;
}

int layer_read_direct(struct layer *layer, void *buf, uint64_t count, uint64_t offset)
{
    int error = pin(layer, &layer->direct, O_DIRECT);
    if (error == EINVAL)
        return read_buffered(layer, buf, count, offset);
    if (error)
        return error;
    error = vfs_read(layer->direct.fd, buf, count, offset);
    descriptor_unpin(&layer->direct);
    return error == EINVAL ? read_buffered(layer, buf, count, offset) : error;
}

int layer_write_direct(struct layer *layer, const void *buf, uint64_t count, uint64_t offset)
{
    int error = pin(layer, &layer->direct, O_DIRECT);
    if (error == EINVAL)
        return write_buffered(layer, buf, count, offset);
    if (error)
        return error;
    error = vfs_write(layer->direct.fd, buf, count, offset);
    descriptor_unpin(&layer->direct);
    set_dirty(layer);
    return error == EINVAL ? write_buffered(layer, buf, count, offset) : error;
}

uint64_t layer_cached(struct layer *layer, uint64_t count, uint64_t offset)
{
    struct {
        uint64_t offset, length;
    } range = {offset, count};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages = {0};
    int fd;
    if (use(layer, &fd) != 0)
        return 0;
    long failed = syscall(SYS_cachestat, fd, &range, &pages, 0);
    leave(layer);
    return failed ? 0 : pages.cached * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- flush ----------------------------------------------------------------------------------- */

static int sync_or_poison(struct layer *layer, int fd)
{
    int error = vfs_datasync(fd);
    if (error)
        layer->poisoned = error;
    return error;
}

static int store_map(struct layer *layer, const struct map_snapshot *snapshot)
{
    int fd;
    autofree char *path = layer_path(layer->home, layer->guid, ".map");
    int error = path ? vfs_open(path, O_RDWR, &fd) : ENOMEM;
    if (error)
        return error;
    if ((error = map_file_extend(fd, layer->map)) == 0 &&
        (error = map_snapshot_store(snapshot, fd)) == 0)
        error = sync_or_poison(layer, fd);
    vfs_close(&fd);
    return error;
}

static int sync_data(struct layer *layer)
{
    int fd = -1, error = layer->poisoned ? layer->poisoned : use(layer, &fd);
    if (error)
        return error;
    error = sync_or_poison(layer, fd);
    leave(layer);
    return error;
}

/* Where a base is absorbing the layer, a cleared bit speaks of data there. */
static bool take_dirt(struct layer *layer, struct layer *into)
{
    bool dirty = atomic_exchange(&layer->dirty, false);
    if (into)
        dirty = atomic_exchange(&into->dirty, false) || dirty;
    return dirty || (layer->map && map_dirty(layer->map));
}

static int flush_now(struct layer *layer)
{
    struct map_snapshot *snapshot = NULL;
    struct layer *into = layer->into; /* once: a freeze may take it away meanwhile */
    if (layer->poisoned)
        return layer->poisoned;
    if (!take_dirt(layer, into))
        return into ? into->poisoned : 0;
    int error = layer->map ? map_snapshot_take(layer->map, &snapshot) : 0;
    if (!error)
        error = sync_data(layer);
    if (!error && into)
        error = sync_data(into);
    if (!error && snapshot)
        error = store_map(layer, snapshot);
    if (!error) {
        map_snapshot_free(snapshot);
        return 0;
    }
    atomic_store(&layer->dirty, true);
    if (into)
        atomic_store(&into->dirty, true);
    if (layer->map)
        map_snapshot_return(layer->map, snapshot);
    return error;
}

int layer_flush(struct layer *layer)
{
    pthread_mutex_lock(&layer->flush.lock);
    uint64_t wanted = layer->flush.begun + 1; /* one that begins from now on */
    while (layer->flush.ended < wanted) {
        if (layer->flush.running) {
            pthread_cond_wait(&layer->flush.done, &layer->flush.lock);
            continue;
        }
        uint64_t mine = ++layer->flush.begun;
        layer->flush.running = true;
        pthread_mutex_unlock(&layer->flush.lock);
        int error = flush_now(layer);
        pthread_mutex_lock(&layer->flush.lock);
        layer->flush.running = false;
        layer->flush.ended = mine;
        layer->flush.error = error;
        pthread_cond_broadcast(&layer->flush.done);
    }
    int error = layer->flush.error;
    pthread_mutex_unlock(&layer->flush.lock);
    if (!error)
        return LSM_ERR_OK;
    int code = layer_error(layer, error, "flush", ERROR_NO_OFFSET);
    if (layer->poisoned)
        error_hint("close every handle of the volume; what the disk has is then read anew");
    return code;
}

void layer_flush_hold(struct layer *layer)
{
    LOCKED(&layer->flush.lock);
    while (layer->flush.running)
        pthread_cond_wait(&layer->flush.done, &layer->flush.lock);
    layer->flush.running = true;
}

void layer_flush_release(struct layer *layer)
{
    LOCKED(&layer->flush.lock);
    layer->flush.running = false;
    pthread_cond_broadcast(&layer->flush.done);
}

/* --- size ------------------------------------------------------------------------------------ */

int layer_resize(struct layer *layer, uint64_t size)
{
    int error = layer->map ? map_resize(layer->map, size >> CLUSTER_SHIFT) : 0;
    if (!error)
        error = vfs_truncate(layer->fd, size);
    set_dirty(layer);
    return error ? layer_error(layer, error, "resize", ERROR_NO_OFFSET) : LSM_ERR_OK;
}

/* What is cut is first unsaid, durably: a crash must not leave a file that is shorter than what its
 * map holds. */
static int cut_map(struct layer *layer, uint64_t clusters)
{
    if (!layer->map || map_bound(layer->map) <= clusters)
        return LSM_ERR_OK;
    if (map_resize(layer->map, clusters) != 0)
        return error_no_memory();
    return layer_flush(layer);
}

int layer_cut(struct layer *layer, uint64_t limit, uint64_t size)
{
    uint64_t length = 0, clusters = size >> CLUSTER_SHIFT;
    int code = cut_map(layer, limit >> CLUSTER_SHIFT);
    if (code != LSM_ERR_OK)
        return code;
    int fd, error = use(layer, &fd);
    if (error)
        return layer_error(layer, error, "open", ERROR_NO_OFFSET);
    error = vfs_size(fd, &length);
    if (!error && length > limit) {
        error = vfs_truncate(fd, limit);
        length = limit;
    }
    if (!error && length != size)
        error = vfs_truncate(fd, size);
    if (!error && layer->map)
        error = map_resize(layer->map, limit >> CLUSTER_SHIFT);
    if (!error && layer->map && clusters > limit >> CLUSTER_SHIFT)
        error = map_resize(layer->map, clusters);
    set_dirty(layer);
    layer->frozen_bytes = UINT64_MAX;
    leave(layer);
    return error ? layer_error(layer, error, "cut", ERROR_NO_OFFSET) : LSM_ERR_OK;
}

int layer_allocate(struct layer *layer, uint64_t offset, uint64_t count)
{
    int fd, error = count ? use(layer, &fd) : 0;
    if (error || !count)
        return error ? layer_error(layer, error, "open", ERROR_NO_OFFSET) : LSM_ERR_OK;
    error = vfs_allocate(fd, FALLOC_FL_KEEP_SIZE, offset, count);
    leave(layer);
    if (error == EOPNOTSUPP) /* such a file system promises nothing, and its pool's docs say so */
        error = 0;
    return error ? layer_error(layer, error, "reserve the space of", ERROR_NO_OFFSET) : LSM_ERR_OK;
}

uint64_t layer_allocated(struct layer *layer)
{
    if (layer->frozen && layer->frozen_bytes != UINT64_MAX)
        return layer->frozen_bytes;
    struct stat st;
    autofree char *path = layer_path(layer->home, layer->guid, ".raw");
    if (!path || vfs->stat(path, &st) < 0)
        return 0;
    uint64_t bytes = (uint64_t)st.st_blocks * 512;
    if (layer->frozen)
        layer->frozen_bytes = bytes;
    return bytes;
}
