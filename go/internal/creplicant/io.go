// SPDX-License-Identifier: LGPL-2.1-or-later

package creplicant

// Reading and writing where the bytes lie. cgo pins a buffer for the time of the call, and looks at
// no more than its array as long as &p[0] stands in the call itself. The error is taken inside the
// same C call as the failure, so that no goroutine needs to stay on its thread.

/*
#include <stdlib.h>
#include <replicant/replicant.h>

static uintptr_t error_of(lsm_volume_io *io, int rc)
{
	lsm_error *e = rc != LSM_ERR_OK ? lsm_volume_io_error_last_get(io) : NULL;

	if (rc != LSM_ERR_OK && !e)
		e = lsm_error_create((lsm_error_number)rc, "refused: no open I/O handle", NULL, NULL, NULL, 0);
	return (uintptr_t)e;
}

static uintptr_t io_pread(uintptr_t io, void *buf, uint64_t count, uint64_t offset)
{
	lsm_volume_io *h = (lsm_volume_io *)io;
	return error_of(h, lsm_volume_io_pread(h, buf, count, offset, LSM_CLIENT_FLAG_RSVD));
}

static uintptr_t io_pwrite(uintptr_t io, const void *buf, uint64_t count, uint64_t offset, lsm_flag flags)
{
	lsm_volume_io *h = (lsm_volume_io *)io;
	return error_of(h, lsm_volume_io_pwrite(h, buf, count, offset, flags));
}

static uint64_t io_size(uintptr_t io)
{
	return lsm_volume_io_size_get((lsm_volume_io *)io);
}

struct extents {
	lsm_extent *list;
	uint32_t count;
	uintptr_t error;
};

static struct extents io_extents(uintptr_t io, uint64_t count, uint64_t offset)
{
	lsm_volume_io *h = (lsm_volume_io *)io;
	struct extents found = { NULL, 0, 0 };
	found.error = error_of(h, lsm_volume_io_extents(h, count, offset, &found.list, &found.count,
	                                                LSM_CLIENT_FLAG_RSVD));
	return found;
}

static void extents_free(lsm_extent *list)
{
	if (list)
		lsm_extent_array_free(list);
}
*/
import "C"

import "unsafe"

// Volume_io_pread fills p.
func Volume_io_pread(io VolumeIO, p []byte, offset uint64) error {
	if len(p) == 0 {
		return takeError(ErrorRecord(C.io_pread(C.uintptr_t(io), nil, 0, C.uint64_t(offset))))
	}
	return takeError(ErrorRecord(C.io_pread(C.uintptr_t(io), unsafe.Pointer(&p[0]), C.uint64_t(len(p)),
		C.uint64_t(offset))))
}

// Volume_io_pwrite writes p.
func Volume_io_pwrite(io VolumeIO, p []byte, offset, flags uint64) error {
	if len(p) == 0 {
		return takeError(ErrorRecord(C.io_pwrite(C.uintptr_t(io), nil, 0, C.uint64_t(offset),
			C.lsm_flag(flags))))
	}
	return takeError(ErrorRecord(C.io_pwrite(C.uintptr_t(io), unsafe.Pointer(&p[0]), C.uint64_t(len(p)),
		C.uint64_t(offset), C.lsm_flag(flags))))
}

// Volume_io_size_get tells the size, 0 if io is no handle.
func Volume_io_size_get(io VolumeIO) uint64 {
	return uint64(C.io_size(C.uintptr_t(io)))
}

// Extent is lsm_extent.
type Extent struct {
	Offset, Length uint64
	Flags          uint32
}

// Volume_io_extents copies the array over and frees it.
func Volume_io_extents(io VolumeIO, count, offset uint64) ([]Extent, error) {
	found := C.io_extents(C.uintptr_t(io), C.uint64_t(count), C.uint64_t(offset))
	defer C.extents_free(found.list)
	if found.error != 0 {
		return nil, takeError(ErrorRecord(found.error))
	}
	extents := make([]Extent, 0, int(found.count))
	for _, e := range unsafe.Slice(found.list, int(found.count)) {
		extents = append(extents, Extent{uint64(e.offset), uint64(e.length), uint32(e.flags)})
	}
	return extents, nil
}
