"""Runs a command under a limit, samples its memory and its files, and says how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from outofcore.limits import Limit

SAMPLE_SECONDS = 0.01
SAMPLES_PER_LOOK = 10  # at processes it has started, and at files
RAISED = re.compile(r"^[\w.]*(Error|Exception)\b.*:")
TOLD = re.compile(r"error|memory|panicked", re.IGNORECASE)
OUT_OF_MEMORY = re.compile(
    r"out of memory|memory ?limit|memory allocation|exhausted|bad_alloc", re.IGNORECASE
)


@dataclasses.dataclass
class Ending:
    """`outcome`: ok, error, crash, memory, disk or timeout. Bytes are the highest of all samples;
    `anonymous` is memory that no file backs."""

    outcome: str = "ok"
    detail: str = ""
    seconds: float = 0.0
    anonymous: int = 0
    resident: int = 0
    temp: int = 0


Show = Callable[[Ending], None]


def resident_bytes(pid: int) -> tuple[int, int]:
    """Anonymous and all resident memory of a process; 0 when it is gone."""
    sizes = {"RssAnon": 0, "RssShmem": 0, "VmRSS": 0}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in sizes:
                sizes[name] = int(rest.split()[0]) << 10
    return sizes["RssAnon"] + sizes["RssShmem"], sizes["VmRSS"]


def family(pid: int) -> list[int]:
    """The process and all that it has started, directly or not."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def temp_bytes(folder: Path, pids: list[int]) -> int:
    """What lies on disk below the folder, with files that have no name any more but are open."""
    blocks: dict[tuple[int, int], int] = {}

    def count(path: Path) -> None:
        with contextlib.suppress(OSError):
            facts = path.stat()
            blocks[facts.st_dev, facts.st_ino] = facts.st_blocks

    for path in folder.rglob("*"):
        if not path.is_symlink():
            count(path)
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(link)
                    if target.startswith(f"{folder}/") and target.endswith(" (deleted)"):
                        count(link)
    return sum(blocks.values()) * 512


def end(process: subprocess.Popen[str]) -> None:
    """Kills the process and its children: it leads a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What a run may use; `temp` bytes below `folder`."""

    limit: Limit
    seconds: float
    temp: int
    folder: Path


def passed(ending: Ending, bounds: Bounds) -> str:
    """Which bound has been passed, with words that say so."""
    if bounds.limit.group is None and ending.anonymous > bounds.limit.bytes:
        ending.detail = f"{ending.anonymous >> 20} MiB resident, limit {bounds.limit.bytes >> 20}"
        return "memory"
    if ending.temp > bounds.temp:
        ending.detail = f"{ending.temp / 1e9:.1f} GB of files, limit {bounds.temp / 1e9:.1f}"
        return "disk"
    if ending.seconds > bounds.seconds:
        ending.detail = f"after {bounds.seconds:.0f} s"
        return "timeout"
    return ""


def follow(process: subprocess.Popen[str], bounds: Bounds, show: Show) -> Ending:
    """Samples until the process ends, or passes a bound."""
    ending = Ending()
    start, samples, pids = time.monotonic(), 0, [process.pid]
    while process.poll() is None:
        if samples % SAMPLES_PER_LOOK == 0:
            pids = family(process.pid)
            ending.temp = max(ending.temp, temp_bytes(bounds.folder, pids))
            show(ending)
        sizes = [resident_bytes(pid) for pid in pids]
        ending.anonymous = max(ending.anonymous, sum(anonymous for anonymous, _ in sizes))
        ending.resident = max(ending.resident, sum(resident for _, resident in sizes))
        ending.seconds = time.monotonic() - start
        if outcome := passed(ending, bounds):
            ending.outcome = outcome
            return ending
        samples += 1
        time.sleep(SAMPLE_SECONDS)
    return ending


def reason(errors: str) -> str:
    """The line of a traceback that says what happened."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    for pattern in (RAISED, TOLD):
        if told := [line for line in lines if pattern.search(line)]:
            return told[-1][:300]
    return (lines or [""])[-1][:300]


def failure(returncode: int, errors: str) -> tuple[str, str]:
    """Outcome and detail of a process that ended by itself, and badly."""
    detail = reason(errors)
    if returncode < 0:
        return "crash", f"{signal.Signals(-returncode).name} {detail}".strip()
    return ("memory" if OUT_OF_MEMORY.search(detail) else "error"), detail


def run(
    command: list[str], bounds: Bounds, show: Show = lambda ending: None
) -> tuple[Ending, str]:
    """How the command ended, and its last line; `show` is told ten times a second how it is. Its
    files are left where they are, what it prints goes beside the folder."""
    output, errors = bounds.folder.parent / "output", bounds.folder.parent / "errors"
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
        )
        try:
            ending = follow(process, bounds, show)
        finally:
            end(process)
    if ending.outcome == "ok" and process.returncode:
        text = errors.read_text(errors="replace")
        ending.outcome, ending.detail = failure(process.returncode, text)
        if bounds.limit.kills():
            ending.outcome, ending.detail = "memory", "killed by the kernel"
    lines = output.read_text(errors="replace").splitlines()
    return ending, lines[-1] if lines else ""
