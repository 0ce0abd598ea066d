/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block ranges: records that the caller makes. */
#include <stdlib.h>
#include <replicant/replicant.h>
#include "noun.h"

lsm_block_range *lsm_block_range_record_alloc(uint64_t source_start, uint64_t dest_start,
                                              uint64_t block_count)
{
    lsm_block_range *range = record_create(&block_range_type);
    if (range) {
        range->source_start = source_start;
        range->dest_start = dest_start;
        range->block_count = block_count;
    }
    return range;
}

lsm_block_range *lsm_block_range_record_copy(lsm_block_range *range)
{
    return noun_copy(&block_range_type, range);
}

int lsm_block_range_record_free(lsm_block_range *range)
{
    return noun_free(&block_range_type, range);
}

lsm_block_range **lsm_block_range_record_array_alloc(uint32_t size)
{
    return size ? calloc(size, sizeof(lsm_block_range *)) : NULL;
}

/* Unlike arrays that the library made, one of these may not have been filled. */
int lsm_block_range_record_array_free(lsm_block_range *ranges[], uint32_t count)
{
    if (!ranges)
        return LSM_ERR_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < count; i++)
        if (ranges[i] && !record_is(&block_range_type, ranges[i]))
            return LSM_ERR_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < count; i++)
        record_destroy(&block_range_type, ranges[i]);
    free(ranges);
    return LSM_ERR_OK;
}

DEFINE_GETTER(uint64_t, block_range, source_start, &block_range_type, 0)
DEFINE_GETTER(uint64_t, block_range, dest_start, &block_range_type, 0)
DEFINE_GETTER(uint64_t, block_range, block_count, &block_range_type, 0)
