"""Ten times the budget: sorts and groups spill, are right, and leave no file behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import headrace as hr
import pyarrow as pa
import pytest
from fresh_python import run_fresh, start_fresh

BUDGET = "4MiB"
ROWS = 400_000  # some 45 MiB
SPILLING: dict[str, Callable[[hr.Cursor], hr.Cursor]] = {
    "sort": lambda t: t.sort("k"),
    "aggregate": lambda t: t.aggregate("name", n="count(*)", s="sum(id)"),
    "join": lambda t: t.join(t.select("id", n="k"), "id"),
    "join without order": lambda t: (
        t.join(t.select("id", n="k"), "id").aggregate("name", n="count(*)", s="sum(n)")
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROWS rows whose keys and names all differ, in no order."""
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    order = [i * 7919 % ROWS for i in range(ROWS)]
    names = [f"{'name ' * 16}{k}" for k in order]
    table = pa.table({"id": range(ROWS), "k": order, "name": names})
    assert hr.from_arrow(table).write(path, row_group_rows=20_000) == ROWS
    return path


def files_in(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sort_past_the_budget(data: Path, tmp_path: Path, threads: int) -> None:
    with hr.Session(memory_limit=BUDGET, threads=threads, temp_dir=tmp_path) as session:
        cursor = session.scan(data).sort("k")
        expected = 0
        for batch in cursor:
            keys = batch["k"].to_pylist()
            assert keys == list(range(expected, expected + len(keys)))
            assert batch["name"][0].as_py().endswith(f" {expected}")
            expected += len(keys)
        assert expected == ROWS
        assert cursor.metrics()["spilled_bytes"] > 4 << 20
        cursor.close()
        assert files_in(tmp_path) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_groups_past_the_budget(data: Path, tmp_path: Path, threads: int) -> None:
    with hr.Session(memory_limit=BUDGET, threads=threads, temp_dir=tmp_path) as session:
        cursor = session.scan(data).aggregate("name", n="count(*)", s="sum(id)")
        groups = total = 0
        for batch in cursor:
            groups += batch.num_rows
            assert set(batch["n"].to_pylist()) == {1}
            total += sum(batch["s"].to_pylist())
        assert (groups, total) == (ROWS, ROWS * (ROWS - 1) // 2)
        assert cursor.metrics()["spilled_bytes"] > 4 << 20
        cursor.close()
        assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", SPILLING)
def test_no_file_is_left_after_cancel(data: Path, tmp_path: Path, name: str) -> None:
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        cursor = SPILLING[name](session.scan(data))
        next(iter(cursor))
        assert files_in(tmp_path) != []
        cursor.close()
        assert files_in(tmp_path) == []
        assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


@pytest.mark.parametrize("name", SPILLING)
def test_no_file_is_left_after_an_error(data: Path, tmp_path: Path, name: str) -> None:
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        late = session.scan(data).derive(id=f"id + 0 * (1 // ({ROWS - 1} - id))")
        with pytest.raises(hr.DivisionByZeroError):
            SPILLING[name](late).to_arrow()
        assert files_in(tmp_path) == []
        assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


SLEEP = """
import time, headrace as hr
session = hr.Session(memory_limit="4MiB", threads=2, temp_dir=sys.argv[2])
cursor = session.scan(sys.argv[1]).sort("k")
next(iter(cursor))
print("spilled", flush=True)
time.sleep(60)
"""


def test_the_next_session_cleans_up_after_a_kill(data: Path, tmp_path: Path) -> None:
    process = start_fresh(SLEEP, data, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "spilled\n"
    assert files_in(tmp_path) != []
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    with hr.Session(memory_limit=BUDGET, threads=1, temp_dir=tmp_path) as session:
        assert sum(batch.num_rows for batch in session.scan(data).sort("k")) == ROWS
        deadline = time.monotonic() + 5
        while files_in(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert files_in(tmp_path) == []


def test_files_of_a_living_session_are_left_alone(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, threads=1, temp_dir=tmp_path) as session:
        cursor = session.scan(data).sort("k")
        first = next(iter(cursor))
        with hr.Session(memory_limit=BUDGET, threads=1, temp_dir=tmp_path) as other:
            other.scan(data).sort("k").limit(1).to_arrow()
        assert first.num_rows + sum(batch.num_rows for batch in cursor) == ROWS


PEAK = """
import threading, time, headrace as hr
session = hr.Session(memory_limit="4MiB", threads=2, temp_dir=sys.argv[2])
before = peak = anonymous_mib()
done = threading.Event()

def sample():
    global peak
    while not done.wait(0.005):
        peak = max(peak, anonymous_mib())

sampler = threading.Thread(target=sample)
sampler.start()
rows = 0
for batch in session.scan(sys.argv[1]).sort("k"):
    rows += batch.num_rows
done.set()
sampler.join()
tell(rows=rows, grown=peak - before)
"""
FLOOR_MIB = 40


@pytest.mark.memory
def test_the_budget_holds(data: Path, tmp_path: Path) -> None:
    facts = run_fresh(PEAK, data, tmp_path)
    assert facts["rows"] == ROWS
    assert facts["grown"] < FLOOR_MIB, facts


def test_what_cannot_spill_says_what_to_raise(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        t = session.scan(data)
        with pytest.raises(hr.MemoryLimitError, match="memory_limit"):
            t.join(t.select("k", "name"), on="k").to_arrow()
        assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_limit_of_the_disk(data: Path, tmp_path: Path) -> None:
    settings = {"memory_limit": BUDGET, "spill_limit": "2MiB", "temp_dir": tmp_path}
    with hr.Session(**settings) as session:  # type: ignore[arg-type]
        with pytest.raises(hr.Error, match="spill_limit"):
            session.scan(data).sort("k").to_arrow()
        assert files_in(tmp_path) == []


def spilled_by_sort(data: Path, tmp_path: Path, **settings: object) -> int:
    with hr.Session(threads=2, temp_dir=tmp_path, **settings) as session:
        cursor = session.scan(data).sort("k")
        assert sum(batch.num_rows for batch in cursor) == ROWS
        return cursor.metrics()["spilled_bytes"]


def test_what_is_spilled_is_compressed_as_the_setting_says(data: Path, tmp_path: Path) -> None:
    sizes = {
        compression: spilled_by_sort(
            data, tmp_path, memory_limit=BUDGET, spill_compression=compression
        )
        for compression in ("none", "lz4", "zstd")
    }
    assert sizes["none"] > 40_000_000
    assert sizes["zstd"] < sizes["lz4"] < sizes["none"] / 2
    with pytest.raises(hr.InvalidArgumentError, match="one of lz4.zstd.none, got"):
        hr.Session(spill_compression="gzip")


def test_a_sort_has_a_budget_of_its_own(data: Path, tmp_path: Path) -> None:
    assert spilled_by_sort(data, tmp_path, memory_limit="1GB") == 0
    spilled = spilled_by_sort(data, tmp_path, memory_limit="1GB", sort_memory_budget="8MiB")
    assert spilled > 4 << 20
    with hr.Session(memory_limit="1GB", temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        session.sql("SET sort_memory_budget = '8MiB'")
        cursor = session.sql("SELECT k FROM t ORDER BY k")
        assert cursor.to_arrow()["k"].to_pylist() == list(range(ROWS))


def test_settings_have_the_names_of_frames_and_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADRACE_SPILL_LIMIT", "3GiB")
    monkeypatch.setenv("HEADRACE_SORT_MEMORY_BUDGET", "256MB")
    with hr.Session() as session:
        assert session.settings["spill_limit"] == 3 << 30
        assert session.settings["sort_memory_budget"] == 256_000_000
        session.sql("SET source_batch_size = 4096")
        session.sql(f"SET spill_dir = '{tmp_path}'")
        assert session.settings["batch_rows"] == 4096
        assert session.settings["temp_dir"] == str(tmp_path)
        assert session.sql("SHOW source_batch_size").to_pylist() == [{"source_batch_size": "4096"}]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_breakers_behind_breakers_have_room(tmp_path: Path, threads: int) -> None:
    count = 120_000
    order = [i * 7919 % count for i in range(count)]
    names = [f"{i:070d}" for i in range(count)]
    t = pa.table({"id": order, "k": [i % (count // 4) for i in order]})
    u = pa.table({"id": order[::-1], "w": [i % 99 for i in order], "name": names})
    sql = (
        "SELECT t.id, sum(u.w) OVER (PARTITION BY t.k ORDER BY t.id)::BIGINT AS s, v.name FROM t"
        " JOIN u ON t.id = u.id JOIN u AS v ON v.id = t.id ORDER BY v.name"
    )
    expected = duckdb.sql(sql).to_arrow_table()
    with hr.Session(memory_limit=BUDGET, threads=threads, temp_dir=tmp_path) as session:
        session.register("t", t)
        session.register("u", u)
        assert session.sql(sql).to_arrow().to_pylist() == expected.to_pylist()
        assert files_in(tmp_path) == []
