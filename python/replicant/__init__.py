# SPDX-License-Identifier: LGPL-2.1-or-later
"""replicant: clones, copies and mirrors of storage volumes.

    import replicant

    with replicant.connect("dir:///srv/pool") as conn:
        source = conn.create_volume("db", size=10 << 30)
        with source.open() as io:
            io.pwrite(b"hello", 0)
        snap = source.clone("db-snap")          # at once: a Volume
        job = source.copy("db-copy")            # a Job
        for p in job.progress():
            print(f"{p.percent} %")
        copy = job.wait(timeout=60)             # a Volume; or `copy = await job`

Records (Volume, Pool, Job, Replication, System, Event) are facts as they were when they were asked
for, and never change; their verbs act on the thing itself, by its id. What fails raises an Error.
"""

from . import _creplicant as _c
from . import creplicant as _creplicant_classes  # noqa: F401  records learn how they are freed
from .client import Connection, backends, connect
from .errors import (
    Busy,
    Cancelled,
    Damaged,
    Error,
    HasDependents,
    InUse,
    InvalidArgument,
    IOFailure,
    JobCancelled,
    JobFailed,
    NameConflict,
    NoSpace,
    NoStateChange,
    NotFound,
    NotSupported,
    OutcomeUnknown,
    OutOfMemory,
    PermissionDenied,
    PoolNotReady,
    ReadOnly,
    StateError,
    Timeout,
    Unreachable,
)
from .events import Event, Events
from .io import VolumeIO
from .job import Job, Progress
from .pool import Pool
from .replication import Replication
from .types import (
    AdminState,
    Capability,
    ErrorCode,
    EventKind,
    Extent,
    ExtentKind,
    JobKind,
    JobState,
    PoolElementType,
    PoolStatus,
    PoolUnsupported,
    Provision,
    ReplicationState,
    ReplicationType,
    System,
    SystemStatus,
    TargetErrorPolicy,
    VerifyMode,
)
from .volume import Volume

__version__: str = _c.lsm_library_version_get()

__all__ = [
    "AdminState",
    "Busy",
    "Cancelled",
    "Capability",
    "Connection",
    "Damaged",
    "Error",
    "ErrorCode",
    "Event",
    "EventKind",
    "Events",
    "Extent",
    "ExtentKind",
    "HasDependents",
    "IOFailure",
    "InUse",
    "InvalidArgument",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobKind",
    "JobState",
    "NameConflict",
    "NoSpace",
    "NoStateChange",
    "NotFound",
    "NotSupported",
    "OutOfMemory",
    "OutcomeUnknown",
    "PermissionDenied",
    "Pool",
    "PoolElementType",
    "PoolNotReady",
    "PoolStatus",
    "PoolUnsupported",
    "Progress",
    "Provision",
    "ReadOnly",
    "Replication",
    "ReplicationState",
    "ReplicationType",
    "StateError",
    "System",
    "SystemStatus",
    "TargetErrorPolicy",
    "Timeout",
    "Unreachable",
    "VerifyMode",
    "Volume",
    "VolumeIO",
    "__version__",
    "backends",
    "connect",
]
