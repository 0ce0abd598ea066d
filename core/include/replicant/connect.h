/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: from a URI to something that can be asked.
 *
 * The URI's scheme picks the backend. `dir:///srv/pool` is a root directory of this machine (the
 * process becomes its owner, or talks to the one that is), `sim://` a simulator with real data,
 * and any other scheme a libStorageMgmt plug-in that its daemon offers. A connection belongs to
 * the process that opened it; any number of threads may use it at once.
 */
#ifndef REPLICANT_CONNECT_H
#define REPLICANT_CONNECT_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Opens a connection.
 *
 * Several connections of one process to the same root share one engine; options in their URIs
 * (such as `?cache=none`) are the root's, so they must agree.
 *
 * @param uri        what to connect to; uri.h says how it is taken apart
 * @param password   for backends that ask for one; NULL: none
 * @param conn       becomes the connection, which the caller ends with lsm_connect_close()
 * @param timeout_ms milliseconds that this and later calls may wait for locks and for the other
 *                   side, not 0; reading and writing local storage is not bounded by it
 * @param e          becomes the error record on failure, the caller's to free; it is always set
 *                   then, except where e itself was refused
 * @return LSM_ERR_OK; LSM_ERR_INVALID_ARGUMENT (also for a malformed URI),
 *         LSM_ERR_PLUGIN_NOT_EXIST (no backend for the scheme), LSM_ERR_DAEMON_NOT_RUNNING,
 *         LSM_ERR_TIMEOUT, LSM_ERR_PERMISSION_DENIED, LSM_ERR_PLUGIN_AUTH_FAILED, LSM_ERR_BUSY
 *         (owned elsewhere and not reachable, or other options are in force), LSM_ERR_DAMAGED, or
 *         another code of the backend's own.
 * @since 0.1.0
 */
LSM_API int lsm_connect_password(const char *uri, const char *password, lsm_connect **conn,
                                 uint32_t timeout_ms, lsm_error_ptr *e, lsm_flag flags);

/**
 * Closes a connection and frees it.
 *
 * Calls of other threads that are under way are waited for; none may begin afterwards. I/O handles
 * and event queues opened on it stay valid until their own close, but the queues go silent. When
 * the last connection of a process to a root is closed, and the last I/O handle, its jobs stop at
 * a checkpoint, and the root's next owner goes on with them.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT. Once the arguments are accepted the connection
 *         is gone, whatever is returned.
 * @since 0.1.0
 */
LSM_API int lsm_connect_close(lsm_connect *conn, lsm_flag flags);

/**
 * Sets how long calls may wait for locks and for the other side.
 *
 * @param timeout_ms milliseconds, not 0
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_connect_timeout_set(lsm_connect *conn, uint32_t timeout_ms, lsm_flag flags);

/**
 * Tells how long calls may wait for locks and for the other side.
 *
 * @param timeout_ms becomes milliseconds; what it pointed at before does not matter
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_connect_timeout_get(lsm_connect *conn, uint32_t *timeout_ms, lsm_flag flags);

/**
 * Tells what a connection talks to.
 *
 * @param desc    becomes a description for people, the caller's to free()
 * @param version becomes a version for people, the caller's to free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NO_MEMORY, or a failure to reach the
 *         other side.
 * @since 0.1.0
 */
LSM_API int lsm_plugin_info_get(lsm_connect *conn, char **desc, char **version, lsm_flag flags);

/**
 * Lists what can be connected to: the built-in backends, and the plug-ins that libStorageMgmt's
 * daemon offers at this moment.
 *
 * It needs no connection and leaves no error record.
 *
 * @param sep     what stands between description and version in each element
 * @param plugins becomes the list, the caller's to free with lsm_string_list_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, or LSM_ERR_NO_MEMORY.
 * @since 0.1.0
 */
LSM_API int lsm_available_plugins_list(const char *sep, lsm_string_list **plugins, lsm_flag flags);

/**
 * The version of the library that runs, as opposed to that of these headers.
 *
 * @return such as "0.1.0"; a constant, never freed.
 * @since 0.1.0
 */
LSM_API const char *lsm_library_version_get(void);

#ifdef __cplusplus
}
#endif

#endif
