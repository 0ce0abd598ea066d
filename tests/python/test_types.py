# SPDX-License-Identifier: LGPL-2.1-or-later
"""The vocabulary is complete, and every call has a verb."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest
import replicant
from replicant import _creplicant, types

# What is no member of an enumeration: bits of arguments, libStorageMgmt's second spelling of three
# job states, and its truth values.
NO_MEMBERS = {
    "LSM_CLIENT_FLAG_RSVD",
    "LSM_VOLUME_IO_READ_ONLY",
    "LSM_VOLUME_IO_FUA",
    "LSM_REPLICATION_FORCE",
    "LSM_REPLICATION_DISCARD",
    "LSM_JOB_INPROGRESS",
    "LSM_JOB_COMPLETE",
    "LSM_JOB_ERROR",
    "LSM_CAP_UNSUPPORTED",
    "LSM_CAP_SUPPORTED",
    "LSM_CAPABILITY_UNSUPPORTED",
    "LSM_CAPABILITY_SUPPORTED",
}


def test_every_constant_is_a_member():
    used = Path(types.__file__).read_text()
    constants = {name for name in vars(_creplicant) if name.startswith("LSM_")}
    assert NO_MEMBERS <= constants
    missing = {name for name in constants - NO_MEMBERS if f"_c.{name}\n" not in used}
    assert missing == set()


def test_every_call_is_used():
    """What the library can do, the package can: a call without a caller is a verb forgotten."""
    package = Path(replicant.__file__).parent
    sources = [p for p in package.glob("*.py") if p.name != "creplicant.py"]
    text = "\n".join(p.read_text() for p in sources)
    calls = {name for name in vars(_creplicant) if name.startswith("lsm_")}
    unused = {name for name in calls if f"_c.{name}(" not in text}
    # Those that libStorageMgmt's programs know, where the package uses their successors.
    assert unused == {
        "lsm_volume_replicate",
        "lsm_job_status_get",
        "lsm_job_status_volume_get",
        "lsm_capability_get",
        "lsm_volume_vpd83_verify",
    }


def test_unknown_numbers_are_unknown():
    assert replicant.JobState(99) is replicant.JobState.UNKNOWN
    assert replicant.ReplicationState(99) is replicant.ReplicationState.UNKNOWN
    assert replicant.EventKind(99) is replicant.EventKind.UNKNOWN
    with pytest.raises(ValueError):
        replicant.Capability(999)


def test_everything_public_is_listed():
    public = {
        name
        for name, value in vars(replicant).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("replicant.")
        and isinstance(value, type | enum.EnumMeta) | callable(value)
    }
    assert public <= set(replicant.__all__)
    assert all(hasattr(replicant, name) for name in replicant.__all__)
    assert all(getattr(replicant, name).__doc__ for name in replicant.__all__)


def test_py_typed():
    assert (Path(replicant.__file__).parent / "py.typed").exists()
