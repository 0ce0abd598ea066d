#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The day the main pool is lost: mirror, fail over, work there, come back by delta.

    failover.py [URI or directory]     without one: a temporary directory, removed at the end

Two volumes of the pool "main" are mirrored to the pool "dr": "orders" synchronously, so that it may
lose nothing, and "logs" asynchronously. Then main is taken away, as a disk would go. Nothing is
assumed: each side is compared with what a model of it (a bytearray) says that it must hold.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import replicant
from replicant import ReplicationState, ReplicationType

MIB = 1 << 20
SIZE = 64 * MIB

Model = dict[str, bytearray]  # what each volume must hold, by its name


def main() -> None:
    if len(sys.argv) > 1:
        tell(Path(sys.argv[1].removeprefix("dir://")).absolute())
        return
    with tempfile.TemporaryDirectory(prefix="replicant-") as directory:
        tell(Path(directory, "root"))


def tell(root: Path) -> None:
    root.mkdir(exist_ok=True)
    uri = f"dir://{root}"
    pool, lost = root / "main", root.with_name(f"{root.name}-main.lost")
    held: Model = {"orders": bytearray(SIZE), "logs": bytearray(SIZE)}

    with replicant.connect(uri) as conn:
        shipped = mirror(conn, held)

    pool.rename(lost)
    say("the pool main is lost")
    try:
        alone = bytes(held["logs"])  # written in main, and never shipped
        held["logs"][:] = shipped
        with replicant.connect(uri) as conn:
            fail_over(conn, held)
    finally:
        lost.rename(pool)
    say("the pool main is found again")

    with replicant.connect(uri) as conn:
        come_back(conn, held, alone)
        clean_up(conn)


def mirror(conn: replicant.Connection, held: Model) -> bytes:
    """Mirrors both volumes, and goes on writing. Returns what of the logs was shipped."""
    conn.create_pool("main")
    conn.create_pool("dr")
    for name in held:
        write(conn.create_volume(name, SIZE, pool="main"), held, 8 * MIB, 24 * MIB)

    # Without an interval a write is acknowledged when both sides have it. With interval=30 the
    # changes would be shipped twice a minute; with 0 they are when sync() asks.
    orders = conn.volume("orders").mirror("orders", pool="dr").wait_in_sync()
    logs = conn.volume("logs").mirror("logs", pool="dr", interval=0).wait_in_sync()

    write(orders.source(), held, 0, MIB)
    write(logs.source(), held, 0, 3 * MIB)
    logs.sync().wait()
    shipped = bytes(held["logs"])
    tell_lag(orders, logs)

    write(orders.source(), held, 40 * MIB, 2 * MIB)
    write(logs.source(), held, 40 * MIB, 2 * MIB)
    tell_lag(orders, logs)
    return shipped


def fail_over(conn: replicant.Connection, held: Model) -> None:
    """Makes the targets writable, as each is at its last complete instant."""
    for name in held:
        (each,) = conn.volume(name).replications()
        try:
            each.promote()  # a planned one needs both sides
        except replicant.NotFound as error:
            say(f"{name}: promote: {error}")
        each.promote(force=True).wait()
        target = each.refresh().target()
        same(target, held, "after the failover")
        write(target, held, 5 * MIB, MIB)
        same(target, held, "worked on")


def come_back(conn: replicant.Connection, held: Model, alone: bytes) -> None:
    """Both pools are there, and differ: main's volumes become the targets, then main leads again."""
    for name in held:
        (split,) = conn.volume(name, pool="dr").replications()
        expect(split.state is ReplicationState.SPLIT, f"{name} is {split.state.name}")
        split.reverse().wait()
        now = split.wait_in_sync()
        same(now.target(), held, "come back")
        # The delta, and of a synchronous mirror the 4 MiB regions that were just being written.
        say(f"{name}: {amount(now.last_sync_bytes)} of {amount(SIZE)} had to be sent")
        expect(0 < now.last_sync_bytes < SIZE // 4, "that was no delta")

        # Nothing is lost by it: what only main had is a clone now.
        if now.type is ReplicationType.MIRROR_ASYNC:
            expect(now.diverged_volume_id is not None, "what main had alone was not kept")
            kept = conn.volume(str(now.diverged_volume_id))
            same(kept, {kept.name: bytearray(alone)}, "what was never shipped is kept")

        # A planned promotion ships the rest and exchanges the roles: main leads again.
        now.promote().wait()
        home = now.wait_in_sync()
        expect(home.source().pool().name == "main", f"{name} is not led by main")
        write(home.source(), held, 30 * MIB, MIB)
        if home.type is ReplicationType.MIRROR_ASYNC:
            home.sync().wait()
        for side in home.source(), home.target():
            same(side, held, f"in {side.pool().name}, at the end")


def clean_up(conn: replicant.Connection) -> None:
    for each in conn.replications():
        each.break_()
    for volume in sorted(conn.volumes(), key=lambda volume: volume.parent_id is None):
        volume.delete()  # clones first: they stand on their sources
    for name in "main", "dr":
        conn.pool(name).delete()


def write(volume: replicant.Volume, held: Model, offset: int, count: int) -> None:
    """Writes bytes that were never written before, to the volume and to its model."""
    data = os.urandom(count)
    with volume.open() as io:
        io.pwrite(data, offset)
        io.flush()
    held[volume.name][offset : offset + count] = data


def same(volume: replicant.Volume, held: Model, when: str) -> None:
    with volume.open(read_only=True) as io:
        expect(io.pread(io.size, 0) == held[volume.name], f"{volume.name} differs, {when}")
    say(f"{volume.name}: {when}: all {amount(SIZE)} as they must be")


def tell_lag(*mirrors: replicant.Replication) -> None:
    for each in mirrors:
        now = each.refresh()
        synced = f"{now.last_sync:%H:%M:%S}" if now.last_sync else "never"
        say(
            f"{now.source().name}: {now.state.name}, {amount(now.lag_bytes)} behind; "
            f"last sync {synced}, {amount(now.last_sync_bytes)} in {now.last_sync_duration_ms} ms"
        )


def amount(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


def expect(true: bool, what: str) -> None:
    if not true:
        sys.exit(f"NOT SO: {what}")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
