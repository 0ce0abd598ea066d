/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The embedded engine as a backend: dir://. Each function takes the root's lock, finds what the
 * record names, and hands down; what it means stands in the files below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <replicant/hash.h>
#include <replicant/string_list.h>

#include "engine.h"
#include "fold.h"
#include "mirror.h"
#include "range.h"
#include "replicate.h"
#include "root.h"
#include "scrub.h"
#include "upkeep.h"
#include "volume_io.h"
#include "../backend.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/error.h"
#include "../util/uri.h"

/* --- connections ----------------------------------------------------------------------------- */

/* «Ready» and «done» are one transaction, so a row that wants to fill a volume that is ready is
 * damage, and is not believed: the volume stays as it is. */
static int check_newborn(const struct pool *pool, struct job_row *row)
{
    const struct volume *target = volume_find(pool->root, row->target);
    if (row->state >= LSM_JOB_STATE_DONE || !target || !target->ready ||
        (row->kind != LSM_JOB_KIND_COPY && row->kind != LSM_JOB_KIND_MIRROR_INITIAL))
        return LSM_ERR_OK;
    row->state = LSM_JOB_STATE_FAILED;
    row->error = LSM_ERR_DAMAGED;
    free(row->message);
    if (asprintf(&row->message, "the volume «%s» that it says it fills is ready", target->name) >= 0)
        return LSM_ERR_OK;
    row->message = NULL;
    return error_no_memory();
}

/* Jobs begin to run at once; the root's lock keeps them waiting until the picture is whole. */
static int load_job(void *pool, struct job_row *row)
{
    if (row->state == LSM_JOB_STATE_RUNNING) /* of an owner that died */
        row->state = LSM_JOB_STATE_QUEUED;
    int code = check_newborn(pool, row);
    if (code != LSM_ERR_OK)
        return code;
    switch (row->kind) {
    case LSM_JOB_KIND_FLATTEN: return flatten_load(pool, row);
    case LSM_JOB_KIND_RANGE: return range_load(pool, row);
    case LSM_JOB_KIND_CHECK: return scrub_load(pool, row);
    case LSM_JOB_KIND_MIRROR_INITIAL:
    case LSM_JOB_KIND_SHIP:
    case LSM_JOB_KIND_RESYNC: return ship_load(pool, row);
    default: return copy_load(pool, row);
    }
}

static int load_jobs(struct root *root)
{
    LOCKED(&root->lock);
    int code = mirrors_load(root);
    for (uint32_t i = 0; i < root->pool_count && code == LSM_ERR_OK; i++)
        code = job_store_each(catalog_database(root->pools[i]->catalog), load_job, root->pools[i]);
    if (code == LSM_ERR_OK)
        code = mirrors_reconcile(root);
    for (uint32_t i = 0; i < root->pool_count && code == LSM_ERR_OK; i++)
        code = holds_sweep(root->pools[i]);
    root->intervals = upkeep_create(mirrors_round, root);
    if (code == LSM_ERR_OK && !root->intervals)
        code = error_no_memory();
    if (code == LSM_ERR_OK && root->mirrors)
        upkeep_wake(root->intervals);
    return code;
}

static const struct root_guests guests = {
    .loaded = load_jobs, .leaving = mirrors_free, .target_failed = mirror_target_failed};

static int read_options(const struct uri *uri, bool *direct)
{
    lsm_string_list *keys = NULL;
    int code = lsm_hash_keys(uri->query, &keys);
    for (uint32_t i = 0; code == LSM_ERR_OK && keys && i < lsm_string_list_size(keys); i++) {
        const char *key = lsm_string_list_elem_get(keys, i);
        const char *value = uri_option(uri, key);
        if (strcmp(key, "cache") == 0 && strcmp(value, "none") == 0)
            *direct = true;
        else if (strcmp(key, "cache") != 0 || strcmp(value, "writeback") != 0)
            code = error_set(LSM_ERR_INVALID_ARGUMENT, uri->text,
                             "the URI's option «%s=%s» is unknown; there is cache=none and"
                             " cache=writeback",
                             key, value);
    }
    if (keys)
        lsm_string_list_free(keys);
    return code;
}

static int open_root(const struct uri *uri, const char *password, uint32_t timeout_ms, void **b)
{
    (void)password;
    (void)timeout_ms; /* a lock is free or it is not: nothing here waits */
    bool direct = false;
    if (uri->path[0] != '/' || uri->server[0] || uri->user[0] || uri->port >= 0) {
        error_set(LSM_ERR_INVALID_ARGUMENT, uri->text, "the URI «%s» names no directory",
                  uri->text);
        error_hint("write dir:///the/directory, with three slashes");
        return LSM_ERR_INVALID_ARGUMENT;
    }
    int code = read_options(uri, &direct);
    struct connection *connection = code == LSM_ERR_OK ? malloc(sizeof *connection) : NULL;
    if (code == LSM_ERR_OK)
        code = connection ? root_open(uri->path, direct, &guests, &connection->root)
                          : error_no_memory();
    if (code == LSM_ERR_OK)
        *b = connection;
    else
        free(connection);
    return code;
}

static void close_root(void *b)
{
    root_release(ROOT(b));
    free(b);
}

static int plugin_info(void *b, char **description, char **version)
{
    (void)b;
    *description = strdup("replicant's embedded engine");
    *version = strdup(REPLICANT_VERSION);
    if (*description && *version)
        return LSM_ERR_OK;
    free(*description);
    free(*version);
    *description = *version = NULL;
    return error_no_memory();
}

/* --- systems and pools ----------------------------------------------------------------------- */

static int system_list(void *b, struct record_list *systems)
{
    struct root *root = ROOT(b);
    lsm_system *record = record_create(&system_type);
    if (!record)
        return LSM_ERR_NO_MEMORY;
    record->status = root->shut ? LSM_SYSTEM_STATUS_DEGRADED : LSM_SYSTEM_STATUS_OK;
    if (record_text(&record->id, root->id) == LSM_ERR_OK &&
        record_text(&record->name, root->path) == LSM_ERR_OK &&
        record_text(&record->status_info, root->shut ? root->shut->why->message : "") == LSM_ERR_OK)
        return record_list_append(systems, &system_type, record);
    record_destroy(&system_type, record);
    return LSM_ERR_NO_MEMORY;
}

static bool pool_matches(const struct root *root, const char *id, const char *key,
                         const char *value)
{
    return !key || strcmp(value, strcmp(key, "id") == 0 ? id : root->id) == 0;
}

static int append_pool(struct record_list *pools, lsm_pool *record)
{
    return record ? record_list_append(pools, &pool_type, record) : LSM_ERR_NO_MEMORY;
}

static int pool_list(void *b, const char *key, const char *value, struct record_list *pools)
{
    struct root *root = ROOT(b);
    LOCKED(&root->lock);
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < root->pool_count && code == LSM_ERR_OK; i++)
        if (pool_matches(root, root->pools[i]->id, key, value))
            code = append_pool(pools, pool_record(root->pools[i]));
    for (struct shut_pool *shut = root->shut; shut && code == LSM_ERR_OK; shut = shut->next)
        if (pool_matches(root, shut->id, key, value))
            code = append_pool(pools, pool_shut_record(root, shut));
    return code;
}

static int pool_create(void *b, const char *name, const char *directory, uint64_t limit_bytes,
                       lsm_pool **pool)
{
    struct root *root = ROOT(b);
    struct pool *made;
    LOCKED(&root->lock);
    int code = root_pool_create(root, name, directory, limit_bytes, &made);
    if (code != LSM_ERR_OK)
        return code;
    *pool = pool_record(made);
    return *pool ? LSM_ERR_OK : record_unsaid(made->name);
}

static int pool_delete(void *b, const lsm_pool *record)
{
    struct root *root = ROOT(b);
    struct pool *pool;
    LOCKED(&root->lock);
    int code = pool_get(root, record->id, &pool);
    if (code == LSM_ERR_OK)
        code = pool_check_writable(pool);
    if (code != LSM_ERR_OK)
        return code;
    if (pool->volumes || pool->holds) {
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, pool->name, "the pool «%s» has %u volume(s)",
                  pool->name, HASH_COUNT(pool->volumes));
        error_hint("delete its volumes first");
        return LSM_ERR_HAS_CHILD_DEPENDENCY;
    }
    char check[ID_SIZE];
    if (job_of_kind(root->runner, &pool->lane, LSM_JOB_KIND_CHECK, check)) {
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, pool->name, "the job %s checks the pool «%s»",
                  check, pool->name);
        error_hint("wait for the job, or cancel it");
        return LSM_ERR_HAS_CHILD_DEPENDENCY;
    }
    return root_pool_delete(root, pool);
}

static int pool_check(void *b, const lsm_pool *record, char **job)
{
    struct root *root = ROOT(b);
    struct pool *pool;
    LOCKED(&root->lock);
    int code = pool_get(root, record->id, &pool);
    return code == LSM_ERR_OK ? scrub_begin(pool, job) : code;
}

/* --- volumes --------------------------------------------------------------------------------- */

static bool volume_matches(const struct volume *v, const char *key, const char *value)
{
    const char *has = NULL;
    if (!key)
        return true;
    if (strcmp(key, "id") == 0)
        has = v->id;
    else if (strcmp(key, "name") == 0)
        has = v->name;
    else if (strcmp(key, "pool_id") == 0)
        has = v->pool->id;
    else if (strcmp(key, "system_id") == 0)
        has = v->pool->root->id;
    else if (strcmp(key, "parent_id") == 0)
        has = v->parent;
    return has && has[0] && strcmp(value, has) == 0;
}

static int append_volume(struct record_list *volumes, struct volume *volume)
{
    lsm_volume *record = volume_record(volume);
    return record ? record_list_append(volumes, &volume_type, record) : LSM_ERR_NO_MEMORY;
}

static int volume_list(void *b, const char *key, const char *value, struct record_list *volumes)
{
    struct root *root = ROOT(b);
    LOCKED(&root->lock);
    const struct shut_pool *shut =
        key && strcmp(key, "pool_id") == 0 ? pool_shut_by_id(root, value) : NULL;
    int code = shut ? error_repeat(shut->why) : LSM_ERR_OK;
    for (uint32_t i = 0; i < root->pool_count; i++)
        for (struct volume *v = root->pools[i]->volumes; v && code == LSM_ERR_OK; v = v->hh.next)
            if (v->ready && volume_matches(v, key, value))
                code = append_volume(volumes, v);
    return code;
}

static int give_record(struct volume *volume, lsm_volume **record)
{
    *record = volume_record(volume);
    return *record ? LSM_ERR_OK : record_unsaid(volume->name);
}

static int create(void *b, const lsm_pool *record, const char *name, uint64_t size_bytes,
                  lsm_volume_provision_type provision, lsm_volume **volume, char **job)
{
    struct root *root = ROOT(b);
    struct pool *pool;
    struct volume *made;
    (void)job;
    LOCKED(&root->lock);
    int code = pool_get(root, record->id, &pool);
    if (code == LSM_ERR_OK)
        code = volume_create(pool, name, size_bytes, provision, &made);
    return code == LSM_ERR_OK ? give_record(made, volume) : code;
}

/* A mirror grows on both sides or not at all, the target first, and does not shrink. */
static int resize_mirrored(struct volume *volume, uint64_t size)
{
    struct root *root = volume->pool->root;
    if (volume->relation[0]) {
        error_set(LSM_ERR_READ_ONLY, volume->id,
                  "the volume «%s» is the target of the replication"
                  " %s",
                  volume->name, volume->relation);
        error_hint("resize the source");
        return LSM_ERR_READ_ONLY;
    }
    bool shrinks = size < volume->size && mirror_of_end(root, volume->id);
    if ((!volume->mirrors && !shrinks) || size == volume->size)
        return volume_resize(volume, size);
    if (size < volume->size && volume->handles)
        return volume_resize(volume, size); /* refuses: 160 goes before 251 */
    if (size < volume->size) {
        error_set(LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE, volume->id,
                  "the volume «%s» belongs to a mirror, and mirrors do not shrink", volume->name);
        error_hint("break the replication first");
        return LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE;
    }
    int code = LSM_ERR_OK;
    for (struct mirror *m = root->mirrors; m && code == LSM_ERR_OK; m = m->next) {
        struct volume *target = mirror_volume(m, SIDE_TARGET);
        if (strcmp(m->source, volume->id) != 0 || m->state == LSM_REPLICATION_STATE_SPLIT ||
            m->state == LSM_REPLICATION_STATE_BROKEN)
            continue;
        code = sync_grow(m, size);        /* refuses while the target is being filled */
        bool now = m->sync || !m->job[0]; /* else when the next ship begins */
        if (code == LSM_ERR_OK && now && target && target->ready && target->size < size)
            code = volume_resize(target, size);
    }
    return code == LSM_ERR_OK ? volume_resize(volume, size) : code;
}

static int resize(void *b, const lsm_volume *record, uint64_t size_bytes, lsm_volume **resized,
                  char **job)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    (void)job;
    LOCKED(&root->lock);
    fold_quiesce(root, record->id);
    int code = volume_get(root, record->id, &volume);
    if (code == LSM_ERR_OK)
        code = resize_mirrored(volume, size_bytes);
    return code == LSM_ERR_OK ? give_record(volume, resized) : code;
}

static int delete_volume(void *b, const lsm_volume *record, char **job)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    (void)job;
    LOCKED(&root->lock);
    fold_quiesce(root, record->id);
    int code = volume_get(root, record->id, &volume);
    if (code != LSM_ERR_OK)
        return code;
    for (struct mirror *m = root->mirrors; m; m = m->next)
        if (strcmp(m->target, volume->id) == 0)
            return mirror_target_delete(m);
    return volume_delete(volume);
}

static int rename_volume(void *b, const lsm_volume *record, const char *name, lsm_volume **renamed)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    LOCKED(&root->lock);
    int code = volume_get(root, record->id, &volume);
    if (code == LSM_ERR_OK)
        code = volume_rename(volume, name);
    return code == LSM_ERR_OK ? give_record(volume, renamed) : code;
}

static int admin_state_set(void *b, const lsm_volume *record, uint32_t state)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    LOCKED(&root->lock);
    int code = volume_get(root, record->id, &volume);
    return code == LSM_ERR_OK ? volume_admin_state_set(volume, state) : code;
}

static int tag_set(void *b, const lsm_volume *record, const char *key, const char *value)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    LOCKED(&root->lock);
    int code = volume_get(root, record->id, &volume);
    return code == LSM_ERR_OK ? volume_tag_set(volume, key, value) : code;
}

static int child_dependency(void *b, const lsm_volume *record, bool *yes)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    LOCKED(&root->lock);
    int code = volume_get(root, record->id, &volume);
    if (code == LSM_ERR_OK)
        *yes = volume->clones || volume->readers || volume->mirrors;
    return code;
}

static int child_dependency_delete(void *b, const lsm_volume *record, char **job)
{
    struct root *root = ROOT(b);
    struct volume *volume;
    LOCKED(&root->lock);
    int code = volume_get(root, record->id, &volume);
    bool mirrors = code == LSM_ERR_OK && volume->mirrors > 0;
    if (mirrors)
        code = mirrors_break(root, record->id);
    if (code != LSM_ERR_OK || (mirrors && !volume->clones))
        return code;
    return flatten_begin(volume, job);
}

/* --- replication ----------------------------------------------------------------------------- */

static int volume_replicate(void *b, const struct replicate_request *request,
                            struct record_list *made, char **job)
{
    return replicate(ROOT(b), request, made, job);
}

static int range_block_size(void *b, const lsm_system *system, uint32_t *bytes)
{
    const struct root *root = ROOT(b);
    if (!system->id || strcmp(system->id, root->id) != 0)
        return error_set(LSM_ERR_NOT_FOUND_SYSTEM, system->id, "the system %s is not that of %s",
                         system->id ? system->id : "(none)", root->path);
    *bytes = BLOCK_SIZE;
    return LSM_ERR_OK;
}

static int replicate_range(void *b, lsm_replication_type type, const lsm_volume *source,
                           const lsm_volume *target, lsm_block_range **ranges, uint32_t count,
                           char **job)
{
    (void)type; /* COPY: range_types has no other */
    return range_copy(ROOT(b), source, target, ranges, count, job);
}

/* --- jobs and events ------------------------------------------------------------------------- */

static int list_jobs(void *b, const char *key, const char *value, struct record_list *jobs)
{
    return job_list(ROOT(b)->runner, key, value, jobs);
}

static int get_job(void *b, const char *id, lsm_job **job)
{
    return job_get(ROOT(b)->runner, id, job);
}

static int wait_for_job(void *b, const char *id, uint32_t timeout_ms, lsm_job **job)
{
    return job_wait(ROOT(b)->runner, id, timeout_ms, job);
}

static int job_volumes(void *b, const char *id, struct record_list *volumes)
{
    struct root *root = ROOT(b);
    char target[ID_SIZE];
    LOCKED(&root->lock);
    int code = job_target(root->runner, id, 0, target);
    for (uint32_t i = 1; code == LSM_ERR_OK && target[0]; i++) {
        struct volume *volume = volume_find(root, target);
        if (volume && volume->ready)
            code = append_volume(volumes, volume);
        if (code == LSM_ERR_OK)
            code = job_target(root->runner, id, i, target);
    }
    return code;
}

static int cancel_job(void *b, const char *id)
{
    return job_cancel(ROOT(b)->runner, id);
}

static int pause_job(void *b, const char *id)
{
    return job_pause(ROOT(b)->runner, id);
}

static int resume_job(void *b, const char *id)
{
    return job_resume(ROOT(b)->runner, id);
}

static int limit_job(void *b, const char *id, uint64_t bytes_per_s)
{
    return job_rate_limit_set(ROOT(b)->runner, id, bytes_per_s);
}

static int forget_job(void *b, const char *id)
{
    int code = job_forget(ROOT(b)->runner, id);
    return code == LSM_ERR_NO_STATE_CHANGE ? LSM_ERR_OK : code; /* the caller's text is let go */
}

static int subscribe(void *b, struct event_queue *queue)
{
    event_hub_add(ROOT(b)->hub, queue);
    return LSM_ERR_OK;
}

static void unsubscribe(void *b, struct event_queue *queue)
{
    event_hub_remove(ROOT(b)->hub, queue);
}

/* --- I/O ------------------------------------------------------------------------------------- */

static int io_open(void *b, const lsm_volume *record, lsm_flag flags, void **io)
{
    struct volume_io *opened;
    int code = volume_io_open(ROOT(b), record->id, flags, &opened);
    if (code == LSM_ERR_OK)
        *io = opened;
    return code;
}

static int io_close(void *io)
{
    return volume_io_close(io);
}

static uint64_t io_size(void *io)
{
    return volume_io_size(io);
}

static int io_pread(void *io, void *buf, uint64_t count, uint64_t offset)
{
    return volume_io_pread(io, buf, count, offset);
}

static int io_pwrite(void *io, const void *buf, uint64_t count, uint64_t offset, lsm_flag flags)
{
    return volume_io_pwrite(io, buf, count, offset, flags);
}

static int io_zero(void *io, uint64_t count, uint64_t offset)
{
    return volume_io_zero(io, count, offset);
}

static int io_flush(void *io)
{
    return volume_io_flush(io);
}

static int io_extents(void *io, uint64_t count, uint64_t offset, lsm_extent **extents, uint32_t *n)
{
    return volume_io_extents(io, count, offset, extents, n);
}

const struct backend_ops engine_ops = {
    .scheme = "dir",
    .description = "the embedded engine: pools in a directory",
    .replicate_types = 1u << LSM_VOLUME_REPLICATE_CLONE | 1u << LSM_VOLUME_REPLICATE_COPY |
                       1u << LSM_VOLUME_REPLICATE_MIRROR_SYNC |
                       1u << LSM_VOLUME_REPLICATE_MIRROR_ASYNC,
    .range_types = 1u << LSM_VOLUME_REPLICATE_COPY,
    .open = open_root,
    .close = close_root,
    .plugin_info = plugin_info,
    .system_list = system_list,
    .pool_list = pool_list,
    .pool_create = pool_create,
    .pool_delete = pool_delete,
    .pool_check = pool_check,
    .volume_list = volume_list,
    .volume_create = create,
    .volume_resize = resize,
    .volume_delete = delete_volume,
    .volume_rename = rename_volume,
    .volume_admin_state_set = admin_state_set,
    .volume_tag_set = tag_set,
    .volume_child_dependency = child_dependency,
    .volume_child_dependency_delete = child_dependency_delete,
    .volume_replicate = volume_replicate,
    .replicate_range_block_size = range_block_size,
    .volume_replicate_range = replicate_range,
    .replication_list = engine_replication_list,
    .replication_get = engine_replication_get,
    .replication_sync = engine_replication_sync,
    .replication_pause = engine_replication_pause,
    .replication_resume = engine_replication_resume,
    .replication_interval_set = engine_replication_interval_set,
    .replication_promote = engine_replication_promote,
    .replication_reverse = engine_replication_reverse,
    .replication_break = engine_replication_break,
    .job_list = list_jobs,
    .job_get = get_job,
    .job_wait = wait_for_job,
    .job_volume_list = job_volumes,
    .job_cancel = cancel_job,
    .job_pause = pause_job,
    .job_resume = resume_job,
    .job_rate_limit_set = limit_job,
    .job_free = forget_job,
    .event_subscribe = subscribe,
    .event_unsubscribe = unsubscribe,
    .io_open = io_open,
    .io_close = io_close,
    .io_size = io_size,
    .io_pread = io_pread,
    .io_pwrite = io_pwrite,
    .io_write_zeroes = io_zero,
    .io_discard = io_zero,
    .io_flush = io_flush,
    .io_extents = io_extents,
};
