/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is refused before the backend is asked: which argument the error names, and in which order
 * they are looked at. Nothing that is refused touches an output. */
#include "root.h"

#define NO_TYPE ((lsm_replication_type)99)
#define CLONE LSM_VOLUME_REPLICATE_CLONE

static char *job;
static lsm_volume *volume, **volumes;
static uint32_t count = 7;

static void assert_untouched(void)
{
    ck_assert(!job && !volume && !volumes && count == 7);
}

/* Everything is wrong at first; each line mends the argument that the one before was refused for.
 */
START_TEST(replicate_looks_at_its_arguments_in_order)
{
    lsm_pool *no_pool = (lsm_pool *)root_volume;
    lsm_volume *no_volume = (lsm_volume *)root_pool, *taken = root_volume;

#define REPLICATE(pool, source, name, out, job_out, flags)                                         \
    lsm_volume_replicate(root_conn, pool, NO_TYPE, source, name, out, job_out, flags)
    root_assert_error(REPLICATE(no_pool, no_volume, "", &taken, NULL, 1), INVALID, "`pool`");
    root_assert_error(REPLICATE(NULL, no_volume, "", &taken, NULL, 1), INVALID, "`volume_src`");
    root_assert_error(REPLICATE(NULL, NULL, "", &taken, NULL, 1), INVALID, "`volume_src`");
    root_assert_error(REPLICATE(NULL, root_volume, "", &taken, NULL, 1), INVALID, "`name`");
    root_assert_error(REPLICATE(NULL, root_volume, NULL, &taken, NULL, 1), INVALID, "`name`");
    root_assert_error(REPLICATE(NULL, root_volume, "n", &taken, NULL, 1), INVALID,
                      "`new_replicant`");
    root_assert_error(REPLICATE(NULL, root_volume, "n", NULL, NULL, 1), INVALID, "`new_replicant`");
    root_assert_error(REPLICATE(NULL, root_volume, "n", &volume, NULL, 1), INVALID, "`job`");
    root_assert_error(REPLICATE(NULL, root_volume, "n", &volume, &job, 1), INVALID, "`flags`");
    root_assert_error(REPLICATE(NULL, root_volume, "n", &volume, &job, 0), INVALID, "`rep_type`");
    ck_assert_ptr_eq(taken, root_volume);
    assert_untouched();
}
END_TEST

START_TEST(unknown_types_are_refused)
{
    static const int types[] = {-1, 0, 1, 6, 99, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        lsm_replication_type type = (lsm_replication_type)types[i];
        root_assert_error(
            lsm_volume_replicate(root_conn, NULL, type, root_volume, "n", &volume, &job, 0),
            INVALID, "`rep_type`");
    }
    assert_untouched();
}
END_TEST

START_TEST(options_must_be_options)
{
    lsm_replicate_options *none = rubbish();
    root_assert_error(
        lsm_volume_replicate_with(root_conn, NULL, CLONE, root_volume, "n", none, &volume, &job, 0),
        INVALID, "`options`");
    free(none);
    assert_untouched();
}
END_TEST

START_TEST(a_group_must_have_members)
{
    lsm_volume *twice[] = {root_volume, root_volume}, *one[] = {root_volume, NULL};
    const char *names[] = {"a", "b"}, *bad_names[] = {"a", ""};

#define GROUP(sources, names, n)                                                                   \
    lsm_volume_group_replicate(root_conn, NULL, CLONE, sources, names, n, NULL, &volumes, &count,  \
                               &job, 0)
    root_assert_error(GROUP(NULL, names, 1), INVALID, "`volume_srcs`");
    root_assert_error(GROUP(one, NULL, 1), INVALID, "`names`");
    root_assert_error(GROUP(one, names, 0), INVALID, "`count`");
    root_assert_error(GROUP(one, names, 2), INVALID, "place 1");
    root_assert_error(GROUP(twice, names, 2), INVALID, "places 0 and 1");
    root_assert_error(GROUP(one, bad_names + 1, 1), INVALID, "`names`");
    assert_untouched();
}
END_TEST

struct bad_name {
    const char *name;
    const char *why;
};

static const struct bad_name bad_names[] = {
    {"", "empty"},
    {"\t", "control character at byte 0"},
    {"ab\n", "control character at byte 2"},
    {"a\x7f", "control character at byte 1"},
    {"\xc3\xa4\xc2\x80", "control character at byte 2"},
    {"a\xc2\x9f", "control character at byte 1"},
    {"a\x80", "not UTF-8 at byte 1"},
    {"ab\xc3", "not UTF-8 at byte 2"},
    {"\xc0\x80", "not UTF-8 at byte 0"},
    {"\xed\xa0\x80", "not UTF-8 at byte 0"},
    {"\xf5\x80\x80\x80", "not UTF-8 at byte 0"},
};

START_TEST(names_follow_the_rule)
{
    const struct bad_name *bad = &bad_names[_i];
    root_assert_error(lsm_volume_create(root_conn, root_pool, bad->name, 4096,
                                        LSM_VOLUME_PROVISION_THIN, &volume, &job, 0),
                      INVALID, bad->why);
    root_assert_error(lsm_volume_rename(root_conn, root_volume, bad->name, &volume, 0), INVALID,
                      bad->why);
    root_assert_error(
        lsm_volume_replicate(root_conn, NULL, CLONE, root_volume, bad->name, &volume, &job, 0),
        INVALID, bad->why);
    assert_untouched();
}
END_TEST

/* 255 bytes are a name, 256 are none; the bound counts bytes, not characters. */
START_TEST(names_are_bounded_in_bytes)
{
    char name[257];
    for (size_t i = 0; i < 256; i += 2)
        memcpy(name + i, "\xc3\xa4", 2);
    name[256] = '\0';
    root_assert_error(lsm_volume_rename(root_conn, root_volume, name, &volume, 0), INVALID,
                      "longer than 255 bytes");
    memcpy(name + 254, "x", 2);
    ck_assert_int_eq(lsm_volume_rename(root_conn, root_volume, name, &volume, 0), OK);
    ck_assert_str_eq(lsm_volume_name_get(volume), name);
    lsm_volume_record_free(volume);
    volume = NULL;
}
END_TEST

START_TEST(sizes_are_neither_zero_nor_past_the_end_of_numbers)
{
    static const uint64_t sizes[] = {0, UINT64_MAX, UINT64_MAX - 4094};
    for (int i = 0; i < 3; i++) {
        root_assert_error(lsm_volume_create(root_conn, root_pool, "n", sizes[i],
                                            LSM_VOLUME_PROVISION_THIN, &volume, &job, 0),
                          INVALID, "`size_bytes`");
        root_assert_error(lsm_volume_resize(root_conn, root_volume, sizes[i], &volume, &job, 0),
                          INVALID, "`new_size_bytes`");
    }
    assert_untouched();
}
END_TEST

START_TEST(provisioning_is_one_of_three)
{
    static const int types[] = {-1, 0, 4};
    for (int i = 0; i < 3; i++)
        root_assert_error(lsm_volume_create(root_conn, root_pool, "n", 4096,
                                            (lsm_volume_provision_type)types[i], &volume, &job, 0),
                          INVALID, "`provisioning`");
    assert_untouched();
}
END_TEST

START_TEST(search_keys)
{
#define LIST(key, value) lsm_volume_list(root_conn, key, value, &volumes, &count, 0)
    root_assert_error(LIST("nosuch", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "nosuch");
    root_assert_error(LIST("", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "key");
    root_assert_error(LIST("ID", "x"), LSM_ERR_UNSUPPORTED_SEARCH_KEY, "ID");
    root_assert_error(LIST("id", NULL), INVALID, "`value`");
    root_assert_error(LIST("nosuch", NULL), INVALID, "`value`");
    assert_untouched();
    ck_assert_int_eq(LIST("id", "nosuch"), OK);
    ck_assert_ptr_null(volumes);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(LIST(NULL, "ignored"), OK);
    ck_assert_uint_eq(count, 1);
    lsm_volume_record_array_free(volumes, count);
}
END_TEST

START_TEST(job_ids)
{
    lsm_job_status status;
    lsm_job *record = NULL;
    uint8_t percent;

    root_assert_error(lsm_job_status_get(root_conn, NULL, &status, &percent, 0), INVALID, "job_id");
    root_assert_error(lsm_job_status_get(root_conn, "", &status, &percent, 0),
                      LSM_ERR_NOT_FOUND_JOB, "empty");
    root_assert_error(lsm_job_get(root_conn, NULL, &record, 0), INVALID, "job_id");
    root_assert_error(lsm_job_get(root_conn, "", &record, 0), LSM_ERR_NOT_FOUND_JOB, "empty");
    root_assert_error(lsm_job_wait(root_conn, "", 0, &record, 0), LSM_ERR_NOT_FOUND_JOB, "empty");
    root_assert_error(lsm_job_free(root_conn, NULL, 0), INVALID, "`job`");
    root_assert_error(lsm_job_free(root_conn, &job, 0), INVALID, "`*job`");
    job = strdup("");
    root_assert_error(lsm_job_free(root_conn, &job, 0), LSM_ERR_NOT_FOUND_JOB, "empty");
    ck_assert_str_eq(job, "");
    free(job);
    job = NULL;
}
END_TEST

START_TEST(the_timeout_is_kept_and_never_zero)
{
    uint32_t ms = 0;
    root_assert_error(lsm_connect_timeout_set(root_conn, 0, 0), INVALID, "`timeout_ms`");
    ck_assert_int_eq(lsm_connect_timeout_get(root_conn, &ms, 0), OK);
    ck_assert_uint_eq(ms, 30000);
    ck_assert_int_eq(lsm_connect_timeout_set(root_conn, 5000, 0), OK);
    ck_assert_int_eq(lsm_connect_timeout_get(root_conn, &ms, 0), OK);
    ck_assert_uint_eq(ms, 5000);
    root_assert_error(lsm_connect_timeout_get(root_conn, NULL, 0), INVALID, "`timeout_ms`");
    root_assert_error(lsm_connect_close(root_conn, 1), INVALID, "`flags`");
}
END_TEST

TCase *test_arguments(void)
{
    TCase *tests = tcase_create("arguments");
    tcase_add_checked_fixture(tests, root_make, root_remove);
    tcase_add_test(tests, replicate_looks_at_its_arguments_in_order);
    tcase_add_test(tests, unknown_types_are_refused);
    tcase_add_test(tests, options_must_be_options);
    tcase_add_test(tests, a_group_must_have_members);
    tcase_add_loop_test(tests, names_follow_the_rule, 0, sizeof bad_names / sizeof bad_names[0]);
    tcase_add_test(tests, names_are_bounded_in_bytes);
    tcase_add_test(tests, sizes_are_neither_zero_nor_past_the_end_of_numbers);
    tcase_add_test(tests, provisioning_is_one_of_three);
    tcase_add_test(tests, search_keys);
    tcase_add_test(tests, job_ids);
    tcase_add_test(tests, the_timeout_is_kept_and_never_zero);
    return tests;
}
