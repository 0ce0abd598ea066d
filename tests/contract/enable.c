/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enabling and disabling: what a disabled volume refuses, and what it still does. */
#include "suites.h"
#include "image.h"

#define SIZE (64 * KIB)

START_TEST(enable_enabled_is_125)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    REFUSED(lsm_volume_enable(world.conn, v, 0), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

START_TEST(disable_disabled_is_125)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    FINE(lsm_volume_disable(world.conn, v, 0));
    REFUSED(lsm_volume_disable(world.conn, v, 0), LSM_ERR_NO_STATE_CHANGE);
    FINE(lsm_volume_enable(world.conn, v, 0));
    REFUSED(lsm_volume_enable(world.conn, v, 0), LSM_ERR_NO_STATE_CHANGE);
}
END_TEST

START_TEST(disabled_stays_so_over_reopening)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    FINE(lsm_volume_disable(world.conn, v, 0));
    world_reopen();
    volume_look(&v);
    ck_assert_uint_eq(lsm_volume_admin_state_get(v), LSM_VOLUME_ADMIN_STATE_DISABLED);
    REFUSED(lsm_volume_disable(world.conn, v, 0), LSM_ERR_NO_STATE_CHANGE);
    FINE(lsm_volume_enable(world.conn, v, 0));
    volume_look(&v);
    ck_assert_uint_eq(lsm_volume_admin_state_get(v), LSM_VOLUME_ADMIN_STATE_ENABLED);
}
END_TEST

START_TEST(disabled_is_not_written)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    autoio lsm_volume_io *before = NULL, *refused = NULL;
    image_fill(image, v, 1);
    FINE(lsm_volume_io_open(world.conn, v, &before, 0));
    FINE(lsm_volume_disable(world.conn, v, 0));
    REFUSED(lsm_volume_io_open(world.conn, v, &refused, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_pwrite(before, "x", 1, 0, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_write_zeroes(before, SIZE, 0, 0), LSM_ERR_READ_ONLY);
    REFUSED(lsm_volume_io_discard(before, SIZE, 0, 0), LSM_ERR_READ_ONLY);
    FINE(lsm_volume_io_flush(before, 0));
    SAME_THROUGH(image, before);
    SAME(image, v);
    FINE(lsm_volume_enable(world.conn, v, 0));
    image_write(image, before, 100, 1000, 2);
    SAME_THROUGH(image, before);
}
END_TEST

/* What comes of a disabled source is a volume like any other. */
START_TEST(disabled_is_replicated)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    autoimage struct image *image = image_create(SIZE);
    image_fill(image, v, 1);
    FINE(lsm_volume_disable(world.conn, v, 0));
    autovolume lsm_volume *clone = clone_make(v, "clone");
    autovolume lsm_volume *copy = copy_make(NULL, v, "copy");
    ck_assert_uint_eq(lsm_volume_admin_state_get(clone), LSM_VOLUME_ADMIN_STATE_ENABLED);
    ck_assert_uint_eq(lsm_volume_admin_state_get(copy), LSM_VOLUME_ADMIN_STATE_ENABLED);
    SAME(image, clone);
    SAME(image, copy);
    SAME(image, v);
}
END_TEST

START_TEST(disabled_is_deleted)
{
    autovolume lsm_volume *v = volume_make("v", SIZE);
    FINE(lsm_volume_disable(world.conn, v, 0));
    FINE(volume_delete(v));
}
END_TEST

TCase *enable(void)
{
    TCase *tests = tcase_create("enable");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, enable_enabled_is_125);
    tcase_add_test(tests, disable_disabled_is_125);
    tcase_add_test(tests, disabled_stays_so_over_reopening);
    tcase_add_test(tests, disabled_is_not_written);
    tcase_add_test(tests, disabled_is_replicated);
    tcase_add_test(tests, disabled_is_deleted);
    return tests;
}
