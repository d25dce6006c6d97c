"""Streams in memory: what `connector = 'memory'` reads and writes, fed and read from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace import _headrace
from headrace.errors import BadDataError, TypeMismatchError
from headrace.session import Session, default_session


class MemoryStream:
    """The stream of a session that statements call `WITH (connector = 'memory', name = …)`.

    It keeps its rows until it is cleared or the session ends. Thread safe.
    """

    def __init__(self, name: str, session: Session | None = None) -> None:
        chosen = default_session() if session is None else session
        self._handle = _headrace.memory_stream(chosen._handle, name)
        self.name = name

    @property
    def schema(self) -> pa.Schema | None:
        """Names and types of the columns; None before anybody has declared or appended them."""
        return pa.schema(self._handle) if self._handle.is_declared() else None

    def append(self, rows: Any) -> None:
        """Adds rows: dictionaries, or anything with Arrow data; jobs see them at once.

        Values are converted to the columns that the statement has declared, by name; those that a
        row does not have are null. Columns that are not declared are an error.
        """
        self._handle.append(table_for(rows, self.schema))

    def end(self) -> None:
        """Says that no row is appended any more: jobs that read the stream end behind the last."""
        self._handle.end()

    def clear(self) -> None:
        """Makes it a new stream: without rows, columns, an end and faults.

        Raises InvalidArgumentError while a job reads it; one that writes to it fails.
        """
        self._handle.clear()

    def to_arrow(self) -> pa.Table:
        """All rows: those appended, and those that jobs have committed."""
        batches = [pa.record_batch(batch) for batch in self._handle.rows()]
        return pa.Table.from_batches(batches, self.schema or pa.schema([]))

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        rows: list[dict[str, Any]] = self.to_arrow().to_pylist()
        return rows

    def __len__(self) -> int:
        return self._handle.num_rows()

    def __repr__(self) -> str:
        return f"<headrace.stream.MemoryStream {self.name}: {len(self):,} rows>"


def table_for(rows: Any, schema: pa.Schema | None) -> pa.Table:
    """`rows` with the columns of `schema`; None: with their own."""
    try:
        if isinstance(rows, Mapping):
            raise TypeMismatchError(
                "expected rows, as a list of dictionaries or Arrow data, got one dictionary"
            )
        if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
            names = list(dict.fromkeys(name for row in rows for name in row))
            check_names(names, schema)
            return pa.Table.from_pylist(list(rows), schema)
        table = pa.table(rows)
        if schema is None:
            return table
        check_names(table.column_names, schema)
        missing = [name for name in schema.names if name not in table.column_names]
        for name in missing:
            table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadDataError(f"the rows do not fit the columns of the stream: {error}") from error


def check_names(names: Sequence[str], schema: pa.Schema | None) -> None:
    """Raises for a column that the stream does not have."""
    for name in names:
        if schema is not None and name not in schema.names:
            raise TypeMismatchError(
                f"the stream has the columns {', '.join(schema.names)}; got {name!r}"
            )
