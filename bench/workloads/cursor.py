"""Batch after batch of a file: `for batch in session.sql(query)`, and what peers have for it."""

from harness.workload import Workload

X = {"x": "groups"}
WORKLOADS = [
    Workload("cursor: csv", "SELECT * FROM x", X, medium="csv", batch_sum="v1"),
    Workload("cursor: parquet", "SELECT * FROM x", X, medium="parquet", batch_sum="v1"),
    Workload("cursor: filter", "SELECT id3, v1 FROM x WHERE v3 < 50", X, "csv", batch_sum="v1"),
]
