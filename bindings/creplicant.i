/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is what in the API, said once for all languages. How each kind of thing becomes the
 * language's own is said in python.i and go.i, which define the words that are used here:
 *
 *  LSM_HANDLE(TYPE, NAME, FREE)       an opaque type, owned by who gets it through a TYPE **: FREE
 *                                     frees `$self`
 *  LSM_OPEN_HANDLE(TYPE, NAME, CLOSE) the same for what is opened, and closed: CLOSE closes
 *                                     `handle` (default: LSM_HANDLE)
 *  LSM_OUT_ARRAY(TYPE, NAME, LIST, COUNT)  two outputs that are one list
 *  LSM_OUT_STRING(NAME)  LSM_OUT_NUMBER(TYPE, GOTYPE, NAME)  LSM_OUT_ERROR(NAME)
 *  LSM_OUT_STRING_LIST(NAME)  LSM_OUT_EXTENTS(LIST, COUNT)
 *  LSM_IN_GROUP(SOURCES, NAMES, COUNT)  LSM_IN_RANGES(LIST, COUNT)   lists that go in
 *  LSM_OPTIONAL(TYPE, NAME)  LSM_OPTIONAL_STRING(NAME)               NULL is a value
 *  LSM_BUFFER_TO_FILL(BUF, LEN)  LSM_BUFFER_TO_READ(BUF, LEN)        memory that is not copied
 *  LSM_FLAGS_HIDDEN  LSM_FLAGS_SHOWN  whether the headers below them have flags for the caller
 *  LSM_BLOCKING_BEGIN, _END           around what may block
 *  LSM_HANDLE_ENTER, _LEAVE           the same, for calls on a handle in arg1 (default: as above)
 *  LSM_CLOSE(FN, ERROR)               the call that closes the handle in arg1 (default: a call)
 *
 * and the typemaps of `int LSM_STATUS`, with a local `lsm_error *failed`: what a call returns.
 */
%module creplicant

%{
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

/* The error of the call that has just ended on this thread; the caller's to free. A refused handle
 * leaves no record, so one is made. */
static lsm_error *error_or(lsm_error *left, int rc)
{
    if (rc == LSM_ERR_OK || rc == LSM_ERR_JOB_STARTED)
        return NULL;
    if (left)
        return left;
    return lsm_error_create((lsm_error_number)rc,
                            rc == LSM_ERR_INVALID_ARGUMENT
                                ? "not an open handle of this process, or a bad argument"
                                : "the call failed, and its reason is gone with the handle",
                            NULL, NULL, NULL, 0);
}

static lsm_error *error_of(lsm_connect *conn, int rc)
{
    int failed = rc != LSM_ERR_OK && rc != LSM_ERR_JOB_STARTED;
    return error_or(failed && conn ? lsm_error_last_get(conn) : NULL, rc);
}

static lsm_error *io_error_of(lsm_volume_io *io, int rc)
{
    return error_or(rc != LSM_ERR_OK ? lsm_volume_io_error_last_get(io) : NULL, rc);
}
%}

%include <stdint.i>

#if defined(SWIGPYTHON)
%include "python.i"
#elif defined(SWIGGO)
%include "go.i"
#endif

#ifndef LSM_HANDLE_ENTER
#define LSM_HANDLE_ENTER LSM_BLOCKING_BEGIN
#define LSM_HANDLE_LEAVE LSM_BLOCKING_END
#endif

%define LSM_CALL_ERROR(FN, ERROR)
%exception FN { LSM_HANDLE_ENTER $action failed = ERROR; LSM_HANDLE_LEAVE }
%apply int LSM_STATUS { int FN };
%enddef

%define LSM_CALL(FN)
LSM_CALL_ERROR(FN, error_of(arg1, result))
%enddef

%define LSM_IO_CALL(FN)
LSM_CALL_ERROR(FN, io_error_of(arg1, result))
%enddef

/* A call that needs no handle. */
%define LSM_FREE_CALL(FN, ERROR)
%exception FN { LSM_BLOCKING_BEGIN $action failed = ERROR; LSM_BLOCKING_END }
%apply int LSM_STATUS { int FN };
%enddef

#ifndef LSM_CLOSE
%define LSM_CLOSE(FN, ERROR)
LSM_CALL_ERROR(FN, ERROR)
%enddef
#endif

#ifndef LSM_OPEN_HANDLE
%define LSM_OPEN_HANDLE(TYPE, NAME, CLOSE)
LSM_HANDLE(TYPE, NAME, CLOSE)
%enddef
#endif

/* --- What there is ---------------------------------------------------------------------------- */

LSM_OPEN_HANDLE(lsm_connect, Connect, lsm_connect_close(handle, LSM_CLIENT_FLAG_RSVD))
LSM_OPEN_HANDLE(lsm_volume_io, VolumeIO, lsm_volume_io_close(handle, LSM_CLIENT_FLAG_RSVD))
LSM_OPEN_HANDLE(lsm_event_queue, EventQueue, lsm_event_queue_close(handle))

LSM_HANDLE(lsm_system, System, lsm_system_record_free($self))
LSM_HANDLE(lsm_pool, Pool, lsm_pool_record_free($self))
LSM_HANDLE(lsm_volume, Volume, lsm_volume_record_free($self))
LSM_HANDLE(lsm_job, Job, lsm_job_record_free($self))
LSM_HANDLE(lsm_replication, Replication, lsm_replication_record_free($self))
LSM_HANDLE(lsm_event, Event, lsm_event_record_free($self))
LSM_HANDLE(lsm_storage_capabilities, Capabilities, lsm_capability_record_free($self))
LSM_HANDLE(lsm_replicate_options, ReplicateOptions, lsm_replicate_options_free($self))

LSM_OUT_ARRAY(lsm_system, System, systems, count)
LSM_OUT_ARRAY(lsm_pool, Pool, pools, count)
LSM_OUT_ARRAY(lsm_volume, Volume, volumes, count)
LSM_OUT_ARRAY(lsm_volume, Volume, new_replicants, new_count)
LSM_OUT_ARRAY(lsm_job, Job, jobs, count)
LSM_OUT_ARRAY(lsm_replication, Replication, replications, count)
LSM_OUT_EXTENTS(extents, n)
LSM_OUT_STRING_LIST(plugins)
LSM_OUT_STRING(job)
LSM_OUT_STRING(desc)
LSM_OUT_STRING(version)
LSM_OUT_NUMBER(uint8_t, uint8, yes)
LSM_OUT_NUMBER(uint8_t, uint8, percent)
LSM_OUT_NUMBER(uint32_t, uint32, timeout_ms)
LSM_OUT_NUMBER(uint32_t, uint32, bytes)
LSM_OUT_NUMBER(int, int32, fd)
LSM_OUT_NUMBER(lsm_job_status, int32, status)
LSM_OUT_ERROR(e)

LSM_IN_GROUP(volume_srcs, names, count)
LSM_IN_RANGES(ranges, n)
LSM_BUFFER_TO_FILL(void *buf, uint64_t count)
LSM_BUFFER_TO_READ(const void *buf, uint64_t count)

/* Required where it is not optional to the library: that refuses what it must have. */
LSM_OPTIONAL(lsm_pool, pool)
LSM_OPTIONAL(lsm_replicate_options, options)
LSM_OPTIONAL_STRING(password)
LSM_OPTIONAL_STRING(directory)

/* --- Calls ------------------------------------------------------------------------------------ */

LSM_FREE_CALL(lsm_connect_password, result ? *arg5 ? *arg5 : error_of(NULL, result) : NULL)
LSM_FREE_CALL(lsm_available_plugins_list, error_of(NULL, result))
/* A handle that refuses to be closed is still there to be asked; else it is gone. */
LSM_CLOSE(lsm_connect_close, error_of(result == LSM_ERR_INVALID_ARGUMENT ? arg1 : NULL, result))
LSM_CALL(lsm_connect_timeout_set)
LSM_CALL(lsm_connect_timeout_get)
LSM_CALL(lsm_plugin_info_get)

LSM_CALL(lsm_system_list)
LSM_CALL(lsm_capabilities)

LSM_CALL(lsm_pool_list)
LSM_CALL(lsm_pool_create)
LSM_CALL(lsm_pool_delete)
LSM_CALL(lsm_pool_check)

LSM_CALL(lsm_volume_list)
LSM_CALL(lsm_volume_create)
LSM_CALL(lsm_volume_resize)
LSM_CALL(lsm_volume_delete)
LSM_CALL(lsm_volume_rename)
LSM_CALL(lsm_volume_enable)
LSM_CALL(lsm_volume_disable)
LSM_CALL(lsm_volume_child_dependency)
LSM_CALL(lsm_volume_child_dependency_delete)
LSM_CALL(lsm_volume_tag_set)

LSM_FREE_CALL(lsm_replicate_options_key_set, error_of(NULL, result))
LSM_FREE_CALL(lsm_replicate_options_interval_set, error_of(NULL, result))
LSM_FREE_CALL(lsm_replicate_options_rate_limit_set, error_of(NULL, result))
LSM_FREE_CALL(lsm_replicate_options_verify_set, error_of(NULL, result))
LSM_FREE_CALL(lsm_replicate_options_on_target_error_set, error_of(NULL, result))
LSM_CALL(lsm_volume_replicate)
LSM_CALL(lsm_volume_replicate_with)
LSM_CALL(lsm_volume_group_replicate)
LSM_CALL(lsm_volume_replicate_range_block_size)
LSM_CALL(lsm_volume_replicate_range)

LSM_CALL(lsm_job_status_get)
LSM_CALL(lsm_job_status_volume_get)
LSM_CALL(lsm_job_list)
LSM_CALL(lsm_job_get)
/* Time that was up is no failure here: there is no record then. */
LSM_CALL_ERROR(lsm_job_wait, result == LSM_ERR_TIMEOUT ? NULL : error_of(arg1, result))
LSM_CALL(lsm_job_volume_list)
LSM_CALL(lsm_job_cancel)
LSM_CALL(lsm_job_pause)
LSM_CALL(lsm_job_resume)
LSM_CALL(lsm_job_rate_limit_set)
LSM_CALL(lsm_job_forget)

LSM_CALL(lsm_replication_list)
LSM_CALL(lsm_replication_get)
LSM_CALL(lsm_replication_sync)
LSM_CALL(lsm_replication_pause)
LSM_CALL(lsm_replication_resume)
LSM_CALL(lsm_replication_interval_set)
LSM_CALL(lsm_replication_promote)
LSM_CALL(lsm_replication_reverse)
LSM_CALL(lsm_replication_break)

LSM_CALL(lsm_event_queue_open)
LSM_CALL_ERROR(lsm_event_queue_fd_get, error_of(NULL, result))
LSM_CALL_ERROR(lsm_event_next, error_of(NULL, result))
LSM_CLOSE(lsm_event_queue_close, error_of(NULL, result))

LSM_CALL(lsm_volume_io_open)
LSM_IO_CALL(lsm_volume_io_pread)
LSM_IO_CALL(lsm_volume_io_pread_bytes)
LSM_IO_CALL(lsm_volume_io_pwrite)
LSM_IO_CALL(lsm_volume_io_write_zeroes)
LSM_IO_CALL(lsm_volume_io_discard)
LSM_IO_CALL(lsm_volume_io_flush)
LSM_IO_CALL(lsm_volume_io_extents)
%exception lsm_volume_io_size_get { LSM_HANDLE_ENTER $action LSM_HANDLE_LEAVE }
LSM_CLOSE(lsm_volume_io_close, result == LSM_ERR_INVALID_ARGUMENT ? io_error_of(arg1, result)
                                                                   : error_of(NULL, result))

/* --- What no binding needs -------------------------------------------------------------------- */

/* Errors are taken inside the call that failed; lists come as the language's own; lsm_job_free
 * takes its text by reference and gives nothing back: lsm_job_forget below. */
%ignore lsm_error_last_get;
%ignore lsm_error_create;
%ignore lsm_volume_io_error_last_get;
%ignore lsm_extent;
%ignore lsm_extent_array_free;
%ignore lsm_capability_set;
%ignore lsm_capability_set_n;
%ignore lsm_capability_record_alloc;
%ignore lsm_job_free;

/* Nested includes are not followed: every header is named. replicant.h has nothing of its own, and
 * string lists, hashes, ranges and URIs are the languages' own. */
LSM_FLAGS_HIDDEN
%include <replicant/types.h>
%include <replicant/error.h>
%include <replicant/connect.h>
%include <replicant/system.h>
%include <replicant/capabilities.h>
%include <replicant/pool.h>
%include <replicant/volume.h>
%include <replicant/replicate.h>
%include <replicant/job.h>
%include <replicant/event.h>

%inline %{
/* Forgets a job that has ended. */
static int lsm_job_forget(lsm_connect *conn, const char *job_id, lsm_flag flags)
{
    char *text = job_id ? strdup(job_id) : NULL;
    int rc = lsm_job_free(conn, &text, flags);

    free(text);
    return rc;
}
%}

LSM_FLAGS_SHOWN
%include <replicant/replication.h>
%include <replicant/io.h>

#ifdef SWIGPYTHON
%inline %{
/* Reads into bytes that are made for it. */
static int lsm_volume_io_pread_bytes(lsm_volume_io *io, void *made, uint64_t size, uint64_t offset)
{
    return lsm_volume_io_pread(io, made, size, offset, LSM_CLIENT_FLAG_RSVD);
}
%}
#endif
