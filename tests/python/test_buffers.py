# SPDX-License-Identifier: LGPL-2.1-or-later
"""Buffers: used where they lie, never copied, and locked while a call uses them."""

from __future__ import annotations

import array
import mmap
import threading

import pytest
from conftest import KIB, MIB, pattern

numpy = pytest.importorskip("numpy")


@pytest.fixture
def io(volume):
    with volume.open() as io:
        yield io


def mapped(size):
    return mmap.mmap(-1, size)


@pytest.mark.parametrize(
    "wrap",
    [
        bytes,
        bytearray,
        memoryview,
        lambda d: array.array("B", d),
        lambda d: numpy.frombuffer(d, "u4"),
    ],
    ids=["bytes", "bytearray", "memoryview", "array", "numpy"],
)
def test_write_from(io, wrap):
    io.pwrite(wrap(pattern(4 * KIB, 5)), 12)
    assert io.pread(4 * KIB, 12) == pattern(4 * KIB, 5)


def test_write_from_mmap_and_slices(io):
    with mapped(4 * KIB) as memory:
        memory[:] = pattern(4 * KIB, 6)
        io.pwrite(memory, 0)
        io.pwrite(memoryview(memory)[100:200], 8 * KIB)
    assert io.pread(4 * KIB, 0) == pattern(4 * KIB, 6)
    assert io.pread(100, 8 * KIB) == pattern(4 * KIB, 6)[100:200]


@pytest.mark.parametrize(
    "make",
    [
        bytearray,
        lambda n: memoryview(bytearray(n)),
        lambda n: array.array("B", bytes(n)),
        lambda n: numpy.zeros((n // 8, 2), "u4"),
        mapped,
    ],
    ids=["bytearray", "memoryview", "array", "numpy 2-D", "mmap"],
)
def test_read_into(io, make):
    buffer = make(4 * KIB)
    io.pread_into(buffer, 100)
    assert bytes(memoryview(buffer).cast("B")) == pattern(MIB)[100 : 100 + 4 * KIB]


def test_read_into_a_part(io):
    buffer = bytearray(b"-" * 30)
    io.pread_into(memoryview(buffer)[10:20], 0)
    assert bytes(buffer) == b"-" * 10 + pattern(MIB)[:10] + b"-" * 10


def test_read_makes_bytes_of_its_own(io):
    one, two = io.pread(10, 0), io.pread(10, 0)
    assert type(one) is bytes
    assert one == two and one is not two


@pytest.mark.parametrize(
    "bad", [None, "text", 7, [1, 2], numpy.zeros((8, 8), "u4")[:, ::2]], ids=repr
)
def test_what_is_no_buffer(io, bad):
    for call in (io.pwrite, io.pread_into):
        with pytest.raises((TypeError, BufferError, ValueError)):
            call(bad, 0)
    assert io.pread(MIB, 0) == pattern(MIB)


def test_read_into_what_is_read_only(io):
    for bad in (b"const", memoryview(b"const"), numpy.frombuffer(b"const", "u1")):
        with pytest.raises((BufferError, ValueError)):
            io.pread_into(bad, 0)
        bytes(bad)


def test_a_buffer_in_use_cannot_be_resized(io):
    """Two threads, one bytearray: whoever resizes it while a call uses it is refused; nothing
    is torn, nothing crashes."""
    size = MIB // 2
    buffer = bytearray(size)
    refusals = 0
    stop = threading.Event()

    def resize() -> None:
        nonlocal refusals
        while not stop.is_set():
            try:
                buffer.extend(bytes(size - 1))
                del buffer[size:]
            except BufferError:
                refusals += 1

    thread = threading.Thread(target=resize)
    thread.start()
    for _ in range(300):
        io.pread_into(buffer, 0)
        assert buffer[:size] == pattern(MIB)[:size]
    stop.set()
    thread.join()
    assert refusals > 0


def test_references_are_given_back(io):
    import sys

    buffer = bytearray(4 * KIB)
    before = sys.getrefcount(buffer)
    for _ in range(100):
        io.pread_into(buffer, 0)
        io.pwrite(buffer, 0)
        with pytest.raises(ValueError):
            io.pwrite(buffer, MIB)
    assert sys.getrefcount(buffer) == before
    buffer.append(0)
