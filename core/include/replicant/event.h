/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: what happens, told without polling and without callbacks.
 *
 * A queue has a file descriptor that is readable while an event waits, so it fits epoll, asyncio,
 * Go's netpoller and GLib. Any number of queues may listen, each gets every event from its opening
 * on, and each is bounded: when one overflows, what it has lost is replaced by one
 * LSM_EVENT_LOST, and its listener reads the lists again.
 *
 * The calls on a queue leave their errors with the connection that opened it. When that is closed
 * the queue goes silent: it still hands out what waits, gets nothing new, and still needs its own
 * close. One queue may be used by several threads; each event goes to one of them.
 */
#ifndef REPLICANT_EVENT_H
#define REPLICANT_EVENT_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Queues ----------------------------------------------------------------------------------- */

/**
 * Begins to listen. A program that lists first and listens afterwards misses what happened in
 * between; it should do it the other way round.
 *
 * @param queue becomes the queue, which the caller ends with lsm_event_queue_close()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NO_SUPPORT, LSM_ERR_NO_MEMORY, or
 *         LSM_ERR_IO (no descriptor to be had).
 * @since 0.1.0
 */
LSM_API int lsm_event_queue_open(lsm_connect *conn, lsm_event_queue **queue, lsm_flag flags);

/**
 * Stops listening and frees the queue, with the events that wait in it and with its descriptor. No
 * other thread may be using the queue.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if queue is no queue (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_event_queue_close(lsm_event_queue *queue);

/**
 * Tells the descriptor that is readable while an event waits.
 *
 * It belongs to the queue: the caller neither reads nor closes it, but may duplicate it. It is
 * close-on-exec.
 *
 * @param fd becomes the descriptor
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_event_queue_fd_get(lsm_event_queue *queue, int *fd);

/**
 * Takes the oldest event that waits. It never blocks.
 *
 * @param event becomes the event's record, the caller's to free with lsm_event_record_free(); it
 *              stays NULL when none waits
 * @return LSM_ERR_OK (also when none waits), LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_event_next(lsm_event_queue *queue, lsm_event **event);

/* --- Records ---------------------------------------------------------------------------------- */

/**
 * Copies a record.
 *
 * @return the copy, the caller's to free with lsm_event_record_free(); NULL if event is no event
 *         record, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_event *lsm_event_record_copy(lsm_event *event);

/**
 * Frees a record.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if event is no event record (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_event_record_free(lsm_event *event);

/**
 * Frees an array of records, and the records in it. Elements that are NULL are skipped.
 *
 * @param count how many it has
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if events is NULL.
 * @since 0.1.0
 */
LSM_API int lsm_event_record_array_free(lsm_event *events[], uint32_t count);

/**
 * What the event tells.
 *
 * @return the kind; 0 if event is no event record.
 * @since 0.1.0
 */
LSM_API lsm_event_kind lsm_event_kind_get(lsm_event *event);

/**
 * The event's place in its queue: each is greater than the one before. A gap is not a loss; only
 * LSM_EVENT_LOST is.
 *
 * @return the number; 0 if event is no event record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_event_sequence_get(lsm_event *event);

/**
 * When it happened.
 *
 * @return milliseconds since the beginning of 1970, UTC; 0 if event is no event record.
 * @since 0.1.0
 */
LSM_API uint64_t lsm_event_time_ms_get(lsm_event *event);

/**
 * What it happened to.
 *
 * @return the id of the job, the replication or the volume, which lives as long as the record; NULL
 *         for LSM_EVENT_LOST, or if event is no event record.
 * @since 0.1.0
 */
LSM_API const char *lsm_event_object_id_get(lsm_event *event);

/**
 * The state before.
 *
 * @return an lsm_job_state or an lsm_replication_state, as the kind has it; -1 (UNKNOWN) where
 *         there was none, for kinds without states, or if event is no event record.
 * @since 0.1.0
 */
LSM_API int lsm_event_old_state_get(lsm_event *event);

/**
 * The state afterwards.
 *
 * @return an lsm_job_state or an lsm_replication_state, as the kind has it; -1 (UNKNOWN) for kinds
 *         without states, or if event is no event record.
 * @since 0.1.0
 */
LSM_API int lsm_event_new_state_get(lsm_event *event);

#ifdef __cplusplus
}
#endif

#endif
