"""Groups of many rows beside DuckDB: keys that are new for a while and then come again, or never
do, of one column and of several, in memory and on disk."""

from __future__ import annotations

import os

import duckdb
import headrace
import numpy as np
import pyarrow as pa
import pytest

# Fewer, where sanitizers make every row slow.
ROWS = 90_000 if "HEADRACE_COMMAND" in os.environ else 300_000
BUDGET_BYTES = 8 << 20

# Numbers of keys, row by row.
ORDERS = {
    "all new": lambda rng: rng.permutation(ROWS),
    "new, then again in turn": lambda rng: np.arange(ROWS) % (ROWS * 2 // 5),
    "new, then few": lambda rng: np.where(
        np.arange(ROWS) < ROWS // 2, np.arange(ROWS), rng.integers(0, 40, ROWS)
    ),
    "few, then new": lambda rng: np.where(
        np.arange(ROWS) < ROWS // 3, rng.integers(0, 40, ROWS), np.arange(ROWS)
    ),
    "each twice, at random": lambda rng: rng.permutation(np.arange(ROWS) // 2),
}
KEYS = {
    "number": "k",
    "text": "s",
    "texts and number": "s, k, t",
}
CALLS = "count(*) AS n, sum(v) AS total, min(v) AS least, avg(f) AS mean"
# States that own memory.
MORE_CALLS = "string_agg(t, ',' ORDER BY v) AS texts, count(DISTINCT v % 3) AS thirds"


def table(order: str) -> pa.Table:
    rng = np.random.default_rng(11)
    numbers = ORDERS[order](rng)
    is_null = numbers % 997 == 5
    return pa.table(
        {
            "k": pa.array(numbers * 7 - 40, pa.int64(), mask=is_null),
            "s": pa.array([f"key {n}" if n % 3 else f"a longer key, number {n}" for n in numbers]),
            "t": pa.array([None if n % 5 == 0 else str(n % 4) for n in numbers]),
            "v": pa.array(range(ROWS), pa.int64()),
            "f": pa.array(rng.integers(0, 100, ROWS) / 4),
        }
    )


def check(order: str, keys: str, calls: str, memory_limit: int | None) -> None:
    x = table(order)
    query = f"SELECT {keys}, {calls} FROM x GROUP BY {keys} ORDER BY {keys}"
    expected = duckdb.sql(query).to_arrow_table()
    with headrace.Session(threads=2, memory_limit=memory_limit) as session:
        result = session.sql(query, x=x).to_arrow()
    assert result.num_rows == expected.num_rows
    for name in expected.column_names:
        theirs = expected[name].combine_chunks()
        assert result[name].combine_chunks().cast(theirs.type) == theirs, name


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_groups_are_those_of_duckdb(order: str, keys: str) -> None:
    check(order, keys, CALLS, None)


@pytest.mark.parametrize("order", ["all new", "new, then few", "each twice, at random"])
def test_states_that_own_memory_go_to_disk(order: str) -> None:
    check(order, KEYS["texts and number"], f"{CALLS}, {MORE_CALLS}", BUDGET_BYTES)
