/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A write-intent log that cannot be believed, or is gone: nobody knows where the sides differ, so
 * all of the source goes to the target once more. The root and every other volume is used as ever.
 */
#include "suites.h"
#include "files.h"
#include "sync_kit.h"

#include <dirent.h>
#include <unistd.h>

#define CHANGED (TWIN_REGION + MIB) /* a byte of the target that somebody else has written to */

static const char *layers(lsm_pool *pool)
{
    return path_of("%s/%s/layers", world.directory, lsm_pool_name_get(pool));
}

static void each_file(const char *directory, const char *suffix, void (*with)(const char *path))
{
    struct dirent **entries;
    int found = 0, count = scandir(directory, &entries, NULL, alphasort);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++) {
        size_t n = strlen(entries[i]->d_name), m = strlen(suffix);
        if (n > m && strcmp(entries[i]->d_name + n - m, suffix) == 0) {
            with(path_of("%s/%s", directory, entries[i]->d_name));
            found++;
        }
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_gt(found, 0);
}

static void change(const char *path)
{
    size_t n;
    autotext char *bytes = file_read(path, &n);
    if (n > CHANGED) {
        bytes[CHANGED] ^= 0x41;
        file_write(path, bytes, n);
    }
}

static void fill_with_rubbish(const char *path)
{
    size_t n;
    free(file_read(path, &n));
    autotext char *rubbish = malloc(n);
    random_bytes((unsigned char *)rubbish, n, 3);
    file_write(path, rubbish, n);
}

static void change_a_byte(const char *path)
{
    size_t n;
    autotext char *bytes = file_read(path, &n);
    bytes[0] ^= 1;
    file_write(path, bytes, n);
}

static void cut(const char *path)
{
    ck_assert_int_eq(truncate(path, 100), 0);
}

static void take_away(const char *path)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void (*const damages[])(const char *path) = {fill_with_rubbish, change_a_byte, cut,
                                                    take_away};
enum { DAMAGES = sizeof damages / sizeof *damages };

static bool target_is_changed(void)
{
    unsigned char byte;
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, twin.target, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, &byte, 1, CHANGED, 0));
    return byte != twin.image->bytes[CHANGED];
}

START_TEST(sync_log_damaged)
{
    uint32_t seed = 3;
    if (!world.directory[0] || !twin_mode(TWIN_BETWEEN_POOLS))
        return;
    twin_make();
    autovolume lsm_volume *other = volume_make("other", MIB);
    autotext char *of_source = strdup(layers(world.pool)), *of_target = strdup(layers(twin.pool));
    world_close();
    each_file(of_target, ".raw", change);
    world_open();
    ck_assert(target_is_changed()); /* the log says that nothing differs, and is believed */
    world_close();
    each_file(of_source, ".intent", damages[_i]);
    world_open();
    autovolume lsm_volume *copy = copy_make(NULL, other, "copy");
    twin_scribble(5, &seed);
    twin_in_sync();
    twin_equal();
    ck_assert_uint_ge(twin_last_sync_bytes(), TWIN_SIZE);
    world_reopen();
    ck_assert_int_eq(twin_state(), TWIN_STATE(IN_SYNC));
    twin_equal();
}
END_TEST

/* In the other states it is kept for the resync that comes. */
START_TEST(sync_log_damaged_while_paused)
{
    if (!world.directory[0] || !twin_mode(TWIN_BETWEEN_POOLS))
        return;
    twin_make_in(TWIN_STATE(PAUSED), NULL);
    autotext char *of_source = strdup(layers(world.pool)), *of_target = strdup(layers(twin.pool));
    world_close();
    each_file(of_target, ".raw", change);
    each_file(of_source, ".intent", damages[_i]);
    world_open();
    ck_assert_int_eq(twin_state(), TWIN_STATE(PAUSED));
    FINE(lsm_replication_resume(world.conn, twin.id, 0));
    twin_in_sync();
    twin_equal();
}
END_TEST

TCase *sync_log(void)
{
    TCase *tests = tcase_create("sync_log");
    tcase_add_checked_fixture(tests, twin_world_make, twin_world_remove);
    tcase_add_loop_test(tests, sync_log_damaged, 0, DAMAGES);
    tcase_add_loop_test(tests, sync_log_damaged_while_paused, 0, DAMAGES - 1);
    return tests;
}
