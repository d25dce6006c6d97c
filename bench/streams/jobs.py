"""Applications of the suite and how they are run: by the command, and over Arrow in memory."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo"))

import trades

USERS = 50_000
SYMBOLS = 500

TRADES = """
CREATE STREAM trades (trade_id BIGINT, user_id STRING, symbol STRING, quantity BIGINT,
                      amount DECIMAL(18,2), ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ({trades});
"""
TABLES = """
CREATE TABLE user_profiles (user_id STRING PRIMARY KEY, tier STRING, risk_score BIGINT)
  WITH ({users});
CREATE TABLE limits (user_id STRING PRIMARY KEY, position_limit BIGINT) WITH ({limits});
CREATE TABLE market_data (symbol STRING PRIMARY KEY, current_price DECIMAL(18,4)) WITH ({prices});
"""
SENT = """
CREATE STREAM trades (sent BIGINT, trade_id BIGINT, user_id STRING, symbol STRING, quantity BIGINT,
                      amount DECIMAL(18,2))
  WITH (connector = 'file', path = 'trades.jsonl', watch = true);
"""
JOIN_THREE = """
FROM trades t JOIN user_profiles u ON t.user_id = u.user_id
JOIN limits l ON t.user_id = l.user_id AND l.position_limit > t.quantity
LEFT JOIN market_data m ON t.symbol = m.symbol
"""
ENRICHED = (
    "SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score, l.position_limit,"
    " m.current_price" + JOIN_THREE
)
NAMES = ("trades", "users", "limits", "prices")


def command() -> str:
    return os.environ.get("HEADRACE_COMMAND", str(ROOT / "build" / "headrace"))


def tables() -> dict[str, pa.Table]:
    return {
        "users": trades.users(USERS),
        "limits": trades.limits(USERS),
        "prices": trades.prices(SYMBOLS),
    }


def write_tables(folder: Path) -> None:
    for name, table in tables().items():
        trades.write_json_lines(table, folder / f"{name}.jsonl")


def application(text: str, suffix: str, connector: str) -> str:
    """`text` with the options of every stream and table: files called after it."""
    options = {
        name: f"connector = '{connector}', path = '{name}.{suffix}'" for name in NAMES
    }
    return text.format(**options)


@dataclasses.dataclass(frozen=True)
class Figures:
    """Of the best repeat. `cpu` is of all threads, `rows` what went in."""

    seconds: float
    cpu: float
    rows: int


def over_arrow(sql: str, folder: Path, threads: int, repeats: int, out: Path) -> Figures:
    """Runs an application over Arrow files in micro-batches of 1,000 rows; its rows go to `out`."""
    text = application(sql, "arrow", "arrow")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text)
        file.flush()
        program = ROOT / "build" / "bench" / "stream_micro"
        words = [program, file.name, folder, threads, 1000, repeats, out]
        done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    runs: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    best = min(runs, key=lambda run: run["seconds"])
    return Figures(best["seconds"], best["cpu_seconds"], best["rows"])


def by_command(sql: str, folder: Path, rows: int, out: str, repeats: int) -> Figures:
    """Runs an application of JSON lines by the command, from its start to its exit."""
    path = folder / "app.sql"
    path.write_text(application(sql, "jsonl", "file"))
    best = Figures(float("inf"), float("inf"), rows)
    for _ in range(repeats):
        for old in (folder / "app.state", folder / f".{out}.journal"):
            shutil.rmtree(old, ignore_errors=True)
        (folder / out).unlink(missing_ok=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = os.times().elapsed
        done = subprocess.run(
            [command(), "run", str(path)],
            env={**os.environ, "HEADRACE_BATCH_ROWS": "1000"},
            capture_output=True,
            text=True,
        )
        took = os.times().elapsed - start
        if done.returncode:
            raise RuntimeError(done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if took < best.seconds:
            best = Figures(took, cpu, rows)
    return best


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1_000_000)


def read_arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
