"""Runs the cases of a script in a world and says what differs."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headrace as hr
import pyarrow as pa

from script.script_file import Case, Script, answer_lines, normal_lines
from script.worlds import World


class Running:
    """A script in a world: a session with its tables registered, and a folder with its files."""

    def __init__(self, script: Script, world: World) -> None:
        self.world = world
        self.folder = tempfile.TemporaryDirectory(prefix="headrace-script-")
        rows = sum(table.num_rows for table in script.tables.values())
        settings = {**world.settings_for(rows), "temp_dir": self.folder.name}
        self.session = hr.Session(**settings)
        for name, text in script.files.items():
            Path(self.folder.name, name).write_text(text.replace("{dir}", self.folder.name))
        for name, table in script.tables.items():
            self.session.register(name, world.encode(table) if world.encode else table)

    def close(self) -> None:
        self.session.close()
        self.folder.cleanup()

    def failures(self, case: Case) -> Iterator[str]:
        """What is wrong with each spelling of `case`; nothing when all is well."""
        if not case.runs_in(self.world.name):
            return
        for spelling in case.spellings:
            wrong = self.check(case, spelling)
            if wrong:
                yield f"[{spelling}, {self.world.name}]\n{wrong}"

    def check(self, case: Case, spelling: str) -> str:
        """Empty when the spelling gives the answer."""
        if case.answer is None:
            return "the case has no answer"
        try:
            table = self.run(case, spelling)
        except hr.Error as error:
            return check_error(case, error)
        except Exception as error:  # the case's own mistake, or a crack in the package
            return f"{type(error).__name__}: {error}"
        if case.answer.keyword == "error":
            shown = "\n".join(answer_lines(table, False)[:20])
            return f"expected error {case.answer.rest}, got rows\n{shown}"
        return check_rows(case, table)

    def run(self, case: Case, spelling: str) -> pa.Table:
        """The rows that a spelling gives; raises what it raises."""
        for statement in case.before:
            self.session.sql(self.filled(statement)).to_arrow()
        text = self.filled(case.spellings[spelling])
        if spelling == "sql":
            return self.session.sql(text).to_arrow()
        return self.eval_python(text).to_arrow()

    def eval_python(self, text: str) -> hr.Cursor:
        names: dict[str, Any] = {name: getattr(hr, name) for name in ("col", "lit", "when", "call")}
        names.update(hr=hr, session=self.session, dir=self.folder.name)
        names.update({name: self.session.table(name) for name in self.session.tables()})
        cursor = eval(f"({text}\n)", names)
        assert isinstance(cursor, hr.Cursor), f"expected a Cursor, got {cursor!r}"
        return cursor

    def filled(self, text: str) -> str:
        return text.replace("{dir}", self.folder.name)


def check_error(case: Case, error: hr.Error) -> str:
    """Empty when `error` is the one that is expected."""
    assert case.answer is not None
    kind, _, fragment = case.answer.rest.partition(" ")
    got = f"{error.kind}: {error}"
    if case.answer.keyword != "error":
        return f"expected rows, got error {got}"
    lines = [line.rstrip() for line in str(error).splitlines()]
    missing = [line for line in case.answer.body if line.strip() and line.rstrip() not in lines]
    if kind == error.kind and fragment in str(error) and not missing:
        return ""
    expected = "\n".join([case.answer.rest, *case.answer.body])
    return f"expected error {expected}\ngot {got}"


def check_rows(case: Case, table: pa.Table) -> str:
    """Empty when `table` is the answer."""
    assert case.answer is not None
    table.validate(full=True)
    sort = case.answer.keyword == "rowsort"
    expected = normal_lines(case.answer.body, sort)
    got = normal_lines(answer_lines(table, sort), sort)
    if expected == got:
        return ""
    difference = difflib.unified_diff(expected, got, "expected", "got", lineterm="", n=1)
    return "\n".join(list(difference)[:60])


def completed(case: Case, running: Running) -> list[str]:
    """The lines of a new answer for `case`: what its first spelling gives."""
    spelling = next(iter(case.spellings))
    keyword = case.answer.keyword if case.answer and case.answer.keyword != "error" else "rows"
    try:
        table = running.run(case, spelling)
    except hr.Error as error:
        first, *rest = str(error).splitlines()
        return [f"error {error.kind} {first}", *(f"  {line}" for line in rest)]
    return [keyword, *(f"  {line}" for line in answer_lines(table, keyword == "rowsort"))]
