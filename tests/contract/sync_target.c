/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be done with the two sides while they are in sync, what a resync moves, and what is
 * heard of it all. */
#include "suites.h"
#include "sync_kit.h"

static uint64_t delta_of(lsm_replication *replication)
{
    return lsm_replication_lag_bytes_get(replication);
}

START_TEST(sync_steady)
{
    uint32_t seed = 5;
    if (!twin_mode(_i))
        return;
    twin_make();
    for (int i = 0; i < 4; i++) {
        twin_equal();
        twin_scribble(30, &seed);
        twin_step();
    }
    twin_equal();
    autotwin lsm_replication *replication = twin_look();
    ck_assert_int_eq(lsm_replication_state_get(replication), TWIN_STATE(IN_SYNC));
    ck_assert_uint_eq(delta_of(replication), 0);
    ck_assert_uint_eq(lsm_replication_lag_ms_get(replication), 0);
    ck_assert_int_eq((int)lsm_replication_error_number_get(replication), OK);
    ck_assert_ptr_null(lsm_replication_error_message_get(replication));
    ck_assert_ptr_null(lsm_replication_job_id_get(replication));
}
END_TEST

START_TEST(sync_target_protected_and_readable)
{
    autovolume lsm_volume *none = NULL;
    lsm_volume_io *io = NULL;
    if (!twin_mode(_i))
        return;
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    none = twin.mode & TWIN_BETWEEN_POOLS ? NULL : volume_named("db'");
    ck_assert_ptr_null(none); /* it is no volume before it is one */
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    twin_finish(job);
    twin_writable(twin.target, false);
    twin_writable(twin.source, true);
    REFUSED_SAYING(volume_resize(&twin.target, 2 * TWIN_SIZE), LSM_ERR_READ_ONLY, twin.id);
    FINE(lsm_volume_io_open(world.conn, twin.target, &io, LSM_VOLUME_IO_READ_ONLY));
    twin_write(3 * MIB + 1, 9999, 7);
    SAME_THROUGH(twin.image, io); /* a reader sees each write at once */
    ck_assert_int_eq(lsm_volume_io_pwrite(io, "x", 1, 0, 0), LSM_ERR_READ_ONLY);
    ck_assert_int_eq(lsm_volume_io_discard(io, 4096, 0, 0), LSM_ERR_READ_ONLY);
    FINE(lsm_volume_io_close(io, 0));
    twin_step();
    twin_writable(twin.target, false);
    twin_equal();
}
END_TEST

/* A failover is rehearsed on a clone; the mirror goes on under it. */
START_TEST(sync_target_cloned)
{
    uint32_t seed = 11;
    if (!twin_mode(_i))
        return;
    twin_make();
    for (int i = 0; i < 3; i++) {
        char name[20];
        snprintf(name, sizeof name, "rehearsal-%d", i);
        autoimage struct image *then = image_copy(twin.image);
        autovolume lsm_volume *clone = clone_make(twin.target, name);
        twin_scribble(10, &seed);
        SAME(then, clone);
        twin_write_to(clone, then, 50, 70000, 12);
        twin_step();
        SAME(then, clone);
        twin_equal();
        if (i == 1) { /* a resync over a target that was cloned */
            FINE(lsm_replication_pause(world.conn, twin.id, 0));
            twin_scribble(10, &seed);
            autovolume lsm_volume *paused = clone_make(twin.target, "paused");
            FINE(lsm_replication_resume(world.conn, twin.id, 0));
            twin_in_sync();
            twin_equal();
        }
        if (i != 2)
            FINE(volume_delete(clone));
    }
    twin_step();
    twin_equal();
}
END_TEST

/* Cloned while it is being filled: the clone is the last complete content. */
START_TEST(sync_target_cloned_in_a_resync)
{
    autoimage struct image *before = NULL;
    if (!twin_mode(_i))
        return;
    twin_make_in(TWIN_STATE(RESYNCING), &before);
    autovolume lsm_volume *clone = clone_make(twin.target, "rehearsal");
    twin_write(3 * MIB, 10000, 5);
    SAME(before, clone);
    SAME(before, twin.target);
    twin_write_to(clone, before, 100, 50000, 6);
    twin_in_sync();
    twin_equal();
    SAME(before, clone);
    twin_step();
    twin_equal();
    FINE(volume_delete(clone));
    twin_equal();
}
END_TEST

START_TEST(sync_source_cloned_and_copied)
{
    uint32_t seed = 17;
    if (!twin_mode(_i))
        return;
    twin_make();
    twin_scribble(10, &seed);
    autoimage struct image *then = image_copy(twin.image);
    autovolume lsm_volume *clone = clone_make(twin.source, "clone");
    autovolume lsm_volume *copy = copy_make(world.pool, twin.source, "copy");
    twin_scribble(20, &seed);
    twin_step();
    SAME(then, clone);
    SAME(then, copy);
    twin_equal();
    REFUSED(volume_delete(twin.source), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(volume_delete(clone));
    twin_scribble(20, &seed);
    twin_equal();
}
END_TEST

START_TEST(sync_target_deleted)
{
    static const lsm_replication_state states[] = {TWIN_STATE(IN_SYNC), TWIN_STATE(PAUSED),
                                                   TWIN_STATE(SPLIT)};
    if (!twin_mode(_i % TWIN_MODES))
        return;
    twin_make_in(states[_i / TWIN_MODES], NULL);
    ck_assert(volume_has_dependants(twin.source));
    ck_assert(!volume_has_dependants(twin.target));
    REFUSED(volume_delete(twin.source), LSM_ERR_HAS_CHILD_DEPENDENCY);
    lsm_volume_io *reader = NULL;
    FINE(lsm_volume_io_open(world.conn, twin.target, &reader, LSM_VOLUME_IO_READ_ONLY));
    REFUSED(volume_delete(twin.target), LSM_ERR_IS_MASKED);
    FINE(lsm_volume_io_close(reader, 0));
    twin_write(5 * MIB, 5000, 9);
    FINE(volume_delete(twin.target));
    twin_gone();
    ck_assert(!volume_has_dependants(twin.source));
    twin_write(6 * MIB, 5000, 9);
    SAME(twin.image, twin.source);
    twin_step();
    twin_gone();
    SAME(twin.image, twin.source);
    FINE(volume_delete(twin.source));
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
}
END_TEST

START_TEST(sync_target_deleted_under_a_writer)
{
    lsm_volume_io *io = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    FINE(lsm_volume_io_open(world.conn, twin.source, &io, 0));
    image_write(twin.image, io, 1234, 5678, 3);
    FINE(volume_delete(twin.target));
    image_write(twin.image, io, 4321, 8765, 4);
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_close(io, 0));
    twin_gone();
    SAME(twin.image, twin.source);
}
END_TEST

START_TEST(sync_grows)
{
    if (!twin_mode(_i))
        return;
    twin_make_held();
    REFUSED(volume_resize(&twin.source, TWIN_SIZE - MIB), LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE);
    FINE(volume_resize(&twin.source, TWIN_SIZE + 5 * MIB));
    image_resize(twin.image, TWIN_SIZE + 5 * MIB);
    twin_equal();
    twin_write(TWIN_SIZE - 100, MIB, 7);
    twin_step();
    twin_equal();
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    FINE(volume_resize(&twin.source, TWIN_SIZE + 10 * MIB));
    image_resize(twin.image, TWIN_SIZE + 10 * MIB);
    twin_write(TWIN_SIZE + 9 * MIB, MIB, 8);
    twin_step();
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
    FINE(lsm_replication_pause(world.conn, twin.id, 0)); /* grown, and nothing written */
    FINE(volume_resize(&twin.source, TWIN_SIZE + 11 * MIB));
    image_resize(twin.image, TWIN_SIZE + 11 * MIB);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
    /* Either side of a split, and back. */
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    FINE(volume_resize(&twin.source, TWIN_SIZE + 12 * MIB));
    image_resize(twin.image, TWIN_SIZE + 12 * MIB);
    twin_write(TWIN_SIZE + 11 * MIB, MIB, 9);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
    twin_step();
    twin_equal();
}
END_TEST

START_TEST(sync_filled_and_not_grown)
{
    if (!twin_mode(_i))
        return;
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    lsm_error_ptr e = refusal(volume_resize(&twin.source, 2 * TWIN_SIZE), LSM_ERR_BUSY);
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    volume_look(&twin.source);
    ck_assert_uint_eq(volume_bytes(twin.source), TWIN_SIZE);
    twin_finish(job);
    FINE(volume_resize(&twin.source, 2 * TWIN_SIZE));
}
END_TEST

START_TEST(sync_resync_ships_the_delta)
{
    if (!twin_mode(_i))
        return;
    twin_write(0, TWIN_SIZE, 31); /* all of it is data, */
    twin_make();
    twin_write(3 * MIB, 100 * KIB, 32);
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    twin_step();
    twin_write(2 * MIB, 100 * KIB, 33); /* and this is written meanwhile */
    autotwin lsm_replication *paused = twin_look();
    ck_assert_uint_ge(delta_of(paused), 100 * KIB);
    ck_assert_uint_lt(delta_of(paused), 200 * KIB);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    ck_assert_uint_ge(twin_last_sync_bytes(), 100 * KIB);
    ck_assert_uint_lt(twin_last_sync_bytes(), 200 * KIB);
    twin_equal();
    FINE(lsm_replication_pause(world.conn, twin.id, 0)); /* nothing written: nothing moved */
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
    ck_assert_uint_eq(job_count("kind", "3"), 1);
    twin_equal();
}
END_TEST

START_TEST(sync_one_of_a_source)
{
    autotext char *job = NULL;
    lsm_volume *made = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    REFUSED_SAYING(lsm_volume_replicate(world.conn, twin.pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC,
                                        twin.source, "second", &made, &job, 0),
                   LSM_ERR_NO_SUPPORT, twin.id);
    ck_assert_ptr_null(made);
    ck_assert_ptr_null(job);
    ck_assert_uint_eq(twin_count(NULL, NULL), 1);
}
END_TEST

/* What comes to a target does not pass a write path of its own. */
START_TEST(sync_target_is_no_sync_source)
{
    autotext char *job = NULL;
    lsm_volume *made = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    REFUSED_SAYING(lsm_volume_replicate(world.conn, world.pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC,
                                        twin.target, "third", &made, &job, 0),
                   LSM_ERR_NO_SUPPORT, twin.id);
    ck_assert_ptr_null(made);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
    ck_assert_uint_eq(twin_count(NULL, NULL), 1);
}
END_TEST

static char *async_start(lsm_volume *source, char id[80])
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    char *job = NULL;
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, 0), OK);
    STARTED(lsm_volume_replicate_with(world.conn, world.pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC,
                                      source, "async", options, &made, &job, 0));
    FINE(lsm_replication_list(world.conn, "type", "5", &list, &count, 0));
    ck_assert_uint_eq(count, 1);
    snprintf(id, 80, "%s", lsm_replication_id_get(list[0]));
    lsm_replication_record_array_free(list, count);
    return job;
}

/* Both kinds of one source, or the second of the first one's target. */
START_TEST(sync_beside_async)
{
    uint32_t seed = 21;
    char async[80], *job = NULL;
    autojob lsm_job *ended = NULL;
    bool chained = _i / TWIN_MODES;
    if (!twin_mode(_i % TWIN_MODES))
        return;
    twin_make();
    autovolume lsm_volume *third =
        copy_finish(async_start(chained ? twin.target : twin.source, async));
    SAME(twin.image, third);
    for (int i = 0; i < 3; i++) {
        autoimage struct image *then = image_copy(twin.image);
        twin_scribble(20, &seed);
        SAME(then, third);
        twin_equal();
        if (i == 1) { /* the other one stands still, and catches up */
            FINE(lsm_replication_pause(world.conn, twin.id, 0));
            twin_scribble(10, &seed);
            FINE(lsm_replication_resume(world.conn, twin.id, 0));
            twin_in_sync();
        }
        twin_step();
        STARTED(lsm_replication_sync(world.conn, async, &job, 0));
        twin_job_finish(job);
        job = NULL;
        twin_equal();
        SAME(twin.image, third);
    }
    if (!chained) {
        autoimage struct image *then = image_copy(twin.image);
        FINE(lsm_replication_break(world.conn, twin.id, 0));
        twin_write(100, 1000, 6);
        SAME(then, twin.target);
        STARTED(lsm_replication_sync(world.conn, async, &job, 0));
        twin_job_finish(job);
        SAME(twin.image, third);
    }
}
END_TEST

/* --- events ---------------------------------------------------------------------------------- */

/* The states that the relation goes through from now on, as digits. */
static void drain(lsm_event_queue *queue, char *seen)
{
    size_t n = strlen(seen);
    for (;;) {
        lsm_event *event = NULL;
        FINE(lsm_event_next(queue, &event));
        if (!event)
            break;
        if (lsm_event_kind_get(event) == LSM_EVENT_REPLICATION_STATE) {
            int old = lsm_event_old_state_get(event), now = lsm_event_new_state_get(event);
            ck_assert_str_eq(lsm_event_object_id_get(event), twin.id);
            if (n > 0 && old > 0)
                ck_assert_int_eq(seen[n - 1] - '0', old);
            ck_assert_uint_lt(n, 30);
            seen[n++] = (char)('0' + now);
            seen[n] = '\0';
        }
        lsm_event_record_free(event);
    }
}

START_TEST(sync_events)
{
    lsm_event_queue *queue = NULL;
    char seen[32] = "";
    if (!twin_mode(_i))
        return;
    FINE(lsm_event_queue_open(world.conn, &queue, 0));
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    drain(queue, seen);
    ck_assert_str_eq(seen, "1");
    twin_finish(job);
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    twin_write_apart(twin.source, twin.image, 3);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    drain(queue, seen);
    ck_assert_str_eq(seen, "12542");
    FINE(twin_promote(0)); /* of two that are equal: the same state, and yet something happened */
    twin_exchange();
    drain(queue, seen);
    ck_assert_str_eq(seen, "125422");
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    drain(queue, seen);
    ck_assert_int_eq(seen[strlen(seen) - 1], '6');
    FINE(lsm_replication_break(world.conn, twin.id, 0));
    drain(queue, seen);
    ck_assert_int_eq(seen[strlen(seen) - 1], '7');
    FINE(lsm_event_queue_close(queue));
}
END_TEST

TCase *sync_target(void)
{
    TCase *tests = tcase_create("sync_target");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_steady, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_target_protected_and_readable, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_target_cloned, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_target_cloned_in_a_resync, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_source_cloned_and_copied, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_target_deleted, 0, 3 * TWIN_MODES);
    tcase_add_loop_test(tests, sync_target_deleted_under_a_writer, 0, 2);
    tcase_add_loop_test(tests, sync_grows, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_filled_and_not_grown, 0, 2);
    tcase_add_loop_test(tests, sync_resync_ships_the_delta, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_one_of_a_source, 0, 2);
    tcase_add_loop_test(tests, sync_target_is_no_sync_source, 0, 2);
    tcase_add_loop_test(tests, sync_beside_async, 0, 2 * TWIN_MODES);
    tcase_add_loop_test(tests, sync_events, 0, 2);
    return tests;
}
