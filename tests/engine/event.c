/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Queues under load: what overflows says so once, and the descriptor tells the truth. */
#include <poll.h>
#include <pthread.h>

#include "kit.h"
#include "job/event.h"
#include "record.h"

#define MANY 10000

static struct event_hub *hub;
static struct event_queue *queue;

static void make(void)
{
    hub = event_hub_create();
    queue = event_queue_create();
    ck_assert(hub && queue);
    event_hub_add(hub, queue);
}

static void finish(void)
{
    event_hub_remove(hub, queue);
    event_queue_destroy(queue);
    event_hub_destroy(hub);
}

static bool is_readable(struct event_queue *q)
{
    struct pollfd p = {.fd = event_queue_fd(q), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void publish(int count)
{
    while (count-- > 0)
        event_publish(hub, LSM_EVENT_VOLUME, "0123456789abcdef0123456789abcdef", 1, 2);
}

/* Takes all events: how many, and whether the first says that some were lost. */
static int drain(struct event_queue *q, bool *lost)
{
    int n = 0;
    uint64_t last = 0;
    *lost = false;
    for (;;) {
        lsm_event *event = NULL;
        bool readable = is_readable(q);
        ck_assert_int_eq(event_queue_next(q, &event), OK);
        ck_assert(readable == (event != NULL));
        if (!event)
            return n;
        bool says_lost = lsm_event_kind_get(event) == LSM_EVENT_LOST;
        ck_assert(!says_lost || n == 0); /* once, and before what came after */
        *lost = *lost || says_lost;
        ck_assert_uint_gt(lsm_event_sequence_get(event), last);
        last = lsm_event_sequence_get(event);
        record_destroy(&event_type, event);
        n++;
    }
}

START_TEST(a_queue_that_is_read_loses_nothing)
{
    bool lost;
    ck_assert_int_eq(drain(queue, &lost), 0);
    for (int round = 0; round < 200; round++) {
        int n = 1 + round * 7 % 300;
        publish(n);
        ck_assert_int_eq(drain(queue, &lost), n);
        ck_assert(!lost);
    }
}
END_TEST

START_TEST(a_queue_that_overflows_says_so_once)
{
    bool lost;
    publish(MANY);
    int n = drain(queue, &lost);
    ck_assert(lost);
    ck_assert_int_gt(n, 1); /* what came after the overflow is there */
    ck_assert_int_lt(n, MANY);
    publish(3);
    ck_assert_int_eq(drain(queue, &lost), 3);
    ck_assert(!lost);
}
END_TEST

START_TEST(one_queue_overflows_alone)
{
    bool lost;
    struct event_queue *other = event_queue_create();
    publish(MANY / 2);
    event_hub_add(hub, other);
    publish(10);
    ck_assert_int_eq(drain(other, &lost), 10);
    ck_assert(!lost);
    drain(queue, &lost);
    ck_assert(lost);
    event_hub_remove(hub, other);
    publish(1);
    ck_assert_int_eq(drain(other, &lost), 0);
    event_queue_destroy(other);
}
END_TEST

static void *publish_many(void *argument)
{
    (void)argument;
    publish(MANY);
    return NULL;
}

START_TEST(publishers_and_a_reader_at_once)
{
    pthread_t threads[4];
    uint64_t last = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, publish_many, NULL), 0);
    while (last < 4 * MANY) { /* the last one is never dropped: an overflow keeps the newest */
        lsm_event *event = NULL;
        ck_assert_int_eq(event_queue_next(queue, &event), OK);
        if (!event)
            continue;
        ck_assert_uint_gt(lsm_event_sequence_get(event), last);
        last = lsm_event_sequence_get(event);
        record_destroy(&event_type, event);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!is_readable(queue));
}
END_TEST

TCase *test_event(void)
{
    TCase *tcase = tcase_create("event");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, make, finish);
    tcase_add_test(tcase, a_queue_that_is_read_loses_nothing);
    tcase_add_test(tcase, a_queue_that_overflows_says_so_once);
    tcase_add_test(tcase, one_queue_overflows_alone);
    tcase_add_test(tcase, publishers_and_a_reader_at_once);
    return tcase;
}
