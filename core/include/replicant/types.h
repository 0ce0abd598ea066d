/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vocabulary: every handle, number and constant that the other headers speak of.
 *
 * Numbers are part of the binary interface and never change. New ones are added at the end, so a
 * program should treat a value that it does not know as it treats UNKNOWN.
 */
#ifndef REPLICANT_TYPES_H
#define REPLICANT_TYPES_H

#include <inttypes.h>
#include <stdint.h>

/* Marks what the shared library exports. */
#if defined(SWIG) || !defined(__GNUC__)
#define LSM_API
#else
#define LSM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- Flags ------------------------------------------------------------------------------------ */

/* A set of bits. A call takes those that its comment names; any other bit is
 * LSM_ERR_INVALID_ARGUMENT. */
typedef uint64_t lsm_flag;

#define LSM_CLIENT_FLAG_RSVD 0 /* no flag: what to pass where a call defines none */

#define LSM_VOLUME_IO_READ_ONLY 1 /* lsm_volume_io_open: no writing through this handle */
#define LSM_VOLUME_IO_FUA 2       /* lsm_volume_io_pwrite: durable when the call returns */

#define LSM_REPLICATION_FORCE 1   /* promote: failover; resume: copy everything again */
#define LSM_REPLICATION_DISCARD 2 /* reverse, resume: do not keep what is rewound */

/* --- Handles and records ------------------------------------------------------------------------
 *
 * All are opaque. A *handle* stands for something that is open and is closed; a *record* is a
 * snapshot of facts, never changes, and is freed. replicant.h says who owns which. */

typedef struct _lsm_connect lsm_connect;           /* handle: an open connection (connect.h) */
typedef struct _lsm_event_queue lsm_event_queue;   /* handle: a queue of events (event.h) */
typedef struct _lsm_volume_io lsm_volume_io;       /* handle: an open volume (io.h) */

typedef struct _lsm_system lsm_system;             /* record: who offers pools (system.h) */
typedef struct _lsm_pool lsm_pool;                 /* record: where volumes live (pool.h) */
typedef struct _lsm_volume lsm_volume;             /* record: a block device (volume.h) */
typedef struct _lsm_job lsm_job;                   /* record: work that takes time (job.h) */
typedef struct _lsm_replication lsm_replication;   /* record: a mirror's relation (replication.h) */
typedef struct _lsm_event lsm_event;               /* record: something that happened (event.h) */
typedef struct _lsm_error lsm_error;               /* record: why a call failed (error.h) */

typedef struct _lsm_block_range lsm_block_range;   /* what to copy to where (block_range.h) */
typedef struct _lsm_replicate_options lsm_replicate_options; /* (replicate.h) */
typedef struct _lsm_storage_capabilities lsm_storage_capabilities; /* (capabilities.h) */
typedef struct _lsm_string_list lsm_string_list;   /* a list of texts (string_list.h) */
typedef struct _lsm_hash lsm_hash;                 /* texts by text (hash.h) */

typedef lsm_error *lsm_error_ptr;

/* --- Return codes -------------------------------------------------------------------------------
 *
 * What calls return and error records carry. Up to 999 the numbers have the meaning that
 * libStorageMgmt gives them; those marked «plug-in» come only from a backend behind one of its
 * plug-ins. From 1001 on they are replicant's own. */
typedef enum {
    LSM_ERR_OK = 0,          /* done */
    LSM_ERR_LIB_BUG = 1,     /* the library contradicts itself; please report it */
    LSM_ERR_PLUGIN_BUG = 2,  /* the plug-in's answer makes no sense */
    LSM_ERR_JOB_STARTED = 7, /* no failure: the work goes on as a job */
    LSM_ERR_TIMEOUT = 11,    /* the time given was up */
    LSM_ERR_DAEMON_NOT_RUNNING = 12, /* nobody listens on the socket, or its owner died */
    LSM_ERR_PERMISSION_DENIED = 13,  /* the operating system or the array refuses this user */

    LSM_ERR_NAME_CONFLICT = 50,    /* the name, or the idempotency key, is taken */
    LSM_ERR_EXISTS_INITIATOR = 52, /* plug-in: the initiator is in another group */

    LSM_ERR_INVALID_ARGUMENT = 101, /* an argument is outside what the call's comment allows */

    LSM_ERR_NO_STATE_CHANGE = 125, /* it is already so */

    LSM_ERR_NETWORK_CONNREFUSED = 140, /* the array's host refuses the connection */
    LSM_ERR_NETWORK_HOSTDOWN = 141,    /* the array's host is down */
    LSM_ERR_NETWORK_ERROR = 142,       /* any other trouble on the network */

    LSM_ERR_NO_MEMORY = 152,  /* memory is exhausted */
    LSM_ERR_NO_SUPPORT = 153, /* this backend cannot do it; see capabilities.h */

    LSM_ERR_IS_MASKED = 160,            /* in use: an I/O handle or an export is open on it */
    LSM_ERR_HAS_CHILD_DEPENDENCY = 161, /* something depends on it */

    LSM_ERR_NOT_FOUND_ACCESS_GROUP = 200, /* plug-in: no such access group */
    LSM_ERR_NOT_FOUND_FS = 201,           /* plug-in: no such file system */
    LSM_ERR_NOT_FOUND_JOB = 202,          /* no such job, or it has been forgotten */
    LSM_ERR_NOT_FOUND_POOL = 203,         /* no such pool */
    LSM_ERR_NOT_FOUND_FS_SS = 204,        /* plug-in: no such file system snapshot */
    LSM_ERR_NOT_FOUND_VOLUME = 205,       /* no such volume, or not yet */
    LSM_ERR_NOT_FOUND_NFS_EXPORT = 206,   /* plug-in: no such NFS export */
    LSM_ERR_NOT_FOUND_GENERIC = 207,      /* plug-in: no such thing */
    LSM_ERR_NOT_FOUND_SYSTEM = 208,       /* no such system */
    LSM_ERR_NOT_FOUND_DISK = 209,         /* plug-in: no such disk */

    LSM_ERR_NOT_LICENSED = 226, /* plug-in: the array lacks the licence */

    LSM_ERR_NO_SUPPORT_ONLINE_CHANGE = 250,  /* not while it is online */
    LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE = 251, /* not in its present condition */

    LSM_ERR_PLUGIN_AUTH_FAILED = 300,       /* wrong user or password */
    LSM_ERR_PLUGIN_IPC_FAIL = 301,          /* the conversation with the plug-in broke down */
    LSM_ERR_PLUGIN_SOCKET_PERMISSION = 307, /* the plug-in's socket may not be opened */
    LSM_ERR_PLUGIN_NOT_EXIST = 311,         /* no backend for the URI's scheme */

    LSM_ERR_NOT_ENOUGH_SPACE = 350, /* it does not fit; nothing was made */

    LSM_ERR_TRANSPORT_COMMUNICATION = 400, /* the socket failed in the middle of a message */
    LSM_ERR_TRANSPORT_SERIALIZATION = 401, /* a message could not be understood */
    LSM_ERR_TRANSPORT_INVALID_ARG = 402,   /* a message lacks an argument or has a wrong one */

    LSM_ERR_LAST_INIT_IN_ACCESS_GROUP = 502, /* plug-in: an access group keeps one initiator */
    LSM_ERR_UNSUPPORTED_SEARCH_KEY = 510,    /* lists of this noun have no such key */
    LSM_ERR_EMPTY_ACCESS_GROUP = 511,        /* plug-in: the access group is empty */
    LSM_ERR_POOL_NOT_READY = 512,            /* the pool's status is not OK */
    LSM_ERR_DISK_NOT_FREE = 513,             /* plug-in: the disk is in use */

    LSM_ERR_IO = 1001,        /* reading or writing failed; the record has errno, side, offset */
    LSM_ERR_DAMAGED = 1002,   /* a file or a row that cannot be believed */
    LSM_ERR_BUSY = 1003,      /* owned elsewhere, or a writer is open */
    LSM_ERR_STATE = 1004,     /* the verb does not fit the state; the message names both */
    LSM_ERR_CANCELLED = 1005, /* somebody cancelled it */
    LSM_ERR_READ_ONLY = 1006, /* a mirror's target, a disabled volume, a read-only handle */
    LSM_ERR_NOT_FOUND_REPLICATION = 1007, /* no such replication, or it has ended */
    LSM_ERR_OUTCOME_UNKNOWN = 1008 /* the answer was lost: ask again with the same key */
} lsm_error_number;

/* --- Systems ---------------------------------------------------------------------------------- */

/* The bits of lsm_system_status_get(). */
#define LSM_SYSTEM_STATUS_UNKNOWN 0x00000001
#define LSM_SYSTEM_STATUS_OK 0x00000002
#define LSM_SYSTEM_STATUS_ERROR 0x00000004
#define LSM_SYSTEM_STATUS_DEGRADED 0x00000008
#define LSM_SYSTEM_STATUS_PREDICTIVE_FAILURE 0x00000010
#define LSM_SYSTEM_STATUS_OTHER 0x00000020

/* --- Pools ------------------------------------------------------------------------------------ */

/* The bits of lsm_pool_status_get(). */
#define LSM_POOL_STATUS_UNKNOWN 0x0000000000000001
#define LSM_POOL_STATUS_OK 0x0000000000000002
#define LSM_POOL_STATUS_OTHER 0x0000000000000004
#define LSM_POOL_STATUS_DEGRADED 0x0000000000000010
#define LSM_POOL_STATUS_ERROR 0x0000000000000020
#define LSM_POOL_STATUS_STOPPED 0x0000000000000200
#define LSM_POOL_STATUS_RECONSTRUCTING 0x0000000000001000
#define LSM_POOL_STATUS_VERIFYING 0x0000000000002000
#define LSM_POOL_STATUS_INITIALIZING 0x0000000000004000
#define LSM_POOL_STATUS_GROWING 0x0000000000008000

/* The bits of lsm_pool_element_type_get(): what can be made in the pool. */
#define LSM_POOL_ELEMENT_TYPE_POOL 0x0000000000000002
#define LSM_POOL_ELEMENT_TYPE_VOLUME 0x0000000000000004
#define LSM_POOL_ELEMENT_TYPE_FS 0x0000000000000008
#define LSM_POOL_ELEMENT_TYPE_DELTA 0x0000000000000010
#define LSM_POOL_ELEMENT_TYPE_VOLUME_FULL 0x0000000000000020
#define LSM_POOL_ELEMENT_TYPE_VOLUME_THIN 0x0000000000000040
#define LSM_POOL_ELEMENT_TYPE_SYS_RESERVED 0x0000000000000400

/* The bits of lsm_pool_unsupported_actions_get(). */
#define LSM_POOL_UNSUPPORTED_VOLUME_GROW 0x0000000000000001
#define LSM_POOL_UNSUPPORTED_VOLUME_SHRINK 0x0000000000000002

/* --- Volumes ---------------------------------------------------------------------------------- */

/* How a volume takes space from its pool. */
typedef enum {
    LSM_VOLUME_PROVISION_UNKNOWN = -1,
    LSM_VOLUME_PROVISION_THIN = 1,   /* as it is written */
    LSM_VOLUME_PROVISION_FULL = 2,   /* all of it, reserved at once */
    LSM_VOLUME_PROVISION_DEFAULT = 3 /* whatever the backend prefers */
} lsm_volume_provision_type;

/* The values of lsm_volume_admin_state_get(). */
#define LSM_VOLUME_ADMIN_STATE_DISABLED 0x0
#define LSM_VOLUME_ADMIN_STATE_ENABLED 0x1

/* The values of lsm_extent.flags. */
#define LSM_EXTENT_DATA 0 /* holds data */
#define LSM_EXTENT_ZERO 1 /* reads as zeros without being stored */

/* A run of bytes of one kind. A plain struct, since thousands come at once. */
typedef struct {
    uint64_t offset; /* bytes from the volume's start */
    uint64_t length; /* bytes */
    uint32_t flags;  /* LSM_EXTENT_DATA or LSM_EXTENT_ZERO */
} lsm_extent;

/* --- Replicating ------------------------------------------------------------------------------ */

/* The four ways to replicate a volume (replicate.h). */
typedef enum {
    LSM_VOLUME_REPLICATE_UNKNOWN = -1,
    LSM_VOLUME_REPLICATE_CLONE = 2,       /* shares data with its source; made at once */
    LSM_VOLUME_REPLICATE_COPY = 3,        /* shares nothing; a job makes it */
    LSM_VOLUME_REPLICATE_MIRROR_SYNC = 4, /* every write reaches both before it is acknowledged */
    LSM_VOLUME_REPLICATE_MIRROR_ASYNC = 5 /* follows its source instant by instant */
} lsm_replication_type;

/* What a copy does to be sure of itself. */
typedef enum {
    LSM_VERIFY_NONE = 0,     /* it trusts the storage (default) */
    LSM_VERIFY_READ_BACK = 1 /* the target is read again past the cache and compared */
} lsm_verify_mode;

/* What becomes of a write when a synchronous mirror's target cannot take it. */
typedef enum {
    LSM_TARGET_ERROR_DEGRADE = 0, /* it succeeds, and the replication is DEGRADED (default) */
    LSM_TARGET_ERROR_FAIL = 1     /* it fails */
} lsm_target_error_policy;

/* --- Jobs ------------------------------------------------------------------------------------- */

/* A job as libStorageMgmt's calls show it: QUEUED, RUNNING and PAUSED are INPROGRESS, DONE is
 * COMPLETE, FAILED and CANCELLED are ERROR. */
typedef enum {
    LSM_JOB_INPROGRESS = 1,
    LSM_JOB_COMPLETE = 2,
    LSM_JOB_ERROR = 3
} lsm_job_status;

/* Where a job is in its life. job.h has the table of what can be done to it when. */
typedef enum {
    LSM_JOB_STATE_UNKNOWN = -1,
    LSM_JOB_STATE_QUEUED = 1,   /* waits for a worker, or for an absent pool */
    LSM_JOB_STATE_RUNNING = 2,  /* a worker is at it */
    LSM_JOB_STATE_PAUSED = 3,   /* stands still until it is resumed */
    LSM_JOB_STATE_DONE = 4,     /* ended: all of it is there, and durable */
    LSM_JOB_STATE_FAILED = 5,   /* ended: the record says why; nothing half-made is left */
    LSM_JOB_STATE_CANCELLED = 6 /* ended: nothing half-made is left */
} lsm_job_state;

/* What a job does. */
typedef enum {
    LSM_JOB_KIND_UNKNOWN = -1,
    LSM_JOB_KIND_COPY = 1,           /* makes a COPY */
    LSM_JOB_KIND_MIRROR_INITIAL = 2, /* fills a new mirror's target */
    LSM_JOB_KIND_RESYNC = 3,         /* brings it up to date after a gap, or all of it again */
    LSM_JOB_KIND_SHIP = 4,           /* brings one instant to an asynchronous mirror's target */
    LSM_JOB_KIND_FLATTEN = 5,        /* makes clones whole, so that they depend on nothing */
    LSM_JOB_KIND_RANGE = 6,          /* copies ranges of blocks between two volumes */
    LSM_JOB_KIND_DELETE = 7,         /* deletes, on backends where that takes time */
    LSM_JOB_KIND_CHECK = 8           /* reads a pool through, and says what is damaged */
} lsm_job_kind;

/* --- Replications ----------------------------------------------------------------------------- */

/* How a mirror's two sides stand to each other. replication.h has the table of verbs. */
typedef enum {
    LSM_REPLICATION_STATE_UNKNOWN = -1,
    LSM_REPLICATION_STATE_INITIALIZING = 1, /* the target is being filled for the first time */
    LSM_REPLICATION_STATE_IN_SYNC = 2,   /* equal; asynchronous: the last interval has arrived */
    LSM_REPLICATION_STATE_DEGRADED = 3,  /* the target cannot be written; a resync will follow */
    LSM_REPLICATION_STATE_RESYNCING = 4, /* the target is being brought up to date */
    LSM_REPLICATION_STATE_PAUSED = 5,    /* nothing is sent until it is resumed */
    LSM_REPLICATION_STATE_SPLIT = 6,     /* both sides are writable since a forced promotion */
    LSM_REPLICATION_STATE_BROKEN = 7     /* no common instant is left, or the relation has ended */
} lsm_replication_state;

/* --- Events ----------------------------------------------------------------------------------- */

/* What an event tells. */
typedef enum {
    LSM_EVENT_JOB_STATE = 1,         /* a job has gone from one state to another */
    LSM_EVENT_JOB_PROGRESS = 2,      /* a job has got further */
    LSM_EVENT_REPLICATION_STATE = 3, /* a replication has gone from one state to another */
    LSM_EVENT_VOLUME = 4,            /* a volume has appeared, changed or gone */
    LSM_EVENT_LOST = 5               /* the queue overflowed: read the lists again */
} lsm_event_kind;

#ifdef __cplusplus
}
#endif

#endif
