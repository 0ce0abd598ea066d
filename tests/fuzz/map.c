/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a layer's map, or as a write-intent log, which is one: refused with the place of the
 * damage, or loaded, and then stored and loaded again it says the same. Half of the inputs have
 * their checksums put right, so that what lies behind those is reached. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "fuzz.h"
#include "engine/map.h"
#include "engine/vfs.h"

#define GUID "0123456789abcdef0123456789abcdef"
#define PAGE 4096u
#define SECTOR 512u
#define CLUSTERS 100000u

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("map", MFD_CLOEXEC);
    MUST(fd >= 0);
    MUST(write(fd, data, size) == (ssize_t)size);
    return fd;
}

static void store(struct map *map, int fd)
{
    struct map_snapshot *snapshot;
    MUST(map_file_init(fd, GUID) == 0);
    MUST(map_file_extend(fd, map) == 0);
    for (uint64_t word = 0; word * 64 < map_bound(map); word++)
        if (map_word(map, word)) { /* a change that is none, so that all of it is stored */
            uint64_t first = word * 64 + (uint64_t)__builtin_ctzll(map_word(map, word));
            map_clear(map, first, 1);
            map_set(map, first, 1);
        }
    MUST(map_snapshot_take(map, &snapshot) == 0);
    if (snapshot)
        MUST(map_snapshot_store(snapshot, fd) == 0);
    map_snapshot_free(snapshot);
}

static void check_same(struct map *map, uint64_t clusters)
{
    const char *damage;
    uint64_t where;
    int fd = file_of(NULL, 0);
    struct map *twin = map_copy(map), *again = map_create(clusters);
    MUST(twin && again);
    map_name(twin, GUID);
    store(twin, fd);
    MUST(map_file_load(fd, GUID, again, &damage, &where) == 0);
    MUST(map_held(again) == map_held(map) && map_bound(again) == map_bound(map));
    for (uint64_t word = 0; word * 64 < map_bound(map); word++)
        MUST(map_word(again, word) == map_word(map, word));
    map_destroy(again);
    map_destroy(twin);
    close(fd);
}

static void check(const uint8_t *data, size_t size, uint64_t clusters)
{
    const char *damage = NULL;
    uint64_t where = 0;
    int fd = file_of(data, size);
    struct map *map = map_create(clusters);
    MUST(map);
    int error = map_file_load(fd, GUID, map, &damage, &where);
    MUST(error >= -1);
    if (error == -1)
        MUST(damage && where <= size);
    if (error == 0) {
        MUST(!clusters || map_bound(map) <= clusters);
        check_same(map, clusters);
    }
    map_destroy(map);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, 0); /* all that the file has */
    check(data, size, CLUSTERS);
    return 0;
}

static void put_right(uint8_t *data, size_t size)
{
    uint64_t seed = XXH64(GUID, strlen(GUID), 0), sum;
    if (size < PAGE)
        return;
    sum = htole64(XXH64(data, SECTOR - 8, 0));
    memcpy(data + SECTOR - 8, &sum, 8);
    for (size_t at = PAGE; at + SECTOR <= size; at += SECTOR) {
        sum = htole64(XXH64(data + at, SECTOR - 8, seed + (at - PAGE) / SECTOR));
        memcpy(data + at + SECTOR - 8, &sum, 8);
    }
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max)
{
    size = fuzz_mutate_bytes(data, size, max);
    if (fuzz_random(2) == 0)
        put_right(data, size);
    return size;
}

void fuzz_end(void)
{
}
