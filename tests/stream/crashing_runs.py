"""Runs of an application that die at chosen points and go on, and what they wrote in the end."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import random
import signal
import subprocess
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet

HANGS_AFTER_SECONDS = 120
# Where a job can die; and of how many passages the one is drawn.
POINTS = {
    "job.step": 300,
    "job.prepared": 6,
    "job.published": 6,
    "checkpoint.commit": 6,
    "checkpoint.committed": 6,
    "state_file.write": 20,
    "state_file.sync": 12,
    "state_file.read": 8,
    "atomic_file.rename": 10,
    "atomic_file.write": 10,
    "file_sink.append": 5,
    "file_sink.appended": 5,
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One start of the command; `fault` kills it, "" lets it end."""

    threads: int
    batch_rows: int
    seed: int  # of a deterministic executor; -1: threads
    fault: str
    checkpoint_millis: int

    def environment(self) -> dict[str, str]:
        wanted = {"HEADRACE_FAULT": self.fault} if self.fault else {}
        if self.seed >= 0:
            wanted["HEADRACE_SEED"] = str(self.seed)
        return {**os.environ, **wanted}


def random_runs(seed: int) -> list[Run]:
    """Some that die, and one that ends."""
    rng = random.Random(seed)
    faults = [
        f"{point}:{rng.randrange(1, POINTS[point] + 1)}:kill"
        for point in rng.choices(list(POINTS), k=rng.choice([0, 1, 2, 2, 3, 5]))
    ]
    return [random_run(rng, fault) for fault in [*faults, ""]]


def random_run(rng: random.Random, fault: str) -> Run:
    is_stepped = rng.random() < 0.6
    return Run(
        threads=rng.randrange(1, 5),
        batch_rows=rng.choice([1, 2, 7, 30, 200]),
        seed=rng.randrange(1000) if is_stepped else -1,
        fault=fault,
        # A deterministic executor goes on for a few steps only between two checkpoints.
        checkpoint_millis=rng.choice([5, 20] if is_stepped else [1, 5]),
    )


class RunFailed(Exception):
    """The command neither ended well nor was killed."""


def start(command: str, folder: Path, text: str, run: Run) -> bool:
    """Whether it ended; false when it was killed."""
    (folder / "app.sql").write_text(text)
    try:
        done = subprocess.run(
            [
                *(command, "run", str(folder / "app.sql"), "--threads", str(run.threads)),
                *("--checkpoint-interval", str(run.checkpoint_millis)),
                *("--memory-limit", "256MiB"),
            ],
            env=run.environment(),
            capture_output=True,
            text=True,
            timeout=HANGS_AFTER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"{run}: hangs; {error.stderr!r}") from error
    if done.returncode == -signal.SIGKILL and run.fault:
        return False
    if done.returncode != 0:
        raise RunFailed(f"{run}: exit {done.returncode}: {done.stderr}")
    return True


def read_lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def read_output(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a sink: those of files that were put away, then those of the last one."""
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"{name}-*")) + sorted(folder.glob(f"{name}.*")):
        if path.suffix == ".parquet":
            rows += pyarrow.parquet.read_table(path).to_pylist()
            continue
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
        rows += [json.loads(line, parse_float=Decimal) for line in lines]
    return rows


def folded(rows: list[dict[str, Any]], key: list[str]) -> list[dict[str, Any]]:
    """The rows that are there after all changes."""
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        name = tuple(row[column] for column in key)
        if row.get("_deleted"):
            last.pop(name, None)
        else:
            last[name] = row
    return list(last.values())


def cell_text(cell: Any) -> str:
    """The same for equal values, whatever wrote them."""
    if isinstance(cell, bool) or cell is None:
        return str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, int | float | Decimal):
        number = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
        return str(number.quantize(1) if number == number.to_integral() else number.normalize())
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(cell).isoformat()
    return f"'{cell}'"


def texts(rows: Any) -> list[tuple[str, ...]]:
    return [tuple(map(cell_text, row)) for row in rows]
