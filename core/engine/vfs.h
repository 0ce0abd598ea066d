/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every system call that touches storage, in one small table, so that a test can put a failing or a
 * recording table in its place; the catalog's SQLite goes through it as well (vfs_sqlite.c).
 *
 * The members behave as the system calls of their names: -1 and errno. The functions below them
 * finish what a call may leave half done (EINTR, short counts) and return 0 or an errno.
 */
#ifndef REPLICANT_ENGINE_VFS_H
#define REPLICANT_ENGINE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

struct vfs {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *buf, size_t count, off_t offset);
    ssize_t (*pwrite)(int fd, const void *buf, size_t count, off_t offset);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd); /* directories */
    int (*ftruncate)(int fd, off_t size);
    int (*fallocate)(int fd, int mode, off_t offset, off_t length);
    off_t (*lseek)(int fd, off_t offset, int whence); /* SEEK_DATA, SEEK_HOLE */
    int (*fstat)(int fd, struct stat *st);
    int (*stat)(const char *path, struct stat *st);
    int (*statvfs)(const char *path, struct statvfs *st);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*rmdir)(const char *path);
    int (*symlink)(const char *target, const char *path);
    int (*rename)(const char *from, const char *to);
};

extern const struct vfs vfs_system;

/* The table in force. Replaced by tests alone, while no root is open. */
extern const struct vfs *vfs;

/* Opens with O_CLOEXEC; *fd is -1 on failure. */
int vfs_open(const char *path, int flags, int *fd);
void vfs_close(int *fd); /* -1 is fine; leaves -1 */

/* Reads `count` bytes; what lies past the end of the file reads as zeros. */
int vfs_read(int fd, void *buf, size_t count, uint64_t offset);
/* Reads up to `count` bytes; *got is less only at the end of the file. */
int vfs_read_some(int fd, void *buf, size_t count, uint64_t offset, size_t *got);
int vfs_write(int fd, const void *buf, size_t count, uint64_t offset);
int vfs_datasync(int fd);
int vfs_truncate(int fd, uint64_t size);
int vfs_allocate(int fd, int mode, uint64_t offset, uint64_t length);
int vfs_size(int fd, uint64_t *size);
int vfs_sync_directory(const char *path);
int vfs_sync_parent(const char *path); /* the directory that the path's last part is in */
int vfs_unlink(const char *path);      /* ENOENT is success */

/* The next byte at or after `offset` that is data; `end` when there is none before it. */
int vfs_next_data(int fd, uint64_t offset, uint64_t end, uint64_t *data);
/* The next byte at or after `offset` that is a hole; `end` when there is none before it. */
int vfs_next_hole(int fd, uint64_t offset, uint64_t end, uint64_t *hole);

/* A whole-file lock that belongs to the open file (OFD): 0, EAGAIN when another holds it. */
int vfs_lock(int fd, bool exclusive);

/* Registers (once a process) the SQLite VFS «replicant», which does its I/O through `vfs`. */
int vfs_sqlite_register(void);

#endif
