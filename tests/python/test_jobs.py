# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs: found, waited for, told what to do."""

from __future__ import annotations

import time

import pytest
import replicant
from conftest import MIB, content, pattern, refused, write
from replicant import ErrorCode, JobKind, JobState

SIZE = 8 * MIB


@pytest.fixture
def big(conn):
    """A volume whose copy takes as long as a test needs, given a rate limit."""
    volume = conn.create_volume("big", SIZE)
    write(volume, pattern(SIZE))
    return volume


def slow_copy(volume, name="copy", rate=MIB):
    return volume.copy(name, rate_limit=rate)


@pytest.mark.parametrize("job_id", ["", "nosuch", "x" * 1000, "'; --"])
def test_job_unknown_is_202(conn, job_id):
    error = refused(ErrorCode.NOT_FOUND_JOB, conn.job, job_id)
    assert isinstance(error, replicant.NotFound)


def test_job_verbs_on_unknown_are_202(conn, big):
    job = big.copy("c")
    job.wait(timeout=60)
    job.forget()
    for call in (job.refresh, job.wait, job.cancel, job.pause, job.resume, job.forget, job.volumes):
        refused(ErrorCode.NOT_FOUND_JOB, call)
    refused(ErrorCode.NOT_FOUND_JOB, job.rate_limit, 1)


def test_copy_is_a_job(conn, big):
    job = slow_copy(big)
    assert job.kind is JobKind.COPY
    assert job.state in (JobState.QUEUED, JobState.RUNNING)
    assert not job.ended
    assert job.source_volume_id == big.id
    assert job.created is not None and job.finished is None
    assert job.error_code == ErrorCode.OK
    assert job.volumes() == []
    job.rate_limit(0)
    copy = job.wait(timeout=60)
    assert content(copy) == pattern(SIZE)
    done = job.refresh()
    assert done.state is JobState.DONE and done.ended
    assert done.percent == 100
    assert done.bytes_done == done.bytes_total == done.bytes_copied + done.bytes_skipped
    assert done.target_volume_id == copy.id
    assert done.started is not None and done.finished is not None
    assert done.created <= done.started <= done.finished
    assert [v.id for v in done.volumes()] == [copy.id]


def test_target_is_not_listed_before_it_is_done(conn, big):
    job = slow_copy(big)
    assert [v.name for v in conn.volumes()] == ["big"]
    refused(ErrorCode.NOT_FOUND_VOLUME, conn.volume, "copy")
    error = refused(ErrorCode.NAME_CONFLICT, conn.create_volume, "copy", MIB)
    assert job.id in str(error)
    job.rate_limit(0)
    job.wait(timeout=60)
    assert {v.name for v in conn.volumes()} == {"big", "copy"}


def test_source_of_a_running_job_is_161(big):
    job = slow_copy(big)
    assert big.has_dependents()
    refused(ErrorCode.HAS_CHILD_DEPENDENCY, big.delete)
    job.cancel()
    with pytest.raises(replicant.JobCancelled):
        job.wait(timeout=60)
    big.delete()


def test_wait_times_out(big):
    job = slow_copy(big)
    begin = time.monotonic()
    error = refused(ErrorCode.TIMEOUT, job.wait, timeout=0.1)
    assert time.monotonic() - begin < 2
    assert isinstance(error, TimeoutError)
    refused(ErrorCode.TIMEOUT, job.wait, timeout=0)
    assert not job.refresh().ended
    job.cancel()


def test_cancel(conn, big):
    job = slow_copy(big)
    job.cancel()
    with pytest.raises(replicant.JobCancelled) as caught:
        job.wait(timeout=60)
    assert isinstance(caught.value, replicant.Cancelled)
    assert caught.value.code == ErrorCode.CANCELLED
    assert caught.value.job.state is JobState.CANCELLED
    assert caught.value.job.error_code == ErrorCode.CANCELLED
    assert [v.name for v in conn.volumes()] == ["big"]
    assert conn.create_volume("copy", MIB)
    refused(ErrorCode.NO_STATE_CHANGE, job.cancel)
    refused(ErrorCode.STATE, job.pause)
    refused(ErrorCode.STATE, job.resume)
    refused(ErrorCode.STATE, job.rate_limit, 7)


def test_pause_and_resume(big):
    job = slow_copy(big, rate=2 * MIB)
    refused(ErrorCode.NO_STATE_CHANGE, job.resume)
    job.pause()
    paused = until(job, JobState.PAUSED)
    error = refused(ErrorCode.NO_STATE_CHANGE, job.pause)
    assert not isinstance(error, replicant.StateError)
    time.sleep(0.3)
    assert job.refresh().bytes_done == paused.bytes_done
    job.rate_limit(0)
    job.resume()
    assert content(job.wait(timeout=60)) == pattern(SIZE)


def test_cancel_while_paused(conn, big):
    job = slow_copy(big)
    job.pause()
    until(job, JobState.PAUSED)
    job.cancel()
    with pytest.raises(replicant.JobCancelled):
        job.wait(timeout=60)
    assert [v.name for v in conn.volumes()] == ["big"]


def until(job, state):
    deadline = time.monotonic() + 20
    while (now := job.refresh()).state is not state:
        assert time.monotonic() < deadline, now
        time.sleep(0.02)
    return now


def test_rate_limit_holds(big):
    begin = time.monotonic()
    big.copy("c", rate_limit=8 * MIB).wait(timeout=60)
    assert time.monotonic() - begin > 0.5


def test_progress(big):
    job = slow_copy(big, rate=3 * MIB)
    seen = []
    for now in job.progress():
        seen.append(now)
        if len(seen) == 2:
            job.rate_limit(0)
    assert seen[-1].state is JobState.DONE and seen[-1].percent == 100
    assert all(now.percent < 100 for now in seen[:-1])
    done = [now.bytes_done for now in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].bytes_total


def test_progress_left_early(conn, big):
    job = slow_copy(big)
    for _ in job.progress():
        break
    job.cancel()
    with pytest.raises(replicant.JobCancelled):
        job.wait(timeout=60)


def test_search_jobs(conn, big):
    done = big.copy("a", key="k")
    done.wait(timeout=60)
    running = slow_copy(big, "b")
    assert {j.id for j in conn.jobs()} == {done.id, running.id}
    assert [j.id for j in conn.jobs("id", done)] == [done.id]
    assert [j.id for j in conn.jobs("state", JobState.DONE)] == [done.id]
    assert {j.id for j in conn.jobs("kind", JobKind.COPY)} == {done.id, running.id}
    assert {j.id for j in conn.jobs("volume_id", big)} == {done.id, running.id}
    assert {j.id for j in big.jobs()} == {done.id, running.id}
    assert [j.id for j in conn.jobs("key", "k")] == [done.id]
    assert done.key is None or done.key == "k"
    assert conn.jobs("key", "nosuch") == []
    assert conn.job(running.id).id == running.id
    running.cancel()


def test_job_of_a_deleted_volume(big):
    job = big.copy("c")
    copy = job.wait(timeout=60)
    copy.delete()
    error = refused(ErrorCode.NOT_FOUND_VOLUME, job.wait)
    assert isinstance(error, replicant.NotFound)


def test_job_goes_on_after_reopening(conn, uri, big):
    job = slow_copy(big, rate=2 * MIB)
    time.sleep(0.2)
    conn.close()
    with replicant.connect(uri) as again:
        same = again.job(job.id)
        assert not same.ended
        same.rate_limit(0)
        copy = same.wait(timeout=60)
        assert content(copy) == pattern(SIZE)


def test_paused_job_stays_paused_over_reopening(conn, uri, big):
    job = slow_copy(big)
    job.pause()
    until(job, JobState.PAUSED)
    conn.close()
    with replicant.connect(uri) as again:
        same = again.job(job.id)
        assert same.state is JobState.PAUSED
        same.rate_limit(0)
        same.resume()
        assert content(same.wait(timeout=60)) == pattern(SIZE)


def test_forget_a_running_job_lets_it_go_on(conn, big):
    job = slow_copy(big)
    job.forget()
    assert conn.job(job.id).id == job.id
    job.cancel()
