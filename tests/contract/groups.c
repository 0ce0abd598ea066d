/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: several volumes at one instant, all or none; or 153. */
#include "suites.h"

static int group(lsm_pool *pool, lsm_replication_type type, lsm_volume **sources,
                 const char **names, uint32_t n, uint32_t *made)
{
    lsm_volume **volumes = NULL;
    autotext char *job = NULL;
    int rc = lsm_volume_group_replicate(world.conn, pool, type, sources, names, n, NULL, &volumes,
                                        made, &job, 0);
    ck_assert_int_eq(volumes != NULL, rc == OK);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (rc == LSM_ERR_JOB_STARTED)
        job_await(job, LSM_JOB_STATE_DONE);
    if (volumes)
        lsm_volume_record_array_free(volumes, *made);
    return rc;
}

/* All or none: with 153, with a taken name, with one source that is gone. */
START_TEST(group_or_153)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {a, b};
    const char *names[] = {"a'", "b'"}, *taken[] = {"a'", "b"};
    uint32_t made = 77;
    int rc = group(NULL, _i ? COPY : CLONE, sources, names, 2, &made);
    if (rc == LSM_ERR_NO_SUPPORT) {
        REFUSED_SAYING(rc, LSM_ERR_NO_SUPPORT, "one");
        ck_assert_uint_eq(made, 77);
        ck_assert_uint_eq(volume_count(NULL, NULL), 2);
        return;
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
    REFUSED(group(NULL, CLONE, sources, taken, 2, &made), LSM_ERR_NAME_CONFLICT);
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
}
END_TEST

START_TEST(group_arguments)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {a, b}, *same[] = {a, a}, *hole[] = {a, NULL};
    const char *names[] = {"a'", "b'"}, *bad[] = {"a'", ""};
    uint32_t n = 77;
    REFUSED(group(NULL, CLONE, NULL, names, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, NULL, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, names, 0, &n), INVALID);
    REFUSED_SAYING(group(NULL, CLONE, same, names, 2, &n), INVALID, "same");
    REFUSED(group(NULL, CLONE, hole, names, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, bad, 2, &n), INVALID);
    REFUSED(group(NULL, (lsm_replication_type)9, sources, names, 2, &n), INVALID);
    ck_assert_uint_eq(n, 77);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

/* A group of one is the plain call. */
START_TEST(group_of_one)
{
    autovolume lsm_volume *a = volume_make("a", MIB);
    const char *names[] = {"a'"};
    uint32_t made = 77;
    FINE(group(NULL, CLONE, &a, names, 1, &made));
    ck_assert_uint_eq(made, 1);
    STARTED(group(NULL, COPY, &a, (const char *[]){"copy"}, 1, &made));
    ck_assert_uint_eq(volume_count(NULL, NULL), 3);
}
END_TEST

TCase *groups(void)
{
    TCase *tests = tcase_create("groups");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, group_or_153, 0, 2);
    tcase_add_test(tests, group_arguments);
    tcase_add_test(tests, group_of_one);
    return tests;
}
