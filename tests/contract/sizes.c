/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes: not 0, rounded up to 4 KiB, and refused before anything is made where they cannot be. */
#include "suites.h"

static int create(uint64_t size, lsm_volume_provision_type provision)
{
    autovolume lsm_volume *made = NULL;
    autotext char *job = NULL;
    int rc = lsm_volume_create(world.conn, world.pool, "v", size, provision, &made, &job, 0);
    ck_assert_int_eq(made != NULL, rc == OK);
    return rc;
}

START_TEST(size_zero)
{
    autovolume lsm_volume *volume = volume_make("other", CLUSTER);
    REFUSED_SAYING(create(0, THIN), INVALID, "size");
    REFUSED_SAYING(volume_resize(&volume, 0), INVALID, "size");
}
END_TEST

START_TEST(size_rounded_up)
{
    static const uint64_t asked[] = {1, 511, 512, 4095, 4096, 4097, 1000000};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        autovolume lsm_volume *volume = volume_make("v", asked[i]);
        ck_assert_uint_eq(volume_bytes(volume), (asked[i] + CLUSTER - 1) / CLUSTER * CLUSTER);
        FINE(volume_delete(volume));
    }
}
END_TEST

START_TEST(size_rounded_up_by_resize)
{
    autovolume lsm_volume *volume = volume_make("v", CLUSTER);
    FINE(volume_resize(&volume, CLUSTER + 1));
    ck_assert_uint_eq(volume_bytes(volume), 2 * CLUSTER);
    REFUSED(volume_resize(&volume, 2 * CLUSTER - 100), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

/* What no file can hold does not fit, and what cannot even be rounded up is no size. */
START_TEST(size_too_large)
{
    REFUSED(create(UINT64_MAX, THIN), INVALID);
    REFUSED(create(UINT64_MAX - CLUSTER, THIN), LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(create(INT64_MAX, THIN), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
}
END_TEST

START_TEST(size_too_large_for_resize)
{
    autovolume lsm_volume *volume = volume_make("v", CLUSTER);
    REFUSED(volume_resize(&volume, UINT64_MAX), INVALID);
    REFUSED(volume_resize(&volume, INT64_MAX), LSM_ERR_NOT_ENOUGH_SPACE);
    volume_look(&volume);
    ck_assert_uint_eq(volume_bytes(volume), CLUSTER);
}
END_TEST

/* THIN volumes may together, and each by itself, exceed the pool; FULL ones not. */
START_TEST(size_beyond_the_pool)
{
    uint64_t beyond = lsm_pool_total_space_get(world.pool) + 64 * MIB;
    REFUSED_SAYING(create(beyond, FULL), LSM_ERR_NOT_ENOUGH_SPACE, "free");
    ck_assert_uint_eq(volume_count(NULL, NULL), 0);
    if (beyond < ((uint64_t)1 << 43)) /* ext4's largest file has 16 TiB */
        FINE(create(beyond, THIN));
}
END_TEST

START_TEST(provision_unknown_is_101)
{
    REFUSED_SAYING(create(CLUSTER, LSM_VOLUME_PROVISION_UNKNOWN), INVALID, "provision");
    REFUSED_SAYING(create(CLUSTER, (lsm_volume_provision_type)77), INVALID, "provision");
}
END_TEST

START_TEST(provision_is_kept)
{
    autovolume lsm_volume *thin = volume_make_in(world.pool, "thin", MIB, THIN);
    autovolume lsm_volume *full = volume_make_in(world.pool, "full", MIB, FULL);
    autovolume lsm_volume *other =
        volume_make_in(world.pool, "default", MIB, LSM_VOLUME_PROVISION_DEFAULT);
    ck_assert_int_eq(lsm_volume_provision_get(thin), THIN);
    ck_assert_int_eq(lsm_volume_provision_get(full), FULL);
    ck_assert_int_eq(lsm_volume_provision_get(other), THIN);
    world_reopen();
    volume_look(&full);
    ck_assert_int_eq(lsm_volume_provision_get(full), FULL);
    ck_assert_uint_ge(lsm_volume_allocated_bytes_get(full), MIB);
    volume_look(&thin);
    ck_assert_uint_lt(lsm_volume_allocated_bytes_get(thin), MIB);
}
END_TEST

TCase *sizes(void)
{
    TCase *tests = tcase_create("sizes");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, size_zero);
    tcase_add_test(tests, size_rounded_up);
    tcase_add_test(tests, size_rounded_up_by_resize);
    tcase_add_test(tests, size_too_large);
    tcase_add_test(tests, size_too_large_for_resize);
    tcase_add_test(tests, size_beyond_the_pool);
    tcase_add_test(tests, provision_unknown_is_101);
    tcase_add_test(tests, provision_is_kept);
    return tests;
}
