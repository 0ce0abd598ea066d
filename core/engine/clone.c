/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CLONE: the source is frozen, and the clone is a fresh top on the same frozen stack. One
 * transaction at any size, no data moved, no job.
 *
 * A group is the same with several: all gates are closed before the first opens, so all are frozen
 * at one instant, and all or none are committed.
 */
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "replicate.h"
#include "../util/cleanup.h"
#include "../util/error.h"

struct member {
    const struct plan *plan;
    struct layer *top;
    struct volume_row row;
    struct volume *fresh;
};

static int record(const struct member *member, const struct layer *instant, struct catalog *catalog)
{
    int code =
        catalog_layer_adopt(catalog, member->top->row, instant->row, member->row.size, false);
    return code == LSM_ERR_OK ? catalog_volume_add(catalog, &member->row) : code;
}

static int commit(struct pool *pool, const struct member *members, const struct freeze *freezes,
                  uint32_t count)
{
    int code = catalog_begin(pool->catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = freeze_record_all(freezes, count);
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = record(&members[i], freezes[i].instant, pool->catalog);
    return catalog_end(pool->catalog, code);
}

static int fill_row(const struct plan *plan, const struct layer *top, struct volume_row *row)
{
    int code = plan_volume_row(plan, LSM_VOLUME_PROVISION_THIN, row);
    row->top = top->row;
    row->parent = plan->source->id;
    row->ready = true;
    return code;
}

static int prepare(struct member *member, const struct plan *plan)
{
    member->plan = plan;
    int code = pool_spare_take(plan->pool, &member->top);
    if (code == LSM_ERR_OK)
        code = fill_row(plan, member->top, &member->row);
    if (code == LSM_ERR_OK &&
        !(member->fresh = volume_alloc(plan->pool, &member->row, member->top)))
        code = LSM_ERR_NO_MEMORY;
    return code;
}

static void discard(struct pool *pool, struct member *members, uint32_t count)
{
    struct _lsm_error *why = error_take();
    for (uint32_t i = 0; i < count; i++) {
        volume_free(members[i].fresh);
        if (members[i].top)
            pool_spare_return(pool, members[i].top);
    }
    error_restore(why);
}

static void show(struct member *member, struct layer *instant)
{
    struct layer *top = member->top;
    top->below = instant;
    top->below_limit = member->row.size;
    instant->uses++;
    volume_enter(member->fresh);
    event_publish(member->fresh->pool->root->hub, LSM_EVENT_VOLUME, member->fresh->id, -1, -1);
}

int clone_make(const struct plan *plans, uint32_t count, struct volume **clones)
{
    struct pool *pool = plans[0].pool;
    autofree struct member *members = calloc(count, sizeof *members);
    autofree struct freeze *freezes = calloc(count, sizeof *freezes);
    if (!members || !freezes)
        return error_no_memory();
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++) {
        freezes[i].volume = plans[i].source;
        code = prepare(&members[i], &plans[i]);
    }
    if (code == LSM_ERR_OK)
        code = freeze_prepare_all(freezes, count, false, 0);
    if (code == LSM_ERR_OK && (code = commit(pool, members, freezes, count)) != LSM_ERR_OK)
        freeze_undo_all(freezes, count);
    if (code != LSM_ERR_OK) {
        discard(pool, members, count);
        return code;
    }
    freeze_done_all(freezes, count);
    for (uint32_t i = 0; i < count; i++) {
        show(&members[i], freezes[i].instant);
        clones[i] = members[i].fresh;
    }
    return code;
}
