/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lsm_pool_check: a pool that is whole is found to be so, whatever is done to it meanwhile; of one
 * that is damaged the file is named, and the volume that needs it. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define SIZE MIB

static char *check_start(lsm_pool *pool)
{
    char *job = NULL;
    STARTED(lsm_pool_check(world.conn, pool, &job, 0));
    ck_assert_ptr_nonnull(job);
    return job;
}

static lsm_job *check_end(lsm_pool *pool)
{
    lsm_job *ended = NULL;
    char *job = check_start(pool);
    FINE(lsm_job_wait(world.conn, job, 60000, &ended, 0));
    FINE(lsm_job_free(world.conn, &job, 0));
    return ended;
}

static void is_whole(void)
{
    autojob lsm_job *job = check_end(world.pool);
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "%d: %s", lsm_job_state_get(job),
                  lsm_job_error_message_get(job));
    ck_assert_int_eq(lsm_job_kind_get(job), LSM_JOB_KIND_CHECK);
    ck_assert_uint_eq(lsm_job_percent_get(job), 100);
    ck_assert_uint_eq(lsm_job_bytes_done_get(job), lsm_job_bytes_total_get(job));
    ck_assert_int_eq((int)lsm_job_error_number_get(job), OK);
}

/* Of each message the number of files, and all of `words`. */
static void is_damaged(unsigned files, const char *word, const char *other)
{
    char count[40];
    autojob lsm_job *job = check_end(world.pool);
    const char *message = lsm_job_error_message_get(job);
    snprintf(count, sizeof count, "«default» has %u damaged file(s)", files);
    ck_assert_int_eq(lsm_job_state_get(job), LSM_JOB_STATE_FAILED);
    ck_assert_int_eq((int)lsm_job_error_number_get(job), LSM_ERR_DAMAGED);
    ck_assert_msg(strstr(message, count) && strstr(message, word) && strstr(message, other),
                  "no «%s», «%s» and «%s» in: %s", count, word, other, message);
}

START_TEST(check_of_an_empty_pool)
{
    is_whole();
    is_whole();
    ck_assert_uint_eq(job_count(NULL, NULL), 0); /* each was let go of, and so forgotten */
}
END_TEST

START_TEST(check_reads_what_is_there)
{
    autovolume lsm_volume *v = volume_make("v", 64 * MIB);
    autoimage struct image *image = image_create(SIZE);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    image_write(image, io, 0, SIZE, 1);
    FINE(lsm_volume_io_close(io, 0));
    autojob lsm_job *job = check_end(world.pool);
    ck_assert_int_eq(lsm_job_state_get(job), LSM_JOB_STATE_DONE);
    ck_assert_uint_ge(lsm_job_bytes_copied_get(job), SIZE);
    ck_assert_uint_lt(lsm_job_bytes_copied_get(job), 32 * MIB); /* holes are not read */
}
END_TEST

/* --- beside others --------------------------------------------------------------------------- */

struct beside {
    pthread_t thread;
    atomic_bool stop;
    atomic_uint rounds;
    lsm_volume *volume;
};

/* All that changes files: writes, flushes, zeroes, freezes, folds, deletes, sizes. */
static void *work_beside(void *argument)
{
    struct beside *b = argument;
    static unsigned char bytes[40000];
    while (!atomic_load(&b->stop)) {
        unsigned round = atomic_fetch_add(&b->rounds, 1);
        lsm_volume_io *io = NULL;
        char name[20], *job = NULL;
        snprintf(name, sizeof name, "clone %u", round);
        lsm_volume *clone = clone_make(b->volume, name), *bigger = NULL;
        FINE(lsm_volume_io_open(world.conn, b->volume, &io, 0));
        for (unsigned i = 0; i < 8; i++)
            FINE(lsm_volume_io_pwrite(io, bytes, sizeof bytes, (round * 7 + i * 3) % 24 * 40000,
                                      i % 4 ? 0 : LSM_VOLUME_IO_FUA));
        FINE(lsm_volume_io_write_zeroes(io, 20000, round % 50 * 10000, 0));
        FINE(lsm_volume_io_close(io, 0));
        FINE(lsm_volume_resize(world.conn, clone, SIZE / 2, &bigger, &job, 0));
        lsm_volume_record_free(bigger);
        bigger = NULL;
        FINE(lsm_volume_resize(world.conn, clone, 2 * SIZE, &bigger, &job, 0));
        lsm_volume_record_free(bigger);
        FINE(volume_delete(clone));
        lsm_volume_record_free(clone);
    }
    return NULL;
}

START_TEST(check_beside_others)
{
    struct beside b = {.volume = volume_make("v", SIZE)};
    let_go_of_volume(&(lsm_volume *){volume_make("idle", SIZE)});
    ck_assert_int_eq(pthread_create(&b.thread, NULL, work_beside, &b), 0);
    for (unsigned i = 0; i < 30; i++) {
        unsigned before = atomic_load(&b.rounds);
        is_whole();
        while (atomic_load(&b.rounds) == before)
            sleep_ms(1);
    }
    atomic_store(&b.stop, true);
    pthread_join(b.thread, NULL);
    lsm_volume_record_free(b.volume);
    is_whole();
}
END_TEST

/* --- as a job -------------------------------------------------------------------------------- */

/* A check that is at work and does not end by itself. */
static char *check_held(lsm_volume *source)
{
    char *ahead[4], name[20];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "ahead %d", i);
        ahead[i] = copy_start(NULL, source, name, HELD);
    }
    char *job = check_start(world.pool);
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_QUEUED);
    FINE(lsm_job_rate_limit_set(world.conn, job, HELD, 0));
    for (int i = 0; i < 4; i++)
        lsm_volume_record_free(copy_finish(ahead[i]));
    job_await(job, LSM_JOB_STATE_RUNNING);
    return job;
}

static lsm_volume *filled(const char *name, struct image **image)
{
    lsm_volume *v = volume_make(name, SIZE);
    *image = image_create(SIZE);
    image_fill(*image, v, 1);
    return v;
}

START_TEST(check_is_one_at_a_time)
{
    autoimage struct image *image = NULL;
    autovolume lsm_volume *v = filled("v", &image);
    autotext char *job = check_held(v), *again = check_start(world.pool);
    ck_assert_str_eq(job, again);
    autopool lsm_pool *other = pool_make("other");
    autojob lsm_job *of_other = check_end(other);
    ck_assert_int_eq(lsm_job_state_get(of_other), LSM_JOB_STATE_DONE);
    FINE(lsm_job_cancel(world.conn, job, 0));
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
    is_whole();
    SAME(image, v);
}
END_TEST

/* What jobs and mirrors hold is in the catalog, and no damage. */
START_TEST(check_while_something_is_held)
{
    autoimage struct image *image = NULL;
    autovolume lsm_volume *v = filled("v", &image);
    char *copy = copy_start(NULL, v, "copy", HELD);
    job_await(copy, LSM_JOB_STATE_RUNNING);
    FINE(lsm_job_pause(world.conn, copy, 0));
    is_whole();
    FINE(lsm_job_resume(world.conn, copy, 0));
    lsm_volume_record_free(copy_finish(copy));
}
END_TEST

START_TEST(check_is_paused_and_goes_on)
{
    autoimage struct image *image = NULL;
    autovolume lsm_volume *v = filled("v", &image);
    autotext char *job = check_held(v);
    FINE(lsm_job_pause(world.conn, job, 0));
    autojob lsm_job *paused = job_look(job);
    ck_assert_int_eq(lsm_job_state_get(paused), LSM_JOB_STATE_PAUSED);
    ck_assert_uint_gt(lsm_job_bytes_done_get(paused), 0);
    ck_assert_uint_lt(lsm_job_bytes_done_get(paused), lsm_job_bytes_total_get(paused));
    world_reopen();
    autojob lsm_job *same = job_look(job);
    ck_assert_int_eq(lsm_job_state_get(same), LSM_JOB_STATE_PAUSED);
    ck_assert_uint_eq(lsm_job_bytes_done_get(same), lsm_job_bytes_done_get(paused));
    FINE(volume_delete(v)); /* what it was at is gone when it goes on */
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    FINE(lsm_job_resume(world.conn, job, 0));
    job_await(job, LSM_JOB_STATE_DONE);
}
END_TEST

/* The next owner goes on with it. */
START_TEST(check_goes_on_after_a_restart)
{
    autoimage struct image *image = NULL;
    autovolume lsm_volume *v = filled("v", &image);
    autotext char *job = check_held(v);
    world_reopen();
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    job_await(job, LSM_JOB_STATE_DONE);
    SAME(image, v);
}
END_TEST

START_TEST(pool_that_is_checked_is_not_deleted)
{
    autopool lsm_pool *other = pool_make("other");
    char *ahead[4], name[20], *job = NULL;
    autoimage struct image *image = NULL;
    autovolume lsm_volume *v = filled("v", &image);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "ahead %d", i);
        ahead[i] = copy_start(NULL, v, name, HELD); /* no worker is left for another job */
    }
    STARTED(lsm_pool_check(world.conn, other, &job, 0));
    FINE(lsm_job_pause(world.conn, job, 0));
    REFUSED_SAYING(lsm_pool_delete(world.conn, other, 0), LSM_ERR_HAS_CHILD_DEPENDENCY, job);
    FINE(lsm_job_cancel(world.conn, job, 0));
    FINE(lsm_pool_delete(world.conn, other, 0));
    for (int i = 0; i < 4; i++)
        lsm_volume_record_free(copy_finish(ahead[i]));
    free(job);
}
END_TEST

START_TEST(check_arguments)
{
    char *job = NULL, *taken = (char *)"taken";
    REFUSED(lsm_pool_check(world.conn, NULL, &job, 0), INVALID);
    REFUSED(lsm_pool_check(world.conn, world.pool, NULL, 0), INVALID);
    REFUSED(lsm_pool_check(world.conn, world.pool, &taken, 0), INVALID);
    REFUSED(lsm_pool_check(world.conn, world.pool, &job, 1), INVALID);
    autopool lsm_pool *gone = pool_make("gone");
    FINE(lsm_pool_delete(world.conn, gone, 0));
    REFUSED(lsm_pool_check(world.conn, gone, &job, 0), LSM_ERR_NOT_FOUND_POOL);
    ck_assert_ptr_null(job);
}
END_TEST

/* --- what is damaged ------------------------------------------------------------------------- */

#define FILES 8

/* The files of «v» and its clone: a base and two layers over it, each with a map. */
static char *files[FILES];
static int file_count;

static const char *layers(void)
{
    return path_of("%s/default/layers", world.directory);
}

static void damage_make(void)
{
    world_make();
    struct image *image = NULL;
    lsm_volume *v = filled("v", &image), *clone = clone_make(v, "clone");
    lsm_volume *both[] = {v, clone};
    for (int i = 0; i < 2; i++) {
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, both[i], &io, 0));
        image_write(image, io, SIZE - 50 * KIB, 50 * KIB, 2);
        FINE(lsm_volume_io_close(io, 0));
        lsm_volume_record_free(both[i]);
    }
    image_destroy(&image);
    world_close();
    struct dirent **entries;
    int n = scandir(layers(), &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = strdup(path_of("%s/%s", layers(), entries[i]->d_name));
        size_t size = 0;
        char *raw = strdup(path);
        memcpy(raw + strlen(raw) - 4, ".raw", 4);
        if (entries[i]->d_name[0] != '.')
            free(file_read(raw, &size));
        if (size > 0 && file_count < FILES) /* a spare's is empty */
            files[file_count++] = path;
        else
            free(path);
        free(raw);
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_eq(file_count, 5);
}

static void damage_unmake(void)
{
    while (file_count > 0)
        free(files[--file_count]);
    world_remove();
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static bool is_map(const char *path)
{
    return strstr(path, ".map") != NULL;
}

/* While the root is open, so that only the check can find it. */
START_TEST(check_finds_a_file_missing)
{
    world_open();
    for (int i = 0; i < file_count; i++) {
        autotext char *away = strdup(path_of("%s-away", files[i]));
        ck_assert_int_eq(rename(files[i], away), 0);
        is_damaged(1, base_name(files[i]), "(volume «");
        ck_assert(!file_exists(files[i]));
        ck_assert_int_eq(rename(away, files[i]), 0);
        is_whole();
    }
}
END_TEST

START_TEST(check_finds_a_file_cut)
{
    world_open();
    for (int i = 0; i < file_count; i++) {
        size_t n;
        autotext char *bytes = file_read(files[i], &n);
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(truncate(files[i], k ? (off_t)n - 1 : 0), 0);
            is_damaged(1, base_name(files[i]), "(volume «");
        }
        file_write(files[i], bytes, n);
        is_whole();
    }
}
END_TEST

START_TEST(check_finds_a_map_changed)
{
    int maps = 0;
    world_open();
    for (int i = 0; i < file_count; i++) {
        size_t n;
        if (!is_map(files[i]))
            continue;
        autotext char *bytes = file_read(files[i], &n), *changed = malloc(n);
        for (int k = 0; k < 2; k++) { /* its header, and the first bits */
            memcpy(changed, bytes, n);
            changed[k * 4096] ^= 0x41;
            file_write(files[i], changed, n);
            is_damaged(1, base_name(files[i]), ", byte ");
        }
        file_write(files[i], bytes, n);
        is_whole();
        maps++;
    }
    ck_assert_int_eq(maps, 2);
}
END_TEST

/* An open volume has its files open and its maps in memory, and what lies on the disk is looked at
 * all the same. */
START_TEST(check_finds_what_an_open_volume_does_not_see)
{
    world_open();
    autovolume lsm_volume *v = volume_named("v");
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    is_whole();
    for (int i = 0; i < file_count; i++)
        ck_assert_int_eq(unlink(files[i]), 0);
    is_damaged(3, ".raw", "(volume «"); /* layers, of each what is found first */
}
END_TEST

/* It is said with the volumes that nothing needs any more, and deleting them is the cure. */
START_TEST(check_after_the_cure)
{
    world_open();
    autovolume lsm_volume *v = volume_named("v"), *clone = volume_named("clone");
    ck_assert_int_eq(unlink(files[0]), 0);
    is_damaged(1, base_name(files[0]), "");
    FINE(volume_delete(clone));
    FINE(volume_delete(v));
    is_whole();
}
END_TEST

TCase *pool_check(void)
{
    TCase *tests = tcase_create("pool_check");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, check_of_an_empty_pool);
    tcase_add_test(tests, check_reads_what_is_there);
    tcase_add_test(tests, check_beside_others);
    tcase_add_test(tests, check_is_one_at_a_time);
    tcase_add_test(tests, check_while_something_is_held);
    tcase_add_test(tests, check_is_paused_and_goes_on);
    tcase_add_test(tests, check_goes_on_after_a_restart);
    tcase_add_test(tests, pool_that_is_checked_is_not_deleted);
    tcase_add_test(tests, check_arguments);
    return tests;
}

TCase *pool_check_damaged(void)
{
    TCase *tests = tcase_create("pool_check_damaged");
    tcase_add_checked_fixture(tests, damage_make, damage_unmake);
    tcase_add_test(tests, check_finds_a_file_missing);
    tcase_add_test(tests, check_finds_a_file_cut);
    tcase_add_test(tests, check_finds_a_map_changed);
    tcase_add_test(tests, check_finds_what_an_open_volume_does_not_see);
    tcase_add_test(tests, check_after_the_cure);
    return tests;
}
