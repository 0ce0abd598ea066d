/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations that nth.c lets fail, each with what it begins from, what it must come to, and how
 * to see that it did; and what they share: a small root with a few volumes, copied for each try.
 */
#ifndef REPLICANT_TESTS_FAULTS_OPERATIONS_H
#define REPLICANT_TESTS_FAULTS_OPERATIONS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"
#include "world.h"

#define OK LSM_ERR_OK
#define KIB 1024u
#define SIZE (512u * KIB) /* of most volumes */
#define SHRUNK (120u * KIB)

struct scenario {
    const char *name;
    bool empty;    /* begins in an empty directory, not in a root with volumes */
    bool connects; /* act opens the root */
    bool two_pools;
    void (*prepare)(void); /* on an open root, without failures; may be NULL */
    int (*act)(struct outcome *outcome);
    void (*expect)(void);     /* the model, now that it is done; may be NULL */
    bool (*is_done)(void);    /* asked of an open root; NULL: leaves nothing to ask for */
    void (*release)(void);    /* closes what prepare opened; may be NULL */
    void (*afterwards)(void); /* more that must then work; may be NULL */
    void (*not_done)(void);   /* the model if the owner died before; NULL: it is done then */
    const char *where;        /* files whose calls may fail; NULL: all */
    long stride;              /* of one that takes long */
    bool awaits_job;          /* act waits for one; it tries again while nothing works */
    bool stays_half;          /* while nothing can be removed either */
};

struct scenario_list {
    const struct scenario *items;
    size_t count;
};

extern const struct scenario_list root_operations, volume_operations, io_operations, job_operations,
    background_operations;

/* The root that most begin with: «plain», «src» with its clone «child», «full», and in the pool
 * «other» (with `two_pools`) «away». */
void nth_template_build(bool two_pools);
void nth_template_remove(void);
void nth_begin(const struct scenario *s); /* a copy of it, or an empty directory */

extern lsm_volume_io *held_io; /* a handle that prepare left open; or NULL */

void nth_make(const char *name, const char *pool_name, uint64_t size,
              lsm_volume_provision_type provision);
int nth_clone(const char *source_name, const char *name);
int nth_resize(const char *name, uint64_t size, struct outcome *outcome);
int nth_delete(const char *name, struct outcome *outcome);
void nth_write_some(const char *name, unsigned seed); /* and flushes */
bool nth_has(const char *name, const char *pool);

void nth_model_copy(const char *from, const char *name, const char *pool);
void nth_model_resize(const char *name, uint64_t size);

#endif
