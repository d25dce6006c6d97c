"""Data ten times the budget and more: answers are DuckDB's, and memory stays within the budget."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from larger_than_memory import results, running, tables
from larger_than_memory.cache import Cache
from larger_than_memory.questions import QUESTIONS, Question
from larger_than_memory.results import Result

MIB = 1 << 20
QUICK_BUDGET = 8 * MIB
FULL_BUDGET = 256 * MIB
TIMES_THE_BUDGET = 10
BENCH_DATA = Path(os.environ.get("HEADRACE_BENCH_DATA", Path.home() / ".cache/headrace-bench"))
KEPT = Cache(BENCH_DATA / "larger-than-memory")
# Those with the same tables one after the other.
QUICK = [question for question in QUESTIONS if question.quick]
BY_ROWS = sorted(QUESTIONS, key=lambda question: tables.rows(question, FULL_BUDGET))


def grown_bytes_max(budget: int) -> int:
    return budget + budget // 10 + 64 * MIB


def wrong(found: running.Answer, expected: running.Answer, budget: int) -> list[str]:
    said = []
    if (found.rows, found.checksum) != (expected.rows, expected.checksum):
        said.append(f"{found.rows} rows, expected {expected.rows}: checksums differ")
    if found.disorder:
        said.append(f"{found.disorder} rows out of order")
    if found.grown_bytes > grown_bytes_max(budget):
        said.append(f"grew by {found.grown_bytes / MIB:.0f} MiB")
    return said


def check(
    question: Question, questions: list[Question], budget: int, cache: Cache, temp: Path
) -> Result:
    """Asks both about tables that `questions` share; `outcome` is "right", or what is wrong."""
    paths = tables.files(question, questions, TIMES_THE_BUDGET * budget, cache)
    files = {name: str(path) for name, path in paths.items()}
    expected = running.expected(question, files, cache)
    try:
        found = running.answer(question, files, memory_limit=budget, threads=2, temp_dir=str(temp))
        outcome = ", ".join(wrong(found, expected, budget)) or "right"
    except RuntimeError as error:
        found, outcome = running.Answer(0, 0), str(error)
    if left := list(temp.iterdir()):
        outcome += f", left {left}"
    return {
        "question": question.name,
        "fingerprint": running.fingerprint(question, files),
        "rows": found.rows,
        "seconds": found.seconds,
        "duckdb_seconds": expected.seconds,
        "spilled_bytes": found.metrics.get("spilled_bytes", 0),
        "grown_bytes": found.grown_bytes,
        "gate_bytes": grown_bytes_max(budget),
        "outcome": outcome,
    }


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.getbasetemp() / "larger_than_memory")


@pytest.mark.memory
@pytest.mark.parametrize("question", QUICK, ids=lambda question: question.name)
def test_ten_times_a_small_budget(question: Question, cache: Cache, tmp_path: Path) -> None:
    assert check(question, QUICK, QUICK_BUDGET, cache, tmp_path)["outcome"] == "right"


@pytest.fixture(scope="module")
def build(request: pytest.FixtureRequest) -> Iterator[str]:
    """Says at the end what is known of the build."""
    name = results.build()
    yield name
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *results.table(list(results.of_build(KEPT.folder, name).values())), sep="\n")


@pytest.mark.slow
@pytest.mark.memory
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("question", BY_ROWS, ids=lambda question: question.name)
def test_ten_times_256_mib(
    question: Question, build: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With `--recorded`, what this build answered right before is not asked again."""
    known = results.of_build(KEPT.folder, build) if request.config.getoption("--recorded") else {}
    if any(r["question"] == question.name and r["outcome"] == "right" for r in known.values()):
        pytest.skip("recorded")
    result = check(question, BY_ROWS, FULL_BUDGET, KEPT, tmp_path) | {"build": build}
    results.append(KEPT.folder, result)
    assert result["outcome"] == "right"
