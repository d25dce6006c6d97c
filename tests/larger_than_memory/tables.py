"""The tables of the matrix, made by DuckDB from the numbers of their rows.

A question has tables of its own, of the columns that it reads, all with the same number of rows:
so many that these columns take the bytes asked for. `facts` has every type of key, few and many
rows of a key, a key that nine of ten rows have, one that none has, and rows in the order of `made`
only.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import duckdb

from larger_than_memory.questions import Question

WIDE_COLUMNS = 60
PRIME = 1_000_003  # times the number of a row, modulo their count: every number once

# Per column its bytes in memory and its SQL. {n}: rows; i: the number of the row.
COLUMNS: dict[str, dict[str, tuple[int, str]]] = {
    "facts": {
        "id": (8, f"(i * {PRIME}) % {{n}}"),
        "k": (8, "(hash(i, 1) % ({n} // 4 + 1))::BIGINT"),
        "small": (2, "(hash(i, 2) % 1000)::SMALLINT"),
        "name": (27, "'key ' || hash(hash(i, 3) % ({n} // 4 + 1))"),
        "number": (8, "CASE WHEN hash(i, 4) % 50 > 0 THEN (hash(i, 5) % ({n} // 4 + 1)) / 4 END"),
        "made": (8, "TIMESTAMP '2024-01-01' + to_microseconds(i // 3 * 1000000)"),
        "money": (16, "(hash(i, 6) % ({n} // 4 + 1))::DECIMAL(18, 2) / 4"),
        "skewed": (8, "CASE WHEN hash(i, 7) % 10 > 0 THEN 7 ELSE i END"),
        "nothing": (8, "NULL::BIGINT"),
        "amount": (8, "CASE WHEN hash(i, 8) % 20 > 0 THEN (hash(i, 9) % 10000)::BIGINT END"),
        "price": (8, "(hash(i, 10) % 4000) / 4"),
        "text": (44, "sha1(i::VARCHAR)"),
    },
    # Four of five ids are among those of facts; the keys are of another draw.
    "others": {
        "id": (8, f"(i * {PRIME}) % {{n}} + {{n}} // 5"),
        "k": (8, "(hash(i, 21) % ({n} // 2 + 1))::BIGINT"),
        "small": (2, "(hash(i, 22) % 1000)::SMALLINT"),
        "name": (27, "'key ' || hash(hash(i, 23) % ({n} // 4 + 1))"),
        "made": (8, "TIMESTAMP '2024-01-01' + to_microseconds(i * 500000)"),
        "money": (16, "(hash(i, 26) % ({n} // 4 + 1))::DECIMAL(18, 2) / 4"),
        "nothing": (8, "NULL::BIGINT"),
        "weight": (8, "(hash(i, 29) % 1000)::BIGINT"),
    },
    "wide": {
        "id": (8, f"(i * {PRIME}) % {{n}}"),
        "k": (8, "hash(i, 41) % ({n} // 4 + 1)"),
        **{
            f"w{at}": (8, f"(hash(i, {at}) % 100000)::{'BIGINT' if at % 2 else 'DOUBLE'}")
            for at in range(WIDE_COLUMNS)
        },
    },
    "long": {
        "id": (8, f"(i * {PRIME}) % {{n}}"),
        "k": (8, "hash(i, 51) % ({n} // 4 + 1)"),
        "body": (1004, "repeat(sha1((i // 2)::VARCHAR), 25)"),
    },
}
ALIAS = {"facts": "f", "others": "o"}


def columns_read(sql: str, table: str) -> list[str]:
    """Those named in a question, without a table or with this one; all of `SELECT *`."""
    columns = COLUMNS[table]
    if "SELECT * FROM" in sql:
        return list(columns)
    alias = ALIAS.get(table, table)
    before = rf"(?:\b{alias}\.|(?<![\w.]))"
    return [name for name in columns if re.search(rf"{before}{name}\b", sql)]


def rows(question: Question, size_bytes: int) -> int:
    row_bytes = sum(
        COLUMNS[table][name][0]
        for table in question.tables
        for name in columns_read(question.sql, table)
    )
    return size_bytes // row_bytes + 1


def row_group_rows(size_bytes: int) -> int:
    """As DuckDB writes them, and small ones for small budgets: some pages are read whole."""
    return 122_880 if size_bytes >= 1 << 29 else 10_240


def file(table: str, columns: list[str], count: int, group_rows: int, folder: Path) -> Path:
    """The columns as Parquet; made at the first call."""
    sha = hashlib.sha1(" ".join(columns).encode()).hexdigest()[:8]
    path = folder / f"larger-than-memory-{table}-{sha}-{count}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        values = ", ".join(f"{COLUMNS[table][name][1]} AS {name}" for name in columns)
        duckdb.sql(
            f"COPY (SELECT {values.format(n=count)} FROM range({count}) t(i)) TO '{part}'"
            f" (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {group_rows})"
        )
        part.rename(path)
    return path


def files(question: Question, size_bytes: int, folder: Path) -> dict[str, Path]:
    """By the name of the table. Those of the columns read take at least `size_bytes` in memory."""
    count, group_rows = rows(question, size_bytes), row_group_rows(size_bytes)
    return {
        table: file(table, columns_read(question.sql, table), count, group_rows, folder)
        for table in question.tables
    }
