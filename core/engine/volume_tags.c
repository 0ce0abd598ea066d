/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A volume's tags: a small array of keys and values in memory, rows in the catalog. */
#include <stdlib.h>
#include <string.h>

#include "volume.h"
#include "../util/error.h"

#define TAGS_MAX 64
#define TAG_BYTES_MAX 4096

static size_t count_tags(const struct volume *volume)
{
    size_t n = 0;
    while (volume->tags && volume->tags[n])
        n += 2;
    return n / 2;
}

static size_t find_tag(const struct volume *volume, const char *key)
{
    size_t i = 0;
    while (volume->tags && volume->tags[i] && strcmp(volume->tags[i], key) != 0)
        i += 2;
    return i;
}

/* A tag in the picture: `texts` is what pair_alloc made. */
static char **pair_alloc(const struct volume *volume, const char *key, const char *value,
                         char *pair[2])
{
    char **tags = malloc((2 * count_tags(volume) + 3) * sizeof *tags);
    pair[0] = strdup(key);
    pair[1] = strdup(value);
    if (tags && pair[0] && pair[1])
        return tags;
    free(tags);
    for (int i = 0; i < 2; i++) {
        free(pair[i]);
        pair[i] = NULL;
    }
    error_no_memory();
    return NULL;
}

static void tag_remove(struct volume *volume, const char *key)
{
    size_t i = find_tag(volume, key);
    if (!volume->tags || !volume->tags[i])
        return;
    free(volume->tags[i]);
    free(volume->tags[i + 1]);
    do
        volume->tags[i] = volume->tags[i + 2];
    while (volume->tags[i++]);
}

static void tag_put(struct volume *volume, char **tags, char *pair[2])
{
    tag_remove(volume, pair[0]);
    size_t n = 2 * count_tags(volume);
    if (n)
        memcpy(tags, volume->tags, n * sizeof *tags);
    tags[n] = pair[0];
    tags[n + 1] = pair[1];
    tags[n + 2] = NULL;
    free(volume->tags);
    volume->tags = tags;
}

int volume_tag_load(void *argument, const char *id, const char *key, const char *value)
{
    struct pool *pool = argument;
    struct volume *volume;
    char *pair[2];
    HASH_FIND_STR(pool->volumes, id, volume);
    char **tags = volume ? pair_alloc(volume, key, value, pair) : NULL;
    if (tags)
        tag_put(volume, tags, pair);
    return tags || !volume ? LSM_ERR_OK : LSM_ERR_NO_MEMORY;
}

static int check_tag(const struct volume *volume, const char *key, const char *value)
{
    size_t bytes = strlen(key) + strlen(value), at = find_tag(volume, key), count;
    bool is_new = !volume->tags || !volume->tags[at];
    for (size_t i = 0; volume->tags && volume->tags[i]; i++)
        bytes += i / 2 == at / 2 && !is_new ? 0 : strlen(volume->tags[i]);
    count = count_tags(volume) + is_new;
    if (count <= TAGS_MAX && bytes <= TAG_BYTES_MAX)
        return LSM_ERR_OK;
    error_set(LSM_ERR_INVALID_ARGUMENT, volume->id,
              "the volume «%s» would have %zu tags of %zu bytes; it may have %d of %d",
              volume->name, count, bytes, TAGS_MAX, TAG_BYTES_MAX);
    error_hint("remove a tag first");
    return LSM_ERR_INVALID_ARGUMENT;
}

int volume_tag_set(struct volume *volume, const char *key, const char *value)
{
    struct catalog *catalog = volume->pool->catalog;
    char *pair[2] = {NULL}, **tags = NULL;
    int code = pool_check_writable(volume->pool);
    if (code == LSM_ERR_OK && value)
        code = check_tag(volume, key, value);
    if (code == LSM_ERR_OK && value && !(tags = pair_alloc(volume, key, value, pair)))
        code = LSM_ERR_NO_MEMORY;
    if (code == LSM_ERR_OK)
        code = catalog_begin(catalog);
    if (code == LSM_ERR_OK)
        code = catalog_end(catalog, catalog_tag_set(catalog, volume->id, key, value));
    if (code != LSM_ERR_OK) {
        free(tags);
        free(pair[0]);
        free(pair[1]);
        return code;
    }
    if (value)
        tag_put(volume, tags, pair);
    else
        tag_remove(volume, key);
    event_publish(volume->pool->root->hub, LSM_EVENT_VOLUME, volume->id, -1, -1);
    return code;
}

int volume_tags_copy(const struct volume *volume, lsm_volume *record)
{
    size_t n = 2 * count_tags(volume);
    if (!n)
        return LSM_ERR_OK;
    record->tags = calloc(n + 1, sizeof *record->tags);
    for (size_t i = 0; record->tags && i < n; i++)
        if (record_text(&record->tags[i], volume->tags[i]) != LSM_ERR_OK)
            return LSM_ERR_NO_MEMORY;
    return record->tags ? LSM_ERR_OK : error_no_memory();
}
