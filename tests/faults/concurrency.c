/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Eight threads write to one volume (stamps.h) and flush; meanwhile others clone it, copy it, make
 * it longer and delete clones, and its layers are folded in the background. Every clone and every
 * copy shows a state, with at least what was acknowledged before the call began and at most what
 * was begun before it ended. A thread always reads what it wrote last.
 *
 *     REPLICANT_TEST_SECONDS=n    how long
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kill.h"
#include "stamps.h"

#define OK LSM_ERR_OK
#define SIZE_MAX_GROWN (16u << 20)

static lsm_volume *source;
static lsm_volume_io *io;
static struct stamps stamps;
static atomic_bool stop;
static atomic_ulong clones, copies, writes, growths, flushes;

static void check_volume(lsm_volume *volume, const char *what, const struct bounds *bounds)
{
    lsm_volume_io *clone = NULL;
    unsigned char *bytes = malloc(STAMPS_SIZE);
    MUST(lsm_volume_io_open(world.conn, volume, &clone, 0) == OK);
    MUST(lsm_volume_io_pread(clone, bytes, STAMPS_SIZE, 0, 0) == OK);
    stamps_check(bytes, what, bounds);
    /* It is a volume of its own: what is written to it is not seen by the source. */
    memset(bytes, 0xff, 5000);
    MUST(lsm_volume_io_pwrite(clone, bytes, 5000, stamp_place(3) - 700, 0) == OK);
    MUST(lsm_volume_io_close(clone, 0) == OK);
    free(bytes);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void read_back(uint32_t w, uint32_t k)
{
    unsigned char bytes[BLOCK], expected[BLOCK];
    uint32_t block = k * WRITERS + w;
    stamp_fill(expected, block, stamp_of(k, stamps.acknowledged[w]));
    MUST(lsm_volume_io_pread(io, bytes, BLOCK, stamp_place(block), 0) == OK);
    MUST(memcmp(bytes, expected, BLOCK) == 0);
}

static void *write_blocks(void *argument)
{
    uint32_t w = (uint32_t)(uintptr_t)argument;
    uint64_t dice = stamps.seed + w;
    while (!atomic_load(&stop)) {
        stamp_write(&stamps, io, w, &dice);
        atomic_fetch_add(&writes, 1);
        if (stamp_dice(&dice, 4) == 0)
            read_back(w, stamp_dice(&dice, PER_WRITER));
        if (stamp_dice(&dice, 64) == 0) {
            stamp_flush(&stamps, io, w);
            atomic_fetch_add(&flushes, 1);
        }
    }
    return NULL;
}

static void delete (lsm_volume *volume)
{
    char *job = NULL;
    int code;
    while ((code = lsm_volume_delete(world.conn, volume, &job, 0)) == LSM_ERR_HAS_CHILD_DEPENDENCY)
        usleep(1000);
    MUST(code == OK);
    lsm_volume_record_free(volume);
}

/* Clones for a while, then lets the volume be, so that its layers are folded under the writers. */
static void *clone_often(void *argument)
{
    lsm_volume *kept = NULL;
    unsigned number = 0;
    (void)argument;
    while (!atomic_load(&stop)) {
        char name[32], *job = NULL;
        struct bounds bounds;
        lsm_volume *clone = NULL;
        snprintf(name, sizeof name, "clone%u", number++);
        bounds_least(&bounds, &stamps);
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name,
                                  &clone, &job, 0) == OK);
        bounds_most(&bounds, &stamps);
        check_volume(clone, name, &bounds);
        atomic_fetch_add(&clones, 1);
        if (kept)
            delete (kept); /* the one before, so that one layer is always shared */
        kept = clone;
        if (number % 40 == 0) {
            delete (kept);
            kept = NULL;
            for (int i = 0; i < 180 && !atomic_load(&stop); i++)
                usleep(10000);
        }
    }
    if (kept)
        delete (kept);
    return NULL;
}

static void *copy_often(void *argument)
{
    unsigned number = 0;
    (void)argument;
    while (!atomic_load(&stop)) {
        char name[32], *id = NULL;
        struct bounds bounds;
        lsm_volume *none = NULL, **made = NULL;
        lsm_job *job = NULL;
        uint32_t count = 0;
        snprintf(name, sizeof name, "copy%u", number++);
        bounds_least(&bounds, &stamps);
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, name, &none,
                                  &id, 0) == LSM_ERR_JOB_STARTED);
        bounds_most(&bounds, &stamps);
        MUST(lsm_job_wait(world.conn, id, 60000, &job, 0) == OK);
        MUST(lsm_job_state_get(job) == LSM_JOB_STATE_DONE);
        lsm_job_record_free(job);
        MUST(lsm_job_volume_list(world.conn, id, &made, &count, 0) == OK && count == 1);
        check_volume(made[0], name, &bounds);
        delete (lsm_volume_record_copy(made[0]));
        lsm_volume_record_array_free(made, count);
        MUST(lsm_job_free(world.conn, &id, 0) == OK);
        atomic_fetch_add(&copies, 1);
        for (int i = 0; i < 40 && !atomic_load(&stop); i++)
            usleep(10000);
    }
    return NULL;
}

/* The new part shows zeros, and takes a write. */
static void *grow(void *argument)
{
    uint64_t size = lsm_volume_io_size_get(io);
    (void)argument;
    while (!atomic_load(&stop) && size < SIZE_MAX_GROWN) {
        unsigned char bytes[8192], zeros[8192] = {0};
        lsm_volume *resized = NULL;
        char *job = NULL;
        MUST(lsm_volume_resize(world.conn, source, size + sizeof bytes, &resized, &job, 0) == OK);
        lsm_volume_record_free(resized);
        MUST(lsm_volume_io_pread(io, bytes, sizeof bytes, size, 0) == OK);
        MUST(memcmp(bytes, zeros, sizeof bytes) == 0);
        memset(bytes, 0x77, sizeof bytes);
        MUST(lsm_volume_io_pwrite(io, bytes, sizeof bytes - 100, size + 50, 0) == OK);
        size += sizeof bytes;
        atomic_fetch_add(&growths, 1);
        usleep(20000);
    }
    return NULL;
}

/* --- all at once ------------------------------------------------------------------------------ */

static void run_all(unsigned seconds)
{
    pthread_t threads[WRITERS + 3];
    void *(*const others[])(void *) = {clone_often, copy_often, grow};
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < WRITERS; i++)
        MUST(pthread_create(&threads[i], NULL, write_blocks, (void *)i) == 0);
    for (unsigned i = 0; i < 3; i++)
        MUST(pthread_create(&threads[WRITERS + i], NULL, others[i], NULL) == 0);
    sleep(seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS + 3; i++)
        pthread_join(threads[i], NULL);
}

static void open_source(void)
{
    world_open();
    source = world_volume("volume", "default");
    MUST(source != NULL);
    MUST(lsm_volume_io_open(world.conn, source, &io, 0) == OK);
}

static void close_source(void)
{
    MUST(lsm_volume_io_close(io, 0) == OK);
    io = NULL;
    lsm_volume_record_free(source);
    world_close();
}

static void check_source(const char *when)
{
    struct bounds bounds;
    unsigned char *bytes = malloc(STAMPS_SIZE);
    bounds_least(&bounds, &stamps);
    bounds_most(&bounds, &stamps);
    MUST(lsm_volume_io_pread(io, bytes, STAMPS_SIZE, 0, 0) == OK);
    stamps_check(bytes, when, &bounds);
    free(bytes);
}

static unsigned seconds_to_run(void)
{
    const char *given = getenv("REPLICANT_TEST_SECONDS");
    return given ? (unsigned)strtoul(given, NULL, 10) : getenv("REPLICANT_TEST_LONG") ? 300 : 8;
}

START_TEST(test_concurrency)
{
    unsigned seconds = seconds_to_run();
    stamps.seed = kill_seed();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)stamps.seed);
    fflush(stdout);
    world_begin();
    world_make_directory();
    world_open();
    world_make_volume("volume", "default", STAMPS_SIZE, LSM_VOLUME_PROVISION_THIN);
    world_close();
    for (int half = 0; half < 2; half++) { /* the second begins with what the first left */
        open_source();
        check_source("opened");
        run_all((seconds + 1) / 2);
        check_source("at rest");
        close_source();
        world_check_files();
    }
    open_source();
    check_source("at last");
    close_source();
    printf(
        "%u s: %lu writes, %lu flushes, %lu clones, %lu copies, %lu growths; every clone and copy"
        " was a state\n",
        seconds, writes, flushes, clones, copies, growths);
    world_remove_directory();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("concurrency");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test_concurrency);
    return world_run("faults-concurrency", tcase);
}
