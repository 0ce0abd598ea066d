# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replications: the standing relation of a mirror, where the backend has them."""

from __future__ import annotations

import asyncio
import time

import pytest
from conftest import MIB, content, pattern, refused, write
from replicant import Capability, ErrorCode, ReplicationState, ReplicationType, _creplicant
from replicant.replication import Replication

VERBS = {
    "refresh": (),
    "sync": (),
    "pause": (),
    "resume": (),
    "set_interval": (5,),
    "promote": (),
    "reverse": (),
    "break_": (),
}


def supported(conn) -> bool:
    can = conn.capabilities()
    return {
        Capability.VOLUME_REPLICATE_MIRROR_SYNC,
        Capability.VOLUME_REPLICATE_MIRROR_ASYNC,
    } <= can


@pytest.fixture
def mirrored(conn):
    conn.create_pool("dr")
    if not supported(conn):
        pytest.skip("this backend has no mirrors yet")


@pytest.mark.parametrize("verb", VERBS)
def test_replication_unknown_is_1007(conn, verb):
    code = ErrorCode.NOT_FOUND_REPLICATION if supported(conn) else ErrorCode.NO_SUPPORT
    refused(code, conn.replication, "nosuch")
    unknown = Replication(
        "nosuch",
        ReplicationType.MIRROR_SYNC,
        ReplicationState.IN_SYNC,
        *("", "", None, None, 0, 0, 0, 0, 0, 0, None, None, ErrorCode.OK, None),
        conn,
    )
    refused(code, getattr(unknown, verb), *VERBS[verb])


def test_flags_reach_the_library(conn):
    """The bits that the verbs pass are the library's, and others are refused."""
    assert (_creplicant.LSM_REPLICATION_FORCE, _creplicant.LSM_REPLICATION_DISCARD) == (1, 2)
    wanted = ErrorCode.INVALID_ARGUMENT
    for call in (
        lambda: _creplicant.lsm_replication_promote(conn._handle, "nosuch", 64),
        lambda: _creplicant.lsm_replication_resume(conn._handle, "nosuch", 64),
        lambda: _creplicant.lsm_replication_reverse(conn._handle, "nosuch", 64),
    ):
        refused(wanted, call)


def test_synchronous_mirror(mirrored, volume, conn):
    mirror = volume.mirror("source", "dr").wait_in_sync(timeout=60)
    assert mirror.type is ReplicationType.MIRROR_SYNC
    assert mirror.source().id == volume.id
    write(volume, b"both", 77)
    expected = bytearray(pattern(MIB))
    expected[77:81] = b"both"
    assert content(mirror.target()) == bytes(expected)
    refused(ErrorCode.READ_ONLY, mirror.target().open)
    refused(ErrorCode.HAS_CHILD_DEPENDENCY, volume.delete)
    assert [r.id for r in volume.replications()] == [mirror.id]
    assert [r.id for r in conn.replications("state", ReplicationState.IN_SYNC)] == [mirror.id]
    target = mirror.target()
    mirror.break_()
    refused(ErrorCode.NOT_FOUND_REPLICATION, mirror.refresh)
    write(target, b"mine")
    assert content(volume) == bytes(expected)


def test_asynchronous_mirror(mirrored, volume):
    mirror = volume.mirror("source", "dr", interval=0).wait_in_sync(timeout=60)
    assert mirror.interval == 0
    write(volume, b"later", 5)
    assert content(mirror.target()) == pattern(MIB)
    deadline = time.monotonic() + 10
    while not mirror.refresh().lag_bytes and time.monotonic() < deadline:
        time.sleep(0.05)
    mirror.sync().wait(timeout=60)
    assert content(mirror.target())[5:10] == b"later"
    refused(ErrorCode.NO_STATE_CHANGE, mirror.sync)
    mirror.set_interval(30)
    assert mirror.refresh().interval == 30


def test_pause_resume_and_failover(mirrored, volume):
    mirror = volume.mirror("source", "dr").wait_in_sync(timeout=60)
    mirror.pause()
    assert mirror.refresh().state is ReplicationState.PAUSED
    write(volume, b"meanwhile")
    mirror.resume()
    mirror.wait_in_sync(timeout=60)
    assert content(mirror.target())[:9] == b"meanwhile"
    mirror.promote(force=True).wait(timeout=60)
    assert mirror.refresh().state is ReplicationState.SPLIT
    write(mirror.target(), b"failover")
    mirror.reverse().wait(timeout=60)
    now = mirror.wait_in_sync(timeout=60)
    assert now.target().id == volume.id
    assert content(volume)[:8] == b"failover"


@pytest.mark.parametrize("interval", [None, 0])
@pytest.mark.parametrize("verb", ["resume", "reverse"])
def test_failover_again_after_going_back(mirrored, volume, interval, verb):
    """A failover and the way back, in either direction, as often as one likes."""
    mirror = volume.mirror("source", "dr", interval=interval).wait_in_sync(timeout=60)
    for i in range(3):
        mirror.promote(force=True).wait(timeout=60)
        write(mirror.refresh().target(), bytes([i]) * 9, i * 100)
        if verb == "resume":
            mirror.resume(discard=True)
        else:
            mirror.reverse(discard=True).wait(timeout=60)
        mirror = mirror.wait_in_sync(timeout=60)
        assert content(mirror.source()) == content(mirror.target())


def test_in_sync_is_awaited(mirrored, volume):
    async def main() -> Replication:
        return await volume.mirror("source", "dr").in_sync()

    assert asyncio.run(main()).state is ReplicationState.IN_SYNC
