/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A round takes the root's lock for short steps and does what takes long (unlinking a large file,
 * allocating one) without it, on names that it copied: a layer that goes away meanwhile does no
 * harm. What fails here is nobody's call and is tried again, or swept at the next open.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

#include "chores.h"
#include "fold.h"
#include "upkeep.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

#define SPARES_LOW 4
#define SPARES_HIGH 8

static void make_spares(struct pool *pool)
{
    LOCKED(&pool->root->lock);
    if (pool->wants_spares && pool->spare_count < SPARES_LOW)
        pool_spares_make(pool, SPARES_HIGH - pool->spare_count);
    error_clear();
}

/* The last name of a list; false: it is empty. */
static bool take_name(struct root *root, struct guid_list *names, char name[ID_SIZE])
{
    LOCKED(&root->lock);
    if (names->count == 0)
        return false;
    memcpy(name, names->guids[--names->count], ID_SIZE);
    return true;
}

static uint64_t size_of_top(struct pool *pool, const char *guid)
{
    LOCKED(&pool->root->lock);
    for (struct volume *v = pool->volumes; v; v = v->hh.next)
        if (strcmp(v->top->guid, guid) == 0)
            return v->size;
    return 0;
}

static void reserve_blocks(struct pool *pool, const char *guid)
{
    uint64_t size = size_of_top(pool, guid);
    autofree char *path = layer_path(&pool->home, guid, ".raw");
    int fd;
    if (!size || !path || vfs_open(path, O_RDWR, &fd) != 0)
        return;
    vfs_allocate(fd, FALLOC_FL_KEEP_SIZE, 0, size);
    vfs_close(&fd);
}

static bool tend(struct pool *pool)
{
    char guid[ID_SIZE];
    enum fold_result folded;
    if (pool->read_only)
        return false;
    make_spares(pool);
    while (take_name(pool->root, &pool->unreserved, guid))
        reserve_blocks(pool, guid);
    while (!catalog_in_doubt(pool->catalog) && take_name(pool->root, &pool->dead, guid))
        layer_files_remove(&pool->home, guid);
    if ((folded = fold_once(pool)) == FOLD_DONE) /* the next one comes after all the rest */
        upkeep_wake(pool->root->upkeep);
    if (catalog_checkpoint_due(pool->catalog))
        catalog_checkpoint(pool->catalog);
    error_clear();
    return folded == FOLD_LATER;
}

static struct pool *turn_to(struct root *root, uint32_t i)
{
    LOCKED(&root->lock);
    root->tended = root->open && i < root->pool_count ? root->pools[i] : NULL;
    pthread_cond_broadcast(&root->quiet);
    return root->tended;
}

bool chores_round(void *argument)
{
    struct root *root = argument;
    struct pool *pool;
    bool later = false;
    for (uint32_t i = 0; (pool = turn_to(root, i)) != NULL; i++)
        later = tend(pool) || later;
    return later;
}

void chores_forget(struct root *root, const struct pool *pool)
{
    while (root->tended == pool)
        pthread_cond_wait(&root->quiet, &root->lock);
}
