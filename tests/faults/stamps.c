/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "stamps.h"

#define OK LSM_ERR_OK

uint64_t stamp_place(uint32_t block)
{
    return block * (uint64_t)BLOCK + block / 5 * 9000u;
}

uint32_t stamp_owner(uint32_t block)
{
    return block % WRITERS;
}

void stamp_fill(unsigned char *bytes, uint32_t block, uint32_t number)
{
    uint64_t x = ((uint64_t)number << 32 | block) * 0x9e3779b97f4a7c15ull, word;
    memset(bytes, 0, BLOCK);
    for (unsigned i = 0; number && i < BLOCK / 8; i++) {
        word = x ^ (x >> 29) ^ number;
        memcpy(bytes + 8 * i, &word, 8);
        x = x * 6364136223846793005ull + 1442695040888963407ull;
    }
    if (number)
        memcpy(bytes, &number, 4);
}

uint32_t stamp_dice(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33) % n;
}

uint32_t stamp_of(uint32_t k, uint32_t number)
{
    return number <= k ? 0 : number - (number - (k + 1)) % PER_WRITER;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_shared(lsm_volume_io *io, uint64_t *dice, uint32_t w)
{
    unsigned char bytes[20000];
    uint32_t count = 1 + stamp_dice(dice, sizeof bytes);
    memset(bytes, (int)w + 1, count);
    MUST(lsm_volume_io_pwrite(io, bytes, count, SHARED_AT + stamp_dice(dice, SHARED - count), 0) ==
         OK);
}

void stamp_write(struct stamps *stamps, lsm_volume_io *io, uint32_t w, uint64_t *dice)
{
    unsigned char bytes[BLOCK];
    uint32_t number = atomic_load(&stamps->acknowledged[w]);
    uint32_t block = number++ % PER_WRITER * WRITERS + w;
    stamp_fill(bytes, block, number);
    atomic_store(&stamps->begun[w], number);
    MUST(lsm_volume_io_pwrite(io, bytes, BLOCK, stamp_place(block), 0) == OK);
    atomic_store(&stamps->acknowledged[w], number);
    if (stamp_dice(dice, 16) == 0)
        write_shared(io, dice, w);
}

void stamp_flush(struct stamps *stamps, lsm_volume_io *io, uint32_t w)
{
    uint32_t number = atomic_load(&stamps->acknowledged[w]);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    atomic_store(&stamps->flushed[w], number);
}

/* --- looking ---------------------------------------------------------------------------------- */

void bounds_least(struct bounds *bounds, const struct stamps *stamps)
{
    for (uint32_t w = 0; w < WRITERS; w++)
        bounds->at_least[w] = atomic_load(&stamps->acknowledged[w]);
}

void bounds_most(struct bounds *bounds, const struct stamps *stamps)
{
    for (uint32_t w = 0; w < WRITERS; w++)
        bounds->at_most[w] = atomic_load(&stamps->begun[w]);
}

static void explain(const char *what, uint32_t block, uint32_t found, uint32_t number,
                    const struct bounds *bounds)
{
    uint32_t w = stamp_owner(block);
    snprintf(world.context, sizeof world.context,
             "%s: block %u has %u, its writer is at %u; between %u and %u", what, block, found,
             number, bounds->at_least[w], bounds->at_most[w]);
}

static void check_writer(const unsigned char *bytes, uint32_t w, const char *what,
                         const struct bounds *bounds)
{
    unsigned char expected[BLOCK];
    uint32_t number = 0, found;
    for (uint32_t k = 0; k < PER_WRITER; k++) {
        memcpy(&found, bytes + stamp_place(k * WRITERS + w), 4);
        number = found > number ? found : number;
    }
    for (uint32_t k = 0; k < PER_WRITER; k++) {
        uint32_t block = k * WRITERS + w;
        memcpy(&found, bytes + stamp_place(block), 4);
        stamp_fill(expected, block, stamp_of(k, number));
        explain(what, block, found, number, bounds);
        MUST(memcmp(bytes + stamp_place(block), expected, BLOCK) == 0);
    }
    MUST(number >= bounds->at_least[w]);
    MUST(number <= bounds->at_most[w]);
}

static void check_shared(const unsigned char *bytes)
{
    for (uint32_t i = 0; i < SHARED; i++)
        MUST(bytes[SHARED_AT + i] <= WRITERS);
}

void stamps_check(const unsigned char *bytes, const char *what, const struct bounds *bounds)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of world.context */
    pthread_mutex_lock(&lock);
    for (uint32_t w = 0; w < WRITERS; w++)
        check_writer(bytes, w, what, bounds);
    check_shared(bytes);
    pthread_mutex_unlock(&lock);
}

/* Eight bytes of a block: of which writes may they be? */
static bool is_known(const unsigned char *found, uint32_t block, uint32_t at, uint32_t least,
                     uint32_t most)
{
    unsigned char expected[BLOCK];
    uint32_t number = least;
    while (number <= most) {
        stamp_fill(expected, block, number);
        if (memcmp(found + at, expected + at, 8) == 0)
            return true;
        number = number ? number + PER_WRITER : block / WRITERS + 1;
    }
    return false;
}

void stamps_check_torn(const unsigned char *bytes, const struct stamps *stamps)
{
    for (uint32_t block = 0; block < BLOCKS; block++) {
        uint32_t w = stamp_owner(block), k = block / WRITERS;
        uint32_t least = stamp_of(k, stamps->flushed[w]), most = stamps->begun[w];
        snprintf(world.context, sizeof world.context,
                 "after a kill: block %u, flushed with %u, at most %u", block, least, most);
        for (uint32_t at = 0; at < BLOCK; at += 8)
            MUST(is_known(bytes + stamp_place(block), block, at, least, most));
    }
    check_shared(bytes);
}
