"""What Python adds to SQL: parameters, several statements, tables of one query."""

from __future__ import annotations

import datetime
import decimal

import headrace as hr
import pyarrow as pa
import pytest


@pytest.fixture
def session() -> hr.Session:
    return hr.Session(threads=2)


def cell(session: hr.Session, query: str, *args: object, **tables: object) -> object:
    return session.sql(query, *args, **tables).to_arrow().column(0)[0].as_py()


def test_positional_parameters(session: hr.Session) -> None:
    assert cell(session, "SELECT ? + ? * 10", [1, 2]) == 21
    assert cell(session, "SELECT $2 - $1", (1, 5)) == 4
    assert cell(session, "SELECT $1 + $1", [4]) == 8


def test_named_parameters(session: hr.Session) -> None:
    assert cell(session, "SELECT $low + $high", {"low": 1, "high": 2}) == 3


VALUES = [
    *(None, True, 7, 2**62, 1.5, "it's", b"\x00x"),
    *(decimal.Decimal("1.50"), datetime.date(2024, 2, 29)),
]


@pytest.mark.parametrize("value", VALUES)
def test_parameters_of_every_type(session: hr.Session, value: object) -> None:
    assert cell(session, "SELECT ?", [value]) == value


def test_a_parameter_is_a_value_and_never_text_of_the_query(session: hr.Session) -> None:
    assert cell(session, "SELECT ?", ["1; DROP TABLE t --"]) == "1; DROP TABLE t --"


def test_parameters_in_a_filter_and_a_limit(session: hr.Session) -> None:
    t = pa.table({"a": [1, 2, 3, 4]})
    rows = session.sql("SELECT a FROM t WHERE a >= ? ORDER BY a LIMIT ?", [2, 2], t=t).to_arrow()
    assert rows.column("a").to_pylist() == [2, 3]


def test_parameters_that_are_missing(session: hr.Session) -> None:
    with pytest.raises(hr.InvalidArgumentError, match="parameter 2, and 1 values"):
        session.sql("SELECT ?, ?", [1])
    with pytest.raises(hr.InvalidArgumentError, match=r"\$x"):
        session.sql("SELECT $x", {"y": 1})
    with pytest.raises(hr.TypeMismatchError, match="a list, a tuple or a mapping"):
        session.sql("SELECT ?", 5)  # type: ignore[arg-type]


def test_several_statements(session: hr.Session) -> None:
    script = "CREATE TABLE n AS SELECT 1 AS a; INSERT INTO n VALUES (2);\nSELECT sum(a) FROM n;"
    assert cell(session, script) == 3
    with pytest.raises(hr.UnknownNameError, match="line 2"):
        session.sql("SELECT 1;\nSELECT nope")


def test_tables_of_one_query_come_before_those_of_the_session(session: hr.Session) -> None:
    session.register("t", pa.table({"a": [1]}))
    assert cell(session, "SELECT a FROM t", t=pa.table({"a": [2]})) == 2
    assert cell(session, "SELECT a FROM t") == 1


def test_a_view_sees_what_its_tables_become(session: hr.Session) -> None:
    session.register("t", pa.table({"a": [1]}))
    session.sql("CREATE VIEW v AS SELECT a + 1 AS b FROM t")
    assert cell(session, "SELECT b FROM v") == 2
    session.register("t", pa.table({"a": [10]}))
    assert cell(session, "SELECT b FROM v") == 11
    assert session.tables() == ["t", "v"]


def test_a_failed_insert_leaves_the_table_as_it_was(session: hr.Session) -> None:
    session.sql("CREATE TABLE n (a INTEGER)")
    with pytest.raises(hr.Error):
        session.sql("INSERT INTO n SELECT CAST(x AS INTEGER) FROM (VALUES ('1'), ('y')) v (x)")
    assert cell(session, "SELECT count(*) FROM n") == 0
    with pytest.raises(hr.Error):
        session.sql("CREATE OR REPLACE TABLE n AS SELECT CAST('y' AS INTEGER) AS a")
    assert cell(session, "SELECT count(*) FROM n") == 0
