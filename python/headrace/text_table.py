"""Rows as a box of text and as HTML, for `repr` and notebooks."""

from __future__ import annotations

import html
import shutil
import sys
import unicodedata
from collections.abc import Sequence

WIDTH_MAX = 40  # of a column
WIDTH_MIN = 12  # columns are not cut below this
WIDTH_ELSEWHERE = 100  # of a table that is not shown on a terminal
NUMERIC = ("INT", "DOUBLE", "FLOAT", "REAL", "DECIMAL", "HUGEINT")

Rows = Sequence[Sequence[str]]


def draw(names: Sequence[str], types: Sequence[str], rows: Rows, width: int | None = None) -> str:
    """A box of names, types and rows; long cells are cut, columns in the middle left out to fit."""
    if not names:
        return ""
    lines = [[cut(cell, WIDTH_MAX) for cell in line] for line in (names, types, *rows)]
    right = [is_number(kind) for kind in types]
    widths = fit([max(map(cells, column)) for column in zip(*lines)], right, width or room())
    shown = fitting(widths, width or room())
    drawn = [row_text(line, widths, right, shown) for line in lines]
    top, middle, bottom = (rule(widths, shown, *ends) for ends in ("┌┬┐", "├┼┤", "└┴┘"))
    return "\n".join([top, *drawn[:2], middle, *drawn[2:], bottom])


def draw_html(names: Sequence[str], types: Sequence[str], rows: Rows, footer: str) -> str:
    """A table of HTML; nothing in it is taken for markup."""

    def line(tag: str, texts: Sequence[str]) -> str:
        tagged = [
            f'<{tag} style="text-align: {"right" if is_number(kind) else "left"}">'
            f"{html.escape(cut(text, 200))}</{tag}>"
            for text, kind in zip(texts, types)
        ]
        return "<tr>" + "".join(tagged) + "</tr>"

    head = line("th", names) + line("td", types)
    body = "".join(line("td", row) for row in rows)
    table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f"<div>{table}<small>{html.escape(footer)}</small></div>"


def room() -> int:
    """Characters in a line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_ELSEWHERE


def is_number(type_name: str) -> bool:
    """Whether values of this SQL type stand to the right."""
    return not type_name.endswith("]") and any(word in type_name for word in NUMERIC) and (
        "(" not in type_name or type_name.startswith("DECIMAL")
    )


def cells(text: str) -> int:
    """Places that `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def cut(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def fit(widths: list[int], keep: Sequence[bool], total: int) -> list[int]:
    """Cuts the widest columns that need not `keep` their width, as far as that helps."""
    widths = list(widths)
    while sum(widths) + 3 * len(widths) + 1 > total:
        able = [i for i, kept in enumerate(keep) if not kept and widths[i] > WIDTH_MIN]
        if not able:
            break
        widths[max(able, key=lambda i: widths[i])] -= 1
    return widths


def fitting(widths: Sequence[int], total: int) -> list[int]:
    """Indexes of the columns shown; −1 stands for those left out, from the middle."""
    left = (len(widths) + 1) // 2
    right = len(widths) - left
    while left + right > 1:
        shown = list(range(left)) + list(range(len(widths) - right, len(widths)))
        gap = 4 if len(shown) < len(widths) else 0
        if sum(widths[i] + 3 for i in shown) + gap + 1 <= total:
            break
        left, right = (left - 1, right) if left > right else (left, right - 1)
    gap_column = [-1] if left + right < len(widths) else []
    return [*range(left), *gap_column, *range(len(widths) - right, len(widths))]


def row_text(
    line: Sequence[str], widths: Sequence[int], right: Sequence[bool], shown: Sequence[int]
) -> str:
    """A line of cells."""
    parts = []
    for i in shown:
        text = "…" if i < 0 else cut(line[i], widths[i])
        blanks = " " * (0 if i < 0 else widths[i] - cells(text))
        parts.append(blanks + text if i >= 0 and right[i] else text + blanks)
    return "│ " + " │ ".join(parts) + " │"


def rule(widths: Sequence[int], shown: Sequence[int], left: str, cross: str, end: str) -> str:
    """A line between rows."""
    return left + cross.join("─" * ((1 if i < 0 else widths[i]) + 2) for i in shown) + end
