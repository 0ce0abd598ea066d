/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

int main(void)
{
    Suite *suite = suite_create("api");
    suite_add_tcase(suite, test_block_range());
    suite_add_tcase(suite, test_capabilities());
    suite_add_tcase(suite, test_connect());
    suite_add_tcase(suite, test_error());
    suite_add_tcase(suite, test_handles());
    suite_add_tcase(suite, test_hash());
    suite_add_tcase(suite, test_options());
    suite_add_tcase(suite, test_records());
    suite_add_tcase(suite, test_string_list());
    suite_add_tcase(suite, test_uri());
    suite_add_tcase(suite, test_uri_hostile());
    suite_add_tcase(suite, test_vpd83());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
