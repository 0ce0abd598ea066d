/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CLONE: the source is frozen, and the clone is a fresh top on the same frozen stack. One
 * transaction at any size, no data moved, no job.
 */
#include <string.h>

#include "freeze.h"
#include "replicate.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

static int commit(const struct freeze *freeze, const struct layer *top,
                  const struct volume_row *row)
{
    struct catalog *catalog = freeze->volume->pool->catalog;
    int code = catalog_begin(catalog);
    if (code != LSM_ERR_OK)
        return code;
    code = freeze_record(freeze);
    if (code == LSM_ERR_OK)
        code = catalog_layer_adopt(catalog, top->row, freeze->instant->row, row->size, false);
    if (code == LSM_ERR_OK)
        code = catalog_volume_add(catalog, row);
    return catalog_end(catalog, code);
}

static int fill_row(const struct plan *plan, const struct layer *top, struct volume_row *row)
{
    *row = (struct volume_row){.name = plan->name,
                               .size = plan->source->size,
                               .created_ms = clock_ms(),
                               .provision = LSM_VOLUME_PROVISION_THIN,
                               .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                               .top = top->row,
                               .parent = plan->source->id,
                               .ready = true,
                               .key = plan->options->key,
                               .request = plan->options->key ? plan->request : NULL};
    return guid_make_volume(row->id);
}

int clone_make(const struct plan *plan, struct volume **clone)
{
    struct pool *pool = plan->pool;
    struct layer *top;
    struct volume_row row;
    struct freeze freeze;
    int code = pool_spare_take(pool, &top);
    if (code != LSM_ERR_OK)
        return code;
    code = fill_row(plan, top, &row);
    struct volume *fresh = code == LSM_ERR_OK ? volume_alloc(pool, &row, top) : NULL;
    if (code == LSM_ERR_OK && !fresh)
        code = LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK)
        code = freeze_prepare(&freeze, plan->source);
    if (code == LSM_ERR_OK && (code = commit(&freeze, top, &row)) != LSM_ERR_OK)
        freeze_undo(&freeze);
    if (code != LSM_ERR_OK) {
        volume_free(fresh);
        pool_spare_return(pool, top);
        return code;
    }
    freeze_done(&freeze);
    top->below = freeze.instant;
    top->below_limit = row.size;
    freeze.instant->uses++;
    volume_enter(fresh);
    event_publish(pool->root->hub, LSM_EVENT_VOLUME, fresh->id, -1, -1);
    *clone = fresh;
    return code;
}
