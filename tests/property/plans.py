"""Random tables and plans: run by the engine, spelled in SQL, and run by the reference."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import headrace as hr
import pyarrow as pa
from hypothesis import strategies as st
from property.expressions import (
    ARROW_TYPES,
    Columns,
    Node,
    build,
    evaluate,
    expressions,
    spell,
)
from property.frames import Frames, frames
from property.relations import (
    Join,
    Relation,
    distincts,
    joins,
    set_operations,
    tops,
    unnests,
)
from property.tables import Table, tables
from reference import engine as reference
from reference.engine import Agg, Key, Row

# -- steps of a plan: each knows the reference, the engine and SQL


@dataclasses.dataclass(frozen=True)
class Filter:
    predicate: Node

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        rows = reference.filter_rows(table.rows, lambda row: evaluate(self.predicate, row, names))
        return Table(table.columns, rows)

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        return cursor.filter(build(self.predicate))

    def spell(self, query: str, columns: Columns) -> str:
        return f"SELECT * FROM ({query}) AS q WHERE {spell(self.predicate)}"


@dataclasses.dataclass(frozen=True)
class Select:
    outputs: tuple[tuple[str, Node], ...]

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        rows = [
            tuple(evaluate(node, row, names) for _, node in self.outputs) for row in table.rows
        ]
        return Table({name: node.type for name, node in self.outputs}, rows)

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        return cursor.select(**{name: build(node) for name, node in self.outputs})

    def spell(self, query: str, columns: Columns) -> str:
        items = ", ".join(f"{spell(node)} AS {name}" for name, node in self.outputs)
        return f"SELECT {items} FROM ({query}) AS q"


@dataclasses.dataclass(frozen=True)
class Sort:
    keys: tuple[tuple[str, bool, bool], ...]  # name, descending, nulls first

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        keys = [Key(names.index(name), down, first) for name, down, first in self.keys]
        return Table(table.columns, reference.sort(table.rows, keys))

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        keys = [
            hr.SortKey(hr.col(name), down, "first" if first else "last")
            for name, down, first in self.keys
        ]
        return cursor.sort(*keys)

    def spell(self, query: str, columns: Columns) -> str:
        keys = ", ".join(
            f"{name} {'DESC' if down else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
            for name, down, first in self.keys
        )
        return f"SELECT * FROM ({query}) AS q ORDER BY {keys}"


@dataclasses.dataclass(frozen=True)
class Limit:
    count: int
    offset: int

    def refer(self, table: Table) -> Table:
        return Table(table.columns, reference.limit(table.rows, self.count, self.offset))

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        return cursor.limit(self.count, self.offset)

    def spell(self, query: str, columns: Columns) -> str:
        return f"SELECT * FROM ({query}) AS q LIMIT {self.count} OFFSET {self.offset}"


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """Groups have no order: the answer is sorted by all columns."""

    keys: tuple[str, ...]
    aggs: tuple[tuple[str, str, str], ...]  # output, function, column

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        aggs = [Agg(function, names.index(column)) for _, function, column in self.aggs]
        rows = reference.aggregate(table.rows, [names.index(key) for key in self.keys], aggs)
        columns = self.outputs(table.columns)
        return Table(columns, reference.sort(rows, [Key(i) for i in range(len(columns))]))

    def outputs(self, columns: Columns) -> Columns:
        made = {key: columns[key] for key in self.keys}
        for name, function, column in self.aggs:
            made[name] = {"count": "int", "mean": "float"}.get(function, columns[column])
        return made

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        calls = {name: hr.call(function, hr.col(column)) for name, function, column in self.aggs}
        grouped = cursor.aggregate(list(self.keys), **calls)
        return grouped.sort(*(hr.col(name) for name in grouped.columns))

    def spell(self, query: str, columns: Columns) -> str:
        calls = [f"{function}({column}) AS {name}" for name, function, column in self.aggs]
        names = ", ".join([*self.keys, *(name for name, _, _ in self.aggs)])
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        inner = f"SELECT {', '.join([*self.keys, *calls])} FROM ({query}) AS q{group}"
        return f"SELECT * FROM ({inner}) AS g ORDER BY {names}"


@dataclasses.dataclass(frozen=True)
class Window:
    """lag or cumulative_sum within partitions, in row order."""

    name: str
    function: str
    column: str
    partition_by: tuple[str, ...]

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        function = reference.lag if self.function == "lag" else reference.cumulative_sum
        places = [names.index(name) for name in self.partition_by]
        rows = reference.window(table.rows, places, function, names.index(self.column))
        return Table({**table.columns, self.name: table.columns[self.column]}, rows)

    def apply(self, cursor: hr.Cursor, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        call = hr.call(self.function, hr.col(self.column)).over(list(self.partition_by))
        return cursor.derive(**{self.name: call})

    def spell(self, query: str, columns: Columns) -> str:
        partition = f"PARTITION BY {', '.join(self.partition_by)}" if self.partition_by else ""
        call = f"{self.function}({self.column}) OVER ({partition})"
        return f"SELECT *, {call} AS {self.name} FROM ({query}) AS q"


Step = Filter | Select | Sort | Limit | Aggregate | Window | Frames | Join | Relation


@dataclasses.dataclass(frozen=True)
class Plan:
    """Steps over table t; u is the other side of joins."""

    table: Table
    other: Table
    steps: tuple[Step, ...]

    def answer(self) -> list[Row]:
        table = self.table
        for step in self.steps:
            table = step.refer(table)
        return normal_rows(table.rows)

    def cursor(self, tables: dict[str, hr.Cursor]) -> hr.Cursor:
        cursor = tables["t"]
        for step in self.steps:
            cursor = step.apply(cursor, tables)
        return cursor

    def sql(self) -> str:
        query, table = "SELECT * FROM t", Table(self.table.columns, [])
        for step in self.steps:
            query = step.spell(query, table.columns)
            table = step.refer(table)
        return query

    def order_matters_midway(self) -> bool:
        """Whether an engine without row order may rightly answer otherwise."""
        return any(
            isinstance(step, (Limit, Window)) or getattr(step, "needs_order", False)
            for step in self.steps
        )


def normal_rows(rows: list[Row]) -> list[Row]:
    """Rows that compare with ==: one NaN, one zero."""
    return [tuple(normal_cell(cell) for cell in row) for row in rows]


def normal_cell(cell: Any) -> Any:
    if isinstance(cell, float):
        return "NaN" if math.isnan(cell) else cell + 0.0
    return cell


def arrow_rows(table: pa.Table) -> list[Row]:
    """The rows of a result, normal."""
    columns = [column.to_pylist() for column in table.columns]
    return normal_rows(list(zip(*columns)) if columns else [()] * table.num_rows)


# -- strategies


@st.composite
def plans(draw: Any, steps_max: int = 5) -> Plan:
    """A table, another, and steps that fit what came before."""
    table, other = draw(tables()), draw(tables(prefix="u_", rows_max=15))
    made: list[Step] = []
    columns = dict(table.columns)
    for number in range(draw(st.integers(1, steps_max))):
        kinds = ["filter", "select", "sort", "limit", "aggregate", "window", "frames"]
        kinds += ["distinct", "top", "set", "unnest"]
        if not set(other.columns) & set(columns):
            kinds += ["join"] * 3
        step = draw(step_of(draw(st.sampled_from(kinds)), columns, other, number))
        columns = step.refer(Table(columns, [])).columns
        made.append(step)
    return Plan(table, other, tuple(made))


def step_of(kind: str, columns: Columns, other: Table, number: int) -> st.SearchStrategy[Step]:
    """One step of a kind over these columns."""
    names = st.sampled_from(list(columns))
    if kind == "filter":
        return predicates(columns).map(Filter)
    if kind == "sort":
        key = st.tuples(names, st.booleans(), st.booleans())
        return st.lists(key, min_size=1, max_size=3, unique_by=lambda k: k[0]).map(
            lambda keys: Sort(tuple(keys))
        )
    if kind == "limit":
        return st.builds(Limit, st.integers(0, 30), st.integers(0, 8))
    makers: dict[str, Any] = {
        "select": selects,
        "aggregate": aggregates,
        "join": joins,
        "window": windows,
        "frames": frames,
        "distinct": distincts,
        "top": tops,
        "set": set_operations,
        "unnest": unnests,
    }
    return makers[kind](columns, other, number)


@st.composite
def predicates(draw: Any, columns: Columns) -> Node:
    """Conditions that leave some rows, most of the time."""
    predicate = draw(expressions(columns, "bool"))
    if draw(st.booleans()):
        return predicate
    name = draw(st.sampled_from(list(columns)))
    column = Node("column", columns[name], name)
    there = Node("call", "bool", "is_null", args=(column,))
    return Node("call", "bool", "or", args=(predicate, Node("call", "bool", "not", args=(there,))))


@st.composite
def selects(draw: Any, columns: Columns, other: Table, number: int) -> Select:
    kept = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=3, unique=True))
    outputs = [(name, Node("column", columns[name], name)) for name in kept]
    kind = draw(st.sampled_from(list(ARROW_TYPES)))
    outputs.append((f"x{number}", draw(expressions(columns, kind))))
    return Select(tuple(outputs))


@st.composite
def aggregates(draw: Any, columns: Columns, other: Table, number: int) -> Aggregate:
    keys = draw(st.lists(st.sampled_from(list(columns)), max_size=2, unique=True))
    aggs = []
    for i in range(draw(st.integers(1, 3))):
        column = draw(st.sampled_from(list(columns)))
        functions = ["count", "min", "max"]
        if columns[column] in ("int", "float"):
            functions += ["sum", "mean"]
        aggs.append((f"g{number}_{i}", draw(st.sampled_from(functions)), column))
    return Aggregate(tuple(keys), tuple(aggs))


@st.composite
def windows(draw: Any, columns: Columns, other: Table, number: int) -> Step:
    partition = draw(st.lists(st.sampled_from(list(columns)), max_size=2, unique=True))
    numeric = [name for name, kind in columns.items() if kind == "int"]
    function = draw(st.sampled_from(["lag", "cumulative_sum"])) if numeric else "lag"
    choices = numeric if function == "cumulative_sum" else list(columns)
    column = draw(st.sampled_from(choices))
    return Window(f"w{number}", function, column, tuple(partition))
