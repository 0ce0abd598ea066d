/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replicating. Every way in (the plain call, with options, a group) becomes one request to the
 * backend: a volume alone is a group of one. The arguments are checked in the contract's order,
 * and the type comes last of them.
 */
#include <stdlib.h>
#include <string.h>
#include "../util/cleanup.h"
#include "../util/utf8.h"
#include "check.h"
#include "noun.h"

#define KEY_MAX 128
#define DEFAULT_INTERVAL_MS 60000

/* --- options -----------------------------------------------------------------------------------
 */

static const struct _lsm_replicate_options default_options = {
    .magic = REPLICATE_OPTIONS_MAGIC,
    .interval_ms = DEFAULT_INTERVAL_MS,
    .verify = LSM_VERIFY_NONE,
    .on_target_error = LSM_TARGET_ERROR_DEGRADE,
};

static bool options_are(const lsm_replicate_options *options)
{
    uint32_t magic;
    if (!options)
        return false;
    memcpy(&magic, options, sizeof magic);
    return magic == REPLICATE_OPTIONS_MAGIC;
}

lsm_replicate_options *lsm_replicate_options_alloc(void)
{
    lsm_replicate_options *options = malloc(sizeof *options);
    if (options)
        *options = default_options;
    return options;
}

int lsm_replicate_options_free(lsm_replicate_options *options)
{
    if (!options_are(options))
        return LSM_ERR_INVALID_ARGUMENT;
    free(options->key);
    options->magic = 0;
    free(options);
    return LSM_ERR_OK;
}

int lsm_replicate_options_key_set(lsm_replicate_options *options, const char *key)
{
    if (!options_are(options))
        return LSM_ERR_INVALID_ARGUMENT;
    if (!key || !*key || utf8_check(key, KEY_MAX, NULL) != UTF8_FINE)
        return LSM_ERR_INVALID_ARGUMENT;
    char *copy = strdup(key);
    if (!copy)
        return LSM_ERR_NO_MEMORY;
    free(options->key);
    options->key = copy;
    return LSM_ERR_OK;
}

int lsm_replicate_options_interval_set(lsm_replicate_options *options, uint32_t ms)
{
    if (!options_are(options))
        return LSM_ERR_INVALID_ARGUMENT;
    options->interval_ms = ms;
    return LSM_ERR_OK;
}

int lsm_replicate_options_rate_limit_set(lsm_replicate_options *options, uint64_t bytes_per_s)
{
    if (!options_are(options))
        return LSM_ERR_INVALID_ARGUMENT;
    options->rate_limit = bytes_per_s;
    return LSM_ERR_OK;
}

int lsm_replicate_options_verify_set(lsm_replicate_options *options, lsm_verify_mode mode)
{
    if (!options_are(options) || (mode != LSM_VERIFY_NONE && mode != LSM_VERIFY_READ_BACK))
        return LSM_ERR_INVALID_ARGUMENT;
    options->verify = mode;
    return LSM_ERR_OK;
}

int lsm_replicate_options_on_target_error_set(lsm_replicate_options *options,
                                              lsm_target_error_policy policy)
{
    if (!options_are(options) ||
        (policy != LSM_TARGET_ERROR_DEGRADE && policy != LSM_TARGET_ERROR_FAIL))
        return LSM_ERR_INVALID_ARGUMENT;
    options->on_target_error = policy;
    return LSM_ERR_OK;
}

/* --- the one way down --------------------------------------------------------------------------
 */

static int check_pool(const lsm_pool *pool)
{
    return pool ? CHECK_RECORD(&pool_type, pool) : LSM_ERR_OK;
}

static int check_options(lsm_replicate_options *options)
{
    if (options && !options_are(options))
        return check_refuse("options", "are no options of lsm_replicate_options_alloc()");
    return LSM_ERR_OK;
}

/* What the backend made must be what it answered, or the caller would get neither. */
static int check_answer(const struct replicate_request *request, const struct record_list *made,
                        char *job, int rc)
{
    bool at_once = rc == LSM_ERR_OK && made->count == request->count && !job;
    bool started = rc == LSM_ERR_JOB_STARTED && made->count == 0 && job;
    bool failed = rc != LSM_ERR_OK && rc != LSM_ERR_JOB_STARTED;

    if (at_once || started || failed)
        return rc;
    return error_set(LSM_ERR_PLUGIN_BUG, NULL, "the backend made neither the volumes nor a job");
}

/* Both outputs are set, or neither: `made` after LSM_ERR_OK, `*job` after LSM_ERR_JOB_STARTED. */
static int replicate(lsm_connect *conn, const struct replicate_request *request,
                     struct record_list *made, char **job)
{
    autofree char *started = NULL;

    TRY(CHECK_SUPPORT(conn, volume_replicate, "lsm_volume_replicate"));
    int rc = conn->ops->volume_replicate(conn->b, request, made, &started);
    rc = check_answer(request, made, started, rc);
    if (rc != LSM_ERR_OK)
        record_list_clear(made, &volume_type);
    if (rc == LSM_ERR_JOB_STARTED)
        *job = STEAL(started);
    return rc;
}

/* --- one volume --------------------------------------------------------------------------------
 */

static int replicate_one(lsm_connect *conn, lsm_pool *pool, lsm_replication_type rep_type,
                         lsm_volume *volume_src, const char *name, lsm_replicate_options *options,
                         lsm_volume **new_replicant, char **job, lsm_flag flags)
{
    struct record_list made = {0};
    struct replicate_request request = {
        .type = rep_type,
        .pool = pool,
        .sources = &volume_src,
        .names = &name,
        .count = 1,
        .options = options ? options : &default_options,
    };

    TRY(check_pool(pool));
    TRY(CHECK_RECORD(&volume_type, volume_src));
    TRY(utf8_name_check("name", name));
    TRY(CHECK_OUT(new_replicant));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(check_options(options));
    TRY(check_replication_type(rep_type));
    TRY(replicate(conn, &request, &made, job));
    *new_replicant = made.items[0];
    free(made.items);
    return LSM_ERR_OK;
}

int lsm_volume_replicate_with(lsm_connect *conn, lsm_pool *pool, lsm_replication_type rep_type,
                              lsm_volume *volume_src, const char *name,
                              lsm_replicate_options *options, lsm_volume **new_replicant,
                              char **job, lsm_flag flags)
{
    return CALL(conn, replicate_one(conn, pool, rep_type, volume_src, name, options, new_replicant,
                                    job, flags));
}

int lsm_volume_replicate(lsm_connect *conn, lsm_pool *pool, lsm_replication_type rep_type,
                         lsm_volume *volume_src, const char *name, lsm_volume **new_replicant,
                         char **job, lsm_flag flags)
{
    return lsm_volume_replicate_with(conn, pool, rep_type, volume_src, name, NULL, new_replicant,
                                     job, flags);
}

/* --- a group -----------------------------------------------------------------------------------
 */

static int check_source(lsm_volume *sources[], uint32_t i)
{
    if (!record_is(&volume_type, sources[i]))
        return check_refuse("volume_srcs", "has no volume record in place %u", i);
    for (uint32_t before = 0; before < i; before++)
        if (sources[before]->id && sources[i]->id &&
            strcmp(sources[before]->id, sources[i]->id) == 0)
            return check_refuse("volume_srcs", "has the same volume in places %u and %u", before,
                                i);
    return LSM_ERR_OK;
}

static int check_members(lsm_volume *volume_srcs[], const char *names[], uint32_t count)
{
    TRY(CHECK_GIVEN(volume_srcs));
    TRY(CHECK_GIVEN(names));
    if (count == 0)
        return check_refuse("count", "is 0");
    for (uint32_t i = 0; i < count; i++)
        TRY(check_source(volume_srcs, i));
    for (uint32_t i = 0; i < count; i++)
        TRY(utf8_name_check("names", names[i]));
    return LSM_ERR_OK;
}

static int replicate_group(lsm_connect *conn, const struct replicate_request *request,
                           lsm_replicate_options *options, lsm_volume **new_replicants[],
                           uint32_t *new_count, char **job, lsm_flag flags)
{
    struct record_list made = {0};

    TRY(check_pool(request->pool));
    TRY(check_members(request->sources, request->names, request->count));
    TRY(CHECK_OUT(new_replicants));
    TRY(CHECK_NUMBER_OUT(new_count));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(check_options(options));
    TRY(check_replication_type(request->type));
    TRY(replicate(conn, request, &made, job));
    *new_replicants = (lsm_volume **)made.items;
    *new_count = made.count;
    return LSM_ERR_OK;
}

int lsm_volume_group_replicate(lsm_connect *conn, lsm_pool *pool, lsm_replication_type rep_type,
                               lsm_volume *volume_srcs[], const char *names[], uint32_t count,
                               lsm_replicate_options *options, lsm_volume **new_replicants[],
                               uint32_t *new_count, char **job, lsm_flag flags)
{
    struct replicate_request request = {
        .type = rep_type,
        .pool = pool,
        .sources = volume_srcs,
        .names = names,
        .count = count,
        .options = options ? options : &default_options,
    };
    return CALL(conn,
                replicate_group(conn, &request, options, new_replicants, new_count, job, flags));
}

/* --- ranges ------------------------------------------------------------------------------------
 */

static int range_block_size(lsm_connect *conn, lsm_system *system, uint32_t *bytes, lsm_flag flags)
{
    TRY(CHECK_RECORD(&system_type, system));
    TRY(CHECK_NUMBER_OUT(bytes));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, replicate_range_block_size, "lsm_volume_replicate_range_block_size"));
    return conn->ops->replicate_range_block_size(conn->b, system, bytes);
}

int lsm_volume_replicate_range_block_size(lsm_connect *conn, lsm_system *system, uint32_t *bytes,
                                          lsm_flag flags)
{
    return CALL(conn, range_block_size(conn, system, bytes, flags));
}

static int check_ranges(lsm_block_range **ranges, uint32_t n)
{
    TRY(CHECK_GIVEN(ranges));
    if (n == 0)
        return check_refuse("n", "is 0");
    for (uint32_t i = 0; i < n; i++)
        if (!record_is(&block_range_type, ranges[i]))
            return check_refuse("ranges", "has no block range in place %u", i);
    return LSM_ERR_OK;
}

static int check_range_type(lsm_replication_type rep_type)
{
    TRY(check_replication_type(rep_type));
    if (rep_type != LSM_VOLUME_REPLICATE_CLONE && rep_type != LSM_VOLUME_REPLICATE_COPY)
        return check_refuse("rep_type", "is neither CLONE nor COPY: %d", (int)rep_type);
    return LSM_ERR_OK;
}

static int check_range_support(const lsm_connect *conn, lsm_replication_type rep_type)
{
    TRY(CHECK_SUPPORT(conn, volume_replicate_range, "lsm_volume_replicate_range"));
    if (conn->ops->range_types & 1u << rep_type)
        return LSM_ERR_OK;
    error_set(LSM_ERR_NO_SUPPORT, conn->ops->scheme, "%s:// has no %s of ranges", conn->ops->scheme,
              rep_type == LSM_VOLUME_REPLICATE_CLONE ? "CLONE" : "COPY");
    error_hint("see lsm_capabilities() for the type that it has");
    return LSM_ERR_NO_SUPPORT;
}

static int replicate_range(lsm_connect *conn, lsm_replication_type rep_type, lsm_volume *volume_src,
                           lsm_volume *volume_dest, lsm_block_range **ranges, uint32_t n,
                           char **job, lsm_flag flags)
{
    TRY(CHECK_RECORD(&volume_type, volume_src));
    TRY(CHECK_RECORD(&volume_type, volume_dest));
    TRY(check_ranges(ranges, n));
    TRY(CHECK_OUT(job));
    TRY(check_flags(flags, 0));
    TRY(check_range_type(rep_type));
    TRY(check_range_support(conn, rep_type));
    return conn->ops->volume_replicate_range(conn->b, rep_type, volume_src, volume_dest, ranges, n,
                                             job);
}

int lsm_volume_replicate_range(lsm_connect *conn, lsm_replication_type rep_type,
                               lsm_volume *volume_src, lsm_volume *volume_dest,
                               lsm_block_range **ranges, uint32_t n, char **job, lsm_flag flags)
{
    return CALL(conn,
                replicate_range(conn, rep_type, volume_src, volume_dest, ranges, n, job, flags));
}
