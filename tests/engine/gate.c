/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight threads pass the gate for as long as it is open; who closed it is alone behind it. */
#include <stdatomic.h>
#include <unistd.h>

#include "kit.h"
#include "engine/gate.h"

#define THREADS 8
#define CLOSINGS 2000

static struct gate gate;
static atomic_bool stop;
static atomic_int inside;
static atomic_ulong passed;
static int alone; /* plain: whoever touches it while the gate is closed races, and TSan sees it */

static void *pass(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop)) {
        unsigned slot = gate_enter(&gate);
        atomic_fetch_add(&inside, 1);
        ck_assert_int_ge(alone, 0);
        atomic_fetch_sub(&inside, 1);
        gate_leave(&gate, slot);
        atomic_fetch_add(&passed, 1);
    }
    return NULL;
}

START_TEST(nobody_is_inside_a_closed_gate)
{
    pthread_t threads[THREADS];
    gate_init(&gate);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, pass, NULL), 0);
    while (atomic_load(&passed) < THREADS)
        usleep(100);
    for (int i = 0; i < CLOSINGS; i++) {
        gate_close(&gate);
        for (int k = 0; k < 10; k++)
            ck_assert_int_eq(atomic_load(&inside), 0);
        alone++;
        gate_open(&gate);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(alone, CLOSINGS);
    gate_finish(&gate);
}
END_TEST

static void *enter_once(void *argument)
{
    atomic_int *entered = argument;
    unsigned slot = gate_enter(&gate);
    atomic_store(entered, 1);
    gate_leave(&gate, slot);
    return NULL;
}

START_TEST(who_comes_to_a_closed_gate_waits)
{
    pthread_t thread;
    atomic_int entered = 0;
    gate_init(&gate);
    gate_close(&gate);
    ck_assert_int_eq(pthread_create(&thread, NULL, enter_once, &entered), 0);
    usleep(30000);
    ck_assert_int_eq(atomic_load(&entered), 0);
    gate_open(&gate);
    pthread_join(thread, NULL);
    ck_assert_int_eq(atomic_load(&entered), 1);
    gate_finish(&gate);
}
END_TEST

static void *close_once(void *argument)
{
    gate_close(&gate);
    atomic_store((atomic_int *)argument, 1);
    gate_open(&gate);
    return NULL;
}

START_TEST(who_closes_waits_for_those_inside)
{
    pthread_t thread;
    atomic_int closed = 0;
    gate_init(&gate);
    unsigned slot = gate_enter(&gate);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_once, &closed), 0);
    usleep(30000);
    ck_assert_int_eq(atomic_load(&closed), 0);
    gate_leave(&gate, slot);
    pthread_join(thread, NULL);
    ck_assert_int_eq(atomic_load(&closed), 1);
    gate_finish(&gate);
}
END_TEST

TCase *test_gate(void)
{
    TCase *tcase = tcase_create("gate");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nobody_is_inside_a_closed_gate);
    tcase_add_test(tcase, who_comes_to_a_closed_gate_waits);
    tcase_add_test(tcase, who_closes_waits_for_those_inside);
    return tcase;
}
