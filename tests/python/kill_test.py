"""A process that spills is killed at any moment: the next session removes what it left, and the
files of a living one stay."""

from __future__ import annotations

import random
import time
from pathlib import Path

import headrace as hr
import pytest
from fresh_python import start_fresh

BUDGET = "4MiB"
ROWS = 300_000  # some 30 MiB
MOMENT_SECONDS = 1.0  # in which a process is killed after its start
SPILLING = {
    "sort": "SELECT * FROM t ORDER BY name",
    "groups": "SELECT name, count(*) AS n FROM t GROUP BY name",
    "lists": "SELECT k % 90000 AS g, list(id) AS ids FROM t GROUP BY g",
    "join": "SELECT x.id, y.k FROM t AS x JOIN t AS y ON x.name = y.name",
    "window": "SELECT id, lag(name) OVER (PARTITION BY k % 90000 ORDER BY id) AS l FROM t",
    "table": "CREATE OR REPLACE TEMP TABLE kept AS SELECT k, name FROM t",
}
KILLED = """
import headrace as hr
session = hr.Session(memory_limit="4MiB", threads=2, temp_dir=sys.argv[2])
session.register("t", session.scan(sys.argv[1]))
print("started", flush=True)
while True:
    for _ in session.sql(sys.argv[3]):
        pass
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    sql = f"SELECT range AS id, range * 7919 % {ROWS} AS k FROM range({ROWS})"
    rows = hr.sql(f"SELECT id, k, 'the name of ' || repeat('x', 70) || k AS name FROM ({sql})")
    assert rows.write(path, row_group_rows=20_000) == ROWS
    return path


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def kill_at(moment_seconds: float, sql: str, data: Path, temp: Path) -> None:
    with start_fresh(KILLED, data, temp, sql) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(moment_seconds)
        assert process.poll() is None, process.communicate()[1]
        process.kill()


def check(kills: int, name: str, data: Path, temp: Path) -> None:
    moments = random.Random(name)
    settings = {"memory_limit": BUDGET, "threads": 1, "temp_dir": temp}
    with hr.Session(**settings) as living:  # type: ignore[arg-type]
        cursor = living.scan(data).sort("k")
        keys = next(iter(cursor))["k"].to_pylist()
        files = files_in(temp)
        assert len(files) > 1
        for _ in range(kills):
            kill_at(moments.random() * MOMENT_SECONDS, SPILLING[name], data, temp)
            hr.Session(**settings).close()  # type: ignore[arg-type]
            assert files_in(temp) == files
        for batch in cursor:
            keys += batch["k"].to_pylist()
        assert keys == list(range(ROWS))
        cursor.close()
    assert files_in(temp) == set()


@pytest.mark.parametrize("name", SPILLING)
def test_nothing_is_left_of_a_killed_process(name: str, data: Path, tmp_path: Path) -> None:
    check(2, name, data, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", SPILLING)
def test_nothing_is_left_of_many_killed_processes(name: str, data: Path, tmp_path: Path) -> None:
    check(60, name, data, tmp_path)
