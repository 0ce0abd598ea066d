/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table for the engine's `vfs` that writes down what changes files and names, in order, SQLite's
 * among them, and what is made durable: an fdatasync of a file, an fsync of a directory. The calls
 * themselves are carried out; nothing is really synced.
 *
 * What is written is kept as whole sectors, as the page cache has them: a sector that is written in
 * two parts reaches the disk as the first, as both, or not at all.
 */
#ifndef REPLICANT_TESTS_FAULTS_CRASH_RECORD_H
#define REPLICANT_TESTS_FAULTS_CRASH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_SECTOR 512u

enum crash_kind {
    CRASH_WRITE, /* bytes at offset; the file is then at least that long */
    CRASH_ZERO,  /* length zeros at offset; the file keeps its length */
    CRASH_SIZE,  /* the file has `length` bytes */
    CRASH_NAME,  /* in the directory `node`, `name` is now `child` (0: nothing), and `from` is gone
                  */
    CRASH_SYNC   /* what went before of `node` is durable */
};

struct crash_call {
    enum crash_kind kind;
    uint32_t node, child;
    uint64_t offset, length;
    unsigned char *bytes;
    char name[48], from[48];
};

/* A file or a directory. The root is number 1. */
struct crash_node {
    bool directory;
    bool lent; /* what it has is another tree's */
    unsigned char *bytes;
    uint64_t size;
    struct crash_entry {
        char name[48];
        uint32_t node;
    } * entries;
    uint32_t count;
};

struct crash_tree {
    struct crash_node *nodes;
    uint32_t count;
};

struct crash_log {
    struct crash_tree before; /* all of it durable; files made later are in it, empty, nameless */
    struct crash_call *calls;
    size_t count;
};

uint32_t crash_name_get(const struct crash_node *directory, const char *name); /* 0: none */
void crash_name_set(struct crash_node *directory, const char *name, uint32_t node);
void crash_tree_free(struct crash_tree *tree);

/* From now on, of what is in `directory`, which is closed. */
void crash_record_begin(const char *directory);
size_t crash_record_count(void); /* calls so far */
/* Within each of the next `times` syncs of a layer's data that this thread does, after its work,
 * `call` is made: what comes in between. */
void crash_record_within_sync(void (*call)(void), unsigned times);
unsigned crash_record_left(void); /* of those times */
/* `vfs` is the system's again, and the log the caller's. */
void crash_record_end(struct crash_log *log);
void crash_log_free(struct crash_log *log);

#endif
