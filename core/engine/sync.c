/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Order in a write: intent, a lock on its clusters, the source and the target, and off the lock.
 * The caller's buffer is copied first: one that changes under the write must not make the sides
 * differ. The two are written at the same time, but where that takes longer: a few pages of the
 * page cache are there before a thread is awake, so they are for one that watches, and only while
 * one writer is alone; and where more writers are about than there are helpers, they keep both
 * disks busy as it is.
 *
 * A write that failed on the source may have arrived in part, or on the target alone. What the
 * source has now is read back and given to the target, so that the two are equal again before
 * anybody is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

#define PIECE (1u << 20)
#define SMALL (16u << 10) /* is copied to the stack */
#define LONG (64u << 10)  /* takes longer to write into the page cache than to wake a helper */
#define WORD_SIZE (64ull << CLUSTER_SHIFT)
#define CLUSTER_MASK (CLUSTER_SIZE - 1ull)

/* --- the log --------------------------------------------------------------------------------- */

static uint64_t regions(uint64_t size)
{
    return (size + REGION_SIZE - 1) >> REGION_SHIFT;
}

static int log_error(const char *path, int error, const char *verb)
{
    if (error == ENOMEM)
        return error_no_memory();
    return error_set_errno(error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, path,
                           "cannot %s the write-intent log %s", verb, path);
}

static int write_log(int fd, const char *id, struct map *intent)
{
    struct map_snapshot *snapshot = NULL;
    int error = map_file_init(fd, id);
    if (!error && intent)
        error = map_snapshot_take(intent, &snapshot);
    if (!error && snapshot && (error = map_file_extend(fd, intent)) == 0)
        error = map_snapshot_store(snapshot, fd);
    map_snapshot_free(snapshot);
    return error ? error : vfs_datasync(fd);
}

/* Beside what may be there and then in its place, so that a crash finds the one or the other,
 * whole. A copy of a map counts all its bits as new. */
int sync_log_create(const char *path, const char *id, const struct map *intent)
{
    autofree char *fresh = NULL;
    struct map *all = intent ? map_copy(intent) : NULL;
    int fd = -1, error = (intent && !all) || asprintf(&fresh, "%s.new", path) < 0 ? ENOMEM : 0;
    if (!error && (error = vfs_open(fresh, O_RDWR | O_CREAT | O_TRUNC, &fd)) == 0)
        error = write_log(fd, id, all);
    vfs_close(&fd);
    map_destroy(all);
    if (!error && vfs->rename(fresh, path) < 0)
        error = errno;
    if (!error)
        error = vfs_sync_parent(path);
    else if (fresh)
        vfs_unlink(fresh);
    return error ? log_error(path, error, "make") : LSM_ERR_OK;
}

int sync_log_load(const char *path, const char *id, uint64_t size, struct map **intent)
{
    const char *damage = NULL;
    uint64_t where;
    int fd, error = vfs_open(path, O_RDWR, &fd);
    *intent = NULL;
    if (error == ENOENT)
        return LSM_ERR_OK;
    struct map *map = error ? NULL : map_create(regions(size));
    if (!error)
        error = map ? map_file_load(fd, id, map, &damage, &where) : ENOMEM;
    vfs_close(&fd);
    if (!error) {
        *intent = map;
        return LSM_ERR_OK;
    }
    map_destroy(map);
    if (error > 0)
        return log_error(path, error, "read");
    error_set(LSM_ERR_DAMAGED, path, "the write-intent log %s cannot be believed: %s", path,
              damage);
    error_offset(where);
    return LSM_ERR_DAMAGED;
}

int sync_log_fill(const char *path, const char *id, uint64_t size, struct map **intent)
{
    struct map *all = map_create(regions(size));
    if (!all || map_reserve(all, 0, regions(size)) != 0) {
        map_destroy(all);
        return error_no_memory();
    }
    map_name(all, id);
    map_set(all, 0, regions(size));
    int code = sync_log_create(path, id, all);
    if (code == LSM_ERR_OK)
        *intent = all;
    else
        map_destroy(all);
    return code;
}

static int store_map(const char *path, struct map *intent, bool durable)
{
    struct map_snapshot *snapshot;
    int fd = -1, error = map_snapshot_take(intent, &snapshot);
    if (error || !snapshot)
        return error;
    error = vfs_open(path, O_RDWR, &fd);
    if (!error && (error = map_file_extend(fd, intent)) == 0 &&
        (error = map_snapshot_store(snapshot, fd)) == 0 && durable)
        error = vfs_datasync(fd);
    vfs_close(&fd);
    if (error)
        map_snapshot_return(intent, snapshot);
    else
        map_snapshot_free(snapshot);
    return error;
}

static int store_log(struct sync *sync, bool durable)
{
    return store_map(sync->intent_path, sync->intent, durable);
}

static bool has(const struct map *map, uint64_t region)
{
    return map_word(map, region / 64) >> (region % 64) & 1;
}

/* A region is recent only after its intent is durable, so who sees it recent may go on. */
static int intend(struct sync *sync, uint64_t count, uint64_t offset)
{
    uint64_t first = offset >> REGION_SHIFT, last = (offset + count - 1) >> REGION_SHIFT, r = first;
    while (r <= last && has(sync->recent, r))
        r++;
    if (r > last)
        return 0;
    LOCKED(&sync->intent_lock);
    int error = map_reserve(sync->intent, first, last - first + 1);
    if (!error)
        error = map_reserve(sync->recent, first, last - first + 1);
    if (!error) {
        map_set(sync->intent, first, last - first + 1);
        error = map_dirty(sync->intent) ? store_log(sync, true) : 0;
    }
    if (!error)
        map_set(sync->recent, first, last - first + 1);
    return error;
}

void sync_log_clear(struct sync *sync)
{
    map_clear(sync->intent, 0, regions(sync->source->size));
    store_log(sync, false);
}

static void buffers_free(struct sync *sync)
{
    for (int i = 0; i < SYNC_SPARES; i++)
        free(atomic_exchange(&sync->spares[i], NULL));
}

/* A mirror that is idle keeps no buffers. */
void sync_sweep_begin(struct sync *sync)
{
    buffers_free(sync);
    gate_close(&sync->source->gate);
    map_clear(sync->recent, 0, regions(sync->source->size));
    gate_open(&sync->source->gate);
}

void sync_sweep_end(struct sync *sync)
{
    gate_close(&sync->source->gate);
    for (uint64_t r = 0; r < regions(sync->source->size); r++)
        if (has(sync->intent, r) && !has(sync->recent, r))
            map_clear(sync->intent, r, 1);
    store_log(sync, false); /* lazily: a bit too many costs a comparison */
    gate_open(&sync->source->gate);
}

/* --- the flusher ----------------------------------------------------------------------------- */

static void *flush_for_others(void *argument)
{
    struct sync *sync = argument;
    pthread_mutex_lock(&sync->flusher.lock);
    while (!sync->flusher.stop) {
        if (sync->flusher.done == sync->flusher.wanted) {
            pthread_cond_wait(&sync->flusher.asked, &sync->flusher.lock);
            continue;
        }
        uint64_t mine = sync->flusher.wanted;
        pthread_mutex_unlock(&sync->flusher.lock);
        sync_flush(sync);
        pthread_mutex_lock(&sync->flusher.lock);
        sync->flusher.done = mine;
        pthread_cond_broadcast(&sync->flusher.served);
    }
    pthread_mutex_unlock(&sync->flusher.lock);
    return NULL;
}

/* Without a thread (none can be made) the end does it itself: ticket 0. */
uint64_t sync_flush_begin(struct sync *sync)
{
    LOCKED(&sync->flusher.lock);
    if (!sync->flusher.running)
        sync->flusher.running =
            pthread_create(&sync->flusher.thread, NULL, flush_for_others, sync) == 0;
    if (!sync->flusher.running)
        return 0;
    pthread_cond_signal(&sync->flusher.asked);
    return ++sync->flusher.wanted;
}

void sync_flush_end(struct sync *sync, uint64_t ticket)
{
    if (!ticket) {
        sync_flush(sync);
        return;
    }
    LOCKED(&sync->flusher.lock);
    while (sync->flusher.done < ticket)
        pthread_cond_wait(&sync->flusher.served, &sync->flusher.lock);
}

static void flusher_stop(struct sync *sync)
{
    pthread_mutex_lock(&sync->flusher.lock);
    sync->flusher.stop = true;
    pthread_cond_signal(&sync->flusher.asked);
    pthread_mutex_unlock(&sync->flusher.lock);
    if (sync->flusher.running)
        pthread_join(sync->flusher.thread, NULL);
    pthread_cond_destroy(&sync->flusher.asked);
    pthread_cond_destroy(&sync->flusher.served);
    pthread_mutex_destroy(&sync->flusher.lock);
}

/* --- making ---------------------------------------------------------------------------------- */

struct sync *sync_create(struct volume *source, struct volume *target, const char *id,
                         const char *log_path, struct map *intent)
{
    struct sync *sync = calloc(1, sizeof *sync);
    if (sync) {
        cluster_locks_init(&sync->order);
        cluster_locks_init(&sync->hidden_locks);
        pthread_mutex_init(&sync->intent_lock, NULL);
        helpers_init(&sync->helpers);
        pthread_mutex_init(&sync->flusher.lock, NULL);
        pthread_cond_init(&sync->flusher.asked, NULL);
        pthread_cond_init(&sync->flusher.served, NULL);
        sync->source = source;
        sync->target = target;
        sync->intent = intent ? intent : map_create(regions(source->size));
        sync->recent = map_create(regions(source->size));
        sync->intent_path = strdup(log_path);
        if (sync->intent)
            map_name(sync->intent, id);
        if (sync->intent && sync->recent && sync->intent_path)
            return sync;
        if (intent)
            sync->intent = NULL; /* it stays the caller's */
        sync_destroy(sync);
    }
    error_no_memory();
    return NULL;
}

void sync_destroy(struct sync *sync)
{
    if (!sync)
        return;
    flusher_stop(sync);
    helpers_finish(&sync->helpers);
    buffers_free(sync);
    map_destroy(sync->intent);
    map_destroy(sync->recent);
    cluster_locks_finish(&sync->order);
    cluster_locks_finish(&sync->hidden_locks);
    pthread_mutex_destroy(&sync->intent_lock);
    free(sync->intent_path);
    free(sync);
}

/* --- the target's side ----------------------------------------------------------------------- */

static void note_failure(struct sync *sync, int error, uint64_t offset)
{
    int none = 0;
    if (error && atomic_compare_exchange_strong(&sync->failed, &none, error))
        sync->failed_at = offset;
}

/* Bytes, or zeros where there is no buffer, into the target as it stands. */
static int put(struct sync *sync, const char *buf, uint64_t count, uint64_t offset)
{
    struct volume *target = sync->target;
    const struct stack *hidden = sync->hidden;
    unsigned slot = hidden ? 0 : gate_enter(&target->gate);
    const struct stack *stack = hidden ? hidden : target->stack;
    struct cluster_locks *locks = hidden ? &sync->hidden_locks : &target->locks;
    int error = buf ? stack_write(stack, locks, buf, count, offset, NULL)
                    : stack_zero(stack, locks, count, offset, NULL);
    if (!hidden)
        gate_leave(&target->gate, slot);
    return error;
}

/* What the source has now in the clusters of this range, whole. */
static int put_back(struct sync *sync, uint64_t count, uint64_t offset)
{
    uint64_t start = offset & ~CLUSTER_MASK;
    uint64_t end = (offset + count + CLUSTER_MASK) & ~CLUSTER_MASK;
    autofree char *whole = malloc(end - start);
    int error = whole ? stack_read(sync->source->stack, whole, end - start, start, NULL) : ENOMEM;
    return error ? error : put(sync, whole, end - start, start);
}

/* --- both ------------------------------------------------------------------------------------ */

/* The words that a piece touches, locked in rising order. */
struct order {
    struct cluster_lock locks[PIECE / WORD_SIZE + 1];
    unsigned count;
};

static void order_lock(struct sync *sync, struct order *order, uint64_t count, uint64_t offset)
{
    uint64_t first = offset / WORD_SIZE, last = (offset + count - 1) / WORD_SIZE;
    order->count = 0;
    for (uint64_t word = first; word <= last; word++) {
        struct cluster_lock *lock = &order->locks[order->count++];
        *lock = (struct cluster_lock){.word = word,
                                      .clusters = cluster_mask(word, offset, offset + count)};
        cluster_lock_take(&sync->order, lock);
    }
}

static void order_unlock(struct sync *sync, struct order *order)
{
    for (unsigned i = 0; i < order->count; i++)
        cluster_lock_give(&sync->order, &order->locks[i]);
}

/* The target's part of a piece, for a helper. */
struct part {
    struct errand errand;
    struct sync *sync;
    const char *buf;
    uint64_t count, offset;
};

static int put_part(struct errand *errand)
{
    const struct part *part = (const struct part *)errand;
    return put(part->sync, part->buf, part->count, part->offset);
}

static bool takes_long(const struct sync *sync, uint64_t count, uint64_t offset)
{
    bool direct = sync->target->pool->home.direct && !((count | offset) & CLUSTER_MASK);
    return direct || count >= LONG;
}

/* Whether the target's part goes on beside the source's. Where it fills, it comes after. */
static bool begin_part(struct part *part)
{
    struct sync *sync = part->sync;
    if (sync->filling || atomic_load(&sync->failed))
        return false;
    if (takes_long(sync, part->count, part->offset))
        return helpers_begin(&sync->helpers, &part->errand);
    return atomic_load_explicit(&sync->writers, memory_order_relaxed) == 1 &&
           helpers_offer(&sync->helpers, &part->errand);
}

static int piece(struct sync *sync, const char *buf, uint64_t count, uint64_t offset,
                 struct layer **culprit)
{
    struct volume *source = sync->source;
    struct part part = {{.run = put_part}, sync, buf, count, offset};
    struct order order;
    int error = intend(sync, count, offset);
    if (error)
        return error;
    atomic_fetch_add(&sync->writers, 1);
    order_lock(sync, &order, count, offset);
    bool beside = begin_part(&part);
    error = buf ? stack_write(source->stack, &source->locks, buf, count, offset, culprit)
                : stack_zero(source->stack, &source->locks, count, offset, culprit);
    int other = beside ? helpers_end(&sync->helpers, &part.errand) : 0;
    if (!atomic_load(&sync->failed)) {
        if (error || sync->filling)
            other = put_back(sync, count, offset);
        else if (!beside)
            other = put(sync, buf, count, offset);
        note_failure(sync, other, offset);
    }
    order_unlock(sync, &order);
    atomic_fetch_sub(&sync->writers, 1);
    return error;
}

/* Buffers of a piece: memory that is fresh from the system costs more than the copying. */
static char *buffer_take(struct sync *sync)
{
    for (int i = 0; i < SYNC_SPARES; i++) {
        char *buffer = atomic_exchange(&sync->spares[i], NULL);
        if (buffer)
            return buffer;
    }
    return aligned_alloc(CLUSTER_SIZE, PIECE);
}

static void buffer_give(struct sync *sync, char *buffer)
{
    for (int i = 0; i < SYNC_SPARES; i++)
        buffer = atomic_exchange(&sync->spares[i], buffer);
    free(buffer);
}

static int write_stable(struct sync *sync, char *stable, const char *buf, uint64_t count,
                        uint64_t offset, struct layer **culprit)
{
    int error = 0;
    while (count && !error) {
        uint64_t n = PIECE - offset % PIECE < count ? PIECE - offset % PIECE : count;
        memcpy(stable, buf, n);
        error = piece(sync, stable, n, offset, culprit);
        buf += n;
        offset += n;
        count -= n;
    }
    return error;
}

/* Stable copies are aligned: what is not does not go past the page cache. */
int sync_write(struct sync *sync, const void *buf, uint64_t count, uint64_t offset,
               struct layer **culprit)
{
    _Alignas(CLUSTER_SIZE) char small[SMALL];
    if (count <= SMALL)
        return write_stable(sync, small, buf, count, offset, culprit);
    char *large = buffer_take(sync);
    int error = large ? write_stable(sync, large, buf, count, offset, culprit) : ENOMEM;
    buffer_give(sync, large);
    return error;
}

int sync_zero(struct sync *sync, uint64_t count, uint64_t offset, struct layer **culprit)
{
    int error = 0;
    while (count && !error) {
        uint64_t n = PIECE - offset % PIECE < count ? PIECE - offset % PIECE : count;
        error = piece(sync, NULL, n, offset, culprit);
        offset += n;
        count -= n;
    }
    return error;
}

void sync_flush(struct sync *sync)
{
    if (atomic_load(&sync->failed))
        return;
    struct volume *target = sync->target;
    unsigned slot = sync->hidden ? 0 : gate_enter(&target->gate);
    struct layer *top = sync->hidden ? sync->hidden->layers[0] : target->stack->layers[0];
    int code = layer_flush(top);
    if (!sync->hidden)
        gate_leave(&target->gate, slot);
    if (code != LSM_ERR_OK)
        note_failure(sync, error_pending_errno() ? error_pending_errno() : EIO, UINT64_MAX);
    error_clear();
}
