/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replicating is refused in a fixed order: 101, key, 205, 203, 512, 153, 50, 350. */
#include "suites.h"
#include "image.h"

START_TEST(replicate_unknown_type)
{
    static const int types[] = {-1, 0, 1, 6, 1000};
    autovolume lsm_volume *v = volume_make("v", MIB);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        REFUSED_SAYING(replicate(NULL, (lsm_replication_type)types[i], v, "n", NULL), INVALID,
                       "rep_type");
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

START_TEST(replicate_clone_into_another_pool_is_153)
{
    autopool lsm_pool *other = pool_make("other");
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_error_ptr e = refusal(replicate(other, CLONE, v, "n", NULL), LSM_ERR_NO_SUPPORT);
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "COPY"));
    lsm_error_free(e);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

/* One call with everything wrong with it, made right step by step: what is named each time. */
START_TEST(replicate_order_of_refusals)
{
    autopool lsm_pool *gone_pool = pool_make("gone"), *small = NULL;
    autovolume lsm_volume *gone = volume_make("gone", MIB);
    autovolume lsm_volume *v = volume_make("v", 16 * MIB), *other = NULL;
    autooptions lsm_replicate_options *options = lsm_replicate_options_alloc();
    FINE(lsm_pool_create(world.conn, "small", NULL, 8 * MIB, &small, 0));
    other = volume_make_in(small, "taken", CLUSTER, THIN);
    FINE(lsm_pool_delete(world.conn, gone_pool, 0));
    FINE(volume_delete(gone));

    lsm_replicate_options_key_set(options, "used");
    FINE(replicate(NULL, CLONE, v, "made with the key", options));
    REFUSED(replicate(gone_pool, COPY, gone, "", options), INVALID);
    REFUSED(replicate(gone_pool, (lsm_replication_type)9, gone, "taken", options), INVALID);
    REFUSED(replicate(gone_pool, COPY, gone, "taken", options), LSM_ERR_NAME_CONFLICT); /* key */
    REFUSED(replicate(gone_pool, COPY, gone, "taken", NULL), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(replicate(gone_pool, CLONE, v, "taken", NULL), LSM_ERR_NOT_FOUND_POOL);
    REFUSED(replicate(small, CLONE, v, "taken", NULL), LSM_ERR_NO_SUPPORT);
    REFUSED(replicate(small, COPY, v, "taken", NULL), LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(small, COPY, v, "free", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    ck_assert_uint_eq(volume_count(NULL, NULL), 3);
    ck_assert_uint_eq(job_count(NULL, NULL), 0);
}
END_TEST

/* The source is not frozen for what is refused: it keeps its one layer. */
START_TEST(replicate_refused_leaves_the_source)
{
    autopool lsm_pool *small = NULL;
    autovolume lsm_volume *v = volume_make("v", 16 * MIB);
    autoimage struct image *image = image_create(16 * MIB);
    image_fill(image, v, 1);
    FINE(lsm_pool_create(world.conn, "small", NULL, 8 * MIB, &small, 0));
    REFUSED(replicate(small, COPY, v, "n", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(replicate(NULL, CLONE, v, "v", NULL), LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(NULL, COPY, v, "v", NULL), LSM_ERR_NAME_CONFLICT);
    volume_look(&v);
    ck_assert_uint_eq(lsm_volume_depth_get(v), 1);
    ck_assert(!volume_has_dependants(v));
    SAME(image, v);
}
END_TEST

START_TEST(replicate_arguments)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    uint32_t rubbish = 0xdec0de;
    REFUSED_SAYING(replicate((lsm_pool *)&rubbish, COPY, v, "n", NULL), INVALID, "pool");
    REFUSED_SAYING(replicate((lsm_pool *)v, COPY, v, "n", NULL), INVALID, "pool");
    REFUSED_SAYING(replicate(NULL, COPY, NULL, "n", NULL), INVALID, "volume_src");
    REFUSED(replicate(NULL, COPY, (lsm_volume *)world.pool, "n", NULL), INVALID);
    REFUSED_SAYING(replicate(NULL, COPY, v, "n", (lsm_replicate_options *)&rubbish), INVALID,
                   "options");
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
}
END_TEST

TCase *refusals(void)
{
    TCase *tests = tcase_create("refusals");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, replicate_unknown_type);
    tcase_add_test(tests, replicate_clone_into_another_pool_is_153);
    tcase_add_test(tests, replicate_order_of_refusals);
    tcase_add_test(tests, replicate_refused_leaves_the_source);
    tcase_add_test(tests, replicate_arguments);
    return tests;
}
