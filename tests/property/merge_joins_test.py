"""Merge joins of sorted tables over keys of many types and orders, beside DuckDB: rows and their
order, in memory and where the rows of one key do not fit."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import headrace as hr
import pyarrow as pa
import pytest

KINDS = ["inner", "left", "right", "full", "semi", "anti"]
DAY = datetime.date(2020, 1, 1)

# Types of keys, and the value of each number.
KEYS: list[tuple[pa.DataType, Callable[[int], Any]]] = [
    (pa.int64(), lambda n: n * 1_000_003 - 5),
    (pa.int8(), lambda n: n % 200 - 100),
    (pa.uint64(), lambda n: n + 2**63),
    (pa.float64(), lambda n: n / 4 - 10),
    (pa.decimal128(20, 2), lambda n: Decimal(n) / 4),
    (pa.string(), lambda n: f"key {n:04}" * (n % 3 + 1)),
    (pa.dictionary(pa.int32(), pa.string()), lambda n: f"{n:03}"),
    (pa.binary(), lambda n: n.to_bytes(2, "big")),
    (pa.bool_(), lambda n: n % 2 == 1),
    (pa.date32(), lambda n: DAY + datetime.timedelta(days=n)),
    (pa.timestamp("us"), lambda n: datetime.datetime(2020, 1, 1, n % 24, n // 24 % 60)),
]


def key_columns(draw: random.Random) -> list[tuple[pa.DataType, Callable[[int], Any]]]:
    return draw.choices(KEYS, k=draw.choice([1, 1, 2]))


def sorted_table(
    draw: random.Random,
    columns: list[tuple[pa.DataType, Callable[[int], Any]]],
    order: list[hr.SortKey],
    rows: int,
    distinct: int,
) -> pa.Table:
    """Keys k0 …, sorted; v, the number of the row; f, a number that is often null."""
    null_share = draw.choice([0, 0.1])
    cells = {}
    for number, (type_, value) in enumerate(columns):
        plain = type_.value_type if isinstance(type_, pa.DictionaryType) else type_
        keys = [
            None if draw.random() < null_share else value(draw.randrange(distinct))
            for _ in range(rows)
        ]
        cells[f"k{number}"] = pa.array(keys, plain).cast(type_)
    places = []
    for name, key in zip(cells, order):
        nulls = key.nulls or "last"
        places.append(f"{name} {'DESC' if key.descending else 'ASC'} NULLS {nulls.upper()}")
    table = pa.table(cells)
    peer = duckdb.connect()
    peer.register("t", table)
    ordered = peer.sql(f"SELECT * FROM t ORDER BY {', '.join(places)}").to_arrow_table()
    ordered = ordered.select(list(cells)).cast(table.schema)
    numbers = [None if draw.random() < 0.3 else draw.randrange(rows + 1) for _ in range(rows)]
    ordered = ordered.append_column("v", pa.array(range(rows), pa.int64()))
    return ordered.append_column("f", pa.array(numbers, pa.int64()))


def in_duckdb(left: pa.Table, right: pa.Table, on: str, how: str) -> list[tuple[Any, ...]]:
    """Row numbers of both sides, in the order of the side that the join keeps."""
    peer = duckdb.connect()
    peer.register("l", left)
    peer.register("r", right)
    columns = "l.v" if how in ("semi", "anti") else "l.v, r.v"
    order = {"right": "r.v, l.v", "semi": "l.v", "anti": "l.v"}.get(how, "l.v, r.v")
    sql = f"SELECT {columns} FROM l {how} JOIN r ON {on} ORDER BY {order}"
    return peer.sql(sql).fetchall()


def order_of_keys(draw: random.Random, count: int) -> list[hr.SortKey]:
    placements = ["first", "last"]
    return [
        draw.choice([hr.col(f"k{i}").asc, hr.col(f"k{i}").desc])(nulls=draw.choice(placements))
        for i in range(count)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_merge_joins_are_those_of_duckdb(seed: int) -> None:
    draw = random.Random(seed)
    columns = key_columns(draw)
    order = order_of_keys(draw, len(columns))
    sizes = draw.choices([0, 1, 30, 400, 2000], k=2)
    distinct = draw.choice([1, 5, 60, 250])
    if distinct < 60:
        sizes = [min(size, 400) for size in sizes]
    left, right = (sorted_table(draw, columns, order, size, distinct) for size in sizes)
    on = " AND ".join(f"l.k{i} = r.k{i}" for i in range(len(columns)))
    if draw.random() < 0.4:
        on += draw.choice([" AND l.f < r.f", " AND l.f > 10", " AND coalesce(r.f, 5) < l.v"])
    settings: list[dict[str, Any]] = [
        {"threads": 2},
        {"threads": 1, "batch_rows": 7},
        {"threads": 2, "memory_limit": 4 << 20, "batch_rows": 512},
    ]
    for how in KINDS:
        wanted = in_duckdb(left, right, on, how)
        for setting in settings:
            with hr.Session(**setting) as session:
                sides = [session.from_arrow(side).assume_sorted(*order) for side in (left, right)]
                joined = sides[0].join(sides[1], on, how, strategy="merge")
                assert "merge_join" in joined.explain()
                names = ["v"] if how in ("semi", "anti") else ["v", "v_right"]
                got = [tuple(row.values()) for row in joined.select(*names).to_arrow().to_pylist()]
            if how == "full":
                assert sorted(got, key=repr) == sorted(wanted, key=repr), (seed, how, setting)
            else:
                assert got == wanted, (seed, how, setting)


@pytest.mark.parametrize("seed", range(10))
def test_a_full_join_comes_in_the_order_of_the_keys(seed: int) -> None:
    draw = random.Random(seed)
    order = [hr.col("k0").asc()]
    left, right = (sorted_table(draw, KEYS[:1], order, 300, 100) for _ in range(2))
    with hr.Session(threads=2) as session:
        sides = [session.from_arrow(side).assume_sorted(*order) for side in (left, right)]
        joined = sides[0].join(sides[1], on="k0", how="full")
        assert "merge_join" in joined.explain()
        keys = joined.to_arrow()["k0"].to_pylist()
    there = [key for key in keys if key is not None]
    assert there == sorted(there)
    assert all(key is None for key in keys[len(there) :])
