"""Window functions by their definition: the frame of every row is looked for from its start."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from reference.engine import Agg, Cell, Key, Row, aggregated, compare_rows, group_key

UNBOUNDED = None


@dataclasses.dataclass(frozen=True)
class Frame:
    """ROWS, RANGE or GROUPS; an end is an offset (below 0: preceding), or UNBOUNDED."""

    mode: str = "RANGE"
    begin: int | None = UNBOUNDED
    end: int | None = 0
    exclude: str = "NO OTHERS"  # CURRENT ROW, GROUP, TIES


@dataclasses.dataclass(frozen=True)
class Call:
    """`column` is the argument; `number` that of lag, lead, nth_value and ntile."""

    name: str
    column: int | None = None
    number: int = 1


def windowed(
    rows: list[Row], call: Call, partition_by: Sequence[int], order: Sequence[Key], frame: Frame
) -> list[Row]:
    """Rows in their order, with one more column."""
    partitions: dict[object, list[int]] = {}
    for i, row in enumerate(rows):
        partitions.setdefault(tuple(group_key(row[key]) for key in partition_by), []).append(i)
    values: list[Cell] = [None] * len(rows)
    by_order = functools.cmp_to_key(lambda i, j: compare_rows(rows[i], rows[j], order))
    for places in partitions.values():
        places.sort(key=by_order)
        partition = Partition([rows[i] for i in places], order)
        for at, i in enumerate(places):
            values[i] = partition.value(at, call, frame)
    return [row + (value,) for row, value in zip(rows, values)]


class Partition:
    """Its rows in order."""

    def __init__(self, rows: list[Row], order: Sequence[Key]) -> None:
        self.rows, self.order = rows, order
        self.groups: list[int] = []  # of peers
        for i, row in enumerate(rows):
            is_peer = i > 0 and compare_rows(rows[i - 1], row, order) == 0
            self.groups.append(0 if i == 0 else self.groups[-1] + (not is_peer))

    def value(self, at: int, call: Call, frame: Frame) -> Cell:
        count, group = len(self.rows), self.groups[at]
        first_peer = self.groups.index(group)
        peers_end = first_peer + self.groups.count(group)
        if call.name == "row_number":
            return at + 1
        if call.name == "rank":
            return first_peer + 1
        if call.name == "dense_rank":
            return group + 1
        if call.name == "percent_rank":
            return first_peer / (count - 1) if count > 1 else 0.0
        if call.name == "cume_dist":
            return peers_end / count
        if call.name == "ntile":
            return self.tile(at, call.number)
        assert call.column is not None
        if call.name in ("lag", "lead"):
            place = at - call.number if call.name == "lag" else at + call.number
            return self.rows[place][call.column] if 0 <= place < count else None
        inside = [self.rows[i] for i in range(count) if self.is_in(i, at, frame)]
        if call.name.endswith("_value"):
            place = {"first_value": 0, "last_value": len(inside) - 1}.get(
                call.name, call.number - 1
            )
            return inside[place][call.column] if 0 <= place < len(inside) else None
        return aggregated(inside, Agg(call.name, call.column))

    def tile(self, at: int, tiles: int) -> int:
        """The first tiles have one row more when the rows cannot be divided evenly."""
        size, more = divmod(len(self.rows), tiles)
        bounds = [(tile + 1) * size + min(tile + 1, more) for tile in range(tiles)]
        return next(tile + 1 for tile in range(tiles) if at < bounds[tile])

    def is_in(self, i: int, at: int, frame: Frame) -> bool:
        return (
            (frame.begin is UNBOUNDED or self.reaches(i, at, frame.mode, frame.begin, 1))
            and (frame.end is UNBOUNDED or self.reaches(i, at, frame.mode, frame.end, -1))
            and not self.is_excluded(i, at, frame.exclude)
        )

    def is_excluded(self, i: int, at: int, exclude: str) -> bool:
        if exclude == "NO OTHERS":
            return False
        if i == at:
            return exclude != "TIES"
        return exclude != "CURRENT ROW" and self.groups[i] == self.groups[at]

    def reaches(self, i: int, at: int, mode: str, offset: int, sign: int) -> bool:
        """Row i is not before the bound (sign 1), or not behind it (sign −1)."""
        if mode == "ROWS":
            return (i - at - offset) * sign >= 0
        if mode == "GROUPS":
            return (self.groups[i] - self.groups[at] - offset) * sign >= 0
        here = self.rows[at]
        if offset == 0:
            return (self.groups[i] - self.groups[at]) * sign >= 0
        (key,) = self.order
        cell = here[key.column]
        if cell is not None:
            cell = cell - offset if key.descending else cell + offset
        bound = here[: key.column] + (cell,) + here[key.column + 1 :]
        return compare_rows(self.rows[i], bound, self.order) * sign >= 0
