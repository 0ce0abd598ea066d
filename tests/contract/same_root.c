/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One root, several connections of one process: they share everything, options included. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <unistd.h>

static lsm_connect *connect_to(const char *uri)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    int rc = world_connect(uri, &conn, &e);
    ck_assert_msg(rc == OK, "%s: %d, %s", uri, rc, e ? lsm_error_message_get(e) : "");
    return conn;
}

static void other_option_is_busy(const char *uri)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    ck_assert_int_eq(world_connect(uri, &conn, &e), LSM_ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "cache"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
}

/* However it is written, it is the same directory. */
START_TEST(same_root_twice_shares)
{
    autotext char *link = strdup(path_of("%s/link", scratch_directory()));
    const char *query = strchr(world.uri, '?') ? strchr(world.uri, '?') : "";
    autovolume lsm_volume *v = volume_make("v", MIB);
    ck_assert_int_eq(symlink(world.directory, link), 0);
    const char *ways[] = {world.uri, path_of("dir://%s/%s", world.directory, query),
                          path_of("dir://%s/../root%s", world.directory, query),
                          path_of("dir://%s//.%s", world.directory, query),
                          path_of("dir://%s%s", link, query)};
    lsm_connect *first = world.conn;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        world.conn = connect_to(ways[i]);
        volume_look(&v);
        char name[16];
        snprintf(name, sizeof name, "clone %zu", i);
        let_go_of_volume(&(lsm_volume *){clone_make(v, name)});
        world_close();
        world.conn = first;
        ck_assert_uint_eq(volume_count("name", name), 1);
    }
}
END_TEST

START_TEST(other_cache_option_is_1003)
{
    bool direct = strchr(world.uri, '?') != NULL;
    autotext char *plain = strdup(path_of("dir://%s", world.directory));
    autotext char *none = strdup(path_of("dir://%s?cache=none", world.directory));
    autotext char *writeback = strdup(path_of("dir://%s?cache=writeback", world.directory));
    if (direct) {
        other_option_is_busy(plain);
        other_option_is_busy(writeback);
    } else {
        other_option_is_busy(none);
        lsm_connect *same = connect_to(writeback); /* it is the default */
        ck_assert_int_eq(lsm_connect_close(same, 0), OK);
    }
    autovolume lsm_volume *v = volume_make("v", MIB); /* the first works on */
}
END_TEST

/* When the last connection is gone, another option may come, and finds the same bytes. */
START_TEST(cache_option_changes_over_reopening)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    uint32_t seed = 5;
    image_fill(image, v, 1);
    for (int i = 0; i < 4; i++) {
        world_close();
        snprintf(world.uri, sizeof world.uri, "dir://%s%s", world.directory,
                 i % 2 ? "" : "?cache=none");
        world_open();
        SAME(image, v);
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, v, &io, 0));
        for (int k = 0; k < 10; k++)
            image_scribble(image, io, &seed);
        FINE(lsm_volume_io_close(io, 0));
        char name[16];
        snprintf(name, sizeof name, "clone %d", i);
        let_go_of_volume(&(lsm_volume *){clone_make(v, name)});
        SAME(image, v);
    }
}
END_TEST

/* An I/O handle that is left open keeps the root, and its options, open. */
START_TEST(handle_keeps_the_root_open)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_volume_io *io = NULL;
    bool direct = strchr(world.uri, '?') != NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    world_close();
    other_option_is_busy(path_of("dir://%s%s", world.directory, direct ? "" : "?cache=none"));
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
    lsm_connect *conn =
        connect_to(path_of("dir://%s%s", world.directory, direct ? "" : "?cache=none"));
    ck_assert_int_eq(lsm_connect_close(conn, 0), OK);
    world_open();
}
END_TEST

TCase *same_root(void)
{
    TCase *tests = tcase_create("same_root");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, same_root_twice_shares);
    tcase_add_test(tests, other_cache_option_is_1003);
    tcase_add_test(tests, cache_option_changes_over_reopening);
    tcase_add_test(tests, handle_keeps_the_root_open);
    return tests;
}
