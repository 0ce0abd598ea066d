/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checking a pool: its catalog, then one layer after the other, in the order of their rows.
 *
 * A layer's files are opened by themselves, for reading alone, and without the root's lock: so
 * nobody waits for a check, and no fold or freeze sees it. What is wrong at first sight may be what
 * somebody is changing at the moment, so it is looked at once more with the lock and no flush
 * beneath; only what is wrong then is damage. A layer that is gone by then was no longer wanted.
 *
 * The job's detail has the row of the layer at work, the last row that there was at the beginning,
 * how many files are damaged, and what was found first; its cursor is the byte of that layer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fill.h"
#include "scrub.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

#define PIECE (1u << 20)
#define LIMITED_PIECE (128u << 10) /* so that a slow rate is even */
#define CHECKPOINT_NS 1000000000ull
#define CHECKPOINT_BYTES (256ull << 20)

struct scrub {
    struct job *job;
    struct pool *pool;
    struct layer_home home;
    char *buffer;
    int64_t row, last; /* of the layer at work; of the newest that is looked at */
    uint64_t offset, read, damaged;
    char *first; /* what was found first; NULL: nothing */
    uint64_t saved, saved_ns;
};

/* --- what is kept ---------------------------------------------------------------------------- */

static char *write_detail(const struct scrub *s)
{
    char *text;
    return asprintf(&text, "%" PRId64 " %" PRId64 " %" PRIu64 " %s", s->row, s->last, s->damaged,
                    s->first ? s->first : "") < 0
               ? NULL
               : text;
}

static int read_detail(struct scrub *s, const char *detail)
{
    int n = 0;
    if (!detail ||
        sscanf(detail, "%" SCNd64 " %" SCNd64 " %" SCNu64 "%n", &s->row, &s->last, &s->damaged,
               &n) < 3 ||
        detail[n] != ' ')
        return error_set(LSM_ERR_DAMAGED, s->job->row.id,
                         "how far the job %s had come cannot be read", s->job->row.id);
    if (s->damaged && !(s->first = strdup(detail + n + 1)))
        return error_no_memory();
    return LSM_ERR_OK;
}

static uint64_t done(const struct scrub *s)
{
    return s->read < s->job->row.total ? s->read : s->job->row.total;
}

static int save(struct scrub *s, lsm_job_state state)
{
    char *detail = write_detail(s);
    if (!detail)
        return error_no_memory();
    struct job_row row = job_row_as(s->job, state);
    row.detail = detail;
    row.cursor = s->offset;
    row.copied = done(s);
    row.skipped = state == LSM_JOB_STATE_DONE ? row.total - row.copied : 0;
    int code = fill_save(s->job, &row);
    if (code != LSM_ERR_OK) {
        free(detail);
        return code;
    }
    job_moved_on(s->job, detail);
    job_checkpointed(s->job, row.cursor, row.copied, row.skipped);
    s->saved = s->read;
    s->saved_ns = clock_monotonic_ns();
    return code;
}

/* --- findings -------------------------------------------------------------------------------- */

static const struct volume *user_of(struct pool *pool, const struct layer *layer)
{
    for (const struct volume *v = pool->volumes; v; v = v->hh.next)
        for (const struct layer *at = v->top; at; at = at->below)
            if (at == layer)
                return v;
    return NULL;
}

/* The pending error becomes a finding. `layer` NULL: it is of none. With the root's lock. */
static int note(struct scrub *s, const struct layer *layer)
{
    struct _lsm_error *e = error_take();
    const struct volume *user = layer ? user_of(s->pool, layer) : NULL;
    char where[40] = "";
    int n = 0;
    if (e->offset != ERROR_NO_OFFSET)
        snprintf(where, sizeof where, ", byte %" PRIu64, e->offset);
    if (s->damaged++ == 0)
        n = user ? asprintf(&s->first, "%s%s (volume «%s»)", e->message, where, user->name)
                 : asprintf(&s->first, "%s%s", e->message, where);
    error_destroy(e);
    if (n >= 0)
        return LSM_ERR_OK;
    s->first = NULL;
    return error_no_memory();
}

static bool is_finding(int code)
{
    return code == LSM_ERR_DAMAGED || code == LSM_ERR_IO;
}

/* --- one layer ------------------------------------------------------------------------------- */

/* How much of a layer volumes show: a base must be as long. */
static uint64_t shown_of(struct pool *pool, const struct layer *layer)
{
    uint64_t most = 0;
    for (const struct volume *v = pool->volumes; v; v = v->hh.next) {
        uint64_t size = v->size;
        for (const struct layer *at = v->top; at; at = at->below) {
            if (at == layer && size > most)
                most = size;
            if (at->below_limit < size)
                size = at->below_limit;
        }
    }
    return most;
}

/* The layer at work, to be looked at; NULL: it is gone. With the root's lock. */
static int probe_of(struct scrub *s, struct layer **probe, uint64_t *size)
{
    const struct layer *layer = pool_layer(s->pool, s->row);
    *probe = NULL;
    if (!layer)
        return LSM_ERR_OK;
    *size = shown_of(s->pool, layer);
    *probe = layer_probe(layer, &s->home);
    return *probe ? LSM_ERR_OK : error_no_memory();
}

/* Once more, while nobody can change what is looked at. NULL: the layer is gone, or damaged. */
static int look_again(struct scrub *s, struct layer **probe)
{
    uint64_t size;
    LOCKED(&s->pool->root->lock);
    int code = probe_of(s, probe, &size);
    if (code != LSM_ERR_OK || !*probe)
        return code;
    struct layer *layer = pool_layer(s->pool, s->row);
    layer_flush_hold(layer);
    code = layer_open(*probe, size);
    layer_flush_release(layer);
    if (code == LSM_ERR_OK)
        return code;
    layer_free(*probe);
    *probe = NULL;
    return is_finding(code) ? note(s, layer) : code;
}

/* Its map and the length of its data are looked at in opening it. */
static int open_probe(struct scrub *s, struct layer **probe)
{
    uint64_t size;
    pthread_mutex_lock(&s->pool->root->lock);
    int code = probe_of(s, probe, &size);
    pthread_mutex_unlock(&s->pool->root->lock);
    if (code != LSM_ERR_OK || !*probe || (code = layer_open(*probe, size)) == LSM_ERR_OK)
        return code;
    layer_free(*probe);
    *probe = NULL;
    if (!is_finding(code))
        return code;
    error_clear();
    return look_again(s, probe);
}

/* Until so many bytes are paid for, or the limit is another one. */
static void pace(const struct scrub *s, uint64_t bytes)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    uint64_t limit = atomic_load(&s->job->rate_limit), begin = clock_monotonic_ns();
    uint64_t due = limit ? begin + bytes * 1000000000ull / limit : begin;
    while (clock_monotonic_ns() < due && atomic_load(&s->job->rate_limit) == limit &&
           job_stop_asked(s->job) == JOB_GO)
        nanosleep(&moment, NULL);
}

static int look_around(struct scrub *s, uint64_t bytes)
{
    pace(s, bytes);
    bool stop = job_stop_asked(s->job) != JOB_GO;
    bool due = s->read - s->saved >= CHECKPOINT_BYTES ||
               clock_monotonic_ns() - s->saved_ns >= CHECKPOINT_NS;
    int code = stop || due ? save(s, LSM_JOB_STATE_RUNNING) : LSM_ERR_OK;
    return code == LSM_ERR_OK && stop ? error_set(LSM_ERR_CANCELLED, NULL, "stopped on request")
                                      : code;
}

/* What a layer that is still wanted could not give back. */
static int unreadable(struct scrub *s, struct layer *probe, int error)
{
    LOCKED(&s->pool->root->lock);
    const struct layer *layer = pool_layer(s->pool, s->row);
    if (!layer)
        return LSM_ERR_OK;
    int code = layer_error(probe, error, "read", s->offset);
    return is_finding(code) ? note(s, layer) : code;
}

/* Which cluster of a piece it is; 0: the second time all could be read. */
static int narrow(struct scrub *s, struct layer *probe, uint64_t count)
{
    int error = 0;
    uint64_t at = s->offset, end = at + count;
    for (; at < end && !error; at += CLUSTER_SIZE)
        error = layer_read_direct(probe, s->buffer, CLUSTER_SIZE, at);
    if (error)
        s->offset = at - CLUSTER_SIZE;
    return error;
}

/* [s->offset, end), whole clusters: past the end of the file there are zeros. */
static int read_run(struct scrub *s, struct layer *probe, uint64_t end, int *error)
{
    int code = LSM_ERR_OK;
    while (code == LSM_ERR_OK && s->offset < end) {
        uint64_t piece = atomic_load(&s->job->rate_limit) ? LIMITED_PIECE : PIECE;
        uint64_t count = end - s->offset < piece ? end - s->offset : piece;
        count = (count + CLUSTER_SIZE - 1) & ~(uint64_t)(CLUSTER_SIZE - 1);
        if ((*error = layer_read_direct(probe, s->buffer, count, s->offset)) != 0)
            *error = narrow(s, probe, count);
        if (*error)
            break;
        s->offset += count;
        s->read += count;
        code = look_around(s, count);
    }
    return code;
}

static int read_data(struct scrub *s, struct layer *probe)
{
    uint64_t length, data, hole;
    int code = LSM_ERR_OK, error = layer_length(probe, &length);
    while (code == LSM_ERR_OK && !error && s->offset < length) {
        error = layer_next_data(probe, s->offset, length, &data);
        if (error || data >= length)
            break;
        error = layer_next_hole(probe, data, length, &hole);
        if (error || hole <= data) /* it became shorter */
            break;
        s->offset = data & ~(uint64_t)(CLUSTER_SIZE - 1);
        code = read_run(s, probe, hole, &error);
    }
    return error ? unreadable(s, probe, error) : code;
}

static int check_layer(struct scrub *s)
{
    struct layer *probe;
    int code = open_probe(s, &probe);
    if (code != LSM_ERR_OK || !probe)
        return code;
    code = read_data(s, probe);
    layer_close(probe);
    layer_free(probe);
    return code;
}

/* --- all of them ----------------------------------------------------------------------------- */

static int check_catalog(struct scrub *s)
{
    int code = catalog_check(s->pool->catalog);
    LOCKED(&s->pool->root->lock);
    return is_finding(code) ? note(s, NULL) : code;
}

/* At the very beginning. What comes to be later is not looked at. */
static int start(struct scrub *s)
{
    uint64_t total = 0;
    pthread_mutex_lock(&s->pool->root->lock);
    for (struct layer_entry *e = s->pool->layers; e; e = e->hh.next) {
        total += layer_allocated(e->layer);
        if (e->row > s->last)
            s->last = e->row;
    }
    pthread_mutex_unlock(&s->pool->root->lock);
    job_total_set(s->job, total);
    return check_catalog(s);
}

static bool next_layer(struct scrub *s)
{
    int64_t next = 0;
    LOCKED(&s->pool->root->lock);
    for (struct layer_entry *e = s->pool->layers; e; e = e->hh.next)
        if (e->row > s->row && e->row <= s->last && (!next || e->row < next))
            next = e->row;
    s->row = next;
    s->offset = 0;
    return next != 0;
}

static int check_all(struct scrub *s)
{
    int code = s->last ? check_layer(s) : start(s);
    while (code == LSM_ERR_OK && next_layer(s)) {
        code = look_around(s, 0);
        if (code == LSM_ERR_OK)
            code = check_layer(s);
    }
    return code;
}

static int conclude(struct scrub *s)
{
    if (!s->damaged)
        return save(s, LSM_JOB_STATE_DONE);
    error_set(LSM_ERR_DAMAGED, s->pool->name,
              "the pool «%s» has %" PRIu64 " damaged file(s); the first: %s", s->pool->name,
              s->damaged, s->first);
    return LSM_ERR_DAMAGED;
}

static int run(struct job *job)
{
    struct scrub s = {.job = job,
                      .pool = FILL(job)->pool,
                      .buffer = aligned_alloc(CLUSTER_SIZE, PIECE),
                      .offset = job->row.cursor,
                      .read = job->row.copied,
                      .saved_ns = clock_monotonic_ns()};
    s.home = s.pool->home;
    s.home.read_only = true;
    s.saved = s.read;
    int code = s.buffer ? LSM_ERR_OK : error_no_memory();
    if (code == LSM_ERR_OK)
        code = read_detail(&s, job->row.detail);
    if (code == LSM_ERR_OK)
        code = check_all(&s);
    if (code == LSM_ERR_OK)
        code = conclude(&s);
    free(s.first);
    free(s.buffer);
    return code;
}

static const struct job_body scrub_body = {
    .run = run,
    .settle = fill_save,
    .forget = fill_forget,
    .release = free,
};

int scrub_begin(struct pool *pool, char **job)
{
    struct job_row row = {
        .kind = LSM_JOB_KIND_CHECK, .state = LSM_JOB_STATE_QUEUED, .created_ms = clock_ms()};
    struct job *record = NULL;
    int code = pool_check_writable(pool);
    if (code != LSM_ERR_OK)
        return code;
    bool begun = job_of_kind(pool->root->runner, &pool->lane, LSM_JOB_KIND_CHECK, row.id);
    code = begun ? LSM_ERR_OK : guid_make(row.id);
    autofree char *id = code == LSM_ERR_OK ? strdup(row.id) : NULL;
    if (code == LSM_ERR_OK && !id)
        code = error_no_memory();
    if (code == LSM_ERR_OK && !begun) {
        row.detail = strdup("0 0 0 ");
        record = row.detail ? fill_job_alloc(&row, &scrub_body, pool, pool) : NULL;
        code = record ? fill_save(record, &record->row) : error_no_memory();
    }
    if (code != LSM_ERR_OK) {
        job_free(record);
        job_row_finish(&row);
        return code;
    }
    if (record)
        job_start(pool->root->runner, record, false);
    *job = STEAL(id);
    return LSM_ERR_JOB_STARTED;
}

int scrub_load(struct pool *pool, struct job_row *row)
{
    struct job *job = fill_job_alloc(row, &scrub_body, pool, pool);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    job_start(pool->root->runner, job, pool->read_only);
    return LSM_ERR_OK;
}
