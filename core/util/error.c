/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread's table of errors: one pending record and up to 64 kept ones, oldest first. The table
 * is in thread-local storage, so a call that succeeds costs one look at it; what it owns is freed
 * by a pthread_key destructor, which the first error of a thread arms. (The destructor disarms
 * itself, so that another library's destructor which calls us afterwards is cleaned up after, too.)
 *
 * Reporting must work without memory. A record comes from malloc, else from a small static reserve,
 * else it is `last_resort`, which is nobody's to free and says LSM_ERR_NO_MEMORY, and that is true
 * then. A text that cannot be copied becomes `no_text`.
 */
#include "error.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "utf8.h"

#define KEPT_MAX 64
#define MESSAGE_MAX 4096 /* bytes; a line that somebody is to read */

struct kept {
    uint64_t key;
    struct _lsm_error *error;
};

struct thread_errors {
    struct _lsm_error *pending;
    uint32_t kept_count;
    bool armed;
    struct kept kept[KEPT_MAX];
};

static __thread struct thread_errors mine;

/* --- records -----------------------------------------------------------------------------------
 */

static char no_text[] = "out of memory: the message could not be kept";
static char no_record[] = "out of memory: the error could not be kept";
static struct _lsm_error last_resort = {
    .magic = ERROR_MAGIC,
    .code = LSM_ERR_NO_MEMORY,
    .offset = ERROR_NO_OFFSET,
    .message = no_record,
};

static struct {
    atomic_flag taken;
    struct _lsm_error error;
} reserve[16];
#define RESERVE_COUNT (sizeof reserve / sizeof reserve[0])

static struct _lsm_error *record_alloc(void)
{
    struct _lsm_error *error = malloc(sizeof *error);
    for (size_t i = 0; !error && i < RESERVE_COUNT; i++)
        if (!atomic_flag_test_and_set(&reserve[i].taken))
            error = &reserve[i].error;
    return error;
}

static void record_free(struct _lsm_error *error)
{
    for (size_t i = 0; i < RESERVE_COUNT; i++) {
        if (error == &reserve[i].error) {
            atomic_flag_clear(&reserve[i].taken);
            return;
        }
    }
    free(error);
}

static char *text_copy(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    return copy || !text ? copy : no_text;
}

static void text_free(char *text)
{
    if (text != no_text)
        free(text);
}

/* Makes one line of UTF-8 of it, whatever a user's text brought in. */
static char *one_line(char *text)
{
    size_t at;
    for (char *rest = text; rest && utf8_check(rest, SIZE_MAX, &at) != UTF8_FINE; rest += at + 1)
        rest[at] = '?';
    return text;
}

struct _lsm_error *error_create(lsm_error_number code, const char *message)
{
    struct _lsm_error *error = record_alloc();
    if (!error)
        return &last_resort;
    *error = (struct _lsm_error){
        .magic = ERROR_MAGIC,
        .code = code,
        .offset = ERROR_NO_OFFSET,
        .message = text_copy(message),
    };
    return error;
}

void error_destroy(struct _lsm_error *error)
{
    if (!error || error == &last_resort)
        return;
    text_free(error->message);
    text_free(error->object);
    text_free(error->hint);
    text_free(error->exception);
    text_free(error->debug);
    free(error->debug_data);
    error->magic = 0;
    record_free(error);
}

/* --- the thread's table ------------------------------------------------------------------------
 */

static pthread_key_t thread_end;
static bool thread_end_made;

static void table_empty(struct thread_errors *table)
{
    error_destroy(table->pending);
    for (uint32_t i = 0; i < table->kept_count; i++)
        error_destroy(table->kept[i].error);
    table->pending = NULL;
    table->kept_count = 0;
}

static void thread_ended(void *table)
{
    ((struct thread_errors *)table)->armed = false;
    table_empty(table);
}

__attribute__((constructor)) static void loaded(void)
{
    thread_end_made = pthread_key_create(&thread_end, thread_ended) == 0;
}

/* No thread may find the way back to a destructor that dlclose() took away. */
__attribute__((destructor)) static void unloaded(void)
{
    if (thread_end_made)
        pthread_key_delete(thread_end);
    thread_end_made = false;
    table_empty(&mine);
}

static void arm(void)
{
    if (!mine.armed && thread_end_made)
        mine.armed = pthread_setspecific(thread_end, &mine) == 0;
}

/* --- the pending error -------------------------------------------------------------------------
 */

static void pending_set(struct _lsm_error *error)
{
    struct _lsm_error *before = mine.pending;
    arm();
    mine.pending = error;
    error_destroy(before); /* last: the new one's texts may have been made of the old one's */
}

static void report(lsm_error_number code, int sys_errno, const char *object, const char *format,
                   va_list args)
{
    char line[MESSAGE_MAX];
    int size = vsnprintf(line, sizeof line, format, args);
    if (size < 0)
        size = snprintf(line, sizeof line, "%s", format);
    if (sys_errno && (size_t)size < sizeof line) {
        char buffer[128];
        snprintf(line + size, sizeof line - (size_t)size, ": %s",
                 strerror_r(sys_errno, buffer, sizeof buffer));
    }
    struct _lsm_error *error = error_create(code, one_line(line));
    if (error != &last_resort) {
        error->sys_errno = sys_errno;
        error->object = one_line(text_copy(object));
    }
    pending_set(error);
}

int error_set(lsm_error_number code, const char *object, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(code, 0, object, format, args);
    va_end(args);
    return (int)code;
}

int error_set_errno(lsm_error_number code, int sys_errno, const char *object, const char *format,
                    ...)
{
    va_list args;
    if (sys_errno == ENOMEM)
        code = LSM_ERR_NO_MEMORY;
    va_start(args, format);
    report(code, sys_errno, object, format, args);
    va_end(args);
    return (int)code;
}

int error_no_memory(void)
{
    return error_set(LSM_ERR_NO_MEMORY, NULL, "out of memory");
}

static struct _lsm_error *changeable(void)
{
    return mine.pending == &last_resort ? NULL : mine.pending;
}

void error_hint(const char *format, ...)
{
    struct _lsm_error *error = changeable();
    char line[MESSAGE_MAX];
    va_list args;

    if (!error)
        return;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size < 0)
        return;
    char *before = error->hint;
    error->hint = text_copy(one_line(line));
    text_free(before);
}

void error_offset(uint64_t offset)
{
    if (changeable())
        mine.pending->offset = offset;
}

void error_retryable(void)
{
    if (changeable())
        mine.pending->retryable = 1;
}

lsm_error_number error_pending(void)
{
    return mine.pending ? mine.pending->code : LSM_ERR_OK;
}

int error_pending_errno(void)
{
    return mine.pending ? mine.pending->sys_errno : 0;
}

const char *error_pending_message(void)
{
    return mine.pending && mine.pending->message ? mine.pending->message : "";
}

struct _lsm_error *error_take(void)
{
    struct _lsm_error *error = mine.pending;
    mine.pending = NULL;
    return error;
}

void error_clear(void)
{
    if (mine.pending)
        pending_set(NULL);
}

void error_restore(struct _lsm_error *error)
{
    pending_set(error);
}

int error_repeat(const struct _lsm_error *error)
{
    struct _lsm_error *copy = error_create(error->code, error->message);
    if (copy != &last_resort) {
        copy->sys_errno = error->sys_errno;
        copy->offset = error->offset;
        copy->retryable = error->retryable;
        copy->object = text_copy(error->object);
        copy->hint = text_copy(error->hint);
    }
    pending_set(copy);
    return (int)error->code;
}

/* --- the kept ones -----------------------------------------------------------------------------
 */

struct _lsm_error *error_kept_take(uint64_t key)
{
    for (uint32_t i = 0; i < mine.kept_count; i++) {
        if (mine.kept[i].key == key) {
            struct _lsm_error *error = mine.kept[i].error;
            mine.kept_count--;
            memmove(mine.kept + i, mine.kept + i + 1, (mine.kept_count - i) * sizeof mine.kept[0]);
            return error;
        }
    }
    return NULL;
}

void error_kept_drop(uint64_t key)
{
    error_destroy(error_kept_take(key));
}

void error_keep(uint64_t key)
{
    struct _lsm_error *error = error_take();
    if (!error)
        return;
    error_kept_drop(key);
    if (mine.kept_count == KEPT_MAX)
        error_kept_drop(mine.kept[0].key);
    mine.kept[mine.kept_count++] = (struct kept){key, error};
}

void error_begin(uint64_t key)
{
    if (mine.pending)
        pending_set(NULL);
    if (mine.kept_count)
        error_kept_drop(key);
}
