/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fifty files through a cache of four: the bound holds, what is pinned stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "kit.h"

#define FILES 50u
#define BOUND 4u

static struct descriptor descriptors[FILES];
static char paths[FILES][300];

static void make_files(void)
{
    kit_make();
    kit_narrow(BOUND);
    for (unsigned i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%u", i);
        snprintf(paths[i], sizeof paths[i], "%s", kit_path(name));
        int fd = open(paths[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(write(fd, &i, sizeof i), sizeof i);
        close(fd);
        descriptor_init(&descriptors[i]);
    }
}

static void remove_files(void)
{
    for (unsigned i = 0; i < FILES; i++)
        descriptor_drop(kit_home.cache, &descriptors[i]);
    kit_remove();
}

static unsigned open_files(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < FILES; i++)
        n += descriptors[i].fd >= 0;
    return n;
}

static void pin(unsigned i)
{
    unsigned content;
    ck_assert_int_eq(
        descriptor_pin(kit_home.cache, &descriptors[i], paths[i], O_RDONLY | O_CLOEXEC), 0);
    ck_assert_int_eq(pread(descriptors[i].fd, &content, sizeof content, 0), sizeof content);
    ck_assert_uint_eq(content, i);
}

START_TEST(no_more_are_open_than_the_bound)
{
    for (unsigned round = 0; round < 500; round++) {
        unsigned i = kit_random(FILES);
        pin(i);
        ck_assert_uint_le(open_files(), BOUND);
        descriptor_unpin(&descriptors[i]);
    }
}
END_TEST

START_TEST(what_is_pinned_is_not_closed)
{
    pin(0);
    pin(1);
    int first = descriptors[0].fd, second = descriptors[1].fd;
    for (unsigned i = 2; i < FILES; i++) {
        pin(i);
        ck_assert_uint_le(open_files(), BOUND);
        descriptor_unpin(&descriptors[i]);
    }
    ck_assert_int_eq(descriptors[0].fd, first);
    ck_assert_int_eq(descriptors[1].fd, second);
    pin(0); /* the bytes are still those of the file */
    descriptor_unpin(&descriptors[0]);
    descriptor_unpin(&descriptors[0]);
    descriptor_unpin(&descriptors[1]);
}
END_TEST

/* A reader in the middle of its work is not failed: the bound gives way, and comes back. */
START_TEST(the_bound_gives_way_to_pins)
{
    for (unsigned i = 0; i < 3 * BOUND; i++)
        pin(i);
    ck_assert_uint_eq(open_files(), 3 * BOUND);
    for (unsigned i = 0; i < 3 * BOUND; i++)
        descriptor_unpin(&descriptors[i]);
    for (unsigned i = 3 * BOUND; i < FILES; i++) {
        pin(i);
        descriptor_unpin(&descriptors[i]);
    }
    ck_assert_uint_le(open_files(), BOUND);
}
END_TEST

START_TEST(a_file_that_is_missing_is_an_errno)
{
    ck_assert_int_eq(unlink(paths[7]), 0);
    ck_assert_int_eq(descriptor_pin(kit_home.cache, &descriptors[7], paths[7], O_RDONLY), ENOENT);
    ck_assert_int_lt(descriptors[7].fd, 0);
}
END_TEST

static void *use_many(void *argument)
{
    uint64_t x = (uint64_t)(uintptr_t)argument;
    for (unsigned round = 0; round < 20000; round++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        unsigned i = (unsigned)(x >> 33) % FILES;
        pin(i);
        descriptor_unpin(&descriptors[i]);
    }
    return NULL;
}

START_TEST(threads_read_the_files_they_asked_for)
{
    pthread_t threads[6];
    for (uintptr_t i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_many, (void *)(i + 1)), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    pin(0);
    descriptor_unpin(&descriptors[0]);
    ck_assert_uint_le(open_files(), BOUND + 6);
}
END_TEST

TCase *test_descriptor(void)
{
    TCase *tcase = tcase_create("descriptor");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, make_files, remove_files);
    tcase_add_test(tcase, no_more_are_open_than_the_bound);
    tcase_add_test(tcase, what_is_pinned_is_not_closed);
    tcase_add_test(tcase, the_bound_gives_way_to_pins);
    tcase_add_test(tcase, a_file_that_is_missing_is_an_errno);
    tcase_add_test(tcase, threads_read_the_files_they_asked_for);
    return tcase;
}
