# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools: several in a root, in directories of their own."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
import replicant
from conftest import MIB, content, pattern, refused, write
from replicant import ErrorCode


def test_default_pool_is_made(conn):
    (pool,) = conn.pools()
    assert pool.name == "default"
    assert pool.status is replicant.PoolStatus.OK
    assert 0 < pool.free_space <= pool.total_space
    assert replicant.PoolElementType.VOLUME in pool.element_type
    assert pool.system_id == conn.systems()[0].id


def test_pool_by_name_and_id(conn):
    pool = conn.pool("default")
    assert conn.pool(pool.id).id == pool.id
    assert pool.refresh().id == pool.id
    refused(ErrorCode.NOT_FOUND_POOL, conn.pool, "nosuch")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 65, "ü", "a\n", "..", "."])
def test_pool_name_not_allowed_is_101(conn, name):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_pool, name)


def test_pool_name_conflict_is_50(conn):
    conn.create_pool("fast")
    refused(ErrorCode.NAME_CONFLICT, conn.create_pool, "fast")


def test_pool_in_a_directory_of_its_own(conn, tmp_path, root):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pool = conn.create_pool("slow", elsewhere)
    pool.create_volume("v", MIB)
    assert (root / "slow").is_symlink()
    assert any(elsewhere.iterdir())


def test_pool_directory_not_empty_is_refused(conn, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("somebody's")
    with pytest.raises(replicant.Error):
        conn.create_pool("slow", elsewhere)
    assert (elsewhere / "file").read_text() == "somebody's"
    assert [pool.name for pool in conn.pools()] == ["default"]


def test_pool_with_volumes_is_161(conn):
    pool = conn.create_pool("fast")
    volume = pool.create_volume("v", MIB)
    error = refused(ErrorCode.HAS_CHILD_DEPENDENCY, pool.delete)
    assert isinstance(error, replicant.HasDependents)
    volume.delete()
    pool.delete()
    refused(ErrorCode.NOT_FOUND_POOL, pool.delete)
    assert [pool.name for pool in conn.pools()] == ["default"]


def test_pool_limit_is_350(conn):
    pool = conn.create_pool("small", limit=8 * MIB)
    assert pool.total_space == 8 * MIB
    error = refused(
        ErrorCode.NOT_ENOUGH_SPACE,
        conn.create_volume,
        "big",
        64 * MIB,
        pool=pool,
        provision=replicant.Provision.FULL,
    )
    assert isinstance(error, replicant.NoSpace)
    assert pool.volumes() == []


def test_search_pools(conn):
    pool = conn.create_pool("fast")
    assert [p.name for p in conn.pools("id", pool)] == ["fast"]
    assert {p.name for p in conn.pools("system_id", pool.system_id)} == {"default", "fast"}
    assert conn.pools("id", "nosuch") == []
    refused(ErrorCode.UNSUPPORTED_SEARCH_KEY, conn.pools, "colour", "red")
    refused(ErrorCode.INVALID_ARGUMENT, conn.pools, "id")


def test_volume_goes_to_the_pool_that_was_meant(conn):
    conn.create_pool("fast")
    assert conn.create_volume("a", 4096).pool().name == "default"
    assert conn.create_volume("b", 4096, pool="fast").pool().name == "fast"
    assert conn.create_volume("c", 4096, pool=conn.pool("fast")).pool().name == "fast"
    assert conn.create_volume("d", 4096, pool=conn.pool("fast").id).pool().name == "fast"
    refused(ErrorCode.NOT_FOUND_POOL, conn.create_volume, "e", 4096, pool="nosuch")


def test_same_name_in_two_pools(conn):
    conn.create_pool("fast")
    here = conn.create_volume("db", 4096)
    there = conn.create_volume("db", 4096, pool="fast")
    assert conn.volume("db", pool="fast").id == there.id
    assert conn.volume("db", pool=here.pool()).id == here.id
    assert isinstance(refused(ErrorCode.INVALID_ARGUMENT, conn.volume, "db").hint, str)


def test_copy_into_another_pool(conn, volume, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    conn.create_pool("slow", elsewhere)
    copy = volume.copy("source", pool="slow").wait(timeout=60)
    assert copy.pool().name == "slow"
    assert content(copy) == pattern(MIB)
    write(copy, b"x" * 4096)
    assert content(volume) == pattern(MIB)


def test_copy_into_another_file_system(conn, volume, root):
    """Where memory is a file system, a pool may live there."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == root.stat().st_dev:
        pytest.skip("no second file system to write to")
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        conn.create_pool("memory", elsewhere)
        copy = volume.copy("c", pool="memory").wait(timeout=60)
        assert content(copy) == pattern(MIB)
        clone = copy.clone("d")
        write(clone, b"mine", MIB - 4)
        back = clone.copy("back", pool="default").wait(timeout=60)
        assert content(back) == pattern(MIB)[:-4] + b"mine"
        clone.delete()
        copy.delete()
        conn.pool("memory").delete()
    assert content(back) == pattern(MIB)[:-4] + b"mine"


def test_clone_into_another_pool_is_153(conn, volume):
    conn.create_pool("fast")
    error = refused(ErrorCode.NO_SUPPORT, volume.clone, "c", pool="fast")
    assert isinstance(error, replicant.NotSupported)
    assert "COPY" in (error.hint or "")


ROWS = {
    "a job": "INSERT INTO job SELECT 'rubbish', 1, 1, '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,"
    " NULL, NULL, NULL, NULL",
    "a relation": "INSERT INTO replication VALUES ('rubbish', 0, '', '', '', 99, 1, 0, '', 0, 0, 0,"
    " 0, 0, 0, 0, NULL, NULL, NULL)",
    "a volume": "UPDATE volume SET top = 999",
    "a layer": "UPDATE layer SET below = row",
    "a hold": "INSERT INTO hold VALUES ('x', 'y', 999)",
    "no pool": "DELETE FROM pool",
}


@pytest.mark.parametrize("row", ROWS)
def test_pool_with_a_row_that_makes_no_sense_is_shut(root, row):
    """The catalog can be read, and is not believed: that pool alone is of no use."""
    with replicant.connect(f"dir://{root}") as conn:
        write(conn.create_volume("v", MIB), pattern(MIB))
        conn.create_pool("other").create_volume("w", MIB)
    with sqlite3.connect(root / "other" / "pool.db") as database:
        database.execute(ROWS[row])
    database.close()
    before = {path: path.read_bytes() for path in (root / "other" / "layers").iterdir()}
    with replicant.connect(f"dir://{root}") as conn:
        volume, other = conn.volume("v", pool="default"), conn.pool("other")
        assert content(volume) == pattern(MIB)
        assert content(volume.copy("c").wait(timeout=60)) == pattern(MIB)
        assert other.status is replicant.PoolStatus.ERROR
        assert "other" in other.status_info
        assert conn.systems()[0].status is replicant.SystemStatus.DEGRADED
        error = refused(ErrorCode.DAMAGED, other.create_volume, "x", MIB)
        assert str(root / "other") in error.message
        refused(ErrorCode.DAMAGED, other.delete)
        refused(ErrorCode.DAMAGED, volume.copy, "d", pool="other")
    assert {path: path.read_bytes() for path in (root / "other" / "layers").iterdir()} == before


def test_check(conn, volume):
    conn.create_volume("idle", MIB)
    volume.clone("clone")
    job = conn.pool("default").check()
    assert job.wait(timeout=60) is None
    job = job.refresh()
    assert job.kind is replicant.JobKind.CHECK
    assert job.percent == 100 and job.bytes_done == job.bytes_total >= MIB
    assert content(volume) == pattern(MIB)


def test_check_finds_a_layer_file_missing(conn, volume):
    Path(volume.refresh().base_path).unlink()
    with pytest.raises(replicant.JobFailed) as failed:
        conn.pool("default").check().wait(timeout=60)
    assert isinstance(failed.value.__cause__, replicant.Damaged)
    assert "1 damaged file(s)" in str(failed.value)
    assert volume.base_path in str(failed.value) and "«source»" in str(failed.value)


def test_check_finds_a_catalog_damaged(root):
    """A page that nothing names any more, such as a lost write leaves it."""
    with replicant.connect(f"dir://{root}") as conn:
        conn.create_volume("v", MIB)
    with sqlite3.connect(root / "default" / "pool.db") as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("DELETE FROM sqlite_schema WHERE name = 'layer_below'")
    database.close()
    with replicant.connect(f"dir://{root}") as conn:
        job = conn.pool("default").check()
        with pytest.raises(replicant.JobFailed, match="the catalog .*/default/pool.db is damaged"):
            job.wait(timeout=60)


def test_check_of_a_pool_that_is_gone_is_203(conn):
    pool = conn.create_pool("gone")
    pool.delete()
    refused(ErrorCode.NOT_FOUND_POOL, pool.check)
