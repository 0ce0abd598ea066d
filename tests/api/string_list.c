/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

START_TEST(a_new_list_has_empty_handed_elements)
{
    lsm_string_list *list = lsm_string_list_alloc(3);
    ck_assert_ptr_nonnull(list);
    ck_assert_uint_eq(lsm_string_list_size(list), 3);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_ptr_null(lsm_string_list_elem_get(list, i));
    ck_assert_int_eq(lsm_string_list_free(list), OK);
}
END_TEST

START_TEST(texts_are_copied_in)
{
    char text[] = "before";
    lsm_string_list *list = lsm_string_list_alloc(0);
    ck_assert_int_eq(lsm_string_list_append(list, text), OK);
    strcpy(text, "after!");
    ck_assert_str_eq(lsm_string_list_elem_get(list, 0), "before");
    lsm_string_list_free(list);
}
END_TEST

START_TEST(setting_past_the_end_grows)
{
    lsm_string_list *list = lsm_string_list_alloc(1);
    ck_assert_int_eq(lsm_string_list_elem_set(list, 4, "four"), OK);
    ck_assert_uint_eq(lsm_string_list_size(list), 5);
    ck_assert_ptr_null(lsm_string_list_elem_get(list, 3));
    ck_assert_str_eq(lsm_string_list_elem_get(list, 4), "four");
    ck_assert_int_eq(lsm_string_list_elem_set(list, 4, "quatre"), OK);
    ck_assert_uint_eq(lsm_string_list_size(list), 5);
    ck_assert_str_eq(lsm_string_list_elem_get(list, 4), "quatre");
    lsm_string_list_free(list);
}
END_TEST

/* An index that would take gigabytes is a mistake, and must not be tried. */
START_TEST(absurd_sizes_are_refused)
{
    lsm_string_list *list = lsm_string_list_alloc(0);
    ck_assert_int_eq(lsm_string_list_elem_set(list, UINT32_MAX, "x"), INVALID);
    ck_assert_int_eq(lsm_string_list_elem_set(list, UINT32_MAX - 1, "x"), INVALID);
    ck_assert_uint_eq(lsm_string_list_size(list), 0);
    ck_assert_ptr_null(lsm_string_list_alloc(UINT32_MAX));
    lsm_string_list_free(list);
}
END_TEST

START_TEST(deleting_moves_the_rest_up)
{
    static const char *const texts[] = {"a", "b", "c", "d"};
    lsm_string_list *list = lsm_string_list_alloc(0);
    for (int i = 0; i < 4; i++)
        lsm_string_list_append(list, texts[i]);
    ck_assert_int_eq(lsm_string_list_delete(list, 3), OK);
    ck_assert_int_eq(lsm_string_list_delete(list, 0), OK);
    ck_assert_uint_eq(lsm_string_list_size(list), 2);
    ck_assert_str_eq(lsm_string_list_elem_get(list, 0), "b");
    ck_assert_str_eq(lsm_string_list_elem_get(list, 1), "c");
    ck_assert_int_eq(lsm_string_list_delete(list, 2), INVALID);
    ck_assert_int_eq(lsm_string_list_append(list, "e"), OK);
    ck_assert_str_eq(lsm_string_list_elem_get(list, 2), "e");
    lsm_string_list_free(list);
}
END_TEST

START_TEST(a_copy_stands_alone)
{
    lsm_string_list *list = lsm_string_list_alloc(2);
    lsm_string_list_elem_set(list, 1, "one");
    lsm_string_list *copy = lsm_string_list_copy(list);
    lsm_string_list_elem_set(list, 1, "changed");
    ck_assert_uint_eq(lsm_string_list_size(copy), 2);
    ck_assert_ptr_null(lsm_string_list_elem_get(copy, 0));
    ck_assert_str_eq(lsm_string_list_elem_get(copy, 1), "one");
    lsm_string_list_free(list);
    ck_assert_str_eq(lsm_string_list_elem_get(copy, 1), "one");
    lsm_string_list_free(copy);
}
END_TEST

START_TEST(many_elements)
{
    char text[16];
    lsm_string_list *list = lsm_string_list_alloc(0);
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(lsm_string_list_append(list, text), OK);
    }
    ck_assert_uint_eq(lsm_string_list_size(list), 5000);
    ck_assert_str_eq(lsm_string_list_elem_get(list, 4321), "4321");
    lsm_string_list_free(list);
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
    lsm_string_list *bad[] = {NULL, rubbish()};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lsm_string_list_free(bad[i]), INVALID);
        ck_assert_ptr_null(lsm_string_list_copy(bad[i]));
        ck_assert_uint_eq(lsm_string_list_size(bad[i]), 0);
        ck_assert_ptr_null(lsm_string_list_elem_get(bad[i], 0));
        ck_assert_int_eq(lsm_string_list_elem_set(bad[i], 0, "x"), INVALID);
        ck_assert_int_eq(lsm_string_list_append(bad[i], "x"), INVALID);
        ck_assert_int_eq(lsm_string_list_delete(bad[i], 0), INVALID);
    }
    free(bad[1]);
}
END_TEST

START_TEST(null_texts_are_refused)
{
    lsm_string_list *list = lsm_string_list_alloc(1);
    ck_assert_int_eq(lsm_string_list_append(list, NULL), INVALID);
    ck_assert_int_eq(lsm_string_list_elem_set(list, 0, NULL), INVALID);
    ck_assert_uint_eq(lsm_string_list_size(list), 1);
    lsm_string_list_free(list);
}
END_TEST

TCase *test_string_list(void)
{
    TCase *tests = tcase_create("string_list");
    tcase_add_test(tests, a_new_list_has_empty_handed_elements);
    tcase_add_test(tests, texts_are_copied_in);
    tcase_add_test(tests, setting_past_the_end_grows);
    tcase_add_test(tests, absurd_sizes_are_refused);
    tcase_add_test(tests, deleting_moves_the_rest_up);
    tcase_add_test(tests, a_copy_stands_alone);
    tcase_add_test(tests, many_elements);
    tcase_add_test(tests, what_is_no_list_is_refused);
    tcase_add_test(tests, null_texts_are_refused);
    return tests;
}
