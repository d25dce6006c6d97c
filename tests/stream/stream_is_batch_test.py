"""Random applications over files, killed anywhere and restored on other numbers of lanes, write in
the end what DuckDB computes from the same rows at once.

`--property-cases N` runs N cases, `--property-seed S` begins with another one; a failure names the
seed of its case and leaves its smallest form in a folder that it names."""

from __future__ import annotations

import collections
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from stream.crashing_runs import Run, RunFailed, folded, random_runs, read_output, start, texts
from stream.random_applications import Application, make_application

CASES_QUICK = 40
CASES_FULL = 150
SHRINKS_MAX = 60


def difference(application: Application, runs: list[Run], command: str) -> str:
    """What is wrong with a case, or ""."""
    with tempfile.TemporaryDirectory(prefix="headrace-case-") as name:
        folder = Path(name)
        application.write(folder)
        try:
            for run in runs:
                if start(command, folder, application.text(run.batch_rows), run):
                    break  # the next start would be a new job
        except RunFailed as failed:
            return str(failed)
        return wrong_outputs(application, folder)


def wrong_outputs(application: Application, folder: Path) -> str:
    for number, (query, answer) in enumerate(zip(application.queries, application.answers())):
        rows = read_output(folder, f"out{number}")
        if query.in_order:
            order = [row[query.in_order] for row in rows]
            if order != sorted(order):
                return f"out{number}: rows are not in the order of the stream"
        if query.key:
            rows = folded(rows, query.key)
        got = collections.Counter(texts(row.values() for row in rows))
        expected = collections.Counter(texts(answer))
        if got != expected:
            return (
                f"out{number}: {query.sql}\nmissing {list((expected - got).items())[:5]}\n"
                f"surplus {list((got - expected).items())[:5]}"
            )
    return ""


Case = tuple[Application, list[Run]]


def halves(application: Application, runs: list[Run]) -> Iterator[Case]:
    """Smaller cases of the same kind."""
    for number in range(len(runs) - 1):
        yield application, runs[:number] + runs[number + 1 :]
    for number in range(len(application.queries) if len(application.queries) > 1 else 0):
        queries = application.queries[:number] + application.queries[number + 1 :]
        yield dataclasses.replace(application, queries=queries), runs
    for name, rows in application.rows.items():
        middle = len(rows) // 2
        for fewer in (rows[:middle], rows[middle:]) if rows else ():
            yield dataclasses.replace(application, rows={**application.rows, name: fewer}), runs


def shrunk(application: Application, runs: list[Run], command: str) -> Case:
    """A smaller case that fails too."""
    tries = 0
    smaller = True
    while smaller and tries < SHRINKS_MAX:
        smaller = False
        for fewer, fewer_runs in halves(application, runs):
            tries += 1
            if difference(fewer, fewer_runs, command):
                application, runs, smaller = fewer, fewer_runs, True
                break
            if tries >= SHRINKS_MAX:
                break
    return application, runs


def report(seed: int, application: Application, runs: list[Run], command: str) -> str:
    application, runs = shrunk(application, runs, command)
    wrong = difference(application, runs, command)
    folder = Path(tempfile.mkdtemp(prefix=f"headrace-failed-{seed}-"))
    application.write(folder)
    (folder / "app.sql").write_text(application.text(runs[-1].batch_rows))
    return f"seed {seed}, {folder}\n{application.text(7)}\n{runs}\n{wrong}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.getoption
    first = option("--property-seed")
    cases = option("--property-cases") or (CASES_FULL if option("--full") else CASES_QUICK)
    metafunc.parametrize("seed", range(first, first + cases))


def test_a_stream_gives_what_a_batch_query_gives(headrace_command: str, seed: int) -> None:
    application = make_application(seed)
    runs = random_runs(seed)
    if difference(application, runs, headrace_command):
        pytest.fail(report(seed, application, runs, headrace_command), pytrace=False)
