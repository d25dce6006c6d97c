"""Random plans: the engine, in Python and in SQL, answers as the reference, and as DuckDB where
order does not matter; threads, batch rows and budget change nothing."""

from __future__ import annotations

import decimal
import functools
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import headrace as hr
import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from property.plans import Plan, arrow_rows, plans
from script.worlds import dictionary, large, sliced

WORLDS: list[dict[str, Any]] = [
    {"threads": 1, "batch_rows": 1},
    {"threads": 4, "batch_rows": 1},
    {"threads": 4, "batch_rows": 3},
    {"threads": 2, "batch_rows": 7, "memory_limit": "4MiB"},
    {"threads": 3, "batch_rows": 2, "deterministic": True, "seed": 1},
    {"threads": 4, "batch_rows": 5, "deterministic": True, "seed": 2},
]
HANGS_AFTER_SECONDS = 20


@functools.lru_cache
def session(world: int) -> hr.Session:
    """One session per world for all examples: it must survive them."""
    return hr.Session(**WORLDS[world]) if world >= 0 else hr.Session(threads=2)


@functools.lru_cache
def oracle() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@pytest.fixture(scope="module", autouse=True)
def close_sessions() -> Iterator[None]:
    yield
    for world in range(-1, len(WORLDS)):
        session(world).close()
    session.cache_clear()


def rows_of(cursor: hr.Cursor, plan: Plan) -> list[Any]:
    """The rows; a query that hangs is cancelled and fails with its text."""
    watchdog = threading.Timer(HANGS_AFTER_SECONDS, cursor.cancel)
    watchdog.start()
    try:
        return arrow_rows(cursor.to_arrow())
    except hr.CancelledError:
        pytest.fail(f"no answer after {HANGS_AFTER_SECONDS} s: {plan.sql()}")
    finally:
        watchdog.cancel()


def run(plan: Plan, home: hr.Session, encode: Any = lambda table: table) -> list[Any]:
    """The engine's rows."""
    note(plan.sql())
    t = home.from_arrow(encode(plan.table.to_arrow()))
    u = home.from_arrow(encode(plan.other.to_arrow()))
    return rows_of(plan.cursor({"t": t, "u": u, "session": home}), plan)


def run_sql(plan: Plan) -> list[Any]:
    text = plan.sql()
    note(text)
    tables = {"t": plan.table.to_arrow(), "u": plan.other.to_arrow()}
    return rows_of(session(-1).sql(text, **tables), plan)


@given(plans())
def test_engine_is_reference(plan: Plan) -> None:
    assert run(plan, session(-1)) == plan.answer()


@given(plans())
def test_sql_is_reference(plan: Plan) -> None:
    assert run_sql(plan) == plan.answer()


@given(plans(), st.integers(0, len(WORLDS) - 1))
def test_worlds_change_nothing(plan: Plan, world: int) -> None:
    note(str(WORLDS[world]))
    assert run(plan, session(world)) == plan.answer()


@given(plans(), st.sampled_from([dictionary, large, sliced]))
def test_encodings_change_nothing(plan: Plan, encode: Any) -> None:
    note(encode.__name__)
    assert run(plan, session(-1), encode) == plan.answer()


@given(plans())
def test_reference_is_duckdb(plan: Plan) -> None:
    assume(not plan.order_matters_midway())
    text = plan.sql()
    note(text)
    connection = oracle()
    connection.register("t", plan.table.to_arrow())
    connection.register("u", plan.other.to_arrow())
    rows = arrow_rows(connection.sql(text).to_arrow_table())
    assert sorted(map(repr, numbers(rows))) == sorted(map(repr, numbers(plan.answer())))


def numbers(rows: list[Any]) -> list[Any]:
    """DuckDB sums integers as wide decimals."""
    return [tuple(map(number, row)) for row in rows]


def number(cell: Any) -> Any:
    is_whole = isinstance(cell, decimal.Decimal) and cell.as_tuple().exponent == 0
    return int(cell) if is_whole else cell
