/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names: 1 to 255 bytes of printable UTF-8, unique in a pool, and never paths. The same rule holds
 * wherever a name is given: create, rename, replicate. */
#include "suites.h"

/* Each way to give a name; what it makes on success is a volume that bears it. */
static int name_by_create(lsm_volume *source, const char *name)
{
    autovolume lsm_volume *made = NULL;
    autotext char *job = NULL;
    (void)source;
    return lsm_volume_create(world.conn, world.pool, name, CLUSTER, THIN, &made, &job, 0);
}

static int name_by_clone(lsm_volume *source, const char *name)
{
    return replicate(NULL, CLONE, source, name, NULL);
}

static int name_by_copy(lsm_volume *source, const char *name)
{
    int rc = replicate(NULL, COPY, source, name, NULL);
    return rc == LSM_ERR_JOB_STARTED ? OK : rc;
}

static int name_by_rename(lsm_volume *source, const char *name)
{
    autovolume lsm_volume *renamed = NULL;
    return lsm_volume_rename(world.conn, source, name, &renamed, 0);
}

static int (*const ways[])(lsm_volume *, const char *) = {name_by_create, name_by_clone,
                                                          name_by_copy, name_by_rename};
#define WAYS ((int)(sizeof ways / sizeof *ways))

static void name_is_refused(int way, const char *name, int code, const char *word)
{
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    REFUSED_SAYING(ways[way](source, name), code, word);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    volume_look(&source);
    ck_assert_str_eq(lsm_volume_name_get(source), "source");
}

START_TEST(name_empty)
{
    name_is_refused(_i, "", INVALID, "name");
}
END_TEST

START_TEST(name_null)
{
    name_is_refused(_i, NULL, INVALID, "name");
}
END_TEST

START_TEST(name_too_long)
{
    char name[257] = {0};
    memset(name, 'n', 256);
    name_is_refused(_i, name, INVALID, "255");
}
END_TEST

/* 255 bytes fit, also when the last character has three of them. */
START_TEST(name_longest)
{
    char name[256] = {0};
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    memset(name, 'n', 252);
    strcpy(name + 252, "€");
    FINE(ways[_i](source, name));
}
END_TEST

START_TEST(name_not_utf8)
{
    static const char *const bad[] = {
        "abc\xff",    "abc\x80", "abc\xc0\xaf", "abc\xed\xa0\x80", "abc\xf4\x90\x80\x80",
        "abc\xe2\x82"};
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED_SAYING(ways[_i](source, bad[i]), INVALID, "byte 3");
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

START_TEST(name_control)
{
    static const char *const bad[] = {"abcd\n",       "abcd\x01z",     "abcd\x7f",
                                      "abcd\xc2\x80", "abcd\xc2\x9f.", "abcd\t"};
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED_SAYING(ways[_i](source, bad[i]), INVALID, "byte 4");
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

static const char *const printable[] = {
    "a/b/../c",
    "..",
    ".",
    "/etc/passwd",
    "quo\"te's",
    "back\\slash",
    "semi;colon -- %s %n {}",
    " ",
    " leading and trailing ",
    "Größe €",
    "\xc2\xa0",
    "日本語",
    "😀",
    "a*?[b]",
    "';DROP TABLE volume;",
};

/* Found by its name afterwards, and still there under it when the connection is a new one. */
START_TEST(name_printable)
{
    for (size_t i = 0; i < sizeof printable / sizeof *printable; i++)
        let_go_of_volume(&(lsm_volume *){volume_make(printable[i], CLUSTER)});
    world_reopen();
    for (size_t i = 0; i < sizeof printable / sizeof *printable; i++) {
        autovolume lsm_volume *found = volume_named(printable[i]);
        ck_assert_msg(found != NULL, "«%s» is gone", printable[i]);
        ck_assert_str_eq(lsm_volume_name_get(found), printable[i]);
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), sizeof printable / sizeof *printable);
}
END_TEST

START_TEST(name_conflict)
{
    autovolume lsm_volume *other = volume_make("taken", CLUSTER);
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    REFUSED_SAYING(ways[_i](source, "taken"), LSM_ERR_NAME_CONFLICT, "taken");
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

START_TEST(name_of_its_own_is_125)
{
    autovolume lsm_volume *source = volume_make("source", CLUSTER);
    REFUSED(name_by_rename(source, "source"), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

START_TEST(name_differs_by_case)
{
    autovolume lsm_volume *upper = volume_make("NAME", CLUSTER);
    autovolume lsm_volume *lower = volume_make("name", CLUSTER);
    ck_assert_str_ne(lsm_volume_id_get(upper), lsm_volume_id_get(lower));
}
END_TEST

START_TEST(name_is_free_after_delete)
{
    autovolume lsm_volume *first = volume_make("name", CLUSTER);
    FINE(volume_delete(first));
    autovolume lsm_volume *second = volume_make("name", CLUSTER);
    ck_assert_str_ne(lsm_volume_id_get(first), lsm_volume_id_get(second));
}
END_TEST

START_TEST(name_is_free_after_rename)
{
    autovolume lsm_volume *volume = volume_make("old", CLUSTER), *renamed = NULL;
    FINE(lsm_volume_rename(world.conn, volume, "new", &renamed, 0));
    ck_assert_str_eq(lsm_volume_name_get(renamed), "new");
    ck_assert_str_eq(lsm_volume_id_get(renamed), lsm_volume_id_get(volume));
    autovolume lsm_volume *other = volume_make("old", CLUSTER);
    world_reopen();
    volume_look(&volume);
    ck_assert_str_eq(lsm_volume_name_get(volume), "new");
}
END_TEST

/* A name is unique in its pool, so that a copy may bear its source's in another. */
START_TEST(name_again_in_another_pool)
{
    autopool lsm_pool *pool = pool_make("other");
    autovolume lsm_volume *here = volume_make("name", CLUSTER);
    autovolume lsm_volume *there = volume_make_in(pool, "name", CLUSTER, THIN);
    REFUSED(replicate(pool, COPY, here, "name", NULL), LSM_ERR_NAME_CONFLICT);
    FINE(volume_delete(there));
    autovolume lsm_volume *copy = copy_make(pool, here, "name");
    ck_assert_str_eq(lsm_volume_pool_id_get(copy), lsm_pool_id_get(pool));
    ck_assert_uint_eq(volume_count("name", "name"), 2);
}
END_TEST

TCase *names(void)
{
    TCase *tests = tcase_create("names");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, name_empty, 0, WAYS);
    tcase_add_loop_test(tests, name_null, 0, WAYS);
    tcase_add_loop_test(tests, name_too_long, 0, WAYS);
    tcase_add_loop_test(tests, name_longest, 0, WAYS);
    tcase_add_loop_test(tests, name_not_utf8, 0, WAYS);
    tcase_add_loop_test(tests, name_control, 0, WAYS);
    tcase_add_test(tests, name_printable);
    tcase_add_loop_test(tests, name_conflict, 0, WAYS);
    tcase_add_test(tests, name_of_its_own_is_125);
    tcase_add_test(tests, name_differs_by_case);
    tcase_add_test(tests, name_is_free_after_delete);
    tcase_add_test(tests, name_is_free_after_rename);
    tcase_add_test(tests, name_again_in_another_pool);
    return tests;
}
