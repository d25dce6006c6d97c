"""Exact quantiles of groups with more values than the budget: as DuckDB answers."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import headrace as hr
import pyarrow as pa
import pytest

ROWS = 150_000
BUDGET = "4MiB"
CALLS = {
    "m": "median(v)",
    "md": "median(x)",
    "mn": "median(d)",
    "q": "quantile_cont(x, 0.37)",
    "lo": "quantile_cont(x, 0)",
    "hi": "quantile_cont(x, 1)",
    "qv": "quantile_disc(v, 0.9)",
    "qt": "quantile_disc(t, 0.5)",
    "n": "count(*)",
    "s": "sum(v)",
    "most": "max(t)",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One group has most rows; there are small ones, and one without values."""
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    rng = random.Random(3)
    keys = [rng.choice([None, 1, 1, 1, 1, 1, 1, 2, 3 + rng.randrange(50)]) for _ in range(ROWS)]
    empty = {17}

    def column(make) -> list:
        return [None if k in empty or rng.random() < 0.05 else make() for k in keys]

    table = pa.table(
        {
            "k": pa.array(keys, pa.int64()),
            "g": pa.array([("even", "odd")[(k or 0) % 2] for k in keys]),
            "v": pa.array(column(lambda: rng.randrange(-1000, 100_000)), pa.int64()),
            "x": pa.array(column(lambda: rng.gauss(0, 1e6)), pa.float64()),
            "d": pa.array(column(lambda: rng.randrange(10**6)), pa.int64()).cast(
                pa.decimal128(20, 0)
            ),
            "t": pa.array(column(lambda: f"text {rng.randrange(40_000):06}"), pa.string()),
        }
    )
    hr.from_arrow(table).write(path, row_group_rows=20_000)
    return path


@pytest.mark.parametrize("by", ["k", "g, k", ""])
def test_quantiles_are_those_of_duckdb(data: Path, tmp_path: Path, by: str) -> None:
    keys = f"{by}, " if by else ""
    groups = f"GROUP BY {by} ORDER BY {by}" if by else ""
    calls = ", ".join(f"{call} AS {name}" for name, call in CALLS.items())
    sql = f"SELECT {keys}{calls} FROM t {groups}"
    peer = sql.replace("FROM t", f"FROM '{data}'").replace("median(d)", "median(d::DOUBLE)")
    expected = duckdb.sql(peer).fetchall()
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        cursor = session.sql(sql, t=session.scan(data))
        found = [row for batch in cursor for row in batch.to_pylist()]
        assert cursor.metrics()["spilled_bytes"] > 0
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        row["mn"] = None if row["mn"] is None else float(row["mn"])
        assert list(row.values()) == pytest.approx(list(wanted))


def test_calls_that_read_the_order_keep_it(data: Path) -> None:
    sql = "SELECT k, median(v) AS m, first(t) AS f FROM t GROUP BY k ORDER BY k"
    with hr.Session(memory_limit=BUDGET) as small, hr.Session() as large:
        answers = [s.sql(sql, t=s.scan(data)).to_arrow() for s in (small, large)]
    assert answers[0].equals(answers[1])


def test_a_group_larger_than_the_budget(tmp_path: Path) -> None:
    rows = 3_000_000
    values = [i * 7919 % rows for i in range(rows)]
    table = pa.table({"k": [i % 2 for i in range(rows)], "v": values})
    source = tmp_path / "t.parquet"
    hr.from_arrow(table).write(source, row_group_rows=50_000)
    expected = duckdb.sql(f"SELECT k, median(v) FROM '{source}' GROUP BY k ORDER BY k").fetchall()
    with hr.Session(memory_limit="8MiB", threads=2, temp_dir=tmp_path) as session:
        sql = "SELECT k, median(v) FROM t GROUP BY k ORDER BY k"
        found = session.sql(sql, t=session.scan(source)).to_arrow().to_pylist()
        assert [tuple(row.values()) for row in found] == expected
        whole = session.sql("SELECT median(v) AS m FROM t", t=session.scan(source))
        assert whole.to_arrow()["m"].to_pylist() == [(rows - 1) / 2]
