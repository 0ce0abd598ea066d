/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uthash, with another answer to a lack of memory than its own, which is to end the process: things
 * are entered into the picture when the catalog has committed them, so there is no way back, and the
 * few hundred bytes that a table grows by are waited for.
 */
#ifndef REPLICANT_UTIL_TABLE_H
#define REPLICANT_UTIL_TABLE_H

#include <stdlib.h>
#include <unistd.h>

static inline void *table_alloc(size_t size)
{
    void *memory;
    while (!(memory = malloc(size)))
        usleep(10000);
    return memory;
}

#define uthash_malloc(size) table_alloc(size)
#include <uthash.h>

#endif
