/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mirrors' job at work. mirror_move.c finds what there is to move and moves it, mirror_commit.c
 * makes the one commit at the end of it, mirror_stop.c what is left when it does not come to that.
 */
#ifndef REPLICANT_ENGINE_MIRROR_WORK_H
#define REPLICANT_ENGINE_MIRROR_WORK_H

#include "aside.h"
#include "fill.h"
#include "mirror.h"
#include "sync.h"

/* One member of the job. */
struct ship_part {
    struct mirror *m;
    uint32_t place;
    struct volume *target;
    struct layer *instant; /* of the source */
    struct layer *delta;   /* of the target: its base, or a layer between its top and the rest */
    struct layer *hidden;  /* what will be the target's top over that; NULL: the one it has */
    struct stack *source;
    struct delta moved;
    uint64_t bytes;     /* that are to be moved */
    struct mirror next; /* the relation as it will be when the target has this instant */
    struct swap *swaps;
    uint32_t swap_count;
    struct aside aside; /* of a full copy again: what the target had */
    struct stack *fresh;
};

struct ship_work {
    struct job *job;
    struct mirror *m; /* any of the group */
    struct ship_part *parts;
    uint32_t count, places;
    bool initial, sync;
    bool anew, keep; /* a full copy again; what the target had is kept */
};

static inline uint64_t ship_part_size(const struct ship_work *w, const struct ship_part *part)
{
    return ship_size_of(w->job, part->place);
}

/* mirror_move.c */
/* The relation that a job works for, or any of its group: what is told to one is told to all. NULL:
 * it works for none. */
struct mirror *ship_served(const struct job *job);
int ship_check_write_paths(const struct ship_work *w); /* sets the error */

/* mirror_commit.c: all is moved; the targets show the sources' instant. Sets the error. */
int ship_commit(struct ship_work *w);

/* mirror_stop.c: the job has ended without it, or is to rest. */
int ship_settle(struct job *job, const struct job_row *row);

#endif
