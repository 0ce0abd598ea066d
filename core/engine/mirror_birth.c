/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The beginning of mirrors: the sources are frozen at one instant, and one job fills the bases of
 * new targets, which nobody sees before. The commit point is the targets' volumes, the job and the
 * targets' halves of the relations; the sources' halves go before, and alone they are void. A
 * synchronous mirror's writes go to both sides from the freeze on.
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
#include "../util/error.h"
#include "../util/guid.h"

struct member {
    struct mirror *m;
    struct volume_row volume;
    struct layer *base, *top;
    struct layer_entry *entry;
    struct volume *target;
    struct hold *hold;
};

struct birth {
    const struct plan *plans;
    uint32_t count;
    struct pool *source, *pool;
    struct member *members;
    struct ship_end *ends;
    struct freeze *freezes;
    struct job_row row;
    struct job *record;
    char group[ID_SIZE];
    char *id;
};

static int fill_relation(const struct plan *plan, struct mirror *m, const char *target)
{
    m->type = plan->type;
    m->state = LSM_REPLICATION_STATE_INITIALIZING;
    m->epoch = 1;
    m->interval_ms = plan->options->interval_ms;
    m->rate_limit = plan->options->rate_limit;
    m->on_error = plan->options->on_target_error;
    memcpy(m->source, plan->source->id, ID_SIZE);
    memcpy(m->target, target, ID_SIZE);
    memcpy(m->source_pool, plan->source->pool->id, ID_SIZE);
    memcpy(m->target_pool, plan->pool->id, ID_SIZE);
    return guid_make(m->id);
}

static int prepare_member(const struct plan *plan, struct birth *b, uint32_t i)
{
    struct member *member = &b->members[i];
    int code = plan_volume_row(plan, LSM_VOLUME_PROVISION_THIN, &member->volume);
    member->m = mirror_alloc(plan->source->pool->root);
    if (code == LSM_ERR_OK)
        code = member->m ? fill_relation(plan, member->m, member->volume.id) : LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK && plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = sync_log_make(member->m);
    if (code == LSM_ERR_OK)
        code = pool_base_make(plan->pool, member->volume.size, false, &member->base);
    if (code == LSM_ERR_OK)
        code = pool_spare_take(plan->pool, &member->top);
    if (code != LSM_ERR_OK)
        return code;
    memcpy(member->m->group, b->group, ID_SIZE);
    b->freezes[i].volume = plan->source;
    b->ends[i] = (struct ship_end){.m = member->m, .size = member->volume.size};
    b->row.total += member->volume.size;
    member->target = volume_alloc(plan->pool, &member->volume, member->top);
    member->entry = calloc(1, sizeof *member->entry);
    return member->target && member->entry ? LSM_ERR_OK : error_no_memory();
}

static int prepare_job(struct birth *b)
{
    const struct _lsm_replicate_options *options = b->plans->options;
    struct job_row copy = {0};
    uint64_t total = b->row.total;
    int code = ship_row_fill(LSM_JOB_KIND_MIRROR_INITIAL, b->ends, b->count, &b->row);
    if (code != LSM_ERR_OK)
        return code;
    b->row.total = total;
    b->row.verify = options->verify == LSM_VERIFY_READ_BACK;
    b->row.key = options->key ? strdup(options->key) : NULL;
    for (uint32_t i = 0; i < b->count && code == LSM_ERR_OK; i++)
        code = fill_hold_alloc(&b->row, i, b->pool, &b->members[i].hold);
    if (code != LSM_ERR_OK)
        return code;
    b->id = strdup(b->row.id);
    if (!b->id || (options->key && !b->row.key) || job_row_copy(&copy, &b->row) != LSM_ERR_OK)
        return error_no_memory();
    b->record = fill_job_alloc(&copy, &ship_body, b->pool, b->source);
    job_row_finish(&copy);
    return b->record ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

static int prepare(struct birth *b)
{
    int code = b->count > 1 ? guid_make(b->group) : LSM_ERR_OK;
    b->members = calloc(b->count, sizeof *b->members);
    b->ends = calloc(b->count, sizeof *b->ends);
    b->freezes = calloc(b->count, sizeof *b->freezes);
    if (!b->members || !b->ends || !b->freezes)
        return error_no_memory();
    for (uint32_t i = 0; i < b->count && code == LSM_ERR_OK; i++)
        code = prepare_member(&b->plans[i], b, i);
    return code == LSM_ERR_OK ? prepare_job(b) : code;
}

static void finish_birth(struct birth *b)
{
    free(b->members);
    free(b->ends);
    free(b->freezes);
    job_row_finish(&b->row);
}

static void discard_member(struct pool *pool, struct member *member)
{
    volume_free(member->target);
    if (member->top)
        pool_spare_return(pool, member->top);
    if (member->base) {
        pool_files_drop(pool, member->base->guid);
        layer_free(member->base);
    }
    free(member->entry);
    free(member->hold);
    if (member->m && member->m->id[0])
        sync_log_remove(member->m);
    free(member->m);
}

static void discard(struct birth *b)
{
    struct _lsm_error *why = error_take();
    job_free(b->record);
    for (uint32_t i = 0; i < b->count && b->members; i++)
        discard_member(b->pool, &b->members[i]);
    free(b->id);
    finish_birth(b);
    error_restore(why);
}

static int record_sources(struct birth *b)
{
    struct catalog *catalog = b->source->catalog;
    int code = freeze_record_all(b->freezes, b->count);
    for (uint32_t i = 0; i < b->count && code == LSM_ERR_OK; i++) {
        code = catalog_hold_add(catalog, b->members[i].hold->owner, b->pool->id,
                                b->freezes[i].instant->row);
        if (code == LSM_ERR_OK)
            code = mirror_put(b->members[i].m, SIDE_SOURCE);
    }
    return code;
}

static int record_target(struct catalog *catalog, struct member *member)
{
    struct layer_row layer = {.state = LAYER_WRITABLE};
    memcpy(layer.guid, member->base->guid, ID_SIZE);
    int code = catalog_layer_add(catalog, &layer);
    member->base->row = layer.row;
    member->volume.top = member->top->row;
    if (code == LSM_ERR_OK)
        code =
            catalog_layer_adopt(catalog, member->top->row, layer.row, member->volume.size, false);
    if (code == LSM_ERR_OK)
        code = catalog_volume_add(catalog, &member->volume);
    return code == LSM_ERR_OK ? mirror_put(member->m, SIDE_TARGET) : code;
}

static int record_targets(struct birth *b)
{
    struct catalog *catalog = b->pool->catalog;
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < b->count && code == LSM_ERR_OK; i++)
        code = record_target(catalog, &b->members[i]);
    return code == LSM_ERR_OK ? job_store_put(catalog_database(catalog), &b->row) : code;
}

/* The sources' halves are void: the next open would see to it. */
static void take_back(struct birth *b)
{
    struct _lsm_error *why = error_take();
    struct catalog *source = b->source->catalog;
    char owner[ID_SIZE];
    for (uint32_t i = 0; i < b->count; i++) {
        job_row_part(&b->row, i, owner);
        pool_hold_release(b->source, owner);
        if (catalog_begin(source) == LSM_ERR_OK)
            catalog_end(source,
                        catalog_replication_remove(source, b->members[i].m->id, SIDE_SOURCE));
    }
    error_clear();
    error_restore(why);
}

static int commit(struct birth *b)
{
    struct catalog *source = b->source->catalog, *target = b->pool->catalog;
    int code = catalog_begin(source);
    if (code == LSM_ERR_OK) {
        code = record_sources(b);
        if (code == LSM_ERR_OK && source == target)
            code = record_targets(b);
        code = catalog_end(source, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo_all(b->freezes, b->count);
        return code;
    }
    for (uint32_t i = 0; i < b->count; i++)
        pool_hold_enter(b->source, STEAL(b->members[i].hold), b->freezes[i].instant);
    if (source == target)
        return LSM_ERR_OK;
    code = catalog_begin(target);
    if (code == LSM_ERR_OK)
        code = catalog_end(target, record_targets(b));
    if (code != LSM_ERR_OK) {
        freeze_done_all(b->freezes, b->count);
        take_back(b);
    }
    return code;
}

/* A source has one synchronous mirror at most; and what comes to a mirror's target goes past a
 * write path of its own. */
int mirror_check_source(const struct plan *plan)
{
    const char *id = plan->source->id;
    for (const struct mirror *m = plan->source->pool->root->mirrors; m; m = m->next) {
        bool second = strcmp(m->source, id) == 0 && m->type == plan->type &&
                      m->state != LSM_REPLICATION_STATE_BROKEN;
        if (!second && strcmp(plan->source->relation, m->id) != 0)
            continue;
        error_set(LSM_ERR_NO_SUPPORT, id,
                  second ? "the volume «%s» has a synchronous mirror already (%s)"
                         : "the volume «%s» is itself the target of a replication (%s)",
                  plan->source->name, m->id);
        error_hint("add an asynchronous one");
        return LSM_ERR_NO_SUPPORT;
    }
    return LSM_ERR_OK;
}

/* The source stands still. */
static void show(struct birth *b, struct member *member)
{
    struct mirror *m = member->m;
    *member->entry = (struct layer_entry){.row = member->base->row, .layer = member->base};
    HASH_ADD(hh, b->pool->layers, row, sizeof member->entry->row, member->entry);
    member->top->below = member->base;
    member->top->below_limit = member->volume.size;
    member->base->uses = 1;
    volume_enter(member->target);
    memcpy(m->job, b->row.id, ID_SIZE);
    mirror_enter(m);
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC && sync_attach(m, NULL) != LSM_ERR_OK) {
        mirror_error_set(m, error_pending(), error_pending_message());
        error_clear(); /* the job finds no write path, and fails */
    }
}

int mirror_begin(const struct plan *plans, uint32_t count, char **job)
{
    struct birth b = {
        .plans = plans, .count = count, .source = plans->source->pool, .pool = plans->pool};
    struct root *root = b.pool->root;
    int code = prepare(&b);
    if (code == LSM_ERR_OK)
        code = freeze_prepare_all(b.freezes, count, true, 0);
    if (code == LSM_ERR_OK)
        code = commit(&b);
    if (code != LSM_ERR_OK) {
        discard(&b);
        return code;
    }
    for (uint32_t i = 0; i < count; i++)
        show(&b, &b.members[i]);
    mirrors_mark(root);
    freeze_done_all(b.freezes, count);
    for (uint32_t i = 0; i < count; i++)
        event_publish(root->hub, LSM_EVENT_REPLICATION_STATE, b.members[i].m->id,
                      LSM_REPLICATION_STATE_UNKNOWN, LSM_REPLICATION_STATE_INITIALIZING);
    job_start(root->runner, b.record, false);
    upkeep_wake(root->intervals);
    *job = b.id;
    finish_birth(&b);
    return LSM_ERR_JOB_STARTED;
}
