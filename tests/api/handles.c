/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every call that takes a handle, given none: NULL, and four bytes of rubbish. 101, whatever else
 * is wrong, and every output is as it was.
 */
#include "test.h"

#define BAD_COUNT 2
static void *bad[BAD_COUNT];

static void make_bad(void)
{
    bad[0] = NULL;
    bad[1] = rubbish();
}

static void free_bad(void)
{
    free(bad[1]);
}

#define REFUSED(call) ck_assert_msg((call) == INVALID, #call)

START_TEST(connections)
{
    lsm_connect *conn = bad[_i];
    uint32_t number = 7;
    char *text = NULL, *other = NULL;

    REFUSED(lsm_connect_close(conn, 0));
    REFUSED(lsm_connect_timeout_set(conn, 1, 0));
    REFUSED(lsm_connect_timeout_get(conn, &number, 0));
    REFUSED(lsm_plugin_info_get(conn, &text, &other, 0));
    ck_assert_ptr_null(lsm_error_last_get(conn));
    ck_assert_uint_eq(number, 7);
    ck_assert(!text && !other);
}
END_TEST

START_TEST(lists)
{
    lsm_connect *conn = bad[_i];
    void *array = NULL;
    uint32_t count = 7;
    lsm_storage_capabilities *cap = NULL;

    REFUSED(lsm_system_list(conn, (lsm_system ***)&array, &count, 0));
    REFUSED(lsm_pool_list(conn, NULL, NULL, (lsm_pool ***)&array, &count, 0));
    REFUSED(lsm_volume_list(conn, NULL, NULL, (lsm_volume ***)&array, &count, 0));
    REFUSED(lsm_job_list(conn, NULL, NULL, (lsm_job ***)&array, &count, 0));
    REFUSED(lsm_job_volume_list(conn, "id", (lsm_volume ***)&array, &count, 0));
    REFUSED(lsm_replication_list(conn, NULL, NULL, (lsm_replication ***)&array, &count, 0));
    REFUSED(lsm_capabilities(conn, NULL, &cap, 0));
    ck_assert(!array && !cap && count == 7);
}
END_TEST

START_TEST(volumes_and_pools)
{
    lsm_connect *conn = bad[_i];
    lsm_volume *volume = NULL;
    lsm_pool *pool = NULL;
    char *job = NULL;
    uint8_t yes = 7;

    REFUSED(lsm_pool_create(conn, "p", NULL, 0, &pool, 0));
    REFUSED(lsm_pool_delete(conn, NULL, 0));
    REFUSED(lsm_pool_check(conn, NULL, &job, 0));
    REFUSED(lsm_volume_create(conn, NULL, "v", 1, LSM_VOLUME_PROVISION_THIN, &volume, &job, 0));
    REFUSED(lsm_volume_resize(conn, NULL, 1, &volume, &job, 0));
    REFUSED(lsm_volume_delete(conn, NULL, &job, 0));
    REFUSED(lsm_volume_rename(conn, NULL, "v", &volume, 0));
    REFUSED(lsm_volume_enable(conn, NULL, 0));
    REFUSED(lsm_volume_disable(conn, NULL, 0));
    REFUSED(lsm_volume_child_dependency(conn, NULL, &yes, 0));
    REFUSED(lsm_volume_child_dependency_delete(conn, NULL, &job, 0));
    REFUSED(lsm_volume_tag_set(conn, NULL, "k", "v", 0));
    ck_assert(!volume && !pool && !job && yes == 7);
}
END_TEST

START_TEST(replicating)
{
    lsm_connect *conn = bad[_i];
    lsm_volume *volume = NULL, **volumes = NULL;
    const char *names[] = {"v"};
    char *job = NULL;
    uint32_t number = 7;

    REFUSED(
        lsm_volume_replicate(conn, NULL, LSM_VOLUME_REPLICATE_CLONE, NULL, "v", &volume, &job, 0));
    REFUSED(lsm_volume_replicate_with(conn, NULL, LSM_VOLUME_REPLICATE_CLONE, NULL, "v", NULL,
                                      &volume, &job, 0));
    REFUSED(lsm_volume_group_replicate(conn, NULL, LSM_VOLUME_REPLICATE_CLONE, NULL, names, 1, NULL,
                                       &volumes, &number, &job, 0));
    REFUSED(lsm_volume_replicate_range_block_size(conn, NULL, &number, 0));
    REFUSED(
        lsm_volume_replicate_range(conn, LSM_VOLUME_REPLICATE_COPY, NULL, NULL, NULL, 0, &job, 0));
    ck_assert(!volume && !volumes && !job && number == 7);
}
END_TEST

START_TEST(jobs)
{
    lsm_connect *conn = bad[_i];
    lsm_job_status status = LSM_JOB_COMPLETE;
    uint8_t percent = 7;
    lsm_volume *volume = NULL;
    lsm_job *record = NULL;
    char *job = strdup("id");

    REFUSED(lsm_job_status_get(conn, "id", &status, &percent, 0));
    REFUSED(lsm_job_status_volume_get(conn, "id", &status, &percent, &volume, 0));
    REFUSED(lsm_job_free(conn, &job, 0));
    REFUSED(lsm_job_get(conn, "id", &record, 0));
    REFUSED(lsm_job_wait(conn, "id", 0, &record, 0));
    REFUSED(lsm_job_cancel(conn, "id", 0));
    REFUSED(lsm_job_pause(conn, "id", 0));
    REFUSED(lsm_job_resume(conn, "id", 0));
    REFUSED(lsm_job_rate_limit_set(conn, "id", 1, 0));
    ck_assert(status == LSM_JOB_COMPLETE && percent == 7 && !volume && !record);
    ck_assert_str_eq(job, "id");
    free(job);
}
END_TEST

START_TEST(replications)
{
    lsm_connect *conn = bad[_i];
    lsm_replication *record = NULL;
    char *job = NULL;

    REFUSED(lsm_replication_get(conn, "id", &record, 0));
    REFUSED(lsm_replication_sync(conn, "id", &job, 0));
    REFUSED(lsm_replication_pause(conn, "id", 0));
    REFUSED(lsm_replication_resume(conn, "id", 0));
    REFUSED(lsm_replication_interval_set(conn, "id", 1, 0));
    REFUSED(lsm_replication_promote(conn, "id", &job, 0));
    REFUSED(lsm_replication_reverse(conn, "id", &job, 0));
    REFUSED(lsm_replication_break(conn, "id", 0));
    ck_assert(!record && !job);
}
END_TEST

START_TEST(event_queues)
{
    lsm_event_queue *queue = NULL;
    lsm_event *event = NULL;
    int fd = 7;

    REFUSED(lsm_event_queue_open(bad[_i], &queue, 0));
    REFUSED(lsm_event_queue_close(bad[_i]));
    REFUSED(lsm_event_queue_fd_get(bad[_i], &fd));
    REFUSED(lsm_event_next(bad[_i], &event));
    ck_assert(!queue && !event && fd == 7);
}
END_TEST

START_TEST(io_handles)
{
    lsm_volume_io *io = NULL;
    char byte = 7;
    lsm_extent *extents = NULL;
    uint32_t n = 7;

    REFUSED(lsm_volume_io_open(bad[_i], NULL, &io, 0));
    REFUSED(lsm_volume_io_pread(bad[_i], &byte, 1, 0, 0));
    REFUSED(lsm_volume_io_pread(bad[_i], NULL, 0, 0, 0));
    REFUSED(lsm_volume_io_pwrite(bad[_i], &byte, 1, 0, 0));
    REFUSED(lsm_volume_io_write_zeroes(bad[_i], 1, 0, 0));
    REFUSED(lsm_volume_io_discard(bad[_i], 1, 0, 0));
    REFUSED(lsm_volume_io_flush(bad[_i], 0));
    REFUSED(lsm_volume_io_extents(bad[_i], 1, 0, &extents, &n, 0));
    REFUSED(lsm_volume_io_close(bad[_i], 0));
    ck_assert_uint_eq(lsm_volume_io_size_get(bad[_i]), 0);
    ck_assert_ptr_null(lsm_volume_io_error_last_get(bad[_i]));
    ck_assert(!io && byte == 7 && !extents && n == 7);
}
END_TEST

TCase *test_handles(void)
{
    TCase *tests = tcase_create("handles");
    tcase_add_checked_fixture(tests, make_bad, free_bad);
    tcase_add_loop_test(tests, connections, 0, BAD_COUNT);
    tcase_add_loop_test(tests, lists, 0, BAD_COUNT);
    tcase_add_loop_test(tests, volumes_and_pools, 0, BAD_COUNT);
    tcase_add_loop_test(tests, replicating, 0, BAD_COUNT);
    tcase_add_loop_test(tests, jobs, 0, BAD_COUNT);
    tcase_add_loop_test(tests, replications, 0, BAD_COUNT);
    tcase_add_loop_test(tests, event_queues, 0, BAD_COUNT);
    tcase_add_loop_test(tests, io_handles, 0, BAD_COUNT);
    return tests;
}
