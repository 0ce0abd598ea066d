/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies, byte for byte: the instant of the call, sharing nothing with the source afterwards. */
#include "suites.h"
#include "image.h"

#define SIZE (3 * MIB + 5 * CLUSTER)

static void scribble(struct image *image, lsm_volume *volume, uint32_t *seed, int times)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    for (int i = 0; i < times; i++)
        image_scribble(image, io, seed);
}

START_TEST(copy_is_independent)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    autoimage struct image *of_v = image_create(SIZE);
    uint32_t seed = 3;
    image_fill(of_v, v, 1);
    scribble(of_v, v, &seed, 20);
    autovolume lsm_volume *copy = copy_make(NULL, v, "copy");
    autoimage struct image *of_copy = image_copy(of_v);
    SAME(of_copy, copy);
    scribble(of_v, v, &seed, 20);
    SAME(of_copy, copy);
    scribble(of_copy, copy, &seed, 20);
    SAME(of_v, v);
    world_reopen();
    SAME(of_v, v);
    SAME(of_copy, copy);
    FINE(volume_delete(v));
    SAME(of_copy, copy);
}
END_TEST

/* Written while it is copied, through handles opened before and after the call. */
START_TEST(copy_is_the_instant_of_the_call)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *io = NULL;
    uint32_t seed = 8;
    image_fill(image, v, 1);
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    autoimage struct image *instant = image_copy(image);
    char *job = copy_start(NULL, v, "copy", HELD);
    for (int i = 0; i < 30; i++)
        image_scribble(image, io, &seed);
    image_discard(image, io, 0, SIZE / 4);
    scribble(image, v, &seed, 20);
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(instant, copy);
    SAME_THROUGH(image, io);
}
END_TEST

START_TEST(copy_of_zeros_and_holes)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    autoimage struct image *image = image_create(SIZE);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    image_write(image, io, MIB + 77, 10, 1); /* one cluster in the middle of nothing */
    image_write(image, io, 2 * MIB, MIB / 2, 2);
    image_zero(image, io, 2 * MIB + 4 * KIB, MIB / 4);
    image_write(image, io, SIZE - 1, 1, 3);
    FINE(lsm_volume_io_close(io, 0));
    autovolume lsm_volume *copy = copy_make(NULL, v, "copy");
    SAME(image, copy);
}
END_TEST

/* Of a clone with data of its own, and holes in it that must not let the source through. */
START_TEST(copy_of_a_clone)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *of_v = image_create(SIZE);
    lsm_volume_io *io = NULL;
    uint32_t seed = 12;
    image_fill(of_v, v, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    autoimage struct image *image = image_copy(of_v);
    FINE(lsm_volume_io_open(world.conn, clone, &io, 0));
    image_discard(image, io, 0, MIB);
    image_zero(image, io, MIB + 100, MIB / 2);
    for (int i = 0; i < 20; i++)
        image_scribble(image, io, &seed);
    FINE(lsm_volume_io_close(io, 0));
    autovolume lsm_volume *copy = copy_make(NULL, clone, "copy");
    SAME(image, copy);
    SAME(image, clone);
    SAME(of_v, v);
    FINE(volume_delete(clone));
    FINE(volume_delete(v));
    world_reopen();
    SAME(image, copy);
}
END_TEST

START_TEST(copy_of_a_copy_and_its_clones)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 13;
    image_fill(image, v, 1);
    autovolume lsm_volume *copy = copy_make(NULL, v, "copy");
    autovolume lsm_volume *clone = clone_make(copy, "clone of the copy");
    autoimage struct image *of_clone = image_copy(image);
    scribble(of_clone, clone, &seed, 20);
    autovolume lsm_volume *second = copy_make(NULL, clone, "copy of the clone");
    SAME(of_clone, second);
    SAME(image, copy);
    REFUSED(volume_delete(copy), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(volume_delete(clone));
    FINE(volume_delete(copy));
    SAME(of_clone, second);
}
END_TEST

START_TEST(copy_between_pools)
{
    autopool lsm_pool *other = NULL;
    if (_i)
        FINE(lsm_pool_create(world.conn, "other", scratch_directory(), 0, &other, 0));
    else
        other = pool_make("other");
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 21;
    image_fill(image, v, 1);
    char *job = copy_start(other, v, "v", HELD);
    autoimage struct image *instant = image_copy(image);
    scribble(image, v, &seed, 10);
    world_reopen();
    job_await(job, LSM_JOB_STATE_RUNNING);
    scribble(image, v, &seed, 10);
    autovolume lsm_volume *copy = copy_finish(job);
    ck_assert_str_eq(lsm_volume_pool_id_get(copy), lsm_pool_id_get(other));
    SAME(instant, copy);
    SAME(image, v);
    FINE(volume_delete(v));
    autovolume lsm_volume *back = copy_make(world.pool, copy, "v");
    SAME(instant, back);
    world_reopen();
    SAME(instant, copy);
    SAME(instant, back);
    FINE(volume_delete(copy));
    FINE(lsm_pool_delete(world.conn, other, 0));
    SAME(instant, back);
}
END_TEST

START_TEST(copy_that_is_read_back)
{
    autovolume lsm_volume *v = volume_make("v", SIZE), *none = NULL;
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    autoimage struct image *image = image_create(SIZE);
    char *job = NULL;
    uint32_t seed = 17;
    image_fill(image, v, 1);
    scribble(image, v, &seed, 20);
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, LSM_VERIFY_READ_BACK), OK);
    STARTED(lsm_volume_replicate_with(world.conn, NULL, COPY, v, "copy", options, &none, &job, 0));
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(image, copy);
}
END_TEST

/* Several at once, of several instants of one source. */
START_TEST(copies_of_several_instants)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    struct image *instants[5];
    char *jobs[5];
    uint32_t seed = 19;
    image_fill(image, v, 1);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "copy %d", i);
        instants[i] = image_copy(image);
        jobs[i] = copy_start(NULL, v, name, HELD);
        scribble(image, v, &seed, 8);
    }
    for (int i = 4; i >= 0; i--)
        FINE(lsm_job_rate_limit_set(world.conn, jobs[i], 0, 0));
    for (int i = 4; i >= 0; i--) {
        autovolume lsm_volume *copy = copy_finish(jobs[i]);
        SAME(instants[i], copy);
        image_destroy(&instants[i]);
    }
    SAME(image, v);
}
END_TEST

TCase *copy_data(void)
{
    TCase *tests = tcase_create("copy_data");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, copy_is_independent, 0, 2);
    tcase_add_test(tests, copy_is_the_instant_of_the_call);
    tcase_add_loop_test(tests, copy_of_zeros_and_holes, 0, 2);
    tcase_add_test(tests, copy_of_a_clone);
    tcase_add_test(tests, copy_of_a_copy_and_its_clones);
    tcase_add_loop_test(tests, copy_between_pools, 0, 2);
    tcase_add_test(tests, copy_that_is_read_back);
    tcase_add_test(tests, copies_of_several_instants);
    return tests;
}
