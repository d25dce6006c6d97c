"""Random expressions, each of which can be built for the engine, spelled in SQL, and evaluated."""

from __future__ import annotations

import dataclasses
import datetime
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
}
SQL_TYPES = {
    "int": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "date": "DATE",
}
# Small integers and quarters: products of a few, and sums of many, are exact.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-20, 20),
    "float": st.one_of(
        st.integers(-40, 40).map(lambda n: n / 4),
        st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0]),
    ),
    "string": st.sampled_from(["", "a", "b", "ab", "Ab", "é", "z" * 20]),
    "bool": st.booleans(),
    "date": st.dates(datetime.date(1968, 1, 1), datetime.date(2024, 2, 29)),
}
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


def leaves(columns: Columns, wanted: str) -> st.SearchStrategy[Node]:
    """Columns and constants of a type."""
    options = [VALUES[wanted].map(lambda value: Node("literal", wanted, value=value))]
    options.append(st.just(Node("literal", wanted)))
    named = [Node("column", kind, name) for name, kind in columns.items() if kind == wanted]
    if named:
        options += [st.sampled_from(named)] * 4
    return st.one_of(options)


def call(name: str, wanted: str, *args: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """A call with random arguments."""
    return st.tuples(*args).map(lambda nodes: Node("call", wanted, name, args=nodes))


def guarded(name: str, deeper: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """CASE WHEN b <> 0 THEN a // b ELSE NULL END: wrong where CASE is not lazy."""

    def make(parts: tuple[Node, Node]) -> Node:
        a, b = parts
        zero = Node("literal", "int", value=0)
        condition = Node("call", "bool", "<>", args=(b, zero))
        quotient = Node("call", "int", name, args=(a, b))
        return Node("case", "int", args=(condition, quotient, Node("literal", "int")))

    return st.tuples(deeper, deeper).map(make)


def expressions(columns: Columns, wanted: str, depth: int = 3) -> st.SearchStrategy[Node]:
    """Expressions of a type."""
    flat = leaves(columns, wanted)
    if depth == 0 or wanted == "date":
        return flat

    def deeper(of: str = wanted) -> st.SearchStrategy[Node]:
        return expressions(columns, of, depth - 1)

    options = [flat, call("coalesce", wanted, deeper(), deeper())]
    branches = st.tuples(deeper("bool"), deeper(), deeper())
    options.append(branches.map(lambda args: Node("case", wanted, args=args)))
    if wanted in ("int", "float"):
        options += [call(name, wanted, deeper(), deeper()) for name in ("+", "-", "*")]
        options += [call("negate", wanted, deeper()), call("abs", wanted, deeper())]
    if wanted == "int":
        options += [guarded("//", deeper()), guarded("%", deeper())]
        options.append(call("length", wanted, deeper("string")))
    if wanted == "string":
        options += [call(name, wanted, deeper()) for name in ("upper", "lower")]
        options += [call(name, wanted, deeper(), deeper()) for name in ("||", "concat")]
    if wanted == "bool":
        options += boolean_calls(deeper)
    return st.one_of(options)


def boolean_calls(deeper: Any) -> list[st.SearchStrategy[Node]]:
    """Comparisons and logic."""
    calls = [call("not", "bool", deeper("bool"))]
    calls += [call(name, "bool", deeper("bool"), deeper("bool")) for name in ("and", "or")]
    for kind in ("int", "float", "string"):
        calls.append(call("is_null", "bool", deeper(kind)))
        for name in ("=", "<>", "<", "<=", ">", ">="):
            calls.append(call(name, "bool", deeper(kind), deeper(kind)))
    return [*calls, call("starts_with", "bool", deeper("string"), deeper("string"))]
