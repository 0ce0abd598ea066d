/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any change of the rows of a root's catalogs, as SQL; half of the statements are made for the
 * other pool. The root is then refused with an error that names something, or opened; each volume
 * in it is read or refused, the rest of it works, and the next open says what this one said.
 */
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <replicant/replicant.h>

#include "fuzz.h"

#define MIB (1u << 20)
#define VOLUME_MAX (16u * MIB) /* what is larger is not read to its end */

static char scratch[64], template[96], root[96], uri[112];

/* --- the root --------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st, (void)type, (void)place;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void command(const char *format, const char *from, const char *to)
{
    char line[512];
    snprintf(line, sizeof line, format, from, to);
    MUST(system(line) == 0);
}

void fuzz_end(void)
{
    if (scratch[0])
        remove_tree(scratch);
    scratch[0] = '\0';
}

static void unpack(void)
{
    snprintf(scratch, sizeof scratch, "%s/replicant-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir);
    MUST(mkdtemp(scratch));
    snprintf(template, sizeof template, "%s/template", scratch);
    snprintf(root, sizeof root, "%s/root", scratch);
    snprintf(uri, sizeof uri, "dir://%s", root);
    MUST(mkdir(template, 0700) == 0);
    command("tar xzf '%s' -C '%s'", FORMAT, template);
}

static void execute(const char *pool, const char *sql)
{
    char path[160];
    sqlite3 *db;
    sqlite3_stmt *statement;
    snprintf(path, sizeof path, "%s/%s/pool.db", root, pool);
    MUST(sqlite3_open(path, &db) == SQLITE_OK);
    while (*sql) { /* what is no SQL, or breaks a constraint, is left out */
        const char *rest = NULL;
        if (sqlite3_prepare_v2(db, sql, -1, &statement, &rest) == SQLITE_OK && statement)
            while (sqlite3_step(statement) == SQLITE_ROW)
                ;
        sqlite3_finalize(statement);
        if (!rest || rest == sql)
            break;
        sql = rest;
    }
    sqlite3_close(db);
}

/* --- what must hold --------------------------------------------------------------------------- */

static void check_named(lsm_error_ptr e, int code)
{
    MUST(e && (int)lsm_error_number_get(e) == code);
    MUST(lsm_error_message_get(e)[0] && lsm_error_object_get(e));
    if (code != LSM_ERR_DAMAGED && code != LSM_ERR_NO_SUPPORT)
        fprintf(stderr, "%d %s\n", code, lsm_error_message_get(e));
    MUST(code == LSM_ERR_DAMAGED || code == LSM_ERR_NO_SUPPORT);
}

static void check_refusal(lsm_connect *conn, int code)
{
    lsm_error_ptr e = lsm_error_last_get(conn);
    check_named(e, code);
    lsm_error_free(e);
}

static void read_whole(lsm_connect *conn, lsm_volume *volume)
{
    static char buffer[MIB];
    lsm_volume_io *io = NULL;
    int code = lsm_volume_io_open(conn, volume, &io, LSM_VOLUME_IO_READ_ONLY);
    if (code != LSM_ERR_OK) {
        if (code != LSM_ERR_NOT_FOUND_VOLUME) /* a job that failed took it away */
            check_refusal(conn, code);
        return;
    }
    uint64_t size = lsm_volume_io_size_get(io);
    for (uint64_t at = 0; at < size && at < VOLUME_MAX; at += MIB) {
        uint64_t much = size - at < MIB ? size - at : MIB;
        if (lsm_volume_io_pread(io, buffer, much, at, 0) != LSM_ERR_OK)
            break;
    }
    MUST(lsm_volume_io_close(io, 0) == LSM_ERR_OK);
}

static void read_all(lsm_connect *conn)
{
    lsm_volume **volumes = NULL;
    lsm_replication **mirrors = NULL;
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    MUST(lsm_volume_list(conn, NULL, NULL, &volumes, &count, 0) == LSM_ERR_OK);
    for (uint32_t i = 0; i < count; i++)
        read_whole(conn, volumes[i]);
    if (count)
        lsm_volume_record_array_free(volumes, count);
    MUST(lsm_replication_list(conn, NULL, NULL, &mirrors, &count, 0) == LSM_ERR_OK);
    if (count)
        lsm_replication_record_array_free(mirrors, count);
    MUST(lsm_job_list(conn, NULL, NULL, &jobs, &count, 0) == LSM_ERR_OK);
    if (count)
        lsm_job_record_array_free(jobs, count);
}

/* In a pool of its own: a damaged one may be as full as its rows say. */
static void check_usable(lsm_connect *conn)
{
    lsm_pool *pool = NULL;
    lsm_volume *volume = NULL, *clone = NULL;
    char *job = NULL;
    MUST(lsm_pool_create(conn, "another", NULL, 0, &pool, 0) == LSM_ERR_OK);
    MUST(lsm_volume_create(conn, pool, "new", MIB, LSM_VOLUME_PROVISION_THIN, &volume, &job, 0) ==
         LSM_ERR_OK);
    MUST(lsm_volume_replicate(conn, NULL, LSM_VOLUME_REPLICATE_CLONE, volume, "newer", &clone,
                              &job, 0) == LSM_ERR_OK);
    MUST(lsm_volume_delete(conn, clone, &job, 0) == LSM_ERR_OK);
    MUST(lsm_volume_delete(conn, volume, &job, 0) == LSM_ERR_OK);
    MUST(lsm_pool_delete(conn, pool, 0) == LSM_ERR_OK);
    lsm_volume_record_free(clone);
    lsm_volume_record_free(volume);
    lsm_pool_record_free(pool);
}

static int look(void)
{
    lsm_connect *conn = NULL;
    lsm_error_ptr e = NULL;
    int code = lsm_connect_password(uri, NULL, &conn, 60000, &e, 0);
    if (code != LSM_ERR_OK) {
        check_named(e, code);
        lsm_error_free(e);
        return code;
    }
    read_all(conn);
    check_usable(conn);
    MUST(lsm_connect_close(conn, 0) == LSM_ERR_OK);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!scratch[0])
        unpack();
    char *sql = malloc(size + 1);
    MUST(sql);
    memcpy(sql, data, size);
    sql[size] = '\0';
    command("cp -a --sparse=always '%s' '%s'", template, root);
    execute("default", sql);
    execute("second", strncmp(sql, "--both", 6) == 0 ? sql : "");
    int code = look();
    MUST(look() == code);
    remove_tree(root);
    free(sql);
    return 0;
}

/* --- statements ------------------------------------------------------------------------------- */

static const char *const columns[][2] = {
    {"layer", "row"},          {"layer", "guid"},         {"layer", "state"},
    {"layer", "below"},        {"layer", "below_limit"},  {"layer", "is_full"},
    {"layer", "generation"},   {"volume", "id"},          {"volume", "name"},
    {"volume", "size"},        {"volume", "provision"},   {"volume", "admin_state"},
    {"volume", "top"},         {"volume", "parent"},      {"volume", "is_ready"},
    {"volume", "key"},         {"volume", "request"},     {"hold", "owner"},
    {"hold", "pool"},          {"hold", "layer"},         {"replication", "id"},
    {"replication", "side"},   {"replication", "peer"},   {"replication", "source"},
    {"replication", "target"}, {"replication", "type"},   {"replication", "state"},
    {"replication", "epoch"},  {"replication", "generation"}, {"replication", "on_error"},
    {"replication", "interval_ms"}, {"replication", "diverged"}, {"job", "id"},
    {"job", "kind"},           {"job", "state"},          {"job", "source"},
    {"job", "target"},         {"job", "total"},          {"job", "copied"},
    {"job", "cursor"},         {"job", "detail"},         {"job", "verify"},
    {"pool", "id"},            {"pool", "limit_bytes"},   {"tag", "key"},
    {"tag", "value"}};
#define COLUMNS (sizeof columns / sizeof *columns)

static const char *const values[] = {
    "NULL", "0", "1", "2", "3", "7", "-1", "511", "512", "4096", "65536", "2147483648",
    "9223372036854775807", "-9223372036854775808", "1.5", "''", "'x'", "'../../etc/passwd'",
    "'0123456789abcdef0123456789abcdef'", "x'00ff'", "zeroblob(5000)",
    "CAST(x'c328' AS TEXT)"};
#define VALUES (sizeof values / sizeof *values)

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max)
{
    (void)size;
    char *text = (char *)data;
    size_t length = (size_t)snprintf(text, max, "%s", fuzz_random(2) ? "--both\n" : "");
    for (uint32_t times = 1 + fuzz_random(3); times > 0; times--) {
        const char *const *column = columns[fuzz_random(COLUMNS)];
        char where[64], other[128];
        snprintf(where, sizeof where, "ORDER BY random() LIMIT %u", 1 + fuzz_random(3));
        snprintf(other, sizeof other, "(SELECT %s FROM %s ORDER BY random() LIMIT 1)", column[1],
                 column[0]);
        const char *value = fuzz_random(3) ? values[fuzz_random(VALUES)] : other;
        const char *format =
            fuzz_random(8)
                ? "UPDATE OR IGNORE %1$s SET %2$s = %3$s WHERE (%2$s) IN (SELECT %2$s FROM %1$s"
                  " %4$s);\n"
                : "DELETE FROM %1$s WHERE (%2$s) IN (SELECT %2$s FROM %1$s %4$s);\n";
        int more = snprintf(text + length, max - length, format, column[0], column[1], value, where);
        length += (size_t)more < max - length ? (size_t)more : 0;
    }
    return length;
}
