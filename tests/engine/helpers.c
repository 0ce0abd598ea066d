/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whoever does an errand, it is done once, and its caller has the result. */
#include <pthread.h>
#include <unistd.h>

#include "engine/helpers.h"
#include "kit.h"

#define ERRANDS 20000
#define CALLERS 3

static struct helpers helpers;

struct count {
    struct errand errand;
    int times, by_others; /* plain: only one at a time may touch them, and TSan sees it */
    pthread_t caller;
};

static int count(struct errand *errand)
{
    struct count *c = (struct count *)errand;
    c->by_others += !pthread_equal(pthread_self(), c->caller);
    return ++c->times;
}

typedef bool (*way)(struct helpers *, struct errand *);

static void *call(void *argument)
{
    struct count c = {.errand.run = count, .caller = pthread_self()};
    way begin = *(way *)argument;
    for (int i = 1; i <= ERRANDS; i++) {
        int result =
            begin(&helpers, &c.errand) ? helpers_end(&helpers, &c.errand) : count(&c.errand);
        ck_assert_int_eq(result, i);
        ck_assert_int_eq(c.times, i);
    }
    return NULL;
}

static way ways[] = {helpers_begin, helpers_offer};

START_TEST(each_errand_is_done_once)
{
    helpers_init(&helpers);
    call(&ways[_i]);
    helpers_finish(&helpers);
}
END_TEST

START_TEST(each_errand_of_several_callers_is_done_once)
{
    pthread_t threads[CALLERS];
    helpers_init(&helpers);
    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call, &ways[i % 2]), 0);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    helpers_finish(&helpers);
}
END_TEST

/* Where there is a second processor, a stream of short ones finds somebody who watches. */
START_TEST(watcher_takes_from_a_stream)
{
    struct count c = {.errand.run = count, .caller = pthread_self()};
    helpers_init(&helpers);
    while (!c.by_others && helpers.most > 1)
        if (helpers_offer(&helpers, &c.errand))
            helpers_end(&helpers, &c.errand);
    helpers_finish(&helpers);
}
END_TEST

/* What is offered to nobody comes back. */
START_TEST(offer_without_a_watcher_is_refused)
{
    struct count c = {.errand.run = count, .caller = pthread_self()};
    helpers_init(&helpers);
    ck_assert(!helpers_offer(&helpers, &c.errand));
    atomic_store(&helpers.watching, true); /* and then it is gone */
    ck_assert(helpers_offer(&helpers, &c.errand));
    ck_assert_int_eq(helpers_end(&helpers, &c.errand), 1);
    ck_assert_ptr_null(atomic_load(&helpers.offered));
    helpers_finish(&helpers);
}
END_TEST

TCase *test_helpers(void)
{
    TCase *tests = tcase_create("helpers");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, each_errand_is_done_once, 0, 2);
    tcase_add_test(tests, each_errand_of_several_callers_is_done_once);
    tcase_add_test(tests, watcher_takes_from_a_stream);
    tcase_add_test(tests, offer_without_a_watcher_is_refused);
    return tests;
}
