/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For what needs a connection, but nothing of the backend that is not in its first lines: an empty
 * root in a temporary directory, connected, with one volume of 1 MiB. Each test gets its own.
 */
#ifndef REPLICANT_TESTS_API_ROOT_H
#define REPLICANT_TESTS_API_ROOT_H

#include "test.h"

#define ROOT_VOLUME_SIZE (1u << 20)

extern lsm_connect *root_conn; /* a test that closes it sets it to NULL */
extern lsm_pool *root_pool;
extern lsm_volume *root_volume;

void root_make(void);
void root_remove(void);

/* `rc` is `code`, and the connection's last error says so, with `word` in its message. */
void root_assert_error(int rc, int code, const char *word);

TCase *test_arguments(void);
TCase *test_fork(void);
TCase *test_io_range(void);
TCase *test_last_error(void);
TCase *test_outliving(void);

#endif
