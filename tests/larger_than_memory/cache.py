"""Files that are made once and kept: tables, DuckDB's answers, and results of the matrix."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Cache:
    """A folder of at most `bytes_max`: what was not used for longest makes room for what comes."""

    folder: Path
    bytes_max: int = 25 * GIB

    def file(self, name: str, bytes_at_most: int, write: Callable[[Path], None]) -> Path:
        """The file of this name, which `write` makes at the first call."""
        path = self.folder / name
        if path.exists():
            os.utime(path)
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make_room(bytes_at_most)
        part = self.folder / f"{name}-{os.getpid()}.part"
        try:
            write(part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def make_room(self, wanted: int) -> None:
        """Raises OSError where the disk has not so many bytes."""
        files = [(path, path.stat()) for path in self.folder.glob("*.parquet")]
        used = sum(facts.st_size for _, facts in files)
        for path, facts in sorted(files, key=lambda file: file[1].st_mtime):
            if used + wanted <= self.bytes_max:
                break
            path.unlink()
            used -= facts.st_size
        if (free := shutil.disk_usage(self.folder).free) < wanted:
            raise OSError(f"expected {wanted} bytes free in {self.folder}, got {free}")

    def value(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The JSON object of this name, made at the first call."""

        def write(path: Path) -> None:
            path.write_text(json.dumps(make()))

        value: dict[str, Any] = json.loads(self.file(f"{name}.json", 0, write).read_text())
        return value
