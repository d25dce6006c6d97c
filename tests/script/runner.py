"""Runs `.test` scripts in several worlds: `python tests/script/runner.py [FILES] [--all-configs]`.

`--complete` rewrites the answers of the files named, to be read before they are believed. The last
line counts the cases, once per world.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from script.running import Running, completed  # noqa: E402
from script.script_file import Script, ScriptError, read_script  # noqa: E402
from script.worlds import ALL_WORLDS, DEFAULT_WORLDS, World  # noqa: E402

FOLDER = Path(__file__).resolve().parent


def script_paths(named: list[str]) -> list[Path]:
    """The files named, those in folders named, or all."""
    paths = [Path(name) for name in named] or [FOLDER]
    found = [sorted(path.rglob("*.test")) if path.is_dir() else [path] for path in paths]
    return [path for group in found for path in group]


def run_script(script: Script, world: World, only: str) -> tuple[int, int]:
    """Runs the cases; prints what fails. Gives how many passed and failed."""
    running = Running(script, world)
    passed = failed = 0
    for case in script.cases:
        if only not in case.title:
            continue
        wrong = list(running.failures(case))
        for text in wrong:
            print(f"{script.path}:{case.line}: {case.title} {text}\n", flush=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    running.close()
    return passed, failed


def rewrite(script: Script) -> None:
    """Puts what the engine answers into the file."""
    running = Running(script, DEFAULT_WORLDS[0])
    lines = list(script.lines)
    for case in reversed(script.cases):
        answer = completed(case, running)
        if case.answer is not None:
            lines[case.answer.first : case.answer.end] = answer
        else:
            blank = (i for i in range(case.line, len(lines)) if not lines[i].strip())
            end = next(blank, len(lines))
            lines[end:end] = answer
    running.close()
    script.path.write_text("\n".join(lines) + "\n")
    print(f"{script.path}: {len(script.cases)} answers written; read them before you believe them")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="runner.py", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or folders; all scripts by default")
    parser.add_argument("--all-configs", action="store_true", help="every world")
    parser.add_argument("--complete", action="store_true", help="rewrite the answers")
    parser.add_argument("-k", default="", metavar="TEXT", help="only cases whose title has TEXT")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    worlds = ALL_WORLDS if options.all_configs else DEFAULT_WORLDS
    passed = failed = 0
    for path in script_paths(options.paths):
        try:
            script = read_script(path)
        except ScriptError as error:
            print(error)
            failed += 1
            continue
        if options.complete:
            rewrite(script)
            continue
        for world in worlds:
            counts = run_script(script, world, options.k)
            passed, failed = passed + counts[0], failed + counts[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
