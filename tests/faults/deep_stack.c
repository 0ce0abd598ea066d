/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clone of a clone of a clone, 1,000 times, each written to before it is cloned: each layer is
 * shared, so none can be merged, and the last volume's first cluster is a thousand layers down. The
 * process may have 128 descriptors.
 *
 * What a volume holds: the base's bytes, and the writes of all volumes from the first to it; then
 * what was written to it alone.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "deep_stack.h"
#include "failing.h"
#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define DEPTH 1000u
#define SIZE (256u << 10)
#define DESCRIPTORS 128u
#define PIECE 3000u /* at odd places: clusters are completed from below */
#define SOME 40u    /* that are made independent, one after the other */

static lsm_volume *volumes[DEPTH + 1];
static unsigned written_late[DEPTH + 1]; /* the seed of what was written to it alone; 0: nothing */
static unsigned char base[SIZE], pieces[DEPTH + 1][PIECE]; /* that of a volume's first write */
static unsigned char expected[SIZE], bytes[SIZE];
static unsigned most_descriptors, reads;

/* --- what a volume holds ---------------------------------------------------------------------- */

/* The first cluster is the base's in all of them. */
static uint64_t place_of(unsigned number)
{
    return 4096 + number * 2654435761u % (SIZE - 4096 - PIECE);
}

static void expect(unsigned number)
{
    memcpy(expected, base, SIZE);
    for (unsigned i = 1; i <= number; i++)
        memcpy(expected + place_of(i), pieces[i], PIECE);
    if (written_late[number])
        content_fill(expected + place_of(written_late[number]), PIECE, written_late[number]);
}

static void count_descriptors(void)
{
    unsigned n = 0;
    DIR *directory = opendir("/proc/self/fd");
    MUST(directory != NULL);
    while (readdir(directory))
        n++;
    closedir(directory);
    most_descriptors = n > most_descriptors ? n : most_descriptors;
}

static lsm_volume_io *open_one(unsigned number)
{
    lsm_volume_io *io = NULL;
    MUST(lsm_volume_io_open(world.conn, volumes[number], &io, 0) == OK);
    return io;
}

static void check_one(unsigned number)
{
    snprintf(world.context, sizeof world.context, "volume %u of %u", number, DEPTH);
    lsm_volume_io *io = open_one(number);
    MUST(lsm_volume_io_pread(io, bytes, SIZE, 0, 0) == OK);
    count_descriptors();
    MUST(lsm_volume_io_close(io, 0) == OK);
    expect(number);
    MUST(memcmp(bytes, expected, SIZE) == 0);
    reads++;
}

/* In an order of luck. One that stays open keeps the maps of all in memory. */
static void check_all(void)
{
    unsigned order[DEPTH + 1], last = DEPTH;
    while (!volumes[last])
        last--;
    lsm_volume_io *io = open_one(last);
    for (unsigned i = 0; i <= DEPTH; i++)
        order[i] = i;
    for (unsigned i = DEPTH; i > 0; i--) {
        unsigned k = random_below(i + 1), other = order[i];
        order[i] = order[k];
        order[k] = other;
    }
    for (unsigned i = 0; i <= DEPTH; i++)
        if (volumes[order[i]])
            check_one(order[i]);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static uint32_t depth_of(unsigned number)
{
    lsm_volume **found = NULL;
    uint32_t count = 0;
    MUST(lsm_volume_list(world.conn, "id", lsm_volume_id_get(volumes[number]), &found, &count, 0) ==
         OK);
    MUST(count == 1);
    uint32_t depth = lsm_volume_depth_get(found[0]);
    lsm_volume_record_array_free(found, count);
    return depth;
}

/* --- what is done to it ----------------------------------------------------------------------- */

static lsm_volume_io *begin(void)
{
    struct rlimit limit = {.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    failing_install(); /* nothing is synced */
    world_make_directory();
    world_open();
    world_make_volume("0", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    volumes[0] = world_volume("0", "default");
    lsm_volume_io *io = open_one(0);
    content_fill(base, SIZE, 7);
    MUST(lsm_volume_io_pwrite(io, base, SIZE, 0, 0) == OK);
    return io;
}

/* The one before stays open until the next is: so no map is read twice. */
static void pile_up(lsm_volume_io *before)
{
    for (unsigned i = 1; i <= DEPTH; i++) {
        char name[32], *job = NULL;
        snprintf(name, sizeof name, "%u", i);
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, volumes[i - 1],
                                  name, &volumes[i], &job, 0) == OK);
        lsm_volume_io *io = open_one(i);
        MUST(lsm_volume_io_close(before, 0) == OK);
        content_fill(pieces[i], PIECE, 1000 + i);
        MUST(lsm_volume_io_pwrite(io, pieces[i], PIECE, place_of(i), 0) == OK);
        before = io;
    }
    MUST(lsm_volume_io_close(before, 0) == OK);
}

static void reopen(void)
{
    world_close();
    world_open();
}

/* What stands on a layer does not see what is written to the volume that it was of. */
static void write_to_some(void)
{
    lsm_volume_io *last = open_one(DEPTH);
    for (unsigned i = 0; i < 100; i++) {
        unsigned number = random_below(DEPTH + 1);
        if (written_late[number])
            continue;
        lsm_volume_io *io = open_one(number);
        written_late[number] = 5000 + i;
        content_fill(bytes, PIECE, 5000 + i);
        MUST(lsm_volume_io_pwrite(io, bytes, PIECE, place_of(5000 + i), 0) == OK);
        MUST(lsm_volume_io_close(io, 0) == OK);
    }
    MUST(lsm_volume_io_close(last, 0) == OK);
}

static void delete_one(unsigned number)
{
    char *job = NULL;
    MUST(lsm_volume_delete(world.conn, volumes[number], &job, 0) == OK);
    lsm_volume_record_free(volumes[number]);
    volumes[number] = NULL;
}

/* One from the middle goes when its clone has its own copy of what they share. */
static void delete_from_the_middle(unsigned number)
{
    char *job = NULL;
    struct outcome outcome;
    snprintf(world.context, sizeof world.context, "volume %u of %u is deleted", number, DEPTH);
    MUST(lsm_volume_delete(world.conn, volumes[number], &job, 0) == LSM_ERR_HAS_CHILD_DEPENDENCY);
    MUST(lsm_volume_child_dependency_delete(world.conn, volumes[number], &job, 0) ==
         LSM_ERR_JOB_STARTED);
    MUST(world_outcome_of_job(job, &outcome) == OK);
    MUST(lsm_job_free(world.conn, &job, 0) == OK);
    delete_one(number);
}

static void delete_in_any_order(void)
{
    for (unsigned i = 0; i < SOME; i++) {
        unsigned number = random_below(DEPTH);
        if (volumes[number] && volumes[number + 1])
            delete_from_the_middle(number);
    }
    reopen();
    check_all();
    for (unsigned number = DEPTH + 1; number-- > 0;)
        if (volumes[number])
            delete_one(number);
}

START_TEST(a_thousand_shared_layers)
{
    random_seed(kill_seed());
    pile_up(begin());
    MUST(depth_of(DEPTH) == DEPTH + 1);
    check_all();
    reopen();
    MUST(depth_of(DEPTH) == DEPTH + 1);
    check_one(DEPTH); /* all of its maps are read */
    write_to_some();
    check_all();
    delete_in_any_order();
    world_close();
    world_check_files();
    MUST(most_descriptors < DESCRIPTORS);
    printf("%u shared layers: %u volumes read, at most %u of %u descriptors\n", DEPTH, reads,
           most_descriptors, DESCRIPTORS);
    world_remove_directory();
}
END_TEST

void deep_stack_add(TCase *tcase)
{
    tcase_add_test(tcase, a_thousand_shared_layers);
}
