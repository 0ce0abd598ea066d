/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job's target: not there before it is DONE, its name taken from the start, and gone with the
 * job. */
#include "suites.h"
#include "image.h"

#define SIZE MIB

static lsm_volume *source;
static struct image *image;

static void make(void)
{
    world_make();
    source = volume_make("source", SIZE);
    image = image_create(SIZE);
    image_fill(image, source, 1);
}

static void unmake(void)
{
    image_destroy(&image);
    lsm_volume_record_free(source);
    world_remove();
}

static void is_not_there(const char *target)
{
    ck_assert_uint_eq(volume_count("id", target), 0);
    ck_assert_uint_eq(volume_count("name", "copy"), 0);
    ck_assert_uint_eq(volume_count("pool_id", lsm_pool_id_get(world.pool)), 1);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}

START_TEST(target_is_invisible_until_done)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    job_await(id, LSM_JOB_STATE_RUNNING);
    autojob lsm_job *job = job_look(id);
    const char *target = lsm_job_target_volume_id_get(job);
    is_not_there(target);
    FINE(lsm_job_pause(world.conn, id, 0));
    is_not_there(target);
    world_reopen();
    is_not_there(target);
    FINE(lsm_job_resume(world.conn, id, 0));
    autovolume lsm_volume *copy = copy_finish(id);
    ck_assert_str_eq(lsm_volume_id_get(copy), target);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
    ck_assert_uint_eq(volume_count("name", "copy"), 1);
    SAME(image, copy);
}
END_TEST

START_TEST(target_name_is_reserved)
{
    autotext char *id = copy_start(NULL, source, "copy", HELD), *job = NULL;
    autovolume lsm_volume *made = NULL;
    for (int again = 0; again < 2; again++) {
        REFUSED_SAYING(
            lsm_volume_create(world.conn, world.pool, "copy", SIZE, THIN, &made, &job, 0),
            LSM_ERR_NAME_CONFLICT, id);
        REFUSED_SAYING(replicate(NULL, CLONE, source, "copy", NULL), LSM_ERR_NAME_CONFLICT, id);
        REFUSED_SAYING(replicate(NULL, COPY, source, "copy", NULL), LSM_ERR_NAME_CONFLICT, id);
        REFUSED_SAYING(lsm_volume_rename(world.conn, source, "copy", &made, 0),
                       LSM_ERR_NAME_CONFLICT, id);
        world_reopen();
    }
    FINE(lsm_job_cancel(world.conn, id, 0));
    made = volume_make("copy", SIZE);
}
END_TEST

START_TEST(target_name_is_free_in_another_pool)
{
    autopool lsm_pool *other = pool_make("other");
    autotext char *id = copy_start(other, source, "copy", HELD);
    autovolume lsm_volume *v = volume_make("copy", CLUSTER);
    REFUSED(replicate(other, COPY, v, "copy", NULL), LSM_ERR_NAME_CONFLICT);
}
END_TEST

START_TEST(target_is_gone_after_failure)
{
    if (!job_can_be(LSM_JOB_STATE_FAILED))
        return;
    autotext char *id = job_in(LSM_JOB_STATE_FAILED, source, "copy");
    autojob lsm_job *job = job_look(id);
    is_not_there(lsm_job_target_volume_id_get(job));
    world_reopen();
    is_not_there(lsm_job_target_volume_id_get(job));
    ck_assert(!volume_has_dependants(source));
    SAME(image, source);
    autovolume lsm_volume *copy = copy_make(NULL, source, "copy");
    SAME(image, copy);
}
END_TEST

/* A copy is whole by itself: it stands on nothing, and takes all of its size. */
START_TEST(target_is_a_full_volume)
{
    autovolume lsm_volume *copy = copy_make(NULL, source, "copy");
    ck_assert_ptr_null(lsm_volume_parent_id_get(copy));
    ck_assert_uint_eq(lsm_volume_depth_get(copy), 1);
    ck_assert_uint_ge(lsm_volume_allocated_bytes_get(copy), SIZE);
    ck_assert_uint_ge(lsm_volume_exclusive_bytes_get(copy), SIZE);
    ck_assert(!volume_has_dependants(source));
}
END_TEST

TCase *job_target(void)
{
    TCase *tests = tcase_create("job_target");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, target_is_invisible_until_done);
    tcase_add_test(tests, target_name_is_reserved);
    tcase_add_test(tests, target_name_is_free_in_another_pool);
    tcase_add_test(tests, target_is_gone_after_failure);
    tcase_add_test(tests, target_is_a_full_volume);
    return tests;
}
