"""`./dev new`: what it writes keeps the rules, compiles, and does not pass its own test."""

import subprocess

import pytest
import scaffold
import tidy

NAME = "my_thing"


@pytest.fixture(params=sorted(scaffold.KINDS))
def written(request, tmp_path):
    """A copy of the lists in an empty tree, with one addition of each kind."""
    plan = scaffold.KINDS[request.param]
    if plan.row:
        rows = tmp_path / plan.row_of
        rows.parent.mkdir(parents=True)
        rows.write_text((scaffold.ROOT / plan.row_of).read_text())
    assert scaffold.write(request.param, NAME, tmp_path) == 0
    return request.param, tmp_path


def sources(root):
    return [path for path in sorted(root.rglob("*")) if path.suffix in (".h", ".cc")]


def test_writes_source_test_and_row(written):
    kind, root = written
    names = [path.name for path in sources(root)]
    assert f"{NAME}_test.cc" in names
    assert not any("@" in path.read_text() for path in root.rglob("*") if path.is_file())
    plan = scaffold.KINDS[kind]
    if plan.row:
        before = (scaffold.ROOT / plan.row_of).read_text()
        assert (root / plan.row_of).read_text() == f"{before}{scaffold.fill(plan.row, NAME)}\n"


def test_keeps_the_rules(written):
    _, root = written
    files = [tidy.Source(str(p.relative_to(root)), p.read_text()) for p in sources(root)]
    for check in (tidy.check_width, tidy.check_header_comments, tidy.check_layers):
        assert list(check(files)) == []
    (root / ".clang-format").write_text((tidy.ROOT / ".clang-format").read_text())
    assert list(tidy.unformatted([str(path) for path in sources(root)])) == []


def test_touches_nothing_that_exists(written):
    kind, root = written
    before = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit, match="exists"):
        scaffold.write(kind, NAME, root)
    assert before == {path: path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["MyThing", "my-thing", "", "../x", "a__b"])
def test_refuses_other_names(name, tmp_path):
    with pytest.raises(SystemExit, match="snake_case"):
        scaffold.write("scalar", name, tmp_path)


@pytest.mark.full
def test_compiles(written):
    _, root = written
    arrow = next((scaffold.ROOT / "build").glob("pyarrow-*/include"))
    include = ["-I", str(root / "src"), "-I", str(scaffold.ROOT / "src"), "-isystem", str(arrow)]
    for path in sources(root):
        if path.suffix == ".cc":
            subprocess.run(["g++", "-std=c++20", "-fsyntax-only", *include, str(path)], check=True)
