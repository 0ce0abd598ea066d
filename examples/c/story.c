/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The story of a volume in C: made, filled, cloned, copied while it is written, and compared byte
 * by byte. Every call is checked in the one way that the API has: a code, and the connection's last
 * error for the reason.
 *
 *     cc story.c $(pkg-config --cflags --libs replicant) && ./a.out dir:///an/empty/directory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

#define MIB ((uint64_t)1 << 20)
#define SIZE (64 * MIB)
#define DATA_AT (8 * MIB)
#define DATA (24 * MIB)

static lsm_connect *conn;

static void check(int rc, const char *what)
{
    if (rc == LSM_ERR_OK)
        return;
    lsm_error_ptr error = conn ? lsm_error_last_get(conn) : NULL;
    fprintf(stderr, "%s: error %d: %s\n", what, rc,
            error ? lsm_error_message_get(error) : "no reason given");
    if (error && lsm_error_hint_get(error))
        fprintf(stderr, "  %s\n", lsm_error_hint_get(error));
    exit(1);
}

/* Bytes that differ from day to day. */
static void fill(unsigned char *bytes, uint64_t count, uint32_t day)
{
    for (uint64_t i = 0; i < count; i++) {
        day = day * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(day >> 24);
    }
}

static void write_day(lsm_volume_io *io, unsigned char *volume, uint32_t day)
{
    fill(volume + DATA_AT, DATA, day);
    check(lsm_volume_io_pwrite(io, volume + DATA_AT, DATA, DATA_AT, 0), "write");
}

static void compare(lsm_volume *volume, const unsigned char *wanted, const char *day)
{
    unsigned char *bytes = malloc(SIZE);
    lsm_volume_io *io = NULL;
    if (!bytes)
        exit(1);
    check(lsm_volume_io_open(conn, volume, &io, LSM_VOLUME_IO_READ_ONLY), "open");
    check(lsm_volume_io_pread(io, bytes, SIZE, 0, 0), "read");
    check(lsm_volume_io_close(io, 0), "close");
    if (memcmp(bytes, wanted, SIZE) != 0) {
        fprintf(stderr, "%s is not what its source was on %s\n", lsm_volume_name_get(volume), day);
        exit(1);
    }
    printf("%-8s is what its source was on %s, all %d MiB of it\n", lsm_volume_name_get(volume),
           day, (int)(SIZE / MIB));
    free(bytes);
}

/* Waits for a job in steps, and says how far it is. */
static void follow(const char *id)
{
    for (lsm_job_state state = LSM_JOB_STATE_UNKNOWN; state != LSM_JOB_STATE_DONE;) {
        lsm_job *job = NULL;
        int rc = lsm_job_wait(conn, id, 500, &job, 0);
        if (rc == LSM_ERR_TIMEOUT)
            rc = lsm_job_get(conn, id, &job, 0);
        check(rc, "job");
        state = lsm_job_state_get(job);
        printf("copying  %3d %%, %d of %d MiB, %d MiB needed no copying\n",
               lsm_job_percent_get(job), (int)(lsm_job_bytes_done_get(job) / MIB),
               (int)(lsm_job_bytes_total_get(job) / MIB),
               (int)(lsm_job_bytes_skipped_get(job) / MIB));
        if (state == LSM_JOB_STATE_FAILED || state == LSM_JOB_STATE_CANCELLED) {
            fprintf(stderr, "the copy has failed: %s\n", lsm_job_error_message_get(job));
            exit(1);
        }
        lsm_job_record_free(job);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s URI\n", argv[0]);
        return 2;
    }
    lsm_error_ptr error = NULL;
    if (lsm_connect_password(argv[1], NULL, &conn, 30000, &error, LSM_CLIENT_FLAG_RSVD)) {
        fprintf(stderr, "connect: %s\n", error ? lsm_error_message_get(error) : "no reason given");
        lsm_error_free(error);
        return 1;
    }
    printf("connected to %s: libreplicant %s\n", argv[1], lsm_library_version_get());

    lsm_pool **pools = NULL;
    uint32_t count = 0;
    check(lsm_pool_list(conn, NULL, NULL, &pools, &count, 0), "pools");

    /* A volume is ready at once here; where a backend needs time, the call gives a job instead. */
    lsm_volume *source = NULL, *clone = NULL, *copy = NULL;
    char *job = NULL;
    check(
        lsm_volume_create(conn, pools[0], "db", SIZE, LSM_VOLUME_PROVISION_THIN, &source, &job, 0),
        "create");

    unsigned char *monday = calloc(1, SIZE), *tuesday = calloc(1, SIZE), *today = calloc(1, SIZE);
    lsm_volume_io *io = NULL;
    if (!monday || !tuesday || !today)
        return 1;
    check(lsm_volume_io_open(conn, source, &io, 0), "open");
    write_day(io, monday, 1);
    check(lsm_volume_io_flush(io, 0), "flush");

    /* A clone is the instant of the call. */
    check(lsm_volume_replicate(conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, "db-snap", &clone,
                               &job, 0),
          "clone");
    write_day(io, tuesday, 2);

    /* So is a copy, which shares nothing with its source: a job makes it, or it was quick. */
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_key_set(options, "story-1"); /* the same call again finds this job */
    lsm_replicate_options_verify_set(options, LSM_VERIFY_READ_BACK);
    int rc = lsm_volume_replicate_with(conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, "db-copy",
                                       options, &copy, &job, 0);
    lsm_replicate_options_free(options);
    write_day(io, today, 3);
    if (rc == LSM_ERR_JOB_STARTED) {
        lsm_job_status status;
        uint8_t percent;
        follow(job);
        check(lsm_job_status_volume_get(conn, job, &status, &percent, &copy, 0), "copy");
        check(lsm_job_free(conn, &job, 0), "free the job");
    } else {
        check(rc, "copy");
    }
    check(lsm_volume_io_close(io, 0), "close");

    compare(clone, monday, "Monday");
    compare(copy, tuesday, "Tuesday");
    compare(source, today, "Wednesday");

    check(lsm_volume_delete(conn, clone, &job, 0), "delete the clone");
    check(lsm_volume_delete(conn, copy, &job, 0), "delete the copy");
    check(lsm_volume_delete(conn, source, &job, 0), "delete the source");
    printf("all three deleted\n");

    lsm_volume_record_free(clone);
    lsm_volume_record_free(copy);
    lsm_volume_record_free(source);
    lsm_pool_record_array_free(pools, count);
    free(monday);
    free(tuesday);
    free(today);
    return lsm_connect_close(conn, 0);
}
