/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: one hub a root, any number of queues. A queue is bounded; when it overflows it drops what
 * it has and says so with one LSM_EVENT_LOST. Its descriptor (an eventfd) is readable exactly while
 * an event waits. Every function here may be called from any thread.
 */
#ifndef REPLICANT_JOB_EVENT_H
#define REPLICANT_JOB_EVENT_H

#include <replicant/types.h>

struct event_hub;
struct event_queue;

struct event_hub *event_hub_create(void); /* NULL: the error is set */
void event_hub_destroy(struct event_hub *hub);
void event_publish(struct event_hub *hub, lsm_event_kind kind, const char *object_id, int old_state,
                   int new_state);
void event_hub_add(struct event_hub *hub, struct event_queue *queue);
void event_hub_remove(struct event_hub *hub, struct event_queue *queue);

struct event_queue *event_queue_create(void); /* NULL: the error is set */
void event_queue_destroy(struct event_queue *queue);
int event_queue_fd(const struct event_queue *queue);
int event_queue_next(struct event_queue *queue, lsm_event **event); /* NULL: none waits */

#endif
