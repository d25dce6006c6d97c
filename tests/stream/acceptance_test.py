"""Lines of the acceptance list (README.md) that other tests do not cover: names, subqueries over
tables, exact money, and what joins refuse."""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

STREAM = """
CREATE STREAM trades (id BIGINT, user_id STRING, amount DECIMAL(18,2), price DECIMAL(18,4))
  WITH (connector = 'file', path = 'trades.jsonl', format = 'json');
CREATE TABLE users (user_id STRING PRIMARY KEY, tier STRING, credit DECIMAL(18,2))
  WITH (connector = 'file', path = 'users.jsonl', format = 'json');
CREATE TABLE limits (id BIGINT PRIMARY KEY, user_id STRING, most DECIMAL(18,2))
  WITH (connector = 'file', path = 'limits.jsonl', format = 'json');
"""
TRADES: list[dict[str, Any]] = [
    {"id": i, "user_id": f"u{i % 5}" if i % 7 else None, "amount": f"{i}.05", "price": f"{i}.5000"}
    for i in range(40)
]
USERS: list[dict[str, Any]] = [
    {"user_id": f"u{i}", "tier": ["gold", "basic", None][i], "credit": f"{i * 9}.10"}
    for i in range(3)
]
LIMITS: list[dict[str, Any]] = [
    {"id": i, "user_id": f"u{i % 4}", "most": f"{i * 3}.00"} for i in range(10)
]


class Application:
    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self.folder = folder
        for name, rows in (("trades", TRADES), ("users", USERS), ("limits", LIMITS)):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(text)

    def run(self, text: str) -> tuple[int, str]:
        (self.folder / "app.sql").write_text(text)
        done = subprocess.run(
            [self.command, "run", str(self.folder / "app.sql")],
            capture_output=True,
            text=True,
            env={**os.environ, "HEADRACE_SEED": "3"},
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        sink = "CREATE SINK o WITH (connector = 'file', path = 'o.jsonl') AS "
        code, stderr = self.run(STREAM + sink + query)
        assert code == 0, stderr
        lines = (self.folder / "o.jsonl").read_text().splitlines()
        return [tuple(json.loads(line, parse_float=Decimal).values()) for line in lines]

    def of_duckdb(self, query: str) -> list[tuple[Any, ...]]:
        columns = {
            "trades": "id: 'BIGINT', user_id: 'VARCHAR', amount: 'DECIMAL(18,2)', "
            "price: 'DECIMAL(18,4)'",
            "users": "user_id: 'VARCHAR', tier: 'VARCHAR', credit: 'DECIMAL(18,2)'",
            "limits": "id: 'BIGINT', user_id: 'VARCHAR', most: 'DECIMAL(18,2)'",
        }
        with duckdb.connect() as connection:
            for name, types in columns.items():
                connection.execute(
                    f"CREATE VIEW {name} AS FROM read_json('{self.folder / name}.jsonl', "
                    f"format = 'newline_delimited', columns = {{{types}}})"
                )
            return connection.execute(query).fetchall()


@pytest.fixture
def application(headrace_command: str, tmp_path: Path) -> Application:
    return Application(headrace_command, tmp_path)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM trades WHERE user_id IN (SELECT user_id FROM users)",
        "SELECT id FROM trades WHERE user_id IN (SELECT user_id FROM users WHERE tier = 'gold')",
        "SELECT id FROM trades WHERE user_id NOT IN (SELECT user_id FROM users)",
        "SELECT id FROM trades t WHERE EXISTS "
        "(SELECT 1 FROM users u WHERE u.user_id = t.user_id AND u.credit > 5)",
        "SELECT id FROM trades t WHERE NOT EXISTS "
        "(SELECT 1 FROM users u WHERE u.user_id = t.user_id)",
        "SELECT id, (SELECT max(credit) FROM users) AS most FROM trades",
        "SELECT id, (SELECT count(*) FROM limits) AS n, (SELECT sum(most) FROM limits) AS s "
        "FROM trades",
        "SELECT id FROM trades WHERE amount > (SELECT max(most) FROM limits)",
        "SELECT id, CASE WHEN user_id IN (SELECT user_id FROM users) THEN 'known' ELSE 'new' END "
        "AS w FROM trades",
        "SELECT id, (SELECT max(most) FROM limits l WHERE l.user_id = t.user_id) AS most "
        "FROM trades t",
    ],
)
def test_subqueries_over_tables(application: Application, query: str) -> None:
    expected = application.of_duckdb(query)
    assert sorted(map(repr, application.rows(query))) == sorted(map(repr, expected))


def test_names_that_are_words_elsewhere(application: Application) -> None:
    query = "SELECT id AS status, amount AS metrics, price AS properties FROM trades WHERE id < 3"
    named = f"SELECT status, metrics, properties FROM ({query}) WHERE status > 0"
    assert application.rows(named) == application.of_duckdb(named)


def test_money_is_exact(application: Application) -> None:
    """In exact decimals, half away from zero where digits end."""
    items = (
        "amount + price, amount * 3, amount * price, price = 10.5, amount = 10.050, amount / 2.00, "
        "0 - amount, amount - 100.10, 10.00 / 2.00"
    )
    names = [f"x{i}" for i in range(9)]
    named = ", ".join(f"{item} AS {name}" for item, name in zip(items.split(", "), names))
    got = application.rows(f"SELECT {named} FROM trades")
    for row, trade in zip(got, TRADES, strict=True):
        amount, price = Decimal(str(trade["amount"])), Decimal(str(trade["price"]))
        expected = (
            *(amount + price, amount * 3, amount * price, price == Decimal("10.5")),
            *(amount == Decimal("10.05"), amount / 2, -amount, amount - Decimal("100.10"), 5),
        )
        assert row == expected
    total = application.rows("SELECT 1 AS k, SUM(amount) AS s FROM trades GROUP BY 1 EMIT CHANGES")
    assert total[-1][1] == sum(Decimal(str(trade["amount"])) for trade in TRADES)


def test_a_negative_fraction_keeps_its_sign(application: Application) -> None:
    lines = '{"id": 1, "amount": "-0.05"}\n{"id": 2, "amount": -0.05}\n'
    (application.folder / "trades.jsonl").write_text(lines)
    application.rows("SELECT id, amount, CAST(amount AS STRING) AS t FROM trades")
    assert (application.folder / "o.jsonl").read_text() == (
        '{"id":1,"amount":-0.05,"t":"-0.05"}\n{"id":2,"amount":-0.05,"t":"-0.05"}\n'
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 1 AS x FROM trades t JOIN users u ON t.id = u.user_id", "BIGINT"),
        ("SELECT u.nothing FROM trades t JOIN users u ON t.user_id = u.user_id", "nothing"),
        ("SELECT t.id FROM trades t JOIN userz u ON t.user_id = u.user_id", "users"),
        ("SELECT user_id FROM trades t JOIN users u ON t.user_id = u.user_id", "user_id"),
        ("SELECT t.id FROM trades t JOIN users u ON t.user_id", "BOOLEAN"),
        ("SELECT t.id FROM trades t JOIN trades s ON t.user_id = s.user_id", "WATERMARK FOR"),
    ],
)
def test_what_a_join_refuses_it_names(application: Application, query: str, words: str) -> None:
    sink = "CREATE SINK o WITH (connector = 'file', path = 'o.jsonl') AS "
    code, stderr = application.run(STREAM + sink + query)
    assert code == 1
    assert words in stderr and "^" in stderr
    assert not (application.folder / "o.jsonl").exists()
