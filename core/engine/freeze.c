/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "upkeep.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* Nothing was written to the top, and all of what is below shows through it. A write that is on its
 * way in comes after this instant. */
static bool is_empty(const struct volume *volume)
{
    struct layer *top = volume->top;
    return top->below && !top->into && !atomic_load(&top->touched) &&
           top->below_limit >= volume->size;
}

/* The gate is closed only for the last flush, which finds little: volume_flush_ahead went before.
 */
static int still(struct freeze *freeze)
{
    struct volume *volume = freeze->volume;
    if (volume->stack) {
        freeze->stack = stack_on_top(volume->stack, freeze->new_top, volume->size);
        if (!freeze->stack)
            return error_pending();
    }
    gate_close(&volume->gate);
    return layer_flush(volume->top);
}

static int prepare(struct freeze *freeze, struct volume *volume, bool still_anyway,
                   uint64_t promised)
{
    struct pool *pool = volume->pool;
    struct layer *top = volume->top;
    *freeze = (struct freeze){.volume = volume, .instant = top};
    int code = pool_check_writable(pool);
    if (code != LSM_ERR_OK)
        return code;
    if (is_empty(volume) && still_anyway) {
        gate_close(&volume->gate);
        freeze->gate = is_empty(volume);
        if (!freeze->gate) /* a write was on its way in */
            gate_open(&volume->gate);
    }
    if (is_empty(volume) && freeze->gate == still_anyway) {
        freeze->instant = top->below;
        return LSM_ERR_OK;
    }
    bool full = volume->provision == LSM_VOLUME_PROVISION_FULL;
    if (full)
        code = pool_check_space(pool, promised + volume->size, "the new top of a FULL volume");
    if (code == LSM_ERR_OK)
        code = guid_make(freeze->generation);
    if (code == LSM_ERR_OK)
        code = pool_spare_take(pool, &freeze->new_top);
    if (code != LSM_ERR_OK)
        return code;
    freeze->new_top->below = top;
    freeze->new_top->below_limit = volume->size;
    freeze->new_top->full = full;
    code = still(freeze);
    if (code != LSM_ERR_OK)
        freeze_undo(freeze);
    return code;
}

int freeze_prepare(struct freeze *freeze, struct volume *volume)
{
    return prepare(freeze, volume, false, 0);
}

int freeze_prepare_still(struct freeze *freeze, struct volume *volume)
{
    return prepare(freeze, volume, true, 0);
}

int freeze_record(const struct freeze *freeze)
{
    struct volume *volume = freeze->volume;
    struct catalog *catalog = volume->pool->catalog;
    const struct layer *new_top = freeze->new_top;
    if (!new_top)
        return LSM_ERR_OK;
    int code = catalog_layer_freeze(catalog, freeze->instant->row, freeze->generation);
    if (code == LSM_ERR_OK)
        code = catalog_layer_adopt(catalog, new_top->row, freeze->instant->row,
                                   new_top->below_limit, new_top->full);
    if (code == LSM_ERR_OK)
        code = catalog_volume_top_set(catalog, volume->id, new_top->row);
    return code;
}

void freeze_done(struct freeze *freeze)
{
    struct volume *volume = freeze->volume;
    struct layer *new_top = freeze->new_top;
    if (!new_top) {
        if (freeze->gate)
            gate_open(&volume->gate);
        return;
    }
    layer_set_frozen(freeze->instant); /* its one use passes from the volume to the new top */
    freeze->instant->into = NULL;      /* an absorb that was under way is over */
    memcpy(freeze->instant->generation, freeze->generation, ID_SIZE);
    volume->changed_ns = clock_monotonic_ns();
    new_top->uses = 1;
    volume->top = new_top;
    if (freeze->stack) {
        stack_free(volume->stack);
        volume->stack = freeze->stack;
    }
    gate_open(&volume->gate);
    if (new_top->full)
        pool_reserve_later(volume->pool, new_top->guid);
    upkeep_wake(volume->pool->root->upkeep);
}

void freeze_undo(struct freeze *freeze)
{
    struct volume *volume = freeze->volume;
    if (!freeze->new_top) {
        if (freeze->gate)
            gate_open(&volume->gate);
        return;
    }
    if (freeze->stack) {
        layer_close(freeze->new_top);
        stack_free(freeze->stack);
    }
    gate_open(&volume->gate);
    pool_spare_return(volume->pool, freeze->new_top);
    freeze->new_top = NULL;
}

/* --- several at one instant ------------------------------------------------------------------ */

int freeze_prepare_all(struct freeze freezes[], uint32_t count, bool still, uint64_t promised)
{
    for (uint32_t i = 0; i < count; i++) {
        int code = prepare(&freezes[i], freezes[i].volume, still || count > 1, promised);
        if (code != LSM_ERR_OK) {
            freeze_undo_all(freezes, i);
            return code;
        }
        const struct layer *new_top = freezes[i].new_top;
        promised += new_top && new_top->full ? freezes[i].volume->size : 0;
    }
    return LSM_ERR_OK;
}

int freeze_record_all(const struct freeze freezes[], uint32_t count)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = freeze_record(&freezes[i]);
    return code;
}

void freeze_done_all(struct freeze freezes[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        freeze_done(&freezes[i]);
}

void freeze_undo_all(struct freeze freezes[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        freeze_undo(&freezes[i]);
}
