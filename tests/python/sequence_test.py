"""Sequence methods against pandas: shifted, rolling, cumulative and filled columns, and orders."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace as hr
import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

START = datetime.datetime(2024, 1, 1)
SESSIONS = [(1, 1024), (4, 3)]  # threads, batch rows

Column = list[Any]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Columns t (times that ascend), s, x (numbers) and i (whole numbers), with nulls."""
    rows = draw(st.integers(0, 40))
    gaps = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
    times = [START + datetime.timedelta(minutes=int(n)) for n in np.cumsum(gaps)]
    numbers = st.none() | st.sampled_from([0.0, 1.5, -2.25, 1000.0, 3.0, 0.1])
    whole = st.none() | st.integers(-5, 5)
    return pa.table(
        {
            "n": pa.array(range(rows), pa.int64()),
            "t": pa.array(times, pa.timestamp("us")),
            "s": pa.array(draw(lists_of(st.none() | st.sampled_from("ab"), rows)), pa.string()),
            "x": pa.array(draw(lists_of(numbers, rows)), pa.float64()),
            "i": pa.array(draw(lists_of(whole, rows)), pa.int64()),
        }
    )


def lists_of(items: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[Column]:
    return st.lists(items, min_size=rows, max_size=rows)


def same(got: Column, expected: Column) -> bool:
    """Equal up to rounding; null and NaN (0 / 0) are one in pandas."""
    return len(got) == len(expected) and all(map(same_cell, got, expected))


def is_missing(cell: Any) -> bool:
    return cell is None or cell != cell


def same_cell(got: Any, expected: Any) -> bool:
    if is_missing(got) or is_missing(expected):
        return is_missing(got) and is_missing(expected)
    return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)


def by_partition(
    table: pa.Table, keys: bool, function: Callable[[pd.DataFrame], pd.Series]
) -> Column:
    """`function` of the rows of each s, or of all, in the order of rows."""
    frame = table.to_pandas()
    result = pd.Series(np.nan, index=frame.index, dtype="float64")
    parts = frame.groupby("s", dropna=False, sort=False) if keys else [(None, frame)]
    for _, part in parts:
        result[part.index] = function(part).astype("float64").to_numpy()
    return list(result)


def check(table: pa.Table, value: Any, function: Callable[[pd.DataFrame], pd.Series]) -> None:
    for keys in (False, True):
        expected = by_partition(table, keys, function)
        column = value.over("s") if keys else value
        for threads, batch_rows in SESSIONS:
            with hr.Session(threads=threads, batch_rows=batch_rows) as session:
                rows = session.from_arrow(table).assume_sorted("t").derive(y=column).to_arrow()
            assert rows["n"].to_pylist() == list(range(table.num_rows))
            got = rows["y"].to_pylist()
            assert same(got, expected), (got, expected, keys, threads)


ROLLED: dict[str, tuple[Callable[[hr.sequence.Rolling], Any], Callable[[Any], Any]]] = {
    "sum": (lambda r: r.sum(), lambda r: r.sum()),
    "mean": (lambda r: r.mean(), lambda r: r.mean()),
    "min": (lambda r: r.min(), lambda r: r.min()),
    "max": (lambda r: r.max(), lambda r: r.max()),
    "count": (lambda r: r.count(), lambda r: r.count()),
    "median": (lambda r: r.median(), lambda r: r.median()),
    "quantile": (lambda r: r.quantile(0.3), lambda r: r.quantile(0.3)),
}
SMALL = st.sampled_from(["i", "x"])


@pytest.mark.parametrize("name", ROLLED)
@hypothesis.given(tables(), st.integers(1, 6), SMALL)
def test_last_rows(name: str, table: pa.Table, window: int, column: str) -> None:
    ours, theirs = ROLLED[name]
    minimum = 0 if name == "count" else 1
    check(
        table,
        ours(hr.col(column).rolling(window)),
        lambda part: theirs(part[column].rolling(window, min_periods=minimum)),
    )


@pytest.mark.parametrize("name", ROLLED)
@hypothesis.given(tables(), st.integers(1, 9), SMALL)
def test_last_time(name: str, table: pa.Table, minutes: int, column: str) -> None:
    ours, theirs = ROLLED[name]
    minimum = 0 if name == "count" else 1

    def expected(part: pd.DataFrame) -> pd.Series:
        return theirs(part.rolling(f"{minutes}min", on="t", min_periods=minimum)[column])

    check(table, ours(hr.col(column).rolling(f"{minutes}m", on="t")), expected)


@hypothesis.given(tables(), st.integers(1, 6), st.integers(0, 4))
def test_min_periods(table: pa.Table, window: int, least: int) -> None:
    least = min(window, least)
    check(
        table,
        hr.col("i").rolling(window, min_periods=least).max(),
        lambda part: part["i"].rolling(window, min_periods=max(least, 1)).max(),
    )


def naive(table: pa.Table, window: int, function: Callable[[list[Any]], Any]) -> Column:
    cells = table["i"].to_pylist()
    frames = [cells[max(0, row - window + 1) : row + 1] for row in range(len(cells))]
    return [function([cell for cell in frame if cell is not None]) for frame in frames]


@hypothesis.given(tables(), st.integers(1, 6))
def test_spread_of_last_rows(table: pa.Table, window: int) -> None:
    """pandas updates its sums and drifts: a loop over the frames is the judge."""
    expected = naive(table, window, lambda c: float(np.std(c, ddof=1)) if len(c) > 1 else None)
    for threads, batch_rows in SESSIONS:
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            rows = session.from_arrow(table).select(y=hr.col("i").rolling(window).std())
            assert same(rows.to_arrow()["y"].to_pylist(), expected)


def test_sums_do_not_drift() -> None:
    cells = [1e16, 1.0, -1e16, 3.0, 4.0, 5.0]
    rows = hr.from_arrow(pa.table({"x": cells})).select(y=hr.col("x").rolling(2).sum())
    assert rows.to_arrow()["y"].to_pylist() == [1e16, 1e16 + 1, 1 - 1e16, 3.0 - 1e16, 7.0, 9.0]


@hypothesis.given(tables(), st.integers(0, 3))
def test_shift_and_diff(table: pa.Table, n: int) -> None:
    check(table, hr.col("i").shift(n), lambda part: part["i"].shift(n))
    check(table, hr.col("i").diff(n), lambda part: part["i"].diff(n))
    x = hr.col("x")
    check(table, x.pct_change(1), lambda part: part["x"].pct_change(1, fill_method=None))


@hypothesis.given(tables(), st.integers(1, 3))
def test_shift_from_behind(table: pa.Table, n: int) -> None:
    frame = table.to_pandas()
    rows = hr.from_arrow(table).select(s=hr.col("i").shift(-n), d=hr.col("i").diff(-n)).to_arrow()
    assert same(rows["s"].to_pylist(), list(frame["i"].shift(-n)))
    assert same(rows["d"].to_pylist(), list(frame["i"].diff(-n)))


@hypothesis.given(tables())
def test_cumulative(table: pa.Table) -> None:
    i = hr.col("i")
    check(table, i.cum_sum(), lambda part: part["i"].expanding().sum())
    check(table, i.cum_min(), lambda part: part["i"].expanding().min())
    check(table, i.cum_max(), lambda part: part["i"].expanding().max())
    check(table, i.cum_mean(), lambda part: part["i"].expanding().mean())
    check(table, i.cum_count(), lambda part: part["i"].expanding(0).count())
    check(table, i.cum_prod(), lambda part: part["i"].cumprod().ffill())


@hypothesis.given(tables(), st.none() | st.integers(1, 3))
def test_fill(table: pa.Table, limit: int | None) -> None:
    check(table, hr.col("x").forward_fill(limit), lambda part: part["x"].ffill(limit=limit))


@hypothesis.given(tables(), st.none() | st.integers(1, 3))
def test_fill_from_behind(table: pa.Table, limit: int | None) -> None:
    expected = list(table.to_pandas()["x"].bfill(limit=limit))
    rows = hr.from_arrow(table).derive(y=hr.col("x").backward_fill(limit)).to_arrow()
    assert same(rows["y"].to_pylist(), expected)


@hypothesis.given(tables())
def test_interpolate(table: pa.Table) -> None:
    expected = list(table.to_pandas()["i"].astype("float64").interpolate(limit_area="inside"))
    rows = hr.from_arrow(table).derive(y=hr.col("i").interpolate()).to_arrow()
    assert same(rows["y"].to_pylist(), expected)


def test_calls_of_calls() -> None:
    table = pa.table({"a": [1, 2, 4, 8, 16]})
    rows = hr.from_arrow(table).select(y=hr.col("a").shift(1).rolling(2).mean() > 2)
    assert rows.to_arrow()["y"].to_pylist() == [None, False, False, True, True]


def test_the_first_row_that_fits() -> None:
    rows = hr.from_arrow(pa.table({"n": range(10), "x": [0, None, 3, 1, 4, 1, 5, 9, 2, 6]}))
    assert rows.search_first("x > 3").to_pylist() == [{"n": 4, "x": 4}]
    assert rows.search_first(hr.col("x") < hr.col("x").shift(1)).to_pylist() == [{"n": 3, "x": 1}]
    assert rows.search_first("x > 9").to_pylist() == []


def test_every_nth_row() -> None:
    rows = hr.from_arrow(pa.table({"n": range(10)})).step(4)
    assert rows.to_arrow()["n"].to_pylist() == [0, 4, 8]
    with pytest.raises(hr.InvalidArgumentError, match="a step of at least 1 row, got 0"):
        rows.step(0)


def test_rows_of_no_time_see_themselves() -> None:
    table = pa.table({"t": pa.array([0, 1, None, None], pa.int64()), "x": [1, 2, 3, 4]})
    rows = hr.from_arrow(table).assume_sorted("t")
    for value in (hr.col("x").rolling(5, on="t").sum(), hr.col("x").rolling(5, on="t").median()):
        assert rows.select(y=value).to_arrow()["y"].to_pylist() == [1, value_of(value, 2), 3, 4]


def value_of(value: Any, row: int) -> float:
    return 3 if "sum" in value.name else 1.5


def test_a_frame_of_time_needs_order() -> None:
    table = hr.from_arrow(pa.table({"t": [2, 1], "x": [1, 2]}))
    for value in (hr.col("x").rolling(5, on="t").sum(), hr.col("x").rolling(5, on="t").median()):
        with pytest.raises(hr.InvalidArgumentError, match=r'put \.sort\("t"\) in front, or'):
            table.derive(y=value)
        assert table.sort("t").derive(y=value).to_arrow().num_rows == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x.rolling(0), "a number of rows, of at least 1, got 0"),
        (lambda x: x.rolling("5 m", on="t"), "expected a span such as '5m'"),
        (lambda x: x.rolling("m", on="t"), "expected a span such as '5m'"),
        (lambda x: x.rolling(2, min_periods=-1), "min_periods, a number of values of at least 0"),
        (lambda x: x.shift("a"), "expected a whole number of rows to shift by, got 'a'"),
        (lambda x: x.forward_fill(0), "a limit, a number of rows, of at least 1, got 0"),
    ],
)
def test_arguments_that_do_not_fit(make: Callable[[hr.Expr], Any], message: str) -> None:
    with pytest.raises(hr.InvalidArgumentError, match=message):
        make(hr.col("x"))


# -- declared orders


def test_declared_order_is_used() -> None:
    rows = hr.from_arrow(pa.table({"t": [1, 2, 2, 3]}))
    assert "sort " in rows.sort("t").explain()
    declared = rows.assume_sorted("t")
    assert "check_order t ASC NULLS LAST" in declared.sort("t").explain()
    assert "\n  sort" not in declared.sort("t").explain()
    assert declared.sort("t").to_arrow()["t"].to_pylist() == [1, 2, 2, 3]


@pytest.mark.parametrize("batch_rows", [1, 2, 1024])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_row_out_of_order_is_an_error(threads: int, batch_rows: int, tmp_path: Path) -> None:
    for column, message in (
        ([1, 5, 3, 7], "t = 3, after t = 5"),
        (["a", "c", None, "b"], "t = b, after t = NULL"),
        ([3.0, 2.0], "t = 2.0, after t = 3.0"),
    ):
        table = pa.table({"t": column})
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=1)
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            for rows in (session.from_arrow(table), session.scan(tmp_path / "t.parquet")):
                with pytest.raises(hr.BadDataError, match="sorted by t ASC NULLS LAST") as error:
                    rows.assume_sorted("t").to_arrow()
                assert message in str(error.value) or threads > 1
                assert "sort them by t instead" in str(error.value)


def test_orders_of_several_columns(tmp_path: Path) -> None:
    table = pa.table({"a": [2, 2, 1, None], "b": ["x", "y", "a", "b"]})
    key = hr.col("a").desc()
    rows = hr.from_arrow(table).assume_sorted(key, "b")
    assert rows.to_arrow() == table
    with pytest.raises(hr.BadDataError, match="a = 2, b = y, after a = 2, b = z"):
        hr.from_arrow(pa.table({"a": [2, 2], "b": ["z", "y"]})).assume_sorted(key, "b").to_arrow()
    with pytest.raises(hr.InvalidArgumentError, match="derive it as a column first"):
        rows.assume_sorted("a + 1")


@hypothesis.given(st.lists(st.none() | st.integers(-3, 3), max_size=30), st.booleans())
def test_orders_are_checked_everywhere(cells: Column, sort: bool) -> None:
    if sort:
        cells = sorted(cells, key=lambda cell: (cell is None, cell or 0))
    expected = cells == sorted(cells, key=lambda cell: (cell is None, cell or 0))
    table = pa.table({"t": pa.array(cells, pa.int64())})
    for threads, batch_rows in SESSIONS:
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            rows = session.from_arrow(table).assume_sorted("t")
            if expected:
                assert rows.to_arrow() == table
            else:
                with pytest.raises(hr.BadDataError):
                    rows.to_arrow()


def test_partitions_that_have_passed_are_forgotten() -> None:
    """States of partitions that stand together are saved, dropped and loaded again."""
    rows = 20000
    generator = np.random.default_rng(7)
    keys = np.sort(generator.integers(0, rows // 3, rows))
    cells = [None if n % 5 == 0 else int(n) for n in generator.integers(-50, 50, rows)]
    table = pa.table({"k": keys, "t": range(rows), "i": pa.array(cells, pa.int64())})
    i = hr.col("i")
    calls = {
        "sum": (i.rolling(3).sum(), lambda g: g.rolling(3, min_periods=1).sum()),
        "median": (i.rolling(3).median(), lambda g: g.rolling(3, min_periods=1).median()),
        "all": (i.cum_max(), lambda g: g.expanding().max()),
        "filled": (i.forward_fill(1), lambda g: g.ffill(limit=1)),
    }
    groups = table.to_pandas().groupby("k")["i"]
    with hr.Session(threads=2, batch_rows=4095) as session:
        ordered = session.from_arrow(table).assume_sorted("k", "t")
        by_time = hr.col("i").rolling(1, on="t").max()
        values = {name: ours.over("k") for name, (ours, _) in calls.items()}
        got = ordered.derive(**values, last=by_time.over("k")).to_arrow()
    assert got["t"].to_pylist() == list(range(rows))
    assert same(got["last"].to_pylist(), cells)
    for name, (_, theirs) in calls.items():
        expected = groups.transform(theirs)
        assert same(got[name].to_pylist(), list(expected)), name


def test_nan_stands_above_all() -> None:
    x = hr.col("x")
    rows = hr.from_arrow(pa.table({"x": [1.0, math.nan, -2.0, 3.0]}))
    values = {"high": x.rolling(2).max(), "low": x.rolling(2).min(), "all": x.cum_max()}
    got = rows.select(**values, mid=x.rolling(2).median()).to_arrow().to_pydict()
    assert got["low"] == [1.0, 1.0, -2.0, -2.0]
    assert [math.isnan(cell) for cell in got["high"]] == [False, True, True, False]
    assert [math.isnan(cell) for cell in got["all"]] == [False, True, True, True]
    assert [math.isnan(cell) for cell in got["mid"]] == [False, True, True, False]


@pytest.mark.parametrize("kind", [pa.int32(), pa.float32(), pa.date32(), pa.string()])
def test_extremes_of_other_types(kind: pa.DataType) -> None:
    """Those that no kernel of numbers takes."""
    table = pa.table({"x": pa.array([3, 1, None, 2, 5], pa.int32()).cast(pa.int32())})
    x = table["x"].cast(pa.int32()).cast(kind) if kind != pa.string() else table["x"].cast(kind)
    cells = x.to_pylist()
    rows = hr.from_arrow(pa.table({"x": x}))
    got = rows.select(low=hr.col("x").rolling(2).min(), high=hr.col("x").cum_max()).to_arrow()
    assert got["low"].to_pylist() == [cells[0], cells[1], cells[1], cells[3], cells[3]]
    assert got["high"].to_pylist() == [*[cells[0]] * 4, cells[4]]
