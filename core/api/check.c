/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every check that more than one noun needs. The error's object is the argument's name. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROUNDED_TO 4096u

int check_refuse(const char *argument, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(LSM_ERR_INVALID_ARGUMENT, argument, "`%s` %s", argument, what);
}

int check_given(const char *argument, bool given)
{
    return given ? LSM_ERR_OK : check_refuse(argument, "is NULL");
}

int check_out(const char *argument, bool given, bool empty)
{
    TRY(check_given(argument, given));
    return empty ? LSM_ERR_OK
                 : check_refuse(argument, "does not point at NULL: it may hold an earlier result");
}

int check_record(const struct record_type *type, const char *argument, const void *record)
{
    TRY(check_given(argument, record != NULL));
    return record_is(type, record) ? LSM_ERR_OK
                                   : check_refuse(argument, "is no record of its type");
}

int check_flags(lsm_flag flags, lsm_flag allowed)
{
    lsm_flag unknown = flags & ~allowed;
    return unknown ? check_refuse("flags", "has bits that the call does not define: 0x%" PRIx64,
                                  unknown)
                   : LSM_ERR_OK;
}

int check_size(const char *argument, uint64_t bytes)
{
    if (bytes == 0)
        return check_refuse(argument, "is 0");
    if (bytes > UINT64_MAX - (ROUNDED_TO - 1))
        return check_refuse(argument, "is too large: %" PRIu64 " bytes", bytes);
    return LSM_ERR_OK;
}

int check_support(const struct backend_ops *ops, bool has, const char *call)
{
    if (has)
        return LSM_ERR_OK;
    return error_set(LSM_ERR_NO_SUPPORT, ops->scheme, "the backend \"%s\" has no %s", ops->scheme,
                     call);
}

int check_replication_type(lsm_replication_type type)
{
    switch (type) {
    case LSM_VOLUME_REPLICATE_CLONE:
    case LSM_VOLUME_REPLICATE_COPY:
    case LSM_VOLUME_REPLICATE_MIRROR_SYNC:
    case LSM_VOLUME_REPLICATE_MIRROR_ASYNC: return LSM_ERR_OK;
    case LSM_VOLUME_REPLICATE_UNKNOWN: break;
    }
    return check_refuse("rep_type", "is no type of replication: %d", (int)type);
}

static int refuse_key(const char *const keys[], const char *key)
{
    char list[256] = "";
    for (int i = 0; keys[i]; i++) {
        size_t size = strlen(list);
        snprintf(list + size, sizeof list - size, "%s%s", i ? ", " : "", keys[i]);
    }
    error_set(LSM_ERR_UNSUPPORTED_SEARCH_KEY, "key", "no search key \"%s\"", key);
    error_hint("keys of this list: %s", list);
    return LSM_ERR_UNSUPPORTED_SEARCH_KEY;
}

int check_search(const char *const keys[], const char *key, const char *value)
{
    if (!key)
        return LSM_ERR_OK;
    if (!value)
        return check_refuse("value", "is NULL, and `key` is not");
    for (int i = 0; keys[i]; i++)
        if (strcmp(keys[i], key) == 0)
            return LSM_ERR_OK;
    return refuse_key(keys, key);
}

int check_job_id(const char *argument, const char *id)
{
    TRY(check_given(argument, id != NULL));
    return *id ? LSM_ERR_OK : error_set(LSM_ERR_NOT_FOUND_JOB, argument, "no job has an empty id");
}

int check_replication_id(const char *id)
{
    TRY(CHECK_GIVEN(id));
    return *id ? LSM_ERR_OK
               : error_set(LSM_ERR_NOT_FOUND_REPLICATION, "id", "no replication has an empty id");
}
