# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs that have ended are kept: the last thousand, and those of a week."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
import replicant
from conftest import MIB

DAY_MS = 24 * 3600 * 1000


def age(catalog: Path, days: int, count: int) -> None:
    """So many more jobs like the only one there is, that ended so many days earlier."""
    with contextlib.closing(sqlite3.connect(catalog)) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(job)")]
        [values] = db.execute("SELECT * FROM job").fetchall()
        row = dict(zip(names, values))
        for name in ("created_ms", "started_ms", "finished_ms"):
            row[name] -= days * DAY_MS
        row["key"] = None
        marks = ",".join("?" * len(names))
        for i in range(count):
            row["id"] = f"{i:032x}"
            db.execute(f"INSERT INTO job VALUES ({marks})", list(row.values()))
        db.commit()


@pytest.mark.parametrize(("days", "kept"), [(8, 1000), (6, 1502)])
def test_ended_jobs(root, uri, days, kept):
    with replicant.connect(uri) as conn:
        conn.create_volume("v", MIB).copy("first").wait()
    age(root / "default" / "pool.db", days, 1500)
    with replicant.connect(uri) as conn:
        job = conn.volume("v").copy("last")
        job.wait()
        deadline = time.monotonic() + 30
        while len(conn.jobs()) != kept and time.monotonic() < deadline:
            time.sleep(0.05)
        ids = {job.id for job in conn.jobs()}
        assert len(ids) == kept
        assert job.id in ids
        assert f"{1499:032x}" in ids  # the oldest go first
    with replicant.connect(uri) as conn:
        assert {job.id for job in conn.jobs()} == ids
