# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model of one mirror's life: written on either side, paused, failed over and back, grown, broken
and made anew, over reopenings; both sides, and every clone that was kept, compared byte for byte.

The variables of test_model.py say how much is tried and replay a seed.
"""

from __future__ import annotations

import random
import shutil
import tempfile

import pytest
import replicant
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from replicant import Capability, ReplicationState, ReplicationType
from test_model import CLUSTER, EXAMPLES, SEED, STEPS, differs

SIZE = 64 * CLUSTER

places = st.integers(0, SIZE - 1)
lengths = st.one_of(st.integers(1, 3 * CLUSTER), st.sampled_from([512, CLUSTER, SIZE]))


def in_state(*states: ReplicationState):
    return precondition(lambda self: self.state in states)


IN_SYNC, PAUSED, SPLIT = ReplicationState.IN_SYNC, ReplicationState.PAUSED, ReplicationState.SPLIT
NONE = ReplicationState.UNKNOWN  # there is no relation


class Mirror(RuleBasedStateMachine):
    """`source` and `target` are ids; `held` is what each volume of the root must hold. Of a
    synchronous mirror in sync both sides are the same bytes; of an asynchronous one the target has
    what it had when it was last brought up to date."""

    @initialize(
        kind=st.sampled_from([ReplicationType.MIRROR_SYNC, ReplicationType.MIRROR_ASYNC]),
        value=st.integers(0, 255),
    )
    def begin(self, kind: ReplicationType, value: int) -> None:
        self.directory = tempfile.mkdtemp(prefix="replicant-model-")
        self.conn = replicant.connect(f"dir://{self.directory}")
        self.conn.create_pool("other")
        self.kind = kind
        self.number = 0
        volume = self.conn.create_volume("source", SIZE)
        self.source = volume.id
        self.target = ""
        self.held = {volume.id: bytearray(SIZE)}
        self.state = NONE
        self.put(volume.id, 0, random.Random(value).randbytes(SIZE // 2))
        self.mirror()

    def teardown(self) -> None:
        if hasattr(self, "conn"):
            self.conn.close()
            shutil.rmtree(self.directory)

    def relation(self) -> replicant.Replication:
        (relation,) = self.conn.replications()
        return relation

    @property
    def synchronous(self) -> bool:
        return self.kind is ReplicationType.MIRROR_SYNC

    def put(self, volume: str, place: int, data: bytes, verb: str = "pwrite") -> None:
        data = data[: len(self.held[volume]) - place]
        with self.conn.volume(volume).open() as io:
            if verb == "pwrite":
                io.pwrite(data, place)
            else:
                getattr(io, verb)(len(data), place)
        for each in self.writes_reach(volume):
            self.held[each][place : place + len(data)] = data

    def writes_reach(self, volume: str) -> list[str]:
        both = self.state is IN_SYNC and self.synchronous and volume == self.source
        return [volume, self.target] if both else [volume]

    def even(self) -> None:
        """The target has what the source has."""
        self.held[self.target] = bytearray(self.held[self.source])
        self.state = IN_SYNC

    # --- verbs

    @rule(place=places, length=lengths, value=st.integers(0, 255), on_target=st.booleans())
    def write(self, place: int, length: int, value: int, on_target: bool) -> None:
        data = random.Random(value).randbytes(length)
        if on_target and self.state in (IN_SYNC, PAUSED):
            with pytest.raises(replicant.ReadOnly):
                self.conn.volume(self.target).open()
            return
        self.put(self.target if on_target and self.target else self.source, place, data)

    @rule(place=places, length=lengths, verb=st.sampled_from(["write_zeroes", "discard"]))
    def clear(self, place: int, length: int, verb: str) -> None:
        self.put(self.source, place, bytes(length), verb)

    @rule(of_target=st.booleans())
    def clone(self, of_target: bool) -> None:
        """A clone of either side is its instant, and stays that."""
        volume = self.target if of_target and self.target else self.source
        self.number += 1
        clone = self.conn.volume(volume).clone(f"clone {self.number}")
        self.held[clone.id] = bytearray(self.held[volume])

    @in_state(NONE)
    @rule()
    def mirror(self) -> None:
        self.number += 1
        volume = self.conn.volume(self.source)
        pool = "other" if volume.pool().name == "default" else "default"
        interval = None if self.synchronous else 0
        relation = volume.mirror(f"mirror {self.number}", pool, interval=interval)
        self.target = relation.wait_in_sync(timeout=120).target_volume_id
        self.even()

    @in_state(IN_SYNC)
    @rule()
    def pause(self) -> None:
        self.relation().pause()
        self.state = PAUSED

    @in_state(PAUSED)
    @rule()
    def resume(self) -> None:
        self.relation().resume()
        self.relation().wait_in_sync(timeout=120)
        self.even()

    @in_state(IN_SYNC)
    @rule()
    def sync(self) -> None:
        equal = self.held[self.source] == self.held[self.target]
        try:
            self.relation().sync().wait(timeout=120)
        except replicant.NoStateChange:
            assert equal
        else:
            assert not self.synchronous
        self.even()

    @in_state(IN_SYNC)
    @rule()
    def switch_over(self) -> None:
        self.relation().promote().wait(timeout=120)
        self.even()
        self.source, self.target = self.target, self.source
        self.relation().wait_in_sync(timeout=120)

    @in_state(IN_SYNC, PAUSED)
    @rule()
    def fail_over(self) -> None:
        self.relation().promote(force=True).wait(timeout=120)
        self.state = SPLIT
        self.split = bytearray(self.held[self.target])

    @in_state(SPLIT)
    @rule(discard=st.booleans())
    def fail_back(self, discard: bool) -> None:
        """The old source becomes the target."""
        self.relation().reverse(discard=discard).wait(timeout=120)
        self.rewound(self.source, discard)
        self.source, self.target = self.target, self.source
        self.relation().wait_in_sync(timeout=120)
        self.even()

    @in_state(SPLIT)
    @rule(discard=st.booleans())
    def go_back(self, discard: bool) -> None:
        """The original direction: what the target's users wrote is rewound."""
        self.relation().resume(discard=discard)
        self.relation().wait_in_sync(timeout=120)
        self.rewound(self.target, discard)
        self.even()

    def rewound(self, volume: str, discard: bool) -> None:
        """What a side had alone is kept as a clone, unless it is to be discarded."""
        kept = self.relation().diverged_volume_id
        known = set(self.held)
        if discard:
            assert kept is None or kept in known
        elif self.held[volume] != self.split:
            assert kept is not None and kept not in known
        if kept is not None and kept not in known:
            self.held[kept] = bytearray(self.held[volume])

    @in_state(IN_SYNC, PAUSED, SPLIT)
    @rule()
    def break_(self) -> None:
        self.relation().break_()
        self.state = NONE
        self.target = ""

    @rule()
    def reopen(self) -> None:
        self.conn.close()
        self.conn = replicant.connect(f"dir://{self.directory}")

    # --- the world

    @invariant()
    def both_sides_hold_what_they_must(self) -> None:
        if not hasattr(self, "conn"):
            return
        assert {v.id for v in self.conn.volumes()} == set(self.held)
        relations = self.conn.replications()
        assert [r.state for r in relations] == ([] if self.state is NONE else [self.state])
        for relation in relations:
            ends = (relation.source_volume_id, relation.target_volume_id)
            assert ends == (self.source, self.target)
        for volume, held in self.held.items():
            record = self.conn.volume(volume)
            assert record.size == len(held)
            with record.open(read_only=True) as io:
                data = io.pread(len(held), 0)
            assert data == held, f"{record.name} differs at byte {differs(data, held)}"


def test_model_of_mirrors(conn, capsys: pytest.CaptureFixture[str]) -> None:
    can = conn.capabilities()
    if (
        not {
            Capability.VOLUME_REPLICATE_MIRROR_SYNC,
            Capability.VOLUME_REPLICATE_MIRROR_ASYNC,
        }
        <= can
    ):
        pytest.skip("this backend has no mirrors yet")
    with capsys.disabled():
        print(f"\nmodel of mirrors: seed {SEED} (REPLICANT_MODEL_SEED={SEED} replays it)")
    run_state_machine_as_test(
        seed(SEED)(Mirror),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
