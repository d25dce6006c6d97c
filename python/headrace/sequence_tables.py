"""Methods of cursors that go along the rows: sessions, folds, the last row that fits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace import _headrace
from headrace.errors import InvalidArgumentError
from headrace.expr import (
    Expr,
    ColumnLike,
    ExprBase,
    SortKey,
    TypeLike,
    as_list,
    call,
    callback,
    col,
    column_or_expr,
    key_tuples,
    lit,
    type_of,
)
from headrace.sequence import SO_FAR, Span, over, span_of

if TYPE_CHECKING:
    from headrace.cursor import Cursor

IS_FOUND = "__is_found__"
BUCKET = "__bucket__"
TIME = "__time__"
ROW = "__row__"
IS_RIGHT = "__is_right__"
FILLS = ("none", "null", "previous", "linear", "value")


class SequenceTableMethods:
    """Methods of a cursor that look along its rows."""

    if TYPE_CHECKING:
        _plan: _headrace.Plan

        @property
        def columns(self) -> list[str]: ...

        def derive(self, *unnamed: Any, **named: Any) -> Cursor: ...

        def filter(self, predicate: Any) -> Cursor: ...

        def aggregate(self, *keys: Any, **aggs: Any) -> Cursor: ...

        def _expr(self, value: Any) -> ExprBase: ...

        def select(self, *columns: Any, **named: Any) -> Cursor: ...

        def _beside(self, other: Any) -> Cursor: ...

        def _span_units(self, on: str, span: Any) -> int: ...

    def search_last(self, predicate: ExprBase | str) -> Cursor:
        """The last row for which `predicate` is true, or none.

        Tables and Parquet files are read from their end, a row group at a time, up to it.
        """
        lasts = {name: call("last", col(name)) for name in self.columns}
        found = self.filter(predicate).aggregate(**lasts, **{IS_FOUND: call("last", lit(True))})
        return found.filter(col(IS_FOUND).is_not_null()).select(*map(col, self.columns))

    def sessions(
        self, on: str, gap: Span, *, by: Any = (), name: str = "session"
    ) -> Cursor:
        """All rows, with the number of their session within `by`, from 1, as a column `name`.

        A session begins where `on`, a time or a number, is more than `gap` ("30m", a timedelta, a
        number) behind that of the row before it, or is null on one side. Rows go by `on` within
        `by`; they are sorted so unless they are known to come in that order.
        """
        keys = [column_or_expr(key) for key in as_list(by)]
        before = call("lag", col(on)).over(keys, on)
        opens = call("coalesce", call(">", call("-", col(on), before), span_of(gap)), True)
        number = over(call("count_if", opens), SO_FAR, keys, [on])
        return self.derive(**{name: number})

    def funnel_depths(
        self, *steps: ExprBase | str, on: str, within: Span, by: Any = ()
    ) -> Cursor:
        """A row per value of the columns `by`, with how many of `steps` it went through: `depth`.

        It is the greatest k for which there are rows, each behind the one before it, where the
        predicates 1 to k are true, the last at most `within` behind the first by `on`, a time or a
        whole number. Rows go by `on` within `by`; they are sorted so unless they are known to come
        in that order.
        """
        from headrace.cursor import Cursor

        keys = as_list(by)
        handles = [self._expr(step)._handle for step in steps]
        return Cursor(self._plan.funnel(handles, keys, on, self._span_units(on, within)))

    def funnel(
        self, *, on: str, within: Span, by: Any = (), steps: Mapping[str, ExprBase | str]
    ) -> Cursor:
        """One row that says how many values of `by` went through each of `steps` and those before.

        `steps` are predicates by name, in their order: see `funnel_depths`.
        """
        depths = self.funnel_depths(*steps.values(), on=on, within=within, by=by)
        counts = {
            name: call("count_if", col("depth") >= number)
            for number, name in enumerate(steps, 1)
        }
        return depths.aggregate(**counts)

    def resample(
        self,
        every: Span,
        *,
        on: str,
        by: Any = (),
        fill: str = "none",
        value: Any = None,
        **aggs: ColumnLike,
    ) -> Cursor:
        """A row per value of the columns `by` and interval of `every` ("1m", a timedelta) of time.

        `on`, a timestamp, becomes the start of its interval, counted from 1970-01-01; `aggs` are
        aggregates, as of `aggregate`. Rows come by `by`, then by time; those without a time are
        left out. `fill` says what is in the intervals between the first and the last of each `by`
        that have no row: "none" leaves them out, "null" gives nulls, "previous" what was before,
        "linear" what lies on the line between those beside it, "value" gives `value`.
        """
        if fill not in FILLS:
            known = ", ".join(f'"{name}"' for name in FILLS)
            raise InvalidArgumentError(f'expected fill to be one of {known}, got "{fill}"')
        keys, width = as_list(by), span_of(every)
        timed = self.filter(col(on).is_not_null())
        bars = timed.derive(**{on: call("time_bucket", width, col(on))})
        bars = bars.aggregate([*keys, on], **aggs).sort(*keys, on)
        if fill == "none":
            return bars
        following = call("lead", col(on)).over(keys, on)
        end = call("coalesce", following, call("+", col(on), width))
        spread = bars._unnest(call("range", col(on), end, width), BUCKET)
        spread = spread.assume_sorted(*keys, BUCKET)
        there = call("=", col(BUCKET), col(on))
        filled = {name: filled_value(fill, there, col(name), value, keys) for name in aggs}
        names = {key: col(key) for key in keys}
        return spread.select(**names, **{on: col(BUCKET)}, **filled)

    def _unnest(self, items: Expr, name: str) -> Cursor:
        """A row per item of a list, which is the column `name`."""
        from headrace.cursor import Cursor

        return Cursor(self._plan.unnest(items._handle, name))

    def window_join(
        self,
        other: Any,
        on: str,
        *,
        before: Span,
        after: Span,
        by: Any = (),
        right_on: str | None = None,
        **aggs: ColumnLike,
    ) -> Cursor:
        """All rows, each with aggregates of the rows of `other` around it in time.

        A row of `other` counts where its `right_on` (`on`) is from `before` in front of `on` to
        `after` behind it, both in it, and the columns `by` are equal; nulls match nothing. `aggs`
        are over the columns of `other`, of aggregates that skip nulls: `n="count(*)"`,
        `spread="max(price) - min(price)"`. Rows keep their order. Both sides are sorted by `by`
        and time, on disk where they are large.
        """
        rows, keys = self._beside(other), as_list(by)
        marks = [f"__by_{number}__" for number in range(len(keys))]
        own = {f"__column_{n}__": col(name) for n, name in enumerate(self.columns)}
        left = self.select(
            **{TIME: col(on), **dict(zip(marks, map(col, keys))), **own},
            **{ROW: call("row_number"), IS_RIGHT: call("=", 1, 0)},
        )
        right = rows.select(
            **{name: col(name) for name in rows.columns},
            **{TIME: col(right_on or on), **dict(zip(marks, map(col, keys)))},
            **{IS_RIGHT: call("=", 1, 1)},
        )
        for name in (TIME, *marks):
            right = right.filter(col(name).is_not_null())
        frame = ("range", ("preceding", span_lit(before)), ("following", span_lit(after)))
        partition = [col(mark)._handle for mark in marks]
        order = key_tuples([SortKey(col(TIME))])
        values = {
            name: Expr(
                _headrace.over_where(
                    rows._expr(value)._handle, col(IS_RIGHT)._handle, partition, order, frame
                )
            )
            for name, value in aggs.items()
        }
        both = left.union(right, by_name=True).derive(**values)
        kept = both.filter(call("not", col(IS_RIGHT))).sort(ROW)
        named = {name: col(own_name) for name, own_name in zip(self.columns, own)}
        return kept.select(**named, **{name: col(name) for name in aggs})

    def fold(
        self,
        function: Callable[[Any, FoldedRow], Any],
        *,
        init: Any,
        into: str,
        type: TypeLike,
        columns: Sequence[str] | None = None,
        partition_by: Any = (),
    ) -> Cursor:
        """All rows, with what `function(state, row)` gives for each as a column `into` of `type`.

        What it gives is the state of the next row of the same `partition_by`; the first has a copy
        of `init`. Rows come in their order, with `columns` (all) as `row.price` or `row["price"]`.
        It is called on the thread that reads, and keeps a state per partition.
        """
        given = self.columns if columns is None else list(columns)
        if into in self.columns:
            raise InvalidArgumentError(f'expected a new name for the states, got "{into}"')
        keys = [column_or_expr(key) for key in as_list(partition_by)]
        folding = Folding(function, init, given, len(keys))
        args = [call("row_number"), *keys, *map(col, given)]
        return self.derive(**{into: callback(folding, args, type_of(type))})


def span_lit(span: Span) -> _headrace.Expression:
    """A span as a constant."""
    return lit(span_of(span))._handle


def filled_value(fill: str, there: Expr, column: Expr, value: Any, by: list[Any]) -> Expr:
    """A column of bars where they are there, and what fills it elsewhere."""
    if fill == "value":
        return call("case", there, column, value)
    bare = call("case", there, column)
    if fill == "null":
        return bare
    return (bare.forward_fill() if fill == "previous" else bare.interpolate()).over(by)


class FoldedRow(Mapping[str, Any]):
    """The cells of a row by name: `row.price`, `row["price"]`. It cannot be changed."""

    __slots__ = ("_cells",)

    def __init__(self, cells: dict[str, Any]) -> None:
        object.__setattr__(self, "_cells", cells)

    def __getitem__(self, name: str) -> Any:
        return self._cells[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._cells[name]
        except KeyError:
            raise AttributeError(f"the row has no column {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("a row of a fold is read-only")

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


class Folding:
    """A function of rows with the states of its partitions; the first row of a run begins anew."""

    def __init__(
        self, function: Callable[[Any, FoldedRow], Any], init: Any, names: list[str], keys: int
    ) -> None:
        self._function = function
        self._init = init
        self._names = names
        self._keys = keys
        self._states: dict[tuple[Any, ...], Any] = {}

    def __call__(self, number: int, *cells: Any) -> Any:
        if number == 1:
            self._states = {}
        key = cells[: self._keys]
        if key not in self._states:
            self._states[key] = copy.deepcopy(self._init)
        row = FoldedRow(dict(zip(self._names, cells[self._keys :])))
        state = self._function(self._states[key], row)
        self._states[key] = state
        return state
