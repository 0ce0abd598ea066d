/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done for a root's pools in the background: spare layers, the files of layers that are
 * gone, blocks that a freeze promised to a FULL volume, short stacks, and the order of the
 * catalogs' WALs.
 */
#ifndef REPLICANT_ENGINE_CHORES_H
#define REPLICANT_ENGINE_CHORES_H

#include "pool.h"

/* One round over all pools; whether something is left for when it has been quiet for a while. */
bool chores_round(void *root);

/* Returns when no round is at `pool`, which is no longer one of the root's; with the root's lock.
 */
void chores_forget(struct root *root, const struct pool *pool);

#endif
