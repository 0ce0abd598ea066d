/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync_kit.h"

#include <dirent.h>

struct twin twin;

void twin_world_make(void)
{
    world_make_fast();
    twin.source = volume_make("db", TWIN_SIZE);
    twin.image = image_create(TWIN_SIZE);
    twin_write(100, 400 * KIB, 1);
    twin_write(TWIN_REGION - 5000, 10000, 2);
    twin_write(TWIN_SIZE - 5000, 5000, 3);
}

void twin_world_remove(void)
{
    image_destroy(&twin.image);
    let_go_of_volume(&twin.source);
    let_go_of_volume(&twin.target);
    let_go_of_pool(&twin.pool);
    twin = (struct twin){0};
    world_remove();
}

bool twin_mode(int mode)
{
    if (!world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC))
        return false;
    twin.mode = mode;
    twin.pool = mode & TWIN_BETWEEN_POOLS ? pool_make("dr") : lsm_pool_record_copy(world.pool);
    return true;
}

bool twin_wanted(int i)
{
    int mode =
        i % TWIN_MODES; /* one in one pool, one between two; one with restarts, one without */
    return ((i / TWIN_MODES) ^ mode ^ (mode >> 1)) % 2 == 0 || getenv("REPLICANT_TEST_LONG");
}

void twin_step(void)
{
    if (twin.mode & TWIN_REOPENED)
        world_reopen();
}

/* --- making one ------------------------------------------------------------------------------ */

char *twin_start(uint64_t rate, lsm_target_error_policy policy)
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *job = NULL;
    lsm_replication **list = NULL;
    uint32_t count = 0;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
    ck_assert_int_eq(lsm_replicate_options_on_target_error_set(options, policy), OK);
    STARTED(lsm_volume_replicate_with(world.conn, twin.pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC,
                                      twin.source, twin.mode & TWIN_BETWEEN_POOLS ? "db" : "db'",
                                      options, &made, &job, 0));
    ck_assert_ptr_null(made);
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(twin.source), &list,
                              &count, 0));
    for (uint32_t i = 0; i < count; i++)
        if (lsm_replication_type_get(list[i]) == LSM_VOLUME_REPLICATE_MIRROR_SYNC)
            snprintf(twin.id, sizeof twin.id, "%s", lsm_replication_id_get(list[i]));
    ck_assert_str_ne(twin.id, "");
    lsm_replication_record_array_free(list, count);
    return job;
}

void twin_finish(char *job)
{
    twin.target = copy_finish(job);
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
}

void twin_make(void)
{
    twin_finish(twin_start(0, LSM_TARGET_ERROR_DEGRADE));
}

void twin_make_held(void)
{
    twin_finish(twin_start(HELD, LSM_TARGET_ERROR_DEGRADE));
}

/* The target is tried again a while after the open that could not find its files. */
static void degrade(void)
{
    world_close();
    twin_files_away(twin.pool, true);
    world_open();
    ck_assert_int_eq(twin_state(), TWIN_STATE(DEGRADED));
    twin_files_away(twin.pool, false);
}

void twin_make_in(lsm_replication_state state, struct image **of_target)
{
    if (state == TWIN_STATE(INITIALIZING)) {
        free(twin_start(HELD, LSM_TARGET_ERROR_DEGRADE));
        return;
    }
    twin_make_held();
    twin_write(2 * MIB, 70001, 4);
    if (state == TWIN_STATE(IN_SYNC))
        return;
    struct image *shared = image_copy(twin.image);
    if (state == TWIN_STATE(RESYNCING) || state == TWIN_STATE(PAUSED))
        FINE(lsm_replication_pause(world.conn, twin.id, 0));
    if (state == TWIN_STATE(SPLIT)) {
        FINE(twin_promote(LSM_REPLICATION_FORCE));
        twin_write_apart(twin.target, shared, 90);
    }
    if (state == TWIN_STATE(DEGRADED))
        degrade();
    twin_write_apart(twin.source, twin.image, 77);
    if (state == TWIN_STATE(RESYNCING))
        FINE(lsm_replication_resume(world.conn, twin.id, 0));
    ck_assert_int_eq(twin_state(), state);
    if (of_target)
        *of_target = shared;
    else
        image_destroy(&shared);
}

/* --- looking --------------------------------------------------------------------------------- */

void twin_let_go(lsm_replication **replication)
{
    if (*replication)
        lsm_replication_record_free(*replication);
}

lsm_replication *twin_look(void)
{
    lsm_replication *replication = NULL;
    FINE(lsm_replication_get(world.conn, twin.id, &replication, 0));
    ck_assert_str_eq(lsm_replication_id_get(replication), twin.id);
    ck_assert_int_eq(lsm_replication_type_get(replication), LSM_VOLUME_REPLICATE_MIRROR_SYNC);
    return replication;
}

lsm_replication_state twin_state(void)
{
    autotwin lsm_replication *replication = twin_look();
    return lsm_replication_state_get(replication);
}

void twin_await(lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 30000; twin_state() != state; sleep_ms(2))
        ck_assert_msg(now_ms() < end, "the replication is %d, not %d", twin_state(), state);
}

uint64_t twin_last_sync_bytes(void)
{
    autotwin lsm_replication *replication = twin_look();
    return lsm_replication_last_sync_bytes_get(replication);
}

uint32_t twin_count(const char *key, const char *value)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, key, value, &list, &count, 0));
    ck_assert_int_eq(list == NULL, count == 0);
    if (list)
        lsm_replication_record_array_free(list, count);
    return count;
}

void twin_gone(void)
{
    autotwin lsm_replication *replication = NULL;
    char *job = NULL;
    REFUSED_SAYING(lsm_replication_get(world.conn, twin.id, &replication, 0),
                   LSM_ERR_NOT_FOUND_REPLICATION, twin.id);
    REFUSED(lsm_replication_sync(world.conn, twin.id, &job, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    REFUSED(lsm_replication_break(world.conn, twin.id, 0), LSM_ERR_NOT_FOUND_REPLICATION);
    ck_assert_uint_eq(twin_count("id", twin.id), 0);
    ck_assert_uint_eq(twin_count("type", "4"), 0);
}

void twin_equal(void)
{
    SAME(twin.image, twin.source);
    SAME(twin.image, twin.target);
}

void twin_alike(lsm_volume *a, lsm_volume *b)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, a, &io, LSM_VOLUME_IO_READ_ONLY));
    autoimage struct image *image = image_create(lsm_volume_io_size_get(io));
    FINE(lsm_volume_io_pread(io, image->bytes, image->size, 0, 0));
    SAME(image, b);
}

void twin_writable(lsm_volume *volume, bool yes)
{
    lsm_volume_io *io = NULL;
    int rc = lsm_volume_io_open(world.conn, volume, &io, 0);
    if (!yes) {
        REFUSED_SAYING(rc, LSM_ERR_READ_ONLY, twin.id);
        ck_assert_ptr_null(io);
        return;
    }
    FINE(rc);
    FINE(lsm_volume_io_close(io, 0));
}

lsm_volume *twin_kept(void)
{
    autotwin lsm_replication *replication = twin_look();
    const char *id = lsm_replication_diverged_volume_id_get(replication);
    if (!id)
        return NULL;
    lsm_volume *kept = volume_with("id", id);
    ck_assert_ptr_nonnull(kept);
    return kept;
}

/* --- working --------------------------------------------------------------------------------- */

void twin_write_to(lsm_volume *volume, struct image *image, uint64_t offset, uint64_t n,
                   uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    image_write(image, io, offset, n, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

void twin_write(uint64_t offset, uint64_t n, uint32_t seed)
{
    twin_write_to(twin.source, twin.image, offset, n, seed);
}

void twin_write_apart(lsm_volume *volume, struct image *image, uint32_t seed)
{
    twin_write_to(volume, image, 1000, 6000, seed);
    twin_write_to(volume, image, TWIN_SIZE - 300 * KIB, 9000, seed + 1);
    twin_write_to(volume, image, TWIN_SIZE - 60 * KIB, 100, seed + 2);
    for (uint32_t i = 0; i < 8; i++) /* each owner moves one, however slow the rate */
        twin_write_to(volume, image, i * MIB + 600 * KIB, 100, seed + 3 + i);
}

void twin_scribble(int times, uint32_t *seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, twin.source, &io, 0));
    for (int i = 0; i < times; i++)
        image_scribble(twin.image, io, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

static void lift(const char *job)
{
    int rc = lsm_job_rate_limit_set(world.conn, job, 0, 0);
    if (rc != LSM_ERR_STATE)
        FINE(rc);
    else
        lsm_error_free(lsm_error_last_get(world.conn));
}

void twin_job_finish(char *id)
{
    autojob lsm_job *job = NULL;
    lift(id);
    FINE(lsm_job_wait(world.conn, id, 60000, &job, 0));
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "the job ended as %d: %d, %s",
                  lsm_job_state_get(job), lsm_job_error_number_get(job),
                  lsm_job_error_message_get(job));
    free(id);
}

void twin_in_sync(void)
{
    for (uint64_t end = now_ms() + 30000;; sleep_ms(2)) {
        autotwin lsm_replication *replication = twin_look();
        const char *job = lsm_replication_job_id_get(replication);
        if (lsm_replication_state_get(replication) == TWIN_STATE(IN_SYNC))
            return;
        ck_assert_msg(now_ms() < end, "the replication is %d: %s",
                      lsm_replication_state_get(replication),
                      lsm_replication_error_message_get(replication));
        if (job)
            lift(job);
    }
}

static int finished(int rc, char *job)
{
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (rc == LSM_ERR_JOB_STARTED)
        twin_job_finish(job);
    return rc == LSM_ERR_JOB_STARTED ? OK : rc;
}

int twin_promote(lsm_flag flags)
{
    char *job = NULL;
    int rc = lsm_replication_promote(world.conn, twin.id, &job, flags);
    return finished(rc, job);
}

int twin_reverse(lsm_flag flags)
{
    char *job = NULL;
    int rc = lsm_replication_reverse(world.conn, twin.id, &job, flags);
    return finished(rc, job);
}

void twin_exchange(void)
{
    lsm_volume *source = twin.source;
    twin.source = twin.target;
    twin.target = source;
    autotwin lsm_replication *replication = twin_look();
    ck_assert_str_eq(lsm_replication_source_volume_id_get(replication),
                     lsm_volume_id_get(twin.source));
    ck_assert_str_eq(lsm_replication_target_volume_id_get(replication),
                     lsm_volume_id_get(twin.target));
}

/* --- pools and files that are away ----------------------------------------------------------- */

static void move_pool(bool away)
{
    char here[500], there[sizeof here + 10];
    snprintf(here, sizeof here, "%s/%s", world.directory, lsm_pool_name_get(twin.pool));
    snprintf(there, sizeof there, "%s-%s.away", world.directory, lsm_pool_name_get(twin.pool));
    ck_assert_int_eq(away ? rename(here, there) : rename(there, here), 0);
}

void twin_pool_away(void)
{
    move_pool(true);
}

void twin_pool_back(void)
{
    move_pool(false);
}

static void move_file(const char *directory, const char *name, bool away)
{
    char here[700], there[sizeof here + 10];
    size_t length = strlen(name);
    const char *ending = away ? ".raw" : ".raw.away";
    if (length < strlen(ending) || strcmp(name + length - strlen(ending), ending) != 0)
        return;
    snprintf(here, sizeof here, "%s/%.200s", directory, name);
    snprintf(there, sizeof there, "%s.away", here);
    if (!away)
        snprintf(there, sizeof there, "%.*s", (int)(strlen(here) - strlen(".away")), here);
    ck_assert_int_eq(rename(here, there), 0);
}

void twin_files_away(lsm_pool *pool, bool away)
{
    char layers[480];
    snprintf(layers, sizeof layers, "%s/%.60s/layers", world.directory, lsm_pool_name_get(pool));
    DIR *directory = opendir(layers);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        move_file(layers, e->d_name, away);
    closedir(directory);
}
