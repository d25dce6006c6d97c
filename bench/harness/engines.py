"""The engines, each behind the same calls; imported only in the process that measures it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class Engine:
    """`open_…` makes a table known; `answer` gives all rows, `batches` some at a time, and `write`
    puts them in a file."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def open_memory(self, name: str, table: pa.Table) -> None:
        raise NotImplementedError

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        raise NotImplementedError

    def answer(self, sql: str) -> pa.Table:
        raise NotImplementedError

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def write(self, sql: str, path: Path) -> None:
        raise NotImplementedError


class Headrace(Engine):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import headrace

        self.session = headrace.Session(threads=threads)

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.session.register(name, table)

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        self.session.register(name, self.session.scan(path))

    def answer(self, sql: str) -> pa.Table:
        return self.session.sql(sql).to_arrow()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        return iter(self.session.sql(sql))

    def write(self, sql: str, path: Path) -> None:
        self.session.sql(f"COPY ({sql}) TO '{path}'").to_arrow()


class DuckDb(Engine):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import duckdb

        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute("SET preserve_insertion_order = true")

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.connection.register("given", table)
        self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
        self.connection.unregister("given")

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        self.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_{suffix}('{path}')"
        )

    def answer(self, sql: str) -> pa.Table:
        return self.connection.sql(sql).to_arrow_table()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        yield from self.connection.sql(sql).to_arrow_reader(16384)

    def write(self, sql: str, path: Path) -> None:
        self.connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT {path.suffix[1:]})")


class Polars(Engine):
    """Runs with the streaming engine."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        import polars

        self.polars = polars
        self.context = polars.SQLContext()

    def open_memory(self, name: str, table: pa.Table) -> None:
        self.context.register(name, self.polars.from_arrow(table, rechunk=False).lazy())

    def open_file(self, name: str, path: Path, suffix: str) -> None:
        scan = self.polars.scan_csv if suffix == "csv" else self.polars.scan_parquet
        self.context.register(name, scan(path))

    def answer(self, sql: str) -> pa.Table:
        return self.context.execute(sql).collect(engine="streaming").to_arrow()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        for frame in self.context.execute(sql).collect_batches(engine="streaming"):
            yield from frame.to_arrow().to_batches()

    def write(self, sql: str, path: Path) -> None:
        plan = self.context.execute(sql)
        sink = plan.sink_csv if path.suffix == ".csv" else plan.sink_parquet
        sink(path, engine="streaming")


class DataFusion(Engine):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        os.environ["TOKIO_WORKER_THREADS"] = str(threads)
        import datafusion

        config = datafusion.SessionConfig().with_target_partitions(threads)
        self.context = datafusion.SessionContext(config)
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

    def answer(self, sql: str) -> pa.Table:
        return self.context.sql(sql).to_arrow_table()

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        for batch in self.context.sql(sql).execute_stream():
            yield batch.to_pyarrow()

    def write(self, sql: str, path: Path) -> None:
        frame = self.context.sql(sql)
        write = frame.write_csv if path.suffix == ".csv" else frame.write_parquet
        write(str(path))


CLASSES = {"headrace": Headrace, "duckdb": DuckDb, "polars": Polars, "datafusion": DataFusion}


def read_back(path: Path) -> pa.Table:
    """What was written, the rows of every file where `path` is a folder."""
    return pq.read_table(path)
