/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests that kill an owner share: random numbers that can be replayed, and a journal that
 * the owner writes and that outlives it.
 *
 *     REPLICANT_TEST_SEED=n    the first seed (printed when it is not given)
 *     REPLICANT_TEST_KILLS=n   how many kills
 *     REPLICANT_TEST_SHARE=n   of what is tried out of many, one n-th: where a run is slow
 */
#ifndef REPLICANT_TESTS_FAULTS_KILL_H
#define REPLICANT_TESTS_FAULTS_KILL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JOURNAL_MAX 200000u

/* One line: what is about to be done (`acknowledged` false), or that it was. */
struct entry {
    uint8_t op;
    bool acknowledged;
    uint8_t pool;
    uint32_t volume, other; /* numbers of volumes */
    uint32_t first, count;  /* blocks */
    uint32_t stamp;
    uint64_t bytes;
    char id[48];
};

void journal_begin(void); /* the memory; once a process */
void journal_clear(void);
void journal_add(const struct entry *entry);
uint32_t journal_count(void);
const struct entry *journal_at(uint32_t i);

uint64_t kill_seed(void);
unsigned kill_count(unsigned otherwise);
unsigned kill_share(void);

void random_seed(uint64_t seed);
uint32_t random_below(uint32_t n);

/* Runs `work` as a process of its own, kills it after about `us` microseconds (or sees it end,
 * which is a failure unless it exits with 0), and returns whether it was killed. */
bool kill_after(void (*work)(void), uint32_t us);

#endif
