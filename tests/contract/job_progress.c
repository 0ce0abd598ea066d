/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress: it never goes back, not over a restart either, and is 100 only when the job is DONE. */
#include "suites.h"
#include "image.h"

#define SIZE (8 * MIB)
#define RATE (6 * MIB)

static void check_sums(lsm_job *job)
{
    uint64_t done = lsm_job_bytes_done_get(job);
    ck_assert_uint_eq(done, lsm_job_bytes_copied_get(job) + lsm_job_bytes_skipped_get(job));
    ck_assert_uint_le(done, lsm_job_bytes_total_get(job));
    ck_assert_int_eq(lsm_job_percent_get(job) == 100, lsm_job_state_get(job) == LSM_JOB_STATE_DONE);
}

/* Asks until the job has ended, or `ms` have passed; *done is what was seen before, and after. */
static lsm_job_state follow(const char *id, uint64_t *done, uint8_t *percent, unsigned ms)
{
    lsm_job_state state = LSM_JOB_STATE_UNKNOWN;
    for (uint64_t end = now_ms() + ms; now_ms() < end; sleep_ms(5)) {
        autojob lsm_job *job = job_look(id);
        if (lsm_job_bytes_done_get(job) < *done || lsm_job_percent_get(job) < *percent)
            ck_abort_msg("progress went back: %" PRIu64 " bytes, %u %%, after %" PRIu64 ", %u %%",
                         lsm_job_bytes_done_get(job), lsm_job_percent_get(job), *done, *percent);
        check_sums(job);
        *done = lsm_job_bytes_done_get(job);
        *percent = lsm_job_percent_get(job);
        state = lsm_job_state_get(job);
        if (state == LSM_JOB_STATE_DONE)
            break;
    }
    return state;
}

START_TEST(progress_is_monotone)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *id = copy_start(NULL, v, "copy", RATE);
    uint64_t done = 0;
    uint8_t percent = 0;
    ck_assert_int_eq(follow(id, &done, &percent, 20000), LSM_JOB_STATE_DONE);
    ck_assert_uint_eq(percent, 100);
    ck_assert_uint_eq(done, SIZE);
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(image, copy);
}
END_TEST

START_TEST(progress_is_kept_over_a_restart)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *id = copy_start(NULL, v, "copy", 2 * RATE / 3);
    uint64_t done = 0;
    uint8_t percent = 0;
    for (int i = 0; i < 100 && !done;
         i++) /* a checkpoint a second, on a machine with nothing to do */
        follow(id, &done, &percent, 100);
    ck_assert_uint_gt(done, 0);
    world_reopen();
    autojob lsm_job *job = job_look(id);
    ck_assert_uint_ge(lsm_job_bytes_done_get(job), done);
    ck_assert_uint_ge(lsm_job_percent_get(job), percent);
    done = lsm_job_bytes_done_get(job);
    FINE(lsm_job_rate_limit_set(world.conn, id, 0, 0));
    ck_assert_int_eq(follow(id, &done, &percent, 20000), LSM_JOB_STATE_DONE);
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(image, copy);
}
END_TEST

START_TEST(progress_over_pauses)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *id = copy_start(NULL, v, "copy", 2 * RATE);
    uint64_t done = 0;
    uint8_t percent = 0;
    for (int i = 0; i < 4; i++) {
        if (follow(id, &done, &percent, 100) == LSM_JOB_STATE_DONE)
            break;
        int rc = lsm_job_pause(world.conn, id, 0);
        if (rc == LSM_ERR_STATE)
            break;
        FINE(rc);
        ck_assert_int_eq(follow(id, &done, &percent, 30), LSM_JOB_STATE_PAUSED);
        FINE(lsm_job_resume(world.conn, id, 0));
    }
    ck_assert_int_eq(follow(id, &done, &percent, 20000), LSM_JOB_STATE_DONE);
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(image, copy);
}
END_TEST

/* Holes and zeros are skipped, and count as done. */
START_TEST(progress_of_a_sparse_volume)
{
    autovolume lsm_volume *v = volume_make("v", 512 * MIB);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    FINE(lsm_volume_io_pwrite(io, "data", 4, 300 * MIB + 5, 0));
    FINE(lsm_volume_io_close(io, 0));
    char *id = copy_start(NULL, v, "copy", 0);
    autotext char *kept = strdup(id);
    autovolume lsm_volume *copy = copy_finish(id);
    autojob lsm_job *job = job_look(kept);
    check_sums(job);
    ck_assert_uint_eq(lsm_job_bytes_done_get(job), 512 * MIB);
    ck_assert_uint_gt(lsm_job_bytes_skipped_get(job), 510 * MIB);
    ck_assert_uint_gt(lsm_job_bytes_copied_get(job), 0);
    char bytes[6];
    autoio lsm_volume_io *check = NULL;
    FINE(lsm_volume_io_open(world.conn, copy, &check, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(check, bytes, 6, 300 * MIB + 4, 0));
    ck_assert_mem_eq(bytes, "\0data", 6);
}
END_TEST

START_TEST(speed_and_time_left)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    autotext char *id = copy_start(NULL, v, "copy", RATE / 3);
    autojob lsm_job *before = job_look(id);
    ck_assert_uint_eq(lsm_job_eta_ms_get(before), UINT64_MAX); /* nothing to go by yet */
    sleep_ms(1500);
    autojob lsm_job *job = job_look(id);
    ck_assert_uint_gt(lsm_job_bytes_per_second_get(job), RATE / 3 / 4);
    ck_assert_uint_lt(lsm_job_bytes_per_second_get(job), RATE);
    ck_assert_uint_lt(lsm_job_eta_ms_get(job), 60000);
    FINE(lsm_job_pause(world.conn, id, 0));
    autojob lsm_job *paused = job_look(id);
    ck_assert_uint_eq(lsm_job_bytes_per_second_get(paused), 0);
    ck_assert_uint_eq(lsm_job_eta_ms_get(paused), UINT64_MAX);
}
END_TEST

TCase *job_progress(void)
{
    TCase *tests = tcase_create("job_progress");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, progress_is_monotone);
    tcase_add_test(tests, progress_is_kept_over_a_restart);
    tcase_add_test(tests, progress_over_pauses);
    tcase_add_test(tests, progress_of_a_sparse_volume);
    tcase_add_test(tests, speed_and_time_left);
    return tests;
}
