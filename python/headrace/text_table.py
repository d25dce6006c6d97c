"""Rows as aligned text, for `repr`."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH_MAX = 40


def draw(names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A header of names, one of types, a rule, and the rows; long cells are cut."""
    lines = [[cut(cell) for cell in line] for line in (names, types, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    drawn = [" | ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in lines]
    rule = "-+-".join("-" * width for width in widths)
    return "\n".join([*drawn[:2], rule, *drawn[2:]])


def cut(cell: str) -> str:
    """One line of at most WIDTH_MAX characters."""
    cell = cell.replace("\n", "\\n").replace("\r", "\\r")
    return cell if len(cell) <= WIDTH_MAX else cell[: WIDTH_MAX - 1] + "…"
