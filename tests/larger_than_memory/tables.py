"""The tables of the matrix, made by DuckDB from the numbers of their rows.

Each is about as large as asked for; `facts` has every type of key, few and many rows of a key, a
key that nine of ten rows have, one that none has, and rows in the order of `made` only.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

WIDE_COLUMNS = 60
BYTES_PER_ROW = {"facts": 150, "others": 60, "wide": 8 * WIDE_COLUMNS + 16, "long": 1050}
PRIME = 1_000_003  # times the number of a row, modulo their count: every number once

WIDE = ", ".join(
    f"(hash(i, {at}) % 100000)::{'BIGINT' if at % 2 else 'DOUBLE'} AS w{at}"
    for at in range(WIDE_COLUMNS)
)

# {n}: rows; i: the number of the row.
SQL = {
    "facts": f"""
        (i * {PRIME}) % {{n}} AS id,
        (hash(i, 1) % ({{n}} // 4 + 1))::BIGINT AS k,
        (hash(i, 2) % 1000)::SMALLINT AS small,
        'key ' || hash(hash(i, 3) % ({{n}} // 4 + 1)) AS name,
        CASE WHEN hash(i, 4) % 50 > 0 THEN (hash(i, 5) % ({{n}} // 4 + 1)) / 4 END AS number,
        TIMESTAMP '2024-01-01' + to_microseconds(i // 3 * 1000000) AS made,
        (hash(i, 6) % ({{n}} // 4 + 1))::DECIMAL(18, 2) / 4 AS money,
        CASE WHEN hash(i, 7) % 10 > 0 THEN 7 ELSE i END AS skewed,
        NULL::BIGINT AS nothing,
        CASE WHEN hash(i, 8) % 20 > 0 THEN (hash(i, 9) % 10000)::BIGINT END AS amount,
        (hash(i, 10) % 4000) / 4 AS price,
        sha1(i::VARCHAR) AS text""",
    # Four of five ids are among those of facts; the keys are of another draw.
    "others": f"""
        (i * {PRIME}) % {{n}} + {{n}} // 5 AS id,
        (hash(i, 21) % ({{n}} // 2 + 1))::BIGINT AS k,
        (hash(i, 22) % 1000)::SMALLINT AS small,
        'key ' || hash(hash(i, 23) % ({{n}} // 4 + 1)) AS name,
        TIMESTAMP '2024-01-01' + to_microseconds(i * 500000) AS made,
        (hash(i, 26) % ({{n}} // 4 + 1))::DECIMAL(18, 2) / 4 AS money,
        NULL::BIGINT AS nothing,
        (hash(i, 29) % 1000)::BIGINT AS weight""",
    "wide": f"(i * {PRIME}) % {{n}} AS id, (hash(i, 41) % ({{n}} // 4 + 1)) AS k, {WIDE}",
    "long": f"""
        (i * {PRIME}) % {{n}} AS id, (hash(i, 51) % ({{n}} // 4 + 1)) AS k,
        repeat(sha1((i // 2)::VARCHAR), 25) AS body""",
}


def rows(table: str, size_bytes: int) -> int:
    return size_bytes // BYTES_PER_ROW[table]


def row_group_rows(size_bytes: int) -> int:
    """As DuckDB writes them, and small ones for small budgets: a page is read whole."""
    return 122_880 if size_bytes >= 1 << 30 else 10_240


def file(table: str, size_bytes: int, folder: Path) -> Path:
    """The table as Parquet; made at the first call."""
    path = folder / f"larger-than-memory-{table}-{size_bytes}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        count = rows(table, size_bytes)
        part = path.with_suffix(".part")
        duckdb.sql(
            f"COPY (SELECT {SQL[table].format(n=count)} FROM range({count}) t(i)) TO '{part}'"
            f" (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {row_group_rows(size_bytes)})"
        )
        part.rename(path)
    return path
