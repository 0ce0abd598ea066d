/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Freezing a volume: its top becomes a frozen layer, the name of that instant is a generation, and
 * the volume goes on in a new, empty top. Everything that replicates begins with this.
 *
 *     freeze_prepare()     flushed, writes wait, a spare layer stands ready
 *     freeze_record()      its rows, in the caller's transaction
 *     freeze_done() or freeze_undo()    by how the transaction ended; writes go on
 *
 * Several are frozen at one instant: all of them stand still before the first goes on.
 *
 * A top that holds nothing is not frozen: the layer below it is that instant already.
 */
#ifndef REPLICANT_ENGINE_FREEZE_H
#define REPLICANT_ENGINE_FREEZE_H

#include "volume.h"

struct freeze {
    struct volume *volume;
    struct layer *instant; /* the frozen layer that shows the volume as it was */
    struct layer *new_top; /* NULL: the old one, which is empty, stays */
    struct stack *stack;   /* the one with the new top, when the volume is open */
    char generation[ID_SIZE];
    bool gate; /* the gate is closed though nothing is frozen */
};

/* With the root's lock, from here to done or undo. Errors are set, and then nothing is held. */
int freeze_prepare(struct freeze *freeze, struct volume *volume);
/* The same, and the volume stands still until done or undo even when there is nothing to freeze. */
int freeze_prepare_still(struct freeze *freeze, struct volume *volume);
int freeze_record(const struct freeze *freeze);
void freeze_done(struct freeze *freeze);
void freeze_undo(struct freeze *freeze); /* keeps the thread's error */

/* The same for several of one pool, each with its `volume` set; one alone stands still for nothing
 * only if `still` says so. `promised`: bytes of the pool that the caller has given away already. */
int freeze_prepare_all(struct freeze freezes[], uint32_t count, bool still, uint64_t promised);
int freeze_record_all(const struct freeze freezes[], uint32_t count);
void freeze_done_all(struct freeze freezes[], uint32_t count);
void freeze_undo_all(struct freeze freezes[], uint32_t count);

#endif
