/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers that together keep a fixed rate, and a copy beside them: what does it do to them? Writes
 * go past the page cache (the root is opened with cache=none; the peer's file with O_DIRECT), so
 * that they meet the copy at the disk. A write that comes late is counted from when it was due.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define PER_SECOND 3000u
#define WRITERS 16
#define MOST 600000u
#define IDLE_MS 1000

struct load {
    lsm_volume_io *io; /* NULL: to fd */
    int fd;
    uint64_t places; /* of 4 KiB, a power of two */
    char *block;
    pthread_t threads[WRITERS];
    uint64_t begun;
    atomic_bool stop;
    atomic_size_t next;
    uint64_t *waits; /* ns, one a write */
};

static void write_one(const struct load *l, uint64_t i)
{
    uint64_t at = bench_scatter(i * 40503, l->places) * 4 * KIB;
    if (l->io ? lsm_volume_io_pwrite(l->io, l->block, 4 * KIB, at, 0) != LSM_ERR_OK
              : pwrite(l->fd, l->block, 4 * KIB, (off_t)at) != 4 * (ssize_t)KIB)
        bench_fail("a write under load");
}

static void *keep_writing(void *argument)
{
    struct load *l = argument;
    size_t i;
    while ((i = atomic_fetch_add(&l->next, 1)) < MOST && !atomic_load(&l->stop)) {
        uint64_t due = l->begun + i * 1000000000u / PER_SECOND;
        struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
            ;
        write_one(l, i);
        l->waits[i] = bench_now() - due;
    }
    return NULL;
}

static void load_init(struct load *l, uint64_t size)
{
    *l = (struct load){.fd = -1, .places = 1};
    while (l->places * 2 <= size / (4 * KIB))
        l->places *= 2;
    l->waits = malloc(MOST * sizeof *l->waits);
    l->block = mmap(NULL, 4 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!l->waits || l->block == MAP_FAILED)
        bench_fail("memory");
    memcpy(l->block, bench_block(), 4 * KIB);
}

static void start(struct load *l)
{
    atomic_store(&l->stop, false);
    atomic_store(&l->next, 0);
    memset(l->waits, 0, MOST * sizeof *l->waits);
    l->begun = bench_now();
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&l->threads[i], NULL, keep_writing, l) != 0)
            bench_fail("a thread");
}

/* Prints the 99th percentile of the waits, and how many writes a second there were. */
static void stop(struct load *l, const char *label)
{
    uint64_t ns = bench_now() - l->begun;
    atomic_store(&l->stop, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(l->threads[i], NULL);
    size_t count = 0;
    for (size_t i = 0; i < MOST; i++)
        if (l->waits[i])
            l->waits[count++] = l->waits[i];
    bench_quartile(l->waits, count); /* which sorts them */
    bench_print(label, (double)l->waits[count * 99 / 100], (double)count * 1e9 / (double)ns);
}

static void idle(struct load *l)
{
    start(l);
    bench_sleep_ms(IDLE_MS);
    stop(l, "idle");
}

static void run(const struct bench *b, lsm_volume *source, lsm_replication_type type)
{
    bench_print("copy", (double)bench_replicate(b, type, source, "copy"), 0);
}

/* An asynchronous mirror, which ships when it is told to. */
static char *mirror(const struct bench *b, lsm_volume *source)
{
    bench_replicate(b, LSM_VOLUME_REPLICATE_MIRROR_ASYNC, source, "copy");
    char *id = bench_replication_of(b, source);
    bench_check(b->conn, lsm_replication_interval_set(b->conn, id, 0, 0), "interval");
    return id;
}

/* One ship after the other, for as long as the writers were alone; prints what one takes. */
static void ship(const struct bench *b, const char *replication)
{
    uint64_t begun = bench_now(), ns = 0, ships = 0;
    for (; ns < IDLE_MS * 1000000ull; ships++, ns = bench_now() - begun)
        bench_sync(b, replication);
    bench_print("copy", (double)ns / (double)ships, 0);
}

void bench_load(const struct bench *b, char **arguments)
{
    struct load l;
    const char *what = arguments[1];
    lsm_volume *source = bench_by_name(b, arguments[0]);
    char *replication = strcmp(what, "ship") == 0 ? mirror(b, source) : NULL;
    lsm_volume_io *io = bench_open(b, source);
    load_init(&l, lsm_volume_io_size_get(io));
    l.io = io;
    idle(&l);
    start(&l);
    if (replication)
        ship(b, replication);
    else
        run(b, source,
            strcmp(what, "copy") == 0 ? LSM_VOLUME_REPLICATE_COPY
                                      : LSM_VOLUME_REPLICATE_MIRROR_SYNC);
    stop(&l, "load");
    bench_close(io);
    free(replication);
    lsm_volume_record_free(source);
}

/* The peer's writer: to a file, until SIGTERM. */
void bench_file_load(const struct bench *b, char **arguments)
{
    (void)b;
    struct load l;
    sigset_t terminate;
    int got;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &terminate, NULL);
    int fd = open(arguments[0], O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        bench_fail(arguments[0]);
    load_init(&l, (uint64_t)lseek(fd, 0, SEEK_END));
    l.fd = fd;
    idle(&l);
    start(&l);
    sigwait(&terminate, &got);
    stop(&l, "load");
    close(fd);
}
