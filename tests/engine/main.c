/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kit.h"

int main(void)
{
    Suite *suite = suite_create("engine");
    suite_add_tcase(suite, test_map());
    suite_add_tcase(suite, test_gate());
    suite_add_tcase(suite, test_helpers());
    suite_add_tcase(suite, test_descriptor());
    suite_add_tcase(suite, test_stack());
    suite_add_tcase(suite, test_mover());
    suite_add_tcase(suite, test_catalog());
    suite_add_tcase(suite, test_job());
    suite_add_tcase(suite, test_event());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
