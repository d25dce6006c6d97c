"""Groups of rows that stand together: what `Cursor.group_ordered` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.expr import ColumnLike, Expr, call, col

if TYPE_CHECKING:
    from headrace.cursor import Cursor

GROUP_ID = "__group_id__"
GROUP_COUNT = "__group_count__"
ROW_NUMBER = "__rn__"


class OrderedGroups:
    """Consecutive rows, in groups numbered from 1 in the order of rows. Lazy, as cursors are."""

    def __init__(self, rows: Cursor, columns: list[str]) -> None:
        self._rows = rows  # with GROUP_ID behind `columns`
        self._columns = columns

    def flatten(self) -> Cursor:
        """All rows with `__group_id__`, `__group_count__` (rows of the group) and `__rn__`.

        The last is the number of the row in its group, from 1. A group is held in memory.
        """
        return self._rows.derive(
            **{
                GROUP_COUNT: call("count", col(GROUP_ID)).over(GROUP_ID),
                ROW_NUMBER: call("row_number").over(GROUP_ID),
            }
        )

    def rows(self) -> Cursor:
        """All rows, without the number of their group."""
        return self._rows.select(*map(col, self._columns))

    def first(self) -> Cursor:
        """The first row of each group."""
        number = call("row_number").over(GROUP_ID)
        return self._rows.filter(number == 1).select(*map(col, self._columns))

    def last(self) -> Cursor:
        """The last row of each group."""
        return self.aggregate(**{name: col(name).last() for name in self._columns})

    def aggregate(self, **aggs: ColumnLike) -> Cursor:
        """One row per group, in their order: `aggregate(n="count(*)", top=hr.col("x").max())`."""
        groups = self._rows.aggregate(GROUP_ID, **aggs).sort(GROUP_ID)
        return groups.select(*map(col, aggs))

    def filter(self, predicate: ColumnLike) -> OrderedGroups:
        """The groups for which `predicate`, over aggregates of their rows, is true."""
        kept = self._rows.aggregate(GROUP_ID, kept=predicate).filter("kept").select(GROUP_ID)
        rows = self._rows.join(kept, on=GROUP_ID, how="semi")
        return OrderedGroups(rows.assume_sorted(GROUP_ID), self._columns)

    def derive(self, **aggs: ColumnLike) -> Cursor:
        """All rows with values of their group beside them."""
        values = self._rows.aggregate(GROUP_ID, **aggs)
        joined = self._rows.join(values, on=GROUP_ID)
        return joined.select(*map(col, [*self._columns, *aggs]))


def numbered(rows: Cursor, starts: Expr) -> OrderedGroups:
    """`rows` in groups that begin where `starts` is true or null."""
    begins = call("case", call("coalesce", starts, True), 1)
    with_id = rows.derive(**{GROUP_ID: begins.cum_count()})
    return OrderedGroups(with_id.assume_sorted(GROUP_ID), rows.columns)
