/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack against arrays: what each layer holds is kept here cluster by cluster, and who owns a
 * cluster is found by looking from the top down.
 */
#include <unistd.h>

#include "kit.h"
#include "engine/stack.h"

#define CLUSTERS 300u /* more than four words of the map, and not a multiple of one */
#define SIZE ((uint64_t)CLUSTERS * CLUSTER_SIZE)
#define DEPTH_MAX 6

static struct cluster_locks locks;
static struct stack *stack;
static struct layer *layers[DEPTH_MAX]; /* [0] the top */
static bool holds[DEPTH_MAX][CLUSTERS];
static unsigned char *bytes[DEPTH_MAX]; /* of what it holds */
static uint64_t limits[DEPTH_MAX];      /* what shows of the layers below this one */
static unsigned depth;

/* --- the model -------------------------------------------------------------------------------- */

static int owner_of(unsigned cluster)
{
    for (unsigned i = 0; i < depth; i++) {
        if (holds[i][cluster])
            return (int)i;
        if ((uint64_t)cluster * CLUSTER_SIZE >= limits[i])
            return -1;
    }
    return -1;
}

static void expected(unsigned char *to)
{
    for (unsigned c = 0; c < CLUSTERS; c++) {
        int owner = owner_of(c);
        if (owner < 0)
            memset(to + c * CLUSTER_SIZE, 0, CLUSTER_SIZE);
        else
            memcpy(to + c * CLUSTER_SIZE, bytes[owner] + c * CLUSTER_SIZE, CLUSTER_SIZE);
    }
}

static void hold(unsigned i, unsigned first, unsigned count)
{
    for (unsigned c = first; c < first + count; c++) {
        holds[i][c] = true;
        if (kit_random(6) == 0)
            memset(bytes[i] + c * CLUSTER_SIZE, 0, CLUSTER_SIZE); /* held, and a hole in the file */
        else
            kit_fill(bytes[i] + c * CLUSTER_SIZE, CLUSTER_SIZE);
    }
}

static void make_model(unsigned layers_wanted)
{
    depth = layers_wanted;
    for (unsigned i = 0; i < depth; i++) {
        bytes[i] = calloc(1, SIZE);
        memset(holds[i], i == depth - 1, CLUSTERS);
        limits[i] = kit_random(2) ? SIZE : (1 + kit_random(CLUSTERS)) * (uint64_t)CLUSTER_SIZE;
        for (int runs = 8; runs > 0; runs--) {
            unsigned first = kit_random(CLUSTERS), count = 1 + kit_random(kit_random(3) ? 6 : 140);
            hold(i, first, count < CLUSTERS - first ? count : CLUSTERS - first);
        }
    }
    limits[depth - 1] = 0;
}

/* --- the real one ----------------------------------------------------------------------------- */

static void put_down(unsigned i)
{
    static const unsigned char zeros[CLUSTER_SIZE];
    for (unsigned c = 0; c < CLUSTERS; c++) {
        const unsigned char *cluster = bytes[i] + c * CLUSTER_SIZE;
        if (!holds[i][c])
            continue;
        if (memcmp(cluster, zeros, CLUSTER_SIZE) != 0)
            kit_write_raw(layers[i], cluster, CLUSTER_SIZE, c * CLUSTER_SIZE);
        if (layers[i]->map) {
            ck_assert_int_eq(map_reserve(layers[i]->map, c, 1), 0);
            map_set(layers[i]->map, c, 1);
        }
    }
}

static void make_stack(void)
{
    for (unsigned i = depth; i-- > 0;)
        layers[i] = kit_layer(i == depth - 1 ? NULL : layers[i + 1], limits[i], SIZE);
    cluster_locks_init(&locks);
    stack = stack_open(layers[0], SIZE);
    ck_assert_ptr_nonnull(stack);
    ck_assert_uint_eq(stack->depth, depth);
    for (unsigned i = 0; i < depth; i++)
        put_down(i);
}

static void remove_stack(void)
{
    stack_close(stack);
    cluster_locks_finish(&locks);
    for (unsigned i = 0; i < depth; i++) {
        layer_free(layers[i]);
        free(bytes[i]);
    }
}

static void assert_reads(void)
{
    static unsigned char want[SIZE], got[SIZE];
    expected(want);
    ck_assert_int_eq(stack_read(stack, got, SIZE, 0, NULL), 0);
    ck_assert(memcmp(want, got, SIZE) == 0);
    for (int i = 0; i < 50; i++) {
        uint64_t offset = kit_random((uint32_t)SIZE), count = 1 + kit_random(300000);
        count = count < SIZE - offset ? count : SIZE - offset;
        memset(got, 0xee, count);
        ck_assert_int_eq(stack_read(stack, got, count, offset, NULL), 0);
        ck_assert(memcmp(want + offset, got, count) == 0);
    }
}

START_TEST(owners_are_those_of_the_model)
{
    kit_seed((uint64_t)_i + 1);
    make_model(1 + kit_random(DEPTH_MAX));
    make_stack();
    for (unsigned c = 0; c < CLUSTERS && depth > 1; c++) {
        uint64_t until, end = (c + 1 + kit_random(CLUSTERS - c)) * (uint64_t)CLUSTER_SIZE;
        struct layer *owner = stack_owner(stack, 0, c * (uint64_t)CLUSTER_SIZE, end, &until);
        ck_assert_uint_gt(until, c * (uint64_t)CLUSTER_SIZE);
        ck_assert_uint_le(until, end);
        for (unsigned k = c; k < until / CLUSTER_SIZE; k++) {
            int index = owner_of(k);
            ck_assert_ptr_eq(owner, index < 0 ? NULL : layers[index]);
        }
    }
    remove_stack();
}
END_TEST

START_TEST(reads_are_those_of_the_model)
{
    kit_seed((uint64_t)_i + 100);
    make_model(1 + kit_random(DEPTH_MAX));
    make_stack();
    assert_reads();
    remove_stack();
}
END_TEST

/* Bytes of what [offset, end) becomes in the model's top; a cluster in part comes from below. */
static void model_write(const unsigned char *from, uint64_t offset, uint64_t count)
{
    static unsigned char now[SIZE];
    expected(now);
    if (from)
        memcpy(now + offset, from, count);
    else
        memset(now + offset, 0, count);
    for (uint64_t c = offset / CLUSTER_SIZE; c <= (offset + count - 1) / CLUSTER_SIZE; c++) {
        holds[0][c] = true;
        memcpy(bytes[0] + c * CLUSTER_SIZE, now + c * CLUSTER_SIZE, CLUSTER_SIZE);
    }
}

START_TEST(writes_and_zeros_are_those_of_the_model)
{
    static unsigned char data[SIZE];
    kit_seed((uint64_t)_i + 200);
    make_model(1 + kit_random(DEPTH_MAX));
    make_stack();
    for (int i = 0; i < 120; i++) {
        uint64_t offset = kit_random((uint32_t)SIZE);
        uint64_t count = 1 + kit_random(kit_random(3) ? 3 * CLUSTER_SIZE : 600000);
        count = count < SIZE - offset ? count : SIZE - offset;
        if (kit_random(3)) {
            kit_fill(data, count);
            ck_assert_int_eq(stack_write(stack, &locks, data, count, offset, NULL), 0);
            model_write(data, offset, count);
        } else {
            ck_assert_int_eq(stack_zero(stack, &locks, count, offset, NULL), 0);
            model_write(NULL, offset, count);
        }
        if (i % 10 == 0)
            assert_reads();
    }
    assert_reads();
    /* and what was frozen did not change */
    for (unsigned i = 1; i < depth; i++)
        for (unsigned c = 0; c < CLUSTERS; c++) {
            unsigned char cluster[CLUSTER_SIZE];
            kit_read_raw(layers[i], cluster, CLUSTER_SIZE, c * CLUSTER_SIZE);
            if (holds[i][c])
                ck_assert(memcmp(cluster, bytes[i] + c * CLUSTER_SIZE, CLUSTER_SIZE) == 0);
        }
    remove_stack();
}
END_TEST

START_TEST(between_data_there_are_zeros)
{
    static unsigned char want[SIZE];
    kit_seed((uint64_t)_i + 300);
    make_model(1 + kit_random(DEPTH_MAX));
    make_stack();
    expected(want);
    uint64_t offset = 0, seen = 0;
    while (offset < SIZE) {
        uint64_t data, end;
        ck_assert_int_eq(stack_next_data(stack, offset, SIZE, &data, &end), 0);
        ck_assert(data >= offset && end >= data && end <= SIZE);
        while (offset < data && want[offset] == 0)
            offset++;
        ck_assert_uint_eq(offset, data);
        seen += end - data;
        if (data == SIZE)
            break;
        ck_assert_uint_gt(end, data);
        offset = end;
    }
    ck_assert_uint_lt(seen, SIZE); /* holes are told */
    remove_stack();
}
END_TEST

START_TEST(a_thousand_layers_are_read_with_few_descriptors)
{
    enum { LAYERS = 1000 };
    static struct layer *deep[LAYERS];
    static unsigned char want[SIZE], got[SIZE];
    kit_narrow(16);
    for (unsigned i = LAYERS; i-- > 0;)
        deep[i] = kit_layer(i == LAYERS - 1 ? NULL : deep[i + 1], SIZE, SIZE);
    stack = stack_open(deep[0], SIZE);
    ck_assert_ptr_nonnull(stack);
    for (unsigned i = LAYERS; i-- > 0;) {
        unsigned char cluster[CLUSTER_SIZE];
        unsigned c = kit_random(CLUSTERS);
        kit_fill(cluster, sizeof cluster);
        kit_write_raw(deep[i], cluster, sizeof cluster, c * CLUSTER_SIZE);
        memcpy(want + c * CLUSTER_SIZE, cluster, sizeof cluster);
        if (deep[i]->map) {
            ck_assert_int_eq(map_reserve(deep[i]->map, c, 1), 0);
            map_set(deep[i]->map, c, 1);
        }
    }
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(stack_read(stack, got, SIZE, 0, NULL), 0);
        ck_assert(memcmp(want, got, SIZE) == 0);
    }
    unsigned open_now = 0;
    for (unsigned i = 1; i < LAYERS; i++)
        open_now += deep[i]->data.fd >= 0;
    ck_assert_uint_le(open_now, 16);
    stack_close(stack);
    for (unsigned i = 0; i < LAYERS; i++)
        layer_free(deep[i]);
}
END_TEST

TCase *test_stack(void)
{
    TCase *tcase = tcase_create("stack");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, kit_make, kit_remove);
    tcase_add_loop_test(tcase, owners_are_those_of_the_model, 0, 20);
    tcase_add_loop_test(tcase, reads_are_those_of_the_model, 0, 10);
    tcase_add_loop_test(tcase, writes_and_zeros_are_those_of_the_model, 0, 10);
    tcase_add_loop_test(tcase, between_data_there_are_zeros, 0, 10);
    tcase_add_test(tcase, a_thousand_layers_are_read_with_few_descriptors);
    return tcase;
}
