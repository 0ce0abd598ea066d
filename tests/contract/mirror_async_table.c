/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of replication verbs and states for an asynchronous mirror, cell by cell: the answer,
 * the state that it leads to, and that no byte is lost on the way. */
#include "suites.h"
#include "mirror_async_kit.h"

enum verb { SYNC, PAUSE, RESUME, PROMOTE, FORCED, REVERSE, BREAK, INTERVAL, VERBS };
#define STATES 6
#define CELLS (VERBS * STATES)
#define NONE 0

struct cell {
    int answer;
    lsm_replication_state after; /* NONE: as it was; BROKEN: the record is gone */
};

#define STAYS                                                                                      \
    {                                                                                              \
        0, NONE                                                                                    \
    }
#define TO(name)                                                                                   \
    {                                                                                              \
        0, STATE(name)                                                                             \
    }
#define JOB                                                                                        \
    {                                                                                              \
        LSM_ERR_JOB_STARTED, NONE                                                                  \
    }
#define JOB_TO(name)                                                                               \
    {                                                                                              \
        LSM_ERR_JOB_STARTED, STATE(name)                                                           \
    }
#define SAME_STATE                                                                                 \
    {                                                                                              \
        LSM_ERR_NO_STATE_CHANGE, NONE                                                              \
    }
#define NO                                                                                         \
    {                                                                                              \
        LSM_ERR_STATE, NONE                                                                        \
    }

/* In each but INITIALIZING there is something that is not shipped, and ships are held. */
static const struct cell table[VERBS][STATES] = {
    /*            INITIALIZING IN_SYNC DEGRADED RESYNCING PAUSED SPLIT */
    [SYNC] = {JOB, JOB, JOB, JOB, NO, NO},
    [PAUSE] = {STAYS, TO(PAUSED), TO(PAUSED), TO(PAUSED), SAME_STATE, NO},
    [RESUME] = {SAME_STATE, SAME_STATE, SAME_STATE, SAME_STATE, TO(RESYNCING), TO(RESYNCING)},
    [PROMOTE] = {NO, JOB, NO, NO, NO, NO},
    [FORCED] = {NO, TO(SPLIT), TO(SPLIT), TO(SPLIT), TO(SPLIT), SAME_STATE},
    [REVERSE] = {NO, NO, NO, NO, NO, JOB_TO(RESYNCING)},
    [BREAK] = {NO, TO(BROKEN), TO(BROKEN), TO(BROKEN), TO(BROKEN), TO(BROKEN)},
    [INTERVAL] = {STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
};

static const char *const state_names[STATES] = {"INITIALIZING", "IN_SYNC", "DEGRADED",
                                                "RESYNCING",    "PAUSED",  "SPLIT"};

static int say(enum verb verb, char **job)
{
    const char *id = pair.id;
    switch (verb) {
    case SYNC: return lsm_replication_sync(world.conn, id, job, 0);
    case PAUSE: return lsm_replication_pause(world.conn, id, 0);
    case RESUME: return lsm_replication_resume(world.conn, id, 0);
    case PROMOTE: return lsm_replication_promote(world.conn, id, job, 0);
    case FORCED: return lsm_replication_promote(world.conn, id, job, FORCE);
    case REVERSE: return lsm_replication_reverse(world.conn, id, job, 0);
    case BREAK: return lsm_replication_break(world.conn, id, 0);
    case INTERVAL: return lsm_replication_interval_set(world.conn, id, 0, 0);
    case VERBS: break;
    }
    return -1;
}

/* The source has what was written to it, and the target that or what was shipped before. */
static void check_bytes(enum verb verb, lsm_replication_state before, const struct image *shipped)
{
    if (before == STATE(INITIALIZING) || verb == REVERSE)
        return;
    SAME(pair.image, pair.source);
    const char *unshipped = image_differs_from_volume(shipped, pair.target);
    if (unshipped)
        SAME(pair.image, pair.target);
}

START_TEST(async_verb_in_each_state)
{
    int cell = _i / MODES;
    enum verb verb = (enum verb)(cell / STATES);
    lsm_replication_state state = (lsm_replication_state)(STATE(INITIALIZING) + cell % STATES);
    struct cell wanted = table[verb][cell % STATES];
    autotext char *job = NULL;
    if (!mirrors_are_there() || (state == STATE(DEGRADED) && !world.directory[0]))
        return;
    mode_set(_i % MODES);
    autoimage struct image *shipped = image_copy(pair.image);
    pair_make_in(state);
    if (verb == REVERSE && state == STATE(SPLIT)) { /* something to bring back, too */
        for (uint32_t i = 0; i < PIECES; i++) /* each owner moves one, however slow the rate */
            volume_write(pair.target, shipped, 70000 + i * (PAIR_SIZE / PIECES), 9000, 3 + i);
    }
    step();
    int rc = say(verb, &job);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (wanted.answer == OK || wanted.answer == LSM_ERR_JOB_STARTED) {
        ANSWERS_(rc, wanted.answer, NULL);
    } else {
        lsm_error_ptr e = refusal(rc, wanted.answer);
        if (state != STATE(INITIALIZING) || wanted.answer == LSM_ERR_STATE) { /* else its job's */
            ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), state_names[cell % STATES]));
            ck_assert_pstr_eq(lsm_error_object_get(e), pair.id);
        }
        lsm_error_free(e);
    }
    if (wanted.after == STATE(BROKEN)) {
        check_gone();
    } else {
        lsm_replication_state after = wanted.after == NONE ? state : wanted.after;
        ck_assert_int_eq(replication_state(), after);
        step();
        ck_assert_int_eq(replication_state(), after);
    }
    step();
    check_bytes(verb, state, shipped);
}
END_TEST

/* Whatever it was asked in whichever state, in the end the two can be made equal. */
START_TEST(async_verb_then_in_sync)
{
    int cell = _i / 2;
    enum verb verb = (enum verb)(cell / STATES);
    lsm_replication_state state = (lsm_replication_state)(STATE(INITIALIZING) + cell % STATES);
    autotext char *job = NULL;
    if (!mirrors_are_there() || verb == BREAK || (state == STATE(DEGRADED) && !world.directory[0]))
        return;
    mode_set(_i % 2);
    pair_make_in(state);
    say(verb, &job);
    for (int tries = 0;; tries++) {
        lsm_replication_state now = replication_state();
        char *next = NULL;
        autorelation lsm_replication *replication = replication_look();
        ck_assert_int_lt(tries, 6);
        if (now == STATE(PAUSED) || now == STATE(SPLIT))
            FINE(lsm_replication_resume(world.conn, pair.id, 0));
        if (now == STATE(INITIALIZING) && lsm_replication_resume(world.conn, pair.id, 0))
            lsm_error_free(lsm_error_last_get(world.conn));
        job_of_mirror_finish();
        if (replication_state() == STATE(DEGRADED) || replication_state() == STATE(IN_SYNC)) {
            int rc = lsm_replication_sync(world.conn, pair.id, &next, 0);
            if (rc == LSM_ERR_NO_STATE_CHANGE) {
                lsm_error_free(lsm_error_last_get(world.conn));
                break;
            }
            STARTED(rc);
            job_finish(next);
        }
    }
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq(lsm_replication_state_get(replication), STATE(IN_SYNC));
    const char *source = lsm_replication_source_volume_id_get(replication);
    const char *target = lsm_replication_target_volume_id_get(replication);
    autovolume lsm_volume *from = volume_with("id", source), *to = volume_with("id", target);
    autoimage struct image *image = image_create(PAIR_SIZE);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, from, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, image->bytes, PAIR_SIZE, 0, 0));
    SAME(image, to);
    if (verb != REVERSE)
        SAME(pair.image, to);
}
END_TEST

/* With nothing to ship. */
START_TEST(async_verbs_with_nothing_to_ship)
{
    char *job = NULL;
    if (!mirrors_are_there())
        return;
    mode_set(_i);
    pair_make();
    step();
    REFUSED(lsm_replication_sync(world.conn, pair.id, &job, 0), LSM_ERR_NO_STATE_CHANGE);
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    step();
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    replication_await(STATE(IN_SYNC));
    FINE(lsm_replication_promote(world.conn, pair.id, &job, 0));
    ck_assert_ptr_null(job);
    roles_exchange();
    step();
    FINE(lsm_replication_promote(world.conn, pair.id, &job, FORCE));
    ck_assert_ptr_null(job);
    int rc = lsm_replication_reverse(world.conn, pair.id, &job, 0);
    ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
    verb_finish(rc, job);
    replication_await(STATE(IN_SYNC));
    roles_exchange();
    SAME(pair.image, pair.target);
    SAME(pair.image, pair.source);
}
END_TEST

/* INITIALIZING: the verbs are its job's. */
START_TEST(async_first_job_is_paused_by_the_replication)
{
    if (!mirrors_are_there())
        return;
    mode_set(_i);
    char *job = pair_start(HELD, 0), *same = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &same, 0));
    ck_assert_str_eq(job, same);
    free(same);
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    job_await(job, LSM_JOB_STATE_PAUSED);
    step();
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    ck_assert_int_eq(replication_state(), STATE(INITIALIZING));
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    REFUSED(lsm_replication_resume(world.conn, pair.id, 0), LSM_ERR_NO_STATE_CHANGE);
    step();
    pair_finish(job);
    SAME(pair.image, pair.target);
}
END_TEST

START_TEST(async_verbs_after_break)
{
    if (!mirrors_are_there())
        return;
    mode_set(_i);
    pair_make();
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    check_gone();
    step();
    check_gone();
}
END_TEST

START_TEST(async_verbs_say_why)
{
    char *job = NULL;
    if (!mirrors_are_there())
        return;
    mode_set(0);
    char *first = pair_start(HELD, 0);
    lsm_error_ptr e = refusal(lsm_replication_break(world.conn, pair.id, 0), LSM_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "cancel"));
    lsm_error_free(e);
    pair_finish(first);
    e = refusal(lsm_replication_reverse(world.conn, pair.id, &job, 0), LSM_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "promote"));
    lsm_error_free(e);
    REFUSED(lsm_replication_promote(world.conn, pair.id, &job, 8), INVALID);
    REFUSED(lsm_replication_reverse(world.conn, pair.id, &job, 8), INVALID);
    REFUSED(lsm_replication_resume(world.conn, pair.id, 8), INVALID);
    REFUSED(lsm_replication_break(world.conn, pair.id, 1), INVALID);
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
}
END_TEST

TCase *mirror_async_table(void)
{
    TCase *tests = tcase_create("mirror_async_table");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_verb_in_each_state, 0, CELLS * MODES);
    tcase_add_loop_test(tests, async_verb_then_in_sync, 0, CELLS * 2);
    tcase_add_loop_test(tests, async_verbs_with_nothing_to_ship, 0, MODES);
    tcase_add_loop_test(tests, async_first_job_is_paused_by_the_replication, 0, MODES);
    tcase_add_loop_test(tests, async_verbs_after_break, 0, MODES);
    tcase_add_test(tests, async_verbs_say_why);
    return tests;
}
