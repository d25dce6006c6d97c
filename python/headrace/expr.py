"""Expressions: what `filter`, `select`, `derive`, `sort` and `aggregate` compute, without data."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, Union

import pyarrow as pa

from headrace import _headrace, names
from headrace._expr_methods import ExprMethods
from headrace.errors import InvalidArgumentError, TypeMismatchError
from headrace.row_function import RowFunction
from headrace.sequence import SequenceMethods

TypeLike = Union[str, pa.DataType]

INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1
DECIMAL128_MAX = 10**38 - 1


class ExprBase:
    """A tree of columns, literals and calls. Operators and methods build larger trees."""

    __slots__ = ("_handle",)
    __hash__ = None  # type: ignore[assignment]  # == makes an expression

    def __init__(self, handle: _headrace.Expression) -> None:
        self._handle = handle

    def _call(self, name: str, *args: Any) -> Expr:
        """A call of the SQL function `name`: what every generated method does."""
        return call(name, self, *args)

    def __repr__(self) -> str:
        return f"Expr({self.name})"

    def __copy__(self) -> ExprBase:
        return self  # it never changes

    def __deepcopy__(self, memo: object) -> ExprBase:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an Expr cannot be pickled; its SQL text can: str(expression.name) for hr.sql_expr"
        )

    def __bool__(self) -> bool:
        raise TypeMismatchError(
            "expected &, | and ~ between expressions, got `and`, `or`, `not`, `in` or `if`"
        )

    @property
    def name(self) -> str:
        """The name of the column it makes when none is given."""
        return self._handle.name()

    def __add__(self, other: Any) -> Expr:
        return call("+", self, other)

    def __radd__(self, other: Any) -> Expr:
        return call("+", other, self)

    def __sub__(self, other: Any) -> Expr:
        return call("-", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return call("-", other, self)

    def __mul__(self, other: Any) -> Expr:
        return call("*", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return call("*", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return call("/", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return call("/", other, self)

    def __floordiv__(self, other: Any) -> Expr:
        return call("//", self, other)

    def __rfloordiv__(self, other: Any) -> Expr:
        return call("//", other, self)

    def __mod__(self, other: Any) -> Expr:
        return call("%", self, other)

    def __rmod__(self, other: Any) -> Expr:
        return call("%", other, self)

    def __neg__(self) -> Expr:
        return call("-", self)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return call("=", self, other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return call("<>", self, other)

    def __lt__(self, other: Any) -> Expr:
        return call("<", self, other)

    def __le__(self, other: Any) -> Expr:
        return call("<=", self, other)

    def __gt__(self, other: Any) -> Expr:
        return call(">", self, other)

    def __ge__(self, other: Any) -> Expr:
        return call(">=", self, other)

    def __and__(self, other: Any) -> Expr:
        return call("and", self, other)

    def __rand__(self, other: Any) -> Expr:
        return call("and", other, self)

    def __or__(self, other: Any) -> Expr:
        return call("or", self, other)

    def __ror__(self, other: Any) -> Expr:
        return call("or", other, self)

    def __invert__(self) -> Expr:
        return call("not", self)

    def is_in(self, values: Iterable[Any]) -> Expr:
        """Whether it equals one of `values`, constants or expressions; as IN of SQL.

        Null for a null, and where a null among the values could be it.
        """
        tests = [call("=", self, value) for value in values]
        while len(tests) > 1:  # a tree of little depth
            pairs = zip(tests[::2], tests[1::2])
            rest = tests[len(tests) // 2 * 2 :]
            tests = [call("or", left, right) for left, right in pairs] + rest
        return tests[0] if tests else lit(False)

    def between(self, low: Any, high: Any) -> Expr:
        """Whether it is at least `low` and at most `high`."""
        return call("and", call(">=", self, low), call("<=", self, high))

    def cast(self, to: TypeLike) -> Expr:
        """The value as another type, a pyarrow type or its SQL name; misfits are an error."""
        return Expr(_headrace.cast(self._handle, type_of(to), False))

    def try_cast(self, to: TypeLike) -> Expr:
        """The value as another type; misfits become null."""
        return Expr(_headrace.cast(self._handle, type_of(to), True))

    def asc(self, nulls: str | None = None) -> SortKey:
        """As a sort key: smallest first. Nulls come last unless `nulls="first"`."""
        return SortKey(self, False, nulls)

    def desc(self, nulls: str | None = None) -> SortKey:
        """As a sort key: largest first. Nulls come last unless `nulls="first"`."""
        return SortKey(self, True, nulls)

    def over(self, partition_by: Any = (), order_by: Any = ()) -> Expr:
        """An ordered function within the rows of equal `partition_by`, in the order of `order_by`.

        Without `order_by` rows count in the order they have.
        """
        partition = [column_or_expr(part)._handle for part in as_list(partition_by)]
        order = [sort_key(key) for key in as_list(order_by)]
        return Expr(_headrace.over(self._handle, partition, key_tuples(order)))


class Expr(SequenceMethods, ExprMethods, ExprBase):
    """An expression over the columns of a table; it has no values until a query runs."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = names.advice(name, names.OF_EXPRESSIONS, dir(type(self)))
            raise AttributeError(f"an expression has no method {name!r}{hint}")


class Windowed(Expr):
    """A value over rows in their order; `.over` says within which partition, and in which order."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any, Any], Expr], partition_by: Any) -> None:
        super().__init__(make(partition_by, ())._handle)
        self._make = make

    def over(self, partition_by: Any = (), order_by: Any = ()) -> Expr:
        return self._make(partition_by, order_by)


# What stands for itself where an expression is expected; a text is SQL there.
Constant = Union[
    bool, int, float, bytes, Decimal, datetime.date, datetime.time, datetime.timedelta, None
]
CONSTANTS = (
    *(bool, int, float, bytes, Decimal),
    *(datetime.date, datetime.time, datetime.timedelta, type(None), pa.Scalar),
)
ColumnLike = Union[ExprBase, str, Constant]


@dataclass(frozen=True)
class SortKey:
    """An expression with a direction and a place for nulls: "first" or "last", the default."""

    expression: ExprBase
    descending: bool = False
    nulls: str | None = None


def col(name: str, *more: str) -> Expr:
    """The column `name`, matched exactly; in a join's condition `col("l", name)`."""
    for part in (name, *more):
        if not isinstance(part, str):
            raise TypeMismatchError(f"expected the name of a column, got {part!r}")
    return Expr(_headrace.column([name, *more]))


def lit(value: Any) -> Expr:
    """A constant: None, bool, int, float, str, bytes, Decimal, dates, times, pyarrow scalars."""
    return Expr(_headrace.literal(one_cell(value)))


def sql_expr(text: str) -> Expr:
    """The expression that `text` says in SQL."""
    return Expr(_headrace.parse(text))


def call(name: str, *args: Any, distinct: bool = False) -> Expr:
    """A call of a function by its SQL name or symbol; arguments that are no Expr are constants."""
    return Expr(_headrace.call(name, [to_expr(arg)._handle for arg in args], distinct))


def callback(function: Callable[..., Any], args: Sequence[Any], result_type: TypeLike) -> Expr:
    """`function` called row by row with the cells of `args`; it gives cells of `result_type`."""
    arrow_type = type_of(result_type)
    handles = [column_or_expr(arg)._handle for arg in args]
    return Expr(_headrace.callback(RowFunction(function, arrow_type), handles, arrow_type))


class When:
    """`when(condition).then(value)`, again `.when(…).then(…)`, then `.otherwise(value)`."""

    def __init__(self, condition: Any, done: tuple[Any, ...] = ()) -> None:
        self._condition = condition
        self._done = done

    def then(self, value: Any) -> Then:
        return Then((*self._done, self._condition, value))


class Then(Expr):
    """A CASE whose ELSE is NULL until `otherwise` gives one."""

    __slots__ = ("_branches",)

    def __init__(self, branches: tuple[Any, ...]) -> None:
        super().__init__(call("case", *branches)._handle)
        self._branches = branches

    def when(self, condition: Any) -> When:
        return When(condition, self._branches)

    def otherwise(self, value: Any) -> Expr:
        return call("case", *self._branches, value)


def when(condition: Any) -> When:
    """A CASE expression; branches are evaluated only for the rows that take them."""
    return When(condition)


def to_expr(value: Any) -> ExprBase:
    """An Expr as it is, everything else as a constant."""
    return value if isinstance(value, ExprBase) else lit(value)


def column_or_expr(value: Any) -> ExprBase:
    """An Expr as it is, a str as the name of a column."""
    return value if isinstance(value, ExprBase) else col(value)


def as_list(value: Any) -> list[Any]:
    """One thing, or several, as a list."""
    if isinstance(value, (str, ExprBase, SortKey)):
        return [value]
    return list(value)


def sort_key(value: Any) -> SortKey:
    """A SortKey as it is; an Expr or the name of a column ascending."""
    return value if isinstance(value, SortKey) else SortKey(column_or_expr(value))


def key_tuples(keys: Iterable[SortKey]) -> list[tuple[_headrace.Expression, bool, str | None]]:
    """Sort keys as the module takes them."""
    return [(key.expression._handle, key.descending, key.nulls) for key in keys]


def type_of(given: TypeLike) -> pa.DataType:
    """A pyarrow type, from itself or from its SQL name."""
    if isinstance(given, str):
        return pa.field(_headrace.parse_type(given)).type
    if isinstance(given, pa.DataType):
        return given
    raise TypeMismatchError(f"expected a pyarrow type or a SQL type name, got {given!r}")


def one_cell(value: Any) -> pa.Array:
    """`value` as an array of length one, of the type its literal has."""
    if isinstance(value, pa.Scalar):
        return pa.array([value.as_py()], type=value.type)
    if isinstance(value, int) and not isinstance(value, bool):
        if fits_integer(value):
            return pa.array([value], type=integer_type(value))
        return decimal(value)
    try:
        return pa.array([value])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidArgumentError(f"expected a constant, got {value!r}") from error


def fits_integer(value: int) -> bool:
    """Whether one of the integer types holds `value`."""
    return -INT64_MAX - 1 <= value <= UINT64_MAX


def integer_type(value: int) -> pa.DataType:
    """int64, or uint64 past its end."""
    return pa.int64() if value <= INT64_MAX else pa.uint64()


def decimal(value: int) -> pa.Array:
    """A whole number too large for integers."""
    if abs(value) > DECIMAL128_MAX:
        raise InvalidArgumentError(f"expected a number of at most 38 digits, got {value}")
    return pa.array([Decimal(value)], type=pa.decimal128(38, 0))
