# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many threads on one connection and one handle; the GIL is dropped while the library works."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import replicant
from conftest import KIB, MIB, content, pattern


def test_each_thread_gets_its_own_error(conn):
    """16 threads fail on one connection; each sees what it asked for, never another's."""

    def work(number: int) -> None:
        for i in range(100):
            name = f"nosuch-{number}-{i}\n"
            with pytest.raises(replicant.InvalidArgument) as caught:
                conn.create_volume(name, MIB + number)
            assert caught.value.code == replicant.ErrorCode.INVALID_ARGUMENT
            with pytest.raises(replicant.NotFound) as caught_other:
                conn.job(f"job-{number}-{i}")
            assert f"job-{number}-{i}" in str(caught_other.value)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))


def test_writers_to_different_places(volume):
    """8 threads on one handle; each place has its own writer's bytes."""
    with volume.open() as io:

        def work(number: int) -> None:
            size = MIB // 8
            for i in range(20):
                io.pwrite(pattern(size, number * 100 + i), number * size)
                assert io.pread(size, number * size) == pattern(size, number * 100 + i)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    expected = b"".join(pattern(MIB // 8, n * 100 + 19) for n in range(8))
    assert content(volume) == expected


def test_clones_by_many_threads(conn, volume):
    def work(number: int) -> replicant.Volume:
        clone = volume.clone(f"c{number}")
        with clone.open() as io:
            io.pwrite(bytes([number]) * 4 * KIB, number * 4 * KIB)
        return clone

    with ThreadPoolExecutor(8) as pool:
        clones = list(pool.map(work, range(24)))
    for number, clone in enumerate(clones):
        expected = bytearray(pattern(MIB))
        expected[number * 4 * KIB : (number + 1) * 4 * KIB] = bytes([number]) * 4 * KIB
        assert content(clone) == bytes(expected)
    assert len(conn.volumes()) == 25


def test_one_name_is_taken_once(conn):
    def work(_: int) -> bool:
        try:
            conn.create_volume("wanted", MIB)
        except replicant.NameConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1


def test_others_run_while_one_waits(volume):
    """While a thread waits for a job, another gets its turns."""
    job = volume.copy("c", rate_limit=2 * MIB)
    ticks = 0
    thread = threading.Thread(target=job.wait, kwargs={"timeout": 60})
    thread.start()
    while thread.is_alive():
        ticks += 1
        time.sleep(0.001)
    assert ticks > 50
