"""Kernels that work on blocks of rows, at the edges of their types, against NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

I64 = np.iinfo(np.int64)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@pytest.fixture(scope="module")
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2) as made:
        yield made


def ticks_of(unit: str, seed: int) -> np.ndarray:
    """Near 1970, around days and years, and anywhere that numpy can count, before Christ too."""
    random = np.random.default_rng(seed)
    day = UNITS[unit] * 86_400
    far = min(I64.max, 9_000_000 * day)
    near = random.integers(-60_000, 60_000, 3_000) * day + random.integers(-1, 2, 3_000)
    anywhere = random.integers(-far, far, 3_000)
    return np.concatenate([near, anywhere, np.arange(-2, 3)])


def answer(session: hr.Session, sql: str, table: pa.Table) -> np.ndarray:
    session.register("edges", table)
    column = session.sql(sql).to_arrow().column(0)
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy()


@pytest.mark.parametrize("unit", UNITS)
def test_parts_and_begins_of_times(session: hr.Session, unit: str) -> None:
    ticks = ticks_of(unit, seed=3)
    table = pa.table({"t": pa.array(ticks, pa.timestamp(unit))})
    times = ticks.astype(f"datetime64[{unit}]")
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    years = days.astype("datetime64[Y]")
    expected = {
        "year(t)": years.astype(np.int64) + 1970,
        "month(t)": (months - years.astype("datetime64[M]")).astype(np.int64) + 1,
        "day(t)": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "dayofyear(t)": (days - years.astype("datetime64[D]")).astype(np.int64) + 1,
        "dayofweek(t)": (days.astype(np.int64) + 4) % 7,
        "hour(t)": ticks // (UNITS[unit] * 3_600) % 24,
        "second(t)": ticks // UNITS[unit] % 60,
        "date_trunc('month', t)": months.astype(times.dtype).astype(np.int64),
        "date_trunc('day', t)": days.astype(times.dtype).astype(np.int64),
        "date_trunc('hour', t)": times.astype("datetime64[h]").astype(times.dtype).astype(np.int64),
    }
    for expression, values in expected.items():
        got = answer(session, f"SELECT {expression} FROM edges", table)
        np.testing.assert_array_equal(got, values, err_msg=f"{expression} of {unit}")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("part", "seconds"), [("day", 86_400), ("hour", 3_600), ("second", 1)])
def test_differences_of_times(session: hr.Session, unit: str, part: str, seconds: int) -> None:
    a, b = ticks_of(unit, seed=3), ticks_of(unit, seed=4)
    table = pa.table({"a": pa.array(a, pa.timestamp(unit)), "b": pa.array(b, pa.timestamp(unit))})
    step = UNITS[unit] * seconds
    got = answer(session, f"SELECT date_diff('{part}', a, b) FROM edges", table)
    np.testing.assert_array_equal(got, b // step - a // step)


def test_the_first_and_last_timestamps(session: hr.Session) -> None:
    table = pa.table({"t": pa.array([I64.min + 1, I64.max], pa.timestamp("us"))})
    assert list(answer(session, "SELECT year(t) FROM edges", table)) == [-290308, 294247]
    days = [(I64.min + 1) // 86_400_000_000, I64.max // 86_400_000_000]
    got = answer(session, "SELECT date_diff('day', TIMESTAMP '1970-01-01', t) FROM edges", table)
    assert list(got) == days
    session.register("last", table.slice(1))
    got = answer(session, "SELECT date_trunc('day', t) FROM last", table)
    assert list(got) == [days[1] * 86_400_000_000]
    with pytest.raises(hr.OverflowError, match=str(I64.min + 1)):
        answer(session, "SELECT date_trunc('day', t) FROM edges", table)
