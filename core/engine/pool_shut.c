/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools of a root that could not be opened: damaged, of a newer version, on a disk that does not
 * answer. One of them is no reason to keep from the others. Their files are left as they are; the
 * next opening of the root tries again.
 */
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "../util/error.h"

static void shut_free(struct shut_pool *shut)
{
    free(shut->id);
    free(shut->name);
    error_destroy(shut->why);
    free(shut);
}

int pool_shut_add(struct root *root, const char *name, const char *id)
{
    struct _lsm_error *why = error_take();
    struct shut_pool *shut = calloc(1, sizeof *shut), **last = &root->shut;
    if (!shut) {
        error_destroy(why);
        return error_no_memory();
    }
    shut->why = why;
    shut->name = strdup(name);
    shut->id = strdup(id ? id : name);
    if (!shut->name || !shut->id) {
        shut_free(shut);
        return error_no_memory();
    }
    while (*last)
        last = &(*last)->next;
    *last = shut;
    return LSM_ERR_OK;
}

struct shut_pool *pool_shut_by_id(const struct root *root, const char *id)
{
    struct shut_pool *shut = root->shut;
    while (shut && strcmp(shut->id, id) != 0)
        shut = shut->next;
    return shut;
}

/* An id that nobody has may be that of a pool which cannot say its own. */
static struct shut_pool *nameless(const struct root *root)
{
    struct shut_pool *shut = root->shut;
    while (shut && strcmp(shut->id, shut->name) != 0)
        shut = shut->next;
    return shut;
}

int pool_get(struct root *root, const char *id, struct pool **pool)
{
    struct pool *found = id ? pool_by_id(root, id) : NULL;
    const struct shut_pool *shut = found || !id ? NULL : pool_shut_by_id(root, id);
    if (found) {
        *pool = found;
        return LSM_ERR_OK;
    }
    if (shut)
        return error_repeat(shut->why);
    if ((shut = nameless(root)) != NULL)
        return error_set(shut->why->code, id,
                         "the pool %s is not there, unless it is «%s», which could not be opened: "
                         "%s",
                         id ? id : "(none)", shut->name, shut->why->message);
    return error_set(LSM_ERR_NOT_FOUND_POOL, id, "there is no pool with the id %s in %s",
                     id ? id : "(none)", root->path);
}

lsm_pool *pool_shut_record(const struct root *root, const struct shut_pool *shut)
{
    lsm_pool *record = record_create(&pool_type);
    if (!record)
        return NULL;
    record->status = LSM_POOL_STATUS_ERROR;
    record->element_type = LSM_POOL_ELEMENT_TYPE_POOL;
    record->unsupported_actions =
        LSM_POOL_UNSUPPORTED_VOLUME_GROW | LSM_POOL_UNSUPPORTED_VOLUME_SHRINK;
    if (record_text(&record->id, shut->id) == LSM_ERR_OK &&
        record_text(&record->name, shut->name) == LSM_ERR_OK &&
        record_text(&record->system_id, root->id) == LSM_ERR_OK &&
        record_text(&record->status_info, shut->why->message) == LSM_ERR_OK)
        return record;
    record_destroy(&pool_type, record);
    return NULL;
}

void pools_shut_free(struct root *root)
{
    struct shut_pool *shut;
    while ((shut = root->shut) != NULL) {
        root->shut = shut->next;
        shut_free(shut);
    }
}
