/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An owner creates, writes, zeroes, flushes, clones, resizes and deletes at random, and is killed
 * at a random moment; the next one looks. A journal kept outside says what had been acknowledged.
 *
 * The model of a volume is a stamp for each sector of 512 bytes: *now*, what was last acknowledged;
 * *durable*, what it was at the last flush; and the writes begun since. After a kill each sector is
 * one of these, no volume that was acknowledged is missing, none that was deleted is there, and
 * what was under way either happened or did not.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define SECTOR 512u
#define SECTORS_MAX 4096u /* 2 MiB */
#define VOLUMES_MAX 10
#define LOG_MAX 4096

enum op { CREATE, WRITE, ZERO, FLUSH, CLONE, RESIZE, DELETE };
static const char *const op_names[] = {"create", "write",  "zero",  "flush",
                                       "clone",  "resize", "delete"};
static const char *const pools[] = {"default", "second"};

struct volume {
    uint32_t number; /* 0: none; never used twice */
    uint8_t pool;
    uint32_t sectors;
    uint32_t now[SECTORS_MAX], durable[SECTORS_MAX];
    struct {
        uint32_t first, count, stamp;
    } log[LOG_MAX];
    uint32_t logged;
};

static struct volume volumes[VOLUMES_MAX];
static uint32_t last_number, last_stamp;
static unsigned lost, op_counts[DELETE + 1];

/* --- the model -------------------------------------------------------------------------------- */

static struct volume *find(uint32_t number)
{
    for (int i = 0; i < VOLUMES_MAX; i++)
        if (volumes[i].number == number)
            return &volumes[i];
    return NULL;
}

static struct volume *add(uint32_t number, uint8_t pool, uint32_t sectors)
{
    struct volume *v = find(0);
    MUST(v != NULL);
    v->number = number;
    v->pool = pool;
    v->sectors = sectors;
    v->logged = 0;
    memset(v->now, 0, sizeof v->now);
    memset(v->durable, 0, sizeof v->durable);
    return v;
}

static void settle(struct volume *v)
{
    memcpy(v->durable, v->now, sizeof v->now);
    v->logged = 0;
}

static void resize(struct volume *v, uint32_t sectors)
{
    for (uint32_t i = sectors; i < SECTORS_MAX; i++)
        v->now[i] = v->durable[i] = 0;
    for (uint32_t i = 0; i < v->logged; i++) /* what lay past the end is gone for good */
        if (v->log[i].first + v->log[i].count > sectors)
            v->log[i].count = v->log[i].first < sectors ? sectors - v->log[i].first : 0;
    v->sectors = sectors;
}

static void apply(const struct entry *e)
{
    struct volume *v = find(e->volume);
    if (!e->acknowledged) {
        if (e->op == WRITE || e->op == ZERO) {
            MUST(v->logged < LOG_MAX);
            v->log[v->logged].first = e->first;
            v->log[v->logged].count = e->count;
            v->log[v->logged++].stamp = e->stamp;
        }
        return;
    }
    op_counts[e->op]++;
    switch ((enum op)e->op) {
    case CREATE: add(e->volume, e->pool, e->count); break;
    case WRITE:
    case ZERO:
        for (uint32_t i = 0; i < e->count; i++)
            v->now[e->first + i] = e->stamp;
        break;
    case FLUSH: settle(v); break;
    case CLONE: {
        settle(v);
        struct volume *clone = add(e->other, v->pool, v->sectors);
        memcpy(clone->now, v->now, sizeof v->now);
        settle(clone);
        break;
    }
    case RESIZE: resize(v, e->count); break;
    case DELETE: v->number = 0; break;
    }
}

static void sector_fill(unsigned char *bytes, uint32_t sector, uint32_t stamp)
{
    uint64_t x = ((uint64_t)stamp << 32 | sector) * 0x9e3779b97f4a7c15ull, word;
    if (!stamp) {
        memset(bytes, 0, SECTOR);
        return;
    }
    for (unsigned i = 0; i < SECTOR / 8; i++) {
        word = x ^ (x >> 29) ^ stamp;
        memcpy(bytes + 8 * i, &word, 8);
        x = x * 6364136223846793005ull + 1442695040888963407ull;
    }
}

/* --- the owner -------------------------------------------------------------------------------- */

static lsm_volume *record_of(uint32_t number, uint8_t pool)
{
    char name[32];
    snprintf(name, sizeof name, "v%u", number);
    return world_volume(name, pools[pool]);
}

static void intend(struct entry *e)
{
    e->acknowledged = false;
    journal_add(e);
    apply(e);
}

static void acknowledge(struct entry *e)
{
    e->acknowledged = true;
    journal_add(e);
    apply(e);
}

static struct volume *any(void)
{
    for (;;) {
        struct volume *v = &volumes[random_below(VOLUMES_MAX)];
        if (v->number)
            return v;
    }
}

static unsigned live(void)
{
    unsigned n = 0;
    for (int i = 0; i < VOLUMES_MAX; i++)
        n += volumes[i].number != 0;
    return n;
}

static void do_create(void)
{
    char name[32];
    struct entry e = {.op = CREATE,
                      .volume = ++last_number,
                      .pool = (uint8_t)random_below(2),
                      .count = 8 * (1 + random_below(SECTORS_MAX / 8))};
    bool full = random_below(4) == 0;
    snprintf(name, sizeof name, "v%u", e.volume);
    intend(&e);
    world_make_volume(name, pools[e.pool], e.count * (uint64_t)SECTOR,
                      full ? LSM_VOLUME_PROVISION_FULL : LSM_VOLUME_PROVISION_THIN);
    acknowledge(&e);
}

static void write_once(lsm_volume_io *io, struct volume *v)
{
    static unsigned char bytes[SECTORS_MAX * SECTOR];
    struct entry e = {.op = random_below(4) ? WRITE : ZERO, .volume = v->number};
    e.first = random_below(v->sectors);
    e.count = 1 + random_below(random_below(8) ? 24 : 600);
    if (e.count > v->sectors - e.first)
        e.count = v->sectors - e.first;
    e.stamp = e.op == WRITE ? ++last_stamp : 0;
    for (uint32_t i = 0; i < e.count; i++)
        sector_fill(bytes + i * SECTOR, e.first + i, e.stamp);
    uint64_t offset = e.first * (uint64_t)SECTOR, count = e.count * (uint64_t)SECTOR;
    intend(&e);
    if (e.op == WRITE)
        MUST(lsm_volume_io_pwrite(io, bytes, count, offset, 0) == OK);
    else if (random_below(2))
        MUST(lsm_volume_io_write_zeroes(io, count, offset, 0) == OK);
    else
        MUST(lsm_volume_io_discard(io, count, offset, 0) == OK);
    acknowledge(&e);
}

static void do_clone(struct volume *v)
{
    char name[32], *job = NULL;
    struct entry e = {.op = CLONE, .volume = v->number, .other = ++last_number};
    lsm_volume *source = record_of(v->number, v->pool), *made = NULL;
    snprintf(name, sizeof name, "v%u", e.other);
    intend(&e);
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name, &made,
                              &job, 0) == OK);
    acknowledge(&e);
    lsm_volume_record_free(made);
    lsm_volume_record_free(source);
}

static void do_writes(struct volume *v)
{
    lsm_volume *record = record_of(v->number, v->pool);
    lsm_volume_io *io = NULL;
    struct entry flush = {.op = FLUSH, .volume = v->number};
    MUST(record != NULL);
    MUST(lsm_volume_io_open(world.conn, record, &io, 0) == OK);
    for (uint32_t n = 1 + random_below(12); n > 0; n--) {
        write_once(io, v);
        if (random_below(6) == 0) {
            intend(&flush);
            MUST(lsm_volume_io_flush(io, 0) == OK);
            acknowledge(&flush);
        }
        if (random_below(16) == 0 && live() < VOLUMES_MAX)
            do_clone(v); /* with an open handle */
    }
    MUST(lsm_volume_io_close(io, 0) == OK);
    lsm_volume_record_free(record);
}

static void do_resize(struct volume *v)
{
    struct entry e = {
        .op = RESIZE, .volume = v->number, .count = 8 * (1 + random_below(SECTORS_MAX / 8))};
    lsm_volume *record = record_of(v->number, v->pool), *resized = NULL;
    char *job = NULL;
    if (e.count == v->sectors)
        e.count = v->sectors > 8 ? v->sectors - 8 : 16;
    intend(&e);
    int code;
    do /* a background absorb may have the volume in its hands for a moment */
        code = lsm_volume_resize(world.conn, record, e.count * (uint64_t)SECTOR, &resized, &job, 0);
    while (code == LSM_ERR_IS_MASKED);
    MUST(code == OK);
    acknowledge(&e);
    lsm_volume_record_free(resized);
    lsm_volume_record_free(record);
}

static void do_delete(struct volume *v)
{
    struct entry e = {.op = DELETE, .volume = v->number};
    lsm_volume *record = record_of(v->number, v->pool);
    char *job = NULL;
    intend(&e);
    int code = lsm_volume_delete(world.conn, record, &job, 0);
    if (code == OK)
        acknowledge(&e);
    else
        MUST(code == LSM_ERR_HAS_CHILD_DEPENDENCY);
    lsm_volume_record_free(record);
}

static void work(void)
{
    world_open();
    for (;;) {
        uint32_t dice = random_below(20);
        if (live() < 3 || (dice == 0 && live() < VOLUMES_MAX))
            do_create();
        else if (dice < 3 && live() < VOLUMES_MAX)
            do_clone(any());
        else if (dice < 5)
            do_resize(any());
        else if (dice < 8)
            do_delete(any());
        else
            do_writes(any());
    }
}

/* --- the one who looks ------------------------------------------------------------------------ */

/* Which stamp a sector has, of those that it may have. */
static uint32_t recognize(const struct volume *v, uint32_t sector, const unsigned char *bytes)
{
    unsigned char expected[SECTOR];
    sector_fill(expected, sector, v->now[sector]);
    if (memcmp(bytes, expected, SECTOR) == 0)
        return v->now[sector];
    sector_fill(expected, sector, v->durable[sector]);
    if (memcmp(bytes, expected, SECTOR) == 0)
        return v->durable[sector];
    for (uint32_t i = v->logged; i-- > 0;) {
        if (sector < v->log[i].first || sector >= v->log[i].first + v->log[i].count)
            continue;
        sector_fill(expected, sector, v->log[i].stamp);
        if (memcmp(bytes, expected, SECTOR) == 0)
            return v->log[i].stamp;
    }
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n,
             "; v%u sector %u is neither stamp %u nor the durable %u", v->number, sector,
             v->now[sector], v->durable[sector]);
    MUST(!"a sector that may be there");
    return 0;
}

static void look_at(struct volume *v)
{
    static unsigned char bytes[SECTORS_MAX * SECTOR];
    lsm_volume *record = record_of(v->number, v->pool);
    lsm_volume_io *io = NULL;
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, " (v%u)", v->number);
    MUST(record != NULL);
    MUST(lsm_volume_number_of_blocks_get(record) == v->sectors);
    MUST(lsm_volume_io_open(world.conn, record, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    MUST(lsm_volume_io_pread(io, bytes, v->sectors * (uint64_t)SECTOR, 0, 0) == OK);
    for (uint32_t i = 0; i < v->sectors; i++) {
        uint32_t found = recognize(v, i, bytes + i * SECTOR);
        lost += found != v->now[i];
        v->now[i] = found;
    }
    settle(v);
    MUST(lsm_volume_io_close(io, 0) == OK);
    lsm_volume_record_free(record);
    world.context[n] = '\0';
}

/* What was under way when the owner died either happened or did not. */
static void resolve(const struct entry *last)
{
    struct entry e = *last;
    struct volume *v = find(e.volume);
    uint32_t number = e.op == CLONE ? e.other : e.volume;
    lsm_volume *record = record_of(number, e.op == CREATE ? e.pool : v->pool);
    uint64_t sectors = record ? lsm_volume_number_of_blocks_get(record) : 0;
    bool happened = ((e.op == CREATE || e.op == CLONE) && record) || (e.op == DELETE && !record) ||
                    (e.op == RESIZE && sectors == e.count);
    if (e.op == RESIZE)
        MUST(record && (happened || sectors == v->sectors));
    e.acknowledged = true;
    if (happened)
        apply(&e);
    lsm_volume_record_free(record);
}

static void look(void)
{
    lsm_volume **records = NULL;
    uint32_t count = 0, n = journal_count();
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = journal_at(i);
        apply(e);
        last_number = e->volume > last_number ? e->volume : last_number;
        last_number = e->other > last_number ? e->other : last_number;
        last_stamp = e->stamp > last_stamp ? e->stamp : last_stamp;
    }
    world_open();
    if (n && !journal_at(n - 1)->acknowledged)
        resolve(journal_at(n - 1));
    for (int i = 0; i < VOLUMES_MAX; i++)
        if (volumes[i].number)
            look_at(&volumes[i]);
    MUST(lsm_volume_list(world.conn, NULL, NULL, &records, &count, 0) == OK);
    MUST(count == live());
    if (count)
        lsm_volume_record_array_free(records, count);
    world_close();
    world_check_files();
    journal_clear();
}

START_TEST(test_journal)
{
    uint64_t seed = kill_seed();
    unsigned kills = kill_count(120);
    world_begin();
    journal_begin();
    world_make_directory();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    world_open();
    world_make_pool("second");
    world_close();
    for (unsigned i = 0; i < kills; i++) {
        snprintf(world.context, sizeof world.context, "REPLICANT_TEST_SEED=%llu, kill %u",
                 (unsigned long long)seed, i);
        random_seed(seed + i);
        MUST(kill_after(work, 1000 + random_below(random_below(4) ? 60000 : 250000)));
        look();
    }
    printf("%u kills; acknowledged:", kills);
    for (int i = 0; i <= DELETE; i++)
        printf(" %s %u", op_names[i], op_counts[i]);
    printf("; sectors not flushed and not there: %u\n", lost);
    world_remove_directory();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("journal");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test_journal);
    return world_run("faults-kill-journal", tcase);
}
