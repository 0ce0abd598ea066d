/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories that are none of ours: refused, and untouched to the byte. */
#include "suites.h"
#include "files.h"

#include <sys/stat.h>
#include <unistd.h>

/* The error of a connection that is not to be had. */
static lsm_error_ptr refused(const char *uri, int code)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    int rc = world_connect(uri, &conn, &e);
    ck_assert_msg(rc == code, "%s: %d, not %d: %s", uri, rc, code,
                  e ? lsm_error_message_get(e) : "no error");
    ck_assert_ptr_null(conn);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq((int)lsm_error_number_get(e), code);
    return e;
}

static void refused_saying(const char *uri, int code, const char *word)
{
    lsm_error_ptr e = refused(uri, code);
    ck_assert_msg(strstr(lsm_error_message_get(e), word) != NULL, "no «%s» in: %s", word,
                  lsm_error_message_get(e));
    lsm_error_free(e);
}

static void is_left_alone(const char *directory)
{
    autotext char *before = files_look(directory);
    for (int again = 0; again < 2; again++) {
        lsm_error_ptr e = refused(path_of("dir://%s", directory), INVALID);
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), directory));
        ck_assert_ptr_nonnull(lsm_error_hint_get(e));
        lsm_error_free(e);
        UNCHANGED(before, directory);
    }
}

static char *fresh(void)
{
    return strdup(scratch_directory());
}

START_TEST(foreign_file)
{
    autotext char *directory = fresh();
    file_write(path_of("%s/thesis.txt", directory), "words", 5);
    is_left_alone(directory);
}
END_TEST

START_TEST(foreign_hidden_file)
{
    autotext char *directory = fresh();
    file_write(path_of("%s/.bashrc", directory), "", 0);
    is_left_alone(directory);
}
END_TEST

START_TEST(foreign_directory)
{
    autotext char *directory = fresh();
    mkdir(path_of("%s/photos", directory), 0755);
    file_write(path_of("%s/photos/a.jpg", directory), "\xff\xd8", 2);
    is_left_alone(directory);
}
END_TEST

/* Names that we would give ourselves, with other things in them. */
START_TEST(foreign_directory_named_default)
{
    autotext char *directory = fresh();
    mkdir(path_of("%s/default", directory), 0755);
    file_write(path_of("%s/default/settings", directory), "x", 1);
    is_left_alone(directory);
}
END_TEST

START_TEST(foreign_file_named_default)
{
    autotext char *directory = fresh();
    file_write(path_of("%s/default", directory), "x", 1);
    is_left_alone(directory);
}
END_TEST

START_TEST(foreign_dangling_link)
{
    autotext char *directory = fresh();
    ck_assert_int_eq(symlink("/nowhere", path_of("%s/link", directory)), 0);
    is_left_alone(directory);
}
END_TEST

/* What a new file system has in it is nobody's. */
START_TEST(lost_and_found_is_empty)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    autotext char *directory = fresh();
    mkdir(path_of("%s/lost+found", directory), 0700);
    ck_assert_int_eq(world_connect(path_of("dir://%s", directory), &conn, &e), OK);
    ck_assert_int_eq(lsm_connect_close(conn, 0), OK);
    ck_assert(file_exists(path_of("%s/lost+found", directory)));
}
END_TEST

/* Beside a pool other things may stand: they are not looked at, and stay. */
START_TEST(foreign_beside_a_pool)
{
    world_close();
    const char *file = path_of("%s/README", world.directory);
    file_write(file, "mine", 4);
    mkdir(path_of("%s/backup", world.directory), 0755);
    file_write(path_of("%s/backup/x", world.directory), "x", 1);
    autotext char *before = files_look(path_of("%s/backup", world.directory));
    world_open();
    ck_assert_uint_eq(pool_count(), 1);
    let_go_of_volume(&(lsm_volume *){volume_make("v", MIB)});
    world_reopen();
    UNCHANGED(before, path_of("%s/backup", world.directory));
    ck_assert(file_exists(path_of("%s/README", world.directory)));
}
END_TEST

START_TEST(directory_missing)
{
    autotext char *directory = fresh();
    autotext char *uri = strdup(path_of("dir://%s/no/such", directory));
    lsm_error_ptr e = refused(uri, LSM_ERR_NOT_FOUND_SYSTEM);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "/no/such"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    ck_assert(!file_exists(path_of("%s/no", directory)));
}
END_TEST

START_TEST(directory_is_a_file)
{
    autotext char *directory = fresh();
    const char *file = path_of("%s/file", directory);
    file_write(file, "x", 1);
    refused_saying(path_of("dir://%s", file), INVALID, "directory");
}
END_TEST

START_TEST(directory_not_allowed)
{
    autotext char *directory = fresh();
    ck_assert_int_eq(chmod(directory, 0), 0);
    if (geteuid() != 0)
        refused_saying(path_of("dir://%s", directory), LSM_ERR_PERMISSION_DENIED, directory);
    chmod(directory, 0700);
}
END_TEST

START_TEST(options_unknown)
{
    refused_saying(path_of("%s%ccolor=red", world.uri, strchr(world.uri, '?') ? '&' : '?'), INVALID,
                   "color");
    refused_saying(path_of("dir://%s?cache=sometimes", world.directory), INVALID, "sometimes");
    refused_saying(path_of("dir://%s?cache=", world.directory), INVALID, "cache");
    refused_saying(path_of("dir://%s?CACHE=none", world.directory), INVALID, "CACHE");
}
END_TEST

START_TEST(uris_that_name_no_directory)
{
    static const char *const uris[] = {
        "dir://",          "dir://relative/path",   "dir://host/srv",
        "dir://user@/srv", "dir://user@host:1/srv", "dir://:8080/srv"};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        refused_saying(uris[i], INVALID, "dir:");
}
END_TEST

/* An unfinished making of a root, such as a crash leaves, is gone on with. */
START_TEST(unfinished_root)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    autotext char *directory = fresh();
    file_write(path_of("%s/lock", directory), "", 0);
    mkdir(path_of("%s/default", directory), 0700);
    file_write(path_of("%s/default/lock", directory), "", 0);
    mkdir(path_of("%s/default/layers", directory), 0700);
    int rc = world_connect(path_of("dir://%s", directory), &conn, &e);
    ck_assert_msg(rc == OK, "%d: %s", rc, e ? lsm_error_message_get(e) : "");
    ck_assert_int_eq(lsm_connect_close(conn, 0), OK);
}
END_TEST

TCase *foreign(void)
{
    TCase *tests = tcase_create("foreign");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, foreign_file);
    tcase_add_test(tests, foreign_hidden_file);
    tcase_add_test(tests, foreign_directory);
    tcase_add_test(tests, foreign_directory_named_default);
    tcase_add_test(tests, foreign_file_named_default);
    tcase_add_test(tests, foreign_dangling_link);
    tcase_add_test(tests, lost_and_found_is_empty);
    tcase_add_test(tests, foreign_beside_a_pool);
    tcase_add_test(tests, directory_missing);
    tcase_add_test(tests, directory_is_a_file);
    tcase_add_test(tests, directory_not_allowed);
    tcase_add_test(tests, options_unknown);
    tcase_add_test(tests, uris_that_name_no_directory);
    tcase_add_test(tests, unfinished_root);
    return tests;
}
