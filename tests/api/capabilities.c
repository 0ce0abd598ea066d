/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

#define OUTSIDE ((lsm_capability_type)512)

START_TEST(a_new_table_supports_nothing)
{
    lsm_storage_capabilities *cap = lsm_capability_record_alloc(NULL);
    for (int i = -1; i < 520; i++) {
        ck_assert_int_eq(lsm_capability_get(cap, (lsm_capability_type)i), LSM_CAP_UNSUPPORTED);
        ck_assert_int_eq(lsm_capability_supported(cap, (lsm_capability_type)i), 0);
    }
    ck_assert_int_eq(lsm_capability_record_free(cap), OK);
}
END_TEST

START_TEST(one_is_set)
{
    lsm_storage_capabilities *cap = lsm_capability_record_alloc(NULL);
    ck_assert_int_eq(lsm_capability_set(cap, LSM_CAP_VOLUME_REPLICATE_COPY, LSM_CAP_SUPPORTED), OK);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_REPLICATE_COPY), 1);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_REPLICATE_CLONE), 0);
    ck_assert_int_eq(lsm_capability_set(cap, LSM_CAP_VOLUME_REPLICATE_COPY, LSM_CAP_UNSUPPORTED),
                     OK);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_REPLICATE_COPY), 0);
    ck_assert_int_eq(lsm_capability_set(cap, OUTSIDE, LSM_CAP_SUPPORTED), INVALID);
    ck_assert_int_eq(lsm_capability_set(cap, (lsm_capability_type)-1, LSM_CAP_SUPPORTED), INVALID);
    ck_assert_int_eq(lsm_capability_set(cap, LSM_CAP_VOLUMES, (lsm_capability_value_type)2),
                     INVALID);
    lsm_capability_record_free(cap);
}
END_TEST

START_TEST(several_are_set)
{
    lsm_storage_capabilities *cap = lsm_capability_record_alloc(NULL);
    ck_assert_int_eq(lsm_capability_set_n(cap, LSM_CAP_SUPPORTED, LSM_CAP_VOLUMES,
                                          LSM_CAP_VOLUME_THIN, LSM_CAP_VOLUMES_QUICK_SEARCH, -1),
                     OK);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUMES), 1);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_THIN), 1);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUMES_QUICK_SEARCH), 1);
    ck_assert_int_eq(lsm_capability_set_n(cap, LSM_CAP_SUPPORTED, -1), OK);
    ck_assert_int_eq(lsm_capability_set_n(cap, LSM_CAP_SUPPORTED, LSM_CAP_VOLUME_DELETE, 512,
                                          LSM_CAP_VOLUME_ENABLE, -1),
                     INVALID);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_DELETE), 1);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_ENABLE), 0);
    lsm_capability_record_free(cap);
}
END_TEST

static void fill(char hex[1025])
{
    memset(hex, '0', 1024);
    hex[1024] = '\0';
}

START_TEST(a_table_comes_from_hex)
{
    char hex[1025];
    fill(hex);
    hex[2 * LSM_CAP_VOLUME_CREATE + 1] = '1';
    memcpy(hex + 2 * 511, "aB", 2);
    lsm_storage_capabilities *cap = lsm_capability_record_alloc(hex);
    ck_assert_ptr_nonnull(cap);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_CREATE), 1);
    ck_assert_int_eq(lsm_capability_supported(cap, LSM_CAP_VOLUME_RESIZE), 0);
    ck_assert_int_eq((int)lsm_capability_get(cap, (lsm_capability_type)511), 0xab);
    ck_assert_int_eq(lsm_capability_supported(cap, (lsm_capability_type)511), 0);
    lsm_capability_record_free(cap);
}
END_TEST

START_TEST(hex_of_another_form_is_refused)
{
    char hex[1025], longer[1027];
    fill(hex);
    memset(longer, '0', 1026);
    longer[1026] = '\0';
    ck_assert_ptr_null(lsm_capability_record_alloc(""));
    ck_assert_ptr_null(lsm_capability_record_alloc("0"));
    ck_assert_ptr_null(lsm_capability_record_alloc(longer));
    ck_assert_ptr_null(lsm_capability_record_alloc(hex + 1));
    hex[1023] = 'g';
    ck_assert_ptr_null(lsm_capability_record_alloc(hex));
    hex[1023] = '\0';
    ck_assert_ptr_null(lsm_capability_record_alloc(hex));
}
END_TEST

START_TEST(what_is_no_table_is_refused)
{
    lsm_storage_capabilities *bad[] = {NULL, rubbish()};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(lsm_capability_get(bad[i], LSM_CAP_VOLUMES), LSM_CAP_UNSUPPORTED);
        ck_assert_int_eq(lsm_capability_supported(bad[i], LSM_CAP_VOLUMES), 0);
        ck_assert_int_eq(lsm_capability_set(bad[i], LSM_CAP_VOLUMES, LSM_CAP_SUPPORTED), INVALID);
        ck_assert_int_eq(lsm_capability_set_n(bad[i], LSM_CAP_SUPPORTED, LSM_CAP_VOLUMES, -1),
                         INVALID);
        ck_assert_int_eq(lsm_capability_record_free(bad[i]), INVALID);
    }
    free(bad[1]);
}
END_TEST

TCase *test_capabilities(void)
{
    TCase *tests = tcase_create("capabilities");
    tcase_add_test(tests, a_new_table_supports_nothing);
    tcase_add_test(tests, one_is_set);
    tcase_add_test(tests, several_are_set);
    tcase_add_test(tests, a_table_comes_from_hex);
    tcase_add_test(tests, hex_of_another_form_is_refused);
    tcase_add_test(tests, what_is_no_table_is_refused);
    return tests;
}
