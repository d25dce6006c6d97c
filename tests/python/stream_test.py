"""Python objects that offer Arrow streams: read again by every query, or once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import headrace as hr
import pyarrow as pa
import pyarrow.dataset
import pytest

SCHEMA = pa.schema([pa.field("a", pa.int64()), pa.field("s", pa.string())])


def batch(start: int, rows: int = 10) -> pa.RecordBatch:
    numbers = list(range(start, start + rows))
    return pa.record_batch([numbers, [f"v{n}" for n in numbers]], schema=SCHEMA)


def reader(batches: int = 3) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(SCHEMA, (batch(10 * i) for i in range(batches)))


class Rereadable:
    """Makes a new stream each time it is asked, and counts."""

    def __init__(self) -> None:
        self.streams = 0

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        self.streams += 1
        return reader().__arrow_c_stream__(requested_schema)


@pytest.fixture
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2, batch_rows=4) as made:
        yield made


def test_a_reader_is_read_once(session: hr.Session) -> None:
    session.register("t", reader())
    assert session.sql("SELECT sum(a) AS n FROM t").to_pylist() == [{"n": sum(range(30))}]
    with pytest.raises(hr.InvalidArgumentError, match="RecordBatchReader gives its rows once"):
        session.sql("SELECT sum(a) AS n FROM t").to_arrow()
    assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_reader_in_clothes_is_found_out(session: hr.Session) -> None:
    class Clothes:
        once = reader()

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return self.once.__arrow_c_stream__(requested_schema)

    session.register("t", Clothes())
    assert session.table("t").to_arrow().num_rows == 30
    with pytest.raises(hr.InvalidArgumentError, match="Clothes gives its rows once"):
        session.table("t").to_arrow()


def test_others_are_read_by_every_query(session: hr.Session) -> None:
    source = Rereadable()
    cursor = session.from_arrow(source)
    for _ in range(3):
        assert cursor.to_arrow() == reader().read_all()
    assert source.streams == 3
    both = session.sql("SELECT count(*) AS n FROM x JOIN y ON x.a = y.a", x=source, y=source)
    assert both.to_pylist() == [{"n": 30}]


def test_a_stream_is_read_no_further_than_needed(session: hr.Session) -> None:
    given: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for i in range(1_000_000):
            given.append(i)
            yield batch(10 * i)

    endless = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    assert session.from_arrow(endless).limit(15).to_arrow().num_rows == 15
    assert len(given) < 100


def test_duckdb_and_datasets(session: hr.Session) -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    relation = connection.sql("SELECT range AS n FROM range(1000)")
    session.register("d", relation)
    session.register("p", pyarrow.dataset.dataset(reader().read_all()))
    connection.execute("SELECT 1").fetchall()  # nothing is held open
    for _ in range(2):
        assert session.sql("SELECT sum(n) AS s FROM d").to_pylist() == [{"s": 499_500}]
        assert session.sql("SELECT count(*) AS n FROM p").to_pylist() == [{"n": 30}]


def test_columns_are_not_copied(session: hr.Session) -> None:
    table = reader().read_all().combine_chunks()
    addresses = [buffer.address for buffer in table["a"].chunk(0).buffers() if buffer]
    with hr.Session(threads=1) as whole:
        got = whole.from_arrow(table).to_arrow()
    assert [b.address for b in got["a"].chunk(0).buffers() if b] == addresses


def test_a_stream_that_raises(session: hr.Session) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch(0)
        raise LookupError("the well is dry")

    broken = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    with pytest.raises(hr.BadDataError, match="the well is dry"):
        session.from_arrow(broken).to_arrow()
    assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_an_object_that_raises_when_asked_again(session: hr.Session) -> None:
    class Moody(Rereadable):
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            if self.streams == 1:
                raise LookupError("not today")
            return super().__arrow_c_stream__(requested_schema)

    session.register("t", Moody())
    assert session.table("t").to_arrow().num_rows == 30
    with pytest.raises(hr.CallbackError, match="not today"):
        session.table("t").to_arrow()


def test_invalid_data_in_a_stream(session: hr.Session) -> None:
    offsets = pa.py_buffer(b"\x00\x00\x00\x00\x04\x00\x00\x00")
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff\xfe\xfd\x00")]
    )
    batches = [pa.record_batch([broken], names=["s"])]
    stream = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    with pytest.raises(hr.BadDataError, match="(?i)utf"):
        session.from_arrow(stream).to_arrow()


def test_a_slow_stream_holds_nobody_up(session: hr.Session) -> None:
    go_on = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch(0)
        go_on.wait(20)
        yield batch(10)

    slow = session.from_arrow(pa.RecordBatchReader.from_batches(SCHEMA, batches()))
    assert next(slow).num_rows == 4
    assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    start = time.monotonic()
    slow.close()
    assert time.monotonic() - start < 0.5
    go_on.set()


@pytest.mark.parametrize(
    "data,hint",
    [
        (5, "got int"),
        ("t.csv", "scan"),
        ([{"a": 1}], "from_pylist"),
        (type("LazyFrame", (), {"collect": None})(), "collect"),
    ],
)
def test_what_is_no_table_says_what_to_do(session: hr.Session, data: Any, hint: str) -> None:
    with pytest.raises(hr.TypeMismatchError, match=hint):
        session.sql("SELECT * FROM t", t=data)


def test_a_column_is_no_table(session: hr.Session) -> None:
    with pytest.raises(hr.TypeMismatchError, match="table with columns"):
        session.from_arrow(pa.chunked_array([[1, 2]]))
