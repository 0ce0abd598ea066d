/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zeroing and discarding: the bytes read as zeros from then on, whatever lies below, and nobody
 * else's do. */
#include "suites.h"
#include "image.h"

#define SIZE MIB

struct pair {
    lsm_volume *source, *clone;
    struct image *of_source, *of_clone;
};

static void make_pair(struct pair *pair, lsm_volume_provision_type provision)
{
    pair->source = volume_make_in(world.pool, "source", SIZE, provision);
    pair->of_source = image_create(SIZE);
    image_fill(pair->of_source, pair->source, 1);
    pair->clone = clone_make(pair->source, "clone");
    pair->of_clone = image_copy(pair->of_source);
}

static void check(struct pair *pair)
{
    SAME(pair->of_source, pair->source);
    SAME(pair->of_clone, pair->clone);
}

static void part(struct pair *pair)
{
    lsm_volume_record_free(pair->source);
    lsm_volume_record_free(pair->clone);
    image_destroy(&pair->of_source);
    image_destroy(&pair->of_clone);
}

static void (*const ways[])(struct image *, lsm_volume_io *, uint64_t, uint64_t) = {image_zero,
                                                                                    image_discard};

/* Whole clusters, parts of one, across several, to the very end; on both sides of a clone. */
START_TEST(zeros_hide_what_is_below)
{
    static const uint64_t ranges[][2] = {{0, CLUSTER},
                                         {5 * CLUSTER + 1, 100},
                                         {9 * CLUSTER - 7, 14},
                                         {20 * CLUSTER + 5, 5 * CLUSTER},
                                         {64 * CLUSTER, 64 * CLUSTER},
                                         {SIZE - 4097, 4097}};
    struct pair pair;
    make_pair(&pair, _i & 2 ? FULL : THIN);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        lsm_volume_io *io = NULL;
        bool source = i % 2;
        FINE(lsm_volume_io_open(world.conn, source ? pair.source : pair.clone, &io, 0));
        ways[_i & 1](source ? pair.of_source : pair.of_clone, io, ranges[i][0], ranges[i][1]);
        FINE(lsm_volume_io_close(io, 0));
        check(&pair);
    }
    world_reopen();
    check(&pair);
    part(&pair);
}
END_TEST

START_TEST(zeros_over_all)
{
    struct pair pair;
    lsm_volume_io *io = NULL;
    make_pair(&pair, _i & 2 ? FULL : THIN);
    FINE(lsm_volume_io_open(world.conn, pair.clone, &io, 0));
    ways[_i & 1](pair.of_clone, io, 0, SIZE);
    FINE(lsm_volume_io_close(io, 0));
    check(&pair);
    autovolume lsm_volume *grandchild = clone_make(pair.clone, "grandchild");
    SAME(pair.of_clone, grandchild);
    world_reopen();
    check(&pair);
    SAME(pair.of_clone, grandchild);
    part(&pair);
}
END_TEST

/* A write into zeroed clusters completes them with zeros, not with what is below. */
START_TEST(writes_into_zeros)
{
    struct pair pair;
    lsm_volume_io *io = NULL;
    make_pair(&pair, THIN);
    FINE(lsm_volume_io_open(world.conn, pair.clone, &io, 0));
    ways[_i & 1](pair.of_clone, io, 0, SIZE / 2);
    image_write(pair.of_clone, io, 3 * CLUSTER + 100, 50, 2);
    image_write(pair.of_clone, io, 7 * CLUSTER - 1, 2, 3);
    image_write(pair.of_clone, io, SIZE / 2 - 10, 20, 4);
    SAME_THROUGH(pair.of_clone, io);
    FINE(lsm_volume_io_close(io, 0));
    world_reopen();
    check(&pair);
    part(&pair);
}
END_TEST

/* A THIN volume gives space back, a FULL one keeps what it was promised. */
START_TEST(discard_and_space)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", 16 * MIB, _i ? FULL : THIN);
    autoimage struct image *image = image_create(16 * MIB);
    lsm_volume_io *io = NULL;
    image_fill(image, v, 1);
    volume_look(&v);
    ck_assert_uint_ge(lsm_volume_allocated_bytes_get(v), 15 * MIB);
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    image_discard(image, io, 0, 16 * MIB);
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_close(io, 0));
    volume_look(&v);
    if (_i)
        ck_assert_uint_ge(lsm_volume_allocated_bytes_get(v), 15 * MIB);
    else
        ck_assert_uint_lt(lsm_volume_allocated_bytes_get(v), 4 * MIB);
    SAME(image, v);
}
END_TEST

TCase *zero_data(void)
{
    TCase *tests = tcase_create("zero_data");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, zeros_hide_what_is_below, 0, 4);
    tcase_add_loop_test(tests, zeros_over_all, 0, 4);
    tcase_add_loop_test(tests, writes_into_zeros, 0, 2);
    tcase_add_loop_test(tests, discard_and_space, 0, 2);
    return tests;
}
