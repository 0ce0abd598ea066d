# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes: names, sizes, and what is done to one. The case names are the contract's, in every
language."""

from __future__ import annotations

import pytest
import replicant
from conftest import KIB, MIB, content, pattern, refused, write
from replicant import Capability, ErrorCode


def test_name_empty(conn):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "", MIB)


def test_name_too_long(conn):
    assert conn.create_volume("x" * 255, MIB).name == "x" * 255
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "y" * 256, MIB)
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "ü" * 128, MIB)


def test_name_not_utf8(conn):
    error = refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "ab\udcff", MIB)
    assert "2" in error.message


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\n", "\x1f", "\x7f", "\x80", "\x85", "\x9f"])
def test_name_control(conn, bad):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, f"ab{bad}c", MIB)
    assert conn.volumes() == []


@pytest.mark.parametrize(
    "name", ["'", '"', "a/b", "..", "\\", "%s", " ", "Bücher", "数据", "\u00a0"]
)
def test_name_printable(conn, uri, name):
    volume = conn.create_volume(name, MIB)
    assert volume.name == name
    assert conn.volume(name).id == volume.id
    conn.close()
    with replicant.connect(uri) as again:
        assert [v.name for v in again.volumes()] == [name]


def test_name_conflict(conn):
    conn.create_volume("a", MIB)
    error = refused(ErrorCode.NAME_CONFLICT, conn.create_volume, "a", MIB)
    assert isinstance(error, replicant.NameConflict)
    assert len(conn.volumes()) == 1


def test_name_is_free_after_delete(conn):
    first = conn.create_volume("a", MIB)
    first.delete()
    second = conn.create_volume("a", MIB)
    assert second.id != first.id
    refused(ErrorCode.NOT_FOUND_VOLUME, first.delete)
    assert conn.volume("a").id == second.id


def test_name_none_and_other_types(conn):
    with pytest.raises((replicant.InvalidArgument, TypeError)):
        conn.create_volume(None, MIB)
    with pytest.raises(TypeError):
        conn.create_volume(7, MIB)
    with pytest.raises(TypeError):
        conn.create_volume("a", "1")


def test_size_zero(conn):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "a", 0)


@pytest.mark.parametrize("size", [-1, 1 << 64])
def test_size_out_of_range(conn, size):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "a", size)


def test_size_is_rounded_up(conn):
    volume = conn.create_volume("a", 4097)
    assert volume.size == 8192
    assert volume.block_size == 512
    assert volume.number_of_blocks == 16


def test_new_volume_reads_as_zeros(conn):
    assert content(conn.create_volume("a", 64 * KIB)) == bytes(64 * KIB)


def test_record_has_everything(conn, volume):
    assert volume.vpd83 == volume.id
    assert len(volume.id) == 32 and volume.id[0] == "6"
    assert volume.system_id == conn.systems()[0].id
    assert volume.pool_id == conn.pools()[0].id
    assert volume.enabled
    assert volume.provision in (replicant.Provision.THIN, replicant.Provision.FULL)
    assert volume.depth == 1
    assert volume.parent_id is None and volume.parent() is None
    assert volume.created is not None
    now = volume.refresh()
    assert now.allocated_bytes >= MIB
    assert now.exclusive_bytes >= MIB
    assert now == conn.volume("source")


def test_record_is_frozen(volume):
    with pytest.raises(AttributeError):
        volume.name = "other"
    assert volume in {volume}


def test_base_path_is_the_raw_image(conn, volume, root):
    with volume.open() as io:
        io.flush()
    path = volume.refresh().base_path
    assert path is not None
    assert path.startswith(str(root))
    with open(path, "rb") as image:
        assert image.read(MIB) == pattern(MIB)
    volume.clone("c")
    assert volume.refresh().base_path is None


def test_provision_thin_and_full(conn):
    thin = conn.create_volume("t", 8 * MIB, provision=replicant.Provision.THIN)
    full = conn.create_volume("f", 8 * MIB, provision=replicant.Provision.FULL)
    assert thin.provision is replicant.Provision.THIN
    assert full.provision is replicant.Provision.FULL
    assert thin.allocated_bytes < MIB
    assert full.allocated_bytes >= 8 * MIB
    assert content(full) == bytes(8 * MIB)


def test_provision_unknown_is_101(conn):
    refused(ErrorCode.INVALID_ARGUMENT, conn.create_volume, "a", MIB, provision=77)


def test_rename(conn, volume):
    other = conn.create_volume("other", MIB)
    renamed = volume.rename("new")
    assert (renamed.id, renamed.name) == (volume.id, "new")
    assert content(conn.volume("new")) == pattern(MIB)
    refused(ErrorCode.NAME_CONFLICT, other.rename, "new")
    refused(ErrorCode.NO_STATE_CHANGE, renamed.rename, "new")
    refused(ErrorCode.INVALID_ARGUMENT, renamed.rename, "")
    assert other.rename("source").name == "source"


def test_resize_grows_and_shrinks(conn, volume):
    grown = volume.resize(2 * MIB)
    assert grown.size == 2 * MIB
    assert content(grown) == pattern(MIB) + bytes(MIB)
    write(grown, b"tail", 2 * MIB - 4)
    shrunk = grown.resize(MIB // 2)
    assert content(shrunk) == pattern(MIB)[: MIB // 2]
    again = shrunk.resize(2 * MIB)
    assert content(again) == pattern(MIB)[: MIB // 2] + bytes(2 * MIB - MIB // 2)


def test_resize_same_size_is_125(volume):
    error = refused(ErrorCode.NO_STATE_CHANGE, volume.resize, MIB)
    assert isinstance(error, replicant.NoStateChange)
    refused(ErrorCode.NO_STATE_CHANGE, volume.resize, MIB - 1)


def test_resize_zero_is_101(volume):
    refused(ErrorCode.INVALID_ARGUMENT, volume.resize, 0)


def test_shrink_open_volume_is_160(volume):
    with volume.open() as io:
        error = refused(ErrorCode.IS_MASKED, volume.resize, MIB // 2)
        assert isinstance(error, replicant.InUse)
        volume.resize(2 * MIB)
        assert io.size == 2 * MIB
        io.pwrite(b"end", 2 * MIB - 3)
    volume.resize(MIB)


def test_delete_open_volume_is_160(conn, volume):
    with volume.open(read_only=True):
        refused(ErrorCode.IS_MASKED, volume.delete)
    volume.delete()
    assert conn.volumes() == []


def test_delete_source_of_clone_is_161(conn, volume):
    clone = volume.clone("c")
    error = refused(ErrorCode.HAS_CHILD_DEPENDENCY, volume.delete)
    assert isinstance(error, replicant.HasDependents)
    assert content(clone) == pattern(MIB)
    clone.delete()
    volume.delete()


def test_volume_deleted_is_205(conn, volume):
    other = conn.create_volume("other", MIB)
    volume.delete()
    calls = [
        volume.delete,
        volume.refresh,
        volume.open,
        volume.enable,
        volume.disable,
        volume.has_dependents,
        lambda: volume.resize(2 * MIB),
        lambda: volume.rename("n"),
        lambda: volume.set_tag("k", "v"),
        lambda: volume.clone("n"),
        lambda: volume.copy("n"),
        lambda: conn.volume("source"),
    ]
    can = conn.capabilities()
    if Capability.VOLUME_CHILD_DEPENDENCY_RM in can:
        calls.append(volume.detach_dependents)
    if Capability.VOLUME_COPY_RANGE in can:
        calls.append(lambda: volume.replicate_range(other, [(0, 0, 1)]))
        calls.append(lambda: other.replicate_range(volume, [(0, 0, 1)]))
    for call in calls:
        error = refused(ErrorCode.NOT_FOUND_VOLUME, call)
        assert isinstance(error, replicant.NotFound)


def test_enable_and_disable(volume):
    refused(ErrorCode.NO_STATE_CHANGE, volume.enable)
    volume.disable()
    refused(ErrorCode.NO_STATE_CHANGE, volume.disable)
    assert not volume.refresh().enabled
    error = refused(ErrorCode.READ_ONLY, volume.open)
    assert isinstance(error, replicant.ReadOnly)
    assert content(volume) == pattern(MIB)
    volume.enable()
    write(volume, b"again")


def test_tags(conn, uri, volume):
    assert volume.tag("owner") is None
    volume.set_tag("owner", "datenbank 'ü'")
    volume.set_tag("empty", "")
    assert volume.tag("owner") is None
    now = volume.refresh()
    assert now.tag("owner") == "datenbank 'ü'"
    assert now.tag("empty") == ""
    now.set_tag("owner", None)
    assert now.tag("owner") == "datenbank 'ü'"
    conn.close()
    with replicant.connect(uri) as again:
        kept = again.volume("source")
        assert kept.tag("owner") is None
        assert kept.tag("empty") == ""


def test_tag_limits(volume):
    refused(ErrorCode.INVALID_ARGUMENT, volume.set_tag, "", "v")
    refused(ErrorCode.INVALID_ARGUMENT, volume.set_tag, "k", "v" * 5000)
    for i in range(64):
        volume.set_tag(f"k{i}", "v")
    refused(ErrorCode.INVALID_ARGUMENT, volume.set_tag, "one more", "v")
    volume.set_tag("k0", "another")
    assert volume.refresh().tag("k0") == "another"


def test_search_volumes(conn, volume):
    clone = volume.clone("c")
    assert [v.id for v in conn.volumes("id", volume)] == [volume.id]
    assert [v.id for v in conn.volumes("name", "c")] == [clone.id]
    assert {v.id for v in conn.volumes("pool_id", conn.pools()[0])} == {volume.id, clone.id}
    assert {v.id for v in conn.volumes("system_id", volume.system_id)} == {volume.id, clone.id}
    assert [v.id for v in volume.clones()] == [clone.id]
    assert conn.volumes("name", "nosuch") == []


def test_search_key_unknown_is_510(conn):
    for search in (conn.volumes, conn.pools, conn.jobs):
        error = refused(ErrorCode.UNSUPPORTED_SEARCH_KEY, search, "colour", "red")
        assert isinstance(error, replicant.InvalidArgument)


def test_search_value_missing_is_101(conn):
    for search in (conn.volumes, conn.pools, conn.jobs):
        refused(ErrorCode.INVALID_ARGUMENT, search, "id")
