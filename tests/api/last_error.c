/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last error: one for each thread and connection, handed over once. */
#include "root.h"

#include <pthread.h>

#define THREADS 8
#define ROUNDS 500

static int search(lsm_connect *conn, const char *key)
{
    lsm_volume **volumes = NULL;
    uint32_t count = 0;
    return lsm_volume_list(conn, key, "value", &volumes, &count, 0);
}

START_TEST(it_is_handed_over_once)
{
    ck_assert_ptr_null(lsm_error_last_get(root_conn));
    search(root_conn, "nosuch");
    lsm_error_ptr e = lsm_error_last_get(root_conn);
    ck_assert_ptr_nonnull(e);
    ck_assert_ptr_null(lsm_error_last_get(root_conn));
    ck_assert_int_eq(lsm_error_free(e), OK);
}
END_TEST

START_TEST(the_next_call_clears_it)
{
    uint32_t ms;
    search(root_conn, "nosuch");
    ck_assert_int_eq(lsm_connect_timeout_get(root_conn, &ms, 0), OK);
    ck_assert_ptr_null(lsm_error_last_get(root_conn));
    search(root_conn, "first");
    search(root_conn, "second");
    root_assert_error(LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_UNSUPPORTED_SEARCH_KEY, "second");
}
END_TEST

/* What was handed over is the caller's: no later call changes it. */
START_TEST(a_record_outlives_what_follows)
{
    search(root_conn, "first");
    lsm_error_ptr e = lsm_error_last_get(root_conn);
    search(root_conn, "second");
    ck_assert_int_eq(lsm_connect_close(root_conn, 0), OK);
    root_conn = NULL;
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "first"));
    lsm_error_free(e);
}
END_TEST

static void *fail_and_look(void *number)
{
    char key[32];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(key, sizeof key, "thread%ld-%d", (long)(intptr_t)number, round);
        int rc = search(root_conn, key);
        lsm_error_ptr e = lsm_error_last_get(root_conn);
        if (rc != LSM_ERR_UNSUPPORTED_SEARCH_KEY || !e || !strstr(lsm_error_message_get(e), key))
            return root_conn;
        lsm_error_free(e);
    }
    search(root_conn, "left behind when the thread ends");
    return NULL;
}

START_TEST(threads_do_not_see_each_others)
{
    pthread_t threads[THREADS];
    search(root_conn, "main");
    for (intptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_and_look, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    root_assert_error(LSM_ERR_UNSUPPORTED_SEARCH_KEY, LSM_ERR_UNSUPPORTED_SEARCH_KEY, "main");
}
END_TEST

/* An I/O handle's errors are its connection's: whoever asks first gets it. */
START_TEST(a_handle_shares_its_connections)
{
    lsm_volume_io *io = NULL;
    char byte;
    ck_assert_int_eq(lsm_volume_io_open(root_conn, root_volume, &io, 0), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, &byte, 1, UINT64_MAX, 0), INVALID);
    root_assert_error(INVALID, INVALID, "offset");
    ck_assert_ptr_null(lsm_volume_io_error_last_get(io));
    ck_assert_int_eq(lsm_volume_io_pread(io, &byte, 1, UINT64_MAX, 0), INVALID);
    ck_assert_int_eq(lsm_volume_io_pread(io, &byte, 1, 0, 0), OK);
    ck_assert_ptr_null(lsm_volume_io_error_last_get(io));
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
}
END_TEST

TCase *test_last_error(void)
{
    TCase *tests = tcase_create("last_error");
    tcase_add_checked_fixture(tests, root_make, root_remove);
    tcase_add_test(tests, it_is_handed_over_once);
    tcase_add_test(tests, the_next_call_clears_it);
    tcase_add_test(tests, a_record_outlives_what_follows);
    tcase_add_test(tests, threads_do_not_see_each_others);
    tcase_add_test(tests, a_handle_shares_its_connections);
    return tests;
}
