"""Cursor: a query that has not run yet, and the run that is read from it."""

from __future__ import annotations

import datetime
import html
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from headrace import _headrace, names
from headrace.errors import InvalidArgumentError, UnknownNameError
from headrace.expr import (
    Expr,
    CONSTANTS,
    ColumnLike,
    ExprBase,
    SortKey,
    TypeLike,
    as_list,
    call,
    callback,
    col,
    key_tuples,
    lit,
    sort_key,
    sql_expr,
    type_of,
)
from headrace.options import option_texts
from headrace.ordered_groups import OrderedGroups, numbered
from headrace.progress import Progress, Silence
from headrace.row_patterns import PatternMethods
from headrace.sequence import span_of
from headrace.sequence_tables import SequenceTableMethods
from headrace.table_data import table_of
from headrace.text_table import draw, draw_html

if TYPE_CHECKING:
    import pandas
    import polars
    from typing_extensions import Never

ROWS_SHOWN = 10

Named = list[tuple[_headrace.Expression, str]]


class Cursor(PatternMethods, SequenceTableMethods):
    """A lazy query. Nothing runs until rows are asked for.

    `for batch in cursor`, `next` and `fetch` read one run from its first row to its last; a loop
    over a cursor that was read to its end runs the query again. `to_arrow`, `to_pandas`,
    `to_polars`, `__arrow_c_stream__`, `write` and `repr` are runs of their own and leave it alone.
    The methods `filter` … `apply` give new cursors. One thread at a time may read; `cancel` may
    come from any.
    """

    def __init__(self, plan: _headrace.Plan) -> None:
        self._plan = plan
        self._run: _headrace.Run | None = None
        self._done = False
        self._rest: pa.RecordBatch | None = None
        self._runs: weakref.WeakSet[_headrace.Run] = weakref.WeakSet()

    # -- what it is

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns; nothing runs."""
        return pa.schema(self._plan)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema.names)

    def explain(self, analyze: bool = False) -> str:
        """The plan after optimization, a node a line; `analyze` runs it and adds its figures."""
        return self._plan.explain(analyze)

    def __repr__(self) -> str:
        """The first ten rows in a box; the query runs for these and no more."""
        try:
            types, rows, footer = self._preview()
        except Exception as error:  # a repr never fails
            return f"<headrace.Cursor {type(error).__name__}: {error}>"
        return f"{draw(self.columns, types, rows)}\n{footer}"

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        try:
            types, rows, footer = self._preview()
        except Exception as error:
            return f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
        return draw_html(self.columns, types, rows, footer)

    def _preview(self) -> tuple[list[str], list[list[str]], str]:
        """SQL names of the types, the first rows as text, and what to say below."""
        types = [_headrace.type_name(field.type) for field in self.schema]
        rows: list[list[str]] = []
        run = self._start(self._plan.limit(ROWS_SHOWN, 0))
        while (batch := run.next()) is not None:
            rows += batch.format_rows()
        run.close()
        if len(rows) == ROWS_SHOWN:
            return types, rows, f"first {ROWS_SHOWN} rows"
        return types, rows, f"{len(rows)} row{'' if len(rows) == 1 else 's'}"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = names.advice(name, names.OF_CURSORS, dir(type(self)))
            if not name.startswith("_") and name in self.columns:
                hint = f"; a column is hr.col({name!r})"
            raise AttributeError(f"a Cursor has no attribute {name!r}{hint}")

        def __getitem__(self, key: Any) -> Any:
            raise TypeError(
                f"a Cursor has no items: columns are cursor.select({key!r}), rows cursor.limit(n)"
                if isinstance(key, str)
                else "a Cursor has no items: rows are cursor.limit(count, offset)"
            )

    def __copy__(self) -> Cursor:
        """The same query, not yet run."""
        return Cursor(self._plan)

    def __deepcopy__(self, memo: object) -> Cursor:
        return Cursor(self._plan)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Cursor cannot be pickled: its query belongs to a session of this process; pickle "
            "cursor.to_arrow(), or make the cursor where it is used"
        )

    # -- reading

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._done:
            self._run, self._done, self._rest = None, False, None
        return self

    def __next__(self) -> pa.RecordBatch:
        batch = self._next_batch()
        if batch is None:
            raise StopIteration
        return batch

    def fetch(self, count: int) -> pa.Table:
        """The next `count` rows as a pyarrow table; fewer at the end, none behind it."""
        if not isinstance(count, int) or count < 0:
            raise InvalidArgumentError(f"expected a row count of at least 0, got {count!r}")
        taken: list[pa.RecordBatch] = []
        while count > 0 and (batch := self._next_batch()) is not None:
            taken.append(batch.slice(0, count))
            if batch.num_rows > count:
                self._rest = batch.slice(count)
            count -= taken[-1].num_rows
        return pa.Table.from_batches(taken, self.schema)

    def to_arrow(self) -> pa.Table:
        """All rows as a pyarrow table, in memory.

        Raises what the query raises: BadDataError, MemoryLimitError, …; KeyboardInterrupt at
        Ctrl-C, after which the session goes on.
        """
        batches = []
        with self._progress() as progress:
            run = self._start(self._plan, progress)
            while (batch := run.next()) is not None:
                batches.append(pa.record_batch(batch))
            run.close()
        return pa.Table.from_batches(batches, self.schema)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a pandas frame; `options` are those of pyarrow.Table.to_pandas."""
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars frame."""
        import polars

        return polars.DataFrame(self.to_arrow())

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        return list(self.to_arrow().to_pylist())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A run of its own, for any consumer of Arrow streams; starts with the first batch.

        May be called again: every stream runs the query anew.
        """
        return self._plan.__arrow_c_stream__()

    def __arrow_c_schema__(self) -> object:
        """The schema for any consumer of Arrow; nothing runs."""
        return self._plan.__arrow_c_schema__()

    def write(self, path: str | os.PathLike[str], **options: Any) -> int:
        """Runs into a file, which appears whole or not at all; gives the rows written.

        The format is the option `format`, else it follows the extension. `options` are those of
        the format (docs/formats). A file of that name is replaced when the new one is whole: after
        an error or Ctrl-C it is what it was. Raises IoError, UnsupportedError for types that the
        format cannot hold, and what the query raises.
        """
        with self._progress() as progress:
            return self._plan.write(os.fspath(path), option_texts(options), progress)

    def write_parquet(self, path: str | os.PathLike[str], **options: Any) -> int:
        """As `write`, in Parquet: `compression="zstd"`, …"""
        return self.write(path, format="parquet", **options)

    def write_csv(self, path: str | os.PathLike[str], **options: Any) -> int:
        """As `write`, in CSV: `delimiter=";"`, `header=False`, `null="NA"`, …"""
        return self.write(path, format="csv", **options)

    def write_json(self, path: str | os.PathLike[str], **options: Any) -> int:
        """As `write`, in JSON lines: one object a line."""
        return self.write(path, format="json_lines", **options)

    def write_arrow(self, path: str | os.PathLike[str], **options: Any) -> int:
        """As `write`, in the Arrow IPC file format."""
        return self.write(path, format="arrow_ipc", **options)

    def cache(self) -> Cursor:
        """A cursor whose rows are computed at the first use and kept for the next ones.

        All queries made of it share the rows. They are in memory while the tables' share of the
        budget has room, else in a file of the session. When cached rows take more than the
        session's `cache_limit`, those that were used longest ago are computed anew at the next use;
        so are all that read a table which has changed. Raises UnsupportedError for a stream.
        """
        return Cursor(self._plan.cache())

    # -- the run

    def cancel(self) -> None:
        """Stops what runs from this cursor: its readers get CancelledError. From any thread."""
        for run in list(self._runs):
            run.cancel()

    def close(self) -> None:
        """Ends the run that is being read and frees what it holds. Idempotent."""
        run, self._run = self._run, None
        self._done, self._rest = True, None
        if run is not None:
            run.close()

    def metrics(self) -> dict[str, int]:
        """Figures of the run being read, so far.

        rows_out, rows_read, bytes_read (in memory), rejected_rows, spilled_bytes,
        peak_memory_bytes, elapsed_micros.
        """
        return self._the_run().metrics()

    def profile(self) -> str:
        """Rows, bytes, spills and time per operator of the run being read."""
        return self._the_run().profile()

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _progress(self) -> Progress | Silence:
        return Progress.of(self._plan.progress_mode())

    def _start(
        self, plan: _headrace.Plan, progress: Progress | None = None
    ) -> _headrace.Run:
        run = plan.run(progress)
        self._runs.add(run)
        return run

    def _the_run(self) -> _headrace.Run:
        if self._run is None:
            self._run = self._start(self._plan)
        return self._run

    def _next_batch(self) -> pa.RecordBatch | None:
        if self._rest is not None:
            rest, self._rest = self._rest, None
            return rest
        if self._done:
            return None
        batch = self._the_run().next()
        if batch is None:
            self._done = True
            return None
        return pa.record_batch(batch)

    # -- new cursors

    def filter(self, predicate: ExprBase | str) -> Cursor:
        """The rows for which `predicate`, an expression or SQL text, is true."""
        return Cursor(self._plan.filter(self._expr(predicate)._handle))

    def select(self, *columns: ColumnLike, **named: ColumnLike) -> Cursor:
        """These columns: names of columns, SQL text or expressions; `new=…` gives a name.

        SQL text is an expression, or several with names where they want some: `"a, b * 2 AS c"`.
        """
        return Cursor(self._plan.project(self._named(columns, named)))

    def derive(self, *unnamed: Never, **named: ColumnLike) -> Cursor:
        """All columns and these; a name that exists is replaced where it stands."""
        refuse_unnamed("derive", unnamed)
        outputs = dict(zip(self.columns, self._all_columns()))
        outputs.update({name: self._expr(value) for name, value in named.items()})
        return Cursor(self._plan.project(handles(outputs)))

    def rename(self, **new_of_old: str) -> Cursor:
        """Columns under new names: `rename(old="new")`."""
        names = self.columns
        for old in new_of_old:
            self._index(old)  # raises when there is no such column
        return Cursor(self._plan.pick([(i, new_of_old.get(n, n)) for i, n in enumerate(names)]))

    def apply(
        self,
        args: ExprBase | str | Sequence[ExprBase | str] = (),
        type: TypeLike = "",
        **named: Callable[..., Any],
    ) -> Cursor:
        """All columns and one that a Python function gives: `apply(["a", "b"], "BIGINT", c=f)`.

        `f(a, b)` is called for every row in order, on the thread that reads; what it raises comes
        out of the reading call.
        """
        given = [self._expr(arg) for arg in as_list(args)]
        return self.derive(**{n: callback(f, given, type_of(type)) for n, f in named.items()})

    def sort(
        self, *keys: ExprBase | SortKey | str, descending: bool = False, nulls: str | None = None
    ) -> Cursor:
        """Sorted by columns, SQL text (`"a DESC, b"`) or expressions (`hr.col("a").desc()`).

        Stable. Nulls come last, ascending and descending, unless `nulls="first"`.
        """
        bound = [part for key in keys for part in self._sort_keys(key, descending, nulls)]
        return Cursor(self._plan.sort(key_tuples(bound)))

    def assume_sorted(
        self, *keys: ExprBase | SortKey | str, descending: bool = False, nulls: str | None = None
    ) -> Cursor:
        """The same rows, known to come sorted by these columns; `keys` are those of `sort`.

        Nothing is sorted. Rows are compared as they pass: one that is out of order is a
        BadDataError that tells both rows. What needs the order then takes one pass.
        """
        bound = [part for key in keys for part in self._sort_keys(key, descending, nulls)]
        return Cursor(self._plan.assume_sorted(key_tuples(bound)))

    def limit(self, count: int, offset: int = 0) -> Cursor:
        """`count` rows after the first `offset`; the query ends with the last of them."""
        for number in (count, offset):
            if not isinstance(number, int):
                raise InvalidArgumentError(f"limit and offset count rows from 0, got {number!r}")
        return Cursor(self._plan.limit(count, offset))

    def head(self, count: int = 10) -> Cursor:
        """The first `count` rows."""
        return self.limit(count)

    def search_first(self, predicate: ExprBase | str) -> Cursor:
        """The first row for which `predicate` is true, or none; reading stops there."""
        return self.filter(predicate).limit(1)

    def step(self, n: int) -> Cursor:
        """Every n-th row, from the first: rows 0, n, 2n …"""
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise InvalidArgumentError(f"expected a step of at least 1 row, got {n!r}")
        return self.filter((call("row_number") - 1) % n == 0)

    def distinct(self) -> Cursor:
        """Every row once; nulls are equal. The order is not promised."""
        return Cursor(self._plan.distinct())

    def union(self, *others: Any, by_name: bool = False) -> Cursor:
        """The rows of self, then those of `others` (cursors or tables of other libraries).

        Repeats are kept; `distinct` takes them out. Columns are matched by place, or by name (a
        column that an input lacks is null there); types become the common ones.
        """
        plans = [self._beside(other)._plan for other in others]
        return Cursor(self._plan.union(plans, by_name))

    def merge_sorted(
        self, *others: Any, on: Any, descending: bool = False, by_name: bool = False
    ) -> Cursor:
        """The rows of self and of `others` in the order `on`, from inputs that are in that order.

        As `union` otherwise. Inputs that are not known to come sorted by `on` are sorted first. Of
        equal rows those of self come first, then those of each of `others`.
        """
        keys = [part for key in as_list(on) for part in self._sort_keys(key, descending, None)]
        plans = [self._beside(other)._plan for other in others]
        return Cursor(self._plan.merge_sorted(plans, key_tuples(keys), by_name))

    def aggregate(
        self,
        keys: ExprBase | str | Sequence[ExprBase | str] = (),
        /,
        *unnamed: Never,
        **aggs: ColumnLike,
    ) -> Cursor:
        """One row per group: `aggregate("origin", n="count(*)", late=hr.col("delay").mean())`.

        Without keys one row for all. Nulls are a group. The order of groups is not promised.
        """
        refuse_unnamed("aggregate", unnamed)
        outputs = {name: self._expr(value) for name, value in aggs.items()}
        return Cursor(self._plan.aggregate(self._named(as_list(keys), {}), handles(outputs)))

    def group_ordered(
        self, *keys: ExprBase | str, starts: ExprBase | str | None = None
    ) -> OrderedGroups:
        """Groups of rows that stand together: one begins where a key changes; nulls are equal.

        With `starts`, a predicate that may look at the rows before, a group begins where it is true
        or null, as it is for the first row: `starts=hr.col("ts").diff() > gap`.
        """
        if (starts is None) == (not keys):
            raise InvalidArgumentError("expected keys, or starts, which says where groups begin")
        if starts is not None:
            return numbered(self, Expr(self._expr(starts)._handle))
        first = call("row_number") == 1
        for key in map(self._expr, keys):
            first = first | call("is_distinct_from", key, call("lag", key))
        return numbered(self, first)

    def join(
        self,
        other: Any,
        on: str | Sequence[str] | ExprBase,
        how: str = "inner",
        suffix: str = "_right",
        strategy: str | None = None,
    ) -> Cursor:
        """Rows of self with the rows of `other` that match, in the order of self, then of `other`.

        `other`: a cursor, or a table of pyarrow, pandas, polars, DuckDB.

        `on`: names of columns that must be equal (kept once), or an expression or SQL text in which
        `l.…` are the columns of self and `r.…` those of `other`. `how`: "inner", "left", "right"
        (in the order of `other`), "full" (rows of `other` without a match come last, or where their
        keys belong if both are known to be sorted by all keys), or rows of self alone: "semi"
        (those with a match), "anti" (those without). Nulls match nothing. Other columns of `other`
        whose name is taken get `suffix`.

        Large tables that are both known to be sorted by the keys, in the same directions, are
        merged, which holds no more than the rows of one key. `strategy`: "merge" does so whatever
        their size, and is an error where one is not known to be sorted.
        """
        if strategy not in (None, "merge"):
            raise InvalidArgumentError(
                f'expected strategy to be None or "merge", got {strategy!r}'
            )
        other = self._beside(other)
        shared = self._shared_names(on, other)
        condition = equalities(shared) if shared else self._expr(on)  # type: ignore[arg-type]
        joined = self._plan.join(other._plan, condition._handle, how, strategy == "merge")
        if how in ("semi", "anti"):
            return Cursor(joined)
        if how in ("right", "full", "outer"):
            joined = self._with_either_key(joined, other, shared)
        return Cursor(joined.pick(self._joined_columns(other, shared, suffix)))

    def _with_either_key(
        self, joined: _headrace.Plan, other: Cursor, shared: Sequence[str]
    ) -> _headrace.Plan:
        """Keys of rows that only `other` has are its own."""
        names = [f"_{index}" for index in range(len(self.columns) + len(other.columns))]
        numbered = joined.pick(list(enumerate(names)))
        outputs: dict[str, ExprBase] = {}
        for index, name in enumerate(names):
            value: ExprBase = col(name)
            if index < len(self.columns) and self.columns[index] in shared:
                place = len(self.columns) + other.columns.index(self.columns[index])
                value = call("coalesce", value, col(names[place]))
            outputs[name] = value
        whole = numbered.project(handles(outputs))
        names = [*self.columns, *other.columns]
        return whole.pick(list(enumerate(names)))

    def asof_join(
        self,
        other: Any,
        on: str,
        *,
        right_on: str | None = None,
        by: str | Sequence[str] = (),
        direction: str = "backward",
        strict: bool = False,
        tolerance: int | datetime.timedelta | None = None,
        suffix: str = "_right",
    ) -> Cursor:
        """Every row of self with the row of `other` nearest in time, among those with equal `by`.

        `direction`: "backward" takes the last row at or before the time `on`, "forward" the first
        at or after, "nearest" that of the two that is nearer, or the earlier one; `strict` leaves
        equal times out. `tolerance`: how far it may be, in units of
        the column or as a timedelta. Where there is none, the columns of `other` are null.
        """
        other, by = self._beside(other), as_list(by)
        names = ([on, *by], [right_on or on, *by])
        units = self._time_units(on, tolerance)
        if direction == "nearest":
            plan = self._nearest(other, names, strict, units)
        else:
            plan = self._plan.asof_join(other._plan, *names, direction, strict, units)
        return Cursor(plan.pick(self._joined_columns(other, by, suffix)))

    def _nearest(
        self, other: Cursor, names: tuple[list[str], list[str]], strict: bool, units: int | None
    ) -> _headrace.Plan:
        """The nearer one of the rows before and behind: the columns of self, then of `other`."""
        width, added = len(self.columns), len(other.columns)
        labels = [f"_{index}" for index in range(width + 2 * added)]
        keys = [labels[self.columns.index(name)] for name in names[0]]
        before = self._plan.asof_join(other._plan, *names, "backward", strict, units)
        before = before.pick(list(enumerate(labels[: width + added])))
        both = before.asof_join(other._plan, keys, names[1], "forward", strict, units)
        both = both.pick(list(enumerate(labels)))
        place = width + other.columns.index(names[1][0])
        used = (keys[0], labels[place], labels[place + added])
        time, earlier, later = map(col, used)
        nearer = call("<", call("-", later, time), call("-", time, earlier))
        takes_later = later.is_not_null() & (earlier.is_null() | nearer)
        outputs: dict[str, ExprBase] = {label: col(label) for label in labels[:width]}
        for label, behind in zip(labels[width : width + added], labels[width + added :]):
            outputs[label] = call("case", takes_later, col(behind), col(label))
        named = both.project(handles(outputs))
        return named.pick(list(enumerate([*self.columns, *other.columns])))

    # -- arguments

    def _expr(self, value: ColumnLike) -> ExprBase:
        """An Expr as it is; a text as the name of a column, else SQL; other values as constants."""
        if isinstance(value, ExprBase):
            return value
        if not isinstance(value, str):
            return constant(value)
        return col(value) if value in self.columns else sql_expr(value)

    def _sort_keys(
        self, key: ExprBase | SortKey | str, descending: bool, nulls: str | None
    ) -> list[SortKey]:
        if isinstance(key, SortKey):
            return [key]
        if not isinstance(key, str) or key in self.columns:
            return [SortKey(self._expr(key), descending, nulls)]
        return [
            SortKey(Expr(handle), descending or turned, nulls or place)
            for handle, turned, place in _headrace.parse_sort_keys(key)
        ]

    def _all_columns(self) -> list[ExprBase]:
        return [col(name) for name in self.columns]

    def _named(
        self, columns: Sequence[ColumnLike], named: dict[str, ColumnLike]
    ) -> Named:
        outputs: Named = []
        for value in columns:
            if not isinstance(value, str) or value in self.columns:
                expression = self._expr(value)
                outputs.append((expression._handle, expression.name))
            elif value == "*":
                outputs += handles(dict(zip(self.columns, self._all_columns())))
            else:
                outputs += _headrace.parse_items(value)
        outputs += handles({name: self._expr(value) for name, value in named.items()})
        return outputs

    def _index(self, name: str) -> int:
        indexes = self.schema.get_all_field_indices(name)
        if len(indexes) != 1:
            self._plan.project([(col(name)._handle, name)])  # raises: unknown or ambiguous
        return int(indexes[0])

    def _shared_names(self, on: str | Sequence[str] | ExprBase, other: Cursor) -> list[str]:
        """The columns that `on` names; none when it is a condition."""
        if isinstance(on, ExprBase):
            return []
        if isinstance(on, str) and on not in self.columns and on not in other.columns:
            return []
        names = as_list(on)
        for name, side in [(n, s) for n in names for s in (self, other)]:
            if isinstance(name, str) and name not in side.columns:
                which = "left" if side is self else "right"
                raise UnknownNameError(
                    f'the {which} side of the join has no column "{name}"; its columns are '
                    f"{', '.join(side.columns)}; a condition is written as \"l.a = r.b\""
                )
        return names

    def _beside(self, other: Any) -> Cursor:
        """`other` as a cursor of the same session."""
        if isinstance(other, Cursor):
            return other
        return Cursor(self._plan.scan_beside(table_of(other)))

    def _joined_columns(
        self, other: Cursor, shared: Sequence[str], suffix: str
    ) -> list[tuple[int, str]]:
        left = self.columns
        picked = list(enumerate(left))
        for index, name in enumerate(other.columns, len(left)):
            if name not in shared:
                picked.append((index, name + suffix if name in left else name))
        return picked

    def _span_units(self, on: str, span: Any) -> int:
        """A span, as text too, in units of the column."""
        units = self._time_units(on, span_of(span))
        if not isinstance(units, int):
            raise InvalidArgumentError(f"expected a span such as '5m' or a number, got {span!r}")
        return units

    def _time_units(self, on: str, tolerance: int | datetime.timedelta | None) -> int | None:
        if not isinstance(tolerance, datetime.timedelta):
            return tolerance
        time_type = self.schema.field(self._index(on)).type
        if pa.types.is_date32(time_type):
            return tolerance.days
        unit = getattr(time_type, "unit", None)
        if unit not in UNITS_PER_SECOND:
            message = f"expected a tolerance in units of {time_type}, got {tolerance}"
            raise InvalidArgumentError(message)
        micros = tolerance // datetime.timedelta(microseconds=1)
        return micros * UNITS_PER_SECOND[unit] // 1_000_000


UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def constant(value: Any) -> ExprBase:
    """A number, date or the like as an expression."""
    if isinstance(value, CONSTANTS):
        return lit(value)
    hint = "; a Python function goes in apply" if callable(value) else ""
    raise InvalidArgumentError(
        f"expected an expression, SQL text or a constant, got {value!r}{hint}"
    )


def refuse_unnamed(method: str, unnamed: Sequence[object]) -> None:
    """Every output of `method` has a keyword for a name."""
    if unnamed:
        raise InvalidArgumentError(
            f"{method} gives every column a name: {method}(…, name={unnamed[0]!r})"
        )


def handles(outputs: dict[str, ExprBase]) -> Named:
    """Named expressions as the module takes them."""
    return [(expression._handle, name) for name, expression in outputs.items()]


def equalities(names: Sequence[str]) -> ExprBase:
    """`l.a = r.a AND …`."""
    terms = [col("l", name) == col("r", name) for name in names]
    condition: ExprBase = terms[0]
    for term in terms[1:]:
        condition = call("and", condition, term)
    return condition
