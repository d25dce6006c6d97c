"""Questions about sequences: rows in the order of time, by symbol or user. Each engine answers in
the best spelling that it has."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.workload import Workload

TRADES = {"t": "trades"}
EVENTS = {"e": "events"}
ROLLED = 20


def in_order(name: str, sql: str) -> Any:
    """headrace is told that a table comes in the order of time, as Polars takes it to come."""

    def query(session: Any) -> Any:
        return session.sql(sql, **{name: session.table(name).assume_sorted("ts")})

    return query


# -- as-of join: the last quote of the symbol at the time of each trade

ASOF = """
SELECT count(*) AS n, count(bid) AS quoted, sum(price * size) AS paid, sum(bid) AS bids
FROM t ASOF LEFT JOIN q ON t.symbol = q.symbol AND t.ts >= q.ts
"""


def asof_headrace(session: Any) -> Any:
    trades, quotes = (session.table(name).assume_sorted("ts") for name in "tq")
    joined = trades.asof_join(quotes, on="ts", by="symbol")
    return joined.aggregate(
        n="count(*)", quoted="count(bid)", paid="sum(price * size)", bids="sum(bid)"
    )


def asof_polars(frames: Any) -> Any:
    import polars as pl

    joined = frames["t"].join_asof(
        frames["q"].select("ts", "symbol", "bid"), on="ts", by="symbol", check_sortedness=False
    )
    return joined.select(
        n=pl.len().cast(pl.Int64),
        quoted=pl.col("bid").count().cast(pl.Int64),
        paid=(pl.col("price") * pl.col("size")).sum(),
        bids=pl.col("bid").sum(),
    )


# -- sessions: a user's events with less than half an hour between them

SESSIONS = """
SELECT count(*) AS sessions, max(n) AS longest, CAST(sum(lasted) AS BIGINT) AS lasted
FROM (SELECT user_id, session, count(*) AS n, max(us) - min(us) AS lasted
      FROM (SELECT user_id, us, sum(opens) OVER (PARTITION BY user_id ORDER BY us
                                                 ROWS UNBOUNDED PRECEDING) AS session
            FROM (SELECT user_id, us,
                         CASE WHEN us - lag(us) OVER (PARTITION BY user_id ORDER BY us)
                              <= 1800000000 THEN 0 ELSE 1 END AS opens
                  FROM (SELECT user_id, {us} AS us FROM e) AS a) AS b) AS c
      GROUP BY user_id, session) AS d
"""
# Microseconds since 1970 of a timestamp.
US = {
    "headrace": "epoch_us(ts)",
    "duckdb": "epoch_us(ts)",
    "datafusion": "CAST(ts AS BIGINT)",
}


SESSIONS_IN_ORDER = """
SELECT count(*) AS sessions, max(n) AS longest, CAST(sum(lasted) AS BIGINT) AS lasted
FROM (SELECT user_id, session, count(*) AS n, max(us) - min(us) AS lasted
      FROM (SELECT user_id, epoch_us(ts) AS us,
                   count_if(opens) OVER (PARTITION BY user_id ORDER BY ts
                                         ROWS UNBOUNDED PRECEDING) AS session
            FROM (SELECT user_id, ts, coalesce(ts - lag(ts) OVER (PARTITION BY user_id ORDER BY ts)
                                               > INTERVAL '30 minutes', true) AS opens
                  FROM e) AS b) AS c
      GROUP BY user_id, session) AS d
"""


def sessions_polars(frames: Any) -> Any:
    import polars as pl

    apart = pl.col("ts").diff() > pl.duration(minutes=30)
    opened = frames["e"].select(
        "user_id", "ts", session=apart.fill_null(True).cum_sum().over("user_id")
    )
    sessions = opened.group_by("user_id", "session").agg(
        n=pl.len(), lasted=pl.col("ts").last() - pl.col("ts").first()
    )
    return sessions.select(
        sessions=pl.len().cast(pl.Int64),
        longest=pl.col("n").max().cast(pl.Int64),
        lasted=pl.col("lasted").sum().dt.total_microseconds(),
    )


# -- the longest run of rising prices of each symbol

RISE = """
SELECT symbol, max(n) AS longest
FROM (SELECT symbol, run, sum(rises) AS n
      FROM (SELECT symbol, rises, sum(1 - rises) OVER (PARTITION BY symbol ORDER BY ts
                                                       ROWS UNBOUNDED PRECEDING) AS run
            FROM (SELECT symbol, ts, CASE WHEN price > lag(price) OVER (PARTITION BY symbol
                                                                        ORDER BY ts)
                                     THEN 1 ELSE 0 END AS rises FROM t) AS a) AS b
      GROUP BY symbol, run) AS c
GROUP BY symbol
"""

RISE_IN_ORDER = """
SELECT symbol, max(n) AS longest
FROM (SELECT symbol, run_length(price > lag(price) OVER (PARTITION BY symbol ORDER BY ts))
                     OVER (PARTITION BY symbol ORDER BY ts) AS n FROM t) AS a
GROUP BY symbol
"""


def rise_polars(frames: Any) -> Any:
    import polars as pl

    runs = (pl.col("price").diff() > 0).fill_null(False).rle().struct
    longest = runs.field("len").filter(runs.field("value")).max().fill_null(0)
    return frames["t"].group_by("symbol").agg(longest=longest.cast(pl.Int64))


# -- funnel: users who looked, then put in the cart, then bought, within an hour of the look. The
# last look before a cart, and the last cart before the purchase, are always the best ones.

FUNNEL = """
SELECT count(DISTINCT CASE WHEN step = 1 THEN user_id END) AS looked,
       count(DISTINCT CASE WHEN step = 2 AND us - look <= 3600000000 THEN user_id END) AS carted,
       count(DISTINCT CASE WHEN step = 3 AND us - cart <= 3600000000 THEN user_id END) AS bought
FROM (SELECT user_id, us, step, look,
             max(CASE WHEN step = 2 THEN look END) OVER (PARTITION BY user_id ORDER BY us
                                                         ROWS UNBOUNDED PRECEDING) AS cart
      FROM (SELECT user_id, us, step,
                   max(CASE WHEN step = 1 THEN us END) OVER (PARTITION BY user_id ORDER BY us
                                                             ROWS UNBOUNDED PRECEDING) AS look
            FROM (SELECT user_id, step, {us} AS us FROM e) AS a) AS b) AS c
"""


def funnel_headrace(session: Any) -> Any:
    steps = {"looked": "step = 1", "carted": "step = 2", "bought": "step = 3"}
    rows = session.table("e").assume_sorted("ts")
    return rows.funnel(on="ts", within="1h", by="user_id", steps=steps)


def funnel_polars(frames: Any) -> Any:
    import polars as pl

    step, ts, hour = pl.col("step"), pl.col("ts"), pl.duration(hours=1)
    look = pl.when(step == 1).then(ts).forward_fill()
    cart = pl.when(step == 2).then(look).forward_fill()
    users = frames["e"].group_by("user_id").agg(
        looked=(step == 1).any(),
        carted=((step == 2) & (ts - look <= hour)).any(),
        bought=((step == 3) & (ts - cart <= hour)).any(),
    )
    return users.select(pl.col("looked", "carted", "bought").sum().cast(pl.Int64))


# -- the mean of the last twenty prices of the symbol, at every trade

ROLLING = f"""
SELECT symbol, ts, avg(price) OVER (PARTITION BY symbol ORDER BY ts
                                    ROWS {ROLLED - 1} PRECEDING) AS mean FROM t
"""


def rolling_polars(frames: Any) -> Any:
    import polars as pl

    mean = pl.col("price").rolling_mean(ROLLED, min_samples=1).over("symbol")
    return frames["t"].select("symbol", "ts", mean=mean)


# -- bars of a minute

BARS = """
SELECT symbol, {minute} AS minute, {first} AS open, max(price) AS high, min(price) AS low,
       {last} AS close, CAST(sum(size) AS BIGINT) AS volume
FROM t GROUP BY symbol, {minute}
"""
MINUTE = "date_trunc('minute', ts)"
BY_ARGUMENT = {"minute": MINUTE, "first": "arg_min(price, ts)", "last": "arg_max(price, ts)"}
BY_ORDER = {
    "minute": MINUTE,
    "first": "first_value(price ORDER BY ts)",
    "last": "last_value(price ORDER BY ts)",
}
IN_ORDER = {"minute": MINUTE, "first": "first(price)", "last": "last(price)"}


def bars_polars(frames: Any) -> Any:
    import polars as pl

    price = pl.col("price")
    return (
        frames["t"]
        .group_by("symbol", pl.col("ts").dt.truncate("1m").alias("minute"))
        .agg(
            open=price.first(),
            high=price.max(),
            low=price.min(),
            close=price.last(),
            volume=pl.col("size").sum(),
        )
    )


def by_us(sql: str) -> dict[str, Any]:
    return {engine: sql.format(us=us) for engine, us in US.items()}


QUESTIONS = [
    Workload(
        "as-of join",
        ASOF,
        {"t": "trades", "q": "quotes"},
        sql_of={"headrace": asof_headrace, "polars": asof_polars},
        unspelled=("datafusion",),
    ),
    Workload(
        "sessions",
        "",
        EVENTS,
        sql_of={
            **by_us(SESSIONS),
            "headrace": in_order("e", SESSIONS_IN_ORDER),
            "polars": sessions_polars,
        },
    ),
    Workload(
        "longest rise",
        RISE,
        TRADES,
        sql_of={"headrace": in_order("t", RISE_IN_ORDER), "polars": rise_polars},
    ),
    Workload(
        "funnel",
        "",
        EVENTS,
        sql_of={
            **by_us(FUNNEL),
            "headrace": funnel_headrace,
            "polars": funnel_polars,
        },
    ),
    Workload(
        "rolling mean",
        ROLLING,
        TRADES,
        sql_of={"headrace": in_order("t", ROLLING), "polars": rolling_polars},
    ),
    Workload(
        "bars of a minute",
        BARS.format(**BY_ARGUMENT),
        TRADES,
        sql_of={
            "headrace": in_order("t", BARS.format(**IN_ORDER)),
            "polars": bars_polars,
            "datafusion": BARS.format(**BY_ORDER),
        },
    ),
]
WORKLOADS = [
    dataclasses.replace(question, name=f"{medium}: {question.name}", medium=medium)
    for medium in ("parquet", "memory")
    for question in QUESTIONS
]
