/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: work that takes time.
 *
 * A call that cannot finish at once returns LSM_ERR_JOB_STARTED and the job's id. The id is a text,
 * unique for ever, and good in any connection to the same root, also after a restart. A job belongs
 * to the root, not to the connection that started it: closing that, or a crash, does not end the
 * job; the root's next owner goes on with it from its last checkpoint.
 *
 *    start --> QUEUED --> RUNNING --> DONE, FAILED, CANCELLED
 *               ^  |         |
 *        resume |  | pause   | pause        and, by cancel, from
 *               |  v         v              any of the three on the
 *              PAUSED <------'              left to CANCELLED
 *
 *  verb        | QUEUED, RUNNING          | PAUSED          | DONE, FAILED, CANCELLED
 *  ------------+--------------------------+-----------------+------------------------
 *  cancel      | OK -> CANCELLED          | OK -> CANCELLED | NO_STATE_CHANGE
 *  pause       | OK -> PAUSED             | NO_STATE_CHANGE | STATE
 *  resume      | NO_STATE_CHANGE          | OK -> QUEUED    | STATE
 *  rate limit  | OK, at once              | OK              | STATE
 *  free        | lets go of the text only | the same        | forgets the job
 *
 * (Answers are LSM_ERR_ codes.)
 *
 * Progress is what has been checkpointed (every second or 256 MiB): so it never goes back, not over
 * a restart either. As many jobs run at once as there are processors, at most 4 in a pool; the
 * others are QUEUED. Ended jobs are kept: the last 1,000 and at least 7 days, of the jobs that ship
 * a mirror's intervals only the newest of each replication.
 *
 * Texts of a record live as long as the record. All times are milliseconds since the beginning of
 * 1970, UTC.
 */
#ifndef REPLICANT_JOB_H
#define REPLICANT_JOB_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- As libStorageMgmt has it ----------------------------------------------------------------- */

/**
 * Tells how a job is.
 *
 * A job that failed is no failure of this call: it returns LSM_ERR_OK with the status
 * LSM_JOB_ERROR, and lsm_error_last_get() then has the job's reason.
 *
 * @param status  becomes the job's status
 * @param percent becomes 0 to 100
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_JOB (the empty id, too), or a
 *         failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_status_get(lsm_connect *conn, const char *job_id, lsm_job_status *status,
                               uint8_t *percent, lsm_flag flags);

/**
 * Tells how a job is, and hands over the volume that it made.
 *
 * As lsm_job_status_get() otherwise.
 *
 * @param volume becomes the volume's record, the caller's to free with lsm_volume_record_free(), if
 *               the job is complete and has one to show; else it stays NULL. It must point at NULL
 *               each time.
 * @return as lsm_job_status_get().
 * @since 0.1.0
 */
LSM_API int lsm_job_status_volume_get(lsm_connect *conn, const char *job_id,
                                      lsm_job_status *status, uint8_t *percent,
                                      lsm_volume **volume, lsm_flag flags);

/**
 * Lets go of a job's id, and forgets the job if it has ended. A job under way goes on.
 *
 * @param job points at the id; on success that is freed and becomes NULL, on failure it stays
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_JOB, or a failure of the
 *         backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_free(lsm_connect *conn, char **job, lsm_flag flags);

/* --- Finding and waiting ---------------------------------------------------------------------- */

/**
 * Lists jobs, those that have ended included.
 *
 * @param key   what to look for: "id", "state" or "kind" (numbers in decimal), "volume_id" (a
 *              source or a target), or "key" (the idempotency key); NULL: all jobs
 * @param value what it must equal; not NULL when key is given
 * @param jobs  becomes the array, the caller's to free with lsm_job_record_array_free(); NULL where
 *              nothing was found
 * @param count becomes how many were found
 * @return LSM_ERR_OK (also when nothing was found), LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_NO_SUPPORT, LSM_ERR_NO_MEMORY, or a failure of
 *         the backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_list(lsm_connect *conn, const char *key, const char *value, lsm_job **jobs[],
                         uint32_t *count, lsm_flag flags);

/**
 * Reads one job.
 *
 * @param job becomes its record, the caller's to free with lsm_job_record_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_JOB, or a failure of the
 *         backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_get(lsm_connect *conn, const char *job_id, lsm_job **job, lsm_flag flags);

/**
 * Waits until a job has ended. Other threads may use the connection meanwhile.
 *
 * A job that failed or was cancelled is no failure of this call: the record's state tells.
 *
 * @param timeout_ms milliseconds at most; 0: looks once; UINT32_MAX: for ever
 * @param job        becomes the ended job's record, the caller's to free with
 *                   lsm_job_record_free()
 * @return LSM_ERR_OK (it has ended), LSM_ERR_TIMEOUT (it has not; job stays NULL),
 *         LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_JOB, or a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_wait(lsm_connect *conn, const char *job_id, uint32_t timeout_ms, lsm_job **job,
                         lsm_flag flags);

/**
 * Lists the volumes that a job has made: several for a group, none before it is DONE.
 *
 * @param volumes becomes the array, the caller's to free with lsm_volume_record_array_free(); NULL
 *                where there are none
 * @param count   becomes how many there are
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_JOB, LSM_ERR_NO_MEMORY, or a
 *         failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_job_volume_list(lsm_connect *conn, const char *job_id, lsm_volume **volumes[],
                                uint32_t *count, lsm_flag flags);

/* --- Verbs ------------------------------------------------------------------------------------
 *
 * The table above says which answer comes when. All return LSM_ERR_INVALID_ARGUMENT,
 * LSM_ERR_NOT_FOUND_JOB, LSM_ERR_NO_SUPPORT (this backend's jobs cannot be told so), or a failure
 * of the backend, besides what is named here. */

/**
 * Cancels a job. What it has made so far goes; cancelling a mirror's resync leaves the replication
 * PAUSED, cancelling a ship leaves it IN_SYNC, with its lag.
 *
 * @return LSM_ERR_OK: it ends as CANCELLED, which lsm_job_wait() sees; LSM_ERR_NO_STATE_CHANGE: it
 *         has ended.
 * @since 0.1.0
 */
LSM_API int lsm_job_cancel(lsm_connect *conn, const char *job_id, lsm_flag flags);

/**
 * Pauses a job, at its next checkpoint. It stays PAUSED over a restart.
 *
 * @return LSM_ERR_OK; LSM_ERR_NO_STATE_CHANGE: it is paused; LSM_ERR_STATE: it has ended.
 * @since 0.1.0
 */
LSM_API int lsm_job_pause(lsm_connect *conn, const char *job_id, lsm_flag flags);

/**
 * Lets a paused job go on.
 *
 * @return LSM_ERR_OK; LSM_ERR_NO_STATE_CHANGE: it is not paused; LSM_ERR_STATE: it has ended.
 * @since 0.1.0
 */
LSM_API int lsm_job_resume(lsm_connect *conn, const char *job_id, lsm_flag flags);

/**
 * Bounds how fast a job copies, from now on.
 *
 * @param bytes_per_s bytes per second; 0: no bound
 * @return LSM_ERR_OK; LSM_ERR_STATE: it has ended.
 * @since 0.1.0
 */
LSM_API int lsm_job_rate_limit_set(lsm_connect *conn, const char *job_id, uint64_t bytes_per_s,
                                   lsm_flag flags);

/* --- Records ---------------------------------------------------------------------------------- */

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_job_record_free(); NULL if job is no job record,
 *         or without memory.
 * @since 0.1.0
 */
LSM_API lsm_job *lsm_job_record_copy(lsm_job *job);

/**
 * Frees a record. The job itself is not touched.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if job is no job record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_job_record_free(lsm_job *job);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if jobs is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_job_record_array_free(lsm_job *jobs[], uint32_t count);

/**
 * The id, by which calls name the job.
 *
 * @return the id; NULL if job is no job record.
 * @since 0.1.0
 */
LSM_API const char *lsm_job_id_get(lsm_job *job);

/**
 * The idempotency key that the job was started with.
 *
 * @return the key; NULL without one, or if job is no job record.
 * @since 0.1.0
 */
LSM_API const char *lsm_job_key_get(lsm_job *job);

/**
 * What the job does.
 *
 * @return the kind; LSM_JOB_KIND_UNKNOWN where the backend does not tell, or if job is no job
 *         record.
 * @since 0.1.0
 */
LSM_API lsm_job_kind lsm_job_kind_get(lsm_job *job);

/**
 * Where the job was in its life when the record was made.
 *
 * @return the state; LSM_JOB_STATE_UNKNOWN if job is no job record.
 * @since 0.1.0
 */
LSM_API lsm_job_state lsm_job_state_get(lsm_job *job);

/**
 * How far the job was, in percent. It never goes back, and is 100 only when the job is DONE.
 *
 * @return 0 to 100; 0 if job is no job record.
 * @since 0.1.0
 */
LSM_API uint8_t lsm_job_percent_get(lsm_job *job);

/**
 * How much the job has to look at.
 *
 * @return bytes; 0 where that is not known, or if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_bytes_total_get(lsm_job *job);

/**
 * How much of that is behind it: copied plus skipped. Never more than the total, and it never goes
 * back.
 *
 * @return bytes; 0 if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_bytes_done_get(lsm_job *job);

/**
 * How much the job has copied.
 *
 * @return bytes; 0 if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_bytes_copied_get(lsm_job *job);

/**
 * How much the job did not need to copy: holes, zeros, equal data.
 *
 * @return bytes; 0 if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_bytes_skipped_get(lsm_job *job);

/**
 * How fast the job has been lately.
 *
 * @return bytes per second; 0 while it does not run, or if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_bytes_per_second_get(lsm_job *job);

/**
 * How long the job will still take at that speed.
 *
 * @return milliseconds; UINT64_MAX where that is not known; 0 if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_eta_ms_get(lsm_job *job);

/**
 * The volume that the job reads; of a group, the first.
 *
 * @return the volume's id; NULL where there is none, or if job is no job record.
 * @since 0.1.0
 */
LSM_API const char *lsm_job_source_volume_id_get(lsm_job *job);

/**
 * The volume that the job writes, which may not be listed yet; of a group, the first.
 *
 * @return the volume's id; NULL where there is none, or if job is no job record.
 * @since 0.1.0
 */
LSM_API const char *lsm_job_target_volume_id_get(lsm_job *job);

/**
 * Why the job failed.
 *
 * @return the number; LSM_ERR_CANCELLED if it was cancelled; LSM_ERR_OK otherwise, or if job is no
 *         job record.
 * @since 0.1.0
 */
LSM_API lsm_error_number lsm_job_error_number_get(lsm_job *job);

/**
 * Why the job failed, or what it waits for while it is QUEUED, in one line.
 *
 * @return the text; NULL where there is nothing to say, or if job is no job record.
 * @since 0.1.0
 */
LSM_API const char *lsm_job_error_message_get(lsm_job *job);

/**
 * When the job was asked for.
 *
 * @return the time; 0 where the backend does not tell, or if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_created_ms_get(lsm_job *job);

/**
 * When the job first ran.
 *
 * @return the time; 0 if it has not yet, or if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_started_ms_get(lsm_job *job);

/**
 * When the job ended.
 *
 * @return the time; 0 if it has not yet, or if job is no job record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_job_finished_ms_get(lsm_job *job);

#ifdef __cplusplus
}
#endif

#endif
