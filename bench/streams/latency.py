"""How long a row takes through a job at a fixed rate: from the write that appends it to a followed
file to its arrival at the reader of the job's output."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from streams import jobs

TICK_SECONDS = 0.001
WARM_UP_SECONDS = 2.0
SENT = re.compile(rb'"sent":(\d+)')


@dataclasses.dataclass(frozen=True)
class Latency:
    """Milliseconds; `cpu` is of a core."""

    rows: int
    p50: float
    p99: float
    p999: float
    worst: float
    cpu: float

    def cells(self) -> list[str]:
        times = (self.p50, self.p99, self.p999, self.worst)
        return [*(f"{number:.1f}" for number in times), f"{self.cpu:.2f}"]


@dataclasses.dataclass(frozen=True)
class Positions:
    """A table that the application reads from positions.jsonl, keys 0 to `rows` - 1."""

    rows: int
    changes: int  # a second, while rows are sent

    def lines(self, first: int, count: int) -> str:
        return "".join(
            f'{{"id":{i * 7919 % self.rows},"quantity":{i % 999},"amount":"{i % 49_999}.25",'
            f'"note":"some words about change {i}"}}\n'
            for i in range(first, first + count)
        )

    def load(self, path: Path) -> None:
        path.write_text(self.lines(0, self.rows))

    def change(self, path: Path, seconds: float) -> None:
        done = 0
        start = time.monotonic()
        with path.open("a") as file:
            while (elapsed := time.monotonic() - start) < seconds:
                due = int(elapsed * self.changes)
                file.write(self.lines(self.rows + done, due - done))
                file.flush()
                done = due
                time.sleep(TICK_SECONDS)


class Reader(threading.Thread):
    """Takes what comes out and notes when."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self.pipe = pipe
        self.got: list[tuple[int, bytes]] = []

    def run(self) -> None:
        while piece := os.read(self.pipe, 1 << 20):
            self.got.append((time.monotonic_ns(), piece))

    def micros(self) -> tuple[np.ndarray, np.ndarray]:
        """When each row was sent, and how long it took to its last byte."""
        sent: list[int] = []
        came: list[int] = []
        rest = b""
        for at, piece in self.got:
            lines, _, rest = (rest + piece).rpartition(b"\n")
            some = [int(one) for one in SENT.findall(lines)]
            sent += some
            came += [at // 1000] * len(some)
        return np.array(sent), np.array(came) - np.array(sent)


def append(path: Path, rate: int, seconds: float) -> int:
    """Writes rows as they become due, with the time in each; gives their number."""
    tails = [
        f',"trade_id":{i},"user_id":"user{i * 7919 % 50_000:07}","symbol":"SYM{i % 500:04}",'
        f'"quantity":{i % 999 + 1},"amount":"{i % 49_999 + 1}.25"}}\n'
        for i in range(10_000)
    ]
    done = 0
    start = time.monotonic()
    with path.open("a") as file:
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(elapsed * rate)
            head = f'{{"sent":{time.monotonic_ns() // 1000}'
            file.write("".join(head + tails[i % 10_000] for i in range(done, due)))
            file.flush()
            done = due
            time.sleep(TICK_SECONDS)
    return done


def measure(
    rate: int, seconds: float, sql: str, settings: list[str], positions: Positions | None = None
) -> Latency:
    """Runs the application `sql` in a folder with the tables; it follows trades.jsonl."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        jobs.write_tables(folder)
        (folder / "trades.jsonl").touch()
        if positions is not None:
            positions.load(folder / "positions.jsonl")
        (folder / "app.sql").write_text(sql)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(
            [jobs.command(), "run", "app.sql", *settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
        )
        assert process.stdout is not None and process.stderr is not None
        reader = Reader(process.stdout.fileno())
        reader.start()
        start = time.monotonic()
        rows = 0
        if positions is not None:
            rows = append(folder / "trades.jsonl", 1_000, 0.1)
            while not reader.got and process.poll() is None:
                time.sleep(TICK_SECONDS)  # the table is loaded
            path = folder / "positions.jsonl"
            threading.Thread(target=positions.change, args=(path, seconds)).start()
        measured = time.monotonic_ns() // 1000
        rows += append(folder / "trades.jsonl", rate, seconds)
        took = time.monotonic() - start
        time.sleep(0.5)
        process.terminate()
        reader.join()
        said = process.stderr.read().decode()
        if process.wait() != 0:
            raise RuntimeError(said)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sent, micros = reader.micros()
    if len(sent) != rows:
        raise RuntimeError(f"{rows} rows were sent, {len(sent)} came: {said}")
    warm = micros[sent > measured + WARM_UP_SECONDS * 1e6] / 1000
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    p50, p99, p999 = np.percentile(warm, [50, 99, 99.9])
    return Latency(rows, float(p50), float(p99), float(p999), float(warm.max()), cpu / took)
