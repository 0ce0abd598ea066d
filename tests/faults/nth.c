/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every failure once: for each operation the n-th system call fails, n = 1, 2, 3 … until the
 * operation comes to its end without reaching it. In three ways: *stays*, where the same process
 * looks around, tries again, closes and opens; *dies*, where the owner dies right after the
 * failure, having first written and flushed to every volume there is, and the next one looks; and
 * *killed*, where there is no failure: the owner is gone at that call.
 *
 * After each: a clear error with the right code; all that was flushed is there; what failed did not
 * happen, what was cut off happened or did not; done again it succeeds, byte for byte; no file is
 * left that no row names.
 *
 * REPLICANT_TEST_LONG: all of it; else every few n, other ones each time (REPLICANT_TEST_SEED).
 * REPLICANT_TEST_FAULT="name fault n stays|dies|killed": that one alone.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing.h"
#include "kill.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB 1024u
#define SIZE (512u * KIB)

struct scenario {
    const char *name;
    bool empty;    /* begins in an empty directory, not in a root with volumes */
    bool connects; /* act opens the root */
    bool two_pools;
    void (*prepare)(void); /* on an open root, without failures; may be NULL */
    int (*act)(struct outcome *outcome);
    void (*expect)(void);     /* the model, now that it is done; may be NULL */
    bool (*is_done)(void);    /* asked of an open root; NULL: leaves nothing to ask for */
    void (*release)(void);    /* closes what prepare opened; may be NULL */
    void (*afterwards)(void); /* more that must then work; may be NULL */
    void (*not_done)(void);   /* the model if the owner died before; NULL: it is done then */
    const char *where;        /* files whose calls may fail; NULL: all */
    long stride;           /* of one that takes long */
    bool awaits_job;       /* act waits for one; it tries again while nothing works */
    bool stays_half;       /* while nothing can be removed either */
};

static char template[200];
static struct content template_contents[CONTENTS];
static lsm_volume_io *held_io;

/* --- the world that most begin with ----------------------------------------------------------- */

static void make_volume(const char *name, const char *pool_name, uint64_t size,
                        lsm_volume_provision_type provision)
{
    lsm_pool *pool = world_pool(pool_name);
    lsm_volume *volume = NULL;
    char *job = NULL;
    MUST(lsm_volume_create(world.conn, pool, name, size, provision, &volume, &job, 0) == OK);
    lsm_volume_record_free(volume);
    lsm_pool_record_free(pool);
    content_new(name, pool_name, size);
}

static int clone_of(const char *source_name, const char *name)
{
    const struct content *content = content_get(source_name);
    lsm_volume *source = world_volume(source_name, content->pool), *clone = NULL;
    char *job = NULL;
    MUST(source != NULL);
    int code = lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name,
                                    &clone, &job, 0);
    lsm_volume_record_free(source);
    MUST((code == OK) == (clone != NULL) && !job);
    if (clone)
        lsm_volume_record_free(clone);
    return code;
}

static void model_copy(const char *from, const char *name, const char *pool)
{
    struct content *source = content_get(from);
    struct content *copy = content_new(name, pool, source->size);
    memcpy(copy->bytes, source->bytes, source->size);
}

static void write_some(const char *name, unsigned seed)
{
    struct content *content = content_get(name);
    lsm_volume_io *io = world_io(name);
    uint64_t part = content->size / 16;
    for (unsigned i = 0; i < 3; i++)
        world_write(io, content, (seed * 5 + i * 6) % 15 * part + 100 * seed, part - 77, seed + i);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void add_other_pool(void)
{
    lsm_pool *other = NULL;
    MUST(lsm_pool_create(world.conn, "other", NULL, 0, &other, 0) == OK);
    lsm_pool_record_free(other);
    make_volume("away", "other", 256 * KIB, LSM_VOLUME_PROVISION_THIN);
    write_some("away", 4);
}

static void build_template(bool two_pools)
{
    world_make_directory();
    snprintf(template, sizeof template, "%s", world.directory);
    failing_install();
    world_open();
    if (two_pools)
        add_other_pool();
    make_volume("plain", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    make_volume("src", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    make_volume("full", "default", 128 * KIB, LSM_VOLUME_PROVISION_FULL);
    write_some("plain", 1);
    write_some("src", 2);
    write_some("full", 3);
    MUST(clone_of("src", "child") == OK);
    model_copy("src", "child", "default");
    write_some("src", 5);
    write_some("child", 6);
    world_check(false);
    world_close();
    failing_uninstall();
    memcpy(template_contents, world.shared->contents, sizeof template_contents);
}

static void remove_template(void)
{
    snprintf(world.directory, sizeof world.directory, "%s", template);
    world_remove_directory();
}

static void begin_fresh(const struct scenario *s)
{
    memset(&world.shared->outcome, 0, sizeof world.shared->outcome);
    for (int i = 0; i < CONTENTS; i++) {
        struct content *to = &world.shared->contents[i], *from = &template_contents[i];
        to->size = 0;
        if (s->empty || !from->size)
            continue;
        memcpy(to->name, from->name, sizeof to->name);
        memcpy(to->pool, from->pool, sizeof to->pool);
        memcpy(to->bytes, from->bytes, from->size);
        memset(to->bytes + from->size, 0, sizeof to->bytes - from->size);
        to->torn = to->unsynced = false;
        to->size = from->size;
    }
    if (s->empty)
        world_make_directory();
    else
        world_copy_directory(template);
}

/* --- operations ------------------------------------------------------------------------------- */

static int act_connect(struct outcome *outcome)
{
    return world_connect(outcome);
}

static void use_new_root(void)
{
    make_volume("first", "default", 64 * KIB, LSM_VOLUME_PROVISION_THIN);
    write_some("first", 7);
}

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

static bool has(const char *name, const char *pool)
{
    lsm_volume *volume = world_volume(name, pool);
    if (volume)
        lsm_volume_record_free(volume);
    return volume != NULL;
}

static bool is_new_there(void)
{
    return has("new", "default");
}

static void use_new(void)
{
    write_some("new", 8);
}

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
    return world_outcome(clone_of("plain", "clone"), outcome);
}

static int act_clone_layered(struct outcome *outcome)
{
    return world_outcome(clone_of("child", "clone"), outcome);
}

static void expect_clone_of(const char *source)
{
    content_get(source)->unsynced = false;
    model_copy(source, "clone", "default");
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
    return has("clone", "default");
}

static void use_clone(void)
{
    write_some("clone", 9);
}

/* --- copy --- */

static int begin_copy(const char *pool_name, bool verify, uint64_t rate, char **job)
{
    lsm_pool *pool = world_pool(pool_name);
    lsm_volume *source = world_volume("child", "default"), *made = NULL;
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    lsm_replicate_options_rate_limit_set(options, rate);
    lsm_replicate_options_verify_set(options, verify ? LSM_VERIFY_READ_BACK : LSM_VERIFY_NONE);
    int code = lsm_volume_replicate_with(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, source,
                                         "copy", options, &made, job, 0);
    MUST(!made && (code == LSM_ERR_JOB_STARTED) == (*job != NULL));
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
    return code;
}

static int copy(const char *pool, bool verify, struct outcome *outcome)
{
    char *job = NULL;
    int code = begin_copy(pool, verify, 0, &job);
    world_outcome(code, outcome);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    return code;
}

static int act_copy_here(struct outcome *outcome)
{
    return copy("default", true, outcome);
}

static int act_copy_there(struct outcome *outcome)
{
    return copy("other", false, outcome);
}

static void expect_copy_here(void)
{
    model_copy("child", "copy", "default");
}

static void expect_copy_there(void)
{
    model_copy("child", "copy", "other");
}

static bool is_copy_here(void)
{
    return has("copy", "default");
}

static bool is_copy_there(void)
{
    return has("copy", "other");
}

/* --- cancel, pause, close --- */

static bool job_is(lsm_job_state state)
{
    lsm_job *job = NULL;
    MUST(lsm_job_get(world.conn, world.shared->job, &job, 0) == OK);
    bool is = lsm_job_state_get(job) == state;
    lsm_job_record_free(job);
    return is;
}

static void expect_slow_copy(void)
{
    memcpy(content_new("copy", "other", SIZE)->bytes, world.shared->instant, SIZE);
}

static void begin_slow_copy(void)
{
    char *job = NULL;
    MUST(begin_copy("other", false, 64 * KIB, &job) == LSM_ERR_JOB_STARTED);
    memcpy(world.shared->instant, content_get("child")->bytes, SIZE);
    snprintf(world.shared->job, sizeof world.shared->job, "%s", job);
    free(job);
    while (job_is(LSM_JOB_STATE_QUEUED))
        usleep(1000);
}

static int act_cancel(struct outcome *outcome)
{
    int code = world_outcome(lsm_job_cancel(world.conn, world.shared->job, 0), outcome);
    if (code == OK)
        MUST(job_is(LSM_JOB_STATE_CANCELLED));
    return code;
}

static bool is_cancelled(void)
{
    return job_is(LSM_JOB_STATE_CANCELLED);
}

static void use_name_again(void)
{
    char *job = NULL;
    struct outcome outcome;
    MUST(job_is(LSM_JOB_STATE_CANCELLED));
    MUST(begin_copy("other", false, 0, &job) == LSM_ERR_JOB_STARTED);
    MUST(world_outcome_of_job(job, &outcome) == OK);
    free(job);
    expect_copy_there();
}

static int act_pause(struct outcome *outcome)
{
    if (job_is(LSM_JOB_STATE_FAILED))
        begin_slow_copy();
    int code = world_outcome(lsm_job_pause(world.conn, world.shared->job, 0), outcome);
    if (code == OK)
        MUST(job_is(LSM_JOB_STATE_PAUSED));
    if (code != LSM_ERR_STATE)
        return code;
    MUST(job_is(LSM_JOB_STATE_FAILED)); /* at the checkpoint that it was to stop at */
    return world_outcome_of_job(world.shared->job, outcome);
}

static void end_paused(void)
{
    world_end_jobs();
    expect_slow_copy();
}

/* Whatever stopped the job: it goes on to its end, or it failed and says why. */
static void adopt_copy(void)
{
    struct outcome outcome;
    if (!job_is(LSM_JOB_STATE_FAILED)) {
        expect_slow_copy();
        return;
    }
    world_outcome_of_job(world.shared->job, &outcome);
    MUST(outcome.code == LSM_ERR_IO || outcome.code == LSM_ERR_NOT_ENOUGH_SPACE);
    MUST(outcome.message[0]);
}

static int act_close(struct outcome *outcome)
{
    int code = world_outcome(lsm_connect_close(world.conn, 0), outcome);
    world.conn = NULL;
    return code;
}

/* --- resize --- */

static int resize(const char *name, uint64_t size, struct outcome *outcome)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool), *resized = NULL;
    char *job = NULL;
    int code =
        world_outcome(lsm_volume_resize(world.conn, volume, size, &resized, &job, 0), outcome);
    MUST((code == OK) == (resized != NULL) && !job);
    if (resized)
        lsm_volume_record_free(resized);
    lsm_volume_record_free(volume);
    return code;
}

static void model_resize(const char *name, uint64_t size)
{
    struct content *content = content_get(name);
    if (size < content->size)
        memset(content->bytes + size, 0, content->size - size);
    content->size = size;
}

static bool has_size(const char *name, uint64_t size)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    bool is = lsm_volume_number_of_blocks_get(volume) * 512 == size;
    lsm_volume_record_free(volume);
    return is;
}

#define GROWN (640u * KIB)
#define SHRUNK (120u * KIB)

#define RESIZE(what, volume, to)                                                                   \
    static int act_##what(struct outcome *outcome)                                                 \
    {                                                                                              \
        return resize(volume, to, outcome);                                                        \
    }                                                                                              \
    static void expect_##what(void)                                                                \
    {                                                                                              \
        model_resize(volume, to);                                                                  \
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
    MUST(resize("plain", SIZE, &outcome) == OK);
    model_resize("plain", SIZE);
}

static void grow_child_back(void)
{
    struct outcome outcome;
    MUST(resize("child", SIZE, &outcome) == OK);
    model_resize("child", SIZE);
}

/* --- delete, rename, tag, pools --- */

static int delete (const char *name, struct outcome *outcome)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    char *job = NULL;
    int code = world_outcome(lsm_volume_delete(world.conn, volume, &job, 0), outcome);
    MUST(!job);
    lsm_volume_record_free(volume);
    return code;
}

static int act_delete_base(struct outcome *outcome)
{
    return delete ("plain", outcome);
}

static int act_delete_clone(struct outcome *outcome)
{
    return delete ("child", outcome);
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
    return !has("plain", "default");
}

static bool is_child_gone(void)
{
    return !has("child", "default");
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
    return has("named", "default") && !has("plain", "default");
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

static int act_pool_create(struct outcome *outcome)
{
    lsm_pool *pool = NULL;
    int code = world_outcome(lsm_pool_create(world.conn, "third", NULL, 0, &pool, 0), outcome);
    MUST((code == OK) == (pool != NULL));
    if (pool)
        lsm_pool_record_free(pool);
    return code;
}

static bool has_third(void)
{
    lsm_pool *pool = world_pool("third");
    if (pool)
        lsm_pool_record_free(pool);
    return pool != NULL;
}

static void use_third(void)
{
    make_volume("guest", "third", 64 * KIB, LSM_VOLUME_PROVISION_THIN);
    write_some("guest", 10);
}

/* --- what goes on in the background ----------------------------------------------------------- */

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
    MUST(clone_of("child", "first") == OK);
    model_copy("child", "first", "default");
    MUST(resize("child", 300 * KIB, &outcome) == OK);
    model_resize("child", 300 * KIB);
    write_some("child", 21);
    MUST(clone_of("child", "second") == OK);
    write_some("child", 22);
    lsm_volume *second = world_volume("second", "default");
    char *job = NULL;
    MUST(lsm_volume_delete(world.conn, second, &job, 0) == OK);
    lsm_volume_record_free(second);
}

static int act_merge(struct outcome *outcome)
{
    int code = delete ("first", outcome);
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
    return !has("first", "default");
}

/* The base that is to absorb its top has as many bytes as the volume, but not all of them show. */
static void clone_plain(void)
{
    struct outcome outcome;
    MUST(clone_of("plain", "first") == OK);
    model_copy("plain", "first", "default");
    MUST(resize("plain", SHRUNK, &outcome) == OK && resize("plain", SIZE, &outcome) == OK);
    model_resize("plain", SHRUNK);
    model_resize("plain", SIZE);
    write_some("plain", 23);
}

static int act_absorb(struct outcome *outcome)
{
    int code = delete ("first", outcome);
    if (code == OK)
        await_depth("plain", 1, 1500);
    return code;
}

static int act_flatten(struct outcome *outcome)
{
    lsm_volume *source = world_volume("src", "default");
    char *job = NULL;
    int code = lsm_volume_child_dependency_delete(world.conn, source, &job, 0);
    world_outcome(code, outcome);
    lsm_volume_record_free(source);
    if (code == LSM_ERR_JOB_STARTED)
        code = world_outcome_of_job(job, outcome);
    free(job);
    return code;
}

static bool is_flattened(void)
{
    uint8_t yes = 0;
    lsm_volume *source = world_volume("src", "default");
    MUST(lsm_volume_child_dependency(world.conn, source, &yes, 0) == OK);
    lsm_volume_record_free(source);
    return !yes;
}

static const struct scenario scenarios[] = {
    {.name = "open-fresh",
     .empty = true,
     .connects = true,
     .act = act_connect,
     .afterwards = use_new_root},
    {.name = "open-existing", .connects = true, .two_pools = true, .act = act_connect},
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
    {.name = "write-base", .act = act_write_base},
    {.name = "write-clone", .act = act_write_clone},
    {.name = "write-full", .act = act_write_full},
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
    {.name = "copy-here", .awaits_job = true,
     .act = act_copy_here,
     .expect = expect_copy_here,
     .is_done = is_copy_here},
    {.name = "copy-there", .awaits_job = true,
     .two_pools = true,
     .act = act_copy_there,
     .expect = expect_copy_there,
     .is_done = is_copy_there},
    {.name = "cancel",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_cancel,
     .is_done = is_cancelled,
     .afterwards = use_name_again,
     .not_done = expect_slow_copy,
     .where = "pool.db-wal"},
    {.name = "pause",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_pause,
     .afterwards = end_paused,
     .not_done = adopt_copy,
     .where = "pool.db-wal"},
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
    {.name = "pool-create", .stays_half = true, .act = act_pool_create, .is_done = has_third, .afterwards = use_third},
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
    {.name = "flatten", .awaits_job = true, .act = act_flatten, .is_done = is_flattened},
    {.name = "close",
     .two_pools = true,
     .prepare = begin_slow_copy,
     .act = act_close,
     .not_done = adopt_copy},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* --- one fault -------------------------------------------------------------------------------- */

static void check_outcome(enum fault fault, const struct outcome *outcome)
{
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, " → %d %s", outcome->code,
             outcome->message);
    MUST(failing_reached()); /* nothing fails by itself */
    MUST(outcome->message[0] && !strstr(outcome->message, "(null)"));
    MUST(fault != FAULT_SHORT); /* those are finished by whoever called */
    MUST(outcome->code == (fault == FAULT_ENOSPC ? LSM_ERR_NOT_ENOUGH_SPACE : LSM_ERR_IO));
    if (fault != FAULT_ENOSPC && !outcome->of_job)
        MUST(outcome->sys_errno == EIO);
}

/* Every handle is closed; what the disk has is then read anew, and stays as it is. */
static lsm_volume_io *reopen_poisoned(lsm_volume_io *io, struct content *content)
{
    MUST(lsm_volume_io_flush(io, 0) != OK);
    lsm_volume_io_close(io, 0);
    lsm_volume_io_close(held_io, 0);
    held_io = NULL;
    content->torn = true;
    world_check(false);
    io = world_io(content->name);
    MUST(lsm_volume_io_pread(io, content->bytes, content->size, 0, 0) == OK);
    content_settle(content);
    return io;
}

/* Every volume that is there takes a write and keeps it. */
static void mark_all(void)
{
    for (int i = 0; i < CONTENTS; i++) {
        struct content *content = &world.shared->contents[i];
        if (!content->size || !has(content->name, content->pool))
            continue;
        lsm_volume_io *io = world_io(content->name);
        int code = lsm_volume_io_flush(io, 0);
        if (code != OK) { /* the sync of a handle that is still open failed */
            MUST(held_io && (code == LSM_ERR_IO || code == LSM_ERR_NOT_ENOUGH_SPACE));
            io = reopen_poisoned(io, content);
        }
        world_write(io, content, 20011, 333, 1000u + (unsigned)i);
        memcpy(content->other + 20011, content->bytes + 20011, 333);
        MUST(lsm_volume_io_flush(io, 0) == OK);
        content->unsynced = false;
        MUST(lsm_volume_io_close(io, 0) == OK);
    }
}

static void call(void (*step)(void))
{
    if (step)
        step();
}

static void start(const struct scenario *s)
{
    failing_install();
    if (!s->connects)
        world_open();
    call(s->prepare);
}

static bool lasting; /* every call from the n-th on fails, */
static const char *lasting_where; /* on these files */

/* Ends an outage that a job waits out. */
static void *answer_again(void *argument)
{
    for (int i = 0; i < 500 && !failing_reached(); i++)
        usleep(1000);
    usleep(50000);
    failing_disarm();
    return argument;
}

static void act_under_fault(const struct scenario *s, enum fault fault, long n)
{
    struct shared *shared = world.shared;
    failing_arm_at(fault, NULL, lasting_where ? lasting_where : s->where, n, lasting);
    pthread_t thread;
    if (lasting && s->awaits_job)
        MUST(pthread_create(&thread, NULL, answer_again, NULL) == 0);
    int code = s->act(&shared->outcome);
    if (lasting && s->awaits_job)
        pthread_join(thread, NULL);
    shared->reached = failing_reached();
    snprintf(shared->what, sizeof shared->what, "%s", failing_what());
    failing_disarm();
    size_t at = strlen(world.context);
    snprintf(world.context + at, sizeof world.context - at, " (%s)",
             shared->what + (strlen(shared->what) > 80 ? strlen(shared->what) - 80 : 0));
    MUST(code == shared->outcome.code);
    if (code != OK)
        check_outcome(fault, &shared->outcome);
}

static void act_again(const struct scenario *s)
{
    struct outcome outcome;
    int code = s->act(&outcome);
    if (code != OK) {
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, "; again: %d %s", code,
                 outcome.message);
    }
    MUST(code == OK);
}

/* Closed and opened with the real table, everything is as it was; and once more with nothing left.
 */
static void check_reopened(const struct scenario *s)
{
    failing_uninstall();
    world_open();
    if (s->not_done && !s->is_done && !s->afterwards)
        s->not_done(); /* close: the job goes on */
    world_end_jobs();
    world_check(false);
    world_close();
    world_check_files();
}

static void stays(const struct scenario *s, enum fault fault, long n)
{
    start(s);
    act_under_fault(s, fault, n);
    if (world.shared->outcome.code != OK) {
        if (world.conn) {
            world_check(false);
            mark_all();
        }
        act_again(s);
    }
    call(s->expect);
    call(s->release);
    call(s->afterwards);
    if (world.conn) {
        world_check(false);
        world_close();
    }
    check_reopened(s);
}

/* What the owner that dies does. */
static void live_and_die(const struct scenario *s, enum fault fault, long n)
{
    world.in_child = true;
    start(s);
    act_under_fault(s, fault, n);
    if (world.shared->outcome.code == OK)
        call(s->expect);
    if (lasting)
        usleep(20000); /* what is done in the background is done */
    else if (world.conn)
        mark_all();
    _exit(0);
}

static void dies(const struct scenario *s, enum fault fault, long n)
{
    int status, failed;
    size_t mark = strlen(world.context);
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        live_and_die(s, fault, n);
    MUST(waitpid(pid, &status, 0) == pid);
    failed = world.shared->outcome.code;
    snprintf(world.context + mark, sizeof world.context - mark, " (%s) → %d %s",
             world.shared->what +
                 (strlen(world.shared->what) > 80 ? strlen(world.shared->what) - 80 : 0),
             failed, world.shared->outcome.message);
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    failing_install();
    world_open();
    if (lasting && !s->not_done)
        world_end_jobs();
    bool done = s->is_done ? s->is_done() : failed == OK;
    if (lasting && failed != OK && done) /* nobody could make sure of either */
        call(s->expect);
    else
        MUST(done == (failed == OK)); /* what failed did not happen, what succeeded did */
    if (!done && s->not_done)
        s->not_done();
    if (done && s->not_done && !s->is_done)
        s->not_done(); /* a job that goes on is done in the end */
    world_end_jobs();
    world_check(true);
    if (!done && !s->not_done && !s->connects) {
        act_again(s);
        call(s->expect);
        world_check(true);
    }
    world_close();
    failing_uninstall();
    world_check_files();
}

static void live_until_killed(const struct scenario *s, long n)
{
    world.in_child = true;
    start(s);
    failing_arm_at(FAULT_DEATH, NULL, s->where, n, false);
    MUST(s->act(&world.shared->outcome) == OK);
    call(s->expect);
    _exit(0);
}

static void killed(const struct scenario *s, enum fault fault, long n)
{
    int status;
    (void)fault;
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        live_until_killed(s, n);
    MUST(waitpid(pid, &status, 0) == pid);
    MUST(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAILING_DEATH));
    world.shared->reached = WEXITSTATUS(status) == FAILING_DEATH;

    failing_install();
    world_open();
    if (!s->not_done)
        world_end_jobs(); /* the job is the operation */
    bool done = s->is_done && s->is_done();
    if (!world.shared->reached)
        MUST(done || !s->is_done);
    else if (done)
        call(s->expect);
    if (!done && s->not_done)
        s->not_done();
    world_end_jobs();
    world_check(true);
    if (!done && !s->not_done && !s->connects) {
        act_again(s);
        if (world.shared->reached)
            call(s->expect);
        world_check(true);
    }
    world_close();
    failing_uninstall();
    world_check_files();
}

/* The disk answers again, but not before the call is over. */
static void is_out(const struct scenario *s, enum fault fault, long n)
{
    lasting = true;
    stays(s, fault, n);
    lasting = false;
}

/* The catalog's log is what fails, for good, and then the owner dies. */
static void loses_log(const struct scenario *s, enum fault fault, long n)
{
    lasting = true;
    lasting_where = "pool.db-wal";
    dies(s, fault, n);
    lasting = false;
    lasting_where = NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct way {
    const char *name;
    void (*try)(const struct scenario *s, enum fault fault, long n);
} ways[] = {{"stays", stays}, {"dies", dies}, {"killed", killed}, {"out", is_out}, {"log", loses_log}};
enum { STAYS, DIES, KILLED, OUT, LOG, WAYS };

static bool try_one(const struct scenario *s, enum fault fault, long n, int way)
{
    snprintf(world.context, sizeof world.context, "REPLICANT_TEST_FAULT=\"%s %d %ld %s\" (%s)",
             s->name, (int)fault, n, ways[way].name, fault_names[fault]);
    begin_fresh(s);
    ways[way].try(s, fault, n);
    world_remove_directory();
    return world.shared->reached;
}

static uint64_t seed;

static long stride(const struct scenario *s, enum fault fault, int way)
{
    if (getenv("REPLICANT_TEST_LONG"))
        return 1;
    if (s->stride)
        return s->stride;
    return (fault == FAULT_EIO || fault == FAULT_DEATH ? 3 : 4) * (way == DIES || way == OUT ? 2 : 1);
}

static long try_all(const struct scenario *s, enum fault fault, int way)
{
    long step = stride(s, fault, way), tried = 0, n = 1 + (long)(seed % (uint64_t)step);
    for (; try_one(s, fault, n, way); n += step)
        tried++;
    return tried;
}

static bool is_unwanted(const struct scenario *s)
{
    const char *wanted = getenv("REPLICANT_TEST_FAULT");
    size_t n = strlen(s->name);
    return wanted && (strncmp(wanted, s->name, n) != 0 || wanted[n] != ' ');
}

static void try_named(const struct scenario *s, const char *wanted)
{
    char how[16];
    int fault;
    long n;
    MUST(sscanf(wanted, "%*s %d %ld %15s", &fault, &n, how) == 3);
    for (int way = 0; way < WAYS; way++)
        if (strcmp(how, ways[way].name) == 0) {
            bool reached = try_one(s, (enum fault)fault, n, way);
            printf("%s: %s\n", world.context, reached ? "reached" : "not reached");
        }
}

static void try_scenario(const struct scenario *s)
{
    long tried[2][FAULT_DEATH], deaths = try_all(s, FAULT_DEATH, KILLED);
    long outs = s->stays_half ? 0 : try_all(s, FAULT_EIO, OUT) + try_all(s, FAULT_ENOSPC, OUT);
    long logs = try_all(s, FAULT_EIO, LOG), sum = deaths + outs + logs;
    for (int fault = 0; fault < FAULT_DEATH; fault++)
        for (int way = STAYS; way <= DIES; way++)
            sum += tried[way][fault] = try_all(s, (enum fault)fault, way);
    printf("%-15s %4ld faults:", s->name, sum);
    for (int fault = 0; fault < FAULT_DEATH; fault++)
        printf(" %s %ld+%ld", fault_names[fault], tried[STAYS][fault], tried[DIES][fault]);
    printf(", death %ld, disk out %ld, log lost %ld\n", deaths, outs, logs);
}

START_TEST(test_nth)
{
    const struct scenario *s = &scenarios[_i];
    if (is_unwanted(s))
        return;
    world_begin();
    build_template(s->two_pools);
    if (getenv("REPLICANT_TEST_FAULT"))
        try_named(s, getenv("REPLICANT_TEST_FAULT"));
    else
        try_scenario(s);
    remove_template();
}
END_TEST

int main(void)
{
    seed = kill_seed();
    printf("REPLICANT_TEST_SEED=%llu\n", (unsigned long long)seed);
    Suite *suite = suite_create("faults-nth");
    TCase *tcase = tcase_create("nth");
    tcase_set_timeout(tcase, 3600);
    tcase_add_loop_test(tcase, test_nth, 0, SCENARIOS);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
