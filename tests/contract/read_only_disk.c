/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root on a read-only file system: everything can be read, nothing changed, and it is said why.
 */
#include "suites.h"
#include "disk.h"
#include "files.h"
#include "image.h"

#define SIZE MIB

START_TEST(read_only_disk_is_read)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    uint32_t seed = 3;
    image_fill(image, v, 1);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    autoimage struct image *of_clone = image_copy(image);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, clone, &io, 0));
    for (int i = 0; i < 20; i++)
        image_scribble(of_clone, io, &seed);
    FINE(lsm_volume_io_close(io, 0));
    FINE(lsm_volume_tag_set(world.conn, v, "k", "v", 0));
    world_close();
    disk_set_read_only(true);
    autotext char *before = files_look(world.directory);
    world_open();
    SAME(image, v);
    SAME(of_clone, clone);
    volume_look(&v);
    ck_assert_pstr_eq(lsm_volume_tag_get(v, "k"), "v");
    ck_assert(volume_has_dependants(v));
    world_close();
    UNCHANGED(before, world.directory);
    disk_set_read_only(false);
    world_open();
    SAME(of_clone, clone);
    FINE(volume_delete(clone));
}
END_TEST

START_TEST(read_only_disk_is_not_changed)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", SIZE), *made = NULL;
    autotext char *job = NULL;
    autopool lsm_pool *pool = NULL;
    lsm_volume_io *io = NULL;
    world_close();
    disk_set_read_only(true);
    world_open();
    lsm_error_ptr e = refusal(volume_delete(v), LSM_ERR_READ_ONLY);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "read-only"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    REFUSED(lsm_volume_create(world.conn, world.pool, "w", SIZE, THIN, &made, &job, 0),
            LSM_ERR_READ_ONLY);
    REFUSED(volume_resize(&v, 2 * SIZE), LSM_ERR_READ_ONLY);
    REFUSED(volume_resize(&v, SIZE / 2), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_rename(world.conn, v, "w", &made, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_disable(world.conn, v, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_tag_set(world.conn, v, "k", "v", 0), LSM_ERR_READ_ONLY);
    REFUSED(replicate(NULL, CLONE, v, "w", NULL), LSM_ERR_READ_ONLY);
    REFUSED(replicate(NULL, COPY, v, "w", NULL), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_open(world.conn, v, &io, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_pool_create(world.conn, "p", NULL, 0, &pool, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_pool_delete(world.conn, world.pool, 0), LSM_ERR_READ_ONLY);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    world_close();
    disk_set_read_only(false);
    world_open();
}
END_TEST

/* A job that was running waits, and goes on when the disk can be written again. */
START_TEST(read_only_disk_keeps_its_jobs)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *job = copy_start(NULL, v, "copy", HELD);
    job_await(job, LSM_JOB_STATE_RUNNING);
    world_close();
    disk_set_read_only(true);
    world_open();
    sleep_ms(100);
    lsm_job_state state = job_state(job);
    ck_assert_msg(state == LSM_JOB_STATE_QUEUED, "the job is %d", state);
    world_close();
    disk_set_read_only(false);
    world_open();
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(image, copy);
}
END_TEST

/* SQLite keeps a database's user_version in bytes 60 to 63. One that is older would be upgraded
 * where that can be written. */
START_TEST(read_only_disk_with_an_older_catalog)
{
    if (!disk_is_there)
        return;
    autotext char *database = strdup(path_of("%s/default/pool.db", world.directory));
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    size_t size = 0;
    world_close();
    autotext char *bytes = file_read(database, &size);
    char version = bytes[63];
    bytes[63] = 1;
    file_write(database, bytes, size);
    disk_set_read_only(true);
    autotext char *before = files_look(world.directory);
    ck_assert_int_eq(world_connect(world.uri, &conn, &e), LSM_ERR_READ_ONLY);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "older version 1"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    UNCHANGED(before, world.directory);
    disk_set_read_only(false);
    bytes[63] = version;
    file_write(database, bytes, size);
    world_open();
}
END_TEST

/* An empty directory there cannot become a root. */
START_TEST(read_only_disk_gets_no_root)
{
    if (!disk_is_there)
        return;
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    autotext char *directory = strdup(scratch_directory());
    world_close();
    disk_set_read_only(true);
    int rc = world_connect(path_of("dir://%s", directory), &conn, &e);
    ck_assert_int_ne(rc, OK);
    ck_assert_ptr_null(conn);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), directory));
    ck_assert_msg(rc == LSM_ERR_READ_ONLY, "answers %d: %s", rc, lsm_error_message_get(e));
    lsm_error_free(e);
    disk_set_read_only(false);
    world_open();
}
END_TEST

TCase *read_only_disk(void)
{
    TCase *tests = tcase_create("read_only_disk");
    tcase_add_checked_fixture(tests, disk_make, disk_remove);
    tcase_add_test(tests, read_only_disk_is_read);
    tcase_add_test(tests, read_only_disk_is_not_changed);
    tcase_add_test(tests, read_only_disk_keeps_its_jobs);
    tcase_add_test(tests, read_only_disk_with_an_older_catalog);
    tcase_add_test(tests, read_only_disk_gets_no_root);
    return tests;
}
