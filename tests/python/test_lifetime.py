# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who outlives whom: closing in every order, while others work, in a child, and never."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
import weakref

import pytest
import replicant
from conftest import MIB, content, pattern, refused, write
from replicant import ErrorCode
from replicant import _creplicant as c


def test_close_releases_the_root_whatever_is_referenced(uri):
    with replicant.connect(uri) as conn:
        kept = [conn.create_volume("v", MIB), conn.pools(), conn.systems(), conn.jobs()]
    with replicant.connect(uri) as again:
        assert again.volume("v") == kept[0]


def test_everything_after_close_is_refused(uri):
    conn = replicant.connect(uri)
    volume = conn.create_volume("v", MIB)
    volume.set_tag("k", "v")
    volume = volume.refresh()
    pool = conn.pools()[0]
    job = volume.copy("c")
    job.wait(timeout=60)
    progress = job.progress()
    conn.close()
    conn.close()
    assert conn.closed
    calls = [
        conn.systems,
        conn.pools,
        conn.volumes,
        conn.jobs,
        conn.replications,
        conn.events,
        conn.capabilities,
        lambda: conn.info,
        lambda: conn.timeout,
        lambda: conn.create_volume("w", MIB),
        lambda: conn.create_pool("w"),
        lambda: conn.volume("v"),
        lambda: next(iter(progress)),
        pool.delete,
        pool.volumes,
        volume.open,
        volume.delete,
        volume.refresh,
        volume.has_dependents,
        lambda: volume.clone("w"),
        lambda: volume.copy("w"),
        lambda: volume.resize(7),
        lambda: volume.rename("w"),
        lambda: volume.set_tag("k", "v"),
        job.wait,
        job.refresh,
        job.cancel,
        job.volumes,
    ]
    for call in calls:
        assert isinstance(refused(ErrorCode.INVALID_ARGUMENT, call), ValueError)
    # Records are facts, and stay.
    assert (volume.name, volume.size, volume.tag("k")) == ("v", MIB, "v")


def test_dropped_handles_close_themselves(uri, volume, conn):
    io = volume.open()
    refused(ErrorCode.IS_MASKED, volume.delete)
    del io
    gc.collect()
    volume.delete()
    other = replicant.connect(uri)
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
    conn.close()
    replicant.connect(uri).close()


@pytest.mark.parametrize("order", range(6))
def test_dropped_in_any_order(uri, order):
    """A connection, a volume, an I/O handle, a queue and a job, let go of in several orders."""
    conn = replicant.connect(uri)
    volume = conn.create_volume("v", MIB)
    things = {
        "conn": conn,
        "volume": volume,
        "io": volume.open(),
        "events": conn.events(),
        "job": volume.copy("c"),
    }
    del conn, volume
    names = list(things)
    names = names[order % 5 :] + names[: order % 5]
    if order == 5:
        names.reverse()
    for name in names:
        del things[name]
        gc.collect()
    with replicant.connect(uri) as again:
        again.volume("v")


def test_cycles_are_collected(uri):
    class Node:
        pass

    node = Node()
    node.conn = replicant.connect(uri)
    node.io = node.conn.create_volume("v", MIB).open()
    node.self = node
    gone = weakref.ref(node.conn)
    del node
    gc.collect()
    assert gone() is None
    with replicant.connect(uri) as again:
        again.volume("v").delete()


def until_refused(work, wrong: list[Exception]) -> threading.Thread:
    """A thread that works until it is refused; anything else that it meets is wrong."""

    def run() -> None:
        try:
            while True:
                work()
        except replicant.InvalidArgument:
            pass
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    return threading.Thread(target=run)


def test_close_while_others_call(uri):
    """Threads work on a connection that one of them closes: each call does its work or is
    refused."""
    for _ in range(15):
        conn = replicant.connect(uri)
        wrong: list[Exception] = []

        def work(conn: replicant.Connection = conn) -> None:
            conn.volumes()
            conn.pools()
            conn.events().close()

        threads = [until_refused(work, wrong) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.01)
        conn.close()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert wrong == []


def test_close_io_while_others_read(volume):
    for _ in range(20):
        io = volume.open()
        wrong: list[Exception] = []

        def work(io: replicant.VolumeIO = io) -> None:
            buffer = bytearray(MIB)
            io.pread_into(buffer, 0)
            assert buffer == pattern(MIB)

        threads = [until_refused(work, wrong) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.01)
        io.close()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert wrong == []


def test_close_ends_a_wait(uri):
    conn = replicant.connect(uri)
    volume = conn.create_volume("v", MIB)
    write(volume, pattern(MIB))
    job = volume.copy("c", rate_limit=MIB // 64)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            job.wait()
        except replicant.Error as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    begin = time.monotonic()
    conn.close()
    thread.join(10)
    assert time.monotonic() - begin < 2
    assert [type(e) for e in errors] == [replicant.InvalidArgument]
    with replicant.connect(uri) as again:
        again.job(job.id).cancel()


def test_close_from_several_threads(uri):
    conn = replicant.connect(uri)
    threads = [threading.Thread(target=conn.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    replicant.connect(uri).close()


def in_child(work) -> str:
    """What `work` says in a child process."""
    read, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = work() or "nothing"
        except BaseException as error:  # noqa: BLE001
            said = f"{type(error).__name__}: {error}"
        os.write(write_end, said.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, said
    return said


def test_fork_is_refused(conn, volume):
    io = volume.open()
    events = conn.events()
    for call in (
        conn.volumes,
        volume.delete,
        lambda: io.pread(1, 0),
        lambda: io.pwrite(b"x", 0),
        events.next_nowait,
        conn.close,
        io.close,
    ):
        said = in_child(call)
        assert said.startswith("InvalidArgument"), said
        assert "process" in said, said
    assert io.pread(MIB, 0) == pattern(MIB)
    assert [v.name for v in conn.volumes()] == ["source"]


def test_fork_child_drops_everything(conn, volume):
    """The collector of a child lets go of what it inherited; the parent keeps it."""
    things = [volume.open(), conn.events(), conn.volumes()]

    def drop() -> str:
        things.clear()
        gc.collect()
        return "dropped"

    assert in_child(drop) == "dropped"
    assert things[0].pread(MIB, 0) == pattern(MIB)


def test_fork_while_threads_call(conn, volume):
    """A child closes what was in use when it was made: it does not wait for threads it lacks."""
    stop = threading.Event()
    io = volume.open()

    def work() -> None:
        while not stop.is_set():
            io.pread(MIB, 0)
            conn.volumes()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(io.close).startswith("InvalidArgument")
            assert in_child(conn.close).startswith("InvalidArgument")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert content(volume) == pattern(MIB)


def test_fork_child_has_its_own_root(conn, volume, tmp_path):
    def work() -> str:
        (tmp_path / "child").mkdir()
        with replicant.connect(f"dir://{tmp_path}/child") as mine:
            made = mine.create_volume("v", MIB)
            write(made, b"child")
            return content(made)[:5].decode()

    assert in_child(work) == "child"


def test_wrong_kinds_of_handle(conn, volume):
    """The generated module refuses what is none of its own, without reading it."""
    io = volume.open()
    for call in (
        lambda: c.lsm_volume_list(None, None, None),
        lambda: c.lsm_volume_list(volume._record, None, None),
        lambda: c.lsm_volume_list(io._handle, None, None),
        lambda: c.lsm_volume_list(object(), None, None),
        lambda: c.lsm_volume_io_pread(conn._handle, bytearray(1), 0, 0),
        lambda: c.lsm_volume_io_close(conn._handle, 0),
        lambda: c.lsm_volume_id_get(conn._handle),
        lambda: c.lsm_volume_id_get(None),
        lambda: c.lsm_volume_delete(conn._handle, conn._handle),
        lambda: c.lsm_volume_delete(conn._handle, None),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert conn.volumes()


MALLINFO2 = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks"),
    *("fordblks", "keepcost"),
)


def allocated() -> int:
    """Bytes that malloc has handed out in this process, to the byte; 0 where another malloc is in
    its place (a sanitizer's, which looks for itself)."""

    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in MALLINFO2]

    gc.collect()
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        return 0
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo2
    info = mallinfo2()
    return info.uordblks + info.hblkhd


def test_nothing_leaks(conn, volume):
    """Rounds of everything, failures included, leave neither memory nor descriptors behind."""
    io = volume.open()

    def round_() -> None:
        conn.volumes()
        conn.volumes("id", volume)
        conn.pools()
        conn.jobs()
        conn.systems()
        conn.capabilities()
        io.pread(100_000, 0)
        io.extents()
        volume.refresh().tag("k")
        conn.events().close()
        for call in (
            lambda: conn.volume("nosuch"),
            lambda: conn.create_volume("", MIB),
            lambda: conn.create_volume("\udcff", MIB),
            lambda: io.pread(1, MIB),
            lambda: volume.clone("source"),
        ):
            with pytest.raises(replicant.Error):
                call()

    for _ in range(50):
        round_()
    descriptors = len(os.listdir("/proc/self/fd"))
    before = allocated()
    for _ in range(300):
        round_()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert allocated() - before < 300 * 16  # not one small thing a round


def test_clones_and_handles_leak_no_descriptors(conn, volume):
    def round_(i: int) -> None:
        clone = volume.clone(f"c{i}")
        with clone.open() as io:
            io.pwrite(b"x", 0)
        clone.delete()

    round_(-1)
    descriptors = len(os.listdir("/proc/self/fd"))
    for i in range(60):
        round_(i)
    # The pool keeps some spare layers, made in the background: fewer than one a round.
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 20
