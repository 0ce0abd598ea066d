/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "helpers.h"
#include "../util/cleanup.h"

void helpers_init(struct helpers *helpers)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *helpers = (struct helpers){
        .most = processors > 0 && processors < HELPERS ? (unsigned)processors : HELPERS};
    pthread_mutex_init(&helpers->lock, NULL);
    pthread_cond_init(&helpers->asked, NULL);
}

void helpers_finish(struct helpers *helpers)
{
    pthread_mutex_lock(&helpers->lock);
    helpers->stop = true;
    pthread_cond_broadcast(&helpers->asked);
    pthread_mutex_unlock(&helpers->lock);
    for (unsigned i = 0; i < helpers->made; i++)
        pthread_join(helpers->threads[i], NULL);
    pthread_cond_destroy(&helpers->asked);
    pthread_mutex_destroy(&helpers->lock);
}

static void run(struct helpers *helpers, struct errand *errand)
{
    pthread_mutex_unlock(&helpers->lock);
    errand->result = errand->run(errand);
    pthread_mutex_lock(&helpers->lock);
    helpers->idle++; /* before its caller goes on, who may have the next one at once */
    sem_post(&errand->done);
}

static void *help(void *argument)
{
    struct helpers *helpers = argument;
    LOCKED(&helpers->lock);
    while (!helpers->stop) {
        struct errand *errand = helpers->waiting;
        if (errand) {
            helpers->waiting = errand->next;
            run(helpers, errand);
        } else {
            pthread_cond_wait(&helpers->asked, &helpers->lock);
        }
    }
    return NULL;
}

static bool somebody(struct helpers *helpers)
{
    if (!helpers->idle && helpers->made < helpers->most &&
        pthread_create(&helpers->threads[helpers->made], NULL, help, helpers) == 0) {
        helpers->made++;
        helpers->idle++;
    }
    return helpers->idle > 0;
}

bool helpers_begin(struct helpers *helpers, struct errand *errand)
{
    LOCKED(&helpers->lock);
    if (!somebody(helpers))
        return false;
    sem_init(&errand->done, 0, 0);
    helpers->idle--;
    errand->next = helpers->waiting;
    helpers->waiting = errand;
    pthread_cond_signal(&helpers->asked);
    return true;
}

static bool take_back(struct helpers *helpers, struct errand *errand)
{
    LOCKED(&helpers->lock);
    struct errand **link = &helpers->waiting;
    while (*link && *link != errand)
        link = &(*link)->next;
    if (!*link)
        return false;
    *link = errand->next;
    helpers->idle++;
    return true;
}

int helpers_end(struct helpers *helpers, struct errand *errand)
{
    if (take_back(helpers, errand))
        errand->result = errand->run(errand);
    else
        while (sem_wait(&errand->done) != 0) /* a signal */
            ;
    sem_destroy(&errand->done);
    return errand->result;
}
