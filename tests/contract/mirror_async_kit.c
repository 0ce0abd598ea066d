/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mirror_async_kit.h"

#include <dirent.h>

struct pair pair;

void pair_world_make(void)
{
    world_make_fast();
    pair.source = volume_make("db", PAIR_SIZE);
    pair.image = image_create(PAIR_SIZE);
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, 0));
    image_write(pair.image, io, 100, PAIR_SIZE / 2, 1);
    image_write(pair.image, io, PAIR_SIZE - 5000, 5000, 2);
    FINE(lsm_volume_io_flush(io, 0));
}

void pair_world_remove(void)
{
    image_destroy(&pair.image);
    let_go_of_volume(&pair.source);
    let_go_of_volume(&pair.target);
    let_go_of_pool(&pair.pool);
    pair = (struct pair){0};
    world_remove();
}

void mode_set(int mode)
{
    pair.mode = mode;
    pair.pool = mode & BETWEEN_POOLS ? pool_make("dr") : lsm_pool_record_copy(world.pool);
}

bool mirrors_are_there(void)
{
    return world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC);
}

void step(void)
{
    if (pair.mode & REOPENED)
        world_reopen();
}

/* --- making one ------------------------------------------------------------------------------ */

static const char *target_name(void)
{
    return pair.mode & BETWEEN_POOLS ? "db" : "db'";
}

char *pair_start(uint64_t rate, uint32_t interval_ms)
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *job = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
    ck_assert_int_eq(lsm_replicate_options_interval_set(options, interval_ms), OK);
    STARTED(lsm_volume_replicate_with(world.conn, pair.pool, MIRROR_ASYNC, pair.source,
                                      target_name(), options, &made, &job, 0));
    ck_assert_ptr_null(made);
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(pair.source), &list,
                              &count, 0));
    ck_assert_uint_eq(count, 1);
    snprintf(pair.id, sizeof pair.id, "%s", lsm_replication_id_get(list[0]));
    lsm_replication_record_array_free(list, count);
    return job;
}

void pair_finish(char *job)
{
    pair.target = copy_finish(job);
    ck_assert_int_eq(replication_state(), STATE(IN_SYNC));
}

void pair_make(void)
{
    pair_finish(pair_start(0, 0));
}

void pair_make_held(void)
{
    pair_finish(pair_start(HELD, 0));
}

/* A ship that cannot write the target's files fails, and then they can be written again. */
static void degrade(void)
{
    char layers[1000], away[sizeof layers + 10];
    char *job = NULL;
    autotext char *id = NULL;
    snprintf(layers, sizeof layers, "%s/%s/layers", world.directory, lsm_pool_name_get(pair.pool));
    source_touch_apart(77);
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    id = job;
    job_await(job, LSM_JOB_STATE_RUNNING);
    world_close();
    DIR *directory = opendir(layers);
    ck_assert_ptr_nonnull(directory);
    for (int back = 0; back < 2; back++) {
        rewinddir(directory);
        for (struct dirent *e; (e = readdir(directory)) != NULL;) {
            char *dot = strrchr(e->d_name, '.');
            if (!dot || strcmp(dot, back ? ".away" : ".raw") != 0)
                continue;
            snprintf(layers, sizeof layers, "%s/%s/layers/%s", world.directory,
                     lsm_pool_name_get(pair.pool), e->d_name);
            snprintf(away, sizeof away, "%s%s", layers, back ? "" : ".away");
            if (back)
                away[strlen(away) - 5] = '\0';
            ck_assert_int_eq(rename(layers, away), 0);
        }
        if (back)
            break;
        world_open();
        job_await(job, LSM_JOB_STATE_FAILED);
    }
    closedir(directory);
}

/* Each leaves something that is not shipped yet, but for INITIALIZING. */
void pair_make_in(lsm_replication_state state)
{
    if (state == STATE(INITIALIZING)) {
        free(pair_start(HELD, 0));
        return;
    }
    pair_make_held();
    if (state == STATE(RESYNCING) || state == STATE(PAUSED))
        FINE(lsm_replication_pause(world.conn, pair.id, 0));
    if (state == STATE(SPLIT))
        FINE(promote(FORCE));
    if (state == STATE(DEGRADED))
        degrade();
    else
        source_touch_apart(77);
    if (state == STATE(RESYNCING))
        FINE(lsm_replication_resume(world.conn, pair.id, 0));
    ck_assert_int_eq(replication_state(), state);
}

/* --- looking --------------------------------------------------------------------------------- */

void let_go_of_relation(lsm_replication **replication)
{
    if (*replication)
        lsm_replication_record_free(*replication);
}

lsm_replication *replication_look(void)
{
    lsm_replication *replication = NULL;
    FINE(lsm_replication_get(world.conn, pair.id, &replication, 0));
    ck_assert_str_eq(lsm_replication_id_get(replication), pair.id);
    ck_assert_int_eq(lsm_replication_type_get(replication), MIRROR_ASYNC);
    ck_assert_ptr_null(lsm_replication_group_id_get(replication));
    return replication;
}

lsm_replication_state replication_state(void)
{
    autorelation lsm_replication *replication = replication_look();
    return lsm_replication_state_get(replication);
}

void replication_await(lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 15000; replication_state() != state; sleep_ms(2))
        ck_assert_msg(now_ms() < end, "the replication is %d, not %d", replication_state(), state);
}

uint32_t replication_count(const char *key, const char *value)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, key, value, &list, &count, 0));
    ck_assert_int_eq(list == NULL, count == 0);
    if (list)
        lsm_replication_record_array_free(list, count);
    return count;
}

void generation_read(char generation[80])
{
    autorelation lsm_replication *replication = replication_look();
    const char *now = lsm_replication_generation_get(replication);
    snprintf(generation, 80, "%s", now ? now : "");
}

void check_gone(void)
{
    autorelation lsm_replication *replication = NULL;
    char *job = NULL;
    const char *id = pair.id;
    REFUSED_SAYING(lsm_replication_get(world.conn, id, &replication, 0),
                   LSM_ERR_NOT_FOUND_REPLICATION, id);
    REFUSED(lsm_replication_sync(world.conn, id, &job, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_pause(world.conn, id, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_resume(world.conn, id, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_resume(world.conn, id, FORCE), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_interval_set(world.conn, id, 1, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_promote(world.conn, id, &job, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_promote(world.conn, id, &job, FORCE), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_reverse(world.conn, id, &job, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_break(world.conn, id, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    ck_assert_ptr_null(job);
    ck_assert_uint_eq(replication_count("id", id), 0);
}

lsm_volume *volume_in(lsm_pool *pool, const char *name)
{
    lsm_volume **volumes = NULL, *found = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, "pool_id", lsm_pool_id_get(pool), &volumes, &count, 0));
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(lsm_volume_name_get(volumes[i]), name) == 0)
            found = lsm_volume_record_copy(volumes[i]);
    if (volumes)
        lsm_volume_record_array_free(volumes, count);
    return found;
}

/* --- working --------------------------------------------------------------------------------- */

void volume_write(lsm_volume *volume, struct image *image, uint64_t offset, uint64_t n,
                  uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    image_write(image, io, offset, n, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

void source_write(uint64_t offset, uint64_t n, uint32_t seed)
{
    volume_write(pair.source, pair.image, offset, n, seed);
}

void source_scribble(int times, uint32_t *seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, pair.source, &io, 0));
    for (int i = 0; i < times; i++)
        image_scribble(pair.image, io, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

void source_touch_apart(uint32_t seed)
{
    for (uint32_t i = 0; i < PIECES; i++)
        source_write(1000 + i * (PAIR_SIZE / PIECES), 5000, seed + i);
}

void job_finish(char *id)
{
    autojob lsm_job *job = NULL;
    int rc = lsm_job_rate_limit_set(world.conn, id, 0, 0);
    if (rc != LSM_ERR_STATE)
        FINE(rc);
    FINE(lsm_job_wait(world.conn, id, 60000, &job, 0));
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "the job ended as %d: %d, %s",
                  lsm_job_state_get(job), lsm_job_error_number_get(job),
                  lsm_job_error_message_get(job));
    ck_assert_uint_eq(lsm_job_percent_get(job), 100);
    free(id);
}

void job_of_mirror_finish(void)
{
    autorelation lsm_replication *replication = replication_look();
    const char *job = lsm_replication_job_id_get(replication);
    if (job)
        job_finish(strdup(job));
}

void ship(void)
{
    char *job = NULL;
    STARTED(lsm_replication_sync(world.conn, pair.id, &job, 0));
    job_finish(job);
    replication_await(STATE(IN_SYNC));
}

void verb_finish(int rc, char *job)
{
    if (rc == LSM_ERR_JOB_STARTED)
        job_finish(job);
    else
        ck_assert_ptr_null(job);
}

int promote(lsm_flag flags)
{
    char *job = NULL;
    int rc = lsm_replication_promote(world.conn, pair.id, &job, flags);
    verb_finish(rc, job);
    return rc == LSM_ERR_JOB_STARTED ? OK : rc;
}

int reverse(lsm_flag flags)
{
    char *job = NULL;
    int rc = lsm_replication_reverse(world.conn, pair.id, &job, flags);
    verb_finish(rc, job);
    return rc == LSM_ERR_JOB_STARTED ? OK : rc;
}

void roles_exchange(void)
{
    lsm_volume *source = pair.source;
    pair.source = pair.target;
    pair.target = source;
    autorelation lsm_replication *replication = replication_look();
    ck_assert_str_eq(lsm_replication_source_volume_id_get(replication),
                     lsm_volume_id_get(pair.source));
    ck_assert_str_eq(lsm_replication_target_volume_id_get(replication),
                     lsm_volume_id_get(pair.target));
}

void writable(lsm_volume *volume, bool yes)
{
    lsm_volume_io *io = NULL;
    int rc = lsm_volume_io_open(world.conn, volume, &io, 0);
    if (!yes) {
        REFUSED_SAYING(rc, LSM_ERR_READ_ONLY, pair.id);
        ck_assert_ptr_null(io);
        return;
    }
    FINE(rc);
    FINE(lsm_volume_io_close(io, 0));
}
