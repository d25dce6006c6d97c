"""Runs `headrace_gen`, which writes generated files to a folder, and compares with the tree.

The generator takes the output folder as its one argument and writes files at their paths in the
repository. Each starts with a comment that says it was generated, so that tidy leaves it alone. The
stub of the compiled module comes from the module itself.
"""

import subprocess
import tempfile
from pathlib import Path

import trees
import machine

ROOT = machine.ROOT
STUB = "python/headrace/_headrace.pyi"

def generator():
    return trees.tree() / "headrace_gen"


def build():
    """Whether the generator and the module are built from the sources as they are."""
    return trees.build(["headrace_gen", "_headrace"], quiet=True) == 0


def outputs():
    """{path in the repository: text} of everything generated."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(generator()), folder], check=True)
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        texts = {str(path.relative_to(folder)): path.read_text() for path in files}
    return {**texts, STUB: stub_text()}


def stub_text():
    """The types of the compiled module, told by the module itself."""
    command = [str(machine.PYTHON), "tools/stub.py"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def stale_files(texts):
    """Paths whose checked-in text is not that of `texts`."""
    return [path for path, text in texts.items() if current(path) != text]


def current(path):
    file = ROOT / path
    return file.read_text() if file.exists() else None


def write():
    """Brings the tree up to date; returns (all paths, those changed)."""
    texts = outputs()
    changed = [path for path, text in texts.items() if current(path) != text]
    for path in changed:
        file = ROOT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts[path])
    return sorted(texts), changed
