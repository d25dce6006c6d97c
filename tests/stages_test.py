"""The stages of `./dev test`: jobs of a step share two workers; shards and parts miss no test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import stages
from stages import Counts, Stage

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "interrupted", threading.Event())


def job(passed: int) -> Callable[[], Counts]:
    return lambda: Counts(passed, 0, 1)


def test_a_stage_counts_all_its_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = stages.run_step([Stage("long", [job(1), job(2)]), Stage("short", [job(4)])])
    assert [(row.name, row.counts) for row in rows] == [
        ("long", Counts(3, 0, 2)),
        ("short", Counts(4, 0, 1)),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("==")] == ["== long", "== short"]
    assert sum(line.startswith("-- long: 3 passed, 0 failed") for line in lines) == 1
    assert sum(line.startswith("-- short: 4 passed, 0 failed") for line in lines) == 1


def test_jobs_of_all_stages_share_the_workers() -> None:
    together = threading.Barrier(stages.JOBS_AT_ONCE, timeout=30)

    def meet() -> Counts:
        together.wait()
        return Counts(1)

    rows = stages.run_step([Stage("one", [meet]), Stage("other", [meet])])
    assert [row.counts.passed for row in rows] == [1, 1]


def test_a_job_that_raises_ends_the_run() -> None:
    def fail() -> Counts:
        raise ValueError("no such tree")

    with pytest.raises(ValueError, match="no such tree"):
        stages.run_step([Stage("one", [fail])])


def test_an_interrupt_starts_no_further_job() -> None:
    started: list[int] = []

    def interrupt() -> Counts:
        started.append(0)
        raise KeyboardInterrupt

    def late() -> Counts:
        started.append(1)
        stages.interrupted.wait(30)
        return Counts()

    with pytest.raises(KeyboardInterrupt):
        stages.run_step([Stage("one", [interrupt, late, late, late])])
    assert stages.interrupted.is_set()
    assert started.count(1) <= stages.JOBS_AT_ONCE


@pytest.mark.parametrize("asan", [False, True])
def test_parts_of_pytest_hold_every_test_file_once(asan: bool) -> None:
    parts = stages.pytest_parts(asan)
    whole = [path for part in stages.SANITIZED_PYTEST for path in part] if asan else ["tests"]
    found = [file for part in parts for file in files_of(part)]
    assert sorted(found) == files_of(whole)


def files_of(arguments: list[str]) -> list[Path]:
    paths = [ROOT / word for word in arguments if not word.startswith("-")]
    ignored = [ROOT / word.removeprefix("--ignore=") for word in arguments if word.startswith("-")]
    found = [file for path in paths for file in [path, *path.rglob("*_test.py")] if file.is_file()]
    return sorted(
        file for file in found if not any(file.is_relative_to(path) for path in ignored)
    )


def test_shards_of_a_unit_test_run_every_case_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[str, str]] = []

    def run_executable(command: list[str], log: Path, environment: dict[str, str]) -> int:
        seen.append((environment["GTEST_SHARD_INDEX"], environment["GTEST_TOTAL_SHARDS"]))
        report = Path(command[1].removeprefix("--gtest_output=json:"))
        cases = [{"result": "COMPLETED"}, {"result": "SKIPPED"}]
        report.write_text(json.dumps({"testsuites": [{"testsuite": cases}]}))
        return 0

    monkeypatch.setattr(stages, "logs", lambda asan: tmp_path)
    monkeypatch.setattr(stages, "run_executable", run_executable)
    monkeypatch.setattr(stages.trees, "unit_tests", lambda asan: ["exec_test", "io_test"])
    monkeypatch.setattr(stages, "SHARDS", {"exec_test": 3})
    assert stages.total(job() for job in stages.unit_tests()) == Counts(4, 0, 4)
    assert sorted(seen) == [("0", "1"), ("0", "3"), ("1", "3"), ("2", "3")]
