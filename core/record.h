/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records that cross the seam, in both directions: what the public handles of the same names
 * point at. A backend makes them, the API's getters read them, and nobody changes one once it
 * has been handed out.
 *
 * A record is one plain struct: the magic first, then numbers, then texts that it owns (malloc'd,
 * or NULL). Copying, freeing and checking go over a table of the type's texts, so there is one
 * implementation for all of them.
 */
#ifndef REPLICANT_RECORD_H
#define REPLICANT_RECORD_H

#include <stdbool.h>
#include <replicant/types.h>

#define ID_SIZE 33 /* 32 hex digits and the NUL */

struct record_type {
    uint32_t magic;
    uint32_t size;
    uint32_t text_count;
    uint32_t texts[12];  /* offsets of the char * members */
    uint32_t pair_array; /* offset of a NULL-terminated char ** of keys and values, or 0 */
};

struct _lsm_system {
    uint32_t magic;
    uint32_t status;
    char *id, *name, *status_info, *plugin_data;
};

struct _lsm_pool {
    uint32_t magic;
    uint64_t total_space, free_space; /* bytes */
    uint64_t status, element_type, unsupported_actions;
    char *id, *name, *system_id, *status_info, *plugin_data;
};

struct _lsm_volume {
    uint32_t magic;
    uint32_t admin_state, depth;
    lsm_volume_provision_type provision;
    uint64_t block_size, number_of_blocks;
    uint64_t allocated_bytes, exclusive_bytes, created_ms;
    char *id, *name, *vpd83, *system_id, *pool_id;
    char *parent_id, *base_path; /* NULL: none */
    char *plugin_data;           /* what a plug-in wants back; NULL: none */
    char **tags;                 /* key, value, key, value, …, NULL; or NULL */
};

struct _lsm_job {
    uint32_t magic;
    lsm_job_kind kind;
    lsm_job_state state;
    uint8_t percent;
    lsm_error_number error_number;
    uint64_t bytes_total, bytes_copied, bytes_skipped, bytes_per_second, eta_ms;
    uint64_t created_ms, started_ms, finished_ms;
    char *id, *key, *source_volume_id, *target_volume_id, *error_message;
};

struct _lsm_replication {
    uint32_t magic;
    lsm_replication_type type;
    lsm_replication_state state;
    lsm_error_number error_number;
    uint32_t interval_ms;
    uint64_t lag_bytes, lag_ms, last_sync_ms, last_sync_bytes, last_sync_duration_ms;
    char *id, *source_volume_id, *target_volume_id, *group_id, *generation, *job_id;
    char *diverged_volume_id, *error_message;
};

struct _lsm_event {
    uint32_t magic;
    lsm_event_kind kind;
    int old_state, new_state;
    uint64_t sequence, time_ms;
    char *object_id;
};

/* In blocks of what replicate_range_block_size says. */
struct _lsm_block_range {
    uint32_t magic;
    uint64_t source_start, dest_start, block_count;
};

#define REPLICATE_OPTIONS_MAGIC 0x4c524f50u

struct _lsm_replicate_options {
    uint32_t magic;
    uint32_t interval_ms;
    uint64_t rate_limit; /* bytes a second; 0: none */
    lsm_verify_mode verify;
    lsm_target_error_policy on_target_error;
    char *key; /* NULL: none */
};

extern const struct record_type system_type, pool_type, volume_type, job_type, replication_type,
    event_type, block_range_type;

/* A zeroed record with its magic; NULL without memory (the error is set). */
void *record_create(const struct record_type *type);
void *record_copy(const struct record_type *type, const void *record);
void record_destroy(const struct record_type *type, void *record); /* NULL is fine */
bool record_is(const struct record_type *type, const void *record);

/* Sets a text member to a copy; LSM_ERR_NO_MEMORY when that fails. NULL sets NULL. */
int record_text(char **member, const char *text);

/* What was asked for is done, but there is no memory to say so: LSM_ERR_OUTCOME_UNKNOWN. */
int record_unsaid(const char *object);

/* A growing list of records of one type, for what a backend answers. Starts as {0}. */
struct record_list {
    void **items;
    uint32_t count, room;
};

/* Takes ownership of `record`, also when it fails (then the record is destroyed). NULL, from a
 * record_create that failed, is LSM_ERR_NO_MEMORY. */
int record_list_append(struct record_list *list, const struct record_type *type, void *record);
void record_list_clear(struct record_list *list, const struct record_type *type);

#endif
