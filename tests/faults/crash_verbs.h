/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the sequences of crash.c are made of: each verb is carried out, and noted down is what a
 * power cut may leave from its beginning on, and from its end on.
 */
#ifndef REPLICANT_TESTS_FAULTS_CRASH_VERBS_H
#define REPLICANT_TESTS_FAULTS_CRASH_VERBS_H

#include "crash_judge.h"

#define KIB 1024u

/* From so many recorded calls on, one of these states. */
struct crash_mark {
    size_t at;
    struct crash_state states[CRASH_STATES];
    uint32_t count;
};

extern struct crash_mark *crash_marks;
extern uint32_t crash_mark_count;

void crash_marks_begin(void); /* what the verbs did until now is durable */

/* Volumes «a», «b» … are in the pool default; a mirror's target, «m», is in the pool second. */
void v_pool(const char *name);
void v_make(const char *name, uint64_t size, lsm_volume_provision_type provision);
void v_write(const char *name, uint64_t offset, uint64_t count);
void v_write_fua(const char *name, uint64_t offset, uint64_t count);
void v_zero(const char *name, uint64_t offset, uint64_t count);
void v_discard(const char *name, uint64_t offset, uint64_t count);
void v_flush(const char *name);
/* Within the next syncs of layers' data one more write comes each time. A freeze begins with two of
 * its volume, while writes go on, and a parting of two sides with two of each. */
void v_keep_writing(const char *name, uint64_t offset, unsigned times);
bool v_missed(void);            /* some of them did not come: another thread did the syncs */
void v_close(const char *name); /* the handle that the verbs above have opened */
void v_close_all(void);
void v_forget_all(void); /* there is no volume, and no mark */
void v_resize(const char *name, uint64_t size);
void v_rename(const char *name, const char *to);
void v_delete(const char *name, bool last_clone);
void v_clone(const char *name, const char *clone);
void v_clone_two(const char *a, const char *clone_a, const char *b, const char *clone_b);
void v_copy(const char *name, const char *copy, const char *pool);
void v_copy_two(const char *a, const char *copy_a, const char *b, const char *copy_b,
                const char *pool);
void v_range(const char *name, const char *to, uint64_t from, uint64_t there, uint64_t count);
void v_flatten(const char *name);
void v_await_depth(const char *name, uint32_t layers);

void v_mirror(lsm_replication_type type); /* «a» to «m» */
void v_ship(void);
void v_pause(void);
void v_resume(void);
void v_promote(void);
void v_promote_by_force(void);
void v_reverse(bool discard);
void v_resume_split(bool discard);
void v_break(void);
void v_lose_instant(void); /* the two have nothing in common any more: BROKEN; not to be cut */
void v_copy_again(bool discard);

#endif
