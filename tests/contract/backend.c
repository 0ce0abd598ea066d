/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dir:// on a directory of the test's own. REPLICANT_CONTRACT_DIR names the directory that it is
 * made in, so that the suite can be run on any file system; else it is TMPDIR.
 */
#include "backend.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

const struct backend *backend;

static char place[300]; /* holds the root, and what a test keeps beside it */

static void make_place(const char *query)
{
    const char *parent = getenv("REPLICANT_CONTRACT_DIR");
    if (!parent)
        parent = getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir;
    snprintf(place, sizeof place, "%s/replicant-contract-XXXXXX", parent);
    ck_assert_ptr_nonnull(mkdtemp(place));
    snprintf(world.directory, sizeof world.directory, "%s/root", place);
    ck_assert_int_eq(mkdir(world.directory, 0700), 0);
    snprintf(world.uri, sizeof world.uri, "dir://%s%s", world.directory, query);
}

static void make_buffered(void)
{
    make_place("");
}

static void make_direct(void)
{
    make_place("?cache=none");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_place(void)
{
    nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_directory(void)
{
    static char path[400];
    static int number;
    snprintf(path, sizeof path, "%s/scratch-%d", place, ++number);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    return path;
}

/* What the copy reads is gone when it goes on after a restart; then it comes back. */
static char *fail_job(lsm_volume *source, const char *name)
{
    char base[500], away[sizeof base + 5];
    const char *path = lsm_volume_base_path_get(source);
    ck_assert_ptr_nonnull(path);
    snprintf(base, sizeof base, "%s", path);
    snprintf(away, sizeof away, "%s.away", base);
    char *job = copy_start(NULL, source, name, HELD);
    job_await(job, LSM_JOB_STATE_RUNNING);
    world_close();
    ck_assert_int_eq(rename(base, away), 0);
    world_open();
    job_await(job, LSM_JOB_STATE_FAILED);
    ck_assert_int_eq(rename(away, base), 0);
    return job;
}

static const struct backend dir = {
    .name = "dir", .make = make_buffered, .remove = remove_place, .fail_job = fail_job};
static const struct backend dir_direct = {
    .name = "dir-direct", .make = make_direct, .remove = remove_place, .fail_job = fail_job};

const struct backend *const backends[] = {&dir, &dir_direct, NULL};
