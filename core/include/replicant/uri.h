/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URIs: scheme://user@server:port/path?key=value&key=value
 *
 * Only the scheme must be there. It may contain '+'; what stands before that names the backend.
 */
#ifndef REPLICANT_URI_H
#define REPLICANT_URI_H

#include <replicant/hash.h>
#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Takes a URI apart, as lsm_connect_password() does.
 *
 * It needs no connection and leaves no error record. What the outputs point at before does not
 * matter; on failure all become NULL, and port -1. Texts are the caller's to free().
 *
 * @param scheme       becomes what stands before "://"
 * @param user         becomes the user; NULL where there is none
 * @param server       becomes the host; NULL where there is none
 * @param port         becomes the port, -1 where there is none
 * @param path         becomes the path; NULL where there is none
 * @param query_params becomes the query's keys and values, the caller's to free with
 *                     lsm_hash_free(); empty where there are none
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT (also for a malformed URI, however hostile), or
 *         LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_uri_parse(const char *uri, char **scheme, char **user, char **server, int *port,
                          char **path, lsm_hash **query_params);

#ifdef __cplusplus
}
#endif

#endif
