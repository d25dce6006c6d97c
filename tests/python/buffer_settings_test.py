"""Settings that bound what aggregates and joins keep in memory, beside memory_limit."""

from __future__ import annotations

from typing import Any

import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

ROWS = 200_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    keys = rng.permutation(ROWS)
    return pa.table({"k": keys, "g": keys % 50_000, "v": np.arange(ROWS)})


def grouped(table: pa.Table, key: str, **settings: Any) -> tuple[dict[Any, Any], int]:
    with hr.Session(threads=2, **settings) as session:
        groups = session.from_arrow(table).aggregate(key, n="count(*)", a=hr.col("v").sum())
        answer = [row for batch in groups for row in batch.to_pylist()]
        rows = {row[key]: (row["n"], row["a"]) for row in answer}
        return rows, groups.metrics()["spilled_bytes"]


@pytest.mark.parametrize("key", ["k", "g"])
def test_groups_past_the_setting_are_written(table: pa.Table, key: str) -> None:
    frame = table.to_pandas().groupby(key)["v"].agg(["size", "sum"])
    expected = {k: (n, a) for k, n, a in frame.itertuples()}
    rows, spilled = grouped(table, key)
    assert rows == expected and spilled == 0
    rows, spilled = grouped(table, key, groupby_buffer_num_rows=10_000)
    assert rows == expected and spilled > 0
    rows, spilled = grouped(table, key, groupby_buffer_num_rows=1_000_000)
    assert rows == expected and spilled == 0


def test_cells_past_the_setting_are_written(table: pa.Table) -> None:
    expected = [{"v": v, "v_right": v} for v in range(ROWS)]
    bounded: dict[str, Any] = {"join_buffer_num_cells": 50_000}
    for settings, spills in [({}, False), (bounded, True)]:
        with hr.Session(threads=2, **settings) as session:
            left, right = session.from_arrow(table), session.from_arrow(table.select(["k", "v"]))
            rows = left.join(right, on="k").select("v", "v_right")
            assert [row for batch in rows for row in batch.to_pylist()] == expected
            assert (rows.metrics()["spilled_bytes"] > 0) == spills


def test_they_are_set_by_sql_and_the_environment(
    table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_GROUPBY_BUFFER_NUM_ROWS", "10000")
    assert grouped(table, "k")[1] > 0
    with hr.Session() as session:
        session.sql("SET join_buffer_num_cells = 123")
        assert session.sql("SHOW join_buffer_num_cells").to_pylist() == [
            {"join_buffer_num_cells": "123"}
        ]
