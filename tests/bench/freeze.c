/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cloning a volume with dirty data, while somebody writes to it about every tenth of a millisecond:
 * for how long does the unluckiest write wait? Beside it, one fdatasync of as much dirty data; and,
 * under a label of its own, the same wait when the volume is flushed and not cloned, which is what
 * the file system makes a writer wait for.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define HOT (1 * MIB) /* where the writer writes, past the dirty data */

struct writer {
    lsm_volume_io *io;
    uint64_t place, longest;
    atomic_bool stop;
};

static void *keep_writing(void *argument)
{
    struct writer *w = argument;
    for (uint64_t i = 0; !atomic_load(&w->stop); i++) {
        uint64_t begun = bench_now();
        bench_write(w->io, 4 * KIB, w->place + bench_scatter(i, HOT / (4 * KIB)) * 4 * KIB);
        uint64_t ns = bench_now() - begun;
        if (ns > w->longest)
            w->longest = ns;
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
    return NULL;
}

static void dirty(lsm_volume_io *io, int fd, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += MIB)
        io ? bench_write(io, MIB, at) : bench_file_write(fd, MIB, at);
}

/* The longest wait of a write while the volume is cloned, or (source NULL) flushed. */
static uint64_t longest_wait(const struct bench *b, lsm_volume *source, lsm_volume_io *io,
                             uint64_t place)
{
    struct writer writer = {.io = io, .place = place};
    pthread_t thread;
    if (pthread_create(&thread, NULL, keep_writing, &writer) != 0)
        bench_fail("a thread");
    lsm_volume *clone = NULL;
    if (source)
        clone = bench_clone(b, source, "a clone");
    else
        bench_flush(io);
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    if (clone)
        bench_delete(b, clone);
    return writer.longest;
}

void bench_freeze(const struct bench *b, char **arguments)
{
    uint64_t bytes = strtoull(arguments[0], NULL, 10) * MIB;
    int fd = bench_file(b, "peer", 0);
    dirty(NULL, fd, bytes);
    bench_file_sync(fd);
    for (unsigned round = 0; round < b->rounds; round++) {
        lsm_volume *source = bench_volume(b, "source", bytes + HOT);
        lsm_volume_io *io = bench_open(b, source);
        dirty(io, -1, bytes + HOT);
        bench_flush(io);
        bench_settle();

        dirty(io, -1, bytes);
        uint64_t flushing = longest_wait(b, NULL, io, bytes);
        dirty(io, -1, bytes);
        uint64_t cloning = longest_wait(b, source, io, bytes);
        dirty(NULL, fd, bytes);
        uint64_t begun = bench_now();
        bench_file_sync(fd);
        uint64_t peer = bench_now() - begun;
        bench_print("freeze", (double)cloning, (double)peer);
        bench_print("flush", (double)flushing, (double)peer);
        bench_close(io);
        bench_delete(b, source);
    }
    close(fd);
    bench_unlink(b, "peer");
}
