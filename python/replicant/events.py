# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events: what happens, told without polling and without callbacks.

A queue has a descriptor that is readable while an event waits. Threads wait for it with poll(),
asyncio with its loop; the library needs no thread for that, and neither does this package. A queue
that overflows says so with an event LOST; whoever keeps a picture of the world then reads the lists
again.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import _creplicant as _c
from .errors import InvalidArgument, Timeout
from .types import EventKind, JobState, ReplicationState, moment

if TYPE_CHECKING:
    from .client import Connection

# How long a thread waits at most before it looks whether its connection is still open.
SLICE = 0.2

_Sleeper = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, a replication or a volume."""

    kind: EventKind
    sequence: int
    time_ms: int
    object_id: str | None
    old_state: JobState | ReplicationState | None
    new_state: JobState | ReplicationState | None

    @classmethod
    def _of(cls, record: object) -> Self:
        kind = EventKind(_c.lsm_event_kind_get(record))
        return cls(
            kind,
            _c.lsm_event_sequence_get(record),
            _c.lsm_event_time_ms_get(record),
            _c.lsm_event_object_id_get(record),
            _state(kind, _c.lsm_event_old_state_get(record)),
            _state(kind, _c.lsm_event_new_state_get(record)),
        )

    @property
    def time(self) -> datetime | None:
        return moment(self.time_ms)


def _state(kind: EventKind, number: int) -> JobState | ReplicationState | None:
    if number == -1:
        return None
    if kind in (EventKind.JOB_STATE, EventKind.JOB_PROGRESS):
        return JobState(number)
    if kind is EventKind.REPLICATION_STATE:
        return ReplicationState(number)
    return None


class Events:
    """A queue of what happens from its opening on, for `for` and for `async for`.

    Iterating ends when the queue or its connection is closed, or when nothing has happened for
    `timeout` seconds. Several threads, or tasks, may share a queue; each event goes to one of them.
    """

    def __init__(self, conn: Connection, timeout: float | None = None) -> None:
        """Connection.events() makes it."""
        self._conn = conn
        self._queue: object = _c.lsm_event_queue_open(conn._handle)
        self._fd: int = _c.lsm_event_queue_fd_get(self._queue)
        self._timeout = timeout
        self._closed = False
        self._sleepers: set[_Sleeper] = set()
        with conn._lock:
            conn._queues.add(self)

    @property
    def closed(self) -> bool:
        """Whether nothing more will come: the queue, or its connection, is closed."""
        return self._closed or self._conn.closed

    def next_nowait(self) -> Event | None:
        """The oldest event that waits; None where none does."""
        if self._closed:
            return None
        record = _c.lsm_event_next(self._queue)
        return None if record is None else Event._of(record)

    def get(self, timeout: float | None = None) -> Event:
        """The oldest event, once there is one; Timeout if there is none in time."""
        event = self._wait(timeout)
        if event is None:
            if self.closed:
                raise InvalidArgument("the event queue, or its connection, is closed")
            raise Timeout(f"no event within {timeout} s")
        return event

    def drain(self, timeout: float) -> None:
        """Waits until something has happened, or the time is up, and forgets what it was."""
        if self._wait(timeout) is not None:
            while self.next_nowait() is not None:
                pass

    def _wait(self, timeout: float | None) -> Event | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while True:
            event = self.next_nowait()
            left = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
            if event is not None or self.closed or left <= 0:
                return event
            poll.poll(left * 1000)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self._wait(self._timeout)
        if event is None:
            raise StopIteration
        return event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        loop = asyncio.get_running_loop()
        deadline = None if self._timeout is None else loop.time() + self._timeout
        while True:
            event = self.next_nowait()
            if event is not None:
                return event
            left = None if deadline is None else deadline - loop.time()
            if self.closed or (left is not None and left <= 0):
                raise StopAsyncIteration
            await self._readable(loop, left)

    async def _readable(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> None:
        sleeper = (loop, loop.create_future())
        self._sleepers.add(sleeper)
        try:
            with reading(loop, self._fd, lambda: _wake(sleeper[1])):
                if not self.closed:
                    await asyncio.wait([sleeper[1]], timeout=timeout)
        finally:
            self._sleepers.discard(sleeper)

    def wake(self) -> None:
        """Lets all tasks that wait look again, from any thread."""
        for loop, future in list(self._sleepers):
            call_soon(loop, _wake, future)

    def close(self) -> None:
        """Stops listening. Again is harmless."""
        self._closed = True
        self.wake()
        _c.lsm_event_queue_close(self._queue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Watch:
    """One queue for all tasks of a loop that wait for jobs and replications of a connection.

    It listens while there is such a task.
    """

    def __init__(self, conn: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events = Events(conn)
        self._changes: dict[str, set[asyncio.Event]] = {}
        self._reading = reading(loop, self._events._fd, self._drain)
        self._reading.__enter__()

    def _drain(self) -> None:
        while (event := self._events.next_nowait()) is not None:
            if event.kind is EventKind.LOST:
                self.wake_all()
            for change in self._changes.get(event.object_id or "", ()):
                change.set()

    def wake_all(self) -> None:
        for changes in self._changes.values():
            for change in changes:
                change.set()

    def wake(self) -> None:
        """The same, from any thread."""
        call_soon(self._loop, self.wake_all)

    def add(self, object_id: str) -> asyncio.Event:
        change = asyncio.Event()
        self._changes.setdefault(object_id, set()).add(change)
        return change

    def discard(self, object_id: str, change: asyncio.Event) -> bool:
        """Answers whether that was the last one; the watch is closed then."""
        changes = self._changes[object_id]
        changes.discard(change)
        if not changes:
            del self._changes[object_id]
        if self._changes:
            return False
        self._reading.__exit__(None, None, None)
        self._events.close()
        return True


@contextmanager
def watching(conn: Connection, object_id: str) -> Iterator[asyncio.Event]:
    """An asyncio.Event that is set whenever an object has changed, from now on."""
    loop = asyncio.get_running_loop()
    watch = conn._watches.get(loop)
    if watch is None:
        watch = conn._watches[loop] = Watch(conn, loop)
    change = watch.add(object_id)
    try:
        yield change
    finally:
        if watch.discard(object_id, change):
            del conn._watches[loop]


@contextmanager
def reading(
    loop: asyncio.AbstractEventLoop, fd: int, callback: Callable[[], None]
) -> Iterator[None]:
    """Lets a loop call back while a descriptor is readable. The loop gets a duplicate: the number
    of one that is closed meanwhile may be somebody else's by the time the loop lets go of it."""
    copy = os.dup(fd)
    loop.add_reader(copy, callback)
    try:
        yield
    finally:
        loop.remove_reader(copy)
        os.close(copy)


def call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *args: Any) -> None:
    """Has a loop of another thread call something, unless it has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *args)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
