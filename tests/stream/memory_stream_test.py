"""Streams in memory from Python: fed, read, gone on with, and what their options say when wrong."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import headrace as hr
import pyarrow as pa
import pytest

Rows = list[dict[str, Any]]

TRADES = """
CREATE STREAM trades (id BIGINT, who STRING, amount DECIMAL(10,2), ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH (connector = 'memory', name = 'trades');
"""
PER_MINUTE = """
CREATE SINK per_minute WITH (connector = 'memory', name = 'per_minute'{options}) AS
SELECT who, _window_start AS start, count(*) AS n, sum(amount) AS total FROM trades
GROUP BY who WINDOW TUMBLING (ts, INTERVAL '1' MINUTE) EMIT FINAL;
"""
BATCH = """
SELECT who, time_bucket(INTERVAL '1 minute', ts) AS start, count(*) AS n, sum(amount) AS total
FROM trades GROUP BY ALL
"""


def make_trades(count: int) -> Rows:
    rng = random.Random(count)
    start = datetime(2024, 1, 1)
    return [
        {
            "id": i,
            "who": f"u{rng.randrange(5)}",
            "amount": Decimal(rng.randrange(-5000, 100000)) / 100,
            "ts": start + timedelta(milliseconds=137 * i + rng.randrange(900)),
        }
        for i in range(count)
    ]


def table_of(rows: Rows) -> pa.Table:
    """The rows with the types that TRADES declares: those of the first rows would be narrower."""
    types = {
        "id": pa.int64(),
        "who": pa.string(),
        "amount": pa.decimal128(10, 2),
        "ts": pa.timestamp("us"),
    }
    return pa.Table.from_pylist(rows, pa.schema(types))


def as_tuples(rows: Rows) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for row in rows)


def connected(name: str, table: pa.Table) -> duckdb.DuckDBPyConnection:
    return duckdb.connect().register(name, table)


def batch_answer(trades: Rows) -> list[tuple[Any, ...]]:
    with connected("trades", table_of(trades)) as connection:
        return sorted(connection.execute(BATCH).fetchall())


@pytest.fixture
def session() -> Iterator[hr.Session]:
    with hr.Session(threads=2) as made:
        yield made
    for job in hr.stream.jobs():
        with contextlib.suppress(hr.Error):
            job.stop(60)


def test_a_job_is_the_batch_answer_while_another_thread_feeds_it(session: hr.Session) -> None:
    trades = make_trades(3000)
    stream = hr.stream.memory("trades", session=session)

    def feed() -> None:
        for first in range(0, len(trades), 100):
            stream.append(trades[first : first + 100])
        stream.end()

    job = hr.stream.run(
        TRADES + PER_MINUTE.format(options=""), session=session, checkpoint_interval="2ms"
    )
    thread = threading.Thread(target=feed)
    thread.start()
    assert job.wait(60).state == "ended"
    thread.join()
    assert as_tuples(hr.stream.memory("per_minute", session=session).to_pylist()) == batch_answer(
        trades
    )
    status = job.status().queries["per_minute"]
    assert (status.rows_in, status.late_rows) == (3000, 0)


@pytest.mark.parametrize("seed", range(4))
def test_faults_of_all_kinds_lose_nothing(
    session: hr.Session, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    trades = make_trades(1000)
    stream = hr.stream.memory("trades", session=session)
    reads = [f"{rng.choice(['fail', 'lose', 'repeat'])} read {k}" for k in range(1, 12, 2)]
    calls = [
        f"{rng.choice(['fail', 'lose', 'die', 'fence'])} {call} {k}"
        for k in range(1, 6, 2)
        for call in ("write", "prepare", "commit")
    ]
    application = TRADES.replace("'trades')", f"'trades', faults = '{', '.join(reads)}')")
    application += PER_MINUTE.format(options=f", faults = '{', '.join(calls)}'")
    failures = 0
    for first in range(0, len(trades) + 200, 200):
        stream.append(table_of(trades[first : first + 200]))
        if first >= len(trades):
            stream.end()
        while True:
            job = hr.stream.run(
                application, session=session, state_dir=tmp_path, checkpoint_interval="1ms"
            )
            try:
                job.wait(60 if first >= len(trades) else 0.02)
                break
            except TimeoutError:
                with contextlib.suppress(hr.IoError):
                    job.stop(60)
                break
            except hr.IoError:
                failures += 1
                assert failures < 20
    assert failures > 1
    assert as_tuples(hr.stream.memory("per_minute", session=session).to_pylist()) == batch_answer(
        trades
    )


def test_changes_of_results_fold_to_the_batch_answer(session: hr.Session) -> None:
    trades = make_trades(500)
    stream = hr.stream.memory("trades", session=session)
    for first in range(0, len(trades), 50):
        stream.append(table_of(trades[first : first + 50]))
    stream.end()
    totals = """
    CREATE SINK totals WITH (connector = 'memory', name = 'totals') AS
    SELECT who, count(*) AS n, sum(amount) AS total FROM trades GROUP BY who EMIT CHANGES;
    """
    hr.stream.run("SET batch_rows = 20;" + TRADES + totals, session=session).wait(60)
    changes = hr.stream.memory("totals", session=session).to_pylist()
    held: dict[tuple[Any, ...], int] = {}
    for row in changes:
        key = (row["who"], row["n"], row["total"])
        held[key] = held.get(key, 0) + row["_change"]
    assert any(row["_change"] < 0 for row in changes)
    with connected("trades", table_of(trades)) as connection:
        expected = connection.execute(
            "SELECT who, count(*), sum(amount) FROM trades GROUP BY who"
        ).fetchall()
    assert sorted(key for key, count in held.items() if count == 1) == sorted(expected)
    assert set(held.values()) == {0, 1}


def test_a_chain_of_jobs(session: hr.Session) -> None:
    first = hr.stream.run(
        "CREATE STREAM a (n BIGINT) WITH (connector = 'memory', name = 'a');"
        "CREATE SINK b WITH (connector = 'memory', name = 'b') AS SELECT n * 2 AS n FROM a;",
        session=session,
        checkpoint_interval="1ms",
    )
    second = hr.stream.run(
        "CREATE STREAM b_in (n BIGINT) WITH (connector = 'memory', name = 'b');"
        "SELECT n + 1 AS n FROM b_in;",
        session=session,
    )
    stream = hr.stream.memory("a", session=session)
    results = second.results()
    for n in range(3):
        stream.append([{"n": n}])
        assert next(results).to_pylist() == [{"n": 2 * n + 1}]
    stream.end()
    first.wait(60)
    second.stop(60)


def test_a_table_and_deletes(session: hr.Session) -> None:
    job = hr.stream.run(
        "CREATE TABLE users (id BIGINT PRIMARY KEY, tier STRING) WITH (connector = 'memory', "
        "name = 'users', 'deleted.field' = 'gone');",
        session=session,
    )
    users = hr.stream.memory("users", session=session)
    assert users.schema is not None
    users.append([{"id": 1, "tier": "gold"}, {"id": 2, "tier": "basic"}, {"id": 1, "gone": True}])
    users.end()
    job.wait(60)
    assert job.tables["users"].to_pylist() == [{"id": 2, "tier": "basic"}]


def test_rows_of_many_kinds(session: hr.Session) -> None:
    stream = hr.stream.memory("s", session=session)
    assert (len(stream), stream.schema, stream.to_pylist()) == (0, None, [])
    stream.append(pa.table({"n": pa.array([1], pa.int64()), "s": ["a"]}))
    stream.append([{"s": "b"}])
    stream.append(pa.table({"n": pa.array([2], pa.int8())}))
    stream.append([])
    assert stream.to_pylist() == [{"n": 1, "s": "a"}, {"n": None, "s": "b"}, {"n": 2, "s": None}]
    assert repr(stream) == "<headrace.stream.MemoryStream s: 3 rows>"
    with pytest.raises(hr.TypeMismatchError, match="has the columns n, s; got 'm'"):
        stream.append([{"m": 1}])
    with pytest.raises(hr.BadDataError, match="do not fit"):
        stream.append([{"n": "x"}])
    with pytest.raises(hr.TypeMismatchError, match="got one dictionary"):
        stream.append({"n": 1})
    stream.clear()
    assert len(stream) == 0
    stream.append([{"m": 1}])
    assert stream.to_pylist() == [{"m": 1}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("connector = 'memory'", "option name is missing"),
        ("connector = 'memory', nam = 'a'", "did you mean name?"),
        ("connector = 'memory', name = 'a', faults = 'die read 1'", "got 'die read 1'"),
        ("connector = 'memori', name = 'a'", "did you mean memory?"),
    ],
)
def test_wrong_options(session: hr.Session, options: str, message: str) -> None:
    with pytest.raises(hr.Error, match=message.replace("?", r"\?")):
        hr.stream.run(
            f"CREATE STREAM a (n BIGINT) WITH ({options}); SELECT n FROM a;", session=session
        )
    with pytest.raises(hr.Error, match=message.replace("?", r"\?")):
        hr.stream.run(
            "CREATE STREAM g WITH (connector = 'generator', rows = 1);"
            f"CREATE SINK b WITH ({options}) AS SELECT id FROM g;",
            session=session,
        )


def test_state_that_outlives_the_rows_is_refused(tmp_path: Path) -> None:
    application = (
        "CREATE STREAM a (n BIGINT) WITH (connector = 'memory', name = 'a'); SELECT n FROM a;"
    )
    with hr.Session() as session:
        hr.stream.memory("a", session=session).append([{"n": 1}])
        with hr.stream.run(application, session=session, state_dir=tmp_path) as job:
            next(job.results())
    with hr.Session() as session:
        job = hr.stream.run(application, session=session, state_dir=tmp_path)
        with pytest.raises(hr.Error, match="goes on behind row 1, and the stream has 0"):
            job.wait(60)
