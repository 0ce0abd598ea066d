# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events, for threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import replicant
from conftest import MIB, write
from replicant import EventKind, JobState


def test_volume_events(conn):
    with conn.events(timeout=0.5) as events:
        volume = conn.create_volume("v", MIB)
        volume.rename("w")
        volume.refresh().delete()
        seen = list(events)
    assert {e.kind for e in seen} == {EventKind.VOLUME}
    assert {e.object_id for e in seen} == {volume.id}
    assert len(seen) >= 3
    assert all(e.old_state is None and e.new_state is None for e in seen)
    numbers = [e.sequence for e in seen]
    assert numbers == sorted(set(numbers))
    assert all(abs(e.time.timestamp() - time.time()) < 60 for e in seen)


def test_everything_that_shows_in_a_record_is_an_event(conn, volume):
    verbs = [
        lambda: volume.resize(2 * MIB),
        volume.disable,
        volume.enable,
        lambda: volume.rename("other"),
        lambda: volume.set_tag("key", "value"),
    ]
    with conn.events() as events:
        for verb in verbs:
            verb()
            event = events.get(timeout=5)
            assert (event.kind, event.object_id) == (EventKind.VOLUME, volume.id)


def test_job_events(conn, volume):
    with conn.events() as events:
        job = volume.copy("c")
        job.wait(timeout=60)
        states = []
        while not states or states[-1] is not JobState.DONE:
            event = events.get(timeout=10)
            if event.kind is EventKind.JOB_STATE and event.object_id == job.id:
                states.append(event.new_state)
    assert states[-1] is JobState.DONE
    assert JobState.RUNNING in states


def test_nothing_happens(conn):
    with conn.events() as events:
        assert events.next_nowait() is None
        error = refused_timeout(events)
        assert isinstance(error, TimeoutError)
        assert list(conn.events(timeout=0.05)) == []


def refused_timeout(events):
    with pytest.raises(replicant.Timeout) as caught:
        events.get(timeout=0.05)
    return caught.value


def test_each_queue_gets_everything(conn):
    with conn.events(timeout=0.3) as one, conn.events(timeout=0.3) as two:
        conn.create_volume("v", MIB)
        assert [e.object_id for e in one] == [e.object_id for e in two] != []


def test_sees_only_what_comes_after(conn):
    conn.create_volume("v", MIB)
    with conn.events(timeout=0.1) as events:
        assert list(events) == []


def test_close_ends_the_iteration_of_another_thread(conn):
    events = conn.events()
    ended = threading.Event()

    def listen() -> None:
        for _ in events:
            pass
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(0.05)
    events.close()
    events.close()
    assert ended.wait(5)
    thread.join()
    assert list(events) == []
    with pytest.raises(ValueError):
        events.get()


def test_closed_connection_ends_the_iteration(uri):
    with replicant.connect(uri) as conn:
        events = conn.events()
        conn.create_volume("v", MIB)
    assert len(list(events)) >= 1
    assert events.closed
    events.close()


def test_overflow_says_lost(conn, volume):
    """A queue that nobody reads is bounded, says so once, and goes on from there. A task that
    waits for a job whose event was lost looks for itself."""

    async def flood() -> None:
        job = volume.copy("c", rate_limit=4 * MIB)
        waiting = asyncio.ensure_future(job)
        await asyncio.sleep(0)
        job.wait(timeout=60)
        for i in range(4200):
            volume.set_tag("n", str(i))
        assert not waiting.done()
        assert (await asyncio.wait_for(waiting, 10)).name == "c"

    with conn.events() as events:
        asyncio.run(flood())
        kinds = []
        while (event := events.next_nowait()) is not None:
            kinds.append(event.kind)
        assert kinds.count(EventKind.LOST) == 1
        assert len(kinds) < 4200
        volume.set_tag("n", "again")
        assert events.get(timeout=5).kind is EventKind.VOLUME


def test_writing_makes_no_events(conn, volume):
    with conn.events(timeout=0.1) as events:
        write(volume, b"quiet")
        assert [e for e in events if e.kind is not EventKind.VOLUME] == []
