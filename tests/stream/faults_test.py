"""Faults from outside, on the deterministic executor unless a file is followed: nothing is lost,
nothing comes twice, every row is accounted for, and what cannot go on says why."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from caught_signal import wait_until_caught

WAITS_SECONDS_MAX = 60.0
STREAM = """
CREATE STREAM s (id BIGINT NOT NULL, k STRING, v BIGINT, amount DECIMAL(18,2), ts TIMESTAMP,
                 WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH (connector = 'file', path = 's.jsonl', format = 'json'{options});
"""
ROWS = "CREATE SINK rows_ WITH (connector = 'file', path = 'rows.jsonl') AS SELECT * FROM s"
MINUTES = """
CREATE SINK minutes WITH (connector = 'file', path = 'minutes.jsonl') AS
SELECT _window_start, COUNT(*) AS n FROM s {where}WINDOW TUMBLING (ts, 1m) EMIT FINAL
"""

Row = dict[str, Any]


@dataclasses.dataclass
class Done:
    code: int
    stderr: str

    def counts(self, query: str) -> dict[str, int]:
        """What the summary says of a query: {"in": 3, "out": 2, …}."""
        line = next(x for x in self.stderr.splitlines() if x.startswith(f"{query}: "))
        parts = [part.split() for part in line.removeprefix(f"{query}: ").split(", ")]
        return {words[-1]: int(words[0]) for words in parts}


class Job:
    """An application in a folder of its own."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self.folder = folder

    def write(self, application: str, lines: list[Any] | None = None) -> None:
        (self.folder / "app.sql").write_text(application)
        if lines is not None:
            self.write_lines("s.jsonl", lines)

    def write_lines(self, name: str, lines: list[Any], mode: str = "w") -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        with open(self.folder / name, mode) as file:
            file.write("".join(text + "\n" for text in texts))

    def start(self, *options: str, seed: int | None = 1, fault: str = "", **popen: Any) -> Any:
        environment = {**os.environ, "HEADRACE_FAULT": fault}
        if seed is not None:
            environment["HEADRACE_SEED"] = str(seed)
        return subprocess.Popen(
            [self.command, "run", str(self.folder / "app.sql"), *options],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )

    def run(self, *options: str, **more: Any) -> Done:
        process = self.start(*options, **more)
        try:
            _, stderr = process.communicate(timeout=WAITS_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Done(process.returncode, stderr)

    def lines(self, name: str) -> list[Row]:
        """Those that are whole: the job may be in the middle of one."""
        path = self.folder / name
        whole, _, _ = path.read_text().rpartition("\n") if path.exists() else ("", "", "")
        return [json.loads(line) for line in whole.splitlines()]

    def ids(self) -> list[int]:
        return [row["id"] for row in self.lines("rows.jsonl")]

    def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + WAITS_SECONDS_MAX
        while not is_so():
            assert time.monotonic() < until, f"waited too long for {what}"
            time.sleep(0.01)


@pytest.fixture
def job(headrace_command: str, tmp_path: Path) -> Job:
    return Job(headrace_command, tmp_path)


def row(number: int, **more: Any) -> Row:
    minute, second = divmod(number, 60)
    cells = {
        "id": number,
        "k": f"k{number % 7}",
        "v": number % 10,
        "amount": "1.50",
        "ts": f"2026-01-05 {9 + minute // 60:02}:{minute % 60:02}:{second:02}",
    }
    return cells | more


# -- rows that cannot be decoded

BAD_LINES = [
    '{"id": 1, "k":',  # ends too early
    "not json",
    '{"id": "one", "k": "a"}',  # no number
    '{"id": 2, "v": 1.5}',  # no whole number
    '{"id": 3, "v": {}}',
    '{"id": 4, "amount": "12.345"}',  # a digit too many
    '{"id": 5, "ts": "yesterday"}',
    '{"k": "without id"}',  # NOT NULL
    "[1, 2]",
    '{"id": 99999999999999999999}',
    '{"id": 6, "k": "\\ud800"}',
    "",
]


def mixed_lines() -> tuple[list[Any], int]:
    """Good and bad rows in turn; and how many are bad. An empty line is no row."""
    lines: list[Any] = []
    for number in range(len(BAD_LINES) * 20):
        lines.append(row(100 + number))
        if number % 20 == 7:
            lines.append(BAD_LINES[number // 20])
    return lines, sum(line != "" for line in BAD_LINES)


@pytest.mark.parametrize("bad", [line for line in BAD_LINES if line])
def test_a_bad_row_fails_with_its_place(job: Job, bad: str) -> None:
    job.write(STREAM.format(options="") + ROWS, [row(1), row(2), bad, row(3)])
    done = job.run()
    assert done.code == 1
    assert "s.jsonl:3" in done.stderr
    assert job.lines("rows.jsonl") == []


@pytest.mark.parametrize("policy", ["skip", "dlq"])
def test_bad_rows_are_counted(job: Job, policy: str) -> None:
    lines, bad = mixed_lines()
    job.write(STREAM.format(options=f", on_error = '{policy}'") + ROWS + " WHERE v > 3", lines)
    done = job.run()
    assert done.code == 0, done.stderr
    counts = done.counts("rows_")
    good = len(BAD_LINES) * 20
    assert counts == {"in": good + bad, "out": 12 * 12, "filtered": 12 * 8, "rejected": bad}
    letters = job.lines("dead_letters.jsonl")
    assert len(letters) == (bad if policy == "dlq" else 0)
    assert [x["payload"] for x in letters] == [x for x in BAD_LINES if x][: len(letters)]
    assert all(":" in x["position"] and x["error"] for x in letters)


@pytest.mark.parametrize("most", [10, 11])
def test_max_errors(job: Job, most: int) -> None:
    lines, bad = mixed_lines()
    job.write(STREAM.format(options=f", on_error = 'skip', max_errors = {most}") + ROWS, lines)
    done = job.run()
    assert bad == 11
    assert done.code == (0 if most >= bad else 1), done.stderr
    if most < bad:
        assert "max_errors" in done.stderr


@pytest.mark.parametrize("seed", range(6))
def test_dead_letters_come_once_over_crashes(job: Job, seed: int) -> None:
    lines, bad = mixed_lines()
    text = "SET batch_rows = 3;" + STREAM.format(options=", on_error = 'dlq'") + ROWS
    job.write(text, lines)
    options = ("--checkpoint-interval", "1")
    for passage in (20 + seed, 45 + seed * 5):
        killed = job.run(*options, seed=seed, fault=f"job.step:{passage}:kill")
        assert killed.code == -signal.SIGKILL
    assert job.run(*options, seed=seed).code == 0
    assert sorted(job.ids()) == list(range(100, 340))
    assert [x["payload"] for x in job.lines("dead_letters.jsonl")] == [x for x in BAD_LINES if x]


TWO_QUERIES = """
CREATE SINK rows_ WITH (connector = 'file', path = 'rows.jsonl') AS SELECT * FROM s WHERE v > 3;
CREATE SINK totals WITH (connector = 'file', path = 'totals.jsonl') AS
SELECT k, count(*) AS n, max(id) AS id, max(v) AS v, sum(amount) AS a, max(ts) AS ts FROM s
GROUP BY k EMIT FINAL;
"""
SAME_TWICE = """
CREATE SINK both WITH (connector = 'file', path = 'both.jsonl') AS
SELECT * FROM s WHERE v > 3 UNION ALL SELECT * FROM s WHERE v <= 3;
"""


@pytest.mark.parametrize("queries", [TWO_QUERIES, TWO_QUERIES + SAME_TWICE])
def test_a_bad_row_is_one_dead_letter_whoever_reads_it(job: Job, queries: str) -> None:
    lines, bad = mixed_lines()
    job.write(STREAM.format(options=", on_error = 'dlq'") + queries, lines)
    done = job.run()
    assert done.code == 0, done.stderr
    good = len(BAD_LINES) * 20
    assert sorted(x["payload"] for x in job.lines("dead_letters.jsonl")) == sorted(
        x for x in BAD_LINES if x
    )
    assert done.counts("rows_") == {
        "in": good + bad, "out": 12 * 12, "filtered": 12 * 8, "rejected": bad
    }
    totals = done.counts("totals")
    assert (totals["in"], totals["rejected"]) == (good + bad, bad)
    if "both" in queries:
        counts = done.counts("both")
        assert counts["rejected"] == 2 * bad, "each of its scans leaves the row out"
        assert counts["in"] == counts["out"] + counts["filtered"] + counts["rejected"]


@pytest.mark.parametrize("seed", range(8))
def test_a_bad_row_is_one_dead_letter_over_crashes(job: Job, seed: int) -> None:
    """Queries at different places: one waits for a table, another was added later."""
    lines, _ = mixed_lines()
    rng = random.Random(seed)
    waits = TABLE + JOINED.replace("rows_", "joined").replace("rows.jsonl", "joined.jsonl")
    text = f"SET batch_rows = {rng.randrange(1, 6)};" + STREAM.format(options=", on_error = 'dlq'")
    text += waits.replace("s.id, s.k", "s.*") + ";" + SAME_TWICE
    job.write(text, lines)
    job.write_lines("t.jsonl", [{"k": f"k{i}", "n": i} for i in range(7)])
    for start in range(4):
        passage = rng.randrange(5, 120)
        killed = job.run(
            "--checkpoint-interval", "1", seed=seed, fault=f"job.step:{passage}:kill"
        )
        assert killed.code in (0, -signal.SIGKILL), killed.stderr
        if killed.code == 0:
            break
        if start == 1:
            job.write(text + TWO_QUERIES)
    else:
        done = job.run(seed=seed)
        assert done.code == 0, done.stderr
    letters = [x["payload"] for x in job.lines("dead_letters.jsonl")]
    assert sorted(letters) == sorted(x for x in BAD_LINES if x)


def test_the_same_bad_row_in_two_files_is_two_dead_letters(job: Job) -> None:
    options = ", on_error = 'dlq'"
    job.write(STREAM.format(options=options).replace("'s.jsonl'", "'*.jsonl'") + TWO_QUERIES)
    for name in ("s1.jsonl", "s2.jsonl"):
        job.write_lines(name, ["bad", row(1), "bad"])
    assert job.run().code == 0
    letters = job.lines("dead_letters.jsonl")
    assert len(letters) == 4
    assert len({letter["position"] for letter in letters}) == 4


def test_missing_fields_are_null(job: Job) -> None:
    job.write(STREAM.format(options="") + ROWS, ['{"id": 1}', '{"id": 2, "k": null, "other": [1]}'])
    assert job.run().code == 0
    nothing = {"k": None, "v": None, "amount": None, "ts": None}
    assert job.lines("rows.jsonl") == [{"id": 1} | nothing, {"id": 2} | nothing]


# -- keys and tables

TABLE = """
CREATE TABLE t (k STRING PRIMARY KEY, n BIGINT)
  WITH (connector = 'file', path = 't.jsonl', format = 'json');
"""
JOINED = """
CREATE SINK rows_ WITH (connector = 'file', path = 'rows.jsonl') AS
SELECT s.id, s.k, t.n FROM s LEFT JOIN t ON s.k = t.k
"""


def test_null_keys_of_a_stream_match_nothing(job: Job) -> None:
    job.write(STREAM.format(options="") + TABLE + JOINED, [row(1, k=None), row(2, k="a")])
    job.write_lines("t.jsonl", [{"k": "a", "n": 1}, {"k": "a", "n": 2}])
    assert job.run().code == 0
    expected = [{"id": 1, "k": None, "n": None}, {"id": 2, "k": "a", "n": 2}]
    assert job.lines("rows.jsonl") == expected


def test_a_null_key_of_a_table_is_an_error_that_names_the_table(job: Job) -> None:
    job.write(STREAM.format(options="") + TABLE + JOINED, [row(1)])
    job.write_lines("t.jsonl", [{"k": "a", "n": 1}, {"n": 2}])
    done = job.run()
    assert done.code == 1
    assert "t" in done.stderr and "k" in done.stderr and "null" in done.stderr.lower()
    assert job.lines("rows.jsonl") == []


def test_rows_that_are_taken_back_leave_a_table(job: Job) -> None:
    """Groups come and go with HAVING: what remains is what remains."""
    kept = """
    CREATE SINK kept WITH (connector = 'file', path = 'rows.jsonl') AS
    SELECT v, COUNT(*) AS n FROM s GROUP BY v HAVING COUNT(*) % 2 = 1
    """
    job.write("SET batch_rows = 1;" + STREAM.format(options="") + kept, [row(i) for i in range(95)])
    assert job.run("--checkpoint-interval", "1").code == 0
    now: dict[int, int] = {}
    deleted = 0
    for line in job.lines("rows.jsonl"):
        if line.get("_deleted"):
            deleted += 1
            del now[line["v"]]
        else:
            now[line["v"]] = line["n"]
    assert now == {v: 9 for v in range(5, 10)}
    assert deleted > 0


USERS = """
CREATE TABLE users (k STRING PRIMARY KEY, n BIGINT)
  WITH (connector = 'file', path = 'users.jsonl', 'deleted.field' = '_deleted'{more});
CREATE SINK rows_ WITH (connector = 'file', path = 'rows.jsonl') AS
SELECT s.id, u.n FROM s LEFT JOIN users u ON s.k = u.k;
"""


def test_lines_that_delete_rows_of_a_table(job: Job) -> None:
    """What a sink of changes writes fills a table: the same rows, kills or not."""
    job.write_lines(
        "users.jsonl",
        [
            *({"k": f"k{i}", "n": i} for i in range(7)),
            {"k": "k1", "_deleted": True},
            {"k": "k2", "_deleted": True},
            {"k": "k2", "n": 22, "_deleted": False},
            {"k": "unknown", "_deleted": True},
            {"k": "k3", "n": 33, "_deleted": None},
        ],
    )
    job.write("SET batch_rows = 3;" + STREAM.format(options="") + USERS.format(more=""),
              [row(i) for i in range(70)])
    for fault in ("job.step:9:kill", "job.step:60:kill", ""):
        done = job.run("--checkpoint-interval", "1", fault=fault)
    assert done.code == 0, done.stderr
    of_key = {0: 0, 1: None, 2: 22, 3: 33, 4: 4, 5: 5, 6: 6}
    assert [(x["id"], x["n"]) for x in job.lines("rows.jsonl")] == [
        (i, of_key[i % 7]) for i in range(70)
    ]


def test_rows_without_a_partner_are_counted(job: Job) -> None:
    """By an inner join, by its condition, and by a filter behind it."""
    job.write_lines("users.jsonl", [{"k": f"k{i}", "n": i} for i in range(5)])
    inner = USERS.format(more="").replace("LEFT JOIN", "JOIN").replace(
        "s.k = u.k", "s.k = u.k AND u.n < s.id WHERE u.n <> 2")
    job.write(STREAM.format(options="") + inner, [row(i) for i in range(70)])
    done = job.run()
    there = sum(i % 7 < 5 and i % 7 < i and i % 7 != 2 for i in range(70))
    assert done.counts("rows_") == {"in": 70, "out": there, "filtered": 70 - there}, done.stderr


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE u (k STRING PRIMARY KEY, gone BOOLEAN) "
         "WITH (connector = 'file', path = 's.jsonl', 'deleted.field' = 'gone')",
         "deleted.field: gone is a column of the table"),
        ("CREATE TABLE u (PRIMARY KEY (k)) "
         "WITH (connector = 'file', path = 's.jsonl', 'deleted.field' = 'gone')",
         "deleted.field: the columns of the table are to be declared"),
    ],
)
def test_where_deletes_are_refused(job: Job, statement: str, said: str) -> None:
    job.write(statement, [row(1)])
    done = job.run()
    assert done.code != 0 and said in done.stderr, done.stderr


# -- size

def test_records_of_10_mb(job: Job) -> None:
    big = [row(i, k="x" * (10 << 20)) for i in range(6)]
    lengths = ROWS.replace("*", "id, length(k) AS k")
    job.write(STREAM.format(options="") + lengths, [row(10), *big, row(11)])
    done = job.run("--memory-limit", "256MiB")
    assert done.code == 0, done.stderr
    assert [(x["id"], x["k"]) for x in job.lines("rows.jsonl")] == [
        (10, 2), *((i, 10 << 20) for i in range(6)), (11, 2)
    ]


# -- time

def minutes(job: Job) -> dict[str, int]:
    return {x["_window_start"][11:16]: x["n"] for x in job.lines("minutes.jsonl")}


def test_far_future_rows_close_nothing(job: Job) -> None:
    lines = [row(i) for i in range(600)]
    lines[100] = row(100, ts="2199-01-01 00:00:00")
    lines[200] = row(200, ts="9999-12-31 23:59:59")
    job.write("SET batch_rows = 10;" + STREAM.format(options="") + MINUTES.format(where=""), lines)
    done = job.run()
    assert done.code == 0, done.stderr
    assert "late" not in done.stderr
    assert sum(x["n"] for x in job.lines("minutes.jsonl")) == 600


def test_late_rows_are_dropped_and_counted(job: Job) -> None:
    lines = [row(i) for i in range(600)]
    late = [row(1000 + i, ts="2026-01-05 08:00:00") for i in range(5)]
    lines[300:300] = late
    job.write("SET batch_rows = 10;" + STREAM.format(options="") + MINUTES.format(where=""), lines)
    done = job.run()
    assert done.counts("minutes") == {"in": 605, "out": 10, "late": 5}
    assert minutes(job) == {f"09:0{i}": 60 for i in range(10)}


def test_late_rows_become_dead_letters(job: Job) -> None:
    lines = [row(i) for i in range(600)]
    lines[300:300] = [row(1000 + i, ts="2026-01-05 08:00:00") for i in range(5)]
    options = ", 'late.data.strategy' = 'dead_letter'"
    text = "SET batch_rows = 10;" + STREAM.format(options=options) + MINUTES.format(where="")
    job.write(text, lines)
    done = job.run()
    assert done.counts("minutes") == {"in": 605, "out": 10, "late": 5}
    assert minutes(job) == {f"09:0{i}": 60 for i in range(10)}
    letters = job.lines("dead_letters.jsonl")
    assert len(letters) == 5
    assert all("late" in x["error"] and "08:00" in x["payload"] for x in letters)


@pytest.mark.parametrize("seed", range(6))
def test_late_rows_are_put_aside_once_over_crashes(job: Job, seed: int) -> None:
    rng = random.Random(seed)
    lines = [row(i) for i in range(900)]
    for number in rng.sample(range(100, 900), 200):
        lines[number] = row(number, ts=row(rng.randrange(number - 60))["ts"])
    options = ", 'late.data.strategy' = 'dead_letter'"
    text = "SET batch_rows = 7;" + STREAM.format(options=options) + MINUTES.format(where="")
    job.write(text, lines)
    interval = ("--checkpoint-interval", "5")
    for _ in range(3):
        threads = ("--threads", str(rng.randrange(1, 5)))
        fault = f"{rng.choice(['job.step', 'checkpoint', 'file_sink'])}:{rng.randrange(2, 30)}:kill"
        if job.run(*interval, *threads, seed=seed, fault=fault).code == 0:
            break
    else:
        assert job.run(*interval, seed=seed).code == 0
    late = [json.loads(letter["payload"]) for letter in job.lines("dead_letters.jsonl")]
    starts = [window["_window_start"] for window in job.lines("minutes.jsonl")]
    assert len(starts) == len(set(starts))
    assert len(late) > 20
    assert sum(window["n"] for window in job.lines("minutes.jsonl")) + len(late) == 900


def test_late_rows_update_their_window(job: Job) -> None:
    lines = [row(i) for i in range(600)]
    lines[300:300] = [row(1000 + i, ts="2026-01-05 09:01:00") for i in range(5)]
    options = ", 'late.data.strategy' = 'update', 'allowed.lateness' = '10 minutes'"
    text = "SET batch_rows = 10;" + STREAM.format(options=options) + MINUTES.format(where="")
    job.write(text, lines)
    done = job.run()
    assert done.code == 0, done.stderr
    assert "late" not in done.counts("minutes")
    assert minutes(job) == {f"09:0{i}": 65 if i == 1 else 60 for i in range(10)}


def test_rows_without_a_time_are_counted(job: Job) -> None:
    lines = [row(i, **({"ts": None} if i % 10 == 3 else {})) for i in range(600)]
    text = STREAM.format(options="") + MINUTES.format(where="WHERE v <> 4 ")
    job.write(text, lines)
    done = job.run()
    assert done.code == 0, done.stderr
    counts = done.counts("minutes")
    assert sum(minutes(job).values()) == 480
    assert counts["in"] == 480 + counts["filtered"] + counts["untimed"]
    assert counts["untimed"] == 60


# -- a failing disk

BOTH_SINKS = MINUTES.format(where="") + ";" + ROWS

POINTS_OF_EPOCHS = [
    *("job.prepared", "job.published", "checkpoint.commit", "checkpoint.committed"),
    *("state_file.write", "state_file.sync", "atomic_file.rename", "atomic_file.sync_directory"),
    *("file_sink.append", "file_sink.appended"),
]


def test_whatever_call_fails_the_next_run_goes_on(job: Job) -> None:
    """Calls fail once, as with ENOSPC: those of the points above, and of all a few."""
    text = "SET batch_rows = 20;" + STREAM.format(options="") + BOTH_SINKS
    lines = [row(i) for i in range(600)]
    failures = 0
    faults = [f":{passage}" for passage in [*range(1, 60, 7), *range(60, 400, 45)]]
    faults += [f"{point}:{passage}" for point in POINTS_OF_EPOCHS for passage in (1, 4)]
    for passage in faults:
        job.write(text, lines)
        done = job.run("--checkpoint-interval", "1", fault=passage)
        if done.code != 0:
            failures += 1
            assert done.code == 1 and "fault point" in done.stderr, done.stderr
            assert job.ids() == list(range(len(job.ids())))
            done = job.run("--checkpoint-interval", "1")
        assert done.code == 0, done.stderr
        assert job.ids() == list(range(600)), passage
        assert minutes(job) == {f"09:0{i}": 60 for i in range(10)}, passage
        for path in job.folder.glob("*"):
            if path.is_file():
                path.unlink()
    assert failures > 15


def limit_files(bytes_max: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))


@pytest.mark.parametrize("bytes_max", [0, 100, 2_000, 20_000])
def test_a_disk_that_takes_no_more(job: Job, bytes_max: int) -> None:
    text = "SET batch_rows = 20;" + STREAM.format(options="") + BOTH_SINKS
    job.write(text, [row(i) for i in range(2000)])
    done = job.run("--checkpoint-interval", "1", preexec_fn=limit_files(bytes_max))
    assert done.code == 1
    assert "File too large" in done.stderr
    assert job.ids() == list(range(len(job.ids())))
    done = job.run("--checkpoint-interval", "1")
    assert done.code == 0, done.stderr
    assert job.ids() == list(range(2000))


# -- a slow reader of what is written

@pytest.mark.memory
def test_a_slow_sink_holds_the_stream_back(job: Job) -> None:
    text = """
    CREATE STREAM s WITH (connector = 'generator', rows = 3000000, unbounded = true,
                          columns = 'id sequence, k key(1000)');
    SELECT id, k FROM s
    """
    job.write(text)
    process = job.start("--memory-limit", "64MiB", seed=None, stdout=subprocess.PIPE)
    status = Path(f"/proc/{process.pid}/status")
    first = [process.stdout.readline() for _ in range(1000)]
    rss = []
    for _ in range(20):
        time.sleep(0.05)  # nobody reads meanwhile
        rss.append(int(status.read_text().split("VmRSS:")[1].split()[0]) >> 10)
    count = sum(1 for _ in process.stdout) + len(first)
    assert process.wait(WAITS_SECONDS_MAX) == 0
    assert count == 3_000_000
    assert max(rss) < 200, rss
    assert rss[-1] <= rss[5] + 2, rss


# -- files that are followed

FOLLOWED = STREAM.format(
    options=", watch = true, poll_interval = 2, discovery_interval = 10, linger = 1"
)


@pytest.fixture
def following(job: Job) -> Iterator[Callable[..., Any]]:
    started = []

    def start(*options: str) -> Any:
        started.append(job.start("--checkpoint-interval", "5", *options, seed=None))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_followed_file_is_rotated_cut_and_the_job_killed(
    job: Job, following: Callable[..., Any]
) -> None:
    job.write(FOLLOWED + ROWS, [row(i) for i in range(10)])
    process = following()
    expected = 10
    for step in range(12):
        job.wait_for("the rows", lambda: len(job.ids()) >= expected)
        kind = ("append", "rotate", "cut", "kill")[step % 4]
        fresh = [row(expected + i) for i in range(10)]
        if kind == "rotate":
            os.rename(job.folder / "s.jsonl", job.folder / f"s.jsonl.{step}")
        if kind == "kill":
            process.kill()
            process.wait()
        job.write_lines("s.jsonl", fresh, "w" if kind in ("rotate", "cut") else "a")
        if kind == "kill":
            process = following("--threads", str(1 + step % 3))
        expected += 10
    job.wait_for("the rows", lambda: len(job.ids()) >= expected)
    wait_until_caught(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAITS_SECONDS_MAX) == 0
    assert job.ids() == list(range(expected))


def test_a_writer_that_never_stops_loses_nothing(job: Job, following: Callable[..., Any]) -> None:
    """Rows are appended in pieces that end anywhere, while the job is killed again and again."""
    text = "".join(json.dumps(row(i)) + "\n" for i in range(20_000))
    job.write(FOLLOWED + ROWS, [])

    def write() -> None:
        with open(job.folder / "s.jsonl", "a") as file:
            for at in range(0, len(text), 10_007):
                file.write(text[at : at + 10_007])
                file.flush()
                time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    for kill in range(6):
        process = following("--threads", str(1 + kill % 4))
        seen = len(job.ids())
        job.wait_for("more rows", lambda: len(job.ids()) > min(seen, 19_999 - 1))
        process.kill()
        process.wait()
    writer.join()
    process = following()
    job.wait_for("all rows", lambda: len(job.ids()) >= 20_000)
    wait_until_caught(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAITS_SECONDS_MAX) == 0
    assert job.ids() == list(range(20_000))


def live_rows() -> list[Row]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return [row(i, ts=(now + timedelta(milliseconds=i)).isoformat(" ")) for i in range(100)]


def test_windows_close_by_the_clock_after_a_crash(job: Job, following: Callable[..., Any]) -> None:
    """No row comes any more when the job goes on: it knows how far its stream was."""
    windows = """
    CREATE SINK windows WITH (connector = 'file', path = 'windows.jsonl') AS
    SELECT _window_end, COUNT(*) AS n FROM s WINDOW TUMBLING (ts, 2s)
    """
    text = FOLLOWED.replace("watch = true", "watch = true, 'watermark.idle_timeout' = '2s'")
    job.write(text + ROWS + ";" + windows, live_rows())
    process = following()
    job.wait_for("the rows", lambda: len(job.ids()) == 100)
    process.kill()
    process.wait()
    process = following("--threads", "2")
    job.wait_for("windows", lambda: sum(x["n"] for x in job.lines("windows.jsonl")) == 100)
    wait_until_caught(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAITS_SECONDS_MAX) == 0


def test_windows_of_a_silent_stream_close(job: Job, following: Callable[..., Any]) -> None:
    """Of two live streams one falls silent, then the other: windows close by the clock."""
    other = FOLLOWED.replace("STREAM s", "STREAM r").replace("s.jsonl", "r.jsonl")
    both = """
    CREATE SINK windows WITH (connector = 'file', path = 'windows.jsonl') AS SELECT _window_end,
    COUNT(*) AS n FROM (SELECT ts FROM s UNION ALL SELECT ts FROM r) WINDOW TUMBLING (ts, 1s)
    """
    text = (FOLLOWED + other).replace("'5' SECOND", "'100' MILLISECOND")
    text = text.replace("watch = true", "watch = true, 'watermark.idle_timeout' = '300ms'") + both
    lines = live_rows()
    job.write(text, lines[:1])
    job.write_lines("r.jsonl", lines)
    process = following()
    job.wait_for("windows", lambda: sum(x["n"] for x in job.lines("windows.jsonl")) == 101)
    wait_until_caught(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAITS_SECONDS_MAX) == 0


def test_what_is_joined_with_a_silent_stream_goes_on(
    job: Job, following: Callable[..., Any]
) -> None:
    """A replay beside streams that never have a row, or have no more: a join, a temporal join and
    a union go on without them, and when they wake their rows are not lost."""
    silent = FOLLOWED.replace("STREAM s", "STREAM r").replace("s.jsonl", "r.jsonl")
    rates = """
    CREATE TABLE rates (k STRING PRIMARY KEY, rate BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)
      WITH (connector = 'file', path = 'rates.jsonl', format = 'json', watch = true);
    """
    queries = """
    CREATE SINK pairs WITH (connector = 'file', path = 'pairs.jsonl') AS
    SELECT s.id, r.id AS other FROM s LEFT JOIN r
    ON s.k = r.k AND r.ts BETWEEN s.ts AND s.ts + INTERVAL '2' SECOND;
    CREATE SINK rated WITH (connector = 'file', path = 'rated.jsonl') AS
    SELECT s.id, rate FROM s LEFT JOIN rates FOR SYSTEM_TIME AS OF s.ts ON s.k = rates.k;
    CREATE SINK windows WITH (connector = 'file', path = 'windows.jsonl') AS SELECT _window_end,
    COUNT(*) AS n FROM (SELECT ts FROM s UNION ALL SELECT ts FROM r) WINDOW TUMBLING (ts, 10s)
    """
    text = (FOLLOWED + silent + rates).replace(
        "watch = true", "watch = true, 'watermark.idle_timeout' = '300ms'"
    )
    job.write(text + queries, [row(i) for i in range(100)])
    job.write_lines("r.jsonl", [])
    rates_of_keys = [{"k": f"k{i}", "rate": i, "ts": "2026-01-01"} for i in range(7)]
    job.write_lines("rates.jsonl", rates_of_keys)
    process = following("--threads", "2")
    # Rows up to 99 - 5 s - 2 s have met all their partners.
    job.wait_for("unmatched rows", lambda: len(job.lines("pairs.jsonl")) == 92)
    job.wait_for("rates", lambda: len(job.lines("rated.jsonl")) >= 94)
    job.wait_for("windows", lambda: len(job.lines("windows.jsonl")) == 9)
    job.write_lines("r.jsonl", [row(1000, k="k1", ts="2026-01-05 09:01:40")], mode="a")
    pair = {"id": 99, "other": 1000}
    job.wait_for("a pair", lambda: pair in job.lines("pairs.jsonl"))
    job.write_lines("s.jsonl", [row(i) for i in range(100, 200)], mode="a")
    job.wait_for("more windows", lambda: len(job.lines("windows.jsonl")) == 19)
    assert job.lines("windows.jsonl")[10] == {"_window_end": "2026-01-05 09:01:50", "n": 11}
    wait_until_caught(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAITS_SECONDS_MAX) == 0
