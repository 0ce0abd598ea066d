/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All verbs, in short sequences: a log has room for a few commits only, since each adds its part of
 * the images. Writes are at odd places, some flushed and some not, and some overlap.
 */
#include <stddef.h>

#include "crash_sequences.h"
#include "crash_verbs.h"

#define SIZE (128u * KIB)
#define THIN LSM_VOLUME_PROVISION_THIN
#define FULL LSM_VOLUME_PROVISION_FULL

static void one(void)
{
    v_make("a", SIZE, THIN);
    v_write("a", 1000, 100000);
    v_flush("a");
    v_close("a");
}

static void cloned(void)
{
    one();
    v_clone("a", "b");
    v_write("b", 30000, 9000);
    v_write("a", 60000, 9000);
    v_flush("b");
    v_flush("a");
    v_close("a");
    v_close("b");
}

static void nothing(void)
{
}

static void birth(void)
{
    one();
    v_write("a", 500, 5000);
}

static void writes(const char *name)
{
    v_write(name, 3000, 20000);
    v_flush(name);
    v_write(name, 2000, 3000);
    v_zero(name, 9000, 30000);
    v_flush(name);
    v_discard(name, 40960, 16384);
    v_write(name, 50000, 700);
    v_write_fua(name, 120000, 3000);
    v_write(name, 50100, 70000);
    v_flush(name);
    v_write(name, 10, 20);
}

static void write_base(void)
{
    writes("a");
}

static void write_top(void)
{
    writes("b");
    v_write("a", 100, 5000);
    v_flush("a");
}

static void pool(void)
{
    v_pool("second");
    v_copy("a", "b", "second");
    v_write("b", 5000, 9000);
    v_flush("b");
}

static void make(void)
{
    v_make("b", SIZE, FULL);
    v_write("b", 4000, 9000);
    v_flush("b");
    v_rename("b", "c");
    v_close("b");
    v_write("c", 5000, 90);
    v_delete("c", false);
    v_make("d", 64 * KIB, THIN);
    v_write("d", 0, 64 * KIB);
    v_close("d");
    v_delete("a", false);
}

static void resizes(const char *name)
{
    v_resize(name, 2 * SIZE);
    v_write(name, SIZE - 3000, 60000);
    v_flush(name);
    v_close(name);
    v_resize(name, 60 * KIB);
    v_write(name, 50000, 3000);
    v_close(name);
    v_resize(name, SIZE);
    v_write(name, 100000, 3000);
    v_flush(name);
}

static void resize_base(void)
{
    resizes("a");
}

static void resize_top(void)
{
    resizes("b");
}

static void clone(void)
{
    v_write("a", 50000, 30000);
    v_clone("a", "b");
    v_write("a", 55000, 9000);
    v_write("b", 52000, 9000);
    v_clone("b", "c");
    v_flush("a");
    v_write("c", 60000, 200);
    v_flush("c");
    v_write("b", 1000, 3000);
    v_clone("a", "d");
    v_write("b", 9000, 3000);
    v_delete("d", false);
    v_delete("c", false);
    v_flush("b");
}

static void source(void)
{
    v_pool("second");
    one();
}

/* Writes that come while the source is flushed are in the clone, and it has them after a cut. */
static void clone_busy(void)
{
    v_write("a", 50000, 30000);
    v_keep_writing("a", 20000, 2);
    v_clone("a", "b");
    v_write("b", 50000, 300);
    v_write("a", 60000, 300);
    v_keep_writing("a", 40000, 2);
    v_clone("a", "c");
    v_write("a", 60000, 300);
    v_keep_writing("a", 90000, 2);
    v_copy("a", "d", "second");
}

static void two(void)
{
    one();
    v_make("b", SIZE, THIN);
    v_write("b", 0, SIZE);
    v_flush("b");
    v_close("b");
}

static void group(void)
{
    v_write("a", 100, 9000);
    v_write("b", 100, 9000);
    v_clone_two("a", "c", "b", "d");
    v_write("a", 200, 9000);
    v_write("c", 200, 9000);
    v_flush("c");
    v_clone_two("a", "e", "b", "f");
}

static void two_of_two_pools(void)
{
    v_pool("second");
    two();
}

static void group_copy(void)
{
    v_write("a", 100, 9000);
    v_write("b", 100, 9000);
    v_copy_two("a", "c", "b", "d", "second");
    v_write("a", 200, 9000);
    v_write("c", 200, 9000);
    v_flush("c");
}

static void range(void)
{
    v_write("a", 30000, 20000);
    v_range("a", "b", 20 * KIB, 512, 30 * KIB);
    v_write("b", 5000, 9000);
    v_range("b", "b", 0, 64 * KIB, 20 * KIB);
    v_clone("b", "c");
    v_range("a", "c", 1024, 90 * KIB, 10 * KIB);
}

static void range_of_mirror(void)
{
    v_write("a", 30000, 20000);
    v_range("a", "a", 20 * KIB, 512 + 60 * KIB, 30 * KIB);
    v_write("a", 70000, 700);
}

static void copy(void)
{
    v_write("b", 20000, 30000);
    v_copy("b", "c", "default");
    v_write("b", 25000, 3000);
    v_copy("b", "d", "second");
    v_write("a", 25000, 3000);
    v_flush("a");
}

static void flatten(void)
{
    v_write("a", 20000, 3000);
    v_clone("a", "c");
    v_write("c", 21000, 3000);
    v_write("b", 22000, 3000);
    v_flatten("a");
    v_write("b", 90000, 3000);
    v_flush("b");
}

/* Frozen layers that nothing but their volume stands on any more are merged. */
static void merge(void)
{
    v_clone("b", "c");
    v_write("b", 20000, 30000);
    v_clone("b", "d");
    v_zero("b", 24000, 12000);
    v_delete("c", false);
    v_delete("d", false);
    v_await_depth("b", 3);
    v_write("b", 1000, 1000);
    v_flush("b");
}

/* A volume whose last clone is gone becomes the plain image again. */
static void absorb(void)
{
    v_delete("b", true);
    v_write("a", 70000, 9000);
    v_await_depth("a", 1);
    v_write("a", 71000, 9000);
    v_flush("a");
}

static void two_pools(void)
{
    v_pool("second");
    cloned();
}

static void sync_made(void)
{
    v_write("a", 500, 3000);
    v_mirror(LSM_VOLUME_REPLICATE_MIRROR_SYNC);
    v_write("a", 2000, 20000);
    v_flush("a");
    v_write("a", 90000, 9000);
    v_zero("a", 8000, 9000);
    v_flush("a");
    v_write_fua("a", 500, 700);
    v_write("a", 2500, 700);
    v_break();
    v_write("m", 2500, 700);
}

static void sync_grown(void)
{
    v_write("a", 2500, 20000);
    v_resize("a", 2 * SIZE);
    v_write("a", SIZE - 3000, 20000);
    v_flush("a");
    v_write("a", SIZE - 2000, 20000);
}

static void sync_source(void)
{
    source();
    v_mirror(LSM_VOLUME_REPLICATE_MIRROR_SYNC);
    v_write("a", 2000, 20000);
    v_flush("a");
    v_close("a");
}

static void sync_paused(void)
{
    v_write("a", 2500, 20000);
    v_pause();
    v_write("a", 3500, 20000);
    v_flush("a");
    v_write("a", 60000, 20000);
    v_resume();
    v_write("a", 61000, 700);
    v_flush("a");
    v_write("a", 62000, 700);
}

static void sync_promoted(void)
{
    v_write("a", 2500, 20000);
    v_promote();
    v_write("m", 3500, 20000);
    v_flush("m");
    v_write("m", 4500, 20000);
    v_promote();
    v_write("a", 5500, 700);
}

static void sync_split(void)
{
    v_write("a", 2500, 20000);
    v_promote_by_force();
    v_write("a", 3500, 9000);
    v_flush("a");
    v_write("m", 4500, 9000);
    v_flush("m");
    v_write("m", 5500, 9000);
    v_reverse(false);
    v_write("m", 6500, 9000);
    v_flush("m");
    v_write("m", 7500, 9000);
}

static void sync_resumed(void)
{
    v_promote_by_force();
    v_write("a", 3500, 9000);
    v_flush("a");
    v_write("m", 4500, 9000);
    v_resume_split(true);
    v_write("a", 6500, 9000);
    v_flush("a");
    v_write("a", 7500, 9000);
}

static void async_source(void)
{
    source();
    v_mirror(LSM_VOLUME_REPLICATE_MIRROR_ASYNC);
}

static void async_made(void)
{
    v_write("a", 500, 3000);
    v_mirror(LSM_VOLUME_REPLICATE_MIRROR_ASYNC);
    v_write("a", 2000, 20000);
    v_flush("a");
    v_write("a", 30000, 20000);
    v_ship();
    v_write("a", 31000, 20000);
    v_ship();
    v_write("a", 32000, 700);
    v_break();
    v_write("m", 2500, 700);
}

static void busy_ships(void)
{
    v_write("a", 30000, 20000);
    v_keep_writing("a", 40000, 2);
    v_ship();
    v_write("a", 30000, 700);
    v_keep_writing("a", 41000, 2);
    v_ship();
}

static void busy_pause(void)
{
    v_write("a", 30000, 20000);
    v_keep_writing("a", 40000, 4);
    v_pause();
    v_write("a", 30000, 20000);
    v_keep_writing("a", 90000, 2);
    v_resume();
    v_write("a", 30000, 20000);
    v_keep_writing("a", 60000, 4);
    v_promote_by_force();
}

static void async_promoted(void)
{
    v_write("a", 30000, 20000);
    v_pause();
    v_write("a", 40000, 20000);
    v_resume();
    v_write("a", 50000, 20000);
    v_promote();
    v_write("m", 31000, 20000);
    v_ship();
}

static void async_split(void)
{
    v_write("a", 30000, 20000);
    v_promote_by_force();
    v_write("m", 40000, 20000);
    v_write("a", 31000, 700);
    v_flush("a");
    v_reverse(false);
    v_write("m", 41000, 20000);
    v_ship();
}

static void async_resumed(void)
{
    v_write("a", 30000, 20000);
    v_ship();
    v_promote_by_force();
    v_write("m", 40000, 20000);
    v_write("a", 31000, 700);
    v_resume_split(true);
    v_write("a", 42000, 20000);
    v_ship();
}

static void lose_instant(void)
{
    v_flush("a");
    v_lose_instant();
    v_write("a", 3500, 20000);
    v_flush("a");
    v_write("m", 60000, 20000);
    v_flush("m");
    v_close("a");
    v_close("m");
}

static void sync_broken(void)
{
    sync_source();
    v_pause();
    v_write("a", 30000, 9000);
    lose_instant();
}

static void sync_anew(void)
{
    v_write("a", 2500, 20000);
    v_copy_again(false);
    v_write("a", 61000, 700);
    v_flush("a");
    v_write("a", 62000, 700);
    v_promote_by_force();
    v_write("m", 4500, 9000);
}

static void async_broken(void)
{
    async_source();
    v_write("a", 30000, 9000);
    v_ship();
    lose_instant();
}

static void async_anew(void)
{
    v_write("m", 90000, 700);
    v_copy_again(true);
    v_write("a", 61000, 700);
    v_ship();
    v_promote();
    v_write("m", 4500, 9000);
    v_ship();
}

static void async_anew_kept(void)
{
    v_write("m", 90000, 700);
    v_flush("m");
    v_copy_again(false);
    v_write("a", 61000, 700);
    v_ship();
    v_break();
    v_write("m", 4500, 9000);
}

const struct crash_sequence crash_sequences[] = {
    {"birth", NULL, birth},
    {"write", one, write_base},
    {"write-top", cloned, write_top},
    {"make", one, make},
    {"pool", one, pool},
    {"resize", one, resize_base},
    {"resize-top", cloned, resize_top},
    {"clone", one, clone},
    {"clone-busy", source, clone_busy},
    {"group", two, group},
    {"group-copy", two_of_two_pools, group_copy},
    {"range", two, range},
    {"copy", two_pools, copy},
    {"flatten", cloned, flatten},
    {"merge", cloned, merge},
    {"absorb", cloned, absorb},
    {"open", cloned, nothing},
    {"sync", source, sync_made},
    {"sync-grow", sync_source, sync_grown},
    {"sync-range", sync_source, range_of_mirror},
    {"sync-pause", sync_source, sync_paused},
    {"sync-busy", sync_source, busy_pause},
    {"sync-promote", sync_source, sync_promoted},
    {"sync-split", sync_source, sync_split},
    {"sync-resume", sync_source, sync_resumed},
    {"sync-anew", sync_broken, sync_anew},
    {"async", source, async_made},
    {"async-busy", async_source, busy_ships},
    {"async-promote", async_source, async_promoted},
    {"async-split", async_source, async_split},
    {"async-resume", async_source, async_resumed},
    {"async-anew", async_broken, async_anew},
    {"async-anew-kept", async_broken, async_anew_kept},
};

const int crash_sequence_count = (int)(sizeof crash_sequences / sizeof *crash_sequences);
