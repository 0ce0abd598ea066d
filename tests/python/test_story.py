# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documentation tells is what happens: its examples run, on real data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import replicant
from conftest import MIB, content, pattern, write

ROOT = Path(__file__).parents[2]


def run(*command: object, uri: str) -> str:
    """What a program prints; it must end well."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    ran = subprocess.run(
        [sys.executable, *map(str, command), uri],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", ["story.py", "asyncio_copies.py", "failover.py"])
def test_examples_run_to_their_end(name, uri):
    said = run(ROOT / "examples" / "python" / name, uri=uri)
    assert "DIFFERENT" not in said and "NOT SO" not in said
    with replicant.connect(uri) as conn:
        assert conn.volumes() == []
        assert all(job.state is replicant.JobState.DONE for job in conn.jobs())


def readme_stories() -> list[str]:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(readme_stories())))
def test_readme(number, uri, tmp_path):
    """Each Python block of the README, in a root of its own, with a tenth of the space."""
    story = re.sub(r"dir:///[\w/.-]+", uri, readme_stories()[number]).replace("10 << 30", "1 << 30")
    program = tmp_path / "story.py"
    program.write_text(story, encoding="utf-8")
    run(program, uri=uri)


def test_the_story_of_the_package(conn, tmp_path):
    """The one that the package's own documentation tells."""
    source = conn.create_volume("db", size=16 * MIB)
    with source.open() as io:
        io.pwrite(b"hello", 0)
        io.flush()
    snap = source.clone("db-snap")
    slow = tmp_path / "slow"
    slow.mkdir()
    conn.create_pool("slow", slow)
    job = source.copy("db-copy", pool="slow", key="nightly-7")
    percents = [p.percent for p in job.progress()]
    assert percents == sorted(percents) and percents[-1] == 100
    copy = job.wait(timeout=60)
    write(source, pattern(MIB))
    expected = b"hello" + bytes(16 * MIB - 5)
    assert content(snap) == content(copy) == expected
    assert content(source) == pattern(MIB) + bytes(15 * MIB)
    assert copy.pool().name == "slow"
