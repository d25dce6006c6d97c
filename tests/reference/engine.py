"""The definition of meaning: a naive engine, row at a time, in plain Python.

A table is a list of rows, a row a tuple of cells, None a null. Nothing here is clever, so that it
can be read and believed. Property tests compare the engine with it.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

Cell = Any
Row = tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Key:
    """A sort key: a column, a direction, and where nulls go."""

    column: int
    descending: bool = False
    nulls_first: bool = False


# -- equality and order of cells


def group_key(cell: Cell) -> Any:
    """Equal for cells that are one group: NaN is NaN, -0.0 is 0.0, null is a value of its own."""
    if cell is None:
        return ("null",)
    if isinstance(cell, float):
        return ("nan",) if math.isnan(cell) else ("value", cell + 0.0)
    return ("value", cell)


def compare(a: Cell, b: Cell) -> int:
    """Order of two cells that are not null; NaN is above every number and equal to itself."""
    a_nan = isinstance(a, float) and math.isnan(a)
    b_nan = isinstance(b, float) and math.isnan(b)
    if a_nan or b_nan:
        return int(a_nan) - int(b_nan)
    return (a > b) - (a < b)


def compare_rows(a: Row, b: Row, keys: Sequence[Key]) -> int:
    """Order of two rows by keys."""
    for key in keys:
        x, y = a[key.column], b[key.column]
        if x is None or y is None:
            order = (x is not None) - (y is not None)  # null first
            order = order if key.nulls_first else -order
        else:
            order = -compare(x, y) if key.descending else compare(x, y)
        if order:
            return order
    return 0


# -- expressions: SQL's three-valued logic


def is_true(cell: Cell) -> bool:
    """What WHERE, HAVING, ON and WHEN ask."""
    return cell is True


def logical_and(a: Cell, b: Cell) -> Cell:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def logical_or(a: Cell, b: Cell) -> Cell:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def logical_not(a: Cell) -> Cell:
    return None if a is None else not a


def null_if_any(function: Callable[..., Cell]) -> Callable[..., Cell]:
    """A function that is null when an argument is."""

    @functools.wraps(function)
    def wrapped(*args: Cell) -> Cell:
        return None if any(arg is None for arg in args) else function(*args)

    return wrapped


def truncated_quotient(a: int, b: int) -> int:
    """Integer division toward zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


SCALARS: dict[str, Callable[..., Cell]] = {
    "+": null_if_any(lambda a, b: a + b),
    "-": null_if_any(lambda a, b: a - b),
    "*": null_if_any(lambda a, b: a * b),
    "//": null_if_any(truncated_quotient),
    "%": null_if_any(lambda a, b: a - b * truncated_quotient(a, b)),
    "=": null_if_any(lambda a, b: compare(a, b) == 0),
    "<>": null_if_any(lambda a, b: compare(a, b) != 0),
    "<": null_if_any(lambda a, b: compare(a, b) < 0),
    "<=": null_if_any(lambda a, b: compare(a, b) <= 0),
    ">": null_if_any(lambda a, b: compare(a, b) > 0),
    ">=": null_if_any(lambda a, b: compare(a, b) >= 0),
    "and": logical_and,
    "or": logical_or,
    "not": logical_not,
    "is_null": lambda a: a is None,
    "coalesce": lambda *args: next((arg for arg in args if arg is not None), None),
    "upper": null_if_any(str.upper),
    "lower": null_if_any(str.lower),
    "length": null_if_any(len),
    "starts_with": null_if_any(str.startswith),
    "||": null_if_any(lambda a, b: a + b),
    "abs": null_if_any(abs),
    "concat": lambda *args: "".join(arg for arg in args if arg is not None),
}


# -- operators


def filter_rows(rows: list[Row], predicate: Callable[[Row], Cell]) -> list[Row]:
    return [row for row in rows if is_true(predicate(row))]


def project(rows: list[Row], outputs: Sequence[Callable[[Row], Cell]]) -> list[Row]:
    return [tuple(output(row) for output in outputs) for row in rows]


def limit(rows: list[Row], count: int, offset: int = 0) -> list[Row]:
    return rows[offset : offset + count]


def sort(rows: list[Row], keys: Sequence[Key]) -> list[Row]:
    """Stable."""

    def order(a: Row, b: Row) -> int:
        return compare_rows(a, b, keys)

    return sorted(rows, key=functools.cmp_to_key(order))


@dataclasses.dataclass(frozen=True)
class Agg:
    """An aggregate over a column; None is the star of count(*)."""

    name: str
    column: int | None = None


def aggregate(rows: list[Row], keys: Sequence[int], aggs: Sequence[Agg]) -> list[Row]:
    """Key columns, then one column per aggregate; groups in order of first appearance."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(group_key(row[key]) for key in keys), []).append(row)
    if not keys and not groups:
        groups[()] = []
    return [
        (*(members[0][key] for key in keys), *(aggregated(members, agg) for agg in aggs))
        for members in groups.values()
    ]


def aggregated(rows: list[Row], agg: Agg) -> Cell:
    """One aggregate of the rows of one group: nulls do not count; of nothing it is null."""
    if agg.column is None:
        return len(rows)
    if agg.name in ("first", "last"):
        return rows[0 if agg.name == "first" else -1][agg.column] if rows else None
    cells = [row[agg.column] for row in rows if row[agg.column] is not None]
    if agg.name == "count":
        return len(cells)
    if not cells:
        return None
    if agg.name == "sum":
        return float_sum(cells) if isinstance(cells[0], float) else sum(cells)
    if agg.name == "mean":
        return float_sum([float(cell) for cell in cells]) / len(cells)
    sign = {"min": 1, "max": -1}[agg.name]
    return min(cells, key=functools.cmp_to_key(lambda a, b: sign * compare(a, b)))


def float_sum(cells: list[float]) -> float:
    """Exact where all are finite; else infinity or NaN, as adding them up gives."""
    return math.fsum(cells) if all(map(math.isfinite, cells)) else sum(cells)


def join(
    left: list[Row],
    right: list[Row],
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    how: str,
    widths: tuple[int, int],
    residual: Callable[[Row], Cell] = lambda row: True,
    nulls_match: bool = False,
) -> list[Row]:
    """Left rows in order, each with its matches in right order – of a right join right rows, each
    with its matches in left order. A full join gives right rows without a match last. A null key
    matches nothing, or with `nulls_match` a null."""

    def matches(a: Row, b: Row) -> bool:
        return keys_match(a, b, left_keys, right_keys, nulls_match) and is_true(residual(a + b))

    if how == "semi":
        return [a for a in left if any(matches(a, b) for b in right)]
    if how == "anti":
        return [a for a in left if not any(matches(a, b) for b in right)]
    no_left, no_right = (None,) * widths[0], (None,) * widths[1]
    out = []
    if how == "right":
        for b in right:
            out += [a + b for a in left if matches(a, b)] or [no_left + b]
        return out
    for a in left:
        found = [a + b for b in right if matches(a, b)]
        out += found or ([a + no_right] if how in ("left", "full") else [])
    if how == "full":
        out += [no_left + b for b in right if not any(matches(a, b) for a in left)]
    return out


def keys_match(
    a: Row,
    b: Row,
    left_keys: Sequence[int],
    right_keys: Sequence[int],
    nulls_match: bool = False,
) -> bool:
    for x, y in ((a[i], b[j]) for i, j in zip(left_keys, right_keys)):
        if x is None or y is None:
            if not (nulls_match and x is None and y is None):
                return False
        elif compare(x, y) != 0:
            return False
    return True


def distinct(rows: list[Row]) -> list[Row]:
    """The first of equal rows."""
    return list({row_key(row): row for row in reversed(rows)}.values())[::-1]


def row_key(row: Row) -> Any:
    return tuple(group_key(cell) for cell in row)


def set_operation(left: list[Row], right: list[Row], name: str, keep_all: bool) -> list[Row]:
    """UNION, INTERSECT and EXCEPT; with ALL a row counts as often as it stands there."""
    if name == "UNION":
        return left + right if keep_all else distinct(left + right)
    counts = collections.Counter(row_key(row) for row in right)
    out = []
    for row in left if keep_all else distinct(left):
        there = counts[row_key(row)] > 0
        if keep_all and there:
            counts[row_key(row)] -= 1
        if there == (name == "INTERSECT"):
            out.append(row)
    return out


@dataclasses.dataclass(frozen=True)
class Asof:
    """How an as-of join matches."""

    left_time: int
    right_time: int
    left_by: Sequence[int] = ()
    right_by: Sequence[int] = ()
    forward: bool = False
    strict: bool = False
    tolerance: int | None = None


def asof_join(left: list[Row], right: list[Row], how: Asof, right_width: int) -> list[Row]:
    """Every left row once, with the nearest right row: of equal times the last one when looking
    backward, the first one when looking forward."""
    out = []
    for a in left:
        best: Row | None = None
        for b in right:
            if asof_matches(a, b, how) and (best is None or nearer(b, best, how)):
                best = b
        out.append(a + (best if best is not None else (None,) * right_width))
    return out


def asof_matches(a: Row, b: Row, how: Asof) -> bool:
    x, y = a[how.left_time], b[how.right_time]
    if x is None or y is None or not keys_match(a, b, how.left_by, how.right_by):
        return False
    distance = y - x if how.forward else x - y
    if distance < 0 or (how.strict and distance == 0):
        return False
    return how.tolerance is None or distance <= how.tolerance


def nearer(b: Row, best: Row, how: Asof) -> bool:
    x, y = b[how.right_time], best[how.right_time]
    return x < y if how.forward else x >= y


# -- ordered functions


def window(
    rows: list[Row],
    partition_by: Sequence[int],
    function: Callable[[list[Cell]], list[Cell]],
    column: int,
) -> list[Row]:
    """Rows with one more column: `function` over the cells of each partition, in row order."""
    places: dict[Any, list[int]] = {}
    for i, row in enumerate(rows):
        places.setdefault(tuple(group_key(row[key]) for key in partition_by), []).append(i)
    values: list[Cell] = [None] * len(rows)
    for indexes in places.values():
        for i, value in zip(indexes, function([rows[i][column] for i in indexes])):
            values[i] = value
    return [row + (value,) for row, value in zip(rows, values)]


def lag(cells: list[Cell], n: int = 1) -> list[Cell]:
    """The value n rows before; null where there is none."""
    return [cells[i - n] if 0 <= i - n < len(cells) else None for i in range(len(cells))]


def cumulative_sum(cells: list[Cell]) -> list[Cell]:
    """The sum of the values so far, those that are not null; null before the first of them."""
    out: list[Cell] = []
    total: Cell = None
    for cell in cells:
        if cell is not None:
            total = cell if total is None else total + cell
        out.append(total)
    return out


def ema(cells: list[Cell], alpha: float) -> list[Cell]:
    """Exponential moving average: the first value, then previous + alpha * (x - previous).

    A null gives null and leaves the average as it is.
    """
    out: list[Cell] = []
    average: Cell = None
    for cell in cells:
        if cell is not None:
            average = float(cell) if average is None else average + alpha * (cell - average)
        out.append(None if cell is None else average)
    return out
