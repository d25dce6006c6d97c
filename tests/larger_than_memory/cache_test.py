"""The cache of tables and answers: made once, kept while there is room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from larger_than_memory.cache import Cache


def write_ten(path: Path) -> None:
    path.write_bytes(b"0123456789")


def test_a_file_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = cache.file("a.parquet", 10, write_ten)
    assert path.read_bytes() == b"0123456789"
    assert cache.file("a.parquet", 10, lambda path: pytest.fail("made again")) == path
    assert cache.value("answer", lambda: {"rows": 1}) == {"rows": 1}
    assert cache.value("answer", lambda: {"rows": 2}) == {"rows": 1}


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, bytes_max=25)
    for at, name in enumerate(["a", "b"]):
        os.utime(cache.file(f"{name}.parquet", 10, write_ten), (at, at))
    cache.file("a.parquet", 10, write_ten)
    cache.file("c.parquet", 10, write_ten)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "c.parquet"]


def test_a_file_that_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        write_ten(path)
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        Cache(tmp_path).file("a.parquet", 10, fail)
    with pytest.raises(OSError, match="bytes free"):
        Cache(tmp_path).file("a.parquet", 1 << 60, write_ten)
    assert list(tmp_path.iterdir()) == []
