/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mirrors of both types promise, byte for byte: what the target shows, and when, and what
 * becomes of either side's writes. */
#include "suites.h"
#include "mirror.h"

#define IN_SYNC LSM_REPLICATION_STATE_IN_SYNC
#define PAUSED LSM_REPLICATION_STATE_PAUSED
#define SPLIT LSM_REPLICATION_STATE_SPLIT

static const lsm_replication_type types[] = {LSM_VOLUME_REPLICATE_MIRROR_ASYNC,
                                             LSM_VOLUME_REPLICATE_MIRROR_SYNC};

static bool is_async(int i)
{
    return types[i] == LSM_VOLUME_REPLICATE_MIRROR_ASYNC;
}

START_TEST(mirror_follows_its_source)
{
    struct mirror mirror;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    SAME(mirror.image, mirror.target);
    for (uint32_t i = 0; i < 6; i++) {
        autoimage struct image *before = image_copy(mirror.image);
        mirror_write(mirror.source, mirror.image, 100 + i);
        if (is_async(_i)) { /* nothing by halves: the last instant, until the next is all there */
            SAME(before, mirror.target);
            STARTED(mirror_sync(&mirror));
        }
        SAME(mirror.image, mirror.target);
        if (i == 3)
            world_reopen();
    }
    REFUSED(mirror_sync(&mirror), LSM_ERR_NO_STATE_CHANGE);
    SAME(mirror.image, mirror.source);
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_target_is_read_only)
{
    struct mirror mirror;
    lsm_volume_io *io = NULL;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    lsm_error_ptr e =
        refusal(lsm_volume_io_open(world.conn, mirror.target, &io, 0), LSM_ERR_READ_ONLY);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), mirror.id));
    lsm_error_free(e);
    REFUSED(volume_resize(&mirror.target, 2 * MIRROR_SIZE), LSM_ERR_READ_ONLY);
    /* Cloning it is how a failover is rehearsed: the clone is written like any volume. */
    autovolume lsm_volume *clone = clone_make(mirror.target, "rehearsal");
    autoimage struct image *of_clone = image_copy(mirror.image);
    mirror_write(clone, of_clone, 5);
    mirror_write(mirror.source, mirror.image, 6);
    if (is_async(_i))
        STARTED(mirror_sync(&mirror));
    SAME(of_clone, clone);
    SAME(mirror.image, mirror.target);
    FINE(volume_delete(clone));
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_source_is_161_and_its_target_goes)
{
    struct mirror mirror;
    autoreplication lsm_replication *gone = NULL;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    ck_assert(volume_has_dependants(mirror.source));
    REFUSED(volume_delete(mirror.source), LSM_ERR_HAS_CHILD_DEPENDENCY);
    ck_assert(!volume_has_dependants(mirror.target));
    FINE(volume_delete(mirror.target));
    REFUSED(lsm_replication_get(world.conn, mirror.id, &gone, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    ck_assert(!volume_has_dependants(mirror.source));
    SAME(mirror.image, mirror.source);
    FINE(volume_delete(mirror.source));
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_grows_and_does_not_shrink)
{
    struct mirror mirror;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    REFUSED(volume_resize(&mirror.source, MIRROR_SIZE / 2), LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE);
    FINE(volume_resize(&mirror.source, 2 * MIRROR_SIZE));
    image_resize(mirror.image, 2 * MIRROR_SIZE);
    mirror_write(mirror.source, mirror.image, 3);
    if (is_async(_i))
        STARTED(mirror_sync(&mirror));
    SAME(mirror.image, mirror.source);
    SAME(mirror.image, mirror.target);
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_paused_and_resumed)
{
    struct mirror mirror;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], PAUSED);
    autoimage struct image *before = image_copy(mirror.image);
    mirror_write(mirror.source, mirror.image, 3);
    SAME(before, mirror.target);
    world_reopen();
    ck_assert_int_eq(mirror_state(&mirror), PAUSED);
    SAME(before, mirror.target);
    autoreplication lsm_replication *r = mirror_look(&mirror);
    ck_assert_uint_gt(lsm_replication_lag_bytes_get(r), 0);
    FINE(lsm_replication_resume(world.conn, mirror.id, 0));
    mirror_await(&mirror, IN_SYNC);
    SAME(mirror.image, mirror.target);
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_broken_leaves_two_volumes)
{
    struct mirror mirror;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    FINE(lsm_replication_break(world.conn, mirror.id, 0));
    autoimage struct image *of_target = image_copy(mirror.image);
    mirror_write(mirror.target, of_target, 3);
    mirror_write(mirror.source, mirror.image, 4);
    SAME(of_target, mirror.target);
    SAME(mirror.image, mirror.source);
    ck_assert(!volume_has_dependants(mirror.source));
    FINE(volume_delete(mirror.source));
    world_reopen();
    SAME(of_target, mirror.target);
    mirror_free(&mirror);
}
END_TEST

/* A mirror that never was in sync leaves nothing. */
START_TEST(mirror_cancelled_while_initializing)
{
    struct mirror mirror;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], LSM_REPLICATION_STATE_INITIALIZING);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(volume_has_dependants(mirror.source));
    FINE(lsm_job_cancel(world.conn, mirror.job, 0));
    for (int again = 0; again < 2; again++) {
        autoreplication lsm_replication *gone = NULL;
        REFUSED(lsm_replication_get(world.conn, mirror.id, &gone, 0),
                LSM_ERR_NOT_FOUND_REPLICATION);
        ck_assert_uint_eq(volume_count(NULL, NULL), 1);
        ck_assert(!volume_has_dependants(mirror.source));
        world_reopen();
    }
    FINE(lsm_pool_delete(world.conn, mirror.pool, 0));
    FINE(volume_delete(mirror.source));
    mirror_free(&mirror);
}
END_TEST

/* A planned switchover: nothing is lost, and the mirror goes on the other way. */
START_TEST(mirror_promoted_as_planned)
{
    struct mirror mirror;
    autotext char *job = NULL;
    autojob lsm_job *ended = NULL;
    lsm_volume_io *io = NULL;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], IN_SYNC);
    FINE(lsm_volume_io_open(world.conn, mirror.source, &io, 0));
    image_write(mirror.image, io, 1000, 50000, 3);
    lsm_error_ptr e =
        refusal(lsm_replication_promote(world.conn, mirror.id, &job, 0), LSM_ERR_BUSY);
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    FINE(lsm_volume_io_close(io, 0));
    int rc = lsm_replication_promote(world.conn, mirror.id, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED)
        FINE(lsm_job_wait(world.conn, job, 20000, &ended, 0));
    else
        FINE(rc);
    mirror_await(&mirror, IN_SYNC);
    autoreplication lsm_replication *r = mirror_look(&mirror);
    ck_assert_pstr_eq(lsm_replication_source_volume_id_get(r), lsm_volume_id_get(mirror.target));
    ck_assert_pstr_eq(lsm_replication_target_volume_id_get(r), lsm_volume_id_get(mirror.source));
    SAME(mirror.image, mirror.target);
    SAME(mirror.image, mirror.source);
    io = NULL;
    REFUSED(lsm_volume_io_open(world.conn, mirror.source, &io, 0), LSM_ERR_READ_ONLY);
    mirror_write(mirror.target, mirror.image, 7);
    if (is_async(_i))
        STARTED(mirror_sync(&mirror));
    SAME(mirror.image, mirror.source);
    world_reopen();
    SAME(mirror.image, mirror.source);
    SAME(mirror.image, mirror.target);
    mirror_free(&mirror);
}
END_TEST

/* Both sides written after a failover: whichever is rewound, its writes stay as a clone. */
static void split(struct mirror *mirror, struct image **of_target, bool discard, bool reverse)
{
    autotext char *job = NULL;
    autojob lsm_job *ended = NULL;
    *of_target = image_copy(mirror->image);
    mirror_write(mirror->target, *of_target, 21);
    mirror_write(mirror->source, mirror->image, 22);
    SAME(*of_target, mirror->target);
    SAME(mirror->image, mirror->source);
    lsm_flag flags = discard ? LSM_REPLICATION_DISCARD : 0;
    if (reverse) {
        STARTED(lsm_replication_reverse(world.conn, mirror->id, &job, flags));
        FINE(lsm_job_wait(world.conn, job, 20000, &ended, 0));
        ck_assert_int_eq(lsm_job_state_get(ended), LSM_JOB_STATE_DONE);
    } else {
        FINE(lsm_replication_resume(world.conn, mirror->id, flags));
    }
    mirror_await(mirror, IN_SYNC);
}

static void kept(struct mirror *mirror, struct image *image, bool discard)
{
    autoreplication lsm_replication *r = mirror_look(mirror);
    const char *id = lsm_replication_diverged_volume_id_get(r);
    if (discard) {
        ck_assert_ptr_null(id);
        ck_assert_uint_eq(volume_count(NULL, NULL), 2);
        return;
    }
    ck_assert_ptr_nonnull(id);
    autovolume lsm_volume *clone = volume_with("id", id);
    ck_assert_ptr_nonnull(clone);
    ck_assert_int_eq(strncmp(lsm_volume_name_get(clone), "db@", 3), 0);
    SAME(image, clone);
}

START_TEST(mirror_split_and_reversed)
{
    struct mirror mirror;
    autoimage struct image *of_target = NULL;
    bool discard = _i / 2;
    if (!mirror_can(types[_i % 2]))
        return;
    mirror_make(&mirror, types[_i % 2], SPLIT);
    split(&mirror, &of_target, discard, true);
    SAME(of_target, mirror.target);
    SAME(of_target, mirror.source);
    kept(&mirror, mirror.image, discard);
    world_reopen();
    SAME(of_target, mirror.source);
    kept(&mirror, mirror.image, discard);
    mirror_free(&mirror);
}
END_TEST

START_TEST(mirror_split_and_resumed)
{
    struct mirror mirror;
    autoimage struct image *of_target = NULL;
    bool discard = _i / 2;
    if (!mirror_can(types[_i % 2]))
        return;
    mirror_make(&mirror, types[_i % 2], SPLIT);
    split(&mirror, &of_target, discard, false);
    SAME(mirror.image, mirror.source);
    SAME(mirror.image, mirror.target);
    kept(&mirror, of_target, discard);
    world_reopen();
    SAME(mirror.image, mirror.target);
    kept(&mirror, of_target, discard);
    mirror_free(&mirror);
}
END_TEST

/* The side that is to be rewound must have no writer. */
START_TEST(mirror_rewound_under_a_writer_is_1003)
{
    struct mirror mirror;
    autotext char *job = NULL;
    lsm_volume_io *io = NULL;
    if (!mirror_can(types[_i]))
        return;
    mirror_make(&mirror, types[_i], SPLIT);
    FINE(lsm_volume_io_open(world.conn, mirror.source, &io, 0));
    REFUSED(lsm_replication_reverse(world.conn, mirror.id, &job, 0), LSM_ERR_BUSY);
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    FINE(lsm_volume_io_open(world.conn, mirror.target, &io, 0));
    REFUSED(lsm_replication_resume(world.conn, mirror.id, 0), LSM_ERR_BUSY);
    FINE(lsm_volume_io_close(io, 0));
    ck_assert_int_eq(mirror_state(&mirror), SPLIT);
    mirror_free(&mirror);
}
END_TEST

/* With an interval the target catches up by itself. */
START_TEST(mirror_of_an_interval)
{
    struct mirror mirror;
    if (!mirror_can(LSM_VOLUME_REPLICATE_MIRROR_ASYNC))
        return;
    mirror_make(&mirror, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, IN_SYNC);
    FINE(lsm_replication_interval_set(world.conn, mirror.id, 50, 0));
    for (uint32_t i = 0; i < 3; i++) {
        mirror_write(mirror.source, mirror.image, 30 + i);
        for (uint64_t end = now_ms() + 10000;
             image_differs_from_volume(mirror.image, mirror.target); sleep_ms(10))
            ck_assert_uint_lt(now_ms(), end);
    }
    mirror_free(&mirror);
}
END_TEST

TCase *mirror_data(void)
{
    TCase *tests = tcase_create("mirror_data");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, mirror_follows_its_source, 0, 2);
    tcase_add_loop_test(tests, mirror_target_is_read_only, 0, 2);
    tcase_add_loop_test(tests, mirror_source_is_161_and_its_target_goes, 0, 2);
    tcase_add_loop_test(tests, mirror_grows_and_does_not_shrink, 0, 2);
    tcase_add_loop_test(tests, mirror_paused_and_resumed, 0, 2);
    tcase_add_loop_test(tests, mirror_broken_leaves_two_volumes, 0, 2);
    tcase_add_loop_test(tests, mirror_cancelled_while_initializing, 0, 2);
    tcase_add_loop_test(tests, mirror_promoted_as_planned, 0, 2);
    tcase_add_loop_test(tests, mirror_split_and_reversed, 0, 4);
    tcase_add_loop_test(tests, mirror_split_and_resumed, 0, 4);
    tcase_add_loop_test(tests, mirror_rewound_under_a_writer_is_1003, 0, 2);
    tcase_add_test(tests, mirror_of_an_interval);
    return tests;
}
