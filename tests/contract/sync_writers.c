/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Eight writers at once: overlapping, at odd offsets, with discards, zeroes, FUA and flushes, while
 * the mirror is made, paused, resumed, grown and cloned. When they stop, the two sides are equal.
 *
 * Each has a stripe of odd length that is its alone, and is checked byte for byte on both sides; in
 * the rest they write over each other.
 */
#include "suites.h"
#include "sync_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#define WRITERS 8
#define STRIPE 70001u
#define STRIPES (MIB + 77) /* where the first one begins */

struct writer {
    pthread_t thread;
    uint32_t seed;
    uint64_t stripe;
    int rc;
    uint64_t writes;
};

static struct writer writers[WRITERS];
static atomic_bool stop;
static lsm_volume *written; /* a record of the writers' own */
static uint64_t span;       /* what is written over */

static int scribble(lsm_volume_io *io, struct writer *w, unsigned char *bytes)
{
    uint32_t kind = random_next(&w->seed) % 10;
    uint64_t offset = random_next(&w->seed) % span, n = random_next(&w->seed) % (5 * CLUSTER) + 1;
    if (kind == 0) /* more than one piece of the engine's */
        n += MIB + 4321;
    if (kind == 1) {
        offset -= offset % CLUSTER;
        n = CLUSTER * 3;
    }
    if (offset < STRIPES + WRITERS * STRIPE && offset + n > STRIPES)
        offset = STRIPES + WRITERS * STRIPE + offset % (span - STRIPES - WRITERS * STRIPE);
    if (n > span - offset)
        n = span - offset;
    random_bytes(bytes, n < 64 ? n : 64, random_next(&w->seed));
    memset(bytes + (n < 64 ? n : 64), (int)w->seed, n < 64 ? 0 : n - 64);
    switch (kind) {
    case 2: return lsm_volume_io_write_zeroes(io, n, offset, 0);
    case 3: return lsm_volume_io_discard(io, n, offset, 0);
    case 4: return lsm_volume_io_flush(io, 0);
    case 5: return lsm_volume_io_pwrite(io, bytes, n, offset, LSM_VOLUME_IO_FUA);
    default: return lsm_volume_io_pwrite(io, bytes, n, offset, 0);
    }
}

static int own(lsm_volume_io *io, struct writer *w)
{
    uint64_t at = random_next(&w->seed) % STRIPE, n = random_next(&w->seed) % 9000 + 1;
    unsigned char *bytes = twin.image->bytes + w->stripe + at;
    if (n > STRIPE - at)
        n = STRIPE - at;
    if (random_next(&w->seed) % 8 == 0) {
        memset(bytes, 0, n);
        return lsm_volume_io_write_zeroes(io, n, w->stripe + at, 0);
    }
    random_bytes(bytes, n, random_next(&w->seed));
    return lsm_volume_io_pwrite(io, bytes, n, w->stripe + at, 0);
}

static void *work(void *argument)
{
    struct writer *w = argument;
    unsigned char *bytes = malloc(2 * MIB);
    lsm_volume_io *io = NULL;
    w->rc = lsm_volume_io_open(world.conn, written, &io, 0);
    while (!atomic_load(&stop) && w->rc == OK) {
        w->rc = random_next(&w->seed) % 3 ? scribble(io, w, bytes) : own(io, w);
        w->writes++;
    }
    if (w->rc == OK)
        w->rc = lsm_volume_io_flush(io, 0);
    if (io)
        lsm_volume_io_close(io, 0);
    free(bytes);
    return NULL;
}

static void writers_start(uint32_t seed)
{
    span = twin.image->size;
    written = lsm_volume_record_copy(twin.source);
    atomic_store(&stop, false);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] =
            (struct writer){.seed = seed * 1000 + i * 7 + 1, .stripe = STRIPES + i * STRIPE};
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, work, &writers[i]), 0);
    }
}

static void writers_stop(void)
{
    uint64_t writes = 0;
    atomic_store(&stop, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    let_go_of_volume(&written);
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(writers[i].rc, OK);
        writes += writers[i].writes;
    }
    ck_assert_uint_gt(writes, 0); /* a busy machine lets some of them do nothing */
}

static void check_stripes(lsm_volume *volume)
{
    uint64_t n = WRITERS * STRIPE;
    autoio lsm_volume_io *io = NULL;
    unsigned char *bytes = malloc(n);
    FINE(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, bytes, n, STRIPES, 0));
    ck_assert(memcmp(bytes, twin.image->bytes + STRIPES, n) == 0);
    free(bytes);
}

static void check(void)
{
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
    twin_alike(twin.source, twin.target);
    check_stripes(twin.source);
    check_stripes(twin.target);
}

START_TEST(sync_first_copy_under_writers)
{
    if (!twin_mode(_i))
        return;
    writers_start(1);
    sleep_ms(30);
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    sleep_ms(150); /* the target is being filled */
    twin_finish(job);
    sleep_ms(100); /* in sync */
    writers_stop();
    check();
    twin_step();
    check();
}
END_TEST

/* What does not fit the time that there is: the owner goes, with the target half filled. */
START_TEST(sync_first_copy_over_restarts)
{
    if (!twin_mode(_i))
        return;
    char *job = twin_start(HELD, LSM_TARGET_ERROR_DEGRADE);
    for (uint32_t i = 0; i < 3; i++) {
        writers_start(20 + i);
        sleep_ms(50);
        writers_stop();
        world_reopen();
        ck_assert_int_eq(twin_state(), TWIN_STATE(INITIALIZING));
    }
    writers_start(30);
    twin_finish(job);
    writers_stop();
    check();
}
END_TEST

START_TEST(sync_paused_and_resumed_under_writers)
{
    if (!twin_mode(_i))
        return;
    twin_make_held();
    writers_start(2);
    for (int i = 0; i < 3; i++) {
        sleep_ms(40);
        FINE(lsm_replication_pause(world.conn, twin.id, 0));
        ck_assert_int_eq(twin_state(), TWIN_STATE(PAUSED));
        sleep_ms(40);
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
        sleep_ms(40); /* the delta is being filled */
        twin_in_sync();
    }
    writers_stop();
    check();
    twin_step();
    check();
}
END_TEST

/* A resync is left by its owner, and by a pause, and goes on. */
START_TEST(sync_resync_over_restarts)
{
    if (!twin_mode(_i))
        return;
    twin_make_held();
    FINE(lsm_replication_pause(world.conn, twin.id, 0));
    writers_start(40);
    sleep_ms(50);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    sleep_ms(50);
    writers_stop();
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(twin_state(), TWIN_STATE(RESYNCING));
        world_reopen();
        writers_start(41 + i);
        sleep_ms(40);
        if (i == 1) {
            FINE(lsm_replication_pause(world.conn, twin.id, 0));
            sleep_ms(20);
            FINE(lsm_replication_resume(world.conn, twin.id, 0));
        }
        writers_stop();
    }
    twin_in_sync();
    check();
}
END_TEST

/* Verbs come while the log is swept, which is every few seconds. */
START_TEST(sync_swept_under_writers)
{
    unsigned rounds = getenv("REPLICANT_TEST_LONG") ? 60 : 1;
    if (!twin_mode(_i))
        return;
    twin_make();
    for (unsigned round = 0; round < rounds; round++) {
        writers_start(3 + round);
        sleep_ms(2300);
        FINE(lsm_replication_pause(world.conn, twin.id, 0));
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
        twin_in_sync();
        writers_stop();
        check();
    }
}
END_TEST

START_TEST(sync_grown_and_cloned_under_writers)
{
    if (!twin_mode(_i))
        return;
    twin_make();
    writers_start(4);
    for (unsigned i = 1; i <= 3; i++) {
        char name[20];
        sleep_ms(20);
        FINE(volume_resize(&twin.source, TWIN_SIZE + i * 3 * MIB));
        sleep_ms(20);
        snprintf(name, sizeof name, "t%u", i);
        autovolume lsm_volume *a = clone_make(twin.target, name);
        snprintf(name, sizeof name, "s%u", i);
        autovolume lsm_volume *b = clone_make(twin.source, name);
        sleep_ms(20);
        FINE(volume_delete(a));
    }
    writers_stop();
    volume_look(&twin.target);
    ck_assert_uint_eq(volume_bytes(twin.target), TWIN_SIZE + 9 * MIB);
    check();
    twin_step();
    check();
}
END_TEST

/* A failover in the middle of it: the target has what was acknowledged before, whole. */
START_TEST(sync_forced_under_writers)
{
    if (!twin_mode(_i))
        return;
    twin_make();
    writers_start(5);
    sleep_ms(60);
    FINE(twin_promote(LSM_REPLICATION_FORCE));
    sleep_ms(30);
    writers_stop();
    ck_assert_int_eq(twin_state(), TWIN_STATE(SPLIT));
    check_stripes(twin.source);
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    check();
}
END_TEST

START_TEST(sync_broken_under_writers)
{
    if (!twin_mode(_i))
        return;
    twin_make();
    writers_start(6);
    sleep_ms(60);
    FINE(lsm_replication_break(world.conn, twin.id, 0));
    sleep_ms(30);
    writers_stop();
    twin_gone();
    check_stripes(twin.source);
    twin_writable(twin.target, true);
}
END_TEST

TCase *sync_writers(void)
{
    TCase *tests = tcase_create("sync_writers");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_first_copy_under_writers, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_first_copy_over_restarts, 0, 2);
    tcase_add_loop_test(tests, sync_paused_and_resumed_under_writers, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_resync_over_restarts, 0, 2);
    tcase_add_loop_test(tests, sync_swept_under_writers, 0, 2);
    tcase_add_loop_test(tests, sync_grown_and_cloned_under_writers, 0, TWIN_MODES);
    tcase_add_loop_test(tests, sync_forced_under_writers, 0, 2);
    tcase_add_loop_test(tests, sync_broken_under_writers, 0, 2);
    return tests;
}
