"""Sorting whole tables, and the first few rows of one."""

from harness.workload import Workload

X = {"x": "groups"}
WORKLOADS = [
    Workload("sort by integer", "SELECT id6, v3 FROM x ORDER BY id6, v3", X, ordered=True),
    Workload("sort by string", "SELECT id3, v3 FROM x ORDER BY id3, v3", X, ordered=True),
    Workload(
        "top 100",
        "SELECT id3, id6, v3 FROM x ORDER BY v3 DESC, id6, id3 LIMIT 100",
        X,
        ordered=True,
    ),
]
