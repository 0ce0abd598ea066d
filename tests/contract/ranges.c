/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges: blocks of one volume into another, or 153. */
#include "suites.h"
#include "image.h"

static int range(lsm_volume *from, lsm_volume *to, uint64_t first, uint64_t there, uint64_t n,
                 char **job)
{
    lsm_block_range *one = lsm_block_range_record_alloc(first, there, n);
    int rc = lsm_volume_replicate_range(world.conn, COPY, from, to, &one, 1, job, 0);
    lsm_block_range_record_free(one);
    return rc;
}

START_TEST(range_block_size)
{
    lsm_system **systems = NULL;
    uint32_t count = 0, bytes = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    int rc = lsm_volume_replicate_range_block_size(world.conn, systems[0], &bytes, 0);
    if (world_can(LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE)) {
        FINE(rc);
        ck_assert_uint_eq(bytes, 512);
    } else {
        REFUSED(rc, LSM_ERR_NO_SUPPORT);
    }
    lsm_system_record_array_free(systems, count);
}
END_TEST

START_TEST(range_or_153)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autoimage struct image *image = image_create(MIB), *target = image_create(MIB);
    bool can = world_can(LSM_CAP_VOLUME_COPY_RANGE);
    image_fill(image, from, 1);
    image_fill(target, to, 2);
    for (int again = 0; again < 2; again++) { /* the same ranges may be asked for again */
        autotext char *job = NULL;
        int rc = range(from, to, 3, 1001, 77, &job);
        if (!can) {
            REFUSED(rc, LSM_ERR_NO_SUPPORT);
            SAME(target, to);
            return;
        }
        ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
        if (job)
            job_await(job, LSM_JOB_STATE_DONE);
        memcpy(target->bytes + 1001 * 512, image->bytes + 3 * 512, 77 * 512);
        SAME(target, to);
        SAME(image, from);
    }
}
END_TEST

START_TEST(range_outside_is_101)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autotext char *job = NULL;
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    REFUSED(range(from, to, MIB / 512, 0, 1, &job), INVALID);
    REFUSED(range(from, to, 0, MIB / 512 - 1, 2, &job), INVALID);
    REFUSED(range(from, to, UINT64_MAX, 0, 1, &job), INVALID);
    REFUSED(range(from, to, 0, 0, UINT64_MAX, &job), INVALID);
    ck_assert_ptr_null(job);
}
END_TEST

TCase *ranges(void)
{
    TCase *tests = tcase_create("ranges");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, range_block_size);
    tcase_add_test(tests, range_or_153);
    tcase_add_test(tests, range_outside_is_101);
    return tests;
}
