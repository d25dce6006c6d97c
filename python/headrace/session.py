"""Session: tables, settings and a memory budget; where queries start."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from headrace import _headrace
from headrace.cursor import Cursor
from headrace.options import option_texts

PathLike = str | os.PathLike[str]


class Session:
    """Queries of one session share its memory budget, threads and tables. Thread safe.

    memory_limit: bytes, or "256MB", "4MiB"; default 60 % of the machine's memory.
    threads: how many rows of work run at once; default the cores this process may use.
    temp_dir: where queries spill; default $TMPDIR or /tmp. spill_limit: bytes on disk at most.
    batch_rows: rows that a source puts in a batch.
    deterministic, seed: for tests, all work on the caller's thread in an order drawn from the seed.
    """

    def __init__(
        self,
        *,
        memory_limit: int | str | None = None,
        threads: int | None = None,
        temp_dir: PathLike | None = None,
        spill_limit: int | str | None = None,
        batch_rows: int | None = None,
        deterministic: bool | None = None,
        seed: int | None = None,
    ) -> None:
        given = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_dir": temp_dir,
            "spill_limit": spill_limit,
            "batch_rows": batch_rows,
            "deterministic": deterministic,
            "seed": seed,
        }
        self._handle = _headrace.open_session(option_texts(given))

    def sql(self, query: str, /, **tables: Any) -> Cursor:
        """The statement `query`. A SELECT runs when its cursor is read; COPY and EXPLAIN run now.

        `tables` are visible to this query alone: cursors, which become part of it, and whatever
        offers Arrow data (pyarrow, pandas, polars, DuckDB).
        """
        plans = {name: self._plan(data) for name, data in tables.items()}
        return Cursor(self._handle.sql(query, plans))

    def scan(self, path: PathLike, *, format: str | None = None, **options: Any) -> Cursor:
        """A file, or the files that a pattern with `*` matches, in order of their names.

        The format follows the extension unless it is given: "csv", "parquet", "arrow_ipc".
        """
        given = option_texts({**options, "format": format})
        return Cursor(self._handle.scan(os.fspath(path), given))

    def scan_csv(self, path: PathLike, **options: Any) -> Cursor:
        """A CSV file or pattern."""
        return self.scan(path, format="csv", **options)

    def scan_parquet(self, path: PathLike, **options: Any) -> Cursor:
        """A Parquet file or pattern."""
        return self.scan(path, format="parquet", **options)

    def scan_ipc(self, path: PathLike, **options: Any) -> Cursor:
        """An Arrow IPC file or pattern."""
        return self.scan(path, format="arrow_ipc", **options)

    def register(self, name: str, data: Any) -> None:
        """Gives `data` a name that queries of this session can use; replaces a table of that name.

        `data` offers Arrow data; a stream is read to its end, into memory. So is a cursor, unless
        it is the scan of a file or table.
        """
        self._handle.register(name, self._table(data))

    def unregister(self, name: str) -> None:
        """Forgets the table `name`."""
        self._handle.unregister(name)

    def table(self, name: str) -> Cursor:
        """The registered table `name`."""
        return Cursor(self._handle.scan_table(self._handle.find_table(name)))

    def tables(self) -> list[str]:
        """Names of the registered tables."""
        return self._handle.table_names()

    def from_arrow(self, data: Any) -> Cursor:
        """A cursor over data in memory that offers Arrow."""
        return Cursor(self._plan(data))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, defaults filled in."""
        return self._handle.settings()

    def close(self) -> None:
        """No further query starts; those that run go on to their end. Idempotent."""
        self._handle.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _plan(self, data: Any) -> _headrace.Plan:
        if isinstance(data, Cursor):
            return data._plan
        return self._handle.scan_table(self._table(data))

    def _table(self, data: Any) -> _headrace.Table:
        if isinstance(data, Cursor):
            scanned = data._plan.scanned_table()
            return _headrace.make_table(data) if scanned is None else scanned
        if isinstance(data, Mapping):
            import pyarrow

            data = pyarrow.table(dict(data))
        return _headrace.make_table(data)


_lock = threading.Lock()
_default: Session | None = None


def default_session() -> Session:
    """The session behind the functions of the module, made when first needed."""
    global _default
    with _lock:
        if _default is None:
            _default = Session()
        return _default


def _forget_after_fork() -> None:
    global _default, _lock
    _default, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
