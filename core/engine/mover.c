/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Movers are plain threads. Each takes the next window that has data, reads it, and writes what of
 * it is not zero. The thread that called waits; when a second has passed or 256 MiB went by it lets
 * the movers run dry for a moment (a few milliseconds: each finishes its window), notes how far all
 * of them are, lets them go on, and makes that point durable while they do.
 *
 * While somebody does I/O beside it the copy is *gentle*: fewer movers with small windows, so that
 * nobody waits long at the disk; and at full depth again when it has been quiet for a while.
 *
 * One buffer a mover, all in one mapping of huge pages that is touched once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "mover.h"
#include "../util/clock.h"
#include "../util/error.h"

#define MOVERS 8
#define WINDOW (2u << 20)
#define GENTLE_MOVERS 4
#define SMALL_WINDOW (128u << 10) /* of 256 KiB four leave the disk no time for 3,000 writes/s */
#define LOOK_NS 10000000u         /* how often it is looked whether somebody does I/O */
#define QUIET_NS 200000000ull
#define CHECKPOINT_NS 1000000000ull
#define CHECKPOINT_BYTES (256ull << 20)

struct run {
    struct mover *mover;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for the caller: something ended, or came to rest */
    pthread_cond_t go;      /* for the movers: the rest is over, or another one may move */
    uint64_t next;          /* where the next window begins */
    uint64_t copied, skipped;
    unsigned busy, alive;
    bool resting, gentle;
    uint64_t seen, seen_ns; /* of the foreground, and when that changed */
    bool verifying;
    int error; /* errno of the first failure; -1: the bytes differ */
    struct layer *culprit;
    uint64_t failed_at;
    uint64_t due_ns; /* when the rate limit lets the next window begin */
    char *buffers;
};

struct hand {
    struct run *run;
    char *buffer;
    pthread_t thread;
};

static bool is_zero(const char *p, size_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* --- deltas ---------------------------------------------------------------------------------- */

#define WORD_CLUSTERS 64u
#define WORD_SIZE ((uint64_t)WORD_CLUSTERS << CLUSTER_SHIFT)

static uint64_t delta_word(const struct stack *source, uint32_t depth, const struct map *regions,
                           uint64_t word)
{
    uint64_t region = word * WORD_SIZE >> REGION_SHIFT, bits = 0;
    if (regions && (map_word(regions, region / 64) >> (region % 64) & 1))
        return UINT64_MAX;
    for (uint32_t i = 0; i < depth; i++)
        bits |= map_word(source->layers[i]->map, word);
    return bits;
}

void mover_next_delta(const struct stack *source, uint32_t depth, const struct map *regions,
                      uint64_t offset, uint64_t end, uint64_t *start, uint64_t *stop)
{
    uint64_t cluster = offset >> CLUSTER_SHIFT, last = end >> CLUSTER_SHIFT, word = 0, bits = 0;
    for (*start = *stop = end; cluster < last; cluster++) {
        if (cluster % WORD_CLUSTERS == 0 || cluster == offset >> CLUSTER_SHIFT) {
            word = cluster / WORD_CLUSTERS;
            bits = delta_word(source, depth, regions, word);
            if (!bits && *start == end) {
                cluster = (word + 1) * WORD_CLUSTERS - 1;
                continue;
            }
        }
        bool in = bits >> (cluster % WORD_CLUSTERS) & 1;
        if (in && *start == end)
            *start = cluster << CLUSTER_SHIFT;
        if (*start < end && (!in || (cluster << CLUSTER_SHIFT) - *start >= WINDOW)) {
            *stop = cluster << CLUSTER_SHIFT;
            return;
        }
    }
}

uint64_t mover_delta_bytes(const struct stack *source, uint32_t depth, const struct map *regions,
                           uint64_t size)
{
    uint64_t bytes = 0;
    for (uint64_t word = 0; word * WORD_SIZE < size; word++) {
        uint64_t bits = delta_word(source, depth, regions, word);
        uint64_t left = (size - word * WORD_SIZE) >> CLUSTER_SHIFT;
        if (left < WORD_CLUSTERS)
            bits &= (1ull << left) - 1;
        bytes += (uint64_t)__builtin_popcountll(bits) << CLUSTER_SHIFT;
    }
    return bytes;
}

/* --- windows --------------------------------------------------------------------------------- */

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

/* How long to wait before `bytes` more may be moved. Sleeping is cut short so that a stop, or
 * another limit, is seen soon. */
static uint64_t pause_for_rate(struct run *run, uint64_t bytes)
{
    uint64_t limit = atomic_load(run->mover->rate_limit), now = clock_monotonic_ns();
    if (!limit) {
        run->due_ns = 0;
        return 0;
    }
    if (run->due_ns > now)
        return run->due_ns - now < 20000000u ? run->due_ns - now : 20000000u;
    if (!run->due_ns)
        run->due_ns = now;
    /* What was not used of the past is lost, but for a little: no burst after an idle time. */
    if (now - run->due_ns > 100000000u)
        run->due_ns = now - 100000000u;
    run->due_ns += (uint64_t)((unsigned __int128)bytes * 1000000000u / limit);
    return 0;
}

static bool must_stop(const struct run *run)
{
    return run->error || atomic_load(run->mover->stop);
}

/* A limited mover takes small windows, too, so that a slow rate is even. */
static uint64_t window_size(const struct run *run)
{
    return run->gentle || atomic_load(run->mover->rate_limit) ? SMALL_WINDOW : WINDOW;
}

static bool find_delta_window(struct run *run, uint64_t *start, uint64_t *end)
{
    const struct mover *m = run->mover;
    mover_next_delta(m->source, m->delta_depth, m->regions, run->next, m->size, start, end);
    if (*end - *start > window_size(run))
        *end = *start + window_size(run);
    run->next = *start;
    return *start < m->size;
}

/* The next window with data, under the lock; false when there is none to take. */
static bool find_window(struct run *run, uint64_t *start, uint64_t *end)
{
    const struct mover *m = run->mover;
    if (m->delta)
        return find_delta_window(run, start, end);
    uint64_t data, data_end;
    int error = stack_next_data(m->source, run->next, m->size, &data, &data_end);
    if (error) {
        run->error = error;
        run->culprit = NULL;
        return false;
    }
    data -= data % CLUSTER_SIZE; /* never back before run->next, which is at a cluster's start */
    run->skipped += data - run->next;
    run->next = data;
    if (data >= m->size)
        return false;
    uint64_t window = window_size(run);
    *start = data;
    *end = data - data % window + window;
    /* A small extent is moved as it is; one that goes on far is cut at the window's end. */
    if (*end > m->size)
        *end = m->size;
    uint64_t last = (data_end + CLUSTER_SIZE - 1) & ~(uint64_t)(CLUSTER_SIZE - 1);
    if (last < *end)
        *end = last;
    return true;
}

static bool must_wait(const struct run *run)
{
    return (run->resting || (run->gentle && run->busy >= GENTLE_MOVERS)) && !must_stop(run);
}

static bool take_window(struct run *run, uint64_t *start, uint64_t *end)
{
    pthread_mutex_lock(&run->lock);
    for (;;) {
        while (must_wait(run))
            pthread_cond_wait(&run->go, &run->lock);
        if (must_stop(run) || !find_window(run, start, end))
            break;
        uint64_t wait = pause_for_rate(run, *end - *start);
        if (!wait) {
            run->next = *end;
            run->busy++;
            pthread_mutex_unlock(&run->lock);
            return true;
        }
        pthread_mutex_unlock(&run->lock);
        sleep_ns(wait);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return false;
}

static void give_back(struct run *run, uint64_t copied, uint64_t skipped, int error,
                      struct layer *culprit, uint64_t at)
{
    pthread_mutex_lock(&run->lock);
    run->busy--;
    run->copied += copied;
    run->skipped += skipped;
    if (error && !run->error) {
        run->error = error;
        run->culprit = culprit;
        run->failed_at = at;
    }
    if (run->busy == 0 || run->error)
        pthread_cond_signal(&run->changed);
    if (run->gentle)
        pthread_cond_signal(&run->go);
    pthread_mutex_unlock(&run->lock);
}

/* Writes the clusters of a window that are not zero, in runs as long as they come. A layer with a
 * map is told of the others, too. */
static int write_window(struct layer *target, const char *buffer, uint64_t start, uint64_t end,
                        uint64_t *copied)
{
    uint64_t n = end - start, from = 0;
    while (from < n) {
        uint64_t zeros = from;
        while (from < n && is_zero(buffer + from, CLUSTER_SIZE))
            from += CLUSTER_SIZE;
        if (target->map && from > zeros) {
            int error = layer_zero(target, from - zeros, start + zeros);
            if (error)
                return error;
        }
        uint64_t to = from;
        while (to < n && !is_zero(buffer + to, CLUSTER_SIZE))
            to += CLUSTER_SIZE;
        int error =
            to > from ? layer_write_direct(target, buffer + from, to - from, start + from) : 0;
        if (error)
            return error;
        *copied += to - from;
        from = to;
    }
    if (!target->map)
        return 0;
    int error = map_reserve(target->map, start >> CLUSTER_SHIFT, n >> CLUSTER_SHIFT);
    if (!error)
        map_set(target->map, start >> CLUSTER_SHIFT, n >> CLUSTER_SHIFT);
    return error;
}

static void move_window(struct run *run, char *buffer, uint64_t start, uint64_t end)
{
    struct layer *culprit = NULL;
    uint64_t copied = 0;
    int error = stack_read_direct(run->mover->source, buffer, end - start, start, &culprit);
    if (!error) {
        error = write_window(run->mover->target, buffer, start, end, &copied);
        culprit = run->mover->target;
    }
    give_back(run, copied, end - start - copied, error, culprit, start);
}

/* The second half of the buffer takes what the target has, read past the cache. */
static void compare_window(struct run *run, char *buffer, uint64_t start, uint64_t end)
{
    struct layer *culprit = NULL;
    char *back = buffer + WINDOW;
    int error = stack_read_direct(run->mover->source, buffer, end - start, start, &culprit);
    if (!error) {
        error = layer_read_direct(run->mover->target, back, end - start, start);
        culprit = run->mover->target;
    }
    uint64_t at = start;
    if (!error && memcmp(buffer, back, end - start) != 0) {
        error = -1;
        while (buffer[at - start] == back[at - start])
            at++;
    }
    give_back(run, 0, 0, error, culprit, at);
}

static void *hand_run(void *argument)
{
    struct hand *hand = argument;
    struct run *run = hand->run;
    uint64_t start, end;
    while (take_window(run, &start, &end)) {
        if (run->verifying)
            compare_window(run, hand->buffer, start, end);
        else
            move_window(run, hand->buffer, start, end);
    }
    pthread_mutex_lock(&run->lock);
    run->alive--;
    pthread_cond_signal(&run->changed);
    pthread_cond_broadcast(&run->go);
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* --- the caller's side ----------------------------------------------------------------------- */

static int report(const struct run *run)
{
    const struct layer *culprit = run->culprit ? run->culprit : run->mover->source->layers[0];
    if (run->error > 0)
        return layer_error(culprit, run->error, culprit == run->mover->target ? "write" : "read",
                           run->failed_at);
    error_set(LSM_ERR_DAMAGED, culprit->guid,
              "the layer %s does not read back what was written to it", culprit->guid);
    error_offset(run->failed_at);
    error_hint("the disk under the target's pool loses data; use another one");
    return LSM_ERR_DAMAGED;
}

static int checkpoint(struct run *run, uint64_t cursor, uint64_t copied, uint64_t skipped)
{
    struct mover *m = run->mover;
    int code = layer_flush(m->target);
    if (code != LSM_ERR_OK)
        return code;
    m->cursor = cursor;
    m->copied = copied;
    m->skipped = skipped;
    return m->checkpoint(m->argument, m);
}

/* Lets the movers come to rest, so that all before run->next is done; called with the lock. */
static void rest(struct run *run)
{
    run->resting = true;
    while (run->busy > 0)
        pthread_cond_wait(&run->changed, &run->lock);
}

static void go_on(struct run *run)
{
    run->resting = false;
    pthread_cond_broadcast(&run->go);
}

/* Is somebody else at it? With the lock, which is let go meanwhile. */
static void look_around(struct run *run)
{
    struct mover *m = run->mover;
    if (!m->foreground)
        return;
    pthread_mutex_unlock(&run->lock);
    uint64_t count = m->foreground(m->argument), now = clock_monotonic_ns();
    pthread_mutex_lock(&run->lock);
    if (count != run->seen)
        run->seen_ns = now;
    run->seen = count;
    bool gentle = now - run->seen_ns < QUIET_NS;
    if (run->gentle && !gentle)
        pthread_cond_broadcast(&run->go);
    run->gentle = gentle;
}

/* Waits until a checkpoint is due or the movers have ended. */
static void wait_a_while(struct run *run, uint64_t began, uint64_t since)
{
    while (run->alive > 0 && !must_stop(run) && clock_monotonic_ns() - began < CHECKPOINT_NS &&
           run->copied - since < CHECKPOINT_BYTES) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += LOOK_NS;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&run->changed, &run->lock, &t);
        look_around(run);
    }
}

static int supervise(struct run *run)
{
    int code = LSM_ERR_OK;
    pthread_mutex_lock(&run->lock);
    while (code == LSM_ERR_OK && run->alive > 0 && !run->error) {
        wait_a_while(run, clock_monotonic_ns(), run->copied);
        rest(run);
        uint64_t cursor = run->next, copied = run->copied, skipped = run->skipped;
        go_on(run);
        if (must_stop(run))
            break;
        if (run->alive == 0 || run->verifying)
            continue;
        pthread_mutex_unlock(&run->lock);
        code = checkpoint(run, cursor, copied, skipped);
        pthread_mutex_lock(&run->lock);
    }
    if (code != LSM_ERR_OK && !run->error)
        run->error = ECANCELED; /* the movers end; the code says why */
    go_on(run);
    while (run->alive > 0)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
    return code;
}

/* One pass of all movers over [next, size). */
static int pass(struct run *run, struct hand *hands, size_t buffer_size)
{
    unsigned started = 0;
    pthread_mutex_lock(&run->lock);
    for (unsigned i = 0; i < MOVERS; i++) {
        hands[i] = (struct hand){.run = run, .buffer = run->buffers + i * buffer_size};
        if (pthread_create(&hands[i].thread, NULL, hand_run, &hands[i]) != 0)
            break;
        started++;
        run->alive++;
    }
    pthread_mutex_unlock(&run->lock);
    if (!started)
        return error_set_errno(LSM_ERR_NO_MEMORY, EAGAIN, NULL,
                               "cannot make a thread to move data");
    int code = supervise(run);
    for (unsigned i = 0; i < started; i++)
        pthread_join(hands[i].thread, NULL);
    if (code == LSM_ERR_OK && run->error)
        code = report(run);
    return code;
}

static int run_passes(struct run *run, size_t buffer_size)
{
    struct mover *m = run->mover;
    struct hand hands[MOVERS];
    int code = pass(run, hands, buffer_size);
    if (code != LSM_ERR_OK)
        return code;
    if ((code = checkpoint(run, run->next, run->copied, run->skipped)) != LSM_ERR_OK)
        return code;
    if (m->verify && run->next >= m->size && !atomic_load(m->stop)) {
        run->verifying = true;
        run->next = 0;
        if ((code = pass(run, hands, buffer_size)) != LSM_ERR_OK)
            return code;
    }
    return run->next >= m->size ? LSM_ERR_OK
                                : error_set(LSM_ERR_CANCELLED, NULL, "stopped on request");
}

int mover_run(struct mover *mover)
{
    size_t buffer_size = mover->verify ? 2 * WINDOW : WINDOW, total = MOVERS * buffer_size;
    struct run run = {.mover = mover,
                      .next = mover->cursor,
                      .copied = mover->copied,
                      .skipped = mover->skipped,
                      .due_ns = mover->due_ns};
    if (mover->foreground) {
        run.seen = mover->foreground(mover->argument);
        run.gentle = true; /* until it has been looked */
    }
    run.buffers = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (run.buffers == MAP_FAILED)
        return error_no_memory();
    madvise(run.buffers, total, MADV_HUGEPAGE);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.changed, &monotonic);
    pthread_cond_init(&run.go, NULL);
    pthread_condattr_destroy(&monotonic);

    int code = run_passes(&run, buffer_size);
    mover->due_ns = run.due_ns;

    pthread_cond_destroy(&run.changed);
    pthread_cond_destroy(&run.go);
    pthread_mutex_destroy(&run.lock);
    munmap(run.buffers, total);
    return code;
}
