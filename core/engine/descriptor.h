/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors of layer files, opened when they are wanted and closed when too many are open, so
 * that deep stacks and many volumes cannot exhaust the process's limit. A descriptor is pinned
 * while it is used; pinning one that is open costs an atomic increment.
 */
#ifndef REPLICANT_ENGINE_DESCRIPTOR_H
#define REPLICANT_ENGINE_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>

struct descriptor {
    atomic_int pins; /* below zero: closed */
    int fd;
    atomic_bool recent;              /* used since the clock's hand last passed */
    struct descriptor *next, **link; /* in the cache's ring of open ones */
};

struct descriptors;

struct descriptors *descriptors_create(unsigned bound); /* NULL: no memory */
void descriptors_destroy(struct descriptors *cache);    /* all dropped before */

void descriptor_init(struct descriptor *d);
/* Pins `d` if it is open. */
bool descriptor_pin_open(struct descriptor *d);
/* Pins `d`, opening `path` with `flags` where needed; 0 or an errno. */
int descriptor_pin(struct descriptors *cache, struct descriptor *d, const char *path, int flags);
void descriptor_unpin(struct descriptor *d);
/* Closes it; nobody has it pinned. */
void descriptor_drop(struct descriptors *cache, struct descriptor *d);

#endif
