"""`./dev new KIND NAME`: the skeleton of an addition, with a test that fails until written.

The skeletons are the files of tools/new; @name@ and @Name@ in them stand for the name.
"""

import dataclasses
import re
import subprocess
import sys

import machine

ROOT = machine.ROOT
TEMPLATES = ROOT / "tools" / "new"
SOURCES = "src/headrace"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What an addition of one kind consists of."""

    files: dict  # template -> path, both with placeholders
    row_of: str  # the list that gets one more row
    row: str
    next_step: str


def function(kind):
    return Kind(
        files={
            f"{kind}.cc.in": f"{SOURCES}/function/{kind}/@name@.cc",
            f"{kind}_test.cc.in": f"{SOURCES}/function/{kind}/@name@_test.cc",
        },
        row_of=f"{SOURCES}/function/list.inc",
        row="HEADRACE_FUNCTION(k@Name@)",
        next_step="write the kernel and the examples until ./dev one function passes, ./dev gen",
    )


KINDS = {
    "scalar": function("scalar"),
    "aggregate": function("aggregate"),
    "ordered": function("ordered"),
    "operator": Kind(
        files={
            "operator.h.in": f"{SOURCES}/exec/op/@name@.h",
            "operator.cc.in": f"{SOURCES}/exec/op/@name@.cc",
            "operator_test.cc.in": f"{SOURCES}/exec/op/@name@_test.cc",
        },
        row_of="",
        row="",
        next_step="write it until ./dev one op/@name@ passes; a plan node that lowers to it gets a "
        "row in exec/op/list.inc",
    ),
    "format": Kind(
        files={
            "format_reader.cc.in": f"{SOURCES}/format/@name@/reader.cc",
            "format_writer.cc.in": f"{SOURCES}/format/@name@/writer.cc",
            "format_test.cc.in": f"{SOURCES}/format/@name@/@name@_test.cc",
            "format.md.in": "docs/formats/@name@.md",
        },
        row_of=f"{SOURCES}/format/list.inc",
        row='HEADRACE_FORMAT(@Name@, "@name@", "@name@", false)',
        next_step="describe the bytes, then write it until ./dev one @name@ passes",
    ),
}


def fill(text, name):
    pascal = "".join(word.capitalize() for word in name.split("_"))
    return text.replace("@name@", name).replace("@Name@", pascal)


def write(kind, name, root=ROOT):
    """Writes the files and the row; returns an exit code. Nothing that exists is touched."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        sys.exit(f"dev new: expected a name in snake_case, got {name!r}")
    plan = KINDS[kind]
    files = {root / fill(path, name): TEMPLATES / template for template, path in plan.files.items()}
    for path in files:
        if path.exists():
            sys.exit(f"dev new: {path.relative_to(root)} exists")
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(template.read_text(), name))
        print(f"wrote {path.relative_to(root)}")
    # Where lines break depends on the length of the name.
    sources = [str(path) for path in files if path.suffix in (".h", ".cc")]
    formatter = [machine.VENV / "bin" / "clang-format", f"--style=file:{ROOT / '.clang-format'}"]
    subprocess.run([*formatter, "-i", *sources], check=True)
    if plan.row:
        rows = root / plan.row_of
        rows.write_text(f"{rows.read_text()}{fill(plan.row, name)}\n")
        print(f"one row more in {plan.row_of}")
    print(f"next: {fill(plan.next_step, name)}")
    return 0
