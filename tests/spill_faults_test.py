"""Each call to the disk, allocation and reservation of every breaker fails once; a disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_every_fault_of_every_breaker(headrace_command: str) -> None:
    tests = Path(headrace_command).parent / "unit" / "sql_test"
    command = [str(tests), "--gtest_filter=*SpillFaultTest*", "--gtest_brief=1"]
    subprocess.run(command, env=os.environ | {"HEADRACE_TEST_ALL": "1"}, check=True)


FULL_DISK = """
import sys
from pathlib import Path

import headrace

session = headrace.Session(threads=2, memory_limit=4 << 20, temp_dir=sys.argv[1])
try:
    session.sql(sys.argv[2]).to_arrow()
except headrace.IoError as error:
    print(error)
print(session.sql("SELECT count(*) AS n FROM range(9)").to_arrow()["n"][0])
files = [path for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
print([path for path in files if path.name != "lock"])
"""
ROWS = "(SELECT range AS id, range * 7919 % 1000000 AS k FROM range(1000000))"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT k, sum(id) AS total, max(id) AS most FROM {ROWS} GROUP BY k",
        f"SELECT k % 30000 AS g, list(id) AS ids, mode(k) AS most FROM {ROWS} GROUP BY g",
        f"SELECT count(DISTINCT k * 3) AS n, count(DISTINCT id * 5) AS m FROM {ROWS}",
    ],
    ids=["new keys", "lists", "distinct"],
)
def test_a_full_disk_is_named(query: str, tmp_path: Path) -> None:
    """A file system of a few pages, mounted for one process."""
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=128k none "$0" && exec "$@"']
    probe = [*mounted, str(tmp_path), "true"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("no file system may be mounted here")
    command = [*mounted, str(tmp_path), sys.executable, "-c", FULL_DISK, str(tmp_path), query]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(lines) == 3, lines
    assert "No space left on device" in lines[0] and "Input/output error" not in lines[0]
    assert str(tmp_path) in lines[0]
    assert lines[1:] == ["9", "[]"]
