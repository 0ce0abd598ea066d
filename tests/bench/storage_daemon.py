# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-storage-daemon with a file that it mirrors to another: the peer of a synchronous mirror.

It has no calls that write a block by themselves, so its writers come over NBD (qemu-img bench), to
the mirrored file and to one that is not, of one daemon: what NBD costs is in both.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

BLOCK = 4096
APART = 1031 * BLOCK  # a prime of blocks from one write to the next: all of them come


class StorageDaemon:
    def __init__(self, program: str, directory: Path) -> None:
        self.nbd, monitor = directory / "nbd.socket", directory / "qmp.socket"
        words = [program, "--chardev", f"socket,path={monitor},server=on,wait=off,id=qmp"]
        words += ["--monitor", "chardev=qmp"]
        words += ["--nbd-server", f"addr.type=unix,addr.path={self.nbd}"]
        self.process = subprocess.Popen(words)
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(str(monitor)) != 0:
            if self.process.poll() is not None:
                raise SystemExit("qemu-storage-daemon does not start")
            time.sleep(0.01)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events: list[str] = []
        self.lines.readline()  # its greeting
        self.call("qmp_capabilities")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.lines.close()
        self.socket.close()

    def _next(self) -> dict[str, Any]:
        line = self.lines.readline()
        if not line:
            raise SystemExit("qemu-storage-daemon has gone")
        answer: dict[str, Any] = json.loads(line)
        if "event" in answer:
            self.events.append(answer["event"])
        return answer

    def call(self, command: str, **arguments: object) -> None:
        text = json.dumps({"execute": command, "arguments": arguments})
        self.socket.sendall(text.encode() + b"\n")
        while "return" not in (answer := self._next()):
            if "error" in answer:
                raise SystemExit(f"qemu-storage-daemon, {command}: {answer['error']['desc']}")

    def open(self, name: str, path: Path, *, direct: bool) -> None:
        file = {"driver": "file", "filename": str(path), "aio": "native" if direct else "threads"}
        file["cache"] = {"direct": direct}  # type: ignore[assignment]
        self.call("blockdev-add", driver="raw", file=file, **{"node-name": name})

    def export(self, name: str) -> None:
        where = {"type": "nbd", "id": f"of-{name}", "name": name, "node-name": name}
        self.call("block-export-add", writable=True, **where)

    def mirror(self, source: str, target: str) -> None:
        """Until the two are equal; from then on each write is on both when it is done."""
        how = {"job-id": "mirror", "device": source, "sync": "full", "copy-mode": "write-blocking"}
        self.call("blockdev-mirror", target=target, **how)
        while "BLOCK_JOB_READY" not in self.events:
            self._next()

    def write(self, name: str, depth: int, count: int) -> float:
        """Nanoseconds a write."""
        words = ["qemu-img", "bench", "-w", "-f", "raw", "-s", str(BLOCK), "-S", str(APART)]
        words += ["-d", str(depth), "-c", str(count), f"nbd+unix:///{name}?socket={self.nbd}"]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        found = re.search(r"completed in ([0-9.]+) seconds", done.stdout)
        if not found:
            raise SystemExit(f"qemu-img bench says: {done.stdout}")
        return float(found[1]) * 1e9 / count
