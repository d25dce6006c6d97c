"""Decimals against Python's decimal: arithmetic, rounding, aggregates, text, equality."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Decimal,
    getcontext,
)
from fractions import Fraction

import headrace as hr
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

getcontext().prec = 120


@pytest.fixture(scope="module")
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2, batch_rows=16) as made:
        yield made


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal | None]:
    """Of every size, near halves and at the edges."""
    largest = 10**precision - 1
    sizes = st.sampled_from([10, 1_000, 10**9, largest]).map(lambda size: min(size, largest))
    whole = sizes.flatmap(lambda size: st.integers(-size, size))
    return st.none() | whole.map(lambda value: Decimal(value).scaleb(-scale))


def rounded(value: Fraction | Decimal, scale: int, mode: str = ROUND_HALF_UP) -> Decimal:
    exact = Fraction(value)
    quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
    return quotient.quantize(Decimal(1).scaleb(-scale), rounding=mode)


def column(values: list[Decimal | None], precision: int, scale: int) -> pa.Array:
    return pa.array(values, pa.decimal128(precision, scale))


def answers(session: hr.Session, sql: str, **columns: pa.Array) -> dict[str, list[object]]:
    result: dict[str, list[object]] = session.sql(sql, t=pa.table(columns)).to_arrow().to_pydict()
    return result


SCALES = st.tuples(st.integers(0, 6), st.integers(0, 6))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int, list[tuple[Decimal | None, Decimal | None]]]:
    left, right = draw(SCALES)
    rows = st.tuples(decimals(15, left), decimals(15, right))
    return left, right, draw(st.lists(rows, min_size=1, max_size=40))


@given(pairs())
def test_arithmetic(
    session: hr.Session, case: tuple[int, int, list[tuple[Decimal | None, Decimal | None]]]
) -> None:
    left, right, rows = case
    got = answers(
        session,
        "SELECT a + b AS sum, a - b AS difference, a * b AS product,"
        " CASE WHEN b <> 0 THEN a / b END AS quotient, CASE WHEN b <> 0 THEN a % b END AS rest,"
        " a = b AS same, a < b AS less FROM t",
        a=column([a for a, _ in rows], 15, left),
        b=column([b for _, b in rows], 15, right),
    )
    scale = max(left, right) + 4
    for row, (a, b) in enumerate(rows):
        want: dict[str, object] = dict.fromkeys(got)
        if a is not None and b is not None:
            want |= {"sum": a + b, "difference": a - b, "product": a * b}
            want |= {"same": a == b, "less": a < b}
            if b != 0:
                quotient = rounded(Fraction(a) / Fraction(b), scale)
                want |= {"quotient": quotient, "rest": a % b}
        assert {name: values[row] for name, values in got.items()} == want


@st.composite
def singles(draw: st.DrawFn) -> tuple[int, list[Decimal | None]]:
    scale = draw(st.integers(0, 6))
    return scale, draw(st.lists(decimals(18, scale), min_size=1, max_size=60))


@given(singles(), st.integers(0, 6))
def test_rounding(
    session: hr.Session, case: tuple[int, list[Decimal | None]], digits: int
) -> None:
    scale, values = case
    got = answers(
        session,
        f"SELECT round(x, {digits}) AS away, round_even(x, {digits}) AS even,"
        f" trunc(x, {digits}) AS cut, floor(x) AS floor, ceil(x) AS ceil, abs(x) AS abs FROM t",
        x=column(values, 18, scale),
    )
    kept = min(digits, scale)
    ways = {
        "away": (ROUND_HALF_UP, kept),
        "even": (ROUND_HALF_EVEN, kept),
        "cut": (ROUND_DOWN, kept),
        "floor": (ROUND_FLOOR, 0),
        "ceil": (ROUND_CEILING, 0),
    }
    for row, value in enumerate(values):
        for name, (mode, places) in ways.items():
            want = None if value is None else rounded(value, places, mode)
            assert got[name][row] == want, (name, value)
        assert got["abs"][row] == (None if value is None else abs(value))


@given(singles())
def test_aggregates(session: hr.Session, case: tuple[int, list[Decimal | None]]) -> None:
    scale, values = case
    got = answers(
        session,
        "SELECT sum(x) AS sum, avg(x) AS mean, median(x) AS median, min(x) AS least,"
        " max(x) AS greatest, delta(x) AS delta, count(DISTINCT x) AS distinct_values FROM t",
        x=column(values, 18, scale),
    )
    there = sorted(value for value in values if value is not None)
    if not there:
        assert [got[name][0] for name in ("sum", "mean", "median", "delta")] == [None] * 4
        return
    middle = (there[(len(there) - 1) // 2] + there[len(there) // 2]) / 2
    assert {name: column[0] for name, column in got.items()} == {
        "sum": sum(there),
        "mean": pytest.approx(float(Fraction(sum(there)) / len(there)), rel=1e-15),
        "median": middle,
        "least": there[0],
        "greatest": there[-1],
        "delta": there[-1] - there[0],
        "distinct_values": len(set(there)),
    }


@given(singles(), st.integers(0, 6))
def test_text_and_casts(
    session: hr.Session, case: tuple[int, list[Decimal | None]], scale: int
) -> None:
    from_scale, values = case
    got = answers(
        session,
        "SELECT CAST(x AS VARCHAR) AS text,"
        f" CAST(CAST(x AS VARCHAR) AS DECIMAL(38, {from_scale})) AS back,"
        f" CAST(x AS DECIMAL(38, {scale})) AS other FROM t",
        x=column(values, 18, from_scale),
    )
    for row, value in enumerate(values):
        if value is None:
            assert [got[name][row] for name in got] == [None] * 3
            continue
        assert got["text"][row] == f"{value:f}"
        assert got["back"][row] == value
        assert got["other"][row] == rounded(value, scale)
