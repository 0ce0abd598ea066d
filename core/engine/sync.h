/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The write path of a synchronous mirror: a write returns when it is on both sides, or when the
 * target has been given up. Which relation it is, and what becomes of it, is mirror_sync.c's.
 *
 * *Steady*: the target has all that the source has; writes go in place on both. *Filling*: a job
 * fills the target below; every write goes to the target's top as whole clusters, read back from
 * the source, so the target's unfilled part is never asked.
 *
 * The write-intent log is a bit for each region of 4 MiB, durable before the first write to that
 * region. After a crash the two sides differ, if at all, only where a bit is set.
 */
#ifndef REPLICANT_ENGINE_SYNC_H
#define REPLICANT_ENGINE_SYNC_H

#include "helpers.h"
#include "volume.h"

#define SYNC_SPARES 4

struct sync {
    struct volume *source, *target;
    struct stack
        *hidden; /* filling a delta: what the target will be; NULL: the target's own stack */
    bool filling;
    struct cluster_locks order; /* overlapping writes reach both sides in one order */
    struct cluster_locks hidden_locks;
    struct map *intent, *recent; /* regions; recent: written since the last sweep */
    pthread_mutex_t intent_lock;
    char *intent_path;
    struct helpers helpers; /* for the target's part of a write */
    atomic_uint writers;    /* at work now */
    _Atomic(char *) spares[SYNC_SPARES];
    struct {
        pthread_mutex_t lock;
        pthread_cond_t asked, served;
        uint64_t wanted, done;
        bool stop, running;
        pthread_t thread;
    } flusher;
    atomic_int failed; /* the errno with which the target failed; 0: it did not */
    uint64_t failed_at;
};

/* `intent` is what the log at `log_path` says, taken over; NULL: nothing. NULL: the error is set.
 */
struct sync *sync_create(struct volume *source, struct volume *target, const char *id,
                         const char *log_path, struct map *intent);
void sync_destroy(struct sync *sync); /* NULL is fine; the log's file stays */

/* With the source's gate entered. 0 or an errno of the source's side (*culprit); what the target
 * does is in `failed`. */
int sync_write(struct sync *sync, const void *buf, uint64_t count, uint64_t offset,
               struct layer **culprit);
int sync_zero(struct sync *sync, uint64_t count, uint64_t offset, struct layer **culprit);
/* The target's part of a flush; the source's is its own. Begun and ended apart, it goes on beside
 * that, on a thread of the mirror's; flushes that are asked for meanwhile share the next one. */
void sync_flush(struct sync *sync);
uint64_t sync_flush_begin(struct sync *sync);
void sync_flush_end(struct sync *sync, uint64_t ticket);

/* The log of an earlier owner: NULL and LSM_ERR_OK when there is none. */
int sync_log_load(const char *path, const char *id, uint64_t size, struct map **intent);
/* A new one in its place, durably, with the bits of `intent`, or none (NULL). */
int sync_log_create(const char *path, const char *id, const struct map *intent);
/* The same with every bit, for one that cannot be believed. */
int sync_log_fill(const char *path, const char *id, uint64_t size, struct map **intent);

/* The two sides are equal and flushed; the source stands still. */
void sync_log_clear(struct sync *sync);

/* Regions in which nothing was written for a while, and both sides flushed since, lose their bit.
 * Two short stops of the source's I/O; the flushes between them are the caller's. */
void sync_sweep_begin(struct sync *sync);
void sync_sweep_end(struct sync *sync);

#endif
