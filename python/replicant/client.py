# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections: from a URI to something that can be asked.

Records hold their connection, so that they have verbs; a connection holds no record. Closing lets
no other call begin, waits for those of other threads, and lets go of the root, whatever is still
referenced. I/O handles outlive it, until their own close.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from . import _creplicant as _c
from .errors import InvalidArgument, NotFound
from .events import Events, Watch
from .job import Job
from .pool import Pool
from .replication import Replication
from .types import (
    Capability,
    ErrorCode,
    Provision,
    ReplicationType,
    System,
    TargetErrorPolicy,
    VerifyMode,
)
from .volume import Volume


def connect(uri: str, password: str | None = None, timeout: float = 30.0) -> Connection:
    """Opens a connection, to be used with `with` or closed with close().

    uri       dir:///srv/pool is a root directory of this machine
    timeout   seconds that calls may wait for locks and for the other side
    """
    return Connection(_c.lsm_connect_password(uri, password, milliseconds(timeout)), uri)


def backends() -> list[str]:
    """What can be connected to, each with its version."""
    found: list[str] = _c.lsm_available_plugins_list(" ")
    return found


def milliseconds(seconds: float) -> int:
    """What the library counts in. Something is never nothing."""
    return max(round(seconds * 1000), 1) if seconds > 0 else 0


class Connection:
    """An open connection. Any number of threads may use it at once."""

    def __init__(self, handle: object, uri: str) -> None:
        """connect() makes it."""
        self._handle = handle
        self._uri = uri
        self._closed = False
        self._lock = threading.Lock()
        self._queues: weakref.WeakSet[Events] = weakref.WeakSet()  # under the lock
        self._watches: dict[asyncio.AbstractEventLoop, Watch] = {}

    # --- Closing

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Closes, once no thread is in a call any more. Again is harmless."""
        self._closed = True
        _c.lsm_connect_close(self._handle)
        with self._lock:
            queues = list(self._queues)
        for queue in queues:
            queue.wake()
        for watch in list(self._watches.values()):
            watch.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Connection {self._uri!r}{' closed' if self._closed else ''}>"

    # --- The connection and its systems

    @property
    def timeout(self) -> float:
        """Seconds that calls may wait for locks and for the other side."""
        ms: int = _c.lsm_connect_timeout_get(self._handle)
        return ms / 1000

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        _c.lsm_connect_timeout_set(self._handle, milliseconds(seconds))

    @property
    def info(self) -> tuple[str, str]:
        """What it talks to: a description and a version, for people."""
        description, version = _c.lsm_plugin_info_get(self._handle)
        return description, version

    def systems(self) -> list[System]:
        """Who offers pools."""
        return [System._of(record) for record in _c.lsm_system_list(self._handle)]

    def capabilities(self, system: System | str | None = None) -> frozenset[Capability]:
        """What a system can do; without one, the first."""
        table = _c.lsm_capabilities(self._handle, self._system_record(system))
        return frozenset(c for c in Capability if _c.lsm_capability_supported(table, c))

    def range_block_size(self, system: System | str | None = None) -> int:
        """How many bytes the blocks have that Volume.replicate_range() counts in."""
        record = self._system_record(system)
        size: int = _c.lsm_volume_replicate_range_block_size(self._handle, record)
        return size

    def _system_record(self, system: System | str | None) -> object:
        wanted = system.id if isinstance(system, System) else system
        for record in _c.lsm_system_list(self._handle):
            if wanted is None or wanted == _c.lsm_system_id_get(record):
                return record
        raise NotFound("no such system", code=ErrorCode.NOT_FOUND_SYSTEM, object=wanted)

    # --- Pools

    def pools(self, key: str | None = None, value: object = None) -> list[Pool]:
        """All pools, or those whose `key` (id, system_id) is `value`."""
        found = _c.lsm_pool_list(self._handle, key, _search(value))
        return [Pool._of(self, record) for record in found]

    def pool(self, name: str) -> Pool:
        """The pool with this id or name."""
        for pool in self.pools("id", name) or self.pools():
            if name in (pool.id, pool.name):
                return pool
        raise NotFound(f"no pool {name!r}", code=ErrorCode.NOT_FOUND_POOL, object=name)

    def create_pool(
        self, name: str, directory: str | os.PathLike[str] | None = None, limit: int = 0
    ) -> Pool:
        """Makes an empty pool: in the root, or in an empty directory of its own.

        limit   bytes that its volumes may take together; 0: what its file system has
        """
        where = None if directory is None else os.fspath(directory)
        return Pool._of(self, _c.lsm_pool_create(self._handle, name, where, limit))

    def _pool_record(self, pool: Pool | str | None) -> object:
        if pool is None:
            return None
        return (self.pool(pool) if isinstance(pool, str) else pool)._record

    # --- Volumes

    def volumes(self, key: str | None = None, value: object = None) -> list[Volume]:
        """All volumes, or those whose `key` (id, system_id, pool_id, name, parent_id) is `value`,
        a text or a record."""
        found = _c.lsm_volume_list(self._handle, key, _search(value))
        return [Volume._of(self, record) for record in found]

    def volume(self, name: str, pool: Pool | str | None = None) -> Volume:
        """The volume with this id or name. A name may be taken once in each pool; where it is
        taken in several, `pool` says which is meant."""
        found = self.volumes("id", name) or self.volumes("name", name)
        if pool is not None:
            pool_id = (self.pool(pool) if isinstance(pool, str) else pool).id
            found = [volume for volume in found if volume.pool_id == pool_id]
        if not found:
            raise NotFound(f"no volume {name!r}", code=ErrorCode.NOT_FOUND_VOLUME, object=name)
        if len(found) > 1:
            raise InvalidArgument(
                f"{len(found)} volumes are named {name!r}",
                code=ErrorCode.INVALID_ARGUMENT,
                object=name,
                hint="say in which pool, or give an id",
            )
        return found[0]

    def create_volume(
        self,
        name: str,
        size: int,
        *,
        pool: Pool | str | None = None,
        provision: Provision = Provision.DEFAULT,
    ) -> Volume:
        """Makes a volume of `size` bytes, rounded up to 4 KiB, that reads as zeros.

        pool   where: a Pool, its name or its id; None: the only one, or the one named "default"
        """
        record = self._default_pool()._record if pool is None else self._pool_record(pool)
        made, job_id = _c.lsm_volume_create(self._handle, record, name, size, provision)
        return self._made(job_id, made)

    def _default_pool(self) -> Pool:
        pools = self.pools()
        if len(pools) == 1:
            return pools[0]
        for pool in pools:
            if pool.name == "default":
                return pool
        raise InvalidArgument(
            f"none of {len(pools)} pools is named 'default'",
            code=ErrorCode.INVALID_ARGUMENT,
            hint="say which pool",
        )

    def _volume_by_id(self, volume_id: str) -> Volume:
        for volume in self.volumes("id", volume_id):
            return volume
        raise NotFound(f"no volume {volume_id}", code=ErrorCode.NOT_FOUND_VOLUME, object=volume_id)

    def _volume_of(self, record: object) -> Volume:
        return Volume._of(self, record)

    def _made(self, job_id: str | None, record: object) -> Volume:
        """What a call has made: at once, or by a job that is waited for."""
        job: Job[Volume] = self._job_of(job_id, [record] if record else [])
        return job.wait()

    # --- Replicating

    def replicate_group(
        self,
        type: ReplicationType,
        pairs: Iterable[tuple[Volume, str]],
        pool: Pool | str | None = None,
        *,
        key: str | None = None,
        interval: float | None = None,
        rate_limit: int = 0,
        verify: VerifyMode = VerifyMode.NONE,
        on_target_error: TargetErrorPolicy = TargetErrorPolicy.DEGRADE,
    ) -> Job[list[Volume]]:
        """Replicates several volumes, each paired with its replicant's name, at one instant: all
        are made or none. Mirrors form a group: what is done to one, or fails at one, happens to all
        of them at one instant. Volume.replicate() tells what the options are."""
        options = self._options(key, interval, rate_limit, verify, on_target_error)
        made, job_id = _c.lsm_volume_group_replicate(
            self._handle,
            self._pool_record(pool),
            type,
            [(volume._record, name) for volume, name in pairs],
            options,
        )
        return self._job_of(job_id, made, many=True)

    def _options(
        self,
        key: str | None,
        interval: float | None,
        rate_limit: int,
        verify: VerifyMode,
        on_target_error: TargetErrorPolicy,
    ) -> object:
        options = _c.lsm_replicate_options_alloc()
        if key is not None:
            _c.lsm_replicate_options_key_set(options, key)
        if interval is not None:
            _c.lsm_replicate_options_interval_set(options, milliseconds(interval))
        _c.lsm_replicate_options_rate_limit_set(options, rate_limit)
        _c.lsm_replicate_options_verify_set(options, verify)
        _c.lsm_replicate_options_on_target_error_set(options, on_target_error)
        return options

    # --- Jobs

    def jobs(self, key: str | None = None, value: object = None) -> list[Job[Any]]:
        """All jobs, those that have ended included, or those whose `key` (id, state, kind,
        volume_id, key) is `value`: a text, a number, or a record."""
        found = _c.lsm_job_list(self._handle, key, _search(value))
        return [Job._of(self, record) for record in found]

    def job(self, job_id: str) -> Job[Any]:
        """The job with this id."""
        return Job._of(self, _c.lsm_job_get(self._handle, job_id))

    def _job_of(self, job_id: str | None, records: list[object], many: bool = False) -> Job[Any]:
        """What a call has begun, or has done at once."""
        if job_id is None:
            return Job._at_once(self, records, many)
        return Job._of(self, _c.lsm_job_get(self._handle, job_id), many)

    # --- Replications

    def replications(self, key: str | None = None, value: object = None) -> list[Replication]:
        """All replications, or those whose `key` (id, type, state, volume_id, source_volume_id,
        target_volume_id, group_id) is `value`: a text, a number, or a record."""
        found = _c.lsm_replication_list(self._handle, key, _search(value), 0)
        return [Replication._of(self, record) for record in found]

    def replication(self, replication_id: str) -> Replication:
        """The replication with this id."""
        return Replication._of(self, _c.lsm_replication_get(self._handle, replication_id, 0))

    def _replication_of(self, job: Job[Volume]) -> Replication:
        """The replication that a job, which may have ended by now, has begun."""
        target = job.target_volume_id or job.wait().id
        for replication in self.replications("target_volume_id", target):
            return replication
        job.wait()
        raise NotFound(
            f"the replication of volume {target} is gone",
            code=ErrorCode.NOT_FOUND_REPLICATION,
            object=target,
        )

    # --- Events

    def events(self, timeout: float | None = None) -> Events:
        """What happens from now on, for `for` and for `async for`; with a timeout iterating ends
        when nothing has happened for so many seconds."""
        return Events(self, timeout)


def _search(value: object) -> str | None:
    """What is searched for, as the library takes it: a record stands for its id, a number for its
    digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(int(value))
    return str(getattr(value, "id", value))
