/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stack shows does not change at any moment of a fold, so a crash leaves at worst work to do
 * again.
 *
 * A merge writes into the lower layer only where the upper one holds the cluster, or hides it; that
 * cannot be seen. When all of it is durable, one transaction takes the upper layer out. Both layers
 * are in use by the fold meanwhile, so they stay whatever is deleted; and what came to stand on
 * either of them since is seen at the end, and the merge is given up.
 *
 * An absorb first makes the base whole (what the top's limit hides is cut off) and moves the limit
 * out of the way, durably; then writes go to the base (stack.c) while the words of the top's map
 * are moved one by one. A freeze ends it at any moment: it takes `into` away behind the closed
 * gate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "volume.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

#define WORD_CLUSTERS 64u
#define PIECE_CLUSTERS 256u /* 1 MiB */
/* A volume that is cloned again and again is not made whole between two clones. */
#define QUIET_NS 1000000000ull

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool is_closing(const struct root *root)
{
    return atomic_load(&root->closing);
}

/* --- merge ----------------------------------------------------------------------------------- */

struct merge {
    struct pool *pool;
    struct layer *upper, *lower;
    struct layer *above; /* with the lock: nothing keeps it while the data is moved */
    int64_t above_row;
    uint64_t size; /* of the upper layer, what the one above saw of it at the beginning */
};

static bool is_candidate(const struct pool *pool, const struct layer *above)
{
    const struct layer *upper = above->below, *lower = upper ? upper->below : NULL;
    return lower && upper->uses == 1 && lower->uses == 1 && !above->into && !upper->unfoldable &&
           upper->users == volume_stacks_with(pool, upper);
}

static bool find_merge(struct pool *pool, struct merge *merge)
{
    for (struct layer_entry *e = pool->layers; e; e = e->hh.next)
        if (is_candidate(pool, e->layer)) {
            struct layer *above = e->layer, *upper = above->below;
            *merge = (struct merge){pool, upper, upper->below, above, e->row, above->below_limit};
            return true;
        }
    return false;
}

static void close_gates(struct pool *pool, const struct layer *layer)
{
    for (struct volume *v = pool->volumes; v; v = v->hh.next)
        if (v->stack && stack_has(v->stack, layer))
            gate_close(&v->gate);
}

static void open_gates(struct pool *pool)
{
    for (struct volume *v = pool->volumes; v; v = v->hh.next)
        if (atomic_load(&v->gate.closed)) /* all under the root's lock: nobody else's */
            gate_open(&v->gate);
}

/* Takes the two layers into use. What the upper one's limit hides of the lower one goes now: there
 * is no other moment at which its map may change its length. */
static int begin_merge(struct merge *m)
{
    uint64_t size = m->size;
    int code = layer_open(m->upper, size);
    if (code != LSM_ERR_OK)
        return code;
    code = layer_open(m->lower, min(m->upper->below_limit, size));
    if (code != LSM_ERR_OK) {
        layer_close(m->upper);
        return code;
    }
    close_gates(m->pool, m->upper);
    code = layer_cut(m->lower, min(m->upper->below_limit, size), size);
    open_gates(m->pool);
    if (code != LSM_ERR_OK) {
        layer_close(m->lower);
        layer_close(m->upper);
        return code;
    }
    m->upper->uses++;
    m->lower->uses++;
    return code;
}

/* [offset, end) of the upper layer, which holds it, as data and holes. */
static int merge_run(struct merge *m, char *buf, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        uint64_t data = end, data_end = end;
        int error = layer_next_data(m->upper, offset, end, &data);
        if (!error && data < end)
            error = layer_next_hole(m->upper, data, end, &data_end);
        if (!error && data > offset)
            error = layer_zero(m->lower, data - offset, offset);
        if (!error && data_end > data)
            error = layer_read(m->upper, buf, data_end - data, data);
        if (!error && data_end > data)
            error = layer_write(m->lower, buf, data_end - data, data);
        if (error)
            return error;
        offset = data_end;
    }
    return 0;
}

/* The next clusters that the map holds, at most a piece; false: no more. */
static bool next_held(const struct map *map, uint64_t clusters, uint64_t *first, uint64_t *count)
{
    uint64_t c = *first + *count;
    while (c < clusters && !(map_word(map, c / WORD_CLUSTERS) >> (c % WORD_CLUSTERS)))
        c = (c / WORD_CLUSTERS + 1) * WORD_CLUSTERS;
    if (c >= clusters)
        return false;
    c += (uint64_t)__builtin_ctzll(map_word(map, c / WORD_CLUSTERS) >> (c % WORD_CLUSTERS));
    *first = c;
    while (c < clusters && c - *first < PIECE_CLUSTERS &&
           (map_word(map, c / WORD_CLUSTERS) >> (c % WORD_CLUSTERS) & 1))
        c++;
    *count = c - *first;
    return *count > 0;
}

static int merge_data(struct merge *m)
{
    uint64_t clusters = m->size >> CLUSTER_SHIFT, first = 0, count = 0;
    autofree char *buf = malloc((size_t)PIECE_CLUSTERS << CLUSTER_SHIFT);
    int error = buf ? 0 : ENOMEM;
    while (!error && next_held(m->upper->map, clusters, &first, &count)) {
        if (is_closing(m->pool->root))
            return error_set(LSM_ERR_CANCELLED, NULL, "the root is being closed");
        if (m->lower->map)
            error = map_reserve(m->lower->map, first, count);
        if (!error)
            error = merge_run(m, buf, first << CLUSTER_SHIFT, (first + count) << CLUSTER_SHIFT);
        if (!error && m->lower->map)
            map_set(m->lower->map, first, count);
    }
    return error ? layer_error(m->lower, error, "merge", first << CLUSTER_SHIFT)
                 : layer_flush(m->lower);
}

static int record_merge(const struct merge *m)
{
    struct catalog *catalog = m->pool->catalog;
    struct layer *lower = m->lower;
    uint64_t limit = min(lower->below_limit, m->upper->below_limit);
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_stand(catalog, m->above->row, lower->row, m->above->below_limit);
    if (code == LSM_ERR_OK)
        code =
            catalog_layer_stand(catalog, lower->row, lower->below ? lower->below->row : 0, limit);
    if (code == LSM_ERR_OK)
        code = catalog_layer_freeze(catalog, lower->row, m->upper->generation);
    if (code == LSM_ERR_OK)
        code = catalog_layer_remove(catalog, m->upper->row);
    return catalog_end(catalog, code);
}

static void show_merge(struct merge *m, struct swap *swaps, uint32_t count)
{
    struct layer *lower = m->lower;
    volume_gates_close(swaps, count);
    m->above->below = lower;
    lower->below_limit = min(lower->below_limit, m->upper->below_limit);
    memcpy(lower->generation, m->upper->generation, ID_SIZE);
    lower->frozen_bytes = UINT64_MAX;
    volume_stacks_swap(swaps, count);
    layer_close(m->upper);
    layer_close(lower);
    lower->uses--; /* the fold's; the upper layer's use is now that of the one above */
    pool_layer_forget(m->pool, m->upper);
}

/* What changed while the data was moved? Only the fold and the one above may use the upper layer.
 * Another one that took the place of that one, and sees no more, is as good. */
static bool still_fits(struct merge *m)
{
    m->above = pool_layer(m->pool, m->above_row);
    return m->above && m->above->below == m->upper && m->above->below_limit <= m->size &&
           m->upper->uses == 2 && m->lower->uses == 2 &&
           m->upper->users == volume_stacks_with(m->pool, m->upper) + 1;
}

/* Whoever else uses the two keeps them; what only the fold kept goes now. */
static void give_up(struct merge *m)
{
    layer_close(m->upper);
    layer_close(m->lower);
    pool_layer_release(m->pool, m->upper);
    pool_layer_release(m->pool, m->lower);
}

static bool merge(struct merge *m)
{
    struct root *root = m->pool->root;
    struct swap *swaps = NULL;
    uint32_t count = 0;
    pthread_mutex_unlock(&root->lock);
    int code = merge_data(m);
    pthread_mutex_lock(&root->lock);
    bool fits = code == LSM_ERR_OK && still_fits(m);
    if (fits)
        code = volume_stacks_prepare(m->pool, m->upper, NULL, &swaps, &count);
    if (fits && code == LSM_ERR_OK)
        code = record_merge(m);
    bool merged = fits && code == LSM_ERR_OK;
    m->upper->unfoldable = code != LSM_ERR_OK; /* not tried again before the next open */
    if (merged)
        show_merge(m, swaps, count);
    else
        give_up(m);
    volume_stacks_discard(swaps, count);
    return merged;
}

/* --- absorb ---------------------------------------------------------------------------------- */

static bool can_absorb(const struct pool *pool, const struct volume *v)
{
    const struct layer *top = v->top, *base = top->below;
    return v->ready && !v->keeps_instant && base && !base->below && base->frozen &&
           base->uses == 1 && top->uses == 1 && !top->into && !top->unfoldable && !v->background &&
           base->users == volume_stacks_with(pool, base);
}

/* The base becomes all that the top shows through it, and writes may go there. */
static int begin_absorb(struct volume *v)
{
    struct layer *top = v->top, *base = top->below;
    struct catalog *catalog = v->pool->catalog;
    gate_close(&v->gate);
    int code = layer_flush(top);
    if (code == LSM_ERR_OK)
        code = layer_cut(base, min(top->below_limit, v->size), v->size);
    if (code == LSM_ERR_OK)
        code = layer_flush(base);
    if (code == LSM_ERR_OK && (code = catalog_begin(catalog)) == LSM_ERR_OK)
        code = catalog_end(catalog, catalog_layer_stand(catalog, top->row, base->row, v->size));
    if (code == LSM_ERR_OK) {
        top->below_limit = v->size;
        top->into = base;
    }
    gate_open(&v->gate);
    return code;
}

/* Word by word, each within the gate: a freeze, which closes it, finds the top whole. */
static int absorb_data(struct volume *v, struct layer *top, bool *ended)
{
    uint64_t words = (v->size >> CLUSTER_SHIFT) / WORD_CLUSTERS + 1;
    *ended = false;
    for (uint64_t word = 0; word < words; word++) {
        if (map_word(top->map, word) == 0)
            continue;
        unsigned slot = gate_enter(&v->gate);
        *ended = v->top != top || !top->into || atomic_load(&v->stop_background) ||
                 is_closing(v->pool->root);
        int error = *ended ? 0 : stack_absorb_word(v->stack, &v->locks, word);
        gate_leave(&v->gate, slot);
        if (error)
            return layer_error(top, error, "absorb", word * WORD_CLUSTERS << CLUSTER_SHIFT);
        if (*ended)
            break;
    }
    return LSM_ERR_OK;
}

static int record_absorb(struct volume *v, const struct layer *top, const struct layer *base)
{
    struct catalog *catalog = v->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_thaw(catalog, base->row, top->full);
    if (code == LSM_ERR_OK)
        code = catalog_volume_top_set(catalog, v->id, base->row);
    if (code == LSM_ERR_OK)
        code = catalog_layer_remove(catalog, top->row);
    return catalog_end(catalog, code);
}

static int end_absorb(struct volume *v, struct layer *top)
{
    struct layer *base = top->below;
    struct stack *stack = stack_exchange(v->stack, top, NULL);
    int code = stack ? layer_flush(top) : LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK && map_held(top->map) > 0)
        code = error_set(LSM_ERR_LIB_BUG, v->id, "a top took writes while it was absorbed");
    if (code == LSM_ERR_OK)
        code = record_absorb(v, top, base);
    if (code != LSM_ERR_OK) {
        stack_free(stack);
        return code;
    }
    layer_set_writable(base);
    base->full = top->full;
    if (base->full)
        pool_reserve_later(v->pool, base->guid);
    v->top = base;
    stack_free(v->stack);
    v->stack = stack;
    layer_close(top);
    top->into = NULL;
    pool_layer_forget(v->pool, top);
    return code;
}

static bool absorb(struct volume *v)
{
    struct root *root = v->pool->root;
    struct layer *top = v->top;
    bool ended = false;
    if (volume_open_stack(v) != LSM_ERR_OK) {
        top->unfoldable = true;
        return false;
    }
    v->background++;
    atomic_store(&v->stop_background, false);
    int code = begin_absorb(v);
    if (code == LSM_ERR_OK) {
        pthread_mutex_unlock(&root->lock);
        code = absorb_data(v, top, &ended);
        pthread_mutex_lock(&root->lock);
    }
    while (v->background > 1) /* who flushes it ahead has let the lock go, and knows the top */
        pthread_cond_wait(&root->quiet, &root->lock);
    gate_close(&v->gate);
    bool whole = code == LSM_ERR_OK && !ended && v->top == top && top->into;
    if (whole)
        code = end_absorb(v, top);
    if (v->top == top && top->into) {       /* not to its end: the top takes writes again */
        if (layer_flush(top) == LSM_ERR_OK) /* else its cleared bits still speak of the base */
            top->into = NULL;
        top->unfoldable = code != LSM_ERR_OK;
    }
    gate_open(&v->gate);
    v->background--;
    volume_close_stack(v);
    pthread_cond_broadcast(&root->quiet);
    return whole && code == LSM_ERR_OK;
}

void fold_quiesce(struct root *root, const char *volume_id)
{
    struct volume *v;
    while ((v = volume_id ? volume_find(root, volume_id) : NULL) != NULL && v->background) {
        atomic_store(&v->stop_background, true);
        pthread_cond_wait(&root->quiet, &root->lock);
    }
}

static enum fold_result absorb_one(struct pool *pool)
{
    enum fold_result result = FOLD_NONE;
    for (struct volume *v = pool->volumes; v; v = v->hh.next) {
        if (!can_absorb(pool, v))
            continue;
        if (clock_monotonic_ns() - v->changed_ns >= QUIET_NS)
            return absorb(v) ? FOLD_DONE : FOLD_LATER;
        result = FOLD_LATER;
    }
    return result;
}

enum fold_result fold_once(struct pool *pool)
{
    struct merge m;
    LOCKED(&pool->root->lock);
    if (is_closing(pool->root))
        return FOLD_NONE;
    if (!find_merge(pool, &m))
        return absorb_one(pool);
    if (begin_merge(&m) == LSM_ERR_OK)
        return merge(&m) ? FOLD_DONE : FOLD_LATER;
    m.upper->unfoldable = true;
    return FOLD_LATER;
}
