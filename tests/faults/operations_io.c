/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing, with a flush, and cloning what was written. */
#include "operations.h"

lsm_volume_io *held_io;

/* --- writing --- */

static int keep_io(int code, lsm_volume_io *io, struct outcome *outcome)
{
    if (code == OK || outcome->code != OK)
        return code;
    lsm_error_ptr e = lsm_volume_io_error_last_get(io);
    *outcome = (struct outcome){.code = code};
    MUST(e != NULL && (int)lsm_error_number_get(e) == code);
    outcome->sys_errno = lsm_error_errno_get(e);
    snprintf(outcome->message, sizeof outcome->message, "%s", lsm_error_message_get(e));
    lsm_error_free(e);
    return code;
}

/* Odd places: clusters held and not held, whole and in part; zeros; and a flush. */
static int write_and_flush(const char *name, struct outcome *outcome)
{
    static unsigned char bytes[90000];
    struct content *content = content_get(name);
    lsm_volume *volume = world_volume(name, content->pool);
    lsm_volume_io *io = NULL;
    int code = lsm_volume_io_open(world.conn, volume, &io, 0);
    world_outcome(code, outcome);
    lsm_volume_record_free(volume);
    if (code != OK)
        return code;
    content_fill(bytes, sizeof bytes, 99);
    content_doubt(content, 30001, bytes, sizeof bytes);
    code = keep_io(lsm_volume_io_pwrite(io, bytes, sizeof bytes, 30001, 0), io, outcome);
    if (code == OK) {
        memset(bytes, 0, sizeof bytes);
        content_doubt(content, 300001, bytes, sizeof bytes);
        code = keep_io(lsm_volume_io_write_zeroes(io, sizeof bytes, 300001, 0), io, outcome);
    }
    if (code == OK)
        code = keep_io(lsm_volume_io_flush(io, 0), io, outcome);
    if (code == OK)
        content_settle(content);
    int closed = lsm_volume_io_close(io, 0);
    if (code == OK && closed != OK)
        code = world_outcome(closed, outcome);
    return code;
}

static int act_write_base(struct outcome *outcome)
{
    return write_and_flush("plain", outcome);
}

static int act_write_clone(struct outcome *outcome)
{
    return write_and_flush("child", outcome);
}

static int act_write_full(struct outcome *outcome)
{
    static unsigned char bytes[20000];
    struct content *content = content_get("full");
    lsm_volume *volume = world_volume("full", "default");
    lsm_volume_io *io = NULL;
    int code = lsm_volume_io_open(world.conn, volume, &io, 0);
    world_outcome(code, outcome);
    lsm_volume_record_free(volume);
    if (code != OK)
        return code;
    content_fill(bytes, sizeof bytes, 98);
    content_doubt(content, 5000, bytes, sizeof bytes);
    code = keep_io(lsm_volume_io_pwrite(io, bytes, sizeof bytes, 5000, LSM_VOLUME_IO_FUA), io,
                   outcome);
    if (code == OK)
        content_settle(content);
    int closed = lsm_volume_io_close(io, 0);
    return code == OK && closed != OK ? world_outcome(closed, outcome) : code;
}

/* --- ranges --- */

/* Of the clone into another volume, within the call; then what was called for is durable. */
static int act_range(struct outcome *outcome)
{
    struct content *content = content_get("plain"), *from = content_get("child");
    lsm_volume *source = world_volume("child", "default"),
               *target = world_volume("plain", "default");
    failing_exempt(true);
    lsm_block_range *ranges[] = {lsm_block_range_record_alloc(3, 101, 300),
                                 lsm_block_range_record_alloc(500, 600, 200)};
    failing_exempt(false);
    char *job = NULL;
    content_doubt(content, 101 * 512, from->bytes + 3 * 512, 300 * 512);
    content_doubt(content, 600 * 512, from->bytes + 500 * 512, 200 * 512);
    int code = lsm_volume_replicate_range(world.conn, LSM_VOLUME_REPLICATE_COPY, source, target,
                                          ranges, 2, &job, 0);
    MUST(!job);
    world_outcome(code, outcome);
    if (code == OK)
        content_settle(content);
    lsm_block_range_record_free(ranges[0]);
    lsm_block_range_record_free(ranges[1]);
    lsm_volume_record_free(source);
    lsm_volume_record_free(target);
    return code;
}

/* --- clone --- */

/* A handle is open, and what it wrote last is not flushed. */
static void hold(const char *name)
{
    static unsigned char bytes[50000];
    struct content *content = content_get(name);
    held_io = world_io(name);
    memcpy(content->other, content->bytes, content->size);
    content_fill(bytes, sizeof bytes, 55);
    memcpy(content->bytes + 150001, bytes, sizeof bytes);
    MUST(lsm_volume_io_pwrite(held_io, bytes, sizeof bytes, 150001, 0) == OK);
    content->unsynced = true;
}

static void let_go(void)
{
    if (held_io)
        MUST(lsm_volume_io_close(held_io, 0) == OK);
    held_io = NULL;
}

static void hold_plain(void)
{
    hold("plain");
}

static void hold_child(void)
{
    hold("child");
}

static int act_clone_base(struct outcome *outcome)
{
    return world_outcome(nth_clone("plain", "clone"), outcome);
}

static int act_clone_layered(struct outcome *outcome)
{
    return world_outcome(nth_clone("child", "clone"), outcome);
}

static void expect_clone_of(const char *source)
{
    content_get(source)->unsynced = false;
    nth_model_copy(source, "clone", "default");
}

static void expect_clone_of_plain(void)
{
    expect_clone_of("plain");
}

static void expect_clone_of_child(void)
{
    expect_clone_of("child");
}

static bool is_clone_there(void)
{
    return nth_has("clone", "default");
}

static void use_clone(void)
{
    nth_write_some("clone", 9);
}

static const struct scenario scenarios[] = {
    {.name = "write-base", .act = act_write_base},
    {.name = "write-clone", .act = act_write_clone},
    {.name = "write-full", .act = act_write_full},
    {.name = "range", .act = act_range},
    {.name = "clone-base",
     .prepare = hold_plain,
     .act = act_clone_base,
     .expect = expect_clone_of_plain,
     .is_done = is_clone_there,
     .release = let_go,
     .afterwards = use_clone},
    {.name = "clone-layered",
     .prepare = hold_child,
     .act = act_clone_layered,
     .expect = expect_clone_of_child,
     .is_done = is_clone_there,
     .release = let_go,
     .afterwards = use_clone},
    {.name = "clone-closed",
     .act = act_clone_layered,
     .expect = expect_clone_of_child,
     .is_done = is_clone_there,
     .afterwards = use_clone},
};

const struct scenario_list io_operations = {scenarios, sizeof scenarios / sizeof *scenarios};
