/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a URI: refused with an error that names a byte of it, or taken apart into texts that
 * are UTF-8, twice in the same way. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "util/error.h"
#include "util/uri.h"
#include "util/utf8.h"

static void check_refusal(int code)
{
    MUST(code == LSM_ERR_INVALID_ARGUMENT);
    struct _lsm_error *e = error_take();
    MUST(e);
    error_destroy(e);
}

static void check_same(const struct uri *uri, const struct uri *again)
{
    MUST(strcmp(uri->scheme, again->scheme) == 0 && strcmp(uri->user, again->user) == 0);
    MUST(strcmp(uri->server, again->server) == 0 && strcmp(uri->path, again->path) == 0);
    MUST(uri->port == again->port && uri->port >= -1 && uri->port <= 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uri *uri = NULL, *again = NULL;
    char *text = malloc(size + 1);
    MUST(text);
    memcpy(text, data, size);
    text[size] = '\0';
    int code = uri_parse(text, &uri);
    if (code == LSM_ERR_OK) {
        MUST(strcmp(uri->text, text) == 0 && uri->scheme[0]);
        MUST(uri_parse(uri->text, &again) == LSM_ERR_OK);
        check_same(uri, again);
        uri_destroy(again);
        uri_destroy(uri);
    } else {
        MUST(!uri);
        check_refusal(code);
    }
    free(text);
    return 0;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max)
{
    static const char telling[] = "%%//::??&&==@@[[]]##..";
    size = fuzz_mutate_bytes(data, size, max);
    if (size > 0 && fuzz_random(2) == 0)
        data[fuzz_random((uint32_t)size)] = (uint8_t)telling[fuzz_random(sizeof telling - 1)];
    return size;
}

void fuzz_end(void)
{
}
