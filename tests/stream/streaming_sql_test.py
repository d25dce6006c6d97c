"""Statements of streaming SQL run as jobs over files, and give what DuckDB computes from the same
rows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

DECLARED = """
CREATE STREAM s (id BIGINT, k STRING, v BIGINT, price DECIMAL(18,2), ts TIMESTAMP,
                 WATERMARK FOR ts AS ts - INTERVAL '20' SECOND)
  WITH (connector = 'file', path = 's.jsonl', format = 'json');
CREATE STREAM q (id BIGINT, k STRING, w BIGINT, ts TIMESTAMP,
                 WATERMARK FOR ts AS ts - INTERVAL '20' SECOND)
  WITH (connector = 'file', path = 'q.jsonl', format = 'json');
CREATE TABLE t (k STRING PRIMARY KEY, tier STRING, cap BIGINT)
  WITH (connector = 'file', path = 't.jsonl', format = 'json');
CREATE TABLE rates (k STRING PRIMARY KEY, rate BIGINT, at TIMESTAMP,
                    WATERMARK FOR at AS at - INTERVAL '20' SECOND)
  WITH (connector = 'file', path = 'rates.jsonl', format = 'json');
CREATE SINK o WITH (connector = 'file', path = 'o.jsonl', format = 'json') AS
"""

COLUMNS = {
    "s": "id: 'BIGINT', k: 'VARCHAR', v: 'BIGINT', price: 'DECIMAL(18,2)', ts: 'TIMESTAMP'",
    "q": "id: 'BIGINT', k: 'VARCHAR', w: 'BIGINT', ts: 'TIMESTAMP'",
    "t": "k: 'VARCHAR', tier: 'VARCHAR', cap: 'BIGINT'",
    "rates": "k: 'VARCHAR', rate: 'BIGINT', 'at': 'TIMESTAMP'",
}
START = datetime(2026, 1, 5, 9, 30)
Row = dict[str, Any]


def text(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="milliseconds")


def rows_of(rng: random.Random, name: str, count: int) -> list[Row]:
    """Rows up to 18 seconds out of order, no two with one time."""
    rows: list[Row] = []
    for number in range(count):
        at = START + timedelta(seconds=3 * number - rng.randrange(0, 18), milliseconds=number % 997)
        row: Row = {"id": number, "k": rng.choice("abcd") if rng.random() > 0.03 else None}
        if name == "s":
            row["v"] = rng.randrange(20) if rng.random() > 0.05 else None
            row["price"] = f"{rng.randrange(100_000) / 100:.2f}"
        else:
            row["w"] = rng.randrange(20)
        rows.append(row | {"ts": text(at)})
    return rows


@dataclass
class World:
    folder: Path
    command: str

    def duckdb(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            for name, types in COLUMNS.items():
                con.execute(
                    f"CREATE VIEW {name} AS FROM read_json('{self.folder / name}.jsonl', "
                    f"format = 'newline_delimited', columns = {{{types}}})"
                )
            return con.execute(sql).fetchall()

    def job(self, sql: str, *options: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "app.sql").write_text(DECLARED + sql)
        return subprocess.run(
            [self.command, "run", str(self.folder / "app.sql"), *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def rows(self, sql: str, *options: str) -> list[Row]:
        done = self.job(sql, *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in (self.folder / "o.jsonl").read_text().splitlines()]


@pytest.fixture
def world(headrace_command: str, tmp_path: Path) -> World:
    rng = random.Random(5)
    tables: dict[str, list[Row]] = {name: rows_of(rng, name, 400) for name in "sq"}
    tables["t"] = [
        {"k": key, "tier": rng.choice(["gold", "basic"]), "cap": rng.randrange(20)} for key in "abx"
    ]
    at = START - timedelta(minutes=5)
    tables["rates"] = []
    for number in range(150):
        at += timedelta(seconds=rng.randrange(1, 15))
        tables["rates"].append({"k": rng.choice("abc"), "rate": number, "at": text(at)})
    for name, rows in tables.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return World(tmp_path, headrace_command)


def cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix(".000000")
    if isinstance(value, float):
        return f"{value:.9g}"
    return value


def as_text(rows: list[Any]) -> list[str]:
    """Rows without their order; times as JSON has them."""

    def plain(value: Any) -> Any:
        value = cell(value)
        is_time = isinstance(value, str) and len(value) > 18 and value[4] == "-"
        return datetime.fromisoformat(value).isoformat() if is_time else value

    return sorted(
        repr([plain(value) for value in (row.values() if isinstance(row, dict) else row)])
        for row in rows
    )


LAST = "PARTITION BY k ORDER BY id ROWS BETWEEN {} PRECEDING AND CURRENT ROW"
BY_TIME = "PARTITION BY k ORDER BY ts ROWS BETWEEN {} PRECEDING AND CURRENT ROW"
RANK = "len(list_filter(list({0}) OVER (" + LAST.format(4) + "), lambda x: x < {0})) + 1"

# The statement, and the same of DuckDB.
CASES = {
    "buffer": (
        "SELECT id, sum(v) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k) AS x FROM s;",
        f"SELECT id, sum(v) OVER ({LAST.format(2)}) FROM s",
    ),
    "buffer of all": (
        "SELECT id, min(v) OVER (ROWS WINDOW BUFFER 7 ROWS) AS x, "
        "count(*) OVER (ROWS WINDOW BUFFER 7 ROWS) AS n FROM s;",
        "SELECT id, min(v) OVER w, count(*) OVER w FROM s "
        "WINDOW w AS (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)",
    ),
    "frame in a buffer": (
        "SELECT id, avg(v) OVER (ROWS WINDOW BUFFER 9 ROWS PARTITION BY k "
        "ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS x FROM s;",
        "SELECT id, avg(v) OVER (PARTITION BY k ORDER BY id "
        "ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM s",
    ),
    "a frame longer than its buffer": (
        "SELECT id, sum(v) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k "
        "ROWS BETWEEN 50 PRECEDING AND CURRENT ROW) AS x FROM s;",
        f"SELECT id, sum(v) OVER ({LAST.format(2)}) FROM s",
    ),
    "buffer by time": (
        "SELECT id, sum(v) OVER (ROWS WINDOW BUFFER 4 ROWS PARTITION BY k ORDER BY ts) AS x, "
        "first_value(id) OVER (ROWS WINDOW BUFFER 4 ROWS PARTITION BY k ORDER BY ts) AS f FROM s;",
        "SELECT id, sum(v) OVER w, first_value(id) OVER w FROM s "
        f"WINDOW w AS ({BY_TIME.format(3)})",
    ),
    "full buffers": (
        "SELECT id, sum(price) OVER (ROWS WINDOW BUFFER 5 ROWS PARTITION BY k "
        "EMIT ON BUFFER FULL) AS x FROM s;",
        f"SELECT id, CAST(sum(price) OVER w AS DOUBLE) FROM s WINDOW w AS ({LAST.format(4)}) "
        "QUALIFY count(*) OVER w = 5",
    ),
    "rank in a buffer": (
        "SELECT id, rank() OVER (ROWS WINDOW BUFFER 5 ROWS PARTITION BY k ORDER BY price) AS x, "
        "row_number() OVER (ROWS WINDOW BUFFER 5 ROWS PARTITION BY k) AS n FROM s;",
        f"SELECT id, {RANK.format('price')}, count(*) OVER ({LAST.format(4)}) FROM s",
    ),
    "lag and lead in a buffer": (
        "SELECT id, lag(v) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k) AS x, "
        "lag(v, 2, -1) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k) AS y, "
        "lag(v, 3) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k) AS z, "
        "lead(v) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k) AS l FROM s;",
        "SELECT id, lag(v) OVER w, lag(v, 2, -1) OVER w, NULL, NULL FROM s "
        "WINDOW w AS (PARTITION BY k ORDER BY id)",
    ),
    "rows before by time": (
        "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY ts "
        "ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) AS x FROM s;",
        f"SELECT id, sum(v) OVER ({BY_TIME.format(5)}) FROM s",
    ),
    "range before by time": (
        "SELECT id, count(*) OVER (PARTITION BY k ORDER BY ts "
        "RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) AS x FROM s;",
        "SELECT id, count(*) OVER (PARTITION BY k ORDER BY ts "
        "RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) FROM s",
    ),
    "lag and row_number by time": (
        "SELECT id, lag(id) OVER (PARTITION BY k ORDER BY ts) AS x, "
        "row_number() OVER (PARTITION BY k ORDER BY ts) AS n FROM s;",
        "SELECT id, lag(id) OVER w, row_number() OVER w FROM s "
        "WINDOW w AS (PARTITION BY k ORDER BY ts)",
    ),
    "distinct": ("SELECT DISTINCT k, v % 3 AS m FROM s;", "SELECT DISTINCT k, v % 3 FROM s"),
    "union": (
        "SELECT k, v FROM s UNION SELECT k, w FROM q;",
        "SELECT k, v FROM s UNION SELECT k, w FROM q",
    ),
    "union all": (
        "SELECT id, k FROM s UNION ALL SELECT id, k FROM q;",
        "SELECT id, k FROM s UNION ALL SELECT id, k FROM q",
    ),
    "final without a window": (
        "SELECT k, count(*) AS n, sum(v) AS x FROM s GROUP BY k HAVING count(*) > 20 EMIT FINAL;",
        "SELECT k, count(*), sum(v) FROM s GROUP BY k HAVING count(*) > 20",
    ),
    "final of all": (
        "SELECT count(*) AS n, max(v) AS x FROM s EMIT FINAL;",
        "SELECT count(*), max(v) FROM s",
    ),
    "windows with an offset": (
        "SELECT k, _window_start, count(*) AS n FROM s GROUP BY k "
        "WINDOW TUMBLING (ts, '1m', OFFSET 20s);",
        "SELECT k, time_bucket(INTERVAL '1 minute', ts - INTERVAL 20 SECOND) "
        "+ INTERVAL 20 SECOND, count(*) FROM s GROUP BY ALL",
    ),
    "named arguments": (
        "SELECT k, window_start, count(*) AS n FROM TABLE(HOP(DATA => TABLE s, "
        "TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '2' MINUTES, SLIDE => '30s')) "
        "GROUP BY k, window_start, window_end;",
        "SELECT k, b - INTERVAL 30 SECOND * i, count(*) FROM (SELECT k, "
        "time_bucket(INTERVAL 30 SECOND, ts) AS b FROM s), range(4) r(i) GROUP BY ALL",
    ),
    "rows of sliding windows": (
        "SELECT id, window_start, window_end FROM HOP(s, ts, INTERVAL '1' MINUTE, "
        "INTERVAL '2' MINUTE);",
        "SELECT id, b - INTERVAL 1 MINUTE * i, b - INTERVAL 1 MINUTE * i + INTERVAL 2 MINUTE FROM "
        "(SELECT id, time_bucket(INTERVAL 1 MINUTE, ts) AS b FROM s), range(2) r(i)",
    ),
    "rows of cumulating windows": (
        "SELECT id, window_start, window_end FROM CUMULATE(s, ts, '1m', '3m');",
        "SELECT id, b, b + INTERVAL 1 MINUTE * (i + 1) FROM "
        "(SELECT id, ts, time_bucket(INTERVAL 3 MINUTE, ts) AS b FROM s), range(3) r(i) "
        "WHERE b + INTERVAL 1 MINUTE * (i + 1) > ts",
    ),
    "group by the window": (
        "SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS a, count(*) AS n FROM s "
        "GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);",
        "SELECT time_bucket(INTERVAL 1 MINUTE, ts), count(*) FROM s GROUP BY ALL",
    ),
    "windows joined": (
        "SELECT a.id, b.id AS other FROM TUMBLE(s, ts, '1m') a JOIN TUMBLE(q, ts, '1m') b "
        "ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end;",
        "SELECT s.id, q.id FROM s JOIN q ON s.k = q.k AND time_bucket(INTERVAL 1 MINUTE, s.ts) = "
        "time_bucket(INTERVAL 1 MINUTE, q.ts)",
    ),
    "windowed groups joined": (
        "SELECT a.k, a.window_start, a.n, b.m FROM "
        "(SELECT k, window_start, window_end, count(*) n FROM TUMBLE(s, ts, 1m) "
        "GROUP BY k, window_start, window_end) a JOIN "
        "(SELECT k, window_start, window_end, max(w) m FROM TUMBLE(q, ts, 1m) "
        "GROUP BY k, window_start, window_end) b ON a.k = b.k "
        "AND a.window_start = b.window_start AND a.window_end = b.window_end;",
        "SELECT a.k, a.b, a.n, b.m FROM (SELECT k, time_bucket(INTERVAL 1 MINUTE, ts) AS b, "
        "count(*) AS n FROM s GROUP BY ALL) a JOIN (SELECT k, time_bucket(INTERVAL 1 MINUTE, ts) "
        "AS b, max(w) AS m FROM q GROUP BY ALL) b ON a.k = b.k AND a.b = b.b",
    ),
    "versions": (
        "SELECT s.id, r.rate FROM s JOIN rates FOR SYSTEM_TIME AS OF s.ts AS r ON s.k = r.k;",
        "SELECT s.id, r.rate FROM s ASOF JOIN rates r ON s.k = r.k AND s.ts >= r.\"at\"",
    ),
    "versions or none": (
        "SELECT s.id, r.rate, r.at FROM s LEFT JOIN rates FOR SYSTEM_TIME AS OF s.ts AS r "
        "ON s.k = r.k AND r.rate > s.v;",
        "SELECT s.id, CASE WHEN r.rate > s.v THEN r.rate END, "
        "CASE WHEN r.rate > s.v THEN r.\"at\" END "
        "FROM s ASOF LEFT JOIN rates r ON s.k = r.k AND s.ts >= r.\"at\"",
    ),
    "system columns": (
        "SELECT id, _event_time, _TIMESTAMP FROM s WHERE _event_time > ts - INTERVAL '1' SECOND;",
        "SELECT id, ts, ts FROM s",
    ),
    "subqueries over a table": (
        "SELECT id, (SELECT max(cap) FROM t) AS m, k IN (SELECT k FROM t WHERE tier = 'gold') AS g "
        "FROM s WHERE EXISTS (SELECT 1 FROM t WHERE t.k = s.k) OR v > 15;",
        "SELECT id, (SELECT max(cap) FROM t), k IN (SELECT k FROM t WHERE tier = 'gold') "
        "FROM s WHERE EXISTS (SELECT 1 FROM t WHERE t.k = s.k) OR v > 15",
    ),
}


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("name", CASES)
def test_a_statement_gives_what_a_batch_query_gives(world: World, name: str, threads: str) -> None:
    statement, query = CASES[name]
    assert as_text(world.rows(statement, "--threads", threads)) == as_text(world.duckdb(query))


def test_a_buffer_expires(world: World) -> None:
    rows = world.rows(
        "SELECT id, k, ts, count(*) OVER (ROWS WINDOW BUFFER 4 ROWS PARTITION BY k ORDER BY ts "
        "EXPIRE AFTER INTERVAL '15' SECONDS INACTIVITY) AS n FROM s;"
    )
    last: dict[str | None, tuple[datetime, int]] = {}
    for row in sorted(rows, key=lambda row: row["ts"]):
        at = datetime.fromisoformat(row["ts"])
        before, seen = last.get(row["k"], (at, 0))
        seen = 0 if at - before > timedelta(seconds=15) else seen
        last[row["k"]] = (at, min(seen + 1, 4))
        assert row["n"] == last[row["k"]][1], row
    assert len({row["n"] for row in rows}) == 4


def test_a_stream_is_written_and_read_by_another_job(world: World) -> None:
    declared = (
        "CREATE STREAM copy (id BIGINT, k STRING) "
        "WITH (connector = 'file', path = 'copy.jsonl', format = 'json');\n"
    )
    done = world.job(f"SELECT id FROM q;\n{declared}INSERT INTO copy SELECT id, k FROM s;")
    assert done.returncode == 0, done.stderr
    read = DECLARED.replace("CREATE SINK", declared + "CREATE SINK") + "SELECT k, id FROM copy;"
    (world.folder / "read.sql").write_text(read)
    subprocess.run([world.command, "run", str(world.folder / "read.sql")], check=True)
    lines = (world.folder / "o.jsonl").read_text().splitlines()
    got = [json.loads(line) for line in lines]
    assert as_text(got) == as_text(world.duckdb("SELECT k, id FROM s"))


REFUSED: dict[str, tuple[str, str]] = {
    "a frame without a beginning": (
        "SELECT sum(v) OVER (PARTITION BY k ORDER BY ts) AS x FROM s;",
        "over a stream a frame has a beginning",
    ),
    "another order": (
        "SELECT lag(v) OVER (PARTITION BY k ORDER BY v) AS x FROM s;",
        "goes by its event time, ascending",
    ),
    "a table without versions": (
        "SELECT s.id FROM s JOIN t FOR SYSTEM_TIME AS OF s.ts ON s.k = t.k;",
        '"t" has no versions',
    ),
    "another time than the event time": (
        "SELECT s.id FROM s JOIN rates FOR SYSTEM_TIME AS OF s.id ON s.k = rates.k;",
        "takes the event time of the stream on the left: ts",
    ),
    "a version without its key": (
        "SELECT s.id FROM s JOIN rates FOR SYSTEM_TIME AS OF s.ts ON s.v = rates.rate;",
        "there is no equality with k",
    ),
    "a buffer without rows": (
        "SELECT sum(v) OVER (ROWS WINDOW BUFFER 0 ROWS) AS x FROM s;",
        "a buffer holds 1 to 1000000 rows, got 0",
    ),
    "rows of sessions": (
        "SELECT id, window_start FROM SESSION(s PARTITION BY k, ts, 1m);",
        "a session is known when it is over",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused(world: World, name: str) -> None:
    statement, message = REFUSED[name]
    done = world.job(statement)
    assert done.returncode == 1
    assert message in done.stderr


KILLED = {
    "buffers": (
        "SELECT id, sum(v) OVER (ROWS WINDOW BUFFER 40 ROWS PARTITION BY k ORDER BY ts) AS x, "
        "lag(v) OVER (PARTITION BY k ORDER BY ts) AS l FROM s;"
    ),
    "versions": (
        "SELECT s.id, r.rate FROM s JOIN rates FOR SYSTEM_TIME AS OF s.ts AS r ON s.k = r.k;"
    ),
    "distinct": "SELECT DISTINCT k, id % 5000 AS m FROM s;",
}


@pytest.mark.parametrize("name", KILLED)
def test_a_job_that_is_killed_goes_on(world: World, name: str) -> None:
    rng = random.Random(3)
    rows = rows_of(rng, "s", 60_000)
    (world.folder / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = as_text(world.rows(KILLED[name]))
    kills = 0
    for _ in range(10):
        command = [world.command, "run", str(world.folder / "app.sql")]
        killed = subprocess.run(
            [*command, "--checkpoint-interval", "1", "--threads", str(rng.randrange(1, 4))],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HEADRACE_FAULT": f"job.step:{rng.randrange(2, 15)}:kill"},
            check=False,
        )
        if killed.returncode == 0:
            break
        assert killed.returncode == -signal.SIGKILL
        kills += 1
    done = subprocess.run([world.command, "run", str(world.folder / "app.sql")], check=False)
    assert done.returncode == 0
    assert kills > 0
    lines = (world.folder / "o.jsonl").read_text().splitlines()
    assert as_text([json.loads(line) for line in lines]) == expected
