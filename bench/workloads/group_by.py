"""Group-by over a table in memory: five questions of the h2o.ai benchmark, and more."""

from harness.workload import Workload

X = {"x": "groups"}


def group(name: str, keys: str, calls: str) -> Workload:
    return Workload(f"group by {name}", f"SELECT {keys}, {calls} FROM x GROUP BY {keys}", X)


WORKLOADS = [
    group("q1: 100 strings", "id1", "sum(v1) AS v1"),
    group("q3: many strings", "id3", "sum(v1) AS v1, avg(v3) AS v3"),
    group("q5: many integers", "id6", "sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3"),
    group("q7: max - min", "id3", "max(v1) - min(v2) AS spread"),
    group("q10: every row", "id1, id2, id3, id4, id5, id6", "sum(v3) AS v3, count(*) AS n"),
    Workload(
        "distinct strings", "SELECT count(*) AS n FROM (SELECT id3 FROM x GROUP BY id3) AS y", X
    ),
    Workload("filter and sum", "SELECT sum(v3) AS s FROM x WHERE v1 = 3 AND id4 < 50", X),
]
