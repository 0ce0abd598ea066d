/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands behind lsm_string_list: a growing list of texts, some of which may be NULL still. */
#ifndef REPLICANT_UTIL_STRING_LIST_H
#define REPLICANT_UTIL_STRING_LIST_H

#include <stdbool.h>
#include <replicant/types.h>
#include "cleanup.h"

#define STRING_LIST_MAX (1u << 24) /* elements; an index beyond is a mistake, not a wish */

struct _lsm_string_list {
    uint32_t magic;
    uint32_t count, room;
    char **elems;
};

/* `size` elements, all NULL; NULL without memory. No error is set in this file. */
struct _lsm_string_list *string_list_create(uint32_t size);
struct _lsm_string_list *string_list_copy(const struct _lsm_string_list *list);
void string_list_destroy(struct _lsm_string_list *list); /* NULL is fine */
bool string_list_is(const void *list);

/* Sets element i to a copy, growing the list to i + 1 first. LSM_ERR_NO_MEMORY where that fails. */
int string_list_set(struct _lsm_string_list *list, uint32_t i, const char *text);
int string_list_append(struct _lsm_string_list *list, const char *text);
void string_list_remove(struct _lsm_string_list *list, uint32_t i); /* i < count */

DEFINE_AUTO(string_list, struct _lsm_string_list *, string_list_destroy)

#endif
