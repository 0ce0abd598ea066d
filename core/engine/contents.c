/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "vfs.h"
#include "../util/cleanup.h"
#include "../util/error.h"

bool contents_exists(const char *directory, const char *name, const char *file)
{
    struct stat st;
    autofree char *path = NULL;
    return asprintf(&path, "%s/%s%s%s", directory, name, file ? "/" : "", file ? file : "") >= 0 &&
           vfs->stat(path, &st) == 0;
}

/* A disk that does not answer is no reason to take a pool for something else. */
static int is_pool(const char *directory, const char *name, bool *is)
{
    struct stat st;
    autofree char *path = NULL;
    if (asprintf(&path, "%s/%s/pool.db", directory, name) < 0)
        return error_no_memory();
    *is = vfs->stat(path, &st) == 0;
    if (*is || errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP)
        return LSM_ERR_OK;
    return error_set_errno(LSM_ERR_IO, errno, path, "cannot tell whether there is a pool %s", path);
}

bool contents_is_own(const char *name)
{
    return strcmp(name, "lock") == 0 || strcmp(name, "system") == 0 ||
           strcmp(name, "system.new") == 0 || strcmp(name, "socket") == 0 ||
           strcmp(name, "lost+found") == 0;
}

static bool has_no_layers(const char *directory, const char *name)
{
    autofree char *path = NULL;
    DIR *entries = asprintf(&path, "%s/%s/layers", directory, name) < 0 ? NULL : opendir(path);
    bool empty = true;
    for (struct dirent *e; entries && empty && (e = readdir(entries)) != NULL;)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (entries)
        closedir(entries);
    return empty;
}

/* Whether a directory holds nothing but what the making of a pool begins with: no layers, and a
 * catalog that has not more than its first page. */
bool contents_is_unborn(const char *root, const char *name)
{
    static const char *const files[] = {".",       "..",          "lock",           "layers",
                                        "pool.db", "pool.db-wal", "pool.db-journal"};
    struct stat st;
    autofree char *path = NULL, *catalog = NULL;
    if (asprintf(&path, "%s/%s", root, name) < 0 || asprintf(&catalog, "%s/pool.db", path) < 0 ||
        (vfs->stat(catalog, &st) == 0 && st.st_size > 4096) || !has_no_layers(root, name))
        return false;
    DIR *directory = opendir(path);
    bool unborn = directory != NULL;
    for (struct dirent *e; unborn && (e = readdir(directory)) != NULL;) {
        bool known = false;
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
            known = known || strcmp(e->d_name, files[i]) == 0;
        unborn = known;
    }
    if (directory)
        closedir(directory);
    return unborn;
}

void contents_finish(struct contents *contents)
{
    for (uint32_t i = 0; i < contents->count; i++)
        free(contents->pools[i]);
    free(contents->pools);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_pool(struct contents *contents, const char *name)
{
    void *pools = realloc(contents->pools, (contents->count + 1) * sizeof *contents->pools);
    if (!pools)
        return error_no_memory();
    contents->pools = pools;
    contents->pools[contents->count] = strdup(name);
    if (!contents->pools[contents->count])
        return error_no_memory();
    contents->count++;
    return LSM_ERR_OK;
}

static int lost_catalog(const char *root, const char *name)
{
    error_set(LSM_ERR_DAMAGED, name,
              "the pool %s/%s has layers but no catalog: its pool.db is gone", root, name);
    error_hint("bring pool.db (and pool.db-wal) back; nothing was touched");
    return LSM_ERR_DAMAGED;
}

int contents_check_pool(const char *root, const char *name, bool *is)
{
    int code = is_pool(root, name, is);
    return code == LSM_ERR_OK && !*is && !has_no_layers(root, name) ? lost_catalog(root, name)
                                                                    : code;
}

int contents_look(const char *path, struct contents *contents)
{
    DIR *directory = opendir(path);
    if (!directory)
        return error_set_errno(errno == EACCES ? LSM_ERR_PERMISSION_DENIED : LSM_ERR_IO, errno,
                               path, "cannot read the directory %s", path);
    int code = LSM_ERR_OK;
    for (struct dirent *e; code == LSM_ERR_OK && (e = readdir(directory)) != NULL;) {
        const char *name = e->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || contents_is_own(name))
            continue;
        bool pool = false;
        if (name[0] != '.' && contents_check_pool(path, name, &pool) != LSM_ERR_OK)
            pool = true; /* who opens it is told */
        error_clear();
        if (pool)
            code = add_pool(contents, name);
        else if (strcmp(name, CONTENTS_DEFAULT) != 0 || !contents_is_unborn(path, name))
            contents->foreign = true;
    }
    closedir(directory);
    if (contents->count)
        qsort(contents->pools, contents->count, sizeof *contents->pools, by_name);
    return code;
}
