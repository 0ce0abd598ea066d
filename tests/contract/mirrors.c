/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mirrors: a backend that makes none says 153 and why, and has made nothing. */
#include "suites.h"

START_TEST(mirror_or_153)
{
    static const lsm_replication_type types[] = {LSM_VOLUME_REPLICATE_MIRROR_SYNC,
                                                 LSM_VOLUME_REPLICATE_MIRROR_ASYNC};
    static const lsm_capability_type can[] = {LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC,
                                              LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC};
    autopool lsm_pool *other = pool_make("other");
    autovolume lsm_volume *v = volume_make("v", MIB);
    if (world_can(can[_i]))
        return;
    lsm_error_ptr e = refusal(replicate(other, types[_i], v, "v", NULL), LSM_ERR_NO_SUPPORT);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "mirror"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
}
END_TEST

START_TEST(mirror_verbs_or_153)
{
    autotext char *job = NULL;
    lsm_replication *replication = NULL, **replications = NULL;
    uint32_t count = 77;
    if (world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC) ||
        world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC))
        return;
    REFUSED(lsm_replication_list(world.conn, NULL, NULL, &replications, &count, 0),
            LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_get(world.conn, "id", &replication, 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_sync(world.conn, "id", &job, 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_pause(world.conn, "id", 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_resume(world.conn, "id", 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_interval_set(world.conn, "id", 1, 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_promote(world.conn, "id", &job, 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_reverse(world.conn, "id", &job, 0), LSM_ERR_NO_SUPPORT);
    REFUSED(lsm_replication_break(world.conn, "id", 0), LSM_ERR_NO_SUPPORT);
    ck_assert_uint_eq(count, 77);
    ck_assert_ptr_null(replications);
}
END_TEST

TCase *mirrors(void)
{
    TCase *tests = tcase_create("mirrors");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, mirror_or_153, 0, 2);
    tcase_add_test(tests, mirror_verbs_or_153);
    return tests;
}
