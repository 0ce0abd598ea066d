# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clones and copies: whose bytes are whose."""

from __future__ import annotations

import threading

import pytest
import replicant
from conftest import KIB, MIB, content, pattern, refused, write
from replicant import Capability, ErrorCode, ReplicationType, VerifyMode


@pytest.mark.parametrize("kind", [ReplicationType.UNKNOWN, 0, 1, 6, 99])
def test_replicate_unknown_type(conn, volume, kind):
    refused(ErrorCode.INVALID_ARGUMENT, volume.replicate, kind, "r")
    assert [v.name for v in conn.volumes()] == ["source"]


def test_replicate_name_conflict(conn, volume):
    for call in (volume.clone, volume.copy):
        refused(ErrorCode.NAME_CONFLICT, call, "source")
        refused(ErrorCode.INVALID_ARGUMENT, call, "")
        refused(ErrorCode.INVALID_ARGUMENT, call, "x" * 256)
        refused(ErrorCode.INVALID_ARGUMENT, call, "a\nb")
    assert len(conn.volumes()) == 1


def test_replicate_pool_unknown_is_203(conn, volume):
    pool = conn.create_pool("gone")
    pool.delete()
    refused(ErrorCode.NOT_FOUND_POOL, volume.copy, "c", pool=pool)
    refused(ErrorCode.NOT_FOUND_POOL, volume.clone, "c", pool="gone")


def test_replicate_gives_a_job_either_way(volume):
    clone = volume.replicate(ReplicationType.CLONE, "c")
    assert clone.state is replicant.JobState.DONE and clone.ended
    assert clone.wait().name == "c"
    assert [v.name for v in clone.volumes()] == ["c"]
    assert [p.percent for p in clone.progress()] == [100]
    copy = volume.replicate(ReplicationType.COPY, "d")
    assert copy.wait(timeout=60).name == "d"


def test_clone_isolation(volume):
    """What either writes, the other never sees."""
    clone = volume.clone("c")
    assert content(clone) == pattern(MIB)
    mine, theirs = bytearray(pattern(MIB)), bytearray(pattern(MIB))
    with volume.open() as source, clone.open() as other:
        for i, offset in enumerate(range(0, MIB, 100003)):
            source.pwrite(pattern(700, 1000 + i), offset)
            mine[offset : offset + 700] = pattern(700, 1000 + i)[: MIB - offset]
            other.pwrite(pattern(900, 2000 + i), offset + 300)
            theirs[offset + 300 : offset + 1200] = pattern(900, 2000 + i)
            assert source.pread(2000, offset) == mine[offset : offset + 2000]
            assert other.pread(2000, offset) == theirs[offset : offset + 2000]
    assert content(volume) == bytes(mine)
    assert content(clone) == bytes(theirs)


def test_clone_record(volume):
    clone = volume.clone("c")
    assert clone.parent_id == volume.id
    parent = clone.parent()
    assert parent is not None and parent.id == volume.id
    assert clone.size == volume.size
    assert clone.provision is replicant.Provision.THIN
    assert clone.depth >= 2
    assert clone.exclusive_bytes < 64 * KIB
    assert volume.has_dependents()
    assert not clone.has_dependents()


def test_clone_while_it_is_written(volume):
    """A clone is one instant: of a counter that is written to two places in this order, the second
    is never ahead."""
    stop = threading.Event()
    count = 0

    def writer() -> None:
        nonlocal count
        with volume.open() as io:
            while not stop.is_set():
                count += 1
                io.pwrite(count.to_bytes(8, "little"), 0)
                io.pwrite(count.to_bytes(8, "little"), MIB - 8)

    with volume.open() as io:
        io.pwrite(bytes(8), 0)
        io.pwrite(bytes(8), MIB - 8)
    thread = threading.Thread(target=writer)
    thread.start()
    try:
        clones = []
        for i in range(10):
            before = count
            clones.append((before, volume.clone(f"c{i}")))
    finally:
        stop.set()
        thread.join()
    for before, clone in clones:
        data = content(clone)
        first, second = (int.from_bytes(d, "little") for d in (data[:8], data[-8:]))
        assert first - second in (0, 1)
        assert second >= before - 1
        assert data[8:-8] == pattern(MIB)[8:-8]


def test_clones_of_clones(volume):
    """A chain and a bush; each has its own bytes."""
    chain = [volume]
    for i in range(8):
        chain.append(chain[-1].clone(f"chain{i}"))
        write(chain[-1], bytes([i + 1]) * 4096, i * 4096)
    bush = [chain[4].clone(f"bush{i}") for i in range(4)]
    for i, clone in enumerate(bush):
        write(clone, bytes([100 + i]) * 512, MIB - 512)
    for depth, clone in enumerate(chain):
        expected = bytearray(pattern(MIB))
        for i in range(depth):
            expected[i * 4096 : (i + 1) * 4096] = bytes([i + 1]) * 4096
        assert content(clone) == bytes(expected)
        if depth == 4:
            for i, other in enumerate(bush):
                own = expected[:-512] + bytes([100 + i]) * 512
                assert content(other) == bytes(own)


def test_many_clones_are_deleted_in_any_order(conn, volume):
    clones = [volume.clone(f"c{i}") for i in range(12)]
    for i in (5, 0, 11, 3):
        clones[i].delete()
    for i, clone in enumerate(clones):
        if i not in (5, 0, 11, 3):
            write(clone, bytes([i]) * 100, i)
    for i, clone in enumerate(clones):
        if i not in (5, 0, 11, 3):
            expected = bytearray(pattern(MIB))
            expected[i : i + 100] = bytes([i]) * 100
            assert content(clone) == bytes(expected)
            clone.delete()
    volume.delete()
    assert conn.volumes() == []


def needs(conn, capability):
    if capability not in conn.capabilities():
        pytest.skip(f"this backend has no {capability.name} yet")


def test_detach_dependents(conn, volume):
    needs(conn, Capability.VOLUME_CHILD_DEPENDENCY_RM)
    clones = [volume.clone(f"c{i}") for i in range(3)]
    write(clones[1], b"mine", 9)
    assert volume.detach_dependents().wait(timeout=60) is None
    assert not volume.has_dependents()
    assert all(clone.refresh().parent_id is None for clone in clones)
    volume.delete()
    expected = bytearray(pattern(MIB))
    assert content(clones[0]) == bytes(expected)
    expected[9:13] = b"mine"
    assert content(clones[1]) == bytes(expected)


def test_detach_the_grandparent_first(conn, volume):
    """A clone's clone may share nothing with its parent any more, and is still made whole."""
    needs(conn, Capability.VOLUME_CHILD_DEPENDENCY_RM)
    child = volume.clone("child")
    grandchild = child.clone("grandchild")
    write(grandchild, b"mine", 9)
    volume.detach_dependents().wait(timeout=60)
    if child.has_dependents():
        child.detach_dependents().wait(timeout=60)
    for each in (volume, child):
        assert not each.has_dependents()
        each.delete()
    expected = bytearray(pattern(MIB))
    expected[9:13] = b"mine"
    assert content(grandchild) == bytes(expected)


def test_detach_nothing_is_125(conn, volume):
    needs(conn, Capability.VOLUME_CHILD_DEPENDENCY_RM)
    refused(ErrorCode.NO_STATE_CHANGE, volume.detach_dependents)


def test_copy_is_independent(conn, volume):
    copy = volume.copy("c").wait(timeout=60)
    assert content(copy) == pattern(MIB)
    assert copy.parent_id is None
    assert not volume.has_dependents()
    write(volume, b"x" * 5000)
    assert content(copy) == pattern(MIB)
    volume.delete()
    assert content(copy) == pattern(MIB)


def test_copy_verified(volume):
    copy = volume.copy("c", verify=VerifyMode.READ_BACK).wait(timeout=60)
    assert content(copy) == pattern(MIB)


def test_copy_of_a_clone(volume):
    clone = volume.clone("c")
    write(clone, b"mine", MIB - 4)
    copy = clone.copy("d").wait(timeout=60)
    assert copy.depth == 1
    assert content(copy) == pattern(MIB)[:-4] + b"mine"


def test_copy_skips_holes(conn):
    """They are not read, but a copy's space is its own."""
    volume = conn.create_volume("v", 64 * MIB)
    write(volume, pattern(MIB), 32 * MIB)
    job = volume.copy("c")
    copy = job.wait(timeout=60)
    done = job.refresh()
    assert done.bytes_total >= done.bytes_done
    assert done.bytes_done == done.bytes_copied + done.bytes_skipped
    assert done.bytes_copied <= 4 * MIB
    assert copy.provision is replicant.Provision.FULL
    assert copy.allocated_bytes >= 64 * MIB
    data = content(copy)
    assert data[32 * MIB : 33 * MIB] == pattern(MIB)
    assert not any(data[: 32 * MIB]) and not any(data[33 * MIB :])


def test_copy_under_a_writer(conn):
    """A copy is the instant of its call, whatever is written meanwhile."""
    size = 16 * MIB
    volume = conn.create_volume("v", size)
    data = pattern(size)
    write(volume, data)
    stop = threading.Event()
    writes = 0

    def writer() -> None:
        nonlocal writes
        with volume.open() as io:
            while not stop.is_set():
                io.pwrite(bytes([writes % 251]) * 8192, writes * 7919 * 512 % (size - 8192))
                writes += 1

    job = volume.copy("c", rate_limit=64 * MIB)
    thread = threading.Thread(target=writer)
    thread.start()
    try:
        copy = job.wait(timeout=120)
    finally:
        stop.set()
        thread.join()
    assert writes > 0
    assert content(copy) == data
    assert content(volume) != data


def test_idempotency_key(conn, volume):
    first = volume.clone("c", key="once")
    assert volume.clone("c", key="once").id == first.id
    refused(ErrorCode.NAME_CONFLICT, volume.clone, "d", key="once")
    copy = volume.copy("e", key="nightly").wait(timeout=60)
    assert volume.copy("e", key="nightly").wait(timeout=60).id == copy.id
    assert len(conn.volumes()) == 3
    copy.delete()
    assert volume.copy("e", key="nightly").wait(timeout=60).id != copy.id


@pytest.mark.parametrize("key", ["", "x" * 129, "\udcff"])
def test_idempotency_key_not_allowed_is_101(volume, key):
    refused(ErrorCode.INVALID_ARGUMENT, volume.clone, "c", key=key)


def test_group_of_clones_or_153(conn, volume):
    other = conn.create_volume("other", MIB)
    pairs = [(volume, "s1"), (other, "o1")]
    try:
        made = conn.replicate_group(ReplicationType.CLONE, pairs).wait(timeout=60)
    except replicant.NotSupported:
        pytest.skip("this backend has no groups yet")
    assert [v.name for v in made] == ["s1", "o1"]
    assert content(made[0]) == pattern(MIB)


def test_group_of_copies(conn, volume):
    other = conn.create_volume("other", MIB)
    write(other, pattern(MIB, 7))
    pairs = [(other, "o1"), (volume, "s1")]
    job = conn.replicate_group(ReplicationType.COPY, pairs, key="nightly")
    write(volume, bytes(MIB))
    made = job.wait(timeout=60)
    assert [v.name for v in made] == ["o1", "s1"]
    assert [content(v) for v in made] == [pattern(MIB, 7), pattern(MIB)]
    again = conn.replicate_group(ReplicationType.COPY, pairs, key="nightly").wait(timeout=60)
    assert [v.id for v in again] == [v.id for v in made]
    refused(
        ErrorCode.NAME_CONFLICT,
        conn.replicate_group,
        ReplicationType.COPY,
        pairs[::-1],
        key="nightly",
    )


@pytest.mark.parametrize("kind", [ReplicationType.MIRROR_SYNC, ReplicationType.MIRROR_ASYNC])
def test_group_of_mirrors(conn, volume, kind):
    other = conn.create_volume("other", MIB)
    pairs = [(volume, "s1"), (other, "o1")]
    pool = conn.create_pool("there")
    interval = 0 if kind is ReplicationType.MIRROR_ASYNC else None
    job = conn.replicate_group(kind, pairs, pool=pool, interval=interval, key="both")
    made = job.wait(timeout=60)
    assert [v.name for v in made] == ["s1", "o1"]
    again = conn.replicate_group(kind, pairs, pool=pool, interval=interval, key="both").wait(60)
    assert [v.id for v in again] == [v.id for v in made]
    mirrors = conn.replications("group_id", conn.replications()[0].group_id)
    assert [m.type for m in mirrors] == [kind, kind]
    write(other, pattern(MIB, 7))
    if kind is ReplicationType.MIRROR_ASYNC:
        mirrors[0].sync().wait(timeout=60)
    assert [content(v) for v in made] == [pattern(MIB), pattern(MIB, 7)]
    mirrors[1].pause()
    assert {m.state for m in conn.replications()} == {replicant.ReplicationState.PAUSED}


def test_group_of_mirrors_fails_over_and_back(conn, volume):
    other = conn.create_volume("other", MIB)
    pool = conn.create_pool("there")
    pairs = [(volume, "s1"), (other, "o1")]
    made = conn.replicate_group(ReplicationType.MIRROR_SYNC, pairs, pool=pool).wait(60)
    mirrors = conn.replications()
    mirrors[1].promote(force=True)
    assert {m.state for m in conn.replications()} == {replicant.ReplicationState.SPLIT}
    for i, target in enumerate(made):
        write(target, pattern(MIB, 8 + i))
    mirrors[0].reverse(discard=True)
    for mirror in conn.replications():
        mirror.wait_in_sync(timeout=60)
    assert [content(v) for v in (volume, other)] == [pattern(MIB, 8), pattern(MIB, 9)]
    assert {m.source_volume_id for m in conn.replications()} == {v.id for v in made}


def test_group_arguments(conn, volume):
    for bad in ([(volume, None)], [("volume", "n")], [volume], 7):
        with pytest.raises((TypeError, AttributeError)):
            conn.replicate_group(ReplicationType.CLONE, bad)
    refused(ErrorCode.INVALID_ARGUMENT, conn.replicate_group, ReplicationType.CLONE, [])


def test_replicate_range(conn, volume):
    block = conn.range_block_size()
    target = conn.create_volume("target", MIB)
    ranges = [(0, 10, 4), (100, 0, 1)]
    for _ in range(2):
        assert volume.replicate_range(target, ranges).wait(timeout=60) is None
    expected = bytearray(MIB)
    expected[10 * block : 14 * block] = pattern(MIB)[: 4 * block]
    expected[:block] = pattern(MIB)[100 * block : 101 * block]
    assert content(target) == bytes(expected)


def test_replicate_range_within_one_volume(conn, volume):
    block = conn.range_block_size()
    volume.replicate_range(volume, [(0, 100, 50), (60, 160, 3)]).wait(timeout=60)
    expected = bytearray(pattern(MIB))
    expected[100 * block : 150 * block] = pattern(MIB)[: 50 * block]
    expected[160 * block : 163 * block] = pattern(MIB)[60 * block : 63 * block]
    assert content(volume) == bytes(expected)
    for ranges in ([(0, 10, 11)], [(0, 100, 10), (105, 200, 10)], [(0, 100, 10), (50, 105, 10)]):
        error = refused(ErrorCode.INVALID_ARGUMENT, volume.replicate_range, volume, ranges)
        assert error.object == volume.id and "range" in error.message
    assert content(volume) == bytes(expected)


def test_replicate_range_as_a_job(conn, volume):
    """Too many to be done within the call: what the source had then, whatever it has later."""
    target = conn.create_volume("target", MIB)
    ranges = [(3 * i, 3 * (399 - i) + 1, 2) for i in range(400)]
    job = volume.replicate_range(target, ranges)
    write(volume, bytes(MIB))
    assert job.kind is replicant.JobKind.RANGE
    assert job.wait(timeout=60) is None
    now = job.refresh()
    assert now.bytes_done == now.bytes_total == 400 * 2 * 512
    expected = bytearray(MIB)
    for here, there, count in ranges:
        expected[there * 512 : (there + count) * 512] = pattern(MIB)[
            here * 512 : (here + count) * 512
        ]
    assert content(target) == bytes(expected)


def test_replicate_range_to_what_may_not_be_written(conn, volume):
    target = conn.create_volume("target", MIB)
    if Capability.VOLUME_COPY_RANGE_CLONE not in conn.capabilities():
        clone = ReplicationType.CLONE
        error = refused(ErrorCode.NO_SUPPORT, volume.replicate_range, target, [(0, 0, 1)], clone)
        assert error.hint
    target.disable()
    error = refused(ErrorCode.READ_ONLY, volume.replicate_range, target, [(0, 0, 1)])
    assert isinstance(error, replicant.ReadOnly)
    mirror = volume.mirror("mirror").wait_in_sync(timeout=60)
    error = refused(ErrorCode.READ_ONLY, volume.replicate_range, mirror.target(), [(0, 0, 1)])
    assert mirror.id in error.message


def test_replicate_range_outside_is_101(conn, volume):
    target = conn.create_volume("target", MIB)
    blocks = MIB // conn.range_block_size()
    for ranges in ([], [(blocks, 0, 1)], [(0, blocks, 1)], [(0, 0, blocks + 1)], [(1 << 63, 0, 1)]):
        refused(ErrorCode.INVALID_ARGUMENT, volume.replicate_range, target, ranges)
    with pytest.raises(TypeError):
        volume.replicate_range(target, [("a", 0, 1)])
    assert content(target) == bytes(MIB)


@pytest.mark.parametrize("interval", [None, 30])
def test_mirror_or_153(conn, volume, interval):
    wanted = Capability.VOLUME_REPLICATE_MIRROR_SYNC
    if interval is not None:
        wanted = Capability.VOLUME_REPLICATE_MIRROR_ASYNC
    conn.create_pool("dr")
    if wanted not in conn.capabilities():
        error = refused(ErrorCode.NO_SUPPORT, volume.mirror, "source", "dr", interval=interval)
        assert isinstance(error, replicant.NotSupported)
        assert [v.pool().name for v in conn.volumes()] == ["default"]
        return
    mirror = volume.mirror("source", "dr", interval=interval).wait_in_sync(timeout=60)
    assert content(mirror.target()) == pattern(MIB)
    mirror.break_()
