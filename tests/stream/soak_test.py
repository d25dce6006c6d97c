"""Hours of event time at full speed: memory, file descriptors and threads of the process stay
where they were."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest

# A generator gives a row for every 10 ms of event time: 10 hours are 3.6 million rows.
ROWS_PER_HOUR = 360_000
SAMPLES_MIN = 12
APPLICATION = """
CREATE STREAM trades WITH (connector = 'generator', seed = 5, rows = {rows}, unbounded = true,
    columns = 'id sequence, user_id key(20000), symbol key(50), amount integer(1, 30000),
               ts event_time(0, 10000, 2000000)',
    event.time.field = ts, watermark.max_out_of_orderness = 2s);
CREATE STREAM quotes WITH (connector = 'generator', seed = 6, rows = {rows}, unbounded = true,
    columns = 'id sequence, symbol key(50), price integer(1, 100), ts event_time(0, 10000)',
    event.time.field = ts, watermark.max_out_of_orderness = 1s);
CREATE TABLE latest AS SELECT symbol AS symbol PRIMARY KEY, ts, amount FROM trades;
CREATE SINK per_minute WITH (connector = 'file', path = 'per_minute.jsonl') AS
SELECT symbol, _window_start, COUNT(*) AS n, SUM(amount) AS total FROM trades
GROUP BY symbol WINDOW TUMBLING (ts, 1m) EMIT FINAL;
CREATE SINK sliding WITH (connector = 'file', path = 'sliding.jsonl', format = 'json',
                          max_records_per_file = 20000) AS
SELECT symbol, _window_start, AVG(amount) AS mean FROM trades
GROUP BY symbol WINDOW SLIDING (ts, 1m, 10s) HAVING COUNT(*) > 130 EMIT FINAL;
CREATE SINK sessions WITH (connector = 'file', path = 'sessions.jsonl') AS
SELECT user_id, _window_start, COUNT(*) AS n FROM trades
GROUP BY user_id WINDOW SESSION (ts, 5s) HAVING COUNT(*) > 2 EMIT FINAL;
CREATE SINK pairs WITH (connector = 'file', path = 'pairs.jsonl') AS
SELECT t.id, q.id AS quote FROM trades t JOIN quotes q
ON t.symbol = q.symbol AND q.ts BETWEEN t.ts - INTERVAL '3' SECOND AND t.ts WHERE t.amount > 29900;
"""


@dataclasses.dataclass
class Sample:
    seconds: float
    rss_mib: float
    descriptors: int
    threads: int


def sample(pid: int, begun: float) -> Sample | None:
    """None once the process has ended."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    if "VmRSS" not in status:
        return None
    return Sample(
        round(time.monotonic() - begun, 2),
        int(status["VmRSS"].split()[0]) / 1024,
        len(os.listdir(f"/proc/{pid}/fd")),
        int(status["Threads"]),
    )


def watch(process: subprocess.Popen[str], every_seconds: float) -> list[Sample]:
    begun = time.monotonic()
    samples: list[Sample] = []
    while True:
        try:
            process.wait(every_seconds)
            return samples
        except subprocess.TimeoutExpired:
            taken = sample(process.pid, begun)
            samples += [taken] if taken else []


def check_flat(samples: list[Sample]) -> None:
    """The last two thirds need no more memory than the first one did, and the last third has no
    more descriptors and threads than the first, but for moments: commits of epochs take some."""
    assert len(samples) >= SAMPLES_MIN, "the run was too short to say anything"
    third = len(samples) // 3
    first, rest, last = samples[:third], samples[third:], samples[-third:]
    assert max(s.rss_mib for s in rest) <= 1.15 * max(s.rss_mib for s in first) + 8
    descriptors, threads = (
        [statistics.median(getattr(s, name) for s in part) for part in (first, last)]
        for name in ("descriptors", "threads")
    )
    assert descriptors[1] <= descriptors[0] + 2
    assert threads[1] <= threads[0] + 1


def soak(command: str, folder: Path, hours: int) -> list[Sample]:
    (folder / "app.sql").write_text(APPLICATION.format(rows=hours * ROWS_PER_HOUR))
    process = subprocess.Popen(
        [
            *(command, "run", str(folder / "app.sql"), "--threads", "2"),
            *("--checkpoint-interval", "200", "--memory-limit", "512MiB"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    samples = watch(process, every_seconds=0.02)
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read()
    return samples


def rows_counted(folder: Path) -> int:
    lines = (folder / "per_minute.jsonl").read_text().splitlines()
    return sum(json.loads(line)["n"] for line in lines)


def series(mib: float = 0, descriptors: float = 0, threads: float = 0) -> list[Sample]:
    """What a process shows that grows by so much from sample to sample."""
    return [
        Sample(i / 50, 100 + mib * i, int(20 + descriptors * i), int(4 + threads * i))
        for i in range(60)
    ]


def test_what_is_level_passes() -> None:
    check_flat(series())


@pytest.mark.parametrize(
    "growing",
    [series(mib=1), series(descriptors=0.1), series(threads=0.1)],
    ids=["memory", "descriptors", "threads"],
)
def test_what_grows_is_found(growing: list[Sample]) -> None:
    with pytest.raises(AssertionError):
        check_flat(growing)


def test_too_few_samples_say_nothing() -> None:
    with pytest.raises(AssertionError, match="too short"):
        check_flat(series()[: SAMPLES_MIN - 1])


@pytest.mark.memory
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "hours", [10, pytest.param(24, marks=pytest.mark.slow)], ids=["hours", "day"]
)
def test_nothing_grows_with_time(headrace_command: str, tmp_path: Path, hours: int) -> None:
    samples = soak(headrace_command, tmp_path, hours)
    print(f"{hours} hours of event time, {len(samples)} samples: {samples[:: len(samples) // 8]}")
    check_flat(samples)
    assert rows_counted(tmp_path) == hours * ROWS_PER_HOUR
