"""Searches in sorted files and tables read the row groups where the answer is, not the others."""

from __future__ import annotations

from pathlib import Path

import headrace as hr
import numpy as np
import pyarrow as pa
import pytest

ROWS = 200_000
GROUP = 10_000


def read(cursor: hr.Cursor, column: str = "v") -> tuple[list[int], int]:
    """The cells of a column, and how many rows were read for it."""
    cells = [cell for batch in cursor for cell in batch[column].to_pylist()]
    return cells, cursor.metrics()["rows_read"]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(9)
    return pa.table({"t": np.sort(rng.integers(0, 10**6, ROWS)), "v": np.arange(ROWS)})


@pytest.fixture(scope="module")
def path(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "t.parquet"
    hr.from_arrow(table).write(path, row_group_rows=GROUP)
    return path


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("limit", [-1, 0, 13, 500_000, 999_999])
def test_a_search_reads_a_row_group(
    path: Path, table: pa.Table, threads: int, limit: int
) -> None:
    times = table["t"].to_numpy()
    with hr.Session(threads=threads) as session:
        file = session.scan(path).assume_sorted("t")
        cells, rows_read = read(file.search_first(hr.col("t") >= limit))
        place = int(np.searchsorted(times, limit, "left"))
        assert cells == ([place] if place < ROWS else [])
        if threads == 1:  # several read ahead of the one with the answer
            assert rows_read <= 2 * GROUP
        cells, rows_read = read(file.search_last(hr.col("t") <= limit))
        place = int(np.searchsorted(times, limit, "right")) - 1
        assert cells == ([place] if place >= 0 else [])
        assert rows_read <= 2 * GROUP


def test_a_range_reads_its_row_groups(path: Path, table: pa.Table) -> None:
    times = table["t"].to_numpy()
    with hr.Session(threads=2) as session:
        file = session.scan(path).assume_sorted("t")
        cells, rows_read = read(file.filter(hr.col("t").between(400_000, 410_000)))
        expected = np.flatnonzero((times >= 400_000) & (times <= 410_000))
        assert cells == expected.tolist()
        assert len(expected) <= rows_read <= len(expected) + 2 * GROUP


def test_a_search_from_the_end_of_what_is_not_sorted(tmp_path: Path) -> None:
    """Whatever the order: the last row in row order, past row groups that have none."""
    table = pa.table({"a": [5, 1, None, 7, 2, 3, 3, 0], "s": list("abcdefgh")})
    path = tmp_path / "t.csv"
    hr.from_arrow(table).write(path)
    for threads in (1, 4):
        with hr.Session(threads=threads, batch_rows=1) as session:
            for rows in (session.scan(path), session.from_arrow(table)):
                assert rows.search_last("a > 4").to_arrow()["s"].to_pylist() == ["d"]
                assert rows.search_last("a > 0").to_arrow()["s"].to_pylist() == ["g"]
                assert rows.search_last("a IS NULL").to_arrow()["s"].to_pylist() == ["c"]
                assert rows.search_last("a > 7").to_arrow().num_rows == 0
                assert rows.select(b=hr.col("a") * 2).search_last("b > 6").to_pylist() == [
                    {"b": 14}
                ]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("nulls", ["first", "last"])
def test_a_sorted_table_in_memory_is_searched(descending: bool, nulls: str) -> None:
    rng = np.random.default_rng(4)
    cells = [None] * 50 + rng.integers(0, 20_000, ROWS).tolist()
    table = pa.table({"t": pa.array(cells, pa.int64()), "v": np.arange(len(cells))})
    frame = table.to_pandas()
    with hr.Session(threads=2) as session:
        rows = session.from_arrow(table).sort("t", descending=descending, nulls=nulls).cache()
        rows.to_arrow()
        for text, mask in [
            ("t >= 100 AND t < 105", (frame["t"] >= 100) & (frame["t"] < 105)),
            ("t = 777", frame["t"] == 777),
            ("t > 19990", frame["t"] > 19990),
            ("t <= 3", frame["t"] <= 3),
            ("t > 30000", frame["t"] > 30000),
        ]:
            cells, rows_read = read(rows.filter(text))
            assert sorted(cells) == frame["v"][mask].tolist(), text
            assert rows_read == mask.sum(), text
