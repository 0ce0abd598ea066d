/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A layer's map: which clusters of 4 KiB the layer holds. One bit a cluster, in memory as a sparse
 * two-level bitmap (what is not touched costs a pointer for each 126 MiB), on disk as a header and
 * sectors of 512 bytes, each with a checksum of its own, so that a sector written half is told from
 * a sector that says something.
 *
 * Any number of threads may test and set; bits are set after the data that they speak of was
 * written (release) and seen before it is read (acquire). Growing and loading want the map for
 * themselves. Taking and storing a snapshot is for one thread at a time.
 */
#ifndef REPLICANT_ENGINE_MAP_H
#define REPLICANT_ENGINE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define CLUSTER_SHIFT 12
#define CLUSTER_SIZE (1u << CLUSTER_SHIFT)

/* What a write-intent log counts in. */
#define REGION_SHIFT 22
#define REGION_SIZE (1u << REGION_SHIFT)

struct map;

struct map *map_create(uint64_t clusters);        /* nothing held; NULL: no memory */
void map_name(struct map *map, const char *guid); /* whose it is, for its file's checksums */
struct map *map_copy(const struct map *map);      /* NULL: no memory */
void map_destroy(struct map *map);
int map_resize(struct map *map, uint64_t clusters); /* 0 or ENOMEM; bits past the end are cleared */

uint64_t map_held(const struct map *map);  /* clusters held */
uint64_t map_bound(const struct map *map); /* one past the highest cluster held; 0: none */
bool map_dirty(const struct map *map);

/* 64 clusters from `word` * 64 on, bit 0 the first. */
uint64_t map_word(const struct map *map, uint64_t word);

/* Makes room for the bits of [cluster, cluster + count), so that setting them cannot fail. */
int map_reserve(struct map *map, uint64_t cluster, uint64_t count);
void map_set(struct map *map, uint64_t cluster, uint64_t count);
void map_clear(struct map *map, uint64_t cluster, uint64_t count); /* within what was reserved */

/* Writing a map down, in the order that makes it true: take a snapshot of what changed, make the
 * data durable, store the snapshot, make the map durable. A snapshot that was not stored is given
 * back, and the changes count as unwritten again. */
struct map_snapshot;
int map_snapshot_take(struct map *map, struct map_snapshot **snapshot); /* NULL: nothing changed */
int map_snapshot_store(const struct map_snapshot *snapshot, int fd);
void map_snapshot_return(struct map *map, struct map_snapshot *snapshot);
void map_snapshot_free(struct map_snapshot *snapshot);

/* A new map file's first bytes. */
int map_file_init(int fd, const char *guid);

/* Makes the file as long as `map` needs and notes that length in it, so that a cut file is known.
 */
int map_file_extend(int fd, const struct map *map);

/* Reads the file of layer `guid` into an empty map; one made for 0 clusters takes all that the file
 * has, another forgets what lies past its end. 0, an errno, or -1 when it cannot be believed:
 * *damage then says why (static text) and *where at which byte of the file. */
int map_file_load(int fd, const char *guid, struct map *map, const char **damage, uint64_t *where);

#endif
