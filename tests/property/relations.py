"""Steps of plans that make tables of tables: joins, set operations, distinct, the first rows, and
lists as rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import headrace as hr
from hypothesis import strategies as st
from property.expressions import COMPARISONS, Columns
from property.tables import Table
from reference import engine as reference
from reference.engine import SCALARS, Key, Row


def sorted_by_all(table: Table) -> Table:
    keys = [Key(i) for i in range(len(table.columns))]
    return Table(table.columns, reference.sort(table.rows, keys))


def ordered_by_all(query: str, columns: Columns) -> str:
    return f"SELECT * FROM ({query}) AS s ORDER BY {', '.join(columns)}"


@dataclasses.dataclass(frozen=True)
class Join:
    """With table u, whose columns are called u_…."""

    other: Table
    how: str
    keys: tuple[tuple[str, str], ...]  # left and right; none: all pairs
    nulls_match: bool
    residual: tuple[str, str, str] | None  # left, comparison, right

    def refer(self, table: Table) -> Table:
        left, right = list(table.columns), list(self.other.columns)
        rows = reference.join(
            table.rows,
            self.other.rows,
            [left.index(name) for name, _ in self.keys],
            [right.index(name) for _, name in self.keys],
            self.how,
            (len(left), len(right)),
            lambda row: self.passes(row, left + right),
            self.nulls_match,
        )
        more = {} if self.how in ("semi", "anti") else self.other.columns
        return Table({**table.columns, **more}, rows)

    def passes(self, row: Row, names: list[str]) -> Any:
        if self.residual is None:
            return True
        a, comparison, b = self.residual
        return SCALARS[comparison](row[names.index(a)], row[names.index(b)])

    def condition(self, left: str, right: str) -> str:
        equals = "IS NOT DISTINCT FROM" if self.nulls_match else "="
        terms = [f"{left}.{a} {equals} {right}.{b}" for a, b in self.keys]
        if self.residual is not None:
            a, comparison, b = self.residual
            terms.append(f"{left}.{a} {comparison} {right}.{b}")
        return " AND ".join(terms) or "true"

    def apply(self, cursor: hr.Cursor, tables: dict[str, Any]) -> hr.Cursor:
        return cursor.join(tables["u"], on=self.condition("l", "r"), how=self.how)

    def spell(self, query: str, columns: Columns) -> str:
        items = "q.*" if self.how in ("semi", "anti") else "q.*, u.*"
        on = f"{self.how.upper()} JOIN u ON {self.condition('q', 'u')}"
        return f"SELECT {items} FROM ({query}) AS q {on}"


class Relation:
    """A step whose engine reading is its SQL, over the cursor that came before."""

    def apply(self, cursor: hr.Cursor, tables: dict[str, Any]) -> hr.Cursor:
        text = self.spell("SELECT * FROM q0", {name: "" for name in cursor.columns})
        made: hr.Cursor = tables["session"].sql(text, q0=cursor, u=tables["u"])
        return made

    def spell(self, query: str, columns: Columns) -> str:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class SetOperation(Relation):
    """With some columns of u, or of the table itself."""

    name: str
    keep_all: bool
    pairs: tuple[tuple[str, str], ...]
    other: Table | None  # None: the rows themselves, on both sides

    def refer(self, table: Table) -> Table:
        left = self.picked(table, 0)
        right = left if self.other is None else self.picked(self.other, 1)
        rows = reference.set_operation(left, right, self.name, self.keep_all)
        return sorted_by_all(Table({a: table.columns[a] for a, _ in self.pairs}, rows))

    def picked(self, table: Table, side: int) -> list[Row]:
        places = [list(table.columns).index(pair[side]) for pair in self.pairs]
        return [tuple(row[i] for i in places) for row in table.rows]

    def spell(self, query: str, columns: Columns) -> str:
        left = f"SELECT {', '.join(a for a, _ in self.pairs)} FROM ({query}) AS q"
        right = left
        if self.other is not None:
            right = f"SELECT {', '.join(b for _, b in self.pairs)} FROM u"
        text = f"({left}) {self.name}{' ALL' if self.keep_all else ''} ({right})"
        return ordered_by_all(text, {a: "" for a, _ in self.pairs})


@dataclasses.dataclass(frozen=True)
class Distinct(Relation):
    names: tuple[str, ...]

    def refer(self, table: Table) -> Table:
        places = [list(table.columns).index(name) for name in self.names]
        rows = reference.distinct([tuple(row[i] for i in places) for row in table.rows])
        return sorted_by_all(Table({name: table.columns[name] for name in self.names}, rows))

    def spell(self, query: str, columns: Columns) -> str:
        names = ", ".join(self.names)
        return f"SELECT DISTINCT {names} FROM ({query}) AS q ORDER BY {names}"


@dataclasses.dataclass(frozen=True)
class Top(Relation):
    """The first rows of a sort."""

    keys: tuple[tuple[str, bool, bool], ...]  # name, descending, nulls first
    count: int
    offset: int
    needs_order: bool  # of equal keys

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        keys = [Key(names.index(name), down, first) for name, down, first in self.keys]
        rows = reference.sort(table.rows, keys)
        return Table(table.columns, reference.limit(rows, self.count, self.offset))

    def spell(self, query: str, columns: Columns) -> str:
        keys = ", ".join(
            f"{name} {'DESC' if down else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
            for name, down, first in self.keys
        )
        order = f"ORDER BY {keys} LIMIT {self.count} OFFSET {self.offset}"
        return f"SELECT * FROM ({query}) AS q {order}"


@dataclasses.dataclass(frozen=True)
class Unnest(Relation):
    """Every row once per element of a list of its own columns."""

    name: str
    columns: tuple[str, ...]

    def refer(self, table: Table) -> Table:
        places = [list(table.columns).index(name) for name in self.columns]
        rows = [row + (row[i],) for row in table.rows for i in places]
        return Table({**table.columns, self.name: table.columns[self.columns[0]]}, rows)

    def spell(self, query: str, columns: Columns) -> str:
        cells = ", ".join(f"q.{name}" for name in self.columns)
        lists = f"unnest([{cells}]) AS un({self.name})"
        return f"SELECT q.*, un.{self.name} FROM ({query}) AS q, {lists}"


# -- strategies


@st.composite
def joins(draw: Any, columns: Columns, other: Table, number: int) -> Join | Distinct:
    pairs = [(a, b) for a in columns for b in other.columns if columns[a] == other.columns[b]]
    if not pairs:
        return Distinct(tuple(columns))
    keys = draw(st.lists(st.sampled_from(pairs), min_size=0, max_size=2, unique=True))
    how = draw(st.sampled_from(["inner", "left", "right", "full", "semi", "anti"]))
    residual = None
    if draw(st.integers(0, 3)) == 0:
        a, b = draw(st.sampled_from(pairs))
        residual = (a, draw(st.sampled_from(COMPARISONS)), b)
    return Join(other, how, tuple(keys), draw(st.integers(0, 3)) == 0, residual)


@st.composite
def set_operations(draw: Any, columns: Columns, other: Table, number: int) -> Relation:
    with_u = draw(st.booleans())
    columns_of_other = other.columns if with_u else columns
    pairs = [(a, b) for a in columns for b in columns_of_other if columns[a] == columns_of_other[b]]
    if not pairs:
        return Distinct(tuple(columns))
    chosen = draw(
        st.lists(st.sampled_from(pairs), min_size=1, max_size=2, unique_by=lambda pair: pair[0])
    )
    name = draw(st.sampled_from(["UNION", "INTERSECT", "EXCEPT"]))
    return SetOperation(name, draw(st.booleans()), tuple(chosen), other if with_u else None)


@st.composite
def distincts(draw: Any, columns: Columns, other: Table, number: int) -> Distinct:
    names = st.lists(st.sampled_from(list(columns)), min_size=1, max_size=3, unique=True)
    return Distinct(tuple(draw(names)))


@st.composite
def tops(draw: Any, columns: Columns, other: Table, number: int) -> Top:
    some = st.lists(st.sampled_from(list(columns)), min_size=1, max_size=2, unique=True)
    everything = st.permutations(list(columns))
    names = draw(st.one_of(some, everything))
    keys = tuple((name, draw(st.booleans()), draw(st.booleans())) for name in names)
    count, offset = draw(st.integers(0, 20)), draw(st.integers(0, 5))
    return Top(keys, count, offset, len(names) < len(columns))


@st.composite
def unnests(draw: Any, columns: Columns, other: Table, number: int) -> Unnest:
    first = draw(st.sampled_from(list(columns)))
    same = [name for name in columns if columns[name] == columns[first]]
    more = draw(st.lists(st.sampled_from(same), max_size=2))
    return Unnest(f"n{number}", (first, *more))
