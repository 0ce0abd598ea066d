/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes: block devices that live in a pool. replicate.h multiplies them, io.h reads and writes
 * them.
 *
 * A name is valid UTF-8 of 1 to 255 bytes. Any printable character will do, quotes, slashes and
 * backslashes included, since names never become paths; control characters (DEL and U+0080 to
 * U+009F too) are LSM_ERR_INVALID_ARGUMENT, with the byte's position in the message. A name is
 * unique in its pool. An id is unique for ever: it is never used again, so a record of a deleted
 * volume cannot act on another one.
 *
 * Sizes are rounded up to 4 KiB, and the record tells. Texts of a record live as long as the
 * record.
 */
#ifndef REPLICANT_VOLUME_H
#define REPLICANT_VOLUME_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Calls ------------------------------------------------------------------------------------ */

/**
 * Lists volumes.
 *
 * The target of a job is not listed before it is usable: a COPY when its job is DONE, a mirror's
 * target when it is in sync for the first time.
 *
 * @param key     what to look for: "id", "system_id", "pool_id", "name" or "parent_id" (the clones
 *                of a volume); NULL: all volumes
 * @param value   what it must equal; not NULL when key is given
 * @param volumes becomes the array, the caller's to free with lsm_volume_record_array_free(); NULL
 *                where nothing was found
 * @param count   becomes how many were found
 * @return LSM_ERR_OK (also when nothing was found), LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_NO_MEMORY, or a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_volume_list(lsm_connect *conn, const char *key, const char *value,
                            lsm_volume **volumes[], uint32_t *count, lsm_flag flags);

/**
 * Makes a volume that reads as zeros.
 *
 * @param pool         where
 * @param name         its name
 * @param size_bytes   bytes, not 0
 * @param provisioning how it takes its space
 * @param new_volume   becomes its record, the caller's to free with lsm_volume_record_free()
 * @return LSM_ERR_OK (new_volume is set) or LSM_ERR_JOB_STARTED (job is set);
 *         LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_POOL, LSM_ERR_POOL_NOT_READY,
 *         LSM_ERR_NO_SUPPORT, LSM_ERR_NAME_CONFLICT (also while a job is making a volume of that
 *         name; the message has the job's id), LSM_ERR_NOT_ENOUGH_SPACE, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_create(lsm_connect *conn, lsm_pool *pool, const char *name,
                              uint64_t size_bytes, lsm_volume_provision_type provisioning,
                              lsm_volume **new_volume, char **job, lsm_flag flags);

/**
 * Changes a volume's size. What is cut off is lost; what is added reads as zeros.
 *
 * Growing works while I/O handles are open, and they see it. A mirror grows on both sides or not
 * at all.
 *
 * @param new_size_bytes bytes, not 0
 * @param resized        becomes the new record, the caller's to free with lsm_volume_record_free()
 * @return LSM_ERR_OK (resized is set) or LSM_ERR_JOB_STARTED (job is set);
 *         LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_NO_STATE_CHANGE (the same
 *         number of blocks), LSM_ERR_IS_MASKED (shrinking with I/O handles open),
 *         LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE (shrinking a mirror's source), LSM_ERR_READ_ONLY (a
 *         mirror's target), LSM_ERR_NOT_ENOUGH_SPACE, LSM_ERR_NO_SUPPORT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_resize(lsm_connect *conn, lsm_volume *volume, uint64_t new_size_bytes,
                              lsm_volume **resized, char **job, lsm_flag flags);

/**
 * Deletes a volume and what it holds.
 *
 * Deleting a mirror's target ends the replication with it.
 *
 * @return LSM_ERR_OK or LSM_ERR_JOB_STARTED (job is set); LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_IS_MASKED (an I/O handle or an export is open on it),
 *         LSM_ERR_HAS_CHILD_DEPENDENCY (while lsm_volume_child_dependency() says 1),
 *         LSM_ERR_NO_SUPPORT, or LSM_ERR_IO. The first that applies, in this order.
 * @since 0.1.0
 */
LSM_API int lsm_volume_delete(lsm_connect *conn, lsm_volume *volume, char **job, lsm_flag flags);

/**
 * Gives a volume another name. Its id stays.
 *
 * @param name    the new name
 * @param renamed becomes the new record, the caller's to free with lsm_volume_record_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME,
 *         LSM_ERR_NO_STATE_CHANGE (it has that name), LSM_ERR_NAME_CONFLICT, LSM_ERR_NO_SUPPORT,
 *         or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_rename(lsm_connect *conn, lsm_volume *volume, const char *name,
                              lsm_volume **renamed, lsm_flag flags);

/**
 * Lets a disabled volume be written again.
 *
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME,
 *         LSM_ERR_NO_STATE_CHANGE (it is enabled), LSM_ERR_NO_SUPPORT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_enable(lsm_connect *conn, lsm_volume *volume, lsm_flag flags);

/**
 * Keeps a volume from being written: LSM_ERR_READ_ONLY until it is enabled.
 *
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME,
 *         LSM_ERR_NO_STATE_CHANGE (it is disabled), LSM_ERR_NO_SUPPORT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_disable(lsm_connect *conn, lsm_volume *volume, lsm_flag flags);

/**
 * Tells whether something depends on a volume: a clone stands on it, it is a mirror's source, or a
 * running job reads it.
 *
 * @param yes becomes 1 if so, else 0
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_NO_SUPPORT, or
 *         a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_volume_child_dependency(lsm_connect *conn, lsm_volume *volume, uint8_t *yes,
                                        lsm_flag flags);

/**
 * Makes whatever depends on a volume independent of it.
 *
 * Clones get their own copy of what they share before the tie is cut, as a job; mirrors of this
 * source are broken, with an event each.
 *
 * @return LSM_ERR_OK or LSM_ERR_JOB_STARTED (job is set); LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_NO_STATE_CHANGE (nothing depends on it),
 *         LSM_ERR_HAS_CHILD_DEPENDENCY (a running job reads it; the message has its id),
 *         LSM_ERR_NOT_ENOUGH_SPACE, LSM_ERR_NO_SUPPORT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_child_dependency_delete(lsm_connect *conn, lsm_volume *volume, char **job,
                                               lsm_flag flags);

/**
 * Sets, changes or removes a tag: a text that a program keeps with a volume.
 *
 * A volume has at most 64 tags, of 4 KiB together. Records that were handed out before do not
 * change.
 *
 * @param key   the tag's name, valid UTF-8, not empty
 * @param value its text, valid UTF-8; NULL: the tag is removed
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT (also where a limit would be passed),
 *         LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_NO_SUPPORT, or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_tag_set(lsm_connect *conn, lsm_volume *volume, const char *key,
                               const char *value, lsm_flag flags);

/**
 * Tells whether a text is a valid VPD 83 id: 32 hexadecimal digits of which the first is 6, or 16
 * of which the first is 2, 3 or 5. Either case will do.
 *
 * @return LSM_ERR_OK if it is, LSM_ERR_INVALID_ARGUMENT if not (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_volume_vpd83_verify(const char *vpd83);

/* --- Records ---------------------------------------------------------------------------------- */

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_volume_record_free(); NULL if volume is no
 *         volume record, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_volume *lsm_volume_record_copy(lsm_volume *volume);

/**
 * Frees a record. The volume itself stays.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if volume is no volume record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_volume_record_free(lsm_volume *volume);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if volumes is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_volume_record_array_free(lsm_volume *volumes[], uint32_t count);

/**
 * The id, by which calls and other records name the volume.
 *
 * @return the id; NULL if volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_id_get(lsm_volume *volume);

/**
 * The name.
 *
 * @return the name; NULL if volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_name_get(lsm_volume *volume);

/**
 * The VPD 83 id, by which operating systems know the device. For volumes that replicant makes it
 * is the id, too.
 *
 * @return the id; NULL if volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_vpd83_get(lsm_volume *volume);

/**
 * The id of the system that has the volume.
 *
 * @return the id, not to be changed; NULL if volume is no volume record.
 * @since 0.1.0
 */
LSM_API char *lsm_volume_system_id_get(lsm_volume *volume);

/**
 * The id of the pool that the volume lives in.
 *
 * @return the id, not to be changed; NULL if volume is no volume record.
 * @since 0.1.0
 */
LSM_API char *lsm_volume_pool_id_get(lsm_volume *volume);

/**
 * How large a block is.
 *
 * @return bytes; 0 if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_block_size_get(lsm_volume *volume);

/**
 * How many blocks the volume has: its size is this times the block size.
 *
 * @return blocks; 0 if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_number_of_blocks_get(lsm_volume *volume);

/**
 * Whether the volume may be written.
 *
 * @return LSM_VOLUME_ADMIN_STATE_ENABLED or LSM_VOLUME_ADMIN_STATE_DISABLED; the former, as
 *         libStorageMgmt has it, if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint32_t lsm_volume_admin_state_get(lsm_volume *volume);

/**
 * How the volume takes its space.
 *
 * @return THIN or FULL; LSM_VOLUME_PROVISION_UNKNOWN where the backend does not tell, or if
 *         volume is no volume record.
 * @since 0.1.0
 */
LSM_API lsm_volume_provision_type lsm_volume_provision_get(lsm_volume *volume);

/**
 * What all of the volume's layers take, those that it shares included.
 *
 * @return bytes; 0 where the backend does not tell, or if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_allocated_bytes_get(lsm_volume *volume);

/**
 * What the volume alone takes, and a delete would free.
 *
 * @return bytes; 0 where the backend does not tell, or if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_exclusive_bytes_get(lsm_volume *volume);

/**
 * How many layers the volume's data is in: 1 for a plain one.
 *
 * @return layers; 0 where the backend has none, or if volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint32_t lsm_volume_depth_get(lsm_volume *volume);

/**
 * The id of the volume that this one was cloned from, as long as it depends on it.
 *
 * @return the id; NULL where there is none, or if volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_parent_id_get(lsm_volume *volume);

/**
 * When the volume was made.
 *
 * @return milliseconds since the beginning of 1970, UTC; 0 where the backend does not tell, or if
 *         volume is no volume record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_volume_created_ms_get(lsm_volume *volume);

/**
 * The path to the volume's data as a plain raw image, for tools that read such files. To be opened
 * for reading only, and only while the volume is not open here.
 *
 * @return the path; NULL while the volume has layers, where the backend has no such file, or if
 *         volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_base_path_get(lsm_volume *volume);

/**
 * A tag's text, as it was when the record was made.
 *
 * @param key the tag's name
 * @return the text; NULL where there is no such tag, key is NULL, or volume is no volume record.
 * @since 0.1.0
 */
LSM_API const char *lsm_volume_tag_get(lsm_volume *volume, const char *key);

#ifdef __cplusplus
}
#endif

#endif
