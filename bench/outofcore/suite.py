"""Runs what has no result yet, one process a run, appends the results and prints the tables."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import workload
from outofcore import limits, questions, results, watch

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs" / "benchmarks.md"
CACHE = Path(os.environ.get("HEADRACE_BENCH_DATA", Path.home() / ".cache" / "headrace-bench"))
INTERPRETER_BYTES = 128 << 20  # with its libraries: 60 to 80 MiB before the first row


def parse(arguments: list[str]) -> Any:
    names = ", ".join(questions.QUESTIONS)
    parser = argparse.ArgumentParser(
        prog="dev bench outofcore",
        description="Data many times the memory, under a limit, beside the peers. Results are"
        " appended to a file; what has one is not run again.",
    )
    parser.add_argument("workloads", nargs="*", help=f"of {names}; all by default")
    parser.add_argument("--rows", type=int, default=100_000_000, help="of each table")
    parser.add_argument("--limits", type=int, nargs="+", default=[2048, 512], help="MiB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=list(workload.ENGINES))
    parser.add_argument("--timeout", type=float, default=1200, help="seconds a run may take")
    parser.add_argument("--temp-gb", type=float, default=15, help="files a run may write")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--most", type=int, default=1_000_000, help="runs now; 0: only the tables")
    parser.add_argument("--results", type=Path, default=CACHE / "outofcore.jsonl")
    parser.add_argument("--write", action="store_true", help="the tables into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    for given, known in (
        (options.workloads, questions.QUESTIONS),
        (options.engines, workload.ENGINES),
    ):
        if unknown := [word for word in given if word not in known]:
            parser.error(f"expected some of {', '.join(known)}, got {', '.join(unknown)}")
    if options.rows < 100 or min(options.limits) < 1 or options.threads < 1:
        parser.error("expected --rows of 100 or more, --limits and --threads of 1 or more")
    options.workloads = options.workloads or list(questions.QUESTIONS)
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(ending: watch.Ending) -> None:
    """How the run is going, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(
            f"\r\x1b[K{ending.seconds:6.0f} s, {ending.anonymous >> 20} MiB,"
            f" {ending.temp >> 20} MiB of files\r"
        )
        sys.stderr.flush()


def told_bytes(limit_bytes: int) -> int:
    """What an engine is told to keep to: a tenth more is for what it does not count."""
    return max(int((limit_bytes - INTERPRETER_BYTES) / 1.1), limit_bytes // 4)


@dataclasses.dataclass(frozen=True)
class Run:
    workload: str
    engine: str
    limit_mib: int

    def __str__(self) -> str:
        return f"{self.workload}, {self.engine}, {self.limit_mib} MiB"


def runs(options: Any) -> list[Run]:
    return [
        Run(name, engine, limit)
        for limit in options.limits
        for name in options.workloads
        for engine in options.engines
    ]


def key(run: Run, options: Any) -> results.Key:
    facts = {**dataclasses.asdict(run), "rows": options.rows, "threads": options.threads}
    return results.key(facts)


def version(engine: str) -> str:
    """Of headrace the commit of the tree."""
    if engine != "headrace":
        return importlib.metadata.version(engine)
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def temp_folder() -> Iterator[Path]:
    """A folder beside the data, gone at the end, also after Ctrl-C and kill."""
    folder = CACHE / f"outofcore-temp-{os.getpid()}"
    (folder / "spill").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def one_run(run: Run, files: dict[str, Path], options: Any) -> results.Result:
    limit_bytes = run.limit_mib << 20
    temp = int(options.temp_gb * 1e9)
    with temp_folder() as folder, limits.limited(limit_bytes) as limit:
        spill = folder / "spill"
        facts = {
            "workload": run.workload,
            "engine": run.engine,
            "threads": options.threads,
            "files": {name: str(path) for name, path in files.items()},
            "limit_bytes": limit_bytes,
            "told_bytes": told_bytes(limit_bytes),
            "temp_bytes": temp,
            "folder": str(spill),
            "group": str(limit.group or ""),
        }
        command = [sys.executable, str(HERE / "measure.py"), json.dumps(facts)]
        bounds = watch.Bounds(limit, options.timeout, temp, spill)
        ending, line = watch.run(command, bounds, show)
        kept_by = limit.kept_by
    result = {
        **dataclasses.asdict(run),
        "rows": options.rows,
        "threads": options.threads,
        "told_mib": facts["told_bytes"] >> 20,
        "kept_by": kept_by,
        "version": version(run.engine),
        "at": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "outcome": ending.outcome,
        "detail": ending.detail,
        "process_seconds": round(ending.seconds, 3),
        "anonymous_mib": ending.anonymous >> 20,
        "resident_mib": ending.resident >> 20,
        "temp_mib": ending.temp >> 20,
    }
    return {**result, **json.loads(line)} if ending.outcome == "ok" else result


def told(result: results.Result) -> str:
    figures = (
        f"{result['anonymous_mib']} MiB anonymous, {result['resident_mib']} resident,"
        f" {result['temp_mib']} of files"
    )
    if result["outcome"] == "ok":
        return f"{result['seconds']:.2f} s, {figures}"
    ended = f"{result['outcome']} after {result['process_seconds']:.1f} s"
    return f"{ended}: {result['detail']}; {figures}"


def table_files(options: Any) -> dict[str, dict[str, Path]]:
    """The files of each workload; all are made before anything is timed."""
    from outofcore import tables

    CACHE.mkdir(parents=True, exist_ok=True)
    tables.sweep(CACHE)
    return {
        name: {
            table: tables.file(table, options.rows, CACHE, say)
            for table in questions.QUESTIONS[name].tables
        }
        for name in options.workloads
    }


def temp_room(options: Any) -> int:
    """Bytes that a run may write: as it was allowed, or five times what the table has."""
    return int(min(options.temp_gb * 1e9, options.rows * 256))


def work(options: Any) -> None:
    """Runs what is to be run. Every ending is a result, but that of the suite itself."""
    known = results.read(options.results)
    wanted = [run for run in runs(options) if options.again or key(run, options) not in known]
    wanted = wanted[: options.most]
    if not wanted:
        return
    files = table_files(options)
    from outofcore import tables

    for at, run in enumerate(wanted, 1):
        tables.require_room(CACHE, temp_room(options), "the files of a run")
        say(f"[{at}/{len(wanted)}] {run} …")
        result = one_run(run, files[run.workload], options)
        results.append(options.results, result)
        say(f"[{at}/{len(wanted)}] {run}: {told(result)}")


# -- tables


def cell(result: results.Result | None) -> str:
    if result is None:
        return "–"
    return f"{result['seconds']:.2f}" if result["outcome"] == "ok" else result["outcome"]


def amount(result: results.Result | None, name: str) -> str:
    return "–" if result is None else str(result[name])


def best_ratio(found: dict[str, results.Result | None]) -> float | None:
    """Seconds of the fastest peer over those of headrace, of those that came to an end."""
    seconds = {
        engine: result["seconds"]
        for engine, result in found.items()
        if result and result["outcome"] == "ok"
    }
    mine = seconds.pop("headrace", None)
    return min(seconds.values()) / mine if mine and seconds else None


def table(limit: int, options: Any, known: dict[results.Key, results.Result]) -> list[str]:
    from harness import compare

    engines = options.engines
    names = [
        "workload",
        *(f"{engine} s" for engine in engines),
        "best peer ÷ headrace",
        *(f"{engine} MiB" for engine in engines),
        *(f"{engine} files MiB" for engine in engines),
    ]
    rule = "|---" + "|---:" * (len(names) - 1) + "|"
    lines, ratios, kept_by = [], [], set()
    for name in options.workloads:
        found = {
            engine: known.get(key(Run(name, engine, limit), options)) for engine in engines
        }
        kept_by |= {result["kept_by"] for result in found.values() if result}
        ratio = best_ratio(found)
        ratios += [ratio] if ratio else []
        cells = [
            name,
            *map(cell, found.values()),
            compare.cell(ratio),
            *(amount(result, "anonymous_mib") for result in found.values()),
            *(amount(result, "temp_mib") for result in found.values()),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    title = (
        f"**{options.rows:,} rows, {limit} MiB (kept by: {', '.join(sorted(kept_by)) or '–'}),"
        f" {options.threads} threads**"
    )
    closing = []
    if ratios:
        mean, least = compare.geometric_mean(ratios), min(ratios)
        closing = ["", f"Best peer ÷ headrace: geometric mean {mean:.2f}, least {least:.2f}"]
    return [title, "", "| " + " | ".join(names) + " |", rule, *lines, *closing, ""]


def problems(options: Any, known: dict[results.Key, results.Result]) -> list[str]:
    """headrace did not come to an end, or answers differ, also those under other limits."""
    chosen = [known[key(run, options)] for run in runs(options) if key(run, options) in known]
    failed = [
        f"{result['workload']} at {result['limit_mib']} MiB: {told(result)}"
        for result in chosen
        if result["engine"] == "headrace" and result["outcome"] != "ok"
    ]
    same_rows = [
        result
        for result in known.values()
        if result["rows"] == options.rows and result["workload"] in options.workloads
    ]
    return failed + results.differences(same_rows)


def stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    from harness import compare

    options = parse(arguments)
    signal.signal(signal.SIGTERM, stop)
    try:
        work(options)
    except KeyboardInterrupt:
        say("bench: stopped; the results so far are kept, the same command goes on")
        return 130
    except OSError as error:
        say(f"bench: {error}")
        return 1
    known = results.read(options.results)
    lines = [line for limit in options.limits for line in table(limit, options, known)]
    print("\n".join(lines))
    found = problems(options, known)
    for problem in found:
        say(f"bench: {problem}")
    if options.write:
        DOCS.write_text(compare.written(DOCS.read_text(), ["outofcore"], lines))
    return 1 if found else 0
