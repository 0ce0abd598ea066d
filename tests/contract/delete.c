/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting, and what stands in its way: 205, then 160 while it is open, then 161 while something
 * depends on it. */
#include "suites.h"
#include "image.h"

#define SIZE MIB

START_TEST(delete_open_volume_is_160)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    static const lsm_flag flags[] = {0, LSM_VOLUME_IO_READ_ONLY};
    for (int i = 0; i < 2; i++) {
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, v, &io, flags[i]));
        REFUSED(volume_delete(v), LSM_ERR_IS_MASKED);
        FINE(lsm_volume_io_close(io, 0));
    }
    FINE(volume_delete(v));
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
}
END_TEST

/* The handle of a closed connection counts as well. */
START_TEST(delete_open_volume_is_160_over_connections)
{
    lsm_connect *second = world_connect_again();
    autovolume lsm_volume *v = volume_make("v", SIZE);
    lsm_volume_io *io = NULL;
    ck_assert_int_eq(lsm_volume_io_open(second, v, &io, 0), OK);
    ck_assert_int_eq(lsm_connect_close(second, 0), OK);
    REFUSED(volume_delete(v), LSM_ERR_IS_MASKED);
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
    FINE(volume_delete(v));
}
END_TEST

START_TEST(delete_source_of_clone_is_161)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autovolume lsm_volume *a = clone_make(v, "a"), *b = clone_make(v, "b");
    autoimage struct image *image = image_create(SIZE);
    ck_assert(volume_has_dependants(v));
    ck_assert(!volume_has_dependants(a));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(volume_delete(a));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    world_reopen();
    ck_assert(volume_has_dependants(v));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    SAME(image, b);
    FINE(volume_delete(b));
    ck_assert(!volume_has_dependants(v));
    FINE(volume_delete(v));
}
END_TEST

START_TEST(delete_source_of_running_copy_is_161)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *job = job_in(LSM_JOB_STATE_RUNNING, v, "copy");
    ck_assert(volume_has_dependants(v));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(lsm_job_pause(world.conn, job, 0));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    world_reopen();
    ck_assert(volume_has_dependants(v));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(lsm_job_resume(world.conn, job, 0));
    autovolume lsm_volume *copy = copy_finish(job);
    ck_assert(!volume_has_dependants(v));
    FINE(volume_delete(v));
    SAME(image, copy);
}
END_TEST

START_TEST(delete_source_of_cancelled_copy)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    autotext char *job = job_in(LSM_JOB_STATE_CANCELLED, v, "copy");
    ck_assert(!volume_has_dependants(v));
    FINE(volume_delete(v));
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
}
END_TEST

/* 160 comes before 161. */
START_TEST(delete_order_of_refusals)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    REFUSED(volume_delete(v), LSM_ERR_IS_MASKED);
    FINE(lsm_volume_io_close(io, 0));
    REFUSED(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
}
END_TEST

/* The space of what is deleted comes back, sooner or later. A pool with a limit counts only its
 * own. */
START_TEST(delete_gives_space_back)
{
    autopool lsm_pool *pool = NULL;
    FINE(lsm_pool_create(world.conn, "limited", NULL, 64 * MIB, &pool, 0));
    uint64_t before = lsm_pool_free_space_get(pool), after = 0;
    autovolume lsm_volume *v = volume_make_in(pool, "v", 16 * MIB, THIN);
    autoimage struct image *image = image_create(16 * MIB);
    image_fill(image, v, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    image_fill(image, clone, 2);
    pool_look(&pool);
    ck_assert_uint_le(lsm_pool_free_space_get(pool) + 32 * MIB, before);
    FINE(volume_delete(clone));
    FINE(volume_delete(v));
    for (int i = 0; i < 500 && after + MIB < before; i++) {
        sleep_ms(10);
        pool_look(&pool);
        after = lsm_pool_free_space_get(pool);
    }
    ck_assert_uint_ge(after + MIB, before);
}
END_TEST

TCase *delete_volume(void)
{
    TCase *tests = tcase_create("delete");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, delete_open_volume_is_160);
    tcase_add_test(tests, delete_open_volume_is_160_over_connections);
    tcase_add_test(tests, delete_source_of_clone_is_161);
    tcase_add_test(tests, delete_source_of_running_copy_is_161);
    tcase_add_test(tests, delete_source_of_cancelled_copy);
    tcase_add_test(tests, delete_order_of_refusals);
    tcase_add_test(tests, delete_gives_space_back);
    return tests;
}
