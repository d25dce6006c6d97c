"""Forks, threads, two sessions, and data that outlives them."""

from __future__ import annotations

import concurrent.futures
import gc

import headrace as hr
import pyarrow as pa
import pytest
from fresh_python import run_fresh

TABLE = pa.table({"a": list(range(10_000)), "s": [f"v{i % 50}" for i in range(10_000)]})


def test_exported_arrays_outlive_the_session() -> None:
    session = hr.Session(threads=2)
    cursor = session.from_arrow(TABLE).derive(b="a * 2", t="upper(s)")
    whole, [first, *_] = cursor.to_arrow(), list(cursor)
    session.close()
    del session, cursor
    gc.collect()
    assert whole["b"].to_pylist() == [2 * a for a in range(10_000)]
    assert whole["t"].to_pylist()[51] == "V1"
    assert first["b"].to_pylist()[:3] == [0, 2, 4]


def test_a_cursor_outlives_the_name_of_its_session() -> None:
    cursor = hr.Session(threads=2).from_arrow(TABLE).filter("a < 5")
    gc.collect()
    assert cursor.to_arrow().num_rows == 5


def test_a_stream_outlives_its_session() -> None:
    session = hr.Session(threads=2)
    reader = pa.RecordBatchReader.from_stream(session.from_arrow(TABLE))
    session.close()
    del session
    gc.collect()
    assert reader.read_all() == TABLE


def test_a_stream_that_nobody_reads() -> None:
    session = hr.Session(threads=2)
    reader = pa.RecordBatchReader.from_stream(session.from_arrow(TABLE))
    next(iter(reader))
    del reader
    session.close()


def test_two_sessions_do_not_see_each_other() -> None:
    with hr.Session(threads=1) as one, hr.Session(threads=2) as two:
        one.register("t", TABLE)
        with pytest.raises(hr.UnknownNameError):
            two.sql("SELECT * FROM t")
        rows = two.sql("SELECT count(*) AS n FROM t", t=one.table("t").filter("a < 7"))
        assert rows.to_pylist() == [{"n": 7}]


def test_many_threads_and_one_session() -> None:
    def work(i: int) -> int:
        cursor = session.sql(f"SELECT s, sum(a) AS n FROM t WHERE a % {i + 2} = 0 GROUP BY s")
        return sum(row["n"] for row in cursor.to_pylist())

    with hr.Session(threads=2) as session:
        session.register("t", TABLE)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sums = list(pool.map(work, range(24)))
    assert sums == [sum(a for a in range(10_000) if a % (i + 2) == 0) for i in range(24)]


def test_many_threads_one_callback_each() -> None:
    def work(i: int) -> int:
        cursor = session.from_arrow(TABLE).apply(["a"], "BIGINT", b=lambda a: a + i)
        return int(cursor.aggregate(s="sum(b)").to_pylist()[0]["s"])

    with hr.Session(threads=2) as session, concurrent.futures.ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(work, range(8)))
    assert sums == [sum(range(10_000)) + 10_000 * i for i in range(8)]


def test_two_cursors_read_in_turn() -> None:
    with hr.Session(threads=2, batch_rows=10) as session:
        one, two = session.from_arrow(TABLE), session.from_arrow(TABLE).derive(b="a + 1")
        pairs = list(zip(one, two))
    assert len(pairs) == 1000
    assert all(x["a"] == y["a"] for x, y in pairs)


FORK = """
import os, headrace as hr
session = hr.Session(threads=2)
t = session.from_arrow({"a": list(range(100000))})
cursor = t.filter("a >= 0")
first = next(iter(cursor))
stream = cursor.__arrow_c_stream__()
hr.sql("SELECT 1 AS one").to_arrow()
reader, writer = os.pipe()

def try_to_use():
    for use in (lambda: session.sql("SELECT 1 AS one"), t.to_arrow, lambda: next(cursor)):
        try:
            use()
            yield "no error"
        except hr.InvalidArgumentError as error:
            yield "forked" if "forked" in str(error) else str(error)
    cursor.close()
    yield hr.sql("SELECT 2 AS two").to_pylist()[0]["two"]

pid = os.fork()
if pid == 0:
    os.write(writer, json.dumps(list(try_to_use())).encode())
    del cursor, t, session, stream
    sys.exit(0)
_, status = os.waitpid(pid, 0)
rest = sum(batch.num_rows for batch in cursor)
tell(status=status, rows=first.num_rows + rest, child=json.loads(os.read(reader, 10000)))
"""


def test_a_fork() -> None:
    child = ["forked", "forked", "forked", 2]
    assert run_fresh(FORK, seconds=60) == {"status": 0, "rows": 100_000, "child": child}


EXIT = """
import headrace as hr
cursor = hr.from_arrow({"a": list(range(100000))}).apply(["a"], "BIGINT", b=lambda a: a)
next(iter(cursor))
keep = cursor.__arrow_c_stream__()
session = hr.Session(threads=4)
session.register("t", {"a": [1]})
other = session.sql("SELECT a FROM t")
next(iter(other))
tell(done=True)
"""


def test_leaving_python_in_the_middle_of_queries() -> None:
    assert run_fresh(EXIT, seconds=60) == {"done": True}
