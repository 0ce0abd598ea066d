/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error record as callers see it, and the way to it from a connection. These calls make no
 * errors, and asking for one works in a child of fork() too, since nothing here is shared.
 */
#include <stdlib.h>
#include <string.h>
#include "conn.h"

static bool error_is(const lsm_error *e)
{
    uint32_t magic;
    if (!e)
        return false;
    memcpy(&magic, e, sizeof magic);
    return magic == ERROR_MAGIC;
}

lsm_error_ptr lsm_error_last_get(lsm_connect *conn)
{
    return conn_is(conn) ? error_kept_take(conn->serial) : NULL;
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static bool copy_data(lsm_error *e, const void *data, uint32_t size)
{
    if (!data || size == 0)
        return true;
    e->debug_data = malloc(size);
    if (!e->debug_data)
        return false;
    memcpy(e->debug_data, data, size);
    e->debug_size = size;
    return true;
}

lsm_error_ptr lsm_error_create(lsm_error_number code, const char *msg, const char *exception,
                               const char *debug, const void *data, uint32_t size)
{
    lsm_error *e = error_create(code, NULL);
    if (e->code == code && copy_text(&e->message, msg) && copy_text(&e->exception, exception) &&
        copy_text(&e->debug, debug) && copy_data(e, data, size))
        return e;
    error_destroy(e);
    return NULL;
}

int lsm_error_free(lsm_error_ptr e)
{
    if (!error_is(e))
        return LSM_ERR_INVALID_ARGUMENT;
    error_destroy(e);
    return LSM_ERR_OK;
}

lsm_error_number lsm_error_number_get(lsm_error_ptr e)
{
    return error_is(e) ? e->code : (lsm_error_number)-1;
}

char *lsm_error_message_get(lsm_error_ptr e)
{
    return error_is(e) ? e->message : NULL;
}

char *lsm_error_exception_get(lsm_error_ptr e)
{
    return error_is(e) ? e->exception : NULL;
}

char *lsm_error_debug_get(lsm_error_ptr e)
{
    return error_is(e) ? e->debug : NULL;
}

void *lsm_error_debug_data_get(lsm_error_ptr e, uint32_t *size)
{
    if (!error_is(e) || !size)
        return NULL;
    *size = e->debug_size;
    return e->debug_data;
}

const char *lsm_error_object_get(lsm_error_ptr e)
{
    return error_is(e) ? e->object : NULL;
}

int lsm_error_errno_get(lsm_error_ptr e)
{
    return error_is(e) ? e->sys_errno : 0;
}

uint64_t lsm_error_offset_get(lsm_error_ptr e)
{
    return error_is(e) ? e->offset : ERROR_NO_OFFSET;
}

const char *lsm_error_hint_get(lsm_error_ptr e)
{
    return error_is(e) ? e->hint : NULL;
}

int lsm_error_retryable_get(lsm_error_ptr e)
{
    return error_is(e) ? e->retryable : 0;
}
