/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The runner with bodies that do nothing but count: the table of states and verbs, and verbs that
 * race. A body's context says what happened to the job, so that what a verb returned can be held
 * against it.
 */
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include "kit.h"
#include "job/job.h"
#include "job/table.h"
#include "record.h"
#include "util/error.h"
#include "util/guid.h"

#define ENDLESS UINT_MAX

struct fake {
    unsigned turns; /* ENDLESS: until it is stopped */
    atomic_int inside, runs, done, paused, cancelled, failed, requeued, forgotten;
    atomic_int settles_to_fail;
    int end;      /* the code of a run that comes to its end */
    bool awaited; /* it is forgotten when somebody waits for it */
};

static struct event_hub *hub;
static struct job_runner *runner;
static struct job_lane lane;
static atomic_int inside_lane, most_inside;

/* --- bodies ----------------------------------------------------------------------------------- */

static void enter(struct fake *fake)
{
    ck_assert_int_eq(atomic_fetch_add(&fake->inside, 1), 0); /* one hand at a time */
    int n = atomic_fetch_add(&inside_lane, 1) + 1, most = atomic_load(&most_inside);
    while (n > most && !atomic_compare_exchange_weak(&most_inside, &most, n))
        ;
}

static void leave(struct fake *fake)
{
    atomic_fetch_sub(&inside_lane, 1);
    atomic_fetch_sub(&fake->inside, 1);
}

static int run_fake(struct job *job)
{
    struct fake *fake = job->context;
    enter(fake);
    atomic_fetch_add(&fake->runs, 1);
    int code = fake->end;
    for (unsigned i = 0; i < fake->turns; i++) {
        if (job_stop_asked(job) != JOB_GO) {
            code = error_set(LSM_ERR_CANCELLED, NULL, "stopped on request");
            break;
        }
        uint64_t cursor = job->row.cursor + 1;
        job_checkpointed(job, cursor, cursor, 0);
        usleep(200);
    }
    if (code == OK)
        atomic_fetch_add(&fake->done, 1);
    else if (code != LSM_ERR_CANCELLED)
        error_set((lsm_error_number)code, NULL, "the body fails");
    leave(fake);
    return code;
}

static int settle_fake(struct job *job, const struct job_row *row)
{
    struct fake *fake = job->context;
    ck_assert_int_eq(atomic_fetch_add(&fake->inside, 1), 0);
    if (kit_random(2))
        usleep(100);
    bool fails = atomic_load(&fake->settles_to_fail) > 0;
    if (fails)
        atomic_fetch_sub(&fake->settles_to_fail, 1);
    else if (row->state == LSM_JOB_STATE_PAUSED)
        atomic_fetch_add(&fake->paused, 1);
    else if (row->state == LSM_JOB_STATE_CANCELLED)
        atomic_fetch_add(&fake->cancelled, 1);
    else if (row->state == LSM_JOB_STATE_FAILED)
        atomic_fetch_add(&fake->failed, 1);
    else
        atomic_fetch_add(&fake->requeued, 1);
    atomic_fetch_sub(&fake->inside, 1);
    return fails ? error_set_errno(LSM_ERR_IO, 5, NULL, "the row cannot be kept") : OK;
}

static int forget_fake(struct job *job)
{
    struct fake *fake = job->context;
    atomic_fetch_add(&fake->forgotten, 1);
    for (bool alone = fake->awaited; alone;) {
        pthread_mutex_lock(&job->runner->lock);
        alone = !job->waiters;
        pthread_mutex_unlock(&job->runner->lock);
        usleep(100);
    }
    return OK;
}

static const struct job_body fake_body = {
    .run = run_fake, .settle = settle_fake, .forget = forget_fake};

/* --- kit -------------------------------------------------------------------------------------- */

static void make(void)
{
    kit_seed(1);
    hub = event_hub_create();
    runner = job_runner_create(hub);
    ck_assert(hub && runner);
    lane.running = 0;
}

static void finish(void)
{
    job_runner_stop(runner);
    job_runner_destroy(runner);
    event_hub_destroy(hub);
}

/* `parked` ones stay QUEUED. */
static void start(char id[ID_SIZE], struct fake *fake, lsm_job_state state, bool parked)
{
    struct job_row row = {.kind = LSM_JOB_KIND_COPY, .state = state, .total = 1000000};
    ck_assert_int_eq(guid_make(row.id), OK);
    memcpy(id, row.id, ID_SIZE);
    struct job *job = job_alloc(&row, &fake_body, fake, &lane);
    ck_assert_ptr_nonnull(job);
    job_start(runner, job, parked);
}

static lsm_job_state state_of(const char *id)
{
    lsm_job *job = NULL;
    ck_assert_int_eq(job_get(runner, id, &job), OK);
    lsm_job_state state = lsm_job_state_get(job);
    record_destroy(&job_type, job);
    return state;
}

static void await(const char *id, lsm_job_state state)
{
    for (int i = 0; state_of(id) != state; i++) {
        ck_assert_int_lt(i, 20000);
        usleep(500);
    }
}

static lsm_job_state await_end(const char *id)
{
    lsm_job *job = NULL;
    ck_assert_int_eq(job_wait(runner, id, 20000, &job), OK);
    lsm_job_state state = lsm_job_state_get(job);
    record_destroy(&job_type, job);
    return state;
}

/* --- the table -------------------------------------------------------------------------------- */

enum { QUEUED_PARKED, RUNNING, PAUSED, DONE, FAILED, CANCELLED, STATES };
static const int table[4][STATES] = {
    /* cancel */ {0, 0, 0, 125, 125, 125},
    /* pause  */ {0, 0, 125, 1004, 1004, 1004},
    /* resume */ {125, 125, 0, 1004, 1004, 1004},
    /* rate   */ {0, 0, 0, 1004, 1004, 1004},
};

static int verb(int which, const char *id)
{
    switch (which) {
    case 0: return job_cancel(runner, id);
    case 1: return job_pause(runner, id);
    case 2: return job_resume(runner, id);
    default: return job_rate_limit_set(runner, id, 4711);
    }
}

START_TEST(verbs_fit_states_as_the_table_says)
{
    static const lsm_job_state states[STATES] = {LSM_JOB_STATE_QUEUED, LSM_JOB_STATE_QUEUED,
                                                 LSM_JOB_STATE_PAUSED, LSM_JOB_STATE_DONE,
                                                 LSM_JOB_STATE_FAILED, LSM_JOB_STATE_CANCELLED};
    static struct fake fakes[4][STATES];
    for (int v = 0; v < 4; v++)
        for (int s = 0; s < STATES; s++) {
            char id[ID_SIZE];
            fakes[v][s].turns = ENDLESS;
            start(id, &fakes[v][s], states[s], s == QUEUED_PARKED);
            if (s == RUNNING)
                await(id, LSM_JOB_STATE_RUNNING);
            int code = verb(v, id);
            ck_assert_msg(code == table[v][s], "verb %d, state %d: %d", v, s, code);
            if (code != OK)
                kit_assert_error(code, id);
            if (code == OK && v == 0)
                ck_assert_int_eq(state_of(id), LSM_JOB_STATE_CANCELLED);
            if (code == OK && v == 1)
                ck_assert_int_eq(state_of(id), LSM_JOB_STATE_PAUSED);
            if (s < DONE && state_of(id) != LSM_JOB_STATE_CANCELLED)
                ck_assert_int_eq(job_cancel(runner, id), OK);
        }
}
END_TEST

START_TEST(verbs_on_no_job_are_202)
{
    for (int v = 0; v < 4; v++) {
        ck_assert_int_eq(verb(v, "none"), LSM_ERR_NOT_FOUND_JOB);
        kit_assert_error(LSM_ERR_NOT_FOUND_JOB, "none");
    }
    ck_assert_int_eq(job_forget(runner, "none"), LSM_ERR_NOT_FOUND_JOB);
    error_clear();
}
END_TEST

/* --- ends ------------------------------------------------------------------------------------- */

START_TEST(a_failed_run_says_why)
{
    char id[ID_SIZE];
    lsm_job *job = NULL;
    struct fake fake = {.end = LSM_ERR_NOT_ENOUGH_SPACE};
    start(id, &fake, LSM_JOB_STATE_QUEUED, false);
    ck_assert_int_eq(await_end(id), LSM_JOB_STATE_FAILED);
    ck_assert_int_eq(job_get(runner, id, &job), OK);
    ck_assert_int_eq((int)lsm_job_error_number_get(job), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_str_eq(lsm_job_error_message_get(job), "the body fails");
    record_destroy(&job_type, job);
    ck_assert_int_eq(fake.failed, 1);
}
END_TEST

/* A stop that cannot be kept did not take place; asked again it does. */
START_TEST(a_stop_that_cannot_be_kept_did_not_take_place)
{
    char id[ID_SIZE];
    struct fake fake = {.turns = ENDLESS};
    bool cancel = _i & 1, was_paused = _i & 2;
    lsm_job_state to = cancel ? LSM_JOB_STATE_CANCELLED : LSM_JOB_STATE_PAUSED;
    start(id, &fake, LSM_JOB_STATE_QUEUED, false);
    await(id, LSM_JOB_STATE_RUNNING);
    if (was_paused && cancel)
        ck_assert_int_eq(job_pause(runner, id), OK);
    atomic_store(&fake.settles_to_fail, 1);
    ck_assert_int_eq(cancel ? job_cancel(runner, id) : job_pause(runner, id), LSM_ERR_IO);
    struct _lsm_error *error = error_take();
    ck_assert_str_eq(error->message, "the row cannot be kept: Input/output error");
    ck_assert_int_eq(error->sys_errno, 5);
    error_destroy(error);
    await(id, was_paused && cancel ? LSM_JOB_STATE_PAUSED : LSM_JOB_STATE_RUNNING);
    ck_assert_int_eq(fake.cancelled, 0);
    ck_assert_int_eq(cancel ? job_cancel(runner, id) : job_pause(runner, id), OK);
    ck_assert_int_eq(state_of(id), to);
}
END_TEST

/* Neither is a failure whose row the disk does not take: it is tried again, and then it counts. */
START_TEST(a_failure_that_cannot_be_kept_is_tried_again)
{
    char id[ID_SIZE];
    lsm_job *job = NULL;
    struct fake fake = {.end = LSM_ERR_IO, .settles_to_fail = 1};
    start(id, &fake, LSM_JOB_STATE_QUEUED, false);
    while (fake.settles_to_fail)
        usleep(1000);
    await(id, LSM_JOB_STATE_QUEUED);
    ck_assert_int_eq(job_get(runner, id, &job), OK);
    ck_assert_int_eq((int)lsm_job_error_number_get(job), OK);
    ck_assert_str_eq(lsm_job_error_message_get(job), "the body fails");
    record_destroy(&job_type, job);
    ck_assert_int_eq(await_end(id), LSM_JOB_STATE_FAILED);
    ck_assert_int_eq(fake.runs, 2);
    ck_assert_int_eq(fake.failed, 1);
}
END_TEST

START_TEST(a_lane_has_room_for_four)
{
    static struct fake fakes[24];
    char ids[24][ID_SIZE];
    for (int i = 0; i < 24; i++) {
        fakes[i].turns = 20;
        start(ids[i], &fakes[i], LSM_JOB_STATE_QUEUED, false);
    }
    for (int i = 0; i < 24; i++)
        ck_assert_int_eq(await_end(ids[i]), LSM_JOB_STATE_DONE);
    ck_assert_int_le(most_inside, JOB_LANE_WIDTH);
    ck_assert_int_ge(most_inside, 1);
}
END_TEST

START_TEST(stopping_the_runner_requeues_what_runs)
{
    char id[ID_SIZE];
    struct fake fake = {.turns = ENDLESS};
    start(id, &fake, LSM_JOB_STATE_QUEUED, false);
    await(id, LSM_JOB_STATE_RUNNING);
    job_runner_stop(runner);
    ck_assert_int_eq(state_of(id), LSM_JOB_STATE_QUEUED);
    ck_assert_int_eq(fake.requeued, 1);
}
END_TEST

START_TEST(what_runs_is_not_forgotten)
{
    char id[ID_SIZE];
    struct fake fake = {.turns = ENDLESS};
    start(id, &fake, LSM_JOB_STATE_QUEUED, false);
    await(id, LSM_JOB_STATE_RUNNING);
    ck_assert_int_eq(job_forget(runner, id), LSM_ERR_NO_STATE_CHANGE);
    ck_assert_int_eq(state_of(id), LSM_JOB_STATE_RUNNING);
    ck_assert_int_eq(job_cancel(runner, id), OK);
    ck_assert_int_eq(job_forget(runner, id), OK);
    ck_assert_int_eq(fake.forgotten, 1);
}
END_TEST

/* --- races ------------------------------------------------------------------------------------ */

#define JOBS 6
static char race_ids[JOBS][ID_SIZE];
static struct fake race_fakes[JOBS];
static atomic_int cancels_granted[JOBS], pauses_granted[JOBS];
static atomic_bool race_over;

/* Mostly pauses and resumes; cancels and forgets are rare, since they end it. */
static void *race(void *argument)
{
    uint64_t x = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&race_over)) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        unsigned i = (unsigned)(x >> 40) % JOBS, what = (unsigned)(x >> 33) % 64;
        int code;
        if (what < 28) {
            code = job_pause(runner, race_ids[i]);
            atomic_fetch_add(&pauses_granted[i], code == OK);
        } else if (what < 60) {
            code = job_resume(runner, race_ids[i]);
        } else if (what < 62) {
            code = job_rate_limit_set(runner, race_ids[i], what);
        } else if (what == 62) {
            code = job_cancel(runner, race_ids[i]);
            atomic_fetch_add(&cancels_granted[i], code == OK);
        } else {
            code = job_forget(runner, race_ids[i]);
        }
        ck_assert_msg(code == OK || code == LSM_ERR_NO_STATE_CHANGE || code == LSM_ERR_STATE ||
                          code == LSM_ERR_NOT_FOUND_JOB,
                      "verb %u: %d", what, code);
        error_clear();
    }
    return NULL;
}

START_TEST(verbs_that_race_are_granted_once)
{
    pthread_t threads[8];
    for (int i = 0; i < JOBS; i++) {
        race_fakes[i].turns = ENDLESS;
        start(race_ids[i], &race_fakes[i], LSM_JOB_STATE_QUEUED, false);
    }
    for (uintptr_t i = 0; i < 8; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, race, (void *)(i + 1 + 100 * (uintptr_t)_i)), 0);
    usleep(100000);
    atomic_store(&race_over, true);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < JOBS; i++) {
        const struct fake *fake = &race_fakes[i];
        ck_assert_int_le(fake->cancelled, 1);
        /* Two who ask for the same at once get it with one stop; nobody gets it without. */
        ck_assert((cancels_granted[i] > 0) == (fake->cancelled == 1));
        ck_assert_int_ge(pauses_granted[i], fake->paused);
        ck_assert(!pauses_granted[i] || fake->paused);
        ck_assert_int_le(fake->forgotten, fake->cancelled);
        ck_assert_int_eq(fake->inside, 0);
        if (fake->forgotten)
            continue;
        lsm_job_state state = state_of(race_ids[i]);
        ck_assert((state == LSM_JOB_STATE_CANCELLED) == (fake->cancelled == 1));
        if (state != LSM_JOB_STATE_CANCELLED)
            ck_assert_int_eq(job_cancel(runner, race_ids[i]), OK);
    }
}
END_TEST

/* Many short jobs end while they are cancelled and forgotten. */
static void *cancel_and_forget(void *argument)
{
    const char *id = argument;
    int code = job_cancel(runner, id);
    ck_assert(code == OK || code == LSM_ERR_NO_STATE_CHANGE || code == LSM_ERR_NOT_FOUND_JOB);
    code = job_forget(runner, id);
    ck_assert(code == OK || code == LSM_ERR_NO_STATE_CHANGE || code == LSM_ERR_NOT_FOUND_JOB);
    error_clear();
    return NULL;
}

START_TEST(ends_that_race_with_verbs)
{
    for (int round = 0; round < 150; round++) {
        struct fake fake = {.turns = kit_random(3)};
        pthread_t threads[3];
        char id[ID_SIZE];
        start(id, &fake, LSM_JOB_STATE_QUEUED, false);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, cancel_and_forget, id), 0);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        ck_assert_int_eq(fake.done + fake.cancelled, 1);
        ck_assert_int_eq(fake.forgotten, 1);
        lsm_job *job = NULL;
        ck_assert_int_eq(job_get(runner, id, &job), LSM_ERR_NOT_FOUND_JOB);
        error_clear();
    }
}
END_TEST

static void *cancel_late(void *argument)
{
    struct fake *oldest = argument;
    while (!atomic_load(&oldest->forgotten))
        usleep(100);
    ck_assert_int_eq(job_cancel(runner, race_ids[0]), LSM_ERR_NOT_FOUND_JOB);
    error_clear();
    return NULL;
}

/* It is outdated, and a verb comes while its row is removed. */
START_TEST(a_forgotten_job_is_not_freed_under_who_waits)
{
    pthread_t late;
    char id[ID_SIZE];
    struct fake oldest = {.awaited = true}, others = {0}, last = {0};
    start(race_ids[0], &oldest, LSM_JOB_STATE_DONE, false);
    for (int i = 0; i < 1000; i++)
        start(id, &others, LSM_JOB_STATE_DONE, false);
    ck_assert_int_eq(pthread_create(&late, NULL, cancel_late, &oldest), 0);
    start(id, &last, LSM_JOB_STATE_QUEUED, false);
    pthread_join(late, NULL);
    ck_assert_int_eq(await_end(id), LSM_JOB_STATE_DONE);
}
END_TEST

TCase *test_job(void)
{
    TCase *tcase = tcase_create("job");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, make, finish);
    tcase_add_test(tcase, verbs_fit_states_as_the_table_says);
    tcase_add_test(tcase, verbs_on_no_job_are_202);
    tcase_add_test(tcase, a_failed_run_says_why);
    tcase_add_loop_test(tcase, a_stop_that_cannot_be_kept_did_not_take_place, 0, 4);
    tcase_add_test(tcase, a_failure_that_cannot_be_kept_is_tried_again);
    tcase_add_test(tcase, a_lane_has_room_for_four);
    tcase_add_test(tcase, stopping_the_runner_requeues_what_runs);
    tcase_add_loop_test(tcase, verbs_that_race_are_granted_once, 0, 5);
    tcase_add_test(tcase, ends_that_race_with_verbs);
    tcase_add_test(tcase, what_runs_is_not_forgotten);
    tcase_add_test(tcase, a_forgotten_job_is_not_freed_under_who_waits);
    return tcase;
}
