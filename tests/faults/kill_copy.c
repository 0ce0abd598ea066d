/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An owner that copies, within a pool and to another one, and goes on writing to the source, is
 * killed at a random moment; the next one opens the root. A copy that was acknowledged is there as
 * a job, which goes on (its progress never goes back) and ends DONE; one that was not acknowledged
 * is either the same or never began. Each copy is the instant of its call, byte for byte, and the
 * source is what it was.
 *
 * The source is modelled by a version for each block of 64 KiB; 0 is a hole.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define BLOCK (64u << 10)
#define BLOCKS 512u /* 32 MiB */
#define CLUSTER 4096u
#define COPIES 64
#define AT_ONCE 3
#define RATE (16u << 20)

enum op { WRITE, FLUSH, COPY, PROGRESS };
static const char *const pools[] = {"default", "second"};

struct copy {
    uint32_t number; /* 0: none */
    uint8_t pool;
    char job[48];
    uint64_t done; /* bytes, as far as anybody saw */
    uint32_t instant[BLOCKS];
};

static uint32_t now[BLOCKS], durable[BLOCKS];
static struct {
    uint32_t block, version;
} pending[JOURNAL_MAX]; /* writes begun since the last flush */
static uint32_t pending_count, last_version, last_copy;
static struct copy copies[COPIES];
static struct {
    unsigned kills, begun, never, resumed, done, across, verified;
    uint64_t bytes;
} stats;

/* --- the model -------------------------------------------------------------------------------- */

static struct copy *find(uint32_t number)
{
    for (int i = 0; i < COPIES; i++)
        if (copies[i].number == number)
            return &copies[i];
    return NULL;
}

static unsigned unfinished(void)
{
    unsigned n = 0;
    for (int i = 0; i < COPIES; i++)
        n += copies[i].number != 0;
    return n;
}

static void add_copy(const struct entry *e, const char *job)
{
    struct copy *c = find(0);
    MUST(c != NULL);
    c->number = e->volume;
    c->pool = e->pool;
    c->done = 0;
    snprintf(c->job, sizeof c->job, "%s", job);
    memcpy(c->instant, now, sizeof now);
    memcpy(durable, now, sizeof now); /* a freeze flushes */
    pending_count = 0;
}

static void apply(const struct entry *e)
{
    if (!e->acknowledged) {
        if (e->op == WRITE) {
            pending[pending_count].block = e->first;
            pending[pending_count++].version = e->stamp;
        }
        return;
    }
    switch ((enum op)e->op) {
    case WRITE: now[e->first] = e->stamp; break;
    case FLUSH:
        memcpy(durable, now, sizeof now);
        pending_count = 0;
        break;
    case COPY:
        add_copy(e, e->id);
        stats.begun++;
        stats.across += e->pool != 0;
        break;
    case PROGRESS: {
        struct copy *c = find(e->volume);
        if (c && c->done < e->bytes)
            c->done = e->bytes;
        break;
    }
    }
}

static void block_fill(unsigned char *bytes, uint32_t block, uint32_t version)
{
    if (!version) {
        memset(bytes, 0, BLOCK);
        return;
    }
    uint64_t x = ((uint64_t)version << 32 | block) * 0x9e3779b97f4a7c15ull, word;
    for (unsigned i = 0; i < BLOCK / 8; i++) {
        word = x ^ (x >> 29) ^ version;
        memcpy(bytes + 8 * i, &word, 8);
        x = x * 6364136223846793005ull + 1442695040888963407ull;
    }
    if (version % 5 == 0) /* zeros amid data are for the mover to see */
        memset(bytes + BLOCK / 4, 0, BLOCK / 2);
}

/* --- the owner -------------------------------------------------------------------------------- */

static void intend(struct entry *e)
{
    e->acknowledged = false;
    journal_add(e);
    apply(e);
}

static void acknowledge(struct entry *e)
{
    e->acknowledged = true;
    journal_add(e);
    apply(e);
}

static lsm_volume *source_record(void)
{
    lsm_volume *source = world_volume("source", "default");
    MUST(source != NULL);
    return source;
}

static lsm_volume_io *open_source(lsm_flag flags)
{
    lsm_volume_io *io = NULL;
    lsm_volume *source = source_record();
    MUST(lsm_volume_io_open(world.conn, source, &io, flags) == OK);
    lsm_volume_record_free(source);
    return io;
}

static void write_block(lsm_volume_io *io, uint32_t block)
{
    static unsigned char bytes[BLOCK];
    struct entry e = {.op = WRITE, .first = block, .stamp = ++last_version};
    block_fill(bytes, block, e.stamp);
    intend(&e);
    MUST(lsm_volume_io_pwrite(io, bytes, BLOCK, block * (uint64_t)BLOCK, 0) == OK);
    acknowledge(&e);
}

static void flush(lsm_volume_io *io)
{
    struct entry e = {.op = FLUSH};
    intend(&e);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    acknowledge(&e);
}

static void copy(void)
{
    char name[32], *job = NULL;
    struct entry e = {.op = COPY, .volume = ++last_copy, .pool = (uint8_t)random_below(2)};
    lsm_pool *pool = world_pool(pools[e.pool]);
    lsm_volume *source = source_record(), *made = NULL;
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_rate_limit_set(options, RATE);
    if (random_below(4) == 0)
        lsm_replicate_options_verify_set(options, LSM_VERIFY_READ_BACK);
    snprintf(name, sizeof name, "copy%u", e.volume);
    intend(&e);
    MUST(lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, source, name,
                                   options, &made, &job, 0) == LSM_ERR_JOB_STARTED);
    snprintf(e.id, sizeof e.id, "%s", job);
    acknowledge(&e);
    free(job);
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
}

static void note_progress(void)
{
    for (int i = 0; i < COPIES; i++) {
        lsm_job *job = NULL;
        if (!copies[i].number)
            continue;
        MUST(lsm_job_get(world.conn, copies[i].job, &job, 0) == OK);
        struct entry e = {
            .op = PROGRESS, .volume = copies[i].number, .bytes = lsm_job_bytes_done_get(job)};
        MUST(e.bytes >= copies[i].done && e.bytes <= lsm_job_bytes_total_get(job));
        MUST(lsm_job_state_get(job) != LSM_JOB_STATE_FAILED);
        lsm_job_record_free(job);
        if (e.bytes > copies[i].done)
            acknowledge(&e);
    }
}

static void work(void)
{
    world_open();
    lsm_volume_io *io = open_source(0);
    for (unsigned turn = 0;; turn++) {
        if (unfinished() < AT_ONCE && random_below(turn ? 20 : 2) == 0)
            copy();
        for (uint32_t n = random_below(6); n > 0; n--)
            write_block(io, random_below(BLOCKS));
        if (random_below(3) == 0)
            flush(io);
        note_progress();
        usleep(10000);
    }
}

/* --- the one who looks ------------------------------------------------------------------------ */

static bool may_be(uint32_t block, const unsigned char *bytes, uint32_t cluster, uint32_t version)
{
    static unsigned char expected[BLOCK];
    block_fill(expected, block, version);
    return memcmp(bytes + cluster * CLUSTER, expected + cluster * CLUSTER, CLUSTER) == 0;
}

/* A block of the source after a kill: each of its clusters is of a version that it may have. */
static void check_doubtful(uint32_t block, const unsigned char *bytes)
{
    for (uint32_t c = 0; c < BLOCK / CLUSTER; c++) {
        bool known = may_be(block, bytes, c, durable[block]);
        for (uint32_t i = 0; !known && i < pending_count; i++)
            known = pending[i].block == block && may_be(block, bytes, c, pending[i].version);
        if (!known) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; source block %u", block);
        }
        MUST(known);
    }
}

static void check_volume(lsm_volume_io *io, const uint32_t *versions, bool doubtful)
{
    static unsigned char bytes[BLOCK], expected[BLOCK];
    MUST(lsm_volume_io_size_get(io) == BLOCKS * (uint64_t)BLOCK);
    for (uint32_t block = 0; block < BLOCKS; block++) {
        MUST(lsm_volume_io_pread(io, bytes, BLOCK, block * (uint64_t)BLOCK, 0) == OK);
        block_fill(expected, block, versions[block]);
        if (memcmp(bytes, expected, BLOCK) == 0)
            continue;
        if (!doubtful) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; block %u", block);
        }
        MUST(doubtful);
        check_doubtful(block, bytes);
    }
}

/* After a kill the blocks in doubt are written anew, so that everything is certain again. */
static void check_source(void)
{
    lsm_volume_io *io = open_source(0);
    check_volume(io, now, true);
    uint32_t doubtful = pending_count;
    for (uint32_t i = 0; i < doubtful; i++)
        if (now[pending[i].block] <= pending[i].version)
            write_block(io, pending[i].block);
    flush(io);
    check_volume(io, now, false);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

/* A copy that was asked for when the owner died: it is a job, or it is nothing. */
static void resolve(const struct entry *e)
{
    char name[32];
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    bool found = false;
    snprintf(name, sizeof name, "copy%u", e->volume);
    MUST(lsm_job_list(world.conn, NULL, NULL, &jobs, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++) {
        const char *id = lsm_job_id_get(jobs[i]);
        bool known = false;
        for (int k = 0; k < COPIES; k++)
            known = known || (copies[k].number && strcmp(copies[k].job, id) == 0);
        if (known || lsm_job_state_get(jobs[i]) >= LSM_JOB_STATE_DONE)
            continue;
        MUST(!found);
        found = true;
        add_copy(e, id);
    }
    if (count)
        lsm_job_record_array_free(jobs, count);
    stats.never += !found;
    stats.begun += found;
}

static bool is_done(const char *id)
{
    lsm_job *job = NULL;
    MUST(lsm_job_wait(world.conn, id, 1000, &job, 0) == OK);
    bool done = lsm_job_state_get(job) == LSM_JOB_STATE_DONE;
    lsm_job_record_free(job);
    return done;
}

/* What is not done is not shown. */
static void check_jobs(void)
{
    for (int i = 0; i < COPIES; i++) {
        lsm_job *job = NULL;
        if (!copies[i].number)
            continue;
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, " (copy%u)", copies[i].number);
        MUST(lsm_job_get(world.conn, copies[i].job, &job, 0) == OK);
        MUST(lsm_job_state_get(job) != LSM_JOB_STATE_FAILED);
        MUST(lsm_job_bytes_done_get(job) >= copies[i].done);
        char name[32];
        snprintf(name, sizeof name, "copy%u", copies[i].number);
        lsm_volume *made = world_volume(name, pools[copies[i].pool]);
        /* Asked after the job's state: it may have been done meanwhile. */
        if (made)
            MUST(is_done(copies[i].job));
        lsm_volume_record_free(made);
        stats.resumed += copies[i].done > 0 && lsm_job_state_get(job) != LSM_JOB_STATE_DONE;
        lsm_job_record_free(job);
        world.context[n] = '\0';
    }
}

static void finish_copy(struct copy *c)
{
    char name[32], *none = NULL, *id = strdup(c->job);
    lsm_job *job = NULL;
    lsm_volume_io *io = NULL;
    size_t n = strlen(world.context);
    snprintf(name, sizeof name, "copy%u", c->number);
    snprintf(world.context + n, sizeof world.context - n, " (%s)", name);
    MUST(lsm_job_wait(world.conn, c->job, 60000, &job, 0) == OK);
    MUST(lsm_job_state_get(job) == LSM_JOB_STATE_DONE);
    MUST(lsm_job_bytes_done_get(job) == lsm_job_bytes_total_get(job));
    lsm_volume *volume = world_volume(name, pools[c->pool]);
    MUST(volume != NULL &&
         strcmp(lsm_volume_id_get(volume), lsm_job_target_volume_id_get(job)) == 0);
    MUST(lsm_volume_parent_id_get(volume) == NULL); /* nothing is shared */
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    check_volume(io, c->instant, false);
    MUST(lsm_volume_io_close(io, 0) == OK);
    MUST(lsm_volume_delete(world.conn, volume, &none, 0) == OK);
    MUST(lsm_job_free(world.conn, &id, 0) == OK);
    stats.done++;
    stats.bytes += lsm_job_bytes_copied_get(job);
    lsm_volume_record_free(volume);
    lsm_job_record_free(job);
    c->number = 0;
    world.context[n] = '\0';
}

static void look(bool finish)
{
    uint32_t n = journal_count();
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = journal_at(i);
        apply(e);
        last_version = e->stamp > last_version ? e->stamp : last_version;
        last_copy = e->op == COPY && e->volume > last_copy ? e->volume : last_copy;
    }
    world_open();
    if (n && !journal_at(n - 1)->acknowledged && journal_at(n - 1)->op == COPY)
        resolve(journal_at(n - 1));
    check_jobs();
    check_source();
    if (finish)
        world_end_jobs();
    for (int i = 0; i < COPIES && finish; i++)
        if (copies[i].number)
            finish_copy(&copies[i]);
    world_close();
    if (finish)
        world_check_files();
    journal_clear();
}

static void make_source(void)
{
    world_open();
    world_make_pool("second");
    world_make_volume("source", "default", BLOCKS * (uint64_t)BLOCK, LSM_VOLUME_PROVISION_THIN);
    lsm_volume_io *io = open_source(0);
    for (uint32_t block = 0; block < BLOCKS; block++)
        if (random_below(2))
            write_block(io, block);
    flush(io);
    MUST(lsm_volume_io_close(io, 0) == OK);
    world_close();
    journal_clear();
}

START_TEST(test_copy)
{
    uint64_t seed = kill_seed();
    unsigned kills = kill_count(50);
    world_begin();
    journal_begin();
    world_make_directory();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    random_seed(seed);
    make_source();
    for (; stats.kills < kills; stats.kills++) {
        snprintf(world.context, sizeof world.context, "REPLICANT_TEST_SEED=%llu, kill %u",
                 (unsigned long long)seed, stats.kills);
        random_seed(seed + stats.kills);
        /* Early ones meet the beginning of copies, late ones their checkpoints. */
        uint32_t us = random_below(3) ? random_below(random_below(2) ? 25000 : 120000)
                                      : 800000 + random_below(600000);
        bool finish = random_below(4) == 0 || unfinished() > COPIES / 2;
        MUST(kill_after(work, us));
        look(finish);
    }
    look(true);
    printf(
        "%u kills; copies: %u begun, %u of them to another pool, %u unacknowledged and never"
        " begun, %u done and equal (%llu MiB of data); jobs gone on with from a checkpoint: %u\n",
        stats.kills, stats.begun, stats.across, stats.never, stats.done,
        (unsigned long long)(stats.bytes >> 20), stats.resumed);
    MUST(stats.done >= stats.begun);
    world_remove_directory();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("copy");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test_copy);
    return world_run("faults-kill-copy", tcase);
}
