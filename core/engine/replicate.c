/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of refusals: key, source 205, pool 203, pool's state, type 153, name 50, space 350. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"
#include "replicate.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* Before the place of a volume in the group that it was made with; a request's text begins with a
 * number. */
#define PLACE '#'

static int check_type(const struct plan *plan)
{
    if (plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return mirror_check_source(plan);
    if (plan->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC) /* it would lose its instant */
        return volume_check_replaced(plan->source);
    if (plan->type == LSM_VOLUME_REPLICATE_CLONE && plan->pool != plan->source->pool) {
        error_set(LSM_ERR_NO_SUPPORT, plan->pool->name,
                  "a clone shares its source's layers, and so its pool «%s»",
                  plan->source->pool->name);
        error_hint("use COPY to another pool");
        return LSM_ERR_NO_SUPPORT;
    }
    return LSM_ERR_OK;
}

static int check(struct root *root, const lsm_pool *pool, const lsm_volume *source,
                 struct plan *plan)
{
    const char *pool_id = pool ? pool->id : NULL;
    int code = volume_get(root, source->id, &plan->source);
    if (code != LSM_ERR_OK)
        return code;
    plan->pool = plan->source->pool;
    if ((pool_id && (code = pool_get(root, pool_id, &plan->pool)) != LSM_ERR_OK) ||
        (code = pool_check_writable(plan->pool)) != LSM_ERR_OK ||
        (code = check_type(plan)) != LSM_ERR_OK)
        return code;
    return volume_check_name(plan->pool, plan->name);
}

int plan_volume_row(const struct plan *plan, lsm_volume_provision_type provision,
                    struct volume_row *row)
{
    *row = (struct volume_row){.name = plan->name,
                               .size = plan->source->size,
                               .created_ms = clock_ms(),
                               .provision = provision,
                               .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                               .key = plan->options->key,
                               .request = plan->options->key ? plan->request : NULL};
    return guid_make_volume(row->id);
}

static int append_record(struct volume *volume, struct record_list *made)
{
    lsm_volume *record = volume_record(volume);
    int code = record ? record_list_append(made, &volume_type, record) : LSM_ERR_NO_MEMORY;
    return code == LSM_ERR_OK ? code : record_unsaid(volume->name);
}

static int make_clones(const struct plan *plans, uint32_t count, struct record_list *made)
{
    autofree struct volume **clones = calloc(count, sizeof(struct volume *));
    int code = clones ? clone_make(plans, count, clones) : error_no_memory();
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++)
        code = append_record(clones[i], made);
    return code;
}

static int carry_out(const struct plan *plans, uint32_t count, struct record_list *made, char **job)
{
    switch (plans[0].type) {
    case LSM_VOLUME_REPLICATE_COPY: return copy_begin(plans, count, job);
    case LSM_VOLUME_REPLICATE_MIRROR_ASYNC:
    case LSM_VOLUME_REPLICATE_MIRROR_SYNC: return mirror_begin(plans, count, job);
    default: return make_clones(plans, count, made);
    }
}

/* --- groups ---------------------------------------------------------------------------------- */

static int check_all(struct root *root, const struct replicate_request *request, struct plan *plans)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        int code = check(root, request->pool, request->sources[i], &plans[i]);
        if (code != LSM_ERR_OK)
            return code;
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(plans[k].name, plans[i].name) == 0)
                return error_set(LSM_ERR_NAME_CONFLICT, plans[i].name,
                                 "two members of the group would be named «%s»", plans[i].name);
            if (plans[k].source->pool != plans[i].source->pool)
                return error_set(LSM_ERR_NO_SUPPORT, plans[i].source->id,
                                 "the volume «%s» is in another pool than the rest of the group",
                                 plans[i].source->name);
        }
        bytes += plans[i].source->size;
    }
    return request->type == LSM_VOLUME_REPLICATE_COPY
               ? pool_check_space(plans->pool, bytes, request->count > 1 ? "the group" : "a copy")
               : LSM_ERR_OK;
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool is_first(const struct volume *made)
{
    return made->request && made->request[0] != PLACE;
}

/* `request` NULL: any of what was made with the key, the first of a group if that is there. */
static struct volume *volume_by_key(struct root *root, const char *key, const char *request)
{
    struct volume *found = NULL;
    for (uint32_t i = 0; i < root->pool_count; i++)
        for (struct volume *v = root->pools[i]->volumes; v; v = v->hh.next) {
            if (!v->key || strcmp(v->key, key) != 0)
                continue;
            if (request ? v->request && strcmp(v->request, request) == 0 : is_first(v))
                return v;
            found = request ? NULL : v;
        }
    return found;
}

static int key_conflict(const struct volume *made)
{
    error_set(LSM_ERR_NAME_CONFLICT, made->key,
              "the key «%s» was used to make the volume «%s» by another request", made->key,
              made->name);
    error_hint("use a new key for a new request");
    return LSM_ERR_NAME_CONFLICT;
}

static int give_job(struct root *root, const struct volume *unready, char **job)
{
    char id[ID_SIZE];
    if (!job_of_target(root->runner, unready->id, id))
        return error_set(LSM_ERR_LIB_BUG, unready->id, "the volume «%s» is filled by no job",
                         unready->name);
    *job = strdup(id);
    return *job ? LSM_ERR_JOB_STARTED : error_no_memory();
}

/* What a key has made, in the order of the request; a group of which one is gone is not the same.
 */
static int replay(struct root *root, const struct plan *plans, uint32_t count,
                  const struct volume *any, struct record_list *made, char **job)
{
    const char *key = any->key;
    const struct volume *first = volume_by_key(root, key, plans[0].request);
    if (!first && is_first(any))
        return key_conflict(any);
    if (first && !first->ready)
        return give_job(root, first, job);
    int code = LSM_ERR_OK;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++) {
        struct volume *v = volume_by_key(root, key, plans[i].request);
        code = v ? append_record(v, made)
                 : error_set(LSM_ERR_NAME_CONFLICT, key,
                             "of the group that the key «%s» made a member is gone", key);
    }
    return code;
}

static int replicate_locked(struct root *root, const struct replicate_request *request,
                            struct plan *plans, struct record_list *made, char **job)
{
    const char *key = request->options->key;
    for (int flushed = 0;; flushed++) {
        struct volume *before = key ? volume_by_key(root, key, NULL) : NULL;
        if (before)
            return replay(root, plans, request->count, before, made, job);
        int code = check_all(root, request, plans);
        if (code != LSM_ERR_OK || flushed)
            return code == LSM_ERR_OK ? carry_out(plans, request->count, made, job) : code;
        /* The lock is let go in here, so everything is looked at once more. */
        for (uint32_t i = 0; i < request->count && code == LSM_ERR_OK; i++) {
            struct volume *source = volume_find(root, request->sources[i]->id);
            code = source ? volume_flush_ahead(source) : LSM_ERR_OK;
        }
        if (code != LSM_ERR_OK)
            return code;
    }
}

/* The whole request as one text: what an idempotency key stands for. No name has a line's end. */
static char *text_of(const struct replicate_request *request)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%d", request->type);
    for (uint32_t i = 0; i < request->count; i++) {
        const lsm_volume *source = request->sources[i];
        const char *pool = request->pool ? request->pool->id : source->pool_id;
        fprintf(out, "%c%s %s %s", i ? '\n' : ' ', source->id, pool ? pool : "", request->names[i]);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* Each volume keeps what it was asked for with: the first of a group the whole text, each other one
 * its place in it. */
static int fill_plans(const struct replicate_request *request, struct plan *plans)
{
    for (uint32_t i = 0; i < request->count; i++) {
        plans[i] = (struct plan){
            .type = request->type, .name = request->names[i], .options = request->options};
        if (i == 0)
            plans[i].request = text_of(request);
        else if (asprintf(&plans[i].request, "%c%u", PLACE, i) < 0)
            plans[i].request = NULL;
        if (!plans[i].request)
            return error_no_memory();
    }
    return LSM_ERR_OK;
}

int replicate(struct root *root, const struct replicate_request *request, struct record_list *made,
              char **job)
{
    struct plan *plans = calloc(request->count, sizeof *plans);
    int code = plans ? fill_plans(request, plans) : error_no_memory();
    if (code == LSM_ERR_OK) {
        LOCKED(&root->lock);
        code = replicate_locked(root, request, plans, made, job);
    }
    for (uint32_t i = 0; i < request->count && plans; i++)
        free(plans[i].request);
    free(plans);
    return code;
}
