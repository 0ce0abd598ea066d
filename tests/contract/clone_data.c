/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones, byte for byte: each is the instant of its call, and what is written to one of a family
 * shows in no other. */
#include "suites.h"
#include "image.h"

#define SIZE (512 * KIB)

static lsm_volume_io *io_of(lsm_volume *volume)
{
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    return io;
}

static void scribble(struct image *image, lsm_volume *volume, uint32_t *seed, int times)
{
    autoio lsm_volume_io *io = io_of(volume);
    for (int i = 0; i < times; i++)
        image_scribble(image, io, seed);
}

START_TEST(clone_record)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    ck_assert_str_eq(lsm_volume_name_get(clone), "clone");
    ck_assert_str_ne(lsm_volume_id_get(clone), lsm_volume_id_get(v));
    ck_assert_pstr_eq(lsm_volume_parent_id_get(clone), lsm_volume_id_get(v));
    ck_assert_str_eq(lsm_volume_pool_id_get(clone), lsm_volume_pool_id_get(v));
    ck_assert_uint_eq(volume_bytes(clone), SIZE);
    ck_assert_int_eq(lsm_volume_provision_get(clone), THIN);
    ck_assert_uint_ge(lsm_volume_depth_get(clone), 1);
    ck_assert_uint_lt(lsm_volume_exclusive_bytes_get(clone), 64 * KIB);
    volume_look(&v);
    ck_assert_ptr_null(lsm_volume_parent_id_get(v));
}
END_TEST

START_TEST(clone_isolation)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    autoimage struct image *of_v = image_create(SIZE);
    uint32_t seed = 5;
    image_fill(of_v, v, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    autoimage struct image *of_clone = image_copy(of_v);
    SAME(of_v, clone);
    for (int i = 0; i < 6; i++) {
        scribble(of_v, v, &seed, 10);
        SAME(of_clone, clone);
        scribble(of_clone, clone, &seed, 10);
        SAME(of_v, v);
    }
    world_reopen();
    SAME(of_v, v);
    SAME(of_clone, clone);
}
END_TEST

/* A handle that is open while its volume is cloned goes on, on the source's side. */
START_TEST(clone_of_an_open_volume)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *of_v = image_create(SIZE), *of_clone = NULL;
    lsm_volume_io *io = io_of(v), *reader = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &reader, LSM_VOLUME_IO_READ_ONLY));
    image_write(of_v, io, 0, SIZE, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    of_clone = image_copy(of_v);
    image_write(of_v, io, 1000, SIZE / 2, 2); /* not flushed, before or after */
    image_discard(of_v, io, SIZE / 2, SIZE / 4);
    SAME_THROUGH(of_v, io);
    SAME_THROUGH(of_v, reader);
    SAME(of_clone, clone);
    FINE(lsm_volume_io_close(io, 0));
    FINE(lsm_volume_io_close(reader, 0));
    world_reopen();
    SAME(of_v, v);
    SAME(of_clone, clone);
}
END_TEST

#define DEPTH 30

struct family {
    lsm_volume *volume[DEPTH];
    struct image *image[DEPTH];
};

/* Each one a clone of the one before, with writes of its own. */
static void found(struct family *family, uint32_t *seed)
{
    family->volume[0] = volume_make("0", SIZE);
    family->image[0] = image_create(SIZE);
    image_fill(family->image[0], family->volume[0], 1);
    for (int i = 1; i < DEPTH; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        family->volume[i] = clone_make(family->volume[i - 1], name);
        family->image[i] = image_copy(family->image[i - 1]);
        scribble(family->image[i], family->volume[i], seed, 3);
        if (i % 4 == 0)
            scribble(family->image[i - 1], family->volume[i - 1], seed, 2);
    }
}

static void check(struct family *family)
{
    for (int i = 0; i < DEPTH; i++)
        if (family->volume[i])
            SAME(family->image[i], family->volume[i]);
}

static void lose(struct family *family, int i)
{
    FINE(volume_delete(family->volume[i]));
    lsm_volume_record_free(family->volume[i]);
    family->volume[i] = NULL;
    image_destroy(&family->image[i]);
}

/* From the leaves on: whichever goes, the others keep every byte. */
START_TEST(clones_of_clones)
{
    struct family family;
    uint32_t seed = 9;
    found(&family, &seed);
    check(&family);
    world_reopen();
    check(&family);
    for (int i = 0; i < DEPTH; i += 5)
        scribble(family.image[i], family.volume[i], &seed, 5);
    check(&family);
    for (int i = DEPTH - 1; i >= 0; i--) {
        if (i > 0)
            REFUSED(volume_delete(family.volume[i - 1]), LSM_ERR_HAS_CHILD_DEPENDENCY);
        lose(&family, i);
        if (i % 6 == 0) {
            check(&family);
            world_reopen();
            check(&family);
        }
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
}
END_TEST

/* One source with many clones, of many instants, deleted in any order. */
START_TEST(clones_of_one_source)
{
    struct family family;
    uint32_t seed = 4711;
    family.volume[0] = volume_make("0", SIZE);
    family.image[0] = image_create(SIZE);
    image_fill(family.image[0], family.volume[0], 1);
    for (int i = 1; i < DEPTH; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        family.volume[i] = clone_make(family.volume[0], name);
        family.image[i] = image_copy(family.image[0]);
        scribble(family.image[0], family.volume[0], &seed, 2);
        if (i % 3 == 0)
            scribble(family.image[i], family.volume[i], &seed, 2);
    }
    check(&family);
    for (int left = DEPTH - 1; left > 0;) {
        int i = 1 + (int)(random_next(&seed) % (DEPTH - 1));
        if (!family.volume[i])
            continue;
        lose(&family, i);
        scribble(family.image[0], family.volume[0], &seed, 1);
        if (--left % 5 == 0) {
            check(&family);
            world_reopen();
        }
        check(&family);
    }
    ck_assert(!volume_has_dependants(family.volume[0]));
    lose(&family, 0);
}
END_TEST

/* However often a volume is replicated and its clones deleted, its layers stay a few. */
START_TEST(clones_leave_few_layers)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 31;
    image_fill(image, v, 1);
    for (int i = 0; i < 60; i++) {
        autovolume lsm_volume *clone = clone_make(v, "clone");
        scribble(image, v, &seed, 1);
        FINE(volume_delete(clone));
    }
    for (int i = 0; i < 500; i++) { /* merging goes on in the background */
        volume_look(&v);
        if (lsm_volume_depth_get(v) <= 8)
            break;
        sleep_ms(10);
    }
    ck_assert_uint_le(lsm_volume_depth_get(v), 8);
    SAME(image, v);
    world_reopen();
    SAME(image, v);
}
END_TEST

TCase *clone_data(void)
{
    TCase *tests = tcase_create("clone_data");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, clone_record, 0, 2);
    tcase_add_loop_test(tests, clone_isolation, 0, 2);
    tcase_add_test(tests, clone_of_an_open_volume);
    tcase_add_test(tests, clones_of_clones);
    tcase_add_test(tests, clones_of_one_source);
    tcase_add_test(tests, clones_leave_few_layers);
    return tests;
}
