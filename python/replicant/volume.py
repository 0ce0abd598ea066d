# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes: block devices that live in a pool, and everything that is done to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from . import _creplicant as _c
from .io import VolumeIO, open_volume
from .types import AdminState, Provision, ReplicationType, TargetErrorPolicy, VerifyMode, moment

if TYPE_CHECKING:
    from .client import Connection
    from .job import Job
    from .pool import Pool
    from .replication import Replication


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume, as it was when it was asked for; refresh() asks again.

    Verbs act on the volume by its id, which is never used again, so an old record will do. Texts
    that a program keeps with a volume are tags: tag(), set_tag().
    """

    id: str
    name: str
    vpd83: str
    system_id: str
    pool_id: str
    block_size: int
    number_of_blocks: int
    admin_state: AdminState
    provision: Provision
    allocated_bytes: int
    """What all its layers take, those that it shares included."""
    exclusive_bytes: int
    """What it alone takes, and a delete would free."""
    depth: int
    """How many layers its data is in."""
    parent_id: str | None
    """The volume that it was cloned from, while it depends on that."""
    created_ms: int
    base_path: str | None
    """Its data as a plain raw image, for tools that read those; None while it has layers."""
    _conn: Connection = field(repr=False, compare=False)
    _record: object = field(repr=False, compare=False)

    @classmethod
    def _of(cls, conn: Connection, record: object) -> Self:
        return cls(
            _c.lsm_volume_id_get(record),
            _c.lsm_volume_name_get(record),
            _c.lsm_volume_vpd83_get(record),
            _c.lsm_volume_system_id_get(record),
            _c.lsm_volume_pool_id_get(record),
            _c.lsm_volume_block_size_get(record),
            _c.lsm_volume_number_of_blocks_get(record),
            AdminState(_c.lsm_volume_admin_state_get(record)),
            Provision(_c.lsm_volume_provision_get(record)),
            _c.lsm_volume_allocated_bytes_get(record),
            _c.lsm_volume_exclusive_bytes_get(record),
            _c.lsm_volume_depth_get(record),
            _c.lsm_volume_parent_id_get(record),
            _c.lsm_volume_created_ms_get(record),
            _c.lsm_volume_base_path_get(record),
            conn,
            record,
        )

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.block_size * self.number_of_blocks

    @property
    def enabled(self) -> bool:
        """Whether it may be written."""
        return self.admin_state is AdminState.ENABLED

    @property
    def created(self) -> datetime | None:
        return moment(self.created_ms)

    def refresh(self) -> Volume:
        """The volume as it is now; NotFound if it is gone."""
        return self._conn._volume_by_id(self.id)

    def open(self, *, read_only: bool = False) -> VolumeIO:
        """Opens it for reading and writing what it holds."""
        return open_volume(self._conn._handle, self._record, self.name, read_only)

    # --- Replicating

    def replicate(
        self,
        type: ReplicationType,
        name: str,
        pool: Pool | str | None = None,
        *,
        key: str | None = None,
        interval: float | None = None,
        rate_limit: int = 0,
        verify: VerifyMode = VerifyMode.NONE,
        on_target_error: TargetErrorPolicy = TargetErrorPolicy.DEGRADE,
    ) -> Job[Volume]:
        """Replicates it: the call as C has it. The Job is already done where no work was left.

        pool        where the replicant goes; None: where this volume is
        key         makes the call safe to repeat: the same key, the same job or volume
        interval    MIRROR_ASYNC: seconds between the instants; 0: only when sync() asks
        rate_limit  bytes per second at most; 0: no bound
        verify      what to do to be sure of what was copied
        """
        conn = self._conn
        options = conn._options(key, interval, rate_limit, verify, on_target_error)
        made, job_id = _c.lsm_volume_replicate_with(
            conn._handle, conn._pool_record(pool), type, self._record, name, options
        )
        return conn._job_of(job_id, [made] if made else [])

    def clone(self, name: str, pool: Pool | str | None = None, *, key: str | None = None) -> Volume:
        """A volume with the data of this instant, at once and at any size; they share what neither
        writes from now on."""
        return self.replicate(ReplicationType.CLONE, name, pool, key=key).wait()

    def copy(
        self,
        name: str,
        pool: Pool | str | None = None,
        *,
        key: str | None = None,
        rate_limit: int = 0,
        verify: VerifyMode = VerifyMode.NONE,
    ) -> Job[Volume]:
        """Copies the data of this instant into a volume that shares nothing with this one, which
        may be written meanwhile."""
        return self.replicate(
            ReplicationType.COPY, name, pool, key=key, rate_limit=rate_limit, verify=verify
        )

    def mirror(
        self,
        name: str,
        pool: Pool | str | None = None,
        *,
        interval: float | None = None,
        key: str | None = None,
        rate_limit: int = 0,
        verify: VerifyMode = VerifyMode.NONE,
        on_target_error: TargetErrorPolicy = TargetErrorPolicy.DEGRADE,
    ) -> Replication:
        """Begins a standing replication. Without an interval every write reaches both sides before
        it is acknowledged; with one the target follows every so many seconds."""
        kind = ReplicationType.MIRROR_SYNC if interval is None else ReplicationType.MIRROR_ASYNC
        job = self.replicate(
            kind,
            name,
            pool,
            key=key,
            interval=interval,
            rate_limit=rate_limit,
            verify=verify,
            on_target_error=on_target_error,
        )
        return self._conn._replication_of(job)

    def replicate_range(
        self,
        target: Volume,
        ranges: Iterable[tuple[int, int, int]],
        type: ReplicationType = ReplicationType.COPY,
    ) -> Job[None]:
        """Replicates ranges of blocks, each (first here, first there, how many), into another
        volume or within this one. Connection.range_block_size() tells how large the blocks are."""
        job_id = _c.lsm_volume_replicate_range(
            self._conn._handle, type, self._record, target._record, list(ranges)
        )
        return self._conn._job_of(job_id, [])

    # --- Changing

    def resize(self, size: int) -> Volume:
        """Gives it another size. What is cut off is lost; what is added reads as zeros."""
        made, job_id = _c.lsm_volume_resize(self._conn._handle, self._record, size)
        return self._conn._made(job_id, made)

    def rename(self, name: str) -> Volume:
        """Gives it another name. Its id stays."""
        record = _c.lsm_volume_rename(self._conn._handle, self._record, name)
        return Volume._of(self._conn, record)

    def delete(self) -> None:
        """Deletes it and what it holds."""
        job_id = _c.lsm_volume_delete(self._conn._handle, self._record)
        if job_id is not None:
            self._conn.job(job_id).wait()

    def enable(self) -> None:
        """Lets it be written again."""
        _c.lsm_volume_enable(self._conn._handle, self._record)

    def disable(self) -> None:
        """Keeps it from being written."""
        _c.lsm_volume_disable(self._conn._handle, self._record)

    def tag(self, key: str) -> str | None:
        """A tag's text, as it was when this record was made; None where there is no such tag."""
        text: str | None = _c.lsm_volume_tag_get(self._record, key)
        return text

    def set_tag(self, key: str, value: str | None) -> None:
        """Sets, changes, or (None) removes a tag; refresh() to see it."""
        _c.lsm_volume_tag_set(self._conn._handle, self._record, key, value)

    # --- What depends on what

    def has_dependents(self) -> bool:
        """Whether something depends on it: a clone, a mirror, a running job."""
        return bool(_c.lsm_volume_child_dependency(self._conn._handle, self._record))

    def detach_dependents(self) -> Job[None]:
        """Makes whatever depends on it independent: clones get their own copy of what they share,
        mirrors are broken."""
        job_id = _c.lsm_volume_child_dependency_delete(self._conn._handle, self._record)
        return self._conn._job_of(job_id, [])

    def parent(self) -> Volume | None:
        """The volume that it was cloned from, while it depends on that."""
        return None if self.parent_id is None else self._conn._volume_by_id(self.parent_id)

    def clones(self) -> list[Volume]:
        """The volumes that were cloned from it and depend on it."""
        return self._conn.volumes("parent_id", self)

    def replications(self) -> list[Replication]:
        """The mirrors that have it at either end."""
        return self._conn.replications("volume_id", self)

    def jobs(self) -> list[Job[object]]:
        """The jobs that read or write it, those that have ended included."""
        return self._conn.jobs("volume_id", self)

    def pool(self) -> Pool:
        """The pool that it lives in."""
        return self._conn.pool(self.pool_id)
