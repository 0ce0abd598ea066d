/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying ranges: the source is frozen and that instant held, as for COPY; what the ranges have in
 * it is written to the target as any writer would write it, through its gate, to its mirrors and
 * under its locks. So nothing of it is special to them, and the source may be the target.
 *
 * Little is done within the call, under a hold that is in memory alone. The rest is a job, whose
 * row in the target's pool has the ranges and how far it is; the hold in the source's pool bears
 * its id. It keeps the target open only while it runs. One that is stopped for good leaves what it
 * has written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fill.h"
#include "freeze.h"
#include "range.h"
#include "volume_io.h"
#include "../job/store.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

#define SHORT_BYTES (16ull << 20) /* at most, to be done within the call */
#define SHORT_COUNT 256u
#define PIECE (1u << 20)
#define LIMITED_PIECE (128u << 10) /* so that a slow rate is even */
#define CHECKPOINT_NS 1000000000ull
#define CHECKPOINT_BYTES (256ull << 20)

struct range {
    uint64_t from, to, count; /* bytes */
};

struct ranges {
    struct range *items;
    uint32_t count;
    uint64_t total;
};

static const struct job_body range_body;

/* --- checking -------------------------------------------------------------------------------- */

static int check_bounds(const struct volume *v, const char *role, uint32_t i, uint64_t start,
                        uint64_t count)
{
    uint64_t blocks = v->size / BLOCK_SIZE;
    if (start <= blocks && count <= blocks - start)
        return LSM_ERR_OK;
    error_set(
        LSM_ERR_INVALID_ARGUMENT, v->id,
        "range %u: %llu block(s) from block %llu on are not within the %s «%s», which has %llu", i,
        (unsigned long long)count, (unsigned long long)start, role, v->name,
        (unsigned long long)blocks);
    return LSM_ERR_INVALID_ARGUMENT;
}

/* A range's part of one volume, which is written or only read. */
struct span {
    uint64_t start, end;
    uint32_t range;
    bool written;
};

static int by_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* In order of their starts, each need only be held against what reaches farthest before it. */
static const struct span *first_overlap(const struct span *spans, size_t n,
                                        const struct span **other)
{
    const struct span *written = NULL, *read = NULL;
    for (const struct span *s = spans; s < spans + n; s++) {
        if (written && s->start < written->end)
            *other = written;
        else if (s->written && read && s->start < read->end)
            *other = read;
        else
            *other = NULL;
        if (*other)
            return s;
        const struct span **farthest = s->written ? &written : &read;
        if (!*farthest || (*farthest)->end < s->end)
            *farthest = s;
    }
    return NULL;
}

/* What is written may be neither written twice nor, in one volume, read. */
static int check_overlaps(const struct ranges *ranges, const struct volume *source,
                          const struct volume *target)
{
    size_t n = 0;
    const struct span *other;
    autofree struct span *spans = calloc(2 * (size_t)ranges->count, sizeof *spans);
    if (!spans)
        return error_no_memory();
    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct range *r = &ranges->items[i];
        if (r->count)
            spans[n++] = (struct span){r->to, r->to + r->count, i, true};
        if (r->count && source == target)
            spans[n++] = (struct span){r->from, r->from + r->count, i, false};
    }
    qsort(spans, n, sizeof *spans, by_start);
    const struct span *span = first_overlap(spans, n, &other);
    if (!span)
        return LSM_ERR_OK;
    error_set(LSM_ERR_INVALID_ARGUMENT, target->id,
              "what range %u %s overlaps what range %u %s in the volume «%s», from block %llu on",
              span->range, span->written ? "writes" : "reads", other->range,
              other->written ? "writes" : "reads", target->name,
              (unsigned long long)(span->start / BLOCK_SIZE));
    error_hint("copy them one after the other");
    return LSM_ERR_INVALID_ARGUMENT;
}

static int take_ranges(lsm_block_range **blocks, uint32_t count, const struct volume *source,
                       const struct volume *target, struct ranges *ranges)
{
    int code = LSM_ERR_OK;
    ranges->count = count;
    ranges->total = 0;
    for (uint32_t i = 0; i < count && code == LSM_ERR_OK; i++) {
        const struct _lsm_block_range *b = blocks[i];
        code = check_bounds(source, "source", i, b->source_start, b->block_count);
        if (code == LSM_ERR_OK)
            code = check_bounds(target, "target", i, b->dest_start, b->block_count);
        if (code != LSM_ERR_OK)
            break;
        ranges->items[i] = (struct range){b->source_start * BLOCK_SIZE, b->dest_start * BLOCK_SIZE,
                                          b->block_count * BLOCK_SIZE};
        ranges->total += ranges->items[i].count; /* no two are written: it is within the target */
    }
    return code == LSM_ERR_OK ? check_overlaps(ranges, source, target) : code;
}

/* --- moving ---------------------------------------------------------------------------------- */

struct work {
    const struct stack *source;
    struct volume_io *target;
    struct job *job; /* NULL: within the call */
    char *buffer;    /* a piece */
    uint64_t done, copied, skipped;
    uint64_t saved, saved_ns; /* the last checkpoint */
};

static int move(struct work *w, uint64_t from, uint64_t to, uint64_t count)
{
    struct layer *culprit = NULL;
    int error = stack_read(w->source, w->buffer, count, from, &culprit);
    if (error)
        return layer_error(culprit ? culprit : w->source->layers[0], error, "read", from);
    return volume_io_pwrite(w->target, w->buffer, count, to, 0);
}

/* A piece of a range: what is a hole in the source becomes one in the target. */
static int move_piece(struct work *w, uint64_t from, uint64_t to, uint64_t count)
{
    uint64_t at = from, end = from + count, data, data_end;
    int code = LSM_ERR_OK;
    while (code == LSM_ERR_OK && at < end) {
        int error = stack_next_data(w->source, at, end, &data, &data_end);
        if (error)
            return layer_error(w->source->layers[0], error, "map", at);
        if (data > at)
            code = volume_io_zero(w->target, data - at, to + (at - from));
        if (code == LSM_ERR_OK && data < end) {
            code = move(w, data, to + (data - from), data_end - data);
            w->copied += data_end - data;
        }
        at = data_end;
    }
    return code;
}

static int checkpoint(struct work *w)
{
    int code = volume_io_flush(w->target);
    if (code != LSM_ERR_OK)
        return code;
    struct job_row row = job_row_as(w->job, LSM_JOB_STATE_RUNNING);
    row.cursor = w->done;
    row.copied = w->copied;
    row.skipped = w->skipped;
    code = fill_save(w->job, &row);
    if (code == LSM_ERR_OK)
        job_checkpointed(w->job, row.cursor, row.copied, row.skipped);
    w->saved = w->done;
    w->saved_ns = clock_monotonic_ns();
    return code;
}

/* Until so many bytes are paid for, or the limit is another one. */
static void pace(const struct work *w, uint64_t bytes)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    uint64_t limit = atomic_load(&w->job->rate_limit), begin = clock_monotonic_ns();
    uint64_t due = limit ? begin + bytes * 1000000000ull / limit : begin;
    while (clock_monotonic_ns() < due && atomic_load(&w->job->rate_limit) == limit &&
           job_stop_asked(w->job) == JOB_GO)
        nanosleep(&moment, NULL);
}

/* After each piece: a job may have to wait, to be saved, or to stop. */
static int look_around(struct work *w, uint64_t copied)
{
    if (!w->job)
        return LSM_ERR_OK;
    pace(w, copied);
    bool stop = job_stop_asked(w->job) != JOB_GO;
    bool due = w->done - w->saved >= CHECKPOINT_BYTES ||
               clock_monotonic_ns() - w->saved_ns >= CHECKPOINT_NS;
    int code = stop || due ? checkpoint(w) : LSM_ERR_OK;
    return code == LSM_ERR_OK && stop ? error_set(LSM_ERR_CANCELLED, NULL, "stopped on request")
                                      : code;
}

static int move_range(struct work *w, const struct range *r, uint64_t at)
{
    int code = LSM_ERR_OK;
    while (code == LSM_ERR_OK && at < r->count) {
        uint64_t piece = w->job && atomic_load(&w->job->rate_limit) ? LIMITED_PIECE : PIECE;
        uint64_t count = r->count - at < piece ? r->count - at : piece, before = w->copied;
        code = move_piece(w, r->from + at, r->to + at, count);
        if (code != LSM_ERR_OK)
            break;
        at += count;
        w->done += count;
        w->skipped += count - (w->copied - before);
        code = look_around(w, w->copied - before);
    }
    return code;
}

/* All that comes after w->done, which is then durable. */
static int move_ranges(struct work *w, const struct ranges *ranges)
{
    uint64_t past = 0, done = w->done;
    int code = LSM_ERR_OK;
    w->saved = done;
    w->saved_ns = clock_monotonic_ns();
    w->buffer = malloc(PIECE);
    if (!w->buffer)
        return error_no_memory();
    for (uint32_t i = 0; i < ranges->count && code == LSM_ERR_OK; i++) {
        const struct range *r = &ranges->items[i];
        if (past + r->count > done)
            code = move_range(w, r, done > past ? done - past : 0);
        past += r->count;
    }
    free(w->buffer);
    return code == LSM_ERR_OK ? volume_io_flush(w->target) : code;
}

/* --- the instant ----------------------------------------------------------------------------- */

/* What a copy consists of before it begins. */
struct draft {
    struct volume *source, *target;
    struct ranges ranges;
    uint64_t size; /* the source's, at the instant */
    bool is_short;
    struct freeze freeze;
    struct hold *hold;
    struct job_row row; /* a short one has nothing but its id: that of the hold */
    struct job *record;
    char *id; /* for the caller */
};

/* The source's pool, its size, and the ranges: what the job cannot ask anybody later. */
static char *write_detail(const struct draft *d)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    fprintf(out, "%s %llu", d->source->pool->id, (unsigned long long)d->size);
    for (uint32_t i = 0; i < d->ranges.count; i++)
        fprintf(out, " %llu:%llu:%llu", (unsigned long long)d->ranges.items[i].from,
                (unsigned long long)d->ranges.items[i].to,
                (unsigned long long)d->ranges.items[i].count);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static int read_detail(const char *detail, uint64_t *size, struct ranges *ranges)
{
    uint32_t n = 0, room = 0;
    char *at = (char *)detail + strcspn(detail, " ");
    *size = strtoull(at, &at, 10);
    for (const char *p = at; *p; p++)
        room += *p == ' ';
    ranges->items = calloc(room ? room : 1, sizeof *ranges->items);
    if (!ranges->items)
        return error_no_memory();
    for (ranges->total = 0; *at == ' ' && n < room; n++) {
        struct range *r = &ranges->items[n];
        r->from = strtoull(at, &at, 10);
        r->to = *at == ':' ? strtoull(at + 1, &at, 10) : 0;
        r->count = *at == ':' ? strtoull(at + 1, &at, 10) : 0;
        ranges->total += r->count;
    }
    ranges->count = n;
    return *at || !n ? error_set(LSM_ERR_DAMAGED, NULL, "the ranges of a job cannot be read")
                     : LSM_ERR_OK;
}

static int fill_row(struct draft *d)
{
    d->row = (struct job_row){.kind = LSM_JOB_KIND_RANGE,
                              .state = LSM_JOB_STATE_QUEUED,
                              .total = d->ranges.total,
                              .created_ms = clock_ms()};
    memcpy(d->row.source, d->source->id, ID_SIZE);
    memcpy(d->row.target, d->target->id, ID_SIZE);
    int code = guid_make(d->row.id);
    if (code == LSM_ERR_OK && !d->is_short && !(d->row.detail = write_detail(d)))
        code = error_no_memory();
    return code;
}

/* Everything that needs memory, so that nothing can fail once it is committed. */
static int prepare(struct draft *d)
{
    struct job_row copy = {0};
    d->size = d->source->size;
    d->is_short = d->ranges.total <= SHORT_BYTES && d->ranges.count <= SHORT_COUNT;
    int code = fill_row(d);
    if (code == LSM_ERR_OK)
        code = pool_hold_alloc(d->row.id, d->target->pool, &d->hold);
    if (code != LSM_ERR_OK || d->is_short)
        return code;
    d->id = strdup(d->row.id);
    if (d->id && job_row_copy(&copy, &d->row) == LSM_ERR_OK)
        d->record = fill_job_alloc(&copy, &range_body, d->target->pool, d->source->pool);
    if (!d->record)
        job_row_finish(&copy);
    return d->record ? LSM_ERR_OK : error_no_memory();
}

static void discard(struct draft *d)
{
    struct _lsm_error *why = error_take();
    job_free(d->record);
    free(d->hold);
    free(d->id);
    error_restore(why);
}

static int store_job(const struct draft *d)
{
    return d->is_short ? LSM_ERR_OK
                       : job_store_put(catalog_database(d->target->pool->catalog), &d->row);
}

static int record_instant(const struct draft *d)
{
    struct pool *from = d->source->pool, *to = d->target->pool;
    int code = freeze_record(&d->freeze);
    if (code == LSM_ERR_OK && !d->is_short)
        code = catalog_hold_add(from->catalog, d->row.id, to->id, d->freeze.instant->row);
    return code == LSM_ERR_OK && from == to ? store_job(d) : code;
}

/* Where two pools take part, the source's freeze and hold come first, then the job. */
static int commit(struct draft *d)
{
    struct pool *from = d->source->pool, *to = d->target->pool;
    int code = freeze_prepare(&d->freeze, d->source);
    if (code != LSM_ERR_OK)
        return code;
    code = catalog_begin(from->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(from->catalog, record_instant(d));
    if (code != LSM_ERR_OK) {
        freeze_undo(&d->freeze);
        return code;
    }
    freeze_done(&d->freeze);
    pool_hold_enter(from, d->hold, d->freeze.instant);
    d->hold = NULL;
    if (from == to || d->is_short)
        return LSM_ERR_OK;
    code = catalog_begin(to->catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(to->catalog, store_job(d));
    if (code != LSM_ERR_OK && !catalog_in_doubt(to->catalog)) {
        struct _lsm_error *why = error_take();
        pool_hold_release(from, d->row.id); /* else at the next open */
        error_clear();
        error_restore(why);
    }
    return code;
}

static void let_source_go(struct root *root, struct pool *pool, const struct job_row *row)
{
    struct volume *source = volume_find(root, row->source);
    if (source && source->readers) {
        source->readers--;
        source->changed_ns = clock_monotonic_ns();
    }
    if (pool)
        pool_hold_release(pool, row->id); /* else at the next open */
    error_clear();
}

/* --- the call -------------------------------------------------------------------------------- */

static int look(struct root *root, const lsm_volume *source, const lsm_volume *target,
                lsm_block_range **blocks, uint32_t count, struct draft *d)
{
    int code = volume_get(root, source->id, &d->source);
    if (code == LSM_ERR_OK)
        code = volume_get(root, target->id, &d->target);
    return code == LSM_ERR_OK ? take_ranges(blocks, count, d->source, d->target, &d->ranges) : code;
}

static int begin(struct root *root, const lsm_volume *source, const lsm_volume *target,
                 lsm_block_range **blocks, uint32_t count, struct draft *d)
{
    LOCKED(&root->lock);
    int code = look(root, source, target, blocks, count, d);
    if (code == LSM_ERR_OK)
        code = volume_flush_ahead(d->source); /* the lock is let go in here */
    if (code == LSM_ERR_OK)
        code = look(root, source, target, blocks, count, d);
    if (code == LSM_ERR_OK)
        code = prepare(d);
    if (code == LSM_ERR_OK)
        code = commit(d);
    if (code != LSM_ERR_OK) {
        discard(d);
        return code;
    }
    d->source->readers++;
    if (!d->is_short)
        job_start(root->runner, d->record, false);
    return code;
}

static int copy_now(struct root *root, struct draft *d, struct volume_io *io)
{
    struct work w = {.target = io};
    pthread_mutex_lock(&root->lock);
    struct stack *stack = stack_open(d->freeze.instant, d->size);
    pthread_mutex_unlock(&root->lock);
    w.source = stack;
    int code = stack ? move_ranges(&w, &d->ranges) : (int)error_pending();
    struct _lsm_error *why = error_take();
    pthread_mutex_lock(&root->lock);
    stack_close(stack);
    let_source_go(root, d->source->pool, &d->row);
    pthread_mutex_unlock(&root->lock);
    error_restore(why);
    return code;
}

/* The target is open for writing from the start: what refuses a writer refuses this. */
int range_copy(struct root *root, const lsm_volume *source, const lsm_volume *target,
               lsm_block_range **blocks, uint32_t count, char **job)
{
    struct draft d = {.ranges.items = calloc(count, sizeof *d.ranges.items)};
    autofree struct range *items = d.ranges.items;
    struct volume_io *io;
    if (!items)
        return error_no_memory();
    pthread_mutex_lock(&root->lock);
    int code = look(root, source, target, blocks, count, &d);
    pthread_mutex_unlock(&root->lock);
    if (code == LSM_ERR_OK)
        code = volume_io_open(root, target->id, 0, &io);
    if (code != LSM_ERR_OK)
        return code;
    code = begin(root, source, target, blocks, count, &d);
    if (code == LSM_ERR_OK && d.is_short)
        code = copy_now(root, &d, io);
    else if (code == LSM_ERR_OK) {
        *job = d.id;
        code = LSM_ERR_JOB_STARTED;
    }
    job_row_finish(&d.row);
    struct _lsm_error *why = error_take();
    volume_io_close(io); /* what was written is flushed already */
    error_clear();
    error_restore(why);
    return code;
}

/* --- the job --------------------------------------------------------------------------------- */

static int open_source(struct job *job, uint64_t size, struct stack **source)
{
    struct pool *pool = FILL(job)->source;
    LOCKED(&FILL(job)->pool->root->lock);
    struct hold *hold = pool ? pool_hold(pool, job->row.id, true) : NULL;
    if (!hold)
        return error_set(LSM_ERR_DAMAGED, job->row.id,
                         "what the job %s copies is gone from the catalog", job->row.id);
    *source = stack_open(hold->layer, size);
    return *source ? LSM_ERR_OK : error_pending();
}

/* The target may have been made smaller while the job was waiting. */
static int check_target(const struct volume_io *io, const struct ranges *ranges, const char *id)
{
    uint64_t size = volume_io_size(io);
    for (uint32_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].to + ranges->items[i].count > size)
            return error_set(LSM_ERR_INVALID_ARGUMENT, id,
                             "range %u is not within the target any more, which has %llu blocks", i,
                             (unsigned long long)(size / BLOCK_SIZE));
    return LSM_ERR_OK;
}

static int finish(struct job *job, const struct work *w)
{
    struct pool *pool = FILL(job)->pool;
    LOCKED(&pool->root->lock);
    struct job_row row = job_row_as(job, LSM_JOB_STATE_DONE);
    row.cursor = w->done;
    row.copied = w->copied;
    row.skipped = w->skipped;
    int code = fill_save(job, &row);
    if (code == LSM_ERR_OK) {
        job_checkpointed(job, row.cursor, row.copied, row.skipped);
        let_source_go(pool->root, FILL(job)->source, &row);
    }
    return code;
}

static int run(struct job *job)
{
    struct root *root = FILL(job)->pool->root;
    struct ranges ranges = {0};
    struct stack *source = NULL;
    struct volume_io *io = NULL;
    uint64_t size = 0;
    int code = read_detail(job->row.detail ? job->row.detail : "", &size, &ranges);
    if (code == LSM_ERR_OK)
        code = open_source(job, size, &source);
    if (code == LSM_ERR_OK)
        code = volume_io_open_for_job(root, job->row.target, &io);
    if (code == LSM_ERR_OK)
        code = check_target(io, &ranges, job->row.target);
    struct work w = {.source = source,
                     .target = io,
                     .job = job,
                     .done = job->row.cursor,
                     .copied = job->row.copied,
                     .skipped = job->row.skipped};
    if (code == LSM_ERR_OK)
        code = move_ranges(&w, &ranges);
    if (code == LSM_ERR_OK)
        code = finish(job, &w);
    struct _lsm_error *why = error_take();
    if (io)
        volume_io_close(io);
    pthread_mutex_lock(&root->lock);
    stack_close(source);
    pthread_mutex_unlock(&root->lock);
    free(ranges.items);
    error_clear();
    error_restore(why);
    return code;
}

static int settle(struct job *job, const struct job_row *row)
{
    struct pool *pool = FILL(job)->pool;
    int code = fill_save(job, row);
    if (code != LSM_ERR_OK || row->state == LSM_JOB_STATE_PAUSED ||
        row->state == LSM_JOB_STATE_QUEUED)
        return code;
    LOCKED(&pool->root->lock);
    let_source_go(pool->root, FILL(job)->source, row);
    return code;
}

static const struct job_body range_body = {
    .run = run,
    .settle = settle,
    .forget = fill_forget,
    .release = free,
};

int range_load(struct pool *pool, struct job_row *row)
{
    char from[ID_SIZE];
    snprintf(from, sizeof from, "%s", row->detail ? row->detail : "");
    struct pool *source = pool_by_id(pool->root, from);
    bool ended = row->state >= LSM_JOB_STATE_DONE, parked = !ended && !source;
    if (parked) {
        free(row->message);
        if (asprintf(&row->message, "waits for the pool %s, which is not here", from) < 0)
            row->message = NULL;
    }
    struct volume *read = ended ? NULL : volume_find(pool->root, row->source);
    struct job *job = fill_job_alloc(row, &range_body, pool, source);
    if (!job)
        return LSM_ERR_NO_MEMORY;
    if (read)
        read->readers++;
    job_start(pool->root->runner, job, parked || pool->read_only);
    return LSM_ERR_OK;
}
