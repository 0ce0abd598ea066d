/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Idempotency keys: asking again makes nothing new. The same request gets the same job while that
 * runs and the same volume once it is made; another request gets 50. */
#include "suites.h"
#include "image.h"

#define SIZE MIB

static lsm_volume *source;
static lsm_replicate_options *options; /* with the key «k» */

static void make(void)
{
    world_make();
    source = volume_make("source", SIZE);
    struct image *image = image_create(SIZE);
    image_fill(image, source, 1);
    image_destroy(&image);
    options = lsm_replicate_options_alloc();
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "k"), OK);
}

static void unmake(void)
{
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    world_remove();
}

static void limit(uint64_t rate)
{
    ck_assert_int_eq(lsm_replicate_options_rate_limit_set(options, rate), OK);
}

static char *start(const char *name)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    STARTED(
        lsm_volume_replicate_with(world.conn, NULL, COPY, source, name, options, &made, &job, 0));
    ck_assert_ptr_null(made);
    return job;
}

static lsm_volume *at_once(lsm_replication_type type, const char *name)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    FINE(lsm_volume_replicate_with(world.conn, NULL, type, source, name, options, &made, &job, 0));
    ck_assert_ptr_null(job);
    return made;
}

START_TEST(key_gives_the_same_clone)
{
    autovolume lsm_volume *first = at_once(CLONE, "clone");
    for (int again = 0; again < 3; again++) {
        autovolume lsm_volume *same = at_once(CLONE, "clone");
        ck_assert_str_eq(lsm_volume_id_get(same), lsm_volume_id_get(first));
        if (again == 1)
            world_reopen();
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

START_TEST(key_gives_the_same_job_then_the_same_volume)
{
    limit(HELD);
    char *job = start("copy");
    autotext char *same = start("copy"), *after = NULL;
    ck_assert_str_eq(job, same);
    world_reopen();
    after = start("copy");
    ck_assert_str_eq(job, after);
    ck_assert_uint_eq(job_count(NULL, NULL), 1);
    autojob lsm_job *record = job_look(job);
    ck_assert_pstr_eq(lsm_job_key_get(record), "k");
    autovolume lsm_volume *copy = copy_finish(job);
    autovolume lsm_volume *again = at_once(COPY, "copy");
    ck_assert_str_eq(lsm_volume_id_get(copy), lsm_volume_id_get(again));
    world_reopen();
    autovolume lsm_volume *later = at_once(COPY, "copy");
    ck_assert_str_eq(lsm_volume_id_get(copy), lsm_volume_id_get(later));
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
    ck_assert_uint_eq(job_count(NULL, NULL), 1);
}
END_TEST

static void others_are_50(lsm_replication_type type, const char *name)
{
    autopool lsm_pool *other = pool_make("other");
    autovolume lsm_volume *v = volume_make("another source", SIZE);
    REFUSED_SAYING(replicate(NULL, type, source, "other name", options), LSM_ERR_NAME_CONFLICT,
                   "k");
    REFUSED(replicate(NULL, type, v, name, options), LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(NULL, type == COPY ? CLONE : COPY, source, name, options),
            LSM_ERR_NAME_CONFLICT);
    REFUSED(replicate(other, COPY, source, name, options), LSM_ERR_NAME_CONFLICT);
}

START_TEST(key_of_another_request_is_50)
{
    autovolume lsm_volume *clone = at_once(CLONE, "clone");
    others_are_50(CLONE, "clone");
}
END_TEST

START_TEST(key_of_a_running_copy_for_another_request_is_50)
{
    limit(HELD);
    autotext char *job = start("copy");
    others_are_50(COPY, "copy");
}
END_TEST

/* A pool of NULL is the source's. */
START_TEST(key_with_the_pool_given)
{
    autovolume lsm_volume *clone = at_once(CLONE, "clone");
    FINE(replicate(world.pool, CLONE, source, "clone", options));
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

START_TEST(key_is_freed_by_delete)
{
    autovolume lsm_volume *clone = at_once(CLONE, "clone");
    FINE(volume_delete(clone));
    autovolume lsm_volume *other = at_once(CLONE, "other name");
    ck_assert_str_ne(lsm_volume_id_get(clone), lsm_volume_id_get(other));
}
END_TEST

START_TEST(key_of_a_copy_is_freed_by_delete)
{
    autovolume lsm_volume *copy = copy_finish(start("copy"));
    FINE(volume_delete(copy));
    autovolume lsm_volume *other = copy_finish(start("copy"));
    ck_assert_str_ne(lsm_volume_id_get(copy), lsm_volume_id_get(other));
}
END_TEST

START_TEST(key_is_freed_by_cancel)
{
    limit(HELD);
    autotext char *job = start("copy");
    FINE(lsm_job_cancel(world.conn, job, 0));
    char *other = start("other name");
    ck_assert_str_ne(job, other);
    let_go_of_volume(&(lsm_volume *){copy_finish(other)});
}
END_TEST

START_TEST(key_is_freed_by_failure)
{
    if (!job_can_be(LSM_JOB_STATE_FAILED))
        return;
    autotext char *failed = job_in(LSM_JOB_STATE_FAILED, source, "copy");
    autovolume lsm_volume *copy = copy_finish(start("copy"));
    FINE(volume_delete(copy));
    /* The failed one had no key; now one that has it. */
    limit(HELD);
    autotext char *job = start("again");
    autojob lsm_job *record = job_look(job);
    ck_assert_pstr_eq(lsm_job_key_get(record), "k");
}
END_TEST

/* The key is looked at before the source, so the answer can be had when that is gone by now. */
START_TEST(key_outlives_the_source)
{
    autovolume lsm_volume *copy = copy_finish(start("copy"));
    FINE(volume_delete(source));
    autovolume lsm_volume *same = at_once(COPY, "copy");
    ck_assert_str_eq(lsm_volume_id_get(copy), lsm_volume_id_get(same));
    REFUSED(replicate(NULL, COPY, source, "other", options), LSM_ERR_NAME_CONFLICT);
}
END_TEST

START_TEST(key_stays_with_a_renamed_volume)
{
    autovolume lsm_volume *clone = at_once(CLONE, "clone"), *renamed = NULL;
    FINE(lsm_volume_rename(world.conn, clone, "renamed", &renamed, 0));
    autovolume lsm_volume *same = at_once(CLONE, "clone");
    ck_assert_str_eq(lsm_volume_id_get(same), lsm_volume_id_get(clone));
    ck_assert_str_eq(lsm_volume_name_get(same), "renamed");
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

/* A request that was refused leaves the key free. */
START_TEST(key_of_a_refused_request)
{
    REFUSED(replicate(NULL, CLONE, source, "source", options), LSM_ERR_NAME_CONFLICT);
    autovolume lsm_volume *clone = at_once(CLONE, "clone");
}
END_TEST

START_TEST(keys_differ_byte_by_byte)
{
    autovolume lsm_volume *clone = at_once(CLONE, "clone");
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "K"), OK);
    FINE(replicate(NULL, CLONE, source, "other", options));
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "k "), OK);
    FINE(replicate(NULL, CLONE, source, "third", options));
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
}
END_TEST

/* Without a key a repeated request is a new one, whose name is taken. */
START_TEST(no_key_is_remembered)
{
    let_go_of_volume(&(lsm_volume *){clone_make(source, "a")});
    REFUSED(replicate(NULL, CLONE, source, "a", NULL), LSM_ERR_NAME_CONFLICT);
}
END_TEST

TCase *keys(void)
{
    TCase *tests = tcase_create("keys");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, key_gives_the_same_clone);
    tcase_add_test(tests, key_gives_the_same_job_then_the_same_volume);
    tcase_add_test(tests, key_of_another_request_is_50);
    tcase_add_test(tests, key_of_a_running_copy_for_another_request_is_50);
    tcase_add_test(tests, key_with_the_pool_given);
    tcase_add_test(tests, key_is_freed_by_delete);
    tcase_add_test(tests, key_of_a_copy_is_freed_by_delete);
    tcase_add_test(tests, key_is_freed_by_cancel);
    tcase_add_test(tests, key_is_freed_by_failure);
    tcase_add_test(tests, key_outlives_the_source);
    tcase_add_test(tests, key_stays_with_a_renamed_volume);
    tcase_add_test(tests, key_of_a_refused_request);
    tcase_add_test(tests, keys_differ_byte_by_byte);
    tcase_add_test(tests, no_key_is_remembered);
    return tests;
}
