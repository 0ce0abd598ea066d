/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

START_TEST(a_record_keeps_what_it_was_made_of)
{
    char message[] = "it broke";
    uint8_t data[] = {0, 1, 2, 3};
    uint32_t size = 0;
    lsm_error_ptr e =
        lsm_error_create(LSM_ERR_LIB_BUG, message, "Exception", "debug", data, sizeof data);

    ck_assert_ptr_nonnull(e);
    message[0] = 'X';
    data[0] = 9;
    ck_assert_int_eq(lsm_error_number_get(e), LSM_ERR_LIB_BUG);
    ck_assert_str_eq(lsm_error_message_get(e), "it broke");
    ck_assert_str_eq(lsm_error_exception_get(e), "Exception");
    ck_assert_str_eq(lsm_error_debug_get(e), "debug");
    const uint8_t *kept = lsm_error_debug_data_get(e, &size);
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(kept, "\0\1\2\3", 4);
    ck_assert_int_eq(lsm_error_free(e), OK);
}
END_TEST

START_TEST(everything_may_be_missing)
{
    uint32_t size = 7;
    lsm_error_ptr e = lsm_error_create(LSM_ERR_OK, NULL, NULL, NULL, NULL, 0);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(lsm_error_number_get(e), LSM_ERR_OK);
    ck_assert_ptr_null(lsm_error_message_get(e));
    ck_assert_ptr_null(lsm_error_exception_get(e));
    ck_assert_ptr_null(lsm_error_debug_get(e));
    ck_assert_ptr_null(lsm_error_debug_data_get(e, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_ptr_null(lsm_error_debug_data_get(e, NULL));
    ck_assert_ptr_null(lsm_error_object_get(e));
    ck_assert_ptr_null(lsm_error_hint_get(e));
    ck_assert_int_eq(lsm_error_errno_get(e), 0);
    ck_assert_int_eq(lsm_error_retryable_get(e), 0);
    ck_assert(lsm_error_offset_get(e) == UINT64_MAX);
    ck_assert_int_eq(lsm_error_free(e), OK);
}
END_TEST

START_TEST(data_without_a_size_is_no_data)
{
    uint32_t size = 7;
    lsm_error_ptr e = lsm_error_create(LSM_ERR_IO, "m", NULL, NULL, "x", 0);
    ck_assert_ptr_null(lsm_error_debug_data_get(e, &size));
    ck_assert_uint_eq(size, 0);
    lsm_error_free(e);
    e = lsm_error_create(LSM_ERR_IO, "m", NULL, NULL, NULL, 5);
    ck_assert_ptr_null(lsm_error_debug_data_get(e, &size));
    lsm_error_free(e);
}
END_TEST

START_TEST(what_is_no_error_is_refused)
{
    lsm_error_ptr bad[] = {NULL, rubbish()};
    uint32_t size = 7;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq((int)lsm_error_number_get(bad[i]), -1);
        ck_assert_ptr_null(lsm_error_message_get(bad[i]));
        ck_assert_ptr_null(lsm_error_exception_get(bad[i]));
        ck_assert_ptr_null(lsm_error_debug_get(bad[i]));
        ck_assert_ptr_null(lsm_error_debug_data_get(bad[i], &size));
        ck_assert_ptr_null(lsm_error_object_get(bad[i]));
        ck_assert_ptr_null(lsm_error_hint_get(bad[i]));
        ck_assert_int_eq(lsm_error_errno_get(bad[i]), 0);
        ck_assert_int_eq(lsm_error_retryable_get(bad[i]), 0);
        ck_assert(lsm_error_offset_get(bad[i]) == UINT64_MAX);
        ck_assert_int_eq(lsm_error_free(bad[i]), INVALID);
    }
    free(bad[1]);
}
END_TEST

TCase *test_error(void)
{
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, a_record_keeps_what_it_was_made_of);
    tcase_add_test(tests, everything_may_be_missing);
    tcase_add_test(tests, data_without_a_size_is_no_data);
    tcase_add_test(tests, what_is_no_error_is_refused);
    return tests;
}
