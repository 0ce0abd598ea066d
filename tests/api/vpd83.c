/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

static const char *const valid[] = {
    "600508b1001c79ade5178f0626caaa9c",
    "600508B1001C79ADE5178F0626CAAA9C",
    "60000000000000000000000000000000",
    "2000000000000000",
    "3000abcdefABCDEF",
    "5000000000000001",
};

static const char *const invalid[] = {
    "",
    "6",
    "500508b1001c79ade5178f0626caaa9c", /* 32 digits, but not of 6 */
    "600508b1001c79ad",                 /* 16 digits, but of 6 */
    "4000000000000000",
    "600508b1001c79ade5178f0626caaa9",   /* 31 */
    "600508b1001c79ade5178f0626caaa9c0", /* 33 */
    "200000000000000",                   /* 15 */
    "20000000000000000",                 /* 17 */
    "600508b1001c79ade5178f0626caaa9g",
    "600508b1-001c-79ad-e517-8f0626ca",
    "0x600508b1001c79ade5178f0626caaa",
    " 00508b1001c79ade5178f0626caaa9c",
    "600508b1001c79ade5178f0626caaa9 ",
    "600508b1001c79ade5178f0626caaa9\n",
};

START_TEST(is_valid)
{
    ck_assert_msg(lsm_volume_vpd83_verify(valid[_i]) == OK, "refused: %s", valid[_i]);
}
END_TEST

START_TEST(is_invalid)
{
    ck_assert_msg(lsm_volume_vpd83_verify(invalid[_i]) == INVALID, "accepted: %s", invalid[_i]);
}
END_TEST

START_TEST(null_is_invalid)
{
    ck_assert_int_eq(lsm_volume_vpd83_verify(NULL), INVALID);
}
END_TEST

TCase *test_vpd83(void)
{
    TCase *tests = tcase_create("vpd83");
    tcase_add_loop_test(tests, is_valid, 0, sizeof valid / sizeof valid[0]);
    tcase_add_loop_test(tests, is_invalid, 0, sizeof invalid / sizeof invalid[0]);
    tcase_add_test(tests, null_is_invalid);
    return tests;
}
