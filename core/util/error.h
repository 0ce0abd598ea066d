/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error of the call that runs on this thread.
 *
 * Whoever sees a failure says so once, with error_set(), and returns the code; everybody above
 * passes the code on unchanged. The record waits as this thread's *pending* error until the API,
 * on the way out of the call, keeps it under the key of the connection (error_keep), where
 * lsm_error_last_get() finds it. So nothing below the API knows of connections, and nothing
 * above has to lock: all of it is thread-local.
 */
#ifndef REPLICANT_UTIL_ERROR_H
#define REPLICANT_UTIL_ERROR_H

#include <replicant/types.h>
#include <replicant/error.h>

#define ERROR_MAGIC 0x4c455252u
#define ERROR_NO_OFFSET UINT64_MAX

struct _lsm_error {
    uint32_t magic;
    lsm_error_number code;
    int sys_errno;   /* 0: none */
    uint64_t offset; /* ERROR_NO_OFFSET: none */
    int retryable;
    char *message; /* one impersonal line that names the thing */
    char *object;  /* which volume, pool, job, path; NULL: none */
    char *hint;    /* what the caller can do; NULL: none */
    char *exception;
    char *debug;
    void *debug_data;
    uint32_t debug_size;
};

/* Replaces this thread's pending error; returns `code`. `object` may be NULL. Never fails: without
 * memory the record keeps the code and a message of static text. */
int error_set(lsm_error_number code, const char *object, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with an errno, whose text is added to the message. Returns the code: ENOMEM's is
 * LSM_ERR_NO_MEMORY, whatever was asked for. */
int error_set_errno(lsm_error_number code, int sys_errno, const char *object, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));

int error_no_memory(void); /* error_set(LSM_ERR_NO_MEMORY, …) */

/* Add to the pending error; they do nothing where there is none. */
void error_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
void error_offset(uint64_t offset);
void error_retryable(void);

/* The pending error's code, or LSM_ERR_OK. */
lsm_error_number error_pending(void);
int error_pending_errno(void); /* 0: none */
const char *error_pending_message(void); /* lives until the next error_set; "" without one */

/* Take the pending error (NULL: none; the caller owns it), drop it, or put one back (the thread
 * owns it again): for work that must go on between a failure and its report. */
struct _lsm_error *error_take(void);
void error_clear(void);
void error_restore(struct _lsm_error *error);

/* Sets a copy of `error`, which stays its owner's, as the pending one; returns its code. */
int error_repeat(const struct _lsm_error *error);

/* Last errors by key (a connection's serial number, never reused). Keeping replaces the one before;
 * a thread remembers the newest 64. */
void error_keep(uint64_t key);                    /* the pending one moves under `key` */
struct _lsm_error *error_kept_take(uint64_t key); /* NULL: none; the caller owns it */
void error_kept_drop(uint64_t key);
void error_begin(uint64_t key); /* a call begins: nothing pending, nothing kept under `key` */

struct _lsm_error *error_create(lsm_error_number code, const char *message);
void error_destroy(struct _lsm_error *error); /* NULL is fine */

#endif
