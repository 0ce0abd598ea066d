/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done ahead of time or afterwards, so that no caller waits for it: spare layers, the files
 * of layers that are gone, blocks that a freeze promised to a FULL volume, short stacks, and the
 * order of the catalogs' WALs. One thread a root, started when there is first something to do.
 */
#ifndef REPLICANT_ENGINE_UPKEEP_H
#define REPLICANT_ENGINE_UPKEEP_H

#include "pool.h"

struct upkeep *upkeep_create(struct root *root); /* NULL: no memory */
void upkeep_destroy(struct upkeep *upkeep); /* finishes removing files; without the root's lock */
void upkeep_wake(struct upkeep *upkeep);    /* NULL is fine */

/* Returns when the thread is not at `pool`, which is no longer one of the root's; with the lock. */
void upkeep_forget(struct upkeep *upkeep, const struct pool *pool);

/* For those who cannot wait; with the root's lock. */
void upkeep_remove_dead(struct pool *pool);
/* The blocks of a full layer are to be taken; with the root's lock. */
void upkeep_reserve(struct pool *pool, const char *guid);

#endif
