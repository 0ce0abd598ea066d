/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities: what a system can do, as a table of 512 bytes, one for each capability.
 *
 * What is UNSUPPORTED there answers LSM_ERR_NO_SUPPORT. A table is the caller's; reading it is
 * thread-safe, setting is not.
 */
#ifndef REPLICANT_CAPABILITIES_H
#define REPLICANT_CAPABILITIES_H

#include <replicant/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a system can. Both spellings are in use in programs written for libStorageMgmt. */
typedef enum {
    LSM_CAP_UNSUPPORTED = 0,
    LSM_CAP_SUPPORTED = 1,
    LSM_CAPABILITY_UNSUPPORTED = 0,
    LSM_CAPABILITY_SUPPORTED = 1
} lsm_capability_value_type;

/* What a system may be able to do: the place in the table. */
typedef enum {
    LSM_CAP_VOLUMES = 20,                       /* list volumes */
    LSM_CAP_VOLUME_CREATE = 21,                 /* make them */
    LSM_CAP_VOLUME_RESIZE = 22,                 /* change their size */
    LSM_CAP_VOLUME_REPLICATE = 23,              /* replicate them, in one way at least */
    LSM_CAP_VOLUME_REPLICATE_CLONE = 24,        /* … as CLONE */
    LSM_CAP_VOLUME_REPLICATE_COPY = 25,         /* … as COPY */
    LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC = 26, /* … as MIRROR_ASYNC */
    LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC = 27,  /* … as MIRROR_SYNC */
    LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE = 28,  /* tell the block size of ranges */
    LSM_CAP_VOLUME_COPY_RANGE = 29,             /* replicate ranges, in one way at least */
    LSM_CAP_VOLUME_COPY_RANGE_CLONE = 30,       /* … as CLONE */
    LSM_CAP_VOLUME_COPY_RANGE_COPY = 31,        /* … as COPY */
    LSM_CAP_VOLUME_DELETE = 33,                 /* delete volumes */
    LSM_CAP_VOLUME_ENABLE = 34,                 /* let a disabled one be written again */
    LSM_CAP_VOLUME_DISABLE = 35,                /* keep one from being written */
    LSM_CAP_VOLUME_MASK = 36,                   /* grant an access group access */
    LSM_CAP_VOLUME_UNMASK = 37,                 /* take it back */
    LSM_CAP_VOLUME_CHILD_DEPENDENCY = 45,       /* tell whether something depends on one */
    LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM = 46,    /* make that independent */
    LSM_CAP_VOLUME_THIN = 55,                   /* make THIN volumes */
    LSM_CAP_POOLS_QUICK_SEARCH = 210,           /* search pools without reading all */
    LSM_CAP_VOLUMES_QUICK_SEARCH = 211          /* search volumes without reading all */
} lsm_capability_type;

/**
 * Tells what a system can do.
 *
 * @param cap becomes the table, the caller's to free with lsm_capability_record_free()
 * @return LSM_ERR_OK, LSM_ERR_INVALID_ARGUMENT, LSM_ERR_NOT_FOUND_SYSTEM, LSM_ERR_NO_MEMORY, or a
 *         failure of the backend.
 * @since 0.1.0
 */
LSM_API int lsm_capabilities(lsm_connect *conn, lsm_system *system, lsm_storage_capabilities **cap,
                             lsm_flag flags);

/**
 * Looks up one capability.
 *
 * @return what the table has; LSM_CAP_UNSUPPORTED if cap is no table or capability lies outside it.
 * @since 0.1.0
 */
LSM_API lsm_capability_value_type lsm_capability_get(lsm_storage_capabilities *cap,
                                                     lsm_capability_type capability);

/**
 * Looks up one capability, as a truth value.
 *
 * @return 1 if it is supported, else 0.
 * @since 0.1.0
 */
LSM_API int lsm_capability_supported(lsm_storage_capabilities *cap,
                                     lsm_capability_type capability);

/**
 * Makes a table.
 *
 * @param hex two hexadecimal digits for each byte, 1,024 in all; NULL: nothing is supported
 * @return the table, the caller's to free with lsm_capability_record_free(); NULL if hex is not of
 *         that form, or without memory.
 * @since 0.1.0
 */
LSM_API lsm_storage_capabilities *lsm_capability_record_alloc(const char *hex);

/**
 * Frees a table.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT if cap is no table (NULL included).
 * @since 0.1.0
 */
LSM_API int lsm_capability_record_free(lsm_storage_capabilities *cap);

/**
 * Sets one capability in a table.
 *
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT.
 * @since 0.1.0
 */
LSM_API int lsm_capability_set(lsm_storage_capabilities *cap, lsm_capability_type capability,
                               lsm_capability_value_type value);

/**
 * Sets several capabilities in a table to one value.
 *
 * @param ... the capabilities, ended by -1
 * @return LSM_ERR_OK, or LSM_ERR_INVALID_ARGUMENT at the first that lies outside the table; those
 *         before it have been set then.
 * @since 0.1.0
 */
LSM_API int lsm_capability_set_n(lsm_storage_capabilities *cap, lsm_capability_value_type value,
                                 ...);

#ifdef __cplusplus
}
#endif

#endif
