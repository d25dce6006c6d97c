"""Data ten times the budget and more: answers are DuckDB's, and memory stays within the budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from larger_than_memory import running, tables
from larger_than_memory.questions import QUESTIONS, Question

MIB = 1 << 20
QUICK_BUDGET = 8 * MIB
FULL_BUDGET = 256 * MIB
TIMES_THE_BUDGET = 10


def grown_bytes_max(budget: int) -> int:
    return budget + budget // 10 + 64 * MIB


def check(question: Question, budget: int, data: Path, temp: Path) -> None:
    paths = tables.files(question, TIMES_THE_BUDGET * budget, data)
    files = {name: str(path) for name, path in paths.items()}
    expected = running.expected(question, files)
    found = running.answer(question, files, memory_limit=budget, threads=2, temp_dir=str(temp))
    assert (found.rows, found.checksum) == (expected.rows, expected.checksum)
    assert found.disorder == 0
    assert found.grown_bytes <= grown_bytes_max(budget), f"{found.grown_bytes / MIB:.0f} MiB"
    assert list(temp.iterdir()) == []


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "larger_than_memory"


@pytest.mark.memory
@pytest.mark.parametrize(
    "question", [q for q in QUESTIONS if q.quick], ids=lambda question: question.name
)
def test_ten_times_a_small_budget(question: Question, data: Path, tmp_path: Path) -> None:
    check(question, QUICK_BUDGET, data, tmp_path)


@pytest.mark.slow
@pytest.mark.memory
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_ten_times_256_mib(question: Question, data: Path, tmp_path: Path) -> None:
    try:
        check(question, FULL_BUDGET, data, tmp_path)
    finally:
        for path in data.glob("*"):  # a question has a gigabyte or two
            path.unlink()
