/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening, closing, and the way in and out of every call (conn.h).
 *
 * Closing is a meeting of three: calls under way, which leave in their own time; a closer, which
 * waits for them; and event queues, which live on. The closer sets CONN_CLOSING first, so nothing
 * new gets in, and touches the backend only when it is alone.
 */
#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../util/cleanup.h"
#include "../util/fork.h"
#include "../util/uri.h"
#include "check.h"

#define CONN_MAGIC 0x4c434f4eu
#define CONN_CLOSING 0x80000000u /* in `calls` */

/* --- into and out of a call --------------------------------------------------------------------
 */

bool conn_is(const lsm_connect *conn)
{
    uint32_t magic;
    if (!conn)
        return false;
    memcpy(&magic, conn, sizeof magic);
    return magic == CONN_MAGIC;
}

bool conn_is_closing(lsm_connect *conn)
{
    return atomic_load(&conn->calls) & CONN_CLOSING;
}

int call_settle(uint64_t serial, int rc)
{
    if (rc == LSM_ERR_OK || rc == LSM_ERR_JOB_STARTED) {
        error_clear();
        return rc;
    }
    if (error_pending() == LSM_ERR_OK)
        error_set((lsm_error_number)rc, NULL, "the backend gives no reason");
    error_keep(serial);
    return rc;
}

int call_refuse_forked(uint64_t serial, const char *handle)
{
    error_set(LSM_ERR_INVALID_ARGUMENT, handle,
              "the %s belongs to the process that opened it, and this one is its child", handle);
    error_hint("connect anew after fork()");
    return call_settle(serial, LSM_ERR_INVALID_ARGUMENT);
}

/* The last one out of a closing connection may find it freed as soon as it lets go of the lock, and
 * not before: the closer needs the lock to see that it is alone. */
static void count_out(lsm_connect *conn)
{
    uint32_t calls = atomic_load(&conn->calls);
    while (!(calls & CONN_CLOSING))
        if (atomic_compare_exchange_weak(&conn->calls, &calls, calls - 1))
            return;
    pthread_mutex_lock(&conn->lock);
    atomic_fetch_sub(&conn->calls, 1);
    pthread_cond_broadcast(&conn->idle);
    pthread_mutex_unlock(&conn->lock);
}

int conn_enter(lsm_connect *conn)
{
    if (!conn_is(conn))
        return LSM_ERR_INVALID_ARGUMENT;
    error_begin(conn->serial);
    if (conn->generation != fork_generation)
        return call_refuse_forked(conn->serial, "connection");
    if (atomic_fetch_add(&conn->calls, 1) & CONN_CLOSING) {
        error_set(LSM_ERR_INVALID_ARGUMENT, "connection", "the connection is being closed");
        return conn_leave(conn, LSM_ERR_INVALID_ARGUMENT);
    }
    return LSM_ERR_OK;
}

int conn_leave(lsm_connect *conn, int rc)
{
    call_settle(conn->serial, rc);
    count_out(conn);
    return rc;
}

/* --- a connection's memory ---------------------------------------------------------------------
 */

lsm_connect *conn_create(const struct backend_ops *ops, uint32_t timeout_ms)
{
    static _Atomic uint64_t serials;
    lsm_connect *conn = calloc(1, sizeof *conn);

    if (!conn) {
        error_no_memory();
        return NULL;
    }
    conn->magic = CONN_MAGIC;
    conn->generation = fork_generation;
    conn->serial = atomic_fetch_add(&serials, 1) + 1;
    conn->ops = ops;
    conn->timeout_ms = timeout_ms;
    conn->references = 1;
    pthread_mutex_init(&conn->lock, NULL);
    pthread_cond_init(&conn->idle, NULL);
    return conn;
}

void conn_reference(lsm_connect *conn)
{
    atomic_fetch_add(&conn->references, 1);
}

void conn_release(lsm_connect *conn)
{
    if (atomic_fetch_sub(&conn->references, 1) != 1)
        return;
    pthread_cond_destroy(&conn->idle);
    pthread_mutex_destroy(&conn->lock);
    free(conn);
}

/* --- opening -----------------------------------------------------------------------------------
 */

static int refuse_scheme(const char *scheme)
{
    char list[256] = "";
    const struct backend_ops *ops;
    for (uint32_t i = 0; (ops = backend_at(i)); i++) {
        size_t size = strlen(list);
        snprintf(list + size, sizeof list - size, "%s%s", i ? ", " : "", ops->scheme);
    }
    error_set(LSM_ERR_PLUGIN_NOT_EXIST, scheme,
              "no backend for the scheme \"%.64s\"; there are: %s", scheme, list);
    error_hint("begin the URI with one of: %s", list);
    return LSM_ERR_PLUGIN_NOT_EXIST;
}

static int open_backend(const struct uri *uri, const char *password, uint32_t timeout_ms,
                        lsm_connect **conn)
{
    const struct backend_ops *ops = backend_find(uri->scheme);
    if (!ops)
        return refuse_scheme(uri->scheme);
    lsm_connect *made = conn_create(ops, timeout_ms);
    if (!made)
        return LSM_ERR_NO_MEMORY;
    int rc = ops->open(uri, password, timeout_ms, &made->b);
    if (rc == LSM_ERR_OK)
        *conn = made;
    else
        conn_release(made);
    return rc;
}

static int connect_password(const char *uri, const char *password, lsm_connect **conn,
                            uint32_t timeout_ms, lsm_flag flags)
{
    AUTO(uri) struct uri *parsed = NULL;

    TRY(CHECK_GIVEN(uri));
    if (!*uri)
        return check_refuse("uri", "is empty");
    TRY(CHECK_OUT(conn));
    if (timeout_ms == 0)
        return check_refuse("timeout_ms", "is 0");
    TRY(check_flags(flags, 0));
    TRY(uri_parse(uri, &parsed));
    return open_backend(parsed, password, timeout_ms, conn);
}

int lsm_connect_password(const char *uri, const char *password, lsm_connect **conn,
                         uint32_t timeout_ms, lsm_error_ptr *e, lsm_flag flags)
{
    if (!e || *e)
        return LSM_ERR_INVALID_ARGUMENT;
    error_clear();
    int rc = connect_password(uri, password, conn, timeout_ms, flags);
    if (rc == LSM_ERR_OK)
        error_clear();
    else if (!(*e = error_take()))
        *e = error_create((lsm_error_number)rc, "the backend gives no reason");
    return rc;
}

/* --- closing -----------------------------------------------------------------------------------
 */

/* One closer sets the bit; a second one has lost. */
static bool begin_closing(lsm_connect *conn)
{
    return !(atomic_fetch_or(&conn->calls, CONN_CLOSING) & CONN_CLOSING);
}

static void wait_until_alone(lsm_connect *conn)
{
    LOCKED(&conn->lock);
    while (atomic_load(&conn->calls) & ~CONN_CLOSING)
        pthread_cond_wait(&conn->idle, &conn->lock);
}

static int check_close(lsm_connect *conn, lsm_flag flags)
{
    TRY(check_flags(flags, 0));
    if (!begin_closing(conn))
        return check_refuse("conn", "is being closed already");
    return LSM_ERR_OK;
}

int lsm_connect_close(lsm_connect *conn, lsm_flag flags)
{
    int rc = CALL(conn, check_close(conn, flags));
    if (rc != LSM_ERR_OK)
        return rc;
    wait_until_alone(conn);
    event_queues_detach(conn);
    conn->ops->close(conn->b);
    conn->b = NULL;
    conn->magic = 0;
    conn_release(conn);
    return LSM_ERR_OK;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static int timeout_set(lsm_connect *conn, uint32_t timeout_ms, lsm_flag flags)
{
    if (timeout_ms == 0)
        return check_refuse("timeout_ms", "is 0");
    TRY(check_flags(flags, 0));
    conn->timeout_ms = timeout_ms;
    if (conn->ops->timeout_set)
        conn->ops->timeout_set(conn->b, timeout_ms);
    return LSM_ERR_OK;
}

int lsm_connect_timeout_set(lsm_connect *conn, uint32_t timeout_ms, lsm_flag flags)
{
    return CALL(conn, timeout_set(conn, timeout_ms, flags));
}

static int timeout_get(lsm_connect *conn, uint32_t *timeout_ms, lsm_flag flags)
{
    TRY(CHECK_NUMBER_OUT(timeout_ms));
    TRY(check_flags(flags, 0));
    *timeout_ms = conn->timeout_ms;
    return LSM_ERR_OK;
}

int lsm_connect_timeout_get(lsm_connect *conn, uint32_t *timeout_ms, lsm_flag flags)
{
    return CALL(conn, timeout_get(conn, timeout_ms, flags));
}

static int built_in_info(const struct backend_ops *ops, char **desc, char **version)
{
    autofree char *description = strdup(ops->description);
    autofree char *own_version = strdup(lsm_library_version_get());
    if (!description || !own_version)
        return error_no_memory();
    *desc = STEAL(description);
    *version = STEAL(own_version);
    return LSM_ERR_OK;
}

static int plugin_info(lsm_connect *conn, char **desc, char **version, lsm_flag flags)
{
    TRY(CHECK_OUT(desc));
    TRY(CHECK_OUT(version));
    TRY(check_flags(flags, 0));
    return conn->ops->plugin_info ? conn->ops->plugin_info(conn->b, desc, version)
                                  : built_in_info(conn->ops, desc, version);
}

int lsm_plugin_info_get(lsm_connect *conn, char **desc, char **version, lsm_flag flags)
{
    return CALL(conn, plugin_info(conn, desc, version, flags));
}

static int append_backend(lsm_string_list *list, const struct backend_ops *ops, const char *sep)
{
    autofree char *element = NULL;
    if (asprintf(&element, "%s%s%s", ops->description, sep, lsm_library_version_get()) < 0) {
        element = NULL;
        return LSM_ERR_NO_MEMORY;
    }
    return lsm_string_list_append(list, element);
}

int lsm_available_plugins_list(const char *sep, lsm_string_list **plugins, lsm_flag flags)
{
    const struct backend_ops *ops;
    int rc = LSM_ERR_OK;

    if (!sep || !*sep || !plugins || *plugins || flags)
        return LSM_ERR_INVALID_ARGUMENT;
    lsm_string_list *list = lsm_string_list_alloc(0);
    if (!list)
        return LSM_ERR_NO_MEMORY;
    for (uint32_t i = 0; rc == LSM_ERR_OK && (ops = backend_at(i)); i++)
        rc = append_backend(list, ops, sep);
    if (rc == LSM_ERR_OK)
        *plugins = list;
    else
        lsm_string_list_free(list);
    return rc;
}

const char *lsm_library_version_get(void)
{
    return REPLICANT_VERSION;
}
