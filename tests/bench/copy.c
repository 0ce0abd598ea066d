/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its peers are programs, so tests/bench/run takes turns with them. They copy the very file that
 * the volume stands in. `write` is what no copy can be faster than: the same bytes out of memory.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

/* EXTENTS of EXTENT-KIB, each somewhere in its own equal part of the volume; 0: all of it. */
void bench_make(const struct bench *b, char **arguments)
{
    uint64_t size = strtoull(arguments[1], NULL, 10) * MIB;
    uint64_t extents = strtoull(arguments[2], NULL, 10);
    uint64_t length = strtoull(arguments[3], NULL, 10) * KIB;
    lsm_volume *volume = bench_volume(b, arguments[0], size);
    lsm_volume_io *io = bench_open(b, volume);
    if (!extents) {
        length = 2 * MIB;
        extents = size / length;
    }
    uint64_t part = size / extents, places = 1;
    while (places * 2 <= part / length)
        places *= 2;
    for (uint64_t i = 0; i < extents; i++)
        bench_write(io, length, i * part + bench_scatter(i, places) * length);
    bench_flush(io);
    bench_close(io);
    printf("%s\n", lsm_volume_base_path_get(volume));
    lsm_volume_record_free(volume);
}

void bench_copy(const struct bench *b, char **arguments)
{
    lsm_volume *source = bench_by_name(b, arguments[0]);
    uint64_t before = bench_memory_kib("Rss:");
    uint64_t ns = bench_replicate(b, LSM_VOLUME_REPLICATE_COPY, source, "copy");
    bench_print("copy", (double)ns, (double)(bench_memory_kib("VmHWM:") - before));
    bench_delete(b, bench_by_name(b, "copy"));
    lsm_volume_record_free(source);
}

struct writers {
    int fd;
    uint64_t size;
    const char *block;
    _Atomic uint64_t next;
};

static void *write_blocks(void *argument)
{
    struct writers *w = argument;
    uint64_t at;
    while ((at = atomic_fetch_add(&w->next, 2 * MIB)) < w->size)
        if (pwrite(w->fd, w->block, 2 * MIB, (off_t)at) != 2 * (ssize_t)MIB)
            bench_fail("write to a file");
    return NULL;
}

/* As the mover writes: 8 threads, 2 MiB each, past the page cache, into allocated blocks. */
void bench_bare_write(const struct bench *b, char **arguments)
{
    struct writers w = {.size = strtoull(arguments[0], NULL, 10) * MIB};
    pthread_t threads[8];
    char *block = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        bench_fail("mmap");
    memcpy(block, bench_block(), 2 * MIB);
    w.block = block;
    w.fd = bench_file(b, "bare", O_DIRECT);
    uint64_t begun = bench_now();
    if (fallocate(w.fd, 0, 0, (off_t)w.size) < 0)
        bench_fail("fallocate");
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, write_blocks, &w) != 0)
            bench_fail("a thread");
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    bench_file_sync(w.fd);
    bench_print("write", (double)(bench_now() - begun), 0);
    close(w.fd);
    bench_unlink(b, "bare");
    munmap(block, 2 * MIB);
}
