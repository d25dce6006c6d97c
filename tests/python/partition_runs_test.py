"""Groups by a key that advances within the others: as DuckDB answers, in the memory of one group a
partition, and with partitions on disk where that is too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

CALLS = "count(*) AS n, sum(v) AS total, min(v) AS least, max(name) AS greatest, min(t) AS begin"
SESSIONS = """
SELECT {keys}, count_if(opens) OVER (PARTITION BY s ORDER BY t ROWS UNBOUNDED PRECEDING) AS session,
       v, name, t
FROM (SELECT *, coalesce(t - lag(t) OVER (PARTITION BY s ORDER BY t) > 5000, true) AS opens FROM x)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200,000 rows in the order of t, a few of each of 60,000 partitions."""
    rng = np.random.default_rng(4)
    rows = 200_000
    keys = rng.integers(0, 60_000, rows)
    table = pa.table(
        {
            "t": pa.array(range(rows), pa.int64()),
            "ts": pa.array(range(0, rows * 1_000_000, 1_000_000), pa.timestamp("us")),
            "s": pa.array([None if k == 7 else f"symbol {k}" for k in keys]),
            "few": pa.array(keys % 11),
            "v": pa.array(rng.integers(0, 1000, rows), mask=rng.random(rows) < 0.1),
            "name": pa.array([f"the name of {k}" for k in keys]),
        }
    )
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    hr.from_arrow(table).write(path, row_group_rows=20_000)
    return path


def answer_of_duckdb(data: Path, sql: str) -> list[Any]:
    return duckdb.connect().execute(sql.replace("FROM x", f"FROM '{data}'")).fetchall()


def check(data: Path, sql: str, spills: bool, **settings: Any) -> None:
    expected = sorted(answer_of_duckdb(data, sql), key=repr)
    with hr.Session(threads=2, **settings) as session:
        cursor = session.sql(sql, x=session.scan(data).assume_sorted("t"))
        assert "one run at a time" in cursor.explain()
        rows = [tuple(row.values()) for batch in cursor for row in batch.to_pylist()]
        assert sorted(rows, key=repr) == expected
        assert (cursor.metrics()["spilled_bytes"] > 0) == spills


@pytest.mark.parametrize("batch_rows", [500, 16384])
@pytest.mark.parametrize("limit", ["8MiB", "256MiB"])
def test_sessions_are_those_of_duckdb(
    data: Path, tmp_path: Path, batch_rows: int, limit: str
) -> None:
    inner = SESSIONS.format(keys="s")
    sql = f"SELECT s, session, {CALLS} FROM ({inner}) AS y GROUP BY s, session"
    check(
        data,
        sql,
        spills=limit == "8MiB",
        memory_limit=limit,
        temp_dir=tmp_path,
        batch_rows=batch_rows,
    )


def test_bars_are_those_of_duckdb(data: Path, tmp_path: Path) -> None:
    sql = f"""SELECT bar, few, {CALLS} FROM (
      SELECT date_trunc('hour', ts) AS bar, few, v, name, t FROM x) AS y GROUP BY bar, few"""
    with hr.Session(threads=2, memory_limit="8MiB", temp_dir=tmp_path) as session:
        ordered = session.scan(data).assume_sorted("ts")
        cursor = session.sql(sql, x=ordered)
        assert "one run at a time" in cursor.explain()
        found = [tuple(row.values()) for batch in cursor for row in batch.to_pylist()]
        assert cursor.metrics()["spilled_bytes"] == 0
    assert sorted(found, key=repr) == sorted(answer_of_duckdb(data, sql), key=repr)


def test_keys_that_all_advance_need_no_table(data: Path) -> None:
    with hr.Session(threads=2) as session:
        ordered = session.scan(data).assume_sorted("ts")
        sql = "SELECT CAST(ts AS DATE) AS day, date_trunc('hour', ts) AS h, count(*) AS n FROM x"
        hours = session.sql(f"{sql} GROUP BY day, h", x=ordered)
        assert "along sorted keys" in hours.explain()
        rows = [tuple(row.values()) for row in hours.to_pylist()]
    assert rows == answer_of_duckdb(data, f"{sql} GROUP BY day, h ORDER BY h")


def test_what_may_come_back_is_a_table_of_groups(data: Path) -> None:
    """A zoned clock goes back, a remainder repeats, another partition has other counts."""
    with hr.Session(threads=2) as session:
        ordered = session.scan(data).assume_sorted("ts")
        for run in [
            "date_trunc('hour', CAST(ts AS TIMESTAMPTZ))",
            "t % 60",
            "count(*) OVER (PARTITION BY s ORDER BY ts ROWS UNBOUNDED PRECEDING)",
        ]:
            inner = f"SELECT few, {run} AS run FROM x"
            sql = f"SELECT few, run, count(*) FROM ({inner}) GROUP BY few, run"
            plan = session.sql(sql, x=ordered).explain()
            assert "one run at a time" not in plan and "along sorted keys" not in plan, run
