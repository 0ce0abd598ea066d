# SPDX-License-Identifier: LGPL-2.1-or-later
"""Closing and opening again finds everything as it was left."""

from __future__ import annotations

import replicant
from conftest import MIB, content, pattern, write


def test_volumes_and_clones(uri):
    with replicant.connect(uri) as conn:
        source = conn.create_volume("source", MIB)
        write(source, pattern(MIB))
        clone = source.clone("clone")
        write(clone, b"mine", 512)
    with replicant.connect(uri) as conn:
        assert {v.name for v in conn.volumes()} == {"source", "clone"}
        assert content(conn.volume("source")) == pattern(MIB)
        expected = bytearray(pattern(MIB))
        expected[512:516] = b"mine"
        assert content(conn.volume("clone")) == bytes(expected)
        assert conn.volume("clone").parent_id == source.id


def test_a_volume_that_is_younger_than_its_clones_layers(uri):
    """Layers are made ahead, so a volume may be younger than what its clone is made of."""
    with replicant.connect(uri) as conn:
        conn.create_volume("a", 4096).copy("b").wait(timeout=60)
        conn.create_volume("c", 4096).clone("d")
    with replicant.connect(uri) as conn:
        assert {v.name for v in conn.volumes()} == {"a", "b", "c", "d"}


def test_many_times(uri):
    """Each life adds a clone of the last and writes to it."""
    expected = bytearray(MIB)
    with replicant.connect(uri) as conn:
        conn.create_volume("0", MIB)
    for life in range(1, 9):
        with replicant.connect(uri) as conn:
            clone = conn.volume(str(life - 1)).clone(str(life))
            write(clone, bytes([life]) * 5000, life * 4096 + 100)
            expected[life * 4096 + 100 : life * 4096 + 5100] = bytes([life]) * 5000
            assert content(clone) == bytes(expected)
    with replicant.connect(uri) as conn:
        assert content(conn.volume("8")) == bytes(expected)
        assert content(conn.volume("0")) == bytes(MIB)


def test_pools_in_directories_of_their_own(uri, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with replicant.connect(uri) as conn:
        volume = conn.create_pool("slow", elsewhere).create_volume("v", MIB)
        write(volume, pattern(MIB))
    with replicant.connect(uri) as conn:
        assert {p.name for p in conn.pools()} == {"default", "slow"}
        assert content(conn.volume("v", pool="slow")) == pattern(MIB)
