/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replicating under a writer that never pauses. One thread writes number after number around a
 * ring of records; so the content after n writes is known for every n, and a replicant must be the
 * content after one n: all of what was acknowledged before the call, nothing that began after it,
 * and no write halfway. Records are no multiple of anything, so most lie across clusters.
 */
#include "suites.h"
#include "image.h"

#include <pthread.h>
#include <stdatomic.h>

#define RECORD 6007u
#define RING 61u
#define SIZE ((RECORD * RING + CLUSTER - 1) / CLUSTER * CLUSTER)

struct writer {
    lsm_volume_io *io;
    pthread_t thread;
    atomic_uint begun, ended; /* how many writes */
    atomic_bool stop;
    int rc;
};

static void make_record(unsigned char *bytes, uint32_t number)
{
    random_bytes(bytes, RECORD, number);
    memcpy(bytes, &number, sizeof number);
}

static void *write_on(void *argument)
{
    struct writer *w = argument;
    unsigned char bytes[RECORD];
    while (!atomic_load(&w->stop) && w->rc == OK) {
        unsigned number = atomic_fetch_add(&w->begun, 1) + 1;
        make_record(bytes, number);
        w->rc = lsm_volume_io_pwrite(w->io, bytes, RECORD, (uint64_t)(number % RING) * RECORD,
                                     number % 50 ? 0 : LSM_VOLUME_IO_FUA);
        atomic_fetch_add(&w->ended, 1);
    }
    return NULL;
}

static void writer_start(struct writer *w, lsm_volume *volume)
{
    *w = (struct writer){0};
    FINE(lsm_volume_io_open(world.conn, volume, &w->io, 0));
    ck_assert_int_eq(pthread_create(&w->thread, NULL, write_on, w), 0);
    while (atomic_load(&w->ended) < 2 * RING)
        sleep_ms(1);
}

static void writer_stop(struct writer *w)
{
    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    ck_assert_int_eq(w->rc, OK);
    FINE(lsm_volume_io_close(w->io, 0));
}

/* The highest number in the replicant is its n; everything else follows from it. */
static void is_one_instant(lsm_volume *replicant, unsigned least, unsigned most)
{
    autoimage struct image *expected = image_create(SIZE);
    unsigned char *bytes = malloc(SIZE);
    uint32_t n = 0, number;
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, replicant, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, bytes, SIZE, 0, 0));
    FINE(lsm_volume_io_close(io, 0));
    for (uint32_t i = 0; i < RING; i++) {
        memcpy(&number, bytes + i * RECORD, sizeof number);
        n = number > n ? number : n;
    }
    free(bytes);
    ck_assert_uint_ge(n, least);
    ck_assert_uint_le(n, most);
    for (uint32_t k = n - RING + 1; k <= n; k++)
        make_record(expected->bytes + (uint64_t)(k % RING) * RECORD, k);
    SAME(expected, replicant);
}

START_TEST(clone_under_a_writer_is_one_instant)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    struct writer writer;
    writer_start(&writer, v);
    for (int i = 0; i < 40; i++) {
        unsigned least = atomic_load(&writer.ended);
        autovolume lsm_volume *clone = clone_make(v, "clone");
        unsigned most = atomic_load(&writer.begun);
        is_one_instant(clone, least, most);
        FINE(volume_delete(clone));
    }
    writer_stop(&writer);
    is_one_instant(v, atomic_load(&writer.ended), atomic_load(&writer.begun));
}
END_TEST

START_TEST(copy_under_a_writer_is_one_instant)
{
    autovolume lsm_volume *v = volume_make_in(world.pool, "v", SIZE, _i ? FULL : THIN);
    struct writer writer;
    writer_start(&writer, v);
    for (int i = 0; i < 12; i++) {
        unsigned least = atomic_load(&writer.ended);
        char *job = copy_start(NULL, v, "copy", 0);
        unsigned most = atomic_load(&writer.begun);
        autovolume lsm_volume *copy = copy_finish(job);
        is_one_instant(copy, least, most);
        FINE(volume_delete(copy));
    }
    writer_stop(&writer);
    is_one_instant(v, atomic_load(&writer.ended), atomic_load(&writer.begun));
    world_reopen();
    is_one_instant(v, atomic_load(&writer.ended), atomic_load(&writer.begun));
}
END_TEST

/* The target has it at once, and is not read but as a whole here. */
START_TEST(range_under_a_writer_is_one_instant)
{
    autovolume lsm_volume *v = volume_make("v", SIZE), *to = volume_make("to", SIZE);
    struct writer writer;
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    writer_start(&writer, v);
    for (int i = 0; i < 20; i++) {
        lsm_block_range *all = lsm_block_range_record_alloc(0, 0, SIZE / 512);
        char *job = NULL;
        unsigned least = atomic_load(&writer.ended);
        int rc = lsm_volume_replicate_range(world.conn, COPY, v, to, &all, 1, &job, 0);
        unsigned most = atomic_load(&writer.begun);
        ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
        if (job)
            job_await(job, LSM_JOB_STATE_DONE);
        free(job);
        lsm_block_range_record_free(all);
        is_one_instant(to, least, most);
    }
    writer_stop(&writer);
    is_one_instant(v, atomic_load(&writer.ended), atomic_load(&writer.begun));
}
END_TEST

TCase *under_writer(void)
{
    TCase *tests = tcase_create("under_writer");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, clone_under_a_writer_is_one_instant);
    tcase_add_loop_test(tests, copy_under_a_writer_is_one_instant, 0, 2);
    tcase_add_test(tests, range_under_a_writer_is_one_instant);
    return tests;
}
