"""Every benchmark with few rows: headrace and DuckDB give the same answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from harness import compare, data, measure, workload

LOADS = [load for benchmark in workload.benchmarks() for load in workload.load(benchmark)]


@pytest.fixture(autouse=True)
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kept = data.CACHE
    data.CACHE = tmp_path_factory.getbasetemp() / "bench"
    yield
    data.CACHE = kept


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_answers_agree(load: workload.Workload) -> None:
    mine, other = (
        measure.run(load, engine, rows=3000, threads=2, repeats=1)["answer"]
        for engine in ("headrace", "duckdb")
    )
    assert compare.same(mine, other), (mine, other)


def test_an_other_answer_is_noticed() -> None:
    assert not compare.same([3, 0, 1.0], [3, 0, 1.1])
    figures = compare.Figures()
    figures.add("headrace", {"seconds": [1.0], "peak_mib": 1.0, "answer": [3, 1.0]})
    figures.add("duckdb", {"seconds": [2.0, 3.0], "peak_mib": 1.0, "answer": [3, 2.0]})
    assert figures.problems() and figures.ratio(["duckdb"]) == 2.0


def test_dev_bench_helps_before_it_builds(tmp_path: Path) -> None:
    (tmp_path / "ninja").write_text("#!/bin/sh\necho built >&2\nexit 1\n")
    (tmp_path / "ninja").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for argument, code in (("--help", 0), ("sortt", 2), ("--rows=x", 2)):
        command = [sys.executable, str(BENCH.parent / "dev"), "bench", argument]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == code and "usage: dev bench" in done.stdout + done.stderr
        assert "built" not in done.stderr and "ninja" not in done.stdout
