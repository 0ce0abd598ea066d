/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Eight threads write to one volume at odd places, so that neighbours share clusters, and flush;
 * meanwhile others clone it, copy it, make it longer and delete clones, and its layers are folded
 * in the background.
 *
 * Each block belongs to one thread, which writes its blocks in turn, each write with the next
 * number. So a state of the volume is one number a thread: all of its writes up to that one, none
 * after. Every clone and every copy shows such a state, with at least what was acknowledged before
 * the call began and at most what was begun before it ended. A thread always reads what it wrote
 * last.
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
#include "world.h"

#define OK LSM_ERR_OK
#define WRITERS 8u
#define PER_WRITER 48u
#define BLOCKS (WRITERS * PER_WRITER)
#define BLOCK 1000u
#define SHARED_AT (6u << 20) /* a range that all write to, overlapping */
#define SHARED (256u << 10)
#define SIZE (8u << 20)
#define SIZE_MAX_GROWN (16u << 20)

static lsm_volume *source;
static lsm_volume_io *io;
static _Atomic uint32_t begun[WRITERS], acknowledged[WRITERS];
static atomic_bool stop;
static atomic_ulong clones, copies, writes, growths, flushes;
static uint64_t seed;

static uint64_t place(uint32_t block)
{
    return block * (uint64_t)BLOCK + block / 5 * 9000u;
}

static uint32_t owner(uint32_t block)
{
    return block % WRITERS;
}

static void fill(unsigned char *bytes, uint32_t block, uint32_t number)
{
    uint64_t x = ((uint64_t)number << 32 | block) * 0x9e3779b97f4a7c15ull, word;
    memset(bytes, 0, BLOCK);
    for (unsigned i = 0; number && i < BLOCK / 8; i++) {
        word = x ^ (x >> 29) ^ number;
        memcpy(bytes + 8 * i, &word, 8);
        x = x * 6364136223846793005ull + 1442695040888963407ull;
    }
    if (number)
        memcpy(bytes, &number, 4);
}

static uint32_t dice(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33) % n;
}

/* The number that the writer's k-th block (of its own) has when it has written up to `number`:
 * numbers count from 1, and block k gets k + 1, k + 1 + PER_WRITER, … */
static uint32_t number_of(uint32_t k, uint32_t number)
{
    return number <= k ? 0 : number - (number - (k + 1)) % PER_WRITER;
}

/* --- a state ---------------------------------------------------------------------------------- */

struct bounds {
    uint32_t at_least[WRITERS], at_most[WRITERS];
};

static void note_least(struct bounds *bounds)
{
    for (uint32_t w = 0; w < WRITERS; w++)
        bounds->at_least[w] = atomic_load(&acknowledged[w]);
}

static void note_most(struct bounds *bounds)
{
    for (uint32_t w = 0; w < WRITERS; w++)
        bounds->at_most[w] = atomic_load(&begun[w]);
}

static void explain(const char *what, uint32_t block, uint32_t found, uint32_t number,
                    const struct bounds *bounds)
{
    uint32_t w = owner(block);
    snprintf(
        world.context, sizeof world.context,
        "REPLICANT_TEST_SEED=%llu: %s: block %u has %u, its writer is at %u; between %u and %u",
        (unsigned long long)seed, what, block, found, number, bounds->at_least[w],
        bounds->at_most[w]);
}

static void check_state(const unsigned char *bytes, const char *what, const struct bounds *bounds)
{
    unsigned char expected[BLOCK];
    for (uint32_t w = 0; w < WRITERS; w++) {
        uint32_t number = 0, found;
        for (uint32_t k = 0; k < PER_WRITER; k++) {
            memcpy(&found, bytes + place(k * WRITERS + w), 4);
            number = found > number ? found : number;
        }
        for (uint32_t k = 0; k < PER_WRITER; k++) {
            uint32_t block = k * WRITERS + w;
            memcpy(&found, bytes + place(block), 4);
            fill(expected, block, number_of(k, number));
            explain(what, block, found, number, bounds);
            MUST(memcmp(bytes + place(block), expected, BLOCK) == 0);
        }
        MUST(number >= bounds->at_least[w]);
        MUST(number <= bounds->at_most[w]);
    }
    for (uint32_t i = 0; i < SHARED; i++)
        MUST(bytes[SHARED_AT + i] <= WRITERS);
    world.context[0] = '\0';
}

static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER; /* of world.context */

static void check_volume(lsm_volume *volume, const char *what, const struct bounds *bounds)
{
    lsm_volume_io *clone = NULL;
    unsigned char *bytes = malloc(SIZE);
    MUST(lsm_volume_io_open(world.conn, volume, &clone, 0) == OK);
    MUST(lsm_volume_io_pread(clone, bytes, SIZE, 0, 0) == OK);
    pthread_mutex_lock(&checking);
    check_state(bytes, what, bounds);
    pthread_mutex_unlock(&checking);
    /* It is a volume of its own: what is written to it is not seen by the source. */
    memset(bytes, 0xff, 5000);
    MUST(lsm_volume_io_pwrite(clone, bytes, 5000, place(3) - 700, 0) == OK);
    MUST(lsm_volume_io_close(clone, 0) == OK);
    free(bytes);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void write_shared(uint64_t *state, uint32_t w)
{
    unsigned char bytes[20000];
    uint32_t count = 1 + dice(state, sizeof bytes);
    memset(bytes, (int)w + 1, count);
    MUST(lsm_volume_io_pwrite(io, bytes, count, SHARED_AT + dice(state, SHARED - count), 0) == OK);
}

static void read_back(uint32_t w, uint32_t number, uint32_t k)
{
    unsigned char bytes[BLOCK], expected[BLOCK];
    uint32_t block = k * WRITERS + w;
    fill(expected, block, number_of(k, number));
    MUST(lsm_volume_io_pread(io, bytes, BLOCK, place(block), 0) == OK);
    MUST(memcmp(bytes, expected, BLOCK) == 0);
}

static void *write_blocks(void *argument)
{
    uint32_t w = (uint32_t)(uintptr_t)argument, number = atomic_load(&acknowledged[w]);
    uint64_t state = seed + w;
    unsigned char bytes[BLOCK];
    while (!atomic_load(&stop)) {
        uint32_t block = number++ % PER_WRITER * WRITERS + w;
        fill(bytes, block, number);
        atomic_store(&begun[w], number);
        MUST(lsm_volume_io_pwrite(io, bytes, BLOCK, place(block), 0) == OK);
        atomic_store(&acknowledged[w], number);
        atomic_fetch_add(&writes, 1);
        if (dice(&state, 4) == 0)
            read_back(w, number, dice(&state, PER_WRITER));
        if (dice(&state, 16) == 0)
            write_shared(&state, w);
        if (dice(&state, 64) == 0) {
            MUST(lsm_volume_io_flush(io, 0) == OK);
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
        note_least(&bounds);
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name,
                                  &clone, &job, 0) == OK);
        note_most(&bounds);
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
        note_least(&bounds);
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, name, &none,
                                  &id, 0) == LSM_ERR_JOB_STARTED);
        note_most(&bounds);
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
    unsigned char *bytes = malloc(SIZE);
    note_least(&bounds);
    note_most(&bounds);
    MUST(lsm_volume_io_pread(io, bytes, SIZE, 0, 0) == OK);
    check_state(bytes, when, &bounds);
    free(bytes);
}

static unsigned seconds_to_run(void)
{
    const char *given = getenv("REPLICANT_TEST_SECONDS");
    return given ? (unsigned)strtoul(given, NULL, 10) : getenv("REPLICANT_TEST_LONG") ? 300 : 8;
}

START_TEST(test_concurrency)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    unsigned seconds = seconds_to_run();
    seed = kill_seed();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    world_begin();
    world_make_directory();
    world_open();
    lsm_pool *pool = world_pool("default");
    MUST(lsm_volume_create(world.conn, pool, "volume", SIZE, LSM_VOLUME_PROVISION_THIN, &made, &job,
                           0) == OK);
    lsm_volume_record_free(made);
    lsm_pool_record_free(pool);
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
    Suite *suite = suite_create("faults-concurrency");
    TCase *tcase = tcase_create("concurrency");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test_concurrency);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
