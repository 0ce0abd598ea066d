/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error behind a refusal: what it happened on, what can be done, whether trying again helps. */
#include "suites.h"

#include <pthread.h>

START_TEST(error_names_the_object)
{
    autovolume lsm_volume *gone = volume_make("v", CLUSTER);
    FINE(volume_delete(gone));
    lsm_error_ptr e = refusal(volume_delete(gone), LSM_ERR_NOT_FOUND_VOLUME);
    ck_assert_pstr_eq(lsm_error_object_get(e), lsm_volume_id_get(gone));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), lsm_volume_id_get(gone)));
    ck_assert_uint_eq(lsm_error_offset_get(e), UINT64_MAX);
    ck_assert_int_eq(lsm_error_errno_get(e), 0);
    ck_assert_int_eq(lsm_error_retryable_get(e), 0);
    lsm_error_free(e);
}
END_TEST

START_TEST(error_of_an_argument_names_it)
{
    lsm_error_ptr e = refusal(lsm_volume_enable(world.conn, NULL, 0), INVALID);
    ck_assert_pstr_eq(lsm_error_object_get(e), "volume");
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "volume"));
    lsm_error_free(e);
}
END_TEST

START_TEST(error_hints_at_what_helps)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autovolume lsm_volume *clone = clone_make(v, "clone");
    lsm_error_ptr e = refusal(volume_delete(v), LSM_ERR_HAS_CHILD_DEPENDENCY);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "clone"));
    ck_assert_ptr_nonnull(lsm_error_hint_get(e));
    lsm_error_free(e);
    uint32_t n = 0;
    lsm_volume **volumes = NULL;
    e = refusal(lsm_volume_list(world.conn, "color", "red", &volumes, &n, 0),
                LSM_ERR_UNSUPPORTED_SEARCH_KEY);
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "parent_id")); /* the keys there are */
    lsm_error_free(e);
}
END_TEST

/* In use now, free later: the same call can succeed. A taken name stays taken. */
START_TEST(error_says_whether_to_try_again)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_error_ptr e = refusal(replicate(NULL, CLONE, v, "v", NULL), LSM_ERR_NAME_CONFLICT);
    ck_assert_int_eq(lsm_error_retryable_get(e), 0);
    lsm_error_free(e);
    e = refusal(volume_resize(&v, MIB), LSM_ERR_NO_STATE_CHANGE);
    ck_assert_int_eq(lsm_error_retryable_get(e), 0);
    lsm_error_free(e);
}
END_TEST

START_TEST(error_is_gone_after_the_next_call)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    replicate(NULL, CLONE, v, "v", NULL);
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert_ptr_null(lsm_error_last_get(world.conn));
}
END_TEST

START_TEST(error_is_handed_over_once)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    lsm_error_free(refusal(replicate(NULL, CLONE, v, "v", NULL), LSM_ERR_NAME_CONFLICT));
    ck_assert_ptr_null(lsm_error_last_get(world.conn));
}
END_TEST

static void *other_thread(void *volume)
{
    lsm_error_ptr before = lsm_error_last_get(world.conn);
    autovolume lsm_volume *renamed = NULL;
    int rc = lsm_volume_rename(world.conn, volume, "v", &renamed, 0);
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    bool right =
        !before && rc == LSM_ERR_NO_STATE_CHANGE && e && (int)lsm_error_number_get(e) == rc;
    lsm_error_free(e);
    return right ? NULL : volume;
}

START_TEST(error_is_the_threads_own)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    pthread_t thread;
    void *wrong;
    int rc = replicate(NULL, CLONE, v, "", NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, v), 0);
    pthread_join(thread, &wrong);
    ck_assert_ptr_null(wrong);
    REFUSED_SAYING(rc, INVALID, "name");
}
END_TEST

/* A failed job's reason is the last error of the call that tells its status. */
START_TEST(error_of_a_cancelled_job)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    autotext char *job = job_in(LSM_JOB_STATE_CANCELLED, v, "copy");
    lsm_job_status status = 0;
    uint8_t percent = 0;
    ck_assert_int_eq(lsm_job_status_get(world.conn, job, &status, &percent, 0), OK);
    lsm_error_ptr e = lsm_error_last_get(world.conn);
    ck_assert_int_eq(status, LSM_JOB_ERROR);
    ck_assert_int_eq((int)lsm_error_number_get(e), LSM_ERR_CANCELLED);
    ck_assert_pstr_eq(lsm_error_object_get(e), job);
    lsm_error_free(e);
}
END_TEST

TCase *last_error(void)
{
    TCase *tests = tcase_create("last_error");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, error_names_the_object);
    tcase_add_test(tests, error_of_an_argument_names_it);
    tcase_add_test(tests, error_hints_at_what_helps);
    tcase_add_test(tests, error_says_whether_to_try_again);
    tcase_add_test(tests, error_is_gone_after_the_next_call);
    tcase_add_test(tests, error_is_handed_over_once);
    tcase_add_test(tests, error_is_the_threads_own);
    tcase_add_test(tests, error_of_a_cancelled_job);
    return tests;
}
