"""Every row of a stream is accounted for: rows in are rows out, filtered, late, untimed and
rejected, for random rows, policies and batch sizes. Late rows depend on how far the watermark was,
so here the counts are held against each other and not against another program."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stream.crashing_runs import folded, read_lines

WINDOWS = {
    "TUMBLING (ts, 5s)": 1,
    "SLIDING (ts, 10s, 5s)": 2,
    "CUMULATE (ts, 5s, 5s)": 1,
    "SESSION (ts, 700ms)": 1,
}
LEFT_OUT = ("filtered", "late", "untimed", "rejected")


def lines_of(rng: random.Random) -> tuple[list[str], int, int]:
    """Rows, how many cannot be decoded, and how many have no time."""
    lines, bad, untimed = [], 0, 0
    for number in range(rng.choice([1, 40, 700])):
        draw = rng.random()
        if draw < 0.05:
            lines.append(rng.choice(["{", '{"id": "x"}', '{"ts": 1.5}', "[]", '{"v": true}']))
            bad += 1
            continue
        at = number * 300 - rng.choice([0, 0, 0, 900, 4_000, 30_000, 600_000])
        row: dict[str, Any] = {"id": number, "k": f"k{rng.randrange(4)}", "v": rng.randrange(10)}
        if draw < 0.1:
            untimed += row["v"] != 3
        else:
            row["ts"] = f"2026-01-05 09:{20 + at // 60_000:02}:{at // 1000 % 60:02}.{at % 1000:03}"
        lines.append(json.dumps(row))
    return lines, bad, untimed


def counts(stderr: str, query: str) -> dict[str, int]:
    found = re.search(rf"^{query}: (.*)$", stderr, re.MULTILINE)
    assert found, stderr
    words = [part.split() for part in found[1].split(", ")]
    named = {part[-1]: int(part[0]) for part in words}
    return {name: named.get(name, 0) for name in ("in", "out", *LEFT_OUT)}


@pytest.mark.parametrize("seed", range(40))
def test_counts_add_up(headrace_command: str, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines, bad, untimed = lines_of(rng)
    on_error = rng.choice(["skip", "dlq"])
    late = rng.choice(["drop", "dead_letter", "update"])
    lateness = rng.choice(["3 seconds", "1 hour", *(["0 seconds"] if late != "update" else [])])
    window = rng.choice(list(WINDOWS))
    (tmp_path / "s.jsonl").write_text("".join(line + "\n" for line in lines))
    (tmp_path / "app.sql").write_text(
        f"""
        SET batch_rows = {rng.choice([1, 10, 300])};
        CREATE STREAM s (id BIGINT, k STRING, v BIGINT, ts TIMESTAMP,
                         WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
        WITH (connector = 'file', path = 's.jsonl', format = 'json', on_error = '{on_error}',
              late.data.strategy = {late}, 'allowed.lateness' = '{lateness}');
        CREATE SINK rows_ WITH (connector = 'file', path = 'rows.jsonl') AS
        SELECT id, ts, k FROM s WHERE v > 4 OR v = 0;
        CREATE SINK windows WITH (connector = 'file', path = 'windows.jsonl') AS
        SELECT k, _window_start, COUNT(*) AS n, MAX(id) AS newest FROM s WHERE v <> 3
        GROUP BY k WINDOW {window};
        """
    )
    environment = {**os.environ, "HEADRACE_SEED": str(seed)} if rng.random() < 0.7 else None
    done = subprocess.run(
        [headrace_command, "run", str(tmp_path / "app.sql"), "--threads", str(rng.randrange(1, 4))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = counts(done.stderr, "rows_")
    assert rows["in"] == len(lines)
    assert rows["rejected"] == bad
    assert rows["in"] == rows["out"] + rows["filtered"] + rows["rejected"]
    assert rows["out"] == len(read_lines(tmp_path / "rows.jsonl"))
    windows = counts(done.stderr, "windows")
    results = folded(read_lines(tmp_path / "windows.jsonl"), ["k", "_window_start"])
    counted = sum(row["n"] for row in results)
    assert windows["untimed"] == untimed
    left = windows["in"] - sum(windows[name] for name in LEFT_OUT)
    # A row that is late for one of two windows is counted in the other.
    assert left * WINDOWS[window] >= counted >= left
    if WINDOWS[window] == 1:
        assert left == counted
    letters = read_lines(tmp_path / "dead_letters.jsonl") if late == "dead_letter" else []
    late_letters = [letter for letter in letters if "late" in letter["error"]]
    assert len(late_letters) == (windows["late"] if late == "dead_letter" else 0)
