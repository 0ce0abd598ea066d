/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers stamp slots in order, 1, 2, 3 … round and round, while the mirror ships as fast as it
 * can. A slot is no multiple of a cluster, so that a stamp often lies in two. Whatever is read from
 * the target is one state of the source: the stamps up to some number, and none that is newer.
 */
#include "suites.h"
#include "mirror_async_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define SLOT (3 * KIB)
#define SLOTS 200u
#define WRITERS 2u /* each with slots of its own */
#define PART (SLOTS * SLOT)

struct writer {
    pthread_t thread;
    lsm_volume_io *io;
    unsigned number;
    _Atomic uint64_t begun, flushed; /* the newest stamp */
};

static atomic_bool stop;
static struct writer writers[WRITERS];

static void *stamp(void *argument)
{
    struct writer *w = argument;
    uint64_t words[SLOT / 8];
    for (uint64_t s = 1; !atomic_load(&stop); s++) {
        for (size_t i = 0; i < SLOT / 8; i++)
            words[i] = s;
        atomic_store(&w->begun, s);
        if (lsm_volume_io_pwrite(w->io, words, SLOT, w->number * PART + s % SLOTS * SLOT, 0) != OK)
            return "a write failed";
        if (s % 16 == 0 && lsm_volume_io_flush(w->io, 0) != OK)
            return "a flush failed";
        if (s % 16 == 0)
            atomic_store(&w->flushed, s);
        if (s % 8 == 0)
            usleep(300); /* others want the processor, too */
    }
    return NULL;
}

static void start_writers(void)
{
    atomic_store(&stop, false);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i};
        FINE(lsm_volume_io_open(world.conn, pair.source, &writers[i].io, 0));
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, stamp, &writers[i]), 0);
    }
}

static void stop_writers(void)
{
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        void *why = NULL;
        pthread_join(writers[i].thread, &why);
        ck_assert_msg(!why, "%s", (const char *)why);
        FINE(lsm_volume_io_close(writers[i].io, 0));
    }
}

/* The newest stamp of a writer, if its part is the state that it made. */
static uint64_t newest(const unsigned char *part, unsigned number)
{
    const uint64_t *words = (const void *)part;
    uint64_t top = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        uint64_t s = words[slot * (SLOT / 8)];
        for (size_t i = 0; i < SLOT / 8; i++)
            ck_assert_msg(words[slot * (SLOT / 8) + i] == s, "writer %u: slot %u has %llu and %llu",
                          number, slot, (unsigned long long)s,
                          (unsigned long long)words[slot * (SLOT / 8) + i]);
        top = s > top ? s : top;
    }
    for (uint64_t s = top; s > 0 && s + SLOTS > top; s--)
        ck_assert_msg(words[s % SLOTS * (SLOT / 8)] == s,
                      "writer %u: stamp %llu is there, %llu is %llu", number,
                      (unsigned long long)top, (unsigned long long)s,
                      (unsigned long long)words[s % SLOTS * (SLOT / 8)]);
    return top;
}

static void read_states(lsm_volume *volume, uint64_t states[WRITERS])
{
    unsigned char *bytes = malloc(WRITERS * PART);
    autoio lsm_volume_io *io = NULL;
    ck_assert_ptr_nonnull(bytes);
    FINE(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, bytes, WRITERS * PART, 0, 0));
    for (unsigned i = 0; i < WRITERS; i++)
        states[i] = newest(bytes + i * PART, i);
    free(bytes);
}

static void make_empty(int mode, uint32_t interval_ms)
{
    mode_set(mode);
    FINE(volume_delete(pair.source));
    let_go_of_volume(&pair.source);
    pair.source = volume_make("stamped", WRITERS * PART);
    pair_finish(pair_start(0, interval_ms));
}

static unsigned duration_ms(void)
{
    return getenv("REPLICANT_TEST_LONG") ? 60000 : 700;
}

/* What was flushed before sync was called is on the target when its job is done. */
START_TEST(async_stamps_on_demand)
{
    uint64_t before[WRITERS], after[WRITERS], last[WRITERS] = {0};
    unsigned ships = 0;
    if (!mirrors_are_there())
        return;
    make_empty(_i, 0);
    start_writers();
    for (uint64_t end = now_ms() + duration_ms(); now_ms() < end; ships++) {
        char *job = NULL;
        for (unsigned i = 0; i < WRITERS; i++)
            before[i] = atomic_load(&writers[i].flushed);
        int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
        if (rc == LSM_ERR_JOB_STARTED)
            job_finish(job);
        else
            REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
        read_states(pair.target, after);
        for (unsigned i = 0; i < WRITERS; i++) {
            ck_assert_uint_ge(after[i], before[i]);
            ck_assert_uint_ge(after[i], last[i]); /* never back */
            ck_assert_uint_le(after[i], atomic_load(&writers[i].begun));
            last[i] = after[i];
        }
        if (ships % 8 == 3) { /* a clone of it is one state, too, while the next arrives */
            autovolume lsm_volume *clone = clone_make(pair.target, "clone");
            read_states(clone, after);
            FINE(volume_delete(clone));
        }
    }
    stop_writers();
    ck_assert_uint_ge(ships, 1);
    read_states(pair.source, before);
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED)
        job_finish(job);
    else
        REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
    read_states(pair.target, after);
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_uint_eq(before[i], after[i]);
}
END_TEST

/* The intervals ship; the reader looks whenever it likes, through a handle that stays open. */
START_TEST(async_stamps_at_intervals)
{
    uint64_t states[WRITERS], last[WRITERS] = {0};
    if (!mirrors_are_there())
        return;
    make_empty(_i, 1);
    start_writers();
    for (uint64_t end = now_ms() + duration_ms(); now_ms() < end; sleep_ms(1)) {
        read_states(pair.target, states);
        for (unsigned i = 0; i < WRITERS; i++) {
            ck_assert_uint_ge(states[i], last[i]);
            last[i] = states[i];
        }
    }
    stop_writers();
    ck_assert_uint_gt(last[0], 0);
}
END_TEST

/* Forced promotes and joins in the middle of it all: what the target was is a state. */
START_TEST(async_stamps_and_failovers)
{
    uint64_t states[WRITERS];
    unsigned rounds = getenv("REPLICANT_TEST_LONG") ? 500 : 10;
    if (!mirrors_are_there())
        return;
    make_empty(_i, 0);
    start_writers();
    for (unsigned round = 0; round < rounds; round++) {
        char *job = NULL;
        int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
        if (rc == LSM_ERR_JOB_STARTED && round % 2)
            lsm_job_wait(world.conn, job, 10000, &(lsm_job *){NULL}, 0);
        if (rc == LSM_ERR_JOB_STARTED)
            free(job);
        else
            REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
        FINE(promote(FORCE));
        read_states(pair.target, states);
        FINE(lsm_replication_resume(world.conn, pair.id, DISCARD));
        job_of_mirror_finish();
        replication_await(STATE(IN_SYNC));
        read_states(pair.target, states);
    }
    stop_writers();
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

TCase *mirror_async_stamps(void)
{
    TCase *tests = tcase_create("mirror_async_stamps");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_stamps_on_demand, 0, 2);
    tcase_add_loop_test(tests, async_stamps_at_intervals, 0, 2);
    tcase_add_loop_test(tests, async_stamps_and_failovers, 0, 2);
    return tests;
}
