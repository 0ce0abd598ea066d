# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volume I/O, by the bytes."""

from __future__ import annotations

import random

import pytest
import replicant
from conftest import KIB, MIB, content, pattern, refused
from replicant import ErrorCode, ExtentKind


def test_read_what_was_written(volume):
    with volume.open() as io:
        assert io.pread(MIB, 0) == pattern(MIB)
        assert io.pread(1, MIB - 1) == pattern(MIB)[-1:]


def test_any_alignment(conn):
    dice = random.Random(7)
    volume = conn.create_volume("v", 256 * KIB)
    expected = bytearray(256 * KIB)
    with volume.open() as io:
        for i in range(200):
            offset = dice.randrange(len(expected))
            data = pattern(min(dice.randrange(1, 9000), len(expected) - offset), i)
            io.pwrite(data, offset)
            expected[offset : offset + len(data)] = data
        assert io.pread(len(expected), 0) == bytes(expected)
        for _ in range(200):
            offset = dice.randrange(len(expected))
            count = min(dice.randrange(1, 9000), len(expected) - offset)
            assert io.pread(count, offset) == expected[offset : offset + count]


def test_count_zero_is_fine(volume):
    with volume.open() as io:
        assert io.pread(0, 0) == b""
        assert io.pread(0, MIB) == b""
        io.pwrite(b"", 0)
        io.pread_into(bytearray(), 0)
        io.write_zeroes(0, 0)
        io.discard(0, 0)
        assert io.extents(0, 0) == []
        assert io.pread(MIB, 0) == pattern(MIB)


@pytest.mark.parametrize("offset", [MIB - 1, MIB, 1 << 40, (1 << 64) - 2])
def test_past_the_end_is_101(volume, offset):
    with volume.open() as io:
        for call in (
            lambda: io.pread(2, offset),
            lambda: io.pwrite(b"ab", offset),
            lambda: io.pread_into(bytearray(2), offset),
            lambda: io.write_zeroes(2, offset),
            lambda: io.discard(2, offset),
            lambda: io.extents(offset, 2),
        ):
            assert refused(ErrorCode.INVALID_ARGUMENT, call).offset == offset
        assert io.pread(MIB, 0) == pattern(MIB)


def test_numbers_that_are_none(volume):
    with volume.open() as io:
        for call in (
            lambda: io.pread(-1, 0),
            lambda: io.pread(1, -1),
            lambda: io.pread(1 << 64, 0),
        ):
            refused(ErrorCode.INVALID_ARGUMENT, call)
        with pytest.raises(TypeError):
            io.pread("1", 0)
        with pytest.raises(TypeError):
            io.pread(1.0, 0)


def test_zero_and_discard(volume):
    expected = bytearray(pattern(MIB))
    with volume.open() as io:
        io.write_zeroes(70000, 1000)
        expected[1000:71000] = bytes(70000)
        assert io.pread(MIB, 0) == bytes(expected)
        io.discard(300000, 200001)
        expected[200001:500001] = bytes(300000)
        assert io.pread(MIB, 0) == bytes(expected)
        io.pwrite(b"back", 300000)
        expected[300000:300004] = b"back"
        assert io.pread(MIB, 0) == bytes(expected)


def test_zero_and_discard_over_layers(volume):
    """In a clone they hide what the source has, and the source keeps it."""
    for i, verb in enumerate(("write_zeroes", "discard")):
        clone = volume.clone(f"c{i}")
        expected = bytearray(pattern(MIB))
        with clone.open() as io:
            getattr(io, verb)(100000, 4095)
            expected[4095:104095] = bytes(100000)
            assert io.pread(MIB, 0) == bytes(expected)
            io.pwrite(b"z", 5000)
            expected[5000:5001] = b"z"
        assert content(clone) == bytes(expected)
        assert content(volume) == pattern(MIB)


def test_resize_over_layers(volume):
    """What a shrink cut off does not come back from the source."""
    clone = volume.clone("c").resize(MIB // 4)
    assert content(clone) == pattern(MIB)[: MIB // 4]
    clone = clone.resize(MIB)
    assert content(clone) == pattern(MIB)[: MIB // 4] + bytes(MIB - MIB // 4)
    clone = clone.resize(2 * MIB)
    assert content(clone)[MIB // 4 :] == bytes(2 * MIB - MIB // 4)
    assert content(volume) == pattern(MIB)


def test_fua_and_flush(volume):
    with volume.open() as io:
        io.pwrite(b"durable", 10, fua=True)
        io.flush()
        assert io.pread(7, 10) == b"durable"


def test_read_only_handle(volume):
    with volume.open(read_only=True) as io:
        for call in (
            lambda: io.pwrite(b"x", 0),
            lambda: io.write_zeroes(1, 0),
            lambda: io.discard(1, 0),
        ):
            refused(ErrorCode.READ_ONLY, call)
        assert io.pread(MIB, 0) == pattern(MIB)


def test_two_handles_see_each_other(volume):
    with volume.open() as one, volume.open() as two:
        one.pwrite(b"one", 0)
        assert two.pread(3, 0) == b"one"
        two.pwrite(b"two", 0)
        assert one.pread(3, 0) == b"two"


def test_extents_cover_the_range(conn):
    volume = conn.create_volume("v", 4 * MIB)
    with volume.open() as io:
        (extent,) = io.extents()
        assert extent == (0, 4 * MIB, ExtentKind.ZERO)
        io.pwrite(pattern(MIB), MIB)
        extents = io.extents()
        assert [e.kind for e in extents] == [ExtentKind.ZERO, ExtentKind.DATA, ExtentKind.ZERO]
        assert extents[1].offset <= MIB and extents[1].offset + extents[1].length >= 2 * MIB
        at = 0
        for extent in extents:
            assert extent.offset == at
            at += extent.length
        assert at == 4 * MIB
        assert io.extents(MIB + 100, 50) == [(MIB + 100, 50, ExtentKind.DATA)]
        for extent in extents:
            if extent.kind is ExtentKind.ZERO:
                assert not any(io.pread(extent.length, extent.offset))


def test_io_outlives_its_connection(uri):
    with replicant.connect(uri) as conn:
        volume = conn.create_volume("v", MIB)
        io = volume.open()
    with io:
        io.pwrite(b"after", 0)
        assert io.pread(5, 0) == b"after"
        error = refused(ErrorCode.INVALID_ARGUMENT, io.pread, 1, MIB)
        assert "end" in error.message
    with replicant.connect(uri) as conn:
        assert content(conn.volume("v"))[:5] == b"after"


def test_closed_handle_is_refused(volume):
    io = volume.open()
    assert not io.closed
    io.close()
    io.close()
    assert io.closed
    for call in (
        lambda: io.pread(1, 0),
        lambda: io.pread_into(bytearray(1), 0),
        lambda: io.pwrite(b"x", 0),
        lambda: io.write_zeroes(1, 0),
        lambda: io.discard(1, 0),
        lambda: io.flush(),
        lambda: io.extents(),
        lambda: io.size,
    ):
        assert isinstance(refused(ErrorCode.INVALID_ARGUMENT, call), ValueError)
