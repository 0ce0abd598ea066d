/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The beginning of a mirror: the source is frozen, and a job fills the base of a new target, which
 * nobody sees before. The commit point is the target's volume, job and half of the relation; the
 * source's half goes before, and alone it is void. A synchronous mirror's writes go to both sides
 * from the freeze on.
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

struct birth {
    struct mirror *m;
    struct volume_row volume;
    struct job_row row;
    struct layer *base, *top;
    struct layer_entry *entry;
    struct volume *target;
    struct hold *hold;
    struct job *record;
    struct freeze freeze;
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

static int prepare(const struct plan *plan, struct birth *b)
{
    struct job_row copy = {0};
    b->volume = (struct volume_row){.name = plan->name,
                                    .size = plan->source->size,
                                    .created_ms = clock_ms(),
                                    .provision = LSM_VOLUME_PROVISION_THIN,
                                    .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                                    .key = plan->options->key,
                                    .request = plan->options->key ? plan->request : NULL};
    int code = guid_make_volume(b->volume.id);
    b->m = mirror_alloc(plan->source->pool->root);
    if (code == LSM_ERR_OK)
        code = b->m ? fill_relation(plan, b->m, b->volume.id) : LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK)
        code = ship_row_fill(b->m, LSM_JOB_KIND_MIRROR_INITIAL, b->volume.size, &b->row);
    if (code == LSM_ERR_OK && plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        code = sync_log_make(b->m);
    b->row.total = b->volume.size;
    b->row.verify = plan->options->verify == LSM_VERIFY_READ_BACK;
    b->row.key = plan->options->key ? strdup(plan->options->key) : NULL;
    if (code == LSM_ERR_OK)
        code = pool_base_make(plan->pool, b->volume.size, false, &b->base);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(b->row.id, plan->pool, &b->hold);
    if (code == LSM_ERR_OK)
        code = pool_spare_take(plan->pool, &b->top);
    if (code != LSM_ERR_OK)
        return code;
    b->target = volume_alloc(plan->pool, &b->volume, b->top);
    b->entry = calloc(1, sizeof *b->entry);
    b->id = strdup(b->row.id);
    if (!b->target || !b->entry || !b->id || job_row_copy(&copy, &b->row) != LSM_ERR_OK)
        return error_no_memory();
    b->record = fill_job_alloc(&copy, &ship_body, plan->pool, plan->source->pool);
    job_row_finish(&copy);
    return b->record ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

static void discard(struct pool *pool, struct birth *b)
{
    struct _lsm_error *why = error_take();
    job_free(b->record);
    volume_free(b->target);
    if (b->top)
        pool_spare_return(pool, b->top);
    if (b->base) {
        pool_files_drop(pool, b->base->guid);
        layer_free(b->base);
    }
    free(b->entry);
    free(b->hold);
    free(b->id);
    job_row_finish(&b->row);
    if (b->m && b->m->id[0])
        sync_log_remove(b->m);
    free(b->m);
    error_restore(why);
}

static int record_source(const struct plan *plan, struct birth *b)
{
    struct catalog *catalog = plan->source->pool->catalog;
    int code = freeze_record(&b->freeze);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(catalog, b->row.id, plan->pool->id, b->freeze.instant->row);
    return code == LSM_ERR_OK ? mirror_put(b->m, SIDE_SOURCE) : code;
}

static int record_target(const struct plan *plan, struct birth *b)
{
    struct catalog *catalog = plan->pool->catalog;
    struct layer_row layer = {.state = LAYER_WRITABLE};
    memcpy(layer.guid, b->base->guid, ID_SIZE);
    int code = catalog_layer_add(catalog, &layer);
    b->base->row = layer.row;
    b->volume.top = b->top->row;
    if (code == LSM_ERR_OK)
        code = catalog_layer_adopt(catalog, b->top->row, layer.row, b->volume.size, false);
    if (code == LSM_ERR_OK)
        code = catalog_volume_add(catalog, &b->volume);
    if (code == LSM_ERR_OK)
        code = job_store_put(catalog_database(catalog), &b->row);
    return code == LSM_ERR_OK ? mirror_put(b->m, SIDE_TARGET) : code;
}

static int commit(const struct plan *plan, struct birth *b)
{
    struct catalog *source = plan->source->pool->catalog, *target = plan->pool->catalog;
    int code = catalog_begin(source);
    if (code == LSM_ERR_OK) {
        code = record_source(plan, b);
        if (code == LSM_ERR_OK && source == target)
            code = record_target(plan, b);
        code = catalog_end(source, code);
    }
    if (code != LSM_ERR_OK) {
        freeze_undo(&b->freeze);
        return code;
    }
    pool_hold_enter(plan->source->pool, b->hold, b->freeze.instant);
    b->hold = NULL;
    if (source == target)
        return LSM_ERR_OK;
    code = catalog_begin(target);
    if (code == LSM_ERR_OK)
        code = catalog_end(target, record_target(plan, b));
    if (code != LSM_ERR_OK)
        freeze_done(&b->freeze);
    if (code != LSM_ERR_OK) { /* the source's half is void: the next open would see to it */
        struct _lsm_error *why = error_take();
        pool_hold_release(plan->source->pool, b->row.id);
        if (catalog_begin(source) == LSM_ERR_OK)
            catalog_end(source, catalog_replication_remove(source, b->m->id, SIDE_SOURCE));
        error_clear();
        error_restore(why);
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

int mirror_begin(const struct plan *plan, char **job)
{
    struct birth b = {0};
    int code = prepare(plan, &b);
    if (code == LSM_ERR_OK)
        code = freeze_prepare_still(&b.freeze, plan->source);
    if (code == LSM_ERR_OK)
        code = commit(plan, &b);
    if (code != LSM_ERR_OK) {
        discard(plan->pool, &b);
        return code;
    }
    *b.entry = (struct layer_entry){.row = b.base->row, .layer = b.base};
    HASH_ADD(hh, plan->pool->layers, row, sizeof b.entry->row, b.entry);
    b.top->below = b.base;
    b.top->below_limit = b.volume.size;
    b.base->uses = 1;
    volume_enter(b.target);
    memcpy(b.m->job, b.row.id, ID_SIZE);
    mirror_enter(b.m);
    mirrors_mark(b.m->root);
    if (plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC && sync_attach(b.m, NULL) != LSM_ERR_OK) {
        mirror_error_set(b.m, error_pending(), error_pending_message());
        error_clear(); /* the job finds no write path, and fails */
    }
    freeze_done(&b.freeze);
    event_publish(b.m->root->hub, LSM_EVENT_REPLICATION_STATE, b.m->id,
                  LSM_REPLICATION_STATE_UNKNOWN, b.m->state);
    job_start(b.m->root->runner, b.record, false);
    upkeep_wake(b.m->root->intervals);
    job_row_finish(&b.row);
    *job = b.id;
    return LSM_ERR_JOB_STARTED;
}
