/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thin sqlite3_vfs over the vfs table: the catalog's bytes take the same road as the layers', so
 * that what fails or records the one fails or records the other.
 *
 * The catalog is opened in exclusive mode by an owner that holds the pool's lock file, so no lock
 * protocol between SQLite processes is needed. One lock over SQLite's lock bytes keeps a database
 * tool that does not know of the lock file from writing under our feet. It is a lock of the process
 * (nobody else here opens the file), so that a child of a fork does not keep it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include "vfs.h"

#define LOCK_BYTES 0x40000000 /* SQLite's PENDING_BYTE; the locks end 512 bytes later */

struct file {
    sqlite3_file base;
    int fd;
    int last_errno;
    const char *unnamed; /* its path, while its name may not be durable; SQLite's text */
};

static int failed(struct file *file, int error, int code)
{
    file->last_errno = error;
    if (error == ENOMEM)
        return SQLITE_NOMEM;
    return error == ENOSPC || error == EDQUOT ? SQLITE_FULL : code;
}

static int file_close(sqlite3_file *f)
{
    vfs_close(&((struct file *)f)->fd);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *buf, int count, sqlite3_int64 offset)
{
    struct file *file = (struct file *)f;
    size_t got;
    int error = vfs_read_some(file->fd, buf, (size_t)count, (uint64_t)offset, &got);
    if (error)
        return failed(file, error, SQLITE_IOERR_READ);
    if (got == (size_t)count)
        return SQLITE_OK;
    memset((char *)buf + got, 0, (size_t)count - got);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *buf, int count, sqlite3_int64 offset)
{
    struct file *file = (struct file *)f;
    int error = vfs_write(file->fd, buf, (size_t)count, (uint64_t)offset);
    return error ? failed(file, error, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct file *file = (struct file *)f;
    int error = vfs_truncate(file->fd, (uint64_t)size);
    return error ? failed(file, error, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

/* A WAL is a new file after each close, and commits in a file that has no name are lost. */
static int file_sync(sqlite3_file *f, int flags)
{
    struct file *file = (struct file *)f;
    (void)flags; /* fdatasync makes the size durable, too */
    int error = vfs_datasync(file->fd);
    if (!error && file->unnamed && (error = vfs_sync_parent(file->unnamed)) == 0)
        file->unnamed = NULL;
    return error ? failed(file, error, SQLITE_IOERR_FSYNC) : SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    struct file *file = (struct file *)f;
    uint64_t bytes;
    int error = vfs_size(file->fd, &bytes);
    if (error)
        return failed(file, error, SQLITE_IOERR_FSTAT);
    *size = (sqlite3_int64)bytes;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
    struct flock lock = {.l_type = level == SQLITE_LOCK_SHARED ? F_RDLCK : F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = LOCK_BYTES,
                         .l_len = 512};
    return fcntl(((struct file *)f)->fd, F_SETLK, &lock) == 0 ? SQLITE_OK : SQLITE_BUSY;
}

static int file_unlock(sqlite3_file *f, int level)
{
    struct flock lock = {.l_type = level == SQLITE_LOCK_SHARED ? F_RDLCK : F_UNLCK,
                         .l_whence = SEEK_SET,
                         .l_start = LOCK_BYTES,
                         .l_len = 512};
    return fcntl(((struct file *)f)->fd, F_SETLK, &lock) == 0 ? SQLITE_OK : SQLITE_IOERR_UNLOCK;
}

static int file_reserved(sqlite3_file *f, int *result)
{
    (void)f;
    *result = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *argument)
{
    (void)f;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *f)
{
    (void)f;
    return 4096;
}

static int device_characteristics(sqlite3_file *f)
{
    (void)f;
    return 0; /* nothing is assumed: pages may tear, writes may be reordered */
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1, /* no shared memory: the catalog is exclusive */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
};

static int open_path(sqlite3_vfs *self, const char *path, sqlite3_file *f, int flags,
                     int *out_flags)
{
    (void)self;
    struct file *file = (struct file *)f;
    memset(file, 0, sizeof *file);
    file->fd = -1;
    if (!path) /* a temporary file: temp_store keeps those in memory */
        return SQLITE_CANTOPEN;
    int mode = flags & SQLITE_OPEN_READWRITE ? O_RDWR : O_RDONLY;
    if (flags & SQLITE_OPEN_CREATE)
        mode |= O_CREAT;
    int error = vfs_open(path, mode | O_NOFOLLOW, &file->fd);
    if (error == EROFS || (error == EACCES && mode != O_RDONLY)) {
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
        error = vfs_open(path, O_RDONLY | O_NOFOLLOW, &file->fd);
    }
    if (error) {
        errno = error;
        return error == ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
    }
    file->base.pMethods = &file_methods;
    file->unnamed = mode & O_CREAT ? path : NULL;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int delete_path(sqlite3_vfs *self, const char *path, int sync_directory)
{
    (void)self;
    (void)sync_directory; /* a WAL that comes back is read again, and is empty */
    return vfs_unlink(path) ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int access_path(sqlite3_vfs *self, const char *path, int flags, int *result)
{
    (void)self;
    struct stat st;
    bool there = vfs->stat(path, &st) == 0;
    *result = there && (flags != SQLITE_ACCESS_EXISTS || st.st_size > 0);
    return SQLITE_OK;
}

static int full_path(sqlite3_vfs *self, const char *path, int size, char *out)
{
    (void)self; /* the catalog's path is absolute already */
    if (strlen(path) + 1 > (size_t)size)
        return SQLITE_CANTOPEN;
    memcpy(out, path, strlen(path) + 1);
    return SQLITE_OK;
}

static int last_error(sqlite3_vfs *self, int size, char *out)
{
    (void)self;
    (void)size;
    (void)out;
    return errno;
}

static int registered;

static void register_once(void)
{
    static sqlite3_vfs replicant;
    sqlite3_vfs *standard = sqlite3_vfs_find(NULL);
    if (!standard) {
        registered = SQLITE_ERROR;
        return;
    }
    replicant = *standard; /* randomness, sleep and the clock stay the standard ones */
    replicant.iVersion = 2;
    replicant.szOsFile = sizeof(struct file);
    replicant.pNext = NULL;
    replicant.zName = "replicant";
    replicant.xOpen = open_path;
    replicant.xDelete = delete_path;
    replicant.xAccess = access_path;
    replicant.xFullPathname = full_path;
    replicant.xGetLastError = last_error;
    registered = sqlite3_vfs_register(&replicant, 0);
}

int vfs_sqlite_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return registered;
}
