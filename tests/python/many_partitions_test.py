"""Windows over more partitions than memory has room for, whose rows come in the order of time."""

from __future__ import annotations

from pathlib import Path

import duckdb
import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

BUDGET = "8MiB"
CALLS = {
    "running": "sum(v) OVER (PARTITION BY s ORDER BY t ROWS UNBOUNDED PRECEDING)",
    "mean": "avg(v) OVER (PARTITION BY s ORDER BY t ROWS 2 PRECEDING)",
    "high": "max(v) OVER (PARTITION BY s ORDER BY t ROWS 3 PRECEDING)",
    "number": "row_number() OVER (PARTITION BY s ORDER BY t)",
    "before": "lag(v) OVER (PARTITION BY s ORDER BY t)",
    "text_before": "lag(name) OVER (PARTITION BY s ORDER BY t)",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400,000 rows in the order of t, a few of each of 150,000 partitions."""
    rng = np.random.default_rng(4)
    rows = 400_000
    keys = rng.integers(0, 150_000, rows)
    table = pa.table(
        {
            "t": pa.array(range(rows), pa.int64()),
            "s": pa.array([None if k == 7 else f"symbol {k}" for k in keys]),
            "v": pa.array(rng.integers(0, 1000, rows), mask=rng.random(rows) < 0.1),
            "name": pa.array([f"the name of {k}" for k in keys]),
        }
    )
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    hr.from_arrow(table).write(path, row_group_rows=20_000)
    return path


@pytest.mark.parametrize("batch_rows", [500, 16384])
def test_windows_are_those_of_duckdb(data: Path, tmp_path: Path, batch_rows: int) -> None:
    columns = ", ".join(f"{call} AS {name}" for name, call in CALLS.items())
    sql = f"SELECT t, {columns} FROM x ORDER BY t"
    expected = duckdb.sql(sql.replace("FROM x", f"FROM '{data}'")).to_arrow_table()
    with hr.Session(
        memory_limit=BUDGET, threads=2, temp_dir=tmp_path, batch_rows=batch_rows
    ) as session:
        cursor = session.sql(sql, x=session.scan(data).assume_sorted("t"))
        assert "sort" not in cursor.explain()
        seen = 0
        for batch in cursor:
            wanted = expected.slice(seen, batch.num_rows)
            for name in expected.column_names:
                column = wanted[name].combine_chunks()
                if name == "mean":
                    assert batch[name].to_pylist() == pytest.approx(column.to_pylist()), name
                else:
                    assert batch[name].cast(column.type).equals(column), name
            seen += batch.num_rows
        assert seen == expected.num_rows
        assert cursor.metrics()["spilled_bytes"] > 0
        windows = [line for line in cursor.profile().splitlines() if " window " in line]
        assert any("partitions=32" in line for line in windows), "the buckets of rows on disk"


def test_rolling_times_are_those_of_duckdb(data: Path, tmp_path: Path) -> None:
    """Frames by time, whose states keep the times of their rows."""
    over = "OVER (PARTITION BY s ORDER BY t RANGE BETWEEN 99999 PRECEDING AND CURRENT ROW)"
    calls = {"total": "sum", "high": "max", "middle": "median"}
    columns = ", ".join(f"{call}(v) {over} AS {name}" for name, call in calls.items())
    expected = duckdb.sql(f"SELECT {columns} FROM '{data}' ORDER BY t").to_arrow_table()
    v = hr.col("v").rolling(100_000, on="t")
    rolling = {"total": v.sum(), "high": v.max(), "middle": v.median()}
    with hr.Session(memory_limit=BUDGET, threads=2, temp_dir=tmp_path) as session:
        rows = session.scan(data).assume_sorted("t")
        cursor = rows.select(**{name: value.over("s") for name, value in rolling.items()})
        found = pa.Table.from_batches([batch for batch in cursor])
        assert cursor.metrics()["spilled_bytes"] > 0
    for name in calls:
        assert found[name].to_pylist() == expected[name].to_pylist(), name
