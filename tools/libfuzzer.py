"""`./dev fuzz NAME --libfuzzer`: clang's libFuzzer, which sees what code an input reaches.

Its tree is build-fuzz; a target's corpus and failing inputs stay in build-fuzz/NAME_fuzz.
"""

import os
import shutil
import subprocess
import sys

import machine
import trees

TREE = machine.ROOT / "build-fuzz"


def compiler():
    names = ["clang++", *(f"clang++-{version}" for version in range(30, 14, -1))]
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        sys.exit("dev fuzz: --libfuzzer needs clang++ 15 or newer (Debian: clang-16)")
    return found


def build(target):
    """Builds `target` with clang; returns ninja's exit code."""
    machine.set_up()
    arguments = [
        *trees.cmake_arguments(asan=True),
        f"-DCMAKE_CXX_COMPILER={compiler()}",
        "-DHEADRACE_WERROR=OFF",
        "-DHEADRACE_LIBFUZZER=ON",
    ]
    with machine.locked(TREE / ".lock", "another build"):
        trees.configure(TREE, arguments)
        command = ["ninja", "-C", str(TREE), f"-j{trees.job_count()}", target]
        return subprocess.run(command).returncode


def run(target, arguments):
    """Builds and runs `target`; `arguments` go to libFuzzer. Returns its exit code."""
    if code := build(target):
        return code
    folder = TREE / target
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    executable = str(TREE / "fuzz" / target)
    environment = dict(os.environ, **trees.SANITIZED, HEADRACE_FUZZ_FOLDER=str(folder))
    # The first run only writes seeds and tokens: libFuzzer reads the tokens before its first input.
    subprocess.run([executable, "-runs=0"], env=environment, check=True, capture_output=True)
    command = [executable, f"-dict={folder / 'tokens.dict'}", f"-artifact_prefix={folder}/"]
    return subprocess.run([*command, *arguments, str(corpus)], env=environment).returncode
