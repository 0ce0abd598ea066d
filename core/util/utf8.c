/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One decoder that gives a code point and its length, or a length of 0 for what is no UTF-8. It
 * never reads past a NUL: a NUL is no continuation byte, so a cut sequence ends there.
 */
#include "utf8.h"

#include <inttypes.h>
#include <string.h>
#include "error.h"

static int continuation(const unsigned char *s, int count, uint32_t *point)
{
    for (int i = 0; i < count; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (s[i] & 0x3f);
    }
    return count + 1;
}

static int decode(const unsigned char *s, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length;

    if (s[0] < 0x80) {
        *point = s[0];
        return 1;
    }
    if ((s[0] & 0xe0) == 0xc0) {
        *point = s[0] & 0x1f;
        length = continuation(s + 1, 1, point);
    } else if ((s[0] & 0xf0) == 0xe0) {
        *point = s[0] & 0x0f;
        length = continuation(s + 1, 2, point);
    } else if ((s[0] & 0xf8) == 0xf0) {
        *point = s[0] & 0x07;
        length = continuation(s + 1, 3, point);
    } else {
        return 0;
    }
    if (*point < least[length] || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return length;
}

static int is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

static enum utf8_fault check(const char *text, size_t max, int controls, size_t *position)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0, ignored;

    if (!position)
        position = &ignored;
    while (s[at]) {
        uint32_t point = 0;
        int length = at < max ? decode(s + at, &point) : 0;
        *position = at;
        if (at == max || at + (size_t)length > max) {
            *position = max;
            return UTF8_LONG;
        }
        if (!length)
            return UTF8_INVALID;
        if (!controls && is_control(point))
            return UTF8_CONTROL;
        at += (size_t)length;
    }
    return UTF8_FINE;
}

enum utf8_fault utf8_check(const char *text, size_t max, size_t *position)
{
    return check(text, max, 0, position);
}

enum utf8_fault utf8_check_valid(const char *text, size_t max, size_t *position)
{
    return check(text, max, 1, position);
}

int utf8_text_check(const char *what, const char *text, size_t max)
{
    size_t at = 0;

    if (!text)
        return error_set(LSM_ERR_INVALID_ARGUMENT, what, "`%s` is NULL", what);
    if (!*text)
        return error_set(LSM_ERR_INVALID_ARGUMENT, what, "`%s` is empty", what);
    switch (utf8_check(text, max, &at)) {
    case UTF8_FINE: return LSM_ERR_OK;
    case UTF8_LONG:
        return error_set(LSM_ERR_INVALID_ARGUMENT, what, "`%s` is longer than %zu bytes", what,
                         max);
    case UTF8_CONTROL:
        error_set(LSM_ERR_INVALID_ARGUMENT, what, "`%s` has a control character at byte %zu", what,
                  at);
        break;
    case UTF8_INVALID:
        error_set(LSM_ERR_INVALID_ARGUMENT, what, "`%s` is not UTF-8 at byte %zu", what, at);
        break;
    }
    error_offset(at);
    return LSM_ERR_INVALID_ARGUMENT;
}

int utf8_name_check(const char *what, const char *name)
{
    return utf8_text_check(what, name, UTF8_NAME_MAX);
}

size_t utf8_cut(const char *text, size_t max)
{
    size_t size = strnlen(text, max + 1);
    if (size <= max)
        return size;
    size = max;
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}
