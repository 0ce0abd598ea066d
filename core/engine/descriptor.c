/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A descriptor's pin count has two meanings: 0 and up, open with that many users; far below zero,
 * closed. A user adds one to a count that is not below zero, and the fd stays until the user
 * takes its one back. The clock's hand closes one that is open, unpinned and not recently used by
 * moving the count from exactly 0 to far below zero, which no user can overlook.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "descriptor.h"
#include "vfs.h"

#define CLOSED (-(1 << 30))

struct descriptors {
    pthread_mutex_t lock;
    unsigned open, bound;
    struct descriptor *first;
};

struct descriptors *descriptors_create(unsigned bound)
{
    struct descriptors *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->bound = bound ? bound : 1;
    return cache;
}

void descriptors_destroy(struct descriptors *cache)
{
    if (!cache)
        return;
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void descriptor_init(struct descriptor *d)
{
    *d = (struct descriptor){.fd = -1};
    atomic_init(&d->pins, CLOSED);
}

static void add(struct descriptors *cache, struct descriptor *d)
{
    d->next = cache->first;
    d->link = &cache->first;
    if (d->next)
        d->next->link = &d->next;
    cache->first = d;
    cache->open++;
}

static void take_out(struct descriptors *cache, struct descriptor *d)
{
    *d->link = d->next;
    if (d->next)
        d->next->link = d->link;
    d->link = NULL;
    cache->open--;
}

static bool close_unpinned(struct descriptors *cache, struct descriptor *d)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&d->pins, &none, CLOSED))
        return false;
    take_out(cache, d);
    vfs_close(&d->fd);
    return true;
}

/* Where all are pinned the bound gives way: a reader in the middle of its work is not failed. */
static void make_room(struct descriptors *cache)
{
    for (int pass = 0; pass < 2 && cache->open >= cache->bound; pass++)
        for (struct descriptor *d = cache->first, *next; d && cache->open >= cache->bound;
             d = next) {
            next = d->next;
            if (!atomic_exchange(&d->recent, false))
                close_unpinned(cache, d);
        }
}

static int open_and_pin(struct descriptors *cache, struct descriptor *d, const char *path,
                        int flags)
{
    int error = 0;
    pthread_mutex_lock(&cache->lock);
    if (d->fd < 0) {
        make_room(cache);
        error = vfs_open(path, flags, &d->fd);
        if (!error) {
            add(cache, d);
            atomic_store(&d->pins, 1);
        }
    } else {
        atomic_fetch_add(&d->pins, 1);
    }
    pthread_mutex_unlock(&cache->lock);
    return error;
}

bool descriptor_pin_open(struct descriptor *d)
{
    if (!atomic_load_explicit(&d->recent, memory_order_relaxed))
        atomic_store_explicit(&d->recent, true, memory_order_relaxed);
    int pins = atomic_load(&d->pins);
    while (pins >= 0)
        if (atomic_compare_exchange_weak(&d->pins, &pins, pins + 1))
            return true;
    return false;
}

int descriptor_pin(struct descriptors *cache, struct descriptor *d, const char *path, int flags)
{
    return descriptor_pin_open(d) ? 0 : open_and_pin(cache, d, path, flags);
}

void descriptor_unpin(struct descriptor *d)
{
    atomic_fetch_sub(&d->pins, 1);
}

void descriptor_drop(struct descriptors *cache, struct descriptor *d)
{
    pthread_mutex_lock(&cache->lock);
    if (d->fd >= 0)
        close_unpinned(cache, d);
    pthread_mutex_unlock(&cache->lock);
}
