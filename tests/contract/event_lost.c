/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A queue that nobody empties is bounded: what it has lost is replaced by one LSM_EVENT_LOST. */
#include "suites.h"

#include <poll.h>

/* The bound is not told, only that there is one. */
#define EVENTS 5000

static bool readable(lsm_event_queue *queue)
{
    struct pollfd p = {.events = POLLIN, .fd = -1};
    ck_assert_int_eq(lsm_event_queue_fd_get(queue, &p.fd), OK);
    return poll(&p, 1, 0) == 1;
}

static lsm_event *next(lsm_event_queue *queue)
{
    lsm_event *event = NULL;
    ck_assert_int_eq(lsm_event_next(queue, &event), OK);
    return event;
}

/* Empties the queue; each event's place is greater than the one's before. */
static unsigned drain(lsm_event_queue *queue, unsigned *lost, uint64_t *sequence)
{
    unsigned count = 0;
    for (lsm_event *event; (event = next(queue)) != NULL; lsm_event_record_free(event), count++) {
        ck_assert_uint_gt(lsm_event_sequence_get(event), *sequence);
        *sequence = lsm_event_sequence_get(event);
        if (lsm_event_kind_get(event) != LSM_EVENT_LOST)
            continue;
        ck_assert_ptr_null(lsm_event_object_id_get(event));
        ck_assert_int_eq(lsm_event_old_state_get(event), -1);
        ck_assert_int_eq(lsm_event_new_state_get(event), -1);
        ++*lost;
    }
    return count;
}

START_TEST(event_queue_overflows_to_lost)
{
    autovolume lsm_volume *v = volume_make("v", CLUSTER);
    lsm_event_queue *idle = NULL, *heard = NULL;
    unsigned lost = 0, lost_heard = 0, count = 0;
    uint64_t sequence = 0, sequence_heard = 0;
    FINE(lsm_event_queue_open(world.conn, &idle, 0));
    FINE(lsm_event_queue_open(world.conn, &heard, 0));
    for (unsigned made = 0; made < EVENTS; made += 2) {
        FINE(lsm_volume_disable(world.conn, v, 0));
        FINE(lsm_volume_enable(world.conn, v, 0));
        count += drain(heard, &lost_heard, &sequence_heard);
    }
    /* Who listens loses nothing because of one who does not. */
    ck_assert_uint_eq(lost_heard, 0);
    ck_assert_uint_eq(count, EVENTS);
    ck_assert(readable(idle));
    ck_assert_uint_lt(drain(idle, &lost, &sequence), EVENTS);
    ck_assert_uint_eq(lost, 1);
    ck_assert_uint_le(sequence, sequence_heard);
    ck_assert(!readable(idle));
    /* And from then on it is a queue as before. */
    FINE(lsm_volume_disable(world.conn, v, 0));
    ck_assert(readable(idle));
    ck_assert_uint_eq(drain(idle, &lost, &sequence), 1);
    ck_assert_uint_eq(lost, 1);
    ck_assert_int_eq(lsm_event_queue_close(idle), OK);
    ck_assert_int_eq(lsm_event_queue_close(heard), OK);
}
END_TEST

TCase *event_lost(void)
{
    TCase *tests = tcase_create("event_lost");
    tcase_add_checked_fixture(tests, world_make_fast, world_remove);
    tcase_add_test(tests, event_queue_overflows_to_lost);
    return tests;
}
