/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of mirrors. The first fills the target's base from a frozen instant of the source, as a
 * copy does. Each later one *ships*: the source is frozen, the layers above the last common instant
 * are the changes, exactly; they go into a new layer of the target, and one transaction there puts
 * it under the target's (empty) top. So the target is always one instant of the source. Resync and
 * failback are ships, too. A group's ship is one job: all its sources are frozen at one instant,
 * and that one transaction is all its targets'.
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

/* --- what is there to ship -------------------------------------------------------------------- */

struct layer *ship_common_instant(const struct mirror *m)
{
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    struct hold *hold = pool ? pool_hold(pool, m->id, true) : NULL;
    return hold ? hold->layer : NULL;
}

bool ship_is_pending(const struct mirror *m)
{
    const struct volume *source = mirror_volume(m, SIDE_SOURCE);
    const struct layer *common = ship_common_instant(m);
    if (source && common && sync_has_intent(m))
        return true;
    return source && common &&
           (source->top->below != common || atomic_load(&source->top->touched) ||
            source->top->below_limit < source->size);
}

bool ships_are_pending(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        if (ship_is_pending(each))
            return true;
    return false;
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

/* --- a job's row ------------------------------------------------------------------------------ */

/* The detail says, for each member, which relation it is, and how large the source was. */
static bool detail_entry(const struct job_row *row, uint32_t i, char id[ID_SIZE],
                         unsigned long long *size)
{
    const char *at = row->detail ? row->detail : "";
    int length;
    for (;; i--, at += length) {
        if (sscanf(at, " %32s %llu%n", id, size, &length) != 2)
            return false;
        if (i == 0)
            return true;
    }
}

struct mirror *ship_mirror_of(const struct job *job, uint32_t i)
{
    char id[ID_SIZE];
    unsigned long long size;
    return detail_entry(&job->row, i, id, &size) ? mirror_find(FILL(job)->pool->root, id) : NULL;
}

uint64_t ship_size_of(const struct job *job, uint32_t i)
{
    char id[ID_SIZE];
    unsigned long long size;
    return detail_entry(&job->row, i, id, &size) ? size : 0;
}

/* Behind that, of a full copy again, what becomes of what the target had. */
static const char *const anew[] = {" anew discard", " anew keep"};

int ship_row_anew_set(struct job_row *row, bool keep)
{
    char *text;
    if (asprintf(&text, "%s%s", row->detail, anew[keep]) < 0)
        return error_no_memory();
    free(row->detail);
    row->detail = text;
    return LSM_ERR_OK;
}

bool ship_row_is_anew(const struct job_row *row, bool *keep)
{
    const char *found = row->detail ? strstr(row->detail, " anew ") : NULL;
    *keep = found && strcmp(found, anew[true]) == 0;
    return found != NULL;
}

static char *detail_make(const struct ship_end *ends, uint32_t count)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s%s %llu", i ? " " : "", ends[i].m ? ends[i].m->id : "-",
                (unsigned long long)ends[i].size);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

int ship_row_fill(lsm_job_kind kind, const struct ship_end *ends, uint32_t count,
                  struct job_row *row)
{
    autofree struct job_ends *members = calloc(count, sizeof *members);
    if (!members)
        return error_no_memory();
    *row = (struct job_row){.kind = kind,
                            .state = LSM_JOB_STATE_QUEUED,
                            .rate_limit = ends[0].m->rate_limit,
                            .created_ms = clock_ms(),
                            .detail = detail_make(ends, count)};
    for (uint32_t i = 0; i < count; i++) {
        memcpy(members[i].source, ends[i].m->source, ID_SIZE);
        memcpy(members[i].target, ends[i].m->target, ID_SIZE);
    }
    if (!row->detail)
        return error_no_memory();
    int code = job_row_members_set(row, members, count);
    return code == LSM_ERR_OK ? guid_make(row->id) : code;
}

/* --- beginning a ship ------------------------------------------------------------------------- */

struct part {
    struct mirror *m;
    uint32_t place; /* among the job's members */
    struct volume *source, *target;
    struct layer *delta; /* of the target, to be filled */
    struct layer *top;   /* what will stand on it, when writes go to both */
    struct hold *instant_hold, *delta_hold;
};

struct ship {
    struct mirror *m; /* any of the group */
    struct job *late; /* the job is there already, and runs; NULL: it is yet to be made */
    struct pool *source, *target;
    uint32_t count, places;
    struct part *parts;
    struct freeze *freezes;
    struct ship_end *ends; /* by place */
    struct job_row row;
    struct job *record;
    char *id;
};

static void add_part(struct ship *ship, struct mirror *m, uint32_t place)
{
    ship->parts[ship->count++] = (struct part){.m = m, .place = place};
}

/* A job that comes late has its members; one that is gone since is left out. */
static int gather(struct ship *ship)
{
    struct job_ends ends;
    while (ship->late && job_row_member(&ship->late->row, ship->places, &ends))
        ship->places++;
    if (!ship->late)
        ship->places = mirror_member_count(ship->m);
    ship->parts = calloc(ship->places, sizeof *ship->parts);
    ship->freezes = calloc(ship->places, sizeof *ship->freezes);
    ship->ends = calloc(ship->places, sizeof *ship->ends);
    if (!ship->parts || !ship->freezes || !ship->ends)
        return error_no_memory();
    for (uint32_t i = 0; ship->late && i < ship->places; i++) {
        struct mirror *m = ship_mirror_of(ship->late, i);
        if (m)
            add_part(ship, m, i);
    }
    if (!ship->late)
        for (EACH_MEMBER(each, ship->m))
            add_part(ship, each, ship->count);
    return LSM_ERR_OK;
}

static int check_part(struct ship *ship, struct part *part)
{
    struct mirror *m = part->m;
    part->source = mirror_volume(m, SIDE_SOURCE);
    part->target = mirror_volume(m, SIDE_TARGET);
    if (!part->source || !part->target) {
        error_set(LSM_ERR_NOT_FOUND_POOL, m->id, "a pool of the replication %s is not here", m->id);
        error_hint("bring the pool back into the root and open it again");
        return LSM_ERR_NOT_FOUND_POOL;
    }
    int code = pool_check_writable(part->target->pool);
    if (code == LSM_ERR_OK && m->job[0] && !ship->late)
        code = error_set(LSM_ERR_BUSY, m->id, "the job %s ships already", m->job);
    return code;
}

static int check_ends(struct ship *ship)
{
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++)
        code = check_part(ship, &ship->parts[i]);
    if (code == LSM_ERR_OK && !ships_are_pending(ship->m))
        code =
            error_set(LSM_ERR_NO_STATE_CHANGE, ship->m->id,
                      "nothing was written since the last ship of the replication %s", ship->m->id);
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++) {
        struct part *part = &ship->parts[i];
        ship->freezes[i].volume = part->source;
        if (part->target->size < part->source->size)
            code = volume_resize(part->target, part->source->size);
    }
    return code;
}

/* The lock is let go in there, so all is looked at twice. */
static int check_and_flush(struct ship *ship)
{
    int code = gather(ship);
    if (code == LSM_ERR_OK)
        code = check_ends(ship);
    if (code != LSM_ERR_OK)
        return code;
    mirrors_pin(ship->m);
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++)
        code = volume_flush_ahead(ship->parts[i].source);
    mirrors_unpin(ship->m);
    return code == LSM_ERR_OK ? check_ends(ship) : code;
}

static int fill_row(struct ship *ship, lsm_job_kind kind)
{
    for (uint32_t i = 0; i < ship->count; i++)
        ship->ends[ship->parts[i].place] =
            (struct ship_end){.m = ship->parts[i].m, .size = ship->parts[i].source->size};
    if (!ship->late)
        return ship_row_fill(kind, ship->ends, ship->places, &ship->row);
    ship->row = job_row_as(ship->late, LSM_JOB_STATE_RUNNING);
    ship->row.detail = detail_make(ship->ends, ship->places);
    return ship->row.detail ? LSM_ERR_OK : error_no_memory();
}

static int prepare_part(struct ship *ship, struct part *part)
{
    bool sync = part->m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    int code = fill_hold_alloc(&ship->row, part->place, ship->target, &part->instant_hold);
    if (code == LSM_ERR_OK)
        code = fill_hold_alloc(&ship->row, part->place, ship->target, &part->delta_hold);
    if (code == LSM_ERR_OK)
        code = pool_spare_take(ship->target, &part->delta);
    if (code == LSM_ERR_OK && sync)
        code = pool_spare_take(ship->target, &part->top);
    return code;
}

static int prepare(struct ship *ship, lsm_job_kind kind)
{
    struct job_row copy = {0};
    ship->source = ship->parts[0].source->pool;
    ship->target = ship->parts[0].target->pool;
    int code = fill_row(ship, kind);
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++)
        code = prepare_part(ship, &ship->parts[i]);
    if (code != LSM_ERR_OK || ship->late)
        return code;
    ship->id = strdup(ship->row.id);
    if (!ship->id || job_row_copy(&copy, &ship->row) != LSM_ERR_OK)
        return error_no_memory();
    ship->record = fill_job_alloc(&copy, &ship_body, ship->target, ship->source);
    job_row_finish(&copy);
    return ship->record ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

/* The texts of a job that comes late are its own, but for the new detail. */
static void finish_ship(struct ship *ship)
{
    free(ship->parts);
    free(ship->freezes);
    free(ship->ends);
    if (ship->late)
        free(ship->row.detail);
    else
        job_row_finish(&ship->row);
}

static void discard(struct ship *ship)
{
    struct _lsm_error *why = error_take();
    for (uint32_t i = 0; i < ship->count; i++) {
        struct part *part = &ship->parts[i];
        if (part->delta)
            pool_spare_return(ship->target, part->delta);
        if (part->top)
            pool_spare_return(ship->target, part->top);
        free(part->instant_hold);
        free(part->delta_hold);
    }
    job_free(ship->record);
    free(ship->id);
    finish_ship(ship);
    error_restore(why);
}

static int record_source(struct ship *ship)
{
    int code = freeze_record_all(ship->freezes, ship->count);
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++)
        code = catalog_hold_add(ship->source->catalog, ship->parts[i].instant_hold->owner,
                                ship->target->id, ship->freezes[i].instant->row);
    return code;
}

static int commit_source(struct ship *ship)
{
    int code = freeze_prepare_all(ship->freezes, ship->count, true, 0);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(ship->source->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(ship->source->catalog, record_source(ship));
    if (code != LSM_ERR_OK) {
        freeze_undo_all(ship->freezes, ship->count);
        return code;
    }
    for (uint32_t i = 0; i < ship->count; i++)
        pool_hold_enter(ship->source, STEAL(ship->parts[i].instant_hold), ship->freezes[i].instant);
    return code;
}

static int record_target(struct catalog *catalog, const struct part *part)
{
    struct volume *target = part->target;
    const struct layer *top = target->top, *held = part->top ? part->top : part->delta;
    const struct layer *below = part->top ? top : top->below;
    uint64_t limit = part->top ? target->size : top->below_limit;
    int code = catalog_layer_adopt(catalog, part->delta->row, below->row, limit, false);
    if (code == LSM_ERR_OK && part->top)
        code = catalog_layer_adopt(catalog, part->top->row, part->delta->row, target->size, false);
    return code == LSM_ERR_OK
               ? catalog_hold_add(catalog, part->delta_hold->owner, target->pool->id, held->row)
               : code;
}

static int commit_target(struct ship *ship)
{
    struct catalog *catalog = ship->target->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < ship->count && code == LSM_ERR_OK; i++)
        code = record_target(catalog, &ship->parts[i]);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &ship->row);
    return catalog_end(catalog, code);
}

/* Where writes go to both, the delta lies on the target's top, and what they go to on the delta. */
static void show_part(struct part *part, const char *job)
{
    struct volume *target = part->target;
    struct layer *delta = part->delta, *top = part->top;
    delta->below = top ? target->top : target->top->below;
    delta->below->uses++;
    delta->below_limit = top ? target->size : target->top->below_limit;
    if (top) {
        top->below = delta;
        top->below_limit = target->size;
        delta->uses = 1;
    }
    pool_hold_enter(target->pool, part->delta_hold, top ? top : delta);
    memcpy(part->m->job, job, ID_SIZE);
    if (top && sync_attach(part->m, top) != LSM_ERR_OK) {
        mirror_error_set(part->m, error_pending(), error_pending_message());
        error_clear(); /* the job finds no write path, and fails */
    }
}

static void show(struct ship *ship)
{
    for (uint32_t i = 0; i < ship->count; i++)
        show_part(&ship->parts[i], ship->row.id);
    freeze_done_all(ship->freezes, ship->count);
}

static int commit(struct ship *ship)
{
    int code = commit_source(ship);
    if (code != LSM_ERR_OK || (code = commit_target(ship)) == LSM_ERR_OK)
        return code;
    struct _lsm_error *why = error_take();
    freeze_done_all(ship->freezes, ship->count);
    for (uint32_t i = 0; i < ship->count; i++) /* else at the next open */
        pool_hold_release(ship->source, ship->parts[i].delta_hold->owner);
    error_clear();
    error_restore(why);
    return code;
}

int ship_begin(struct mirror *m, lsm_job_kind kind, char **job)
{
    struct ship ship = {.m = m};
    int code = check_and_flush(&ship);
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
    *job = ship.id;
    finish_ship(&ship);
    return LSM_ERR_JOB_STARTED;
}

/* --- one that follows ------------------------------------------------------------------------- */

/* What is written while a ship is under way is not in it. Whoever asks for that meanwhile gets one
 * job that follows: it is QUEUED, and freezes the source when it begins to run. */
static int follow_begin(struct mirror *m)
{
    struct pool *source = mirror_volume(m, SIDE_SOURCE)->pool;
    struct pool *target = mirror_volume(m, SIDE_TARGET)->pool;
    struct job_row row = {0}, copy = {0};
    struct job *record = NULL;
    uint32_t count = 0;
    autofree struct ship_end *ends = calloc(mirror_member_count(m), sizeof *ends);
    if (!ends)
        return error_no_memory();
    for (EACH_MEMBER(each, m))
        ends[count++].m = each;
    int code = ship_row_fill(LSM_JOB_KIND_SHIP, ends, count, &row);
    if (code == LSM_ERR_OK)
        code = job_row_copy(&copy, &row);
    if (code == LSM_ERR_OK && !(record = fill_job_alloc(&copy, &ship_body, target, source))) {
        job_row_finish(&copy);
        code = LSM_ERR_NO_MEMORY;
    }
    if (code == LSM_ERR_OK && (code = fill_save(record, &row)) != LSM_ERR_OK)
        job_free(record);
    if (code == LSM_ERR_OK) {
        for (EACH_MEMBER(each, m))
            memcpy(each->follow, row.id, ID_SIZE);
        job_start(m->root->runner, record, true);
    }
    job_row_finish(&row);
    return code;
}

int ship_follow(struct mirror *m, char **job)
{
    int code = m->follow[0] ? LSM_ERR_OK : follow_begin(m);
    if (code != LSM_ERR_OK)
        return code;
    *job = strdup(m->follow);
    return *job ? LSM_ERR_JOB_STARTED : error_no_memory();
}

/* The relation's job is over: the one that follows is next. */
void ship_next(struct mirror *m)
{
    for (EACH_MEMBER(each, m)) {
        memcpy(each->job, each->follow, ID_SIZE);
        memset(each->follow, 0, ID_SIZE);
    }
    if (m->job[0])
        job_unpark(m->root->runner, m->job);
}

/* The beginning that such a job makes up for, on its worker. 125: there was nothing to ship. */
int ship_begin_late(struct job *job, struct mirror *m)
{
    struct ship ship = {.m = m, .late = job};
    bool on =
        m->state == LSM_REPLICATION_STATE_IN_SYNC || m->state == LSM_REPLICATION_STATE_DEGRADED;
    if (!on)
        return error_set(LSM_ERR_STATE, m->id, "the replication %s does not ship now", m->id);
    int code = check_and_flush(&ship);
    if (code == LSM_ERR_OK)
        code = prepare(&ship, LSM_JOB_KIND_SHIP);
    if (code == LSM_ERR_OK)
        code = commit(&ship);
    if (code != LSM_ERR_OK) {
        discard(&ship);
        return code;
    }
    show(&ship);
    job_moved_on(job, STEAL(ship.row.detail)); /* which now says how large the sources were */
    finish_ship(&ship);
    return code;
}

/* --- one that has ended ----------------------------------------------------------------------- */

static bool forget(struct mirror *m, const char *id)
{
    int code = id[0] ? job_forget(m->root->runner, id) : LSM_ERR_OK;
    if (code != LSM_ERR_OK && code != LSM_ERR_NO_STATE_CHANGE)
        error_clear(); /* it was forgotten already */
    return code != LSM_ERR_NO_STATE_CHANGE;
}

/* An interval makes a job each time: the last two are kept. Where the older one's worker has not
 * shown its end yet, the other one goes. */
void ship_keep_newest(struct mirror *m, const struct job_row *ended)
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

void ship_exchange_forget(struct mirror *m)
{
    for (EACH_MEMBER(each, m))
        each->exchange = false;
}
