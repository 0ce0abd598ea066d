/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Power cuts: short sequences of verbs are recorded (crash_record.c), the images that a cut may
 * leave of them are built (crash_image.c), and each is opened with the library and judged
 * (crash_judge.c): what was flushed is there, what was not is old or new, sector by sector, a clone
 * is the instant of its call, a call is all or nothing, no file is left over. Of a mirror the
 * source's pool is lost, too. And some openings are recorded and cut themselves.
 *
 *     REPLICANT_TEST_LONG    all images, and more dice; else some of each sequence, other ones each
 *                            time
 *     REPLICANT_TEST_SEED    replays them; REPLICANT_TEST_SHARE: one n-th of them (kill.h)
 *     REPLICANT_TEST_CRASH="sequence", or "sequence cut choice whole|left|again": that alone.
 *                            Threads of the engine may order their calls in another way the next
 *                            time, so the image that failed is kept as well.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash_image.h"
#include "crash_sequences.h"
#include "crash_verbs.h"
#include "failing.h"
#include "kill.h"

#define IMAGES 40u /* of a sequence, in the short form */
#define DICE 8u    /* choices at each cut that the dice make */
#define DICE_LONG 40u

/* --- one image -------------------------------------------------------------------------------- */

enum way {
    WHOLE, /* judged */
    LEFT,  /* judged without the source's pool */
    AGAIN  /* opened and cut again meanwhile, and then judged */
};
static const char *const ways[] = {"whole", "left", "again"};

static uint64_t seed;
static bool is_long;
static const char *wanted; /* "sequence", or one image of it */

static const struct crash_mark *mark_at(size_t at)
{
    uint32_t i = crash_mark_count;
    while (i > 1 && crash_marks[i - 1].at > at)
        i--;
    return &crash_marks[i - 1];
}

static void place(const struct crash_tree *image, const char *without)
{
    world_make_directory();
    crash_image_write(image, world.directory, without);
}

/* A recovery is recorded, cut here and there, and what that leaves is judged as the image is. */
static unsigned cut_again(const struct crash_mark *mark)
{
    struct crash_log log;
    struct crash_cut cut;
    size_t length = strlen(world.context), at;
    unsigned count = 0;
    crash_record_begin(world.directory);
    crash_recover();
    crash_record_end(&log);
    world_remove_directory();
    for (unsigned i = 0; i < (is_long ? 12 : 3); i++) {
        struct crash_tree image;
        at = random_below((uint32_t)log.count + 1);
        crash_cut_begin(&cut, &log);
        crash_cut_move(&cut, at);
        while (!crash_cut_is_last(&cut))
            crash_cut_move(&cut, cut.at + 1);
        uint32_t choice = random_below(crash_choices(&cut, DICE));
        snprintf(world.context + length, sizeof world.context - length,
                 ", and opening it was cut at %zu of %zu, choice %u", cut.at, log.count, choice);
        crash_image_make(&cut, choice, seed, &image);
        place(&image, NULL);
        failing_install();
        crash_judge(mark->states, mark->count);
        failing_uninstall();
        world_remove_directory();
        crash_tree_free(&image);
        crash_cut_end(&cut);
        count++;
    }
    crash_log_free(&log);
    return count;
}

static void judge(const struct crash_mark *mark, enum way way, uint64_t dice)
{
    unsigned openings = 1;
    world.in_child = true;
    alarm(120);
    random_seed(dice);
    if (way == AGAIN) {
        openings += cut_again(mark);
    } else {
        failing_install(); /* nothing is synced */
        if (way == WHOLE)
            crash_judge(mark->states, mark->count);
        else
            crash_judge_left(mark->states, mark->count);
        world_remove_directory();
    }
    world.shared->outcome.code = (int)openings;
    _exit(0);
}

static bool may_lose(const struct crash_mark *mark)
{
    for (uint32_t i = 0; i < mark->count; i++)
        if (!mark->states[i].left_count ||
            strcmp(mark->states[i].source_pool, mark->states[0].source_pool) != 0)
            return false;
    return true;
}

/* The image is kept, as it was before it was opened. */
static void failed(const struct crash_cut *cut, uint32_t choice, const struct crash_tree *image,
                   const char *without)
{
    world_remove_directory();
    place(image, without);
    fprintf(stderr, "  %s\n  the image is kept in %s; of what was pending\n", world.context,
            world.directory);
    crash_choice_print(cut, choice, seed, stderr);
    MUST(!"a power cut that loses nothing");
}

static unsigned try_one(const struct crash_sequence *s, const struct crash_cut *cut,
                        uint32_t choice, const struct crash_tree *image, enum way way)
{
    const struct crash_mark *mark = mark_at(cut->at);
    const char *without = way == LEFT ? mark->states[0].source_pool : NULL;
    int status;
    snprintf(world.context, sizeof world.context,
             "REPLICANT_TEST_SEED=%llu REPLICANT_TEST_CRASH=\"%s %zu %u %s\"",
             (unsigned long long)seed, s->name, cut->at, choice, ways[way]);
    place(image, without);
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        judge(mark, way, seed + cut->at * 1000 + choice);
    MUST(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        failed(cut, choice, image, without);
    return (unsigned)world.shared->outcome.code;
}

/* --- all of them ------------------------------------------------------------------------------ */

struct tally {
    unsigned cuts, images, openings, possible;
};

/* Two images that are the same, and are judged the same, are one. */
static bool is_new(uint64_t hash)
{
    static uint64_t hashes[1u << 20];
    uint64_t at = hash;
    for (;; at++) {
        uint64_t *slot = &hashes[at % (1u << 20)];
        if (*slot == hash)
            return false;
        if (!*slot) {
            *slot = hash;
            return true;
        }
    }
}

static void try_image(const struct crash_sequence *s, const struct crash_cut *cut, uint32_t choice,
                      struct tally *tally)
{
    struct crash_tree image;
    const struct crash_mark *mark = mark_at(cut->at);
    crash_image_make(cut, choice, seed, &image);
    if (is_new(crash_image_hash(&image) + (uint64_t)(mark - crash_marks))) {
        tally->images++;
        tally->openings += try_one(s, cut, choice, &image, WHOLE);
        if (may_lose(mark) && (is_long || tally->images % 3 == 0))
            tally->openings += try_one(s, cut, choice, &image, LEFT);
        if (tally->images % 20 == 10)
            tally->openings += try_one(s, cut, choice, &image, AGAIN);
    }
    crash_tree_free(&image);
}

static void try_named(const struct crash_sequence *s, const struct crash_cut *cut)
{
    char name[32], how[16];
    size_t at;
    uint32_t choice;
    struct crash_tree image;
    MUST(sscanf(wanted, "%31s %zu %u %15s", name, &at, &choice, how) == 4);
    if (at != cut->at)
        return;
    crash_image_make(cut, choice, seed, &image);
    for (int way = WHOLE; way <= AGAIN; way++)
        if (strcmp(how, ways[way]) == 0)
            try_one(s, cut, choice, &image, (enum way)way);
    crash_tree_free(&image);
}

/* Every image is as likely. */
static void try_cut(const struct crash_sequence *s, const struct crash_cut *cut,
                    struct tally *tally)
{
    uint32_t choices = crash_choices(cut, is_long ? DICE_LONG : DICE);
    unsigned before = tally->images;
    for (uint32_t i = 0; i < choices; i++)
        if (is_long || random_below(tally->possible) < IMAGES / kill_share())
            try_image(s, cut, i, tally);
    tally->cuts += tally->images > before;
}

static void each_cut(const struct crash_sequence *s, const struct crash_log *log,
                     struct tally *tally)
{
    struct crash_cut cut;
    bool counting = tally->possible == 0;
    crash_cut_begin(&cut, log);
    for (size_t at = 0; at <= log->count; at++) {
        crash_cut_move(&cut, at);
        if (!crash_cut_is_last(&cut))
            continue;
        if (counting)
            tally->possible += crash_choices(&cut, is_long ? DICE_LONG : DICE);
        else if (wanted && strchr(wanted, ' '))
            try_named(s, &cut);
        else
            try_cut(s, &cut, tally);
    }
    crash_cut_end(&cut);
}

static void record(const struct crash_sequence *s, struct crash_log *log)
{
    world_make_directory();
    crash_record_begin(world.directory);
    if (s->before) {
        world_open();
        s->before();
        v_close_all();
        world_close();
        crash_record_end(log);
        crash_log_free(log);
        crash_record_begin(world.directory);
    }
    crash_marks_begin();
    world_open();
    s->run();
    v_close_all();
    world_close();
    crash_record_end(log);
    world_remove_directory();
}

/* Where the background did a verb's flush, what was to come in between did not, and the marks are
 * wrong: once more. */
static void record_well(const struct crash_sequence *s, struct crash_log *log)
{
    for (int i = 0; i < 50; i++) {
        v_forget_all();
        record(s, log);
        if (!v_missed())
            return;
        crash_log_free(log);
    }
    MUST(!"a record that is what was wanted");
}

START_TEST(test_crash)
{
    const struct crash_sequence *s = &crash_sequences[_i];
    size_t n = strlen(s->name);
    struct crash_log log;
    struct tally tally = {0};
    if (wanted && (strncmp(wanted, s->name, n) != 0 || (wanted[n] && wanted[n] != ' ')))
        return;
    world_begin();
    snprintf(world.context, sizeof world.context, "recording %s", s->name);
    record_well(s, &log);
    random_seed(seed);
    each_cut(s, &log, &tally); /* counts, */
    each_cut(s, &log, &tally);
    if (tally.images)
        printf("%-14s %4zu calls, %3u prefixes, %4u images of %u, %4u openings\n", s->name,
               log.count, tally.cuts, tally.images, tally.possible, tally.openings);
    crash_log_free(&log);
    v_forget_all();
}
END_TEST

int main(void)
{
    seed = kill_seed();
    wanted = getenv("REPLICANT_TEST_CRASH");
    is_long = getenv("REPLICANT_TEST_LONG") != NULL;
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    TCase *tcase = tcase_create("crash");
    tcase_set_timeout(tcase, 3600);
    tcase_add_loop_test(tcase, test_crash, 0, crash_sequence_count);
    return world_run("faults-crash", tcase);
}
