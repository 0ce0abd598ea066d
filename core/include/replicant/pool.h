/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools: where volumes live, and take their space from.
 *
 * Under `dir:///srv/pool` a pool is a directory in that root, or a symbolic link there to one on
 * another file system. It carries everything about itself: moved to another machine it opens there
 * with all its volumes. An empty root gets the pool `default` when it is first connected to.
 *
 * A pool that is there but cannot be opened (its catalog is damaged, or of a newer version; its
 * disk does not answer) does not keep the others from being used. It is listed with
 * LSM_POOL_STATUS_ERROR, the reason in its status_info, no space and, where its id cannot be read,
 * its name for an id. Every call that names it, or a volume that may be in it, fails for that
 * reason: LSM_ERR_DAMAGED, LSM_ERR_NO_SUPPORT (a newer version), LSM_ERR_IO and so on. To mirrors
 * it is away. Its files are left as they are; it is tried again when the root is opened anew. A
 * root of which no pool can be opened refuses the connection for the reason of the first.
 *
 * A pool's name is 1 to 64 characters of A–Z, a–z, 0–9, '.', '_' and '-', without a leading dot; it
 * names the directory. Texts of a record live as long as the record.
 */
#ifndef REPLICANT_POOL_H
#define REPLICANT_POOL_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Lists pools.
 *
 * @param key   what to look for: "id" or "system_id"; NULL: all pools
 * @param value what it must equal; not NULL when key is given
 * @param pools becomes the array, the caller's to free with lsm_pool_record_array_free(); NULL
 *              where nothing was found
 * @param count becomes how many were found
 * @return LSM_ERR_OK (also when nothing was found), LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_NO_MEMORY, or a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_pool_list(lsm_connect *conn, char *key, char *value, lsm_pool **pools[],
                          uint32_t *count, lsm_flag flags);

/**
 * Makes an empty pool.
 *
 * @param name        its name
 * @param directory   an empty directory for it, given in full, to which the root gets a symbolic
 *                    link; NULL: a new directory in the root
 * @param limit_bytes bytes that its volumes may take together; 0: what its file system has
 * @param pool        becomes its record, the caller's to free with lsm_pool_record_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NAME_CONFLICT, LSM_ERR_PERMISSION_DENIED,
 *         LSM_ERR_BUSY (the directory belongs to a pool that is open elsewhere),
 *         LSM_ERR_NOT_ENOUGH_SPACE, LSM_ERR_IO, or LSM_ERR_NO_SUPPORT.
 * @since 0.1.0
 */
LSM_API int lsm_pool_create(lsm_connect *conn, const char *name, const char *directory,
                            uint64_t limit_bytes, lsm_pool **pool, lsm_flag flags);

/**
 * Deletes a pool that has no volumes.
 *
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_POOL,
 *         LSM_ERR_HAS_CHILD_DEPENDENCY (it is not empty, or being checked), LSM_ERR_IO, or
 *         LSM_ERR_NO_SUPPORT.
 * @since 0.1.0
 */
LSM_API int lsm_pool_delete(lsm_connect *conn, lsm_pool *pool, lsm_flag flags);

/**
 * Reads a pool through and finds what is damaged, while it is used: a job of LSM_JOB_KIND_CHECK.
 *
 * It looks at the catalog, at each layer's map (which has checksums) and at the length of each data
 * file, and reads all data that is there, past the page cache where the file system can: so what
 * the disk cannot give back is found before somebody needs it. Of data that can be read nobody can
 * say whether it is what was written. Nothing is mended, and nothing but the job's row is written.
 *
 * The job ends DONE if nothing was found; else FAILED with LSM_ERR_DAMAGED, saying how many files
 * are damaged and, of the first, which volume needs it, the path, and where that is known the byte.
 * It has the verbs of other jobs: lsm_job_rate_limit_set() keeps it from taking the disk from
 * others. A pool has one check at a time: while one is under way its id is given again.
 *
 * @param job becomes the job's id, the caller's to free with lsm_job_free()
 * @return LSM_ERR_JOB_STARTED, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_POOL, LSM_ERR_READ_ONLY
 *         (there is no place for the job's row), LSM_ERR_NOT_ENOUGH_SPACE, LSM_ERR_IO,
 *         LSM_ERR_NO_SUPPORT, or why the pool could not be opened.
 * @since 0.1.0
 */
LSM_API int lsm_pool_check(lsm_connect *conn, lsm_pool *pool, char **job, lsm_flag flags);

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_pool_record_free(); NULL if pool is no pool
 *         record, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_pool *lsm_pool_record_copy(lsm_pool *pool);

/**
 * Frees a record.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if pool is no pool record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_pool_record_free(lsm_pool *pool);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if pools is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_pool_record_array_free(lsm_pool *pools[], uint32_t count);

/**
 * The id, by which calls and other records name the pool.
 *
 * @return the id, not to be changed; NULL if pool is no pool record.
 * @since 0.1.0
 */
LSM_API char *lsm_pool_id_get(lsm_pool *pool);

/**
 * The name.
 *
 * @return the name, not to be changed; NULL if pool is no pool record.
 * @since 0.1.0
 */
LSM_API char *lsm_pool_name_get(lsm_pool *pool);

/**
 * The id of the system that offers the pool.
 *
 * @return the id, not to be changed; NULL if pool is no pool record.
 * @since 0.1.0
 */
LSM_API char *lsm_pool_system_id_get(lsm_pool *pool);

/**
 * How large the pool is: its file system, or the limit that it was made with.
 *
 * @return bytes; 0 if pool is no pool record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_pool_total_space_get(lsm_pool *pool);

/**
 * What of it is neither used nor reserved.
 *
 * @return bytes; 0 if pool is no pool record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_pool_free_space_get(lsm_pool *pool);

/**
 * How the pool is: LSM_POOL_STATUS_OK, or LSM_POOL_STATUS_ERROR where it could not be opened.
 *
 * @return LSM_POOL_STATUS_* bits; UINT64_MAX if pool is no pool record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_pool_status_get(lsm_pool *pool);

/**
 * More about the status, for people; empty where there is nothing to say.
 *
 * @return the text; NULL if pool is no pool record.
 * @since 0.1.0
 */
LSM_API const char *lsm_pool_status_info_get(lsm_pool *pool);

/**
 * What can be made in the pool.
 *
 * @return LSM_POOL_ELEMENT_TYPE_* bits; 0 if pool is no pool record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_pool_element_type_get(lsm_pool *pool);

/**
 * What cannot be done to volumes in the pool.
 *
 * @return LSM_POOL_UNSUPPORTED_* bits; 0 if pool is no pool record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_pool_unsupported_actions_get(lsm_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
