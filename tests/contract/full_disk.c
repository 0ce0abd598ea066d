/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A full file system: 350, nothing half made, no byte lost, and everything works when there is room
 * again. */
#include "suites.h"
#include "disk.h"
#include "files.h"
#include "image.h"

#define SIZE MIB

START_TEST(full_disk_refuses_full_volumes)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", 2 * DISK_SIZE), *made = NULL;
    autotext char *job = NULL;
    REFUSED(lsm_volume_create(world.conn, world.pool, "full", DISK_SIZE, FULL, &made, &job, 0),
            LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(replicate(NULL, COPY, v, "copy", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    world_reopen();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
}
END_TEST

/* A THIN volume that promises more than there is: the write that does not fit says so. */
START_TEST(full_disk_refuses_the_write)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", 2 * DISK_SIZE);
    autovolume lsm_volume *other = volume_make("other", SIZE);
    autoimage struct image *image = image_create(2 * DISK_SIZE), *of_other = image_create(SIZE);
    lsm_volume_io *io = NULL;
    uint64_t at = 0;
    int rc = OK;
    image_fill(of_other, other, 1);
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    random_bytes(image->bytes, 2 * DISK_SIZE, 2);
    while (rc == OK && at < 2 * DISK_SIZE) {
        rc = lsm_volume_io_pwrite(io, image->bytes + at, SIZE / 4, at, 0);
        at += rc == OK ? SIZE / 4 : 0;
    }
    lsm_error_ptr e = refusal(rc, LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(lsm_error_offset_get(e), at);
    lsm_error_free(e);
    unsigned char *bytes = malloc(at);
    FINE(lsm_volume_io_pread(io, bytes, at, 0, 0));
    ck_assert(memcmp(bytes, image->bytes, at) == 0); /* what was acknowledged is there */
    free(bytes);
    SAME(of_other, other);
    FINE(lsm_volume_io_discard(io, DISK_SIZE, 0, 0)); /* makes room */
    memset(image->bytes, 0, DISK_SIZE);
    FINE(lsm_volume_io_pwrite(io, image->bytes + at, SIZE / 4, at, 0));
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_close(io, 0));
    SAME(of_other, other);
}
END_TEST

/* Each verb on a disk without a block left: done, or 350; nothing in between. */
static bool fits(int rc, const char *verb)
{
    if (rc == OK || rc == LSM_ERR_JOB_STARTED)
        return true;
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    ck_assert_msg(rc == LSM_ERR_NOT_ENOUGH_SPACE, "%s answers %d: %s", verb, rc,
                  e ? lsm_error_message_get(e) : "no error");
    ck_assert_ptr_nonnull(e);
    lsm_error_free(e);
    return false;
}

static int create(const char *name, lsm_volume_provision_type provision)
{
    autovolume lsm_volume *made = NULL;
    autotext char *job = NULL;
    return lsm_volume_create(world.conn, world.pool, name, SIZE, provision, &made, &job, 0);
}

START_TEST(full_disk_does_all_or_nothing)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", SIZE), *renamed = NULL;
    autovolume lsm_volume *spare = volume_make("spare", 4 * SIZE);
    autoimage struct image *image = image_create(SIZE), *of_spare = image_create(4 * SIZE);
    uint32_t volumes = 2;
    image_fill(image, v, 1);
    image_fill(of_spare, spare, 2);
    disk_fill_but((uint64_t)_i * 3 * CLUSTER);
    volumes += fits(create("thin", THIN), "create");
    fits(create("full", FULL), "create");
    volumes += fits(replicate(NULL, CLONE, v, "clone", NULL), "clone");
    volumes += fits(replicate(NULL, CLONE, v, "clone 2", NULL), "clone");
    fits(replicate(NULL, COPY, spare, "copy", NULL), "copy");
    if (fits(lsm_volume_rename(world.conn, v, "renamed", &renamed, 0), "rename"))
        volume_look(&v);
    fits(lsm_volume_tag_set(world.conn, v, "key", "value", 0), "tag");
    if (fits(volume_resize(&v, 2 * SIZE), "grow"))
        image_resize(image, 2 * SIZE);
    SAME(image, v);
    SAME(of_spare, spare);
    world_reopen(); /* opening needs no room */
    SAME(image, v);
    SAME(of_spare, spare);
    FINE(volume_delete(spare)); /* nor does making some */
    --volumes;
    disk_free();
    lsm_volume **list = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, "name", "copy", &list, &count, 0));
    if (list)
        lsm_volume_record_array_free(list, count);
    ck_assert_uint_ge(volume_count(NULL, NULL), volumes);
    SAME(image, v);
    let_go_of_volume(&(lsm_volume *){clone_make(v, "clone 3")});
    let_go_of_volume(&(lsm_volume *){copy_make(NULL, v, "copy 2")});
    world_reopen();
    SAME(image, v);
}
END_TEST

/* The room goes while a copy runs: it has its own, or it fails and leaves nothing. */
START_TEST(full_disk_under_a_copy)
{
    if (!disk_is_there)
        return;
    autovolume lsm_volume *v = volume_make("v", 8 * SIZE);
    autoimage struct image *image = image_create(8 * SIZE);
    image_fill(image, v, 1);
    char *job = copy_start(NULL, v, "copy", _i ? HELD : 0);
    autojob lsm_job *ended = NULL;
    if (_i)
        job_await(job, LSM_JOB_STATE_RUNNING);
    disk_fill();
    if (_i)
        FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    FINE(lsm_job_wait(world.conn, job, 30000, &ended, 0));
    if (lsm_job_state_get(ended) == LSM_JOB_STATE_DONE) {
        autovolume lsm_volume *copy = copy_finish(job);
        SAME(image, copy);
        disk_free();
        return;
    }
    ck_assert_int_eq((int)lsm_job_error_number_get(ended), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    SAME(image, v);
    disk_free();
    autovolume lsm_volume *copy = copy_make(NULL, v, "copy");
    SAME(image, copy);
    free(job);
}
END_TEST

/* A new root where there is no room for one: refused, and made once there is. */
START_TEST(full_disk_gets_no_root)
{
    if (!disk_is_there)
        return;
    autotext char *directory = strdup(scratch_directory());
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    disk_fill();
    int rc = world_connect(path_of("dir://%s", directory), &conn, &e);
    ck_assert_msg(rc == LSM_ERR_NOT_ENOUGH_SPACE, "answers %d: %s", rc,
                  e ? lsm_error_message_get(e) : "no error");
    lsm_error_free(e);
    e = NULL;
    disk_free();
    rc = world_connect(path_of("dir://%s", directory), &conn, &e);
    ck_assert_msg(rc == OK, "answers %d: %s", rc, e ? lsm_error_message_get(e) : "");
    ck_assert_int_eq(lsm_connect_close(conn, 0), OK);
}
END_TEST

START_TEST(full_disk_gets_no_pool)
{
    if (!disk_is_there)
        return;
    autopool lsm_pool *pool = NULL;
    disk_fill();
    REFUSED(lsm_pool_create(world.conn, "second", NULL, 0, &pool, 0), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(pool_count(), 1);
    ck_assert(!file_exists(path_of("%s/second", world.directory)));
    disk_free();
    pool = pool_make("second");
    world_reopen();
    ck_assert_uint_eq(pool_count(), 2);
}
END_TEST

TCase *full_disk(void)
{
    TCase *tests = tcase_create("full_disk");
    tcase_add_checked_fixture(tests, disk_make, disk_remove);
    tcase_add_test(tests, full_disk_refuses_full_volumes);
    tcase_add_test(tests, full_disk_refuses_the_write);
    tcase_add_loop_test(tests, full_disk_does_all_or_nothing, 0, 12);
    tcase_add_loop_test(tests, full_disk_under_a_copy, 0, 2);
    tcase_add_test(tests, full_disk_gets_no_root);
    tcase_add_test(tests, full_disk_gets_no_pool);
    return tests;
}
