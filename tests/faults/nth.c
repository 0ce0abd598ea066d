/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every failure once: for each operation the n-th system call fails, or the n-th allocation, n = 1,
 * 2, 3 … until the operation comes to its end without reaching it. In three ways: *stays*, where
 * the same process looks around, tries again, closes and opens; *dies*, where the owner dies right
 * after the failure, having first written and flushed to every volume there is, and the next one
 * looks; and *killed*, where there is no failure: the owner is gone at that call.
 *
 * After each: a clear error with the right code; all that was flushed is there; what failed did not
 * happen, what was cut off happened or did not; done again it succeeds, byte for byte; no file is
 * left that no row names.
 *
 * REPLICANT_TEST_LONG: all of it; else every few n, other ones each time (REPLICANT_TEST_SEED,
 * REPLICANT_TEST_SHARE: kill.h).
 * REPLICANT_TEST_FAULT="name fault n stays|dies|killed": that one alone.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "kill.h"
#include "operations.h"

/* --- one fault -------------------------------------------------------------------------------- */

static void check_outcome(enum fault fault, const struct outcome *outcome)
{
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, " → %d %s", outcome->code,
             outcome->message);
    MUST(failing_reached()); /* nothing fails by itself */
    MUST(outcome->message[0] && !strstr(outcome->message, "(null)"));
    MUST(fault != FAULT_SHORT); /* those are finished by whoever called */
    if (fault == FAULT_MEMORY && outcome->code == LSM_ERR_OUTCOME_UNKNOWN)
        return; /* it is done, and there was no memory to say so */
    MUST(outcome->code == (fault == FAULT_ENOSPC   ? LSM_ERR_NOT_ENOUGH_SPACE
                           : fault == FAULT_MEMORY ? LSM_ERR_NO_MEMORY
                                                   : LSM_ERR_IO));
    if (fault != FAULT_ENOSPC && fault != FAULT_MEMORY && !outcome->of_job)
        MUST(outcome->sys_errno == EIO);
}

/* Every handle is closed; what the disk has is then read anew, and stays as it is. */
static lsm_volume_io *reopen_poisoned(lsm_volume_io *io, struct content *content)
{
    MUST(lsm_volume_io_flush(io, 0) != OK);
    lsm_volume_io_close(io, 0);
    lsm_volume_io_close(held_io, 0);
    held_io = NULL;
    content->torn = true;
    world_check(false);
    io = world_io(content->name);
    MUST(lsm_volume_io_pread(io, content->bytes, content->size, 0, 0) == OK);
    content_settle(content);
    return io;
}

/* Every volume that is there takes a write and keeps it. */
static void mark_all(void)
{
    for (int i = 0; i < CONTENTS; i++) {
        struct content *content = &world.shared->contents[i];
        if (!content->size || !nth_has(content->name, content->pool))
            continue;
        lsm_volume_io *io = world_io(content->name);
        int code = lsm_volume_io_flush(io, 0);
        if (code != OK) { /* the sync of a handle that is still open failed */
            MUST(held_io && (code == LSM_ERR_IO || code == LSM_ERR_NOT_ENOUGH_SPACE));
            io = reopen_poisoned(io, content);
        }
        world_write(io, content, 20011, 333, 1000u + (unsigned)i);
        memcpy(content->other + 20011, content->bytes + 20011, 333);
        MUST(lsm_volume_io_flush(io, 0) == OK);
        content->unsynced = false;
        MUST(lsm_volume_io_close(io, 0) == OK);
    }
}

static void call(void (*step)(void))
{
    if (step)
        step();
}

static void start(const struct scenario *s)
{
    failing_install();
    if (!s->connects)
        world_open();
    call(s->prepare);
}

static bool lasting;              /* every call from the n-th on fails, */
static const char *lasting_where; /* on these files */

/* Ends an outage that a job waits out. */
static void *answer_again(void *argument)
{
    for (int i = 0; i < 500 && !failing_reached(); i++)
        usleep(1000);
    usleep(50000);
    failing_disarm();
    return argument;
}

static void act_under_fault(const struct scenario *s, enum fault fault, long n)
{
    struct shared *shared = world.shared;
    failing_arm_at(fault, NULL, lasting_where ? lasting_where : s->where, n, lasting);
    pthread_t thread;
    if (lasting && s->awaits_job)
        MUST(pthread_create(&thread, NULL, answer_again, NULL) == 0);
    int code = s->act(&shared->outcome);
    if (lasting && s->awaits_job)
        pthread_join(thread, NULL);
    shared->reached = failing_reached();
    snprintf(shared->what, sizeof shared->what, "%s", failing_what());
    failing_disarm();
    size_t at = strlen(world.context);
    snprintf(world.context + at, sizeof world.context - at, " (%s)",
             shared->what + (strlen(shared->what) > 80 ? strlen(shared->what) - 80 : 0));
    MUST(code == shared->outcome.code);
    if (code != OK)
        check_outcome(fault, &shared->outcome);
}

static void act_again(const struct scenario *s)
{
    struct outcome outcome;
    int code = s->act(&outcome);
    if (code != OK) {
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, "; again: %d %s", code,
                 outcome.message);
    }
    MUST(code == OK);
}

/* Closed and opened with the real table, everything is as it was; and once more with nothing left.
 */
static void check_reopened(const struct scenario *s)
{
    failing_uninstall();
    world_open();
    if (s->not_done && !s->is_done && !s->afterwards)
        s->not_done(); /* close: the job goes on */
    world_end_jobs();
    world_check(false);
    world_close();
    world_check_files();
}

static void stays(const struct scenario *s, enum fault fault, long n)
{
    start(s);
    act_under_fault(s, fault, n);
    if (world.shared->outcome.code != OK && world.shared->outcome.code != LSM_ERR_OUTCOME_UNKNOWN) {
        if (world.conn) {
            world_check(false);
            mark_all();
        }
        act_again(s);
    }
    call(s->expect);
    call(s->release);
    call(s->afterwards);
    if (world.conn) {
        world_check(false);
        world_close();
    }
    check_reopened(s);
}

/* What the owner that dies does. */
static void live_and_die(const struct scenario *s, enum fault fault, long n)
{
    world.in_child = true;
    start(s);
    act_under_fault(s, fault, n);
    if (world.shared->outcome.code == OK)
        call(s->expect);
    if (lasting)
        usleep(20000); /* what is done in the background is done */
    else if (world.conn)
        mark_all();
    _exit(0);
}

static void dies(const struct scenario *s, enum fault fault, long n)
{
    int status, failed;
    size_t mark = strlen(world.context);
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        live_and_die(s, fault, n);
    MUST(waitpid(pid, &status, 0) == pid);
    failed = world.shared->outcome.code;
    snprintf(world.context + mark, sizeof world.context - mark, " (%s) → %d %s",
             world.shared->what +
                 (strlen(world.shared->what) > 80 ? strlen(world.shared->what) - 80 : 0),
             failed, world.shared->outcome.message);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    failing_install();
    world_open();
    if (lasting && !s->not_done)
        world_end_jobs();
    bool done = s->is_done ? s->is_done() : failed == OK;
    if (lasting && failed != OK && done) /* nobody could make sure of either */
        call(s->expect);
    else
        MUST(done == (failed == OK)); /* what failed did not happen, what succeeded did */
    if (!done && s->not_done)
        s->not_done();
    if (done && s->not_done && !s->is_done)
        s->not_done(); /* a job that goes on is done in the end */
    world_end_jobs();
    world_check(true);
    if (!done && !s->not_done && !s->connects) {
        act_again(s);
        call(s->expect);
        world_check(true);
    }
    world_close();
    failing_uninstall();
    world_check_files();
}

static void live_until_killed(const struct scenario *s, long n)
{
    world.in_child = true;
    start(s);
    failing_arm_at(FAULT_DEATH, NULL, s->where, n, false);
    MUST(s->act(&world.shared->outcome) == OK);
    failing_disarm(); /* the background goes on: the model is changed by one of the two alone */
    call(s->expect);
    _exit(0);
}

static void killed(const struct scenario *s, enum fault fault, long n)
{
    int status;
    (void)fault;
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        live_until_killed(s, n);
    MUST(waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAILING_DEATH));
    world.shared->reached = WEXITSTATUS(status) == FAILING_DEATH;

    failing_install();
    world_open();
    if (!s->not_done)
        world_end_jobs(); /* the job is the operation */
    bool done = s->is_done && s->is_done();
    if (!world.shared->reached)
        MUST(done || !s->is_done);
    else if (done)
        call(s->expect);
    if (!done && s->not_done)
        s->not_done();
    world_end_jobs();
    world_check(true);
    if (!done && !s->not_done && !s->connects) {
        act_again(s);
        if (world.shared->reached)
            call(s->expect);
        world_check(true);
    }
    world_close();
    failing_uninstall();
    world_check_files();
}

/* The disk answers again, but not before the call is over. */
static void is_out(const struct scenario *s, enum fault fault, long n)
{
    lasting = true;
    stays(s, fault, n);
    lasting = false;
}

/* The catalog's log is what fails, for good, and then the owner dies. */
static void loses_log(const struct scenario *s, enum fault fault, long n)
{
    lasting = true;
    lasting_where = "pool.db-wal";
    dies(s, fault, n);
    lasting = false;
    lasting_where = NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct way {
    const char *name;
    void (*try)(const struct scenario *s, enum fault fault, long n);
} ways[] = {
    {"stays", stays}, {"dies", dies}, {"killed", killed}, {"out", is_out}, {"log", loses_log}};
enum { STAYS, DIES, KILLED, OUT, LOG, WAYS };

static bool try_one(const struct scenario *s, enum fault fault, long n, int way)
{
    snprintf(world.context, sizeof world.context, "REPLICANT_TEST_FAULT=\"%s %d %ld %s\" (%s)",
             s->name, (int)fault, n, ways[way].name, fault_names[fault]);
    nth_begin(s);
    ways[way].try(s, fault, n);
    world_remove_directory();
    return world.shared->reached;
}

static uint64_t seed;

static long stride(const struct scenario *s, enum fault fault, int way)
{
    if (getenv("REPLICANT_TEST_LONG"))
        return 1;
    if (s->stride)
        return s->stride * (long)kill_share();
    return (long)kill_share() * (fault == FAULT_EIO || fault == FAULT_DEATH ? 3 : 4) *
           (way == DIES || way == OUT || fault == FAULT_MEMORY ? 2 : 1);
}

static long try_all(const struct scenario *s, enum fault fault, int way)
{
    long step = stride(s, fault, way), tried = 0, n = 1 + (long)(seed % (uint64_t)step);
    for (; try_one(s, fault, n, way); n += step)
        tried++;
    return tried;
}

static bool is_unwanted(const struct scenario *s)
{
    const char *wanted = getenv("REPLICANT_TEST_FAULT");
    size_t n = strlen(s->name);
    return wanted && (strncmp(wanted, s->name, n) != 0 || wanted[n] != ' ');
}

static void try_named(const struct scenario *s, const char *wanted)
{
    char how[16];
    int fault;
    long n;
    MUST(sscanf(wanted, "%*s %d %ld %15s", &fault, &n, how) == 3);
    for (int way = 0; way < WAYS; way++)
        if (strcmp(how, ways[way].name) == 0) {
            bool reached = try_one(s, (enum fault)fault, n, way);
            printf("%s: %s\n", world.context, reached ? "reached" : "not reached");
        }
}

static void try_scenario(const struct scenario *s)
{
    long tried[2][FAULT_DEATH], deaths = try_all(s, FAULT_DEATH, KILLED);
    long outs = s->stays_half ? 0 : try_all(s, FAULT_EIO, OUT) + try_all(s, FAULT_ENOSPC, OUT);
    long logs = try_all(s, FAULT_EIO, LOG), memory = try_all(s, FAULT_MEMORY, STAYS);
    long sum = deaths + outs + logs + memory;
    for (int fault = 0; fault < FAULT_DEATH; fault++)
        for (int way = STAYS; way <= DIES; way++)
            sum += tried[way][fault] = try_all(s, (enum fault)fault, way);
    printf("%-15s %4ld faults:", s->name, sum);
    for (int fault = 0; fault < FAULT_DEATH; fault++)
        printf(" %s %ld+%ld", fault_names[fault], tried[STAYS][fault], tried[DIES][fault]);
    printf(", death %ld, disk out %ld, log lost %ld, memory %ld\n", deaths, outs, logs, memory);
}

static const struct scenario_list *const lists[] = {
    &root_operations, &volume_operations, &io_operations, &job_operations, &background_operations};

static const struct scenario *scenario_at(size_t i)
{
    size_t list = 0;
    while (i >= lists[list]->count)
        i -= lists[list++]->count;
    return &lists[list]->items[i];
}

START_TEST(test_nth)
{
    const struct scenario *s = scenario_at((size_t)_i);
    if (is_unwanted(s))
        return;
    world_begin();
    nth_template_build(s->two_pools);
    if (getenv("REPLICANT_TEST_FAULT"))
        try_named(s, getenv("REPLICANT_TEST_FAULT"));
    else
        try_scenario(s);
    nth_template_remove();
}
END_TEST

int main(void)
{
    seed = kill_seed();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    TCase *tcase = tcase_create("nth");
    tcase_set_timeout(tcase, 3600);
    int count = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        count += (int)lists[i]->count;
    tcase_add_loop_test(tcase, test_nth, 0, count);
    return world_run("faults-nth", tcase);
}
