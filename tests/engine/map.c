/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The map against an array of bools, and its file against whatever can happen to a file. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"

#define CLUSTERS 100000u /* more than three chunks of 504 words */
#define PAGE 4096
#define SECTOR 512
#define GUID_A "0123456789abcdef0123456789abcdef"
#define GUID_B "00112233445566778899aabbccddeeff"

static bool model[CLUSTERS];

static void assert_same(const struct map *map, const bool *expected, uint64_t clusters)
{
    uint64_t held = 0, bound = 0;
    for (uint64_t word = 0; word <= clusters / 64; word++) {
        uint64_t bits = 0;
        for (uint64_t c = word * 64; c < (word + 1) * 64 && c < clusters; c++)
            if (expected[c]) {
                bits |= 1ull << (c % 64);
                held++;
                bound = c + 1;
            }
        ck_assert_uint_eq(map_word(map, word), bits);
    }
    ck_assert_uint_eq(map_held(map), held);
    ck_assert_uint_eq(map_bound(map), bound);
}

static void set(struct map *map, uint64_t first, uint64_t count)
{
    ck_assert_int_eq(map_reserve(map, first, count), 0);
    map_set(map, first, count);
    memset(model + first, true, count);
}

static void set_randomly(struct map *map, int times)
{
    while (times-- > 0) {
        uint64_t first = kit_random(CLUSTERS), count = 1 + kit_random(kit_random(4) ? 90 : 5000);
        set(map, first, count < CLUSTERS - first ? count : CLUSTERS - first);
    }
}

static struct map *make(void)
{
    struct map *map = map_create(CLUSTERS);
    ck_assert_ptr_nonnull(map);
    map_name(map, GUID_A);
    memset(model, 0, sizeof model);
    return map;
}

START_TEST(set_and_clear_are_those_of_an_array)
{
    struct map *map = make();
    for (int i = 0; i < 300; i++) {
        set_randomly(map, 1);
        uint64_t first = kit_random(CLUSTERS), count = 1 + kit_random(3000);
        count = count < CLUSTERS - first ? count : CLUSTERS - first;
        ck_assert_int_eq(map_reserve(map, first, count), 0);
        map_clear(map, first, count);
        memset(model + first, false, count);
        if (i % 20 == 0)
            assert_same(map, model, CLUSTERS);
    }
    assert_same(map, model, CLUSTERS);
    map_destroy(map);
}
END_TEST

START_TEST(what_a_shorter_map_lost_does_not_come_back)
{
    struct map *map = make();
    set_randomly(map, 60);
    for (int i = 0; i < 50; i++) {
        uint64_t clusters = kit_random(CLUSTERS);
        ck_assert_int_eq(map_resize(map, clusters), 0);
        memset(model + clusters, false, CLUSTERS - clusters);
        assert_same(map, model, clusters);
        ck_assert_int_eq(map_resize(map, CLUSTERS), 0);
        assert_same(map, model, CLUSTERS);
        set_randomly(map, 5);
    }
    map_destroy(map);
}
END_TEST

static void *set_every_eighth(void *argument)
{
    struct map *map = *(void **)argument;
    uint64_t which = ((uint64_t *)argument)[1];
    for (uint64_t c = which; c < CLUSTERS; c += 8) {
        ck_assert_int_eq(map_reserve(map, c, 1), 0);
        map_set(map, c, 1);
    }
    return NULL;
}

START_TEST(eight_threads_lose_no_bit)
{
    struct map *map = make();
    struct {
        struct map *map;
        uint64_t which;
        pthread_t thread;
    } threads[8];
    for (unsigned i = 0; i < 8; i++) {
        threads[i].map = map;
        threads[i].which = i;
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, set_every_eighth, &threads[i]),
                         0);
    }
    for (unsigned i = 0; i < 8; i++)
        pthread_join(threads[i].thread, NULL);
    memset(model, true, sizeof model);
    assert_same(map, model, CLUSTERS);
    map_destroy(map);
}
END_TEST

/* --- on disk ---------------------------------------------------------------------------------- */

static int new_file(const char *name, const char *guid)
{
    int fd = open(kit_path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(map_file_init(fd, guid), 0);
    return fd;
}

static void store(struct map *map, int fd)
{
    struct map_snapshot *snapshot;
    ck_assert_int_eq(map_snapshot_take(map, &snapshot), 0);
    ck_assert_int_eq(map_file_extend(fd, map), 0);
    if (snapshot)
        ck_assert_int_eq(map_snapshot_store(snapshot, fd), 0);
    map_snapshot_free(snapshot);
    ck_assert(!map_dirty(map));
}

static int load(int fd, const char *guid, uint64_t clusters, struct map **map, const char **damage,
                uint64_t *where)
{
    *map = map_create(clusters);
    return map_file_load(fd, guid, *map, damage, where);
}

static void assert_loads(int fd)
{
    struct map *map;
    const char *damage;
    uint64_t where;
    ck_assert_int_eq(load(fd, GUID_A, CLUSTERS, &map, &damage, &where), 0);
    assert_same(map, model, CLUSTERS);
    map_destroy(map);
    ck_assert_int_eq(load(fd, GUID_A, 0, &map, &damage, &where), 0); /* as for a frozen layer */
    assert_same(map, model, CLUSTERS);
    map_destroy(map);
}

static void assert_refused(int fd, const char *guid, const char *why, uint64_t at)
{
    struct map *map;
    const char *damage = NULL;
    uint64_t where = UINT64_MAX;
    ck_assert_int_eq(load(fd, guid, CLUSTERS, &map, &damage, &where), -1);
    ck_assert_msg(strstr(damage, why) != NULL, "%s", damage);
    ck_assert_uint_eq(where, at);
    map_destroy(map);
}

START_TEST(what_is_stored_is_loaded)
{
    struct map *map = make();
    int fd = new_file("map", GUID_A);
    assert_loads(fd);
    for (int i = 0; i < 20; i++) {
        set_randomly(map, 3);
        store(map, fd);
        assert_loads(fd);
    }
    close(fd);
    map_destroy(map);
}
END_TEST

START_TEST(a_snapshot_that_is_given_back_is_taken_again)
{
    struct map *map = make();
    struct map_snapshot *snapshot;
    int fd = new_file("map", GUID_A);
    set_randomly(map, 10);
    ck_assert_int_eq(map_snapshot_take(map, &snapshot), 0);
    ck_assert_ptr_nonnull(snapshot);
    set_randomly(map, 2); /* not in the snapshot, in the same sectors or in others */
    map_snapshot_return(map, snapshot);
    ck_assert(map_dirty(map));
    store(map, fd);
    assert_loads(fd);
    ck_assert_int_eq(map_snapshot_take(map, &snapshot), 0);
    ck_assert_ptr_null(snapshot);
    close(fd);
    map_destroy(map);
}
END_TEST

/* A file with bits in every sector of its first chunk, and some behind. */
static int full_file(struct map *map)
{
    int fd = new_file("map", GUID_A);
    for (uint64_t sector = 0; sector < 12; sector++)
        set(map, sector * 63 * 64 + kit_random(63 * 64 - 100), 1 + kit_random(99));
    store(map, fd);
    return fd;
}

static void flip(int fd, uint64_t offset)
{
    unsigned char byte;
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= (unsigned char)(1u << kit_random(8));
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
}

START_TEST(a_damaged_sector_is_named)
{
    struct map *map = make();
    int fd = full_file(map);
    for (unsigned sector = 0; sector < 12; sector++) {
        uint64_t at = PAGE + sector * SECTOR;
        char whole[SECTOR];
        ck_assert_int_eq(pread(fd, whole, SECTOR, (off_t)at), SECTOR);
        flip(fd, at + kit_random(SECTOR));
        assert_refused(fd, GUID_A, "checksum", at);
        ck_assert_int_eq(pwrite(fd, whole, SECTOR, (off_t)at), SECTOR);
    }
    assert_loads(fd);
    close(fd);
    map_destroy(map);
}
END_TEST

START_TEST(a_sector_written_half_is_damage)
{
    struct map *map = make();
    char before[SECTOR], after[SECTOR];
    int fd = full_file(map);
    ck_assert_int_eq(pread(fd, before, SECTOR, PAGE), SECTOR);
    set(map, 1, 1);
    set(map, 62 * 64, 1);
    store(map, fd);
    ck_assert_int_eq(pread(fd, after, SECTOR, PAGE), SECTOR);
    for (unsigned torn = 8; torn < SECTOR; torn += 8) {
        if (memcmp(before, after, torn) == 0 ||
            memcmp(before + torn, after + torn, SECTOR - torn) == 0)
            continue;
        ck_assert_int_eq(pwrite(fd, after, torn, PAGE), torn);
        ck_assert_int_eq(pwrite(fd, before + torn, SECTOR - torn, PAGE + (off_t)torn),
                         SECTOR - torn);
        assert_refused(fd, GUID_A, "checksum", PAGE);
    }
    close(fd);
    map_destroy(map);
}
END_TEST

START_TEST(a_stray_sector_is_damage)
{
    struct map *map = make();
    char sector[SECTOR], own[SECTOR];
    int fd = full_file(map);
    /* one of the same file, in another's place */
    ck_assert_int_eq(pread(fd, own, SECTOR, PAGE + 2 * SECTOR), SECTOR);
    ck_assert_int_eq(pread(fd, sector, SECTOR, PAGE + 5 * SECTOR), SECTOR);
    ck_assert_int_eq(pwrite(fd, sector, SECTOR, PAGE + 2 * SECTOR), SECTOR);
    assert_refused(fd, GUID_A, "checksum", PAGE + 2 * SECTOR);
    ck_assert_int_eq(pwrite(fd, own, SECTOR, PAGE + 2 * SECTOR), SECTOR);
    assert_loads(fd);
    /* one of another layer, in its own place */
    struct map *other = map_create(CLUSTERS);
    map_name(other, GUID_B);
    int other_fd = new_file("other", GUID_B);
    ck_assert_int_eq(map_reserve(other, 7000, 1), 0);
    map_set(other, 7000, 1);
    store(other, other_fd);
    uint64_t at = PAGE + 7000 / (63 * 64) * SECTOR;
    ck_assert_int_eq(pread(other_fd, sector, SECTOR, (off_t)at), SECTOR);
    ck_assert_int_eq(pwrite(fd, sector, SECTOR, (off_t)at), SECTOR);
    assert_refused(fd, GUID_A, "checksum", at);
    close(other_fd);
    close(fd);
    map_destroy(other);
    map_destroy(map);
}
END_TEST

START_TEST(a_cut_file_and_a_wrong_header_are_damage)
{
    struct map *map = make();
    struct stat st;
    int fd = full_file(map);
    assert_refused(fd, GUID_B, "header", 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(ftruncate(fd, st.st_size - 1), 0);
    assert_refused(fd, GUID_A, "shorter", (uint64_t)st.st_size - 1);
    ck_assert_int_eq(ftruncate(fd, PAGE), 0);
    assert_refused(fd, GUID_A, "shorter", PAGE);
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    assert_refused(fd, GUID_A, "header", 0);
    close(fd);
    map_destroy(map);

    map = make();
    fd = full_file(map);
    for (int i = 0; i < 40; i++) {
        char header[SECTOR];
        ck_assert_int_eq(pread(fd, header, SECTOR, 0), SECTOR);
        flip(fd, kit_random(SECTOR));
        assert_refused(fd, GUID_A, "header", 0);
        ck_assert_int_eq(pwrite(fd, header, SECTOR, 0), SECTOR);
    }
    assert_loads(fd);
    close(fd);
    map_destroy(map);
}
END_TEST

START_TEST(a_sector_that_was_never_written_holds_nothing)
{
    struct map *map = make();
    char zeros[SECTOR] = {0};
    int fd = full_file(map);
    ck_assert_int_eq(pwrite(fd, zeros, SECTOR, PAGE + 3 * SECTOR), SECTOR);
    memset(model + 3 * 63 * 64, false, 63 * 64);
    assert_loads(fd);
    close(fd);
    map_destroy(map);
}
END_TEST

/* The file of a volume that was shrunk, but whose map was not yet written anew. */
START_TEST(what_lies_past_the_end_is_forgotten_and_unsaid)
{
    struct map *map = make(), *shorter;
    const char *damage;
    uint64_t where, clusters = 10000;
    int fd = full_file(map);
    ck_assert_int_eq(load(fd, GUID_A, clusters, &shorter, &damage, &where), 0);
    memset(model + clusters, false, CLUSTERS - clusters);
    assert_same(shorter, model, clusters);
    ck_assert(map_dirty(shorter));
    ck_assert_int_eq(map_resize(shorter, CLUSTERS), 0);
    assert_same(shorter, model, CLUSTERS);
    store(shorter, fd);
    assert_loads(fd);
    close(fd);
    map_destroy(shorter);
    map_destroy(map);
}
END_TEST

TCase *test_map(void)
{
    TCase *tcase = tcase_create("map");
    tcase_add_checked_fixture(tcase, kit_make, kit_remove);
    tcase_add_test(tcase, set_and_clear_are_those_of_an_array);
    tcase_add_test(tcase, what_a_shorter_map_lost_does_not_come_back);
    tcase_add_test(tcase, eight_threads_lose_no_bit);
    tcase_add_test(tcase, what_is_stored_is_loaded);
    tcase_add_test(tcase, a_snapshot_that_is_given_back_is_taken_again);
    tcase_add_test(tcase, a_damaged_sector_is_named);
    tcase_add_test(tcase, a_sector_written_half_is_damage);
    tcase_add_test(tcase, a_stray_sector_is_damage);
    tcase_add_test(tcase, a_cut_file_and_a_wrong_header_are_damage);
    tcase_add_test(tcase, a_sector_that_was_never_written_holds_nothing);
    tcase_add_test(tcase, what_lies_past_the_end_is_forgotten_and_unsaid);
    return tcase;
}
