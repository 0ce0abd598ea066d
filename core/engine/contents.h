/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is in a root's directory: pools, our own files, and what is somebody else's. */
#ifndef REPLICANT_ENGINE_CONTENTS_H
#define REPLICANT_ENGINE_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>

#define CONTENTS_DEFAULT "default" /* the pool that an empty root gets */

struct contents {
    char **pools; /* and what may be one: contents_check_pool says why it cannot be told */
    uint32_t count;
    bool foreign; /* something that is neither a pool nor ours */
};

int contents_look(const char *path, struct contents *contents);
void contents_finish(struct contents *contents);

/* Whether `name` in a root is a pool; LSM_ERR_DAMAGED: it was one, and has lost its catalog. */
int contents_check_pool(const char *root, const char *name, bool *is);
bool contents_exists(const char *directory, const char *name, const char *file); /* NULL: itself */
bool contents_is_own(const char *name); /* a root's own file */
/* A pool whose making was cut short: it has no layers, and of its catalog not more than a page. */
bool contents_is_unborn(const char *root, const char *name);

#endif
