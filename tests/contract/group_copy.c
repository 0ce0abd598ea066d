/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of a group: one instant, one job, all or none. */
#include "suites.h"
#include "image.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMBERS 3

/* The first is one large hole, so that a held job is soon in the midst of the second. */
static const uint64_t size_of[MEMBERS] = {MIB, 2 * MIB, MIB + 5 * CLUSTER};
static const char *const name_of[MEMBERS] = {"hole", "data", "more data"};
static const char *targets[MEMBERS] = {"hole'", "data'", "more data'"};

static lsm_volume *sources[MEMBERS];
static struct image *images[MEMBERS];
static lsm_replicate_options *options;

static void make(void)
{
    world_make();
    options = lsm_replicate_options_alloc();
    for (int i = 0; i < MEMBERS; i++) {
        sources[i] = volume_make(name_of[i], size_of[i]);
        images[i] = image_create(size_of[i]);
        if (i > 0)
            image_fill(images[i], sources[i], (uint32_t)i);
    }
}

static void unmake(void)
{
    for (int i = 0; i < MEMBERS; i++) {
        image_destroy(&images[i]);
        lsm_volume_record_free(sources[i]);
    }
    lsm_replicate_options_free(options);
    world_remove();
}

static int replicate_group(lsm_pool *pool, lsm_volume **volumes, const char **to, uint32_t n,
                           lsm_volume **made[], char **job)
{
    uint32_t count = 0;
    *made = NULL;
    *job = NULL;
    int rc = lsm_volume_group_replicate(world.conn, pool, COPY, volumes, to, n, options, made,
                                        &count, job, 0);
    ck_assert_int_eq(*made != NULL, rc == OK);
    ck_assert_int_eq(*job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (rc == OK)
        ck_assert_uint_eq(count, n);
    return rc;
}

static int refused_group(lsm_pool *pool, lsm_volume **volumes, const char **to, uint32_t n)
{
    lsm_volume **made;
    autotext char *job = NULL;
    int rc = replicate_group(pool, volumes, to, n, &made, &job);
    ck_assert_ptr_null(made);
    return rc;
}

static char *start(lsm_pool *pool, uint64_t rate)
{
    lsm_volume **made;
    char *job;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
    STARTED(replicate_group(pool, sources, targets, MEMBERS, &made, &job));
    return job;
}

static uint32_t made_by(const char *job, lsm_volume **made[])
{
    uint32_t count = 0;
    *made = NULL;
    FINE(lsm_job_volume_list(world.conn, job, made, &count, 0));
    ck_assert_int_eq(*made != NULL, count > 0);
    return count;
}

/* Lets it run to its end; what it made, in the order of the request. */
static lsm_volume **finish(char *job)
{
    lsm_volume **made;
    let_go_of_volume(&(lsm_volume *){copy_finish(strdup(job))});
    ck_assert_uint_eq(made_by(job, &made), MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        ck_assert_str_eq(lsm_volume_name_get(made[i]), targets[i]);
    free(job);
    return made;
}

static void check_copies(lsm_volume **made, struct image **of)
{
    for (int i = 0; i < MEMBERS; i++)
        SAME(of[i], made[i]);
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

static void scribble(uint32_t seed)
{
    for (int i = 0; i < MEMBERS; i++) {
        autoio lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, sources[i], &io, 0));
        for (int k = 0; k < 10; k++)
            image_scribble(images[i], io, &seed);
    }
}

static uint64_t total(void)
{
    uint64_t bytes = 0;
    for (int i = 0; i < MEMBERS; i++)
        bytes += size_of[i];
    return bytes;
}

/* One job for all: what it looks at is the sum, each member finds it, none is shown before it is
 * done, and no source goes before. */
static void check_held(const char *id)
{
    autojob lsm_job *job = job_look(id);
    lsm_volume **none;
    ck_assert_uint_eq(lsm_job_bytes_total_get(job), total());
    ck_assert_str_eq(lsm_job_source_volume_id_get(job), lsm_volume_id_get(sources[0]));
    ck_assert_uint_eq(made_by(id, &none), 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
    ck_assert_uint_eq(job_count(NULL, NULL), 1);
    for (int i = 0; i < MEMBERS; i++) {
        ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(sources[i])), 1);
        ck_assert(volume_has_dependants(sources[i]));
        REFUSED_SAYING(volume_delete(sources[i]), LSM_ERR_HAS_CHILD_DEPENDENCY, id);
    }
}

static void await_bytes(const char *id, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes; sleep_ms(2)) {
        autojob lsm_job *job = job_look(id);
        ck_assert_int_le(lsm_job_state_get(job), LSM_JOB_STATE_RUNNING);
        done = lsm_job_bytes_done_get(job);
    }
}

/* The sources are written on meanwhile, and the owner goes and comes in the middle. */
START_TEST(group_copy_is_the_instant_of_the_call)
{
    autopool lsm_pool *other = _i ? pool_make("other") : NULL;
    struct image *instants[MEMBERS];
    instants_take(instants);
    char *job = start(other, HELD);
    await_bytes(job, size_of[0]);
    scribble(7);
    check_held(job);
    for (int i = 0; i < 3; i++) {
        autojob lsm_job *before = job_look(job);
        world_reopen();
        job_await(job, LSM_JOB_STATE_RUNNING);
        autojob lsm_job *after = job_look(job);
        ck_assert_uint_ge(lsm_job_bytes_done_get(after), lsm_job_bytes_done_get(before));
        scribble(8);
        check_held(job);
    }
    lsm_volume **made = finish(job);
    check_copies(made, instants);
    for (int i = 0; i < MEMBERS; i++) {
        SAME(images[i], sources[i]);
        FINE(volume_delete(sources[i])); /* nothing is shared, nothing is held */
    }
    world_reopen();
    check_copies(made, instants);
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
    lsm_volume_record_array_free(made, MEMBERS);
    instants_drop(instants);
}
END_TEST

START_TEST(group_copy_that_is_read_back)
{
    ck_assert_int_eq(lsm_replicate_options_verify_set(options, LSM_VERIFY_READ_BACK), OK);
    char *job = start(NULL, HELD);
    world_reopen();
    lsm_volume **made = finish(job);
    check_copies(made, images);
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

/* A source and its clone that was not written to are of one frozen instant; each is copied. */
START_TEST(group_copy_of_what_shares_its_instant)
{
    autovolume lsm_volume *clone = clone_make(sources[1], "clone");
    lsm_volume *pair[] = {sources[1], clone}, **made;
    const char *to[] = {"a", "b"};
    char *job;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, HELD), OK);
    STARTED(replicate_group(NULL, pair, to, 2, &made, &job));
    world_reopen();
    let_go_of_volume(&(lsm_volume *){copy_finish(strdup(job))});
    ck_assert_uint_eq(made_by(job, &made), 2);
    SAME(images[1], made[0]);
    SAME(images[1], made[1]);
    FINE(volume_delete(clone));
    FINE(volume_delete(sources[1]));
    world_reopen();
    SAME(images[1], made[1]);
    lsm_volume_record_array_free(made, 2);
    free(job);
}
END_TEST

START_TEST(group_copy_cancelled_leaves_nothing)
{
    autopool lsm_pool *other = _i ? pool_make("other") : NULL;
    for (int again = 0; again < 3; again++) {
        autotext char *job = start(other, HELD);
        lsm_volume **none;
        job_await(job, LSM_JOB_STATE_RUNNING);
        for (int i = 0; i < MEMBERS; i++)
            REFUSED_SAYING(replicate(other, COPY, sources[0], targets[i], NULL),
                           LSM_ERR_NAME_CONFLICT, job);
        if (again == 1)
            world_reopen();
        if (again == 2) {
            FINE(lsm_job_pause(world.conn, job, 0));
            world_reopen();
            ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
        }
        FINE(lsm_job_cancel(world.conn, job, 0));
        ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
        ck_assert_uint_eq(made_by(job, &none), 0);
        for (int i = 0; i < MEMBERS; i++)
            ck_assert(!volume_has_dependants(sources[i]));
    }
    world_reopen();
    lsm_volume **made = finish(start(other, 0)); /* the names are free */
    check_copies(made, images);
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

START_TEST(group_copy_paused_goes_on)
{
    char *job = start(NULL, HELD);
    FINE(lsm_job_pause(world.conn, job, 0));
    world_reopen();
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    FINE(lsm_job_resume(world.conn, job, 0));
    lsm_volume **made = finish(job);
    check_copies(made, images);
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

/* The same lists in the same order get the same job, and once it is done the same volumes. */
START_TEST(group_copy_key_again)
{
    lsm_volume *turned[] = {sources[1], sources[0], sources[2]}, **again, *renamed = NULL;
    char *same;
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "nightly"), OK);
    char *job = start(NULL, HELD);
    for (int reopened = 0; reopened < 2; reopened++) {
        autotext char *asked = start(NULL, HELD);
        ck_assert_str_eq(asked, job);
        REFUSED_SAYING(refused_group(NULL, turned, targets, MEMBERS), LSM_ERR_NAME_CONFLICT,
                       "nightly");
        REFUSED(refused_group(NULL, sources, targets, MEMBERS - 1), LSM_ERR_NAME_CONFLICT);
        REFUSED(refused_group(NULL, sources, targets, 1), LSM_ERR_NAME_CONFLICT);
        world_reopen();
    }
    lsm_volume **made = finish(job);
    FINE(lsm_volume_rename(world.conn, made[1], "renamed", &renamed, 0));
    let_go_of_volume(&renamed);
    for (int reopened = 0; reopened < 2; reopened++) {
        FINE(replicate_group(NULL, sources, targets, MEMBERS, &again, &same));
        for (int i = 0; i < MEMBERS; i++)
            ck_assert_str_eq(lsm_volume_id_get(again[i]), lsm_volume_id_get(made[i]));
        lsm_volume_record_array_free(again, MEMBERS);
        REFUSED_SAYING(refused_group(NULL, turned, targets, MEMBERS), LSM_ERR_NAME_CONFLICT,
                       "another request");
        world_reopen();
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 2 * MEMBERS);
    for (int i = 0; i < MEMBERS; i++) { /* the key lives with what it made */
        FINE(volume_delete(made[i]));
        if (i < MEMBERS - 1)
            REFUSED_SAYING(refused_group(NULL, sources, targets, MEMBERS), LSM_ERR_NAME_CONFLICT,
                           "gone");
    }
    lsm_volume_record_array_free(made, MEMBERS);
    made = finish(start(NULL, 0));
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

START_TEST(group_copy_key_is_freed_by_cancel)
{
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "nightly"), OK);
    autotext char *job = start(NULL, HELD);
    FINE(lsm_job_cancel(world.conn, job, 0));
    char *other = start(NULL, HELD);
    ck_assert_str_ne(job, other);
    lsm_volume **made = finish(other);
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

/* Names that would make one text of two requests, if they were strung together. */
START_TEST(group_copy_key_of_a_lookalike)
{
    char first[200], second[200];
    lsm_volume *pair[] = {sources[0], sources[1]}, **made;
    const char *to[] = {first, "c"}, *lookalike[] = {"a", second};
    autotext char *job = NULL;
    const char *id = lsm_volume_id_get(sources[1]), *pool = lsm_pool_id_get(world.pool);
    snprintf(first, sizeof first, "a %s %s b", id, pool);
    snprintf(second, sizeof second, "b %s %s c", id, pool);
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "k"), OK);
    STARTED(replicate_group(NULL, pair, to, 2, &made, &job));
    REFUSED(refused_group(NULL, pair, lookalike, 2), LSM_ERR_NAME_CONFLICT);
    let_go_of_volume(&(lsm_volume *){copy_finish(strdup(job))});
    REFUSED(refused_group(NULL, pair, lookalike, 2), LSM_ERR_NAME_CONFLICT);
}
END_TEST

/* What is refused for one member is refused for all, before anything is made. */
START_TEST(group_copy_all_or_none)
{
    autopool lsm_pool *other = pool_make("other");
    autovolume lsm_volume *there = volume_make_in(other, "there", MIB, THIN);
    autovolume lsm_volume *gone = volume_make("gone", MIB);
    lsm_volume *apart[] = {sources[0], there}, *lost[] = {sources[0], gone};
    const char *taken[] = {"x", "data"}, *twice[] = {"x", "x"}, *to[] = {"x", "y"};
    FINE(volume_delete(gone));
    REFUSED_SAYING(refused_group(NULL, sources, taken, 2), LSM_ERR_NAME_CONFLICT, "data");
    REFUSED(refused_group(NULL, sources, twice, 2), LSM_ERR_NAME_CONFLICT);
    REFUSED(refused_group(NULL, lost, to, 2), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED_SAYING(refused_group(other, apart, to, 2), LSM_ERR_NO_SUPPORT, "pool");
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS + 1);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    for (int i = 0; i < MEMBERS; i++)
        ck_assert(!volume_has_dependants(sources[i]));
}
END_TEST

/* Each member alone would fit. */
START_TEST(group_copy_without_room_for_all)
{
    autopool lsm_pool *small = NULL;
    FINE(lsm_pool_create(world.conn, "small", NULL, total() - MIB / 2, &small, 0));
    REFUSED_SAYING(refused_group(small, sources, targets, MEMBERS), LSM_ERR_NOT_ENOUGH_SPACE,
                   "small");
    ck_assert_uint_eq(volume_count(NULL, NULL), MEMBERS);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    char *job;
    lsm_volume **made;
    STARTED(replicate_group(small, sources + 1, targets + 1, 1, &made, &job));
    let_go_of_volume(&(lsm_volume *){copy_finish(job)});
}
END_TEST

/* FULL members each get a new top of their size: for one of them there is room, for two not. */
START_TEST(group_of_full_volumes_without_room)
{
    autopool lsm_pool *small = NULL;
    FINE(lsm_pool_create(world.conn, "small", NULL, 12 * MIB, &small, 0));
    autovolume lsm_volume *a = volume_make_in(small, "a", 4 * MIB, FULL);
    autovolume lsm_volume *b = volume_make_in(small, "b", 4 * MIB, FULL);
    lsm_volume *pair[] = {a, b}, **made = NULL;
    const char *to[] = {"a'", "b'"};
    char *job = NULL;
    uint32_t count = 0;
    pool_look(&small);
    ck_assert_uint_ge(lsm_pool_free_space_get(small), 4 * MIB);
    REFUSED(lsm_volume_group_replicate(world.conn, NULL, CLONE, pair, to, 2, NULL, &made, &count,
                                       &job, 0),
            LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(refused_group(world.pool, pair, to, 2), LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(refused_group(small, pair, to, 1), LSM_ERR_NOT_ENOUGH_SPACE); /* a copy and a top */
    ck_assert_uint_eq(volume_count("pool_id", lsm_pool_id_get(small)), 2);
    FINE(replicate(NULL, CLONE, a, "a'", NULL));
}
END_TEST

/* --- one instant ----------------------------------------------------------------------------- */

static void number_write(uint64_t n)
{
    for (int i = 0; i < MEMBERS; i++) {
        autoio lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, sources[i], &io, 0));
        FINE(lsm_volume_io_pwrite(io, &n, sizeof n, 4096, 0));
    }
}

/* A thread of its own may not speak to the test's parent. */
static void must(bool fine)
{
    if (!fine)
        abort();
}

/* A number is on a member before it is written to the next one. */
static atomic_bool enough;

static void *stamp(void *nothing)
{
    lsm_volume_io *io[MEMBERS] = {NULL};
    (void)nothing;
    for (int i = 0; i < MEMBERS; i++)
        must(lsm_volume_io_open(world.conn, sources[i], &io[i], 0) == OK);
    for (uint64_t n = 1; !atomic_load(&enough); n++)
        for (int i = 0; i < MEMBERS; i++)
            must(lsm_volume_io_pwrite(io[i], &n, sizeof n, 4096, 0) == OK);
    for (int i = 0; i < MEMBERS; i++)
        must(lsm_volume_io_close(io[i], 0) == OK);
    return NULL;
}

static uint64_t number_on(lsm_volume *volume)
{
    autoio lsm_volume_io *io = NULL;
    uint64_t n = 0;
    FINE(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, &n, sizeof n, 4096, 0));
    return n;
}

START_TEST(group_copies_are_of_one_instant)
{
    autopool lsm_pool *other = _i ? pool_make("other") : NULL;
    uint64_t last = 0;
    pthread_t thread;
    number_write(0);
    atomic_store(&enough, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, stamp, NULL), 0);
    while (number_on(sources[MEMBERS - 1]) == 0)
        sleep_ms(1);
    for (int round = 0; round < 20; round++) {
        lsm_volume **made = finish(start(other, 0));
        uint64_t first = number_on(made[0]);
        ck_assert_uint_ge(first, last);
        for (int i = 1; i < MEMBERS; i++) {
            uint64_t next = number_on(made[i]);
            ck_assert_msg(next == first || next == first - 1, "%" PRIu64 " beside %" PRIu64, next,
                          first);
            ck_assert_uint_le(next, number_on(made[i - 1]));
        }
        last = first;
        for (int i = 0; i < MEMBERS; i++)
            FINE(volume_delete(made[i]));
        lsm_volume_record_array_free(made, MEMBERS);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
}
END_TEST

/* --- an owner that dies ---------------------------------------------------------------------- */

static void owner_that_copies(int told, lsm_pool *pool)
{
    lsm_error_ptr e = NULL;
    lsm_volume **made = NULL;
    char *job = NULL;
    uint32_t count = 0;
    lsm_replicate_options_rate_limit_set(options, HELD);
    int rc = world_connect(world.uri, &world.conn, &e);
    if (rc == OK)
        rc = lsm_volume_group_replicate(world.conn, pool, COPY, sources, targets, MEMBERS, options,
                                        &made, &count, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED && write(told, job, strlen(job)) > 0)
        sleep(600);
    _exit(1);
}

START_TEST(group_copy_goes_on_after_its_owner_died)
{
    autopool lsm_pool *other = _i ? pool_make("other") : NULL;
    char id[64] = "";
    int told[2];
    if (!world.directory[0])
        return;
    ck_assert_int_eq(pipe(told), 0);
    world_close();
    pid_t child = fork();
    if (child == 0)
        owner_that_copies(told[1], other);
    ck_assert_int_gt(read(told[0], id, sizeof id - 1), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(told[0]);
    close(told[1]);
    world_open();
    check_held(id);
    lsm_volume **made = finish(strdup(id));
    check_copies(made, images);
    for (int i = 0; i < MEMBERS; i++)
        ck_assert(!volume_has_dependants(sources[i]));
    lsm_volume_record_array_free(made, MEMBERS);
}
END_TEST

TCase *group_copy(void)
{
    TCase *tests = tcase_create("group_copy");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_loop_test(tests, group_copy_is_the_instant_of_the_call, 0, 2);
    tcase_add_test(tests, group_copy_that_is_read_back);
    tcase_add_test(tests, group_copy_of_what_shares_its_instant);
    tcase_add_loop_test(tests, group_copy_cancelled_leaves_nothing, 0, 2);
    tcase_add_test(tests, group_copy_paused_goes_on);
    tcase_add_test(tests, group_copy_key_again);
    tcase_add_test(tests, group_copy_key_is_freed_by_cancel);
    tcase_add_test(tests, group_copy_key_of_a_lookalike);
    tcase_add_test(tests, group_copy_all_or_none);
    tcase_add_test(tests, group_copy_without_room_for_all);
    tcase_add_test(tests, group_of_full_volumes_without_room);
    tcase_add_loop_test(tests, group_copies_are_of_one_instant, 0, 2);
    tcase_add_loop_test(tests, group_copy_goes_on_after_its_owner_died, 0, 2);
    return tests;
}
