"""Parquet pages of every encoding, compression, version and size, against the reader of pyarrow."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

ROWS = 12_000

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def null_masks(rows: int, rng: np.random.Generator) -> dict[str, Mask]:
    """Which rows are null: none, all, some, long runs, and a change in the middle."""
    runs = np.repeat(rng.random(rows // 500 + 1) < 0.5, 500)[:rows]
    return {
        "none": np.zeros(rows, bool),
        "all": np.ones(rows, bool),
        "some": rng.random(rows) < 0.1,
        "most": rng.random(rows) < 0.97,
        "runs": runs,
        "late": np.arange(rows) > rows * 2 // 3,
    }


def values_by_type(rows: int, rng: np.random.Generator) -> dict[str, pa.Array]:
    def integers(low: int, high: int, kind: pa.DataType) -> pa.Array:
        return pa.array(rng.integers(low, high, rows, endpoint=True)).cast(kind)

    micros = rng.integers(-(10**15), 10**15, rows)
    words = [f"wörd {i}" for i in range(37)]
    cents = [Decimal(int(i)).scaleb(-2) for i in rng.integers(-(10**6), 10**6, rows)]
    return {
        "int8": integers(-128, 127, pa.int8()),
        "uint8": integers(0, 255, pa.uint8()),
        "int16": integers(-(2**15), 2**15 - 1, pa.int16()),
        "uint16": integers(0, 2**16 - 1, pa.uint16()),
        "int32": integers(-(2**31), 2**31 - 1, pa.int32()),
        "uint32": integers(0, 2**32 - 1, pa.uint32()),
        "int64": pa.array(rng.integers(-(2**63), 2**63 - 1, rows)),
        "uint64": pa.array(rng.integers(0, 2**64 - 1, rows, dtype=np.uint64)),
        "few": integers(0, 5, pa.int64()),
        "sorted": pa.array(np.arange(rows) * 3 - 7),
        "float": pa.array(rng.normal(size=rows).astype("float32")),
        "double": pa.array(np.where(rng.random(rows) < 0.01, np.nan, rng.normal(size=rows))),
        "bool": pa.array(rng.random(rows) < 0.3),
        "date": integers(-40_000, 40_000, pa.int32()).cast(pa.date32()),
        "time_ms": pa.array(rng.integers(0, 86_400_000, rows).astype("int32"), pa.time32("ms")),
        "time_ns": pa.array(rng.integers(0, 86_400 * 10**9, rows), pa.time64("ns")),
        "at_ms": pa.array(micros // 1000, pa.timestamp("ms", "UTC")),
        "at_us": pa.array(micros, pa.timestamp("us")),
        "decimal9": pa.array(cents, pa.decimal128(9, 2)),
        "decimal18": pa.array(cents, pa.decimal128(18, 2)),
        "decimal30": pa.array(cents, pa.decimal128(30, 2)),
        "fixed": pa.array([rng.bytes(5) for _ in range(rows)], pa.binary(5)),
        "word": pa.array([words[i] for i in rng.integers(0, 37, rows)]),
        "text": pa.array([f"{'x' * int(i % 60)}é{i}" for i in rng.integers(0, 10**9, rows)]),
        "bytes": pa.array([rng.bytes(int(i)) for i in rng.integers(0, 40, rows)], pa.binary()),
    }


def make_table(rows: int, seed: int, masks: tuple[str, ...]) -> pa.Table:
    """Every type under several patterns of nulls."""
    rng = np.random.default_rng(seed)
    patterns = null_masks(rows, rng)
    columns = {}
    pattern = itertools.cycle(masks)
    for name, array in values_by_type(rows, rng).items():
        mask = next(pattern)
        null = pa.scalar(None, array.type)
        columns[f"{name}_{mask}"] = pc.if_else(pa.array(patterns[mask]), null, array)
    return pa.table(columns)


NULLS = ("some", "none", "runs", "late", "most", "all")
TABLE = make_table(ROWS, 1, NULLS)
FULL = make_table(ROWS, 2, ("none",))


def assert_same(got: pa.Table, expected: pa.Table) -> None:
    assert got.column_names == expected.column_names
    assert got.num_rows == expected.num_rows
    got.validate(full=True)
    for name in expected.column_names:
        want, have = expected[name].combine_chunks(), got[name].combine_chunks()
        if have.type != want.type:
            have = have.cast(want.type)
        if pa.types.is_floating(want.type):  # NaN equals itself
            want, have = want.fill_null(-1e30), have.fill_null(-1e30)
            np.testing.assert_array_equal(have.to_numpy(), want.to_numpy(), err_msg=name)
        else:
            assert have.equals(want), name


def delta(table: pa.Table) -> dict[str, str]:
    encodings = {}
    for field in table.schema:
        kind = field.type
        if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
            encodings[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_string(kind) or pa.types.is_binary(kind):
            encodings[field.name] = "DELTA_LENGTH_BYTE_ARRAY"
        elif pa.types.is_floating(kind) or pa.types.is_decimal(kind) or kind == pa.binary(5):
            encodings[field.name] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_boolean(kind):
            encodings[field.name] = "RLE"
    return encodings


SHAPES: list[dict[str, Any]] = [
    {"compression": compression, "data_page_version": version}
    for compression in ("none", "snappy", "zstd", "lz4", "gzip", "brotli")
    for version in ("1.0", "2.0")
] + [
    {"use_dictionary": False},
    {"use_dictionary": False, "data_page_version": "2.0", "compression": "zstd"},
    {"use_dictionary": False, "encoding": "delta"},
    {"use_dictionary": False, "encoding": "delta", "data_page_version": "2.0"},
    {"use_dictionary": False, "encoding": "delta", "data_page_size": 500},
    {"data_page_size": 300, "write_batch_size": 50},
    {"dictionary_pagesize_limit": 500},
    {"dictionary_pagesize_limit": 500, "data_page_size": 2000, "write_batch_size": 100},
    {"row_group_size": 777},
    {"write_page_checksum": True, "write_page_index": True},
    {"store_decimal_as_integer": True},
    {"store_schema": False, "version": "1.0"},
]


@pytest.mark.parametrize("table", [TABLE, FULL], ids=["nulls", "full"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pages_of_pyarrow(tmp_path: Path, table: pa.Table, shape: dict[str, Any]) -> None:
    path = tmp_path / "t.parquet"
    options = dict(shape)
    if options.pop("encoding", None):
        options["column_encoding"] = delta(table)
    pq.write_table(table, path, **options)
    expected = pq.read_table(path)
    for batch_rows in (257, 8192):
        with hr.Session(batch_rows=batch_rows) as session:
            assert_same(session.scan(path).to_arrow(), expected)


@pytest.mark.parametrize("page", [2000, 1 << 20])
@pytest.mark.parametrize("compression", ["lz4", "uncompressed", "snappy", "gzip", "zstd"])
def test_pages_of_polars(tmp_path: Path, compression: Any, page: int) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.from_arrow(TABLE)
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(path, compression=compression, data_page_size=page)
    assert_same(hr.scan(path).to_arrow(), pq.read_table(path))


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("compression", ["snappy", "zstd", "lz4_raw", "uncompressed", "brotli"])
def test_pages_of_duckdb(tmp_path: Path, compression: str, version: str) -> None:
    path = tmp_path / "t.parquet"
    rows = duckdb.from_arrow(TABLE)  # noqa: F841: DuckDB finds it by its name
    duckdb.execute(
        f"COPY rows TO '{path}' (FORMAT parquet, COMPRESSION {compression}, "
        f"PARQUET_VERSION {version}, ROW_GROUP_SIZE 5000)"
    )
    assert_same(hr.scan(path).to_arrow(), pq.read_table(path))


def large_pages(rows: int, seed: int) -> pa.Table:
    """Columns of which a page is larger than what is decompressed of it at a time."""
    rng = np.random.default_rng(seed)
    few = rng.random(rows) < 0.1
    texts = [f"{'ab' * int(i % 40)}é{i}" for i in rng.integers(0, 10**9, rows)]
    long = ["y" * (int(i) * 997 % 300) for i in range(rows)]
    long[rows // 3] = "z" * 3_000_000
    return pa.table({
        "number": pa.array(rng.integers(-(2**63), 2**63 - 1, rows), mask=few),
        "small": pa.array(rng.integers(0, 9, rows)),
        "fixed": pa.array([rng.bytes(5) for _ in range(rows)], pa.binary(5)),
        "money": pa.array(rng.integers(0, 10**9, rows)).cast(pa.decimal128(30, 2)),
        "text": pa.array(texts, mask=few),
        "long": pa.array(long),
    })


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["snappy", "none", "zstd"])
def test_large_pages(tmp_path: Path, compression: str, version: str) -> None:
    path = tmp_path / "t.parquet"
    table = large_pages(150_000, 4)
    pq.write_table(table, path, compression=compression, data_page_version=version,
                   use_dictionary=False, data_page_size=1 << 30, row_group_size=140_000)
    for threads, batch_rows in ((1, 8192), (2, 1000)):
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            rows = session.scan(path)
            assert_same(rows.to_arrow(), table)
            assert_same(rows.select("fixed", "text").to_arrow(), table.select(["fixed", "text"]))
            picked = table.filter(pc.equal(table["small"], 3)).select(["number", "text", "long"])
            condition = f"SELECT number, text, long FROM '{path}' WHERE small = 3"
            assert_same(session.sql(condition).to_arrow(), picked)


def test_large_row_group_is_read_in_ranges(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = make_table(400_000, 3, ("some", "none", "runs"))
    pq.write_table(table, path, row_group_size=1 << 30, data_page_size=50_000)
    for threads in (1, 3):
        with hr.Session(threads=threads) as session:
            assert_same(session.scan(path).to_arrow(), table)
            names = [name for name in table.column_names if name.startswith(("sorted", "text"))]
            assert_same(session.scan(path).select(*names).to_arrow(), table.select(names))


def wanted_rows(table: pa.Table, name: str, rng: random.Random) -> list[tuple[str, pa.Table]]:
    """Conditions in SQL, with their rows as pyarrow finds them."""
    column = table[name]
    value = column[rng.randrange(len(column))].as_py()
    if value is None:
        return [(f"{name} IS NULL", table.filter(pc.is_null(column)))]
    text = f"'{value}'" if isinstance(value, str) else str(value)
    compare = {"=": pc.equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater}
    return [
        (f"{name} {op} {text}", table.filter(function(column, pa.scalar(value, column.type))))
        for op, function in compare.items()
    ]


@pytest.mark.parametrize("page", [700, 1 << 20])
def test_bounds_leave_every_row_that_satisfies_them(tmp_path: Path, page: int) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path, data_page_size=page, write_page_index=True, row_group_size=9_000)
    rng = random.Random(5)
    names = ["int8_some", "sorted_runs", "few_most", "word_runs", "text_late", "int64_none"]
    names = [name for name in TABLE.column_names if name in names or name.startswith("float")]
    for name in names:
        for condition, expected in wanted_rows(TABLE, name, rng):
            got = hr.sql(f"SELECT * FROM '{path}' WHERE {condition}").to_arrow()
            assert_same(got, expected)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for use_dictionary in (True, False):
        # Two halves of a character: valid together, not one by one.
        halves = pa.array([b"ab\xc3", b"\xa9c"] * 50, pa.binary())
        pq.write_table(pa.table({"s": halves}), path, use_dictionary=use_dictionary)
        assert hr.scan(path).to_arrow()["s"].to_pylist() == halves.to_pylist()
        text = pa.Array.from_buffers(pa.string(), len(halves), halves.buffers())
        pq.write_table(pa.table({"s": text}), path, use_dictionary=use_dictionary)
        with pytest.raises(hr.Error, match="not UTF-8"):
            hr.scan(path).to_arrow()
