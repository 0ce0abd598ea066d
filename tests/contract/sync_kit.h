/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world with one synchronous mirror in it: a source, its twin, and what both must hold as an
 * image. Tests are looped over the modes: in one pool or between two, in one run of the owner or
 * with the world closed and opened again at every twin_step().
 */
#ifndef REPLICANT_TESTS_CONTRACT_SYNC_KIT_H
#define REPLICANT_TESTS_CONTRACT_SYNC_KIT_H

#include "image.h"

#define TWIN_STATE(name) LSM_REPLICATION_STATE_##name
#define TWIN_REGION (4 * MIB)                        /* of the write-intent log */
#define TWIN_SIZE (2 * TWIN_REGION + MIB + 20 * KIB) /* the last region is a part of one */

enum { TWIN_BETWEEN_POOLS = 1, TWIN_REOPENED = 2, TWIN_MODES = 4 };

struct twin {
    int mode;
    lsm_pool *pool; /* the target's */
    lsm_volume *source, *target;
    struct image *image; /* what the source holds */
    char id[80];         /* of the replication */
};
extern struct twin twin;

void twin_world_make(void); /* the world and its source; nothing is mirrored yet */
void twin_world_remove(void);
bool twin_mode(int mode); /* and the target's pool; false: no such mirrors here */
bool twin_wanted(
    int i);           /* of what is looped over the modes: two of four, unless all is asked for */
void twin_step(void); /* closes the world and opens it again, in the modes that say so */

/* --- making one ------------------------------------------------------------------------------ */

char *twin_start(uint64_t rate, lsm_target_error_policy policy); /* the first job; INITIALIZING */
void twin_finish(char *job);                                     /* IN_SYNC */
void twin_make(void);
void twin_make_held(void); /* the same, but each later job of more than one piece is held */
/* In each but INITIALIZING and IN_SYNC the source has something that the target has not, and the
 * target of SPLIT has writes of its own: they are in `of_target` (may be NULL). */
void twin_make_in(lsm_replication_state state, struct image **of_target);

/* --- looking --------------------------------------------------------------------------------- */

#define autotwin __attribute__((cleanup(twin_let_go)))
void twin_let_go(lsm_replication **replication);
lsm_replication *twin_look(void);
lsm_replication_state twin_state(void);
void twin_await(lsm_replication_state state);
uint64_t twin_last_sync_bytes(void);
uint32_t twin_count(const char *key, const char *value);
void twin_gone(void);  /* 1007, and in no list */
void twin_equal(void); /* both sides hold the image */
/* The same bytes on both sides, whatever they are. */
void twin_alike(lsm_volume *a, lsm_volume *b);
void twin_writable(lsm_volume *volume, bool yes);
lsm_volume *twin_kept(void); /* the clone of what was rewound; NULL: none */

/* --- working --------------------------------------------------------------------------------- */

void twin_write(uint64_t offset, uint64_t n, uint32_t seed); /* of the source; flushed */
void twin_write_to(lsm_volume *volume, struct image *image, uint64_t offset, uint64_t n,
                   uint32_t seed);
void twin_write_apart(lsm_volume *volume, struct image *image, uint32_t seed); /* can be held */
void twin_scribble(int times, uint32_t *seed);
void twin_job_finish(char *job);  /* lifts its limit, waits until it is DONE, frees the text */
void twin_in_sync(void);          /* whatever works for it is let run, until IN_SYNC */
int twin_promote(lsm_flag flags); /* and waits; the answer, 0 for a job that is DONE */
int twin_reverse(lsm_flag flags);
void twin_exchange(void); /* in `twin`, and the record says so */

/* Of dir:// alone: the files of the target's pool cannot be found while it is away. */
void twin_pool_away(void); /* the world is closed; leaves and comes as a whole directory */
void twin_pool_back(void);
void twin_files_away(lsm_pool *pool, bool away); /* its layers alone; the world is closed or open */

#endif
