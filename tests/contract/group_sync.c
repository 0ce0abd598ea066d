/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a group of synchronous mirrors does and asynchronous ones do not: all are filled, in sync
 * and taken off their sources together, under writers, and whichever of them it is that fails. What
 * is alike for both kinds is in group_mirror.c.
 */
#include "suites.h"
#include "group_kit.h"
#include "sync_kit.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORCE LSM_REPLICATION_FORCE

static void mode_set(int mode)
{
    group_mode(mode | GROUP_SYNC);
}

/* At one instant all members are in the same state: this one. */
static lsm_replication_state together(void)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "group_id", group.id, &list, &count, 0));
    ck_assert_uint_eq(count, GROUP_MEMBERS);
    lsm_replication_state state = lsm_replication_state_get(list[0]);
    for (uint32_t i = 1; i < count; i++)
        ck_assert_int_eq(lsm_replication_state_get(list[i]), state);
    lsm_replication_record_array_free(list, count);
    return state;
}

static lsm_replication *look(int i)
{
    lsm_replication *r = NULL;
    FINE(lsm_replication_get(world.conn, group.ids[i], &r, 0));
    return r;
}

/* The job that works for all of them; NULL: none does. */
static char *job_of_all(void)
{
    autotwin lsm_replication *first = look(0);
    const char *id = lsm_replication_job_id_get(first);
    for (int i = 1; id && i < GROUP_MEMBERS; i++) {
        autotwin lsm_replication *r = look(i);
        ck_assert_str_eq(lsm_replication_job_id_get(r), id);
    }
    return id ? strdup(id) : NULL;
}

/* However long it takes; never one of them before the others. */
static void in_sync(void)
{
    lsm_replication_state state;
    for (uint64_t end = now_ms() + 60000; (state = together()) != GROUP_STATE(IN_SYNC);
         sleep_ms(2)) {
        autotwin lsm_replication *r = look(0);
        autotext char *job = NULL;
        const char *id = lsm_replication_job_id_get(r);
        if (id && lsm_job_rate_limit_set(world.conn, id, 0, 0) != OK)
            lsm_error_free(lsm_error_last_get(world.conn)); /* it has just ended */
        if (state == GROUP_STATE(DEGRADED) &&
            lsm_replication_sync(world.conn, group.ids[1], &job, 0) != OK)
            lsm_error_free(lsm_error_last_get(world.conn));
        ck_assert_msg(now_ms() < end, "the group is %d: %s", state,
                      lsm_replication_error_message_get(r));
    }
}

/* --- one job for all ------------------------------------------------------------------------- */

START_TEST(group_sync_is_resynced_in_one_job)
{
    struct image *before[GROUP_MEMBERS];
    int written = _i / GROUP_MODES; /* one of them alone, or all */
    mode_set(_i % GROUP_MODES);
    group_make_in_sync(HELD);
    FINE(lsm_replication_pause(world.conn, group.ids[1], 0));
    group_images_take(before);
    for (int i = 0; i < GROUP_MEMBERS; i++)
        if (written == GROUP_MEMBERS || written == i)
            group_write_to(i, group.sources[i], group.images[i], 7);
    group_step();
    FINE(lsm_replication_resume(world.conn, group.ids[2], 0));
    ck_assert_int_eq(together(), GROUP_STATE(RESYNCING));
    group_step();
    ck_assert_int_eq(together(), GROUP_STATE(RESYNCING));
    autotext char *job = job_of_all();
    ck_assert_ptr_nonnull(job);
    ck_assert_uint_eq(job_count("kind", "3"), 1);
    if (written == GROUP_MEMBERS) /* this moves more than the delta: regions */
        group_write(60);
    group_targets_are(before);
    in_sync();
    group_targets_are(group.images);
    for (int i = 0; i < GROUP_MEMBERS && written < GROUP_MEMBERS; i++) {
        autotwin lsm_replication *r = look(i);
        uint64_t moved = lsm_replication_last_sync_bytes_get(r);
        bool was = written == i;
        ck_assert_uint_ge(moved, was ? GROUP_PIECES * GROUP_PIECE : 0);
        ck_assert_uint_le(moved, was ? GROUP_PIECES * (GROUP_PIECE + 2 * CLUSTER) : 0);
    }
    group_step();
    group_targets_are(group.images);
    group_images_drop(before);
}
END_TEST

START_TEST(group_sync_resync_is_cancelled)
{
    struct image *before[GROUP_MEMBERS];
    mode_set(_i);
    group_make_in_sync(HELD);
    FINE(lsm_replication_pause(world.conn, group.ids[1], 0));
    group_images_take(before);
    group_write(7);
    FINE(lsm_replication_resume(world.conn, group.ids[2], 0));
    group_write(8);
    autotext char *job = job_of_all();
    group_step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    ck_assert_int_eq(together(), GROUP_STATE(PAUSED));
    group_targets_are(before);
    group_write(9);
    group_step();
    group_targets_are(before);
    group_images_drop(before);
    FINE(lsm_replication_resume(world.conn, group.ids[0], 0));
    in_sync();
    group_targets_are(group.images);
}
END_TEST

/* Nothing was written: all go on at once, without a job. */
START_TEST(group_sync_rejoins)
{
    mode_set(_i);
    group_make_in_sync(0);
    FINE(lsm_replication_pause(world.conn, group.ids[0], 0));
    group_step();
    FINE(lsm_replication_resume(world.conn, group.ids[1], 0));
    ck_assert_int_eq(together(), GROUP_STATE(IN_SYNC));
    ck_assert_uint_eq(job_count("kind", "3"), 0);
    group_write(5);
    group_targets_are(group.images);
    group_step();
    group_targets_are(group.images);
}
END_TEST

START_TEST(group_sync_member_grows)
{
    mode_set(_i);
    group_make_in_sync(0);
    FINE(volume_resize(&group.sources[1], GROUP_SIZE + MIB));
    image_resize(group.images[1], GROUP_SIZE + MIB);
    twin_write_to(group.sources[1], group.images[1], GROUP_SIZE - 1000, 50000, 3);
    group_targets_are(group.images);
    group_step();
    group_targets_are(group.images);
    FINE(lsm_replication_pause(world.conn, group.ids[0], 0));
    FINE(volume_resize(&group.sources[2], GROUP_SIZE + 2 * MIB));
    image_resize(group.images[2], GROUP_SIZE + 2 * MIB);
    twin_write_to(group.sources[2], group.images[2], GROUP_SIZE + MIB, 50000, 4);
    group_step();
    FINE(lsm_replication_resume(world.conn, group.ids[1], 0));
    in_sync();
    group_targets_are(group.images);
}
END_TEST

/* A source has one synchronous mirror: where one of them has it already, none is made. */
START_TEST(group_sync_of_a_mirrored_source)
{
    lsm_volume **made;
    const char *others[GROUP_MEMBERS] = {"x", "y", "z"};
    char *job;
    mode_set(_i);
    group_make_in_sync(0);
    group_step();
    REFUSED(group_ask(group.sources, others, &made, &job), LSM_ERR_NO_SUPPORT);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2 * GROUP_MEMBERS);
    FINE(volume_delete(group.targets[0])); /* and now one of them has none */
    group_step();
    REFUSED(group_ask(group.sources, others, &made, &job), LSM_ERR_NO_SUPPORT);
    ck_assert_uint_eq(group_relations(NULL, NULL), GROUP_MEMBERS - 1);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2 * GROUP_MEMBERS - 1);
}
END_TEST

/* --- one of them fails ----------------------------------------------------------------------- */

/* The raw image of a target is where nobody finds it. */
static void file_away(const char *path, bool away)
{
    char there[800];
    snprintf(there, sizeof there, "%s.away", path);
    ck_assert_int_eq(away ? rename(path, there) : rename(there, path), 0);
}

static bool holds(const char *path, const char *bytes, size_t n, long at)
{
    char found[4096];
    FILE *file = fopen(path, "rb");
    bool same = file && fseek(file, at, SEEK_SET) == 0 && fread(found, 1, n, file) == n &&
                memcmp(found, bytes, n) == 0;
    if (file)
        fclose(file);
    return same;
}

/* The one that was filled with what the source had. */
static char *file_of(int member)
{
    char layers[480], path[740], *file = NULL;
    snprintf(layers, sizeof layers, "%s/%.60s/layers", world.directory,
             lsm_pool_name_get(group.pool));
    DIR *directory = opendir(layers);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *e; !file && (e = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%.250s", layers, e->d_name);
        if (holds(path, (char *)group.images[member]->bytes + 900000, 4096, 900000))
            file = strdup(path);
    }
    closedir(directory);
    ck_assert_ptr_nonnull(file);
    return file;
}

/* There and back: the two are equal, and no log says that they may differ. */
static void promote_twice(void)
{
    char *job = NULL;
    FINE(lsm_replication_promote(world.conn, group.ids[0], &job, 0));
    FINE(lsm_replication_promote(world.conn, group.ids[1], &job, 0));
}

/* In sync, with something in the tops that are not yet folded; then opened without a file of one
 * target, and written to. */
static char *degrade(int member, struct image *before[GROUP_MEMBERS])
{
    static const char *const clones[GROUP_MEMBERS] = {"c0", "c1", "c2"};
    char *file = file_of(member);
    FINE(lsm_replication_pause(world.conn, group.ids[0], 0));
    group_write(11);
    FINE(lsm_replication_resume(world.conn, group.ids[0], 0));
    in_sync();
    for (int i = 0; i < GROUP_MEMBERS; i++) /* what stands on the base keeps the top from going */
        let_go_of_volume(&(lsm_volume *){clone_make(group.sources[i], clones[i])});
    group_write(21);
    promote_twice();
    group_images_take(before);
    world_close();
    file_away(file, true);
    world_open();
    lsm_replication_state state = together(); /* it is tried again by itself */
    ck_assert(state == GROUP_STATE(DEGRADED) || state == GROUP_STATE(RESYNCING));
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        autotwin lsm_replication *r = look(i);
        ck_assert_ptr_nonnull(lsm_replication_error_message_get(r));
        group_write_to(i, group.sources[i], group.images[i], 31);
    }
    return file;
}

START_TEST(group_sync_degrades_as_one)
{
    struct image *before[GROUP_MEMBERS];
    mode_set(GROUP_BETWEEN_POOLS);
    if (!world.directory[0])
        return;
    group_make_in_sync(0);
    autotext char *file = degrade(_i, before);
    group_images_drop(before);
    file_away(file, false);
    in_sync();
    group_targets_are(group.images);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        autotwin lsm_replication *r = look(i);
        ck_assert_int_eq((int)lsm_replication_error_number_get(r), OK);
    }
    world_reopen();
    group_targets_are(group.images);
}
END_TEST

/* And the source is given up: each target has what its source had when they parted, and gives it
 * back by what both have in common. */
START_TEST(group_sync_degraded_fails_over_and_back)
{
    struct image *before[GROUP_MEMBERS];
    autotext char *job = NULL;
    mode_set(GROUP_BETWEEN_POOLS);
    if (!world.directory[0])
        return;
    group_make_in_sync(0);
    autotext char *file = degrade(_i, before);
    FINE(lsm_replication_promote(world.conn, group.ids[_i], &job, FORCE));
    ck_assert_int_eq(together(), GROUP_STATE(SPLIT));
    file_away(file, false);
    group_targets_are(before);
    group_step();
    for (int i = 0; i < GROUP_MEMBERS; i++)
        twin_write_to(group.targets[i], before[i], 300000, 70000, 41);
    int rc = lsm_replication_reverse(world.conn, group.ids[0], &job, 0);
    STARTED(rc);
    group_exchange();
    in_sync();
    group_targets_are(before);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        autotwin lsm_replication *r = look(i);
        SAME(before[i], group.sources[i]);
        autovolume lsm_volume *kept = volume_with("id", lsm_replication_diverged_volume_id_get(r));
        SAME(group.images[i], kept);
    }
    group_images_drop(before);
}
END_TEST

/* --- under a writer -------------------------------------------------------------------------- */

static pthread_t stamping;

static void stamp_start(void)
{
    atomic_store(&group_enough, false);
    ck_assert_int_eq(pthread_create(&stamping, NULL, group_stamp, NULL), 0);
}

static void stamp_stop(void)
{
    atomic_store(&group_enough, true);
    pthread_join(stamping, NULL);
}

/* Until the writer has come past all of them a few times. */
static uint64_t stamp_past(uint64_t number)
{
    uint64_t now = 0;
    for (uint64_t end = now_ms() + 30000; now_ms() < end && now < number + 3;)
        now = group_number_at(group.sources[0]);
    ck_assert_uint_ge(now, number + 3);
    return now;
}

static void check_same_numbers(void)
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        ck_assert_uint_eq(group_number_at(group.targets[i]), group_number_at(group.sources[i]));
}

static void part(bool force, int through)
{
    char *job = NULL;
    if (force)
        FINE(lsm_replication_promote(world.conn, group.ids[through], &job, FORCE));
    else
        FINE(lsm_replication_pause(world.conn, group.ids[through], 0));
}

START_TEST(group_sync_parts_at_one_instant)
{
    uint64_t seen = 0;
    bool force = _i / 2;
    mode_set(_i % 2);
    group_number_write(0);
    group_make_in_sync(0);
    stamp_start();
    for (int round = 0; round < 12; round++) {
        uint64_t least = stamp_past(seen);
        part(force, round % GROUP_MEMBERS);
        seen = group_check_instant(group.targets);
        ck_assert_uint_ge(seen, least);
        stamp_past(group_number_at(group.sources[0]));
        ck_assert_uint_eq(group_check_instant(group.targets), seen);
        FINE(lsm_replication_resume(world.conn, group.ids[round % 2], 0));
        in_sync();
    }
    stamp_stop();
    check_same_numbers();
    ck_assert_uint_eq(volume_count(NULL, NULL), 2 * GROUP_MEMBERS);
}
END_TEST

START_TEST(group_sync_is_broken_at_one_instant)
{
    mode_set(_i % 2);
    group_number_write(0);
    group_make_in_sync(0);
    stamp_start();
    uint64_t least = stamp_past(0);
    FINE(lsm_replication_break(world.conn, group.ids[_i % GROUP_MEMBERS], 0));
    uint64_t seen = group_check_instant(group.targets);
    ck_assert_uint_ge(seen, least);
    stamp_past(group_number_at(group.sources[0]));
    ck_assert_uint_eq(group_check_instant(group.targets), seen);
    stamp_stop();
    ck_assert_uint_eq(group_relations(NULL, NULL), 0);
}
END_TEST

/* --- the owner is killed --------------------------------------------------------------------- */

static void stamping_owner(int told)
{
    lsm_error_ptr e = NULL;
    atomic_store(&group_enough, false);
    group_must(world_connect(world.uri, &world.conn, &e) == OK);
    group_stamp((void *)(intptr_t)told);
    abort();
}

static void run_and_kill(uint32_t us)
{
    int told[2], status;
    char begun;
    world_close();
    ck_assert_int_eq(pipe(told), 0);
    pid_t child = fork();
    if (child == 0)
        stamping_owner(told[1]);
    ck_assert_int_eq(read(told[0], &begun, 1), 1);
    usleep(us); /* wherever it is then */
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(told[0]);
    close(told[1]);
}

START_TEST(group_sync_survives_a_kill)
{
    uint32_t dice = 5 + (uint32_t)_i;
    mode_set(_i);
    group_number_write(0);
    group_make_in_sync(0);
    for (int kills = 0; kills < 15 && world.directory[0]; kills++) {
        run_and_kill(random_next(&dice) % 20000);
        world_open();
        ck_assert_int_eq(together(), GROUP_STATE(IN_SYNC));
        group_check_instant(group.sources);
        check_same_numbers();
    }
    ck_assert_uint_gt(group_number_at(group.sources[0]), 0);
}
END_TEST

static void pool_away(lsm_pool *pool, bool away)
{
    lsm_pool *targets = twin.pool;
    twin.pool = pool;
    if (away)
        twin_pool_away();
    else
        twin_pool_back();
    twin.pool = targets;
}

/* And the sources' pool is lost with it: the targets are promoted as they are, of one instant, with
 * every write that was acknowledged. It comes back, as the kill left it, and gets what they have.
 */
START_TEST(group_sync_loses_the_sources_pool)
{
    uint32_t dice = 77;
    mode_set(GROUP_BETWEEN_POOLS);
    group_number_write(0);
    group_make_in_sync(0);
    for (int kills = 0; kills < 12 && world.directory[0]; kills++) {
        autotext char *job = NULL;
        lsm_pool *lost =
            kills % 2 ? group.pool : world.pool; /* the roles are exchanged each time */
        run_and_kill(random_next(&dice) % 20000);
        pool_away(lost, true);
        world_open();
        FINE(lsm_replication_promote(world.conn, group.ids[kills % GROUP_MEMBERS], &job, FORCE));
        ck_assert_int_eq(together(), GROUP_STATE(SPLIT));
        uint64_t seen = group_check_instant(group.targets);
        world_close();
        pool_away(lost, false);
        world_open();
        ck_assert_int_eq(together(), GROUP_STATE(SPLIT));
        uint64_t there = group_check_instant(group.sources); /* one may have a write more */
        ck_assert(seen <= there + 1 && there <= seen + 1);
        group_number_write(1000000); /* which nobody wants */
        int rc = lsm_replication_reverse(world.conn, group.ids[kills % GROUP_MEMBERS], &job,
                                         LSM_REPLICATION_DISCARD);
        if (rc != OK) /* by what the logs say, if it had come to write */
            STARTED(rc);
        group_exchange();
        in_sync();
        ck_assert_uint_eq(group_check_instant(group.sources), seen);
        check_same_numbers();
    }
}
END_TEST

TCase *group_sync(void)
{
    TCase *tests = tcase_create("group_sync");
    tcase_add_checked_fixture(tests, group_make, group_unmake);
    tcase_add_loop_test(tests, group_sync_is_resynced_in_one_job, 0,
                        (GROUP_MEMBERS + 1) * GROUP_MODES);
    tcase_add_loop_test(tests, group_sync_resync_is_cancelled, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_sync_rejoins, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_sync_member_grows, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_sync_of_a_mirrored_source, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_sync_degrades_as_one, 0, GROUP_MEMBERS);
    tcase_add_loop_test(tests, group_sync_degraded_fails_over_and_back, 0, GROUP_MEMBERS);
    tcase_add_loop_test(tests, group_sync_parts_at_one_instant, 0, 4);
    tcase_add_loop_test(tests, group_sync_is_broken_at_one_instant, 0, 6);
    tcase_add_loop_test(tests, group_sync_survives_a_kill, 0, 2);
    tcase_add_test(tests, group_sync_loses_the_sources_pool);
    return tests;
}
