"""The same work written by hand with numpy, pandas, Polars and DuckDB, in micro-batches.

A peer is made from the tables and takes batches of trades; `take` does one and gives its rows,
which are kept as they are: nobody pays for turning them into something else.
"""

from __future__ import annotations

import io
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.json

Tables = dict[str, pa.Table]


def fixed_width(column: pa.Array) -> np.ndarray:
    """Texts of one length as an array of bytes, without a copy."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset :]
    begin, end = int(offsets[0]), int(offsets[len(array)])
    width = (end - begin) // max(len(array), 1)
    return np.frombuffer(array.buffers()[2], dtype=f"S{width}", count=len(array), offset=begin)


class NumpyIndex:
    """Keys of a table, sorted."""

    def __init__(self, keys: pa.ChunkedArray) -> None:
        keys = fixed_width(keys)
        self.order = np.argsort(keys)
        self.keys = keys[self.order]

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row of each key, and whether there is one."""
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.order[at], self.keys[at] == keys


class NumpyOne:
    def __init__(self, tables: Tables) -> None:
        users = tables["users"]
        self.users = NumpyIndex(users["user_id"])
        self.tier = users["tier"].to_numpy()
        self.risk = users["risk_score"].to_numpy()

    def take(self, batch: pa.RecordBatch) -> list[Any]:
        row, found = self.users.find(fixed_width(batch["user_id"]))
        row = row[found]
        own = [batch[name].filter(pa.array(found)) for name in ("trade_id", "symbol", "quantity")]
        return [*own, self.tier[row], self.risk[row]]


class NumpyThree(NumpyOne):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.limits = NumpyIndex(tables["limits"]["user_id"])
        self.limit = tables["limits"]["position_limit"].to_numpy()
        self.prices = NumpyIndex(tables["prices"]["symbol"])
        self.price = tables["prices"]["current_price"].combine_chunks()

    def take(self, batch: pa.RecordBatch) -> list[Any]:
        keys = fixed_width(batch["user_id"])
        user, has_user = self.users.find(keys)
        limited, has_limit = self.limits.find(keys)
        limit = self.limit[limited]
        kept = np.flatnonzero(has_user & has_limit & (limit > batch["quantity"].to_numpy()))
        priced, has_price = self.prices.find(fixed_width(batch["symbol"])[kept])
        price = self.price.take(pa.array(priced, mask=~has_price))
        rows = pa.array(kept)
        own = [batch[name].take(rows) for name in ("trade_id", "symbol", "quantity")]
        return [*own, self.tier[user[kept]], self.risk[user[kept]], limit[kept], price]


class PandasOne:
    def __init__(self, tables: Tables) -> None:
        self.users = tables["users"].to_pandas().set_index("user_id")

    def take(self, batch: pa.RecordBatch) -> Any:
        frame = batch.select(["trade_id", "user_id", "symbol", "quantity"]).to_pandas()
        return frame.join(self.users, on="user_id", how="inner")


class PandasThree(PandasOne):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.limits = tables["limits"].to_pandas().set_index("user_id")
        self.prices = tables["prices"].to_pandas().set_index("symbol")

    def take(self, batch: pa.RecordBatch) -> Any:
        rows = super().take(batch).join(self.limits, on="user_id", how="inner")
        rows = rows[rows["position_limit"] > rows["quantity"]]
        return rows.join(self.prices, on="symbol", how="left")


class PolarsOne:
    def __init__(self, tables: Tables) -> None:
        self.tables = {name: pl.from_arrow(table) for name, table in tables.items()}

    def take(self, batch: pa.RecordBatch) -> Any:
        return self.enrich(pl.from_arrow(batch))

    def enrich(self, rows: Any) -> Any:
        rows = rows.select("trade_id", "user_id", "symbol", "quantity")
        return rows.join(self.tables["users"], on="user_id", maintain_order="left")


class PolarsThree(PolarsOne):
    def enrich(self, rows: Any) -> Any:
        rows = super().enrich(rows).join(self.tables["limits"], on="user_id", maintain_order="left")
        rows = rows.filter(pl.col("position_limit") > pl.col("quantity"))
        return rows.join(self.tables["prices"], on="symbol", how="left", maintain_order="left")


class DuckDbOne:
    SQL = (
        "SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score"
        " FROM trades t JOIN users u ON t.user_id = u.user_id"
    )

    def __init__(self, tables: Tables) -> None:
        self.connection = duckdb.connect(config={"threads": 2})
        for name, table in tables.items():
            self.connection.register("given", table)
            self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")

    def take(self, batch: pa.RecordBatch) -> Any:
        self.connection.register("trades", batch)
        return self.connection.sql(self.SQL).to_arrow_table()


class DuckDbThree(DuckDbOne):
    SQL = (
        "SELECT t.trade_id, t.symbol, t.quantity, u.tier, u.risk_score, l.position_limit,"
        " m.current_price FROM trades t JOIN users u ON t.user_id = u.user_id"
        " JOIN limits l ON t.user_id = l.user_id AND l.position_limit > t.quantity"
        " LEFT JOIN prices m ON t.symbol = m.symbol"
    )


class PandasLines(PandasThree):
    """JSON lines in and out."""

    def take_lines(self, text: bytes) -> bytes:
        rows = pd.read_json(io.BytesIO(text), lines=True, dtype=False)
        rows = rows[["trade_id", "user_id", "symbol", "quantity"]]
        rows = rows.join(self.users, on="user_id", how="inner")
        rows = rows.join(self.limits, on="user_id", how="inner")
        rows = rows[rows["position_limit"] > rows["quantity"]]
        rows = rows.join(self.prices, on="symbol", how="left").drop(columns="user_id")
        lines: str = rows.astype({"current_price": str}).to_json(orient="records", lines=True)
        return lines.encode()


class PolarsLines(PolarsThree):
    def take_lines(self, text: bytes) -> bytes:
        rows = self.enrich(pl.read_ndjson(io.BytesIO(text))).drop("user_id")
        lines: str = rows.with_columns(pl.col("current_price").cast(pl.String)).write_ndjson()
        return lines.encode()


class NumpyLines(NumpyThree):
    """Decodes with pyarrow, joins with numpy, encodes with Python's json."""

    def take_lines(self, text: bytes) -> bytes:
        import json

        table = pa.json.read_json(io.BytesIO(text)).combine_chunks()
        columns = self.take(table.to_batches()[0])
        names = ("trade_id", "symbol", "quantity", "tier", "risk_score", "position_limit")
        price = columns[-1].cast(pa.string()).to_pylist()
        lists = [column.tolist() for column in columns[:-1]]
        return b"".join(
            json.dumps({**dict(zip(names, row)), "current_price": row[-1]}).encode() + b"\n"
            for row in zip(*lists, price)
        )


class PandasMinutes:
    """Counts and sums by symbol and minute: partial ones per batch, added up at the end."""

    def __init__(self, tables: Tables) -> None:
        self.parts: list[Any] = []

    def take(self, batch: pa.RecordBatch) -> None:
        frame = pd.DataFrame(
            {
                "symbol": batch["symbol"].to_pandas(),
                "minute": batch["ts"].to_numpy().astype(np.int64) // 60_000_000,
                "quantity": batch["quantity"].to_numpy(),
            }
        )
        self.parts.append(frame.groupby(["symbol", "minute"])["quantity"].agg(["count", "sum"]))

    def end(self) -> int:
        return len(pd.concat(self.parts).groupby(level=[0, 1]).sum())


class PolarsMinutes(PandasMinutes):
    def take(self, batch: pa.RecordBatch) -> None:
        rows = pl.from_arrow(batch).group_by("symbol", minute=pl.col("ts").dt.truncate("1m"))
        self.parts.append(rows.agg(n=pl.len(), total=pl.col("quantity").sum()))

    def end(self) -> int:
        rows = pl.concat(self.parts).group_by("symbol", "minute")
        return len(rows.agg(pl.col("n").sum(), pl.col("total").sum()))


class DuckDbMinutes(PandasMinutes):
    def __init__(self, tables: Tables) -> None:
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute(
            "CREATE TABLE part (symbol VARCHAR, m TIMESTAMP, n BIGINT, s BIGINT)"
        )

    def take(self, batch: pa.RecordBatch) -> None:
        self.connection.register("trades", batch)
        self.connection.execute(
            "INSERT INTO part SELECT symbol, date_trunc('minute', ts), count(*), sum(quantity)"
            " FROM trades GROUP BY ALL"
        )

    def end(self) -> int:
        sql = "SELECT symbol, m, sum(n), sum(s) FROM part GROUP BY ALL"
        return self.connection.sql(sql).to_arrow_table().num_rows
