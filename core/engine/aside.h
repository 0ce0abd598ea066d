/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Setting aside what a volume shows: it gets another top, and what stood under its own until then
 * is kept as a volume, or goes. Constant time, whatever there is.
 *
 *     aside_prepare()     all that can fail
 *     aside_record()      its rows, in the transaction that gives the volume its new top
 *     aside_show()        when that is committed, and the volume has it; or aside_discard()
 *
 * *Apart*, the volume and what was set aside share nothing any more. Then what is kept takes over
 * the volume's ties: it stands where that stood, and its clones stand on it.
 */
#ifndef REPLICANT_ENGINE_ASIDE_H
#define REPLICANT_ENGINE_ASIDE_H

#include "volume.h"

struct aside {
    struct volume *volume, *kept; /* kept: NULL: it goes */
    struct layer *old_top;
    bool apart;
    struct volume_row row;
    char name[256];
};

/* `generation`: the instant that what is kept is named after. `aside` stays where it is. */
int aside_prepare(struct aside *aside, struct volume *volume, const char *generation, bool keep,
                  bool apart);
int aside_record(const struct aside *aside);
void aside_show(struct aside *aside);
void aside_discard(struct aside *aside);

#endif
