/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making what depends on a volume independent of it, or 153. */
#include "suites.h"
#include "image.h"

/* Once nothing depends on the source, it can go, and what was made of it is whole. */
START_TEST(detach_or_153)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    autotext char *job = NULL;
    bool can = world_can(LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM);
    image_fill(image, v, 1);
    if (can)
        REFUSED(lsm_volume_child_dependency_delete(world.conn, v, &job, 0),
                LSM_ERR_NO_STATE_CHANGE);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    int rc = lsm_volume_child_dependency_delete(world.conn, v, &job, 0);
    if (!can) {
        REFUSED(rc, LSM_ERR_NO_SUPPORT);
        ck_assert(volume_has_dependants(v));
        return;
    }
    ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
    if (job)
        job_await(job, LSM_JOB_STATE_DONE);
    ck_assert(!volume_has_dependants(v));
    volume_look(&clone);
    ck_assert_ptr_null(lsm_volume_parent_id_get(clone));
    FINE(volume_delete(v));
    SAME(image, clone);
    world_reopen();
    SAME(image, clone);
}
END_TEST

START_TEST(detach_from_a_running_copy_is_161)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    autotext char *none = NULL;
    image_fill(image, v, 1);
    if (!world_can(LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM))
        return;
    char *job = copy_start(NULL, v, "copy", HELD);
    REFUSED_SAYING(lsm_volume_child_dependency_delete(world.conn, v, &none, 0),
                   LSM_ERR_HAS_CHILD_DEPENDENCY, job);
    autovolume lsm_volume *copy = copy_finish(job);
    SAME(image, copy);
}
END_TEST

static void detach_from(lsm_volume *source)
{
    char *job = NULL;
    int rc = lsm_volume_child_dependency_delete(world.conn, source, &job, 0);
    if (rc == LSM_ERR_JOB_STARTED)
        job_await(job, LSM_JOB_STATE_DONE);
    else
        FINE(rc);
    free(job);
}

/* A clone of an unwritten clone stands on the first source's layers: when its own source was made
 * whole, the two share nothing, and yet one is the other's child. */
START_TEST(detach_a_grandchild)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    image_fill(image, v, 1);
    if (!world_can(LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM))
        return;
    autovolume lsm_volume *child = clone_make(v, "child");
    autovolume lsm_volume *grandchild = clone_make(child, "grandchild");
    detach_from(v);
    ck_assert(!volume_has_dependants(v));
    ck_assert(volume_has_dependants(child));
    detach_from(child);
    ck_assert(!volume_has_dependants(child));
    FINE(volume_delete(v));
    FINE(volume_delete(child));
    SAME(image, grandchild);
    world_reopen();
    SAME(image, grandchild);
}
END_TEST

TCase *detach(void)
{
    TCase *tests = tcase_create("detach");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, detach_or_153);
    tcase_add_test(tests, detach_from_a_running_copy_is_161);
    tcase_add_test(tests, detach_a_grandchild);
    return tests;
}
