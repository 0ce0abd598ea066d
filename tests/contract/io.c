/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and writing: any alignment, all or nothing at the end, and handles that outlive. */
#include "suites.h"
#include "image.h"

#define SIZE (256 * KIB)

static lsm_volume *volume;
static lsm_volume_io *io;

static void make(void)
{
    world_make();
    volume = volume_make("v", SIZE);
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
}

static void unmake(void)
{
    if (io)
        lsm_volume_io_close(io, 0);
    io = NULL;
    lsm_volume_record_free(volume);
    world_remove();
}

START_TEST(io_new_volume_is_zeros)
{
    autoimage struct image *image = image_create(SIZE);
    SAME_THROUGH(image, io);
}
END_TEST

/* Every combination of edges around a cluster. */
START_TEST(io_any_alignment)
{
    static const uint64_t at[] = {0, 1, 511, 512, 4095, 4096, 4097, 8191};
    static const uint64_t length[] = {1, 511, 512, 513, 4095, 4096, 4097, 12289};
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 1;
    image_write(image, io, 0, SIZE, 99);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        for (size_t k = 0; k < sizeof length / sizeof *length; k++) {
            image_write(image, io, at[i] + 16 * KIB * k, length[k], seed++);
            if ((i + k) % 3 == 0)
                image_zero(image, io, at[i] + 16 * KIB * k + 10, length[k] / 2);
            if ((i + k) % 5 == 0)
                image_discard(image, io, at[i] + 16 * KIB * k, length[k]);
        }
    SAME_THROUGH(image, io);
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    world_reopen();
    SAME(image, volume);
}
END_TEST

START_TEST(io_parts_are_read_alone)
{
    autoimage struct image *image = image_create(SIZE);
    unsigned char bytes[9000];
    uint32_t seed = 3;
    image_write(image, io, 0, SIZE, 1);
    for (int i = 0; i < 200; i++) {
        uint64_t n = random_next(&seed) % sizeof bytes;
        uint64_t at = random_next(&seed) % (SIZE - n);
        FINE(lsm_volume_io_pread(io, bytes, n, at, 0));
        ck_assert(memcmp(bytes, image->bytes + at, n) == 0);
    }
}
END_TEST

START_TEST(io_fua_and_flush)
{
    autoimage struct image *image = image_create(SIZE);
    random_bytes(image->bytes, 10000, 5);
    FINE(lsm_volume_io_pwrite(io, image->bytes, 10000, 0, LSM_VOLUME_IO_FUA));
    image_write(image, io, 20000, 10000, 6);
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_flush(io, 0));
    SAME_THROUGH(image, io);
    REFUSED(lsm_volume_io_pwrite(io, "x", 1, 0, 4), INVALID);
    REFUSED(lsm_volume_io_pwrite(io, "x", 1, 0, LSM_VOLUME_IO_READ_ONLY), INVALID);
    REFUSED(lsm_volume_io_flush(io, LSM_VOLUME_IO_FUA), INVALID);
    SAME_THROUGH(image, io);
}
END_TEST

static void past_the_end(uint64_t count, uint64_t offset)
{
    char bytes[16] = "untouched";
    lsm_extent *extents = NULL;
    uint32_t n = 77;
    lsm_error_ptr e = refusal(lsm_volume_io_pread(io, bytes, count, offset, 0), INVALID);
    ck_assert_uint_eq(lsm_error_offset_get(e), offset);
    ck_assert_pstr_eq(lsm_error_object_get(e), lsm_volume_id_get(volume));
    lsm_error_free(e);
    e = refusal(lsm_volume_io_pwrite(io, bytes, count, offset, 0), INVALID);
    ck_assert_uint_eq(lsm_error_offset_get(e), offset);
    lsm_error_free(e);
    e = refusal(lsm_volume_io_write_zeroes(io, count, offset, 0), INVALID);
    ck_assert_uint_eq(lsm_error_offset_get(e), offset);
    lsm_error_free(e);
    e = refusal(lsm_volume_io_discard(io, count, offset, 0), INVALID);
    ck_assert_uint_eq(lsm_error_offset_get(e), offset);
    lsm_error_free(e);
    REFUSED(lsm_volume_io_extents(io, count, offset, &extents, &n, 0), INVALID);
    ck_assert_str_eq(bytes, "untouched");
    ck_assert_ptr_null(extents);
    ck_assert_uint_eq(n, 77);
}

START_TEST(io_past_the_end_is_101)
{
    autoimage struct image *image = image_create(SIZE);
    image_write(image, io, 0, SIZE, 1);
    past_the_end(1, SIZE);
    past_the_end(2, SIZE - 1);
    past_the_end(SIZE + 1, 0);
    past_the_end(1, UINT64_MAX);
    past_the_end(UINT64_MAX, 1);
    past_the_end(UINT64_MAX, UINT64_MAX);
    past_the_end(16, (uint64_t)1 << 63);
    SAME_THROUGH(image, io);
}
END_TEST

START_TEST(io_nothing_is_fine)
{
    lsm_extent *extents = NULL;
    uint32_t n = 77;
    FINE(lsm_volume_io_pread(io, NULL, 0, 0, 0));
    FINE(lsm_volume_io_pwrite(io, NULL, 0, SIZE, 0));
    FINE(lsm_volume_io_write_zeroes(io, 0, SIZE, 0));
    FINE(lsm_volume_io_discard(io, 0, 0, 0));
    FINE(lsm_volume_io_extents(io, 0, 0, &extents, &n, 0));
    ck_assert_ptr_null(extents);
    ck_assert_uint_eq(n, 0);
    REFUSED(lsm_volume_io_pread(io, NULL, 1, 0, 0), INVALID);
    REFUSED(lsm_volume_io_pwrite(io, NULL, 1, 0, 0), INVALID);
}
END_TEST

START_TEST(io_read_only_handle_is_1006)
{
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *reader = NULL;
    image_write(image, io, 0, SIZE, 1);
    FINE(lsm_volume_io_open(world.conn, volume, &reader, LSM_VOLUME_IO_READ_ONLY));
    REFUSED(lsm_volume_io_pwrite(reader, "x", 1, 0, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_pwrite(reader, "x", 1, 0, LSM_VOLUME_IO_FUA), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_write_zeroes(reader, 1, 0, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_discard(reader, 1, 0, 0), LSM_ERR_READ_ONLY);
    FINE(lsm_volume_io_flush(reader, 0));
    SAME_THROUGH(image, reader);
}
END_TEST

/* The handles of one volume, of any connection, see each other's writes. */
START_TEST(io_handles_see_each_other)
{
    lsm_connect *second = world_connect_again();
    lsm_volume_io *other = NULL;
    autoimage struct image *image = image_create(SIZE);
    ck_assert_int_eq(lsm_volume_io_open(second, volume, &other, 0), OK);
    image_write(image, io, 0, SIZE, 1);
    SAME_THROUGH(image, other);
    random_bytes(image->bytes + 5000, 5000, 2);
    ck_assert_int_eq(lsm_volume_io_pwrite(other, image->bytes + 5000, 5000, 5000, 0), OK);
    SAME_THROUGH(image, io);
    ck_assert_int_eq(lsm_connect_close(second, 0), OK);
    SAME_THROUGH(image, other);
    ck_assert_int_eq(lsm_volume_io_close(other, 0), OK);
}
END_TEST

/* A handle outlives its connection: it reads, writes, has its errors, and keeps the volume open. */
START_TEST(io_outlives_the_connection)
{
    autoimage struct image *image = image_create(SIZE);
    char byte;
    world_close();
    random_bytes(image->bytes, SIZE, 1);
    ck_assert_int_eq(lsm_volume_io_pwrite(io, image->bytes, SIZE, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_flush(io, 0), OK);
    SAME_THROUGH(image, io);
    ck_assert_int_eq(lsm_volume_io_pread(io, &byte, 1, SIZE, 0), INVALID);
    lsm_error_ptr e = lsm_volume_io_error_last_get(io);
    ck_assert_int_eq((int)lsm_error_number_get(e), INVALID);
    ck_assert_uint_eq(lsm_error_offset_get(e), SIZE);
    lsm_error_free(e);
    ck_assert_ptr_null(lsm_volume_io_error_last_get(io));
    world_open();
    REFUSED(volume_delete(volume), LSM_ERR_IS_MASKED);
    SAME(image, volume);
}
END_TEST

/* What was written is there for the next owner, whether it was flushed or not. */
START_TEST(io_is_kept_over_reopening)
{
    autoimage struct image *image = image_create(SIZE);
    image_write(image, io, 0, SIZE, 1);
    image_zero(image, io, 100, 30000);
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    world_reopen();
    SAME(image, volume);
}
END_TEST

START_TEST(io_on_nothing_is_101)
{
    lsm_volume_io *none = NULL;
    char byte;
    ck_assert_int_eq(lsm_volume_io_pread(NULL, &byte, 1, 0, 0), INVALID);
    ck_assert_int_eq(lsm_volume_io_pwrite(NULL, &byte, 1, 0, 0), INVALID);
    ck_assert_int_eq(lsm_volume_io_flush(NULL, 0), INVALID);
    ck_assert_int_eq(lsm_volume_io_close(NULL, 0), INVALID);
    ck_assert_uint_eq(lsm_volume_io_size_get(NULL), 0);
    REFUSED(lsm_volume_io_open(world.conn, NULL, &none, 0), INVALID);
    REFUSED(lsm_volume_io_close(io, 1), INVALID); /* not accepted, so still open */
    FINE(lsm_volume_io_pread(io, &byte, 1, 0, 0));
}
END_TEST

TCase *io_calls(void)
{
    TCase *tests = tcase_create("io");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, io_new_volume_is_zeros);
    tcase_add_test(tests, io_any_alignment);
    tcase_add_test(tests, io_parts_are_read_alone);
    tcase_add_test(tests, io_fua_and_flush);
    tcase_add_test(tests, io_past_the_end_is_101);
    tcase_add_test(tests, io_nothing_is_fine);
    tcase_add_test(tests, io_read_only_handle_is_1006);
    tcase_add_test(tests, io_handles_see_each_other);
    tcase_add_test(tests, io_outlives_the_connection);
    tcase_add_test(tests, io_is_kept_over_reopening);
    tcase_add_test(tests, io_on_nothing_is_101);
    return tests;
}
