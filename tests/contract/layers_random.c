/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything at once, from a seed: volumes are written at any offset, zeroed, discarded, cloned,
 * copied, resized, deleted and reopened, and after every few steps all of them are compared with
 * what memory says. REPLICANT_SEED=n runs that seed in place of the fixed ones.
 */
#include "suites.h"
#include "image.h"

#define PLACES 7
#define STEPS 220
#define SIZE_MAX_ (96 * CLUSTER)

struct place {
    lsm_volume *volume; /* NULL: free */
    struct image *image;
};

struct play {
    struct place places[PLACES];
    uint32_t seed;
    unsigned names;
};

static const char *fresh_name(struct play *play)
{
    static char name[16];
    snprintf(name, sizeof name, "volume %u", play->names++);
    return name;
}

static struct place *any(struct play *play, bool taken)
{
    uint32_t from = random_next(&play->seed) % PLACES;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct place *place = &play->places[(from + i) % PLACES];
        if ((place->volume != NULL) == taken)
            return place;
    }
    return NULL;
}

static uint64_t any_size(struct play *play)
{
    return (1 + random_next(&play->seed) % (SIZE_MAX_ / CLUSTER)) * CLUSTER;
}

static void create(struct play *play)
{
    struct place *place = any(play, false);
    if (!place)
        return;
    uint64_t size = any_size(play);
    bool full = random_next(&play->seed) % 3 == 0;
    place->volume = volume_make_in(world.pool, fresh_name(play), size, full ? FULL : THIN);
    place->image = image_create(size);
}

static void scribble(struct play *play)
{
    struct place *place = any(play, true);
    if (!place)
        return;
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, place->volume, &io, 0));
    for (uint32_t i = random_next(&play->seed) % 6; i > 0; i--)
        image_scribble(place->image, io, &play->seed);
    if (random_next(&play->seed) % 4 == 0)
        FINE(lsm_volume_io_flush(io, 0));
}

static void multiply(struct play *play, bool copy)
{
    struct place *from = any(play, true), *to = any(play, false);
    if (!from || !to)
        return;
    to->volume = copy ? copy_make(NULL, from->volume, fresh_name(play))
                      : clone_make(from->volume, fresh_name(play));
    to->image = image_copy(from->image);
}

static void change_size(struct play *play)
{
    struct place *place = any(play, true);
    if (!place)
        return;
    uint64_t size = any_size(play);
    if (size == place->image->size) {
        REFUSED(volume_resize(&place->volume, size), LSM_ERR_NO_STATE_CHANGE);
        return;
    }
    FINE(volume_resize(&place->volume, size));
    image_resize(place->image, size);
}

static void lose(struct play *play)
{
    struct place *place = any(play, true);
    if (!place)
        return;
    if (volume_has_dependants(place->volume)) {
        REFUSED(volume_delete(place->volume), LSM_ERR_HAS_CHILD_DEPENDENCY);
        return;
    }
    FINE(volume_delete(place->volume));
    lsm_volume_record_free(place->volume);
    place->volume = NULL;
    image_destroy(&place->image);
}

static void check(struct play *play)
{
    for (int i = 0; i < PLACES; i++)
        if (play->places[i].volume)
            SAME(play->places[i].image, play->places[i].volume);
}

static void step(struct play *play)
{
    uint32_t choice = random_next(&play->seed) % 100;
    if (choice < 8)
        create(play);
    else if (choice < 55)
        scribble(play);
    else if (choice < 72)
        multiply(play, false);
    else if (choice < 77)
        multiply(play, true);
    else if (choice < 85)
        change_size(play);
    else if (choice < 97)
        lose(play);
    else
        world_reopen();
}

static void perform(uint32_t seed)
{
    struct play play = {.seed = seed * 2654435761u | 1};
    printf("layers_random: seed %u\n", seed);
    fflush(stdout);
    create(&play);
    for (int i = 0; i < STEPS; i++) {
        step(&play);
        if (i % 8 == 0)
            check(&play);
    }
    world_reopen();
    check(&play);
    for (int i = 0; i < PLACES; i++) {
        let_go_of_volume(&play.places[i].volume);
        image_destroy(&play.places[i].image);
    }
}

START_TEST(layers_at_random)
{
    const char *seed = getenv("REPLICANT_SEED");
    perform(seed ? (uint32_t)strtoul(seed, NULL, 10) : (uint32_t)_i + 1);
}
END_TEST

TCase *layers_random(void)
{
    TCase *tests = tcase_create("layers_random");
    tcase_add_checked_fixture(tests, world_make_fast, world_remove);
    tcase_add_loop_test(tests, layers_at_random, 0, 12);
    return tests;
}
