"""Python objects as tables: held in memory as they are, or read as streams while queries run."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from headrace import _headrace
from headrace.errors import BadDataError, TypeMismatchError

IN_MEMORY = {
    ("pyarrow", "Table"),
    ("pyarrow", "RecordBatch"),
    ("pandas", "DataFrame"),
    ("polars", "DataFrame"),
}


def table_of(data: Any) -> _headrace.Table:
    """`data` as a table; raises BadDataError where its columns cannot be Arrow's."""
    try:
        return table_without_copy(data)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadDataError(
            f"a column of this {type(data).__name__} has no Arrow type: {error}; give it one type"
        ) from error


def table_without_copy(data: Any) -> _headrace.Table:
    """`data` as a table; its columns are not copied.

    Tables of pyarrow, pandas and polars and a dictionary of columns stay in memory and are read by
    all threads. Whatever else offers `__arrow_c_stream__` is read again by every query, a batch at
    a time; a reader (an object with `__next__`) gives its rows to one query only.
    """
    if isinstance(data, Mapping):
        data = pa.table(dict(data))
    if class_of(data) in IN_MEMORY:
        return _headrace.make_table(data)
    if class_of(data) == ("duckdb", "DuckDBPyRelation"):
        schema = pa.RecordBatchReader.from_stream(data.limit(0)).schema
        return _headrace.make_stream_table(data, False, schema)
    if hasattr(data, "scanner") and isinstance(getattr(data, "schema", None), pa.Schema):
        return _headrace.make_stream_table(DatasetStreams(data), False, data.schema)
    if hasattr(data, "__arrow_c_stream__"):
        return stream_table_of(data)
    if hasattr(data, "__arrow_c_array__"):
        return _headrace.make_table(data)
    raise TypeMismatchError(refusal(data))


def stream_table_of(data: Any) -> _headrace.Table:
    """What offers `__arrow_c_stream__`, of a class that nothing is known of."""
    reads_once = hasattr(data, "__next__")
    schema = data if hasattr(data, "__arrow_c_schema__") and not reads_once else None
    return _headrace.make_stream_table(data, reads_once, schema)


def class_of(data: Any) -> tuple[str, str]:
    """(package, class name), without importing the package."""
    return type(data).__module__.split(".")[0].lstrip("_"), type(data).__name__


def refusal(data: Any) -> str:
    """Why `data` is no table, and what to do."""
    message = (
        "expected a table (pyarrow, pandas, polars, DuckDB, a dictionary of columns, or anything "
        f"with __arrow_c_stream__), got {type(data).__name__}"
    )
    if hasattr(data, "collect"):
        return message + "; collect it first: .collect()"
    if hasattr(data, "__next__"):
        return message + (
            "; record batches become one by pyarrow.RecordBatchReader.from_batches(schema, batches)"
        )
    if isinstance(data, (list, tuple)):
        return message + "; rows become a table by pyarrow.Table.from_pylist(rows)"
    if isinstance(data, (int, float, bytes, datetime.date)):
        return message + "; values for ? and $name are params: sql(query, [value])"
    if isinstance(data, str):
        return message + (
            "; files become tables by headrace.scan(path); values for ? and $name are params: "
            "sql(query, [value])"
        )
    return message


class DatasetStreams:
    """A pyarrow dataset, which makes a new reader whenever a stream is asked for."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._dataset.scanner().to_reader().__arrow_c_stream__(requested_schema)
