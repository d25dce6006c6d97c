"""Workload: one query over generated tables, said once in SQL for every engine."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.engines import Query

FOLDER = Path(__file__).resolve().parent.parent / "workloads"
ENGINES = ("headrace", "duckdb", "polars", "datafusion")


@dataclasses.dataclass(frozen=True)
class Workload:
    """`tables` maps the names that `sql` uses to data sets (harness/data.py).

    `medium`: "memory" (each engine's own form, loaded before the clock starts) or a file format
    ("csv", "parquet") that is opened, and where need be sniffed, while the clock runs. With
    `writes` the answer goes into a file of that format; without, it is an Arrow table in memory.
    `ordered`: the order of rows is part of the answer. `sql_of` holds other spellings by engine,
    in SQL or the engine's own methods; an engine in `unspelled` has none, and is not run.
    With `batch_sum` nobody holds the answer: it is read batch by batch, each is looked at (this
    column of it is summed), and let go.
    """

    name: str
    sql: str
    tables: dict[str, str]
    medium: str = "memory"
    writes: str = ""
    ordered: bool = False
    batch_sum: str = ""
    sql_of: dict[str, Query] = dataclasses.field(default_factory=dict)
    unspelled: tuple[str, ...] = ()

    def query(self, engine: str) -> Query:
        return self.sql_of.get(engine, self.sql)


def benchmarks() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def load(benchmark: str) -> list[Workload]:
    """The WORKLOADS of bench/workloads/<benchmark>.py."""
    spec = importlib.util.spec_from_file_location(benchmark, FOLDER / f"{benchmark}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.WORKLOADS)
