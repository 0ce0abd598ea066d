/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread for what is done ahead of time or afterwards, so that no caller waits for it. It is
 * started when it is first woken, and goes round again after a while when a round says that
 * something is left. What a round does is chores.c's.
 */
#ifndef REPLICANT_ENGINE_UPKEEP_H
#define REPLICANT_ENGINE_UPKEEP_H

#include <stdbool.h>

struct upkeep;

/* `round` says whether something is left for later. NULL: no memory. */
struct upkeep *upkeep_create(bool (*round)(void *argument), void *argument);
void upkeep_destroy(struct upkeep *upkeep); /* waits for a round to end; NULL is fine */
void upkeep_wake(struct upkeep *upkeep);    /* NULL is fine */

#endif
