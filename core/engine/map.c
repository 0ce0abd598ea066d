/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In memory: chunks of 504 words, allocated at the first bit and put in place by compare-and-swap.
 * On disk: chunk c is the 4 KiB page at (c + 1) * 4 KiB, its 8 sectors each 63 words and an XXH64
 * of them, seeded with the sector's number and the layer's name, so that a sector that went astray
 * does not pass. A sector of zeros is one that was never written: it holds nothing.
 */
#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "map.h"
#include "vfs.h"

#define SECTOR 512
#define SECTOR_WORDS 63
#define CHUNK_SECTORS 8
#define CHUNK_WORDS (SECTOR_WORDS * CHUNK_SECTORS)
#define CHUNK_CLUSTERS (CHUNK_WORDS * 64ull)
#define PAGE 4096
#define FILE_MAGIC "replicant map 1\n"

struct chunk {
    _Atomic uint64_t words[CHUNK_WORDS];
    _Atomic uint8_t dirty; /* a bit a sector */
};

struct map {
    uint64_t clusters, chunk_count;
    _Atomic(struct chunk *) *chunks;
    _Atomic uint64_t held;
    _Atomic uint64_t dirty; /* chunks with a dirty sector, about: raised before, never missed */
    uint64_t seed;
};

struct sector {
    uint64_t words[SECTOR_WORDS];
    uint64_t checksum;
};
_Static_assert(sizeof(struct sector) == SECTOR, "a sector is what a disk writes at once");

struct header {
    char magic[16];
    char guid[32];
    uint64_t length; /* bytes that the file must have */
    uint8_t unused[SECTOR - 64];
    uint64_t checksum; /* of all before it */
};
_Static_assert(sizeof(struct header) == SECTOR, "the header is one sector");

struct stored {
    uint64_t number; /* of the sector */
    struct sector sector;
};

struct map_snapshot {
    size_t count, room;
    struct stored *sectors;
};

static uint64_t chunks_for(uint64_t clusters)
{
    return (clusters + CHUNK_CLUSTERS - 1) / CHUNK_CLUSTERS;
}

struct map *map_create(uint64_t clusters)
{
    struct map *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->clusters = clusters;
    map->chunk_count = chunks_for(clusters);
    map->chunks = calloc(map->chunk_count ? map->chunk_count : 1, sizeof *map->chunks);
    if (!map->chunks) {
        free(map);
        return NULL;
    }
    return map;
}

void map_name(struct map *map, const char *guid)
{
    map->seed = XXH64(guid, 32, 0);
}

struct map *map_copy(const struct map *map)
{
    struct map *copy = map_create(map->clusters);
    if (copy)
        copy->seed = map->seed;
    for (uint64_t c = 0; copy && c < map->chunk_count; c++) {
        const struct chunk *chunk = map->chunks[c];
        for (uint64_t w = 0; chunk && w < CHUNK_WORDS; w++) {
            uint64_t word = chunk->words[w], first = (c * CHUNK_WORDS + w) * 64;
            for (; word; word &= word - 1) {
                uint64_t cluster = first + (uint64_t)__builtin_ctzll(word);
                if (map_reserve(copy, cluster, 1) != 0) {
                    map_destroy(copy);
                    return NULL;
                }
                map_set(copy, cluster, 1);
            }
        }
    }
    return copy;
}

void map_destroy(struct map *map)
{
    if (!map)
        return;
    for (uint64_t i = 0; i < map->chunk_count; i++)
        free(map->chunks[i]);
    free(map->chunks);
    free(map);
}

/* The bits of one word that lie in [first, end), both counted in clusters. */
static uint64_t word_mask(uint64_t word, uint64_t first, uint64_t end)
{
    uint64_t low = word * 64, mask = UINT64_MAX;
    if (first > low)
        mask &= UINT64_MAX << (first - low);
    if (end < low + 64)
        mask &= UINT64_MAX >> (low + 64 - end);
    return mask;
}

static void mark(struct map *map, struct chunk *chunk, uint64_t word_in_chunk)
{
    uint8_t bit = (uint8_t)(1u << (word_in_chunk / SECTOR_WORDS));
    if (atomic_fetch_or(&chunk->dirty, bit) == 0)
        atomic_fetch_add(&map->dirty, 1);
}

static void clear(struct map *map, uint64_t first, uint64_t end)
{
    if (first >= end)
        return;
    for (uint64_t word = first / 64; word <= (end - 1) / 64; word++) {
        struct chunk *chunk = map->chunks[word / CHUNK_WORDS];
        if (!chunk)
            continue;
        uint64_t mask = word_mask(word, first, end);
        uint64_t old = atomic_fetch_and(&chunk->words[word % CHUNK_WORDS], ~mask);
        if (old & mask) {
            atomic_fetch_sub(&map->held, (uint64_t)__builtin_popcountll(old & mask));
            mark(map, chunk, word % CHUNK_WORDS);
        }
    }
}

static int grow(struct map *map, uint64_t count)
{
    if (count <= map->chunk_count)
        return 0;
    void *chunks = realloc(map->chunks, count * sizeof *map->chunks);
    if (!chunks)
        return ENOMEM;
    map->chunks = chunks;
    memset(map->chunks + map->chunk_count, 0, (count - map->chunk_count) * sizeof *map->chunks);
    map->chunk_count = count;
    return 0;
}

/* A chunk past the new end is kept (empty) rather than freed: its sectors on disk must be told. */
int map_resize(struct map *map, uint64_t clusters)
{
    if (grow(map, chunks_for(clusters)) != 0)
        return ENOMEM;
    if (clusters < map->clusters)
        clear(map, clusters, map->clusters);
    map->clusters = clusters;
    return 0;
}

uint64_t map_held(const struct map *map)
{
    return atomic_load(&map->held);
}

uint64_t map_bound(const struct map *map)
{
    for (uint64_t c = map->chunk_count; c-- > 0;) {
        const struct chunk *chunk = map->chunks[c];
        for (uint64_t w = CHUNK_WORDS; chunk && w-- > 0;) {
            uint64_t word = chunk->words[w];
            if (word)
                return (c * CHUNK_WORDS + w) * 64 + 64 - (uint64_t)__builtin_clzll(word);
        }
    }
    return 0;
}

bool map_dirty(const struct map *map)
{
    return atomic_load(&map->dirty) != 0;
}

uint64_t map_word(const struct map *map, uint64_t word)
{
    if (word / CHUNK_WORDS >= map->chunk_count)
        return 0;
    const struct chunk *chunk =
        atomic_load_explicit(&map->chunks[word / CHUNK_WORDS], memory_order_acquire);
    return chunk ? atomic_load_explicit(&chunk->words[word % CHUNK_WORDS], memory_order_acquire)
                 : 0;
}

static int chunk_reserve(struct map *map, uint64_t c)
{
    if (atomic_load_explicit(&map->chunks[c], memory_order_acquire))
        return 0;
    struct chunk *fresh = calloc(1, sizeof *fresh), *none = NULL;
    if (!fresh)
        return ENOMEM;
    if (!atomic_compare_exchange_strong(&map->chunks[c], &none, fresh))
        free(fresh); /* another thread was first */
    return 0;
}

int map_reserve(struct map *map, uint64_t cluster, uint64_t count)
{
    for (uint64_t c = cluster / CHUNK_CLUSTERS; c <= (cluster + count - 1) / CHUNK_CLUSTERS; c++) {
        int error = chunk_reserve(map, c);
        if (error)
            return error;
    }
    return 0;
}

void map_set(struct map *map, uint64_t cluster, uint64_t count)
{
    uint64_t end = cluster + count;
    for (uint64_t word = cluster / 64; word <= (end - 1) / 64; word++) {
        struct chunk *chunk = map->chunks[word / CHUNK_WORDS];
        uint64_t mask = word_mask(word, cluster, end);
        uint64_t old =
            atomic_fetch_or_explicit(&chunk->words[word % CHUNK_WORDS], mask, memory_order_acq_rel);
        if (mask & ~old) {
            atomic_fetch_add(&map->held, (uint64_t)__builtin_popcountll(mask & ~old));
            mark(map, chunk, word % CHUNK_WORDS);
        }
    }
}

void map_clear(struct map *map, uint64_t cluster, uint64_t count)
{
    clear(map, cluster, cluster + count);
}

static struct stored *snapshot_add(struct map_snapshot *s)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 4;
        void *sectors = realloc(s->sectors, room * sizeof *s->sectors);
        if (!sectors)
            return NULL;
        s->sectors = sectors;
        s->room = room;
    }
    return &s->sectors[s->count++];
}

static uint64_t sector_checksum(const struct sector *sector, uint64_t seed, uint64_t number)
{
    return XXH64(sector->words, sizeof sector->words, seed + number);
}

static int take_chunk(struct map *map, uint64_t c, struct map_snapshot *s)
{
    struct chunk *chunk = map->chunks[c];
    if (!chunk || !atomic_load(&chunk->dirty))
        return 0;
    uint8_t dirty = atomic_exchange(&chunk->dirty, 0);
    atomic_fetch_sub(&map->dirty, 1);
    for (unsigned i = 0; i < CHUNK_SECTORS; i++) {
        if (!(dirty & (1u << i)))
            continue;
        struct stored *stored = snapshot_add(s);
        if (!stored) {
            for (; i < CHUNK_SECTORS; i++)
                if (dirty & (1u << i))
                    mark(map, chunk, i * SECTOR_WORDS);
            return ENOMEM;
        }
        stored->number = c * CHUNK_SECTORS + i;
        for (unsigned w = 0; w < SECTOR_WORDS; w++)
            stored->sector.words[w] = htole64(
                atomic_load_explicit(&chunk->words[i * SECTOR_WORDS + w], memory_order_acquire));
        stored->sector.checksum =
            htole64(sector_checksum(&stored->sector, map->seed, stored->number));
    }
    return 0;
}

int map_snapshot_take(struct map *map, struct map_snapshot **snapshot)
{
    *snapshot = NULL;
    if (!map_dirty(map))
        return 0;
    struct map_snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return ENOMEM;
    for (uint64_t c = 0; c < map->chunk_count; c++) {
        int error = take_chunk(map, c, s);
        if (error) {
            map_snapshot_return(map, s);
            return error;
        }
    }
    *snapshot = s;
    return 0;
}

int map_snapshot_store(const struct map_snapshot *snapshot, int fd)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct stored *stored = &snapshot->sectors[i];
        int error = vfs_write(fd, &stored->sector, SECTOR, PAGE + stored->number * SECTOR);
        if (error)
            return error;
    }
    return 0;
}

void map_snapshot_return(struct map *map, struct map_snapshot *snapshot)
{
    for (size_t i = 0; snapshot && i < snapshot->count; i++) {
        uint64_t number = snapshot->sectors[i].number;
        mark(map, map->chunks[number / CHUNK_SECTORS], number % CHUNK_SECTORS * SECTOR_WORDS);
    }
    map_snapshot_free(snapshot);
}

void map_snapshot_free(struct map_snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->sectors);
    free(snapshot);
}

static int header_write(int fd, const char *guid, uint64_t length)
{
    struct header header = {.length = htole64(length)};
    memcpy(header.magic, FILE_MAGIC, sizeof header.magic);
    memcpy(header.guid, guid, sizeof header.guid);
    header.checksum = htole64(XXH64(&header, offsetof(struct header, checksum), 0));
    return vfs_write(fd, &header, sizeof header, 0);
}

int map_file_init(int fd, const char *guid)
{
    int error = header_write(fd, guid, PAGE);
    return error ? error : vfs_truncate(fd, PAGE);
}

/* The length is durable before the header says it: a header never asks for more than there is. */
int map_file_extend(int fd, const struct map *map)
{
    struct header header;
    uint64_t length = (map->chunk_count + 1) * PAGE;
    int error = vfs_read(fd, &header, sizeof header, 0);
    if (error || le64toh(header.length) >= length)
        return error;
    if ((error = vfs_truncate(fd, length)) != 0 || (error = vfs_datasync(fd)) != 0)
        return error;
    return header_write(fd, header.guid, length);
}

static int load_sector(struct map *map, const struct sector *sector, uint64_t number)
{
    static const struct sector unwritten;
    if (memcmp(sector, &unwritten, SECTOR) == 0)
        return 0;
    if (le64toh(sector->checksum) != sector_checksum(sector, map->seed, number))
        return -1;
    uint64_t c = number / CHUNK_SECTORS, held = 0;
    int error = chunk_reserve(map, c);
    if (error)
        return error;
    for (unsigned w = 0; w < SECTOR_WORDS; w++) {
        uint64_t word = le64toh(sector->words[w]);
        map->chunks[c]->words[number % CHUNK_SECTORS * SECTOR_WORDS + w] = word;
        held += (uint64_t)__builtin_popcountll(word);
    }
    atomic_fetch_add(&map->held, held);
    return 0;
}

static int load_sectors(int fd, struct map *map, uint64_t length, uint64_t *where)
{
    struct sector page[CHUNK_SECTORS];
    for (uint64_t at = PAGE; at < length; at += PAGE) {
        int error = vfs_next_data(fd, at, length, &at);
        if (error)
            return error;
        at -= at % PAGE;
        if (at >= length)
            break;
        if ((error = vfs_read(fd, page, sizeof page, at)) != 0)
            return error;
        for (unsigned i = 0; i < CHUNK_SECTORS; i++) {
            *where = at + i * SECTOR;
            error = load_sector(map, &page[i], (at / PAGE - 1) * CHUNK_SECTORS + i);
            if (error)
                return error;
        }
    }
    return 0;
}

int map_file_load(int fd, const char *guid, struct map *map, const char **damage, uint64_t *where)
{
    struct header header;
    uint64_t size;
    *where = 0;
    map_name(map, guid);
    int error = vfs_size(fd, &size);
    if (error || (error = vfs_read(fd, &header, sizeof header, 0)) != 0)
        return error;
    *damage = "its header is not one of a map of this layer";
    if (memcmp(header.magic, FILE_MAGIC, sizeof header.magic) != 0 ||
        memcmp(header.guid, guid, sizeof header.guid) != 0 ||
        le64toh(header.checksum) != XXH64(&header, offsetof(struct header, checksum), 0))
        return -1;
    *damage = "it is shorter than its header says";
    *where = size;
    if (size < le64toh(header.length))
        return -1;
    /* The file of a volume that was shrunk may still say more: read it, so that it can be unsaid.
     */
    if ((error = grow(map, size / PAGE)) != 0)
        return error;
    *damage = "a sector's checksum is wrong";
    if ((error = load_sectors(fd, map, size, where)) != 0)
        return error;
    if (map->clusters)
        clear(map, map->clusters, map->chunk_count * CHUNK_CLUSTERS);
    else
        map->clusters = map->chunk_count * CHUNK_CLUSTERS;
    return 0;
}
