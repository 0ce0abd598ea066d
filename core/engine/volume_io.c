/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data path: through the gate, to the stack, and out. Behind the gate the stack stays as it is;
 * the root's lock is never taken there.
 */
#include <errno.h>
#include <stdlib.h>

#include "volume_io.h"
#include "root.h"
#include "sync.h"
#include "../util/error.h"

struct volume_io {
    struct root *root;
    struct volume *volume;
    bool read_only;
    bool keeps_root; /* open; a job's does not: it is stopped when the root is closed */
};

static int check_relation(const struct volume *volume)
{
    if (volume->relation[0]) {
        error_set(LSM_ERR_READ_ONLY, volume->id,
                  "the volume «%s» is the target of the replication %s", volume->name,
                  volume->relation);
        error_hint("clone it, promote it, or break the replication");
        return LSM_ERR_READ_ONLY;
    }
    if (!volume->handing_over)
        return LSM_ERR_OK;
    error_set(LSM_ERR_BUSY, volume->id, "the volume «%s» is being handed over to its mirror",
              volume->name);
    error_retryable();
    return LSM_ERR_BUSY;
}

static int check_writable(const struct volume *volume)
{
    int code = check_relation(volume);
    if (code != LSM_ERR_OK)
        return code;
    if (volume->admin_state == LSM_VOLUME_ADMIN_STATE_ENABLED)
        return pool_check_writable(volume->pool);
    error_set(LSM_ERR_READ_ONLY, volume->id, "the volume «%s» is disabled", volume->name);
    error_hint("enable it, or open it for reading only");
    return LSM_ERR_READ_ONLY;
}

static int open_locked(struct root *root, const char *id, struct volume_io *io)
{
    int code = volume_get(root, id, &io->volume);
    if (code == LSM_ERR_OK && !io->read_only)
        code = check_writable(io->volume);
    if (code == LSM_ERR_OK)
        code = volume_open_stack(io->volume);
    if (code == LSM_ERR_OK && !io->read_only)
        io->volume->writers++;
    return code;
}

static int open_handle(struct root *root, const char *id, lsm_flag flags, bool keeps_root,
                       struct volume_io **io)
{
    struct volume_io *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return error_no_memory();
    fresh->root = root;
    fresh->read_only = flags & LSM_VOLUME_IO_READ_ONLY;
    fresh->keeps_root = keeps_root;
    pthread_mutex_lock(&root->lock);
    int code = open_locked(root, id, fresh);
    bool part = code == LSM_ERR_OK && fresh->volume->reread && fresh->volume->sync;
    pthread_mutex_unlock(&root->lock);
    if (code != LSM_ERR_OK) {
        free(fresh);
        return code;
    }
    if (keeps_root)
        root_reference(root);
    if (part) {
        root->guests->target_failed(root, fresh->volume);
        error_clear();
    }
    *io = fresh;
    return code;
}

int volume_io_open(struct root *root, const char *id, lsm_flag flags, struct volume_io **io)
{
    return open_handle(root, id, flags, true, io);
}

int volume_io_open_for_job(struct root *root, const char *id, struct volume_io **io)
{
    return open_handle(root, id, 0, false, io);
}

/* The last close of a volume with a map flushes it (volume_close_stack): most of that is done here,
 * where nobody waits for the root's lock. */
static void flush_before_close(struct volume_io *io)
{
    pthread_mutex_lock(&io->root->lock);
    bool last = io->volume->handles == 1 && io->volume->top->map;
    pthread_mutex_unlock(&io->root->lock);
    if (last)
        volume_io_flush(io);
    error_clear();
}

/* The mirror of a source that lost what it could not flush. The lock is let go for it. */
static void part(struct volume_io *io)
{
    struct _lsm_error *why = error_take();
    io->volume->background++; /* it stays */
    pthread_mutex_unlock(&io->root->lock);
    io->root->guests->target_failed(io->root, io->volume);
    pthread_mutex_lock(&io->root->lock);
    io->volume->background--;
    pthread_cond_broadcast(&io->root->quiet);
    error_clear();
    error_restore(why);
}

int volume_io_close(struct volume_io *io)
{
    flush_before_close(io);
    pthread_mutex_lock(&io->root->lock);
    if (!io->read_only)
        io->volume->writers--;
    int code = volume_close_stack(io->volume);
    if (io->volume->reread && io->volume->sync)
        part(io);
    pthread_mutex_unlock(&io->root->lock);
    if (io->keeps_root)
        root_release(io->root);
    free(io);
    return code;
}

uint64_t volume_io_size(const struct volume_io *io)
{
    return atomic_load_explicit(&io->volume->io_size, memory_order_relaxed);
}

/* An errno of the stack becomes the error of the call. */
static int report(const struct volume_io *io, int error, const struct layer *culprit,
                  const char *verb, uint64_t offset)
{
    if (!error)
        return LSM_ERR_OK;
    return layer_error(culprit ? culprit : io->volume->top, error, verb, offset);
}

static int refuse(const struct volume_io *io)
{
    return error_set(LSM_ERR_READ_ONLY, io->volume->id,
                     "this handle of the volume is for reading"
                     " only");
}

/* Read without a lock: disabling a volume stops the writes that come after it, not those within. */
static bool is_disabled(struct volume *volume)
{
    return atomic_load_explicit(&volume->admin_state, memory_order_relaxed) !=
           LSM_VOLUME_ADMIN_STATE_ENABLED;
}

static int may_write(const struct volume_io *io)
{
    if (io->read_only)
        return refuse(io);
    return is_disabled(io->volume) ? error_set(LSM_ERR_READ_ONLY, io->volume->id,
                                               "the volume %s is disabled", io->volume->id)
                                   : LSM_ERR_OK;
}

int volume_io_pread(struct volume_io *io, void *buf, uint64_t count, uint64_t offset)
{
    struct layer *culprit = NULL;
    unsigned slot = gate_enter(&io->volume->gate);
    int error = stack_read(io->volume->stack, buf, count, offset, &culprit);
    int code = report(io, error, culprit, "read", offset);
    gate_leave(&io->volume->gate, slot);
    return code;
}

static int flush_both(struct volume *volume)
{
    struct sync *sync = volume->sync;
    uint64_t ticket = sync ? sync_flush_begin(sync) : 0;
    int code = layer_flush(volume->stack->layers[0]);
    if (sync)
        sync_flush_end(sync, ticket);
    return code;
}

/* Out of the gate; and where a mirror's target failed, that is dealt with before the caller hears
 * of his write. */
static int leave(struct volume_io *io, unsigned slot, int code)
{
    const struct sync *sync = io->volume->sync;
    bool failed = sync && atomic_load(&sync->failed);
    gate_leave(&io->volume->gate, slot);
    if (!failed || code != LSM_ERR_OK)
        return code;
    return io->root->guests->target_failed(io->root, io->volume);
}

int volume_io_pwrite(struct volume_io *io, const void *buf, uint64_t count, uint64_t offset,
                     lsm_flag flags)
{
    struct layer *culprit = NULL;
    int code = may_write(io);
    if (code != LSM_ERR_OK)
        return code;
    struct volume *volume = io->volume;
    unsigned slot = gate_enter(&volume->gate);
    struct sync *sync = volume->sync;
    int error = sync ? sync_write(sync, buf, count, offset, &culprit)
                     : stack_write(volume->stack, &volume->locks, buf, count, offset, &culprit);
    code = report(io, error, culprit, "write", offset);
    if (code == LSM_ERR_OK && (flags & LSM_VOLUME_IO_FUA))
        code = flush_both(volume);
    return leave(io, slot, code);
}

int volume_io_zero(struct volume_io *io, uint64_t count, uint64_t offset)
{
    struct layer *culprit = NULL;
    int code = may_write(io);
    if (code != LSM_ERR_OK || !count)
        return code;
    struct volume *volume = io->volume;
    unsigned slot = gate_enter(&volume->gate);
    struct sync *sync = volume->sync;
    int error = sync ? sync_zero(sync, count, offset, &culprit)
                     : stack_zero(volume->stack, &volume->locks, count, offset, &culprit);
    code = report(io, error, culprit, "zero a part of", offset);
    return leave(io, slot, code);
}

int volume_io_flush(struct volume_io *io)
{
    if (io->read_only)
        return LSM_ERR_OK;
    unsigned slot = gate_enter(&io->volume->gate);
    return leave(io, slot, flush_both(io->volume));
}

struct extents {
    lsm_extent *items;
    uint32_t count, room;
};

/* Neighbours of one kind become one. */
static int add_extent(struct extents *list, uint64_t start, uint64_t end, uint32_t flags)
{
    if (start == end)
        return 0;
    lsm_extent *last = list->count ? &list->items[list->count - 1] : NULL;
    if (last && last->flags == flags) {
        last->length += end - start;
        return 0;
    }
    if (list->count == list->room) {
        uint32_t room = list->room ? 2 * list->room : 16;
        void *items = realloc(list->items, room * sizeof *list->items);
        if (!items)
            return ENOMEM;
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = (lsm_extent){start, end - start, flags};
    return 0;
}

static int collect(const struct stack *stack, uint64_t offset, uint64_t end, struct extents *list)
{
    while (offset < end) {
        uint64_t data, data_end;
        int error = stack_next_data(stack, offset, end, &data, &data_end);
        if (!error)
            error = add_extent(list, offset, data, LSM_EXTENT_ZERO);
        if (!error)
            error = add_extent(list, data, data_end, LSM_EXTENT_DATA);
        if (error)
            return error;
        offset = data_end;
    }
    return 0;
}

int volume_io_extents(struct volume_io *io, uint64_t count, uint64_t offset, lsm_extent **extents,
                      uint32_t *n)
{
    struct extents list = {0};
    unsigned slot = gate_enter(&io->volume->gate);
    int error = collect(io->volume->stack, offset, offset + count, &list);
    int code = report(io, error, NULL, "map", offset);
    gate_leave(&io->volume->gate, slot);
    if (code != LSM_ERR_OK) {
        free(list.items);
        return code;
    }
    *extents = list.items;
    *n = list.count;
    return code;
}
