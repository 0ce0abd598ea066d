/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a layer's files between a check's looking up the layer and its reading them: they
 * go, become shorter, are written to. None of it is damage. What the disk does not give back is,
 * and is named with its byte.
 *
 * A check opens files for reading alone, which nobody else does, so its calls are told from others.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/vfs.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB ((uint64_t)1024)
#define SIZE (512 * KIB)
#define BAD_BYTE (256 * KIB)

static struct vfs table;
static struct {
    const char *suffix;
    void (*opening)(const char *path); /* once, when the check comes to such a file */
    atomic_int damage;                 /* so many reads of one give other bytes, */
    bool unreadable;                   /* or none from BAD_BYTE on */
} meddle;

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = suffix ? strlen(suffix) : 0;
    return suffix && n > m && strcmp(path + n - m, suffix) == 0;
}

static bool is_meant(int fd, char path[300])
{
    char link[64];
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 299);
    path[n < 0 ? 0 : n] = '\0';
    return ends_with(path, meddle.suffix);
}

static void come_by(const char *path)
{
    void (*opening)(const char *) = meddle.opening;
    meddle.opening = NULL;
    opening(path);
}

static int meddling_open(const char *path, int flags, mode_t mode)
{
    if (meddle.opening && (flags & O_ACCMODE) == O_RDONLY && ends_with(path, ".map") &&
        ends_with(path, meddle.suffix))
        come_by(path);
    return vfs_system.open(path, flags, mode);
}

/* Data files are opened under the lock of their cache: here they are open, and looked at. */
static int meddling_fstat(int fd, struct stat *st)
{
    char path[300];
    if (meddle.opening && is_meant(fd, path) && ends_with(path, ".raw"))
        come_by(path);
    return vfs_system.fstat(fd, st);
}

static ssize_t meddling_pread(int fd, void *buf, size_t count, off_t offset)
{
    char path[300];
    if (meddle.unreadable && is_meant(fd, path) && offset + (off_t)count > (off_t)BAD_BYTE) {
        errno = EIO;
        return -1;
    }
    ssize_t n = vfs_system.pread(fd, buf, count, offset);
    if (n > 0 && is_meant(fd, path) && atomic_load(&meddle.damage) > 0) {
        atomic_fetch_sub(&meddle.damage, 1);
        ((unsigned char *)buf)[0] ^= 0x41;
    }
    return n;
}

static void write_to(lsm_volume *volume, const void *bytes, uint64_t count)
{
    lsm_volume_io *io = NULL;
    MUST(lsm_volume_io_open(world.conn, volume, &io, 0) == OK);
    MUST(lsm_volume_io_pwrite(io, bytes, count, 0, LSM_VOLUME_IO_FUA) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

/* «v», all of it written to. */
static void set_up(void)
{
    table = vfs_system;
    table.open = meddling_open;
    table.fstat = meddling_fstat;
    table.pread = meddling_pread;
    vfs = &table;
    memset(&meddle, 0, sizeof meddle);
    world_begin();
    world_make_directory();
    world_open();
    world_make_volume("v", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    unsigned char *bytes = malloc(SIZE);
    lsm_volume *v = world_volume("v", "default");
    memset(bytes, 7, SIZE);
    write_to(v, bytes, SIZE);
    lsm_volume_record_free(v);
    free(bytes);
}

/* A clone of it, and both written to since: so there are maps. */
static void make_layers(void)
{
    lsm_volume *v = world_volume("v", "default"), *clone = NULL;
    char *job = NULL;
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, v, "clone", &clone,
                              &job, 0) == OK);
    write_to(clone, "changed", 7); /* a layer that holds nothing would become a spare again */
    write_to(v, "changed", 7);
    lsm_volume_record_free(clone);
    lsm_volume_record_free(v);
}

static void tear_down(void)
{
    world_close();
    vfs = &vfs_system;
    world_remove_directory();
}

static lsm_job *checked(void)
{
    lsm_pool *pool = world_pool("default");
    char *id = NULL;
    MUST(lsm_pool_check(world.conn, pool, &id, 0) == LSM_ERR_JOB_STARTED);
    lsm_job *job = world_job_end(id);
    free(id);
    lsm_pool_record_free(pool);
    return job;
}

static void is_whole(void)
{
    lsm_job *job = checked();
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "%s",
                  lsm_job_error_message_get(job));
    lsm_job_record_free(job);
}

static void is_damaged(const char *word)
{
    lsm_job *job = checked();
    ck_assert_int_eq((int)lsm_job_error_number_get(job), LSM_ERR_DAMAGED);
    ck_assert_msg(strstr(lsm_job_error_message_get(job), word) != NULL, "no %s in: %s", word,
                  lsm_job_error_message_get(job));
    lsm_job_record_free(job);
}

static void delete_all(const char *path)
{
    static const char *const names[] = {"clone", "v"};
    for (int i = 0; i < 2; i++) {
        char *job = NULL;
        lsm_volume *volume = world_volume(names[i], "default");
        MUST(!volume || lsm_volume_delete(world.conn, volume, &job, 0) == OK);
        if (volume)
            lsm_volume_record_free(volume);
    }
    while (access(path, F_OK) == 0) /* the background removes it */
        usleep(1000);
}

START_TEST(files_that_go)
{
    static const char *const suffixes[] = {".raw", ".map"};
    make_layers();
    meddle.suffix = suffixes[_i];
    meddle.opening = delete_all;
    is_whole();
    ck_assert_ptr_null(meddle.opening); /* it came by */
}
END_TEST

static void shrink(const char *path)
{
    lsm_volume *v = world_volume("v", "default"), *smaller = NULL;
    char *job = NULL;
    (void)path;
    MUST(lsm_volume_resize(world.conn, v, SIZE / 4, &smaller, &job, 0) == OK);
    lsm_volume_record_free(smaller);
    lsm_volume_record_free(v);
}

START_TEST(file_that_becomes_shorter)
{
    meddle.suffix = ".raw";
    meddle.opening = shrink;
    is_whole();
    ck_assert_ptr_null(meddle.opening);
}
END_TEST

/* As a sector that is being written looks. */
START_TEST(map_that_is_written_to)
{
    make_layers();
    meddle.suffix = ".map";
    meddle.damage = 1;
    is_whole();
    ck_assert_int_eq(meddle.damage, 0);
    meddle.damage = 1000;
    is_damaged(".map cannot be believed");
}
END_TEST

START_TEST(data_that_cannot_be_read)
{
    char where[60];
    meddle.suffix = ".raw";
    meddle.unreadable = true;
    snprintf(where, sizeof where, "%s, byte %d (volume «v»)", strerror(EIO), (int)BAD_BYTE);
    is_damaged(where);
    meddle.unreadable = false;
    is_whole();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("check-beside");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, files_that_go, 0, 2);
    tcase_add_test(tcase, file_that_becomes_shorter);
    tcase_add_test(tcase, map_that_is_written_to);
    tcase_add_test(tcase, data_that_cannot_be_read);
    return world_run("check-beside", tcase);
}
