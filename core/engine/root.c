/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root's own files are `lock`, `system` and `socket`. Each directory in it, or symlink to one,
 * that holds a pool.db is a pool. An empty root gets the pool «default»; whatever else there is,
 * without a pool, is somebody else's and is left untouched, to the byte. A pool that cannot be
 * opened is kept in a list of its own, with the reason, and the others are used without it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "contents.h"
#include "root.h"
#include "chores.h"
#include "upkeep.h"
#include "vfs.h"
#include "volume.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

static struct {
    pthread_mutex_t lock;
    struct root *first;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- fork ------------------------------------------------------------------------------------ */

/* The child shares the parent's open files, so its copies would keep a dead owner's locks. */
static void close_locks_in_child(void)
{
    for (struct root *root = table.first; root; root = root->next) {
        close(root->lock_fd);
        for (uint32_t i = 0; i < root->pool_count; i++)
            close(root->pools[i]->lock_fd);
    }
    table.first = NULL;
    pthread_mutex_init(&table.lock, NULL);
}

static void lock_table(void)
{
    pthread_mutex_lock(&table.lock);
}

static void unlock_table(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void watch_forks(void)
{
    pthread_atfork(lock_table, unlock_table, close_locks_in_child);
}

/* --- files of a root ------------------------------------------------------------------------- */

static int busy(const char *path, int fd)
{
    char text[32] = "";
    size_t got;
    long pid = vfs_read_some(fd, text, sizeof text - 1, 0, &got) == 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        error_set(LSM_ERR_BUSY, path, "the root %s is owned by the process %ld", path, pid);
    else
        error_set(LSM_ERR_BUSY, path, "the root %s is owned by another process", path);
    error_hint("close the root there; a root has one owner at a time");
    error_retryable();
    return LSM_ERR_BUSY;
}

static int lock_root(struct root *root)
{
    autofree char *path = NULL;
    if (asprintf(&path, "%s/lock", root->path) < 0)
        return error_no_memory();
    int error = vfs_open(path, O_RDWR | O_CREAT, &root->lock_fd);
    root->read_only = error == EROFS;
    if (root->read_only)
        error = vfs_open(path, O_RDONLY, &root->lock_fd);
    if (!error)
        error = vfs_lock(root->lock_fd, !root->read_only);
    if (error == EAGAIN)
        return busy(root->path, root->lock_fd);
    if (root->read_only && error == ENOENT) {
        error_set(LSM_ERR_READ_ONLY, root->path,
                  "the directory %s lies on a read-only file system and is no root yet",
                  root->path);
        error_hint("mount the file system for writing");
        return LSM_ERR_READ_ONLY;
    }
    if (error)
        return error_set_errno(error == EACCES   ? LSM_ERR_PERMISSION_DENIED
                               : error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE
                                                 : LSM_ERR_IO,
                               error, root->path, "cannot lock the root %s", root->path);
    if (!root->read_only) { /* for those who find it locked */
        char text[32];
        int n = snprintf(text, sizeof text, "%-20ld\n", (long)getpid());
        vfs_write(root->lock_fd, text, (size_t)n, 0);
    }
    return LSM_ERR_OK;
}

static int write_system(const char *path, const char *id)
{
    autofree char *fresh = NULL;
    if (asprintf(&fresh, "%s.new", path) < 0)
        return ENOMEM;
    int fd, error = vfs_open(fresh, O_RDWR | O_CREAT | O_TRUNC, &fd);
    if (!error && (error = vfs_write(fd, id, ID_SIZE - 1, 0)) == 0)
        error = vfs_datasync(fd);
    vfs_close(&fd);
    if (!error && vfs->rename(fresh, path) < 0)
        error = errno;
    if (error)
        vfs_unlink(fresh);
    return error;
}

static int read_system(struct root *root)
{
    autofree char *path = NULL;
    if (asprintf(&path, "%s/system", root->path) < 0)
        return error_no_memory();
    int fd, error = vfs_open(path, O_RDONLY, &fd);
    size_t got = 0;
    if (!error) {
        error = vfs_read_some(fd, root->id, ID_SIZE - 1, 0, &got);
        vfs_close(&fd);
    } else if (error == ENOENT) {
        if (guid_make(root->id) != LSM_ERR_OK)
            return LSM_ERR_IO;
        error = root->read_only ? 0 : write_system(path, root->id);
        got = ID_SIZE - 1;
    }
    if (error)
        return error_set_errno(error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, path,
                               "cannot open %s", path);
    root->id[got] = '\0';
    return guid_is(root->id) ? LSM_ERR_OK
                             : error_set(LSM_ERR_DAMAGED, path, "%s does not hold an id", path);
}

/* --- opening --------------------------------------------------------------------------------- */

static void close_pool(struct pool *pool)
{
    volumes_free(pool);
    if (!pool->read_only)
        pool_files_remove(pool);
    pool_close(pool);
}

/* `id` as for pool_open. */
static int open_pool(struct root *root, const char *name, const struct pool_row *fresh,
                     char id[ID_SIZE], struct pool **pool)
{
    int code = pool_open(root, name, fresh, id, pool);
    if (code != LSM_ERR_OK)
        return code;
    code = volumes_load(*pool);
    if (code != LSM_ERR_OK)
        close_pool(*pool);
    return code;
}

static int append(struct root *root, struct pool *pool)
{
    void *pools = realloc(root->pools, (root->pool_count + 1) * sizeof *root->pools);
    if (!pools)
        return error_no_memory();
    root->pools = pools;
    root->pools[root->pool_count++] = pool;
    return LSM_ERR_OK;
}

static int fill_row(struct pool_row *row, uint64_t limit)
{
    *row = (struct pool_row){.limit_bytes = limit, .created_ms = clock_ms()};
    return guid_make(row->id);
}

static int make_pool(struct root *root, const char *name, uint64_t limit, struct pool **pool)
{
    struct pool_row row;
    char id[ID_SIZE];
    int code = fill_row(&row, limit);
    if (code == LSM_ERR_OK)
        code = open_pool(root, name, &row, id, pool);
    if (code != LSM_ERR_OK)
        return code;
    autofree char *path = strdup((*pool)->path);
    int error = path ? vfs_sync_directory(path) : ENOMEM;
    if (!error)
        error = vfs_sync_directory(root->path);
    if (error) {
        close_pool(*pool);
        return error_set_errno(error == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, error, path,
                               "cannot make the pool %s durable", name);
    }
    return LSM_ERR_OK;
}

static int make_default(struct root *root)
{
    autofree char *path = NULL;
    if (asprintf(&path, "%s/" CONTENTS_DEFAULT, root->path) < 0)
        return error_no_memory();
    if (vfs->mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set_errno(errno == ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO, errno, path,
                               "cannot make the pool %s", path);
    struct pool *pool;
    int code = make_pool(root, CONTENTS_DEFAULT, 0, &pool);
    if (code == LSM_ERR_OK && (code = append(root, pool)) != LSM_ERR_OK)
        close_pool(pool);
    return code;
}

static void leave_list(struct root *root, const struct pool *pool)
{
    uint32_t i = 0;
    while (root->pools[i] != pool)
        i++;
    memmove(root->pools + i, root->pools + i + 1, (root->pool_count - i - 1) * sizeof *root->pools);
    root->pool_count--;
}

static int copy_of(const struct root *root, const char *name, const char *other, const char *id)
{
    error_set(LSM_ERR_DAMAGED, name, "the pool %s/%s is a copy of %s/%s: both have the id %s",
              root->path, name, root->path, other, id);
    error_hint("take one of the two out of the root");
    return LSM_ERR_DAMAGED;
}

/* Which of two with one id is the pool nobody can tell, so neither is used. */
static int check_twin(struct root *root, const char *name, const char *id)
{
    struct pool *twin = pool_by_id(root, id);
    const struct shut_pool *shut = pool_shut_by_id(root, id);
    if (shut)
        return copy_of(root, name, shut->name, id);
    if (!twin)
        return LSM_ERR_OK;
    autofree char *other = strdup(twin->name);
    if (!other)
        return error_no_memory();
    leave_list(root, twin);
    close_pool(twin);
    copy_of(root, other, name, id);
    int code = pool_shut_add(root, other, id);
    return code == LSM_ERR_OK ? copy_of(root, name, other, id) : code;
}

static int open_one(struct root *root, const char *name, char id[ID_SIZE])
{
    struct pool *pool;
    struct pool_row row;
    bool unborn = contents_is_unborn(root->path, name); /* its making was cut short */
    int code = unborn ? fill_row(&row, 0) : LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = open_pool(root, name, unborn ? &row : NULL, id, &pool);
    if (code != LSM_ERR_OK)
        return code;
    code = check_twin(root, name, id);
    if (code == LSM_ERR_OK)
        code = append(root, pool);
    if (code != LSM_ERR_OK)
        close_pool(pool);
    return code;
}

/* What is over in a moment is no reason to go on without a pool. */
static bool will_pass(int code)
{
    return code == LSM_ERR_NO_MEMORY || code == LSM_ERR_BUSY || code == LSM_ERR_NOT_ENOUGH_SPACE;
}

/* One pool reached twice (two links to one directory) is opened once. */
static int open_listed(struct root *root, const char *name)
{
    struct stat st;
    char id[ID_SIZE] = "";
    bool is_pool = true;
    autofree char *path = NULL;
    if (asprintf(&path, "%s/%s", root->path, name) < 0)
        return error_no_memory();
    for (uint32_t i = 0; vfs->stat(path, &st) == 0 && i < root->pool_count; i++)
        if (root->pools[i]->dev == st.st_dev && root->pools[i]->ino == st.st_ino)
            return LSM_ERR_OK;
    int code = contents_check_pool(root->path, name, &is_pool);
    if (code == LSM_ERR_OK && is_pool)
        code = open_one(root, name, id);
    return code == LSM_ERR_OK || will_pass(code) ? code
                                                 : pool_shut_add(root, name, id[0] ? id : NULL);
}

/* A root of which no pool can be opened is of no use; one that has others goes on with these. */
static int open_pools(struct root *root, const struct contents *contents)
{
    int code = contents->count == 0 ? make_default(root) : LSM_ERR_OK;
    for (uint32_t i = 0; i < contents->count && code == LSM_ERR_OK; i++)
        code = open_listed(root, contents->pools[i]);
    if (code == LSM_ERR_OK && root->pool_count == 0 && root->shut)
        code = error_repeat(root->shut->why);
    for (uint32_t i = 0; i < root->pool_count && code == LSM_ERR_OK; i++)
        pool_sweep(root->pools[i]);
    return code;
}

static unsigned descriptor_bound(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return 256;
    return limit.rlim_cur / 4 > 65536 ? 65536 : (unsigned)(limit.rlim_cur / 4);
}

static int start_services(struct root *root)
{
    root->cache = descriptors_create(descriptor_bound());
    root->hub = event_hub_create();
    root->runner = root->hub ? job_runner_create(root->hub) : NULL;
    root->upkeep = upkeep_create(chores_round, root);
    return root->cache && root->runner && root->upkeep ? LSM_ERR_OK : error_no_memory();
}

/* Not before the picture is whole: a sweep may have woken it, and which layers must stay layers is
 * known only when the mirrors are. */
static void let_background_in(struct root *root)
{
    pthread_mutex_lock(&root->lock);
    root->open = true;
    pthread_mutex_unlock(&root->lock);
    upkeep_wake(root->upkeep);
}

/* Nothing is written before it is sure that the directory is ours. */
static int set_up(struct root *root)
{
    struct contents contents = {0};
    int code = contents_look(root->path, &contents);
    if (code == LSM_ERR_OK && contents.count == 0 && contents.foreign) {
        code = error_set(LSM_ERR_INVALID_ARGUMENT, root->path,
                         "the directory %s holds other things and no pool", root->path);
        error_hint("name an empty directory, or one that replicant made");
    }
    if (code == LSM_ERR_OK)
        code = lock_root(root);
    if (code == LSM_ERR_OK)
        code = read_system(root);
    if (code == LSM_ERR_OK)
        code = start_services(root);
    if (code == LSM_ERR_OK)
        code = open_pools(root, &contents);
    if (code == LSM_ERR_OK)
        code = root->guests->loaded(root);
    if (code == LSM_ERR_OK)
        let_background_in(root);
    contents_finish(&contents);
    return code;
}

static void destroy(struct root *root)
{
    atomic_store(&root->closing, true);
    upkeep_destroy(root->intervals);
    if (root->runner)
        job_runner_stop(root->runner);
    upkeep_destroy(root->upkeep);
    root->upkeep = NULL;
    job_runner_destroy(root->runner);
    root->guests->leaving(root);
    for (uint32_t i = 0; i < root->pool_count; i++)
        close_pool(root->pools[i]);
    free(root->pools);
    pools_shut_free(root);
    event_hub_destroy(root->hub);
    descriptors_destroy(root->cache);
    vfs_close(&root->lock_fd);
    pthread_cond_destroy(&root->quiet);
    pthread_mutex_destroy(&root->lock);
    free(root->path);
    free(root);
}

static int open_new(const char *path, const struct stat *st, bool direct,
                    const struct root_guests *guests, struct root **root)
{
    struct root *r = calloc(1, sizeof *r);
    if (!r)
        return error_no_memory();
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->quiet, NULL);
    r->lock_fd = -1;
    r->dev = st->st_dev;
    r->ino = st->st_ino;
    r->direct = direct;
    r->guests = guests;
    r->path = strdup(path);
    int code = r->path ? set_up(r) : error_no_memory();
    if (code != LSM_ERR_OK) {
        struct _lsm_error *why = error_take();
        destroy(r);
        error_restore(why);
        return code;
    }
    *root = r;
    return LSM_ERR_OK;
}

static int find_directory(const char *path, char real[PATH_MAX], struct stat *st)
{
    if (!realpath(path, real) || vfs->stat(real, st) < 0) {
        int error = errno;
        if (error != ENOENT && error != ENOTDIR)
            return error_set_errno(error == EACCES ? LSM_ERR_PERMISSION_DENIED : LSM_ERR_IO, error,
                                   path, "cannot open the root %s", path);
        error_set_errno(LSM_ERR_NOT_FOUND_SYSTEM, error, path, "there is no directory %s", path);
        error_hint("make the directory first; an empty one becomes a root");
        return LSM_ERR_NOT_FOUND_SYSTEM;
    }
    return S_ISDIR(st->st_mode)
               ? LSM_ERR_OK
               : error_set(LSM_ERR_INVALID_ARGUMENT, path, "%s is not a directory", path);
}

int root_open(const char *path, bool direct, const struct root_guests *guests, struct root **root)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    char real[PATH_MAX];
    struct stat st;
    int code = find_directory(path, real, &st);
    if (code != LSM_ERR_OK)
        return code;
    LOCKED(&table.lock);
    for (struct root *r = table.first; r; r = r->next) {
        if (r->dev != st.st_dev || r->ino != st.st_ino)
            continue;
        if (r->direct != direct) {
            error_set(LSM_ERR_BUSY, path, "the root %s is open with another cache option", path);
            error_hint("give every connection of one process the same options");
            return LSM_ERR_BUSY;
        }
        r->references++;
        *root = r;
        return LSM_ERR_OK;
    }
    struct root *fresh = NULL;
    code = open_new(real, &st, direct, guests, &fresh);
    if (code != LSM_ERR_OK)
        return code;
    fresh->references = 1;
    fresh->next = table.first;
    table.first = fresh;
    *root = fresh;
    return LSM_ERR_OK;
}

void root_reference(struct root *root)
{
    LOCKED(&table.lock);
    root->references++;
}

/* The table stays locked until all is closed: who opens the directory again meanwhile waits. */
void root_release(struct root *root)
{
    LOCKED(&table.lock);
    if (--root->references > 0)
        return;
    struct root **link = &table.first;
    while (*link != root)
        link = &(*link)->next;
    *link = root->next;
    destroy(root);
}

/* --- pools ----------------------------------------------------------------------------------- */

/* A pool elsewhere is made there first and linked last, so that a crash leaves no broken link. */
static int place_pool(struct root *root, const char *path, const char *directory, bool begun,
                      bool *made)
{
    const char *where = directory ? directory : path;
    *made = vfs->mkdir(where, 0700) == 0;
    if (!*made && (errno != EEXIST || (!directory && !begun)))
        return error_set_errno(errno == ENOSPC   ? LSM_ERR_NOT_ENOUGH_SPACE
                               : errno == EEXIST ? LSM_ERR_NAME_CONFLICT
                               : errno == EROFS  ? LSM_ERR_READ_ONLY
                               : errno == EACCES ? LSM_ERR_PERMISSION_DENIED
                               : errno == ENOENT ? LSM_ERR_INVALID_ARGUMENT
                                                 : LSM_ERR_IO,
                               errno, where, "cannot make the directory %s", where);
    if (!directory)
        return LSM_ERR_OK;
    struct stat st;
    if (!*made && vfs->stat(directory, &st) == 0 && !S_ISDIR(st.st_mode))
        return error_set(LSM_ERR_INVALID_ARGUMENT, directory, "%s is not a directory", directory);
    struct contents contents = {0};
    int code = contents_look(directory, &contents);
    if (code == LSM_ERR_OK &&
        (contents.count || contents.foreign || contents_exists(directory, "lock", NULL) ||
         contents_exists(directory, "layers", NULL)))
        code = error_set(LSM_ERR_INVALID_ARGUMENT, directory, "the directory %s is not empty",
                         directory);
    contents_finish(&contents);
    if (code == LSM_ERR_OK && vfs->symlink(directory, path) < 0)
        code = error_set_errno(errno == EEXIST ? LSM_ERR_NAME_CONFLICT : LSM_ERR_IO, errno, path,
                               "cannot link the pool into the root %s", root->path);
    return code;
}

static void remove_files(const char *path, const char *directory)
{
    static const char *const files[] = {"pool.db", "pool.db-wal", "pool.db-journal", "lock"};
    const char *where = directory ? directory : path;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        autofree char *file = NULL;
        if (asprintf(&file, "%s/%s", where, files[i]) >= 0)
            vfs_unlink(file);
    }
    autofree char *layers = NULL;
    if (asprintf(&layers, "%s/layers", where) >= 0)
        vfs->rmdir(layers);
}

int root_pool_create(struct root *root, const char *name, const char *directory, uint64_t limit,
                     struct pool **pool)
{
    if (root->read_only)
        return error_set(LSM_ERR_READ_ONLY, root->path,
                         "the root %s lies on a read-only file"
                         " system",
                         root->path);
    bool begun =
        !directory && contents_is_unborn(root->path, name); /* and cut off: it is gone on with */
    if (pool_by_name(root, name) || contents_is_own(name) ||
        (contents_exists(root->path, name, NULL) && !begun))
        return error_set(LSM_ERR_NAME_CONFLICT, name, "the name «%s» is taken in the root %s", name,
                         root->path);
    autofree char *path = NULL;
    if (asprintf(&path, "%s/%s", root->path, name) < 0)
        return error_no_memory();
    bool made = false;
    int code = place_pool(root, path, directory, begun, &made);
    bool placed = code == LSM_ERR_OK;
    if (code == LSM_ERR_OK)
        code = make_pool(root, name, limit, pool);
    if (code == LSM_ERR_OK && (code = append(root, *pool)) != LSM_ERR_OK)
        close_pool(*pool);
    if (code == LSM_ERR_OK)
        return code;
    struct _lsm_error *why = error_take();
    if (placed)
        remove_files(path, directory);
    if (placed && directory)
        vfs_unlink(path);
    if (made)
        vfs->rmdir(directory ? directory : path);
    error_restore(why);
    return code;
}

static void take_out(struct root *root, struct pool *pool)
{
    leave_list(root, pool);
    chores_forget(root, pool);
}

/* A directory outside the root is emptied of what is ours and left to whoever made it. */
int root_pool_delete(struct root *root, struct pool *pool)
{
    take_out(root, pool);
    while (pool->spare_count > 0)
        layer_files_remove(&pool->home, pool->spares[--pool->spare_count]->guid);
    autofree char *path = strdup(pool->path);
    char target[PATH_MAX];
    ssize_t linked = path ? readlink(path, target, sizeof target) : -1;
    job_runner_drop_lane(root->runner, &pool->lane);
    close_pool(pool);
    if (!path)
        return error_no_memory();
    remove_files(path, NULL);
    if ((linked >= 0 ? vfs->unlink(path) : vfs->rmdir(path)) < 0)
        return error_set_errno(LSM_ERR_IO, errno, path, "cannot remove the pool %s", path);
    return LSM_ERR_OK;
}
