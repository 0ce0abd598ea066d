/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URIs that name a backend and what it is to open:
 *
 *     scheme://[user@][server][:port][/path][?key=value[&key=value]…]
 *
 * The scheme is a letter, then letters, digits, '+', '-' and '.'; it comes out in lower case. User,
 * server, path, keys and values may use %XX; what comes out is UTF-8. A server in brackets keeps
 * them. A key that comes twice has its last value, one without '=' the value "". There are no
 * fragments: a '#' is written %23.
 */
#ifndef REPLICANT_UTIL_URI_H
#define REPLICANT_UTIL_URI_H

#include <replicant/types.h>
#include "cleanup.h"

#define URI_MAX 65535 /* bytes */

/* Texts are never NULL (""). */
struct uri {
    char *text; /* as the user wrote it */
    char *scheme, *user, *server, *path;
    int port; /* -1: none */
    lsm_hash *query;
};

/* LSM_ERR_INVALID_ARGUMENT and an error that names the byte for what is no URI; on any failure
 * *uri is untouched. */
int uri_parse(const char *text, struct uri **uri);
void uri_destroy(struct uri *uri); /* NULL is fine */

/* The value of a key of the query; NULL: not there. */
const char *uri_option(const struct uri *uri, const char *key);

DEFINE_AUTO(uri, struct uri *, uri_destroy)

#endif
