/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pool's catalog that cannot be used is refused by name, and the pool left as it is, to the
 * byte: newer than this library, not a catalog, cut, empty, gone. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <unistd.h>

#define SIZE MIB

static char *kept; /* pool.db as it should be */
static size_t kept_size;
static struct image *image;

static const char *database(void)
{
    return path_of("%s/default/pool.db", world.directory);
}

/* A closed world with one volume and a clone of it. */
static void make(void)
{
    world_make();
    lsm_volume *v = volume_make("v", SIZE);
    image = image_create(SIZE);
    image_fill(image, v, 1);
    lsm_volume_record_free(clone_make(v, "clone"));
    lsm_volume_record_free(v);
    world_close();
    ck_assert(!file_exists(path_of("%s-wal", database()))); /* all of it is in the one file */
    kept = file_read(database(), &kept_size);
}

static void unmake(void)
{
    image_destroy(&image);
    free(kept);
    world_remove();
}

static void is_refused(int code, const char *word)
{
    autotext char *before = files_look(path_of("%s/default/layers", world.directory));
    size_t size = 0, size_after = 0;
    autotext char *bytes = file_exists(database()) ? file_read(database(), &size) : NULL;
    for (int again = 0; again < 2; again++) {
        lsm_connect *conn = NULL;
        lsm_error_ptr e = NULL;
        int rc = world_connect(world.uri, &conn, &e);
        ck_assert_msg(rc == code, "answers %d, not %d: %s", rc, code,
                      e ? lsm_error_message_get(e) : "no error");
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), word));
        lsm_error_free(e);
        UNCHANGED(before, path_of("%s/default/layers", world.directory));
        if (!bytes)
            continue;
        autotext char *after = file_read(database(), &size_after);
        ck_assert_uint_eq(size_after, size);
        ck_assert(memcmp(after, bytes, size) == 0);
    }
}

/* With the catalog back, everything is there. */
static void is_whole_again(void)
{
    unlink(path_of("%s-wal", database()));
    unlink(path_of("%s-shm", database()));
    file_write(database(), kept, kept_size);
    world_open();
    autovolume lsm_volume *v = volume_named("v"), *clone = volume_named("clone");
    ck_assert_ptr_nonnull(v);
    ck_assert_ptr_nonnull(clone);
    SAME(image, v);
    SAME(image, clone);
}

/* SQLite keeps a database's user_version in bytes 60 to 63, most significant first. */
START_TEST(catalog_of_a_newer_version)
{
    autotext char *newer = malloc(kept_size);
    memcpy(newer, kept, kept_size);
    newer[62] = 0x27, newer[63] = 0x0f;
    file_write(database(), newer, kept_size);
    is_refused(LSM_ERR_NO_SUPPORT, "9999");
    is_refused(LSM_ERR_NO_SUPPORT, "default/pool.db");
    is_whole_again();
}
END_TEST

/* The application_id in bytes 68 to 71 says whose database it is. */
START_TEST(catalog_of_another_program)
{
    autotext char *other = malloc(kept_size);
    memcpy(other, kept, kept_size);
    memset(other + 68, 0x11, 4);
    file_write(database(), other, kept_size);
    is_refused(LSM_ERR_DAMAGED, "default/pool.db");
    is_whole_again();
}
END_TEST

START_TEST(catalog_of_rubbish)
{
    autotext char *rubbish = malloc(kept_size);
    random_bytes((unsigned char *)rubbish, kept_size, 1);
    file_write(database(), rubbish, kept_size);
    is_refused(LSM_ERR_DAMAGED, "default/pool.db");
    is_whole_again();
}
END_TEST

START_TEST(catalog_cut)
{
    file_write(database(), kept, 4096);
    is_refused(LSM_ERR_DAMAGED, "default/pool.db");
    is_whole_again();
}
END_TEST

/* An empty file is not an empty pool: there are layers, and they must not be swept away. */
START_TEST(catalog_empty)
{
    file_write(database(), "", 0);
    is_refused(LSM_ERR_DAMAGED, "default/pool.db");
    is_whole_again();
}
END_TEST

START_TEST(catalog_gone)
{
    autotext char *before = files_look(path_of("%s/default/layers", world.directory));
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    ck_assert_int_eq(unlink(database()), 0);
    int rc = world_connect(world.uri, &conn, &e);
    UNCHANGED(before, path_of("%s/default/layers", world.directory));
    ck_assert_int_ne(rc, OK);
    ck_assert_ptr_nonnull(lsm_error_message_get(e));
    lsm_error_free(e);
    is_whole_again();
}
END_TEST

/* The root's own file. */
START_TEST(system_file_damaged)
{
    autotext char *path = strdup(path_of("%s/system", world.directory));
    size_t n;
    autotext char *before = file_read(path, &n);
    static const char *const bad[] = {"", "short", "not hexadecimal, but 32 letters!"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        file_write(path, bad[i], strlen(bad[i]));
        is_refused(LSM_ERR_DAMAGED, "/system");
    }
    file_write(path, before, n);
    is_whole_again();
}
END_TEST

/* A pool is all that a volume needs: moved into another root it opens there. */
START_TEST(pool_in_another_root)
{
    autotext char *other = strdup(scratch_directory());
    ck_assert_int_eq(rename(path_of("%s/default", world.directory), path_of("%s/moved", other)), 0);
    snprintf(world.uri, sizeof world.uri, "dir://%s", other);
    lsm_pool_record_free(world.pool);
    world.pool = NULL;
    world_open();
    ck_assert_str_eq(lsm_pool_name_get(world.pool), "moved");
    autovolume lsm_volume *v = volume_named("v"), *clone = volume_named("clone");
    SAME(image, v);
    SAME(image, clone);
}
END_TEST

TCase *catalog(void)
{
    TCase *tests = tcase_create("catalog");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, catalog_of_a_newer_version);
    tcase_add_test(tests, catalog_of_another_program);
    tcase_add_test(tests, catalog_of_rubbish);
    tcase_add_test(tests, catalog_cut);
    tcase_add_test(tests, catalog_empty);
    tcase_add_test(tests, catalog_gone);
    tcase_add_test(tests, system_file_damaged);
    tcase_add_test(tests, pool_in_another_root);
    return tests;
}
