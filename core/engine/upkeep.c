/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "upkeep.h"
#include "../util/cleanup.h"

#define LATER_NS 250000000

struct upkeep {
    bool (*round)(void *argument);
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool asked, stopping, running;
    pthread_t thread;
};

struct upkeep *upkeep_create(bool (*round)(void *argument), void *argument)
{
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (!upkeep)
        return NULL;
    upkeep->round = round;
    upkeep->argument = argument;
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_cond_init(&upkeep->wake, NULL);
    return upkeep;
}

/* False: woken, and to look again. True: it is time for what was put off. */
static bool wait_for_work(struct upkeep *upkeep, bool later)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += LATER_NS;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    if (later)
        return pthread_cond_timedwait(&upkeep->wake, &upkeep->lock, &soon) == ETIMEDOUT;
    pthread_cond_wait(&upkeep->wake, &upkeep->lock);
    return false;
}

static void *work(void *argument)
{
    struct upkeep *upkeep = argument;
    bool later = false;
    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->stopping) {
        if (!upkeep->asked && !wait_for_work(upkeep, later))
            continue;
        upkeep->asked = false;
        pthread_mutex_unlock(&upkeep->lock);
        later = upkeep->round(upkeep->argument);
        pthread_mutex_lock(&upkeep->lock);
    }
    pthread_mutex_unlock(&upkeep->lock);
    return NULL;
}

void upkeep_wake(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    LOCKED(&upkeep->lock);
    upkeep->asked = true;
    if (!upkeep->running && !upkeep->stopping)
        upkeep->running = pthread_create(&upkeep->thread, NULL, work, upkeep) == 0;
    pthread_cond_signal(&upkeep->wake);
}

void upkeep_destroy(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    pthread_mutex_lock(&upkeep->lock);
    upkeep->stopping = true;
    pthread_cond_signal(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
    if (upkeep->running)
        pthread_join(upkeep->thread, NULL);
    pthread_cond_destroy(&upkeep->wake);
    pthread_mutex_destroy(&upkeep->lock);
    free(upkeep);
}
