/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A layer: a sparse data file, and a map that says which clusters it holds. The volume's byte N
 * stands at the file's byte N. A base (nothing below it) holds everything and has no map.
 *
 * Reads and writes may come from any number of threads; who calls them sees to it that the layer is
 * open and does not become frozen or closed meanwhile (a volume's gate does that). A write sets no
 * bit: that is the stack's part, after the data is there.
 */
#ifndef REPLICANT_ENGINE_LAYER_H
#define REPLICANT_ENGINE_LAYER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../record.h"
#include "descriptor.h"
#include "map.h"

/* Where layers of one pool live, and how they are opened. */
struct layer_home {
    char *directory; /* <pool>/layers */
    struct descriptors *cache;
    bool read_only;
    bool direct; /* ?cache=none */
};

struct layer {
    const struct layer_home *home;
    int64_t row, below_row; /* in the catalog; what it stands on is linked when all are there */
    char guid[ID_SIZE];
    struct layer *below;  /* NULL: a base */
    uint64_t below_limit; /* bytes from which on nothing shows through from below */
    bool frozen;
    bool full;                /* its size is reserved */
    bool recycled;            /* it is on the way to being a spare again */
    bool unfoldable;          /* folding it failed */
    uint32_t uses;            /* layers that stand on it, a volume whose top it is, holds */
    uint32_t users;           /* open stacks that it is in */
    uint32_t walk;            /* while a pool is loaded: the last walk that came by; 0: none */
    uint64_t frozen_bytes;    /* what it occupies, once frozen; UINT64_MAX: not asked yet */
    char generation[ID_SIZE]; /* of a frozen one: the name of its instant */

    /* while it is open */
    struct map *map;
    int fd; /* of a writable layer; a frozen one's is pinned for each use */
    _Atomic(struct layer *)
        into; /* the base that is absorbing it: writes go there (stack.c, fold.c) */
    struct descriptor data, direct;
    atomic_bool dirty;   /* written since the last flush began */
    atomic_bool touched; /* it may hold something */
    atomic_int poisoned; /* the errno of a sync that failed */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t done;
        bool running;
        uint64_t begun, ended;
        int error;
    } flush;
};

struct layer *layer_alloc(const struct layer_home *home, const char *guid); /* NULL: no memory */
void layer_free(struct layer *layer); /* closed; NULL is fine */
char *layer_path(const struct layer_home *home, const char *guid, const char *suffix);

/* Makes the files of a layer, not yet durable: a base of `size` bytes, or a layer with a map. On
 * failure nothing is left. layer_files_sync makes all that were made durable. */
int layer_files_create(const struct layer_home *home, const char *guid, bool base, uint64_t size);
int layer_files_sync(const struct layer_home *home);
int layer_files_remove(const struct layer_home *home, const char *guid);

/* Open for a stack of a volume of `size` bytes, as often as close. Errors are set. */
int layer_open(struct layer *layer, uint64_t size);
void layer_close(struct layer *layer);
/* A writable layer that is open becomes one that never changes again. It was flushed. */
void layer_set_frozen(struct layer *layer);
/* The other way: a frozen base that nothing else stands on takes writes again. */
void layer_set_writable(struct layer *layer);

/* I/O: 0 or an errno. Past the file's end there are zeros. */
int layer_read(struct layer *layer, void *buf, uint64_t count, uint64_t offset);
int layer_write(struct layer *layer, const void *buf, uint64_t count, uint64_t offset);
/* [offset, offset + count) reads as zeros; a full layer keeps its allocation. */
int layer_zero(struct layer *layer, uint64_t count, uint64_t offset);
int layer_next_data(struct layer *layer, uint64_t offset, uint64_t end, uint64_t *data);
int layer_next_hole(struct layer *layer, uint64_t offset, uint64_t end, uint64_t *hole);
int layer_length(struct layer *layer, uint64_t *bytes); /* of its data file */

/* Past the page cache, where the file system can: everything aligned to 4 KiB, the buffer too. */
int layer_read_direct(struct layer *layer, void *buf, uint64_t count, uint64_t offset);
int layer_write_direct(struct layer *layer, const void *buf, uint64_t count, uint64_t offset);
/* How much of the range is in the page cache: 0, or about the number of bytes. */
uint64_t layer_cached(struct layer *layer, uint64_t count, uint64_t offset);

/* Makes what was written before the call durable, data and map. Sets the error. */
int layer_flush(struct layer *layer);

/* Between the two nobody flushes: what lies on the disk stays as it is. */
void layer_flush_hold(struct layer *layer);
void layer_flush_release(struct layer *layer);

/* The same files, to be looked at while `layer` is used: opened by themselves, and never written
 * to. `home` is one whose read_only is set. NULL: no memory. */
struct layer *layer_probe(const struct layer *layer, const struct layer_home *home);

/* Gives the file `size` bytes; the map too. The volume is still. Sets the error. */
int layer_resize(struct layer *layer, uint64_t size);
/* What lies from `limit` on is forgotten, and the file gets `size` bytes. Nobody sees that part,
 * and nobody is inside. Sets the error. */
int layer_cut(struct layer *layer, uint64_t limit, uint64_t size);
/* Takes the blocks of [offset, offset + count) from the file system now. Sets the error. */
int layer_allocate(struct layer *layer, uint64_t offset, uint64_t count);
/* Bytes that its data file occupies; 0 if that cannot be told. */
uint64_t layer_allocated(struct layer *layer);

/* The error record for a failed system call on a layer's file; returns its code. */
int layer_error(const struct layer *layer, int sys_errno, const char *verb, uint64_t offset);

#endif
