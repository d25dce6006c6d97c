"""Joins of every kind over keys of many forms, beside DuckDB: all columns, few columns, aggregates,
in memory and on disk."""

from __future__ import annotations

import random
from decimal import Decimal

import duckdb
import headrace
import pyarrow as pa
import pytest

KINDS = ["INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"]
BUDGET_BYTES = 4 << 20

# Values of keys, by a number below the count of keys; None is added where nulls are wanted.
KEYS = {
    "dense": lambda n: n,
    "dense from below zero": lambda n: n - 300,
    "sparse": lambda n: n * 1_000_003,
    "text": lambda n: f"key {n}",
    "float": lambda n: n / 4,
    "text and number": lambda n: n,
}
TYPES = {
    "dense": [pa.int64(), pa.int32(), pa.int16(), pa.uint64(), pa.timestamp("us")],
    "dense from below zero": [pa.int64(), pa.int32()],
    "sparse": [pa.int64(), pa.uint64(), pa.decimal128(20, 0)],
    "text": [pa.string(), pa.dictionary(pa.int32(), pa.string())],
    "float": [pa.float64(), pa.float32()],
    "text and number": [pa.int64()],
}


def table(draw: random.Random, form: str, type_: pa.DataType, rows: int, unique: bool) -> pa.Table:
    """Keys k and k2, a number, a text and a float that is often null."""
    count = draw.choice([rows, max(rows // 10, 1), rows * 3])
    numbers = list(range(count)) if unique else draw.choices(range(count), k=rows)
    draw.shuffle(numbers)
    null_share = draw.choice([0, 0, 0.1, 1 if draw.random() < 0.1 else 0])
    keys = [None if draw.random() < null_share else KEYS[form](number) for number in numbers]
    plain = type_.value_type if isinstance(type_, pa.DictionaryType) else type_
    length = len(numbers)
    return pa.table(
        {
            "k": pa.array(keys, plain).cast(type_),
            "k2": pa.array([f"{number % 3}" for number in numbers]),
            "v": pa.array(range(length), pa.int64()),
            "s": pa.array([f"text {draw.randrange(50)}" for _ in range(length)]),
            "f": pa.array([None if draw.random() < 0.3 else float(i) for i in range(length)]),
        }
    )


def queries(draw: random.Random, kind: str, form: str, with_residual: bool) -> list[str]:
    on = "l.k = r.k"
    if form == "text and number":
        on += " AND l.k2 = r.k2"
    if with_residual:
        on += draw.choice([" AND l.v < r.v", " AND l.f > 100", " AND coalesce(r.f, 5) < l.v + 100"])
    right = kind not in ("SEMI", "ANTI")
    source = f"l {kind} JOIN r ON {on}"
    columns = ["l.k", "l.v", "l.s", "l.f"]
    if right:
        columns += ["r.k AS rk", "r.v AS rv", "r.s AS rs", "r.f AS rf"]
    some = draw.sample(columns, draw.randrange(1, len(columns)))
    sums = "count(*) AS n, sum(l.v) AS a, count(l.f) AS b"
    if right:
        sums += ", sum(r.v) AS c, max(r.s) AS d"
    key = draw.choice(["l.s", "r.s"] if right else ["l.s"])
    return [
        f"SELECT {', '.join(columns)} FROM {source}",
        f"SELECT {', '.join(some)} FROM {source}",
        f"SELECT {sums} FROM {source}",
        f"SELECT {key} AS g, {sums} FROM {source} GROUP BY {key}",
    ]


def sorted_rows(answer: pa.Table) -> list[str]:
    def plain(value: object) -> object:
        return int(value) if isinstance(value, Decimal) else value

    return sorted(repr([plain(value) for value in row.values()]) for row in answer.to_pylist())


@pytest.mark.parametrize("seed", range(24))
def test_joins_are_those_of_duckdb(seed: int) -> None:
    draw = random.Random(seed)
    form = draw.choice(list(KEYS))
    type_ = draw.choice(TYPES[form])
    sizes = [0, 1, 40, 700, 3000]
    is_big = seed % 4 == 3
    rows = [40_000, 40_000] if is_big else draw.choices(sizes, k=2)
    left = table(draw, form, type_, rows[0], draw.random() < 0.3)
    right = table(draw, form, type_, rows[1], draw.random() < 0.6)
    peer = duckdb.connect()
    peer.register("l", left)
    peer.register("r", right)
    settings = [{"threads": 2}, {"threads": 2, "memory_limit": BUDGET_BYTES}]
    for kind in KINDS:
        for sql in queries(draw, kind, form, draw.random() < 0.4)[2 if is_big else 0 :]:
            wanted = sorted_rows(peer.sql(sql).to_arrow_table())
            for setting in settings:
                with headrace.Session(**setting) as session:
                    session.register("l", left)
                    session.register("r", right)
                    assert sorted_rows(session.sql(sql).to_arrow()) == wanted, (seed, sql, setting)


@pytest.mark.parametrize("repeats", ["nowhere", "in one part", "in all"])
def test_dense_keys_of_a_large_side(repeats: str) -> None:
    """The table of the built side has parts; those where each key has one row are looked up so."""
    draw = random.Random(repeats)
    count = 300_000
    keys: list[int | None] = list(range(7, 7 + count))
    if repeats == "in one part":
        keys[-5:] = [count, count, count - 1, None, None]
    elif repeats == "in all":
        keys = draw.choices(keys, k=count)
    draw.shuffle(keys)
    right = pa.table({"k": pa.array(keys, pa.int64()), "v": pa.array(range(count), pa.int64())})
    others = [None if i % 1000 == 0 else draw.randrange(count * 5 // 4) for i in range(60_000)]
    left = pa.table({"k": pa.array(others, pa.int64()), "v": pa.array(range(60_000), pa.int64())})
    peer = duckdb.connect()
    session = headrace.Session(threads=2)
    for name, side in {"l": left, "r": right}.items():
        peer.register(name, side)
        session.register(name, side)
    for kind in KINDS:
        sums = "count(*) AS n, sum(l.v) AS a, sum(l.k * l.v) AS b"
        sums += "" if kind in ("SEMI", "ANTI") else ", sum(r.v) AS c, sum(r.v * l.v) AS d"
        sql = f"SELECT {sums} FROM l {kind} JOIN r ON l.k = r.k"
        wanted = sorted_rows(peer.sql(sql).to_arrow_table())
        assert sorted_rows(session.sql(sql).to_arrow()) == wanted, sql
