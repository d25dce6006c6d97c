"""Batch after batch of a CSV file of 1 GB: `for batch in scan_csv(file)`, and peers.

`.venv/bin/python bench/cursor.py [--rows N] [--threads N] [--rounds N] [--only headrace polars]`
prints, for each engine in fresh processes, in turn, the least seconds, and CPU seconds, from
opening the file to the last batch, and the most resident memory. Each batch is looked at: a
column of it is summed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pyarrow as pa
import pyarrow.compute as pc
from harness import data, measure

Scan = Callable[[Path, int], Iterator[pa.RecordBatch]]


def headrace(path: Path, threads: int) -> Iterator[pa.RecordBatch]:
    import headrace

    for batch in headrace.Session(threads=threads).scan_csv(path):
        yield pa.record_batch(batch)


def duckdb(path: Path, threads: int) -> Iterator[pa.RecordBatch]:
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    yield from connection.sql(f"FROM read_csv('{path}')").to_arrow_reader(16384)


def polars(path: Path, threads: int) -> Iterator[pa.RecordBatch]:
    import polars

    for frame in polars.scan_csv(path).collect_batches(engine="streaming"):
        yield from frame.to_arrow().to_batches()


def pyarrow(path: Path, threads: int) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv

    pa.set_cpu_count(threads)
    yield from pyarrow.csv.open_csv(path)


def datafusion(path: Path, threads: int) -> Iterator[pa.RecordBatch]:
    import datafusion

    config = datafusion.SessionConfig().with_target_partitions(threads)
    for batch in datafusion.SessionContext(config).read_csv(str(path)).execute_stream():
        yield batch.to_pyarrow()


ENGINES: dict[str, Scan] = {
    engine.__name__: engine for engine in (headrace, duckdb, polars, pyarrow, datafusion)
}


def one_run(engine: str, path: Path, threads: int) -> dict[str, float]:
    os.environ["POLARS_MAX_THREADS"] = os.environ["TOKIO_WORKER_THREADS"] = str(threads)
    importlib.import_module(engine)
    start, cpu = time.perf_counter(), time.process_time()
    rows = total = 0
    for batch in ENGINES[engine](path, threads):
        rows += batch.num_rows
        total += pc.sum(batch["v1"]).as_py() or 0
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = measure.peak_mib()
    return {"seconds": seconds, "cpu": cpu, "peak_mib": peak, "rows": rows, "total": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = data.file("groups", options.rows, "csv")
    if options.run:
        print(json.dumps(one_run(options.run, path, options.threads)))
        return
    runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in options.only}
    for _ in range(options.rounds):
        for engine, figures in runs.items():
            words = ["--rows", options.rows, "--threads", options.threads, "--run", engine]
            command = [sys.executable, __file__, *map(str, words)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            figures.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{path.stat().st_size / 1e9:.2f} GB, {options.threads} threads")
    for engine, figures in runs.items():
        seconds, cpu = (min(f[name] for f in figures) for name in ("seconds", "cpu"))
        peak = max(f["peak_mib"] for f in figures)
        answers = sorted({(f["rows"], f["total"]) for f in figures})
        times = f"{seconds:7.2f} s {cpu:7.2f} CPU s"
        print(f"{engine:12} {times} {peak:7.0f} MiB  rows, sum: {answers}")


if __name__ == "__main__":
    main()
