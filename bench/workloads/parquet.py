"""Parquet: scan, filter, aggregate."""

from harness.workload import Workload

X = {"x": "groups"}
WORKLOADS = [
    Workload(
        "parquet: filter and aggregate",
        "SELECT count(*) AS n, sum(v3) AS s FROM x WHERE v1 = 3 AND id4 < 50",
        X,
        medium="parquet",
    ),
    Workload(
        "parquet: few rows of strings",
        "SELECT count(*) AS n, min(id3) AS s FROM x WHERE id1 = 'id042'",
        X,
        medium="parquet",
    ),
    Workload(
        "parquet: group by",
        "SELECT id1, sum(v1) AS v1, avg(v3) AS v3 FROM x GROUP BY id1",
        X,
        medium="parquet",
    ),
]
