"""Runs a question beside DuckDB: memory every 10 ms, a checksum of all rows, and their order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from larger_than_memory.cache import Cache
from larger_than_memory.questions import Question

MIB = 1 << 20
SAMPLE_SECONDS = 0.01
DUCKDB_MEMORY = "8GB"
CHILD = Path(__file__).with_name("measured.py")


@dataclasses.dataclass
class Answer:
    """`checksum`: a sum over the hashes of all rows, so their order is not in it; `disorder`: how
    often a row stands before one that it should come after."""

    rows: int
    checksum: int
    seconds: float = 0
    disorder: int = 0
    grown_bytes: int = 0
    metrics: dict[str, int] = dataclasses.field(default_factory=dict)


class Sampler(threading.Thread):
    """The highest anonymous memory of a process until it ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.ended = threading.Event()
        self.highest = 0

    def run(self) -> None:
        path = Path(f"/proc/{self.process.pid}/status")
        while not self.ended.wait(SAMPLE_SECONDS):
            text = path.read_text()
            if (start := text.find("RssAnon:")) >= 0:
                self.highest = max(self.highest, int(text[start + 8 :].split(None, 1)[0]) << 10)


def falls(columns: list[pa.Array], descending: bool) -> int:
    """How many rows come before one that should not follow them; keys have no nulls."""
    wrong, equal = None, None
    for column in columns:
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        less = pc.greater(after, before) if descending else pc.less(after, before)
        part = less if equal is None else pc.and_(equal, less)
        wrong = part if wrong is None else pc.or_(wrong, part)
        same = pc.equal(after, before)
        equal = same if equal is None else pc.and_(equal, same)
    return pc.sum(wrong).as_py() or 0


class Watched:
    """Batches on their way to the checksum."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.disorder = 0
        self.last: pa.RecordBatch | None = None

    def pass_on(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self.question.sorted_by and batch.num_rows:
                keys = batch.select(list(self.question.sorted_by))
                parts = [keys] if self.last is None else [self.last, keys]
                table = pa.Table.from_batches(parts).combine_chunks()
                columns = [column.combine_chunks() for column in table.columns]
                self.disorder += falls(columns, self.question.descending)
                self.last = keys.slice(batch.num_rows - 1)
            yield batch


def checksum(connection: Any, types: dict[str, str], relation: str) -> tuple[int, int]:
    columns = ", ".join(f'CAST("{name}" AS {kind})' for name, kind in types.items())
    sql = f"SELECT count(*), coalesce(sum(hash({columns})), 0) FROM {relation}"
    rows, total = connection.execute(sql).fetchone()
    return int(rows), int(total)


def open_duckdb(files: dict[str, str]) -> Any:
    temp = f"{Path(next(iter(files.values()))).parent}/duckdb-{os.getpid()}"
    connection = duckdb.connect(config={"memory_limit": DUCKDB_MEMORY, "temp_directory": temp})
    for name, path in files.items():
        connection.sql(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
    return connection


def types_of(connection: Any, sql: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {sql}").fetchall()}


def fingerprint(question: Question, files: dict[str, str]) -> str:
    """Of the question and of all rows of its tables."""
    names = sorted(Path(path).name for path in files.values())
    return hashlib.sha1(" ".join([question.sql, *names]).encode()).hexdigest()[:16]


def asked_of_duckdb(question: Question, files: dict[str, str]) -> dict[str, Any]:
    connection, sql = open_duckdb(files), question.sql
    started = time.monotonic()
    rows, total = checksum(connection, types_of(connection, sql), f"({sql})")
    return {"rows": rows, "checksum": total, "seconds": time.monotonic() - started}


def expected(question: Question, files: dict[str, str], cache: Cache) -> Answer:
    name = f"expected-{fingerprint(question, files)}"
    return Answer(**cache.value(name, lambda: asked_of_duckdb(question, files)))


def start(question: Question, files: dict[str, str], **session: Any) -> subprocess.Popen[bytes]:
    facts = {"sql": question.sql, "files": files, "session": session}
    command = [sys.executable, str(CHILD), json.dumps(facts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def read(process: subprocess.Popen[bytes], question: Question, files: dict[str, str]) -> Answer:
    connection = open_duckdb(files)
    watched = Watched(question)
    stream: IO[bytes] = process.stdout  # type: ignore[assignment]
    with pa.ipc.open_stream(stream) as batches:
        answer = pa.RecordBatchReader.from_batches(batches.schema, watched.pass_on(iter(batches)))
        connection.register("answer", answer)
        counted = checksum(connection, types_of(connection, question.sql), "answer")
    return Answer(*counted, disorder=watched.disorder)


def answer(question: Question, files: dict[str, str], **session: Any) -> Answer:
    """What headrace answers in a process of its own; raises with what it said when it fails."""
    started = time.monotonic()
    with start(question, files, **session) as process:
        sampler = Sampler(process)
        sampler.start()
        try:
            result = read(process, question, files)
        except pa.ArrowInvalid as error:
            result = Answer(0, 0)
            said = str(error)
        else:
            said = ""
        finally:
            sampler.ended.set()
        errors = process.stderr.read().decode() if process.stderr else ""
        sampler.join()
    if process.returncode != 0 or said:
        raise RuntimeError(f"{question.name}: {process.returncode} {said} {errors[-2000:]}")
    first, last = errors.splitlines()[0], errors.splitlines()[-1]
    result.grown_bytes = sampler.highest - int(first)
    result.metrics = json.loads(last)
    result.seconds = time.monotonic() - started
    return result
