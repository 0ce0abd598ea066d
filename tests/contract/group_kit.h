/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world with the mirrors of one group in it, of either kind: the sources, their targets, and what
 * the sources must hold as images. Tests are looped over the modes: in one pool or between two, in
 * one run of the owner or with the world closed and opened again at every group_step().
 */
#ifndef REPLICANT_TESTS_CONTRACT_GROUP_KIT_H
#define REPLICANT_TESTS_CONTRACT_GROUP_KIT_H

#include <stdatomic.h>

#include "image.h"

#define GROUP_STATE(name) LSM_REPLICATION_STATE_##name
#define GROUP_MEMBERS 3
#define GROUP_SIZE MIB
#define GROUP_PIECES 4 /* apart, so that a ship of them can be held in between */
#define GROUP_PIECE 20000

enum {
    GROUP_BETWEEN_POOLS = 1,
    GROUP_REOPENED = 2,
    GROUP_MODES = 4,
    GROUP_SYNC = 4, /* else asynchronous */
    GROUP_ALL_MODES = 8
};

struct group {
    int mode;
    lsm_pool *pool; /* the targets' */
    lsm_volume *sources[GROUP_MEMBERS], *targets[GROUP_MEMBERS];
    struct image *images[GROUP_MEMBERS]; /* what the sources hold */
    lsm_replicate_options *options;
    char ids[GROUP_MEMBERS][80], id[80];
};
extern struct group group;
extern const char *group_target_names[GROUP_MEMBERS];

void group_make(void); /* the world and the sources; nothing is mirrored yet */
void group_unmake(void);
void group_mode(int wanted); /* and the targets' pool */
bool group_is_sync(void);
lsm_replication_type group_type(void);
void group_step(void); /* closes the world and opens it again, in the modes that say so */

/* --- the relations --------------------------------------------------------------------------- */

int group_ask(lsm_volume **from, const char **to, lsm_volume **made[], char **job);
char *group_start(uint64_t rate); /* the first job; INITIALIZING */
void group_finish(char *job);     /* lifts its limit, waits, and looks at what it made */
void group_make_in_sync(uint64_t rate);
uint32_t group_relations(const char *key, const char *value);
lsm_replication_state group_state(int i);
void group_are(lsm_replication_state state); /* all members, and no others are of the group */
void group_await(lsm_replication_state state);
void group_exchange(void); /* in `group` */

/* --- what they hold -------------------------------------------------------------------------- */

void group_writable(lsm_volume *volume, bool yes);
void group_write_to(int i, lsm_volume *volume, struct image *image, uint32_t seed);
void group_write(uint32_t seed); /* to all sources; flushed */
void group_images_take(struct image *instants[GROUP_MEMBERS]);
void group_images_drop(struct image *instants[GROUP_MEMBERS]);
void group_targets_are(struct image **of);

/* --- one instant ----------------------------------------------------------------------------- */

/* For threads, and for a process that is killed: neither may speak to the test's parent. */
void group_must(bool fine);
uint64_t group_number_at(lsm_volume *volume);
void group_number_write(uint64_t n); /* to all sources */
/* A thread's: counts on, a number on a member before it is written to the next one, from where the
 * last owner left. `told`: a descriptor that gets a byte when all members have a new one; NULL:
 * none. */
extern atomic_bool group_enough;
void *group_stamp(void *told);
/* The first one's number; the others have the same, or are one behind from some member on. */
uint64_t group_check_instant(lsm_volume *volumes[]);

#endif
