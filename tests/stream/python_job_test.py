"""hr.stream.run: jobs in the background of a Python process, as their users hold them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import pyarrow as pa
import pytest
from headrace.stream import Job

Rows = list[dict[str, Any]]

TRADES = """
CREATE STREAM trades (id BIGINT, user_id STRING, amount BIGINT)
  WITH (connector = 'file', path = '{folder}/trades.jsonl', format = 'json'{watch});
"""
USERS = """
CREATE TABLE users (user_id STRING PRIMARY KEY, tier STRING)
  WITH (connector = 'file', path = '{folder}/users.jsonl', format = 'json');
"""
ENRICHED = """
SELECT t.id, t.amount, u.tier FROM trades t JOIN users u ON t.user_id = u.user_id
WHERE t.amount > 50
"""
# Reads two rows a second, of a million: never loaded while a test runs.
SLOW_USERS = """
CREATE TABLE users (user_id STRING PRIMARY KEY, tier BIGINT)
  WITH (connector = 'generator', columns = 'user_id key(5), tier integer(1, 1)', rows = 1000000,
        rows_per_second = 2, {options});
"""
WAIT_SECONDS_MAX = 60


def write_lines(path: Path, rows: Rows, mode: str = "w") -> None:
    with open(path, mode) as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))


def make_trades(count: int, first: int = 0) -> Rows:
    rng = random.Random(first)
    return [
        {"id": first + i, "user_id": f"u{rng.randrange(8)}", "amount": rng.randrange(100)}
        for i in range(count)
    ]


def until(job: Job, is_so: Callable[[], bool]) -> None:
    """Waits while the job runs until `is_so`."""
    due = time.monotonic() + WAIT_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < due, job.status()
        try:
            job.wait(0.02)
        except TimeoutError:
            continue
        assert is_so(), job.status()


@pytest.fixture
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2) as made:
        yield made
    for job in hr.stream.jobs():
        with contextlib.suppress(hr.Error):  # one that has just failed says so again
            job.stop(WAIT_SECONDS_MAX)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write_lines(tmp_path / "trades.jsonl", make_trades(20_000))
    write_lines(
        tmp_path / "users.jsonl",
        [{"user_id": f"u{i}", "tier": ["gold", "basic"][i % 2]} for i in range(6)],
    )
    return tmp_path


def text(inputs: Path, *statements: str, watch: bool = False, **more: str) -> str:
    option = ", watch = true" if watch else ""
    joined = ";\n".join(statement.strip().rstrip(";") for statement in statements)
    return joined.format(folder=inputs, watch=option, **more)


def by_duckdb(inputs: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        for name in ("trades", "users"):
            con.execute(f"CREATE VIEW {name} AS FROM read_json('{inputs}/{name}.jsonl')")
        return con.execute(query).fetchall()


def rows_of(batches: list[pa.RecordBatch]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


EXPECTED = """SELECT t.id, t.amount, u.tier FROM trades t JOIN users u USING (user_id)
  WHERE amount > 50 ORDER BY id"""


def test_results_of_a_select_are_those_of_a_batch_query(
    session: hr.Session, inputs: Path
) -> None:
    job = hr.stream.run(text(inputs, TRADES, USERS, ENRICHED), session=session)
    got = rows_of(list(job.results()))
    assert got == by_duckdb(inputs, EXPECTED)
    status = job.wait(WAIT_SECONDS_MAX)
    assert status.state == "ended"
    assert not job.running
    (query,) = (q for name, q in status.queries.items() if name != "users")
    assert (query.rows_in, query.rows_out) == (20_000, len(got))
    assert query.filtered_rows == 20_000 - len(got)  # by WHERE, or without a user
    assert status.tables["users"].state == "ready"
    assert status.tables["users"].rows == 6


def test_async_iteration_of_two_results(session: hr.Session, inputs: Path) -> None:
    streams = (
        "CREATE STREAM cheap AS SELECT id FROM trades WHERE amount <= 50",
        "CREATE STREAM dear AS SELECT id FROM trades WHERE amount > 50",
    )

    async def collect(job: Job, name: str) -> list[int]:
        return [n async for batch in job.results(name) for n in batch.column(0).to_pylist()]

    async def both() -> list[list[int]]:
        job = hr.stream.run(text(inputs, TRADES, *streams), session=session)
        return await asyncio.gather(collect(job, "cheap"), collect(job, "dear"))

    cheap, dear = asyncio.run(both())
    assert len(cheap) + len(dear) == 20_000
    assert dear == [row[0] for row in by_duckdb(inputs, "SELECT id FROM trades WHERE amount > 50")]


def test_a_cancelled_loop_loses_nothing(session: hr.Session, inputs: Path) -> None:
    job = hr.stream.run(text(inputs, TRADES, "SELECT id FROM trades", watch=True), session=session)

    async def collect(into: list[int]) -> None:
        async for batch in job.results():
            into.extend(batch.column(0).to_pylist())

    async def cancelled() -> list[int]:
        got: list[int] = []
        task = asyncio.create_task(collect(got))
        while len(got) < 20_000:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return got

    first = asyncio.run(cancelled())
    write_lines(inputs / "trades.jsonl", make_trades(500, 20_000), "a")
    rest: list[int] = []
    for batch in job.results():
        rest += batch.column(0).to_pylist()
        if len(rest) >= 500:
            break
    assert first + rest == list(range(20_500))
    assert job.stop(WAIT_SECONDS_MAX).state == "stopped"


def test_tables_are_read_while_the_job_runs(session: hr.Session, inputs: Path) -> None:
    totals = """CREATE TABLE totals AS
      SELECT user_id, count(*) AS n, sum(amount) AS total FROM trades GROUP BY user_id"""
    job = hr.stream.run(text(inputs, TRADES, totals, watch=True), session=session)
    query = "SELECT user_id, n, total FROM totals ORDER BY user_id"
    expected = "SELECT user_id, count(*), sum(amount) FROM trades GROUP BY ALL ORDER BY ALL"

    def now() -> list[tuple[Any, ...]]:
        return rows_of(session.sql(query).to_arrow().to_batches())

    def counted() -> int:
        return sum(row[1] for row in now())

    until(job, lambda: counted() == 20_000)
    assert now() == by_duckdb(inputs, expected)
    write_lines(inputs / "trades.jsonl", make_trades(1_000, 20_000), "a")
    until(job, lambda: counted() == 21_000)
    assert now() == by_duckdb(inputs, expected)
    table = job.tables["TOTALS"]
    assert table.filter("n > 0").to_arrow().num_rows == 8
    assert list(job.tables) == ["totals"]
    assert "totals" in session.tables()
    shown = session.sql("SHOW TABLES LIKE 'totals'").to_pylist()
    assert [(row["name"], row["state"], row["rows"]) for row in shown] == [("totals", "ready", 8)]
    (status,) = session.sql("SHOW STATUS").to_pylist()
    assert (status["query"], status["rows_in"]) == ("totals", 21_000)
    (listed,) = session.sql("SHOW JOBS").to_pylist()
    assert listed["state"] == "running"
    with pytest.raises(hr.UnknownNameError, match="did you mean totals"):
        job.tables["total"]
    job.stop(WAIT_SECONDS_MAX)
    assert counted() == 21_000


ANNOTATED = """
-- @application: enrichment
-- @version: 2
-- @job_mode: simple

-- @description: what everybody holds
CREATE TABLE totals AS
SELECT user_id, count(*) AS n, sum(amount) AS total FROM trades GROUP BY user_id;
"""


def test_annotations_name_and_describe_a_job(session: hr.Session, inputs: Path) -> None:
    head, _, rest = ANNOTATED.partition("\n\n")
    statements = head + "\n\n" + text(inputs, TRADES) + ";\n" + rest
    with hr.stream.run(statements, session=session) as job:
        status = job.wait(WAIT_SECONDS_MAX)
    assert (job.name, status.name) == ("enrichment", "enrichment")
    assert status.properties == {
        "application": "enrichment",
        "version": "2",
        "totals.description": "what everybody holds",
    }
    shown = session.sql("SHOW PROPERTIES JOB enrichment").to_pylist()
    assert {row["property"]: row["value"] for row in shown} == {
        "type": "job",
        "state": "ended",
        "queries": "totals",
        **status.properties,
    }
    with hr.stream.run(statements, session=session, name="mine") as named:
        assert named.name == "mine"
    application = inputs / "app.sql"
    application.write_text(statements)
    with hr.stream.run(application, session=session, state_dir=False) as job:
        assert job.name == "enrichment"
    application.write_text(text(inputs, TRADES, "SELECT id FROM trades"))
    with hr.stream.run(application, session=session, state_dir=False) as job:
        assert job.name == "app"


def test_metrics_are_the_figures_of_the_status(session: hr.Session, inputs: Path) -> None:
    statements = text(inputs, TRADES, USERS, "CREATE STREAM few AS" + ENRICHED)
    with hr.stream.run(statements, session=session, name="j.sql") as job:
        rows = sum(batch.num_rows for batch in job.results("few"))
        status = job.wait(WAIT_SECONDS_MAX)
    assert rows > 0

    def metrics(what: str) -> dict[tuple[str | None, str], float]:
        shown = session.sql(f"SHOW METRICS {what}").to_pylist()
        assert all(row["job"] == "j.sql" for row in shown)
        return {(row["query"], row["metric"]): row["value"] for row in shown}

    every = metrics("")
    assert every == metrics("'j.sql'") == metrics('"J.sql"')
    for name, query in status.queries.items():
        for metric in ("rows_in", "rows_out", "filtered_rows", "late_rows", "rejected_rows"):
            assert every[name, metric] == getattr(query, metric)
    assert every["users", "table_rows"] == status.tables["users"].rows
    assert every["users", "memory_bytes"] == status.tables["users"].memory_bytes
    assert every[None, "epoch"] == status.epoch
    few = metrics("few")
    assert few == {key: value for key, value in every.items() if key[0] == "few"}
    assert [row["query"] for row in session.sql("SHOW STATUS users").to_pylist()] == ["users"]
    with pytest.raises(hr.UnknownNameError, match=r"no job or query is called \"user\"; did you"):
        session.sql("SHOW METRICS user")


def test_properties_of_streams_and_tables(session: hr.Session) -> None:
    statements = """
    CREATE STREAM s (k STRING, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
      WITH (connector = 'memory', name = 'topic', allowed.lateness = '3s');
    CREATE TABLE t (k STRING PRIMARY KEY, v BIGINT);
    INSERT INTO t SELECT k, v FROM s;
    CREATE STREAM large AS SELECT k FROM s WHERE v > 9;
    """

    def properties(what: str) -> dict[str, str]:
        shown = session.sql(f"SHOW PROPERTIES {what}").to_pylist()
        return {row["property"]: row["value"] for row in shown}

    with hr.stream.run(statements, session=session, name="j"):
        assert (
            properties("STREAM s")
            == properties("S")
            == {
                "type": "stream",
                "source": "memory stream topic",
                "columns": "3",
                "event_time": "ts",
                "watermark_delay": "2 s",
                "idle_timeout": "30 s",
                "max_future_skew": "86400 s",
                "late_rows": "drop",
                "allowed_lateness": "3 s",
            }
        )
        table = properties("TABLE t")
        assert (table["type"], table["columns"], table["job"]) == ("table", "2", "j")
        assert table["state"] in ("waiting", "loading", "ready")
        assert properties("j")["queries"] == "t, large"
        large = properties("STREAM large")
        assert large.pop("state") in ("waiting", "running")
        assert large == {"type": "view", "query": "SELECT k FROM s WHERE v > 9", "job": "j"}
    for wrong in ("STREAM t", "TABLE s", "JOB s", "ss"):
        with pytest.raises(hr.UnknownNameError, match="is called"):
            session.sql(f"SHOW PROPERTIES {wrong}")


def sink(name: str, query: str) -> str:
    path = "{folder}/" + name + ".jsonl"
    options = f"connector = 'file', path = '{path}', format = 'json'"
    return f"CREATE SINK {name} WITH ({options}) AS {query}"


def test_a_stopped_job_goes_on_where_it_was(session: hr.Session, inputs: Path) -> None:
    application = inputs / "app.sql"
    statements = text(inputs, TRADES, sink("out", "SELECT id, amount FROM trades"), watch=True)
    application.write_text(statements)
    job = hr.stream.run(application, session=session, checkpoint_interval="20ms")
    until(job, lambda: job.status().queries["out"].rows_out == 20_000)
    assert job.stop(WAIT_SECONDS_MAX).state == "stopped"
    assert (inputs / "app.state" / "MANIFEST").exists()
    write_lines(inputs / "trades.jsonl", make_trades(300, 20_000), "a")
    again = hr.stream.run(application, session=session)
    until(again, lambda: again.status().queries["out"].rows_out == 300)
    again.stop(WAIT_SECONDS_MAX)
    lines = [json.loads(line)["id"] for line in (inputs / "out.jsonl").read_text().splitlines()]
    assert lines == list(range(20_300))


def test_one_job_at_a_time_has_a_state_directory(session: hr.Session, inputs: Path) -> None:
    statements = text(inputs, TRADES, "SELECT id FROM trades", watch=True)
    state = inputs / "state"
    job = hr.stream.run(statements, session=session, state_dir=state)
    until(job, lambda: job.status().epoch > 0)
    with hr.Session(threads=1) as other:
        second = hr.stream.run(statements, session=other, state_dir=state)
        with pytest.raises(hr.IoError, match="in use by a job that runs"):
            second.wait(WAIT_SECONDS_MAX)
    assert job.running
    job.stop(WAIT_SECONDS_MAX)


def test_changed_queries_are_refused_until_their_state_is_given_up(
    session: hr.Session, inputs: Path
) -> None:
    def start(condition: str, *more: str, **options: Any) -> Job:
        statements = text(
            inputs,
            TRADES,
            sink("out", f"SELECT id FROM trades WHERE {condition}"),
            *more,
            watch=True,
        )
        return hr.stream.run(statements, session=session, state_dir=inputs / "state", **options)

    def finished(job: Job) -> None:
        until(job, lambda: all(q.rows_in == 20_000 for q in job.status().queries.values()))
        job.stop(WAIT_SECONDS_MAX)

    finished(start("amount > 50", sink("all_of_them", "SELECT id FROM trades")))
    with pytest.raises(hr.StaleInputError) as refused:
        start("amount > 90").wait(WAIT_SECONDS_MAX)
    assert 'query "out" has changed' in str(refused.value)
    assert 'query "all_of_them" is no longer there' in str(refused.value)
    with pytest.raises(hr.UnknownNameError, match="did you mean out"):
        start("amount > 90", drop_state=["outt"]).wait(WAIT_SECONDS_MAX)
    finished(start("amount > 90", allow_rebuild=True, drop_state="all_of_them"))
    lines = [json.loads(line)["id"] for line in (inputs / "out.jsonl").read_text().splitlines()]
    assert lines == [row[0] for row in by_duckdb(inputs, "SELECT id FROM trades WHERE amount > 90")]


def test_a_failure_is_raised_as_what_it_is(session: hr.Session, inputs: Path) -> None:
    with open(inputs / "trades.jsonl", "a") as file:
        file.write("{broken\n")
    job = hr.stream.run(text(inputs, TRADES, "SELECT id FROM trades"), session=session)
    got = []
    with pytest.raises(hr.BadDataError, match="trades.jsonl:20001"):
        for batch in job.results():
            got += batch.column(0).to_pylist()
    assert got == list(range(len(got)))
    for _ in range(2):
        with pytest.raises(hr.BadDataError, match="trades.jsonl:20001"):
            job.wait(WAIT_SECONDS_MAX)
    status = job.status()
    assert status.state == "failed"
    assert status.error is not None and "trades.jsonl:20001" in status.error


def test_statements_that_cannot_run_leave_no_names(session: hr.Session, inputs: Path) -> None:
    with pytest.raises(hr.UnknownNameError, match="did you mean trades"):
        hr.stream.run(text(inputs, TRADES, USERS, "SELECT * FROM tradez"), session=session)
    assert session.tables() == []
    with pytest.raises(hr.NotFoundError, match=r"none\.sql"):
        hr.stream.run("none.sql", session=session)
    with pytest.raises(hr.InvalidArgumentError, match="no statement of the file keeps running"):
        hr.stream.run(text(inputs, TRADES), session=session)
    with pytest.raises(hr.InvalidArgumentError, match='no alert "late"'):
        hr.stream.run(
            text(inputs, TRADES, USERS, ENRICHED), session=session, alerts={"late": 1}
        )


def test_names_of_jobs_that_run_are_taken(session: hr.Session, inputs: Path) -> None:
    statements = text(inputs, TRADES, "SELECT id FROM trades", watch=True)
    job = hr.stream.run(statements, session=session)
    with pytest.raises(hr.InvalidArgumentError, match='"trades" is there already'):
        hr.stream.run(statements, session=session)
    job.stop(WAIT_SECONDS_MAX)
    hr.stream.run(statements, session=session).stop(WAIT_SECONDS_MAX)


def test_results_by_name(session: hr.Session, inputs: Path) -> None:
    job = hr.stream.run(
        text(inputs, TRADES, sink("out", "SELECT id FROM trades")), session=session
    )
    with pytest.raises(hr.InvalidArgumentError, match="no results: every query writes"):
        job.results()
    with pytest.raises(hr.UnknownNameError, match="'out' has no results: its rows go to its sink"):
        job.results("out")
    job.wait(WAIT_SECONDS_MAX)


def test_results_that_nobody_reads_hold_the_query_not_the_memory(
    session: hr.Session, inputs: Path
) -> None:
    much = """CREATE STREAM much WITH (connector = 'generator', columns = 'n sequence, k key(9)',
      rows = 20000000)"""
    job = hr.stream.run(f"{much}; SELECT n, k FROM much", session=session, state_dir=inputs / "s")
    with pytest.raises(hr.InvalidArgumentError, match="until its results are read"):
        job.wait(WAIT_SECONDS_MAX)
    held = job.status().queries["query 2"].rows_out
    epoch = job.status().epoch
    until(job, lambda: job.status().epoch > epoch + 2)
    assert job.status().queries["query 2"].rows_out < 2 * held < 20_000_000
    results = job.results()
    assert next(results).column(0)[0].as_py() == 0
    assert job.stop(WAIT_SECONDS_MAX).state == "stopped"


def test_the_block_stops_the_job(session: hr.Session, inputs: Path) -> None:
    statements = text(inputs, TRADES, "SELECT id FROM trades", watch=True)
    with hr.stream.run(statements, session=session) as job:
        assert job in hr.stream.jobs()
        next(job.results())
    assert job.status().state == "stopped"
    with pytest.raises(ZeroDivisionError):
        with hr.stream.run(statements, session=session) as job:
            raise ZeroDivisionError
    assert not job.running


# -- tables that are not ready


JOIN = """CREATE STREAM joined AS
  SELECT t.id, t.user_id, u.user_id AS of_table, u.tier
  FROM trades t {kind} JOIN users u ON t.user_id = u.user_id"""


def joined(
    session: hr.Session, inputs: Path, options: str, kind: str = ""
) -> tuple[Job, list[tuple[Any, ...]]]:
    """20,000 rows of the stream, joined with a table that is not ready."""
    statements = text(inputs, TRADES, SLOW_USERS, JOIN, options=options, kind=kind)
    job = hr.stream.run(statements, session=session)
    return job, rows_of(list(job.results()))


def test_a_table_that_is_not_ready_fails_the_job(session: hr.Session, inputs: Path) -> None:
    with pytest.raises(hr.IoError, match="table users is not ready, and joined waits for it"):
        joined(session, inputs, "'table.wait.timeout' = '50ms'")


def test_wait_and_retry_waits_longer_and_fails(session: hr.Session, inputs: Path) -> None:
    options = """'table.wait.timeout' = '20ms', on_not_ready = wait_and_retry,
      'on_not_ready.retries' = 2, 'on_not_ready.delay' = '40ms'"""
    begun = time.monotonic()
    with pytest.raises(hr.IoError, match="and 2 retries"):
        joined(session, inputs, options)
    assert time.monotonic() - begun > 0.02 + 0.04 + 0.08


@pytest.mark.parametrize("kind", ["", "LEFT"])
def test_use_defaults(session: hr.Session, inputs: Path, kind: str) -> None:
    options = """'table.wait.timeout' = '20ms', on_not_ready = use_defaults,
      'on_not_ready.defaults' = 'tier = 7'"""
    job, rows = joined(session, inputs, options, kind)
    expected = [(row["id"], row["user_id"], row["user_id"], 7) for row in make_trades(20_000)]
    assert rows == expected
    until(job, lambda: job.status().tables["users"].rows_with_defaults == 20_000)
    assert job.status().tables["users"].state == "loading"
    job.stop(WAIT_SECONDS_MAX)


@pytest.mark.parametrize("kind", ["", "LEFT"])
def test_emit_nulls(session: hr.Session, inputs: Path, kind: str) -> None:
    options = "'table.wait.timeout' = '20ms', on_not_ready = emit_nulls"
    job, rows = joined(session, inputs, options, kind)
    expected = [(row["id"], row["user_id"], row["user_id"], None) for row in make_trades(20_000)]
    assert rows == expected
    until(job, lambda: job.status().tables["users"].rows_with_nulls == 20_000)
    job.stop(WAIT_SECONDS_MAX)


@pytest.mark.parametrize("kind", ["", "LEFT"])
def test_skip(session: hr.Session, inputs: Path, kind: str) -> None:
    options = "'table.wait.timeout' = '20ms', on_not_ready = skip"
    job, rows = joined(session, inputs, options, kind)
    assert rows == []
    until(job, lambda: job.status().tables["users"].rows_skipped == 20_000)
    job.stop(WAIT_SECONDS_MAX)


def test_a_table_in_time_is_joined_as_ever(session: hr.Session, inputs: Path) -> None:
    users = USERS.replace(
        "format", "'table.wait.timeout' = '1h', on_not_ready = use_defaults, format"
    )
    job = hr.stream.run(text(inputs, TRADES, users, ENRICHED), session=session)
    assert rows_of(list(job.results())) == by_duckdb(inputs, EXPECTED)
    assert job.wait(WAIT_SECONDS_MAX).tables["users"].rows_with_defaults == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("on_not_ready = skip", "needs table.wait.timeout"),
        ("on_not_ready = skipp, 'ready.timeout' = '1s'", "expected fail_fast, use_defaults"),
        ("'table.wait.timeout' = 'soon'", "expected a length of time"),
        (
            "on_not_ready = use_defaults, 'ready.timeout' = '1s', "
            "'on_not_ready.defaults' = 'teir = 1'",
            "did you mean tier",
        ),
        (
            "on_not_ready = use_defaults, 'ready.timeout' = '1s', "
            "'on_not_ready.defaults' = 'tier = gold'",
            "on_not_ready.defaults: tier",
        ),
        ("on_not_ready = skip, 'on_not_ready.defaults' = 'tier = 1'", "goes with"),
    ],
)
def test_options_of_waiting_are_checked(
    session: hr.Session, inputs: Path, options: str, message: str
) -> None:
    with pytest.raises(hr.Error, match=message):
        joined(session, inputs, options)


def test_progress_and_alerts_while_a_table_loads(session: hr.Session, inputs: Path) -> None:
    statements = text(
        inputs, TRADES, SLOW_USERS, JOIN, options="'alert.memory_max' = 1", kind=""
    )
    job = hr.stream.run(statements, session=session, alerts={"load_time": "100ms"})
    until(job, lambda: len(job.status().alerts) == 2)
    status = job.status()
    assert {alert.what for alert in status.alerts} == {"load time", "memory"}
    table = status.tables["users"]
    assert table.state == "loading"
    assert table.rows_total == 1_000_000
    assert table.eta_seconds is not None and table.eta_seconds > 1_000
    assert status.queries["joined"].state == "waiting"
    job.stop(WAIT_SECONDS_MAX)


def test_retention_is_kept_without_new_rows(session: hr.Session, inputs: Path) -> None:
    users = USERS.replace("format", "retention = '200ms', watch = true, format")
    job = hr.stream.run(text(inputs, users), session=session)
    until(job, lambda: job.status().tables["users"].rows_read == 6)
    # Nobody asks the table: the figure is that of its pages.
    until(job, lambda: job.status().tables["users"].rows == 0)
    job.stop(WAIT_SECONDS_MAX)


# -- the end of the process


PROGRAM = """
import signal, sys
import headrace as hr
signal.signal(signal.SIGINT, signal.default_int_handler)
job = hr.stream.run({application!r}, checkpoint_interval="20ms")
while job.status().queries["out"].rows_out < 20_000:
    pass
print("ready", flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["job.wait()", "for _ in job.results('ids'): pass", "pass"])
def test_ctrl_c_and_the_end_of_the_process_leave_a_checkpoint(
    session: hr.Session, inputs: Path, end: str
) -> None:
    application = inputs / "app.sql"
    statements = (
        TRADES,
        sink("out", "SELECT id FROM trades"),
        "CREATE STREAM ids AS SELECT id FROM trades WHERE id < 10",
    )
    application.write_text(text(inputs, *statements, watch=True))
    program = PROGRAM.format(application=str(application), end=end)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if end != "pass":
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=WAIT_SECONDS_MAX)
    assert ("KeyboardInterrupt" in stderr) == (end != "pass"), stderr
    lines = [json.loads(line)["id"] for line in (inputs / "out.jsonl").read_text().splitlines()]
    assert lines == list(range(20_000))
    write_lines(inputs / "trades.jsonl", make_trades(10, 20_000), "a")
    job = hr.stream.run(application, session=session)
    until(job, lambda: job.status().queries["out"].rows_out == 10)
    job.stop(WAIT_SECONDS_MAX)
