/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scope cleanup: what a function acquires it gives back where the scope ends, on every path.
 *
 *     autofree char *text = strdup(name);
 *     autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
 *     LOCKED(&queue->lock);           the mutex, until the scope ends
 *     *out = STEAL(text);             hands it on: the variable is NULL from then on
 *
 * A header with a create/destroy pair of its own makes its word with DEFINE_AUTO(), and users write
 * `AUTO(bitmap) struct bitmap *map = …`.
 */
#ifndef REPLICANT_UTIL_CLEANUP_H
#define REPLICANT_UTIL_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define autofree __attribute__((cleanup(cleanup_free)))
#define autoclose __attribute__((cleanup(cleanup_close)))

#define AUTO(noun) __attribute__((cleanup(cleanup_##noun)))
#define DEFINE_AUTO(noun, type, destroy)                                                           \
    static inline void cleanup_##noun(type *p)                                                     \
    {                                                                                              \
        destroy(*p);                                                                               \
    }

#define STEAL(pointer)                                                                             \
    __extension__({                                                                                \
        __auto_type stolen_ = (pointer);                                                           \
        (pointer) = NULL;                                                                          \
        stolen_;                                                                                   \
    })

#define CLEANUP_JOIN_(a, b) a##b
#define CLEANUP_JOIN(a, b) CLEANUP_JOIN_(a, b)
#define LOCKED(mutex)                                                                              \
    __attribute__((cleanup(cleanup_unlock), unused)) pthread_mutex_t *CLEANUP_JOIN(                \
        locked_, __LINE__) = cleanup_lock(mutex)

/* Takes the address of a pointer of any type. Keeps errno, as free() may not. */
static inline void cleanup_free(void *variable)
{
    int saved = errno;
    void *pointer;
    memcpy(&pointer, variable, sizeof pointer);
    free(pointer);
    errno = saved;
}

static inline void cleanup_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd);
    errno = saved;
}

static inline pthread_mutex_t *cleanup_lock(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    return mutex;
}

static inline void cleanup_unlock(pthread_mutex_t **mutex)
{
    pthread_mutex_unlock(*mutex);
}

#endif
