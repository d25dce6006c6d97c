"""Tables made of queries: in memory while they fit into the budget, on disk past it."""

from __future__ import annotations

import os
from pathlib import Path

import headrace as hr
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BUDGET = "4MiB"
ROWS = 400_000  # some 45 MiB; the budget and its fixed floor are 28 MiB
SUM = ROWS * (ROWS - 1) // 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROWS rows of an id, a key and a name of some 90 bytes."""
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    ids = list(range(ROWS))
    names = [f"{'name ' * 16}{i * 7919 % ROWS}" for i in ids]
    pq.write_table(pa.table({"id": ids, "k": [i % 1000 for i in ids], "name": names}), path)
    return path


def bytes_in(folder: Path) -> int:
    paths = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    return sum(path.stat().st_size for path in paths)


def one_row(session: hr.Session, query: str) -> tuple[object, ...]:
    (row,) = session.sql(query).to_pylist()
    return tuple(row.values())


def test_a_table_past_the_budget_is_on_disk(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        session.sql("CREATE TEMP TABLE big AS SELECT * FROM t")
        assert bytes_in(tmp_path) > 1 << 20
        assert one_row(session, "SELECT count(*), sum(id), max(name) FROM big") == (
            ROWS,
            SUM,
            f"{'name ' * 16}99999",
        )
        in_order = session.sql("SELECT id FROM big LIMIT 1000").to_arrow()["id"].to_pylist()
        assert in_order == list(range(1000))
        session.sql("DROP TABLE big")
        assert bytes_in(tmp_path) == 0


def test_rows_are_added_changed_and_deleted_past_the_budget(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        session.sql("CREATE TABLE big AS SELECT * FROM t WHERE id < 10")
        assert bytes_in(tmp_path) == 0, "few rows stay in memory"
        session.sql("INSERT INTO big SELECT * FROM t")
        session.sql("INSERT INTO big SELECT * FROM t WHERE id < 5")
        assert one_row(session, "SELECT count(*), sum(id) FROM big") == (ROWS + 15, SUM + 45 + 10)
        assert [row["id"] for row in session.sql("SELECT id FROM big LIMIT 12").to_pylist()] == [
            *range(10),
            0,
            1,
        ]
        assert one_row(session, "UPDATE big SET id = -id WHERE k = 7") == (ROWS // 1000 + 1,)
        negative = -2 * (sum(range(7, ROWS, 1000)) + 7)
        assert one_row(session, "SELECT sum(id) FROM big") == (SUM + 55 + negative,)
        assert one_row(session, "DELETE FROM big WHERE id > 100") == (
            ROWS - 101 - sum(1 for i in range(7, ROWS, 1000) if i > 100),
        )
        assert one_row(session, "SELECT count(*) FROM big WHERE id BETWEEN 0 AND 100") == (114,)
        session.sql("DROP TABLE big")
        assert bytes_in(tmp_path) == 0


def test_a_query_reads_a_table_that_is_dropped_meanwhile(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path) as session:
        session.register("t", session.scan(data))
        session.sql("CREATE TABLE big AS SELECT id FROM t ORDER BY id DESC")
        session.sql("CREATE OR REPLACE TABLE big AS SELECT *, id AS again, 'x' || id AS s FROM big")
        cursor = session.sql("SELECT id, s FROM big")
        first = next(iter(cursor))
        session.sql("DROP TABLE big")
        rows = first.num_rows + sum(batch.num_rows for batch in cursor)
        assert rows == ROWS
        cursor.close()
        del cursor, first
        assert bytes_in(tmp_path) == 0


def test_the_disk_is_bounded_too(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path, spill_limit="1MiB") as session:
        session.register("t", session.scan(data))
        with pytest.raises(hr.MemoryLimitError, match="raise spill_limit"):
            session.sql("CREATE TABLE big AS SELECT * FROM t")
        assert bytes_in(tmp_path) == 0
        with pytest.raises(hr.UnknownNameError):
            session.sql("SELECT * FROM big")
        assert one_row(session, "SELECT count(*) FROM t") == (ROWS,)


def test_a_registered_cursor_runs_into_a_table(data: Path, tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path) as session:
        session.register("big", session.scan(data).sort("k"))
        assert one_row(session, "SELECT count(*), sum(id) FROM big") == (ROWS, SUM)
        keys = session.sql("SELECT k FROM big LIMIT 500").to_arrow()["k"].to_pylist()
        assert keys == [0] * 400 + [1] * 100


def test_every_type_comes_back_from_disk(tmp_path: Path) -> None:
    with hr.Session(memory_limit=BUDGET, temp_dir=tmp_path) as session:
        query = """SELECT i, i::DECIMAL(12, 2) AS d, [i, i + 1] AS l, {'a': i, 'b': 'x'} AS s,
                          MAP {'k': i} AS m, NULL AS n, i % 2 = 0 AS b,
                          TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * i AS t,
                          repeat('long ', 50) || i AS text
                   FROM range(200000) AS r(i)"""
        session.sql(f"CREATE TABLE big AS {query}")
        assert bytes_in(tmp_path) > 1 << 20
        where = "WHERE i % 5000 = 4999"
        assert (
            session.sql(f"SELECT * FROM big {where}").to_pylist()
            == session.sql(f"SELECT * FROM ({query}) AS q {where}").to_pylist()
        )


def test_rows_of_a_table_in_memory_count_once(tmp_path: Path) -> None:
    """Batches of it are slices of one large column."""
    rows = 1_000_000
    with hr.Session(memory_limit="64MB", temp_dir=tmp_path) as session:
        session.register("t", pa.table({"a": range(rows)}))
        session.sql("CREATE TABLE few AS SELECT a FROM t LIMIT 3")
        assert session.metrics()["table_bytes"] < 1000
        session.sql("CREATE TABLE copy AS SELECT a FROM t")
        metrics = session.metrics()
        assert metrics["table_disk_bytes"] == 0
        assert 8 * rows <= metrics["table_bytes"] <= 10 * rows
        assert one_row(session, "SELECT count(*), sum(a) FROM copy") == (
            rows,
            rows * (rows - 1) // 2,
        )


def test_a_larger_limit_is_one_for_sorts_too(tmp_path: Path) -> None:
    with hr.Session(memory_limit="4MiB", temp_dir=tmp_path) as session:
        session.sql("SET memory_limit = '1GB'")
        cursor = session.sql("SELECT i FROM range(2000000) AS r(i) ORDER BY i * 7919 % 2000003")
        assert cursor.to_arrow().num_rows == 2_000_000
        assert cursor.metrics()["spilled_bytes"] == 0
