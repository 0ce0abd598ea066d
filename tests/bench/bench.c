/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* --- errors and numbers ---------------------------------------------------------------------- */

void bench_fail(const char *what)
{
    perror(what);
    exit(1);
}

void bench_check(lsm_connect *conn, int rc, const char *what)
{
    if (rc == LSM_ERR_OK)
        return;
    lsm_error_ptr e = lsm_error_last_get(conn);
    fprintf(stderr, "%s: %d: %s\n", what, rc, e ? lsm_error_message_get(e) : "no reason given");
    exit(1);
}

uint64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

uint64_t bench_quartile(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 4];
}

void bench_print(const char *label, double ours, double peer)
{
    printf("%s %.1f %.1f\n", label, ours, peer);
    fflush(stdout);
}

uint64_t bench_memory_kib(const char *field)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen(field[0] == 'V' ? "/proc/self/status" : "/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoull(line + strlen(field), NULL, 10);
    if (file)
        fclose(file);
    return kib;
}

void bench_settle(void)
{
    bench_sleep_ms(50);
    sync();
    bench_sleep_ms(50);
}

uint64_t bench_scatter(uint64_t i, uint64_t count)
{
    return (i * 2654435761u + 12345) & (count - 1); /* an odd factor: a permutation */
}

const char *bench_block(void)
{
    static _Alignas(4 * KIB) char block[2 * MIB];
    if (!block[0])
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)(1 + (i * 2654435761u >> 13) % 255);
    return block;
}

/* --- volumes --------------------------------------------------------------------------------- */

lsm_volume *bench_volume(const struct bench *b, const char *name, uint64_t size)
{
    lsm_volume *volume = NULL;
    char *job = NULL;
    bench_check(b->conn,
                lsm_volume_create(b->conn, b->pool, name, size, LSM_VOLUME_PROVISION_THIN, &volume,
                                  &job, 0),
                name);
    return volume;
}

lsm_volume *bench_clone(const struct bench *b, lsm_volume *source, const char *name)
{
    lsm_volume *clone = NULL;
    char *job = NULL;
    bench_check(b->conn,
                lsm_volume_replicate(b->conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name,
                                     &clone, &job, 0),
                name);
    return clone;
}

void bench_delete(const struct bench *b, lsm_volume *volume)
{
    char *job = NULL;
    bench_check(b->conn, lsm_volume_delete(b->conn, volume, &job, 0), "delete");
    lsm_volume_record_free(volume);
}

lsm_volume_io *bench_open(const struct bench *b, lsm_volume *volume)
{
    lsm_volume_io *io = NULL;
    bench_check(b->conn, lsm_volume_io_open(b->conn, volume, &io, 0), "open");
    return io;
}

void bench_write(lsm_volume_io *io, uint64_t count, uint64_t offset)
{
    if (lsm_volume_io_pwrite(io, bench_block(), count, offset, 0) != LSM_ERR_OK)
        bench_fail("write to a volume");
}

void bench_flush(lsm_volume_io *io)
{
    if (lsm_volume_io_flush(io, 0) != LSM_ERR_OK)
        bench_fail("flush of a volume");
}

void bench_close(lsm_volume_io *io)
{
    lsm_volume_io_close(io, 0);
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

static void finish(const struct bench *b, int rc, char *job)
{
    lsm_job *done = NULL;
    bench_check(b->conn, rc == LSM_ERR_JOB_STARTED ? LSM_ERR_OK : rc, "a job's start");
    bench_check(b->conn, lsm_job_wait(b->conn, job, UINT32_MAX, &done, 0), "wait");
    if (lsm_job_state_get(done) != LSM_JOB_STATE_DONE)
        bench_fail("the job did not end well");
    bench_check(b->conn, lsm_job_free(b->conn, &job, 0), "job free");
    lsm_job_record_free(done);
}

uint64_t bench_replicate(const struct bench *b, lsm_replication_type type, lsm_volume *source,
                         const char *name)
{
    lsm_volume *none = NULL;
    char *job = NULL;
    uint64_t begun = bench_now();
    int rc = lsm_volume_replicate(b->conn, NULL, type, source, name, &none, &job, 0);
    finish(b, rc, job);
    return bench_now() - begun;
}

char *bench_replication_of(const struct bench *b, lsm_volume *source)
{
    lsm_replication **found = NULL;
    uint32_t count = 0;
    bench_check(b->conn,
                lsm_replication_list(b->conn, "source_volume_id", lsm_volume_id_get(source), &found,
                                     &count, 0),
                "replications");
    char *id = count ? strdup(lsm_replication_id_get(found[0])) : NULL;
    lsm_replication_record_array_free(found, count);
    if (!id)
        bench_fail("there is no replication");
    return id;
}

void bench_sync(const struct bench *b, const char *replication)
{
    char *job = NULL;
    int rc = lsm_replication_sync(b->conn, replication, &job, 0);
    if (rc != LSM_ERR_NO_STATE_CHANGE)
        finish(b, rc, job);
}

/* --- the peer's files ------------------------------------------------------------------------ */

static char *file_path(const struct bench *b, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", b->directory, name) < 0)
        bench_fail("asprintf");
    return path;
}

int bench_file(const struct bench *b, const char *name, int more_flags)
{
    char *path = file_path(b, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | more_flags, 0600);
    if (fd < 0)
        bench_fail(path);
    free(path);
    return fd;
}

void bench_unlink(const struct bench *b, const char *name)
{
    char *path = file_path(b, name);
    unlink(path);
    free(path);
}

void bench_file_write(int fd, uint64_t count, uint64_t offset)
{
    if (pwrite(fd, bench_block(), count, (off_t)offset) != (ssize_t)count)
        bench_fail("write to a file");
}

void bench_file_sync(int fd)
{
    if (fdatasync(fd) < 0)
        bench_fail("fdatasync");
}

/* --- the command ----------------------------------------------------------------------------- */

static const struct command {
    const char *name;
    int arguments;
    const char *usage;
    void (*run)(const struct bench *b, char **arguments);
} commands[] = {
    {"make", 4, "NAME SIZE-MIB EXTENTS EXTENT-KIB: a volume, and its file's path", bench_make},
    {"copy", 1, "NAME: COPY until DONE (ns), and by how much memory it grew (KiB)", bench_copy},
    {"write", 1, "SIZE-MIB: a file out of memory (ns)", bench_bare_write},
    {"load", 2, "NAME copy|mirror|ship: writers alone, and beside it: 99 % wait (ns), writes/s",
     bench_load},
    {"file-load", 1, "FILE: the same of a file; the copy is somebody else's", bench_file_load},
    {"clone", 3, "LABEL SIZE-MIB EXTENTS: clone, and a 4 KiB write with fdatasync", bench_clones},
    {"ficlone", 2, "LABEL EXTENTS: clone, and FICLONE with fsync", bench_ficlone},
    {"cycles", 0, "clone, job status, delete; and two writes with fdatasync", bench_cycles},
    {"freeze", 1, "DIRTY-MIB: the longest wait of a write, and an fdatasync", bench_freeze},
    {"io", 2,
     "SIZE-MIB all|base|layers|clusters|first-touch: reads and writes of a volume, and of a file",
     bench_io},
    {"mirrored", 2, "SIZE-MIB MS: writes to a mirror's source, and to a volume that has none",
     bench_mirrored},
    {"resync", 3, "LARGE-MIB SMALL-MIB DELTA-MIB: of two mirrors that were paused", bench_resync},
    {"job-get", 0, "one call", bench_job_get},
    {"open-volumes", 1, "COUNT: memory (KiB) of one that is open", bench_open_volumes},
};

static const struct command *find(const char *name, int arguments)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0 && commands[i].arguments == arguments)
            return &commands[i];
    return NULL;
}

static lsm_pool *first_pool(lsm_connect *conn)
{
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    bench_check(conn, lsm_pool_list(conn, NULL, NULL, &pools, &count, 0), "pools");
    lsm_pool *pool = count ? lsm_pool_record_copy(pools[0]) : NULL;
    lsm_pool_record_array_free(pools, count);
    return pool;
}

static int usage(void)
{
    fprintf(stderr, "usage: bench COMMAND ROOT DIRECTORY ROUNDS ARGUMENTS…\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stderr, "  %-13s %s\n", commands[i].name, commands[i].usage);
    return 2;
}

int main(int argc, char **argv)
{
    const struct command *command = argc < 5 ? NULL : find(argv[1], argc - 5);
    if (!command)
        return usage();
    char *uri;
    lsm_error_ptr e = NULL;
    struct bench b = {.directory = argv[3], .rounds = (unsigned)atoi(argv[4])};
    if (asprintf(&uri, "dir://%s", argv[2]) < 0)
        bench_fail("asprintf");
    if (lsm_connect_password(uri, NULL, &b.conn, 30000, &e, 0) != LSM_ERR_OK) {
        fprintf(stderr, "%s: %s\n", uri, e ? lsm_error_message_get(e) : "no reason given");
        return 1;
    }
    b.pool = first_pool(b.conn);
    command->run(&b, argv + 5);
    lsm_pool_record_free(b.pool);
    lsm_connect_close(b.conn, 0);
    free(uri);
    return 0;
}
