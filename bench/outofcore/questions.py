"""The workloads: each once in SQL, and in the engine's own methods where it has no SQL for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.engines import Query


def running_polars(frames: Any) -> Any:
    import polars as pl

    total = pl.col("amount").cum_sum().over("many", order_by="id")
    return frames["facts"].select("id", "many", total=total)


class Question:
    """Its answer is read batch by batch and let go. Sums are cast: engines type them otherwise."""

    def __init__(
        self, name: str, sql: str, tables: tuple[str, ...] = ("facts",), sorted_by: str = ""
    ) -> None:
        self.name = name
        self.sql = sql
        self.tables = tables
        self.sorted_by = sorted_by

    def query(self, engine: str) -> Query:
        if self.name == "window" and engine == "polars":
            return running_polars
        return self.sql


def grouped(name: str, key: str) -> Question:
    sums = "CAST(sum(amount) AS BIGINT) AS total, max(price) AS highest"
    return Question(name, f"SELECT {key}, count(*) AS n, {sums} FROM facts GROUP BY {key}")


QUESTIONS = {
    question.name: question
    for question in (
        Question("sort", "SELECT * FROM facts ORDER BY id", sorted_by="id"),
        grouped("groups", "many"),  # a hundred rows in each
        grouped("groups-unique", "id"),  # one row in each
        Question(
            "join",
            "SELECT count(*) AS n, CAST(sum(amount) AS BIGINT) AS amounts,"
            " CAST(sum(amount * weight) AS BIGINT) AS weighed"
            " FROM facts JOIN others ON facts.id = others.id",
            ("facts", "others"),
        ),
        Question("distinct", "SELECT count(DISTINCT draw) AS n FROM facts"),
        Question("distinct-text", "SELECT count(DISTINCT text) AS n FROM facts"),
        Question(
            "window",
            "SELECT id, many, CAST(sum(amount) OVER (PARTITION BY many ORDER BY id"
            " ROWS UNBOUNDED PRECEDING) AS BIGINT) AS total FROM facts",
        ),
    )
}
