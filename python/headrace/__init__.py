"""headrace: an engine for ordered tables larger than memory and for streams, on Apache Arrow.

    import headrace as hr

    for batch in hr.scan_csv("flights.csv"):
        ...
    hr.sql("SELECT origin, count(*) AS n FROM 'flights.csv' GROUP BY origin").to_pandas()
    job = hr.stream.run("app.sql")

Module functions use one session that is made when first needed; `Session` makes others.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import pyarrow  # noqa: F401  # its libarrow is the one the engine uses

from headrace import functions, names, stream
from headrace.cursor import Cursor
from headrace.errors import (
    BadDataError,
    CallbackError,
    CancelledError,
    DivisionByZeroError,
    Error,
    InternalError,
    InvalidArgumentError,
    IoError,
    MemoryLimitError,
    NotFoundError,
    OverflowError,
    StaleInputError,
    SyntaxError,
    TypeMismatchError,
    UnknownNameError,
    UnsupportedError,
)
from headrace.expr import Expr, SortKey, call, col, lit, sql_expr, when
from headrace.session import Paths, Session, default_session

try:
    __version__ = version("headrace")
except PackageNotFoundError:  # a build tree
    __version__ = "0.0.0+build"


def sql(
    query: str, /, params: Sequence[Any] | Mapping[str, Any] | None = None, **tables: Any
) -> Cursor:
    """`Session.sql` of the default session."""
    return default_session().sql(query, params, **tables)


def scan(path: Paths, *, format: str | None = None, **options: Any) -> Cursor:
    """`Session.scan` of the default session."""
    return default_session().scan(path, format=format, **options)


def scan_csv(path: Paths, **options: Any) -> Cursor:
    """`Session.scan_csv` of the default session."""
    return default_session().scan_csv(path, **options)


def scan_parquet(path: Paths, **options: Any) -> Cursor:
    """`Session.scan_parquet` of the default session."""
    return default_session().scan_parquet(path, **options)


def scan_json(path: Paths, **options: Any) -> Cursor:
    """`Session.scan_json` of the default session."""
    return default_session().scan_json(path, **options)


def scan_ipc(path: Paths, **options: Any) -> Cursor:
    """`Session.scan_ipc` of the default session."""
    return default_session().scan_ipc(path, **options)


def from_arrow(data: Any) -> Cursor:
    """`Session.from_arrow` of the default session."""
    return default_session().from_arrow(data)


def register(name: str, data: Any) -> None:
    """`Session.register` of the default session."""
    default_session().register(name, data)


def table(name: str) -> Cursor:
    """`Session.table` of the default session."""
    return default_session().table(name)


def tables() -> list[str]:
    """`Session.tables` of the default session: also those that jobs fill, while they run."""
    return default_session().tables()


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        hint = names.advice(name, names.OF_THE_MODULE, __all__)
        if hasattr(functions, name):
            hint = f"; did you mean hr.functions.{name}?"
        raise AttributeError(f"module 'headrace' has no attribute {name!r}{hint}")


__all__ = [
    "BadDataError",
    "CallbackError",
    "CancelledError",
    "Cursor",
    "DivisionByZeroError",
    "Error",
    "Expr",
    "InternalError",
    "InvalidArgumentError",
    "IoError",
    "MemoryLimitError",
    "NotFoundError",
    "OverflowError",
    "Session",
    "SortKey",
    "StaleInputError",
    "SyntaxError",
    "TypeMismatchError",
    "UnknownNameError",
    "UnsupportedError",
    "__version__",
    "call",
    "col",
    "default_session",
    "from_arrow",
    "functions",
    "lit",
    "register",
    "scan",
    "scan_csv",
    "scan_ipc",
    "scan_json",
    "scan_parquet",
    "sql",
    "sql_expr",
    "stream",
    "table",
    "tables",
    "when",
]
