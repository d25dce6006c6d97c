"""Sequence methods of expressions: shifted, rolling, cumulative and filled columns."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

from headrace import _headrace
from headrace.errors import InvalidArgumentError

if TYPE_CHECKING:
    from headrace.expr import Expr, ExprBase

Bound = tuple[str, Union[_headrace.Expression, None]]
Frame = tuple[str, Bound, Bound]

CURRENT_ROW: Bound = ("current_row", None)
ALL_BEFORE: Bound = ("unbounded_preceding", None)
ALL_BEHIND: Bound = ("unbounded_following", None)
SO_FAR: Frame = ("rows", ALL_BEFORE, CURRENT_ROW)

SPANS = {
    **dict.fromkeys(("us",), datetime.timedelta(microseconds=1)),
    **dict.fromkeys(("ms",), datetime.timedelta(milliseconds=1)),
    **dict.fromkeys(("s",), datetime.timedelta(seconds=1)),
    **dict.fromkeys(("m", "min"), datetime.timedelta(minutes=1)),
    **dict.fromkeys(("h",), datetime.timedelta(hours=1)),
    **dict.fromkeys(("d",), datetime.timedelta(days=1)),
    **dict.fromkeys(("w",), datetime.timedelta(weeks=1)),
}
Span = Union[str, int, datetime.timedelta]


def span_of(given: Span) -> int | datetime.timedelta:
    """`"5m"`, `"1h30m"` as a timedelta; numbers and timedeltas as they are."""
    if not isinstance(given, str):
        return given
    parts = re.findall(r"(\d+)([a-z]+)", given.lower())
    known = "".join(number + unit for number, unit in parts) == given.lower()
    if not parts or not known or any(unit not in SPANS for _, unit in parts):
        raise InvalidArgumentError(
            f"expected a span such as '5m', of numbers and {', '.join(SPANS)}, got {given!r}"
        )
    return sum((int(number) * SPANS[unit] for number, unit in parts), datetime.timedelta())


def rows_of(given: Any, least: int, what: str) -> int:
    """A count of rows as it is."""
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise InvalidArgumentError(f"expected {what} of at least {least}, got {given!r}")
    return given


def before(rows: int | None) -> Bound:
    """`rows` rows in front of the current one; None: all."""
    from headrace.expr import lit

    return ALL_BEFORE if rows is None else ("preceding", lit(rows)._handle)


def behind(rows: int | None) -> Bound:
    """`rows` rows behind the current one; None: all."""
    from headrace.expr import lit

    return ALL_BEHIND if rows is None else ("following", lit(rows)._handle)


def over(
    value: ExprBase,
    frame: Frame,
    partition_by: Any,
    order_by: Any,
    ignore_nulls: bool = False,
) -> Expr:
    """The call `value` over a frame."""
    from headrace.expr import Expr, as_list, column_or_expr, key_tuples, sort_key

    partition = [column_or_expr(part)._handle for part in as_list(partition_by)]
    order = key_tuples([sort_key(key) for key in as_list(order_by)])
    return Expr(_headrace.over(value._handle, partition, order, frame, ignore_nulls))


def windowed(make: Callable[[Any, Any], Expr], partition_by: Any = ()) -> Expr:
    """What `make` gives for a partition and an order; `.over(…)` makes it anew."""
    from headrace.expr import Windowed

    return Windowed(make, partition_by)


class Rolling:
    """The last rows of a column, or those of the last time: what `Expr.rolling` gives.

    Nulls are skipped. A row whose frame has fewer values than `min_periods` gives null.
    """

    def __init__(
        self,
        value: ExprBase,
        frame: Frame,
        order_by: tuple[Any, ...],
        min_periods: int | None,
        partition_by: Any,
    ) -> None:
        self._value = value
        self._frame = frame
        self._order_by = order_by
        self._min_periods = min_periods
        self._partition_by = partition_by

    def _over(self, value: Expr) -> Expr:
        """`value`, an aggregate, over the frame."""
        from headrace.expr import call

        def make(partition_by: Any, order_by: Any) -> Expr:
            if order_by and self._order_by:
                raise InvalidArgumentError("a rolling window over a time is in the order of it")
            order = self._order_by or order_by
            made = over(value, self._frame, partition_by, order)
            if self._min_periods is None:
                return made
            count = over(self._value._call("count"), self._frame, partition_by, order)
            return call("case", call(">=", count, self._min_periods), made)

        return windowed(make, self._partition_by)

    def sum(self) -> Expr:
        """The sum; null where there is no value."""
        return self._over(self._value._call("sum"))

    def mean(self) -> Expr:
        """The mean; null where there is no value."""
        return self._over(self._value._call("avg"))

    def min(self) -> Expr:
        """The least value."""
        return self._over(self._value._call("min"))

    def max(self) -> Expr:
        """The greatest value."""
        return self._over(self._value._call("max"))

    def count(self) -> Expr:
        """How many values are not null."""
        return self._over(self._value._call("count"))

    def std(self) -> Expr:
        """The standard deviation of a sample; null for fewer than two values."""
        return self._over(self._value._call("stddev_samp"))

    def var(self) -> Expr:
        """The variance of a sample; null for fewer than two values."""
        return self._over(self._value._call("var_samp"))

    def median(self) -> Expr:
        """The median, between the middle two of an even count."""
        return self._over(self._value._call("median"))

    def quantile(self, fraction: float) -> Expr:
        """The quantile, interpolated; `fraction` is from 0 to 1."""
        return self._over(self._value._call("quantile_cont", fraction))

    def product(self) -> Expr:
        """The product."""
        return self._over(self._value._call("product"))

    def first(self) -> Expr:
        """The value of the oldest row, also when it is null."""
        return self._over(self._value._call("first"))

    def last(self) -> Expr:
        """The value of the newest row, also when it is null."""
        return self._over(self._value._call("last"))

    def corr(self, other: Any) -> Expr:
        """Pearson's correlation with another column, of rows where both have a value."""
        from headrace.expr import column_or_expr

        return self._over(self._value._call("corr", column_or_expr(other)))


class SequenceMethods:
    """Methods of an expression that look at other rows, in the order in which rows come.

    All take `partition_by`, columns within whose equal values rows count, as `.over` does.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _handle: _headrace.Expression

        def _call(self, name: str, *args: Any) -> Expr: ...

    def shift(self, n: int = 1, default: Any = None, *, partition_by: Any = ()) -> Expr:
        """The value n rows before; behind where n is negative. `default` where there is no row."""
        if not isinstance(n, int) or isinstance(n, bool):
            raise InvalidArgumentError(f"expected a whole number of rows to shift by, got {n!r}")
        args = (abs(n),) if default is None else (abs(n), default)
        value = self._call("lag" if n >= 0 else "lead", *args)
        return windowed(lambda part, order: value.over(part, order), partition_by)

    def diff(self, n: int = 1, *, partition_by: Any = ()) -> Expr:
        """The value less that n rows before."""
        return windowed(
            lambda part, order: self - self.shift(n).over(part, order),
            partition_by,
        )

    def pct_change(self, n: int = 1, *, partition_by: Any = ()) -> Expr:
        """The change from n rows before, as a part of the value there."""
        return windowed(
            lambda part, order: self.diff(n).over(part, order) / self.shift(n).over(part, order),
            partition_by,
        )

    def rolling(
        self,
        window: Span,
        on: str | ExprBase | None = None,
        *,
        min_periods: int | None = None,
        partition_by: Any = (),
    ) -> Rolling:
        """The last `window` rows, with this one: `.rolling(3).mean()`; fewer at the start.

        With `on`, a time or a whole number, the rows up to this one whose `on` is within `window`
        ("5m", "1h30m", a timedelta, a number) of its own: those after `on` - `window`. Rows must be
        known to come in the order of `on`: `sort` them, or `assume_sorted` where they do.
        """
        from headrace.expr import column_or_expr, lit

        if min_periods is not None:
            rows_of(min_periods, 0, "min_periods, a number of values")
        value: Any = self
        if on is None:
            rows = rows_of(window, 1, "a window, a number of rows,")
            frame: Frame = ("rows", before(rows - 1), CURRENT_ROW)
            return Rolling(value, frame, (), min_periods, partition_by)
        span = lit(span_of(window))._handle
        frame = ("trailing", ("preceding", span), CURRENT_ROW)
        return Rolling(value, frame, (column_or_expr(on),), min_periods, partition_by)

    def _so_far(self, function: str, partition_by: Any) -> Expr:
        value = self._call(function)
        return windowed(lambda part, order: over(value, SO_FAR, part, order), partition_by)

    def cum_sum(self, *, partition_by: Any = ()) -> Expr:
        """The sum of the values so far. Nulls are skipped; null before the first value."""
        return self._so_far("sum", partition_by)

    def cum_min(self, *, partition_by: Any = ()) -> Expr:
        """The least value so far."""
        return self._so_far("min", partition_by)

    def cum_max(self, *, partition_by: Any = ()) -> Expr:
        """The greatest value so far."""
        return self._so_far("max", partition_by)

    def cum_mean(self, *, partition_by: Any = ()) -> Expr:
        """The mean of the values so far."""
        return self._so_far("avg", partition_by)

    def cum_prod(self, *, partition_by: Any = ()) -> Expr:
        """The product of the values so far."""
        return self._so_far("product", partition_by)

    def cum_count(self, *, partition_by: Any = ()) -> Expr:
        """How many values came so far."""
        return self._so_far("count", partition_by)

    def forward_fill(self, limit: int | None = None, *, partition_by: Any = ()) -> Expr:
        """The value, or the last one in front, at most `limit` rows away, where it is null."""
        if limit is not None:
            rows_of(limit, 1, "a limit, a number of rows,")
        value = self._call("last_value")
        frame: Frame = ("rows", before(limit), CURRENT_ROW)
        return windowed(
            lambda part, order: over(value, frame, part, order, ignore_nulls=True), partition_by
        )

    def backward_fill(self, limit: int | None = None, *, partition_by: Any = ()) -> Expr:
        """The value, or the next one behind, at most `limit` rows away, where it is null."""
        if limit is not None:
            rows_of(limit, 1, "a limit, a number of rows,")
        value = self._call("first_value")
        frame: Frame = ("rows", CURRENT_ROW, behind(limit))
        return windowed(
            lambda part, order: over(value, frame, part, order, ignore_nulls=True), partition_by
        )

    def interpolate(self, *, partition_by: Any = ()) -> Expr:
        """The value, or, where it is null, what lies on the line between those beside it.

        Rows count as equally far apart. Null in front of the first value and behind the last.
        """
        return windowed(self._interpolated, partition_by)

    def _interpolated(self, partition_by: Any, order_by: Any) -> Expr:
        from headrace.expr import call

        row = call("row_number").over(partition_by, order_by)
        place = call("case", self._call("is_not_null"), row)
        value = self._call("+", 0.0)
        low, low_at = (part.forward_fill().over(partition_by, order_by) for part in (value, place))
        high, high_at = (
            part.backward_fill().over(partition_by, order_by) for part in (value, place)
        )
        between = low + (high - low) * (row - low_at) / (high_at - low_at)
        return call("case", self._call("is_not_null"), value, between)
