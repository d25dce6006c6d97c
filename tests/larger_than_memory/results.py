"""What questions came to with a build of headrace: JSON lines in the cache, and a table of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import headrace

MIB = 1 << 20
Result = dict[str, Any]


def build() -> str:
    """Names the compiled module."""
    module = next(Path(headrace.__file__).parent.glob("_headrace*.so"))
    return hashlib.sha1(module.read_bytes()).hexdigest()[:12]


def path(folder: Path) -> Path:
    return folder / "results.jsonl"


def append(folder: Path, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with path(folder).open("a") as file:
        file.write(json.dumps(result) + "\n")


def of_build(folder: Path, name: str) -> dict[str, Result]:
    """By the fingerprint of the question; the last one of each."""
    lines = path(folder).read_text().splitlines() if path(folder).exists() else []
    results = [json.loads(line) for line in lines]
    return {result["fingerprint"]: result for result in results if result["build"] == name}


def table(results: list[Result]) -> list[str]:
    """A line of headings, then one a question; sizes in MiB."""
    names = ("rows", "s", "DuckDB s", "spilled", "peak", "gate")
    return [f"{'question':24} " + " ".join(f"{name:>10}" for name in names)] + [
        f"{result['question']:24} {result['rows']:>10}"
        f" {result['seconds']:>10.1f} {result['duckdb_seconds']:>10.1f}"
        f" {result['spilled_bytes'] / MIB:>10.0f} {result['grown_bytes'] / MIB:>10.0f}"
        f" {result['gate_bytes'] / MIB:>10.0f}  {result['outcome']}"
        for result in sorted(results, key=lambda result: result["question"])
    ]
