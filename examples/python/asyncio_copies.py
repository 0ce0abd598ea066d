#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several copies at once, awaited on asyncio's own loop: no thread, no polling.

asyncio_copies.py [URI or directory]     without one: a temporary directory
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time

import replicant

MIB = 1 << 20
SIZE = 64 * MIB
COPIES = 4


async def main() -> None:
    where = sys.argv[1] if len(sys.argv) > 1 else None
    if where is None:
        with tempfile.TemporaryDirectory(prefix="replicant-") as directory:
            await copies(f"dir://{directory}")
    else:
        await copies(where if "://" in where else f"dir://{os.path.abspath(where)}")


async def copies(uri: str) -> None:
    with replicant.connect(uri) as conn:
        source = conn.create_volume("source", SIZE)
        with source.open() as io:
            for offset in range(0, SIZE, MIB):
                io.pwrite(os.urandom(MIB), offset)

        begin = time.perf_counter()
        jobs = [source.copy(f"copy-{i}") for i in range(COPIES)]
        shown = asyncio.create_task(show(conn))
        made = await asyncio.gather(*jobs)
        seconds = time.perf_counter() - begin
        shown.cancel()

        print(f"{len(made)} copies of {SIZE // MIB} MiB in {seconds:.2f} s,", end=" ")
        print(f"with {threading.active_count()} thread")
        for volume in made:
            print(f"  {volume.name}: {'equal' if equal(source, volume) else 'DIFFERENT'}")
            volume.delete()
        source.delete()


async def show(conn: replicant.Connection) -> None:
    """Everything that happens meanwhile, as it happens."""
    async for event in conn.events():
        if event.kind is replicant.EventKind.JOB_STATE and event.new_state is not None:
            print(f"  job {str(event.object_id)[:8]}… is {event.new_state.name}")


def equal(one: replicant.Volume, other: replicant.Volume) -> bool:
    with one.open(read_only=True) as a, other.open(read_only=True) as b:
        return all(a.pread(MIB, at) == b.pread(MIB, at) for at in range(0, SIZE, MIB))


if __name__ == "__main__":
    asyncio.run(main())
