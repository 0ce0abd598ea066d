/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every contract test stands on: a world (a fresh, empty root of the backend under test, with
 * a connection to it) and words for the steps that all of them take. Public headers only, so that
 * the suite says nothing of how a backend works.
 *
 * A world belongs to one test. Steps that must succeed assert it themselves. Nothing may leak: the
 * address sanitizer looks at each test's end, so records go out of scope with auto… or are freed.
 */
#ifndef REPLICANT_TESTS_CONTRACT_KIT_H
#define REPLICANT_TESTS_CONTRACT_KIT_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <replicant/replicant.h>

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define CLUSTER (4 * KIB) /* what sizes are rounded up to */

#define OK LSM_ERR_OK
#define INVALID LSM_ERR_INVALID_ARGUMENT
#define THIN LSM_VOLUME_PROVISION_THIN
#define FULL LSM_VOLUME_PROVISION_FULL
#define CLONE LSM_VOLUME_REPLICATE_CLONE
#define COPY LSM_VOLUME_REPLICATE_COPY

/* --- the world ------------------------------------------------------------------------------- */

struct world {
    lsm_connect *conn; /* a test that closes it sets it to NULL */
    lsm_pool *pool;    /* the one that is there from the start */
    char uri[512];
    char directory[400]; /* of dir://; empty: the backend has none */
};
extern struct world world;

void world_make(void);
void world_make_fast(void); /* for many small commits: in memory, where that can be had */
void world_remove(void);
void world_reopen(void); /* closes the connection, and opens one anew */
void world_close(void);
void world_open(void);
int world_connect(const char *uri, lsm_connect **conn, lsm_error_ptr *e);
lsm_connect *world_connect_again(void); /* a second connection to the same world */

/* A directory of the test's own beside the world, removed with it. */
const char *scratch_directory(void);
bool world_can(lsm_capability_type capability);

/* --- what a call answers --------------------------------------------------------------------- */

/* The call succeeds; else its message is the test's. */
#define FINE(call) ANSWERS_(call, LSM_ERR_OK, NULL)
/* The call starts a job. */
#define STARTED(call) ANSWERS_(call, LSM_ERR_JOB_STARTED, NULL)
/* The call is refused with `code`, and the last error says so in one line; once it has been looked
 * at it is gone. SAYING: the line has `word`. */
#define REFUSED(call, code) ANSWERS_(call, code, NULL)
#define REFUSED_SAYING(call, code, word) ANSWERS_(call, code, word)

#define ANSWERS_(call, code, word)                                                                 \
    do {                                                                                           \
        const char *why_ = wrong_answer((call), (code), (word));                                   \
        ck_assert_msg(!why_, "%s: %s", #call, why_);                                               \
    } while (0)

const char *wrong_answer(int rc, int code, const char *word); /* NULL: it is right */

/* After a refusal, for a closer look: the caller's to free. */
lsm_error_ptr refusal(int rc, int code);

/* --- going out of scope ---------------------------------------------------------------------- */

#define autovolume __attribute__((cleanup(let_go_of_volume)))
#define autojob __attribute__((cleanup(let_go_of_job)))
#define autotext __attribute__((cleanup(let_go_of_text)))
#define autoio __attribute__((cleanup(let_go_of_io)))
#define autooptions __attribute__((cleanup(let_go_of_options)))
#define autopool __attribute__((cleanup(let_go_of_pool)))
void let_go_of_volume(lsm_volume **volume);
void let_go_of_job(lsm_job **job);
void let_go_of_text(char **text); /* also a job's id */
void let_go_of_io(lsm_volume_io **io);
void let_go_of_options(lsm_replicate_options **options);
void let_go_of_pool(lsm_pool **pool);

/* --- volumes --------------------------------------------------------------------------------- */

lsm_volume *volume_make(const char *name, uint64_t size); /* THIN, in the world's pool */
lsm_volume *volume_make_in(lsm_pool *pool, const char *name, uint64_t size,
                           lsm_volume_provision_type provision);
lsm_volume *volume_named(const char *name); /* NULL: none is listed */
lsm_volume *volume_with(const char *key, const char *value);
void volume_look(lsm_volume **volume); /* the record, read anew */
uint64_t volume_bytes(lsm_volume *volume);
int volume_delete(lsm_volume *volume);                 /* the answer */
int volume_resize(lsm_volume **volume, uint64_t size); /* the answer; the record becomes the new */
uint32_t volume_count(const char *key, const char *value);
bool volume_has_dependants(lsm_volume *volume);

lsm_volume *clone_make(lsm_volume *source, const char *name);
int replicate(lsm_pool *pool, lsm_replication_type type, lsm_volume *source, const char *name,
              lsm_replicate_options *options); /* the answer; what it made is let go of */

/* --- pools ----------------------------------------------------------------------------------- */

lsm_pool *pool_make(const char *name);
uint32_t pool_count(void);
void pool_look(lsm_pool **pool);

/* --- jobs ------------------------------------------------------------------------------------ */

#define HELD 1 /* bytes a second: a copy so bound does not end by itself */

char *copy_start(lsm_pool *pool, lsm_volume *source, const char *name, uint64_t rate);
lsm_volume *copy_finish(char *job); /* lets it run, waits until it is DONE, frees the text */
lsm_volume *copy_make(lsm_pool *pool, lsm_volume *source, const char *name);
lsm_job *job_look(const char *job);
lsm_job_state job_state(const char *job);
void job_await(const char *job, lsm_job_state state);
uint32_t job_count(const char *key, const char *value);
/* A copy in that state. Whatever else it takes (jobs ahead of it) stays in the world. */
char *job_in(lsm_job_state state, lsm_volume *source, const char *name);
bool job_can_be(lsm_job_state state); /* whether this backend can be brought to fail one */

void sleep_ms(unsigned ms);
uint64_t now_ms(void); /* monotonic */

#endif
