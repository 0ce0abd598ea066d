/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass from left to right: each part is a span of the text that ends at the first character
 * that may end it, and is then decoded on its own, so that an escaped '/' or '@' is never taken for
 * one that divides. Text that comes from anywhere is expected here: nothing is read past the NUL,
 * nothing is longer than URI_MAX, and a number is bounded before it is made.
 */
#include "uri.h"

#include <stdlib.h>
#include <string.h>
#include "error.h"
#include "hash.h"
#include "utf8.h"

struct span {
    size_t begin, end; /* bytes of the whole text, end excluded */
};

static int refuse(size_t at, const char *what)
{
    error_set(LSM_ERR_INVALID_ARGUMENT, "uri", "malformed URI: %s at byte %zu", what, at);
    error_offset(at);
    return LSM_ERR_INVALID_ARGUMENT;
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* The first place in [begin, end) of one of `ends`, or end. */
static size_t find_any(const char *text, size_t begin, size_t end, const char *ends)
{
    size_t at = begin;
    while (at < end && !strchr(ends, text[at]))
        at++;
    return at;
}

static int decode_into(const char *text, struct span span, char *out)
{
    for (size_t at = span.begin; at < span.end; at++) {
        if (text[at] != '%') {
            *out++ = text[at];
            continue;
        }
        /* Two digits are never cut by the span's end: what ends a span is no digit, nor is NUL. */
        int high = hex_value(text[at + 1]);
        int low = high < 0 ? -1 : hex_value(text[at + 2]);
        if (low < 0)
            return refuse(at, "a '%' without two hexadecimal digits");
        if (high == 0 && low == 0)
            return refuse(at, "an escaped NUL");
        *out++ = (char)(high << 4 | low);
        at += 2;
    }
    *out = '\0';
    return LSM_ERR_OK;
}

static int decode(const char *text, struct span span, char **part)
{
    autofree char *out = malloc(span.end - span.begin + 1);
    if (!out)
        return error_no_memory();
    int rc = decode_into(text, span, out);
    if (rc != LSM_ERR_OK)
        return rc;
    if (utf8_check_valid(out, SIZE_MAX, NULL) != UTF8_FINE)
        return refuse(span.begin, "escapes that make no UTF-8, in the part that begins");
    *part = STEAL(out);
    return LSM_ERR_OK;
}

static int parse_scheme(struct uri *uri, size_t *at)
{
    const char *text = uri->text;
    size_t end = 0;

    while (is_letter(text[end]) ||
           (end > 0 && text[end] && (is_digit(text[end]) || strchr("+-.", text[end]))))
        end++;
    if (end == 0)
        return refuse(0, "no scheme");
    if (strncmp(text + end, "://", 3) != 0)
        return refuse(end, "no \"://\" after the scheme");
    uri->scheme = strndup(text, end);
    if (!uri->scheme)
        return error_no_memory();
    for (char *c = uri->scheme; *c; c++)
        if (is_letter(*c))
            *c |= 0x20;
    *at = end + 3;
    return LSM_ERR_OK;
}

static int parse_port(struct uri *uri, struct span digits)
{
    int port = 0;

    if (digits.begin == digits.end)
        return refuse(digits.begin, "no port after the ':'");
    for (size_t at = digits.begin; at < digits.end; at++) {
        if (!is_digit(uri->text[at]))
            return refuse(at, "a port that is no number");
        port = port * 10 + (uri->text[at] - '0');
        if (port > 65535)
            return refuse(digits.begin, "a port above 65535");
    }
    if (port == 0)
        return refuse(digits.begin, "port 0");
    uri->port = port;
    return LSM_ERR_OK;
}

/* Where the server ends: past the bracket of an IPv6 address, else at a ':' or the span's end. */
static int server_end(const char *text, struct span span, size_t *end)
{
    if (span.begin < span.end && text[span.begin] == '[') {
        size_t close = find_any(text, span.begin, span.end, "]");
        if (close == span.end)
            return refuse(span.begin, "a '[' that is not closed");
        if (close + 1 < span.end && text[close + 1] != ':')
            return refuse(close + 1, "text after the ']'");
        *end = close + 1;
        return LSM_ERR_OK;
    }
    *end = find_any(text, span.begin, span.end, ":");
    size_t odd = find_any(text, span.begin, *end, " \"<>[\\]^`{|}@");
    return odd < *end ? refuse(odd, "a character that no server name has") : LSM_ERR_OK;
}

static int parse_authority(struct uri *uri, struct span span)
{
    const char *text = uri->text;
    size_t at = find_any(text, span.begin, span.end, "@");
    struct span user = {span.begin, span.begin}, server = span;

    if (at < span.end) {
        user.end = at;
        server.begin = at + 1;
    }
    int rc = server_end(text, server, &server.end);
    if (rc == LSM_ERR_OK && server.end < span.end)
        rc = parse_port(uri, (struct span){server.end + 1, span.end});
    if (rc == LSM_ERR_OK)
        rc = decode(text, user, &uri->user);
    return rc == LSM_ERR_OK ? decode(text, server, &uri->server) : rc;
}

static int parse_parameter(struct uri *uri, struct span span)
{
    autofree char *key = NULL;
    autofree char *value = NULL;
    size_t equals = find_any(uri->text, span.begin, span.end, "=");
    struct span value_span = {equals < span.end ? equals + 1 : equals, span.end};

    if (equals == span.begin)
        return refuse(equals, "a parameter without a name");
    int rc = decode(uri->text, (struct span){span.begin, equals}, &key);
    if (rc == LSM_ERR_OK)
        rc = decode(uri->text, value_span, &value);
    if (rc == LSM_ERR_OK && hash_set(uri->query, key, value) != LSM_ERR_OK)
        rc = error_no_memory();
    return rc;
}

static int parse_query(struct uri *uri, struct span span)
{
    uri->query = hash_create();
    if (!uri->query)
        return error_no_memory();
    while (span.begin < span.end) {
        size_t end = find_any(uri->text, span.begin, span.end, "&");
        if (end > span.begin) {
            int rc = parse_parameter(uri, (struct span){span.begin, end});
            if (rc != LSM_ERR_OK)
                return rc;
        }
        span.begin = end + 1;
    }
    return LSM_ERR_OK;
}

static int parse_parts(struct uri *uri)
{
    size_t at = 0, size = strlen(uri->text);
    int rc = parse_scheme(uri, &at);
    if (rc != LSM_ERR_OK)
        return rc;
    size_t path = find_any(uri->text, at, size, "/?");
    size_t query = find_any(uri->text, path, size, "?");

    rc = parse_authority(uri, (struct span){at, path});
    if (rc == LSM_ERR_OK)
        rc = decode(uri->text, (struct span){path, query}, &uri->path);
    if (rc == LSM_ERR_OK)
        rc = parse_query(uri, (struct span){query < size ? query + 1 : size, size});
    return rc;
}

static int check_text(const char *text)
{
    size_t at = 0;
    switch (utf8_check(text, URI_MAX, &at)) {
    case UTF8_FINE: break;
    case UTF8_LONG: return refuse(at, "more than 65535 bytes; cut");
    case UTF8_CONTROL: return refuse(at, "a control character");
    case UTF8_INVALID: return refuse(at, "what is no UTF-8");
    }
    at = strcspn(text, "#");
    return text[at] ? refuse(at, "a '#' that is not written %23") : LSM_ERR_OK;
}

int uri_parse(const char *text, struct uri **uri)
{
    int rc = check_text(text);
    if (rc != LSM_ERR_OK)
        return rc;
    AUTO(uri) struct uri *made = calloc(1, sizeof *made);
    if (!made || !(made->text = strdup(text)))
        return error_no_memory();
    made->port = -1;
    rc = parse_parts(made);
    if (rc == LSM_ERR_OK)
        *uri = STEAL(made);
    return rc;
}

void uri_destroy(struct uri *uri)
{
    if (!uri)
        return;
    free(uri->text);
    free(uri->scheme);
    free(uri->user);
    free(uri->server);
    free(uri->path);
    hash_destroy(uri->query);
    free(uri);
}

const char *uri_option(const struct uri *uri, const char *key)
{
    return hash_get(uri->query, key);
}
