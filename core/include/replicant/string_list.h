/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * String lists: a list of texts that grows and shrinks, as some calls return it.
 *
 * The list owns copies of its texts. An element may be empty-handed (NULL), as all are in a new
 * list. A list is the caller's, and not thread-safe while it is being changed. Nothing here leaves
 * an error record.
 */
#ifndef REPLICANT_STRING_LIST_H
#define REPLICANT_STRING_LIST_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a list.
 *
 * @param size how many elements it has at first, all NULL
 * @return the list, the caller's to free with lsm_string_list_free(); NULL without memory.
 * @since 0.1.0
 */
LSM_API lsm_string_list *lsm_string_list_alloc(uint32_t size);

/**
 * Frees a list and its texts.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if list is no list (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_string_list_free(lsm_string_list *list);

/**
 * Copies a list and its texts.
 *
 * @return the copy, the caller's to free with lsm_string_list_free(); NULL if list is no list, or
 *         without memory.
 * @since 0.1.0
 */
LSM_API lsm_string_list *lsm_string_list_copy(lsm_string_list *list);

/**
 * How many elements a list has.
 *
 * @return elements; 0 if list is no list.
 * @since 0.1.0
 */
LSM_API uint32_t lsm_string_list_size(lsm_string_list *list);

/**
 * Looks an element up.
 *
 * @param i its place, from 0
 * @return the text, which lives until the element is changed or the list freed; NULL if there is
 *         none, i is outside the list, or list is no list.
 * @since 0.1.0
 */
LSM_API const char *lsm_string_list_elem_get(lsm_string_list *list, uint32_t i);

/**
 * Changes an element. The list grows where i lies past its end.
 *
 * @param i     its place, from 0
 * @param value the text, copied
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_string_list_elem_set(lsm_string_list *list, uint32_t i, const char *value);

/**
 * Adds an element at the end.
 *
 * @param value the text, copied
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_string_list_append(lsm_string_list *list, const char *value);

/**
 * Takes an element out; those behind it move up.
 *
 * @param i its place, from 0
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT (also where i is outside the list).
 * @since 0.1.0
 */
LSM_API int lsm_string_list_delete(lsm_string_list *list, uint32_t i);

#ifdef __cplusplus
}
#endif

#endif
