/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No thread can be made, as where a container has as many as it may have. What needs none is as
 * always; what needs one waits for it, or says so.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "world.h"

#define OK LSM_ERR_OK
#define STARTED LSM_ERR_JOB_STARTED
#define SIZE (512ull << 10)

static void no_threads(long from)
{
    failing_arm_at(FAULT_MEMORY, "pthread_create", "", from, true);
}

static void begin(void)
{
    world_begin();
    world_make_directory();
    failing_install();
    no_threads(1);
    world_open();
    world_make_volume("volume", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    content_new("volume", "default", SIZE);
    lsm_volume_io *io = world_io("volume");
    world_write(io, content_get("volume"), 4321, SIZE / 2, 1);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void finish(void)
{
    world_check(false);
    world_close();
    failing_disarm();
    failing_uninstall();
    world_check_files();
    world_remove_directory();
}

static int replicate(lsm_replication_type type, const char *pool_name, const char *name, char **job)
{
    lsm_volume *volume = world_volume("volume", "default"), *made = NULL;
    lsm_pool *pool = world_pool(pool_name);
    int code = lsm_volume_replicate(world.conn, pool, type, volume, name, &made, job, 0);
    lsm_volume_record_free(made);
    lsm_volume_record_free(volume);
    lsm_pool_record_free(pool);
    return code;
}

static void expect_copy(const char *name, const char *pool)
{
    struct content *copy = content_new(name, pool, SIZE);
    memcpy(copy->bytes, content_get("volume")->bytes, SIZE);
}

START_TEST(clone_needs_none)
{
    char *job = NULL;
    begin();
    MUST(replicate(LSM_VOLUME_REPLICATE_CLONE, "default", "clone", &job) == OK);
    expect_copy("clone", "default");
    MUST(failing_reached());
    finish();
}
END_TEST

START_TEST(copy_waits_for_one)
{
    char *job = NULL;
    lsm_job *record = NULL;
    begin();
    MUST(replicate(LSM_VOLUME_REPLICATE_COPY, "default", "copy", &job) == STARTED);
    expect_copy("copy", "default");
    MUST(lsm_job_wait(world.conn, job, 250, &record, 0) == LSM_ERR_TIMEOUT);
    MUST(lsm_job_get(world.conn, job, &record, 0) == OK);
    MUST(lsm_job_state_get(record) == LSM_JOB_STATE_QUEUED);
    lsm_job_record_free(record);
    record = NULL;
    failing_disarm();
    MUST(lsm_job_wait(world.conn, job, 60000, &record, 0) == OK);
    MUST(lsm_job_state_get(record) == LSM_JOB_STATE_DONE);
    lsm_job_record_free(record);
    free(job);
    finish();
}
END_TEST

/* The worker is there, but nobody who moves. */
START_TEST(copy_without_movers_says_so)
{
    struct outcome outcome;
    char *job = NULL;
    begin();
    failing_disarm();
    no_threads(2);
    MUST(replicate(LSM_VOLUME_REPLICATE_COPY, "default", "copy", &job) == STARTED);
    MUST(world_outcome_of_job(job, &outcome) == LSM_ERR_NO_MEMORY);
    MUST(strstr(outcome.message, "thread") != NULL);
    MUST(world_volume("copy", "default") == NULL);
    free(job);
    job = NULL;
    failing_disarm();
    MUST(replicate(LSM_VOLUME_REPLICATE_COPY, "default", "copy", &job) == STARTED);
    expect_copy("copy", "default");
    MUST(world_outcome_of_job(job, &outcome) == OK);
    free(job);
    finish();
}
END_TEST

/* The writer writes both sides, and flushes both, himself. */
START_TEST(mirrored_writes_need_none)
{
    char *job = NULL, id[80];
    struct outcome outcome;
    begin();
    failing_disarm();
    world_make_pool("second");
    MUST(replicate(LSM_VOLUME_REPLICATE_MIRROR_SYNC, "second", "target", &job) == STARTED);
    MUST(world_outcome_of_job(job, &outcome) == OK);
    free(job);
    world_relation_id(id);
    no_threads(1);
    lsm_volume_io *io = world_io("volume");
    world_write(io, content_get("volume"), 8192, SIZE / 2, 2);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    MUST(failing_reached());
    MUST(world_replication_state(id) == LSM_REPLICATION_STATE_IN_SYNC);
    MUST(lsm_volume_io_close(io, 0) == OK);
    failing_disarm();
    expect_copy("target", "second");
    MUST(lsm_replication_break(world.conn, id, 0) == OK);
    finish();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("no_threads");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, clone_needs_none);
    tcase_add_test(tcase, copy_waits_for_one);
    tcase_add_test(tcase, copy_without_movers_says_so);
    tcase_add_test(tcase, mirrored_writes_need_none);
    return world_run("faults-no-threads", tcase);
}
