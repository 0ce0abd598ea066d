/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commit of a mirrors' job: one transaction in the targets' pool, then the picture, and then
 * what the source's pool keeps of it. All members at once.
 */
#include <stdlib.h>
#include <string.h>

#include "mirror_work.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

/* --- the rows --------------------------------------------------------------------------------- */

/* A full copy again: writes to both sides may have come after the source grew. */
static uint64_t size_anew(const struct ship_work *w, const struct ship_part *part)
{
    return w->sync ? mirror_volume(part->m, SIDE_SOURCE)->size : ship_part_size(w, part);
}

/* What writes went to while the delta was filled becomes the target's top; the old one is frozen at
 * the instant that both had before. */
static int record_new_top(const struct ship_part *part)
{
    struct catalog *catalog = part->target->pool->catalog;
    struct layer *old = part->target->top;
    /* Where the target was cloned meanwhile, its top is an empty one above the delta's footing. */
    int code = old == part->delta->below
                   ? catalog_layer_freeze(catalog, old->row, part->m->generation)
                   : LSM_ERR_OK;
    return code == LSM_ERR_OK ? catalog_volume_top_set(catalog, part->target->id,
                                                       part->m->sync->hidden->layers[0]->row)
                              : code;
}

/* What was filled becomes all that the target has, and what it had is set aside. */
static int record_anew(const struct ship_work *w, const struct ship_part *part)
{
    const struct volume *target = part->target;
    struct catalog *catalog = target->pool->catalog;
    int code = catalog_volume_top_set(catalog, target->id, part->hidden->row);
    if (code == LSM_ERR_OK)
        code = catalog_volume_size_set(catalog, target->id, size_anew(w, part));
    return code == LSM_ERR_OK ? aside_record(&part->aside) : code;
}

static int record_part(const struct ship_work *w, const struct ship_part *part)
{
    struct volume *target = part->target;
    struct catalog *catalog = target->pool->catalog;
    char owner[ID_SIZE];
    int code = catalog_layer_freeze(catalog, part->delta->row, part->next.generation);
    if (code == LSM_ERR_OK && w->initial)
        code = catalog_volume_ready_set(catalog, target->id);
    else if (code == LSM_ERR_OK && w->anew)
        code = record_anew(w, part);
    else if (code == LSM_ERR_OK && w->sync)
        code = record_new_top(part);
    else if (code == LSM_ERR_OK)
        code = catalog_layer_stand(catalog, target->top->row, part->delta->row, target->size);
    /* Of the job's holds only that on the delta is surely in this pool; the source's goes later. */
    job_row_part(&w->job->row, part->place, owner);
    if (code == LSM_ERR_OK && FILL(w->job)->source != target->pool)
        code = catalog_hold_remove(catalog, owner);
    return code == LSM_ERR_OK ? mirror_put(&part->next, SIDE_TARGET) : code;
}

/* What is durable now: the targets show the sources' instant. */
static int commit_targets(struct ship_work *w)
{
    struct catalog *catalog = FILL(w->job)->pool->catalog;
    struct job_row row = job_row_as(w->job, LSM_JOB_STATE_DONE);
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++)
        code = record_part(w, &w->parts[i]);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &row);
    return catalog_end(catalog, code);
}

/* --- the picture ------------------------------------------------------------------------------ */

/* The gates of all that is swapped are closed. */
static void show_delta(const struct ship_work *w, struct ship_part *part)
{
    struct volume *target = part->target;
    struct layer *top = target->top, *old = top->below;
    if (!w->initial) {
        struct hold *hold = fill_hold(w->job, part->place, target->pool, false);
        free(pool_hold_take(target->pool, hold)); /* its use becomes the top's */
        top->below = part->delta;
        top->below_limit = target->size;
        old->uses--; /* the delta stands on it, and now the top does not */
    }
    layer_set_frozen(part->delta);
    memcpy(part->delta->generation, part->m->generation, ID_SIZE);
    volume_stacks_swap(part->swaps, part->swap_count);
    target->ready = true;
}

/* The hidden stack becomes the target's own. The source stands still. */
static void show_new_top(const struct ship_work *w, struct ship_part *part)
{
    struct volume *target = part->target;
    struct sync *sync = part->m->sync;
    struct layer *old = target->top;
    struct hold *hold = fill_hold(w->job, part->place, target->pool, false);
    gate_close(&target->gate);
    free(pool_hold_take(target->pool, hold)); /* its use becomes the volume's */
    if (old == part->delta->below) {
        layer_set_frozen(old);
        memcpy(old->generation, part->m->generation, ID_SIZE);
    }
    layer_set_frozen(part->delta);
    memcpy(part->delta->generation, part->instant->generation, ID_SIZE);
    target->top = sync->hidden->layers[0];
    stack_close(target->stack);
    target->stack = sync->hidden;
    sync->hidden = NULL;
    gate_open(&target->gate);
    pool_layer_release(target->pool, old); /* the delta stands on it, or nothing does */
}

/* The target's gate is closed. */
static void show_anew(const struct ship_work *w, struct ship_part *part)
{
    struct volume *target = part->target;
    struct stack *old = target->stack;
    free(pool_hold_take(target->pool, fill_hold(w->job, part->place, target->pool, false)));
    layer_set_frozen(part->delta);
    memcpy(part->delta->generation, part->instant->generation, ID_SIZE);
    target->top = part->hidden; /* the hold's use becomes the volume's */
    target->size = size_anew(w, part);
    atomic_store(&target->io_size, target->size);
    if (old) {
        target->stack = STEAL(part->fresh);
        stack_close(old);
    }
    if (w->sync) { /* that and the target's own are one from here on */
        stack_close(part->m->sync->hidden);
        part->m->sync->hidden = NULL;
    }
    gate_open(&target->gate);
    aside_show(&part->aside);
    part->aside.kept = NULL; /* in the picture */
}

/* The source's hold moves to the instant that both sides have now. */
static void move_hold(const struct ship_work *w, const struct ship_part *part)
{
    struct pool *pool = FILL(w->job)->source;
    struct hold *fresh = NULL;
    char owner[ID_SIZE];
    job_row_part(&w->job->row, part->place, owner);
    int code = w->sync ? LSM_ERR_OK : pool_hold_alloc(part->m->id, pool, &fresh);
    if (code == LSM_ERR_OK)
        code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        code = pool_hold_doom(pool, part->m->id);
        if (code == LSM_ERR_OK)
            code = pool_hold_doom(pool, owner);
        if (code == LSM_ERR_OK && fresh) /* two that are written alike need none */
            code = catalog_hold_add(pool->catalog, part->m->id, pool->id, part->instant->row);
        if (code == LSM_ERR_OK)
            code = mirror_put(part->m, SIDE_SOURCE);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        free(fresh); /* the next open catches up */
        error_clear();
        return;
    }
    part->instant->uses++; /* for what comes below: it does not go */
    pool_hold_drop(pool, part->m->id);
    pool_hold_drop(pool, owner);
    if (fresh)
        pool_hold_enter(pool, fresh, part->instant);
    part->instant->uses--;
}

static struct mirror next_of(const struct ship_work *w, const struct ship_part *part)
{
    struct mirror next = *part->m;
    uint64_t started = w->job->row.started_ms;
    bool paused = next.state == LSM_REPLICATION_STATE_PAUSED && !w->initial;
    next.state = paused ? LSM_REPLICATION_STATE_PAUSED : LSM_REPLICATION_STATE_IN_SYNC;
    next.epoch++;
    next.error = 0;
    next.message = NULL;
    next.synced_ms = clock_ms();
    next.synced_bytes = part->bytes;
    next.synced_duration_ms = next.synced_ms > started ? next.synced_ms - started : 0;
    memcpy(next.generation, part->instant->generation, ID_SIZE);
    return next;
}

static void show_part(const struct ship_work *w, struct ship_part *part)
{
    struct mirror *m = part->m, *next = &part->next;
    lsm_replication_state state = next->state;
    if (w->anew)
        show_anew(w, part);
    else if (part->hidden)
        show_new_top(w, part); /* asks the relation's old generation */
    free(m->message);
    next->state = m->state;
    next->next = m->next;
    *m = *next;
    m->written_ns = 0;
    if (!part->hidden)
        show_delta(w, part);
    if (w->sync)
        m->sync->filling = false;
    mirror_state_show(m, state);
}

/* Nobody reads one target at the new instant and then another at the old one. */
static void show_ship(struct ship_work *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        volume_gates_close(w->parts[i].swaps, w->parts[i].swap_count);
    for (uint32_t i = 0; i < w->count && w->anew; i++)
        gate_close(&w->parts[i].target->gate);
    for (uint32_t i = 0; i < w->count; i++)
        show_part(w, &w->parts[i]);
    ship_next(w->m);
}

static int prepare_anew(struct ship_work *w, struct ship_part *part)
{
    struct mirror *m = part->m;
    int code = aside_prepare(&part->aside, part->target, m->generation, w->keep, true);
    if (code != LSM_ERR_OK)
        return code;
    if (part->aside.kept)
        memcpy(part->next.diverged, part->aside.kept->id, ID_SIZE);
    part->fresh = stack_open(part->hidden, size_anew(w, part));
    return part->fresh ? LSM_ERR_OK : error_pending();
}

static int prepare_part(struct ship_work *w, struct ship_part *part)
{
    part->next = next_of(w, part);
    if (w->anew)
        return prepare_anew(w, part);
    if (w->initial || w->sync)
        return LSM_ERR_OK;
    return volume_stacks_prepare(part->target->pool, part->target->top, part->delta, &part->swaps,
                                 &part->swap_count);
}

/* What writes went to meanwhile. */
static int flush_new_tops(const struct ship_work *w)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; w->sync && i < w->count && code == LSM_ERR_OK; i++) {
        const struct stack *hidden = w->parts[i].m->sync->hidden;
        code = hidden ? layer_flush(hidden->layers[0]) : LSM_ERR_OK;
    }
    return code;
}

static int bring(struct ship_work *w)
{
    int code = ship_check_write_paths(w);
    if (code == LSM_ERR_OK)
        code = flush_new_tops(w);
    if (code == LSM_ERR_OK)
        code = commit_targets(w);
    if (code == LSM_ERR_OK)
        show_ship(w);
    return code;
}

/* Where writes go to both, all sources stand still for it. */
int ship_commit(struct ship_work *w)
{
    struct mirror *m = w->m;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++)
        code = prepare_part(w, &w->parts[i]);
    if (code != LSM_ERR_OK)
        return code;
    if (w->sync)
        sync_stand_still(m);
    code = bring(w);
    if (w->sync)
        sync_go_on(m);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < w->count; i++) {
        move_hold(w, &w->parts[i]);
        event_publish(m->root->hub, LSM_EVENT_VOLUME, w->parts[i].target->id, -1, -1);
    }
    ship_keep_newest(m, &w->job->row);
    mirrors_mark(m->root);
    return code;
}
