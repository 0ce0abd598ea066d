/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Promote, reverse and resume: who may be written when, what each side holds then, and where the
 * writes go that are rewound. */
#include "suites.h"
#include "mirror_async_kit.h"

#define FOR_MIRRORS(mode)                                                                          \
    if (!mirrors_are_there())                                                                      \
        return;                                                                                    \
    mode_set(mode)

/* --- planned --------------------------------------------------------------------------------- */

START_TEST(async_promote_planned)
{
    FOR_MIRRORS(_i);
    pair_make();
    for (uint32_t i = 0; i < 4; i++) {
        if (i != 2) /* once with nothing to ship */
            source_write(i * 50000, 40000, 20 + i);
        step();
        FINE(promote(0));
        roles_exchange();
        step();
        ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
        SAME(pair.image, pair.source);
        SAME(pair.image, pair.target);
        writable(pair.source, true);
        writable(pair.target, false);
        source_write(i * 60000 + 7, 30000, 30 + i); /* and back it goes */
        step();
        ship();
        SAME(pair.image, pair.target);
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 2); /* nothing was kept beside */
}
END_TEST

START_TEST(async_promote_planned_while_written)
{
    FOR_MIRRORS(_i);
    pair_make();
    source_write(100, 5000, 4);
    char *job = NULL;
    lsm_volume_io *writer = NULL;
    autoio lsm_volume_io *reader = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &writer, 0));
    FINE(lsm_volume_io_open(world.conn, pair.source, &reader, LSM_VOLUME_IO_READ_ONLY));
    lsm_error_ptr e = refusal(lsm_replication_promote(world.conn, pair.id, &job, 0), LSM_ERR_BUSY);
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    image_write(pair.image, writer, 9000, 5000, 5);
    FINE(lsm_volume_io_close(writer, 0));
    FINE(promote(0)); /* who reads is not in the way */
    roles_exchange();
    SAME_THROUGH(pair.image, reader);
    source_write(77, 20000, 6);
    ship();
    SAME_THROUGH(pair.image, reader);
}
END_TEST

START_TEST(async_promote_planned_ships_first)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    source_touch_apart(5);
    char *job = NULL;
    STARTED(lsm_replication_promote(world.conn, pair.id, &job, 0));
    job_await(job, LSM_JOB_STATE_RUNNING);
    lsm_volume_io *io = NULL;
    lsm_error_ptr e = refusal(lsm_volume_io_open(world.conn, pair.source, &io, 0), LSM_ERR_BUSY);
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    writable(pair.target, false);
    job_finish(job);
    roles_exchange();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
    writable(pair.source, true);
    writable(pair.target, false);
}
END_TEST

/* Cancelled, all is as it was before. */
START_TEST(async_promote_planned_is_cancelled)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    autoimage struct image *before = image_copy(pair.image);
    source_touch_apart(5);
    autotext char *job = NULL;
    STARTED(lsm_replication_promote(world.conn, pair.id, &job, 0));
    job_await(job, LSM_JOB_STATE_RUNNING);
    FINE(lsm_job_cancel(world.conn, job, 0));
    step();
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
    writable(pair.source, true);
    writable(pair.target, false);
    SAME(before, pair.target);
    source_write(0, 10, 1);
    ship();
    SAME(pair.image, pair.target);
}
END_TEST

/* An owner that ends while a planned promote ships: what the next one finds is one or the other. */
START_TEST(async_promote_planned_and_closed)
{
    FOR_MIRRORS(_i | REOPENED);
    pair_make_held();
    source_touch_apart(5);
    char *job = NULL;
    STARTED(lsm_replication_promote(world.conn, pair.id, &job, 0));
    job_await(job, LSM_JOB_STATE_RUNNING);
    step();
    job_finish(job);
    step();
    autorelation lsm_replication *replication = replication_look();
    if (strcmp(lsm_replication_source_volume_id_get(replication), lsm_volume_id_get(pair.source)) !=
        0)
        roles_exchange();
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
    writable(pair.source, true);
    writable(pair.target, false);
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
}
END_TEST

/* --- forced ---------------------------------------------------------------------------------- */

START_TEST(async_promote_forced)
{
    FOR_MIRRORS(_i);
    pair_make();
    uint32_t seed = 3;
    source_scribble(10, &seed);
    ship();
    autoimage struct image *complete = image_copy(pair.image);
    source_scribble(10, &seed); /* which the target will never see */
    autoio lsm_volume_io *writer = NULL;
    if (!(_i & REOPENED)) /* open writers of the source are not asked */
        FINE(lsm_volume_io_open(world.conn, pair.source, &writer, 0));
    step();
    FINE(promote(FORCE));
    step();
    ck_assert_int_eq(replication_state(), STATE(SPLIT));
    SAME(complete, pair.target);
    SAME(pair.image, pair.source);
    writable(pair.target, true);
    writable(pair.source, true);
    volume_write(pair.target, complete, 1234, 100000, 8);
    source_write(5678, 100000, 9);
    step();
    SAME(complete, pair.target);
    SAME(pair.image, pair.source);
    if (!writer)
        REFUSED(volume_delete(pair.source), LSM_ERR_HAS_CHILD_DEPENDENCY);
}
END_TEST

/* A ship that is under way is given up, and nothing of it is seen. */
START_TEST(async_promote_forced_while_it_ships)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    autoimage struct image *complete = image_copy(pair.image);
    source_touch_apart(5);
    autotext char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    job_await(job, LSM_JOB_STATE_RUNNING);
    step();
    FINE(promote(FORCE));
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
    step();
    SAME(complete, pair.target);
    SAME(pair.image, pair.source);
    volume_write(pair.target, complete, 1234, 1000, 8);
    SAME(complete, pair.target);
    FINE(lsm_replication_resume(world.conn, pair.id, DISCARD));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    SAME(pair.image, pair.target);
}
END_TEST

/* --- joined again ---------------------------------------------------------------------------- */

static void kept_name(const char *of, unsigned n, char name[300])
{
    char generation[80];
    generation_read(generation);
    snprintf(name, 300, n > 1 ? "%s@%.8s-%u" : "%s@%.8s", of, generation, n);
}

/* Both were written after the split. What is rewound is the source (reverse) or the target. */
static void split(struct image **other)
{
    pair_make();
    source_write(MIB, 5000, 40);
    ship();
    *other = image_copy(pair.image);
    source_write(200000, 50000, 41); /* not shipped */
    FINE(promote(FORCE));
    step();
    volume_write(pair.target, *other, 240000, 80000, 42);
    source_write(260000, 7000, 43);
    step();
}

static void check_kept(const char *name, lsm_pool *pool, const struct image *image)
{
    autorelation lsm_replication *replication = replication_look();
    autovolume lsm_volume *kept = volume_in(pool, name);
    ck_assert_msg(kept != NULL, "no volume «%s»", name);
    ck_assert_pstr_eq(lsm_replication_diverged_volume_id_get(replication), lsm_volume_id_get(kept));
    SAME(image, kept);
    writable(kept, true);
}

static void check_nothing_kept(void)
{
    autorelation lsm_replication *replication = replication_look();
    ck_assert_ptr_null(lsm_replication_diverged_volume_id_get(replication));
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}

START_TEST(async_reverse_keeps_what_it_rewinds)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    char name[300];
    split(&other);
    kept_name("db", 1, name);
    char *job = NULL;
    STARTED(lsm_replication_reverse(world.conn, pair.id, &job, 0));
    job_finish(job);
    replication_await(STATE(IN_SYNC));
    roles_exchange();
    step();
    SAME(other, pair.source);
    SAME(other, pair.target);
    check_kept(name, world.pool, pair.image);
    writable(pair.source, true);
    writable(pair.target, false);
    autovolume lsm_volume *kept = volume_in(world.pool, name);
    volume_write(kept, pair.image, 5000, 5000, 50); /* the two do not know each other */
    volume_write(pair.source, other, 6000, 5000, 51);
    step();
    ship();
    SAME(other, pair.target);
    SAME(pair.image, kept);
    step();
    ck_assert_uint_eq(volume_count(NULL, NULL), 3);
    FINE(volume_delete(kept));
    SAME(other, pair.target);
    SAME(other, pair.source);
    autorelation lsm_replication *replication = replication_look();
    ck_assert_ptr_null(lsm_replication_diverged_volume_id_get(replication));
}
END_TEST

START_TEST(async_resume_keeps_what_it_rewinds)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    char name[300];
    split(&other);
    kept_name(lsm_volume_name_get(pair.target), 1, name);
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
    check_kept(name, pair.pool, other);
    writable(pair.source, true);
    writable(pair.target, false);
    autovolume lsm_volume *kept = volume_in(pair.pool, name);
    volume_write(kept, other, 5000, 5000, 50);
    source_write(6000, 5000, 51);
    step();
    ship();
    SAME(pair.image, pair.target);
    SAME(other, kept);
    FINE(volume_delete(kept));
    step();
    SAME(pair.image, pair.target);
}
END_TEST

START_TEST(async_reverse_discards)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    split(&other);
    FINE(reverse(DISCARD));
    replication_await(STATE(IN_SYNC));
    roles_exchange();
    step();
    SAME(other, pair.source);
    SAME(other, pair.target);
    check_nothing_kept();
}
END_TEST

START_TEST(async_resume_discards)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    split(&other);
    FINE(lsm_replication_resume(world.conn, pair.id, DISCARD));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
    check_nothing_kept();
}
END_TEST

/* Where nothing was written there is nothing to keep. */
START_TEST(async_nothing_written_is_nothing_kept)
{
    FOR_MIRRORS(_i % MODES);
    pair_make();
    source_write(5000, 6000, 3);
    ship();
    FINE(promote(FORCE));
    step();
    if (_i / MODES) {
        volume_write(pair.target, pair.image, 7000, 7000, 4);
        FINE(reverse(0));
        replication_await(STATE(IN_SYNC));
        roles_exchange();
    } else {
        source_write(7000, 7000, 4);
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
        job_of_mirror_finish();
        replication_await(STATE(IN_SYNC));
    }
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
    check_nothing_kept();
}
END_TEST

START_TEST(async_kept_name_is_taken)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    char name[300], second[300];
    split(&other);
    kept_name("db", 1, name);
    kept_name("db", 2, second);
    autovolume lsm_volume *taken = volume_make(name, MIB), *also = volume_make(second, MIB);
    kept_name("db", 3, name);
    FINE(reverse(0));
    step();
    check_kept(name, world.pool, pair.image);
}
END_TEST

/* The name is cut at a character, so that it fits. */
START_TEST(async_kept_name_is_cut)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    char name[300] = "", generation[80];
    autovolume lsm_volume *renamed = NULL;
    split(&other);
    for (int i = 0; i < 85; i++)
        strcat(name, "€"); /* three bytes each: 255 */
    FINE(lsm_volume_rename(world.conn, pair.source, name, &renamed, 0));
    FINE(reverse(0));
    step();
    generation_read(generation);
    autorelation lsm_replication *replication = replication_look();
    autovolume lsm_volume *kept =
        volume_with("id", lsm_replication_diverged_volume_id_get(replication));
    ck_assert_ptr_nonnull(kept);
    const char *of = lsm_volume_name_get(kept);
    size_t n = strcspn(of, "@");
    ck_assert_uint_eq(n % 3, 0);
    ck_assert_uint_ge(n, 240);
    ck_assert_uint_le(strlen(of), 255);
    ck_assert_int_eq(strncmp(of, name, n), 0);
    SAME(pair.image, kept);
}
END_TEST

START_TEST(async_rewinding_what_is_written)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    split(&other);
    char *job = NULL;
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, 0));
    lsm_error_ptr e = refusal(lsm_replication_reverse(world.conn, pair.id, &job, 0), LSM_ERR_BUSY);
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.target, &io, 0));
    REFUSED(lsm_replication_resume(world.conn, pair.id, 0), LSM_ERR_BUSY);
    ck_assert_int_eq(replication_state(), STATE(SPLIT));
    SAME(pair.image, pair.source);
    SAME(other, pair.target);
    FINE(reverse(DISCARD)); /* the one that goes on as the source may be written */
    SAME(other, pair.target);
    FINE(lsm_volume_io_close(io, 0));
}
END_TEST

/* A reader of what is rewound goes on reading, the new bytes. */
START_TEST(async_rewinding_what_is_read)
{
    FOR_MIRRORS(_i);
    autoimage struct image *other = NULL;
    split(&other);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, LSM_VOLUME_IO_READ_ONLY));
    SAME_THROUGH(pair.image, io);
    FINE(reverse(0));
    replication_await(STATE(IN_SYNC));
    SAME_THROUGH(other, io);
}
END_TEST

/* A failback that is cancelled, closed or given up for another failover. */
START_TEST(async_reverse_in_steps)
{
    FOR_MIRRORS(_i % MODES);
    pair_make_held();
    autoimage struct image *other = image_copy(pair.image);
    FINE(promote(FORCE));
    for (uint32_t i = 0; i < PIECES; i++)
        volume_write(pair.target, other, 1000 + i * (PAIR_SIZE / PIECES), 9000, 4 + i);
    source_touch_apart(8);
    step();
    char *job = NULL;
    autoimage struct image *common = image_copy(other);
    STARTED(lsm_replication_reverse(world.conn, pair.id, &job, 0));
    ck_assert_int_eq(replication_state(), STATE(RESYNCING));
    roles_exchange();
    step();
    writable(pair.source, true);
    writable(pair.target, false);
    SAME(other, pair.source);
    volume_write(pair.source, other, 50000, 5000, 9);
    step();
    if (_i / MODES == 0) {
        job_finish(job);
        replication_await(STATE(IN_SYNC));
        SAME(common, pair.target);
        ship();
    } else if (_i / MODES == 1) {
        FINE(lsm_job_cancel(world.conn, job, 0));
        ck_assert_int_eq(replication_state(), STATE(PAUSED));
        step();
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
        job_of_mirror_finish();
        free(job);
    } else {
        FINE(promote(FORCE)); /* of the old source: at the split point */
        step();
        ck_assert_int_eq(replication_state(), STATE(SPLIT));
        writable(pair.target, true);
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
        job_of_mirror_finish();
        free(job);
    }
    replication_await(STATE(IN_SYNC));
    step();
    SAME(other, pair.source);
    SAME(other, pair.target);
}
END_TEST

/* Sizes that change while the two are split; what is rewound gets its size back. */
START_TEST(async_split_and_resized)
{
    static const uint64_t sizes[] = {3 * MIB, MIB, 40 * KIB};
    FOR_MIRRORS(_i % MODES);
    uint64_t size = sizes[_i / MODES % 3];
    bool reverses = _i / MODES / 3;
    autoimage struct image *other = NULL;
    split(&other);
    int rc = volume_resize(&pair.target, size);
    if (size < PAIR_SIZE && rc == LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE) {
        REFUSED(rc, LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE); /* it does not shrink: just as well */
        size = PAIR_SIZE;
    } else {
        FINE(rc);
    }
    image_resize(other, size);
    step();
    SAME(other, pair.target);
    volume_write(pair.target, other, 20000, 10000, 60);
    if (reverses) {
        FINE(reverse(0));
        replication_await(STATE(IN_SYNC));
        roles_exchange();
        step();
        SAME(other, pair.source);
        SAME(other, pair.target);
        return;
    }
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
    autorelation lsm_replication *replication = replication_look();
    autovolume lsm_volume *kept =
        volume_with("id", lsm_replication_diverged_volume_id_get(replication));
    SAME(other, kept);
}
END_TEST

/* Only grown, not written. */
START_TEST(async_split_and_grown_alone)
{
    FOR_MIRRORS(_i);
    pair_make();
    FINE(promote(FORCE));
    FINE(volume_resize(&pair.target, 3 * MIB));
    step();
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    step();
    SAME(pair.image, pair.source);
    SAME(pair.image, pair.target);
}
END_TEST

/* Two mirrors of one source: reversing one of them must not make the other's target wrong. */
START_TEST(async_two_mirrors_of_one_source)
{
    FOR_MIRRORS(_i);
    autotext char *job = NULL;
    lsm_volume *made = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    char first[80], second[80];
    pair_make();
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_interval_set(options, 0);
    STARTED(lsm_volume_replicate_with(world.conn, world.pool, MIRROR_ASYNC, pair.source, "second",
                                      options, &made, &job, 0));
    autovolume lsm_volume *also = copy_finish(strdup(job));
    FINE(lsm_replication_list(world.conn, "target_volume_id", lsm_volume_id_get(also), &list,
                              &count, 0));
    snprintf(first, sizeof first, "%s", pair.id);
    snprintf(second, sizeof second, "%s", lsm_replication_id_get(list[0]));
    lsm_replication_record_array_free(list, count);
    for (uint32_t i = 0; i < 4; i++) {
        source_write(i * 100000, 30000, 50 + i);
        snprintf(pair.id, sizeof pair.id, "%s", i % 2 ? first : second);
        step();
        ship();
        SAME(pair.image, i % 2 ? pair.target : also);
    }
    snprintf(pair.id, sizeof pair.id, "%s", first);
    FINE(promote(FORCE));
    source_write(500000, 5000, 60);
    autoimage struct image *other = image_create(PAIR_SIZE);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.target, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, other->bytes, PAIR_SIZE, 0, 0));
    FINE(lsm_volume_io_close(io, 0));
    io = NULL;
    snprintf(pair.id, sizeof pair.id, "%s", second);
    ship(); /* so that the second's common instant is above the first's */
    snprintf(pair.id, sizeof pair.id, "%s", first);
    volume_write(pair.target, other, 700000, 5000, 61);
    step();
    char *turned = NULL;
    int rc = lsm_replication_reverse(world.conn, pair.id, &turned, 0);
    if (rc != OK && rc != LSM_ERR_JOB_STARTED) { /* a clear no, and all is as it was */
        lsm_error_ptr e = refusal(rc, LSM_ERR_STATE);
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), second));
        lsm_error_free(e);
        SAME(pair.image, pair.source);
        return;
    }
    verb_finish(rc, turned);
    SAME(other, pair.source);
    snprintf(pair.id, sizeof pair.id, "%s", second);
    if (replication_state() == STATE(BROKEN))
        return;
    ship();
    SAME(other, also);
}
END_TEST

TCase *mirror_async_roles(void)
{
    TCase *tests = tcase_create("mirror_async_roles");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_promote_planned, 0, MODES);
    tcase_add_loop_test(tests, async_promote_planned_while_written, 0, 2);
    tcase_add_loop_test(tests, async_promote_planned_ships_first, 0, 2);
    tcase_add_loop_test(tests, async_promote_planned_is_cancelled, 0, MODES);
    tcase_add_loop_test(tests, async_promote_planned_and_closed, 0, 2);
    tcase_add_loop_test(tests, async_promote_forced, 0, MODES);
    tcase_add_loop_test(tests, async_promote_forced_while_it_ships, 0, MODES);
    tcase_add_loop_test(tests, async_reverse_keeps_what_it_rewinds, 0, MODES);
    tcase_add_loop_test(tests, async_resume_keeps_what_it_rewinds, 0, MODES);
    tcase_add_loop_test(tests, async_reverse_discards, 0, MODES);
    tcase_add_loop_test(tests, async_resume_discards, 0, MODES);
    tcase_add_loop_test(tests, async_nothing_written_is_nothing_kept, 0, 2 * MODES);
    tcase_add_loop_test(tests, async_kept_name_is_taken, 0, MODES);
    tcase_add_loop_test(tests, async_kept_name_is_cut, 0, MODES);
    tcase_add_loop_test(tests, async_rewinding_what_is_written, 0, 2);
    tcase_add_loop_test(tests, async_rewinding_what_is_read, 0, 2);
    tcase_add_loop_test(tests, async_reverse_in_steps, 0, 3 * MODES);
    tcase_add_loop_test(tests, async_split_and_resized, 0, 6 * MODES);
    tcase_add_loop_test(tests, async_split_and_grown_alone, 0, MODES);
    tcase_add_loop_test(tests, async_two_mirrors_of_one_source, 0, MODES);
    return tests;
}
