"""User functions: what they raise comes out as it was, Ctrl-C stops them, the session lives."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Iterator

import headrace as hr
import pyarrow as pa
import pytest

ROWS = pa.table({"a": list(range(5000))})
PROMPT_SECONDS = 0.5


@pytest.fixture(params=[1, 4])
def session(request: pytest.FixtureRequest) -> Iterator[hr.Session]:
    with hr.Session(threads=request.param) as made:
        yield made
        assert made.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


class Unusual(Exception):
    """An exception that nobody else knows."""


def test_the_same_exception_object_comes_out(session: hr.Session) -> None:
    mistake = Unusual("row 700", {"detail": 1})

    def fail_late(a: int) -> int:
        if a == 700:
            raise mistake
        return a

    cursor = session.from_arrow(ROWS).apply(["a"], "BIGINT", b=fail_late)
    with pytest.raises(Unusual) as caught:
        cursor.to_arrow()
    assert caught.value is mistake
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "fail_late" in [frame.name for frame in frames]


def test_while_iterating_and_writing(session: hr.Session, tmp_path: object) -> None:
    mistake = Unusual()

    def fail(a: int) -> int:
        raise mistake

    cursor = session.from_arrow(ROWS).apply(["a"], "BIGINT", b=fail)
    with pytest.raises(Unusual) as caught:
        for _ in cursor:
            pass
    assert caught.value is mistake
    with pytest.raises(Unusual) as caught:
        cursor.write(f"{tmp_path}/t.parquet")
    assert caught.value is mistake
    with pytest.raises(hr.NotFoundError):
        session.scan(f"{tmp_path}/t.parquet")


def test_below_other_operators(session: hr.Session) -> None:
    mistake = Unusual()

    def fail(a: int) -> int:
        raise mistake

    made = hr.expr.callback(fail, ["a"], "BIGINT")
    for cursor in (
        session.from_arrow(ROWS).filter(made > 1),
        session.from_arrow(ROWS).sort(made),
        session.from_arrow(ROWS).derive(b=made).aggregate("b", n="count(*)"),
        session.from_arrow(ROWS).derive(b=made).join(session.from_arrow(ROWS), on="a"),
    ):
        with pytest.raises(Unusual) as caught:
            cursor.to_arrow()
        assert caught.value is mistake


def test_through_an_arrow_stream_the_text_comes_out(session: hr.Session) -> None:
    def fail(a: int) -> int:
        raise Unusual("what went wrong")

    with pytest.raises(pa.ArrowException, match="Unusual: what went wrong"):
        pa.table(session.from_arrow(ROWS).apply(["a"], "BIGINT", b=fail))


def test_rows_come_in_order_and_once(session: hr.Session) -> None:
    seen: list[int] = []
    session.from_arrow(ROWS).apply(["a"], "BIGINT", b=seen.append).to_arrow()
    assert seen == list(range(5000))


def test_calls_are_on_the_thread_that_reads(session: hr.Session) -> None:
    threads = set()

    def note(a: int) -> int:
        threads.add(threading.get_ident())
        return a

    session.from_arrow(ROWS).apply(["a"], "BIGINT", b=note).to_arrow()
    assert threads == {threading.get_ident()}


def test_a_limit_stops_the_calls(session: hr.Session) -> None:
    seen: list[int] = []
    cursor = session.from_arrow(pa.concat_tables([ROWS] * 40))
    cursor.apply(["a"], "BIGINT", b=seen.append).limit(10).to_arrow()
    assert len(seen) <= 20 * 1024


def test_functions_live_as_long_as_their_cursor(session: hr.Session) -> None:
    class Function:
        def __call__(self, a: int) -> int:
            return a + 1

    function = Function()
    watch = weakref.ref(function)
    cursor = session.from_arrow(ROWS).apply(["a"], "BIGINT", b=function).limit(2)
    del function
    gc.collect()
    assert cursor.to_arrow()["b"].to_pylist() == [1, 2]
    del cursor
    gc.collect()
    assert watch() is None


def test_a_function_may_run_queries(session: hr.Session) -> None:
    def nested(a: int) -> int:
        [row] = session.sql(f"SELECT {a} + 1 AS b").to_pylist()
        return int(row["b"])

    cursor = session.from_arrow(ROWS.slice(0, 5)).apply(["a"], "BIGINT", b=nested)
    assert cursor.to_arrow()["b"].to_pylist() == [1, 2, 3, 4, 5]


def test_a_function_may_not_read_its_own_cursor(session: hr.Session) -> None:
    def read(a: int) -> int:
        next(cursor)
        return a

    cursor = session.from_arrow(ROWS).apply(["a"], "BIGINT", b=read)
    with pytest.raises(hr.InvalidArgumentError, match="another call"):
        next(cursor)


# -- Ctrl-C


def interrupt_after(seconds: float) -> list[float]:
    """Posts a SIGINT to the main thread; gives a list that will hold when."""
    when: list[float] = []

    def post() -> None:
        time.sleep(seconds)
        when.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=post).start()
    return when


def test_ctrl_c_in_a_function(session: hr.Session) -> None:
    def slow(a: int) -> int:
        for _ in range(200):
            time.sleep(0.05)
        return a

    cursor = session.from_arrow(ROWS).apply(["a"], "BIGINT", b=slow)
    when = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt) as caught:
        cursor.to_arrow()
    assert time.monotonic() - when[0] < PROMPT_SECONDS
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "slow" in [frame.name for frame in frames]


LONG = "SELECT sum(a.k + b.k) AS s FROM rows AS a JOIN rows AS b ON a.one = b.one"


def long_query(session: hr.Session) -> hr.Cursor:
    """Hours of work: ten thousand million pairs."""
    n = 100_000
    rows = pa.table({"k": list(range(n)), "one": [1] * n})
    return session.sql(LONG, rows=rows)


def test_ctrl_c_in_a_long_query(session: hr.Session) -> None:
    cursor = long_query(session)
    when = interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        cursor.to_arrow()
    assert time.monotonic() - when[0] < PROMPT_SECONDS


def test_ctrl_c_while_writing(session: hr.Session, tmp_path: object) -> None:
    cursor = long_query(session)
    when = interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        cursor.write(f"{tmp_path}/t.parquet")
    assert time.monotonic() - when[0] < PROMPT_SECONDS


def test_ctrl_c_while_another_library_reads(session: hr.Session) -> None:
    cursor = long_query(session)
    when = interrupt_after(0.5)
    stopped = None
    try:
        try:
            pa.table(cursor)
        except pa.ArrowException:
            time.sleep(0.1)  # the interrupt that stopped the stream strikes here at the latest
    except KeyboardInterrupt:
        stopped = time.monotonic()
    assert stopped is not None and stopped - when[0] < PROMPT_SECONDS


def test_closing_a_long_query_is_prompt(session: hr.Session) -> None:
    cursor = long_query(session)
    reader = threading.Thread(target=lambda: pytest.raises(hr.CancelledError, next, cursor))
    reader.start()
    time.sleep(0.3)
    start = time.monotonic()
    cursor.cancel()
    reader.join()
    cursor.close()
    assert time.monotonic() - start < PROMPT_SECONDS
