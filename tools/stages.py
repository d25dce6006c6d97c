"""The stages of `./dev test`: each runs one kind of test in one tree and counts the outcomes.

The work of a stage is cut into jobs; those of stages that may run at once share the workers.
"""

import concurrent.futures
import contextlib
import functools
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
JOBS_AT_ONCE = 2
EXECUTABLE_SECONDS_MAX = 1200
SUITE_SECONDS_MAX = 1500
FUZZ_SECONDS = 15
# Unit tests that take long are cut into so many shards.
SHARDS = {"exec_test": 6, "engine_test": 2, "sql_test": 3}
# What of the Python suite runs the engine in this process or starts its command, in parts that
# take about as long.
SANITIZED_PYTEST = [["tests/python"], ["tests/property"], ["tests/stream", "tests/command_test.py"]]
# The target with planted bugs: it passes when the driver finds them.
CANARY = "canary_fuzz"


# What run_bounded has started, which a Ctrl-C ends; from then on it starts nothing.
running = set()
interrupted = threading.Event()


class Counts(typing.NamedTuple):
    passed: int = 0
    failed: int = 0
    skipped: int = 0


class Stage(typing.NamedTuple):
    name: str
    jobs: list  # functions that give Counts, those that take longest first


class Row(typing.NamedTuple):
    name: str
    counts: Counts
    seconds: float  # of all jobs together


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


def read_unit_report(report):
    if not report.exists():
        return Counts()
    suites = json.loads(report.read_text())["testsuites"]
    cases = [case for suite in suites for case in suite["testsuite"]]
    failed = sum("failures" in case for case in cases)
    passed = sum(case.get("result") == "COMPLETED" for case in cases) - failed
    return Counts(passed, failed, len(cases) - passed - failed)


def unit_test(name, asan, shard=0, shards=1):
    title = f"{name}-{shard + 1}" if shards > 1 else name
    report = logs(asan) / f"{title}.json"
    log = logs(asan) / f"{title}.log"
    report.unlink(missing_ok=True)
    command = [str(trees.tree(asan) / "unit" / name), f"--gtest_output=json:{report}"]
    environment = sanitizer_environment() if asan else dict(os.environ)
    environment |= {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}
    code = run_executable(command, log, environment)
    counts = read_unit_report(report)
    if code != 0:
        show_end(title, code, log)
        counts = counts._replace(failed=max(counts.failed, 1))
    return counts


def unit_tests(asan=False):
    """One job per executable, or per shard of it."""
    shards = {name: SHARDS.get(name, 1) for name in trees.unit_tests(asan)}
    return [
        functools.partial(unit_test, name, asan, shard, count)
        for name, count in sorted(shards.items(), key=lambda item: -item[1])
        for shard in range(count)
    ]


def run_logged(command, log, asan):
    """Runs a suite of the venv's Python, then prints its output, which the file `log` keeps."""
    with open(log, "w") as file:
        code = run_bounded(command, SUITE_SECONDS_MAX, trees.python_environment(asan), file)
    print(log.read_text(errors="replace"), end="", flush=True)
    return code


def pytest(arguments, part=1, asan=False):
    report = logs(asan) / f"pytest-{part}.xml"
    report.unlink(missing_ok=True)
    command = [str(machine.PYTHON), "-m", "pytest", "-q", "-rs", f"--junitxml={report}", *arguments]
    code = run_logged(command, logs(asan) / f"pytest-{part}.log", asan)
    if not report.exists():
        print(f"-- pytest left no report: {code}", flush=True)
        return Counts(failed=1)
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    count = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    return Counts(passed, max(failed, code not in (0, 5)), count["skipped"])


def pytest_parts(asan=False):
    """Paths of the Python suite in parts; in the release tree the last one is all the rest."""
    if asan:
        return SANITIZED_PYTEST
    named = [path for part in SANITIZED_PYTEST for path in part]
    return [*SANITIZED_PYTEST, ["tests", *(f"--ignore={path}" for path in named)]]


def pytest_jobs(options=(), asan=False):
    return [
        functools.partial(pytest, [*paths, *options], part, asan)
        for part, paths in enumerate(pytest_parts(asan), 1)
    ]


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


def fuzz_jobs():
    arguments = ["--seconds", str(FUZZ_SECONDS)]
    return [functools.partial(fuzz_one, name, arguments) for name in fuzzers()]


def build_stage(name, targets=(), asan=False):
    def build():
        failed = trees.build(targets, asan, keep_going=True, quiet=True) != 0
        return Counts(failed=int(failed))

    return Stage(name, [build])


def plan(full, slow):
    """Steps one after the other, each a list of stages whose jobs start in this order."""
    tiers = ["--full"] * full + ["--slow"] * slow
    yield [build_stage("build")]
    yield [
        Stage("pytest", pytest_jobs(tiers)),
        Stage("scripts", [lambda: scripts(["--all-configs"] if full else [])]),
        Stage("unit", unit_tests()),
    ]
    # Not beside the tests: one makes a wheel in the tree that tidy asks for generated files.
    yield [Stage("types", [types]), Stage("tidy", [tidiness])]
    if full:
        yield [build_stage("build, sanitized", ["all", "fuzzers"], asan=True)]
        yield [
            Stage("pytest, sanitized", pytest_jobs(asan=True)),
            Stage("scripts, sanitized", [lambda: scripts([], asan=True)]),
            Stage("unit, sanitized", unit_tests(asan=True)),
            Stage("fuzz", fuzz_jobs()),
        ]


class Progress:
    """Says when the first job of a stage starts and when the last has ended."""

    def __init__(self, stage):
        self.stage = stage
        self.lock = threading.Lock()
        self.started = False
        self.ended = []  # (counts, seconds) per job

    def run(self, job):
        with self.lock:
            if not self.started:
                print(f"== {self.stage.name}", flush=True)
            self.started = True
        start = time.monotonic()
        counts = job()
        with self.lock:
            self.ended.append((counts, time.monotonic() - start))
            if len(self.ended) == len(self.stage.jobs):
                print(self.outcome(), flush=True)

    def outcome(self):
        _, counts, seconds = self.row()
        text = f"-- {self.stage.name}: {counts.passed} passed, {counts.failed} failed"
        longest = max(seconds for _, seconds in self.ended)
        parts = f" in {len(self.ended)} jobs, the longest {longest:.0f} s"
        return f"{text}, {seconds:.0f} s" + parts * (len(self.ended) > 1)

    def row(self):
        counts = total(counts for counts, _ in self.ended)
        return Row(self.stage.name, counts, sum(seconds for _, seconds in self.ended))


@contextlib.contextmanager
def ended_by_interrupt(pool):
    try:
        yield
    except BaseException:
        interrupted.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise


def run_jobs(jobs):
    with concurrent.futures.ThreadPoolExecutor(JOBS_AT_ONCE) as pool, ended_by_interrupt(pool):
        for future in concurrent.futures.as_completed([pool.submit(job) for job in jobs]):
            future.result()


def run_step(stages):
    """Runs the jobs of all stages, some at once. Returns a row per stage."""
    progress = [Progress(stage) for stage in stages]
    run_jobs([functools.partial(one.run, job) for one in progress for job in one.stage.jobs])
    return [one.row() for one in progress]


def run(full=False, slow=False):
    """Runs the stages and prints the summary. Returns the exit code."""
    rows = []
    start = time.monotonic()
    for step in plan(full, slow):
        rows += run_step(step)
    whole = time.monotonic() - start
    sums = total(row.counts for row in rows)
    rows.append(Row("total, by the clock", sums, whole))
    print(f"\n{'stage':<20} {'passed':>8} {'failed':>8} {'skipped':>8} {'seconds':>9}")
    for name, counts, seconds in rows:
        cells = " ".join(f"{count:>8}" for count in counts)
        print(f"{name:<20} {cells} {seconds:>9.1f}")
    print(f"{sums.passed} passed, {sums.failed} failed", flush=True)
    return 1 if sums.failed or not sums.passed else 0
