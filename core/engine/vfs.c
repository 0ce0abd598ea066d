/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls themselves, and the loops that finish them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfs.h"
#include "../util/cleanup.h"

static int open_file(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

const struct vfs vfs_system = {
    .open = open_file,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .fallocate = fallocate,
    .lseek = lseek,
    .fstat = fstat,
    .stat = stat,
    .statvfs = statvfs,
    .unlink = unlink,
    .mkdir = mkdir,
    .rmdir = rmdir,
    .symlink = symlink,
    .rename = rename,
};

const struct vfs *vfs = &vfs_system;

/* The expression again for as long as a signal interrupts it; its result as 0 or an errno. */
#define UNINTERRUPTED(CALL)                                                                        \
    __extension__({                                                                                \
        int result_;                                                                               \
        do                                                                                         \
            result_ = (CALL) < 0 ? errno : 0;                                                      \
        while (result_ == EINTR);                                                                  \
        result_;                                                                                   \
    })

int vfs_open(const char *path, int flags, int *fd)
{
    return UNINTERRUPTED(*fd = vfs->open(path, flags | O_CLOEXEC, 0600));
}

void vfs_close(int *fd)
{
    if (*fd >= 0)
        vfs->close(*fd);
    *fd = -1;
}

int vfs_read_some(int fd, void *buf, size_t count, uint64_t offset, size_t *got)
{
    *got = 0;
    while (*got < count) {
        ssize_t n = vfs->pread(fd, (char *)buf + *got, count - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int vfs_read(int fd, void *buf, size_t count, uint64_t offset)
{
    size_t got;
    int error = vfs_read_some(fd, buf, count, offset, &got);
    if (!error && got < count)
        memset((char *)buf + got, 0, count - got);
    return error;
}

int vfs_write(int fd, const void *buf, size_t count, uint64_t offset)
{
    size_t done = 0;
    while (done < count) {
        ssize_t n = vfs->pwrite(fd, (const char *)buf + done, count - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return EIO;
        done += (size_t)n;
    }
    return 0;
}

int vfs_datasync(int fd)
{
    return UNINTERRUPTED(vfs->fdatasync(fd));
}

int vfs_truncate(int fd, uint64_t size)
{
    return UNINTERRUPTED(vfs->ftruncate(fd, (off_t)size));
}

int vfs_allocate(int fd, int mode, uint64_t offset, uint64_t length)
{
    return UNINTERRUPTED(vfs->fallocate(fd, mode, (off_t)offset, (off_t)length));
}

int vfs_size(int fd, uint64_t *size)
{
    struct stat st;
    if (vfs->fstat(fd, &st) < 0)
        return errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

int vfs_sync_directory(const char *path)
{
    int fd;
    int error = vfs_open(path, O_RDONLY | O_DIRECTORY, &fd);
    if (error)
        return error;
    error = UNINTERRUPTED(vfs->fsync(fd));
    vfs_close(&fd);
    return error;
}

int vfs_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    autofree char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    return parent ? vfs_sync_directory(parent) : ENOMEM;
}

int vfs_unlink(const char *path)
{
    return vfs->unlink(path) < 0 && errno != ENOENT ? errno : 0;
}

static int seek(int fd, uint64_t offset, uint64_t end, int whence, uint64_t *found)
{
    off_t at = vfs->lseek(fd, (off_t)offset, whence);
    if (at < 0 && errno != ENXIO)
        return errno;
    *found = at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
    return 0;
}

int vfs_next_data(int fd, uint64_t offset, uint64_t end, uint64_t *data)
{
    int error = seek(fd, offset, end, SEEK_DATA, data);
    if (error != EINVAL && error != EOPNOTSUPP)
        return error;
    *data = offset; /* a file system that does not tell: all of it may be data */
    return 0;
}

int vfs_next_hole(int fd, uint64_t offset, uint64_t end, uint64_t *hole)
{
    off_t at = vfs->lseek(fd, (off_t)offset, SEEK_HOLE);
    if (at < 0 && errno == ENXIO) /* past the end of the file: a hole */
        *hole = offset;
    else if (at < 0 && errno != EINVAL && errno != EOPNOTSUPP)
        return errno;
    else
        *hole = at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
    return 0;
}

int vfs_lock(int fd, bool exclusive)
{
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? EAGAIN : errno;
}
