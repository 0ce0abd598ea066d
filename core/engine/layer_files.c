/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two files of a layer: where they are, made, and removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "layer.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

char *layer_path(const struct layer_home *home, const char *guid, const char *suffix)
{
    char *path;
    return asprintf(&path, "%s/%s%s", home->directory, guid, suffix) < 0 ? NULL : path;
}

static int file_create(const struct layer_home *home, const char *guid, const char *suffix,
                       int (*fill)(int fd, const char *guid, uint64_t size), uint64_t size)
{
    autofree char *path = layer_path(home, guid, suffix);
    if (!path)
        return error_no_memory();
    int fd, error = vfs_open(path, O_RDWR | O_CREAT | O_EXCL, &fd);
    if (!error && (error = fill(fd, guid, size)) == 0)
        error = vfs_datasync(fd);
    vfs_close(&fd);
    if (!error)
        return LSM_ERR_OK;
    bool space = error == ENOSPC || error == EDQUOT || error == EFBIG;
    error_set_errno(space ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, path,
                    "cannot make the layer file %s of %llu bytes", path, (unsigned long long)size);
    if (error == EFBIG)
        error_hint("the file system's largest file is smaller; ask for less");
    return error_pending();
}

static int fill_data(int fd, const char *guid, uint64_t size)
{
    (void)guid;
    return size ? vfs_truncate(fd, size) : 0;
}

static int fill_map(int fd, const char *guid, uint64_t size)
{
    (void)size;
    return map_file_init(fd, guid);
}

int layer_files_create(const struct layer_home *home, const char *guid, bool base, uint64_t size)
{
    int code = file_create(home, guid, ".raw", fill_data, size);
    if (code == LSM_ERR_OK && !base)
        code = file_create(home, guid, ".map", fill_map, 0);
    if (code != LSM_ERR_OK) {
        struct _lsm_error *why = error_take();
        layer_files_remove(home, guid);
        error_restore(why);
    }
    return code;
}

int layer_files_sync(const struct layer_home *home)
{
    int error = vfs_sync_directory(home->directory);
    return error ? error_set_errno(error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error,
                                   home->directory, "cannot sync %s", home->directory)
                 : LSM_ERR_OK;
}

int layer_files_remove(const struct layer_home *home, const char *guid)
{
    int result = 0;
    for (int i = 0; i < 2; i++) {
        autofree char *path = layer_path(home, guid, i ? ".map" : ".raw");
        int error = path ? vfs_unlink(path) : ENOMEM;
        if (error)
            result = error;
    }
    return result;
}
