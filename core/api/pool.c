/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools. A pool's name becomes a directory's, so it has a rule of its own. */
#include <string.h>
#include "check.h"
#include "noun.h"

#define POOL_NAME_MAX 64

static int check_pool_name(const char *name)
{
    TRY(CHECK_GIVEN(name));
    if (!*name)
        return check_refuse("name", "is empty");
    if (*name == '.')
        return check_refuse("name", "begins with a dot");
    size_t fine = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (name[fine]) {
        check_refuse("name",
                     "has a character other than A-Z, a-z, 0-9, '.', '_' and '-' at byte "
                     "%zu",
                     fine);
        error_offset(fine);
        return LSM_ERR_INVALID_ARGUMENT;
    }
    if (fine > POOL_NAME_MAX)
        return check_refuse("name", "is longer than %d bytes", POOL_NAME_MAX);
    return LSM_ERR_OK;
}

/* --- calls -------------------------------------------------------------------------------------
 */

static int pool_list(lsm_connect *conn, const char *key, const char *value, lsm_pool **pools[],
                     uint32_t *count, lsm_flag flags)
{
    static const char *const keys[] = {"id", "system_id", NULL};
    struct record_list found = {0};

    TRY(CHECK_OUT(pools));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(check_search(keys, key, value));
    TRY(CHECK_SUPPORT(conn, pool_list, "lsm_pool_list"));
    int rc = conn->ops->pool_list(conn->b, key, key ? value : NULL, &found);
    TRY(noun_list_settle(&pool_type, &found, rc));
    *pools = (lsm_pool **)found.items;
    *count = found.count;
    return LSM_ERR_OK;
}

int lsm_pool_list(lsm_connect *conn, char *key, char *value, lsm_pool **pools[], uint32_t *count,
                  lsm_flag flags)
{
    return CALL(conn, pool_list(conn, key, value, pools, count, flags));
}

static int pool_create(lsm_connect *conn, const char *name, const char *directory,
                       uint64_t limit_bytes, lsm_pool **pool, lsm_flag flags)
{
    TRY(check_pool_name(name));
    if (directory && !*directory)
        return check_refuse("directory", "is empty");
    TRY(CHECK_OUT(pool));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, pool_create, "lsm_pool_create"));
    return conn->ops->pool_create(conn->b, name, directory, limit_bytes, pool);
}

int lsm_pool_create(lsm_connect *conn, const char *name, const char *directory,
                    uint64_t limit_bytes, lsm_pool **pool, lsm_flag flags)
{
    return CALL(conn, pool_create(conn, name, directory, limit_bytes, pool, flags));
}

static int pool_delete(lsm_connect *conn, lsm_pool *pool, lsm_flag flags)
{
    TRY(CHECK_RECORD(&pool_type, pool));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, pool_delete, "lsm_pool_delete"));
    return conn->ops->pool_delete(conn->b, pool);
}

int lsm_pool_delete(lsm_connect *conn, lsm_pool *pool, lsm_flag flags)
{
    return CALL(conn, pool_delete(conn, pool, flags));
}

static int pool_check(lsm_connect *conn, lsm_pool *pool, char **job, lsm_flag flags)
{
    TRY(CHECK_RECORD(&pool_type, pool));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, pool_check, "lsm_pool_check"));
    return conn->ops->pool_check(conn->b, pool, job);
}

int lsm_pool_check(lsm_connect *conn, lsm_pool *pool, char **job, lsm_flag flags)
{
    return CALL(conn, pool_check(conn, pool, job, flags));
}

/* --- the record --------------------------------------------------------------------------------
 */

DEFINE_RECORD(pool, &pool_type)
DEFINE_GETTER(char *, pool, id, &pool_type, NULL)
DEFINE_GETTER(char *, pool, name, &pool_type, NULL)
DEFINE_GETTER(char *, pool, system_id, &pool_type, NULL)
DEFINE_GETTER(uint64_t, pool, total_space, &pool_type, 0)
DEFINE_GETTER(uint64_t, pool, free_space, &pool_type, 0)
DEFINE_GETTER(uint64_t, pool, status, &pool_type, UINT64_MAX)
DEFINE_GETTER(uint64_t, pool, element_type, &pool_type, 0)
DEFINE_GETTER(uint64_t, pool, unsupported_actions, &pool_type, 0)

const char *lsm_pool_status_info_get(lsm_pool *pool)
{
    if (!record_is(&pool_type, pool))
        return NULL;
    return pool->status_info ? pool->status_info : "";
}
