"""Random expressions, each of which can be built for the engine, spelled in SQL, and evaluated."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
from typing import Any

import headrace as hr
import pyarrow as pa
from hypothesis import strategies as st
from reference.engine import SCALARS, Cell, Row, is_true

ARROW_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "decimal": pa.decimal128(12, 2),
    "timestamp": pa.timestamp("us"),
}
SQL_TYPES = {
    "int": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "date": "DATE",
    "decimal": "DECIMAL(12, 2)",
    "timestamp": "TIMESTAMP",
}
# Small integers and quarters: products of a few, and sums of many, are exact.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-20, 20),
    "float": st.one_of(
        st.integers(-40, 40).map(lambda n: n / 4),
        st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0]),
    ),
    "string": st.sampled_from(["", "a", "b", "ab", "Ab", "é", "z" * 20, "日本", "𝄞", " a"]),
    "bool": st.booleans(),
    "date": st.dates(datetime.date(1968, 1, 1), datetime.date(2024, 2, 29)),
    "decimal": st.integers(-999, 999).map(lambda n: decimal.Decimal(n).scaleb(-2)),
    "timestamp": st.datetimes(
        datetime.datetime(1968, 1, 1), datetime.datetime(2024, 3, 1)
    ).map(lambda time: time.replace(fold=0)),
}
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
Columns = dict[str, str]  # types by name


@dataclasses.dataclass(frozen=True)
class Node:
    """`kind` is column, literal, case or call; a call's name is in `name`."""

    kind: str
    type: str
    name: str = ""
    value: Any = None
    args: tuple[Node, ...] = ()


# -- three readings of a node


def evaluate(node: Node, row: Row, names: list[str]) -> Cell:
    """By the reference."""
    if node.kind == "column":
        return row[names.index(node.name)]
    if node.kind == "literal":
        return node.value
    if node.kind == "case":
        *branches, otherwise = node.args
        for condition, value in zip(branches[::2], branches[1::2]):
            if is_true(evaluate(condition, row, names)):
                return evaluate(value, row, names)
        return evaluate(otherwise, row, names)
    if node.name == "negate":
        value = evaluate(node.args[0], row, names)
        return None if value is None else -value
    return SCALARS[node.name](*(evaluate(arg, row, names) for arg in node.args))


def build(node: Node) -> hr.Expr:
    """For the engine."""
    if node.kind == "column":
        return hr.col(node.name)
    if node.kind == "literal":
        return hr.lit(pa.scalar(node.value, ARROW_TYPES[node.type]))
    args = [build(arg) for arg in node.args]
    return hr.call("-" if node.name == "negate" else node.name or "case", *args)


def spell(node: Node) -> str:
    """In SQL."""
    if node.kind == "column":
        return node.name
    if node.kind == "literal":
        return literal(node)
    args = [spell(arg) for arg in node.args]
    if node.kind == "case":
        pairs = zip(args[:-1:2], args[1:-1:2])
        whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in pairs)
        return f"CASE {whens} ELSE {args[-1]} END"
    if node.name == "negate":
        return f"(-({args[0]}))"
    if node.name == "not":
        return f"(NOT {args[0]})"
    if node.name == "is_null":
        return f"({args[0]} IS NULL)"
    if node.name.isidentifier() and node.name not in ("and", "or"):
        return f"{node.name}({', '.join(args)})"
    return "(" + f" {node.name.upper()} ".join(args) + ")"


def literal(node: Node) -> str:
    """Always of its type, whatever the dialect makes of bare numbers."""
    if node.value is None:
        return f"CAST(NULL AS {SQL_TYPES[node.type]})"
    text = str(node.value).replace("'", "''")
    return f"CAST('{text}' AS {SQL_TYPES[node.type]})"


# -- strategies

# What makes a value, besides columns, constants, coalesce and CASE: (function, types of arguments).
MAKERS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "int": [
        ("+", ("int", "int")),
        ("-", ("int", "int")),
        ("*", ("int", "int")),
        ("negate", ("int",)),
        ("abs", ("int",)),
        ("length", ("string",)),
        ("guarded //", ("int", "int")),
        ("guarded %", ("int", "int")),
    ],
    "float": [
        ("+", ("float", "float")),
        ("-", ("float", "float")),
        ("*", ("float", "float")),
        ("negate", ("float",)),
        ("abs", ("float",)),
    ],
    "string": [
        ("upper", ("string",)),
        ("lower", ("string",)),
        ("||", ("string", "string")),
        ("concat", ("string", "string")),
    ],
    "bool": [
        *((name, (kind, kind)) for name in COMPARISONS for kind in VALUES if kind != "bool"),
        *(("is_null", (kind,)) for kind in VALUES),
        *[("and", ("bool", "bool")), ("or", ("bool", "bool")), ("not", ("bool",))] * 3,
        ("starts_with", ("string", "string")),
    ],
    "date": [],
    "decimal": [],
    "timestamp": [],
}


@st.composite
def leaves(draw: Any, columns: Columns, wanted: str) -> Node:
    """A column or a constant of a type."""
    named = [name for name, kind in columns.items() if kind == wanted]
    choice = draw(st.integers(0, 5))
    if named and choice > 1:
        return Node("column", wanted, draw(st.sampled_from(named)))
    return Node("literal", wanted, value=None if choice == 0 else draw(VALUES[wanted]))


@st.composite
def expressions(draw: Any, columns: Columns, wanted: str, depth: int = 3) -> Node:
    """An expression of a type."""
    kind = draw(st.integers(0, 9))
    if depth == 0 or kind < 2:
        return draw(leaves(columns, wanted))

    def deeper(of: str = wanted) -> Node:
        return draw(expressions(columns, of, depth - 1))

    if kind == 2 or not MAKERS[wanted]:
        return Node("call", wanted, "coalesce", args=(deeper(), deeper()))
    if kind == 3:
        return Node("case", wanted, args=(deeper("bool"), deeper(), deeper()))
    name, kinds = draw(st.sampled_from(MAKERS[wanted]))
    args = tuple(deeper(of) for of in kinds)
    if name.startswith("guarded"):
        return guarded(name.split()[1], *args)
    return Node("call", wanted, name, args=args)


def guarded(name: str, a: Node, b: Node) -> Node:
    """CASE WHEN b <> 0 THEN a // b ELSE NULL END: wrong where CASE is not lazy."""
    zero = Node("literal", "int", value=0)
    condition = Node("call", "bool", "<>", args=(b, zero))
    return Node(
        "case",
        "int",
        args=(condition, Node("call", "int", name, args=(a, b)), Node("literal", "int")),
    )
