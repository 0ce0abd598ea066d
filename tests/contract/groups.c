/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: several volumes at one instant, all or none; or 153. */
#include <pthread.h>
#include <stdatomic.h>

#include "suites.h"

static int group(lsm_pool *pool, lsm_replication_type type, lsm_volume **sources,
                 const char **names, uint32_t n, uint32_t *made)
{
    lsm_volume **volumes = NULL;
    autotext char *job = NULL;
    int rc = lsm_volume_group_replicate(world.conn, pool, type, sources, names, n, NULL, &volumes,
                                        made, &job, 0);
    ck_assert_int_eq(volumes != NULL, rc == OK);
    ck_assert_int_eq(job != NULL, rc == LSM_ERR_JOB_STARTED);
    if (rc == LSM_ERR_JOB_STARTED)
        job_await(job, LSM_JOB_STATE_DONE);
    if (volumes)
        lsm_volume_record_array_free(volumes, *made);
    return rc;
}

/* All or none: with 153, with a taken name, with one source that is gone. */
START_TEST(group_or_153)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {a, b};
    const char *names[] = {"a'", "b'"}, *taken[] = {"a'", "b"};
    uint32_t made = 77;
    int rc = group(NULL, _i ? COPY : CLONE, sources, names, 2, &made);
    if (rc == LSM_ERR_NO_SUPPORT) {
        REFUSED_SAYING(rc, LSM_ERR_NO_SUPPORT, "one");
        ck_assert_uint_eq(made, 77);
        ck_assert_uint_eq(volume_count(NULL, NULL), 2);
        return;
    }
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
    REFUSED(group(NULL, CLONE, sources, taken, 2, &made), LSM_ERR_NAME_CONFLICT);
    ck_assert_uint_eq(volume_count(NULL, NULL), 4);
}
END_TEST

START_TEST(group_arguments)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {a, b}, *same[] = {a, a}, *hole[] = {a, NULL};
    const char *names[] = {"a'", "b'"}, *bad[] = {"a'", ""};
    uint32_t n = 77;
    REFUSED(group(NULL, CLONE, NULL, names, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, NULL, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, names, 0, &n), INVALID);
    REFUSED_SAYING(group(NULL, CLONE, same, names, 2, &n), INVALID, "same");
    REFUSED(group(NULL, CLONE, hole, names, 2, &n), INVALID);
    REFUSED(group(NULL, CLONE, sources, bad, 2, &n), INVALID);
    REFUSED(group(NULL, (lsm_replication_type)9, sources, names, 2, &n), INVALID);
    ck_assert_uint_eq(n, 77);
    ck_assert_uint_eq(volume_count(NULL, NULL), 2);
}
END_TEST

/* A group of one is the plain call. */
START_TEST(group_of_one)
{
    autovolume lsm_volume *a = volume_make("a", MIB);
    const char *names[] = {"a'"};
    uint32_t made = 77;
    FINE(group(NULL, CLONE, &a, names, 1, &made));
    ck_assert_uint_eq(made, 1);
    STARTED(group(NULL, COPY, &a, (const char *[]){"copy"}, 1, &made));
    ck_assert_uint_eq(volume_count(NULL, NULL), 3);
}
END_TEST

/* Stamps: each number is on `a` before it is written to `b`. */
struct stamper {
    lsm_volume *a, *b;
    atomic_bool stop;
    _Atomic uint64_t written;
};

static void *stamp(void *argument)
{
    struct stamper *s = argument;
    lsm_volume_io *a = NULL, *b = NULL;
    ck_assert_int_eq(lsm_volume_io_open(world.conn, s->a, &a, 0), OK);
    ck_assert_int_eq(lsm_volume_io_open(world.conn, s->b, &b, 0), OK);
    for (uint64_t n = 1; !atomic_load(&s->stop); n++) {
        ck_assert_int_eq(lsm_volume_io_pwrite(a, &n, sizeof n, 4096, 0), OK);
        ck_assert_int_eq(lsm_volume_io_pwrite(b, &n, sizeof n, 8192, 0), OK);
        atomic_store(&s->written, n);
    }
    ck_assert_int_eq(lsm_volume_io_close(a, 0), OK);
    ck_assert_int_eq(lsm_volume_io_close(b, 0), OK);
    return NULL;
}

static uint64_t number_at(lsm_volume *volume, uint64_t offset)
{
    lsm_volume_io *io = NULL;
    uint64_t n = 0;
    ck_assert_int_eq(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY), OK);
    ck_assert_int_eq(lsm_volume_io_pread(io, &n, sizeof n, offset, 0), OK);
    ck_assert_int_eq(lsm_volume_io_close(io, 0), OK);
    return n;
}

/* What was acknowledged on `a` before it was written to `b` is never on the clone of `b` alone. */
START_TEST(group_clones_are_of_one_instant)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {a, b};
    struct stamper stamper = {.a = a, .b = b};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, stamp, &stamper), 0);
    for (unsigned i = 0; i < 50; i++) {
        char first[16], second[16], *job = NULL;
        const char *names[] = {first, second};
        lsm_volume **clones = NULL;
        uint32_t count = 0;
        snprintf(first, sizeof first, "a%u", i);
        snprintf(second, sizeof second, "b%u", i);
        int rc = lsm_volume_group_replicate(world.conn, NULL, CLONE, sources, names, 2, NULL,
                                            &clones, &count, &job, 0);
        if (rc == LSM_ERR_NO_SUPPORT)
            break;
        ck_assert_int_eq(rc, OK);
        ck_assert_uint_eq(count, 2);
        ck_assert_str_eq(lsm_volume_name_get(clones[0]), first);
        uint64_t on_a = number_at(clones[0], 4096), on_b = number_at(clones[1], 8192);
        ck_assert_uint_ge(on_a, on_b);
        ck_assert_uint_le(on_a - on_b, 1);
        lsm_volume_record_array_free(clones, count);
    }
    atomic_store(&stamper.stop, true);
    pthread_join(thread, NULL);
}
END_TEST

/* The same key gives the same group again, in the request's order. */
START_TEST(group_key_again)
{
    autovolume lsm_volume *a = volume_make("a", MIB), *b = volume_make("b", MIB);
    lsm_volume *sources[] = {b, a}, **first = NULL, **again = NULL;
    const char *names[] = {"b'", "a'"};
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    uint32_t count = 0, count_again = 0;
    char *job = NULL;
    ck_assert_int_eq(lsm_replicate_options_key_set(options, "nightly"), OK);
    int rc = lsm_volume_group_replicate(world.conn, NULL, CLONE, sources, names, 2, options, &first,
                                        &count, &job, 0);
    if (rc == OK) {
        FINE(lsm_volume_group_replicate(world.conn, NULL, CLONE, sources, names, 2, options, &again,
                                        &count_again, &job, 0));
        ck_assert_uint_eq(count, count_again);
        for (uint32_t i = 0; i < count; i++)
            ck_assert_str_eq(lsm_volume_id_get(first[i]), lsm_volume_id_get(again[i]));
        lsm_volume_record_array_free(first, count);
        lsm_volume_record_array_free(again, count_again);
    }
    lsm_replicate_options_free(options);
}
END_TEST

TCase *groups(void)
{
    TCase *tests = tcase_create("groups");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_loop_test(tests, group_or_153, 0, 2);
    tcase_add_test(tests, group_arguments);
    tcase_add_test(tests, group_of_one);
    tcase_add_test(tests, group_clones_are_of_one_instant);
    tcase_add_test(tests, group_key_again);
    return tests;
}
