/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a volume should hold, byte for byte, kept in memory: each write goes to both, and the volume
 * is compared with it as a whole. Bytes come from a seed, so a difference shows where it is from.
 */
#ifndef REPLICANT_TESTS_CONTRACT_IMAGE_H
#define REPLICANT_TESTS_CONTRACT_IMAGE_H

#include "kit.h"

struct image {
    uint64_t size;
    unsigned char *bytes;
};

#define autoimage __attribute__((cleanup(image_destroy)))

struct image *image_create(uint64_t size); /* zeros */
struct image *image_copy(const struct image *image);
void image_destroy(struct image **image);
void image_resize(struct image *image, uint64_t size); /* what is added is zeros */

uint32_t random_next(uint32_t *seed); /* never 0 */
void random_bytes(unsigned char *bytes, uint64_t n, uint32_t seed);

/* Each on both sides. */
void image_write(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n,
                 uint32_t seed);
void image_zero(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n);
void image_discard(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n);
/* One of the three, at any offset and length; now and then a whole cluster. */
void image_scribble(struct image *image, lsm_volume_io *io, uint32_t *seed);
/* All of it, with a handle of its own. */
void image_fill(struct image *image, lsm_volume *volume, uint32_t seed);

/* The volume, or what the handle reads, is the image. */
#define SAME(image, volume) SAME_(image, image_differs_from_volume((image), (volume)))
#define SAME_THROUGH(image, io) SAME_(image, image_differs((image), (io)))
#define SAME_(image, differs)                                                                      \
    do {                                                                                           \
        const char *why_ = (differs);                                                              \
        ck_assert_msg(!why_, "%s: %s", #image, why_);                                              \
    } while (0)

const char *image_differs(const struct image *image, lsm_volume_io *io);
const char *image_differs_from_volume(const struct image *image, lsm_volume *volume);

#endif
