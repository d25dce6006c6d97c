"""Every function example through SQL, its rows in every representation; the Python names."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

import headrace as hr
from headrace import functions

FILE = Path(__file__).parent.parent / "generated" / "function_examples.json"
EXAMPLES = json.loads(FILE.read_text())["examples"]


def cells_of(values):
    """"(1), (f(2))" → ["1", "f(2)"]."""
    cells, depth, begin = [], 0, 0
    for place, letter in enumerate(values):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "(" and depth == 1:
            begin = place + 1
        elif letter == ")" and depth == 0:
            cells.append(values[begin:place])
    return cells


def column_of(values):
    """The rows of a VALUES list as one array."""
    rows = [hr.sql(f"SELECT {cell} AS x").to_arrow() for cell in cells_of(values)]
    return pa.concat_tables(rows, promote_options="permissive").column("x").combine_chunks()


def sliced(array):
    return pa.concat_arrays([array, array, array])[len(array) : 2 * len(array)]


def representations(array):
    yield "plain", array
    yield "sliced", sliced(array)
    if pa.types.is_string(array.type):
        yield "large", array.cast(pa.large_string())
        yield "view", array.cast(pa.string_view())
    if not pa.types.is_null(array.type) and not pa.types.is_decimal(array.type):
        yield "dictionary", array.dictionary_encode()
        yield "sliced dictionary", sliced(array.dictionary_encode())


def texts(query, **tables):
    column = hr.sql(query, **tables).to_arrow().column(0).to_pylist()
    return ", ".join("NULL" if text is None else text for text in column)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["expression"])
def test_example(example):
    expression, expected = example["expression"], example["result"]
    if not example["input"]:
        assert texts(f"SELECT CAST({expression} AS VARCHAR)") == expected
        return
    for name, column in representations(column_of(example["input"])):
        rows = pa.table({"x": column})
        assert texts(f"SELECT CAST({expression} AS VARCHAR) FROM rows", rows=rows) == expected, name


def test_every_function_has_its_python_names():
    syntax = {"case", "and", "or", "not", "if"}
    syntax |= {"list_transform", "list_filter", "list_reduce"}  # lambdas are written in SQL
    for example in EXAMPLES:
        name = example["expression"].split("(")[0].strip()
        if name.isidentifier() and name.islower() and name not in syntax:
            assert callable(getattr(functions, name)), name
            if f"{name}()" not in example["expression"]:
                assert callable(getattr(hr.Expr, name)), name


def test_functions_and_methods_make_the_same():
    rows = hr.from_arrow(pa.table({"x": ["a", None, "b"]}))
    x = hr.col("x")
    made = rows.select(
        functions.lag(x, 2), x.lag(n=2), functions.lag(x), x.lag(), functions.concat(x, "z", x)
    ).to_arrow()
    columns = [column.to_pylist() for column in made.columns]
    assert columns[0] == columns[1] == [None, None, "a"]
    assert columns[2] == columns[3] == [None, "a", None]
    assert columns[4] == ["aza", "z", "bzb"]
