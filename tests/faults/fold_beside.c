/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a caller does in the middle of a fold. The first read and the first sync of a chosen layer
 * file are held here, so what takes luck otherwise happens every time:
 *
 *     a merge           the volume that stands on it is deleted
 *     an absorb         comes to its end while a clone's call is still flushing the top ahead
 *     a second merge    is there before the first has ended, and so is a volume's file that is to
 * go
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/vfs.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB ((uint64_t)1024)
#define SIZE (512 * KIB)
#define SECONDS 120 /* until a test is given up */

enum call { READ, SYNC, CALLS };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char file[300]; /* the data file of the chosen layer; "": none yet */
    bool choosing;  /* the next one that is written to */
    bool armed[CALLS], inside[CALLS];
    bool next[CALLS]; /* the one inside may leave, and the next one is held */
} hold = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct vfs table;

/* --- holding ---------------------------------------------------------------------------------- */

static void path_of(int fd, char path[300])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 299);
    path[n < 0 ? 0 : n] = '\0';
}

static bool is_chosen(int fd)
{
    char path[300];
    path_of(fd, path);
    return strcmp(path, hold.file) == 0;
}

static void pass(enum call call, int fd)
{
    pthread_mutex_lock(&hold.lock);
    if (hold.armed[call] && is_chosen(fd)) {
        hold.inside[call] = true;
        pthread_cond_broadcast(&hold.changed);
        while (hold.armed[call] && !hold.next[call])
            pthread_cond_wait(&hold.changed, &hold.lock);
        hold.inside[call] = hold.next[call] = false;
    }
    pthread_mutex_unlock(&hold.lock);
}

static ssize_t held_pread(int fd, void *buf, size_t count, off_t offset)
{
    pass(READ, fd);
    return vfs_system.pread(fd, buf, count, offset);
}

static int held_fdatasync(int fd)
{
    pass(SYNC, fd);
    return vfs_system.fdatasync(fd);
}

static ssize_t choosing_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
    char path[300];
    pthread_mutex_lock(&hold.lock);
    if (hold.choosing) {
        path_of(fd, path);
        size_t n = strlen(path);
        if (n > 4 && strcmp(path + n - 4, ".raw") == 0) {
            strcpy(hold.file, path);
            hold.choosing = false;
        }
    }
    pthread_mutex_unlock(&hold.lock);
    return vfs_system.pwrite(fd, buf, count, offset);
}

static void arm(enum call call)
{
    pthread_mutex_lock(&hold.lock);
    hold.armed[call] = true;
    pthread_mutex_unlock(&hold.lock);
}

static void await(enum call call)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += SECONDS;
    pthread_mutex_lock(&hold.lock);
    while (!hold.inside[call] || hold.next[call])
        MUST(pthread_cond_timedwait(&hold.changed, &hold.lock, &end) != ETIMEDOUT);
    pthread_mutex_unlock(&hold.lock);
}

static void let_go(enum call call)
{
    pthread_mutex_lock(&hold.lock);
    hold.armed[call] = false;
    pthread_cond_broadcast(&hold.changed);
    pthread_mutex_unlock(&hold.lock);
}

static void let_one_go(enum call call)
{
    pthread_mutex_lock(&hold.lock);
    hold.next[call] = true;
    pthread_cond_broadcast(&hold.changed);
    pthread_mutex_unlock(&hold.lock);
}

/* --- the volume ------------------------------------------------------------------------------- */

static void write_some(const char *name, uint64_t offset, unsigned seed)
{
    lsm_volume_io *io = world_io(name);
    world_write(io, content_get(name), offset, 64 * KIB, seed);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

/* Writes to the volume; the layer that takes it is the chosen one. */
static void choose(const char *name, uint64_t offset, unsigned seed)
{
    pthread_mutex_lock(&hold.lock);
    hold.choosing = true;
    pthread_mutex_unlock(&hold.lock);
    write_some(name, offset, seed);
    pthread_mutex_lock(&hold.lock);
    MUST(!hold.choosing);
    pthread_mutex_unlock(&hold.lock);
}

static void clone_as(const char *name, const char *as)
{
    struct content *from = content_get(name), *to = content_new(as, "default", from->size);
    lsm_volume *volume = world_volume(name, "default"), *made = NULL;
    lsm_pool *pool = world_pool("default");
    char *job = NULL;
    MUST(lsm_volume_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_CLONE, volume, as, &made, &job,
                              0) == OK);
    memcpy(to->bytes, from->bytes, from->size);
    lsm_volume_record_free(made);
    lsm_volume_record_free(volume);
    lsm_pool_record_free(pool);
}

static void drop(const char *name)
{
    lsm_volume *volume = world_volume(name, "default");
    char *job = NULL;
    MUST(lsm_volume_delete(world.conn, volume, &job, 0) == OK);
    lsm_volume_record_free(volume);
    content_get(name)->size = 0;
}

static void fill(const struct vfs *through)
{
    table = vfs_system;
    table.pread = held_pread;
    table.pwrite = choosing_pwrite;
    table.fdatasync = held_fdatasync;
    vfs = through;
    world_open();
    world_make_volume("volume", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    content_new("volume", "default", SIZE);
    write_some("volume", 0, 1);
}

static void begin(const struct vfs *through)
{
    world_begin();
    world_make_directory();
    fill(through);
}

static void finish(void)
{
    world_check(false);
    world_close();
    vfs = &vfs_system;
    world_check_files();
    world_remove_directory();
}

/* --- the tests -------------------------------------------------------------------------------- */

/* Two frozen layers that the clones alone keep from being merged. */
static void stack_up_of(const char *name, bool chosen)
{
    clone_as(name, "first");
    (chosen ? choose : write_some)(name, 128 * KIB, 2);
    clone_as(name, "second");
    write_some(name, 192 * KIB, 3);
    if (chosen)
        arm(READ);
    drop("second");
    drop("first");
}

static void stack_up(bool chosen)
{
    stack_up_of("volume", chosen);
}

static void make_another(const char *name)
{
    world_make_volume(name, "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    content_new(name, "default", SIZE);
}

static void delete_in_a_merge(void)
{
    stack_up(true);
    await(READ);
    drop("volume");
}

START_TEST(volume_deleted_in_a_merge)
{
    begin(&table);
    delete_in_a_merge();
    let_go(READ);
    finish();
}
END_TEST

/* The two layers are in use by the merge alone, and nothing names them any more. */
START_TEST(owner_dies_in_a_merge)
{
    int status = 0;
    world_begin();
    world_make_directory();
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        world.in_child = true;
        fill(&table);
        delete_in_a_merge();
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child && status == 0);
    world_open();
    finish();
}
END_TEST

/* What a merge reads before its first call is for ThreadSanitizer to see; a lock of the test's own
 * would hide it. */
START_TEST(volumes_deleted_at_once)
{
    begin(&vfs_system);
    for (int i = 0; i < 300; i++) {
        stack_up(false);
        usleep((useconds_t)(i % 30) * 10);
        drop("volume");
        make_another("volume");
    }
    finish();
}
END_TEST

/* However many merges there are, the rest of what the background does is not put off. */
START_TEST(files_go_between_two_merges)
{
    char gone[sizeof hold.file];
    begin(&table);
    make_another("other");
    write_some("other", 0, 1);
    make_another("gone");
    choose("gone", 0, 1);
    strcpy(gone, hold.file);
    stack_up(true);
    await(READ);
    drop("gone");
    stack_up_of("other", true);
    MUST(access(gone, F_OK) == 0);
    let_one_go(READ);
    await(READ);
    MUST(access(gone, F_OK) != 0);
    let_go(READ);
    finish();
}
END_TEST

static void *clone_again(void *argument)
{
    clone_as("volume", "again");
    return argument;
}

START_TEST(absorb_ends_while_the_top_is_flushed_ahead)
{
    pthread_t caller;
    begin(&table);
    clone_as("volume", "first");
    choose("volume", 128 * KIB, 2);
    lsm_volume_io *io = world_io("volume");
    arm(READ);
    drop("first");
    await(READ);
    world_write(io, content_get("volume"), 256 * KIB, 64 * KIB, 3);
    arm(SYNC);
    MUST(pthread_create(&caller, NULL, clone_again, NULL) == 0);
    await(SYNC);
    let_go(READ);
    usleep(100000); /* for what must not happen: the absorb's end */
    let_go(SYNC);
    MUST(pthread_join(caller, NULL) == 0);
    MUST(lsm_volume_io_close(io, 0) == OK);
    finish();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("fold_beside");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, volume_deleted_in_a_merge);
    tcase_add_test(tcase, owner_dies_in_a_merge);
    tcase_add_test(tcase, volumes_deleted_at_once);
    tcase_add_test(tcase, files_go_between_two_merges);
    tcase_add_test(tcase, absorb_ends_while_the_top_is_flushed_ahead);
    return world_run("faults-fold-beside", tcase);
}
