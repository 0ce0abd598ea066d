/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of replication verbs and states for a synchronous mirror, cell by cell: the answer, the
 * state that it leads to, that it is so after a restart, and that the two sides can be made equal
 * afterwards with no byte lost. */
#include "suites.h"
#include "sync_kit.h"

enum verb { SYNC, PAUSE, RESUME, PROMOTE, FORCED, REVERSE, BREAK, INTERVAL, VERBS };
#define STATES 6
#define CELLS (VERBS * STATES)

struct cell {
    int answer;
    int after; /* 0: as it was; BROKEN: the record is gone */
};

#define ANSWER(code)                                                                               \
    {                                                                                              \
        code, 0                                                                                    \
    }
#define STAYS                                                                                      \
    {                                                                                              \
        OK, 0                                                                                      \
    }
#define TO(name)                                                                                   \
    {                                                                                              \
        OK, TWIN_STATE(name)                                                                       \
    }
#define JOB_TO(name)                                                                               \
    {                                                                                              \
        LSM_ERR_JOB_STARTED, TWIN_STATE(name)                                                      \
    }
#define SAME_STATE                                                                                 \
    {                                                                                              \
        LSM_ERR_NO_STATE_CHANGE, 0                                                                 \
    }
#define NO                                                                                         \
    {                                                                                              \
        LSM_ERR_STATE, 0                                                                           \
    }
#define GONE TO(BROKEN)
#define NEVER                                                                                      \
    {                                                                                              \
        LSM_ERR_NO_SUPPORT, 0                                                                      \
    }

/* clang-format off */
static const struct cell table[VERBS][STATES] = {
    /*           INITIALIZING         IN_SYNC     DEGRADED            RESYNCING           PAUSED         SPLIT */
    [SYNC] =     {JOB_TO(INITIALIZING), SAME_STATE, JOB_TO(RESYNCING), JOB_TO(RESYNCING), NO,            NO},
    [PAUSE] =    {STAYS,              TO(PAUSED), TO(PAUSED),         TO(PAUSED),         SAME_STATE,    NO},
    [RESUME] =   {SAME_STATE,         SAME_STATE, SAME_STATE,         SAME_STATE,         TO(RESYNCING), TO(RESYNCING)},
    [PROMOTE] =  {NO,                 STAYS,      NO,                 NO,                 NO,            NO},
    [FORCED] =   {NO,                 TO(SPLIT),  TO(SPLIT),          TO(SPLIT),          TO(SPLIT),     SAME_STATE},
    [REVERSE] =  {NO,                 NO,         NO,                 NO,                 NO,            JOB_TO(RESYNCING)},
    [BREAK] =    {NO,                 GONE,       GONE,               GONE,               GONE,          GONE},
    [INTERVAL] = {NEVER,              NEVER,      NEVER,              NEVER,              NEVER,         NEVER},
};
/* clang-format on */

static const char *const state_names[STATES] = {"INITIALIZING", "IN_SYNC", "DEGRADED",
                                                "RESYNCING",    "PAUSED",  "SPLIT"};

static int say(enum verb verb, char **job)
{
    const char *id = twin.id;
    switch (verb) {
    case SYNC: return lsm_replication_sync(world.conn, id, job, 0);
    case PAUSE: return lsm_replication_pause(world.conn, id, 0);
    case RESUME: return lsm_replication_resume(world.conn, id, 0);
    case PROMOTE: return lsm_replication_promote(world.conn, id, job, 0);
    case FORCED: return lsm_replication_promote(world.conn, id, job, LSM_REPLICATION_FORCE);
    case REVERSE: return lsm_replication_reverse(world.conn, id, job, 0);
    case BREAK: return lsm_replication_break(world.conn, id, 0);
    case INTERVAL: return lsm_replication_interval_set(world.conn, id, 1000, 0);
    case VERBS: break;
    }
    return -1;
}

/* A refusal names the state; but for one whose job speaks for it, and one that says it in words. */
static void check_answer(int rc, const struct cell *wanted, const char *state)
{
    if (wanted->answer == OK || wanted->answer == LSM_ERR_JOB_STARTED) {
        ANSWERS_(rc, wanted->answer, NULL);
        return;
    }
    lsm_error_ptr e = refusal(rc, wanted->answer);
    ck_assert_ptr_nonnull(lsm_error_object_get(e));
    if (wanted->answer == LSM_ERR_STATE)
        ck_assert_pstr_eq(lsm_error_object_get(e), twin.id);
    if (wanted->answer == LSM_ERR_STATE)
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), state));
    lsm_error_free(e);
}

/* DEGRADED tries again by itself, so a restart may find it on its way. */
static void check_state(int wanted)
{
    int now = (int)twin_state();
    if (wanted == TWIN_STATE(DEGRADED) && now == TWIN_STATE(RESYNCING))
        return;
    ck_assert_msg(now == wanted, "the replication is %d, not %d", now, wanted);
}

static void come_to_in_sync(void)
{
    lsm_replication_state now = twin_state();
    if (now == TWIN_STATE(PAUSED) || now == TWIN_STATE(SPLIT))
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
    if (now == TWIN_STATE(INITIALIZING) && lsm_replication_resume(world.conn, twin.id, 0) != OK)
        lsm_error_free(lsm_error_last_get(world.conn));
    if (now == TWIN_STATE(DEGRADED)) { /* it would try by itself, but later */
        char *job = NULL;
        int rc = lsm_replication_sync(world.conn, twin.id, &job, 0);
        ck_assert(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
        free(job);
    }
    twin_in_sync();
}

static lsm_volume *end(const char *(*get)(lsm_replication *))
{
    autotwin lsm_replication *replication = twin_look();
    lsm_volume *volume = volume_with("id", get(replication));
    ck_assert_ptr_nonnull(volume);
    return volume;
}

static void check_equal(const struct image *wanted)
{
    autovolume lsm_volume *source = end(lsm_replication_source_volume_id_get);
    autovolume lsm_volume *target = end(lsm_replication_target_volume_id_get);
    SAME(wanted, source);
    SAME(wanted, target);
}

/* What each side had when the relation ended or parted. */
static void check_parted(lsm_replication_state before, const struct image *of_target)
{
    SAME(twin.image, twin.source);
    if (before == TWIN_STATE(IN_SYNC))
        SAME(twin.image, twin.target);
    else
        SAME(of_target, twin.target);
}

START_TEST(sync_verb_in_each_state)
{
    int cell = _i / TWIN_MODES, mode = _i % TWIN_MODES;
    enum verb verb = (enum verb)(cell / STATES);
    lsm_replication_state state = (lsm_replication_state)(TWIN_STATE(INITIALIZING) + cell % STATES);
    struct cell wanted = table[verb][cell % STATES];
    autotext char *job = NULL;
    autoimage struct image *of_target = NULL;
    if (state == TWIN_STATE(DEGRADED) && (!(mode & TWIN_BETWEEN_POOLS) || !world.directory[0]))
        return;
    if (!twin_wanted(_i) || !twin_mode(mode))
        return;
    twin_make_in(state, &of_target);
    if (state != TWIN_STATE(DEGRADED)) /* that passes by itself */
        twin_step();
    check_state((int)state);
    int rc = say(verb, &job);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    check_answer(rc, &wanted, state_names[cell % STATES]);
    if (wanted.after == TWIN_STATE(BROKEN)) {
        twin_gone();
        twin_step();
        twin_gone();
        check_parted(state, of_target);
        twin_writable(twin.source, true);
        twin_writable(twin.target, true);
        return;
    }
    int after = wanted.after ? wanted.after : (int)state;
    check_state(after);
    twin_step();
    check_state(after);
    if (after == TWIN_STATE(SPLIT) || after == TWIN_STATE(PAUSED))
        check_parted(state, of_target);
    come_to_in_sync();
    check_equal(verb == REVERSE && state == TWIN_STATE(SPLIT) ? of_target : twin.image);
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
}
END_TEST

/* INITIALIZING: the verbs are its job's. */
START_TEST(sync_first_job_is_paused_by_the_replication)
{
    if (!twin_mode(_i))
        return;
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE), *same = NULL;
    STARTED(lsm_replication_sync(world.conn, twin.id, &same, 0));
    ck_assert_str_eq(job, same);
    free(same);
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    job_await(job, LSM_JOB_STATE_PAUSED);
    twin_write(3 * MIB, 12345, 60);
    twin_step();
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    ck_assert_int_eq(twin_state(), TWIN_STATE(INITIALIZING));
    twin_write(5 * MIB, 12345, 61);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    REFUSED(lsm_replication_resume(world.conn, twin.id, 0), LSM_ERR_NO_STATE_CHANGE);
    twin_step();
    twin_finish(job);
    twin_equal();
}
END_TEST

START_TEST(sync_first_job_cancelled_leaves_nothing)
{
    if (!twin_mode(_i))
        return;
    autotext char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    twin_write(3 * MIB, 12345, 60);
    twin_step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    job_await(job, LSM_JOB_STATE_CANCELLED);
    twin_gone();
    twin_step();
    twin_gone();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(!volume_has_dependants(twin.source));
    SAME(twin.image, twin.source);
    twin_write(3 * MIB, 12345, 62);
    twin_make(); /* the name is free again */
    twin_equal();
}
END_TEST

/* A resync that is cancelled leaves PAUSED, and the next one ships what that one would have. */
START_TEST(sync_resync_cancelled_leaves_paused)
{
    autoimage struct image *before = NULL;
    if (!twin_mode(_i))
        return;
    twin_make_in(TWIN_STATE(RESYNCING), &before);
    autotwin lsm_replication *replication = twin_look();
    const char *job = lsm_replication_job_id_get(replication);
    ck_assert_ptr_nonnull(job);
    twin_write(6 * MIB, 3333, 63);
    SAME(before, twin.target);
    FINE(lsm_job_cancel(world.conn, job, 0));
    twin_await(TWIN_STATE(PAUSED));
    twin_step();
    SAME(before, twin.target);
    twin_write(7 * MIB, 3333, 64);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
}
END_TEST

START_TEST(sync_verbs_say_why)
{
    char *job = NULL;
    if (!twin_mode(_i))
        return;
    char *first = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    lsm_error_ptr e = refusal(lsm_replication_break(world.conn, twin.id, 0), LSM_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "cancel"));
    lsm_error_free(e);
    twin_finish(first);
    e = refusal(lsm_replication_reverse(world.conn, twin.id, &job, 0), LSM_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "promote"));
    lsm_error_free(e);
    REFUSED_SAYING(lsm_replication_interval_set(world.conn, twin.id, 0, 0), LSM_ERR_NO_SUPPORT,
                   "synchronous");
    REFUSED(lsm_replication_promote(world.conn, twin.id, &job, 8), INVALID);
    REFUSED(lsm_replication_reverse(world.conn, twin.id, &job, 8), INVALID);
    REFUSED(lsm_replication_resume(world.conn, twin.id, 8), INVALID);
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
}
END_TEST

TCase *sync_table(void)
{
    TCase *tests = tcase_create("sync_table");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_verb_in_each_state, 0, CELLS * TWIN_MODES);
    tcase_add_loop_test(tests, sync_first_job_is_paused_by_the_replication, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_first_job_cancelled_leaves_nothing, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_resync_cancelled_leaves_paused, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_verbs_say_why, 0, 2);
    return tests;
}
