"""Runs every part of the suite and prints what each gave; answers are compared with DuckDB's."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"
MARKS = ("<!-- streams: written by ./dev bench stream --write -->\n", "<!-- end of streams -->\n")
BATCH_ROWS = 1000
PEER_BATCHES = 300
PARTS = ("lookup", "enrich", "json", "window", "join", "latency")


def parse(arguments: list[str]) -> Any:
    parser = argparse.ArgumentParser(prog="dev bench stream")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the stream")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="the best one counts")
    parser.add_argument("--seconds", type=float, default=10, help="of each rate of the latencies")
    parser.add_argument("--rates", type=int, nargs="+", default=[10_000, 50_000, 100_000])
    parser.add_argument("--write", action="store_true", help="the tables into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    options.rows = max(options.rows // BATCH_ROWS, options.threads) * BATCH_ROWS
    return options


def to_duckdb(threads: int) -> Any:
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")
    return connection


class Bench:
    """The data, and the tables printed so far."""

    def __init__(self, options: Any, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.lines: list[str] = []
        self.problems: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines
        print("\n".join(lines), flush=True)

    def title(self, text: str, *columns: str) -> None:
        rule = "|---" + "|---:" * (len(columns) - 1) + "|"
        self.say("", f"**{text}**", "", "| " + " | ".join(columns) + " |", rule)

    def row(self, *cells: str) -> None:
        self.say("| " + " | ".join(cells) + " |")

    def expect(self, name: str, mine: Any, other: Any) -> None:
        """Both have the same rows, in whatever order."""
        connection = to_duckdb(1)
        connection.register("mine", mine)
        connection.register("other", other)
        sides = ("mine", "other"), ("other", "mine")
        counts = [
            connection.execute(
                f"SELECT count(*) FROM (SELECT * FROM {a} EXCEPT ALL SELECT * FROM {b})"
            ).fetchall()[0][0]
            for a, b in sides
        ]
        if counts != [0, 0] or mine.num_rows == 0:
            self.problems.append(
                f"{name}: {counts[0]} of {mine.num_rows} rows are not DuckDB's, {counts[1]} of"
                f" {other.num_rows} of DuckDB's are missing"
            )


@dataclasses.dataclass(frozen=True)
class Rate:
    """Of the best repeat."""

    rows: int
    seconds: float
    cpu: float

    def cell(self) -> str:
        """Millions a second, and microseconds of processor time a row."""
        return f"{self.rows / self.seconds / 1e6:.3f} ({self.cpu / self.rows * 1e6:.2f})"


def timed(rows: int, repeats: int, work: Callable[[], Any]) -> Rate:
    best = Rate(rows, float("inf"), float("inf"))
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        took = time.perf_counter() - start
        if took < best.seconds:
            best = Rate(rows, took, time.process_time() - cpu)
    return best


def ratio(mine: Rate, others: list[Rate]) -> str:
    """How many times as many rows a second as the fastest of the others; the same of processor
    time."""
    seconds = min(other.seconds / other.rows for other in others)
    cpu = min(other.cpu / other.rows for other in others)
    return f"{seconds * mine.rows / mine.seconds:.1f} ({cpu * mine.rows / mine.cpu:.1f})"


# -- lookups


def run_lookups(bench: Bench) -> None:
    import numpy as np
    import pandas as pd
    from streams import jobs

    program = jobs.ROOT / "build" / "bench" / "keyed_table_micro"
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    bench.title(
        "Lookups: millions a second of one core (processor time); bytes a row of the table",
        *done.stdout.splitlines()[0].strip("| ").split(" | "),
        "numpy searchsorted M/s",
        "pandas get_indexer M/s",
        "Python dict, single M/s",
    )
    rng = np.random.default_rng(11)
    for line in done.stdout.splitlines()[2:]:
        cells = line.strip("| ").split(" | ")
        peers = ["–"] * 3
        if cells[0] == "int64":
            count = int(cells[1])
            keys = np.sort(rng.permutation(count * 1000)[:count]) if count < 100_000 else (
                np.arange(count) * 1000
            )
            index = pd.Index(keys)
            known = dict(zip(keys.tolist(), range(count)))
            probes = rng.choice(keys, 1 << 20).reshape(-1, 16384)
            single = probes[0].tolist()
            works: list[tuple[int, Callable[[], Any]]] = [
                (probes.size, lambda: [np.searchsorted(keys, part) for part in probes]),
                (probes.size, lambda: [index.get_indexer(part) for part in probes]),
                (len(single), lambda: [known.get(key) for key in single]),
            ]
            rates = [timed(rows, bench.options.repeats, work) for rows, work in works]
            peers = [f"{rate.rows / rate.cpu / 1e6:.1f}" for rate in rates]
        bench.row(*cells, *peers)


# -- joins and windows over Arrow

SINK = "CREATE SINK out WITH (connector = 'rows') AS "
MINUTES = (
    "SELECT symbol, _window_start, _window_end, COUNT(*) AS n, SUM(quantity) AS total"
    " FROM trades GROUP BY symbol WINDOW TUMBLING (ts, INTERVAL '1' MINUTE) EMIT FINAL"
)
SESSIONS = (
    "SELECT user_id, _window_start, _window_end, COUNT(*) AS n, SUM(quantity) AS total"
    " FROM trades GROUP BY user_id WINDOW SESSION (ts, INTERVAL '10' SECOND) EMIT FINAL"
)
MINUTES_AT_ONCE = """
SELECT symbol, date_trunc('minute', ts) AS b, date_trunc('minute', ts) + INTERVAL 1 MINUTE AS e,
       count(*) AS n, sum(quantity)::BIGINT AS total FROM trades GROUP BY ALL
"""
SESSIONS_AT_ONCE = """
SELECT user_id, min(ts) AS b, max(ts) + INTERVAL 10 SECOND AS e, count(*) AS n,
       sum(quantity)::BIGINT AS total
FROM (SELECT *, sum(opens) OVER (PARTITION BY user_id ORDER BY ts, trade_id
                                 ROWS UNBOUNDED PRECEDING) AS session
      FROM (SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY user_id ORDER BY ts, trade_id)
                                <= INTERVAL 10 SECOND THEN 0 ELSE 1 END AS opens FROM trades))
GROUP BY user_id, session
"""
INTERVAL_JOIN = (
    "SELECT t.trade_id, o.order_id FROM trades t JOIN orders o ON t.user_id = o.user_id"
    " AND o.ts BETWEEN t.ts AND t.ts + INTERVAL '10' SECOND"
)
ORDERS = """
CREATE STREAM orders (order_id BIGINT, user_id STRING, ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH (connector = 'arrow', path = 'orders.arrow');
"""


def by_duckdb(bench: Bench, sql: str, tables: list[str]) -> tuple[Rate, Any]:
    """The whole tables at once."""
    from streams import jobs

    connection = to_duckdb(bench.options.threads)
    rows = 0
    for name in tables:
        table = jobs.read_arrow(bench.folder / f"{name}.arrow")
        if name in ("trades", "orders"):
            rows += table.num_rows
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    connection.execute("SET preserve_insertion_order = false")
    answers: list[Any] = []

    def work() -> None:
        answers.append(connection.sql(sql).to_arrow_table())

    return timed(rows, bench.options.repeats, work), answers[-1]


def by_headrace(bench: Bench, query: str, extra: str = "") -> tuple[Rate, Any]:
    from streams import jobs

    out = bench.folder / "out.arrow"
    options = bench.options
    sql = jobs.TRADES + extra + SINK + query + ";"
    got = jobs.over_arrow(sql, bench.folder, options.threads, options.repeats, out)
    return Rate(got.rows, got.seconds, got.cpu), jobs.read_arrow(out)


def peer_rate(bench: Bench, make: Callable[[Any], Any], tables: Any) -> Rate:
    """A peer over the first batches of the stream."""
    from streams import jobs

    rows = jobs.read_arrow(bench.folder / "trades.arrow")
    count = min(PEER_BATCHES, rows.num_rows // BATCH_ROWS)
    batches = [
        rows.slice(at * BATCH_ROWS, BATCH_ROWS).combine_chunks().to_batches()[0]
        for at in range(count)
    ]

    def work() -> None:
        peer = make(tables)
        started.append((time.perf_counter(), time.process_time()))
        kept = [peer.take(batch) for batch in batches]
        if hasattr(peer, "end"):
            kept.append(peer.end())

    best = Rate(1, float("inf"), float("inf"))
    for _ in range(bench.options.repeats):
        started: list[tuple[float, float]] = []
        work()
        took = time.perf_counter() - started[0][0]
        if took / (count * BATCH_ROWS) < best.seconds / best.rows:
            best = Rate(count * BATCH_ROWS, took, time.process_time() - started[0][1])
    return best


PEER_COLUMNS = ("numpy", "pandas", "Polars", "DuckDB", "headrace ÷ best peer")


def run_enrich(bench: Bench) -> None:
    from streams import jobs, peers

    bench.title(
        f"Enrich Arrow batches of 1,000 rows, {bench.options.threads} threads: millions a second"
        " (µs of processor time a row)",
        *("join", "headrace", *PEER_COLUMNS),
    )
    tables = jobs.tables()
    one = peers.DuckDbOne.SQL.replace("JOIN users", "JOIN user_profiles")
    loads = (
        ("one table", one, peers.DuckDbOne.SQL, "One"),
        ("three tables", jobs.ENRICHED, peers.DuckDbThree.SQL, "Three"),
    )
    for name, query, reference, suffix in loads:
        mine, rows = by_headrace(bench, query, jobs.TABLES)
        _, answer = by_duckdb(bench, reference, ["trades", *tables])
        bench.expect(f"enrich with {name}", rows, answer)
        makers = [getattr(peers, kind + suffix) for kind in ("Numpy", "Pandas", "Polars", "DuckDb")]
        others = [peer_rate(bench, make, tables) for make in makers]
        bench.row(name, mine.cell(), *(other.cell() for other in others), ratio(mine, others))


def run_windows(bench: Bench) -> None:
    from streams import peers

    bench.title(
        f"Windows over Arrow batches of 1,000 rows, {bench.options.threads} threads: millions a"
        " second (µs of processor time a row)",
        *("window", "headrace", "pandas", "Polars", "DuckDB", "DuckDB, the table at once"),
    )
    mine, rows = by_headrace(bench, MINUTES)
    whole, answer = by_duckdb(bench, MINUTES_AT_ONCE, ["trades"])
    bench.expect("tumbling window", rows, answer)
    makers = (peers.PandasMinutes, peers.PolarsMinutes, peers.DuckDbMinutes)
    others = [peer_rate(bench, make, {}) for make in makers]
    bench.row("tumbling", mine.cell(), *(other.cell() for other in others), whole.cell())
    mine, rows = by_headrace(bench, SESSIONS)
    whole, answer = by_duckdb(bench, SESSIONS_AT_ONCE, ["trades"])
    bench.expect("session window", rows, answer)
    bench.row("session", mine.cell(), "–", "–", "–", whole.cell())


def run_join(bench: Bench) -> None:
    bench.title(
        f"Interval join of two streams in Arrow batches of 1,000 rows, {bench.options.threads}"
        " threads: millions of rows a second, of both sides (µs of processor time a row)",
        *("join", "headrace", "rows out", "DuckDB, the tables at once"),
    )
    mine, rows = by_headrace(bench, INTERVAL_JOIN, ORDERS)
    whole, answer = by_duckdb(
        bench, INTERVAL_JOIN.replace("'10' SECOND", "10 SECOND"), ["trades", "orders"]
    )
    bench.expect("interval join", rows, answer)
    bench.row("inner, 10 s", mine.cell(), f"{rows.num_rows:,}", whole.cell())


# -- JSON lines

DECODE = "CREATE SINK out WITH (connector = 'file', path = 'out.jsonl', format = 'json') AS "


def lines_of(path: Path, count: int) -> list[bytes]:
    """The first lines of a file, in texts of 1,000."""
    texts = []
    with path.open("rb") as file:
        for _ in range(count):
            texts.append(b"".join(file.readline() for _ in range(BATCH_ROWS)))
    return texts


def run_json(bench: Bench) -> None:
    import io

    import pandas as pd
    import polars as pl
    import pyarrow.json
    from streams import jobs, peers

    import trades

    rows = bench.options.rows
    path = bench.folder / "trades.jsonl"
    trades.write_json_lines(jobs.read_arrow(bench.folder / "trades.arrow"), path)
    for name, table in jobs.tables().items():
        trades.write_json_lines(table, bench.folder / f"{name}.jsonl")
    bench.title(
        "JSON lines, by `headrace run` from its start to its exit: millions a second (µs of"
        " processor time a row); peers in batches of 1,000 lines",
        *("work", "headrace", "pyarrow + numpy", "pandas", "Polars", "DuckDB, the file at once"),
    )
    texts = lines_of(path, min(PEER_BATCHES, rows // BATCH_ROWS))
    total = len(texts) * BATCH_ROWS
    repeats = bench.options.repeats

    got = jobs.by_command(
        jobs.TRADES + DECODE + "SELECT * FROM trades WHERE quantity < 0;",
        bench.folder,
        rows,
        "out.jsonl",
        repeats,
    )
    readers: tuple[Callable[[bytes], Any], ...] = (
        lambda text: pyarrow.json.read_json(io.BytesIO(text)),
        lambda text: pd.read_json(io.BytesIO(text), lines=True, dtype=False),
        lambda text: pl.read_ndjson(io.BytesIO(text)),
    )
    others = [
        timed(total, repeats, lambda read=read: [read(text) for text in texts]) for read in readers
    ]
    duckdb_rate = file_by_duckdb(bench, "SELECT * FROM {trades} WHERE quantity < 0")
    cells = [other.cell() for other in (*others, duckdb_rate)]
    bench.row("decode all fields", Rate(got.rows, got.seconds, got.cpu).cell(), *cells)

    query = jobs.TRADES + jobs.TABLES + DECODE + jobs.ENRICHED + ";"
    got = jobs.by_command(query, bench.folder, rows, "out.jsonl", repeats)
    tables = jobs.tables()
    makers = (peers.NumpyLines, peers.PandasLines, peers.PolarsLines)
    others = []
    for make in makers:
        peer = make(tables)
        others.append(
            timed(total, repeats, lambda peer=peer: [peer.take_lines(text) for text in texts])
        )
    reference = peers.DuckDbThree.SQL.replace("FROM trades", "FROM {trades}")
    duckdb_rate = file_by_duckdb(bench, reference)
    cells = [other.cell() for other in (*others, duckdb_rate)]
    bench.row("three tables, JSON lines out", Rate(got.rows, got.seconds, got.cpu).cell(), *cells)
    expect_lines(bench)


def expect_lines(bench: Bench) -> None:
    """What the job has written is DuckDB's answer over the same files."""
    from streams import peers

    connection = to_duckdb(bench.options.threads)
    for name in ("trades", "users", "limits", "prices"):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT * FROM read_json('{bench.folder / name}.jsonl')"
        )
    price = "CAST(m.current_price AS DECIMAL(18,4)) AS current_price"
    answer = connection.sql(
        peers.DuckDbThree.SQL.replace("m.current_price", price)
    ).to_arrow_table()
    mine = connection.sql(
        "SELECT * REPLACE (CAST(current_price AS DECIMAL(18,4)) AS current_price)"
        f" FROM read_json('{bench.folder}/out.jsonl')"
    ).to_arrow_table()
    bench.expect("JSON lines through a job", mine, answer)


def file_by_duckdb(bench: Bench, sql: str) -> Rate:
    """From the file to a file."""
    connection = to_duckdb(bench.options.threads)
    for name in ("users", "limits", "prices"):
        connection.execute(
            f"CREATE TABLE {name} AS SELECT * FROM read_json('{bench.folder / name}.jsonl')"
        )
    query = sql.format(trades=f"read_json('{bench.folder / 'trades.jsonl'}')")
    copy = f"COPY ({query}) TO '{bench.folder / 'duckdb.jsonl'}' (FORMAT json)"
    return timed(bench.options.rows, bench.options.repeats, lambda: connection.execute(copy))


# -- latency

FOLLOWED = (
    "SELECT t.sent, t.trade_id, u.tier, u.risk_score, l.position_limit, m.current_price"
    " FROM trades t JOIN user_profiles u ON t.user_id = u.user_id"
    " JOIN limits l ON t.user_id = l.user_id LEFT JOIN market_data m ON t.symbol = m.symbol;"
)

POSITIONS = """
CREATE TABLE positions (id BIGINT PRIMARY KEY, quantity BIGINT, amount DECIMAL(18,2), note STRING)
  WITH (connector = 'file', path = 'positions.jsonl', watch = true);
SELECT t.sent, t.trade_id, p.quantity, p.note FROM trades t LEFT JOIN positions p
ON t.trade_id = p.id;
"""


def run_latency(bench: Bench) -> None:
    from streams import jobs, latency

    bench.title(
        "Latency: rows appended to a followed file → three tables → JSON lines on stdout, from the"
        " write to the read, in milliseconds",
        *("rows a second", "checkpoints", "p50", "p99", "p99.9", "worst", "cores used"),
    )
    sql = jobs.application(jobs.SENT + jobs.TABLES, "jsonl", "file") + FOLLOWED
    for rate in bench.options.rates:
        for every, settings in (("1 s", []), ("none", ["--checkpoint-interval", "1000000"])):
            got = latency.measure(rate, bench.options.seconds, sql, settings)
            bench.row(f"{rate:,}", every, *got.cells())
    bench.title(
        "Latency: the same over a table of 1,000,000 rows that takes 25,000 changes a second",
        *("rows a second", "checkpoints", "p50", "p99", "p99.9", "worst", "cores used"),
    )
    positions = latency.Positions(1_000_000, 25_000)
    sql = jobs.SENT + POSITIONS
    for rate in bench.options.rates:
        for every, settings in (("1 s", []), ("none", ["--checkpoint-interval", "1000000"])):
            got = latency.measure(rate, bench.options.seconds, sql, settings, positions)
            bench.row(f"{rate:,}", every, *got.cells())


RUNS: dict[str, Callable[[Bench], None]] = {
    "lookup": run_lookups,
    "enrich": run_enrich,
    "json": run_json,
    "window": run_windows,
    "join": run_join,
    "latency": run_latency,
}


@contextlib.contextmanager
def data(options: Any) -> Iterator[Path]:
    """A folder with the Arrow files."""
    import pyarrow.compute as pc
    from streams import jobs

    import trades

    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        for table_name, table in jobs.tables().items():
            jobs.write_arrow(table, folder / f"{table_name}.arrow")
        rows = trades.trades(options.rows, jobs.USERS, jobs.SYMBOLS)
        jobs.write_arrow(rows, folder / "trades.arrow")
        orders = rows.select(["trade_id", "user_id", "ts"]).rename_columns(
            ["order_id", "user_id", "ts"]
        )
        others = rows["user_id"].take(pc.subtract(len(rows) - 1, orders["order_id"]))
        jobs.write_arrow(orders.set_column(1, "user_id", others), folder / "orders.arrow")
        yield folder


def write_docs(lines: list[str]) -> None:
    """Replaces what stands between the marks in docs/benchmarks.md."""
    before, rest = DOCS.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    DOCS.write_text(before + MARKS[0] + "\n".join(lines) + "\n\n" + MARKS[1] + after)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    with data(options) as folder:
        bench = Bench(options, folder)
        for part in options.parts or PARTS:
            RUNS[part](bench)
    for problem in bench.problems:
        print(f"bench: {problem}", file=sys.stderr)
    if options.write:
        write_docs(bench.lines)
    return 1 if bench.problems else 0
