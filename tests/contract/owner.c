/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root has one owner process: others are told which, and are let in when it is gone. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process of its own that has the root open until it is killed. */
static pid_t hold(const char *uri)
{
    int ready[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        lsm_connect *conn = NULL;
        lsm_error_ptr e = NULL;
        if (world_connect(uri, &conn, &e) == OK && write(ready[1], "!", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static lsm_error_ptr busy(const char *uri)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    int rc = world_connect(uri, &conn, &e);
    ck_assert_int_eq(rc, LSM_ERR_BUSY);
    ck_assert_ptr_null(conn);
    ck_assert_int_eq((int)lsm_error_number_get(e), LSM_ERR_BUSY);
    return e;
}

START_TEST(root_owned_by_another_process)
{
    char pid[16];
    world_close();
    pid_t owner = hold(world.uri);
    snprintf(pid, sizeof pid, "%ld", (long)owner);
    lsm_error_ptr e = busy(world.uri);
    ck_assert_msg(strstr(lsm_error_message_get(e), pid) != NULL, "no %s in: %s", pid,
                  lsm_error_message_get(e));
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    ck_assert_ptr_nonnull(lsm_error_object_get(e));
    lsm_error_free(e);
    end(owner);
    world_open(); /* at once */
    let_go_of_volume(&(lsm_volume *){volume_make("v", MIB)});
}
END_TEST

/* The owner's children do not keep what it had. */
START_TEST(root_of_a_dead_owner_with_a_living_child)
{
    int ready[2];
    pid_t grandchild = 0;
    world_close();
    ck_assert_int_eq(pipe(ready), 0);
    pid_t owner = fork();
    if (owner == 0) {
        lsm_connect *conn = NULL;
        lsm_error_ptr e = NULL;
        if (world_connect(world.uri, &conn, &e) != OK)
            _exit(1);
        /* The child says so itself: only what has come back from fork() has let go. */
        pid_t child = fork() == 0 ? getpid() : 0;
        if (child != 0 && write(ready[1], &child, sizeof child) != sizeof child)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &grandchild, sizeof grandchild), sizeof grandchild);
    close(ready[0]);
    close(ready[1]);
    lsm_error_free(busy(world.uri));
    end(owner);
    world_open();
    ck_assert_int_eq(kill(grandchild, 0), 0); /* it lives */
    kill(grandchild, SIGKILL);
}
END_TEST

/* What the owner wrote is there for the next, although it was killed. */
START_TEST(root_after_its_owner_was_killed)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    int ready[2];
    char byte;
    random_bytes(image->bytes, MIB, 9);
    world_close();
    ck_assert_int_eq(pipe(ready), 0);
    pid_t owner = fork();
    if (owner == 0) {
        lsm_error_ptr e = NULL;
        lsm_volume_io *io = NULL;
        lsm_volume *clone = NULL;
        char *job = NULL;
        if (world_connect(world.uri, &world.conn, &e) == OK &&
            lsm_volume_io_open(world.conn, v, &io, 0) == OK &&
            lsm_volume_io_pwrite(io, image->bytes, MIB, 0, 0) == OK &&
            lsm_volume_replicate(world.conn, NULL, CLONE, v, "clone", &clone, &job, 0) == OK &&
            lsm_volume_io_write_zeroes(io, MIB, 0, 0) == OK && lsm_volume_io_flush(io, 0) == OK &&
            write(ready[1], "!", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    end(owner);
    world_open();
    autovolume lsm_volume *clone = volume_named("clone");
    ck_assert_ptr_nonnull(clone);
    SAME(image, clone);
    autoimage struct image *zeros = image_create(MIB);
    SAME(zeros, v);
}
END_TEST

/* Two roots may link to one pool, but not use it at the same time, not even in one process. */
START_TEST(pool_through_two_roots)
{
    autotext char *other = strdup(scratch_directory());
    ck_assert_int_eq(symlink(path_of("%s/default", world.directory), path_of("%s/shared", other)),
                     0);
    lsm_error_ptr e = busy(path_of("dir://%s", other));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "shared"));
    ck_assert_int_eq(lsm_error_retryable_get(e), 1);
    lsm_error_free(e);
    autovolume lsm_volume *v = volume_make("v", MIB);
    world_close();
    lsm_connect *conn = NULL;
    e = NULL;
    ck_assert_int_eq(world_connect(path_of("dir://%s", other), &conn, &e), OK);
    lsm_error_free(busy(world.uri));
    ck_assert_int_eq(lsm_connect_close(conn, 0), OK);
    world_open();
    volume_look(&v);
}
END_TEST

TCase *owner(void)
{
    TCase *tests = tcase_create("owner");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, root_owned_by_another_process);
    tcase_add_test(tests, root_of_a_dead_owner_with_a_living_child);
    tcase_add_test(tests, root_after_its_owner_was_killed);
    tcase_add_test(tests, pool_through_two_roots);
    return tests;
}
