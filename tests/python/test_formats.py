# SPDX-License-Identifier: LGPL-2.1-or-later
"""Roots that older versions made are opened, hold what they held, and go on."""

from __future__ import annotations

import runpy
import sqlite3
import tarfile
from pathlib import Path

import pytest
import replicant
from conftest import KIB, content, refused, write
from replicant import ErrorCode, JobState, ReplicationState

FORMATS = Path(__file__).parent.parent / "formats"
MAKER = runpy.run_path(str(FORMATS / "make.py"))
SIZE, pattern = MAKER["SIZE"], MAKER["pattern"]


def laid(*pieces: tuple[int, bytes]) -> bytes:
    """What a volume holds after these writes, one after the other."""
    image = bytearray(SIZE)
    for offset, data in pieces:
        image[offset : offset + len(data)] = data
    return bytes(image)


BASE = (0, pattern(128 * KIB, 1))
CLONE = (96 * KIB, pattern(64 * KIB, 2))
FIRST, SECOND = (0, pattern(64 * KIB, 3)), (64 * KIB, pattern(64 * KIB, 4))
HELD = {
    "base": laid(BASE),
    "clone": laid(BASE, CLONE),
    "deep": laid(BASE, CLONE, (0, bytes(32 * KIB))),
    "copy": laid(BASE),
    "synchronous": laid(FIRST, SECOND),
    "asynchronous": laid(FIRST, SECOND),
    "split": laid(FIRST, SECOND, (128 * KIB, pattern(64 * KIB, 5))),
}
HELD_THERE = {
    "synchronous": laid(FIRST, SECOND),
    "asynchronous": laid(FIRST),
    "split": laid(FIRST, SECOND, (192 * KIB, pattern(64 * KIB, 6))),
}


@pytest.fixture(params=sorted(path.name for path in FORMATS.glob("*.tar.gz")))
def old(request, root: Path) -> Path:
    with tarfile.open(FORMATS / request.param) as archive:
        archive.extractall(root)
    return root


def volumes(conn: replicant.Connection, pool: str) -> dict[str, replicant.Volume]:
    where = conn.pool(pool).id
    return {volume.name: volume for volume in conn.volumes() if volume.pool_id == where}


def mirrors(conn: replicant.Connection) -> dict[str, replicant.Replication]:
    return {mirror.source().name: mirror for mirror in conn.replications()}


def test_all_of_it_is_there(old):
    with replicant.connect(f"dir://{old}") as conn:
        here, there = volumes(conn, "default"), volumes(conn, "second")
        assert {name: content(volume) for name, volume in here.items()} == HELD
        assert {name: content(volume) for name, volume in there.items()} == HELD_THERE
        assert here["base"].tag("owner") == "tests"
        assert here["clone"].parent_id == here["base"].id
        assert here["deep"].parent_id == here["clone"].id
        assert here["base"].copy("copy", key="the key of copy").wait().id == here["copy"].id
        states = {name: mirror.state for name, mirror in mirrors(conn).items()}
        assert states == {
            "synchronous": ReplicationState.IN_SYNC,
            "asynchronous": ReplicationState.IN_SYNC,
            "split": ReplicationState.SPLIT,
        }


def test_it_goes_on(old):
    with replicant.connect(f"dir://{old}") as conn:
        [job] = [job for job in conn.jobs() if job.state == JobState.PAUSED]
        job.rate_limit(0)
        job.resume()
        assert content(job.wait()) == HELD["base"]

        here, there = volumes(conn, "default"), volumes(conn, "second")
        write(here["synchronous"], pattern(KIB, 7), 200 * KIB)
        assert content(there["synchronous"]) == content(here["synchronous"])
        mirrors(conn)["asynchronous"].sync().wait()
        assert content(there["asynchronous"]) == HELD["asynchronous"]
        mirrors(conn)["split"].resume()
        mirrors(conn)["split"].wait_in_sync()
        assert content(there["split"]) == HELD["split"]

    with replicant.connect(f"dir://{old}") as conn:
        kept = mirrors(conn)["split"].diverged_volume_id
        assert content(conn.volume(kept)) == HELD_THERE["split"]
        write(volumes(conn, "default")["deep"], pattern(KIB, 8), 0)
        assert content(volumes(conn, "default")["clone"]) == HELD["clone"]


def test_one_from_the_future_is_refused_by_name(old):
    catalog = old / "second" / "pool.db"
    with sqlite3.connect(catalog) as db:
        db.execute("PRAGMA user_version = 1000")
    db.close()
    before = catalog.read_bytes()
    with replicant.connect(f"dir://{old}") as conn:
        assert content(conn.volume("clone", pool="default")) == HELD["clone"]
        error = refused(ErrorCode.NO_SUPPORT, conn.pool("second").create_volume, "v", KIB)
        assert str(catalog) in error.message and "1000" in error.message
    assert catalog.read_bytes() == before
