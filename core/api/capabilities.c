/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities: a table of bytes, and how it is read off a backend's ops. A call that the table
 * promises is a member that is not NULL, so the two cannot disagree.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "noun.h"

#define CAPABILITIES_MAGIC 0x4c434150u
#define CAPABILITIES_SIZE 512

struct _lsm_storage_capabilities {
    uint32_t magic;
    uint8_t table[CAPABILITIES_SIZE];
};

/* --- the table ---------------------------------------------------------------------------------
 */

static bool capabilities_are(const lsm_storage_capabilities *cap)
{
    uint32_t magic;
    if (!cap)
        return false;
    memcpy(&magic, cap, sizeof magic);
    return magic == CAPABILITIES_MAGIC;
}

static bool is_inside(int capability)
{
    return capability >= 0 && capability < CAPABILITIES_SIZE;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static bool read_hex(uint8_t table[CAPABILITIES_SIZE], const char *hex)
{
    for (int i = 0; i < CAPABILITIES_SIZE; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0)
            return false;
        table[i] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * CAPABILITIES_SIZE] == '\0';
}

lsm_storage_capabilities *lsm_capability_record_alloc(const char *hex)
{
    lsm_storage_capabilities *cap = calloc(1, sizeof *cap);
    if (!cap)
        return NULL;
    if (hex && !read_hex(cap->table, hex)) {
        free(cap);
        return NULL;
    }
    cap->magic = CAPABILITIES_MAGIC;
    return cap;
}

int lsm_capability_record_free(lsm_storage_capabilities *cap)
{
    if (!capabilities_are(cap))
        return LSM_ERR_INVALID_ARGUMENT;
    cap->magic = 0;
    free(cap);
    return LSM_ERR_OK;
}

lsm_capability_value_type lsm_capability_get(lsm_storage_capabilities *cap,
                                             lsm_capability_type capability)
{
    if (!capabilities_are(cap) || !is_inside((int)capability))
        return LSM_CAP_UNSUPPORTED;
    return (lsm_capability_value_type)cap->table[capability];
}

int lsm_capability_supported(lsm_storage_capabilities *cap, lsm_capability_type capability)
{
    return lsm_capability_get(cap, capability) == LSM_CAP_SUPPORTED;
}

int lsm_capability_set(lsm_storage_capabilities *cap, lsm_capability_type capability,
                       lsm_capability_value_type value)
{
    if (!capabilities_are(cap) || !is_inside((int)capability))
        return LSM_ERR_INVALID_ARGUMENT;
    if (value != LSM_CAP_UNSUPPORTED && value != LSM_CAP_SUPPORTED)
        return LSM_ERR_INVALID_ARGUMENT;
    cap->table[capability] = (uint8_t)value;
    return LSM_ERR_OK;
}

int lsm_capability_set_n(lsm_storage_capabilities *cap, lsm_capability_value_type value, ...)
{
    va_list list;
    int capability, rc = capabilities_are(cap) ? LSM_ERR_OK : LSM_ERR_INVALID_ARGUMENT;

    va_start(list, value);
    while (rc == LSM_ERR_OK && (capability = va_arg(list, int)) != -1)
        rc = lsm_capability_set(cap, (lsm_capability_type)capability, value);
    va_end(list);
    return rc;
}

/* --- what a backend can ------------------------------------------------------------------------
 */

struct offer {
    lsm_capability_type capability;
    bool has;
};

static bool replicates(const struct backend_ops *ops, lsm_replication_type type)
{
    return ops->volume_replicate && ops->replicate_types & 1u << type;
}

static bool replicates_ranges(const struct backend_ops *ops, lsm_replication_type type)
{
    return ops->volume_replicate_range && ops->range_types & 1u << type;
}

static void read_ops(lsm_storage_capabilities *cap, const struct backend_ops *ops)
{
    const struct offer offers[] = {
        {LSM_CAP_VOLUMES, ops->volume_list},
        {LSM_CAP_VOLUME_CREATE, ops->volume_create},
        {LSM_CAP_VOLUME_RESIZE, ops->volume_resize},
        {LSM_CAP_VOLUME_REPLICATE, ops->volume_replicate && ops->replicate_types},
        {LSM_CAP_VOLUME_REPLICATE_CLONE, replicates(ops, LSM_VOLUME_REPLICATE_CLONE)},
        {LSM_CAP_VOLUME_REPLICATE_COPY, replicates(ops, LSM_VOLUME_REPLICATE_COPY)},
        {LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC, replicates(ops, LSM_VOLUME_REPLICATE_MIRROR_ASYNC)},
        {LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC, replicates(ops, LSM_VOLUME_REPLICATE_MIRROR_SYNC)},
        {LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE, ops->replicate_range_block_size},
        {LSM_CAP_VOLUME_COPY_RANGE, ops->volume_replicate_range},
        {LSM_CAP_VOLUME_COPY_RANGE_CLONE, replicates_ranges(ops, LSM_VOLUME_REPLICATE_CLONE)},
        {LSM_CAP_VOLUME_COPY_RANGE_COPY, replicates_ranges(ops, LSM_VOLUME_REPLICATE_COPY)},
        {LSM_CAP_VOLUME_DELETE, ops->volume_delete},
        {LSM_CAP_VOLUME_ENABLE, ops->volume_admin_state_set},
        {LSM_CAP_VOLUME_DISABLE, ops->volume_admin_state_set},
        {LSM_CAP_VOLUME_CHILD_DEPENDENCY, ops->volume_child_dependency},
        {LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM, ops->volume_child_dependency_delete},
        {LSM_CAP_VOLUME_THIN, ops->volume_create},
        {LSM_CAP_POOLS_QUICK_SEARCH, ops->pool_list},
        {LSM_CAP_VOLUMES_QUICK_SEARCH, ops->volume_list},
    };
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        cap->table[offers[i].capability] = offers[i].has ? LSM_CAP_SUPPORTED : LSM_CAP_UNSUPPORTED;
}

/* A record may be of another root's, or of a system that is gone. */
static int check_system_is_there(lsm_connect *conn, const lsm_system *system)
{
    struct record_list systems = {0};
    bool there = false;

    TRY(noun_list_settle(&system_type, &systems, conn->ops->system_list(conn->b, &systems)));
    for (uint32_t i = 0; i < systems.count; i++) {
        const lsm_system *one = systems.items[i];
        there = there || (one->id && system->id && strcmp(one->id, system->id) == 0);
    }
    record_list_clear(&systems, &system_type);
    return there ? LSM_ERR_OK
                 : error_set(LSM_ERR_NOT_FOUND_SYSTEM, system->id, "no such system: %s",
                             system->id ? system->id : "one without an id");
}

static int capabilities(lsm_connect *conn, lsm_system *system, lsm_storage_capabilities **cap,
                        lsm_flag flags)
{
    TRY(CHECK_RECORD(&system_type, system));
    TRY(CHECK_OUT(cap));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, system_list, "lsm_capabilities"));
    TRY(check_system_is_there(conn, system));
    lsm_storage_capabilities *made = lsm_capability_record_alloc(NULL);
    if (!made)
        return error_no_memory();
    read_ops(made, conn->ops);
    *cap = made;
    return LSM_ERR_OK;
}

int lsm_capabilities(lsm_connect *conn, lsm_system *system, lsm_storage_capabilities **cap,
                     lsm_flag flags)
{
    return CALL(conn, capabilities(conn, system, cap, flags));
}
