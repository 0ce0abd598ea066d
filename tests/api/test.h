/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The API by itself: whatever needs no backend. Public headers only. Each file is one test case of
 * the suite; main.c lists them.
 */
#ifndef REPLICANT_TESTS_API_TEST_H
#define REPLICANT_TESTS_API_TEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

#define OK LSM_ERR_OK
#define INVALID LSM_ERR_INVALID_ARGUMENT

TCase *test_block_range(void);
TCase *test_capabilities(void);
TCase *test_connect(void);
TCase *test_error(void);
TCase *test_handles(void);
TCase *test_hash(void);
TCase *test_options(void);
TCase *test_records(void);
TCase *test_string_list(void);
TCase *test_uri(void);
TCase *test_uri_hostile(void);
TCase *test_vpd83(void);

/* Four bytes that are no magic of anything, and nothing behind them: whoever reads a fifth is seen
 * by the address sanitizer. */
static inline void *rubbish(void)
{
    char *bytes = malloc(4);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, "\x13\x37\xc0\xde", 4);
    return bytes;
}

#endif
