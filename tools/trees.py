"""Configures and builds a tree, `build` (release) or `build-asan`, with its Python package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import machine

ROOT = machine.ROOT
MEMORY_PER_COMPILER = 2 << 30
FILES_PER_UNIT = 6  # of the sanitized tree
# Arrow's own allocators would hide its buffers from the sanitizers.
SANITIZED = {"ARROW_DEFAULT_MEMORY_POOL": "system", "UBSAN_OPTIONS": "print_stacktrace=1"}


def tree(asan=False):
    return ROOT / ("build-asan" if asan else "build")


def job_count():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // MEMORY_PER_COMPILER))


def cmake_arguments(asan):
    switch = "ON" if asan else "OFF"
    # Several files compile as one in half the time; the release tree sees that each stands alone.
    unity = ["-DCMAKE_UNITY_BUILD=ON", f"-DCMAKE_UNITY_BUILD_BATCH_SIZE={FILES_PER_UNIT}"]
    return [
        f"-DPython_EXECUTABLE={machine.PYTHON}",
        "-DCMAKE_BUILD_TYPE=Release",
        f"-DHEADRACE_SANITIZE={switch}",
        f"-DHEADRACE_WERROR={switch}",
        *(unity if asan else []),
    ]


def configure(folder, arguments):
    """Runs cmake where it has not run with these arguments; ninja repeats it when need be."""
    stamp = folder / ".configured"
    cache = folder / "CMakeCache.txt"
    # Where this file is left by a wheel build, the next one would throw every object file away.
    (folder / ".skbuild-info.json").unlink(missing_ok=True)
    # A wheel build shares the tree and may have pointed it at another Python.
    if cache.exists() and f"={machine.PYTHON}\n" not in cache.read_text():
        cache.unlink()
    same = stamp.exists() and stamp.read_text() == "\n".join(arguments)
    if same and cache.exists() and (folder / "build.ninja").exists():
        return
    stamp.unlink(missing_ok=True)
    command = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\ndev: cmake failed in {folder}")
    stamp.write_text("\n".join(arguments))


def lay_out_python(folder):
    """Links the hand-written files of python/headrace beside the compiled module."""
    source = ROOT / "python" / "headrace"
    package = folder / "python" / "headrace"
    if not source.is_dir():
        return
    package.mkdir(parents=True, exist_ok=True)
    wanted = {path.name: path for path in source.iterdir() if path.name != "__pycache__"}
    for link in package.iterdir():
        if link.is_symlink() and link.name not in wanted:
            link.unlink()
    for name, path in wanted.items():
        link = package / name
        if not link.is_symlink() or os.readlink(link) != str(path):
            link.unlink(missing_ok=True)
            link.symlink_to(path)


def ninja_name(target, folder):
    """A source file stands for its object, or for that of the unit which includes it."""
    if not target.endswith(".cc"):
        return target
    for unit in folder.glob("CMakeFiles/*/Unity/*.cxx"):
        if f'"{ROOT / target}"' in unit.read_text():
            return f"{unit.relative_to(folder)}.o"
    return f"{ROOT / target}^"


def build(targets=(), asan=False, keep_going=False, quiet=False):
    """Builds `targets` (everything by default). Returns ninja's exit code."""
    machine.set_up()
    folder = tree(asan)
    with machine.locked(folder / ".lock", "another build"):
        configure(folder, cmake_arguments(asan))
        lay_out_python(folder)
        names = [ninja_name(target, folder) for target in targets]
        command = ["ninja", "-C", str(folder), f"-j{job_count()}", *names]
        if keep_going:
            command += ["-k", "0"]
        if quiet:
            command += ["--quiet"]
        return subprocess.run(command).returncode


def known_targets(asan=False):
    machine.set_up()
    folder = tree(asan)
    with machine.locked(folder / ".lock", "another build"):
        configure(folder, cmake_arguments(asan))
        # Regenerates first, so that a file added a moment ago counts.
        subprocess.run(["ninja", "-C", str(folder), "build.ninja"], capture_output=True)
        command = ["ninja", "-C", str(folder), "-t", "targets", "all"]
        listing = subprocess.run(command, capture_output=True, text=True).stdout
    return {line.rsplit(":", 1)[0] for line in listing.splitlines()}


def unit_tests(asan=False):
    """Names of the unit test executables, one per room that has tests."""
    return sorted(name for name in known_targets(asan) if re.fullmatch(r"[a-z0-9]+_test", name))


def require(targets=(), asan=False):
    if build(targets, asan):
        sys.exit(f"dev: the build failed: {' '.join(targets) or 'all'}")


def python_environment(asan=False):
    """Environment in which the venv's Python imports headrace from the given tree."""
    environment = dict(os.environ)
    if not asan:
        return environment
    environment["PYTHONPATH"] = str(tree(True) / "python")
    environment["HEADRACE_COMMAND"] = str(tree(True) / "headrace")
    preloaded = (runtime_library(name) for name in ("libasan.so", "libstdc++.so.6"))
    environment["LD_PRELOAD"] = " ".join(preloaded)
    # Allocations keep their caller only: the depot of whole stacks takes most of a long run.
    environment["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:malloc_context_size=1"
    environment.update(SANITIZED)
    return environment


def runtime_library(name):
    command = ["g++", f"-print-file-name={name}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return str(Path(answer.strip()).resolve())
