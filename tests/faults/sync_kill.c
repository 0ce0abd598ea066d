/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An owner with a synchronous mirror writes, flushes, pauses, resumes, promotes, reverses, breaks
 * and mirrors anew at random, now and then over a target that fails, and is killed at a random
 * moment. The next one looks: what was flushed is there, two sides that are said to be in sync are
 * equal, and whatever was under way can be brought to be in sync. In rounds of nothing but writes
 * the source's pool is lost as well, and the target promoted by force must have all that had been
 * flushed; that pool comes back, as the crash left it, and gets what the target has.
 *
 * The model is that of kill_journal.c, for one volume: a stamp for each sector, as it was written
 * last, as it was flushed last, and the writes begun since.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing.h"
#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define SECTOR 512u
#define SECTORS (10u << 11) /* 10 MiB: three regions of the intent log */
#define LOG_MAX 40000u
#define STATE(name) LSM_REPLICATION_STATE_##name

enum op { WRITE, FLUSH, ACTIVE };
static const char *const pools[] = {"default", "second"};

static struct {
    uint32_t now[SECTORS], durable[SECTORS];
    struct {
        uint32_t first, count, stamp;
    } log[LOG_MAX];
    uint32_t logged;
    uint8_t active; /* the pool of the side that is written to */
} model;

static uint32_t last_stamp;
static bool steady;
static unsigned char side[2][SECTORS * SECTOR], promoted[SECTORS * SECTOR];
static unsigned found_in[8], disasters, flushed;

/* --- the model -------------------------------------------------------------------------------- */

static void settle(void)
{
    memcpy(model.durable, model.now, sizeof model.now);
    model.logged = 0;
}

static void apply(const struct entry *e)
{
    if (!e->acknowledged && e->op == WRITE) {
        MUST(model.logged < LOG_MAX);
        model.log[model.logged].first = e->first;
        model.log[model.logged].count = e->count;
        model.log[model.logged++].stamp = e->stamp;
    }
    if (!e->acknowledged)
        return;
    flushed += e->op == FLUSH;
    if (e->op == WRITE)
        for (uint32_t i = 0; i < e->count; i++)
            model.now[e->first + i] = e->stamp;
    if (e->op == FLUSH)
        settle();
    if (e->op == ACTIVE)
        model.active = e->pool;
}

static void say(struct entry *e, bool acknowledged)
{
    e->acknowledged = acknowledged;
    journal_add(e);
    apply(e);
}

static void sector_fill(unsigned char *bytes, uint32_t sector, uint32_t stamp)
{
    uint64_t x = ((uint64_t)stamp << 32 | sector) * 0x9e3779b97f4a7c15ull;
    memset(bytes, 0, SECTOR);
    for (unsigned i = 0; stamp && i < SECTOR / 8; i++, x = x * 6364136223846793005ull + stamp)
        memcpy(bytes + 8 * i, &(uint64_t){x ^ (x >> 29)}, 8);
}

/* Which stamp a sector has, of those that it may have. */
static uint32_t recognize(uint32_t sector, const unsigned char *bytes)
{
    unsigned char expected[SECTOR];
    sector_fill(expected, sector, model.now[sector]);
    if (memcmp(bytes, expected, SECTOR) == 0)
        return model.now[sector];
    sector_fill(expected, sector, model.durable[sector]);
    if (memcmp(bytes, expected, SECTOR) == 0)
        return model.durable[sector];
    for (uint32_t i = model.logged; i-- > 0;) {
        if (sector - model.log[i].first >= model.log[i].count)
            continue;
        sector_fill(expected, sector, model.log[i].stamp);
        if (memcmp(bytes, expected, SECTOR) == 0)
            return model.log[i].stamp;
    }
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n,
             "; sector %u is neither stamp %u nor the durable %u", sector, model.now[sector],
             model.durable[sector]);
    MUST(!"a sector that may be there");
    return 0;
}

/* --- the relation ----------------------------------------------------------------------------- */

static int state_of(lsm_replication *r)
{
    return r ? (int)lsm_replication_state_get(r) : 0;
}

static int state(void)
{
    lsm_replication *r = world_relation();
    int now = state_of(r);
    if (r)
        lsm_replication_record_free(r);
    return now;
}

/* 0 or 1: the pool of the volume with that id; -1: it is in none that is here. */
static int pool_of(const char *id)
{
    for (int i = 0; i < 2; i++) {
        lsm_volume *volume = world_volume("src", pools[i]);
        bool is = volume && strcmp(lsm_volume_id_get(volume), id) == 0;
        if (volume)
            lsm_volume_record_free(volume);
        if (is)
            return i;
    }
    return -1;
}

static int pool_of_source(lsm_replication *r)
{
    return pool_of(lsm_replication_source_volume_id_get(r));
}

static void begin_mirror(uint8_t from, uint64_t rate)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_pool *pool = world_pool(pools[!from]);
    lsm_volume *source = world_volume("src", pools[from]), *made = NULL;
    char *job = NULL;
    MUST(source != NULL);
    lsm_replicate_options_rate_limit_set(options, rate);
    MUST(lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC, source,
                                   "src", options, &made, &job, 0) == LSM_ERR_JOB_STARTED);
    free(job);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
    lsm_replicate_options_free(options);
}

static void delete_volume(lsm_volume *volume)
{
    char *job = NULL;
    int code;
    for (int i = 0; (code = lsm_volume_delete(world.conn, volume, &job, 0)) != OK; i++) {
        MUST(i < 2000 && (code == LSM_ERR_IS_MASKED || code == LSM_ERR_HAS_CHILD_DEPENDENCY));
        usleep(1000);
    }
    lsm_volume_record_free(volume);
}

/* --- the owner -------------------------------------------------------------------------------- */

static lsm_volume_io *writer;
static char failing_files[260];

static void writer_close(void)
{
    if (writer)
        MUST(lsm_volume_io_close(writer, 0) == OK);
    writer = NULL;
}

static void writer_open(void)
{
    lsm_volume *volume = world_volume("src", pools[model.active]);
    MUST(volume != NULL);
    if (!writer)
        MUST(lsm_volume_io_open(world.conn, volume, &writer, 0) == OK);
    lsm_volume_record_free(volume);
}

static void write_once(void)
{
    static unsigned char bytes[3u << 20];
    struct entry e = {.op = WRITE, .first = random_below(SECTORS)};
    e.count = 1 + random_below(random_below(10) ? 40 : 5000);
    if (e.count > SECTORS - e.first)
        e.count = SECTORS - e.first;
    e.stamp = random_below(5) ? ++last_stamp : 0;
    for (uint32_t i = 0; i < e.count; i++)
        sector_fill(bytes + i * SECTOR, e.first + i, e.stamp);
    uint64_t offset = e.first * (uint64_t)SECTOR, count = e.count * (uint64_t)SECTOR;
    say(&e, false);
    if (e.stamp)
        MUST(lsm_volume_io_pwrite(writer, bytes, count, offset, 0) == OK);
    else if (random_below(2))
        MUST(lsm_volume_io_write_zeroes(writer, count, offset, 0) == OK);
    else
        MUST(lsm_volume_io_discard(writer, count, offset, 0) == OK);
    say(&e, true);
}

static void flush_once(void)
{
    struct entry e = {.op = FLUSH};
    say(&e, false);
    MUST(lsm_volume_io_flush(writer, 0) == OK);
    say(&e, true);
}

static void writes(unsigned n)
{
    writer_open();
    for (; n > 0; n--) {
        write_once();
        if (random_below(7) == 0)
            flush_once();
    }
}

static void active(uint8_t pool)
{
    struct entry e = {.op = ACTIVE, .pool = pool};
    say(&e, true);
}

/* States change by themselves, so a verb may come too late. */
static bool done(int code)
{
    MUST(code == OK || code == LSM_ERR_JOB_STARTED || code == LSM_ERR_BUSY ||
         code == LSM_ERR_STATE || code == LSM_ERR_NO_STATE_CHANGE);
    return code == OK || code == LSM_ERR_JOB_STARTED;
}

/* The target's files fail for some writes, and then work again. */
static void fail_target(void)
{
    snprintf(failing_files, sizeof failing_files, "%s/%s/", world.directory, pools[!model.active]);
    failing_within(failing_files);
    failing_arm(random_below(2) ? FAULT_EIO : FAULT_ENOSPC, 1 + (long)random_below(12), true);
    writes(2 + random_below(10));
    failing_disarm();
}

static void in_sync_verb(const char *id)
{
    char *job = NULL;
    switch (random_below(6)) {
    case 0:
        writer_close();
        if (done(lsm_replication_promote(world.conn, id, &job, 0)))
            active(!model.active);
        break;
    case 1:
        writer_close();
        if (done(lsm_replication_promote(world.conn, id, &job, LSM_REPLICATION_FORCE)))
            active(!model.active);
        break;
    case 2:
        if (random_below(3) == 0)
            done(lsm_replication_break(world.conn, id, 0));
        break;
    case 3: fail_target(); break;
    default: done(lsm_replication_pause(world.conn, id, 0)); break;
    }
    free(job);
}

static void verb(void)
{
    lsm_replication *r = world_relation();
    const char *id = r ? lsm_replication_id_get(r) : NULL;
    char *job = NULL;
    lsm_volume *other;
    switch (state_of(r)) {
    case 0:
        if ((other = world_volume("src", pools[!model.active])) != NULL)
            delete_volume(other);
        begin_mirror(model.active, random_below(2) ? 0 : 4u << 20);
        break;
    case STATE(INITIALIZING):
        if (random_below(3) == 0)
            done(lsm_replication_pause(world.conn, id, 0));
        else if (random_below(3) == 0)
            done(lsm_replication_resume(world.conn, id, 0));
        break;
    case STATE(IN_SYNC): in_sync_verb(id); break;
    case STATE(PAUSED): done(lsm_replication_resume(world.conn, id, 0)); break;
    case STATE(DEGRADED): done(lsm_replication_sync(world.conn, id, &job, 0)); break;
    case STATE(RESYNCING):
        if (random_below(4) == 0)
            done(lsm_replication_pause(world.conn, id, 0));
        break;
    case STATE(SPLIT):
        done(lsm_replication_reverse(world.conn, id, &job,
                                     random_below(2) ? LSM_REPLICATION_DISCARD : 0));
        break;
    default: MUST(!"a state that can be");
    }
    free(job);
    if (r)
        lsm_replication_record_free(r);
}

static void work(void)
{
    failing_install();
    world_open();
    for (;;) {
        writes(1 + random_below(8));
        if (!steady)
            verb();
        if (random_below(12) == 0)
            writer_close();
    }
}

/* --- the one who looks ------------------------------------------------------------------------ */

static void read_side(int pool)
{
    lsm_volume *volume = world_volume("src", pools[pool]);
    lsm_volume_io *io = NULL;
    MUST(volume != NULL);
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(io, side[pool], sizeof side[pool], 0, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
    lsm_volume_record_free(volume);
}

static void check_equal(void)
{
    read_side(0);
    read_side(1);
    for (uint32_t i = 0; i < SECTORS; i++)
        if (memcmp(side[0] + i * SECTOR, side[1] + i * SECTOR, SECTOR) != 0) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; sector %u differs", i);
            MUST(!"the two sides are equal");
        }
}

static void come_to_in_sync(void)
{
    for (int i = 0; state() != STATE(IN_SYNC); i++) {
        lsm_replication *r = world_relation();
        const char *id = lsm_replication_id_get(r), *job = lsm_replication_job_id_get(r);
        char *reversed = NULL;
        int now = state_of(r);
        if (i > 20000) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; it is %d: %s", now,
                     lsm_replication_error_message_get(r));
            MUST(!"in sync");
        }
        if (job)
            lsm_job_rate_limit_set(world.conn, job, 0, 0);
        if (now == STATE(PAUSED) || now == STATE(INITIALIZING))
            lsm_replication_resume(world.conn, id, 0);
        if (now == STATE(SPLIT))
            done(lsm_replication_reverse(world.conn, id, &reversed, LSM_REPLICATION_DISCARD));
        if (now == STATE(DEGRADED))
            lsm_replication_sync(world.conn, id, &reversed, 0);
        MUST(now != STATE(BROKEN));
        free(reversed);
        lsm_replication_record_free(r);
        usleep(1000);
    }
}

/* What the side that counts has is the truth from now on. */
static void check_truth(void)
{
    read_side(model.active);
    for (uint32_t i = 0; i < SECTORS; i++)
        model.now[i] = recognize(i, side[model.active] + i * SECTOR);
    settle();
}

/* The source's pool is gone, in a copy of the world, and comes back as the crash left it. */
static void check_disaster(void)
{
    char here[sizeof world.directory], away[500];
    char *job = NULL;
    memcpy(here, world.directory, sizeof here);
    world_copy_directory(here);
    snprintf(away, sizeof away, "%s/%s", world.directory, pools[model.active]);
    char aside[520];
    snprintf(aside, sizeof aside, "%s.aside", world.directory);
    MUST(rename(away, aside) == 0);
    world_open();
    lsm_replication *r = world_relation();
    MUST(state_of(r) == STATE(IN_SYNC));
    MUST(lsm_replication_promote(world.conn, lsm_replication_id_get(r), &job,
                                 LSM_REPLICATION_FORCE) == OK);
    lsm_replication_record_free(r);
    read_side(!model.active);
    for (uint32_t i = 0; i < SECTORS; i++)
        recognize(i, side[!model.active] + i * SECTOR);
    world_close();
    MUST(rename(aside, away) == 0);
    world_open(); /* it was not gone after all, and comes back by delta */
    MUST(state() == STATE(SPLIT));
    memcpy(promoted, side[!model.active], sizeof promoted);
    come_to_in_sync();
    check_equal();
    MUST(memcmp(side[0], promoted, sizeof promoted) == 0);
    world_close();
    world_remove_directory();
    memcpy(world.directory, here, sizeof here);
    disasters++;
}

/* Clones of what was rewound, and the other side of a mirror that was broken. */
static void tidy(void)
{
    lsm_volume **list = NULL;
    uint32_t count = 0;
    bool mirrored = state() != 0;
    MUST(lsm_volume_list(world.conn, NULL, NULL, &list, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++) {
        lsm_volume *v = lsm_volume_record_copy(list[i]);
        if (strcmp(lsm_volume_name_get(v), "src") != 0 ||
            (!mirrored && pool_of(lsm_volume_id_get(v)) != model.active))
            delete_volume(v);
        else
            lsm_volume_record_free(v);
    }
    if (count)
        lsm_volume_record_array_free(list, count);
}

static void break_it(void)
{
    lsm_replication *r = world_relation();
    if (r) {
        MUST(lsm_replication_break(world.conn, lsm_replication_id_get(r), 0) == OK);
        lsm_replication_record_free(r);
    }
    tidy();
    world_close();
    world_check_files();
    world_open();
    begin_mirror(model.active, 0);
}

static void look(unsigned round)
{
    uint32_t n = journal_count();
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = journal_at(i);
        apply(e);
        last_stamp = e->stamp > last_stamp ? e->stamp : last_stamp;
    }
    if (steady)
        check_disaster();
    world_open();
    lsm_replication *r = world_relation();
    int now = state_of(r);
    found_in[now]++;
    if (r) {
        int source = pool_of_source(r);
        MUST(source >= 0 || now == STATE(SPLIT));
        model.active = (uint8_t)(now == STATE(SPLIT) ? !source : source);
        lsm_replication_record_free(r);
    }
    size_t mark = strlen(world.context);
    snprintf(world.context + mark, sizeof world.context - mark, ", found in %d", now);
    if (now == STATE(IN_SYNC))
        check_equal();
    check_truth();
    if (now) {
        come_to_in_sync();
        check_equal();
        check_truth();
        r = world_relation();
        MUST(pool_of_source(r) == model.active);
        lsm_replication_record_free(r);
    }
    tidy();
    if (round % 10 == 9)
        break_it();
    if (state()) {
        come_to_in_sync();
        check_equal();
    }
    world_close();
    journal_clear();
}

START_TEST(sync_killed)
{
    uint64_t seed = kill_seed();
    unsigned kills = kill_count(60);
    world_begin();
    journal_begin();
    world_make_directory();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    world_open();
    world_make_pool("second");
    world_make_volume("src", "default", SECTORS * (uint64_t)SECTOR, LSM_VOLUME_PROVISION_THIN);
    world_close();
    for (unsigned i = 0; i < kills; i++) {
        snprintf(world.context, sizeof world.context, "REPLICANT_TEST_SEED=%llu, kill %u",
                 (unsigned long long)seed, i);
        random_seed(seed + i);
        world_open();
        steady = random_below(4) == 0 && state() == STATE(IN_SYNC);
        world_close();
        uint32_t ms = random_below(5) ? 80 : 400;
        if (random_below(20) == 0) /* the log is swept every other second */
            ms = 2500;
        MUST(kill_after(work, 2000 + 1000 * random_below(ms)));
        look(i);
    }
    printf("%u kills, %u flushes, %u source pools lost; found with no mirror %u,"
           " INITIALIZING %u, IN_SYNC %u, DEGRADED %u, RESYNCING %u, PAUSED %u, SPLIT %u\n",
           kills, flushed, disasters, found_in[0], found_in[1], found_in[2], found_in[3],
           found_in[4], found_in[5], found_in[6]);
    world_remove_directory();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("sync_kill");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, sync_killed);
    return world_run("faults-sync-kill", tcase);
}
