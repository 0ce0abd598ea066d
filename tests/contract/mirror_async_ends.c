/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Break, delete and resize of a mirror's ends; keys, search and events. */
#include "suites.h"
#include "mirror_async_kit.h"

#include <poll.h>

#define FOR_MIRRORS(mode)                                                                          \
    if (!mirrors_are_there())                                                                      \
        return;                                                                                    \
    mode_set(mode)

static const lsm_replication_state standing[] = {STATE(IN_SYNC), STATE(DEGRADED), STATE(RESYNCING),
                                                 STATE(PAUSED), STATE(SPLIT)};
#define STANDING (sizeof standing / sizeof *standing)

/* After a break both are volumes like any other, whatever was going on. */
START_TEST(async_break_leaves_two_volumes)
{
    lsm_replication_state state = standing[_i / MODES];
    if (state == STATE(DEGRADED) && !world.directory[0])
        return;
    FOR_MIRRORS(_i % MODES);
    autoimage struct image *other = image_copy(pair.image);
    pair_make_in(state);
    step();
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    check_gone();
    step();
    check_gone();
    SAME(other, pair.target); /* its last complete generation */
    SAME(pair.image, pair.source);
    volume_write(pair.target, other, 1000, 50000, 5);
    source_write(40000, 50000, 6);
    step();
    SAME(other, pair.target);
    SAME(pair.image, pair.source);
    ck_assert(!volume_has_dependants(pair.source));
    ck_assert(!volume_has_dependants(pair.target));
    FINE(volume_resize(&pair.source, MIB));
    FINE(volume_resize(&pair.target, MIB));
    FINE(volume_delete(pair.source));
    step();
    image_resize(other, MIB);
    SAME(other, pair.target);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

START_TEST(async_source_is_not_deleted)
{
    lsm_replication_state state = (lsm_replication_state)(STATE(INITIALIZING) + _i / MODES);
    if (state == STATE(DEGRADED) && !world.directory[0])
        return;
    FOR_MIRRORS(_i % MODES);
    pair_make_in(state);
    step();
    ck_assert(volume_has_dependants(pair.source));
    REFUSED(volume_delete(pair.source), LSM_ERR_HAS_CHILD_DEPENDENCY);
    ck_assert_int_eq(replication_state(), state);
    SAME(pair.image, pair.source);
}
END_TEST

/* The relation ends with its target; nothing of it is left, and the space comes back. */
START_TEST(async_target_is_deleted)
{
    lsm_replication_state state = standing[_i / MODES];
    if (state == STATE(DEGRADED) && !world.directory[0])
        return;
    FOR_MIRRORS(_i % MODES);
    lsm_pool *pool = NULL;
    FINE(lsm_pool_create(world.conn, "counted", NULL, 500 * MIB, &pool, 0));
    lsm_pool_record_free(pair.pool);
    pair.pool = lsm_pool_record_copy(pool);
    uint64_t room = lsm_pool_free_space_get(pool);
    pair.mode |= BETWEEN_POOLS;
    pair_make_in(state);
    if (state == STATE(SPLIT)) {
        autoimage struct image *other = image_create(PAIR_SIZE);
        volume_write(pair.target, other, 0, 300000, 9);
    }
    step();
    int rc = volume_delete(pair.target);
    if (state == STATE(RESYNCING) &&
        rc == LSM_ERR_IS_MASKED) { /* its job is to be cancelled first */
        REFUSED(rc, LSM_ERR_IS_MASKED);
        autorelation lsm_replication *replication = replication_look();
        FINE(lsm_job_cancel(world.conn, lsm_replication_job_id_get(replication), 0));
        rc = volume_delete(pair.target);
    }
    FINE(rc);
    check_gone();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(!volume_has_dependants(pair.source));
    for (uint64_t end = now_ms() + 3000; now_ms() < end; sleep_ms(20)) {
        pool_look(&pool);
        if (lsm_pool_free_space_get(pool) + 64 * KIB >= room)
            break;
    }
    ck_assert_uint_ge(lsm_pool_free_space_get(pool) + 64 * KIB, room);
    world_reopen();
    check_gone();
    SAME(pair.image, pair.source);
    FINE(volume_delete(pair.source));
    FINE(lsm_pool_delete(world.conn, pool, 0));
    lsm_pool_record_free(pool);
}
END_TEST

START_TEST(async_target_is_deleted_while_it_is_read)
{
    FOR_MIRRORS(_i);
    pair_make();
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.target, &io, LSM_VOLUME_IO_READ_ONLY));
    REFUSED(volume_delete(pair.target), LSM_ERR_IS_MASKED);
    FINE(lsm_volume_io_close(io, 0));
    autovolume lsm_volume *clone = clone_make(pair.target, "clone");
    REFUSED(volume_delete(pair.target), LSM_ERR_HAS_CHILD_DEPENDENCY);
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
    FINE(volume_delete(clone));
    FINE(volume_delete(pair.target));
    check_gone();
}
END_TEST

/* lsm_volume_child_dependency_delete breaks the mirrors of the volume, with an event. */
START_TEST(async_dependency_of_the_source_is_deleted)
{
    FOR_MIRRORS(_i);
    pair_make();
    source_write(5000, 5000, 3);
    step();
    autotext char *job = NULL;
    int rc = lsm_volume_child_dependency_delete(world.conn, pair.source, &job, 0);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (job)
        job_finish(strdup(job));
    else
        FINE(rc);
    check_gone();
    ck_assert(!volume_has_dependants(pair.source));
    writable(pair.target, true);
    FINE(volume_delete(pair.source));
}
END_TEST

/* --- sizes ----------------------------------------------------------------------------------- */

START_TEST(async_grows_on_both_sides)
{
    FOR_MIRRORS(_i);
    pair_make();
    autoio lsm_volume_io *reader = NULL;
    if (!(_i & REOPENED))
        FINE(lsm_volume_io_open(world.conn, pair.target, &reader, LSM_VOLUME_IO_READ_ONLY));
    source_write(MIB, 5000, 3);
    for (uint64_t size = 3 * MIB; size <= 5 * MIB; size += MIB + CLUSTER) {
        FINE(volume_resize(&pair.source, size));
        volume_look(&pair.target);
        ck_assert_uint_eq(volume_bytes(pair.target), size);
        image_resize(pair.image, size);
        step();
        source_write(size - 9000, 9000, 4);
        source_write(2 * MIB - 5000, 10000, 5);
        ship();
        step();
        SAME(pair.image, pair.source);
        SAME(pair.image, pair.target);
        if (reader)
            SAME_THROUGH(pair.image, reader);
    }
    FINE(promote(0));
    roles_exchange();
    SAME(pair.image, pair.source);
}
END_TEST

/* Grown and not written: that, too, arrives. */
START_TEST(async_grows_with_nothing_written)
{
    FOR_MIRRORS(_i);
    pair_make();
    FINE(volume_resize(&pair.source, 3 * MIB));
    image_resize(pair.image, 3 * MIB);
    step();
    autotext char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    ck_assert(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
    if (job)
        job_finish(strdup(job));
    step();
    SAME(pair.image, pair.target);
    source_write(2 * MIB + 5, 10, 3);
    ship();
    SAME(pair.image, pair.target);
}
END_TEST

START_TEST(async_grows_in_each_state)
{
    lsm_replication_state state = (lsm_replication_state)(STATE(INITIALIZING) + _i / MODES);
    if (state == STATE(DEGRADED) && !world.directory[0])
        return;
    FOR_MIRRORS(_i % MODES);
    pair_make_in(state);
    step();
    FINE(volume_resize(&pair.source, 3 * MIB));
    image_resize(pair.image, 3 * MIB);
    source_write(3 * MIB - 100, 100, 8);
    step();
    if (state == STATE(PAUSED) || state == STATE(SPLIT))
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    autotext char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    ck_assert(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
    if (job)
        job_finish(strdup(job));
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq(lsm_replication_state_get(replication), STATE(IN_SYNC));
    autovolume lsm_volume *target =
        volume_with("id", lsm_replication_target_volume_id_get(replication));
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, target);
}
END_TEST

START_TEST(async_does_not_shrink)
{
    FOR_MIRRORS(_i);
    pair_make();
    step();
    REFUSED(volume_resize(&pair.source, MIB), LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE);
    REFUSED(volume_resize(&pair.source, PAIR_SIZE), LSM_ERR_NO_STATE_CHANGE);
    REFUSED_SAYING(volume_resize(&pair.target, MIB), LSM_ERR_READ_ONLY, pair.id);
    REFUSED_SAYING(volume_resize(&pair.target, 4 * MIB), LSM_ERR_READ_ONLY, pair.id);
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, LSM_VOLUME_IO_READ_ONLY));
    REFUSED(volume_resize(&pair.source, MIB), LSM_ERR_IS_MASKED);
    FINE(lsm_volume_io_close(io, 0));
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    REFUSED(volume_resize(&pair.source, MIB), LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE);
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
}
END_TEST

/* --- refusals, keys, search ------------------------------------------------------------------ */

START_TEST(async_refusals)
{
    FOR_MIRRORS(_i);
    autovolume lsm_volume *taken = volume_make_in(pair.pool, "taken", MIB, THIN);
    REFUSED(replicate(pair.pool, MIRROR_ASYNC, pair.source, "taken", NULL), LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(pair.pool, MIRROR_ASYNC, pair.source, "", NULL), INVALID);
    lsm_pool *gone = pool_make("gone");
    FINE(lsm_pool_delete(world.conn, gone, 0));
    REFUSED(replicate(gone, MIRROR_ASYNC, pair.source, "t", NULL), LSM_ERR_NOT_FOUND_POOL);
    lsm_pool_record_free(gone);
    FINE(volume_delete(taken));
    REFUSED(replicate(pair.pool, MIRROR_ASYNC, taken, "t", NULL), LSM_ERR_NOT_FOUND_VOLUME);
    ck_assert_uint_eq(replication_count(NULL, NULL), 0);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(!volume_has_dependants(pair.source));
    char *job = pair_start(HELD, 0);
    const char *name = _i & BETWEEN_POOLS ? "db" : "db'";
    REFUSED_SAYING(replicate(pair.pool, COPY, pair.source, name, NULL), LSM_ERR_NAME_CONFLICT, job);
    pair_finish(job);
}
END_TEST

START_TEST(async_idempotency_key)
{
    FOR_MIRRORS(_i);
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *first = NULL, *again = NULL;
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "nightly"), OK);
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, HELD), OK);
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, 0), OK);
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source, "t",
                                      options, &made, &first, 0));
    step();
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source, "t",
                                      options, &made, &again, 0));
    ck_assert_str_eq(first, again);
    REFUSED(replicate(pair.pool, MIRROR_ASYNC, pair.source, "u", options), LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(pair.pool, COPY, pair.source, "t", options), LSM_ERR_NAME_CONFLICT);
    ck_assert_uint_eq(replication_count(NULL, NULL), 1);
    job_finish(first);
    free(again);
    again = NULL;
    step();
    FINE(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source, "t", options,
                                   &made, &again, 0));
    ck_assert_ptr_nonnull(made);
    ck_assert_ptr_null(again);
    SAME(pair.image, made);
    FINE(volume_delete(made));
    lsm_volume_record_free(made);
    made = NULL;
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source, "t",
                                      options, &made, &again, 0));
    FINE(lsm_job_cancel(world.conn, again, 0));
    free(again);
    again = NULL;
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source, "t",
                                      options, &made, &again, 0)); /* the key is free */
    job_finish(again);
    lsm_replicate_options_free(options);
}
END_TEST

START_TEST(async_search)
{
    FOR_MIRRORS(_i);
    autorelation lsm_replication *none = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    pair_make();
    step();
    const char *source = lsm_volume_id_get(pair.source), *target = lsm_volume_id_get(pair.target);
    static const char *const all[] = {"type", "state", NULL};
    ck_assert_uint_eq(replication_count(NULL, NULL), 1);
    ck_assert_uint_eq(replication_count("id", pair.id), 1);
    ck_assert_uint_eq(replication_count("id", source), 0);
    ck_assert_uint_eq(replication_count("type", "5"), 1);
    ck_assert_uint_eq(replication_count("type", "4"), 0);
    ck_assert_uint_eq(replication_count("state", "2"), 1);
    ck_assert_uint_eq(replication_count("state", "5"), 0);
    ck_assert_uint_eq(replication_count("volume_id", source), 1);
    ck_assert_uint_eq(replication_count("volume_id", target), 1);
    ck_assert_uint_eq(replication_count("source_volume_id", source), 1);
    ck_assert_uint_eq(replication_count("source_volume_id", target), 0);
    ck_assert_uint_eq(replication_count("target_volume_id", target), 1);
    ck_assert_uint_eq(replication_count("target_volume_id", source), 0);
    ck_assert_uint_eq(replication_count("group_id", pair.id), 0);
    REFUSED(lsm_replication_list(world.conn, "colour", "blue", &list, &count, 0),
            LSM_ERR_UNSUPPORTED_SEARCH_KEY);
    for (int i = 0; all[i]; i++)
        REFUSED(lsm_replication_list(world.conn, all[i], NULL, &list, &count, 0), INVALID);
    REFUSED_SAYING(lsm_replication_get(world.conn, "nosuch", &none, 0),
                   LSM_ERR_NOT_FOUND_REPLICATION, "nosuch");
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    ck_assert_uint_eq(replication_count("state", "5"), 1);
}
END_TEST

/* --- events ---------------------------------------------------------------------------------- */

/* The states that the replication went through since, in order and without gaps. */
static void check_events(lsm_event_queue *queue, const int *states, size_t n)
{
    struct pollfd fd = {.events = POLLIN};
    lsm_event *event = NULL;
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &fd.fd), OK);
    for (size_t i = 1; i < n;) {
        ck_assert_msg(poll(&fd, 1, 10000) == 1, "no event from %d to %d", states[i - 1], states[i]);
        ck_assert_int_eq(lsm_event_next(queue, &event), OK);
        const char *about = event ? lsm_event_object_id_get(event) : NULL;
        if (event && lsm_event_kind_get(event) == LSM_EVENT_REPLICATION_STATE &&
            strcmp(about, pair.id) == 0) {
            ck_assert_msg(lsm_event_old_state_get(event) == states[i - 1] &&
                              lsm_event_new_state_get(event) == states[i],
                          "event %zu: %d → %d, not %d → %d", i, lsm_event_old_state_get(event),
                          lsm_event_new_state_get(event), states[i - 1], states[i]);
            i++;
        }
        if (event)
            lsm_event_record_free(event);
        event = NULL;
    }
    while (lsm_event_next(queue, &event) == OK && event) {
        ck_assert_int_ne(lsm_event_kind_get(event), LSM_EVENT_REPLICATION_STATE);
        lsm_event_record_free(event);
        event = NULL;
    }
}

START_TEST(async_events)
{
    FOR_MIRRORS(_i);
    static const int states[] = {
        STATE(UNKNOWN),   STATE(INITIALIZING), STATE(IN_SYNC),   STATE(PAUSED),  STATE(RESYNCING),
        STATE(IN_SYNC),   STATE(SPLIT),        STATE(RESYNCING), STATE(IN_SYNC), STATE(SPLIT),
        STATE(RESYNCING), STATE(IN_SYNC),      STATE(BROKEN)};
    lsm_event_queue *queue = NULL;
    FINE(lsm_event_queue_open(world.conn, &queue, 0));
    pair_make();
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    source_write(5000, 5000, 3);
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    FINE(promote(FORCE));
    source_write(5000, 5000, 4);
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    FINE(promote(FORCE));
    autoimage struct image *other = image_create(PAIR_SIZE);
    volume_write(pair.target, other, 9000, 9000, 5);
    FINE(reverse(DISCARD));
    replication_await(STATE(IN_SYNC));
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    check_events(queue, states, sizeof states / sizeof *states);
    lsm_event_queue_close(queue);
}
END_TEST

START_TEST(async_event_when_the_target_is_deleted)
{
    FOR_MIRRORS(_i);
    static const int states[] = {STATE(IN_SYNC), STATE(BROKEN)};
    lsm_event_queue *queue = NULL;
    pair_make();
    FINE(lsm_event_queue_open(world.conn, &queue, 0));
    FINE(volume_delete(pair.target));
    check_events(queue, states, 2);
    lsm_event_queue_close(queue);
}
END_TEST

/* Whoever hears of IN_SYNC finds the target with the new bytes. */
START_TEST(async_event_comes_after_the_fact)
{
    FOR_MIRRORS(_i);
    lsm_event_queue *queue = NULL;
    FINE(lsm_event_queue_open(world.conn, &queue, 0));
    struct pollfd fd = {.events = POLLIN};
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &fd.fd), OK);
    autotext char *job = pair_start(0, 0);
    for (int state = 0; state != STATE(IN_SYNC);) {
        lsm_event *event = NULL;
        ck_assert_int_eq(poll(&fd, 1, 10000), 1);
        ck_assert_int_eq(lsm_event_next(queue, &event), OK);
        if (!event)
            continue;
        if (lsm_event_kind_get(event) == LSM_EVENT_REPLICATION_STATE)
            state = lsm_event_new_state_get(event);
        lsm_event_record_free(event);
    }
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq(lsm_replication_state_get(replication), STATE(IN_SYNC));
    autovolume lsm_volume *target =
        volume_with("id", lsm_replication_target_volume_id_get(replication));
    ck_assert_ptr_nonnull(target);
    SAME(pair.image, target);
    lsm_event_queue_close(queue);
}
END_TEST

TCase *mirror_async_ends(void)
{
    TCase *tests = tcase_create("mirror_async_ends");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_break_leaves_two_volumes, 0, (int)STANDING * MODES);
    tcase_add_loop_test(tests, async_source_is_not_deleted, 0, 6 * MODES);
    tcase_add_loop_test(tests, async_target_is_deleted, 0, (int)STANDING * MODES);
    tcase_add_loop_test(tests, async_target_is_deleted_while_it_is_read, 0, 2);
    tcase_add_loop_test(tests, async_dependency_of_the_source_is_deleted, 0, MODES);
    tcase_add_loop_test(tests, async_grows_on_both_sides, 0, MODES);
    tcase_add_loop_test(tests, async_grows_with_nothing_written, 0, MODES);
    tcase_add_loop_test(tests, async_grows_in_each_state, 0, 6 * MODES);
    tcase_add_loop_test(tests, async_does_not_shrink, 0, MODES);
    tcase_add_loop_test(tests, async_refusals, 0, MODES);
    tcase_add_loop_test(tests, async_idempotency_key, 0, MODES);
    tcase_add_loop_test(tests, async_search, 0, MODES);
    tcase_add_loop_test(tests, async_events, 0, 2);
    tcase_add_loop_test(tests, async_event_when_the_target_is_deleted, 0, 2);
    tcase_add_loop_test(tests, async_event_comes_after_the_fact, 0, 2);
    return tests;
}
