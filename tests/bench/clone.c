/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a clone takes. The source is clean (flushed) but was written since its last clone, so that
 * each clone freezes it; one that was not written is cheaper still. What is done ahead of time for
 * the next clone and after a delete is given a few milliseconds to settle, but in `cycles`, where
 * one call follows the other.
 *
 * Of a batch the lower quartile counts, on both sides: what somebody else's sync adds to one is in
 * the others. No source is deleted: a file system that discards the blocks of ten thousand extents
 * is slow for a while.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 20 /* clones a round, of one source */

static lsm_volume *new_source(const struct bench *b, unsigned round, uint64_t size)
{
    char name[32];
    snprintf(name, sizeof name, "source %u", round);
    return bench_volume(b, name, size);
}

static uint64_t timed_clone(const struct bench *b, lsm_volume *source)
{
    bench_sleep_ms(10);
    uint64_t begun = bench_now();
    lsm_volume *clone = bench_clone(b, source, "a clone");
    uint64_t ns = bench_now() - begun;
    bench_delete(b, clone);
    bench_sleep_ms(10);
    return ns;
}

/* Every other cluster, so that a file system has an extent for each. */
static void fill(lsm_volume_io *io, uint64_t extents)
{
    for (uint64_t i = 0; i < extents; i++)
        bench_write(io, 4 * KIB, i * 8 * KIB);
    bench_flush(io);
}

static uint64_t timed_sync(int fd)
{
    uint64_t begun = bench_now();
    bench_file_write(fd, 4 * KIB, 0);
    bench_file_sync(fd);
    return bench_now() - begun;
}

void bench_clones(const struct bench *b, char **arguments)
{
    char untouched[64];
    int fd = bench_file(b, "peer", 0);
    bench_file_write(fd, MIB, 0);
    bench_file_sync(fd);
    snprintf(untouched, sizeof untouched, "%s-unwritten", arguments[0]);
    for (unsigned round = 0; round < b->rounds; round++) {
        uint64_t ours[BATCH], again[BATCH], peer[BATCH];
        lsm_volume *source = new_source(b, round, strtoull(arguments[1], NULL, 10) * MIB);
        lsm_volume_io *io = bench_open(b, source);
        fill(io, strtoull(arguments[2], NULL, 10));
        bench_settle();
        for (int i = 0; i < BATCH; i++) {
            bench_write(io, 4 * KIB, 0);
            bench_flush(io);
            ours[i] = timed_clone(b, source);
            peer[i] = timed_sync(fd);
            again[i] = timed_clone(b, source);
        }
        uint64_t sync = bench_quartile(peer, BATCH);
        bench_print(arguments[0], (double)bench_quartile(ours, BATCH), (double)sync);
        bench_print(untouched, (double)bench_quartile(again, BATCH), (double)sync);
        bench_close(io);
        lsm_volume_record_free(source);
    }
    close(fd);
    bench_unlink(b, "peer");
}

/* The name and the directory are not made durable, which is in the peer's favour. */
static uint64_t timed_ficlone(const struct bench *b, int source)
{
    int fd = bench_file(b, "peer-clone", 0);
    uint64_t begun = bench_now();
    if (ioctl(fd, FICLONE, source) < 0)
        bench_fail("FICLONE");
    if (fsync(fd) < 0)
        bench_fail("fsync");
    uint64_t ns = bench_now() - begun;
    close(fd);
    bench_unlink(b, "peer-clone");
    return ns;
}

void bench_ficlone(const struct bench *b, char **arguments)
{
    uint64_t extents = strtoull(arguments[1], NULL, 10);
    int fd = bench_file(b, "peer", 0);
    for (uint64_t i = 0; i < extents; i++)
        bench_file_write(fd, 4 * KIB, i * 8 * KIB);
    bench_file_sync(fd);
    for (unsigned round = 0; round < b->rounds; round++) {
        int batch = extents > 100 ? 4 : BATCH;
        uint64_t ours[BATCH], peer[BATCH];
        lsm_volume *source = new_source(b, round, 1024 * MIB);
        lsm_volume_io *io = bench_open(b, source);
        fill(io, extents);
        bench_settle();
        for (int i = 0; i < batch; i++) {
            bench_write(io, 4 * KIB, 0);
            bench_flush(io);
            ours[i] = timed_clone(b, source);
            bench_file_write(fd, 4 * KIB, 0);
            bench_file_sync(fd);
            peer[i] = timed_ficlone(b, fd);
        }
        bench_print(arguments[0], (double)bench_quartile(ours, (size_t)batch),
                    (double)bench_quartile(peer, (size_t)batch));
        bench_close(io);
        lsm_volume_record_free(source);
    }
    close(fd);
    bench_unlink(b, "peer");
}

/* A job to ask for: a clone has none. */
static char *finished_job(const struct bench *b, lsm_volume *source)
{
    lsm_volume *none = NULL;
    lsm_job *done = NULL;
    char *job = NULL;
    lsm_volume_replicate(b->conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, "copy", &none, &job, 0);
    bench_check(b->conn, lsm_job_wait(b->conn, job, UINT32_MAX, &done, 0), "wait");
    lsm_job_record_free(done);
    return job;
}

/* For a second each; the peer is two small writes with fdatasync, one for each commit. */
void bench_cycles(const struct bench *b, char **arguments)
{
    (void)arguments;
    int fd = bench_file(b, "peer", 0);
    bench_file_write(fd, MIB, 0);
    bench_file_sync(fd);
    lsm_volume *source = bench_volume(b, "source", MIB);
    char *job = finished_job(b, source);
    for (unsigned round = 0; round < b->rounds; round++) {
        uint64_t begun = bench_now(), cycles = 0, ours, peer = 0;
        do {
            lsm_job_status status;
            uint8_t percent;
            lsm_volume *clone = bench_clone(b, source, "a clone");
            bench_check(b->conn, lsm_job_status_get(b->conn, job, &status, &percent, 0), "status");
            bench_delete(b, clone);
            cycles++;
        } while ((ours = bench_now() - begun) < 1000000000u);
        for (uint64_t i = 0; i < cycles; i++)
            peer += timed_sync(fd) + timed_sync(fd);
        bench_print("cycles", (double)ours / (double)cycles, (double)peer / (double)cycles);
    }
    free(job);
    lsm_volume_record_free(source);
    close(fd);
    bench_unlink(b, "peer");
}
