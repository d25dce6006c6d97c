"""The tables of the matrix, made by DuckDB from the numbers of their rows.

The tables of a question have all the same number of rows: so many that the columns that it reads
take the bytes asked for. Questions with as many rows share them. `facts` has every type of key,
few and many rows of a key, a key that nine of ten rows have, one that none has, and rows in the
order of `made` only.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import duckdb

from larger_than_memory.cache import Cache
from larger_than_memory.questions import Question

WIDE_COLUMNS = 60
# Bytes of a row for which there are tables.
ROW_BYTES = (10, 16, 18, 24, 32, 35, 43, 60, 68, 114, 153, 168, 496, 1004)
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


def columns_bytes(table: str, columns: list[str]) -> int:
    return sum(COLUMNS[table][name][0] for name in columns)


def rows(question: Question, size_bytes: int) -> int:
    """So many that the columns read take `size_bytes`, or up to a quarter more: questions whose
    rows have nearly as many bytes have tables of one size."""
    row_bytes = sum(
        columns_bytes(table, columns_read(question.sql, table)) for table in question.tables
    )
    return size_bytes // max(step for step in ROW_BYTES if step <= row_bytes) + 1


def row_group_rows(size_bytes: int) -> int:
    """As DuckDB writes them, and small ones for small budgets: some pages are read whole."""
    return 122_880 if size_bytes >= 1 << 29 else 10_240


def shared_columns(table: str, count: int, size_bytes: int, questions: list[Question]) -> list[str]:
    """Those that any question reads of the table with so many rows."""
    read = {
        name
        for question in questions
        if table in question.tables and rows(question, size_bytes) == count
        for name in columns_read(question.sql, table)
    }
    return [name for name in COLUMNS[table] if name in read]


def copy_sql(table: str, columns: list[str], count: int, group_rows: int) -> str:
    """What is written: DuckDB's `COPY (query) TO`, without the file."""
    values = ", ".join(f"{COLUMNS[table][name][1]} AS {name}" for name in columns)
    return (
        f"COPY (SELECT {values.format(n=count)} FROM range({count}) t(i)) TO '{{file}}'"
        f" (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {group_rows})"
    )


def file(table: str, columns: list[str], count: int, group_rows: int, cache: Cache) -> Path:
    """The columns as Parquet; made at the first call. Its name is of all that is in it."""
    sql = copy_sql(table, columns, count, group_rows)
    sha = hashlib.sha1(sql.encode()).hexdigest()[:10]

    def write(path: Path) -> None:
        duckdb.sql(sql.format(file=path))

    name = f"{table}-{count}-{sha}.parquet"
    return cache.file(name, count * columns_bytes(table, columns), write)


def files(
    question: Question, questions: list[Question], size_bytes: int, cache: Cache
) -> dict[str, Path]:
    """By the name of the table. Those of the columns read take at least `size_bytes` in memory;
    columns that others of `questions` read are in them too."""
    count, group_rows = rows(question, size_bytes), row_group_rows(size_bytes)
    return {
        table: file(
            table, shared_columns(table, count, size_bytes, questions), count, group_rows, cache
        )
        for table in question.tables
    }
