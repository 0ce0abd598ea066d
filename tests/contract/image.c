/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

struct image *image_create(uint64_t size)
{
    struct image *image = malloc(sizeof *image);
    ck_assert_ptr_nonnull(image);
    *image = (struct image){.size = size, .bytes = calloc(1, size)};
    ck_assert_ptr_nonnull(image->bytes);
    return image;
}

struct image *image_copy(const struct image *image)
{
    struct image *copy = image_create(image->size);
    memcpy(copy->bytes, image->bytes, image->size);
    return copy;
}

void image_destroy(struct image **image)
{
    if (*image)
        free((*image)->bytes);
    free(*image);
    *image = NULL;
}

void image_resize(struct image *image, uint64_t size)
{
    image->bytes = realloc(image->bytes, size);
    ck_assert_ptr_nonnull(image->bytes);
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

void random_bytes(unsigned char *bytes, uint64_t n, uint32_t seed)
{
    seed = seed * 2654435761u | 1;
    for (uint64_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(random_next(&seed) >> 7);
}

void image_write(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n, uint32_t seed)
{
    random_bytes(image->bytes + offset, n, seed);
    FINE(lsm_volume_io_pwrite(io, image->bytes + offset, n, offset, 0));
}

void image_zero(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n)
{
    memset(image->bytes + offset, 0, n);
    FINE(lsm_volume_io_write_zeroes(io, n, offset, 0));
}

void image_discard(struct image *image, lsm_volume_io *io, uint64_t offset, uint64_t n)
{
    memset(image->bytes + offset, 0, n);
    FINE(lsm_volume_io_discard(io, n, offset, 0));
}

void image_scribble(struct image *image, lsm_volume_io *io, uint32_t *seed)
{
    uint32_t kind = random_next(seed) % 8;
    uint64_t offset = random_next(seed) % image->size;
    uint64_t n = random_next(seed) % (kind < 6 ? 3 * CLUSTER : 12 * CLUSTER);
    if (random_next(seed) % 4 == 0) {
        offset -= offset % CLUSTER;
        n = CLUSTER * (1 + random_next(seed) % 3);
    }
    if (n > image->size - offset)
        n = image->size - offset;
    if (kind < 6)
        image_write(image, io, offset, n, random_next(seed));
    else if (kind == 6)
        image_zero(image, io, offset, n);
    else
        image_discard(image, io, offset, n);
}

void image_fill(struct image *image, lsm_volume *volume, uint32_t seed)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, 0));
    image_write(image, io, 0, image->size, seed);
}

const char *image_differs(const struct image *image, lsm_volume_io *io)
{
    static char why[200];
    uint64_t at = 0, size = lsm_volume_io_size_get(io);
    if (size != image->size) {
        snprintf(why, sizeof why, "%" PRIu64 " bytes, not %" PRIu64, size, image->size);
        return why;
    }
    unsigned char *bytes = malloc(size);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 0xdb, size);
    int rc = lsm_volume_io_pread(io, bytes, size, 0, 0);
    while (rc == OK && at < size && bytes[at] == image->bytes[at])
        at++;
    if (rc != OK)
        snprintf(why, sizeof why, "reading answers %d", rc);
    else if (at < size)
        snprintf(why, sizeof why, "byte %" PRIu64 " (cluster %" PRIu64 ") is 0x%02x, not 0x%02x",
                 at, at / CLUSTER, bytes[at], image->bytes[at]);
    free(bytes);
    return rc == OK && at == size ? NULL : why;
}

const char *image_differs_from_volume(const struct image *image, lsm_volume *volume)
{
    autoio lsm_volume_io *io = NULL;
    FINE(lsm_volume_io_open(world.conn, volume, &io, LSM_VOLUME_IO_READ_ONLY));
    return image_differs(image, io);
}
