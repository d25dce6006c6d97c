"""The Python package: cursors, expressions, tables in and out."""

from __future__ import annotations

import datetime
import decimal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headrace as hr
import pyarrow as pa
import pytest


@pytest.fixture
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2, batch_rows=4) as made:
        yield made


@pytest.fixture
def table() -> pa.Table:
    return pa.table({"a": list(range(20)), "s": [f"v{i}" for i in range(20)]})


# -- reading


def test_a_loop_gives_record_batches(session: hr.Session, table: pa.Table) -> None:
    batches = list(session.from_arrow(table))
    assert all(isinstance(batch, pa.RecordBatch) for batch in batches)
    assert max(batch.num_rows for batch in batches) <= 4
    assert pa.Table.from_batches(batches) == table


def test_a_cursor_read_to_its_end_can_be_read_again(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table)
    assert sum(batch.num_rows for batch in cursor) == 20
    with pytest.raises(StopIteration):
        next(cursor)
    assert sum(batch.num_rows for batch in cursor) == 20


def test_a_loop_goes_on_where_the_last_one_stopped(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table)
    first = next(iter(cursor))
    rest = list(cursor)
    assert pa.Table.from_batches([first, *rest]) == table


def test_fetch_takes_the_next_rows(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table)
    assert cursor.fetch(3)["a"].to_pylist() == [0, 1, 2]
    assert cursor.fetch(0).num_rows == 0
    assert cursor.fetch(9)["a"].to_pylist() == list(range(3, 12))
    assert cursor.fetch(100)["a"].to_pylist() == list(range(12, 20))
    assert cursor.fetch(1).num_rows == 0
    assert cursor.fetch(1).schema == table.schema


def test_fetch_of_a_negative_count(session: hr.Session, table: pa.Table) -> None:
    with pytest.raises(hr.InvalidArgumentError, match="-1"):
        session.from_arrow(table).fetch(-1)


def test_whole_results_leave_the_reading_alone(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table)
    cursor.fetch(5)
    assert cursor.to_arrow() == table
    assert pa.table(cursor) == table
    assert cursor.fetch(1)["a"].to_pylist() == [5]


def test_schema_runs_nothing(session: hr.Session, table: pa.Table) -> None:
    calls: list[int] = []
    cursor = session.from_arrow(table).apply(["a"], "BIGINT", b=calls.append)
    assert cursor.schema == table.schema.append(pa.field("b", pa.int64()))
    assert pa.schema(cursor) == cursor.schema
    assert cursor.columns == ["a", "s", "b"]
    assert calls == []


def test_repr_shows_ten_rows_and_runs_no_more(table: pa.Table) -> None:
    seen: list[int] = []
    with hr.Session(threads=1, batch_rows=1) as session:
        cursor = session.from_arrow(table).apply(["a"], "BIGINT", b=seen.append)
        lines = repr(cursor).splitlines()
    assert lines[1:3] == ["│      a │ s       │      b │", "│ BIGINT │ VARCHAR │ BIGINT │"]
    assert lines[4].startswith("│      0 │") and lines[13].startswith("│      9 │")
    assert lines[15] == "first 10 rows"
    assert len(seen) < 20


def test_repr_fits_its_width(session: hr.Session) -> None:
    wide = session.from_arrow({f"column_{i}": ["some words, and more <b>"] for i in range(30)})
    lines = repr(wide).splitlines()
    assert len({len(line) for line in lines[:-1]}) == 1 and len(lines[0]) <= 100
    assert "column_0" in lines[1] and "column_29" in lines[1] and " … " in lines[1]
    assert repr(session.from_arrow({"x": []})).endswith("\n0 rows")


def test_html(session: hr.Session, table: pa.Table) -> None:
    html = session.from_arrow({"a<b": ["<script>", None]})._repr_html_()
    assert "a&lt;b" in html and "&lt;script&gt;" in html and "<script>" not in html
    assert "first 10 rows" in session.from_arrow(table)._repr_html_()
    assert "DivisionByZeroError" in session.from_arrow(table).select(q="1 // a")._repr_html_()


def test_repr_of_a_failing_query(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table).select(q="1 // a")
    assert repr(cursor).startswith("<headrace.Cursor DivisionByZeroError")


def test_with_closes(session: hr.Session, table: pa.Table) -> None:
    with session.from_arrow(table) as cursor:
        next(cursor)
    with pytest.raises(StopIteration):
        next(cursor)
    cursor.close()


def test_cancel_from_another_thread(session: hr.Session, table: pa.Table) -> None:
    waiting = threading.Event()
    cancelled = threading.Event()

    def wait(a: int) -> int:
        waiting.set()
        cancelled.wait(10)
        return a

    cursor = session.from_arrow(table).apply(["a"], "BIGINT", b=wait)

    def cancel() -> None:
        waiting.wait(10)
        cursor.cancel()
        cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(hr.CancelledError):
        cursor.to_arrow()
    thread.join()
    assert session.from_arrow(table).to_arrow() == table


def test_metrics(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table).filter("a >= 5")
    list(cursor)
    assert cursor.metrics()["rows_out"] == 15
    assert "filter" in cursor.profile()


def test_explain(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table).filter("a > 3").limit(2)
    assert "filter" in cursor.explain() and "limit" in cursor.explain()
    assert "rows" in cursor.explain(analyze=True)


# -- tables in and out


def test_to_pandas_and_polars(session: hr.Session, table: pa.Table) -> None:
    cursor = session.from_arrow(table)
    assert cursor.to_pandas()["s"].tolist() == table["s"].to_pylist()
    assert cursor.to_polars()["a"].to_list() == table["a"].to_pylist()


def test_from_everything_that_offers_arrow(session: hr.Session, table: pa.Table) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    fruit = table
    sources = [
        table,
        table.to_batches()[0],
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3)),
        table.to_pandas(),
        polars.DataFrame(table),
        duckdb.sql("SELECT * FROM fruit"),
        {"a": list(range(20)), "s": [f"v{i}" for i in range(20)]},
        session.from_arrow(table),
    ]
    for source in sources:
        session.register("t", source)
        got = session.sql("SELECT * FROM t").to_arrow()
        assert got.to_pylist() == table.to_pylist(), type(source)


def test_into_everything_that_takes_arrow(session: hr.Session, table: pa.Table) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    cursor = session.from_arrow(table).filter("a >= 18")
    assert polars.DataFrame(cursor)["a"].to_list() == [18, 19]
    reader = pa.RecordBatchReader.from_stream(cursor)
    assert duckdb.sql("SELECT sum(a) FROM reader").fetchall() == [(37,)]
    assert pa.table(cursor)["a"].to_pylist() == pa.table(cursor)["a"].to_pylist()


def test_what_offers_no_arrow(session: hr.Session) -> None:
    with pytest.raises(hr.TypeMismatchError, match="int"):
        session.register("t", 5)


def test_tables_of_one_query(session: hr.Session, table: pa.Table) -> None:
    assert session.sql("SELECT count(*) AS n FROM mine", mine=table).to_pylist() == [{"n": 20}]
    with pytest.raises(hr.UnknownNameError, match="mine"):
        session.sql("SELECT count(*) AS n FROM mine")


def test_variables_of_the_caller_are_no_tables(session: hr.Session, table: pa.Table) -> None:
    with pytest.raises(hr.UnknownNameError, match="table"):
        session.sql('SELECT * FROM "table"')


def test_a_cursor_as_a_table(session: hr.Session, table: pa.Table) -> None:
    few = session.from_arrow(table).filter("a < 3")
    rows = session.sql("SELECT few.s FROM few JOIN t ON few.a = t.a", few=few, t=table)
    assert rows.to_arrow()["s"].to_pylist() == ["v0", "v1", "v2"]
    assert "(a < 3)" in rows.explain()
    twice = session.sql("SELECT x.a FROM few AS x JOIN few AS y ON x.a = y.a", few=few)
    assert twice.to_arrow()["a"].to_pylist() == [0, 1, 2]


def test_a_cursor_with_a_function_as_a_table(session: hr.Session, table: pa.Table) -> None:
    odd = session.from_arrow(table).apply(["a"], "BOOLEAN", odd=lambda a: a % 2 == 1)
    twice = session.sql("SELECT count(*) AS n FROM x JOIN x AS y ON x.a = y.a AND x.odd", x=odd)
    del odd
    assert twice.to_pylist() == [{"n": 10}]


def test_register_and_unregister(session: hr.Session, table: pa.Table) -> None:
    session.register("Fruit", table)
    assert session.tables() == ["Fruit"]
    assert session.sql("SELECT a FROM fruit LIMIT 1").to_pylist() == [{"a": 0}]
    assert session.table("Fruit").to_arrow() == table
    session.unregister("Fruit")
    with pytest.raises(hr.UnknownNameError):
        session.table("Fruit")


def test_schema_metadata_and_field_names_are_kept(session: hr.Session) -> None:
    schema = pa.schema([pa.field("", pa.int64(), metadata={"k": "v"}), pa.field("ü", pa.string())])
    table = pa.table([[1], ["x"]], schema=schema)
    assert session.from_arrow(table).to_arrow().schema.names == ["", "ü"]


def test_invalid_arrow_data_is_refused(session: hr.Session) -> None:
    data = pa.py_buffer(b"\xff\xfe\xfd\x00")
    offsets = pa.py_buffer(b"\x00\x00\x00\x00\x04\x00\x00\x00")
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, data])
    with pytest.raises(hr.BadDataError, match="(?i)utf"):
        session.from_arrow(pa.table([broken], names=["s"]))
    assert session.sql("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_write_and_scan(session: hr.Session, table: pa.Table, tmp_path: Path) -> None:
    for name in ("t.parquet", "t.arrow", "t.csv"):
        path = tmp_path / name
        assert session.from_arrow(table).write(path) == 20
        assert session.scan(path).to_arrow().to_pylist() == table.to_pylist()
    assert session.from_arrow(table).write(tmp_path / "odd.name", format="parquet") == 20
    assert session.scan_parquet(tmp_path / "odd.name").to_arrow().num_rows == 20


def test_writers_by_name(session: hr.Session, table: pa.Table, tmp_path: Path) -> None:
    cursor = session.from_arrow(table)
    assert cursor.write_parquet(tmp_path / "a") == 20
    assert cursor.write_csv(tmp_path / "b", delimiter=";") == 20
    assert cursor.write_arrow(tmp_path / "c") == 20
    assert session.scan_parquet(tmp_path / "a").to_arrow() == table
    assert session.scan_csv(tmp_path / "b", delimiter=";").to_arrow() == table
    assert session.scan_ipc(tmp_path / "c").to_arrow() == table


def test_a_failed_writer_leaves_the_old_file(session: hr.Session, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old\n")
    with pytest.raises(hr.DivisionByZeroError):
        session.from_arrow({"a": [1, 0]}).select(q="1 // a").write_csv(path)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_list_of_files(session: hr.Session, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.csv").write_text(f"s\n{name}1\n{name}2\n")
    listed = session.scan([tmp_path / "b.csv", str(tmp_path / "[ac].csv")])
    assert listed.to_arrow()["s"].to_pylist() == ["b1", "b2", "a1", "a2", "c1", "c2"]
    with pytest.raises(hr.InvalidArgumentError, match="at least one file"):
        session.scan([])
    with pytest.raises(hr.InvalidArgumentError, match="expected csv files"):
        session.from_arrow({"s": ["x"]}).write(tmp_path / "d.parquet")
        session.scan([tmp_path / "a.csv", tmp_path / "d.parquet"])
    with pytest.raises(hr.TypeMismatchError, match="a path or a list of paths, got int"):
        session.scan(5)  # type: ignore[arg-type]


def test_distinct_and_head(session: hr.Session) -> None:
    cursor = session.from_arrow({"a": [1, 1, None, None, 2], "b": ["x", "x", "y", "y", "x"]})
    rows = {(row["a"], row["b"]) for row in cursor.distinct().to_pylist()}
    assert rows == {(1, "x"), (None, "y"), (2, "x")} and len(cursor.distinct().to_arrow()) == 3
    assert cursor.head(2).to_arrow().num_rows == 2


def test_union(session: hr.Session) -> None:
    one, two = session.from_arrow({"a": [1, 2]}), session.from_arrow({"a": [2], "b": ["x"]})
    doubled = one.union(one.filter("a = 2"), pa.table({"a": [3.5]}))
    assert doubled.to_arrow()["a"].to_pylist() == [1.0, 2.0, 2.0, 3.5]
    assert sorted(doubled.distinct().to_arrow()["a"].to_pylist()) == [1.0, 2.0, 3.5]
    named = one.union(two, by_name=True).to_pylist()
    assert named == [{"a": 1, "b": None}, {"a": 2, "b": None}, {"a": 2, "b": "x"}]
    with pytest.raises(hr.Error):
        one.union(two)


def test_module_functions_use_one_session(table: pa.Table, tmp_path: Path) -> None:
    hr.register("default_table", table)
    assert hr.sql("SELECT count(*) AS n FROM default_table").to_pylist() == [{"n": 20}]
    assert hr.table("default_table").to_arrow() == table
    assert hr.from_arrow(table).write(tmp_path / "t.csv") == 20
    assert sum(batch.num_rows for batch in hr.scan_csv(tmp_path / "t.csv")) == 20
    assert hr.default_session() is hr.default_session()
    hr.default_session().unregister("default_table")


# -- expressions

LITERALS: list[tuple[Any, pa.DataType]] = [
    (None, pa.null()),
    (True, pa.bool_()),
    (7, pa.int64()),
    (2**63, pa.uint64()),
    (2**70, pa.decimal128(38, 0)),
    (1.5, pa.float64()),
    ("x", pa.string()),
    (b"\x00\xff", pa.binary()),
    (decimal.Decimal("1.25"), pa.decimal128(3, 2)),
    (datetime.date(2013, 1, 31), pa.date32()),
    (datetime.datetime(2013, 1, 31, 5, 15), pa.timestamp("us")),
    (datetime.timedelta(seconds=1), pa.duration("us")),
    (pa.scalar(3, pa.int16()), pa.int16()),
]


@pytest.mark.parametrize("value,arrow_type", LITERALS, ids=lambda value: repr(value)[:30])
def test_literals(session: hr.Session, value: Any, arrow_type: pa.DataType) -> None:
    one = session.from_arrow({"k": [1]}).select(v=hr.lit(value)).to_arrow()
    assert one.schema.field("v").type == arrow_type
    expected = value.as_py() if isinstance(value, pa.Scalar) else value
    assert one["v"].to_pylist() == [expected]


def test_what_is_no_literal() -> None:
    with pytest.raises(hr.InvalidArgumentError, match="object"):
        hr.lit(object())
    with pytest.raises(hr.InvalidArgumentError, match="38 digits"):
        hr.lit(10**40)


def test_reflected_operators(session: hr.Session) -> None:
    x = hr.col("x")
    numbers = {"a": 1 + x, "b": 10 - x, "c": 3 * x, "d": 10 / x, "e": 10 // x, "f": 10 % x}
    cursor = session.from_arrow({"x": [4]}).select(**numbers, g=(x > 1) & True, h=True & (x < 1))
    row = {"a": 5, "b": 6, "c": 12, "d": 2.5, "e": 2, "f": 2, "g": True, "h": False}
    assert cursor.to_pylist() == [row]


def test_expressions_have_no_truth() -> None:
    with pytest.raises(hr.TypeMismatchError, match="&"):
        bool(hr.col("x") > 1)


def test_repr_of_an_expression_is_sql() -> None:
    assert "x" in repr(hr.col("x") + 1) and "+" in repr(hr.col("x") + 1)


def test_names_of_unnamed_columns(session: hr.Session) -> None:
    cursor = session.from_arrow({"x": [4]}).select(hr.col("x"), hr.col("x") + 1, "x * 2")
    assert cursor.columns[0] == "x"
    assert len(set(cursor.columns)) == 3


def test_generated_methods_and_functions(session: hr.Session) -> None:
    f = hr.functions
    t = session.from_arrow({"s": ["a", None, "b"], "v": [1, 2, 3]})
    assert t.select(u=hr.col("s").upper()).to_arrow()["u"].to_pylist() == ["A", None, "B"]
    got = t.aggregate(n=f.count(), m=f.count(hr.col("s")), s=f.sum(hr.col("v")))
    assert got.to_pylist() == [{"n": 3, "m": 2, "s": 6}]


def test_wrong_arguments(session: hr.Session) -> None:
    t = session.from_arrow({"x": [1]})
    with pytest.raises(hr.InvalidArgumentError, match="expected an expression"):
        t.filter([5])  # type: ignore[arg-type]
    with pytest.raises(hr.InvalidArgumentError, match="middle"):
        t.sort(hr.col("x").asc(nulls="middle"))
    with pytest.raises(hr.TypeMismatchError, match="pyarrow type"):
        hr.col("x").cast(5)  # type: ignore[arg-type]
    with pytest.raises(hr.UnknownNameError, match="nope"):
        t.rename(nope="x")


def test_joins_name_columns_apart(session: hr.Session) -> None:
    left = session.from_arrow({"k": [1, 2], "v": ["a", "b"]})
    right = session.from_arrow({"k": [2, 1], "v": ["x", "y"]})
    assert left.join(right, on="k").columns == ["k", "v", "v_right"]
    assert left.join(right, on="k", suffix="2").columns == ["k", "v", "v2"]
    assert left.join(right, on="l.k = r.k").columns == ["k", "v", "k_right", "v_right"]


def test_joins_take_tables_of_others(session: hr.Session) -> None:
    left = session.from_arrow({"k": [1, 2], "v": ["a", "b"]})
    frame = pa.table({"k": [2], "w": [7]})
    assert left.join(frame, on="k").to_pylist() == [{"k": 2, "v": "b", "w": 7}]
    assert left.asof_join(frame, on="k").to_arrow()["w"].to_pylist() == [None, 7]
    with pytest.raises(hr.TypeMismatchError, match="from_pylist"):
        left.join([{"k": 1}], on="k")


def test_a_join_names_the_side_without_the_column(session: hr.Session) -> None:
    left, right = session.from_arrow({"k": [1]}), session.from_arrow({"q": [1]})
    with pytest.raises(hr.UnknownNameError, match='right side of the join has no column "k"'):
        left.join(right, on="k")
    with pytest.raises(hr.UnknownNameError, match='left side of the join has no column "q"'):
        left.join(right, on=["q"])


def test_names_of_other_libraries(session: hr.Session) -> None:
    cursor = session.from_arrow({"k": [1]})
    with pytest.raises(AttributeError, match="called aggregate"):
        cursor.group_by("k")
    with pytest.raises(AttributeError, match="no attribute 'nope'$"):
        cursor.nope
    with pytest.raises(hr.InvalidArgumentError, match="row count"):
        cursor.fetch("a")  # type: ignore[arg-type]


# -- settings and errors


def test_settings(tmp_path: Path) -> None:
    with hr.Session(memory_limit="64MiB", threads=3, temp_dir=tmp_path) as session:
        settings = session.settings
    assert settings["memory_limit"] == 64 << 20
    assert settings["threads"] == 3
    assert settings["temp_dir"] == str(tmp_path)
    with pytest.raises(hr.InvalidArgumentError, match="much"):
        hr.Session(memory_limit="much")
    with pytest.raises(hr.InvalidArgumentError):
        hr.Session(threads=-1)


def test_a_closed_session() -> None:
    session = hr.Session(threads=1)
    session.close()
    session.close()
    with pytest.raises(hr.InvalidArgumentError, match="closed"):
        session.sql("SELECT 1 AS one")


BUILTINS = {
    hr.InvalidArgumentError: ValueError,
    hr.SyntaxError: ValueError,
    hr.UnknownNameError: LookupError,
    hr.TypeMismatchError: TypeError,
    hr.OverflowError: OverflowError,
    hr.DivisionByZeroError: ZeroDivisionError,
    hr.BadDataError: ValueError,
    hr.IoError: OSError,
    hr.NotFoundError: FileNotFoundError,
    hr.StaleInputError: OSError,
    hr.MemoryLimitError: MemoryError,
    hr.CancelledError: RuntimeError,
    hr.CallbackError: RuntimeError,
    hr.UnsupportedError: NotImplementedError,
    hr.InternalError: RuntimeError,
}


def test_error_classes() -> None:
    for made, builtin in BUILTINS.items():
        assert issubclass(made, hr.Error) and issubclass(made, builtin)
        assert made.__module__ == "headrace" and made.kind and len(made.sqlstate) == 5
        assert str(made("a message")) == "a message"
    assert len({made.kind for made in BUILTINS}) == len(BUILTINS)


def test_errors_are_caught_as_builtins(session: hr.Session) -> None:
    with pytest.raises(FileNotFoundError):
        session.scan("/no/such/file.csv")
    with pytest.raises(ZeroDivisionError):
        session.sql("SELECT 1 // 0 AS q").to_arrow()
    with pytest.raises(ValueError):
        session.sql("SELEC 1")


def test_functions_are_looked_for_in_the_module() -> None:
    with pytest.raises(AttributeError, match=r"did you mean hr\.functions\.count\?"):
        hr.count()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'bogus'$"):
        hr.bogus()  # type: ignore[attr-defined]
