/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tags: texts that a program keeps with a volume. At most 64, of 4 KiB together. */
#include "suites.h"

static int set(lsm_volume *volume, const char *key, const char *value)
{
    return lsm_volume_tag_set(world.conn, volume, key, value, 0);
}

START_TEST(tags_are_kept)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    FINE(set(v, "owner", "me"));
    FINE(set(v, "ключ", "lines\nand\ttabs"));
    FINE(set(v, "empty", ""));
    ck_assert_ptr_null(lsm_volume_tag_get(v, "owner")); /* a record never changes */
    world_reopen();
    volume_look(&v);
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "owner"), "me");
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "ключ"), "lines\nand\ttabs");
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "empty"), "");
    ck_assert_ptr_null(lsm_volume_tag_get(v, "nosuch"));
    ck_assert_ptr_null(lsm_volume_tag_get(v, NULL));
}
END_TEST

START_TEST(tags_change_and_go)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    FINE(set(v, "a", "1"));
    FINE(set(v, "b", "2"));
    FINE(set(v, "c", "3"));
    FINE(set(v, "b", "22"));
    FINE(set(v, "a", NULL));
    volume_look(&v);
    ck_assert_ptr_null(lsm_volume_tag_get(v, "a"));
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "b"), "22");
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "c"), "3");
    world_reopen();
    volume_look(&v);
    ck_assert_ptr_null(lsm_volume_tag_get(v, "a"));
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "b"), "22");
}
END_TEST

START_TEST(tags_are_the_volumes_own)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    FINE(set(v, "k", "of v"));
    autovolume lsm_volume *clone = clone_make(v, "clone");
    ck_assert_ptr_null(lsm_volume_tag_get(clone, "k"));
    FINE(set(clone, "k", "of the clone"));
    volume_look(&v);
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "k"), "of v");
}
END_TEST

START_TEST(tag_limit_64)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    char key[16];
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "k%d", i);
        FINE(set(v, key, "v"));
    }
    REFUSED_SAYING(set(v, "one too many", "v"), INVALID, "64");
    FINE(set(v, "k7", "changed"));
    FINE(set(v, "k8", NULL));
    FINE(set(v, "one too many", "v"));
    volume_look(&v);
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "k7"), "changed");
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "k63"), "v");
    ck_assert_ptr_null(lsm_volume_tag_get(v, "k8"));
}
END_TEST

/* Keys and values together. */
START_TEST(tag_limit_4_KiB)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    char value[5000];
    memset(value, 'x', sizeof value);
    value[4095] = '\0';
    FINE(set(v, "k", value));
    REFUSED_SAYING(set(v, "l", ""), INVALID, "4096");
    value[4095] = 'x', value[4096] = '\0';
    REFUSED(set(v, "k", value), INVALID);
    value[4097] = '\0';
    REFUSED(set(v, "k", value), INVALID);
    value[10] = '\0';
    FINE(set(v, "k", value));
    FINE(set(v, "l", ""));
}
END_TEST

START_TEST(tag_bad_texts_are_101)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    REFUSED(set(v, "", "v"), INVALID);
    REFUSED(set(v, NULL, "v"), INVALID);
    REFUSED(set(v, "k\xff", "v"), INVALID);
    REFUSED(set(v, "k", "v\xc3"), INVALID);
    volume_look(&v);
    ck_assert_ptr_null(lsm_volume_tag_get(v, "k"));
}
END_TEST

START_TEST(tag_that_is_not_there_is_removed)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    FINE(set(v, "nosuch", NULL));
}
END_TEST

TCase *tags(void)
{
    TCase *tests = tcase_create("tags");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, tags_are_kept);
    tcase_add_test(tests, tags_change_and_go);
    tcase_add_test(tests, tags_are_the_volumes_own);
    tcase_add_test(tests, tag_limit_64);
    tcase_add_test(tests, tag_limit_4_KiB);
    tcase_add_test(tests, tag_bad_texts_are_101);
    tcase_add_test(tests, tag_that_is_not_there_is_removed);
    return tests;
}
