# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs and events in asyncio: on the loop's own descriptor, without a thread."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
import replicant
from conftest import MIB, content, pattern
from replicant import EventKind, JobState


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_await_a_job(volume):
    async def main() -> replicant.Volume:
        return await volume.copy("c")

    assert content(asyncio.run(main())) == pattern(MIB)


def test_await_what_was_done_at_once(volume):
    async def main() -> replicant.Volume:
        return await volume.replicate(replicant.ReplicationType.CLONE, "c")

    assert asyncio.run(main()).name == "c"


def test_await_a_job_that_has_ended(volume):
    job = volume.copy("c")
    job.wait(timeout=60)

    async def main() -> replicant.Volume:
        return await job

    assert asyncio.run(main()).name == "c"


def test_many_jobs_need_no_thread(conn, volume):
    before = threading.active_count()
    opened = descriptors()

    async def main() -> list[replicant.Volume]:
        jobs = [volume.copy(f"c{i}") for i in range(12)]
        waiting = asyncio.gather(*jobs)
        await asyncio.sleep(0.05)
        assert threading.active_count() == before
        return await waiting

    copies = asyncio.run(main())
    assert [v.name for v in copies] == [f"c{i}" for i in range(12)]
    assert all(content(v) == pattern(MIB) for v in copies)
    assert descriptors() <= opened + 4
    assert conn._watches == {}


def test_loop_stays_free(volume):
    async def main() -> int:
        job = volume.copy("c", rate_limit=2 * MIB)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await job
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) > 5


def test_await_a_cancelled_job(volume):
    async def main() -> None:
        job = volume.copy("c", rate_limit=MIB // 8)
        waiting = asyncio.ensure_future(job)
        await asyncio.sleep(0.05)
        job.cancel()
        await waiting

    with pytest.raises(replicant.JobCancelled):
        asyncio.run(main())


def test_wait_for_ends_the_waiting_not_the_job(conn, volume):
    async def main() -> replicant.Job[replicant.Volume]:
        job = volume.copy("c", rate_limit=MIB // 8)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job, 0.1)
        return job

    job = asyncio.run(main())
    assert not job.refresh().ended
    assert conn._watches == {}
    job.cancel()


def test_progress(volume):
    async def main() -> list[replicant.Job[replicant.Volume]]:
        job = volume.copy("c", rate_limit=2 * MIB)
        return [now async for now in job.progress()]

    seen = asyncio.run(main())
    assert seen[-1].state is JobState.DONE
    done = [now.bytes_done for now in seen]
    assert done == sorted(done)


def test_events(conn):
    async def main() -> list[replicant.Event]:
        seen = []
        async with asyncio.timeout(10):
            with conn.events() as events:
                asyncio.get_running_loop().call_later(0.05, conn.create_volume, "v", MIB)
                async for event in events:
                    seen.append(event)
                    break
        return seen

    (event,) = asyncio.run(main())
    assert event.kind is EventKind.VOLUME
    assert event.object_id == conn.volume("v").id


def test_events_with_a_timeout(conn):
    async def main() -> int:
        return len([event async for event in conn.events(timeout=0.05)])

    assert asyncio.run(main()) == 0


def test_several_tasks_share_a_queue(conn):
    async def main() -> list[str | None]:
        got = []
        with conn.events() as events:

            async def listen() -> None:
                async for event in events:
                    got.append(event.object_id)

            tasks = [asyncio.create_task(listen()) for _ in range(3)]
            await asyncio.sleep(0.02)
            volumes = [conn.create_volume(f"v{i}", 4096) for i in range(9)]
            while len(got) < 9:
                await asyncio.sleep(0.01)
            events.close()
            await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert {v.id for v in volumes} <= set(got)
        return got

    assert len(asyncio.run(main())) >= 9


def test_close_wakes_those_who_wait(uri):
    """A connection that another thread closes ends an `async for`, and an `await` with an error."""
    conn = replicant.connect(uri)
    volume = conn.create_volume("v", MIB)
    with volume.open() as io:
        io.pwrite(pattern(MIB), 0)

    async def main() -> None:
        job = volume.copy("c", rate_limit=MIB // 16)
        waiting = asyncio.ensure_future(job)

        async def listen() -> None:
            async for _ in conn.events():
                pass

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.05)
        thread = threading.Thread(target=conn.close)
        thread.start()
        await asyncio.wait_for(listening, 5)
        with pytest.raises(ValueError):
            await asyncio.wait_for(waiting, 5)
        thread.join()

    asyncio.run(main())
    with replicant.connect(uri) as again:
        for job in again.jobs():
            job.cancel()


def test_two_loops_in_two_threads(volume):
    results = []

    def run(name: str) -> None:
        async def main() -> replicant.Volume:
            return await volume.copy(name)

        results.append(asyncio.run(main()).name)

    threads = [threading.Thread(target=run, args=(f"c{i}",)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["c0", "c1"]
