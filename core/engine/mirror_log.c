/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a synchronous mirror's write-intent log is, and when: with the source's pool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"
#include "sync.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

char *sync_log_path(const struct mirror *m)
{
    char *path;
    struct pool *pool = mirror_pool(m, SIDE_SOURCE);
    if (!pool || asprintf(&path, "%s/%s.intent", pool->home.directory, m->id) < 0) {
        error_no_memory();
        return NULL;
    }
    return path;
}

int sync_log_make(const struct mirror *m)
{
    autofree char *path = sync_log_path(m);
    return path ? sync_log_create(path, m->id, NULL) : LSM_ERR_NO_MEMORY;
}

void sync_log_remove(const struct mirror *m)
{
    autofree char *path = mirror_pool(m, SIDE_SOURCE) ? sync_log_path(m) : NULL;
    if (path)
        vfs_unlink(path);
    error_clear();
}

static bool log_moves(const struct mirror *m)
{
    return strcmp(m->source_pool, m->target_pool) != 0;
}

/* That in the target's pool: the old source's after an exchange, the new one's if it failed. */
void sync_log_remove_idle(const struct mirror *m)
{
    struct mirror turned = *m;
    split_turn(&turned);
    if (log_moves(m))
        sync_log_remove(&turned);
}

static void sweep_log(struct pool *pool, const char *id, const char *suffix)
{
    autofree char *path = NULL;
    bool fresh = strcmp(suffix, ".intent.new") == 0;
    if (!fresh && strcmp(suffix, ".intent") != 0)
        return;
    const struct mirror *m = mirror_find(pool->root, id);
    bool used = m && !fresh && m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC &&
                mirror_pool(m, SIDE_SOURCE) == pool;
    if (!used && asprintf(&path, "%s/%s%s", pool->home.directory, id, suffix) >= 0)
        vfs_unlink(path);
}

/* What a crash left between making a log and the commit that needs it, or after the one that does
 * not need it any more. */
void sync_logs_sweep(struct pool *pool)
{
    if (!pool->read_only)
        pool_files_each(pool, sweep_log);
}

bool sync_has_intent(const struct mirror *m)
{
    return m->intent && map_held(m->intent) > 0;
}

/* Without a log that can be believed the sides may differ anywhere. */
int sync_log_recover(struct mirror *m, uint64_t size, struct _lsm_error **lost)
{
    autofree char *path = sync_log_path(m);
    int code = path ? sync_log_load(path, m->id, size, &m->intent) : LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK && !m->intent && m->state == LSM_REPLICATION_STATE_IN_SYNC)
        code = error_set(LSM_ERR_DAMAGED, path, "the write-intent log %s is gone", path);
    if (code != LSM_ERR_DAMAGED)
        return code;
    *lost = error_take();
    return sync_log_fill(path, m->id, size, &m->intent);
}

/* What the new source's pool must know before it is the source: else a crash in between would leave
 * nobody who knows where the two may differ. In one pool it is the same file. */
static int hand_over(const struct mirror *m)
{
    struct mirror next = *m;
    split_turn(&next);
    autofree char *path = sync_log_path(&next);
    return path ? sync_log_create(path, m->id, m->intent) : LSM_ERR_NO_MEMORY;
}

int sync_logs_hand_over(struct mirror *m)
{
    int code = LSM_ERR_OK;
    for (EACH_MEMBER(each, m))
        if (code == LSM_ERR_OK && log_moves(each))
            code = hand_over(each);
    return code;
}
