"""Row patterns by the book: every way to match, in the order of preferment of SQL:2016, as a
generator over lists. The first way is the match."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

Row = dict[str, Any]
Path = tuple[tuple[str, int], ...]  # variable and number of the row
Predicate = Callable[[list[Row], Path], Any]


@dataclasses.dataclass(frozen=True)
class Variable:
    name: str

    def text(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Sequence:
    parts: tuple[Any, ...]

    def text(self) -> str:
        return "(" + " ".join(part.text() for part in self.parts) + ")"


@dataclasses.dataclass(frozen=True)
class Choice:
    parts: tuple[Any, ...]

    def text(self) -> str:
        return "(" + " | ".join(part.text() for part in self.parts) + ")"


@dataclasses.dataclass(frozen=True)
class Anchor:
    symbol: str

    def text(self) -> str:
        return self.symbol


@dataclasses.dataclass(frozen=True)
class Repeat:
    part: Any
    least: int
    most: int | None
    reluctant: bool

    def text(self) -> str:
        bounds = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get(
            (self.least, self.most),
            f"{{{self.least},{'' if self.most is None else self.most}}}",
        )
        return f"({self.part.text()}){bounds}{'?' if self.reluctant else ''}"


@dataclasses.dataclass
class Matcher:
    """Ways to match over the rows of one partition."""

    rows: list[Row]
    define: dict[str, Predicate]
    start: int
    fits: Callable[[list[Row], int, int], bool]  # whether a match from … to … is in the span

    def ways(self, node: Any, path: Path) -> Iterator[Path]:
        at = self.start + len(path)
        if isinstance(node, Variable):
            taken = (*path, (node.name, at))
            if at < len(self.rows) and self.fits(self.rows, self.start, at):
                predicate = self.define.get(node.name)
                if predicate is None or predicate(self.rows, taken) is True:
                    yield taken
        elif isinstance(node, Anchor):
            if at == (0 if node.symbol == "^" else len(self.rows)):
                yield path
        elif isinstance(node, Sequence):
            yield from self.in_turn(node.parts, path)
        elif isinstance(node, Choice):
            for part in node.parts:
                yield from self.ways(part, path)
        else:
            yield from self.repeated(node, path, 0)

    def in_turn(self, parts: tuple[Any, ...], path: Path) -> Iterator[Path]:
        if not parts:
            yield path
            return
        for way in self.ways(parts[0], path):
            yield from self.in_turn(parts[1:], way)

    def repeated(self, node: Repeat, path: Path, count: int) -> Iterator[Path]:
        """Where there is no greatest number, a round beyond the least takes a row."""
        must = count < node.least
        may = node.most is None or count < node.most
        if node.reluctant and not must:
            yield path
        if must or may:
            for way in self.ways(node.part, path):
                if must or node.most is not None or len(way) > len(path):
                    yield from self.repeated(node, way, count + 1)
        if not node.reluctant and not must:
            yield path


class SkipError(Exception):
    """AFTER MATCH SKIP TO a row that is not there, or the first of the match."""


def next_start(skip: str, start: int, path: Path) -> int:
    if not path or skip == "to next row":
        return start + 1
    if skip == "past last row":
        return start + len(path)
    name = skip.split()[-1]
    places = [place for variable, place in path if variable == name]
    place = -1 if not places else places[0] if " first " in skip else places[-1]
    if place <= start:
        raise SkipError
    return place


def find_matches(
    rows: list[Row],
    pattern: Any,
    define: dict[str, Predicate],
    skip: str,
    fits: Callable[[list[Row], int, int], bool],
) -> tuple[list[tuple[int, int, Path]], list[int]]:
    """Number, first row and path of every match, and the rows that are in none, as they come."""
    matches: list[tuple[int, int, Path]] = []
    unmatched: list[int] = []
    start = behind = 0
    while start < len(rows):
        path = next(Matcher(rows, define, start, fits).ways(pattern, ()), None)
        if path is None:
            if start >= behind:
                unmatched.append(start)
            start += 1
            continue
        matches.append((len(matches) + 1, start, path))
        behind = max(behind, start + max(len(path), 1))
        start = next_start(skip, start, path)
    return matches, unmatched
