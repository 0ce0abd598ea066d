/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URIs that are fine, and what their parts are. */
#include "test.h"

struct example {
    const char *uri;
    const char *scheme, *user, *server;
    int port;
    const char *path;
    const char *key, *value; /* one of the query's, or NULL: it is empty */
};

static const struct example examples[] = {
    {"sim://", "sim", NULL, NULL, -1, NULL, NULL, NULL},
    {"sim://?", "sim", NULL, NULL, -1, NULL, NULL, NULL},
    {"dir:///srv/pool", "dir", NULL, NULL, -1, "/srv/pool", NULL, NULL},
    {"dir:///", "dir", NULL, NULL, -1, "/", NULL, NULL},
    {"dir:///srv//pool/", "dir", NULL, NULL, -1, "/srv//pool/", NULL, NULL},
    {"dir:///srv/pool?cache=none", "dir", NULL, NULL, -1, "/srv/pool", "cache", "none"},
    {"dir:///srv/a%20b", "dir", NULL, NULL, -1, "/srv/a b", NULL, NULL},
    {"dir:///srv/a b", "dir", NULL, NULL, -1, "/srv/a b", NULL, NULL},
    {"dir:///srv/100%25", "dir", NULL, NULL, -1, "/srv/100%", NULL, NULL},
    {"dir:///srv/%23%3f%3F%2f", "dir", NULL, NULL, -1, "/srv/#?\?/", NULL, NULL},
    {"dir:///srv/user@host:1", "dir", NULL, NULL, -1, "/srv/user@host:1", NULL, NULL},
    {"dir:///srv/Gr\xc3\xb6\xc3\x9f"
     "e",
     "dir", NULL, NULL, -1,
     "/srv/Gr\xc3\xb6\xc3\x9f"
     "e",
     NULL, NULL},
    {"dir:///srv/%C3%B6", "dir", NULL, NULL, -1, "/srv/\xc3\xb6", NULL, NULL},
    {"DIR:///srv/Pool", "dir", NULL, NULL, -1, "/srv/Pool", NULL, NULL},
    {"sim://user@host:123/path/?namespace=root/uber", "sim", "user", "host", 123, "/path/",
     "namespace", "root/uber"},
    {"smis://user@host?namespace=root/emc", "smis", "user", "host", -1, NULL, "namespace",
     "root/emc"},
    {"smis+ssl://user@host:8080", "smis+ssl", "user", "host", 8080, NULL, NULL, NULL},
    {"a1+b-c.d://h", "a1+b-c.d", NULL, "h", -1, NULL, NULL, NULL},
    {"x://us%40er:pass%3aword@h", "x", "us@er:pass:word", "h", -1, NULL, NULL, NULL},
    {"x://@h", "x", NULL, "h", -1, NULL, NULL, NULL},
    {"x://h:1", "x", NULL, "h", 1, NULL, NULL, NULL},
    {"x://h:65535/", "x", NULL, "h", 65535, "/", NULL, NULL},
    {"x://h:00080", "x", NULL, "h", 80, NULL, NULL, NULL},
    {"x://:80", "x", NULL, NULL, 80, NULL, NULL, NULL},
    {"x://[2001:db8::1]:443/p", "x", NULL, "[2001:db8::1]", 443, "/p", NULL, NULL},
    {"x://u@[::1]", "x", "u", "[::1]", -1, NULL, NULL, NULL},
    {"rbd://pool?conf=/etc/ceph/ceph.conf", "rbd", NULL, "pool", -1, NULL, "conf",
     "/etc/ceph/ceph.conf"},
    {"x://?a=1&b=2", "x", NULL, NULL, -1, NULL, "b", "2"},
    {"x://?a=1&&b=2&", "x", NULL, NULL, -1, NULL, "b", "2"},
    {"x://?a", "x", NULL, NULL, -1, NULL, "a", ""},
    {"x://?a=", "x", NULL, NULL, -1, NULL, "a", ""},
    {"x://?a=b=c", "x", NULL, NULL, -1, NULL, "a", "b=c"},
    {"x://?a=1&a=2", "x", NULL, NULL, -1, NULL, "a", "2"},
    {"x://?a%3db=c%26d", "x", NULL, NULL, -1, NULL, "a=b", "c&d"},
    {"x://?a=1+1;b?c/d", "x", NULL, NULL, -1, NULL, "a", "1+1;b?c/d"},
    {"x://?a=line%0Abreak", "x", NULL, NULL, -1, NULL, "a", "line\nbreak"},
};

static void assert_text(const char *uri, const char *got, const char *wanted)
{
    ck_assert_msg((!got && !wanted) || (got && wanted && strcmp(got, wanted) == 0),
                  "%s: got %s, not %s", uri, got ? got : "NULL", wanted ? wanted : "NULL");
}

static void assert_query(const struct example *e, lsm_hash *query)
{
    lsm_string_list *keys = NULL;
    ck_assert_msg(query != NULL, "%s: no hash", e->uri);
    if (e->key) {
        assert_text(e->uri, lsm_hash_string_get(query, e->key), e->value);
    } else {
        ck_assert_int_eq(lsm_hash_keys(query, &keys), OK);
        ck_assert_ptr_null(keys);
    }
}

START_TEST(parts)
{
    const struct example *e = &examples[_i];
    char *scheme = NULL, *user = NULL, *server = NULL, *path = NULL;
    lsm_hash *query = NULL;
    int port = 0;

    ck_assert_msg(lsm_uri_parse(e->uri, &scheme, &user, &server, &port, &path, &query) == OK,
                  "%s is refused", e->uri);
    assert_text(e->uri, scheme, e->scheme);
    assert_text(e->uri, user, e->user);
    assert_text(e->uri, server, e->server);
    assert_text(e->uri, path, e->path);
    ck_assert_msg(port == e->port, "%s: port %d", e->uri, port);
    assert_query(e, query);
    free(scheme);
    free(user);
    free(server);
    free(path);
    lsm_hash_free(query);
}
END_TEST

TCase *test_uri(void)
{
    TCase *tests = tcase_create("uri");
    tcase_add_loop_test(tests, parts, 0, sizeof examples / sizeof examples[0]);
    return tests;
}
