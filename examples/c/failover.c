/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The day the main pool is lost, in C: mirror, fail over, work there, come back by delta.
 *
 * "orders" is mirrored from the pool "main" to the pool "dr" synchronously, so that it may lose
 * nothing; "logs" asynchronously. Then the directory of main is taken away, as a disk would go.
 * What each volume must hold is kept in memory, and each side is compared with it.
 *
 *     cc failover.c $(pkg-config --cflags --libs replicant) && ./a.out dir:///an/empty/directory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

#define MIB ((uint64_t)1 << 20)
#define SIZE (32 * MIB)

/* A volume, the relation that ties it to its mirror, and what it must hold. */
struct mirrored {
    const char *name;
    lsm_replication_type type;
    char id[64];
    unsigned char *bytes, *shipped;
};

static lsm_connect *conn;

static void check(int rc, const char *what)
{
    if (rc == LSM_ERR_OK)
        return;
    lsm_error_ptr error = conn ? lsm_error_last_get(conn) : NULL;
    fprintf(stderr, "%s: error %d: %s\n", what, rc,
            error ? lsm_error_message_get(error) : "no reason given");
    exit(1);
}

static void expect(int is, const char *what, const char *name)
{
    if (is)
        return;
    fprintf(stderr, "NOT SO: %s: %s\n", name, what);
    exit(1);
}

static void connect_to(const char *uri)
{
    lsm_error_ptr error = NULL;
    if (lsm_connect_password(uri, NULL, &conn, 30000, &error, LSM_CLIENT_FLAG_RSVD) == LSM_ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", uri, error ? lsm_error_message_get(error) : "no reason given");
    exit(1);
}

static void disconnect(void)
{
    check(lsm_connect_close(conn, LSM_CLIENT_FLAG_RSVD), "close");
    conn = NULL;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* The end of a verb: most are done at once, the others give a job. */
static void finish(int rc, char **job, const char *what)
{
    lsm_job *ended = NULL;
    if (rc != LSM_ERR_JOB_STARTED) {
        check(rc, what);
        return;
    }
    check(lsm_job_wait(conn, *job, UINT32_MAX, &ended, 0), what);
    if (lsm_job_state_get(ended) != LSM_JOB_STATE_DONE) {
        fprintf(stderr, "%s: %s\n", what, lsm_job_error_message_get(ended));
        exit(1);
    }
    lsm_job_record_free(ended);
    free(*job);
    *job = NULL;
}

static lsm_replication *relation(const struct mirrored *m)
{
    lsm_replication *r = NULL;
    check(lsm_replication_get(conn, m->id, &r, 0), "the replication");
    return r;
}

/* What a verb's job has done is there when the job is; else this would wait for an event. */
static void expect_state(const struct mirrored *m, lsm_replication_state wanted)
{
    lsm_replication *r = relation(m);
    expect(lsm_replication_state_get(r) == wanted, "the state of the replication", m->name);
    lsm_replication_record_free(r);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static lsm_volume *volume(const char *id)
{
    lsm_volume **found = NULL;
    uint32_t count = 0;
    check(lsm_volume_list(conn, "id", id, &found, &count, 0), "volumes");
    expect(count == 1, "the volume is there", id);
    lsm_volume *one = lsm_volume_record_copy(found[0]);
    lsm_volume_record_array_free(found, count);
    return one;
}

/* One end of a mirror: the source, or the target. */
static lsm_volume *end_of(const struct mirrored *m, const char *(*which)(lsm_replication *))
{
    lsm_replication *r = relation(m);
    lsm_volume *end = volume(which(r));
    lsm_replication_record_free(r);
    return end;
}

/* Writes what was never written before, to a volume and to what it must hold. */
static void write_to(struct mirrored *m, lsm_volume *to, uint64_t offset, uint64_t count)
{
    static uint64_t x = 1;
    lsm_volume_io *io = NULL;
    for (uint64_t i = 0; i < count; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        m->bytes[offset + i] = (unsigned char)(x >> 56);
    }
    check(lsm_volume_io_open(conn, to, &io, 0), "open");
    check(lsm_volume_io_pwrite(io, m->bytes + offset, count, offset, 0), "write");
    check(lsm_volume_io_flush(io, 0), "flush");
    check(lsm_volume_io_close(io, 0), "close");
}

static void write_end(struct mirrored *m, const char *(*which)(lsm_replication *), uint64_t offset,
                      uint64_t count)
{
    lsm_volume *end = end_of(m, which);
    write_to(m, end, offset, count);
    lsm_volume_record_free(end);
}

static void same(lsm_volume *v, const unsigned char *wanted, const char *when)
{
    unsigned char *bytes = malloc(SIZE);
    lsm_volume_io *io = NULL;
    expect(bytes != NULL, "there is memory", when);
    check(lsm_volume_io_open(conn, v, &io, LSM_VOLUME_IO_READ_ONLY), "open");
    check(lsm_volume_io_pread(io, bytes, SIZE, 0, 0), "read");
    check(lsm_volume_io_close(io, 0), "close");
    expect(memcmp(bytes, wanted, SIZE) == 0, when, lsm_volume_name_get(v));
    printf("%-14s %s: all %d MiB as they must be\n", lsm_volume_name_get(v), when,
           (int)(SIZE / MIB));
    free(bytes);
}

static void same_end(const struct mirrored *m, const char *(*which)(lsm_replication *),
                     const char *when)
{
    lsm_volume *end = end_of(m, which);
    same(end, m->bytes, when);
    lsm_volume_record_free(end);
}

/* --- the story ------------------------------------------------------------------------------- */

static void tell_lag(const struct mirrored *m)
{
    lsm_replication *r = relation(m);
    printf("%-14s is %.1f MiB behind; the last sync took %.1f MiB and %d ms\n", m->name,
           (double)lsm_replication_lag_bytes_get(r) / (double)MIB,
           (double)lsm_replication_last_sync_bytes_get(r) / (double)MIB,
           (int)lsm_replication_last_sync_duration_ms_get(r));
    lsm_replication_record_free(r);
}

static void ship(const struct mirrored *m)
{
    char *job = NULL;
    finish(lsm_replication_sync(conn, m->id, &job, 0), &job, "sync");
}

static void mirror(struct mirrored *m, lsm_pool *main_pool, lsm_pool *dr)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *source = NULL, *target = NULL;
    lsm_replication **found = NULL;
    uint32_t count = 0;
    char *job = NULL;
    check(lsm_volume_create(conn, main_pool, m->name, SIZE, LSM_VOLUME_PROVISION_THIN, &source,
                            &job, 0),
          "create");
    write_to(m, source, 8 * MIB, 12 * MIB);

    /* An interval of 0: the changes are shipped when lsm_replication_sync() asks. */
    lsm_replicate_options_interval_set(options, 0);
    finish(lsm_volume_replicate_with(conn, dr, m->type, source, m->name, options, &target, &job, 0),
           &job, "mirror");
    lsm_replicate_options_free(options);
    check(lsm_replication_list(conn, "source_volume_id", lsm_volume_id_get(source), &found, &count,
                               0),
          "replications");
    expect(count == 1, "there is one replication", m->name);
    snprintf(m->id, sizeof m->id, "%s", lsm_replication_id_get(found[0]));
    lsm_replication_record_array_free(found, count);
    lsm_volume_record_free(source);
    expect_state(m, LSM_REPLICATION_STATE_IN_SYNC);

    write_end(m, lsm_replication_source_volume_id_get, 0, MIB);
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC)
        ship(m);
    memcpy(m->shipped, m->bytes, SIZE);
    write_end(m, lsm_replication_source_volume_id_get, 24 * MIB, 2 * MIB);
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
        memcpy(m->shipped, m->bytes, SIZE); /* every write is on both sides */
    tell_lag(m);
}

/* The source is gone. Its target becomes writable, as it is at its last complete instant. */
static void fail_over(struct mirrored *m)
{
    char *job = NULL;
    finish(lsm_replication_promote(conn, m->id, &job, LSM_REPLICATION_FORCE), &job, "promote");
    expect_state(m, LSM_REPLICATION_STATE_SPLIT);
    memcpy(m->bytes, m->shipped, SIZE);
    same_end(m, lsm_replication_target_volume_id_get, "after the failover");
    write_end(m, lsm_replication_target_volume_id_get, 5 * MIB, MIB);
}

/* The old source is back, and becomes the target; then, with both in sync, main leads again. */
static void come_back(struct mirrored *m)
{
    char *job = NULL;
    finish(lsm_replication_reverse(conn, m->id, &job, 0), &job, "reverse");
    expect_state(m, LSM_REPLICATION_STATE_IN_SYNC);
    same_end(m, lsm_replication_source_volume_id_get, "come back, in dr");
    same_end(m, lsm_replication_target_volume_id_get, "come back, in main");

    lsm_replication *r = relation(m);
    uint64_t sent = lsm_replication_last_sync_bytes_get(r);
    const char *kept = lsm_replication_diverged_volume_id_get(r);
    printf("%-14s %.1f of %d MiB had to be sent\n", m->name, (double)sent / (double)MIB,
           (int)(SIZE / MIB));
    expect(sent > 0 && sent < SIZE / 2, "it was the delta", m->name);
    if (kept) { /* what only main had, and was never shipped: an ordinary volume now */
        lsm_volume *clone = volume(kept);
        printf("%-14s keeps what was never shipped\n", lsm_volume_name_get(clone));
        check(lsm_volume_delete(conn, clone, &job, 0), "delete");
        lsm_volume_record_free(clone);
    }
    expect((kept != NULL) == (m->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC), "what was kept",
           m->name);
    lsm_replication_record_free(r);

    finish(lsm_replication_promote(conn, m->id, &job, 0), &job, "promote");
    write_end(m, lsm_replication_source_volume_id_get, 30 * MIB, MIB);
    if (m->type == LSM_VOLUME_REPLICATE_MIRROR_ASYNC)
        ship(m);
    same_end(m, lsm_replication_source_volume_id_get, "at the end, in main");
    same_end(m, lsm_replication_target_volume_id_get, "at the end, in dr");
}

static void clean_up(struct mirrored *m)
{
    char *job = NULL;
    lsm_volume *source = end_of(m, lsm_replication_source_volume_id_get);
    lsm_volume *target = end_of(m, lsm_replication_target_volume_id_get);
    check(lsm_replication_break(conn, m->id, 0), "break");
    check(lsm_volume_delete(conn, source, &job, 0), "delete");
    check(lsm_volume_delete(conn, target, &job, 0), "delete");
    lsm_volume_record_free(source);
    lsm_volume_record_free(target);
    free(m->bytes);
    free(m->shipped);
}

int main(int argc, char **argv)
{
    struct mirrored all[] = {{.name = "orders", .type = LSM_VOLUME_REPLICATE_MIRROR_SYNC},
                             {.name = "logs", .type = LSM_VOLUME_REPLICATE_MIRROR_ASYNC}};
    char pool[4000], lost[4100];
    lsm_pool *main_pool = NULL, *dr = NULL;

    if (argc != 2 || strncmp(argv[1], "dir://", 6) != 0) {
        fprintf(stderr, "usage: %s dir:///an/empty/directory\n", argv[0]);
        return 2;
    }
    snprintf(pool, sizeof pool, "%s/main", argv[1] + strlen("dir://"));
    snprintf(lost, sizeof lost, "%s-main.lost", argv[1] + strlen("dir://"));

    connect_to(argv[1]);
    check(lsm_pool_create(conn, "main", NULL, 0, &main_pool, 0), "the pool main");
    check(lsm_pool_create(conn, "dr", NULL, 0, &dr, 0), "the pool dr");
    for (int i = 0; i < 2; i++) {
        all[i].bytes = calloc(1, SIZE);
        all[i].shipped = calloc(1, SIZE);
        expect(all[i].bytes && all[i].shipped, "there is memory", all[i].name);
        mirror(&all[i], main_pool, dr);
    }
    disconnect();

    expect(rename(pool, lost) == 0, "the pool can be moved away", pool);
    printf("the pool main is lost\n");
    connect_to(argv[1]);
    for (int i = 0; i < 2; i++)
        fail_over(&all[i]);
    disconnect();

    expect(rename(lost, pool) == 0, "the pool can be moved back", lost);
    printf("the pool main is found again\n");
    connect_to(argv[1]);
    for (int i = 0; i < 2; i++)
        come_back(&all[i]);
    for (int i = 0; i < 2; i++)
        clean_up(&all[i]);
    check(lsm_pool_delete(conn, main_pool, 0), "delete the pool main");
    check(lsm_pool_delete(conn, dr, 0), "delete the pool dr");
    lsm_pool_record_free(main_pool);
    lsm_pool_record_free(dr);
    disconnect();
    return 0;
}
