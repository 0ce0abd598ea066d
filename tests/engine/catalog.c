/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A catalog that is newer, or whose rows cannot be believed, is refused by name. */
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "kit.h"
#include "engine/catalog.h"
#include "engine/volume.h"
#include "job/store.h"
#include "util/error.h"

#define POOL "00112233445566778899aabbccddeeff"
#define LAYER "0123456789abcdef0123456789abcdef"
#define VOLUME "60112233445566778899aabbccddeeff"
#define JOB "ff112233445566778899aabbccddeeff"
#define MEMBERS VOLUME " " LAYER " " JOB " " POOL

static struct catalog *catalog;

static void open_catalog(const struct pool_row *fresh)
{
    ck_assert_msg(catalog_open(kit_home.directory, fresh, &catalog) == OK, "%s",
                  error_pending_message());
}

static void reopen_refused(int code, const char *word)
{
    struct catalog *refused = NULL;
    ck_assert_int_eq(catalog_open(kit_home.directory, NULL, &refused), code);
    ck_assert_ptr_null(refused);
    kit_assert_error(code, word);
}

static void edit(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    ck_assert_int_eq(sqlite3_open(kit_path("pool.db"), &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void add_rows(void)
{
    struct layer_row layer = {.guid = LAYER, .state = LAYER_WRITABLE};
    struct volume_row volume = {.id = VOLUME,
                                .name = "volume",
                                .size = 1 << 20,
                                .provision = 1,
                                .admin_state = 1,
                                .ready = true};
    struct job_row job = {.id = JOB,
                          .source = VOLUME,
                          .target = VOLUME,
                          .kind = LSM_JOB_KIND_COPY,
                          .state = LSM_JOB_STATE_DONE,
                          .others = (char *)MEMBERS};
    ck_assert_int_eq(catalog_begin(catalog), OK);
    ck_assert_int_eq(catalog_layer_add(catalog, &layer), OK);
    volume.top = layer.row;
    ck_assert_int_eq(catalog_volume_add(catalog, &volume), OK);
    ck_assert_int_eq(catalog_tag_set(catalog, VOLUME, "key", "value"), OK);
    ck_assert_int_eq(catalog_hold_add(catalog, JOB, POOL, layer.row), OK);
    ck_assert_int_eq(job_store_put(catalog_database(catalog), &job), OK);
    ck_assert_int_eq(catalog_commit(catalog), OK);
}

static void make(void)
{
    struct pool_row pool = {.id = POOL, .limit_bytes = 12345, .created_ms = 678};
    kit_make();
    open_catalog(&pool);
    add_rows();
    catalog_close(catalog);
    catalog = NULL;
}

static void finish(void)
{
    catalog_close(catalog);
    kit_remove();
}

/* --- counting rows ---------------------------------------------------------------------------- */

static unsigned rows;

static int on_layer(void *argument, const struct layer_row *row)
{
    (void)argument;
    ck_assert_str_eq(row->guid, LAYER);
    rows++;
    return OK;
}

static int on_volume(void *argument, const struct volume_row *row)
{
    (void)argument;
    ck_assert_str_eq(row->id, VOLUME);
    rows++;
    return OK;
}

static int on_tag(void *argument, const char *volume, const char *key, const char *value)
{
    (void)argument;
    ck_assert_str_eq(volume, VOLUME);
    ck_assert_str_eq(key, "key");
    ck_assert_str_eq(value, "value");
    rows++;
    return OK;
}

static int on_hold(void *argument, const struct hold_row *row)
{
    (void)argument;
    ck_assert_str_eq(row->owner, JOB);
    rows++;
    return OK;
}

static int on_job(void *argument, struct job_row *row)
{
    (void)argument;
    ck_assert_str_eq(row->source, VOLUME);
    rows++;
    return OK;
}

static int read_all(void)
{
    rows = 0;
    int code = catalog_layers(catalog, on_layer, NULL);
    if (code == OK)
        code = catalog_volumes(catalog, on_volume, NULL);
    if (code == OK)
        code = catalog_tags(catalog, on_tag, NULL);
    if (code == OK)
        code = catalog_holds(catalog, on_hold, NULL);
    return code == OK ? job_store_each(catalog_database(catalog), on_job, NULL) : code;
}

START_TEST(rows_are_there_after_an_open)
{
    struct pool_row pool;
    open_catalog(NULL);
    ck_assert_int_eq(catalog_pool_get(catalog, &pool), OK);
    ck_assert_str_eq(pool.id, POOL);
    ck_assert_uint_eq(pool.limit_bytes, 12345);
    ck_assert_int_eq(read_all(), OK);
    ck_assert_uint_eq(rows, 5);
}
END_TEST

START_TEST(a_transaction_is_kept_whole_or_not_at_all)
{
    open_catalog(NULL);
    ck_assert_int_eq(catalog_begin(catalog), OK);
    ck_assert_int_eq(catalog_tag_set(catalog, VOLUME, "key", NULL), OK);
    ck_assert_int_eq(catalog_hold_remove(catalog, JOB), OK);
    ck_assert_int_eq(catalog_end(catalog, LSM_ERR_IO), LSM_ERR_IO);
    ck_assert_int_eq(read_all(), OK);
    ck_assert_uint_eq(rows, 5);
    ck_assert_int_eq(catalog_begin(catalog), OK);
    ck_assert_int_eq(catalog_hold_remove(catalog, JOB), OK);
    ck_assert_int_eq(catalog_end(catalog, OK), OK);
    catalog_close(catalog);
    open_catalog(NULL);
    ck_assert_int_eq(read_all(), OK);
    ck_assert_uint_eq(rows, 4);
}
END_TEST

START_TEST(a_newer_version_is_refused_by_name)
{
    edit("PRAGMA user_version = 77");
    reopen_refused(LSM_ERR_NO_SUPPORT, "77");
    edit("PRAGMA user_version = 0");
    reopen_refused(LSM_ERR_DAMAGED, "version 0");
}
END_TEST

static int on_older_job(void *argument, struct job_row *row)
{
    (void)argument;
    ck_assert_str_eq(row->id, JOB);
    ck_assert_ptr_null(row->others);
    rows++;
    return OK;
}

/* Before groups had jobs. */
START_TEST(an_older_version_is_upgraded)
{
    edit("ALTER TABLE job DROP COLUMN others; ALTER TABLE replication DROP COLUMN group_id;"
         "PRAGMA user_version = 1");
    for (int again = 0; again < 2; again++) {
        open_catalog(NULL);
        rows = 0;
        ck_assert_int_eq(job_store_each(catalog_database(catalog), on_older_job, NULL), OK);
        ck_assert_uint_eq(rows, 1);
        ck_assert_int_eq(read_all(), OK);
        ck_assert_uint_eq(rows, 5);
        catalog_close(catalog);
        catalog = NULL;
    }
    edit("UPDATE job SET others = '" MEMBERS "'");
}
END_TEST

static int on_group(void *argument, struct job_row *row)
{
    struct job_ends ends;
    (void)argument;
    ck_assert(job_row_member(row, 0, &ends));
    ck_assert_str_eq(ends.source, VOLUME);
    ck_assert_str_eq(ends.target, VOLUME);
    ck_assert(job_row_member(row, 1, &ends));
    ck_assert_str_eq(ends.source, VOLUME);
    ck_assert_str_eq(ends.target, LAYER);
    ck_assert(job_row_member(row, 2, &ends));
    ck_assert_str_eq(ends.source, JOB);
    ck_assert_str_eq(ends.target, POOL);
    ck_assert(!job_row_member(row, 3, &ends));
    rows++;
    return OK;
}

START_TEST(a_groups_job_keeps_its_members)
{
    open_catalog(NULL);
    rows = 0;
    ck_assert_int_eq(job_store_each(catalog_database(catalog), on_group, NULL), OK);
    ck_assert_uint_eq(rows, 1);
}
END_TEST

START_TEST(another_database_is_refused)
{
    edit("PRAGMA application_id = 1");
    reopen_refused(LSM_ERR_DAMAGED, "not a pool's catalog");
}
END_TEST

START_TEST(rubbish_is_refused)
{
    int fd = open(kit_path("pool.db"), O_WRONLY | O_CLOEXEC);
    char rubbish[4096];
    kit_fill(rubbish, sizeof rubbish);
    ck_assert_int_eq(pwrite(fd, rubbish, sizeof rubbish, 0), sizeof rubbish);
    close(fd);
    reopen_refused(LSM_ERR_DAMAGED, "pool.db");
}
END_TEST

START_TEST(a_pool_without_a_row_is_refused)
{
    struct pool_row pool;
    edit("DELETE FROM pool");
    open_catalog(NULL);
    ck_assert_int_eq(catalog_pool_get(catalog, &pool), LSM_ERR_DAMAGED);
    kit_assert_error(LSM_ERR_DAMAGED, "which pool");
}
END_TEST

static const struct {
    const char *sql, *table;
} damages[] = {
    {"UPDATE layer SET guid = 'short'", "layer"},
    {"UPDATE layer SET guid = '../../../../../../../../etc/pass'", "layer"},
    {"UPDATE layer SET guid = upper(guid)", "layer"},
    {"UPDATE layer SET state = 9", "layer"},
    {"UPDATE layer SET state = -1", "layer"},
    {"UPDATE layer SET below_limit = -4096", "layer"},
    {"UPDATE volume SET size = -4096", "volume"},
    {"UPDATE volume SET size = 0", "volume"},
    {"UPDATE volume SET size = 5000", "volume"},
    {"UPDATE volume SET size = 'many'", "volume"},
    {"UPDATE volume SET id = 'x'", "volume"},
    {"UPDATE volume SET parent = 'x'", "volume"},
    {"UPDATE hold SET pool = zeroblob(3)", "hold"},
    {"UPDATE hold SET owner = 'none'", "hold"},
    {"UPDATE job SET state = 77", "job"},
    {"UPDATE job SET state = 0", "job"},
    {"UPDATE job SET id = 'x'", "job"},
    {"UPDATE job SET target = printf('%100s', 'x')", "job"},
    {"UPDATE job SET total = -1", "job"},
    {"UPDATE job SET copied = -1", "job"},
    {"UPDATE job SET cursor = -1", "job"},
    {"UPDATE job SET kind = -1", "job"},
    {"UPDATE job SET others = ''", "job"},
    {"UPDATE job SET others = source", "job"},
    {"UPDATE job SET others = others || ' '", "job"},
    {"UPDATE job SET others = replace(others, ' ', ',')", "job"},
    {"UPDATE job SET others = upper(others)", "job"},
};

START_TEST(a_damaged_row_is_named)
{
    char sql[300];
    snprintf(sql, sizeof sql, "PRAGMA foreign_keys = OFF; %s", damages[_i].sql);
    edit(sql);
    open_catalog(NULL);
    ck_assert_msg(read_all() == LSM_ERR_DAMAGED, "accepted: %s", damages[_i].sql);
    kit_assert_error(LSM_ERR_DAMAGED, damages[_i].table);
}
END_TEST

/* Rows come in the order of their times, and a clone made in the same millisecond as its parent, or
 * by a clock that was set back, comes first. */
START_TEST(a_clone_is_counted_whichever_row_is_first)
{
    struct pool pool = {.home = kit_home};
    edit("UPDATE volume SET created_ms = 5;"
         "INSERT INTO volume SELECT '7' || substr(id, 2), 'clone', size, provision, admin_state,"
         " top, id, is_ready, NULL, NULL, 4 FROM volume");
    open_catalog(NULL);
    pool.catalog = catalog;
    struct layer *layer = layer_alloc(&kit_home, LAYER);
    layer->row = 1;
    ck_assert_int_eq(pool_layer_enter(&pool, layer), OK);
    ck_assert_int_eq(volumes_load(&pool), OK);
    ck_assert_str_eq(pool.volumes->name, "clone");
    ck_assert_uint_eq(volume_by_name(&pool, "volume")->clones, 1);
    ck_assert_uint_eq(volume_by_name(&pool, "clone")->clones, 0);
    volumes_free(&pool);
    struct layer_entry *entry = pool.layers;
    HASH_CLEAR(hh, pool.layers);
    free(entry);
    layer_free(layer);
}
END_TEST

TCase *test_catalog(void)
{
    TCase *tcase = tcase_create("catalog");
    tcase_add_checked_fixture(tcase, make, finish);
    tcase_add_test(tcase, rows_are_there_after_an_open);
    tcase_add_test(tcase, a_transaction_is_kept_whole_or_not_at_all);
    tcase_add_test(tcase, a_newer_version_is_refused_by_name);
    tcase_add_test(tcase, an_older_version_is_upgraded);
    tcase_add_test(tcase, a_groups_job_keeps_its_members);
    tcase_add_test(tcase, another_database_is_refused);
    tcase_add_test(tcase, rubbish_is_refused);
    tcase_add_test(tcase, a_pool_without_a_row_is_refused);
    tcase_add_test(tcase, a_clone_is_counted_whichever_row_is_first);
    tcase_add_loop_test(tcase, a_damaged_row_is_named, 0, sizeof damages / sizeof *damages);
    return tcase;
}
