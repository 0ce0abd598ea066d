/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack: a volume's layers as one address space, the top first. A read takes each cluster from
 * the highest layer that holds it; a write goes to the top, and one that does not cover a whole
 * cluster that the top lacks is completed from below first, under a lock on that cluster.
 *
 * A stack is made over open layers and never changes; a freeze makes a new one.
 */
#ifndef REPLICANT_ENGINE_STACK_H
#define REPLICANT_ENGINE_STACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "layer.h"

struct stack {
    uint32_t depth;
    struct layer *layers[]; /* [0] is the top, [depth - 1] the base */
};

/* Locks on clusters: 64 stripes, each a list of who has which clusters of which word of the map.
 * Two writers meet only where they first touch the same cluster. */
#define CLUSTER_STRIPES 64
struct cluster_locks {
    struct cluster_stripe {
        pthread_mutex_t lock;
        pthread_cond_t freed;
        struct cluster_lock *taken;
    } stripes[CLUSTER_STRIPES];
};

/* Taking clusters of one word, for who orders writes of his own; `lock` stays where it is. */
struct cluster_lock {
    uint64_t word, clusters;
    struct cluster_lock *next;
};
uint64_t cluster_mask(uint64_t word, uint64_t offset,
                      uint64_t end); /* of the word, what is touched */
void cluster_lock_take(struct cluster_locks *locks, struct cluster_lock *lock);
void cluster_lock_give(struct cluster_locks *locks, struct cluster_lock *lock);

void cluster_locks_init(struct cluster_locks *locks);
void cluster_locks_finish(struct cluster_locks *locks);

/* Opens `top` and all below it for a volume of `size` bytes. NULL: the error is set. */
struct stack *stack_open(struct layer *top, uint64_t size);
/* The same layers under one more, which is opened: what a freeze needs. NULL: the error is set. */
struct stack *stack_on_top(const struct stack *stack, struct layer *top, uint64_t size);
void stack_free(struct stack *stack);  /* the memory alone */
void stack_close(struct stack *stack); /* closes each layer, and the memory; NULL is fine */

/* Which layer the cluster at `offset` comes from (NULL: from none, it is zeros), and up to where,
 * at most `end`, that stays so. `from` is the first layer that is asked. */
struct layer *stack_owner(const struct stack *stack, uint32_t from, uint64_t offset, uint64_t end,
                          uint64_t *until);

/* The next range of [offset, end) that may hold other bytes than zeros; *data == end: none. What
 * follows it may be data, too. */
int stack_next_data(const struct stack *stack, uint64_t offset, uint64_t end, uint64_t *data,
                    uint64_t *data_end);

/* Each returns 0 or an errno; *culprit (may be NULL) is the layer where it failed. */
int stack_read(const struct stack *stack, void *buf, uint64_t count, uint64_t offset,
               struct layer **culprit);
/* Past the page cache where that is quicker; buffer and range are aligned to clusters. */
int stack_read_direct(const struct stack *stack, void *buf, uint64_t count, uint64_t offset,
                      struct layer **culprit);
int stack_write(const struct stack *stack, struct cluster_locks *locks, const void *buf,
                uint64_t count, uint64_t offset, struct layer **culprit);
int stack_zero(const struct stack *stack, struct cluster_locks *locks, uint64_t count,
               uint64_t offset, struct layer **culprit);

/* Moves what the top holds in the 64 clusters from `word` * 64 on into the base that absorbs it. */
int stack_absorb_word(const struct stack *stack, struct cluster_locks *locks, uint64_t word);

/* The same stack without one of its layers (`instead` NULL), or with `instead` for all that is
 * below it, and then what that stands on. Memory alone, nothing is opened. NULL: no memory, the
 * error is set. */
struct stack *stack_exchange(const struct stack *stack, const struct layer *layer,
                             struct layer *instead);
bool stack_has(const struct stack *stack, const struct layer *layer);
/* How many layers are above it; all of them where it is not there. */
uint32_t stack_depth_above(const struct stack *stack, const struct layer *layer);

#endif
