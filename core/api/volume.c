/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes: what one can do to one of them, and the record. replicate.c makes more of them. */
#include <string.h>
#include "../util/utf8.h"
#include "check.h"
#include "noun.h"

#define TAG_VALUE_MAX 4096 /* bytes; what all tags of a volume have together */

/* --- listing and making ------------------------------------------------------------------------
 */

static int volume_list(lsm_connect *conn, const char *key, const char *value,
                       lsm_volume **volumes[], uint32_t *count, lsm_flag flags)
{
    static const char *const keys[] = {"id", "system_id", "pool_id", "name", "parent_id", NULL};
    struct record_list found = {0};

    TRY(CHECK_OUT(volumes));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(check_search(keys, key, value));
    TRY(CHECK_SUPPORT(conn, volume_list, "lsm_volume_list"));
    int rc = conn->ops->volume_list(conn->b, key, key ? value : NULL, &found);
    TRY(noun_list_settle(&volume_type, &found, rc));
    *volumes = (lsm_volume **)found.items;
    *count = found.count;
    return LSM_ERR_OK;
}

int lsm_volume_list(lsm_connect *conn, const char *key, const char *value, lsm_volume **volumes[],
                    uint32_t *count, lsm_flag flags)
{
    return CALL(conn, volume_list(conn, key, value, volumes, count, flags));
}

static int check_provisioning(lsm_volume_provision_type provisioning)
{
    switch (provisioning) {
    case LSM_VOLUME_PROVISION_THIN:
    case LSM_VOLUME_PROVISION_FULL:
    case LSM_VOLUME_PROVISION_DEFAULT: return LSM_ERR_OK;
    case LSM_VOLUME_PROVISION_UNKNOWN: break;
    }
    return check_refuse("provisioning", "is no way to provision: %d", (int)provisioning);
}

static int volume_create(lsm_connect *conn, lsm_pool *pool, const char *name, uint64_t size_bytes,
                         lsm_volume_provision_type provisioning, lsm_volume **new_volume,
                         char **job, lsm_flag flags)
{
    TRY(CHECK_RECORD(&pool_type, pool));
    TRY(utf8_name_check("name", name));
    TRY(check_size("size_bytes", size_bytes));
    TRY(check_provisioning(provisioning));
    TRY(CHECK_OUT(new_volume));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_create, "lsm_volume_create"));
    return conn->ops->volume_create(conn->b, pool, name, size_bytes, provisioning, new_volume, job);
}

int lsm_volume_create(lsm_connect *conn, lsm_pool *pool, const char *name, uint64_t size_bytes,
                      lsm_volume_provision_type provisioning, lsm_volume **new_volume, char **job,
                      lsm_flag flags)
{
    return CALL(conn,
                volume_create(conn, pool, name, size_bytes, provisioning, new_volume, job, flags));
}

/* --- changing and deleting ---------------------------------------------------------------------
 */

static int volume_resize(lsm_connect *conn, lsm_volume *volume, uint64_t new_size_bytes,
                         lsm_volume **resized, char **job, lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(check_size("new_size_bytes", new_size_bytes));
    TRY(CHECK_OUT(resized));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_resize, "lsm_volume_resize"));
    return conn->ops->volume_resize(conn->b, volume, new_size_bytes, resized, job);
}

int lsm_volume_resize(lsm_connect *conn, lsm_volume *volume, uint64_t new_size_bytes,
                      lsm_volume **resized, char **job, lsm_flag flags)
{
    return CALL(conn, volume_resize(conn, volume, new_size_bytes, resized, job, flags));
}

static int volume_delete(lsm_connect *conn, lsm_volume *volume, char **job, lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_delete, "lsm_volume_delete"));
    return conn->ops->volume_delete(conn->b, volume, job);
}

int lsm_volume_delete(lsm_connect *conn, lsm_volume *volume, char **job, lsm_flag flags)
{
    return CALL(conn, volume_delete(conn, volume, job, flags));
}

static int volume_rename(lsm_connect *conn, lsm_volume *volume, const char *name,
                         lsm_volume **renamed, lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(utf8_name_check("name", name));
    TRY(CHECK_OUT(renamed));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_rename, "lsm_volume_rename"));
    return conn->ops->volume_rename(conn->b, volume, name, renamed);
}

int lsm_volume_rename(lsm_connect *conn, lsm_volume *volume, const char *name, lsm_volume **renamed,
                      lsm_flag flags)
{
    return CALL(conn, volume_rename(conn, volume, name, renamed, flags));
}

static int admin_state_set(lsm_connect *conn, lsm_volume *volume, uint32_t state, const char *call,
                           lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_admin_state_set, call));
    return conn->ops->volume_admin_state_set(conn->b, volume, state);
}

int lsm_volume_enable(lsm_connect *conn, lsm_volume *volume, lsm_flag flags)
{
    return CALL(conn, admin_state_set(conn, volume, LSM_VOLUME_ADMIN_STATE_ENABLED,
                                      "lsm_volume_enable", flags));
}

int lsm_volume_disable(lsm_connect *conn, lsm_volume *volume, lsm_flag flags)
{
    return CALL(conn, admin_state_set(conn, volume, LSM_VOLUME_ADMIN_STATE_DISABLED,
                                      "lsm_volume_disable", flags));
}

/* Any text will do as a value, several lines and the empty one too. */
static int check_tag_value(const char *value)
{
    size_t at = 0;
    switch (value ? utf8_check_valid(value, TAG_VALUE_MAX, &at) : UTF8_FINE) {
    case UTF8_LONG: return check_refuse("value", "is longer than %d bytes", TAG_VALUE_MAX);
    case UTF8_INVALID: return check_refuse("value", "is not UTF-8 at byte %zu", at);
    case UTF8_CONTROL:
    case UTF8_FINE: break;
    }
    return LSM_ERR_OK;
}

static int tag_set(lsm_connect *conn, lsm_volume *volume, const char *key, const char *value,
                   lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(utf8_name_check("key", key));
    TRY(check_tag_value(value));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_tag_set, "lsm_volume_tag_set"));
    return conn->ops->volume_tag_set(conn->b, volume, key, value);
}

int lsm_volume_tag_set(lsm_connect *conn, lsm_volume *volume, const char *key, const char *value,
                       lsm_flag flags)
{
    return CALL(conn, tag_set(conn, volume, key, value, flags));
}

/* --- dependants --------------------------------------------------------------------------------
 */

static int child_dependency(lsm_connect *conn, lsm_volume *volume, uint8_t *yes, lsm_flag flags)
{
    bool depends = false;

    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(CHECK_NUMBER_OUT(yes));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_child_dependency, "lsm_volume_child_dependency"));
    TRY(conn->ops->volume_child_dependency(conn->b, volume, &depends));
    *yes = depends;
    return LSM_ERR_OK;
}

int lsm_volume_child_dependency(lsm_connect *conn, lsm_volume *volume, uint8_t *yes, lsm_flag flags)
{
    return CALL(conn, child_dependency(conn, volume, yes, flags));
}

static int child_dependency_delete(lsm_connect *conn, lsm_volume *volume, char **job,
                                   lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, volume_child_dependency_delete, "lsm_volume_child_dependency_delete"));
    return conn->ops->volume_child_dependency_delete(conn->b, volume, job);
}

int lsm_volume_child_dependency_delete(lsm_connect *conn, lsm_volume *volume, char **job,
                                       lsm_flag flags)
{
    return CALL(conn, child_dependency_delete(conn, volume, job, flags));
}

/* --- the record --------------------------------------------------------------------------------
 */

DEFINE_RECORD(volume, &volume_type)
DEFINE_GETTER(const char *, volume, id, &volume_type, NULL)
DEFINE_GETTER(const char *, volume, name, &volume_type, NULL)
DEFINE_GETTER(const char *, volume, vpd83, &volume_type, NULL)
DEFINE_GETTER(char *, volume, system_id, &volume_type, NULL)
DEFINE_GETTER(char *, volume, pool_id, &volume_type, NULL)
DEFINE_GETTER(uint64_t, volume, block_size, &volume_type, 0)
DEFINE_GETTER(uint64_t, volume, number_of_blocks, &volume_type, 0)
DEFINE_GETTER(uint32_t, volume, admin_state, &volume_type, LSM_VOLUME_ADMIN_STATE_ENABLED)
DEFINE_GETTER(lsm_volume_provision_type, volume, provision, &volume_type,
              LSM_VOLUME_PROVISION_UNKNOWN)
DEFINE_GETTER(uint64_t, volume, allocated_bytes, &volume_type, 0)
DEFINE_GETTER(uint64_t, volume, exclusive_bytes, &volume_type, 0)
DEFINE_GETTER(uint32_t, volume, depth, &volume_type, 0)
DEFINE_GETTER(const char *, volume, parent_id, &volume_type, NULL)
DEFINE_GETTER(uint64_t, volume, created_ms, &volume_type, 0)
DEFINE_GETTER(const char *, volume, base_path, &volume_type, NULL)

const char *lsm_volume_tag_get(lsm_volume *volume, const char *key)
{
    if (!record_is(&volume_type, volume) || !key || !volume->tags)
        return NULL;
    for (char **pair = volume->tags; pair[0] && pair[1]; pair += 2)
        if (strcmp(pair[0], key) == 0)
            return pair[1];
    return NULL;
}

int lsm_volume_vpd83_verify(const char *vpd83)
{
    if (!vpd83)
        return LSM_ERR_INVALID_ARGUMENT;
    size_t digits = strspn(vpd83, "0123456789abcdefABCDEF");
    bool long_one = digits == 32 && vpd83[0] == '6';
    bool short_one = digits == 16 && strchr("235", vpd83[0]);
    return !vpd83[digits] && (long_one || short_one) ? LSM_ERR_OK : LSM_ERR_INVALID_ARGUMENT;
}
