"""headrace over streams: trades are joined with three tables and counted by the minute, exactly.

`./dev demo --stream` writes trades, users, limits and prices as JSON lines, runs the application
below with `headrace run`, and holds what it wrote against DuckDB's answers; `--quick`: fewer rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trades

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "demo-stream"
ROWS_FULL, ROWS_QUICK = 2_000_000, 100_000
USERS, SYMBOLS = 50_000, 500

APPLICATION = """\
CREATE STREAM trades (trade_id BIGINT, user_id STRING, symbol STRING, quantity BIGINT,
                      amount DECIMAL(18,2), ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH (connector = 'file', path = 'trades.jsonl', format = 'json');
CREATE TABLE user_profiles (user_id STRING PRIMARY KEY, tier STRING, risk_score BIGINT)
  WITH (connector = 'file', path = 'users.jsonl', format = 'json');
CREATE TABLE limits (user_id STRING PRIMARY KEY, position_limit BIGINT)
  WITH (connector = 'file', path = 'limits.jsonl', format = 'json');
CREATE TABLE market_data (symbol STRING PRIMARY KEY, current_price DECIMAL(18,4))
  WITH (connector = 'file', path = 'prices.jsonl', format = 'json');

CREATE SINK enriched WITH (connector = 'file', path = 'enriched.jsonl', format = 'json') AS
SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score, l.position_limit, m.current_price,
       t.amount / 3 AS third
FROM trades t JOIN user_profiles u ON t.user_id = u.user_id
JOIN limits l ON t.user_id = l.user_id AND l.position_limit > t.quantity
LEFT JOIN market_data m ON t.symbol = m.symbol
WHERE t.amount > 10000;

CREATE SINK per_minute WITH (connector = 'file', path = 'per_minute.jsonl', format = 'json') AS
SELECT symbol, _window_start, _window_end, COUNT(*) AS n, SUM(amount) AS total FROM trades
GROUP BY symbol WINDOW TUMBLING (ts, INTERVAL '1' MINUTE) EMIT FINAL;
"""

READ = """
CREATE VIEW {name} AS SELECT * FROM read_json('{path}', format = 'newline_delimited',
                                              columns = {columns})
"""
COLUMNS: dict[str, dict[str, str]] = {
    "trades": {
        "trade_id": "BIGINT",
        "user_id": "VARCHAR",
        "symbol": "VARCHAR",
        "quantity": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "ts": "TIMESTAMP",
    },
    "users": {"user_id": "VARCHAR", "tier": "VARCHAR", "risk_score": "BIGINT"},
    "limits": {"user_id": "VARCHAR", "position_limit": "BIGINT"},
    "prices": {"symbol": "VARCHAR", "current_price": "DECIMAL(18,4)"},
    "enriched": {
        "trade_id": "BIGINT",
        "symbol": "VARCHAR",
        "quantity": "BIGINT",
        "tier": "VARCHAR",
        "risk_score": "BIGINT",
        "position_limit": "BIGINT",
        "current_price": "DECIMAL(18,4)",
        "third": "DECIMAL(38,6)",
    },
    "per_minute": {
        "symbol": "VARCHAR",
        "_window_start": "TIMESTAMP",
        "_window_end": "TIMESTAMP",
        "n": "BIGINT",
        "total": "DECIMAL(38,2)",
    },
}
# A third is right to half a unit of its sixth digit.
ENRICHED = """
SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score, l.position_limit, m.current_price
FROM trades t JOIN users u ON t.user_id = u.user_id
JOIN limits l ON t.user_id = l.user_id AND l.position_limit > t.quantity
LEFT JOIN prices m ON t.symbol = m.symbol WHERE t.amount > 10000
"""
WRONG_THIRDS = """
SELECT count(*) FROM enriched e JOIN trades t ON e.trade_id = t.trade_id
WHERE e.third IS NULL OR abs(3 * e.third - t.amount) > 0.0000015
"""
PER_MINUTE = """
SELECT symbol, date_trunc('minute', ts), date_trunc('minute', ts) + INTERVAL 1 MINUTE, count(*),
       sum(amount)
FROM trades GROUP BY ALL
"""


def make(rows: int) -> int:
    """The files of the application; gives the bytes of the trades."""
    tables = {
        "trades": trades.trades(rows, USERS, SYMBOLS),
        "users": trades.users(USERS),
        "limits": trades.limits(USERS),
        "prices": trades.prices(SYMBOLS),
    }
    for name, table in tables.items():
        trades.write_json_lines(table, FOLDER / f"{name}.jsonl")
    (FOLDER / "app.sql").write_text(APPLICATION)
    return (FOLDER / "trades.jsonl").stat().st_size


def run() -> float:
    """Seconds of the job, from the start of the command to its exit."""
    command = os.environ.get("HEADRACE_COMMAND", str(ROOT / "build" / "headrace"))
    start = time.perf_counter()
    done = subprocess.run([command, "run", "app.sql"], cwd=FOLDER, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    print("".join(f"  {line}\n" for line in done.stderr.splitlines()))
    if done.returncode:
        sys.exit(f"demo: headrace run ended with {done.returncode}")
    return seconds


def count(connection: Any, sql: str) -> int:
    number: int = connection.execute(sql).fetchall()[0][0]
    return number


def check() -> None:
    """Both outputs are the answers of DuckDB over the same files, row for row."""
    import duckdb

    connection = duckdb.connect()
    for name, columns in COLUMNS.items():
        path = FOLDER / f"{name}.jsonl"
        connection.execute(READ.format(name=name, path=path, columns=columns))
    without_third = "SELECT * EXCLUDE (third) FROM enriched"
    for name, mine, answer in (
        ("enriched", without_third, ENRICHED),
        ("per_minute", "SELECT * FROM per_minute", PER_MINUTE),
    ):
        lost = count(connection, f"SELECT count(*) FROM (({answer}) EXCEPT ALL ({mine}))")
        more = count(connection, f"SELECT count(*) FROM (({mine}) EXCEPT ALL ({answer}))")
        rows = count(connection, f"SELECT count(*) FROM ({mine})")
        if lost or more or not rows:
            sys.exit(f"demo: {name}: {lost} rows of DuckDB's answer are missing, {more} are more")
        print(f"  {name}: {rows:,} rows, the same as DuckDB's over the whole files")
    if wrong := count(connection, WRONG_THIRDS):
        sys.exit(f"demo: {wrong} thirds are not those of their amounts")


def show(name: str) -> None:
    import headrace as hr

    print(f"\n  {name}.jsonl begins with\n")
    rows = repr(hr.scan(FOLDER / f"{name}.jsonl").limit(3)).rpartition("\n")[0]
    print("".join(f"  {line}\n" for line in rows.splitlines()), end="")


def main(rows: int) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        megabytes = make(rows) / 1e6
        print(f"{rows:,} trades, {megabytes:.0f} MB of JSON lines in {FOLDER}, and app.sql:\n")
        print("".join(f"  {line}\n" for line in APPLICATION.splitlines()))
        print("$ headrace run app.sql\n")
        seconds = run()
        print(f"  {seconds:.2f} s: {rows / seconds:,.0f} trades/s through both queries\n")
        check()
        show("enriched")
        show("per_minute")
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
