/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An asynchronous mirror, and the n-th call on the files of one of its pools that fails, n = 1, 2,
 * 3 … until what was asked for comes to its end without it: a first copy, a ship, a planned
 * promote, a reverse, a resume, a full copy again, a break. Once alone, or from then on until it is
 * over.
 *
 * After each: the answer, or its job's error, is right; what either side shows is a state that it
 * was in; when the calls work again the two come into sync, at once and after reopening; and when
 * the relation is broken and its volumes are deleted, no file and no hold is left.
 *
 * And a ship whose owner dies at the n-th call on the source's pool, so between the commits of the
 * two as well; then the target takes over, is written to, and the source comes back.
 *
 * REPLICANT_TEST_FAULT="way side fault n once|lasting": that one alone.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB 1024u
#define SIZE (256u * KIB)
#define STATE(name) LSM_REPLICATION_STATE_##name

static const char *const sides[] = {"default", "second"}; /* the source's pool, the target's */

static char id[80]; /* of the relation; "": there is none */
static unsigned char shipped[SIZE], source_now[SIZE], target_now[SIZE];

/* --- the mirror ------------------------------------------------------------------------------- */

static void write_at(const char *pool, unsigned char *bytes, uint64_t offset, uint64_t count,
                     unsigned seed)
{
    lsm_volume *volume = world_volume("src", pool);
    lsm_volume_io *io = NULL;
    MUST(volume != NULL);
    content_fill(bytes + offset, count, seed);
    MUST(lsm_volume_io_open(world.conn, volume, &io, 0) == OK);
    MUST(lsm_volume_io_pwrite(io, bytes + offset, count, offset, 0) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
    lsm_volume_record_free(volume);
}

static bool read_volume(const char *pool, unsigned char *bytes)
{
    lsm_volume *volume = world_volume("src", pool);
    lsm_volume_io *io = NULL;
    if (!volume)
        return false;
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_size_get(io) == SIZE);
    MUST(lsm_volume_io_pread(io, bytes, SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
    lsm_volume_record_free(volume);
    return true;
}

static int state(void)
{
    return world_replication_state(id);
}

static void end_job_of_relation(void)
{
    lsm_replication *r = NULL;
    failing_exempt(true);
    MUST(lsm_replication_get(world.conn, id, &r, 0) == OK);
    const char *at_work = lsm_replication_job_id_get(r);
    if (at_work)
        lsm_job_record_free(world_job_end(at_work));
    lsm_replication_record_free(r);
    failing_exempt(false);
}

/* What a verb answers; where it is a job, how that ends. */
static int finish(int code, char *job, struct outcome *outcome)
{
    world_outcome(code, outcome);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    return code;
}

static int create(struct outcome *outcome)
{
    lsm_volume *source = world_volume("src", "default"), *made = NULL;
    lsm_pool *pool = world_pool("second");
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    char *job = NULL;
    lsm_replicate_options_interval_set(options, 0);
    int code = lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_MIRROR_ASYNC,
                                         source, "src", options, &made, &job, 0);
    MUST(!made);
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
    return finish(code, job, outcome);
}

static int ship(struct outcome *outcome)
{
    char *job = NULL;
    int code = lsm_replication_sync(world.conn, id, &job, 0);
    return finish(code, job, outcome);
}

static int promote(struct outcome *outcome)
{
    char *job = NULL;
    int code = lsm_replication_promote(world.conn, id, &job, 0);
    return finish(code, job, outcome);
}

static int force(struct outcome *outcome)
{
    char *job = NULL;
    int code = lsm_replication_promote(world.conn, id, &job, LSM_REPLICATION_FORCE);
    return finish(code, job, outcome);
}

static int reverse(struct outcome *outcome)
{
    char *job = NULL;
    int code = lsm_replication_reverse(world.conn, id, &job, 0);
    return finish(code, job, outcome);
}

static int resume(struct outcome *outcome)
{
    int code = world_outcome(lsm_replication_resume(world.conn, id, 0), outcome);
    if (code == OK)
        end_job_of_relation();
    return code;
}

static char *job_of_relation(void)
{
    lsm_replication *r = NULL;
    MUST(lsm_replication_get(world.conn, id, &r, 0) == OK);
    const char *at_work = lsm_replication_job_id_get(r);
    char *job = at_work ? strdup(at_work) : NULL;
    lsm_replication_record_free(r);
    return job;
}

/* Where its job has ended already, that it did not fail shows in the state. */
static int again(struct outcome *outcome)
{
    int code = lsm_replication_resume(world.conn, id, LSM_REPLICATION_FORCE);
    failing_exempt(true);
    char *job = code == OK ? job_of_relation() : NULL;
    failing_exempt(false);
    return finish(job ? LSM_ERR_JOB_STARTED : code, job, outcome);
}

static int end(struct outcome *outcome)
{
    return world_outcome(lsm_replication_break(world.conn, id, 0), outcome);
}

static const struct way {
    const char *name;
    bool mirrored, split, broken;
    int (*act)(struct outcome *outcome);
} ways[] = {
    {"create", false, false, false, create},  {"ship", true, false, false, ship},
    {"promote", true, false, false, promote}, {"force", true, false, false, force},
    {"reverse", true, true, false, reverse},  {"resume", true, true, false, resume},
    {"again", true, false, true, again},      {"break", true, false, false, end},
};
#define WAYS ((int)(sizeof ways / sizeof *ways))

/* --- the world -------------------------------------------------------------------------------- */

static char template[200];

static void build(const struct way *way)
{
    struct outcome outcome;
    world_make_directory();
    snprintf(template, sizeof template, "%s", world.directory);
    world_open();
    world_make_pool("second");
    world_make_volume("src", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    memset(source_now, 0, SIZE);
    write_at("default", source_now, 5000, 100000, 1);
    memcpy(shipped, source_now, SIZE);
    if (way->mirrored) {
        MUST(create(&outcome) == OK);
        world_relation_id(id);
        if (way->split)
            MUST(force(&outcome) == OK);
        write_at("default", source_now, 60000, 20000, 2);
    }
    memcpy(target_now, shipped, SIZE);
    if (way->broken) {
        world_lose_instant("default");
        MUST(state() == STATE(BROKEN));
    }
    if (way->split || way->broken)
        write_at("second", target_now, 70000, 20000, 3);
    world_close();
}

/* --- after a fault ---------------------------------------------------------------------------- */

static bool is_one_of_ours(const unsigned char *bytes)
{
    return memcmp(bytes, shipped, SIZE) == 0 || memcmp(bytes, source_now, SIZE) == 0 ||
           memcmp(bytes, target_now, SIZE) == 0;
}

static void check_states(void)
{
    static unsigned char bytes[SIZE];
    MUST(read_volume("default", bytes));
    MUST(is_one_of_ours(bytes));
    if (read_volume("second", bytes))
        MUST(is_one_of_ours(bytes));
}

static void check_answer(const struct way *way, enum fault fault, int code,
                         const struct outcome *outcome)
{
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, " → %d %s", code, outcome->message);
    if (code == OK)
        return;
    MUST(failing_reached());
    MUST(outcome->message[0] && !strstr(outcome->message, "(null)"));
    MUST(code == (fault == FAULT_ENOSPC   ? LSM_ERR_NOT_ENOUGH_SPACE
                  : fault == FAULT_MEMORY ? LSM_ERR_NO_MEMORY
                                          : LSM_ERR_IO));
    (void)way;
}

/* A first copy whose end could not be made durable is gone on with by the next owner. */
static void reopen_unfinished(void)
{
    if (state() != STATE(INITIALIZING))
        return;
    world_close();
    world_open();
    end_job_of_relation();
}

/* Into sync from wherever it is; the two are equal then. */
static void join(void)
{
    static unsigned char one[SIZE], other[SIZE];
    struct outcome outcome;
    reopen_unfinished();
    for (int tries = 0; tries < 6; tries++) {
        end_job_of_relation();
        int now = state(), code = OK;
        if (now == STATE(PAUSED) || now == STATE(SPLIT))
            code = resume(&outcome);
        else if (now == STATE(BROKEN))
            code = again(&outcome);
        else
            code = ship(&outcome);
        if (code != OK && code != LSM_ERR_NO_STATE_CHANGE) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; in state %d: %d %s", now, code,
                     outcome.message);
            MUST(!"joined");
        }
        if (state() == STATE(IN_SYNC) && now == STATE(IN_SYNC))
            break;
    }
    MUST(state() == STATE(IN_SYNC));
    MUST(read_volume("default", one) && read_volume("second", other));
    MUST(memcmp(one, other, SIZE) == 0);
    MUST(is_one_of_ours(one));
}

/* One that another has made up for ends, too: FAILED. */
static void await_jobs(void)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    MUST(lsm_job_list(world.conn, NULL, NULL, &jobs, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++)
        lsm_job_record_free(world_job_end(lsm_job_id_get(jobs[i])));
    if (count)
        lsm_job_record_array_free(jobs, count);
}

/* Kept clones, too. */
static void delete_all(void)
{
    for (int tries = 0; tries < 4; tries++) {
        lsm_volume **volumes = NULL;
        uint32_t count = 0;
        MUST(lsm_volume_list(world.conn, NULL, NULL, &volumes, &count, 0) == OK);
        for (uint32_t i = 0; i < count; i++) {
            char *job = NULL;
            lsm_volume_delete(world.conn, volumes[i], &job, 0); /* a parent waits for its clones */
        }
        if (!count)
            return;
        lsm_volume_record_array_free(volumes, count);
    }
    MUST(!"all deleted");
}

static bool try_one(const struct way *way, int side, enum fault fault, long n, bool lasting)
{
    struct outcome outcome;
    char part[300];
    snprintf(world.context, sizeof world.context, "REPLICANT_TEST_FAULT=\"%s %d %d %ld %s\" (%s)",
             way->name, side, (int)fault, n, lasting ? "lasting" : "once", fault_names[fault]);
    world_copy_directory(template);
    failing_install();
    world_open();
    world_relation_id(id);
    snprintf(part, sizeof part, "/%s/", sides[side]);
    failing_within(fault == FAULT_MEMORY ? NULL : part);
    failing_arm_at(fault, NULL, NULL, n, lasting);
    int code = way->act(&outcome);
    bool reached = failing_reached();
    size_t at = strlen(world.context);
    snprintf(world.context + at, sizeof world.context - at, " (%.100s)", failing_what());
    failing_disarm();
    check_answer(way, fault, code, &outcome);
    check_states();
    world_relation_id(id);
    if (way->act == create && !id[0]) /* nothing of it is left, and it can be asked for again */
        MUST(create(&outcome) == OK);
    if (way->act == end && code == OK)
        MUST(!id[0]);
    world_relation_id(id);
    if (id[0])
        join();
    else
        MUST(way->act == end);
    check_states();
    world_close();
    failing_within(NULL);
    failing_uninstall();

    world_open();
    await_jobs(); /* of the last owner */
    bool was = id[0] != '\0';
    world_relation_id(id);
    MUST(was == (id[0] != '\0')); /* what was broken stays broken */
    if (id[0]) {
        join();
        MUST(lsm_replication_break(world.conn, id, 0) == OK);
    }
    check_states();
    delete_all();
    world_close();
    world_open(); /* what a failed tidying left is swept */
    world_close();
    world_check_files();
    world_remove_directory();
    return reached;
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool try_named(const struct way *way)
{
    char name[32], how[16];
    int side, fault;
    long n;
    const char *wanted = getenv("REPLICANT_TEST_FAULT");
    if (!wanted)
        return false;
    if (sscanf(wanted, "%31s %d %d %ld %15s", name, &side, &fault, &n, how) == 5 &&
        strcmp(name, way->name) == 0)
        printf("%s: %s\n", wanted,
               try_one(way, side, (enum fault)fault, n, strcmp(how, "lasting") == 0) ? "reached"
                                                                                     : "not so");
    return true;
}

START_TEST(mirror_fault)
{
    const struct way *way = &ways[_i];
    long stride = getenv("REPLICANT_TEST_LONG") ? 1 : 5, tried = 0;
    world_begin();
    build(way);
    if (!try_named(way)) {
        for (int side = 0; side < 2; side++)
            for (int fault = FAULT_EIO; fault <= FAULT_ENOSPC; fault++)
                for (int lasting = 0; lasting < 2; lasting++)
                    for (long n = 1 + (side + fault + lasting) % stride;
                         try_one(way, side, (enum fault)fault, n, lasting); n += stride)
                        tried++;
        for (long n = 1; try_one(way, 0, FAULT_MEMORY, n, false); n += stride)
            tried++;
        printf("%-8s %4ld faults\n", way->name, tried);
    }
    snprintf(world.directory, sizeof world.directory, "%s", template);
    world_remove_directory();
}
END_TEST

/* --- a ship that is cut ----------------------------------------------------------------------- */

static bool cut_ship(long n)
{
    struct outcome outcome;
    int status = 0;
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        world.in_child = true;
        failing_install();
        world_open();
        failing_within("/default/");
        failing_arm(FAULT_DEATH, n, false);
        ship(&outcome);
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child && WIFEXITED(status));
    MUST(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAILING_DEATH);
    return WEXITSTATUS(status) == FAILING_DEATH;
}

/* What the target had when it was promoted, and what it takes since, is what both have at the end.
 */
static void come_back(void)
{
    static unsigned char one[SIZE], other[SIZE];
    struct outcome outcome;
    MUST(force(&outcome) == OK);
    MUST(read_volume("second", target_now) && is_one_of_ours(target_now));
    write_at("second", target_now, 150000, 30000, 9);
    MUST(reverse(&outcome) == OK);
    MUST(read_volume("default", one) && read_volume("second", other));
    MUST(memcmp(other, target_now, SIZE) == 0);
    MUST(memcmp(one, target_now, SIZE) == 0);
}

START_TEST(ship_cut_then_failover)
{
    static const struct way shipping = {.name = "cut", .mirrored = true, .act = ship};
    bool cut = true;
    long n = 1;
    world_begin();
    build(&shipping);
    for (; cut; n++) {
        snprintf(world.context, sizeof world.context, "a ship cut at call %ld", n);
        world_copy_directory(template);
        cut = cut_ship(n);
        world_open();
        world_relation_id(id);
        await_jobs();
        memcpy(target_now, shipped, SIZE);
        come_back();
        MUST(lsm_replication_break(world.conn, id, 0) == OK);
        delete_all();
        world_close();
        world_check_files();
        world_remove_directory();
    }
    printf("cut      %4ld deaths\n", n - 2);
    snprintf(world.directory, sizeof world.directory, "%s", template);
    world_remove_directory();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("mirror_nth");
    tcase_set_timeout(tcase, 3600);
    tcase_add_loop_test(tcase, mirror_fault, 0, WAYS);
    tcase_add_test(tcase, ship_cut_then_failover);
    return world_run("faults-mirror-nth", tcase);
}
