/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *     test-contract BACKEND SUITE      runs one suite against one backend
 *
 * CK_RUN_CASE=names picks one behaviour; CK_FORK=no keeps all in one process, for a debugger.
 */
#include "suites.h"
#include "backend.h"

struct suite {
    const char *name;
    TCase *(*cases[24])(void);
};

static const struct suite suites[] = {
    {"calls",
     {capabilities, delete_volume, enable, last_error, names, outputs, pools, search, sizes, tags,
      unknown, volume_record}},
    {"io", {extents, io_calls, resize}},
    {"replicate", {detach, group_copy, groups, keys, ranges, range_jobs, refusals}},
    {"jobs",
     {event_lost, events, job_progress, job_restart, job_status, job_target, job_verbs,
      pool_check}},
    {"mirrors", {mirror_broken, mirror_data, mirrors}},
    {"mirror-sync",
     {group_sync, sync_away, sync_log, sync_split, sync_table, sync_target, sync_writers}},
    {"mirror-async",
     {group_mirror, mirror_async_ends, mirror_async_pools, mirror_async_roles, mirror_async_ship,
      mirror_async_table}},
    {"mirror-async-long", {mirror_async_kill, mirror_async_life, mirror_async_stamps}},
    {"data", {clone_data, copy_data, full_volumes, layers_random, under_writer, zero_data}},
    {"files",
     {catalog, damaged, foreign, full_disk, owner, pool_check_damaged, read_only_disk, same_root,
      shut_pools}},
};

static const struct suite *find_suite(const char *name)
{
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (strcmp(suites[i].name, name) == 0)
            return &suites[i];
    return NULL;
}

static int run(const struct suite *chosen)
{
    Suite *suite = suite_create(chosen->name);
    for (size_t i = 0; chosen->cases[i]; i++) {
        TCase *tests = chosen->cases[i]();
        tcase_set_timeout(tests, 240);
        suite_add_tcase(suite, tests);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct suite *chosen = argc == 3 ? find_suite(argv[2]) : NULL;
    for (int i = 0; argc == 3 && backends[i]; i++)
        if (strcmp(backends[i]->name, argv[1]) == 0)
            backend = backends[i];
    if (chosen && backend)
        return run(chosen);
    fprintf(stderr, "usage: test-contract BACKEND SUITE\n");
    return 2;
}
