/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges: blocks of one volume into another, or 153. */
#include "suites.h"
#include "mirror.h"

#include <sys/wait.h>
#include <unistd.h>

static int range(lsm_volume *from, lsm_volume *to, uint64_t first, uint64_t there, uint64_t n,
                 char **job)
{
    lsm_block_range *one = lsm_block_range_record_alloc(first, there, n);
    int rc = lsm_volume_replicate_range(world.conn, COPY, from, to, &one, 1, job, 0);
    lsm_block_range_record_free(one);
    return rc;
}

START_TEST(range_block_size)
{
    lsm_system **systems = NULL;
    uint32_t count = 0, bytes = 0;
    FINE(lsm_system_list(world.conn, &systems, &count, 0));
    int rc = lsm_volume_replicate_range_block_size(world.conn, systems[0], &bytes, 0);
    if (world_can(LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE)) {
        FINE(rc);
        ck_assert_uint_eq(bytes, 512);
    } else {
        REFUSED(rc, LSM_ERR_NO_SUPPORT);
    }
    lsm_system_record_array_free(systems, count);
}
END_TEST

START_TEST(range_or_153)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autoimage struct image *image = image_create(MIB), *target = image_create(MIB);
    bool can = world_can(LSM_CAP_VOLUME_COPY_RANGE);
    image_fill(image, from, 1);
    image_fill(target, to, 2);
    for (int again = 0; again < 2; again++) { /* the same ranges may be asked for again */
        autotext char *job = NULL;
        int rc = range(from, to, 3, 1001, 77, &job);
        if (!can) {
            REFUSED(rc, LSM_ERR_NO_SUPPORT);
            SAME(target, to);
            return;
        }
        ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
        if (job)
            job_await(job, LSM_JOB_STATE_DONE);
        memcpy(target->bytes + 1001 * 512, image->bytes + 3 * 512, 77 * 512);
        SAME(target, to);
        SAME(image, from);
    }
}
END_TEST

START_TEST(range_outside_is_101)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autotext char *job = NULL;
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    REFUSED(range(from, to, MIB / 512, 0, 1, &job), INVALID);
    REFUSED(range(from, to, 0, MIB / 512 - 1, 2, &job), INVALID);
    REFUSED(range(from, to, UINT64_MAX, 0, 1, &job), INVALID);
    REFUSED(range(from, to, 0, 0, UINT64_MAX, &job), INVALID);
    ck_assert_ptr_null(job);
}
END_TEST

/* The message says which range it is, and in which volume. */
START_TEST(range_outside_is_named)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", 2 * MIB);
    autoimage struct image *target = image_create(2 * MIB);
    autotext char *job = NULL;
    lsm_block_range *two[] = {lsm_block_range_record_alloc(0, 0, 8),
                              lsm_block_range_record_alloc(MIB / 512 - 1, 8, 2)};
    image_fill(target, to, 2);
    if (world_can(LSM_CAP_VOLUME_COPY_RANGE)) {
        int rc = lsm_volume_replicate_range(world.conn, COPY, from, to, two, 2, &job, 0);
        lsm_error_ptr e = refusal(rc, INVALID);
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "range 1"));
        ck_assert_ptr_nonnull(strstr(lsm_error_message_get(e), "«from»"));
        ck_assert_pstr_eq(lsm_error_object_get(e), lsm_volume_id_get(from));
        lsm_error_free(e);
        SAME(target, to); /* the first one, neither */
    }
    lsm_block_range_record_free(two[0]);
    lsm_block_range_record_free(two[1]);
}
END_TEST

/* --- within one volume ----------------------------------------------------------------------- */

static int move(lsm_volume *v, struct image *image, uint64_t first, uint64_t there, uint64_t n)
{
    char *job = NULL;
    int rc = range(v, v, first, there, n, &job);
    if (rc != OK && rc != LSM_ERR_JOB_STARTED)
        return rc;
    if (job)
        job_await(job, LSM_JOB_STATE_DONE);
    free(job);
    memcpy(image->bytes + there * 512, image->bytes + first * 512, n * 512);
    SAME(image, v);
    return OK;
}

START_TEST(range_within_one_volume)
{
    autovolume lsm_volume *v = volume_make("v", MIB);
    autoimage struct image *image = image_create(MIB);
    image_fill(image, v, 1);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    FINE(move(v, image, 3, 1001, 77));
    FINE(move(v, image, 1000, 0, 1000)); /* side by side */
    FINE(move(v, image, 0, 1024, 1024));
    REFUSED_SAYING(move(v, image, 10, 10, 1), INVALID, "«v»");
    REFUSED(move(v, image, 10, 11, 2), INVALID);
    REFUSED(move(v, image, 11, 10, 2), INVALID);
    SAME(image, v);
    FINE(move(v, image, 10, 10, 0)); /* nothing overlaps nothing */
    world_reopen();
    SAME(image, v);
}
END_TEST

static int two_ranges(lsm_volume *from, lsm_volume *to, const uint64_t (*r)[3], char **job)
{
    lsm_block_range *two[] = {lsm_block_range_record_alloc(r[0][0], r[0][1], r[0][2]),
                              lsm_block_range_record_alloc(r[1][0], r[1][1], r[1][2])};
    int rc = lsm_volume_replicate_range(world.conn, COPY, from, to, two, 2, job, 0);
    lsm_block_range_record_free(two[0]);
    lsm_block_range_record_free(two[1]);
    return rc;
}

/* No block is written twice, nor in one volume both read and written, whatever the order. */
START_TEST(range_overlaps_are_101)
{
    static const uint64_t crossed[2][3] = {{0, 100, 10}, {105, 300, 10}};
    static const uint64_t twice[2][3] = {{0, 100, 50}, {60, 120, 1}};
    autovolume lsm_volume *v = volume_make("v", MIB), *other = volume_make("other", MIB);
    autoimage struct image *image = image_create(MIB), *there = image_create(MIB);
    autotext char *job = NULL;
    image_fill(image, v, 1);
    image_fill(there, other, 2);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    REFUSED_SAYING(two_ranges(v, v, crossed, &job), INVALID, "range 1");
    REFUSED(two_ranges(v, v, twice, &job), INVALID);
    REFUSED(two_ranges(v, other, twice, &job), INVALID);
    ck_assert_ptr_null(job);
    SAME(image, v);
    SAME(there, other);
    FINE(two_ranges(v, other, crossed, &job)); /* it reads here and writes there */
    memcpy(there->bytes + 100 * 512, image->bytes, 10 * 512);
    memcpy(there->bytes + 300 * 512, image->bytes + 105 * 512, 10 * 512);
    SAME(there, other);
}
END_TEST

/* --- what is written, and to whom ------------------------------------------------------------ */

/* Holes of the source become holes, and take no space in the target. */
START_TEST(range_of_holes)
{
    autovolume lsm_volume *from = volume_make("from", 8 * MIB), *to = volume_make("to", 8 * MIB);
    autoimage struct image *target = image_create(8 * MIB);
    autotext char *job = NULL;
    lsm_extent *extents = NULL;
    uint32_t n = 0;
    image_fill(target, to, 2);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, from, &io, 0));
    FINE(lsm_volume_io_pwrite(io, "here", 4, 3 * MIB + 5, 0));
    FINE(lsm_volume_io_close(io, 0));
    FINE(range(from, to, 0, 0, 8 * MIB / 512, &job));
    memset(target->bytes, 0, target->size);
    memcpy(target->bytes + 3 * MIB + 5, "here", 4);
    SAME(target, to);
    io = NULL;
    FINE(lsm_volume_io_open(world.conn, to, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_extents(io, 8 * MIB, 0, &extents, &n, 0));
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_lt(extents[1].length, MIB);
    lsm_extent_array_free(extents);
    FINE(lsm_volume_io_close(io, 0));
}
END_TEST

START_TEST(range_between_pools)
{
    autopool lsm_pool *pool = pool_make("second");
    autovolume lsm_volume *from = volume_make("from", MIB);
    autovolume lsm_volume *to = volume_make_in(pool, "to", MIB, FULL);
    autoimage struct image *image = image_create(MIB), *target = image_create(MIB);
    autotext char *job = NULL;
    image_fill(image, from, 1);
    image_fill(target, to, 2);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    FINE(range(from, to, 1, 1001, 1000, &job));
    memcpy(target->bytes + 1001 * 512, image->bytes + 512, 1000 * 512);
    SAME(target, to);
    world_reopen();
    SAME(target, to);
    SAME(image, from);
}
END_TEST

/* A clone of the target keeps what it had; one of the source changes nothing. */
START_TEST(range_and_clones)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autoimage struct image *image = image_create(MIB), *target = image_create(MIB);
    image_fill(image, from, 1);
    image_fill(target, to, 2);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    autovolume lsm_volume *before = clone_make(to, "before"), *of = clone_make(from, "of");
    autoimage struct image *was = image_copy(target);
    for (uint64_t i = 0; i < 20; i++) {
        autotext char *job = NULL;
        FINE(range(i % 2 ? from : of, to, 3 * i, 100 * i + 1, 50, &job));
        memcpy(target->bytes + (100 * i + 1) * 512, image->bytes + 3 * i * 512, 50 * 512);
    }
    SAME(target, to);
    SAME(was, before);
    SAME(image, from);
    ck_assert_uint_le(lsm_volume_depth_get(from), 10); /* an instant for each, soon folded */
    FINE(volume_delete(before));
    FINE(volume_delete(of));
    FINE(volume_delete(from)); /* nothing reads it any more */
    SAME(target, to);
}
END_TEST

START_TEST(range_reaches_the_mirror)
{
    struct mirror m;
    autotext char *job = NULL;
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE) || !mirror_can(LSM_VOLUME_REPLICATE_MIRROR_SYNC))
        return;
    mirror_make(&m, LSM_VOLUME_REPLICATE_MIRROR_SYNC, LSM_REPLICATION_STATE_IN_SYNC);
    FINE(move(m.source, m.image, 0, 1024, 1000));
    SAME(m.image, m.target);
    REFUSED_SAYING(range(m.source, m.target, 0, 8, 8, &job), LSM_ERR_READ_ONLY, m.id);
    SAME(m.image, m.target);
    autovolume lsm_volume *to = volume_make("to", MIB); /* reading a target is fine */
    FINE(range(m.target, to, 0, 0, MIB / 512, &job));
    SAME(m.image, to);
    world_reopen();
    mirror_await(&m, LSM_REPLICATION_STATE_IN_SYNC);
    SAME(m.image, m.target);
    mirror_free(&m);
}
END_TEST

START_TEST(range_refusals)
{
    autovolume lsm_volume *from = volume_make("from", MIB), *to = volume_make("to", MIB);
    autotext char *job = NULL;
    lsm_block_range *one = lsm_block_range_record_alloc(0, 8, 8);
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE)) {
        lsm_block_range_record_free(one);
        return;
    }
    bool can_clone = world_can(LSM_CAP_VOLUME_COPY_RANGE_CLONE);
    int rc = lsm_volume_replicate_range(world.conn, CLONE, from, to, &one, 1, &job, 0);
    if (can_clone) {
        ck_assert(rc == OK || rc == LSM_ERR_JOB_STARTED);
    } else {
        lsm_error_ptr e = refusal(rc, LSM_ERR_NO_SUPPORT);
        ck_assert_ptr_nonnull(lsm_error_hint_get(e));
        lsm_error_free(e);
    }
    lsm_block_range_record_free(one);
    FINE(lsm_volume_disable(world.conn, to, 0));
    REFUSED_SAYING(range(from, to, 0, 8, 8, &job), LSM_ERR_READ_ONLY, "«to»");
    FINE(range(to, from, 0, 8, 8, &job)); /* a disabled one may be read */
    FINE(lsm_volume_enable(world.conn, to, 0));
    FINE(volume_delete(from));
    REFUSED(range(from, to, 0, 8, 8, &job), LSM_ERR_NOT_FOUND_VOLUME);
    REFUSED(range(to, from, 0, 8, 8, &job), LSM_ERR_NOT_FOUND_VOLUME);
    ck_assert_ptr_null(job);
}
END_TEST

/* --- as a job -------------------------------------------------------------------------------- */

#define MANY 300u      /* ranges: more than are done within a call */
#define SLOT (8 * KIB) /* a range is the first half of one, and goes to the second of another */
#define MANY_SIZE (MANY * SLOT)

static struct {
    lsm_volume *from, *to;
    struct image *source, *target; /* at the call */
    char *job;
} many;

/* A call for many ranges, with jobs before it that take every worker; so it is QUEUED until it has
 * its limit. Then it is as `rate` lets it be. */
static void many_start(uint64_t rate)
{
    lsm_block_range *ranges[MANY];
    char *ahead[4], name[] = "ahead-0";
    for (int i = 0; i < 4; i++) {
        name[6] = (char)('0' + i);
        ahead[i] = copy_start(NULL, many.from, name, HELD);
    }
    for (uint32_t i = 0; i < MANY; i++)
        ranges[i] = lsm_block_range_record_alloc(
            i * SLOT / 512, ((MANY - 1 - i) * 2 + 1) * SLOT / 2 / 512, SLOT / 2 / 512);
    STARTED(lsm_volume_replicate_range(world.conn, COPY, many.from, many.to, ranges, MANY,
                                       &many.job, 0));
    for (uint32_t i = 0; i < MANY; i++)
        lsm_block_range_record_free(ranges[i]);
    FINE(lsm_job_rate_limit_set(world.conn, many.job, rate, 0));
    for (int i = 0; i < 4; i++) {
        autovolume lsm_volume *made = copy_finish(ahead[i]);
        FINE(volume_delete(made));
    }
}

static void many_make(void)
{
    world_make_fast();
    many.from = volume_make("from", MANY_SIZE);
    many.to = volume_make("to", MANY_SIZE);
    many.source = image_create(MANY_SIZE);
    many.target = image_create(MANY_SIZE);
    image_fill(many.source, many.from, 1);
    image_fill(many.target, many.to, 2);
}

static void many_remove(void)
{
    let_go_of_volume(&many.from);
    let_go_of_volume(&many.to);
    image_destroy(&many.source);
    image_destroy(&many.target);
    free(many.job);
    many.job = NULL;
    world_remove();
}

/* How many ranges have arrived; what is not of one is as it was. */
static uint32_t many_arrived(void)
{
    lsm_volume_io *io = NULL;
    uint32_t arrived = 0;
    autoimage struct image *seen = image_create(MANY_SIZE);
    FINE(lsm_volume_io_open(world.conn, many.to, &io, LSM_VOLUME_IO_READ_ONLY));
    FINE(lsm_volume_io_pread(io, seen->bytes, MANY_SIZE, 0, 0));
    FINE(lsm_volume_io_close(io, 0));
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t to = ((MANY - 1 - i) * 2 + 1) * SLOT / 2;
        bool here = memcmp(seen->bytes + to, many.source->bytes + i * SLOT, SLOT / 2) == 0;
        arrived += here;
        ck_assert(here || memcmp(seen->bytes + to, many.target->bytes + to, SLOT / 2) == 0);
        to -= SLOT / 2;
        ck_assert(memcmp(seen->bytes + to, many.target->bytes + to, SLOT / 2) == 0);
    }
    return arrived;
}

/* Closing stops the job, so that another owner can have the root; and that one dies at it. */
static void next_owner_dies(void)
{
    int status = 1;
    if (!world.directory[0]) {
        world_reopen();
        return;
    }
    world_close();
    pid_t pid = fork();
    if (pid == 0) {
        lsm_connect *conn = NULL;
        lsm_error_ptr e = NULL;
        _exit(world_connect(world.uri, &conn, &e) == OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    world_open();
}

/* Whatever is written to the source after the call; and over restarts. */
START_TEST(range_job_is_the_instant_of_its_call)
{
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    many_start(HELD);
    autoimage struct image *later = image_copy(many.source);
    image_fill(later, many.from, 3);
    job_await(many.job, LSM_JOB_STATE_RUNNING);
    REFUSED_SAYING(volume_delete(many.from), LSM_ERR_HAS_CHILD_DEPENDENCY, many.job);
    ck_assert_uint_eq(job_count("kind", "6"), 1);
    ck_assert_uint_eq(job_count("volume_id", lsm_volume_id_get(many.to)), 1);
    for (int i = 0; i < 2 * _i; i++) {
        next_owner_dies();
        ck_assert_uint_lt(many_arrived(), MANY);
        REFUSED_SAYING(volume_delete(many.from), LSM_ERR_HAS_CHILD_DEPENDENCY, many.job);
    }
    FINE(lsm_job_rate_limit_set(world.conn, many.job, 0, 0));
    job_await(many.job, LSM_JOB_STATE_DONE);
    ck_assert_uint_eq(many_arrived(), MANY);
    SAME(later, many.from);
    autojob lsm_job *job = job_look(many.job);
    ck_assert_int_eq(lsm_job_kind_get(job), LSM_JOB_KIND_RANGE);
    ck_assert_uint_eq(lsm_job_bytes_total_get(job), MANY_SIZE / 2);
    ck_assert_uint_eq(lsm_job_bytes_done_get(job), MANY_SIZE / 2);
    lsm_volume **made = NULL;
    uint32_t n = 7;
    FINE(lsm_job_volume_list(world.conn, many.job, &made, &n, 0));
    ck_assert_uint_eq(n, 0); /* it made none */
    world_reopen();
    ck_assert_uint_eq(many_arrived(), MANY);
    FINE(volume_delete(many.from));
    FINE(volume_delete(many.to));
}
END_TEST

/* What has arrived stays. */
START_TEST(range_job_cancelled)
{
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    many_start(HELD);
    job_await(many.job, LSM_JOB_STATE_RUNNING);
    if (_i)
        world_reopen();
    FINE(lsm_job_cancel(world.conn, many.job, 0));
    ck_assert_int_eq(job_state(many.job), LSM_JOB_STATE_CANCELLED);
    uint32_t arrived = many_arrived();
    ck_assert_uint_lt(arrived, MANY);
    world_reopen();
    ck_assert_uint_eq(many_arrived(), arrived);
    FINE(volume_delete(many.from));
    FINE(volume_delete(many.to));
}
END_TEST

/* It goes on from where it was paused, and then finds what has become of its target. */
START_TEST(range_job_paused)
{
    if (!world_can(LSM_CAP_VOLUME_COPY_RANGE))
        return;
    many_start(HELD);
    job_await(many.job, LSM_JOB_STATE_RUNNING);
    FINE(lsm_job_pause(world.conn, many.job, 0));
    ck_assert_int_eq(job_state(many.job), LSM_JOB_STATE_PAUSED);
    if (_i == 1)
        FINE(volume_delete(many.to));
    if (_i == 2)
        FINE(lsm_volume_disable(world.conn, many.to, 0));
    if (_i == 3)
        FINE(volume_resize(&many.to, MANY_SIZE / 2));
    world_reopen();
    ck_assert_int_eq(job_state(many.job), LSM_JOB_STATE_PAUSED);
    FINE(lsm_job_rate_limit_set(world.conn, many.job, 0, 0));
    FINE(lsm_job_resume(world.conn, many.job, 0));
    job_await(many.job, _i ? LSM_JOB_STATE_FAILED : LSM_JOB_STATE_DONE);
    static const int why[] = {OK, LSM_ERR_NOT_FOUND_VOLUME, LSM_ERR_READ_ONLY, INVALID};
    autojob lsm_job *job = job_look(many.job);
    ck_assert_int_eq((int)lsm_job_error_number_get(job), why[_i]);
    if (_i == 0)
        ck_assert_uint_eq(many_arrived(), MANY);
    SAME(many.source, many.from);
    FINE(volume_delete(many.from));
}
END_TEST

/* --- all of it ------------------------------------------------------------------------------- */

TCase *ranges(void)
{
    TCase *tests = tcase_create("ranges");
    tcase_add_checked_fixture(tests, world_make, world_remove);
    tcase_add_test(tests, range_block_size);
    tcase_add_test(tests, range_or_153);
    tcase_add_test(tests, range_outside_is_101);
    tcase_add_test(tests, range_outside_is_named);
    tcase_add_test(tests, range_within_one_volume);
    tcase_add_test(tests, range_overlaps_are_101);
    tcase_add_test(tests, range_of_holes);
    tcase_add_test(tests, range_between_pools);
    tcase_add_test(tests, range_and_clones);
    tcase_add_test(tests, range_reaches_the_mirror);
    tcase_add_test(tests, range_refusals);
    return tests;
}

TCase *range_jobs(void)
{
    TCase *tests = tcase_create("range_jobs");
    tcase_add_checked_fixture(tests, many_make, many_remove);
    tcase_add_loop_test(tests, range_job_is_the_instant_of_its_call, 0, 2);
    tcase_add_loop_test(tests, range_job_cancelled, 0, 2);
    tcase_add_loop_test(tests, range_job_paused, 0, 4);
    return tests;
}
