"""Over inputs that are known to be sorted nothing is held but batches, whatever their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

KEYS = 50


def table_of(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "ts": pa.array(np.sort(rng.integers(0, 10**9, rows)), pa.timestamp("us")),
            "k": pa.array([f"key {k}" for k in rng.integers(0, KEYS, rows)]),
            "v": rng.integers(0, 1000, rows),
        }
    )


def peak_of(folder: Path, rows: int, direction: str) -> tuple[int, list[Any]]:
    """Peak memory of a join of two sorted files of `rows` rows, and sums of its answer."""
    paths = [folder / f"{side}-{rows}.parquet" for side in "lr"]
    for seed, path in enumerate(paths):
        if not path.exists():
            hr.from_arrow(table_of(rows, seed)).write(path, row_group_rows=20_000)
    with hr.Session(threads=2, batch_rows=4096) as session:
        left, right = (session.scan(path).assume_sorted("ts") for path in paths)
        joined = left.asof_join(right, on="ts", by="k", direction=direction)
        assert "sort " not in joined.explain()
        seen = [0, 0]
        for batch in joined:
            values = batch["v_right"].to_numpy(zero_copy_only=False)
            seen[0] += batch.num_rows
            seen[1] += int(np.nansum(values))
        metrics = joined.metrics()
        assert metrics["spilled_bytes"] == 0
        return metrics["peak_memory_bytes"], seen


@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_an_asof_join_holds_batches(tmp_path: Path, direction: str) -> None:
    """Four times the rows take no more memory, and far less than the rows themselves."""
    small, _ = peak_of(tmp_path, 200_000, direction)
    large, (rows, total) = peak_of(tmp_path, 800_000, direction)
    assert rows == 800_000
    left, right = (table_of(800_000, seed).to_pandas() for seed in (0, 1))
    right = right.rename(columns={"v": "w"})
    expected = pd.merge_asof(left, right, on="ts", by="k", direction=direction)
    assert total == int(expected["w"].sum())
    assert large < 1.5 * small + (4 << 20)
    assert large < table_of(800_000, 0).nbytes


def merged_peak_of(folder: Path, rows: int, how: str) -> tuple[int, int]:
    """Peak memory of a merge join of two sorted files of `rows` rows, and how many rows it gave."""
    paths = [folder / f"{side}-{rows}.parquet" for side in "lr"]
    for seed, path in enumerate(paths):
        if not path.exists():
            hr.from_arrow(table_of(rows, seed)).write(path, row_group_rows=20_000)
    with hr.Session(threads=2, batch_rows=4096) as session:
        left, right = (session.scan(path).assume_sorted("ts") for path in paths)
        joined = left.join(right, on="ts", how=how, strategy="merge")
        count = sum(batch.num_rows for batch in joined)
        metrics = joined.metrics()
        assert metrics["spilled_bytes"] == 0
        return metrics["peak_memory_bytes"], count


@pytest.mark.parametrize(
    "how", ["inner", "left", "right", "full", "semi", "anti"], ids=lambda how: f"{how} join"
)
def test_a_merge_join_holds_batches(tmp_path: Path, how: str) -> None:
    """Four times the rows take no more memory, and far less than the rows themselves."""
    small, _ = merged_peak_of(tmp_path, 200_000, how)
    large, rows = merged_peak_of(tmp_path, 800_000, how)
    sides = duckdb.connect()
    for seed, side in enumerate("lr"):
        sides.register(side, table_of(800_000, seed))
    sql = f"SELECT count(*) FROM l {how} JOIN r ON l.ts = r.ts"
    assert sides.sql(sql).fetchall() == [(rows,)]
    assert large < 1.5 * small + (4 << 20)
    assert large < table_of(800_000, 0).nbytes


def test_large_sorted_tables_are_merged_unasked() -> None:
    """Groups and sorts by the key behind it take the order as it is."""
    rows = 300_000
    table = pa.table({"k": np.arange(rows) // 3, "v": np.arange(rows)})
    with hr.Session(threads=2) as session:
        sides = [session.from_arrow(table).assume_sorted("k") for _ in range(2)]
        joined = sides[0].join(sides[1], on="k")
        assert "merge_join" in joined.explain()
        assert "sort " not in joined.sort("k").explain()
        groups = joined.aggregate("k", n="count(*)")
        found = pa.Table.from_batches(list(groups))
        assert "sorted_aggregate" in groups.profile()
    assert found["k"].to_pylist() == list(range(rows // 3))
    assert set(found["n"].to_pylist()) == {9}


def test_a_merge_of_rows_that_are_not_sorted_says_how() -> None:
    table = pa.table({"k": [1, 2], "v": [3, 4]})
    left, right = hr.from_arrow(table).assume_sorted("k"), hr.from_arrow(table)
    message = 'the right side is not known to be sorted by "k": put .sort\\("k"\\) in front'
    with pytest.raises(hr.InvalidArgumentError, match=message):
        left.join(right, on="k", strategy="merge")
    falling = hr.from_arrow(table).assume_sorted(hr.col("k").desc())
    with pytest.raises(hr.InvalidArgumentError, match="come in different orders"):
        left.join(falling, on="k", strategy="merge")
    with pytest.raises(hr.InvalidArgumentError, match="needs an equality"):
        left.join(left, on="l.k < r.k", strategy="merge")
    with pytest.raises(hr.InvalidArgumentError, match="strategy"):
        left.join(left, on="k", strategy="sorted")
