"""Filters over Parquet files of every encoding, against pyarrow's own reader and filter."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import headrace

ROWS = 50_000


def column(kind: str, rng: np.random.Generator, values: int) -> pa.Array:
    numbers = rng.integers(0, values, ROWS)
    if kind == "text":
        return pa.array([f"text {number} " + "é" * (number % 23) for number in numbers])
    if kind == "binary":
        return pa.array([b"\x00\xff" * (number % 9) + b"%d" % number for number in numbers])
    if kind == "bool":
        return pa.array(numbers % 3 == 0)
    if kind == "decimal":
        quarters = [decimal.Decimal(int(number)) / 4 for number in numbers]
        return pa.array(quarters, pa.decimal128(12, 2))
    if kind == "list":
        return pa.array([[int(number)] * (number % 3) for number in numbers])
    types = {
        "int8": pa.int8(),
        "uint16": pa.uint16(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
    }
    width = 100 if kind == "int8" else 1 << 15
    whole = pa.array(numbers % width, pa.int32() if kind == "date" else pa.int64())
    return whole.cast(types[kind])


KINDS = (
    "int8 uint16 int32 int64 float double date timestamp text binary bool decimal list".split()
)


def with_nulls(array: pa.Array, rng: np.random.Generator, share: float) -> pa.Array:
    if share == 0:
        return array
    return pc.if_else(pa.array(rng.random(ROWS) < share), pa.scalar(None, array.type), array)


def table(values: int, nulls: float) -> pa.Table:
    rng = np.random.default_rng(values)
    columns = {kind: with_nulls(column(kind, rng, values), rng, nulls) for kind in KINDS}
    key = np.arange(ROWS) // 100 * 100 + rng.integers(0, 100, ROWS)
    columns["key"] = with_nulls(pa.array(key % 1000), rng, nulls)
    columns["word"] = with_nulls(pa.array([f"w{number % 40:02}" for number in key]), rng, nulls)
    columns["row"] = pa.array(np.arange(ROWS))
    return pa.table(columns)


WRITERS: dict[str, dict[str, Any]] = {
    "dictionary": {},
    "small pages": {"data_page_size": 2000, "compression": "zstd"},
    "dictionary and plain": {"dictionary_pagesize_limit": 4000, "data_page_size": 9000},
    "plain": {"use_dictionary": False, "compression": "none"},
    "version 2": {"data_page_version": "2.0", "data_page_size": 5000},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {
            "int32": "DELTA_BINARY_PACKED",
            "int64": "DELTA_BINARY_PACKED",
            "text": "DELTA_LENGTH_BYTE_ARRAY",
            "binary": "DELTA_BYTE_ARRAY",
            "double": "BYTE_STREAM_SPLIT",
        },
    },
}
FILTERS = {
    "key = 7": pc.field("key") == 7,
    "key < 300": pc.field("key") < 300,
    "key > 990 AND word >= 'w30'": (pc.field("key") > 990) & (pc.field("word") >= "w30"),
    "word = 'w11'": pc.field("word") == "w11",
    '"int64" IS NULL AND key < 100': pc.field("int64").is_null() & (pc.field("key") < 100),
    '"double" < 10.5': pc.field("double") < 10.5,
    "\"text\" >= 'text 9'": pc.field("text") >= "text 9",
    "row >= 20000 AND row < 20003": (pc.field("row") >= 20000) & (pc.field("row") < 20003),
    "row < 0": pc.field("row") < 0,
}


@pytest.mark.parametrize("nulls", [0.0, 0.3, 0.98])
@pytest.mark.parametrize("values", [12, 3000])
def test_filters(tmp_path: Path, values: int, nulls: float) -> None:
    whole = table(values, nulls)
    for name, options in WRITERS.items():
        path = tmp_path / "t.parquet"
        pq.write_table(whole, path, row_group_size=30_000, **options)
        with headrace.Session(threads=2) as session:
            for sql, expression in FILTERS.items():
                got = session.sql(f"SELECT * FROM read_parquet('{path}') WHERE {sql}").to_arrow()
                expected = whole.filter(expression)
                assert got.num_rows == expected.num_rows, (name, sql)
                for field in expected.schema:
                    left = got[field.name].cast(field.type)
                    assert left.equals(expected[field.name]), (name, sql, field.name)


def test_scans_are_in_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(12, 0.0), path)
    with headrace.Session(threads=2) as session:
        query = f"SELECT count(*) AS n FROM read_parquet('{path}') WHERE row < 10"
        lines = session.sql(f"EXPLAIN ANALYZE {query}").to_arrow().column(0).to_pylist()
    scans = [line for text in lines for line in text.splitlines() if "  scan parquet" in line]
    assert any("rows_out=10 time=" in line for line in scans), lines
