/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam: everything that a backend can do, as one table of functions.
 *
 * The API has checked handles, outputs, flags, names, sizes and enumerations before it calls here;
 * a backend decides the rest and says why it refuses with error_set(). `b` is the state of one
 * connection, made by open. Out-parameters are touched only on success. Where a job is started the
 * function returns LSM_ERR_JOB_STARTED and sets `*job` (malloc'd) instead of the record. Every
 * function may be called from any number of threads at once; close is called when none is inside.
 *
 * A NULL member means LSM_ERR_NO_SUPPORT, and lsm_capabilities() is read off the same table.
 */
#ifndef REPLICANT_BACKEND_H
#define REPLICANT_BACKEND_H

#include <stdbool.h>
#include <replicant/types.h>
#include "record.h"

struct event_queue; /* job/event.h */
struct uri;         /* util/uri.h: what a URI says, taken apart */

struct replicate_request {
    lsm_replication_type type;
    const lsm_pool *pool; /* NULL: the sources' own */
    lsm_volume **sources;
    const char **names;
    uint32_t count;                               /* 1, or a group's */
    const struct _lsm_replicate_options *options; /* never NULL */
};

struct backend_ops {
    const char *scheme; /* "dir" */
    const char *description;
    uint32_t replicate_types; /* bit (1 << lsm_replication_type) for each that works */
    uint32_t range_types;     /* the same for ranges */

    int (*open)(const struct uri *uri, const char *password, uint32_t timeout_ms, void **b);
    void (*close)(void *b);
    void (*timeout_set)(void *b, uint32_t timeout_ms);
    int (*plugin_info)(void *b, char **description, char **version);

    int (*system_list)(void *b, struct record_list *systems);

    /* `key` and `value` are NULL (all) or a key that the noun knows and a value. */
    int (*pool_list)(void *b, const char *key, const char *value, struct record_list *pools);
    int (*pool_create)(void *b, const char *name, const char *directory, uint64_t limit_bytes,
                       lsm_pool **pool);
    int (*pool_delete)(void *b, const lsm_pool *pool);
    int (*pool_check)(void *b, const lsm_pool *pool, char **job);

    int (*volume_list)(void *b, const char *key, const char *value, struct record_list *volumes);
    int (*volume_create)(void *b, const lsm_pool *pool, const char *name, uint64_t size_bytes,
                         lsm_volume_provision_type provision, lsm_volume **volume, char **job);
    int (*volume_resize)(void *b, const lsm_volume *volume, uint64_t size_bytes,
                         lsm_volume **resized, char **job);
    int (*volume_delete)(void *b, const lsm_volume *volume, char **job);
    int (*volume_rename)(void *b, const lsm_volume *volume, const char *name, lsm_volume **renamed);
    int (*volume_admin_state_set)(void *b, const lsm_volume *volume, uint32_t state);
    int (*volume_tag_set)(void *b, const lsm_volume *volume, const char *key, const char *value);
    int (*volume_child_dependency)(void *b, const lsm_volume *volume, bool *yes);
    int (*volume_child_dependency_delete)(void *b, const lsm_volume *volume, char **job);

    /* One volume or a group; what is finished at once is appended to `made`. */
    int (*volume_replicate)(void *b, const struct replicate_request *request,
                            struct record_list *made, char **job);
    int (*replicate_range_block_size)(void *b, const lsm_system *system, uint32_t *bytes);
    int (*volume_replicate_range)(void *b, lsm_replication_type type, const lsm_volume *source,
                                  const lsm_volume *target, lsm_block_range **ranges,
                                  uint32_t count, char **job);

    int (*job_list)(void *b, const char *key, const char *value, struct record_list *jobs);
    int (*job_get)(void *b, const char *id, lsm_job **job);
    /* The API waits in short slices, to see a close: so LSM_ERR_TIMEOUT means that the job has not
     * ended within timeout_ms, and nothing else. */
    int (*job_wait)(void *b, const char *id, uint32_t timeout_ms, lsm_job **job);
    int (*job_volume_list)(void *b, const char *id, struct record_list *volumes);
    int (*job_cancel)(void *b, const char *id);
    int (*job_pause)(void *b, const char *id);
    int (*job_resume)(void *b, const char *id);
    int (*job_rate_limit_set)(void *b, const char *id, uint64_t bytes_per_s);
    int (*job_free)(void *b, const char *id); /* forgets an ended one; a running one goes on */

    int (*replication_list)(void *b, const char *key, const char *value,
                            struct record_list *replications);
    int (*replication_get)(void *b, const char *id, lsm_replication **replication);
    int (*replication_sync)(void *b, const char *id, char **job);
    int (*replication_pause)(void *b, const char *id);
    int (*replication_resume)(void *b, const char *id, lsm_flag flags);
    int (*replication_interval_set)(void *b, const char *id, uint32_t ms);
    int (*replication_promote)(void *b, const char *id, char **job, lsm_flag flags);
    int (*replication_reverse)(void *b, const char *id, char **job, lsm_flag flags);
    int (*replication_break)(void *b, const char *id);

    /* From here on `queue` gets this backend's events; until event_unsubscribe, or close. */
    int (*event_subscribe)(void *b, struct event_queue *queue);
    void (*event_unsubscribe)(void *b, struct event_queue *queue);

    /* An open volume outlives the connection that opened it. The API has checked that ranges are
     * inside io_size(); `flags` are LSM_VOLUME_IO_*. */
    int (*io_open)(void *b, const lsm_volume *volume, lsm_flag flags, void **io);
    int (*io_close)(void *io);
    uint64_t (*io_size)(void *io);
    int (*io_pread)(void *io, void *buf, uint64_t count, uint64_t offset);
    int (*io_pwrite)(void *io, const void *buf, uint64_t count, uint64_t offset, lsm_flag flags);
    int (*io_write_zeroes)(void *io, uint64_t count, uint64_t offset);
    int (*io_discard)(void *io, uint64_t count, uint64_t offset);
    int (*io_flush)(void *io);
    int (*io_extents)(void *io, uint64_t count, uint64_t offset, lsm_extent **extents, uint32_t *n);
};

/* The table for a URI's scheme (what stands before a '+'); NULL: no such backend. */
const struct backend_ops *backend_find(const char *scheme);
const struct backend_ops *backend_at(uint32_t i); /* to list them; NULL past the last */

#endif
