# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors: what they say, which class they are, and that they survive the trip to another process."""

from __future__ import annotations

import pickle

import pytest
import replicant
from conftest import MIB
from replicant import ErrorCode
from replicant.errors import error_of


def test_an_error_says_what_and_what_to_do(conn, volume):
    with pytest.raises(replicant.Error) as caught:
        volume.clone("c", pool=conn.create_pool("other"))
    error = caught.value
    assert error.code is ErrorCode.NO_SUPPORT
    assert error.message in str(error)
    assert error.hint and error.hint in str(error)
    assert error.retryable is False
    assert error.errno is None
    assert error.offset is None


def test_an_error_names_the_object(conn, volume):
    with pytest.raises(replicant.NotFound) as caught:
        conn.job("nosuch")
    assert caught.value.object == "nosuch"


@pytest.mark.parametrize("code", list(ErrorCode), ids=lambda code: code.name)
def test_every_number_has_a_class(code):
    error = error_of(code, "the message", object="x", errno=5, offset=7, hint="try", retryable=True)
    assert isinstance(error, replicant.Error)
    assert (error.code, error.errno, error.offset) == (code, 5, 7)
    assert str(error) == "the message (try)"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert (again.errno, str(again)) == (5, "the message (try)")


def test_unknown_number():
    error = error_of(4711, None)
    assert type(error) is replicant.Error
    assert error.code == 4711
    assert "4711" in str(error)


def test_python_has_words_for_some():
    pairs = [
        (ErrorCode.INVALID_ARGUMENT, ValueError),
        (ErrorCode.TIMEOUT, TimeoutError),
        (ErrorCode.IO, OSError),
        (ErrorCode.NOT_FOUND_VOLUME, LookupError),
        (ErrorCode.PERMISSION_DENIED, PermissionError),
        (ErrorCode.DAEMON_NOT_RUNNING, ConnectionError),
        (ErrorCode.NO_MEMORY, MemoryError),
    ]
    for code, word in pairs:
        assert isinstance(error_of(code, "m"), word)
    assert issubclass(replicant.JobCancelled, replicant.Cancelled)


def test_no_error_is_left_behind(conn):
    """A failure that was raised does not colour the next call."""
    with pytest.raises(replicant.Error):
        conn.job("nosuch")
    assert conn.volumes() == []
    assert conn.create_volume("v", MIB).name == "v"
