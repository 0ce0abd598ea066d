/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A long life: stacks stay short, and nothing grows that should not. */
#include "suites.h"
#include "mirror_async_kit.h"

#include <dirent.h>

#define LIMIT (256 * MIB)

static unsigned entries(const char *path)
{
    unsigned n = 0;
    DIR *directory = opendir(path);
    for (struct dirent *e; directory && (e = readdir(directory)) != NULL;)
        n += e->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return n;
}

static unsigned layer_files(void)
{
    char path[700];
    unsigned n = 0;
    if (!world.directory[0])
        return 0;
    static const char *const pools[] = {"from", "to"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s/layers", world.directory, pools[i]);
        n += entries(path);
    }
    return n;
}

static lsm_pool *counted_pool(const char *name)
{
    lsm_pool *pool = NULL;
    FINE(lsm_pool_create(world.conn, name, NULL, LIMIT, &pool, 0));
    return pool;
}

static uint64_t used(const char *name)
{
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    uint64_t bytes = 0;
    FINE(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0));
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(lsm_pool_name_get(pools[i]), name) == 0)
            bytes = lsm_pool_total_space_get(pools[i]) - lsm_pool_free_space_get(pools[i]);
    lsm_pool_record_array_free(pools, count);
    return bytes;
}

static void make_counted(int mode)
{
    autopool lsm_pool *from = counted_pool("from");
    mode_set(0);
    let_go_of_pool(&pair.pool);
    pair.pool = counted_pool("to");
    if (!(mode & BETWEEN_POOLS)) {
        let_go_of_pool(&pair.pool);
        pair.pool = lsm_pool_record_copy(from);
    }
    let_go_of_volume(&pair.source);
    pair.source = volume_make_in(from, "life", PAIR_SIZE, THIN);
    memset(pair.image->bytes, 0, PAIR_SIZE);
    source_write(0, PAIR_SIZE, 1);
    pair_make();
}

static void check_depths(void)
{
    volume_look(&pair.source);
    volume_look(&pair.target);
    ck_assert_uint_le(lsm_volume_depth_get(pair.source), 8);
    ck_assert_uint_le(lsm_volume_depth_get(pair.target), 8);
}

/* Folding goes on in the background: what it has not come to yet is waited for. */
static void await_short(uint32_t depth)
{
    for (uint64_t end = now_ms() + 20000; now_ms() < end; sleep_ms(10)) {
        volume_look(&pair.source);
        volume_look(&pair.target);
        if (lsm_volume_depth_get(pair.source) <= depth &&
            lsm_volume_depth_get(pair.target) <= depth)
            return;
    }
    ck_abort_msg("depths %u and %u", lsm_volume_depth_get(pair.source),
                 lsm_volume_depth_get(pair.target));
}

START_TEST(async_ships_many_times)
{
    int times = getenv("REPLICANT_TEST_LONG") ? 3000 : 100;
    unsigned files = 0, descriptors = 0;
    uint64_t from = 0, to = 0;
    if (!mirrors_are_there())
        return;
    make_counted(_i);
    uint32_t seed = 4;
    uint32_t deepest = 0;
    for (int i = 0; i < times; i++) {
        lsm_volume_io *io = NULL;
        FINE(lsm_volume_io_open(world.conn, pair.source, &io, 0));
        for (int k = 0; k < 3; k++)
            image_write(pair.image, io, random_next(&seed) % (PAIR_SIZE - 3000), 3000,
                        random_next(&seed));
        FINE(lsm_volume_io_close(io, 0));
        ship();
        volume_look(&pair.target);
        if (lsm_volume_depth_get(pair.target) > deepest)
            deepest = lsm_volume_depth_get(pair.target);
        if (i % 50 == 20) {
            await_short(8);
            SAME(pair.image, pair.target);
        }
        if (i == 20) {
            files = layer_files();
            descriptors = entries("/proc/self/fd");
            from = used("from");
            to = used("to");
        }
    }
    await_short(8);
    check_depths();
    SAME(pair.image, pair.target);
    SAME(pair.image, pair.source);
    for (uint64_t end = now_ms() + 5000; layer_files() > files + 24 && now_ms() < end;)
        sleep_ms(10); /* files go in the background */
    if (files)
        ck_assert_uint_le(layer_files(), files + 24);
    ck_assert_uint_le(entries("/proc/self/fd"), descriptors + 24);
    ck_assert_uint_le(used("from"), from + 2 * PAIR_SIZE);
    ck_assert_uint_le(used("to"), to + 2 * PAIR_SIZE);
    ck_assert_uint_le(deepest, 64);
    world_reopen();
    SAME(pair.image, pair.target);
    await_short(8);
}
END_TEST

/* Of a relation's ships the newest alone is kept (and one that ends right now). */
START_TEST(async_ships_are_forgotten)
{
    if (!mirrors_are_there())
        return;
    make_counted(_i);
    for (uint32_t i = 0; i < 20; i++) {
        source_write(i * 5000, 100, i);
        ship();
    }
    ck_assert_uint_le(job_count("kind", "4"), 2);
    world_reopen();
    ck_assert_uint_le(job_count("kind", "4"), 2);
}
END_TEST

/* --- at random ------------------------------------------------------------------------------- */

struct model {
    struct image *source, *target, *common;
    lsm_replication_state state;
    unsigned kept;
    uint32_t seed;
    char trace[4000];
};

static void note(struct model *m, const char *what)
{
    size_t n = strlen(m->trace);
    snprintf(m->trace + n, sizeof m->trace - n, " %s", what);
}

static void scribble(struct model *m, lsm_volume *volume, struct image *image)
{
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    for (uint32_t i = random_next(&m->seed) % 4; i < 5; i++)
        image_scribble(image, io, &m->seed);
    FINE(lsm_volume_io_flush(io, 0));
    FINE(lsm_volume_io_close(io, 0));
}

static void set_image(struct image **to, const struct image *from)
{
    image_destroy(to);
    *to = image_copy(from);
}

static void arrived(struct model *m)
{
    replication_await(STATE(IN_SYNC));
    set_image(&m->target, m->source);
    set_image(&m->common, m->source);
    m->state = STATE(IN_SYNC);
}

static void do_ship(struct model *m)
{
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, pair.id, &job, 0);
    note(m, "ship");
    if (rc == LSM_ERR_NO_STATE_CHANGE)
        REFUSED(rc, LSM_ERR_NO_STATE_CHANGE);
    else if (m->state == STATE(IN_SYNC))
        STARTED(rc);
    else
        REFUSED(rc, LSM_ERR_STATE);
    if (job)
        job_finish(job);
    if (m->state == STATE(IN_SYNC))
        arrived(m);
}

static void exchange(struct model *m)
{
    struct image *source = m->source;
    m->source = m->target;
    m->target = source;
    roles_exchange();
}

static void do_reverse(struct model *m)
{
    lsm_flag flags = random_next(&m->seed) % 2 ? DISCARD : 0;
    note(m, flags ? "reverse!" : "reverse");
    FINE(reverse(flags));
    exchange(m);
    arrived(m);
}

static void do_resume(struct model *m)
{
    lsm_flag flags = random_next(&m->seed) % 2 ? DISCARD : 0;
    note(m, flags ? "resume!" : "resume");
    FINE(lsm_replication_resume(world.conn, pair.id, m->state == STATE(SPLIT) ? flags : 0));
    job_of_mirror_finish();
    arrived(m);
}

static void do_planned(struct model *m)
{
    note(m, "promote");
    FINE(promote(0));
    arrived(m);
    exchange(m);
}

static void do_one(struct model *m)
{
    uint32_t dice = random_next(&m->seed) % 12;
    if (dice < 4) {
        note(m, "write");
        scribble(m, pair.source, m->source);
    } else if (dice < 6 && m->state == STATE(SPLIT)) {
        note(m, "write'");
        scribble(m, pair.target, m->target);
    } else if (dice < 7) {
        do_ship(m);
    } else if (dice == 7) {
        note(m, "reopen");
        world_reopen();
    } else if (m->state == STATE(SPLIT)) {
        (dice % 2 ? do_reverse : do_resume)(m);
    } else if (m->state == STATE(PAUSED)) {
        do_resume(m);
    } else if (dice == 8) {
        note(m, "pause");
        FINE(lsm_replication_pause(world.conn, pair.id, 0));
        m->state = STATE(PAUSED);
    } else if (dice == 9) {
        do_planned(m);
    } else {
        note(m, "force");
        FINE(promote(FORCE));
        m->state = STATE(SPLIT);
    }
}

static void check_model(struct model *m)
{
    const char *wrong = image_differs_from_volume(m->source, pair.source);
    if (!wrong)
        wrong = image_differs_from_volume(m->target, pair.target);
    ck_assert_msg(!wrong, "%s; seed, then:%s", wrong, m->trace);
    ck_assert_msg(replication_state() == m->state, "%d, not %d:%s", replication_state(), m->state,
                  m->trace);
}

/* Kept clones are looked at by their number alone: their bytes are mirror_async_roles.c's. */
static void delete_kept(void)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, NULL, NULL, &volumes, &count, 0));
    for (uint32_t i = 0; i < count; i++)
        if (strchr(lsm_volume_name_get(volumes[i]), '@'))
            FINE(volume_delete(volumes[i]));
    lsm_volume_record_array_free(volumes, count);
}

START_TEST(async_at_random)
{
    if (!mirrors_are_there())
        return;
    make_counted(_i % 2);
    struct model m = {.source = image_copy(pair.image),
                      .target = image_copy(pair.image),
                      .common = image_copy(pair.image),
                      .state = STATE(IN_SYNC),
                      .seed = 1000003u * (uint32_t)(_i + 1)};
    snprintf(m.trace, sizeof m.trace, " %u:", m.seed);
    for (int i = 0; i < 60; i++) {
        do_one(&m);
        check_model(&m);
        if (i % 20 == 19)
            delete_kept();
    }
    if (m.state == STATE(SPLIT) || m.state == STATE(PAUSED))
        do_resume(&m);
    check_model(&m);
    check_depths();
    FINE(lsm_replication_break(world.conn, pair.id, 0));
    delete_kept();
    FINE(volume_delete(pair.source));
    FINE(volume_delete(pair.target));
    uint64_t left = 1;
    for (uint64_t end = now_ms() + 3000; left && now_ms() < end; sleep_ms(10))
        left = used("from") + used("to");
    ck_assert_msg(left <= 256 * KIB, "%llu bytes are left:%s", (unsigned long long)left, m.trace);
    image_destroy(&m.source);
    image_destroy(&m.target);
    image_destroy(&m.common);
}
END_TEST

TCase *mirror_async_life(void)
{
    int seeds = getenv("REPLICANT_TEST_LONG") ? 400 : 12;
    TCase *tests = tcase_create("mirror_async_life");
    tcase_add_checked_fixture(tests, pair_world_make, pair_world_remove);
    tcase_add_loop_test(tests, async_ships_many_times, 0, 2);
    tcase_add_loop_test(tests, async_at_random, 0, seeds);
    tcase_add_loop_test(tests, async_ships_are_forgotten, 0, 2);
    return tests;
}
