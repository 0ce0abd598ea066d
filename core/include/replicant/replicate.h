/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replicating: one volume becomes two.
 *
 *  type          what the caller gets                         job   source and target afterwards
 *  CLONE         the instant of the call, at once, at any     no    share what neither has written
 *                size; both writable                                since
 *  COPY          the instant of the call, when the job ends;  yes   share nothing
 *                the source may be written meanwhile
 *  MIRROR_SYNC   a target that has every acknowledged write   yes   a replication ties them
 *  MIRROR_ASYNC  a target that is always one instant of its   yes   a replication ties them
 *                source, some time behind
 *
 * The job of a mirror fills its target for the first time; from then on replication.h has the say.
 * A job's target is not listed, and LSM_ERR_NOT_FOUND_VOLUME, until it is usable, and it is gone if
 * the job fails or is cancelled. Its name is taken from the start.
 *
 * Refusals come in this order, and nothing has been made then: LSM_ERR_INVALID_ARGUMENT; what the
 * idempotency key says; LSM_ERR_NOT_FOUND_VOLUME (the source), LSM_ERR_NOT_FOUND_POOL,
 * LSM_ERR_POOL_NOT_READY, LSM_ERR_NO_SUPPORT (the type on this backend, or a CLONE into another
 * pool), LSM_ERR_NAME_CONFLICT, LSM_ERR_NOT_ENOUGH_SPACE.
 */
#ifndef REPLICANT_REPLICATE_H
#define REPLICANT_REPLICATE_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Options ----------------------------------------------------------------------------------
 *
 * What a program may wish for beyond the plain call. New wishes will be new setters. Options are
 * the caller's, may be used for any number of calls, and are not thread-safe while they are being
 * set. A setter that fails changes nothing and leaves no error record. */

/**
 * Makes options that ask for nothing special.
 *
 * @return the options, the caller's to free with lsm_replicate_options_free(); NULL without memory.
 * @since 0.1.0
 */
LSM_API lsm_replicate_options *lsm_replicate_options_alloc(void);

/**
 * Frees options. Jobs that were started with them are not touched.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if options is nothing of the kind (NULL
 *         included).
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_free(lsm_replicate_options *options);

/**
 * Sets the idempotency key, which makes a call safe to repeat.
 *
 * A call with a key that has been used before, for the same type, sources, pool and names (in the
 * same order), makes nothing new: it returns the same job while that runs and the same volume once
 * it is made. For anything else it is LSM_ERR_NAME_CONFLICT. The key lives as long as the volume
 * that it made; a job that fails or is cancelled, and deleting the volume, set it free. Its scope
 * is the root, or the array.
 *
 * @param key 1 to 128 bytes of valid UTF-8, copied; options have none until one is set
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT (NULL, too), or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_key_set(lsm_replicate_options *options, const char *key);

/**
 * Sets how often MIRROR_ASYNC brings a new instant to its target.
 *
 * @param ms milliseconds (default 60,000); 0: only when lsm_replication_sync() asks for it
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_interval_set(lsm_replicate_options *options, uint32_t ms);

/**
 * Bounds how fast the job copies. lsm_job_rate_limit_set() changes it later.
 *
 * @param bytes_per_s bytes per second; 0: no bound (default)
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_rate_limit_set(lsm_replicate_options *options,
                                                 uint64_t bytes_per_s);

/**
 * Sets what the job does to be sure of what it has copied, before it is DONE.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_verify_set(lsm_replicate_options *options, lsm_verify_mode mode);

/**
 * Sets what becomes of a write when a synchronous mirror's target cannot take it.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_replicate_options_on_target_error_set(lsm_replicate_options *options,
                                                      lsm_target_error_policy policy);

/* --- Calls ------------------------------------------------------------------------------------ */

/**
 * Replicates a volume.
 *
 * @param pool          where the replicant goes; NULL: where the source is
 * @param rep_type      CLONE, COPY, MIRROR_SYNC or MIRROR_ASYNC
 * @param volume_src    the source
 * @param name          the replicant's name
 * @param new_replicant becomes the replicant's record, the caller's to free with
 *                      lsm_volume_record_free(), if it was made at once; else it stays NULL
 * @param job           becomes the job's id if one was started; else it stays NULL
 * @return LSM_ERR_OK (new_replicant is set) or LSM_ERR_JOB_STARTED (job is set), never both; or a
 *         refusal, in the order given above; or LSM_ERR_IO, LSM_ERR_NO_MEMORY,
 *         LSM_ERR_OUTCOME_UNKNOWN.
 * @since 0.1.0
 */
LSM_API int lsm_volume_replicate(lsm_connect *conn, lsm_pool *pool, lsm_replication_type rep_type,
                                 lsm_volume *volume_src, const char *name,
                                 lsm_volume **new_replicant, char **job, lsm_flag flags);

/**
 * Replicates a volume, with options.
 *
 * As lsm_volume_replicate() otherwise.
 *
 * @param options what is wished for; NULL: nothing special
 * @return as lsm_volume_replicate(); LSM_ERR_NAME_CONFLICT also for an idempotency key that was
 *         used for something else.
 * @since 0.1.0
 */
LSM_API int lsm_volume_replicate_with(lsm_connect *conn, lsm_pool *pool,
                                      lsm_replication_type rep_type, lsm_volume *volume_src,
                                      const char *name, lsm_replicate_options *options,
                                      lsm_volume **new_replicant, char **job, lsm_flag flags);

/**
 * Replicates several volumes at one instant: of all writes to any of them, either all replicants
 * have it or it came later.
 *
 * All are made or none. One job does the work of all, and mirrors form a group: a verb on one
 * member acts on all of them, again at one instant. So does a failure: where one target of
 * MIRROR_SYNC cannot take a write, all become DEGRADED at one instant, and no target has a write
 * without those to other members that had been flushed before it was begun.
 *
 * @param pool           where the replicants go; NULL: where the sources are
 * @param rep_type       CLONE, COPY, MIRROR_SYNC or MIRROR_ASYNC
 * @param volume_srcs    the sources, all different, all of one pool
 * @param names          the replicants' names, in the same order
 * @param count          how many sources and names there are, not 0
 * @param options        what is wished for; NULL: nothing special
 * @param new_replicants becomes the array of records in the sources' order, the caller's to free
 *                       with lsm_volume_record_array_free(), if they were made at once; else it
 *                       stays NULL
 * @param new_count      becomes how many records there are
 * @param job            becomes the job's id if one was started; else it stays NULL
 * @return as lsm_volume_replicate_with(); LSM_ERR_NO_SUPPORT also for sources of several pools.
 * @since 0.1.0
 */
LSM_API int lsm_volume_group_replicate(lsm_connect *conn, lsm_pool *pool,
                                       lsm_replication_type rep_type, lsm_volume *volume_srcs[],
                                       const char *names[], uint32_t count,
                                       lsm_replicate_options *options,
                                       lsm_volume **new_replicants[], uint32_t *new_count,
                                       char **job, lsm_flag flags);

/**
 * Tells how large the blocks are that lsm_volume_replicate_range() counts in.
 *
 * @param bytes becomes the size of a block in bytes
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_SYSTEM, LSM_ERR_NO_SUPPORT, or
 *         a failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_volume_replicate_range_block_size(lsm_connect *conn, lsm_system *system,
                                                  uint32_t *bytes, lsm_flag flags);

/**
 * Replicates ranges of blocks from one volume into another, or within one.
 *
 * The target gets what the source has at the instant of the call, whatever is written there
 * meanwhile, and it gets it as a writer would write it: its mirrors follow, its clones do not. Its
 * other blocks are not touched. What is little is done, and durable, when the call returns; else a
 * job does it. The same ranges may be asked for again.
 *
 * The target is no new volume, so it is seen as it changes: until the job is DONE any of the blocks
 * may be old or new, and what others write to them meanwhile may be written over. A job that is
 * cancelled or fails, and a call that fails, leave what they have written, like any write that was
 * interrupted. While it runs the job counts among the target's writers (LSM_ERR_IS_MASKED for who
 * deletes it, LSM_ERR_BUSY for who hands it over); one that finds its target gone, or no longer
 * writable, is FAILED. The source cannot be deleted before the job has ended.
 *
 * @param rep_type    CLONE (sharing the blocks) or COPY; capabilities tell which there is
 * @param volume_src  where the data comes from
 * @param volume_dest where it goes; it may be the source
 * @param ranges      which blocks go where; they must lie inside the volumes. No block may be
 *                    written by two of them, nor in one volume both read and written
 * @param n           how many ranges there are, not 0
 * @return LSM_ERR_OK or LSM_ERR_JOB_STARTED (job is set); LSM_ERR_INVALID_ARGUMENT (the message
 *         names the range and the volume), LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_NO_SUPPORT,
 *         LSM_ERR_READ_ONLY (the target may not be written), LSM_ERR_BUSY (it is being handed over
 *         to its mirror), LSM_ERR_NOT_ENOUGH_SPACE (also to keep the instant of a FULL source,
 *         which reserves its size anew), or LSM_ERR_IO.
 * @since 0.1.0
 */
LSM_API int lsm_volume_replicate_range(lsm_connect *conn, lsm_replication_type rep_type,
                                       lsm_volume *volume_src, lsm_volume *volume_dest,
                                       lsm_block_range **ranges, uint32_t n, char **job,
                                       lsm_flag flags);

#ifdef __cplusplus
}
#endif

#endif
