/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Systems: who offers pools. A root directory is one system; an array is one or several.
 *
 * Texts of a record live as long as the record.
 */
#ifndef REPLICANT_SYSTEM_H
#define REPLICANT_SYSTEM_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Lists the systems behind a connection.
 *
 * @param systems becomes the array, the caller's to free with lsm_system_record_array_free();
 *                NULL where there are none
 * @param count   becomes how many there are
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NO_MEMORY, or a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_system_list(lsm_connect *conn, lsm_system **systems[], uint32_t *count,
                            lsm_flag flags);

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_system_record_free(); NULL if system is no
 *         system record, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_system *lsm_system_record_copy(lsm_system *system);

/**
 * Frees a record.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if system is no system record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_system_record_free(lsm_system *system);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if systems is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_system_record_array_free(lsm_system *systems[], uint32_t count);

/**
 * The id, by which calls and other records name the system.
 *
 * @return the id; NULL if system is no system record.
 * @since 0.1.0
 */
LSM_API const char *lsm_system_id_get(lsm_system *system);

/**
 * The name for people.
 *
 * @return the name; NULL if system is no system record.
 * @since 0.1.0
 */
LSM_API const char *lsm_system_name_get(lsm_system *system);

/**
 * How the system is.
 *
 * @return LSM_SYSTEM_STATUS_* bits; UINT32_MAX if system is no system record.
 * @since 0.1.0
 */
LSM_API uint32_t lsm_system_status_get(lsm_system *system);

#ifdef __cplusplus
}
#endif

#endif
