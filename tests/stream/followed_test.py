"""Streams that are followed while they grow: the job is killed and goes on on other numbers of
lanes, and in the end has written what DuckDB computes from the rows that came."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from caught_signal import wait_until_caught
from stream.crashing_runs import folded, read_output, texts
from stream.random_applications import (
    STREAM_TYPES,
    TABLE_TYPES,
    Maker,
    Query,
    Row,
    json_cell,
    table_of,
)

WAITS_SECONDS_MAX = 90
DELAY_SECONDS = 2
STREAM = """
CREATE STREAM {name} (seq BIGINT, k STRING, g BIGINT, v BIGINT, d DOUBLE, m DECIMAL(18,2),
  b BOOLEAN, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = '{name}*.jsonl', watch = true, poll_interval = 2,
        discovery_interval = 5, linger = 1);
"""
TABLE = """
CREATE TABLE x (k STRING, g BIGINT, val BIGINT, PRIMARY KEY (k, g))
  WITH (connector = 'file', path = 'x.jsonl', format = 'json');
"""
PAIRS = """
SELECT a.seq AS aseq, c.seq AS cseq, a.m + c.m AS both_ FROM s a JOIN r c
ON a.k = c.k AND c.ts BETWEEN a.ts - INTERVAL '3' SECOND AND a.ts + INTERVAL '1' SECOND
"""
ENRICHED = "SELECT s.seq, s.k, x.val, s.ts FROM s LEFT JOIN x ON s.g = x.g AND x.val <> s.v"
GROUPS = "SELECT k, COUNT(*) AS n, SUM(m) AS total, MAX(ts) AS newest FROM s GROUP BY k"
WINDOWS = """
SELECT k, _window_start, COUNT(*) AS n, SUM(v) AS total FROM s
GROUP BY k WINDOW TUMBLING (ts, 10s) EMIT FINAL
"""
CLOSED = """
SELECT k, time_bucket(INTERVAL 10 SECOND, ts) AS w, COUNT(*) AS n, SUM(v) AS total FROM s
GROUP BY k, w HAVING w + INTERVAL 10 SECOND <= (SELECT max(ts) - INTERVAL 2 SECOND FROM s)
"""
QUERIES = [
    Query(PAIRS, PAIRS),
    Query(ENRICHED, ENRICHED, in_order="seq"),
    Query(GROUPS + " EMIT CHANGES", GROUPS, key=["k"]),
    Query(WINDOWS, CLOSED),
]


class Rows(Maker):
    """Rows of streams whose times come in order up to the delay."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.delay = DELAY_SECONDS * 1_000
        self.lateness = 0
        self.has_null_times = False
        self.count = 600
        self.step = 200
        self.start = datetime(2026, 1, 5, 9, 30)


@dataclasses.dataclass
class Followed:
    command: str
    folder: Path
    rng: random.Random
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(self.command, "run", str(self.folder / "app.sql"), "--checkpoint-interval", "5"),
                *("--threads", str(self.rng.randrange(1, 5))),
            ],
            env=dict(os.environ),
            stderr=subprocess.DEVNULL,
        )

    def end(self, kill: signal.Signals) -> None:
        assert self.process is not None
        if kill == signal.SIGTERM:
            wait_until_caught(self.process, kill)
        assert self.process.poll() is None, "it ended on its own"
        self.process.send_signal(kill)
        self.process.wait(WAITS_SECONDS_MAX)

    def append(self, name: str, text: str) -> None:
        with open(self.folder / name, "a") as file:
            file.write(text)

    def rows(self, number: int) -> list[tuple[str, ...]]:
        rows = read_output(self.folder, f"out{number}")
        query = QUERIES[number]
        if query.in_order:
            order = [row[query.in_order] for row in rows]
            assert order == sorted(order)
        if query.key:
            rows = folded(rows, query.key)
        return sorted(texts(row.values() for row in rows))


def pieces(rows: list[Row], rng: random.Random) -> list[str]:
    """The lines of the rows, cut anywhere."""
    cells = [{n: json_cell(c) for n, c in row.items()} for row in rows]
    text = "".join(json.dumps(line) + "\n" for line in cells)
    cuts = sorted({0, len(text), *(rng.randrange(len(text)) for _ in range(25))})
    return [text[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]


def feed(job: Followed, name: str, rows: list[Row]) -> list[Callable[[], None]]:
    """What writes the rows: pieces for one file, then for the next."""
    middle = len(rows) // 2
    writes: list[Callable[[], None]] = []
    for part, some in enumerate((rows[:middle], rows[middle:])):
        for piece in pieces(some, job.rng):
            writes.append(functools.partial(job.append, f"{name}{part}.jsonl", piece))
    return writes


def answers(rows: dict[str, list[Row]], maker: Maker) -> list[list[tuple[str, ...]]]:
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, some in rows.items():
            connection.register(name, table_of(some, TABLE_TYPES.get(name, STREAM_TYPES)))
        return [sorted(texts(connection.sql(query.duckdb).fetchall())) for query in QUERIES]


@pytest.mark.parametrize("seed", range(1, 5))
def test_streams_that_grow_while_the_job_dies(
    headrace_command: str, tmp_path: Path, seed: int
) -> None:
    maker = Rows(seed)
    rows = {"s": maker.stream_rows(), "r": maker.stream_rows()}
    table = {(row["k"], row["g"]): row for row in maker.table_rows("x")}
    rows["x"] = list(table.values())
    job = Followed(headrace_command, tmp_path, random.Random(seed))
    lines = "".join(json.dumps(row) + "\n" for row in rows["x"])
    job.append("x.jsonl", lines)
    text = STREAM.format(name="s") + STREAM.format(name="r") + TABLE
    for number, query in enumerate(QUERIES):
        sink = f"CREATE SINK out{number} WITH (connector = 'file', path = 'out{number}.jsonl') AS "
        text += sink + query.sql + ";\n"
    (tmp_path / "app.sql").write_text(text)
    job.append("s0.jsonl", "")
    job.append("r0.jsonl", "")
    writes = {name: feed(job, name, rows[name]) for name in ("s", "r")}
    job.start()
    kills = 0
    while any(writes.values()):
        name = job.rng.choice([name for name, left in writes.items() if left])
        writes[name].pop(0)()
        if job.rng.random() < 0.15:
            time.sleep(job.rng.uniform(0, 0.1))
            job.end(job.rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            kills += 1
            job.start()
    expected = answers(rows, maker)
    until = time.monotonic() + WAITS_SECONDS_MAX
    while time.monotonic() < until:
        time.sleep(0.05)
        try:
            if [job.rows(number) for number in range(len(QUERIES))] == expected:
                break
        except (FileNotFoundError, json.JSONDecodeError):
            continue  # in the middle of a commit
    job.end(signal.SIGTERM)
    assert kills > 3
    for number in range(len(QUERIES)):
        assert job.rows(number) == expected[number], (seed, QUERIES[number].sql)
