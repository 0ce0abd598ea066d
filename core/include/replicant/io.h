/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volume I/O: reading and writing what a volume holds.
 *
 * A handle outlives the connection that it was opened on, until its own close. Any number of
 * threads may use one handle, and a volume may have any number of handles; writers to different
 * places do not wait for each other. Of two writes that overlap in time, either may win where they
 * overlap in place.
 *
 * What was flushed, or written with FUA, is there after a power cut. What was not may be gone, 512
 * bytes by 512 bytes, but nothing older is lost with it. lsm_volume_io_close() does not flush.
 *
 * Offsets and counts are bytes, of any alignment. A range that reaches past the volume's end is
 * LSM_ERR_INVALID_ARGUMENT, and nothing is done; a count of 0 is fine. A call does all of it or
 * returns an error; after an error, what the range holds is undefined until it is written again.
 *
 * Errors are kept with the connection, per thread, as for other calls; when the connection is
 * closed lsm_volume_io_error_last_get() reaches them.
 */
#ifndef REPLICANT_IO_H
#define REPLICANT_IO_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Opens a volume for reading and writing.
 *
 * @param io    becomes the handle, which the caller ends with lsm_volume_io_close()
 * @param flags 0, or LSM_VOLUME_IO_READ_ONLY
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_READ_ONLY (for
 *         writing: a mirror's target, or a disabled volume), LSM_ERR_BUSY (for writing: a planned
 *         promotion is under way), LSM_ERR_NO_SUPPORT, LSM_ERR_DAMAGED, LSM_ERR_IO, or
 *         LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_open(lsm_connect *conn, lsm_volume *volume, lsm_volume_io **io,
                               lsm_flag flags);

/**
 * Closes a handle and frees it. No other thread may be using it. Nothing is flushed.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if io is no handle (NULL included). Once the
 *         arguments are accepted the handle is gone, whatever is returned.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_close(lsm_volume_io *io, lsm_flag flags);

/**
 * How large the volume is now. A resize shows here at once.
 *
 * @return bytes; 0 if io is no handle.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_io_size_get(lsm_volume_io *io);

/**
 * Reads.
 *
 * @param buf    where the bytes go
 * @param count  how many
 * @param offset from where
 * @return LSM_ERR_OK (all of them were read), LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_pread(lsm_volume_io *io, void *buf, uint64_t count, uint64_t offset,
                                lsm_flag flags);

/**
 * Writes.
 *
 * @param buf    the bytes
 * @param count  how many
 * @param offset to where
 * @param flags  0, or LSM_VOLUME_IO_FUA: these bytes are durable when the call returns
 * @return LSM_ERR_OK (all of them were written), LSM_ERR_INVALID_ARGUMENT, LSM_ERR_READ_ONLY,
 *         LSM_ERR_NOT_ENOUGH_SPACE, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_pwrite(lsm_volume_io *io, const void *buf, uint64_t count,
                                 uint64_t offset, lsm_flag flags);

/**
 * Makes bytes read as zeros, without writing them where that can be avoided.
 *
 * @param count  how many
 * @param offset from where
 * @return as lsm_volume_io_pwrite().
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_write_zeroes(lsm_volume_io *io, uint64_t count, uint64_t offset,
                                       lsm_flag flags);

/**
 * Tells that bytes are no longer needed. They read as zeros, and a THIN volume gives their space
 * back where it can.
 *
 * @param count  how many
 * @param offset from where
 * @return as lsm_volume_io_pwrite().
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_discard(lsm_volume_io *io, uint64_t count, uint64_t offset,
                                  lsm_flag flags);

/**
 * Makes durable whatever was written, by any handle, before this call.
 *
 * Once the storage has failed a flush, each later one fails, too, until all handles of the volume
 * are closed: what was lost in the first does not come back.
 *
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_flush(lsm_volume_io *io, lsm_flag flags);

/**
 * Tells which parts of a range hold data and which are known to be zeros.
 *
 * @param count   how many bytes
 * @param offset  from where
 * @param extents becomes an array that covers the range without gaps, in order, neighbours always
 *                of different kinds; the caller's to free with lsm_extent_array_free(); NULL for a
 *                count of 0
 * @param n       becomes how many there are
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NO_SUPPORT, LSM_ERR_NO_MEMORY, or
 *         LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_io_extents(lsm_volume_io *io, uint64_t count, uint64_t offset,
                                  lsm_extent *extents[], uint32_t *n, lsm_flag flags);

/**
 * Frees an array of extents.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if extents is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_extent_array_free(lsm_extent *extents);

/**
 * Hands over the error of this thread's last failed call, as lsm_error_last_get() does for the
 * handle's connection, which may be closed.
 *
 * @return the record, which the caller frees with lsm_error_free(); NULL where there is none, or if
 *         io is no handle.
 * @since 0.1.0
 */
LSM_API lsm_error_ptr lsm_volume_io_error_last_get(lsm_volume_io *io);

#ifdef __cplusplus
}
#endif

#endif
