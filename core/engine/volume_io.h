/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An open volume: a handle that keeps its root open, and the I/O through it, from any number of
 * threads. Ranges were checked against volume_io_size() by the API.
 */
#ifndef REPLICANT_ENGINE_VOLUME_IO_H
#define REPLICANT_ENGINE_VOLUME_IO_H

#include "volume.h"

struct volume_io;

int volume_io_open(struct root *root, const char *id, lsm_flag flags, struct volume_io **io);
/* For writing, while a job runs: closing the root stops that. */
int volume_io_open_for_job(struct root *root, const char *id, struct volume_io **io);
int volume_io_close(struct volume_io *io);
uint64_t volume_io_size(const struct volume_io *io);
int volume_io_pread(struct volume_io *io, void *buf, uint64_t count, uint64_t offset);
int volume_io_pwrite(struct volume_io *io, const void *buf, uint64_t count, uint64_t offset,
                     lsm_flag flags);
int volume_io_zero(struct volume_io *io, uint64_t count, uint64_t offset);
int volume_io_flush(struct volume_io *io);
int volume_io_extents(struct volume_io *io, uint64_t count, uint64_t offset, lsm_extent **extents,
                      uint32_t *n);

#endif
