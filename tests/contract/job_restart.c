/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs belong to the system, not to the connection: closing it, or dying, does not end them. */
#include "suites.h"
#include "image.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (2 * MIB)

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

/* While another connection of the process is open, the job is not even interrupted. */
START_TEST(job_outlives_its_connection)
{
    lsm_connect *second = world_connect_again(), *first = world.conn;
    world.conn = second;
    char *id = copy_start(NULL, source, "copy", HELD);
    job_await(id, LSM_JOB_STATE_RUNNING);
    ck_assert_int_eq(lsm_connect_close(second, 0), OK);
    world.conn = first;
    ck_assert_int_eq(job_state(id), LSM_JOB_STATE_RUNNING);
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(image, copy);
}
END_TEST

START_TEST(running_job_goes_on_after_reopening)
{
    char *id = job_in(LSM_JOB_STATE_RUNNING, source, "copy");
    lsm_volume_io *io = NULL;
    autoimage struct image *instant = image_copy(image);
    FINE(lsm_volume_io_open(world.conn, source, &io, 0));
    image_write(image, io, 100, SIZE / 2, 2); /* the source is written meanwhile */
    FINE(lsm_volume_io_close(io, 0));
    for (int i = 0; i < 3; i++) {
        world_reopen();
        job_await(id, LSM_JOB_STATE_RUNNING); /* by itself, its limit kept */
    }
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(instant, copy);
    SAME(image, source);
}
END_TEST

START_TEST(paused_job_stays_paused_over_reopening)
{
    char *id = job_in(LSM_JOB_STATE_PAUSED, source, "copy");
    world_reopen();
    sleep_ms(50);
    ck_assert_int_eq(job_state(id), LSM_JOB_STATE_PAUSED);
    FINE(lsm_job_resume(world.conn, id, 0));
    autovolume lsm_volume *copy = copy_finish(id);
    SAME(image, copy);
}
END_TEST

START_TEST(queued_jobs_all_end)
{
    char *ids[5];
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "copy %d", i);
        ids[i] = copy_start(NULL, source, name, HELD);
    }
    world_reopen();
    for (int i = 0; i < 5; i++)
        FINE(lsm_job_rate_limit_set(world.conn, ids[i], 0, 0));
    for (int i = 0; i < 5; i++) {
        autovolume lsm_volume *copy = copy_finish(ids[i]);
        SAME(image, copy);
    }
}
END_TEST

START_TEST(ended_jobs_are_kept)
{
    static const lsm_job_state states[] = {LSM_JOB_STATE_DONE, LSM_JOB_STATE_CANCELLED};
    char *ids[12];
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "copy %d", i);
        ids[i] = job_in(states[i % 2], source, name);
    }
    world_reopen();
    ck_assert_uint_eq(job_count(NULL, NULL), 12);
    ck_assert_uint_eq(job_count("state", "4"), 6);
    ck_assert_uint_eq(job_count("state", "6"), 6);
    for (int i = 0; i < 12; i++) {
        autojob lsm_job *job = job_look(ids[i]);
        ck_assert_int_eq(lsm_job_state_get(job), states[i % 2]);
        ck_assert_uint_gt(lsm_job_finished_ms_get(job), 0);
        free(ids[i]);
    }
}
END_TEST

/* Ids are never used again: not of a job that was forgotten, not after reopening. */
START_TEST(job_ids_are_new)
{
    char *first = job_in(LSM_JOB_STATE_CANCELLED, source, "copy");
    autotext char *kept = strdup(first);
    FINE(lsm_job_free(world.conn, &first, 0));
    world_reopen();
    autotext char *second = job_in(LSM_JOB_STATE_CANCELLED, source, "copy");
    ck_assert_str_ne(kept, second);
    autojob lsm_job *gone = NULL;
    REFUSED(lsm_job_get(world.conn, kept, &gone, 0), LSM_ERR_NOT_FOUND_JOB);
}
END_TEST

/* An owner that is killed in the middle: the next one goes on, from the last checkpoint. */
START_TEST(job_goes_on_after_its_owner_died)
{
    int told[2];
    char id[64] = "";
    if (!world.directory[0])
        return;
    ck_assert_int_eq(pipe(told), 0);
    world_close();
    pid_t child = fork();
    if (child == 0) {
        lsm_error_ptr e = NULL;
        lsm_volume *made = NULL;
        char *job = NULL;
        lsm_replicate_options *options = lsm_replicate_options_alloc();
        lsm_replicate_options_rate_limit_set(options, MIB);
        int rc = world_connect(world.uri, &world.conn, &e);
        if (rc == OK)
            rc = lsm_volume_replicate_with(world.conn, NULL, COPY, source, "copy", options, &made,
                                           &job, 0);
        if (rc == LSM_ERR_JOB_STARTED && write(told[1], job, strlen(job)) > 0)
            sleep(60);
        _exit(1);
    }
    ck_assert_int_gt(read(told[0], id, sizeof id - 1), 0);
    sleep_ms(300);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(told[0]);
    close(told[1]);
    world_open();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(volume_has_dependants(source));
    autovolume lsm_volume *copy = copy_finish(strdup(id));
    SAME(image, copy);
    SAME(image, source);
}
END_TEST

TCase *job_restart(void)
{
    TCase *tests = tcase_create("job_restart");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, job_outlives_its_connection);
    tcase_add_test(tests, running_job_goes_on_after_reopening);
    tcase_add_test(tests, paused_job_stays_paused_over_reopening);
    tcase_add_test(tests, queued_jobs_all_end);
    tcase_add_test(tests, ended_jobs_are_kept);
    tcase_add_test(tests, job_ids_are_new);
    tcase_add_test(tests, job_goes_on_after_its_owner_died);
    return tests;
}
