/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lsm_pool_check for the embedded engine: a job that reads a pool through. */
#ifndef REPLICANT_ENGINE_SCRUB_H
#define REPLICANT_ENGINE_SCRUB_H

#include "pool.h"

/* With the root's lock. 7 and the job's id, also of one that is under way. */
int scrub_begin(struct pool *pool, char **job);
int scrub_load(struct pool *pool, struct job_row *row); /* the row is taken over */

#endif
