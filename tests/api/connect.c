/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting, where it is refused before any backend has a say. */
#include "test.h"

static lsm_connect *conn;
static lsm_error_ptr e;

/* Refused with `code`; the error is there and names `word`. */
static void assert_refused(int rc, int code, const char *word)
{
    ck_assert_int_eq(rc, code);
    ck_assert_ptr_null(conn);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq((int)lsm_error_number_get(e), code);
    ck_assert_ptr_nonnull(lsm_error_message_get(e));
    ck_assert_msg(strstr(lsm_error_message_get(e), word) != NULL, "%s", lsm_error_message_get(e));
    ck_assert_int_eq(lsm_error_free(e), OK);
    e = NULL;
}

START_TEST(an_unknown_scheme_is_named_with_those_that_there_are)
{
    int rc = lsm_connect_password("nosuch+ssl://host", NULL, &conn, 1000, &e, 0);
    ck_assert_int_eq(rc, LSM_ERR_PLUGIN_NOT_EXIST);
    ck_assert_ptr_nonnull(e);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "nosuch"));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "dir"));
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "dir"));
    assert_refused(rc, LSM_ERR_PLUGIN_NOT_EXIST, "nosuch");
}
END_TEST

/* A scheme is looked up whole: neither its beginning nor a longer one will do. */
START_TEST(schemes_are_compared_whole)
{
    static const char *const uris[] = {"di:///x", "dirr:///x", "dir.:///x", "d+ir:///x"};
    for (int i = 0; i < 4; i++)
        assert_refused(lsm_connect_password(uris[i], NULL, &conn, 1000, &e, 0),
                       LSM_ERR_PLUGIN_NOT_EXIST, "scheme");
}
END_TEST

START_TEST(arguments_are_named)
{
    lsm_connect *taken = (lsm_connect *)&taken;
    const char *uri = "nosuch://";

    assert_refused(lsm_connect_password(NULL, NULL, &conn, 1000, &e, 0), INVALID, "`uri`");
    assert_refused(lsm_connect_password("", NULL, &conn, 1000, &e, 0), INVALID, "`uri`");
    assert_refused(lsm_connect_password(uri, NULL, NULL, 1000, &e, 0), INVALID, "`conn`");
    assert_refused(lsm_connect_password(uri, NULL, &taken, 1000, &e, 0), INVALID, "`conn`");
    ck_assert_ptr_eq(taken, (lsm_connect *)&taken);
    assert_refused(lsm_connect_password(uri, NULL, &conn, 0, &e, 0), INVALID, "`timeout_ms`");
    assert_refused(lsm_connect_password(uri, NULL, &conn, 1000, &e, 4), INVALID, "`flags`");
    assert_refused(lsm_connect_password("no uri", NULL, &conn, 1000, &e, 0), INVALID, "URI");
}
END_TEST

START_TEST(without_a_place_for_the_error_only_the_code_is_left)
{
    lsm_error_ptr taken = (lsm_error_ptr)&taken;
    ck_assert_int_eq(lsm_connect_password("nosuch://", NULL, &conn, 1000, NULL, 0), INVALID);
    ck_assert_int_eq(lsm_connect_password("nosuch://", NULL, &conn, 1000, &taken, 0), INVALID);
    ck_assert_ptr_eq(taken, (lsm_error_ptr)&taken);
    ck_assert_ptr_null(conn);
}
END_TEST

/* Whatever a URI brings in, a message is one line of UTF-8. */
START_TEST(messages_are_one_line)
{
    assert_refused(lsm_connect_password("x://\n\xff", NULL, &conn, 1000, &e, 0), INVALID, "byte 4");
    lsm_connect_password("x://\n\xff", NULL, &conn, 1000, &e, 0);
    ck_assert_ptr_null(strchr(lsm_error_message_get(e), '\n'));
    lsm_error_free(e);
    e = NULL;
}
END_TEST

START_TEST(backends_are_listed)
{
    lsm_string_list *plugins = NULL;
    ck_assert_int_eq(lsm_available_plugins_list(" :: ", &plugins, 0), OK);
    ck_assert_uint_ge(lsm_string_list_size(plugins), 1);
    for (uint32_t i = 0; i < lsm_string_list_size(plugins); i++) {
        const char *separator = strstr(lsm_string_list_elem_get(plugins, i), " :: ");
        ck_assert_ptr_nonnull(separator);
        ck_assert_str_ne(separator, " :: ");
    }
    ck_assert_int_eq(lsm_available_plugins_list(":", &plugins, 0), INVALID);
    lsm_string_list_free(plugins);
    plugins = NULL;
    ck_assert_int_eq(lsm_available_plugins_list(NULL, &plugins, 0), INVALID);
    ck_assert_int_eq(lsm_available_plugins_list(":", NULL, 0), INVALID);
    ck_assert_int_eq(lsm_available_plugins_list(":", &plugins, 1), INVALID);
    ck_assert_ptr_null(plugins);
}
END_TEST

START_TEST(the_library_has_a_version)
{
    int major, minor, patch;
    ck_assert_int_eq(sscanf(lsm_library_version_get(), "%d.%d.%d", &major, &minor, &patch), 3);
}
END_TEST

TCase *test_connect(void)
{
    TCase *tests = tcase_create("connect");
    tcase_add_test(tests, an_unknown_scheme_is_named_with_those_that_there_are);
    tcase_add_test(tests, schemes_are_compared_whole);
    tcase_add_test(tests, arguments_are_named);
    tcase_add_test(tests, without_a_place_for_the_error_only_the_code_is_left);
    tcase_add_test(tests, messages_are_one_line);
    tcase_add_test(tests, backends_are_listed);
    tcase_add_test(tests, the_library_has_a_version);
    return tests;
}
