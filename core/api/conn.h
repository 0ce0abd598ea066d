/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection, and the one way into and out of a call on it.
 *
 *     int lsm_noun_verb(lsm_connect *conn, …)
 *     {
 *         return CALL(conn, noun_verb(conn, …));
 *     }
 *
 * CALL refuses what is no connection, or another process's, or closed; drops this thread's last
 * error; counts the call in; runs the body; keeps the error that the body set; counts it out. So a
 * body only checks its arguments (check.h) and hands down.
 *
 * `calls` is the count of bodies that run, with CONN_CLOSING added once lsm_connect_close() has
 * begun. While that bit is clear a call enters and leaves with one atomic operation each; the last
 * ones to leave a closing connection wake the closer under `lock`. The memory is counted apart,
 * by `references` (the owner's, and one for each event queue), so that a queue always finds the
 * lock by which it and the closer agree who ends the subscription.
 */
#ifndef REPLICANT_API_CONN_H
#define REPLICANT_API_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <replicant/replicant.h>
#include "../backend.h"
#include "../util/error.h"

struct _lsm_connect {
    uint32_t magic;
    uint32_t generation; /* fork_generation when it was opened */
    uint64_t serial;     /* the key of its errors; never used again */
    const struct backend_ops *ops;
    void *b;
    _Atomic uint32_t timeout_ms;
    _Atomic uint32_t calls;
    _Atomic uint32_t references;
    pthread_mutex_t lock; /* queues, their `attached`, and the end of the last call */
    pthread_cond_t idle;
    struct _lsm_event_queue *queues;
};

#define CALL(conn, body)                                                                           \
    (conn_enter(conn) == LSM_ERR_OK ? conn_leave((conn), (body)) : LSM_ERR_INVALID_ARGUMENT)

int conn_enter(lsm_connect *conn);
int conn_leave(lsm_connect *conn, int rc); /* returns rc */

bool conn_is(const lsm_connect *conn);
bool conn_is_closing(lsm_connect *conn); /* for a body that waits */

/* A new connection's state around what a backend opened; NULL without memory (the error is set). */
lsm_connect *conn_create(const struct backend_ops *ops, uint32_t timeout_ms);
void conn_reference(lsm_connect *conn);
void conn_release(lsm_connect *conn); /* frees with the last reference; the backend is closed */

/* Ends a call for every kind of handle: on failure this thread's pending error is kept under
 * `serial`, and made where the backend gave none; on success it is dropped. Returns rc. */
int call_settle(uint64_t serial, int rc);

/* Sets and keeps the error for a handle that fork() has copied into this process. */
int call_refuse_forked(uint64_t serial, const char *handle);

/* event.c: the connection's queues go silent. Called when no call is inside. */
void event_queues_detach(lsm_connect *conn);

#endif
