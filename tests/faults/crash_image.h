/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The images that a power cut may leave, built from a log.
 *
 * A *cut* is after so many calls. What was made durable before it is in every image of it; of the
 * rest, which is *pending*, each call may have reached the disk, or not, or a write in part, sector
 * by sector. A name is pending until its directory is synced. So a *choice* is one image: nothing
 * of what is pending, all of it, one file's alone, all but one file's, what came first, and then
 * every combination where the pending calls are few, else some by the dice.
 */
#ifndef REPLICANT_TESTS_FAULTS_CRASH_IMAGE_H
#define REPLICANT_TESTS_FAULTS_CRASH_IMAGE_H

#include <stdio.h>

#include "crash_record.h"

struct crash_cut {
    const struct crash_log *log;
    size_t at;
    struct crash_tree durable;
    uint32_t *pending; /* calls, in order */
    uint32_t count;
};

void crash_cut_begin(struct crash_cut *cut, const struct crash_log *log); /* after no call */
void crash_cut_move(struct crash_cut *cut, size_t at);                    /* forward */
void crash_cut_end(struct crash_cut *cut);
/* Whether something that is pending here is not after the next call, or there is no next: an
 * earlier cut has no image that this one does not have. */
bool crash_cut_is_last(const struct crash_cut *cut);

/* Choices are numbered from 0; `dice` of them are thrown. */
uint32_t crash_choices(const struct crash_cut *cut, uint32_t dice);
void crash_image_make(const struct crash_cut *cut, uint32_t choice, uint64_t seed,
                      struct crash_tree *image);
void crash_choice_print(const struct crash_cut *cut, uint32_t choice, uint64_t seed, FILE *out);

uint64_t crash_image_hash(const struct crash_tree *image);
/* Into an empty directory, `without` (a name in the root) or all (NULL). */
void crash_image_write(const struct crash_tree *image, const char *directory, const char *without);

#endif
