/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mirror for a test: the volume «db», 1 MiB of it written, and its target of the same name in
 * another pool. Only for a backend that makes mirrors of that type. */
#ifndef REPLICANT_TESTS_CONTRACT_MIRROR_H
#define REPLICANT_TESTS_CONTRACT_MIRROR_H

#include "image.h"

#define MIRROR_SIZE MIB

struct mirror {
    lsm_replication_type type;
    lsm_pool *pool; /* the target's */
    lsm_volume *source, *target;
    struct image *image; /* the source */
    char *job;           /* the first one */
    char *id;            /* the replication's */
};

bool mirror_can(lsm_replication_type type);
/* In the state INITIALIZING (its job held), IN_SYNC, PAUSED or SPLIT. */
void mirror_make(struct mirror *mirror, lsm_replication_type type, lsm_replication_state state);
void mirror_free(struct mirror *mirror);

lsm_replication *mirror_look(struct mirror *mirror);
lsm_replication_state mirror_state(struct mirror *mirror);
void mirror_await(struct mirror *mirror, lsm_replication_state state);
int mirror_sync(struct mirror *mirror); /* and waits; the answer */
void mirror_write(lsm_volume *volume, struct image *image, uint32_t seed);

#define autoreplication __attribute__((cleanup(let_go_of_replication)))
void let_go_of_replication(lsm_replication **replication);

#endif
