"""Sessions, funnels, folds, nearest as-of joins and merges of random tables, against loops."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import headrace as hr
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st

SESSIONS = [(1, 1024), (2, 1), (4, 3)]  # threads, batch rows
Row = dict[str, Any]

TIMES = st.lists(st.integers(0, 12), max_size=14).map(sorted)
MANY = hypothesis.settings(max_examples=150)


def in_sessions(check: Callable[[hr.Session], None]) -> None:
    for threads, batch_rows in SESSIONS:
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            check(session)


def events(times: list[int], keys: list[str], steps: list[int]) -> pa.Table:
    return pa.table(
        {
            "t": pa.array(times, pa.int64()),
            "k": pa.array(keys[: len(times)], pa.string()),
            "s": pa.array(steps[: len(times)], pa.int64()),
            "r": pa.array(range(len(times)), pa.int64()),
        }
    )


EVENTS = TIMES.flatmap(
    lambda times: st.builds(
        events,
        st.just(times),
        st.lists(st.sampled_from("ab"), min_size=len(times), max_size=len(times)),
        st.lists(st.integers(1, 3), min_size=len(times), max_size=len(times)),
    )
)


def by_key(rows: list[Row]) -> dict[Any, list[Row]]:
    parts: dict[Any, list[Row]] = {}
    for row in rows:
        parts.setdefault(row["k"], []).append(row)
    return parts


@MANY
@hypothesis.given(EVENTS, st.integers(0, 4), st.booleans())
def test_sessions(table: pa.Table, gap: int, sorted_before: bool) -> None:
    expected: dict[int, int] = {}
    for rows in by_key(table.to_pylist()).values():
        number = 0
        for before, row in zip([None, *rows], rows):
            number += before is None or row["t"] - before["t"] > gap
            expected[row["r"]] = number

    def check(session: hr.Session) -> None:
        cursor = session.from_arrow(table)
        if sorted_before:
            cursor = cursor.assume_sorted("t")
        rows = cursor.sessions("t", gap, by="k").to_pylist()
        assert {row["r"]: row["session"] for row in rows} == expected
        if sorted_before:
            assert [row["r"] for row in rows] == list(range(table.num_rows))

    in_sessions(check)


def depth_of(rows: list[Row], within: int) -> int:
    """By trying every choice of rows."""
    for depth in (3, 2, 1):
        for chosen in itertools.combinations(rows, depth):
            steps = [row["s"] for row in chosen]
            if steps == list(range(1, depth + 1)) and chosen[-1]["t"] - chosen[0]["t"] <= within:
                return depth
    return 0


@MANY
@hypothesis.given(EVENTS, st.integers(0, 6))
def test_funnels(table: pa.Table, within: int) -> None:
    parts = by_key(table.to_pylist())
    depths = {key: depth_of(rows, within) for key, rows in parts.items()}

    def check(session: hr.Session) -> None:
        cursor = session.from_arrow(table).assume_sorted("t")
        steps = {"one": "s = 1", "two": hr.col("s") == 2, "three": "s = 3"}
        found = cursor.funnel_depths(*steps.values(), on="t", within=within, by="k").to_pylist()
        assert [(row["k"], row["depth"]) for row in found] == list(depths.items())
        counts = cursor.funnel(on="t", within=within, by="k", steps=steps).to_pylist()
        assert counts == [
            {
                name: sum(depth >= number for depth in depths.values())
                for number, name in enumerate(steps, 1)
            }
        ]
        whole = cursor.funnel_depths(*steps.values(), on="t", within=within).to_pylist()
        assert whole == [{"depth": depth_of(table.to_pylist(), within)}]

    in_sessions(check)


@MANY
@hypothesis.given(EVENTS)
def test_folds(table: pa.Table) -> None:
    expected = []
    states: dict[str, list[int]] = {}
    for row in table.to_pylist():
        state = states.setdefault(row["k"], [])
        state.append(row["s"])
        expected.append(sum(state) * len(state))

    def step(state: list[int], row: Any) -> list[int]:
        return [*state, row.s]

    def check(session: hr.Session) -> None:
        def add(state: tuple[int, int] | int, row: Any) -> int:
            return int(state) + int(row["s"])  # type: ignore[arg-type]

        cursor = session.from_arrow(table)
        sums = cursor.fold(add, init=0, into="sum", type="BIGINT", partition_by="k")
        lists = cursor.fold(step, init=[], into="list", type="BIGINT[]", partition_by="k")
        for _ in range(2):  # a run begins anew
            rows = sums.to_pylist()
            found = lists.to_pylist()
            assert [sum(row["list"]) * len(row["list"]) for row in found] == expected
            assert [row["sum"] for row in rows] == [sum(row["list"]) for row in found]

    in_sessions(check)


@hypothesis.given(EVENTS, st.integers(0, 4))
def test_the_last_row_that_fits(table: pa.Table, step: int) -> None:
    fitting = [row for row in table.to_pylist() if row["s"] == step]

    def check(session: hr.Session) -> None:
        found = session.from_arrow(table).search_last(hr.col("s") == step)
        assert found.schema.names == table.schema.names
        assert found.to_pylist() == fitting[-1:]

    in_sessions(check)


@MANY
@hypothesis.given(EVENTS, EVENTS, st.booleans(), st.none() | st.integers(0, 3))
def test_the_nearest_row(
    left: pa.Table, right: pa.Table, strict: bool, tolerance: int | None
) -> None:
    def nearest(row: Row) -> Any:
        near = [
            (abs(other["t"] - row["t"]), other["t"] > row["t"], other)
            for other in right.to_pylist()
            if other["k"] == row["k"] and not (strict and other["t"] == row["t"])
        ]
        near = [one for one in near if tolerance is None or one[0] <= tolerance]
        if not near:
            return None
        best = min(one[:2] for one in near)
        same = [one[2]["r"] for one in near if one[:2] == best]
        return same[0] if best[1] else same[-1]  # as backward and forward have it

    expected = [(row["r"], nearest(row)) for row in left.to_pylist()]

    def check(session: hr.Session) -> None:
        joined = session.from_arrow(left).asof_join(
            session.from_arrow(right),
            on="t",
            by="k",
            direction="nearest",
            strict=strict,
            tolerance=tolerance,
        )
        assert joined.columns == [*left.column_names, "t_right", "s_right", "r_right"]
        assert [(row["r"], row["r_right"]) for row in joined.to_pylist()] == expected

    in_sessions(check)


@MANY
@hypothesis.given(st.lists(EVENTS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_merged_rows(tables: list[pa.Table], descending: bool, sorted_before: bool) -> None:
    def numbered() -> Iterator[Row]:
        for number, table in enumerate(tables):
            rows = table.to_pylist()
            for row in sorted(rows, key=lambda row: row["t"], reverse=descending):
                yield {**row, "r": number * 100 + row["r"]}

    expected = sorted(numbered(), key=lambda row: row["t"], reverse=descending)
    inputs = [
        table.set_column(
            3, "r", pa.array([n * 100 + r for r in table["r"].to_pylist()], pa.int64())
        )
        for n, table in enumerate(tables)
    ]

    def check(session: hr.Session) -> None:
        cursors = [session.from_arrow(table) for table in inputs]
        if sorted_before and not descending:
            cursors = [cursor.assume_sorted("t") for cursor in cursors]
        merged = cursors[0].merge_sorted(*cursors[1:], on="t", descending=descending)
        assert merged.to_pylist() == expected
        assert merged.select("r").to_pylist() == [{"r": row["r"]} for row in expected]
        assert ("sort" in merged.explain()) is not (sorted_before and not descending)

    in_sessions(check)


START = datetime.datetime(2024, 1, 1)
MINUTE = datetime.timedelta(minutes=1)
FILLS = ["none", "null", "previous", "linear", "value"]


def filled(bars: dict[int, Row], fill: str) -> list[Row]:
    """The bars of one key, by minute, and those between them."""
    minutes = sorted(bars)
    if fill == "none":
        return [bars[minute] for minute in minutes]
    rows = []
    for minute in range(minutes[0], minutes[-1] + 1, 2):
        if minute in bars:
            rows.append(bars[minute])
            continue
        low = bars[max(m for m in minutes if m < minute)]
        high = bars[min(m for m in minutes if m > minute)]
        share = (START + minute * MINUTE - low["t"]) / (high["t"] - low["t"])
        filling = {
            "null": None,
            "previous": low["n"],
            "linear": low["n"] + (high["n"] - low["n"]) * share,
            "value": -1,
        }
        rows.append({"k": low["k"], "t": START + minute * MINUTE, "n": filling[fill]})
    return rows


@MANY
@hypothesis.given(EVENTS, st.sampled_from(FILLS))
def test_bars(table: pa.Table, fill: str) -> None:
    times = [START + minute * MINUTE for minute in table["t"].to_pylist()]
    table = table.set_column(0, "t", pa.array(times, pa.timestamp("us")))
    expected: list[Row] = []
    for key, rows in sorted(by_key(table.to_pylist()).items()):
        bars: dict[int, Row] = {}
        for row in rows:
            minute = (row["t"] - START) // MINUTE // 2 * 2
            bar = bars.setdefault(minute, {"k": key, "t": START + minute * MINUTE, "n": 0})
            bar["n"] += row["s"]
        expected += filled(bars, fill)

    def check(session: hr.Session) -> None:
        cursor = session.from_arrow(table)
        bars = cursor.resample("2m", on="t", by="k", fill=fill, value=-1, n="sum(s)").to_pylist()
        assert [(row["k"], row["t"]) for row in bars] == [(row["k"], row["t"]) for row in expected]
        assert [row["n"] for row in bars] == pytest.approx([row["n"] for row in expected])

    in_sessions(check)


@MANY
@hypothesis.given(EVENTS, EVENTS, st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_window_joins(
    left: pa.Table, right: pa.Table, before: int, after: int, keyed: bool
) -> None:
    expected = []
    for row in left.to_pylist():
        around = [
            other["s"]
            for other in right.to_pylist()
            if (not keyed or other["k"] == row["k"])
            and row["t"] - before <= other["t"] <= row["t"] + after
        ]
        width = max(around) - min(around) if around else None
        total = sum(around) if around else None
        expected.append({**row, "n": len(around), "total": total, "width": width})

    def check(session: hr.Session) -> None:
        joined = session.from_arrow(left).window_join(
            session.from_arrow(right),
            "t",
            before=before,
            after=after,
            by="k" if keyed else (),
            n="count(*)",
            total=hr.col("s").sum(),
            width="max(s) - min(s)",
        )
        assert joined.to_pylist() == expected

    in_sessions(check)


def test_errors() -> None:
    rows = hr.from_arrow(events([1, 2], ["a", "b"], [1, 2]))
    with pytest.raises(hr.InvalidArgumentError, match="1 to 63 steps"):
        rows.funnel_depths(on="t", within=1)
    with pytest.raises(hr.TypeMismatchError, match="goes by a time of type BIGINT or TIMESTAMP"):
        rows.funnel_depths("s = 1", on="k", within=1)
    with pytest.raises(hr.InvalidArgumentError, match="sorted rows are merged by columns"):
        rows.merge_sorted(rows, on=hr.col("t") + 1)
    with pytest.raises(hr.InvalidArgumentError, match="expected fill to be one of"):
        rows.resample("1m", on="t", fill="nothing", n="count(*)")
    with pytest.raises(hr.UnsupportedError, match="list keeps nulls"):
        rows.window_join(rows, "t", before=1, after=1, all="list(s)")
    with pytest.raises(hr.InvalidArgumentError, match="expected a new name for the states"):
        rows.fold(lambda state, row: state, init=0, into="t", type="BIGINT")
