/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Roots: a directory whose pools one process owns. Every connection and every I/O handle holds a
 * reference; all connections of a process to one directory share one root, found by the directory's
 * device and inode in the library's only table.
 */
#ifndef REPLICANT_ENGINE_ROOT_H
#define REPLICANT_ENGINE_ROOT_H

#include "pool.h"

/* What stands above a root: `loaded` when it was opened anew and before anybody else sees it, and
 * `leaving` (also after a failure) when nothing works on it any more. */
struct root_guests {
    int (*loaded)(struct root *root);
    void (*leaving)(struct root *root);
    /* A mirrored write was done on the source alone: what the caller is to be told. */
    int (*target_failed)(struct root *root, struct volume *source);
};
int root_open(const char *path, bool direct, const struct root_guests *guests, struct root **root);
void root_reference(struct root *root);
void root_release(struct root *root); /* the last one stops the jobs and closes everything */

/* Both with the root's lock. `directory` NULL: in the root itself. */
int root_pool_create(struct root *root, const char *name, const char *directory, uint64_t limit,
                     struct pool **pool);
int root_pool_delete(struct root *root, struct pool *pool);

#endif
