# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connecting, and what a connection tells about itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import replicant
from conftest import refused
from replicant import ErrorCode


@pytest.mark.parametrize("uri", ["", "nonsense", "://", "dir", "dir://%zz", "dir://h:" + "9" * 20])
def test_uri_malformed_is_101(uri):
    refused(ErrorCode.INVALID_ARGUMENT, replicant.connect, uri)


def test_uri_unknown_scheme_is_311():
    error = refused(ErrorCode.PLUGIN_NOT_EXIST, replicant.connect, "nosuch://host/path")
    assert isinstance(error, replicant.NotSupported)
    assert error.hint


def test_timeout_zero_is_101(uri):
    refused(ErrorCode.INVALID_ARGUMENT, replicant.connect, uri, timeout=0)


def test_timeout_is_kept(uri):
    with replicant.connect(uri, timeout=2.5) as conn:
        assert conn.timeout == 2.5
        conn.timeout = 7
        assert conn.timeout == 7
        with pytest.raises(ValueError):
            conn.timeout = 0


def test_root_missing(tmp_path):
    with pytest.raises(replicant.Error) as caught:
        replicant.connect(f"dir://{tmp_path}/nowhere")
    assert "nowhere" in str(caught.value)


def test_info(conn):
    description, version = conn.info
    assert description
    assert version == replicant.__version__
    assert any(version in backend for backend in replicant.backends())


def test_system_is_one(conn):
    (system,) = conn.systems()
    assert system.id and system.name
    assert system.status is replicant.SystemStatus.OK


def test_capabilities(conn):
    can = conn.capabilities()
    wanted = {
        replicant.Capability.VOLUMES,
        replicant.Capability.VOLUME_CREATE,
        replicant.Capability.VOLUME_RESIZE,
        replicant.Capability.VOLUME_REPLICATE,
        replicant.Capability.VOLUME_REPLICATE_CLONE,
        replicant.Capability.VOLUME_REPLICATE_COPY,
        replicant.Capability.VOLUME_DELETE,
        replicant.Capability.VOLUME_CHILD_DEPENDENCY,
    }
    assert wanted <= can
    assert conn.capabilities(conn.systems()[0]) == can
    refused(ErrorCode.NOT_FOUND_SYSTEM, conn.capabilities, "nosuch")


def test_two_connections_of_one_process(uri, conn):
    volume = conn.create_volume("shared", 4096)
    with replicant.connect(uri) as other:
        assert other.volume("shared").id == volume.id
        other.create_volume("back", 4096)
    assert {v.name for v in conn.volumes()} == {"shared", "back"}


def test_root_owned_by_another_process_is_1003(conn, uri):
    """One owner at a time; the other is told who that is, at once, and may try again."""
    program = """
import sys, replicant
try:
    replicant.connect(sys.argv[1], timeout=5)
except replicant.Busy as error:
    print(int(error.code), error.retryable, error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, uri],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("1003 True ")
    assert str(os.getpid()) in ran.stdout


def test_with_returns_none_and_lets_errors_pass(uri):
    with pytest.raises(ZeroDivisionError), replicant.connect(uri) as conn:
        raise ZeroDivisionError
    assert conn.closed
