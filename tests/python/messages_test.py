"""What a user of other libraries types first: it works, or the message says what does."""

from __future__ import annotations

import copy
import datetime
import pickle
from collections.abc import Callable
from typing import Any

import headrace as hr
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest


@pytest.fixture
def cursor() -> hr.Cursor:
    return hr.from_arrow({"k": [1, 2, None], "word": ["a", "b", None]})


def told(action: Callable[[], Any], error: type[BaseException]) -> str:
    """The message that `action` fails with."""
    with pytest.raises(error) as raised:
        action()
    return str(raised.value)


@pytest.mark.parametrize(
    "name,here",
    [
        ("show", "print(cursor)"),
        ("fetchone", "fetch(1)"),
        ("count", 'aggregate(n="count(*)")'),
        ("drop", "EXCLUDE"),
        ("group_by", "aggregate(keys, name=…)"),
        ("agregate", "did you mean aggregate?"),
        ("to_panda", "did you mean to_pandas?"),
        ("word", "hr.col('word')"),
    ],
)
def test_names_of_a_cursor(cursor: hr.Cursor, name: str, here: str) -> None:
    assert here in told(lambda: getattr(cursor, name), AttributeError)


@pytest.mark.parametrize(
    "name,here",
    [
        ("alias", "select(name=expression)"),
        ("uper", "did you mean upper?"),
        ("isin", "is_in"),
        ("map_elements", "cursor.apply"),
    ],
)
def test_names_of_an_expression(name: str, here: str) -> None:
    assert here in told(lambda: getattr(hr.col("k"), name), AttributeError)


@pytest.mark.parametrize(
    "name,here",
    [
        ("read_csv", "hr.scan_csv"),
        ("connect", "hr.Session"),
        ("from_pandas", "hr.from_arrow"),
        ("scan_cvs", "did you mean scan_csv?"),
        ("mean", "hr.functions.mean"),
    ],
)
def test_names_of_the_module(name: str, here: str) -> None:
    assert here in told(lambda: getattr(hr, name), AttributeError)


def test_the_module_lists_what_it_offers() -> None:
    assert dir(hr) == sorted(hr.__all__)


def test_items_of_a_cursor(cursor: hr.Cursor) -> None:
    assert "cursor.select('k')" in told(lambda: cursor["k"], TypeError)  # type: ignore[index]
    assert "cursor.limit" in told(lambda: cursor[0], TypeError)  # type: ignore[index]
    assert sum(batch.num_rows for batch in cursor) == 3


def test_constants_stand_for_themselves(cursor: hr.Cursor) -> None:
    day = datetime.date(2024, 2, 29)
    rows = cursor.derive(one=1, half=0.5, yes=True, day=day, none=None).to_pylist()
    assert rows[0] == {
        **{"k": 1, "word": "a", "one": 1, "half": 0.5, "yes": True, "day": day, "none": None}
    }
    assert cursor.select("k", two=2).limit(1).to_pylist() == [{"k": 1, "two": 2}]
    anything: Any = lambda row: True  # noqa: E731
    assert "apply" in told(lambda: cursor.filter(anything), hr.InvalidArgumentError)


def test_is_in_and_between(cursor: hr.Cursor) -> None:
    k = hr.col("k")

    def cells(expression: hr.Expr) -> list[Any]:
        return list(cursor.select(x=expression).to_arrow()["x"].to_pylist())

    assert cells(k.is_in([1, 5, 7])) == [True, False, None]
    assert cells(k.is_in([1, None])) == [True, None, None]
    assert cells(k.is_in([])) == [False, False, False]
    assert cells(~k.is_in(range(2, 5000))) == [True, False, None]
    assert cells(k.is_in([k, 9])) == [True, True, None]
    assert cells(k.between(2, 3)) == [False, True, None]
    assert cells(hr.col("word").is_in(("b", "c"))) == [False, True, None]


def test_one_argument_of_apply(cursor: hr.Cursor) -> None:
    rows = cursor.apply("word", "VARCHAR", twice=lambda word: word and word * 2).to_pylist()
    assert [row["twice"] for row in rows] == ["aa", "bb", None]


def test_outputs_without_names(cursor: hr.Cursor) -> None:
    double = hr.col("k") * 2
    message = told(lambda: cursor.derive(double), hr.InvalidArgumentError)  # type: ignore[arg-type]
    assert "derive(…, name=Expr(k * 2))" in message
    message = told(
        lambda: cursor.aggregate("word", hr.col("k").max()),  # type: ignore[arg-type]
        hr.InvalidArgumentError,
    )
    assert "aggregate(…, name=Expr(max(k)))" in message


def test_arguments_of_other_types(cursor: hr.Cursor) -> None:
    text: Any = "x"
    number: Any = 42
    assert "got 'x'" in told(lambda: cursor.limit(text), hr.InvalidArgumentError)
    assert "text of a query, got int" in told(lambda: hr.sql(number), hr.TypeMismatchError)
    assert "name of a column, got 42" in told(lambda: hr.col(number), hr.TypeMismatchError)
    assert "params" in told(lambda: hr.sql("SELECT $a", a=1), hr.TypeMismatchError)
    assert "params" in told(lambda: hr.sql("SELECT $a", a="x"), hr.TypeMismatchError)


@pytest.mark.parametrize(
    "data,place",
    [
        (pd.DataFrame({"a": [1, "x"]}), "column a"),
        ({"a": [1, "x"]}, "'x'"),
        ({"a": [1, 2], "b": [1]}, "Column 1 named b"),
    ],
)
def test_columns_without_a_type(data: Any, place: str) -> None:
    message = told(lambda: hr.sql("SELECT * FROM t", t=data), hr.BadDataError)
    assert type(data).__name__ in message and place in message


def test_what_cannot_be_pickled_says_so(cursor: hr.Cursor) -> None:
    assert "cursor.to_arrow()" in told(lambda: pickle.dumps(cursor), TypeError)
    assert "hr.Session(" in told(lambda: pickle.dumps(hr.Session()), TypeError)
    assert "hr.sql_expr" in told(lambda: pickle.dumps(hr.col("k")), TypeError)


def test_copies(cursor: hr.Cursor) -> None:
    next(cursor)
    for made in (copy.copy(cursor), copy.deepcopy(cursor)):
        assert made.fetch(5).num_rows == 3
        made.close()
    expression = hr.col("k") + 1
    assert copy.deepcopy({"e": expression})["e"] is expression


def test_repr_of_a_session() -> None:
    session = hr.Session(memory_limit="64MB", threads=2)
    assert repr(session) == "<headrace.Session memory_limit=64000000, threads=2, tables: none>"
    session.register("planes", pa.table({"a": [1]}))
    assert "tables: planes" in repr(session)
    session.close()
    assert repr(session) == "<headrace.Session closed>"
    assert "hr.Session(" in told(lambda: session.sql("SELECT 1"), hr.InvalidArgumentError)


def test_a_generator_of_batches() -> None:
    batches = iter([pa.record_batch({"a": [1, 2]})])
    message = told(lambda: hr.from_arrow(batches), hr.TypeMismatchError)
    assert "pyarrow.RecordBatchReader.from_batches(schema, batches)" in message
    reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches)
    assert hr.sql("SELECT sum(a) AS s FROM r", r=reader).to_pylist() == [{"s": 3}]


def test_a_lazy_frame_is_collected_first() -> None:
    message = told(lambda: hr.from_arrow(pl.LazyFrame({"a": [1]})), hr.TypeMismatchError)
    assert ".collect()" in message
