/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mirrors of a group: every ship is of one instant, it arrives for all members or for none, and a
 * verb on one member is a verb on all. Each test sees one pool and two; by steps, one run of the
 * owner and many; and what is alike for both kinds of mirrors, both. What only synchronous ones do
 * is in group_sync.c.
 */
#include "suites.h"
#include "group_kit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORCE LSM_REPLICATION_FORCE

static char *sync_start(int through)
{
    char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, group.ids[through], &job, 0));
    return job;
}

/* --- beginning ------------------------------------------------------------------------------- */

START_TEST(group_mirror_begins_at_one_instant)
{
    struct image *instants[GROUP_MEMBERS];
    lsm_volume **none = NULL;
    uint32_t count = 0;
    group_mode(_i);
    group_images_take(instants);
    char *job = group_start(HELD);
    group_are(GROUP_STATE(INITIALIZING));
    group_write(50);
    group_step();
    group_are(GROUP_STATE(INITIALIZING));
    ck_assert_uint_eq(job_count(NULL, NULL), 1);
    FINE(lsm_job_volume_list(world.conn, job, &none, &count, 0));
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), GROUP_MEMBERS);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(group.sources[i])), 1);
        REFUSED(volume_delete(group.sources[i]), LSM_ERR_HAS_CHILD_DEPENDENCY);
    }
    REFUSED(lsm_replication_break(world.conn, group.ids[1], 0), LSM_ERR_STATE);
    group_finish(job);
    group_are(GROUP_STATE(IN_SYNC));
    group_step();
    group_targets_are(group_is_sync() ? group.images : instants);
    group_images_drop(instants);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        ck_assert_str_eq(lsm_volume_name_get(group.targets[i]), group_target_names[i]);
        group_writable(group.targets[i], false);
        SAME(group.images[i], group.sources[i]);
    }
}
END_TEST

START_TEST(group_mirror_cancelled_leaves_nothing)
{
    group_mode(_i);
    autotext char *job = group_start(HELD);
    group_step();
    FINE(lsm_job_cancel(world.conn, job, 0));
    group_step();
    ck_assert_uint_eq(group_relations(NULL, NULL), 0);
    ck_assert_uint_eq(volume_count(NULL, NULL), GROUP_MEMBERS);
    for (int i = 0; i < GROUP_MEMBERS; i++)
        ck_assert(!volume_has_dependants(group.sources[i]));
    group_make_in_sync(0);
    group_targets_are(group.images);
}
END_TEST

START_TEST(group_mirror_key_again)
{
    lsm_volume **again, *turned[] = {group.sources[1], group.sources[0], group.sources[2]};
    char *same;
    group_mode(_i);
    ck_assert_int_eq(lsm_replicate_options_key_set(group.options, "k"), OK);
    char *job = group_start(HELD);
    group_step();
    STARTED(group_ask(group.sources, group_target_names, &again, &same));
    ck_assert_str_eq(job, same);
    free(same);
    REFUSED(group_ask(turned, group_target_names, &again, &same), LSM_ERR_NAME_CONFLICT);
    group_finish(job);
    group_step();
    FINE(group_ask(group.sources, group_target_names, &again, &same));
    for (int i = 0; i < GROUP_MEMBERS; i++)
        ck_assert_str_eq(lsm_volume_id_get(again[i]), lsm_volume_id_get(group.targets[i]));
    lsm_volume_record_array_free(again, GROUP_MEMBERS);
    ck_assert_uint_eq(group_relations(NULL, NULL), GROUP_MEMBERS);
}
END_TEST

/* --- shipping -------------------------------------------------------------------------------- */

START_TEST(group_ship_brings_all_members)
{
    lsm_replication *r = NULL;
    char *job = NULL;
    group_mode(_i);
    group_make_in_sync(0);
    REFUSED(lsm_replication_sync(world.conn, group.ids[1], &job, 0), LSM_ERR_NO_STATE_CHANGE);
    for (int round = 0; round < 4; round++) {
        struct image *instants[GROUP_MEMBERS];
        if (round < GROUP_MEMBERS) /* one alone was written to */
            group_write_to(round, group.sources[round], group.images[round], 90 + (uint32_t)round);
        else
            group_write(100);
        group_images_take(instants);
        group_step();
        let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(round % GROUP_MEMBERS))});
        group_are(GROUP_STATE(IN_SYNC));
        group_step();
        group_targets_are(instants);
        group_images_drop(instants);
    }
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        FINE(lsm_replication_get(world.conn, group.ids[i], &r, 0));
        ck_assert_uint_eq(lsm_replication_lag_bytes_get(r), 0);
        ck_assert_uint_ge(lsm_replication_last_sync_bytes_get(r), GROUP_PIECES * GROUP_PIECE);
        ck_assert_uint_le(lsm_replication_last_sync_bytes_get(r),
                          GROUP_PIECES * (GROUP_PIECE + 2 * CLUSTER));
        lsm_replication_record_free(r);
        r = NULL;
    }
    REFUSED(lsm_replication_sync(world.conn, group.ids[2], &job, 0), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

/* While it is under way all targets are the instant before; so they are when it is cancelled. */
START_TEST(group_ship_is_all_or_none)
{
    struct image *before[GROUP_MEMBERS];
    group_mode(_i);
    group_make_in_sync(HELD);
    group_images_take(before);
    group_write(60);
    autotext char *job = sync_start(1);
    job_await(job, LSM_JOB_STATE_RUNNING);
    group_step();
    job_await(job, LSM_JOB_STATE_RUNNING);
    group_targets_are(before);
    FINE(lsm_job_cancel(world.conn, job, 0));
    group_are(GROUP_STATE(IN_SYNC));
    group_targets_are(before);
    group_step();
    group_targets_are(before);
    group_images_drop(before);
    let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(2))});
    group_step();
    group_targets_are(group.images);
}
END_TEST

/* What is written while one ships is in another that follows, which all who ask share. */
START_TEST(group_ship_is_followed)
{
    struct image *first[GROUP_MEMBERS];
    group_mode(_i);
    group_make_in_sync(HELD);
    group_write(60);
    group_images_take(first);
    char *job = sync_start(1);
    job_await(job, LSM_JOB_STATE_RUNNING);
    group_write(70);
    char *next = sync_start(0);
    autotext char *same = sync_start(2);
    ck_assert_str_ne(job, next);
    ck_assert_str_eq(next, same);
    group_step();
    FINE(lsm_job_rate_limit_set(world.conn, job, 0, 0));
    job_await(job, LSM_JOB_STATE_DONE);
    let_go_of_volume(&(lsm_volume *){copy_finish(next)});
    free(job);
    group_targets_are(group.images);
    group_are(GROUP_STATE(IN_SYNC));
    group_images_drop(first);
}
END_TEST

/* --- verbs ----------------------------------------------------------------------------------- */

START_TEST(group_pauses_and_resumes)
{
    char *job = NULL;
    group_mode(_i);
    group_make_in_sync(0);
    FINE(lsm_replication_pause(world.conn, group.ids[2], 0));
    group_step();
    group_are(GROUP_STATE(PAUSED));
    REFUSED(lsm_replication_pause(world.conn, group.ids[0], 0), LSM_ERR_NO_STATE_CHANGE);
    group_write(30);
    REFUSED(lsm_replication_sync(world.conn, group.ids[1], &job, 0), LSM_ERR_STATE);
    FINE(lsm_replication_resume(world.conn, group.ids[1], 0));
    group_await(GROUP_STATE(IN_SYNC));
    group_targets_are(group.images);
}
END_TEST

START_TEST(group_interval_is_one)
{
    group_mode(_i);
    group_make_in_sync(0);
    FINE(lsm_replication_interval_set(world.conn, group.ids[1], 3600000, 0));
    group_step();
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        lsm_replication *r = NULL;
        FINE(lsm_replication_get(world.conn, group.ids[i], &r, 0));
        ck_assert_uint_eq(lsm_replication_interval_ms_get(r), 3600000);
        lsm_replication_record_free(r);
    }
}
END_TEST

/* Lost, worked on at the other side, and come back: what each side wrote alone is kept. */
START_TEST(group_fails_over_and_back)
{
    struct image *shipped[GROUP_MEMBERS], *lost[GROUP_MEMBERS];
    char *job = NULL;
    group_mode(_i);
    group_make_in_sync(0);
    group_write(39);
    if (!group_is_sync())
        let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(0))});
    group_images_take(shipped);
    if (!group_is_sync())
        group_write(40); /* not shipped */
    FINE(lsm_replication_promote(world.conn, group.ids[1], &job, FORCE));
    group_step();
    group_are(GROUP_STATE(SPLIT));
    group_targets_are(shipped);
    group_write(42);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        group_writable(group.targets[i], true);
        group_write_to(i, group.targets[i], shipped[i], 45);
        lost[i] = image_copy(group.images[i]);
    }
    REFUSED(lsm_replication_promote(world.conn, group.ids[0], &job, FORCE),
            LSM_ERR_NO_STATE_CHANGE);
    group_step();
    int rc = lsm_replication_reverse(world.conn, group.ids[2], &job, 0);
    STARTED(rc);
    job_await(job, LSM_JOB_STATE_DONE);
    let_go_of_text(&job);
    group_step();
    group_are(GROUP_STATE(IN_SYNC));
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        lsm_replication *r = NULL;
        SAME(shipped[i], group.sources[i]);
        SAME(shipped[i], group.targets[i]);
        group_writable(group.sources[i], false);
        FINE(lsm_replication_get(world.conn, group.ids[i], &r, 0));
        autovolume lsm_volume *kept = volume_with("id", lsm_replication_diverged_volume_id_get(r));
        ck_assert_ptr_nonnull(kept);
        SAME(lost[i], kept);
        lsm_replication_record_free(r);
    }
    group_images_drop(lost);
    group_images_drop(shipped);
}
END_TEST

START_TEST(group_is_rejoined_after_a_split)
{
    struct image *alone[GROUP_MEMBERS];
    char *job = NULL;
    group_mode(_i);
    group_make_in_sync(0);
    group_images_take(alone);
    FINE(lsm_replication_promote(world.conn, group.ids[0], &job, FORCE));
    group_write(41);
    for (int i = 0; i < GROUP_MEMBERS; i++)
        group_write_to(i, group.targets[i], alone[i], 46);
    group_step();
    FINE(lsm_replication_resume(world.conn, group.ids[1], 0));
    group_await(GROUP_STATE(IN_SYNC));
    group_step();
    group_targets_are(group.images);
    ck_assert_uint_eq(volume_count(NULL, NULL), 3 * GROUP_MEMBERS); /* what was written is kept */
    group_images_drop(alone);
}
END_TEST

/* A planned promote: what is left is shipped, and all exchange their roles, or none. Of those that
 * are written alike nothing is left. */
START_TEST(group_switches_over)
{
    group_mode(_i);
    group_make_in_sync(0);
    for (int round = 0; round < 3; round++) {
        autotext char *job = NULL;
        if (round != 1)
            group_write(80 + (uint32_t)round);
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, group.sources[2], &io, 0));
        REFUSED(lsm_replication_promote(world.conn, group.ids[0], &job, 0), LSM_ERR_BUSY);
        FINE(lsm_volume_io_close(io, 0));
        int rc = lsm_replication_promote(world.conn, group.ids[round], &job, 0);
        if (round != 1 && !group_is_sync()) {
            STARTED(rc);
            job_await(job, LSM_JOB_STATE_DONE);
        } else {
            FINE(rc);
        }
        for (uint64_t end = now_ms() + 30000; now_ms() < end; sleep_ms(2)) {
            lsm_replication *r = NULL;
            FINE(lsm_replication_get(world.conn, group.ids[0], &r, 0));
            bool turned = strcmp(lsm_replication_source_volume_id_get(r),
                                 lsm_volume_id_get(group.targets[0])) == 0;
            lsm_replication_record_free(r);
            if (turned)
                break;
        }
        group_exchange();
        group_step();
        group_are(GROUP_STATE(IN_SYNC));
        group_targets_are(group.images);
        for (int i = 0; i < GROUP_MEMBERS; i++) {
            SAME(group.images[i], group.sources[i]);
            group_writable(group.sources[i], true);
            group_writable(group.targets[i], false);
        }
    }
}
END_TEST

START_TEST(group_is_broken)
{
    group_mode(_i);
    group_make_in_sync(0);
    group_write(20);
    FINE(lsm_replication_break(world.conn, group.ids[1], 0));
    group_step();
    ck_assert_uint_eq(group_relations(NULL, NULL), 0);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        lsm_replication *r = NULL;
        REFUSED(lsm_replication_get(world.conn, group.ids[i], &r, 0),
                LSM_ERR_NOT_FOUND_REPLICATION);
        group_writable(group.targets[i], true);
        FINE(volume_delete(group.sources[i]));
    }
}
END_TEST

/* Deleting a target ends its relation; the others go on. */
START_TEST(group_loses_a_member)
{
    group_mode(_i);
    group_make_in_sync(0);
    FINE(volume_delete(group.targets[0]));
    group_step();
    ck_assert_uint_eq(group_relations("group_id", group.id), GROUP_MEMBERS - 1);
    group_write(33);
    if (!group_is_sync())
        let_go_of_volume(&(lsm_volume *){copy_finish(sync_start(2))});
    group_step();
    for (int i = 1; i < GROUP_MEMBERS; i++)
        SAME(group.images[i], group.targets[i]);
    SAME(group.images[0], group.sources[0]);
    FINE(lsm_replication_break(world.conn, group.ids[1], 0));
    ck_assert_uint_eq(group_relations(NULL, NULL), 0);
}
END_TEST

/* --- one instant ----------------------------------------------------------------------------- */

/* Clones of all targets at one instant, while ships arrive: each time all are of one ship. */
static uint64_t check_clones_of_targets(int round)
{
    char named[GROUP_MEMBERS][32], *job = NULL;
    const char *to[GROUP_MEMBERS];
    lsm_volume **clones = NULL;
    uint32_t count = 0;
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        snprintf(named[i], sizeof named[i], "look %d %d", round, i);
        to[i] = named[i];
    }
    FINE(lsm_volume_group_replicate(world.conn, NULL, CLONE, group.targets, to, GROUP_MEMBERS, NULL,
                                    &clones, &count, &job, 0));
    uint64_t seen = group_check_instant(clones);
    for (int i = 0; i < GROUP_MEMBERS; i++)
        FINE(volume_delete(clones[i]));
    lsm_volume_record_array_free(clones, count);
    return seen;
}

START_TEST(group_targets_are_of_one_instant)
{
    uint64_t last = 0;
    pthread_t thread;
    group_mode(_i);
    group_number_write(0);
    ck_assert_int_eq(lsm_replicate_options_interval_set(group.options, 1), OK);
    group_make_in_sync(0);
    atomic_store(&group_enough, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, group_stamp, NULL), 0);
    for (int round = 0; round < 25 || last == 0; round++) {
        uint64_t seen = check_clones_of_targets(round);
        ck_assert_uint_ge(seen, last);
        last = seen;
    }
    atomic_store(&group_enough, true);
    pthread_join(thread, NULL);
    group_are(GROUP_STATE(IN_SYNC));
    group_check_instant(group.sources);
}
END_TEST

/* The owner ships as often as it can, and is killed; whatever it leaves, the targets are of one
 * instant, and the next ship brings the rest. */
static void owner_that_ships(int told)
{
    pthread_t thread;
    lsm_error_ptr e = NULL;
    atomic_store(&group_enough, false);
    group_must(world_connect(world.uri, &world.conn, &e) == OK);
    group_must(pthread_create(&thread, NULL, group_stamp, (void *)(intptr_t)told) == 0);
    for (int i = 0;; i++) {
        char *job = NULL;
        lsm_job *done = NULL;
        int rc = lsm_replication_sync(world.conn, group.ids[i % GROUP_MEMBERS], &job, 0);
        group_must(rc == LSM_ERR_JOB_STARTED || rc == LSM_ERR_NO_STATE_CHANGE);
        if (job) {
            group_must(lsm_job_wait(world.conn, job, UINT32_MAX, &done, 0) == OK);
            group_must(lsm_job_state_get(done) == LSM_JOB_STATE_DONE);
            lsm_job_record_free(done);
        }
        free(job);
    }
}

START_TEST(group_targets_are_of_one_instant_after_a_kill)
{
    uint64_t last = 0;
    uint32_t dice = 11 + (uint32_t)_i;
    group_mode(_i);
    group_number_write(0);
    group_make_in_sync(0);
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
        uint64_t seen = group_check_instant(group.targets);
        ck_assert_uint_ge(seen, last);
        last = group_check_instant(group.sources);
        ck_assert_uint_le(seen, last);
        char *job = NULL;
        int rc = lsm_replication_sync(world.conn, group.ids[0], &job, 0);
        if (rc == LSM_ERR_NO_STATE_CHANGE)
            REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
        else
            STARTED(rc);
        if (job)
            let_go_of_volume(&(lsm_volume *){copy_finish(job)});
        group_are(GROUP_STATE(IN_SYNC));
        ck_assert_uint_eq(group_check_instant(group.targets), last);
    }
    ck_assert_uint_gt(last, 0);
}
END_TEST

TCase *group_mirror(void)
{
    TCase *tests = tcase_create("group_mirror");
    tcase_add_checked_fixture(tests, group_make, group_unmake);
    tcase_add_loop_test(tests, group_mirror_begins_at_one_instant, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_mirror_cancelled_leaves_nothing, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_mirror_key_again, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_ship_brings_all_members, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_ship_is_all_or_none, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_ship_is_followed, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_pauses_and_resumes, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_interval_is_one, 0, GROUP_MODES);
    tcase_add_loop_test(tests, group_fails_over_and_back, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_is_rejoined_after_a_split, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_switches_over, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_is_broken, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_loses_a_member, 0, GROUP_ALL_MODES);
    tcase_add_loop_test(tests, group_targets_are_of_one_instant, 0, 2);
    tcase_add_loop_test(tests, group_targets_are_of_one_instant_after_a_kill, 0, 2);
    return tests;
}
