/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing.h"
#include "world.h"

struct world world;

void world_fail(const char *file, int line, const char *what)
{
    lsm_error_ptr e = world.conn ? lsm_error_last_get(world.conn) : NULL;
    const char *last = e ? lsm_error_message_get(e) : "none";
    if (!world.in_child)
        ck_abort_msg("%s:%d: not so: %s\n  %s\n  last error: %d %s", file, line, what,
                     world.context, e ? (int)lsm_error_number_get(e) : 0, last);
    fprintf(stderr, "%s:%d (in the child): not so: %s\n  %s\n  last error: %d %s\n", file, line,
            what, world.context, e ? (int)lsm_error_number_get(e) : 0, last);
    _exit(97);
}

/* --- directories ------------------------------------------------------------------------------ */

void world_begin(void)
{
    void *memory =
        mmap(NULL, sizeof *world.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(memory != MAP_FAILED);
    world.shared = memory;
}

void world_make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    if (!parent) /* nothing here outlives a power cut, nor has to */
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir;
    snprintf(world.directory, sizeof world.directory, "%s/replicant-faults-XXXXXX", parent);
    MUST(mkdtemp(world.directory) != NULL);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat, (void)type, (void)place;
    return remove(path);
}

void world_remove_directory(void)
{
    nftw(world.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
    static char buffer[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    MUST(in >= 0 && out >= 0);
    off_t end = lseek(in, 0, SEEK_END), data = 0;
    MUST(ftruncate(out, end) == 0);
    while ((data = lseek(in, data, SEEK_DATA)) >= 0 && data < end) {
        off_t hole = lseek(in, data, SEEK_HOLE);
        while (data < hole) {
            size_t n = hole - data < (off_t)sizeof buffer ? (size_t)(hole - data) : sizeof buffer;
            MUST(pread(in, buffer, n, data) == (ssize_t)n);
            MUST(pwrite(out, buffer, n, data) == (ssize_t)n);
            data += (off_t)n;
        }
    }
    close(in);
    close(out);
}

static const char *copied_from;

static int copy_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat;
    char to[600];
    snprintf(to, sizeof to, "%s%s", world.directory, path + strlen(copied_from));
    if (type == FTW_D && place->level > 0)
        MUST(mkdir(to, 0700) == 0);
    else if (type == FTW_F)
        copy_file(path, to);
    return 0;
}

void world_copy_directory(const char *from)
{
    world_make_directory();
    copied_from = from;
    MUST(nftw(from, copy_one, 16, FTW_PHYS) == 0);
}

/* --- the root --------------------------------------------------------------------------------- */

static void keep(lsm_error_ptr e, int code, struct outcome *outcome)
{
    *outcome = (struct outcome){.code = code};
    if (!e)
        return;
    MUST((int)lsm_error_number_get(e) == code);
    outcome->sys_errno = lsm_error_errno_get(e);
    snprintf(outcome->message, sizeof outcome->message, "%s", lsm_error_message_get(e));
    lsm_error_free(e);
}

int world_connect(struct outcome *outcome)
{
    char uri[300];
    lsm_error_ptr e = NULL;
    snprintf(uri, sizeof uri, "dir://%s", world.directory);
    int code = lsm_connect_password(uri, NULL, &world.conn, 30000, &e, 0);
    keep(e, code, outcome);
    return code;
}

void world_open(void)
{
    struct outcome outcome;
    if (world_connect(&outcome) != LSM_ERR_OK) {
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, "; the root does not open: %d %s",
                 outcome.code, outcome.message);
        MUST(!"opened");
    }
}

void world_close(void)
{
    MUST(lsm_connect_close(world.conn, 0) == LSM_ERR_OK);
    world.conn = NULL;
}

int world_outcome(int code, struct outcome *outcome)
{
    failing_exempt(true);
    keep(code == LSM_ERR_OK || code == LSM_ERR_JOB_STARTED ? NULL : lsm_error_last_get(world.conn),
         code, outcome);
    failing_exempt(false);
    return code;
}

lsm_job *world_job_end(const char *id)
{
    lsm_job *job = NULL;
    int code;
    for (int i = 0; (code = lsm_job_wait(world.conn, id, 20, &job, 0)) == LSM_ERR_TIMEOUT; i++) {
        MUST(i < 3000);
        MUST(lsm_job_get(world.conn, id, &job, 0) == LSM_ERR_OK);
        if (lsm_job_error_message_get(job))
            failing_disarm();
        lsm_job_record_free(job);
        job = NULL;
    }
    MUST(code == LSM_ERR_OK);
    return job;
}

int world_outcome_of_job(const char *id, struct outcome *outcome)
{
    failing_exempt(true);
    lsm_job *job = world_job_end(id);
    lsm_job_state state = lsm_job_state_get(job);
    *outcome = (struct outcome){.code = (int)lsm_job_error_number_get(job), .of_job = true};
    const char *message = lsm_job_error_message_get(job);
    snprintf(outcome->message, sizeof outcome->message, "%s", message ? message : "");
    MUST((state == LSM_JOB_STATE_DONE) == (outcome->code == LSM_ERR_OK));
    MUST(state == LSM_JOB_STATE_DONE || state == LSM_JOB_STATE_FAILED);
    MUST(lsm_job_bytes_done_get(job) <= lsm_job_bytes_total_get(job));
    lsm_job_record_free(job);
    failing_exempt(false);
    return outcome->code;
}

static bool is_pool(lsm_pool *pool, const char *name)
{
    return strcmp(lsm_pool_name_get(pool), name) == 0;
}

lsm_pool *world_pool(const char *name)
{
    lsm_pool **pools = NULL, *found = NULL;
    uint32_t count = 0;
    failing_exempt(true);
    MUST(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0) == LSM_ERR_OK);
    for (uint32_t i = 0; i < count; i++)
        if (is_pool(pools[i], name))
            found = lsm_pool_record_copy(pools[i]);
    if (count)
        lsm_pool_record_array_free(pools, count);
    failing_exempt(false);
    return found;
}

lsm_volume *world_volume(const char *name, const char *pool_name)
{
    lsm_volume **volumes = NULL, *found = NULL;
    uint32_t count = 0;
    failing_exempt(true);
    lsm_pool *pool = world_pool(pool_name);
    MUST(pool != NULL);
    MUST(lsm_volume_list(world.conn, "name", name, &volumes, &count, 0) == LSM_ERR_OK);
    for (uint32_t i = 0; i < count; i++) {
        char *pool_id = lsm_volume_pool_id_get(volumes[i]);
        if (strcmp(pool_id, lsm_pool_id_get(pool)) == 0)
            found = lsm_volume_record_copy(volumes[i]);
    }
    if (count)
        lsm_volume_record_array_free(volumes, count);
    lsm_pool_record_free(pool);
    failing_exempt(false);
    return found;
}

lsm_volume_io *world_io(const char *name)
{
    lsm_volume_io *io = NULL;
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    MUST(volume != NULL);
    MUST(lsm_volume_io_open(world.conn, volume, &io, 0) == LSM_ERR_OK);
    lsm_volume_record_free(volume);
    return io;
}

void world_make_pool(const char *name)
{
    lsm_pool *pool = NULL;
    MUST(lsm_pool_create(world.conn, name, NULL, 0, &pool, 0) == LSM_ERR_OK);
    lsm_pool_record_free(pool);
}

void world_make_volume(const char *name, const char *pool_name, uint64_t size,
                       lsm_volume_provision_type provision)
{
    lsm_pool *pool = world_pool(pool_name);
    lsm_volume *made = NULL;
    char *job = NULL;
    MUST(lsm_volume_create(world.conn, pool, name, size, provision, &made, &job, 0) == LSM_ERR_OK);
    lsm_volume_record_free(made);
    lsm_pool_record_free(pool);
}

lsm_replication *world_relation(void)
{
    lsm_replication **list = NULL, *r = NULL;
    uint32_t count = 0;
    MUST(lsm_replication_list(world.conn, NULL, NULL, &list, &count, 0) == LSM_ERR_OK);
    MUST(count <= 1);
    if (count) {
        r = lsm_replication_record_copy(list[0]);
        lsm_replication_record_array_free(list, count);
    }
    return r;
}

void world_relation_id(char id[80])
{
    lsm_replication *r = world_relation();
    snprintf(id, 80, "%s", r ? lsm_replication_id_get(r) : "");
    if (r)
        lsm_replication_record_free(r);
}

void world_lose_instant(const char *pool)
{
    char path[300];
    sqlite3 *db = NULL;
    world_close();
    snprintf(path, sizeof path, "%s/%s/pool.db", world.directory, pool);
    MUST(sqlite3_open(path, &db) == SQLITE_OK);
    MUST(sqlite3_exec(db,
                      "UPDATE layer SET generation = lower(hex(randomblob(16)))"
                      " WHERE row IN (SELECT layer FROM hold)",
                      NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_close(db) == SQLITE_OK);
    world_open();
}

int world_replication_state(const char *id)
{
    lsm_replication *r = NULL;
    MUST(lsm_replication_get(world.conn, id, &r, 0) == LSM_ERR_OK);
    int now = (int)lsm_replication_state_get(r);
    lsm_replication_record_free(r);
    return now;
}

void world_write(lsm_volume_io *io, struct content *content, uint64_t offset, uint64_t count,
                 unsigned seed)
{
    content_fill(content->bytes + offset, count, seed);
    MUST(lsm_volume_io_pwrite(io, content->bytes + offset, count, offset, 0) == LSM_ERR_OK);
}

/* --- the model -------------------------------------------------------------------------------- */

struct content *content_find(const char *name, const char *pool)
{
    for (int i = 0; i < CONTENTS; i++) {
        struct content *c = &world.shared->contents[i];
        if (c->size && strcmp(c->name, name) == 0 && (!pool || strcmp(c->pool, pool) == 0))
            return c;
    }
    return NULL;
}

struct content *content_get(const char *name)
{
    struct content *content = content_find(name, NULL);
    MUST(content != NULL);
    return content;
}

struct content *content_new(const char *name, const char *pool, uint64_t size)
{
    struct content *c = world.shared->contents;
    while (c->size)
        MUST(++c < world.shared->contents + CONTENTS);
    MUST(size <= CONTENT_MAX);
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->pool, sizeof c->pool, "%s", pool);
    c->size = size;
    c->torn = c->unsynced = false;
    memset(c->bytes, 0, sizeof c->bytes);
    return c;
}

void content_fill(unsigned char *bytes, uint64_t count, unsigned seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;
    for (uint64_t i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (unsigned char)(x >> 24);
    }
}

void content_doubt(struct content *content, uint64_t offset, const unsigned char *bytes,
                   uint64_t count)
{
    if (!content->torn && !content->unsynced)
        memcpy(content->other, content->bytes, content->size);
    memcpy(content->bytes + offset, bytes, count);
    content->torn = true;
}

void content_settle(struct content *content)
{
    content->torn = content->unsynced = false;
}

static bool matches(const struct content *c, const unsigned char *bytes, bool died)
{
    if (memcmp(bytes, c->bytes, c->size) == 0)
        return true;
    if (!c->torn && !(c->unsynced && died))
        return false;
    for (uint64_t i = 0; i < c->size; i++)
        if (bytes[i] != c->bytes[i] && bytes[i] != c->other[i])
            return false;
    return true;
}

static void describe(const struct content *c, const unsigned char *bytes)
{
    uint64_t i = 0, n = 0;
    for (uint64_t k = c->size; k-- > 0;)
        if (bytes[k] != c->bytes[k]) {
            i = k;
            n++;
        }
    size_t at = strlen(world.context);
    snprintf(world.context + at, sizeof world.context - at,
             "; «%s» differs in %llu bytes from %llu on: %02x for %02x", c->name,
             (unsigned long long)n, (unsigned long long)i, bytes[i], c->bytes[i]);
}

static void check_volume(lsm_volume *volume, struct content *content, bool died)
{
    static unsigned char bytes[CONTENT_MAX];
    lsm_volume_io *io = NULL;
    uint64_t size = lsm_volume_number_of_blocks_get(volume) * lsm_volume_block_size_get(volume);
    MUST(size == content->size);
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == LSM_ERR_OK);
    MUST(lsm_volume_io_size_get(io) == size);
    MUST(lsm_volume_io_pread(io, bytes, size, 0, 0) == LSM_ERR_OK);
    if (!matches(content, bytes, died)) {
        describe(content, bytes);
        MUST(!"the bytes that must be there");
    }
    if (died) { /* what was in doubt is not any more */
        memcpy(content->bytes, bytes, size);
        content_settle(content);
    }
    MUST(lsm_volume_io_close(io, 0) == LSM_ERR_OK);
}

void world_check(bool died)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0, expected = 0;
    for (int i = 0; i < CONTENTS; i++) {
        struct content *content = &world.shared->contents[i];
        if (!content->size)
            continue;
        expected++;
        lsm_volume *volume = world_volume(content->name, content->pool);
        if (!volume) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; «%s» is gone", content->name);
        }
        MUST(volume != NULL);
        check_volume(volume, content, died);
        lsm_volume_record_free(volume);
    }
    MUST(lsm_volume_list(world.conn, NULL, NULL, &volumes, &count, 0) == LSM_ERR_OK);
    MUST(count == expected);
    if (count)
        lsm_volume_record_array_free(volumes, count);
}

/* --- jobs ------------------------------------------------------------------------------------- */

void world_end_jobs(void)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    MUST(lsm_job_list(world.conn, NULL, NULL, &jobs, &count, 0) == LSM_ERR_OK);
    for (uint32_t i = 0; i < count; i++) {
        const char *id = lsm_job_id_get(jobs[i]);
        if (lsm_job_state_get(jobs[i]) >= LSM_JOB_STATE_DONE)
            continue;
        lsm_job_rate_limit_set(world.conn, id, 0, 0);
        lsm_job_resume(world.conn, id, 0);
        lsm_job *ended = world_job_end(id);
        MUST(lsm_job_state_get(ended) == LSM_JOB_STATE_DONE);
        lsm_job_record_free(ended);
    }
    if (count)
        lsm_job_record_array_free(jobs, count);
}

/* --- files ------------------------------------------------------------------------------------ */

static int64_t query(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    MUST(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    MUST(sqlite3_step(s) == SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

static void check_files(const char *pool)
{
    char path[700], sql[200];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/pool.db", pool);
    MUST(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    int64_t bases = query(db, "SELECT count(*) FROM layer WHERE below IS NULL AND state > 0");
    int64_t others = query(db, "SELECT count(*) FROM layer WHERE below IS NOT NULL OR state = 0");
    int64_t files = 0;
    snprintf(path, sizeof path, "%s/layers", pool);
    DIR *directory = opendir(path);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        files++;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM layer WHERE guid = '%.32s'", e->d_name);
        if (query(db, sql) != 1) {
            size_t n = strlen(world.context);
            snprintf(world.context + n, sizeof world.context - n, "; left over: %s", e->d_name);
            MUST(!"named by a row");
        }
    }
    closedir(directory);
    MUST(files == bases + 2 * others);
    /* And the rows hang together: nothing stands alone but spares. */
    MUST(query(db, "SELECT count(*) FROM layer WHERE state > 0 AND row NOT IN"
                   " (SELECT top FROM volume UNION SELECT below FROM layer WHERE below IS NOT NULL"
                   " UNION SELECT layer FROM hold)") == 0);
    MUST(query(db, "SELECT count(*) FROM hold") == 0);
    MUST(query(db, "SELECT count(*) FROM volume WHERE NOT is_ready") == 0);
    MUST(query(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") ==
         0);
    sqlite3_close(db);
}

void world_check_files(void)
{
    DIR *directory = opendir(world.directory);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        char path[600];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s/pool.db", world.directory, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", world.directory, e->d_name);
        check_files(path);
    }
    closedir(directory);
}

/* --- running ---------------------------------------------------------------------------------- */

int world_run(const char *suite_name, TCase *tests)
{
    Suite *suite = suite_create(suite_name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
