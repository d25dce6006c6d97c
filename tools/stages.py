"""The stages of `./dev test`: each runs one kind of test in one tree and counts the outcomes."""

import concurrent.futures
import json
import os
import re
import subprocess
import time
import xml.etree.ElementTree

import trees
import machine
import tidy

ROOT = machine.ROOT
EXECUTABLES_AT_ONCE = 2
EXECUTABLE_SECONDS_MAX = 1200
FUZZ_SECONDS = 10


def logs(asan):
    folder = trees.tree(asan) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_executable(command, log, environment=None):
    """Runs `command`, its output into the file `log`; returns the exit code or what went wrong."""
    with open(log, "w") as file:
        if not os.path.exists(command[0]):
            return "not built"
        try:
            return subprocess.run(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment,
                timeout=EXECUTABLE_SECONDS_MAX,
            ).returncode
        except subprocess.TimeoutExpired:
            return f"longer than {EXECUTABLE_SECONDS_MAX} s"


def sanitizer_environment():
    environment = dict(os.environ)
    environment["ASAN_OPTIONS"] = "detect_leaks=1:strict_string_checks=1"
    environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return environment


def unit_test(name, asan):
    report = logs(asan) / f"{name}.json"
    log = logs(asan) / f"{name}.log"
    report.unlink(missing_ok=True)
    command = [str(trees.tree(asan) / "unit" / name), f"--gtest_output=json:{report}"]
    code = run_executable(command, log, sanitizer_environment() if asan else None)
    passed = failed = 0
    if report.exists():
        counts = json.loads(report.read_text())
        cases = [case for suite in counts["testsuites"] for case in suite["testsuite"]]
        failed = sum("failures" in case for case in cases)
        passed = sum(case.get("result") == "COMPLETED" for case in cases) - failed
    if code != 0:
        failed = max(failed, 1)
        print(f"-- {name} failed ({code}); the end of {log.relative_to(ROOT)}:")
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-60:]))
    return passed, failed


def unit_tests(asan=False):
    names = trees.unit_tests(asan)
    with concurrent.futures.ThreadPoolExecutor(EXECUTABLES_AT_ONCE) as pool:
        return total(pool.map(lambda name: unit_test(name, asan), names))


def total(counts):
    passed = failed = 0
    for more_passed, more_failed in counts:
        passed += more_passed
        failed += more_failed
    return passed, failed


def pytest(arguments, asan=False):
    report = logs(asan) / "pytest.xml"
    report.unlink(missing_ok=True)
    command = [str(machine.PYTHON), "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    code = subprocess.run(command, cwd=ROOT, env=trees.python_environment(asan)).returncode
    if not report.exists():
        return 0, 1
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    count = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    return passed, max(failed, code not in (0, 5))


def scripts(arguments, asan=False):
    """tests/script/runner.py runs its configurations in one process and ends with the counts."""
    command = [str(machine.PYTHON), "tests/script/runner.py", *arguments]
    environment = trees.python_environment(asan)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    found = re.findall(r"^(\d+) passed, (\d+) failed", done.stdout, re.MULTILINE)
    passed, failed = map(int, found[-1]) if found else (0, 1)
    return passed, max(failed, done.returncode != 0)


def fuzz_one(name, arguments):
    log = logs(True) / f"{name}.log"
    command = [str(trees.tree(True) / "fuzz" / name), *arguments]
    code = run_executable(command, log, sanitizer_environment())
    if code != 0:
        print(f"-- {name} failed ({code}); the end of {log.relative_to(ROOT)}:")
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-60:]))
    return (0, 1) if code else (1, 0)


def fuzzers():
    return sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("*_fuzz.cc"))


def fuzz():
    arguments = ["--seconds", str(FUZZ_SECONDS)]
    with concurrent.futures.ThreadPoolExecutor(EXECUTABLES_AT_ONCE) as pool:
        return total(pool.map(lambda name: fuzz_one(name, arguments), fuzzers()))


def build_stage(targets=(), asan=False):
    return (0, 1) if trees.build(targets, asan, keep_going=True, quiet=True) else (0, 0)


def plan(full, slow):
    """(name, function) of every stage whose files exist."""
    tiers = ["--full"] * full + ["--slow"] * slow
    has_scripts = (ROOT / "tests" / "script" / "runner.py").exists()
    stages = [("build", build_stage), ("unit", unit_tests)]
    if has_scripts:
        stages.append(("scripts", lambda: scripts(["--all-configs"] if full else [])))
    stages += [("pytest", lambda: pytest(tiers)), ("tidy", tidy.run)]
    if full:
        stages += [
            ("build, sanitized", lambda: build_stage(asan=True)),
            ("unit, sanitized", lambda: unit_tests(asan=True)),
        ]
        if has_scripts:
            stages.append(("scripts, sanitized", lambda: scripts([], asan=True)))
        if fuzzers():
            stages.append(("fuzz, build", lambda: build_stage(["fuzzers"], asan=True)))
            stages.append(("fuzz", fuzz))
    return stages


def run(full=False, slow=False):
    """Runs the stages and prints the summary. Returns the exit code."""
    rows = []
    for name, stage in plan(full, slow):
        print(f"== {name}", flush=True)
        start = time.monotonic()
        passed, failed = stage()
        rows.append((name, passed, failed, time.monotonic() - start))
    print(f"\n{'stage':<20} {'passed':>8} {'failed':>8} {'seconds':>9}")
    for name, passed, failed, seconds in rows:
        print(f"{name:<20} {passed:>8} {failed:>8} {seconds:>9.1f}")
    passed, failed = total((passed, failed) for _, passed, failed, _ in rows)
    print(f"{'total':<20} {'':>8} {'':>8} {sum(row[3] for row in rows):>9.1f}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0
