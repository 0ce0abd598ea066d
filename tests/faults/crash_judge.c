/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_judge.h"
#include "crash_record.h"

#define OK LSM_ERR_OK
#define STATE(name) LSM_REPLICATION_STATE_##name

static struct version *made;

void versions_free(void)
{
    for (struct version *v; (v = made) != NULL;) {
        made = v->made;
        free(v->bytes);
        free(v);
    }
}

struct version *version_after(const struct version *before, uint64_t size)
{
    struct version *v = malloc(sizeof *v);
    MUST(v != NULL);
    *v = (struct version){.size = size, .bytes = calloc(1, size), .before = before, .made = made};
    MUST(v->bytes != NULL);
    made = v;
    if (before)
        memcpy(v->bytes, before->bytes, before->size < size ? before->size : size);
    return v;
}

/* --- what is there ---------------------------------------------------------------------------- */

struct shown {
    char name[64], pool[32];
    uint64_t size;
    unsigned char *bytes;
};

static struct {
    struct shown volumes[CRASH_VOLUMES + 2];
    uint32_t count;
    int relation;
    char relation_id[80], source_pool[32];
    bool dependent;
} seen;

static void say(const char *format, const char *a, unsigned long long b)
{
    size_t n = strlen(world.context);
    snprintf(world.context + n, sizeof world.context - n, format, a, b);
}

static void read_volume(lsm_volume *volume, struct shown *shown)
{
    lsm_volume_io *io = NULL;
    lsm_pool *pool = NULL;
    snprintf(shown->name, sizeof shown->name, "%s", lsm_volume_name_get(volume));
    for (int i = 0; i < 2 && !pool; i++) {
        pool = world_pool(i ? "second" : "default");
        if (pool && strcmp(lsm_pool_id_get(pool), lsm_volume_pool_id_get(volume)) != 0) {
            lsm_pool_record_free(pool);
            pool = NULL;
        }
    }
    MUST(pool != NULL);
    snprintf(shown->pool, sizeof shown->pool, "%s", lsm_pool_name_get(pool));
    lsm_pool_record_free(pool);
    MUST(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY) == OK);
    shown->size = lsm_volume_io_size_get(io);
    shown->bytes = realloc(shown->bytes, shown->size);
    MUST(shown->bytes != NULL);
    MUST(lsm_volume_io_pread(io, shown->bytes, shown->size, 0, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void read_volumes(void)
{
    lsm_volume **list = NULL;
    seen.dependent = false;
    MUST(lsm_volume_list(world.conn, NULL, NULL, &list, &seen.count, 0) == OK);
    MUST(seen.count <= CRASH_VOLUMES + 2);
    for (uint32_t i = 0; i < seen.count; i++) {
        uint8_t yes = 0;
        read_volume(list[i], &seen.volumes[i]);
        MUST(lsm_volume_child_dependency(world.conn, list[i], &yes, 0) == OK);
        seen.dependent = seen.dependent || yes;
    }
    if (seen.count)
        lsm_volume_record_array_free(list, seen.count);
}

static void await_jobs(void)
{
    lsm_job **jobs = NULL;
    uint32_t count = 0;
    MUST(lsm_job_list(world.conn, NULL, NULL, &jobs, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++) {
        lsm_job *ended = NULL;
        int code = lsm_job_wait(world.conn, lsm_job_id_get(jobs[i]), 60000, &ended, 0);
        if (code == LSM_ERR_NOT_FOUND_JOB) /* of the ships the newest are kept */
            continue;
        MUST(code == OK);
        lsm_job_kind kind = lsm_job_kind_get(ended);
        if (lsm_job_state_get(ended) != LSM_JOB_STATE_DONE &&
            (kind == LSM_JOB_KIND_COPY || kind == LSM_JOB_KIND_FLATTEN)) {
            say("; a job ended: %s (%llu)", lsm_job_error_message_get(ended),
                (unsigned long long)kind);
            MUST(!"a job that goes on is done in the end");
        }
        lsm_job_record_free(ended);
    }
    if (count)
        lsm_job_record_array_free(jobs, count);
}

/* One that is degraded tries again by itself; asked, it does so now. */
static int await_relation(void)
{
    for (int i = 0;; i++) {
        lsm_replication *r = world_relation();
        int now = r ? (int)lsm_replication_state_get(r) : 0;
        char *job = NULL;
        snprintf(seen.relation_id, sizeof seen.relation_id, "%s",
                 r ? lsm_replication_id_get(r) : "");
        if (now == STATE(DEGRADED))
            lsm_replication_sync(world.conn, seen.relation_id, &job, 0);
        free(job);
        if (now && i > 20000)
            say("; the relation stays as it is: %s (%llu)", lsm_replication_error_message_get(r),
                (unsigned long long)now);
        if (r)
            lsm_replication_record_free(r);
        if (now != STATE(INITIALIZING) && now != STATE(DEGRADED) && now != STATE(RESYNCING))
            return now;
        MUST(i <= 20000);
        usleep(1000);
    }
}

static void find_source_pool(void)
{
    lsm_replication *r = world_relation();
    seen.source_pool[0] = '\0';
    for (int i = 0; r && i < 2; i++) {
        lsm_volume **list = NULL;
        uint32_t count = 0;
        lsm_pool *pool = world_pool(i ? "second" : "default");
        MUST(lsm_volume_list(world.conn, "id", lsm_replication_source_volume_id_get(r), &list,
                             &count, 0) == OK);
        if (count && pool && strcmp(lsm_volume_pool_id_get(list[0]), lsm_pool_id_get(pool)) == 0)
            snprintf(seen.source_pool, sizeof seen.source_pool, "%s", lsm_pool_name_get(pool));
        if (count)
            lsm_volume_record_array_free(list, count);
        if (pool)
            lsm_pool_record_free(pool);
    }
    if (r)
        lsm_replication_record_free(r);
}

/* --- whether it may be ------------------------------------------------------------------------ */

static const struct shown *find(const struct expect *e)
{
    size_t n = strlen(e->name);
    bool kept = n && e->name[n - 1] == '@';
    for (uint32_t i = 0; i < seen.count; i++)
        if (strcmp(seen.volumes[i].pool, e->pool) == 0 &&
            strncmp(seen.volumes[i].name, e->name, kept ? n : n + 1) == 0)
            return &seen.volumes[i];
    return NULL;
}

/* One of the versions has these bytes there; one that is shorter hides those before it. */
static bool is_known(const struct expect *e, const struct shown *shown, uint64_t at, uint64_t count)
{
    for (const struct version *v = e->newest; v->size > at; v = v->before) {
        if (v->size >= at + count && memcmp(v->bytes + at, shown->bytes + at, count) == 0)
            return true;
        if (v == e->oldest)
            break;
    }
    return false;
}

static bool is_as_expected(const struct expect *e)
{
    const struct shown *shown = find(e);
    if (!shown) {
        say(" [no «%s» (%llu)]", e->name, seen.count);
        return false;
    }
    uint64_t step = e->instant ? shown->size : CRASH_SECTOR, at = 0;
    while (at < shown->size && shown->size == e->newest->size && is_known(e, shown, at, step))
        at += step;
    if (at < shown->size || shown->size != e->newest->size)
        say(" [«%s» at %llu]", e->name, at);
    return at >= shown->size && shown->size == e->newest->size;
}

/* The two sides of a mirror. */
static const struct expect sides[] = {{.name = "a", .pool = "default"},
                                      {.name = "m", .pool = "second"}};

static bool sides_are_equal(void)
{
    const struct shown *a = find(&sides[0]), *m = find(&sides[1]);
    bool equal = a && m && a->size == m->size && memcmp(a->bytes, m->bytes, a->size) == 0;
    if (!equal)
        say(" [%s: %llu]", "the sides differ", seen.count);
    return equal;
}

static bool fits(const struct crash_state *state)
{
    bool fits = seen.count == state->count && seen.relation == state->relation;
    if (!fits)
        say(" [%s, relation %llu]", seen.count == state->count ? "" : "too many or few volumes",
            (unsigned long long)seen.relation);
    if (fits && state->relation && state->relation != STATE(SPLIT))
        fits = strcmp(seen.source_pool, state->source_pool) == 0;
    if (fits && !state->relation && seen.dependent != state->dependent) {
        say(" [%s: %llu]", "something depends", seen.dependent);
        fits = false;
    }
    for (uint32_t i = 0; i < state->count && fits; i++)
        fits = is_as_expected(&state->volumes[i]);
    return fits && (!state->alike || state->relation != STATE(IN_SYNC) || sides_are_equal());
}

/* --- judging ---------------------------------------------------------------------------------- */

static void write_to(lsm_volume *volume, uint64_t offset, unsigned seed)
{
    static unsigned char bytes[700], back[700];
    lsm_volume_io *io = NULL;
    content_fill(bytes, sizeof bytes, seed);
    MUST(lsm_volume_io_open(world.conn, volume, &io, 0) == OK);
    MUST(lsm_volume_io_pwrite(io, bytes, sizeof bytes, offset, 0) == OK);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    MUST(lsm_volume_io_pread(io, back, sizeof back, offset, 0) == OK);
    MUST(memcmp(bytes, back, sizeof back) == 0);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void finish(int code, char **job)
{
    lsm_job *ended = NULL;
    say(" [%s: %llu]", "going on", (unsigned long long)code);
    MUST(code == OK || code == LSM_ERR_JOB_STARTED);
    if (code == OK) /* there was nothing to bring */
        return;
    MUST(lsm_job_wait(world.conn, *job, 60000, &ended, 0) == OK);
    MUST(lsm_job_state_get(ended) == LSM_JOB_STATE_DONE);
    lsm_job_record_free(ended);
    free(*job);
}

/* The mirror goes on from where it was found, and its sides become equal. */
static void go_on(const struct crash_state *state)
{
    const struct expect *side = &sides[strcmp(seen.source_pool, "second") == 0];
    lsm_volume *source = world_volume(side->name, side->pool);
    char *job = NULL;
    MUST(source != NULL);
    write_to(source, 70000, 5000);
    lsm_volume_record_free(source);
    if (seen.relation == STATE(SPLIT))
        finish(lsm_replication_reverse(world.conn, seen.relation_id, &job, LSM_REPLICATION_DISCARD),
               &job);
    else if (seen.relation == STATE(PAUSED))
        MUST(lsm_replication_resume(world.conn, seen.relation_id, 0) == OK);
    else if (seen.relation == STATE(BROKEN))
        MUST(lsm_replication_resume(world.conn, seen.relation_id,
                                    LSM_REPLICATION_FORCE | LSM_REPLICATION_DISCARD) == OK);
    else if (!state->alike)
        finish(lsm_replication_sync(world.conn, seen.relation_id, &job, 0), &job);
    MUST(await_relation() == STATE(IN_SYNC));
    read_volumes();
    MUST(sides_are_equal());
}

/* Each volume takes a write and keeps it. */
static void use_all(void)
{
    lsm_volume **list = NULL;
    uint32_t count = 0;
    MUST(lsm_volume_list(world.conn, NULL, NULL, &list, &count, 0) == OK);
    for (uint32_t i = 0; i < count; i++)
        write_to(list[i], 3000, 4000 + i);
    if (count)
        lsm_volume_record_array_free(list, count);
}

void crash_recover(void)
{
    world_open();
    await_jobs();
    await_relation();
    world_close();
}

void crash_judge(const struct crash_state *states, uint32_t count)
{
    uint32_t i = 0;
    world_open();
    await_jobs();
    seen.relation = await_relation();
    find_source_pool();
    read_volumes();
    while (i < count && !fits(&states[i]))
        i++;
    MUST(i < count); /* what is shown is one of the states that may be */
    if (seen.relation) {
        go_on(&states[i]);
        MUST(lsm_replication_break(world.conn, seen.relation_id, 0) == OK);
    }
    use_all();
    world_close();
    world_check_files();
}

/* One of what may be left, and beside it, in its pool, what a rewind kept. */
static bool is_left(const struct crash_state *state, const struct expect *side)
{
    uint32_t count = 1;
    if (!side->name[0])
        return seen.count == 0;
    for (uint32_t i = 0; i < state->count; i++) {
        const struct expect *e = &state->volumes[i];
        if (strcmp(e->pool, side->pool) != 0 || strcmp(e->name, side->name) == 0)
            continue;
        count++;
        if (!is_as_expected(e))
            return false;
    }
    if (seen.count != count)
        say(" [%s: %llu]", "too many or few volumes", seen.count);
    return seen.count == count && is_as_expected(side);
}

/* Who has lost the source reads the target, promotes it and goes on there. */
void crash_judge_left(const struct crash_state *states, uint32_t count)
{
    bool known = false;
    char *job = NULL;
    world_open();
    read_volumes();
    for (uint32_t i = 0; i < count && !known; i++)
        for (uint32_t k = 0; k < states[i].left_count && !known; k++)
            known = is_left(&states[i], &states[i].left[k]);
    MUST(known); /* what is left is one of what may be */
    lsm_replication *r = seen.count ? world_relation() : NULL;
    if (r && lsm_replication_state_get(r) != STATE(SPLIT))
        MUST(lsm_replication_promote(world.conn, lsm_replication_id_get(r), &job,
                                     LSM_REPLICATION_FORCE) == OK);
    if (r)
        lsm_replication_record_free(r);
    use_all();
    world_close();
}
