/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of the benchmark that calls the library. Each subcommand prints lines «label a b»: what
 * we took and what the peer took, in nanoseconds unless it says otherwise, one line a round, the
 * two taken right after each other. tests/bench/run makes ratios and a table of them.
 *
 * Whatever fails ends the program: there is nothing to go on with.
 */
#ifndef REPLICANT_TESTS_BENCH_H
#define REPLICANT_TESTS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <replicant/replicant.h>

#define KIB 1024ull
#define MIB (1024 * KIB)

struct bench {
    lsm_connect *conn;
    lsm_pool *pool;
    const char *directory; /* for the peer's files */
    unsigned rounds;
};

void bench_fail(const char *what) __attribute__((noreturn));
void bench_check(lsm_connect *conn, int rc, const char *what); /* LSM_ERR_OK, or it ends here */

uint64_t bench_now(void); /* nanoseconds */
void bench_sleep_ms(unsigned ms);
uint64_t bench_quartile(uint64_t *values, size_t count); /* the lower one; sorts them */
void bench_print(const char *label, double ours, double peer);
/* A field, such as "Rss:" of smaps_rollup (exact) or "VmHWM:" of status, of /proc/self. */
uint64_t bench_memory_kib(const char *field);
void bench_settle(void); /* what was deleted is gone from the disk, too */
/* The i-th of `count` (a power of two) places in an order without a pattern; each comes once. */
uint64_t bench_scatter(uint64_t i, uint64_t count);
const char *bench_block(void); /* 2 MiB without a cluster of zeros, aligned */

lsm_volume *bench_volume(const struct bench *b, const char *name, uint64_t size);
lsm_volume *bench_clone(const struct bench *b, lsm_volume *source, const char *name);
void bench_delete(const struct bench *b, lsm_volume *volume); /* and frees the record */
lsm_volume_io *bench_open(const struct bench *b, lsm_volume *volume);
void bench_write(lsm_volume_io *io, uint64_t count, uint64_t offset); /* of bench_block() */
lsm_volume *bench_by_name(const struct bench *b, const char *name);
/* To a volume of that name, until DONE; nanoseconds. */
uint64_t bench_replicate(const struct bench *b, lsm_replication_type type, lsm_volume *source,
                         const char *name);
char *bench_replication_of(const struct bench *b, lsm_volume *source); /* its id; to be freed */
/* Until the target has all that the source has. */
void bench_sync(const struct bench *b, const char *replication);
void bench_flush(lsm_volume_io *io);
void bench_close(lsm_volume_io *io);

int bench_file(const struct bench *b, const char *name, int more_flags); /* made anew */
void bench_unlink(const struct bench *b, const char *name);
void bench_file_write(int fd, uint64_t count, uint64_t offset);
void bench_file_sync(int fd);

void bench_make(const struct bench *b, char **arguments);
void bench_copy(const struct bench *b, char **arguments);
void bench_bare_write(const struct bench *b, char **arguments);
void bench_load(const struct bench *b, char **arguments);
void bench_file_load(const struct bench *b, char **arguments);
void bench_clones(const struct bench *b, char **arguments);
void bench_ficlone(const struct bench *b, char **arguments);
void bench_cycles(const struct bench *b, char **arguments);
void bench_freeze(const struct bench *b, char **arguments);
void bench_io(const struct bench *b, char **arguments);
void bench_mirrored(const struct bench *b, char **arguments);
void bench_resync(const struct bench *b, char **arguments);
void bench_job_get(const struct bench *b, char **arguments);
void bench_open_volumes(const struct bench *b, char **arguments);

#endif
