/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread takes the root's lock for short steps and does what takes long (unlinking a large file,
 * allocating one) without it, on names that it copied: a layer that goes away meanwhile does no
 * harm. What fails here is nobody's call and is tried again, or swept at the next open.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "upkeep.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

#define SPARES_LOW 4
#define SPARES_HIGH 8
#define LATER_NS 250000000

struct upkeep {
    struct root *root;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool asked, stopping, running;
    struct pool *current; /* guarded by the root's lock */
    pthread_cond_t moved_on;
    pthread_t thread;
};

struct upkeep *upkeep_create(struct root *root)
{
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (!upkeep)
        return NULL;
    upkeep->root = root;
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_cond_init(&upkeep->wake, NULL);
    pthread_cond_init(&upkeep->moved_on, NULL);
    return upkeep;
}

/* The last name of a list under the root's lock; false: it is empty. */
static bool take_name(struct root *root, char (**names)[ID_SIZE], uint32_t *count,
                      char name[ID_SIZE])
{
    LOCKED(&root->lock);
    if (*count == 0)
        return false;
    memcpy(name, (*names)[--*count], ID_SIZE);
    return true;
}

static void reserve_blocks(struct pool *pool, const char *guid)
{
    struct volume *v;
    uint64_t size = 0;
    pthread_mutex_lock(&pool->root->lock);
    for (v = pool->volumes; v; v = v->hh.next)
        if (strcmp(v->top->guid, guid) == 0)
            size = v->size;
    pthread_mutex_unlock(&pool->root->lock);
    autofree char *path = layer_path(&pool->home, guid, ".raw");
    int fd;
    if (!size || !path || vfs_open(path, O_RDWR, &fd) != 0)
        return;
    vfs_allocate(fd, FALLOC_FL_KEEP_SIZE, 0, size);
    vfs_close(&fd);
}

static void make_spares(struct pool *pool)
{
    LOCKED(&pool->root->lock);
    if (pool->wants_spares && pool->spare_count < SPARES_LOW)
        pool_spares_make(pool, SPARES_HIGH - pool->spare_count);
    error_clear();
}

/* Whether something is left to do when it has been quiet for a while. */
static bool keep(struct pool *pool)
{
    char guid[ID_SIZE];
    enum fold_result folded;
    if (pool->read_only)
        return false;
    make_spares(pool);
    while (take_name(pool->root, &pool->unreserved, &pool->unreserved_count, guid))
        reserve_blocks(pool, guid);
    while (take_name(pool->root, &pool->dead, &pool->dead_count, guid))
        layer_files_remove(&pool->home, guid);
    while ((folded = fold_once(pool)) == FOLD_DONE)
        ;
    if (catalog_checkpoint_due(pool->catalog))
        catalog_checkpoint(pool->catalog);
    error_clear();
    return folded == FOLD_LATER;
}

static struct pool *turn_to(struct upkeep *upkeep, uint32_t i)
{
    struct root *root = upkeep->root;
    LOCKED(&root->lock);
    upkeep->current = i < root->pool_count ? root->pools[i] : NULL;
    pthread_cond_broadcast(&upkeep->moved_on);
    return upkeep->current;
}

void upkeep_forget(struct upkeep *upkeep, const struct pool *pool)
{
    while (upkeep->current == pool)
        pthread_cond_wait(&upkeep->moved_on, &upkeep->root->lock);
}

/* False: woken, and to look again. True: it is time for what was put off. */
static bool wait_for_work(struct upkeep *upkeep, bool later)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += LATER_NS;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    if (later)
        return pthread_cond_timedwait(&upkeep->wake, &upkeep->lock, &soon) == ETIMEDOUT;
    pthread_cond_wait(&upkeep->wake, &upkeep->lock);
    return false;
}

static void *work(void *argument)
{
    struct upkeep *upkeep = argument;
    bool later = false;
    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->stopping) {
        if (!upkeep->asked && !wait_for_work(upkeep, later))
            continue;
        later = upkeep->asked = false;
        pthread_mutex_unlock(&upkeep->lock);
        struct pool *pool;
        for (uint32_t i = 0; (pool = turn_to(upkeep, i)) != NULL; i++)
            later = keep(pool) || later;
        pthread_mutex_lock(&upkeep->lock);
    }
    pthread_mutex_unlock(&upkeep->lock);
    return NULL;
}

void upkeep_wake(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    LOCKED(&upkeep->lock);
    upkeep->asked = true;
    if (!upkeep->running && !upkeep->stopping)
        upkeep->running = pthread_create(&upkeep->thread, NULL, work, upkeep) == 0;
    pthread_cond_signal(&upkeep->wake);
}

void upkeep_destroy(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    pthread_mutex_lock(&upkeep->lock);
    upkeep->stopping = true;
    pthread_cond_signal(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
    if (upkeep->running)
        pthread_join(upkeep->thread, NULL);
    for (uint32_t i = 0; i < upkeep->root->pool_count; i++)
        if (!upkeep->root->pools[i]->read_only)
            upkeep_remove_dead(upkeep->root->pools[i]);
    pthread_cond_destroy(&upkeep->moved_on);
    pthread_cond_destroy(&upkeep->wake);
    pthread_mutex_destroy(&upkeep->lock);
    free(upkeep);
}

void upkeep_remove_dead(struct pool *pool)
{
    while (pool->dead_count > 0)
        layer_files_remove(&pool->home, pool->dead[--pool->dead_count]);
}

void upkeep_reserve(struct pool *pool, const char *guid)
{
    if (pool->unreserved_count == pool->unreserved_room) {
        uint32_t room = pool->unreserved_room ? 2 * pool->unreserved_room : 4;
        void *names = realloc(pool->unreserved, room * sizeof *pool->unreserved);
        if (!names)
            return; /* accounted for all the same */
        pool->unreserved = names;
        pool->unreserved_room = room;
    }
    memcpy(pool->unreserved[pool->unreserved_count++], guid, ID_SIZE);
    upkeep_wake(pool->root->upkeep);
}
