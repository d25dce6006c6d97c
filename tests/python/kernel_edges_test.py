"""Kernels that work on blocks of rows, at the edges of their types, against NumPy."""

from __future__ import annotations

import hashlib
import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

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


def test_halves_round_away_from_zero(session: hr.Session) -> None:
    below_half = np.nextafter(0.5, 0)
    halves = np.arange(-6, 7) / 2
    whole = 2.0 ** np.arange(50, 54)
    x = np.concatenate(
        [halves, [below_half, -below_half, 0.0, -0.0], whole, whole + 0.5, whole + 1, -whole - 1]
    )
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])
    table = pa.table({"x": x})
    expected = [int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)) for value in x.tolist()]
    rounded = answer(session, "SELECT round(x) FROM edges", table)
    np.testing.assert_array_equal(rounded, expected)
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(x))
    cast = answer(session, "SELECT CAST(x AS BIGINT) FROM edges", table)
    np.testing.assert_array_equal(cast, expected)
    strange = pa.table({"x": [float("nan"), float("inf"), -float("inf")]})
    np.testing.assert_array_equal(
        answer(session, "SELECT round(x) FROM edges", strange), strange["x"].to_numpy()
    )


def with_null_over(value: float, kind: pa.DataType) -> pa.Table:
    """1, and a null whose bytes are those of `value`."""
    values = pa.array([1, value], kind)
    buffers = [pa.py_buffer(b"\x01"), values.buffers()[1]]
    return pa.table({"x": pa.Array.from_buffers(kind, 2, buffers, null_count=1)})


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("CAST(x AS BIGINT)", 2.0**63, pa.float64()),
        ("CAST(x AS BIGINT)", float("nan"), pa.float64()),
        ("CAST(x AS UBIGINT)", -1, pa.int64()),
        ("CAST(x AS INTEGER)", 2**31, pa.int64()),
        ("CAST(x AS REAL)", 1e300, pa.float64()),
        ("abs(x)", I64.min, pa.int64()),
        ("-x", I64.min, pa.int64()),
        ("x + 1", I64.max, pa.int64()),
        ("1 + x", I64.max, pa.int64()),
        ("x + x", I64.min, pa.int64()),
        ("x - 1", I64.min, pa.int64()),
        ("-2 - x", I64.max, pa.int64()),
    ],
)
def test_what_does_not_fit_is_an_error_but_under_a_null(
    session: hr.Session, expression: str, value: float, kind: pa.DataType
) -> None:
    sql = f"SELECT {expression} AS y FROM edges"
    session.register("edges", with_null_over(value, kind))
    assert session.sql(sql).to_arrow()["y"].null_count == 1
    session.register("edges", pa.table({"x": pa.array([1, value], kind)}))
    shown = {2.0**63: r"9.223372036854776e\+18", 1e300: r"1e\+300"}.get(value, str(value))
    with pytest.raises(hr.OverflowError, match=shown):
        session.sql(sql).to_arrow()
    if expression.startswith("CAST"):
        tried = session.sql(sql.replace("CAST", "TRY_CAST")).to_arrow()["y"]
        assert [value is None for value in tried.to_pylist()] == [False, True]


@pytest.mark.parametrize(
    ("value", "fits"),
    [(-(2.0**63), True), (2.0**63, False), (np.nextafter(2.0**63, 0), True), (-0.4, True)],
)
def test_bounds_of_casts_of_floats(session: hr.Session, value: float, fits: bool) -> None:
    session.register("edges", pa.table({"x": [value]}))
    got = session.sql("SELECT TRY_CAST(x AS BIGINT) FROM edges").to_arrow().column(0)[0].as_py()
    assert got == (round(value) if fits else None)


def test_casts_of_times_before_1970(session: hr.Session) -> None:
    ticks = ticks_of("us", seed=5)
    table = pa.table({"t": pa.array(ticks, pa.timestamp("us"))})
    days = ticks // 86_400_000_000
    session.register("edges", table)
    expected = {
        "CAST(t AS DATE)": days,
        "CAST(t AS TIME)": ticks - days * 86_400_000_000,
        "CAST(t AS TIMESTAMP_S)": ticks // 10**6,
        "CAST(CAST(t AS DATE) AS TIMESTAMP)": days * 86_400_000_000,
    }
    for expression, values in expected.items():
        column = session.sql(f"SELECT {expression} AS y FROM edges").to_arrow().column(0)
        wide = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        np.testing.assert_array_equal(column.cast(wide).to_numpy(), values, err_msg=expression)


@pytest.mark.parametrize("unit", UNITS)
def test_text_of_times(session: hr.Session, unit: str) -> None:
    ticks = ticks_of(unit, seed=6)
    per_second = UNITS[unit]
    table = pa.table({"t": pa.array(ticks, pa.timestamp(unit))})
    days = ticks // (per_second * 86_400)
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    expected = []
    for i, tick in enumerate(ticks.tolist()):
        second = tick // per_second % 86_400
        fraction = f"{tick % per_second * (10**9 // per_second):09}".rstrip("0")
        month = months[i].astype(np.int64) % 12 + 1
        day = (days[i].astype("datetime64[D]") - months[i].astype("datetime64[D]")).astype(int) + 1
        expected.append(
            f"{years[i]:04}-{month:02}-{day:02} "
            f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            + (f".{fraction}" if fraction else "")
        )
    session.register("edges", table)
    got = session.sql("SELECT CAST(t AS TEXT) FROM edges").to_arrow().column(0).to_pylist()
    assert got == expected
    zoned = pa.table({"t": pa.array(ticks, pa.timestamp(unit, "Europe/Berlin"))})
    session.register("edges", zoned)
    got = session.sql("SELECT CAST(t AS TEXT) FROM edges").to_arrow().column(0).to_pylist()
    assert got == [text + "Z" for text in expected]


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_text_of_integers_and_nulls(session: hr.Session, bits: int) -> None:
    for kind in (f"int{bits}", f"uint{bits}"):
        least, greatest = np.iinfo(kind).min, np.iinfo(kind).max
        values = [least, None, 0, 9, 10, 99, 100, greatest, None] * 500
        session.register("edges", pa.table({"x": pa.array(values, kind)}).slice(1))
        got = session.sql("SELECT CAST(x AS TEXT) FROM edges").to_arrow().column(0).to_pylist()
        assert got == [None if value is None else str(value) for value in values[1:]]


def column_of(kind: pa.DataType, random: np.random.Generator, rows: int) -> pa.Array:
    """Values of any type, a fifth of them null, that begin within the array's buffers."""
    numbers = random.integers(0, 100, rows + 3)
    nulls = random.random(rows + 3) < 0.2
    texts = pa.array([None if null else str(number) for number, null in zip(numbers, nulls)])
    if pa.types.is_list(kind):
        values = [None if null else [int(n)] * (n % 3) for n, null in zip(numbers, nulls)]
        return pa.array(values, kind).slice(3)
    if pa.types.is_boolean(kind):
        return pa.array(numbers > 50, mask=nulls).slice(3)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        width = pa.int32() if kind == pa.date32() else pa.int64()
        return texts.cast(width).cast(kind).slice(3)
    return texts.cast(kind).slice(3)


@pytest.mark.parametrize(
    "kind",
    [
        *[pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()],
        *[pa.decimal128(7, 2), pa.date32(), pa.timestamp("ns"), pa.string(), pa.binary()],
        pa.list_(pa.int64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000])
def test_choices_among_branches(session: hr.Session, kind: pa.DataType, rows: int) -> None:
    random = np.random.default_rng(rows)
    columns = {name: column_of(kind, random, rows) for name in "ab"}
    columns |= {name: column_of(pa.bool_(), random, rows) for name in "cd"}
    table = pa.table(columns)
    session.register("edges", table)
    picked = {
        "CASE WHEN c THEN a ELSE b END": lambda a, b, c, d: a if c else b,
        "CASE WHEN c THEN a WHEN d THEN b END": lambda a, b, c, d: a if c else b if d else None,
        "CASE WHEN c AND d THEN a END": lambda a, b, c, d: a if c and d else None,
        "if(d, NULL, a)": lambda a, b, c, d: None if d else a,
        "coalesce(a, b)": lambda a, b, c, d: b if a is None else a,
        "nullif(a, b)": lambda a, b, c, d: None if a == b else a,
    }
    if pa.types.is_list(kind):
        del picked["nullif(a, b)"]
    for expression, pick in picked.items():
        expected = [pick(*row.values()) for row in table.to_pylist()]
        got = session.sql(f"SELECT {expression} AS y FROM edges").to_arrow().column(0)
        assert got.type == kind
        assert got.to_pylist() == expected, expression
    got = session.sql("SELECT CASE WHEN c THEN a ELSE b END AS y FROM edges WHERE d").to_arrow()
    assert got.column(0).to_pylist() == [
        row["a"] if row["c"] else row["b"] for row in table.to_pylist() if row["d"]
    ]


@pytest.mark.parametrize("unit", UNITS)
def test_whole_periods_and_weeks_between_times(session: hr.Session, unit: str) -> None:
    a, b = ticks_of(unit, seed=3), ticks_of(unit, seed=4)
    near = abs(b.astype(object) - a.astype(object)) <= I64.max
    a, b = a[near], b[near]
    table = pa.table({"a": pa.array(a, pa.timestamp(unit)), "b": pa.array(b, pa.timestamp(unit))})
    for part, seconds in [("second", 1), ("hour", 3_600), ("day", 86_400), ("week", 604_800)]:
        got = answer(session, f"SELECT date_sub('{part}', a, b) FROM edges", table)
        span = b - a
        np.testing.assert_array_equal(got, np.sign(span) * (abs(span) // (UNITS[unit] * seconds)))
    mondays = [(x // (UNITS[unit] * 86_400) + 3) // 7 for x in (a, b)]  # 1970 began on a Thursday
    got = answer(session, "SELECT date_diff('week', a, b) FROM edges", table)
    np.testing.assert_array_equal(got, mondays[1] - mondays[0])


def test_parts_of_far_and_near_dates(session: hr.Session) -> None:
    random = np.random.default_rng(8)
    near, far = random.integers(-(10**7) + 1, 10**7, 2_000), random.integers(-(2**31), 2**31, 2_000)
    for days in (near, np.concatenate([near, far]), np.array([-(10**7), 10**7 - 1, 10**7])):
        table = pa.table({"d": pa.array(days, pa.int32()).cast(pa.date32())})
        dates = days.astype("datetime64[D]")
        years, months = dates.astype("datetime64[Y]"), dates.astype("datetime64[M]")
        expected = {
            "year(d)": years.astype(np.int64) + 1970,
            "month(d)": months.astype(np.int64) % 12 + 1,
            "day(d)": (dates - months.astype("datetime64[D]")).astype(np.int64) + 1,
            "dayofyear(d)": (dates - years.astype("datetime64[D]")).astype(np.int64) + 1,
            "dayofweek(d)": (days + 4) % 7,
        }
        for expression, values in expected.items():
            got = answer(session, f"SELECT {expression} FROM edges", table)
            np.testing.assert_array_equal(got, values, err_msg=expression)


@pytest.mark.parametrize("scale", [0, 2, 18, 20])
def test_floats_to_decimals_are_rounded_from_their_exact_value(
    session: hr.Session, scale: int
) -> None:
    random = np.random.default_rng(scale)
    x = np.concatenate(
        [random.normal(0, 10.0**power, 200) for power in range(-25, 22, 2)]
        + [random.integers(-(10**6), 10**6, 500) / 8, [0.0, -0.0, 5e-324, -0.005, 1e15 + 0.5]]
    )
    session.register("edges", pa.table({"x": x}))
    got = session.sql(f"SELECT TRY_CAST(x AS DECIMAL(38, {scale})) FROM edges").to_arrow().column(0)
    with localcontext(prec=400):
        exact = [Decimal(v).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) for v in x.tolist()]
    expected = [value if abs(value) < 10 ** (38 - scale) else None for value in exact]
    assert got.to_pylist() == expected


def test_integers_to_decimals(session: hr.Session) -> None:
    values = [0, 1, -1, 999, -999, 1000, -1000, I64.max, I64.min]
    session.register("edges", pa.table({"x": pa.array(values)}))
    for precision, scale in [(5, 2), (18, 18), (38, 18), (38, 19), (19, 0), (38, 0)]:
        sql = f"SELECT TRY_CAST(x AS DECIMAL({precision}, {scale})) FROM edges"
        got = session.sql(sql).to_arrow().column(0).to_pylist()
        assert got == [v if abs(v) < 10 ** (precision - scale) else None for v in values]
    with pytest.raises(hr.OverflowError, match="1000"):
        session.sql("SELECT CAST(x AS DECIMAL(5, 2)) FROM edges").to_arrow()


def test_intervals_of_months_days_and_times(session: hr.Session) -> None:
    random = np.random.default_rng(9)
    begin = datetime(1970, 1, 1)
    micros = random.integers(-2 * 10**16, 2 * 10**17, 2_000)
    times = [begin + timedelta(microseconds=int(value)) for value in micros]
    table = pa.table({"t": pa.array(micros, pa.timestamp("us"))})
    session.register("edges", table)
    for months, rest in [(1, 0), (-1, 1), (13, 86_400_000_000), (-25, -90_000_000_001), (0, -1)]:
        sql = f"t + (INTERVAL {months} MONTH) + (INTERVAL {rest} MICROSECOND)"
        got = session.sql(f"SELECT {sql} FROM edges").to_arrow().column(0).to_pylist()
        expected = []
        for time in times:
            year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
            day = min(time.day, monthrange(year, month + 1)[1])
            later = time.replace(year=year, month=month + 1, day=day)
            expected.append(later + timedelta(microseconds=rest))
        assert got == expected


def test_bases_of_integers(session: hr.Session) -> None:
    values = [0, 1, -1, 255, 256, I64.max, I64.min, *[1 << bit for bit in range(63)]]
    session.register("edges", pa.table({"x": pa.array(values, pa.int64())}))
    got = session.sql("SELECT bin(x) AS b, hex(x) AS h FROM edges").to_arrow().to_pydict()
    unsigned = [value % 2**64 for value in values]
    assert got == {"b": [f"{v:b}" for v in unsigned], "h": [f"{v:X}" for v in unsigned]}


def test_digests_of_every_length(session: hr.Session) -> None:
    texts = ["é" * (size // 2) + "x" * (size % 2) for size in range(260)]
    session.register("edges", pa.table({"x": texts}))
    got = session.sql("SELECT md5(x) AS m, sha256(x) AS s FROM edges").to_arrow().to_pydict()
    assert got["m"] == [hashlib.md5(text.encode()).hexdigest() for text in texts]
    assert got["s"] == [hashlib.sha256(text.encode()).hexdigest() for text in texts]


@pytest.mark.parametrize("pattern", ["a", "ab", ".", "a.", "", "é", "a|c", " ", "^a", "b$"])
def test_patterns_that_are_plain_text_or_not(session: hr.Session, pattern: str) -> None:
    texts = ["abc", "xaz", None, "", "b.c", "A", "aé", "a b", "a.c"] * 30
    session.register("edges", pa.table({"x": texts}))
    sql = "SELECT regexp_matches(x, ?) FROM edges"
    got = session.sql(sql, [pattern]).to_arrow().column(0).to_pylist()
    assert got == [None if text is None else bool(re.search(pattern, text)) for text in texts]


@pytest.mark.parametrize("unit", UNITS)
def test_buckets_of_time(session: hr.Session, unit: str) -> None:
    ticks = ticks_of(unit, seed=10)
    table = pa.table({"t": pa.array(ticks, pa.timestamp(unit))})
    step = 90 * 60 * UNITS[unit]
    got = answer(session, "SELECT time_bucket(INTERVAL 90 MINUTE, t) FROM edges", table)
    np.testing.assert_array_equal(got, ticks // step * step)


@pytest.mark.parametrize("scale", [0, 1, 2, 18, 19, 38])
def test_text_of_decimals(session: hr.Session, scale: int) -> None:
    units = [0, 1, -1, 5, -50, 10**18, -(10**18) - 1, I64.max, I64.min, I64.min + 1, I64.max + 1]
    units += [10**38 - 1, 1 - 10**38]
    with localcontext(prec=40):
        values = [None, *[Decimal(unit).scaleb(-scale) for unit in units]]
    session.register("edges", pa.table({"x": pa.array(values, pa.decimal128(38, scale))}))
    got = session.sql("SELECT CAST(x AS TEXT) FROM edges").to_arrow().column(0).to_pylist()
    assert got == [None if value is None else f"{value:.{scale}f}" for value in values]


def test_a_span_of_more_days_than_an_interval_has_is_an_error(session: hr.Session) -> None:
    seconds = [0, -90_061, 86_400 * (2**31 - 1), 86_400 * 2**31]
    table = pa.table({"n": range(4), "x": pa.array(seconds, pa.duration("s"))})
    session.register("spans", table)
    moved = "SELECT TIME '02:00:00' + x AS t FROM spans"
    fits = session.sql(f"{moved} WHERE n < 3").to_arrow()["t"].to_pylist()
    assert [str(t) for t in fits] == ["02:00:00", "00:58:59", "02:00:00"]
    with pytest.raises(OverflowError, match="2147483648 days"):
        session.sql(moved).to_arrow()
