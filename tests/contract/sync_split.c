/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roles exchanged as planned, torn apart by force, and joined again: no byte is lost on the way,
 * and what is rewound stays as a clone unless the caller says otherwise. */
#include "suites.h"
#include "sync_kit.h"

static void check_kept(const struct image *wanted, bool kept, const char *prefix)
{
    autovolume lsm_volume *clone = twin_kept();
    ck_assert_int_eq(clone != NULL, kept);
    if (!kept) {
        ck_assert_uint_eq(volume_count(NULL, NULL), 2);
        return;
    }
    ck_assert_int_eq(strncmp(lsm_volume_name_get(clone), prefix, strlen(prefix)), 0);
    ck_assert_int_eq(lsm_volume_name_get(clone)[strlen(prefix)], '@');
    SAME(wanted, clone);
}

START_TEST(sync_promoted_as_planned)
{
    uint32_t seed = 41;
    lsm_volume_io *io = NULL;
    char *job = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    for (int i = 0; i < 4; i++) {
        FINE(lsm_volume_io_open(world.conn, twin.source, &io, 0));
        image_write(twin.image, io, 1000, 50000, random_next(&seed));
        lsm_error_ptr e =
            refusal(lsm_replication_promote(world.conn, twin.id, &job, 0), LSM_ERR_BUSY);
        ck_assert_int_eq(lsm_error_retryable_get(e), 1);
        lsm_error_free(e);
        FINE(lsm_volume_io_close(io, 0)); /* not flushed */
        io = NULL;
        FINE(twin_promote(0));
        twin_exchange();
        ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
        twin_writable(twin.target, false);
        twin_equal();
        twin_step();
        twin_scribble(10, &seed);
        twin_equal();
    }
    ck_assert_uint_eq(job_count("kind", "3"), 0); /* nothing was there to ship */
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    twin_scribble(10, &seed);
    twin_step();
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
}
END_TEST

/* A reader is no writer. */
START_TEST(sync_promoted_under_readers)
{
    uint32_t seed = 3;
    lsm_volume_io *a = NULL, *b = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    FINE(lsm_volume_io_open(world.conn, twin.source, &a, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_open(world.conn, twin.target, &b, LSM_VOLUME_IO_READ_ONLY));
    twin_scribble(10, &seed);
    FINE(twin_promote(0));
    twin_exchange();
    twin_scribble(10, &seed);
    SAME_THROUGH(twin.image, a);
    SAME_THROUGH(twin.image, b);
    FINE(lsm_volume_io_close(a, 0));
    FINE(lsm_volume_io_close(b, 0));
    twin_equal();
}
END_TEST

static const lsm_replication_state before[] = {TWIN_STATE(IN_SYNC), TWIN_STATE(PAUSED),
                                               TWIN_STATE(DEGRADED), TWIN_STATE(RESYNCING)};
#define BEFORE ((int)(sizeof before / sizeof *before))

/* Torn apart in that state; both sides are written, and joined one way or the other. */
static bool part(int i, struct image **of_target)
{
    lsm_replication_state state = before[i / TWIN_MODES % BEFORE];
    int mode = i % TWIN_MODES;
    if (state == TWIN_STATE(DEGRADED) && (!(mode & TWIN_BETWEEN_POOLS) || !world.directory[0]))
        return false;
    if (!twin_wanted(i) || !twin_mode(mode))
        return false;
    twin_make_in(state, of_target);
    if (!*of_target)
        *of_target = image_copy(twin.image);
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    twin_step();
    SAME(twin.image, twin.source);
    SAME(*of_target, twin.target);
    twin_write_to(twin.target, *of_target, 5 * MIB + 13, 150001, 51);
    twin_write_to(twin.source, twin.image, 5 * MIB + 100 * KIB + 13, 150001, 52);
    twin_write_to(twin.source, twin.image, 20 * KIB, 100, 53);
    twin_step();
    SAME(*of_target, twin.target);
    SAME(twin.image, twin.source);
    return true;
}

START_TEST(sync_forced_and_reversed)
{
    uint32_t seed = 61;
    bool discard = _i / (TWIN_MODES * BEFORE);
    autoimage struct image *of_target = NULL, *of_source = NULL;
    char *job = NULL;
    if (!part(_i, &of_target))
        return;
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, twin.source, &io, 0));
    REFUSED(lsm_replication_reverse(world.conn, twin.id, &job, 0), LSM_ERR_BUSY);
    FINE(lsm_volume_io_close(io, 0));
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    of_source = twin.image;
    twin.image = image_copy(of_target);
    STARTED(
        lsm_replication_reverse(world.conn, twin.id, &job, discard ? LSM_REPLICATION_DISCARD : 0));
    free(job);
    twin_exchange();
    twin_step();
    twin_scribble(20, &seed);
    twin_in_sync();
    twin_equal();
    check_kept(of_source, !discard, "db");
    twin_step();
    twin_equal();
    check_kept(of_source, !discard, "db");
    twin_scribble(20, &seed);
    FINE(twin_promote(0)); /* and home again */
    twin_exchange();
    twin_scribble(20, &seed);
    twin_equal();
}
END_TEST

START_TEST(sync_forced_and_resumed)
{
    uint32_t seed = 71;
    bool discard = _i / (TWIN_MODES * BEFORE);
    autoimage struct image *of_target = NULL;
    lsm_volume_io *io = NULL;
    if (!part(_i, &of_target))
        return;
    FINE(lsm_volume_io_open(world.conn, twin.target, &io, 0));
    REFUSED(lsm_replication_resume(world.conn, twin.id, 0), LSM_ERR_BUSY);
    FINE(lsm_volume_io_close(io, 0));
    FINE(lsm_replication_resume(world.conn, twin.id, discard ? LSM_REPLICATION_DISCARD : 0));
    twin_step();
    twin_scribble(20, &seed);
    twin_in_sync();
    twin_equal();
    check_kept(of_target, !discard, twin.mode & TWIN_BETWEEN_POOLS ? "db" : "db'");
    twin_step();
    twin_scribble(20, &seed);
    twin_equal();
}
END_TEST

/* Neither wrote: nothing is kept, and next to nothing moved. */
START_TEST(sync_forced_and_nothing_written)
{
    if (!twin_mode(_i % TWIN_MODES))
        return;
    twin_write(0, TWIN_SIZE, 31);
    twin_make();
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    twin_step();
    autotext char *job = NULL;
    if (_i / TWIN_MODES) {
        int rc = lsm_replication_reverse(world.conn, twin.id, &job, 0);
        ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
        twin_exchange();
    } else {
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
    }
    twin_in_sync();
    twin_equal();
    check_kept(NULL, false, "");
    ck_assert_uint_eq(job_count("kind", "3"), 0);
}
END_TEST

/* Again and again, so that what each leaves is what the next one begins with. */
START_TEST(sync_forced_and_joined_many_times)
{
    uint32_t seed = 81;
    if (!twin_mode(_i))
        return;
    twin_make();
    for (int i = 0; i < 6; i++) {
        twin_scribble(10, &seed);
        FINE(twin_promote(LSM_REPLICATION_FORCE));
        autoimage struct image *other = image_copy(twin.image);
        twin_write_to(twin.target, other, random_next(&seed) % (8 * MIB), 20001, seed);
        twin_scribble(5, &seed);
        twin_step();
        if (i % 2) {
            FINE(lsm_replication_resume(world.conn, twin.id, 0));
        } else {
            autotext char *job = NULL;
            STARTED(lsm_replication_reverse(world.conn, twin.id, &job, 0));
            memcpy(twin.image->bytes, other->bytes, other->size);
            twin_exchange();
        }
        twin_in_sync();
        twin_equal();
    }
    twin_step();
    twin_equal();
    ck_assert_uint_eq(volume_count(NULL, NULL), 8);
}
END_TEST

START_TEST(sync_broken_in_each_state)
{
    static const lsm_replication_state states[] = {TWIN_STATE(IN_SYNC), TWIN_STATE(PAUSED),
                                                   TWIN_STATE(RESYNCING), TWIN_STATE(SPLIT)};
    autoimage struct image *of_target = NULL;
    if (!twin_mode(_i % TWIN_MODES))
        return;
    twin_make_in(states[_i / TWIN_MODES], &of_target);
    if (!of_target)
        of_target = image_copy(twin.image);
    FINE(lsm_replication_break(world.conn, twin.id, 0));
    twin_gone();
    ck_assert(!volume_has_dependants(twin.source));
    twin_write(5 * MIB, 70003, 9);
    twin_write_to(twin.target, of_target, 5 * MIB + 9, 70003, 10);
    twin_step();
    SAME(of_target, twin.target);
    SAME(twin.image, twin.source);
    FINE(volume_delete(twin.source));
    twin_step();
    SAME(of_target, twin.target);
    if (twin.mode & TWIN_BETWEEN_POOLS) /* of one name again, the other way */
        ck_assert_ptr_null(volume_named("none"));
    FINE(volume_delete(twin.target));
}
END_TEST

/* --- with more relations about --------------------------------------------------------------- */

static lsm_volume *mirror_of(lsm_volume *source, lsm_pool *pool, lsm_replication_type type,
                             const char *name)
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *job = NULL;
    if (type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC)
        lsm_replicate_options_interval_set(options, 0);
    STARTED(
        lsm_volume_replicate_with(world.conn, pool, type, source, name, options, &made, &job, 0));
    return copy_finish(job);
}

static void async_ship(void)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    char *job = NULL;
    FINE(lsm_replication_list(world.conn, "type", "5", &list, &count, 0));
    ck_assert_uint_eq(count, 1);
    STARTED(lsm_replication_sync(world.conn, lsm_replication_id_get(list[0]), &job, 0));
    lsm_replication_record_array_free(list, count);
    twin_job_finish(job);
}

/* The newest relation is not the only one that is looked at. */
START_TEST(sync_one_of_a_source_beside_async)
{
    autotext char *job = NULL;
    lsm_volume *made = NULL;
    if (!twin_mode(_i))
        return;
    twin_make();
    autovolume lsm_volume *third =
        mirror_of(twin.source, world.pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, "third");
    REFUSED_SAYING(lsm_volume_replicate(world.conn, twin.pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC,
                                        twin.source, "second", &made, &job, 0),
                   LSM_ERR_NO_SUPPORT, twin.id);
    twin_write(100, 10000, 5);
    twin_equal();
}
END_TEST

/* After a split either side may have got a synchronous mirror of its own: a reverse that would make
 * it the source of two, and a rewind under one, are refused. */
START_TEST(sync_split_and_mirrored_on)
{
    autotext char *job = NULL;
    uint32_t seed = 91;
    if (!twin_mode(_i))
        return;
    twin_make();
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    autoimage struct image *of_target = image_copy(twin.image);
    autovolume lsm_volume *third =
        mirror_of(twin.target, world.pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC, "third");
    twin_write_to(twin.target, of_target, 100, 5000, 4);
    twin_scribble(3, &seed);
    SAME(of_target, third);
    lsm_error_ptr e = refusal(lsm_replication_reverse(world.conn, twin.id, &job, 0), LSM_ERR_STATE);
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    REFUSED(lsm_replication_resume(world.conn, twin.id, 0), LSM_ERR_STATE);
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    SAME(of_target, twin.target);
    SAME(of_target, third);
    SAME(twin.image, twin.source);
    FINE(volume_delete(third)); /* and then it can be done */
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
}
END_TEST

/* The source has an asynchronous mirror, too, of an instant before the split: it follows the
 * rewind. */
START_TEST(sync_reversed_beside_async)
{
    autotext char *job = NULL;
    uint32_t seed = 95;
    if (!twin_mode(_i % TWIN_MODES))
        return;
    twin_make();
    autovolume lsm_volume *third =
        mirror_of(twin.source, world.pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, "third");
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    autoimage struct image *of_source = image_copy(twin.image);
    twin_write_to(twin.source, of_source, 30000, 50000, 3);
    twin_write_to(twin.target, twin.image, 60000, 50000, 4);
    twin_step();
    if (_i / TWIN_MODES) { /* the async one has what is to be rewound */
        async_ship();
        SAME(of_source, third);
        int rc = lsm_replication_reverse(world.conn, twin.id, &job, 0);
        REFUSED(rc, LSM_ERR_STATE);
        SAME(of_source, twin.source);
        SAME(of_source, third);
        return;
    }
    STARTED(lsm_replication_reverse(world.conn, twin.id, &job, 0));
    twin_exchange();
    twin_in_sync();
    twin_scribble(5, &seed);
    twin_equal();
    twin_step();
    async_ship();
    SAME(twin.image, third);
    check_kept(of_source, true, "db");
}
END_TEST

/* An asynchronous mirror of the same source is promoted as planned: the source would become a
 * target whose changes do not pass its synchronous mirror. */
START_TEST(sync_source_promoted_away)
{
    autotext char *job = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    if (!twin_mode(_i))
        return;
    twin_make();
    autovolume lsm_volume *third =
        mirror_of(twin.source, world.pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, "third");
    FINE(lsm_replication_list(world.conn, "type", "5", &list, &count, 0));
    ck_assert_uint_eq(count, 1);
    for (int i = 0; i < 2; i++) {
        REFUSED(lsm_replication_promote(world.conn, lsm_replication_id_get(list[0]), &job, 0),
                LSM_ERR_STATE);
        twin_write(100, 10000, 5); /* with something to ship, too */
    }
    lsm_replication_record_array_free(list, count);
    twin_writable(twin.source, true);
    twin_equal();
}
END_TEST

TCase *sync_split(void)
{
    TCase *tests = tcase_create("sync_split");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_promoted_as_planned, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_promoted_under_readers, 0, 2);
    tcase_add_loop_test(tests, sync_forced_and_reversed, 0, 2 * BEFORE * TWIN_MODES);
    tcase_add_loop_test(tests, sync_forced_and_resumed, 0, 2 * BEFORE * TWIN_MODES);
    tcase_add_loop_test(tests, sync_forced_and_nothing_written, 0, 2 * TWIN_MODES);
    tcase_add_loop_test(tests, sync_forced_and_joined_many_times, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_broken_in_each_state, 0, 4 * TWIN_MODES);
    tcase_add_loop_test(tests, sync_one_of_a_source_beside_async, 0, 2);
    tcase_add_loop_test(tests, sync_split_and_mirrored_on, 0, 2);
    tcase_add_loop_test(tests, sync_reversed_beside_async, 0, 2 * TWIN_MODES);
    tcase_add_loop_test(tests, sync_source_promoted_away, 0, 2);
    return tests;
}
