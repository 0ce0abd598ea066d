/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mirrors whose common instant is gone, and the way back from there. The source's pool is replaced
 * by an older copy of itself, as from a backup: what the target has, the source never had. Nothing
 * is taken for equal, each side stays as it is, and resume with FORCE copies everything again.
 *
 * Looped over the kinds: one that is synchronous, one that is not, a group of those; and with the
 * world closed and opened again at every step() or not.
 */
#include "suites.h"
#include "files.h"
#include "image.h"

#define MIRROR_SYNC LSM_VOLUME_REPLICATE_MIRROR_SYNC
#define MIRROR_ASYNC LSM_VOLUME_REPLICATE_MIRROR_ASYNC
#define FORCE LSM_REPLICATION_FORCE
#define DISCARD LSM_REPLICATION_DISCARD
#define STATE(name) LSM_REPLICATION_STATE_##name
#define SIZE MIB
#define MOST 2

enum { SYNC, ASYNC, GROUP, KINDS };
enum { RUNS = 2 * KINDS }; /* each, and reopened */

static struct {
    int kind;
    bool reopened;
    uint32_t count;
    lsm_pool *far;
    lsm_replicate_options *options;
    lsm_volume *source[MOST], *target[MOST];
    struct image *of_source[MOST], *of_target[MOST];
    char id[MOST][80];
} b;

static const char *const called[MOST] = {"db", "log"};

#define EACH(i)                                                                                    \
    uint32_t i = 0;                                                                                \
    i < b.count;                                                                                   \
    i++

static void make(void)
{
    world_make_fast();
    memset(&b, 0, sizeof b);
}

static void unmake(void)
{
    for (uint32_t i = 0; i < MOST; i++) {
        let_go_of_volume(&b.source[i]);
        let_go_of_volume(&b.target[i]);
        image_destroy(&b.of_source[i]);
        image_destroy(&b.of_target[i]);
    }
    let_go_of_pool(&b.far);
    let_go_of_options(&b.options);
    world_remove();
}

static void step(void)
{
    if (b.reopened)
        world_reopen();
}

/* --- the relations --------------------------------------------------------------------------- */

#define autorelation __attribute__((cleanup(let_go_of_relation)))
static void let_go_of_relation(lsm_replication **r)
{
    if (*r)
        lsm_replication_record_free(*r);
}

static lsm_replication *look(uint32_t i)
{
    lsm_replication *r = NULL;
    FINE(lsm_replication_get(world.conn, b.id[i], &r, 0));
    return r;
}

static void all_are(lsm_replication_state state)
{
    for (EACH(i)) {
        autorelation lsm_replication *r = look(i);
        ck_assert_msg(lsm_replication_state_get(r) == state, "the replication is %d, not %d: %s",
                      lsm_replication_state_get(r), state, lsm_replication_error_message_get(r));
    }
}

static void await(lsm_replication_state state)
{
    for (uint64_t end = now_ms() + 30000; now_ms() < end; sleep_ms(2)) {
        autorelation lsm_replication *r = look(0);
        if (lsm_replication_state_get(r) == state)
            break;
    }
    all_are(state);
}

static char *job_of(uint32_t i)
{
    autorelation lsm_replication *r = look(i);
    const char *job = lsm_replication_job_id_get(r);
    return job ? strdup(job) : NULL;
}

/* The limit of a relation is that of each of its jobs. */
static void finish(char *id)
{
    autojob lsm_job *job = NULL;
    int rc = lsm_job_rate_limit_set(world.conn, id, 0, 0);
    if (rc == LSM_ERR_STATE) /* it has ended */
        lsm_error_free(lsm_error_last_get(world.conn));
    else
        FINE(rc);
    FINE(lsm_job_wait(world.conn, id, 30000, &job, 0));
    ck_assert_msg(lsm_job_state_get(job) == LSM_JOB_STATE_DONE, "the job ended as %d: %s",
                  lsm_job_state_get(job), lsm_job_error_message_get(job));
    free(id);
}

static void come_to_in_sync(void)
{
    char *job = job_of(0);
    if (job)
        finish(job);
    await(STATE(IN_SYNC));
}

static int resume(lsm_flag flags)
{
    return lsm_replication_resume(world.conn, b.id[0], flags);
}

/* Brings the targets what their sources have. */
static void ship(void)
{
    char *job = NULL;
    int rc = lsm_replication_sync(world.conn, b.id[0], &job, 0);
    if (rc != LSM_ERR_NO_STATE_CHANGE) {
        STARTED(rc);
        finish(job);
    } else {
        lsm_error_free(lsm_error_last_get(world.conn));
    }
    await(STATE(IN_SYNC));
}

static void write_to(lsm_volume *volume, struct image *image, uint64_t offset, uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    image_write(image, io, offset, 20000, seed);
    FINE(lsm_volume_io_flush(io, 0));
}

static void write_sources(uint64_t offset, uint32_t seed)
{
    for (EACH(i))
        write_to(b.source[i], b.of_source[i], offset, seed + i);
}

static void writable(lsm_volume *volume, bool yes)
{
    lsm_volume_io *io = NULL;
    int rc = lsm_volume_io_open(world.conn, volume, &io, 0);
    if (yes) {
        FINE(rc);
        FINE(lsm_volume_io_close(io, 0));
    } else {
        REFUSED(rc, LSM_ERR_READ_ONLY);
    }
}

static void targets_are(struct image *wanted[])
{
    for (EACH(i))
        SAME(wanted[i], b.target[i]);
}

static void check_sources(void)
{
    for (EACH(i))
        SAME(b.of_source[i], b.source[i]);
}

static lsm_volume *kept(uint32_t i) /* NULL: nothing was */
{
    autorelation lsm_replication *r = look(i);
    const char *id = lsm_replication_diverged_volume_id_get(r);
    return id ? volume_with("id", id) : NULL;
}

/* --- making them BROKEN ---------------------------------------------------------------------- */

static void find(uint32_t i)
{
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "source_volume_id", lsm_volume_id_get(b.source[i]), &list,
                              &count, 0));
    ck_assert_uint_eq(count, 1);
    snprintf(b.id[i], sizeof b.id[i], "%s", lsm_replication_id_get(list[0]));
    b.target[i] = volume_with("id", lsm_replication_target_volume_id_get(list[0]));
    lsm_replication_record_array_free(list, count);
}

static void mirror(void)
{
    lsm_volume **made = NULL;
    uint32_t count = 0;
    char *job = NULL;
    lsm_replication_type type = b.kind == SYNC ? MIRROR_SYNC : MIRROR_ASYNC;
    if (b.kind == GROUP)
        STARTED(lsm_volume_group_replicate(world.conn, b.far, type, b.source, (const char **)called,
                                           b.count, b.options, &made, &count, &job, 0));
    else
        STARTED(lsm_volume_replicate_with(world.conn, b.far, type, b.source[0], called[0],
                                          b.options, &(lsm_volume *){NULL}, &job, 0));
    finish(job);
    for (EACH(i))
        find(i);
    all_are(STATE(IN_SYNC));
}

static void shell(const char *command)
{
    ck_assert_int_eq(system(command), 0);
}

static void pool_copy(void)
{
    shell(path_of("cp -a '%s/default' '%s-older'", world.directory, world.directory));
}

static void pool_restore(void)
{
    shell(path_of("rm -r '%s/default' && mv '%s-older' '%s/default'", world.directory,
                  world.directory, world.directory));
}

static void pause_sync(void)
{
    if (b.kind == SYNC)
        FINE(lsm_replication_pause(world.conn, b.id[0], 0));
}

/* False: not with this backend. Where they then differ the target has what the source never had. */
static bool broken(int run)
{
    b.kind = run % KINDS;
    b.reopened = run >= KINDS;
    b.count = b.kind == GROUP ? MOST : 1;
    if (!world.directory[0] || !world_can(LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC))
        return false;
    b.far = pool_make("far");
    b.options = lsm_replicate_options_alloc();
    lsm_replicate_options_interval_set(b.options, 0);
    lsm_replicate_options_rate_limit_set(b.options, HELD);
    for (EACH(i)) {
        b.source[i] = volume_make(called[i], SIZE);
        b.of_source[i] = image_create(SIZE);
        image_fill(b.of_source[i], b.source[i], 1 + i);
    }
    mirror();
    pause_sync();
    world_close();
    pool_copy();
    world_open();
    for (EACH(i))
        b.of_target[i] = image_copy(b.of_source[i]);
    for (EACH(i))
        write_to(b.source[i], b.of_target[i], 100000, 7 + i);
    if (b.kind == SYNC)
        FINE(resume(0));
    else
        ship();
    come_to_in_sync();
    pause_sync();
    world_close();
    pool_restore();
    world_open();
    all_are(STATE(BROKEN));
    return true;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void check_apart(void)
{
    all_are(STATE(BROKEN));
    check_sources();
    targets_are(b.of_target);
    for (EACH(i))
        ck_assert(!volume_has_dependants(b.source[i]));
}

START_TEST(broken_verbs)
{
    char *job = NULL;
    const char *id = b.id[0];
    if (!broken(_i))
        return;
    step();
    REFUSED_SAYING(lsm_replication_sync(world.conn, id, &job, 0), LSM_ERR_STATE, "BROKEN");
    REFUSED_SAYING(lsm_replication_pause(world.conn, id, 0), LSM_ERR_STATE, "BROKEN");
    REFUSED_SAYING(lsm_replication_promote(world.conn, id, &job, 0), LSM_ERR_STATE, "BROKEN");
    REFUSED_SAYING(lsm_replication_promote(world.conn, id, &job, FORCE), LSM_ERR_STATE, "BROKEN");
    REFUSED_SAYING(lsm_replication_reverse(world.conn, id, &job, 0), LSM_ERR_STATE, "BROKEN");
    lsm_error_ptr e = refusal(resume(DISCARD), LSM_ERR_STATE);
    ck_assert_pstr_eq(lsm_error_object_get(e), id);
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "BROKEN"));
    ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "common instant"));
    ck_assert_ptr_nonnull(strstr(lsm_error_hint_get(e), "FORCE"));
    lsm_error_free(e);
    check_apart();
    for (EACH(i))
        writable(b.target[i], true);
    step();
    for (EACH(i))
        FINE(lsm_replication_break(world.conn, b.id[i], 0));
    step();
    REFUSED(resume(FORCE), LSM_ERR_NOT_FOUND_REPLICATION);
    check_sources();
    targets_are(b.of_target);
}
END_TEST

/* What it is while all is copied: INITIALIZING, but the target shows what it had. */
static void check_initializing(const char *job)
{
    char *same = NULL, *none = NULL;
    const char *id = b.id[b.count - 1];
    all_are(STATE(INITIALIZING));
    targets_are(b.of_target);
    for (EACH(i)) {
        writable(b.target[i], false);
        autotext char *of_member = job_of(i);
        ck_assert_pstr_eq(of_member, job);
    }
    STARTED(lsm_replication_sync(world.conn, id, &same, 0));
    ck_assert_str_eq(job, same);
    free(same);
    REFUSED(lsm_replication_promote(world.conn, id, &none, 0), LSM_ERR_STATE);
    REFUSED(lsm_replication_promote(world.conn, id, &none, FORCE), LSM_ERR_STATE);
    REFUSED(lsm_replication_reverse(world.conn, id, &none, 0), LSM_ERR_STATE);
    REFUSED(lsm_replication_break(world.conn, id, 0), LSM_ERR_STATE);
    REFUSED(volume_delete(b.target[0]), LSM_ERR_IS_MASKED);
    REFUSED(resume(FORCE), LSM_ERR_NO_STATE_CHANGE);
    FINE(lsm_replication_pause(world.conn, id, 0));
    job_await(job, LSM_JOB_STATE_PAUSED);
    step();
    all_are(STATE(INITIALIZING));
    ck_assert_int_eq(job_state(job), LSM_JOB_STATE_PAUSED);
    FINE(resume(0));
}

START_TEST(broken_copied_again)
{
    struct image *instant[MOST];
    if (!broken(_i))
        return;
    for (EACH(i))
        write_to(b.target[i], b.of_target[i], 300000, 20 + i); /* it may be written */
    step();
    FINE(resume(FORCE));
    autotext char *job = job_of(0);
    ck_assert_ptr_nonnull(job);
    for (EACH(i))
        instant[i] = image_copy(b.of_source[i]);
    step();
    check_initializing(job);
    write_sources(500000, 30);
    step();
    write_sources(2000, 40);
    targets_are(b.of_target);
    come_to_in_sync();
    check_sources();
    targets_are(b.kind == SYNC ? b.of_source : instant);
    for (EACH(i)) {
        autovolume lsm_volume *aside = kept(i);
        ck_assert_ptr_nonnull(aside);
        SAME(b.of_target[i], aside);
        ck_assert_ptr_null(lsm_volume_parent_id_get(aside));
        ck_assert_ptr_nonnull(strstr(lsm_volume_name_get(aside), called[i]));
        writable(aside, true);
        autorelation lsm_replication *r = look(i);
        ck_assert_ptr_null(lsm_replication_error_message_get(r));
        image_destroy(&instant[i]);
    }
    step();
    all_are(STATE(IN_SYNC));
    ship();
    targets_are(b.of_source);
    step();
    write_sources(700000, 50);
    ship();
    targets_are(b.of_source);
    step();
    targets_are(b.of_source);
    for (EACH(i)) { /* it stands on its own */
        autovolume lsm_volume *aside = kept(i);
        SAME(b.of_target[i], aside);
        FINE(volume_delete(aside));
    }
    step();
    targets_are(b.of_source);
    check_sources();
}
END_TEST

/* The roles can be exchanged and torn apart again, as of any other. */
START_TEST(broken_copied_again_and_split)
{
    char *job = NULL;
    if (!broken(_i))
        return;
    FINE(resume(FORCE | DISCARD));
    come_to_in_sync();
    write_sources(500000, 30);
    ship();
    step();
    FINE(lsm_replication_promote(world.conn, b.id[0], &job, FORCE));
    for (EACH(i)) {
        SAME(b.of_source[i], b.target[i]);
        write_to(b.target[i], b.of_source[i], 600000, 60 + i);
    }
    step();
    int rc = lsm_replication_reverse(world.conn, b.id[0], &job, 0);
    STARTED(rc);
    finish(job);
    await(STATE(IN_SYNC));
    check_sources();
    targets_are(b.of_source);
}
END_TEST

START_TEST(broken_copied_again_and_discarded)
{
    if (!broken(_i))
        return;
    uint32_t volumes = volume_count(NULL, NULL);
    FINE(resume(FORCE | DISCARD));
    step();
    targets_are(b.of_target); /* until then it is there */
    come_to_in_sync();
    targets_are(b.of_source);
    ck_assert_uint_eq(volume_count(NULL, NULL), volumes);
    for (EACH(i))
        ck_assert_ptr_null(kept(i));
    step();
    targets_are(b.of_source);
}
END_TEST

/* Cancelled, it is BROKEN as before, and nothing is left of it. */
START_TEST(broken_copy_cancelled)
{
    if (!broken(_i))
        return;
    uint32_t volumes = volume_count(NULL, NULL);
    for (int again = 0; again < 2; again++) {
        FINE(resume(FORCE));
        step();
        write_sources(500000, 30);
        autotext char *job = job_of(0);
        FINE(lsm_job_cancel(world.conn, job, 0));
        job_await(job, LSM_JOB_STATE_CANCELLED);
        check_apart();
        step();
        check_apart();
        ck_assert_uint_eq(volume_count(NULL, NULL), volumes);
        for (EACH(i)) {
            autorelation lsm_replication *r = look(i);
            ck_assert_ptr_nonnull(strstr(lsm_replication_error_message_get(r), "common instant"));
            write_to(b.target[i], b.of_target[i], 300000, 20 + i);
        }
    }
    FINE(resume(FORCE));
    come_to_in_sync();
    targets_are(b.of_source);
}
END_TEST

/* Of another size: the target takes that of its source, and what is kept has its own. */
START_TEST(broken_copied_again_to_another_size)
{
    bool grown = _i / RUNS;
    uint64_t size = grown ? 2 * SIZE : SIZE / 2;
    if (!broken(_i % RUNS))
        return;
    FINE(volume_resize(&b.target[0], size));
    image_resize(b.of_target[0], size);
    FINE(volume_resize(&b.source[0], SIZE + 64 * KIB));
    image_resize(b.of_source[0], SIZE + 64 * KIB);
    FINE(resume(FORCE));
    step();
    come_to_in_sync();
    volume_look(&b.target[0]);
    ck_assert_uint_eq(volume_bytes(b.target[0]), SIZE + 64 * KIB);
    targets_are(b.of_source);
    autovolume lsm_volume *aside = kept(0);
    SAME(b.of_target[0], aside);
    step();
    FINE(volume_resize(&b.source[0], 2 * SIZE));
    image_resize(b.of_source[0], 2 * SIZE);
    write_to(b.source[0], b.of_source[0], 2 * SIZE - 30000, 9);
    ship();
    targets_are(b.of_source);
    SAME(b.of_target[0], aside);
}
END_TEST

/* Clones of the target keep what they stand on, whatever becomes of it. */
START_TEST(broken_target_with_clones)
{
    lsm_flag discard = _i / RUNS ? DISCARD : 0;
    if (!broken(_i % RUNS))
        return;
    autovolume lsm_volume *clone = clone_make(b.target[0], "rehearsal");
    autoimage struct image *of_clone = image_copy(b.of_target[0]);
    write_to(clone, of_clone, 50000, 3);
    write_to(b.target[0], b.of_target[0], 60000, 4);
    FINE(resume(FORCE | discard));
    autovolume lsm_volume *later = clone_make(b.target[0], "later");
    step();
    SAME(b.of_target[0], later);
    come_to_in_sync();
    targets_are(b.of_source);
    SAME(of_clone, clone);
    SAME(b.of_target[0], later);
    volume_look(&clone);
    autovolume lsm_volume *aside = kept(0);
    if (discard)
        ck_assert_ptr_null(lsm_volume_parent_id_get(clone));
    else
        ck_assert_pstr_eq(lsm_volume_parent_id_get(clone), lsm_volume_id_get(aside));
    ck_assert(!volume_has_dependants(b.target[0]));
    step();
    if (aside)
        REFUSED(volume_delete(aside), LSM_ERR_HAS_CHILD_DEPENDENCY);
    FINE(volume_delete(later));
    step();
    SAME(of_clone, clone);
    FINE(volume_delete(clone));
    if (aside)
        FINE(volume_delete(aside));
    step();
    targets_are(b.of_source);
}
END_TEST

/* What a first mirror would be refused for, or would take from somebody. */
START_TEST(broken_copy_refused)
{
    lsm_volume_io *io = NULL;
    if (!broken(_i))
        return;
    FINE(lsm_volume_io_open(world.conn, b.target[0], &io, 0));
    REFUSED_SAYING(resume(FORCE), LSM_ERR_BUSY, called[0]);
    FINE(lsm_volume_io_close(io, 0));
    check_apart();
    /* The target has a mirror of its own now, which would lose its instant. */
    autovolume lsm_volume *more = NULL;
    char *job = NULL;
    STARTED(lsm_volume_replicate_with(world.conn, world.pool, MIRROR_ASYNC, b.target[0], "more",
                                      b.options, &more, &job, 0));
    finish(job);
    lsm_replication **list = NULL;
    uint32_t count = 0;
    FINE(lsm_replication_list(world.conn, "state", "2", &list, &count, 0));
    ck_assert_uint_eq(count, 1);
    REFUSED_SAYING(resume(FORCE), LSM_ERR_STATE, lsm_replication_id_get(list[0]));
    FINE(lsm_replication_break(world.conn, lsm_replication_id_get(list[0]), 0));
    lsm_replication_record_array_free(list, count);
    check_apart();
    /* While it is copied nothing may count on what it has. */
    FINE(resume(FORCE));
    REFUSED_SAYING(replicate(world.pool, MIRROR_ASYNC, b.target[0], "too", NULL), LSM_ERR_BUSY,
                   called[0]);
    come_to_in_sync();
    targets_are(b.of_source);
}
END_TEST

START_TEST(broken_source_has_a_synchronous_mirror)
{
    if (!broken(SYNC))
        return;
    lsm_volume *made = NULL;
    char *job = NULL;
    STARTED(lsm_volume_replicate_with(world.conn, b.far, MIRROR_SYNC, b.source[0], "new", b.options,
                                      &made, &job, 0));
    finish(job);
    REFUSED_SAYING(resume(FORCE), LSM_ERR_STATE, "source");
    check_sources();
    targets_are(b.of_target);
}
END_TEST

/* An end of a BROKEN one may go: it protects nothing. */
START_TEST(broken_source_is_gone)
{
    if (!broken(_i))
        return;
    autotext char *id = strdup(lsm_volume_id_get(b.source[0]));
    FINE(volume_delete(b.source[0]));
    REFUSED_SAYING(resume(FORCE), LSM_ERR_STATE, id);
    targets_are(b.of_target);
    FINE(lsm_replication_break(world.conn, b.id[0], 0));
    step();
    targets_are(b.of_target);
}
END_TEST

/* Another mirror of the source grows with it; the old target is nobody's any more. */
START_TEST(broken_target_does_not_grow)
{
    lsm_volume *made = NULL;
    char *job = NULL;
    if (!broken(_i))
        return;
    STARTED(lsm_volume_replicate_with(world.conn, world.pool, MIRROR_ASYNC, b.source[0], "new",
                                      b.options, &made, &job, 0));
    finish(job);
    FINE(volume_resize(&b.source[0], 2 * SIZE));
    volume_look(&b.target[0]);
    ck_assert_uint_eq(volume_bytes(b.target[0]), SIZE);
    targets_are(b.of_target);
}
END_TEST

static void far_away(bool away)
{
    const char *here = path_of("%s/far", world.directory),
               *there = path_of("%s-far", world.directory);
    ck_assert_int_eq(away ? rename(here, there) : rename(there, here), 0);
}

START_TEST(broken_target_pool_is_away)
{
    if (!broken(_i))
        return;
    world_close();
    far_away(true);
    world_open();
    REFUSED_SAYING(resume(FORCE), LSM_ERR_NOT_FOUND_POOL, "target");
    check_sources();
    world_close();
    far_away(false);
    world_open();
    FINE(resume(FORCE));
    come_to_in_sync();
    targets_are(b.of_source);
}
END_TEST

/* What is written to the source alone meanwhile comes, too. */
START_TEST(broken_target_pool_goes_while_it_is_copied)
{
    if (!broken(_i))
        return;
    FINE(resume(FORCE));
    write_sources(500000, 30);
    world_close();
    far_away(true);
    world_open();
    write_sources(900000, 40);
    if (b.kind == SYNC) {
        FINE(volume_resize(&b.source[0], SIZE + 64 * KIB));
        image_resize(b.of_source[0], SIZE + 64 * KIB);
        write_to(b.source[0], b.of_source[0], SIZE + 20000, 41);
    }
    world_close();
    far_away(false);
    world_open();
    all_are(STATE(INITIALIZING));
    targets_are(b.of_target);
    come_to_in_sync();
    ship();
    targets_are(b.of_source);
    for (EACH(i)) {
        autovolume lsm_volume *aside = kept(i);
        SAME(b.of_target[i], aside);
    }
}
END_TEST

/* A reader of the target reads on: one instant, and then the other. */
START_TEST(broken_target_is_read)
{
    autoio lsm_volume_io *io = NULL;
    if (!broken(_i))
        return;
    FINE(lsm_volume_io_open(world.conn, b.target[0], &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(resume(FORCE));
    SAME_THROUGH(b.of_target[0], io);
    come_to_in_sync();
    SAME_THROUGH(b.of_source[0], io);
    autovolume lsm_volume *aside = kept(0);
    SAME(b.of_target[0], aside);
    write_sources(500000, 30);
    ship();
    SAME_THROUGH(b.of_source[0], io);
}
END_TEST

TCase *mirror_broken(void)
{
    TCase *tests = tcase_create("mirror_broken");
    tcase_add_checked_fixture(tests, make, unmake);
    tcase_add_loop_test(tests, broken_verbs, 0, RUNS);
    tcase_add_loop_test(tests, broken_copied_again, 0, RUNS);
    tcase_add_loop_test(tests, broken_copied_again_and_split, 0, RUNS);
    tcase_add_loop_test(tests, broken_copied_again_and_discarded, 0, RUNS);
    tcase_add_loop_test(tests, broken_copy_cancelled, 0, RUNS);
    tcase_add_loop_test(tests, broken_copied_again_to_another_size, 0, 2 * RUNS);
    tcase_add_loop_test(tests, broken_target_with_clones, 0, 2 * RUNS);
    tcase_add_loop_test(tests, broken_copy_refused, 0, KINDS);
    tcase_add_test(tests, broken_source_has_a_synchronous_mirror);
    tcase_add_loop_test(tests, broken_source_is_gone, 0, KINDS);
    tcase_add_loop_test(tests, broken_target_does_not_grow, 0, KINDS);
    tcase_add_loop_test(tests, broken_target_pool_is_away, 0, KINDS);
    tcase_add_loop_test(tests, broken_target_pool_goes_while_it_is_copied, 0, KINDS);
    tcase_add_loop_test(tests, broken_target_is_read, 0, KINDS);
    return tests;
}
