/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and writing an open volume, and a file with the same system calls at the same places.
 * Everything is in the page cache: this is what the library adds to a system call. It is taken in
 * time of the processor, which other programs disturb less. A round of each is a few tens of
 * milliseconds. Both sides are filled in pieces of one size: what the page cache
 * keeps together in one folio makes more of a difference than anything that is measured here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define LAYERS 8
#define ROUND_NS 40000000u
#define PIECE (64 * KIB)

struct pair {
    const struct bench *b;
    uint64_t size;
    int fd;
};

struct operation {
    const char *name;
    uint64_t count;
    bool write;
};

static const struct operation operations[] = {
    {"read-4k", 4 * KIB, false},
    {"read-64k", 64 * KIB, false},
    {"write-4k", 4 * KIB, true}, /* writes come after: they move clusters into the top */
    {"write-64k", 64 * KIB, true},
};

static void on_volume(lsm_volume_io *io, const struct operation *op, char *buf, uint64_t offset)
{
    int rc = op->write ? lsm_volume_io_pwrite(io, bench_block(), op->count, offset, 0)
                       : lsm_volume_io_pread(io, buf, op->count, offset, 0);
    if (rc != LSM_ERR_OK)
        bench_fail("I/O of a volume");
}

static void on_file(int fd, const struct operation *op, char *buf, uint64_t offset)
{
    ssize_t n = op->write ? pwrite(fd, bench_block(), op->count, (off_t)offset)
                          : pread(fd, buf, op->count, (off_t)offset);
    if (n != (ssize_t)op->count)
        bench_fail("I/O of a file");
}

static uint64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds an operation; io NULL: of the file. */
static double one_round(const struct pair *p, lsm_volume_io *io, const struct operation *op,
                        uint64_t first)
{
    static char buf[64 * KIB];
    uint64_t places = p->size / op->count, begun = cpu_now(), now, i = first;
    do {
        for (int k = 0; k < 32; k++, i++) {
            uint64_t offset = bench_scatter(i, places) * op->count;
            io ? on_volume(io, op, buf, offset) : on_file(p->fd, op, buf, offset);
        }
        now = cpu_now();
    } while (now - begun < ROUND_NS);
    return (double)(now - begun) / (double)(i - first);
}

static void compare(const struct pair *p, lsm_volume_io *io, const char *what)
{
    char label[64];
    for (size_t o = 0; o < sizeof operations / sizeof *operations; o++) {
        snprintf(label, sizeof label, "%s-%s", what, operations[o].name);
        one_round(p, io, &operations[o], 0);
        one_round(p, NULL, &operations[o], 0);
        for (unsigned round = 0; round < p->b->rounds; round++) {
            double ours = one_round(p, io, &operations[o], round * 1000);
            bench_print(label, ours, one_round(p, NULL, &operations[o], round * 1000));
        }
        bench_flush(io);
        bench_file_sync(p->fd);
    }
}

static void fill(const struct pair *p, lsm_volume_io *io)
{
    for (uint64_t at = 0; at < p->size; at += PIECE)
        io ? bench_write(io, PIECE, at) : bench_file_write(p->fd, PIECE, at);
    io ? bench_flush(io) : bench_file_sync(p->fd);
}

static void base_and_clone(const struct pair *p)
{
    lsm_volume *base = bench_volume(p->b, "base", p->size);
    lsm_volume_io *io = bench_open(p->b, base);
    fill(p, io);
    compare(p, io, "base");
    bench_close(io);
    lsm_volume *clone = bench_clone(p->b, base, "a clone");
    io = bench_open(p->b, clone);
    fill(p, io);
    compare(p, io, "second-touch");
    bench_close(io);
    bench_delete(p->b, clone);
    bench_delete(p->b, base);
}

/* What is cloned stays, so that no layer is folded away. Each eighth piece is in a layer of its
 * own: pieces of 64 KiB, as both sides are filled, or of a cluster, which the page cache cannot
 * keep together and which costs eight plain files about as much. */
static void layers(const struct pair *p, const char *what, uint64_t piece)
{
    lsm_volume *volume = bench_volume(p->b, "deep", p->size), *clones[LAYERS];
    lsm_volume_io *io = bench_open(p->b, volume);
    fill(p, io);
    for (uint64_t i = 1; i < LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "clone %d", (int)i);
        clones[i] = bench_clone(p->b, volume, name);
        for (uint64_t at = i * piece; at < p->size; at += LAYERS * piece)
            bench_write(io, piece, at);
        bench_flush(io);
    }
    compare(p, io, what);
    bench_close(io);
    for (int i = LAYERS - 1; i > 0; i--)
        bench_delete(p->b, clones[i]);
    bench_delete(p->b, volume);
}

/* The first write of 4 KiB to each cluster: of a fresh clone, and of a file that is one hole. */
static void first_touch(const struct pair *p)
{
    const uint64_t places = 16 * MIB / (4 * KIB);
    static const struct operation op = {"write", 4 * KIB, true};
    lsm_volume *base = bench_volume(p->b, "base", p->size);
    for (unsigned round = 0; round < p->b->rounds; round++) {
        lsm_volume *clone = bench_clone(p->b, base, "a clone");
        lsm_volume_io *io = bench_open(p->b, clone);
        bench_sleep_ms(20);
        uint64_t begun = cpu_now();
        for (uint64_t i = 0; i < places; i++)
            on_volume(io, &op, NULL, bench_scatter(i, places) * op.count);
        uint64_t ours = cpu_now() - begun;
        bench_close(io);
        bench_delete(p->b, clone);

        int fd = bench_file(p->b, "sparse", 0);
        begun = cpu_now();
        for (uint64_t i = 0; i < places; i++)
            on_file(fd, &op, NULL, bench_scatter(i, places) * op.count);
        uint64_t peer = cpu_now() - begun;
        bench_file_sync(fd);
        close(fd);
        bench_unlink(p->b, "sparse");
        bench_print("first-touch", (double)ours / (double)places, (double)peer / (double)places);
    }
    bench_delete(p->b, base);
}

void bench_io(const struct bench *b, char **arguments)
{
    struct pair p = {.b = b, .size = 1, .fd = bench_file(b, "peer", 0)};
    while (p.size * 2 <= strtoull(arguments[0], NULL, 10) * MIB)
        p.size *= 2;
    fill(&p, NULL);
    bool all = strcmp(arguments[1], "all") == 0;
    if (all || strcmp(arguments[1], "base") == 0)
        base_and_clone(&p);
    if (all || strcmp(arguments[1], "layers") == 0)
        layers(&p, "layers", PIECE);
    if (all || strcmp(arguments[1], "clusters") == 0)
        layers(&p, "clusters", 4 * KIB);
    if (all || strcmp(arguments[1], "first-touch") == 0)
        first_touch(&p);
    close(p.fd);
    bench_unlink(b, "peer");
}
