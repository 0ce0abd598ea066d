/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the file of every noun repeats: copying and freeing records, and getters.
 *
 *     DEFINE_RECORD(pool, &pool_type)
 *     DEFINE_GETTER(uint64_t, pool, total_space, &pool_type, 0)      the last: for no record
 */
#ifndef REPLICANT_API_NOUN_H
#define REPLICANT_API_NOUN_H

#include "../record.h"

#define DEFINE_RECORD(noun, type)                                                                  \
    lsm_##noun *lsm_##noun##_record_copy(lsm_##noun *noun)                                         \
    {                                                                                              \
        return noun_copy((type), noun);                                                            \
    }                                                                                              \
    int lsm_##noun##_record_free(lsm_##noun *noun)                                                 \
    {                                                                                              \
        return noun_free((type), noun);                                                            \
    }                                                                                              \
    int lsm_##noun##_record_array_free(lsm_##noun *noun##s[], uint32_t count)                      \
    {                                                                                              \
        return noun_array_free((type), (void **)noun##s, count);                                   \
    }

#define DEFINE_GETTER(result, noun, field, type, otherwise)                                        \
    result lsm_##noun##_##field##_get(lsm_##noun *noun)                                            \
    {                                                                                              \
        return record_is((type), noun) ? noun->field : (otherwise);                                \
    }

void *noun_copy(const struct record_type *type, const void *record); /* NULL: no such record */
int noun_free(const struct record_type *type, void *record);

/* All or nothing: nothing is freed where one element is no such record. */
int noun_array_free(const struct record_type *type, void **records, uint32_t count);

/* Ends a listing: on failure what was found is freed. Returns rc. */
int noun_list_settle(const struct record_type *type, struct record_list *found, int rc);

#endif
