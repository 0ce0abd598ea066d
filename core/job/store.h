/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Job rows in a database, on a connection (and, for writing, an open transaction) that is handed
 * in: so that «the volume is ready» and «the job is done» can be one commit. */
#ifndef REPLICANT_JOB_STORE_H
#define REPLICANT_JOB_STORE_H

#include <sqlite3.h>

#include "job.h"

extern const char job_store_schema[];

int job_store_put(sqlite3 *db, const struct job_row *row); /* a new row, or a new state of one */
int job_store_remove(sqlite3 *db, const char *id);
/* Each row, oldest first; the callback may take the row's texts (and set them to NULL). */
int job_store_each(sqlite3 *db, int (*found)(void *argument, struct job_row *row), void *argument);

#endif
