/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists and their search keys. Nothing found is no failure: the array stays NULL. */
#include "suites.h"

static int find_volumes(const char *key, const char *value)
{
    lsm_volume **list = NULL;
    uint32_t count = 0;
    int rc = lsm_volume_list(world.conn, key, value, &list, &count, 0);
    if (list)
        lsm_volume_record_array_free(list, count);
    return rc;
}

static int find_pools(char *key, char *value)
{
    lsm_pool **list = NULL;
    uint32_t count = 0;
    int rc = lsm_pool_list(world.conn, key, value, &list, &count, 0);
    if (list)
        lsm_pool_record_array_free(list, count);
    return rc == OK ? (int)count : -rc;
}

static int find_jobs(const char *key, const char *value)
{
    lsm_job **list = NULL;
    uint32_t count = 0;
    int rc = lsm_job_list(world.conn, key, value, &list, &count, 0);
    if (list)
        lsm_job_record_array_free(list, count);
    return rc;
}

START_TEST(search_key_unknown_is_510)
{
    REFUSED_SAYING(find_volumes("nosuch", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "nosuch");
    REFUSED_SAYING(find_volumes("", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "key");
    REFUSED_SAYING(find_jobs("nosuch", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "nosuch");
    REFUSED_SAYING(find_jobs("source_volume_id", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "key");
    char name[] = "name", id[] = "id";
    REFUSED(-find_pools(name, id), LSM_ERR_UNSUPPORTED_SEARCH_KEY);
}
END_TEST

START_TEST(search_value_missing_is_101)
{
    char id[] = "id";
    REFUSED_SAYING(find_volumes("id", NULL), INVALID, "value");
    REFUSED_SAYING(find_jobs("id", NULL), INVALID, "value");
    REFUSED_SAYING(-find_pools(id, NULL), INVALID, "value");
}
END_TEST

START_TEST(search_nothing_found)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    static const char *const keys[] = {"id", "system_id", "pool_id", "name", "parent_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ck_assert_uint_eq(volume_count(keys[i], "nosuch"), 0);
        ck_assert_uint_eq(volume_count(keys[i], ""), 0);
    }
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
    char id[] = "id", value[] = "nosuch";
    ck_assert_int_eq(find_pools(id, value), 0);
}
END_TEST

START_TEST(search_volumes)
{
    autopool lsm_pool *other = pool_make("other");
    autovolume lsm_volume *a = volume_make("a", CLUSTER);
    autovolume lsm_volume *b = volume_make_in(other, "b", CLUSTER, THIN);
    autovolume lsm_volume *clone = clone_make(a, "clone");
    autovolume lsm_volume *grandchild = clone_make(clone, "grandchild");
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
    ck_assert_uint_eq(volume_count("id", lsm_volume_id_get(b)), 1);
    ck_assert_uint_eq(volume_count("name", "a"), 1);
    ck_assert_uint_eq(volume_count("system_id", lsm_volume_system_id_get(a)), 4);
    ck_assert_uint_eq(volume_count("pool_id", lsm_pool_id_get(other)), 1);
    ck_assert_uint_eq(volume_count("pool_id", lsm_pool_id_get(world.pool)), 3);
    autovolume lsm_volume *found = volume_with("parent_id", lsm_volume_id_get(a));
    ck_assert_str_eq(lsm_volume_name_get(found), "clone");
}
END_TEST

START_TEST(search_pools)
{
    autopool lsm_pool *other = pool_make("other");
    char id[] = "id", system_id[] = "system_id";
    ck_assert_int_eq(find_pools(NULL, NULL), 2);
    ck_assert_int_eq(find_pools(id, lsm_pool_id_get(other)), 1);
    ck_assert_int_eq(find_pools(system_id, lsm_pool_system_id_get(other)), 2);
}
END_TEST

/* Numbers in searches are decimal. */
START_TEST(search_jobs)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_key_set(options, "k");
    autovolume lsm_volume *made = NULL;
    char *job = NULL;
    STARTED(lsm_volume_replicate_with(world.conn, NULL, COPY, v, "c", options, &made, &job, 0));
    autotext char *id = strdup(job);
    made = copy_finish(job);
    autovolume lsm_volume *other = copy_make(NULL, v, "other");
    ck_assert_uint_eq(job_count(NULL, NULL), 2);
    ck_assert_uint_eq(job_count("id", id), 1);
    ck_assert_uint_eq(job_count("state", "4"), 2);
    ck_assert_uint_eq(job_count("state", "2"), 0);
    ck_assert_uint_eq(job_count("state", "04"), 0);
    ck_assert_uint_eq(job_count("kind", "1"), 2);
    ck_assert_uint_eq(job_count("kind", "COPY"), 0);
    ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(v)), 2);
    ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(made)), 1);
    ck_assert_uint_eq(job_count("key", "k"), 1);
    ck_assert_uint_eq(job_count("key", ""), 0);
}
END_TEST

TCase *search(void)
{
    TCase *tests = tcase_create("search");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, search_key_unknown_is_510);
    tcase_add_test(tests, search_value_missing_is_101);
    tcase_add_test(tests, search_nothing_found);
    tcase_add_test(tests, search_volumes);
    tcase_add_test(tests, search_pools);
    tcase_add_test(tests, search_jobs);
    return tests;
}
