/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdatomic.h>

#include "counting.h"
#include "engine/chores.h"
#include "engine/vfs.h"

static _Thread_local enum who mine = WORKERS;
static atomic_ullong calls[WHOS];

void counting_as(enum who who)
{
    mine = who;
}

uint64_t counting_of(enum who who)
{
    return atomic_load(&calls[who]);
}

/* The linker puts this in place of chores_round(). */
bool __real_chores_round(void *root);
bool __wrap_chores_round(void *root);
bool __wrap_chores_round(void *root)
{
    mine = CHORES;
    return __real_chores_round(root);
}

static void count(void)
{
    atomic_fetch_add(&calls[mine], 1);
}

static int do_open(const char *path, int flags, mode_t mode)
{
    count();
    return vfs_system.open(path, flags, mode);
}

static int do_close(int fd)
{
    count();
    return vfs_system.close(fd);
}

static ssize_t do_pread(int fd, void *buf, size_t n, off_t offset)
{
    count();
    return vfs_system.pread(fd, buf, n, offset);
}

static ssize_t do_pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    count();
    return vfs_system.pwrite(fd, buf, n, offset);
}

static int do_sync(int fd)
{
    (void)fd;
    count();
    return 0;
}

static int do_ftruncate(int fd, off_t size)
{
    count();
    return vfs_system.ftruncate(fd, size);
}

static int do_fallocate(int fd, int mode, off_t offset, off_t length)
{
    count();
    return vfs_system.fallocate(fd, mode, offset, length);
}

static off_t do_lseek(int fd, off_t offset, int whence)
{
    count();
    return vfs_system.lseek(fd, offset, whence);
}

static int do_fstat(int fd, struct stat *st)
{
    count();
    return vfs_system.fstat(fd, st);
}

static int do_stat(const char *path, struct stat *st)
{
    count();
    return vfs_system.stat(path, st);
}

static int do_statvfs(const char *path, struct statvfs *st)
{
    count();
    return vfs_system.statvfs(path, st);
}

static int do_unlink(const char *path)
{
    count();
    return vfs_system.unlink(path);
}

void counting_install(void)
{
    static struct vfs table;
    table = vfs_system; /* what makes and removes pools does not count */
    table.open = do_open;
    table.close = do_close;
    table.pread = do_pread;
    table.pwrite = do_pwrite;
    table.fdatasync = do_sync;
    table.fsync = do_sync;
    table.ftruncate = do_ftruncate;
    table.fallocate = do_fallocate;
    table.lseek = do_lseek;
    table.fstat = do_fstat;
    table.stat = do_stat;
    table.statvfs = do_statvfs;
    table.unlink = do_unlink;
    vfs = &table;
}
