/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One lock around the decision, none around the call. What a descriptor is of is asked of /proc, so
 * that nothing has to be kept beside the engine's own descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"
#include "engine/vfs.h"

#define SHOWN 5     /* calls of one kind on one file that are counted, */
#define SHOWN_OF 50 /* and then one of so many */

const char *const fault_names[FAULTS] = {"EIO", "ENOSPC", "short count", "torn write", "death",
                                         "memory"};

static struct {
    pthread_mutex_t lock;
    atomic_bool armed;
    _Atomic enum fault fault;
    bool lasting, reached;
    const char *member, *suffix, *part; /* NULL: any */
    const char *always;                 /* NULL: none */
    long n, counted;
    char what[300];
    struct {
        char what[300];
        int times;
    } seen[40];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int exempted;

enum needs { NEEDS_NOTHING, NEEDS_BLOCKS, NEEDS_MEMORY };

static bool can_happen(const char *member, enum needs needs)
{
    bool reads = strcmp(member, "pread") == 0, writes = strcmp(member, "pwrite") == 0;
    switch (state.fault) {
    case FAULT_ENOSPC: return needs == NEEDS_BLOCKS;
    case FAULT_SHORT: return reads || writes;
    case FAULT_TORN: return writes;
    case FAULT_MEMORY: return needs == NEEDS_MEMORY;
    default: return needs != NEEDS_MEMORY;
    }
}

static bool is_wanted(const char *member, const char *path)
{
    size_t length = strlen(path), tail = state.suffix ? strlen(state.suffix) : 0;
    if (state.member && strcmp(member, state.member) != 0)
        return false;
    if (state.part && !strstr(path, state.part))
        return false;
    return !state.suffix || (length >= tail && strcmp(path + length - tail, state.suffix) == 0);
}

/* The same call on the same file, again and again: the WAL being grown. */
static bool is_repetition(const char *what)
{
    size_t i = 0, kinds = sizeof state.seen / sizeof *state.seen;
    while (i < kinds && state.seen[i].times && strcmp(state.seen[i].what, what) != 0)
        i++;
    if (i == kinds)
        return false;
    snprintf(state.seen[i].what, sizeof state.seen[i].what, "%s", what);
    int every = getenv("REPLICANT_TEST_LONG") ? SHOWN_OF / 10 : SHOWN_OF;
    return state.seen[i].times++ >= SHOWN && state.seen[i].times % every != 0;
}

static bool decide(const char *member, const char *path, enum needs needs)
{
    char what[300];
    if (!state.armed || exempted || !can_happen(member, needs))
        return false;
    if (state.always && strstr(path, state.always))
        return true;
    if (!is_wanted(member, path))
        return false;
    snprintf(what, sizeof what, "%s of %s", member, path);
    bool already = state.lasting && state.reached;
    if (!already && !state.member && is_repetition(what))
        return false;
    long at = ++state.counted;
    if (state.lasting ? at < state.n : at != state.n)
        return false;
    if (state.fault == FAULT_DEATH)
        _exit(FAILING_DEATH);
    if (!state.reached)
        memcpy(state.what, what, sizeof what);
    state.reached = true;
    return true;
}

static bool fails(const char *member, const char *path, enum needs needs)
{
    pthread_mutex_lock(&state.lock);
    bool now = decide(member, path, needs);
    pthread_mutex_unlock(&state.lock);
    if (now)
        errno = state.fault == FAULT_ENOSPC ? ENOSPC : EIO;
    return now;
}

static bool fails_fd(const char *member, int fd, enum needs needs)
{
    char link[64], path[256];
    if (!state.armed)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    return fails(member, path, needs);
}

bool failing_memory(const char *function, const void *from)
{
    char place[32];
    if (!state.armed || state.fault != FAULT_MEMORY)
        return false;
    snprintf(place, sizeof place, "%p", from);
    bool now = fails(function, place, NEEDS_MEMORY);
    errno = now ? ENOMEM : errno;
    return now;
}

/* --- the members ----------------------------------------------------------------------------- */

static int do_open(const char *path, int flags, mode_t mode)
{
    enum needs needs = flags & O_CREAT ? NEEDS_BLOCKS : NEEDS_NOTHING;
    return fails("open", path, needs) ? -1 : vfs_system.open(path, flags, mode);
}

static int do_close(int fd)
{
    bool now = fails_fd("close", fd, NEEDS_NOTHING);
    int result = vfs_system.close(fd); /* as Linux does: it is closed in any case */
    if (now)
        errno = EIO;
    return now ? -1 : result;
}

static ssize_t do_pread(int fd, void *buf, size_t count, off_t offset)
{
    if (!fails_fd("pread", fd, NEEDS_NOTHING))
        return vfs_system.pread(fd, buf, count, offset);
    if (state.fault != FAULT_SHORT)
        return -1;
    /* All is read (half of a direct read would have to be aligned), and half is spoilt again. */
    size_t half = count > 1 ? count / 2 : count;
    ssize_t got = vfs_system.pread(fd, buf, count, offset);
    memset((char *)buf + half, 0xdb, count - half);
    return got > (ssize_t)half ? (ssize_t)half : got;
}

static ssize_t do_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
    if (!fails_fd("pwrite", fd, NEEDS_BLOCKS))
        return vfs_system.pwrite(fd, buf, count, offset);
    if (state.fault == FAULT_SHORT)
        return vfs_system.pwrite(fd, buf, count > 1023 ? count / 1024 * 512 : (count + 1) / 2,
                                 offset);
    if (state.fault == FAULT_TORN && count >= 1024) {
        vfs_system.pwrite(fd, buf, count / 1024 * 512, offset);
        errno = EIO;
    }
    return -1;
}

static int do_fdatasync(int fd)
{
    return fails_fd("fdatasync", fd, NEEDS_BLOCKS) ? -1 : 0;
}

static int do_fsync(int fd)
{
    return fails_fd("fsync", fd, NEEDS_BLOCKS) ? -1 : 0;
}

static int do_ftruncate(int fd, off_t size)
{
    return fails_fd("ftruncate", fd, NEEDS_BLOCKS) ? -1 : vfs_system.ftruncate(fd, size);
}

static int do_fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fails_fd("fallocate", fd, NEEDS_BLOCKS) ? -1
                                                   : vfs_system.fallocate(fd, mode, offset, length);
}

static off_t do_lseek(int fd, off_t offset, int whence)
{
    return fails_fd("lseek", fd, NEEDS_NOTHING) ? -1 : vfs_system.lseek(fd, offset, whence);
}

static int do_fstat(int fd, struct stat *st)
{
    return fails_fd("fstat", fd, NEEDS_NOTHING) ? -1 : vfs_system.fstat(fd, st);
}

static int do_stat(const char *path, struct stat *st)
{
    return fails("stat", path, NEEDS_NOTHING) ? -1 : vfs_system.stat(path, st);
}

static int do_statvfs(const char *path, struct statvfs *st)
{
    return fails("statvfs", path, NEEDS_NOTHING) ? -1 : vfs_system.statvfs(path, st);
}

static int do_unlink(const char *path)
{
    return fails("unlink", path, NEEDS_NOTHING) ? -1 : vfs_system.unlink(path);
}

static int do_mkdir(const char *path, mode_t mode)
{
    return fails("mkdir", path, NEEDS_BLOCKS) ? -1 : vfs_system.mkdir(path, mode);
}

static int do_rmdir(const char *path)
{
    return fails("rmdir", path, NEEDS_NOTHING) ? -1 : vfs_system.rmdir(path);
}

static int do_symlink(const char *target, const char *path)
{
    return fails("symlink", path, NEEDS_BLOCKS) ? -1 : vfs_system.symlink(target, path);
}

static int do_rename(const char *from, const char *to)
{
    return fails("rename", to, NEEDS_BLOCKS) ? -1 : vfs_system.rename(from, to);
}

static const struct vfs failing = {
    .open = do_open,
    .close = do_close,
    .pread = do_pread,
    .pwrite = do_pwrite,
    .fdatasync = do_fdatasync,
    .fsync = do_fsync,
    .ftruncate = do_ftruncate,
    .fallocate = do_fallocate,
    .lseek = do_lseek,
    .fstat = do_fstat,
    .stat = do_stat,
    .statvfs = do_statvfs,
    .unlink = do_unlink,
    .mkdir = do_mkdir,
    .rmdir = do_rmdir,
    .symlink = do_symlink,
    .rename = do_rename,
};

void failing_install(void)
{
    failing_disarm();
    failing_sqlite();
    vfs = &failing;
}

void failing_uninstall(void)
{
    failing_disarm();
    vfs = &vfs_system;
}

void failing_arm(enum fault fault, long n, bool lasting)
{
    failing_arm_at(fault, NULL, NULL, n, lasting);
}

void failing_arm_at(enum fault fault, const char *member, const char *suffix, long n, bool lasting)
{
    pthread_mutex_lock(&state.lock);
    state.fault = fault;
    state.member = member;
    state.suffix = suffix;
    state.n = n;
    state.lasting = lasting;
    state.reached = false;
    state.counted = 0;
    state.what[0] = '\0';
    memset(state.seen, 0, sizeof state.seen);
    state.armed = true;
    pthread_mutex_unlock(&state.lock);
}

void failing_always(const char *part)
{
    state.always = part;
}

void failing_within(const char *part)
{
    pthread_mutex_lock(&state.lock);
    state.part = part;
    pthread_mutex_unlock(&state.lock);
}

void failing_disarm(void)
{
    pthread_mutex_lock(&state.lock);
    state.armed = false;
    pthread_mutex_unlock(&state.lock);
}

void failing_exempt(bool exempt)
{
    exempted += exempt ? 1 : -1;
}

bool failing_reached(void)
{
    pthread_mutex_lock(&state.lock);
    bool reached = state.reached;
    pthread_mutex_unlock(&state.lock);
    return reached;
}

const char *failing_what(void)
{
    return state.what;
}

long failing_counted(void)
{
    return state.counted;
}
