/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mirrors: the standing relation of two volumes, its state and its verbs.
 *
 * A relation has a half in each pool (catalog.h's replication_row), written in transactions of
 * their own; every change of state raises the epoch, and the half with the higher one is believed.
 * The relation's hold keeps the last common instant in the source's pool, so that what to ship is
 * always known exactly: the layers above it.
 *
 * Relations of one group are of one instant: what is done to one of them (a ship, a change of
 * state, a verb) is done to all, and committed for all of them at once in the pool that decides.
 * They have one job, whose members they are. A BROKEN one does not take part any more: what goes on
 * without it is of other instants, so one that is copied again leaves those that did. One that
 * stands alone is a group of one.
 *
 * Everything here wants the root's lock. mirror.c is the relation and its verbs, mirror_birth.c its
 * beginning, mirror_anew.c that again, mirror_ship.c the jobs that move deltas (mirror_work.h),
 * mirror_sync.c and mirror_part.c what synchronous ones have for themselves, mirror_split.c what
 * happens when the roles are torn apart and joined again.
 */
#ifndef REPLICANT_ENGINE_MIRROR_H
#define REPLICANT_ENGINE_MIRROR_H

#include "replicate.h"
#include "volume.h"

struct mirror {
    struct root *root;
    char id[ID_SIZE], source[ID_SIZE], target[ID_SIZE], generation[ID_SIZE];
    char source_pool[ID_SIZE], target_pool[ID_SIZE];
    char group[ID_SIZE]; /* "": it stands alone */
    lsm_replication_type type;
    lsm_replication_state state;
    uint64_t epoch, rate_limit, synced_ms, synced_bytes, synced_duration_ms;
    uint32_t interval_ms;
    lsm_target_error_policy on_error;
    int error;
    char *message;          /* why it is DEGRADED or BROKEN; NULL: none */
    char diverged[ID_SIZE]; /* "": none */
    char job[ID_SIZE];      /* that works for it now; "": none */
    char part[ID_SIZE];     /* the owner of that job's holds for it, when it was found at an open */
    char ships[2][ID_SIZE]; /* the newest that ended: older ones are forgotten */
    char follow[ID_SIZE];   /* the job that is next: QUEUED, it has not frozen yet; "": none */
    bool exchange;          /* when the job is done the two exchange their roles */
    uint32_t pins;          /* verbs at work on it that have let the lock go */
    uint64_t due_ns;        /* when the next interval is */
    uint64_t written_ns;    /* when something was first found to be unshipped; 0: nothing is */
    struct sync *sync;      /* the write path, while writes go to both sides */
    struct map *intent;     /* while there is none: where the sides may differ; NULL: nowhere */
    struct mirror *next;
};

/* --- finding --------------------------------------------------------------------------------- */

int mirror_get(struct root *root, const char *id, struct mirror **mirror); /* 1007 */
struct mirror *mirror_find(struct root *root, const char *id);
struct mirror *mirror_of_target(struct root *root, const char *volume); /* one that protects it */
struct mirror *mirror_of_source(struct root *root, const char *volume);
struct mirror *mirror_of_end(struct root *root, const char *volume); /* either, split or not */
struct pool *mirror_pool(const struct mirror *m, enum replication_side side); /* NULL: away */
struct volume *mirror_volume(const struct mirror *m, enum replication_side side);
/* The member of a relation's group behind `after` (NULL: the first); NULL: there is none. */
struct mirror *mirror_member(struct mirror *m, const struct mirror *after);
#define EACH_MEMBER(each, m)                                                                       \
    struct mirror *each = mirror_member((m), NULL);                                                \
    each;                                                                                          \
    each = mirror_member((m), each)
uint32_t mirror_member_count(struct mirror *m);
void mirrors_pin(struct mirror *m);
void mirrors_unpin(struct mirror *m);

/* --- rows ------------------------------------------------------------------------------------ */

struct mirror *mirror_alloc(struct root *root);
void mirror_enter(struct mirror *m);
void mirror_leave(struct mirror *m); /* out of the picture, and freed */
void mirrors_free(struct root *root);
int mirror_put(const struct mirror *m, enum replication_side side); /* in a transaction */
/* In one transaction of its own, for the whole group; where the pool is away, nothing. */
int mirror_halves_save(struct mirror *m, enum replication_side side);
int mirror_half_remove(const struct mirror *m, enum replication_side side); /* and its hold */
/* A new state in both halves, target first; a pool that is away hears of it later. */
int mirror_state_set(struct mirror *m, lsm_replication_state state);
/* The picture alone, and the event, when the rows were committed with something else. */
void mirror_state_show(struct mirror *m, lsm_replication_state state);  /* of one */
void mirror_error_set(struct mirror *m, int code, const char *message); /* of one */
void mirrors_error_set(struct mirror *m, int code, const char *message);
/* Where the target's catalog takes nothing, the source's half says it alone. */
void mirror_state_force(struct mirror *m, lsm_replication_state state);
void mirror_state_say(struct mirror *m, lsm_replication_state state); /* it does, untried */

void mirror_tell_target(struct mirror *m);
void mirror_tell_source(struct mirror *m); /* the source's half, after the target's */
void mirrors_mark(struct root *root); /* notes in the volumes who may not be written, and why */

/* mirror_load.c */
int mirrors_load(struct root *root);      /* when all volumes are there */
int mirrors_reconcile(struct root *root); /* when the jobs are, too */
int holds_sweep(struct pool *pool);       /* then: holds whose owner is gone */
bool mirrors_round(void *root);           /* the intervals */

/* --- verbs (mirror_verbs.c) ------------------------------------------------------------------ */

int mirror_resync(struct mirror *m, char **job); /* from the last common instant to in sync */

lsm_replication *mirror_record(struct mirror *m);
int mirror_sync(struct mirror *m, char **job);
int mirror_pause(struct mirror *m);
int mirror_resume(struct mirror *m, lsm_flag flags);
int mirror_interval_set(struct mirror *m, uint32_t ms);
int mirror_promote(struct mirror *m, char **job, lsm_flag flags);
int mirror_reverse(struct mirror *m, char **job, lsm_flag flags);
int mirror_break(struct mirror *m);
int mirrors_break(struct root *root,
                  const char *source);      /* all of this source; 161: a job reads it */
int mirror_target_delete(struct mirror *m); /* the volume, and with it the relation */

/* mirror_birth.c */
int mirror_check_source(const struct plan *plan); /* 153: not for a synchronous one */
int mirror_begin(const struct plan *plans, uint32_t count, char **job);

/* mirror_ship.c; the job's body is mirror_move.c */
extern const struct job_body ship_body;
/* mirror_anew.c: BROKEN, and all of it is copied again; `keep`: what the target had. */
int mirror_anew(struct mirror *m, bool keep);
/* What the detail of a job's row says of that. */
int ship_row_anew_set(struct job_row *row, bool keep);
bool ship_row_is_anew(const struct job_row *row, bool *keep);

struct layer *ship_common_instant(const struct mirror *m); /* NULL: none is held */
struct ship_end {
    const struct mirror *m; /* NULL: gone since */
    uint64_t size;          /* the source's, at the instant */
};
/* What the detail of a job's row says of its members. */
struct mirror *ship_mirror_of(const struct job *job, uint32_t i); /* NULL: gone, or not so many */
uint64_t ship_size_of(const struct job *job, uint32_t i);
int ship_row_fill(lsm_job_kind kind, const struct ship_end *ends, uint32_t count,
                  struct job_row *row);
int ship_follow(struct mirror *m, char **job); /* while one ships: another after it */
void ship_next(struct mirror *m);
void ship_keep_newest(struct mirror *m, const struct job_row *ended);
void ship_exchange_forget(struct mirror *m); /* a planned promote that waited for it */
int ship_begin_late(struct job *job, struct mirror *m);
int ship_begin(struct mirror *m, lsm_job_kind kind, char **job); /* 7, or 125: nothing to ship */
int ship_load(struct pool *pool, struct job_row *row);
bool ship_is_pending(const struct mirror *m); /* something was written since the last */
bool ships_are_pending(struct mirror *m);     /* to any of the group */
uint64_t ship_lag_bytes(struct mirror *m);

/* mirror_log.c: the write-intent log of a MIRROR_SYNC */
char *sync_log_path(const struct mirror *m); /* the caller's; NULL: the error is set */
int sync_log_make(const struct mirror *m);
void sync_log_remove(const struct mirror *m);
/* That of the last owner; where it is lost, one with every bit, and *lost, the caller's, says why.
 */
int sync_log_recover(struct mirror *m, uint64_t size, struct _lsm_error **lost);
int sync_logs_hand_over(struct mirror *m); /* to the targets' pool: they become the sources */
void sync_log_remove_idle(const struct mirror *m); /* one that a crash left in the target's pool */
void sync_logs_sweep(struct pool *pool);           /* those that no relation here writes to */
bool sync_has_intent(const struct mirror *m);      /* the sides may differ somewhere */

/* mirror_sync.c: MIRROR_SYNC alone */
/* From now on writes go to both. The source stands still. `hidden_top`: what the target will be. */
int sync_attach(struct mirror *m, struct layer *hidden_top);
void sync_detach(struct mirror *m);       /* the source stands still; none: nothing to do */
void sync_detach_gated(struct mirror *m); /* stops it for that */
bool sync_is_on(struct mirror *m);        /* any of the group is attached */
/* All sources of the group stand still at once, and go on. */
void sync_stand_still(struct mirror *m);
void sync_go_on(struct mirror *m);
void sync_detach_all(struct mirror *m); /* at one instant */
int sync_load(struct mirror *m);
int sync_rejoin(struct mirror *m);         /* nothing was written since: writes go to both again */
int sync_freeze_targets(struct mirror *m); /* the targets' instants get the common ones' names */
int sync_name_instant(struct mirror *m);   /* and so does that of a source that was away */
int sync_exchange(struct mirror *m);       /* planned promote: the two are equal */
int sync_grow(struct mirror *m, uint64_t size); /* before both volumes do */
void sync_sweep(struct mirror *m);

/* mirror_part.c: taking them off */
#define SYNC_ROUND_NS 2000000000ull /* how often a degraded one tries again, one in sync sweeps */
struct freeze;
/* Writes go to the sources alone from a new common instant on, all of the group's. */
int sync_part(struct mirror *m, lsm_replication_state state, int error, const char *message);
/* One's rows, in a transaction; `next`: as it will be. */
int sync_record_parting(const struct mirror *next, const struct freeze *freeze);
int sync_source_reread(struct mirror *m);
int mirror_target_failed(struct root *root, struct volume *source);

/* mirror_split.c */
int split_force(struct mirror *m);    /* FORCE: the target becomes writable */
int split_exchange(struct mirror *m); /* planned, when all is shipped */
int split_rewind(struct mirror *m, enum replication_side side, bool keep);
int split_swap_roles(struct mirror *m);
void split_settle_target(struct mirror *m);       /* its half, and what an exchange left there */
void split_point_release(const struct mirror *m); /* the hold on it, if there is one */
void split_turn(struct mirror *m);                /* the picture alone */

#endif
