"""Cursors that are used several times in one query are computed once."""

from __future__ import annotations

import headrace as hr
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

ROWS = 50_000


@pytest.fixture
def trades() -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table({"k": rng.integers(0, 700, ROWS), "v": rng.integers(0, 1000, ROWS)})


def started(session: hr.Session) -> int:
    return session.metrics()["queries_started"]


@pytest.mark.parametrize("limit", ["1GB", "4MiB"])
def test_groups_that_are_joined_with_themselves(trades: pa.Table, limit: str) -> None:
    with hr.Session(memory_limit=limit, threads=2) as session:
        session.register("trades", trades)
        groups = session.table("trades").aggregate("k", total=hr.col("v").sum())
        before = started(session)
        joined = groups.join(groups, on="k").join(groups, on="k", suffix="_third")
        assert joined.explain().count("scan shared") == 3
        found = joined.to_arrow().to_pandas().sort_values("k").reset_index(drop=True)
        assert started(session) == before + 2  # the groups, and the joins
    frame = trades.to_pandas().groupby("k", as_index=False)["v"].sum()
    assert len(found) == len(frame)
    for column in ("total", "total_right", "total_third"):
        pd.testing.assert_series_equal(found[column], frame["v"], check_names=False)


def test_explain_shows_what_is_shared_once(trades: pa.Table) -> None:
    with hr.Session() as session:
        session.register("trades", trades)
        groups = session.table("trades").aggregate("k", total=hr.col("v").sum())
        counts = groups.aggregate("total", n="count(*)")
        plan = groups.join(groups, on="k").join(counts.join(counts, on="total"), on="total")
        text = plan.explain()
        assert text.count("aggregate sum(v) by k") == 1
        assert text.count("aggregate count(*) by total") == 1
        tree, _, shared = text.partition("shared project, computed once for 3 scans:\n  project k,")
        assert "aggregate" not in tree
        assert "shared project 2, computed once for 2 scans:\n  project total," in shared
        with_query = "WITH q AS (SELECT k, max(v) AS m FROM trades GROUP BY k) "
        lines = session.sql(
            f"EXPLAIN {with_query} SELECT a.k FROM q AS a JOIN q AS b ON a.m = b.k"
        ).to_arrow()["plan"].to_pylist()
        assert "query q, computed once for 2 scans:" in lines
        assert sum("aggregate max(v)" in line for line in lines) == 1


def test_rows_that_cost_nothing_are_not_stored(trades: pa.Table) -> None:
    with hr.Session() as session:
        session.register("trades", trades)
        few = session.table("trades").filter(hr.col("v") < 10)
        joined = few.join(few.aggregate("k", n="count(*)"), on="k")
        assert "shared" not in joined.explain()
        before = started(session)
        assert joined.to_arrow().num_rows == int((trades["v"].to_numpy() < 10).sum())
        assert started(session) == before + 1
