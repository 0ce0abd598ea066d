/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root in a temporary directory, and what its volumes must hold: a model of a few arrays. It lies
 * in shared memory, so that a child process that dies in the middle of its work leaves it behind.
 *
 *     MUST(condition)      else the test fails, with the place, `world.context` and the last error
 */
#ifndef REPLICANT_TESTS_FAULTS_WORLD_H
#define REPLICANT_TESTS_FAULTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <check.h>
#include <replicant/replicant.h>

#define CONTENTS 12
#define CONTENT_MAX (768u << 10)

struct content {
    char name[32], pool[32];
    uint64_t size; /* 0: there is none */
    bool torn;     /* each byte is of `bytes` or of `other` */
    bool unsynced; /* the same, but only once the owner died */
    unsigned char bytes[CONTENT_MAX], other[CONTENT_MAX];
};

/* How a call, or the job that it began, ended. */
struct outcome {
    int code, sys_errno;
    bool of_job;
    char message[300];
};

struct shared {
    struct content contents[CONTENTS];
    struct outcome outcome;
    bool reached;
    char what[300];
    char job[64];                       /* one that was begun, */
    unsigned char instant[CONTENT_MAX]; /* and what it copies */
};

extern struct world {
    char directory[200];
    lsm_connect *conn; /* NULL: the root is not open */
    char context[400]; /* what is being tried, for failures */
    bool in_child;
    struct shared *shared;
} world;

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            world_fail(__FILE__, __LINE__, #condition);                                            \
    } while (0)
void world_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* --- directories ------------------------------------------------------------------------------ */

int world_run(const char *suite, TCase *tests); /* for main to return */
void world_begin(void);                         /* the shared memory; once a process */
void world_make_directory(void);
void world_copy_directory(const char *from); /* a new one, like `from` */
void world_remove_directory(void);

/* --- the root --------------------------------------------------------------------------------- */

int world_connect(struct outcome *outcome); /* sets world.conn */
void world_open(void);                      /* the same, and it succeeds */
void world_close(void);
int world_outcome(int code, struct outcome *outcome); /* with the connection's last error */
/* One whose failure cannot be recorded says what is wrong and tries again: then the disk answers.
 */
lsm_job *world_job_end(const char *job);
int world_outcome_of_job(const char *job, struct outcome *outcome); /* waits; forgets nothing */

lsm_pool *world_pool(const char *name);                       /* the caller's */
lsm_volume *world_volume(const char *name, const char *pool); /* NULL: none; the caller's */
lsm_volume_io *world_io(const char *name);
void world_write(lsm_volume_io *io, struct content *content, uint64_t offset, uint64_t count,
                 unsigned seed); /* must succeed; the model follows */

/* --- the model -------------------------------------------------------------------------------- */

struct content *content_new(const char *name, const char *pool, uint64_t size);
struct content *content_get(const char *name); /* must be there */
struct content *content_find(const char *name, const char *pool);
void content_fill(unsigned char *bytes, uint64_t count, unsigned seed);
/* From now on the range may hold the old bytes or these, until content_settle(). */
void content_doubt(struct content *content, uint64_t offset, const unsigned char *bytes,
                   uint64_t count);
void content_settle(struct content *content);

/* --- what a root has -------------------------------------------------------------------------- */

void world_make_pool(const char *name); /* in the root */
void world_make_volume(const char *name, const char *pool, uint64_t size,
                       lsm_volume_provision_type provision);
lsm_replication *world_relation(void); /* the only one; NULL: none */
void world_relation_id(char id[80]);   /* "": none */
int world_replication_state(const char *id);
/* The instants that a pool holds lose their names: nobody has them any more. Closes, and opens. */
void world_lose_instant(const char *pool);

/* The root's volumes are those of the model, byte for byte. `died`: an owner died before; of what
 * it may have left in two ways, what is there is the truth from now on. */
void world_check(bool died);
void world_end_jobs(void); /* without a rate limit, paused ones too; all end DONE */
/* The root is closed and no job goes on: its files are those that its catalogs name, no more and no
 * fewer, and nothing is held. */
void world_check_files(void);

#endif
