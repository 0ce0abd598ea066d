/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FULL volumes keep their promise: what they may write has been set aside, after a freeze again. */
#include "suites.h"
#include "image.h"

#define SIZE (4 * MIB)

static lsm_pool *small;

static void make(void)
{
    world_make();
    FINE(lsm_pool_create(world.conn, "small", NULL, 10 * MIB, &small, 0));
}

static void unmake(void)
{
    lsm_pool_record_free(small);
    small = NULL;
    world_remove();
}

START_TEST(full_takes_its_size_at_once)
{
    autovolume lsm_volume *v = volume_make_in(small, "v", SIZE, FULL);
    ck_assert_uint_ge(lsm_volume_allocated_bytes_get(v), SIZE);
    pool_look(&small);
    ck_assert_uint_le(lsm_pool_free_space_get(small), 10 * MIB - SIZE);
}
END_TEST

/* A second top is set aside for the first clone; for the one after that there is no room. */
START_TEST(full_reserves_again_after_a_freeze)
{
    autovolume lsm_volume *v = volume_make_in(small, "v", SIZE, FULL);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    autoimage struct image *of_clone = image_copy(image);
    pool_look(&small);
    ck_assert_uint_le(lsm_pool_free_space_get(small), 2 * MIB + MIB / 2);
    image_fill(image, v, 2); /* all of it can be written */
    REFUSED(replicate(NULL, CLONE, v, "second", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(replicate(world.pool, COPY, v, "copy", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    SAME(image, v);
    SAME(of_clone, clone);
    world_reopen();
    REFUSED(replicate(NULL, CLONE, v, "second", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    FINE(volume_delete(clone));
    SAME(image, v);
}
END_TEST

/* The data of a FULL volume is that of a THIN one. */
START_TEST(full_and_thin_read_alike)
{
    autovolume lsm_volume *full = volume_make_in(world.pool, "full", MIB, FULL);
    autovolume lsm_volume *thin = volume_make_in(world.pool, "thin", MIB, THIN);
    autoimage struct image *of_full = image_create(MIB), *of_thin = image_create(MIB);
    uint32_t seed = 5, same = 5;
    SAME(of_full, full);
    for (int i = 0; i < 5; i++) {
        lsm_volume_io *io = NULL, *other = NULL;
        FINE(lsm_volume_io_open(world.conn, full, &io, 0));
        FINE(lsm_volume_io_open(world.conn, thin, &other, 0));
        for (int k = 0; k < 10; k++) {
            image_scribble(of_full, io, &seed);
            image_scribble(of_thin, other, &same);
        }
        FINE(lsm_volume_io_close(io, 0));
        FINE(lsm_volume_io_close(other, 0));
        char name[16];
        snprintf(name, sizeof name, "full %d", i);
        let_go_of_volume(&(lsm_volume *){clone_make(full, name)});
        snprintf(name, sizeof name, "thin %d", i);
        let_go_of_volume(&(lsm_volume *){clone_make(thin, name)});
        SAME(of_full, full);
        SAME(of_full, thin);
    }
}
END_TEST

TCase *full_volumes(void)
{
    TCase *tests = tcase_create("full_volumes");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, full_takes_its_size_at_once);
    tcase_add_test(tests, full_reserves_again_after_a_freeze);
    tcase_add_test(tests, full_and_thin_read_alike);
    return tests;
}
