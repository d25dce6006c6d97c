"""The out-of-core benchmark with few rows, and its limits with processes that pass them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from harness import engines, workload
from outofcore import answers, limits, questions, results, suite, tables, watch

ROWS = 3000
MIB = 1 << 20


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "outofcore"


@pytest.mark.parametrize("name", questions.QUESTIONS)
def test_engines_with_a_budget_give_the_same_answer(
    name: str, folder: Path, tmp_path: Path
) -> None:
    question = questions.QUESTIONS[name]
    found = {}
    for engine in workload.ENGINES:
        spill = tmp_path / engine
        spill.mkdir()
        opened = engines.CLASSES[engine](2, engines.Budget(200 * MIB, 1 << 30, spill))
        for table in question.tables:
            path = tables.file(table, ROWS, folder, print)
            opened.open_file(table, path, "parquet")
        answer = answers.Answer(question.sorted_by)
        for batch in opened.batches(question.query(engine)):
            answer.add(batch)
        found[engine] = answer.facts()
    assert found["headrace"][0] > 0 and found["headrace"][2] == 0
    assert all(facts == found["headrace"] for facts in found.values()), found


def test_tables_are_what_they_say() -> None:
    for size in (1, 2, 3, 1000, 1025):
        assert sorted(tables.permuted(np.arange(size), size, 1)) == list(range(size))
    facts = pa.concat_tables(tables.chunks("facts", ROWS))
    others = pa.concat_tables(tables.chunks("others", ROWS))
    assert len(facts["id"].unique()) == len(others["id"].unique()) == ROWS
    assert len(set(facts["id"].to_pylist()) & set(others["id"].to_pylist())) == ROWS * 9 // 10
    assert len(facts["draw"].unique()) == len(facts["text"].unique()) == pytest.approx(
        ROWS * 0.632, rel=0.05
    )
    halves = [tables.facts(ROWS, np.arange(at, at + ROWS // 2)) for at in (0, ROWS // 2)]
    assert pa.concat_tables(halves).equals(facts)


def facts_of(table: pa.Table, sorted_by: str = "", size: int = 700) -> list[int]:
    answer = answers.Answer(sorted_by)
    for batch in table.combine_chunks().to_batches(max_chunksize=size):
        answer.add(batch)
    return answer.facts()


def test_a_checksum_knows_rows_but_not_their_order() -> None:
    table = tables.facts(ROWS, np.arange(ROWS))
    other = table.take(np.arange(ROWS)[::-1])
    assert facts_of(table) == facts_of(other, size=333)
    for name in table.column_names:
        at = table.column_names.index(name)
        assert facts_of(table.set_column(at, name, other[name])) != facts_of(table), name
    wide = table.set_column(5, "text", table["text"].cast(pa.string_view()))
    assert facts_of(wide.set_column(3, "amount", table["amount"].cast(pa.int16()))) == facts_of(
        table
    )
    ordered = table.sort_by("id")
    assert facts_of(ordered, "id")[2] == 0
    swapped = pa.concat_tables([ordered.slice(700), ordered.slice(0, 700)])
    assert facts_of(swapped, "id", 2300)[2] == 1 and facts_of(table, "id")[2] > 1000


# -- limits


def ending_of(code: str, tmp_path: Path, **bounds: Any) -> watch.Ending:
    spill = tmp_path / "spill"
    spill.mkdir(exist_ok=True)
    given = {"limit": limits.Limit(1 << 30), "seconds": 20.0, "temp": 1 << 30, **bounds}
    ending, _ = watch.run(
        [sys.executable, "-c", code, str(spill)], watch.Bounds(folder=spill, **given)
    )
    return ending


def test_memory_of_children_counts_and_the_watch_kills(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c',"
        " 'import time; kept = b\"x\" * (200 << 20); time.sleep(60)'])"
    )
    ending = ending_of(code, tmp_path, limit=limits.Limit(100 * MIB))
    assert ending.outcome == "memory" and "limit 100" in ending.detail, ending
    assert 100 * MIB < ending.anonymous and ending.seconds < 20


def test_files_without_a_name_count(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; name = sys.argv[1] + '/x'; file = open(name, 'wb');"
        " os.unlink(name); file.write(bytes(range(256)) * 20000); file.flush(); time.sleep(60)"
    )
    ending = ending_of(code, tmp_path, temp=2_000_000)
    assert ending.outcome == "disk" and ending.temp > 2_000_000, ending


def test_every_way_to_end_is_an_outcome(tmp_path: Path) -> None:
    for code, outcome, detail in (
        ("print('well')", "ok", ""),
        ("raise ValueError('seven')", "error", "ValueError: seven"),
        ("raise MemoryError('Out of Memory: 7 bytes')", "memory", "7 bytes"),
        ("import os; os.abort()", "crash", "SIGABRT"),
    ):
        ending = ending_of(code, tmp_path)
        assert ending.outcome == outcome and detail in ending.detail, ending
    ending = ending_of("import time; time.sleep(60)", tmp_path, seconds=0.2)
    assert ending.outcome == "timeout" and ending.seconds < 20


def test_the_line_that_was_raised_is_the_reason() -> None:
    duckdb = "Traceback\n_duckdb.OutOfMemoryException: Out of Memory Error: 7\n\n* Raise memory\n"
    assert watch.failure(1, duckdb)[0] == "memory"
    assert watch.failure(1, duckdb)[1].endswith("Error: 7")
    rust = "thread 'main' panicked at x.rs\nmemory allocation of 7 bytes failed\n"
    assert watch.failure(-6, rust) == ("crash", "SIGABRT memory allocation of 7 bytes failed")
    assert watch.failure(3, "") == ("error", "")


def test_a_cgroup_is_used_where_there_may_be_one(tmp_path: Path) -> None:
    own = tmp_path / "user" / "shell"
    own.mkdir(parents=True)
    with limits.limited(7 * MIB, tmp_path, "1:cpu:/\n0::/user/shell\n") as limit:
        assert limit.kept_by == "watch"
    (own.parent / "cgroup.subtree_control").write_text("cpu memory\n")
    with limits.limited(7 * MIB, tmp_path, "1:cpu:/\n0::/user/shell\n") as limit:
        assert limit.kept_by == "cgroup v2" and limit.group and limit.group.parent == own.parent
        assert (limit.group / "memory.max").read_text() == str(7 * MIB)
        (limit.group / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
        assert limit.kills() == 1 and (limit.group / "cgroup.procs").read_text().isdigit()
    # A group into which no process may be moved is no limit.
    (own.parent / f"headrace-outofcore-{os.getpid()}" / "cgroup.procs").unlink()
    (own.parent / f"headrace-outofcore-{os.getpid()}" / "cgroup.procs").mkdir()
    with limits.limited(7 * MIB, tmp_path, "0::/user/shell\n") as limit:
        assert limit.kept_by == "watch"


# -- results


def result(engine: str, answer: list[int], **other: Any) -> results.Result:
    facts = {"workload": "sort", "engine": engine, "rows": 10, "limit_mib": 5, "threads": 2}
    return {**facts, "outcome": "ok", "answer": answer, **other}


def test_the_last_result_counts_and_a_broken_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert results.read(path) == {}
    results.append(path, result("duckdb", [1, 2, 0]))
    with path.open("a") as file:
        file.write('{"workload": "so')
    results.append(path, result("duckdb", [1, 3, 0]))
    results.append(path, result("polars", [1, 3, 0], outcome="crash"))
    assert [found["answer"][1] for found in results.read(path).values()] == [3, 3]
    assert len(path.read_text().splitlines()) == 4


def test_other_answers_and_wrong_order_are_told() -> None:
    assert results.differences([result("headrace", [1, 2, 0]), result("duckdb", [1, 2, 0])]) == []
    crashed = result("polars", [], outcome="crash")
    group = [result("duckdb", [1, 3, 0]), result("headrace", [1, 2, 0]), crashed]
    [told] = results.differences(group)
    assert told == "sort, 10 rows: duckdb at 5 MiB answers [1, 3, 0], headrace at 5 MiB [1, 2, 0]"
    [told] = results.differences([result("headrace", [1, 2, 7])])
    assert told.endswith("gives 7 rows out of order")


# -- the command


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    code = f"import sys; sys.path.insert(0, {str(BENCH)!r}); from outofcore import suite"
    return subprocess.Popen(
        [sys.executable, "-c", f"{code}; sys.exit(suite.main(sys.argv[1:]))", *words],
        env={**os.environ, "HEADRACE_BENCH_DATA": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_suite_goes_on_where_it_was_and_a_peer_may_fail(folder: Path) -> None:
    words = ["distinct", "--rows", str(ROWS), "--engines", "headrace", "duckdb", "--limits", "2048"]
    out, err = command(folder, *words, "--most", "1").communicate(timeout=300)
    assert "[1/1] distinct, headrace, 2048 MiB: " in err, err
    assert re.search(r"\| distinct \| \d+\.\d\d \| – \| – \|", out), out
    suite_run = command(folder, *words)
    out, err = suite_run.communicate(timeout=300)
    assert suite_run.returncode == 0 and "[1/1] distinct, duckdb, 2048 MiB: " in err, err
    out, err = command(folder, *words, "--most", "0").communicate(timeout=300)
    assert err == "" and re.search(r"\| distinct( \| \d+\.\d\d){3} \|", out), out
    # Less than the interpreter takes: a peer that fails is a result, headrace a problem.
    suite_run = command(folder, *words[:-1], "1")
    out, err = suite_run.communicate(timeout=300)
    assert suite_run.returncode == 1 and "| distinct | memory | memory | – |" in out, out
    assert err.count("\nbench: ") == 1 and "bench: distinct at 1 MiB: memory after" in err
    found = [json.loads(line) for line in (folder / "outofcore.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in found] == ["ok", "ok", "memory", "memory"]
    assert 10 < found[0]["start_mib"] < 300 and 10 < found[0]["anonymous_mib"] < 300
    assert found[0]["answer"] == found[1]["answer"] and found[0]["told_mib"] == 1745


def test_ctrl_c_leaves_no_file(folder: Path) -> None:
    running = command(folder, "sort", "--rows", str(ROWS), "--again", "--engines", "duckdb")
    assert running.stderr
    while "[1/" not in running.stderr.readline():
        assert running.poll() is None
    kept = folder / f"outofcore-temp-{running.pid}"
    while not kept.exists():
        assert running.poll() is None
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 130 and "the same command goes on" in err
    assert not kept.exists() and not list(folder.glob("*.part"))


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = tmp_path / f"outofcore-temp-{gone.pid}"
    (left / "spill").mkdir(parents=True)
    part = tmp_path / f"outofcore-facts-9-{gone.pid}.part"
    part.touch()
    alive = tmp_path / f"outofcore-temp-{os.getpid()}"
    alive.mkdir()
    tables.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [alive]


def test_too_little_room_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"expected \d+\.\d GB free in .* for files, got"):
        tables.require_room(tmp_path, 1 << 60, "files")
    with pytest.raises(SystemExit):
        suite.parse(["sort", "--rows", "5"])
