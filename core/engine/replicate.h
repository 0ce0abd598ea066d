/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lsm_volume_replicate for the embedded engine: who asks for what is checked here, in the
 * contract's order; clone.c and copy.c do it.
 */
#ifndef REPLICANT_ENGINE_REPLICATE_H
#define REPLICANT_ENGINE_REPLICATE_H

#include "../backend.h"
#include "volume.h"

/* A request that was found to be in order. Texts are borrowed. */
struct plan {
    lsm_replication_type type;
    struct volume *source;
    struct pool *pool; /* where the target goes */
    const char *name;
    const struct _lsm_replicate_options *options;
    char *request; /* what was asked for, in one text: what a key stands for */
};

/* The row of what a plan makes, with an id of its own; `top` is the caller's to say. */
int plan_volume_row(const struct plan *plan, lsm_volume_provision_type provision,
                    struct volume_row *row);

int replicate(struct root *root, const struct replicate_request *request, struct record_list *made,
              char **job);

/* clone.c */
int clone_make(const struct plan *plans, uint32_t count, struct volume **clones);

/* copy.c */
int copy_begin(const struct plan *plans, uint32_t count, char **job);

/* flatten.c: makes the clones of a volume whole, so that nothing depends on it any more. */
int flatten_begin(struct volume *source, char **job);

/* Jobs from a catalog, when all pools are open: the row is taken over. */
int copy_load(struct pool *pool, struct job_row *row);
int flatten_load(struct pool *pool, struct job_row *row);

#endif
