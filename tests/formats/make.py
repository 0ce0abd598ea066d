# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a root with a bit of everything in it, for tests/python/test_formats.py to open.

Run it with the library whose format is to be kept, once, before a newer one changes it:

    PYTHONPATH=build/python python3 tests/formats/make.py tests/formats/1.tar.gz
"""

import sys
import tarfile
import tempfile

import replicant

KIB = 1024
SIZE = 256 * KIB


def pattern(size: int, seed: int) -> bytes:
    """No two sectors of it alike, and none of zeros."""
    return b"".join(bytes([(seed * 37 + i * 11) % 251 + 1]) * 512 for i in range(size // 512))


def write(volume: replicant.Volume, seed: int, offset: int, size: int = 64 * KIB) -> None:
    with volume.open() as io:
        io.pwrite(pattern(size, seed), offset)
        io.flush()


def make(root: str) -> None:
    with replicant.connect(f"dir://{root}") as conn:
        second = conn.create_pool("second")

        base = conn.create_volume("base", size=SIZE)
        base.set_tag("owner", "tests")
        write(base, 1, 0, 128 * KIB)
        clone = base.clone("clone")
        write(clone, 2, 96 * KIB)
        deep = clone.clone("deep")
        with deep.open() as io:
            io.write_zeroes(32 * KIB, 0)
            io.flush()
        base.copy("copy", key="the key of copy").wait()
        job = base.copy("later", rate_limit=1)
        job.pause()

        for name in ("synchronous", "asynchronous", "split"):
            source = conn.create_volume(name, size=SIZE)
            write(source, 3, 0)
            interval = 0 if name == "asynchronous" else None
            mirror = source.mirror(name, second, interval=interval).wait_in_sync()
            write(source, 4, 64 * KIB)  # what the asynchronous target does not have
            if name == "split":
                mirror.promote(force=True)
                write(source, 5, 128 * KIB)
                write(mirror.target(), 6, 192 * KIB)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(scratch)
        with tarfile.open(sys.argv[1], "w:gz", format=tarfile.GNU_FORMAT) as archive:
            for name in ("default", "second", "system"):
                archive.add(f"{scratch}/{name}", name)
