/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An owner whose volume has eight writers (stamps.h) clones it again and again and is killed. Each
 * clone that was acknowledged is there and shows a state, with at least what was acknowledged
 * before the call began and at most what was begun before it ended, whatever of it was in memory
 * alone; one that was under way is there whole or not at all. The volume itself has what was
 * flushed.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kill.h"
#include "stamps.h"

#define OK LSM_ERR_OK
#define CLONES 400u

/* Outlives the owner. */
static struct record {
    struct stamps stamps;
    _Atomic uint32_t begun, made; /* clones */
    struct bounds bounds[CLONES];
} * record;

static lsm_volume_io *io;

/* --- the owner -------------------------------------------------------------------------------- */

static void *write_blocks(void *argument)
{
    uint32_t w = (uint32_t)(uintptr_t)argument;
    uint64_t dice = record->stamps.seed + w;
    for (;;) {
        stamp_write(&record->stamps, io, w, &dice);
        if (stamp_dice(&dice, 64) == 0)
            stamp_flush(&record->stamps, io, w);
    }
    return NULL;
}

static void clone_it(lsm_volume *source, uint32_t number)
{
    char name[32], *job = NULL;
    lsm_volume *made = NULL;
    snprintf(name, sizeof name, "clone%u", number);
    bounds_least(&record->bounds[number], &record->stamps);
    atomic_store(&record->begun, number + 1);
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name, &made,
                              &job, 0) == OK);
    bounds_most(&record->bounds[number], &record->stamps);
    atomic_store(&record->made, number + 1);
    lsm_volume_record_free(made);
}

static void work(void)
{
    pthread_t thread;
    world_open();
    lsm_volume *source = world_volume("volume", "default");
    MUST(source != NULL);
    MUST(lsm_volume_io_open(world.conn, source, &io, 0) == OK);
    for (uintptr_t w = 0; w < WRITERS; w++)
        MUST(pthread_create(&thread, NULL, write_blocks, (void *)w) == 0);
    for (uint32_t i = 0; i < CLONES; i++) {
        usleep(random_below(6000));
        clone_it(source, i);
    }
    pause();
}

/* --- the one who looks ------------------------------------------------------------------------ */

static unsigned char *read_all(lsm_volume *volume)
{
    lsm_volume_io *look = NULL;
    unsigned char *bytes = malloc(STAMPS_SIZE);
    MUST(bytes != NULL);
    MUST(lsm_volume_io_open(world.conn, volume, &look, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(look, bytes, STAMPS_SIZE, 0, 0) == OK);
    MUST(lsm_volume_io_close(look, 0) == OK);
    return bytes;
}

static void check_clone(uint32_t number)
{
    char name[32];
    snprintf(name, sizeof name, "clone%u", number);
    lsm_volume *volume = world_volume(name, "default");
    bool made = number < record->made;
    MUST(volume || !made);
    if (!volume)
        return;
    if (!made)
        bounds_most(&record->bounds[number], &record->stamps);
    unsigned char *bytes = read_all(volume);
    stamps_check(bytes, name, &record->bounds[number]);
    free(bytes);
    lsm_volume_record_free(volume);
}

static void look(void)
{
    world_open();
    for (uint32_t i = 0; i < record->begun; i++)
        check_clone(i);
    lsm_volume *volume = world_volume("volume", "default");
    MUST(volume != NULL);
    unsigned char *bytes = read_all(volume);
    stamps_check_torn(bytes, &record->stamps);
    free(bytes);
    lsm_volume_record_free(volume);
    world_close();
    world_check_files();
}

static void make(void)
{
    world_make_directory();
    world_open();
    world_make_volume("volume", "default", STAMPS_SIZE, LSM_VOLUME_PROVISION_THIN);
    world_close();
}

START_TEST(test_clone)
{
    uint64_t seed = kill_seed();
    unsigned kills = kill_count(25), begun = 0, made = 0;
    world_begin();
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(record != MAP_FAILED);
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (unsigned i = 0; i < kills; i++) {
        snprintf(world.context, sizeof world.context, "kill %u", i);
        memset(record, 0, sizeof *record);
        record->stamps.seed = seed + i;
        random_seed(seed + i);
        make();
        MUST(kill_after(work, 10000 + random_below(150000)));
        look();
        begun += record->begun;
        made += record->made;
        world_remove_directory();
    }
    printf("%u kills, %u clones begun, %u acknowledged; each that is there is a state\n", kills,
           begun, made);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("clone");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test_clone);
    return world_run("faults-kill-clone", tcase);
}
