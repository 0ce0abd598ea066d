/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a synchronous mirror costs its source's writers, and what coming back costs it. Writes are
 * of 4 KiB, at places without a pattern, into blocks that are there; each of `depth` threads has
 * one under way. The two volumes are written in turns, and flushed before the next turn.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define DEEPEST 16
#define PIECE (64 * KIB)

struct writing {
    lsm_volume_io *io;
    uint64_t places; /* a power of two */
    lsm_flag flags;
    atomic_bool stop;
    atomic_uint_fast64_t next;
};

static void *keep_writing(void *argument)
{
    struct writing *w = argument;
    do {
        uint64_t at = bench_scatter(atomic_fetch_add(&w->next, 1), w->places) * 4 * KIB;
        if (lsm_volume_io_pwrite(w->io, bench_block(), 4 * KIB, at, w->flags) != LSM_ERR_OK)
            bench_fail("write to a volume");
    } while (!atomic_load_explicit(&w->stop, memory_order_relaxed));
    return NULL;
}

/* Nanoseconds a write. */
static double turn(struct writing *w, unsigned depth, unsigned ms)
{
    pthread_t threads[DEEPEST];
    uint64_t first = atomic_load(&w->next), begun = bench_now();
    atomic_store(&w->stop, false);
    for (unsigned i = 0; i < depth; i++)
        if (pthread_create(&threads[i], NULL, keep_writing, w) != 0)
            bench_fail("a thread");
    bench_sleep_ms(ms);
    atomic_store(&w->stop, true);
    for (unsigned i = 0; i < depth; i++)
        pthread_join(threads[i], NULL);
    double ns = (double)(bench_now() - begun) / (double)(atomic_load(&w->next) - first);
    bench_flush(w->io);
    return ns;
}

static void fill(lsm_volume_io *io)
{
    uint64_t size = lsm_volume_io_size_get(io);
    for (uint64_t at = 0; at < size; at += PIECE)
        bench_write(io, PIECE, at);
    bench_flush(io);
}

static lsm_volume *filled(const struct bench *b, const char *name, uint64_t size)
{
    lsm_volume *volume = bench_volume(b, name, size);
    lsm_volume_io *io = bench_open(b, volume);
    fill(io);
    bench_close(io);
    return volume;
}

static const struct {
    const char *label;
    unsigned depth;
    lsm_flag flags;
} ways[] = {
    {"depth-1", 1, 0},
    {"depth-16", 16, 0},
    {"durable-1", 1, LSM_VOLUME_IO_FUA},
    {"durable-16", 16, LSM_VOLUME_IO_FUA},
};

void bench_mirrored(const struct bench *b, char **arguments)
{
    uint64_t size = MIB;
    unsigned ms = (unsigned)atoi(arguments[1]);
    while (size * 2 <= strtoull(arguments[0], NULL, 10) * MIB)
        size *= 2;
    lsm_volume *plain = filled(b, "plain", size), *source = filled(b, "source", size);
    bench_replicate(b, LSM_VOLUME_REPLICATE_MIRROR_SYNC, source, "mirror");
    struct writing ours = {.io = bench_open(b, source), .places = size / (4 * KIB)};
    struct writing peer = {.io = bench_open(b, plain), .places = ours.places};
    fill(ours.io); /* the first copy has left the two sides new layers */
    fill(peer.io);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ours.flags = peer.flags = ways[i].flags;
        turn(&ours, ways[i].depth, ms);
        turn(&peer, ways[i].depth, ms);
        for (unsigned round = 0; round < b->rounds; round++) {
            double ns = turn(&ours, ways[i].depth, ms);
            bench_print(ways[i].label, ns, turn(&peer, ways[i].depth, ms));
        }
    }
    bench_close(ours.io);
    bench_close(peer.io);
    lsm_volume_record_free(source);
    lsm_volume_record_free(plain);
}

/* --- back in sync ---------------------------------------------------------------------------- */

struct pair {
    lsm_volume *source;
    char *replication;
    uint64_t size;
};

static void pair_make(const struct bench *b, struct pair *pair, const char *name, uint64_t mib)
{
    char target[32];
    snprintf(target, sizeof target, "%s-mirror", name);
    pair->size = mib * MIB;
    pair->source = filled(b, name, pair->size);
    bench_replicate(b, LSM_VOLUME_REPLICATE_MIRROR_SYNC, pair->source, target);
    pair->replication = bench_replication_of(b, pair->source);
}

static void pair_free(struct pair *pair)
{
    lsm_volume_record_free(pair->source);
    free(pair->replication);
}

/* From resume to IN_SYNC. The delta is in pieces of 64 KiB, as far apart as they can be. */
static double resync(const struct bench *b, struct pair *pair, uint64_t delta)
{
    uint64_t pieces = delta / (PIECE), apart = pair->size / pieces;
    bench_check(b->conn, lsm_replication_pause(b->conn, pair->replication, 0), "pause");
    lsm_volume_io *io = bench_open(b, pair->source);
    for (uint64_t i = 0; i < pieces; i++)
        bench_write(io, PIECE, i * apart);
    bench_flush(io);
    uint64_t begun = bench_now();
    bench_check(b->conn, lsm_replication_resume(b->conn, pair->replication, 0), "resume");
    bench_sync(b, pair->replication);
    double ns = (double)(bench_now() - begun);
    bench_close(io);
    return ns;
}

void bench_resync(const struct bench *b, char **arguments)
{
    struct pair large = {0}, small = {0};
    uint64_t delta = strtoull(arguments[2], NULL, 10) * MIB;
    pair_make(b, &large, "large", strtoull(arguments[0], NULL, 10));
    pair_make(b, &small, "small", strtoull(arguments[1], NULL, 10));
    bench_settle();
    for (unsigned round = 0; round < b->rounds; round++) {
        double ns = resync(b, &large, delta);
        bench_print("resync", ns, resync(b, &small, delta));
    }
    pair_free(&large);
    pair_free(&small);
}
