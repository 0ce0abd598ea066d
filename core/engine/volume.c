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

#define TAGS_MAX 64
#define TAG_BYTES_MAX 4096

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

void volume_enter(struct volume *volume)
{
    struct pool *pool = volume->pool;
    volume->top->uses++;
    struct volume *parent;
    HASH_FIND_STR(pool->volumes, volume->parent, parent);
    if (parent)
        parent->clones++;
    HASH_ADD_STR(pool->volumes, id, volume);
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
    volume_enter(volume);
    return LSM_ERR_OK;
}

static size_t count_tags(const struct volume *volume)
{
    size_t n = 0;
    while (volume->tags && volume->tags[n])
        n += 2;
    return n / 2;
}

static size_t find_tag(const struct volume *volume, const char *key)
{
    size_t i = 0;
    while (volume->tags && volume->tags[i] && strcmp(volume->tags[i], key) != 0)
        i += 2;
    return i;
}

/* A tag in the picture: `texts` is what pair_alloc made. */
static char **pair_alloc(const struct volume *volume, const char *key, const char *value,
                         char *pair[2])
{
    char **tags = malloc((2 * count_tags(volume) + 3) * sizeof *tags);
    pair[0] = strdup(key);
    pair[1] = strdup(value);
    if (tags && pair[0] && pair[1])
        return tags;
    free(tags);
    free(pair[0]);
    free(pair[1]);
    error_no_memory();
    return NULL;
}

static void tag_remove(struct volume *volume, const char *key)
{
    size_t i = find_tag(volume, key);
    if (!volume->tags || !volume->tags[i])
        return;
    free(volume->tags[i]);
    free(volume->tags[i + 1]);
    do
        volume->tags[i] = volume->tags[i + 2];
    while (volume->tags[i++]);
}

static void tag_put(struct volume *volume, char **tags, char *pair[2])
{
    tag_remove(volume, pair[0]);
    size_t n = 2 * count_tags(volume);
    if (n)
        memcpy(tags, volume->tags, n * sizeof *tags);
    tags[n] = pair[0];
    tags[n + 1] = pair[1];
    tags[n + 2] = NULL;
    free(volume->tags);
    volume->tags = tags;
}

static int load_tag(void *argument, const char *id, const char *key, const char *value)
{
    struct pool *pool = argument;
    struct volume *volume;
    char *pair[2];
    HASH_FIND_STR(pool->volumes, id, volume);
    char **tags = volume ? pair_alloc(volume, key, value, pair) : NULL;
    if (tags)
        tag_put(volume, tags, pair);
    return tags || !volume ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

int volumes_load(struct pool *pool)
{
    int code = catalog_volumes(pool->catalog, load, pool);
    return code == LSM_ERR_OK ? catalog_tags(pool->catalog, load_tag, pool) : code;
}

void volumes_free(struct pool *pool)
{
    struct volume *volume, *next;
    HASH_ITER(hh, pool->volumes, volume, next) {
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

/* --- the stack ------------------------------------------------------------------------------- */

int volume_open_stack(struct volume *volume)
{
    if (volume->handles++ > 0)
        return LSM_ERR_OK;
    volume->stack = stack_open(volume->top, volume->size);
    if (volume->stack)
        return LSM_ERR_OK;
    volume->handles--;
    return error_pending();
}

/* What a top's map says is in memory alone until it is flushed, and memory is what goes now. */
int volume_close_stack(struct volume *volume)
{
    if (--volume->handles > 0)
        return LSM_ERR_OK;
    int code = volume->top->map && !volume->pool->read_only ? layer_flush(volume->top)
                                                            : LSM_ERR_OK;
    stack_close(volume->stack);
    volume->stack = NULL;
    return code;
}

uint32_t volume_stacks_with(const struct pool *pool, const struct layer *layer)
{
    uint32_t n = 0;
    for (const struct volume *v = pool->volumes; v; v = v->hh.next)
        n += v->stack && stack_has(v->stack, layer);
    return n;
}

int volume_stacks_prepare(struct pool *pool, struct layer *layer, struct layer *instead,
                          struct swap **swaps, uint32_t *count)
{
    uint32_t n = volume_stacks_with(pool, layer);
    *count = 0;
    *swaps = calloc(n ? n : 1, sizeof **swaps);
    if (!*swaps)
        return error_no_memory();
    for (struct volume *v = pool->volumes; v; v = v->hh.next) {
        if (!v->stack || !stack_has(v->stack, layer))
            continue;
        struct stack *stack = stack_exchange(v->stack, layer, instead);
        if (!stack)
            return LSM_ERR_NO_MEMORY;
        (*swaps)[(*count)++] = (struct swap){v, stack};
    }
    return LSM_ERR_OK;
}

void volume_gates_close(struct swap *swaps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        gate_close(&swaps[i].volume->gate);
}

/* First all that is new is opened, then all that is old is closed: what is in both stays open. */
void volume_stacks_swap(struct swap *swaps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct volume *volume = swaps[i].volume;
        struct stack *old = volume->stack;
        volume->stack = swaps[i].stack;
        swaps[i].stack = NULL;
        for (uint32_t k = 0; k < volume->stack->depth; k++)
            layer_open(volume->stack->layers[k], volume->size); /* open already: it cannot fail */
        stack_close(old);
        gate_open(&volume->gate);
    }
}

void volume_stacks_discard(struct swap *swaps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        stack_free(swaps[i].stack);
    free(swaps);
}

int volume_flush_ahead(struct volume *volume)
{
    pthread_mutex_t *lock = &volume->pool->root->lock;
    struct layer *top = volume->top;
    if (!top->dirty || volume->pool->read_only)
        return LSM_ERR_OK;
    int code = volume_open_stack(volume);
    if (code != LSM_ERR_OK)
        return code;
    volume->background++;
    pthread_mutex_unlock(lock);
    for (int i = 0; i < 2 && code == LSM_ERR_OK; i++)
        code = layer_flush(top);
    pthread_mutex_lock(lock);
    struct _lsm_error *why = error_take();
    volume->background--;
    volume_close_stack(volume);
    error_clear();
    error_restore(why);
    pthread_cond_broadcast(&volume->pool->root->quiet);
    return code;
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
                             .provision = full ? LSM_VOLUME_PROVISION_FULL
                                               : LSM_VOLUME_PROVISION_THIN,
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
    } else {
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

static int check_tag(const struct volume *volume, const char *key, const char *value)
{
    size_t bytes = strlen(key) + strlen(value), at = find_tag(volume, key), count;
    bool is_new = !volume->tags || !volume->tags[at];
    for (size_t i = 0; volume->tags && volume->tags[i]; i++)
        bytes += i / 2 == at / 2 && !is_new ? 0 : strlen(volume->tags[i]);
    count = count_tags(volume) + is_new;
    if (count <= TAGS_MAX && bytes <= TAG_BYTES_MAX)
        return LSM_ERR_OK;
    error_set(LSM_ERR_INVALID_ARGUMENT, volume->id,
              "the volume «%s» would have %zu tags of %zu bytes; it may have %d of %d",
              volume->name, count, bytes, TAGS_MAX, TAG_BYTES_MAX);
    error_hint("remove a tag first");
    return LSM_ERR_INVALID_ARGUMENT;
}

int volume_tag_set(struct volume *volume, const char *key, const char *value)
{
    struct catalog *catalog = volume->pool->catalog;
    char *pair[2] = {NULL}, **tags = NULL;
    int code = pool_check_writable(volume->pool);
    if (code == LSM_ERR_OK && value)
        code = check_tag(volume, key, value);
    if (code == LSM_ERR_OK && value && !(tags = pair_alloc(volume, key, value, pair)))
        code = LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK)
        code = catalog_begin(catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(catalog, catalog_tag_set(catalog, volume->id, key, value));
    if (code != LSM_ERR_OK) {
        free(tags);
        free(pair[0]);
        free(pair[1]);
        return code;
    }
    if (value)
        tag_put(volume, tags, pair);
    else
        tag_remove(volume, key);
    event_publish(volume->pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
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

static int copy_tags(const struct volume *volume, lsm_volume *record)
{
    size_t n = 2 * count_tags(volume);
    if (!n)
        return LSM_ERR_OK;
    record->tags = calloc(n + 1, sizeof *record->tags);
    for (size_t i = 0; record->tags && i < n; i++)
        if (record_text(&record->tags[i], volume->tags[i]) != LSM_ERR_OK)
            return LSM_ERR_NO_MEMORY;
    return record->tags ? LSM_ERR_OK : error_no_memory();
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
        copy_tags(volume, record) == LSM_ERR_OK)
        return record;
    record_destroy(&volume_type, record);
    return NULL;
}
