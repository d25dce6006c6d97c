"""The answers of the scripts against DuckDB: a second opinion on what SQL means.

Cases that read or write files are left out, and those that say `unlike-duckdb` and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

duckdb = pytest.importorskip("duckdb")

from script.cell_text import column_texts  # noqa: E402
from script.script_file import Case, Script, normal_lines, read_script, split_row  # noqa: E402

FOLDER = Path(__file__).resolve().parent


def comparable(case: Case) -> bool:
    """Whether DuckDB is asked the same."""
    text = case.spellings.get("sql", "") + "".join(case.before)
    files = "{dir}" in text or "'nowhere" in text
    return bool(text) and not files and not case.unlike_duckdb


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.test")):
        script = read_script(path)
        for case in filter(comparable, script.cases):
            yield pytest.param(script, case, id=f"{path.stem}-{case.title}")


def duckdb_rows(script: Script, case: Case) -> tuple[list[str], list[str]]:
    """Column names and rows as lines."""
    text = case.spellings["sql"]
    with duckdb.connect() as connection:
        connection.execute("SET lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        for name, table in script.tables.items():
            connection.register(name, table)
        for statement in case.before:
            connection.execute(statement)
        result = connection.sql(text).to_arrow_table()
    columns = [column_texts(column) for column in result.columns]
    return result.schema.names, [" | ".join(row) for row in zip(*columns)]


@pytest.mark.parametrize("script,case", list(cases()))
def test_duckdb_agrees(script: Script, case: Case) -> None:
    assert case.answer is not None
    text = case.spellings["sql"]
    if case.answer.keyword == "error":
        with pytest.raises(duckdb.Error):
            duckdb_rows(script, case)
        return
    names, rows = duckdb_rows(script, case)
    ordered = case.answer.keyword == "rows" and re.search(r"ORDER BY (?!.*\) AS)", text) is not None
    expected = normal_lines(case.answer.body, not ordered)
    header = [cell.partition(":")[0] for cell in split_row(expected[0])]
    assert [name.lower() for name in names] == [name.lower() for name in header]
    assert (rows if ordered else sorted(rows)) == expected[1:]
