/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking after a job: the record, libStorageMgmt's two status calls, waiting, letting go. */
#include "suites.h"
#include "image.h"

#include <pthread.h>

#define SIZE MIB

static lsm_volume *source;
static struct image *image;

static void make(void)
{
    world_make();
    source = volume_make("source", SIZE);
    image = image_create(SIZE);
    image_fill(image, source, 1);
}

static void unmake(void)
{
    image_destroy(&image);
    lsm_volume_record_free(source);
    world_remove();
}

START_TEST(job_record)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    autotext char *kept = strdup(id);
    job_await(id, LSM_JOB_STATE_RUNNING);
    autojob lsm_job *job = job_look(id);
    ck_assert_str_eq(lsm_job_id_get(job), id);
    ck_assert_ptr_null(lsm_job_key_get(job));
    ck_assert_int_eq(lsm_job_kind_get(job), LSM_JOB_KIND_COPY);
    ck_assert_uint_eq(lsm_job_bytes_total_get(job), SIZE);
    ck_assert_uint_lt(lsm_job_bytes_done_get(job), SIZE);
    ck_assert_pstr_eq(lsm_job_source_volume_id_get(job), lsm_volume_id_get(source));
    ck_assert_ptr_nonnull(lsm_job_target_volume_id_get(job));
    ck_assert_int_eq(lsm_job_error_number_get(job), OK);
    ck_assert_uint_gt(lsm_job_created_ms_get(job), 1700000000000);
    ck_assert_uint_ge(lsm_job_started_ms_get(job), lsm_job_created_ms_get(job));
    ck_assert_uint_eq(lsm_job_finished_ms_get(job), 0);
    autovolume lsm_volume *copy = copy_finish(id);
    autojob lsm_job *after = job_look(kept);
    ck_assert_int_eq(lsm_job_state_get(after), LSM_JOB_STATE_DONE);
    ck_assert_uint_eq(lsm_job_percent_get(after), 100);
    ck_assert_uint_eq(lsm_job_bytes_done_get(after), SIZE);
    ck_assert_uint_eq(lsm_job_bytes_copied_get(after) + lsm_job_bytes_skipped_get(after), SIZE);
    ck_assert_uint_eq(lsm_job_bytes_per_second_get(after), 0);
    ck_assert_uint_ge(lsm_job_finished_ms_get(after), lsm_job_started_ms_get(after));
    ck_assert_pstr_eq(lsm_job_target_volume_id_get(after), lsm_volume_id_get(copy));
    ck_assert_int_eq(lsm_job_state_get(job), LSM_JOB_STATE_RUNNING); /* never changes */
}
END_TEST

START_TEST(job_status_volume_get_rules)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    autotext char *kept = strdup(id);
    lsm_job_status status = 77;
    uint8_t percent = 77;
    lsm_volume *volume = NULL;
    FINE(lsm_job_status_volume_get(world.conn, id, &status, &percent, &volume, 0));
    ck_assert_int_eq(status, LSM_JOB_INPROGRESS);
    ck_assert_uint_lt(percent, 100);
    ck_assert_ptr_null(volume);
    FINE(lsm_job_pause(world.conn, id, 0));
    FINE(lsm_job_status_volume_get(world.conn, id, &status, &percent, &volume, 0));
    ck_assert_int_eq(status, LSM_JOB_INPROGRESS);
    FINE(lsm_job_resume(world.conn, id, 0));
    autovolume lsm_volume *copy = copy_finish(id);
    FINE(lsm_job_status_volume_get(world.conn, kept, &status, &percent, &volume, 0));
    ck_assert_int_eq(status, LSM_JOB_COMPLETE);
    ck_assert_uint_eq(percent, 100);
    ck_assert_str_eq(lsm_volume_id_get(volume), lsm_volume_id_get(copy));
    lsm_volume *before = volume;
    REFUSED_SAYING(lsm_job_status_volume_get(world.conn, kept, &status, &percent, &volume, 0),
                   INVALID, "volume");
    ck_assert_ptr_eq(volume, before);
    lsm_volume_record_free(volume);
    volume = NULL;
    FINE(lsm_job_status_get(world.conn, kept, &status, &percent, 0));
    ck_assert_int_eq(status, LSM_JOB_COMPLETE);
    /* What it made is gone by now: complete all the same, with nothing to show. */
    FINE(volume_delete(copy));
    FINE(lsm_job_status_volume_get(world.conn, kept, &status, &percent, &volume, 0));
    ck_assert_int_eq(status, LSM_JOB_COMPLETE);
    ck_assert_ptr_null(volume);
}
END_TEST

/* A job that failed is no failure of the call; why is the last error, and in the record. */
START_TEST(job_status_of_a_failed_job)
{
    static const lsm_job_state states[] = {LSM_JOB_STATE_CANCELLED, LSM_JOB_STATE_FAILED};
    if (!job_can_be(states[_i]))
        return;
    autotext char *id = job_in(states[_i], source, "copy");
    autojob lsm_job *job = job_look(id);
    lsm_job_status status = 77;
    uint8_t percent = 77;
    lsm_volume *volume = NULL;
    ck_assert_int_eq(lsm_job_status_volume_get(world.conn, id, &status, &percent, &volume, 0), OK);
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    ck_assert_int_eq(status, LSM_JOB_ERROR);
    ck_assert_uint_lt(percent, 100);
    ck_assert_ptr_null(volume);
    ck_assert_int_eq((int)lsm_error_number_get(e), (int)lsm_job_error_number_get(job));
    ck_assert_int_ne((int)lsm_error_number_get(e), OK);
    ck_assert_pstr_eq(lsm_error_message_get(e), lsm_job_error_message_get(job));
    lsm_error_free(e);
    world_reopen();
    autojob lsm_job *later = job_look(id);
    ck_assert_int_eq(lsm_job_state_get(later), states[_i]);
    ck_assert_int_eq((int)lsm_job_error_number_get(later), (int)lsm_job_error_number_get(job));
    ck_assert_pstr_eq(lsm_job_error_message_get(later), lsm_job_error_message_get(job));
}
END_TEST

START_TEST(job_volumes_only_when_done)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    autotext char *kept = strdup(id);
    lsm_volume **volumes = NULL;
    uint32_t count = 77;
    FINE(lsm_job_volume_list(world.conn, id, &volumes, &count, 0));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(volumes);
    autovolume lsm_volume *copy = copy_finish(id);
    FINE(lsm_job_volume_list(world.conn, kept, &volumes, &count, 0));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(lsm_volume_id_get(volumes[0]), lsm_volume_id_get(copy));
    lsm_volume_record_array_free(volumes, count);
}
END_TEST

START_TEST(job_wait_times_out)
{
    autotext char *id = copy_start(NULL, source, "copy", HELD);
    autojob lsm_job *job = NULL;
    uint64_t begin = now_ms();
    REFUSED(lsm_job_wait(world.conn, id, 0, &job, 0), LSM_ERR_TIMEOUT);
    ck_assert_uint_lt(now_ms() - begin, 2000);
    begin = now_ms();
    lsm_error_ptr e = refusal(lsm_job_wait(world.conn, id, 600, &job, 0), LSM_ERR_TIMEOUT);
    ck_assert_uint_ge(now_ms() - begin, 599);
    ck_assert_uint_lt(now_ms() - begin, 5000);
    ck_assert_pstr_eq(lsm_error_object_get(e), id);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "600")); /* what was asked for */
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    ck_assert_ptr_null(job);
}
END_TEST

static void *wait_for_ever(void *id)
{
    lsm_job *job = NULL;
    int rc = lsm_job_wait(world.conn, id, UINT32_MAX, &job, 0);
    return rc == OK ? job : NULL;
}

START_TEST(job_wait_sees_the_end)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_ever, id), 0);
    sleep_ms(20);
    autotext char *kept = strdup(id);
    autovolume lsm_volume *copy = NULL;
    FINE(lsm_job_rate_limit_set(world.conn, id, 0, 0));
    for (int i = 0; i < 4; i++) {
        void *got;
        pthread_join(threads[i], &got);
        autojob lsm_job *job = got;
        ck_assert_ptr_nonnull(job);
        ck_assert_int_eq(lsm_job_state_get(job), LSM_JOB_STATE_DONE);
    }
    copy = copy_finish(id);
    /* It has ended: not even a wait of no time waits. */
    autojob lsm_job *job = NULL;
    FINE(lsm_job_wait(world.conn, kept, 0, &job, 0));
}
END_TEST

/* Letting go of a running job does nothing to it; of an ended one, forgets it. */
START_TEST(job_free_rules)
{
    char *id = copy_start(NULL, source, "copy", HELD);
    autotext char *kept = strdup(id), *mine = strdup(id);
    FINE(lsm_job_free(world.conn, &id, 0));
    ck_assert_ptr_null(id);
    ck_assert_int_ne(job_state(kept), LSM_JOB_STATE_UNKNOWN);
    autovolume lsm_volume *copy = copy_finish(strdup(kept));
    FINE(lsm_job_free(world.conn, &mine, 0));
    ck_assert_ptr_null(mine);
    mine = strdup(kept);
    REFUSED(lsm_job_free(world.conn, &mine, 0), LSM_ERR_NOT_FOUND_JOB);
    ck_assert_str_eq(mine, kept);
    REFUSED(lsm_job_free(world.conn, &mine, 1), INVALID);
    ck_assert_str_eq(mine, kept);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    world_reopen();
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    SAME(image, copy); /* the volume stays */
}
END_TEST

TCase *job_status(void)
{
    TCase *tests = tcase_create("job_status");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, job_record);
    tcase_add_test(tests, job_status_volume_get_rules);
    tcase_add_loop_test(tests, job_status_of_a_failed_job, 0, 2);
    tcase_add_test(tests, job_volumes_only_when_done);
    tcase_add_test(tests, job_wait_times_out);
    tcase_add_test(tests, job_wait_sees_the_end);
    tcase_add_test(tests, job_free_rules);
    return tests;
}
