/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operations.h"

static char template[200];
static struct content template_contents[CONTENTS];

/* --- the world that most begin with ----------------------------------------------------------- */

void nth_make(const char *name, const char *pool_name, uint64_t size,
              lsm_volume_provision_type provision)
{
    world_make_volume(name, pool_name, size, provision);
    content_new(name, pool_name, size);
}

int nth_clone(const char *source_name, const char *name)
{
    const struct content *content = content_get(source_name);
    lsm_volume *source = world_volume(source_name, content->pool), *clone = NULL;
    char *job = NULL;
    MUST(source != NULL);
    int code = lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, name,
                                    &clone, &job, 0);
    lsm_volume_record_free(source);
    MUST((code == OK) == (clone != NULL) && !job);
    if (clone)
        lsm_volume_record_free(clone);
    return code;
}

void nth_model_copy(const char *from, const char *name, const char *pool)
{
    struct content *source = content_get(from);
    struct content *copy = content_new(name, pool, source->size);
    memcpy(copy->bytes, source->bytes, source->size);
}

void nth_write_some(const char *name, unsigned seed)
{
    struct content *content = content_get(name);
    lsm_volume_io *io = world_io(name);
    uint64_t part = content->size / 16;
    for (unsigned i = 0; i < 3; i++)
        world_write(io, content, (seed * 5 + i * 6) % 15 * part + 100 * seed, part - 77, seed + i);
    MUST(lsm_volume_io_flush(io, 0) == OK);
    MUST(lsm_volume_io_close(io, 0) == OK);
}

static void add_other_pool(void)
{
    world_make_pool("other");
    nth_make("away", "other", 256 * KIB, LSM_VOLUME_PROVISION_THIN);
    nth_write_some("away", 4);
}

void nth_template_build(bool two_pools)
{
    world_make_directory();
    snprintf(template, sizeof template, "%s", world.directory);
    failing_install();
    world_open();
    if (two_pools)
        add_other_pool();
    nth_make("plain", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    nth_make("src", "default", SIZE, LSM_VOLUME_PROVISION_THIN);
    nth_make("full", "default", 128 * KIB, LSM_VOLUME_PROVISION_FULL);
    nth_write_some("plain", 1);
    nth_write_some("src", 2);
    nth_write_some("full", 3);
    MUST(nth_clone("src", "child") == OK);
    nth_model_copy("src", "child", "default");
    nth_write_some("src", 5);
    nth_write_some("child", 6);
    world_check(false);
    world_close();
    failing_uninstall();
    memcpy(template_contents, world.shared->contents, sizeof template_contents);
}

void nth_template_remove(void)
{
    snprintf(world.directory, sizeof world.directory, "%s", template);
    world_remove_directory();
}

void nth_begin(const struct scenario *s)
{
    memset(&world.shared->outcome, 0, sizeof world.shared->outcome);
    for (int i = 0; i < CONTENTS; i++) {
        struct content *to = &world.shared->contents[i], *from = &template_contents[i];
        to->size = 0;
        if (s->empty || !from->size)
            continue;
        memcpy(to->name, from->name, sizeof to->name);
        memcpy(to->pool, from->pool, sizeof to->pool);
        memcpy(to->bytes, from->bytes, from->size);
        memset(to->bytes + from->size, 0, sizeof to->bytes - from->size);
        to->torn = to->unsynced = false;
        to->size = from->size;
    }
    if (s->empty)
        world_make_directory();
    else
        world_copy_directory(template);
}

/* --- what operations share ----------------------------------------------------------------------
 */

bool nth_has(const char *name, const char *pool)
{
    lsm_volume *volume = world_volume(name, pool);
    if (volume)
        lsm_volume_record_free(volume);
    return volume != NULL;
}

int nth_resize(const char *name, uint64_t size, struct outcome *outcome)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool), *resized = NULL;
    char *job = NULL;
    int code =
        world_outcome(lsm_volume_resize(world.conn, volume, size, &resized, &job, 0), outcome);
    MUST((code == OK) == (resized != NULL) && !job);
    if (resized)
        lsm_volume_record_free(resized);
    lsm_volume_record_free(volume);
    return code;
}

void nth_model_resize(const char *name, uint64_t size)
{
    struct content *content = content_get(name);
    if (size < content->size)
        memset(content->bytes + size, 0, content->size - size);
    content->size = size;
}

int nth_delete(const char *name, struct outcome *outcome)
{
    lsm_volume *volume = world_volume(name, content_get(name)->pool);
    char *job = NULL;
    int code = world_outcome(lsm_volume_delete(world.conn, volume, &job, 0), outcome);
    MUST(!job);
    lsm_volume_record_free(volume);
    return code;
}
