/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lsm_volume_replicate_range for the embedded engine: blocks of one volume, as they are at the
 * instant of the call, written into another or elsewhere into the same.
 */
#ifndef REPLICANT_ENGINE_RANGE_H
#define REPLICANT_ENGINE_RANGE_H

#include "../backend.h"
#include "volume.h"

/* LSM_ERR_OK: done; LSM_ERR_JOB_STARTED: a job does it. Takes the root's lock. */
int range_copy(struct root *root, const lsm_volume *source, const lsm_volume *target,
               lsm_block_range **blocks, uint32_t count, char **job);

/* A job from a catalog, when all pools are open: the row is taken over. */
int range_load(struct pool *pool, struct job_row *row);

#endif
