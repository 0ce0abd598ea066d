# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model: random sequences of verbs, each volume compared with a few lines of dictionary.

REPLICANT_MODEL_EXAMPLES (default 25) sequences of up to REPLICANT_MODEL_STEPS (40) verbs are tried;
REPLICANT_MODEL_SEED replays what the line «model: seed …» says, and without it each run has a new
one. hypothesis shrinks what fails to the shortest sequence that does.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile

import pytest
import replicant
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from replicant import Capability, JobState, Provision

EXAMPLES = int(os.environ.get("REPLICANT_MODEL_EXAMPLES", "25"))
STEPS = int(os.environ.get("REPLICANT_MODEL_STEPS", "40"))
SEED = int(os.environ.get("REPLICANT_MODEL_SEED") or random.SystemRandom().getrandbits(32))

KIB = 1 << 10
CLUSTER = 4 * KIB
LARGEST = 320 * KIB  # a few pages of a map, and quick to compare

sizes = st.integers(1, LARGEST)
# Edges of clusters and of the map's units, and their neighbours, are where the mistakes are.
places = st.one_of(
    st.integers(0, LARGEST),
    st.builds(
        lambda page, near: max(page * CLUSTER + near, 0),
        st.integers(0, LARGEST // CLUSTER),
        st.sampled_from([-513, -512, -1, 0, 1, 511, 512]),
    ),
)
lengths = st.one_of(
    st.integers(0, 3 * CLUSTER),
    st.sampled_from([0, 1, 511, 512, CLUSTER - 1, CLUSTER, CLUSTER + 1, 16 * CLUSTER]),
    st.just(LARGEST),
)
names = st.sampled_from([f"name {i}" for i in range(40)])
pools = st.sampled_from(["default", "other"])


def rounded(size: int) -> int:
    return -(-size // CLUSTER) * CLUSTER


class Model(RuleBasedStateMachine):
    """`held` is what each volume must hold, `names` and `pools` where it is called what, `parents`
    who depends on whom, `paused` the copies that stand still half-way."""

    volumes = Bundle("volumes")
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="replicant-model-")
        self.conn = replicant.connect(f"dir://{self.directory}")
        self.conn.create_pool("other")
        self.held: dict[str, bytearray] = {}
        self.names: dict[str, str] = {}
        self.pools: dict[str, str] = {}
        self.parents: dict[str, str] = {}
        self.paused: dict[str, tuple[str, str, str, bytearray]] = {}
        self.verbs = 0

    def teardown(self) -> None:
        self.conn.close()
        shutil.rmtree(self.directory)

    # --- making and unmaking

    def taken(self, pool: str, name: str, call) -> bool:
        """Whether a name is taken in a pool, by a volume or by a job's target; the verb must then
        be refused."""
        volumes = {(self.pools[i], self.names[i]) for i in self.names}
        targets = {(pool, name) for _, pool, name, _ in self.paused.values()}
        if (pool, name) not in volumes | targets:
            return False
        with pytest.raises(replicant.NameConflict):
            call()
        return True

    def keep(self, volume: replicant.Volume, held: bytearray, parent: str | None = None) -> str:
        assert volume.size == len(held)
        self.held[volume.id] = held
        self.names[volume.id] = volume.name
        self.pools[volume.id] = volume.pool().name
        if parent is not None:
            self.parents[volume.id] = parent
        return volume.id

    def has_dependents(self, volume: str) -> bool:
        sources = {source for source, *_ in self.paused.values()}
        return volume in self.parents.values() or volume in sources

    @rule(target=volumes, name=names, size=sizes, full=st.booleans(), pool=pools)
    def create(self, name: str, size: int, full: bool, pool: str):
        provision = Provision.FULL if full else Provision.THIN

        def call() -> replicant.Volume:
            return self.conn.create_volume(name, size, provision=provision, pool=pool)

        if self.taken(pool, name, call):
            return multiple()
        return self.keep(call(), bytearray(rounded(size)))

    @rule(target=volumes, source=volumes, name=names)
    def clone(self, source: str, name: str):
        volume = self.conn.volume(source)
        if self.taken(self.pools[source], name, lambda: volume.clone(name)):
            return multiple()
        return self.keep(volume.clone(name), bytearray(self.held[source]), source)

    @rule(target=volumes, source=volumes, name=names, place=places, pool=pools)
    def copy(self, source: str, name: str, place: int, pool: str):
        """A copy is the instant of the call: what is written right after it is not in it."""
        volume = self.conn.volume(source)
        if self.taken(pool, name, lambda: volume.copy(name, pool)):
            return multiple()
        instant = bytearray(self.held[source])
        job = volume.copy(name, pool)
        self.write(source, place, CLUSTER + 1, 255)
        return self.keep(job.wait(timeout=120), instant)

    @rule(target=jobs, source=volumes, name=names, pool=pools)
    def copy_and_pause(self, source: str, name: str, pool: str):
        """A copy that stands still half-way. There must be enough to copy, or it is done before it
        can be paused."""
        volume = self.conn.volume(source)
        if self.taken(pool, name, lambda: volume.copy(name, pool)):
            return multiple()
        if len(self.held[source]) < LARGEST:
            self.resize(source, LARGEST)
        self.write(source, 0, LARGEST, 1 + len(self.paused))
        instant = bytearray(self.held[source])
        job = volume.copy(name, pool, rate_limit=CLUSTER)
        job.pause()
        assert any(now.state is JobState.PAUSED for now in job.progress())
        self.paused[job.id] = (source, pool, name, instant)
        return job.id

    @rule(target=volumes, job_id=consumes(jobs))
    def finish(self, job_id: str):
        job = self.conn.job(job_id)
        assert job.state is JobState.PAUSED
        job.rate_limit(0)
        job.resume()
        *_, instant = self.paused.pop(job_id)
        return self.keep(job.wait(timeout=120), instant)

    @rule(job_id=consumes(jobs))
    def cancel(self, job_id: str) -> None:
        job = self.conn.job(job_id)
        job.cancel()
        with pytest.raises(replicant.JobCancelled):
            job.wait(timeout=120)
        del self.paused[job_id]

    @rule(gone=consumes(volumes))
    def delete(self, gone: str) -> None:
        """One that is refused stays, and is compared to the end, though no rule names it again."""
        volume = self.conn.volume(gone)
        assert volume.has_dependents() == self.has_dependents(gone)
        if self.has_dependents(gone):
            with pytest.raises(replicant.HasDependents):
                volume.delete()
            return
        volume.delete()
        del self.held[gone], self.names[gone], self.pools[gone]
        self.parents.pop(gone, None)

    @rule(volume=volumes)
    def detach(self, volume: str) -> None:
        record = self.conn.volume(volume)
        if Capability.VOLUME_CHILD_DEPENDENCY_RM not in self.conn.capabilities():
            return
        if not self.has_dependents(volume):
            with pytest.raises(replicant.NoStateChange):
                record.detach_dependents()
        elif volume in {source for source, *_ in self.paused.values()}:
            with pytest.raises(replicant.HasDependents):
                record.detach_dependents()
        else:
            record.detach_dependents().wait(timeout=120)
            self.parents = {i: p for i, p in self.parents.items() if p != volume}

    @rule(volume=volumes, name=names)
    def rename(self, volume: str, name: str) -> None:
        record = self.conn.volume(volume)
        if self.names[volume] == name:
            with pytest.raises(replicant.NoStateChange):
                record.rename(name)
        elif not self.taken(self.pools[volume], name, lambda: record.rename(name)):
            self.names[volume] = record.rename(name).name

    # --- bytes

    @rule(volume=volumes, place=places, length=lengths, value=st.integers(0, 255))
    def write(self, volume: str, place: int, length: int, value: int) -> None:
        data = random.Random(value).randbytes(length) if value else bytes(length)
        self.change(volume, place, data, lambda io, offset, data: io.pwrite(data, offset))

    @rule(volume=volumes, place=places, length=lengths)
    def write_zeroes(self, volume: str, place: int, length: int) -> None:
        self.change(
            volume,
            place,
            bytes(length),
            lambda io, offset, data: io.write_zeroes(len(data), offset),
        )

    @rule(volume=volumes, place=places, length=lengths)
    def discard(self, volume: str, place: int, length: int) -> None:
        self.change(
            volume, place, bytes(length), lambda io, offset, data: io.discard(len(data), offset)
        )

    def change(self, volume: str, place: int, data: bytes, verb) -> None:
        held = self.held[volume]
        data = data[: max(len(held) - place, 0)]
        offset = min(place, len(held))
        with self.conn.volume(volume).open() as io:
            verb(io, offset, data)
            held[offset : offset + len(data)] = data
            assert io.pread(len(data), offset) == data
            with pytest.raises(replicant.InvalidArgument):
                io.pwrite(b"past the end", len(held) - 1)

    @rule(volume=volumes, size=sizes)
    def resize(self, volume: str, size: int) -> None:
        held = self.held[volume]
        record = self.conn.volume(volume)
        if rounded(size) == len(held):
            with pytest.raises(replicant.NoStateChange):
                record.resize(size)
            return
        resized = record.resize(size)
        assert resized.size == rounded(size)
        del held[resized.size :]
        held.extend(bytes(resized.size - len(held)))

    # --- the world

    @rule()
    def reopen(self) -> None:
        self.conn.close()
        self.conn = replicant.connect(f"dir://{self.directory}")

    @invariant()
    def every_volume_holds_what_it_must(self) -> None:
        self.verbs += 1
        assert {v.id: v.name for v in self.conn.volumes()} == self.names
        for record in self.conn.volumes():
            held = self.held[record.id]
            assert record.size == len(held)
            with record.open(read_only=True) as io:
                data = io.pread(len(held), 0)
                assert data == held, f"{record.name} differs at byte {differs(data, held)}"
                at = 0
                for extent in io.extents():
                    assert extent.offset == at
                    at += extent.length
                    if extent.kind is replicant.ExtentKind.ZERO:
                        assert held.count(0, extent.offset, at) == extent.length
                assert at == len(held)
            parent = self.parents.get(record.id)
            assert record.parent_id == parent
            assert record.has_dependents() == self.has_dependents(record.id)
        ended = (JobState.DONE, JobState.CANCELLED)
        assert {j.id for j in self.conn.jobs() if j.state not in ended} == set(self.paused)


def differs(one: bytes, other: bytes) -> int:
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)


def test_model(capsys: pytest.CaptureFixture[str]) -> None:

    verbs = 0

    class Counted(Model):
        def teardown(self) -> None:
            nonlocal verbs
            verbs += self.verbs
            super().teardown()

    with capsys.disabled():
        print(f"\nmodel: seed {SEED} (REPLICANT_MODEL_SEED={SEED} replays it)")
    run_state_machine_as_test(
        seed(SEED)(Counted),
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
    with capsys.disabled():
        print(f"model: {verbs} verbs, every volume compared after each")
