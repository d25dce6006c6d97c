"""Over inputs that are known to be sorted nothing is held but batches, whatever their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
