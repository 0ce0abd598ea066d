/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots and pools. */
#include "operations.h"

#include <errno.h>

static bool is_shut(const char *pool, char *why, size_t size)
{
    lsm_pool *record = world_pool(pool);
    MUST(record != NULL);
    bool shut = lsm_pool_status_get(record) == LSM_POOL_STATUS_ERROR;
    if (shut)
        snprintf(why, size, "%s", lsm_pool_status_info_get(record));
    lsm_pool_record_free(record);
    return shut;
}

static int act_connect(struct outcome *outcome)
{
    return world_connect(outcome);
}

/* The disk of one of the two pools may fail alone: the other one is there, and the root is closed
 * to be opened anew. */
static int act_connect_to_both(struct outcome *outcome)
{
    char why[sizeof outcome->message];
    bool first = false, second = false;
    int code = world_connect(outcome);
    if (code == OK) {
        first = is_shut("default", why, sizeof why);
        second = is_shut("other", why, sizeof why);
    }
    if (!first && !second)
        return code;
    MUST(!(first && second) && strstr(why, strerror(EIO)));
    lsm_volume *volume = world_volume(first ? "away" : "src", first ? "other" : "default");
    MUST(volume != NULL);
    lsm_volume_record_free(volume);
    failing_exempt(true);
    world_close();
    failing_exempt(false);
    *outcome = (struct outcome){.code = LSM_ERR_IO, .sys_errno = EIO};
    memcpy(outcome->message, why, sizeof why);
    return LSM_ERR_IO;
}

static void use_new_root(void)
{
    nth_make("first", "default", 64 * KIB, LSM_VOLUME_PROVISION_THIN);
    nth_write_some("first", 7);
}

static int act_pool_create(struct outcome *outcome)
{
    lsm_pool *pool = NULL;
    int code = world_outcome(lsm_pool_create(world.conn, "third", NULL, 0, &pool, 0), outcome);
    MUST((code == OK) == (pool != NULL));
    if (pool)
        lsm_pool_record_free(pool);
    return code;
}

static bool has_third(void)
{
    lsm_pool *pool = world_pool("third");
    if (pool)
        lsm_pool_record_free(pool);
    return pool != NULL;
}

static void use_third(void)
{
    nth_make("guest", "third", 64 * KIB, LSM_VOLUME_PROVISION_THIN);
    nth_write_some("guest", 10);
}

static const struct scenario scenarios[] = {
    {.name = "open-fresh",
     .empty = true,
     .connects = true,
     .act = act_connect,
     .afterwards = use_new_root},
    {.name = "open-existing", .connects = true, .two_pools = true, .act = act_connect_to_both},
    {.name = "pool-create",
     .stays_half = true,
     .act = act_pool_create,
     .is_done = has_third,
     .afterwards = use_third},
};

const struct scenario_list root_operations = {scenarios, sizeof scenarios / sizeof *scenarios};
