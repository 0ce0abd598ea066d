/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layer files that are missing, cut or not what they were: 1002 naming the file, the other volumes
 * stay usable, and nothing is deleted. */
#include "suites.h"
#include "files.h"
#include "image.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE MIB
#define FILES 24

/* A closed world: «v» with the clone «clone», both written since, and «other», which shares nothing
 * with them. */
static struct image *of_v, *of_clone, *of_other;
static char *all[FILES]; /* the layer files of v and clone, written to */
static int count;

static const char *layers(void)
{
    return path_of("%s/default/layers", world.directory);
}

static void write_some(struct image *image, lsm_volume *volume, uint32_t seed)
{
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    image_write(image, io, seed * CLUSTER + 100, 20 * CLUSTER, seed);
    FINE(lsm_volume_io_close(io, 0));
}

static bool is_empty(const char *guid)
{
    struct stat st;
    return stat(path_of("%s/%.32s.raw", layers(), guid), &st) != 0 || st.st_size == 0;
}

static void list_layers(void)
{
    struct dirent **entries;
    int n = scandir(layers(), &entries, NULL, alphasort);
    ck_assert_int_ge(n, 0);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && !is_empty(name) && count < FILES) /* spare layers are empty */
            all[count++] = strdup(name);
        free(entries[i]);
    }
    free(entries);
}

static void make(void)
{
    world_make();
    lsm_volume *v = volume_make("v", SIZE);
    of_v = image_create(SIZE);
    image_fill(of_v, v, 1);
    lsm_volume *clone = clone_make(v, "clone");
    of_clone = image_copy(of_v);
    write_some(of_v, v, 2);
    write_some(of_clone, clone, 3);
    world_close();
    list_layers();
    ck_assert_int_gt(count, 2);
    world_open();
    lsm_volume *other = volume_make("other", SIZE);
    of_other = image_create(SIZE);
    image_fill(of_other, other, 4);
    world_close();
    lsm_volume_record_free(v);
    lsm_volume_record_free(clone);
    lsm_volume_record_free(other);
}

static void unmake(void)
{
    image_destroy(&of_v);
    image_destroy(&of_clone);
    image_destroy(&of_other);
    while (count > 0)
        free(all[--count]);
    world_remove();
}

/* What opening or reading a volume says: OK with the right bytes, or 1002. */
static bool is_whole(const char *name, struct image *image)
{
    autovolume lsm_volume *v = volume_named(name);
    autoio lsm_volume_io *io = NULL;
    ck_assert_msg(v != NULL, "«%s» is not listed any more", name);
    int rc = lsm_volume_io_open(world.conn, v, &io, 0);
    unsigned char *bytes = malloc(SIZE);
    if (rc == OK)
        rc = lsm_volume_io_pread(io, bytes, SIZE, 0, 0);
    if (rc == OK)
        ck_assert_msg(memcmp(bytes, image->bytes, SIZE) == 0, "«%s» reads other bytes", name);
    free(bytes);
    return rc == OK;
}

/* Of v and clone one at least must have noticed, and said which file; only where nothing was lost
 * (a file cut behind its data) need nobody. «other» has nothing to do with it, and works. */
static void is_noticed(const char *file, bool must)
{
    world_open();
    autovolume lsm_volume *v = volume_named("v"), *clone = volume_named("clone");
    lsm_volume *both[] = {v, clone};
    int noticed = 0;
    for (int i = 0; i < 2; i++) {
        if (is_whole(lsm_volume_name_get(both[i]), i ? of_clone : of_v))
            continue;
        lsm_error_ptr e = lsm_error_last_get(world.conn);
        ck_assert_msg((int)lsm_error_number_get(e) == LSM_ERR_DAMAGED, "%s: it is %d: %s", file,
                      (int)lsm_error_number_get(e), lsm_error_message_get(e));
        ck_assert_msg(strstr(lsm_error_message_get(e), file) != NULL, "no %s in: %s", file,
                      lsm_error_message_get(e));
        lsm_error_free(e);
        noticed++;
    }
    ck_assert_msg(noticed > 0 || !must, "nobody noticed %s", file);
    ck_assert(is_whole("other", of_other));
    autovolume lsm_volume *other = volume_named("other");
    autovolume lsm_volume *third = clone_make(other, "clone of other");
    autovolume lsm_volume *fourth = copy_make(NULL, other, "copy of other");
    FINE(volume_delete(third));
    FINE(volume_delete(fourth));
    world_close();
}

static void all_are_whole(void)
{
    world_open();
    ck_assert(is_whole("v", of_v));
    ck_assert(is_whole("clone", of_clone));
    ck_assert(is_whole("other", of_other));
    world_close();
}

static void finish(void)
{
    world_open();
}

START_TEST(layer_file_missing)
{
    for (int i = 0; i < count; i++) {
        autotext char *path = strdup(path_of("%s/%s", layers(), all[i]));
        autotext char *away = strdup(path_of("%s/%s-away", world.directory, all[i]));
        ck_assert_int_eq(rename(path, away), 0);
        is_noticed(all[i], true);
        for (int k = 0; k < count; k++)
            ck_assert(k == i || file_exists(path_of("%s/%s", layers(), all[k])));
        ck_assert(!file_exists(path)); /* nor was a new one made */
        ck_assert_int_eq(rename(away, path), 0);
        all_are_whole();
    }
    finish();
}
END_TEST

START_TEST(layer_file_cut)
{
    for (int i = 0; i < count; i++) {
        size_t size;
        autotext char *path = strdup(path_of("%s/%s", layers(), all[i]));
        autotext char *bytes = file_read(path, &size);
        static const char *const how[] = {"to nothing", "in half", "by a byte"};
        size_t to[] = {0, size / 2, size - 1};
        for (int k = 0; k < 3; k++) {
            ck_assert_int_eq(truncate(path, (off_t)to[k]), 0);
            printf("%s cut %s\n", all[i], how[k]);
            fflush(stdout);
            is_noticed(all[i], to[k] == 0);
            ck_assert(file_exists(path));
            file_write(path, bytes, size);
        }
        all_are_whole();
    }
    finish();
}
END_TEST

/* A map that was changed says so itself; of data nobody can tell. */
START_TEST(map_changed)
{
    int maps = 0;
    for (int i = 0; i < count; i++) {
        size_t size;
        if (!strstr(all[i], ".map"))
            continue;
        autotext char *path = strdup(path_of("%s/%s", layers(), all[i]));
        autotext char *bytes = file_read(path, &size), *changed = malloc(size);
        for (size_t k = 0; k < 5; k++) {
            memcpy(changed, bytes, size);
            changed[k * (size - 1) / 4] ^= 0x41;
            file_write(path, changed, size);
            world_open();
            /* Where nothing is said, nothing may be wrong. */
            is_whole("v", of_v);
            is_whole("clone", of_clone);
            ck_assert(is_whole("other", of_other));
            world_close();
        }
        file_write(path, bytes, size);
        all_are_whole();
        maps++;
    }
    ck_assert_int_gt(maps, 0);
    finish();
}
END_TEST

/* One layer's map in another's place. */
START_TEST(map_of_another_layer)
{
    char *maps[2] = {NULL};
    for (int i = 0, n = 0; i < count && n < 2; i++)
        if (strstr(all[i], ".map"))
            maps[n++] = all[i];
    ck_assert_ptr_nonnull(maps[1]);
    size_t size, other_size;
    autotext char *path = strdup(path_of("%s/%s", layers(), maps[0]));
    autotext char *bytes = file_read(path, &size);
    autotext char *other = file_read(path_of("%s/%s", layers(), maps[1]), &other_size);
    file_write(path, other, other_size);
    is_noticed(maps[0], true);
    file_write(path, bytes, size);
    all_are_whole();
    finish();
}
END_TEST

/* Files that no row names: ours by their name go, whatever else lies there stays. */
START_TEST(stray_files)
{
    const char *ours = "0123456789abcdef0123456789abcdef.raw";
    static const char *const theirs[] = {"notes.txt", "0123.raw", "README",
                                         "0123456789abcdef0123456789abcdef.bak"};
    file_write(path_of("%s/%s", layers(), ours), "left behind", 11);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        file_write(path_of("%s/%s", layers(), theirs[i]), "mine", 4);
    world_open();
    for (int i = 0; i < 500 && file_exists(path_of("%s/%s", layers(), ours)); i++)
        sleep_ms(10);
    ck_assert(!file_exists(path_of("%s/%s", layers(), ours)));
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        ck_assert(file_exists(path_of("%s/%s", layers(), theirs[i])));
    world_close();
    all_are_whole();
    finish();
}
END_TEST

/* Volumes whose files are damaged can be deleted, so that a pool can be cleaned up. */
START_TEST(damaged_volumes_are_deleted)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(unlink(path_of("%s/%s", layers(), all[i])), 0);
    world_open();
    autovolume lsm_volume *v = volume_named("v"), *clone = volume_named("clone");
    FINE(volume_delete(clone));
    FINE(volume_delete(v));
    world_reopen();
    ck_assert_uint_eq(volume_count(NULL, NULL), 1);
    ck_assert(is_whole("other", of_other));
}
END_TEST

TCase *damaged(void)
{
    TCase *tests = tcase_create("damaged");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_test(tests, layer_file_missing);
    tcase_add_test(tests, layer_file_cut);
    tcase_add_test(tests, map_changed);
    tcase_add_test(tests, map_of_another_layer);
    tcase_add_test(tests, stray_files);
    tcase_add_test(tests, damaged_volumes_are_deleted);
    return tests;
}
