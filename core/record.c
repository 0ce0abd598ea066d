/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One implementation of copying, freeing and checking for all records: each type is a table that
 * says where its texts are, and the rest of a record is numbers. A type that gets a new text needs
 * one more word in its table, and nothing else here.
 */
#include "record.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "util/error.h"

#define TYPE(name, number) .magic = (number), .size = sizeof(struct _lsm_##name)

const struct record_type system_type = {
    TYPE(system, 0x4c535953u),
    .text_count = 4,
    .texts = {offsetof(struct _lsm_system, id), offsetof(struct _lsm_system, name),
              offsetof(struct _lsm_system, status_info), offsetof(struct _lsm_system, plugin_data)},
};

const struct record_type pool_type = {
    TYPE(pool, 0x4c504f4cu),
    .text_count = 5,
    .texts = {offsetof(struct _lsm_pool, id), offsetof(struct _lsm_pool, name),
              offsetof(struct _lsm_pool, system_id), offsetof(struct _lsm_pool, status_info),
              offsetof(struct _lsm_pool, plugin_data)},
};

const struct record_type volume_type = {
    TYPE(volume, 0x4c564f4cu),
    .text_count = 8,
    .texts = {offsetof(struct _lsm_volume, id), offsetof(struct _lsm_volume, name),
              offsetof(struct _lsm_volume, vpd83), offsetof(struct _lsm_volume, system_id),
              offsetof(struct _lsm_volume, pool_id), offsetof(struct _lsm_volume, parent_id),
              offsetof(struct _lsm_volume, base_path), offsetof(struct _lsm_volume, plugin_data)},
    .pair_array = offsetof(struct _lsm_volume, tags),
};

const struct record_type job_type = {
    TYPE(job, 0x4c4a4f42u),
    .text_count = 5,
    .texts = {offsetof(struct _lsm_job, id), offsetof(struct _lsm_job, key),
              offsetof(struct _lsm_job, source_volume_id),
              offsetof(struct _lsm_job, target_volume_id),
              offsetof(struct _lsm_job, error_message)},
};

const struct record_type replication_type = {
    TYPE(replication, 0x4c52504cu),
    .text_count = 8,
    .texts = {offsetof(struct _lsm_replication, id),
              offsetof(struct _lsm_replication, source_volume_id),
              offsetof(struct _lsm_replication, target_volume_id),
              offsetof(struct _lsm_replication, group_id),
              offsetof(struct _lsm_replication, generation),
              offsetof(struct _lsm_replication, job_id),
              offsetof(struct _lsm_replication, diverged_volume_id),
              offsetof(struct _lsm_replication, error_message)},
};

const struct record_type event_type = {
    TYPE(event, 0x4c45564eu),
    .text_count = 1,
    .texts = {offsetof(struct _lsm_event, object_id)},
};

const struct record_type block_range_type = {
    TYPE(block_range, 0x4c424c4bu),
};

static char **text_at(const void *record, uint32_t offset)
{
    return (char **)((uintptr_t)record + offset);
}

static char ***pairs_of(const struct record_type *type, const void *record)
{
    return type->pair_array ? (char ***)((uintptr_t)record + type->pair_array) : NULL;
}

static void pairs_destroy(char **pairs)
{
    for (char **text = pairs; text && *text; text++)
        free(*text);
    free(pairs);
}

static int pairs_copy(char **from, char ***to)
{
    size_t count = 0;
    while (from[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    *to = copy;
    if (!copy)
        return error_no_memory();
    for (size_t i = 0; i < count; i++)
        if (record_text(&copy[i], from[i]) != LSM_ERR_OK)
            return LSM_ERR_NO_MEMORY;
    return LSM_ERR_OK;
}

void *record_create(const struct record_type *type)
{
    void *record = calloc(1, type->size);
    if (record)
        memcpy(record, &type->magic, sizeof type->magic);
    else
        error_no_memory();
    return record;
}

static int copy_texts(const struct record_type *type, const void *from, void *to)
{
    char ***pairs = pairs_of(type, from);
    int rc = LSM_ERR_OK;

    for (uint32_t i = 0; rc == LSM_ERR_OK && i < type->text_count; i++)
        rc = record_text(text_at(to, type->texts[i]), *text_at(from, type->texts[i]));
    if (rc == LSM_ERR_OK && pairs && *pairs)
        rc = pairs_copy(*pairs, pairs_of(type, to));
    return rc;
}

void *record_copy(const struct record_type *type, const void *record)
{
    void *copy = malloc(type->size);
    if (!copy) {
        error_no_memory();
        return NULL;
    }
    memcpy(copy, record, type->size);
    for (uint32_t i = 0; i < type->text_count; i++)
        *text_at(copy, type->texts[i]) = NULL;
    if (type->pair_array)
        *pairs_of(type, copy) = NULL;
    if (copy_texts(type, record, copy) != LSM_ERR_OK) {
        record_destroy(type, copy);
        return NULL;
    }
    return copy;
}

void record_destroy(const struct record_type *type, void *record)
{
    if (!record)
        return;
    for (uint32_t i = 0; i < type->text_count; i++)
        free(*text_at(record, type->texts[i]));
    if (type->pair_array)
        pairs_destroy(*pairs_of(type, record));
    memset(record, 0, sizeof type->magic);
    free(record);
}

bool record_is(const struct record_type *type, const void *record)
{
    uint32_t magic;
    if (!record)
        return false;
    memcpy(&magic, record, sizeof magic); /* of whatever alignment */
    return magic == type->magic;
}

int record_text(char **member, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return error_no_memory();
    free(*member);
    *member = copy;
    return LSM_ERR_OK;
}

int record_unsaid(const char *object)
{
    error_set(LSM_ERR_OUTCOME_UNKNOWN, object,
              "what was asked for «%s» is done, but there is no memory for the answer", object);
    error_hint("look for it, or ask again with the same key");
    return LSM_ERR_OUTCOME_UNKNOWN;
}

int record_list_append(struct record_list *list, const struct record_type *type, void *record)
{
    if (!record)
        return LSM_ERR_NO_MEMORY; /* record_create has said so */
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 16;
        void **items = room > list->room ? reallocarray(list->items, room, sizeof *items) : NULL;
        if (!items) {
            record_destroy(type, record);
            return error_no_memory();
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = record;
    return LSM_ERR_OK;
}

void record_list_clear(struct record_list *list, const struct record_type *type)
{
    for (uint32_t i = 0; i < list->count; i++)
        record_destroy(type, list->items[i]);
    free(list->items);
    *list = (struct record_list){0};
}
