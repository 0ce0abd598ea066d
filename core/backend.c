/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of backends: the one place that knows all of them. A backend is one object, defined
 * where its functions are.
 */
#include "backend.h"

#include <string.h>

extern const struct backend_ops engine_ops; /* engine/engine.c */

static const struct backend_ops *const backends[] = {
    &engine_ops,
};
#define BACKEND_COUNT (sizeof backends / sizeof backends[0])

const struct backend_ops *backend_find(const char *scheme)
{
    size_t size = strcspn(scheme, "+");
    for (uint32_t i = 0; i < BACKEND_COUNT; i++)
        if (strlen(backends[i]->scheme) == size && strncmp(backends[i]->scheme, scheme, size) == 0)
            return backends[i];
    return NULL;
}

const struct backend_ops *backend_at(uint32_t i)
{
    return i < BACKEND_COUNT ? backends[i] : NULL;
}
