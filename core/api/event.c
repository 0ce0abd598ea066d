/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event queues: a handle over job/event.h's queue, which the backend feeds.
 *
 * Two may want to end the subscription: the queue's close and the connection's. The connection's
 * lock decides, and `queue->attached` says whether it has happened; the queue holds a reference on
 * the connection's memory, so the lock is there for both. The backend is asked to unsubscribe under
 * that lock; it publishes under locks of its own and never calls up, so the order is always ours,
 * then its.
 */
#include <stdlib.h>
#include <string.h>
#include "../job/event.h"
#include "../util/cleanup.h"
#include "../util/fork.h"
#include "check.h"
#include "noun.h"

#define EVENT_QUEUE_MAGIC 0x4c455155u

struct _lsm_event_queue {
    uint32_t magic;
    uint32_t generation;
    lsm_connect *conn; /* a reference */
    struct event_queue *queue;
    bool attached;                 /* conn->lock: the backend feeds it */
    struct _lsm_event_queue *next; /* conn->lock: of the attached ones */
};

/* --- into and out of a call --------------------------------------------------------------------
 */

static bool queue_is(const lsm_event_queue *queue)
{
    uint32_t magic;
    if (!queue)
        return false;
    memcpy(&magic, queue, sizeof magic);
    return magic == EVENT_QUEUE_MAGIC;
}

static int enter(const lsm_event_queue *queue)
{
    if (!queue_is(queue))
        return LSM_ERR_INVALID_ARGUMENT;
    error_begin(queue->conn->serial);
    if (queue->generation != fork_generation)
        return call_refuse_forked(queue->conn->serial, "event queue");
    return LSM_ERR_OK;
}

/* --- attached and detached ---------------------------------------------------------------------
 */

static void attach(lsm_connect *conn, lsm_event_queue *queue)
{
    LOCKED(&conn->lock);
    queue->attached = true;
    queue->next = conn->queues;
    conn->queues = queue;
}

/* conn->lock is held. */
static void detach(lsm_connect *conn, lsm_event_queue *queue)
{
    lsm_event_queue **link = &conn->queues;
    if (!queue->attached)
        return;
    while (*link != queue)
        link = &(*link)->next;
    *link = queue->next;
    queue->attached = false;
    if (conn->ops->event_unsubscribe)
        conn->ops->event_unsubscribe(conn->b, queue->queue);
}

void event_queues_detach(lsm_connect *conn)
{
    LOCKED(&conn->lock);
    while (conn->queues)
        detach(conn, conn->queues);
}

/* --- calls -------------------------------------------------------------------------------------
 */

static void queue_destroy(lsm_event_queue *queue)
{
    event_queue_destroy(queue->queue);
    conn_release(queue->conn);
    queue->magic = 0;
    free(queue);
}

static int subscribe(lsm_connect *conn, lsm_event_queue *queue)
{
    queue->queue = event_queue_create();
    if (!queue->queue)
        return (int)error_pending();
    int rc = conn->ops->event_subscribe(conn->b, queue->queue);
    if (rc != LSM_ERR_OK)
        event_queue_destroy(queue->queue);
    return rc;
}

static int queue_open(lsm_connect *conn, lsm_event_queue **queue, lsm_flag flags)
{
    TRY(CHECK_OUT(queue));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, event_subscribe, "lsm_event_queue_open"));
    autofree lsm_event_queue *made = calloc(1, sizeof *made);
    if (!made)
        return error_no_memory();
    made->magic = EVENT_QUEUE_MAGIC;
    made->generation = conn->generation;
    made->conn = conn;
    TRY(subscribe(conn, made));
    conn_reference(conn);
    attach(conn, made);
    *queue = STEAL(made);
    return LSM_ERR_OK;
}

int lsm_event_queue_open(lsm_connect *conn, lsm_event_queue **queue, lsm_flag flags)
{
    return CALL(conn, queue_open(conn, queue, flags));
}

int lsm_event_queue_close(lsm_event_queue *queue)
{
    TRY(enter(queue));
    pthread_mutex_lock(&queue->conn->lock);
    detach(queue->conn, queue);
    pthread_mutex_unlock(&queue->conn->lock);
    queue_destroy(queue);
    return LSM_ERR_OK;
}

int lsm_event_queue_fd_get(lsm_event_queue *queue, int *fd)
{
    TRY(enter(queue));
    int rc = CHECK_NUMBER_OUT(fd);
    if (rc == LSM_ERR_OK)
        *fd = event_queue_fd(queue->queue);
    return call_settle(queue->conn->serial, rc);
}

int lsm_event_next(lsm_event_queue *queue, lsm_event **event)
{
    TRY(enter(queue));
    int rc = CHECK_OUT(event);
    if (rc == LSM_ERR_OK)
        rc = event_queue_next(queue->queue, event);
    return call_settle(queue->conn->serial, rc);
}

/* --- the record --------------------------------------------------------------------------------
 */

DEFINE_RECORD(event, &event_type)
DEFINE_GETTER(lsm_event_kind, event, kind, &event_type, (lsm_event_kind)0)
DEFINE_GETTER(uint64_t, event, sequence, &event_type, 0)
DEFINE_GETTER(uint64_t, event, time_ms, &event_type, 0)
DEFINE_GETTER(int, event, old_state, &event_type, -1)
DEFINE_GETTER(int, event, new_state, &event_type, -1)

const char *lsm_event_object_id_get(lsm_event *event)
{
    if (!record_is(&event_type, event) || !event->object_id || !*event->object_id)
        return NULL; /* LSM_EVENT_LOST is about nothing in particular */
    return event->object_id;
}
