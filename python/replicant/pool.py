# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools: where volumes live, and take their space from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from . import _creplicant as _c
from .types import PoolElementType, PoolStatus, PoolUnsupported, Provision

if TYPE_CHECKING:
    from .client import Connection
    from .job import Job
    from .volume import Volume


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool, as it was when it was asked for; refresh() asks again."""

    id: str
    name: str
    system_id: str
    total_space: int
    free_space: int
    status: PoolStatus
    status_info: str
    element_type: PoolElementType
    unsupported_actions: PoolUnsupported
    _conn: Connection = field(repr=False, compare=False)
    _record: object = field(repr=False, compare=False)

    @classmethod
    def _of(cls, conn: Connection, record: object) -> Self:
        return cls(
            _c.lsm_pool_id_get(record),
            _c.lsm_pool_name_get(record),
            _c.lsm_pool_system_id_get(record),
            _c.lsm_pool_total_space_get(record),
            _c.lsm_pool_free_space_get(record),
            PoolStatus(_c.lsm_pool_status_get(record)),
            _c.lsm_pool_status_info_get(record),
            PoolElementType(_c.lsm_pool_element_type_get(record)),
            PoolUnsupported(_c.lsm_pool_unsupported_actions_get(record)),
            conn,
            record,
        )

    def refresh(self) -> Pool:
        """The pool as it is now."""
        return self._conn.pool(self.id)

    def volumes(self) -> list[Volume]:
        """The volumes in it."""
        return self._conn.volumes("pool_id", self)

    def create_volume(
        self, name: str, size: int, *, provision: Provision = Provision.DEFAULT
    ) -> Volume:
        """Makes a volume of `size` bytes that reads as zeros."""
        return self._conn.create_volume(name, size, pool=self, provision=provision)

    def check(self) -> Job[None]:
        """Reads all of it through, while it is used, and finds what is damaged.

        The job's wait() returns None if nothing is; else it raises JobFailed, whose cause is a
        Damaged that names the first file and says how many there are. One check a pool: while one
        is under way it is that one's Job."""
        return self._conn._job_of(_c.lsm_pool_check(self._conn._handle, self._record), [])

    def delete(self) -> None:
        """Deletes the pool, which must be empty."""
        _c.lsm_pool_delete(self._conn._handle, self._record)
