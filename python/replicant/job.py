# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs: work that takes time.

A job belongs to the root, not to whoever started it: it goes on when its program ends, and can be
found again by its id. wait(), `await` and progress() only look on; cancel() ends it.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from . import _creplicant as _c
from .errors import JobCancelled, JobFailed, NotFound, Timeout, error_of
from .events import SLICE, watching
from .types import ErrorCode, JobKind, JobState, error_code, moment

if TYPE_CHECKING:
    from .client import Connection
    from .volume import Volume

T_co = TypeVar("T_co", covariant=True)

_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
_MAKERS = (JobKind.COPY, JobKind.MIRROR_INITIAL)
_NOT_KNOWN = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Job(Generic[T_co]):
    """A job, as it was when it was asked for; refresh() asks again.

    What wait() returns is what the job makes: a Volume, a list of them for a group, else None. Work
    that was done at once comes as a Job that is DONE and has no id.
    """

    id: str
    key: str | None
    kind: JobKind
    state: JobState
    percent: int
    """Never goes back; 100 only when the job is DONE."""
    bytes_total: int
    bytes_done: int
    """Copied and skipped, as far as it has been made durable."""
    bytes_copied: int
    bytes_skipped: int
    """What did not need to be copied: holes, zeros, equal data."""
    bytes_per_second: int
    eta: float | None
    """Seconds; None where that is not known."""
    source_volume_id: str | None
    target_volume_id: str | None
    error_code: int
    error_message: str | None
    created_ms: int
    started_ms: int
    finished_ms: int
    _conn: Connection = field(repr=False, compare=False)
    _records: tuple[object, ...] = field(repr=False, compare=False, default=())
    _many: bool = field(repr=False, compare=False, default=False)

    @classmethod
    def _of(cls, conn: Connection, record: object, many: bool = False) -> Self:
        eta = _c.lsm_job_eta_ms_get(record)
        return cls(
            _c.lsm_job_id_get(record),
            _c.lsm_job_key_get(record),
            JobKind(_c.lsm_job_kind_get(record)),
            JobState(_c.lsm_job_state_get(record)),
            _c.lsm_job_percent_get(record),
            _c.lsm_job_bytes_total_get(record),
            _c.lsm_job_bytes_done_get(record),
            _c.lsm_job_bytes_copied_get(record),
            _c.lsm_job_bytes_skipped_get(record),
            _c.lsm_job_bytes_per_second_get(record),
            None if eta == _NOT_KNOWN else eta / 1000,
            _c.lsm_job_source_volume_id_get(record),
            _c.lsm_job_target_volume_id_get(record),
            error_code(_c.lsm_job_error_number_get(record)),
            _c.lsm_job_error_message_get(record),
            _c.lsm_job_created_ms_get(record),
            _c.lsm_job_started_ms_get(record),
            _c.lsm_job_finished_ms_get(record),
            conn,
            (),
            many,
        )

    @classmethod
    def _at_once(cls, conn: Connection, records: list[object], many: bool) -> Self:
        """Work that needed no job, as one that is done."""
        unknown, ok = JobKind.UNKNOWN, ErrorCode.OK
        return cls(
            "", None, unknown, JobState.DONE, 100, 0, 0, 0, 0, 0, 0.0, None, None, ok, None, 0, 0,
            0, conn, tuple(records), many,
        )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether it is DONE, FAILED or CANCELLED."""
        return self.state in _ENDED

    @property
    def created(self) -> datetime | None:
        return moment(self.created_ms)

    @property
    def started(self) -> datetime | None:
        return moment(self.started_ms)

    @property
    def finished(self) -> datetime | None:
        return moment(self.finished_ms)

    def refresh(self) -> Job[T_co]:
        """The job as it is now."""
        if not self.id:
            return self
        return Job._of(self._conn, _c.lsm_job_get(self._conn._handle, self.id), self._many)

    def progress(self) -> Progress[T_co]:
        """The job at each change until it has ended, for `for` and for `async for`."""
        return Progress(self)

    def wait(self, timeout: float | None = None) -> T_co:
        """Waits for the end and returns what the job has made. Raises JobFailed, JobCancelled, or
        Timeout, after which the job goes on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        job = self
        while job.id:
            left = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
            record = _c.lsm_job_wait(self._conn._handle, self.id, max(0, math.ceil(left * 1000)))
            if record is not None:
                job = Job._of(self._conn, record, self._many)
                break
            if left <= 0:
                raise Timeout(
                    f"job {self.id} has not ended within {timeout} s",
                    code=ErrorCode.TIMEOUT,
                    object=self.id,
                    retryable=True,
                )
        return job._result()

    def __await__(self) -> Generator[Any, None, T_co]:
        return self._end().__await__()

    async def _end(self) -> T_co:
        if not self.id:
            return self._result()
        with watching(self._conn, self.id) as change:
            while not (job := self.refresh()).ended:
                await change.wait()
                change.clear()
        return job._result()

    def _result(self) -> T_co:
        if self.state is JobState.FAILED:
            reason = error_of(self.error_code, self.error_message, object=self.target_volume_id)
            failed = JobFailed(
                f"job {self.id} failed: {reason.message}", code=self.error_code, object=self.id
            )
            failed.job = self
            raise failed from reason
        if self.state is JobState.CANCELLED:
            cancelled = JobCancelled(
                f"job {self.id} was cancelled", code=ErrorCode.CANCELLED, object=self.id
            )
            cancelled.job = self
            raise cancelled
        made = self.volumes()
        if self._many or len(made) > 1:
            return cast(T_co, made)
        if not made and self.kind in _MAKERS:
            raise NotFound(
                f"what job {self.id} has made is gone",
                code=ErrorCode.NOT_FOUND_VOLUME,
                object=self.target_volume_id,
            )
        return cast(T_co, made[0] if made else None)

    def volumes(self) -> list[Volume]:
        """What it has made: none before it is DONE."""
        records = self._records
        if self.id:
            records = _c.lsm_job_volume_list(self._conn._handle, self.id)
        return [self._conn._volume_of(record) for record in records]

    def cancel(self) -> None:
        """Ends it as CANCELLED; nothing half-made is left."""
        _c.lsm_job_cancel(self._conn._handle, self.id)

    def pause(self) -> None:
        """Pauses it at its next checkpoint. It stays so over a restart."""
        _c.lsm_job_pause(self._conn._handle, self.id)

    def resume(self) -> None:
        """Lets it go on after a pause."""
        _c.lsm_job_resume(self._conn._handle, self.id)

    def rate_limit(self, bytes_per_second: int) -> None:
        """Bounds how fast it copies, from now on; 0: no bound."""
        _c.lsm_job_rate_limit_set(self._conn._handle, self.id, bytes_per_second)

    def forget(self) -> None:
        """Takes a job that has ended off the list. One under way goes on."""
        _c.lsm_job_forget(self._conn._handle, self.id)


class Progress(Generic[T_co]):
    """A job at each change until it has ended: its state, or how far it has got."""

    def __init__(self, job: Job[T_co]) -> None:
        """Job.progress() makes it."""
        self._job = job
        self._seen: tuple[object, ...] | None = None

    def _changed(self, job: Job[T_co]) -> bool:
        now = (job.state, job.percent, job.bytes_total, job.bytes_done)
        changed = now != self._seen
        self._seen = now
        return changed

    def __iter__(self) -> Iterator[Job[T_co]]:
        with self._job._conn.events() as events:
            while True:
                job = self._job.refresh()
                if self._changed(job):
                    yield job
                if job.ended:
                    return
                events.drain(SLICE)

    async def __aiter__(self) -> AsyncIterator[Job[T_co]]:
        with watching(self._job._conn, self._job.id) as change:
            while True:
                job = self._job.refresh()
                if self._changed(job):
                    yield job
                if job.ended:
                    return
                await change.wait()
                change.clear()
