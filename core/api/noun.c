/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions behind noun.h's macros. None of these calls has a connection, so none leaves an
 * error; what record.c may set for want of memory stays pending and is dropped by the next call.
 */
#include "noun.h"

#include <stdlib.h>
#include <replicant/error.h>

void *noun_copy(const struct record_type *type, const void *record)
{
    return record_is(type, record) ? record_copy(type, record) : NULL;
}

int noun_free(const struct record_type *type, void *record)
{
    if (!record_is(type, record))
        return LSM_ERR_INVALID_ARGUMENT;
    record_destroy(type, record);
    return LSM_ERR_OK;
}

int noun_array_free(const struct record_type *type, void **records, uint32_t count)
{
    if (!records)
        return LSM_ERR_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < count; i++)
        if (!record_is(type, records[i]))
            return LSM_ERR_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < count; i++)
        record_destroy(type, records[i]);
    free(records);
    return LSM_ERR_OK;
}

int noun_list_settle(const struct record_type *type, struct record_list *found, int rc)
{
    if (rc != LSM_ERR_OK || found->count == 0)
        record_list_clear(found, type);
    return rc;
}
