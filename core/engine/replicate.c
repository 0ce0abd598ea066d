/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of refusals: key, source 205, pool 203, pool's state, type 153, name 50, space 350. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"
#include "replicate.h"
#include "../util/cleanup.h"
#include "../util/error.h"

static struct volume *volume_by_key(struct root *root, const char *key)
{
    for (uint32_t i = 0; i < root->pool_count; i++)
        for (struct volume *v = root->pools[i]->volumes; v; v = v->hh.next)
            if (v->key && strcmp(v->key, key) == 0)
                return v;
    return NULL;
}

static int replay(struct root *root, const struct volume *made, const char *request, char **job)
{
    char id[ID_SIZE];
    if (!made->request || strcmp(made->request, request) != 0) {
        error_set(LSM_ERR_NAME_CONFLICT, made->key,
                  "the key «%s» was used to make the volume «%s» by another request", made->key,
                  made->name);
        error_hint("use a new key for a new request");
        return LSM_ERR_NAME_CONFLICT;
    }
    if (made->ready)
        return LSM_ERR_OK;
    if (!job_of_target(root->runner, made->id, id))
        return error_set(LSM_ERR_LIB_BUG, made->id, "the volume «%s» is filled by no job",
                         made->name);
    *job = strdup(id);
    return *job ? LSM_ERR_JOB_STARTED : error_no_memory();
}

static int check_type(const struct plan *plan)
{
    const struct mirror *other = mirror_of_source(plan->source->pool->root, plan->source->id);
    if (plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC && other && other->type == plan->type) {
        error_set(LSM_ERR_NO_SUPPORT, plan->source->id,
                  "the volume «%s» has a synchronous mirror already (%s)", plan->source->name,
                  other->id);
        error_hint("add an asynchronous one");
        return LSM_ERR_NO_SUPPORT;
    }
    if (plan->type == LSM_VOLUME_REPLICATE_CLONE && plan->pool != plan->source->pool) {
        error_set(LSM_ERR_NO_SUPPORT, plan->pool->name,
                  "a clone shares its source's layers, and so its pool «%s»",
                  plan->source->pool->name);
        error_hint("use COPY to another pool");
        return LSM_ERR_NO_SUPPORT;
    }
    return LSM_ERR_OK;
}

static int check(struct root *root, const struct replicate_request *request, struct plan *plan)
{
    const char *pool_id = request->pool ? request->pool->id : NULL;
    int code = volume_get(root, request->sources[0]->id, &plan->source);
    if (code != LSM_ERR_OK)
        return code;
    plan->pool = pool_id ? pool_by_id(root, pool_id) : plan->source->pool;
    if (!plan->pool)
        return error_set(LSM_ERR_NOT_FOUND_POOL, pool_id, "there is no pool with the id %s in %s",
                         pool_id, root->path);
    if ((code = pool_check_writable(plan->pool)) != LSM_ERR_OK ||
        (code = check_type(plan)) != LSM_ERR_OK ||
        (code = volume_check_name(plan->pool, plan->name)) != LSM_ERR_OK)
        return code;
    return plan->type == LSM_VOLUME_REPLICATE_COPY
               ? pool_check_space(plan->pool, plan->source->size, "a copy")
               : LSM_ERR_OK;
}

static int append_record(struct volume *volume, struct record_list *made)
{
    lsm_volume *record = volume_record(volume);
    return record ? record_list_append(made, &volume_type, record) : LSM_ERR_NO_MEMORY;
}

static int carry_out(const struct plan *plan, struct record_list *made, char **job)
{
    if (plan->type == LSM_VOLUME_REPLICATE_COPY)
        return copy_begin(plan, job);
    if (plan->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC ||
        plan->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        return mirror_begin(plan, job);
    struct volume *clone;
    int code = clone_make(plan, &clone);
    return code == LSM_ERR_OK ? append_record(clone, made) : code;
}

static int replicate_locked(struct root *root, const struct replicate_request *request,
                            struct plan *plan, struct record_list *made, char **job)
{
    const char *key = plan->options->key;
    for (int flushed = 0;; flushed++) {
        struct volume *before = key ? volume_by_key(root, key) : NULL;
        if (before) {
            int code = replay(root, before, plan->request, job);
            return code == LSM_ERR_OK ? append_record(before, made) : code;
        }
        int code = check(root, request, plan);
        if (code != LSM_ERR_OK || flushed)
            return code == LSM_ERR_OK ? carry_out(plan, made, job) : code;
        /* The lock is let go in here, so everything is looked at once more. */
        if ((code = volume_flush_ahead(plan->source)) != LSM_ERR_OK)
            return code;
    }
}

int replicate(struct root *root, const struct replicate_request *request, struct record_list *made,
              char **job)
{
    if (request->count != 1) {
        error_set(LSM_ERR_NO_SUPPORT, NULL,
                  "this version of the embedded engine replicates one"
                  " volume a call");
        error_hint("replicate the volumes one after the other");
        return LSM_ERR_NO_SUPPORT;
    }
    const lsm_volume *source = request->sources[0];
    const char *pool_id = request->pool ? request->pool->id : source->pool_id;
    autofree char *text = NULL;
    if (asprintf(&text, "%d %s %s %s", request->type, source->id, pool_id ? pool_id : "",
                 request->names[0]) < 0)
        return error_no_memory();
    struct plan plan = {.type = request->type,
                        .name = request->names[0],
                        .options = request->options,
                        .request = text};
    LOCKED(&root->lock);
    return replicate_locked(root, request, &plan, made, job);
}
