/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a stack of two layers, with holes and zeros in both, into a base. */
#include <time.h>
#include <unistd.h>

#include "kit.h"
#include "engine/mover.h"
#include "engine/vfs.h"
#include "util/error.h"

#define MIB (1ull << 20)
#define SIZE (20 * MIB)

static unsigned char *want;
static uint64_t data_bytes; /* clusters of `want` that are not zero */
static struct layer *base, *top, *target;
static struct stack *stack;
static atomic_int stop;
static _Atomic uint64_t rate;
static uint64_t seen_cursor;
static unsigned checkpoints;
static bool stop_at_checkpoint;

static void put(struct layer *layer, uint64_t offset, uint64_t count, bool zeros)
{
    unsigned char *piece = want + offset;
    if (zeros)
        memset(piece, 0, count);
    else
        for (uint64_t i = 0; i < count; i += 8)
            memcpy(piece + i, &(uint64_t){kit_random(UINT32_MAX) | 1ull}, 8);
    kit_write_raw(layer, piece, count, offset);
    if (layer->map) {
        ck_assert_int_eq(map_reserve(layer->map, offset / CLUSTER_SIZE, count / CLUSTER_SIZE), 0);
        map_set(layer->map, offset / CLUSTER_SIZE, count / CLUSTER_SIZE);
    }
}

static void put_randomly(struct layer *layer, int times)
{
    while (times-- > 0) {
        uint64_t offset = kit_random(SIZE / CLUSTER_SIZE) * (uint64_t)CLUSTER_SIZE;
        uint64_t count = (1 + kit_random(kit_random(2) ? 3 : 400)) * (uint64_t)CLUSTER_SIZE;
        put(layer, offset, count < SIZE - offset ? count : SIZE - offset, kit_random(4) == 0);
    }
}

static void make(void)
{
    kit_make();
    want = calloc(1, SIZE);
    base = kit_layer(NULL, 0, SIZE);
    top = kit_layer(base, SIZE, SIZE);
    top->frozen = true;
    stack = stack_open(top, SIZE);
    ck_assert_ptr_nonnull(stack);
    put_randomly(base, 20);
    put_randomly(top, 20);
    data_bytes = 0;
    static const unsigned char zeros[CLUSTER_SIZE];
    for (uint64_t at = 0; at < SIZE; at += CLUSTER_SIZE)
        data_bytes += memcmp(want + at, zeros, CLUSTER_SIZE) ? CLUSTER_SIZE : 0;
    target = kit_layer(NULL, 0, SIZE);
    ck_assert_int_eq(layer_open(target, SIZE), OK);
    atomic_store(&stop, 0);
    atomic_store(&rate, 0);
    seen_cursor = checkpoints = 0;
    stop_at_checkpoint = false;
}

static void finish(void)
{
    layer_close(target);
    stack_close(stack);
    layer_free(target);
    layer_free(top);
    layer_free(base);
    free(want);
    kit_remove();
}

static int note(void *argument, const struct mover *mover)
{
    (void)argument;
    ck_assert_uint_ge(mover->cursor, seen_cursor);
    ck_assert_uint_eq(mover->copied + mover->skipped, mover->cursor);
    seen_cursor = mover->cursor;
    checkpoints++;
    if (stop_at_checkpoint)
        atomic_store(&stop, 1);
    return OK;
}

static struct mover mover(void)
{
    return (struct mover){.source = stack,
                          .target = target,
                          .size = SIZE,
                          .stop = &stop,
                          .rate_limit = &rate,
                          .checkpoint = note};
}

static void assert_moved(void)
{
    unsigned char *got = malloc(SIZE);
    kit_read_raw(target, got, SIZE, 0);
    ck_assert(memcmp(want, got, SIZE) == 0);
    free(got);
}

START_TEST(holes_and_zeros_are_skipped_and_the_rest_is_there)
{
    struct mover m = mover();
    ck_assert_int_eq(mover_run(&m), OK);
    assert_moved();
    ck_assert_uint_eq(m.cursor, SIZE);
    ck_assert_uint_eq(m.copied, data_bytes);
    ck_assert_uint_eq(m.copied + m.skipped, SIZE);
    ck_assert_uint_eq(seen_cursor, SIZE);
    ck_assert_uint_le(layer_allocated(target), data_bytes + MIB);
    ck_assert(!target->dirty); /* all of it is durable */
}
END_TEST

START_TEST(verify_agrees_with_what_is_right)
{
    struct mover m = mover();
    m.verify = true;
    ck_assert_int_eq(mover_run(&m), OK);
    assert_moved();
}
END_TEST

/* A disk that loses a bit on its way. */
static struct vfs lying;
static atomic_int lies;
static uint64_t lie_at;

static ssize_t write_with_a_flip(int fd, const void *buf, size_t count, off_t offset)
{
    if (lie_at < (uint64_t)offset || lie_at >= (uint64_t)offset + count ||
        atomic_fetch_sub(&lies, 1) <= 0)
        return vfs_system.pwrite(fd, buf, count, offset);
    void *copy = NULL;
    ck_assert_int_eq(posix_memalign(&copy, CLUSTER_SIZE, count), 0);
    memcpy(copy, buf, count);
    ((unsigned char *)copy)[lie_at - (uint64_t)offset] ^= 0x10;
    ssize_t n = vfs_system.pwrite(fd, copy, count, offset);
    free(copy);
    return n;
}

START_TEST(verify_finds_a_flipped_bit)
{
    struct mover m = mover();
    m.verify = true;
    lie_at = 0;
    while (want[lie_at] == 0 || lie_at < SIZE / 3)
        lie_at++;
    lying = *vfs;
    lying.pwrite = write_with_a_flip;
    lies = 1;
    vfs = &lying;
    ck_assert_int_eq(mover_run(&m), LSM_ERR_DAMAGED);
    struct _lsm_error *error = error_take();
    ck_assert_ptr_nonnull(strstr(error->message, "does not read back"));
    ck_assert_uint_eq(error->offset, lie_at);
    error_destroy(error);
}
END_TEST

/* At 6 MiB/s the data takes more than one checkpoint. */
START_TEST(a_stopped_mover_goes_on_from_its_cursor)
{
    struct mover m = mover();
    atomic_store(&rate, data_bytes / 3);
    stop_at_checkpoint = true;
    ck_assert_int_eq(mover_run(&m), LSM_ERR_CANCELLED);
    kit_assert_error(LSM_ERR_CANCELLED, "stopped");
    ck_assert_uint_ge(checkpoints, 1);
    ck_assert_uint_eq(m.cursor, seen_cursor);
    ck_assert(m.cursor > 0 && m.cursor < SIZE);
    ck_assert(m.copied > 0 && m.copied < data_bytes);
    ck_assert(!target->dirty); /* up to the cursor it is durable */

    struct mover rest = mover();
    rest.cursor = m.cursor;
    rest.copied = m.copied;
    rest.skipped = m.skipped;
    stop_at_checkpoint = false;
    atomic_store(&stop, 0);
    atomic_store(&rate, 0);
    ck_assert_int_eq(mover_run(&rest), OK);
    assert_moved();
    ck_assert_uint_eq(rest.copied, data_bytes);
    ck_assert_uint_eq(rest.copied + rest.skipped, SIZE);
}
END_TEST

START_TEST(a_rate_limit_is_kept_from_above)
{
    struct timespec before, after;
    struct mover m = mover();
    atomic_store(&rate, data_bytes); /* one second's worth */
    clock_gettime(CLOCK_MONOTONIC, &before);
    ck_assert_int_eq(mover_run(&m), OK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    ck_assert_msg(seconds > 0.7, "%f s", seconds); /* how long it takes at most is the machine's */
    assert_moved();
}
END_TEST

static int refuse(void *argument, const struct mover *m)
{
    (void)argument;
    (void)m;
    return error_set(LSM_ERR_IO, NULL, "this checkpoint fails");
}

START_TEST(a_checkpoint_that_fails_ends_it)
{
    struct mover m = mover();
    m.checkpoint = refuse;
    ck_assert_int_eq(mover_run(&m), LSM_ERR_IO);
    kit_assert_error(LSM_ERR_IO, "this checkpoint fails");
}
END_TEST

TCase *test_mover(void)
{
    TCase *tcase = tcase_create("mover");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, make, finish);
    tcase_add_test(tcase, holes_and_zeros_are_skipped_and_the_rest_is_there);
    tcase_add_test(tcase, verify_agrees_with_what_is_right);
    tcase_add_test(tcase, verify_finds_a_flipped_bit);
    tcase_add_test(tcase, a_stopped_mover_goes_on_from_its_cursor);
    tcase_add_test(tcase, a_rate_limit_is_kept_from_above);
    tcase_add_test(tcase, a_checkpoint_that_fails_ends_it);
    return tcase;
}
