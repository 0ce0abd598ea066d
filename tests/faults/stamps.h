/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks with numbers, for tests with several writers. Each block belongs to one writer, which
 * writes its blocks in turn, each write with the next number, at odd places, so that neighbours
 * share clusters. So a state of the volume is one number a writer: all of its writes up to that
 * one, none after. Beside them there is a range that all write to, overlapping, each its own number
 * as bytes.
 */
#ifndef REPLICANT_TESTS_FAULTS_STAMPS_H
#define REPLICANT_TESTS_FAULTS_STAMPS_H

#include <stdatomic.h>

#include "world.h"

#define WRITERS 8u
#define PER_WRITER 48u
#define BLOCKS (WRITERS * PER_WRITER)
#define BLOCK 1000u
#define SHARED_AT (6u << 20) /* a range that all write to, overlapping */
#define SHARED (256u << 10)
#define STAMPS_SIZE (8u << 20) /* of a volume that takes all that */

/* What each writer has begun, was told to have done, and had done when it last began to flush; in
 * shared memory. */
struct stamps {
    uint64_t seed;
    _Atomic uint32_t begun[WRITERS], acknowledged[WRITERS], flushed[WRITERS];
};

struct bounds {
    uint32_t at_least[WRITERS], at_most[WRITERS];
};

uint64_t stamp_place(uint32_t block);
uint32_t stamp_owner(uint32_t block);
void stamp_fill(unsigned char *bytes, uint32_t block, uint32_t number);
/* The number that the writer's k-th block (of its own) has when it has written up to `number`:
 * numbers count from 1, and block k gets k + 1, k + 1 + PER_WRITER, … */
uint32_t stamp_of(uint32_t k, uint32_t number);
uint32_t stamp_dice(uint64_t *state, uint32_t n);

/* One turn of writer `w`: the next block, now and then a piece of the shared range. */
void stamp_write(struct stamps *stamps, lsm_volume_io *io, uint32_t w, uint64_t *dice);
void stamp_flush(struct stamps *stamps, lsm_volume_io *io, uint32_t w);

void bounds_least(struct bounds *bounds, const struct stamps *stamps);
void bounds_most(struct bounds *bounds, const struct stamps *stamps);
/* `bytes`, all of the volume, are a state within the bounds. */
void stamps_check(const unsigned char *bytes, const char *what, const struct bounds *bounds);
/* The same after a kill, of the volume that was written to: what was flushed is there, and each
 * part of the rest is of a write that was begun. */
void stamps_check_torn(const unsigned char *bytes, const struct stamps *stamps);

#endif
