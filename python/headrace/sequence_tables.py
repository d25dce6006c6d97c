"""Methods of cursors that go along the rows: sessions, folds, the last row that fits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace import _headrace
from headrace.errors import InvalidArgumentError
from headrace.expr import (
    ExprBase,
    TypeLike,
    as_list,
    call,
    callback,
    col,
    column_or_expr,
    type_of,
)
from headrace.sequence import SO_FAR, Span, over, span_of

if TYPE_CHECKING:
    from headrace.cursor import Cursor

COUNT = "__count__"


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

        def _span_units(self, on: str, span: Any) -> int: ...

    def search_last(self, predicate: ExprBase | str) -> Cursor:
        """The last row for which `predicate` is true, or none."""
        lasts = {name: call("last", col(name)) for name in self.columns}
        found = self.filter(predicate).aggregate(**lasts, **{COUNT: "count(*)"})
        return found.filter(col(COUNT) > 0).select(*map(col, self.columns))

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
