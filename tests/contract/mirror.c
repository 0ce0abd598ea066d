/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mirror.h"

void let_go_of_replication(lsm_replication **replication)
{
    if (*replication)
        lsm_replication_record_free(*replication);
}

bool mirror_can(lsm_replication_type type)
{
    return world_can(type == LSM_VOLUME_REPLICATE_MIRROR_SYNC
                         ? LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC
                         : LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC);
}

static char *start(struct mirror *mirror, uint64_t rate)
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *job = NULL;
    lsm_replicate_options_interval_set(options, 0);
    lsm_replicate_options_rate_limit_set(options, rate);
    STARTED(lsm_volume_replicate_with(world.conn, mirror->pool, mirror->type, mirror->source, "db",
                                      options, &made, &job, 0));
    return job;
}

static char *find_id(struct mirror *mirror)
{
    lsm_replication **found = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(mirror->source),
                              &found, &count, 0));
    ck_assert_uint_eq(count, 1);
    char *id = strdup(lsm_replication_id_get(found[0]));
    lsm_replication_record_array_free(found, count);
    return id;
}

void mirror_make(struct mirror *mirror, lsm_replication_type type, lsm_replication_state state)
{
    autotext char *job = NULL;
    *mirror = (struct mirror){.type = type, .pool = pool_make("far")};
    mirror->source = volume_make("db", MIRROR_SIZE);
    mirror->image = image_create(MIRROR_SIZE);
    image_fill(mirror->image, mirror->source, 1);
    /* A ship has the limit that its mirror was begun with. */
    mirror->job = start(mirror, state == LSM_REPLICATION_STATE_INITIALIZING ? HELD : 0);
    mirror->id = find_id(mirror);
    if (state == LSM_REPLICATION_STATE_INITIALIZING) {
        ck_assert_int_eq(mirror_state(mirror), state);
        return;
    }
    mirror->target = copy_finish(strdup(mirror->job));
    mirror_await(mirror, LSM_REPLICATION_STATE_IN_SYNC);
    if (state == LSM_REPLICATION_STATE_PAUSED)
        FINE(lsm_replication_pause(world.conn, mirror->id, 0));
    if (state == LSM_REPLICATION_STATE_SPLIT)
        FINE(lsm_replication_promote(world.conn, mirror->id, &job, LSM_REPLICATION_FORCE));
    ck_assert_int_eq(mirror_state(mirror), state);
}

void mirror_free(struct mirror *mirror)
{
    let_go_of_volume(&mirror->source);
    let_go_of_volume(&mirror->target);
    let_go_of_pool(&mirror->pool);
    image_destroy(&mirror->image);
    free(mirror->job);
    free(mirror->id);
}

lsm_replication *mirror_look(struct mirror *mirror)
{
    lsm_replication *replication = NULL;
    FINE(lsm_replication_get(world.conn, mirror->id, &replication, 0));
    return replication;
}

lsm_replication_state mirror_state(struct mirror *mirror)
{
    autoreplication lsm_replication *replication = mirror_look(mirror);
    return lsm_replication_state_get(replication);
}

void mirror_await(struct mirror *mirror, lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 20000; mirror_state(mirror) != state; sleep_ms(2))
        ck_assert_msg(now_ms() < end, "the replication is %d, not %d", mirror_state(mirror), state);
}

int mirror_sync(struct mirror *mirror)
{
    autotext char *job = NULL;
    autojob lsm_job *ended = NULL;
    int rc = lsm_replication_sync(world.conn, mirror->id, &job, 0);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (!job)
        return rc;
    FINE(lsm_job_wait(world.conn, job, 20000, &ended, 0));
    ck_assert_msg(lsm_job_state_get(ended) == LSM_JOB_STATE_DONE, "the ship ended as %d: %s",
                  lsm_job_state_get(ended), lsm_job_error_message_get(ended));
    return rc;
}

void mirror_write(lsm_volume *volume, struct image *image, uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    for (int i = 0; i < 8; i++)
        image_scribble(image, io, &seed);
    image_write(image, io, seed % (MIRROR_SIZE - 9000), 9000, seed);
}
