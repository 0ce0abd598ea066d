# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests share: a root of their own, and bytes that are easy to compare."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import replicant

KIB = 1 << 10
MIB = 1 << 20


@functools.lru_cache(maxsize=64)
def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes that look like nothing else, the same each time."""
    return random.Random(seed).randbytes(size)


def content(volume: replicant.Volume) -> bytes:
    """All that a volume holds."""
    with volume.open(read_only=True) as io:
        return io.pread(io.size, 0)


def write(volume: replicant.Volume, data: bytes, offset: int = 0) -> None:
    with volume.open() as io:
        io.pwrite(data, offset)


def refused(code: replicant.ErrorCode, call: Callable[..., object], *args: object, **kw: object):
    """The error of a call that must fail with this code, and say why."""
    with pytest.raises(replicant.Error) as caught:
        call(*args, **kw)
    assert caught.value.code == code, caught.value
    assert caught.value.message
    return caught.value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def uri(root: Path) -> str:
    return f"dir://{root}"


@pytest.fixture
def conn(uri: str) -> Iterator[replicant.Connection]:
    with replicant.connect(uri) as conn:
        yield conn


@pytest.fixture
def volume(conn: replicant.Connection) -> replicant.Volume:
    """1 MiB of data."""
    volume = conn.create_volume("source", MIB)
    write(volume, pattern(MIB))
    return volume
