/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The noun: created, resized, renamed, tagged and deleted, each with one transaction in the middle:
 * what can fail comes before it, what comes after it cannot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- the picture ----------------------------------------------------------------------------- */

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

void volume_free(struct volume *volume)
{
    if (!volume)
        return;
    stack_close(volume->stack);
    gate_finish(&volume->gate);
    cluster_locks_finish(&volume->locks);
    for (size_t i = 0; volume->tags && volume->tags[i]; i++)
        free(volume->tags[i]);
    free(volume->tags);
    free(volume->key);
    free(volume->request);
    free(volume->name);
    free(volume);
}

struct volume *volume_alloc(struct pool *pool, const struct volume_row *row, struct layer *top)
{
    struct volume *v = calloc(1, sizeof *v);
    if (!v) {
        error_no_memory();
        return NULL;
    }
    gate_init(&v->gate);
    cluster_locks_init(&v->locks);
    v->pool = pool;
    v->size = row->size;
    v->created_ms = row->created_ms;
    v->provision = (lsm_volume_provision_type)row->provision;
    v->admin_state = (uint32_t)row->admin_state;
    v->top = top;
    v->ready = row->ready;
    atomic_init(&v->io_size, row->size);
    memcpy(v->id, row->id, ID_SIZE);
    if (row->parent)
        snprintf(v->parent, sizeof v->parent, "%s", row->parent);
    bool name = copy_text(&v->name, row->name), key = copy_text(&v->key, row->key);
    if (name && key && copy_text(&v->request, row->request))
        return v;
    volume_free(v);
    error_no_memory();
    return NULL;
}

static void enter(struct volume *volume)
{
    volume->top->uses++;
    HASH_ADD_STR(volume->pool->volumes, id, volume);
}

static void count_as_clone(const struct volume *volume)
{
    struct volume *parent;
    HASH_FIND_STR(volume->pool->volumes, volume->parent, parent);
    if (parent)
        parent->clones++;
}

void volume_enter(struct volume *volume)
{
    enter(volume);
    count_as_clone(volume);
}

static int load(void *argument, const struct volume_row *row)
{
    struct pool *pool = argument;
    struct layer *top = pool_layer(pool, row->top);
    if (!top)
        return error_set(LSM_ERR_DAMAGED, row->id,
                         "the volume «%s» in the pool %s has a top layer that has no row",
                         row->name, pool->path);
    struct volume *volume = volume_alloc(pool, row, top);
    if (!volume)
        return LSM_ERR_NO_MEMORY;
    enter(volume);
    return LSM_ERR_OK;
}

/* A clone may come before its parent: made in the same millisecond, or by a clock set back. */
int volumes_load(struct pool *pool)
{
    int code = catalog_volumes(pool->catalog, load, pool);
    for (struct volume *v = pool->volumes; v; v = v->hh.next)
        count_as_clone(v);
    return code == LSM_ERR_OK ? catalog_tags(pool->catalog, volume_tag_load, pool) : code;
}

void volumes_free(struct pool *pool)
{
    struct volume *volume, *next;
    HASH_ITER(hh, pool->volumes, volume, next)
    {
        HASH_DEL(pool->volumes, volume);
        volume_free(volume);
    }
}

/* --- finding --------------------------------------------------------------------------------- */

struct volume *volume_find(struct root *root, const char *id)
{
    struct volume *volume = NULL;
    for (uint32_t i = 0; i < root->pool_count && !volume; i++)
        HASH_FIND_STR(root->pools[i]->volumes, id, volume);
    return volume;
}

int volume_get(struct root *root, const char *id, struct volume **volume)
{
    struct volume *found = id ? volume_find(root, id) : NULL;
    const struct shut_pool *shut = root->shut;
    if (!found && shut)
        return error_set(shut->why->code, id,
                         "the volume %s is not there, unless it is in the pool «%s», which could "
                         "not be opened: %s",
                         id ? id : "(none)", shut->name, shut->why->message);
    if (!found || !found->ready)
        return error_set(LSM_ERR_NOT_FOUND_VOLUME, id, "there is no volume with the id %s in %s",
                         id ? id : "(none)", root->path);
    *volume = found;
    return LSM_ERR_OK;
}

struct volume *volume_by_name(struct pool *pool, const char *name)
{
    for (struct volume *v = pool->volumes; v; v = v->hh.next)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

int volume_check_name(struct pool *pool, const char *name)
{
    char job[ID_SIZE];
    const struct volume *other = volume_by_name(pool, name);
    if (!other)
        return LSM_ERR_OK;
    if (!other->ready && job_of_target(pool->root->runner, other->id, job))
        return error_set(LSM_ERR_NAME_CONFLICT, name,
                         "the name «%s» is kept in the pool «%s» for the job %s", name, pool->name,
                         job);
    return error_set(LSM_ERR_NAME_CONFLICT, name,
                     "there is a volume «%s» in the pool «%s» already (%s)", name, pool->name,
                     other->id);
}

int volume_round_size(uint64_t *size)
{
    if (*size <= INT64_MAX - CLUSTER_SIZE) {
        *size = (*size + CLUSTER_SIZE - 1) & ~(uint64_t)(CLUSTER_SIZE - 1);
        return LSM_ERR_OK;
    }
    error_set(LSM_ERR_NOT_ENOUGH_SPACE, NULL, "no file can have %llu bytes",
              (unsigned long long)*size);
    error_hint("ask for less than 8 EiB");
    return LSM_ERR_NOT_ENOUGH_SPACE;
}

/* --- create ---------------------------------------------------------------------------------- */

static int commit_new(struct pool *pool, struct layer *base, struct volume_row *row)
{
    struct layer_row layer = {.state = LAYER_WRITABLE, .full = base->full};
    memcpy(layer.guid, base->guid, ID_SIZE);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_add(pool->catalog, &layer);
    base->row = row->top = layer.row;
    if (code == LSM_ERR_OK)
        code = catalog_volume_add(pool->catalog, row);
    return catalog_end(pool->catalog, code);
}

/* The picture's part is made before the commit, so that nothing can fail after it. */
static int enter_new(struct pool *pool, struct layer *base, struct volume_row *row,
                     struct volume **volume)
{
    struct volume *v = volume_alloc(pool, row, base);
    struct layer_entry *entry = v ? calloc(1, sizeof *entry) : NULL;
    int code = entry ? commit_new(pool, base, row) : error_no_memory();
    if (code != LSM_ERR_OK) {
        free(entry);
        volume_free(v);
        return code;
    }
    entry->row = base->row;
    entry->layer = base;
    HASH_ADD(hh, pool->layers, row, sizeof entry->row, entry);
    volume_enter(v);
    *volume = v;
    event_publish(pool->root->hub, LSM_EVENT_VOLUME, v->id, -1, -1);
    return code;
}

int volume_create(struct pool *pool, const char *name, uint64_t size,
                  lsm_volume_provision_type provision, struct volume **volume)
{
    bool full = provision == LSM_VOLUME_PROVISION_FULL;
    int code = pool_check_writable(pool);
    if (code == LSM_ERR_OK)
        code = volume_check_name(pool, name);
    if (code == LSM_ERR_OK)
        code = volume_round_size(&size);
    if (code == LSM_ERR_OK && full)
        code = pool_check_space(pool, size, "a FULL volume");
    struct volume_row row = {.name = name,
                             .size = size,
                             .created_ms = clock_ms(),
                             .provision =
                                 full ? LSM_VOLUME_PROVISION_FULL : LSM_VOLUME_PROVISION_THIN,
                             .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                             .ready = true};
    struct layer *base;
    if (code == LSM_ERR_OK)
        code = guid_make_volume(row.id);
    if (code == LSM_ERR_OK)
        code = pool_base_make(pool, size, full, &base);
    if (code != LSM_ERR_OK)
        return code;
    code = full ? layer_allocate(base, 0, size) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = enter_new(pool, base, &row, volume);
    if (code != LSM_ERR_OK) {
        pool_files_drop(pool, base->guid);
        layer_free(base);
    }
    return code;
}

/* --- resize ---------------------------------------------------------------------------------- */

static int commit_size(struct volume *volume, uint64_t size, uint64_t limit)
{
    struct catalog *catalog = volume->pool->catalog;
    struct layer *top = volume->top;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_volume_size_set(catalog, volume->id, size);
    if (code == LSM_ERR_OK && limit != top->below_limit)
        code = catalog_layer_stand(catalog, top->row, top->below ? top->below->row : 0, limit);
    return catalog_end(catalog, code);
}

/* The file is longer, and durably so, before the row says it. */
static int grow(struct volume *volume, uint64_t size)
{
    struct layer *top = volume->top;
    gate_close(&volume->gate);
    int code = layer_resize(top, size);
    if (code == LSM_ERR_OK && top->full)
        code = layer_allocate(top, volume->size, size - volume->size);
    if (code == LSM_ERR_OK)
        code = layer_flush(top);
    if (code == LSM_ERR_OK)
        code = commit_size(volume, size, top->below_limit);
    if (code == LSM_ERR_OK) {
        volume->size = size;
        atomic_store(&volume->io_size, size);
    } else if (!catalog_in_doubt(volume->pool->catalog)) { /* else it is as long as the row may say */
        struct _lsm_error *why = error_take();
        layer_resize(top, volume->size);
        error_restore(why);
    }
    gate_open(&volume->gate);
    return code;
}

/* The row says it first; a longer file after a crash is cut when it is opened. From here on nothing
 * of the old part may ever show again: not from the file, not from the map, not from below. */
static int shrink(struct volume *volume, uint64_t size)
{
    struct layer *top = volume->top;
    uint64_t limit = top->below && top->below_limit > size ? size : top->below_limit;
    int code = commit_size(volume, size, limit);
    if (code != LSM_ERR_OK)
        return code;
    top->below_limit = limit;
    volume->size = size;
    atomic_store(&volume->io_size, size);
    if (layer_resize(top, size) != LSM_ERR_OK || layer_flush(top) != LSM_ERR_OK)
        error_clear(); /* it is done with the commit: the next open cuts what is left over */
    return LSM_ERR_OK;
}

static int check_resize(struct volume *volume, uint64_t size)
{
    if (size == volume->size)
        return error_set(LSM_ERR_NO_STATE_CHANGE, volume->id,
                         "the volume «%s» has %llu bytes already", volume->name,
                         (unsigned long long)size);
    if (size < volume->size && volume->handles > 0) {
        error_set(LSM_ERR_IS_MASKED, volume->id,
                  "the volume «%s» is open, and shrinking would take blocks from under its users",
                  volume->name);
        error_hint("close its handles first");
        return LSM_ERR_IS_MASKED;
    }
    if (size > volume->size && volume->top->full)
        return pool_check_space(volume->pool, size - volume->size, "growing a FULL volume");
    return LSM_ERR_OK;
}

int volume_resize(struct volume *volume, uint64_t size)
{
    int code = pool_check_writable(volume->pool);
    if (code == LSM_ERR_OK)
        code = volume_round_size(&size);
    if (code == LSM_ERR_OK)
        code = check_resize(volume, size);
    if (code == LSM_ERR_OK)
        code = volume_open_stack(volume);
    if (code != LSM_ERR_OK)
        return code;
    code = size > volume->size ? grow(volume, size) : shrink(volume, size);
    struct _lsm_error *why = error_take();
    volume_close_stack(volume);
    error_clear();
    error_restore(why);
    if (code == LSM_ERR_OK)
        event_publish(volume->pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
    return code;
}

/* --- delete ---------------------------------------------------------------------------------- */

static const struct volume *first_clone(const struct volume *volume)
{
    for (const struct volume *v = volume->pool->volumes; v; v = v->hh.next)
        if (strcmp(v->parent, volume->id) == 0)
            return v;
    return NULL;
}

int volume_check_jobs(const struct volume *volume)
{
    char job[ID_SIZE];
    if (!volume->readers)
        return LSM_ERR_OK;
    if (job_of_source(volume->pool->root->runner, volume->id, job))
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, volume->id, "the job %s reads the volume «%s»", job,
                  volume->name);
    else
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, volume->id,
                  "a job is making the volume «%s» independent of its source", volume->name);
    error_hint("wait for the job, or cancel it");
    return LSM_ERR_HAS_CHILD_DEPENDENCY;
}

int volume_check_replaced(const struct volume *volume)
{
    if (!volume->replaced)
        return LSM_ERR_OK;
    error_set(LSM_ERR_BUSY, volume->id, "all of the volume «%s» is being copied again (%s)",
              volume->name, volume->relation);
    error_hint("wait until the replication is in sync");
    error_retryable();
    return LSM_ERR_BUSY;
}

int volume_check_dependants(const struct volume *volume)
{
    if (volume->clones) {
        const struct volume *clone = first_clone(volume);
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, volume->id,
                  "%u clone(s) stand on the volume «%s», «%s» among them", volume->clones,
                  volume->name, clone ? clone->name : "?");
        error_hint("delete the clones first");
        return LSM_ERR_HAS_CHILD_DEPENDENCY;
    }
    if (volume->mirrors) {
        error_set(LSM_ERR_HAS_CHILD_DEPENDENCY, volume->id,
                  "the volume «%s» is the source of %u replication(s)", volume->name,
                  volume->mirrors);
        error_hint("break the replication first");
        return LSM_ERR_HAS_CHILD_DEPENDENCY;
    }
    return volume_check_jobs(volume);
}

int volume_remove_rows(struct volume *volume)
{
    struct pool *pool = volume->pool;
    int code = catalog_volume_remove(pool->catalog, volume->id);
    return code == LSM_ERR_OK ? pool_layers_doom(pool, volume->top) : code;
}

void volume_remove(struct volume *volume)
{
    struct pool *pool = volume->pool;
    struct volume *parent;
    HASH_FIND_STR(pool->volumes, volume->parent, parent);
    if (parent) {
        parent->clones--;
        parent->changed_ns = clock_monotonic_ns();
    }
    HASH_DEL(pool->volumes, volume);
    pool_layers_drop(pool, volume->top);
    event_publish(pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
    volume_free(volume);
}

int volume_check_deletable(const struct volume *volume)
{
    int code = pool_check_writable(volume->pool);
    if (code == LSM_ERR_OK && volume->handles > volume->attached) {
        code = error_set(LSM_ERR_IS_MASKED, volume->id, "the volume «%s» is in use", volume->name);
        error_hint("close its handles first");
    }
    return code == LSM_ERR_OK ? volume_check_dependants(volume) : code;
}

int volume_delete(struct volume *volume)
{
    struct pool *pool = volume->pool;
    int code = volume_check_deletable(volume);
    if (code == LSM_ERR_OK)
        code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_end(pool->catalog, volume_remove_rows(volume));
    if (code == LSM_ERR_OK)
        volume_remove(volume);
    return code;
}

/* --- small changes --------------------------------------------------------------------------- */

int volume_rename(struct volume *volume, const char *name)
{
    struct catalog *catalog = volume->pool->catalog;
    int code = pool_check_writable(volume->pool);
    if (code != LSM_ERR_OK)
        return code;
    if (strcmp(volume->name, name) == 0)
        return error_set(LSM_ERR_NO_STATE_CHANGE, volume->id,
                         "the volume «%s» has that name already", name);
    if ((code = volume_check_name(volume->pool, name)) != LSM_ERR_OK)
        return code;
    autofree char *copy = strdup(name);
    code = copy ? catalog_begin(catalog) : error_no_memory();
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_end(catalog, catalog_volume_name_set(catalog, volume->id, name));
    if (code == LSM_ERR_OK) {
        free(volume->name);
        volume->name = STEAL(copy);
        event_publish(volume->pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
    }
    return code;
}

int volume_admin_state_set(struct volume *volume, uint32_t state)
{
    struct catalog *catalog = volume->pool->catalog;
    int code = pool_check_writable(volume->pool);
    if (code != LSM_ERR_OK)
        return code;
    if (volume->admin_state == state)
        return error_set(LSM_ERR_NO_STATE_CHANGE, volume->id, "the volume «%s» is %s already",
                         volume->name, state ? "enabled" : "disabled");
    if ((code = catalog_begin(catalog)) != LSM_ERR_OK)
        return code;
    code = catalog_end(catalog, catalog_volume_admin_state_set(catalog, volume->id, (int)state));
    if (code == LSM_ERR_OK) {
        volume->admin_state = state;
        event_publish(volume->pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
    }
    return code;
}

/* --- the record ------------------------------------------------------------------------------ */

static void count_layers(const struct volume *volume, lsm_volume *record)
{
    bool alone = true;
    for (struct layer *layer = volume->top; layer; layer = layer->below) {
        uint64_t bytes = layer_allocated(layer);
        alone = alone && layer->uses == 1;
        record->allocated_bytes += bytes;
        record->exclusive_bytes += alone ? bytes : 0;
        record->depth++;
    }
}

lsm_volume *volume_record(struct volume *volume)
{
    const struct pool *pool = volume->pool;
    lsm_volume *record = record_create(&volume_type);
    if (!record)
        return NULL;
    record->admin_state = volume->admin_state;
    record->provision = volume->provision;
    record->block_size = BLOCK_SIZE;
    record->number_of_blocks = volume->size / BLOCK_SIZE;
    record->created_ms = volume->created_ms;
    count_layers(volume, record);
    if (!volume->top->below)
        record->base_path = layer_path(&pool->home, volume->top->guid, ".raw");
    if (record_text(&record->id, volume->id) == LSM_ERR_OK &&
        record_text(&record->name, volume->name) == LSM_ERR_OK &&
        record_text(&record->vpd83, volume->id) == LSM_ERR_OK &&
        record_text(&record->system_id, pool->root->id) == LSM_ERR_OK &&
        record_text(&record->pool_id, pool->id) == LSM_ERR_OK &&
        record_text(&record->parent_id, volume->parent[0] ? volume->parent : NULL) == LSM_ERR_OK &&
        volume_tags_copy(volume, record) == LSM_ERR_OK)
        return record;
    record_destroy(&volume_type, record);
    return NULL;
}
