/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "aside.h"
#include "../util/clock.h"
#include "../util/error.h"
#include "../util/guid.h"

/* <name>@<first 8 of the generation>, the name cut at a character to fit, -2 and so on if taken. */
static void name_kept(struct aside *aside, const char *generation)
{
    const char *own = aside->volume->name;
    for (unsigned n = 1;; n++) {
        char suffix[24];
        snprintf(suffix, sizeof suffix, n == 1 ? "@%.8s" : "@%.8s-%u", generation, n);
        size_t room = sizeof aside->name - 1 - strlen(suffix), length = strlen(own);
        if (length > room)
            length = room;
        while (length > 0 && length < strlen(own) && ((unsigned char)own[length] & 0xc0) == 0x80)
            length--;
        snprintf(aside->name, sizeof aside->name, "%.*s%s", (int)length, own, suffix);
        if (!volume_by_name(aside->volume->pool, aside->name))
            return;
    }
}

static const char *parent_of_kept(const struct aside *aside)
{
    const struct volume *v = aside->volume;
    if (!aside->apart)
        return v->id;
    return v->parent[0] ? v->parent : NULL;
}

int aside_prepare(struct aside *aside, struct volume *v, const char *generation, bool keep,
                  bool apart)
{
    *aside = (struct aside){.volume = v, .old_top = v->top, .apart = apart};
    int code = layer_flush(v->top); /* the map goes when the stack is closed */
    if (code != LSM_ERR_OK || !keep)
        return code;
    name_kept(aside, generation);
    aside->row = (struct volume_row){.name = aside->name,
                                     .size = v->size,
                                     .created_ms = clock_ms(),
                                     .provision = LSM_VOLUME_PROVISION_THIN,
                                     .admin_state = LSM_VOLUME_ADMIN_STATE_ENABLED,
                                     .top = v->top->row,
                                     .parent = parent_of_kept(aside),
                                     .ready = true};
    code = guid_make_volume(aside->row.id);
    if (code == LSM_ERR_OK && !(aside->kept = volume_alloc(v->pool, &aside->row, v->top)))
        code = LSM_ERR_NO_MEMORY;
    return code;
}

/* Whose clones the volume's are from now on; NULL: nobody's. */
static const char *heir_of(const struct aside *aside)
{
    return aside->kept ? aside->kept->id : parent_of_kept(aside);
}

static int record_ties(const struct aside *aside)
{
    const struct volume *own = aside->volume;
    struct catalog *catalog = own->pool->catalog;
    int code = own->parent[0] ? catalog_volume_parent_set(catalog, own->id, NULL) : LSM_ERR_OK;
    for (const struct volume *v = own->pool->volumes; v && code == LSM_ERR_OK; v = v->hh.next)
        if (strcmp(v->parent, own->id) == 0)
            code = catalog_volume_parent_set(catalog, v->id, heir_of(aside));
    return code;
}

int aside_record(const struct aside *aside)
{
    struct pool *pool = aside->volume->pool;
    int code = aside->kept ? catalog_volume_add(pool->catalog, &aside->row)
                           : pool_layers_doom(pool, aside->old_top);
    return code == LSM_ERR_OK && aside->apart ? record_ties(aside) : code;
}

static void tie(struct volume *v, const char *parent)
{
    struct volume *old = volume_find(v->pool->root, v->parent);
    struct volume *fresh = parent ? volume_find(v->pool->root, parent) : NULL;
    if (old) {
        old->clones--;
        old->changed_ns = clock_monotonic_ns();
    }
    if (fresh)
        fresh->clones++;
    snprintf(v->parent, sizeof v->parent, "%s", parent ? parent : "");
    event_publish(v->pool->root->hub, LSM_EVENT_VOLUME, v->id, -1, -1);
}

static void show_ties(struct aside *aside)
{
    struct volume *own = aside->volume;
    char heir[ID_SIZE] = "";
    if (heir_of(aside))
        snprintf(heir, sizeof heir, "%s", heir_of(aside));
    for (struct volume *v = own->pool->volumes; v; v = v->hh.next)
        if (strcmp(v->parent, own->id) == 0)
            tie(v, heir[0] ? heir : NULL);
    if (own->parent[0])
        tie(own, NULL);
}

void aside_show(struct aside *aside)
{
    struct volume *own = aside->volume;
    struct event_hub *hub = own->pool->root->hub;
    if (aside->kept) {
        aside->old_top->uses--; /* volume_enter counts it again */
        volume_enter(aside->kept);
        event_publish(hub, LSM_EVENT_VOLUME, aside->kept->id, -1, -1);
    }
    if (aside->apart)
        show_ties(aside);
    if (!aside->kept)
        pool_layers_drop(own->pool, aside->old_top);
    event_publish(hub, LSM_EVENT_VOLUME, own->id, -1, -1);
}

void aside_discard(struct aside *aside)
{
    volume_free(aside->kept);
    aside->kept = NULL;
}
