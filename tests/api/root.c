/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "root.h"

#include <ftw.h>
#include <unistd.h>

lsm_connect *root_conn;
lsm_pool *root_pool;
lsm_volume *root_volume;

static char directory[256];

static void take_pool(void)
{
    lsm_pool **pools = NULL;
    uint32_t count = 0;
    ck_assert_int_eq(lsm_pool_list(root_conn, NULL, NULL, &pools, &count, 0), OK);
    ck_assert_uint_eq(count, 1);
    root_pool = lsm_pool_record_copy(pools[0]);
    ck_assert_int_eq(lsm_pool_record_array_free(pools, count), OK);
}

void root_make(void)
{
    const char *parent = getenv("TMPDIR");
    char uri[300], *job = NULL;
    lsm_error_ptr e = NULL;

    snprintf(directory, sizeof directory, "%s/replicant-api-XXXXXX", parent ? parent : P_tmpdir);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(uri, sizeof uri, "dir://%s", directory);
    int rc = lsm_connect_password(uri, NULL, &root_conn, 30000, &e, 0);
    ck_assert_msg(rc == OK, "%s", lsm_error_message_get(e));
    take_pool();
    rc = lsm_volume_create(root_conn, root_pool, "volume", ROOT_VOLUME_SIZE,
                           LSM_VOLUME_PROVISION_THIN, &root_volume, &job, 0);
    ck_assert_int_eq(rc, OK);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat, (void)type, (void)place;
    return remove(path);
}

void root_remove(void)
{
    lsm_volume_record_free(root_volume);
    lsm_pool_record_free(root_pool);
    if (root_conn)
        ck_assert_int_eq(lsm_connect_close(root_conn, 0), OK);
    root_conn = NULL;
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void root_assert_error(int rc, int code, const char *word)
{
    lsm_error_ptr e = lsm_error_last_get(root_conn);
    ck_assert_int_eq(rc, code);
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq((int)lsm_error_number_get(e), code);
    ck_assert_msg(strstr(lsm_error_message_get(e), word) != NULL, "no %s in: %s", word,
                  lsm_error_message_get(e));
    lsm_error_free(e);
}

int main(void)
{
    Suite *suite = suite_create("api-root");
    suite_add_tcase(suite, test_arguments());
    suite_add_tcase(suite, test_fork());
    suite_add_tcase(suite, test_io_range());
    suite_add_tcase(suite, test_last_error());
    suite_add_tcase(suite, test_outliving());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
