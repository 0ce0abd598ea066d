/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools: in the root and elsewhere, with a limit, listed, deleted, and their names. */
#include "suites.h"
#include "image.h"

#include <sys/stat.h>
#include <unistd.h>

static int create(const char *name, const char *directory, uint64_t limit)
{
    autopool lsm_pool *pool = NULL;
    int rc = lsm_pool_create(world.conn, name, directory, limit, &pool, 0);
    ck_assert_int_eq(pool != NULL, rc == OK);
    return rc;
}

START_TEST(pool_default)
{
    uint64_t status = lsm_pool_status_get(world.pool);
    ck_assert_str_eq(lsm_pool_name_get(world.pool), "default");
    ck_assert_uint_eq(status, LSM_POOL_STATUS_OK);
    ck_assert_ptr_nonnull(lsm_pool_status_info_get(world.pool));
    ck_assert_uint_gt(lsm_pool_total_space_get(world.pool), 0);
    ck_assert_uint_le(lsm_pool_free_space_get(world.pool), lsm_pool_total_space_get(world.pool));
    ck_assert(lsm_pool_element_type_get(world.pool) & LSM_POOL_ELEMENT_TYPE_VOLUME);
    ck_assert_uint_eq(lsm_pool_unsupported_actions_get(world.pool), 0);
    ck_assert_uint_eq(pool_count(), 1);
}
END_TEST

START_TEST(pool_in_the_root)
{
    autopool lsm_pool *pool = pool_make("second");
    ck_assert_str_eq(lsm_pool_name_get(pool), "second");
    ck_assert_str_ne(lsm_pool_id_get(pool), lsm_pool_id_get(world.pool));
    autovolume lsm_volume *v = volume_make_in(pool, "v", MIB, THIN);
    ck_assert_str_eq(lsm_volume_pool_id_get(v), lsm_pool_id_get(pool));
    world_reopen();
    ck_assert_uint_eq(pool_count(), 2);
    volume_look(&v);
    ck_assert_str_eq(lsm_volume_pool_id_get(v), lsm_pool_id_get(pool));
}
END_TEST

/* An empty directory that is there, and one that is not: both become a pool, data and all. */
START_TEST(pool_elsewhere)
{
    char directory[500];
    autoimage struct image *image = image_create(MIB);
    snprintf(directory, sizeof directory, "%s%s", scratch_directory(), _i ? "/made" : "");
    FINE(create("elsewhere", directory, 0));
    world_reopen();
    ck_assert_uint_eq(pool_count(), 2);
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    FINE(lsm_pool_list(world.conn, NULL, NULL, &pools, &count, 0));
    lsm_pool *pool = pools[strcmp(lsm_pool_name_get(pools[0]), "elsewhere") ? 1 : 0];
    ck_assert_str_eq(lsm_pool_name_get(pool), "elsewhere");
    autovolume lsm_volume *v = volume_make_in(pool, "v", MIB, THIN);
    image_fill(image, v, 1);
    world_reopen();
    SAME(image, v);
    REFUSED(lsm_pool_delete(world.conn, pool, 0), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(volume_delete(v));
    FINE(lsm_pool_delete(world.conn, pool, 0));
    lsm_pool_record_array_free(pools, count);
    /* The directory is its owner's again: empty, so it can be used anew. */
    ck_assert_int_eq(rmdir(directory), 0);
    world_reopen();
    ck_assert_uint_eq(pool_count(), 1);
}
END_TEST

START_TEST(pool_elsewhere_must_be_empty)
{
    char directory[400], file[420];
    snprintf(directory, sizeof directory, "%s", scratch_directory());
    snprintf(file, sizeof file, "%s/thesis.txt", directory);
    FILE *f = fopen(file, "w");
    fputs("words", f);
    fclose(f);
    REFUSED_SAYING(create("elsewhere", directory, 0), INVALID, directory);
    REFUSED(create("elsewhere", file, 0), INVALID);
    char missing[420];
    snprintf(missing, sizeof missing, "%s/no/such", directory);
    REFUSED(create("elsewhere", missing, 0), INVALID);
    REFUSED(create("elsewhere", "relative/path", 0), INVALID);
    REFUSED(create("elsewhere", "", 0), INVALID);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* nothing else was left in it */
    ck_assert_uint_eq(pool_count(), 1);
    world_reopen();
    ck_assert_uint_eq(pool_count(), 1);
}
END_TEST

START_TEST(pool_elsewhere_twice)
{
    const char *directory = scratch_directory();
    FINE(create("one", directory, 0));
    int rc = create("two", directory, 0);
    ck_assert_msg(rc == INVALID || rc == LSM_ERR_BUSY, "answers %d", rc);
    ck_assert_uint_eq(pool_count(), 2);
    world_reopen();
    ck_assert_uint_eq(pool_count(), 2);
}
END_TEST

START_TEST(pool_name_conflict)
{
    REFUSED_SAYING(create("default", NULL, 0), LSM_ERR_NAME_CONFLICT, "default");
    FINE(create("second", NULL, 0));
    REFUSED(create("second", NULL, 0), LSM_ERR_NAME_CONFLICT);
    REFUSED(create("second", scratch_directory(), 0), LSM_ERR_NAME_CONFLICT);
    REFUSED(create("lock", NULL, 0), LSM_ERR_NAME_CONFLICT); /* the root's own */
    REFUSED(create("system", NULL, 0), LSM_ERR_NAME_CONFLICT);
    REFUSED(create("socket", NULL, 0), LSM_ERR_NAME_CONFLICT);
    ck_assert_uint_eq(pool_count(), 2);
}
END_TEST

START_TEST(pool_names)
{
    char name[66];
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a b", "ä", "a\n", "a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED_SAYING(create(bad[i], NULL, 0), INVALID, "name");
    REFUSED(create(NULL, NULL, 0), INVALID);
    memset(name, 'n', 65);
    name[65] = '\0';
    REFUSED(create(name, NULL, 0), INVALID);
    name[64] = '\0';
    FINE(create(name, NULL, 0));
    FINE(create("Az09._-", NULL, 0));
    world_reopen();
    ck_assert_uint_eq(pool_count(), 3);
}
END_TEST

START_TEST(pool_not_empty_is_161)
{
    autopool lsm_pool *pool = pool_make("second");
    autovolume lsm_volume *v = volume_make_in(pool, "v", MIB, THIN);
    REFUSED_SAYING(lsm_pool_delete(world.conn, pool, 0), LSM_ERR_HAS_CHILD_DEPENDENCY, "second");
    FINE(volume_delete(v));
    FINE(lsm_pool_delete(world.conn, pool, 0));
    ck_assert_uint_eq(pool_count(), 1);
    world_reopen();
    ck_assert_uint_eq(pool_count(), 1);
}
END_TEST

/* The target of a running copy is a volume, though not listed. */
START_TEST(pool_of_a_running_copy_is_161)
{
    autopool lsm_pool *pool = pool_make("second");
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    image_fill(image, v, 1);
    autotext char *job = copy_start(pool, v, "copy", HELD);
    REFUSED(lsm_pool_delete(world.conn, pool, 0), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(lsm_job_cancel(world.conn, job, 0));
    FINE(lsm_pool_delete(world.conn, pool, 0));
}
END_TEST

START_TEST(pool_limit)
{
    autopool lsm_pool *pool = NULL;
    autovolume lsm_volume *full = NULL, *thin = NULL, *made = NULL;
    autotext char *job = NULL;
    FINE(lsm_pool_create(world.conn, "small", NULL, 8 * MIB, &pool, 0));
    ck_assert_uint_eq(lsm_pool_total_space_get(pool), 8 * MIB);
    ck_assert_uint_le(lsm_pool_free_space_get(pool), 8 * MIB);
    thin = volume_make_in(pool, "thin", 64 * MIB, THIN);
    full = volume_make_in(pool, "full", 6 * MIB, FULL);
    pool_look(&pool);
    ck_assert_uint_le(lsm_pool_free_space_get(pool), 2 * MIB);
    REFUSED_SAYING(lsm_volume_create(world.conn, pool, "w", 3 * MIB, FULL, &made, &job, 0),
                   LSM_ERR_NOT_ENOUGH_SPACE, "small");
    REFUSED(replicate(pool, COPY, full, "copy", NULL), LSM_ERR_NOT_ENOUGH_SPACE);
    REFUSED(volume_resize(&full, 12 * MIB), LSM_ERR_NOT_ENOUGH_SPACE);
    world_reopen();
    pool_look(&pool);
    ck_assert_uint_eq(lsm_pool_total_space_get(pool), 8 * MIB);
    REFUSED(lsm_volume_create(world.conn, pool, "w", 3 * MIB, FULL, &made, &job, 0),
            LSM_ERR_NOT_ENOUGH_SPACE);
    FINE(volume_delete(full));
    let_go_of_volume(&(lsm_volume *){volume_make_in(pool, "w", 3 * MIB, FULL)});
}
END_TEST

/* Volumes of pools that stay are not touched when one goes. */
START_TEST(pool_deleted_among_others)
{
    autopool lsm_pool *a = pool_make("a"), *b = pool_make("b"), *c = pool_make("c");
    autovolume lsm_volume *in_a = volume_make_in(a, "v", MIB, THIN);
    autovolume lsm_volume *in_c = volume_make_in(c, "v", MIB, THIN);
    autoimage struct image *image = image_create(MIB), *other = image_create(MIB);
    image_fill(image, in_a, 1);
    image_fill(other, in_c, 2);
    FINE(lsm_pool_delete(world.conn, b, 0));
    SAME(image, in_a);
    SAME(other, in_c);
    world_reopen();
    ck_assert_uint_eq(pool_count(), 3);
    SAME(image, in_a);
    SAME(other, in_c);
}
END_TEST

TCase *pools(void)
{
    TCase *tests = tcase_create("pools");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, pool_default);
    tcase_add_test(tests, pool_in_the_root);
    tcase_add_loop_test(tests, pool_elsewhere, 0, 2);
    tcase_add_test(tests, pool_elsewhere_must_be_empty);
    tcase_add_test(tests, pool_elsewhere_twice);
    tcase_add_test(tests, pool_name_conflict);
    tcase_add_test(tests, pool_names);
    tcase_add_test(tests, pool_not_empty_is_161);
    tcase_add_test(tests, pool_of_a_running_copy_is_161);
    tcase_add_test(tests, pool_limit);
    tcase_add_test(tests, pool_deleted_among_others);
    return tests;
}
