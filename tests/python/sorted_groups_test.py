"""Groups whose rows come together: as DuckDB answers, in any batch size, in the memory of one."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import headrace as hr
import pyarrow as pa
import pytest

CALLS = {
    **{"n": "count(*)", "c": "count(v)", "s": "sum(v)", "a": "avg(v)", "lo": "min(t)"},
    **{"hi": "max(v)", "f": "first(id)", "l": "last(id)", "m": "median(v)"},
    "d": "count(DISTINCT v)",
}
CELLS = {
    "k": [None, *range(-5, 30)],
    "g": [None, "", "x", "long text " * 3],
    "v": [None, *range(9)],
}


def made(rng: random.Random, rows: int) -> pa.Table:
    cells = {name: [rng.choice(values) for _ in range(rows)] for name, values in CELLS.items()}
    pairs = list(zip(cells["k"], cells["g"], strict=True))
    order = sorted(range(rows), key=lambda i: [(x is None, x) for x in pairs[i]])
    columns = {name: [values[i] for i in order] for name, values in cells.items()}
    return pa.table(
        {
            "id": range(rows),
            "k": pa.array(columns["k"], pa.int64()),
            "g": pa.array(columns["g"], pa.string()),
            "v": pa.array(columns["v"], pa.int64()),
            "t": pa.array([rng.choice(CELLS["g"]) for _ in range(rows)], pa.string()),
        }
    )


@pytest.mark.parametrize("keys", [["k"], ["k", "g"], ["g", "k"]], ids="-".join)
def test_groups_are_those_of_duckdb(keys: list[str]) -> None:
    rng = random.Random(7)
    for rows in [0, 1, 2, 50, 400, 3000]:
        table = made(rng, rows)
        by = ", ".join(keys)
        calls = ", ".join(f"{call} AS {name}" for name, call in CALLS.items())
        peer = duckdb.connect()
        peer.register("t", table)
        sql = f"SELECT {by}, {calls} FROM t GROUP BY {by} ORDER BY {by}"
        expected = peer.sql(sql.replace("first(", "min(").replace("last(", "max(")).fetchall()
        for batch_rows in [1, 3, 64, 16384]:
            with hr.Session(batch_rows=batch_rows, threads=2) as session:
                sorted_rows = session.from_arrow(table).assume_sorted("k", "g")
                found = session.sql(sql, t=sorted_rows).to_arrow().to_pylist()
                assert len(found) == len(expected)
                for row, wanted in zip(found, expected, strict=True):
                    assert tuple(row.values()) == pytest.approx(wanted)


def test_the_plan_says_it() -> None:
    table = made(random.Random(1), 20)
    with hr.Session() as session:
        rows = session.from_arrow(table)
        sorted_rows = rows.assume_sorted("k", "g")
        for by, expected in {"k": True, "g": False, "g, k": True, "k, t": False}.items():
            sql = f"SELECT {by}, sum(v) FROM t GROUP BY {by}"
            assert ("along sorted keys" in session.sql(sql, t=sorted_rows).explain()) == expected
            assert "along sorted keys" not in session.sql(sql, t=rows).explain()


def test_more_groups_than_memory_do_not_spill(tmp_path: Path) -> None:
    """A table of these groups takes some 100 MiB."""
    rows = 1_000_000
    source = tmp_path / "t.parquet"
    table = pa.table({"k": range(rows), "v": [i % 7 for i in range(rows)]})
    hr.from_arrow(table).write(source, row_group_rows=50_000)
    with hr.Session(memory_limit="8MiB", threads=2, temp_dir=tmp_path) as session:
        sorted_rows = session.scan(source).assume_sorted("k")
        groups = sorted_rows.aggregate("k", n="count(*)", s="sum(v)")
        seen = 0
        for batch in groups:
            assert batch["k"].to_pylist() == list(range(seen, seen + batch.num_rows))
            assert batch["s"].to_pylist() == [k % 7 for k in batch["k"].to_pylist()]
            seen += batch.num_rows
        assert seen == rows
        assert groups.metrics()["spilled_bytes"] == 0
