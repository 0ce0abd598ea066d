/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

bool disk_is_there;

static char mount_point[200], ballast[220];

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return written;
}

/* Root of its own little world, where that is allowed. */
static bool become_root(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof map, "0 %u 1\n", uid);
    write_text("/proc/self/setgroups", "deny");
    if (!write_text("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof map, "0 %u 1\n", gid);
    return write_text("/proc/self/gid_map", map);
}

static bool mount_disk(void)
{
    char options[64];
    if (unshare(CLONE_NEWNS) != 0 && !become_root())
        return false;
    snprintf(options, sizeof options, "size=%" PRIu64 ",mode=0700", DISK_SIZE);
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", mount_point, "tmpfs", MS_NODEV, options) == 0;
}

void disk_make(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(mount_point, sizeof mount_point, "%s/replicant-disk-XXXXXX",
             parent ? parent : P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(mount_point));
    disk_is_there = mount_disk();
    if (!disk_is_there) {
        printf("no disk can be mounted here (%s): nothing is tested\n", strerror(errno));
        fflush(stdout);
        return;
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
    setenv("REPLICANT_CONTRACT_DIR", mount_point, 1);
    world_make();
}

void disk_remove(void)
{
    if (disk_is_there) {
        world_remove();
        umount2(mount_point, MNT_DETACH);
    }
    rmdir(mount_point);
}

void disk_set_read_only(bool read_only)
{
    unsigned long flags = MS_REMOUNT | MS_NODEV | (read_only ? MS_RDONLY : 0);
    ck_assert_int_eq(mount("tmpfs", mount_point, "tmpfs", flags, NULL), 0);
}

void disk_fill_but(uint64_t bytes)
{
    static const char block[4096] = "ballast";
    int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);
    ck_assert_int_ge(fd, 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    ck_assert_int_eq(errno, ENOSPC);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(ftruncate(fd, st.st_size > (off_t)bytes ? st.st_size - (off_t)bytes : 0), 0);
    close(fd);
}

void disk_fill(void)
{
    disk_fill_but(0);
}

void disk_free(void)
{
    ck_assert_int_eq(unlink(ballast), 0);
}
