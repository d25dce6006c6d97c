"""Random tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from property.expressions import ARROW_TYPES, VALUES, Columns
from reference.engine import Row

NAMES = ["a", "b", "c", "d"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Names with types, and rows."""

    columns: Columns
    rows: list[Row]

    def to_arrow(self) -> pa.Table:
        arrays = [
            pa.array([row[i] for row in self.rows], ARROW_TYPES[kind])
            for i, kind in enumerate(self.columns.values())
        ]
        return pa.table(arrays, names=list(self.columns))


@st.composite
def tables(draw: Any, prefix: str = "", rows_max: int = 40) -> Table:
    """One to four columns; few different values, so that keys meet."""
    kinds = draw(st.lists(st.sampled_from(list(ARROW_TYPES)), min_size=1, max_size=4))
    kinds.insert(draw(st.integers(0, len(kinds))), "int")
    columns = {prefix + name: kind for name, kind in zip([*NAMES, "e"], kinds)}
    pools = [draw(st.lists(VALUES[kind], min_size=1, max_size=6)) for kind in kinds]
    # Few nulls, or as many as values.
    weight = draw(st.sampled_from([5, 5, 1]))
    cells = [st.one_of(st.none(), *[st.sampled_from(pool)] * weight) for pool in pools]
    count = draw(st.one_of(st.integers(0, rows_max), st.integers(0, rows_max), st.just(0)))
    rows = draw(st.lists(st.tuples(*cells), min_size=count, max_size=count))
    return Table(columns, rows)
