/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room doubles as the list grows; what lies between count and room is NULL. */
#include "string_list.h"

#include <replicant/error.h>
#include <stdlib.h>
#include <string.h>

#define STRING_LIST_MAGIC 0x4c53544cu

static bool make_room(struct _lsm_string_list *list, uint32_t count)
{
    if (count <= list->room)
        return true;
    if (count > STRING_LIST_MAX)
        return false;
    uint32_t room = list->room * 2 > count ? list->room * 2 : count;
    char **elems = reallocarray(list->elems, room, sizeof *elems);
    if (!elems)
        return false;
    memset(elems + list->room, 0, (room - list->room) * sizeof *elems);
    list->elems = elems;
    list->room = room;
    return true;
}

struct _lsm_string_list *string_list_create(uint32_t size)
{
    AUTO(string_list) struct _lsm_string_list *list = calloc(1, sizeof *list);
    if (!list || !make_room(list, size))
        return NULL;
    list->magic = STRING_LIST_MAGIC;
    list->count = size;
    return STEAL(list);
}

bool string_list_is(const void *list)
{
    uint32_t magic;
    if (!list)
        return false;
    memcpy(&magic, list, sizeof magic);
    return magic == STRING_LIST_MAGIC;
}

void string_list_destroy(struct _lsm_string_list *list)
{
    if (!list)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        free(list->elems[i]);
    free(list->elems);
    list->magic = 0;
    free(list);
}

int string_list_set(struct _lsm_string_list *list, uint32_t i, const char *text)
{
    autofree char *copy = strdup(text);
    if (!copy || i >= STRING_LIST_MAX || !make_room(list, i + 1))
        return LSM_ERR_NO_MEMORY;
    if (i >= list->count)
        list->count = i + 1;
    free(list->elems[i]);
    list->elems[i] = STEAL(copy);
    return LSM_ERR_OK;
}

int string_list_append(struct _lsm_string_list *list, const char *text)
{
    return string_list_set(list, list->count, text);
}

void string_list_remove(struct _lsm_string_list *list, uint32_t i)
{
    free(list->elems[i]);
    memmove(list->elems + i, list->elems + i + 1, (list->count - i - 1) * sizeof *list->elems);
    list->elems[--list->count] = NULL;
}

struct _lsm_string_list *string_list_copy(const struct _lsm_string_list *list)
{
    AUTO(string_list) struct _lsm_string_list *copy = string_list_create(list->count);
    for (uint32_t i = 0; copy && i < list->count; i++)
        if (list->elems[i] && string_list_set(copy, i, list->elems[i]) != LSM_ERR_OK)
            return NULL;
    return STEAL(copy);
}
