"""The format of `.test` files: tables, files, and cases with spellings and one expected answer.

README.md beside this file explains it to those who write tests.
"""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from script.cell_text import column_texts, parse_cells, parse_type, plain_type, type_text

SPELLINGS = ("sql", "python")
BLOCKS = ("table", "generate", "file", "case")
PARTS = (*SPELLINGS, "before", "rows", "rowsort", "error", "unless", "unlike-duckdb")


class ScriptError(Exception):
    """A `.test` file that is not one."""


@dataclasses.dataclass
class Block:
    """A keyword line and the indented lines under it; lines are numbered from 0."""

    keyword: str
    rest: str
    body: list[str]
    first: int
    end: int  # after the last line of the body

    @property
    def text(self) -> str:
        return "\n".join([self.rest, *self.body]).strip()


@dataclasses.dataclass
class Case:
    """One question and its answer."""

    title: str
    line: int
    before: list[str] = dataclasses.field(default_factory=list)
    spellings: dict[str, str] = dataclasses.field(default_factory=dict)
    answer: Block | None = None
    unless: list[str] = dataclasses.field(default_factory=list)
    unlike_duckdb: str = ""

    def runs_in(self, world: str) -> bool:
        if "optimizer=False" in world and self.shows_plan():
            return False
        return not any(part.split()[0] in world for part in self.unless)

    def shows_plan(self) -> bool:
        """Its answer is a plan, which the optimizer makes."""
        return any("EXPLAIN" in text for text in self.spellings.values())


@dataclasses.dataclass
class Script:
    """A parsed file."""

    path: Path
    lines: list[str]
    tables: dict[str, pa.Table]
    files: dict[str, str]
    cases: list[Case]


def read_script(path: Path) -> Script:
    """Parses the file at `path`; ScriptError names the line."""
    lines = path.read_text().splitlines()
    script = Script(path, lines, {}, {}, [])
    for block in read_blocks(path, lines):
        try:
            add_block(script, block)
        except (ValueError, KeyError, IndexError, SyntaxError, pa.ArrowException) as error:
            raise ScriptError(f"{path}:{block.first + 1}: {error}") from error
    return script


def read_blocks(path: Path, lines: list[str]) -> list[Block]:
    """Keyword lines with their bodies; comments and blank lines between them are dropped."""
    blocks: list[Block] = []
    for number, line in enumerate(lines):
        if line.startswith("  ") and blocks:
            block = blocks[-1]
            block.body += [""] * (number - block.end) + [line[2:]]
            block.end = number + 1
        elif line.strip() and not line.startswith("#"):
            keyword, _, rest = line.partition(" ")
            if keyword not in (*BLOCKS, *PARTS):
                raise ScriptError(f"{path}:{number + 1}: expected a keyword, got {keyword!r}")
            blocks.append(Block(keyword, rest.strip(), [], number, number + 1))
    return blocks


def add_block(script: Script, block: Block) -> None:
    """Puts a block where it belongs."""
    if block.keyword == "table":
        script.tables[block.rest] = literal_table(block.body)
    elif block.keyword == "generate":
        name, rows = block.rest.split()
        script.tables[name] = generated_table(int(rows), block.body)
    elif block.keyword == "file":
        script.files[block.rest] = "".join(f"{line}\n" for line in block.body)
    elif block.keyword == "case":
        script.cases.append(Case(block.rest, block.first + 1))
    elif not script.cases:
        raise ValueError(f"{block.keyword} before the first case")
    else:
        add_part(script.cases[-1], block)


def add_part(case: Case, block: Block) -> None:
    """A part of a case."""
    if block.keyword in SPELLINGS:
        case.spellings[block.keyword] = block.text
    elif block.keyword == "before":
        case.before.append(block.text)
    elif block.keyword == "unless":
        case.unless.append(block.text)
    elif block.keyword == "unlike-duckdb":
        case.unlike_duckdb = block.text
    elif case.answer is not None:
        raise ValueError(f"a second answer of case {case.title!r}")
    else:
        case.answer = block


# -- tables


def split_row(line: str) -> list[str]:
    """Cells between bars."""
    return [cell.strip() for cell in line.split("|")]


def read_header(line: str) -> list[tuple[str, pa.DataType]]:
    """`a: int64 | b: string`."""
    columns = (cell.partition(":") for cell in split_row(line))
    return [(name.strip(), parse_type(text)) for name, _, text in columns]


def literal_table(body: list[str]) -> pa.Table:
    """A header line and rows."""
    columns = read_header(body[0])
    rows = [split_row(line) for line in body[1:] if line.strip()]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"expected {len(columns)} cells, got {row}")
    arrays = [
        parse_cells([row[i] for row in rows], arrow_type)
        for i, (_, arrow_type) in enumerate(columns)
    ]
    schema = pa.schema([(name, a.type) for (name, _), a in zip(columns, arrays)])
    return pa.Table.from_arrays(arrays, schema=schema)


def generated_table(rows: int, body: list[str]) -> pa.Table:
    """`name: type = Python expression of i`, the row number from 0."""
    arrays, fields = [], []
    for line in body:
        head, _, expression = line.partition("=")
        [(name, arrow_type)] = read_header(head)
        code = compile(expression.strip(), line, "eval")
        random_numbers = random.Random(name)
        names: dict[str, Any] = {"math": math, "random": random_numbers}
        values = [eval(code, {**names, "i": i}) for i in range(rows)]
        arrays.append(pa.array(values, arrow_type))
        fields.append((name, arrow_type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


# -- answers


def answer_lines(table: pa.Table, sort: bool) -> list[str]:
    """A result as the lines of an answer: a header and rows, in columns of equal width."""
    header = [f"{f.name}: {type_text(plain_type(f.type))}" for f in table.schema]
    columns = [column_texts(column) for column in table.columns]
    rows = [list(row) for row in zip(*columns)] if columns else []
    lines = [header, *(sorted(rows) if sort else rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [" | ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]


def normal_lines(lines: list[str], sort: bool) -> list[str]:
    """Lines without their padding, to compare."""
    rows = [" | ".join(split_row(line)) for line in lines if line.strip()]
    return [*rows[:1], *(sorted(rows[1:]) if sort else rows[1:])]
