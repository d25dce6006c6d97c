"""The 22 queries of TPC-H over small tables, against DuckDB: row for row in the order that they ask
for; with one thread, with several, and in little memory."""

from __future__ import annotations

import decimal
import functools
import re
from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import pyarrow as pa
import pytest
from property.tpch import tables

QUERIES = re.split(r"-- \d+\n", (Path(__file__).parent / "tpch.sql").read_text())[1:]
SETTINGS: list[dict[str, Any]] = [
    {"threads": 1},
    {"threads": 4, "batch_rows": 97},
    {"threads": 2, "memory_limit": "12MiB", "batch_rows": 1000},
]


@functools.lru_cache
def data() -> dict[str, pa.Table]:
    return tables()


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    """Numbers by six digits: the quotient of decimals is a decimal here, a double in DuckDB."""
    columns = [[digits(cell) for cell in column.to_pylist()] for column in table.columns]
    return list(zip(*columns))


def digits(cell: Any) -> Any:
    if isinstance(cell, (int, float, decimal.Decimal)):
        return f"{float(cell):.6g}"
    return cell


@pytest.fixture(scope="module")
def oracle() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, table in data().items():
        connection.register(name, table)
    return connection


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("number", range(1, 23))
def test_query(number: int, settings: dict[str, Any], oracle: duckdb.DuckDBPyConnection) -> None:
    query = QUERIES[number - 1]
    expected = oracle.sql(query).to_arrow_table()
    assert expected.num_rows > 0, "the tables have nothing for this query"
    with hr.Session(**settings) as session:
        answer = session.sql(query, **data()).to_arrow()
    assert answer.column_names == expected.column_names
    assert rows_of(answer) == rows_of(expected)
