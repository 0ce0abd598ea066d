/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The allocations of SQLite, which FAULT_MEMORY can fail, too. */
#include <sqlite3.h>
#include <stdlib.h>

#include "failing.h"

static sqlite3_mem_methods real;

static void *do_malloc(int size)
{
    return failing_memory("malloc", "SQLite") ? NULL : real.xMalloc(size);
}

static void *do_realloc(void *old, int size)
{
    return failing_memory("realloc", "SQLite") ? NULL : real.xRealloc(old, size);
}

void failing_sqlite(void)
{
    if (real.xMalloc || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        return;
    sqlite3_mem_methods methods = real;
    methods.xMalloc = do_malloc;
    methods.xRealloc = do_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        abort(); /* it is in use already */
}
