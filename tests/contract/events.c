/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: each queue gets what happens from its opening on, and its descriptor is readable exactly
 * while one waits. */
#include "suites.h"
#include "image.h"

#include <fcntl.h>
#include <poll.h>

#define SIZE MIB

static lsm_event_queue *queue;

static void make(void)
{
    world_make();
    FINE(lsm_event_queue_open(world.conn, &queue, 0));
}

static void unmake(void)
{
    if (queue)
        ck_assert_int_eq(lsm_event_queue_close(queue), OK);
    queue = NULL;
    world_remove();
}

static bool readable(lsm_event_queue *q, int ms)
{
    struct pollfd p = {.events = POLLIN, .fd = -1};
    ck_assert_int_eq(lsm_event_queue_fd_get(q, &p.fd), OK);
    return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

static lsm_event *next(lsm_event_queue *q)
{
    lsm_event *event = NULL;
    ck_assert_int_eq(lsm_event_next(q, &event), OK);
    return event;
}

/* The next event of that kind about that object; those before it are dropped. */
static lsm_event *next_about(lsm_event_queue *q, lsm_event_kind kind, const char *id)
{
    while (readable(q, 10000)) {
        lsm_event *event = next(q);
        if (!event)
            continue;
        const char *about = lsm_event_object_id_get(event);
        if (lsm_event_kind_get(event) == kind && about && strcmp(about, id) == 0)
            return event;
        lsm_event_record_free(event);
    }
    ck_abort_msg("no event of kind %d about %s", kind, id);
    return NULL;
}

static void drain(lsm_event_queue *q)
{
    for (lsm_event *event; (event = next(q)) != NULL;)
        lsm_event_record_free(event);
}

START_TEST(event_queue_is_empty_at_first)
{
    ck_assert(!readable(queue, 0));
    ck_assert_ptr_null(next(queue));
}
END_TEST

START_TEST(event_fd_is_readable_while_one_waits)
{
    let_go_of_volume(&(lsm_volume *){volume_make("a", SIZE)});
    let_go_of_volume(&(lsm_volume *){volume_make("b", SIZE)});
    unsigned seen = 0;
    ck_assert(readable(queue, 5000));
    while (readable(queue, 0)) {
        lsm_event *event = next(queue);
        ck_assert_ptr_nonnull(event); /* readable: one waits */
        lsm_event_record_free(event);
        seen++;
    }
    ck_assert_uint_ge(seen, 2);
    ck_assert_ptr_null(next(queue)); /* not readable: none waits */
    let_go_of_volume(&(lsm_volume *){volume_make("c", SIZE)});
    ck_assert(readable(queue, 5000));
    drain(queue);
    ck_assert(!readable(queue, 0));
}
END_TEST

START_TEST(event_fd_is_the_queues)
{
    int fd = -1, again = -1;
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &fd), OK);
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &again), OK);
    ck_assert_int_eq(fd, again);
    ck_assert_int_ge(fd, 0);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, NULL), INVALID);
    ck_assert_int_eq(lsm_event_queue_fd_get(NULL, &fd), INVALID);
    ck_assert_int_eq(lsm_event_queue_close(NULL), INVALID);
}
END_TEST

START_TEST(event_of_volumes)
{
    autovolume lsm_volume *v = volume_make("v", SIZE), *renamed = NULL;
    lsm_event *event = next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v));
    ck_assert_int_eq(lsm_event_old_state_get(event), -1);
    ck_assert_int_eq(lsm_event_new_state_get(event), -1);
    ck_assert_uint_gt(lsm_event_time_ms_get(event), 1700000000000);
    ck_assert_uint_gt(lsm_event_sequence_get(event), 0);
    lsm_event_record_free(event);
    drain(queue);
    FINE(lsm_volume_rename(world.conn, v, "w", &renamed, 0));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    FINE(lsm_volume_disable(world.conn, v, 0));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    FINE(volume_resize(&v, 2 * SIZE));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    FINE(lsm_volume_tag_set(world.conn, v, "k", "v", 0));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    autovolume lsm_volume *clone = clone_make(v, "clone");
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(clone)));
    FINE(volume_delete(clone));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(clone)));
}
END_TEST

START_TEST(event_none_for_a_refusal)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    drain(queue);
    REFUSED(replicate(NULL, CLONE, v, "v", NULL), LSM_ERR_NAME_CONFLICT);
    REFUSED(lsm_volume_enable(world.conn, v, 0), LSM_ERR_NO_STATE_CHANGE);
    ck_assert(!readable(queue, 50));
}
END_TEST

/* A job's states, in order and without gaps: each begins where the one before ended. */
START_TEST(event_of_a_job)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    char *id = copy_start(NULL, v, "copy", HELD);
    autotext char *kept = strdup(id);
    job_await(id, LSM_JOB_STATE_RUNNING);
    FINE(lsm_job_pause(world.conn, id, 0));
    FINE(lsm_job_resume(world.conn, id, 0));
    autovolume lsm_volume *copy = copy_finish(id);
    static const int states[] = {LSM_JOB_STATE_UNKNOWN, LSM_JOB_STATE_QUEUED, LSM_JOB_STATE_RUNNING,
                                 LSM_JOB_STATE_PAUSED,  LSM_JOB_STATE_QUEUED, LSM_JOB_STATE_RUNNING,
                                 LSM_JOB_STATE_DONE};
    uint64_t sequence = 0;
    for (size_t i = 1; i < sizeof states / sizeof *states; i++) {
        lsm_event *event = next_about(queue, LSM_EVENT_JOB_STATE, kept);
        ck_assert_int_eq(lsm_event_old_state_get(event), states[i - 1]);
        ck_assert_int_eq(lsm_event_new_state_get(event), states[i]);
        ck_assert_uint_gt(lsm_event_sequence_get(event), sequence);
        sequence = lsm_event_sequence_get(event);
        lsm_event_record_free(event);
    }
    drain(queue);
}
END_TEST

/* Whoever hears that a job is DONE finds its volume listed. */
START_TEST(event_comes_after_the_fact)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autotext char *id = copy_start(NULL, v, "copy", 0);
    for (int state = 0; state != LSM_JOB_STATE_DONE;) {
        lsm_event *event = next_about(queue, LSM_EVENT_JOB_STATE, id);
        state = lsm_event_new_state_get(event);
        lsm_event_record_free(event);
    }
    ck_assert_int_eq(job_state(id), LSM_JOB_STATE_DONE);
    ck_assert_uint_eq(volume_count("name", "copy"), 1);
}
END_TEST

START_TEST(event_of_progress)
{
    autovolume lsm_volume *v = volume_make("v", 4 * MIB);
    autoimage struct image *image = image_create(4 * MIB);
    image_fill(image, v, 1);
    autotext char *id = copy_start(NULL, v, "copy", 2 * MIB);
    lsm_event *event = next_about(queue, LSM_EVENT_JOB_PROGRESS, id);
    lsm_event_record_free(event);
    autojob lsm_job *job = job_look(id);
    ck_assert_uint_gt(lsm_job_bytes_done_get(job), 0);
}
END_TEST

/* Every queue gets every event from its opening on. */
START_TEST(event_queues_are_independent)
{
    lsm_event_queue *later = NULL;
    autovolume lsm_volume *a = volume_make("a", SIZE);
    FINE(lsm_event_queue_open(world.conn, &later, 0));
    ck_assert(!readable(later, 0));
    autovolume lsm_volume *b = volume_make("b", SIZE);
    lsm_event_record_free(next_about(later, LSM_EVENT_VOLUME, lsm_volume_id_get(b)));
    drain(later);
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(a)));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(b)));
    ck_assert_int_eq(lsm_event_queue_close(later), OK);
    let_go_of_volume(&(lsm_volume *){volume_make("c", SIZE)});
    ck_assert(readable(queue, 5000));
}
END_TEST

/* What another connection does is heard, too. */
START_TEST(event_of_another_connection)
{
    lsm_connect *first = world.conn, *second = world_connect_again();
    world.conn = second;
    autovolume lsm_volume *v = volume_make("v", SIZE);
    world.conn = first;
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    ck_assert_int_eq(lsm_connect_close(second, 0), OK);
}
END_TEST

/* After its connection's close a queue hands out what waits, gets nothing new, and needs its own
 * close. */
START_TEST(event_queue_is_silent_after_close)
{
    lsm_connect *second = world_connect_again();
    autovolume lsm_volume *v = volume_make("v", SIZE);
    ck_assert_int_eq(lsm_connect_close(world.conn, 0), OK);
    world.conn = second;
    autovolume lsm_volume *w = volume_make("w", SIZE);
    ck_assert(readable(queue, 0));
    lsm_event_record_free(next_about(queue, LSM_EVENT_VOLUME, lsm_volume_id_get(v)));
    for (lsm_event *event; (event = next(queue)) != NULL; lsm_event_record_free(event))
        ck_assert_pstr_ne(lsm_event_object_id_get(event), lsm_volume_id_get(w));
    ck_assert(!readable(queue, 50));
}
END_TEST

TCase *events(void)
{
    TCase *tests = tcase_create("events");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, event_queue_is_empty_at_first);
    tcase_add_test(tests, event_fd_is_readable_while_one_waits);
    tcase_add_test(tests, event_fd_is_the_queues);
    tcase_add_test(tests, event_of_volumes);
    tcase_add_test(tests, event_none_for_a_refusal);
    tcase_add_test(tests, event_of_a_job);
    tcase_add_test(tests, event_comes_after_the_fact);
    tcase_add_test(tests, event_of_progress);
    tcase_add_test(tests, event_queues_are_independent);
    tcase_add_test(tests, event_of_another_connection);
    tcase_add_test(tests, event_queue_is_silent_after_close);
    return tests;
}
