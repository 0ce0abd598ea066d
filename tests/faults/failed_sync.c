/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sync that fails poisons a layer: Linux forgets which pages were dirty, so a later sync that
 * says 0 proves nothing. Flush keeps failing until every handle of the volume is closed, and so
 * does whatever would have to flush; what the disk has is then read anew.
 *
 * Each case runs on a volume that is a plain base and on one with layers, where the sync of the map
 * can fail, too.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"
#include "world.h"

#define OK LSM_ERR_OK
#define SIZE (256u << 10)

static const struct {
    const char *name;
    bool layered;
    const char *file; /* whose sync fails */
} cases[] = {{"base", false, ".raw"}, {"layered", true, ".raw"}, {"layered", true, ".map"}};
#define CASES (int)(sizeof cases / sizeof *cases)

static struct content *content;
static lsm_volume_io *first, *second;

static lsm_volume *volume(void)
{
    lsm_volume *found = world_volume("volume", "default");
    MUST(found != NULL);
    return found;
}

static void make(bool layered)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    world_begin();
    world_make_directory();
    failing_install();
    world_open();
    lsm_pool *pool = world_pool("default");
    MUST(lsm_volume_create(world.conn, pool, "volume", SIZE, LSM_VOLUME_PROVISION_THIN, &made, &job,
                           0) == OK);
    content = content_new("volume", "default", SIZE);
    first = world_io("volume");
    world_write(first, content, 1000, 100000, 1);
    MUST(lsm_volume_io_flush(first, 0) == OK);
    if (layered) {
        lsm_volume *clone = NULL;
        MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, made, "clone",
                                  &clone, &job, 0) == OK);
        struct content *copy = content_new("clone", "default", SIZE);
        memcpy(copy->bytes, content->bytes, SIZE);
        lsm_volume_record_free(clone);
        world_write(first, content, 200000, 5000, 5); /* the map's file has its length */
        MUST(lsm_volume_io_flush(first, 0) == OK);
    }
    lsm_volume_record_free(made);
    lsm_pool_record_free(pool);
    second = world_io("volume");
}

static void finish(void)
{
    world_close();
    failing_uninstall();
    world_open();
    world_check(false);
    world_close();
    world_check_files();
    world_remove_directory();
}

static void must_be_refused(int code, lsm_volume_io *io)
{
    lsm_error_ptr e = io ? lsm_volume_io_error_last_get(io) : lsm_error_last_get(world.conn);
    MUST(code == LSM_ERR_IO);
    MUST(e != NULL && (int)lsm_error_number_get(e) == LSM_ERR_IO);
    MUST(lsm_error_errno_get(e) == EIO);
    MUST(strstr(lsm_error_hint_get(e), "close every handle"));
    lsm_error_free(e);
}

/* Writes that nobody flushed, and one sync that fails; then the disk works again. Where the sync
 * that failed was of a spare layer that is made in the background, once more, at another place: a
 * map that is durable already is not synced again. */
static void poison(const char *file)
{
    unsigned char bytes[60000];
    int code = OK;
    content_fill(bytes, sizeof bytes, 2);
    for (uint64_t at = 50001; at + sizeof bytes <= SIZE && code == OK; at += sizeof bytes) {
        content_doubt(content, at, bytes, sizeof bytes);
        MUST(lsm_volume_io_pwrite(first, bytes, sizeof bytes, at, 0) == OK);
        failing_arm_at(FAULT_EIO, "fdatasync", file, 1, false);
        code = lsm_volume_io_flush(first, 0);
        MUST(failing_reached());
        failing_disarm();
    }
    must_be_refused(code, first);
}

START_TEST(flush_fails_until_every_handle_is_closed)
{
    char byte = 7;
    make(cases[_i].layered);
    poison(cases[_i].file);
    for (int i = 0; i < 3; i++) {
        must_be_refused(lsm_volume_io_flush(first, 0), first);
        must_be_refused(lsm_volume_io_flush(second, 0), second);
    }
    /* a write may go to memory, but not through it */
    content_doubt(content, 5, (unsigned char *)&byte, 1);
    MUST(lsm_volume_io_pwrite(second, &byte, 1, 5, 0) == OK);
    must_be_refused(lsm_volume_io_pwrite(second, &byte, 1, 5, LSM_VOLUME_IO_FUA), second);
    lsm_volume_io_close(first, 0);
    must_be_refused(lsm_volume_io_flush(second, 0), second);
    first = world_io("volume"); /* a handle more does not make it sound */
    must_be_refused(lsm_volume_io_flush(first, 0), first);
    lsm_volume_io_close(first, 0);
    lsm_volume_io_close(second, 0);

    world_check(true); /* either the old bytes or the new; from now on what is there stays */
    first = world_io("volume");
    world_write(first, content, 40000, 9999, 3);
    MUST(lsm_volume_io_flush(first, 0) == OK);
    MUST(lsm_volume_io_close(first, 0) == OK);
    finish();
}
END_TEST

START_TEST(what_must_flush_is_refused)
{
    lsm_volume *source, *made = NULL;
    char *job = NULL;
    make(cases[_i].layered);
    poison(cases[_i].file);
    source = volume();
    must_be_refused(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source,
                                         "new", &made, &job, 0),
                    NULL);
    must_be_refused(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_COPY, source, "new",
                                         &made, &job, 0),
                    NULL);
    must_be_refused(lsm_volume_resize(world.conn, source, 2 * SIZE, &made, &job, 0), NULL);
    MUST(!made && !job);
    lsm_volume_io_close(first, 0);
    lsm_volume_io_close(second, 0);

    world_check(true);
    MUST(lsm_volume_replicate(world.conn, NULL, LSM_VOLUME_REPLICATE_CLONE, source, "new", &made,
                              &job, 0) == OK);
    struct content *copy = content_new("new", "default", SIZE);
    memcpy(copy->bytes, content->bytes, SIZE);
    lsm_volume_record_free(made);
    lsm_volume_record_free(source);
    world_check(false);
    finish();
}
END_TEST

/* The last close cannot keep what was not flushed, and says so; nothing older is harmed. */
START_TEST(a_close_that_cannot_flush_says_so)
{
    unsigned char bytes[30000];
    make(true);
    content_fill(bytes, sizeof bytes, 4);
    content_doubt(content, 110001, bytes, sizeof bytes);
    MUST(lsm_volume_io_pwrite(first, bytes, sizeof bytes, 110001, 0) == OK);
    MUST(lsm_volume_io_close(second, 0) == OK);
    failing_arm_at(FAULT_EIO, "fdatasync", ".raw", 1, true);
    int code = lsm_volume_io_close(first, 0);
    MUST(failing_reached());
    failing_disarm();
    MUST(code == LSM_ERR_IO);
    world_check(true);
    finish();
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("failed sync");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, flush_fails_until_every_handle_is_closed, 0, CASES);
    tcase_add_loop_test(tcase, what_must_flush_is_refused, 0, CASES);
    tcase_add_test(tcase, a_close_that_cannot_flush_says_so);
    return world_run("faults-failed-sync", tcase);
}
