/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replications: the standing relation between a mirror's source and its target.
 *
 * A replication begins with the mirror's first job and ends with lsm_replication_break(), or when
 * one of its ends is deleted or let go; then it is LSM_ERR_NOT_FOUND_REPLICATION, and its last
 * event says BROKEN. A record stays, as BROKEN, only where the common instant was lost. A clone has
 * no replication: its tie to its source is lsm_volume_parent_id_get().
 *
 * The target may be read and cloned (that is how a failover is rehearsed), but not written:
 * LSM_ERR_READ_ONLY. A *generation* names one instant of the source; the last one that both sides
 * have decides what is common to them, never a clock.
 *
 * A verb on one member of a group acts on the whole group at one instant, and its members change
 * their state together. Deleting a target takes its replication out of the group; the others go on.
 * A BROKEN one takes part no more: where the others went on, it leaves them for good when it is
 * copied again, since what they have is of another instant; with those that were copied with it, it
 * is a group of its own then.
 *
 *  verb            answer by state (LSM_ERR_ codes)
 *  --------------  ---------------------------------------------------------------------------
 *  sync            INITIALIZING  JOB_STARTED, with the job that fills the target
 *                  IN_SYNC       MIRROR_SYNC: NO_STATE_CHANGE
 *                                MIRROR_ASYNC: JOB_STARTED, or NO_STATE_CHANGE if nothing was
 *                                written since
 *                  DEGRADED      JOB_STARTED
 *                  RESYNCING     JOB_STARTED, by the joining rule (lsm_replication_sync)
 *                  others        STATE
 *  pause           INITIALIZING  OK: its job is paused, the state stays
 *                  IN_SYNC, DEGRADED, RESYNCING   OK
 *                  PAUSED        NO_STATE_CHANGE
 *                  others        STATE
 *  resume          INITIALIZING  OK if its job is paused, else NO_STATE_CHANGE
 *                  IN_SYNC, DEGRADED, RESYNCING   NO_STATE_CHANGE
 *                  PAUSED        OK -> RESYNCING
 *                  SPLIT         OK: the original direction; the target is rewound to the split
 *                                point, its writes kept as a clone (DISCARD: not kept)
 *                  BROKEN        STATE, and the message says why; with FORCE OK -> INITIALIZING:
 *                                everything is copied again, in the original direction
 *  promote         IN_SYNC       OK, the roles are exchanged; JOB_STARTED if there is something
 *                                to ship; BUSY while the source has writers
 *                  others        STATE
 *  promote, FORCE  IN_SYNC, DEGRADED, PAUSED   OK -> SPLIT
 *                  RESYNCING     OK -> SPLIT, at the target's last complete generation
 *                  SPLIT         NO_STATE_CHANGE
 *                  others        STATE
 *  reverse         SPLIT         JOB_STARTED -> RESYNCING, the roles are exchanged
 *                  others        STATE
 *  break           INITIALIZING  STATE (cancel the job instead)
 *                  RESYNCING     OK, the target at its last complete generation
 *                  others        OK
 *
 * Texts of a record live as long as the record.
 */
#ifndef REPLICANT_REPLICATION_H
#define REPLICANT_REPLICATION_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Finding ---------------------------------------------------------------------------------- */

/**
 * Lists replications.
 *
 * @param key          what to look for: "id", "type" or "state" (numbers in decimal), "volume_id"
 *                     (either end), "source_volume_id", "target_volume_id" or "group_id"; NULL: all
 * @param value        what it must equal; not NULL when key is given
 * @param replications becomes the array, the caller's to free with
 *                     lsm_replication_record_array_free(); NULL where nothing was found
 * @param count        becomes how many were found
 * @return LSM_ERR_OK (also when nothing was found), LSM_ERR_INVALID_ARGUMENT,
 *         LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_NO_SUPPORT, LSM_ERR_NO_MEMORY, or a failure of
 *         the backend.
 * @since 0.1.0
 */
LSM_API int lsm_replication_list(lsm_connect *conn, const char *key, const char *value,
                                 lsm_replication **replications[], uint32_t *count,
                                 lsm_flag flags);

/**
 * Reads one replication.
 *
 * @param replication becomes its record, the caller's to free with lsm_replication_record_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_REPLICATION, LSM_ERR_NO_SUPPORT,
 *         or a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_replication_get(lsm_connect *conn, const char *id, lsm_replication **replication,
                                lsm_flag flags);

/* --- Verbs ------------------------------------------------------------------------------------
 *
 * The table above says which answer comes when. All return LSM_ERR_INVALID_ARGUMENT,
 * LSM_ERR_NOT_FOUND_REPLICATION, LSM_ERR_NO_SUPPORT, or a failure of the backend, besides what is
 * named here. `id` is the replication's. */

/**
 * Brings the target up to date now: when the job is DONE the target has all that was acknowledged
 * before this call.
 *
 * It joins a job that has not fixed its instant yet; else one job follows the one under way, shared
 * by all who ask meanwhile.
 *
 * @return LSM_ERR_JOB_STARTED (job is set), LSM_ERR_NO_STATE_CHANGE (there is nothing to bring), or
 *         LSM_ERR_STATE.
 * @since 0.1.0
 */
LSM_API int lsm_replication_sync(lsm_connect *conn, const char *id, char **job, lsm_flag flags);

/**
 * Stops sending to the target, until it is resumed. The source may be written meanwhile.
 *
 * @return LSM_ERR_OK, LSM_ERR_NO_STATE_CHANGE, or LSM_ERR_STATE.
 * @since 0.1.0
 */
LSM_API int lsm_replication_pause(lsm_connect *conn, const char *id, lsm_flag flags);

/**
 * Goes on after a pause, or goes back to the original direction after a forced promotion.
 *
 * What the target's users wrote after the split is kept as a clone named <name>@<first 8 characters
 * of the generation> (lsm_replication_diverged_volume_id_get()).
 *
 * A BROKEN replication, whose sides have no instant in common any more, is resumed with FORCE alone.
 * All of the source is copied beside what the target has; the job is lsm_replication_job_id_get()'s,
 * and the state INITIALIZING. Until it is done the target shows what it had, and is not to be
 * written; then it shows the source, and what it had is kept as a volume of that name, on which the
 * target's clones stand from then on. A job that fails or is cancelled leaves the target as it was,
 * and the replication BROKEN.
 *
 * @param flags LSM_REPLICATION_DISCARD: does not keep what is rewound, or what the target had;
 *              LSM_REPLICATION_FORCE: copies everything again where no common instant is left (else
 *              it changes nothing)
 * @return LSM_ERR_OK, LSM_ERR_NO_STATE_CHANGE, LSM_ERR_STATE, LSM_ERR_BUSY (the side to be rewound,
 *         or copied over, has a writer), or LSM_ERR_NOT_ENOUGH_SPACE. Of FORCE also: LSM_ERR_STATE
 *         where a volume is gone, or belongs to another replication; LSM_ERR_HAS_CHILD_DEPENDENCY
 *         while a job reads the target; LSM_ERR_NOT_FOUND_POOL.
 * @since 0.1.0
 */
LSM_API int lsm_replication_resume(lsm_connect *conn, const char *id, lsm_flag flags);

/**
 * Sets how often MIRROR_ASYNC brings a new instant to its target.
 *
 * @param ms milliseconds; 0: only when lsm_replication_sync() asks for it
 * @return LSM_ERR_OK, or LSM_ERR_NO_SUPPORT (for MIRROR_SYNC).
 * @since 0.1.0
 */
LSM_API int lsm_replication_interval_set(lsm_connect *conn, const char *id, uint32_t ms,
                                         lsm_flag flags);

/**
 * Makes the target writable.
 *
 * Without flags: a planned switchover. What is missing is shipped, then the two exchange roles, and
 * the mirror goes on the other way; nothing is lost. Opening the source for writing meanwhile is
 * LSM_ERR_BUSY. With FORCE: a failover. The target becomes writable as it is at its last complete
 * generation, and the two are SPLIT.
 *
 * @param flags 0, or LSM_REPLICATION_FORCE
 * @return LSM_ERR_OK or LSM_ERR_JOB_STARTED (job is set); LSM_ERR_STATE, LSM_ERR_NO_STATE_CHANGE,
 *         or LSM_ERR_BUSY (the source has writers).
 * @since 0.1.0
 */
LSM_API int lsm_replication_promote(lsm_connect *conn, const char *id, char **job, lsm_flag flags);

/**
 * Fails back: after a split the old source becomes the target.
 *
 * It is rewound to the common generation and gets what the new source has written. What its own
 * users wrote after the split is kept as a clone, as in lsm_replication_resume().
 *
 * @param flags LSM_REPLICATION_DISCARD: does not keep what is rewound
 * @return LSM_ERR_JOB_STARTED (job is set), or LSM_ERR_OK where the new source wrote nothing: the two
 *         are in sync at once; LSM_ERR_STATE, LSM_ERR_BUSY (the side to be rewound has a writer), or
 *         LSM_ERR_NOT_ENOUGH_SPACE.
 * @since 0.1.0
 */
LSM_API int lsm_replication_reverse(lsm_connect *conn, const char *id, char **job, lsm_flag flags);

/**
 * Ends the relation. Both volumes stay, writable and independent.
 *
 * @return LSM_ERR_OK, or LSM_ERR_STATE.
 * @since 0.1.0
 */
LSM_API int lsm_replication_break(lsm_connect *conn, const char *id, lsm_flag flags);

/* --- Records ---------------------------------------------------------------------------------- */

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_replication_record_free(); NULL if replication
 *         is no replication record, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_replication *lsm_replication_record_copy(lsm_replication *replication);

/**
 * Frees a record. The replication itself is not touched.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if replication is no replication record (NULL
 *         included).
 * @since 0.1.0
 */
LSM_API int lsm_replication_record_free(lsm_replication *replication);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if replications is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_replication_record_array_free(lsm_replication *replications[], uint32_t count);

/**
 * The id, by which calls name the replication.
 *
 * @return the id; NULL if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_id_get(lsm_replication *replication);

/**
 * Which kind of mirror it is.
 *
 * @return MIRROR_SYNC or MIRROR_ASYNC; LSM_VOLUME_REPLICATE_UNKNOWN if replication is no
 *         replication record.
 * @since 0.1.0
 */
LSM_API lsm_replication_type lsm_replication_type_get(lsm_replication *replication);

/**
 * How the two sides stood to each other when the record was made.
 *
 * @return the state; LSM_REPLICATION_STATE_UNKNOWN if replication is no replication record.
 * @since 0.1.0
 */
LSM_API lsm_replication_state lsm_replication_state_get(lsm_replication *replication);

/**
 * The volume that is written to.
 *
 * @return the volume's id; NULL if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_source_volume_id_get(lsm_replication *replication);

/**
 * The volume that follows.
 *
 * @return the volume's id; NULL if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_target_volume_id_get(lsm_replication *replication);

/**
 * The group that it is a member of.
 *
 * @return the group's id; NULL if it stands alone, or is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_group_id_get(lsm_replication *replication);

/**
 * The last instant that both sides have.
 *
 * @return the generation; NULL where there is none yet, or none any more, or if replication is no
 *         replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_generation_get(lsm_replication *replication);

/**
 * How much was written to the source since the last common instant.
 *
 * @return bytes; 0 for MIRROR_SYNC in sync, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_replication_lag_bytes_get(lsm_replication *replication);

/**
 * How old the oldest of those writes is.
 *
 * @return milliseconds; 0 for MIRROR_SYNC in sync, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_replication_lag_ms_get(lsm_replication *replication);

/**
 * When the target was last brought up to date.
 *
 * @return milliseconds since the beginning of 1970, UTC; 0 if never, or if replication is no
 *         replication record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_replication_last_sync_ms_get(lsm_replication *replication);

/**
 * How much was sent then.
 *
 * @return bytes; 0 where the two were found equal, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_replication_last_sync_bytes_get(lsm_replication *replication);

/**
 * How long that took.
 *
 * @return milliseconds; 0 if replication is no replication record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_replication_last_sync_duration_ms_get(lsm_replication *replication);

/**
 * How often MIRROR_ASYNC brings a new instant to its target.
 *
 * @return milliseconds; 0: only when asked, or MIRROR_SYNC, or if replication is no replication
 *         record.
 * @since 0.1.0
 */
LSM_API uint32_t lsm_replication_interval_ms_get(lsm_replication *replication);

/**
 * The job that works for it at the moment.
 *
 * @return the job's id; NULL where there is none, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_job_id_get(lsm_replication *replication);

/**
 * The clone that kept what the last reverse or resume has rewound. It is an ordinary volume, to be
 * deleted when it is no longer of use.
 *
 * @return the volume's id; NULL where there is none, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_diverged_volume_id_get(lsm_replication *replication);

/**
 * Why it is DEGRADED or BROKEN.
 *
 * @return the number; LSM_ERR_OK otherwise, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API lsm_error_number lsm_replication_error_number_get(lsm_replication *replication);

/**
 * Why it is DEGRADED or BROKEN, in one line.
 *
 * @return the text; NULL otherwise, or if replication is no replication record.
 * @since 0.1.0
 */
LSM_API const char *lsm_replication_error_message_get(lsm_replication *replication);

#ifdef __cplusplus
}
#endif

#endif
