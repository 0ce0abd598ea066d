/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of a mirror. The first fills the target's base from a frozen instant of the source, as a
 * copy does. Each later one *ships*: the source is frozen, the layers above the last common instant
 * are the changes, exactly; they go into a new layer of the target, and one transaction there puts
 * it under the target's (empty) top. So the target is always one instant of the source. Resync and
 * failback are ships, too.
 *
 * Order: the source's freeze and the job's hold on the new instant; the job's row and the layer to
 * fill, in the target's pool; the data; the target's commit, with which the job is done; and last
 * the source's hold moves to the new instant (after a crash, mirrors_reconcile does that).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "freeze.h"
#include "mirror.h"
#include "sync.h"
#include "upkeep.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* --- what is there to ship ------------------------------------------------------------------- */

struct layer *ship_common_instant(const struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    struct hold *hold = pool ? pool_hold(pool, m->id, true) : NULL;
    return hold ? hold->layer : NULL;
}

bool ship_is_pending(struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    const struct layer *common = ship_common_instant(m);
    if (source && common && sync_has_intent(m))
        return true;
    return source && common &&
           (source->top->below != common || atomic_load(&source->top->touched) ||
            source->top->below_limit < source->size);
}

/* What the layers above the common instant occupy: their maps are not always in memory. */
uint64_t ship_lag_bytes(struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    const struct layer *common = ship_common_instant(m);
    uint64_t bytes = 0;
    if (!source || !common)
        return 0;
    for (struct layer *layer = source->top; layer && layer != common; layer = layer->below)
        bytes += layer->map ? map_held(layer->map) << CLUSTER_SHIFT : layer_allocated(layer);
    return bytes;
}

/* --- a job's row ----------------------------------------------------------------------------- */

/* The detail says which relation, and how large the source was at the instant. */
struct mirror *ship_mirror_of(const struct job *job)
{
    char id[ID_SIZE] = "";
    snprintf(id, sizeof id, "%s", job->row.detail ? job->row.detail : "");
    return mirror_find(FILL(job)->pool->root, id);
}

uint64_t ship_size_of(const struct job *job)
{
    return strtoull(job->row.detail + ID_SIZE - 1, NULL, 10);
}

int ship_row_fill(const struct mirror *m, lsm_job_kind kind, uint64_t size, struct job_row *row)
{
    *row = (struct job_row){.kind = kind,
                            .state = LSM_JOB_STATE_QUEUED,
                            .rate_limit = m->rate_limit,
                            .created_ms = clock_ms()};
    memcpy(row->source, m->source, ID_SIZE);
    memcpy(row->target, m->target, ID_SIZE);
    if (asprintf(&row->detail, "%s %llu", m->id, (unsigned long long)size) < 0) {
        row->detail = NULL;
        return error_no_memory();
    }
    return guid_make(row->id);
}

/* --- beginning a ship ------------------------------------------------------------------------ */

struct ship {
    struct mirror *m;
    struct volume *source, *target;
    struct freeze freeze;
    struct job_row row;
    struct job *record;
    struct layer *delta; /* of the target, to be filled */
    struct layer *top;   /* what will stand on it, when writes go to both */
    struct hold *instant_hold, *delta_hold;
    char *id;
    bool late; /* the job is there already, and runs */
};

static int check_ends(struct ship *ship)
{
    struct mirror *m = ship->m;
    ship->source = mirror_volume(m, SIDE_SOURCE);
    ship->target = mirror_volume(m, SIDE_TARGET);
    if (!ship->source || !ship->target) {
        error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here", m->id);
        error_hint("bring the pool back into the root and open it again");
        return LSM_ERR_NOT_FOUND_POOL;
    }
    int code = pool_check_writable(ship->target->pool);
    if (code == LSM_ERR_OK && m->job[0] && !ship->late)
        code = error_set(LSM_ERR_BUSY, m->id, "the job %s ships already", m->job);
    if (code == LSM_ERR_OK && !ship_is_pending(m))
        code = error_set(LSM_ERR_NO_STATE_CHANGE, m->id,
                         "nothing was written since the last ship of the replication %s", m->id);
    if (code == LSM_ERR_OK && ship->target->size < ship->source->size)
        code = volume_resize(ship->target, ship->source->size);
    return code;
}

static int prepare(struct ship *ship, lsm_job_kind kind)
{
    struct mirror *m = ship->m;
    struct pool *to = ship->target->pool, *from = ship->source->pool;
    struct job_row copy = {0};
    int code = ship_row_fill(m, kind, ship->source->size, &ship->row);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(ship->row.id, to, &ship->instant_hold);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(ship->row.id, to, &ship->delta_hold);
    if (code == LSM_ERR_OK)
        code = (ship->id = strdup(ship->row.id)) ? LSM_ERR_OK : error_no_memory();
    if (code == LSM_ERR_OK)
        code = job_row_copy(&copy, &ship->row);
    if (ship->late)
        job_row_finish(&copy);
    else if (code == LSM_ERR_OK && !(ship->record = fill_job_alloc(&copy, &ship_body, to, from))) {
        job_row_finish(&copy);
        code = LSM_ERR_NO_MEMORY;
    }
    if (code == LSM_ERR_OK)
        code = pool_spare_take(to, &ship->delta);
    if (code == LSM_ERR_OK && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = pool_spare_take(to, &ship->top);
    return code;
}

static void discard(struct ship *ship)
{
    struct _lsm_error *why = error_take();
    if (ship->delta)
        pool_spare_return(ship->target->pool, ship->delta);
    if (ship->top)
        pool_spare_return(ship->target->pool, ship->top);
    job_free(ship->record);
    free(ship->instant_hold);
    free(ship->delta_hold);
    free(ship->id);
    job_row_finish(&ship->row);
    error_restore(why);
}

static int commit_source(struct ship *ship)
{
    struct pool *pool = ship->source->pool;
    int code = freeze_prepare_still(&ship->freeze, ship->source);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(pool->catalog);
    if (code == LSM_ERR_OK) {
        code = freeze_record(&ship->freeze);
        if (code == LSM_ERR_OK)
            code = catalog_hold_add(pool->catalog, ship->row.id, ship->target->pool->id,
                                    ship->freeze.instant->row);
        code = catalog_end(pool->catalog, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo(&ship->freeze);
        return code;
    }
    pool_hold_enter(pool, ship->instant_hold, ship->freeze.instant);
    ship->instant_hold = NULL;
    return code;
}

static int commit_target(struct ship *ship)
{
    struct volume *target = ship->target;
    struct catalog *catalog = target->pool->catalog;
    const struct layer *top = target->top, *held = ship->top ? ship->top : ship->delta;
    const struct layer *below = ship->top ? top : top->below;
    uint64_t limit = ship->top ? target->size : top->below_limit;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_layer_adopt(catalog, ship->delta->row, below->row, limit, false);
    if (code == LSM_ERR_OK && ship->top)
        code = catalog_layer_adopt(catalog, ship->top->row, ship->delta->row, target->size, false);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(catalog, ship->row.id, target->pool->id, held->row);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &ship->row);
    return catalog_end(catalog, code);
}

/* Where writes go to both, the delta lies on the target's top, and what they go to on the delta. */
static void show(struct ship *ship)
{
    struct volume *target = ship->target;
    struct layer *delta = ship->delta, *top = ship->top;
    delta->below = top ? target->top : target->top->below;
    delta->below->uses++;
    delta->below_limit = top ? target->size : target->top->below_limit;
    if (top) {
        top->below = delta;
        top->below_limit = target->size;
        delta->uses = 1;
    }
    pool_hold_enter(target->pool, ship->delta_hold, top ? top : delta);
    memcpy(ship->m->job, ship->row.id, ID_SIZE);
    if (top && sync_attach(ship->m, top) != LSM_ERR_OK) {
        mirror_error_set(ship->m, error_pending(), error_pending_message());
        error_clear(); /* the job finds no write path, and fails */
    }
    freeze_done(&ship->freeze);
}

static int commit(struct ship *ship)
{
    int code = commit_source(ship);
    if (code != LSM_ERR_OK || (code = commit_target(ship)) == LSM_ERR_OK)
        return code;
    struct _lsm_error *why = error_take();
    freeze_done(&ship->freeze);
    pool_hold_release(ship->source->pool, ship->row.id); /* else at the next open */
    error_clear();
    error_restore(why);
    return code;
}

int ship_begin(struct mirror *m, lsm_job_kind kind, char **job)
{
    struct ship ship = {.m = m};
    int code = check_ends(&ship);
    if (code != LSM_ERR_OK)
        return code;
    m->pins++;
    code = volume_flush_ahead(ship.source); /* the lock is let go in there */
    m->pins--;
    if (code == LSM_ERR_OK)
        code = check_ends(&ship);
    if (code == LSM_ERR_OK)
        code = prepare(&ship, kind);
    if (code == LSM_ERR_OK)
        code = commit(&ship);
    if (code != LSM_ERR_OK) {
        discard(&ship);
        return code;
    }
    show(&ship);
    job_start(m->root->runner, ship.record, false);
    job_row_finish(&ship.row);
    *job = ship.id;
    return LSM_ERR_JOB_STARTED;
}

/* --- one that follows ------------------------------------------------------------------------ */

/* What is written while a ship is under way is not in it. Whoever asks for that meanwhile gets one
 * job that follows: it is QUEUED, and freezes the source when it begins to run. */
int ship_follow(struct mirror *m, char **job)
{
    struct volume *source = mirror_volume(m, SIDE_SOURCE), *target = mirror_volume(m, SIDE_TARGET);
    struct job_row row = {0}, copy = {0};
    struct job *record = NULL;
    if (!m->follow[0]) {
        int code = ship_row_fill(m, LSM_JOB_KIND_SHIP, 0, &row);
        if (code == LSM_ERR_OK)
            code = job_row_copy(&copy, &row);
        if (code == LSM_ERR_OK &&
            !(record = fill_job_alloc(&copy, &ship_body, target->pool, source->pool))) {
            job_row_finish(&copy);
            code = LSM_ERR_NO_MEMORY;
        }
        if (code == LSM_ERR_OK && (code = fill_save(record, &row)) != LSM_ERR_OK)
            job_free(record);
        if (code == LSM_ERR_OK) {
            memcpy(m->follow, row.id, ID_SIZE);
            job_start(m->root->runner, record, true);
        }
        job_row_finish(&row);
        if (code != LSM_ERR_OK)
            return code;
    }
    *job = strdup(m->follow);
    return *job ? LSM_ERR_JOB_STARTED : error_no_memory();
}

/* The relation's job is over: the one that follows is next. */
void ship_next(struct mirror *m)
{
    memcpy(m->job, m->follow, ID_SIZE);
    memset(m->follow, 0, ID_SIZE);
    if (m->job[0])
        job_unpark(m->root->runner, m->job);
}

/* The beginning that such a job makes up for, on its worker. 125: there was nothing to ship. */
int ship_begin_late(struct job *job, struct mirror *m)
{
    struct ship ship = {.m = m, .late = true};
    bool on =
        m->state == LSM_REPLICATION_STATE_IN_SYNC || m->state == LSM_REPLICATION_STATE_DEGRADED;
    int code = on ? check_ends(&ship)
                  : error_set(LSM_ERR_STATE, m->id, "the replication %s does not ship now", m->id);
    if (code != LSM_ERR_OK)
        return code;
    m->pins++;
    code = volume_flush_ahead(ship.source);
    m->pins--;
    if (code == LSM_ERR_OK)
        code = check_ends(&ship);
    if (code == LSM_ERR_OK)
        code = prepare(&ship, LSM_JOB_KIND_SHIP);
    if (code == LSM_ERR_OK) {
        struct job_row row = job_row_as(job, LSM_JOB_STATE_RUNNING);
        row.detail = ship.row.detail;
        memcpy(ship.instant_hold->owner, row.id, ID_SIZE);
        memcpy(ship.delta_hold->owner, row.id, ID_SIZE);
        row.message = row.key = NULL;
        ship.row = row;
        code = commit(&ship);
    }
    if (code != LSM_ERR_OK) {
        discard(&ship);
        return code;
    }
    show(&ship);
    free(ship.id); /* the job has one already */
    job_moved_on(job, ship.row.detail); /* which now says how large the source was */
    return code;
}
