/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backends that the contract is run for, and what the suite cannot ask of them through the API.
 */
#ifndef REPLICANT_TESTS_CONTRACT_BACKEND_H
#define REPLICANT_TESTS_CONTRACT_BACKEND_H

#include "kit.h"

struct backend {
    const char *name;
    void (*make)(void);   /* a fresh world: its URI and directory */
    void (*remove)(void); /* and what is left of it */
    char *(*fail_job)(lsm_volume *source, const char *name); /* a FAILED copy; NULL: no way to */
};

extern const struct backend *backend; /* of this run */
extern const struct backend *const backends[];

#endif
