/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the two sides part, and when they are joined again; a group's all at once.
 *
 * A forced promote is the split point: a hold keeps the target's last instant, and the target
 * becomes writable. To join them, one side is *rewound* to that instant: it gets a new, empty top
 * on it, and what stood above is kept as a volume of its own unless the caller discards it.
 * Constant time, whatever was written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "mirror.h"
#include "../util/cleanup.h"
#include "../util/error.h"
#include "../util/guid.h"

/* The layer of a volume's stack that is the last common instant; `link` stands on it. */
static struct layer *instant_of(const struct mirror *m, const struct volume *v, struct layer **link)
{
    *link = v->top;
    while (*link && (*link)->below && strcmp((*link)->below->generation, m->generation) != 0)
        *link = (*link)->below;
    return *link ? (*link)->below : NULL;
}

static int no_instant(const struct mirror *m, const struct volume *v)
{
    error_set(
        LSM_ERR_STATE, m->id,
        "the volume «%s» does not have the last common instant of the replication %s any more",
        v->name, m->id);
    error_hint("break the replication and mirror anew");
    return LSM_ERR_STATE;
}

/* --- parting --------------------------------------------------------------------------------- */

/* A synchronous mirror's writes stop going to both, and the target is frozen where they did; while
 * it is filled it is at the last common instant, which is held. A failover is for a source that
 * fails: one that cannot record that (`stands`) stands still until the target has, and then goes on
 * alone, with nothing that is common. */
static int part_by_force(struct mirror *m, bool *stands)
{
    int code = LSM_ERR_OK;
    if (m->state == LSM_REPLICATION_STATE_RESYNCING)
        sync_detach_all(m);
    else if (sync_is_on(m))
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED, 0, NULL);
    if (code != LSM_ERR_OK && sync_is_on(m)) {
        error_clear();
        *stands = true;
        sync_stand_still(m);
        code = LSM_ERR_OK;
        for (EACH_MEMBER(each, m))
            if (code == LSM_ERR_OK)
                code = guid_make(each->generation);
    } else if (code == LSM_ERR_OK && (sync_is_on(m) || m->state == LSM_REPLICATION_STATE_SPLIT)) {
        error_set(LSM_ERR_BUSY, m->id, "the replication %s has just changed its state", m->id);
        error_retryable();
        code = LSM_ERR_BUSY;
    }
    return code == LSM_ERR_OK ? sync_freeze_targets(m) : code;
}

/* A member's split point: the hold on the target's last instant. */
struct point {
    struct mirror *m;
    struct hold *hold;
    struct layer *instant;
};

static int find_point(struct mirror *m, struct point *point)
{
    struct layer *link;
    struct volume *target = mirror_volume(m, SIDE_TARGET);
    if (!target)
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->target_pool, "the target's pool %s is not here",
                         m->target_pool);
    *point = (struct point){.m = m, .instant = instant_of(m, target, &link)};
    return point->instant ? pool_hold_alloc(m->target, target->pool, &point->hold)
                          : no_instant(m, target);
}

static int record_point(struct catalog *catalog, const struct point *point)
{
    struct mirror next = *point->m;
    next.state = LSM_REPLICATION_STATE_SPLIT;
    next.epoch++;
    int code = catalog_hold_add(catalog, next.target, next.target_pool, point->instant->row);
    return code == LSM_ERR_OK ? mirror_put(&next, SIDE_TARGET) : code;
}

static int record_points(struct pool *pool, const struct point *points, uint32_t count)
{
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = record_point(pool->catalog, &points[i]);
    return catalog_end(pool->catalog, code);
}

static int split_at_points(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    uint32_t count = 0;
    int code = LSM_ERR_OK;
    autofree struct point *points = calloc(mirror_member_count(m), sizeof *points);
    if (!points)
        return error_no_memory();
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = find_point(each, &points[count++]);
    if (code == LSM_ERR_OK)
        code = record_points(pool, points, count);
    for (uint32_t i = 0; i < count; i++) {
        if (code != LSM_ERR_OK)
            free(points[i].hold);
        else
            pool_hold_enter(pool, points[i].hold, points[i].instant);
    }
    if (code == LSM_ERR_OK)
        mirror_state_say(m, LSM_REPLICATION_STATE_SPLIT);
    return code;
}

struct name {
    char generation[ID_SIZE];
};

/* Where neither side can say that they part they do not: writes go to both as before. */
static int split_sync(struct mirror *m)
{
    bool stands = false;
    uint32_t i = 0;
    autofree struct name *names = calloc(mirror_member_count(m), sizeof *names);
    if (!names)
        return error_no_memory();
    for (EACH_MEMBER(each, m))
        memcpy(names[i++].generation, each->generation, ID_SIZE);
    int code = part_by_force(m, &stands);
    if (code == LSM_ERR_OK)
        code = split_at_points(m);
    if (!stands)
        return code;
    i = 0;
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            sync_detach(each);
        else
            memcpy(each->generation, names[i++].generation, ID_SIZE);
    }
    sync_go_on(m);
    return code;
}

int split_force(struct mirror *m)
{
    const struct pool *pool = mirror_pool(m, SIDE_TARGET);
    if (!pool)
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->target_pool, "the target's pool %s is not here",
                         m->target_pool);
    int code = pool_check_writable(pool);
    if (code != LSM_ERR_OK)
        return code;
    return m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC ? split_sync(m) : split_at_points(m);
}

void split_point_release(const struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    if (pool && pool_hold_release(pool, m->target) != LSM_ERR_OK)
        error_clear(); /* the next open does it */
}

/* --- exchanging roles ------------------------------------------------------------------------ */

void split_turn(struct mirror *m)
{
    char id[ID_SIZE], pool[ID_SIZE];
    memcpy(id, m->source, ID_SIZE);
    memcpy(pool, m->source_pool, ID_SIZE);
    memcpy(m->source, m->target, ID_SIZE);
    memcpy(m->source_pool, m->target_pool, ID_SIZE);
    memcpy(m->target, id, ID_SIZE);
    memcpy(m->target_pool, pool, ID_SIZE);
}

/* A member as it will be, and what it holds in its new source's pool. */
struct turn {
    struct mirror *m, next;
    struct volume *source;
    struct layer *instant;
    struct hold *hold;
};

static int prepare_turn(struct mirror *m, struct turn *turn)
{
    struct volume *source = mirror_volume(m, SIDE_TARGET);
    struct layer *link;
    if (!source)
        return error_set(LSM_ERR_NOT_FOUND_POOL, m->target_pool, "the pool %s is not here",
                         m->target_pool);
    *turn = (struct turn){
        .m = m, .next = *m, .source = source, .instant = instant_of(m, source, &link)};
    split_turn(&turn->next);
    turn->next.epoch++;
    return turn->instant ? pool_hold_alloc(m->id, source->pool, &turn->hold)
                         : no_instant(m, source);
}

static int record_turn(const struct turn *turn)
{
    struct pool *pool = turn->source->pool;
    const struct mirror *next = &turn->next;
    int code = catalog_hold_remove(pool->catalog, turn->source->id); /* the split's */
    if (code == LSM_ERR_OK)
        code = catalog_hold_remove(pool->catalog, next->id); /* the other side's, in one pool */
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(pool->catalog, next->id, pool->id, turn->instant->row);
    if (code == LSM_ERR_OK)
        code = catalog_replication_remove(pool->catalog, next->id, SIDE_TARGET);
    if (code == LSM_ERR_OK)
        code = mirror_put(next, SIDE_SOURCE);
    if (code == LSM_ERR_OK && mirror_pool(next, SIDE_TARGET) == pool)
        code = mirror_put(next, SIDE_TARGET);
    return code;
}

/* The old target's pool first: it is where the new source's hold must be, and its half decides. */
static int record_turns(struct pool *pool, const struct turn *turns, uint32_t count)
{
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = record_turn(&turns[i]);
    return catalog_end(pool->catalog, code);
}

static void show_turn(struct pool *pool, struct turn *turn)
{
    struct mirror *m = turn->m;
    turn->instant->uses++;
    pool_hold_drop(pool, turn->source->id);
    pool_hold_drop(pool, m->id);
    pool_hold_enter(pool, turn->hold, turn->instant);
    turn->instant->uses--;
    split_turn(m);
    m->epoch = turn->next.epoch;
    m->due_ns = 0;
}

/* The half in the target's pool, and nothing of another role there: the exchange may have been cut
 * short between the two pools. */
void split_settle_target(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    if (!pool || pool->read_only)
        return;
    if (pool == mirror_pool(m, SIDE_SOURCE)) {
        mirror_tell_target(m);
        return;
    }
    if (catalog_begin(pool->catalog) == LSM_ERR_OK) {
        int code = catalog_replication_remove(pool->catalog, m->id, SIDE_SOURCE);
        if (code == LSM_ERR_OK)
            code = mirror_put(m, SIDE_TARGET);
        if (code == LSM_ERR_OK)
            code = pool_hold_doom(pool, m->id);
        if (catalog_end(pool->catalog, code) == LSM_ERR_OK)
            pool_hold_drop(pool, m->id);
    }
    error_clear(); /* the other half's higher epoch tells it at the next open */
    sync_log_remove_idle(m);
}

int split_swap_roles(struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_TARGET);
    uint32_t count = 0;
    int code = LSM_ERR_OK;
    autofree struct turn *turns = calloc(mirror_member_count(m), sizeof *turns);
    if (!turns)
        return error_no_memory();
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK)
            code = prepare_turn(each, &turns[count++]);
    if (code == LSM_ERR_OK && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = sync_logs_hand_over(m);
    if (code == LSM_ERR_OK)
        code = record_turns(pool, turns, count);
    for (uint32_t i = 0; i < count; i++) {
        if (code != LSM_ERR_OK)
            free(turns[i].hold);
        else
            show_turn(pool, &turns[i]);
    }
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m))
        if (mirror_pool(each, SIDE_TARGET) != pool)
            split_settle_target(each);
    mirrors_mark(m->root);
    return code;
}

int split_exchange(struct mirror *m)
{
    int code = split_swap_roles(m);
    if (code != LSM_ERR_OK)
        return code;
    for (EACH_MEMBER(each, m))
        event_publish(m->root->hub, LSM_EVENT_REPLICATION_STATE, each->id, each->state,
                      each->state);
    return code;
}

/* --- rewinding ------------------------------------------------------------------------------- */

struct rewind {
    struct mirror *m;
    struct volume *volume;
    struct layer *instant, *link, *top;
    struct aside aside;
};

/* Another mirror of the volume must find its last common instant below what is rewound to. */
static int check_others(const struct rewind *r)
{
    for (struct mirror *m = r->m->root->mirrors; m; m = m->next) {
        const struct layer *common = ship_common_instant(m), *layer = r->instant;
        if (m == r->m || strcmp(m->source, r->volume->id) != 0 ||
            m->state == LSM_REPLICATION_STATE_BROKEN)
            continue;
        while (layer && layer != common)
            layer = layer->below;
        if (layer)
            continue;
        error_set(LSM_ERR_STATE, r->m->id,
                  "the volume «%s» cannot be rewound: the replication %s would lose its instant",
                  r->volume->name, m->id);
        error_hint("break that one first, and mirror anew afterwards");
        return LSM_ERR_STATE;
    }
    return LSM_ERR_OK;
}

static int rewind_check(struct rewind *r)
{
    struct volume *v = r->volume;
    if (v->writers) {
        error_set(LSM_ERR_BUSY, v->id, "the volume «%s» has %u open writer(s) and is to be rewound",
                  v->name, v->writers);
        error_hint("close them first");
        error_retryable();
        return LSM_ERR_BUSY;
    }
    r->instant = instant_of(r->m, v, &r->link);
    if (!r->instant)
        return no_instant(r->m, v);
    int code = check_others(r);
    return code == LSM_ERR_OK ? pool_check_writable(v->pool) : code;
}

static int rewind_prepare(struct rewind *r, bool keep)
{
    int code = pool_spare_take(r->volume->pool, &r->top);
    return code == LSM_ERR_OK ? aside_prepare(&r->aside, r->volume, r->m->generation, keep, false)
                              : code;
}

static int rewind_commit(struct rewind *r)
{
    struct volume *v = r->volume;
    struct catalog *catalog = v->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_adopt(catalog, r->top->row, r->instant->row, r->link->below_limit, false);
    if (code == LSM_ERR_OK)
        code = catalog_volume_top_set(catalog, v->id, r->top->row);
    if (code == LSM_ERR_OK)
        code = catalog_volume_size_set(catalog, v->id, r->link->below_limit);
    if (code == LSM_ERR_OK)
        code = aside_record(&r->aside);
    return catalog_end(catalog, code);
}

static void rewind_show(struct rewind *r)
{
    struct volume *v = r->volume;
    struct stack *old = v->stack;
    gate_close(&v->gate);
    r->top->below = r->instant;
    r->top->below_limit = r->link->below_limit;
    r->top->uses = 1;
    r->instant->uses++;
    v->size = r->link->below_limit;
    atomic_store(&v->io_size, v->size);
    v->top = r->top;
    if (old) {
        v->stack = stack_open(v->top, v->size);
        stack_close(old);
    }
    gate_open(&v->gate);
    if (r->aside.kept)
        memcpy(r->m->diverged, r->aside.kept->id, ID_SIZE);
    aside_show(&r->aside);
}

static bool is_rewound(const struct rewind *r)
{
    return r->link == r->volume->top && r->link->below_limit == r->volume->size &&
           !atomic_load(&r->volume->top->touched);
}

static int rewind_one(struct rewind *r, bool keep)
{
    memset(r->m->diverged, 0, ID_SIZE);
    if (is_rewound(r))
        return LSM_ERR_OK; /* nothing was written since */
    int code = rewind_prepare(r, keep);
    if (code == LSM_ERR_OK)
        code = rewind_commit(r);
    if (code == LSM_ERR_OK) {
        rewind_show(r);
        return code;
    }
    aside_discard(&r->aside);
    if (r->top)
        pool_spare_return(r->volume->pool, r->top);
    return code;
}

/* All of a group are looked at before the first is rewound. Where a later one then fails, those
 * before it are where the next try finds them done. */
int split_rewind(struct mirror *m, enum replication_side side, bool keep)
{
    uint32_t count = 0;
    int code = LSM_ERR_OK;
    autofree struct rewind *members = calloc(mirror_member_count(m), sizeof *members);
    if (!members)
        return error_no_memory();
    for (EACH_MEMBER(each, m)) {
        struct rewind *r = &members[count++];
        *r = (struct rewind){.m = each, .volume = mirror_volume(each, side)};
        if (code == LSM_ERR_OK && !r->volume)
            code = error_set(LSM_ERR_NOT_FOUND_POOL, each->id,
                             "a pool of the replication %s is not here", each->id);
        if (code == LSM_ERR_OK)
            code = rewind_check(r);
    }
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = rewind_one(&members[i], keep);
    return code;
}
