/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * replicant: replicates storage volumes.
 *
 * The API is that of libStorageMgmt, as far as it concerns systems, pools, volumes and their
 * replication, with what its users miss: jobs that can be listed, waited for, paused and cancelled;
 * mirrors that have a record of their own; events; reading and writing a volume. A program written
 * for libStorageMgmt that uses the calls declared here compiles unchanged.
 *
 * This is the charter: it holds for every call unless the call's own comment says otherwise.
 *
 * HANDLES AND RECORDS. Everything is opaque. A connection, an I/O handle and an event queue are
 * *handles*: they are opened and closed. Systems, pools, volumes, jobs, replications, events and
 * errors come as *records*: facts as they were when the call was made. A record never changes; to
 * see what is new, ask again. It needs no connection and outlives it. Calls take a record for the
 * id in it, so an old one will do. Ids are never used again, so it cannot mean another thing by
 * now. Anything that is no handle or record of the right kind, NULL included, is refused.
 *
 * OWNERSHIP shows in the type. What a call writes through a `T **` (or a `char **`, or an array) is
 * the caller's, to be freed as the call's comment says: records with lsm_X_record_free(), arrays
 * of them with lsm_X_record_array_free(), plain texts with free(). What a getter returns belongs to
 * the record or handle that was asked and lives as long as that; where libStorageMgmt's signature
 * has it as `char *` it still must not be changed or freed. Arguments are copied where they are
 * kept. Every *_free takes back what one call gave, and returns LSM_ERR_INVALID_ARGUMENT for
 * anything else.
 *
 * ARGUMENTS. Outputs must not be NULL, and output pointers must point at NULL, so that nothing is
 * lost by overwriting it; on failure they are left alone, and on success always set. `conn` is an
 * open connection. `flags` is LSM_CLIENT_FLAG_RSVD where no flag is named. `job` becomes the id of
 * the job that was started, the caller's to give to lsm_job_free() or to free(), and stays NULL
 * where the call was done at once. Texts are UTF-8 and end with a NUL. Sizes and offsets are bytes,
 * times milliseconds, unless a name says otherwise; points in time count from the beginning of
 * 1970, UTC. Of lists, `key` and `value` select what is listed: both NULL for all; a key without a
 * value is LSM_ERR_INVALID_ARGUMENT, an unknown key LSM_ERR_UNSUPPORTED_SEARCH_KEY; where nothing
 * is found the array stays NULL and the count is 0.
 *
 * ERRORS. A call returns LSM_ERR_OK, LSM_ERR_JOB_STARTED, or the number of what went wrong. First
 * it refuses a bad connection with LSM_ERR_INVALID_ARGUMENT, then it clears the error that its
 * thread's last call on that connection left, then it checks its arguments in order. Whatever fails
 * from there on leaves an error record, fetched with lsm_error_last_get(). Besides what its comment
 * names, any call that takes a connection may return LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NO_MEMORY,
 * LSM_ERR_LIB_BUG, and, where the other side is another process or an array, LSM_ERR_TIMEOUT,
 * LSM_ERR_DAEMON_NOT_RUNNING (its owner died; it may be tried again), LSM_ERR_OUTCOME_UNKNOWN (it
 * may have taken effect or not) and the LSM_ERR_TRANSPORT_ and LSM_ERR_PLUGIN_ numbers. A getter on
 * something that is no such record returns NULL, 0 or the UNKNOWN value, and leaves no error.
 *
 * THREADS. Any number of threads may use one connection, or one I/O handle, at once, and none waits
 * for another's call. Last errors are per thread. Records may be read by any number of threads, and
 * freed by one when no other reads them. Lists, hashes, tables and options, which have setters, are
 * one thread's at a time while they change. A handle is closed by one thread; lsm_connect_close()
 * waits for the calls under way. The library never calls back into the program, installs no signal
 * handler, never exits, and prints nothing unless REPLICANT_LOG=debug asks for it.
 *
 * JOBS. What cannot be done at once goes on as a job, whose id the call returns with
 * LSM_ERR_JOB_STARTED: never together with a result. Waiting is a separate call, so there is one
 * path for those who block and those who do not. A job belongs to the root, or the array, not to
 * the connection: it survives that, and the process. See job.h.
 *
 * ATOMICITY. A call that changes something has changed all of it when it returns LSM_ERR_OK or
 * LSM_ERR_JOB_STARTED, durably, and nothing when it fails, whatever dies meanwhile
 * (LSM_ERR_OUTCOME_UNKNOWN alone leaves it open). A volume is not shown before it can be used. What
 * was written and flushed stays; what stands on a replicant's instant never sees it change.
 *
 * FORK. Handles belong to the process that opened them; in a child they are refused with
 * LSM_ERR_INVALID_ARGUMENT, and the child opens its own. Descriptors are close-on-exec.
 *
 * VERSIONS. Each call's comment says since when it is there. Names, numbers and signatures do not
 * change; additions come as new calls, new setters and new numbers, so a program treats a number
 * that it does not know as UNKNOWN. lsm_library_version_get() tells which library runs.
 *
 * A first program, without its error handling:
 *
 *     lsm_connect *conn = NULL;
 *     lsm_error_ptr e = NULL;
 *     lsm_connect_password("dir:///srv/pool", NULL, &conn, 30000, &e, LSM_CLIENT_FLAG_RSVD);
 *
 *     lsm_volume **volumes = NULL, *copy = NULL;
 *     uint32_t count = 0;
 *     lsm_volume_list(conn, "name", "db", &volumes, &count, LSM_CLIENT_FLAG_RSVD);
 *
 *     char *job = NULL;
 *     lsm_volume_replicate(conn, NULL, LSM_VOLUME_REPLICATE_COPY, volumes[0], "db-copy", &copy,
 *                          &job, LSM_CLIENT_FLAG_RSVD);
 *     lsm_job *ended = NULL;
 *     lsm_job_wait(conn, job, UINT32_MAX, &ended, LSM_CLIENT_FLAG_RSVD);
 *
 *     lsm_job_record_free(ended);
 *     lsm_job_free(conn, &job, LSM_CLIENT_FLAG_RSVD);
 *     lsm_volume_record_array_free(volumes, count);
 *     lsm_connect_close(conn, LSM_CLIENT_FLAG_RSVD);
 */
#ifndef REPLICANT_REPLICANT_H
#define REPLICANT_REPLICANT_H

#include <replicant/types.h>
#include <replicant/error.h>
#include <replicant/connect.h>
#include <replicant/system.h>
#include <replicant/capabilities.h>
#include <replicant/pool.h>
#include <replicant/volume.h>
#include <replicant/replicate.h>
#include <replicant/replication.h>
#include <replicant/job.h>
#include <replicant/event.h>
#include <replicant/io.h>
#include <replicant/block_range.h>
#include <replicant/string_list.h>
#include <replicant/hash.h>
#include <replicant/uri.h>

#endif
