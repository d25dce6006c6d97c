"""CSV in and out."""

from harness.workload import Workload

X = {"x": "groups"}
ALL = (
    "SELECT min(id1) AS a, max(id2) AS b, min(id3) AS c, sum(id4) AS d, sum(id5) AS e,"
    " sum(id6) AS f, sum(v1) AS g, sum(v2) AS h, sum(v3) AS i FROM x"
)
WORKLOADS = [
    Workload("csv: count", "SELECT count(*) AS n FROM x", X, medium="csv"),
    Workload("csv: one column", "SELECT sum(v1) AS s FROM x", X, medium="csv"),
    Workload("csv: all columns", ALL, X, medium="csv"),
    Workload("csv to parquet", "SELECT * FROM x", X, medium="csv", writes="parquet"),
]
