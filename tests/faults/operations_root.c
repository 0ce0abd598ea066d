/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots and pools. */
#include "operations.h"

static int act_connect(struct outcome *outcome)
{
    return world_connect(outcome);
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
    {.name = "open-existing", .connects = true, .two_pools = true, .act = act_connect},
    {.name = "pool-create",
     .stays_half = true,
     .act = act_pool_create,
     .is_done = has_third,
     .afterwards = use_third},
};

const struct scenario_list root_operations = {scenarios, sizeof scenarios / sizeof *scenarios};
