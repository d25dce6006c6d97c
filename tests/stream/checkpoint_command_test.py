"""headrace checkpoint: what a state directory holds, and what the next run does with it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

APPLICATION = """
CREATE STREAM trades (id BIGINT, user_id STRING)
  WITH (connector = 'file', path = 'trades.jsonl', format = 'json', watch = true);
CREATE TABLE latest AS SELECT user_id, max(id) AS id FROM trades GROUP BY user_id;
CREATE SINK out WITH (connector = 'file', path = 'out.jsonl', format = 'json') AS
SELECT id FROM trades WHERE id >= {least};
"""
ROWS = 5_000
USERS = 7
SECONDS_MAX = 60

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = ({"id": i, "user_id": f"u{i % USERS}"} for i in range(ROWS))
    (tmp_path / "trades.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "app.sql").write_text(APPLICATION.format(least=100))
    return tmp_path


def start(command: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    arguments = [command, "run", "app.sql", "--checkpoint-interval", "20", *options]
    return subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(is_so: Callable[[], bool]) -> None:
    due = time.monotonic() + SECONDS_MAX
    while not is_so():
        assert time.monotonic() < due


def ids(folder: Path) -> list[int]:
    """Of the lines that are whole: the job may be in the middle of one."""
    path = folder / "out.jsonl"
    if not path.exists():
        return []
    whole, _, _ = path.read_text().rpartition("\n")
    return [json.loads(line)["id"] for line in whole.splitlines()]


def run_until(command: str, folder: Path, count: int, *options: str) -> str:
    """Runs the job until so many rows are published; what it told."""
    process = start(command, folder, *options)
    lock = folder / "app.state" / "LOCK"
    # From then on it hears signals.
    holds = lambda: lock.exists() and lock.read_text() == str(process.pid)  # noqa: E731
    wait_for(lambda: (holds() and len(ids(folder)) == count) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0, stderr
    return stderr


@pytest.fixture
def checkpoint(headrace_command: str, folder: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [headrace_command, "checkpoint", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )

    return run


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ls_inspect_and_rm(headrace_command: str, folder: Path, checkpoint: Run) -> None:
    run_until(headrace_command, folder, ROWS - 100)
    listed = rows(checkpoint("ls", "app.state", "--format", "json"))
    assert [(row["query"], row["state"], row["table_rows"]) for row in listed] == [
        ("latest", "running", USERS),
        ("out", "running", None),
    ]
    assert all(row["epoch"] > 0 for row in listed)
    files = list((folder / "app.state").glob("epoch-*/*"))
    assert sum(row["bytes"] for row in listed) == sum(file.stat().st_size for file in files)
    parts = rows(checkpoint("inspect", "app.state", "--format", "json"))
    (table,) = (row for row in parts if row["part"] == "table")
    assert (table["query"], table["rows"]) == ("latest", USERS)
    assert table["holds"] == "user_id VARCHAR, id BIGINT"
    positions = [row["holds"] for row in parts if row["part"].startswith("position")]
    size = (folder / "trades.jsonl").stat().st_size
    assert len(positions) == 2
    assert all(f" {size} {ROWS} " in text and "trades.jsonl" in text for text in positions)
    only = rows(checkpoint("inspect", "app.state", "--query", "out", "--format", "json"))
    assert {row["query"] for row in only} == {"out"}
    unknown = checkpoint("inspect", "app.state", "--query", "outt")
    assert unknown.returncode == 1
    assert "did you mean out?" in unknown.stderr
    assert checkpoint("rm", "app.state").returncode == 0
    gone = checkpoint("ls", "app.state")
    assert (gone.returncode, gone.stderr) == (1, "error: app.state holds no checkpoint\n")
    assert list((folder / "app.state").glob("epoch-*")) == []


def test_changes_of_a_table_have_files_of_their_own(
    headrace_command: str, folder: Path, checkpoint: Run
) -> None:
    (folder / "app.sql").write_text(
        "CREATE TABLE users (id BIGINT PRIMARY KEY, n BIGINT) WITH (connector = 'file', "
        "path = 'users.jsonl', watch = true, 'deleted.field' = 'gone');"
    )
    lines = [json.dumps({"id": i, "n": i}) + "\n" for i in range(100)]
    (folder / "users.jsonl").write_text("".join(lines))
    manifest = folder / "app.state" / "MANIFEST"

    def saved_files() -> int:
        texts = manifest.read_text().splitlines() if manifest.exists() else []
        return max([0, *(len(text.split()) - 2 for text in texts if text.startswith("part table"))])

    process = start(headrace_command, folder)
    wait_for(lambda: saved_files() == 1)
    for count in (2, 3):
        with (folder / "users.jsonl").open("a") as file:
            file.write('{"id": 7, "n": 70}\n{"id": %d, "gone": true}\n' % count)
        wait_for(lambda: saved_files() == count)  # noqa: B023
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 0, stderr
    (listed,) = rows(checkpoint("ls", "app.state", "--format", "json"))
    assert listed["table_rows"] == 98
    parts = rows(checkpoint("inspect", "app.state", "--format", "json"))
    tables = [(row["part"], row["rows"], row["holds"]) for row in parts if "table" in row["part"]]
    assert tables == [
        ("table", 100, "id BIGINT, n BIGINT"),
        ("table, changes 1", 1, "id BIGINT, n BIGINT; 1 deleted keys"),
        ("table, changes 2", 1, "id BIGINT, n BIGINT; 1 deleted keys"),
    ]
    sizes = [path.stat().st_size for path in (folder / "app.state").glob("*/*.state")]
    assert listed["bytes"] == sum(sizes)


def test_a_job_that_runs_keeps_its_state_to_itself(
    headrace_command: str, folder: Path, checkpoint: Run
) -> None:
    process = start(headrace_command, folder)
    wait_for(lambda: (folder / "app.state" / "MANIFEST").exists())
    for what in ("ls", "inspect", "rm"):
        refused = checkpoint(what, "app.state")
        assert refused.returncode == 1
        assert f"in use by a job that runs (process {process.pid})" in refused.stderr
    process.kill()
    process.communicate(timeout=SECONDS_MAX)
    assert checkpoint("ls", "app.state").returncode == 0


def test_no_state_directory(folder: Path, checkpoint: Run) -> None:
    assert "holds no checkpoint" in checkpoint("ls", "app.state").stderr
    assert "holds no checkpoint" in checkpoint("rm", ".").stderr
    assert sorted(path.name for path in folder.iterdir()) == ["app.sql", "trades.jsonl"]


def test_a_changed_query_and_one_that_is_gone(headrace_command: str, folder: Path) -> None:
    run_until(headrace_command, folder, ROWS - 100)
    told = run_until(headrace_command, folder, ROWS - 100)
    assert "goes on with: latest, out" in told
    changed = APPLICATION.format(least=4_000)
    without = "".join(line for line in changed.splitlines(True) if "CREATE TABLE" not in line)
    (folder / "app.sql").write_text(without)
    process = start(headrace_command, folder)
    _, stderr = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 1
    assert 'query "out" has changed; query "latest" is no longer there' in stderr
    assert "--drop-state" in stderr
    assert "--allow-rebuild" in stderr
    assert len(ids(folder)) == ROWS - 100, "a refused start changes nothing"
    told = run_until(
        headrace_command, folder, 1_000, "--allow-rebuild", "--drop-state", "latest"
    )
    assert "starts anew: out" in told
    assert "gave up the state of: latest" in told
    assert ids(folder) == list(range(4_000, ROWS))
