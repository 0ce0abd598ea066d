/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the two pools is away for a while, or for good: the other one is of use, and when both are
 * there again nothing is taken for equal that is not. */
#include "suites.h"
#include "files.h"
#include "sync_kit.h"

static bool between_pools(void)
{
    return world.directory[0] && twin_mode(TWIN_BETWEEN_POOLS);
}

/* A pool goes away with its directory, or stays where it is and cannot be opened. */
static bool by_damage;

static void paths(lsm_pool *pool, char here[500], char there[510])
{
    const char *file = by_damage ? "/pool.db" : "";
    snprintf(here, 500, "%s/%s%s", world.directory, lsm_pool_name_get(pool), file);
    snprintf(there, 510, "%s-%s.away", world.directory, lsm_pool_name_get(pool));
}

static void away(lsm_pool *pool)
{
    char here[500], there[510];
    paths(pool, here, there);
    ck_assert_int_eq(rename(here, there), 0);
    if (by_damage)
        file_write(here, "not a catalog", 13);
}

static void back(lsm_pool *pool)
{
    char here[500], there[510];
    paths(pool, here, there);
    ck_assert_int_eq(rename(there, here), 0);
}

START_TEST(sync_target_pool_away)
{
    uint32_t seed = 5;
    char *job = NULL;
    by_damage = _i == 1;
    if (!between_pools())
        return;
    twin_make();
    world_close();
    away(twin.pool);
    world_open();
    ck_assert_int_eq(twin_state(), TWIN_STATE(DEGRADED));
    twin_scribble(20, &seed); /* no write is refused for it */
    REFUSED(lsm_replication_sync(world.conn, twin.id, &job, 0), LSM_ERR_NOT_FOUND_POOL);
    REFUSED(lsm_replication_promote(world.conn, twin.id, &job, LSM_REPLICATION_FORCE),
            LSM_ERR_NOT_FOUND_POOL);
    ck_assert_int_eq(twin_state(), TWIN_STATE(DEGRADED));
    world_reopen();
    twin_scribble(20, &seed);
    SAME(twin.image, twin.source);
    world_close();
    back(twin.pool);
    world_open();
    twin_in_sync(); /* by itself */
    twin_equal();
    ck_assert_uint_lt(twin_last_sync_bytes(), TWIN_SIZE);
}
END_TEST

/* Nothing was written meanwhile: nothing is moved, and nothing is left of the trouble. */
START_TEST(sync_target_pool_away_and_nothing_written)
{
    by_damage = _i == 1;
    if (!between_pools())
        return;
    twin_make();
    world_close();
    away(twin.pool);
    world_open();
    autotwin lsm_replication *degraded = twin_look();
    ck_assert_int_eq(lsm_replication_state_get(degraded), TWIN_STATE(DEGRADED));
    ck_assert_int_eq((int)lsm_replication_error_number_get(degraded), LSM_ERR_NOT_FOUND_POOL);
    ck_assert_ptr_nonnull(lsm_replication_error_message_get(degraded));
    world_close();
    back(twin.pool);
    world_open();
    twin_in_sync();
    autotwin lsm_replication *again = twin_look();
    ck_assert_int_eq((int)lsm_replication_error_number_get(again), OK);
    ck_assert_ptr_null(lsm_replication_error_message_get(again));
    ck_assert_uint_eq(job_count("kind", "3"), 0);
    twin_equal();
}
END_TEST

START_TEST(sync_target_pool_away_in_a_resync)
{
    uint32_t seed = 5;
    autoimage struct image *before = NULL;
    if (!between_pools())
        return;
    twin_make_in(TWIN_STATE(RESYNCING), &before);
    world_close();
    away(twin.pool);
    world_open();
    twin_scribble(20, &seed);
    world_close();
    back(twin.pool);
    world_open();
    SAME(before, twin.target);
    if (twin_state() == TWIN_STATE(PAUSED))
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_scribble(20, &seed);
    twin_in_sync();
    twin_equal();
}
END_TEST

/* What is written meanwhile has no bit in any log; the target gets it all the same. */
START_TEST(sync_target_pool_away_in_the_first_copy)
{
    uint32_t seed = 5;
    if (!between_pools())
        return;
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    twin_scribble(10, &seed);
    world_close();
    away(twin.pool);
    world_open();
    twin_scribble(20, &seed);
    if (_i) {
        FINE(volume_resize(&twin.source, TWIN_SIZE + 6 * MIB));
        image_resize(twin.image, TWIN_SIZE + 6 * MIB);
        twin_write(TWIN_SIZE + 5 * MIB, MIB, 9);
    }
    world_close();
    back(twin.pool);
    world_open();
    ck_assert_int_eq(twin_state(), TWIN_STATE(INITIALIZING));
    twin_scribble(10, &seed);
    twin_finish(job);
    twin_equal();
    world_reopen();
    twin_equal();
}
END_TEST

/* The disaster that it is for: the source's pool is gone, and the target has every write. */
START_TEST(sync_source_pool_lost)
{
    uint32_t seed = 7;
    char *job = NULL;
    by_damage = _i == 1;
    if (!between_pools())
        return;
    twin_make();
    twin_scribble(30, &seed);
    world_close();
    away(world.pool);
    world_open();
    REFUSED(lsm_replication_promote(world.conn, twin.id, &job, 0), LSM_ERR_NOT_FOUND_POOL);
    twin_writable(twin.target, false);
    SAME(twin.image, twin.target);
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    SAME(twin.image, twin.target);
    twin_write_to(twin.target, twin.image, 3 * MIB, 100000, 8);
    world_reopen();
    SAME(twin.image, twin.target);
    FINE(lsm_replication_break(world.conn, twin.id, 0));
    twin_gone();
    SAME(twin.image, twin.target);
    twin_write_to(twin.target, twin.image, 4 * MIB, 100000, 9);
    world_reopen();
    twin_gone();
    SAME(twin.image, twin.target);
}
END_TEST

/* It was not gone after all. Used alone meanwhile or not, it has what both had when they parted,
 * and so the delta is enough, either way. */
START_TEST(sync_source_pool_lost_and_found)
{
    uint32_t seed = 7;
    bool reverse = _i / 6, alone = _i % 6 / 2;
    if (!between_pools())
        return;
    twin_make();
    if (_i % 2) { /* and had gone on alone for a while before */
        twin_scribble(3, &seed);
        FINE(lsm_replication_pause(world.conn, twin.id, 0));
        twin_scribble(3, &seed);
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
        twin_in_sync();
    }
    twin_scribble(30, &seed);
    world_close();
    away(world.pool);
    world_open();
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    autoimage struct image *of_target = image_copy(twin.image);
    twin_write_to(twin.target, of_target, 3 * MIB, 100000, 8);
    world_close();
    back(world.pool);
    if (alone) { /* the old source is used alone meanwhile */
        away(twin.pool);
        world_open();
        twin_scribble(5, &seed);
        if (_i % 6 / 2 == 2 && lsm_replication_pause(world.conn, twin.id, 0) != OK)
            lsm_error_free(lsm_error_last_get(world.conn));
        twin_scribble(5, &seed);
        world_close();
        back(twin.pool);
    }
    world_open();
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    SAME(of_target, twin.target);
    SAME(twin.image, twin.source);
    autoimage struct image *of_source = image_copy(twin.image);
    struct image *wins = reverse ? of_target : of_source, *loses = reverse ? of_source : of_target;
    if (reverse)
        FINE(twin_reverse(0));
    else
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    SAME(wins, twin.source);
    SAME(wins, twin.target);
    autovolume lsm_volume *kept = twin_kept();
    ck_assert_int_eq(kept != NULL, !reverse || alone);
    if (kept)
        SAME(loses, kept);
    world_reopen();
    SAME(wins, twin.source);
    SAME(wins, twin.target);
}
END_TEST

/* Nobody wrote to it meanwhile, so that it comes back needs the delta alone, either way. */
START_TEST(sync_source_pool_comes_back_by_delta)
{
    bool back_to_the_target = _i % 2, write = _i / 2 % 2, reopen = _i / 4;
    if (!between_pools())
        return;
    twin_make();
    autovolume lsm_volume *clone = clone_make(twin.source, "clone"); /* its top is empty now */
    if (write)
        twin_write(100, 5000, 4);
    autoimage struct image *of_source = image_copy(twin.image);
    world_close();
    away(world.pool);
    world_open();
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    autoimage struct image *of_target = image_copy(twin.image);
    if (write)
        twin_write_to(twin.target, of_target, TWIN_SIZE - 9000, 3000, 8);
    world_close();
    back(world.pool);
    world_open();
    if (reopen)
        world_reopen();
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    SAME(of_source, twin.source);
    SAME(of_target, twin.target);
    if (back_to_the_target)
        FINE(lsm_replication_resume(world.conn, twin.id, LSM_REPLICATION_DISCARD));
    else
        FINE(twin_reverse(0));
    twin_in_sync();
    struct image *wanted = back_to_the_target ? of_source : of_target;
    SAME(wanted, twin.source);
    SAME(wanted, twin.target);
    ck_assert_ptr_null(twin_kept()); /* the source had nothing alone */
    if (write) /* the region that was written when it was lost, and what came later */
        ck_assert_uint_le(twin_last_sync_bytes(), TWIN_REGION + 16 * KIB);
    world_reopen();
    SAME(wanted, twin.source);
    SAME(wanted, twin.target);
}
END_TEST

/* Each deletes the other from its life while that is away. */
START_TEST(sync_broken_while_the_other_is_away)
{
    uint32_t seed = 9;
    if (!between_pools())
        return;
    twin_make();
    lsm_pool *gone = _i % 2 ? world.pool : twin.pool;
    world_close();
    away(gone);
    world_open();
    FINE(lsm_replication_break(world.conn, twin.id, 0));
    twin_gone();
    world_close();
    back(gone);
    world_open();
    twin_gone();
    twin_writable(twin.target, true);
    autoimage struct image *of_target = image_copy(twin.image);
    twin_scribble(10, &seed);
    twin_write_to(twin.target, of_target, 100, 5000, 3);
    SAME(of_target, twin.target);
    SAME(twin.image, twin.source);
    FINE(volume_delete(twin.source));
}
END_TEST

TCase *sync_away(void)
{
    TCase *tests = tcase_create("sync_away");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_target_pool_away, 0, 2);
    tcase_add_loop_test(tests, sync_target_pool_away_and_nothing_written, 0, 2);
    tcase_add_test(tests, sync_target_pool_away_in_a_resync);
    tcase_add_loop_test(tests, sync_target_pool_away_in_the_first_copy, 0, 2);
    tcase_add_loop_test(tests, sync_source_pool_lost, 0, 2);
    tcase_add_loop_test(tests, sync_source_pool_lost_and_found, 0, 12);
    tcase_add_loop_test(tests, sync_source_pool_comes_back_by_delta, 0, 8);
    tcase_add_loop_test(tests, sync_broken_while_the_other_is_away, 0, 2);
    return tests;
}
