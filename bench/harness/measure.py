"""The process that measures: `measure.py BENCHMARK WORKLOAD ENGINE ROWS THREADS REPEATS`.

Prints one JSON object: seconds of every repeat, peak resident MiB, and what the answer was.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pyarrow.compute as pc
import pyarrow.parquet as pq
from harness import data, engines, workload


def peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def fingerprint(table: Any, ordered: bool) -> list[Any]:
    """Rows, and of each column the nulls and a sum that says what its values are; where `ordered`
    another that says also where they stand."""
    import numpy as np
    import pandas as pd

    figures: list[Any] = [table.num_rows]
    weights = np.arange(1, table.num_rows + 1) / max(table.num_rows, 1)
    for column in table.columns:
        if pc.pa.types.is_timestamp(column.type):
            column = column.cast(pc.pa.timestamp("us")).cast(pc.pa.int64())
        values = column.to_pandas()
        nulls = int(values.isna().sum())
        if column.type in (pc.pa.string(), pc.pa.large_string(), pc.pa.string_view()):
            numbers = pd.util.hash_array(values.to_numpy(dtype=object)).astype(float) / 2.0**64
        else:
            numbers = values.astype(float).fillna(0).to_numpy()
        figures += [nulls, float(numbers.sum())]
        if ordered:
            figures.append(float((numbers * weights).sum()))
    return figures


def looked_at(batches: Iterator[Any], column: str) -> list[Any]:
    """Rows, and the sum of `column`, of batches of which one at a time is held."""
    rows = total = 0
    for batch in batches:
        rows += batch.num_rows
        total += pc.sum(batch.column(column)).as_py() or 0
    return [rows, total]


def open_tables(engine: Any, load: workload.Workload, files: dict[str, Path]) -> None:
    for name, path in files.items():
        if load.medium == "memory":
            engine.open_memory(name, pq.read_table(path))
        else:
            engine.open_file(name, path, load.medium)


def input_files(load: workload.Workload, rows: int) -> dict[str, Path]:
    suffix = "parquet" if load.medium == "memory" else load.medium
    return {table: data.file(source, rows, suffix) for table, source in load.tables.items()}


def run(
    load: workload.Workload, name: str, rows: int, threads: int, repeats: int
) -> dict[str, Any]:
    files = input_files(load, rows)
    engine = engines.CLASSES[name](threads)
    if load.medium == "memory":
        open_tables(engine, load, files)
    sql = load.query(name)
    seconds = []
    for _ in range(repeats):
        folder = Path(tempfile.mkdtemp(prefix="headrace-bench-"))
        target = folder / f"out.{load.writes}"
        start = time.perf_counter()
        if load.medium != "memory":
            open_tables(engine, load, files)
        if load.writes:
            engine.write(sql, target)
        elif load.batch_sum:
            answer = looked_at(engine.batches(sql), load.batch_sum)
        else:
            answer = engine.answer(sql)
        seconds.append(time.perf_counter() - start)
        peak = peak_mib()
        if load.writes:
            answer = engines.read_back(target)
        shutil.rmtree(folder)
    if not load.batch_sum:
        answer = fingerprint(answer, load.ordered)
    return {"seconds": seconds, "peak_mib": peak, "answer": answer}


def main() -> None:
    benchmark, name, engine, rows, threads, repeats = sys.argv[1:]
    load = next(load for load in workload.load(benchmark) if load.name == name)
    print(json.dumps(run(load, engine, int(rows), int(threads), int(repeats))))


if __name__ == "__main__":
    main()
