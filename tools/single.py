"""What NAME means in `./dev one NAME`: unit tests of a room or part, a script, a pytest file."""

import re
from pathlib import Path

import machine

ROOT = machine.ROOT
SOURCES = ROOT / "src" / "headrace"


def is_script(name):
    return name.endswith(".test") or ((ROOT / name).is_dir() and "script" in Path(name).parts)


def is_pytest(name):
    return name == "-k" or ".py" in name or name.startswith("tests/")


def rooms():
    return sorted(path.name for path in SOURCES.iterdir() if path.is_dir())


def unit_test_files(name):
    """The files of a room or subfolder called `name` (csv), or one file (csv/reader, sort)."""
    files = sorted(SOURCES.rglob("*_test.cc"))
    if name in rooms():
        return [file for file in files if file.relative_to(SOURCES).parts[0] == name]
    name = name.removeprefix("src/headrace/").removesuffix(".cc").removesuffix("_test")
    wanted = Path(name).parts
    chosen = []
    for file in files:
        parts = file.relative_to(SOURCES).with_name(file.stem.removesuffix("_test")).parts
        runs = (parts[i : i + len(wanted)] for i in range(len(parts)))
        if wanted in runs:
            chosen.append(file)
    return chosen


def gtest_filter(files):
    """A --gtest_filter that selects the suites defined in `files`."""
    define = re.compile(r"^(?:TYPED_)?TEST(?:_[FP])?\(\s*(\w+)", re.MULTILINE)
    suites = dict.fromkeys(suite for file in files for suite in define.findall(file.read_text()))
    return ":".join(f"{suite}.*:*/{suite}.*:{suite}/*" for suite in suites)


def unit_test_command(name, folder, arguments):
    """(ninja target, command) for the unit tests called `name`, or None."""
    name = name.removesuffix("_test")
    files = unit_test_files(name)
    owners = {file.relative_to(SOURCES).parts[0] for file in files}
    if len(owners) != 1:
        return None
    target = f"{owners.pop()}_test"
    command = [str(folder / "unit" / target), *arguments]
    if name not in rooms() and not any(word.startswith("--gtest_filter") for word in arguments):
        command.append(f"--gtest_filter={gtest_filter(files)}")
    return target, command
