/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A few threads that do one half of a call beside the thread that does the other. They are made
 * when they are first wanted, and there is no queue: who finds all of them busy does both himself.
 *
 * To wake one costs more than a short errand. Those are for the *watcher*: a helper that looks out
 * for the next one, without sleep, for a few microseconds after the last. Where they do not come
 * one right after the other there is none, and the caller does both.
 */
#ifndef REPLICANT_ENGINE_HELPERS_H
#define REPLICANT_ENGINE_HELPERS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

/* And no more than there are processors: where these are short more of them help no writer, and
 * cost every one. */
#define HELPERS 8

/* The first member of what it is about; stays where it is until it has ended. */
struct errand {
    int (*run)(struct errand *errand);
    int result;
    bool watched; /* the watcher has it, or may take it */
    atomic_bool over;
    sem_t done;
    struct errand *next;
};

struct helpers {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct errand *waiting; /* for a helper that is awake but not yet here */
    unsigned idle, made, most;
    bool stop, poked; /* one is to watch */
    atomic_bool watching;
    atomic_uint missed; /* short errands for which nobody watched */
    _Atomic(struct errand *) offered;
    pthread_t threads[HELPERS];
};

void helpers_init(struct helpers *helpers);
void helpers_finish(struct helpers *helpers); /* nothing is under way */

/* Whether somebody has taken it on; then helpers_end() must follow. */
bool helpers_begin(struct helpers *helpers, struct errand *errand);
/* The same for a short errand. */
bool helpers_offer(struct helpers *helpers, struct errand *errand);
/* Its result. What no helper has come to yet is done here. */
int helpers_end(struct helpers *helpers, struct errand *errand);

#endif
