/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume: a name, a size and the top of a stack. Everything here wants the root's lock, but for
 * the I/O of an open volume (volume_io.h).
 */
#ifndef REPLICANT_ENGINE_VOLUME_H
#define REPLICANT_ENGINE_VOLUME_H

#include "pool.h"

/* A pool's volumes into the picture, when it is opened, and out of it. */
int volumes_load(struct pool *pool);
void volumes_free(struct pool *pool);
void volume_free(struct volume *volume); /* the memory alone; NULL is fine */

struct volume *volume_find(struct root *root, const char *id); /* NULL: none; also one not ready */
/* One that callers may see, or 205 naming it. */
int volume_get(struct root *root, const char *id, struct volume **volume);
struct volume *volume_by_name(struct pool *pool, const char *name);
int volume_check_name(struct pool *pool, const char *name); /* 50, and whose it is */
/* Rounded up to whole clusters; 350 for what no file can hold. */
int volume_round_size(uint64_t *size);

/* A volume for the picture from the row that was, or will be, committed. NULL: no memory. */
struct volume *volume_alloc(struct pool *pool, const struct volume_row *row, struct layer *top);
void volume_enter(struct volume *volume); /* its top gets a use; cannot fail */

int volume_create(struct pool *pool, const char *name, uint64_t size,
                  lsm_volume_provision_type provision, struct volume **volume);
int volume_resize(struct volume *volume, uint64_t size);
int volume_check_deletable(const struct volume *volume); /* 160, 161 */
int volume_delete(struct volume *volume);
/* The same in two steps, for who has more to commit with it: the rows, then the picture. */
int volume_remove_rows(struct volume *volume);
void volume_remove(struct volume *volume);
int volume_rename(struct volume *volume, const char *name);
int volume_admin_state_set(struct volume *volume, uint32_t state);
int volume_tag_set(struct volume *volume, const char *key, const char *value);
int volume_tag_load(void *pool, const char *volume, const char *key, const char *value);
int volume_tags_copy(const struct volume *volume, lsm_volume *record);
int volume_check_dependants(const struct volume *volume); /* 161 naming what depends on it */
int volume_check_jobs(const struct volume *volume);       /* the same for jobs alone */
int volume_check_replaced(const struct volume *volume);   /* 1003: what it has is about to go */

lsm_volume *volume_record(struct volume *volume); /* NULL: the error is set */

/* The stack, open for as long as somebody has a handle or works on it. */
int volume_open_stack(struct volume *volume);
int volume_close_stack(struct volume *volume); /* the last one flushes; its code */

/* Exchanging the stacks of open volumes when what is below them changes: prepared before the
 * commit, so that nothing can fail after it. Open stacks that have `layer` are exchanged for ones
 * without it
 * (`instead` NULL), or for ones in which `instead` and what that stands on is all that is below it:
 * those are open, so taking them into use cannot fail. */
struct swap {
    struct volume *volume;
    struct stack *stack; /* the new one, then the old one */
};
uint32_t volume_stacks_with(const struct pool *pool, const struct layer *layer);
int volume_stacks_prepare(struct pool *pool, struct layer *layer, struct layer *instead,
                          struct swap **swaps, uint32_t *count);
void volume_gates_close(struct swap *swaps, uint32_t count);
void volume_stacks_swap(struct swap *swaps, uint32_t count); /* and the gates open again */
void volume_stacks_discard(struct swap *swaps, uint32_t count);

/* Flushes the top, twice, with the root's lock let go meanwhile and writes going on: what is left
 * for a freeze to flush is little. What was checked before must be checked again. */
int volume_flush_ahead(struct volume *volume);

#endif
