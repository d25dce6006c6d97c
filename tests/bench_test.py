"""Every benchmark with few rows: headrace and DuckDB give the same answers."""

from __future__ import annotations

import decimal
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from harness import compare, data, engines, measure, workload
from streams import peers, suite

sys.path.insert(0, str(BENCH.parent / "demo"))

import trades

LOADS = [load for benchmark in workload.benchmarks() for load in workload.load(benchmark)]


@pytest.fixture(autouse=True)
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kept = data.CACHE
    data.CACHE = tmp_path_factory.getbasetemp() / "bench"
    yield
    data.CACHE = kept


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_answers_agree(load: workload.Workload) -> None:
    if {"headrace", "duckdb"} & set(load.unspelled):
        pytest.skip("no spelling")
    mine, other = (
        measure.run(load, engine, rows=3000, threads=2, repeats=1)["answer"]
        for engine in ("headrace", "duckdb")
    )
    assert compare.same(mine, other), (mine, other)


def sorted_rows(load: workload.Workload, engine: str) -> list[tuple[Any, ...]]:
    opened = engines.CLASSES[engine](2)
    measure.open_tables(opened, load, measure.input_files(load, 3000))
    rows = opened.answer(load.query(engine)).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def same_value(mine: Any, other: Any) -> bool:
    numbers = isinstance(mine, (int, float, decimal.Decimal))
    return math.isclose(mine, other, rel_tol=1e-9) if numbers else bool(mine == other)


@pytest.mark.parametrize("load", workload.load("ordered"), ids=lambda load: load.name)
def test_every_spelling_of_a_sequence_gives_the_same_rows(load: workload.Workload) -> None:
    spelled = [engine for engine in workload.ENGINES if engine not in load.unspelled]
    expected = sorted_rows(load, "duckdb")
    assert expected and len(spelled) > 2
    for engine in spelled:
        rows = sorted_rows(load, engine)
        assert len(rows) == len(expected), engine
        for mine, other in zip(rows, expected):
            assert all(map(same_value, mine, other)), (engine, mine, other)


def test_a_missing_spelling_is_shown_as_a_gap() -> None:
    figures = compare.Figures()
    figures.unspelled = ("headrace",)
    figures.add("duckdb", {"seconds": [2.0], "peak_mib": 1.0, "answer": [3, 2.0]})
    assert "| no spelling | 2.000 | – |" in compare.line("x", figures, ["headrace", "duckdb"])
    assert figures.problems() == [] and figures.ratio(["duckdb"]) is None
    assert compare.closing([figures], ["headrace"]) == "1 of 1 have no spelling in headrace"


def test_a_table_goes_between_the_marks_of_its_benchmark() -> None:
    mark = "<!-- sort: written by ./dev bench sort --write -->\n"
    below = "<!-- below: written by ./dev bench --write -->\n"
    text = f"a\n{mark}\nold\n\n<!-- end of sort -->\nb\n{below}\nall\n"
    assert compare.written(text, ["sort"], ["new"]) == text.replace("old", "new")
    page = compare.DOCS.read_text()
    for name in ("ordered", "outofcore"):
        assert len(compare.written(page, [name], ["new"]).split("\nnew\n")[1]) > 1000
    for others in ([], ["csv"], ["sort", "csv"]):
        assert compare.written(text, others, ["new"]) == text.replace("all", "new")


def test_an_other_answer_is_noticed() -> None:
    assert not compare.same([3, 0, 1.0], [3, 0, 1.1])
    figures = compare.Figures()
    figures.add("headrace", {"seconds": [1.0], "peak_mib": 1.0, "answer": [3, 1.0]})
    figures.add("duckdb", {"seconds": [2.0, 3.0], "peak_mib": 1.0, "answer": [3, 2.0]})
    assert figures.problems() and figures.ratio(["duckdb"]) == 2.0


def test_peers_of_streams_do_the_same_work() -> None:
    rows = trades.trades(3000, 200, 100)
    tables = {
        "users": trades.users(150),
        "limits": trades.limits(180),
        "prices": trades.prices(90),
    }
    batch = rows.combine_chunks().to_batches()[0]
    expected = peers.DuckDbThree(tables).take(batch)
    assert 0 < expected.num_rows < 3000 and 0 < expected["current_price"].null_count
    ids = sorted(expected["trade_id"].to_pylist())
    assert sorted(peers.NumpyThree(tables).take(batch)[0].to_pylist()) == ids
    assert sorted(peers.PandasThree(tables).take(batch)["trade_id"]) == ids
    assert sorted(peers.PolarsThree(tables).take(batch)["trade_id"]) == ids
    text = "".join(trades.json_lines(rows)).encode()
    for kind in (peers.NumpyLines, peers.PandasLines, peers.PolarsLines):
        assert kind(tables).take_lines(text).count(b"\n") == len(ids), kind
    groups = {kind: kind({}) for kind in (peers.PandasMinutes, peers.PolarsMinutes)}
    groups[peers.DuckDbMinutes] = peers.DuckDbMinutes({})
    for peer in groups.values():
        for part in rows.to_batches(max_chunksize=700):
            peer.take(part)
    assert len({peer.end() for peer in groups.values()}) == 1


def test_another_answer_of_a_stream_is_noticed(tmp_path: Path) -> None:
    bench = suite.Bench(suite.parse([]), tmp_path)
    rows = trades.users(10)
    bench.expect("same", rows, rows.take(list(range(9, -1, -1))))
    assert bench.problems == []
    bench.expect("fewer", rows.slice(1), rows)
    assert bench.problems == [
        "fewer: 0 of 9 rows are not DuckDB's, 1 of 10 of DuckDB's are missing"
    ]


def test_dev_bench_helps_before_it_builds(tmp_path: Path) -> None:
    (tmp_path / "ninja").write_text("#!/bin/sh\necho built >&2\nexit 1\n")
    (tmp_path / "ninja").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for words, code in (
        (["--help"], 0),
        (["sortt"], 2),
        (["--rows=x"], 2),
        (["stream", "--help"], 0),
        (["stream", "windoww"], 2),
        (["outofcore", "--help"], 0),
        (["outofcore", "sortt"], 2),
    ):
        command = [sys.executable, str(BENCH.parent / "dev"), "bench", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == code and "usage: dev bench" in done.stdout + done.stderr
        assert "built" not in done.stderr and "ninja" not in done.stdout
