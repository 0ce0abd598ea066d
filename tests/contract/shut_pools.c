/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pool of several cannot be opened: it is listed in error, every call that means it says why,
 * its files stay as they are, to the byte, and the others are fully usable. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <sys/stat.h>
#include <unistd.h>

#define SIZE MIB

static lsm_pool *other; /* the one that is damaged */
static lsm_volume *in_other;
static char *kept; /* its pool.db as it should be */
static size_t kept_size;
static struct image *image;

static const char *database(void)
{
    return path_of("%s/other/pool.db", world.directory);
}

static void rewrite(size_t at, const char *bytes, size_t n, size_t size)
{
    autotext char *changed = calloc(1, kept_size);
    memcpy(changed, kept, kept_size);
    memcpy(changed + at, bytes, n);
    file_write(database(), changed, size);
}

/* SQLite keeps a database's user_version in bytes 60 to 63, its application_id in 68 to 71. */
static void of_a_newer_version(void)
{
    rewrite(60, "\0\0\x27\x0f", 4, kept_size);
}

static void of_another_program(void)
{
    rewrite(68, "abcd", 4, kept_size);
}

static void of_rubbish(void)
{
    autotext char *rubbish = malloc(kept_size);
    random_bytes((unsigned char *)rubbish, kept_size, 1);
    file_write(database(), rubbish, kept_size);
}

static void cut(void)
{
    rewrite(0, "", 0, 4096);
}

static void emptied(void)
{
    file_write(database(), "", 0);
}

static void gone(void)
{
    ck_assert_int_eq(unlink(database()), 0);
}

static const struct {
    void (*happens)(void);
    int code;
    const char *word;
} damages[] = {{of_a_newer_version, LSM_ERR_NO_SUPPORT, "other/pool.db"},
               {of_another_program, LSM_ERR_DAMAGED, "other/pool.db"},
               {of_rubbish, LSM_ERR_DAMAGED, "other/pool.db"},
               {cut, LSM_ERR_DAMAGED, "other/pool.db"},
               {emptied, LSM_ERR_DAMAGED, "other/pool.db"},
               {gone, LSM_ERR_DAMAGED, "pool.db"}};
enum { DAMAGES = sizeof damages / sizeof *damages };

/* A closed world with a volume in each of two pools. */
static void make(void)
{
    world_make();
    other = pool_make("other");
    in_other = volume_make_in(other, "v", SIZE, THIN);
    image = image_create(SIZE);
    image_fill(image, in_other, 1);
    world_close();
    kept = file_read(database(), &kept_size);
}

static void unmake(void)
{
    image_destroy(&image);
    lsm_volume_record_free(in_other);
    lsm_pool_record_free(other);
    free(kept);
    world_remove();
}

static lsm_pool *pool_named(const char *name)
{
    lsm_pool **pools = NULL, *found = NULL;
    uint32_t count = 0;
    FINE(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0));
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(lsm_pool_name_get(pools[i]), name) == 0)
            found = lsm_pool_record_copy(pools[i]);
    lsm_pool_record_array_free(pools, count);
    ck_assert_ptr_nonnull(found);
    return found;
}

static void is_listed_in_error(const char *word)
{
    autopool lsm_pool *now = pool_named("other"), *sound = pool_named("default");
    ck_assert_uint_eq(pool_count(), 2);
    ck_assert_uint_eq(lsm_pool_status_get(now), LSM_POOL_STATUS_ERROR);
    ck_assert_ptr_nonnull(strstr(lsm_pool_status_info_get(now), word));
    ck_assert_uint_eq(lsm_pool_free_space_get(now), 0);
    ck_assert_uint_eq(lsm_pool_status_get(sound), LSM_POOL_STATUS_OK);
    ck_assert_str_eq(lsm_pool_status_info_get(sound), "");
    lsm_system **systems = NULL;
    uint32_t count = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    ck_assert_uint_eq(lsm_system_status_get(systems[0]), LSM_SYSTEM_STATUS_DEGRADED);
    lsm_system_record_array_free(systems, count);
}

/* By a record of now, and by one of before, whose id the catalog does not say any more. */
static void calls_are_refused(lsm_pool *pool, int code, const char *word)
{
    autovolume lsm_volume *own = volume_named("own"), *made = NULL;
    char *job = NULL;
    REFUSED_SAYING(lsm_volume_create(world.conn, pool, "w", SIZE, THIN, &made, &job, 0), code,
                   word);
    REFUSED_SAYING(replicate(pool, COPY, own, "w", NULL), code, word);
    REFUSED_SAYING(replicate(pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC, own, "w", NULL), code, word);
    REFUSED_SAYING(lsm_pool_delete(world.conn, pool, 0), code, word);
    REFUSED_SAYING(lsm_pool_check(world.conn, pool, &job, 0), code, word);
    ck_assert_ptr_null(job);
}

static void its_volumes_are_refused(int code, const char *word)
{
    lsm_volume *made = NULL;
    lsm_volume_io *io = NULL;
    char *job = NULL;
    REFUSED_SAYING(lsm_volume_io_open(world.conn, in_other, &io, 0), code, word);
    REFUSED_SAYING(lsm_volume_delete(world.conn, in_other, &job, 0), code, word);
    REFUSED_SAYING(lsm_volume_rename(world.conn, in_other, "n", &made, 0), code, word);
    REFUSED_SAYING(replicate(NULL, CLONE, in_other, "n", NULL), code, word);
    REFUSED_SAYING(replicate(world.pool, COPY, in_other, "n", NULL), code, word);
}

static void the_rest_works(void)
{
    autoimage struct image *of_own = image_create(SIZE);
    lsm_pool *third = NULL;
    autovolume lsm_volume *own = volume_named("own");
    if (!own)
        own = volume_make("own", SIZE);
    image_fill(of_own, own, 2);
    autovolume lsm_volume *clone = clone_make(own, "clone"), *copy = copy_make(NULL, own, "copy");
    SAME(of_own, clone);
    SAME(of_own, copy);
    FINE(volume_delete(clone));
    FINE(volume_delete(copy));
    REFUSED(lsm_pool_create(world.conn, "other", NULL, 0, &third, 0), LSM_ERR_NAME_CONFLICT);
    FINE(lsm_pool_create(world.conn, "third", NULL, 0, &third, 0));
    let_go_of_volume(&(lsm_volume *){volume_make_in(third, "t", SIZE, THIN)});
    autovolume lsm_volume *t = volume_named("t");
    FINE(volume_delete(t));
    FINE(lsm_pool_delete(world.conn, third, 0));
    lsm_pool_record_free(third);
}

static void is_whole_again(void)
{
    file_write(database(), kept, kept_size);
    world_open();
    autopool lsm_pool *now = pool_named("other");
    ck_assert_uint_eq(lsm_pool_status_get(now), LSM_POOL_STATUS_OK);
    SAME(image, in_other);
}

START_TEST(pool_is_shut_and_the_rest_works)
{
    int code = damages[_i].code;
    const char *word = damages[_i].word;
    damages[_i].happens();
    autotext char *before = files_look(path_of("%s/other", world.directory));
    for (int again = 0; again < 2; again++) {
        world_open();
        the_rest_works();
        is_listed_in_error(word);
        autopool lsm_pool *now = pool_named("other");
        calls_are_refused(now, code, word);
        calls_are_refused(other, code, word);
        its_volumes_are_refused(code, word);
        world_close();
        UNCHANGED(before, path_of("%s/other", world.directory));
    }
    is_whole_again();
}
END_TEST

/* The pool that an empty root gets is one like any other. */
START_TEST(default_pool_is_shut)
{
    size_t n;
    autotext char *path = strdup(path_of("%s/default/pool.db", world.directory));
    autotext char *bytes = file_read(path, &n);
    char *job = NULL;
    file_write(path, "no catalog", 10);
    world_open();
    autovolume lsm_volume *made = NULL;
    SAME(image, in_other);
    autovolume lsm_volume *fresh = volume_make_in(other, "fresh", SIZE, THIN);
    REFUSED_SAYING(lsm_volume_create(world.conn, world.pool, "w", SIZE, THIN, &made, &job, 0),
                   LSM_ERR_DAMAGED, "default/pool.db");
    world_close();
    file_write(path, bytes, n);
    world_open();
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

/* With none to be opened there is nothing to connect to, as where it is the only one. */
START_TEST(no_pool_left)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    size_t n;
    autotext char *path = strdup(path_of("%s/default/pool.db", world.directory));
    autotext char *bytes = file_read(path, &n);
    file_write(path, "no catalog", 10);
    of_rubbish();
    autotext char *before = files_look(path_of("%s/other", world.directory));
    ck_assert_int_eq(world_connect(world.uri, &conn, &e), LSM_ERR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "default/pool.db"));
    lsm_error_free(e);
    UNCHANGED(before, path_of("%s/other", world.directory));
    file_write(path, bytes, n);
    is_whole_again();
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    size_t n;
    autotext char *bytes = file_read(from, &n);
    file_write(to, bytes, n);
}

/* Which of two with one id is meant nobody can tell: neither is used, nor is a third. */
START_TEST(copied_pools_are_shut)
{
    static const char *const copies[] = {"a", "z"};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(mkdir(path_of("%s/%s", world.directory, copies[i]), 0700), 0);
        ck_assert_int_eq(mkdir(path_of("%s/%s/layers", world.directory, copies[i]), 0700), 0);
        copy_file(database(), path_of("%s/%s/pool.db", world.directory, copies[i]));
    }
    world_open();
    ck_assert_uint_eq(pool_count(), 4);
    static const char *const all[] = {"a", "other", "z"};
    for (int i = 0; i < 3; i++) {
        autopool lsm_pool *shut = pool_named(all[i]);
        ck_assert_uint_eq(lsm_pool_status_get(shut), LSM_POOL_STATUS_ERROR);
        ck_assert_ptr_nonnull(strstr(lsm_pool_status_info_get(shut), "is a copy of"));
    }
    its_volumes_are_refused(LSM_ERR_DAMAGED, "is a copy of");
    world_close();
    for (int i = 0; i < 2; i++) {
        static const char *const files[] = {"lock", "pool.db", "pool.db-wal"};
        for (int k = 0; k < 3; k++)
            unlink(path_of("%s/%s/%s", world.directory, copies[i], files[k]));
        ck_assert_int_eq(rmdir(path_of("%s/%s/layers", world.directory, copies[i])), 0);
        ck_assert_int_eq(rmdir(path_of("%s/%s", world.directory, copies[i])), 0);
    }
    world_open();
    SAME(image, in_other);
}
END_TEST

/* A copy waits, as for a pool that is away, and is made when the pool is back. */
START_TEST(copy_into_a_pool_that_is_shut_waits)
{
    world_open();
    autovolume lsm_volume *own = volume_make("own", SIZE);
    autoimage struct image *of_own = image_create(SIZE);
    image_fill(of_own, own, 2);
    char *job = copy_start(_i ? other : world.pool, _i ? own : in_other, "copy", HELD);
    world_close();
    free(kept);
    kept = file_read(database(), &kept_size);
    of_rubbish();
    world_open();
    if (!_i) { /* its row is in the pool that is here */
        autojob lsm_job *waiting = job_look(job);
        ck_assert_int_eq(lsm_job_state_get(waiting), LSM_JOB_STATE_QUEUED);
        ck_assert_ptr_nonnull(strstr(lsm_job_error_message_get(waiting), "waits for"));
    }
    world_close();
    is_whole_again();
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(_i ? of_own : image, copy);
}
END_TEST

TCase *shut_pools(void)
{
    TCase *tests = tcase_create("shut_pools");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_loop_test(tests, pool_is_shut_and_the_rest_works, 0, DAMAGES);
    tcase_add_test(tests, default_pool_is_shut);
    tcase_add_test(tests, no_pool_left);
    tcase_add_test(tests, copied_pools_are_shut);
    tcase_add_loop_test(tests, copy_into_a_pool_that_is_shut_waits, 0, 2);
    return tests;
}
