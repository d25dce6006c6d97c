"""Random applications of streams: statements, the files that they read, and the same question in
DuckDB's words. Everything is drawn from a seed."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

Row = dict[str, Any]

STREAM_TYPES = {
    "seq": pa.int64(),
    "k": pa.string(),
    "g": pa.int64(),
    "v": pa.int64(),
    "d": pa.float64(),
    "m": pa.decimal128(18, 2),
    "b": pa.bool_(),
    "ts": pa.timestamp("us"),
}
TABLE_TYPES = {
    "t": {"k": pa.string(), "tier": pa.string(), "lim": pa.int64(), "price": pa.decimal128(18, 4)},
    "u": {"g": pa.int64(), "cat": pa.string(), "w": pa.int64()},
    "x": {"k": pa.string(), "g": pa.int64(), "val": pa.int64()},
}
KEYS = {"t": ["k"], "u": ["g"], "x": ["k", "g"]}
SQL_TYPES = {
    pa.int64(): "BIGINT",
    pa.string(): "STRING",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us"): "TIMESTAMP",
    pa.decimal128(18, 2): "DECIMAL(18,2)",
    pa.decimal128(18, 4): "DECIMAL(18,4)",
}
WORDS = ["", "a", "b", "é", "a longer key than others", "NULL", '"q"', "x\ty"]
TIERS = ["gold", "basic", "Gold", ""]

FORMATS = ["jsonl", "jsonl", "jsonl.gz", "csv", "csv.gz", "parquet"]
SINKS = [
    "path = '{name}.jsonl'",
    "path = '{name}.jsonl'",
    "path = '{name}.jsonl', max_records_per_file = 20",
    "path = '{name}.jsonl.gz'",
    "path = '{name}.parquet'",
]
JOIN_KINDS = ["JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "JOIN", "LEFT JOIN"]
JOIN_KINDS += ["RIGHT JOIN", "FULL OUTER JOIN"]


@dataclasses.dataclass
class Query:
    """One sink: what it is asked, in both languages."""

    sql: str
    duckdb: str
    key: list[str] = dataclasses.field(default_factory=list)  # of changes; empty: rows are added
    in_order: str = ""  # a column whose values must come in order
    sink: str = "path = '{name}.jsonl'"


@dataclasses.dataclass
class Application:
    seed: int
    head: str  # of streams and tables
    queries: list[Query]
    rows: dict[str, list[Row]]  # by stream or table
    formats: dict[str, str]
    parts: dict[str, int]  # files

    def text(self, batch_rows: int) -> str:
        sinks = "".join(
            f"CREATE SINK out{i} WITH (connector = 'file', {q.sink.format(name=f'out{i}')}) AS\n"
            f"{q.sql};\n"
            for i, q in enumerate(self.queries)
        )
        return f"SET batch_rows = {batch_rows};\n{self.head}{sinks}"

    def types(self, name: str) -> dict[str, pa.DataType]:
        return TABLE_TYPES.get(name, STREAM_TYPES)

    def write(self, folder: Path) -> None:
        for name, rows in self.rows.items():
            parts = self.parts[name]
            for part in range(parts):
                cut = rows[len(rows) * part // parts : len(rows) * (part + 1) // parts]
                write_rows(folder / f"{name}{part}.{self.formats[name]}", cut, self.types(name))

    def latest(self, name: str) -> list[Row]:
        """A stream's rows, or the last row of each key of a table."""
        if name not in KEYS:
            return self.rows[name]
        return list({tuple(row[k] for k in KEYS[name]): row for row in self.rows[name]}.values())

    def answers(self) -> list[list[tuple[Any, ...]]]:
        with duckdb.connect(config={"threads": 1}) as connection:
            for name in self.rows:
                connection.register(name, table_of(self.latest(name), self.types(name)))
            return [connection.sql(query.duckdb).fetchall() for query in self.queries]


def table_of(rows: list[Row], types: dict[str, pa.DataType]) -> pa.Table:
    columns = [pa.array([row[name] for row in rows], kind) for name, kind in types.items()]
    return pa.Table.from_arrays(columns, list(types))


def json_cell(cell: Any) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return str(cell) if isinstance(cell, Decimal) else cell


def write_rows(path: Path, rows: list[Row], types: dict[str, pa.DataType]) -> None:
    if path.suffix == ".gz":
        plain = path.with_suffix("")
        write_rows(plain, rows, types)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    elif path.suffix == ".jsonl":
        lines = []
        for row in rows:
            # A field that is missing is null, as one that says so.
            cells = {n: json_cell(c) for n, c in row.items() if c is not None or row.get("g") != 1}
            lines.append(json.dumps(cells, ensure_ascii=len(row) % 2 == 0) + "\n")
        path.write_text("".join(lines))
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table_of(rows, types), path)
    else:
        pyarrow.parquet.write_table(table_of(rows, types), path, row_group_size=97)


class Maker:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.delay = self.rng.choice([0, 700, 2_000, 5_000])  # milliseconds
        self.ascends = self.delay == 0
        self.lateness = self.rng.choice([0, 0, 0, 1_000, 60_000])
        self.late = self.rng.choice(["drop", "update"]) if self.lateness else "drop"
        self.count = self.rng.choice([0, 1, 5, 60, 300, 300, 900])
        self.words = self.rng.sample(WORDS, self.rng.randrange(1, len(WORDS)))
        self.null_share = self.rng.choice([0, 0.05, 0.3])
        self.step = self.rng.choice([1, 40, 400])  # milliseconds between two rows
        self.has_null_times = self.rng.random() < 0.3
        self.start = self.rng.choice([datetime(2026, 1, 5, 9, 30), datetime(1969, 12, 31, 23, 59)])

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def duration(self, millis: int) -> str:
        if millis % 1_000 == 0 and self.chance(0.7):
            return f"INTERVAL '{millis // 1000}' SECOND"
        return f"INTERVAL '{millis}' MILLISECOND"

    # -- data

    def maybe_null(self, cell: Any, share: float | None = None) -> Any:
        return None if self.chance(self.null_share if share is None else share) else cell

    def stream_row(self, seq: int, at: datetime) -> Row:
        rng = self.rng
        late = timedelta(milliseconds=rng.randrange(self.delay + 1))
        if self.lateness and self.late_rows_come:
            late += timedelta(milliseconds=rng.randrange(self.lateness // 2))
        time = at - late
        return {
            "seq": seq,
            "k": self.maybe_null(rng.choice(self.words)),
            "g": self.maybe_null(rng.randrange(-2, 8)),
            "v": self.maybe_null(rng.randrange(-50, 50)),
            "d": self.maybe_null(rng.randrange(-4_000, 4_000) / 4),
            "m": self.maybe_null(Decimal(rng.randrange(-300_000, 3_000_000)) / 100),
            "b": self.maybe_null(rng.random() < 0.5),
            "ts": self.maybe_null(time, 0.03 if self.has_null_times else 0),
        }

    def stream_rows(self) -> list[Row]:
        at = self.start
        rows = []
        for seq in range(self.count):
            pause = self.rng.randrange(20_000) if self.chance(0.02) else 0
            at += timedelta(milliseconds=self.rng.randrange(self.step + 1) + pause)
            rows.append(self.stream_row(seq, at))
        return rows

    def table_rows(self, name: str) -> list[Row]:
        rng = self.rng
        rows: list[Row] = []
        for _ in range(rng.choice([0, 3, 20, 60])):
            row: Row = {"k": rng.choice(self.words), "g": rng.randrange(-2, 8)}
            more = {
                "tier": self.maybe_null(rng.choice(TIERS)),
                "lim": self.maybe_null(rng.randrange(-50, 50)),
                "price": self.maybe_null(Decimal(rng.randrange(10_000_000)) / 10_000),
                "cat": self.maybe_null(rng.choice(self.words)),
                "w": self.maybe_null(rng.randrange(-2, 8)),
                "val": self.maybe_null(rng.randrange(5)),
            }
            row.update(more)
            rows.append({column: row[column] for column in TABLE_TYPES[name]})
        return rows

    # -- statements

    def source(self, name: str, kind: str) -> str:
        types = TABLE_TYPES.get(name, STREAM_TYPES)
        columns = ", ".join(f"{column} {SQL_TYPES[t]}" for column, t in types.items())
        options = {"connector": "file", "path": f"{name}?.{self.formats[name]}"}
        if self.formats[name].startswith("jsonl"):
            options["format"] = "json"
        if kind == "STREAM":
            delay = "" if self.ascends else f" AS ts - {self.duration(self.delay)}"
            columns += f", WATERMARK FOR ts{delay}"
            if self.chance(0.1):
                options["watermark.strategy"] = "punctuated"
                options["watermark.punctuation"] = "b"
            if self.lateness:
                options["allowed.lateness"] = f"{self.lateness}ms"
                options["late.data.strategy"] = self.late
        else:
            columns += f", PRIMARY KEY ({', '.join(KEYS[name])})"
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
        return f"CREATE {kind} {name} ({columns}) WITH ({listed});\n"

    def stream_condition(self, alias: str) -> str:
        a = f"{alias}." if alias else ""
        choices = [
            f"{a}v > {self.rng.randrange(-40, 40)}",
            f"{a}m > 10000.00",
            f"{a}m <= {self.rng.randrange(0, 3_000_000) / 100:.2f}",
            f"{a}k <> 'a'",
            f"{a}b",
            f"NOT {a}b",
            f"{a}g IN (1, 2, 3, NULL)",
            f"{a}g NOT IN (1, 2)",
            f"{a}k LIKE '%a%'",
            f"{a}v IS NOT NULL",
            f"{a}v BETWEEN -10 AND {a}g * 4",
            f"coalesce({a}d, 0.0) < 100",
        ]
        return self.conditions(choices)

    def conditions(self, choices: list[str]) -> str:
        first, second = self.rng.sample(choices, 2)
        if self.chance(0.5):
            return first
        return f"({first} {self.rng.choice(['AND', 'OR'])} {second})"

    def calls(self, alias: str) -> list[str]:
        a = f"{alias}." if alias else ""
        choices = [
            f"SUM({a}m) AS total",
            f"SUM({a}v) AS sum_v",
            f"MIN({a}k) AS least",
            f"MAX({a}m) AS most",
            f"AVG({a}d) AS mean",
            f"COUNT({a}v) AS values_",
            f"COUNT(DISTINCT {a}g) AS kinds",
            f"SUM({a}m * {a}v) AS product",
            f"MAX({a}ts) AS newest",
            f"SUM(CASE WHEN {a}b THEN {a}v ELSE 1 END) AS mixed",
            f"SUM({a}v) FILTER (WHERE {a}g > 2) AS some",
            f"MEDIAN({a}v) AS middle",
            f"QUANTILE_DISC({a}v, 0.3) AS low_",
            f"BOOL_OR({a}b) AS any_",
            f"BIT_XOR({a}v) AS bits",
            f"ARG_MAX({a}seq, {a}ts) IS NULL AS untimed",
            f"ROUND(VAR_POP({a}g), 4) AS spread",
        ]
        return ["COUNT(*) AS n", *self.rng.sample(choices, self.rng.randrange(1, 5))]

    def join_clause(self) -> tuple[str, list[str], str, bool]:
        """Joins of s with tables, what may be selected, a condition, and whether all rows that
        come belong to rows of the stream."""
        rng = self.rng
        by_table = {
            "t": (["s.k = t.k"], ["t.lim > s.v", "t.tier = 'gold'", "t.price * 2 > s.m"]),
            "u": (["s.g = u.g", "u.g = s.g", "s.g = u.w", "s.k = u.cat"], ["u.w < s.v", "s.b"]),
            "x": (
                ["s.k = x.k AND s.g = x.g", "x.g = s.g", "s.k = x.k", "x.val = s.g"],
                ["x.val + s.v > 0", "x.val IS NOT NULL"],
            ),
        }
        tables = rng.sample(list(by_table), rng.choice([1, 1, 2, 3]))
        text = ""
        columns = []
        only_stream = True
        for table in tables:
            keys, residuals = by_table[table]
            kind = rng.choice(JOIN_KINDS)
            only_stream &= not kind.startswith(("RIGHT", "FULL"))
            on = rng.choice(keys)
            if self.chance(0.4):
                on += f" AND {rng.choice(residuals)}"
            text += f" {kind} {table} ON {on}"
            columns += [f"{table}.{column} AS {table}_{column}" for column in TABLE_TYPES[table]]
        conditions = [self.stream_condition("s"), *(f"{t}.g > 1" for t in tables if t != "t")]
        conditions += [f"{t}.k IS NULL" for t in tables if t != "u"]
        conditions += ["t.tier = 'gold' OR s.v > 3"] if "t" in tables else ["s.seq IS NOT NULL"]
        return text, columns, rng.choice(conditions), only_stream

    def enrich(self) -> Query:
        joins, columns, condition, only_stream = self.join_clause()
        items = ["s.seq", "s.k", "s.m * 2 AS twice", "s.ts", *self.rng.sample(columns, 3)]
        where = f" WHERE {condition}" if self.chance(0.6) else ""
        sql = f"SELECT {', '.join(items)} FROM s{joins}{where}"
        return Query(sql, sql, in_order="seq" if only_stream else "")

    def rows_only(self) -> Query:
        items = "seq, k, upper(k) AS loud, v * 3 - g AS n, m + 1.5 AS more, d, b, ts"
        condition = self.stream_condition("")
        sql = f"SELECT {items} FROM s WHERE {condition}"
        if self.has_second and self.chance(0.5):
            both = f"{sql} UNION ALL SELECT {items} FROM r"
            return Query(both, both)
        if self.chance(0.3):
            limit = f" LIMIT {self.rng.choice([0, 1, 7, 40])}"
            return Query(sql + limit, f"{sql} ORDER BY seq{limit}", in_order="seq")
        return Query(sql, sql, in_order="seq")

    def groups(self) -> Query:
        """Changes of groups, which add up to the groups."""
        joins, _, condition, _ = self.join_clause() if self.chance(0.3) else ("", [], "", True)
        keys = self.rng.choice([["k"], ["g"], ["k", "b"], ["k", "g"]])
        items = [f"s.{key} AS {key}" for key in keys] + self.calls("s")
        where = f" WHERE {condition or self.stream_condition('s')}" if self.chance(0.5) else ""
        having = " HAVING COUNT(*) % 3 <> 1" if self.chance(0.3) else ""
        group = ", ".join(f"s.{key}" for key in keys)
        sql = f"SELECT {', '.join(items)} FROM s{joins}{where} GROUP BY {group}{having}"
        emit = self.rng.choice(["", " EMIT CHANGES"])
        return Query(sql + emit, sql, key=keys)

    def window(self) -> Query:
        rng = self.rng
        kind = rng.choice(["TUMBLING", "SLIDING", "CUMULATE", "SESSION"])
        step = rng.choice([500, 1_000, 3_000, 10_000, 60_000])
        size = step
        if kind == "SLIDING":
            size = step * rng.choice([1, 2, 3, 5])
        if kind == "CUMULATE":
            size = step * rng.choice([1, 2, 4])
        arguments = {
            "TUMBLING": self.duration(size),
            "SLIDING": f"{self.duration(size)}, {self.duration(step)}",
            "CUMULATE": f"{self.duration(step)}, {self.duration(size)}",
            "SESSION": self.duration(size),
        }[kind]
        joins, _, condition, _ = self.join_clause() if self.chance(0.25) else ("", [], "", True)
        keys = rng.choice([[], ["k"], ["g"], ["k", "b"]])
        items = [f"s.{key} AS {key}" for key in keys]
        calls = self.calls("s")
        where = condition or self.stream_condition("s") if self.chance(0.5) else "true"
        having = " HAVING COUNT(*) > 1" if self.chance(0.3) else ""
        groups = "GROUP BY " + ", ".join(f"s.{key}" for key in keys) if keys else ""
        time = rng.choice(["", "s.ts, "])
        emit = rng.choice(["", " EMIT FINAL", " EMIT CHANGES"])
        clause = f"WINDOW {kind} ({time}{arguments})"
        clauses = [groups, clause] if self.chance(0.5) else [clause, groups]
        sql = (
            f"SELECT {', '.join([*items, '_window_start', '_window_end', *calls])} FROM s{joins} "
            f"WHERE {where} {' '.join(clauses)}{having}{emit}"
        )
        source = f"s{joins} WHERE ({where})"
        reference = self.window_reference(kind, size, step, keys, source, calls) + having
        if not joins and self.chance(0.3):
            function = {"TUMBLING": "TUMBLE", "SLIDING": "HOP"}.get(kind, kind)
            lengths = arguments
            if kind == "SLIDING":
                lengths = f"{self.duration(step)}, {self.duration(size)}"
            partition = f" PARTITION BY {', '.join(keys)}" if kind == "SESSION" and keys else ""
            bounds = ["window_start", "window_end"]
            sql = (
                f"SELECT {', '.join([*items, 'window_start AS _window_start'])}, "
                f"window_end AS _window_end, {', '.join(calls)} "
                f"FROM {function}(s{partition}, ts, {lengths}) AS s WHERE {where} "
                f"GROUP BY {', '.join([*(f's.{key}' for key in keys), *bounds])}{having}{emit}"
            )
        updates = emit == " EMIT CHANGES" or self.late == "update"
        named = [*keys, "_window_end" if kind == "CUMULATE" else "_window_start"]
        return Query(sql, reference, key=named if updates else [])

    def window_reference(
        self,
        kind: str,
        size: int,
        step: int,
        keys: list[str],
        source: str,
        calls: list[str],
    ) -> str:
        rows = f"SELECT s.*, epoch_ms(s.ts) AS ms FROM {source} AND s.ts IS NOT NULL"
        partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
        if kind == "SESSION":
            before = f"lag(ms) OVER ({partition}ORDER BY ms)"
            is_new = f"CASE WHEN ms - {before} <= {size} THEN 0 ELSE 1 END AS is_new"
            number = f"sum(is_new) OVER ({partition}ORDER BY ms) AS number"
            rows = f"SELECT *, {number} FROM (SELECT *, {is_new} FROM ({rows}))"
            start, end = "min(ms)", f"max(ms) + {size}"
            groups = [*keys, "number"]
        else:
            steps = -(-size // step)
            floor = size if kind == "CUMULATE" else step
            low = f"ms - ((ms % {floor}) + {floor}) % {floor}"
            rows = f"SELECT *, {low} AS low, unnest(range({steps})) AS i FROM ({rows})"
            if kind == "CUMULATE":
                spans = f"low AS w, low + (i + 1) * {step} AS e"
            else:
                spans = f"low - i * {step} AS w, low - i * {step} + {size} AS e"
            rows = f"SELECT * FROM (SELECT *, {spans} FROM ({rows})) WHERE w <= ms AND ms < e"
            start, end = "w", "e"
            groups = [*keys, "w", "e"]
        times = [f"make_timestamp(({start}) * 1000) AS ws", f"make_timestamp(({end}) * 1000) AS we"]
        return (
            f"SELECT {', '.join([*keys, *times, *calls])} FROM ({rows}) AS s "
            f"GROUP BY {', '.join(groups)}"
        )

    def interval(self) -> Query:
        rng = self.rng
        kind = rng.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        before, after = rng.choice([0, 500, 3_000]), rng.choice([0, 1_000, 7_000])
        key = rng.choice(["a.k = c.k", "a.g = c.g", "a.k = c.k AND a.g = c.g", "c.g = a.v"])
        if self.chance(0.3):
            key += rng.choice([" AND a.v < c.v", " AND c.b", " AND a.m > 5000"])
        low, high = self.duration(before), self.duration(after)
        between = f"c.ts BETWEEN a.ts - {low} AND a.ts + {high}"
        items = "a.seq AS aseq, c.seq AS cseq, a.k AS ak, c.g AS cg, a.m + c.m AS both_, c.ts AS t"
        where = f" WHERE {self.stream_condition('a')}" if self.chance(0.3) else ""
        reference = f"SELECT {items} FROM s a {kind} r c ON {key} AND {between}{where}"
        if self.chance(0.5):
            sql = reference
        else:
            sql = f"SELECT {items} FROM s a {kind} r c WITHIN ({low}, {high}) ON {key}{where}"
        return Query(sql, reference)

    def table_of_groups(self) -> Query:
        """A table that a query keeps, which another joins when it is loaded."""
        self.head += (
            "CREATE TABLE per_k AS SELECT k AS k PRIMARY KEY, COUNT(*) AS n, SUM(m) AS total, "
            "MAX(v) AS most FROM s WHERE k IS NOT NULL GROUP BY k;\n"
        )
        kind = self.rng.choice(["JOIN", "LEFT JOIN", "FULL JOIN"])
        items = "r.seq, r.k, p.n, p.total, p.most"
        sql = f"SELECT {items} FROM r {kind} per_k p ON r.k = p.k AND p.n > 2"
        per_k = (
            "(SELECT k, COUNT(*) AS n, SUM(m) AS total, MAX(v) AS most FROM s "
            "WHERE k IS NOT NULL GROUP BY k)"
        )
        return Query(sql, sql.replace("per_k", per_k))

    def table_of_windows(self) -> Query:
        self.head += (
            "CREATE TABLE per_minute AS SELECT k, _window_start, COUNT(*) AS n, MAX(m) AS most "
            "FROM s WHERE k IS NOT NULL GROUP BY k WINDOW TUMBLING (ts, 10s)"
            f"{self.rng.choice(['', ' EMIT CHANGES', ' EMIT FINAL'])};\n"
        )
        kind = self.rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN"])
        sql = f"SELECT r.seq, w.k, w.n, w.most FROM r {kind} per_minute w ON r.k = w.k AND w.n > 1"
        low = "epoch_ms(ts) - ((epoch_ms(ts) % 10000) + 10000) % 10000"
        windows = (
            f"(SELECT k, {low} AS w, COUNT(*) AS n, MAX(m) AS most FROM s "
            f"WHERE k IS NOT NULL AND ts IS NOT NULL GROUP BY k, {low})"
        )
        return Query(sql, sql.replace("per_minute", windows))

    def application(self) -> Application:
        rng = self.rng
        names = ["s", "r", *TABLE_TYPES]
        self.formats = {name: rng.choice(FORMATS) for name in names}
        self.parts = {name: rng.choice([1, 1, 3]) for name in names}
        self.late_rows_come = self.chance(0.5)
        self.has_second = self.chance(0.5)
        rows = {"s": self.stream_rows()}
        self.head = self.source("s", "STREAM")
        rows["r"] = self.stream_rows() if self.has_second else []
        if self.has_second:
            self.head += self.source("r", "STREAM")
        for name in TABLE_TYPES:
            rows[name] = self.table_rows(name)
            self.head += self.source(name, "TABLE")
        makers = [self.enrich, self.enrich, self.window, self.window, self.groups, self.rows_only]
        # Rows further behind than the delay may come too late for a join.
        if self.has_second and not (self.lateness and self.late_rows_come):
            makers += [self.interval, self.interval]
        if self.has_second:
            makers += [self.table_of_groups, self.table_of_windows]
        queries = [make() for make in rng.sample(makers, rng.choice([1, 1, 2, 3]))]
        for query in queries:
            query.sink = rng.choice(SINKS[:4] if query.key else SINKS)
        return Application(self.seed, self.head, queries, rows, self.formats, self.parts)


def make_application(seed: int) -> Application:
    return Maker(seed).application()
