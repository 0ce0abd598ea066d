/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of job verbs and states, cell by cell, and what is left after each. */
#include "suites.h"
#include "image.h"

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

enum verb { CANCEL, PAUSE, RESUME, RATE, FREE, VERBS };
#define STATES 6
#define CELLS (VERBS * STATES)

static const int answers[VERBS][STATES] = {
    /*           QUEUED RUNNING PAUSED DONE FAILED CANCELLED */
    [CANCEL] = {0, 0, 0, 125, 125, 125},
    [PAUSE] = {0, 0, 125, 1004, 1004, 1004},
    [RESUME] = {125, 125, 0, 1004, 1004, 1004},
    [RATE] = {0, 0, 0, 1004, 1004, 1004},
    [FREE] = {0, 0, 0, 0, 0, 0},
};

static const char *const names_of[STATES] = {"QUEUED", "RUNNING", "PAUSED",
                                             "DONE",   "FAILED",  "CANCELLED"};

static int say(enum verb verb, const char *job)
{
    char *text = strdup(job);
    int rc = 0;
    switch (verb) {
    case CANCEL: rc = lsm_job_cancel(world.conn, job, 0); break;
    case PAUSE: rc = lsm_job_pause(world.conn, job, 0); break;
    case RESUME: rc = lsm_job_resume(world.conn, job, 0); break;
    case RATE: rc = lsm_job_rate_limit_set(world.conn, job, HELD, 0); break;
    case FREE: rc = lsm_job_free(world.conn, &text, 0); break;
    case VERBS: break;
    }
    ck_assert_int_eq(verb == FREE && rc == 0, text == NULL);
    free(text);
    return rc;
}

static bool has_ended(lsm_job_state state)
{
    return state == LSM_JOB_STATE_DONE || state == LSM_JOB_STATE_FAILED ||
           state == LSM_JOB_STATE_CANCELLED;
}

/* What a verb that was let through has done to the job. */
static void check_effect(enum verb verb, const char *job, lsm_job_state before)
{
    if (verb == FREE && has_ended(before)) {
        autojob lsm_job *gone = NULL;
        REFUSED(lsm_job_get(world.conn, job, &gone, 0), LSM_ERR_NOT_FOUND_JOB);
        return;
    }
    lsm_job_state after = job_state(job);
    if (verb == CANCEL)
        ck_assert_int_eq(after, LSM_JOB_STATE_CANCELLED);
    else if (verb == PAUSE)
        ck_assert_int_eq(after, LSM_JOB_STATE_PAUSED);
    else if (verb == RESUME)
        ck_assert(after == LSM_JOB_STATE_QUEUED || after == LSM_JOB_STATE_RUNNING);
    else
        ck_assert_int_eq(after, before);
}

START_TEST(job_verb_in_each_state)
{
    enum verb verb = (enum verb)(_i / STATES);
    lsm_job_state state = (lsm_job_state)(LSM_JOB_STATE_QUEUED + _i % STATES);
    int answer = answers[verb][_i % STATES];
    if (!job_can_be(state))
        return;
    autotext char *job = job_in(state, source, "copy");
    int rc = say(verb, job);
    if (answer == 0) {
        FINE(rc);
        check_effect(verb, job, state);
    } else {
        lsm_error_ptr e = refusal(rc, answer);
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), names_of[_i % STATES]));
        ck_assert_pstr_eq(lsm_error_object_get(e), job);
        lsm_error_free(e);
        ck_assert_int_eq(job_state(job), state);
    }
    SAME(image, source);
}
END_TEST

/* Nothing is left of a cancelled copy: not its target, not its name, not the tie to its source. */
START_TEST(cancel_leaves_nothing)
{
    static const lsm_job_state states[] = {LSM_JOB_STATE_QUEUED, LSM_JOB_STATE_RUNNING,
                                           LSM_JOB_STATE_PAUSED};
    autotext char *job = job_in(states[_i], source, "copy");
    autojob lsm_job *before = job_look(job), *after = NULL;
    FINE(lsm_job_cancel(world.conn, job, 0));
    FINE(lsm_job_wait(world.conn, job, 10000, &after, 0));
    ck_assert_int_eq(lsm_job_state_get(after), LSM_JOB_STATE_CANCELLED);
    ck_assert_int_eq((int)lsm_job_error_number_get(after), LSM_ERR_CANCELLED);
    ck_assert_uint_lt(lsm_job_percent_get(after), 100);
    ck_assert_uint_gt(lsm_job_finished_ms_get(after), 0);
    ck_assert_uint_eq(volume_count("id", lsm_job_target_volume_id_get(before)), 0);
    world_reopen();
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    SAME(image, source);
    if (states[_i] != LSM_JOB_STATE_QUEUED) { /* whose fillers still read the source */
        let_go_of_volume(&(lsm_volume *){volume_make("copy", CLUSTER)});
        FINE(volume_delete(source));
    }
}
END_TEST

START_TEST(cancel_is_done_when_it_returns)
{
    autotext char *job = job_in(LSM_JOB_STATE_RUNNING, source, "copy");
    FINE(lsm_job_cancel(world.conn, job, 0));
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
    let_go_of_volume(&(lsm_volume *){volume_make("copy", CLUSTER)});
}
END_TEST

START_TEST(pause_and_resume_to_the_end)
{
    char *job = job_in(LSM_JOB_STATE_RUNNING, source, "copy");
    for (int i = 0; i < 3; i++) {
        FINE(lsm_job_pause(world.conn, job, 0));
        job_await(job, LSM_JOB_STATE_PAUSED);
        autojob lsm_job *waits = NULL;
        REFUSED(lsm_job_wait(world.conn, job, 20, &waits, 0), LSM_ERR_TIMEOUT);
        FINE(lsm_job_resume(world.conn, job, 0));
    }
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(image, copy);
}
END_TEST

/* A paused job stands still, whatever its rate limit becomes. */
START_TEST(rate_limit_of_a_paused_job)
{
    char *job = job_in(LSM_JOB_STATE_PAUSED, source, "copy");
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    sleep_ms(50);
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    FINE(lsm_job_resume(world.conn, job, 0));
    autojob lsm_job *ended = NULL;
    FINE(lsm_job_wait(world.conn, job, 20000, &ended, 0));
    ck_assert_int_eq(lsm_job_state_get(ended), LSM_JOB_STATE_DONE);
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(image, copy);
}
END_TEST

/* A limit holds, within what buffers are for, and lifting it acts at once. */
START_TEST(rate_limit_holds)
{
    autovolume lsm_volume *big = volume_make("big", 4 * MIB);
    autoimage struct image *content = image_create(4 * MIB);
    image_fill(content, big, 2);
    uint64_t begin = now_ms();
    char *job = copy_start(NULL, big, "copy", 4 * MIB);
    autojob lsm_job *ended = NULL;
    FINE(lsm_job_wait(world.conn, job, 20000, &ended, 0));
    ck_assert_uint_ge(now_ms() - begin, 600);
    lsm_volume *copy = copy_finish(job);
    SAME(content, copy);
    lsm_volume_record_free(copy);
    begin = now_ms();
    job = copy_start(NULL, big, "copy 2", 100 * KIB);
    copy = copy_finish(job); /* lifts it */
    ck_assert_uint_lt(now_ms() - begin, 20000);
    SAME(content, copy);
    lsm_volume_record_free(copy);
}
END_TEST

TCase *job_verbs(void)
{
    TCase *tests = tcase_create("job_verbs");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_loop_test(tests, job_verb_in_each_state, 0, CELLS);
    tcase_add_loop_test(tests, cancel_leaves_nothing, 0, 3);
    tcase_add_test(tests, cancel_is_done_when_it_returns);
    tcase_add_test(tests, pause_and_resume_to_the_end);
    tcase_add_test(tests, rate_limit_of_a_paused_job);
    tcase_add_test(tests, rate_limit_holds);
    return tests;
}
