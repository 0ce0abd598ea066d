/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kit.h"
#include "backend.h"

#include <time.h>
#include <unistd.h>

struct world world;

/* --- the world ------------------------------------------------------------------------------- */

int world_connect(const char *uri, lsm_connect **conn, lsm_error_ptr *e)
{
    return lsm_connect_password(uri, NULL, conn, 30000, e, 0);
}

lsm_connect *world_connect_again(void)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    int rc = world_connect(world.uri, &conn, &e);
    ck_assert_msg(rc == OK, "%s: %d, %s", world.uri, rc, e ? lsm_error_message_get(e) : "no error");
    return conn;
}

static lsm_pool *first_pool(void)
{
    lsm_pool **pools = NULL, *first;
    uint32_t count = 0;
    FINE(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0));
    ck_assert_uint_ge(count, 1);
    first = lsm_pool_record_copy(pools[0]);
    lsm_pool_record_array_free(pools, count);
    return first;
}

void world_open(void)
{
    world.conn = world_connect_again();
    if (!world.pool)
        world.pool = first_pool();
}

void world_close(void)
{
    ck_assert_int_eq(lsm_connect_close(world.conn, 0), OK);
    world.conn = NULL;
}

void world_reopen(void)
{
    world_close();
    world_open();
}

void world_make(void)
{
    backend->make();
    world_open();
}

void world_make_fast(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("REPLICANT_CONTRACT_DIR", "/dev/shm", 1);
    world_make();
}

void world_remove(void)
{
    if (world.pool)
        lsm_pool_record_free(world.pool);
    if (world.conn)
        lsm_connect_close(world.conn, 0);
    backend->remove();
    world = (struct world){0};
}

bool world_can(lsm_capability_type capability)
{
    lsm_system **systems = NULL;
    lsm_storage_capabilities *table = NULL;
    uint32_t count = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    FINE(lsm_capabilities(world.conn, systems[0], &table, 0));
    bool can = lsm_capability_supported(table, capability);
    lsm_capability_record_free(table);
    lsm_system_record_array_free(systems, count);
    return can;
}

void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- what a call answers --------------------------------------------------------------------- */

static const char *wrong_error(lsm_error_ptr e, int code, const char *word)
{
    static char why[600];
    const char *message = lsm_error_message_get(e);
    if (!e)
        return "it leaves no error";
    if (!message || !*message || strchr(message, '\n'))
        return "its error's message is not one line";
    if ((int)lsm_error_number_get(e) != code)
        snprintf(why, sizeof why, "its error is %d: %s", (int)lsm_error_number_get(e), message);
    else if (word && !strstr(message, word))
        snprintf(why, sizeof why, "no «%s» in: %s", word, message);
    else
        return NULL;
    return why;
}

const char *wrong_answer(int rc, int code, const char *word)
{
    static char why[700];
    bool refusal = code != OK && code != LSM_ERR_JOB_STARTED;
    lsm_error_ptr e = world.conn ? lsm_error_last_get(world.conn) : NULL;
    const char *wrong = NULL;
    if (rc != code) {
        snprintf(why, sizeof why, "answers %d, not %d: %s", rc, code,
                 e ? lsm_error_message_get(e) : "no error");
        wrong = why;
    } else if (refusal) {
        wrong = wrong_error(e, code, word);
    } else if (e) {
        snprintf(why, sizeof why, "leaves the error %d: %s", (int)lsm_error_number_get(e),
                 lsm_error_message_get(e));
        wrong = why;
    }
    if (e)
        lsm_error_free(e);
    return wrong;
}

lsm_error_ptr refusal(int rc, int code)
{
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    ck_assert_int_eq(rc, code);
    const char *why = wrong_error(e, code, NULL);
    ck_assert_msg(!why, "%s", why);
    return e;
}

/* --- going out of scope ---------------------------------------------------------------------- */

void let_go_of_volume(lsm_volume **volume)
{
    if (*volume)
        lsm_volume_record_free(*volume);
}

void let_go_of_job(lsm_job **job)
{
    if (*job)
        lsm_job_record_free(*job);
}

void let_go_of_text(char **text)
{
    free(*text);
}

void let_go_of_io(lsm_volume_io **io)
{
    if (*io)
        lsm_volume_io_close(*io, 0);
}

void let_go_of_options(lsm_replicate_options **options)
{
    if (*options)
        lsm_replicate_options_free(*options);
}

void let_go_of_pool(lsm_pool **pool)
{
    if (*pool)
        lsm_pool_record_free(*pool);
}

/* --- volumes --------------------------------------------------------------------------------- */

lsm_volume *volume_make_in(lsm_pool *pool, const char *name, uint64_t size,
                           lsm_volume_provision_type provision)
{
    lsm_volume *volume = NULL;
    char *job = NULL;
    int rc = lsm_volume_create(world.conn, pool, name, size, provision, &volume, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED)
        volume = copy_finish(job);
    else
        FINE(rc);
    ck_assert_ptr_nonnull(volume);
    return volume;
}

lsm_volume *volume_make(const char *name, uint64_t size)
{
    return volume_make_in(world.pool, name, size, THIN);
}

lsm_volume *volume_with(const char *key, const char *value)
{
    lsm_volume **volumes = NULL, *found = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, key, value, &volumes, &count, 0));
    ck_assert_uint_le(count, 1);
    if (count == 0)
        return NULL;
    found = lsm_volume_record_copy(volumes[0]);
    lsm_volume_record_array_free(volumes, count);
    return found;
}

lsm_volume *volume_named(const char *name)
{
    return volume_with("name", name);
}

uint32_t volume_count(const char *key, const char *value)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0;
    FINE(lsm_volume_list(world.conn, key, value, &volumes, &count, 0));
    ck_assert_int_eq(volumes == NULL, count == 0);
    if (volumes)
        lsm_volume_record_array_free(volumes, count);
    return count;
}

void volume_look(lsm_volume **volume)
{
    lsm_volume *now = volume_with("id", lsm_volume_id_get(*volume));
    ck_assert_ptr_nonnull(now);
    lsm_volume_record_free(*volume);
    *volume = now;
}

uint64_t volume_bytes(lsm_volume *volume)
{
    return lsm_volume_number_of_blocks_get(volume) * lsm_volume_block_size_get(volume);
}

int volume_delete(lsm_volume *volume)
{
    autotext char *job = NULL;
    int rc = lsm_volume_delete(world.conn, volume, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED) {
        job_await(job, LSM_JOB_STATE_DONE);
        return OK;
    }
    ck_assert_ptr_null(job);
    return rc;
}

int volume_resize(lsm_volume **volume, uint64_t size)
{
    char *job = NULL;
    lsm_volume *resized = NULL;
    int rc = lsm_volume_resize(world.conn, *volume, size, &resized, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED) {
        ck_assert_ptr_null(resized);
        resized = copy_finish(job);
        rc = OK;
    } else {
        ck_assert_ptr_null(job);
    }
    ck_assert_int_eq(resized != NULL, rc == OK);
    if (rc == OK) {
        lsm_volume_record_free(*volume);
        *volume = resized;
    }
    return rc;
}

bool volume_has_dependants(lsm_volume *volume)
{
    uint8_t yes = 7;
    FINE(lsm_volume_child_dependency(world.conn, volume, &yes, 0));
    ck_assert_uint_le(yes, 1);
    return yes;
}

lsm_volume *clone_make(lsm_volume *source, const char *name)
{
    lsm_volume *clone = NULL;
    char *job = NULL;
    FINE(lsm_volume_replicate(world.conn, NULL, CLONE, source, name, &clone, &job, 0));
    ck_assert_ptr_nonnull(clone);
    ck_assert_ptr_null(job);
    return clone;
}

int replicate(lsm_pool *pool, lsm_replication_type type, lsm_volume *source, const char *name,
              lsm_replicate_options *options)
{
    autovolume lsm_volume *made = NULL;
    autotext char *job = NULL;
    int rc =
        lsm_volume_replicate_with(world.conn, pool, type, source, name, options, &made, &job, 0);
    ck_assert_int_eq(made != NULL, rc == OK);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    return rc;
}

/* --- pools ----------------------------------------------------------------------------------- */

lsm_pool *pool_make(const char *name)
{
    lsm_pool *pool = NULL;
    FINE(lsm_pool_create(world.conn, name, NULL, 0, &pool, 0));
    ck_assert_ptr_nonnull(pool);
    return pool;
}

uint32_t pool_count(void)
{
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    FINE(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0));
    if (pools)
        lsm_pool_record_array_free(pools, count);
    return count;
}

void pool_look(lsm_pool **pool)
{
    char key[] = "id";
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    FINE(lsm_pool_list(world.conn, key, lsm_pool_id_get(*pool), &pools, &count, 0));
    ck_assert_uint_eq(count, 1);
    lsm_pool_record_free(*pool);
    *pool = lsm_pool_record_copy(pools[0]);
    lsm_pool_record_array_free(pools, count);
}

/* --- jobs ------------------------------------------------------------------------------------ */

char *copy_start(lsm_pool *pool, lsm_volume *source, const char *name, uint64_t rate)
{
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_volume *made = NULL;
    char *job = NULL;
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
    STARTED(
        lsm_volume_replicate_with(world.conn, pool, COPY, source, name, options, &made, &job, 0));
    ck_assert_ptr_null(made);
    ck_assert_ptr_nonnull(job);
    return job;
}

/* The reason of a job that did not become DONE is the test's. */
static void must_be_done(const char *id)
{
    autojob lsm_job *job = NULL;
    FINE(lsm_job_wait(world.conn, id, 60000, &job, 0));
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "the job ended as %d: %d, %s",
                  lsm_job_state_get(job), lsm_job_error_number_get(job),
                  lsm_job_error_message_get(job));
}

lsm_volume *copy_finish(char *job)
{
    lsm_volume *made = NULL;
    lsm_job_status status = 0;
    uint8_t percent = 0;
    int rc = lsm_job_rate_limit_set(world.conn, job, 0, 0);
    if (rc != LSM_ERR_STATE)
        FINE(rc);
    must_be_done(job);
    FINE(lsm_job_status_volume_get(world.conn, job, &status, &percent, &made, 0));
    ck_assert_int_eq(status, LSM_JOB_COMPLETE);
    ck_assert_uint_eq(percent, 100);
    ck_assert_ptr_nonnull(made);
    free(job);
    return made;
}

lsm_volume *copy_make(lsm_pool *pool, lsm_volume *source, const char *name)
{
    return copy_finish(copy_start(pool, source, name, 0));
}

lsm_job *job_look(const char *id)
{
    lsm_job *job = NULL;
    FINE(lsm_job_get(world.conn, id, &job, 0));
    return job;
}

lsm_job_state job_state(const char *id)
{
    autojob lsm_job *job = job_look(id);
    return lsm_job_state_get(job);
}

static bool comes_to_be(const char *id, lsm_job_state state, unsigned ms)
{
    for (uint64_t end = now_ms() + ms; job_state(id) != state; sleep_ms(2))
        if (now_ms() >= end)
            return false;
    return true;
}

void job_await(const char *id, lsm_job_state state)
{
    ck_assert_msg(comes_to_be(id, state, 30000), "the job is %d, not %d", job_state(id), state);
}

uint32_t job_count(const char *key, const char *value)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    FINE(lsm_job_list(world.conn, key, value, &jobs, &count, 0));
    ck_assert_int_eq(jobs == NULL, count == 0);
    if (jobs)
        lsm_job_record_array_free(jobs, count);
    return count;
}

bool job_can_be(lsm_job_state state)
{
    return state != LSM_JOB_STATE_FAILED || backend->fail_job;
}

/* As many jobs run as there are processors; the one after them waits. */
static char *queued(lsm_volume *source, const char *name)
{
    for (int i = 0;; i++) {
        char numbered[100];
        snprintf(numbered, sizeof numbered, "%s-%d", name, i);
        autotext char *job = copy_start(NULL, source, numbered, HELD);
        if (!comes_to_be(job, LSM_JOB_STATE_RUNNING, 400))
            return strdup(job);
        ck_assert_int_lt(i, 64);
    }
}

char *job_in(lsm_job_state state, lsm_volume *source, const char *name)
{
    if (state == LSM_JOB_STATE_QUEUED)
        return queued(source, name);
    if (state == LSM_JOB_STATE_FAILED)
        return backend->fail_job(source, name);
    char *job = copy_start(NULL, source, name, state == LSM_JOB_STATE_DONE ? 0 : HELD);
    if (state == LSM_JOB_STATE_PAUSED)
        FINE(lsm_job_pause(world.conn, job, 0));
    if (state == LSM_JOB_STATE_CANCELLED)
        FINE(lsm_job_cancel(world.conn, job, 0));
    job_await(job, state);
    return job;
}
