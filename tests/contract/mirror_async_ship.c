/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an asynchronous mirror brings to its target, when, and what its record says of it. */
#include "suites.h"
#include "mirror_async_kit.h"

#include <time.h>

#define FOR_MIRRORS(mode)                                                                          \
    if (!mirrors_are_there())                                                                      \
        return;                                                                                    \
    mode_set(mode)

START_TEST(async_target_is_invisible_until_in_sync)
{
    FOR_MIRRORS(_i);
    char *job = pair_start(HELD, 0);
    for (int i = 0; i < 2; i++) {
        job_await(job, LSM_JOB_STATE_RUNNING);
        autorelation lsm_replication *replication = replication_look();
        const char *target = lsm_replication_target_volume_id_get(replication);
        ck_assert_int_eq(lsm_replication_state_get(replication), STATE(INITIALIZING));
        ck_assert_pstr_eq(lsm_replication_job_id_get(replication), job);
        ck_assert_ptr_null(lsm_replication_generation_get(replication));
        ck_assert_ptr_nonnull(target);
        ck_assert_uint_eq(volume_count("id", target), 0);
        ck_assert_uint_eq(volume_count(NULL, NULL), 1);
        autojob lsm_job *record = job_look(job);
        ck_assert_int_eq(lsm_job_kind_get(record), LSM_JOB_KIND_MIRROR_INITIAL);
        ck_assert_pstr_eq(lsm_job_target_volume_id_get(record), target);
        ck_assert(volume_has_dependants(pair.source));
        step();
    }
    pair_finish(job);
    SAME(pair.image, pair.target);
    step();
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
    SAME(pair.image, pair.target);
    char generation[80];
    generation_read(generation);
    ck_assert(generation[0]);
}
END_TEST

/* The first copy is the instant of the call; what is written meanwhile comes with the next ship. */
START_TEST(async_begins_with_the_instant_of_the_call)
{
    FOR_MIRRORS(_i);
    autoimage struct image *instant = image_copy(pair.image);
    char *job = pair_start(HELD, 0);
    uint32_t seed = 5;
    source_scribble(40, &seed);
    step();
    pair_finish(job);
    SAME(instant, pair.target);
    step();
    ship();
    SAME(pair.image, pair.target);
    SAME(pair.image, pair.source);
}
END_TEST

/* Writes, zeros and discards of every shape; after each ship both are equal. */
START_TEST(async_ships_what_was_written)
{
    FOR_MIRRORS(_i);
    pair_make();
    uint32_t seed = 11u + (uint32_t)_i;
    for (int i = 0; i < 12; i++) {
        autoimage struct image *instant = image_copy(pair.image);
        source_scribble(1 + i * 3, &seed);
        SAME(instant, pair.target);
        step();
        ship();
        SAME(pair.image, pair.target);
        step();
        SAME(pair.image, pair.target);
    }
    SAME(pair.image, pair.source);
    volume_look(&pair.source);
    volume_look(&pair.target);
    ck_assert_uint_le(lsm_volume_depth_get(pair.source), 8);
    ck_assert_uint_le(lsm_volume_depth_get(pair.target), 8);
}
END_TEST

/* A source that nobody ever wrote to, and one that is zeroed again. */
START_TEST(async_of_nothing)
{
    FOR_MIRRORS(_i);
    let_go_of_volume(&pair.source);
    pair.source = volume_make("empty", PAIR_SIZE);
    memset(pair.image->bytes, 0, PAIR_SIZE);
    pair_make();
    SAME(pair.image, pair.target);
    char *job = NULL;
    REFUSED(lsm_replication_sync(world.conn, pair.id, &job, 0), LSM_ERR_NO_STATE_CHANGE);
    source_write(5000, 20000, 3);
    ship();
    SAME(pair.image, pair.target);
    step();
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, 0));
    image_zero(pair.image, io, 0, PAIR_SIZE);
    FINE(lsm_volume_io_close(io, 0));
    ship();
    SAME(pair.image, pair.target);
}
END_TEST

START_TEST(async_ships_at_intervals)
{
    FOR_MIRRORS(_i);
    pair_finish(pair_start(0, 20));
    for (uint32_t i = 0; i < 3; i++) {
        char before[80], after[80];
        generation_read(before);
        source_write(i * 70000, 5000, 30 + i);
        step();
        uint64_t end = now_ms() + 20000;
        do {
            ck_assert_msg(now_ms() < end, "nothing is shipped");
            sleep_ms(5);
            generation_read(after);
        } while (strcmp(before, after) == 0);
        SAME(pair.image, pair.target);
    }
    autorelation lsm_replication *replication = replication_look();
    ck_assert_uint_eq(lsm_replication_interval_ms_get(replication), 20);
    ck_assert_int_eq(lsm_replication_state_get(replication), STATE(IN_SYNC));
}
END_TEST

/* An interval that nothing was written in ships nothing. */
START_TEST(async_interval_with_nothing_to_ship)
{
    FOR_MIRRORS(_i);
    pair_finish(pair_start(0, 10));
    char before[80], after[80];
    uint32_t jobs = job_count(NULL, NULL);
    generation_read(before);
    step();
    sleep_ms(600);
    generation_read(after);
    ck_assert_str_eq(before, after);
    ck_assert_uint_eq(job_count(NULL, NULL), jobs);
}
END_TEST

START_TEST(async_interval_0_ships_on_demand)
{
    FOR_MIRRORS(_i);
    pair_make();
    autoimage struct image *instant = image_copy(pair.image);
    char *job = NULL;
    REFUSED_SAYING(lsm_replication_sync(world.conn, pair.id, &job, 0), LSM_ERR_NO_STATE_CHANGE,
                   pair.id);
    ck_assert_ptr_null(job);
    source_write(4000, 9000, 3);
    step();
    sleep_ms(600);
    SAME(instant, pair.target);
    ship();
    SAME(pair.image, pair.target);
    REFUSED(lsm_replication_sync(world.conn, pair.id, &job, 0), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

START_TEST(async_interval_is_set_at_once)
{
    FOR_MIRRORS(_i);
    pair_finish(pair_start(0, 3600000));
    source_write(4000, 9000, 3);
    FINE(lsm_replication_interval_set(world.conn, pair.id, 20, 0));
    step();
    autorelation lsm_replication *replication = replication_look();
    ck_assert_uint_eq(lsm_replication_interval_ms_get(replication), 20);
    for (uint64_t end = now_ms() + 20000;; sleep_ms(5)) {
        autorelation lsm_replication *now = replication_look();
        if (!lsm_replication_lag_bytes_get(now) && !lsm_replication_job_id_get(now))
            break;
        ck_assert(now_ms() < end);
    }
    SAME(pair.image, pair.target);
    FINE(lsm_replication_interval_set(world.conn, pair.id, 0, 0));
    autoimage struct image *instant = image_copy(pair.image);
    sleep_ms(300);
    source_write(4000, 9000, 4);
    sleep_ms(600);
    SAME(instant, pair.target);
}
END_TEST

/* last_sync_bytes is the delta, not the volume. */
START_TEST(async_record)
{
    FOR_MIRRORS(_i);
    char before[80], after[80];
    struct timespec now;
    pair_make();
    generation_read(before);
    autorelation lsm_replication *fresh = replication_look();
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    ck_assert_uint_eq(lsm_replication_lag_bytes_get(fresh), 0);
    ck_assert_uint_eq(lsm_replication_lag_ms_get(fresh), 0);
    ck_assert_uint_eq(lsm_replication_interval_ms_get(fresh), 0);
    ck_assert_uint_le(lsm_replication_last_sync_ms_get(fresh), ms);
    ck_assert_uint_ge(lsm_replication_last_sync_ms_get(fresh), ms - 60000);
    ck_assert_ptr_null(lsm_replication_job_id_get(fresh));
    ck_assert_ptr_null(lsm_replication_diverged_volume_id_get(fresh));
    ck_assert_ptr_null(lsm_replication_error_message_get(fresh));
    ck_assert_int_eq((int)lsm_replication_error_number_get(fresh), OK);

    source_write(10 * CLUSTER, 2 * CLUSTER, 3);
    source_write(100 * CLUSTER + 5, 9, 4);
    step();
    sleep_ms(700);
    autorelation lsm_replication *behind = replication_look();
    ck_assert_uint_eq(lsm_replication_lag_bytes_get(behind), 3 * CLUSTER);
    ck_assert_uint_gt(lsm_replication_lag_ms_get(behind), 0);
    ck_assert_uint_lt(lsm_replication_lag_ms_get(behind), 60000);
    ck_assert_pstr_eq(lsm_replication_generation_get(behind), before);

    ship();
    step();
    generation_read(after);
    ck_assert_str_ne(before, after);
    autorelation lsm_replication *shipped = replication_look();
    ck_assert_uint_eq(lsm_replication_lag_bytes_get(shipped), 0);
    ck_assert_uint_eq(lsm_replication_lag_ms_get(shipped), 0);
    ck_assert_uint_eq(lsm_replication_last_sync_bytes_get(shipped), 3 * CLUSTER);
    ck_assert_uint_ge(lsm_replication_last_sync_ms_get(shipped),
                      lsm_replication_last_sync_ms_get(fresh));
    ck_assert_uint_lt(lsm_replication_last_sync_duration_ms_get(shipped), 60000);
}
END_TEST

/* A job's progress, and what is written while it ships: that is for the next. */
START_TEST(async_ship_is_the_instant_of_its_beginning)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    autoimage struct image *before = image_copy(pair.image);
    source_touch_apart(3);
    autoimage struct image *instant = image_copy(pair.image);
    char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    source_touch_apart(6);
    step();
    job_await(job, LSM_JOB_STATE_RUNNING);
    autojob lsm_job *running = job_look(job);
    ck_assert_int_eq(lsm_job_kind_get(running), LSM_JOB_KIND_SHIP);
    ck_assert_pstr_eq(lsm_job_source_volume_id_get(running), lsm_volume_id_get(pair.source));
    ck_assert_pstr_eq(lsm_job_target_volume_id_get(running), lsm_volume_id_get(pair.target));
    ck_assert_uint_le(lsm_job_bytes_done_get(running), lsm_job_bytes_total_get(running));
    ck_assert_uint_le(lsm_job_bytes_total_get(running), 2 * PIECES * CLUSTER);
    SAME(before, pair.target);
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC)); /* whatever its lag */
    job_finish(job);
    SAME(instant, pair.target);
    step();
    char *next = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &next, 0));
    job_finish(next);
    SAME(pair.image, pair.target);
}
END_TEST

/* Whoever asks while one ships gets a job that brings what was acknowledged before he asked; all
 * who ask meanwhile share it. */
START_TEST(async_sync_joins)
{
    FOR_MIRRORS(_i % MODES);
    pair_make_held();
    char *first = NULL, *second = NULL, *third = NULL;
    source_touch_apart(3);
    STARTED(lsm_replication_sync(world.conn, pair.id, &first, 0));
    job_await(first, LSM_JOB_STATE_RUNNING);
    source_touch_apart(6);
    STARTED(lsm_replication_sync(world.conn, pair.id, &second, 0));
    STARTED(lsm_replication_sync(world.conn, pair.id, &third, 0));
    ck_assert_str_ne(first, second);
    ck_assert_str_eq(second, third);
    step();
    job_finish(first);
    job_finish(second);
    SAME(pair.image, pair.target);
    free(third);
}
END_TEST

START_TEST(async_target_is_protected)
{
    FOR_MIRRORS(_i);
    pair_make();
    step();
    writable(pair.target, false);
    lsm_volume_io *io = NULL;
    lsm_error_ptr e =
        refusal(lsm_volume_io_open(world.conn, pair.target, &io, 0), LSM_ERR_READ_ONLY);
    ck_assert_pstr_eq(lsm_error_object_get(e), lsm_volume_id_get(pair.target));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    ck_assert_int_eq(lsm_error_retryable_get(e), 0);
    lsm_error_free(e);
    autoio lsm_volume_io *reader = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.target, &reader, LSM_VOLUME_IO_READ_ONLY));
    REFUSED(lsm_volume_io_pwrite(reader, "x", 1, 0, 0), LSM_ERR_READ_ONLY);
    SAME_THROUGH(pair.image, reader);
    ck_assert(!volume_has_dependants(pair.target));
    autovolume lsm_volume *renamed = NULL;
    FINE(lsm_volume_rename(world.conn, pair.target, "other", &renamed, 0));
    FINE(lsm_volume_tag_set(world.conn, pair.target, "k", "v", 0));
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
}
END_TEST

/* A handle that is open while ships arrive sees each as a whole. */
START_TEST(async_target_is_read_while_ships_arrive)
{
    FOR_MIRRORS(_i);
    if (_i & REOPENED)
        return; /* the handle keeps the root open */
    pair_make();
    uint32_t seed = 99;
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.target, &io, LSM_VOLUME_IO_READ_ONLY));
    for (int i = 0; i < 10; i++) {
        SAME_THROUGH(pair.image, io);
        source_scribble(5, &seed);
        ship();
        SAME_THROUGH(pair.image, io);
    }
}
END_TEST

/* A failover test: a clone of the target is written to, and neither sees the other. */
START_TEST(async_target_is_cloned)
{
    FOR_MIRRORS(_i);
    pair_make();
    autoimage struct image *image = image_copy(pair.image);
    autovolume lsm_volume *clone = clone_make(pair.target, "rehearsal");
    step();
    writable(clone, true);
    volume_write(clone, image, 3000, 50000, 8);
    SAME(image, clone);
    SAME(pair.image, pair.target);
    for (uint32_t i = 0; i < 4; i++) {
        source_write(i * 100000, 70000, 40 + i);
        ship();
        step();
        SAME(image, clone);
        SAME(pair.image, pair.target);
    }
    volume_write(clone, image, 500000, 5000, 9);
    SAME(image, clone);
    SAME(pair.image, pair.target);
    FINE(volume_delete(clone));
    source_write(0, 1000, 50);
    ship();
    SAME(pair.image, pair.target);
    autovolume lsm_volume *copy = copy_make(NULL, pair.target, "copy");
    SAME(pair.image, copy);
}
END_TEST

/* The source has clones, too, made between the ships; they are what it was. */
START_TEST(async_source_is_cloned)
{
    FOR_MIRRORS(_i);
    pair_make();
    struct image *images[4];
    lsm_volume *clones[4];
    for (uint32_t i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "clone %u", i);
        source_write(i * 30000, 40000, 60 + i);
        images[i] = image_copy(pair.image);
        clones[i] = clone_make(pair.source, name);
        source_write(i * 30000 + 5, 10000, 70 + i);
        step();
        ship();
        SAME(pair.image, pair.target);
    }
    for (uint32_t i = 0; i < 4; i++) {
        SAME(images[i], clones[i]);
        FINE(volume_delete(clones[i]));
        source_write(i * 50000, 100, i);
        ship();
        SAME(pair.image, pair.target);
        lsm_volume_record_free(clones[i]);
        image_destroy(&images[i]);
    }
}
END_TEST

/* A mirror of a mirror's target: each brings on what the one before brought. */
START_TEST(async_in_a_row)
{
    FOR_MIRRORS(_i);
    pair_make();
    char first[80], second[80];
    lsm_volume *a = pair.source, *b = pair.target, *c;
    snprintf(first, sizeof first, "%s", pair.id);
    pair.source = b;
    char *job = NULL;
    lsm_volume *made = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_interval_set(options, 0);
    STARTED(lsm_volume_replicate_with(world.conn, world.pool, MIRROR_ASYNC, b, "third", options,
                                      &made, &job, 0));
    c = copy_finish(job);
    FINE(lsm_replication_list(world.conn, "target_volume_id", lsm_volume_id_get(c), &list, &count,
                              0));
    ck_assert_uint_eq(count, 1);
    snprintf(second, sizeof second, "%s", lsm_replication_id_get(list[0]));
    lsm_replication_record_array_free(list, count);
    SAME(pair.image, c);
    pair.source = a;
    for (uint32_t i = 0; i < 3; i++) {
        autoimage struct image *before = image_copy(pair.image);
        snprintf(pair.id, sizeof pair.id, "%s", first);
        source_write(i * 90000, 60000, 20 + i);
        ship();
        step();
        SAME(before, c);
        snprintf(pair.id, sizeof pair.id, "%s", second);
        ship();
        step();
        SAME(pair.image, c);
        SAME(pair.image, b);
    }
    REFUSED(volume_delete(b), LSM_ERR_HAS_CHILD_DEPENDENCY);
    lsm_volume_record_free(c);
}
END_TEST

/* Cancelling the first job leaves nothing: no target, no relation, no tie, no name. */
START_TEST(async_cancel_of_the_first_job)
{
    FOR_MIRRORS(_i);
    autotext char *job = pair_start(HELD, 0);
    job_await(job, LSM_JOB_STATE_RUNNING);
    step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
    check_gone();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(!volume_has_dependants(pair.source));
    step();
    check_gone();
    ck_assert(!volume_has_dependants(pair.source));
    SAME(pair.image, pair.source);
    pair_make(); /* the name is free */
    SAME(pair.image, pair.target);
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    FINE(volume_delete(pair.source));
}
END_TEST

START_TEST(async_cancel_of_a_ship)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    autoimage struct image *before = image_copy(pair.image);
    for (uint32_t i = 0; i < 3; i++) {
        autotext char *job = NULL;
        source_touch_apart(10 * i + 3);
        STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
        job_await(job, LSM_JOB_STATE_RUNNING);
        step();
        FINE(lsm_job_cancel(world.conn, job, 0));
        ck_assert_int_eq(job_state(job), LSM_JOB_STATE_CANCELLED);
        autorelation lsm_replication *replication = replication_look();
        ck_assert_int_eq(lsm_replication_state_get(replication), STATE(IN_SYNC));
        ck_assert_uint_gt(lsm_replication_lag_bytes_get(replication), 0);
        ck_assert_ptr_null(lsm_replication_job_id_get(replication));
        SAME(before, pair.target);
        step();
        SAME(before, pair.target);
    }
    ship();
    SAME(pair.image, pair.target);
}
END_TEST

/* The ship's own job can be paused and goes on where it was. */
START_TEST(async_pause_of_a_ships_job)
{
    FOR_MIRRORS(_i);
    pair_make_held();
    char *job = NULL;
    source_touch_apart(3);
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    FINE(lsm_job_pause(world.conn, job, 0));
    job_await(job, LSM_JOB_STATE_PAUSED);
    step();
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    FINE(lsm_job_resume(world.conn, job, 0));
    job_finish(job);
    SAME(pair.image, pair.target);
}
END_TEST

/* Paused, nothing is shipped; resumed, the delta alone. */
START_TEST(async_pause_and_resume)
{
    FOR_MIRRORS(_i);
    pair_finish(pair_start(0, 20));
    autoimage struct image *before = image_copy(pair.image);
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    step();
    ck_assert_int_eq(replication_state(), STATE(PAUSED));
    source_write(20 * CLUSTER, 5 * CLUSTER, 3);
    sleep_ms(600);
    SAME(before, pair.target);
    writable(pair.target, false);
    step();
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    replication_await(STATE(IN_SYNC));
    SAME(pair.image, pair.target);
    autorelation lsm_replication *replication = replication_look();
    ck_assert_uint_eq(lsm_replication_last_sync_bytes_get(replication), 5 * CLUSTER);
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    FINE(lsm_replication_resume(world.conn, pair.id, 0)); /* nothing to bring */
    replication_await(STATE(IN_SYNC));
}
END_TEST

/* A pause while it resyncs, and going on: the same job, or the rest anew; nothing is lost. */
START_TEST(async_pause_of_a_resync)
{
    FOR_MIRRORS(_i);
    pair_make_in(STATE(RESYNCING));
    step();
    FINE(lsm_replication_pause(world.conn, pair.id, 0));
    ck_assert_int_eq(replication_state(), STATE(PAUSED));
    step();
    ck_assert_int_eq(replication_state(), STATE(PAUSED));
    source_write(0, 50, 4);
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    ck_assert_int_eq(replication_state(), STATE(RESYNCING));
    step();
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    ck_assert(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
    verb_finish(rc, job);
    SAME(pair.image, pair.target);
}
END_TEST

START_TEST(async_cancel_of_a_resync)
{
    FOR_MIRRORS(_i);
    pair_make_in(STATE(RESYNCING));
    autorelation lsm_replication *replication = replication_look();
    autotext char *job = strdup(lsm_replication_job_id_get(replication));
    autojob lsm_job *record = job_look(job);
    ck_assert_int_eq(lsm_job_kind_get(record), LSM_JOB_KIND_RESYNC);
    step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    ck_assert_int_eq(replication_state(), STATE(PAUSED));
    step();
    ck_assert_int_eq(replication_state(), STATE(PAUSED));
    FINE(lsm_replication_resume(world.conn, pair.id, 0));
    job_of_mirror_finish();
    replication_await(STATE(IN_SYNC));
    SAME(pair.image, pair.target);
}
END_TEST

/* A ship that the target did not take: the record says why, and the next brings the delta. */
START_TEST(async_degraded_and_back)
{
    FOR_MIRRORS(_i);
    if (!world.directory[0])
        return;
    autoimage struct image *before = image_copy(pair.image);
    pair_make_in(STATE(DEGRADED));
    for (int i = 0; i < 2; i++) {
        autorelation lsm_replication *replication = replication_look();
        ck_assert_int_eq(lsm_replication_state_get(replication), STATE(DEGRADED));
        ck_assert_int_ne((int)lsm_replication_error_number_get(replication), OK);
        ck_assert_ptr_nonnull(lsm_replication_error_message_get(replication));
        ck_assert_uint_gt(lsm_replication_lag_bytes_get(replication), 0);
        step();
    }
    SAME(before, pair.target);
    SAME(pair.image, pair.source);
    ship();
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq((int)lsm_replication_error_number_get(replication), OK);
    ck_assert_ptr_null(lsm_replication_error_message_get(replication));
    ck_assert_uint_le(lsm_replication_last_sync_bytes_get(replication), 2 * PIECES * CLUSTER);
    SAME(pair.image, pair.target);
}
END_TEST

/* A FULL source whose new top cannot be reserved at an interval. */
START_TEST(async_degraded_for_want_of_space)
{
    FOR_MIRRORS(_i & BETWEEN_POOLS);
    lsm_pool *small = NULL;
    FINE(lsm_pool_create(world.conn, "small", NULL, 20 * MIB, &small, 0));
    let_go_of_volume(&pair.source);
    pair.source = volume_make_in(small, "full", PAIR_SIZE, FULL);
    memset(pair.image->bytes, 0, PAIR_SIZE);
    source_write(5000, 5000, 1);
    if (!(_i & BETWEEN_POOLS)) {
        lsm_pool_record_free(pair.pool);
        pair.pool = lsm_pool_record_copy(small);
    }
    pair_finish(pair_start(0, 20));
    pool_look(&small);
    uint64_t room = lsm_pool_free_space_get(small);
    autovolume lsm_volume *filler =
        volume_make_in(small, "filler", room - room % CLUSTER - PAIR_SIZE / 2, FULL);
    source_write(50000, 5000, 2);
    replication_await(STATE(DEGRADED));
    autorelation lsm_replication *replication = replication_look();
    ck_assert_int_eq((int)lsm_replication_error_number_get(replication), LSM_ERR_NOT_ENOUGH_SPACE);
    FINE(volume_delete(filler));
    replication_await(STATE(IN_SYNC)); /* by itself */
    SAME(pair.image, pair.target);
    lsm_pool_record_free(small);
}
END_TEST

TCase *mirror_async_ship(void)
{
    TCase *tests = tcase_create("mirror_async_ship");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_target_is_invisible_until_in_sync, 0, MODES);
    tcase_add_loop_test(tests, async_begins_with_the_instant_of_the_call, 0, MODES);
    tcase_add_loop_test(tests, async_ships_what_was_written, 0, MODES);
    tcase_add_loop_test(tests, async_of_nothing, 0, MODES);
    tcase_add_loop_test(tests, async_ships_at_intervals, 0, MODES);
    tcase_add_loop_test(tests, async_interval_with_nothing_to_ship, 0, MODES);
    tcase_add_loop_test(tests, async_interval_0_ships_on_demand, 0, MODES);
    tcase_add_loop_test(tests, async_interval_is_set_at_once, 0, MODES);
    tcase_add_loop_test(tests, async_record, 0, MODES);
    tcase_add_loop_test(tests, async_ship_is_the_instant_of_its_beginning, 0, MODES);
    tcase_add_loop_test(tests, async_sync_joins, 0, 4 * MODES);
    tcase_add_loop_test(tests, async_target_is_protected, 0, MODES);
    tcase_add_loop_test(tests, async_target_is_read_while_ships_arrive, 0, MODES);
    tcase_add_loop_test(tests, async_target_is_cloned, 0, MODES);
    tcase_add_loop_test(tests, async_source_is_cloned, 0, MODES);
    tcase_add_loop_test(tests, async_in_a_row, 0, MODES);
    tcase_add_loop_test(tests, async_cancel_of_the_first_job, 0, MODES);
    tcase_add_loop_test(tests, async_cancel_of_a_ship, 0, MODES);
    tcase_add_loop_test(tests, async_pause_of_a_ships_job, 0, MODES);
    tcase_add_loop_test(tests, async_pause_and_resume, 0, MODES);
    tcase_add_loop_test(tests, async_pause_of_a_resync, 0, MODES);
    tcase_add_loop_test(tests, async_cancel_of_a_resync, 0, MODES);
    tcase_add_loop_test(tests, async_degraded_and_back, 0, MODES);
    tcase_add_loop_test(tests, async_degraded_for_want_of_space, 0, 2);
    return tests;
}
