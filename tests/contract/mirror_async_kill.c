/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The owner is killed at any moment of a first copy, a ship, a promote, a reverse, a resume, a
 * break; the next one opens the root, and looks.
 *
 * What volumes hold is told by one stamp a cluster. Before the child writes, the state that the
 * write leads to goes into memory that outlives the child; so whatever is read afterwards must be
 * one of the states that there were. A mixture of two is none of them.
 */
#include "suites.h"
#include "mirror_async_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLUSTERS 128u
#define SIZE (CLUSTERS * CLUSTER)
#define STATES_MAX 60000u

enum phase { COPYING, SHIPPING, PROMOTING, REVERSING, RESUMING, BREAKING, PHASES };
static const char *const phase_names[PHASES] = {"first copy", "ship",   "promote",
                                                "reverse",    "resume", "break"};

struct content {
    uint64_t stamps[CLUSTERS];
};

static struct shared {
    uint64_t states[STATES_MAX];
    unsigned state_count;
    uint64_t stamp;              /* the last one given out */
    char source[80], target[80]; /* volumes, as their roles were when the child began */
    uint64_t acked[2], begun[2]; /* of the source, of the target: flushed, and being written */
    bool broken;                 /* a break was acknowledged, and the target written */
    unsigned steps;
} * shared;

static uint64_t hash(const struct content *c)
{
    uint64_t h = 14695981039346656037u;
    for (unsigned i = 0; i < CLUSTERS; i++)
        h = (h ^ c->stamps[i]) * 1099511628211u;
    return h;
}

static void know(const struct content *c)
{
    ck_assert_uint_lt(shared->state_count, STATES_MAX);
    shared->states[shared->state_count] = hash(c);
    shared->state_count++;
}

static bool is_known(uint64_t h)
{
    for (unsigned i = shared->state_count; i-- > 0;)
        if (shared->states[i] == h)
            return true;
    return false;
}

static uint64_t content_read(const char *id, struct content *c)
{
    static uint64_t words[SIZE / 8];
    autovolume lsm_volume *v = volume_with("id", id);
    autoio lsm_volume_io *io = NULL;
    ck_assert_msg(v != NULL, "the volume %s is gone", id);
    FINE(lsm_volume_io_open(world.conn, v, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, words, SIZE, 0, 0));
    for (unsigned i = 0; i < CLUSTERS; i++) {
        c->stamps[i] = words[i * (CLUSTER / 8)];
        for (unsigned k = 0; k < CLUSTER / 8; k++)
            ck_assert_uint_eq(words[i * (CLUSTER / 8) + k], c->stamps[i]);
    }
    return hash(c);
}

/* --- the child ------------------------------------------------------------------------------- */

static uint32_t dice;

/* Each write is flushed, so at most one is in doubt. */
static void stamp_some(const char *id, int side, unsigned times)
{
    static uint64_t words[CLUSTER / 8];
    struct content c;
    autovolume lsm_volume *v = volume_with("id", id);
    autoio lsm_volume_io *io = NULL;
    shared->acked[side] = shared->begun[side] = content_read(id, &c);
    FINE(lsm_volume_io_open(world.conn, v, &io, 0));
    while (times-- > 0) {
        unsigned at = random_next(&dice) % CLUSTERS;
        c.stamps[at] = ++shared->stamp;
        for (unsigned k = 0; k < CLUSTER / 8; k++)
            words[k] = c.stamps[at];
        know(&c);
        shared->begun[side] = hash(&c);
        FINE(lsm_volume_io_pwrite(io, words, CLUSTER, at * CLUSTER, LSM_VOLUME_IO_FUA));
        shared->acked[side] = shared->begun[side];
    }
}

static void ship_if_any(void)
{
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    if (rc == LSM_ERR_NO_STATE_CHANGE)
        REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
    else
        STARTED(rc);
    if (job)
        job_finish(job);
}

static void turn_shared(void)
{
    char id[80];
    memcpy(id, shared->source, sizeof id);
    memcpy(shared->source, shared->target, sizeof id);
    memcpy(shared->target, id, sizeof id);
}

static void start_mirror(uint64_t rate)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    autovolume lsm_volume *source = volume_with("id", shared->source);
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_rate_limit_set(options, rate);
    lsm_replicate_options_interval_set(options, 0);
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, source, "mirror",
                                      options, &made, &job, 0));
    stamp_some(shared->source, 0, 6);
    job_finish(job);
}

static void find_relation(void)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, NULL, NULL, &list, &count, 0));
    ck_assert_uint_le(count, 1);
    pair.id[0] = '\0';
    if (count) {
        snprintf(pair.id, sizeof pair.id, "%s", lsm_replication_id_get(list[0]));
        snprintf(shared->source, sizeof shared->source, "%s",
                 lsm_replication_source_volume_id_get(list[0]));
        snprintf(shared->target, sizeof shared->target, "%s",
                 lsm_replication_target_volume_id_get(list[0]));
        lsm_replication_record_array_free(list, count);
    }
}

static void end_mirror(bool breaks)
{
    autovolume lsm_volume *target = volume_with("id", shared->target);
    if (breaks) {
        struct content c;
        shared->acked[1] = shared->begun[1] = content_read(shared->target, &c);
        FINE(lsm_replication_break(world.conn, pair.id, 0));
        shared->broken = true;
        stamp_some(shared->target, 1, 3);
    }
    FINE(volume_delete(target));
    shared->broken = false;
}

static void child_step(enum phase phase)
{
    switch (phase) {
    case COPYING:
        if (pair.id[0])
            end_mirror(false);
        start_mirror(4 * MIB);
        find_relation();
        break;
    case SHIPPING:
        stamp_some(shared->source, 0, 1 + random_next(&dice) % 6);
        ship_if_any();
        break;
    case PROMOTING:
        stamp_some(shared->source, 0, random_next(&dice) % 4);
        FINE(promote(0));
        turn_shared();
        break;
    case REVERSING:
    case RESUMING:
        FINE(promote(FORCE));
        stamp_some(shared->target, 1, random_next(&dice) % 4);
        stamp_some(shared->source, 0, random_next(&dice) % 4);
        if (phase == REVERSING) {
            FINE(reverse(random_next(&dice) % 2 ? DISCARD : 0));
            turn_shared();
        } else {
            FINE(lsm_replication_resume(world.conn, pair.id, random_next(&dice) % 2 ? DISCARD : 0));
            job_of_mirror_finish();
        }
        replication_await(STATE(IN_SYNC));
        break;
    case BREAKING:
        shared->broken = false; /* the last child may have died behind its break */
        if (!pair.id[0])
            start_mirror(0);
        find_relation();
        stamp_some(shared->source, 0, 2);
        ship_if_any();
        end_mirror(true);
        pair.id[0] = '\0';
        break;
    case PHASES: break;
    }
    shared->steps++;
}

static char said[500]; /* where the child's assertions are written: not to check's own file */

static void speak_elsewhere(void)
{
    int to = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (int fd = 3; fd < 64; fd++)
        if (fd != to && fcntl(fd, F_GETFD) >= 0)
            dup2(to, fd);
}

static const char *what_it_said(void)
{
    static char text[401];
    FILE *file = fopen(said, "r");
    size_t n = 0;
    if (file &&
        (fseek(file, -(long)sizeof text + 1, SEEK_END) == 0 || fseek(file, 0, SEEK_SET) == 0))
        n = fread(text, 1, sizeof text - 1, file);
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ')
            text[i] = ' ';
    text[n] = '\0';
    if (file)
        fclose(file);
    return text;
}

static void child(enum phase phase)
{
    speak_elsewhere();
    world_open();
    for (unsigned i = 0; i < 10000; i++)
        child_step(phase);
    _exit(0);
}

/* --- the next owner -------------------------------------------------------------------------- */

static void check_known(const char *id, const char *what)
{
    struct content c;
    ck_assert_msg(is_known(content_read(id, &c)), "%s holds what it never was", what);
}

/* The child may have died inside a call that exchanges the roles. */
static void check_acked(enum phase phase)
{
    struct content c;
    if (phase == REVERSING || phase == RESUMING) { /* what is rewound may be kept, or gone */
        check_known(shared->source, "the source");
        return;
    }
    uint64_t now = content_read(shared->source, &c);
    ck_assert_msg(now == shared->acked[0] || now == shared->begun[0],
                  "the source lacks what was flushed (or has more)");
}

/* Whatever it is, it can be brought into sync; then both are equal. */
static void join(void)
{
    struct content a, b;
    for (int tries = 0; tries < 5; tries++) {
        lsm_replication_state state = replication_state();
        if (state == STATE(PAUSED) || state == STATE(SPLIT))
            FINE(lsm_replication_resume(world.conn, pair.id, DISCARD));
        job_of_mirror_finish();
        if (replication_state() == STATE(IN_SYNC))
            break;
    }
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
    find_relation();
    check_known(shared->target, "the target in sync");
    ship_if_any();
    ck_assert_uint_eq(content_read(shared->source, &a), content_read(shared->target, &b));
    check_known(shared->source, "the source in the end");
}

static void delete_others(bool target_too)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, NULL, NULL, &volumes, &count, 0));
    for (uint32_t i = 0; i < count; i++) {
        const char *id = lsm_volume_id_get(volumes[i]);
        check_known(id, "a volume");
        if (strcmp(id, shared->source) != 0 && (target_too || strcmp(id, shared->target) != 0))
            FINE(volume_delete(volumes[i]));
    }
    lsm_volume_record_array_free(volumes, count);
}

static void check(enum phase phase)
{
    find_relation();
    if (pair.id[0] == '\0') { /* there is none: no half of it, either */
        if (phase == BREAKING && shared->broken) {
            struct content c;
            uint64_t now = content_read(shared->target, &c);
            ck_assert(now == shared->acked[1] || now == shared->begun[1]);
        }
        ck_assert(phase == COPYING || phase == BREAKING);
        check_acked(phase);
        delete_others(true);
        return;
    }
    ck_assert_msg(!shared->broken, "the relation was broken, and is back");
    lsm_replication_state state = replication_state();
    if (state == STATE(INITIALIZING))
        ck_assert_uint_eq(volume_count("id", shared->target), 0);
    else
        check_known(shared->target, "the target");
    check_acked(phase);
    autovolume lsm_volume *target = volume_with("id", shared->target);
    if (target)
        writable(target, state == STATE(SPLIT));
    join();
    delete_others(false);
}

static void begin(int mode)
{
    struct content c = {0};
    mode_set(mode);
    snprintf(said, sizeof said, "%s/said", scratch_directory());
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    FINE(volume_delete(pair.source));
    let_go_of_volume(&pair.source);
    pair.source = volume_make("stamped", SIZE);
    snprintf(shared->source, sizeof shared->source, "%s", lsm_volume_id_get(pair.source));
    know(&c);
    stamp_some(shared->source, 0, 100);
}

START_TEST(async_killed)
{
    enum phase phase = (enum phase)(_i / 2);
    unsigned rounds = getenv("REPLICANT_TEST_LONG") ? 400 : 4;
    if (!mirrors_are_there() || !world.directory[0])
        return;
    dice = 77777u * (uint32_t)(_i + 1);
    begin(_i % 2);
    if (phase != COPYING) {
        start_mirror(0);
        find_relation();
    }
    for (unsigned round = 0; round < rounds; round++) {
        world_close();
        pid_t pid = fork();
        if (pid == 0)
            child(phase);
        unsigned longest = getenv("REPLICANT_TEST_LONG") ? 400 : 150;
        usleep(10000 + random_next(&dice) % (longest * 1000));
        kill(pid, SIGKILL);
        int status = 0;
        waitpid(pid, &status, 0);
        ck_assert_msg(WIFSIGNALED(status), "%s, round %u: the child failed by itself: %s",
                      phase_names[phase], round, what_it_said());
        dice += round;
        world_open();
        check(phase);
        ck_assert_uint_le(shared->state_count, STATES_MAX / 2);
    }
    munmap(shared, sizeof *shared);
}
END_TEST

/* Killed while it ships, and the source's disk is gone with the machine. */
START_TEST(async_killed_and_the_source_lost)
{
    char path[900];
    unsigned rounds = getenv("REPLICANT_TEST_LONG") ? 100 : 3;
    if (!mirrors_are_there() || !world.directory[0])
        return;
    dice = 99991;
    begin(BETWEEN_POOLS);
    start_mirror(0);
    find_relation();
    for (unsigned round = 0; round < rounds; round++) {
        world_close();
        pid_t pid = fork();
        if (pid == 0)
            child(SHIPPING);
        usleep(30000 + random_next(&dice) % 100000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        snprintf(path, sizeof path, "mv '%s/%s' '%s/'", world.directory,
                 lsm_pool_name_get(world.pool), scratch_directory());
        ck_assert_int_eq(system(path), 0);
        world_open();
        check_known(shared->target, "the target without its source");
        FINE(promote(FORCE));
        check_known(shared->target, "the target that was promoted");
        stamp_some(shared->target, 1, 5);
        FINE(lsm_replication_break(world.conn, pair.id, 0));
        world_reopen();
        struct content c;
        ck_assert_uint_eq(content_read(shared->target, &c), shared->acked[1]);

        /* It goes on as a source, with a mirror in a new pool. */
        lsm_pool *pool = NULL;
        snprintf(path, sizeof path, "pool-%u", round);
        FINE(lsm_pool_create(world.conn, path, NULL, 0, &pool, 0));
        lsm_pool_record_free(world.pool);
        world.pool = pair.pool;
        pair.pool = pool;
        memcpy(shared->source, shared->target, sizeof shared->source);
        start_mirror(0);
        find_relation();
        ship_if_any();
    }
    munmap(shared, sizeof *shared);
}
END_TEST

TCase *mirror_async_kill(void)
{
    TCase *tests = tcase_create("mirror_async_kill");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, async_killed, 0, 2 * PHASES);
    tcase_add_test(tests, async_killed_and_the_source_lost);
    return tests;
}
