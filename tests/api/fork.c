/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles are their process's: a child of fork() is refused each of them, with an error that says
 * why, and the parent's go on working. */
#include "root.h"

#include <sys/wait.h>
#include <unistd.h>

static lsm_volume_io *io;
static lsm_event_queue *queue;

/* In the child nothing of check's may run: it answers by its exit status, which is the number of
 * the first thing that was wrong. */
static int refused(int rc)
{
    lsm_error_ptr e = lsm_error_last_get(root_conn);
    int is = rc == INVALID && e && strstr(lsm_error_message_get(e), "child") != NULL;
    lsm_error_free(e);
    return is;
}

static int child(void)
{
    lsm_volume **volumes = NULL;
    lsm_event *event = NULL;
    uint32_t count = 0;
    char byte = 0;

    if (!refused(lsm_volume_list(root_conn, NULL, NULL, &volumes, &count, 0)))
        return 1;
    if (!refused(lsm_volume_io_pread(io, &byte, 1, 0, 0)))
        return 2;
    if (!refused(lsm_volume_io_pwrite(io, &byte, 1, 0, 0)))
        return 3;
    if (!refused(lsm_event_next(queue, &event)))
        return 4;
    if (!refused(lsm_event_queue_close(queue)))
        return 5;
    if (!refused(lsm_volume_io_close(io, 0)))
        return 6;
    if (!refused(lsm_connect_close(root_conn, 0)))
        return 7;
    return lsm_volume_io_size_get(io) == 0 ? 0 : 8;
}

START_TEST(a_child_is_refused_and_the_parent_goes_on)
{
    char wrote = 'w', got = 0;
    int status = -1;

    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &io, 0), OK);
    ck_assert_int_eq(lsm_event_queue_open(root_conn, &queue, 0), OK);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(lsm_volume_io_pwrite(io, &wrote, 1, 5, 0), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, &got, 1, 5, 0), OK);
    ck_assert_int_eq(got, 'w');
    ck_assert_int_eq(lsm_event_queue_close(queue), OK);
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
}
END_TEST

TCase *test_fork(void)
{
    TCase *tests = tcase_create("fork");
    tcase_add_checked_fixture(tests, root_make, root_remove);
    tcase_add_test(tests, a_child_is_refused_and_the_parent_goes_on);
    return tests;
}
