"""Data sets: generated from fixed seeds, kept as Parquet and CSV below ~/.cache/headrace-bench."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

CACHE = Path(os.environ.get("HEADRACE_BENCH_DATA", Path.home() / ".cache" / "headrace-bench"))
ROWS_PER_GROUP = 1 << 20


def groups(rows: int) -> pa.Table:
    """The group-by table of the h2o.ai benchmark: K = 100, no nulls, not sorted."""
    rng = np.random.default_rng(1)
    few, many = 100, max(rows // 100, 1)

    def words(count: int, digits: int) -> pa.Array:
        names = pa.array([f"id{number:0{digits}}" for number in range(1, count + 1)])
        return names.take(pa.array(rng.integers(0, count, rows)))

    return pa.table(
        {
            "id1": words(few, 3),
            "id2": words(few, 3),
            "id3": words(many, 10),
            "id4": rng.integers(1, few + 1, rows),
            "id5": rng.integers(1, few + 1, rows),
            "id6": rng.integers(1, many + 1, rows),
            "v1": rng.integers(1, 6, rows),
            "v2": rng.integers(1, 16, rows),
            "v3": np.round(rng.uniform(0, 100, rows), 6),
        }
    )


def joined(rows: int) -> pa.Table:
    """The left side of the h2o.ai joins: keys of a small, a medium and a big right side."""
    rng = np.random.default_rng(2)
    sizes = (max(rows // 1_000_000, 10), max(rows // 1000, 10), rows)
    keys = {f"k{at}": rng.integers(0, size * 10 // 9, rows) for at, size in enumerate(sizes, 1)}
    return pa.table({**keys, "v1": rng.uniform(0, 100, rows)})


def right_side(rows: int, size: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"k": rng.permutation(size), "v2": rng.uniform(0, 100, size)})


SYMBOLS = 500
DAY_US = 86_400_000_000
DAY_TRADES = 10_000_000
START = np.datetime64("2024-03-04", "us")
USER_EVENTS = 50  # on average


def rising_times(rng: np.random.Generator, rows: int, span_us: int) -> np.ndarray[Any, Any]:
    """Times from START on over `span_us`, each later than the one before."""
    gaps = rng.integers(1, max(2 * span_us // max(rows, 1), 3), rows)
    return START + np.cumsum(gaps).astype("timedelta64[us]")


def trading_us(rows: int) -> int:
    """The time that so many trades take: ten million a day, and at least ten minutes."""
    return max(DAY_US * rows // DAY_TRADES, 600_000_000)


def symbol_count(rows: int) -> int:
    """Few trades are of few symbols, each with as many as a test needs."""
    return min(SYMBOLS, max(rows // 1000, 2))


def symbols(numbers: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array([f"S{number:03}" for number in range(SYMBOLS)]).take(pa.array(numbers))


def trades(rows: int) -> pa.Table:
    """Trades of 500 symbols in the order of time; prices in cents walk at random."""
    rng = np.random.default_rng(6)
    numbers = rng.integers(0, symbol_count(rows), rows)
    steps = rng.integers(-20, 21, rows)
    order = np.argsort(numbers, kind="stable")
    walks = np.cumsum(steps[order])
    starts = np.searchsorted(numbers[order], np.arange(SYMBOLS))
    before = np.concatenate(([0], walks))[starts]
    cents = np.empty(rows, np.int64)
    cents[order] = 1_000_000 + walks - before[numbers[order]]
    return pa.table(
        {
            "ts": rising_times(rng, rows, trading_us(rows)),
            "symbol": symbols(numbers),
            "price": cents / 100.0,
            "size": rng.integers(1, 1000, rows),
        }
    )


def quotes(rows: int) -> pa.Table:
    """Two quotes for each of `rows` trades, over the same time; in its order."""
    rng = np.random.default_rng(7)
    bid = rng.integers(900_000, 1_100_000, 2 * rows)
    return pa.table(
        {
            "ts": rising_times(rng, 2 * rows, trading_us(rows)),
            "symbol": symbols(rng.integers(0, symbol_count(rows), 2 * rows)),
            "bid": bid / 100.0,
            "ask": (bid + rng.integers(1, 10, 2 * rows)) / 100.0,
        }
    )


def events(rows: int) -> pa.Table:
    """A day of what users did, in the order of time: 1 looked, 2 put in the cart, 3 bought."""
    rng = np.random.default_rng(8)
    return pa.table(
        {
            "ts": rising_times(rng, rows, DAY_US),
            "user_id": rng.integers(0, max(rows // USER_EVENTS, 1), rows),
            "step": rng.choice(np.array([1, 1, 1, 1, 1, 2, 2, 2, 3]), rows),
        }
    )


DATA = {
    "trades": trades,
    "quotes": quotes,
    "events": events,
    "groups": groups,
    "joined": joined,
    "small": lambda rows: right_side(rows, max(rows // 1_000_000, 10), 3),
    "medium": lambda rows: right_side(rows, max(rows // 1000, 10), 4),
    "big": lambda rows: right_side(rows, rows, 5),
}


def file(name: str, rows: int, suffix: str) -> Path:
    """The data set `name` as a file of the format `suffix`; made at the first call."""
    path = CACHE / f"{name}-{rows}.{suffix}"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    table = DATA[name](rows)
    part = path.with_suffix(f".{os.getpid()}.part")
    if suffix == "csv":
        pyarrow.csv.write_csv(table, part, pa.csv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(table, part, row_group_size=ROWS_PER_GROUP, compression="snappy")
    part.rename(path)
    return path
