/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Block ranges: which blocks lsm_volume_replicate_range() takes from where to where.
 *
 * All three numbers are blocks of the size that lsm_volume_replicate_range_block_size() tells. A
 * range never changes once it is made. A getter on something that is no range returns 0.
 */
#ifndef REPLICANT_BLOCK_RANGE_H
#define REPLICANT_BLOCK_RANGE_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a range.
 *
 * @param source_start the first block in the source
 * @param dest_start   the first block in the target
 * @param block_count  how many blocks
 * @return the range, the caller's to free with lsm_block_range_record_free(); NULL without memory.
 * @since 0.1.0
 */
LSM_API lsm_block_range *lsm_block_range_record_alloc(uint64_t source_start, uint64_t dest_start,
                                                      uint64_t block_count);

/**
 * Copies a range.
 *
 * @return the copy, the caller's to free with lsm_block_range_record_free(); NULL if range is no
 *         range, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_block_range *lsm_block_range_record_copy(lsm_block_range *range);

/**
 * Frees a range.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if range is no range (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_block_range_record_free(lsm_block_range *range);

/**
 * Makes an array for ranges, all of it NULL at first.
 *
 * @param size how many it holds, not 0
 * @return the array, the caller's to free with lsm_block_range_record_array_free(); NULL for a size
 *         of 0, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_block_range **lsm_block_range_record_array_alloc(uint32_t size);

/**
 * Frees an array of ranges, and the ranges in it. Elements that are NULL are skipped.
 *
 * @param count how many it holds
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if ranges is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_block_range_record_array_free(lsm_block_range *ranges[], uint32_t count);

/**
 * The first block in the source.
 *
 * @since 0.1.0
 */
LSM_API uint64_t lsm_block_range_source_start_get(lsm_block_range *range);

/**
 * The first block in the target.
 *
 * @since 0.1.0
 */
LSM_API uint64_t lsm_block_range_dest_start_get(lsm_block_range *range);

/**
 * How many blocks.
 *
 * @since 0.1.0
 */
LSM_API uint64_t lsm_block_range_block_count_get(lsm_block_range *range);

#ifdef __cplusplus
}
#endif

#endif
