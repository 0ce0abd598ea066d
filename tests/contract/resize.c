/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resizing: what is added is zeros, never old bytes, whatever the volume stands on. */
#include "suites.h"
#include "image.h"

#define SIZE MIB
#define ODD (SIZE / 2 - 3 * CLUSTER)

START_TEST(resize_same_size_is_125)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    REFUSED(volume_resize(&v, SIZE), LSM_ERR_NO_STATE_CHANGE);
    REFUSED(volume_resize(&v, SIZE - 1), LSM_ERR_NO_STATE_CHANGE); /* rounded up, the same */
}
END_TEST

START_TEST(shrink_open_is_160)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    static const lsm_flag flags[] = {0, LSM_VOLUME_IO_READ_ONLY};
    for (int i = 0; i < 2; i++) {
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, v, &io, flags[i]));
        REFUSED(volume_resize(&v, SIZE - CLUSTER), LSM_ERR_IS_MASKED);
        SAME_THROUGH(image, io);
        FINE(lsm_volume_io_close(io, 0));
    }
    FINE(volume_resize(&v, SIZE - CLUSTER));
    image_resize(image, SIZE - CLUSTER);
    SAME(image, v);
}
END_TEST

START_TEST(grow_open_is_seen_at_once)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *io = NULL;
    image_fill(image, v, 1);
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    FINE(volume_resize(&v, 2 * SIZE));
    ck_assert_uint_eq(volume_bytes(v), 2 * SIZE);
    ck_assert_uint_eq(lsm_volume_io_size_get(io), 2 * SIZE);
    image_resize(image, 2 * SIZE);
    SAME_THROUGH(image, io);
    image_write(image, io, SIZE - 100, SIZE + 100, 2);
    SAME_THROUGH(image, io);
}
END_TEST

/* What the volume stands on while it is resized. */
enum stand { PLAIN, ON_FULL, ON_CLONED, IS_CLONE, CLONE_OF_CLONE, STANDS };

static lsm_volume *stand(int kind, struct image *image)
{
    lsm_volume *v = volume_make_in(world.pool, "v", SIZE, kind == ON_FULL ? FULL : THIN);
    image_fill(image, v, 1);
    if (kind < ON_CLONED)
        return v;
    lsm_volume *clone = clone_make(v, "clone");
    if (kind == ON_CLONED) {
        lsm_volume_record_free(clone);
        return v;
    }
    lsm_volume_record_free(v);
    if (kind == IS_CLONE)
        return clone;
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, clone, &io, 0));
    image_write(image, io, SIZE / 3, SIZE / 3, 2);
    v = clone_make(clone, "clone of clone");
    lsm_volume_record_free(clone);
    return v;
}

START_TEST(grow_shows_zeros)
{
    autoimage struct image *image = image_create(SIZE);
    autovolume lsm_volume *v = stand(_i, image);
    FINE(volume_resize(&v, 3 * SIZE));
    image_resize(image, 3 * SIZE);
    SAME(image, v);
    world_reopen();
    SAME(image, v);
}
END_TEST

/* Written, cut, grown back: what was cut off must not come back, now or after a reopening. */
START_TEST(shrink_and_grow_shows_zeros)
{
    autoimage struct image *image = image_create(SIZE);
    autovolume lsm_volume *v = stand(_i, image);
    FINE(volume_resize(&v, ODD));
    image_resize(image, ODD);
    SAME(image, v);
    FINE(volume_resize(&v, SIZE));
    image_resize(image, SIZE);
    SAME(image, v);
    world_reopen();
    SAME(image, v);
    FINE(volume_resize(&v, CLUSTER));
    image_resize(image, CLUSTER);
    world_reopen();
    FINE(volume_resize(&v, 2 * SIZE));
    image_resize(image, 2 * SIZE);
    SAME(image, v);
}
END_TEST

/* The same with a write and a clone in between, so that layers of several sizes lie on each
 * other. */
START_TEST(resize_between_clones)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 77;
    image_fill(image, v, 1);
    static const uint64_t to[] = {ODD,  SIZE,           7 * CLUSTER, 2 * SIZE,
                                  SIZE, SIZE + CLUSTER, CLUSTER,     SIZE};
    struct image *shots[sizeof to / sizeof *to];
    lsm_volume *shot[sizeof to / sizeof *to];
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        char name[16];
        snprintf(name, sizeof name, "shot %zu", i);
        shot[i] = clone_make(v, name);
        shots[i] = image_copy(image);
        FINE(volume_resize(&v, to[i]));
        image_resize(image, to[i]);
        SAME(image, v);
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, v, &io, 0));
        image_scribble(image, io, &seed);
        FINE(lsm_volume_io_close(io, 0));
        SAME(image, v);
    }
    world_reopen();
    SAME(image, v);
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        SAME(shots[i], shot[i]);
        FINE(volume_delete(shot[i]));
        SAME(image, v);
        lsm_volume_record_free(shot[i]);
        image_destroy(&shots[i]);
    }
}
END_TEST

/* A clone keeps its size when its source changes, and the other way round. */
START_TEST(resize_of_a_source_leaves_its_clone)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    autoimage struct image *of_clone = image_copy(image);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    FINE(volume_resize(&v, ODD));
    image_resize(image, ODD);
    SAME(of_clone, clone);
    FINE(volume_resize(&clone, 2 * SIZE));
    image_resize(of_clone, 2 * SIZE);
    SAME(image, v);
    SAME(of_clone, clone);
    world_reopen();
    SAME(image, v);
    SAME(of_clone, clone);
}
END_TEST

/* A copy under way is the instant of its call: neither a shorter nor a longer source shows in it.
 */
START_TEST(resize_of_a_source_leaves_its_copy)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *job = copy_start(NULL, v, "copy", HELD);
    FINE(volume_resize(&v, _i ? 2 * SIZE : ODD));
    autovolume lsm_volume *copy = copy_finish(job);
    ck_assert_uint_eq(volume_bytes(copy), SIZE);
    SAME(image, copy);
    image_resize(image, _i ? 2 * SIZE : ODD);
    SAME(image, v);
}
END_TEST

/* What the limit of a frozen layer hides of the one below is cut off when the two are folded into
 * one, and the rest must still have its full length. */
START_TEST(shrunk_grown_and_folded)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    autovolume lsm_volume *first = clone_make(v, "first");
    FINE(volume_resize(&v, CLUSTER));
    image_resize(image, CLUSTER);
    FINE(volume_resize(&v, SIZE));
    image_resize(image, SIZE);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    image_write(image, io, 2 * CLUSTER, 100, 2);
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    autovolume lsm_volume *second = clone_make(v, "second");
    FINE(volume_delete(first));
    FINE(volume_delete(second));
    for (int i = 0; i < 400; i++) { /* in the background */
        volume_look(&v);
        if (lsm_volume_depth_get(v) <= 1)
            break;
        if (i % 10 == 0)
            SAME(image, v);
        sleep_ms(10);
    }
    SAME(image, v);
    world_reopen();
    SAME(image, v);
}
END_TEST

TCase *resize(void)
{
    TCase *tests = tcase_create("resize");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, resize_same_size_is_125);
    tcase_add_test(tests, shrink_open_is_160);
    tcase_add_test(tests, grow_open_is_seen_at_once);
    tcase_add_loop_test(tests, grow_shows_zeros, 0, STANDS);
    tcase_add_loop_test(tests, shrink_and_grow_shows_zeros, 0, STANDS);
    tcase_add_loop_test(tests, resize_between_clones, 0, 2);
    tcase_add_test(tests, resize_of_a_source_leaves_its_clone);
    tcase_add_loop_test(tests, resize_of_a_source_leaves_its_copy, 0, 2);
    tcase_add_test(tests, shrunk_grown_and_folded);
    return tests;
}
