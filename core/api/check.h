/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks of arguments, as the contract has them. Each returns LSM_ERR_OK, or a code with an error
 * that names the argument and says what is wrong with it; TRY() passes that on.
 */
#ifndef REPLICANT_API_CHECK_H
#define REPLICANT_API_CHECK_H

#include <stdbool.h>
#include "conn.h"

#define TRY(check)                                                                                 \
    do {                                                                                           \
        int try_rc_ = (check);                                                                     \
        if (try_rc_ != LSM_ERR_OK)                                                                 \
            return try_rc_;                                                                        \
    } while (0)

/* An output that is a pointer: given, and pointing at NULL. One that is a number: given. */
#define CHECK_OUT(out) check_out(#out, (out) != NULL, (out) != NULL && *(out) == NULL)
#define CHECK_NUMBER_OUT(out) check_given(#out, (out) != NULL)
#define CHECK_RECORD(type, record) check_record((type), #record, (record))
#define CHECK_GIVEN(argument) check_given(#argument, (argument) != NULL)

/* Whether the backend has what `call` needs. */
#define CHECK_SUPPORT(conn, member, call)                                                          \
    check_support((conn)->ops, (conn)->ops->member != NULL, (call))

int check_out(const char *argument, bool given, bool empty);
int check_given(const char *argument, bool given);
int check_record(const struct record_type *type, const char *argument, const void *record);
int check_flags(lsm_flag flags, lsm_flag allowed);
int check_size(const char *argument, uint64_t bytes); /* not 0, and can be rounded up to 4 KiB */
int check_support(const struct backend_ops *ops, bool has, const char *call);
int check_replication_type(lsm_replication_type type);

/* A list's search; `keys` ends with NULL. No key: fine, whatever the value. */
int check_search(const char *const keys[], const char *key, const char *value);

/* NULL is an argument that is missing, the empty text one that names nothing. */
int check_job_id(const char *argument, const char *id);
int check_replication_id(const char *id);

int check_refuse(const char *argument, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* LSM_ERR_INVALID_ARGUMENT; "`argument` …" */

#endif
