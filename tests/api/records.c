/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every call that takes a record, given none: NULL, four bytes of rubbish, and a record of another
 * type. Each answers what its header says and reads no further.
 */
#include "test.h"

#define BAD_COUNT 3
static void *bad[BAD_COUNT];

static void make_bad(void)
{
    bad[0] = NULL;
    bad[1] = rubbish();
    bad[2] = lsm_block_range_record_alloc(1, 2, 3);
}

static void free_bad(void)
{
    free(bad[1]);
    lsm_block_range_record_free(bad[2]);
}

#define ASSERT_NULL(call) ck_assert_msg((call) == NULL, #call)
#define ASSERT_IS(call, value) ck_assert_msg((call) == (value), #call)

/* What all nouns have. An array that is refused has lost nothing. */
#define ASSERT_REFUSED(noun)                                                                       \
    do {                                                                                           \
        lsm_##noun *array[] = {bad[_i]};                                                           \
        ASSERT_NULL(lsm_##noun##_record_copy(bad[_i]));                                            \
        ASSERT_IS(lsm_##noun##_record_free(bad[_i]), INVALID);                                     \
        ASSERT_IS(lsm_##noun##_record_array_free(NULL, 1), INVALID);                               \
        ASSERT_IS(lsm_##noun##_record_array_free(NULL, 0), INVALID);                               \
        ASSERT_IS(lsm_##noun##_record_array_free(array, 1), INVALID);                              \
    } while (0)

START_TEST(systems)
{
    ASSERT_REFUSED(system);
    ASSERT_NULL(lsm_system_id_get(bad[_i]));
    ASSERT_NULL(lsm_system_name_get(bad[_i]));
    ASSERT_IS(lsm_system_status_get(bad[_i]), UINT32_MAX);
}
END_TEST

START_TEST(pools)
{
    ASSERT_REFUSED(pool);
    ASSERT_NULL(lsm_pool_id_get(bad[_i]));
    ASSERT_NULL(lsm_pool_name_get(bad[_i]));
    ASSERT_NULL(lsm_pool_system_id_get(bad[_i]));
    ASSERT_NULL(lsm_pool_status_info_get(bad[_i]));
    ASSERT_IS(lsm_pool_total_space_get(bad[_i]), 0);
    ASSERT_IS(lsm_pool_free_space_get(bad[_i]), 0);
    ASSERT_IS(lsm_pool_status_get(bad[_i]), UINT64_MAX);
    ASSERT_IS(lsm_pool_element_type_get(bad[_i]), 0);
    ASSERT_IS(lsm_pool_unsupported_actions_get(bad[_i]), 0);
}
END_TEST

START_TEST(volumes)
{
    ASSERT_REFUSED(volume);
    ASSERT_NULL(lsm_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_volume_name_get(bad[_i]));
    ASSERT_NULL(lsm_volume_vpd83_get(bad[_i]));
    ASSERT_NULL(lsm_volume_system_id_get(bad[_i]));
    ASSERT_NULL(lsm_volume_pool_id_get(bad[_i]));
    ASSERT_NULL(lsm_volume_parent_id_get(bad[_i]));
    ASSERT_NULL(lsm_volume_base_path_get(bad[_i]));
    ASSERT_NULL(lsm_volume_tag_get(bad[_i], "key"));
    ASSERT_NULL(lsm_volume_tag_get(bad[_i], NULL));
    ASSERT_IS(lsm_volume_block_size_get(bad[_i]), 0);
    ASSERT_IS(lsm_volume_number_of_blocks_get(bad[_i]), 0);
    ASSERT_IS(lsm_volume_admin_state_get(bad[_i]), 1);
    ASSERT_IS(lsm_volume_provision_get(bad[_i]), LSM_VOLUME_PROVISION_UNKNOWN);
    ASSERT_IS(lsm_volume_allocated_bytes_get(bad[_i]), 0);
    ASSERT_IS(lsm_volume_exclusive_bytes_get(bad[_i]), 0);
    ASSERT_IS(lsm_volume_depth_get(bad[_i]), 0);
    ASSERT_IS(lsm_volume_created_ms_get(bad[_i]), 0);
}
END_TEST

START_TEST(jobs)
{
    ASSERT_REFUSED(job);
    ASSERT_NULL(lsm_job_id_get(bad[_i]));
    ASSERT_NULL(lsm_job_key_get(bad[_i]));
    ASSERT_NULL(lsm_job_source_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_job_target_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_job_error_message_get(bad[_i]));
    ASSERT_IS(lsm_job_kind_get(bad[_i]), LSM_JOB_KIND_UNKNOWN);
    ASSERT_IS(lsm_job_state_get(bad[_i]), LSM_JOB_STATE_UNKNOWN);
    ASSERT_IS(lsm_job_percent_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_bytes_total_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_bytes_done_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_bytes_copied_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_bytes_skipped_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_bytes_per_second_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_eta_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_error_number_get(bad[_i]), LSM_ERR_OK);
    ASSERT_IS(lsm_job_created_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_started_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_job_finished_ms_get(bad[_i]), 0);
}
END_TEST

START_TEST(replications)
{
    ASSERT_REFUSED(replication);
    ASSERT_NULL(lsm_replication_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_source_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_target_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_group_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_generation_get(bad[_i]));
    ASSERT_NULL(lsm_replication_job_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_diverged_volume_id_get(bad[_i]));
    ASSERT_NULL(lsm_replication_error_message_get(bad[_i]));
    ASSERT_IS(lsm_replication_type_get(bad[_i]), LSM_VOLUME_REPLICATE_UNKNOWN);
    ASSERT_IS(lsm_replication_state_get(bad[_i]), LSM_REPLICATION_STATE_UNKNOWN);
    ASSERT_IS(lsm_replication_lag_bytes_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_lag_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_last_sync_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_last_sync_bytes_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_last_sync_duration_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_interval_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_replication_error_number_get(bad[_i]), LSM_ERR_OK);
}
END_TEST

START_TEST(events)
{
    ASSERT_REFUSED(event);
    ASSERT_NULL(lsm_event_object_id_get(bad[_i]));
    ASSERT_IS((int)lsm_event_kind_get(bad[_i]), 0);
    ASSERT_IS(lsm_event_sequence_get(bad[_i]), 0);
    ASSERT_IS(lsm_event_time_ms_get(bad[_i]), 0);
    ASSERT_IS(lsm_event_old_state_get(bad[_i]), -1);
    ASSERT_IS(lsm_event_new_state_get(bad[_i]), -1);
}
END_TEST

/* Freed once, and the pointer let go of: the second time is refused, as for any NULL. */
START_TEST(freeing_twice_by_null)
{
    lsm_block_range *range = lsm_block_range_record_alloc(1, 2, 3);
    ck_assert_int_eq(lsm_block_range_record_free(range), OK);
    range = NULL;
    ck_assert_int_eq(lsm_block_range_record_free(range), INVALID);
    ck_assert_int_eq(lsm_extent_array_free(NULL), INVALID);
    ck_assert_int_eq(lsm_extent_array_free(malloc(sizeof(lsm_extent))), OK);
}
END_TEST

/* A record need not be aligned for its magic to be read. */
START_TEST(a_pointer_of_any_alignment)
{
    char *bytes = calloc(1, 5);
    ASSERT_NULL(lsm_volume_id_get((lsm_volume *)(void *)(bytes + 1)));
    ASSERT_IS(lsm_volume_record_free((lsm_volume *)(void *)(bytes + 1)), INVALID);
    free(bytes);
}
END_TEST

TCase *test_records(void)
{
    TCase *tests = tcase_create("records");
    tcase_add_checked_fixture(tests, make_bad, free_bad);
    tcase_add_loop_test(tests, systems, 0, BAD_COUNT);
    tcase_add_loop_test(tests, pools, 0, BAD_COUNT);
    tcase_add_loop_test(tests, volumes, 0, BAD_COUNT);
    tcase_add_loop_test(tests, jobs, 0, BAD_COUNT);
    tcase_add_loop_test(tests, replications, 0, BAD_COUNT);
    tcase_add_loop_test(tests, events, 0, BAD_COUNT);
    tcase_add_test(tests, freeing_twice_by_null);
    tcase_add_test(tests, a_pointer_of_any_alignment);
    return tests;
}
