"""What `./dev build FILE.cc` builds in a tree of single files and in one of units."""

from __future__ import annotations

from pathlib import Path

import trees

FILE = "src/headrace/sql/lexer.cc"


def unit(folder: Path, *files: str) -> None:
    path = folder / "CMakeFiles" / "headrace_sql.dir" / "Unity" / "unity_0_cxx.cxx"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f'#include "{trees.ROOT / file}"\n' for file in files))


def test_a_file_stands_for_its_object(tmp_path: Path) -> None:
    unit(tmp_path, "src/headrace/sql/parser.cc")
    assert trees.ninja_name(FILE, tmp_path) == f"{trees.ROOT / FILE}^"
    assert trees.ninja_name("exec_test", tmp_path) == "exec_test"


def test_a_file_stands_for_its_unit(tmp_path: Path) -> None:
    unit(tmp_path, "src/headrace/sql/parser.cc", FILE)
    expected = "CMakeFiles/headrace_sql.dir/Unity/unity_0_cxx.cxx.o"
    assert trees.ninja_name(FILE, tmp_path) == expected


def test_only_the_sanitized_tree_has_units() -> None:
    assert "-DCMAKE_UNITY_BUILD=ON" in trees.cmake_arguments(asan=True)
    assert not any("UNITY" in word for word in trees.cmake_arguments(asan=False))
