/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asynchronous mirrors of a group: every ship is of one instant, it arrives for all members or for
 * none, and a verb on one member is a verb on all. Each test sees one pool and two; by steps, one
 * run of the owner and many.
 */
#include "suites.h"
#include "image.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIRROR_ASYNC LSM_VOLUME_REPLICATE_MIRROR_ASYNC
#define FORCE LSM_REPLICATION_FORCE
#define STATE(name) LSM_REPLICATION_STATE_##name
#define MEMBERS 3
#define SIZE MIB
#define PIECES 4 /* apart, so that a ship of them can be held in between */
#define PIECE 20000

enum { BETWEEN_POOLS = 1, REOPENED = 2, MODES = 4 };

static const char *source_names[MEMBERS] = {"log", "data", "index"};
static const char *target_names[MEMBERS] = {"log'", "data'", "index'"};

static int mode;
static lsm_pool *pool; /* the targets' */
static lsm_volume *sources[MEMBERS], *targets[MEMBERS];
static struct image *images[MEMBERS]; /* what the sources hold */
static lsm_replicate_options *options;
static char ids[MEMBERS][80], group[80];

static void make(void)
{
    world_make_fast();
    options = lsm_replicate_options_alloc();
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, 0), OK);
    for (int i = 0; i < MEMBERS; i++) {
        sources[i] = volume_make(source_names[i], SIZE);
        images[i] = image_create(SIZE);
        image_fill(images[i], sources[i], (uint32_t)i + 1);
    }
}

static void unmake(void)
{
    for (int i = 0; i < MEMBERS; i++) {
        image_destroy(&images[i]);
        let_go_of_volume(&sources[i]);
        let_go_of_volume(&targets[i]);
        sources[i] = targets[i] = NULL;
    }
    lsm_replicate_options_free(options);
    let_go_of_pool(&pool);
    pool = NULL;
    world_remove();
}

static void mode_set(int wanted)
{
    mode = wanted;
    pool = mode & BETWEEN_POOLS ? pool_make("dr") : lsm_pool_record_copy(world.pool);
}

static void step(void)
{
    if (mode & REOPENED)
        world_reopen();
}

/* --- the relations --------------------------------------------------------------------------- */

static int mirror_group(lsm_replication_type type, lsm_volume **from, const char **to, uint32_t n,
                        lsm_volume **made[], char **job)
{
    uint32_t count = 0;
    *made = NULL;
    *job = NULL;
    int rc = lsm_volume_group_replicate(world.conn, pool, type, from, to, n, options, made, &count,
                                        job, 0);
    ck_assert_int_eq(*made != NULL, rc == OK);
    ck_assert_int_eq(*job != NULL, rc == LSM_ERR_JOB_STARTED);
    return rc;
}

static uint32_t relations(const char *key, const char *value)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, key, value, &list, &count, 0));
    if (list)
        lsm_replication_record_array_free(list, count);
    return count;
}

static void relation_find(int i)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(sources[i]), &list,
                              &count, 0));
    ck_assert_uint_eq(count, 1);
    snprintf(ids[i], sizeof ids[i], "%s", lsm_replication_id_get(list[0]));
    ck_assert_ptr_nonnull(lsm_replication_group_id_get(list[0]));
    if (i == 0)
        snprintf(group, sizeof group, "%s", lsm_replication_group_id_get(list[0]));
    ck_assert_str_eq(lsm_replication_group_id_get(list[0]), group);
    lsm_replication_record_array_free(list, count);
}

static char *start(uint64_t rate)
{
    lsm_volume **made;
    char *job;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
    STARTED(mirror_group(MIRROR_ASYNC, sources, target_names, MEMBERS, &made, &job));
    for (int i = 0; i < MEMBERS; i++)
        relation_find(i);
    return job;
}

static lsm_replication_state state_of(int i)
{
    lsm_replication *r = NULL;
    FINE(lsm_replication_get(world.conn, ids[i], &r, 0));
    lsm_replication_state state = lsm_replication_state_get(r);
    lsm_replication_record_free(r);
    return state;
}

static void all_are(lsm_replication_state state)
{
    for (int i = 0; i < MEMBERS; i++)
        ck_assert_msg(state_of(i) == state, "the replication of %s is %d, not %d", source_names[i],
                      state_of(i), state);
    ck_assert_uint_eq(relations("group_id", group), MEMBERS);
}

static void await_all(lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 30000; state_of(0) != state && now_ms() < end;)
        sleep_ms(2);
    all_are(state);
}

/* Lifts its limit and waits; what it made, which a group's first job alone does. */
static void finish(char *job)
{
    lsm_volume **made = NULL;
    uint32_t count = 0;
    let_go_of_volume(&(lsm_volume *){copy_finish(strdup(job))});
    FINE(lsm_job_volume_list(world.conn, job, &made, &count, 0));
    ck_assert_uint_eq(count, MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        let_go_of_volume(&targets[i]);
        targets[i] = made[i];
    }
    free(made);
    free(job);
}

static void make_in_sync(uint64_t rate)
{
    finish(start(rate));
    all_are(STATE(IN_SYNC));
}

static void writable(lsm_volume *volume, bool yes)
{
    lsm_volume_io *io = NULL;
    int rc = lsm_volume_io_open(world.conn, volume, &io, 0);
    if (!yes) {
        REFUSED(rc, LSM_ERR_READ_ONLY);
        return;
    }
    FINE(rc);
    FINE(lsm_volume_io_close(io, 0));
}

static void write_to(int i, lsm_volume *volume, struct image *image, uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    for (uint64_t k = 0; k < PIECES; k++)
        image_write(image, io, k * SIZE / PIECES + (uint64_t)i * 5000, PIECE, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

static void write_all(uint32_t seed)
{
    for (int i = 0; i < MEMBERS; i++)
        write_to(i, sources[i], images[i], seed + (uint32_t)i);
}

static void instants_take(struct image *instants[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        instants[i] = image_copy(images[i]);
}

static void instants_drop(struct image *instants[MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++)
        image_destroy(&instants[i]);
}

static void check_targets(struct image **of)
{
    for (int i = 0; i < MEMBERS; i++)
        SAME(of[i], targets[i]);
}

static char *sync_start(int through)
{
    char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, ids[through], &job, 0));
    return job;
}

static void roles_exchange(void)
{
    for (int i = 0; i < MEMBERS; i++) {
        lsm_volume *source = sources[i];
        sources[i] = targets[i];
        targets[i] = source;
    }
}

/* --- beginning ------------------------------------------------------------------------------- */

START_TEST(group_mirror_begins_at_one_instant)
{
    struct image *instants[MEMBERS];
    lsm_volume **none = NULL;
    uint32_t count = 0;
    mode_set(_i);
    instants_take(instants);
    char *job = start(HELD);
    all_are(STATE(INITIALIZING));
    write_all(50);
    step();
    all_are(STATE(INITIALIZING));
    ck_assert_uint_eq(job_count(NULL, NULL), 1);
    FINE(lsm_job_volume_list(world.conn, job, &none, &count, 0));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(sources[i])), 1);
        REFUSED(volume_delete(sources[i]), LSM_ERR_HAS_CHILD_DEPENDENCY);
    }
    REFUSED(lsm_replication_break(world.conn, ids[1], 0), LSM_ERR_STATE);
    finish(job);
    all_are(STATE(IN_SYNC));
    step();
    check_targets(instants);
    instants_drop(instants);
    for (int i = 0; i < MEMBERS; i++) {
        ck_assert_str_eq(lsm_volume_name_get(targets[i]), target_names[i]);
        writable(targets[i], false);
        SAME(images[i], sources[i]);
    }
}
END_TEST

START_TEST(group_mirror_cancelled_leaves_nothing)
{
    mode_set(_i);
    autotext char *job = start(HELD);
    step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    step();
    ck_assert_uint_eq(relations(NULL, NULL), 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        ck_assert(!volume_has_dependants(sources[i]));
    make_in_sync(0);
    check_targets(images);
}
END_TEST

START_TEST(group_mirror_key_again)
{
    lsm_volume **again, *turned[] = {sources[1], sources[0], sources[2]};
    char *same;
    mode_set(_i);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "k"), OK);
    char *job = start(HELD);
    step();
    STARTED(mirror_group(MIRROR_ASYNC, sources, target_names, MEMBERS, &again, &same));
    ck_assert_str_eq(job, same);
    free(same);
    REFUSED(mirror_group(MIRROR_ASYNC, turned, target_names, MEMBERS, &again, &same),
            LSM_ERR_NAME_CONFLICT);
    finish(job);
    step();
    FINE(mirror_group(MIRROR_ASYNC, sources, target_names, MEMBERS, &again, &same));
    for (int i = 0; i < MEMBERS; i++)
        ck_assert_str_eq(lsm_volume_id_get(again[i]), lsm_volume_id_get(targets[i]));
    lsm_volume_record_array_free(again, MEMBERS);
    ck_assert_uint_eq(relations(NULL, NULL), MEMBERS);
}
END_TEST

/* --- shipping -------------------------------------------------------------------------------- */

START_TEST(group_ship_brings_all_members)
{
    lsm_replication *r = NULL;
    char *job = NULL;
    mode_set(_i);
    make_in_sync(0);
    REFUSED(lsm_replication_sync(world.conn, ids[1], &job, 0), LSM_ERR_NO_STATE_CHANGE);
    for (int round = 0; round < 4; round++) {
        struct image *instants[MEMBERS];
        if (round < MEMBERS) /* one alone was written to */
            write_to(round, sources[round], images[round], 90 + (uint32_t)round);
        else
            write_all(100);
        instants_take(instants);
        step();
        let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(round % MEMBERS))});
        all_are(STATE(IN_SYNC));
        step();
        check_targets(instants);
        instants_drop(instants);
    }
    for (int i = 0; i < MEMBERS; i++) {
        FINE(lsm_replication_get(world.conn, ids[i], &r, 0));
        ck_assert_uint_eq(lsm_replication_lag_bytes_get(r), 0);
        ck_assert_uint_ge(lsm_replication_last_sync_bytes_get(r), PIECES * PIECE);
        ck_assert_uint_le(lsm_replication_last_sync_bytes_get(r), PIECES * (PIECE + 2 * CLUSTER));
        lsm_replication_record_free(r);
        r = NULL;
    }
    REFUSED(lsm_replication_sync(world.conn, ids[2], &job, 0), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

/* While it is under way all targets are the instant before; so they are when it is cancelled. */
START_TEST(group_ship_is_all_or_none)
{
    struct image *before[MEMBERS];
    mode_set(_i);
    make_in_sync(HELD);
    instants_take(before);
    write_all(60);
    autotext char *job = sync_start(1);
    job_await(job, LSM_JOB_STATE_RUNNING);
    step();
    job_await(job, LSM_JOB_STATE_RUNNING);
    check_targets(before);
    FINE(lsm_job_cancel(world.conn, job, 0));
    all_are(STATE(IN_SYNC));
    check_targets(before);
    step();
    check_targets(before);
    instants_drop(before);
    let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(2))});
    step();
    check_targets(images);
}
END_TEST

/* What is written while one ships is in another that follows, which all who ask share. */
START_TEST(group_ship_is_followed)
{
    struct image *first[MEMBERS];
    mode_set(_i);
    make_in_sync(HELD);
    write_all(60);
    instants_take(first);
    char *job = sync_start(1);
    job_await(job, LSM_JOB_STATE_RUNNING);
    write_all(70);
    char *next = sync_start(0);
    autotext char *same = sync_start(2);
    ck_assert_str_ne(job, next);
    ck_assert_str_eq(next, same);
    step();
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    job_await(job, LSM_JOB_STATE_DONE);
    let_go_of_volume(&(lsm_volume *){copy_finish(next)});
    free(job);
    check_targets(images);
    all_are(STATE(IN_SYNC));
    instants_drop(first);
}
END_TEST

/* --- verbs ----------------------------------------------------------------------------------- */

START_TEST(group_pauses_and_resumes)
{
    char *job = NULL;
    mode_set(_i);
    make_in_sync(0);
    FINE(lsm_replication_pause(world.conn, ids[2], 0));
    step();
    all_are(STATE(PAUSED));
    REFUSED(lsm_replication_pause(world.conn, ids[0], 0), LSM_ERR_NO_STATE_CHANGE);
    write_all(30);
    REFUSED(lsm_replication_sync(world.conn, ids[1], &job, 0), LSM_ERR_STATE);
    FINE(lsm_replication_resume(world.conn, ids[1], 0));
    await_all(STATE(IN_SYNC));
    check_targets(images);
}
END_TEST

START_TEST(group_interval_is_one)
{
    mode_set(_i);
    make_in_sync(0);
    FINE(lsm_replication_interval_set(world.conn, ids[1], 3600000, 0));
    step();
    for (int i = 0; i < MEMBERS; i++) {
        lsm_replication *r = NULL;
        FINE(lsm_replication_get(world.conn, ids[i], &r, 0));
        ck_assert_uint_eq(lsm_replication_interval_ms_get(r), 3600000);
        lsm_replication_record_free(r);
    }
}
END_TEST

/* Lost, worked on at the other side, and come back: what each side wrote alone is kept. */
START_TEST(group_fails_over_and_back)
{
    struct image *shipped[MEMBERS], *lost[MEMBERS];
    char *job = NULL;
    mode_set(_i);
    make_in_sync(0);
    instants_take(shipped);
    write_all(40); /* not shipped */
    FINE(lsm_replication_promote(world.conn, ids[1], &job, FORCE));
    step();
    all_are(STATE(SPLIT));
    check_targets(shipped);
    for (int i = 0; i < MEMBERS; i++) {
        writable(targets[i], true);
        write_to(i, targets[i], shipped[i], 45);
        lost[i] = image_copy(images[i]);
    }
    REFUSED(lsm_replication_promote(world.conn, ids[0], &job, FORCE), LSM_ERR_NO_STATE_CHANGE);
    step();
    int rc = lsm_replication_reverse(world.conn, ids[2], &job, 0);
    STARTED(rc);
    job_await(job, LSM_JOB_STATE_DONE);
    let_go_of_text(&job);
    step();
    all_are(STATE(IN_SYNC));
    for (int i = 0; i < MEMBERS; i++) {
        lsm_replication *r = NULL;
        SAME(shipped[i], sources[i]);
        SAME(shipped[i], targets[i]);
        writable(sources[i], false);
        FINE(lsm_replication_get(world.conn, ids[i], &r, 0));
        autovolume lsm_volume *kept = volume_with("id", lsm_replication_diverged_volume_id_get(r));
        ck_assert_ptr_nonnull(kept);
        SAME(lost[i], kept);
        lsm_replication_record_free(r);
    }
    instants_drop(lost);
    instants_drop(shipped);
}
END_TEST

START_TEST(group_is_rejoined_after_a_split)
{
    struct image *alone[MEMBERS];
    char *job = NULL;
    mode_set(_i);
    make_in_sync(0);
    instants_take(alone);
    FINE(lsm_replication_promote(world.conn, ids[0], &job, FORCE));
    write_all(41);
    for (int i = 0; i < MEMBERS; i++)
        write_to(i, targets[i], alone[i], 46);
    step();
    FINE(lsm_replication_resume(world.conn, ids[1], 0));
    await_all(STATE(IN_SYNC));
    step();
    check_targets(images);
    ck_assert_uint_eq(volume_count(NULL, NULL), 3 * MEMBERS); /* what was written is kept */
    instants_drop(alone);
}
END_TEST

/* A planned promote: what is left is shipped, and all exchange their roles, or none. */
START_TEST(group_switches_over)
{
    mode_set(_i);
    make_in_sync(0);
    for (int round = 0; round < 3; round++) {
        autotext char *job = NULL;
        if (round != 1)
            write_all(80 + (uint32_t)round);
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, sources[2], &io, 0));
        REFUSED(lsm_replication_promote(world.conn, ids[0], &job, 0), LSM_ERR_BUSY);
        FINE(lsm_volume_io_close(io, 0));
        int rc = lsm_replication_promote(world.conn, ids[round], &job, 0);
        if (round != 1) {
            STARTED(rc);
            job_await(job, LSM_JOB_STATE_DONE);
        } else {
            FINE(rc);
        }
        for (uint64_t end = now_ms() + 30000; now_ms() < end; sleep_ms(2)) {
            lsm_replication *r = NULL;
            FINE(lsm_replication_get(world.conn, ids[0], &r, 0));
            bool turned =
                strcmp(lsm_replication_source_volume_id_get(r), lsm_volume_id_get(targets[0])) == 0;
            lsm_replication_record_free(r);
            if (turned)
                break;
        }
        roles_exchange();
        step();
        all_are(STATE(IN_SYNC));
        check_targets(images);
        for (int i = 0; i < MEMBERS; i++) {
            SAME(images[i], sources[i]);
            writable(sources[i], true);
            writable(targets[i], false);
        }
    }
}
END_TEST

START_TEST(group_is_broken)
{
    mode_set(_i);
    make_in_sync(0);
    write_all(20);
    FINE(lsm_replication_break(world.conn, ids[1], 0));
    step();
    ck_assert_uint_eq(relations(NULL, NULL), 0);
    for (int i = 0; i < MEMBERS; i++) {
        lsm_replication *r = NULL;
        REFUSED(lsm_replication_get(world.conn, ids[i], &r, 0), LSM_ERR_NOT_FOUND_REPLICATION);
        writable(targets[i], true);
        FINE(volume_delete(sources[i]));
    }
}
END_TEST

/* Deleting a target ends its relation; the others go on. */
START_TEST(group_loses_a_member)
{
    mode_set(_i);
    make_in_sync(0);
    FINE(volume_delete(targets[0]));
    step();
    ck_assert_uint_eq(relations("group_id", group), MEMBERS - 1);
    write_all(33);
    let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(2))});
    step();
    for (int i = 1; i < MEMBERS; i++)
        SAME(images[i], targets[i]);
    FINE(lsm_replication_break(world.conn, ids[1], 0));
    ck_assert_uint_eq(relations(NULL, NULL), 0);
}
END_TEST

START_TEST(group_of_synchronous_mirrors_is_153)
{
    lsm_volume **made;
    char *job;
    mode_set(0);
    REFUSED(
        mirror_group(LSM_VOLUME_REPLICATE_MIRROR_SYNC, sources, target_names, MEMBERS, &made, &job),
        LSM_ERR_NO_SUPPORT);
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
}
END_TEST

/* --- one instant ----------------------------------------------------------------------------- */

/* For threads, and for a process that is killed: neither may speak to the test's parent. */
static void must(bool fine)
{
    if (!fine)
        abort();
}

static uint64_t number_at(lsm_volume *volume)
{
    lsm_volume_io *io = NULL;
    uint64_t n = 0;
    must(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    must(lsm_volume_io_pread(io, &n, sizeof n, 4096, 0) == OK);
    must(lsm_volume_io_close(io, 0) == OK);
    return n;
}

static void number_write(uint64_t n)
{
    for (int i = 0; i < MEMBERS; i++) {
        autoio lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, sources[i], &io, 0));
        FINE(lsm_volume_io_pwrite(io, &n, sizeof n, 4096, 0));
    }
}

/* A number is on a member before it is written to the next one, from where the last owner left. */
static atomic_bool enough;

static void *stamp(void *nothing)
{
    lsm_volume_io *io[MEMBERS] = {NULL};
    uint64_t n = number_at(sources[0]); /* which may not be on the others */
    (void)nothing;
    for (int i = 0; i < MEMBERS; i++)
        must(lsm_volume_io_open(world.conn, sources[i], &io[i], 0) == OK);
    for (; !atomic_load(&enough); n++)
        for (int i = 0; i < MEMBERS; i++)
            must(lsm_volume_io_pwrite(io[i], &n, sizeof n, 4096, LSM_VOLUME_IO_FUA) == OK);
    for (int i = 0; i < MEMBERS; i++)
        must(lsm_volume_io_close(io[i], 0) == OK);
    return NULL;
}

static uint64_t check_instant(lsm_volume *volumes[])
{
    uint64_t first = number_at(volumes[0]), before = first;
    for (int i = 1; i < MEMBERS; i++) {
        uint64_t next = number_at(volumes[i]);
        ck_assert_msg(next <= before && next + 1 >= first, "%" PRIu64 " beside %" PRIu64, next,
                      first);
        before = next;
    }
    return first;
}

/* Clones of all targets at one instant, while ships arrive: each time all are of one ship. */
static uint64_t check_clones_of_targets(int round)
{
    char named[MEMBERS][32], *job = NULL;
    const char *to[MEMBERS];
    lsm_volume **clones = NULL;
    uint32_t count = 0;
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(named[i], sizeof named[i], "look %d %d", round, i);
        to[i] = named[i];
    }
    FINE(lsm_volume_group_replicate(world.conn, NULL, CLONE, targets, to, MEMBERS, NULL, &clones,
                                    &count, &job, 0));
    uint64_t seen = check_instant(clones);
    for (int i = 0; i < MEMBERS; i++)
        FINE(volume_delete(clones[i]));
    lsm_volume_record_array_free(clones, count);
    return seen;
}

START_TEST(group_targets_are_of_one_instant)
{
    uint64_t last = 0;
    pthread_t thread;
    mode_set(_i);
    number_write(0);
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, 1), OK);
    make_in_sync(0);
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, stamp, NULL), 0);
    for (int round = 0; round < 25 || last == 0; round++) {
        uint64_t seen = check_clones_of_targets(round);
        ck_assert_uint_ge(seen, last);
        last = seen;
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    all_are(STATE(IN_SYNC));
    check_instant(sources);
}
END_TEST

/* The owner ships as often as it can, and is killed; whatever it leaves, the targets are of one
 * instant, and the next ship brings the rest. */
static void owner_that_ships(int told)
{
    pthread_t thread;
    lsm_error_ptr e = NULL;
    atomic_store(&enough, false);
    must(world_connect(world.uri, &world.conn, &e) == OK);
    must(pthread_create(&thread, NULL, stamp, NULL) == 0 && write(told, "", 1) == 1);
    for (int i = 0;; i++) {
        char *job = NULL;
        lsm_job *done = NULL;
        int rc = lsm_replication_sync(world.conn, ids[i % MEMBERS], &job, 0);
        must(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
        if (job) {
            must(lsm_job_wait(world.conn, job, UINT32_MAX, &done, 0) == OK);
            must(lsm_job_state_get(done) == LSM_JOB_STATE_DONE);
            lsm_job_record_free(done);
        }
        free(job);
    }
}

START_TEST(group_targets_are_of_one_instant_after_a_kill)
{
    uint64_t last = 0;
    uint32_t dice = 11 + (uint32_t)_i;
    mode_set(_i);
    number_write(0);
    make_in_sync(0);
    for (int kills = 0; kills < 25 && world.directory[0]; kills++) {
        int told[2], status;
        char begun;
        ck_assert_int_eq(pipe(told), 0);
        world_close();
        pid_t child = fork();
        if (child == 0)
            owner_that_ships(told[1]);
        ck_assert_int_eq(read(told[0], &begun, 1), 1);
        usleep(random_next(&dice) % 20000);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(told[0]);
        close(told[1]);
        world_open();
        uint64_t seen = check_instant(targets);
        ck_assert_uint_ge(seen, last);
        last = check_instant(sources);
        ck_assert_uint_le(seen, last);
        char *job = NULL;
        int rc = lsm_replication_sync(world.conn, ids[0], &job, 0);
        if (rc == LSM_ERR_NO_STATE_CHANGE)
            REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
        else
            STARTED(rc);
        if (job)
            let_go_of_volume(&(lsm_volume *){copy_finish(job)});
        all_are(STATE(IN_SYNC));
        ck_assert_uint_eq(check_instant(targets), last);
    }
    ck_assert_uint_gt(last, 0);
}
END_TEST

TCase *group_mirror(void)
{
    TCase *tests = tcase_create("group_mirror");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_loop_test(tests, group_mirror_begins_at_one_instant, 0, MODES);
    tcase_add_loop_test(tests, group_mirror_cancelled_leaves_nothing, 0, MODES);
    tcase_add_loop_test(tests, group_mirror_key_again, 0, MODES);
    tcase_add_loop_test(tests, group_ship_brings_all_members, 0, MODES);
    tcase_add_loop_test(tests, group_ship_is_all_or_none, 0, MODES);
    tcase_add_loop_test(tests, group_ship_is_followed, 0, MODES);
    tcase_add_loop_test(tests, group_pauses_and_resumes, 0, MODES);
    tcase_add_loop_test(tests, group_interval_is_one, 0, MODES);
    tcase_add_loop_test(tests, group_fails_over_and_back, 0, MODES);
    tcase_add_loop_test(tests, group_is_rejoined_after_a_split, 0, MODES);
    tcase_add_loop_test(tests, group_switches_over, 0, MODES);
    tcase_add_loop_test(tests, group_is_broken, 0, MODES);
    tcase_add_loop_test(tests, group_loses_a_member, 0, MODES);
    tcase_add_test(tests, group_of_synchronous_mirrors_is_153);
    tcase_add_loop_test(tests, group_targets_are_of_one_instant, 0, 2);
    tcase_add_loop_test(tests, group_targets_are_of_one_instant_after_a_kill, 0, 2);
    return tests;
}
