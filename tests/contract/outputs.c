/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outputs: they must be given and point at NULL, stay as they were when a call fails, and are all
 * set when it succeeds: a result or a job, never both. */
#include "suites.h"

static lsm_volume *source;

static void make_source(void)
{
    world_make();
    source = volume_make("source", MIB);
}

static void remove_source(void)
{
    lsm_volume_record_free(source);
    world_remove();
}

/* What a pointer that holds an earlier result points at; calls must leave it alone. */
#define EARLIER ((void *)(intptr_t)0x5a)

START_TEST(output_missing_is_101)
{
    lsm_connect *c = world.conn;
    lsm_volume *volume = NULL, **volumes = NULL;
    lsm_pool *pool = NULL;
    char *job = NULL;
    uint32_t n = 77;
    uint8_t percent = 77;
    lsm_job_status status = 77;
    REFUSED(lsm_volume_create(c, world.pool, "v", MIB, THIN, NULL, &job, 0), INVALID);
    REFUSED(lsm_volume_create(c, world.pool, "v", MIB, THIN, &volume, NULL, 0), INVALID);
    REFUSED(lsm_volume_replicate(c, NULL, CLONE, source, "v", NULL, &job, 0), INVALID);
    REFUSED(lsm_volume_replicate(c, NULL, COPY, source, "v", &volume, NULL, 0), INVALID);
    REFUSED(lsm_volume_resize(c, source, 2 * MIB, NULL, &job, 0), INVALID);
    REFUSED(lsm_volume_resize(c, source, 2 * MIB, &volume, NULL, 0), INVALID);
    REFUSED(lsm_volume_rename(c, source, "v", NULL, 0), INVALID);
    REFUSED(lsm_volume_delete(c, source, NULL, 0), INVALID);
    REFUSED(lsm_volume_list(c, NULL, NULL, NULL, &n, 0), INVALID);
    REFUSED(lsm_volume_list(c, NULL, NULL, &volumes, NULL, 0), INVALID);
    REFUSED(lsm_volume_child_dependency(c, source, NULL, 0), INVALID);
    REFUSED(lsm_volume_io_open(c, source, NULL, 0), INVALID);
    REFUSED(lsm_pool_create(c, "p", NULL, 0, NULL, 0), INVALID);
    REFUSED(lsm_pool_list(c, NULL, NULL, NULL, &n, 0), INVALID);
    REFUSED(lsm_job_status_get(c, "x", NULL, &percent, 0), INVALID);
    REFUSED(lsm_job_status_get(c, "x", &status, NULL, 0), INVALID);
    REFUSED(lsm_job_status_volume_get(c, "x", &status, &percent, NULL, 0), INVALID);
    REFUSED(lsm_job_list(c, NULL, NULL, NULL, &n, 0), INVALID);
    REFUSED(lsm_job_get(c, "x", NULL, 0), INVALID);
    REFUSED(lsm_job_wait(c, "x", 0, NULL, 0), INVALID);
    REFUSED(lsm_event_queue_open(c, NULL, 0), INVALID);
    REFUSED(lsm_capabilities(c, NULL, NULL, 0), INVALID);
    ck_assert_uint_eq(n, 77);
    ck_assert_ptr_null(pool);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
}
END_TEST

/* Two outputs, one of them in use: the other is not touched either. */
START_TEST(output_in_use_is_101)
{
    lsm_connect *c = world.conn;
    lsm_volume *volume = EARLIER, *none = NULL, **volumes = EARLIER;
    char *job = EARLIER, *no_job = NULL;
    lsm_job *record = EARLIER, **records = EARLIER;
    lsm_volume_io *io = EARLIER;
    lsm_event_queue *queue = EARLIER;
    lsm_pool *pool = EARLIER, **pools = EARLIER;
    lsm_system **systems = EARLIER;
    uint32_t n = 77;
    uint8_t percent = 77;
    lsm_job_status status = 77;
    REFUSED(lsm_volume_create(c, world.pool, "v", MIB, THIN, &volume, &no_job, 0), INVALID);
    REFUSED(lsm_volume_create(c, world.pool, "v", MIB, THIN, &none, &job, 0), INVALID);
    REFUSED(lsm_volume_replicate(c, NULL, CLONE, source, "v", &volume, &no_job, 0), INVALID);
    REFUSED(lsm_volume_replicate(c, NULL, COPY, source, "v", &none, &job, 0), INVALID);
    REFUSED(lsm_volume_resize(c, source, 2 * MIB, &volume, &no_job, 0), INVALID);
    REFUSED(lsm_volume_rename(c, source, "v", &volume, 0), INVALID);
    REFUSED(lsm_volume_delete(c, source, &job, 0), INVALID);
    REFUSED(lsm_volume_list(c, NULL, NULL, &volumes, &n, 0), INVALID);
    REFUSED(lsm_pool_create(c, "p", NULL, 0, &pool, 0), INVALID);
    REFUSED(lsm_pool_list(c, NULL, NULL, &pools, &n, 0), INVALID);
    REFUSED(lsm_system_list(c, &systems, &n, 0), INVALID);
    REFUSED(lsm_job_list(c, NULL, NULL, &records, &n, 0), INVALID);
    REFUSED(lsm_job_get(c, "x", &record, 0), INVALID);
    REFUSED(lsm_job_status_volume_get(c, "x", &status, &percent, &volume, 0), INVALID);
    REFUSED(lsm_volume_io_open(c, source, &io, 0), INVALID);
    REFUSED(lsm_event_queue_open(c, &queue, 0), INVALID);
    ck_assert_ptr_eq(volume, EARLIER);
    ck_assert_ptr_eq(job, EARLIER);
    ck_assert_ptr_eq(volumes, EARLIER);
    ck_assert_ptr_eq(record, EARLIER);
    ck_assert_ptr_eq(records, EARLIER);
    ck_assert_ptr_eq(io, EARLIER);
    ck_assert_ptr_eq(queue, EARLIER);
    ck_assert_ptr_eq(pool, EARLIER);
    ck_assert_ptr_eq(pools, EARLIER);
    ck_assert_ptr_eq(systems, EARLIER);
    ck_assert_ptr_null(none);
    ck_assert_ptr_null(no_job);
    ck_assert_uint_eq(n, 77);
    ck_assert_uint_eq(percent, 77);
    ck_assert_int_eq((int)status, 77);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    ck_assert_uint_eq(pool_count(), 1);
}
END_TEST

START_TEST(output_untouched_when_the_backend_refuses)
{
    lsm_volume *volume = NULL;
    char *job = NULL;
    REFUSED(lsm_volume_create(world.conn, world.pool, "source", MIB, THIN, &volume, &job, 0),
            LSM_ERR_NAME_CONFLICT);
    REFUSED(lsm_volume_replicate(world.conn, NULL, COPY, source, "source", &volume, &job, 0),
            LSM_ERR_NAME_CONFLICT);
    REFUSED(lsm_volume_resize(world.conn, source, MIB, &volume, &job, 0), LSM_ERR_NO_STATE_CHANGE);
    ck_assert_ptr_null(volume);
    ck_assert_ptr_null(job);
}
END_TEST

START_TEST(output_is_a_result_or_a_job)
{
    lsm_volume *clone = NULL, *copy = NULL;
    char *no_job = NULL, *job = NULL;
    FINE(lsm_volume_replicate(world.conn, NULL, CLONE, source, "clone", &clone, &no_job, 0));
    ck_assert_ptr_nonnull(clone);
    ck_assert_ptr_null(no_job);
    STARTED(lsm_volume_replicate(world.conn, NULL, COPY, source, "copy", &copy, &job, 0));
    ck_assert_ptr_null(copy);
    ck_assert_ptr_nonnull(job);
    lsm_volume_record_free(clone);
    let_go_of_volume(&(lsm_volume *){copy_finish(job)});
}
END_TEST

START_TEST(flags_unknown_are_101)
{
    lsm_connect *c = world.conn;
    lsm_volume *volume = NULL, **volumes = NULL;
    lsm_volume_io *io = NULL;
    lsm_event_queue *queue = NULL;
    char *job = NULL;
    uint32_t n = 77;
    const lsm_flag flag = 1ull << 40;
    REFUSED_SAYING(lsm_volume_create(c, world.pool, "v", MIB, THIN, &volume, &job, flag), INVALID,
                   "flags");
    REFUSED(lsm_volume_replicate(c, NULL, CLONE, source, "v", &volume, &job, flag), INVALID);
    REFUSED(lsm_volume_resize(c, source, 2 * MIB, &volume, &job, flag), INVALID);
    REFUSED(lsm_volume_delete(c, source, &job, flag), INVALID);
    REFUSED(lsm_volume_list(c, NULL, NULL, &volumes, &n, 1), INVALID);
    REFUSED(lsm_volume_io_open(c, source, &io, LSM_VOLUME_IO_FUA), INVALID);
    REFUSED(lsm_volume_enable(c, source, 1), INVALID);
    REFUSED(lsm_job_cancel(c, "x", 1), INVALID);
    REFUSED(lsm_event_queue_open(c, &queue, 1), INVALID);
    REFUSED(lsm_connect_close(c, 1), INVALID);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

TCase *outputs(void)
{
    TCase *tests = tcase_create("outputs");
    tcase_add_checked_fixture(tests, make_source, remove_source);
    tcase_add_test(tests, output_missing_is_101);
    tcase_add_test(tests, output_in_use_is_101);
    tcase_add_test(tests, output_untouched_when_the_backend_refuses);
    tcase_add_test(tests, output_is_a_result_or_a_job);
    tcase_add_test(tests, flags_unknown_are_101);
    return tests;
}
