/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public face of util/hash.h: checks, then the map. */
#include "../util/hash.h"

#include <replicant/replicant.h>
#include "../util/string_list.h"

lsm_hash *lsm_hash_alloc(void)
{
    return hash_create();
}

int lsm_hash_free(lsm_hash *hash)
{
    if (!hash_is(hash))
        return LSM_ERR_INVALID_ARGUMENT;
    hash_destroy(hash);
    return LSM_ERR_OK;
}

lsm_hash *lsm_hash_copy(lsm_hash *hash)
{
    return hash_is(hash) ? hash_copy(hash) : NULL;
}

int lsm_hash_keys(lsm_hash *hash, lsm_string_list **keys)
{
    if (!hash_is(hash) || !keys || *keys)
        return LSM_ERR_INVALID_ARGUMENT;
    if (hash->count == 0)
        return LSM_ERR_OK;
    AUTO(string_list) lsm_string_list *list = string_list_create(0);
    if (!list)
        return LSM_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < hash->count; i++)
        if (string_list_append(list, hash->entries[i].key) != LSM_ERR_OK)
            return LSM_ERR_NO_MEMORY;
    *keys = STEAL(list);
    return LSM_ERR_OK;
}

const char *lsm_hash_string_get(lsm_hash *hash, const char *key)
{
    return hash_is(hash) && key ? hash_get(hash, key) : NULL;
}

int lsm_hash_string_set(lsm_hash *hash, const char *key, const char *value)
{
    return hash_is(hash) && key && value ? hash_set(hash, key, value) : LSM_ERR_INVALID_ARGUMENT;
}
