"""Trades and what they are enriched with, made from a seed: Arrow tables and JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

START_MICROS = 1_700_000_000_000_000
PART_ROWS = 100_000
TIERS = np.array(["gold", "silver", "bronze"])


def users(count: int) -> pa.Table:
    number = np.arange(count)
    return pa.table(
        {
            "user_id": names("user", number, 7),
            "tier": pa.array(TIERS[number % 3]),
            "risk_score": number * 31 % 100,
        }
    )


def limits(count: int) -> pa.Table:
    number = np.arange(count)
    return pa.table(
        {"user_id": names("user", number, 7), "position_limit": number * 7919 % 2000}
    )


def prices(count: int) -> pa.Table:
    """Of all symbols but the last twentieth."""
    number = np.arange(count - count // 20)
    price = decimals(number * 9973 % 5_000_000 + 10_000, 4)
    return pa.table({"symbol": names("SYM", number, 4), "current_price": price})


def trades(rows: int, user_count: int, symbol_count: int, step_micros: int = 1000) -> pa.Table:
    """In order of time, up to two seconds late."""
    rng = np.random.default_rng(7)
    late = rng.integers(0, 2_000_000, rows)
    ts = START_MICROS + np.arange(rows) * step_micros - late
    return pa.table(
        {
            "trade_id": np.arange(rows),
            "user_id": names("user", rng.integers(0, user_count, rows), 7),
            "symbol": names("SYM", rng.integers(0, symbol_count, rows), 4),
            "quantity": rng.integers(1, 1000, rows),
            "amount": decimals(rng.integers(100, 5_000_000, rows), 2),
            "ts": pa.array(ts, pa.timestamp("us")),
        }
    )


def names(prefix: str, number: np.ndarray, digits: int) -> pa.Array:
    """"user0000012": all of one length."""
    few = pa.array([f"{prefix}{i:0{digits}}" for i in range(int(number.max(initial=-1)) + 1)])
    return few.take(pa.array(number))


def decimals(units: np.ndarray, scale: int) -> pa.Array:
    """units / 10^scale, exactly: 16 bytes each, the low ones first."""
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63
    return pa.Array.from_buffers(
        pa.decimal128(18, scale), len(units), [None, pa.py_buffer(words.tobytes())]
    )


def json_lines(table: pa.Table) -> Iterator[str]:
    """Texts of many lines. Decimals and times are texts in quotes."""
    quoted = [
        pa.types.is_string(field.type)
        or pa.types.is_decimal(field.type)
        or pa.types.is_timestamp(field.type)
        for field in table.schema
    ]
    line = "{{" + ",".join(
        f'"{name}":"{{}}"' if quote else f'"{name}":{{}}'
        for name, quote in zip(table.column_names, quoted)
    ) + "}}\n"
    for begin in range(0, table.num_rows, PART_ROWS):
        part = table.slice(begin, PART_ROWS)
        columns = [
            column.cast(pa.string()).to_pylist() if quote else column.to_pylist()
            for column, quote in zip(part.columns, quoted)
        ]
        yield "".join(line.format(*row) for row in zip(*columns))


def write_json_lines(table: pa.Table, path: Path) -> None:
    with path.open("w") as file:
        file.writelines(json_lines(table))
