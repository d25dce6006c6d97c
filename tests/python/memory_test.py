"""Bounded memory and bounded reading, measured in fresh processes."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fresh_python import run_fresh

MIB = 1 << 20
MEMORY_MAX_MIB = 200
BLOCK_ROWS = 20_000


@pytest.fixture(scope="module")
def size(request: pytest.FixtureRequest) -> int:
    """Bytes of the files: 1 GiB in a slow run."""
    return (1024 if request.config.getoption("--slow") else 100) * MIB


def block_text() -> str:
    """Rows of CSV, one in ten with a quoted line break."""
    rows = []
    for i in range(BLOCK_ROWS):
        note = f"first {i}\nsecond, with a comma" if i % 10 == 0 else f"note {i * 7919 % 1000}"
        rows.append([i, i * 37 % 1001 / 8, f"name-{i % 500}", note])
    lines = []
    for row in rows:
        cells = [f'"{c}"' if "\n" in str(c) else str(c) for c in row]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def big_csv(tmp_path_factory: pytest.TempPathFactory, size: int) -> Iterator[tuple[Path, int]]:
    """A file and the number of its rows."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    block = block_text()
    times = size // len(block) + 1
    with path.open("w") as file:
        file.write("id,x,name,note\n")
        for _ in range(times):
            file.write(block)
    yield path, times * BLOCK_ROWS
    path.unlink()


@pytest.fixture(scope="module")
def big_parquet(tmp_path_factory: pytest.TempPathFactory, size: int) -> Iterator[tuple[Path, int]]:
    path = tmp_path_factory.mktemp("big") / "big.parquet"
    rows, step = 0, 100_000
    schema = pa.schema([("id", pa.int64()), ("noise", pa.binary())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        while rows * 108 < size:
            noise = os.urandom(100 * step)
            cells = [noise[i : i + 100] for i in range(0, len(noise), 100)]
            writer.write_table(pa.table([range(rows, rows + step), cells], schema=schema))
            rows += step
    yield path, rows
    path.unlink()


LOOP = """
import headrace as hr
before = anonymous_mib()
rows = 0
for batch in hr.scan(sys.argv[1]):
    rows += batch.num_rows
tell(rows=rows, peak=peak_mib(), grown=anonymous_mib() - before)
"""


@pytest.mark.memory
def test_a_loop_over_csv_is_bounded(big_csv: tuple[Path, int]) -> None:
    path, rows = big_csv
    facts = run_fresh(LOOP, path, seconds=280)
    assert facts["rows"] == rows
    assert facts["peak"] < MEMORY_MAX_MIB, facts


@pytest.mark.memory
def test_a_loop_over_parquet_is_bounded(big_parquet: tuple[Path, int]) -> None:
    path, rows = big_parquet
    facts = run_fresh(LOOP, path, seconds=280)
    assert facts["rows"] == rows
    assert facts["peak"] < MEMORY_MAX_MIB, facts


def test_rows_are_those_that_python_reads(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("id,x,name,note\n" + block_text())
    facts = run_fresh(LOOP, path)
    with path.open(newline="") as file:
        assert facts["rows"] == sum(1 for _ in csv.reader(file)) - 1


LIMIT = """
import headrace as hr
before = bytes_read()
rows = hr.scan(sys.argv[1]).limit(10).to_arrow().num_rows
taken = bytes_read() - before
before = bytes_read()
shown = len(repr(hr.scan(sys.argv[1])).splitlines())
tell(rows=rows, taken=taken, shown=shown, taken_by_repr=bytes_read() - before)
"""
READ_MAX = 10 * 1000 * 1000


def test_a_limit_reads_little_of_csv(big_csv: tuple[Path, int]) -> None:
    facts = run_fresh(LIMIT, big_csv[0])
    assert facts["rows"] == 10
    assert facts["taken"] < READ_MAX and facts["taken_by_repr"] < READ_MAX, facts


def test_a_limit_reads_little_of_parquet(big_parquet: tuple[Path, int]) -> None:
    facts = run_fresh(LIMIT, big_parquet[0])
    assert facts["rows"] == 10
    assert facts["taken"] < READ_MAX and facts["taken_by_repr"] < READ_MAX, facts


WIDE = """
import headrace as hr
before = bytes_read()
rows = hr.scan(sys.argv[1]).select("id").aggregate(n="count(*)", s="sum(id)").to_pylist()
tell(rows=rows, taken=bytes_read() - before)
"""


def test_a_projection_reads_its_columns(big_parquet: tuple[Path, int]) -> None:
    path, rows = big_parquet
    facts = run_fresh(WIDE, path)
    assert facts["rows"] == [{"n": rows, "s": rows * (rows - 1) // 2}]
    assert facts["taken"] < path.stat().st_size / 5
