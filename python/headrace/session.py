"""Session: tables, settings and a memory budget; where queries start."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Union

from headrace import _headrace
from headrace.cursor import Cursor
from headrace.errors import Error, InvalidArgumentError, TypeMismatchError
from headrace.expr import one_cell
from headrace.options import option_texts
from headrace.progress import MODES, Progress
from headrace.table_data import table_of

PathLike = Union[str, os.PathLike[str]]
Paths = Union[PathLike, Sequence[PathLike]]


class Session:
    """Queries of one session share its memory budget, threads and tables. Thread safe.

    memory_limit: bytes, or "256MB", "4MiB"; default 60 % of the machine's memory. What does not fit
        is spilled; what cannot be spilled raises MemoryLimitError.
    threads: queries run on so many threads; default the cores this process may use.
    temp_dir: where queries spill; default $TMPDIR or /tmp. spill_limit: bytes on disk at most.
    spill_compression: "lz4" (default), "zstd" or "none".
    sort_memory_budget: bytes of one sort; default memory_limit.
    groupby_buffer_num_rows: groups of an aggregate in memory; past it some are spilled though there
        is memory. join_buffer_num_cells: cells (rows x columns) of the side that a join keeps.
    cache_limit: bytes of cached results, in memory and on disk; default four times memory_limit.
    progress: "auto" shows a bar on a terminal or in a notebook when a whole run (to_arrow,
        to_pandas, to_polars, write…, COPY) takes longer than a second; True always, False never.
    batch_rows: rows that a source puts in a batch, at most 65,536.
    optimizer: False runs queries as they are written; for tests and to compare.
    deterministic, seed: for tests, all work on the caller's thread in an order drawn from the seed.

    Raises InvalidArgumentError for a setting that does not fit. After a fork the child has to make
    a session of its own: using one of the parent raises InvalidArgumentError.
    """

    def __init__(
        self,
        *,
        memory_limit: int | str | None = None,
        threads: int | None = None,
        temp_dir: PathLike | None = None,
        spill_limit: int | str | None = None,
        spill_compression: str | None = None,
        sort_memory_budget: int | str | None = None,
        groupby_buffer_num_rows: int | None = None,
        join_buffer_num_cells: int | None = None,
        cache_limit: int | str | None = None,
        progress: bool | str = "auto",
        batch_rows: int | None = None,
        optimizer: bool | None = None,
        deterministic: bool | None = None,
        seed: int | None = None,
    ) -> None:
        given = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_dir": temp_dir,
            "spill_limit": spill_limit,
            "spill_compression": spill_compression,
            "sort_memory_budget": sort_memory_budget,
            "groupby_buffer_num_rows": groupby_buffer_num_rows,
            "join_buffer_num_cells": join_buffer_num_cells,
            "cache_limit": cache_limit,
            "batch_rows": batch_rows,
            "optimizer": optimizer,
            "deterministic": deterministic,
            "seed": seed,
        }
        if progress not in MODES:
            raise InvalidArgumentError(
                f'progress: expected "auto", True or False, got {progress!r}'
            )
        self._handle = _headrace.open_session(option_texts(given))
        self._handle.set_progress_mode(MODES[progress])

    def sql(
        self,
        query: str,
        /,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        **tables: Any,
    ) -> Cursor:
        """The statement `query`. A SELECT runs when its cursor is read; others run now.

        Several statements are divided by `;`: the cursor is that of the last. `params` are the
        values for `?` and `$1`, in a list, or for `$name`, in a mapping.

        `tables` are visible to this query alone: cursors, which become part of it, and whatever
        offers Arrow data (pyarrow, pandas, polars, DuckDB), which is not copied.

        Raises SyntaxError, UnknownNameError and TypeMismatchError with the line and a caret under
        the place; errors in the data come when the cursor is read.
        """
        if not isinstance(query, str):
            raise TypeMismatchError(f"expected the text of a query, got {type(query).__name__}")
        plans = {name: self._plan(data) for name, data in tables.items()}
        with Progress.of(self._handle.progress_mode()) as progress:
            positional, named = parameter_cells(params)
            return Cursor(self._handle.sql(query, plans, progress, positional, named))

    def scan(self, path: Paths, *, format: str | None = None, **options: Any) -> Cursor:
        """A file, the files that a pattern with `*` matches in order of their names, or a list.

        The format follows the extension unless it is given: "csv", "parquet", "json_lines",
        "arrow_ipc". `options` are those of the format (docs/formats). Reads no rows, but a sample
        of files that have no schema. Raises NotFoundError, IoError, BadDataError.
        """
        given = option_texts({**options, "format": format})
        return Cursor(self._handle.scan(path_list(path), given))

    def scan_csv(self, path: Paths, **options: Any) -> Cursor:
        """CSV files: `delimiter`, `header`, `null`, `columns={"a": "BIGINT"}`, …"""
        return self.scan(path, format="csv", **options)

    def scan_parquet(self, path: Paths, **options: Any) -> Cursor:
        """Parquet files."""
        return self.scan(path, format="parquet", **options)

    def scan_json(self, path: Paths, **options: Any) -> Cursor:
        """JSON lines files: one object a line."""
        return self.scan(path, format="json_lines", **options)

    def scan_ipc(self, path: Paths, **options: Any) -> Cursor:
        """Arrow IPC files, also streams and Feather."""
        return self.scan(path, format="arrow_ipc", **options)

    def register(self, name: str, data: Any) -> None:
        """Gives `data` a name that queries of this session can use; replaces a table of that name.

        `data` offers Arrow data, which is not copied: a stream is read by every query anew. A
        cursor runs into a table, unless it is the scan of a file or table: into memory, and past
        the tables' share of the budget (half of it) into a file of the session.
        """
        self._handle.register(name, self._table(data, name))

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

    def metrics(self) -> dict[str, int]:
        """What the session holds now and has done so far.

        queries_started, queries_running; in bytes memory_limit, memory_bytes (claimed by
        operators, queues and tables), peak_memory_bytes, pool_bytes (of Arrow buffers),
        table_bytes (of tables, in memory), table_disk_bytes, spilled_bytes (by queries that
        have ended); cached_results, cached_bytes (in memory and on disk), cache_hits,
        cache_misses, cache_evictions.
        """
        return self._handle.metrics()

    def clear_cache(self) -> None:
        """Lets the rows of cached cursors go; they are computed anew at the next use."""
        self._handle.clear_cache()

    def close(self) -> None:
        """No further query starts; those that run go on to their end. Idempotent."""
        self._handle.close()

    def __repr__(self) -> str:
        try:
            settings = self.settings
        except Error:
            return "<headrace.Session closed>"
        shown = ", ".join(f"{name}={settings[name]!r}" for name in ("memory_limit", "threads"))
        return f"<headrace.Session {shown}, tables: {', '.join(self.tables()) or 'none'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Session cannot be pickled: every process makes its own hr.Session(…)")

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
        return self._handle.scan_table(table_of(data))

    def _table(self, data: Any, name: str) -> _headrace.Table:
        if not isinstance(data, Cursor):
            return table_of(data)
        scanned = data._plan.scanned_table()
        if scanned is not None:
            return scanned
        if not self._handle.owns(data._plan):
            return _headrace.make_table(data.to_arrow())
        with data._progress() as progress:
            return self._handle.store(data._plan, name, progress)


def parameter_cells(
    params: Sequence[Any] | Mapping[str, Any] | None,
) -> tuple[list[Any], dict[str, Any]]:
    """Values for `?` and `$1`, and for `$name`, as arrays of one cell."""
    if params is None:
        return [], {}
    if isinstance(params, Mapping):
        return [], {name: one_cell(value) for name, value in params.items()}
    if isinstance(params, (list, tuple)):
        return [one_cell(value) for value in params], {}
    raise TypeMismatchError(
        f"params: expected a list, a tuple or a mapping, got {type(params).__name__}"
    )


def path_list(path: Paths) -> list[str]:
    """`path` as the texts of paths."""
    if isinstance(path, (str, os.PathLike)):
        return [os.fspath(path)]
    if isinstance(path, Iterable):
        return [text for part in path for text in path_list(part)]
    raise TypeMismatchError(f"expected a path or a list of paths, got {type(path).__name__}")


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
atexit.register(_headrace.stop_stream_readers)
