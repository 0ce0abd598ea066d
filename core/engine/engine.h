/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's backend functions, in two files: engine.c has the table. */
#ifndef REPLICANT_ENGINE_ENGINE_H
#define REPLICANT_ENGINE_ENGINE_H

#include "root.h"

struct connection {
    struct root *root;
};

#define ROOT(b) (((struct connection *)(b))->root)

int engine_replication_list(void *b, const char *key, const char *value, struct record_list *list);
int engine_replication_get(void *b, const char *id, lsm_replication **replication);
int engine_replication_sync(void *b, const char *id, char **job);
int engine_replication_pause(void *b, const char *id);
int engine_replication_resume(void *b, const char *id, lsm_flag flags);
int engine_replication_interval_set(void *b, const char *id, uint32_t ms);
int engine_replication_promote(void *b, const char *id, char **job, lsm_flag flags);
int engine_replication_reverse(void *b, const char *id, char **job, lsm_flag flags);
int engine_replication_break(void *b, const char *id);

#endif
