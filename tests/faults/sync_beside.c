/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two sides of a synchronous mirror are written at the same time. Each write of one side's data
 * is held here until the other side's is there, too; so what can be told apart by luck alone
 * happens every time:
 *
 *     both under way        or the write never ends, and the test says so
 *     the caller's buffer   is written over while both are held: both sides have what was given
 *     the source fails      when the target already has it: both sides have what was there before
 *     the target fails      when the source already has it: DEGRADED, and back by itself
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/vfs.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB ((uint64_t)1024)
#define SIZE (1024 * KIB)
#define DIRECT "?cache=none"
#define SECONDS 120 /* until what is held is given up */

enum side { SOURCE, TARGET, SIDES, NOBODY = SIDES };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool armed, alone;
    enum side failing; /* its write is EIO, after the other's is done */
    bool begun[SIDES], done[SIDES], direct[SIDES];
    unsigned char *scribble; /* on this, with both held */
    uint64_t length;
} meeting = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static unsigned char content[SIZE], seen[SIZE];
static lsm_volume_io *io;
static char id[80];

/* --- meeting ---------------------------------------------------------------------------------- */

static enum side side_of(int fd)
{
    char link[64], path[300];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    if (n < 4 || strcmp(path + n - 4, ".raw") != 0)
        return NOBODY;
    return strstr(path, "/second/") ? TARGET : SOURCE;
}

/* With the lock; false after a long time. */
static bool await(const bool *what)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += SECONDS;
    while (!*what)
        if (pthread_cond_timedwait(&meeting.changed, &meeting.lock, &end) == ETIMEDOUT)
            return false;
    return true;
}

static bool arrive(enum side side, int fd)
{
    enum side other = side == SOURCE ? TARGET : SOURCE;
    meeting.begun[side] = true;
    meeting.direct[side] = fcntl(fd, F_GETFL) & O_DIRECT;
    pthread_cond_broadcast(&meeting.changed);
    if (!await(&meeting.begun[other]))
        meeting.alone = true;
    if (meeting.scribble)
        memset(meeting.scribble, 0xee, meeting.length);
    return meeting.failing == side && await(&meeting.done[other]);
}

static ssize_t meeting_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
    enum side side = side_of(fd);
    pthread_mutex_lock(&meeting.lock);
    bool fails = side != NOBODY && meeting.armed && !meeting.begun[side] && arrive(side, fd);
    pthread_mutex_unlock(&meeting.lock);
    ssize_t n = fails ? -1 : vfs_system.pwrite(fd, buf, count, offset);
    if (side == NOBODY)
        return n;
    int error = fails ? EIO : errno;
    pthread_mutex_lock(&meeting.lock);
    meeting.done[side] = meeting.begun[side];
    pthread_cond_broadcast(&meeting.changed);
    pthread_mutex_unlock(&meeting.lock);
    errno = error;
    return n;
}

static struct vfs table;

static void arm(enum side failing)
{
    pthread_mutex_lock(&meeting.lock);
    memset(meeting.begun, 0, sizeof meeting.begun);
    memset(meeting.done, 0, sizeof meeting.done);
    meeting.failing = failing;
    meeting.armed = true;
    pthread_mutex_unlock(&meeting.lock);
}

static void disarm(void)
{
    pthread_mutex_lock(&meeting.lock);
    meeting.armed = false;
    MUST(meeting.begun[SOURCE] && meeting.begun[TARGET] && !meeting.alone);
    meeting.scribble = NULL;
    pthread_mutex_unlock(&meeting.lock);
}

/* --- the mirror ------------------------------------------------------------------------------- */

/* Direct: only where the file system can; the rest of the test is done without. */
static bool can_be_direct(void)
{
    char path[260];
    snprintf(path, sizeof path, "%s/try", world.directory);
    int fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    unlink(path);
    return fd >= 0;
}

static void find_id(void)
{
    world_relation_id(id);
    MUST(id[0]);
}

static int state(void)
{
    return world_replication_state(id);
}

static void mirror(lsm_volume *source)
{
    char *job = NULL;
    lsm_pool *second = NULL;
    lsm_volume *none = NULL;
    struct outcome outcome;
    MUST(lsm_pool_create(world.conn, "second", NULL, 0, &second, 0) == OK);
    MUST(lsm_volume_replicate(world.conn, second, LSM_VOLUME_REPLICATE_MIRROR_SYNC, source,
                              "volume", &none, &job, 0) == LSM_ERR_JOB_STARTED);
    MUST(world_outcome_of_job(job, &outcome) == OK);
    free(job);
    lsm_pool_record_free(second);
    find_id();
}

static bool make(bool direct)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    world_begin();
    world_make_directory();
    if (direct && !can_be_direct()) {
        world_remove_directory();
        printf("left out: no direct I/O in %s\n", world.directory);
        return false;
    }
    if (direct)
        strcat(world.directory, DIRECT);
    table = vfs_system;
    table.pwrite = meeting_pwrite;
    vfs = &table;
    world_open();
    lsm_pool *pool = world_pool("default");
    MUST(lsm_volume_create(world.conn, pool, "volume", SIZE, LSM_VOLUME_PROVISION_THIN, &made, &job,
                           0) == OK);
    lsm_pool_record_free(pool);
    mirror(made);
    MUST(lsm_volume_io_open(world.conn, made, &io, 0) == OK);
    lsm_volume_record_free(made);
    content_fill(content, SIZE, 1);
    MUST(lsm_volume_io_pwrite(io, content, SIZE, 0, 0) == OK);
    return true;
}

static void must_be(const char *pool)
{
    lsm_volume *volume = world_volume("volume", pool);
    lsm_volume_io *reader = NULL;
    MUST(volume != NULL);
    MUST(lsm_volume_io_open(world.conn, volume, &reader, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(reader, seen, SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_close(reader, 0) == OK);
    lsm_volume_record_free(volume);
    MUST(memcmp(seen, content, SIZE) == 0);
}

static void finish(void)
{
    must_be("default");
    must_be("second");
    MUST(lsm_volume_io_close(io, 0) == OK);
    MUST(lsm_replication_break(world.conn, id, 0) == OK);
    world_close();
    vfs = &vfs_system;
    char *query = strchr(world.directory, '?');
    if (query)
        *query = '\0';
    world_check_files();
    world_remove_directory();
}

/* --- the tests -------------------------------------------------------------------------------- */

static const struct {
    bool direct;
    uint64_t count, offset;
} writes[] = {
    {false, 128 * KIB, 5000}, /* of the page cache only what is long */
    {true, 4 * KIB, 64 * KIB},
    {true, 200 * KIB, 512 * KIB},
};
#define WRITES ((int)(sizeof writes / sizeof *writes))

static unsigned char bytes[SIZE + 1];

/* From an address without alignment. */
static int write_again(int i, enum side failing)
{
    unsigned char *given = bytes + 1;
    content_fill(given, writes[i].count, 2);
    if (failing != SOURCE)
        memcpy(content + writes[i].offset, given, writes[i].count);
    meeting.scribble = given;
    meeting.length = writes[i].count;
    arm(failing);
    int code = lsm_volume_io_pwrite(io, given, writes[i].count, writes[i].offset, 0);
    disarm();
    return code;
}

START_TEST(both_at_once)
{
    if (!make(writes[_i].direct))
        return;
    MUST(write_again(_i, NOBODY) == OK);
    MUST(meeting.direct[SOURCE] == writes[_i].direct);
    MUST(meeting.direct[TARGET] == writes[_i].direct);
    MUST(state() == LSM_REPLICATION_STATE_IN_SYNC);
    finish();
}
END_TEST

START_TEST(source_fails_after_the_target)
{
    if (!make(writes[_i].direct))
        return;
    MUST(write_again(_i, SOURCE) == LSM_ERR_IO);
    MUST(state() == LSM_REPLICATION_STATE_IN_SYNC);
    finish();
}
END_TEST

START_TEST(target_fails_after_the_source)
{
    if (!make(writes[_i].direct))
        return;
    MUST(write_again(_i, TARGET) == OK);
    MUST(state() != LSM_REPLICATION_STATE_IN_SYNC);
    while (state() != LSM_REPLICATION_STATE_IN_SYNC) {
        char *job = NULL;
        lsm_replication_sync(world.conn, id, &job, 0);
        free(job);
        usleep(1000);
    }
    finish();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("sync_beside");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, both_at_once, 0, WRITES);
    tcase_add_loop_test(tcase, source_fails_after_the_target, 0, WRITES);
    tcase_add_loop_test(tcase, target_fails_after_the_source, 0, WRITES);
    return world_run("faults-sync-beside", tcase);
}
