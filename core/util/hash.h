/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands behind lsm_hash: a map of texts that keeps the order in which its keys came. It holds
 * a URI's options and the like, so it is an array that is searched from its start.
 */
#ifndef REPLICANT_UTIL_HASH_H
#define REPLICANT_UTIL_HASH_H

#include <stdbool.h>
#include <replicant/types.h>
#include "cleanup.h"

struct hash_entry {
    char *key, *value;
};

struct _lsm_hash {
    uint32_t magic;
    uint32_t count, room;
    struct hash_entry *entries;
};

struct _lsm_hash *hash_create(void); /* NULL without memory; no error is set in this file */
struct _lsm_hash *hash_copy(const struct _lsm_hash *hash);
void hash_destroy(struct _lsm_hash *hash); /* NULL is fine */
bool hash_is(const void *hash);

const char *hash_get(const struct _lsm_hash *hash, const char *key);      /* NULL: not there */
int hash_set(struct _lsm_hash *hash, const char *key, const char *value); /* or NO_MEMORY */

DEFINE_AUTO(hash, struct _lsm_hash *, hash_destroy)

#endif
