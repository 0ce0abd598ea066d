/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges, flags and buffers of I/O: refused whole, with the offset in the error. */
#include "root.h"

#define SIZE ROOT_VOLUME_SIZE

struct range {
    uint64_t count, offset;
};

static const struct range outside[] = {
    {1, SIZE},
    {2, SIZE - 1},
    {SIZE + 1ull, 0},
    {UINT64_MAX, 0},
    {UINT64_MAX, 1},
    {1, UINT64_MAX},
    {2, UINT64_MAX},
    {UINT64_MAX, UINT64_MAX},
    {SIZE, SIZE},
    {1ull << 63, 1ull << 63},
    {SIZE, UINT64_MAX - SIZE + 1},
};

static lsm_volume_io *io;
static char buf[SIZE];

static void open_io(void)
{
    root_make();
    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &io, 0), OK);
}

static void close_io(void)
{
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
    root_remove();
}

static void assert_outside(int rc, const struct range *range)
{
    char offset[32], length[32];
    lsm_error_ptr e = lsm_volume_io_error_last_get(io);

    snprintf(offset, sizeof offset, "offset %" PRIu64 " ", range->offset);
    snprintf(length, sizeof length, "length %" PRIu64 " ", range->count);
    ck_assert_int_eq(rc, INVALID);
    ck_assert_ptr_nonnull(e);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), offset));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), length));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "1048576"));
    ck_assert(lsm_error_offset_get(e) == range->offset);
    ck_assert_str_eq(lsm_error_object_get(e), lsm_volume_id_get(root_volume));
    lsm_error_free(e);
}

START_TEST(past_the_end)
{
    const struct range *r = &outside[_i];
    lsm_extent *extents = NULL;
    uint32_t n = 7;

    assert_outside(lsm_volume_io_pread(io, buf, r->count, r->offset, 0), r);
    assert_outside(lsm_volume_io_pwrite(io, buf, r->count, r->offset, 0), r);
    assert_outside(lsm_volume_io_write_zeroes(io, r->count, r->offset, 0), r);
    assert_outside(lsm_volume_io_discard(io, r->count, r->offset, 0), r);
    assert_outside(lsm_volume_io_extents(io, r->count, r->offset, &extents, &n, 0), r);
    ck_assert(!extents && n == 7);
}
END_TEST

START_TEST(up_to_the_end)
{
    ck_assert_uint_eq(lsm_volume_io_size_get(io), SIZE);
    ck_assert_int_eq(lsm_volume_io_pwrite(io, "z", 1, SIZE - 1, 0), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, buf, SIZE, 0, 0), OK);
    ck_assert_int_eq(buf[SIZE - 1], 'z');
    ck_assert_int_eq(buf[SIZE - 2], 0);
}
END_TEST

START_TEST(nothing_at_all_is_fine)
{
    lsm_extent *extents = NULL;
    uint32_t n = 7;
    ck_assert_int_eq(lsm_volume_io_pread(io, NULL, 0, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, NULL, 0, SIZE, 0), OK);
    ck_assert_int_eq(lsm_volume_io_pwrite(io, NULL, 0, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_write_zeroes(io, 0, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_discard(io, 0, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_extents(io, 0, 0, &extents, &n, 0), OK);
    ck_assert(!extents && n == 0);
}
END_TEST

START_TEST(arguments_are_named)
{
    lsm_extent *extents = NULL, *taken = (lsm_extent *)buf;
    uint32_t n = 7;
    root_assert_error(lsm_volume_io_pread(io, NULL, 1, 0, 0), INVALID, "`buf`");
    root_assert_error(lsm_volume_io_pwrite(io, NULL, 1, 0, 0), INVALID, "`buf`");
    root_assert_error(lsm_volume_io_pread(io, buf, 1, 0, LSM_VOLUME_IO_FUA), INVALID, "`flags`");
    root_assert_error(lsm_volume_io_pwrite(io, buf, 1, 0, LSM_VOLUME_IO_READ_ONLY), INVALID,
                      "`flags`");
    root_assert_error(lsm_volume_io_flush(io, 1), INVALID, "`flags`");
    root_assert_error(lsm_volume_io_extents(io, 1, 0, NULL, &n, 0), INVALID, "`extents`");
    root_assert_error(lsm_volume_io_extents(io, 1, 0, &taken, &n, 0), INVALID, "`extents`");
    root_assert_error(lsm_volume_io_extents(io, 1, 0, &extents, NULL, 0), INVALID, "`n`");
    root_assert_error(lsm_volume_io_close(io, 1), INVALID, "`flags`");
}
END_TEST

START_TEST(a_read_only_handle_does_not_write)
{
    lsm_volume_io *reader = NULL;
    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &reader, LSM_VOLUME_IO_READ_ONLY),
                     OK);
    root_assert_error(lsm_volume_io_pwrite(reader, "x", 1, 0, 0), LSM_ERR_READ_ONLY, "read-only");
    root_assert_error(lsm_volume_io_write_zeroes(reader, 1, 0, 0), LSM_ERR_READ_ONLY, "read-only");
    root_assert_error(lsm_volume_io_discard(reader, 1, 0, 0), LSM_ERR_READ_ONLY, "read-only");
    ck_assert_int_eq(lsm_volume_io_pread(reader, buf, 1, 0, 0), OK);
    ck_assert_int_eq(lsm_volume_io_flush(reader, 0), OK);
    ck_assert_int_eq(lsm_volume_io_close(reader, 0), OK);
}
END_TEST

TCase *test_io_range(void)
{
    TCase *tests = tcase_create("io_range");
    tcase_add_checked_fixture(tests, open_io, close_io);
    tcase_add_loop_test(tests, past_the_end, 0, sizeof outside / sizeof outside[0]);
    tcase_add_test(tests, up_to_the_end);
    tcase_add_test(tests, nothing_at_all_is_fine);
    tcase_add_test(tests, arguments_are_named);
    tcase_add_test(tests, a_read_only_handle_does_not_write);
    return tests;
}
