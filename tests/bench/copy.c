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

lsm_volume *bench_by_name(const struct bench *b, const char *name)
{
    lsm_volume **volumes = NULL, *found = NULL;
    uint32_t count = 0;
    bench_check(b->conn, lsm_volume_list(b->conn, "name", name, &volumes, &count, 0), name);
    if (count)
        found = lsm_volume_record_copy(volumes[0]);
    lsm_volume_record_array_free(volumes, count);
    return found;
}

uint64_t bench_copy_of(const struct bench *b, lsm_volume *source)
{
    lsm_volume *none = NULL;
    lsm_job *done = NULL;
    char *job = NULL;
    uint64_t begun = bench_now();
    int rc = lsm_volume_replicate(b->conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, "copy", &none,
                                  &job, 0);
    bench_check(b->conn, rc == LSM_ERR_JOB_STARTED ? LSM_ERR_OK : rc, "copy");
    bench_check(b->conn, lsm_job_wait(b->conn, job, UINT32_MAX, &done, 0), "wait");
    uint64_t ns = bench_now() - begun;
    if (lsm_job_state_get(done) != LSM_JOB_STATE_DONE)
        bench_fail("the copy did not end well");
    bench_check(b->conn, lsm_job_free(b->conn, &job, 0), "job free");
    lsm_job_record_free(done);
    return ns;
}

void bench_copy(const struct bench *b, char **arguments)
{
    lsm_volume *source = bench_by_name(b, arguments[0]);
    uint64_t before = bench_memory_kib("Rss:"), ns = bench_copy_of(b, source);
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
