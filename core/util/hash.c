/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Setting a key again keeps its place. A call that fails has changed nothing. */
#include "hash.h"

#include <replicant/error.h>
#include <stdlib.h>
#include <string.h>

#define HASH_MAGIC 0x4c485348u

struct _lsm_hash *hash_create(void)
{
    struct _lsm_hash *hash = calloc(1, sizeof *hash);
    if (hash)
        hash->magic = HASH_MAGIC;
    return hash;
}

bool hash_is(const void *hash)
{
    uint32_t magic;
    if (!hash)
        return false;
    memcpy(&magic, hash, sizeof magic);
    return magic == HASH_MAGIC;
}

void hash_destroy(struct _lsm_hash *hash)
{
    if (!hash)
        return;
    for (uint32_t i = 0; i < hash->count; i++) {
        free(hash->entries[i].key);
        free(hash->entries[i].value);
    }
    free(hash->entries);
    hash->magic = 0;
    free(hash);
}

static struct hash_entry *find(const struct _lsm_hash *hash, const char *key)
{
    for (uint32_t i = 0; i < hash->count; i++)
        if (strcmp(hash->entries[i].key, key) == 0)
            return &hash->entries[i];
    return NULL;
}

const char *hash_get(const struct _lsm_hash *hash, const char *key)
{
    const struct hash_entry *entry = find(hash, key);
    return entry ? entry->value : NULL;
}

static bool make_room(struct _lsm_hash *hash)
{
    if (hash->count < hash->room)
        return true;
    uint32_t room = hash->room ? hash->room * 2 : 8;
    struct hash_entry *entries =
        room > hash->room ? reallocarray(hash->entries, room, sizeof *entries) : NULL;
    if (!entries)
        return false;
    hash->entries = entries;
    hash->room = room;
    return true;
}

int hash_set(struct _lsm_hash *hash, const char *key, const char *value)
{
    struct hash_entry *entry = find(hash, key);
    autofree char *new_value = strdup(value);
    autofree char *new_key = entry ? NULL : strdup(key);

    if (!new_value || (!entry && (!new_key || !make_room(hash))))
        return LSM_ERR_NO_MEMORY;
    if (entry)
        free(entry->value);
    else
        entry = &hash->entries[hash->count++], entry->key = STEAL(new_key);
    entry->value = STEAL(new_value);
    return LSM_ERR_OK;
}

struct _lsm_hash *hash_copy(const struct _lsm_hash *hash)
{
    AUTO(hash) struct _lsm_hash *copy = hash_create();
    for (uint32_t i = 0; copy && i < hash->count; i++)
        if (hash_set(copy, hash->entries[i].key, hash->entries[i].value) != LSM_ERR_OK)
            return NULL;
    return STEAL(copy);
}
