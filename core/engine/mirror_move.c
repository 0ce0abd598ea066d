/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The body of the mirrors' jobs: moving what mirror_birth.c or mirror_ship.c has set up, member by
 * member, the one commit at the end of it, and what is left when it does not come to that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "fill.h"
#include "mirror.h"
#include "sync.h"
#include "upkeep.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

/* --- running --------------------------------------------------------------------------------- */

/* One member of the job. */
struct part {
    struct mirror *m;
    uint32_t place;
    struct volume *target;
    struct layer *instant; /* of the source */
    struct layer *delta;   /* of the target: its base, or a layer between its top and the rest */
    struct layer *hidden;  /* what will be the target's top over that; NULL: the one it has */
    struct stack *source;
    struct delta moved;
    uint64_t bytes;     /* that are to be moved */
    struct mirror next; /* the relation as it will be when the target has this instant */
    struct swap *swaps;
    uint32_t swap_count;
    struct aside aside; /* of a full copy again: what the target had */
    struct stack *fresh;
};

struct work {
    struct job *job;
    struct mirror *m; /* any of the group */
    struct part *parts;
    uint32_t count, places;
    bool initial, sync;
    bool anew, keep; /* a full copy again; what the target had is kept */
};

static bool moves_all(const struct work *w)
{
    return w->initial || w->anew;
}

static uint64_t size_of(const struct work *w, const struct part *part)
{
    return ship_size_of(w->job, part->place);
}

static uint32_t depth_above(const struct stack *stack, const struct layer *common)
{
    uint32_t depth = 0;
    while (depth < stack->depth && stack->layers[depth] != common)
        depth++;
    return depth;
}

static int check_write_path(const struct mirror *m)
{
    if (m->sync && !atomic_load(&m->sync->failed))
        return LSM_ERR_OK;
    int error = m->sync ? atomic_load(&m->sync->failed) : 0;
    bool full = error == ENOSPC || (!error && m->error == LSM_ERR_NOT_ENOUGH_SPACE);
    return error_set_errno(full ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, m->id,
                           "the target of the replication %s failed while it was filled", m->id);
}

/* A mirror that lost its write path on the way has nothing to fill for. */
static int check_write_paths(const struct work *w)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; w->sync && i < w->count && code == LSM_ERR_OK; i++)
        code = check_write_path(w->parts[i].m);
    return code;
}

/* A ship whose end could not be made durable, and that another has since made up for: what it fills
 * does not stand any more where the target's top does. */
static bool is_overtaken(struct pool *pool, const struct job_row *row, const struct mirror *m)
{
    char owner[ID_SIZE];
    struct job_ends ends;
    bool keep, filling = m->state == LSM_REPLICATION_STATE_INITIALIZING, overtaken = false;
    if (row->kind == LSM_JOB_KIND_MIRROR_INITIAL)
        return false;
    if (filling != ship_row_is_anew(row, &keep))
        return true;
    if (filling)
        return false;
    for (uint32_t i = 0; job_row_part(row, i, owner) && !overtaken; i++) {
        const struct hold *delta = pool_hold(pool, owner, false);
        job_row_member(row, i, &ends);
        const struct volume *target = volume_find(pool->root, ends.target);
        overtaken = target && delta && delta->layer->below != target->top->below;
    }
    return overtaken;
}

/* The first relation that the job is for and that is still there, and whole if one is. */
static struct mirror *first_of(const struct job *job)
{
    struct job_ends ends;
    struct mirror *m = NULL;
    for (uint32_t i = 0; job_row_member(&job->row, i, &ends); i++) {
        struct mirror *each = ship_mirror_of(job, i);
        if (each && each->state != LSM_REPLICATION_STATE_BROKEN)
            return each;
        m = m ? m : each;
    }
    return m;
}

/* The relation that a job works for, or any of its group: what is told to one is told to all. One
 * whose end could not be recorded is found again at the next open, where its synchronous mirror may
 * long be in sync, or have another job: it works for none. */
static struct mirror *served(const struct job *job)
{
    struct mirror *m = first_of(job);
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    bool keep, by_id = sync || ship_row_is_anew(&job->row, &keep);
    bool other = m && (by_id ? strcmp(m->job, job->row.id) != 0
                             : is_overtaken(FILL(job)->pool, &job->row, m));
    return other ? NULL : m;
}

static int gone(const struct job *job)
{
    return error_set(LSM_ERR_DAMAGED, job->row.id, "what the job %s ships is gone from the catalog",
                     job->row.id);
}

/* A ship that has holds on nothing has not begun. */
static bool has_begun(struct job *job)
{
    struct fill *fill = FILL(job);
    char owner[ID_SIZE];
    bool held = job->row.kind != LSM_JOB_KIND_SHIP;
    for (uint32_t i = 0; !held && job_row_part(&job->row, i, owner); i++)
        held = (fill->source && pool_hold(fill->source, owner, true)) ||
               pool_hold(fill->pool, owner, false);
    return held;
}

static int find_part(struct work *w, struct part *part)
{
    struct fill *fill = FILL(w->job);
    struct hold *instant = fill->source ? fill_hold(w->job, part->place, fill->source, true) : NULL;
    struct hold *delta = fill_hold(w->job, part->place, fill->pool, false);
    part->target = mirror_volume(part->m, SIDE_TARGET);
    if (!part->target || !instant || (!w->initial && !delta) ||
        (!moves_all(w) && !ship_common_instant(part->m)))
        return gone(w->job);
    part->instant = instant->layer;
    part->hidden = w->anew || (w->sync && !w->initial) ? delta->layer : NULL;
    part->delta = w->initial     ? part->target->top->below
                  : part->hidden ? part->hidden->below
                                 : delta->layer;
    return LSM_ERR_OK;
}

/* A member that is gone since, or BROKEN, is left out; of a first fill none can be. */
static int gather(struct work *w)
{
    struct job_ends ends;
    int code = w->m ? LSM_ERR_OK : gone(w->job);
    if (code != LSM_ERR_OK)
        return code;
    w->sync = w->m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    while (job_row_member(&w->job->row, w->places, &ends))
        w->places++;
    w->parts = calloc(w->places, sizeof *w->parts);
    if (!w->parts)
        return error_no_memory();
    for (uint32_t i = 0; i < w->places && code == LSM_ERR_OK; i++) {
        struct part part = {.m = ship_mirror_of(w->job, i), .place = i};
        if (!part.m || (part.m != w->m && part.m->state == LSM_REPLICATION_STATE_BROKEN))
            continue;
        code = find_part(w, &part);
        w->parts[w->count++] = part;
    }
    return code == LSM_ERR_OK && moves_all(w) && w->count < w->places ? gone(w->job) : code;
}

static void close_part(struct part *part)
{
    if (!part->source)
        return;
    stack_close(part->source);
    layer_close(part->delta);
    map_destroy(part->moved.regions);
    part->source = NULL;
}

static int open_part(struct work *w, struct part *part)
{
    uint64_t size = size_of(w, part);
    struct stack *source = stack_open(part->instant, size);
    if (!source)
        return error_pending();
    int code = LSM_ERR_OK;
    part->moved.depth = moves_all(w) ? 0 : depth_above(source, ship_common_instant(part->m));
    if (!moves_all(w) && w->sync && !(part->moved.regions = map_copy(part->m->sync->intent)))
        code = error_no_memory();
    if (code == LSM_ERR_OK)
        code = layer_open(part->delta, size);
    if (code == LSM_ERR_OK) {
        part->source = source;
        part->bytes = moves_all(w) ? size : fill_delta_bytes(source, &part->moved, size);
        return code;
    }
    stack_close(source);
    map_destroy(part->moved.regions);
    part->moved.regions = NULL;
    return code;
}

/* All members at once, so that it is known how much there is to move. */
static int open_work(struct work *w)
{
    uint64_t bytes = 0;
    w->m = served(w->job);
    w->initial = w->job->row.kind == LSM_JOB_KIND_MIRROR_INITIAL;
    w->anew = ship_row_is_anew(&w->job->row, &w->keep);
    int code = w->m && !has_begun(w->job) ? ship_begin_late(w->job, w->m) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = gather(w);
    if (code == LSM_ERR_OK)
        code = check_write_paths(w);
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++) {
        struct part *part = &w->parts[i];
        code = open_part(w, part);
        bytes += part->bytes;
    }
    if (code == LSM_ERR_OK)
        job_total_set(w->job, bytes);
    return code;
}

static void close_work(struct work *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        close_part(&w->parts[i]);
        volume_stacks_discard(w->parts[i].swaps, w->parts[i].swap_count);
        aside_discard(&w->parts[i].aside);
        stack_close(w->parts[i].fresh);
    }
    free(w->parts);
}

/* --- the commit ------------------------------------------------------------------------------ */

/* A full copy again: writes to both sides may have come after the source grew. */
static uint64_t size_anew(const struct work *w, const struct part *part)
{
    return w->sync ? mirror_volume(part->m, SIDE_SOURCE)->size : size_of(w, part);
}

/* What writes went to while the delta was filled becomes the target's top; the old one is frozen at
 * the instant that both had before. */
static int record_new_top(const struct part *part)
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
static int record_anew(const struct work *w, const struct part *part)
{
    const struct volume *target = part->target;
    struct catalog *catalog = target->pool->catalog;
    int code = catalog_volume_top_set(catalog, target->id, part->hidden->row);
    if (code == LSM_ERR_OK)
        code = catalog_volume_size_set(catalog, target->id, size_anew(w, part));
    return code == LSM_ERR_OK ? aside_record(&part->aside) : code;
}

static int record_part(const struct work *w, const struct part *part)
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
static int commit_ship(struct work *w)
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

/* The gates of all that is swapped are closed. */
static void show_delta(const struct work *w, struct part *part)
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
static void show_new_top(const struct work *w, struct part *part)
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
static void show_anew(const struct work *w, struct part *part)
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
static void move_hold(const struct work *w, const struct part *part)
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

static struct mirror next_of(const struct work *w, const struct part *part)
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

static bool forget(struct mirror *m, const char *id)
{
    int code = id[0] ? job_forget(m->root->runner, id) : LSM_ERR_OK;
    if (code != LSM_ERR_OK && code != LSM_ERR_NO_STATE_CHANGE)
        error_clear(); /* it was forgotten already */
    return code != LSM_ERR_NO_STATE_CHANGE;
}

/* An interval makes a job each time: the last two are kept. Where the older one's worker has not
 * shown its end yet, the other one goes. */
static void keep_newest(struct mirror *m, const struct job_row *ended)
{
    if (ended->kind == LSM_JOB_KIND_MIRROR_INITIAL)
        return;
    bool oldest = forget(m, m->ships[0]);
    if (!oldest)
        forget(m, m->ships[1]);
    for (EACH_MEMBER(each, m)) {
        if (oldest)
            memcpy(each->ships[0], each->ships[1], ID_SIZE);
        memcpy(each->ships[1], ended->id, ID_SIZE);
    }
}

static void show_part(const struct work *w, struct part *part)
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
static void show_ship(struct work *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        volume_gates_close(w->parts[i].swaps, w->parts[i].swap_count);
    for (uint32_t i = 0; i < w->count && w->anew; i++)
        gate_close(&w->parts[i].target->gate);
    for (uint32_t i = 0; i < w->count; i++)
        show_part(w, &w->parts[i]);
    ship_next(w->m);
}

static int prepare_anew(struct work *w, struct part *part)
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

static int prepare_part(struct work *w, struct part *part)
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
static int flush_new_tops(const struct work *w)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; w->sync && i < w->count && code == LSM_ERR_OK; i++) {
        const struct stack *hidden = w->parts[i].m->sync->hidden;
        code = hidden ? layer_flush(hidden->layers[0]) : LSM_ERR_OK;
    }
    return code;
}

static int bring(struct work *w)
{
    int code = check_write_paths(w);
    if (code == LSM_ERR_OK)
        code = flush_new_tops(w);
    if (code == LSM_ERR_OK)
        code = commit_ship(w);
    if (code == LSM_ERR_OK)
        show_ship(w);
    return code;
}

/* Where writes go to both, all sources stand still for it. */
static int finish(struct work *w)
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
    keep_newest(m, &w->job->row);
    mirrors_mark(m->root);
    return code;
}

static void exchange_forget(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        each->exchange = false;
}

/* A planned promote waited for the last ship. */
static void exchange_at_last(struct mirror *m)
{
    if (!m->exchange || m->job[0])
        return;
    exchange_forget(m);
    if (split_exchange(m) != LSM_ERR_OK)
        error_clear(); /* shipped it is; the roles are as they were */
    mirrors_mark(m->root);
}

/* One that followed, and the ship before it had brought all there was. */
static int finish_idle(struct job *job, struct mirror *m)
{
    struct job_row row = job_row_as(job, LSM_JOB_STATE_DONE);
    int code = fill_save(job, &row);
    if (code != LSM_ERR_OK)
        return code;
    error_clear();
    ship_next(m);
    keep_newest(m, &job->row);
    exchange_at_last(m);
    return LSM_ERR_OK;
}

/* One after the other; the lock is let go meanwhile. */
static int move(struct work *w)
{
    pthread_mutex_t *lock = &FILL(w->job)->pool->root->lock;
    uint64_t end = 0;
    int code = LSM_ERR_OK;
    pthread_mutex_unlock(lock);
    fill_begin(w->job);
    for (uint32_t i = 0; i < w->count && code == LSM_ERR_OK; i++) {
        struct part *part = &w->parts[i];
        uint64_t size = size_of(w, part);
        FILL(w->job)->start = end;
        end += size;
        if (w->anew && part->delta->full) /* which is promised */
            code = layer_allocate(part->delta, 0, size);
        /* Past its end it is done; at its end it may still be to be read back. */
        if (code == LSM_ERR_OK && w->job->row.cursor <= end)
            code = fill_move_delta(w->job, part->source, moves_all(w) ? NULL : &part->moved,
                                   part->delta, size);
    }
    pthread_mutex_lock(lock);
    return code;
}

static int run(struct job *job)
{
    struct work w = {.job = job};
    LOCKED(&FILL(job)->pool->root->lock);
    int code = open_work(&w);
    bool idle = code == LSM_ERR_NO_STATE_CHANGE;
    if (idle)
        code = finish_idle(job, w.m);
    else if (code == LSM_ERR_OK)
        code = move(&w);
    if (code == LSM_ERR_OK && !idle)
        code = finish(&w);
    close_work(&w);
    if (code == LSM_ERR_OK && !idle)
        exchange_at_last(w.m);
    return code;
}

/* --- stopping -------------------------------------------------------------------------------- */

/* What a full copy again is for: not EACH_MEMBER, since one that is BROKEN is none. */
static struct mirror *copied(const struct job *job, uint32_t i)
{
    struct mirror *m = ship_mirror_of(job, i);
    return m && strcmp(m->job, job->row.id) == 0 ? m : NULL;
}

/* BROKEN as before, for that reason or, where the copy failed, for this one. */
static struct mirror broken_again(const struct mirror *m, const struct job_row *row)
{
    struct mirror next = *m;
    next.state = LSM_REPLICATION_STATE_BROKEN;
    next.epoch++;
    if (row->state == LSM_JOB_STATE_FAILED) {
        next.error = (int)row->error;
        next.message = row->message;
    }
    return next;
}

static int record_broken(const struct job *job, const struct job_row *row)
{
    struct job_ends ends;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_member(row, i, &ends); i++) {
        const struct mirror *m = copied(job, i);
        struct mirror next = m ? broken_again(m, row) : (struct mirror){0};
        if (m)
            code = mirror_put(&next, SIDE_TARGET);
    }
    return code;
}

static void show_broken(const struct job *job, const struct job_row *row)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++) {
        struct mirror *m = copied(job, i);
        if (!m)
            continue;
        m->epoch++;
        if (row->state == LSM_JOB_STATE_FAILED)
            mirror_error_set(m, (int)row->error, row->message);
        memset(m->job, 0, ID_SIZE);
        mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
        mirror_tell_source(m);
    }
    mirrors_mark(FILL(job)->pool->root);
}

/* The target's catalog could not be told of a job that failed: it is as if it had died with it. The
 * source decides about degrading, and the next open finds the job and what it leaves. */
static int give_up(struct mirror *m, const struct job_row *row, int code)
{
    if (!m || row->state != LSM_JOB_STATE_FAILED)
        return code;
    struct _lsm_error *why = error_take();
    sync_detach_all(m);
    if (m->state != LSM_REPLICATION_STATE_INITIALIZING) {
        ship_next(m);
        exchange_forget(m);
    }
    mirrors_error_set(m, row->error, row->message);
    if (m->state == LSM_REPLICATION_STATE_RESYNCING || m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_say(m, LSM_REPLICATION_STATE_DEGRADED);
    mirrors_mark(m->root);
    error_clear();
    error_restore(why);
    return code;
}

static int record_removal(struct pool *pool, const struct job_row *row, struct mirror *m)
{
    int code = fill_targets_remove_rows(pool, row);
    for (struct mirror *each = m ? mirror_member(m, NULL) : NULL; each && code == LSM_ERR_OK;
         each = mirror_member(m, each))
        code = catalog_replication_remove(pool->catalog, each->id, SIDE_TARGET);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(pool->catalog), row) : code;
}

static void forget_newborn(struct mirror *m, struct pool *source)
{
    if (source && catalog_begin(source->catalog) == LSM_ERR_OK)
        catalog_end(source->catalog,
                    catalog_replication_remove(source->catalog, m->id, SIDE_SOURCE));
    sync_log_remove(m);
    mirror_state_show(m, LSM_REPLICATION_STATE_BROKEN);
    mirror_leave(m);
}

/* A first fill that will not be finished: the targets never were. */
static int remove_newborn(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    struct job_ends ends;
    char owner[ID_SIZE];
    int code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(pool->catalog, record_removal(pool, row, m));
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_all(m);
    fill_targets_remove(pool, row);
    for (uint32_t i = 0; job_row_member(row, i, &ends); i++) {
        struct mirror *each = m ? ship_mirror_of(job, i) : NULL;
        if (each)
            forget_newborn(each, source);
        if (source && job_row_part(row, i, owner))
            pool_hold_release(source, owner);
    }
    mirrors_mark(pool->root);
    error_clear();
    return code;
}

static int doom_deltas(struct pool *pool, const struct job_row *row)
{
    char owner[ID_SIZE];
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; code == LSM_ERR_OK && job_row_part(row, i, owner); i++)
        code = pool_hold_doom(pool, owner);
    return code;
}

/* A ship that will not be finished leaves the targets at their last generation. */
static int remove_delta(struct job *job, const struct job_row *row, struct mirror *m)
{
    struct pool *pool = FILL(job)->pool, *source = FILL(job)->source;
    char owner[ID_SIZE];
    bool keep, anew = ship_row_is_anew(row, &keep);
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    code = job_store_put(catalog_database(pool->catalog), row);
    if (code == LSM_ERR_OK)
        code = doom_deltas(pool, row);
    if (code == LSM_ERR_OK && anew)
        code = record_broken(job, row);
    code = catalog_end(pool->catalog, code);
    if (code != LSM_ERR_OK)
        return give_up(m, row, code);
    if (m)
        sync_detach_all(m);
    for (uint32_t i = 0; job_row_part(row, i, owner); i++) {
        pool_hold_drop(pool, owner);
        if (source && source != pool && pool_hold_release(source, owner) != LSM_ERR_OK)
            error_clear(); /* the next open does it */
    }
    if (m && anew)
        show_broken(job, row);
    error_clear();
    if (!m || anew)
        return code;
    bool failed = row->state == LSM_JOB_STATE_FAILED;
    keep_newest(m, row);
    ship_next(m);
    exchange_forget(m);
    if (failed)
        mirrors_error_set(m, row->error, row->message);
    if (failed && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        mirror_state_set(m, LSM_REPLICATION_STATE_DEGRADED);
    else if (m->state == LSM_REPLICATION_STATE_RESYNCING)
        mirror_state_set(m, failed ? LSM_REPLICATION_STATE_DEGRADED : LSM_REPLICATION_STATE_PAUSED);
    mirrors_mark(m->root);
    error_clear();
    return LSM_ERR_OK;
}

static int settle(struct job *job, const struct job_row *row)
{
    if (row->state == LSM_JOB_STATE_PAUSED || row->state == LSM_JOB_STATE_QUEUED)
        return fill_save(job, row);
    LOCKED(&FILL(job)->pool->root->lock);
    struct mirror *m = served(job);
    return row->kind == LSM_JOB_KIND_MIRROR_INITIAL ? remove_newborn(job, row, m)
                                                    : remove_delta(job, row, m);
}

const struct job_body ship_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

static bool sync_works(const struct mirror *m)
{
    return m->state == LSM_REPLICATION_STATE_INITIALIZING ||
           m->state == LSM_REPLICATION_STATE_RESYNCING;
}

static bool holds_delta(struct pool *pool, const struct job_row *row)
{
    char owner[ID_SIZE];
    bool held = false;
    for (uint32_t i = 0; !held && job_row_part(row, i, owner); i++)
        held = pool_hold(pool, owner, false) != NULL;
    return held;
}

static void set_job(struct mirror *m, const char *id, bool follows)
{
    for (EACH_MEMBER(each, m))
        memcpy(follows ? each->follow : each->job, id, ID_SIZE);
}

static void set_parts(struct job *job)
{
    struct job_ends ends;
    for (uint32_t i = 0; job_row_member(&job->row, i, &ends); i++) {
        struct mirror *m = ship_mirror_of(job, i);
        if (m)
            job_row_part(&job->row, i, m->part);
    }
}

int ship_load(struct pool *pool, struct job_row *row)
{
    bool ended = row->state >= LSM_JOB_STATE_DONE;
    struct job *job = fill_job_alloc(row, &ship_body, pool, NULL);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    row = &job->row;
    struct mirror *m = first_of(job);
    struct pool *source = FILL(job)->source = m ? mirror_pool(m, SIDE_SOURCE) : NULL;
    bool sync = m && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    if (m && ended)
        keep_newest(m, row);
    /* One that follows has not begun: it has nothing to fill yet, whichever row came first. */
    bool follows =
        m && !ended &&
        (sync ? m->job[0] != '\0' : row->kind == LSM_JOB_KIND_SHIP && !holds_delta(pool, row));
    bool overtaken = m && !ended && !sync && is_overtaken(pool, row, m);
    if (m && !ended && !sync && !overtaken)
        set_job(m, row->id, follows);
    else if (sync && !ended && !follows && sync_works(m)) { /* else it finds that, and ends */
        set_job(m, row->id, false);
        set_parts(job);
    }
    follows = follows && !sync;
    if (!ended && m && !source) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", m->source_pool) < 0)
            row->message = NULL;
    }
    job_start(pool->root->runner, job, !ended && ((m && !source) || follows || pool->read_only));
    return LSM_ERR_OK;
}
