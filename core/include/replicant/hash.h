/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hashes: texts by text, as a URI's query parameters come.
 *
 * The hash owns copies of its keys and values. It is the caller's, and not thread-safe while it is
 * being changed. Nothing here leaves an error record.
 */
#ifndef REPLICANT_HASH_H
#define REPLICANT_HASH_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes an empty hash.
 *
 * @return the hash, the caller's to free with lsm_hash_free(); NULL without memory.
 * @since 0.1.0
 */
LSM_API lsm_hash *lsm_hash_alloc(void);

/**
 * Frees a hash with its keys and values.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if hash is no hash (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_hash_free(lsm_hash *hash);

/**
 * Copies a hash with its keys and values.
 *
 * @return the copy, the caller's to free with lsm_hash_free(); NULL if hash is no hash, or without
 *         memory.
 * @since 0.1.0
 */
LSM_API lsm_hash *lsm_hash_copy(lsm_hash *hash);

/**
 * Lists the keys, in no particular order.
 *
 * @param keys becomes the list, the caller's to free with lsm_string_list_free(); NULL where
 *             there are none
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_hash_keys(lsm_hash *hash, lsm_string_list **keys);

/**
 * Looks a value up.
 *
 * @return the value, which lives until it is set anew or the hash freed; NULL where the key is not
 *         there, key is NULL, or hash is no hash.
 * @since 0.1.0
 */
LSM_API const char *lsm_hash_string_get(lsm_hash *hash, const char *key);

/**
 * Sets a value, in place of one that the key may have.
 *
 * @param key   copied
 * @param value copied
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_hash_string_set(lsm_hash *hash, const char *key, const char *value);

#ifdef __cplusplus
}
#endif

#endif
