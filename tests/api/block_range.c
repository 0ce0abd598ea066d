/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

START_TEST(a_range_keeps_its_numbers)
{
    lsm_block_range *range = lsm_block_range_record_alloc(1, UINT64_MAX, 3);
    ck_assert_ptr_nonnull(range);
    ck_assert_uint_eq(lsm_block_range_source_start_get(range), 1);
    ck_assert_uint_eq(lsm_block_range_dest_start_get(range), UINT64_MAX);
    ck_assert_uint_eq(lsm_block_range_block_count_get(range), 3);
    lsm_block_range *copy = lsm_block_range_record_copy(range);
    ck_assert_int_eq(lsm_block_range_record_free(range), OK);
    ck_assert_uint_eq(lsm_block_range_dest_start_get(copy), UINT64_MAX);
    ck_assert_int_eq(lsm_block_range_record_free(copy), OK);
}
END_TEST

START_TEST(an_array_may_be_filled_in_part)
{
    lsm_block_range **ranges = lsm_block_range_record_array_alloc(3);
    ck_assert_ptr_nonnull(ranges);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(ranges[i]);
    ranges[1] = lsm_block_range_record_alloc(1, 2, 3);
    ck_assert_int_eq(lsm_block_range_record_array_free(ranges, 3), OK);
    ck_assert_ptr_null(lsm_block_range_record_array_alloc(0));
    ck_assert_int_eq(lsm_block_range_record_array_free(NULL, 0), INVALID);
    ck_assert_int_eq(lsm_block_range_record_array_free(NULL, 3), INVALID);
}
END_TEST

START_TEST(an_array_with_something_else_is_refused_whole)
{
    lsm_block_range **ranges = lsm_block_range_record_array_alloc(2);
    ranges[0] = lsm_block_range_record_alloc(1, 2, 3);
    ranges[1] = rubbish();
    ck_assert_int_eq(lsm_block_range_record_array_free(ranges, 2), INVALID);
    ck_assert_uint_eq(lsm_block_range_source_start_get(ranges[0]), 1);
    free(ranges[1]);
    ck_assert_int_eq(lsm_block_range_record_array_free(ranges, 1), OK);
}
END_TEST

START_TEST(what_is_no_range_is_refused)
{
    lsm_block_range *bad[] = {NULL, rubbish()};
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(lsm_block_range_source_start_get(bad[i]), 0);
        ck_assert_uint_eq(lsm_block_range_dest_start_get(bad[i]), 0);
        ck_assert_uint_eq(lsm_block_range_block_count_get(bad[i]), 0);
        ck_assert_ptr_null(lsm_block_range_record_copy(bad[i]));
        ck_assert_int_eq(lsm_block_range_record_free(bad[i]), INVALID);
    }
    free(bad[1]);
}
END_TEST

TCase *test_block_range(void)
{
    TCase *tests = tcase_create("block_range");
    tcase_add_test(tests, a_range_keeps_its_numbers);
    tcase_add_test(tests, an_array_may_be_filled_in_part);
    tcase_add_test(tests, an_array_with_something_else_is_refused_whole);
    tcase_add_test(tests, what_is_no_range_is_refused);
    return tests;
}
