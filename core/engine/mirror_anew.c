/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A full copy again, for relations that are BROKEN: nothing is known to be common to the two sides,
 * so all of the source goes into a new base, which nobody sees before it is full. Until then the
 * target shows what it had, and takes no writes; what becomes of it and of what it had is one
 * transaction at the end (mirror_commit.c), and a job that does not come to that leaves it as it
 * was, and the relation BROKEN.
 *
 * All of a group that are BROKEN are copied at one instant, by one job. Where others of the group
 * went on, those copied are of another instant than they are, and so leave it: they are a group of
 * their own from then on.
 *
 * Order: the sources' freeze and the job's holds on the instant; then the new bases, under tops for
 * what is written meanwhile, the job and the targets' halves: the commit point.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fill.h"
#include "freeze.h"
#include "mirror.h"
#include "upkeep.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/error.h"
#include "../util/guid.h"

struct part {
    struct mirror *m;
    struct volume *source, *target;
    struct layer *base, *top;
    struct layer_entry *entry;
    struct hold *instant_hold, *top_hold;
};

struct anew {
    struct mirror *m; /* that was asked for */
    struct pool *source, *target;
    uint32_t count;
    struct part *parts;
    struct freeze *freezes;
    struct job_row row;
    struct job *record;
    char group[ID_SIZE];
};

/* --- who takes part, and whether they may ----------------------------------------------------- */

static bool is_of_group(const struct mirror *m, const struct mirror *other)
{
    return other == m || (m->group[0] && strcmp(other->group, m->group) == 0);
}

/* In the same direction, too: the group may have exchanged its roles without one that was BROKEN.
 */
static bool takes_part(const struct mirror *m, const struct mirror *other)
{
    return is_of_group(m, other) && other->state == LSM_REPLICATION_STATE_BROKEN &&
           strcmp(other->source_pool, m->source_pool) == 0 &&
           strcmp(other->target_pool, m->target_pool) == 0;
}

static int gather(struct anew *a)
{
    uint32_t all = 0;
    for (const struct mirror *m = a->m->root->mirrors; m; m = m->next)
        all += is_of_group(a->m, m);
    a->count = 0;
    a->parts = calloc(all, sizeof *a->parts);
    a->freezes = calloc(all, sizeof *a->freezes);
    if (!a->parts || !a->freezes)
        return error_no_memory();
    for (struct mirror *m = a->m->root->mirrors; m; m = m->next)
        if (takes_part(a->m, m))
            a->parts[a->count++].m = m;
    memcpy(a->group, a->count == all ? a->m->group : "", a->count == all ? ID_SIZE : 1);
    return a->count > 1 && a->count < all ? guid_make(a->group) : LSM_ERR_OK;
}

static int find_end(const struct mirror *m, enum replication_side side, struct volume **volume)
{
    const char *name = side == SIDE_SOURCE ? "source" : "target";
    const char *id = side == SIDE_SOURCE ? m->source : m->target;
    const struct pool *pool = mirror_pool(m, side);
    *volume = mirror_volume(m, side);
    if (*volume)
        return pool_check_writable((*volume)->pool);
    if (!pool) {
        error_set(LSM_ERR_NOT_FOUND_POOL, m->id,
                  "the pool %s, with the %s of the replication %s, is not here",
                  side == SIDE_SOURCE ? m->source_pool : m->target_pool, name, m->id);
        error_hint("bring the pool back into the root and open it again");
        return LSM_ERR_NOT_FOUND_POOL;
    }
    error_set(LSM_ERR_STATE, m->id,
              "the replication %s is BROKEN, and its %s, the volume %s, is gone", m->id, name, id);
    error_hint("break it");
    return LSM_ERR_STATE;
}

static int refuse(const struct mirror *m, const struct volume *v, const char *role,
                  const struct mirror *other)
{
    error_set(LSM_ERR_STATE, m->id,
              "the replication %s is BROKEN, and not to be copied again: its %s, the volume «%s»,"
              " belongs to the replication %s",
              m->id, role, v->name, other->id);
    error_hint("break that one first");
    return LSM_ERR_STATE;
}

/* What a first mirror of its kind would be refused for. */
static int check_source(const struct mirror *m, const struct volume *source)
{
    if (source->replaced)
        return volume_check_replaced(source);
    if (m->type != LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return LSM_ERR_OK;
    for (const struct mirror *other = m->root->mirrors; other; other = other->next) {
        bool second = other->type == m->type && other->state != LSM_REPLICATION_STATE_BROKEN &&
                      strcmp(other->source, source->id) == 0;
        if (second || strcmp(source->relation, other->id) == 0)
            return refuse(m, source, "source", other);
    }
    return LSM_ERR_OK;
}

/* All of it goes from under whoever uses it: nobody may write to it, no other relation may count on
 * an instant of it, and no job may be at work on its layers. Its clones keep theirs. */
static int check_target(const struct mirror *m, const struct volume *target)
{
    const struct mirror *other = mirror_of_end(m->root, target->id);
    if (other)
        return refuse(m, target, "target", other);
    if (!target->writers)
        return volume_check_jobs(target);
    error_set(LSM_ERR_BUSY, target->id,
              "the volume «%s» has %u open writer(s) and is to be copied over", target->name,
              target->writers);
    error_hint("close them first");
    error_retryable();
    return LSM_ERR_BUSY;
}

static int check_part(struct part *part)
{
    struct mirror *m = part->m;
    int code = find_end(m, SIDE_SOURCE, &part->source);
    if (code == LSM_ERR_OK)
        code = find_end(m, SIDE_TARGET, &part->target);
    if (code == LSM_ERR_OK)
        code = check_source(m, part->source);
    if (code == LSM_ERR_OK)
        code = check_target(m, part->target);
    if (code == LSM_ERR_OK && m->job[0]) {
        error_set(LSM_ERR_BUSY, m->id, "the job %s still works for the replication %s", m->job,
                  m->id);
        error_retryable();
        code = LSM_ERR_BUSY;
    }
    return code;
}

static bool is_full(const struct part *part)
{
    return part->target->provision == LSM_VOLUME_PROVISION_FULL;
}

static int check(struct anew *a)
{
    uint64_t promised = 0;
    int code = LSM_ERR_OK;
    if (a->m->state != LSM_REPLICATION_STATE_BROKEN) /* while the lock was let go */
        code = error_set(LSM_ERR_NO_STATE_CHANGE, a->m->id,
                         "the replication %s is not BROKEN any more", a->m->id);
    for (uint32_t i = 0; i < a->count && code == LSM_ERR_OK; i++) {
        struct part *part = &a->parts[i];
        code = check_part(part);
        if (code != LSM_ERR_OK)
            break;
        a->freezes[i].volume = part->source;
        promised += is_full(part) ? part->source->size : 0;
    }
    if (code != LSM_ERR_OK)
        return code;
    a->source = a->parts[0].source->pool;
    a->target = a->parts[0].target->pool;
    return promised ? pool_check_space(a->target, promised, "a full copy again") : code;
}

/* The lock is let go in there, so all is looked at twice. */
static int check_and_flush(struct anew *a)
{
    int code = gather(a);
    if (code == LSM_ERR_OK)
        code = check(a);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < a->count; i++)
        a->parts[i].m->pins++;
    for (uint32_t i = 0; i < a->count && code == LSM_ERR_OK; i++) {
        struct volume *source = mirror_volume(a->parts[i].m, SIDE_SOURCE);
        code = source ? volume_flush_ahead(source) : LSM_ERR_OK;
    }
    for (uint32_t i = 0; i < a->count; i++)
        a->parts[i].m->pins--;
    return code == LSM_ERR_OK ? check(a) : code;
}

/* --- preparing -------------------------------------------------------------------------------- */

static int fill_row(struct anew *a, bool keep)
{
    uint64_t total = 0;
    autofree struct ship_end *ends = calloc(a->count, sizeof *ends);
    if (!ends)
        return error_no_memory();
    for (uint32_t i = 0; i < a->count; i++) {
        ends[i] = (struct ship_end){.m = a->parts[i].m, .size = a->parts[i].source->size};
        total += ends[i].size;
    }
    int code = ship_row_fill(LSM_JOB_KIND_RESYNC, ends, a->count, &a->row);
    a->row.total = total;
    return code == LSM_ERR_OK ? ship_row_anew_set(&a->row, keep) : code;
}

static int prepare_part(struct anew *a, uint32_t i)
{
    struct part *part = &a->parts[i];
    int code = fill_hold_alloc(&a->row, i, a->target, &part->instant_hold);
    if (code == LSM_ERR_OK)
        code = fill_hold_alloc(&a->row, i, a->target, &part->top_hold);
    if (code == LSM_ERR_OK)
        code = pool_base_make(a->target, part->source->size, is_full(part), &part->base);
    if (code == LSM_ERR_OK)
        code = pool_spare_take(a->target, &part->top);
    if (code == LSM_ERR_OK && !(part->entry = calloc(1, sizeof *part->entry)))
        code = error_no_memory();
    return code;
}

static int prepare(struct anew *a, bool keep)
{
    struct job_row copy = {0};
    int code = fill_row(a, keep);
    for (uint32_t i = 0; i < a->count && code == LSM_ERR_OK; i++)
        code = prepare_part(a, i);
    if (code != LSM_ERR_OK)
        return code;
    if (job_row_copy(&copy, &a->row) != LSM_ERR_OK)
        return error_no_memory();
    a->record = fill_job_alloc(&copy, &ship_body, a->target, a->source);
    job_row_finish(&copy);
    return a->record ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

static void finish_anew(struct anew *a)
{
    free(a->parts);
    free(a->freezes);
    job_row_finish(&a->row);
}

static void discard(struct anew *a)
{
    struct _lsm_error *why = error_take();
    for (uint32_t i = 0; i < a->count && a->parts; i++) {
        struct part *part = &a->parts[i];
        if (part->top)
            pool_spare_return(a->target, part->top);
        if (part->base) {
            pool_files_drop(a->target, part->base->guid);
            layer_free(part->base);
        }
        free(part->entry);
        free(part->instant_hold);
        free(part->top_hold);
    }
    job_free(a->record);
    finish_anew(a);
    error_restore(why);
}

/* --- the commit ------------------------------------------------------------------------------- */

static int record_source(struct anew *a)
{
    int code = freeze_record_all(a->freezes, a->count);
    for (uint32_t i = 0; i < a->count && code == LSM_ERR_OK; i++)
        code = catalog_hold_add(a->source->catalog, a->parts[i].instant_hold->owner, a->target->id,
                                a->freezes[i].instant->row);
    return code;
}

static int commit_source(struct anew *a)
{
    int code = freeze_prepare_all(a->freezes, a->count, true, 0);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(a->source->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(a->source->catalog, record_source(a));
    if (code != LSM_ERR_OK) {
        freeze_undo_all(a->freezes, a->count);
        return code;
    }
    for (uint32_t i = 0; i < a->count; i++)
        pool_hold_enter(a->source, STEAL(a->parts[i].instant_hold), a->freezes[i].instant);
    return code;
}

static int record_part(const struct anew *a, struct part *part)
{
    struct catalog *catalog = a->target->catalog;
    struct layer_row layer = {.state = LAYER_WRITABLE, .full = part->base->full};
    struct mirror next = *part->m;
    next.state = LSM_REPLICATION_STATE_INITIALIZING;
    next.epoch++;
    memcpy(next.group, a->group, ID_SIZE);
    memset(next.diverged, 0, ID_SIZE);
    memcpy(layer.guid, part->base->guid, ID_SIZE);
    int code = catalog_layer_add(catalog, &layer);
    part->base->row = layer.row;
    if (code == LSM_ERR_OK)
        code = catalog_layer_adopt(catalog, part->top->row, layer.row, part->source->size, false);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(catalog, part->top_hold->owner, a->target->id, part->top->row);
    return code == LSM_ERR_OK ? mirror_put(&next, SIDE_TARGET) : code;
}

static int commit_target(struct anew *a)
{
    struct catalog *catalog = a->target->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < a->count && code == LSM_ERR_OK; i++)
        code = record_part(a, &a->parts[i]);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &a->row);
    return catalog_end(catalog, code);
}

static int commit(struct anew *a)
{
    char owner[ID_SIZE];
    int code = commit_source(a);
    if (code != LSM_ERR_OK || (code = commit_target(a)) == LSM_ERR_OK)
        return code;
    struct _lsm_error *why = error_take();
    freeze_done_all(a->freezes, a->count);
    for (uint32_t i = 0; i < a->count && job_row_part(&a->row, i, owner); i++)
        pool_hold_release(a->source, owner); /* else at the next open */
    error_clear();
    error_restore(why);
    return code;
}

/* The source stands still. What its log said of the old target says nothing of the new one. */
static void show_part(const struct anew *a, struct part *part)
{
    struct mirror *m = part->m;
    *part->entry = (struct layer_entry){.row = part->base->row, .layer = part->base};
    HASH_ADD(hh, a->target->layers, row, sizeof part->entry->row, part->entry);
    part->top->below = part->base;
    part->top->below_limit = part->source->size;
    part->base->uses = 1;
    pool_hold_enter(a->target, part->top_hold, part->top);
    memcpy(m->job, a->row.id, ID_SIZE);
    memcpy(m->group, a->group, ID_SIZE);
    memset(m->diverged, 0, ID_SIZE);
    m->epoch++;
    mirror_state_show(m, LSM_REPLICATION_STATE_INITIALIZING);
    map_destroy(m->intent);
    m->intent = NULL;
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC && sync_attach(m, part->top) != LSM_ERR_OK) {
        mirror_error_set(m, error_pending(), error_pending_message());
        error_clear(); /* the job finds no write path, and fails */
    }
}

int mirror_anew(struct mirror *m, bool keep)
{
    struct anew a = {.m = m};
    struct root *root = m->root;
    int code = check_and_flush(&a);
    if (code == LSM_ERR_OK)
        code = prepare(&a, keep);
    if (code == LSM_ERR_OK)
        code = commit(&a);
    if (code != LSM_ERR_OK) {
        discard(&a);
        return code;
    }
    for (uint32_t i = 0; i < a.count; i++)
        show_part(&a, &a.parts[i]);
    mirrors_mark(root);
    freeze_done_all(a.freezes, a.count);
    mirror_tell_source(m);
    job_start(root->runner, a.record, false);
    upkeep_wake(root->intervals);
    finish_anew(&a);
    return LSM_ERR_OK;
}
