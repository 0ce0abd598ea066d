/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kill.h"
#include "world.h"

static struct {
    _Atomic uint32_t count;
    struct entry entries[JOURNAL_MAX];
} * journal;

void journal_begin(void)
{
    journal =
        mmap(NULL, sizeof *journal, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(journal != MAP_FAILED);
}

void journal_clear(void)
{
    journal->count = 0;
}

/* The line first, then the count: a line that is counted is whole. */
void journal_add(const struct entry *entry)
{
    uint32_t n = journal->count;
    MUST(n < JOURNAL_MAX);
    journal->entries[n] = *entry;
    atomic_store(&journal->count, n + 1);
}

uint32_t journal_count(void)
{
    return journal->count;
}

const struct entry *journal_at(uint32_t i)
{
    return &journal->entries[i];
}

uint64_t kill_seed(void)
{
    const char *given = getenv("REPLICANT_TEST_SEED");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return given ? strtoull(given, NULL, 10)
                 : ((uint64_t)t.tv_sec * 1000003u + (uint64_t)t.tv_nsec) % 1000000000u;
}

unsigned kill_count(unsigned otherwise)
{
    const char *given = getenv("REPLICANT_TEST_KILLS");
    if (given)
        return (unsigned)strtoul(given, NULL, 10);
    return getenv("REPLICANT_TEST_LONG") ? 20 * otherwise : otherwise;
}

unsigned kill_share(void)
{
    const char *given = getenv("REPLICANT_TEST_SHARE");
    unsigned long share = given ? strtoul(given, NULL, 10) : 1;
    return share ? (unsigned)share : 1;
}

static uint64_t state;

void random_seed(uint64_t seed)
{
    state = seed;
}

uint32_t random_below(uint32_t n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

bool kill_after(void (*work)(void), uint32_t us)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        world.in_child = true;
        work();
        _exit(0);
    }
    usleep(us);
    kill(pid, SIGKILL);
    MUST(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
}
