"""The job that streaming is for – trades joined with three tables, and counted by the minute – runs
from its files as `headrace run` does, and gives what DuckDB computes from the same files."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from caught_signal import wait_until_caught

APPLICATION = """
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
SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score, l.position_limit,
       m.current_price, t.amount / 3 AS third
FROM trades t JOIN user_profiles u ON t.user_id = u.user_id
JOIN limits l ON t.user_id = l.user_id AND l.position_limit > t.quantity
LEFT JOIN market_data m ON t.symbol = m.symbol
WHERE t.amount > 10000;
CREATE SINK per_minute WITH (connector = 'file', path = 'per_minute.jsonl', format = 'json') AS
SELECT symbol, _window_start, _window_end, COUNT(*) AS n, SUM(amount) AS total FROM trades
GROUP BY symbol WINDOW TUMBLING (ts, INTERVAL '1' MINUTE) EMIT FINAL;
"""

Rows = list[dict[str, Any]]


def write_lines(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_lines(path: Path) -> Rows:
    return [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]


@dataclass
class Inputs:
    folder: Path
    trades: int

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """DuckDB's answer over the files; a key's last row counts."""
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            columns = {
                "trades": "trade_id: 'BIGINT', user_id: 'VARCHAR', symbol: 'VARCHAR', "
                "quantity: 'BIGINT', amount: 'DECIMAL(18,2)', ts: 'TIMESTAMP'",
                "users": "user_id: 'VARCHAR', tier: 'VARCHAR', risk_score: 'BIGINT'",
                "limits": "user_id: 'VARCHAR', position_limit: 'BIGINT'",
                "prices": "symbol: 'VARCHAR', current_price: 'DECIMAL(18,4)'",
            }
            for name, types in columns.items():
                con.execute(
                    f"CREATE VIEW {name} AS FROM read_json('{self.folder / name}.jsonl', "
                    f"format = 'newline_delimited', columns = {{{types}}})"
                )
            return con.execute(sql).fetchall()


def make_inputs(folder: Path, trades: int, seed: int = 7) -> Inputs:
    rng = random.Random(seed)
    at = datetime(2026, 1, 5, 9, 30)
    rows: Rows = []
    for number in range(trades):
        at += timedelta(milliseconds=rng.randrange(0, 60))
        late = timedelta(milliseconds=rng.randrange(0, 4_900))
        rows.append(
            {
                "trade_id": number,
                "user_id": f"u{rng.randrange(500)}",
                "symbol": f"S{rng.randrange(50)}",
                "quantity": rng.randrange(1, 1_000),
                "amount": f"{rng.randrange(1, 3_000_000) / 100:.2f}",
                "ts": (at - late).isoformat(sep=" ", timespec="milliseconds"),
            }
        )
    write_lines(folder / "trades.jsonl", rows)
    users = [
        {"user_id": f"u{i}", "tier": rng.choice(["gold", "basic"]), "risk_score": rng.randrange(99)}
        for i in range(480)
    ]
    write_lines(folder / "users.jsonl", users)
    limits = [{"user_id": f"u{i}", "position_limit": rng.randrange(1_000)} for i in range(20, 500)]
    write_lines(folder / "limits.jsonl", limits)
    prices = [
        {"symbol": f"S{i}", "current_price": f"{rng.randrange(10_000_000) / 10_000:.4f}"}
        for i in range(40)
    ]
    write_lines(folder / "prices.jsonl", prices)
    (folder / "app.sql").write_text(APPLICATION)
    return Inputs(folder, trades)


def third(amount: Decimal) -> Decimal:
    return (amount / 3).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def check_outputs(inputs: Inputs) -> None:
    expected = inputs.query(
        """
        SELECT trade_id, t.symbol, quantity, tier, risk_score, position_limit, current_price, amount
        FROM trades t JOIN users u USING (user_id)
        JOIN limits l ON t.user_id = l.user_id AND position_limit > quantity
        LEFT JOIN prices p ON t.symbol = p.symbol
        WHERE amount > 10000 ORDER BY trade_id
        """
    )
    enriched = read_lines(inputs.folder / "enriched.jsonl")
    got = [tuple(row.values()) for row in enriched]
    assert got == [(*row[:-1], third(row[-1])) for row in expected]
    windows = inputs.query(
        """
        SELECT symbol, time_bucket(INTERVAL '1 minute', ts) AS start, count(*), sum(amount)
        FROM trades GROUP BY ALL ORDER BY ALL
        """
    )
    per_minute = read_lines(inputs.folder / "per_minute.jsonl")
    counted = [
        (row["symbol"], datetime.fromisoformat(row["_window_start"]), row["n"], row["total"])
        for row in per_minute
    ]
    assert sorted(counted) == windows
    for row in per_minute:
        length = datetime.fromisoformat(row["_window_end"]) - datetime.fromisoformat(
            row["_window_start"]
        )
        assert length == timedelta(minutes=1)


def run(command: str, inputs: Inputs, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command, "run", str(inputs.folder / "app.sql"), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_job_gives_what_a_batch_query_gives(
    headrace_command: str, tmp_path: Path, threads: str
) -> None:
    inputs = make_inputs(tmp_path, trades=20_000)
    done = run(headrace_command, inputs, "--threads", threads)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    check_outputs(inputs)
    again = run(headrace_command, inputs)
    assert again.returncode == 0, again.stderr
    check_outputs(inputs)


def end_by(process: subprocess.Popen[bytes], kill: int, after: float) -> bool:
    """Whether the process was still running to get the signal."""
    if kill == signal.SIGTERM:
        wait_until_caught(process, kill)
    time.sleep(after)
    was_running = process.poll() is None
    process.send_signal(kill)
    process.wait(60)
    return was_running


def run_until_killed(
    command: str, inputs: Inputs, kill: signal.Signals, rng: random.Random
) -> bool:
    """One start of the job, on 1 to 3 threads; false when it ended before the signal came."""
    process = subprocess.Popen(
        [
            *(command, "run", str(inputs.folder / "app.sql")),
            *("--checkpoint-interval", "10", "--threads", str(rng.randrange(1, 4))),
        ],
        stderr=subprocess.DEVNULL,
    )
    was_running = end_by(process, kill, rng.uniform(0.03, 0.3))
    assert process.returncode in ((-kill, 0) if kill == signal.SIGKILL else (0,))
    return was_running


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_that_is_killed_goes_on(
    headrace_command: str, tmp_path: Path, kill: signal.Signals
) -> None:
    inputs = make_inputs(tmp_path, trades=250_000)
    rng = random.Random(11)
    kills = starts = 0
    while kills < 12 and starts < 30:  # one that has ended begins again
        kills += run_until_killed(headrace_command, inputs, kill, rng)
        starts += 1
    done = run(headrace_command, inputs)
    assert done.returncode == 0, done.stderr
    assert kills > 0
    check_outputs(inputs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_200_kills(headrace_command: str, tmp_path: Path) -> None:
    """Whenever the job has ended its outputs are checked, and it begins again."""
    inputs = make_inputs(tmp_path, trades=250_000)
    rng = random.Random(2026)
    kills = ends = 0
    while kills < 200:
        if run_until_killed(headrace_command, inputs, signal.SIGKILL, rng):
            kills += 1
        else:
            ends += 1
            check_outputs(inputs)
    done = run(headrace_command, inputs)
    assert done.returncode == 0, done.stderr
    check_outputs(inputs)
    print(f"{kills} kills, {ends + 1} jobs, each as the batch query has it")
