/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program as it is written for libStorageMgmt: its header's name, and nothing but its calls. It
 * compiles against replicant unchanged, and replicates a volume. The URI is all that it knows of
 * what is behind: sim://, an array's plug-in, or a directory.
 *
 *     cc compat.c $(pkg-config --cflags --libs replicant) && ./a.out dir:///srv/pool db db-copy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libstoragemgmt/libstoragemgmt.h>

#define MIB ((uint64_t)1024 * 1024)

/* Says why a call on the connection failed. */
static int failed(lsm_connect *conn, const char *call, int rc)
{
    lsm_error_ptr e = lsm_error_last_get(conn);
    fprintf(stderr, "%s: error %d: %s\n", call, rc, e ? lsm_error_message_get(e) : "no reason");
    if (e)
        lsm_error_free(e);
    return rc;
}

/* Asks again until the job is over; *volume becomes what it has made. */
static int wait_for_job(lsm_connect *conn, char **job, lsm_volume **volume)
{
    lsm_job_status status = LSM_JOB_INPROGRESS;
    uint8_t percent = 0;
    int rc = LSM_ERR_OK;

    while (rc == LSM_ERR_OK && status == LSM_JOB_INPROGRESS) {
        rc = lsm_job_status_volume_get(conn, *job, &status, &percent, volume, LSM_CLIENT_FLAG_RSVD);
        if (rc == LSM_ERR_OK)
            printf("job %s: %d %%\n", *job, percent);
        if (rc == LSM_ERR_OK && status == LSM_JOB_INPROGRESS)
            usleep(200000);
    }
    if (rc != LSM_ERR_OK)
        return failed(conn, "lsm_job_status_volume_get", rc);
    if (status == LSM_JOB_ERROR)
        return failed(conn, "the job", LSM_ERR_LIB_BUG);
    rc = lsm_job_free(conn, job, LSM_CLIENT_FLAG_RSVD);
    return rc == LSM_ERR_OK ? rc : failed(conn, "lsm_job_free", rc);
}

/* The volume of that name; one is made if there is none. */
static int find_or_create(lsm_connect *conn, lsm_pool *pool, const char *name, lsm_volume **found)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0;
    char *job = NULL;

    int rc = lsm_volume_list(conn, NULL, NULL, &volumes, &count, LSM_CLIENT_FLAG_RSVD);
    if (rc != LSM_ERR_OK)
        return failed(conn, "lsm_volume_list", rc);
    for (uint32_t i = 0; i < count && !*found; i++)
        if (strcmp(lsm_volume_name_get(volumes[i]), name) == 0)
            *found = lsm_volume_record_copy(volumes[i]);
    if (volumes)
        lsm_volume_record_array_free(volumes, count);
    if (*found)
        return LSM_ERR_OK;
    rc = lsm_volume_create(conn, pool, name, 16 * MIB, LSM_VOLUME_PROVISION_DEFAULT, found, &job,
                           LSM_CLIENT_FLAG_RSVD);
    if (rc == LSM_ERR_JOB_STARTED)
        return wait_for_job(conn, &job, found);
    return rc == LSM_ERR_OK ? rc : failed(conn, "lsm_volume_create", rc);
}

static int replicate(lsm_connect *conn, lsm_pool *pool, const char *from, const char *to)
{
    lsm_volume *source = NULL, *replicant = NULL;
    char *job = NULL;

    int rc = find_or_create(conn, pool, from, &source);
    if (rc != LSM_ERR_OK)
        return rc;
    rc = lsm_volume_replicate(conn, pool, LSM_VOLUME_REPLICATE_COPY, source, to, &replicant, &job,
                              LSM_CLIENT_FLAG_RSVD);
    if (rc == LSM_ERR_JOB_STARTED)
        rc = wait_for_job(conn, &job, &replicant);
    else if (rc != LSM_ERR_OK)
        failed(conn, "lsm_volume_replicate", rc);
    if (replicant) {
        printf("%s: %llu blocks of %llu bytes, id %s\n", lsm_volume_name_get(replicant),
               (unsigned long long)lsm_volume_number_of_blocks_get(replicant),
               (unsigned long long)lsm_volume_block_size_get(replicant),
               lsm_volume_id_get(replicant));
        lsm_volume_record_free(replicant);
    }
    lsm_volume_record_free(source);
    return rc;
}

int main(int argc, char **argv)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    lsm_pool **pools = NULL;
    uint32_t count = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: %s URI SOURCE COPY\n", argv[0]);
        return 2;
    }
    int rc = lsm_connect_password(argv[1], NULL, &conn, 30000, &e, LSM_CLIENT_FLAG_RSVD);
    if (rc != LSM_ERR_OK) {
        fprintf(stderr, "lsm_connect_password: error %d: %s\n", rc,
                e ? lsm_error_message_get(e) : "no reason");
        if (e)
            lsm_error_free(e);
        return 1;
    }
    rc = lsm_pool_list(conn, NULL, NULL, &pools, &count, LSM_CLIENT_FLAG_RSVD);
    if (rc != LSM_ERR_OK)
        failed(conn, "lsm_pool_list", rc);
    else if (count == 0)
        fprintf(stderr, "%s has no pool\n", argv[1]);
    else
        rc = replicate(conn, pools[0], argv[2], argv[3]);
    int done = rc == LSM_ERR_OK && count > 0;
    if (pools)
        lsm_pool_record_array_free(pools, count);
    lsm_connect_close(conn, LSM_CLIENT_FLAG_RSVD);
    return done ? 0 : 1;
}
