"""Data sets: generated from fixed seeds, kept as Parquet and CSV below ~/.cache/headrace-bench."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

CACHE = Path(os.environ.get("HEADRACE_BENCH_DATA", Path.home() / ".cache" / "headrace-bench"))
ROWS_PER_GROUP = 1 << 20


def groups(rows: int) -> pa.Table:
    """The group-by table of the h2o.ai benchmark: K = 100, no nulls, not sorted."""
    rng = np.random.default_rng(1)
    few, many = 100, max(rows // 100, 1)

    def words(count: int, digits: int) -> pa.Array:
        names = pa.array([f"id{number:0{digits}}" for number in range(1, count + 1)])
        return names.take(pa.array(rng.integers(0, count, rows)))

    return pa.table(
        {
            "id1": words(few, 3),
            "id2": words(few, 3),
            "id3": words(many, 10),
            "id4": rng.integers(1, few + 1, rows),
            "id5": rng.integers(1, few + 1, rows),
            "id6": rng.integers(1, many + 1, rows),
            "v1": rng.integers(1, 6, rows),
            "v2": rng.integers(1, 16, rows),
            "v3": np.round(rng.uniform(0, 100, rows), 6),
        }
    )


def joined(rows: int) -> pa.Table:
    """The left side of the h2o.ai joins: keys of a small, a medium and a big right side."""
    rng = np.random.default_rng(2)
    sizes = (max(rows // 1_000_000, 10), max(rows // 1000, 10), rows)
    keys = {f"k{at}": rng.integers(0, size * 10 // 9, rows) for at, size in enumerate(sizes, 1)}
    return pa.table({**keys, "v1": rng.uniform(0, 100, rows)})


def right_side(rows: int, size: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"k": rng.permutation(size), "v2": rng.uniform(0, 100, size)})


DATA = {
    "groups": groups,
    "joined": joined,
    "small": lambda rows: right_side(rows, max(rows // 1_000_000, 10), 3),
    "medium": lambda rows: right_side(rows, max(rows // 1000, 10), 4),
    "big": lambda rows: right_side(rows, rows, 5),
}


def file(name: str, rows: int, suffix: str) -> Path:
    """The data set `name` as a file of the format `suffix`; made at the first call."""
    path = CACHE / f"{name}-{rows}.{suffix}"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    table = DATA[name](rows)
    part = path.with_suffix(f".{os.getpid()}.part")
    if suffix == "csv":
        pyarrow.csv.write_csv(table, part, pa.csv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(table, part, row_group_size=ROWS_PER_GROUP, compression="snappy")
    part.rename(path)
    return path
