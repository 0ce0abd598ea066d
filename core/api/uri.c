/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public face of util/uri.h: what is empty there is NULL here. */
#include "../util/uri.h"

#include <stdlib.h>
#include <replicant/replicant.h>
#include "../util/error.h"

static char *take_part(char **part)
{
    char *text = STEAL(*part);
    if (text && !*text) {
        free(text);
        text = NULL;
    }
    return text;
}

int lsm_uri_parse(const char *uri, char **scheme, char **user, char **server, int *port,
                  char **path, lsm_hash **query_params)
{
    AUTO(uri) struct uri *parsed = NULL;

    if (!scheme || !user || !server || !port || !path || !query_params)
        return LSM_ERR_INVALID_ARGUMENT;
    *scheme = *user = *server = *path = NULL;
    *port = -1;
    *query_params = NULL;
    if (!uri)
        return LSM_ERR_INVALID_ARGUMENT;
    int rc = uri_parse(uri, &parsed);
    if (rc != LSM_ERR_OK) {
        error_clear();
        return rc;
    }
    *scheme = take_part(&parsed->scheme);
    *user = take_part(&parsed->user);
    *server = take_part(&parsed->server);
    *port = parsed->port;
    *path = take_part(&parsed->path);
    *query_params = STEAL(parsed->query);
    return LSM_ERR_OK;
}
