"""Runs every engine on every workload in turn, compares the answers and prints the table."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import workload

HERE = Path(__file__).resolve().parent
SUITES = "stream, outofcore"  # with options of their own
DOCS = HERE.parent.parent / "docs" / "benchmarks.md"


def one_run(benchmark: str, load: workload.Workload, engine: str, options: Any) -> dict[str, Any]:
    words = [benchmark, load.name, engine, options.rows, options.threads, options.repeats]
    command = [sys.executable, str(HERE / "measure.py"), *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        return {"error": f"timeout after {options.timeout:.0f} s"}
    if done.returncode:
        named = [line for line in done.stderr.splitlines() if "Error" in line]
        return {"error": (named or [done.stderr[-200:]])[-1][:200]}
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def same(left: list[Any], right: list[Any]) -> bool:
    """Sums of floats differ in their last digits by the order of addition."""
    return len(left) == len(right) and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) for a, b in zip(left, right)
    )


class Figures:
    """What the runs of one workload gave, by engine."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self.peak: dict[str, float] = {}
        self.answer: dict[str, list[Any]] = {}
        self.error: dict[str, str] = {}
        self.unspelled: tuple[str, ...] = ()

    def add(self, engine: str, facts: dict[str, Any]) -> None:
        if "error" in facts:
            self.error[engine] = facts["error"]
            return
        self.best[engine] = min(self.best.get(engine, math.inf), *facts["seconds"])
        self.peak[engine] = max(self.peak.get(engine, 0.0), facts["peak_mib"])
        self.answer[engine] = facts["answer"]

    def problems(self) -> list[str]:
        """headrace failed, or gave another answer than the first peer that gave one."""
        if "headrace" in self.error:
            return [self.error["headrace"]]
        mine = self.answer.get("headrace")
        peers = [engine for engine in self.answer if engine != "headrace"]
        if mine is None:
            return []
        return [
            f"{peer} answers otherwise: {self.answer[peer]}, headrace {mine}"
            for peer in peers
            if not same(mine, self.answer[peer])
        ]

    def seconds(self, engine: str) -> str:
        return "no spelling" if engine in self.unspelled else cell(self.best.get(engine), 3)

    def ratio(self, engines: list[str]) -> float | None:
        """Seconds of the fastest of `engines` over those of headrace: above 1 headrace is ahead."""
        times = [self.best[engine] for engine in engines if engine in self.best]
        return min(times) / self.best["headrace"] if times and "headrace" in self.best else None


def measure(benchmark: str, load: workload.Workload, options: Any) -> Figures:
    figures = Figures()
    figures.unspelled = load.unspelled
    engines = [engine for engine in options.engines if engine not in load.unspelled]
    for _ in range(options.rounds):
        for engine in engines:
            if engine not in figures.error:
                figures.add(engine, one_run(benchmark, load, engine, options))
        engines = engines[1:] + engines[:1]
    return figures


def cell(number: float | None, digits: int = 2) -> str:
    return "–" if number is None else f"{number:.{digits}f}"


def line(name: str, figures: Figures, engines: list[str]) -> str:
    peers = [engine for engine in engines if engine != "headrace"]
    cells = [figures.seconds(engine) for engine in engines]
    ratios = [cell(figures.ratio(["duckdb"])), cell(figures.ratio(peers))]
    peaks = [cell(figures.peak.get(engine), 0) for engine in engines]
    return "| " + " | ".join([name, *cells, *ratios, *peaks]) + " |"


def header(engines: list[str]) -> str:
    names = [
        "workload",
        *(f"{engine} s" for engine in engines),
        "DuckDB ÷ headrace",
        "best peer ÷ headrace",
        *(f"{engine} MiB" for engine in engines),
    ]
    rule = ["---", *["---:"] * (len(names) - 1)]
    return "| " + " | ".join(names) + " |\n|" + "|".join(rule) + "|"


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def closing(all_figures: list[Figures], engines: list[str]) -> str:
    peers = [engine for engine in engines if engine != "headrace"]
    parts = []
    for name, others in (("DuckDB", ["duckdb"]), ("the best peer", peers)):
        ratios = [ratio for figures in all_figures if (ratio := figures.ratio(others))]
        if ratios:
            mean, least = geometric_mean(ratios), min(ratios)
            parts.append(f"{name} ÷ headrace: geometric mean {mean:.2f}, least {least:.2f}")
    if gaps := sum("headrace" in figures.unspelled for figures in all_figures):
        parts.append(f"{gaps} of {len(all_figures)} have no spelling in headrace")
    return "; ".join(parts)


def parse(arguments: list[str]) -> Any:
    parser = argparse.ArgumentParser(prog="dev bench")
    parser.add_argument("benchmarks", nargs="*", help=f"all by default; also alone: {SUITES}")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the largest table")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="fresh processes of each engine")
    parser.add_argument("--repeats", type=int, default=3, help="runs within a process")
    parser.add_argument("--timeout", type=float, default=600, help="seconds a process may take")
    parser.add_argument("--engines", nargs="+", default=list(workload.ENGINES))
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    parser.add_argument("--write", action="store_true", help="the table into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    unknown = set(options.benchmarks) - set(workload.benchmarks())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(workload.benchmarks())}; alone: {SUITES}")
    return options


def written(text: str, benchmarks: list[str], lines: list[str]) -> str:
    """`text` with the table: between the marks of a benchmark that ran alone and has marks, else in
    place of all below the last mark."""
    table = "\n" + "\n".join(lines) + "\n"
    for benchmark in benchmarks if len(benchmarks) == 1 else []:
        mark = f"<!-- {benchmark}: written by ./dev bench {benchmark} --write -->\n"
        end = f"<!-- end of {benchmark} -->\n"
        if mark in text:
            before, rest = text.split(mark)
            return before + mark + table + "\n" + end + rest.split(end)[1]
    mark = "<!-- below: written by ./dev bench --write -->\n"
    return text.split(mark)[0] + mark + table


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    lines = [header(options.engines)]
    print(lines[0], flush=True)
    all_figures = []
    problems = []
    for benchmark in options.benchmarks or workload.benchmarks():
        for load in workload.load(benchmark):
            if options.only not in load.name:
                continue
            figures = measure(benchmark, load, options)
            all_figures.append(figures)
            problems += [f"{load.name}: {problem}" for problem in figures.problems()]
            lines.append(line(load.name, figures, options.engines))
            print(lines[-1], flush=True)
    lines += ["", closing(all_figures, options.engines)]
    print("\n".join(lines[-2:]))
    for problem in problems:
        print(f"bench: {problem}", file=sys.stderr)
    if options.write:
        DOCS.write_text(written(DOCS.read_text(), options.benchmarks, lines))
    return 1 if problems else 0
