/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume's stack while it is open: for whom it is, flushing it ahead of a freeze, and exchanging
 * it when the layers below change.
 */
#include <stdlib.h>

#include "volume.h"
#include "../util/error.h"

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
    const struct layer *top = volume->top;
    int code = top->map && !volume->pool->read_only ? layer_flush(volume->top) : LSM_ERR_OK;
    if (volume->sync && (code || top->poisoned || (top->into && top->into->poisoned)))
        volume->reread = true;
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

/* While a top is absorbed, writes go to the base. */
static bool is_dirty(struct layer *top)
{
    struct layer *into = atomic_load(&top->into);
    return atomic_load(&top->dirty) || (into && atomic_load(&into->dirty));
}

int volume_flush_ahead(struct volume *volume)
{
    pthread_mutex_t *lock = &volume->pool->root->lock;
    struct layer *top = volume->top;
    if (!is_dirty(top) || volume->pool->read_only)
        return LSM_ERR_OK;
    int code = volume_open_stack(volume);
    if (code != LSM_ERR_OK)
        return code;
    volume->background++;
    layer_open(top, volume->size); /* open already; so that a fold leaves it, frozen or not */
    pthread_mutex_unlock(lock);
    for (int i = 0; i < 2 && code == LSM_ERR_OK; i++)
        code = layer_flush(top);
    pthread_mutex_lock(lock);
    layer_close(top);
    struct _lsm_error *why = error_take();
    volume->background--;
    volume_close_stack(volume);
    error_clear();
    error_restore(why);
    pthread_cond_broadcast(&volume->pool->root->quiet);
    return code;
}
