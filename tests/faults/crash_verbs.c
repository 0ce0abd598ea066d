/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash_record.h"
#include "crash_verbs.h"

#define OK LSM_ERR_OK
#define STATE(name) LSM_REPLICATION_STATE_##name

struct crash_mark *crash_marks;
uint32_t crash_mark_count;

static struct crash_state now;
static lsm_replication_type type;    /* of the mirror */
static const struct version *common; /* the instant at which the two sides parted */
static unsigned seed;
static struct handle {
    char name[16];
    lsm_volume_io *io;
} handles[CRASH_VOLUMES];

#define TIMES_MAX 4u

static struct {
    lsm_volume_io *io;
    const unsigned char *bytes[TIMES_MAX];
    uint64_t offset;
    unsigned times, missed;
    pthread_t writer;
    bool waits; /* the writer, for the gate */
} busy;

/* --- states ----------------------------------------------------------------------------------- */

static void mark(const struct crash_state *states, uint32_t count)
{
    crash_marks = realloc(crash_marks, (crash_mark_count + 1) * sizeof *crash_marks);
    MUST(crash_marks != NULL);
    struct crash_mark *m = &crash_marks[crash_mark_count++];
    m->at = crash_record_count();
    m->count = count;
    memcpy(m->states, states, count * sizeof *states);
}

void crash_marks_begin(void)
{
    for (uint32_t i = 0; i < now.count; i++)
        now.volumes[i].oldest = now.volumes[i].newest;
    crash_mark_count = 0;
    mark(&now, 1);
}

void v_forget_all(void)
{
    now = (struct crash_state){0};
    common = NULL;
    versions_free();
    crash_mark_count = 0;
    busy.missed = 0;
    crash_record_within_sync(NULL, 0);
}

bool v_missed(void)
{
    return busy.missed + crash_record_left() > 0;
}

/* All of it, or nothing. */
static void either(const struct crash_state *next)
{
    mark((struct crash_state[]){now, *next}, 2);
}

static void from_now_on(const struct crash_state *next)
{
    now = *next;
    mark(&now, 1);
}

static struct expect *of(struct crash_state *state, const char *name)
{
    for (uint32_t i = 0; i < state->count; i++)
        if (strcmp(state->volumes[i].name, name) == 0)
            return &state->volumes[i];
    MUST(!"a volume of that name");
    return NULL;
}

static struct expect *add(struct crash_state *state, const char *name, const char *pool,
                          const struct version *version)
{
    MUST(state->count < CRASH_VOLUMES);
    struct expect *e = &state->volumes[state->count++];
    *e = (struct expect){.pool = pool, .newest = version, .oldest = version};
    snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

static void flushed(struct expect *e)
{
    e->oldest = e->newest;
}

/* The side that is written to, and the other one. */
static struct expect *source_of(struct crash_state *state)
{
    return of(state, strcmp(state->source_pool, "default") == 0 ? "a" : "m");
}

static struct expect *target_of(struct crash_state *state)
{
    return of(state, strcmp(state->source_pool, "default") == 0 ? "m" : "a");
}

/* In sync, what may be on the one side may be on the other; and it is what is left of both. */
static void follow(struct crash_state *state)
{
    if (state->relation == STATE(IN_SYNC) && state->alike) {
        const struct expect *source = source_of(state);
        struct expect *target = target_of(state);
        target->newest = source->newest;
        target->oldest = source->oldest;
        target->instant = false;
    }
    state->left_count = 0;
    if (state->relation && state->relation != STATE(BROKEN)) /* which is no mirror */
        state->left[state->left_count++] = *target_of(state);
}

/* What takes a commit in either pool may stop between them: rewound, but still split; or turned,
 * but paused. From both it can be gone on with. */
static void either_or_between(struct crash_state *rewound, const struct crash_state *next)
{
    struct crash_state paused = *next;
    paused.relation = STATE(PAUSED);
    *target_of(&paused) = *of(rewound, target_of(&paused)->name);
    follow(&paused);
    mark((struct crash_state[]){now, *rewound, paused, *next}, 4);
}

/* --- handles ---------------------------------------------------------------------------------- */

static lsm_volume *volume_of(const char *name)
{
    lsm_volume *volume = world_volume(name, of(&now, name)->pool);
    MUST(volume != NULL);
    return volume;
}

static lsm_volume_io *io_of(const char *name)
{
    struct handle *free_one = NULL;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (handles[i].io && strcmp(handles[i].name, name) == 0)
            return handles[i].io;
        if (!handles[i].io)
            free_one = &handles[i];
    }
    MUST(free_one != NULL);
    lsm_volume *volume = volume_of(name);
    MUST(lsm_volume_io_open(world.conn, volume, &free_one->io, 0) == OK);
    lsm_volume_record_free(volume);
    snprintf(free_one->name, sizeof free_one->name, "%s", name);
    return free_one->io;
}

void v_close(const char *name)
{
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (!handles[i].io || strcmp(handles[i].name, name) != 0)
            continue;
        MUST(lsm_volume_io_close(handles[i].io, 0) == OK);
        handles[i].io = NULL;
    }
}

static void await_writer(void)
{
    if (busy.waits)
        pthread_join(busy.writer, NULL);
    busy.waits = false;
}

void v_close_all(void)
{
    await_writer();
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (handles[i].io)
            v_close(handles[i].name);
}

/* --- writing ---------------------------------------------------------------------------------- */

enum how { WRITE, FUA, ZERO, DISCARD };

static void change(const char *name, uint64_t offset, uint64_t count, enum how how)
{
    lsm_volume_io *io = io_of(name);
    struct crash_state next = now;
    struct expect *e = of(&next, name);
    struct version *v = version_after(e->newest, e->newest->size);
    if (how == WRITE || how == FUA)
        content_fill(v->bytes + offset, count, ++seed);
    else
        memset(v->bytes + offset, 0, count);
    e->newest = v;
    follow(&next);
    from_now_on(&next); /* until it is flushed, old or new */
    switch (how) {
    case WRITE: MUST(lsm_volume_io_pwrite(io, v->bytes + offset, count, offset, 0) == OK); break;
    case ZERO: MUST(lsm_volume_io_write_zeroes(io, count, offset, 0) == OK); break;
    case DISCARD: MUST(lsm_volume_io_discard(io, count, offset, 0) == OK); break;
    case FUA:
        MUST(lsm_volume_io_pwrite(io, v->bytes + offset, count, offset, LSM_VOLUME_IO_FUA) == OK);
        break;
    }
    if (how != FUA)
        return;
    flushed(e); /* all of it: so it is done */
    follow(&next);
    from_now_on(&next);
}

void v_write(const char *name, uint64_t offset, uint64_t count)
{
    change(name, offset, count, WRITE);
}

void v_write_fua(const char *name, uint64_t offset, uint64_t count)
{
    change(name, offset, count, FUA);
}

void v_zero(const char *name, uint64_t offset, uint64_t count)
{
    change(name, offset, count, ZERO);
}

void v_discard(const char *name, uint64_t offset, uint64_t count)
{
    change(name, offset, count, DISCARD);
}

static void *write_one(void *number)
{
    uintptr_t i = (uintptr_t)number;
    uint64_t offset = busy.offset + 6000 * i;
    MUST(lsm_volume_io_pwrite(busy.io, busy.bytes[i] + offset, 5000, offset, 0) == OK);
    return NULL;
}

/* On a thread of its own: where writes wait already, the sync is not the one that was meant. */
static void write_more(void)
{
    uintptr_t i = busy.times - crash_record_left() - 1;
    struct timespec soon;
    MUST(pthread_create(&busy.writer, NULL, write_one, (void *)i) == 0);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += 5;
    if (pthread_timedjoin_np(busy.writer, NULL, &soon) == 0)
        return;
    busy.waits = true;
    busy.missed += 1 + crash_record_left();
    crash_record_within_sync(NULL, 0);
}

void v_keep_writing(const char *name, uint64_t offset, unsigned times)
{
    struct crash_state next = now;
    struct expect *e = of(&next, name);
    busy.io = io_of(name);
    busy.offset = offset;
    busy.times = times;
    MUST(times <= TIMES_MAX);
    await_writer();
    busy.missed += crash_record_left(); /* of the last time */
    for (unsigned i = 0; i < times; i++) {
        struct version *v = version_after(e->newest, e->newest->size);
        content_fill(v->bytes + offset + 6000 * i, 5000, ++seed);
        busy.bytes[i] = v->bytes;
        e->newest = v;
    }
    follow(&next);
    from_now_on(&next);
    crash_record_within_sync(write_more, times);
}

void v_flush(const char *name)
{
    MUST(lsm_volume_io_flush(io_of(name), 0) == OK);
    struct crash_state next = now;
    flushed(of(&next, name));
    follow(&next);
    from_now_on(&next);
}

/* --- volumes ---------------------------------------------------------------------------------- */

void v_pool(const char *name)
{
    world_make_pool(name);
}

void v_make(const char *name, uint64_t size, lsm_volume_provision_type provision)
{
    struct crash_state next = now;
    add(&next, name, "default", version_after(NULL, size));
    either(&next);
    world_make_volume(name, "default", size, provision);
    from_now_on(&next);
}

/* Shrinking ends what was there: no version before that may show any more. */
void v_resize(const char *name, uint64_t size)
{
    lsm_volume *volume = volume_of(name), *resized = NULL;
    char *job = NULL;
    struct crash_state next = now;
    struct expect *e = of(&next, name);
    e->newest = version_after(e->newest, size);
    follow(&next);
    either(&next);
    MUST(lsm_volume_resize(world.conn, volume, size, &resized, &job, 0) == OK);
    lsm_volume_record_free(resized);
    lsm_volume_record_free(volume);
    from_now_on(&next);
}

void v_rename(const char *name, const char *to)
{
    lsm_volume *volume = volume_of(name), *renamed = NULL;
    struct crash_state next = now;
    snprintf(of(&next, name)->name, sizeof next.volumes->name, "%s", to);
    either(&next);
    MUST(lsm_volume_rename(world.conn, volume, to, &renamed, 0) == OK);
    lsm_volume_record_free(renamed);
    lsm_volume_record_free(volume);
    from_now_on(&next);
}

void v_delete(const char *name, bool last_clone)
{
    lsm_volume *volume = volume_of(name);
    char *job = NULL;
    struct crash_state next = now;
    v_close(name);
    *of(&next, name) = next.volumes[next.count - 1];
    next.count--;
    next.dependent = next.dependent && !last_clone;
    either(&next);
    MUST(lsm_volume_delete(world.conn, volume, &job, 0) == OK);
    lsm_volume_record_free(volume);
    from_now_on(&next);
}

/* The clone is the instant of the call, and with it the source is durable as it was then. */
static void cloned(struct crash_state *state, const char *name, const char *clone)
{
    struct expect *source = of(state, name);
    flushed(source);
    add(state, clone, "default", source->newest);
    state->dependent = true;
}

void v_clone(const char *name, const char *clone)
{
    lsm_volume *source = volume_of(name), *made = NULL;
    char *job = NULL;
    struct crash_state next = now;
    cloned(&next, name, clone);
    either(&next);
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, clone, &made,
                              &job, 0) == OK);
    lsm_volume_record_free(made);
    lsm_volume_record_free(source);
    from_now_on(&next);
}

void v_clone_two(const char *a, const char *clone_a, const char *b, const char *clone_b)
{
    lsm_volume *sources[] = {volume_of(a), volume_of(b)}, **made = NULL;
    const char *names[] = {clone_a, clone_b};
    char *job = NULL;
    uint32_t count = 0;
    struct crash_state next = now;
    cloned(&next, a, clone_a);
    cloned(&next, b, clone_b);
    either(&next);
    MUST(lsm_volume_group_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, sources, names, 2,
                                    NULL, &made, &count, &job, 0) == OK);
    lsm_volume_record_array_free(made, count);
    lsm_volume_record_free(sources[0]);
    lsm_volume_record_free(sources[1]);
    from_now_on(&next);
}

static void await_job(char *job)
{
    struct outcome outcome;
    if (world_outcome_of_job(job, &outcome) != OK) {
        size_t n = strlen(world.context);
        snprintf(world.context + n, sizeof world.context - n, "; a job: %d %s", outcome.code,
                 outcome.message);
        MUST(!"a job that is done");
    }
    free(job);
}

/* From the call's return on it is sure that the copy comes to be. */
void v_copy(const char *name, const char *copy, const char *pool_name)
{
    lsm_volume *source = volume_of(name), *made = NULL;
    lsm_pool *pool = world_pool(pool_name);
    char *job = NULL;
    struct crash_state next = now;
    flushed(of(&next, name));
    add(&next, copy, pool_name, of(&next, name)->newest);
    either(&next);
    MUST(lsm_volume_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, source, copy, &made,
                              &job, 0) == LSM_ERR_JOB_STARTED);
    from_now_on(&next);
    await_job(job);
    from_now_on(&next);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
}

/* Both, or neither. */
void v_copy_two(const char *a, const char *copy_a, const char *b, const char *copy_b,
                const char *pool_name)
{
    lsm_volume *sources[] = {volume_of(a), volume_of(b)}, **made = NULL;
    const char *names[] = {copy_a, copy_b};
    lsm_pool *pool = world_pool(pool_name);
    char *job = NULL;
    uint32_t count = 0;
    struct crash_state next = now;
    for (int i = 0; i < 2; i++) {
        struct expect *source = of(&next, i ? b : a);
        flushed(source);
        add(&next, names[i], pool_name, source->newest);
    }
    either(&next);
    MUST(lsm_volume_group_replicate(world.conn, pool, LSM_VOLUME_REPLICATE_COPY, sources, names, 2,
                                    NULL, &made, &count, &job, 0) == LSM_ERR_JOB_STARTED);
    from_now_on(&next);
    await_job(job);
    from_now_on(&next);
    lsm_volume_record_free(sources[0]);
    lsm_volume_record_free(sources[1]);
    lsm_pool_record_free(pool);
}

/* A write to the target, durable at the end; and the source is durable as it is read. */
void v_range(const char *name, const char *to, uint64_t from, uint64_t there, uint64_t count)
{
    lsm_block_range *range = lsm_block_range_record_alloc(from / 512, there / 512, count / 512);
    lsm_volume *source = volume_of(name), *target = volume_of(to);
    char *job = NULL;
    struct crash_state next = now;
    struct expect *e = of(&next, to);
    struct version *v = version_after(e->newest, e->newest->size);
    memcpy(v->bytes + there, of(&now, name)->newest->bytes + from, count);
    e->newest = v;
    follow(&next);
    from_now_on(&next);
    MUST(lsm_volume_replicate_range(world.conn, LSM_VOLUME_REPLICATE_COPY, source, target, &range,
                                    1, &job, 0) == OK);
    flushed(of(&next, to));
    follow(&next);
    from_now_on(&next);
    lsm_block_range_record_free(range);
    lsm_volume_record_free(source);
    lsm_volume_record_free(target);
}

void v_flatten(const char *name)
{
    lsm_volume *source = volume_of(name);
    char *job = NULL;
    struct crash_state next = now;
    next.dependent = false;
    either(&next);
    MUST(lsm_volume_child_dependency_delete(world.conn, source, &job, 0) == LSM_ERR_JOB_STARTED);
    from_now_on(&next);
    await_job(job);
    from_now_on(&next);
    lsm_volume_record_free(source);
}

/* Nothing that can be seen changes. */
void v_await_depth(const char *name, uint32_t layers)
{
    for (int i = 0;; i++) {
        lsm_volume *volume = volume_of(name);
        uint32_t depth = lsm_volume_depth_get(volume);
        lsm_volume_record_free(volume);
        if (depth <= layers)
            return;
        MUST(i < 60000);
        usleep(1000);
    }
}

/* --- mirrors ---------------------------------------------------------------------------------- */

static lsm_replication *relation(void)
{
    lsm_replication *r = world_relation();
    MUST(r != NULL);
    return r;
}

static const char *id(void)
{
    static char text[80];
    lsm_replication *r = relation();
    snprintf(text, sizeof text, "%s", lsm_replication_id_get(r));
    lsm_replication_record_free(r);
    return text;
}

static void await_state(int wanted)
{
    for (int i = 0;; i++) {
        lsm_replication *r = relation();
        int is = (int)lsm_replication_state_get(r);
        lsm_replication_record_free(r);
        if (is == wanted)
            return;
        MUST(i < 60000);
        usleep(1000);
    }
}

/* What the target is to show, from the source as it is now, and while it comes to that. */
static void arrives(struct crash_state *next)
{
    struct expect *target = target_of(next);
    flushed(source_of(next));
    target->newest = target->oldest = source_of(next)->newest;
    target->instant = true;
    follow(next);
}

/* The end is sure, but until then what is left may be what there was. */
static void on_the_way(struct crash_state *next, const struct expect *was)
{
    next->left[next->left_count++] = *was;
    from_now_on(next);
    next->left_count--;
}

void v_mirror(lsm_replication_type wanted)
{
    lsm_volume *source = volume_of("a"), *made = NULL;
    lsm_pool *pool = world_pool("second");
    lsm_replicate_options *options = lsm_replicate_options_alloc();
    char *job = NULL;
    struct crash_state next = now;
    type = wanted;
    next.relation = STATE(IN_SYNC);
    next.alike = type == LSM_VOLUME_REPLICATE_MIRROR_SYNC;
    next.source_pool = "default";
    add(&next, "m", "second", of(&now, "a")->newest);
    arrives(&next);
    either(&next);
    lsm_replicate_options_interval_set(options, 0);
    MUST(lsm_volume_replicate_with(world.conn, pool, type, source, "m", options, &made, &job, 0) ==
         LSM_ERR_JOB_STARTED);
    on_the_way(&next, &(struct expect){.name = ""});
    await_job(job);
    from_now_on(&next);
    lsm_replicate_options_free(options);
    lsm_volume_record_free(source);
    lsm_pool_record_free(pool);
}

/* An asynchronous mirror's target gets the source's instant. */
void v_ship(void)
{
    struct crash_state next = now;
    const struct expect was = *target_of(&now);
    char *job = NULL;
    arrives(&next);
    either(&next);
    MUST(lsm_replication_sync(world.conn, id(), &job, 0) == LSM_ERR_JOB_STARTED);
    on_the_way(&next, &was);
    await_job(job);
    from_now_on(&next);
}

/* A synchronous one's target has the instant of the pause; until the call returns, but for what its
 * last writes are to it. */
void v_pause(void)
{
    struct crash_state next = now, parted;
    if (next.alike)
        arrives(&next);
    next.relation = STATE(PAUSED);
    follow(&next);
    parted = next;
    if (next.alike) {
        target_of(&parted)->oldest = target_of(&now)->oldest;
        target_of(&parted)->instant = false;
        target_of(&next)->instant = true;
    }
    follow(&parted);
    follow(&next);
    either(&parted);
    MUST(lsm_replication_pause(world.conn, id(), 0) == OK);
    from_now_on(&next);
}

static void come_back(struct crash_state *next, const struct expect *was)
{
    on_the_way(next, was);
    await_state(STATE(IN_SYNC));
    arrives(next);
    from_now_on(next);
}

/* It is resumed first, and what it then ships is what the source has. */
void v_resume(void)
{
    struct crash_state next = now;
    const struct expect was = *target_of(&now);
    const struct version *oldest = source_of(&now)->oldest;
    next.relation = STATE(IN_SYNC);
    arrives(&next);
    source_of(&next)->oldest = oldest;
    target_of(&next)->instant = !next.alike;
    target_of(&next)->oldest = oldest;
    follow(&next);
    either(&next);
    MUST(lsm_replication_resume(world.conn, id(), 0) == OK);
    come_back(&next, &was);
}

static void exchange(struct crash_state *state)
{
    state->source_pool = target_of(state)->pool;
}

/* Planned: the rest is shipped, and then the roles are exchanged. */
void v_promote(void)
{
    struct crash_state next = now, shipped = now;
    char *job = NULL;
    v_close("a");
    v_close("m");
    arrives(&shipped);
    next = shipped;
    exchange(&next);
    flushed(source_of(&next));
    source_of(&next)->instant = false;
    arrives(&next);
    mark((struct crash_state[]){now, shipped, next}, 3);
    int code = lsm_replication_promote(world.conn, id(), &job, 0);
    MUST(code == OK || code == LSM_ERR_JOB_STARTED);
    if (job)
        await_job(job);
    from_now_on(&next);
}

void v_promote_by_force(void)
{
    struct crash_state next = now;
    char *job = NULL;
    if (next.alike)
        arrives(&next);
    next.relation = STATE(SPLIT);
    target_of(&next)->instant = false;
    common = target_of(&next)->newest;
    follow(&next);
    either(&next);
    MUST(lsm_replication_promote(world.conn, id(), &job, LSM_REPLICATION_FORCE) == OK);
    from_now_on(&next);
}

/* One side is rewound, what it had is kept or not, and then gets what the other one has. */
static void rewound(struct crash_state *state, const char *name, bool discard)
{
    struct expect *e = of(state, name), kept = *e;
    char kept_name[16];
    v_close("a");
    v_close("m");
    snprintf(kept_name, sizeof kept_name, "%s@", name);
    if (!discard)
        add(state, kept_name, kept.pool, kept.newest);
    e->newest = e->oldest = common;
    follow(state);
}

void v_reverse(bool discard)
{
    struct crash_state between = now, next;
    char *job = NULL;
    rewound(&between, "a", discard);
    struct expect was = *of(&between, "a");
    next = between;
    next.relation = STATE(IN_SYNC);
    exchange(&next);
    arrives(&next);
    either_or_between(&between, &next);
    MUST(lsm_replication_reverse(world.conn, id(), &job, discard ? LSM_REPLICATION_DISCARD : 0) ==
         LSM_ERR_JOB_STARTED);
    on_the_way(&next, &was);
    await_job(job);
    from_now_on(&next);
}

void v_resume_split(bool discard)
{
    struct crash_state between = now, next;
    rewound(&between, "m", discard);
    struct expect was = *of(&between, "m");
    next = between;
    next.relation = STATE(IN_SYNC);
    arrives(&next);
    either_or_between(&between, &next);
    MUST(lsm_replication_resume(world.conn, id(), discard ? LSM_REPLICATION_DISCARD : 0) == OK);
    come_back(&next, &was);
}

void v_lose_instant(void)
{
    v_close_all();
    world_lose_instant("default");
    now.relation = STATE(BROKEN);
    target_of(&now)->instant = false;
    follow(&now);
}

/* Until all of it is copied the target is what it was, and then what it was is kept or not. */
void v_copy_again(bool discard)
{
    struct crash_state next = now;
    const struct expect was = *target_of(&now);
    lsm_flag flags = LSM_REPLICATION_FORCE | (discard ? LSM_REPLICATION_DISCARD : 0);
    v_close("a");
    v_close("m");
    next.relation = STATE(IN_SYNC);
    if (!discard) {
        struct expect *kept = add(&next, "m@", was.pool, was.newest);
        kept->oldest = was.oldest;
        kept->apart = true;
    }
    arrives(&next);
    either(&next);
    MUST(lsm_replication_resume(world.conn, id(), flags) == OK);
    next.left_count = 0;
    from_now_on(&next);
    await_state(STATE(IN_SYNC));
    arrives(&next);
    from_now_on(&next);
}

void v_break(void)
{
    struct crash_state next = now;
    next.relation = 0;
    next.left_count = 0;
    for (uint32_t i = 0; i < next.count; i++)
        next.dependent =
            next.dependent || (strchr(next.volumes[i].name, '@') && !next.volumes[i].apart);
    target_of(&next)->instant = false;
    either(&next);
    MUST(lsm_replication_break(world.conn, id(), 0) == OK);
    from_now_on(&next);
}
