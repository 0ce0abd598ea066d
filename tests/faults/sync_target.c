/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A synchronous mirror one of whose sides fails: from the n-th call on the files of that pool on,
 * until they work again. The calls of everything else go on.
 *
 *     target, in sync     every write and flush succeeds; DEGRADED when a write has failed there,
 *                         before it is acknowledged; IN_SYNC again by itself or when asked for, by
 *                         what was written and not by all of it
 *     target, being made  the call or the job fails, and nothing is left
 *     target, a resync    DEGRADED, and the target still shows its last complete content
 *     the intent log      the write fails, and is on neither side
 *     both                a failover is refused, and the two go on as they were
 *     source              the write fails, and the two sides hold the same; a failover is possible,
 *                         and a way back by what is common to both, or none
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "failing.h"
#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define SIZE (9 * MIB) /* three regions of the intent log */
#define STATE(name) LSM_REPLICATION_STATE_##name

static char template[200], target_files[260], source_files[260], id[80];
static unsigned char content[SIZE], seen[SIZE], before[SIZE];
static lsm_volume_io *io;
static uint64_t seed;

/* --- the mirror ------------------------------------------------------------------------------- */

static lsm_volume *source(void)
{
    lsm_volume *volume = world_volume("src", "default");
    MUST(volume != NULL);
    return volume;
}

static int mirror_begin(lsm_target_error_policy policy, uint64_t rate, char **job)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_pool *pool = world_pool("second");
    lsm_volume *from = source(), *made = NULL;
    lsm_replicate_options_on_target_error_set(options, policy);
    lsm_replicate_options_rate_limit_set(options, rate);
    int code = lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC, from,
                                         "src", options, &made, job, 0);
    MUST(!made);
    lsm_volume_record_free(from);
    lsm_pool_record_free(pool);
    lsm_replicate_options_free(options);
    return code;
}

static lsm_replication *look(void)
{
    lsm_replication *r = NULL;
    MUST(lsm_replication_get(world.conn, id, &r, 0) == OK);
    return r;
}

static int state(void)
{
    return world_replication_state(id);
}

static void find_id(void)
{
    world_relation_id(id);
    MUST(id[0]);
}

static void await(int wanted)
{
    for (int i = 0; i < 6000 && state() != wanted; i++)
        usleep(2000);
    if (state() != wanted) {
        lsm_replication *r = look();
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, "; it is %d (%s), not %d", state(),
                 lsm_replication_error_message_get(r), wanted);
        MUST(!"in the state");
    }
}

static void read_volume(const char *pool, unsigned char *bytes)
{
    lsm_volume *volume = world_volume("src", pool);
    lsm_volume_io *reader = NULL;
    MUST(volume != NULL);
    MUST(lsm_volume_io_open(world.conn, volume, &reader, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(reader, bytes, SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_close(reader, 0) == OK);
    lsm_volume_record_free(volume);
}

static void must_be(const char *pool, const unsigned char *wanted)
{
    read_volume(pool, seen);
    for (uint64_t i = 0; i < SIZE; i++)
        if (seen[i] != wanted[i]) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; byte %llu in %s is %u, not %u",
                     (unsigned long long)i, pool, seen[i], wanted[i]);
            MUST(!"the content");
        }
}

static void open_io(void)
{
    lsm_volume *volume = source();
    io = NULL;
    MUST(lsm_volume_io_open(world.conn, volume, &io, 0) == OK);
    lsm_volume_record_free(volume);
}

static void close_io(void)
{
    if (io)
        MUST(lsm_volume_io_close(io, 0) == OK);
    io = NULL;
}

/* A source of which little is data, and which the mirror has in full. */
static void build(lsm_target_error_policy policy, bool mirrored)
{
    char *job = NULL;
    struct outcome outcome;
    world_make_directory();
    snprintf(template, sizeof template, "%s", world.directory);
    world_open();
    world_make_pool("second");
    world_make_volume("src", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    memset(content, 0, sizeof content);
    content_fill(content + 1000, 300 * KIB, 1);
    content_fill(content + 4 * MIB - 5000, 10000, 2);
    open_io();
    MUST(lsm_volume_io_pwrite(io, content, SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    close_io();
    if (mirrored) {
        MUST(mirror_begin(policy, 0, &job) == LSM_ERR_JOB_STARTED);
        MUST(world_outcome_of_job(job, &outcome) == OK);
        free(job);
        find_id();
    }
    world_close();
}

static unsigned char template_content[SIZE];

static void begin(void)
{
    world_copy_directory(template);
    memcpy(content, template_content, SIZE);
    snprintf(target_files, sizeof target_files, "%s/second/", world.directory);
    snprintf(source_files, sizeof source_files, "%s/default/", world.directory);
    failing_install();
    world_open();
}

static void end(void)
{
    close_io();
    world_close();
    failing_within(NULL);
    failing_uninstall();
    world_open(); /* and with the real table all is as it was */
    read_volume("default", content);
    lsm_replication **list = NULL;
    uint32_t count = 0;
    MUST(lsm_replication_list(world.conn, NULL, NULL, &list, &count, 0) == OK);
    if (count) {
        await(STATE(IN_SYNC));
        must_be("second", content);
        MUST(lsm_replication_break(world.conn, id, 0) == OK);
        lsm_replication_record_array_free(list, count);
    }
    world_close();
    world_check_files();
    world_remove_directory();
}

/* --- writing under a fault -------------------------------------------------------------------- */

/* What a writer does: regions that are cold and ones that are hot, whole clusters and parts, more
 * than one piece, zeros, FUA and flushes. */
static const struct step {
    enum { WRITE, FUA, ZERO, DISCARD, FLUSH } kind;
    uint64_t offset, count;
} steps[] = {
    {WRITE, 100, 5000},
    {FLUSH, 0, 0},
    {WRITE, 4 * MIB + 10, 100},
    {WRITE, 4 * MIB + 8 * KIB, 8 * KIB},
    {FUA, 2 * MIB + 1, 9000},
    {ZERO, 2 * MIB + 5000, 20000},
    {WRITE, 8 * MIB - 100, 300},
    {FLUSH, 0, 0},
    {WRITE, MIB - 5000, 1200000},
    {DISCARD, MIB, 64 * KIB},
    {FUA, 100, 512},
    {WRITE, 8 * MIB + 50000, 70000},
    {FLUSH, 0, 0},
    {WRITE, 8 * MIB + 51000, 70},
};
#define STEPS ((int)(sizeof steps / sizeof *steps))

static int take(const struct step *s, unsigned number)
{
    unsigned char *bytes = content + s->offset;
    switch (s->kind) {
    case FLUSH: return lsm_volume_io_flush(io, 0);
    case ZERO:
    case DISCARD:
        memset(bytes, 0, s->count);
        return s->kind == ZERO ? lsm_volume_io_write_zeroes(io, s->count, s->offset, 0)
                               : lsm_volume_io_discard(io, s->count, s->offset, 0);
    default:
        content_fill(bytes, s->count, 100 + number);
        return lsm_volume_io_pwrite(io, bytes, s->count, s->offset,
                                    s->kind == FUA ? LSM_VOLUME_IO_FUA : 0);
    }
}

static void note(int at, int code)
{
    size_t n = strlen(world.context);
    const char *what = failing_what();
    size_t length = strlen(what);
    snprintf(world.context + n, sizeof world.context - n, "; step %d → %d (%s)", at, code,
             what + (length > 60 ? length - 60 : 0));
}

/* The first data that could not be written: then it is known when the write returns. */
static bool data_failed(void)
{
    const char *what = failing_what();
    size_t n = strlen(what);
    return failing_reached() && n > 4 && strcmp(what + n - 4, ".raw") == 0 &&
           (strncmp(what, "pwrite", 6) == 0 || strncmp(what, "fallocate", 9) == 0);
}

static void check_degraded(enum fault fault)
{
    lsm_replication *r = look();
    int now = (int)lsm_replication_state_get(r), error = (int)lsm_replication_error_number_get(r);
    MUST(now == STATE(DEGRADED) || now == STATE(RESYNCING));
    MUST(error == (fault == FAULT_ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO));
    MUST(lsm_replication_error_message_get(r) != NULL);
    lsm_replication_record_free(r);
}

/* Asked for, or by itself after a while. */
static void come_back(bool ask)
{
    for (int i = 0; ask && i < 1000 && state() == STATE(DEGRADED); i++) {
        char *job = NULL;
        lsm_replication_sync(world.conn, id, &job, 0);
        free(job);
        usleep(1000);
    }
    await(STATE(IN_SYNC));
    lsm_replication *r = look();
    MUST((int)lsm_replication_error_number_get(r) == OK);
    MUST(lsm_replication_last_sync_bytes_get(r) <= SIZE); /* regions and what was written */
    lsm_replication_record_free(r);
}

static bool fails_in_sync(enum fault fault, long n, lsm_target_error_policy policy)
{
    int failed = 0;
    begin();
    open_io();
    failing_within(target_files);
    failing_arm(fault, n, true);
    for (int i = 0; i < STEPS; i++) {
        bool told = failed > 0, was = data_failed();
        int code = take(&steps[i], (unsigned)i);
        if (code != OK || (!was && data_failed()))
            note(i, code);
        failed += code != OK;
        if (policy == LSM_TARGET_ERROR_DEGRADE)
            MUST(code == OK);
        else
            MUST(code == OK || (code == LSM_ERR_IO && !told));
        if (policy == LSM_TARGET_ERROR_FAIL && !was && data_failed())
            MUST(code == LSM_ERR_IO);
        if (data_failed())
            check_degraded(fault);
        if (code != OK)
            lsm_error_free(lsm_error_last_get(world.conn));
    }
    bool reached = failing_reached();
    must_be("default", content);
    failing_disarm();
    come_back(n % 4 != 0);
    must_be("default", content);
    must_be("second", content);
    MUST(take(&steps[0], 77) == OK);
    must_be("second", content);
    end();
    return reached;
}

/* --- making and filling ----------------------------------------------------------------------- */

static bool fails_when_made(enum fault fault, long n)
{
    char *job = NULL;
    struct outcome outcome = {0};
    lsm_replication **list = NULL;
    uint32_t count = 0;
    begin();
    open_io();
    failing_within(target_files);
    failing_arm(fault, n, true);
    int code = mirror_begin(LSM_TARGET_ERROR_DEGRADE, 0, &job);
    world_outcome(code, &outcome);
    for (int i = 0; i < STEPS; i++)
        MUST(take(&steps[i], (unsigned)i) == OK);
    if (code == LSM_ERR_JOB_STARTED) {
        lsm_job *ended = world_job_end(job);
        const char *message = lsm_job_error_message_get(ended);
        snprintf(outcome.message, sizeof outcome.message, "%s", message ? message : "");
        code = lsm_job_state_get(ended) == LSM_JOB_STATE_DONE
                   ? OK
                   : (int)lsm_job_error_number_get(ended);
        lsm_job_record_free(ended);
    }
    note(-1, code);
    size_t length = strlen(world.context);
    snprintf(world.context + length, sizeof world.context - length, " %s", outcome.message);
    bool reached = failing_reached();
    failing_disarm();
    must_be("default", content);
    MUST(lsm_replication_list(world.conn, NULL, NULL, &list, &count, 0) == OK);
    MUST(code == OK || reached);
    if (code == OK) { /* it failed afterwards, or not at all */
        MUST(count == 1);
        find_id();
        come_back(true);
        must_be("second", content);
        lsm_replication_record_array_free(list, count);
    } else {
        lsm_volume *from = source();
        uint8_t yes = 7;
        MUST(code == (fault == FAULT_ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO));
        MUST(lsm_volume_child_dependency(world.conn, from, &yes, 0) == OK);
        lsm_volume_record_free(from);
        MUST(count == 0 && !yes);
        MUST(world_volume("src", "second") == NULL);
        free(job);
        job = NULL;
        MUST(mirror_begin(LSM_TARGET_ERROR_DEGRADE, 0, &job) == LSM_ERR_JOB_STARTED);
        find_id();
        MUST(take(&steps[3], 9) == OK);
        await(STATE(IN_SYNC));
        must_be("second", content);
    }
    free(job);
    end();
    return reached;
}

/* A resync is done: what failed then failed afterwards. */
static bool resynced(void)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    bool done = false;
    MUST(lsm_job_list(world.conn, "kind", "3", &jobs, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++)
        done = done || lsm_job_state_get(jobs[i]) == LSM_JOB_STATE_DONE;
    if (count)
        lsm_job_record_array_free(jobs, count);
    return done;
}

/* Paused, written, and resumed over a target that fails. */
static bool fails_in_a_resync(enum fault fault, long n)
{
    begin();
    memcpy(before, content, SIZE);
    MUST(lsm_replication_pause(world.conn, id, 0) == OK);
    open_io();
    for (int i = 0; i < STEPS; i++)
        MUST(take(&steps[i], (unsigned)i) == OK);
    must_be("second", before);
    failing_within(target_files);
    failing_arm(fault, n, true);
    int code = lsm_replication_resume(world.conn, id, 0), now;
    MUST(take(&steps[2], 200) == OK && take(&steps[11], 201) == OK && take(&steps[1], 0) == OK);
    for (int i = 0; code == OK && i < 3000 && (now = state()) == STATE(RESYNCING); i++)
        usleep(1000);
    now = state();
    note(-1, now);
    bool reached = failing_reached();
    failing_disarm();
    if ((now == STATE(DEGRADED) || now == STATE(PAUSED)) && !resynced()) {
        read_volume("second", seen);
        MUST(reached);
        MUST(memcmp(seen, before, SIZE) == 0 || state() != now);
    }
    must_be("default", content);
    if (state() == STATE(PAUSED))
        MUST(lsm_replication_resume(world.conn, id, 0) == OK);
    come_back(true);
    must_be("second", content);
    end();
    return reached;
}

/* --- the source's side ------------------------------------------------------------------------ */

static bool fails_in_the_log(enum fault fault, long n)
{
    begin();
    open_io();
    failing_within(".intent");
    failing_arm(fault, n, true);
    for (int i = 0; i < STEPS; i++) {
        uint64_t offset = steps[i].offset, count = steps[i].count;
        memcpy(before, content, SIZE);
        int code = take(&steps[i], (unsigned)i);
        if (code == OK)
            continue;
        note(i, code);
        MUST(steps[i].kind != FLUSH);
        MUST(code == (fault == FAULT_ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO));
        lsm_error_free(lsm_error_last_get(world.conn));
        if (count <= MIB - offset % MIB) /* one piece: nothing of it was written */
            memcpy(content, before, SIZE);
        else
            read_volume("default", content);
        MUST(state() == STATE(IN_SYNC));
    }
    bool reached = failing_reached();
    must_be("default", content);
    must_be("second", content);
    failing_disarm();
    for (int i = 0; i < STEPS; i++)
        MUST(take(&steps[i], 50 + (unsigned)i) == OK);
    must_be("second", content);
    end();
    return reached;
}

/* Only one call fails: a write that went wrong on the source may be there in part, and the target
 * has the same part. */
static bool fails_in_the_source(enum fault fault, long n)
{
    begin();
    open_io();
    failing_within(source_files);
    failing_arm(fault, n, false);
    int failed = 0;
    for (int i = 0; i < STEPS; i++) {
        int code = take(&steps[i], (unsigned)i);
        if (code == OK)
            continue;
        note(i, code);
        failed++;
        lsm_error_free(lsm_error_last_get(world.conn));
        MUST(failing_reached());
    }
    bool reached = failing_reached();
    failing_disarm();
    if (failed) { /* a sync that failed is told until every handle is closed */
        lsm_volume_io_close(io, 0);
        io = NULL;
    }
    await(STATE(IN_SYNC));
    read_volume("default", content);
    must_be("second", content);
    end();
    return reached;
}

/* A call fails while the two exchange their roles after a split, and the owner ends then: where
 * they differed before is still known. */
static bool fails_turning_round(enum fault fault, long n)
{
    char *job = NULL;
    begin();
    open_io();
    failing_within(target_files);
    failing_arm(FAULT_EIO, 1, true);
    MUST(take(&steps[0], 1) == OK); /* which the target has not */
    failing_disarm();
    MUST(lsm_volume_io_flush(io, 0) == OK);
    close_io();
    if (state() == STATE(DEGRADED)) /* else it was resynced by itself: so it may */
        MUST(lsm_replication_promote(world.conn, id, &job, LSM_REPLICATION_FORCE) == OK);
    bool split = state() == STATE(SPLIT);
    failing_within(NULL);
    failing_arm(fault, n, false);
    int code = split ? lsm_replication_reverse(world.conn, id, &job, LSM_REPLICATION_DISCARD) : OK;
    note(-1, code);
    bool reached = failing_reached();
    world_close();
    failing_disarm();
    free(job);
    world_open();
    while (split && state() != STATE(IN_SYNC)) {
        int now = state();
        job = NULL;
        if (now == STATE(SPLIT) || now == STATE(PAUSED))
            MUST(lsm_replication_resume(world.conn, id, LSM_REPLICATION_DISCARD) == OK);
        if (now == STATE(DEGRADED))
            lsm_replication_sync(world.conn, id, &job, 0);
        free(job);
        usleep(1000);
    }
    end();
    return reached;
}

/* Nothing of the source works any more: the target is promoted all the same. */
static bool fails_over(enum fault fault, long n)
{
    char *job = NULL;
    (void)n;
    begin();
    open_io();
    for (int i = 0; i < STEPS; i++)
        MUST(take(&steps[i], (unsigned)i) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    failing_within(source_files);
    failing_arm(fault, n, true);
    int code = lsm_replication_promote(world.conn, id, &job, LSM_REPLICATION_FORCE);
    note(-1, code);
    MUST(code == OK && !job && state() == STATE(SPLIT));
    bool reached = failing_reached();
    must_be("second", content);
    lsm_volume *target = world_volume("src", "second");
    lsm_volume_io *writer = NULL;
    MUST(lsm_volume_io_open(world.conn, target, &writer, 0) == OK);
    MUST(lsm_volume_io_pwrite(writer, "after", 5, 5 * MIB, 0) == OK);
    memcpy(content + 5 * MIB, "after", 5);
    MUST(lsm_volume_io_flush(writer, 0) == OK);
    MUST(lsm_volume_io_close(writer, 0) == OK);
    lsm_volume_record_free(target);
    must_be("second", content);
    failing_disarm();
    lsm_volume_io_pwrite(io, "alone", 5, 6 * MIB, 0); /* the source works again, or it does not */
    lsm_volume_io_close(io, 0);
    io = NULL;
    if (n % 2) {
        world_close();
        world_open();
    }
    must_be("second", content);
    MUST(state() == STATE(SPLIT) || state() == STATE(BROKEN));
    code = lsm_replication_reverse(world.conn, id, &job, LSM_REPLICATION_DISCARD);
    MUST(code == OK || code == LSM_ERR_JOB_STARTED || code == LSM_ERR_STATE);
    free(job);
    if (code != LSM_ERR_STATE) { /* then it is by what is common, and nothing is missed */
        await(STATE(IN_SYNC));
        must_be("default", content);
    }
    must_be("second", content);
    MUST(lsm_replication_break(world.conn, id, 0) == OK);
    must_be("second", content);
    end();
    return reached;
}

/* Nor does anything of the target, from the n-th call on: what can be neither recorded here nor
 * there did not happen, and what is written from then on is on both sides or is told apart. */
static bool fails_over_to_nothing(enum fault fault, long n)
{
    char *job = NULL;
    begin();
    open_io();
    for (int i = 0; i < STEPS; i++)
        MUST(take(&steps[i], (unsigned)i) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    failing_always(source_files);
    failing_within(target_files);
    failing_arm(fault, n, true);
    int code = lsm_replication_promote(world.conn, id, &job, LSM_REPLICATION_FORCE);
    note(-1, code);
    MUST(!job);
    bool reached = failing_reached();
    failing_disarm();
    failing_always(NULL);
    if (code == OK) { /* the target works for long enough */
        MUST(state() == STATE(SPLIT));
        must_be("second", content);
        close_io();
        MUST(lsm_replication_break(world.conn, id, 0) == OK);
        end();
        return reached;
    }
    lsm_error_free(lsm_error_last_get(world.conn));
    lsm_volume_io_close(io, 0); /* a sync that failed is told until then */
    open_io();
    MUST(state() == STATE(IN_SYNC) || state() == STATE(DEGRADED));
    MUST(take(&steps[0], 77) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    await(STATE(IN_SYNC));
    must_be("default", content);
    must_be("second", content);
    MUST(take(&steps[2], 78) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    must_be("second", content);
    end();
    return reached;
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool degrades(enum fault fault, long n)
{
    return fails_in_sync(fault, n, LSM_TARGET_ERROR_DEGRADE);
}

static bool tells(enum fault fault, long n)
{
    return fails_in_sync(fault, n, LSM_TARGET_ERROR_FAIL);
}

static const struct way {
    const char *name;
    bool (*try)(enum fault fault, long n);
    lsm_target_error_policy policy;
    bool mirrored;
    long stride;
} ways[] = {
    {"in-sync", degrades, LSM_TARGET_ERROR_DEGRADE, true, 9},
    {"in-sync-fail", tells, LSM_TARGET_ERROR_FAIL, true, 17},
    {"made", fails_when_made, LSM_TARGET_ERROR_DEGRADE, false, 9},
    {"resync", fails_in_a_resync, LSM_TARGET_ERROR_DEGRADE, true, 15},
    {"log", fails_in_the_log, LSM_TARGET_ERROR_DEGRADE, true, 2},
    {"source", fails_in_the_source, LSM_TARGET_ERROR_DEGRADE, true, 9},
    {"turn-round", fails_turning_round, LSM_TARGET_ERROR_DEGRADE, true, 3},
    {"failover", fails_over, LSM_TARGET_ERROR_DEGRADE, true, 5},
    {"nowhere", fails_over_to_nothing, LSM_TARGET_ERROR_DEGRADE, true, 3},
};
#define WAYS ((int)(sizeof ways / sizeof *ways))

static bool try_one(const struct way *way, enum fault fault, long n)
{
    snprintf(world.context, sizeof world.context, "REPLICANT_TEST_FAULT=\"%s %d %ld\" (%s)",
             way->name, (int)fault, n, fault_names[fault]);
    return way->try(fault, n);
}

static void try_all(const struct way *way)
{
    long stride = getenv("REPLICANT_TEST_LONG") ? 1 : way->stride, tried[2] = {0, 0};
    char name[32];
    int fault;
    long n;
    const char *wanted = getenv("REPLICANT_TEST_FAULT");
    if (wanted) {
        if (sscanf(wanted, "%31s %d %ld", name, &fault, &n) == 3 && strcmp(name, way->name) == 0)
            printf("%s: %s\n", wanted, try_one(way, (enum fault)fault, n) ? "reached" : "not so");
        return;
    }
    for (fault = FAULT_EIO; fault <= FAULT_ENOSPC; fault++)
        for (n = 1 + (long)(seed % (uint64_t)stride); try_one(way, (enum fault)fault, n);
             n += stride)
            tried[fault]++;
    printf("%-13s %4ld faults: EIO %ld, ENOSPC %ld\n", way->name, tried[0] + tried[1], tried[0],
           tried[1]);
}

START_TEST(sync_fault)
{
    const struct way *way = &ways[_i];
    world_begin();
    build(way->policy, way->mirrored);
    memcpy(template_content, content, SIZE);
    try_all(way);
    snprintf(world.directory, sizeof world.directory, "%s", template);
    world_remove_directory();
}
END_TEST

int main(void)
{
    seed = kill_seed();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    TCase *tcase = tcase_create("sync_target");
    tcase_set_timeout(tcase, 3600);
    tcase_add_loop_test(tcase, sync_fault, 0, WAYS);
    return world_run("faults-sync-target", tcase);
}
