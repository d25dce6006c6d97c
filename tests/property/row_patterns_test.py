"""MATCH_RECOGNIZE over random rows and patterns, against a matcher that tries every way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import headrace as hr
import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from reference.row_patterns import (
    Anchor,
    Choice,
    Path,
    Predicate,
    Repeat,
    Row,
    Sequence,
    SkipError,
    Variable,
    find_matches,
)

SESSIONS = [(1, 1024), (2, 1), (4, 3)]  # threads, batch rows
NAMES = ("a", "b", "c")


def cell(rows: list[Row], place: int) -> Any:
    return rows[place]["x"] if 0 <= place < len(rows) else None


def compare(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool | None:
    return None if left is None or right is None else test(left, right)


def of(path: Path, names: str) -> list[int]:
    return [place for name, place in path if name in names]


def total(rows: list[Row], places: list[int]) -> int | None:
    values = [rows[place]["x"] for place in places if rows[place]["x"] is not None]
    return sum(values) if values else None


def at_start(rows: list[Row], path: Path) -> Any:
    return compare(cell(rows, path[-1][1]), cell(rows, path[0][1]), lambda x, y: x >= y)


def after_a(rows: list[Row], path: Path) -> Any:
    places = of(path[:-1], "a") if path[-1][0] != "a" else of(path, "a")
    last = rows[places[-1]]["x"] if places else None
    return compare(cell(rows, path[-1][1]), last, lambda x, y: x <= y)


def around(shift: int, test: Callable[[Any, Any], bool]) -> Predicate:
    def predicate(rows: list[Row], path: Path) -> Any:
        place = path[-1][1]
        return compare(cell(rows, place), cell(rows, place + shift), test)

    return predicate


# SQL with $v for the variable, and the same in Python.
PREDICATES: list[tuple[str, Predicate]] = [
    ("x > 0", lambda rows, path: compare(cell(rows, path[-1][1]), 0, lambda x, y: x > y)),
    ("$v.x <= 0", lambda rows, path: compare(cell(rows, path[-1][1]), 0, lambda x, y: x <= y)),
    ("x IS NULL", lambda rows, path: cell(rows, path[-1][1]) is None),
    ("x > PREV(x)", around(-1, lambda x, y: x > y)),
    ("$v.x <> PREV($v.x, 2)", around(-2, lambda x, y: x != y)),
    ("x < NEXT(x)", around(1, lambda x, y: x < y)),
    ("x >= FIRST(x)", at_start),
    ("x <= a.x", after_a),
    ("count(*) < 4", lambda rows, path: len(path) < 4),
    (
        "sum(u.x) < 3",
        lambda rows, path: compare(total(rows, of(path, "ab")), 3, lambda x, y: x < y),
    ),
    (
        "FIRST(CLASSIFIER()) = 'a'",
        lambda rows, path: path[0][0] == "a",
    ),
]

LEAVES = st.sampled_from([Variable(name) for name in NAMES] * 4 + [Anchor("^"), Anchor("$")])
BOUNDS = st.sampled_from([(0, None), (1, None), (0, 1), (2, 3), (0, 2), (2, None)])
PATTERNS = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.lists(part, min_size=1, max_size=3).map(lambda parts: Sequence(tuple(parts))),
        st.lists(part, min_size=2, max_size=2).map(lambda parts: Choice(tuple(parts))),
        st.builds(lambda p, b, r: Repeat(p, *b, r), part, BOUNDS, st.booleans()),
    ),
    max_leaves=4,
)
CELLS = st.lists(
    st.tuples(st.sampled_from("pq"), st.none() | st.integers(-2, 3)), min_size=0, max_size=9
)
DEFINE = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(PREDICATES))
SKIPS = st.sampled_from(["past last row", "to next row", "to first b", "to last b"])
ROWS = st.sampled_from(["one", "all", "all omit empty", "all with unmatched"])
SPANS = st.sampled_from([None, None, ("rows", 2), ("rows", 3), ("within", 2)])


def measures_of(rows: list[Row], number: int, start: int, path: Path, upto: int) -> Row:
    """The measures as of row number `upto` of the match, counted from 1."""
    seen = path[:upto]
    first, last = (seen[0][1], seen[-1][1]) if seen else (None, None)

    def id_of(places: list[int], index: int) -> Any:
        try:
            return rows[places[index]]["r"]
        except IndexError:
            return None

    def near(place: int | None, shift: int) -> Any:
        if place is None or not 0 <= place + shift < len(rows):
            return None
        return rows[place + shift]["r"]

    return {
        "m": number,
        "n": len(seen),
        "k": len(path),
        "c": seen[-1][0] if seen else None,
        "f": near(first, 0),
        "l": near(last, 0),
        "before": near(first, -1),
        "behind": near(last, 2),
        "last_a": id_of(of(seen, "a"), -1),
        "second_u": id_of(of(seen, "ab"), 1),
        "last_but_b": id_of(of(path, "b"), -2),
        "total": total(rows, of(seen, "ab")),
        "lines": near(first, 0) is not None and len(of(seen, "a")) * 10 or None,
    }


MEASURES = {
    "m": "MATCH_NUMBER()",
    "n": "count(*)",
    "k": "FINAL count(*)",
    "c": "CLASSIFIER()",
    "f": "FIRST(r)",
    "l": "r",
    "before": "PREV(FIRST(r), 1)",
    "behind": "NEXT(LAST(r), 2)",
    "last_a": "a.r",
    "second_u": "FIRST(u.r, 1)",
    "last_but_b": "FINAL LAST(b.r, 1)",
    "total": "sum(u.x)",
    "lines": "nullif(count(a.*) * 10, 0)",
}


def expected(
    rows: list[Row], pattern: Any, define: dict[str, Predicate], skip: str, given: str, span: Any
) -> list[Row]:
    def fits(rows: list[Row], start: int, place: int) -> bool:
        if span is None:
            return True
        kind, most = span
        if kind == "rows":
            return place - start < most
        return bool(rows[place]["t"] - rows[start]["t"] <= most)

    matches, unmatched = find_matches(rows, pattern, define, skip, fits)
    out: list[tuple[int, int, Row]] = []
    for number, start, path in matches:
        if given == "one" or not path:
            if path or given != "all omit empty":
                upto = len(path)
                row = measures_of(rows, number, start, path, upto)
                out.append((start, len(out), {**rows[start], **row}))
            continue
        for upto, (_, place) in enumerate(path, 1):
            row = measures_of(rows, number, start, path, upto)
            out.append((start, len(out), {**rows[place], **row}))
    if given == "all with unmatched":
        nothing = dict.fromkeys(MEASURES)
        out += [(place, len(out) + place, {**rows[place], **nothing}) for place in unmatched]
    return [row for _, _, row in sorted(out, key=lambda one: one[:2])]


def table_of(cells: list[tuple[str, Any]]) -> pa.Table:
    return pa.table(
        {
            "r": pa.array(range(len(cells)), pa.int64()),
            "p": pa.array([part for part, _ in cells], pa.string()),
            "x": pa.array([x for _, x in cells], pa.int64()),
            "t": pa.array([number * 2 // 3 for number in range(len(cells))], pa.int64()),
        }
    )


def names_of(node: Any) -> set[str]:
    if isinstance(node, Variable):
        return {node.name}
    if isinstance(node, Anchor):
        return set()
    parts = [node.part] if isinstance(node, Repeat) else node.parts
    return set().union(*map(names_of, parts))


def check(
    cells: list[tuple[str, Any]],
    pattern: Any,
    chosen: dict[str, tuple[str, Predicate]],
    skip: str,
    given: str,
    span: Any,
    parted: bool,
    grouped: bool,
) -> None:
    table = table_of(sorted(cells, key=lambda cell: cell[0]) if grouped else cells)
    book = {name: predicate for name, (_, predicate) in chosen.items()}
    define = {name: sql.replace("$v", name) for name, (sql, _) in chosen.items()}
    # Variables that the pattern has not stand where no row comes to.
    missing = [name for name in NAMES if name not in names_of(pattern)]
    text = pattern.text() + "".join(f" | ^ $ {name} ^" for name in missing)
    rows = table.to_pylist()
    parts = [[r for r in rows if r["p"] == p] for p in ("p", "q")] if parted else [rows]
    failed = False
    want: list[Row] = []
    try:
        for part in parts:
            want += expected(part, pattern, book, skip, given, span)
    except SkipError:
        failed = True
    answers = []
    for threads, batch_rows in SESSIONS:
        with hr.Session(threads=threads, batch_rows=batch_rows) as session:
            cursor = session.from_arrow(table)
            if grouped:
                cursor = cursor.assume_sorted("p")
            found = cursor.match_recognize(
                text,
                define=define,
                measures=MEASURES,
                partition_by=["p"] if parted else [],
                order_by=[] if span is None else ["t"],
                rows=given,
                after_match=skip,
                subset={"u": ["a", "b"]},
                max_rows=span[1] if span and span[0] == "rows" else None,
                within=span[1] if span and span[0] == "within" else None,
            )
            if failed:
                with pytest.raises(hr.BadDataError, match="AFTER MATCH SKIP TO"):
                    found.to_pylist()
                continue
            answers.append(found.to_pylist())
    if failed:
        return
    assert all(answer == answers[0] for answer in answers)
    columns = [*(["p"] if parted else []), *MEASURES]
    if given != "one":
        columns += ["r", "x", "t", "p"]
    got = [tuple(row[name] for name in columns) for row in answers[0]]
    if parted:
        got = [row for part in "pq" for row in got if row[0] == part]
    assert got == [tuple(row[name] for name in columns) for row in want]


GIVEN = hypothesis.given(
    CELLS, PATTERNS, DEFINE, SKIPS, ROWS, SPANS, st.booleans(), st.booleans()
)
test_matches_are_those_of_the_book = hypothesis.settings(max_examples=200)(GIVEN(check))
test_many_matches_are_those_of_the_book = pytest.mark.slow(
    hypothesis.settings(max_examples=10_000)(GIVEN(check))
)


@pytest.mark.parametrize("rows", range(5))
@pytest.mark.parametrize("outer", [False, True])
def test_loops_of_loops_that_may_take_nothing(rows: int, outer: bool) -> None:
    inner = Repeat(Variable("a"), 0, None, True)
    for part in (inner, Sequence((inner, Repeat(Variable("b"), 0, 1, False)))):
        pattern = Repeat(part, 0, None, outer)
        check([("p", None)] * rows, pattern, {}, "past last row", "one", None, False, False)
