/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a system says it can do, it does; what it says it cannot is 153. */
#include "suites.h"

START_TEST(capabilities_at_least)
{
    static const lsm_capability_type must[] = {
        LSM_CAP_VOLUMES,
        LSM_CAP_VOLUME_CREATE,
        LSM_CAP_VOLUME_RESIZE,
        LSM_CAP_VOLUME_REPLICATE,
        LSM_CAP_VOLUME_REPLICATE_CLONE,
        LSM_CAP_VOLUME_REPLICATE_COPY,
        LSM_CAP_VOLUME_DELETE,
        LSM_CAP_VOLUME_ENABLE,
        LSM_CAP_VOLUME_DISABLE,
        LSM_CAP_VOLUME_CHILD_DEPENDENCY,
        LSM_CAP_VOLUME_THIN,
    };
    for (size_t i = 0; i < sizeof must / sizeof *must; i++)
        ck_assert_msg(world_can(must[i]), "capability %d is missing", must[i]);
    ck_assert(!world_can(LSM_CAP_VOLUME_MASK)); /* access groups are not in this API */
    ck_assert(!world_can((lsm_capability_type)0));
    ck_assert(!world_can((lsm_capability_type)511));
    ck_assert(!world_can((lsm_capability_type)512));
    ck_assert(!world_can((lsm_capability_type)-1));
}
END_TEST

/* A call whose capability is missing says 153, and one that has it does not. */
static void answers_as_announced(int rc, bool can)
{
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    ck_assert_msg((rc == LSM_ERR_NO_SUPPORT) == !can, "the call answers %d", rc);
    if (!can)
        ck_assert_ptr_nonnull(lsm_error_message_get(e));
    if (e)
        lsm_error_free(e);
}

START_TEST(capabilities_are_true)
{
    static const struct {
        lsm_replication_type type;
        lsm_capability_type capability;
    } types[] = {{CLONE, LSM_CAP_VOLUME_REPLICATE_CLONE},
                 {COPY, LSM_CAP_VOLUME_REPLICATE_COPY},
                 {LSM_VOLUME_REPLICATE_MIRROR_ASYNC, LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC},
                 {LSM_VOLUME_REPLICATE_MIRROR_SYNC, LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC}};
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[] = "replicant-0";
        name[10] = (char)('0' + i);
        answers_as_announced(replicate(NULL, types[i].type, v, name, NULL),
                             world_can(types[i].capability));
    }
    autotext char *job = NULL;
    answers_as_announced(lsm_volume_child_dependency_delete(world.conn, v, &job, 0),
                         world_can(LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM));
}
END_TEST

START_TEST(capabilities_of_a_foreign_system_are_208)
{
    lsm_storage_capabilities *table = NULL;
    lsm_system **systems = NULL;
    lsm_error_ptr e = NULL;
    uint32_t count = 0, bytes = 77;
    char uri[500];
    if (!world.directory[0])
        return;
    snprintf(uri, sizeof uri, "dir://%s", scratch_directory());
    lsm_connect *there = NULL;
    ck_assert_int_eq(world_connect(uri, &there, &e), OK);
    ck_assert_int_eq(lsm_system_list(there, &systems, &count, 0), OK);
    REFUSED(lsm_capabilities(world.conn, systems[0], &table, 0), LSM_ERR_NOT_FOUND_SYSTEM);
    ck_assert_ptr_null(table);
    if (world_can(LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE))
        REFUSED(lsm_volume_replicate_range_block_size(world.conn, systems[0], &bytes, 0),
                LSM_ERR_NOT_FOUND_SYSTEM);
    REFUSED(lsm_capabilities(world.conn, NULL, &table, 0), INVALID);
    lsm_system_record_array_free(systems, count);
    lsm_connect_close(there, 0);
}
END_TEST

START_TEST(system_record)
{
    lsm_system **systems = NULL, **again = NULL;
    uint32_t count = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(lsm_system_status_get(systems[0]), LSM_SYSTEM_STATUS_OK);
    ck_assert_uint_gt(strlen(lsm_system_id_get(systems[0])), 0);
    ck_assert_uint_gt(strlen(lsm_system_name_get(systems[0])), 0);
    world_reopen();
    FINE(lsm_system_list(world.conn, &again, &count, 0));
    ck_assert_str_eq(lsm_system_id_get(systems[0]), lsm_system_id_get(again[0]));
    lsm_system_record_array_free(systems, 1);
    lsm_system_record_array_free(again, 1);
}
END_TEST

TCase *capabilities(void)
{
    TCase *tests = tcase_create("capabilities");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, capabilities_at_least);
    tcase_add_test(tests, capabilities_are_true);
    tcase_add_test(tests, capabilities_of_a_foreign_system_are_208);
    tcase_add_test(tests, system_record);
    return tests;
}
