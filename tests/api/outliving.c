/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a connection leaves behind when it is closed: I/O handles that work, event queues that are
 * silent. */
#include "root.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define QUEUES 4
#define ROUNDS 20

static void close_conn(void)
{
    ck_assert_int_eq(lsm_connect_close(root_conn, 0), OK);
    root_conn = NULL;
}

START_TEST(an_io_handle_goes_on)
{
    lsm_volume_io *io = NULL;
    char got[6] = "";

    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &io, 0), OK);
    close_conn();
    ck_assert_int_eq(lsm_volume_io_pwrite(io, "hello", 6, 3, LSM_VOLUME_IO_FUA), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, got, 6, 3, 0), OK);
    ck_assert_str_eq(got, "hello");
    ck_assert_int_eq(lsm_volume_io_pread(io, got, 6, UINT64_MAX, 0), INVALID);
    lsm_error_ptr e = lsm_volume_io_error_last_get(io);
    ck_assert_ptr_nonnull(e);
    ck_assert(lsm_error_offset_get(e) == UINT64_MAX);
    lsm_error_free(e);
    ck_assert_ptr_null(lsm_volume_io_error_last_get(io));
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
}
END_TEST

static int is_readable(lsm_event_queue *queue)
{
    struct pollfd poll_fd = {.events = POLLIN};
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &poll_fd.fd), OK);
    return poll(&poll_fd, 1, 0);
}

static uint32_t drain(lsm_event_queue *queue)
{
    uint32_t count = 0;
    lsm_event *event = NULL;
    while (lsm_event_next(queue, &event) == OK && event) {
        ck_assert_int_eq(lsm_event_record_free(event), OK);
        event = NULL;
        count++;
    }
    return count;
}

static void rename_volume(void)
{
    lsm_volume *renamed = NULL;
    ck_assert_int_eq(lsm_volume_rename(root_conn, root_volume, "other", &renamed, 0), OK);
    lsm_volume_record_free(renamed);
}

START_TEST(an_event_queue_hands_out_what_waits)
{
    lsm_event_queue *queue = NULL;
    ck_assert_int_eq(lsm_event_queue_open(root_conn, &queue, 0), OK);
    ck_assert_int_eq(is_readable(queue), 0);
    rename_volume();
    ck_assert_int_eq(is_readable(queue), 1);
    close_conn();
    ck_assert_uint_ge(drain(queue), 1);
    ck_assert_int_eq(is_readable(queue), 0);
    ck_assert_int_eq(lsm_event_next(queue, NULL), INVALID);
    ck_assert_int_eq(lsm_event_queue_close(queue), OK);
}
END_TEST

static void *close_queue(void *queue)
{
    return lsm_event_queue_close(queue) == OK ? NULL : queue;
}

/* Both may want to end a subscription at the same time. */
START_TEST(queues_close_while_their_connection_does)
{
    pthread_t threads[QUEUES];
    lsm_event_queue *queues[QUEUES] = {NULL};

    for (int i = 0; i < QUEUES; i++)
        ck_assert_int_eq(lsm_event_queue_open(root_conn, &queues[i], 0), OK);
    for (int i = 0; i < QUEUES; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, close_queue, queues[i]), 0);
    close_conn();
    for (int i = 0; i < QUEUES; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

/* A job that will not end while anybody looks. */
static char *slow_copy(void)
{
    char *job = NULL;
    lsm_volume *none = NULL;
    lsm_volume_io *io = NULL;
    lsm_replicate_options *options = lsm_replicate_options_alloc();

    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &io, 0), OK);
    for (uint64_t at = 0; at < ROOT_VOLUME_SIZE; at += 4096)
        ck_assert_int_eq(lsm_volume_io_pwrite(io, "data", 4, at, 0), OK);
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
    lsm_replicate_options_rate_limit_set(options, 1);
    ck_assert_int_eq(lsm_volume_replicate_with(root_conn, NULL, LSM_VOLUME_REPLICATE_COPY,
                                               root_volume, "copy", options, &none, &job, 0),
                     LSM_ERR_JOB_STARTED);
    lsm_replicate_options_free(options);
    return job;
}

struct wait {
    lsm_connect *conn;
    const char *job;
    int rc;
};

static void *wait_for_ever(void *argument)
{
    struct wait *wait = argument;
    lsm_job *job = NULL;
    wait->rc = lsm_job_wait(wait->conn, wait->job, UINT32_MAX, &job, 0);
    return NULL;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Closing waits for calls under way, and one that waits for a job gives way. */
START_TEST(a_wait_ends_when_its_connection_is_closed)
{
    pthread_t thread;
    char *job = slow_copy();
    struct wait wait = {.conn = root_conn, .job = job, .rc = -1};

    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_ever, &wait), 0);
    usleep(100000); /* so that it is inside */
    uint64_t begin = now_ms();
    close_conn();
    ck_assert_uint_lt(now_ms() - begin, 10000);
    pthread_join(thread, NULL);
    ck_assert_int_eq(wait.rc, INVALID);
    free(job);
}
END_TEST

TCase *test_outliving(void)
{
    TCase *tests = tcase_create("outliving");
    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, root_make, root_remove);
    tcase_add_test(tests, an_io_handle_goes_on);
    tcase_add_test(tests, an_event_queue_hands_out_what_waits);
    tcase_add_test(tests, a_wait_ends_when_its_connection_is_closed);
    tcase_add_loop_test(tests, queues_close_while_their_connection_does, 0, ROUNDS);
    return tests;
}
