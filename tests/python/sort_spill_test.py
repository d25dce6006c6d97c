"""Sorts ten times their budget, row by row as DuckDB gives them, at any number of threads."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import duckdb
import headrace as hr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BUDGET = "4MiB"
ROWS = 300_000  # some 30 MiB
CANCEL_SECONDS = 10  # it takes a tenth of one; a hang would take for ever


def words(rng: random.Random) -> str | None:
    if rng.random() < 0.05:
        return None
    return ("a long beginning " * 6 if rng.random() < 0.5 else "") + str(rng.randrange(5000))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`id` is the number of the row; `rising` is nearly in order, `word` often starts alike."""
    rng = random.Random(4)
    columns = {
        "id": range(ROWS),
        "few": [rng.randrange(10) if rng.random() < 0.9 else None for _ in range(ROWS)],
        "rising": [row // 7 - (rng.random() < 1e-4) * 1000 for row in range(ROWS)],
        "many": [rng.randrange(1 << 60) for _ in range(ROWS)],
        "number": [rng.gauss(0, 1) for _ in range(ROWS)],
        "word": [words(rng) for _ in range(ROWS)],
    }
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=20_000)
    return path


def rows_of(cursor: hr.Cursor) -> list[int]:
    return [row for batch in cursor for row in batch["id"].to_pylist()]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize(
    "order",
    [
        "many",
        "few DESC NULLS FIRST, number",
        "word NULLS LAST",
        "word DESC NULLS FIRST, few NULLS LAST",
        "few NULLS LAST",
        "rising",
        "id",
        "id DESC",
    ],
)
def test_any_order(data: Path, tmp_path: Path, order: str, threads: int) -> None:
    """Ties keep the order of the file."""
    expected = duckdb.execute(f"SELECT id FROM '{data}' ORDER BY {order}, id").fetchall()
    with hr.Session(memory_limit=BUDGET, threads=threads, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        cursor = session.sql(f"SELECT * FROM t ORDER BY {order}")
        assert rows_of(cursor) == [row for (row,) in expected]
        assert cursor.metrics()["spilled_bytes"] > 4 << 20


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("order", ["many", "id", "word NULLS LAST, id DESC"])
def test_many_first_rows(data: Path, tmp_path: Path, order: str, threads: int) -> None:
    query = f"ORDER BY {order} LIMIT 60000 OFFSET 100"
    expected = duckdb.execute(f"SELECT id FROM '{data}' {query}").fetchall()
    with hr.Session(memory_limit=BUDGET, threads=threads, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        assert rows_of(session.sql(f"SELECT * FROM t {query}")) == [row for (row,) in expected]


def test_cancel_while_runs_are_merged(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        cursor = session.sql("SELECT * FROM t ORDER BY many")
        next(iter(cursor))
        start = time.monotonic()
        cursor.close()
        assert time.monotonic() - start < CANCEL_SECONDS
        assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
