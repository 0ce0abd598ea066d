/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Systems: one list, and the record. */
#include "check.h"
#include "noun.h"

static int system_list(lsm_connect *conn, lsm_system **systems[], uint32_t *count, lsm_flag flags)
{
    struct record_list found = {0};

    TRY(CHECK_OUT(systems));
    TRY(CHECK_NUMBER_OUT(count));
    TRY(check_flags(flags, 0));
    TRY(CHECK_SUPPORT(conn, system_list, "lsm_system_list"));
    TRY(noun_list_settle(&system_type, &found, conn->ops->system_list(conn->b, &found)));
    *systems = (lsm_system **)found.items;
    *count = found.count;
    return LSM_ERR_OK;
}

int lsm_system_list(lsm_connect *conn, lsm_system **systems[], uint32_t *count, lsm_flag flags)
{
    return CALL(conn, system_list(conn, systems, count, flags));
}

DEFINE_RECORD(system, &system_type)
DEFINE_GETTER(const char *, system, id, &system_type, NULL)
DEFINE_GETTER(const char *, system, name, &system_type, NULL)
DEFINE_GETTER(uint32_t, system, status, &system_type, UINT32_MAX)
