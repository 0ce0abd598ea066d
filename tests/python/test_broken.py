# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mirrors whose common instant is gone, and the full copy again: in one pool, where only a catalog
that was damaged comes to that, and of groups of which one member is struck."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
import replicant
from conftest import MIB, content, pattern, refused, write
from replicant import ErrorCode, ReplicationState, ReplicationType

BROKEN = ReplicationState.BROKEN
IN_SYNC = ReplicationState.IN_SYNC


def lose_instants(root: Path, ids: Iterable[str]) -> None:
    """The held instants of these replications get a name that nobody else has."""
    with contextlib.closing(sqlite3.connect(root / "default" / "pool.db")) as db:
        for one in ids:
            db.execute(
                "UPDATE layer SET generation = lower(hex(randomblob(16)))"
                " WHERE row IN (SELECT layer FROM hold WHERE owner = ?)",
                [one],
            )
        db.commit()


@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("pool", ["default", "dr"])
@pytest.mark.parametrize("interval", [None, 0])
def test_broken_copied_again(root, uri, interval, pool, discard):
    with replicant.connect(uri) as conn:
        conn.create_pool("dr")
        source = conn.create_volume("db", MIB, pool="default")
        write(source, pattern(MIB))
        mirror = source.mirror("twin", pool, interval=interval).wait_in_sync(timeout=60)
        mirror.pause()
    lose_instants(root, [mirror.id])
    with replicant.connect(uri) as conn:
        mirror = conn.replication(mirror.id)
        source, target = mirror.source(), mirror.target()
        assert mirror.state is BROKEN
        error = refused(ErrorCode.STATE, mirror.resume)
        assert "FORCE" in error.hint
        write(source, b"source")
        write(target, b"target")
        had = content(target)
        mirror.resume(force=True, discard=discard)
        now = mirror.wait_in_sync(timeout=60)
        assert content(target) == content(source) == b"source" + pattern(MIB)[6:]
        assert (now.diverged_volume_id is None) == discard
        if not discard:
            assert content(conn.volume(now.diverged_volume_id)) == had
        assert len(conn.volumes()) == (2 if discard else 3)
    with replicant.connect(uri) as conn:
        mirror = conn.replication(mirror.id)
        assert mirror.state is IN_SYNC
        assert content(mirror.target()) == content(mirror.source())
        write(mirror.source(), b"later")
        if interval is not None:
            mirror.sync().wait(timeout=60)
        assert content(mirror.target())[:6] == b"latere"
        mirror.promote(force=True).wait(timeout=60)
        mirror.reverse().wait(timeout=60)
        mirror.wait_in_sync(timeout=60)


@pytest.mark.parametrize("pool", ["default", "dr"])
@pytest.mark.parametrize("struck", [1, 2, 3])
def test_broken_members_leave_their_group(root, uri, struck, pool):
    """What goes on without them is of another instant; all of them together stay a group."""
    with replicant.connect(uri) as conn:
        conn.create_pool("dr")
        names = ["log", "data", "index"]
        sources = [conn.create_volume(name, MIB, pool="default") for name in names]
        for i, source in enumerate(sources):
            write(source, pattern(MIB, i))
        pairs = [(source, f"{source.name}'") for source in sources]
        job = conn.replicate_group(ReplicationType.MIRROR_ASYNC, pairs, pool, interval=0)
        job.wait(timeout=60)
        ids = [source.replications()[0].id for source in sources]
        group = conn.replication(ids[0]).group_id
    lose_instants(root, ids[:struck])
    with replicant.connect(uri) as conn:
        mirrors = [conn.replication(one) for one in ids]
        states = [mirror.state for mirror in mirrors]
        assert states == [BROKEN] * struck + [IN_SYNC] * (3 - struck)
        for source in sources:
            write(conn.volume(source.id), b"first")
        if struck < 3:
            mirrors[-1].sync().wait(timeout=60)
        mirrors[0].resume(force=True)
        for mirror in mirrors:
            mirror.wait_in_sync(timeout=60)
    with replicant.connect(uri) as conn:
        mirrors = [conn.replication(one) for one in ids]
        groups = [mirror.group_id for mirror in mirrors]
        assert groups[struck:] == [group] * (3 - struck)
        assert len(set(groups[:struck])) == 1
        assert (groups[0] == group) == (struck == 3)
        assert (groups[0] is None) == (struck == 1)
        for source in sources:
            write(conn.volume(source.id), b"again")
        mirrors[0].sync().wait(timeout=60)
        if struck < 3:
            mirrors[-1].sync().wait(timeout=60)
        for mirror in mirrors:
            assert content(mirror.target()) == content(mirror.source())
            assert content(mirror.source())[:5] == b"again"
