/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * White box: the engine's parts one by one, linked with the static library. Each file is one test
 * case; main.c lists them. A test that wants files has a scratch directory with a layer home in it.
 */
#ifndef REPLICANT_TESTS_ENGINE_KIT_H
#define REPLICANT_TESTS_ENGINE_KIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <replicant/replicant.h>

#include "engine/layer.h"

#define OK LSM_ERR_OK

extern struct layer_home kit_home;

void kit_make(void); /* fixture: the directory, with a cache that is wide */
void kit_remove(void);
void kit_narrow(unsigned bound);        /* another bound for the descriptors; before any layer */
const char *kit_path(const char *name); /* static; in the directory */

/* A layer with files, not open. `below` NULL: a base of `size` bytes. */
struct layer *kit_layer(struct layer *below, uint64_t below_limit, uint64_t size);
void kit_write_raw(const struct layer *layer, const void *bytes, size_t count, uint64_t offset);
void kit_read_raw(const struct layer *layer, void *bytes, size_t count, uint64_t offset);

void kit_seed(uint64_t seed); /* every test begins with 1 */
uint32_t kit_random(uint32_t below);
void kit_fill(void *bytes, size_t count); /* no byte is 0 */

/* The thread's pending error has this code and this word in its message; it is dropped. */
void kit_assert_error(int code, const char *word);

TCase *test_map(void);
TCase *test_gate(void);
TCase *test_helpers(void);
TCase *test_descriptor(void);
TCase *test_stack(void);
TCase *test_mover(void);
TCase *test_catalog(void);
TCase *test_job(void);
TCase *test_event(void);

#endif
