"""Tables that change while their job dies: checkpoints hold all rows once and then what came and
went, and whatever is restored is the table that a plain loop makes of the lines."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from stream.crashing_runs import POINTS, random_run, read_lines, start

KEYS = 3_000
CHANGES = 6_000
APPLICATION = """
SET batch_rows = 20;
CREATE STREAM s (id BIGINT, k BIGINT) WITH (connector = 'file', path = 's.jsonl', format = 'json');
CREATE TABLE users (k BIGINT PRIMARY KEY, n BIGINT, name STRING)
  WITH (connector = 'file', path = 'users.jsonl', 'deleted.field' = 'gone');
CREATE SINK found WITH (connector = 'file', path = 'found.jsonl') AS
SELECT s.id, s.k, u.n, u.name FROM s LEFT JOIN users u ON s.k = u.k;
"""


def write_changes(path: Path, rng: random.Random) -> dict[int, tuple[int, str]]:
    """Every key, then changes of few keys at a time; gives the rows that are left."""
    lines = [{"k": k, "n": k, "name": f"first {k}"} for k in range(KEYS)]
    near = 0
    for number in range(CHANGES):
        near = rng.randrange(KEYS) if number % 500 == 0 else near
        key = (near + rng.randrange(200)) % KEYS
        gone = rng.random() < 0.4
        lines.append({"k": key, "gone": True} if gone else
                     {"k": key, "n": number, "name": f"change {number}"})
    now: dict[int, tuple[int, str]] = {}
    for line in lines:
        now.pop(line["k"], None)
        if not line.get("gone"):
            now[line["k"]] = (line["n"], line["name"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return now


def files_of_tables(folder: Path) -> int:
    """In the manifest that a run has left; 0: there is none."""
    manifest = folder / "app.state" / "MANIFEST"
    if not manifest.exists():
        return 0
    parts = [line.split() for line in manifest.read_text().splitlines()]
    return max([0, *(len(words) - 2 for words in parts if words[:2] == ["part", "table"])])


def test_tables_are_what_their_lines_make_of_them(headrace_command: str, tmp_path: Path) -> None:
    most_files = 0
    kills = 0
    for seed in range(8):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        now = write_changes(folder / "users.jsonl", rng)
        rows = [{"id": i, "k": rng.randrange(KEYS + 10)} for i in range(500)]
        (folder / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for _ in range(8):
            point = rng.choice([*POINTS, *["job.step"] * 8])
            passage = rng.randrange(1, POINTS[point] // (1 if point == "job.step" else 3) + 2)
            run = random_run(rng, f"{point}:{passage}:kill")
            if start(headrace_command, folder, APPLICATION, run):
                break
            kills += 1
            most_files = max(most_files, files_of_tables(folder))
        else:
            assert start(headrace_command, folder, APPLICATION, random_run(rng, ""))
        found = read_lines(folder / "found.jsonl")
        expected = [{**row, "n": None, "name": None} for row in rows]
        for row in expected:
            if row["k"] in now:
                row["n"], row["name"] = now[row["k"]]
        assert found == expected, f"seed {seed}"
    assert kills > 10
    assert most_files >= 2


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_file_of_a_table_that_is_gone_or_damaged(
    headrace_command: str, tmp_path: Path, damage: str
) -> None:
    from stream.crashing_runs import Run, RunFailed

    write_changes(tmp_path / "users.jsonl", random.Random(1))
    (tmp_path / "s.jsonl").write_text('{"id": 1, "k": 1}\n')
    for passage in range(100, 300, 10):
        (tmp_path / "app.sql").write_text(APPLICATION)
        run = Run(1, 60, 3, f"job.step:{passage}:kill", 1)
        assert not start(headrace_command, tmp_path, APPLICATION, run), "it ended: kill it sooner"
        if files_of_tables(tmp_path) > 1:
            break
    manifest = (tmp_path / "app.state" / "MANIFEST").read_text()
    line = next(line for line in manifest.splitlines() if line.startswith("part table"))
    path = tmp_path / "app.state" / line.split()[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x40
    path.unlink()
    if damage == "flipped":
        path.write_bytes(data)
    with pytest.raises(RunFailed) as failed:
        start(headrace_command, tmp_path, APPLICATION, Run(2, 60, -1, "", 1))
    assert "exit 1" in str(failed.value)
    assert line.split()[-1] in str(failed.value)
