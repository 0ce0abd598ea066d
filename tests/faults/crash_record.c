/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One lock around each call that changes something, so that the log has them in their order. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_record.h"
#include "engine/vfs.h"
#include "world.h"

#define DESCRIPTORS 4096

static struct {
    pthread_mutex_t lock;
    char root[256];
    struct crash_log log;
    struct crash_tree now; /* names alone */
    uint32_t of[DESCRIPTORS];
    bool data[DESCRIPTORS];
    void (*within)(void);
    pthread_t caller;
    atomic_uint times;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- trees ------------------------------------------------------------------------------------ */

uint32_t crash_name_get(const struct crash_node *directory, const char *name)
{
    for (uint32_t i = 0; i < directory->count; i++)
        if (strcmp(directory->entries[i].name, name) == 0)
            return directory->entries[i].node;
    return 0;
}

void crash_name_set(struct crash_node *directory, const char *name, uint32_t node)
{
    uint32_t i = 0;
    while (i < directory->count && strcmp(directory->entries[i].name, name) != 0)
        i++;
    if (i < directory->count && !node)
        directory->entries[i] = directory->entries[--directory->count];
    else if (i < directory->count)
        directory->entries[i].node = node;
    if (i < directory->count || !node)
        return;
    directory->entries =
        realloc(directory->entries, (directory->count + 1) * sizeof *directory->entries);
    MUST(directory->entries != NULL && strlen(name) < sizeof directory->entries->name);
    struct crash_entry *entry = &directory->entries[directory->count++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->node = node;
}

static uint32_t node_add(struct crash_tree *tree, bool directory)
{
    tree->nodes = realloc(tree->nodes, (tree->count + 1) * sizeof *tree->nodes);
    MUST(tree->nodes != NULL);
    tree->nodes[tree->count] = (struct crash_node){.directory = directory};
    return tree->count++;
}

void crash_tree_free(struct crash_tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i].lent)
            continue;
        free(tree->nodes[i].bytes);
        free(tree->nodes[i].entries);
    }
    free(tree->nodes);
    *tree = (struct crash_tree){0};
}

/* The same number in both: what is durable before, and the names as they are now. */
static uint32_t node_new(bool directory)
{
    uint32_t node = node_add(&state.now, directory);
    MUST(node_add(&state.log.before, directory) == node);
    return node;
}

static void load_file(uint32_t node, const char *path)
{
    struct crash_node *file = &state.log.before.nodes[node];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    file->size = (uint64_t)lseek(fd, 0, SEEK_END);
    file->bytes = calloc(1, file->size + 1);
    MUST(file->bytes && pread(fd, file->bytes, file->size, 0) == (ssize_t)file->size);
    close(fd);
}

static void load_directory(uint32_t node, const char *path)
{
    DIR *directory = opendir(path);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        char below[600];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        MUST(e->d_type == DT_DIR || e->d_type == DT_REG);
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        uint32_t child = node_new(e->d_type == DT_DIR);
        crash_name_set(&state.now.nodes[node], e->d_name, child);
        crash_name_set(&state.log.before.nodes[node], e->d_name, child);
        if (e->d_type == DT_DIR)
            load_directory(child, below);
        else
            load_file(child, below);
    }
    closedir(directory);
}

/* --- paths ------------------------------------------------------------------------------------ */

/* The directory that a path's last part is in; 0: it is not ours. */
static uint32_t parent_of(const char *path, const char **name)
{
    size_t n = strlen(state.root);
    uint32_t node = 1;
    if (strncmp(path, state.root, n) != 0 || path[n] != '/')
        return 0;
    for (path += n + 1;; path = strchr(path, '/') + 1) {
        char part[48];
        *name = path;
        if (!strchr(path, '/') || !node)
            return node;
        snprintf(part, sizeof part, "%.*s", (int)strcspn(path, "/"), path);
        node = crash_name_get(&state.now.nodes[node], part);
    }
}

static uint32_t node_of(const char *path)
{
    const char *name;
    if (strcmp(path, state.root) == 0)
        return 1;
    uint32_t parent = parent_of(path, &name);
    return parent ? crash_name_get(&state.now.nodes[parent], name) : 0;
}

static uint32_t node_of_fd(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? state.of[fd] : 0;
}

/* --- the log ---------------------------------------------------------------------------------- */

static struct crash_call *add(enum crash_kind kind, uint32_t node)
{
    struct crash_log *log = &state.log;
    if ((log->count & (log->count - 1)) == 0)
        log->calls = realloc(log->calls, (log->count ? 2 * log->count : 1) * sizeof *log->calls);
    MUST(log->calls != NULL);
    struct crash_call *call = &log->calls[log->count++];
    *call = (struct crash_call){.kind = kind, .node = node};
    return call;
}

static void add_name(const char *path, uint32_t child, const char *from)
{
    const char *name;
    uint32_t parent = parent_of(path, &name);
    if (!parent)
        return;
    struct crash_call *call = add(CRASH_NAME, parent);
    call->child = child;
    snprintf(call->name, sizeof call->name, "%s", name);
    snprintf(call->from, sizeof call->from, "%s", from ? from : "");
    if (from)
        crash_name_set(&state.now.nodes[parent], from, 0);
    crash_name_set(&state.now.nodes[parent], name, child);
}

static void add_size(uint32_t node, uint64_t size)
{
    if (node)
        add(CRASH_SIZE, node)->length = size;
}

/* Whole sectors, as they are in the file now. */
static void add_write(int fd, uint32_t node, uint64_t offset, uint64_t count)
{
    uint64_t start = offset / CRASH_SECTOR * CRASH_SECTOR;
    uint64_t end = (offset + count + CRASH_SECTOR - 1) / CRASH_SECTOR * CRASH_SECTOR;
    if (!node)
        return;
    struct crash_call *call = add(CRASH_WRITE, node);
    call->offset = start;
    call->bytes = malloc(end - start);
    MUST(call->bytes != NULL);
    ssize_t got = vfs_system.pread(fd, call->bytes, end - start, (off_t)start);
    MUST(got >= (ssize_t)(offset + count - start));
    call->length = (uint64_t)got;
}

/* --- the members ------------------------------------------------------------------------------ */

#define LOCKED_CALL(TYPE, CALL, ON_SUCCESS)                                                        \
    pthread_mutex_lock(&state.lock);                                                               \
    TYPE result = (CALL);                                                                          \
    int error = errno;                                                                             \
    if (result >= 0) {                                                                             \
        ON_SUCCESS;                                                                                \
    }                                                                                              \
    pthread_mutex_unlock(&state.lock);                                                             \
    errno = error;                                                                                 \
    return result

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);
    return length >= n && strcmp(path + length - n, end) == 0;
}

static void opened(int fd, const char *path, int flags)
{
    uint32_t node = node_of(path);
    const char *name;
    MUST(fd < DESCRIPTORS);
    if (!node && (flags & O_CREAT) && parent_of(path, &name)) {
        node = node_new(false);
        add_name(path, node, NULL);
    } else if (flags & O_TRUNC) {
        add_size(node, 0);
    }
    state.data[fd] = ends_with(path, ".raw");
    state.of[fd] = ends_with(path, "/lock") ? 0 : node; /* nobody reads it after a crash */
}

static int do_open(const char *path, int flags, mode_t mode)
{
    LOCKED_CALL(int, vfs_system.open(path, flags, mode), opened(result, path, flags));
}

static int do_close(int fd)
{
    pthread_mutex_lock(&state.lock);
    if (fd >= 0 && fd < DESCRIPTORS)
        state.of[fd] = 0;
    int result = vfs_system.close(fd);
    pthread_mutex_unlock(&state.lock);
    return result;
}

static ssize_t do_pwrite(int fd, const void *buf, size_t count, off_t offset)
{
    LOCKED_CALL(ssize_t, vfs_system.pwrite(fd, buf, count, offset),
                add_write(fd, node_of_fd(fd), (uint64_t)offset, (uint64_t)result));
}

static int do_sync(int fd)
{
    pthread_mutex_lock(&state.lock);
    if (node_of_fd(fd))
        add(CRASH_SYNC, node_of_fd(fd));
    pthread_mutex_unlock(&state.lock);
    if (state.times && state.data[fd] && pthread_equal(pthread_self(), state.caller)) {
        state.times--;
        state.within();
    }
    return 0;
}

static int do_ftruncate(int fd, off_t size)
{
    LOCKED_CALL(int, vfs_system.ftruncate(fd, size), add_size(node_of_fd(fd), (uint64_t)size));
}

/* Taking blocks changes nothing that can be read. */
static void allocated(int fd, int mode, off_t offset, off_t length)
{
    if (!node_of_fd(fd) || !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
        return;
    struct crash_call *call = add(CRASH_ZERO, node_of_fd(fd));
    call->offset = (uint64_t)offset;
    call->length = (uint64_t)length;
}

static int do_fallocate(int fd, int mode, off_t offset, off_t length)
{
    LOCKED_CALL(int, vfs_system.fallocate(fd, mode, offset, length),
                allocated(fd, mode, offset, length));
}

static int do_unlink(const char *path)
{
    LOCKED_CALL(int, vfs_system.unlink(path), add_name(path, 0, NULL));
}

static int do_mkdir(const char *path, mode_t mode)
{
    LOCKED_CALL(int, vfs_system.mkdir(path, mode), add_name(path, node_new(true), NULL));
}

static int do_rmdir(const char *path)
{
    LOCKED_CALL(int, vfs_system.rmdir(path), add_name(path, 0, NULL));
}

static int do_symlink(const char *target, const char *path)
{
    (void)target, (void)path;
    MUST(!"a symlink: no sequence makes one");
    return -1;
}

static int do_rename(const char *from, const char *to)
{
    const char *slash = strrchr(from, '/');
    uint32_t node = node_of(from);
    MUST(strncmp(from, to, (size_t)(slash - from + 1)) == 0 &&
         !strchr(to + (slash - from + 1), '/'));
    LOCKED_CALL(int, vfs_system.rename(from, to), add_name(to, node, slash + 1));
}

/* --- beginning and end ------------------------------------------------------------------------ */

void crash_record_begin(const char *directory)
{
    static struct vfs recording;
    MUST(realpath(directory, state.root) != NULL);
    state.log = (struct crash_log){0};
    memset(state.of, 0, sizeof state.of);
    node_new(false); /* number 0 is none */
    load_directory(node_new(true), state.root);
    recording = vfs_system;
    recording.open = do_open;
    recording.close = do_close;
    recording.pwrite = do_pwrite;
    recording.fdatasync = recording.fsync = do_sync;
    recording.ftruncate = do_ftruncate;
    recording.fallocate = do_fallocate;
    recording.unlink = do_unlink;
    recording.mkdir = do_mkdir;
    recording.rmdir = do_rmdir;
    recording.symlink = do_symlink;
    recording.rename = do_rename;
    vfs = &recording;
}

void crash_record_within_sync(void (*call)(void), unsigned times)
{
    state.within = call;
    state.caller = pthread_self();
    state.times = times;
}

unsigned crash_record_left(void)
{
    return state.times;
}

size_t crash_record_count(void)
{
    pthread_mutex_lock(&state.lock);
    size_t count = state.log.count;
    pthread_mutex_unlock(&state.lock);
    return count;
}

void crash_record_end(struct crash_log *log)
{
    vfs = &vfs_system;
    *log = state.log;
    state.log = (struct crash_log){0};
    crash_tree_free(&state.now);
}

void crash_log_free(struct crash_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        free(log->calls[i].bytes);
    free(log->calls);
    crash_tree_free(&log->before);
    *log = (struct crash_log){0};
}
