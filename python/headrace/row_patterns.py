"""Patterns over consecutive rows: what `Cursor.match_recognize` and its kin give."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from headrace import _headrace
from headrace.errors import InvalidArgumentError, UnknownNameError
from headrace.expr import Expr, ExprBase, as_list, call, col, column_or_expr, key_tuples, sort_key
from headrace.sequence import Span, rows_of, span_of

if TYPE_CHECKING:
    from headrace.cursor import Cursor

MatchLike = Union[ExprBase, str]
Predicate = Union[ExprBase, str, Callable[["RowColumns"], ExprBase]]
MICROSECOND = datetime.timedelta(microseconds=1)


class RowColumns:
    """The columns of a row, for predicates as functions: `lambda r: r.price > 5`, `r["price"]`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Expr:
        if name not in self._names:
            raise UnknownNameError(
                f'there is no column "{name}"; the columns are {", ".join(self._names)}'
            )
        return col(name)

    def __getattr__(self, name: str) -> Expr:
        return self[name]


class PatternMethods:
    """Methods of a cursor that look for patterns in the order of its rows."""

    if TYPE_CHECKING:
        _plan: _headrace.Plan

        @property
        def columns(self) -> list[str]: ...

        def _expr(self, value: Any) -> ExprBase: ...

        def aggregate(self, *keys: Any, **aggs: Any) -> Cursor: ...

    def match_recognize(
        self,
        pattern: str,
        *,
        define: Mapping[str, MatchLike] | None = None,
        measures: Mapping[str, MatchLike] | None = None,
        partition_by: Any = (),
        order_by: Any = (),
        rows: str = "one",
        after_match: str = "past last row",
        subset: Mapping[str, Sequence[str]] | None = None,
        max_rows: int | None = None,
        within: Span | None = None,
    ) -> Cursor:
        """Matches of `pattern`, as MATCH_RECOGNIZE of SQL finds them.

        `pattern` is written as in SQL: "a b+ (c | d)? e{2,3}", reluctant "b+?", "{- b -}", "^",
        "$", "PERMUTE(a, b)". `define` says by which predicate a variable takes a row (one without
        takes any), `measures` what is given: SQL text or expressions, in which `b.price` or
        `hr.col("b", "price")` is the last row of b so far, with FIRST, LAST, PREV, NEXT,
        CLASSIFIER(), MATCH_NUMBER() and aggregates.

        Rows are matched within `partition_by`, in the order of `order_by`, or as they come. `rows`:
        "one" per match, "all", "all omit empty", "all with unmatched". `after_match`: "past last
        row", "to next row", "to first b", "to last b". A match has at most `max_rows` rows, and its
        last is at most `within` behind its first, by the order ("5m", a timedelta, a number).
        """
        from headrace.cursor import Cursor

        kind, variable = skip_of(after_match)
        micros, units = span_units(within)
        plan = self._plan.match_recognize(
            pattern,
            match_handles(define or {}),
            match_handles(measures or {}),
            [column_or_expr(part)._handle for part in as_list(partition_by)],
            key_tuples([sort_key(key) for key in as_list(order_by)]),
            rows,
            (kind, variable),
            [(name, list(parts)) for name, parts in (subset or {}).items()],
            0 if max_rows is None else rows_of(max_rows, 1, "max_rows"),
            micros,
            units,
        )
        return Cursor(plan)

    def search_pattern(self, *predicates: Predicate, partition_by: str | None = None) -> Cursor:
        """The rows from which on consecutive rows satisfy `predicates`, one each.

        Row i is given where the first predicate is true of it, the second of row i + 1, and so on,
        in the order of rows; matches may overlap, and a predicate that is null is none. With
        `partition_by` all rows of a match must have the same value there. Predicates are
        expressions, SQL text, or functions of a row: `lambda r: r.price > 5`.
        """
        if not predicates:
            raise InvalidArgumentError("expected predicates, one per consecutive row")
        row = RowColumns(self.columns)
        steps = [p(row) if callable(p) else match_expr(p, self.columns) for p in predicates]
        if partition_by is not None:
            key = row[partition_by]
            same = call("is_not_distinct_from", key, call("prev", key))
            steps[1:] = [call("and", step, same) for step in steps[1:]]
        names = [f"step_{number}" for number in range(1, len(steps) + 1)]
        return self.match_recognize(
            " ".join(names),
            define=dict(zip(names, steps)),
            measures={name: call("first", col(name)) for name in self.columns},
            after_match="to next row",
        )

    def search_pattern_count(
        self, *predicates: Predicate, partition_by: str | None = None
    ) -> int:
        """How many rows `search_pattern` gives."""
        found = self.search_pattern(*predicates, partition_by=partition_by)
        return int(found.aggregate(n="count(*)").to_pylist()[0]["n"])


def match_expr(value: MatchLike, columns: Sequence[str] = ()) -> ExprBase:
    """An Expr as it is, a text as the name of a column, else as SQL of DEFINE or MEASURES."""
    if isinstance(value, ExprBase):
        return value
    if not isinstance(value, str):
        raise InvalidArgumentError(f"expected an expression or SQL text, got {value!r}")
    return col(value) if value in columns else Expr(_headrace.parse_match(value))


def match_handles(named: Mapping[str, MatchLike]) -> list[tuple[_headrace.Expression, str]]:
    """Named expressions as the module takes them."""
    return [(match_expr(value)._handle, name) for name, value in named.items()]


def skip_of(text: str) -> tuple[str, str]:
    """"to first b" as "to first" and "b"."""
    words = text.split()
    lower = [word.lower() for word in words[:2]]
    if len(words) == 3 and lower in (["to", "first"], ["to", "last"]):
        return " ".join(lower), words[2]
    return text.lower(), ""


def span_units(given: Span | None) -> tuple[int | None, int | None]:
    """Microseconds of a time, or a number in units of the order."""
    if given is None:
        return None, None
    span = span_of(given)
    if isinstance(span, datetime.timedelta):
        return span // MICROSECOND, None
    return None, rows_of(span, 0, "within, a whole number,")
