/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sched.h>
#include <unistd.h>

#include "helpers.h"
#include "../util/cleanup.h"
#include "../util/clock.h"

#define WATCH_NS 5000 /* after the last errand */
#define LOOKS 64      /* between two looks at the clock */
#define PATIENCE 4096 /* of a caller, before he lets others have the processor */
#define MISSES 32     /* until somebody is woken to watch */

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

static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

static struct errand *look(struct helpers *helpers)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&helpers->offered, memory_order_relaxed))
            return atomic_exchange(&helpers->offered, NULL);
        relax();
    }
    return NULL;
}

static void watch(struct helpers *helpers)
{
    helpers->poked = false;
    helpers->idle--;
    atomic_store(&helpers->watching, true);
    pthread_mutex_unlock(&helpers->lock);
    for (uint64_t last = clock_monotonic_ns(); clock_monotonic_ns() - last < WATCH_NS;) {
        struct errand *errand = look(helpers);
        if (!errand)
            continue;
        errand->result = errand->run(errand);
        atomic_store_explicit(&errand->over, true, memory_order_release);
        last = clock_monotonic_ns();
    }
    atomic_store(&helpers->watching, false);
    pthread_mutex_lock(&helpers->lock);
    helpers->idle++;
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
        } else if (helpers->poked && helpers->idle && !atomic_load(&helpers->watching)) {
            watch(helpers);
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
    errand->watched = false;
    sem_init(&errand->done, 0, 0);
    helpers->idle--;
    errand->next = helpers->waiting;
    helpers->waiting = errand;
    pthread_cond_signal(&helpers->asked);
    return true;
}

static void poke(struct helpers *helpers)
{
    LOCKED(&helpers->lock);
    helpers->poked = somebody(helpers);
    pthread_cond_signal(&helpers->asked);
}

bool helpers_offer(struct helpers *helpers, struct errand *errand)
{
    struct errand *none = NULL;
    if (!atomic_load(&helpers->watching)) {
        if (atomic_fetch_add(&helpers->missed, 1) % MISSES == MISSES - 1 && helpers->most > 1)
            poke(helpers);
        return false;
    }
    errand->watched = true;
    atomic_init(&errand->over, false);
    return atomic_compare_exchange_strong(&helpers->offered, &none, errand);
}

static int end_of_watched(struct helpers *helpers, struct errand *errand)
{
    struct errand *mine = errand;
    if (atomic_compare_exchange_strong(&helpers->offered, &mine, NULL))
        return errand->run(errand);
    for (int i = 0; !atomic_load_explicit(&errand->over, memory_order_acquire); i++)
        if (i < PATIENCE)
            relax();
        else
            sched_yield();
    return errand->result;
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
    if (errand->watched)
        return end_of_watched(helpers, errand);
    if (take_back(helpers, errand))
        errand->result = errand->run(errand);
    else
        while (sem_wait(&errand->done) != 0) /* a signal */
            ;
    sem_destroy(&errand->done);
    return errand->result;
}
