/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

START_TEST(what_is_set_is_found)
{
    lsm_hash *hash = lsm_hash_alloc();
    ck_assert_int_eq(lsm_hash_string_set(hash, "cache", "none"), OK);
    ck_assert_int_eq(lsm_hash_string_set(hash, "", "empty key"), OK);
    ck_assert_int_eq(lsm_hash_string_set(hash, "empty value", ""), OK);
    ck_assert_str_eq(lsm_hash_string_get(hash, "cache"), "none");
    ck_assert_str_eq(lsm_hash_string_get(hash, ""), "empty key");
    ck_assert_str_eq(lsm_hash_string_get(hash, "empty value"), "");
    ck_assert_ptr_null(lsm_hash_string_get(hash, "Cache"));
    ck_assert_int_eq(lsm_hash_free(hash), OK);
}
END_TEST

START_TEST(setting_again_replaces)
{
    lsm_hash *hash = lsm_hash_alloc();
    lsm_string_list *keys = NULL;
    lsm_hash_string_set(hash, "a", "1");
    lsm_hash_string_set(hash, "b", "2");
    ck_assert_int_eq(lsm_hash_string_set(hash, "a", "3"), OK);
    ck_assert_str_eq(lsm_hash_string_get(hash, "a"), "3");
    ck_assert_int_eq(lsm_hash_keys(hash, &keys), OK);
    ck_assert_uint_eq(lsm_string_list_size(keys), 2);
    lsm_string_list_free(keys);
    lsm_hash_free(hash);
}
END_TEST

/* A value may be replaced by what was looked up in the same hash. */
START_TEST(setting_a_value_to_itself)
{
    lsm_hash *hash = lsm_hash_alloc();
    lsm_hash_string_set(hash, "a", "text");
    ck_assert_int_eq(lsm_hash_string_set(hash, "a", lsm_hash_string_get(hash, "a")), OK);
    ck_assert_str_eq(lsm_hash_string_get(hash, "a"), "text");
    lsm_hash_free(hash);
}
END_TEST

START_TEST(keys_of_an_empty_hash_are_null)
{
    lsm_hash *hash = lsm_hash_alloc();
    lsm_string_list *keys = NULL;
    ck_assert_int_eq(lsm_hash_keys(hash, &keys), OK);
    ck_assert_ptr_null(keys);
    lsm_hash_free(hash);
}
END_TEST

START_TEST(a_copy_stands_alone)
{
    lsm_hash *hash = lsm_hash_alloc();
    lsm_hash_string_set(hash, "a", "1");
    lsm_hash *copy = lsm_hash_copy(hash);
    lsm_hash_string_set(hash, "a", "2");
    lsm_hash_free(hash);
    ck_assert_str_eq(lsm_hash_string_get(copy, "a"), "1");
    lsm_hash_free(copy);
}
END_TEST

START_TEST(many_keys)
{
    char key[16];
    lsm_hash *hash = lsm_hash_alloc();
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        ck_assert_int_eq(lsm_hash_string_set(hash, key, key + 3), OK);
    }
    ck_assert_str_eq(lsm_hash_string_get(hash, "key777"), "777");
    lsm_hash_free(hash);
}
END_TEST

START_TEST(what_is_no_hash_is_refused)
{
    lsm_hash *bad[] = {NULL, rubbish()};
    lsm_string_list *keys = NULL;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lsm_hash_free(bad[i]), INVALID);
        ck_assert_ptr_null(lsm_hash_copy(bad[i]));
        ck_assert_int_eq(lsm_hash_keys(bad[i], &keys), INVALID);
        ck_assert_ptr_null(lsm_hash_string_get(bad[i], "a"));
        ck_assert_int_eq(lsm_hash_string_set(bad[i], "a", "b"), INVALID);
    }
    ck_assert_ptr_null(keys);
    free(bad[1]);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    lsm_hash *hash = lsm_hash_alloc();
    lsm_string_list *keys = lsm_string_list_alloc(0), *before = keys;
    ck_assert_int_eq(lsm_hash_string_set(hash, NULL, "b"), INVALID);
    ck_assert_int_eq(lsm_hash_string_set(hash, "a", NULL), INVALID);
    ck_assert_ptr_null(lsm_hash_string_get(hash, NULL));
    ck_assert_int_eq(lsm_hash_keys(hash, NULL), INVALID);
    ck_assert_int_eq(lsm_hash_keys(hash, &keys), INVALID);
    ck_assert_ptr_eq(keys, before);
    lsm_string_list_free(keys);
    lsm_hash_free(hash);
}
END_TEST

TCase *test_hash(void)
{
    TCase *tests = tcase_create("hash");
    tcase_add_test(tests, what_is_set_is_found);
    tcase_add_test(tests, setting_again_replaces);
    tcase_add_test(tests, setting_a_value_to_itself);
    tcase_add_test(tests, keys_of_an_empty_hash_are_null);
    tcase_add_test(tests, a_copy_stands_alone);
    tcase_add_test(tests, many_keys);
    tcase_add_test(tests, what_is_no_hash_is_refused);
    tcase_add_test(tests, bad_arguments_are_refused);
    return tests;
}
