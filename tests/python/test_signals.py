# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ctrl-C is answered while something is waited for."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from conftest import MIB


@pytest.fixture(autouse=True)
def answered():
    """A process that was started in the background ignores SIGINT, and Python leaves that so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow(conn, volume):
    job = volume.copy("c", rate_limit=MIB // 64)
    yield job
    job.cancel()


def interrupted_within(seconds: float, call) -> None:
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call()
    assert time.monotonic() - begin < 0.15 + seconds
    timer.join()


def test_job_wait(slow):
    interrupted_within(0.5, slow.wait)


def test_job_progress(slow):
    interrupted_within(0.5, lambda: list(slow.progress()))


def test_events(conn):
    with conn.events() as events:
        interrupted_within(0.5, events.get)
        interrupted_within(0.5, lambda: list(events))
