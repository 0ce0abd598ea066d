/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volume I/O: a handle over the backend's open volume. It outlives its connection, so it has what
 * it needs of it: the ops and the serial number under which errors are kept.
 *
 * A call that succeeds costs a few loads here: the handle's magic and process, a look at this
 * thread's errors, the volume's size. Nothing is counted, locked or allocated; that no call is
 * inside when the handle is closed is the caller's part of the bargain.
 */
#include <stdlib.h>
#include <string.h>
#include "../util/cleanup.h"
#include "../util/fork.h"
#include "check.h"

#define VOLUME_IO_MAGIC 0x4c56494fu
#define LIKELY(condition) __builtin_expect(!!(condition), 1)

struct _lsm_volume_io {
    uint32_t magic;
    uint32_t generation;
    uint64_t serial;
    const struct backend_ops *ops;
    void *io;
    lsm_flag flags;
    char *volume_id; /* for messages; NULL: none */
};

/* --- into and out of a call --------------------------------------------------------------------
 */

static inline bool io_is(const lsm_volume_io *io)
{
    uint32_t magic;
    if (!io)
        return false;
    memcpy(&magic, io, sizeof magic);
    return magic == VOLUME_IO_MAGIC;
}

static inline int enter(const lsm_volume_io *io)
{
    if (!io_is(io))
        return LSM_ERR_INVALID_ARGUMENT;
    error_begin(io->serial);
    return LIKELY(io->generation == fork_generation) ? LSM_ERR_OK
                                                     : call_refuse_forked(io->serial, "I/O handle");
}

static inline int leave(const lsm_volume_io *io, int rc)
{
    return LIKELY(rc == LSM_ERR_OK) ? rc : call_settle(io->serial, rc);
}

/* --- checks ------------------------------------------------------------------------------------
 */

static int refuse_range(const lsm_volume_io *io, uint64_t count, uint64_t offset, uint64_t size)
{
    error_set(LSM_ERR_INVALID_ARGUMENT, io->volume_id,
              "offset %" PRIu64 " and length %" PRIu64 " reach past the volume's end: its size is "
              "%" PRIu64,
              offset, count, size);
    error_offset(offset);
    return LSM_ERR_INVALID_ARGUMENT;
}

static inline int check_range(const lsm_volume_io *io, uint64_t count, uint64_t offset)
{
    uint64_t size = io->ops->io_size(io->io);
    if (LIKELY(count <= size && offset <= size - count) || count == 0)
        return LSM_ERR_OK;
    return refuse_range(io, count, offset, size);
}

static inline int check_writable(const lsm_volume_io *io)
{
    if (LIKELY(!(io->flags & LSM_VOLUME_IO_READ_ONLY)))
        return LSM_ERR_OK;
    return error_set(LSM_ERR_READ_ONLY, io->volume_id, "the I/O handle was opened read-only");
}

static inline int check_call(const lsm_volume_io *io, uint64_t count, uint64_t offset,
                             lsm_flag flags, lsm_flag allowed)
{
    if (!LIKELY(!(flags & ~allowed)))
        return check_flags(flags, allowed);
    return check_range(io, count, offset);
}

/* --- open and close ----------------------------------------------------------------------------
 */

static int open_volume(lsm_connect *conn, lsm_volume *volume, lsm_volume_io *made, lsm_flag flags)
{
    *made = (lsm_volume_io){
        .magic = VOLUME_IO_MAGIC,
        .generation = conn->generation,
        .serial = conn->serial,
        .ops = conn->ops,
        .flags = flags,
    };
    TRY(record_text(&made->volume_id, volume->id));
    int rc = conn->ops->io_open(conn->b, volume, flags, &made->io);
    if (rc != LSM_ERR_OK)
        free(made->volume_id);
    return rc;
}

static int io_open(lsm_connect *conn, lsm_volume *volume, lsm_volume_io **io, lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(CHECK_OUT(io));
    TRY(check_flags(flags, LSM_VOLUME_IO_READ_ONLY));
    TRY(CHECK_SUPPORT(conn, io_open, "lsm_volume_io_open"));
    autofree lsm_volume_io *made = malloc(sizeof *made);
    if (!made)
        return error_no_memory();
    TRY(open_volume(conn, volume, made, flags));
    *io = STEAL(made);
    return LSM_ERR_OK;
}

int lsm_volume_io_open(lsm_connect *conn, lsm_volume *volume, lsm_volume_io **io, lsm_flag flags)
{
    return CALL(conn, io_open(conn, volume, io, flags));
}

int lsm_volume_io_close(lsm_volume_io *io, lsm_flag flags)
{
    TRY(enter(io));
    int rc = check_flags(flags, 0);
    if (rc != LSM_ERR_OK)
        return leave(io, rc);
    rc = leave(io, io->ops->io_close(io->io));
    free(io->volume_id);
    io->magic = 0;
    free(io);
    return rc;
}

uint64_t lsm_volume_io_size_get(lsm_volume_io *io)
{
    return io_is(io) && io->generation == fork_generation ? io->ops->io_size(io->io) : 0;
}

lsm_error_ptr lsm_volume_io_error_last_get(lsm_volume_io *io)
{
    return io_is(io) ? error_kept_take(io->serial) : NULL;
}

/* --- reading and writing -----------------------------------------------------------------------
 */

static int io_pread(const lsm_volume_io *io, void *buf, uint64_t count, uint64_t offset,
                    lsm_flag flags)
{
    TRY(check_call(io, count, offset, flags, 0));
    if (count == 0)
        return LSM_ERR_OK;
    TRY(CHECK_GIVEN(buf));
    return io->ops->io_pread(io->io, buf, count, offset);
}

int lsm_volume_io_pread(lsm_volume_io *io, void *buf, uint64_t count, uint64_t offset,
                        lsm_flag flags)
{
    TRY(enter(io));
    return leave(io, io_pread(io, buf, count, offset, flags));
}

static int io_pwrite(const lsm_volume_io *io, const void *buf, uint64_t count, uint64_t offset,
                     lsm_flag flags)
{
    TRY(check_call(io, count, offset, flags, LSM_VOLUME_IO_FUA));
    if (count > 0)
        TRY(CHECK_GIVEN(buf));
    TRY(check_writable(io));
    return count ? io->ops->io_pwrite(io->io, buf, count, offset, flags) : LSM_ERR_OK;
}

int lsm_volume_io_pwrite(lsm_volume_io *io, const void *buf, uint64_t count, uint64_t offset,
                         lsm_flag flags)
{
    TRY(enter(io));
    return leave(io, io_pwrite(io, buf, count, offset, flags));
}

static int io_write_zeroes(const lsm_volume_io *io, uint64_t count, uint64_t offset, lsm_flag flags)
{
    TRY(check_call(io, count, offset, flags, 0));
    TRY(check_writable(io));
    TRY(CHECK_SUPPORT(io, io_write_zeroes, "lsm_volume_io_write_zeroes"));
    return count ? io->ops->io_write_zeroes(io->io, count, offset) : LSM_ERR_OK;
}

int lsm_volume_io_write_zeroes(lsm_volume_io *io, uint64_t count, uint64_t offset, lsm_flag flags)
{
    TRY(enter(io));
    return leave(io, io_write_zeroes(io, count, offset, flags));
}

static int io_discard(const lsm_volume_io *io, uint64_t count, uint64_t offset, lsm_flag flags)
{
    TRY(check_call(io, count, offset, flags, 0));
    TRY(check_writable(io));
    TRY(CHECK_SUPPORT(io, io_discard, "lsm_volume_io_discard"));
    return count ? io->ops->io_discard(io->io, count, offset) : LSM_ERR_OK;
}

int lsm_volume_io_discard(lsm_volume_io *io, uint64_t count, uint64_t offset, lsm_flag flags)
{
    TRY(enter(io));
    return leave(io, io_discard(io, count, offset, flags));
}

int lsm_volume_io_flush(lsm_volume_io *io, lsm_flag flags)
{
    TRY(enter(io));
    int rc = check_flags(flags, 0);
    return leave(io, rc == LSM_ERR_OK ? io->ops->io_flush(io->io) : rc);
}

/* --- extents -----------------------------------------------------------------------------------
 */

static int io_extents(const lsm_volume_io *io, uint64_t count, uint64_t offset,
                      lsm_extent *extents[], uint32_t *n, lsm_flag flags)
{
    TRY(CHECK_OUT(extents));
    TRY(CHECK_NUMBER_OUT(n));
    TRY(check_call(io, count, offset, flags, 0));
    TRY(CHECK_SUPPORT(io, io_extents, "lsm_volume_io_extents"));
    if (count > 0)
        return io->ops->io_extents(io->io, count, offset, extents, n);
    *n = 0;
    return LSM_ERR_OK;
}

int lsm_volume_io_extents(lsm_volume_io *io, uint64_t count, uint64_t offset, lsm_extent *extents[],
                          uint32_t *n, lsm_flag flags)
{
    TRY(enter(io));
    return leave(io, io_extents(io, count, offset, extents, n, flags));
}

int lsm_extent_array_free(lsm_extent *extents)
{
    if (!extents)
        return LSM_ERR_INVALID_ARGUMENT;
    free(extents);
    return LSM_ERR_OK;
}
