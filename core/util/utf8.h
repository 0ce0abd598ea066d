/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rule for a user's texts: valid UTF-8 (shortest form, no surrogates, at most U+10FFFF), and
 * no control characters: U+0000–1F, DEL and U+0080–9F.
 */
#ifndef REPLICANT_UTIL_UTF8_H
#define REPLICANT_UTIL_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_NAME_MAX 255 /* bytes */

enum utf8_fault {
    UTF8_FINE,
    UTF8_INVALID, /* *position: the first byte that is no UTF-8 */
    UTF8_CONTROL, /* *position: the first byte of the control character */
    UTF8_LONG,    /* *position: max */
};

/* Reads `text` up to its NUL, or to the character that passes `max`. `position` may be NULL. */
enum utf8_fault utf8_check(const char *text, size_t max, size_t *position);
enum utf8_fault utf8_check_valid(const char *text, size_t max,
                                 size_t *position); /* any character */

/* A name: 1 to 255 bytes under the rule. LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT with an error that
 * says `what` is wrong with it, and where. NULL is refused too. */
int utf8_name_check(const char *what, const char *name);
int utf8_text_check(const char *what, const char *text, size_t max); /* 1 to max bytes */

/* The largest size <= max at which `text` can be cut without cutting a character. */
size_t utf8_cut(const char *text, size_t max);

#endif
