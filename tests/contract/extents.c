/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents: they cover the range without gaps, in order, and never call data zeros. */
#include "suites.h"
#include "image.h"

#define SIZE (2 * MIB)

/* The rules that hold whatever the volume is; returns how many bytes are called data. */
static uint64_t check(const struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t count)
{
    lsm_extent *extents = NULL;
    uint32_t n = 0;
    uint64_t at = offset, data = 0;
    FINE(lsm_volume_io_extents(io, count, offset, &extents, &n, 0));
    ck_assert_uint_gt(n, 0);
    for (uint32_t i = 0; i < n; i++) {
        bool zero = extents[i].flags == LSM_EXTENT_ZERO;
        ck_assert_uint_eq(extents[i].offset, at);
        ck_assert_uint_gt(extents[i].length, 0);
        ck_assert(zero || extents[i].flags == LSM_EXTENT_DATA);
        ck_assert(i == 0 || extents[i].flags != extents[i - 1].flags);
        ck_assert_uint_le(extents[i].length, offset + count - at);
        for (uint64_t b = at; zero && b < at + extents[i].length; b++)
            if (image->bytes[b])
                ck_abort_msg("byte %" PRIu64 " is called zero and is not", b);
        data += zero ? 0 : extents[i].length;
        at += extents[i].length;
    }
    ck_assert_uint_eq(at, offset + count);
    ck_assert_int_eq(lsm_extent_array_free(extents), OK);
    return data;
}

START_TEST(extents_of_a_new_volume)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, LSM_VOLUME_IO_READ_ONLY));
    ck_assert_uint_eq(check(image, io, 0, SIZE), 0);
    ck_assert_int_eq(lsm_extent_array_free(NULL), INVALID);
}
END_TEST

START_TEST(extents_of_data_zeros_and_layers)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    image_write(image, io, 64 * KIB, 64 * KIB, 1);
    image_write(image, io, MIB + 5, 70000, 2);
    check(image, io, 0, SIZE);
    check(image, io, 100, 70001);
    check(image, io, SIZE - 1, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    check(image, io, 0, SIZE);
    image_zero(image, io, 80 * KIB, 16 * KIB);
    image_discard(image, io, MIB, 64 * KIB);
    image_write(image, io, MIB / 2 + 77, 3, 3);
    uint64_t data = check(image, io, 0, SIZE);
    ck_assert_uint_lt(data, SIZE / 2);
    FINE(lsm_volume_io_close(io, 0));
    world_reopen();
    io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, LSM_VOLUME_IO_READ_ONLY));
    ck_assert_uint_lt(check(image, io, 0, SIZE), SIZE / 2);
    FINE(lsm_volume_io_close(io, 0));
}
END_TEST

START_TEST(extents_at_random)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *io = NULL;
    uint32_t seed = 11;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    for (int i = 0; i < 60; i++) {
        image_scribble(image, io, &seed);
        if (i % 20 == 10) {
            char name[16];
            snprintf(name, sizeof name, "clone %d", i);
            let_go_of_volume(&(lsm_volume *){clone_make(v, name)});
        }
        uint64_t at = random_next(&seed) % (SIZE - 1);
        check(image, io, at, 1 + random_next(&seed) % (SIZE - at));
    }
    check(image, io, 0, SIZE);
}
END_TEST

TCase *extents(void)
{
    TCase *tests = tcase_create("extents");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, extents_of_a_new_volume);
    tcase_add_test(tests, extents_of_data_zeros_and_layers);
    tcase_add_test(tests, extents_at_random);
    return tests;
}
