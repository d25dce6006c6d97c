"""Joins of a large table with a small, a medium and a large one; nine of ten keys match."""

from harness.workload import Workload


def join(right: str, key: str) -> Workload:
    sql = f"SELECT count(*) AS n, sum(v1) AS a, sum(v2) AS b FROM x JOIN y ON x.{key} = y.k"
    return Workload(f"join {right}", sql, {"x": "joined", "y": right})


WORKLOADS = [join("small", "k1"), join("medium", "k2"), join("big", "k3")]
