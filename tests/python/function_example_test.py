"""Every example of the function table, in every representation of its input."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headrace as hr
import pyarrow as pa
import pytest
from script.cell_text import column_texts
from script.worlds import dictionary, large, sliced

EXAMPLES = json.loads(
    (Path(__file__).parent.parent / "generated" / "function_examples.json").read_text()
)["examples"]
ENCODINGS = [lambda table: table, dictionary, large, sliced]


@pytest.fixture(scope="module")
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2, batch_rows=2) as made:
        yield made


def cells(session: hr.Session, texts: str) -> pa.Table:
    """"(1), (NULL)" as a column x."""
    rows = re.findall(r"\((.*?)\)(?:, |$)", texts)
    parts = [session.sql(f"SELECT {text} AS x").to_arrow() for text in rows]
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks()


def query_of(example: dict[str, str]) -> str:
    if example["kind"] == "scalar":
        return f"SELECT {example['expression']} AS y"
    over = " OVER ()" if example["kind"] == "ordered" else ""
    return f"SELECT {example['expression']}{over} AS y FROM t"


def shown(table: pa.Table) -> list[str]:
    """Cells as examples show them: text bare."""
    column = table.column(0)
    if pa.types.is_string(column.type):
        return ["NULL" if text is None else text for text in column.to_pylist()]
    return column_texts(column)


@pytest.mark.parametrize("encode", ENCODINGS, ids=["plain", "dictionary", "large", "sliced"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e['id']}-{e['expression']}")
def test_example(session: hr.Session, example: dict[str, str], encode: Any) -> None:
    tables = {"t": encode(cells(session, example["input"]))} if example["input"] else {}
    result = session.sql(query_of(example), **tables).to_arrow()
    ordered = example["kind"] == "ordered"
    assert shown(result) == (example["result"].split(", ") if ordered else [example["result"]])
