# SPDX-License-Identifier: LGPL-2.1-or-later
"""The vocabulary: numbers that have names, and the smallest records.

The numbers are the library's. One that this package does not know becomes UNKNOWN where there is
such a member, as a program is asked to treat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import NamedTuple, Protocol, Self

from . import _creplicant as _c


class Buffer(Protocol):
    """Whatever has memory to share: collections.abc.Buffer, which Python 3.11 lacks."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class _Number(IntEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get("UNKNOWN") if isinstance(value, int) else None


class ErrorCode(IntEnum):
    """What a call fails with. Up to 999 the meaning is libStorageMgmt's."""

    OK = _c.LSM_ERR_OK
    LIB_BUG = _c.LSM_ERR_LIB_BUG
    PLUGIN_BUG = _c.LSM_ERR_PLUGIN_BUG
    JOB_STARTED = _c.LSM_ERR_JOB_STARTED
    TIMEOUT = _c.LSM_ERR_TIMEOUT
    DAEMON_NOT_RUNNING = _c.LSM_ERR_DAEMON_NOT_RUNNING
    PERMISSION_DENIED = _c.LSM_ERR_PERMISSION_DENIED
    NAME_CONFLICT = _c.LSM_ERR_NAME_CONFLICT
    EXISTS_INITIATOR = _c.LSM_ERR_EXISTS_INITIATOR
    INVALID_ARGUMENT = _c.LSM_ERR_INVALID_ARGUMENT
    NO_STATE_CHANGE = _c.LSM_ERR_NO_STATE_CHANGE
    NETWORK_CONNREFUSED = _c.LSM_ERR_NETWORK_CONNREFUSED
    NETWORK_HOSTDOWN = _c.LSM_ERR_NETWORK_HOSTDOWN
    NETWORK_ERROR = _c.LSM_ERR_NETWORK_ERROR
    NO_MEMORY = _c.LSM_ERR_NO_MEMORY
    NO_SUPPORT = _c.LSM_ERR_NO_SUPPORT
    IS_MASKED = _c.LSM_ERR_IS_MASKED
    HAS_CHILD_DEPENDENCY = _c.LSM_ERR_HAS_CHILD_DEPENDENCY
    NOT_FOUND_ACCESS_GROUP = _c.LSM_ERR_NOT_FOUND_ACCESS_GROUP
    NOT_FOUND_FS = _c.LSM_ERR_NOT_FOUND_FS
    NOT_FOUND_JOB = _c.LSM_ERR_NOT_FOUND_JOB
    NOT_FOUND_POOL = _c.LSM_ERR_NOT_FOUND_POOL
    NOT_FOUND_FS_SS = _c.LSM_ERR_NOT_FOUND_FS_SS
    NOT_FOUND_VOLUME = _c.LSM_ERR_NOT_FOUND_VOLUME
    NOT_FOUND_NFS_EXPORT = _c.LSM_ERR_NOT_FOUND_NFS_EXPORT
    NOT_FOUND_GENERIC = _c.LSM_ERR_NOT_FOUND_GENERIC
    NOT_FOUND_SYSTEM = _c.LSM_ERR_NOT_FOUND_SYSTEM
    NOT_FOUND_DISK = _c.LSM_ERR_NOT_FOUND_DISK
    NOT_LICENSED = _c.LSM_ERR_NOT_LICENSED
    NO_SUPPORT_ONLINE_CHANGE = _c.LSM_ERR_NO_SUPPORT_ONLINE_CHANGE
    NO_SUPPORT_OFFLINE_CHANGE = _c.LSM_ERR_NO_SUPPORT_OFFLINE_CHANGE
    PLUGIN_AUTH_FAILED = _c.LSM_ERR_PLUGIN_AUTH_FAILED
    PLUGIN_IPC_FAIL = _c.LSM_ERR_PLUGIN_IPC_FAIL
    PLUGIN_SOCKET_PERMISSION = _c.LSM_ERR_PLUGIN_SOCKET_PERMISSION
    PLUGIN_NOT_EXIST = _c.LSM_ERR_PLUGIN_NOT_EXIST
    NOT_ENOUGH_SPACE = _c.LSM_ERR_NOT_ENOUGH_SPACE
    TRANSPORT_COMMUNICATION = _c.LSM_ERR_TRANSPORT_COMMUNICATION
    TRANSPORT_SERIALIZATION = _c.LSM_ERR_TRANSPORT_SERIALIZATION
    TRANSPORT_INVALID_ARG = _c.LSM_ERR_TRANSPORT_INVALID_ARG
    LAST_INIT_IN_ACCESS_GROUP = _c.LSM_ERR_LAST_INIT_IN_ACCESS_GROUP
    UNSUPPORTED_SEARCH_KEY = _c.LSM_ERR_UNSUPPORTED_SEARCH_KEY
    EMPTY_ACCESS_GROUP = _c.LSM_ERR_EMPTY_ACCESS_GROUP
    POOL_NOT_READY = _c.LSM_ERR_POOL_NOT_READY
    DISK_NOT_FREE = _c.LSM_ERR_DISK_NOT_FREE
    IO = _c.LSM_ERR_IO
    DAMAGED = _c.LSM_ERR_DAMAGED
    BUSY = _c.LSM_ERR_BUSY
    STATE = _c.LSM_ERR_STATE
    CANCELLED = _c.LSM_ERR_CANCELLED
    READ_ONLY = _c.LSM_ERR_READ_ONLY
    NOT_FOUND_REPLICATION = _c.LSM_ERR_NOT_FOUND_REPLICATION
    OUTCOME_UNKNOWN = _c.LSM_ERR_OUTCOME_UNKNOWN


class ReplicationType(_Number):
    """The ways to replicate a volume."""

    UNKNOWN = _c.LSM_VOLUME_REPLICATE_UNKNOWN
    CLONE = _c.LSM_VOLUME_REPLICATE_CLONE
    COPY = _c.LSM_VOLUME_REPLICATE_COPY
    MIRROR_SYNC = _c.LSM_VOLUME_REPLICATE_MIRROR_SYNC
    MIRROR_ASYNC = _c.LSM_VOLUME_REPLICATE_MIRROR_ASYNC


class Provision(_Number):
    """How a volume takes its space from its pool."""

    UNKNOWN = _c.LSM_VOLUME_PROVISION_UNKNOWN
    THIN = _c.LSM_VOLUME_PROVISION_THIN
    FULL = _c.LSM_VOLUME_PROVISION_FULL
    DEFAULT = _c.LSM_VOLUME_PROVISION_DEFAULT


class AdminState(_Number):
    """Whether a volume may be written."""

    DISABLED = _c.LSM_VOLUME_ADMIN_STATE_DISABLED
    ENABLED = _c.LSM_VOLUME_ADMIN_STATE_ENABLED


class VerifyMode(_Number):
    """What a copy does to be sure of itself before it is done."""

    NONE = _c.LSM_VERIFY_NONE
    READ_BACK = _c.LSM_VERIFY_READ_BACK


class TargetErrorPolicy(_Number):
    """What becomes of a write that a synchronous mirror's target cannot take."""

    DEGRADE = _c.LSM_TARGET_ERROR_DEGRADE
    FAIL = _c.LSM_TARGET_ERROR_FAIL


class JobState(_Number):
    """Where a job is in its life."""

    UNKNOWN = _c.LSM_JOB_STATE_UNKNOWN
    QUEUED = _c.LSM_JOB_STATE_QUEUED
    RUNNING = _c.LSM_JOB_STATE_RUNNING
    PAUSED = _c.LSM_JOB_STATE_PAUSED
    DONE = _c.LSM_JOB_STATE_DONE
    FAILED = _c.LSM_JOB_STATE_FAILED
    CANCELLED = _c.LSM_JOB_STATE_CANCELLED


class JobKind(_Number):
    """What a job does."""

    UNKNOWN = _c.LSM_JOB_KIND_UNKNOWN
    COPY = _c.LSM_JOB_KIND_COPY
    MIRROR_INITIAL = _c.LSM_JOB_KIND_MIRROR_INITIAL
    RESYNC = _c.LSM_JOB_KIND_RESYNC
    SHIP = _c.LSM_JOB_KIND_SHIP
    FLATTEN = _c.LSM_JOB_KIND_FLATTEN
    RANGE = _c.LSM_JOB_KIND_RANGE
    DELETE = _c.LSM_JOB_KIND_DELETE
    CHECK = _c.LSM_JOB_KIND_CHECK


class ReplicationState(_Number):
    """How a mirror's two sides stand to each other."""

    UNKNOWN = _c.LSM_REPLICATION_STATE_UNKNOWN
    INITIALIZING = _c.LSM_REPLICATION_STATE_INITIALIZING
    IN_SYNC = _c.LSM_REPLICATION_STATE_IN_SYNC
    DEGRADED = _c.LSM_REPLICATION_STATE_DEGRADED
    RESYNCING = _c.LSM_REPLICATION_STATE_RESYNCING
    PAUSED = _c.LSM_REPLICATION_STATE_PAUSED
    SPLIT = _c.LSM_REPLICATION_STATE_SPLIT
    BROKEN = _c.LSM_REPLICATION_STATE_BROKEN


class EventKind(_Number):
    """What an event tells."""

    UNKNOWN = 0
    JOB_STATE = _c.LSM_EVENT_JOB_STATE
    JOB_PROGRESS = _c.LSM_EVENT_JOB_PROGRESS
    REPLICATION_STATE = _c.LSM_EVENT_REPLICATION_STATE
    VOLUME = _c.LSM_EVENT_VOLUME
    LOST = _c.LSM_EVENT_LOST


class ExtentKind(_Number):
    """What a run of bytes is."""

    DATA = _c.LSM_EXTENT_DATA
    ZERO = _c.LSM_EXTENT_ZERO


class Capability(IntEnum):
    """What a system may be able to do."""

    VOLUMES = _c.LSM_CAP_VOLUMES
    VOLUME_CREATE = _c.LSM_CAP_VOLUME_CREATE
    VOLUME_RESIZE = _c.LSM_CAP_VOLUME_RESIZE
    VOLUME_REPLICATE = _c.LSM_CAP_VOLUME_REPLICATE
    VOLUME_REPLICATE_CLONE = _c.LSM_CAP_VOLUME_REPLICATE_CLONE
    VOLUME_REPLICATE_COPY = _c.LSM_CAP_VOLUME_REPLICATE_COPY
    VOLUME_REPLICATE_MIRROR_ASYNC = _c.LSM_CAP_VOLUME_REPLICATE_MIRROR_ASYNC
    VOLUME_REPLICATE_MIRROR_SYNC = _c.LSM_CAP_VOLUME_REPLICATE_MIRROR_SYNC
    VOLUME_COPY_RANGE_BLOCK_SIZE = _c.LSM_CAP_VOLUME_COPY_RANGE_BLOCK_SIZE
    VOLUME_COPY_RANGE = _c.LSM_CAP_VOLUME_COPY_RANGE
    VOLUME_COPY_RANGE_CLONE = _c.LSM_CAP_VOLUME_COPY_RANGE_CLONE
    VOLUME_COPY_RANGE_COPY = _c.LSM_CAP_VOLUME_COPY_RANGE_COPY
    VOLUME_DELETE = _c.LSM_CAP_VOLUME_DELETE
    VOLUME_ENABLE = _c.LSM_CAP_VOLUME_ENABLE
    VOLUME_DISABLE = _c.LSM_CAP_VOLUME_DISABLE
    VOLUME_MASK = _c.LSM_CAP_VOLUME_MASK
    VOLUME_UNMASK = _c.LSM_CAP_VOLUME_UNMASK
    VOLUME_CHILD_DEPENDENCY = _c.LSM_CAP_VOLUME_CHILD_DEPENDENCY
    VOLUME_CHILD_DEPENDENCY_RM = _c.LSM_CAP_VOLUME_CHILD_DEPENDENCY_RM
    VOLUME_THIN = _c.LSM_CAP_VOLUME_THIN
    POOLS_QUICK_SEARCH = _c.LSM_CAP_POOLS_QUICK_SEARCH
    VOLUMES_QUICK_SEARCH = _c.LSM_CAP_VOLUMES_QUICK_SEARCH


class SystemStatus(IntFlag):
    """How a system is."""

    UNKNOWN = _c.LSM_SYSTEM_STATUS_UNKNOWN
    OK = _c.LSM_SYSTEM_STATUS_OK
    ERROR = _c.LSM_SYSTEM_STATUS_ERROR
    DEGRADED = _c.LSM_SYSTEM_STATUS_DEGRADED
    PREDICTIVE_FAILURE = _c.LSM_SYSTEM_STATUS_PREDICTIVE_FAILURE
    OTHER = _c.LSM_SYSTEM_STATUS_OTHER


class PoolStatus(IntFlag):
    """How a pool is."""

    UNKNOWN = _c.LSM_POOL_STATUS_UNKNOWN
    OK = _c.LSM_POOL_STATUS_OK
    OTHER = _c.LSM_POOL_STATUS_OTHER
    DEGRADED = _c.LSM_POOL_STATUS_DEGRADED
    ERROR = _c.LSM_POOL_STATUS_ERROR
    STOPPED = _c.LSM_POOL_STATUS_STOPPED
    RECONSTRUCTING = _c.LSM_POOL_STATUS_RECONSTRUCTING
    VERIFYING = _c.LSM_POOL_STATUS_VERIFYING
    INITIALIZING = _c.LSM_POOL_STATUS_INITIALIZING
    GROWING = _c.LSM_POOL_STATUS_GROWING


class PoolElementType(IntFlag):
    """What can be made in a pool."""

    POOL = _c.LSM_POOL_ELEMENT_TYPE_POOL
    VOLUME = _c.LSM_POOL_ELEMENT_TYPE_VOLUME
    FS = _c.LSM_POOL_ELEMENT_TYPE_FS
    DELTA = _c.LSM_POOL_ELEMENT_TYPE_DELTA
    VOLUME_FULL = _c.LSM_POOL_ELEMENT_TYPE_VOLUME_FULL
    VOLUME_THIN = _c.LSM_POOL_ELEMENT_TYPE_VOLUME_THIN
    SYS_RESERVED = _c.LSM_POOL_ELEMENT_TYPE_SYS_RESERVED


class PoolUnsupported(IntFlag):
    """What cannot be done to volumes in a pool."""

    VOLUME_GROW = _c.LSM_POOL_UNSUPPORTED_VOLUME_GROW
    VOLUME_SHRINK = _c.LSM_POOL_UNSUPPORTED_VOLUME_SHRINK


class Extent(NamedTuple):
    """A run of bytes of one kind."""

    offset: int
    length: int
    kind: ExtentKind


@dataclass(frozen=True, slots=True)
class System:
    """Who offers pools."""

    id: str
    name: str
    status: SystemStatus

    @classmethod
    def _of(cls, record: object) -> Self:
        return cls(
            _c.lsm_system_id_get(record),
            _c.lsm_system_name_get(record),
            SystemStatus(_c.lsm_system_status_get(record)),
        )


def error_code(number: int) -> int:
    """An ErrorCode where the number has a name, else the number."""
    try:
        return ErrorCode(number)
    except ValueError:
        return number


def moment(milliseconds: int) -> datetime | None:
    """A point in time of a record; None where it has none."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
