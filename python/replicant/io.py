# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volume I/O: reading and writing what a volume holds.

Offsets and counts are bytes, of any alignment. A call does all of it or raises. What was flushed,
or written with `fua`, is there after a power cut; closing does not flush. Any number of threads may
use one handle, and none waits for another in Python: the GIL is dropped while the library works.

Buffers are used where they lie: bytes, bytearray, memoryview, array, mmap, numpy's, whatever is
contiguous. They cannot be resized while a call uses them.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from . import _creplicant as _c
from .types import Buffer, Extent, ExtentKind

_READ_ONLY: int = _c.LSM_VOLUME_IO_READ_ONLY
_FUA: int = _c.LSM_VOLUME_IO_FUA


class VolumeIO:
    """An open volume. It outlives its connection's close, until its own."""

    __slots__ = ("__weakref__", "_closed", "_handle", "_name")

    def __init__(self, handle: object, name: str) -> None:
        """Volume.open() makes it."""
        self._handle = handle
        self._name = name
        self._closed = False

    def pread(self, count: int, offset: int) -> bytes:
        """Reads `count` bytes."""
        data: bytes = _c.lsm_volume_io_pread_bytes(self._handle, count, offset)
        return data

    def pread_into(self, buffer: Buffer, offset: int) -> None:
        """Reads as many bytes as the buffer has, into it."""
        _c.lsm_volume_io_pread(self._handle, buffer, offset, 0)

    def pwrite(self, data: Buffer, offset: int, *, fua: bool = False) -> None:
        """Writes all of `data`; with `fua` it is durable afterwards."""
        _c.lsm_volume_io_pwrite(self._handle, data, offset, _FUA if fua else 0)

    def write_zeroes(self, count: int, offset: int) -> None:
        """Makes `count` bytes read as zeros, without writing them where that can be avoided."""
        _c.lsm_volume_io_write_zeroes(self._handle, count, offset, 0)

    def discard(self, count: int, offset: int) -> None:
        """Tells that `count` bytes are no longer needed. They read as zeros."""
        _c.lsm_volume_io_discard(self._handle, count, offset, 0)

    def flush(self) -> None:
        """Makes durable whatever was written, by any handle, before this call."""
        _c.lsm_volume_io_flush(self._handle, 0)

    def extents(self, offset: int = 0, count: int | None = None) -> list[Extent]:
        """Which parts of a range hold data and which are known to be zeros: the range without
        gaps, in order. Without a count: to the volume's end."""
        if count is None:
            count = max(self.size - offset, 0)
        found = _c.lsm_volume_io_extents(self._handle, count, offset, 0)
        return [Extent(start, length, ExtentKind(kind)) for start, length, kind in found]

    @property
    def size(self) -> int:
        """How large the volume is now. A resize shows here at once."""
        size: int = _c.lsm_volume_io_size_get(self._handle)
        return size

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Lets no other call begin, waits for those under way, and closes. Again is harmless."""
        self._closed = True
        _c.lsm_volume_io_close(self._handle, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<VolumeIO {self._name!r}{' closed' if self._closed else ''}>"


def open_volume(conn: object, record: object, name: str, read_only: bool) -> VolumeIO:
    """Opens a volume, by the handles of a connection and of a record."""
    return VolumeIO(_c.lsm_volume_io_open(conn, record, _READ_ONLY if read_only else 0), name)
