"""Ordered operators over random tables give the same rows, in the same order, however the input is
divided: by threads, batch sizes, pieces and encodings of the input, and under little memory. What
they give is held against loops.

`./dev one tests/property/ordered_operators_test.py --property-cases 1700 --timeout 0` makes 10,200
cases."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable
from typing import Any

import headrace as hr
import hypothesis
import numpy
import pandas
import pyarrow as pa
import pytest
from hypothesis import strategies as st

Row = dict[str, Any]

WORLDS: list[dict[str, Any]] = [
    {"threads": 1},
    {"threads": 2, "batch_rows": 1},
    {"threads": 4, "batch_rows": 3},
    {"threads": 2, "batch_rows": 7, "memory_limit": "4MiB"},
]
START = datetime.datetime(2024, 3, 4, 9, 59, 30)


@pytest.fixture(scope="module")
def sessions() -> Any:
    opened = [hr.Session(**world) for world in WORLDS]
    yield opened
    for session in opened:
        session.close()


# -- tables

KEYS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "small integers": (pa.int64(), st.integers(0, 5)),
    "integers": (pa.int64(), st.sampled_from([-1, 0, 4095, 4096, 2**31, 2**63 - 1])),
    "short texts": (pa.string(), st.sampled_from(["", "a", "b", "1234567", "\0", "\0\0"])),
    "texts": (pa.string(), st.sampled_from(["a", "12345678", "a text of some length", "é"])),
    "dates": (pa.date32(), st.dates(datetime.date(1969, 12, 30), datetime.date(1970, 1, 2))),
    "doubles": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5])),
}


@st.composite
def tables_of(draw: st.DrawFn, key: str) -> pa.Table:
    """Rows in the order of `ts`: r is the number of the row, k a key, v a value."""
    rows = draw(st.integers(0, 24))
    kind, keys = KEYS[key]
    if draw(st.booleans()):
        keys = st.none() | keys
    gaps = draw(st.lists(st.integers(0, 90), min_size=rows, max_size=rows))
    times = [START + datetime.timedelta(seconds=at) for at in itertools.accumulate(gaps)]
    values = st.none() | st.integers(-9, 9)
    column = pa.array(draw(st.lists(keys, min_size=rows, max_size=rows)), kind)
    table = pa.table(
        {
            "r": pa.array(range(rows), pa.int64()),
            "ts": pa.array(times, pa.timestamp("us")),
            "k": column.dictionary_encode() if draw(st.booleans()) else column,
            "v": pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), pa.int64()),
        }
    )
    cuts = sorted(draw(st.lists(st.integers(0, rows), max_size=3)))
    ends = [*cuts, rows]
    return pa.concat_tables([table.slice(a, b - a) for a, b in zip([0, *ends], ends)])


TABLES = st.sampled_from(sorted(KEYS)).flatmap(tables_of)
PAIRS = st.sampled_from(sorted(KEYS)).flatmap(lambda key: st.tuples(tables_of(key), tables_of(key)))


def key_of(value: Any) -> Any:
    return value + 0.0 if isinstance(value, float) else value  # −0 = 0


def parts_of(rows: list[Row]) -> list[list[Row]]:
    parts: dict[Any, list[Row]] = {}
    for row in rows:
        parts.setdefault(key_of(row["k"]), []).append(row)
    return list(parts.values())


def same_in_all(
    sessions: list[hr.Session], table: pa.Table, ask: Callable[[hr.Session], Any], expected: Any
) -> None:
    for session in sessions:
        assert ask(session).to_pylist() == expected, session


# -- a value per row

V = "PARTITION BY k ORDER BY ts"


def values_before(row: int, part: list[Row], frame: int | None) -> list[int]:
    first = 0 if frame is None else max(0, row - frame + 1)
    return [r["v"] for r in part[first : row + 1] if r["v"] is not None]


def run_length(row: int, part: list[Row]) -> int:
    rising = [r["v"] is not None and r["v"] > 0 for r in part[: row + 1]]
    return len(list(itertools.takewhile(bool, reversed(rising))))


def lagged(distance: int) -> Callable[[int, list[Row]], Any]:
    return lambda row, part: part[row - distance]["v"] if row >= distance else None


def framed(fold: Callable[[list[int]], Any], frame: int | None) -> Callable[[int, list[Row]], Any]:
    def value(row: int, part: list[Row]) -> Any:
        values = values_before(row, part, frame)
        return fold(values) if values else None

    return value


def following(fold: Callable[[list[int]], Any]) -> Callable[[int, list[Row]], Any]:
    def value(row: int, part: list[Row]) -> Any:
        values = [r["v"] for r in part[row:] if r["v"] is not None]
        return fold(values) if values else None

    return value


CALLS: dict[str, Callable[[int, list[Row]], Any]] = {
    f"lag(v) OVER ({V})": lagged(1),
    f"lag(v, 2) OVER ({V})": lagged(2),
    f"run_length(v > 0) OVER ({V})": run_length,
    f"count(*) OVER ({V} ROWS UNBOUNDED PRECEDING)": lambda row, part: row + 1,
    f"count(v) OVER ({V} ROWS UNBOUNDED PRECEDING)": lambda row, part: len(
        values_before(row, part, None)
    ),
    f"count_if(v > 0) OVER ({V} ROWS UNBOUNDED PRECEDING)": lambda row, part: sum(
        v > 0 for v in values_before(row, part, None)
    ),
    f"sum(v) OVER ({V} ROWS UNBOUNDED PRECEDING)": framed(sum, None),
    f"sum(v) OVER ({V} ROWS 2 PRECEDING)": framed(sum, 3),
    f"min(v) OVER ({V} ROWS 2 PRECEDING)": framed(min, 3),
    f"max(v) OVER ({V} ROWS 3 PRECEDING)": framed(max, 4),
    f"avg(v) OVER ({V} ROWS 1 PRECEDING)": framed(lambda v: sum(v) / len(v), 2),
    f"row_number() OVER ({V})": lambda row, part: row + 1,
}


@hypothesis.given(
    TABLES, st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=3, unique=True)
)
def test_values_of_rows(sessions: list[hr.Session], table: pa.Table, calls: list[str]) -> None:
    values: dict[int, Row] = {}
    rows = table.to_pylist()
    for part in parts_of(rows):
        for row, cells in enumerate(part):
            values[cells["r"]] = {f"c{i}": CALLS[call](row, part) for i, call in enumerate(calls)}
    listed = ", ".join(f"{call} AS c{i}" for i, call in enumerate(calls))
    expected = [{"r": row["r"], **values[row["r"]]} for row in rows]

    def ask(session: hr.Session) -> Any:
        ordered = session.from_arrow(table).assume_sorted("ts")
        return session.sql(f"SELECT r, {listed} FROM t", t=ordered)

    same_in_all(sessions, table, ask, expected)


# -- frames to the end of the partition, and with exclusions: these sort by partition

def total(rows: list[Row]) -> int | None:
    values = [r["v"] for r in rows if r["v"] is not None]
    return sum(values) if values else None


def distinct_total(rows: list[Row]) -> int | None:
    values = {r["v"] for r in rows} - {None}
    return sum(values) if values else None


def ranked(value: int | None) -> tuple[bool, int]:
    return (value is None, value or 0)


LATE_CALLS: dict[str, Callable[[int, list[Row]], Any]] = {
    "sum(v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)": (
        following(sum)
    ),
    "max(v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)": (
        following(max)
    ),
    "count(v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN UNBOUNDED PRECEDING AND "
    "UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW)": lambda row, part: sum(
        r["v"] is not None for i, r in enumerate(part) if i != row
    ),
    "sum(DISTINCT v) OVER (PARTITION BY k ORDER BY r)": lambda row, part: (
        distinct_total(part[: row + 1])
    ),
    "count(DISTINCT v) OVER (PARTITION BY k ORDER BY v)": lambda row, part: len(
        {r["v"] for r in part if ranked(r["v"]) <= ranked(part[row]["v"])} - {None}
    ),
    "sum(DISTINCT v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)": (
        lambda row, part: distinct_total(part[max(0, row - 2) : row + 2])
    ),
    "sum(DISTINCT v) OVER (PARTITION BY k)": lambda row, part: (
        sum({r["v"] for r in part if r["v"] is not None})
        if any(r["v"] is not None for r in part)
        else None
    ),
    "sum(v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING)": (
        lambda row, part: total(part[row + 2 :])
    ),
    "sum(v) OVER (PARTITION BY k ORDER BY r ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING "
    "EXCLUDE CURRENT ROW)": lambda row, part: total(
        part[max(0, row - 2) : row] + part[row + 1 : row + 3]
    ),
    "sum(v) OVER (PARTITION BY k ORDER BY r ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)": (
        lambda row, part: total(part[:row])
    ),
    "sum(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND "
    "UNBOUNDED FOLLOWING EXCLUDE GROUP)": lambda row, part: total(
        [r for r in part if r["v"] != part[row]["v"]]
    ),
    "count(*) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND "
    "UNBOUNDED FOLLOWING EXCLUDE TIES)": lambda row, part: (
        1 + sum(r["v"] != part[row]["v"] for r in part)
    ),
    "count(*) OVER (PARTITION BY k ORDER BY v GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED "
    "FOLLOWING)": lambda row, part: sum(ranked(r["v"]) > ranked(part[row]["v"]) for r in part),
    "sum(v) OVER (PARTITION BY k ORDER BY v RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING "
    "EXCLUDE TIES)": lambda row, part: total(
        [part[row], *(r for r in part if ranked(r["v"]) > ranked(part[row]["v"]))]
    ),
    "lead(v) OVER (PARTITION BY k ORDER BY r)": lambda row, part: (
        part[row + 1]["v"] if row + 1 < len(part) else None
    ),
}


@hypothesis.given(
    TABLES, st.lists(st.sampled_from(sorted(LATE_CALLS)), min_size=1, max_size=2, unique=True)
)
def test_values_that_look_ahead(
    sessions: list[hr.Session], table: pa.Table, calls: list[str]
) -> None:
    values: dict[int, Row] = {}
    for part in parts_of(table.to_pylist()):
        for row, cells in enumerate(part):
            made = {f"c{i}": LATE_CALLS[call](row, part) for i, call in enumerate(calls)}
            values[cells["r"]] = {"r": cells["r"], **made}
    listed = ", ".join(f"{call} AS c{i}" for i, call in enumerate(calls))
    expected = [values[r] for r in range(table.num_rows)]

    def ask(session: hr.Session) -> Any:
        return session.sql(f"SELECT r, {listed} FROM t ORDER BY r", t=session.from_arrow(table))

    same_in_all(sessions, table, ask, expected)


# -- groups by a key that advances within the others

Group = tuple[Any, Any]


def grouped(rows: list[Row], run_of: dict[int, Any]) -> list[tuple[Any, ...]]:
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault((key_of(row["k"]), run_of[row["r"]]), []).append(row)
    made = []
    for (key, run), members in groups.items():
        values = [r["v"] for r in members if r["v"] is not None]
        least = min(values, default=None)
        made.append((key, run, len(members), least, members[0]["v"], members[-1]["r"]))
    return sorted(made, key=repr)


MEASURES = "count(*) AS n, min(v) AS least, first(v) AS opened, max(r) AS last"


def same_groups(sessions: list[hr.Session], table: pa.Table, sql: str, expected: Any) -> None:
    for session in sessions:
        ordered = session.from_arrow(table).assume_sorted("ts")
        found = session.sql(sql, t=ordered).to_pylist()
        rows = sorted(((key_of(row["k"]), *list(row.values())[1:]) for row in found), key=repr)
        assert rows == expected, session


@hypothesis.given(TABLES)
def test_bars(sessions: list[hr.Session], table: pa.Table) -> None:
    rows = table.to_pylist()
    run_of = {row["r"]: row["ts"].replace(second=0, microsecond=0) for row in rows}
    sql = f"SELECT k, date_trunc('minute', ts) AS bar, {MEASURES} FROM t GROUP BY k, bar"
    same_groups(sessions, table, sql, grouped(rows, run_of))


@hypothesis.given(TABLES, st.integers(0, 80))
def test_sessions_by_gap(sessions: list[hr.Session], table: pa.Table, gap: int) -> None:
    run_of = {}
    for part in parts_of(table.to_pylist()):
        number = 0
        for before, row in zip([None, *part], part):
            limit = datetime.timedelta(seconds=gap)
            apart = before is not None and row["ts"] - before["ts"] > limit
            number += before is None or apart
            run_of[row["r"]] = number
    sql = f"""
      SELECT k, session, {MEASURES} FROM (
        SELECT *, count_if(opens) OVER ({V} ROWS UNBOUNDED PRECEDING) AS session FROM (
          SELECT *, coalesce(ts - lag(ts) OVER ({V}) > INTERVAL '{gap} seconds', true) AS opens
          FROM t) AS a) AS b GROUP BY k, session"""
    same_groups(sessions, table, sql, grouped(table.to_pylist(), run_of))


# -- as-of joins


def is_match(left: Row, right: Row, direction: str, strict: bool, tolerance: int | None) -> bool:
    apart = left["ts"] - right["ts"] if direction == "backward" else right["ts"] - left["ts"]
    seconds = apart.total_seconds()
    in_time = seconds > 0 if strict else seconds >= 0
    return (
        in_time
        and (tolerance is None or seconds <= tolerance)
        and left["k"] is not None
        and key_of(left["k"]) == key_of(right["k"])
    )


@hypothesis.given(
    PAIRS,
    st.sampled_from(["backward", "forward"]),
    st.booleans(),
    st.none() | st.integers(0, 120),
)
def test_asof_joins(
    sessions: list[hr.Session],
    pair: tuple[pa.Table, pa.Table],
    direction: str,
    strict: bool,
    tolerance: int | None,
) -> None:
    left, right = pair
    expected = []
    for row in left.to_pylist():
        matches = [
            other
            for other in right.to_pylist()
            if is_match(row, other, direction, strict, tolerance)
        ]
        found = (matches[-1] if direction == "backward" else matches[0]) if matches else None
        expected.append({"r": row["r"], "w": found["v"] if found else None})

    def ask(session: hr.Session) -> Any:
        quotes = session.from_arrow(right.rename_columns(["q", "ts", "k", "w"]))
        trades = session.from_arrow(left).assume_sorted("ts")
        within = None if tolerance is None else datetime.timedelta(seconds=tolerance)
        joined = trades.asof_join(
            quotes.assume_sorted("ts"),
            on="ts",
            by="k",
            direction=direction,
            strict=strict,
            tolerance=within,
        )
        return joined.select("r", "w")

    same_in_all(sessions, left, ask, expected)


# -- patterns of rows


@hypothesis.given(TABLES)
def test_rising_runs(sessions: list[hr.Session], table: pa.Table) -> None:
    expected = []
    for part in parts_of(table.to_pylist()):
        at = 0
        while at < len(part):
            end = at + 1
            while end < len(part) and None not in (part[end]["v"], part[end - 1]["v"]) and (
                part[end]["v"] > part[end - 1]["v"]
            ):
                end += 1
            if end - at > 1:
                expected.append((part[at]["r"], part[end - 1]["r"], end - at))
            at = end
    sql = """
      SELECT first_row, last_row, n FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY r
        MEASURES FIRST(r) AS first_row, LAST(r) AS last_row, count(*) AS n
        ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW
        PATTERN (a up+) DEFINE up AS v > PREV(v)) ORDER BY first_row"""
    rows = [dict(zip(("first_row", "last_row", "n"), run)) for run in sorted(expected)]
    same_in_all(sessions, table, lambda s: s.sql(sql, t=s.from_arrow(table)), rows)


# -- partitions on several lanes: a sort is cut into parts that lanes take, with all rows of each

LANES: list[dict[str, Any]] = [{"threads": 1}, {"threads": 2}, {"threads": 4, "batch_rows": 1000}]
SHAPES: dict[str, Callable[[numpy.random.Generator, int], Any]] = {
    "small": lambda rng, rows: rng.integers(0, rows // 3, rows),
    "middling": lambda rng, rows: rng.integers(0, 50, rows),
    "one large among small": lambda rng, rows: numpy.where(
        rng.random(rows) < 0.6, 70, rng.integers(0, 4000, rows)
    ),
    "one": lambda rng, rows: numpy.zeros(rows, numpy.int64),
}
IN_PARTS = "PARTITION BY k ORDER BY v, r"
LANE_CALLS = {
    "sums": f"sum(v) OVER ({IN_PARTS} ROWS UNBOUNDED PRECEDING)",
    "before": f"lag(v) OVER ({IN_PARTS})",
    "near": f"sum(v) OVER ({IN_PARTS} ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING)",
    "size": "count(*) OVER (PARTITION BY k)",
    "rank": "rank() OVER (PARTITION BY k ORDER BY v)",
}


@pytest.fixture(scope="module")
def lanes() -> Any:
    opened = [hr.Session(memory_limit="96MiB", **lane) for lane in LANES]
    yield opened
    for session in opened:
        session.close()


def shaped(shape: str, keys: str, seed: int) -> pandas.DataFrame:
    rng = numpy.random.default_rng(seed)
    rows = 60_000
    frame = pandas.DataFrame({"k": SHAPES[shape](rng, rows), "v": rng.integers(0, 1000, rows)})
    frame["r"] = numpy.arange(rows)
    if keys == "texts":
        frame["k"] = "key " * 20 + frame["k"].astype(str)
    return frame


def ask_lanes(lanes: list[hr.Session], frame: pandas.DataFrame, sql: str) -> pandas.DataFrame:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    found = [session.sql(sql, t=session.from_arrow(table)).to_arrow() for session in lanes]
    assert all(other.equals(found[0]) for other in found[1:]), sql
    return found[0].to_pandas()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keys", ["integers", "texts"])
def test_windows_on_lanes(lanes: list[hr.Session], shape: str, keys: str) -> None:
    frame = shaped(shape, keys, seed=len(shape))
    listed = ", ".join(f"{call} AS {name}" for name, call in LANE_CALLS.items())
    found = ask_lanes(lanes, frame, f"SELECT r, {listed} FROM t").sort_values("r")
    ordered = frame.sort_values(["k", "v", "r"], kind="stable")
    groups = ordered.groupby("k")["v"]
    near = sum(groups.shift(by).fillna(0) for by in range(-2, 3))
    expected = {
        "sums": groups.cumsum(),
        "before": groups.shift(1),
        "near": near,
        "size": groups.transform("size"),
        "rank": groups.rank(method="min"),
    }
    for name, values in expected.items():
        wanted = values.sort_index().to_numpy(float)
        numpy.testing.assert_array_equal(found[name].to_numpy(float), wanted, name)


@pytest.mark.parametrize("shape", SHAPES)
def test_patterns_and_groups_on_lanes(lanes: list[hr.Session], shape: str) -> None:
    frame = shaped(shape, "integers", seed=7)
    ordered = frame.sort_values(["k", "r"], kind="stable")
    rises = (ordered["k"] == ordered["k"].shift()) & (ordered["v"] > ordered["v"].shift())
    sql = """
      SELECT k, first_row, n FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY r
        MEASURES FIRST(r) AS first_row, count(*) AS n ONE ROW PER MATCH
        AFTER MATCH SKIP PAST LAST ROW PATTERN (a up+) DEFINE up AS v > PREV(v))"""
    runs = ordered.assign(run=(~rises).cumsum()).groupby("run").agg(
        k=("k", "first"), first_row=("r", "first"), n=("r", "size")
    )
    expected = runs[runs["n"] > 1].sort_values("first_row").reset_index(drop=True)
    found = ask_lanes(lanes, frame, sql).sort_values("first_row").reset_index(drop=True)
    pandas.testing.assert_frame_equal(found, expected, check_dtype=False)

    grouped = "SELECT k, count(*) AS n, first(v) AS v FROM (SELECT * FROM t ORDER BY k, r) AS s"
    found = ask_lanes(lanes, frame, grouped + " GROUP BY k").set_index("k").sort_index()
    wanted = ordered.groupby("k").agg(n=("r", "size"), v=("v", "first"))
    pandas.testing.assert_frame_equal(found, wanted, check_dtype=False)
