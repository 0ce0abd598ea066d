/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool's layers beside those of its volumes: how they enter the picture, spare ones, what becomes
 * of those that nobody uses any more, and holds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "upkeep.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- layers ---------------------------------------------------------------------------------- */

int pool_layer_enter(struct pool *pool, struct layer *layer)
{
    struct layer_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return error_no_memory();
    entry->row = layer->row;
    entry->layer = layer;
    HASH_ADD(hh, pool->layers, row, sizeof entry->row, entry);
    return LSM_ERR_OK;
}

struct layer *pool_layer(struct pool *pool, int64_t row)
{
    struct layer_entry *entry;
    HASH_FIND(hh, pool->layers, &row, sizeof row, entry);
    return entry ? entry->layer : NULL;
}

void pool_layer_forget(struct pool *pool, struct layer *layer)
{
    struct layer_entry *entry;
    HASH_FIND(hh, pool->layers, &layer->row, sizeof layer->row, entry);
    if (entry) {
        HASH_DEL(pool->layers, entry);
        free(entry);
    }
    pool_files_drop(pool, layer->guid);
    layer_free(layer);
}

int pool_base_make(struct pool *pool, uint64_t size, bool full, struct layer **base)
{
    char guid[GUID_SIZE];
    int code = guid_make(guid);
    if (code == LSM_ERR_OK)
        code = layer_files_create(&pool->home, guid, true, size);
    if (code != LSM_ERR_OK)
        return code;
    struct layer *layer = layer_alloc(&pool->home, guid);
    code = layer ? layer_files_sync(&pool->home) : error_no_memory();
    if (code == LSM_ERR_OK) {
        layer->full = full;
        *base = layer;
        return code;
    }
    layer_free(layer);
    pool_files_drop(pool, guid);
    return code;
}

int pool_spare_take(struct pool *pool, struct layer **spare)
{
    pool->wants_spares = true;
    if (pool->spare_count == 0) {
        int code = pool_spares_make(pool, 2); /* the source's new top, and a clone's */
        if (code != LSM_ERR_OK)
            return code;
    }
    *spare = pool->spares[--pool->spare_count];
    return LSM_ERR_OK;
}

void pool_spare_return(struct pool *pool, struct layer *spare)
{
    spare->below = NULL;
    spare->below_limit = 0;
    spare->full = spare->recycled = false;
    if (pool->spare_count < sizeof pool->spares / sizeof *pool->spares)
        pool->spares[pool->spare_count++] = spare;
    /* else a row that nothing names: the next open removes it */
}

static int add_spare(struct pool *pool, struct layer *layer)
{
    struct layer_row row = {.state = LAYER_SPARE};
    memcpy(row.guid, layer->guid, ID_SIZE);
    int code = catalog_layer_add(pool->catalog, &row);
    layer->row = row.row;
    return code;
}

static void abandon_spares(struct pool *pool, struct layer **made, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pool_files_drop(pool, made[i]->guid);
        layer_free(made[i]);
    }
}

static int make_spare_files(struct pool *pool, struct layer **made, uint32_t count, uint32_t *done)
{
    for (*done = 0; *done < count; (*done)++) {
        char guid[GUID_SIZE];
        int code = guid_make(guid);
        if (code == LSM_ERR_OK)
            code = layer_files_create(&pool->home, guid, false, 0);
        if (code != LSM_ERR_OK)
            return code;
        if (!(made[*done] = layer_alloc(&pool->home, guid))) {
            layer_files_remove(&pool->home, guid);
            return error_no_memory();
        }
    }
    return layer_files_sync(&pool->home);
}

int pool_spares_make(struct pool *pool, uint32_t count)
{
    uint32_t room = sizeof pool->spares / sizeof *pool->spares - pool->spare_count, done = 0;
    struct layer *made[sizeof pool->spares / sizeof *pool->spares];
    count = count < room ? count : room;
    int code = make_spare_files(pool, made, count, &done);
    if (code == LSM_ERR_OK)
        code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
            code = add_spare(pool, made[i]);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        abandon_spares(pool, made, done);
        return code;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pool_layer_enter(pool, made[i]) != LSM_ERR_OK) {
            /* A row and files that this process does not see; the next one will. */
            for (uint32_t k = i; k < count; k++)
                layer_free(made[k]);
            return LSM_ERR_NO_MEMORY;
        }
        pool->spares[pool->spare_count++] = made[i];
    }
    return LSM_ERR_OK;
}

/* A top that was never written to is as good as a spare one. */
static bool is_as_new(const struct pool *pool, const struct layer *layer)
{
    return layer->below && !layer->frozen && !layer->full && !atomic_load(&layer->touched) &&
           pool->spare_count < sizeof pool->spares / sizeof *pool->spares;
}

int pool_layers_doom(struct pool *pool, struct layer *layer)
{
    int code = LSM_ERR_OK;
    for (; layer && layer->uses == 1 && code == LSM_ERR_OK; layer = layer->below) {
        layer->recycled = is_as_new(pool, layer);
        code = layer->recycled ? catalog_layer_recycle(pool->catalog, layer->row)
                               : catalog_layer_remove(pool->catalog, layer->row);
    }
    return code;
}

void pool_layers_drop(struct pool *pool, struct layer *layer)
{
    while (layer && --layer->uses == 0) {
        struct layer *below = layer->below;
        if (layer->recycled)
            pool_spare_return(pool, layer);
        else
            pool_layer_forget(pool, layer);
        layer = below;
    }
    upkeep_wake(pool->root->upkeep);
}

void pool_layer_release(struct pool *pool, struct layer *layer)
{
    if (layer->uses > 1) {
        layer->uses--;
        return;
    }
    if (catalog_begin(pool->catalog) == LSM_ERR_OK &&
        catalog_end(pool->catalog, pool_layers_doom(pool, layer)) == LSM_ERR_OK)
        pool_layers_drop(pool, layer);
    else
        layer->uses--; /* a row that nothing names: the next open removes it */
}

/* Without memory the name is not kept: what it stands for is done at the next open, or not at all.
 */
static void add_guid(struct guid_list *list, const char *guid)
{
    if (list->count == list->room) {
        uint32_t room = list->room ? 2 * list->room : 16;
        void *guids = realloc(list->guids, room * sizeof *list->guids);
        if (!guids)
            return;
        list->guids = guids;
        list->room = room;
    }
    memcpy(list->guids[list->count++], guid, ID_SIZE);
}

void pool_files_drop(struct pool *pool, const char *guid)
{
    add_guid(&pool->dead, guid);
    upkeep_wake(pool->root->upkeep);
}

void pool_files_remove(struct pool *pool)
{
    while (pool->dead.count > 0 && !catalog_in_doubt(pool->catalog))
        layer_files_remove(&pool->home, pool->dead.guids[--pool->dead.count]);
}

void pool_reserve_later(struct pool *pool, const char *guid)
{
    add_guid(&pool->unreserved, guid);
    upkeep_wake(pool->root->upkeep);
}

/* --- holds ----------------------------------------------------------------------------------- */

int pool_hold_alloc(const char *owner, const struct pool *owners, struct hold **hold)
{
    *hold = calloc(1, sizeof **hold);
    if (!*hold)
        return error_no_memory();
    memcpy((*hold)->owner, owner, ID_SIZE);
    memcpy((*hold)->pool, owners->id, ID_SIZE);
    return LSM_ERR_OK;
}

void pool_hold_enter(struct pool *pool, struct hold *hold, struct layer *layer)
{
    hold->layer = layer;
    layer->uses++;
    hold->next = pool->holds;
    pool->holds = hold;
}

struct hold *pool_hold(struct pool *pool, const char *owner, bool frozen)
{
    for (struct hold *hold = pool->holds; hold; hold = hold->next)
        if (strcmp(hold->owner, owner) == 0 && hold->layer->frozen == frozen)
            return hold;
    return NULL;
}

struct hold *pool_hold_take(struct pool *pool, struct hold *hold)
{
    struct hold **link = &pool->holds;
    while (*link != hold)
        link = &(*link)->next;
    *link = hold->next;
    return hold;
}

static struct hold *next_of(struct hold *hold, const char *owner)
{
    while (hold && strcmp(hold->owner, owner) != 0)
        hold = hold->next;
    return hold;
}

int pool_hold_doom(struct pool *pool, const char *owner)
{
    int code = catalog_hold_remove(pool->catalog, owner);
    struct hold *hold = pool->holds;
    while (code == LSM_ERR_OK && (hold = next_of(hold, owner)) != NULL) {
        code = pool_layers_doom(pool, hold->layer);
        hold = hold->next;
    }
    return code;
}

void pool_hold_drop(struct pool *pool, const char *owner)
{
    struct hold *hold;
    while ((hold = next_of(pool->holds, owner)) != NULL) {
        pool_hold_take(pool, hold);
        pool_layers_drop(pool, hold->layer);
        free(hold);
    }
}

int pool_hold_release(struct pool *pool, const char *owner)
{
    if (!next_of(pool->holds, owner))
        return LSM_ERR_OK;
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_end(pool->catalog, pool_hold_doom(pool, owner));
    if (code == LSM_ERR_OK)
        pool_hold_drop(pool, owner);
    return code;
}
