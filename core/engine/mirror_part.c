/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A synchronous mirror is taken off its source: the target failed, the source did, or somebody
 * asked for it. The source is frozen: that instant is the common one, but for the regions whose
 * intent bit is set, and both together are what a resync ships. `intent` keeps those bits
 * meanwhile.
 *
 * A group's are taken off at one instant: the first goes on when all stand still and their parting
 * is recorded, in one transaction. A write that the failing target does not have is acknowledged
 * after that, so no other member's target can have one that was written because of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "freeze.h"
#include "mirror.h"
#include "sync.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

/* A member as it will be, and what it will hold. */
struct leaver {
    struct mirror *m, next;
    struct hold *hold;
};

struct parting {
    struct pool *pool;
    uint32_t count;
    struct leaver *leavers;
    struct freeze *freezes;
};

/* Relations do not go while the lock is let go. A target that cannot be flushed is found to have
 * failed by the parting. */
static int flush_ahead(struct mirror *m)
{
    int code = LSM_ERR_OK;
    mirrors_pin(m);
    for (EACH_MEMBER(each, m)) {
        if (code == LSM_ERR_OK)
            code = volume_flush_ahead(mirror_volume(each, SIDE_SOURCE));
        if (code == LSM_ERR_OK && each->sync &&
            volume_flush_ahead(each->sync->target) != LSM_ERR_OK)
            error_clear();
    }
    mirrors_unpin(m);
    return code;
}

static int gather(struct mirror *m, struct parting *parting)
{
    uint32_t members = mirror_member_count(m);
    int code = LSM_ERR_OK;
    parting->pool = mirror_pool(m, SIDE_SOURCE);
    parting->leavers = calloc(members, sizeof *parting->leavers);
    parting->freezes = calloc(members, sizeof *parting->freezes);
    if (!parting->leavers || !parting->freezes)
        return error_no_memory();
    for (EACH_MEMBER(each, m)) {
        uint32_t i = parting->count++;
        parting->leavers[i].m = each;
        parting->freezes[i].volume = mirror_volume(each, SIDE_SOURCE);
        if (code == LSM_ERR_OK)
            code = pool_hold_alloc(each->id, parting->pool, &parting->leavers[i].hold);
    }
    return code;
}

static void release(struct parting *parting)
{
    for (uint32_t i = 0; i < parting->count; i++)
        free(parting->leavers[i].hold);
    free(parting->leavers);
    free(parting->freezes);
}

static struct mirror next_of(const struct mirror *m, const struct freeze *freeze,
                             lsm_replication_state state, int error, const char *message)
{
    struct mirror next = *m;
    next.state = state;
    next.epoch++;
    next.error = error;
    next.message = (char *)message;
    memcpy(next.generation, freeze->new_top ? freeze->generation : freeze->instant->generation,
           ID_SIZE);
    return next;
}

int sync_record_parting(const struct mirror *next, const struct freeze *freeze)
{
    struct pool *pool = freeze->volume->pool;
    int code = freeze_record(freeze);
    if (code == LSM_ERR_OK)
        code = catalog_hold_add(pool->catalog, next->id, pool->id, freeze->instant->row);
    return code == LSM_ERR_OK ? mirror_put(next, SIDE_SOURCE) : code;
}

static int record(struct parting *parting)
{
    struct catalog *catalog = parting->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    for (uint32_t i = 0; i < parting->count && code == LSM_ERR_OK; i++)
        code = sync_record_parting(&parting->leavers[i].next, &parting->freezes[i]);
    return catalog_end(catalog, code);
}

/* Where the target has all writes and they are flushed, the sides differ nowhere. */
static void forget_intent(struct mirror *m)
{
    struct sync *sync = m->sync;
    if (!sync || sync->filling)
        return;
    sync_flush(sync);
    if (!atomic_load(&sync->failed))
        sync_log_clear(sync);
}

/* All sources stand still, and none of them goes on before all are off. */
static void show(struct parting *parting)
{
    for (uint32_t i = 0; i < parting->count; i++) {
        forget_intent(parting->leavers[i].m);
        sync_detach(parting->leavers[i].m);
    }
    freeze_done_all(parting->freezes, parting->count);
    for (uint32_t i = 0; i < parting->count; i++) {
        struct leaver *leaver = &parting->leavers[i];
        struct mirror *m = leaver->m;
        pool_hold_enter(parting->pool, STEAL(leaver->hold), parting->freezes[i].instant);
        m->epoch = leaver->next.epoch;
        memcpy(m->generation, leaver->next.generation, ID_SIZE);
        mirror_error_set(m, leaver->next.error, leaver->next.message);
        m->due_ns = clock_monotonic_ns() + SYNC_ROUND_NS; /* when to try again */
        mirror_state_show(m, leaver->next.state);
    }
}

/* One that is in sync but has no write path was just opened, and finds that it cannot have it:
 * nobody has written to it. So what it has is what both had last, but for what the intent log says,
 * and keeps that name: a target that was promoted meanwhile knows it by that. */
static int freeze_sources(struct parting *parting)
{
    for (uint32_t i = 0; i < parting->count; i++) {
        struct volume *source = parting->freezes[i].volume;
        /* The layer below an empty top may be another's instant. */
        if (!parting->leavers[i].m->sync && source->provision != LSM_VOLUME_PROVISION_FULL)
            atomic_store(&source->top->touched, true);
    }
    int code = freeze_prepare_all(parting->freezes, parting->count, true, 0);
    for (uint32_t i = 0; i < parting->count && code == LSM_ERR_OK; i++)
        if (!parting->leavers[i].m->sync)
            memcpy(parting->freezes[i].generation, parting->leavers[i].m->generation, ID_SIZE);
    return code;
}

/* The sources decide about this, so their halves are the commit point; the targets hear of it when
 * they can. */
int sync_part(struct mirror *m, lsm_replication_state state, int error, const char *message)
{
    struct parting parting = {0};
    uint64_t epoch = m->epoch;
    int code = flush_ahead(m);
    if (code == LSM_ERR_OK && m->epoch != epoch) /* somebody else was quicker */
        return state == LSM_REPLICATION_STATE_PAUSED ? mirror_pause(m) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = gather(m, &parting);
    if (code == LSM_ERR_OK)
        code = freeze_sources(&parting);
    if (code != LSM_ERR_OK) {
        release(&parting);
        return code;
    }
    for (uint32_t i = 0; i < parting.count; i++)
        parting.leavers[i].next =
            next_of(parting.leavers[i].m, &parting.freezes[i], state, error, message);
    code = record(&parting);
    if (code == LSM_ERR_OK)
        show(&parting);
    else
        freeze_undo_all(parting.freezes, parting.count);
    release(&parting);
    if (code != LSM_ERR_OK)
        return code;
    mirrors_mark(m->root);
    mirror_tell_target(m);
    return code;
}

/* --- what failed ----------------------------------------------------------------------------- */

/* A resync or a first fill that can go no further: the source stays as it is. */
static void stop_filling(struct mirror *m)
{
    int error = atomic_load(&m->sync->failed);
    sync_detach_gated(m);
    /* The job finds no write path, and ends. */
    mirror_error_set(m, error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, strerror(error));
}

static struct mirror *sync_of_source(struct root *root, const struct volume *source)
{
    struct mirror *m = root->mirrors;
    while (m && (m->type != LSM_VOLUME_REPLICATE_MIRROR_SYNC ||
                 strcmp(m->source, source->id) != 0 || m->state == LSM_REPLICATION_STATE_BROKEN))
        m = m->next;
    return m;
}

/* What the source had not flushed is gone, but the target has it: that is no mirror any more. */
int sync_source_reread(struct mirror *m)
{
    struct volume *source = m->sync->source;
    int none = 0;
    atomic_compare_exchange_strong(&m->sync->failed, &none,
                                   EIO); /* nothing goes there from now on */
    int code = LSM_ERR_OK;
    if (m->sync->filling)
        stop_filling(m);
    else
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED, LSM_ERR_IO,
                         "the source could not be flushed, and what it had was read anew");
    source->reread = code != LSM_ERR_OK;
    return code;
}

/* Several writers' threads come here at once: the first one acts, each hears of it if it wants to.
 */
int mirror_target_failed(struct root *root, struct volume *source)
{
    LOCKED(&root->lock);
    struct mirror *m = sync_of_source(root, source);
    if (!m)
        return LSM_ERR_OK; /* it ended meanwhile */
    if (m->sync && source->reread)
        return sync_source_reread(m);
    bool tell = m->on_error == LSM_TARGET_ERROR_FAIL;
    char id[ID_SIZE], why[160];
    int error = m->sync ? atomic_load(&m->sync->failed) : 0, code = LSM_ERR_OK;
    memcpy(id, m->id, ID_SIZE);
    snprintf(why, sizeof why, "the target of the replication %s failed: %s", id, strerror(error));
    if (error && m->sync->filling)
        stop_filling(m);
    else if (error)
        code = sync_part(m, LSM_REPLICATION_STATE_DEGRADED,
                         error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, why);
    if (code == LSM_ERR_OK && tell)
        code = error_set_errno(LSM_ERR_IO, error ? error : EIO, id,
                               "the write is on the source, but not on the target of the"
                               " replication %s",
                               id);
    return code;
}
