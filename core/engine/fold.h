/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeping stacks short, in the background (upkeep.c calls it).
 *
 * *Merge*: a frozen layer that one layer alone stands on is folded down into the frozen layer below
 * it, if that one, too, carries nothing else. *Absorb*: a writable top over a base that is its
 * alone goes into the base, and the volume is a plain raw image again.
 */
#ifndef REPLICANT_ENGINE_FOLD_H
#define REPLICANT_ENGINE_FOLD_H

#include "pool.h"

enum fold_result {
    FOLD_NONE,
    FOLD_DONE,
    FOLD_LATER /* there will be one, when it has been quiet */
};

/* Finds one fold in the pool and does it. Takes the root's lock for short steps. */
enum fold_result fold_once(struct pool *pool);

/* With the root's lock: stops an absorb of this volume and waits until nothing of the background
 * works on it. The lock is let go meanwhile, so the volume is found anew by its id. */
void fold_quiesce(struct root *root, const char *volume_id);

#endif
