"""The engines, each behind the same calls; imported only in the process that measures it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


# SQL, or a function from what the engine's own methods start at to the engine's own lazy answer:
# headrace's session, Polars' frames by name.
Query = str | Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Budget:
    """What an engine is told: bytes of memory, bytes of disk, and the folder to spill to."""

    memory: int
    disk: int
    folder: Path


class Engine:
    """`open_…` makes a table known; `answer` gives all rows, `batches` some at a time, and `write`
    puts them in a file. Only headrace and Polars take queries that are no SQL."""

    def __init__(self, threads: int, budget: Budget | None = None) -> None:
        self.threads = threads

    def open_memory(self, name: str, table: pa.Table) -> None:
        raise NotImplementedError

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        raise NotImplementedError

    def answer(self, query: Query) -> pa.Table:
        raise NotImplementedError

    def batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def write(self, query: Query, path: Path) -> None:
        raise NotImplementedError


class Headrace(Engine):
    def __init__(self, threads: int, budget: Budget | None = None) -> None:
        super().__init__(threads)
        import headrace

        told: dict[str, Any] = {}
        if budget:
            told = {"memory_limit": budget.memory, "spill_limit": budget.disk}
            told["temp_dir"] = budget.folder
        self.session = headrace.Session(threads=threads, **told)

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.session.register(name, table)

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        self.session.register(name, self.session.scan(path))

    def answer(self, query: Query) -> pa.Table:
        return self.cursor(query).to_arrow()

    def cursor(self, query: Query) -> Any:
        return self.session.sql(query) if isinstance(query, str) else query(self.session)

    def batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        return iter(self.cursor(query))

    def write(self, query: Query, path: Path) -> None:
        self.session.sql(f"COPY ({query}) TO '{path}'").to_arrow()


class DuckDb(Engine):
    """With a budget it need not keep the order of rows, as its guide for large data advises."""

    def __init__(self, threads: int, budget: Budget | None = None) -> None:
        super().__init__(threads)
        import duckdb

        told: dict[str, Any] = {}
        if budget:
            told = {"memory_limit": f"{budget.memory}B", "temp_directory": str(budget.folder)}
            told["max_temp_directory_size"] = f"{budget.disk}B"
        self.connection = duckdb.connect(config={"threads": threads, **told})
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute(f"SET preserve_insertion_order = {not budget}")

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.connection.register("given", table)
        self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        self.connection.unregister("given")

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_{suffix}('{path}')"
        )

    def answer(self, query: Query) -> pa.Table:
        return self.connection.sql(query).to_arrow_table()

    def batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        yield from self.connection.sql(query).to_arrow_reader(16384)

    def write(self, query: Query, path: Path) -> None:
        self.connection.execute(f"COPY ({query}) TO '{path}' (FORMAT {path.suffix[1:]})")


class Polars(Engine):
    """Runs with the streaming engine."""

    def __init__(self, threads: int, budget: Budget | None = None) -> None:
        super().__init__(threads)
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        if budget:
            os.environ["POLARS_OOC_MEMORY_BUDGET_MB"] = str(budget.memory // 1_000_000)
            os.environ["POLARS_OOC_DISK_BUDGET_MB"] = str(budget.disk // 1_000_000)
            os.environ["POLARS_OOC_SPILL_DIR"] = str(budget.folder)
            os.environ["POLARS_TEMP_DIR"] = str(budget.folder)
        import polars

        self.polars = polars
        self.context = polars.SQLContext()
        self.frames: dict[str, Any] = {}

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.frames[name] = self.polars.from_arrow(table, rechunk=False).lazy()
        self.context.register(name, self.frames[name])

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        scan = self.polars.scan_csv if suffix == "csv" else self.polars.scan_parquet
        self.frames[name] = scan(path)
        self.context.register(name, self.frames[name])

    def plan(self, query: Query) -> Any:
        return self.context.execute(query) if isinstance(query, str) else query(self.frames)

    def answer(self, query: Query) -> pa.Table:
        return self.plan(query).collect(engine="streaming").to_arrow()

    def batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        for frame in self.plan(query).collect_batches(engine="streaming"):
            yield from frame.to_arrow().to_batches()

    def write(self, query: Query, path: Path) -> None:
        plan = self.plan(query)
        sink = plan.sink_csv if path.suffix == ".csv" else plan.sink_parquet
        sink(path, engine="streaming")


class DataFusion(Engine):
    def __init__(self, threads: int, budget: Budget | None = None) -> None:
        super().__init__(threads)
        os.environ["TOKIO_WORKER_THREADS"] = str(threads)
        import datafusion

        config = datafusion.SessionConfig().with_target_partitions(threads)
        runtime = datafusion.RuntimeEnvBuilder()
        if budget:
            runtime = runtime.with_fair_spill_pool(budget.memory)
            runtime = runtime.with_disk_manager_specified(str(budget.folder))
        self.context = datafusion.SessionContext(config, runtime)
        self.opened: set[str] = set()

    def open_memory(self, name: str, table: pa.Table) -> None:
        batches = table.to_batches(max_chunksize=8192)
        half = -(-len(batches) // self.threads)
        parts = [batches[at : at + half] for at in range(0, len(batches), half)]
        self.context.register_record_batches(name, parts or [batches])

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        if name in self.opened:
            self.context.deregister_table(name)
        self.opened.add(name)
        register = (
            self.context.register_csv if suffix == "csv" else self.context.register_parquet
        )
        register(name, str(path))

    def answer(self, query: Query) -> pa.Table:
        return self.context.sql(query).to_arrow_table()

    def batches(self, query: Query) -> Iterator[pa.RecordBatch]:
        for batch in self.context.sql(query).execute_stream():
            yield batch.to_pyarrow()

    def write(self, query: Query, path: Path) -> None:
        frame = self.context.sql(query)
        write = frame.write_csv if path.suffix == ".csv" else frame.write_parquet
        write(str(path))


CLASSES = {"headrace": Headrace, "duckdb": DuckDb, "polars": Polars, "datafusion": DataFusion}


def read_back(path: Path) -> pa.Table:
    """What was written, the rows of every file where `path` is a folder."""
    return pq.read_table(path)
