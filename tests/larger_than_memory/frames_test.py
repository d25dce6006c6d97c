"""Frames over partitions that are ten times as large as the memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

BUDGET = "4MiB"
ROWS = 250_000
TO_END = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
BY = "PARTITION BY k ORDER BY t"
CALLS = {
    "sum to the end": f"sum(v) OVER ({BY} {TO_END})",
    "least to the end": f"min(v) OVER ({BY} {TO_END})",
    "text to the end": f"max(s) OVER ({BY} {TO_END})",
    "from rows behind": (
        f"sum(v) OVER ({BY} ROWS BETWEEN 3 FOLLOWING AND UNBOUNDED FOLLOWING)"
    ),
    "from rows before": (
        f"count(v) OVER ({BY} ROWS BETWEEN 1000 PRECEDING AND UNBOUNDED FOLLOWING)"
    ),
    "from peers": "sum(v) OVER (PARTITION BY k ORDER BY g RANGE BETWEEN CURRENT ROW AND "
    "UNBOUNDED FOLLOWING)",
    "from a value": "sum(v) OVER (PARTITION BY k ORDER BY g RANGE BETWEEN 5 FOLLOWING AND "
    "UNBOUNDED FOLLOWING)",
    "from groups": "sum(v) OVER (PARTITION BY k ORDER BY g GROUPS BETWEEN 2 FOLLOWING AND "
    "UNBOUNDED FOLLOWING)",
    "all others": f"sum(v) OVER ({BY} {WHOLE} EXCLUDE CURRENT ROW)",
    "all others without order": f"count(v) OVER (PARTITION BY k {WHOLE} EXCLUDE CURRENT ROW)",
    "those before": f"max(v) OVER ({BY} ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)",
    "near ones": f"sum(v) OVER ({BY} ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING "
    "EXCLUDE CURRENT ROW)",
    "of distinct values": "sum(DISTINCT v) OVER (PARTITION BY k)",
    "of distinct texts": "count(DISTINCT s) OVER (PARTITION BY k)",
    "of distinct ones so far": f"sum(DISTINCT v) OVER ({BY})",
    "of distinct texts so far": f"count(DISTINCT s) OVER ({BY} ROWS UNBOUNDED PRECEDING)",
    "of distinct ones near": f"sum(DISTINCT v) OVER ({BY} ROWS BETWEEN 3 PRECEDING AND "
    "3 FOLLOWING)",
    "without peers": f"sum(v) OVER (PARTITION BY k ORDER BY g {WHOLE} EXCLUDE GROUP)",
    "without ties": f"sum(v) OVER (PARTITION BY k ORDER BY g {WHOLE} EXCLUDE TIES)",
    "without peers to the end": "sum(v) OVER (PARTITION BY k ORDER BY g RANGE BETWEEN "
    "CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE GROUP)",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One partition has all but a few of the rows."""
    rng = np.random.default_rng(5)
    table = pa.table(
        {
            "t": rng.permutation(ROWS),
            "g": rng.integers(0, 20_000, ROWS),
            "k": np.where(rng.random(ROWS) < 0.95, 1, rng.integers(0, 40, ROWS)),
            "v": pa.array(rng.integers(-1000, 1000, ROWS), mask=rng.random(ROWS) < 0.1),
            "s": pa.array([f"{n} is a text" + 150 * "." for n in rng.integers(0, 10**9, ROWS)]),
        }
    )
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    hr.from_arrow(table).write(path, row_group_rows=20_000)
    return path


def chunks() -> Iterator[list[str]]:
    """Calls of one order, a few at a time."""
    for order in ("ORDER BY t", "ORDER BY g", "k ROWS", "k)"):
        names = [name for name, call in CALLS.items() if order in call]
        yield from (names[at : at + 3] for at in range(0, len(names), 3))


@pytest.mark.parametrize("names", list(chunks()), ids=", ".join)
def test_frames_are_those_of_duckdb(data: Path, tmp_path: Path, names: list[str]) -> None:
    listed = ", ".join(f"{CALLS[name]} AS {name.replace(' ', '_')}" for name in names)
    sql = f"SELECT t, s, {listed} FROM"
    wanted = duckdb.sql(f"{sql} '{data}' ORDER BY t").to_arrow_table()
    found = np.full((len(names), ROWS), None, object)
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        for batch in session.sql(f"{sql} f", f=session.scan(data)):
            for at in range(len(names)):
                found[at, batch["t"].to_numpy()] = batch[at + 2].to_pylist()
    for at, name in enumerate(names):
        assert found[at].tolist() == wanted[at + 2].to_pylist(), name
