/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mirror between two pools of which one is away for a while, works alone somewhere else, or never
 * comes back. A pool is a directory of the root: it goes and comes while nobody has the root open.
 */
#include "suites.h"
#include "mirror_async_kit.h"

#include <ftw.h>
#include <sys/stat.h>

static char elsewhere[500]; /* another root, where a pool may be taken to */
static lsm_volume *source, *target;

#define FOR_TWO_POOLS()                                                                            \
    if (!mirrors_are_there() || !world.directory[0])                                               \
        return;                                                                                    \
    begin()

static void begin(void)
{
    snprintf(elsewhere, sizeof elsewhere, "%s", scratch_directory());
    mode_set(BETWEEN_POOLS);
    pair_make();
    source_write(70000, 50000, 3);
    ship();
    source = pair.source;
    target = pair.target;
}

static void move(const char *from_root, const char *to_root, const char *pool)
{
    char from[700], to[700];
    snprintf(from, sizeof from, "%s/%s", from_root, pool);
    snprintf(to, sizeof to, "%s/%s", to_root, pool);
    ck_assert_int_eq(rename(from, to), 0);
}

static const char *source_pool(void)
{
    return lsm_pool_name_get(world.pool);
}

/* The pool leaves the root while it is closed; then the root is opened without it. */
static void take_away(const char *pool)
{
    world_close();
    move(world.directory, elsewhere, pool);
    world_open();
}

static void bring_back(const char *pool)
{
    world_close();
    move(elsewhere, world.directory, pool);
    world_open();
}

/* The pool that was taken away is opened where it is. */
static char home[512];

static void go_elsewhere(void)
{
    world_close();
    snprintf(home, sizeof home, "%s", world.uri);
    snprintf(world.uri, sizeof world.uri, "dir://%s", elsewhere);
    world_open();
}

static void go_home(void)
{
    world_close();
    snprintf(world.uri, sizeof world.uri, "%s", home);
    world_open();
}

START_TEST(async_target_pool_is_away)
{
    FOR_TWO_POOLS();
    autoimage struct image *before = image_copy(pair.image);
    take_away("dr");
    char *job = NULL;
    source_write(200000, 5000, 4);
    lsm_error_ptr e =
        refusal(lsm_replication_sync(world.conn, pair.id, &job, 0), LSM_ERR_NOT_FOUND_POOL);
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    REFUSED(lsm_replication_promote(world.conn, pair.id, &job, FORCE), LSM_ERR_NOT_FOUND_POOL);
    REFUSED(volume_delete(source), LSM_ERR_HAS_CHILD_DEPENDENCY);
    autorelation lsm_replication *replication = replication_look();
    ck_assert_pstr_eq(lsm_replication_target_volume_id_get(replication), lsm_volume_id_get(target));
    ck_assert_uint_gt(lsm_replication_lag_bytes_get(replication), 0);
    world_reopen(); /* the hold on the common instant outlives that */
    source_write(300000, 5000, 5);
    bring_back("dr");
    SAME(before, target);
    ck_assert_int_ne(replication_state(), STATE(BROKEN));
    ship();
    SAME(pair.image, target);
    autorelation lsm_replication *shipped = replication_look();
    ck_assert_uint_le(lsm_replication_last_sync_bytes_get(shipped), 6 * CLUSTER);
}
END_TEST

/* At each interval it is tried; the record says what is wrong. */
START_TEST(async_target_pool_is_away_at_an_interval)
{
    FOR_TWO_POOLS();
    FINE(lsm_replication_interval_set(world.conn, pair.id, 20, 0));
    take_away("dr");
    source_write(200000, 5000, 4);
    replication_await(STATE(DEGRADED));
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq((int)lsm_replication_error_number_get(replication), LSM_ERR_NOT_FOUND_POOL);
    bring_back("dr");
    replication_await(STATE(IN_SYNC)); /* by itself */
    SAME(pair.image, target);
}
END_TEST

/* The source's pool is not there: the target is read, and promoted by force. Then it comes back. */
START_TEST(async_source_pool_is_away)
{
    FOR_TWO_POOLS();
    autoimage struct image *other = image_copy(pair.image);
    source_write(200000, 50000, 4); /* which nobody has but the source */
    take_away(source_pool());
    SAME(other, target);
    writable(target, false);
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    REFUSED(rc, LSM_ERR_NOT_FOUND_POOL);
    FINE(promote(FORCE));
    ck_assert_int_eq(replication_state(), STATE(SPLIT));
    volume_write(target, other, 210000, 50000, 5);
    SAME(other, target);
    world_reopen();
    SAME(other, target);
    writable(target, true);
    bring_back(source_pool());
    ck_assert_int_eq(replication_state(), STATE(SPLIT));
    SAME(pair.image, source);
    SAME(other, target);
    if (_i == 0) {
        FINE(reverse(0));
        replication_await(STATE(IN_SYNC));
        SAME(other, source);
        SAME(other, target);
    } else {
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
        job_of_mirror_finish();
        replication_await(STATE(IN_SYNC));
        SAME(pair.image, source);
        SAME(pair.image, target);
    }
    autorelation lsm_replication *replication = replication_look();
    autovolume lsm_volume *kept =
        volume_with("id", lsm_replication_diverged_volume_id_get(replication));
    SAME(_i == 0 ? pair.image : other, kept);
}
END_TEST

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* In the middle of a ship, a resync, or with nothing to do: the source's disk is gone for good. */
START_TEST(async_source_pool_is_lost)
{
    FOR_TWO_POOLS();
    autoimage struct image *complete = image_copy(pair.image);
    char path[700];
    if (_i > 0) {
        FINE(lsm_replication_break(world.conn, pair.id, 0));
        FINE(volume_delete(target));
        lsm_volume_record_free(target);
        pair_make_held();
        target = pair.target;
        if (_i == 2)
            FINE(lsm_replication_pause(world.conn, pair.id, 0));
        source_touch_apart(5);
        if (_i == 1) {
            autotext char *job = NULL;
            STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
            job_await(job, LSM_JOB_STATE_RUNNING);
        } else {
            FINE(lsm_replication_resume(world.conn, pair.id, 0));
            ck_assert_int_eq(replication_state(), STATE(RESYNCING));
        }
    }
    world_close();
    snprintf(path, sizeof path, "%s/%s", world.directory, source_pool());
    ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    world_open();
    SAME(complete, target);
    FINE(promote(FORCE));
    SAME(complete, target);
    volume_write(target, complete, 5, 70000, 6);
    world_reopen();
    SAME(complete, target);
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    check_gone();
    world_reopen();
    check_gone();
    SAME(complete, target);
    ck_assert_uint_eq(job_count("state", "2"), 0); /* nothing runs for ever */
    FINE(volume_resize(&target, MIB));
    pair.target = target;
    FINE(volume_delete(target));
}
END_TEST

/* Promoted in another root, without its source; the source went on, too: a split, not a mixture.
 * What the source did meanwhile: nothing, paused, paused and resumed and paused, its interval. */
START_TEST(async_both_sides_changed_alone)
{
    FOR_TWO_POOLS();
    autoimage struct image *other = image_copy(pair.image);
    take_away("dr");
    source_write(200000, 50000, 4);
    if (_i == 1 || _i == 2)
        FINE(lsm_replication_pause(world.conn, pair.id, 0));
    if (_i == 2) {
        if (lsm_replication_resume(world.conn, pair.id, 0) != OK)
            lsm_error_free(lsm_error_last_get(world.conn));
        if (lsm_replication_pause(world.conn, pair.id, 0) != OK)
            lsm_error_free(lsm_error_last_get(world.conn));
    }
    for (uint32_t i = 1; _i == 3 && i < 5; i++)
        FINE(lsm_replication_interval_set(world.conn, pair.id, i * 1000000, 0));
    go_elsewhere();
    FINE(promote(FORCE));
    volume_write(target, other, 210000, 50000, 5);
    go_home();
    bring_back("dr");
    ck_assert_int_eq(replication_state(), STATE(SPLIT));
    SAME(pair.image, source);
    SAME(other, target);
    writable(target, true);
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    SAME(pair.image, source);
    SAME(pair.image, target);
}
END_TEST

/* Broken where one pool was not: when that comes back it is no mirror, either. */
START_TEST(async_broken_without_the_other_pool)
{
    FOR_TWO_POOLS();
    const char *away = _i ? source_pool() : "dr";
    autoimage struct image *other = image_copy(pair.image);
    take_away(away);
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    check_gone();
    if (_i)
        volume_write(target, other, 1000, 100000, 5);
    else
        source_write(1000, 100000, 5);
    world_reopen();
    bring_back(away);
    check_gone();
    SAME(other, target);
    SAME(pair.image, source);
    writable(target, true);
    volume_write(target, other, 7000, 10000, 6);
    source_write(90000, 7000, 7);
    world_reopen();
    check_gone();
    SAME(other, target);
    SAME(pair.image, source);
    ck_assert(!volume_has_dependants(source));
    FINE(volume_delete(source));
}
END_TEST

/* The target is deleted while the source's pool is away. */
START_TEST(async_target_deleted_without_the_source)
{
    FOR_TWO_POOLS();
    take_away(source_pool());
    FINE(volume_delete(target));
    check_gone();
    bring_back(source_pool());
    check_gone();
    SAME(pair.image, source);
    ck_assert(!volume_has_dependants(source));
    FINE(volume_delete(source));
}
END_TEST

/* A ship whose source goes away in the middle waits, and says for what; it ends when that is back.
 */
START_TEST(async_ship_waits_for_a_pool)
{
    FOR_TWO_POOLS();
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    FINE(volume_delete(target));
    lsm_volume_record_free(target);
    autoimage struct image *before = image_copy(pair.image);
    pair_make_held();
    target = pair.target;
    source_touch_apart(5);
    char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    job_await(job, LSM_JOB_STATE_RUNNING);
    const char *away = _i ? source_pool() : "dr";
    take_away(away);
    if (_i) {
        autojob lsm_job *waiting = job_look(job);
        ck_assert_int_eq(lsm_job_state_get(waiting), LSM_JOB_STATE_QUEUED);
        ck_assert_ptr_nonnull(lsm_job_error_message_get(waiting));
        SAME(before, target);
    }
    bring_back(away);
    job_finish(job);
    SAME(pair.image, target);
    SAME(pair.image, source);
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
}
END_TEST

/* The first copy, too. */
START_TEST(async_first_copy_waits_for_a_pool)
{
    if (!mirrors_are_there() || !world.directory[0])
        return;
    snprintf(elsewhere, sizeof elsewhere, "%s", scratch_directory());
    mode_set(BETWEEN_POOLS);
    char *job = pair_start(HELD, 0);
    job_await(job, LSM_JOB_STATE_RUNNING);
    const char *away = _i ? source_pool() : "dr";
    take_away(away);
    world_reopen();
    bring_back(away);
    pair_finish(job);
    SAME(pair.image, pair.target);
    source_write(5, 5, 5);
    ship();
    SAME(pair.image, pair.target);
}
END_TEST

TCase *mirror_async_pools(void)
{
    TCase *tests = tcase_create("mirror_async_pools");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_test(tests, async_target_pool_is_away);
    tcase_add_test(tests, async_target_pool_is_away_at_an_interval);
    tcase_add_loop_test(tests, async_source_pool_is_away, 0, 2);
    tcase_add_loop_test(tests, async_source_pool_is_lost, 0, 3);
    tcase_add_loop_test(tests, async_both_sides_changed_alone, 0, 4);
    tcase_add_loop_test(tests, async_broken_without_the_other_pool, 0, 2);
    tcase_add_test(tests, async_target_deleted_without_the_source);
    tcase_add_loop_test(tests, async_ship_waits_for_a_pool, 0, 2);
    tcase_add_loop_test(tests, async_first_copy_waits_for_a_pool, 0, 2);
    return tests;
}
