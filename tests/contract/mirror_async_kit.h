/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world with one mirror in it: a source that is filled, and what it holds as an image. Tests are
 * looped over the modes, so that each behaviour is seen in one pool and between two, in one run of
 * the owner and with the world closed and opened again at every step().
 */
#ifndef REPLICANT_TESTS_CONTRACT_MIRROR_ASYNC_KIT_H
#define REPLICANT_TESTS_CONTRACT_MIRROR_ASYNC_KIT_H

#include "image.h"

#define MIRROR_SYNC LSM_VOLUME_REPLICATE_MIRROR_SYNC
#define MIRROR_ASYNC LSM_VOLUME_REPLICATE_MIRROR_ASYNC
#define FORCE LSM_REPLICATION_FORCE
#define DISCARD LSM_REPLICATION_DISCARD
#define STATE(name) LSM_REPLICATION_STATE_##name
#define PAIR_SIZE (2 * MIB)

enum { BETWEEN_POOLS = 1, REOPENED = 2, MODES = 4 };

struct pair {
    int mode;
    lsm_pool *pool; /* the target's */
    lsm_volume *source, *target;
    struct image *image; /* what the source holds */
    char id[80];         /* of the replication */
};
extern struct pair pair;

void pair_world_make(void); /* the world and its source; nothing is pair yet */
void pair_world_remove(void);
void mode_set(int mode); /* and the target's pool */
bool mirrors_are_there(void);

/* Closes the world and opens it again, in the modes that say so. */
void step(void);

/* --- making one ------------------------------------------------------------------------------ */

char *pair_start(uint64_t rate, uint32_t interval_ms); /* the first job; INITIALIZING */
void pair_finish(char *job);                           /* IN_SYNC; the target is in `pair` */
void pair_make(void);      /* both, with no limit, shipping on demand alone */
void pair_make_held(void); /* the same, but each later ship of more than one piece is held */
void pair_make_in(lsm_replication_state state); /* what it held and holds is still the image */

/* --- looking --------------------------------------------------------------------------------- */

#define autorelation __attribute__((cleanup(let_go_of_relation)))
void let_go_of_relation(lsm_replication **replication);

lsm_replication *replication_look(void);
lsm_replication_state replication_state(void);
void replication_await(lsm_replication_state state);
uint32_t replication_count(const char *key, const char *value);
void generation_read(char generation[80]);               /* "": none */
void check_gone(void);                                   /* 1007 from every verb, and in no list */
lsm_volume *volume_in(lsm_pool *pool, const char *name); /* NULL: none */

/* --- working --------------------------------------------------------------------------------- */

void source_write(uint64_t offset, uint64_t n, uint32_t seed); /* flushed, and in the image */
void source_scribble(int times, uint32_t *seed);
/* Pieces far apart, of two clusters each: a ship of them can be held. One moves at each beginning
 * of the job, so some are left after a few times closed and opened. */
#define PIECES 8
void source_touch_apart(uint32_t seed);
void volume_write(lsm_volume *volume, struct image *image, uint64_t offset, uint64_t n,
                  uint32_t seed);
void job_finish(char *job);          /* lifts its limit, waits until it is DONE, frees the text */
void job_of_mirror_finish(void);     /* the one that works for it now */
void ship(void);                     /* sync, until it is done */
void verb_finish(int rc, char *job); /* 0, or 7 and then the job is DONE */
int promote(lsm_flag flags);         /* and waits; the answer */
int reverse(lsm_flag flags);
void roles_exchange(void); /* in `pair` */
void writable(lsm_volume *volume, bool yes);

#endif
