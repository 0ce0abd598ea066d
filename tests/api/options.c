/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options have no getters: what is tested is what the setters take. */
#include "test.h"

START_TEST(good_values_are_taken)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    ck_assert_ptr_nonnull(options);
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, 0), OK);
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, UINT32_MAX), OK);
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, 0), OK);
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, UINT64_MAX), OK);
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, LSM_VERIFY_READ_BACK), OK);
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, LSM_VERIFY_NONE), OK);
    ck_assert_int_eq(lsm_replicate_options_on_target_error_set(options, LSM_TARGET_ERROR_FAIL), OK);
    ck_assert_int_eq(lsm_replicate_options_on_target_error_set(options, LSM_TARGET_ERROR_DEGRADE),
                     OK);
    ck_assert_int_eq(lsm_replicate_options_free(options), OK);
}
END_TEST

START_TEST(unknown_numbers_are_refused)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, (lsm_verify_mode)2), INVALID);
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, (lsm_verify_mode)-1), INVALID);
    ck_assert_int_eq(lsm_replicate_options_on_target_error_set(options, (lsm_target_error_policy)2),
                     INVALID);
    lsm_replicate_options_free(options);
}
END_TEST

START_TEST(keys)
{
    char key[130];
    lsm_replicate_options *options = lsm_replicate_options_alloc();

    memset(key, 'k', 129);
    key[129] = '\0';
    ck_assert_int_eq(lsm_replicate_options_key_set(options, key), INVALID);
    key[128] = '\0';
    ck_assert_int_eq(lsm_replicate_options_key_set(options, key), OK);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "k"), OK);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "n\xc3\xa4"
                                                            "chtlich \"7\""),
                     OK);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, ""), INVALID);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, NULL), INVALID);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "a\nb"), INVALID);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "\xff"), INVALID);
    memcpy(key + 127, "\xc3\xa4", 3); /* 129 bytes, the last character across the bound */
    ck_assert_int_eq(lsm_replicate_options_key_set(options, key), INVALID);
    lsm_replicate_options_free(options);
}
END_TEST

START_TEST(what_is_no_options_is_refused)
{
    lsm_replicate_options *bad[] = {NULL, rubbish()};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lsm_replicate_options_key_set(bad[i], "k"), INVALID);
        ck_assert_int_eq(lsm_replicate_options_interval_set(bad[i], 1), INVALID);
        ck_assert_int_eq(lsm_replicate_options_rate_limit_set(bad[i], 1), INVALID);
        ck_assert_int_eq(lsm_replicate_options_verify_set(bad[i], LSM_VERIFY_NONE), INVALID);
        ck_assert_int_eq(lsm_replicate_options_on_target_error_set(bad[i], LSM_TARGET_ERROR_FAIL),
                         INVALID);
        ck_assert_int_eq(lsm_replicate_options_free(bad[i]), INVALID);
    }
    free(bad[1]);
}
END_TEST

TCase *test_options(void)
{
    TCase *tests = tcase_create("options");
    tcase_add_test(tests, good_values_are_taken);
    tcase_add_test(tests, unknown_numbers_are_refused);
    tcase_add_test(tests, keys);
    tcase_add_test(tests, what_is_no_options_is_refused);
    return tests;
}
