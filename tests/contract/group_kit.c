/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group_kit.h"

#include <unistd.h>

static const char *const names[GROUP_MEMBERS] = {"log", "data", "index"};
const char *group_target_names[GROUP_MEMBERS] = {"log'", "data'", "index'"};

struct group group;

void group_make(void)
{
    world_make_fast();
    group.options = lsm_replicate_options_alloc();
    ck_assert_int_eq(lsm_replicate_options_interval_set(group.options, 0), OK);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        group.sources[i] = volume_make(names[i], GROUP_SIZE);
        group.images[i] = image_create(GROUP_SIZE);
        image_fill(group.images[i], group.sources[i], (uint32_t)i + 1);
    }
}

void group_unmake(void)
{
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        image_destroy(&group.images[i]);
        let_go_of_volume(&group.sources[i]);
        let_go_of_volume(&group.targets[i]);
    }
    lsm_replicate_options_free(group.options);
    let_go_of_pool(&group.pool);
    group = (struct group){0};
    world_remove();
}

void group_mode(int wanted)
{
    group.mode = wanted;
    group.pool =
        group.mode & GROUP_BETWEEN_POOLS ? pool_make("dr") : lsm_pool_record_copy(world.pool);
}

bool group_is_sync(void)
{
    return group.mode & GROUP_SYNC;
}

lsm_replication_type group_type(void)
{
    return group_is_sync() ? LSM_VOLUME_REPLICATE_MIRROR_SYNC : LSM_VOLUME_REPLICATE_MIRROR_ASYNC;
}

void group_step(void)
{
    if (group.mode & GROUP_REOPENED)
        world_reopen();
}

/* --- the relations --------------------------------------------------------------------------- */

int group_ask(lsm_volume **from, const char **to, lsm_volume **made[], char **job)
{
    uint32_t count = 0;
    *made = NULL;
    *job = NULL;
    int rc = lsm_volume_group_replicate(world.conn, group.pool, group_type(), from, to,
                                        GROUP_MEMBERS, group.options, made, &count, job, 0);
    ck_assert_int_eq(*made != NULL, rc == OK);
    ck_assert_int_eq(*job != NULL, rc == LSM_ERR_JOB_STARTED);
    return rc;
}

uint32_t group_relations(const char *key, const char *value)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, key, value, &list, &count, 0));
    if (list)
        lsm_replication_record_array_free(list, count);
    return count;
}

static void group_find(int i)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(group.sources[i]),
                              &list, &count, 0));
    ck_assert_uint_eq(count, 1);
    snprintf(group.ids[i], sizeof group.ids[i], "%s", lsm_replication_id_get(list[0]));
    ck_assert_ptr_nonnull(lsm_replication_group_id_get(list[0]));
    if (i == 0)
        snprintf(group.id, sizeof group.id, "%s", lsm_replication_group_id_get(list[0]));
    ck_assert_str_eq(lsm_replication_group_id_get(list[0]), group.id);
    lsm_replication_record_array_free(list, count);
}

char *group_start(uint64_t rate)
{
    lsm_volume **made;
    char *job;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(group.options, rate), OK);
    STARTED(group_ask(group.sources, group_target_names, &made, &job));
    for (int i = 0; i < GROUP_MEMBERS; i++)
        group_find(i);
    return job;
}

lsm_replication_state group_state(int i)
{
    lsm_replication *r = NULL;
    FINE(lsm_replication_get(world.conn, group.ids[i], &r, 0));
    lsm_replication_state state = lsm_replication_state_get(r);
    lsm_replication_record_free(r);
    return state;
}

void group_are(lsm_replication_state state)
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        ck_assert_msg(group_state(i) == state, "the replication of %s is %d, not %d", names[i],
                      group_state(i), state);
    ck_assert_uint_eq(group_relations("group_id", group.id), GROUP_MEMBERS);
}

void group_await(lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 30000; group_state(0) != state && now_ms() < end;)
        sleep_ms(2);
    group_are(state);
}

/* Lifts its limit and waits; what it made, which a group's first job alone does. */
void group_finish(char *job)
{
    lsm_volume **made = NULL;
    uint32_t count = 0;
    let_go_of_volume(&(lsm_volume *){copy_finish(strdup(job))});
    FINE(lsm_job_volume_list(world.conn, job, &made, &count, 0));
    ck_assert_uint_eq(count, GROUP_MEMBERS);
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        let_go_of_volume(&group.targets[i]);
        group.targets[i] = made[i];
    }
    free(made);
    free(job);
}

void group_make_in_sync(uint64_t rate)
{
    group_finish(group_start(rate));
    group_are(GROUP_STATE(IN_SYNC));
}

void group_writable(lsm_volume *volume, bool yes)
{
    lsm_volume_io *io = NULL;
    int rc = lsm_volume_io_open(world.conn, volume, &io, 0);
    if (!yes) {
        REFUSED(rc, LSM_ERR_READ_ONLY);
        return;
    }
    FINE(rc);
    FINE(lsm_volume_io_close(io, 0));
}

void group_write_to(int i, lsm_volume *volume, struct image *image, uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    for (uint64_t k = 0; k < GROUP_PIECES; k++)
        image_write(image, io, k * GROUP_SIZE / GROUP_PIECES + (uint64_t)i * 5000, GROUP_PIECE,
                    seed);
    FINE(lsm_volume_io_flush(io, 0));
}

void group_write(uint32_t seed)
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        group_write_to(i, group.sources[i], group.images[i], seed + (uint32_t)i);
}

void group_images_take(struct image *instants[GROUP_MEMBERS])
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        instants[i] = image_copy(group.images[i]);
}

void group_images_drop(struct image *instants[GROUP_MEMBERS])
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        image_destroy(&instants[i]);
}

void group_targets_are(struct image **of)
{
    for (int i = 0; i < GROUP_MEMBERS; i++)
        SAME(of[i], group.targets[i]);
}

void group_exchange(void)
{
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        lsm_volume *source = group.sources[i];
        group.sources[i] = group.targets[i];
        group.targets[i] = source;
    }
}

/* For threads, and for a process that is killed: neither may speak to the test's parent. */
void group_must(bool fine)
{
    if (!fine)
        abort();
}

uint64_t group_number_at(lsm_volume *volume)
{
    lsm_volume_io *io = NULL;
    uint64_t n = 0;
    group_must(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    group_must(lsm_volume_io_pread(io, &n, sizeof n, 4096, 0) == OK);
    group_must(lsm_volume_io_close(io, 0) == OK);
    return n;
}

void group_number_write(uint64_t n)
{
    for (int i = 0; i < GROUP_MEMBERS; i++) {
        autoio lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, group.sources[i], &io, 0));
        FINE(lsm_volume_io_pwrite(io, &n, sizeof n, 4096, 0));
    }
}

/* A number is on a member before it is written to the next one, from where the last owner left. */
atomic_bool group_enough;

void *group_stamp(void *told)
{
    lsm_volume_io *io[GROUP_MEMBERS] = {NULL};
    uint64_t found = group_number_at(group.sources[0]), n = found; /* maybe not on the others */
    for (int i = 0; i < GROUP_MEMBERS; i++)
        group_must(lsm_volume_io_open(world.conn, group.sources[i], &io[i], 0) == OK);
    for (; !atomic_load(&group_enough); n++) {
        for (int i = 0; i < GROUP_MEMBERS; i++)
            group_must(lsm_volume_io_pwrite(io[i], &n, sizeof n, 4096, LSM_VOLUME_IO_FUA) == OK);
        if (told && n == found + 1)
            group_must(write((int)(intptr_t)told, "", 1) == 1);
    }
    for (int i = 0; i < GROUP_MEMBERS; i++)
        group_must(lsm_volume_io_close(io[i], 0) == OK);
    return NULL;
}

uint64_t group_check_instant(lsm_volume *volumes[])
{
    uint64_t first = group_number_at(volumes[0]), before = first;
    for (int i = 1; i < GROUP_MEMBERS; i++) {
        uint64_t next = group_number_at(volumes[i]);
        ck_assert_msg(next <= before && next + 1 >= first, "%" PRIu64 " beside %" PRIu64, next,
                      first);
        before = next;
    }
    return first;
}
