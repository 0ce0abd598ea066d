/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes on in the background: the faults are those of its thread alone. */
#include "operations.h"

static uint32_t depth(const char *name)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    uint32_t layers = lsm_volume_depth_get(volume);
    lsm_volume_record_free(volume);
    return layers;
}

/* Until the volume has so few layers, or a failure keeps it from that. */
static void await_depth(const char *name, uint32_t layers, unsigned ms)
{
    failing_exempt(true);
    while (depth(name) > layers && ms-- > 0) {
        if (failing_reached() && ms > 30)
            ms = 30;
        usleep(1000);
    }
    failing_exempt(false);
}

/* Two frozen layers of «child» that the clones alone keep from being merged; a part of the lower
 * one is hidden, since the volume was shorter once. */
static void stack_up_child(void)
{
    struct outcome outcome;
    MUST(nth_clone("child", "first") == OK);
    nth_model_copy("child", "first", "default");
    MUST(nth_resize("child", 300 * KIB, &outcome) == OK);
    nth_model_resize("child", 300 * KIB);
    nth_write_some("child", 21);
    MUST(nth_clone("child", "second") == OK);
    nth_write_some("child", 22);
    lsm_volume *second = world_volume("second", "default");
    char *job = NULL;
    MUST(lsm_volume_delete(world.conn, second, &job, 0) == OK);
    lsm_volume_record_free(second);
}

static int act_merge(struct outcome *outcome)
{
    int code = nth_delete("first", outcome);
    if (code == OK)
        await_depth("child", 3, 200);
    return code;
}

static void expect_first_gone(void)
{
    content_get("first")->size = 0;
}

static bool is_first_gone(void)
{
    return !nth_has("first", "default");
}

/* The base that is to absorb its top has as many bytes as the volume, but not all of them show. */
static void clone_plain(void)
{
    struct outcome outcome;
    MUST(nth_clone("plain", "first") == OK);
    nth_model_copy("plain", "first", "default");
    MUST(nth_resize("plain", SHRUNK, &outcome) == OK && nth_resize("plain", SIZE, &outcome) == OK);
    nth_model_resize("plain", SHRUNK);
    nth_model_resize("plain", SIZE);
    nth_write_some("plain", 23);
}

static int act_absorb(struct outcome *outcome)
{
    int code = nth_delete("first", outcome);
    if (code == OK)
        await_depth("plain", 1, 1500);
    return code;
}

static const struct scenario scenarios[] = {
    {.name = "merge",
     .prepare = stack_up_child,
     .act = act_merge,
     .expect = expect_first_gone,
     .is_done = is_first_gone},
    {.name = "absorb",
     .prepare = clone_plain,
     .act = act_absorb,
     .expect = expect_first_gone,
     .is_done = is_first_gone,
     .stride = 12},
};

const struct scenario_list background_operations = {scenarios,
                                                    sizeof scenarios / sizeof *scenarios};
