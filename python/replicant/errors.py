# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors: what a call that failed says, by meaning.

`code` is the number that C programs see; the class says what it means to a caller. Where Python
has a word of its own for that (ValueError, TimeoutError, OSError…), the class is one of those, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _creplicant as _c
from .types import ErrorCode, error_code

if TYPE_CHECKING:
    from .job import Job


class Error(Exception):
    """A call failed. str() is the message, and the hint where there is one."""

    code: int
    """An ErrorCode, or a number that this package does not know."""
    message: str
    """One line that names the thing."""
    object: str | None
    """What it is about: a path, a volume's or a job's id."""
    errno: int | None
    """The operating system's number behind it."""
    offset: int | None
    """Where, in bytes from a volume's start."""
    hint: str | None
    """What the caller can do about it."""
    retryable: bool
    """Whether the same call, made again later, can succeed."""
    exception: str | None
    debug: str | None

    def __init__(
        self,
        message: str,
        *,
        code: int = ErrorCode.LIB_BUG,
        object: str | None = None,
        errno: int | None = None,
        offset: int | None = None,
        hint: str | None = None,
        retryable: bool = False,
        exception: str | None = None,
        debug: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.object = object
        self.errno = errno
        self.offset = offset
        self.hint = hint
        self.retryable = retryable
        self.exception = exception
        self.debug = debug

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        fields = ("object", "errno", "offset", "hint", "retryable", "exception", "debug")
        return _again, (type(self), self.message, self.code, {f: getattr(self, f) for f in fields})


class InvalidArgument(Error, ValueError):
    """An argument is outside what the call allows, or a handle is closed."""


class NotFound(Error, LookupError):
    """No such volume, pool, job, replication, …, or not yet, or not any more."""


class NameConflict(Error):
    """The name, or the idempotency key, is taken."""


class NoStateChange(Error):
    """It is already so."""


class NoSpace(Error):
    """It does not fit; nothing was made."""


class NotSupported(Error):
    """This backend cannot do it, or not in the present condition."""


class InUse(Error):
    """An I/O handle, or an export, is open on it."""


class HasDependents(Error):
    """Something depends on it."""


class Busy(Error):
    """It is owned elsewhere, or a writer is open."""


class PoolNotReady(Error):
    """The pool's status is not OK."""


class StateError(Error):
    """The verb does not fit the state; the message names both."""


class ReadOnly(Error):
    """A mirror's target, a disabled volume, or a handle for reading."""


class Cancelled(Error):
    """Somebody cancelled it."""


class IOFailure(Error, OSError):
    """Reading or writing failed."""


class Damaged(Error):
    """A file or a row that cannot be believed."""


class PermissionDenied(Error, PermissionError):
    """The operating system, or the array, refuses this user."""


class Timeout(Error, TimeoutError):
    """The time given was up."""


class Unreachable(Error, ConnectionError):
    """The other side is not there, or the conversation with it broke down."""


class OutcomeUnknown(Unreachable):
    """The answer was lost: it may have taken effect or not. Ask again with the same key."""


class OutOfMemory(Error, MemoryError):
    """Memory is exhausted."""


class JobFailed(Error):
    """A job that was waited for failed; __cause__ is its reason, by meaning."""

    job: Job[Any] | None = None


class JobCancelled(Cancelled):
    """A job that was waited for was cancelled."""

    job: Job[Any] | None = None


_CLASSES: dict[int, type[Error]] = {
    ErrorCode.TIMEOUT: Timeout,
    ErrorCode.DAEMON_NOT_RUNNING: Unreachable,
    ErrorCode.PERMISSION_DENIED: PermissionDenied,
    ErrorCode.NAME_CONFLICT: NameConflict,
    ErrorCode.INVALID_ARGUMENT: InvalidArgument,
    ErrorCode.NO_STATE_CHANGE: NoStateChange,
    ErrorCode.NETWORK_CONNREFUSED: Unreachable,
    ErrorCode.NETWORK_HOSTDOWN: Unreachable,
    ErrorCode.NETWORK_ERROR: Unreachable,
    ErrorCode.NO_MEMORY: OutOfMemory,
    ErrorCode.NO_SUPPORT: NotSupported,
    ErrorCode.IS_MASKED: InUse,
    ErrorCode.HAS_CHILD_DEPENDENCY: HasDependents,
    ErrorCode.NOT_LICENSED: NotSupported,
    ErrorCode.NO_SUPPORT_ONLINE_CHANGE: NotSupported,
    ErrorCode.NO_SUPPORT_OFFLINE_CHANGE: NotSupported,
    ErrorCode.PLUGIN_AUTH_FAILED: PermissionDenied,
    ErrorCode.PLUGIN_IPC_FAIL: Unreachable,
    ErrorCode.PLUGIN_SOCKET_PERMISSION: PermissionDenied,
    ErrorCode.PLUGIN_NOT_EXIST: NotSupported,
    ErrorCode.NOT_ENOUGH_SPACE: NoSpace,
    ErrorCode.TRANSPORT_COMMUNICATION: Unreachable,
    ErrorCode.TRANSPORT_SERIALIZATION: Unreachable,
    ErrorCode.TRANSPORT_INVALID_ARG: Unreachable,
    ErrorCode.UNSUPPORTED_SEARCH_KEY: InvalidArgument,
    ErrorCode.POOL_NOT_READY: PoolNotReady,
    ErrorCode.IO: IOFailure,
    ErrorCode.DAMAGED: Damaged,
    ErrorCode.BUSY: Busy,
    ErrorCode.STATE: StateError,
    ErrorCode.CANCELLED: Cancelled,
    ErrorCode.READ_ONLY: ReadOnly,
    ErrorCode.OUTCOME_UNKNOWN: OutcomeUnknown,
}
_CLASSES.update((code, NotFound) for code in ErrorCode if code.name.startswith("NOT_FOUND_"))

_NOWHERE = 2**64 - 1


def error_of(number: int, message: str | None, **fields: Any) -> Error:
    """The error that a number means. (Classes that pick their own subclass when they are made
    do not go together with OSError.)"""
    code = error_code(number)
    text = message or f"error {number}"
    return _CLASSES.get(code, Error)(text, code=code, **fields)


def _of_record(
    number: int,
    message: str | None,
    object: str | None,
    errno: int,
    offset: int,
    hint: str | None,
    retryable: int,
    exception: str | None,
    debug: str | None,
) -> Error:
    return error_of(
        number,
        message,
        object=object,
        errno=errno or None,
        offset=None if offset == _NOWHERE else offset,
        hint=hint,
        retryable=bool(retryable),
        exception=exception,
        debug=debug,
    )


def _again(cls: type[Error], message: str, code: int, fields: dict[str, Any]) -> Error:
    return cls(message, code=code, **fields)


_c.error_factory_set(_of_record)
