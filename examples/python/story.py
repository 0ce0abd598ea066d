#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The story of a volume: made, filled, cloned, copied while it is written, and compared.

    story.py [URI or directory]     without one: a temporary directory, removed at the end

The root must be empty, or have no volume of these names. Everything that is printed was measured.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time

import replicant

MIB = 1 << 20
SIZE = 256 * MIB
CHUNK = 4 * MIB


def main() -> int:
    where = sys.argv[1] if len(sys.argv) > 1 else None
    if where is None:
        with tempfile.TemporaryDirectory(prefix="replicant-") as directory:
            return tell(f"dir://{directory}")
    if "://" not in where:
        where = f"dir://{os.path.abspath(where)}"
    return tell(where)


def tell(uri: str) -> int:
    with replicant.connect(uri) as conn:
        pool = conn.pools()[0]
        say(f"connected to {uri}: replicant {replicant.__version__}")
        say(f"pool {pool.name!r} has {amount(pool.free_space)} free")

        volume, digest = fill(conn)
        clone = make_clone(volume, digest)
        copy = make_copy(volume, digest)
        change_both(volume, clone, digest)

        same("the copy still holds the instant of its call", digest_of(copy), digest)
        for each in (copy, clone, volume):
            each.delete()
        say("all three deleted")
    return 0


def fill(conn: replicant.Connection) -> tuple[replicant.Volume, str]:
    """A volume with data that does not compress, but for a hole in the middle."""
    volume = conn.create_volume("db", SIZE)
    begin = time.perf_counter()
    with volume.open() as io:
        for offset in range(0, SIZE, CHUNK):
            if not SIZE // 4 <= offset < SIZE // 2:
                io.pwrite(os.urandom(CHUNK), offset)
        io.flush()
        data = sum(e.length for e in io.extents() if e.kind is replicant.ExtentKind.DATA)
    seconds = time.perf_counter() - begin
    say(
        f"volume {volume.name!r}: {amount(SIZE)}, {amount(data)} of it data, written in {seconds:.2f} s"
    )
    return volume, digest_of(volume)


def make_clone(volume: replicant.Volume, digest: str) -> replicant.Volume:
    begin = time.perf_counter()
    clone = volume.clone("db-snap")
    ms = (time.perf_counter() - begin) * 1000
    say(
        f"clone {clone.name!r}: made in {ms:.1f} ms, has {amount(clone.exclusive_bytes)} of its own"
    )
    same("the clone holds the same bytes", digest_of(clone), digest)
    return clone


def make_copy(volume: replicant.Volume, digest: str) -> replicant.Volume:
    """Copies a volume that somebody goes on writing to."""
    stop = threading.Event()
    writes = 0

    def write() -> None:
        nonlocal writes
        with volume.open() as io:
            while not stop.is_set():
                io.pwrite(os.urandom(64 * 1024), writes * 7919 * 4096 % (SIZE - CHUNK))
                writes += 1

    begin = time.perf_counter()
    job = volume.copy("db-copy", key="story")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for p in job.progress():
            say(
                f"copy: {p.state.name.lower():8} {p.percent:3} %, {amount(p.bytes_copied)} copied, "
                f"{amount(p.bytes_skipped)} skipped, {amount(p.bytes_per_second)}/s"
            )
        copy = job.wait(timeout=600)
    finally:
        stop.set()
        thread.join()
    seconds = time.perf_counter() - begin
    say(f"copy {copy.name!r}: done in {seconds:.2f} s, while {writes} writes went to its source")
    same("the copy holds the instant of its call", digest_of(copy), digest)
    if writes:
        different("the source has moved on", digest_of(volume), digest)
    again = volume.copy("db-copy", key="story").wait()
    same("asked again with the same key: the same volume", again.id, copy.id)
    return copy


def change_both(volume: replicant.Volume, clone: replicant.Volume, digest: str) -> None:
    same("the clone never saw those writes", digest_of(clone), digest)
    before = digest_of(volume)
    with clone.open() as io:
        io.pwrite(b"written to the clone", SIZE // 3)
        io.discard(CHUNK, 0)
    different("the clone was written to", digest_of(clone), digest)
    same("its source never saw that", digest_of(volume), before)
    try:
        volume.delete()
    except replicant.HasDependents as error:
        say(f"deleting the source while the clone depends on it: {error}")


def digest_of(volume: replicant.Volume) -> str:
    """All bytes of a volume, read one by one into the same buffer."""
    digest = hashlib.blake2b(digest_size=16)
    buffer = bytearray(CHUNK)
    with volume.open(read_only=True) as io:
        for offset in range(0, io.size, CHUNK):
            io.pread_into(buffer, offset)
            digest.update(buffer)
    return digest.hexdigest()


def amount(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def same(what: str, one: str, other: str) -> None:
    say(f"{what}: {one[:16]}…")
    if one != other:
        sys.exit(f"NOT SO: {one} is not {other}")


def different(what: str, one: str, other: str) -> None:
    say(f"{what}: {one[:16]}…")
    if one == other:
        sys.exit("NOT SO: nothing has changed")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
