/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers stamp the members of a group of synchronous mirrors in turn, each write only when the one
 * before it was acknowledged. So of a writer the group has, at any instant, all writes up to one
 * and none after it. A target's files fail at a random moment, or the owner is killed at one;
 * whichever targets are then promoted by force, together they show a state that each writer had,
 * never one member's write without another's that it came after.
 */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing.h"
#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define MEMBERS 3u
#define SIZE (6u << 20) /* two regions of the intent log */
#define WRITERS 4u
#define SLOTS 64u /* of each member; the writers' parts of one are in one cluster */
#define SLOT_SIZE 90112u
#define STAMP 1000u
#define STATE(name) LSM_REPLICATION_STATE_##name

static const char *const names[MEMBERS] = {"log", "data", "index"};
static const char *const pools[] = {"default", "second"};

/* What each writer has begun and was told to have done, in shared memory. */
static struct {
    _Atomic uint32_t begun[WRITERS], acknowledged[WRITERS];
} * told;

static uint32_t active; /* the pool of the sources */
static unsigned char bytes[2][MEMBERS][SIZE];
static char ids[MEMBERS][80], group[80];

/* --- stamps ----------------------------------------------------------------------------------- */

static void stamp_make(unsigned char *stamp, uint32_t w, uint32_t number)
{
    uint64_t x = ((uint64_t)number << 8 | w) * 0x9e3779b97f4a7c15ull;
    memset(stamp, 0, STAMP);
    for (unsigned i = 0; number && i < STAMP / 8; i++, x = x * 6364136223846793005ull + number)
        memcpy(stamp + 8 * i, &(uint64_t){x ^ (x >> 29)}, 8);
    if (number)
        memcpy(stamp, &number, 4);
}

/* A writer's numbers count from 1: member by member, and then the next slot. */
static uint32_t member_of(uint32_t number)
{
    return (number - 1) % MEMBERS;
}

static uint64_t place_of(uint32_t w, uint32_t number)
{
    return (number - 1) / MEMBERS % SLOTS * (uint64_t)SLOT_SIZE + w * STAMP;
}

static uint32_t found_at(int pool, uint32_t w, uint32_t number)
{
    uint32_t found;
    memcpy(&found, bytes[pool][member_of(number)] + place_of(w, number), 4);
    return found;
}

/* The last of its writes that any member has. */
static uint32_t last_of(int pool, uint32_t w)
{
    uint32_t last = 0, found;
    for (uint32_t number = 1; number <= MEMBERS * SLOTS; number++)
        if ((found = found_at(pool, w, number)) > last)
            last = found;
    return last;
}

static void must_be_stamp(int pool, uint32_t w, uint32_t place, uint32_t number, uint32_t last)
{
    unsigned char expected[STAMP];
    stamp_make(expected, w, number);
    if (memcmp(bytes[pool][member_of(place)] + place_of(w, place), expected, STAMP) == 0)
        return;
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n,
             "; writer %u of %s came to %u, but where %u should be is %u", w, pools[pool], last,
             number, found_at(pool, w, place));
    MUST(!"a state that the writer had");
}

/* Its last write, all before it, and none after: within the round before that one. */
static uint32_t check_writer(int pool, uint32_t w)
{
    uint32_t last = last_of(pool, w), places = MEMBERS * SLOTS;
    for (uint32_t place = 1; place <= places; place++) {
        uint32_t number = last < place ? 0 : last - (last - place) % places;
        must_be_stamp(pool, w, place, number, last);
    }
    return last;
}

static void read_pool(int pool)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        lsm_volume *volume = world_volume(names[i], pools[pool]);
        lsm_volume_io *io = NULL;
        MUST(volume != NULL);
        MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
        MUST(lsm_volume_io_pread(io, bytes[pool][i], SIZE, 0, 0) == OK);
        MUST(lsm_volume_io_close(io, 0) == OK);
        lsm_volume_record_free(volume);
    }
}

/* A state that each writer had, not before `least` (NULL: any). */
static void check_state(int pool, const uint32_t *least)
{
    read_pool(pool);
    for (uint32_t w = 0; w < WRITERS; w++) {
        uint32_t last = check_writer(pool, w);
        MUST(!least || last >= least[w]);
        MUST(last <= atomic_load(&told->begun[w]));
    }
}

static void check_equal(void)
{
    read_pool(0);
    read_pool(1);
    for (uint32_t i = 0; i < MEMBERS; i++)
        MUST(memcmp(bytes[0][i], bytes[1][i], SIZE) == 0);
}

static void acknowledged(uint32_t numbers[WRITERS])
{
    for (uint32_t w = 0; w < WRITERS; w++)
        numbers[w] = atomic_load(&told->acknowledged[w]);
}

/* What the sources have is where the writers go on. */
static void go_on_from(int pool)
{
    read_pool(pool);
    for (uint32_t w = 0; w < WRITERS; w++) {
        uint32_t last = check_writer(pool, w);
        atomic_store(&told->begun[w], last);
        atomic_store(&told->acknowledged[w], last);
    }
}

/* --- writers ---------------------------------------------------------------------------------- */

static atomic_bool enough;
static pthread_t threads[WRITERS];

static void *write_stamps(void *argument)
{
    uint32_t w = (uint32_t)(uintptr_t)argument, number = atomic_load(&told->acknowledged[w]);
    unsigned char stamp[STAMP];
    lsm_volume_io *io[MEMBERS] = {NULL};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        lsm_volume *volume = world_volume(names[i], pools[active]);
        MUST(lsm_volume_io_open(world.conn, volume, &io[i], 0) == OK);
        lsm_volume_record_free(volume);
    }
    while (!atomic_load(&enough)) {
        stamp_make(stamp, w, ++number);
        atomic_store(&told->begun[w], number);
        MUST(lsm_volume_io_pwrite(io[member_of(number)], stamp, STAMP, place_of(w, number),
                                  LSM_VOLUME_IO_FUA) == OK);
        atomic_store(&told->acknowledged[w], number);
    }
    for (uint32_t i = 0; i < MEMBERS; i++)
        MUST(lsm_volume_io_close(io[i], 0) == OK);
    return NULL;
}

static void writers_start(void)
{
    atomic_store(&enough, false);
    for (uint32_t w = 0; w < WRITERS; w++)
        MUST(pthread_create(&threads[w], NULL, write_stamps, (void *)(uintptr_t)w) == 0);
}

static void writers_stop(void)
{
    atomic_store(&enough, true);
    for (uint32_t w = 0; w < WRITERS; w++)
        pthread_join(threads[w], NULL);
}

/* Until each has done so many more. */
static void writers_past(uint32_t more)
{
    uint32_t from[WRITERS];
    acknowledged(from);
    for (uint32_t w = 0; w < WRITERS; w++)
        for (int i = 0; atomic_load(&told->acknowledged[w]) < from[w] + more; i++) {
            MUST(i < 60000);
            usleep(1000);
        }
}

/* --- the group -------------------------------------------------------------------------------- */

static uint32_t relations(lsm_replication ***list)
{
    uint32_t count = 0;
    *list = NULL;
    MUST(lsm_replication_list(world.conn, NULL, NULL, list, &count, 0) == OK);
    return count;
}

/* All of them are in this state; 0: there are none. */
static int together(void)
{
    lsm_replication **list;
    uint32_t count = relations(&list);
    if (!count)
        return 0;
    MUST(count == MEMBERS);
    int state = (int)lsm_replication_state_get(list[0]);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%s", lsm_replication_id_get(list[i]));
        snprintf(group, sizeof group, "%s", lsm_replication_group_id_get(list[i]));
        MUST((int)lsm_replication_state_get(list[i]) == state);
    }
    lsm_replication_record_array_free(list, count);
    return state;
}

static void delete_volumes(int pool)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        lsm_volume *volume = world_volume(names[i], pools[pool]);
        char *job = NULL;
        if (volume) {
            MUST(lsm_volume_delete(world.conn, volume, &job, 0) == OK);
            lsm_volume_record_free(volume);
        }
    }
}

static void mirror_begin(uint64_t rate)
{
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_pool *pool = world_pool(pools[!active]);
    lsm_volume *from[MEMBERS], **made = NULL;
    const char *to[MEMBERS];
    uint32_t count = 0;
    char *job = NULL;
    lsm_replicate_options_rate_limit_set(options, rate);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        from[i] = world_volume(names[i], pools[active]);
        to[i] = names[i];
    }
    MUST(lsm_volume_group_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_MIRROR_SYNC, from, to,
                                    MEMBERS, options, &made, &count, &job,
                                    0) == LSM_ERR_JOB_STARTED);
    for (uint32_t i = 0; i < MEMBERS; i++)
        lsm_volume_record_free(from[i]);
    free(job);
    lsm_pool_record_free(pool);
    lsm_replicate_options_free(options);
}

static void lift(void)
{
    lsm_replication *r = NULL;
    if (lsm_replication_get(world.conn, ids[0], &r, 0) != OK)
        return;
    const char *job = lsm_replication_job_id_get(r);
    if (job)
        lsm_job_rate_limit_set(world.conn, job, 0, 0);
    lsm_replication_record_free(r);
}

/* States change by themselves, so a verb may come too late, also for one that could not be made. */
static bool done(int code)
{
    MUST(code == OK || code == LSM_ERR_JOB_STARTED || code == LSM_ERR_BUSY ||
         code == LSM_ERR_STATE || code == LSM_ERR_NO_STATE_CHANGE ||
         code == LSM_ERR_NOT_FOUND_REPLICATION);
    return code == OK || code == LSM_ERR_JOB_STARTED;
}

static void come_to_in_sync(void)
{
    int state;
    for (int i = 0; (state = together()) != STATE(IN_SYNC); i++) {
        char *job = NULL;
        MUST(i < 60000);
        if (state == 0)
            mirror_begin(0);
        else if (state == STATE(PAUSED) || state == STATE(INITIALIZING))
            done(lsm_replication_resume(world.conn, ids[0], 0));
        else if (state == STATE(DEGRADED))
            lsm_replication_sync(world.conn, ids[1], &job, 0);
        free(job);
        lift();
        usleep(1000);
    }
}

static void force(uint32_t through)
{
    char *job = NULL;
    int code;
    for (int i = 0; (code = lsm_replication_promote(world.conn, ids[through], &job,
                                                    LSM_REPLICATION_FORCE)) != OK;
         i++) {
        MUST(i < 1000 && code == LSM_ERR_BUSY); /* another state came in between */
        usleep(1000);
    }
    MUST(together() == STATE(SPLIT));
}

/* The pool in which the sources are. */
static void find_active(void)
{
    lsm_replication *r = NULL;
    MUST(lsm_replication_get(world.conn, ids[0], &r, 0) == OK);
    const char *source = lsm_replication_source_volume_id_get(r);
    for (int pool = 0; pool < 2; pool++)
        for (uint32_t i = 0; i < MEMBERS; i++) {
            lsm_volume *volume = world_volume(names[i], pools[pool]);
            if (volume && strcmp(lsm_volume_id_get(volume), source) == 0)
                active = (uint32_t)pool;
            if (volume)
                lsm_volume_record_free(volume);
        }
    lsm_replication_record_free(r);
}

static void build(void)
{
    world_make_directory();
    world_open();
    world_make_pool("second");
    for (uint32_t i = 0; i < MEMBERS; i++)
        world_make_volume(names[i], "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    active = 0;
    for (uint32_t w = 0; w < WRITERS; w++) {
        atomic_store(&told->begun[w], 0);
        atomic_store(&told->acknowledged[w], 0);
    }
    come_to_in_sync();
    world_close();
}

/* --- targets that fail ------------------------------------------------------------------------ */

static char failing_files[600];

/* Newest first. */
struct file {
    char name[64];
    struct timespec written;
};

static int compare(const void *a, const void *b)
{
    const struct timespec *x = &((const struct file *)a)->written;
    const struct timespec *y = &((const struct file *)b)->written;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? 1 : -1;
    return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

/* One of those that were written last: as many as there are members. */
static void choose_file(const char *layers)
{
    struct file files[300];
    uint32_t count = 0;
    DIR *directory = opendir(layers);
    MUST(directory != NULL);
    for (struct dirent *e; (e = readdir(directory)) != NULL && count < 300;) {
        struct stat st;
        if (!strstr(e->d_name, ".raw") || fstatat(dirfd(directory), e->d_name, &st, 0) < 0)
            continue; /* or gone meanwhile */
        files[count].written = st.st_mtim;
        snprintf(files[count++].name, sizeof files->name, "%.63s", e->d_name);
    }
    closedir(directory);
    qsort(files, count, sizeof *files, compare);
    MUST(count > 0);
    snprintf(failing_files, sizeof failing_files, "%s/%s", layers,
             files[random_below(count < MEMBERS ? count : MEMBERS)].name);
}

/* All of the targets' pool, its layers, or one file of one of them. */
static void choose_files(void)
{
    char layers[400];
    uint32_t which = random_below(4);
    snprintf(layers, sizeof layers, "%s/%s/layers", world.directory, pools[!active]);
    snprintf(failing_files, sizeof failing_files, "%s", layers);
    if (which == 0)
        snprintf(failing_files, sizeof failing_files, "%s/%s/", world.directory, pools[!active]);
    if (which > 1)
        choose_file(layers);
}

static void arm(void)
{
    choose_files();
    failing_within(failing_files);
    failing_arm(random_below(2) ? FAULT_EIO : FAULT_ENOSPC, 1 + (long)random_below(60), true);
}

/* They have parted, or nothing of what fails is needed. */
static bool await_parting(void)
{
    for (int i = 0; together() == STATE(IN_SYNC) && i < 60; i++)
        writers_past(5);
    return together() != STATE(IN_SYNC);
}

/* The targets are promoted, and one side gets what the other has. */
static void fail_over(const uint32_t *least)
{
    char *job = NULL;
    int code;
    force(random_below(MEMBERS));
    check_state(!active, least);
    writers_past(5);
    check_state(!active, least);
    writers_stop();
    if (random_below(2)) {
        MUST(lsm_replication_resume(world.conn, ids[0], LSM_REPLICATION_DISCARD) == OK);
    } else {
        code = lsm_replication_reverse(world.conn, ids[2], &job, LSM_REPLICATION_DISCARD);
        MUST(code == OK || code == LSM_ERR_JOB_STARTED);
        active = !active;
    }
    free(job);
    come_to_in_sync();
}

static void heal(void)
{
    writers_past(5);
    come_to_in_sync();
    writers_stop();
}

static unsigned parted, promoted;

static void round_of_failing(void)
{
    uint32_t least[WRITERS];
    writers_start();
    writers_past(20);
    acknowledged(least);
    arm();
    bool now = await_parting();
    writers_past(10);
    failing_disarm();
    parted += now;
    if (random_below(3)) {
        fail_over(least);
        promoted++;
    } else {
        heal();
    }
    check_equal();
    go_on_from((int)active);
}

static void settle(void)
{
    come_to_in_sync();
    MUST(lsm_replication_break(world.conn, ids[0], 0) == OK);
    MUST(together() == 0);
    world_close();
    world_check_files();
    world_remove_directory();
}

START_TEST(sync_group_fails)
{
    uint64_t seed = kill_seed();
    unsigned rounds = kill_count(16);
    world_begin();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    build();
    failing_install();
    world_open();
    for (unsigned i = 0; i < rounds; i++) {
        snprintf(world.context, sizeof world.context, "REPLICANT_TEST_SEED=%llu, round %u",
                 (unsigned long long)seed, i);
        random_seed(seed + i);
        round_of_failing();
        if (random_below(3) == 0) {
            world_close();
            world_open();
        }
    }
    failing_within(NULL);
    settle();
    failing_uninstall();
    printf("%u rounds, parted in %u, promoted by force in %u\n", rounds, parted, promoted);
}
END_TEST

/* --- an owner that is killed ------------------------------------------------------------------ */

static bool steady; /* this owner does nothing but write, and nothing fails */

static void mirror_anew(void)
{
    if (together() != STATE(INITIALIZING) && done(lsm_replication_break(world.conn, ids[1], 0))) {
        MUST(together() == 0);
        delete_volumes(!active);
        mirror_begin(random_below(2) ? 0 : 8u << 20);
    }
}

static void verb(void)
{
    if (!together())
        mirror_begin(0);
    together(); /* for their ids */
    switch (random_below(6)) {
    case 0:
        arm();
        writers_past(10);
        failing_disarm();
        break;
    case 1: mirror_anew(); break;
    case 2: lift(); break;
    case 3: done(lsm_replication_resume(world.conn, ids[random_below(MEMBERS)], 0)); break;
    default: done(lsm_replication_pause(world.conn, ids[random_below(MEMBERS)], 0)); break;
    }
    writers_past(2);
}

static void work(void)
{
    failing_install();
    world_open();
    together();
    writers_start();
    for (;;) {
        if (steady)
            usleep(1000);
        else
            verb();
    }
}

static unsigned found_in[8], disasters;

/* The sources' pool is gone, in a copy of the world. */
static void check_disaster(const uint32_t *least)
{
    char here[sizeof world.directory], gone[500], aside[520];
    memcpy(here, world.directory, sizeof here);
    world_copy_directory(here);
    snprintf(gone, sizeof gone, "%s/%s", world.directory, pools[active]);
    snprintf(aside, sizeof aside, "%s.aside", world.directory);
    MUST(rename(gone, aside) == 0);
    world_open();
    int state = together();
    if (state && state != STATE(INITIALIZING)) {
        disasters++;
        force(random_below(MEMBERS));
        check_state(!active, steady ? least : NULL);
    }
    world_close();
    MUST(rename(aside, gone) == 0);
    if (steady) { /* it was not gone after all */
        char *job = NULL;
        world_open();
        MUST(together() == STATE(SPLIT));
        int code = lsm_replication_reverse(world.conn, ids[1], &job, LSM_REPLICATION_DISCARD);
        MUST(code == OK || code == LSM_ERR_JOB_STARTED);
        free(job);
        come_to_in_sync();
        check_equal();
        check_state((int)active, least);
        world_close();
    }
    world_remove_directory();
    memcpy(world.directory, here, sizeof here);
}

static void look(void)
{
    uint32_t least[WRITERS];
    acknowledged(least);
    check_disaster(least);
    world_open();
    int state = together();
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, ", found in %d", state);
    found_in[state]++;
    if (state)
        find_active();
    if (state == STATE(IN_SYNC))
        check_equal();
    check_state((int)active, least);
    if (!state)
        delete_volumes(!active);
    come_to_in_sync();
    check_equal();
    check_state((int)active, least);
    go_on_from((int)active);
    world_close();
}

START_TEST(sync_group_killed)
{
    uint64_t seed = kill_seed();
    unsigned kills = kill_count(30);
    world_begin();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    build();
    for (unsigned i = 0; i < kills; i++) {
        snprintf(world.context, sizeof world.context, "REPLICANT_TEST_SEED=%llu, kill %u",
                 (unsigned long long)seed, i);
        random_seed(seed + i);
        steady = random_below(3) == 0;
        MUST(kill_after(work, 3000 + 1000 * random_below(steady ? 60 : 250)));
        look();
    }
    world_open();
    settle();
    printf("%u kills, %u source pools lost; found with no mirror %u, INITIALIZING %u, IN_SYNC %u,"
           " DEGRADED %u, RESYNCING %u, PAUSED %u\n",
           kills, disasters, found_in[0], found_in[1], found_in[2], found_in[3], found_in[4],
           found_in[5]);
}
END_TEST

int main(void)
{
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return EXIT_FAILURE;
    TCase *tcase = tcase_create("sync_group");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, sync_group_fails);
    tcase_add_test(tcase, sync_group_killed);
    return world_run("faults-sync-group", tcase);
}
