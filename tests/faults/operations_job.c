/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a job does, and what is done to jobs. */
#include "operations.h"

/* --- copy --- */

static int begin_copy(const char *pool_name, bool verify, uint64_t rate, char **job)
{
    lsm_pool *pool = world_pool(pool_name);
    lsm_volume *source = world_volume("child", "default"), *made = NULL;
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_rate_limit_set(options, rate);
    lsm_replicate_options_verify_set(options, verify ? LSM_VERIFY_READ_BACK : LSM_VERIFY_NONE);
    int code = lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, source,
                                         "copy", options, &made, job, 0);
    MUST(!made && (code == LSM_ERR_JOB_STARTED) == (*job != NULL));
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
    return code;
}

static int copy(const char *pool, bool verify, struct outcome *outcome)
{
    char *job = NULL;
    int code = begin_copy(pool, verify, 0, &job);
    world_outcome(code, outcome);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    return code;
}

static int act_copy_here(struct outcome *outcome)
{
    return copy("default", true, outcome);
}

static int act_copy_there(struct outcome *outcome)
{
    return copy("other", false, outcome);
}

static void expect_copy_here(void)
{
    nth_model_copy("child", "copy", "default");
}

static void expect_copy_there(void)
{
    nth_model_copy("child", "copy", "other");
}

static bool is_copy_here(void)
{
    return nth_has("copy", "default");
}

static bool is_copy_there(void)
{
    return nth_has("copy", "other");
}

/* --- ranges --- */

/* Too many to be done within the call, into a volume of another pool: what one that failed has
 * written stays, and one whose owner died goes on. */
static int act_ranges_there(struct outcome *outcome)
{
    enum { RANGES = 300 };
    struct content *content = content_get("away"), *from = content_get("child");
    lsm_volume *source = world_volume("child", "default"), *target = world_volume("away", "other");
    lsm_block_range *ranges[RANGES];
    char *job = NULL;
    for (unsigned i = 0; i < RANGES; i++) {
        unsigned there = 100 + RANGES - 1 - i;
        failing_exempt(true);
        ranges[i] = lsm_block_range_record_alloc(3 * i, there, 1);
        failing_exempt(false);
        content_doubt(content, there * 512, from->bytes + 3 * i * 512, 512);
    }
    int code = lsm_volume_replicate_range(world.conn, LSM_VOLUME_REPLICATE_COPY, source, target,
                                          ranges, RANGES, &job, 0);
    world_outcome(code, outcome);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    if (code == OK)
        content_settle(content);
    for (unsigned i = 0; i < RANGES; i++)
        lsm_block_range_record_free(ranges[i]);
    lsm_volume_record_free(source);
    lsm_volume_record_free(target);
    free(job);
    return code;
}

/* --- a group --- */

static int copy_group(const char *pool_name, struct outcome *outcome)
{
    lsm_pool *pool = world_pool(pool_name);
    lsm_volume *sources[] = {world_volume("src", "default"), world_volume("child", "default")};
    const char *names[] = {"first", "second"};
    lsm_volume **made = NULL;
    uint32_t count = 0;
    char *job = NULL;
    int code = lsm_volume_group_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, sources,
                                          names, 2, NULL, &made, &count, &job, 0);
    MUST(!made && (code == LSM_ERR_JOB_STARTED) == (job != NULL));
    world_outcome(code, outcome);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    lsm_volume_record_free(sources[0]);
    lsm_volume_record_free(sources[1]);
    lsm_pool_record_free(pool);
    return code;
}

static int act_copy_group_here(struct outcome *outcome)
{
    return copy_group("default", outcome);
}

static int act_copy_group_there(struct outcome *outcome)
{
    return copy_group("other", outcome);
}

static void expect_group_here(void)
{
    nth_model_copy("src", "first", "default");
    nth_model_copy("child", "second", "default");
}

static void expect_group_there(void)
{
    nth_model_copy("src", "first", "other");
    nth_model_copy("child", "second", "other");
}

/* All or none. */
static bool is_group(const char *pool)
{
    bool first = nth_has("first", pool);
    MUST(nth_has("second", pool) == first);
    return first;
}

static bool is_group_here(void)
{
    return is_group("default");
}

static bool is_group_there(void)
{
    return is_group("other");
}

/* --- cancel, pause, close --- */

static bool job_is(lsm_job_state state)
{
    lsm_job *job = NULL;
    MUST(lsm_job_get(world.conn, world.shared->job, &job, 0) == OK);
    bool is = lsm_job_state_get(job) == state;
    lsm_job_record_free(job);
    return is;
}

static void expect_slow_copy(void)
{
    memcpy(content_new("copy", "other", SIZE)->bytes, world.shared->instant, SIZE);
}

static void begin_slow_copy(void)
{
    char *job = NULL;
    MUST(begin_copy("other", false, 64 * KIB, &job) == LSM_ERR_JOB_STARTED);
    memcpy(world.shared->instant, content_get("child")->bytes, SIZE);
    snprintf(world.shared->job, sizeof world.shared->job, "%s", job);
    free(job);
    while (job_is(LSM_JOB_STATE_QUEUED))
        usleep(1000);
}

static int act_cancel(struct outcome *outcome)
{
    int code = world_outcome(lsm_job_cancel(world.conn, world.shared->job, 0), outcome);
    if (code == OK)
        MUST(job_is(LSM_JOB_STATE_CANCELLED));
    return code;
}

static bool is_cancelled(void)
{
    return job_is(LSM_JOB_STATE_CANCELLED);
}

static void use_name_again(void)
{
    char *job = NULL;
    struct outcome outcome;
    MUST(job_is(LSM_JOB_STATE_CANCELLED));
    MUST(begin_copy("other", false, 0, &job) == LSM_ERR_JOB_STARTED);
    MUST(world_outcome_of_job(job, &outcome) == OK);
    free(job);
    expect_copy_there();
}

static int act_pause(struct outcome *outcome)
{
    if (job_is(LSM_JOB_STATE_FAILED))
        begin_slow_copy();
    int code = world_outcome(lsm_job_pause(world.conn, world.shared->job, 0), outcome);
    if (code == OK)
        MUST(job_is(LSM_JOB_STATE_PAUSED));
    if (code != LSM_ERR_STATE)
        return code;
    MUST(job_is(LSM_JOB_STATE_FAILED)); /* at the checkpoint that it was to stop at */
    return world_outcome_of_job(world.shared->job, outcome);
}

static void end_paused(void)
{
    world_end_jobs();
    expect_slow_copy();
}

/* Whatever stopped the job: it goes on to its end, or it failed and says why. */
static void adopt_copy(void)
{
    struct outcome outcome;
    if (!job_is(LSM_JOB_STATE_FAILED)) {
        expect_slow_copy();
        return;
    }
    world_outcome_of_job(world.shared->job, &outcome);
    MUST(outcome.code == LSM_ERR_IO || outcome.code == LSM_ERR_NOT_ENOUGH_SPACE ||
         outcome.code == LSM_ERR_NO_MEMORY);
    MUST(outcome.message[0]);
}

static int act_close(struct outcome *outcome)
{
    int code = world_outcome(lsm_connect_close(world.conn, 0), outcome);
    world.conn = NULL;
    return code;
}

static int act_flatten(struct outcome *outcome)
{
    lsm_volume *source = world_volume("src", "default");
    char *job = NULL;
    int code = lsm_volume_child_dependency_delete(world.conn, source, &job, 0);
    world_outcome(code, outcome);
    lsm_volume_record_free(source);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    return code;
}

static bool is_flattened(void)
{
    uint8_t yes = 0;
    lsm_volume *source = world_volume("src", "default");
    MUST(lsm_volume_child_dependency(world.conn, source, &yes, 0) == OK);
    lsm_volume_record_free(source);
    return !yes;
}

static const struct scenario scenarios[] = {
    {.name = "copy-here",
     .awaits_job = true,
     .act = act_copy_here,
     .expect = expect_copy_here,
     .is_done = is_copy_here},
    {.name = "copy-there",
     .awaits_job = true,
     .two_pools = true,
     .act = act_copy_there,
     .expect = expect_copy_there,
     .is_done = is_copy_there},
    {.name = "ranges-there", .awaits_job = true, .two_pools = true, .act = act_ranges_there},
    {.name = "copy-group-here",
     .awaits_job = true,
     .act = act_copy_group_here,
     .expect = expect_group_here,
     .is_done = is_group_here},
    {.name = "copy-group-there",
     .awaits_job = true,
     .two_pools = true,
     .act = act_copy_group_there,
     .expect = expect_group_there,
     .is_done = is_group_there},
    {.name = "cancel",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_cancel,
     .is_done = is_cancelled,
     .afterwards = use_name_again,
     .not_done = expect_slow_copy,
     .where = "pool.db-wal"},
    {.name = "pause",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_pause,
     .afterwards = end_paused,
     .not_done = adopt_copy,
     .where = "pool.db-wal"},
    {.name = "flatten", .awaits_job = true, .act = act_flatten, .is_done = is_flattened},
    {.name = "close",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_close,
     .not_done = adopt_copy},
};

const struct scenario_list job_operations = {scenarios, sizeof scenarios / sizeof *scenarios};
