"""Windows over partitions that are read in many pieces: as DuckDB answers, in any batch size."""

from __future__ import annotations

import random

import duckdb
import headrace as hr
import numpy
import pyarrow as pa
import pytest

ROWS = 1200
ORDERS = {
    "unique": "ORDER BY o, id",
    "ties": "ORDER BY o",
    "falling": "ORDER BY o DESC NULLS LAST",
    "none": "",
}
ROWS_FRAMES = [
    "ROWS UNBOUNDED PRECEDING",
    "ROWS BETWEEN 5 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN 3 PRECEDING AND 4 FOLLOWING",
    "ROWS BETWEEN 9 PRECEDING AND 4 PRECEDING",
    "ROWS BETWEEN 2 FOLLOWING AND 70 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 3 FOLLOWING",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 30 PRECEDING",
    "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
]
PEER_FRAMES = [
    "",
    "RANGE BETWEEN 4 PRECEDING AND 2 FOLLOWING",
    "RANGE BETWEEN CURRENT ROW AND 3 FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND 3 PRECEDING",
    "RANGE BETWEEN CURRENT ROW AND CURRENT ROW",
    "GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING",
    "GROUPS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
    "GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
]
WHOLE_FRAMES = [
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
]
FRAMES_TO_THE_END = [
    *WHOLE_FRAMES,
    "ROWS BETWEEN 3 PRECEDING AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN 4 PRECEDING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN 4 FOLLOWING AND UNBOUNDED FOLLOWING",
]
AGGREGATES = ["sum(v)", "count(t)", "min(t)", "max(v)", "count(*)", "avg(v)"]
VALUES = ["first_value(t)", "last_value(v)", "nth_value(v, 3)", "last_value(v IGNORE NULLS)"]
NUMBERS = ["row_number()", "lag(t)", "lag(v, 17)", "lead(v, 5, -1)", "lead(t)", "ntile(7)"]
RANKS = ["rank()", "dense_rank()", "percent_rank()", "cume_dist()"]
TOTALS = [
    *AGGREGATES,
    *("count(DISTINCT v)", "max(DISTINCT t)", "sum(DISTINCT v)", "median(v)", "string_agg(t, '')"),
]
ENDS = [
    *("first_value(t)", "last_value(t)", "nth_value(v, 3)", "first_value(v IGNORE NULLS)"),
    *("last_value(v IGNORE NULLS)", "count(*)", "sum(v)"),
]

CALLS = [
    *((call, "unique", frame) for call in AGGREGATES + VALUES for frame in ROWS_FRAMES),
    *((call, "ties", frame) for call in AGGREGATES for frame in PEER_FRAMES),
    *((call, "falling", frame) for call in AGGREGATES for frame in PEER_FRAMES),
    *((call, "unique", "") for call in NUMBERS + RANKS + VALUES),
    *((call, "ties", "") for call in RANKS),
    *((call, "unique", frame) for call in TOTALS for frame in WHOLE_FRAMES),
    *((call, "unique", frame) for call in ENDS for frame in FRAMES_TO_THE_END[:5]),
    *((call, "falling", frame) for call in ENDS[-2:] for frame in FRAMES_TO_THE_END[-3:]),
    *((call, "none", "") for call in TOTALS[:-1] + ["percent_rank()", "cume_dist()", "rank()"]),
]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """One partition has most rows; keys repeat and are null."""
    rng = random.Random(5)
    numbers = list(range(ROWS))
    rng.shuffle(numbers)
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "p": pa.array([rng.choice("aaaaaaab") for _ in numbers]),
            "o": pa.array([rng.choice([None, *range(300)]) for _ in numbers], pa.int64()),
            "v": pa.array([rng.choice([None, *range(50)]) for _ in numbers], pa.int64()),
            "t": pa.array([rng.choice([None, "x", "yy", "a text that is long"]) for _ in numbers]),
        }
    )


def spell(call: str, order: str, frame: str, partition: str) -> str:
    return f"{call} OVER ({partition} {ORDERS[order]} {frame})"


@pytest.mark.parametrize("batch_rows", [7, 256, 16384])
@pytest.mark.parametrize("partition", ["PARTITION BY p", ""], ids=["partitions", "one"])
def test_frames_are_those_of_duckdb(table: pa.Table, batch_rows: int, partition: str) -> None:
    peer = duckdb.connect()
    peer.register("t", table)
    with hr.Session(batch_rows=batch_rows, threads=2) as session:
        session.register("t", table)
        for call, order, frame in CALLS:
            text = spell(call, order, frame, partition)
            sql = f"SELECT id, {text} AS w FROM t ORDER BY id"
            expected = peer.sql(sql).to_arrow_table()["w"].to_pylist()
            found = session.sql(sql).to_arrow()["w"].to_pylist()
            assert found == pytest.approx(expected, nan_ok=True), text


@pytest.mark.parametrize("order", ["unique", "ties"])
def test_calls_beside_each_other(table: pa.Table, order: str) -> None:
    """Calls of one window reach differently far; the rows that any of them looks at are kept."""
    rng = random.Random(11)
    peer = duckdb.connect()
    peer.register("t", table)
    usable = [(call, frame) for call, by, frame in CALLS if by == order]
    with hr.Session(batch_rows=16, threads=2) as session:
        session.register("t", table)
        for _ in range(20):
            chosen = rng.sample(usable, 3)
            texts = [spell(call, order, frame, "PARTITION BY p") for call, frame in chosen]
            columns = ", ".join(f"{text} AS w{i}" for i, text in enumerate(texts))
            sql = f"SELECT id, {columns} FROM t ORDER BY id"
            expected = peer.sql(sql).to_arrow_table().to_pydict()
            found = session.sql(sql).to_arrow().to_pydict()
            for name, values in expected.items():
                assert found[name] == pytest.approx(values, nan_ok=True), texts


def test_a_partition_larger_than_the_budget(tmp_path) -> None:
    """Running and sliding frames hold no partition: 30 MB of one partition under 8 MiB."""
    rows = 600_000
    source = tmp_path / "t.parquet"
    made = pa.table({"o": range(rows), "v": [i * 7919 % 1000 for i in range(rows)]})
    hr.from_arrow(made.append_column("t", pa.array([f"text {i:030}" for i in range(rows)]))).write(
        source, row_group_rows=20_000
    )
    sums = "sum(v) OVER (ORDER BY o) AS running, max(v) OVER (ORDER BY o ROWS 9 PRECEDING) AS high"
    picks = "lead(t) OVER (ORDER BY o) AS next, rank() OVER (ORDER BY o) AS place"
    with hr.Session(memory_limit="8MiB", threads=2, temp_dir=tmp_path) as session:
        session.register("t", session.scan(source))
        total = seen = 0
        for batch in session.sql(f"SELECT o, v, {sums}, {picks} FROM t"):
            for row in batch.slice(0, 50).to_pylist() + batch.slice(batch.num_rows - 1).to_pylist():
                assert row["place"] == row["o"] + 1
                last = row["o"] == rows - 1
                assert row["next"] == (None if last else f"text {row['o'] + 1:030}")
                assert row["high"] == max(
                    i * 7919 % 1000 for i in range(max(0, row["o"] - 9), row["o"] + 1)
                )
            total += sum(batch["v"].to_pylist())
            assert batch["running"][batch.num_rows - 1].as_py() == total
            seen += batch.num_rows
        assert seen == rows


def assert_alike(found: pa.Array, wanted: pa.Array, name: str) -> None:
    if pa.types.is_floating(wanted.type):
        assert numpy.allclose(found, wanted, rtol=1e-12), name
    else:
        assert found.cast(wanted.type).equals(wanted), name


def test_totals_of_a_partition_larger_than_the_budget(tmp_path) -> None:
    """Calls that need the end of a partition spool it: 20 MB of one partition under 8 MiB."""
    rows = 300_000
    few = 1000  # rows of the first partitions, ten each
    source = tmp_path / "t.parquet"
    made = pa.table(
        {
            "p": [i // 10 if i < few else 1_000_000 for i in range(rows)],
            "o": range(rows),
            "v": [i * 7919 % 1000 for i in range(rows)],
            "t": [f"text {i:030}" for i in range(rows)],
        }
    )
    hr.from_arrow(made).write(source, row_group_rows=20_000)
    whole = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    peer = duckdb.connect()
    calls = {
        "total": "sum(v) OVER (PARTITION BY p)",
        "mean": f"avg(v) OVER (PARTITION BY p ORDER BY o {whole})",
        "rows": "count(*) OVER (PARTITION BY p)",
        "high": "max(v) OVER (PARTITION BY p)",
        "different": "count(DISTINCT v) OVER (PARTITION BY p)",
        "first": "first_value(t) OVER (PARTITION BY p ORDER BY o)",
        "last": f"last_value(t) OVER (PARTITION BY p ORDER BY o {whole})",
        "tail": "last_value(v) OVER (PARTITION BY p ORDER BY o ROWS BETWEEN 5 PRECEDING AND "
        "UNBOUNDED FOLLOWING)",
        "before": "first_value(t) OVER (PARTITION BY p ORDER BY o ROWS BETWEEN 2 PRECEDING "
        "AND UNBOUNDED FOLLOWING)",
        "tile": "ntile(7) OVER (PARTITION BY p ORDER BY o)",
        "percent": "percent_rank() OVER (PARTITION BY p ORDER BY o)",
        "dist": "cume_dist() OVER (PARTITION BY p ORDER BY o)",
        "running": "sum(v) OVER (PARTITION BY p ORDER BY o)",
    }
    columns = ", ".join(f"{call} AS {name}" for name, call in calls.items())
    sql = f"SELECT p, o, {columns} FROM t ORDER BY o"
    expected = peer.sql(sql.replace("FROM t", f"FROM '{source}'")).to_arrow_table()
    with hr.Session(memory_limit="8MiB", threads=2, temp_dir=tmp_path) as session:
        session.register("t", session.scan(source))
        seen = 0
        for batch in session.sql(sql):
            wanted = expected.slice(seen, batch.num_rows)
            for name in expected.column_names:
                assert_alike(batch[name], wanted[name].combine_chunks(), name)
            seen += batch.num_rows
        assert seen == rows
