"""The stages of `./dev test`: each runs one kind of test in one tree and counts the outcomes."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import typing
import xml.etree.ElementTree

import trees
import machine
import tidy

ROOT = machine.ROOT
EXECUTABLES_AT_ONCE = 2
EXECUTABLE_SECONDS_MAX = 1200
SUITE_SECONDS_MAX = 1500
FUZZ_SECONDS = 15
# What of the Python suite runs the engine in this process or starts its command.
SANITIZED_PYTEST = ["tests/python", "tests/command_test.py", "tests/property", "tests/stream"]
# The target with planted bugs: it passes when the driver finds them.
CANARY = "canary_fuzz"


# What run_bounded has started, which a Ctrl-C ends; from then on it starts nothing.
running = set()
interrupted = threading.Event()


class Counts(typing.NamedTuple):
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def total(counts):
    return Counts(*map(sum, zip(Counts(), *counts)))


def logs(asan):
    folder = trees.tree(asan) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_bounded(command, seconds, environment, output=None):
    """Runs `command` with all it starts, for `seconds` at most, its output into the file `output`.

    Returns the exit code or what went wrong. What runs too long is asked for its stacks (SIGABRT,
    which Python's faulthandler answers) before it is killed.
    """
    if interrupted.is_set():
        return "interrupted"
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    running.add(process)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        time.sleep(1)
        return f"longer than {seconds} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.poll()
        running.discard(process)


def run_executable(command, log, environment=None):
    """Runs `command`, its output into the file `log`; returns the exit code or what went wrong."""
    with open(log, "w") as file:
        if not os.path.exists(command[0]):
            return "not built"
        return run_bounded(command, EXECUTABLE_SECONDS_MAX, environment, file)


def sanitizer_environment():
    environment = dict(os.environ, **trees.SANITIZED)
    environment["ASAN_OPTIONS"] = "detect_leaks=1:strict_string_checks=1"
    return environment


def show_end(name, code, log):
    print(f"-- {name} failed ({code}); the end of {log.relative_to(ROOT)}:")
    print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-60:]))


def unit_test(name, asan):
    report = logs(asan) / f"{name}.json"
    log = logs(asan) / f"{name}.log"
    report.unlink(missing_ok=True)
    command = [str(trees.tree(asan) / "unit" / name), f"--gtest_output=json:{report}"]
    code = run_executable(command, log, sanitizer_environment() if asan else None)
    passed = failed = skipped = 0
    if report.exists():
        suites = json.loads(report.read_text())["testsuites"]
        cases = [case for suite in suites for case in suite["testsuite"]]
        failed = sum("failures" in case for case in cases)
        passed = sum(case.get("result") == "COMPLETED" for case in cases) - failed
        skipped = len(cases) - passed - failed
    if code != 0:
        failed = max(failed, 1)
        show_end(name, code, log)
    return Counts(passed, failed, skipped)


def unit_tests(asan=False):
    names = trees.unit_tests(asan)
    with concurrent.futures.ThreadPoolExecutor(EXECUTABLES_AT_ONCE) as pool:
        return total(pool.map(lambda name: unit_test(name, asan), names))


def run_logged(command, log, asan):
    """Runs a suite of the venv's Python, then prints its output, which the file `log` keeps."""
    with open(log, "w") as file:
        code = run_bounded(command, SUITE_SECONDS_MAX, trees.python_environment(asan), file)
    print(log.read_text(errors="replace"), end="", flush=True)
    return code


def pytest(arguments, asan=False):
    report = logs(asan) / "pytest.xml"
    report.unlink(missing_ok=True)
    command = [str(machine.PYTHON), "-m", "pytest", "-q", "-rs", f"--junitxml={report}", *arguments]
    code = run_logged(command, logs(asan) / "pytest.log", asan)
    if not report.exists():
        print(f"-- pytest left no report: {code}", flush=True)
        return Counts(failed=1)
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    count = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    return Counts(passed, max(failed, code not in (0, 5)), count["skipped"])


def scripts(arguments, asan=False):
    """tests/script/runner.py runs its configurations in one process and ends with the counts."""
    command = [str(machine.PYTHON), "tests/script/runner.py", *arguments]
    log = logs(asan) / "scripts.log"
    code = run_logged(command, log, asan)
    text = log.read_text(errors="replace")
    found = re.findall(r"^(\d+) passed, (\d+) failed", text, re.MULTILINE)
    passed, failed = map(int, found[-1]) if found else (0, 1)
    if isinstance(code, str):
        print(f"-- scripts: {code}")
    return Counts(passed, max(failed, code != 0))


def types():
    """The Python package under `mypy --strict`."""
    command = [str(machine.PYTHON), "-m", "mypy", "--strict", "python/headrace"]
    return Counts(1, 0) if subprocess.run(command, cwd=ROOT).returncode == 0 else Counts(0, 1)


def tidiness():
    return Counts(*tidy.run())


def fuzz_one(name, arguments):
    """One target is one test. The canary has to fail with a failing input in its report."""
    log = logs(True) / f"{name}.log"
    command = [str(trees.tree(True) / "fuzz" / name), *arguments]
    code = run_executable(command, log, sanitizer_environment())
    text = log.read_text(errors="replace")
    print("".join(re.findall(rf"^{name}: .*\n", text, re.MULTILINE)), end="", flush=True)
    as_wanted = code == 0 if name != CANARY else code == 1 and "bytes fail too" in text
    if not as_wanted:
        show_end(name, code, log)
    return Counts(1, 0) if as_wanted else Counts(0, 1)


def fuzzers():
    return sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("*_fuzz.cc"))


def fuzz():
    arguments = ["--seconds", str(FUZZ_SECONDS)]
    with concurrent.futures.ThreadPoolExecutor(EXECUTABLES_AT_ONCE) as pool:
        return total(pool.map(lambda name: fuzz_one(name, arguments), fuzzers()))


def build_stage(targets=(), asan=False):
    return Counts(failed=int(trees.build(targets, asan, keep_going=True, quiet=True) != 0))


def plan(full, slow):
    """Lists of stages, (name, function); those of one list run at once, each on one core."""
    tiers = ["--full"] * full + ["--slow"] * slow
    steps = [
        [("build", build_stage)],
        [("unit", unit_tests)],
        [
            ("scripts", lambda: scripts(["--all-configs"] if full else [])),
            ("pytest", lambda: pytest(tiers)),
        ],
        [("types", types), ("tidy", tidiness)],
    ]
    if full:
        steps += [
            [("build, sanitized", lambda: build_stage(asan=True))],
            [("unit, sanitized", lambda: unit_tests(asan=True))],
            [
                ("scripts, sanitized", lambda: scripts([], asan=True)),
                ("pytest, sanitized", lambda: pytest(SANITIZED_PYTEST, asan=True)),
            ],
            [("fuzz, build", lambda: build_stage(["fuzzers"], asan=True))],
            [("fuzz", fuzz)],
        ]
    return steps


def run_stage(name, stage):
    print(f"== {name}", flush=True)
    start = time.monotonic()
    counts = stage()
    seconds = time.monotonic() - start
    outcome = f"{counts.passed} passed, {counts.failed} failed"
    print(f"-- {name}: {outcome}, {seconds:.0f} s", flush=True)
    return name, counts, seconds


@contextlib.contextmanager
def ended_by_interrupt():
    try:
        yield
    except KeyboardInterrupt:
        interrupted.set()
        for process in list(running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise


def run(full=False, slow=False):
    """Runs the stages and prints the summary. Returns the exit code."""
    rows = []
    start = time.monotonic()
    for step in plan(full, slow):
        with concurrent.futures.ThreadPoolExecutor(len(step)) as pool, ended_by_interrupt():
            rows += pool.map(run_stage, *zip(*step))
    whole = time.monotonic() - start
    sums = total(counts for _, counts, _ in rows)
    rows.append(("total", sums, whole))
    print(f"\n{'stage':<20} {'passed':>8} {'failed':>8} {'skipped':>8} {'seconds':>9}")
    for name, counts, seconds in rows:
        cells = " ".join(f"{count:>8}" for count in counts)
        print(f"{name:<20} {cells} {seconds:>9.1f}")
    print(f"{sums.passed} passed, {sums.failed} failed", flush=True)
    return 1 if sums.failed or not sums.passed else 0
