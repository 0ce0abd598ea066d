# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replications: the standing relation between a mirror's source and its target."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from . import _creplicant as _c
from .errors import NotFound, StateError, Timeout
from .events import SLICE, watching
from .types import ErrorCode, ReplicationState, ReplicationType, error_code, moment

if TYPE_CHECKING:
    from .client import Connection
    from .job import Job
    from .volume import Volume

_FORCE: int = _c.LSM_REPLICATION_FORCE
_DISCARD: int = _c.LSM_REPLICATION_DISCARD


@dataclass(frozen=True, slots=True)
class Replication:
    """A mirror's relation, as it was when it was asked for; refresh() asks again.

    The header replication.h has the table of what each verb answers in each state.
    """

    id: str
    type: ReplicationType
    state: ReplicationState
    source_volume_id: str
    target_volume_id: str
    group_id: str | None
    generation: str | None
    """The last instant that both sides have."""
    lag_bytes: int
    """What was written to the source since then."""
    lag_ms: int
    """The age of the oldest of those writes."""
    last_sync_ms: int
    last_sync_bytes: int
    last_sync_duration_ms: int
    interval_ms: int
    job_id: str | None
    """The job that works for it at the moment."""
    diverged_volume_id: str | None
    """The clone that kept what the last reverse or resume has rewound."""
    error_code: int
    error_message: str | None
    _conn: Connection = field(repr=False, compare=False)

    @classmethod
    def _of(cls, conn: Connection, record: object) -> Self:
        return cls(
            _c.lsm_replication_id_get(record),
            ReplicationType(_c.lsm_replication_type_get(record)),
            ReplicationState(_c.lsm_replication_state_get(record)),
            _c.lsm_replication_source_volume_id_get(record),
            _c.lsm_replication_target_volume_id_get(record),
            _c.lsm_replication_group_id_get(record),
            _c.lsm_replication_generation_get(record),
            _c.lsm_replication_lag_bytes_get(record),
            _c.lsm_replication_lag_ms_get(record),
            _c.lsm_replication_last_sync_ms_get(record),
            _c.lsm_replication_last_sync_bytes_get(record),
            _c.lsm_replication_last_sync_duration_ms_get(record),
            _c.lsm_replication_interval_ms_get(record),
            _c.lsm_replication_job_id_get(record),
            _c.lsm_replication_diverged_volume_id_get(record),
            error_code(_c.lsm_replication_error_number_get(record)),
            _c.lsm_replication_error_message_get(record),
            conn,
        )

    @property
    def lag(self) -> float:
        """Seconds by which the target is behind."""
        return self.lag_ms / 1000

    @property
    def interval(self) -> float:
        """Seconds between the instants; 0: only when asked, or MIRROR_SYNC."""
        return self.interval_ms / 1000

    @property
    def last_sync(self) -> datetime | None:
        return moment(self.last_sync_ms)

    def refresh(self) -> Replication:
        """The replication as it is now; NotFound once it has ended."""
        return self._conn.replication(self.id)

    def source(self) -> Volume:
        """The volume that is written to."""
        return self._conn._volume_by_id(self.source_volume_id)

    def target(self) -> Volume:
        """The volume that follows; NotFound until it was in sync for the first time."""
        return self._conn._volume_by_id(self.target_volume_id)

    def job(self) -> Job[object] | None:
        """The job that works for it at the moment."""
        return None if self.job_id is None else self._conn.job(self.job_id)

    # --- Waiting

    def wait_in_sync(self, timeout: float | None = None) -> Replication:
        """Waits until both sides are in sync, and returns that record. Raises Timeout; JobFailed or
        JobCancelled where the first copy came to nothing; StateError where it cannot come."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._conn.events() as events:
            while (now := self._look()) is None:
                left = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
                if left <= 0:
                    raise Timeout(
                        f"replication {self.id} is not in sync within {timeout} s",
                        code=ErrorCode.TIMEOUT,
                        object=self.id,
                        retryable=True,
                    )
                events.drain(left)
        return now

    async def in_sync(self) -> Replication:
        """The same for asyncio."""
        with watching(self._conn, self.id) as change:
            while (now := self._look()) is None:
                await change.wait()
                change.clear()
        return now

    def _look(self) -> Replication | None:
        """The replication if it is in sync, None if it may yet come to that."""
        try:
            now = self.refresh()
        except NotFound:
            if self.job_id is not None:
                self._conn.job(self.job_id)._result()
            raise
        if now.state is ReplicationState.IN_SYNC:
            return now
        if now.state in (ReplicationState.BROKEN, ReplicationState.SPLIT, ReplicationState.PAUSED):
            raise StateError(
                f"replication {self.id} is {now.state.name}",
                code=ErrorCode.STATE,
                object=self.id,
                hint=now.error_message,
            )
        return None

    # --- Verbs

    def sync(self) -> Job[None]:
        """Brings the target up to date: when the job is done it has all that was acknowledged
        before this call. Raises NoStateChange where there is nothing to bring."""
        return self._conn._job_of(_c.lsm_replication_sync(self._conn._handle, self.id, 0), [])

    def pause(self) -> None:
        """Stops sending to the target, until it is resumed."""
        _c.lsm_replication_pause(self._conn._handle, self.id, 0)

    def resume(self, *, discard: bool = False, force: bool = False) -> None:
        """Goes on after a pause, or goes back to the original direction after a split.

        discard  does not keep what is rewound (else a clone does)
        force    copies everything again where it is BROKEN, since no common instant is left: it
                 is INITIALIZING then, and what the target had is kept like what is rewound
        """
        flags = (_DISCARD if discard else 0) | (_FORCE if force else 0)
        _c.lsm_replication_resume(self._conn._handle, self.id, flags)

    def set_interval(self, seconds: float) -> None:
        """How often MIRROR_ASYNC brings a new instant; 0: only when sync() asks."""
        ms = round(seconds * 1000)
        _c.lsm_replication_interval_set(self._conn._handle, self.id, ms, 0)

    def promote(self, *, force: bool = False) -> Job[None]:
        """Makes the target writable: a planned switchover that loses nothing, or with `force` a
        failover, after which the two sides are split."""
        flags = _FORCE if force else 0
        job_id = _c.lsm_replication_promote(self._conn._handle, self.id, flags)
        return self._conn._job_of(job_id, [])

    def reverse(self, *, discard: bool = False) -> Job[None]:
        """Fails back after a split: the old source becomes the target, rewound to the common
        instant. What it had alone is kept as a clone, unless `discard`."""
        flags = _DISCARD if discard else 0
        job_id = _c.lsm_replication_reverse(self._conn._handle, self.id, flags)
        return self._conn._job_of(job_id, [])

    def break_(self) -> None:
        """Ends the relation. Both volumes stay, writable and independent."""
        _c.lsm_replication_break(self._conn._handle, self.id, 0)
