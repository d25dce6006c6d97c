"""Window functions with an order and a frame, as a step of plans."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st
from property.expressions import Columns
from property.relations import Relation, ordered_by_all, sorted_by_all
from property.tables import Table
from reference import windows as reference
from reference.engine import Key

RANKS = {
    "row_number": "int",
    "rank": "int",
    "dense_rank": "int",
    "percent_rank": "float",
    "cume_dist": "float",
    "ntile": "int",
}
AGGREGATES = ("sum", "count", "min", "max", "mean")


@dataclasses.dataclass(frozen=True)
class Frames(Relation):
    """One call. The answer is sorted by all columns, as rows have no order of their own."""

    name: str
    function: str
    column: str
    number: int
    partition_by: tuple[str, ...]
    keys: tuple[tuple[str, bool, bool], ...]  # name, descending, nulls first
    frame: reference.Frame | None
    needs_order: bool  # of equal keys

    def refer(self, table: Table) -> Table:
        names = list(table.columns)
        call = reference.Call(self.function, names.index(self.column), self.number)
        rows = reference.windowed(
            table.rows,
            call,
            [names.index(name) for name in self.partition_by],
            [Key(names.index(name), down, first) for name, down, first in self.keys],
            self.frame or reference.Frame(),
        )
        kind = table.columns[self.column]
        if self.function in RANKS:
            kind = RANKS[self.function]
        if self.function in ("count", "mean"):
            kind = "int" if self.function == "count" else "float"
        return sorted_by_all(Table({**table.columns, self.name: kind}, rows))

    def spell(self, query: str, columns: Columns) -> str:
        parts = []
        if self.partition_by:
            parts.append(f"PARTITION BY {', '.join(self.partition_by)}")
        if self.keys:
            keys = (
                f"{name} {'DESC' if down else 'ASC'} NULLS {'FIRST' if first else 'LAST'}"
                for name, down, first in self.keys
            )
            parts.append(f"ORDER BY {', '.join(keys)}")
        if self.frame is not None:
            parts.append(spell_frame(self.frame))
        call = f"{self.function}({self.arguments()}) OVER ({' '.join(parts)})"
        text = f"SELECT *, {call} AS {self.name} FROM ({query}) AS q"
        return ordered_by_all(text, {**columns, self.name: ""})

    def arguments(self) -> str:
        if self.function == "ntile":
            return str(self.number)
        if self.function in RANKS:
            return ""
        takes_number = self.function in ("lag", "lead", "nth_value")
        return f"{self.column}, {self.number}" if takes_number else self.column


def spell_frame(frame: reference.Frame) -> str:
    ends = " AND ".join(
        spell_end(end, unbounded)
        for end, unbounded in ((frame.begin, "PRECEDING"), (frame.end, "FOLLOWING"))
    )
    exclude = "" if frame.exclude == "NO OTHERS" else f" EXCLUDE {frame.exclude}"
    return f"{frame.mode} BETWEEN {ends}{exclude}"


def spell_end(end: int | None, unbounded: str) -> str:
    if end is None:
        return f"UNBOUNDED {unbounded}"
    if end == 0:
        return "CURRENT ROW"
    return f"{abs(end)} {'PRECEDING' if end < 0 else 'FOLLOWING'}"


@st.composite
def frame_of(draw: Any, offsets_in_range: bool, is_ordered: bool, excludes: bool) -> Any:
    modes = ["ROWS", "RANGE", "GROUPS"] if is_ordered else ["ROWS"]
    mode = draw(st.sampled_from(modes))
    offsets = [-2, -1, 0, 1, 3] if mode != "RANGE" or offsets_in_range else [0]
    begin = draw(st.sampled_from([None, *offsets]))
    end = draw(st.sampled_from([None, *offsets]))
    if begin is not None and end is not None and begin > end:
        begin, end = end, begin
    exclude = "NO OTHERS"
    if excludes and draw(st.integers(0, 3)) == 0:
        exclude = draw(st.sampled_from(["CURRENT ROW", "GROUP", "TIES"]))
    return reference.Frame(mode, begin, end, exclude)


@st.composite
def frames(draw: Any, columns: Columns, other: Table, number: int) -> Frames:
    names = list(columns)
    functions = [*RANKS, "lag", "lead", "first_value", "last_value", "nth_value", *AGGREGATES * 2]
    function = draw(st.sampled_from(functions))
    numeric = [name for name in names if columns[name] in ("int", "float")]
    if function in ("sum", "mean") and not numeric:
        function = "count"
    choices = numeric if function in ("sum", "mean") else names
    partition_by = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    order = draw(st.one_of(st.lists(st.sampled_from(names), max_size=2, unique=True),
                           st.permutations(names)))
    keys = tuple((name, draw(st.booleans()), draw(st.booleans())) for name in order)
    frame = None
    if function.endswith("_value") or function in AGGREGATES:
        offsets_in_range = len(order) == 1 and order[0] in numeric
        frame = draw(
            st.one_of(
                st.none(), frame_of(offsets_in_range, bool(order), function in AGGREGATES)
            )
        )
    return Frames(
        f"f{number}",
        function,
        draw(st.sampled_from(choices)),
        draw(st.integers(1, 3)),
        tuple(partition_by),
        keys,
        frame,
        len(order) < len(names),
    )
