/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes made, resized, renamed, tagged and deleted. */
#include "operations.h"

/* --- create ----------------------------------------------------------------------------------- */

static int create(lsm_volume_provision_type provision, struct outcome *outcome)
{
    lsm_pool *pool = world_pool("default");
    lsm_volume *volume = NULL;
    char *job = NULL;
    int code =
        lsm_volume_create(world.conn, pool, "new", 200 * KIB + 1, provision, &volume, &job, 0);
    world_outcome(code, outcome);
    MUST((code == OK) == (volume != NULL) && !job);
    if (volume)
        lsm_volume_record_free(volume);
    lsm_pool_record_free(pool);
    return code;
}

static int act_create_thin(struct outcome *outcome)
{
    return create(LSM_VOLUME_PROVISION_THIN, outcome);
}

static int act_create_full(struct outcome *outcome)
{
    return create(LSM_VOLUME_PROVISION_FULL, outcome);
}

static void expect_new(void)
{
    content_new("new", "default", 204 * KIB);
}

static bool is_new_there(void)
{
    return nth_has("new", "default");
}

static void use_new(void)
{
    nth_write_some("new", 8);
}

/* --- resize --- */

static bool has_size(const char *name, uint64_t size)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    bool is = lsm_volume_number_of_blocks_get(volume) * 512 == size;
    lsm_volume_record_free(volume);
    return is;
}

#define GROWN (640u * KIB)

#define RESIZE(what, volume, to)                                                                   \
    static int act_##what(struct outcome *outcome)                                                 \
    {                                                                                              \
        return nth_resize(volume, to, outcome);                                                    \
    }                                                                                              \
    static void expect_##what(void)                                                                \
    {                                                                                              \
        nth_model_resize(volume, to);                                                              \
    }                                                                                              \
    static bool is_##what##_done(void)                                                             \
    {                                                                                              \
        return has_size(volume, to);                                                               \
    }

RESIZE(grow_base, "plain", GROWN)
RESIZE(grow_layered, "child", GROWN)
RESIZE(grow_full, "full", 256u * KIB)
RESIZE(shrink_base, "plain", SHRUNK)
RESIZE(shrink_layered, "child", SHRUNK)

/* Grown again a volume shows zeros, never what it had there. */
static void grow_plain_back(void)
{
    struct outcome outcome;
    MUST(nth_resize("plain", SIZE, &outcome) == OK);
    nth_model_resize("plain", SIZE);
}

static void grow_child_back(void)
{
    struct outcome outcome;
    MUST(nth_resize("child", SIZE, &outcome) == OK);
    nth_model_resize("child", SIZE);
}

/* --- delete, rename, tag, pools --- */

static int act_delete_base(struct outcome *outcome)
{
    return nth_delete("plain", outcome);
}

static int act_delete_clone(struct outcome *outcome)
{
    return nth_delete("child", outcome);
}

static void expect_plain_gone(void)
{
    content_get("plain")->size = 0;
}

static void expect_child_gone(void)
{
    content_get("child")->size = 0;
}

static bool is_plain_gone(void)
{
    return !nth_has("plain", "default");
}

static bool is_child_gone(void)
{
    return !nth_has("child", "default");
}

static int act_rename(struct outcome *outcome)
{
    lsm_volume *volume = world_volume("plain", "default"), *renamed = NULL;
    int code = world_outcome(lsm_volume_rename(world.conn, volume, "named", &renamed, 0), outcome);
    MUST((code == OK) == (renamed != NULL));
    if (renamed)
        lsm_volume_record_free(renamed);
    lsm_volume_record_free(volume);
    return code;
}

static void expect_renamed(void)
{
    struct content *content = content_get("plain");
    snprintf(content->name, sizeof content->name, "named");
}

static bool is_renamed(void)
{
    return nth_has("named", "default") && !nth_has("plain", "default");
}

static int act_tag(struct outcome *outcome)
{
    lsm_volume *volume = world_volume("plain", "default");
    int code = world_outcome(lsm_volume_tag_set(world.conn, volume, "key", "value", 0), outcome);
    lsm_volume_record_free(volume);
    return code;
}

static bool is_tagged(void)
{
    lsm_volume *volume = world_volume("plain", "default");
    const char *value = lsm_volume_tag_get(volume, "key");
    bool is = value && strcmp(value, "value") == 0;
    lsm_volume_record_free(volume);
    return is;
}

static const struct scenario scenarios[] = {
    {.name = "create-thin",
     .act = act_create_thin,
     .expect = expect_new,
     .is_done = is_new_there,
     .afterwards = use_new},
    {.name = "create-full",
     .act = act_create_full,
     .expect = expect_new,
     .is_done = is_new_there,
     .afterwards = use_new},
    {.name = "grow-base",
     .act = act_grow_base,
     .expect = expect_grow_base,
     .is_done = is_grow_base_done},
    {.name = "grow-layered",
     .act = act_grow_layered,
     .expect = expect_grow_layered,
     .is_done = is_grow_layered_done},
    {.name = "grow-full",
     .act = act_grow_full,
     .expect = expect_grow_full,
     .is_done = is_grow_full_done},
    {.name = "shrink-base",
     .act = act_shrink_base,
     .expect = expect_shrink_base,
     .is_done = is_shrink_base_done,
     .afterwards = grow_plain_back},
    {.name = "shrink-layered",
     .act = act_shrink_layered,
     .expect = expect_shrink_layered,
     .is_done = is_shrink_layered_done,
     .afterwards = grow_child_back},
    {.name = "delete-base",
     .act = act_delete_base,
     .expect = expect_plain_gone,
     .is_done = is_plain_gone},
    {.name = "delete-clone",
     .act = act_delete_clone,
     .expect = expect_child_gone,
     .is_done = is_child_gone},
    {.name = "rename", .act = act_rename, .expect = expect_renamed, .is_done = is_renamed},
    {.name = "tag", .act = act_tag, .is_done = is_tagged},
};

const struct scenario_list volume_operations = {scenarios, sizeof scenarios / sizeof *scenarios};
