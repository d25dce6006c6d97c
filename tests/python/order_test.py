"""The same rows in the same order, whatever the threads, the batch rows and the encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace as hr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from script.worlds import convert, dictionary, large, sliced

ROWS = 5000
TABLE = pa.table(
    {
        "id": list(range(ROWS)),
        "k": [i * 7919 % 101 if i % 13 else None for i in range(ROWS)],
        "s": [f"text-{i * 31 % 211}" if i % 7 else None for i in range(ROWS)],
        "x": [i % 97 / 4 for i in range(ROWS)],
    }
)
OTHER = pa.table({"k": [i % 101 for i in range(303)], "name": [f"n{i}" for i in range(303)]})

Query = Callable[[hr.Cursor, hr.Cursor], hr.Cursor]
QUERIES: dict[str, Query] = {
    "filter": lambda t, u: t.filter("x > 10").select("id", y="x * 2"),
    "sort": lambda t, u: t.sort("k", hr.col("s").desc()),
    "limit": lambda t, u: t.filter("k > 50").limit(100, offset=321),
    "join": lambda t, u: t.join(u, on="k", how="left").limit(9000),
    "window": lambda t, u: t.derive(
        p=hr.col("id").lag(2).over("k"), c=hr.col("x").cumulative_sum().over("s")
    ),
    "callback": lambda t, u: t.apply(["id", "s"], "VARCHAR", c=lambda i, s: f"{i}{s}"),
    "asof": lambda t, u: t.asof_join(u.select(t="k * 40", n="name"), on="id", right_on="t"),
    "aggregate": lambda t, u: t.aggregate("s", n="count(*)", m="max(id)", x="sum(x)").sort("s"),
}


@pytest.fixture(scope="module")
def answers() -> dict[str, pa.Table]:
    with hr.Session(threads=1, batch_rows=1024) as session:
        t, u = session.from_arrow(TABLE), session.from_arrow(OTHER)
        return {name: query(t, u).to_arrow() for name, query in QUERIES.items()}


@pytest.mark.parametrize("batch_rows", [1, 1024])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_and_batches(answers: dict[str, pa.Table], threads: int, batch_rows: int) -> None:
    with hr.Session(threads=threads, batch_rows=batch_rows) as session:
        t, u = session.from_arrow(TABLE), session.from_arrow(OTHER)
        for name, query in QUERIES.items():
            assert query(t, u).to_arrow() == answers[name], name


def test_files_in_row_groups(answers: dict[str, pa.Table], tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet", row_group_size=300)
    pq.write_table(OTHER, tmp_path / "u.parquet", row_group_size=10)
    for threads in (1, 4):
        with hr.Session(threads=threads, batch_rows=64) as session:
            t, u = session.scan(tmp_path / "t.parquet"), session.scan(tmp_path / "u.parquet")
            for name, query in QUERIES.items():
                assert query(t, u).to_arrow() == answers[name], name


@pytest.mark.parametrize("encode", [dictionary, large, sliced])
def test_encodings(answers: dict[str, pa.Table], encode: Any) -> None:
    with hr.Session(threads=2) as session:
        t, u = session.from_arrow(encode(TABLE)), session.from_arrow(encode(OTHER))
        for name, query in QUERIES.items():
            assert query(t, u).to_pylist() == answers[name].to_pylist(), name


def test_one_column_in_many_encodings() -> None:
    """Batches of one promised type that come differently: the dictionary changes on the way."""
    words = ["b", None, "a", "c", "a", "b"]
    plain = pa.array(words)
    numbered = pa.array([f"{word}{i}" for i, word in enumerate(words)])
    first = dictionary(pa.table({"s": plain}))
    second = convert(pa.table({"s": numbered}), lambda array: array.dictionary_encode())
    both = pa.concat_tables([first, second])
    with hr.Session(threads=2) as session:
        got = session.from_arrow(both).to_arrow()
        assert got.schema == both.schema
        assert got["s"].to_pylist() == words + numbered.to_pylist()
        grouped = session.from_arrow(both).aggregate("s", n="count(*)").filter("n > 1").sort("s")
        assert grouped.to_pylist() == [{"s": "a", "n": 2}, {"s": "b", "n": 2}]


def test_the_promised_type_is_restored() -> None:
    schema = pa.schema(
        [
            ("d", pa.dictionary(pa.int8(), pa.string())),
            ("l", pa.large_string()),
            ("v", pa.string_view()),
            ("x", pa.large_list(pa.int64())),
        ]
    )
    rows = [{"d": "a", "l": "b", "v": "c", "x": [1]}, {"d": None, "l": None, "v": None, "x": None}]
    table = pa.Table.from_pylist(rows, schema)
    with hr.Session(threads=2) as session:
        for cursor in (
            session.from_arrow(table),
            session.from_arrow(table).filter("1 = 1"),
            session.from_arrow(table).sort("l"),
            session.from_arrow(table).limit(2),
        ):
            assert cursor.schema == schema
            assert cursor.to_arrow() == table
