/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Years in the life of one volume: a writer that goes on all the time, a mirror whose intervals
 * follow one another, clones that come and go, now and then a copy, a new size, a pause, a new
 * owner. When the first tenth is over everything has the size that it will have at the end:
 *
 *     stacks, layer files, the bytes in them    waited for, as the background is what keeps them
 *     rows of each table of the catalogs        counted when the root is closed
 *     the catalogs' files, descriptors, threads, memory
 *     each verb's time                          as system calls: the median of the last tenth of
 *                                               its calls against that of the first
 *
 *     REPLICANT_TEST_ROUNDS=n    how many intervals
 */
#include <check.h>
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "counting.h"
#include "deep_stack.h"
#include "failing.h"
#include "kill.h"
#include "stamps.h"

#define OK LSM_ERR_OK
#define WRITES 24u /* a round */
#define CLONES 3u  /* that are there at once */
#define TABLES 12
#define DEEPEST 8     /* of what is a volume's alone, and its clones */
#define AWAITED_S 120 /* until what the background owes is missed */

static const char *const pools[] = {"default", "second"};
#define POOLS 2

static struct stamps stamps;
static lsm_volume *source, *target, *clones[CLONES];
static char id[80]; /* of the relation */
static unsigned char bytes[STAMPS_SIZE], others[STAMPS_SIZE];

/* --- the writer ------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    lsm_volume_io *io;
    unsigned wanted, done;
    bool stop;
    pthread_t thread;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void write_one(unsigned number, uint64_t *dice)
{
    stamp_write(&stamps, writer.io, number % WRITERS, dice);
    if (number % 16 == 15)
        stamp_flush(&stamps, writer.io, number % WRITERS);
}

static void *write_on(void *argument)
{
    uint64_t dice = stamps.seed;
    counting_as(WRITER);
    pthread_mutex_lock(&writer.lock);
    while (!writer.stop) {
        if (writer.done == writer.wanted) {
            pthread_cond_wait(&writer.changed, &writer.lock);
            continue;
        }
        pthread_mutex_unlock(&writer.lock);
        write_one(writer.done, &dice);
        pthread_mutex_lock(&writer.lock);
        writer.done++;
        pthread_cond_broadcast(&writer.changed);
    }
    pthread_mutex_unlock(&writer.lock);
    return argument;
}

static void ask_for_writes(unsigned count)
{
    pthread_mutex_lock(&writer.lock);
    writer.wanted += count;
    pthread_cond_broadcast(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
}

static void await_writes(unsigned left)
{
    pthread_mutex_lock(&writer.lock);
    while (writer.wanted - writer.done > left)
        pthread_cond_wait(&writer.changed, &writer.lock);
    pthread_mutex_unlock(&writer.lock);
}

/* --- what each verb takes --------------------------------------------------------------------- */

enum verb { CLONE, SHIP, DELETE, COPY, RESIZE, PAUSE, RESUME, BACKGROUND, VERBS };
static const char *const verb_names[VERBS] = {"clone",  "ship",  "delete", "copy",
                                              "resize", "pause", "resume", "background"};

static struct {
    uint32_t *calls, *us;
    unsigned count;
} taken[VERBS];
static unsigned rounds; /* no verb is taken more often */

static uint64_t calls_before, ns_before;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t calls_now(void) /* no other job runs beside a verb */
{
    return counting_of(CALLER) + counting_of(WORKERS);
}

/* From the start, so that it is no memory that grows. */
static void make_room(void)
{
    for (int verb = 0; verb < VERBS; verb++) {
        MUST((taken[verb].calls = calloc(rounds + 1, sizeof(uint32_t))) != NULL);
        MUST((taken[verb].us = calloc(rounds + 1, sizeof(uint32_t))) != NULL);
    }
}

static void keep(enum verb verb, uint64_t calls, uint64_t ns)
{
    MUST(taken[verb].count <= rounds);
    taken[verb].calls[taken[verb].count] = (uint32_t)calls;
    taken[verb].us[taken[verb].count++] = (uint32_t)(ns / 1000);
}

static void begin_verb(void)
{
    calls_before = calls_now();
    ns_before = now_ns();
}

static void end_verb(enum verb verb)
{
    keep(verb, calls_now() - calls_before, now_ns() - ns_before);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t median(const uint32_t *numbers, unsigned count)
{
    uint32_t *sorted = malloc(count * sizeof *sorted), middle;
    MUST(sorted != NULL);
    memcpy(sorted, numbers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_number);
    middle = sorted[count / 2];
    free(sorted);
    return middle;
}

/* After a warm-up of a tenth, the next tenth is the first. */
static void check_verb(enum verb verb)
{
    unsigned n = taken[verb].count, tenth = n / 10 ? n / 10 : 1;
    const uint32_t *calls = taken[verb].calls, *us = taken[verb].us;
    uint32_t first = median(calls + tenth, tenth), last = median(calls + n - tenth, tenth);
    printf("  %-10s %6u times: system calls %4u, then %4u; us %5u, then %5u\n", verb_names[verb], n,
           first, last, median(us + tenth, tenth), median(us + n - tenth, tenth));
    snprintf(world.context, sizeof world.context, "%s: %u system calls, then %u", verb_names[verb],
             first, last);
    /* What the background has come to by the end of a round is luck. */
    MUST(last <= (verb == BACKGROUND ? 2 * first : first + first / 8) + 8);
}

/* --- what is there ---------------------------------------------------------------------------- */

enum size {
    SOURCE_DEPTH,
    TARGET_DEPTH,
    FILES,
    KIB_ALLOCATED,
    KIB_CATALOGS,
    KIB_WALS,
    DESCRIPTORS,
    THREADS,
    KIB_MEMORY,
    KIB_CLOSED,
    JOBS,
    SIZES
};

/* What may be more than after the warm-up: what lies between two rounds of the background, and a
 * volume's worth of data. */
static const struct {
    const char *name;
    uint64_t slack;
} kinds[SIZES] = {
    [SOURCE_DEPTH] = {"source's depth", 2},
    [TARGET_DEPTH] = {"target's depth", 2},
    [FILES] = {"layer files", 24},
    [KIB_ALLOCATED] = {"KiB in them", 2048},
    [KIB_CATALOGS] = {"KiB of catalogs", 64},
    [KIB_WALS] = {"KiB of WALs", 16384},
    [DESCRIPTORS] = {"descriptors", 12},
    [THREADS] = {"threads", 4},
    [KIB_MEMORY] = {"KiB of memory", 128},
    [KIB_CLOSED] = {"KiB when closed", 16},
    [JOBS] = {"jobs", 0},
};

struct rows {
    unsigned tables;
    struct {
        char name[48]; /* of its pool, too */
        int64_t count;
    } of[2 * TABLES];
};

static uint64_t closed; /* KiB of memory when the root was closed last */
static uint64_t sizes[SIZES], warm[SIZES], highest[SIZES];
static struct rows rows_now, rows_warm;

static uint64_t entries(const char *path)
{
    uint64_t n = 0;
    DIR *directory = opendir(path);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(directory);
    return n;
}

static uint64_t kib_of(const char *pool, const char *file)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s/%s", world.directory, pool, file);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size / 1024 : 0;
}

static void count_layers(const char *pool)
{
    char path[600];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s/layers", world.directory, pool);
    DIR *directory = opendir(path);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s/layers/%s", world.directory, pool, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0) /* it may go right now */
            continue;
        sizes[FILES]++;
        sizes[KIB_ALLOCATED] += (uint64_t)st.st_blocks / 2;
    }
    closedir(directory);
}

static uint32_t depth_of(lsm_volume *volume)
{
    lsm_volume **found = NULL;
    uint32_t count = 0;
    MUST(lsm_volume_list(world.conn, "id", lsm_volume_id_get(volume), &found, &count, 0) == OK);
    MUST(count == 1);
    uint32_t depth = lsm_volume_depth_get(found[0]);
    lsm_volume_record_array_free(found, count);
    return depth;
}

static uint64_t jobs_remembered(void)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    MUST(lsm_job_list(world.conn, NULL, NULL, &jobs, &count, 0) == OK);
    if (count)
        lsm_job_record_array_free(jobs, count);
    return count;
}

/* The sanitizers' allocators keep for a while what was freed. */
static uint64_t memory_in_use(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

static void look(void)
{
    memset(sizes, 0, sizeof sizes);
    sizes[SOURCE_DEPTH] = depth_of(source);
    sizes[TARGET_DEPTH] = depth_of(target);
    for (int i = 0; i < POOLS; i++) {
        count_layers(pools[i]);
        sizes[KIB_CATALOGS] += kib_of(pools[i], "pool.db");
        sizes[KIB_WALS] += kib_of(pools[i], "pool.db-wal");
    }
    sizes[DESCRIPTORS] = entries("/proc/self/fd");
    sizes[THREADS] = entries("/proc/self/task");
    sizes[JOBS] = jobs_remembered();
    sizes[KIB_MEMORY] = memory_in_use() / 1024;
    sizes[KIB_CLOSED] = closed;
}

/* Nothing is asked of it now, so the background comes to its end. */
static bool is_flat(void)
{
    look();
    snprintf(world.context, sizeof world.context, "depths: %llu and %llu",
             (unsigned long long)sizes[SOURCE_DEPTH], (unsigned long long)sizes[TARGET_DEPTH]);
    for (int i = 0; warm[THREADS] && i < SIZES; i++)
        if (sizes[i] > warm[i] + kinds[i].slack) {
            snprintf(world.context, sizeof world.context, "%s: %llu, %llu after the warm-up",
                     kinds[i].name, (unsigned long long)sizes[i], (unsigned long long)warm[i]);
            return false;
        }
    return sizes[SOURCE_DEPTH] <= DEEPEST && sizes[TARGET_DEPTH] <= DEEPEST;
}

static void await_flat(void)
{
    uint64_t end = now_ns() + AWAITED_S * 1000000000ull;
    while (!is_flat()) {
        MUST(now_ns() < end);
        usleep(1000);
    }
    for (int i = 0; i < SIZES; i++)
        highest[i] = sizes[i] > highest[i] ? sizes[i] : highest[i];
}

/* --- rows ------------------------------------------------------------------------------------- */

static void count_table(sqlite3 *db, const char *pool, const char *table)
{
    char sql[200];
    sqlite3_stmt *s;
    MUST(rows_now.tables < sizeof rows_now.of / sizeof *rows_now.of);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    MUST(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    MUST(sqlite3_step(s) == SQLITE_ROW);
    rows_now.of[rows_now.tables].count = sqlite3_column_int64(s, 0);
    snprintf(rows_now.of[rows_now.tables++].name, sizeof rows_now.of->name, "%s.%s", pool, table);
    sqlite3_finalize(s);
}

static void count_pool(const char *pool)
{
    char path[300];
    sqlite3 *db;
    sqlite3_stmt *s;
    snprintf(path, sizeof path, "%s/%s/pool.db", world.directory, pool);
    MUST(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    MUST(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
                            -1, &s, NULL) == SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        count_table(db, pool, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
}

/* How many spare layers there are is between two bounds. */
static int64_t rows_slack(const char *name)
{
    return strcmp(strchr(name, '.'), ".layer") == 0 ? 12 : 0;
}

/* The root is closed. */
static void check_rows(void)
{
    rows_now.tables = 0;
    for (int i = 0; i < POOLS; i++)
        count_pool(pools[i]);
    for (unsigned i = 0; i < rows_warm.tables; i++) {
        snprintf(world.context, sizeof world.context, "%s: %lld rows, %lld after the warm-up",
                 rows_now.of[i].name, (long long)rows_now.of[i].count,
                 (long long)rows_warm.of[i].count);
        MUST(rows_now.of[i].count <= rows_warm.of[i].count + rows_slack(rows_now.of[i].name));
    }
}

/* --- verbs ------------------------------------------------------------------------------------ */

static void read_all(lsm_volume *volume, unsigned char *into)
{
    lsm_volume_io *io = NULL;
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(io, into, STAMPS_SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void check_bytes(lsm_volume *volume, const char *what, const struct bounds *bounds)
{
    read_all(volume, bytes);
    stamps_check(bytes, what, bounds);
}

static void end_job(char *job)
{
    lsm_job *ended = world_job_end(job);
    MUST(lsm_job_state_get(ended) == LSM_JOB_STATE_DONE);
    lsm_job_record_free(ended);
}

static void delete_volume(lsm_volume *volume)
{
    char *job = NULL;
    MUST(lsm_volume_delete(world.conn, volume, &job, 0) == OK);
    lsm_volume_record_free(volume);
}

static void make_clone(unsigned round, bool looked_at)
{
    char name[32], *job = NULL;
    struct bounds bounds;
    lsm_volume **place = &clones[round % CLONES];
    snprintf(name, sizeof name, "clone%u", round);
    if (*place) {
        begin_verb();
        delete_volume(*place);
        end_verb(DELETE);
        *place = NULL;
    }
    bounds_least(&bounds, &stamps);
    begin_verb();
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name, place,
                              &job, 0) == OK);
    end_verb(CLONE);
    bounds_most(&bounds, &stamps);
    if (looked_at)
        check_bytes(*place, name, &bounds);
}

/* Something was written since the last one, so there is something to ship. */
static void ship(bool looked_at)
{
    char *job = NULL;
    struct bounds bounds;
    bounds_least(&bounds, &stamps);
    begin_verb();
    MUST(lsm_replication_sync(world.conn, id, &job, 0) == LSM_ERR_JOB_STARTED);
    bounds_most(&bounds, &stamps);
    end_job(job);
    end_verb(SHIP);
    free(job);
    if (looked_at)
        check_bytes(target, "target", &bounds);
}

static void copy(unsigned round)
{
    char name[32], *job = NULL;
    struct bounds bounds;
    lsm_volume *none = NULL, **made = NULL;
    uint32_t count = 0;
    lsm_pool *pool = world_pool(pools[round % POOLS]);
    snprintf(name, sizeof name, "copy%u", round);
    bounds_least(&bounds, &stamps);
    begin_verb();
    MUST(lsm_volume_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, source, name, &none,
                              &job, 0) == LSM_ERR_JOB_STARTED);
    bounds_most(&bounds, &stamps);
    end_job(job);
    end_verb(COPY);
    MUST(lsm_job_volume_list(world.conn, job, &made, &count, 0) == OK && count == 1);
    check_bytes(made[0], name, &bounds);
    delete_volume(lsm_volume_record_copy(made[0]));
    lsm_volume_record_array_free(made, count);
    MUST(lsm_job_free(world.conn, &job, 0) == OK);
    lsm_pool_record_free(pool);
}

/* Of a clone, which nobody has open: longer, and as long as it was. */
static void resize(lsm_volume *volume)
{
    begin_verb();
    for (int longer = 1; longer >= 0; longer--) {
        lsm_volume *resized = NULL;
        char *job = NULL;
        MUST(lsm_volume_resize(world.conn, volume, STAMPS_SIZE + (unsigned)longer * 65536u,
                               &resized, &job, 0) == OK);
        lsm_volume_record_free(resized);
    }
    end_verb(RESIZE);
}

static void pause_and_resume(void)
{
    char *job = NULL;
    begin_verb();
    MUST(lsm_replication_pause(world.conn, id, 0) == OK);
    end_verb(PAUSE);
    ask_for_writes(8);
    await_writes(0);
    begin_verb();
    MUST(lsm_replication_resume(world.conn, id, 0) == OK);
    int code = lsm_replication_sync(world.conn, id, &job, 0);
    MUST(code == LSM_ERR_JOB_STARTED || code == LSM_ERR_NO_STATE_CHANGE);
    if (job)
        end_job(job);
    end_verb(RESUME);
    free(job);
    MUST(world_replication_state(id) == LSM_REPLICATION_STATE_IN_SYNC);
}

/* --- a life ----------------------------------------------------------------------------------- */

static void open_io(void)
{
    pthread_mutex_lock(&writer.lock);
    MUST(lsm_volume_io_open(world.conn, source, &writer.io, 0) == OK);
    pthread_mutex_unlock(&writer.lock);
}

static void close_io(void)
{
    pthread_mutex_lock(&writer.lock);
    MUST(lsm_volume_io_close(writer.io, 0) == OK);
    writer.io = NULL;
    pthread_mutex_unlock(&writer.lock);
}

static void reopen(void)
{
    close_io();
    world_close();
    closed = memory_in_use() / 1024;
    check_rows();
    world_open();
    open_io();
}

static void mirror(void)
{
    char *job = NULL;
    lsm_volume *none = NULL;
    lsm_pool *pool = world_pool("second");
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    MUST(lsm_replicate_options_interval_set(options, 0) == OK);
    MUST(lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, source,
                                   "target", options, &none, &job, 0) == LSM_ERR_JOB_STARTED);
    end_job(job);
    MUST(lsm_job_free(world.conn, &job, 0) == OK);
    lsm_replicate_options_free(options);
    lsm_pool_record_free(pool);
    world_relation_id(id);
    target = world_volume("target", "second");
}

/* All that is ever written to holds something from the start. */
static void begin(void)
{
    world_make_directory();
    world_open();
    world_make_pool("second");
    world_make_volume("source", "default", STAMPS_SIZE, LSM_VOLUME_PROVISION_THIN);
    source = world_volume("source", "default");
    open_io();
    memset(bytes, 1, SHARED);
    MUST(lsm_volume_io_pwrite(writer.io, bytes, SHARED, SHARED_AT, 0) == OK);
    MUST(pthread_create(&writer.thread, NULL, write_on, NULL) == 0);
    ask_for_writes(BLOCKS);
    await_writes(0);
    mirror();
}

static void round_of(unsigned round)
{
    bool looked_at = round % 50 == 0;
    uint64_t background = counting_of(CHORES);
    char text[32];
    ask_for_writes(WRITES);
    await_writes(WRITES / 2);
    make_clone(round, looked_at);
    ship(looked_at);
    snprintf(text, sizeof text, "%u", round);
    MUST(lsm_volume_tag_set(world.conn, source, "round", text, 0) == OK);
    if (round % 10 == 3)
        resize(clones[round % CLONES]);
    if (round % 20 == 7)
        pause_and_resume();
    if (round % 25 == 11)
        copy(round);
    await_writes(0);
    keep(BACKGROUND, counting_of(CHORES) - background, 0);
}

static void live(void)
{
    for (unsigned round = 0; round < rounds; round++) {
        round_of(round);
        if ((round + 1) % (rounds / 10) != 0)
            continue;
        await_flat();
        if (round < rounds / 2) /* the last owner lives longest: what a new one mends is seen */
            reopen();
        if (round + 1 == rounds / 10) { /* the warm-up is over */
            memcpy(warm, sizes, sizeof warm);
            warm[KIB_CLOSED] = closed;
            rows_warm = rows_now;
        }
    }
}

/* Both sides are the same, and then nothing is held. */
static void end(void)
{
    struct bounds bounds;
    ask_for_writes(1);
    await_writes(0);
    ship(false);
    bounds_least(&bounds, &stamps);
    bounds_most(&bounds, &stamps);
    check_bytes(target, "the target in the end", &bounds);
    memcpy(others, bytes, sizeof bytes);
    check_bytes(source, "the source in the end", &bounds);
    MUST(memcmp(bytes, others, sizeof bytes) == 0);
    pthread_mutex_lock(&writer.lock);
    writer.stop = true;
    pthread_cond_broadcast(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
    MUST(pthread_join(writer.thread, NULL) == 0);
    close_io();
    MUST(lsm_replication_break(world.conn, id, 0) == OK);
    world_close();
    world_check_files();
    world_open();
    read_all(source, bytes);
    MUST(memcmp(bytes, others, sizeof bytes) == 0);
    read_all(target, bytes);
    MUST(memcmp(bytes, others, sizeof bytes) == 0);
    for (unsigned i = 0; i < CLONES && clones[i]; i++)
        delete_volume(clones[i]);
    delete_volume(source);
    delete_volume(target);
    world_close();
    world_check_files();
    world_remove_directory();
}

static unsigned rounds_to_live(void)
{
    const char *given = getenv("REPLICANT_TEST_ROUNDS");
    unsigned n = given                           ? (unsigned)strtoul(given, NULL, 10)
                 : getenv("REPLICANT_TEST_LONG") ? 10000
                                                 : 1000;
    return n < 100 ? 100 : n;
}

START_TEST(everything_stays_as_it_was)
{
    rounds = rounds_to_live();
    stamps.seed = kill_seed();
    make_room();
    counting_install();
    counting_as(CALLER);
    begin();
    printf("REPLICANT_TEST_SEED=%llu: %u intervals and clones\n", (unsigned long long)stamps.seed,
           rounds);
    live();
    for (int i = 0; i < SIZES; i++)
        printf("  %-16s %6llu after the warm-up, at most %6llu, at last %6llu\n", kinds[i].name,
               (unsigned long long)warm[i], (unsigned long long)highest[i],
               (unsigned long long)sizes[i]);
    for (int verb = 0; verb < VERBS; verb++)
        check_verb((enum verb)verb);
    end();
}
END_TEST

/* A target that cannot be written for years is tried again at each interval. */
START_TEST(ships_that_fail_are_forgotten)
{
    make_room();
    failing_install();
    begin();
    failing_within("/second/layers/");
    for (int i = 0; i < 20; i++) {
        char *job = NULL;
        struct outcome outcome;
        ask_for_writes(1);
        await_writes(0);
        failing_arm_at(FAULT_EIO, "pwrite", ".raw", 1, true);
        MUST(lsm_replication_sync(world.conn, id, &job, 0) == LSM_ERR_JOB_STARTED);
        MUST(world_outcome_of_job(job, &outcome) == LSM_ERR_IO);
        failing_disarm();
        free(job);
    }
    MUST(world_replication_state(id) == LSM_REPLICATION_STATE_DEGRADED);
    MUST(jobs_remembered() <= 2);
    MUST(depth_of(target) <= DEEPEST);
    end();
}
END_TEST

/* What each thread's cache in malloc keeps would be counted as in use. */
static void without_malloc_caches(char **argv)
{
    if (getenv("GLIBC_TUNABLES"))
        return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    (void)argc;
    without_malloc_caches(argv);
    TCase *tcase = tcase_create("long_life");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, everything_stays_as_it_was);
    tcase_add_test(tcase, ships_that_fail_are_forgotten);
    deep_stack_add(tcase);
    return world_run("faults-long-life", tcase);
}
