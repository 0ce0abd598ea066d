/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"
#include "engine/vfs.h"
#include "util/error.h"
#include "util/guid.h"

struct layer_home kit_home;

static char directory[200];
static _Thread_local uint64_t state = 1;
static struct vfs quick;

/* Nothing here is about power cuts, so nothing waits for the disk. */
static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

void kit_make(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/replicant-engine-XXXXXX", parent ? parent : P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    kit_home = (struct layer_home){.directory = directory, .cache = descriptors_create(256)};
    kit_seed(1);
    quick = vfs_system;
    quick.fdatasync = quick.fsync = no_sync;
    vfs = &quick;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat, (void)type, (void)place;
    return remove(path);
}

void kit_remove(void)
{
    descriptors_destroy(kit_home.cache);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void kit_narrow(unsigned bound)
{
    descriptors_destroy(kit_home.cache);
    kit_home.cache = descriptors_create(bound);
}

const char *kit_path(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

struct layer *kit_layer(struct layer *below, uint64_t below_limit, uint64_t size)
{
    char guid[GUID_SIZE];
    ck_assert_int_eq(guid_make(guid), OK);
    ck_assert_int_eq(layer_files_create(&kit_home, guid, !below, size), OK);
    struct layer *layer = layer_alloc(&kit_home, guid);
    ck_assert_ptr_nonnull(layer);
    layer->below = below;
    layer->below_limit = below_limit;
    if (below)
        below->frozen = true;
    return layer;
}

static int open_raw(const struct layer *layer)
{
    char *path = layer_path(&kit_home, layer->guid, ".raw");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    free(path);
    return fd;
}

void kit_write_raw(const struct layer *layer, const void *bytes, size_t count, uint64_t offset)
{
    int fd = open_raw(layer);
    ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)offset), (ssize_t)count);
    close(fd);
}

void kit_read_raw(const struct layer *layer, void *bytes, size_t count, uint64_t offset)
{
    int fd = open_raw(layer);
    ssize_t got = pread(fd, bytes, count, (off_t)offset);
    ck_assert_int_ge(got, 0);
    memset((char *)bytes + got, 0, count - (size_t)got);
    close(fd);
}

void kit_seed(uint64_t seed)
{
    state = seed;
}

uint32_t kit_random(uint32_t below)
{
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

void kit_fill(void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(1 + kit_random(255));
}

void kit_assert_error(int code, const char *word)
{
    ck_assert_int_eq((int)error_pending(), code);
    ck_assert_msg(strstr(error_pending_message(), word) != NULL, "no «%s» in: %s", word,
                  error_pending_message());
    error_clear();
}
