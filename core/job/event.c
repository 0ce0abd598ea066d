/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue is a ring under its own lock; the hub's lock guards only which queues there are. The
 * eventfd counts nothing: it is written when the first event arrives in an empty queue and read
 * when the last one is taken, both under the queue's lock, so it is readable exactly while one
 * waits.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "event.h"
#include "../record.h"
#include "../util/cleanup.h"
#include "../util/clock.h"
#include "../util/error.h"

#define QUEUE_LENGTH 4096

struct event {
    lsm_event_kind kind;
    int old_state, new_state;
    uint64_t sequence, time_ms;
    char object_id[ID_SIZE];
};

struct event_queue {
    pthread_mutex_t lock;
    int fd;
    uint32_t first, count, room;
    struct event *ring;
    struct event_queue *next; /* in its hub */
};

struct event_hub {
    pthread_mutex_t lock;
    uint64_t sequence;
    struct event_queue *queues;
};

struct event_hub *event_hub_create(void)
{
    struct event_hub *hub = calloc(1, sizeof *hub);
    if (!hub) {
        error_no_memory();
        return NULL;
    }
    pthread_mutex_init(&hub->lock, NULL);
    return hub;
}

void event_hub_destroy(struct event_hub *hub)
{
    if (!hub)
        return;
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

void event_hub_add(struct event_hub *hub, struct event_queue *queue)
{
    LOCKED(&hub->lock);
    queue->next = hub->queues;
    hub->queues = queue;
}

void event_hub_remove(struct event_hub *hub, struct event_queue *queue)
{
    LOCKED(&hub->lock);
    struct event_queue **link = &hub->queues;
    while (*link && *link != queue)
        link = &(*link)->next;
    if (*link)
        *link = queue->next;
}

static bool grow(struct event_queue *queue)
{
    uint32_t room = queue->room ? 2 * queue->room : 16;
    if (room > QUEUE_LENGTH)
        return false;
    struct event *ring = malloc(room * sizeof *ring);
    if (!ring)
        return false;
    for (uint32_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) % queue->room];
    free(queue->ring);
    queue->ring = ring;
    queue->room = room;
    queue->first = 0;
    return true;
}

static void set_readable(struct event_queue *queue)
{
    uint64_t one = 1;
    while (write(queue->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void set_empty(struct event_queue *queue)
{
    uint64_t value;
    while (read(queue->fd, &value, sizeof value) < 0 && errno == EINTR)
        ;
}

static void put(struct event_queue *queue, const struct event *event)
{
    LOCKED(&queue->lock);
    if (queue->count == queue->room && !grow(queue)) {
        if (!queue->room)
            return; /* not even memory to say that something was lost */
        queue->first = 0;
        queue->count = 1;
        queue->ring[0] = *event;
        queue->ring[0].kind = LSM_EVENT_LOST;
        queue->ring[0].old_state = queue->ring[0].new_state = -1;
        queue->ring[0].object_id[0] = '\0';
        return;
    }
    if (queue->count == 0)
        set_readable(queue);
    queue->ring[(queue->first + queue->count++) % queue->room] = *event;
}

void event_publish(struct event_hub *hub, lsm_event_kind kind, const char *object_id, int old_state,
                   int new_state)
{
    LOCKED(&hub->lock);
    struct event event = {.kind = kind,
                          .old_state = old_state,
                          .new_state = new_state,
                          .sequence = ++hub->sequence,
                          .time_ms = clock_ms()};
    strncpy(event.object_id, object_id, ID_SIZE - 1);
    for (struct event_queue *queue = hub->queues; queue; queue = queue->next)
        put(queue, &event);
}

struct event_queue *event_queue_create(void)
{
    struct event_queue *queue = calloc(1, sizeof *queue);
    if (!queue) {
        error_no_memory();
        return NULL;
    }
    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->fd < 0) {
        error_set_errno(LSM_ERR_IO, errno, NULL, "cannot make a descriptor for events");
        free(queue);
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void event_queue_destroy(struct event_queue *queue)
{
    if (!queue)
        return;
    close(queue->fd);
    pthread_mutex_destroy(&queue->lock);
    free(queue->ring);
    free(queue);
}

int event_queue_fd(const struct event_queue *queue)
{
    return queue->fd;
}

int event_queue_next(struct event_queue *queue, lsm_event **event)
{
    *event = NULL;
    LOCKED(&queue->lock);
    if (queue->count == 0)
        return LSM_ERR_OK;
    const struct event *from = &queue->ring[queue->first];
    lsm_event *record = record_create(&event_type);
    if (!record)
        return LSM_ERR_NO_MEMORY;
    if (record_text(&record->object_id, from->object_id) != LSM_ERR_OK) {
        record_destroy(&event_type, record);
        return LSM_ERR_NO_MEMORY;
    }
    record->kind = from->kind;
    record->old_state = from->old_state;
    record->new_state = from->new_state;
    record->sequence = from->sequence;
    record->time_ms = from->time_ms;
    queue->first = (queue->first + 1) % queue->room;
    if (--queue->count == 0)
        set_empty(queue);
    *event = record;
    return LSM_ERR_OK;
}
