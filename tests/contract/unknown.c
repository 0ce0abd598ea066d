/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of what is gone, or was never here: every call that takes one says so. Ids are not used
 * again, so a stale record never acts on something else. */
#include "suites.h"

/* Each call that takes a volume, on a volume that is not there. */
static void every_call_is_205(lsm_volume *gone)
{
    lsm_volume *made = NULL;
    lsm_volume_io *io = NULL;
    char *job = NULL;
    uint8_t yes = 0;
    REFUSED(lsm_volume_delete(world.conn, gone, &job, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_resize(world.conn, gone, MIB, &made, &job, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_rename(world.conn, gone, "n", &made, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_enable(world.conn, gone, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_disable(world.conn, gone, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_tag_set(world.conn, gone, "k", "v", 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_tag_set(world.conn, gone, "k", NULL, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_child_dependency(world.conn, gone, &yes, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_io_open(world.conn, gone, &io, 0), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(lsm_volume_io_open(world.conn, gone, &io, LSM_VOLUME_IO_READ_ONLY),
            LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(replicate(NULL, CLONE, gone, "n", NULL), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(replicate(world.pool, COPY, gone, "n", NULL), LSM_ERR_NOT_FOUND_VOLUME);
    if (world_can(LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM))
        REFUSED(lsm_volume_child_dependency_delete(world.conn, gone, &job, 0),
                LSM_ERR_NOT_FOUND_VOLUME);
    ck_assert_ptr_null(made);
    ck_assert_ptr_null(job);
    ck_assert_ptr_null(io);
}

START_TEST(volume_deleted_is_205)
{
    autovolume lsm_volume *gone = volume_make("v", MIB);
    FINE(volume_delete(gone));
    every_call_is_205(gone);
    autovolume lsm_volume *same_name = volume_make("v", MIB);
    every_call_is_205(gone);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

START_TEST(volume_deleted_is_205_after_reopening)
{
    autovolume lsm_volume *gone = volume_make("v", MIB);
    FINE(volume_delete(gone));
    world_reopen();
    autovolume lsm_volume *same_name = volume_make("v", MIB);
    ck_assert_str_ne(lsm_volume_id_get(gone), lsm_volume_id_get(same_name));
    every_call_is_205(gone);
}
END_TEST

/* A record of another system's volume, whose id means nothing here. */
START_TEST(record_of_other_connection_is_205)
{
    char uri[500];
    lsm_connect *here = world.conn;
    lsm_error_ptr e = NULL;
    if (!world.directory[0])
        return;
    snprintf(uri, sizeof uri, "dir://%s", scratch_directory());
    lsm_pool *pool = world.pool;
    world.pool = NULL;
    world.conn = NULL;
    ck_assert_int_eq(world_connect(uri, &world.conn, &e), OK);
    lsm_connect *there = world.conn;
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    FINE(lsm_pool_list(there, NULL, NULL, &pools, &count, 0));
    autovolume lsm_volume *foreign = volume_make_in(pools[0], "v", MIB, THIN);
    world.conn = here;
    world.pool = pool;
    every_call_is_205(foreign);
    lsm_volume *made = NULL;
    char *job = NULL;
    REFUSED(lsm_volume_create(here, pools[0], "w", MIB, THIN, &made, &job, 0),
            LSM_ERR_NOT_FOUND_POOL);
    autovolume lsm_volume *own = volume_make("own", MIB);
    REFUSED(replicate(pools[0], COPY, own, "n", NULL), LSM_ERR_NOT_FOUND_POOL);
    lsm_pool_record_array_free(pools, count);
    ck_assert_int_eq(lsm_connect_close(there, 0), OK);
}
END_TEST

/* Two connections to one system share everything. */
START_TEST(record_of_second_connection_works)
{
    lsm_connect *second = world_connect_again();
    autovolume lsm_volume *v = volume_make("v", MIB);
    autovolume lsm_volume *renamed = NULL;
    FINE(lsm_volume_rename(second, v, "w", &renamed, 0));
    ck_assert_int_eq(lsm_connect_close(second, 0), OK);
    volume_look(&v);
    ck_assert_str_eq(lsm_volume_name_get(v), "w");
}
END_TEST

START_TEST(pool_deleted_is_203)
{
    autopool lsm_pool *gone = pool_make("gone");
    autovolume lsm_volume *v = volume_make("v", MIB), *made = NULL;
    autotext char *job = NULL;
    FINE(lsm_pool_delete(world.conn, gone, 0));
    REFUSED(lsm_pool_delete(world.conn, gone, 0), LSM_ERR_NOT_FOUND_POOL);
    REFUSED(lsm_volume_create(world.conn, gone, "w", MIB, THIN, &made, &job, 0),
            LSM_ERR_NOT_FOUND_POOL);
    REFUSED(replicate(gone, COPY, v, "w", NULL), LSM_ERR_NOT_FOUND_POOL);
    REFUSED(replicate(gone, CLONE, v, "w", NULL), LSM_ERR_NOT_FOUND_POOL);
    autopool lsm_pool *again = pool_make("gone");
    ck_assert_str_ne(lsm_pool_id_get(gone), lsm_pool_id_get(again));
    REFUSED(lsm_pool_delete(world.conn, gone, 0), LSM_ERR_NOT_FOUND_POOL);
}
END_TEST

/* Each call that takes a job's id. */
static void every_call_is_202(const char *id)
{
    lsm_job_status status = 77;
    uint8_t percent = 77;
    lsm_volume *volume = NULL, **volumes = NULL;
    lsm_job *job = NULL;
    uint32_t count = 77;
    char *text = strdup(id);
    REFUSED(lsm_job_status_get(world.conn, id, &status, &percent, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_status_volume_get(world.conn, id, &status, &percent, &volume, 0),
            LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_get(world.conn, id, &job, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_wait(world.conn, id, 0, &job, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_wait(world.conn, id, 1000, &job, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_volume_list(world.conn, id, &volumes, &count, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_cancel(world.conn, id, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_pause(world.conn, id, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_resume(world.conn, id, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_rate_limit_set(world.conn, id, 1, 0), LSM_ERR_NOT_FOUND_JOB);
    REFUSED(lsm_job_free(world.conn, &text, 0), LSM_ERR_NOT_FOUND_JOB);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, id);
    free(text);
    ck_assert_int_eq((int)status, 77);
    ck_assert_uint_eq(percent, 77);
    ck_assert_uint_eq(count, 77);
    ck_assert_ptr_null(volume);
    ck_assert_ptr_null(volumes);
    ck_assert_ptr_null(job);
}

START_TEST(job_unknown_is_202)
{
    every_call_is_202("nosuch");
    every_call_is_202("");
    every_call_is_202("00000000000000000000000000000000");
    every_call_is_202("%s%n ' OR 1=1; --");
}
END_TEST

START_TEST(job_id_null_is_101)
{
    lsm_job_status status;
    uint8_t percent;
    lsm_job *job = NULL;
    char *none = NULL;
    REFUSED(lsm_job_status_get(world.conn, NULL, &status, &percent, 0), INVALID);
    REFUSED(lsm_job_get(world.conn, NULL, &job, 0), INVALID);
    REFUSED(lsm_job_wait(world.conn, NULL, 0, &job, 0), INVALID);
    REFUSED(lsm_job_cancel(world.conn, NULL, 0), INVALID);
    REFUSED(lsm_job_free(world.conn, &none, 0), INVALID);
    REFUSED(lsm_job_free(world.conn, NULL, 0), INVALID);
}
END_TEST

START_TEST(replication_unknown_is_1007)
{
    lsm_replication *replication = NULL, **replications = NULL;
    uint32_t count = 77;
    bool mirrors = world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC) ||
                   world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC);
    int rc = lsm_replication_get(world.conn, "nosuch", &replication, 0);
    REFUSED(rc, mirrors ? LSM_ERR_NOT_FOUND_REPLICATION : LSM_ERR_NO_SUPPORT);
    ck_assert_ptr_null(replication);
    if (!mirrors)
        return;
    FINE(lsm_replication_list(world.conn, NULL, NULL, &replications, &count, 0));
    ck_assert_uint_eq(count, 0);
}
END_TEST

TCase *unknown(void)
{
    TCase *tests = tcase_create("unknown");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, volume_deleted_is_205);
    tcase_add_test(tests, volume_deleted_is_205_after_reopening);
    tcase_add_test(tests, record_of_other_connection_is_205);
    tcase_add_test(tests, record_of_second_connection_works);
    tcase_add_test(tests, pool_deleted_is_203);
    tcase_add_test(tests, job_unknown_is_202);
    tcase_add_test(tests, job_id_null_is_101);
    tcase_add_test(tests, replication_unknown_is_1007);
    return tests;
}
