/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands in a directory, to be compared before and after: nothing may have changed. */
#ifndef REPLICANT_TESTS_CONTRACT_FILES_H
#define REPLICANT_TESTS_CONTRACT_FILES_H

#include "kit.h"

/* Every path below the directory with its kind, size, mode, times and content, in order; the
 * caller's to free. Two are equal where nothing has changed. */
char *files_look(const char *directory);

#define UNCHANGED(before, directory)                                                               \
    do {                                                                                           \
        autotext char *after_ = files_look(directory);                                             \
        ck_assert_str_eq((before), after_);                                                        \
    } while (0)

void file_write(const char *path, const void *bytes, size_t n);
char *file_read(const char *path, size_t *n);
bool file_exists(const char *path);
/* The path of a text put together, in one of a few static buffers. */
const char *path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
