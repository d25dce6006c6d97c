"""Joins that spill give their rows in the order of the side that streams, as they do in memory."""

from __future__ import annotations

from typing import Any

import duckdb
import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

MIB = 1 << 20
ROWS = 400_000
RANDOM = np.random.default_rng(1)


def table(keys: Any, number: str) -> pa.Table:
    payload = RANDOM.integers(0, 1 << 60, len(keys))
    return pa.table({"k": keys, number: np.arange(len(keys)), f"p{number}": payload})


def permuted() -> tuple[pa.Table, pa.Table]:
    """One partner each, but for every fifth row."""
    return (
        table(RANDOM.permutation(ROWS), "i"),
        table(RANDOM.permutation(ROWS) + ROWS // 5, "j"),
    )


def skewed() -> tuple[pa.Table, pa.Table]:
    """Nine of ten rows of the left side share one key, which three rows on the right have."""
    many = np.where(RANDOM.random(200_000) < 0.9, 7, np.arange(200_000) + 10)
    return table(many, "i"), table(np.concatenate([[7, 7, 7], np.arange(50_000) + 100]), "j")


def turned(tables: tuple[pa.Table, pa.Table]) -> tuple[pa.Table, pa.Table]:
    left, right = tables
    names = {"i": "j", "pi": "pj", "j": "i", "pj": "pi", "k": "k"}
    rename = [right.rename_columns([names[n] for n in right.column_names])]
    rename.append(left.rename_columns([names[n] for n in left.column_names]))
    return rename[0], rename[1]


SIDES = {"permuted": permuted(), "skewed": skewed(), "turned": turned(skewed())}


def expected(left: pa.Table, right: pa.Table, sql: str, order: str) -> pa.Table:
    connection = duckdb.connect()
    connection.register("l", left)
    connection.register("r", right)
    return connection.sql(f"{sql} ORDER BY {order}").to_arrow_table()


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("kind", ["", "LEFT", "RIGHT", "FULL"])
def test_rows_keep_their_order(sides: str, kind: str) -> None:
    left, right = SIDES[sides]
    sql = f"SELECT l.i, l.pi, r.j, r.pj FROM l {kind} JOIN r ON l.k = r.k"
    order = "r.j, l.i NULLS LAST" if kind == "RIGHT" else "l.i NULLS LAST, r.j"
    answer = expected(left, right, sql, order)
    row = 0
    with hr.Session(memory_limit=4 * MIB, threads=2) as session:
        session.register("l", left)
        session.register("r", right)
        cursor = session.sql(sql)
        for batch in cursor:
            part = answer.slice(row, batch.num_rows).combine_chunks()
            for name in batch.schema.names:
                assert batch.column(name).equals(part.column(name).combine_chunks()), row
            row += batch.num_rows
        assert cursor.metrics()["spilled_bytes"] > 0
    assert row == answer.num_rows


def test_wide_rows_are_written_in_few_sections() -> None:
    """A section costs something for each column, so rows of many columns have fewer partitions."""
    rows, columns = 4000, 300
    sides = {
        name: pa.table(
            {"k": RANDOM.permutation(rows)}
            | {f"{name}{at}": RANDOM.integers(0, 1000, rows) for at in range(columns)}
        )
        for name in ("l", "r")
    }
    answer = expected(sides["l"], sides["r"], "SELECT l.k, r299 FROM l JOIN r ON l.k = r.k", "l.k")
    with hr.Session(memory_limit=4 * MIB, threads=2) as session:
        for name, side in sides.items():
            session.register(name, side)
        cursor = session.sql("SELECT l.*, r.* EXCLUDE (k) FROM l JOIN r ON l.k = r.k")
        keys, values = [], []
        for batch in cursor:
            keys += batch["k"].to_pylist()
            values += batch["r299"].to_pylist()
        assert keys == sides["l"]["k"].to_pylist()
        assert dict(zip(keys, values, strict=True)) == dict(
            zip(answer["k"].to_pylist(), answer["r299"].to_pylist(), strict=True)
        )
        data_bytes = sum(side.nbytes for side in sides.values())
        assert 0 < cursor.metrics()["spilled_bytes"] < 4 * data_bytes
