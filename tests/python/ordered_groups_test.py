"""Groups of rows that stand together, against loops in Python."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import headrace as hr
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st

SESSIONS = [(1, 1024), (4, 3)]  # threads, batch rows
KEYS = st.none() | st.sampled_from("ab")
CELLS = st.lists(st.tuples(KEYS, st.none() | st.integers(-5, 5)), max_size=30)
Row = dict[str, Any]


def table_of(cells: list[tuple[Any, Any]]) -> pa.Table:
    return pa.table(
        {
            "n": pa.array(range(len(cells)), pa.int64()),
            "k": pa.array([key for key, _ in cells], pa.string()),
            "x": pa.array([x for _, x in cells], pa.int64()),
        }
    )


def runs_of(rows: list[Row]) -> list[list[Row]]:
    return [list(run) for _, run in itertools.groupby(rows, key=lambda row: row["k"])]


def total(run: list[Row]) -> int | None:
    values = [row["x"] for row in run if row["x"] is not None]
    return sum(values) if values else None


@hypothesis.given(CELLS)
def test_runs_of_a_key(cells: list[tuple[Any, Any]]) -> None:
    table = table_of(cells)
    runs = runs_of(table.to_pylist())
    long = [run for run in runs if len(run) > 1]
    for threads, batch_rows in SESSIONS:
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            groups = session.from_arrow(table).group_ordered("k")
            assert groups.rows().to_pylist() == table.to_pylist()
            assert groups.first().to_pylist() == [run[0] for run in runs]
            assert groups.last().to_pylist() == [run[-1] for run in runs]
            sums = groups.aggregate(n="count(*)", s="sum(x)").to_pylist()
            assert sums == [{"n": len(run), "s": total(run)} for run in runs]
            kept = groups.filter("count(*) > 1")
            assert kept.rows().to_pylist() == [row for run in long for row in run]
            assert kept.first().to_pylist() == [run[0] for run in long]
            beside = groups.derive(s="sum(x)").to_pylist()
            assert beside == [{**row, "s": total(run)} for run in runs for row in run]
            flat = groups.flatten().to_pylist()
            numbers = [
                (number, len(run), at + 1)
                for number, run in enumerate(runs, 1)
                for at in range(len(run))
            ]
            names = ("__group_id__", "__group_count__", "__rn__")
            assert [tuple(row[name] for name in names) for row in flat] == numbers
            assert [row["n"] for row in flat] == list(range(len(cells)))


def test_sessions_by_a_gap() -> None:
    """A gap must be greater; a row without a time begins a group, and so does the one behind it."""
    start = datetime.datetime(2024, 1, 1)
    minutes: list[int | None] = [0, 30, 61, None, 70, 75]
    times = [None if m is None else start + datetime.timedelta(minutes=m) for m in minutes]
    rows = hr.from_arrow(pa.table({"ts": pa.array(times, pa.timestamp("us"))}))
    gap = datetime.timedelta(minutes=30)
    groups = rows.group_ordered(starts=hr.col("ts").diff() > gap)
    assert [row["n"] for row in groups.aggregate(n="count(*)").to_pylist()] == [2, 1, 1, 2]


def test_groups_by_several_keys() -> None:
    rows = hr.from_arrow(pa.table({"a": [1, 1, 1, 2], "b": [1, 2, 2, 2]}))
    assert rows.group_ordered("a", "b").first().to_arrow().num_rows == 3
    assert rows.group_ordered(hr.col("a") % 2).aggregate(n="count(*)").to_pylist() == [
        {"n": 3},
        {"n": 1},
    ]
    with pytest.raises(hr.InvalidArgumentError, match="expected keys, or starts"):
        rows.group_ordered()
    with pytest.raises(hr.InvalidArgumentError, match="expected keys, or starts"):
        rows.group_ordered("a", starts="a > 1")
