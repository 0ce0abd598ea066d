/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URIs that are none: refused with 101, and nothing worse happens. Connecting refuses the same
 * ones, and its error names the byte at which it went wrong.
 */
#include "test.h"

struct refused {
    const char *uri;
    uint64_t at; /* byte */
};

static const struct refused refused[] = {
    {"://", 0},
    {"/srv/pool", 0},
    {"1dir:///x", 0},
    {"+dir:///x", 0},
    {" dir:///x", 0},
    {"%64ir:///x", 0},
    {"\xc3\xb6://x", 0},
    {"dir", 3},
    {"dir:", 3},
    {"dir:/", 3},
    {"dir:/srv/pool", 3},
    {"wat:/is@this", 3},
    {"dir //x", 3},
    {"d_r:///x", 1},
    {"x://h:", 6},
    {"x://h:/", 6},
    {"x://h:a", 6},
    {"x://h:1a", 7},
    {"x://h:-1", 6},
    {"x://h:+1", 6},
    {"x://h: 1", 6},
    {"x://h:0", 6},
    {"x://h:0000000000000000000000", 6},
    {"x://h:65536", 6},
    {"x://h:99999999999999999999", 6},
    {"x://h:18446744073709551617", 6},
    {"x://h:1:2", 7},
    {"x://h:%31", 6},
    {"x://a@b@c", 7},
    {"x://a b", 5},
    {"x://a\\b", 5},
    {"x://<h>", 4},
    {"x://[", 4},
    {"x://[::1", 4},
    {"x://[::1]x", 9},
    {"x://[::1]:", 10},
    {"x://h]", 5},
    {"x:///%", 5},
    {"x:///%4", 5},
    {"x:///%4g", 5},
    {"x:///%g4", 5},
    {"x:///%%41", 5},
    {"x:///%00", 5},
    {"x:///a%2", 6},
    {"x://%", 4},
    {"x://%4@h", 4},
    {"x://?%=a", 5},
    {"x://?a=%4", 7},
    {"x://?a=%4&b", 7},
    {"x://?=v", 5},
    {"x://?a=b&=c", 9},
    {"x:///a#b", 6},
    {"x://#", 4},
    {"x:///a\nb", 6},
    {"x:///a\tb", 6},
    {"x:///\x7f", 5},
    {"x:///\xc2\x85", 5},
    {"x:///\x80", 5},
    {"x:///\xff\xff", 5},
    {"x:///\xc0\xaf", 5},         /* a slash, in two bytes */
    {"x:///\xe0\x80\xaf", 5},     /* and in three */
    {"x:///\xed\xa0\x80", 5},     /* half of a surrogate pair */
    {"x:///\xf4\x90\x80\x80", 5}, /* past U+10FFFF */
    {"x:///ab\xc3", 7},           /* cut in the middle of a character */
    {"x:///%c0%af", 4},           /* the same, escaped: the part is named */
    {"x:///%ff", 4},
    {"x:///%c3", 4},
};
#define REFUSED_COUNT ((int)(sizeof refused / sizeof refused[0]))

static int parse(const char *uri)
{
    char *scheme = (char *)1, *user = (char *)1, *server = (char *)1, *path = (char *)1;
    lsm_hash *query = (lsm_hash *)1;
    int port = 7;
    int rc = lsm_uri_parse(uri, &scheme, &user, &server, &port, &path, &query);

    if (rc == OK) {
        free(scheme);
        free(user);
        free(server);
        free(path);
        lsm_hash_free(query);
        return rc;
    }
    ck_assert_ptr_null(scheme);
    ck_assert_ptr_null(user);
    ck_assert_ptr_null(server);
    ck_assert_ptr_null(path);
    ck_assert_ptr_null(query);
    ck_assert_int_eq(port, -1);
    return rc;
}

START_TEST(is_no_uri)
{
    ck_assert_msg(parse(refused[_i].uri) == INVALID, "accepted: %s", refused[_i].uri);
}
END_TEST

START_TEST(connecting_names_the_byte)
{
    const struct refused *r = &refused[_i];
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;

    ck_assert_int_eq(lsm_connect_password(r->uri, NULL, &conn, 1000, &e, 0), INVALID);
    ck_assert_ptr_null(conn);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(lsm_error_number_get(e), INVALID);
    ck_assert_msg(lsm_error_offset_get(e) == r->at, "%s: %s", r->uri, lsm_error_message_get(e));
    lsm_error_free(e);
}
END_TEST

START_TEST(empty_and_null)
{
    ck_assert_int_eq(parse(""), INVALID);
    ck_assert_int_eq(parse(NULL), INVALID);
}
END_TEST

START_TEST(missing_outputs)
{
    char *text = NULL;
    lsm_hash *query = NULL;
    int port;
    ck_assert_int_eq(lsm_uri_parse("x://", NULL, &text, &text, &port, &text, &query), INVALID);
    ck_assert_int_eq(lsm_uri_parse("x://", &text, NULL, &text, &port, &text, &query), INVALID);
    ck_assert_int_eq(lsm_uri_parse("x://", &text, &text, NULL, &port, &text, &query), INVALID);
    ck_assert_int_eq(lsm_uri_parse("x://", &text, &text, &text, NULL, &text, &query), INVALID);
    ck_assert_int_eq(lsm_uri_parse("x://", &text, &text, &text, &port, NULL, &query), INVALID);
    ck_assert_int_eq(lsm_uri_parse("x://", &text, &text, &text, &port, &text, NULL), INVALID);
}
END_TEST

/* Long ones: each part in turn is as long as a URI may be, then one byte longer. */
START_TEST(length_is_bounded)
{
    static const char *const before[] = {"x://", "x://u@", "x:///", "x://?", "x://?k="};
    static const size_t bound = 65535;
    char *uri = malloc(bound + 2);

    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        memset(uri, 'a', bound + 1);
        memcpy(uri, before[i], strlen(before[i]));
        uri[bound + 1] = '\0';
        ck_assert_int_eq(parse(uri), INVALID);
        uri[bound] = '\0';
        ck_assert_int_eq(parse(uri), OK);
    }
    free(uri);
}
END_TEST

/* Every cut of a URI that has everything, and every byte of it replaced by each other byte: most
 * are refused, some are fine, none does harm. */
START_TEST(every_cut_and_every_byte)
{
    static const char whole[] = "x+y://us%65r@[::1]:123/p%20q/r?k%3d=v%26&l=m";
    char uri[sizeof whole];

    for (size_t size = 0; size < sizeof whole; size++) {
        char *cut = strndup(whole, size);
        parse(cut);
        free(cut);
    }
    for (size_t at = 0; at + 1 < sizeof whole; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(uri, whole, sizeof whole);
            uri[at] = (char)byte;
            parse(uri);
        }
    }
}
END_TEST

/* Random text of the characters that mean something. */
START_TEST(random_soup)
{
    static const char soup[] = "ab:/?#[]@%+&=.0123456789 \\\xc3\xb6\xff\x01";
    uint32_t state = 12345;
    char uri[64] = "x://";

    for (int round = 0; round < 50000; round++) {
        size_t size = 4;
        for (; size < sizeof uri - 1; size++) {
            state = state * 1664525 + 1013904223;
            if ((state >> 16) % 40 == 0)
                break;
            uri[size] = soup[(state >> 16) % (sizeof soup - 1)];
        }
        uri[size] = '\0';
        parse(uri);
    }
}
END_TEST

TCase *test_uri_hostile(void)
{
    TCase *tests = tcase_create("uri_hostile");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, is_no_uri, 0, REFUSED_COUNT);
    tcase_add_loop_test(tests, connecting_names_the_byte, 0, REFUSED_COUNT);
    tcase_add_test(tests, empty_and_null);
    tcase_add_test(tests, missing_outputs);
    tcase_add_test(tests, length_is_bounded);
    tcase_add_test(tests, every_cut_and_every_byte);
    tcase_add_test(tests, random_soup);
    return tests;
}
