/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: the record behind a return code.
 *
 * A call that fails returns a number and leaves a record for the thread that called, kept with the
 * connection. lsm_error_last_get() hands it over. Two threads on one connection never see each
 * other's. The record says in one line what failed and on what, and often what can be done.
 *
 * Texts and data of a record live until lsm_error_free(); the caller does not free them. A getter
 * on something that is no error record returns NULL or 0 unless its comment says otherwise.
 */
#ifndef REPLICANT_ERROR_H
#define REPLICANT_ERROR_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Hands over the error of this thread's last failed call on a connection.
 *
 * The next call on the connection by the same thread clears what was not fetched.
 *
 * @return the record, which the caller frees with lsm_error_free(); NULL where there is none, or
 *         it has been handed over already, or conn is no connection.
 * @since 0.1.0
 */
LSM_API lsm_error_ptr lsm_error_last_get(lsm_connect *conn);

/**
 * Makes an error record, for a program that wants to report in the same form.
 *
 * All texts and the data are copied; each may be NULL.
 *
 * @param code      the number
 * @param msg       one line for people
 * @param exception the name of an exception that led to it
 * @param debug     more, for whoever looks into it
 * @param data      bytes, for the same
 * @param size      how many bytes data has
 * @return the record, which the caller frees with lsm_error_free(); NULL without memory.
 * @since 0.1.0
 */
LSM_API lsm_error_ptr lsm_error_create(lsm_error_number code, const char *msg,
                                       const char *exception, const char *debug, const void *data,
                                       uint32_t size);

/**
 * Frees an error record with all its texts.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if e is no error record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_error_free(lsm_error_ptr e);

/**
 * The number: what the call returned.
 *
 * @return the number; -1, as libStorageMgmt has it, if e is no error record.
 * @since 0.1.0
 */
LSM_API lsm_error_number lsm_error_number_get(lsm_error_ptr e);

/**
 * The message: one impersonal line, in English, that names the thing.
 *
 * @since 0.1.0
 */
LSM_API char *lsm_error_message_get(lsm_error_ptr e);

/**
 * The name of the exception behind it, where a plug-in reported one, else NULL.
 *
 * @since 0.1.0
 */
LSM_API char *lsm_error_exception_get(lsm_error_ptr e);

/**
 * More for whoever looks into it, such as a plug-in's trace, else NULL.
 *
 * @since 0.1.0
 */
LSM_API char *lsm_error_debug_get(lsm_error_ptr e);

/**
 * Bytes for whoever looks into it.
 *
 * @param size becomes how many there are
 * @return the bytes; NULL where there are none (size becomes 0), if e is no error record, or if
 *         size is NULL.
 * @since 0.1.0
 */
LSM_API void *lsm_error_debug_data_get(lsm_error_ptr e, uint32_t *size);

/**
 * What it happened on: a volume's or job's id, a pool's, a path. NULL where that makes no sense.
 *
 * @since 0.1.0
 */
LSM_API const char *lsm_error_object_get(lsm_error_ptr e);

/**
 * The operating system's errno behind it; 0 where there is none.
 *
 * @since 0.1.0
 */
LSM_API int lsm_error_errno_get(lsm_error_ptr e);

/**
 * Where it happened.
 *
 * @return bytes from the volume's start; UINT64_MAX where no offset applies, or if e is no error
 *         record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_error_offset_get(lsm_error_ptr e);

/**
 * What the caller can do about it, in one line; NULL where nothing comes to mind.
 *
 * @since 0.1.0
 */
LSM_API const char *lsm_error_hint_get(lsm_error_ptr e);

/**
 * Whether the same call, made again later and unchanged, can succeed.
 *
 * @return 1 if it can, else 0.
 * @since 0.1.0
 */
LSM_API int lsm_error_retryable_get(lsm_error_ptr e);

#ifdef __cplusplus
}
#endif

#endif
