"""Cached cursors: computed once, kept within a limit, never out of date."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import headrace as hr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 50_000


class Counted:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, i: int) -> int:
        self.calls += 1
        return i * 2


def counted_cursor(session: hr.Session, function: Counted, rows: int = 1000) -> hr.Cursor:
    numbers = session.sql(f"SELECT i FROM range({rows}) AS r(i)")
    return numbers.apply("i", "BIGINT", twice=function)


def test_a_cached_cursor_is_computed_once() -> None:
    with hr.Session(threads=2) as session:
        function = Counted()
        cached = counted_cursor(session, function).cache()
        assert function.calls == 0, "nothing runs before it is used"
        assert cached.aggregate(s="sum(twice)").to_pylist() == [{"s": 999_000}]
        assert function.calls == 1000
        assert cached.filter("i < 3").to_pylist() == [{"i": i, "twice": 2 * i} for i in range(3)]
        assert cached.join(cached.select("i", again="twice"), "i").to_arrow().num_rows == 1000
        assert session.sql("SELECT max(twice) AS m FROM c", c=cached).to_pylist() == [{"m": 1998}]
        assert function.calls == 1000
        metrics = session.metrics()
        assert (metrics["cached_results"], metrics["cache_misses"]) == (1, 1)
        assert metrics["cache_hits"] >= 3
        assert metrics["cached_bytes"] >= 16_000


def test_rows_come_in_their_order() -> None:
    with hr.Session(threads=2) as session:
        numbers = session.sql(f"SELECT i, i * 7919 % {ROWS} AS k FROM range({ROWS}) AS r(i)")
        cached = numbers.sort("k").cache()
        for _ in range(2):
            assert cached.to_arrow()["k"].to_pylist() == list(range(ROWS))
        assert "sort" not in cached.sort("k").explain(), "the order is known"


def test_a_cached_cursor_that_is_dropped_lets_its_rows_go() -> None:
    with hr.Session() as session:
        cached = session.sql(f"SELECT i FROM range({ROWS}) AS r(i)").cache()
        assert cached.limit(1).to_arrow().num_rows == 1
        assert session.metrics()["cached_bytes"] >= ROWS * 8
        del cached
        metrics = session.metrics()
        assert (metrics["cached_results"], metrics["cached_bytes"]) == (0, 0)
        assert metrics["table_bytes"] == 0


def test_the_least_recently_used_go_first() -> None:
    with hr.Session(cache_limit=2 * ROWS * 8 + 10_000) as session:
        functions = [Counted() for _ in range(3)]
        query = f"SELECT i FROM range({ROWS}) AS r(i)"
        cursors = [
            session.sql(query).apply("i", "BIGINT", twice=function).select("twice").cache()
            for function in functions
        ]
        for at in (0, 1, 0, 2, 0, 1):
            assert cursors[at].aggregate(n="count(*)").to_pylist() == [{"n": ROWS}]
            assert session.metrics()["cached_bytes"] <= 2 * ROWS * 8 + 10_000
        assert [function.calls // ROWS for function in functions] == [1, 2, 1]
        assert session.metrics()["cache_evictions"] == 2
        session.clear_cache()
        assert session.metrics()["cached_results"] == 0
        assert cursors[0].aggregate(n="count(*)").to_pylist() == [{"n": ROWS}]
        assert functions[0].calls == 2 * ROWS


def test_a_result_past_the_limit_is_not_kept() -> None:
    with hr.Session(cache_limit="1MB") as session:
        cached = session.sql("SELECT i FROM range(1000000) AS r(i)").cache()
        assert cached.aggregate(s="sum(i)").to_pylist() == [{"s": 499_999_500_000}]
        assert session.metrics()["cached_results"] == 0


def test_a_file_that_changes_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), path)
    with hr.Session() as session:
        cached = session.scan(path).aggregate(s="sum(a)").cache()
        assert cached.to_pylist() == cached.to_pylist() == [{"s": 6}]
        pq.write_table(pa.table({"a": [10, 20]}), path)
        with pytest.raises(hr.StaleInputError, match="has changed"):
            cached.to_arrow()
        nested = cached.filter("s > 0").cache()
        with pytest.raises(hr.StaleInputError, match="has changed"):
            nested.to_arrow()
        assert session.scan(path).aggregate(s="sum(a)").cache().to_pylist() == [{"s": 30}]


def test_a_failure_is_not_kept() -> None:
    with hr.Session() as session:
        failing = session.sql("SELECT CAST(s AS BIGINT) AS x FROM (VALUES ('1'), ('x')) AS t(s)")
        for _ in range(2):
            with pytest.raises(hr.Error):
                failing.cache().to_arrow()
        assert session.metrics()["cached_results"] == 0
        assert session.sql("SELECT i FROM range(10) AS r(i)").cache().to_arrow().num_rows == 10


def test_many_threads_compute_it_once() -> None:
    with hr.Session(threads=2) as session:
        function = Counted()
        cached = counted_cursor(session, function, ROWS).cache()
        sums: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: sums.append(cached.aggregate(s="sum(twice)").to_pylist()[0]["s"])
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sums == [ROWS * (ROWS - 1)] * 4
        assert function.calls == ROWS


def test_more_than_memory_is_cached_on_disk(tmp_path: Path) -> None:
    with hr.Session(memory_limit="4MiB", cache_limit="1GB", temp_dir=tmp_path) as session:
        rows = 400_000
        cached = session.sql(
            f"SELECT i, repeat('wide ', 20) || i AS s FROM range({rows}) AS r(i)"
        ).cache()
        for _ in range(2):
            assert cached.aggregate(n="count(*)", m="max(i)").to_pylist() == [
                {"n": rows, "m": rows - 1}
            ]
        assert session.metrics()["table_disk_bytes"] > 1 << 20
        assert session.metrics()["cache_hits"] == 1
        del cached
        assert [name for _, _, names in os.walk(tmp_path) for name in names if name != "lock"] == []


def test_a_stream_is_not_cached() -> None:
    with hr.Session() as session:
        session.sql("CREATE STREAM s (a BIGINT) WITH (connector = 'memory', name = 'm')")
        with pytest.raises(hr.UnsupportedError, match="not a stream"):
            session.sql("SELECT * FROM s").cache()
