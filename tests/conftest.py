"""Options of the whole Python suite, and scripts as tests: `pytest tests/script/x.test`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# Started in the background by a shell, a process ignores Ctrl-C and so do its children: the tests
# of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from script.running import Running
    from script.script_file import Case

CASES_QUICK = 25
CASES_FULL = 200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="tests marked full, more cases")
    parser.addoption("--slow", action="store_true", help="also tests marked slow")
    parser.addoption("--recorded", action="store_true", help="skips what this build answered right")
    parser.addoption("--all-configs", action="store_true", help="scripts in every world")
    parser.addoption("--property-cases", type=int, help="cases that a property test makes")
    parser.addoption("--property-seed", type=int, default=1, help="of the first random stream job")


def pytest_configure(config: pytest.Config) -> None:
    full = config.getoption("--full")
    cases = config.getoption("--property-cases")
    chosen = cases or (CASES_FULL if full else CASES_QUICK)
    hypothesis.settings.register_profile(
        "chosen",
        max_examples=chosen,
        deadline=None,
        derandomize=not full and not cases,
        print_blob=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("chosen")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for tier in ("full", "slow"):
        if config.getoption(f"--{tier}"):
            continue
        for item in items:
            if tier in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"needs --{tier}"))
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        return
    for item in items:
        if "memory" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="the sanitizer keeps freed memory"))


@pytest.fixture(scope="session")
def headrace_command() -> str:
    """Path of the built `headrace` command; the sanitized one in a sanitized run."""
    return os.environ.get("HEADRACE_COMMAND", str(ROOT / "build" / "headrace"))


# -- scripts


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Scripts are collected only where they are asked for: `./dev test` has a stage for them."""
    if file_path.suffix != ".test":
        return None
    named = [Path(word.split("::")[0]).resolve() for word in parent.config.args]
    if any(path == file_path or path.name == "script" for path in named):
        return ScriptFile.from_parent(parent, path=file_path)
    return None


class ScriptFile(pytest.File):
    """A `.test` file; it holds the sessions of its worlds while its cases run."""

    def collect(self) -> Iterator[ScriptCase]:
        from script.script_file import read_script

        self.script = read_script(self.path)
        self.running: list[Running] = []
        for case in self.script.cases:
            yield ScriptCase.from_parent(self, name=case.title, case=case)

    def setup(self) -> None:
        from script.running import Running
        from script.worlds import ALL_WORLDS, DEFAULT_WORLDS

        worlds = ALL_WORLDS if self.config.getoption("--all-configs") else DEFAULT_WORLDS
        self.running = [Running(self.script, world) for world in worlds]

    def teardown(self) -> None:
        for running in self.running:
            running.close()


class ScriptCase(pytest.Item):
    """One case, in every world."""

    def __init__(self, *, case: Case, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case

    def runtest(self) -> None:
        assert isinstance(self.parent, ScriptFile)
        wrong = [text for running in self.parent.running for text in running.failures(self.case)]
        if wrong:
            pytest.fail("\n\n".join(wrong), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, f"case {self.case.title}"
