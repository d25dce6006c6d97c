"""Results of runs, appended to a file of JSON lines; the last of a run counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Key = tuple[str, str, int, int, int]


def key(result: Result) -> Key:
    """What makes it the same run: workload, engine, rows, MiB of the limit, threads."""
    text = result["workload"], result["engine"]
    return *text, result["rows"], result["limit_mib"], result["threads"]


def read(path: Path) -> dict[Key, Result]:
    """A line that is broken, by a kill while it was written, is no result."""
    found: dict[Key, Result] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            result = json.loads(line)
            found[key(result)] = result
        except (ValueError, KeyError, TypeError):
            continue
    return found


def append(path: Path, result: Result) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        broken = file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0
        broken = broken and file.read(1) != b"\n"
        file.write(b"\n" * broken + json.dumps(result).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def differences(results: Iterable[Result]) -> list[str]:
    """Answers to a workload that are not those of headrace, or of the first engine without one;
    of the same rows, under whatever limit."""
    groups: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        if result["outcome"] == "ok":
            groups.setdefault((result["workload"], result["rows"]), []).append(result)
    problems = []
    for (workload, rows), group in groups.items():
        group.sort(key=lambda result: result["engine"] != "headrace")
        first = group[0]
        problems += [
            f"{workload}, {rows:,} rows: {other['engine']} at {other['limit_mib']} MiB answers"
            f" {other['answer']}, {first['engine']} at {first['limit_mib']} MiB {first['answer']}"
            for other in group[1:]
            if other["answer"] != first["answer"]
        ]
        problems += [
            f"{workload}, {rows:,} rows: {other['engine']} at {other['limit_mib']} MiB gives"
            f" {other['answer'][2]} rows out of order"
            for other in group
            if other["answer"][2]
        ]
    return problems
