/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who holds a cluster is asked a word at a time: 64 clusters are looked up with one load in each
 * layer, so depth costs little, and runs of one owner become one system call.
 *
 * Writing to the top, a cluster is in one of two states. *Held*: written in place, no lock. *Not
 * held*: the writer locks the clusters that it touches (of one word), looks again, writes whole
 * clusters (the ends completed from below), and then sets the bits. Bits are set after the data, so
 * a reader without a lock sees either the old cluster below or the new one here.
 *
 * A top that is being absorbed by the base right below it (top->into) runs the other way: bits are
 * only ever cleared. What it does not hold is written in the base, in place. A write to what it
 * does hold locks the clusters, brings them whole into the base, and then clears the bits.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "../util/error.h"

#define WORD_CLUSTERS 64u
#define WORD_SIZE ((uint64_t)WORD_CLUSTERS << CLUSTER_SHIFT)
#define CLUSTER_MASK (CLUSTER_SIZE - 1ull)
#define DIRECT_MIN (64u << 10)   /* a smaller piece is not worth a cache look-up */
#define LOOK_AHEAD (64ull << 20) /* how far an owner is looked for when data is */
#define ZERO_PIECE_WORDS 1024u   /* 256 MiB under lock at once */

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int blame(struct layer **culprit, struct layer *layer, int error)
{
    if (error && culprit)
        *culprit = layer;
    return error;
}

/* --- making and closing ---------------------------------------------------------------------- */

static struct stack *stack_alloc(uint32_t depth)
{
    struct stack *stack = malloc(sizeof *stack + depth * sizeof stack->layers[0]);
    if (stack)
        stack->depth = 0;
    else
        error_no_memory();
    return stack;
}

struct stack *stack_open(struct layer *top, uint64_t size)
{
    uint32_t depth = 0;
    for (struct layer *layer = top; layer; layer = layer->below)
        depth++;
    struct stack *stack = stack_alloc(depth);
    for (struct layer *layer = top; stack && layer; layer = layer->below) {
        if (layer_open(layer, size) != LSM_ERR_OK) {
            stack_close(stack);
            return NULL;
        }
        stack->layers[stack->depth++] = layer;
        if (layer->below && layer->below_limit < size)
            size = layer->below_limit;
    }
    return stack;
}

struct stack *stack_on_top(const struct stack *stack, struct layer *top, uint64_t size)
{
    struct stack *taller = stack_alloc(stack->depth + 1);
    if (!taller)
        return NULL;
    if (layer_open(top, size) != LSM_ERR_OK) {
        free(taller);
        return NULL;
    }
    taller->layers[0] = top;
    memcpy(taller->layers + 1, stack->layers, stack->depth * sizeof stack->layers[0]);
    taller->depth = stack->depth + 1;
    return taller;
}

struct stack *stack_exchange(const struct stack *stack, const struct layer *layer,
                             struct layer *instead)
{
    uint32_t more = 0;
    for (struct layer *l = instead; l; l = l->below)
        more++;
    struct stack *other = stack_alloc(stack->depth + more);
    for (uint32_t i = 0; other && i < stack->depth; i++) {
        if (stack->layers[i] != layer || instead)
            other->layers[other->depth++] = stack->layers[i];
        if (stack->layers[i] == layer && instead)
            break;
    }
    for (struct layer *l = instead; other && l; l = l->below)
        other->layers[other->depth++] = l;
    return other;
}

uint32_t stack_depth_above(const struct stack *stack, const struct layer *layer)
{
    uint32_t depth = 0;
    while (depth < stack->depth && stack->layers[depth] != layer)
        depth++;
    return depth;
}

bool stack_has(const struct stack *stack, const struct layer *layer)
{
    return stack_depth_above(stack, layer) < stack->depth;
}

void stack_free(struct stack *stack)
{
    free(stack);
}

void stack_close(struct stack *stack)
{
    for (uint32_t i = 0; stack && i < stack->depth; i++)
        layer_close(stack->layers[i]);
    free(stack);
}

/* --- who holds what -------------------------------------------------------------------------- */

/* The bits from the lowest one of `mask` on that are set without a gap. */
static uint64_t first_run(uint64_t mask)
{
    uint64_t low = mask & -mask;
    return mask & ~(mask + low);
}

/* Bits of this word below `limit` bytes. */
static uint64_t below_limit(uint64_t word, uint64_t limit)
{
    uint64_t clusters = limit >> CLUSTER_SHIFT, first = word * WORD_CLUSTERS;
    if (clusters <= first)
        return 0;
    return clusters - first >= WORD_CLUSTERS ? UINT64_MAX : (1ull << (clusters - first)) - 1;
}

/* Of the clusters `wanted` (not 0) of a word: who owns the lowest, and which run it begins. */
static struct layer *word_owner(const struct stack *stack, uint32_t from, uint64_t word,
                                uint64_t wanted, uint64_t *run)
{
    uint64_t low = wanted & -wanted;
    for (uint32_t i = from; i < stack->depth; i++) {
        struct layer *layer = stack->layers[i];
        if (i > 0) {
            uint64_t shown = below_limit(word, stack->layers[i - 1]->below_limit);
            if (!(shown & low)) {
                *run = first_run(wanted & ~shown);
                return NULL;
            }
            wanted &= shown;
        }
        uint64_t held = layer->map ? map_word(layer->map, word) & wanted : wanted;
        if (held & low) {
            *run = first_run(held);
            return layer;
        }
        wanted &= ~held;
    }
    *run = low; /* not reached: a base holds everything */
    return NULL;
}

struct layer *stack_owner(const struct stack *stack, uint32_t from, uint64_t offset, uint64_t end,
                          uint64_t *until)
{
    if (stack->depth == 1) {
        *until = end;
        return stack->layers[0];
    }
    uint64_t word = offset / WORD_SIZE, run;
    unsigned bit = (unsigned)((offset >> CLUSTER_SHIFT) % WORD_CLUSTERS);
    struct layer *owner = word_owner(stack, from, word, UINT64_MAX << bit, &run);
    unsigned last = 63u - (unsigned)__builtin_clzll(run);
    while (last == 63 && (word + 1) * WORD_SIZE < end) { /* it may go on in the next word */
        word++;
        last = 63;
        if (word_owner(stack, from, word, UINT64_MAX, &run) != owner) {
            *until = word * WORD_SIZE;
            return owner;
        }
        last = 63u - (unsigned)__builtin_clzll(run);
    }
    *until = min(end, word * WORD_SIZE + ((uint64_t)(last + 1) << CLUSTER_SHIFT));
    return owner;
}

int stack_next_data(const struct stack *stack, uint64_t offset, uint64_t end, uint64_t *data,
                    uint64_t *data_end)
{
    while (offset < end) {
        /* An owner's run may be the whole volume, and is asked for once for each extent in it. */
        uint64_t until, near = min(end, (offset / LOOK_AHEAD + 1) * LOOK_AHEAD);
        struct layer *owner = stack_owner(stack, 0, offset, near, &until);
        int error = owner ? layer_next_data(owner, offset, until, data) : 0;
        if (error)
            return error;
        if (owner && *data < until)
            return layer_next_hole(owner, *data, until, data_end);
        offset = until;
    }
    *data = *data_end = end;
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

typedef int reader(struct layer *layer, void *buf, uint64_t count, uint64_t offset);

static int read_with(reader *read_layer, const struct stack *stack, uint32_t from, void *buf,
                     uint64_t count, uint64_t offset, struct layer **culprit)
{
    uint64_t end = offset + count;
    while (offset < end) {
        uint64_t until;
        struct layer *owner = stack_owner(stack, from, offset, end, &until);
        uint64_t n = until - offset;
        if (!owner) {
            memset(buf, 0, n);
        } else {
            int error = read_layer(owner, buf, n, offset);
            if (error)
                return blame(culprit, owner, error);
        }
        buf = (char *)buf + n;
        offset = until;
    }
    return 0;
}

int stack_read(const struct stack *stack, void *buf, uint64_t count, uint64_t offset,
               struct layer **culprit)
{
    return read_with(layer_read, stack, 0, buf, count, offset, culprit);
}

/* What is in the page cache is read from there, the rest past it. */
static int read_uncached(struct layer *layer, void *buf, uint64_t count, uint64_t offset)
{
    if (count < DIRECT_MIN || layer_cached(layer, count, offset) >= count / 2)
        return layer_read(layer, buf, count, offset);
    return layer_read_direct(layer, buf, count, offset);
}

int stack_read_direct(const struct stack *stack, void *buf, uint64_t count, uint64_t offset,
                      struct layer **culprit)
{
    return read_with(read_uncached, stack, 0, buf, count, offset, culprit);
}

/* --- locks on clusters ----------------------------------------------------------------------- */

void cluster_locks_init(struct cluster_locks *locks)
{
    for (int i = 0; i < CLUSTER_STRIPES; i++) {
        pthread_mutex_init(&locks->stripes[i].lock, NULL);
        pthread_cond_init(&locks->stripes[i].freed, NULL);
        locks->stripes[i].taken = NULL;
    }
}

void cluster_locks_finish(struct cluster_locks *locks)
{
    for (int i = 0; i < CLUSTER_STRIPES; i++) {
        pthread_mutex_destroy(&locks->stripes[i].lock);
        pthread_cond_destroy(&locks->stripes[i].freed);
    }
}

static bool taken(const struct cluster_stripe *stripe, const struct cluster_lock *wanted)
{
    for (const struct cluster_lock *other = stripe->taken; other; other = other->next)
        if (other->word == wanted->word && (other->clusters & wanted->clusters))
            return true;
    return false;
}

void cluster_lock_take(struct cluster_locks *locks, struct cluster_lock *mine)
{
    struct cluster_stripe *stripe = &locks->stripes[mine->word % CLUSTER_STRIPES];
    pthread_mutex_lock(&stripe->lock);
    while (taken(stripe, mine))
        pthread_cond_wait(&stripe->freed, &stripe->lock);
    mine->next = stripe->taken;
    stripe->taken = mine;
    pthread_mutex_unlock(&stripe->lock);
}

void cluster_lock_give(struct cluster_locks *locks, struct cluster_lock *mine)
{
    struct cluster_stripe *stripe = &locks->stripes[mine->word % CLUSTER_STRIPES];
    pthread_mutex_lock(&stripe->lock);
    struct cluster_lock **link = &stripe->taken;
    while (*link != mine)
        link = &(*link)->next;
    *link = mine->next;
    pthread_cond_broadcast(&stripe->freed);
    pthread_mutex_unlock(&stripe->lock);
}

/* --- writing --------------------------------------------------------------------------------- */

/* The clusters of `word` that [offset, end) touches. */
uint64_t cluster_mask(uint64_t word, uint64_t offset, uint64_t end)
{
    uint64_t start = word * WORD_SIZE, mask = UINT64_MAX;
    if (offset > start)
        mask &= UINT64_MAX << ((offset - start) >> CLUSTER_SHIFT);
    if (end < start + WORD_SIZE)
        mask &= UINT64_MAX >> (63 - ((end - 1 - start) >> CLUSTER_SHIFT));
    return mask;
}

/* How far from `offset` on the top holds every cluster, or (held = false, within one word) none. */
static uint64_t same_until(const struct map *map, uint64_t offset, uint64_t end, bool *held)
{
    uint64_t word = offset / WORD_SIZE;
    unsigned bit = (unsigned)((offset >> CLUSTER_SHIFT) % WORD_CLUSTERS);
    uint64_t bits = map_word(map, word);
    *held = bits >> bit & 1;
    uint64_t run = first_run((*held ? bits : ~bits) & (UINT64_MAX << bit));
    unsigned last = 63u - (unsigned)__builtin_clzll(run);
    while (*held && last == 63 && (word + 1) * WORD_SIZE < end) {
        bits = map_word(map, ++word);
        if (!(bits & 1))
            return word * WORD_SIZE;
        last = 63u - (unsigned)__builtin_clzll(first_run(bits));
    }
    return min(end, word * WORD_SIZE + ((uint64_t)(last + 1) << CLUSTER_SHIFT));
}

/* One cluster of which [offset, offset + count) is new and the rest comes from below. */
static int write_partial(const struct stack *stack, const void *buf, uint64_t count,
                         uint64_t offset, struct layer **culprit)
{
    _Alignas(CLUSTER_SIZE) char cluster[CLUSTER_SIZE];
    uint64_t start = offset & ~CLUSTER_MASK;
    int error = read_with(layer_read, stack, 1, cluster, CLUSTER_SIZE, start, culprit);
    if (error)
        return error;
    memcpy(cluster + (offset - start), buf, count);
    return blame(culprit, stack->layers[0],
                 layer_write(stack->layers[0], cluster, CLUSTER_SIZE, start));
}

/* Whole clusters of the top are filled by [offset, end), which touches none that it holds. */
static int write_absent(const struct stack *stack, const char *buf, uint64_t offset, uint64_t end,
                        struct layer **culprit)
{
    struct layer *top = stack->layers[0];
    if (offset & CLUSTER_MASK) {
        uint64_t n = min(CLUSTER_SIZE - (offset & CLUSTER_MASK), end - offset);
        int error = write_partial(stack, buf, n, offset, culprit);
        if (error)
            return error;
        buf += n;
        offset += n;
    }
    uint64_t whole = (end & ~CLUSTER_MASK) > offset ? (end & ~CLUSTER_MASK) - offset : 0;
    if (whole) {
        int error = layer_write(top, buf, whole, offset);
        if (error)
            return blame(culprit, top, error);
    }
    buf += whole;
    offset += whole;
    return offset < end ? write_partial(stack, buf, end - offset, offset, culprit) : 0;
}

/* Clusters of one word that the top did not hold when it was looked at. *done is false when
 * another writer came first: the caller looks again. */
static int write_locked(const struct stack *stack, struct cluster_locks *locks, const char *buf,
                        uint64_t offset, uint64_t end, bool *done, struct layer **culprit)
{
    struct layer *top = stack->layers[0];
    uint64_t word = offset / WORD_SIZE, first = offset >> CLUSTER_SHIFT;
    uint64_t count = ((end - 1) >> CLUSTER_SHIFT) - first + 1;
    int error = blame(culprit, top, map_reserve(top->map, first, count));
    if (error)
        return error;
    struct cluster_lock mine = {.word = word, .clusters = cluster_mask(word, offset, end)};
    cluster_lock_take(locks, &mine);
    *done = !(map_word(top->map, word) & mine.clusters);
    if (*done && (error = write_absent(stack, buf, offset, end, culprit)) == 0)
        map_set(top->map, first, count);
    cluster_lock_give(locks, &mine);
    return error;
}

/* --- being absorbed -------------------------------------------------------------------------- */

/* Bytes into the base, or zeros where there is no buffer. */
static int put(struct layer *base, const char *buf, uint64_t count, uint64_t offset)
{
    return buf ? layer_write(base, buf, count, offset) : layer_zero(base, count, offset);
}

/* One cluster that the top holds, as it is with [offset, end) written over it. */
static int move_cluster(struct layer *top, const char *buf, uint64_t offset, uint64_t end)
{
    _Alignas(CLUSTER_SIZE) char cluster[CLUSTER_SIZE];
    uint64_t start = offset & ~CLUSTER_MASK;
    int error = layer_read(top, cluster, CLUSTER_SIZE, start);
    if (error)
        return error;
    if (buf)
        memcpy(cluster + (offset - start), buf, end - offset);
    else
        memset(cluster + (offset - start), 0, end - offset);
    return layer_write(top->into, cluster, CLUSTER_SIZE, start);
}

/* [offset, end) of one word, of which the top held something when it was looked at. */
static int put_locked(struct layer *top, struct cluster_locks *locks, const char *buf,
                      uint64_t offset, uint64_t end)
{
    struct cluster_lock mine = {.word = offset / WORD_SIZE,
                                .clusters = cluster_mask(offset / WORD_SIZE, offset, end)};
    int error = 0;
    cluster_lock_take(locks, &mine);
    while (offset < end && !error) {
        uint64_t cluster = offset >> CLUSTER_SHIFT;
        uint64_t until = min(end, (cluster + 1) << CLUSTER_SHIFT);
        bool held = map_word(top->map, mine.word) >> (cluster % WORD_CLUSTERS) & 1;
        if (held && until - offset < CLUSTER_SIZE)
            error = move_cluster(top, buf, offset, until);
        else
            error = put(top->into, buf, until - offset, offset);
        if (!error && held)
            map_clear(top->map, cluster, 1);
        buf = buf ? buf + (until - offset) : NULL;
        offset = until;
    }
    cluster_lock_give(locks, &mine);
    return error;
}

static int put_through(const struct stack *stack, struct cluster_locks *locks, const char *buf,
                       uint64_t offset, uint64_t end, struct layer **culprit)
{
    struct layer *top = stack->layers[0];
    while (offset < end) {
        bool held;
        uint64_t until = same_until(top->map, offset, end, &held);
        if (held)
            until = min(until, (offset / WORD_SIZE + 1) * WORD_SIZE);
        int error = held ? put_locked(top, locks, buf, offset, until)
                         : put(top->into, buf, until - offset, offset);
        if (error)
            return blame(culprit, top->into, error);
        buf = buf ? buf + (until - offset) : NULL;
        offset = until;
    }
    return 0;
}

/* A run of clusters that the top holds: its data, and its holes as holes. */
static int absorb_run(struct layer *top, char *buf, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        uint64_t data = end, data_end = end;
        int error = layer_next_data(top, offset, end, &data);
        if (!error && data < end)
            error = layer_next_hole(top, data, end, &data_end);
        if (!error && data > offset)
            error = layer_zero(top->into, data - offset, offset);
        if (!error && data_end > data)
            error = layer_read(top, buf, data_end - data, data);
        if (!error && data_end > data)
            error = layer_write(top->into, buf, data_end - data, data);
        if (error)
            return error;
        offset = data_end;
    }
    return 0;
}

int stack_absorb_word(const struct stack *stack, struct cluster_locks *locks, uint64_t word)
{
    struct layer *top = stack->layers[0];
    struct cluster_lock mine = {.word = word, .clusters = UINT64_MAX};
    char *buf = malloc(WORD_SIZE);
    int error = buf ? 0 : ENOMEM;
    cluster_lock_take(locks, &mine);
    uint64_t held = map_word(top->map, word);
    while (held && !error) {
        uint64_t run = first_run(held);
        uint64_t first = word * WORD_CLUSTERS + (uint64_t)__builtin_ctzll(run);
        uint64_t count = (uint64_t)__builtin_popcountll(run);
        error = absorb_run(top, buf, first << CLUSTER_SHIFT, (first + count) << CLUSTER_SHIFT);
        if (!error)
            map_clear(top->map, first, count);
        held &= ~run;
    }
    cluster_lock_give(locks, &mine);
    free(buf);
    return error;
}

int stack_write(const struct stack *stack, struct cluster_locks *locks, const void *buf,
                uint64_t count, uint64_t offset, struct layer **culprit)
{
    struct layer *top = stack->layers[0];
    if (!top->map)
        return blame(culprit, top, layer_write(top, buf, count, offset));
    if (top->into)
        return put_through(stack, locks, buf, offset, offset + count, culprit);
    const char *from = buf;
    uint64_t end = offset + count;
    while (offset < end) {
        bool held, done = true;
        uint64_t until = same_until(top->map, offset, end, &held);
        int error = held ? blame(culprit, top, layer_write(top, from, until - offset, offset))
                         : write_locked(stack, locks, from, offset, until, &done, culprit);
        if (error)
            return error;
        if (!done)
            continue;
        from += until - offset;
        offset = until;
    }
    return 0;
}

/* Whole clusters, of at most ZERO_PIECE_WORDS words. The locks are taken in rising order, and
 * writers hold but one, so nobody waits in a circle. */
static int zero_clusters(const struct stack *stack, struct cluster_locks *locks, uint64_t offset,
                         uint64_t end)
{
    struct layer *top = stack->layers[0];
    uint64_t first = offset / WORD_SIZE, last = (end - 1) / WORD_SIZE;
    struct cluster_lock *mine = calloc(last - first + 1, sizeof *mine);
    if (!mine)
        return ENOMEM;
    uint64_t cluster = offset >> CLUSTER_SHIFT, count = (end - offset) >> CLUSTER_SHIFT;
    int error = map_reserve(top->map, cluster, count);
    for (uint64_t word = first; !error && word <= last; word++) {
        mine[word - first] =
            (struct cluster_lock){.word = word, .clusters = cluster_mask(word, offset, end)};
        cluster_lock_take(locks, &mine[word - first]);
    }
    if (!error) {
        error = layer_zero(top, end - offset, offset);
        if (!error)
            map_set(top->map, cluster, count);
        for (uint64_t word = first; word <= last; word++)
            cluster_lock_give(locks, &mine[word - first]);
    }
    free(mine);
    return error;
}

int stack_zero(const struct stack *stack, struct cluster_locks *locks, uint64_t count,
               uint64_t offset, struct layer **culprit)
{
    static const char zeros[CLUSTER_SIZE];
    struct layer *top = stack->layers[0];
    if (!top->map)
        return blame(culprit, top, layer_zero(top, count, offset));
    if (top->into)
        return put_through(stack, locks, NULL, offset, offset + count, culprit);
    uint64_t end = offset + count;
    while (offset < end) {
        uint64_t n, part = CLUSTER_SIZE - (offset & CLUSTER_MASK);
        int error;
        if (part < CLUSTER_SIZE || end - offset < CLUSTER_SIZE) {
            n = min(part, end - offset);
            error = stack_write(stack, locks, zeros, n, offset, culprit);
        } else {
            uint64_t piece = ZERO_PIECE_WORDS * WORD_SIZE - offset % WORD_SIZE;
            n = min(piece, (end & ~CLUSTER_MASK) - offset);
            error = blame(culprit, top, zero_clusters(stack, locks, offset, offset + n));
        }
        if (error)
            return error;
        offset += n;
    }
    return 0;
}
