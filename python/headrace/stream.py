"""Jobs: streaming SQL that keeps running in the background of this process.

    job = hr.stream.run("app.sql")               # or the text of the statements
    hr.sql("SELECT count(*) FROM positions")     # tables of the job, as they are now
    async for batch in job.results(): ...        # rows of a SELECT without a sink
    job.stop()                                   # one more checkpoint; a later run goes on there
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar, Union

import pyarrow as pa

from headrace import _headrace
from headrace.cursor import Cursor
from headrace.errors import (
    Error,
    InvalidArgumentError,
    IoError,
    NotFoundError,
    TypeMismatchError,
    UnknownNameError,
)
from headrace.memory_stream import MemoryStream
from headrace.names import advice
from headrace.session import Session, default_session

PathLike = Union[str, os.PathLike[str]]
Duration = Union[str, int, float]
Figures = TypeVar("Figures", "TableStatus", "QueryStatus", "Alert")

SECONDS_AT_EXIT_MAX = 10.0
RESULT_SECONDS_MAX = 0.2
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class TableStatus:
    """A table that the job fills."""

    name: str
    state: str
    """`waiting` for other tables, `loading`, `ready`, `failed`."""
    rows: int
    memory_bytes: int
    rows_read: int
    bytes_read: int
    rows_total: int | None
    bytes_total: int | None
    rows_per_second: float
    load_seconds: float
    eta_seconds: float | None
    """Until it is loaded, where the source knows how much there is."""
    retries: int
    rows_skipped: int
    """Rows of streams that came before the table was ready, by what became of them."""
    rows_with_defaults: int
    rows_with_nulls: int


@dataclass(frozen=True)
class QueryStatus:
    """A query of the job: one per sink and table, named after it."""

    name: str
    state: str
    """`waiting` for tables, `running`, `loaded`, `ended`, `failed`."""
    rows_in: int
    rows_out: int
    filtered_rows: int
    """Left out by conditions."""
    late_rows: int
    untimed_rows: int
    """Without a time, which no window takes."""
    rejected_rows: int
    """Could not be decoded."""


@dataclass(frozen=True)
class Alert:
    """A figure beyond its threshold."""

    query: str
    what: str
    value: float
    threshold: float
    text: str


@dataclass(frozen=True)
class JobStatus:
    """What a job tells of itself; at most 50 ms old while it runs."""

    name: str
    state: str
    """`starting`, `running`, `stopping`, `stopped`, `ended`, `failed`."""
    error: str | None
    epoch: int
    seconds: float
    dead_letters: int
    properties: dict[str, str]
    """What annotations of the statements say: `-- @version: 2`."""
    queries: dict[str, QueryStatus]
    tables: dict[str, TableStatus]
    alerts: list[Alert]


class Job:
    """A job that runs, or has ended. Thread safe.

    It goes on whether or not this object is kept: until its inputs end, `stop` is called, or the
    process ends, which stops it. `with hr.stream.run(…) as job:` stops it at the end of the block.
    """

    def __init__(self, handle: _headrace.Job, session: Session, name: str) -> None:
        self._handle = handle
        self._readers: set[str] = set()
        self.session = session
        self.name = name

    def status(self) -> JobStatus:
        """States and figures of the job, its queries and tables, and alerts."""
        told = dict(self._handle.status())
        queries = [figures(QueryStatus, one) for one in told.pop("queries")]
        tables = [figures(TableStatus, one) for one in told.pop("tables")]
        alerts = [figures(Alert, one) for one in told.pop("alerts")]
        return JobStatus(
            **told,
            queries={query.name: query for query in queries},
            tables={table.name: table for table in tables},
            alerts=alerts,
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._handle.wait(0)

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Waits until the job has ended; raises what it failed with.

        Raises TimeoutError when it runs on after `timeout` seconds, and InvalidArgumentError when
        it waits itself, for results that nobody reads. Ctrl-C ends the waiting, not the job.
        """
        return self._wait(timeout, self._check_results)

    def stop(self, timeout: float | None = None) -> JobStatus:
        """Stops the job after one more epoch, waits for its end, and raises what it failed with.

        Rows in work go to their sinks. With a state directory the next run goes on behind them.
        """
        self._handle.stop()
        return self._wait(timeout, lambda: None)

    def results(self, name: str | None = None) -> Results:
        """Rows of the SELECT without a sink, or the stream that no statement reads, called `name`.

        The name may be left out where there is one such query. Rows come once, whoever reads them;
        while many wait to be read (16 MiB) the query reads no more. `_change` is −1 in rows that
        are taken back.
        """
        names = self._handle.result_names()
        if name is None and len(names) != 1:
            raise InvalidArgumentError(
                f"the job has {len(names)} results: {', '.join(names)}; say which"
                if names
                else "the job has no results: every query writes to a sink or table"
            )
        chosen = names[0] if name is None else name
        if chosen not in names:
            raise UnknownNameError(self._no_results(chosen, names))
        self._readers.add(chosen)
        return Results(self._handle, chosen)

    @property
    def tables(self) -> LiveTables:
        """The tables of the job by name, as cursors over the rows of the moment they are read."""
        return LiveTables(self._handle, self.session)

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
            return
        self._handle.stop()  # the error of the block is the one to tell
        self._handle.wait(SECONDS_AT_EXIT_MAX)

    def __repr__(self) -> str:
        status = self.status()
        rows = ", ".join(f"{query.name}: {query.rows_out:,}" for query in status.queries.values())
        return f"<headrace.stream.Job {self.name} {status.state}; rows out: {rows or 'none'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Job cannot be pickled: it runs in this process")

    def _wait(self, timeout: float | None, check: Callable[[], None]) -> JobStatus:
        due = math.inf if timeout is None else time.monotonic() + timeout
        while not self._handle.wait(max(0.0, min(WAIT_SECONDS, due - time.monotonic()))):
            if time.monotonic() >= due:
                raise TimeoutError(f"job {self.name} runs on after {timeout} s")
            check()
        self._handle.raise_failure()
        return self.status()

    def _check_results(self) -> None:
        unread = set(self._handle.full_results()) - self._readers
        if unread:
            raise InvalidArgumentError(
                f"the job waits until its results are read: job.results({min(unread)!r})"
            )

    def _no_results(self, name: str, names: Sequence[str]) -> str:
        if name in self._handle.query_names():
            return (
                f"{name!r} has no results: its rows go to its sink or table; a SELECT without a "
                "sink has"
            )
        return f"no result is called {name!r}{advice(name, {}, names)}"


class Results:
    """Batches of a query as they come: `for batch in results` or `async for`.

    The end of the query ends the loop; a failure of the job is raised behind the last batch. A loop
    that is left may be taken up again: no batch is lost.
    """

    def __init__(self, handle: _headrace.Job, name: str) -> None:
        self._handle = handle
        self.name = name

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> pa.RecordBatch:
        while True:
            taken = self._handle.take_result(self.name)
            if taken is False:
                raise StopIteration
            if taken is not True:
                return pa.record_batch(taken)
            self._handle.wait_for_result(self.name, RESULT_SECONDS_MAX)

    def __aiter__(self) -> Results:
        return self

    async def __anext__(self) -> pa.RecordBatch:
        while True:
            taken = self._handle.take_result(self.name)
            if taken is False:
                raise StopAsyncIteration
            if taken is not True:
                return pa.record_batch(taken)
            wait = self._handle.wait_for_result
            await asyncio.to_thread(wait, self.name, RESULT_SECONDS_MAX)


class LiveTables(Mapping[str, Cursor]):
    """`job.tables["positions"]` is a cursor; every run of it reads the rows of that moment."""

    def __init__(self, handle: _headrace.Job, session: Session) -> None:
        self._tables = dict(handle.tables())
        self._handle = handle
        self._session = session

    def __getitem__(self, name: str) -> Cursor:
        table = self._tables.get(name)
        for known, found in self._tables.items():
            if table is None and known.lower() == name.lower():
                table = found
        if table is None:
            hint = advice(name, {}, self._tables)
            raise UnknownNameError(f"the job has no table {name!r}{hint}")
        return Cursor(self._session._handle.scan_table(table))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        shown = (
            f"{table['name']}: {table['rows']:,} rows, {table['state']}"
            for table in self._handle.status()["tables"]
        )
        return f"<tables of a job: {'; '.join(shown) or 'none'}>"


def run(
    application: PathLike,
    /,
    *,
    session: Session | None = None,
    state_dir: PathLike | bool | None = None,
    checkpoint_interval: Duration = 1,
    table_wait: Duration | None = None,
    alerts: Mapping[str, Any] | None = None,
    allow_rebuild: bool = False,
    drop_state: Sequence[str] = (),
    name: str | None = None,
) -> Job:
    """Starts the statements of `application`, a path (`app.sql`) or their text, and gives the job.

    Its streams and tables become names of `session` (the default one), which `hr.sql` may use; they
    stay when the job has ended, until another defines them. Queries without a sink are read by
    `Job.results`.

    state_dir: where checkpoints live, so that a later run goes on after a stop or a crash; by
        default `app.state` beside a file, none for a text; False: none.
    checkpoint_interval: seconds, or "500ms": between checkpoints, and so until rows are published.
    table_wait: how long queries wait for a table that says nothing itself (table.wait.timeout).
    alerts: thresholds: load_time and commit_age ("60s"), late_ratio, late_rows, dead_letters.
    name: of the job; by default what `-- @name: …` at the head of the statements says, or the file
        is called.
    allow_rebuild, drop_state: what of the state of an earlier run may be given up: that of queries
        that have changed, which then start anew; that of the queries named.

    Raises what is wrong with the statements, as SyntaxError with a caret; what fails later is
    raised by `Job.wait` and `Job.stop`.
    """
    text, folder, stem = application_text(application)
    chosen = default_session() if session is None else session
    options = {
        "name": name or "",
        "default_name": stem or f"job {next(_numbers)}",
        "state_dir": state_directory(application, stem, folder, state_dir),
        "checkpoint_micros": str(micros("checkpoint_interval", checkpoint_interval)),
        "allow_rebuild": "true" if allow_rebuild else "false",
    }
    if table_wait is not None:
        options["table_wait_micros"] = str(micros("table_wait", table_wait))
    thresholds = {key: str(value) for key, value in (alerts or {}).items()}
    if isinstance(drop_state, str):
        drop_state = [drop_state]
    handle = _headrace.start_job(
        chosen._handle, text, folder, options, thresholds, list(drop_state), _replaceable(chosen)
    )
    job = Job(handle, chosen, handle.status()["name"])
    _remember(job)
    return job


def memory(name: str, *, session: Session | None = None) -> MemoryStream:
    """The stream in memory that statements call `WITH (connector = 'memory', name = …)`.

    It belongs to `session` (the default one), and is made when it is first named.
    """
    return MemoryStream(name, session)


def jobs() -> list[Job]:
    """The jobs of this process that run."""
    _running[:] = [job for job in _running if job.running]
    return list(_running)


def figures(kind: type[Figures], told: Mapping[str, Any]) -> Figures:
    """`told` as an object of `kind`."""
    return kind(**{field.name: told[field.name] for field in fields(kind)})


def application_text(application: PathLike) -> tuple[str, str, str]:
    """The statements, the folder of their paths, and the name of the file without its ending."""
    if not isinstance(application, (str, os.PathLike)):
        raise TypeMismatchError(
            f"expected a path or the text of statements, got {type(application).__name__}"
        )
    if isinstance(application, str) and not is_path(application):
        return application, "", ""
    path = Path(application)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"no such file: {path}") from error
    except OSError as error:
        raise IoError(f"cannot read {path}: {error.strerror}") from error
    folder = str(path.parent)
    return text, "" if folder == "." else folder + "/", path.stem


def is_path(text: str) -> bool:
    """Whether `text` names a file of statements, and is none itself."""
    return text.lower().endswith(".sql") and not any(mark in text for mark in "\n;")


def state_directory(
    application: PathLike, stem: str, folder: str, given: PathLike | bool | None
) -> str:
    """Where checkpoints live; "" for none."""
    if given is False:
        return ""
    if given is None or given is True:
        if given and not stem:
            raise InvalidArgumentError("state_dir: a text has no file beside it; say which folder")
        return f"{folder}{stem}.state" if stem else ""
    return os.fspath(given)


def micros(option: str, duration: Duration) -> int:
    """Microseconds of seconds, or of a text such as "500ms"."""
    if isinstance(duration, str):
        read = _headrace.duration_micros(duration)
    else:
        read = round(duration * 1e6)
    if read is None or read < 0:
        raise InvalidArgumentError(
            f'{option}: expected seconds or a length of time as "30s", got {duration!r}'
        )
    return read


# Jobs that run are kept here, whoever forgets them; names of the catalog by who made them.
_running: list[Job] = []
_entries: weakref.WeakKeyDictionary[Session, dict[str, weakref.ref[Job]]] = (
    weakref.WeakKeyDictionary()
)
_numbers = iter(range(1, 1 << 62))


def _remember(job: Job) -> None:
    jobs()
    _running.append(job)
    entries = _entries.setdefault(job.session, {})
    entries.update(dict.fromkeys(job._handle.entries(), weakref.ref(job)))


def _replaceable(session: Session) -> list[str]:
    """Names that jobs made which have ended."""
    made = {name: ref() for name, ref in _entries.get(session, {}).items()}
    return [name for name, job in made.items() if job is None or not job.running]


def _stop_all() -> None:
    """At the end of the process: every job makes its last checkpoint."""
    for job in list(_running):
        job._handle.stop()
    for job in _running:
        try:
            job._handle.wait(SECONDS_AT_EXIT_MAX)
        except Error:
            pass


def _forget_after_fork() -> None:
    _running.clear()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_forget_after_fork)
