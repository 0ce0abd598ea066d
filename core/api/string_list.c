/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public face of util/string_list.h: checks, then the list. */
#include "../util/string_list.h"

#include <replicant/replicant.h>

lsm_string_list *lsm_string_list_alloc(uint32_t size)
{
    return string_list_create(size);
}

int lsm_string_list_free(lsm_string_list *list)
{
    if (!string_list_is(list))
        return LSM_ERR_INVALID_ARGUMENT;
    string_list_destroy(list);
    return LSM_ERR_OK;
}

lsm_string_list *lsm_string_list_copy(lsm_string_list *list)
{
    return string_list_is(list) ? string_list_copy(list) : NULL;
}

uint32_t lsm_string_list_size(lsm_string_list *list)
{
    return string_list_is(list) ? list->count : 0;
}

const char *lsm_string_list_elem_get(lsm_string_list *list, uint32_t i)
{
    return string_list_is(list) && i < list->count ? list->elems[i] : NULL;
}

int lsm_string_list_elem_set(lsm_string_list *list, uint32_t i, const char *value)
{
    if (!string_list_is(list) || i >= STRING_LIST_MAX || !value)
        return LSM_ERR_INVALID_ARGUMENT;
    return string_list_set(list, i, value);
}

int lsm_string_list_append(lsm_string_list *list, const char *value)
{
    return lsm_string_list_elem_set(list, lsm_string_list_size(list), value);
}

int lsm_string_list_delete(lsm_string_list *list, uint32_t i)
{
    if (!string_list_is(list) || i >= list->count)
        return LSM_ERR_INVALID_ARGUMENT;
    string_list_remove(list, i);
    return LSM_ERR_OK;
}
